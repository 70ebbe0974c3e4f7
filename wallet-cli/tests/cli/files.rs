//! The wallet's files: who may read them, and what happens to them when things go wrong.

use crate::harness::{ALICE, BOB, Home};
use crate::node::FakeNode;
use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Stdio, thread::sleep, time::Duration};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it exists").permissions().mode() & 0o777
}

#[test]
fn files_are_their_owners_alone() {
    let (home, node) = (Home::with_alice(), FakeNode::local());
    home.ok(&home.at(&node, &format!("send {BOB} 1")));
    assert_eq!(mode(&home.path("data/wallets")), 0o700);
    assert_eq!(mode(&home.wallet_file()), 0o600);
    assert_eq!(mode(&home.journal_file()), 0o600);
}

#[test]
fn a_wrong_password_changes_nothing() {
    let (home, node) = (Home::with_alice(), FakeNode::local());
    let before = fs::read(home.wallet_file()).expect("there");
    fs::write(home.path("password"), "wrong horse\n").expect("written");
    let error = home.fails(&home.at(&node, &format!("send {BOB} 1")), 1, "wrong_password");
    assert!(error.contains("wrong password"), "{error}");
    assert_eq!(fs::read(home.wallet_file()).expect("there"), before);
    assert!(!home.journal_file().exists() && node.state().submitted.is_empty());
}

#[test]
fn a_broken_file_is_said_to_be_and_left_alone() {
    let (home, node) = (Home::with_alice(), FakeNode::local());
    let whole = fs::read_to_string(home.wallet_file()).expect("there");
    let cut = whole.get(..whole.len() / 2).expect("ascii");
    for (text, kind) in [
        (String::new(), "wallet_damaged"),
        (String::from(cut), "wallet_damaged"),
        ("x".repeat(70_000), "wallet_damaged"),
        (whole.replacen("\"version\": 2", "\"version\": 3", 1), "wallet_version"),
        (whole.replacen("argon2id", "scrypt", 1), "wallet_algorithm"),
        (whole.replacen("\"memory_kib\": 8192", "\"memory_kib\": 100000000", 1), "wallet_cost"),
        (whole.replacen(ALICE, "lcrn1nonsense", 1), "wallet_damaged"),
        // Another valid address in the header: money would go astray, were it not bound to the ciphertext.
        (whole.replacen(ALICE, BOB, 1), "wrong_password"),
    ] {
        fs::write(home.wallet_file(), &text).expect("written");
        home.fails(&home.at(&node, &format!("send {BOB} 1")), 1, kind);
        assert_eq!(fs::read_to_string(home.wallet_file()).expect("there"), text);
    }
    assert!(node.state().submitted.is_empty());
}

#[test]
fn a_kill_at_any_moment_leaves_a_whole_wallet_or_none() {
    let home = Home::new();
    let (mut made, mut unmade) = (0, 0);
    for round in 0..24 {
        let name = format!("k{round}");
        let line = format!("--chain local --wallet {name} new --kdf-memory-mib 8");
        let mut child = home.command(&line).stdout(Stdio::null()).spawn().expect("the wallet runs");
        sleep(Duration::from_millis(4 * round));
        child.kill().expect("killed, or over already");
        child.wait().expect("over");
        if home.path(&format!("data/wallets/{name}.json")).exists() {
            made += 1;
            assert!(home.ok(&format!("--chain local --wallet {name} address")).starts_with("lcrn1"));
        } else {
            unmade += 1;
            home.ok(&line);
        }
    }
    // What a killed wallet leaves beside the files is no wallet.
    fs::write(home.path("data/wallets/.abc123.tmp"), "{\"version\":").expect("written");
    let list = home.json("list");
    assert_eq!(list["wallets"].as_array().map(Vec::len), Some(24), "{made} made, {unmade} not");
    assert_eq!(list["unreadable"], serde_json::json!([]));
}
