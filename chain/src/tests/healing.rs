//! Damage on the disk, table by table: a byte that flips in its files while the node does not look.

use super::{BlockOutcome, Branch, Fixture};
use crate::heal::Wanted;
use crate::store::Table;
use crate::store::rocks::tests::files_of;
use crate::store::schema::{
    AccountByIndex, BodyByBlock, HeaderById, IdByHeight, IndexByAddress, LeavesByRun, LinkByIndex, LocationByTxid,
    Meta, RootByRun, RootsByPart, SnapshotByHeight, TouchByAccount, UndoByBlock,
};
use crate::store::{DbOptions, awaits_mending};
use crate::{ChainHandle, HistoryQuery, NoHistory};
use cairn_ledger::accounts::StateRun;
use cairn_ledger::testing::{self, key, pebbles};
use cairn_ledger::{ChainSpec, Height};
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc;

const EVERY: u64 = 8;
/// Blocks with payments.
const BLOCKS: u64 = 20;

/// Some hundred accounts.
fn network() -> ChainSpec {
    let mut params = testing::easy_params();
    params.allocations.extend((1_000..1_500).map(|n| (key(n).address(), pebbles(1_000 + n))));
    params.allocations.sort();
    ChainSpec::new(params).expect("valid parameters")
}

/// Little memory, so that accounts are read again and again, and everything that can be kept.
fn options() -> DbOptions {
    let account_bytes = Some(30_000);
    DbOptions { account_bytes, snapshot_every: EVERY, address_index: true, ..DbOptions::default() }
}

/// Blocks so large that they have files of their own, which create accounts and pay old ones.
fn chain(spec: &Arc<ChainSpec>, empty: usize) -> Branch {
    let mut branch = Branch::new(spec);
    // Many headers, most of which nobody reads at a start.
    branch.mine_many(empty, 0);
    for n in 0..BLOCKS {
        let mut payments = Vec::new();
        for from in 1..=2 {
            let nonce = branch.state.nonce(&key(from).address());
            for m in 0..20 {
                let to = if m == 0 { 100_000 + n * 10 + from } else { 1_000 + (37 * n + 20 * m) % 500 };
                let amount = if m == 0 { 5_000 } else { 70 };
                let payment = testing::payment(spec, &key(from), nonce + m, key(to).address(), amount, 1000);
                payments.push(payment);
            }
        }
        branch.mine(payments, 0);
    }
    branch
}

/// Flips a byte in a file.
fn flip(path: &Path, offset: u64) {
    let file = OpenOptions::new().read(true).write(true).open(path).expect("a file");
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).expect("a byte");
    file.write_all_at(&[byte[0] ^ 0x10], offset).expect("a byte");
}

/// Answers from a node that is well what one that is not wants.
fn answer_from(node: &ChainHandle, damaged: &ChainHandle) {
    let (sender, mut wanted) = mpsc::channel(1);
    damaged.ask_others(sender);
    let reader = node.reader().clone();
    tokio::spawn(async move {
        while let Some(wanted) = wanted.recv().await {
            match wanted {
                Wanted::Header { id, after, answer } => {
                    let headers = reader.headers_after(&[after], 2_000).expect("a read");
                    let header = headers.into_iter().find(|header| header.id() == id);
                    answer.send(header.expect("it is behind that block")).expect("somebody waits");
                }
                Wanted::Body { id, answer, .. } => {
                    let block = reader.block(&id).expect("a read").expect("a block");
                    answer.send(block.block.body).expect("somebody waits");
                }
                Wanted::Run { state_root, number, answer } => {
                    let run = reader.state_run(&state_root, number).expect("a run");
                    answer.send(run).expect("somebody waits");
                }
            }
        }
    });
}

/// Reads all there is, and compares it with what was mined.
async fn assert_all(node: &Fixture, branch: &Branch) {
    let reader = node.chain.reader();
    for (block, height) in branch.blocks.iter().zip(1..) {
        let header = reader.header_at(Height::new(height)).expect("a read").expect("a header");
        assert_eq!(header.header(), &block.header);
        assert_eq!(reader.block(&header.id()).expect("a read").expect("a block").block.body, block.body);
        for transaction in block.body.iter() {
            let mined = reader.transaction(&transaction.id()).expect("a read").expect("it is mined");
            assert_eq!(mined.transaction, *transaction);
        }
    }
    for n in (1_000..1_500).step_by(7).chain([1, 2]).chain((0..BLOCKS).map(|n| 100_001 + n * 10)) {
        let address = key(n).address();
        let expected = branch.state.leaves().iter().find(|leaf| leaf.address == address).map(|leaf| leaf.account);
        assert_eq!(reader.account(&address).expect("a read"), expected, "{n}");
        assert_eq!(node.proven(branch, address).await, expected, "{n}");
    }
    let touched = |n: u64| {
        let query = HistoryQuery { address: key(n).address(), since: None, before: None, count: 1_000 };
        reader.history(&query).expect("a read")
    };
    while reader.indexed().expect("a read") != Some(branch.context.header().height) {
        node.chain.sync().await.expect("an answer");
    }
    for n in (1_000..1_500).step_by(7).chain([1, 2]) {
        // It may have been damaged, and is being built again.
        while let Err(NoHistory::Building { .. }) = touched(n) {
            node.chain.sync().await.expect("an answer");
        }
    }
    assert_eq!(touched(1).expect("a page").touched.len() as u64, BLOCKS * 20);
    for snapshot in reader.snapshots() {
        (0..StateRun::runs(snapshot.accounts + 1))
            .for_each(|number| _ = reader.state_run(&snapshot.state_root, number));
    }
}

/// The height of the last snapshot.
fn newest(branch: &Branch) -> u64 {
    let height = branch.blocks.len() as u64;
    height - height % EVERY
}

/// When the damage is done.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    /// While the node is stopped.
    Stopped,
    /// While it is stopped, and a merge of files has met it before.
    Merged,
    /// While it runs.
    Running,
}

/// Two nodes with the same chain, one of which helps the other, whose table is damaged.
async fn damaged(
    table: &str,
    offsets: impl Fn(u64) -> Vec<u64>,
    empty: usize,
    when: When,
) -> (Fixture, Fixture, Branch) {
    let (node, helper, branch) = alone(table, offsets, empty, when).await;
    answer_from(&helper.chain, &node.chain);
    (node, helper, branch)
}

/// The same, but that nobody helps.
async fn alone(table: &str, offsets: impl Fn(u64) -> Vec<u64>, empty: usize, when: When) -> (Fixture, Fixture, Branch) {
    alone_with(&[(table, &offsets)], empty, when).await
}

/// A table, and where bytes flip in files of such a length.
type Damage<'a> = (&'a str, &'a dyn Fn(u64) -> Vec<u64>);

/// The same, of several tables.
async fn alone_with(damage: &[Damage<'_>], empty: usize, when: When) -> (Fixture, Fixture, Branch) {
    let helper = Fixture::on(network(), options());
    let branch = chain(&helper.spec, empty);
    helper.import_all(&branch.blocks).await;
    let node = Fixture::on(network(), options());
    node.import_all(&branch.blocks).await;
    for node in [&helper, &node] {
        node.expect_snapshots(&[newest(&branch) - EVERY, newest(&branch)]).await;
        while node.chain.reader().indexed().expect("a read") != Some(branch.context.header().height) {
            node.chain.sync().await.expect("an answer");
        }
    }
    // What can be merged is merged now, and not while the damage is looked for.
    let node = node.restart_with(options()).await;
    node.chain.reader().store().merge_all();
    let Fixture { spec, directory, chain, running } = node;
    chain.stop().await;
    running.ended().await.expect("an orderly end");
    drop(chain);
    let files: Vec<_> = damage.iter().map(|(table, offsets)| (files_of(directory.path(), table), offsets)).collect();
    assert!(files.iter().all(|(files, _)| !files.is_empty()));
    let spawn = || super::spawn(spec.clone(), directory.path(), options()).expect("the same chain");
    let running = (when == When::Running).then(spawn);
    for (file, offsets) in files.iter().flat_map(|(files, offsets)| files.iter().map(move |file| (file, offsets))) {
        offsets(std::fs::metadata(file).expect("a file").len()).into_iter().for_each(|offset| flip(file, offset));
    }
    // Otherwise a merge may be first to meet it.
    std::fs::File::create(directory.path().join("NO_MERGES")).expect("a mark");
    if when == When::Merged {
        std::fs::File::create(directory.path().join("DAMAGED")).expect("a mark");
    }
    let (chain, running) = running.unwrap_or_else(spawn);
    (Fixture { spec, directory, chain, running }, helper, branch)
}

async fn assert_tip(node: &Fixture, branch: &Branch) {
    node.chain.sync().await.expect("an answer");
    assert_eq!(node.chain.tip().id, branch.context.id());
    assert_eq!(node.chain.tip().header.state_root, branch.state_root());
}

/// All is as it was, a fork is followed, and after a restart every invariant holds.
async fn assert_healed(node: Fixture, branch: Branch, expect_healed: bool) {
    assert_all(&node, &branch).await;
    assert_goes_on(node, branch, expect_healed).await;
}

async fn assert_goes_on(node: Fixture, branch: Branch, expect_healed: bool) {
    // Three blocks are taken back, and four others follow.
    let mut fork = Branch::new(&node.spec);
    branch.blocks.iter().take(branch.blocks.len() - 3).for_each(|block| {
        fork.follow(block.clone());
    });
    for n in 0..4 {
        let payment = fork.pay(1, 300_000 + n, 5_000);
        let block = fork.mine(vec![payment], 1).clone();
        assert!(matches!(node.import(&block).await, BlockOutcome::Waiting | BlockOutcome::Connected));
    }
    assert_tip(&node, &fork).await;
    node.expect_snapshots(&[newest(&branch)]).await;
    assert_eq!(node.chain.reader().healed() > 0, expect_healed);
    let node = node.restart_with(options()).await;
    assert_tip(&node, &fork).await;
    node.audit().expect("every invariant holds");
    assert_eq!(node.chain.reader().healed(), 0);
}

macro_rules! a_flipped_byte {
    ($($name:ident: $table:ident, $offset:expr;)*) => {
        $(
            mod $name {
                use super::*;

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn is_mended_when_it_is_read() {
                    let (node, _helper, branch) = damaged($table::NAME, $offset, 0, When::Stopped).await;
                    assert_healed(node, branch, $table::NAME != Meta::NAME).await;
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn is_mended_at_the_start_after_a_merge_has_met_it() {
                    let (node, _helper, branch) = damaged($table::NAME, $offset, 0, When::Merged).await;
                    assert_healed(node, branch, $table::NAME != Meta::NAME).await;
                }
            }
        )*
    };
}

a_flipped_byte! {
    a_flipped_byte_in_bodies: BodyByBlock, |_| vec![40];
    a_flipped_byte_in_undo_records: UndoByBlock, |_| vec![40];
    a_flipped_byte_in_heights: IdByHeight, |_| vec![40];
    a_flipped_byte_in_places_of_transactions: LocationByTxid, |_| vec![40];
    a_flipped_byte_in_addresses: IndexByAddress, |_| vec![40];
    a_flipped_byte_in_balances: AccountByIndex, |_| vec![40];
    a_flipped_byte_in_links: LinkByIndex, |_| vec![40];
    a_flipped_byte_in_roots: RootsByPart, |_| vec![40];
    a_flipped_byte_in_the_address_index: TouchByAccount, |_| vec![40];
    a_flipped_byte_in_the_list_of_snapshots: SnapshotByHeight, |_| vec![40];
    a_flipped_byte_in_runs: LeavesByRun, |_| vec![40];
    a_flipped_byte_in_roots_of_runs: RootByRun, |_| vec![40];
    a_flipped_byte_in_meta: Meta, |_| vec![40];
}

/// Near the end of `storage.max_bytes` merges are waited for; what they meet there once ended the node for good.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_that_is_met_while_merges_are_waited_for_is_left_to_the_next_start() {
    let (node, _helper, _branch) = damaged(LocationByTxid::NAME, |_| vec![40], 0, When::Running).await;
    node.chain.wait_for_compactions(Duration::from_secs(60)).await.expect("the control: nothing was merged yet");
    assert!(!awaits_mending(node.directory.path()));
    node.chain.reader().store().merge_all();
    assert!(node.chain.wait_for_compactions(Duration::from_secs(60)).await.is_err(), "the node is to start again");
    assert!(awaits_mending(node.directory.path()));
}

/// The damage is met in the middle of an import, whose blocks are not lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reorganisation_across_damaged_undo_records_is_carried_out() {
    let everywhere = |bytes: u64| (40..bytes / 10 * 7).step_by(1_000).collect();
    let (node, _helper, branch) = damaged(UndoByBlock::NAME, everywhere, 0, When::Stopped).await;
    assert_goes_on(node, branch, true).await;
}

/// Those of the tip and of the history's peaks are in memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_byte_in_headers_is_mended_while_the_node_runs() {
    let (node, _helper, branch) = damaged(HeaderById::NAME, |bytes| vec![bytes / 4], 400, When::Running).await;
    assert_healed(node, branch, true).await;
}

/// Each is made from the other: where both were damaged, neither could be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flipped_bytes_in_headers_and_heights_together_are_mended_while_the_node_runs() {
    let headers = |bytes: u64| vec![bytes / 4];
    let heights = |bytes: u64| (40..bytes / 10 * 7).step_by(1_000).collect();
    let damage: [Damage<'_>; 2] = [(HeaderById::NAME, &headers), (IdByHeight::NAME, &heights)];
    let (node, helper, branch) = alone_with(&damage, 400, When::Running).await;
    answer_from(&helper.chain, &node.chain);
    assert_healed(node, branch, true).await;
}

/// A body that nobody has, or that is another block's, is not made up: whoever reads it learns that it is damaged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_say_is_believed_by_its_hash_alone() {
    for lies in [false, true] {
        let (node, helper, branch) = alone(BodyByBlock::NAME, |_| vec![40], 0, When::Stopped).await;
        if lies {
            let (sender, mut wanted) = mpsc::channel(1);
            node.chain.ask_others(sender);
            let other = branch.blocks.last().expect("a block").body.clone();
            tokio::spawn(async move {
                while let Some(Wanted::Body { answer, .. }) = wanted.recv().await {
                    answer.send(other.clone()).expect("somebody waits");
                }
            });
        }
        let first = branch.blocks.first().expect("a block").header.id();
        let error = node.chain.reader().block(&first).expect_err("it is damaged");
        assert!(error.is_storage_failure(), "{error}");
        assert_eq!(node.chain.reader().healed(), 0);
        // What is not damaged is as it was.
        assert_tip(&node, &branch).await;
        assert!(helper.chain.reader().block(&first).expect("a read").is_some(), "the negative control");
    }
}
