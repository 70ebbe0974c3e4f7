//! The story of a block's import, as the writer tells it.

use super::{
    accounts::missing,
    mailbox::{BlockOutcome, ChainEvent, HeaderOutcome, TemplateRequest, Tip},
    orphans::Orphans,
    precheck::Precheck,
    recent::RecentStates,
    reorg::{self, Executed, Failed, Ground, Plan},
    state::State,
    template::Template,
    tree::HeaderTree,
};
use crate::{
    store::{ChainStore, Durability, StoreError},
    verdict::Origin,
};
use cairn_ledger::{
    accounts::AccountProof,
    block::{BLOCK_OVERHEAD_BYTES, HEADER_VERSION, Header},
    chain_spec::ChainSpec,
    error::{BlockError, ExecutionError, Fault, HeaderError},
    fork_choice::{Choice, choose},
    hash::BlockId,
    keys::Address,
    merkle::txs_root,
    pow::Target,
    units::{Height, Timestamp},
    validate::{
        ChainContext, CheckedBlock, CheckedTransaction, ConnectError, Execution, LinkedHeader, SealedHeader,
        check_header, check_work, touched_addresses,
    },
};
use std::{collections::VecDeque, sync::Arc};

/// Blocks connected in one batch at most while nothing is disconnected: what a power cut during a
/// synchronisation may take back …
const RUN: usize = 64;
/// … and their bytes, of which the batch holds about three times as many in memory.
const RUN_BYTES: usize = 8 << 20;
/// An orphan's target may be this many times easier than the tip's.
const ORPHAN_EASIER: u32 = 16;
/// Parents of branch headers kept ready as contexts.
const CONTEXTS: usize = 32;
/// A tip older than this many intervals is history: its batches need not reach the disk one by one.
const RECENT_INTERVALS: u64 = 20;

/// Stale branches are looked for once in so many blocks.
const STALE_CHECK: u64 = 128;

/// Everything the writer owns.
pub(super) struct Writer {
    pub(super) spec: Arc<ChainSpec>,
    pub(super) store: Arc<ChainStore>,
    pub(super) precheck: Precheck,
    pub(super) state: State,
    /// How to see the accounts as they were after the last blocks.
    pub(super) recent: RecentStates,
    pub(super) tip: ChainContext,
    pub(super) tree: HeaderTree,
    pub(super) orphans: Orphans,
    /// Contexts of branch headers used lately.
    pub(super) contexts: VecDeque<ChainContext>,
}

impl Writer {
    /// Links one header, and the orphans that waited for it.
    pub(super) fn link(&mut self, origin: Origin, header: Header, now: Timestamp) -> Result<HeaderOutcome, StoreError> {
        // Work first: whoever wants to be looked at further has paid for it.
        let sealed = match check_work(&self.spec, header) {
            Ok(sealed) => sealed,
            Err(error) => return Ok(HeaderOutcome::Invalid(error)),
        };
        let outcome = self.link_sealed(origin, sealed, now)?;
        if let HeaderOutcome::Linked(linked) = &outcome {
            self.link_orphans(linked.id(), now)?;
        }
        Ok(outcome)
    }

    fn link_sealed(
        &mut self,
        origin: Origin,
        sealed: SealedHeader,
        now: Timestamp,
    ) -> Result<HeaderOutcome, StoreError> {
        let (id, parent) = (sealed.id(), sealed.header().parent);
        if let Some(known) = self.known(&id)? {
            return Ok(known);
        }
        // The children of the invalid are refused without another look.
        if self.tree.is_invalid(&parent) {
            self.tree.remember_invalid(id);
            return Ok(HeaderOutcome::InvalidAncestor);
        }
        let Some(context) = self.context(&parent)? else {
            if self.worth_waiting(&sealed) {
                self.orphans.insert(origin, sealed);
            }
            return Ok(HeaderOutcome::Orphan { parent });
        };
        let linked = match check_header(&self.spec, &context, sealed, now) {
            Ok(linked) => linked,
            // An early block is not invalid: nothing is remembered of it.
            Err(HeaderError::TimeAhead { .. }) => return Ok(HeaderOutcome::Early),
            Err(error) => {
                if error.fault() == Fault::Proven {
                    self.tree.remember_invalid(id);
                }
                return Ok(HeaderOutcome::Invalid(error));
            }
        };
        // A header with less work than the tip costs its sender little: its number is bounded.
        if !self.tree.insert(origin, linked.clone(), self.tip.total_work()) {
            return Ok(HeaderOutcome::Unwanted);
        }
        self.keep_context(context.extend(&linked));
        Ok(HeaderOutcome::Linked(linked))
    }

    fn link_orphans(&mut self, parent: BlockId, now: Timestamp) -> Result<(), StoreError> {
        let mut parents = vec![parent];
        while let Some(parent) = parents.pop() {
            for (origin, orphan) in self.orphans.take_children(&parent) {
                let id = orphan.id();
                if matches!(self.link_sealed(origin, orphan, now)?, HeaderOutcome::Linked(_)) {
                    parents.push(id);
                }
            }
        }
        Ok(())
    }

    /// What is already known of a header; `None` when nothing is.
    fn known(&mut self, id: &BlockId) -> Result<Option<HeaderOutcome>, StoreError> {
        if self.tree.is_invalid(id) {
            return Ok(Some(HeaderOutcome::InvalidAncestor));
        }
        if let Some(header) = self.tree.get(id) {
            let linked = HeaderOutcome::Linked(header.clone());
            return Ok(Some(if self.tree.has_body(id) { HeaderOutcome::Known } else { linked }));
        }
        if let Some(header) = self.store.header(id)? {
            self.adopt_stored(header)?;
            return Ok(Some(HeaderOutcome::Known));
        }
        Ok(None)
    }

    /// Brings a stored block that is off the followed chain, with its ancestors, back into the tree.
    fn adopt_stored(&mut self, mut header: LinkedHeader) -> Result<(), StoreError> {
        let mut branch = Vec::new();
        while !self.store.is_connected(&header)? && self.tree.get(&header.id()).is_none() {
            let parent = header.header().parent;
            branch.push(header);
            header = match self.tree.get(&parent) {
                Some(_) => break,
                None => self.store.expect_header(&parent)?,
            };
        }
        branch.into_iter().rev().for_each(|header| self.tree.insert_stored(header));
        Ok(())
    }

    /// A known block as the parent of others.
    fn context(&mut self, id: &BlockId) -> Result<Option<ChainContext>, StoreError> {
        if *id == self.tip.id() {
            return Ok(Some(self.tip.clone()));
        }
        if self.tree.get(id).is_none()
            && let Some(header) = self.store.header(id)?
        {
            if self.store.is_connected(&header)? {
                return self.store.context_at(header.header().height).map(Some);
            }
            self.adopt_stored(header)?;
        }
        // Up the branch to a context that is at hand, and down again.
        let (mut branch, mut at) = (Vec::new(), *id);
        let mut context = loop {
            if let Some(header) = self.tree.get(&at) {
                // Only what is in the tree: a forgotten header must not get children.
                if let Some(ready) = self.contexts.iter().find(|context| context.id() == at) {
                    break ready.clone();
                }
                at = header.header().parent;
                branch.push(header.clone());
                continue;
            }
            match self.store.header(&at)? {
                Some(header) if self.store.is_connected(&header)? => {
                    break self.store.context_at(header.header().height)?;
                }
                _ => return Ok(None),
            }
        };
        for header in branch.iter().rev() {
            context = context.extend(header);
        }
        Ok(Some(context))
    }

    fn keep_context(&mut self, context: ChainContext) {
        // A branch grows at its end: the context of the parent is no longer needed.
        self.contexts.retain(|known| known.id() != context.header().parent);
        self.contexts.push_back(context);
        if self.contexts.len() > CONTEXTS {
            self.contexts.pop_front();
        }
    }

    /// Whether an orphan's work is near enough to the tip's to spend memory on it.
    fn worth_waiting(&self, orphan: &SealedHeader) -> bool {
        let tip = self.tip.header().target.decode().map(Target::work).unwrap_or_default();
        let scaled = (0..ORPHAN_EASIER.ilog2()).try_fold(orphan.work(), |work, _| work.checked_add(work));
        scaled.is_none_or(|work| work >= tip)
    }

    /// Imports a checked block: it waits in the tree until its branch is complete and has the most work;
    /// then the chain moves, in one batch.
    pub(super) fn import_block(
        &mut self,
        block: CheckedBlock,
        now: Timestamp,
        publish: &mut dyn FnMut(&ChainContext, ChainEvent, Height),
    ) -> Result<BlockOutcome, StoreError> {
        let id = block.header().id();
        if self.store.is_connected(block.header())? || self.tree.has_body(&id) {
            return Ok(BlockOutcome::Known);
        }
        // A header may have been forgotten while its body was on the way; then the block was not wanted.
        if !self.tree.set_body(block) {
            return Ok(BlockOutcome::Unwanted);
        }
        let mut path = self.tree.connectable_through(&id);
        let mut fate = BlockOutcome::Waiting;
        while let Some(plan) = self.plan(&path)? {
            // A batch of a synchronisation may be lost in a power cut, and is then made again.
            match self.move_to(plan, now)? {
                Moved::Done(event) => {
                    if event.connected.iter().any(|block| block.header().id() == id) {
                        fate = BlockOutcome::Connected;
                    }
                    path.drain(..event.connected.len());
                    let goal = path.last().and_then(|id| self.tree.get(id)).map(|last| last.header().height);
                    publish(&self.tip, event, goal.unwrap_or(self.tip.header().height));
                }
                // The invalid block took the rest of the path along: look for the best that is left.
                Moved::Refused { id: refused, error } => {
                    if refused == id {
                        fate = BlockOutcome::Invalid(error);
                    }
                    path = self.tree.best_connectable();
                }
            }
        }
        for block in self.tree.spill(self.tip.total_work()) {
            let mut batch = self.store.batch(block.size());
            self.store.put_block(&mut batch, &block);
            batch.write(Durability::Buffered)?;
        }
        Ok(fate)
    }

    /// Remembers a block whose body is its own, and invalid.
    pub(super) fn refuse_block(&mut self, header: &LinkedHeader, error: BlockError) -> BlockOutcome {
        // A body that somebody altered says nothing about the block.
        if error.fault() == Fault::Proven {
            self.tree.invalidate(&header.id());
            self.tree.note_reason(header.id(), error);
        }
        BlockOutcome::Invalid(error)
    }

    /// How to follow a path of complete blocks; `None` when it has no more work than the tip.
    fn plan(&mut self, path: &[BlockId]) -> Result<Option<Plan>, StoreError> {
        let headers: Vec<LinkedHeader> = path.iter().filter_map(|id| self.tree.get(id)).cloned().collect();
        let (Some(first), Some(last)) = (headers.first(), headers.last()) else { return Ok(None) };
        if choose(self.tip.total_work(), last.total_work()) == Choice::Keep {
            return Ok(None);
        }
        let mut disconnect = Vec::new();
        let mut at = self.tip.id();
        while at != first.header().parent {
            let header = self.store.expect_header(&at)?;
            at = header.header().parent;
            disconnect.push(header);
        }
        // A synchronisation moves in runs; a reorganisation must win within its one batch.
        let (run, run_bytes) = if disconnect.is_empty() { (RUN, RUN_BYTES) } else { (usize::MAX, usize::MAX) };
        let (mut connect, mut bytes) = (Vec::new(), 0);
        for header in headers.into_iter().take(run) {
            if bytes >= run_bytes {
                break;
            }
            let block = self.take_block(header)?;
            bytes += block.size();
            connect.push(block);
        }
        Ok(Some(Plan { disconnect, connect }))
    }

    /// A block of the tree, from memory or from the disk.
    fn take_block(&mut self, header: LinkedHeader) -> Result<CheckedBlock, StoreError> {
        let id = header.id();
        if let Some(block) = self.tree.take_checked(&id) {
            return Ok(block);
        }
        let key = || id.to_string();
        let body = self.store.body(&id)?.ok_or_else(|| StoreError::Missing { table: "body_by_id", key: key() })?;
        let corrupt = |_| StoreError::Corrupt { table: "body_by_id", key: key() };
        self.precheck.check_stored(header, body).map_err(corrupt)
    }

    fn move_to(&mut self, plan: Plan, now: Timestamp) -> Result<Moved, StoreError> {
        let newest = plan.connect.last().map_or(Timestamp::default(), |block| block.header().header().time);
        let recent = self.spec.params().interval_ms.saturating_mul(RECENT_INTERVALS);
        let durability = if now.since(newest) <= recent { Durability::Synced } else { Durability::Buffered };
        let ground = Ground { spec: &self.spec, store: &self.store, precheck: &self.precheck };
        // History: nobody will ask for these states, and making them ready would slow all down.
        let keep = self.recent.is_kept() && durability == Durability::Synced;
        match reorg::execute(&ground, &mut self.state, plan, durability, keep) {
            Ok(executed) => {
                if !keep {
                    self.recent.forget();
                }
                let event = self.moved(executed)?;
                Ok(Moved::Done(event))
            }
            Err(Failed::Store(error)) => Err(error),
            Err(Failed::Invalid { id, error, rest }) => {
                // The others go back to where they waited; the invalid one goes with its descendants.
                for block in rest {
                    self.tree.set_body(block);
                }
                self.tree.invalidate(&id);
                self.tree.note_reason(id, *error);
                tracing::warn!(target: "cairn::chain", block = %id, %error, "a block is invalid");
                Ok(Moved::Refused { id, error: *error })
            }
        }
    }

    /// Brings what is in memory up to the new tip.
    fn moved(&mut self, executed: Executed) -> Result<ChainEvent, StoreError> {
        let Executed { disconnected, connected, accounts, undone } = executed;
        self.recent.disconnect(disconnected.len());
        for (block, (change, inverse)) in connected.iter().zip(undone) {
            self.recent.connect(block.header().header().parent, change, inverse);
        }
        for block in &connected {
            self.tree.remove_connected(&block.header().id());
        }
        for block in disconnected.iter().rev() {
            self.tree.insert_stored(block.header().clone());
        }
        self.tip = match (connected.as_slice(), disconnected.is_empty()) {
            ([only], true) => self.tip.extend(only.header()),
            (blocks, _) => {
                let height = blocks.last().map_or(Height::GENESIS, |block| block.header().header().height);
                self.store.context_at(height)?
            }
        };
        let height = self.tip.header().height;
        if connected.iter().any(|block| block.header().header().height.get().is_multiple_of(STALE_CHECK)) {
            self.tree.forget_stale(height);
        }
        let tip = Arc::new(tip_of(&self.tip));
        let (disconnected, connected, accounts) = (Arc::new(disconnected), Arc::new(connected), Arc::new(accounts));
        Ok(ChainEvent { tip, disconnected, connected, accounts })
    }

    /// Makes a block on the tip, complete but for its nonce.
    pub(super) fn template(&self, request: TemplateRequest) -> Result<Template, StoreError> {
        let TemplateRequest { beneficiary, time, mut transactions } = request;
        loop {
            match self.try_template(beneficiary, time, transactions)? {
                Ok(template) => return Ok(template),
                Err(without_culprit) => transactions = without_culprit,
            }
        }
    }

    /// The template with those of `transactions` that fit; `Err` gives them back without one that spoilt the
    /// execution.
    fn try_template(
        &self,
        beneficiary: Address,
        time: Timestamp,
        mut transactions: Vec<CheckedTransaction>,
    ) -> Result<Result<Template, Vec<CheckedTransaction>>, StoreError> {
        let parent = self.tip.header();
        let height = parent.height.next().unwrap_or(parent.height);
        let touched = touched_addresses(&beneficiary, &transactions);
        let mut execution = Execution::new(&self.spec, height, self.state.slice(&touched, &self.precheck)?);
        let max = usize::try_from(self.spec.params().max_block_bytes).unwrap_or(usize::MAX);
        let (mut fits, mut size) = (Vec::with_capacity(transactions.len()), BLOCK_OVERHEAD_BYTES);
        for (place, checked) in transactions.iter().enumerate() {
            let larger = size + checked.transaction().size();
            let applied = (larger <= max).then(|| execution.apply(checked));
            fits.push(matches!(applied, Some(Ok(()))));
            match applied {
                Some(Ok(())) => size = larger,
                Some(Err(ConnectError::Rule(ExecutionError::BalanceOverflow { .. }))) => {
                    transactions.remove(place);
                    return Ok(Err(transactions));
                }
                Some(Err(ConnectError::NotLoaded(not_loaded))) => return Err(missing(&not_loaded.address)),
                Some(Err(ConnectError::Rule(_))) | None => {}
            }
        }
        let mut fits = fits.into_iter();
        transactions.retain(|_| fits.next().unwrap_or(false));
        let fees = execution.fees();
        let change = execution.finish(&beneficiary).map_err(|_| missing(&beneficiary))?;
        let txids: Vec<_> = transactions.iter().map(CheckedTransaction::txid).collect();
        let (txs_root, update) =
            self.precheck.join(|| txs_root(&txids), || self.state.tree.update(change.count, &change.leaf_hashes()));
        let header = Header {
            version: HEADER_VERSION,
            height,
            parent: self.tip.id(),
            time: time.max(parent.time.saturating_add(1)),
            target: self.tip.next_target(&self.spec),
            beneficiary,
            txs_root,
            state_root: update.state_root(),
            history_root: self.tip.history().commitment(),
            nonce: 0,
        };
        let not_before = Timestamp::from_millis(header.time.millis().saturating_sub(self.spec.params().max_future_ms));
        Ok(Ok(Template { header, transactions, fees, not_before }))
    }

    /// Proves an account, or its absence, at the tip.
    pub(super) fn prove(&self, address: Address) -> Result<AccountProof, StoreError> {
        self.state.prove(&address)
    }

    /// Proves an account, or its absence, as it was after the block `at`; `None` when that is not one of the
    /// last blocks of the followed chain.
    pub(super) fn prove_at(
        &mut self,
        address: Address,
        at: &BlockId,
    ) -> Result<Option<(Header, AccountProof)>, StoreError> {
        let proof = match at == &self.tip.id() {
            true => Some(self.prove(address)?),
            false => {
                self.recent.load(&self.store, &mut self.state, &self.tip)?;
                self.recent.prove(&self.state, &address, at)?
            }
        };
        match proof {
            Some(proof) => Ok(Some((self.store.expect_header(at)?.header().clone(), proof))),
            None => Ok(None),
        }
    }

    /// Forgets what only a peer that is gone had brought.
    pub(super) fn peer_gone(&mut self, origin: Origin) {
        self.orphans.forget(origin);
        self.tree.forget_origin(origin);
    }
}

/// How an attempt to move the chain ended.
enum Moved {
    Done(ChainEvent),
    Refused { id: BlockId, error: BlockError },
}

/// The tip as others see it.
pub(super) fn tip_of(context: &ChainContext) -> Tip {
    Tip { header: context.header().clone(), id: context.id(), total_work: context.total_work() }
}
