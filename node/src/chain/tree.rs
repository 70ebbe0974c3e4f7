//! The header tree: linked headers that are not on the followed chain, and the bodies that wait there.
//!
//! # Bounds
//! A header that shows more work than the followed chain cost that work; any other is cheap, and so its
//! number is bounded for each origin and in all. Bodies stay in memory up to a bound; then they go to
//! the disk, but only those on the way to a header with more work than the followed chain.

use crate::verdict::Origin;
use cairn_ledger::{
    error::BlockError,
    hash::BlockId,
    pow::Work,
    units::Height,
    validate::{CheckedBlock, LinkedHeader},
};
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

/// Headers of branches without more work than the followed chain, from one origin: a reorganisation
/// deeper than this many blocks is not followed. About 10 MB.
const LOW_WORK_PER_ORIGIN: usize = 25_000;
/// All headers in the tree. About 40 MB.
const HEADERS: usize = 100_000;
/// Bytes of bodies kept in memory.
const BODY_BYTES: usize = 64 << 20;
/// Ids remembered as invalid; the oldest is forgotten, and would be found invalid again.
const INVALID: usize = 4096;
/// A branch that ends this far below the tip, with less work, is forgotten.
const STALE: u64 = 1_000;

/// The body of a block in the tree.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a tree of headers without bodies is small, and soon has them")]
pub(super) enum BodyState {
    /// Not here.
    Missing,
    /// Here, and checked.
    Checked(CheckedBlock),
    /// On the disk.
    Stored,
}

struct Entry {
    header: LinkedHeader,
    origin: Origin,
    body: BodyState,
    children: BTreeSet<BlockId>,
}

/// Linked headers off the followed chain. Roots of its branches have their parent on that chain.
#[derive(Default)]
pub(super) struct HeaderTree {
    entries: HashMap<BlockId, Entry>,
    /// Headers by origin.
    counts: HashMap<Origin, usize>,
    /// Bytes of the bodies in memory.
    body_bytes: usize,
    /// The header with the most work; `None` when it must be found again.
    best: Option<(Work, BlockId)>,
    invalid: HashSet<BlockId>,
    invalid_order: VecDeque<BlockId>,
    /// What is wrong with those of them whose own body it is.
    reasons: HashMap<BlockId, BlockError>,
}

impl HeaderTree {
    /// A header in the tree.
    pub(super) fn get(&self, id: &BlockId) -> Option<&LinkedHeader> {
        self.entries.get(id).map(|entry| &entry.header)
    }

    /// Whether the body of a block in the tree is here.
    pub(super) fn has_body(&self, id: &BlockId) -> bool {
        self.entries.get(id).is_some_and(|entry| !matches!(entry.body, BodyState::Missing))
    }

    /// Whether a block was found invalid.
    pub(super) fn is_invalid(&self, id: &BlockId) -> bool {
        self.invalid.contains(id)
    }

    /// Adds a header; `false` when there is no room for it. `tip` is the work of the followed chain.
    pub(super) fn insert(&mut self, origin: Origin, header: LinkedHeader, tip: Work) -> bool {
        let count = self.counts.get(&origin).copied().unwrap_or(0);
        if self.entries.len() >= HEADERS || (header.total_work() <= tip && count >= LOW_WORK_PER_ORIGIN) {
            return false;
        }
        self.insert_entry(origin, header, BodyState::Missing);
        true
    }

    /// Adds a block whose body is on the disk: one that was disconnected, or stored before a restart.
    pub(super) fn insert_stored(&mut self, header: LinkedHeader) {
        self.insert_entry(Origin::Local, header, BodyState::Stored);
    }

    fn insert_entry(&mut self, origin: Origin, header: LinkedHeader, body: BodyState) {
        let id = header.id();
        if self.entries.contains_key(&id) {
            return;
        }
        *self.counts.entry(origin).or_default() += 1;
        if let Some(parent) = self.entries.get_mut(&header.header().parent) {
            parent.children.insert(id);
        }
        let children = self.entries.values().filter(|entry| entry.header.header().parent == id);
        // Only a disconnected block can come before its children, and then they are few.
        let children =
            if matches!(body, BodyState::Stored) { children.map(|c| c.header.id()).collect() } else { BTreeSet::new() };
        if self.entries.is_empty() || self.best.is_some_and(|(work, _)| header.total_work() > work) {
            self.best = Some((header.total_work(), id));
        }
        self.entries.insert(id, Entry { header, origin, body, children });
    }

    /// Gives a header its checked body. `false` when the header is not in the tree.
    pub(super) fn set_body(&mut self, block: CheckedBlock) -> bool {
        let Some(entry) = self.entries.get_mut(&block.header().id()) else { return false };
        if matches!(entry.body, BodyState::Missing) {
            self.body_bytes += body_bytes(&block);
            entry.body = BodyState::Checked(block);
        }
        true
    }

    /// Blocks to move to the disk so that the bodies in memory stay within their bound: only those on the way to a
    /// header with more work than `tip`. If that is not enough, others are dropped, and can be fetched again.
    pub(super) fn spill(&mut self, tip: Work) -> Vec<CheckedBlock> {
        let mut spilled = Vec::new();
        if self.body_bytes <= BODY_BYTES {
            return spilled;
        }
        let all = self.entries.values().map(|entry| (entry.header.total_work(), &entry.header));
        let mut all: Vec<(Work, BlockId, BlockId)> =
            all.map(|(work, header)| (work, header.id(), header.header().parent)).collect();
        all.sort_unstable();
        // From the top, so that every block comes before its parent.
        let mut wanted = HashSet::new();
        for (work, id, parent) in all.iter().rev() {
            if *work > tip || wanted.contains(id) {
                wanted.extend([*id, *parent]);
            }
        }
        all.sort_by_key(|(_, id, _)| !wanted.contains(id));
        for (_, id, _) in all {
            if self.body_bytes <= BODY_BYTES / 2 {
                break;
            }
            if let Some(block) = self.take_checked(&id)
                && wanted.contains(&id)
            {
                self.mark_stored(&id);
                spilled.push(block);
            }
        }
        spilled
    }

    /// Notes that a block's body went to the disk.
    fn mark_stored(&mut self, id: &BlockId) {
        if let Some(entry) = self.entries.get_mut(id) {
            entry.body = BodyState::Stored;
        }
    }

    /// Takes a checked body out of memory; the header stays.
    pub(super) fn take_checked(&mut self, id: &BlockId) -> Option<CheckedBlock> {
        let entry = self.entries.get_mut(id)?;
        match std::mem::replace(&mut entry.body, BodyState::Missing) {
            BodyState::Checked(block) => {
                self.body_bytes -= body_bytes(&block);
                Some(block)
            }
            other => {
                entry.body = other;
                None
            }
        }
    }

    /// The best chain of blocks that can be connected now and contains `id`: from the first block off the
    /// followed chain upward; empty when a body is missing below `id` or at it.
    pub(super) fn connectable_through(&self, id: &BlockId) -> Vec<BlockId> {
        let mut path = VecDeque::new();
        let mut at = Some(*id);
        while let Some(entry) = at.and_then(|id| self.entries.get(&id)) {
            if matches!(entry.body, BodyState::Missing) {
                return Vec::new();
            }
            path.push_front(entry.header.id());
            at = Some(entry.header.header().parent);
        }
        self.extend_best(path.into())
    }

    /// Extends a path of complete blocks by the descendants of its last that are complete and have the
    /// most work.
    fn extend_best(&self, mut path: Vec<BlockId>) -> Vec<BlockId> {
        let Some(last) = path.last().copied() else { return path };
        let mut best = (Work::ZERO, last);
        let mut waiting = vec![last];
        while let Some(id) = waiting.pop() {
            let Some(entry) = self.entries.get(&id) else { continue };
            if matches!(entry.body, BodyState::Missing) {
                continue;
            }
            if entry.header.total_work() > best.0 {
                best = (entry.header.total_work(), id);
            }
            waiting.extend(entry.children.iter().copied());
        }
        let mut above = Vec::new();
        let mut at = best.1;
        while at != last {
            above.push(at);
            let Some(entry) = self.entries.get(&at) else { break };
            at = entry.header.header().parent;
        }
        path.extend(above.into_iter().rev());
        path
    }

    /// The best chain that can be connected now, wherever it is; empty when there is none.
    pub(super) fn best_connectable(&self) -> Vec<BlockId> {
        let complete = self.entries.values().filter(|entry| !matches!(entry.body, BodyState::Missing));
        let roots = complete.filter(|entry| !self.entries.contains_key(&entry.header.header().parent));
        let paths = roots.map(|root| self.extend_best(vec![root.header.id()]));
        paths
            .max_by_key(|path| path.last().and_then(|id| self.get(id)).map(LinkedHeader::total_work))
            .unwrap_or_default()
    }

    /// The height and work of the header with the most work.
    pub(super) fn best(&mut self) -> Option<(Height, Work)> {
        if self.best.is_none() {
            let all = self.entries.values().map(|entry| (entry.header.total_work(), entry.header.id()));
            self.best = all.max();
        }
        let header = self.get(&self.best?.1)?;
        Some((header.header().height, header.total_work()))
    }

    /// Removes a block that is now on the followed chain.
    pub(super) fn remove_connected(&mut self, id: &BlockId) -> Option<CheckedBlock> {
        let block = self.take_checked(id);
        self.remove(id);
        block
    }

    /// Remembers a block as invalid and removes it with all its descendants.
    pub(super) fn invalidate(&mut self, id: &BlockId) {
        let mut waiting = vec![*id];
        while let Some(id) = waiting.pop() {
            waiting.extend(self.remove(&id));
            self.remember_invalid(id);
        }
    }

    /// Remembers a block as invalid that never was in the tree.
    pub(super) fn remember_invalid(&mut self, id: BlockId) {
        if self.invalid.insert(id) {
            self.invalid_order.push_back(id);
        }
        if self.invalid_order.len() > INVALID
            && let Some(oldest) = self.invalid_order.pop_front()
        {
            self.invalid.remove(&oldest);
            self.reasons.remove(&oldest);
        }
    }

    /// Remembers what is wrong with a block that is remembered as invalid.
    pub(super) fn note_reason(&mut self, id: BlockId, error: BlockError) {
        if self.invalid.contains(&id) {
            self.reasons.insert(id, error);
        }
    }

    /// What is wrong with a block, if its body was found to be invalid.
    pub(super) fn reason(&self, id: &BlockId) -> Option<BlockError> {
        self.reasons.get(id).copied()
    }

    /// Forgets headers that only `origin` brought, at the ends of branches and without a body.
    pub(super) fn forget_origin(&mut self, origin: Origin) {
        self.prune(|entry| entry.origin == origin && matches!(entry.body, BodyState::Missing));
        // What stays has a body, or carries one: it counts for this node from now on.
        for entry in self.entries.values_mut().filter(|entry| entry.origin == origin) {
            entry.origin = Origin::Local;
        }
        if let Some(count) = self.counts.remove(&origin) {
            *self.counts.entry(Origin::Local).or_default() += count;
        }
    }

    /// Forgets branches that ended far below the tip.
    pub(super) fn forget_stale(&mut self, tip: Height) {
        let limit = tip.saturating_sub(STALE);
        self.prune(|entry| entry.header.header().height < limit);
    }

    /// Removes entries without children that are `unwanted`, then those that so became childless.
    fn prune(&mut self, unwanted: impl Fn(&Entry) -> bool) {
        let ends = self.entries.values().filter(|entry| entry.children.is_empty() && unwanted(entry));
        let mut waiting: Vec<BlockId> = ends.map(|entry| entry.header.id()).collect();
        while let Some(id) = waiting.pop() {
            let Some(entry) = self.entries.get(&id) else { continue };
            let parent = entry.header.header().parent;
            self.remove(&id);
            if self.entries.get(&parent).is_some_and(|entry| entry.children.is_empty() && unwanted(entry)) {
                waiting.push(parent);
            }
        }
    }

    /// Removes one entry and gives its children.
    fn remove(&mut self, id: &BlockId) -> BTreeSet<BlockId> {
        self.take_checked(id);
        let Some(entry) = self.entries.remove(id) else { return BTreeSet::new() };
        self.best = self.best.filter(|(_, best)| best != id);
        if let Some(count) = self.counts.get_mut(&entry.origin) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&entry.origin);
            }
        }
        if let Some(parent) = self.entries.get_mut(&entry.header.header().parent) {
            parent.children.remove(id);
        }
        entry.children
    }
}

fn body_bytes(block: &CheckedBlock) -> usize {
    block.transactions().iter().map(|checked| checked.transaction().size()).sum::<usize>() + 1024
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::PeerNumber;
    use cairn_ledger::{
        block::{Body, Header},
        testing::{arbitrary_hash, easy_network},
        validate::LinkedHeader,
    };
    use std::sync::LazyLock;

    /// A header as the tree sees it: only its links and its work matter here.
    fn header(n: u64, height: u64, parent: BlockId, work: u64) -> LinkedHeader {
        static GENESIS: LazyLock<Header> = LazyLock::new(|| easy_network().genesis().clone());
        let id = BlockId::from_bytes(*arbitrary_hash(n).as_bytes());
        let header = Header { height: Height::new(height), parent, ..GENESIS.clone() };
        let target = header.target;
        LinkedHeader::restore(header, id, Work::from_u64(work), target, vec![])
    }

    #[test]
    fn low_work_header_spam_is_bounded_for_each_origin() {
        let mut tree = HeaderTree::default();
        let (spammer, honest) = (Origin::Peer(PeerNumber(1)), Origin::Peer(PeerNumber(2)));
        let tip = Work::from_u64(1000);
        let genesis = BlockId::ZERO;
        let taken = (0..30_000).filter(|n| tree.insert(spammer, header(*n, 1, genesis, 10), tip)).count();
        assert_eq!(taken, LOW_WORK_PER_ORIGIN);
        assert!(tree.insert(honest, header(30_001, 1, genesis, 10), tip), "the honest neighbour is not harmed");
        assert!(tree.insert(spammer, header(30_002, 1, genesis, 2000), tip), "work opens the door");
        tree.forget_origin(spammer);
        assert_eq!(tree.entries.len(), 1);
        assert_eq!(tree.best(), Some((Height::new(1), Work::from_u64(10))));
    }

    #[test]
    fn an_invalid_block_takes_its_descendants_along() {
        let mut tree = HeaderTree::default();
        let (root, tip) = (header(1, 1, BlockId::ZERO, 10), Work::ZERO);
        let child = header(2, 2, root.id(), 20);
        let grandchild = header(3, 3, child.id(), 30);
        let sibling = header(4, 2, root.id(), 15);
        for entry in [&root, &child, &grandchild, &sibling] {
            assert!(tree.insert(Origin::Local, entry.clone(), tip));
        }
        assert_eq!(tree.best(), Some((Height::new(3), Work::from_u64(30))));
        tree.invalidate(&child.id());
        assert!(tree.is_invalid(&child.id()) && tree.is_invalid(&grandchild.id()));
        assert!(tree.get(&sibling.id()).is_some() && !tree.is_invalid(&sibling.id()));
        assert_eq!(tree.best(), Some((Height::new(2), Work::from_u64(15))));
        assert_eq!(tree.counts.values().sum::<usize>(), tree.entries.len());
    }

    /// The lower blocks of a branch that had overtaken were once dropped, since they had less work than the tip: nobody
    /// brought them again, and the branch was not followed.
    #[test]
    fn all_of_a_better_branch_goes_to_the_disk() {
        let (mut tree, tip) = (HeaderTree::default(), Work::from_u64(100));
        let low = header(1, 1, BlockId::ZERO, 50);
        let middle = header(2, 2, low.id(), 100);
        let top = header(3, 3, middle.id(), 150);
        let worse = header(4, 2, low.id(), 90);
        for linked in [&low, &middle, &top, &worse] {
            assert!(tree.insert(Origin::Local, linked.clone(), tip));
            let block = CheckedBlock::check(&easy_network(), linked.clone(), Body::default()).expect("an empty block");
            assert!(tree.set_body(block));
        }
        assert!(tree.spill(tip).is_empty(), "the control: there is room");
        tree.body_bytes += BODY_BYTES;
        let spilled: Vec<BlockId> = tree.spill(tip).iter().map(|block| block.header().id()).collect();
        assert_eq!(spilled, [low.id(), middle.id(), top.id()]);
        assert_eq!(tree.connectable_through(&low.id()), spilled);
        assert!(!tree.has_body(&worse.id()), "it can be fetched again");
    }

    #[test]
    fn stale_branches_are_forgotten_and_live_ones_kept() {
        let mut tree = HeaderTree::default();
        let old = header(1, 5, BlockId::ZERO, 10);
        let base = header(2, 6, BlockId::ZERO, 10);
        let grown = header(3, 5_000, base.id(), 11);
        for entry in [&old, &base, &grown] {
            tree.insert(Origin::Local, entry.clone(), Work::ZERO);
        }
        tree.forget_stale(Height::new(5_500));
        assert!(tree.get(&old.id()).is_none());
        assert!(tree.get(&base.id()).is_some() && tree.get(&grown.id()).is_some());
    }

    #[test]
    fn the_memory_of_the_invalid_is_bounded() {
        let mut tree = HeaderTree::default();
        let id = |n| BlockId::from_bytes(*arbitrary_hash(n).as_bytes());
        (0..INVALID as u64 + 10).for_each(|n| tree.remember_invalid(id(n)));
        assert_eq!((tree.invalid.len(), tree.invalid_order.len()), (INVALID, INVALID));
        assert!(!tree.is_invalid(&id(0)) && tree.is_invalid(&id(INVALID as u64)));
    }
}
