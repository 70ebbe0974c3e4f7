//! The blocks before the tail as tiles, and the walk over them.
//!
//! A proof opens some blocks: it gives their headers. The rest of the history is given as few complete trees as
//! there can be: in each gap between opened blocks the greatest that fit, from left to right. Opened blocks and
//! trees are *tiles*; they cover the history without a gap, so nothing in a proof hangs in the air.
//!
//! The walk puts one tile after another onto a [`Mmr`]. Before each tile the history holds the peaks over all
//! blocks to its left, which are also what hangs to the left of its way to the root: so each opened header is
//! compared with the very history it stands in, and each tree begins with the difficulty and after the time that
//! the tile before it ends with.

use super::{LightError, difficulty_bounds::DifficultyBounds, marks::Mark};
use crate::mmr::{Mmr, MmrNode, MmrPosition, complete_trees};
use crate::units::{Height, Timestamp};
use crate::validate::{LinkedHeader, check_in_history, check_version, check_work, target_after};
use crate::{block::Header, chain_spec::ChainSpec, error::HeaderError, hash::BlockId, pow::Work};
use alloc::vec::Vec;

/// Where the trees are between blocks that are opened (ascending, below `count`; block 0 is opened anyway), from
/// left to right.
pub(super) fn trees(opened: impl IntoIterator<Item = u64>, count: u64) -> Vec<MmrPosition> {
    let mut trees = Vec::new();
    let mut from = 1;
    for block in opened.into_iter().chain([count]) {
        trees.extend(complete_trees(from, block));
        from = block.saturating_add(1);
    }
    trees
}

/// A header at its place in the history.
pub(super) struct Opened<'a> {
    pub(super) header: &'a Header,
    pub(super) id: BlockId,
    /// The work of this block alone.
    pub(super) work: Work,
    /// The work of all blocks before it.
    pub(super) before: Work,
}

/// The walk, and what was found on the way.
pub(super) struct Walk<'a, 's> {
    spec: &'s ChainSpec,
    difficulty: DifficultyBounds,
    /// The block before, where that is a tile of its own.
    parent: Option<BlockId>,
    /// The history of all blocks passed so far.
    pub(super) history: Mmr,
    /// The opened headers, ascending; block 0 is not among them.
    pub(super) opened: Vec<Opened<'a>>,
    /// After each tile: the time of its last block, and all work up to it.
    pub(super) marks: Vec<Mark>,
}

/// Goes over the tiles of a history of `count` blocks, and checks each of them.
pub(super) fn walk<'a, 's>(
    spec: &'s ChainSpec,
    opened: &'a [Header],
    nodes: &[MmrNode],
    count: u64,
) -> Result<Walk<'a, 's>, LightError> {
    check_order(opened, count)?;
    let mut walk = Walk::begin(spec, count)?;
    let trees = trees(opened.iter().map(|header| header.height.get()), count);
    if nodes.len() != trees.len() {
        return Err(LightError::Nodes { got: nodes.len(), expected: trees.len() });
    }
    let mut opened = opened.iter().peekable();
    let mut trees = trees.into_iter().zip(nodes).peekable();
    while walk.history.count() < count {
        if let Some(header) = opened.next_if(|header| header.height.get() == walk.history.count()) {
            walk.open(header)?;
        } else if let Some((position, node)) = trees.next() {
            walk.pass(position.level, node)?;
        } else {
            return Err(LightError::Nodes { got: nodes.len(), expected: nodes.len().saturating_add(1) });
        }
    }
    Ok(walk)
}

/// Opened headers ascend, and lie between block 0 and the tail.
fn check_order(opened: &[Header], count: u64) -> Result<(), LightError> {
    let mut last = 0;
    for header in opened {
        let height = header.height.get();
        if height <= last || height >= count {
            return Err(LightError::Order { got: header.height });
        }
        last = height;
    }
    Ok(())
}

impl<'a, 's> Walk<'a, 's> {
    /// Block 0, which everybody knows; nothing where there is no block before the tail.
    fn begin(spec: &'s ChainSpec, count: u64) -> Result<Self, LightError> {
        let (history, parent) = (Mmr::default(), Some(spec.genesis_id()));
        let mut walk = Self {
            spec,
            difficulty: DifficultyBounds::new(spec),
            parent,
            history,
            opened: Vec::new(),
            marks: Vec::new(),
        };
        if count > 0 {
            walk.put(0, LinkedHeader::genesis(spec).leaf())?;
        }
        Ok(walk)
    }

    /// Puts a block whose header is here.
    fn open(&mut self, header: &'a Header) -> Result<(), LightError> {
        let broken = |error| LightError::Header { height: header.height, error };
        let sealed = check_work(self.spec, header.clone()).map_err(broken)?;
        // A header that commits to another history was mined for another chain: spliced in, or forged.
        check_in_history(self.spec, &self.history, header).map_err(broken)?;
        if let Some(expected) = self.parent.filter(|parent| header.parent != *parent) {
            let error = HeaderError::Parent { got: header.parent, expected };
            return Err(broken(error));
        }
        check_version(self.spec, header).map_err(broken)?;
        let (id, work, before) = (sealed.id(), sealed.work(), self.history.total_work());
        let next_target = target_after(self.spec, header.height, header.target, [self.ended(), header.time]);
        self.put(0, MmrNode::leaf(header, &id, work, next_target))?;
        self.opened.push(Opened { header, id, work, before });
        self.parent = Some(id);
        Ok(())
    }

    /// Puts a tree of blocks that stay closed.
    fn pass(&mut self, level: u32, tree: &MmrNode) -> Result<(), LightError> {
        let (height, blocks) = (Height::new(self.history.count()), 1_u64.checked_shl(level).unwrap_or(u64::MAX));
        let checked = self.difficulty.check(self.spec, tree, height, blocks, self.ended());
        checked.map_err(|error| LightError::Tile { height, blocks, error })?;
        self.put(level, *tree)?;
        self.parent = (level == 0).then(|| BlockId::from_bytes(*tree.hash.as_bytes()));
        Ok(())
    }

    fn put(&mut self, level: u32, node: MmrNode) -> Result<(), LightError> {
        self.history.push(level, node)?;
        self.marks.push(Mark { time: node.last_time, work: self.history.total_work() });
        Ok(())
    }

    /// When the last tile ended.
    fn ended(&self) -> Timestamp {
        self.history.last_time().unwrap_or(self.spec.genesis().time)
    }
}
