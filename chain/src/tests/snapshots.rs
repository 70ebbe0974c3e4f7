//! Snapshots of the accounts: made, given, and what a chain is that begins with one.

use super::{BlockOutcome, HeaderOutcome};
use super::{Branch, Fixture};
use crate::snapshot::{Install, Restore, RestoreRefusal};
use crate::store::{BLOCK_BYTES, ChainStore, DbOptions, Durability, StoreError};
use cairn_ledger::accounts::StateRun;
use cairn_ledger::testing::{self, key, pebbles};
use cairn_ledger::{ChainSpec, Height, Timestamp};
use std::sync::Arc;

/// Blocks from one snapshot to the next.
const EVERY: u64 = 8;
const LATE: Timestamp = Timestamp::from_millis(u64::MAX);

fn makes() -> DbOptions {
    DbOptions { snapshot_every: EVERY, ..DbOptions::default() }
}

fn restores() -> DbOptions {
    DbOptions { from_snapshot: true, ..makes() }
}

/// A network whose accounts are several runs.
pub(super) fn network() -> ChainSpec {
    let mut params = testing::easy_params();
    params.allocations.extend((1_000..6_000).map(|n| (key(n).address(), pebbles(1_000 + n))));
    params.allocations.sort();
    ChainSpec::new(params).expect("valid parameters")
}

/// Blocks that create accounts and pay old ones, in all runs.
fn chain(spec: &Arc<ChainSpec>, blocks: u64) -> Branch {
    let mut branch = Branch::new(spec);
    for n in 0..blocks {
        let payments = vec![branch.pay(1, 100_000 + n, 5_000), branch.pay(2, 1_000 + 37 * n, 70)];
        branch.mine(payments, 0);
    }
    branch
}

impl Fixture {
    /// Waits until these snapshots are held.
    pub(super) async fn expect_snapshots(&self, heights: &[u64]) {
        while !heights.iter().all(|height| self.holds(*height)) {
            self.chain.sync().await.expect("an answer");
            tokio::task::yield_now().await;
        }
    }

    /// Waits until this one is not.
    async fn expect_no_snapshot(&self, height: u64) {
        while self.holds(height) {
            self.chain.sync().await.expect("an answer");
            tokio::task::yield_now().await;
        }
    }

    fn holds(&self, height: u64) -> bool {
        self.chain.reader().snapshots().iter().any(|held| held.height.get() == height)
    }

    /// All runs of the snapshot at a height, each verified against the header.
    fn runs(&self, height: u64) -> Vec<StateRun> {
        let reader = self.chain.reader();
        let header = reader.header_at(Height::new(height)).expect("a read").expect("a header");
        let root = header.header().state_root;
        let held = reader.snapshots().into_iter().find(|held| held.height.get() == height).expect("it is held");
        assert_eq!(held.state_root, root);
        let runs = StateRun::runs(held.accounts + 1);
        assert!(runs > 1);
        let runs = (0..runs).map(|number| {
            let run = reader.state_run(&root, number).expect("a run");
            run.verify(number, &root).expect("it proves itself");
            run
        });
        runs.collect()
    }
}

/// A restore that has all headers of a branch.
fn take_headers(restore: &mut Restore, branch: &Branch) {
    for part in branch.blocks.chunks(7) {
        let headers = part.iter().map(|block| block.header.clone()).collect();
        restore.take_headers(headers, LATE, false).expect("the store works").expect("valid headers");
    }
    assert_eq!((restore.height(), restore.total_work()), (branch.context.header().height, branch.context.total_work()));
}

async fn begin(node: &Fixture) -> Restore {
    node.chain.begin_restore().await.expect("an answer").expect("the chain is at block 0")
}

#[tokio::test]
async fn a_chain_that_begins_with_a_snapshot_goes_on_as_if_it_had_executed_all() {
    let giver = Fixture::on(network(), makes());
    let branch = chain(&giver.spec, 30);
    giver.import_all(&branch.blocks).await;
    giver.expect_snapshots(&[16, 24]).await;
    let node = Fixture::on(network(), restores());
    let mut restore = begin(&node).await;
    take_headers(&mut restore, &branch);
    let pivot = restore.pivot().expect("the store works").expect("it is long enough");
    assert_eq!(pivot.header().height.get(), 16);
    assert_eq!(restore.begin_state().expect("the store works").runs, None);
    for run in giver.runs(16).into_iter().rev() {
        assert!(!restore.is_complete());
        restore.take_run(run).expect("the store works");
    }
    assert!(restore.is_complete());
    let mut events = node.chain.subscribe();
    assert!(node.chain.finish_restore(restore).await.expect("an answer"));
    let event = events.recv().await.expect("an event");
    assert_eq!((event.tip.height().get(), event.is_whole, event.left), (16, false, None));
    assert_eq!(node.chain.tip().id, pivot.id());
    node.audit().expect("every invariant holds");
    node.import_all(&branch.blocks[16..]).await;
    node.assert_at(&branch).await;
    node.expect_snapshots(&[16, 24]).await;
    assert_eq!(node.runs(16), giver.runs(16));
    assert_eq!(node.runs(24), giver.runs(24));
    let node = node.restart_with(restores()).await;
    node.assert_at(&branch).await;
    let reader = node.chain.reader();
    assert_eq!((reader.restored().expect("a read"), reader.lowest_body().get()), (Some(Height::new(16)), 17));
    assert_eq!(giver.chain.reader().restored().expect("a read"), None, "the control");
    assert!(node.chain.begin_restore().await.expect("an answer").is_none(), "it has begun");
}

#[tokio::test]
async fn what_accounts_were_some_blocks_ago_is_what_a_snapshot_that_is_begun_late_holds() {
    let node = Fixture::on(network(), DbOptions { keep_snapshots: false, ..makes() });
    let branch = chain(&node.spec, 23);
    node.import_all(&branch.blocks).await;
    node.chain.sync().await.expect("an answer");
    assert_eq!(node.chain.reader().snapshots(), []);
    let node = node.restart_with(makes()).await;
    node.expect_snapshots(&[8, 16]).await;
    node.runs(8);
    node.runs(16);
}

#[tokio::test]
async fn a_snapshot_stays_until_two_newer_ones_are_there_and_the_last_is_half_a_period_old() {
    let node = Fixture::on(network(), makes());
    let branch = chain(&node.spec, 28);
    for (blocks, newest) in [(8, 8), (16, 16), (27, 24)] {
        node.import_all(&branch.blocks[..blocks]).await;
        node.expect_snapshots(&[newest]).await;
    }
    assert!(node.holds(8), "whoever fetches it has time for it");
    node.import_all(&branch.blocks).await;
    node.expect_no_snapshot(8).await;
    assert!(node.holds(16) && node.holds(24));
}

#[tokio::test]
async fn snapshots_that_are_not_to_be_kept_are_removed() {
    let node = Fixture::on(network(), makes());
    node.import_all(&chain(&node.spec, 20).blocks).await;
    node.expect_snapshots(&[8, 16]).await;
    let node = node.restart_with(DbOptions { keep_snapshots: false, ..makes() }).await;
    assert_eq!(node.chain.reader().snapshots(), []);
    assert_eq!(node.chain.reader().store().snapshots().expect("a read"), []);
}

#[tokio::test]
async fn a_snapshot_of_a_branch_that_was_left_goes() {
    let node = Fixture::on(network(), makes());
    let stem = chain(&node.spec, 14);
    let (mut left, mut right) = (stem.clone(), stem);
    left.mine_many(4, 1);
    let spend = right.pay(3, 4, 5);
    right.mine(vec![spend], 0);
    right.mine_many(4, 0);
    node.import_all(&left.blocks).await;
    node.expect_snapshots(&[8, 16]).await;
    let old = node.chain.reader().snapshots()[1].state_root;
    node.import_all(&right.blocks).await;
    loop {
        node.expect_snapshots(&[8, 16]).await;
        let held = node.chain.reader().snapshots()[1];
        if held.state_root != old {
            break;
        }
        tokio::task::yield_now().await;
    }
    node.runs(16);
    assert_eq!(node.chain.reader().state_run(&old, 0), None);
}

#[tokio::test]
async fn a_restore_goes_on_after_a_restart_and_removes_all_when_it_is_given_up() {
    let giver = Fixture::on(network(), makes());
    let branch = chain(&giver.spec, 30);
    giver.import_all(&branch.blocks).await;
    giver.expect_snapshots(&[16, 24]).await;
    let node = Fixture::on(network(), restores());
    let mut restore = begin(&node).await;
    take_headers(&mut restore, &branch);
    restore.begin_state().expect("the store works");
    restore.take_run(giver.runs(16).pop().expect("the last run")).expect("the store works");
    drop(restore);
    let node = node.restart_with(restores()).await;
    let mut restore = begin(&node).await;
    assert_eq!((restore.height().get(), restore.total_work()), (30, branch.context.total_work()));
    let progress = restore.begin_state().expect("the store works");
    assert_eq!((progress.runs, progress.have), (Some(2), vec![1]));
    let mut too_early = begin(&node).await;
    too_early.begin_state().expect("the store works");
    assert!(!node.chain.finish_restore(too_early).await.expect("an answer"), "not all is here");
    restore.abandon().expect("the store works");
    let mut restore = begin(&node).await;
    assert_eq!(restore.height(), Height::GENESIS);
    assert_eq!(restore.locator().expect("the store works"), [node.spec.genesis_id()]);
    assert!(restore.pivot().expect("the store works").is_none());
    assert_eq!(restore.begin_state().expect("the store works").have, []);
}

#[tokio::test]
async fn headers_that_break_a_rule_or_do_not_follow_leave_a_restore_as_it_was() {
    let node = Fixture::on(network(), restores());
    let branch = chain(&node.spec, 20);
    let mut restore = begin(&node).await;
    take_headers(&mut restore, &branch);
    let mut other = chain(&node.spec, 12);
    other.mine_many(9, 1);
    let headers = |blocks: &[cairn_ledger::Block]| blocks.iter().map(|block| block.header.clone()).collect::<Vec<_>>();
    let mut take = |headers, replaces| restore.take_headers(headers, LATE, replaces).expect("the store works");
    let (mut bad, gap) = (headers(&other.blocks[12..]), headers(&other.blocks[14..]));
    bad[4].height = Height::new(99);
    bad[4] = testing::seal(bad[4].clone());
    assert!(matches!(take(bad, true), Err(RestoreRefusal::Invalid(_))));
    assert_eq!(take(gap, true), Err(RestoreRefusal::Unlinked));
    assert_eq!(take(headers(&other.blocks[12..]), false), Err(RestoreRefusal::Unlinked));
    assert_eq!(take(vec![], true), Ok(()));
    assert_eq!((restore.height().get(), restore.total_work()), (20, branch.context.total_work()));
    let locator = restore.locator().expect("the store works");
    assert_eq!((locator.first(), locator.len()), (Some(&branch.context.id()), 13));
    restore.take_headers(headers(&other.blocks[12..]), LATE, true).expect("the store works").expect("they replace");
    assert_eq!((restore.height().get(), restore.total_work()), (21, other.context.total_work()));
    let pivot = restore.pivot().expect("the store works").expect("one");
    assert_eq!(pivot.header().height.get(), 8);
}

/// Nobody ends a restore with a block that everybody knows.
#[tokio::test]
async fn while_a_restore_is_under_way_the_chain_stays_at_block_0() {
    let spec = network();
    let node = Fixture::on(spec, restores());
    let branch = chain(&node.spec, 2);
    let restore = begin(&node).await;
    assert_eq!(node.import(&branch.blocks[0]).await, BlockOutcome::Unwanted);
    assert_eq!(node.chain.tip().height(), Height::GENESIS);
    assert!(!node.chain.finish_restore(restore).await.expect("an answer"), "nothing is here");
    node.import_all(&branch.blocks).await;
    node.assert_at(&branch).await;
}

/// Blocks that were left long ago have more work than a chain that has just begun; they must not end it.
#[tokio::test]
async fn a_few_blocks_beside_the_pivot_do_not_stop_a_chain_that_has_just_begun() {
    let giver = Fixture::on(network(), makes());
    let branch = chain(&giver.spec, 30);
    giver.import_all(&branch.blocks).await;
    giver.expect_snapshots(&[16, 24]).await;
    let mut stale = branch_to(&branch, 15);
    stale.mine_many(3, 1);
    let node = restored(&branch, giver.runs(16), restores(), 16).await;
    for block in &stale.blocks[15..] {
        // Those above what is ignored have no parent here.
        if let HeaderOutcome::Linked(linked) = node.link(&block.header).await {
            let import = node.chain.import(linked, block.body.clone()).await.expect("an import");
            assert_eq!(import.outcome().await.expect("an outcome"), BlockOutcome::Waiting);
        }
    }
    assert_eq!(node.chain.tip().id, branch_to(&branch, 16).context.id());
    node.import_all(&branch.blocks[16..]).await;
    node.assert_at(&branch).await;
}

/// A chain with the snapshot of a branch at block 16, and the rest of it up to a height.
async fn restored(branch: &Branch, runs: Vec<StateRun>, options: DbOptions, to: usize) -> Fixture {
    let node = Fixture::on(network(), options);
    let mut restore = begin(&node).await;
    take_headers(&mut restore, branch);
    restore.begin_state().expect("the store works");
    for run in runs {
        restore.take_run(run).expect("the store works");
    }
    assert!(node.chain.finish_restore(restore).await.expect("an answer"));
    node.import_all(&branch.blocks[16..to]).await;
    node
}

#[tokio::test]
async fn blocks_that_were_executed_elsewhere_make_a_restored_chain_as_any_other() {
    let giver = Fixture::on(network(), DbOptions { address_index: true, ..makes() });
    let branch = chain(&giver.spec, 40);
    giver.import_all(&branch.blocks).await;
    let early = Fixture::on(network(), makes());
    early.import_all(&branch.blocks[..24]).await;
    early.expect_snapshots(&[16, 24]).await;
    let node =
        restored(&branch_to(&branch, 30), early.runs(16), DbOptions { address_index: true, ..restores() }, 30).await;
    node.import_all(&branch.blocks[30..]).await;
    node.assert_at(&branch).await;
    let other = Fixture::on(network(), makes());
    other.import_all(&chain(&giver.spec, 9).blocks).await;
    let adopt = async |history: &Fixture| node.chain.adopt_history(history.chain.reader()).await.expect("an answer");
    assert_eq!(adopt(&other).await, None, "it does not reach the block");
    assert_eq!(node.chain.reader().restored().expect("a read"), Some(Height::new(16)));
    assert_eq!(adopt(&giver).await, Some(Height::GENESIS));
    node.assert_at(&branch).await;
    let reader = node.chain.reader();
    assert_eq!((reader.restored().expect("a read"), reader.lowest_body()), (None, Height::GENESIS));
    while reader.indexed().expect("a read") != Some(Height::new(40)) {
        tokio::task::yield_now().await;
    }
    let node = node.restart_with(DbOptions { address_index: true, ..restores() }).await;
    node.assert_at(&branch).await;
    let (report, expected) = (node.audit().expect("every invariant holds"), giver.audit().expect("it holds"));
    assert_eq!(report, expected);
}

/// The same branch, shorter.
fn branch_to(branch: &Branch, blocks: usize) -> Branch {
    let mut shorter = Branch::new(&branch.spec);
    for block in &branch.blocks[..blocks] {
        shorter.follow(block.clone());
    }
    shorter
}

/// As a power cut leaves it: after the note, after the headers, in the middle of the accounts.
#[tokio::test]
async fn a_crash_while_accounts_are_put_in_place_is_taken_up_at_the_next_start() {
    let giver = Fixture::on(network(), makes());
    let branch = chain(&giver.spec, 30);
    giver.import_all(&branch.blocks).await;
    giver.expect_snapshots(&[16, 24]).await;
    for steps in 0..3 {
        let node = Fixture::on(network(), restores());
        let mut restore = begin(&node).await;
        take_headers(&mut restore, &branch);
        restore.begin_state().expect("the store works");
        for run in giver.runs(16) {
            restore.take_run(run).expect("the store works");
        }
        let pivot = restore.pivot().expect("the store works").expect("one");
        drop(restore);
        let Fixture { spec, directory, chain, running } = node;
        chain.stop().await;
        running.ended().await.expect("an orderly end");
        drop(chain);
        let store = ChainStore::open(directory.path(), &spec, restores()).expect("a store");
        let mut install = Install::begin(&store, pivot.clone(), BLOCK_BYTES).expect("the store works");
        for _ in 0..steps {
            assert!(!install.step(&store).expect("the store works"));
        }
        drop(store);
        let refused =
            ChainStore::open_read_only(directory.path(), &spec, restores()).map(drop).expect_err("half there");
        assert!(matches!(refused, StoreError::Restoring), "{refused}");
        let (chain, running) = crate::spawn(spec.clone(), directory.path(), restores()).expect("it takes it up");
        let node = Fixture { spec, directory, chain, running };
        assert_eq!(node.chain.tip().id, pivot.id(), "after {steps} steps");
        node.audit().expect("every invariant holds");
        node.import_all(&branch.blocks[16..]).await;
        node.assert_at(&branch).await;
    }
}

#[tokio::test]
async fn a_damaged_run_is_not_given_and_a_snapshot_that_is_not_the_headers_is_not_held() {
    let giver = Fixture::on(network(), makes());
    let branch = chain(&giver.spec, 30);
    giver.import_all(&branch.blocks).await;
    giver.expect_snapshots(&[16, 24]).await;
    giver.expect_no_snapshot(8).await;
    let (store, run) = (giver.chain.reader().store(), giver.runs(16).swap_remove(1));
    let mut leaves = run.leaves.to_vec();
    leaves[9].account.nonce += 1;
    let key = crate::store::schema::RunKey { height: Height::new(16), number: 1 };
    let mut batch = store.batch(0);
    let damaged = cairn_ledger::accounts::RunLeaves::new(leaves).expect("a run");
    store.put_run(&mut batch, key, &testing::arbitrary_hash(1), &damaged);
    batch.write(Durability::Buffered).expect("a write");
    let reader = giver.chain.reader();
    let held = reader.snapshots();
    let [first, second] = held.as_slice() else { panic!("{held:?}") };
    assert!(reader.state_run(&first.state_root, 0).is_some(), "the control");
    assert_eq!(reader.state_run(&first.state_root, 1), None, "it is not the state's");
    assert_eq!(reader.snapshots(), [*second], "nobody is told of it any more");
    assert_eq!(reader.state_run(&first.state_root, 0), None);
    assert!(reader.state_run(&second.state_root, 1).is_some(), "the other is well");
    drop(store);
    let giver = giver.restart_with(DbOptions { snapshot_every: 1_000, ..makes() }).await;
    let heights: Vec<_> = giver.chain.reader().snapshots().iter().map(|held| held.height.get()).collect();
    assert_eq!(heights, [24], "a start removes what does not lead to its root");
}
