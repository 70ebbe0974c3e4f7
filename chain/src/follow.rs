//! How the writer follows the branch with the most work.
//!
//! What fits one batch is one batch: blocks that extend the tip, run by run, and a short reorganisation as a whole. A
//! longer reorganisation goes in many, each of them bounded: blocks of the old branch are disconnected down to the
//! fork, run by run, then blocks of the new one connected. Before the first, all bodies of the new branch go to the
//! disk, and readers get the chain as it is then; they see the new one, at once, with the batch after which it has more
//! work than the old. What is on the disk in between is nobody's tip, but a state like any other, with a note of where
//! it comes from and leads to. So a crash takes nothing away, and the next start goes on; and a block that turns out to
//! be invalid only changes where it leads: to the best branch that is left, which may be the one that was being left.

use super::{
    import::{Writer, tip_of},
    mailbox::ChainEvent,
    reorg::{self, Executed, Failed, Ground, Note, Plan},
};
use crate::store::{Durability, StoreError, schema::UnderWay};
use cairn_ledger::{
    block::Body,
    error::BlockError,
    fork_choice::{Choice, choose},
    hash::BlockId,
    pow::Work,
    units::{Height, Timestamp},
    validate::{ChainContext, CheckedBlock, LinkedHeader},
};
use std::{collections::VecDeque, sync::Arc};

/// Blocks connected and disconnected in one batch at most: what a power cut during a synchronisation may take back …
const RUN: usize = 64;
/// … and their bytes, of which the batch holds about three times as many in memory.
const RUN_BYTES: usize = 8 << 20;
/// A tip older than this many intervals is history: its batches need not reach the disk one by one.
const RECENT_INTERVALS: u64 = 20;
/// Stale branches are looked for once in so many blocks.
const STALE_CHECK: u64 = 128;
/// How often a long reorganisation says how far it is, in batches.
const TELL_EVERY: u64 = 64;

/// Takes a move of the chain, and the height at which what is under way ends.
pub(super) type Publish<'a> = &'a mut dyn FnMut(&ChainContext, ChainEvent, Height);

/// A reorganisation in many batches.
pub(super) struct Reorganisation {
    /// The tip that is being left: what readers see.
    from: LinkedHeader,
    /// The block that is to be the tip.
    to: BlockId,
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

/// What to do about a path.
enum Next {
    /// This, in one batch.
    Run(Plan),
    /// More than a batch.
    Reorganise,
}

/// How one batch ended.
enum Moved {
    Done(ChainEvent),
    Refused,
}

impl Writer {
    /// Follows the best branch that is complete, as long as one has more work than the tip. A long reorganisation is
    /// only begun: [`Self::go_on`] is to be called until it is over.
    pub(super) fn follow(&mut self, now: Timestamp, publish: Publish<'_>) -> Result<(), StoreError> {
        let mut path = VecDeque::new();
        while self.reorganisation.is_none() {
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
                Moved::Done(event) => {
                    path.drain(..event.connected.len());
                    let goal = path.back().and_then(|id| self.tree.get(id)).map(|last| last.header().height);
                    publish(&self.tip, event, goal.unwrap_or(self.tip.header().height));
                }
                // The invalid block took the rest of the path along: look for the best that is left.
                Moved::Refused => path.clear(),
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
    fn route(&self, to: &BlockId, is_settled: bool) -> Result<Option<VecDeque<BlockId>>, StoreError> {
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

    /// The way to a block that a reorganisation leads to: all of its ancestors are on the disk.
    fn way_on(&self, to: &BlockId) -> Result<(VecDeque<BlockId>, BlockId), StoreError> {
        let missing = || StoreError::Missing { table: "header_by_id", key: format!("an ancestor of {to}") };
        let up = self.route(to, false)?.ok_or_else(missing)?;
        let fork = match up.front() {
            Some(first) => self.block_header(first)?.header().parent,
            None => *to,
        };
        Ok((up, fork))
    }

    fn block_header(&self, id: &BlockId) -> Result<LinkedHeader, StoreError> {
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
    fn run_down(&self, tip: BlockId, fork: BlockId) -> Result<(Vec<(LinkedHeader, Body)>, BlockId), StoreError> {
        let (mut run, mut bytes, mut at) = (Vec::new(), 0_usize, tip);
        while at != fork && run.len() < RUN && bytes < RUN_BYTES {
            let header = self.live.expect_header(&at)?;
            let body = self.live.body(&at)?.ok_or_else(|| missing_body(&at))?;
            bytes = bytes.saturating_add(body_bytes(&body));
            at = header.header().parent;
            run.push((header, body));
        }
        Ok((run, at))
    }

    /// A block whose body is here, from memory or from the disk.
    fn take_block(&mut self, id: &BlockId) -> Result<CheckedBlock, StoreError> {
        if let Some(block) = self.tree.take_checked(id) {
            return Ok(block);
        }
        let header = self.block_header(id)?;
        let body = self.live.body(id)?.ok_or_else(|| missing_body(id))?;
        let corrupt = |_| StoreError::Corrupt { table: "body_by_id", key: id.to_string() };
        self.precheck.check_stored(header, body).map_err(corrupt)
    }

    /// Blocks go back to where they waited; those that are on the disk are there.
    fn put_back(&mut self, blocks: Vec<CheckedBlock>) {
        for block in blocks {
            self.tree.set_body(block);
        }
    }

    /// Carries out a plan on the settled chain.
    fn move_to(&mut self, plan: Plan, now: Timestamp) -> Result<Moved, StoreError> {
        let durability = self.durability(plan.connect.last(), now);
        let ground = Ground { spec: &self.spec, store: &self.live, precheck: &self.precheck };
        // History: nobody will ask for these states, and making them ready would slow all down.
        let keep = self.state_history.is_kept() && durability == Durability::Synced;
        match reorg::execute(&ground, &mut self.state, plan, durability, keep) {
            Ok(executed) => {
                if !keep {
                    self.state_history.forget();
                }
                Ok(Moved::Done(self.moved(executed)?))
            }
            Err(Failed::Store(error)) => Err(error),
            Err(Failed::Invalid { id, error, rest }) => {
                // The others go back to where they waited; the invalid one goes with its descendants.
                self.put_back(rest);
                self.refuse(&id, *error);
                Ok(Moved::Refused)
            }
        }
    }

    /// A batch of a synchronisation may be lost in a power cut, and is then made again.
    fn durability(&self, newest: Option<&CheckedBlock>, now: Timestamp) -> Durability {
        let newest = newest.map_or(Timestamp::default(), |block| block.header().header().time);
        let recent = self.spec.params().interval_ms.saturating_mul(RECENT_INTERVALS);
        if now.since(newest) <= recent { Durability::Synced } else { Durability::Buffered }
    }

    fn refuse(&mut self, id: &BlockId, error: BlockError) {
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
        Ok(ChainEvent { tip: Arc::new(tip_of(&self.tip)), left, connected, accounts, is_whole: true })
    }

    fn forget_stale(&mut self, connected: &[CheckedBlock]) {
        if connected.iter().any(|block| block.header().header().height.get().is_multiple_of(STALE_CHECK)) {
            self.tree.forget_stale(self.tip.header().height);
        }
    }

    /// Writes bodies, in batches of bounded size.
    pub(super) fn store_bodies(&self, blocks: Vec<CheckedBlock>) -> Result<(), StoreError> {
        for block in blocks {
            let mut batch = self.live.batch(block.size());
            self.live.put_block(&mut batch, &block);
            batch.write(Durability::Buffered)?;
        }
        Ok(())
    }

    /// Begins to follow a stored branch, if all of it is here and it has more work than the tip.
    pub(super) fn follow_stored(&mut self, to: &BlockId) -> Result<(), StoreError> {
        let Some(header) = self.live.header(to)?.filter(|_| self.reorganisation.is_none()) else { return Ok(()) };
        if choose(self.tip.total_work(), header.total_work()) == Choice::Keep {
            return Ok(());
        }
        self.route(to, true)?.map_or(Ok(()), |path| self.begin(path))
    }

    /// Begins a reorganisation that takes many batches: nothing is moved yet.
    fn begin(&mut self, path: VecDeque<BlockId>) -> Result<(), StoreError> {
        let (Some(first), Some(last)) = (path.front().copied(), path.back().copied()) else { return Ok(()) };
        let (fork, from) = (self.block_header(&first)?.header().parent, self.live.expect_header(&self.tip.id())?);
        self.park(&path)?;
        self.state_history.forget();
        self.store = Arc::new(self.live.frozen());
        self.views.send_replace(self.store.clone());
        let (height, blocks) = (from.header().height.get(), path.len());
        tracing::warn!(target: "cairn::chain", height, blocks, to = %last, "a long reorganisation begins");
        self.reorganisation = Some(Reorganisation::new((from.clone(), from), last, fork, path));
        Ok(())
    }

    /// Sees to it that all bodies on a path are on the disk.
    fn park(&mut self, path: &VecDeque<BlockId>) -> Result<(), StoreError> {
        for id in path {
            if let Some(block) = self.tree.take_checked(id) {
                self.store_bodies(vec![block])?;
                self.tree.mark_stored(id);
            }
        }
        Ok(())
    }

    /// Takes up a reorganisation that a crash interrupted, if there was one.
    pub(super) fn take_up(&mut self) -> Result<(), StoreError> {
        let Some(UnderWay { from, to }) = self.live.under_way()? else { return Ok(()) };
        let (from, at) = (self.live.expect_header(&from)?, self.live.expect_header(&self.tip.id())?);
        let (up, fork) = self.way_on(&to)?;
        let (height, blocks) = (at.header().height.get(), up.len());
        tracing::warn!(target: "cairn::chain", height, blocks, %to, "goes on with a reorganisation that was interrupted");
        self.reorganisation = Some(Reorganisation::new((from, at), to, fork, up));
        Ok(())
    }

    /// The height at which the reorganisation under way ends, if it ends as it is planned.
    pub(super) fn reorganising_to(&self) -> Result<Option<Height>, StoreError> {
        let Some(to) = self.reorganisation.as_ref().map(|under_way| under_way.to) else { return Ok(None) };
        Ok(Some(self.block_header(&to)?.header().height))
    }

    /// Goes on with the reorganisation under way by one batch, and when that ends it, with what there is to follow
    /// then.
    pub(super) fn go_on(&mut self, now: Timestamp, publish: Publish<'_>) -> Result<(), StoreError> {
        let Some(mut under_way) = self.reorganisation.take() else { return Ok(()) };
        let plan = match under_way.at.id() == under_way.fork {
            true => self.connect_run(&under_way)?,
            false => {
                let (disconnect, _) = self.run_down(under_way.at.id(), under_way.fork)?;
                Plan { disconnect, connect: Vec::new(), note: Some(Note::UnderWay(under_way.note())) }
            }
        };
        let durability = self.durability(plan.connect.last().filter(|_| matches!(plan.note, Some(Note::Over))), now);
        let ground = Ground { spec: &self.spec, store: &self.live, precheck: &self.precheck };
        match reorg::execute(&ground, &mut self.state, plan, durability, false) {
            Ok(executed) => {
                under_way.advance(&executed, self.live.expect_header(&self.live.tip()?)?);
                if under_way.is_over() {
                    self.settle(under_way, executed, publish)?;
                    return self.follow(now, publish);
                }
                under_way.tell();
            }
            Err(Failed::Store(error)) => return Err(error),
            Err(Failed::Invalid { id, error, .. }) => self.turn(&mut under_way, &id, *error)?,
        }
        self.reorganisation = Some(under_way);
        Ok(())
    }

    /// The next run of the way up.
    fn connect_run(&mut self, under_way: &Reorganisation) -> Result<Plan, StoreError> {
        let (mut connect, mut bytes): (Vec<CheckedBlock>, usize) = (Vec::new(), 0);
        for id in under_way.up.iter().take(RUN) {
            if bytes >= RUN_BYTES {
                break;
            }
            let block = self.take_block(id)?;
            bytes = bytes.saturating_add(block.size());
            connect.push(block);
        }
        let over = connect.last().is_none_or(|last| under_way.ends_at(last.header()));
        let note = if over { Note::Over } else { Note::UnderWay(under_way.note()) };
        Ok(Plan { disconnect: Vec::new(), connect, note: Some(note) })
    }

    /// A block on the way up is invalid: chooses the best that is left. Nobody was told of anything yet, so the branch
    /// that was being left is as good as any, and wins a tie as the first seen.
    fn turn(&mut self, under_way: &mut Reorganisation, invalid: &BlockId, error: BlockError) -> Result<(), StoreError> {
        let parent = self.block_header(&self.block_header(invalid)?.header().parent)?;
        let above = under_way.up.iter().skip_while(|id| *id != invalid).copied().collect::<Vec<_>>();
        above.iter().rev().for_each(|id| self.tree.invalidate(id));
        self.refuse(invalid, error);
        let candidates = [Some((parent.total_work(), parent.id())), self.tree.best_complete()];
        let best: Option<(Work, BlockId)> = candidates.into_iter().flatten().max();
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
    fn settle(
        &mut self,
        under_way: Reorganisation,
        executed: Executed,
        publish: Publish<'_>,
    ) -> Result<(), StoreError> {
        let Reorganisation { from, at, connected, disconnected, .. } = under_way;
        self.tip = self.live.context_at(at.header().height)?;
        for id in &connected {
            self.tree.remove_connected(id);
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
        let tip = Arc::new(tip_of(&self.tip));
        let event = ChainEvent { tip, left: Some(from.id()), connected, accounts, is_whole: false };
        publish(&self.tip, event, at.header().height);
        Ok(())
    }
}

impl Reorganisation {
    fn new((from, at): (LinkedHeader, LinkedHeader), to: BlockId, fork: BlockId, up: VecDeque<BlockId>) -> Self {
        Self { from, to, at, fork, up, connected: Vec::new(), disconnected: Vec::new(), batches: 0 }
    }

    fn note(&self) -> UnderWay {
        UnderWay { from: self.from.id(), to: self.to }
    }

    /// Whether it is over once `tip` is the tip: there is more work than before, or all is as before.
    fn ends_at(&self, tip: &LinkedHeader) -> bool {
        choose(self.from.total_work(), tip.total_work()) == Choice::Switch || tip.id() == self.from.id()
    }

    fn is_over(&self) -> bool {
        self.ends_at(&self.at)
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

    /// Tells from time to time how far it is.
    fn tell(&self) {
        if self.batches.is_multiple_of(TELL_EVERY) {
            let (height, disconnected, connected) =
                (self.at.header().height.get(), self.disconnected.len(), self.connected.len());
            let left = self.up.len();
            tracing::info!(target: "cairn::chain", height, disconnected, connected, left, "reorganising");
        }
    }
}

fn body_bytes(body: &Body) -> usize {
    cairn_ledger::block::block_size(body.iter())
}

fn missing_body(id: &BlockId) -> StoreError {
    StoreError::Missing { table: "body_by_id", key: id.to_string() }
}
