//! Making, restoring and showing wallets; the command line itself.

use crate::harness::{ALICE, BOB, DEVELOPMENT, Home, Run, fields};
use crate::node::{FakeNode, nobody};
use cairn_rpc::types::SyncPhase;
use std::process::{Command, Stdio};
use std::{fs, io::Write};

/// Every command there is.
const COMMANDS: [&str; 32] = [
    "new",
    "restore",
    "receive",
    "address",
    "list",
    "balance",
    "watch",
    "send",
    "why",
    "bump",
    "cancel",
    "repair",
    "resend",
    "status",
    "history",
    "accounts",
    "watch-only",
    "label",
    "labels",
    "import-labels",
    "export-labels",
    "change-password",
    "verify-backup",
    "sign-message",
    "verify-message",
    "sign",
    "broadcast",
    "shared",
    "cosign",
    "completions",
    "man",
    "--version",
];

#[test]
fn help_has_every_command() {
    let home = Home::new();
    let help = home.ok("--help");
    for command in COMMANDS.iter().filter(|command| !command.starts_with('-')) {
        assert!(help.contains(&format!("\n  {command} ")), "{command}: {help}");
        assert!(home.ok(&format!("{command} --help")).contains("--chain"), "{command}");
    }
}

#[test]
fn alone_it_shows_where_one_stands_and_what_to_try() {
    let home = Home::new();
    let alone = home.ok(&format!("--chain local --node {}", nobody()));
    assert!(alone.starts_with("There is no wallet default here yet."), "{alone}");
    assert!(alone.contains("no node answered") && alone.contains("\nNext: make a wallet"), "{alone}");
    assert!(alone.contains("  wallet --chain local ") && alone.contains(" new\n"), "{alone}");

    let (home, node) = (Home::with_alice(), FakeNode::local());
    let line = home.at(&node, "");
    let text = home.ok(&line);
    assert!(text.contains(ALICE) && text.contains("balance  10 CRN") && text.contains("at block 100"), "{text}");
    assert!(text.contains("send ADDRESS AMOUNT"), "{text}");
    let shown = home.json(&line);
    let names = "address balance chain height kind name newest node node_error payments pending proof";
    assert_eq!(fields(&shown).join(" "), names);
    assert_eq!((&shown["kind"], &shown["balance"]), (&"words".into(), &"1000000000".into()));
    node.state().balance = cairn_ledger::units::Amount::ZERO;
    assert!(home.ok(&line).contains("receive"), "who has nothing is told how to be paid");
}

#[test]
fn nonsense_is_refused_with_usage() {
    let home = Home::new();
    home.fails("fly", 2, "usage");
    home.fails("send", 2, "usage");
    home.fails("status nonsense", 2, "usage");
    home.fails("--wallet a/b address", 2, "usage");
}

#[test]
fn an_unknown_variable_of_the_wallet_is_refused() {
    let home = Home::with_alice();
    for (name, code) in [("CAIRN_WALLET_PASSWORD", 2), ("CAIRN_WALLET_CHIAN", 2), ("CAIRN_NODE_CHIAN", 0)] {
        let run = Run::of(home.command("--chain local address").env(name, "x").output().expect("the wallet runs"));
        assert_eq!(run.code, Some(code), "{name}: {run:?}");
        assert_eq!(run.err.contains(name), code != 0, "{name}: {run:?}");
    }
}

#[test]
fn variables_are_defaults_and_options_win() {
    let home = Home::with_alice();
    let address = |chain: &str, line: &str| {
        Run::of(home.command(line).env("CAIRN_WALLET_CHAIN", chain).output().expect("the wallet runs")).code
    };
    assert_eq!(address("local", "address"), Some(0));
    assert_eq!(address("test", "address"), Some(1));
    assert_eq!(address("test", "address --chain local"), Some(0));
}

#[test]
fn new_shows_24_words_once_and_they_bring_the_wallet_back() {
    let home = Home::new();
    let made = home.json("--chain local new --kdf-memory-mib 8");
    assert_eq!(fields(&made), ["account", "address", "chain", "file", "genesis_id", "name", "words"]);
    let words = made["words"].as_str().expect("words");
    assert_eq!(words.split(' ').count(), 24);
    let address = made["address"].as_str().expect("an address");
    assert_eq!(home.ok("--chain local address").trim_end(), address);
    fs::write(home.path("written-down"), words).expect("written");
    let line = "--chain local --wallet again restore --words-file @written-down --kdf-memory-mib 8";
    assert_eq!(home.json(line)["address"], address);
    // Nothing but the result of `new` ever shows a word.
    let first = words.split(' ').next().expect("a word");
    for file in fs::read_dir(home.path("data/wallets")).expect("listed") {
        let text = fs::read_to_string(file.expect("listed").path()).expect("text");
        assert!(!text.contains(words) && !text.contains(&format!("{first} ")));
    }
}

#[test]
fn new_says_what_to_do_with_the_words() {
    let home = Home::new();
    let text = home.ok("--chain local --wallet savings new --kdf-memory-mib 8");
    let next = format!("wallet --chain local --wallet savings --data-dir {} receive", home.path("data").display());
    for part in [" 1. ", "24. ", "only now", "address  lcrn1", &next] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_new_wallet_whose_words_nobody_saw_is_none() {
    let home = Home::new();
    let new = |json: &str, redirect: &str| {
        let script = format!("exec \"$0\" \"$@\" {redirect}");
        let line = format!("{json} --chain local new --kdf-memory-mib 8");
        let mut shell = Command::new("sh");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_wallet"), "--password-file"]).arg(home.path("password"));
        shell.arg("--data-dir").arg(home.path("data")).args(home.arguments(&line));
        Run::of(shell.output().expect("the shell runs"))
    };
    let left = || fs::read_dir(home.path("data/wallets")).map_or(0, Iterator::count);
    for json in ["", "--json"] {
        for redirect in [">/dev/full", ">/dev/null", ">&-"] {
            let run = new(json, redirect);
            assert_eq!((run.code, left()), (Some(1), 0), "{json} {redirect}: {run:?}");
            assert!(!json.is_empty() || run.err.contains("no wallet was made"), "{redirect}: {run:?}");
        }
    }
    let run = new("", "");
    assert_eq!((run.code, left()), (Some(0), 1), "the control: {run:?}");
    assert!(new("", "").err.contains("there is a wallet default already"));
}

#[test]
fn every_development_key_is_restored_to_its_published_address() {
    let home = Home::new();
    for account in 0..10 {
        let line = format!(
            "--chain local --wallet dev{account} restore --account {account} --words-file @words --kdf-memory-mib 8"
        );
        let restored = home.json(&line);
        assert_eq!(fields(&restored), ["account", "accounts", "address", "chain", "file", "genesis_id", "name"]);
        let address = restored["address"].as_str().expect("an address");
        let published = format!("# account {account}\naddress = \"{address}\"");
        assert!(cairn_genesis::LOCAL.contains(&published), "{published}");
    }
}

#[test]
fn words_come_from_standard_input_and_passwords_from_descriptors() {
    let home = Home::new();
    let mut child = home
        .command("--chain local restore --kdf-memory-mib 8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the wallet runs");
    child.stdin.take().expect("piped").write_all(DEVELOPMENT.as_bytes()).expect("written");
    let run = Run::of(child.wait_with_output().expect("it ends"));
    assert!(run.code == Some(0) && run.out.contains(ALICE), "{run:?}");

    let data = home.path("data").display().to_string();
    let script = "exec 3<\"$1\"; exec \"$0\" --data-dir \"$2\" --chain local --wallet fd \
                  restore --words-file \"$3\" --kdf-memory-mib 8 --password-fd 3";
    let (password, words) = (home.path("password"), home.path("words"));
    let output = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_wallet")])
        .arg(password)
        .arg(data)
        .arg(words)
        .output()
        .expect("the shell runs");
    let run = Run::of(output);
    assert!(run.code == Some(0) && run.out.contains(ALICE), "{run:?}");
}

#[test]
fn bad_words_and_passwords_are_refused_and_nothing_is_written() {
    let home = Home::new();
    let restore = "--chain local restore --words-file @bad --kdf-memory-mib 8";
    for (words, said) in [
        ("test test", "2 words"),
        (&DEVELOPMENT.replace("junk", "jnuk"), "word 12"),
        (&DEVELOPMENT.replace("junk", "test"), "checksum"),
    ] {
        fs::write(home.path("bad"), words).expect("written");
        let error = home.fails(restore, 1, "bad_words");
        assert!(error.contains(said) && !error.contains("jnuk"), "{error}");
    }
    fs::write(home.path("bad"), DEVELOPMENT).expect("written");
    fs::write(home.path("password"), "\n").expect("written");
    assert!(home.fails(restore, 1, "no_secret").contains("empty"));
    fs::remove_file(home.path("password")).expect("removed");
    home.fails(restore, 1, "no_secret");
    assert!(!home.path("data").exists());
}

#[test]
fn a_wallet_that_is_there_is_never_overwritten() {
    let home = Home::with_alice();
    let before = fs::read(home.wallet_file()).expect("there");
    for line in ["new --kdf-memory-mib 8", "restore --words-file @words --kdf-memory-mib 8"] {
        assert!(home.fails(&format!("--chain local {line}"), 1, "wallet_exists").contains("not touched"));
    }
    assert_eq!(fs::read(home.wallet_file()).expect("there"), before);
}

#[test]
fn an_address_needs_no_password_and_its_own_network() {
    let home = Home::with_alice();
    fs::remove_file(home.path("password")).expect("removed");
    assert_eq!(home.ok("--chain local address"), format!("{ALICE}\n"));
    let shown = home.json("--chain local address");
    assert_eq!(shown, serde_json::json!({"name": "default", "chain": "local", "address": ALICE}));
    let error = home.fails("--chain main address", 1, "wallet_of_other_network");
    assert!(error.contains("\"local\"") && error.contains("--chain"), "{error}");
    // A network of the same name is another one all the same.
    let fresh = cairn_genesis::LOCAL.replacen("genesis_time = 1_7", "genesis_time = 1_6", 1);
    fs::write(home.path("fresh.toml"), fresh).expect("written");
    home.fails("--chain @fresh.toml address", 1, "wallet_of_other_network");
    fs::write(home.path("same.toml"), cairn_genesis::LOCAL).expect("written");
    assert_eq!(home.ok("--chain @same.toml address"), format!("{ALICE}\n"));
    home.fails("--chain @missing.toml address", 1, "bad_network");
    assert!(home.fails("--chain local --wallet other address", 1, "no_wallet").contains(" new, or see wallet "));
}

#[test]
fn the_list_has_every_wallet_of_every_network() {
    let home = Home::new();
    assert_eq!(home.json("list"), serde_json::json!({"wallets": [], "unreadable": []}));
    let next = format!("wallet --data-dir {} new", home.path("data").display());
    assert!(home.ok("list").contains(&next));
    home.ok("--chain local --wallet a restore --words-file @words --kdf-memory-mib 8");
    home.ok("--chain test --wallet b restore --words-file @words --kdf-memory-mib 8");
    fs::write(home.path("data/wallets/c.json"), "{").expect("written");
    let list = home.json("list");
    assert_eq!(list["wallets"][0]["address"], ALICE);
    assert_eq!(fields(&list["wallets"][0]), ["address", "chain", "genesis_id", "name"]);
    assert_eq!((&list["wallets"][1]["name"], &list["wallets"][1]["chain"]), (&"b".into(), &"test".into()));
    assert_eq!(
        (&list["unreadable"][0]["name"], &list["unreadable"][0]["kind"]),
        (&"c".into(), &"wallet_damaged".into())
    );
    let text = home.ok("list");
    assert!(text.starts_with(&format!("a  local  {ALICE}\nb  test   tcrn1")), "{text}");
}

#[test]
fn a_balance_is_what_the_node_says() {
    let (home, node) = (Home::with_alice(), FakeNode::local());
    let line = home.at(&node, "balance");
    let shown = home.json(&line);
    assert_eq!(
        shown,
        serde_json::json!({
            "name": "default", "chain": "local", "address": ALICE, "exists": true, "balance": "1000000000",
            "nonce": "0", "pending": {"balance": "1000000000", "nonce": "0", "count": 0}, "height": 100,
            "block": crate::node::block(100).to_string(), "syncing": false,
            "newest": {"balance": "1000000000", "height": 100}, "proof": null,
        })
    );
    assert_eq!(
        home.ok(&line),
        format!(
            "address  {ALICE}\nbalance  10 CRN, as the node says; nothing is verified\nat       block 100, the tip\n"
        )
    );
    home.ok(&home.at(&node, &format!("send {BOB} 1")));
    assert!(home.ok(&line).contains("pending  8.99999815 CRN once 1 payment of yours left the pool"));
    node.state().phase = SyncPhase::Bodies;
    assert!(home.ok(&line).contains("still catching up: it is at block 100 of 1000"));
    node.state().phase = SyncPhase::Stalled;
    let told = home.ok(&line);
    assert!(told.contains("does not get on, at block 100 of 1000") && told.contains("no peer sends block 8"), "{told}");
}

#[test]
fn a_node_that_is_silent_or_of_another_network_is_told_apart() {
    let home = Home::with_alice();
    let error = home.fails(&format!("--chain local --node {} balance", nobody()), 3, "no_answer");
    assert!(error.contains("no node answered"), "{error}");
    home.fails("--chain local --node ftp://127.0.0.1 balance", 1, "bad_node_url");
    let node = FakeNode::local();
    node.state().network = cairn_genesis::Network::parse(cairn_genesis::TEST).expect("shipped");
    let error = home.fails(&format!("--chain local --node {} balance", node.url()), 1, "node_of_other_network");
    assert!(error.contains("\"test\""), "{error}");
}
