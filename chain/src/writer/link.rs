//! Linking headers: work, parent, then the rules, cheapest first.

use super::Writer;
use crate::headers::{CONTEXT_EVERY, KeptHeader};
use crate::{message::HeaderOutcome, store::StoreError, verdict::Origin};
use cairn_ledger::fork_choice::{NEAR_BLOCKS, near_tip_work};
use cairn_ledger::validate::{WorkCheckedHeader, check_header, check_work, foreign_context};
use cairn_ledger::{
    BlockId, ChainContext, Header, HeaderError, LinkedHeader, Timestamp, Work, error::Fault, pow::Target,
};

/// An orphan's target may be this many times easier than the tip's.
const ORPHAN_EASIER: u32 = 16;
/// Stored blocks brought back into the tree for one question: whoever names the highest of many without their ancestors
/// costs no more. Headers come from the fork upward, where each has its parent there.
const ADOPTED: usize = 64;

impl Writer {
    /// Links one header, and the orphans that waited for it. One of a presynced branch is wanted however little work
    /// it has: that branch was shown to lead to more than the tip's.
    pub(crate) fn link(
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
        let outcome = self.healing(|writer| writer.link_sealed(origin, sealed.clone(), is_presynced, now))?;
        if matches!(outcome, HeaderOutcome::Linked(_) | HeaderOutcome::OtherRules { .. }) {
            self.link_orphans(id, now)?;
        }
        Ok(outcome)
    }

    fn link_sealed(
        &mut self,
        origin: Origin,
        sealed: WorkCheckedHeader,
        is_presynced: bool,
        now: Timestamp,
    ) -> Result<HeaderOutcome, StoreError> {
        let (id, parent) = (sealed.id(), sealed.header().parent);
        if let Some(known) = self.known(&id)? {
            self.tree.note_also(&id, origin);
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
        if self.unknown_rules.get(&parent).is_some() {
            return Ok(self.link_under_unknown_rules(None, sealed, now));
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
        let (version, height) = (sealed.header().version, sealed.header().height);
        if version != self.spec.rules_at(height).version {
            return Ok(self.link_under_unknown_rules(Some(context), sealed, now));
        }
        let linked = match check_header(&self.spec, &context, sealed, now) {
            Ok(linked) => linked,
            Err(error) => return Ok(self.refuse_header(id, error)),
        };
        // A header with less work than the tip costs its sender little: its number is bounded.
        if !self.tree.insert(origin, linked.clone(), is_presynced, self.tip.total_work()) {
            return Ok(HeaderOutcome::Unwanted);
        }
        let context = context.extend(&linked);
        self.tree.keep_context(&context);
        // A branch grows at its end: the context of the parent is no longer needed.
        self.contexts.remove(&parent);
        self.contexts.insert(id, context);
        Ok(HeaderOutcome::Linked(linked))
    }

    fn link_orphans(&mut self, parent: BlockId, now: Timestamp) -> Result<(), StoreError> {
        let mut parents = vec![parent];
        while let Some(parent) = parents.pop() {
            for (origin, orphan) in self.orphans.take_children(&parent) {
                let id = orphan.id();
                let outcome = self.healing(|writer| writer.link_sealed(origin, orphan.clone(), false, now))?;
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
            let known = HeaderOutcome::Known { total_work: header.total_work() };
            let linked = HeaderOutcome::Linked(header.clone());
            return Ok(Some(if self.tree.has_body(id) { known } else { linked }));
        }
        self.live.header(id)?.map_or(Ok(None), |header| self.adopt_stored(header))
    }

    /// Brings a stored block that is off the followed chain, with its ancestors, back into the tree. A crash, or a full
    /// tree, may have left it without them: that says nothing against the store, nor against the block. `None` when an
    /// ancestor is not here, or too far below: then it is a stored body and nothing more.
    fn adopt_stored(&mut self, header: LinkedHeader) -> Result<Option<HeaderOutcome>, StoreError> {
        let known = HeaderOutcome::Known { total_work: header.total_work() };
        if self.tree.is_on_disk(&header.id()) || self.store.is_connected(&header)? {
            return Ok(Some(known));
        }
        let mut branch = vec![header];
        while let Some(parent) = branch.last().map(|lowest| lowest.header().parent) {
            if self.tree.is_invalid(&parent) {
                branch.iter().rev().for_each(|header| self.tree.remember_invalid(header.id()));
                return Ok(Some(HeaderOutcome::InvalidAncestor));
            }
            if self.tree.get(&parent).is_some() || self.tree.is_on_disk(&parent) {
                break;
            }
            match self.live.header(&parent)? {
                Some(parent) if self.store.is_connected(&parent)? => break,
                Some(parent) if branch.len() < ADOPTED => branch.push(parent),
                _ => return Ok(None),
            }
        }
        for header in branch.into_iter().rev() {
            let (id, height) = (header.id(), header.header().height.get());
            self.tree.insert_stored(header);
            if height.is_multiple_of(CONTEXT_EVERY) && self.context(&id)?.is_some() {
                self.tree.shed_stored();
            }
        }
        Ok(Some(known))
    }

    /// A known block as the parent of others.
    pub(crate) fn context(&mut self, id: &BlockId) -> Result<Option<ChainContext>, StoreError> {
        if *id == self.tip.id() {
            return Ok(Some(self.tip.clone()));
        }
        if self.tree.get(id).is_none() {
            let Some(header) = self.live.header(id)? else { return Ok(None) };
            // Only what is in the tree, or was: a forgotten header must not get children.
            if !matches!(self.adopt_stored(header)?, Some(HeaderOutcome::Known { .. })) {
                return Ok(None);
            }
        }
        let Some((mut context, branch)) = self.nearest_context(id)? else { return Ok(None) };
        for header in branch.iter().rev() {
            context = context.extend(header);
            self.tree.keep_context(&context);
            // What is on the disk alone is long: nobody is to have all of it walked down again and again.
            if self.tree.get(&header.id()).is_none() && header.header().height.get().is_multiple_of(CONTEXT_EVERY) {
                self.contexts.insert(context.id(), context.clone());
            }
        }
        Ok(Some(context))
    }

    /// The nearest block from `id` down whose context is at hand, and the blocks above it, downward.
    pub(crate) fn nearest_context(
        &self,
        id: &BlockId,
    ) -> Result<Option<(ChainContext, Vec<LinkedHeader>)>, StoreError> {
        let (mut branch, mut at) = (Vec::new(), *id);
        loop {
            if let Some(ready) = self.contexts.get(&at).or_else(|| self.tree.context(&at)) {
                return Ok(Some((ready.clone(), branch)));
            }
            let Some(header) = self.header(&at)? else { return Ok(None) };
            if self.tree.get(&at).is_none() && self.store.is_connected(&header)? {
                return Ok(Some((self.store.context_at(header.header().height)?, branch)));
            }
            at = header.header().parent;
            branch.push(header);
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
    fn worth_waiting(&self, orphan: &WorkCheckedHeader) -> bool {
        let tip = self.tip.header().target.decode().map(Target::work).unwrap_or_default();
        let scaled = (0..ORPHAN_EASIER.ilog2()).try_fold(orphan.work(), |work, _| work.checked_add(work));
        scaled.is_none_or(|work| work >= tip)
    }

    /// What a header is that breaks a rule; where that is proven, it is remembered.
    fn refuse_header(&mut self, id: BlockId, error: HeaderError) -> HeaderOutcome {
        // An early block is not invalid: nothing is remembered of it.
        if let HeaderError::TimeAhead { .. } = error {
            return HeaderOutcome::Early;
        }
        if error.fault() == Fault::Proven {
            self.tree.remember_invalid(id);
        }
        HeaderOutcome::Invalid(error)
    }

    /// Judges a header of another version as far as that can be done; `parent` is a known block, or `None` where it is
    /// itself under unknown rules.
    fn link_under_unknown_rules(
        &mut self,
        parent: Option<ChainContext>,
        sealed: WorkCheckedHeader,
        now: Timestamp,
    ) -> HeaderOutcome {
        let (id, header) = (sealed.id(), sealed.header());
        let (version, height, parent_id) = (header.version, header.height, header.parent);
        let outcome = HeaderOutcome::OtherRules { version, height };
        if self.unknown_rules.get(&id).is_some() {
            return outcome;
        }
        let row = self.unknown_rules.get(&parent_id);
        let since = row.map_or(height, |kept| kept.since);
        let Some(parent) = parent.or_else(|| row.map(|kept| kept.context.clone())) else {
            return HeaderOutcome::Orphan { parent: parent_id };
        };
        match foreign_context(&self.spec, &parent, sealed, now) {
            Ok(context) => {
                self.unknown_rules.insert(KeptHeader { context, since });
                outcome
            }
            Err(error) => self.refuse_header(id, error),
        }
    }
}
