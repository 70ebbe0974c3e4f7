//! The header tree: linked headers that are not on the followed chain, and the bodies that wait there.
//!
//! # Bounds
//! A header that shows more work than the followed chain cost that work: it is always taken in. Any other is cheap, and
//! is kept only while it is near the tip ([`near_tip_work`](cairn_ledger::fork_choice::near_tip_work)) and there is
//! room: its origin has few, and the tree is not full. What makes room is the childless header of the least total work,
//! of the same origin first. Headers of a presynced branch are *pinned*: they were proven to lead to more work than the
//! tip, and stay until their bodies are judged or their sender is gone; their sender's presync bounds their number.
//!
//! Bodies stay in memory up to a bound; then they go to the disk, but only those on the way to a header with more
//! work than the followed chain.

mod bodies;

use crate::verdict::Origin;
use cairn_common::cache::FifoCache;
use cairn_ledger::{BlockError, BlockId, ChainContext, CheckedBlock, Height, LinkedHeader, Work};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Headers without more work than the followed chain, from one origin: two answers of a peer. Longer branches come by
/// presync, once they have more work. About 2 MB.
const LOW_WORK_PER_ORIGIN: usize = 4_000;
/// All headers in the tree, but for those that nothing may refuse. About 50 MB.
const HEADERS: usize = 100_000;
/// So many of those who brought a header after the first are remembered, each of 16 bytes: whoever is to take it away
/// again by leaving has to have brought it first with as many others of its own.
const ALSO: usize = 8;
/// Ids remembered as invalid; the oldest is forgotten, and would be found invalid again.
const INVALID: usize = 4096;
/// A branch that ends this far below the tip, with less work, is forgotten.
const STALE: u64 = 1_000;
/// Headers at heights divisible by this keep their context, of two kilobytes at most: to judge a header, fewer than so
/// many of its ancestors are looked at, however long its branch is and whichever of many branches it extends.
pub(crate) const CONTEXT_EVERY: u64 = 64;

/// The body of a block in the tree.
#[derive(Debug)]
pub(crate) enum BodyState {
    /// Not here.
    Missing,
    /// Here, and checked.
    Checked(Box<CheckedBlock>),
    /// On the disk.
    Stored,
}

struct BlockEntry {
    header: LinkedHeader,
    /// Who brought it, for whom it counts.
    origin: Origin,
    /// Who brought it, too: it stays while one of them does.
    also: Vec<Origin>,
    body: BodyState,
    /// It as the parent of others, at some heights.
    context: Option<Box<ChainContext>>,
    /// Part of a presynced branch.
    is_pinned: bool,
}

impl BlockEntry {
    fn key(&self) -> (Work, BlockId) {
        key(&self.header)
    }
}

/// Blocks that were found to be invalid, and what is wrong with those of them whose own body it is.
struct InvalidBlocks(FifoCache<BlockId, Option<BlockError>>);

impl Default for InvalidBlocks {
    fn default() -> Self {
        Self(FifoCache::new(INVALID))
    }
}

/// What one origin has in the tree.
#[derive(Default)]
struct Held {
    count: usize,
    /// Those without children, by total work.
    ends: BTreeSet<(Work, BlockId)>,
}

/// Linked headers off the followed chain. Whatever is not in the tree but has children there lies on the disk, with its
/// body and all below it down to the followed chain: it was on that once, or was shed.
pub(crate) struct HeaderTree {
    entries: HashMap<BlockId, BlockEntry>,
    /// Every entry, after its parent: be that an entry itself or on the followed chain.
    children: BTreeSet<(BlockId, BlockId)>,
    /// Entries whose parent is not in the tree.
    roots: HashSet<BlockId>,
    /// Entries without children, by total work: the last is the best.
    ends: BTreeSet<(Work, BlockId)>,
    /// Headers by origin.
    held: HashMap<Origin, Held>,
    /// Bytes of the bodies in memory, as they are encoded.
    body_bytes: usize,
    /// The most of them.
    max_body_bytes: usize,
    /// Those whose body is here, as are the bodies of all below them in the tree: what can be connected.
    complete: BTreeSet<(Work, BlockId)>,
    /// Blocks off the followed chain that are not in the tree, but on the disk with all below them, by the last bytes
    /// of their ids. One that is taken for another is on the disk, too.
    on_disk: HashSet<[u8; 8]>,
    invalid: InvalidBlocks,
}

/// What a node keeps beside its chain: headers of other branches, and of blocks that are on their way, with their
/// bodies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeaderTreeStats {
    /// Headers.
    pub headers: usize,
    /// The same, as they are counted for those who brought them.
    pub counted: usize,
    /// Bytes of bodies in memory.
    pub body_bytes: usize,
}

impl HeaderTree {
    /// A tree that keeps so many bytes of bodies in memory.
    pub(crate) fn new(max_body_bytes: usize) -> Self {
        Self {
            entries: HashMap::new(),
            children: BTreeSet::new(),
            roots: HashSet::new(),
            ends: BTreeSet::new(),
            held: HashMap::new(),
            body_bytes: 0,
            max_body_bytes,
            complete: BTreeSet::new(),
            on_disk: HashSet::new(),
            invalid: InvalidBlocks::default(),
        }
    }

    /// How much it holds.
    pub(crate) fn stats(&self) -> HeaderTreeStats {
        let counted = self.held.values().map(|held| held.count).sum();
        HeaderTreeStats { headers: self.entries.len(), counted, body_bytes: self.body_bytes }
    }

    /// A header in the tree.
    pub(crate) fn get(&self, id: &BlockId) -> Option<&LinkedHeader> {
        self.entries.get(id).map(|entry| &entry.header)
    }

    /// Whether the body of a block in the tree is here.
    pub(crate) fn has_body(&self, id: &BlockId) -> bool {
        self.entries.get(id).is_some_and(|entry| !matches!(entry.body, BodyState::Missing))
    }

    /// Whether a block was found invalid.
    pub(crate) fn is_invalid(&self, id: &BlockId) -> bool {
        self.invalid.0.contains(id)
    }

    /// Adds a header; `false` when there is no room for it, which is never so where it has more work than the followed
    /// chain (`tip`) or is part of a presynced branch.
    pub(crate) fn insert(&mut self, origin: Origin, header: LinkedHeader, is_presynced: bool, tip: Work) -> bool {
        let (work, parent) = (header.total_work(), header.header().parent);
        let is_better = is_presynced || work > tip;
        let below = (!is_better).then_some(work);
        let has_many = self.held.get(&origin).is_some_and(|held| held.count >= LOW_WORK_PER_ORIGIN);
        if !is_better && has_many && !self.evict(Some(origin), below, &parent) {
            return false;
        }
        if self.entries.len() >= HEADERS {
            let _ = self.evict(Some(origin), below, &parent) || self.evict(None, below, &parent);
        }
        // What must be taken in is so even where nothing can make room: only its own ancestors are there then.
        if self.entries.len() >= HEADERS && !is_better {
            return false;
        }
        let (body, context) = (BodyState::Missing, None);
        self.insert_entry(BlockEntry { header, origin, also: Vec::new(), body, context, is_pinned: is_presynced });
        true
    }

    /// Notes that a header was brought by this one, too.
    pub(crate) fn note_also(&mut self, id: &BlockId, origin: Origin) {
        if let Some(entry) = self.entries.get_mut(id).filter(|entry| entry.origin != origin)
            && entry.also.len() < ALSO
            && !entry.also.contains(&origin)
        {
            entry.also.push(origin);
        }
    }

    /// Notes that a header turned out to be part of a presynced branch.
    pub(crate) fn pin(&mut self, id: &BlockId) {
        if let Some(entry) = self.entries.get_mut(id) {
            entry.is_pinned = true;
        }
    }

    /// Evicts the childless header of the least total work, of one origin or of all; with `below` only one with less
    /// work than that. Pinned ones stay, and `spared`. `false`: there is none.
    fn evict(&mut self, of: Option<Origin>, below: Option<Work>, spared: &BlockId) -> bool {
        let ends = match of {
            Some(origin) => self.held.get(&origin).map(|held| &held.ends),
            None => Some(&self.ends),
        };
        let is_free = |id: &BlockId| id != spared && self.entries.get(id).is_some_and(|entry| !entry.is_pinned);
        let least = ends.and_then(|ends| ends.iter().find(|(_, id)| is_free(id)).copied());
        let victim = least.filter(|(work, _)| below.is_none_or(|below| *work < below));
        if let Some((_, id)) = victim {
            self.remove(&id);
        }
        victim.is_some()
    }

    /// Adds a block whose body is on the disk: one that was disconnected, or stored before a restart.
    pub(crate) fn insert_stored(&mut self, header: LinkedHeader) {
        let (origin, body, context) = (Origin::Local, BodyState::Stored, None);
        self.insert_entry(BlockEntry { header, origin, also: Vec::new(), body, context, is_pinned: false });
    }

    fn insert_entry(&mut self, entry: BlockEntry) {
        let (id, parent) = (entry.header.id(), entry.header.header().parent);
        if self.entries.contains_key(&id) {
            return;
        }
        self.children.insert((parent, id));
        if !self.entries.contains_key(&parent) {
            self.roots.insert(id);
        }
        for child in children(&self.children, id) {
            self.roots.remove(&child);
        }
        self.held.entry(entry.origin).or_default().count += 1;
        self.entries.insert(id, entry);
        self.sort_in(&id);
        self.sort_in(&parent);
        self.complete_from(id);
    }

    fn has_children(&self, id: &BlockId) -> bool {
        children(&self.children, *id).next().is_some()
    }

    /// Notes whether an entry is without children.
    fn sort_in(&mut self, id: &BlockId) {
        let Some(entry) = self.entries.get(id) else { return };
        let has_children = self.has_children(id);
        let (key, held) = (entry.key(), self.held.entry(entry.origin).or_default());
        if has_children {
            self.ends.remove(&key);
            held.ends.remove(&key);
        } else {
            self.ends.insert(key);
            held.ends.insert(key);
        }
    }

    /// Notes that a block can be connected, and those above it, if now they can.
    fn complete_from(&mut self, id: BlockId) {
        let mut waiting = vec![id];
        while let Some(id) = waiting.pop() {
            let Some(entry) = self.entries.get(&id) else { continue };
            let parent = self.entries.get(&entry.header.header().parent);
            let follows = parent.is_none_or(|parent| self.complete.contains(&key(&parent.header)));
            let complete = follows && !matches!(entry.body, BodyState::Missing);
            // Each is noted once, so all of this costs as much as there are blocks.
            if complete && self.complete.insert(key(&entry.header)) {
                waiting.extend(children(&self.children, id));
            }
        }
    }

    /// Notes that a block cannot be connected, nor those above it.
    fn incomplete_from(&mut self, id: BlockId) {
        let mut waiting = vec![id];
        while let Some(id) = waiting.pop() {
            let Some(entry) = self.entries.get(&id) else { continue };
            if self.complete.remove(&key(&entry.header)) {
                waiting.extend(children(&self.children, id));
            }
        }
    }

    /// Keeps a header as the parent of others, where [`CONTEXT_EVERY`] says so.
    pub(crate) fn keep_context(&mut self, context: &ChainContext) {
        if context.header().height.get().is_multiple_of(CONTEXT_EVERY)
            && let Some(entry) = self.entries.get_mut(&context.id())
        {
            entry.context = Some(Box::new(context.clone()));
        }
    }

    /// A header as the parent of others, if it was kept so.
    pub(crate) fn context(&self, id: &BlockId) -> Option<&ChainContext> {
        self.entries.get(id)?.context.as_deref()
    }

    /// The block with the most work of those that can be connected, and that work.
    pub(crate) fn best_complete(&self) -> Option<(Work, BlockId)> {
        self.complete.last().copied()
    }

    /// The height and work of the header with the most work.
    pub(crate) fn best(&self) -> Option<(Height, Work)> {
        let (work, id) = self.ends.last()?;
        Some((self.get(id)?.header().height, *work))
    }

    /// Remembers a block as invalid and removes it with all its descendants.
    pub(crate) fn invalidate(&mut self, id: &BlockId) {
        let mut waiting = vec![*id];
        while let Some(id) = waiting.pop() {
            self.remove(&id);
            // The children of one that was not in the tree stand there, too.
            waiting.extend(children(&self.children, id));
            self.forget_on_disk(&id);
            self.remember_invalid(id);
        }
    }

    /// Remembers a block as invalid that never was in the tree.
    pub(crate) fn remember_invalid(&mut self, id: BlockId) {
        self.invalid.0.insert(id, None);
    }

    /// Remembers what is wrong with a block that is remembered as invalid.
    pub(crate) fn note_reason(&mut self, id: BlockId, error: BlockError) {
        if let Some(reason) = self.invalid.0.get_mut(&id) {
            *reason = Some(error);
        }
    }

    /// What is wrong with a block, if its body was found to be invalid.
    pub(crate) fn reason(&self, id: &BlockId) -> Option<BlockError> {
        self.invalid.0.get(id).copied().flatten()
    }

    /// Forgets headers that only `origin` brought, at the ends of branches and without a body. Those without more work
    /// than the followed chain (`tip`) count for another who brought them while that one has few.
    pub(crate) fn forget_origin(&mut self, origin: Origin, tip: Work) {
        self.pass_on(origin, tip);
        self.prune(|entry| entry.origin == origin && matches!(entry.body, BodyState::Missing));
        // What stays has a body, or carries one: it counts for this node from now on.
        for entry in self.entries.values_mut().filter(|entry| entry.origin == origin) {
            (entry.origin, entry.is_pinned) = (Origin::Local, false);
            entry.also.clear();
        }
        if let Some(Held { count, ends }) = self.held.remove(&origin) {
            let held = self.held.entry(Origin::Local).or_default();
            held.count += count;
            held.ends.extend(ends);
        }
    }

    /// Has headers that `origin` brought, and others too, count for one of those.
    fn pass_on(&mut self, origin: Origin, tip: Work) {
        let mut theirs = Vec::new();
        for entry in self.entries.values_mut() {
            entry.also.retain(|also| *also != origin);
            if entry.origin == origin && matches!(entry.body, BodyState::Missing) && !entry.also.is_empty() {
                theirs.push(entry.key());
            }
        }
        // Those with the most work first: room is for them.
        theirs.sort_unstable();
        for (work, id) in theirs.into_iter().rev() {
            let held = &self.held;
            let has_room = |heir: &Origin| held.get(heir).is_none_or(|held| held.count < LOW_WORK_PER_ORIGIN);
            let Some(entry) = self.entries.get_mut(&id) else { continue };
            let Some(at) = entry.also.iter().position(|heir| work > tip || has_room(heir)) else { continue };
            (entry.origin, entry.is_pinned) = (entry.also.remove(at), false);
            self.held.entry(entry.origin).or_default().count += 1;
            self.count_out(origin, (work, id));
            self.sort_in(&id);
        }
    }

    /// Counts a header of an origin no more.
    fn count_out(&mut self, origin: Origin, key: (Work, BlockId)) {
        if let Some(held) = self.held.get_mut(&origin) {
            held.ends.remove(&key);
            held.count -= 1;
            if held.count == 0 {
                self.held.remove(&origin);
            }
        }
    }

    /// Forgets branches that ended far below the tip.
    pub(crate) fn forget_stale(&mut self, tip: Height) {
        let limit = tip.saturating_sub(STALE);
        self.prune(|entry| !entry.is_pinned && entry.header.header().height < limit);
    }

    /// Removes entries without children that are `unwanted`, then those that so became childless.
    fn prune(&mut self, unwanted: impl Fn(&BlockEntry) -> bool) {
        let is_unwanted = |tree: &Self, id: &BlockId| tree.entries.get(id).is_some_and(&unwanted);
        let mut waiting: Vec<BlockId> =
            self.ends.iter().map(|(_, id)| *id).filter(|id| is_unwanted(self, id)).collect();
        while let Some(id) = waiting.pop() {
            let Some(parent) = self.get(&id).map(|header| header.header().parent) else { continue };
            self.remove(&id);
            if !self.has_children(&parent) && is_unwanted(self, &parent) {
                waiting.push(parent);
            }
        }
    }

    /// Removes a block, as one that is on the followed chain; its children stay.
    pub(crate) fn remove(&mut self, id: &BlockId) {
        self.take_checked(id);
        let Some(entry) = self.entries.remove(id) else { return };
        self.complete.remove(&entry.key());
        self.roots.remove(id);
        self.roots.extend(children(&self.children, *id));
        self.ends.remove(&entry.key());
        self.count_out(entry.origin, entry.key());
        let parent = entry.header.header().parent;
        self.children.remove(&(parent, *id));
        if !self.has_children(&parent) {
            self.sort_in(&parent);
        }
    }
}

/// What stands after a parent, of pairs of parent and child.
fn children(pairs: &BTreeSet<(BlockId, BlockId)>, parent: BlockId) -> impl Iterator<Item = BlockId> {
    pairs.range((parent, BlockId::ZERO)..=(parent, BlockId::from_bytes([0xff; 32]))).map(|(_, child)| *child)
}

/// Where a block stands among those that can be connected.
fn key(header: &LinkedHeader) -> (Work, BlockId) {
    (header.total_work(), header.id())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::BLOCK_BYTES;
    use crate::verdict::PeerNumber;
    use cairn_ledger::testing::{arbitrary_hash, easy_network};
    use cairn_ledger::{Body, Header, LinkedHeader};
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
        let mut tree = HeaderTree::new(BLOCK_BYTES);
        let (spammer, honest) = (Origin::Peer(PeerNumber(1)), Origin::Peer(PeerNumber(2)));
        let tip = Work::from_u64(1000);
        let genesis = BlockId::ZERO;
        let taken = (0..30_000).filter(|n| tree.insert(spammer, header(*n, 1, genesis, 10), false, tip)).count();
        assert_eq!(taken, LOW_WORK_PER_ORIGIN);
        assert!(tree.insert(honest, header(30_001, 1, genesis, 10), false, tip), "the honest neighbour is not harmed");
        assert!(tree.insert(spammer, header(30_002, 1, genesis, 2000), false, tip), "work opens the door");
        assert!(tree.insert(spammer, header(30_003, 1, genesis, 11), false, tip), "more work takes the place of less");
        assert_eq!(tree.held[&spammer].count, LOW_WORK_PER_ORIGIN + 1);
        tree.forget_origin(spammer, tip);
        assert_eq!(tree.entries.len(), 1);
        assert_eq!(tree.best(), Some((Height::new(1), Work::from_u64(10))));
    }

    /// Headers that somebody else had brought before were once forgotten with that one, and refused with their bodies
    /// while whoever the bodies came from had brought them, too: whoever named headers first and left had all of it
    /// fetched again.
    #[test]
    fn a_header_stays_while_one_who_brought_it_does() {
        let (mut tree, tip) = (HeaderTree::new(BLOCK_BYTES), Work::from_u64(1000));
        let [first, second, third] = [1, 2, 3].map(|n| Origin::Peer(PeerNumber(n)));
        let (low, high, alone) = (header(1, 1, BlockId::ZERO, 1001), 2, header(3, 1, BlockId::ZERO, 1001));
        let high = header(high, 2, low.id(), 1002);
        for header in [&low, &high, &alone] {
            assert!(tree.insert(first, header.clone(), false, tip));
        }
        for header in [&low, &high] {
            tree.note_also(&header.id(), second);
            tree.note_also(&header.id(), third);
        }
        tree.forget_origin(second, tip);
        tree.forget_origin(first, tip);
        assert!(tree.get(&low.id()).is_some() && tree.get(&high.id()).is_some() && tree.get(&alone.id()).is_none());
        assert_all_counted(&tree);
        tree.forget_origin(third, tip);
        assert_eq!(tree.entries.len(), 0);
        assert_all_counted(&tree);
    }

    /// Nobody gets more than a peer's share of cheap headers by having others bring them first, and leave.
    #[test]
    fn cheap_headers_of_those_who_are_gone_count_for_who_brought_them_too() {
        let (mut tree, tip) = (HeaderTree::new(BLOCK_BYTES), Work::from_u64(1000));
        let heir = Origin::Peer(PeerNumber(0));
        for peer in 1..4 {
            for n in 0..LOW_WORK_PER_ORIGIN as u64 {
                let cheap = header(peer * 10_000 + n, 1, BlockId::ZERO, 10);
                assert!(tree.insert(Origin::Peer(PeerNumber(peer)), cheap.clone(), false, tip));
                tree.note_also(&cheap.id(), heir);
            }
            tree.forget_origin(Origin::Peer(PeerNumber(peer)), tip);
            assert_eq!(tree.held[&heir].count, LOW_WORK_PER_ORIGIN);
            assert_all_counted(&tree);
        }
    }

    /// A hundred thousand cheap headers once made the tree refuse everything, children of the tip and blocks that were
    /// found here included, for ever.
    #[test]
    fn a_tree_full_of_cheap_headers_refuses_nothing_that_has_more_work_than_the_tip() {
        let (mut tree, tip) = (HeaderTree::new(BLOCK_BYTES), Work::from_u64(1000));
        let spammer = |n: u64| Origin::Peer(PeerNumber(n / LOW_WORK_PER_ORIGIN as u64));
        for n in 0..HEADERS as u64 {
            assert!(tree.insert(spammer(n), header(n, 1, BlockId::ZERO, 20), false, tip));
        }
        let honest = Origin::Peer(PeerNumber(1_000));
        assert!(!tree.insert(honest, header(200_000, 1, BlockId::ZERO, 20), false, tip), "it is full of the same");
        assert!(tree.insert(honest, header(200_001, 1, BlockId::ZERO, 21), false, tip), "what has more work is nearer");
        let mut parent = BlockId::ZERO;
        for n in 0..10_000 {
            let child = header(300_000 + n, n, parent, 1001 + n);
            assert!(tree.insert(Origin::Local, child.clone(), false, tip), "{n}");
            parent = child.id();
        }
        assert!(tree.get(&parent).is_some() && tree.entries.len() <= HEADERS);
        assert_eq!(tree.best(), Some((Height::new(9_999), Work::from_u64(11_000))));
        // Whoever fills it with chains of much work takes no place from the best.
        for n in 0..HEADERS as u64 {
            tree.insert(spammer(n), header(400_000 + n, 1, BlockId::ZERO, 1001), false, tip);
        }
        assert!(tree.get(&parent).is_some() && tree.entries.len() <= HEADERS);
        assert_all_counted(&tree);
    }

    #[test]
    fn a_presynced_branch_is_never_evicted() {
        let (mut tree, tip) = (HeaderTree::new(BLOCK_BYTES), Work::from_u64(1000));
        let peer = Origin::Peer(PeerNumber(1));
        let base = header(1, 1, BlockId::ZERO, 1);
        let end = header(2, 2, base.id(), 2);
        assert!(tree.insert(peer, base.clone(), true, tip) && tree.insert(peer, end.clone(), true, tip));
        let cheap = header(3, 1, BlockId::ZERO, 1);
        assert!(tree.insert(peer, cheap.clone(), false, tip), "the control");
        for n in 0..2 * HEADERS as u64 {
            tree.insert(Origin::Peer(PeerNumber(n)), header(10 + n, 1, BlockId::ZERO, 20 + n % 900), false, tip);
        }
        tree.forget_stale(Height::new(1_000_000));
        assert!(tree.get(&base.id()).is_some() && tree.get(&end.id()).is_some() && tree.get(&cheap.id()).is_none());
        tree.forget_origin(peer, tip);
        assert!(tree.get(&base.id()).is_none(), "its sender is gone");
        assert_all_counted(&tree);
    }

    /// What is counted and sorted is what is there.
    fn assert_all_counted(tree: &HeaderTree) {
        assert_eq!(tree.held.values().map(|held| held.count).sum::<usize>(), tree.entries.len());
        assert_eq!(tree.held.values().map(|held| held.ends.len()).sum::<usize>(), tree.ends.len());
        let childless = tree.entries.keys().filter(|id| !tree.has_children(id)).count();
        assert_eq!(childless, tree.ends.len());
    }

    #[test]
    fn an_invalid_block_takes_its_descendants_along() {
        let mut tree = HeaderTree::new(BLOCK_BYTES);
        let (root, tip) = (header(1, 1, BlockId::ZERO, 10), Work::ZERO);
        let child = header(2, 2, root.id(), 20);
        let grandchild = header(3, 3, child.id(), 30);
        let sibling = header(4, 2, root.id(), 15);
        for entry in [&root, &child, &grandchild, &sibling] {
            assert!(tree.insert(Origin::Local, entry.clone(), false, tip));
        }
        assert_eq!(tree.best(), Some((Height::new(3), Work::from_u64(30))));
        tree.invalidate(&child.id());
        assert!(tree.is_invalid(&child.id()) && tree.is_invalid(&grandchild.id()));
        assert!(tree.get(&sibling.id()).is_some() && !tree.is_invalid(&sibling.id()));
        assert_eq!(tree.best(), Some((Height::new(2), Work::from_u64(15))));
        assert_all_counted(&tree);
    }

    /// The lower blocks of a branch that had overtaken were once dropped, since they had less work than the tip: nobody
    /// brought them again, and the branch was not followed.
    #[test]
    fn all_of_a_better_branch_goes_to_the_disk() {
        let (mut tree, tip) = (HeaderTree::new(BLOCK_BYTES), Work::from_u64(100));
        let low = header(1, 1, BlockId::ZERO, 50);
        let middle = header(2, 2, low.id(), 100);
        let top = header(3, 3, middle.id(), 150);
        let worse = header(4, 2, low.id(), 90);
        for linked in [&low, &middle, &top, &worse] {
            assert!(tree.insert(Origin::Local, linked.clone(), false, tip));
            let block = CheckedBlock::check(&easy_network(), linked.clone(), Body::default()).expect("an empty block");
            assert!(tree.set_body(block));
        }
        assert!(tree.spill(tip).is_empty(), "the control: there is room");
        tree.body_bytes += tree.max_body_bytes;
        let spilled: Vec<BlockId> = tree.spill(tip).iter().map(|block| block.header().id()).collect();
        assert_eq!(spilled, [low.id(), middle.id(), top.id()]);
        assert_eq!(tree.best_complete(), Some((top.total_work(), top.id())));
        assert!(!tree.has_body(&worse.id()), "it can be fetched again");
    }

    #[test]
    fn stale_branches_are_forgotten_and_live_ones_kept() {
        let mut tree = HeaderTree::new(BLOCK_BYTES);
        let old = header(1, 5, BlockId::ZERO, 10);
        let base = header(2, 6, BlockId::ZERO, 10);
        let grown = header(3, 5_000, base.id(), 11);
        for entry in [&old, &base, &grown] {
            tree.insert(Origin::Local, entry.clone(), false, Work::ZERO);
        }
        tree.forget_stale(Height::new(5_500));
        assert!(tree.get(&old.id()).is_none());
        assert!(tree.get(&base.id()).is_some() && tree.get(&grown.id()).is_some());
    }

    #[test]
    fn the_memory_of_the_invalid_is_bounded() {
        let mut tree = HeaderTree::new(BLOCK_BYTES);
        let id = |n| BlockId::from_bytes(*arbitrary_hash(n).as_bytes());
        (0..INVALID as u64 + 10).for_each(|n| tree.remember_invalid(id(n)));
        assert_eq!(tree.invalid.0.len(), INVALID);
        assert!(!tree.is_invalid(&id(0)) && tree.is_invalid(&id(INVALID as u64)));
    }
}

#[cfg(test)]
mod model;
