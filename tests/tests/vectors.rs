//! The cases that the specification in tests/spec is compared on reach every rule there is.

use cairn_tests::vectors;
use std::collections::BTreeSet;

/// What the ledger may say of a block, by the names of the specification. Not among them: `total-work`, which takes
/// more work than anybody has.
const VERDICTS: &[&str] = &[
    "beneficiary",
    "block-bytes",
    "decode",
    "height",
    "history-root",
    "new-accounts",
    "parent-unknown",
    "state-root",
    "target",
    "target-form",
    "target-limit",
    "time",
    "time-ahead",
    "tx-amount",
    "tx-balance",
    "tx-expired",
    "tx-max-price",
    "tx-nonce",
    "tx-nonce-exhausted",
    "tx-outputs",
    "tx-receiver",
    "tx-sender",
    "tx-signature",
    "tx-unknown-sender",
    "tx-version",
    "txs-root",
    "valid",
    "version",
    "work",
];

#[test]
fn every_rule_is_broken_by_some_candidate_and_every_kind_of_line_is_written() {
    let mut written = Vec::new();
    vectors::write(1, 6_000, 40, &mut written).expect("memory takes it");
    let text = String::from_utf8(written).expect("lines of text");
    let kinds: BTreeSet<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    let expected =
        ["account", "address", "block", "compact", "light", "network", "next", "receipt", "refused", "tile", "undo"];
    assert_eq!(kinds, BTreeSet::from(expected));
    let blocks = text.lines().filter(|line| line.starts_with("block "));
    let verdicts: BTreeSet<&str> = blocks.filter_map(|line| line.split(' ').nth(3)).collect();
    assert_eq!(verdicts, VERDICTS.iter().copied().collect());
}

#[test]
fn the_same_seed_writes_the_same_lines() {
    let lines = |seed| {
        let mut written = Vec::new();
        vectors::write(seed, 50, 5, &mut written).expect("memory takes it");
        written
    };
    assert_eq!(lines(7), lines(7));
    assert_ne!(lines(7), lines(8));
}
