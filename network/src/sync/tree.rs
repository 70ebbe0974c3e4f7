//! The headers that sync has linked and whose blocks are not here yet, as a tree, and the path to the best
//! of them.

use cairn_chain::PeerNumber;
use cairn_ledger::{block::Header, hash::BlockId, pow::Work, units::Height, validate::LinkedHeader};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::{iter, time::Instant};

/// How far headers of one peer may be ahead of what is here: enough that bodies never wait for them.
pub(super) const MAX_AHEAD: u64 = 8_000;

/// Headers in the tree: those that may be ahead of the tip, of a few branches. About 20 MB.
const MAX_NODES: usize = 4 * MAX_AHEAD as usize + 4_000;
/// Branches that are passed over at once: with more, that of the first is tried again.
const MAX_ASIDE: usize = 64;
/// A locator's first ids are consecutive; after them the steps double.
const LOCATOR_DENSE: usize = 10;

/// Where a block's body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// Not here.
    Missing,
    /// Asked for, in a job.
    Asked(u64),
    /// Being imported.
    Importing,
    /// Here: connected, or waiting for others in the chain's hands.
    Here,
}

/// Which branch is fetched first, of those with more work than the tip: headers alone may be all there is of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// Its headers were shown.
    Shown,
    /// Bodies of it have come.
    Given,
    /// A peer follows it that the operator named.
    Named,
}

/// Who brought a header, and what is known of it for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Brought {
    /// The peer that says it follows this chain.
    pub(super) peer: PeerNumber,
    /// What its branch is worth.
    pub(super) rank: Rank,
    /// The work that its branch was shown to lead to, by a presync.
    pub(super) proven: Option<Work>,
}

/// A header on the way to its block.
#[derive(Clone, Debug)]
pub(super) struct Node {
    parent: BlockId,
    height: Height,
    /// The header as the chain linked it; `None` where the block is here already.
    pub(super) linked: Option<LinkedHeader>,
    /// The work that its branch has up to here.
    own_work: Work,
    /// The peer that says it follows this chain.
    pub(super) source: PeerNumber,
    rank: Rank,
    proven: Option<Work>,
    /// Where the body is.
    pub(super) body: Body,
}

impl Node {
    /// Its height.
    pub(super) fn height(&self) -> Height {
        self.height
    }

    /// The work that its branch has, up to here or as it was shown.
    fn work(&self) -> Work {
        self.proven.map_or(self.own_work, |proven| proven.max(self.own_work))
    }

    /// What decides which branch is fetched first.
    fn precedence(&self) -> (Rank, Work) {
        (self.rank, self.work())
    }
}

/// Linked headers, and the path through them to the one with the most work.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: BTreeMap<BlockId, Node>,
    /// From the lowest block that is not here up to the best header; empty when no header has more work than
    /// the tip, or all that have are passed over. Heights rise by one.
    path: VecDeque<BlockId>,
    /// The heights on the path at which the body is [missing](Body::Missing): what is to be asked for is found
    /// without looking at what is not.
    missing: BTreeSet<Height>,
    /// The work of the tip: less is not followed.
    tip: Work,
    /// Blocks whose bodies did not come, and until when what is above them is passed over.
    aside: BTreeMap<BlockId, Instant>,
}

impl Tree {
    /// A tree above a tip with so much work.
    pub(super) fn new(tip: Work) -> Self {
        Self { tip, ..Self::default() }
    }

    /// A header.
    pub(super) fn get(&self, id: &BlockId) -> Option<&Node> {
        self.nodes.get(id)
    }

    /// How many headers it has.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether a header is in the tree.
    pub(super) fn contains(&self, id: &BlockId) -> bool {
        self.nodes.contains_key(id)
    }

    /// The header at the end of the path, if there is one.
    pub(super) fn end(&self) -> Option<BlockId> {
        self.path.back().copied()
    }

    /// The id of the lowest block of the path.
    pub(super) fn first(&self) -> Option<BlockId> {
        self.path.front().copied()
    }

    /// The lowest block of the path.
    pub(super) fn lowest(&self) -> Option<&Node> {
        self.nodes.get(self.path.front()?)
    }

    /// The lowest block of the path whose body is missing, of those from one height up to another, and at most `window`
    /// above its beginning.
    pub(super) fn missing_within(&self, (from, to): (Height, Height), window: u64) -> Option<Height> {
        let end = self.lowest().map_or(Height::GENESIS, Node::height).saturating_add(window).min(to);
        if from < end { self.missing.range(from..end).next().copied() } else { None }
    }

    /// Those from a height up, at most `window` above the beginning of the path.
    pub(super) fn missing_from(&self, from: Height, window: u64) -> impl Iterator<Item = (Height, BlockId)> {
        let end = self.lowest().map_or(Height::GENESIS, Node::height).saturating_add(window);
        let missing = self.missing.range(from.min(end)..end);
        missing.filter_map(|height| Some((*height, self.at(*height)?)))
    }

    /// The block of the path at a height.
    pub(super) fn at(&self, height: Height) -> Option<BlockId> {
        let above = height.get().checked_sub(self.lowest()?.height.get())?;
        self.path.get(usize::try_from(above).ok()?).copied()
    }

    /// Whether a block stands on the path.
    pub(super) fn is_on_path(&self, id: &BlockId) -> bool {
        self.nodes.get(id).is_some_and(|node| self.at(node.height) == Some(*id))
    }

    fn set_path(&mut self, path: VecDeque<BlockId>) {
        self.path = path;
        let nodes = self.path.iter().filter_map(|id| self.nodes.get(id));
        self.missing = nodes.filter(|node| node.body == Body::Missing).map(|node| node.height).collect();
    }

    /// The best header on the path: its height and work.
    pub(super) fn best(&self) -> Option<(Height, Work)> {
        let node = self.nodes.get(self.path.back()?)?;
        Some((node.height, node.work()))
    }

    /// Adds a linked header; `false` when there is no room for it.
    pub(super) fn insert(&mut self, linked: LinkedHeader, brought: Brought) -> bool {
        let id = linked.id();
        let Brought { peer: source, rank, proven } = brought;
        let rank = self.nodes.get(&linked.header().parent).map_or(rank, |parent| parent.rank.max(rank));
        if let Some(node) = self.nodes.get_mut(&id) {
            if node.rank < rank {
                (node.source, node.rank) = (source, rank);
            }
            node.proven = node.proven.max(proven);
        } else if self.make_room(&brought) {
            let (parent, height, own_work) = (linked.header().parent, linked.header().height, linked.total_work());
            let (linked, body) = (Some(linked), Body::Missing);
            self.nodes.insert(id, Node { parent, height, linked, own_work, source, rank, proven, body });
        } else {
            return false;
        }
        self.prefer(id);
        true
    }

    /// Notes that a body of the path has come.
    pub(super) fn note_given(&mut self, id: &BlockId) {
        let on_path = self.is_on_path(id);
        let is_new = |end: &BlockId| self.nodes.get(end).is_some_and(|end| end.rank == Rank::Shown);
        if on_path && self.path.back().is_some_and(is_new) {
            for id in &self.path {
                if let Some(node) = self.nodes.get_mut(id) {
                    node.rank = node.rank.max(Rank::Given);
                }
            }
        }
    }

    /// Follows a header where it is better than the end of the path.
    fn prefer(&mut self, id: BlockId) {
        let Some(node) = self.nodes.get(&id) else { return };
        let precedence = node.precedence();
        if precedence.1 <= self.tip {
            return;
        }
        let end = self.path.back().copied();
        // The path grows at its end; only where another branch overtakes is it walked again.
        if end == Some(node.parent) {
            let (height, body) = (node.height, node.body);
            if !self.aside.contains_key(&id) {
                self.path.push_back(id);
                if body == Body::Missing {
                    self.missing.insert(height);
                }
            }
        } else if end.and_then(|end| self.nodes.get(&end)).is_none_or(|end| precedence > end.precedence())
            && !self.is_aside(&id)
        {
            self.set_path(self.walk(id));
        }
    }

    /// Adds a header whose block is here already, with the work up to it, so that what lies below it can be reached
    /// from above: a branch may lack a single body.
    pub(super) fn insert_known(&mut self, id: BlockId, header: &Header, own_work: Work, brought: Brought) {
        if self.contains(&id) {
            self.set_body(&id, Body::Here);
        } else if self.make_room(&brought) {
            let Brought { peer: source, rank, proven } = brought;
            let (parent, height, body) = (header.parent, header.height, Body::Here);
            self.nodes.insert(id, Node { parent, height, linked: None, own_work, source, rank, proven, body });
        }
        self.prefer(id);
    }

    /// The block that the branch of this one leaves what is known here from: the highest below it that is not in the
    /// tree.
    pub(super) fn below(&self, id: &BlockId) -> BlockId {
        self.down_from(id).last().map_or(*id, |(_, node)| node.parent)
    }

    /// Whether a header lies above a block that is passed over.
    fn is_aside(&self, id: &BlockId) -> bool {
        !self.aside.is_empty() && self.down_from(id).any(|(id, _)| self.aside.contains_key(id))
    }

    /// The headers of the tree from this one down.
    fn down_from(&self, id: &BlockId) -> impl Iterator<Item = (&BlockId, &Node)> {
        iter::successors(self.nodes.get_key_value(id), move |(_, node)| self.nodes.get_key_value(&node.parent))
    }

    /// Whether a branch with more work than the tip does without this block.
    pub(super) fn has_other(&self, without: &BlockId) -> bool {
        let passed = self.passed_over(Some(without));
        self.nodes.iter().any(|(id, node)| node.work() > self.tip && !passed.contains(id))
    }

    /// Passes over what lies above a block whose body does not come, until then.
    pub(super) fn set_aside(&mut self, id: BlockId, until: Instant) {
        if self.aside.len() >= MAX_ASIDE {
            self.aside.pop_first();
        }
        self.aside.insert(id, until);
        self.follow_best();
    }

    /// Tries again what was passed over long enough.
    pub(super) fn recall(&mut self, now: Instant) {
        let count = self.aside.len();
        let nodes = &self.nodes;
        self.aside.retain(|id, until| *until > now && nodes.get(id).is_some_and(|node| node.body != Body::Here));
        if self.aside.len() < count {
            self.follow_best();
        }
    }

    /// The best height of what is passed over, and has more work than the tip.
    pub(super) fn aside(&self) -> Option<Height> {
        if self.aside.is_empty() {
            return None;
        }
        let passed = self.passed_over(None);
        let nodes = self.nodes.iter().filter(|(id, node)| passed.contains(*id) && node.work() > self.tip);
        nodes.map(|(_, node)| node.height).max()
    }

    /// All that lies above a block that is passed over, and above `also`.
    fn passed_over(&self, also: Option<&BlockId>) -> BTreeSet<BlockId> {
        self.with_descendants(self.aside.keys().chain(also).copied().collect())
    }

    /// Blocks, and all that lies above them.
    fn with_descendants(&self, mut blocks: BTreeSet<BlockId>) -> BTreeSet<BlockId> {
        if blocks.is_empty() {
            return blocks;
        }
        let nodes = self.nodes.iter().map(|(id, node)| (node.height, *id, node.parent));
        let mut nodes: Vec<(Height, BlockId, BlockId)> = nodes.collect();
        // By height, so that every parent comes before its children.
        nodes.sort_unstable();
        for (_, id, parent) in nodes {
            if blocks.contains(&parent) {
                blocks.insert(id);
            }
        }
        blocks
    }

    /// Forgets branches that compete, for the sake of this peer's. `false`: there is still no room. What a presync has
    /// proven is neither refused nor forgotten: presyncs are few, and each brings no more than this machine has room
    /// for.
    fn make_room(&mut self, brought: &Brought) -> bool {
        if brought.proven.is_none() && self.nodes.len() >= MAX_NODES {
            let path: BTreeSet<BlockId> = self.path.iter().copied().collect();
            let is_kept = |node: &Node| node.source == brought.peer || node.rank > Rank::Shown || node.proven.is_some();
            self.nodes.retain(|id, node| is_kept(node) || path.contains(id));
        }
        brought.proven.is_some() || self.nodes.len() < MAX_NODES
    }

    /// The way from the lowest header of the tree up to `id`.
    fn walk(&self, id: BlockId) -> VecDeque<BlockId> {
        let mut path: VecDeque<BlockId> = self.down_from(&id).map(|(id, _)| *id).collect();
        path.make_contiguous().reverse();
        path
    }

    /// Notes where a body is; nothing when the header is gone.
    pub(super) fn set_body(&mut self, id: &BlockId, body: Body) {
        let Some(node) = self.nodes.get_mut(id) else { return };
        node.body = body;
        let height = node.height;
        if self.at(height) != Some(*id) {
            return;
        }
        match body {
            Body::Missing => self.missing.insert(height),
            Body::Asked(_) | Body::Importing | Body::Here => self.missing.remove(&height),
        };
    }

    /// Bodies that this job was to bring are missing again.
    pub(super) fn set_missing(&mut self, ids: &[BlockId], job: u64) {
        for id in ids {
            if self.get(id).is_some_and(|node| node.body == Body::Asked(job)) {
                self.set_body(id, Body::Missing);
            }
        }
    }

    /// Drops what is here from the beginning of the path: the chain needs nothing more for it.
    pub(super) fn trim(&mut self) {
        while let Some(first) = self.path.front().copied()
            && self.nodes.get(&first).is_none_or(|node| node.body == Body::Here)
        {
            self.path.pop_front();
            self.nodes.remove(&first);
        }
        let lowest = self.lowest().map(Node::height);
        while self.missing.first().is_some_and(|height| lowest.is_none_or(|lowest| *height < lowest)) {
            self.missing.pop_first();
        }
    }

    /// The chain has moved to a tip with so much work, connecting these blocks.
    pub(super) fn moved(&mut self, tip: Work, connected: &[BlockId]) {
        self.tip = tip;
        connected.iter().for_each(|id| self.set_body(id, Body::Here));
        self.trim();
        if self.best().is_none_or(|(_, best)| best <= tip) {
            self.follow_best();
        }
        // Blocks that came by other ways stand on no path: nothing waits for them.
        for id in connected {
            if self.nodes.get(id).is_some_and(|node| self.at(node.height) != Some(*id)) {
                self.nodes.remove(id);
            }
        }
    }

    /// Removes a header with all its descendants, and gives their ids.
    pub(super) fn remove_branch(&mut self, id: &BlockId) -> BTreeSet<BlockId> {
        self.remove_with_descendants(BTreeSet::from([*id]))
    }

    /// Removes what a peer brought and whose block is not here, with all descendants: the chain forgets it,
    /// too. `false` when there was nothing.
    pub(super) fn remove_source(&mut self, source: PeerNumber) -> bool {
        let theirs = self.nodes.iter().filter(|(_, node)| node.source == source && node.body != Body::Here);
        let theirs: BTreeSet<BlockId> = theirs.map(|(id, _)| *id).collect();
        !theirs.is_empty() && !self.remove_with_descendants(theirs).is_empty()
    }

    fn remove_with_descendants(&mut self, removed: BTreeSet<BlockId>) -> BTreeSet<BlockId> {
        let removed = self.with_descendants(removed);
        self.nodes.retain(|id, _| !removed.contains(id));
        self.follow_best();
        removed
    }

    /// Finds a branch to follow where there is none: all of the last one was brought, and the chain did not move to it.
    pub(super) fn look_again(&mut self) {
        if self.path.is_empty() && !self.nodes.is_empty() {
            self.follow_best();
        }
    }

    /// Finds the best header again, and the path to it.
    fn follow_best(&mut self) {
        let passed = self.passed_over(None);
        let all = self.nodes.iter().filter(|(id, _)| !passed.contains(*id));
        let all = all.map(|(id, node)| (node.precedence(), node.height, *id));
        let best = all.filter(|((_, work), ..)| *work > self.tip).max();
        self.set_path(best.map(|(.., id)| self.walk(id)).unwrap_or_default());
        self.trim();
    }

    /// Ids from a header of the tree downward: ten in a row, then in doubling steps.
    pub(super) fn locator(&self, from: &BlockId) -> Vec<BlockId> {
        let (mut ids, mut at, mut skip, mut step) = (Vec::new(), *from, 0_usize, 1_usize);
        while let Some(node) = self.nodes.get(&at) {
            if skip == 0 {
                ids.push(at);
                if ids.len() >= LOCATOR_DENSE {
                    step *= 2;
                }
                skip = step;
            }
            skip -= 1;
            at = node.parent;
        }
        ids
    }
}
