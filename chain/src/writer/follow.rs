//! How the writer follows the branch with the most work.
//!
//! What fits one batch is one batch: blocks that extend the tip, run by run, and a short reorganisation as a whole. A
//! longer reorganisation goes in many, each of them bounded (`long_reorg`).

use super::{
    Publish, Writer,
    reorg::{self, Env, Executed, Failed, Plan},
};
use crate::{
    message::{ChainEvent, Tip},
    store::{Durability, StoreError, schema::BodyById},
};
use cairn_ledger::{
    block::Body,
    error::BlockError,
    fork_choice::{Choice, choose},
    hash::BlockId,
    units::{Height, Timestamp},
    validate::{CheckedBlock, LinkedHeader},
};
use std::{collections::VecDeque, sync::Arc};

/// Blocks connected and disconnected in one batch at most: what a power cut during a synchronisation may take back …
pub(super) const RUN: usize = 64;
/// … and their bytes, of which the batch holds about three times as many in memory.
pub(super) const RUN_BYTES: usize = 8 << 20;
/// A tip older than this many intervals is history: its batches need not reach the disk one by one.
const RECENT_INTERVALS: u64 = 20;
/// Stale branches are looked for once in so many blocks.
const STALE_CHECK: u64 = 128;

/// What to do about a path.
enum Next {
    /// This, in one batch.
    Run(Plan),
    /// More than a batch.
    Reorganise,
}

/// How one batch ended.
enum RunOutcome {
    Moved(ChainEvent),
    Refused,
}

impl Writer {
    /// Follows the best branch that is complete, as long as one has more work than the tip. A long reorganisation is
    /// only begun: [`Self::go_on`] is to be called until it is over.
    pub(crate) fn follow(&mut self, now: Timestamp, publish: Publish<'_>) -> Result<(), StoreError> {
        let mut path = VecDeque::new();
        while self.long_reorg.is_none() {
            if path.is_empty() {
                let Some(goal) = self.better() else { break };
                let Some(route) = self.route(&goal, true)? else { break };
                path = route;
            }
            let next = self.next(&path)?;
            let moved = match next {
                Next::Run(plan) => self.move_to(plan, now)?,
                Next::Reorganise => return self.begin(path),
            };
            match moved {
                RunOutcome::Moved(event) => {
                    path.drain(..event.connected.len());
                    let goal = path.back().and_then(|id| self.tree.get(id)).map(|last| last.header().height);
                    publish(&self.tip, event, goal.unwrap_or(self.tip.header().height));
                }
                // The invalid block took the rest of the path along: look for the best that is left.
                RunOutcome::Refused => path.clear(),
            }
        }
        Ok(())
    }

    /// A complete branch with more work than the tip.
    fn better(&self) -> Option<BlockId> {
        let (work, id) = self.tree.best_complete()?;
        (choose(self.tip.total_work(), work) == Choice::Switch).then_some(id)
    }

    /// The way to a block, from the block after the last on the disk's chain, which is settled or not; `None` when an
    /// ancestor is not here.
    pub(super) fn route(&self, to: &BlockId, is_settled: bool) -> Result<Option<VecDeque<BlockId>>, StoreError> {
        let (mut route, mut at) = (VecDeque::new(), *to);
        loop {
            if is_settled && at == self.tip.id() {
                return Ok(Some(route));
            }
            let parent = match self.tree.get(&at) {
                // What is on the settled chain has left the tree.
                Some(header) if is_settled => header.header().parent,
                known => {
                    let header = known.cloned().map_or_else(|| self.live.header(&at), |known| Ok(Some(known)))?;
                    match header {
                        None => return Ok(None),
                        Some(header) if self.live.is_connected(&header)? => return Ok(Some(route)),
                        Some(header) => header.header().parent,
                    }
                }
            };
            route.push_front(at);
            at = parent;
        }
    }

    pub(super) fn block_header(&self, id: &BlockId) -> Result<LinkedHeader, StoreError> {
        self.tree.get(id).cloned().map_or_else(|| self.live.expect_header(id), Ok)
    }

    /// How to follow a path, which begins on the followed chain and has more work.
    fn next(&mut self, path: &VecDeque<BlockId>) -> Result<Next, StoreError> {
        let Some(first) = path.front() else { return Ok(Next::Reorganise) };
        let fork = self.block_header(first)?.header().parent;
        let (disconnect, lowest) = self.run_down(self.tip.id(), fork)?;
        if lowest != fork {
            return Ok(Next::Reorganise);
        }
        let mut bytes: usize = disconnect.iter().map(|(_, body)| body_bytes(body)).sum();
        // A reorganisation must win within the batch; what extends the tip has won already.
        let (mut connect, mut wins): (Vec<CheckedBlock>, _) = (Vec::new(), disconnect.is_empty());
        for id in path {
            if disconnect.len() + connect.len() >= RUN || bytes >= RUN_BYTES {
                break;
            }
            let block = self.take_block(id)?;
            bytes = bytes.saturating_add(block.size());
            wins |= block.header().total_work() > self.tip.total_work();
            connect.push(block);
        }
        if wins {
            return Ok(Next::Run(Plan { disconnect, connect, note: None }));
        }
        self.put_back(connect);
        Ok(Next::Reorganise)
    }

    /// A run of blocks from `tip` down towards `fork`, and the block below the last of them.
    pub(super) fn run_down(
        &self,
        tip: BlockId,
        fork: BlockId,
    ) -> Result<(Vec<(LinkedHeader, Body)>, BlockId), StoreError> {
        let (mut run, mut bytes, mut at) = (Vec::new(), 0_usize, tip);
        while at != fork && run.len() < RUN && bytes < RUN_BYTES {
            let header = self.live.expect_header(&at)?;
            let body = self.live.body(&at)?.ok_or_else(|| StoreError::missing::<BodyById>(at))?;
            bytes = bytes.saturating_add(body_bytes(&body));
            at = header.header().parent;
            run.push((header, body));
        }
        Ok((run, at))
    }

    /// A block whose body is here, from memory or from the disk.
    pub(super) fn take_block(&mut self, id: &BlockId) -> Result<CheckedBlock, StoreError> {
        if let Some(block) = self.tree.take_checked(id) {
            return Ok(block);
        }
        let header = self.block_header(id)?;
        let body = self.live.body(id)?.ok_or_else(|| StoreError::missing::<BodyById>(id))?;
        let corrupt = |_| StoreError::corrupt::<BodyById>(id);
        self.precheck.check_stored(header, body).map_err(corrupt)
    }

    /// Blocks go back to where they waited; those that are on the disk are there.
    fn put_back(&mut self, blocks: Vec<CheckedBlock>) {
        for block in blocks {
            self.tree.set_body(block);
        }
    }

    /// Carries out a plan on the settled chain.
    fn move_to(&mut self, plan: Plan, now: Timestamp) -> Result<RunOutcome, StoreError> {
        let durability = self.durability(plan.connect.last(), now);
        let env = Env { spec: &self.spec, store: &self.live, workers: &self.workers };
        // History: nobody will ask for these states, and making them ready would slow all down.
        let keep = self.state_history.is_kept() && durability == Durability::Synced;
        match reorg::execute(&env, &mut self.state, plan, durability, keep) {
            Ok(executed) => {
                if !keep {
                    self.state_history.forget();
                }
                Ok(RunOutcome::Moved(self.moved(executed)?))
            }
            Err(Failed::Store(error)) => Err(error),
            Err(Failed::Invalid { id, error, rest }) => {
                // The others go back to where they waited; the invalid one goes with its descendants.
                self.put_back(rest);
                self.refuse(&id, *error);
                Ok(RunOutcome::Refused)
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
            self.tree.remove_connected(&block.header().id());
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
        Ok(ChainEvent { tip: Arc::new(Tip::from(&self.tip)), left, connected, accounts, is_whole: true })
    }

    pub(super) fn forget_stale(&mut self, connected: &[CheckedBlock]) {
        if connected.iter().any(|block| block.header().header().height.get().is_multiple_of(STALE_CHECK)) {
            self.tree.forget_stale(self.tip.header().height);
        }
    }

    /// Writes bodies, in batches of bounded size.
    pub(crate) fn store_bodies(&self, blocks: Vec<CheckedBlock>) -> Result<(), StoreError> {
        for block in blocks {
            let mut batch = self.live.batch(block.size());
            self.live.put_block(&mut batch, &block);
            batch.write(Durability::Buffered)?;
        }
        Ok(())
    }
}

fn body_bytes(body: &Body) -> usize {
    cairn_ledger::block::block_size(body.iter())
}
