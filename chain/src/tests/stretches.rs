//! Stretches of history below the last blocks: what is kept of them, in every state that a crash leaves.

use super::*;
use crate::replay::{Export, ReplayError, export};
use crate::store::{ChainStore, Kept, LEAST_KEPT, MemoryDisk, StoreError, Stretch, StretchOptions};
use cairn_ledger::{Height, LinkedHeader};

/// Blocks in a stretch of these chains.
const STRETCH: u64 = 40;
/// Their length: the last stretch but one is pruned in part.
const BLOCKS: u64 = 5 * STRETCH + 12 + LEAST_KEPT;
/// The lowest body, when all that may go is pruned.
const LOWEST: u64 = BLOCKS + 1 - LEAST_KEPT;

/// Those of a node that draws this one of the first six stretches.
fn drawing(number: u64, keep: usize) -> StretchOptions {
    let options = |node| StretchOptions { blocks: STRETCH, keep, node: [node; 32] };
    let draws = |options: &StretchOptions| (0..6).max_by_key(|number| options.score(*number)) == Some(number);
    (0..=u8::MAX).map(options).find(draws).expect("one of 256")
}

fn pruning(stretches: StretchOptions) -> DbOptions {
    DbOptions { keep_blocks: Some(LEAST_KEPT), address_index: true, stretches, ..DbOptions::default() }
}

/// A chain with a payment in every block.
fn long_branch(spec: &Arc<ChainSpec>) -> Branch {
    let mut branch = Branch::new(spec);
    for n in 0..BLOCKS {
        let payment = branch.pay(1, 100 + n % 7, 5_000);
        branch.mine(vec![payment], 0);
    }
    branch
}

fn stretch(number: u64, to: u64, is_drawn: bool) -> Stretch {
    Stretch { from: Height::new(number * STRETCH), to: Height::new(to), is_drawn }
}

/// Bodies, and where their transactions are, are here exactly of what is kept.
fn assert_kept(store: &ChainStore, branch: &Branch, kept: &Kept) {
    assert_eq!(*store.kept(), *kept);
    for (block, height) in branch.blocks.iter().zip(1..) {
        let header = store.header_on_chain(Height::new(height)).expect("headers stay");
        let (is_kept, txid) = (kept.has(Height::new(height)), block.body[0].id());
        assert_eq!(store.body(&header).expect("a read"), is_kept.then(|| block.body.clone()), "{height}");
        assert_eq!(store.location(&txid).expect("a read").is_some(), is_kept, "{height}");
        assert_eq!(store.expect_kept(Height::new(height)).is_ok(), is_kept, "{height}");
        let undo = store.undo(&header);
        assert_eq!(undo.is_ok(), height >= kept.lowest().get(), "{height}");
        assert!(undo.is_ok() || matches!(undo, Err(StoreError::Pruned { .. })), "{height}: no damage");
    }
}

#[tokio::test]
async fn of_one_stretch_all_stays_that_receipts_need_through_restarts_and_compactions() {
    for number in [0, 2, 5] {
        let options = pruning(drawing(number, 1));
        let node = Fixture::with(options);
        let branch = long_branch(&node.spec);
        node.import_all(&branch.blocks).await;
        node.chain.prune(Height::new(u64::MAX)).await.expect("an answer");
        let kept = Kept::new(Height::new(LOWEST), vec![stretch(number, (number + 1) * STRETCH, true)]);
        assert_kept(&node.chain.reader().store(), &branch, &kept);
        let report = node.audit().expect("every invariant holds");
        assert_eq!(report.pruned, LOWEST - 1 - (STRETCH - u64::from(number == 0)).min(LOWEST - number * STRETCH));
        node.chain.reader().compact_indexes();
        let node = node.restart_with(options).await;
        node.assert_at(&branch).await;
        assert_kept(&node.chain.reader().store(), &branch, &kept);
        let inside = branch.blocks[(number * STRETCH + 5) as usize].body[0].id();
        assert!(node.chain.reader().transaction(&inside).expect("a read").is_some(), "a receipt can be made");
        // The control: a node that keeps none.
        let none = DbOptions { stretches: StretchOptions { keep: 0, ..options.stretches }, ..options };
        assert!(node.chain.drop_stretches().await.expect("an answer"));
        let node = node.restart_with(none).await;
        assert_kept(&node.chain.reader().store(), &branch, &Kept::new(Height::new(LOWEST), Vec::new()));
        node.assert_at(&branch).await;
    }
}

#[tokio::test]
async fn the_last_blocks_reorganise_beside_a_stretch_that_ends_below_them() {
    let options = pruning(drawing(5, 1));
    let node = Fixture::with(options);
    let mut branch = long_branch(&node.spec);
    let mut other = branch.clone();
    branch.mine_many(20, 0);
    node.import_all(&branch.blocks).await;
    node.chain.prune(Height::new(u64::MAX)).await.expect("an answer");
    other.mine_many(25, 1);
    node.import_all(&other.blocks[BLOCKS as usize..]).await;
    node.assert_at(&other).await;
    let kept = Kept::new(Height::new(LOWEST + 20), vec![stretch(5, LOWEST + 20, true)]);
    assert_kept(&node.chain.reader().store(), &branch_of(&other, LOWEST + 20), &kept);
}

/// The beginning of a branch.
fn branch_of(branch: &Branch, blocks: u64) -> Branch {
    Branch { blocks: branch.blocks[..blocks as usize].to_vec(), ..branch.clone() }
}

#[tokio::test]
async fn an_export_of_a_stretch_that_is_kept_works_and_one_that_leaves_it_is_refused() {
    let options = pruning(drawing(2, 1));
    let node = Fixture::with(options);
    let branch = long_branch(&node.spec);
    node.import_all(&branch.blocks).await;
    node.chain.prune(Height::new(u64::MAX)).await.expect("an answer");
    let Fixture { spec, directory, chain, running } = node;
    chain.stop().await;
    running.ended().await.expect("an orderly end");
    drop(chain);
    let export = |name: &str, from, to| {
        let range = Export { from: Some(Height::new(from)), to: Some(Height::new(to)), append: false };
        export(&spec, directory.path(), options, &directory.path().join(name), range, &mut |_, _| ())
    };
    assert_eq!(export("kept", 2 * STRETCH, 3 * STRETCH - 1).expect("what is kept").blocks, STRETCH);
    for (from, to, first) in [(2 * STRETCH, 3 * STRETCH, 3 * STRETCH), (5, 2 * STRETCH, 5)] {
        let refused = export("more", from, to).expect_err("it is gone");
        let ReplayError::Store(StoreError::Pruned { height, .. }) = &refused else { panic!("{refused}") };
        assert_eq!(height.get(), first);
        let kept = format!("from height {LOWEST} on, and from 80 to 119");
        assert!(refused.to_string().contains(&kept), "{refused}");
    }
}

/// A pruned chain on a disk that is only in memory, and its blocks.
async fn pruned_in_memory(options: &StretchOptions) -> (Arc<ChainSpec>, MemoryDisk, Branch) {
    let (spec, disk) = (Arc::new(testing::easy_network()), MemoryDisk::default());
    let branch = long_branch(&spec);
    let (chain, running) = spawn_in_memory(spec.clone(), disk.clone(), SharedChecks::default()).expect("a chain");
    for block in &branch.blocks {
        let linked = chain.link_headers(PEER, vec![block.header.clone()]).await.expect("an answer");
        let Some(HeaderOutcome::Linked(linked)) = linked.into_iter().next() else { panic!("not linked") };
        let import = chain.import(linked, block.body.clone()).await.expect("an import");
        assert!(matches!(import.outcome().await, Ok(BlockOutcome::Connected)));
    }
    chain.stop().await;
    running.ended().await.expect("an orderly end");
    let store = ChainStore::open_in_memory(disk.clone(), &spec).expect("a store");
    assert!(store.prune(Height::new(u64::MAX), options).expect("a write"));
    (spec, disk, branch)
}

/// The next blocks of a chain, as they would come from a peer.
fn blocks(store: &ChainStore, branch: &Branch, from: u64, count: u64) -> Vec<(LinkedHeader, Body)> {
    let header = |height| store.header_on_chain(Height::new(height)).expect("a header");
    (from..from + count).map(|height| (header(height), branch.blocks[height as usize - 1].body.clone())).collect()
}

#[tokio::test]
async fn a_power_cut_after_any_batch_of_a_fetched_stretch_leaves_what_is_kept_whole() {
    let options = drawing(4, 2);
    let (spec, disk, branch) = pruned_in_memory(&options).await;
    let drawn = stretch(4, 5 * STRETCH, true);
    let mut here = STRETCH;
    // Seven batches of a stretch, of which a power cut takes more and more; what it leaves is gone on with.
    for lost in (0..4).chain([0]) {
        let store = ChainStore::open_in_memory(disk.clone(), &spec).expect("a store");
        for _ in 0..4 {
            let count = 5.min(2 * STRETCH - here);
            let next = blocks(&store, &branch, here, count);
            assert!(count == 0 || store.keep_more(&options, 1, &next).expect("a write"), "from {here}");
            here += count;
        }
        assert_kept(&store, &branch, &Kept::new(Height::new(LOWEST), vec![stretch(1, here, false), drawn]));
        drop(store);
        let unsynced = disk.unsynced();
        disk.lose(lost);
        here -= 5 * lost.min(unsynced) as u64;
        let store = ChainStore::open_in_memory(disk.clone(), &spec).expect("a store");
        assert_kept(&store, &branch, &Kept::new(Height::new(LOWEST), vec![stretch(1, here, false), drawn]));
        audit::audit(&store, &spec).expect("every invariant holds");
    }
    assert_eq!(here, 2 * STRETCH, "it came to its end");
}

#[tokio::test]
async fn of_a_stretch_only_the_next_blocks_are_taken_and_only_where_there_is_a_place() {
    let options = drawing(4, 2);
    let (spec, disk, branch) = pruned_in_memory(&options).await;
    let store = ChainStore::open_in_memory(disk, &spec).expect("a store");
    let before = store.kept();
    let refuses = |number, from, count, options: &StretchOptions| {
        let next = blocks(&store, &branch, from, count);
        assert!(!store.keep_more(options, number, &next).expect("a read"), "{number} from {from}");
    };
    refuses(1, STRETCH + 1, 3, &options);
    refuses(1, STRETCH, STRETCH + 1, &options);
    refuses(4, 4 * STRETCH, 1, &options);
    refuses(5, 5 * STRETCH, 1, &options);
    refuses(u64::MAX, 1, 1, &options);
    refuses(1, STRETCH, 3, &StretchOptions { keep: 1, ..options });
    let foreign = LinkedHeader::genesis(&spec);
    assert!(!store.keep_more(&options, 0, &[(foreign, Body::default())]).expect("a read"));
    assert_eq!(store.kept(), before);
    assert!(store.keep_more(&options, 0, &blocks(&store, &branch, 1, 3)).expect("a write"), "the control");
    refuses(1, STRETCH, 3, &options);
    assert_eq!(store.kept().stretches(), [stretch(0, 4, false), stretch(4, 5 * STRETCH, true)]);
    // What is fetched stays when more is pruned, and goes with the place for it.
    let (wider, fewer) = (store.kept().stretches().len(), StretchOptions { keep: 1, ..options });
    assert_eq!((wider, options.choose(&store.kept(), Height::new(LOWEST + 1)).stretches().len()), (2, 2));
    assert_eq!(fewer.choose(&store.kept(), Height::new(LOWEST + 1)).stretches(), [stretch(4, 5 * STRETCH, true)]);
}
