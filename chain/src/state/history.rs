//! The accounts as they were after the last blocks, for proofs that stand below the tip.
//!
//! Each connected block leaves behind how to take it back: its undo record, and the hashes of the account
//! tree that it changed as they were before. Both are made for the import anyway. An earlier state is read
//! through them: the first of the blocks after it that touched a leaf or a node holds it as it was, and what
//! none touched is as it is now. So a question costs a few look-ups, never a hash, and no tree is copied.
//!
//! Nothing is kept before the first question: it reads the last blocks' undo records from the disk. While history
//! is caught up with, what was kept is forgotten again.

use super::accounts::missing;
use super::staged::not_loaded;
use super::{Source, State, resolve};
use crate::store::{StoreError, schema::UndoLeaves};
use cairn_ledger::accounts::{Leaf, StateChange, TreeUpdate};
use cairn_ledger::{AccountProof, Address, BlockId, ChainContext, codec::BoundedVec};
use std::collections::{HashMap, VecDeque};

/// States kept below the tip's: wallets read six blocks down, and have the rest of them to ask in.
pub const KEPT_STATES: usize = 32;
/// Node hashes kept in all, 48 bytes each: a long row of full blocks keeps fewer states …
const KEPT_NODES: usize = 1 << 18;
/// … but always as many as a wallet needs that reads six blocks down while the tip moves.
const KEPT_AT_LEAST: usize = 8;

/// What the last blocks changed, oldest first.
#[derive(Default)]
pub(crate) struct StateHistory {
    /// Whether somebody asked, so that `blocks` is kept.
    kept: bool,
    blocks: VecDeque<UndoneBlock>,
    nodes: usize,
}

/// One block, taken back.
struct UndoneBlock {
    /// The block before it: whose state this leads to.
    parent: BlockId,
    /// Leaves before it.
    count: u64,
    /// The leaves it changed, as they were before it, ascending by address.
    leaves: Vec<(u64, Leaf)>,
    /// The tree's hashes it changed, as they were before it.
    update: TreeUpdate,
}

impl StateHistory {
    /// Reads the last blocks' undo records, unless that was done before. `state` is the one at `tip`; it comes back as
    /// it was, save after an error, which ends the writer.
    pub(crate) fn load(&mut self, source: Source<'_>, state: &mut State, tip: &ChainContext) -> Result<(), StoreError> {
        if self.kept {
            return Ok(());
        }
        let records = last_records(source, tip)?;
        let lowest = records.last().map_or(state.accounts.count(), |(_, undo)| undo.count);
        let changed = records.iter().flat_map(|(_, undo)| undo.leaves.iter()).map(|leaf| leaf.index);
        // Before the tree goes back: what is on the disk is that of the tip.
        state.load_buckets_of(source, changed.chain(lowest.saturating_sub(1)..state.accounts.count()))?;
        let (mut undone, mut forward) = (Vec::new(), Vec::new());
        // The leaves that the blocks after one changed, by index, as they were before those.
        let mut older = HashMap::new();
        for (parent, undo) in records {
            // Accounts made since may stand there as they are: nothing older knows them.
            let leaf = |index| older.get(&index).or_else(|| state.accounts.at(index)).copied();
            let undo = resolve(&undo, leaf)?;
            older.extend(undo.leaves.iter().copied());
            let update = state.tree.update(undo.count, &undo.leaf_hashes()).map_err(not_loaded)?;
            forward.push(state.tree.exchange(update.clone()).map_err(not_loaded)?);
            undone.push(UndoneBlock::new(parent, undo.count, undo.leaves.into_vec(), update));
        }
        for update in forward.into_iter().rev() {
            state.tree.apply(update);
        }
        *self = Self { kept: true, ..Self::default() };
        undone.into_iter().rev().for_each(|undone| self.push(undone));
        Ok(())
    }

    /// Whether somebody asked, so that every connected block has to be [taken in](Self::connect).
    pub(crate) fn is_kept(&self) -> bool {
        self.kept
    }

    /// Forgets everything, until somebody asks again.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Takes in what a connected block changed, and how to take that back in the tree.
    pub(crate) fn connect(&mut self, parent: BlockId, change: StateChange, inverse: TreeUpdate) {
        let leaves = change.leaves.iter().filter_map(|leaf| Some((leaf.index, leaf.old?))).collect();
        self.push(UndoneBlock::new(parent, change.old_count, leaves, inverse));
    }

    fn push(&mut self, undone: UndoneBlock) {
        self.nodes += undone.update.node_count();
        self.blocks.push_back(undone);
        while self.blocks.len() > KEPT_STATES || (self.nodes > KEPT_NODES && self.blocks.len() > KEPT_AT_LEAST) {
            let Some(oldest) = self.blocks.pop_front() else { break };
            self.nodes -= oldest.update.node_count();
        }
    }

    /// Forgets the last `count` blocks, which were disconnected.
    pub(crate) fn disconnect(&mut self, count: usize) {
        for _ in 0..count {
            let Some(newest) = self.blocks.pop_back() else { break };
            self.nodes -= newest.update.node_count();
        }
    }

    /// Proves an account, or its absence, as it was after the block `at`; `None` when that is not kept. `state` is
    /// the one at the tip.
    pub(crate) fn prove(
        &self,
        source: Source<'_>,
        state: &mut State,
        address: &Address,
        at: &BlockId,
    ) -> Result<Option<AccountProof>, StoreError> {
        let Some(first) = self.blocks.iter().position(|block| block.parent == *at) else { return Ok(None) };
        let back: Vec<&UndoneBlock> = self.blocks.range(first..).collect();
        let count = back.first().map_or(state.accounts.count(), |block| block.count);
        let mut found = leaf(source, state, &back, count, address)?;
        // Accounts made since are passed over: as many as the kept blocks made, at most.
        if found.is_none()
            && let Some((_, below)) = state.below_among(source, count, address)?
        {
            found = leaf(source, state, &back, count, &below.address)?;
        }
        let (index, leaf) = found.ok_or_else(|| missing(address))?;
        state.load_buckets_of(source, [index])?;
        let updates: Vec<&TreeUpdate> = back.iter().map(|block| &block.update).collect();
        let path = state.tree.path_before(index, &updates).ok_or_else(|| missing(address))?;
        let path = BoundedVec::new(path).map_err(|_| missing(address))?;
        Ok(Some(AccountProof { count, index, leaf, path }))
    }
}

impl UndoneBlock {
    fn new(parent: BlockId, count: u64, mut leaves: Vec<(u64, Leaf)>, update: TreeUpdate) -> Self {
        leaves.sort_unstable_by_key(|(_, leaf)| leaf.address);
        Self { parent, count, leaves, update }
    }

    fn leaf(&self, address: &Address) -> Option<(u64, Leaf)> {
        let place = self.leaves.binary_search_by_key(address, |(_, leaf)| leaf.address).ok()?;
        self.leaves.get(place).copied()
    }
}

/// How to take the last blocks back, the last first, each with the block before it: as many as are kept, about.
fn last_records(source: Source<'_>, tip: &ChainContext) -> Result<Vec<(BlockId, UndoLeaves)>, StoreError> {
    let (mut records, mut nodes) = (Vec::new(), 0);
    let mut at = source.store.expect_header(&tip.id())?;
    // Below the accounts of a snapshot nothing can be taken back.
    while at.header().height.get() > 0
        && source.store.is_whole(at.header().height)
        && (records.len() < KEPT_AT_LEAST || (records.len() < KEPT_STATES && nodes < KEPT_NODES))
    {
        let (undo, parent) = (source.store.undo(&at)?, at.header().parent);
        nodes += node_count(undo.leaves.len(), undo.count);
        records.push((parent, undo));
        at = source.store.expect_header(&parent)?;
    }
    Ok(records)
}

/// About how many nodes change with so many leaves of a tree with `count`: below the level that has as many nodes, all
/// of the way up from each; above it, nearly all there are.
fn node_count(leaves: usize, count: u64) -> usize {
    let alone = count.checked_div(leaves as u64).map_or(0, |alone| alone.checked_ilog2().unwrap_or(0));
    leaves * (alone as usize + 2)
}

/// The leaf of an address before the blocks of `back`, when there were `count` leaves.
fn leaf(
    source: Source<'_>,
    state: &mut State,
    back: &[&UndoneBlock],
    count: u64,
    address: &Address,
) -> Result<Option<(u64, Leaf)>, StoreError> {
    let changed = back.iter().find_map(|block| block.leaf(address));
    let found = changed.map_or_else(|| state.find(source, address), |leaf| Ok(Some(leaf)))?;
    // A block may have changed an account that one of `back` had made.
    Ok(found.filter(|(index, _)| *index < count))
}
