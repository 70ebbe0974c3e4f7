//! The history: a mountain range over all blocks of a chain, each with its work.
//!
//! `history(n)` commits to blocks 0 .. n−1 in the shape of RFC 6962: complete binary trees ("peaks"),
//! bagged from right to left. Every node carries the work below it, so that a light client can draw
//! blocks by work (FlyClient, Bünz et al. 2019). Header n commits to `history(n)`.
//!
//! A peak of level j appears when the block at height i with 2^j | i + 1 is appended. Whoever keeps, for
//! each block, the nodes that it completed ([`History::append`]) can find every node of the range
//! ([`Position::completed_by`]).

use crate::{
    codec::{BoundedVec, Decode, Encode},
    hash::{BlockId, Hash, Tag},
    pow::Work,
    units::Height,
};
use alloc::vec::Vec;

/// A node: the hash over everything below it, and the work of all blocks below it. A leaf is a block's
/// id and its own work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[bincode(crate = "crate::codec::bincode")]
pub struct Node {
    /// The block's id, or `T("cairn/mmr", left.hash ‖ left.work ‖ right.hash ‖ right.work)`.
    pub hash: Hash,
    /// The work of the blocks below.
    pub work: Work,
}

/// A sum of work that does not fit 256 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the total work exceeds 256 bits")]
pub struct WorkOverflow;

impl Node {
    /// The leaf of a block.
    pub fn leaf(id: &BlockId, work: Work) -> Self {
        Self { hash: Hash::from_bytes(*id.as_bytes()), work }
    }

    /// The parent of two nodes.
    ///
    /// # Errors
    /// Refuses works whose sum overflows.
    pub fn merge(left: &Self, right: &Self) -> Result<Self, WorkOverflow> {
        let hash = Tag::MMR.hash(&[
            left.hash.as_bytes(),
            &left.work.to_be_bytes(),
            right.hash.as_bytes(),
            &right.work.to_be_bytes(),
        ]);
        Ok(Self { hash, work: left.work.checked_add(right.work).ok_or(WorkOverflow)? })
    }
}

/// Bags nodes from right to left, always merge(left, right).
fn bag(nodes: &[Node]) -> Result<Option<Node>, WorkOverflow> {
    let mut bagged: Option<Node> = None;
    for left in nodes.iter().rev() {
        bagged = Some(match bagged {
            Some(right) => Node::merge(left, &right)?,
            None => *left,
        });
    }
    Ok(bagged)
}

/// `T("cairn/history", n ‖ root.hash ‖ root.work)`; 32 zero bytes for no blocks.
fn commitment(count: u64, root: Option<&Node>) -> Hash {
    root.map_or(Hash::ZERO, |root| {
        Tag::HISTORY.hash(&[&count.to_le_bytes(), root.hash.as_bytes(), &root.work.to_be_bytes()])
    })
}

/// A mountain range, known by its peaks alone: log2(n) nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    count: u64,
    /// From left to right, one for each bit set in `count`, highest first.
    peaks: Vec<Node>,
}

impl History {
    /// The history of `count` blocks with these peaks, left to right; `None` unless there is one for each
    /// bit set in `count`, and their works together fit 256 bits.
    pub fn from_peaks(count: u64, peaks: Vec<Node>) -> Option<Self> {
        let history = (peaks.len() == count.count_ones() as usize).then_some(Self { count, peaks })?;
        history.root().ok().map(|_| history)
    }

    /// How many blocks it covers.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The peaks, left to right.
    pub fn peaks(&self) -> &[Node] {
        &self.peaks
    }

    /// Where the peaks of a history of `count` blocks are, left to right.
    pub fn peak_positions(count: u64) -> Vec<Position> {
        complete_trees(0, count)
    }

    /// The history with one more block, and the inner nodes it completed, from level 1 up.
    ///
    /// # Errors
    /// Refuses a total work that overflows.
    pub fn append(&self, id: &BlockId, work: Work) -> Result<(Self, Vec<Node>), WorkOverflow> {
        let mut peaks = self.peaks.clone();
        let mut completed = Vec::new();
        let mut node = Node::leaf(id, work);
        for _ in 0..self.count.trailing_ones() {
            let Some(left) = peaks.pop() else { break };
            node = Node::merge(&left, &node)?;
            completed.push(node);
        }
        peaks.push(node);
        let appended = Self { count: self.count.saturating_add(1), peaks };
        appended.root()?;
        Ok((appended, completed))
    }

    /// The bagged root; `None` for no blocks.
    fn root(&self) -> Result<Option<Node>, WorkOverflow> {
        bag(&self.peaks)
    }

    /// What the next header commits to.
    pub fn commitment(&self) -> Hash {
        // The sum was checked when the history was made.
        commitment(self.count, self.root().ok().flatten().as_ref())
    }

    /// The work of all its blocks.
    pub fn total_work(&self) -> Work {
        let sum = self.peaks.iter().try_fold(Work::ZERO, |sum, peak| sum.checked_add(peak.work));
        sum.unwrap_or_default()
    }
}

/// Where a node of the range is: the subtree over blocks `index · 2^level .. (index + 1) · 2^level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// 0 for leaves.
    pub level: u32,
    /// Counted from the left, within the level.
    pub index: u64,
}

impl Position {
    /// The block whose appending completes this node: the last one below it.
    pub fn completed_by(&self) -> Height {
        let end = self.index.saturating_add(1).checked_shl(self.level).unwrap_or(u64::MAX);
        Height::new(end.saturating_sub(1))
    }
}

/// The complete trees that blocks `start .. end` consist of, left to right, where `start` is a multiple of
/// the size of the first.
fn complete_trees(start: u64, end: u64) -> Vec<Position> {
    let mut positions = Vec::new();
    let mut at = start;
    while let Some(level) = end.saturating_sub(at).checked_ilog2() {
        positions.push(Position { level, index: at >> level });
        at = at.saturating_add(1 << level);
    }
    positions
}

/// A proof that a block stands at a height in a history: the siblings from the leaf upward.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[bincode(crate = "crate::codec::bincode")]
pub struct HistoryProof {
    siblings: BoundedVec<Node, 64>,
}

/// Why a proof does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryProofError {
    /// The height is not in a history of this length.
    #[error("got height {got}, expected one below {count}")]
    Height {
        /// The height.
        got: u64,
        /// Blocks in the history.
        count: u64,
    },
    /// Another number of siblings than the way to the root has.
    #[error("got {got} siblings, expected {expected}")]
    Length {
        /// Siblings given.
        got: usize,
        /// Siblings on the way.
        expected: usize,
    },
    /// The way leads to another commitment.
    #[error("the proof leads to {got}, expected {expected}")]
    Root {
        /// Where it leads.
        got: Hash,
        /// The commitment to prove against.
        expected: Hash,
    },
    /// The works on the way do not fit 256 bits.
    #[error("the works in the proof overflow")]
    Overflow,
}

impl From<WorkOverflow> for HistoryProofError {
    fn from(WorkOverflow: WorkOverflow) -> Self {
        Self::Overflow
    }
}

/// One step of the way from a leaf to the root of a tree in the shape of RFC 6962.
pub(crate) struct Step {
    pub(crate) sibling_is_left: bool,
    /// Where the sibling begins and ends.
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// The steps from leaf `index` up to the root over `count` leaves, leaf first.
pub(crate) fn way(index: u64, count: u64) -> Vec<Step> {
    let (mut start, mut end) = (0_u64, count);
    let mut steps = Vec::new();
    // k is the largest power of two below the length: R(a, b) = merge(R(a, a + k), R(a + k, b)).
    while let Some(k) = end.saturating_sub(start).checked_sub(1).and_then(u64::checked_ilog2) {
        let middle = start.saturating_add(1 << k);
        if index < middle {
            steps.push(Step { sibling_is_left: false, start: middle, end });
            end = middle;
        } else {
            steps.push(Step { sibling_is_left: true, start, end: middle });
            start = middle;
        }
    }
    steps.reverse();
    steps
}

impl HistoryProof {
    /// The nodes a proof for the block at `height` is made of: for each sibling, from the leaf upward, the
    /// complete trees it is bagged from. `None` when the height is not below `count`.
    pub fn positions(height: Height, count: u64) -> Option<Vec<Vec<Position>>> {
        let steps = (height.get() < count).then(|| way(height.get(), count))?;
        Some(steps.iter().map(|step| complete_trees(step.start, step.end)).collect())
    }

    /// Puts a proof together from the nodes at [`HistoryProof::positions`], in that order.
    ///
    /// # Errors
    /// Refuses works that overflow.
    pub fn from_nodes(nodes: &[Vec<Node>]) -> Result<Self, WorkOverflow> {
        let siblings = nodes.iter().map(|trees| bag(trees)?.ok_or(WorkOverflow)).collect::<Result<_, _>>()?;
        BoundedVec::new(siblings).map(|siblings| Self { siblings }).map_err(|_| WorkOverflow)
    }

    /// Checks that `leaf` stands at `height` in the history of `count` blocks with this commitment.
    ///
    /// # Errors
    /// Says why it does not.
    pub fn verify(&self, leaf: &Node, height: Height, count: u64, expected: &Hash) -> Result<(), HistoryProofError> {
        if height.get() >= count {
            return Err(HistoryProofError::Height { got: height.get(), count });
        }
        let steps = way(height.get(), count);
        if steps.len() != self.siblings.len() {
            return Err(HistoryProofError::Length { got: self.siblings.len(), expected: steps.len() });
        }
        let root = steps.iter().zip(self.siblings.iter()).try_fold(*leaf, |node, (step, sibling)| {
            if step.sibling_is_left { Node::merge(sibling, &node) } else { Node::merge(&node, sibling) }
        })?;
        let got = commitment(count, Some(&root));
        if got != *expected {
            return Err(HistoryProofError::Root { got, expected: *expected });
        }
        Ok(())
    }
}
