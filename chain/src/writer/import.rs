//! The story of a block's import, as the writer tells it, and how the writer follows the branch with the most work.
//!
//! What fits one batch is one batch: blocks that extend the tip, run by run, and a short reorganisation as a whole. A
//! longer reorganisation goes in many, each of them bounded (`long_reorg`).

use super::reorg::{Executed, Failed, Plan};
use super::{Publish, Writer};
use crate::message::{BlockOutcome, ChainEvent};
use crate::store::schema::BodyByBlock;
use crate::store::{Durability, LEAST_KEPT, StoreError};
use cairn_ledger::fork_choice::{Choice, choose};
use cairn_ledger::{
    BlockError, BlockId, Body, CheckedBlock, Height, LinkedHeader, Timestamp, block::block_size, error::Fault,
};
use std::collections::VecDeque;
use std::sync::{Arc, atomic::Ordering};

/// Blocks connected and disconnected in one batch at most: what a power cut during a synchronisation may take back …
const RUN: usize = 64;
/// … and the part of the bytes for blocks: the batch holds about three times as many in memory.
const RUN_PART: usize = 4;
/// A tip older than this many intervals is history: its batches need not reach the disk one by one.
const RECENT_INTERVALS: u64 = 20;
/// Stale branches are looked for once in so many blocks.
const STALE_CHECK: u64 = 128;

impl Writer {
    /// Imports a checked block: it waits in the tree until its branch is complete and has the most work; then the chain
    /// moves.
    pub(crate) fn import_block(
        &mut self,
        block: CheckedBlock,
        now: Timestamp,
        publish: Publish<'_>,
    ) -> Result<BlockOutcome, StoreError> {
        let header = block.header().clone();
        let id = header.id();
        if self.healing(|writer| writer.store.is_connected(&header))? || self.tree.has_body(&id) {
            return Ok(BlockOutcome::Known);
        }
        // What is fetched from others takes the place of block 0 alone.
        if self.is_restoring() {
            return Ok(BlockOutcome::Unwanted);
        }
        // A header may have been forgotten while its body was on the way; then the block was not wanted.
        if !self.tree.set_body(block) {
            return Ok(BlockOutcome::Unwanted);
        }
        self.follow(now, publish)?;
        self.spill()?;
        if self.healing(|writer| writer.store.is_connected(&header))? {
            return Ok(BlockOutcome::Connected);
        }
        Ok(self.tree.reason(&id).map_or(BlockOutcome::Waiting, BlockOutcome::Invalid))
    }

    /// Moves bodies to the disk when they take too much memory.
    fn spill(&mut self) -> Result<(), StoreError> {
        let spilled = self.tree.spill(self.tip.total_work());
        if !spilled.is_empty() {
            spilled.iter().try_for_each(|block| self.store_body(block))?;
            self.tree.shed_stored();
        }
        Ok(())
    }

    /// Remembers a block whose body is its own, and invalid.
    pub(crate) fn refuse_block(&mut self, header: &LinkedHeader, error: BlockError) -> BlockOutcome {
        // A body that somebody altered says nothing about the block.
        if error.fault() == Fault::Proven {
            self.tree.invalidate(&header.id());
            self.tree.note_reason(header.id(), error);
        }
        BlockOutcome::Invalid(error)
    }

    /// Follows the best branch that is complete, as long as one has more work than the tip and nobody waits. A long
    /// reorganisation is only begun: [`Self::go_on`] is to be called while the chain [moves](Self::is_moving).
    pub(crate) fn follow(&mut self, now: Timestamp, publish: Publish<'_>) -> Result<(), StoreError> {
        if self.is_following() { Ok(()) } else { self.healing(|writer| writer.follow_best(now, publish)) }
    }

    /// The same, to where damage is met: nothing is lost then.
    fn follow_best(&mut self, now: Timestamp, publish: Publish<'_>) -> Result<(), StoreError> {
        let mut path = VecDeque::new();
        while self.long_reorg.is_none() && !self.is_stopping.load(Ordering::Acquire) {
            // A path may be long: what was executed of it is on the disk.
            self.state.forget_unused();
            if path.is_empty() {
                let (tip, best) = (self.tip.total_work(), self.tree.best_complete());
                let Some((_, goal)) = best.filter(|(work, _)| choose(tip, *work) == Choice::Switch) else { break };
                let Some(route) = self.route(&goal, true)? else { break };
                if self.leaves_young_restore(&route)? {
                    route.iter().for_each(|id| self.tree.remove(id));
                    continue;
                }
                self.expect_fork_kept(&route)?;
                path = route;
            }
            let Some(plan) = self.plan(&path)? else { return self.begin(path) };
            let Some(event) = self.move_to(plan, now)? else {
                // The invalid block took the rest of the path along: look for the best that is left.
                path.clear();
                continue;
            };
            path.drain(..event.connected.len());
            let goal = path.back().and_then(|id| self.tree.get(id)).map(|last| last.header().height);
            let goal = goal.unwrap_or(self.tip.header().height);
            if !publish(event, goal) && !path.is_empty() {
                self.following = Some(goal);
                break;
            }
        }
        Ok(())
    }

    /// The way to a block, from the block after the last on the disk's chain, which is settled or not; `None` when an
    /// ancestor is not here.
    pub(super) fn route(&self, to: &BlockId, is_settled: bool) -> Result<Option<VecDeque<BlockId>>, StoreError> {
        let (mut route, mut at) = (VecDeque::new(), *to);
        while !is_settled || at != self.tip.id() {
            let Some(header) = self.header(&at)? else { return Ok(None) };
            // What is on the settled chain has left the tree.
            if !(is_settled && self.tree.get(&at).is_some()) && self.live.is_connected(&header)? {
                break;
            }
            route.push_front(at);
            at = header.header().parent;
        }
        Ok(Some(route))
    }

    /// Whether a path leaves a chain that has just begun with a snapshot at its beginning or below. A few blocks that
    /// were left long ago have more work than so young a tip, and the chain that leads up from here has far more than
    /// they.
    fn leaves_young_restore(&self, path: &VecDeque<BlockId>) -> Result<bool, StoreError> {
        let Some(restored) = self.live.restored()? else { return Ok(false) };
        let Some(first) = path.front() else { return Ok(false) };
        let is_young = self.tip.header().height.get() < restored.get().saturating_add(LEAST_KEPT);
        Ok(is_young && self.expect_header(first)?.header().height <= restored)
    }

    /// Refuses a path that leaves the followed chain where pruning took what would lead back.
    pub(super) fn expect_fork_kept(&self, path: &VecDeque<BlockId>) -> Result<(), StoreError> {
        let Some(first) = path.front() else { return Ok(()) };
        let (height, lowest) = (self.expect_header(first)?.header().height, self.live.lowest_body());
        match self.live.is_whole(height) {
            true => Ok(()),
            false => Err(StoreError::ForkPruned { fork: height.previous().unwrap_or_default(), lowest }),
        }
    }

    /// How to follow a path, which begins on the followed chain and has more work, in one batch; `None` where it takes
    /// more.
    fn plan(&mut self, path: &VecDeque<BlockId>) -> Result<Option<Plan>, StoreError> {
        let Some(first) = path.front() else { return Ok(None) };
        let fork = self.expect_header(first)?.header().parent;
        let (disconnect, lowest) = self.run_down(self.tip.id(), fork)?;
        if lowest != fork {
            return Ok(None);
        }
        let bytes = disconnect.iter().map(|(_, body)| block_size(body.iter())).sum();
        let connect = self.run_up(path, disconnect.len(), bytes)?;
        // A reorganisation must win within the batch; what extends the tip has won already.
        let wins = |block: &CheckedBlock| block.header().total_work() > self.tip.total_work();
        if disconnect.is_empty() || connect.iter().any(wins) {
            return Ok(Some(Plan { disconnect, connect, note: None }));
        }
        self.put_back(connect);
        Ok(None)
    }

    /// Blocks of a path from its beginning: as many as fit a batch that has so many, of so many bytes, already.
    pub(super) fn run_up(
        &mut self,
        path: &VecDeque<BlockId>,
        count: usize,
        mut bytes: usize,
    ) -> Result<Vec<CheckedBlock>, StoreError> {
        let (mut run, max_bytes): (Vec<CheckedBlock>, _) = (Vec::new(), self.max_run_bytes());
        for id in path.iter().take(RUN.saturating_sub(count)) {
            if bytes >= max_bytes {
                break;
            }
            match self.take_block(id) {
                Ok(block) => {
                    bytes = bytes.saturating_add(block.size());
                    run.push(block);
                }
                Err(error) => {
                    self.put_back(run);
                    return Err(error);
                }
            }
        }
        Ok(run)
    }

    /// A run of blocks from `tip` down towards `fork`, and the block below the last of them.
    pub(super) fn run_down(
        &self,
        tip: BlockId,
        fork: BlockId,
    ) -> Result<(Vec<(LinkedHeader, Body)>, BlockId), StoreError> {
        let (mut run, mut bytes, mut at, max_bytes) = (Vec::new(), 0_usize, tip, self.max_run_bytes());
        while at != fork && run.len() < RUN && bytes < max_bytes {
            let header = self.live.expect_header(&at)?;
            let body = self.live.expect_body(&header)?;
            bytes = bytes.saturating_add(block_size(body.iter()));
            at = header.header().parent;
            run.push((header, body));
        }
        Ok((run, at))
    }

    /// Bytes of blocks in a batch.
    fn max_run_bytes(&self) -> usize {
        (self.options.block_bytes / RUN_PART).min(self.state.max_plan_bytes())
    }

    /// A block whose body is here, from memory or from the disk.
    fn take_block(&mut self, id: &BlockId) -> Result<CheckedBlock, StoreError> {
        if let Some(block) = self.tree.take_checked(id) {
            return Ok(block);
        }
        let header = self.expect_header(id)?;
        let Some(body) = self.live.body(&header)? else {
            // It went with what was damaged: it is wanted again.
            self.tree.lose_body(id);
            return Err(StoreError::missing::<BodyByBlock>(id));
        };
        let corrupt = |_| StoreError::corrupt::<BodyByBlock>(id);
        self.precheck.check_stored(header, body).map_err(corrupt)
    }

    /// Blocks go back to where they waited; those that are on the disk are there.
    fn put_back(&mut self, blocks: Vec<CheckedBlock>) {
        for block in blocks {
            self.tree.set_body(block);
        }
    }

    /// Carries out a plan on the settled chain; `None` where one of its blocks is invalid.
    fn move_to(&mut self, plan: Plan, now: Timestamp) -> Result<Option<ChainEvent>, StoreError> {
        let durability = self.durability(plan.connect.last(), now);
        // History: nobody will ask for these states, and making them ready would slow all down.
        let keep = self.state_history.is_kept() && durability == Durability::Synced;
        match self.execute(plan, durability, keep) {
            Ok(executed) => {
                if !keep {
                    self.state_history.forget();
                }
                self.moved(executed).map(Some)
            }
            Err(Failed::Store { error, rest: waiting }) => {
                self.put_back(waiting);
                Err(error)
            }
            Err(Failed::Invalid { id, error, rest }) => {
                // The others go back to where they waited; the invalid one goes with its descendants.
                self.put_back(rest);
                self.refuse(&id, *error);
                Ok(None)
            }
        }
    }

    /// A batch of a synchronisation may be lost in a power cut, and is then made again.
    pub(super) fn durability(&self, newest: Option<&CheckedBlock>, now: Timestamp) -> Durability {
        let newest = newest.map_or(Timestamp::default(), |block| block.header().header().time);
        let recent = self.spec.params().interval_ms.saturating_mul(RECENT_INTERVALS);
        if now.since(newest) <= recent { Durability::Synced } else { Durability::Buffered }
    }

    pub(super) fn refuse(&mut self, id: &BlockId, error: BlockError) {
        self.tree.invalidate(id);
        self.tree.note_reason(*id, error);
        tracing::warn!(target: "cairn::chain", block = %id, %error, "a block is invalid");
    }

    /// Brings what is in memory up to the new tip.
    fn moved(&mut self, executed: Executed) -> Result<ChainEvent, StoreError> {
        let Executed { disconnected, connected, accounts, undone } = executed;
        self.state_history.disconnect(disconnected.len());
        for (block, (change, inverse)) in connected.iter().zip(undone) {
            self.state_history.connect(block.header().header().parent, change, inverse);
        }
        for block in &connected {
            self.tree.remove(&block.header().id());
        }
        for header in disconnected.iter().rev() {
            self.tree.insert_stored(header.clone());
        }
        self.tip = match (connected.as_slice(), disconnected.is_empty()) {
            ([only], true) => self.tip.extend(only.header()),
            (blocks, _) => {
                let height = blocks.last().map_or(Height::GENESIS, |block| block.header().header().height);
                self.live.context_at(height)?
            }
        };
        self.forget_stale(&connected);
        let (connected, accounts) = (Arc::new(connected), Arc::new(accounts));
        let left = disconnected.first().map(LinkedHeader::id);
        Ok(ChainEvent { tip: self.tip(), left, connected, accounts, is_whole: true })
    }

    pub(super) fn forget_stale(&mut self, connected: &[CheckedBlock]) {
        if connected.iter().any(|block| block.header().header().height.get().is_multiple_of(STALE_CHECK)) {
            self.tree.forget_stale(self.tip.header().height);
        }
    }

    /// Writes a block, connected or not.
    pub(crate) fn store_body(&self, block: &CheckedBlock) -> Result<(), StoreError> {
        let mut batch = self.live.batch(block.size());
        self.live.put_block(&mut batch, block);
        batch.write(Durability::Buffered)
    }
}
