//! A reorganisation that is too large for one batch, in many.
//!
//! Blocks of the old branch are disconnected down to the fork, run by run, then blocks of the new one connected. Before
//! the first, all bodies of the new branch go to the disk, and readers get the chain as it is then; they see the new
//! one, at once, with the batch after which it has more work than the old. What is on the disk in between is nobody's
//! tip, but a state like any other, with a note of where it comes from and leads to. So a crash takes nothing away, and
//! the next start goes on; and a block that turns out to be invalid only changes where it leads: to the best branch
//! that is left, which may be the one that was being left.

use super::reorg::{Executed, Failed, Note, Plan};
use super::{Publish, Writer};
use crate::message::ChainEvent;
use crate::store::schema::{HeaderById, UnderWay};
use crate::store::{Durability, StoreError};
use cairn_ledger::fork_choice::{Choice, choose};
use cairn_ledger::{BlockError, BlockId, LinkedHeader, Timestamp};
use std::{collections::VecDeque, sync::Arc};

/// How often a long reorganisation logs how far it is, in batches.
const LOG_EVERY: u64 = 64;

/// A reorganisation in many batches.
pub(crate) struct LongReorg {
    /// The tip that is being left: what readers see.
    from: LinkedHeader,
    /// The block that is to be the tip.
    pub(super) to: BlockId,
    /// The tip on the disk.
    at: LinkedHeader,
    /// The block where the way up begins: what is above it on the disk is disconnected first.
    fork: BlockId,
    /// The way up from there.
    up: VecDeque<BlockId>,
    /// What was connected on the way.
    connected: Vec<BlockId>,
    /// What was disconnected on the way.
    disconnected: Vec<BlockId>,
    batches: u64,
}

impl Writer {
    /// Begins to follow a stored branch, if all of it is here and it has more work than the tip.
    pub(crate) fn follow_stored(&mut self, to: &BlockId) -> Result<(), StoreError> {
        let Some(header) = self.live.header(to)?.filter(|_| self.long_reorg.is_none()) else { return Ok(()) };
        if choose(self.tip.total_work(), header.total_work()) == Choice::Keep {
            return Ok(());
        }
        let Some(path) = self.route(to, true)? else { return Ok(()) };
        self.expect_fork_kept(&path)?;
        self.begin(path)
    }

    /// Begins a reorganisation that takes many batches: nothing is moved yet.
    pub(super) fn begin(&mut self, path: VecDeque<BlockId>) -> Result<(), StoreError> {
        let (Some(first), Some(last)) = (path.front().copied(), path.back().copied()) else { return Ok(()) };
        let (fork, from) = (self.expect_header(&first)?.header().parent, self.live.expect_header(&self.tip.id())?);
        self.park(&path)?;
        self.state_history.forget();
        self.store = Arc::new(self.live.frozen());
        self.views.send_replace(self.store.clone());
        let (height, blocks) = (from.header().height.get(), path.len());
        tracing::warn!(target: "cairn::chain", height, blocks, to = %last, "a long reorganisation begins");
        self.long_reorg = Some(LongReorg::new(from.clone(), from, last, fork, path));
        Ok(())
    }

    /// Sees to it that all bodies on a path are on the disk.
    fn park(&mut self, path: &VecDeque<BlockId>) -> Result<(), StoreError> {
        for id in path {
            if let Some(block) = self.tree.take_checked(id) {
                self.store_body(&block)?;
                self.tree.mark_stored(id);
            } else if let Some(header) = self.tree.get(id)
                && self.live.header(id)?.is_none()
            {
                // It went with what was damaged; the body is here.
                let mut batch = self.live.batch(0);
                self.live.put_header(&mut batch, header);
                batch.write(Durability::Buffered)?;
            }
        }
        Ok(())
    }

    /// Takes up a reorganisation that a crash interrupted, if there was one.
    pub(crate) fn take_up(&mut self) -> Result<(), StoreError> {
        let Some(UnderWay { from, to }) = self.live.under_way()? else { return Ok(()) };
        let (from, at) = (self.live.expect_header(&from)?, self.live.expect_header(&self.tip.id())?);
        let (up, fork) = self.way_on(&to)?;
        let (height, blocks) = (at.header().height.get(), up.len());
        tracing::warn!(target: "cairn::chain", height, blocks, %to, "goes on with a reorganisation that was interrupted");
        self.long_reorg = Some(LongReorg::new(from, at, to, fork, up));
        Ok(())
    }

    /// Goes on with the path under way, or with the reorganisation by one batch, and when that ends it, with what there
    /// is to follow then.
    pub(crate) fn go_on(&mut self, now: Timestamp, publish: Publish<'_>) -> Result<(), StoreError> {
        let Some(mut under_way) = self.long_reorg.take() else {
            self.following = None;
            return self.follow(now, publish);
        };
        self.state.forget_unused();
        let plan = match self.next_run(&under_way) {
            Ok(plan) => plan,
            // Where it can be mended, the same is tried again.
            Err(damage) => {
                self.long_reorg = Some(under_way);
                return self.heal(damage);
            }
        };
        let durability = self.durability(plan.connect.last().filter(|_| matches!(plan.note, Some(Note::Over))), now);
        match self.execute(plan, durability, false) {
            Ok(executed) => {
                under_way.advance(&executed, self.live.expect_header(&self.live.tip()?)?);
                if under_way.ends_at(&under_way.at) {
                    self.settle(under_way, executed, publish)?;
                    return self.follow(now, publish);
                }
                under_way.log_progress();
            }
            Err(Failed::Store { error, .. }) => {
                self.long_reorg = Some(under_way);
                return self.heal(error);
            }
            Err(Failed::Invalid { id, error, .. }) => self.turn(&mut under_way, &id, *error)?,
        }
        self.long_reorg = Some(under_way);
        Ok(())
    }

    /// The next run, down or up.
    fn next_run(&mut self, under_way: &LongReorg) -> Result<Plan, StoreError> {
        if under_way.at.id() == under_way.fork {
            return self.connect_run(under_way);
        }
        let (disconnect, _) = self.run_down(under_way.at.id(), under_way.fork)?;
        Ok(Plan { disconnect, connect: Vec::new(), note: Some(Note::UnderWay(under_way.note())) })
    }

    /// The next run of the way up.
    fn connect_run(&mut self, under_way: &LongReorg) -> Result<Plan, StoreError> {
        let connect = self.run_up(&under_way.up, 0, 0)?;
        let over = connect.last().is_none_or(|last| under_way.ends_at(last.header()));
        let note = if over { Note::Over } else { Note::UnderWay(under_way.note()) };
        Ok(Plan { disconnect: Vec::new(), connect, note: Some(note) })
    }

    /// A block on the way up is invalid: chooses the best that is left. Nobody was told of anything yet, so the branch
    /// that was being left is as good as any, and wins a tie as the first seen.
    fn turn(&mut self, under_way: &mut LongReorg, invalid: &BlockId, error: BlockError) -> Result<(), StoreError> {
        let parent = self.expect_header(&self.expect_header(invalid)?.header().parent)?;
        let above = under_way.up.iter().skip_while(|id| *id != invalid).copied().collect::<Vec<_>>();
        above.iter().rev().for_each(|id| self.tree.invalidate(id));
        self.refuse(invalid, error);
        let candidates = [Some((parent.total_work(), parent.id())), self.tree.best_complete()];
        let best = candidates.into_iter().flatten().max();
        let from = &under_way.from;
        let to = best.filter(|(work, _)| choose(from.total_work(), *work) == Choice::Switch);
        under_way.to = to.map_or(from.id(), |(_, id)| id);
        (under_way.up, under_way.fork) = self.way_on(&under_way.to)?;
        self.park(&under_way.up)?;
        let (to, blocks) = (under_way.to, under_way.up.len());
        tracing::warn!(target: "cairn::chain", %to, blocks, "the reorganisation turns to the best branch that is left");
        Ok(())
    }

    /// Shows readers where a reorganisation has led.
    fn settle(&mut self, under_way: LongReorg, executed: Executed, publish: Publish<'_>) -> Result<(), StoreError> {
        let LongReorg { from, at, connected, disconnected, .. } = under_way;
        self.tip = self.live.context_at(at.header().height)?;
        for id in &connected {
            self.tree.remove(id);
        }
        for id in &disconnected {
            self.tree.note_on_disk(id);
        }
        self.store = self.live.clone();
        self.views.send_replace(self.store.clone());
        let (height, left, followed) = (at.header().height.get(), disconnected.len(), connected.len());
        tracing::warn!(target: "cairn::chain", height, block = %at.id(), left, followed, "the long reorganisation is over");
        self.forget_stale(&executed.connected);
        if at.id() == from.id() {
            return Ok(());
        }
        let Executed { connected, accounts, .. } = executed;
        let (connected, accounts) = (Arc::new(connected), Arc::new(accounts));
        let event = ChainEvent { tip: self.tip(), left: Some(from.id()), connected, accounts, is_whole: false };
        publish(event, at.header().height);
        Ok(())
    }

    /// The way to a block that a reorganisation leads to: all of its ancestors are on the disk.
    fn way_on(&self, to: &BlockId) -> Result<(VecDeque<BlockId>, BlockId), StoreError> {
        let missing = || StoreError::missing::<HeaderById>(format!("an ancestor of {to}"));
        let up = self.route(to, false)?.ok_or_else(missing)?;
        let fork = match up.front() {
            Some(first) => self.expect_header(first)?.header().parent,
            None => *to,
        };
        Ok((up, fork))
    }
}

impl LongReorg {
    fn new(from: LinkedHeader, at: LinkedHeader, to: BlockId, fork: BlockId, up: VecDeque<BlockId>) -> Self {
        Self { from, to, at, fork, up, connected: Vec::new(), disconnected: Vec::new(), batches: 0 }
    }

    /// The tip on the disk.
    pub(super) fn at(&self) -> BlockId {
        self.at.id()
    }

    fn note(&self) -> UnderWay {
        UnderWay { from: self.from.id(), to: self.to }
    }

    /// Whether it is over once `tip` is the tip: there is more work than before, or all is as before.
    fn ends_at(&self, tip: &LinkedHeader) -> bool {
        choose(self.from.total_work(), tip.total_work()) == Choice::Switch || tip.id() == self.from.id()
    }

    /// Takes in what a batch did. What is connected and disconnected again, or the other way round, is as it was.
    fn advance(&mut self, executed: &Executed, tip: LinkedHeader) {
        for header in &executed.disconnected {
            if self.connected.last() == Some(&header.id()) {
                self.connected.pop();
            } else {
                self.disconnected.push(header.id());
            }
        }
        for block in &executed.connected {
            self.up.pop_front();
            if self.disconnected.last() == Some(&block.header().id()) {
                self.disconnected.pop();
            } else {
                self.connected.push(block.header().id());
            }
        }
        // What is connected stays: the way up goes on from there.
        if !executed.connected.is_empty() {
            self.fork = tip.id();
        }
        self.at = tip;
        self.batches += 1;
    }

    /// Logs from time to time how far it is.
    fn log_progress(&self) {
        if self.batches.is_multiple_of(LOG_EVERY) {
            let (height, disconnected, connected) =
                (self.at.header().height.get(), self.disconnected.len(), self.connected.len());
            let left = self.up.len();
            tracing::info!(target: "cairn::chain", height, disconnected, connected, left, "reorganising");
        }
    }
}
