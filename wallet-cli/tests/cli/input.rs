//! What people bring: files from any editor, paths, labels, and wishes such as "everything".

use crate::harness::{ALICE, BOB, DEVELOPMENT, Home, Run};
use crate::node::FakeNode;
use serde_json::json;
use std::{fs, process::Command};

#[test]
fn a_decimal_comma_or_an_open_quote_in_a_file_pays_nobody() {
    let (home, node) = (Home::with_alice(), FakeNode::local());
    for (file, says) in [
        (format!("{BOB},12,50\n"), "an amount has a decimal point: 12.50"),
        (format!("address,amount,label\n{BOB},12,\"Bob\n{ALICE},3,\"Eve\"\n"), "line 2 has a quote that is not closed"),
        (format!("address,amount,label\n{BOB},12,\"Bob\n"), "line 2 has a quote that is not closed"),
        (format!("{BOB};12\n"), "separate them by commas"),
        (format!("address,amount,tip\n{BOB},12,1\n"), "has the columns address,amount,tip"),
    ] {
        fs::write(home.path("pay.csv"), &file).expect("written");
        let error = home.fails(&home.at(&node, "send --csv @pay.csv"), 1, "bad_csv");
        assert!(error.contains(says), "{file}: {error}");
    }
    assert!(node.state().submitted.is_empty(), "nobody was paid");
    fs::write(home.path("pay.csv"), format!("\u{feff}address,amount\r\n{BOB},2.5\r\n")).expect("written");
    assert_eq!(home.json(&home.at(&node, "send --csv @pay.csv"))["amount"], "250000000", "the control");
}

#[test]
fn words_and_passwords_are_read_from_files_of_any_editor() {
    let home = Home::new();
    let words = DEVELOPMENT.replace(' ', " \r\n");
    fs::write(home.path("words"), format!("\u{feff}{words} \r\n")).expect("written");
    fs::write(home.path("password"), "\u{feff}correct horse \t\r\n").expect("written");
    assert!(home.ok("--chain local restore --words-file @words --kdf-memory-mib 8").contains(ALICE));
    // The same password from a plain file opens it; another does not.
    for (password, code) in [("correct horse", Some(0)), ("correct  horse", Some(1))] {
        fs::write(home.path("password"), password).expect("written");
        assert_eq!(home.run("--chain local sign-message hello").code, code, "{password}");
    }
    let utf16: Vec<u8> = "correct horse\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(home.path("password"), utf16).expect("written");
    let run = home.run("--chain local sign-message hello");
    assert!(run.code == Some(1) && run.err.contains("expected text in UTF-8"), "{run:?}");
}

#[test]
fn a_tilde_is_the_home_directory_wherever_a_path_is_given() {
    let home = Home::with_alice();
    let run = |arguments: &[&str], variable: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wallet"));
        command.current_dir(home.path("")).env("HOME", home.path("")).env_remove("CAIRN_WALLET_DATA_DIR");
        command.args(["--chain", "local"]).args(arguments);
        variable.map(|value| command.env("CAIRN_WALLET_DATA_DIR", value));
        Run::of(command.output().expect("the wallet runs"))
    };
    for (arguments, variable) in [
        (&["--data-dir", "~/data", "address"][..], None),
        (&["--data-dir=~/data", "address"], None),
        (&["address"], Some("~/data")),
    ] {
        let run = run(arguments, variable);
        assert_eq!((run.code, run.out.trim()), (Some(0), ALICE), "{arguments:?}: {run:?}");
    }
    let signed = run(&["--data-dir=~/data", "--password-file=~/password", "sign-message", "hello"], None);
    assert_eq!(signed.code, Some(0), "{signed:?}");
    assert!(!home.path("~").exists(), "no directory is called so");
}

#[test]
fn everything_is_sent_and_nothing_stays() {
    let (home, node) = (Home::with_alice(), FakeNode::local());
    let sent = home.json(&home.at(&node, &format!("send {BOB} all")));
    assert_eq!((&sent["amount"], &sent["fee"]), (&json!("999999815"), &json!("185")), "{sent}");
    let paid = node.state().submitted.first().map(|payment| payment.body.max_cost());
    assert_eq!(paid, Some(1_000_000_000), "all of the 10 CRN");
    for (options, amount) in [("--fee 1 --max-fee 1", "900000000"), ("--fee-rate 10 --memo tea", "999998120")] {
        let (home, node) = (Home::with_alice(), FakeNode::local());
        assert_eq!(home.json(&home.at(&node, &format!("send {BOB} all {options}")))["amount"], amount, "{options}");
    }
    let (home, node) = (Home::with_alice(), FakeNode::local());
    node.state().only = Some(vec![String::from(ALICE)]);
    let sent = home.json(&home.at(&node, &format!("send {BOB} all")));
    assert_eq!((&sent["amount"], &sent["max_price"]), (&json!("999899815"), &json!("100000")), "a new account is paid");
    let (home, node) = (Home::with_alice(), FakeNode::local());
    node.state().balance = "0.00000185".parse().expect("an amount");
    home.fails(&home.at(&node, &format!("send {BOB} all")), 1, "not_enough_money");
    home.fails(&home.at(&node, &format!("send cairn:{BOB}?amount=1 all")), 1, "uri_disagrees");
    home.fails(&home.at(&node, &format!("send {BOB} everything")), 2, "usage");
    assert!(node.state().submitted.is_empty());
}

#[test]
fn a_fee_may_be_given_by_the_byte() {
    let (home, node) = (Home::with_alice(), FakeNode::local());
    let sent = home.json(&home.at(&node, &format!("send {BOB} 1 --fee-rate 7")));
    let size = sent["size"].as_u64().expect("a size");
    assert_eq!(sent["fee"], (7 * size).to_string());
    home.fails(&home.at(&node, &format!("send {BOB} 1 --fee-rate 7 --fee 1")), 2, "usage");
    home.fails(&home.at(&node, &format!("send {BOB} 1 --fee-rate 0")), 2, "usage");
    // What takes its place, too: for the bytes that it has.
    let txid = sent["txid"].as_str().expect("an id");
    for (command, rate) in [("bump", 9), ("cancel", 11)] {
        let put = home.json(&home.at(&node, &format!("{command} {txid} --fee-rate {rate}")));
        let size = put["size"].as_u64().expect("a size");
        assert_eq!((&put["fee"], &put["nonce"]), (&(rate * size).to_string().into(), &"0".into()), "{command}");
        home.fails(&home.at(&node, &format!("{command} {txid} --fee-rate 7 --fee 1")), 2, "usage");
        home.fails(&home.at(&node, &format!("{command} {txid} --fee-rate 2000000")), 1, "fee_too_high");
    }
}

#[test]
fn a_label_is_paid_when_one_address_alone_is_called_so() {
    let (home, node) = (Home::with_alice(), FakeNode::local());
    home.ok(&format!("--chain local label {BOB} Bob"));
    let text = home.ok(&home.at(&node, "send Bob 1"));
    assert!(text.starts_with(&format!("Bob is {BOB}.\n")), "{text}");
    let unknown = home.fails(&home.at(&node, "send Bop 1"), 1, "bad_address");
    assert!(unknown.contains("no address is called Bop"), "{unknown}");
    home.ok(&format!("--chain local label {ALICE} Bob"));
    let both = home.fails(&home.at(&node, "send Bob 1"), 1, "ambiguous_label");
    assert!(both.contains(ALICE) && both.contains(BOB), "{both}");
    // Whoever names an address means it, whatever others are called.
    home.ok(&format!("--chain local label {ALICE} {BOB}"));
    assert_eq!(home.json(&home.at(&node, &format!("send {BOB} 2")))["to"], BOB);
    assert_eq!(node.state().submitted.len(), 2, "what was refused did not leave");
}

/// In a mount namespace of its own, where the test may make one.
#[test]
fn commands_that_only_look_work_on_a_read_only_disk() {
    let home = Home::with_alice();
    let data = home.path("data").display().to_string();
    let run = |line: &str| {
        let script = "mount --bind \"$1\" \"$1\" && mount -o remount,ro,bind \"$1\" || exit 99; shift; exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script, "sh", &data, env!("CARGO_BIN_EXE_wallet"), "--data-dir", &data]);
        command.args(home.arguments(&format!("--chain local --password-file @password {line}")));
        Run::of(command.output().expect("unshare runs"))
    };
    let first = run("address");
    if first.code == Some(99) || first.err.contains("unshare") {
        eprintln!("no mounts can be made here: skipped");
        return;
    }
    assert_eq!((first.code, first.out.trim()), (Some(0), ALICE), "{first:?}");
    let node = FakeNode::local();
    for line in ["list", "labels", "history", "receive", "accounts", "sign-message hello", "export-labels @out.jsonl"] {
        let run = run(&format!("--node {} --trust-node {line}", node.url()));
        assert_eq!(run.code, Some(0), "{line}: {run:?}");
    }
    let refused = run(&format!("label {BOB} Bob"));
    assert!(refused.code == Some(1) && refused.err.contains("Read-only"), "the control: it is read-only: {refused:?}");
}
