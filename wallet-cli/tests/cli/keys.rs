//! Accounts, passwords, backups, labels, messages; shared keys and payments as files, by real processes.

use crate::harness::{ALICE, BOB, DEVELOPMENT, Home, fields};
use crate::node::{FakeNode, nobody};
use cairn_ledger::{units::Amount, validate::check_transactions};
use serde_json::{Value, json};
use std::{fs, path::Path};

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("{field} in {value}"))
}

#[test]
fn one_seed_has_several_accounts() {
    let (home, node) = (Home::with_alice(), FakeNode::local());
    let shown = home.json(&home.at(&node, "accounts add --label savings"));
    assert_eq!(fields(&shown), ["accounts", "balances", "chain", "kind", "name", "proof"]);
    assert_eq!(fields(&shown["accounts"][0]), ["account", "address", "balance", "label"]);
    assert_eq!((&shown["accounts"][1]["account"], &shown["accounts"][1]["address"]), (&json!(1), &json!(BOB)));
    assert_eq!(shown["accounts"][1]["label"], "savings");
    assert_eq!(home.ok("--chain local --account 1 address"), format!("{BOB}\n"));
    assert!(home.fails("--chain local --account 7 address", 1, "no_account").contains("accounts add --number 7"));
    // Each pays with its own key.
    let sent = home.json(&home.at(&node, &format!("--account 1 send {ALICE} 1")));
    assert_eq!(text(&sent, "from"), BOB);
    assert_eq!(home.json(&home.at(&node, "accounts add --number 5"))["accounts"][2]["account"], 5);
    assert_eq!(home.json(&home.at(&node, "accounts add --number 5"))["accounts"].as_array().map(Vec::len), Some(3));
    assert!(home.ok(&format!("--chain local --node {} accounts", nobody())).contains("No balances"));
}

#[test]
fn restoring_finds_the_accounts_that_were_paid() {
    let (home, node) = (Home::new(), FakeNode::local());
    let paid = [2, 19, 39].map(|number| {
        let line = format!(
            "--chain local --wallet p{number} --account {number} restore --words-file @words --kdf-memory-mib 8"
        );
        String::from(text(&home.json(&line), "address"))
    });
    node.state().only = Some(paid.to_vec());
    let line = home.at(&node, "restore --discover --words-file @words --kdf-memory-mib 8");
    // 39 is the twentieth after 19: within the limit; nothing is after it.
    assert_eq!(home.json(&line)["accounts"], json!([0, 2, 19, 39]));
    assert_eq!(home.json(&home.at(&node, "accounts discover"))["accounts"].as_array().map(Vec::len), Some(4));
}

#[test]
fn a_wallet_of_version_1_opens_and_grows() {
    let (home, node) = (Home::with_alice(), FakeNode::local());
    let old = include_str!("../golden/wallet-1.json");
    fs::write(home.wallet_file(), old).expect("written");
    assert_eq!(home.ok("--chain local address"), format!("{ALICE}\n"));
    home.json(&home.at(&node, &format!("send {BOB} 1")));
    assert_eq!(fs::read_to_string(home.wallet_file()).expect("there"), old, "using it does not change it");
    let shown = home.json(&home.at(&node, "accounts add"));
    assert_eq!((&shown["accounts"][0]["account"], &shown["accounts"][1]["address"]), (&json!(0), &json!(BOB)));
    assert!(fs::read_to_string(home.wallet_file()).expect("there").contains("\"version\": 2"));
}

#[test]
fn a_password_is_changed_and_the_old_one_opens_nothing() {
    let (home, node) = (Home::with_alice(), FakeNode::local());
    fs::write(home.path("new"), "battery staple").expect("written");
    home.ok("--chain local change-password --new-password-file @new --kdf-memory-mib 8");
    home.fails(&home.at(&node, &format!("send {BOB} 1")), 1, "wrong_password");
    fs::copy(home.path("new"), home.path("password")).expect("copied");
    home.ok(&home.at(&node, &format!("send {BOB} 1")));
    assert_eq!(home.ok("--chain local address"), format!("{ALICE}\n"));
}

/// The attack on a change of the file is a crash in the middle of it.
#[test]
fn a_kill_while_the_password_is_changed_leaves_a_wallet_that_opens() {
    let home = Home::with_alice();
    fs::write(home.path("old"), "correct horse\n").expect("written");
    for round in 0..16 {
        let line = "--chain local change-password --new-password-file @old --kdf-memory-mib 8";
        let mut child = home.command(line).stdout(std::process::Stdio::null()).spawn().expect("the wallet runs");
        std::thread::sleep(std::time::Duration::from_millis(4 * round));
        child.kill().expect("killed, or over already");
        child.wait().expect("over");
        home.ok("--chain local sign-message still-here");
    }
}

#[test]
fn a_backup_is_checked_without_a_password() {
    let home = Home::with_alice();
    fs::remove_file(home.path("password")).expect("removed");
    let checked = home.json("--chain local verify-backup --words-file @words");
    assert_eq!((&checked["matches"], &checked["account"], text(&checked, "address")), (&json!(true), &json!(0), ALICE));
    fs::write(home.path("other"), "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong").expect("written");
    assert!(home.fails("--chain local verify-backup --words-file @other", 1, "other_words").contains("not those"));
    fs::write(home.path("typo"), DEVELOPMENT.replace("junk", "jnuk")).expect("written");
    let error = home.fails("--chain local verify-backup --words-file @typo", 1, "bad_words");
    assert!(error.contains("word 12") && !error.contains("jnuk"), "{error}");
}

#[test]
fn messages_are_signed_and_verified() {
    let home = Home::with_alice();
    let signed = home.json("--chain local sign-message hello");
    assert_eq!(fields(&signed), ["address", "message", "signature"]);
    let signature = text(&signed, "signature");
    let verify = |address: &str, message: &str| format!("--chain local verify-message {address} {signature} {message}");
    assert_eq!(home.json(&verify(ALICE, "hello"))["valid"], true);
    home.fails(&verify(ALICE, "hallo"), 1, "bad_message_signature");
    home.fails(&verify(BOB, "hello"), 1, "bad_message_signature");
}

#[test]
fn labels_are_kept_shown_inert_and_carried_over() {
    let (home, node) = (Home::with_alice(), FakeNode::local());
    let name = |subject: &str, label: &str| {
        let mut command = home.command(&format!("--chain local label {subject}"));
        assert!(command.arg(label).output().expect("the wallet runs").status.success());
    };
    name(BOB, "Bob\u{1b}[2J\u{202e}");
    let sent = home.ok(&home.at(&node, &format!("send {BOB} 1")));
    let balances = home.ok(&home.at(&node, "accounts"));
    let txid = sent.lines().find_map(|line| line.strip_prefix("txid         ")).expect("an id");
    name(txid, "rent\u{1b}[1m");
    let history = home.ok(&home.at(&node, "history"));
    assert!(history.contains("  label  rent\\u{1b}[1m\n  name   Bob\\u{1b}[2J"), "{history}");
    assert!(!history.contains('\u{1b}'), "{history:?}");
    name(txid, "");
    let labels = home.ok("--chain local labels");
    for text in [&sent, &labels] {
        assert!(text.contains("Bob\\u{1b}[2J\\u{202e}"), "{text}");
    }
    for text in [&sent, &balances, &labels] {
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text:?}");
    }
    home.ok("--chain local export-labels @out.jsonl");
    let exported = fs::read_to_string(home.path("out.jsonl")).expect("there");
    assert_eq!(exported.lines().count(), 1);
    assert!(exported.starts_with("{\"type\":\"addr\",\"ref\":\"lcrn1"), "{exported}");
    home.fails("--chain local export-labels @out.jsonl", 1, "file_exists");
    let other = Home::with_alice();
    fs::copy(home.path("out.jsonl"), other.path("in.jsonl")).expect("copied");
    assert_eq!(other.json("--chain local import-labels @in.jsonl"), json!({"labels": 1, "skipped": 0}));
    assert_eq!(other.json("--chain local labels")["labels"][0]["ref"], BOB);
    name(BOB, "");
    assert_eq!(home.json("--chain local labels")["labels"], json!([]));
    home.fails("--chain local label nonsense x", 1, "bad_address");
    fs::write(other.path("in.jsonl"), "nonsense\n").expect("written");
    assert!(other.fails("--chain local import-labels @in.jsonl", 1, "labels").contains("line 1"));
}

#[test]
fn a_payment_travels_to_an_offline_key_and_back() {
    let (online, offline, node) = (Home::new(), Home::with_alice(), FakeNode::local());
    online.ok(&format!("--chain local watch-only {ALICE}"));
    assert!(online.ok(&online.at(&node, "balance")).contains("10 CRN"));
    online.fails(&online.at(&node, &format!("send {BOB} 1")), 1, "watch_only");
    let written = online.json(&online.at(&node, &format!("send {BOB} 1.5 --memo tea --unsigned @pay.json")));
    assert_eq!(fields(&written), ["amount", "fee", "file", "from", "max_price", "signed"]);
    online.fails(&online.at(&node, "broadcast @pay.json"), 1, "payment_file");

    // The machine with the key is on no network: no node is named.
    fs::copy(online.path("pay.json"), offline.path("pay.json")).expect("carried");
    let signed = offline.ok("--chain local sign @pay.json");
    assert!(
        signed.contains("pay          1.5 CRN\nto           lcrn1")
            && signed.contains(": wallet --chain local broadcast "),
        "{signed}"
    );
    fs::copy(offline.path("pay.signed.json"), online.path("pay.signed.json")).expect("carried back");
    let sent = online.json(&online.at(&node, "broadcast @pay.signed.json"));
    assert_eq!((text(&sent, "to"), text(&sent, "memo")), (BOB, "tea"));
    // Sent twice it is still one payment, also in the journal.
    online.ok(&online.at(&node, "broadcast @pay.signed.json"));
    let journal = fs::read_to_string(online.journal_file()).expect("there");
    assert_eq!(journal.matches("\"event\":\"signed\"").count(), 1);
    let state = node.state();
    assert!(check_transactions(&state.network.id(), state.submitted.clone()).is_ok());
    assert_eq!(state.submitted.len(), 1);
}

#[test]
fn a_payment_file_that_was_changed_is_not_signed() {
    let (home, node) = (Home::with_alice(), FakeNode::local());
    home.ok(&home.at(&node, &format!("send {BOB} 1 --unsigned @pay.json")));
    let whole = fs::read_to_string(home.path("pay.json")).expect("there");
    fs::write(home.path("pay.json"), whole.replace("\"amount\": \"100000000\"", "\"amount\": \"1\"")).expect("written");
    assert!(home.fails("--chain local sign @pay.json", 1, "payment_file").contains("outputs"));
    assert!(!home.path("pay.signed.json").exists());
    fs::write(home.path("pay.json"), whole).expect("written");
    home.ok("--chain local --wallet other --account 3 restore --words-file @words --kdf-memory-mib 8");
    home.fails("--chain local --wallet other sign @pay.json", 1, "not_the_sender");
    home.fails("--chain local cosign @pay.json", 1, "not_shared");
}

/// Members at machines of their own: account `n` of the development words is member `n`.
fn members(count: usize) -> (Vec<Home>, Vec<String>) {
    let homes: Vec<Home> = (0..count).map(|_| Home::new()).collect();
    let addresses = homes.iter().enumerate().map(|(number, home)| {
        let line = format!("--chain local --account {number} restore --words-file @words --kdf-memory-mib 8");
        String::from(text(&home.json(&line), "address"))
    });
    let addresses = addresses.collect();
    (homes, addresses)
}

fn carry(from: &Home, to: &Home, file: &str) {
    fs::copy(from.path(file), to.path(file)).expect("carried");
}

#[test]
fn two_of_two_sign_by_handing_a_file_round() {
    let ((homes, addresses), node) = (members(2), FakeNode::local());
    let (ada, bob) = (&homes[0], &homes[1]);
    let new = format!("--chain local --wallet ours shared new {} {}", addresses[0], addresses[1]);
    let made = ada.json(&new);
    assert_eq!(fields(&made), ["address", "chain", "file", "members", "name", "scheme", "threshold"]);
    let swapped = format!("--chain local --wallet ours shared new {} {}", addresses[1], addresses[0]);
    assert_eq!(bob.json(&swapped)["address"], made["address"], "both compute the same key");
    ada.fails(&ada.at(&node, &format!("--wallet ours send {BOB} 1")), 1, "shared_key");
    ada.ok(&ada.at(&node, &format!("--wallet ours send {BOB} 1 --unsigned @pay.json")));
    ada.fails("--chain local sign @pay.json", 1, "shared_payment");
    let step = |home: &Home| home.json("--chain local cosign @pay.json");

    let first = step(ada);
    assert_eq!(fields(&first), ["file", "group", "member", "needed", "steps", "waiting_for"]);
    assert_eq!((&first["steps"], &first["waiting_for"]), (&json!(["committed"]), &json!([addresses[1]])));
    // What Ada has now is kept, for the attack below.
    fs::copy(ada.path("pay.json"), ada.path("early.json")).expect("copied");
    carry(ada, bob, "pay.json");
    assert_eq!(step(bob)["steps"], json!(["committed", "signed"]));
    carry(bob, ada, "pay.json");
    let signed = step(ada);
    assert_eq!(signed["signed"], true);
    let sent = ada.json(&ada.at(&node, "broadcast @pay.signed.json"));
    assert_eq!(sent["from"], made["address"]);
    let state = node.state();
    assert!(check_transactions(&state.network.id(), state.submitted.clone()).is_ok(), "the ledger takes it");
    drop(state);

    // The attack: the same nonce for another set of commitments. It is gone.
    carry(bob, ada, "pay.json");
    ada.fails("--chain local cosign @pay.json", 1, "nonce_used_already");
    let stranger = Home::with_alice();
    stranger.ok("--chain local --wallet third --account 5 restore --words-file @words --kdf-memory-mib 8");
    carry(bob, &stranger, "pay.json");
    stranger.fails("--chain local --wallet third cosign @pay.json", 1, "not_a_member");
}

#[test]
fn two_of_three_make_a_key_and_sign() {
    let ((homes, addresses), node) = (members(3), FakeNode::local());
    let list = addresses.join(" ");
    homes[0].ok(&format!("--chain local shared new {list} --threshold 2 --ceremony @key.json"));
    let join = |home: &Home| home.json("--chain local shared join @key.json --as ours");
    let mut made: Vec<Option<Value>> = vec![None; 3];
    // Twice round, and once more to those who were early.
    for turn in [0, 1, 2, 0, 1, 2, 0] {
        if made[turn].is_none() {
            let shown = join(&homes[turn]);
            if shown["scheme"] == "frost" {
                made[turn] = Some(shown);
            }
        }
        for other in (0..3).filter(|other| *other != turn) {
            carry(&homes[turn], &homes[other], "key.json");
        }
    }
    let address = made[0].as_ref().map(|made| String::from(text(made, "address"))).expect("everybody finished");
    assert!(made.iter().all(|made| made.as_ref().is_some_and(|made| made["address"] == address.as_str())));
    let file = fs::read_to_string(homes[0].path("data/wallets/ours.json")).expect("there");
    assert!(file.contains("\"share\"") && mode(&homes[0].path("data/wallets/ours.json")) == 0o600);

    // Members 2 and 0 sign; member 1 is not asked.
    homes[2].ok(&homes[2].at(&node, &format!("--wallet ours send {BOB} 2 --unsigned @pay.json")));
    for turn in [2, 0, 2] {
        homes[turn].ok("--chain local cosign @pay.json");
        carry(&homes[turn], &homes[2 - turn], "pay.json");
    }
    let sent = homes[2].json(&homes[2].at(&node, "broadcast @pay.signed.json"));
    assert_eq!(text(&sent, "from"), address);
    let state = node.state();
    assert!(check_transactions(&state.network.id(), state.submitted.clone()).is_ok(), "the ledger takes it");
    drop(state);
    // Enough have signed: the third has nothing to do, and its nonce is never made.
    carry(&homes[2], &homes[1], "pay.json");
    homes[1].ok("--chain local cosign @pay.json");
    assert!(
        !homes[1]
            .path("data/wallets/default.once")
            .read_dir()
            .expect("there")
            .any(|entry| { entry.expect("listed").path().extension().is_some_and(|ending| ending == "nonce") })
    );
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).expect("it exists").permissions().mode() & 0o777
}

/// Whatever fails, no word, password or key stands in what is said.
#[test]
fn nothing_that_is_said_holds_a_secret() {
    let (home, node) = (Home::with_alice(), FakeNode::local());
    let send = format!("send {BOB} 1");
    let mut said = String::new();
    for line in ["balance", "history", "accounts", &send, "sign-message x", "verify-backup --words-file @words", "list"]
    {
        let run = home.run(&home.at(&node, line));
        said.push_str(&run.out);
        said.push_str(&run.err);
    }
    node.state().balance = Amount::ZERO;
    let run = home.run(&home.at(&node, &send));
    said.push_str(&run.err);
    assert!(said.len() > 1_000);
    for secret in ["correct horse", "junk", "test test"] {
        assert!(!said.contains(secret), "{secret}");
    }
}
