//! Pruning: what goes, what stays, and what is said of it.

use super::*;
use crate::replay::{Export, ReplayError, export};
use crate::store::{ChainStore, LEAST_KEPT, StoreError};
use crate::{HistoryQuery, NoHistory};
use cairn_ledger::{Height, TxId};

/// Blocks of these chains.
const BLOCKS: u64 = 400;
const PRUNING: fn() -> DbOptions =
    || DbOptions { keep_blocks: Some(LEAST_KEPT), address_index: true, ..DbOptions::default() };

/// A chain with a payment in every block.
fn long_branch(spec: &Arc<ChainSpec>) -> Branch {
    let mut branch = Branch::new(spec);
    for n in 0..BLOCKS {
        let payment = branch.pay(1, 100 + n % 7, 5_000);
        branch.mine(vec![payment], 0);
    }
    branch
}

fn txid_in(branch: &Branch, height: u64) -> TxId {
    branch.blocks[height as usize - 1].body[0].id()
}

/// How many entries the indexes have on the disk, as RocksDB counts them.
fn entries(store: &ChainStore) -> [u64; 2] {
    store.flush().expect("a flush");
    let usage = store.usage().expect("a usage");
    let entries = |name| usage.tables.iter().find(|table| table.name == name).expect("a table").entries;
    ["location_by_txid", "touch_by_account"].map(entries)
}

#[tokio::test]
async fn bodies_of_old_blocks_go_and_all_else_is_as_before() {
    let node = Fixture::with(PRUNING());
    let branch = long_branch(&node.spec);
    node.import_all(&branch.blocks).await;
    node.assert_at(&branch).await;
    let report = node.audit().expect("every invariant holds");
    let node = node.restart_with(PRUNING()).await;
    node.assert_at(&branch).await;
    let reader = node.chain.reader();
    let lowest = reader.lowest_body().get();
    assert!((BLOCKS - LEAST_KEPT - 32..=BLOCKS + 1 - LEAST_KEPT).contains(&lowest), "{lowest}");
    assert_eq!((report.blocks, report.pruned), (BLOCKS + 1, lowest - 1));
    for height in [1, 2, lowest - 1, lowest, BLOCKS] {
        let header = reader.header_at(Height::new(height)).expect("a read").expect("headers stay");
        let txid = txid_in(&branch, height);
        let is_kept = height >= lowest;
        assert_eq!(reader.body(&header).expect("a read").is_some(), is_kept, "{height}");
        assert_eq!(reader.raw_block(&header).expect("a read").is_some(), is_kept, "{height}");
        assert_eq!(reader.transaction(&txid).expect("a read").is_some(), is_kept, "{height}");
        assert_eq!(reader.expect_kept(Height::new(height)).is_ok(), is_kept, "{height}");
    }
    let genesis = reader.header_at(Height::GENESIS).expect("a read").expect("a header");
    assert!(reader.body(&genesis).expect("a read").is_some(), "block 0 stays");
}

#[tokio::test]
async fn what_the_indexes_say_of_pruned_blocks_counts_as_gone_and_leaves_the_disk() {
    let node = Fixture::with(DbOptions { keep_blocks: None, ..PRUNING() });
    let branch = long_branch(&node.spec);
    node.import_all(&branch.blocks).await;
    let store = node.chain.reader().store();
    let before = entries(&store);
    assert_eq!(before[0], BLOCKS);
    let lowest = node.chain.prune(Height::new(u64::MAX)).await.expect("an answer").get();
    assert_eq!(lowest, BLOCKS + 1 - LEAST_KEPT, "so many are always kept");
    let query = HistoryQuery { address: key(1).address(), before: None, since: None, count: 1_000 };
    let page = node.chain.reader().history(&query).expect("a read").expect("the index is whole");
    let heights: Vec<u64> = page.touched.iter().map(|touched| touched.block.header().height.get()).collect();
    assert_eq!((heights.len() as u64, heights.last(), page.next), (LEAST_KEPT, Some(&lowest), None));
    node.assert_at(&branch).await;
    store.compact_indexes();
    let after = entries(&store);
    assert_eq!(after[0], LEAST_KEPT);
    assert!(after[1] < before[1], "{after:?} of {before:?}");
    node.assert_at(&branch).await;
}

/// Bodies of some size are in blob files, which RocksDB frees as files, and only as far as nothing leads to them any
/// more.
#[tokio::test]
async fn bodies_that_were_pruned_leave_the_disk_at_once() {
    let node = Fixture::new();
    let mut branch = Branch::new(&node.spec);
    let store = node.chain.reader().store();
    for _ in 0..9 {
        for _ in 0..100 {
            let first = branch.state.nonce(&key(1).address());
            let pay = |nonce| payment(&node.spec, &key(1), first + nonce, key(nonce).address(), 5_000, 1_000);
            branch.mine((0..24).map(pay).collect(), 0);
        }
        node.import_all(&branch.blocks[branch.blocks.len() - 100..]).await;
        store.flush().expect("a flush");
    }
    let bytes = || store.usage().expect("a usage").of_blocks();
    let before = bytes();
    node.chain.prune(Height::new(u64::MAX)).await.expect("an answer");
    let after = bytes();
    assert!(after < before / 2, "{after} of {before} bytes for {LEAST_KEPT} of 900 blocks");
    assert!(after > before / 5, "what is kept is there");
    node.assert_at(&branch).await;
}

#[tokio::test]
async fn reorganisations_within_what_is_kept_work_and_a_deeper_one_ends_the_node_with_a_sentence() {
    let node = Fixture::with(PRUNING());
    let mut branch = Branch::new(&node.spec);
    branch.mine_many(60, 0);
    let mut deep = branch.clone();
    branch.mine_many(290, 0);
    let mut other = branch.clone();
    branch.mine_many(30, 0);
    node.import_all(&branch.blocks).await;
    assert!(node.chain.reader().lowest_body() > Height::new(61), "what is above the fork was pruned");
    other.mine_many(40, 1);
    node.import_all(&other.blocks[350..]).await;
    node.assert_at(&other).await;
    deep.mine_many(400, 2);
    let headers: Vec<Header> = deep.blocks[60..].iter().map(|block| block.header.clone()).collect();
    let linked = node.chain.link_presynced(PEER, headers).await.expect("an answer");
    for (outcome, block) in linked.into_iter().zip(&deep.blocks[60..]) {
        let HeaderOutcome::Linked(linked) = outcome else { panic!("not linked") };
        // The writer ends on the way.
        if node.chain.import(linked, block.body.clone()).await.is_err() {
            break;
        }
    }
    let error = node.running.ended().await.expect_err("nothing leads back there");
    assert!(matches!(error, StoreError::ForkPruned { fork, .. } if fork == Height::new(60)), "{error}");
    assert!(!error.is_storage_failure() && error.to_string().contains("fetches that chain anew"), "{error}");
}

#[tokio::test]
async fn an_index_that_is_switched_on_late_covers_what_is_kept() {
    let node = Fixture::with(DbOptions { address_index: false, ..PRUNING() });
    let branch = long_branch(&node.spec);
    node.import_all(&branch.blocks).await;
    let node = node.restart_with(PRUNING()).await;
    let query = HistoryQuery { address: key(1).address(), before: None, since: None, count: 1_000 };
    let page = loop {
        match node.chain.reader().history(&query).expect("a read") {
            Ok(page) => break page,
            Err(NoHistory::Building { .. }) => tokio::task::yield_now().await,
            Err(refused) => panic!("{refused:?}"),
        }
    };
    let lowest = node.chain.reader().lowest_body().get();
    assert_eq!(page.touched.len() as u64, BLOCKS + 1 - lowest);
    node.assert_at(&branch).await;
}

#[tokio::test]
async fn an_export_of_pruned_blocks_is_refused_with_what_there_is() {
    let node = Fixture::with(PRUNING());
    let branch = long_branch(&node.spec);
    node.import_all(&branch.blocks).await;
    let Fixture { spec, directory, chain, running } = node;
    let lowest = chain.reader().lowest_body();
    chain.stop().await;
    running.ended().await.expect("an orderly end");
    drop(chain);
    let to = |name: &str| directory.path().join(name);
    let from = |height| Export { from: Some(height), to: None, append: false };
    let exported = export(&spec, directory.path(), PRUNING(), &to("kept"), from(lowest), &mut |_, _| ());
    assert_eq!(exported.expect("what is kept").blocks, BLOCKS + 1 - lowest.get());
    let refused = export(&spec, directory.path(), PRUNING(), &to("all"), from(Height::new(1)), &mut |_, _| ());
    let refused = refused.expect_err("it is gone");
    assert!(matches!(refused, ReplayError::Store(StoreError::Pruned { .. })), "{refused}");
    assert!(refused.to_string().contains(&format!("from height {lowest} on")), "{refused}");
}
