//! Accounts that stand next to each other, as addresses chosen by somebody do.

use super::*;
use crate::store::StoreError;
use cairn_ledger::codec::{BoundedBytes, BoundedVec};
use cairn_ledger::transaction::{Output, TRANSACTION_VERSION, TransactionBody};
use cairn_ledger::{Height, testing::pebbles};
use std::collections::BTreeMap;

/// The address `n` above one that nobody has.
fn address(n: u16) -> Address {
    let mut bytes = [0x77; 32];
    bytes[30..].copy_from_slice(&n.to_be_bytes());
    Address::from_bytes(bytes)
}

/// Pays to each of these addresses.
fn pay_to(branch: &Branch, numbers: impl Iterator<Item = u16>) -> Transaction {
    let outputs: Vec<Output> = numbers.map(|n| Output { to: address(n), amount: pebbles(10) }).collect();
    let body = TransactionBody {
        version: TRANSACTION_VERSION,
        sender: key(1).address(),
        nonce: branch.state.nonce(&key(1).address()),
        fee: pebbles(100_000),
        max_price: pebbles(1_000_000),
        valid_until: Height::GENESIS,
        outputs: BoundedVec::new(outputs).expect("few outputs"),
        memo: BoundedBytes::default(),
    };
    body.sign(&key(1), &branch.spec.genesis_id(), &[7; 32])
}

/// For each account that a reorganisation makes again, the writer once walked over all that it had removed below it.
#[tokio::test]
async fn accounts_side_by_side_are_removed_and_made_again() {
    let node = Fixture::new();
    let mut stem = Branch::new(&node.spec);
    stem.mine(vec![pay_to(&stem, (0..600).step_by(3))], 0);
    let (mut left, mut right) = (stem.clone(), stem);
    left.mine(vec![pay_to(&left, 1..500)], 1);
    left.mine(vec![pay_to(&left, 400..800)], 1);
    // The same ones in other steps, some that are new between them, and some that are made no more.
    right.mine(vec![pay_to(&right, (0..1_000).step_by(7))], 0);
    right.mine(vec![pay_to(&right, 1..300)], 0);
    right.mine(vec![pay_to(&right, (250..900).rev())], 0);
    node.import_all(&left.blocks).await;
    node.assert_at(&left).await;
    node.import_all(&right.blocks).await;
    node.assert_at(&right).await;
    left.mine_many(2, 0);
    node.import_all(&left.blocks).await;
    node.assert_at(&left).await;
}

/// The pool goes by them alone: read from the disk, a block's accounts took it longer than connecting the block.
#[tokio::test]
async fn events_say_what_every_changed_account_has() {
    for seed in [3, 14, 159] {
        let node = Fixture::new();
        let genesis = Branch::new(&node.spec).state;
        let mut told: BTreeMap<Address, Account> =
            genesis.leaves().iter().map(|leaf| (leaf.address, leaf.account)).collect();
        let mut events = node.chain.subscribe();
        let (_node, followed) = arrive(node, seed).await;
        let mut reorganised = 0;
        while let Ok(event) = events.try_recv() {
            reorganised += usize::from(event.left.is_some());
            told.extend(event.accounts.iter().copied());
        }
        assert!(reorganised > 0, "some were taken back, too");
        let there: BTreeMap<Address, Account> =
            followed.state.leaves().iter().map(|leaf| (leaf.address, leaf.account)).collect();
        told.retain(|address, account| there.contains_key(address) || *account != Account::default());
        assert_eq!(told, there);
    }
}

#[tokio::test]
async fn a_node_with_too_little_memory_for_the_roots_of_all_buckets_does_not_start_and_says_why() {
    let Fixture { spec, directory, running, chain } = Fixture::new();
    chain.stop().await;
    running.ended().await.expect("an orderly end");
    drop(chain);
    let start = |bytes| {
        let options = DbOptions { account_bytes: Some(bytes), ..DbOptions::default() };
        spawn(spec.clone(), directory.path(), options).map(drop)
    };
    let refused = start(5_000).expect_err("a bucket takes more");
    assert!(matches!(refused, StoreError::NoMemory { got: 5_000, .. }), "{refused}");
    assert!(!refused.is_storage_failure() && refused.to_string().contains("raise memory.max_bytes"), "{refused}");
    start(15_000).expect("the negative control");
}

/// Whoever counted accounts while a block made some once took two tables of two moments for a corrupt database.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_are_counted_while_blocks_make_new_ones() {
    let node = Fixture::new();
    let mut branch = Branch::new(&node.spec);
    for n in 0..200 {
        let payment = branch.pay(1, 1_000 + n, 5_000);
        branch.mine(vec![payment], 0);
    }
    let (reader, all) = (node.chain.reader().clone(), branch.state.leaves().len() as u64 - 1);
    let counting = std::thread::spawn(move || {
        let mut count = 0;
        while count < all {
            let now = reader.account_count().expect("the database is whole");
            assert!((count..=all).contains(&now), "{now} after {count}");
            count = now;
        }
    });
    node.import_all(&branch.blocks).await;
    counting.join().expect("it counts to the end");
}
