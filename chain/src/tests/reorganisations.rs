//! Reorganisations of many batches, batch by batch: what readers see, what a crash between any two leaves, and where an
//! invalid block leads.

use super::*;
use crate::audit::audit;
use crate::store::{BLOCK_BYTES, CHECKED_BYTES, ChainStore, STRETCH_BLOCKS, StretchOptions};
use crate::writer::{self, Views, Writer};
use cairn_ledger::{BlockId, Height, LinkedHeader};

/// A writer without its loop, so that a test says when each batch is made.
pub(super) struct Bare {
    pub(super) spec: Arc<ChainSpec>,
    directory: TempDir,
    pub(super) running: Option<(Writer, Views)>,
    events: Vec<ChainEvent>,
}

const OPTIONS: DbOptions = DbOptions {
    cache_bytes: 12 << 20,
    write_buffer_bytes: 16 << 20,
    block_bytes: BLOCK_BYTES,
    checked_bytes: CHECKED_BYTES,
    max_open_files: 256,
    address_index: true,
    keep_blocks: None,
    account_bytes: Some(15_000),
    snapshot_every: 2_880,
    keep_snapshots: true,
    from_snapshot: false,
    stretches: StretchOptions { blocks: STRETCH_BLOCKS, keep: 0, node: [0; 32] },
};

impl Bare {
    pub(super) fn new() -> Self {
        let spec = Arc::new(testing::easy_network());
        let directory = tempfile::tempdir().expect("a directory");
        // The index of addresses is switched on where the node starts.
        drop(spawn(spec.clone(), directory.path(), OPTIONS).expect("a chain"));
        let mut bare = Self { spec, directory, running: None, events: Vec::new() };
        bare.crash();
        bare
    }

    pub(super) fn writer(&mut self) -> &mut Writer {
        &mut self.running.as_mut().expect("it runs").0
    }

    /// Ends as a killed process does, with whatever it has done so far, and starts again. What it was in the middle of
    /// is taken up, and not gone on with yet.
    pub(super) fn crash(&mut self) {
        drop(self.running.take());
        let store = || ChainStore::open(self.directory.path(), &self.spec, OPTIONS);
        let reopened = || writer::open(self.spec.clone(), store()?, OPTIONS, None);
        // The thread of a writer that was dropped may take a moment.
        let mut opened = reopened();
        while opened.is_err() {
            std::thread::yield_now();
            opened = reopened();
        }
        let (mut writer, views) = opened.expect("just looked at");
        writer.take_up().expect("the store works");
        self.running = Some((writer, views));
    }

    pub(super) fn link(&mut self, header: &Header) -> HeaderOutcome {
        // However little work it has: as after a presync.
        self.writer().link(PEER, header.clone(), true, cairn_common::clock::now()).expect("the store works")
    }

    fn import(&mut self, block: &Block) -> BlockOutcome {
        match self.link(&block.header) {
            HeaderOutcome::Linked(linked) => {
                let checked = CheckedBlock::check(&self.spec, linked, block.body.clone()).expect("a block");
                let (mut events, now) = (Vec::new(), cairn_common::clock::now());
                let publish = &mut |event, _| {
                    events.push(event);
                    true
                };
                let outcome = self.writer().import_block(checked, now, publish).expect("the store works");
                self.events.extend(events);
                outcome
            }
            HeaderOutcome::Known { .. } => BlockOutcome::Known,
            other => panic!("not linked: {other:?}"),
        }
    }

    pub(super) fn import_all(&mut self, blocks: &[Block]) {
        for block in blocks {
            self.import(block);
        }
    }

    fn is_reorganising(&mut self) -> bool {
        self.writer().long_reorg.is_some()
    }

    /// One batch.
    fn go_on(&mut self) {
        let mut events = Vec::new();
        let publish = &mut |event, _| {
            events.push(event);
            true
        };
        self.writer().go_on(Timestamp::default(), publish).expect("the store works");
        self.events.extend(events);
    }

    /// To the end; how many batches that took.
    fn finish(&mut self) -> usize {
        let mut batches = 0;
        while self.is_reorganising() {
            self.go_on();
            batches += 1;
        }
        batches
    }

    /// To the end, with a crash after some of the batches.
    fn finish_with_crashes(&mut self, random: &mut Random) -> usize {
        let mut crashes = 0;
        while self.is_reorganising() {
            self.go_on();
            if self.is_reorganising() && random.below(2) == 0 {
                self.crash();
                self.holds_together();
                crashes += 1;
            }
        }
        crashes
    }

    /// Every invariant holds, of the disk as it is: chain, accounts, supply, index of addresses.
    fn holds_together(&mut self) {
        let (live, spec) = (self.writer().live.clone(), self.spec.clone());
        audit(&live, &spec).expect("every invariant holds");
    }

    /// What readers see is `branch`.
    fn assert_seen(&mut self, branch: &Branch) {
        let view = self.running.as_ref().expect("it runs").1.store.borrow().clone();
        assert_eq!(view.tip().expect("a tip"), branch.context.id());
        assert_eq!(self.writer().tip, branch.context);
        for leaf in branch.state.leaves().iter().skip(1) {
            let account = view.account(&leaf.address).expect("a reading store").map(|(_, leaf)| leaf.account);
            assert_eq!(account, Some(leaf.account));
        }
        audit(&view, &self.spec).expect("every invariant holds");
    }

    /// The chain stands where `branch` does, on the disk and in memory.
    pub(super) fn assert_at(&mut self, branch: &Branch) {
        assert!(!self.is_reorganising());
        assert_eq!(self.writer().live.under_way().expect("a reading store"), None);
        assert_eq!(self.writer().state.tree.state_root(), branch.state_root(), "as a fresh replay gives it");
        self.assert_seen(branch);
        self.crash();
        assert_eq!(self.writer().state.tree.state_root(), branch.state_root(), "and on the disk");
        self.assert_seen(branch);
    }
}

impl Branch {
    /// Mines blocks, some with payments: to new accounts, and between old ones.
    fn grow(&mut self, blocks: usize, late: u64) {
        for n in 0..blocks as u64 {
            let spends = match n % 7 {
                0 => vec![self.pay(1, 1_000 + n + late * 10_000, 5_000), self.pay(2, 3, 70 + late)],
                3 => vec![self.pay(4, 5, 9)],
                _ => vec![],
            };
            self.mine(spends, late);
        }
    }

    /// Appends a block that no replay accepts; what is mined on it is right but for that.
    fn spoil(&mut self) -> BlockId {
        let bad = false_state_root(self);
        let sealed = check_work(&self.spec, bad.header.clone()).expect("work");
        let linked = check_header(&self.spec, &self.context, sealed, bad.header.time).expect("linked");
        self.context = self.context.extend(&linked);
        self.blocks.push(bad);
        linked.id()
    }
}

fn fork(node: &Bare) -> (Branch, Branch) {
    let mut stem = Branch::new(&node.spec);
    stem.grow(5, 0);
    (stem.clone(), stem)
}

#[test]
fn readers_see_the_old_chain_until_the_new_one_has_more_work() {
    let mut node = Bare::new();
    let (mut left, mut right) = fork(&node);
    left.grow(150, 1);
    right.grow(151, 0);
    node.import_all(&left.blocks);
    node.assert_seen(&left);
    node.events.clear();
    let (last, others) = right.blocks.split_last().expect("blocks");
    node.import_all(others);
    assert!(!node.is_reorganising(), "as much work is no more work");
    assert_eq!(node.import(last), BlockOutcome::Waiting);
    let mut batches = 0;
    while node.is_reorganising() {
        node.assert_seen(&left);
        assert!(node.events.is_empty());
        node.go_on();
        node.holds_together();
        batches += 1;
    }
    assert!((6..=8).contains(&batches), "runs of 64 blocks down and up: {batches}");
    let events = std::mem::take(&mut node.events);
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].left, events[0].tip.id), (Some(left.context.id()), right.context.id()));
    assert!(!events[0].is_whole && events[0].connected.len() <= 64, "an event of any reorganisation is bounded");
    node.assert_at(&right);
}

/// The control: what fits one batch is one, and told as a whole.
#[test]
fn a_short_reorganisation_is_one_batch() {
    let mut node = Bare::new();
    let (mut left, mut right) = fork(&node);
    left.grow(20, 1);
    right.grow(21, 0);
    node.import_all(&left.blocks);
    node.events.clear();
    node.import_all(&right.blocks);
    assert!(!node.is_reorganising());
    assert_eq!(node.events.len(), 1);
    assert!(node.events[0].is_whole && node.events[0].connected.len() == 21);
    assert_eq!(node.events[0].left, Some(left.context.id()));
    node.assert_at(&right);
}

#[test]
fn a_reorganisation_killed_between_any_two_batches_goes_on() {
    let mut crashes = 0;
    for seed in 1..=4_u64 {
        let mut random = Random(seed * 7919);
        let mut node = Bare::new();
        let (mut left, mut right) = fork(&node);
        left.grow(100 + random.below(200), 1);
        right.grow(left.blocks.len() - 4, 0);
        node.import_all(&left.blocks);
        node.import_all(&right.blocks);
        assert!(node.is_reorganising());
        crashes += node.finish_with_crashes(&mut random);
        node.assert_at(&right);
        // And back again: the old branch is on the disk, and its headers come from the fork up.
        left.grow(3, 1);
        node.import_all(&left.blocks);
        crashes += node.finish_with_crashes(&mut random);
        // What came while it was under way waited in memory, and is sent again after a crash.
        node.import_all(&left.blocks);
        node.assert_at(&left);
    }
    assert!(crashes > 8, "{crashes}");
}

#[test]
fn an_invalid_block_in_the_middle_leads_back_to_the_best_valid_chain() {
    for seed in 1..=4_u64 {
        let mut random = Random(seed * 104_729);
        let mut node = Bare::new();
        let (mut left, mut right) = fork(&node);
        left.grow(200, 1);
        right.grow(90 + random.below(100), 0);
        let third = {
            let mut third = right.clone();
            third.grow(206 - third.blocks.len(), 2);
            third
        };
        let bad = right.spoil();
        right.grow(210 - right.blocks.len(), 0);
        node.import_all(&left.blocks);
        for block in &right.blocks {
            if !node.is_reorganising() {
                node.import(block);
            }
        }
        assert!(node.is_reorganising());
        // In every other round a third branch, which has more work, too, is complete before the bad block is found.
        let has_third = seed % 2 == 0;
        if has_third {
            node.import_all(&third.blocks);
        }
        if has_third {
            node.finish();
        } else {
            node.finish_with_crashes(&mut random);
        }
        // A crash forgets what is invalid, and finds it again.
        assert!(!has_third || node.writer().tree.is_invalid(&bad));
        let followed = if has_third { &third } else { &left };
        node.assert_at(followed);
        let mut honest = followed.clone();
        honest.grow(1, 0);
        assert_eq!(node.import(honest.blocks.last().expect("one")), BlockOutcome::Connected, "the control");
    }
}

/// What was lost in a crash: a table of headers in memory, and the blocks below some that had gone to the disk already.
/// Whoever named one of those then stopped the node for good, as it was taken for corruption.
#[test]
fn parked_bodies_whose_ancestor_is_missing_then_a_crash_then_a_header_that_names_them() {
    let mut node = Bare::new();
    let (mut left, mut right) = fork(&node);
    left.grow(3, 1);
    right.grow(200, 0);
    node.import_all(&left.blocks);
    let headers = right.blocks.iter().map(|block| node.link(&block.header));
    let linked: Vec<LinkedHeader> = headers
        .filter_map(|outcome| if let HeaderOutcome::Linked(linked) = outcome { Some(linked) } else { None })
        .collect();
    assert_eq!(linked.len(), 200);
    // All bodies but the lowest went to the disk.
    let (parked, lowest) = (&right.blocks[6..], &right.blocks[5]);
    let checked = parked
        .iter()
        .zip(&linked[1..])
        .map(|(block, header)| CheckedBlock::check(&node.spec, header.clone(), block.body.clone()).expect("a block"));
    for block in checked.collect::<Vec<_>>() {
        node.writer().store_body(&block).expect("the store works");
    }
    node.crash();
    node.assert_at(&left);
    let top = &right.blocks[204].header;
    assert!(matches!(node.link(top), HeaderOutcome::Orphan { .. }), "a body without ancestors is a stored body");
    let mut child = right.clone();
    let child = child.mine(vec![], 0).header.clone();
    assert!(matches!(node.link(&child), HeaderOutcome::Orphan { .. }), "and the parent of nothing");
    node.assert_seen(&left);
    // The headers come from the fork up, and of the bodies only the lowest is asked for.
    for block in &right.blocks[6..] {
        assert!(matches!(node.link(&block.header), HeaderOutcome::Orphan { .. }), "still without the lowest");
    }
    assert_eq!(node.import(lowest), BlockOutcome::Waiting);
    for block in parked {
        assert!(matches!(node.link(&block.header), HeaderOutcome::Known { .. }));
    }
    let now = Timestamp::default();
    node.writer().follow(now, &mut |_, _| true).expect("the store works");
    node.finish();
    node.assert_at(&right);
}

/// Whoever extends many long branches in turn had each walked down to the fork, header after header.
#[test]
fn the_context_of_a_branch_header_is_near_however_many_branches_are_extended() {
    let mut node = Bare::new();
    let mut stem = Branch::new(&node.spec);
    stem.mine_many(2, 0);
    let mut branches: Vec<Branch> = (0..40).map(|_| stem.clone()).collect();
    for (late, branch) in (1..).zip(&mut branches) {
        branch.mine_many(300, late);
    }
    let headers = |branch: &Branch| branch.blocks.iter().map(|block| block.header.clone()).collect::<Vec<_>>();
    let all: Vec<Vec<Header>> = branches.iter().map(headers).collect();
    let mut most = 0;
    for height in 0..302 {
        for headers in &all {
            let (header, parent) = (&headers[height], headers[height].parent);
            let (_, walked) = node.writer().nearest_context(&parent).expect("the store works").expect("it is known");
            most = most.max(walked.len());
            assert!(matches!(node.link(header), HeaderOutcome::Linked(_)) || height < 2);
        }
    }
    assert!(most < 64, "walked down {most} headers");
    assert!(most > 32, "the control: more branches than there are contexts kept of their ends");
}

/// A long branch that overtakes late lies on the disk, and its headers leave memory, too.
#[test]
fn a_branch_on_the_disk_leaves_the_tree_and_is_followed_all_the_same() {
    let mut node = Bare::new();
    let (mut left, mut right) = fork(&node);
    left.grow(300, 1);
    right.grow(301, 0);
    node.import_all(&left.blocks);
    let (last, others) = right.blocks.split_last().expect("blocks");
    node.import_all(others);
    // As if their bodies took more memory than there is for them.
    let ids: Vec<BlockId> = others[5..].iter().map(|block| block.header.id()).collect();
    for id in &ids {
        let block = node.writer().tree.take_checked(id).expect("a body");
        node.writer().store_body(&block).expect("the store works");
        node.writer().tree.mark_stored(id);
    }
    node.writer().tree.shed_stored();
    let here = ids.iter().filter(|id| node.writer().tree.get(id).is_some()).count();
    assert!((1..=64).contains(&here), "{here} are left");
    assert!(matches!(node.link(&others[100].header), HeaderOutcome::Known { .. }), "it is not asked for again");
    node.import(last);
    assert!(node.is_reorganising());
    node.finish();
    node.assert_at(&right);
    assert_eq!(node.writer().live.id_at(Height::new(100)).expect("a read"), Some(right.blocks[99].header.id()));
}
