//! The history: a mountain range over all blocks of a chain, which sums their work and carries difficulty.
//!
//! `history(n)` commits to blocks 0 .. n−1 in the shape of RFC 6962: complete binary trees ("peaks"),
//! bagged from right to left. Every node carries the work below it, so that a light client can draw
//! blocks by work (FlyClient, Bünz et al. 2019), and where time and difficulty stand at its ends: two nodes
//! merge only where the right one goes on as the left one's last block demands. A light client draws by work,
//! so a block without work that broke the rule of difficulty would hardly ever be drawn; with the targets in
//! the nodes, the break shows at whatever node is opened. Header n commits to `history(n)`.
//!
//! A peak of level j appears when the block at height i with 2^j | i + 1 is appended. Whoever keeps, for
//! each block, the nodes that it completed ([`Mmr::append`]) can find every node of the range
//! ([`MmrPosition::completed_by`]). A [`Mmr`] itself is log2(n) nodes, and to append to it costs one merge on
//! average.

use crate::block::Header;
use crate::codec::{BoundedVec, Decode, Encode};
use crate::hash::{BlockId, Hash, Tag};
use crate::pow::{CompactTarget, Work};
use crate::units::{Height, Timestamp};
use alloc::vec::Vec;

/// A node: what is known of all blocks below it.
///
/// Layout (80 bytes): `hash 32 ‖ work 32, big-endian ‖ last_time u64 ‖ first_target u32 ‖ next_target u32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MmrNode {
    /// The block's id, or `T("cairn/mmr", left ‖ right)` over the layouts of both nodes.
    pub hash: Hash,
    /// The work of the blocks below.
    pub work: Work,
    /// The time of the last block below.
    pub last_time: Timestamp,
    /// The target of the first block below.
    pub first_target: CompactTarget,
    /// The target that the rule demands of the block after the last one below.
    pub next_target: CompactTarget,
}

/// Why two nodes do not merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the sentence of each error names its fields")]
pub enum MergeError {
    /// Work that does not fit 256 bits.
    #[error("the total work exceeds 256 bits")]
    WorkOverflow,
    /// The right node begins with another target than the left one's last block demands.
    #[error("got the target {got}, where the blocks before demand {expected}")]
    Target { got: CompactTarget, expected: CompactTarget },
    /// A complete tree that cannot begin after so many blocks.
    #[error("got a tree of level {level} after {count} blocks, which is no multiple of its size")]
    Place { level: u32, count: u64 },
    /// The right node ends no later than the left one.
    #[error("got the time {got}, expected later than {left}")]
    Time { got: Timestamp, left: Timestamp },
}

impl MmrNode {
    /// The leaf of a block: its id, its work, its time and target, and the target of the block after it.
    pub fn leaf(header: &Header, id: &BlockId, work: Work, next_target: CompactTarget) -> Self {
        Self {
            hash: Hash::from_bytes(*id.as_bytes()),
            work,
            last_time: header.time,
            first_target: header.target,
            next_target,
        }
    }

    /// The layout, which hashes are computed over.
    fn put(&self, put: &mut dyn FnMut(&[u8])) {
        put(self.hash.as_bytes());
        put(&self.work.to_be_bytes());
        put(&self.last_time.millis().to_le_bytes());
        put(&self.first_target.bits().to_le_bytes());
        put(&self.next_target.bits().to_le_bytes());
    }

    /// Checks that `right` goes on where this node ends, and sums the work.
    fn join(&self, right: &Self) -> Result<Work, MergeError> {
        if right.first_target != self.next_target {
            return Err(MergeError::Target { got: right.first_target, expected: self.next_target });
        }
        if right.last_time <= self.last_time {
            return Err(MergeError::Time { got: right.last_time, left: self.last_time });
        }
        self.work.checked_add(right.work).ok_or(MergeError::WorkOverflow)
    }

    /// The parent of two nodes.
    ///
    /// # Errors
    /// Refuses nodes of which the right one does not go on where the left one ends.
    pub fn merge(left: &Self, right: &Self) -> Result<Self, MergeError> {
        let work = left.join(right)?;
        let hash = Tag::MMR.hash_with(|put| {
            left.put(put);
            right.put(put);
        });
        let (last_time, next_target) = (right.last_time, right.next_target);
        Ok(Self { hash, work, last_time, first_target: left.first_target, next_target })
    }
}

/// Bags nodes from right to left, always merge(left, right); `None` for none.
fn bag(nodes: &[MmrNode]) -> Result<Option<MmrNode>, MergeError> {
    let mut bagged: Option<MmrNode> = None;
    for left in nodes.iter().rev() {
        bagged = Some(match bagged {
            Some(right) => MmrNode::merge(left, &right)?,
            None => *left,
        });
    }
    Ok(bagged)
}

/// `T("cairn/history", n u64 ‖ root)`; 32 zero bytes for no blocks.
fn commitment(count: u64, root: Option<&MmrNode>) -> Hash {
    let Some(root) = root else { return Hash::ZERO };
    Tag::HISTORY.hash_with(|put| {
        put(&count.to_le_bytes());
        root.put(put);
    })
}

/// A mountain range, known by its peaks alone: log2(n) nodes, each of which goes on where the one before ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mmr {
    count: u64,
    /// From left to right, one for each bit set in `count`, highest first.
    peaks: Vec<MmrNode>,
}

impl Mmr {
    /// The history of `count` blocks with these peaks, left to right; `None` unless there is one for each
    /// bit set in `count`, each goes on where the one before ends, and their works together fit 256 bits.
    pub fn from_peaks(count: u64, peaks: Vec<MmrNode>) -> Option<Self> {
        let history = (peaks.len() == count.count_ones() as usize).then_some(Self { count, peaks })?;
        bag(&history.peaks).ok().map(|_| history)
    }

    /// The history of block 0 alone.
    pub fn of_genesis(leaf: MmrNode) -> Self {
        Self { count: 1, peaks: alloc::vec![leaf] }
    }

    /// How many blocks it covers.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The peaks, left to right.
    pub fn peaks(&self) -> &[MmrNode] {
        &self.peaks
    }

    /// The target that the rule demands of the next block; `None` for no blocks.
    pub fn next_target(&self) -> Option<CompactTarget> {
        self.peaks.last().map(|peak| peak.next_target)
    }

    /// When the last block was made; `None` for no blocks.
    pub fn last_time(&self) -> Option<Timestamp> {
        self.peaks.last().map(|peak| peak.last_time)
    }

    /// Where the peaks of a history of `count` blocks are, left to right.
    pub fn peak_positions(count: u64) -> Vec<MmrPosition> {
        complete_trees(0, count)
    }

    /// The history with one more block, and the inner nodes it completed, from level 1 up.
    ///
    /// # Errors
    /// Refuses a leaf that does not go on where this history ends, and a total work that overflows.
    pub fn append(&self, leaf: MmrNode) -> Result<(Self, Vec<MmrNode>), MergeError> {
        let mut appended = self.clone();
        let completed = appended.push(0, leaf)?;
        Ok((appended, completed))
    }

    /// Adds the root of a complete tree over the next 2^level blocks, and gives the inner nodes that this
    /// completes, from the level above up.
    ///
    /// # Errors
    /// Refuses a tree that does not go on where this history ends, one that cannot begin there because trees
    /// begin at multiples of their size, and a total work that overflows. The history is as it was then.
    pub fn push(&mut self, level: u32, tree: MmrNode) -> Result<Vec<MmrNode>, MergeError> {
        let misplaced = MergeError::Place { level, count: self.count };
        let size = 1_u64.checked_shl(level).ok_or(misplaced)?;
        let count = self.count.checked_add(size).filter(|_| self.count.trailing_zeros() >= level).ok_or(misplaced)?;
        if let Some(last) = self.peaks.last() {
            last.join(&tree)?;
        }
        self.total_work().checked_add(tree.work).ok_or(MergeError::WorkOverflow)?;
        let (mut node, mut completed) = (tree, Vec::new());
        for left in self.peaks.iter().rev().take((self.count >> level).trailing_ones() as usize) {
            node = MmrNode::merge(left, &node)?;
            completed.push(node);
        }
        self.peaks.truncate(self.peaks.len().saturating_sub(completed.len()));
        self.peaks.push(node);
        self.count = count;
        Ok(completed)
    }

    /// What the next header commits to.
    pub fn commitment(&self) -> Hash {
        // That the peaks merge was checked when the history was made.
        commitment(self.count, bag(&self.peaks).ok().flatten().as_ref())
    }

    /// The work of all its blocks.
    pub fn total_work(&self) -> Work {
        let sum = self.peaks.iter().try_fold(Work::ZERO, |sum, peak| sum.checked_add(peak.work));
        sum.unwrap_or_default()
    }
}

/// Where a node of the range is: the subtree over blocks `index · 2^level .. (index + 1) · 2^level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MmrPosition {
    /// 0 for leaves.
    pub level: u32,
    /// Counted from the left, within the level.
    pub index: u64,
}

impl MmrPosition {
    /// The block whose appending completes this node: the last one below it.
    pub fn completed_by(&self) -> Height {
        let end = self.index.saturating_add(1).checked_shl(self.level).unwrap_or(u64::MAX);
        Height::new(end.saturating_sub(1))
    }
}

/// The greatest complete trees that blocks `start .. end` consist of, left to right.
pub(crate) fn complete_trees(start: u64, end: u64) -> Vec<MmrPosition> {
    let mut positions = Vec::new();
    let mut at = start;
    while let Some(fitting) = end.saturating_sub(at).checked_ilog2() {
        // A tree begins at a multiple of its size.
        let level = fitting.min(at.trailing_zeros());
        positions.push(MmrPosition { level, index: at >> level });
        at = at.saturating_add(1 << level);
    }
    positions
}

/// A proof that a block stands at a height in a history: the siblings from the leaf upward.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MmrProof {
    siblings: BoundedVec<MmrNode, 64>,
}

/// Why a proof does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the sentence of each error names its fields")]
pub enum MmrProofError {
    /// The height is not in a history of this length.
    #[error("got height {got}, expected one below {count}")]
    Height { got: u64, count: u64 },
    /// Another number of siblings than the way to the root has.
    #[error("got {got} siblings, expected {expected}")]
    Length { got: usize, expected: usize },
    /// The way leads to another commitment.
    #[error("the proof leads to {got}, expected {expected}")]
    Root { got: Hash, expected: Hash },
    /// Nodes on the way that do not merge.
    #[error("nodes of the proof do not go on where others end: {0}")]
    Merge(#[from] MergeError),
}

/// One step of the way from a leaf to the root of a tree in the shape of RFC 6962.
pub(crate) struct PathStep {
    pub(crate) sibling_is_left: bool,
    /// Where the sibling begins and ends.
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// The steps from leaf `index` up to the root over `count` leaves, leaf first.
pub(crate) fn path_steps(index: u64, count: u64) -> Vec<PathStep> {
    let (mut start, mut end) = (0_u64, count);
    let mut steps = Vec::new();
    // k is the largest power of two below the length: R(a, b) = merge(R(a, a + k), R(a + k, b)).
    while let Some(k) = end.saturating_sub(start).checked_sub(1).and_then(u64::checked_ilog2) {
        let middle = start.saturating_add(1 << k);
        if index < middle {
            steps.push(PathStep { sibling_is_left: false, start: middle, end });
            end = middle;
        } else {
            steps.push(PathStep { sibling_is_left: true, start, end: middle });
            start = middle;
        }
    }
    steps.reverse();
    steps
}

impl MmrProof {
    /// The nodes a proof for the block at `height` is made of: for each sibling, from the leaf upward, the
    /// complete trees it is bagged from. `None` when the height is not below `count`.
    pub fn positions(height: Height, count: u64) -> Option<Vec<Vec<MmrPosition>>> {
        let steps = (height.get() < count).then(|| path_steps(height.get(), count))?;
        Some(steps.iter().map(|step| complete_trees(step.start, step.end)).collect())
    }

    /// Puts a proof together from the nodes at [`MmrProof::positions`], in that order.
    ///
    /// # Errors
    /// Refuses trees that do not merge. No tree at all and more than 64 siblings are the works of no chain.
    pub fn from_nodes(nodes: &[Vec<MmrNode>]) -> Result<Self, MergeError> {
        let sibling = |trees: &Vec<MmrNode>| bag(trees)?.ok_or(MergeError::WorkOverflow);
        let siblings = nodes.iter().map(sibling).collect::<Result<_, _>>()?;
        BoundedVec::new(siblings).map(|siblings| Self { siblings }).map_err(|_| MergeError::WorkOverflow)
    }

    /// Checks that `leaf` stands at `height` in the history of `count` blocks with this commitment, and gives the work
    /// of all blocks before it.
    ///
    /// # Errors
    /// Says why it does not.
    pub fn verify(&self, leaf: &MmrNode, height: Height, count: u64, expected: &Hash) -> Result<Work, MmrProofError> {
        if height.get() >= count {
            return Err(MmrProofError::Height { got: height.get(), count });
        }
        let steps = path_steps(height.get(), count);
        if steps.len() != self.siblings.len() {
            return Err(MmrProofError::Length { got: self.siblings.len(), expected: steps.len() });
        }
        let (mut root, mut before) = (*leaf, Work::ZERO);
        for (step, sibling) in steps.iter().zip(self.siblings.iter()) {
            root = if step.sibling_is_left { MmrNode::merge(sibling, &root) } else { MmrNode::merge(&root, sibling) }?;
            if step.sibling_is_left {
                before = before.checked_add(sibling.work).ok_or(MergeError::WorkOverflow)?;
            }
        }
        let got = commitment(count, Some(&root));
        if got != *expected {
            return Err(MmrProofError::Root { got, expected: *expected });
        }
        Ok(before)
    }
}
