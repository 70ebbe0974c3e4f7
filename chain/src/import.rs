//! The story of a block's import, as the writer tells it.

use super::{
    accounts::missing,
    follow::{Publish, Reorganisation},
    foreign::Foreign,
    mailbox::{BlockOutcome, HeaderOutcome, TemplateRequest, Tip},
    orphans::Orphans,
    precheck::Precheck,
    state::State,
    state_history::StateHistory,
    template::Template,
    tree::{CONTEXT_EVERY, HeaderTree},
};
use crate::{
    store::{ChainStore, StoreError},
    verdict::Origin,
};
use cairn_ledger::{
    accounts::AccountProof,
    block::{BLOCK_OVERHEAD_BYTES, Header},
    chain_spec::ChainSpec,
    error::{BlockError, ExecutionError, Fault, HeaderError},
    fork_choice::{NEAR_BLOCKS, near_tip_work},
    hash::BlockId,
    keys::Address,
    merkle::txs_root,
    pow::{Target, Work},
    units::Timestamp,
    validate::{
        ChainContext, CheckedBlock, CheckedTransaction, ConnectError, Execution, LinkedHeader, SealedHeader,
        check_header, check_work, touched_addresses,
    },
};
use std::{collections::VecDeque, sync::Arc};
use tokio::sync::watch;

/// An orphan's target may be this many times easier than the tip's.
const ORPHAN_EASIER: u32 = 16;
/// Parents of branch headers kept ready as contexts.
const CONTEXTS: usize = 32;
/// Stored blocks brought back into the tree for one question: whoever names the highest of many without their ancestors
/// costs no more. Headers come from the fork upward, where each has its parent there.
const ADOPTED: usize = 64;

/// Everything the writer owns.
pub(super) struct Writer {
    pub(super) spec: Arc<ChainSpec>,
    /// The settled chain: as readers have it, while a reorganisation is under way.
    pub(super) store: Arc<ChainStore>,
    /// The chain as it is on the disk.
    pub(super) live: Arc<ChainStore>,
    /// Where readers find what they read.
    pub(super) views: watch::Sender<Arc<ChainStore>>,
    /// A reorganisation in batches, while one is under way.
    pub(super) reorganisation: Option<Reorganisation>,
    pub(super) precheck: Precheck,
    pub(super) state: State,
    /// How to see the accounts as they were after the last blocks.
    pub(super) state_history: StateHistory,
    pub(super) tip: ChainContext,
    pub(super) tree: HeaderTree,
    pub(super) orphans: Orphans,
    /// Headers under rules that are not known here.
    pub(super) foreign: Foreign,
    /// Contexts of branch headers used lately.
    pub(super) contexts: VecDeque<ChainContext>,
    /// The least total work of a header that is near, for the tip with this id.
    pub(super) near: (BlockId, Work),
}

/// What became of a stored block's way into the tree.
enum Adopted {
    /// It is there.
    Yes,
    /// An ancestor is not here, or too far below: it is a stored body and nothing more.
    Parked,
    /// An ancestor is invalid.
    Invalid,
}

impl Writer {
    /// Links one header, and the orphans that waited for it. One of a presynced branch is wanted however little work
    /// it has: that branch was shown to lead to more than the tip's.
    pub(super) fn link(
        &mut self,
        origin: Origin,
        header: Header,
        is_presynced: bool,
        now: Timestamp,
    ) -> Result<HeaderOutcome, StoreError> {
        // Work first: whoever wants to be looked at further has paid for it.
        let sealed = match check_work(&self.spec, header) {
            Ok(sealed) => sealed,
            Err(error) => return Ok(HeaderOutcome::Invalid(error)),
        };
        let id = sealed.id();
        let outcome = self.link_sealed(origin, sealed, is_presynced, now)?;
        if matches!(outcome, HeaderOutcome::Linked(_) | HeaderOutcome::OtherRules { .. }) {
            self.link_orphans(id, now)?;
        }
        Ok(outcome)
    }

    fn link_sealed(
        &mut self,
        origin: Origin,
        sealed: SealedHeader,
        is_presynced: bool,
        now: Timestamp,
    ) -> Result<HeaderOutcome, StoreError> {
        let (id, parent) = (sealed.id(), sealed.header().parent);
        if let Some(known) = self.known(&id)? {
            if is_presynced {
                self.tree.pin(&id);
            }
            return Ok(known);
        }
        // The children of the invalid are refused without another look.
        if self.tree.is_invalid(&parent) {
            self.tree.remember_invalid(id);
            return Ok(HeaderOutcome::InvalidAncestor);
        }
        // Whatever rules a header stands under, those above one that cannot be judged cannot be judged either.
        if self.has_foreign(&parent) {
            return Ok(self.link_foreign(None, sealed, now));
        }
        // What is far below the tip is cheap to make, and dear to judge: it is not looked at.
        if !is_presynced && self.is_far(&parent, sealed.work())? {
            return Ok(HeaderOutcome::Unwanted);
        }
        let Some(context) = self.context(&parent)? else {
            if self.worth_waiting(&sealed) {
                self.orphans.insert(origin, sealed);
            }
            return Ok(HeaderOutcome::Orphan { parent });
        };
        // Another version is no misbehaviour: its sender may know of an upgrade that this node does not, or the other
        // way about.
        if self.is_foreign(&sealed) {
            return Ok(self.link_foreign(Some(context), sealed, now));
        }
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
        if !self.tree.insert(origin, linked.clone(), is_presynced, self.tip.total_work()) {
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
                let outcome = self.link_sealed(origin, orphan, false, now)?;
                if matches!(outcome, HeaderOutcome::Linked(_) | HeaderOutcome::OtherRules { .. }) {
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
        if let Some(header) = self.live.header(id)? {
            return Ok(match self.adopt_stored(header)? {
                Adopted::Yes => Some(HeaderOutcome::Known),
                Adopted::Invalid => Some(HeaderOutcome::InvalidAncestor),
                Adopted::Parked => None,
            });
        }
        Ok(None)
    }

    /// Brings a stored block that is off the followed chain, with its ancestors, back into the tree. A crash, or a full
    /// tree, may have left it without them: that says nothing against the store, nor against the block.
    fn adopt_stored(&mut self, header: LinkedHeader) -> Result<Adopted, StoreError> {
        if self.tree.is_on_disk(&header.id()) || self.store.is_connected(&header)? {
            return Ok(Adopted::Yes);
        }
        let mut branch = vec![header];
        while let Some(parent) = branch.last().map(|lowest| lowest.header().parent) {
            if self.tree.is_invalid(&parent) {
                branch.iter().rev().for_each(|header| self.tree.remember_invalid(header.id()));
                return Ok(Adopted::Invalid);
            }
            if self.tree.get(&parent).is_some() || self.tree.is_on_disk(&parent) {
                break;
            }
            match self.live.header(&parent)? {
                Some(parent) if self.store.is_connected(&parent)? => break,
                Some(parent) if branch.len() < ADOPTED => branch.push(parent),
                _ => return Ok(Adopted::Parked),
            }
        }
        for header in branch.into_iter().rev() {
            let (id, height) = (header.id(), header.header().height.get());
            self.tree.insert_stored(header);
            if height.is_multiple_of(CONTEXT_EVERY) && self.context(&id)?.is_some() {
                self.tree.shed_stored();
            }
        }
        Ok(Adopted::Yes)
    }

    /// A known block as the parent of others.
    pub(super) fn context(&mut self, id: &BlockId) -> Result<Option<ChainContext>, StoreError> {
        if *id == self.tip.id() {
            return Ok(Some(self.tip.clone()));
        }
        if self.tree.get(id).is_none() {
            let Some(header) = self.live.header(id)? else { return Ok(None) };
            // Only what is in the tree, or was: a forgotten header must not get children.
            if !matches!(self.adopt_stored(header)?, Adopted::Yes) {
                return Ok(None);
            }
        }
        let Some((mut context, branch)) = self.nearest_context(id)? else { return Ok(None) };
        for header in branch.iter().rev() {
            context = context.extend(header);
            self.tree.keep_context(&context);
            // What is on the disk alone is long: nobody is to have all of it walked down again and again.
            if self.tree.get(&header.id()).is_none() && header.header().height.get().is_multiple_of(CONTEXT_EVERY) {
                self.remember_context(context.clone());
            }
        }
        Ok(Some(context))
    }

    /// The nearest block from `id` down whose context is at hand, and the blocks above it, downward.
    pub(super) fn nearest_context(
        &self,
        id: &BlockId,
    ) -> Result<Option<(ChainContext, Vec<LinkedHeader>)>, StoreError> {
        let (mut branch, mut at) = (Vec::new(), *id);
        loop {
            let ready = self.contexts.iter().find(|context| context.id() == at);
            if let Some(ready) = ready.or_else(|| self.tree.context(&at)) {
                return Ok(Some((ready.clone(), branch)));
            }
            let header = match self.tree.get(&at) {
                Some(header) => header.clone(),
                None => {
                    let Some(header) = self.live.header(&at)? else { return Ok(None) };
                    if self.store.is_connected(&header)? {
                        return Ok(Some((self.store.context_at(header.header().height)?, branch)));
                    }
                    header
                }
            };
            at = header.header().parent;
            branch.push(header);
        }
    }

    fn keep_context(&mut self, context: ChainContext) {
        self.tree.keep_context(&context);
        // A branch grows at its end: the context of the parent is no longer needed.
        self.contexts.retain(|known| known.id() != context.header().parent);
        self.remember_context(context);
    }

    fn remember_context(&mut self, context: ChainContext) {
        self.contexts.push_back(context);
        if self.contexts.len() > CONTEXTS {
            self.contexts.pop_front();
        }
    }

    /// Whether a child of `parent` with so much work of its own has less total work than a header must have to be
    /// near the tip.
    fn is_far(&mut self, parent: &BlockId, work: Work) -> Result<bool, StoreError> {
        let below = match self.tree.get(parent) {
            Some(header) => Some(header.total_work()),
            None if *parent == self.tip.id() => return Ok(false),
            None => self.live.header(parent)?.map(|header| header.total_work()),
        };
        let total = below.and_then(|below| below.checked_add(work));
        Ok(match total {
            Some(total) if total <= self.tip.total_work() => total < self.near_tip_work()?,
            Some(_) | None => false,
        })
    }

    /// The least total work of a header that is near the tip.
    fn near_tip_work(&mut self) -> Result<Work, StoreError> {
        if self.near.0 != self.tip.id() {
            let (height, total) = (self.tip.header().height, self.tip.total_work());
            let base = self.store.id_at(height.saturating_sub(NEAR_BLOCKS))?;
            let base = base.map(|id| self.store.expect_header(&id)).transpose()?;
            let last = base.and_then(|base| total.checked_sub(base.total_work())).unwrap_or(total);
            let block = self.tip.header().target.decode().map(Target::work).unwrap_or_default();
            self.near = (self.tip.id(), near_tip_work(total, block, last));
        }
        Ok(self.near.1)
    }

    /// Whether an orphan's work is near enough to the tip's to spend memory on it.
    fn worth_waiting(&self, orphan: &SealedHeader) -> bool {
        let tip = self.tip.header().target.decode().map(Target::work).unwrap_or_default();
        let scaled = (0..ORPHAN_EASIER.ilog2()).try_fold(orphan.work(), |work, _| work.checked_add(work));
        scaled.is_none_or(|work| work >= tip)
    }

    /// Imports a checked block: it waits in the tree until its branch is complete and has the most work; then the chain
    /// moves.
    pub(super) fn import_block(
        &mut self,
        block: CheckedBlock,
        now: Timestamp,
        publish: Publish<'_>,
    ) -> Result<BlockOutcome, StoreError> {
        let header = block.header().clone();
        let id = header.id();
        if self.store.is_connected(&header)? || self.tree.has_body(&id) {
            return Ok(BlockOutcome::Known);
        }
        // A header may have been forgotten while its body was on the way; then the block was not wanted.
        if !self.tree.set_body(block) {
            return Ok(BlockOutcome::Unwanted);
        }
        self.follow(now, publish)?;
        self.spill()?;
        if self.store.is_connected(&header)? {
            return Ok(BlockOutcome::Connected);
        }
        Ok(self.tree.reason(&id).map_or(BlockOutcome::Waiting, BlockOutcome::Invalid))
    }

    /// Moves bodies to the disk when they take too much memory.
    fn spill(&mut self) -> Result<(), StoreError> {
        let spilled = self.tree.spill(self.tip.total_work());
        if !spilled.is_empty() {
            self.store_bodies(spilled)?;
            self.tree.shed_stored();
        }
        Ok(())
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
        let max = usize::try_from(self.spec.rules_at(height).max_block_bytes).unwrap_or(usize::MAX);
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
            version: self.spec.rules_at(height).version,
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

    /// All balances together at the tip, in pebbles.
    pub(super) fn balances(&self) -> u64 {
        self.state.accounts.balances()
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
                self.state_history.load(&self.store, &mut self.state, &self.tip)?;
                self.state_history.prove(&self.state, &address, at)?
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

/// The tip as others see it.
pub(super) fn tip_of(context: &ChainContext) -> Tip {
    Tip { header: context.header().clone(), id: context.id(), total_work: context.total_work() }
}
