//! Headers under rules that are not known here.
//!
//! A header's version names the upgrades in force at its height. One of another version is checked like any other, for
//! the rules of headers never change, and is then not looked at further: its block may be right, and nobody here can
//! tell. When several stand in a row above the tip, miners with most of the work follow rules that this node does not
//! have, and it says so ([`UnknownRules`]).
//!
//! # Invariants
//! 1. Nothing here is ever the parent of a linked header, stored, or anybody's fault.
//! 2. Memory is bounded; what has the least work in all goes first, so that cheap headers push out nothing but each
//!    other.

use super::{import::Writer, mailbox::HeaderOutcome};
use cairn_ledger::{
    chain_spec::ChainSpec,
    error::{Fault, HeaderError},
    hash::BlockId,
    pow::Work,
    units::{Height, Timestamp},
    validate::{ChainContext, SealedHeader, foreign_context},
};

/// Headers kept: far more than are needed to tell, and some for each of several branches.
const KEPT: usize = 64;
/// So many in a row above the tip are no accident: what they took to make is what buries a payment.
const IN_A_ROW: u64 = 6;

/// The chain with the most work goes on under rules that are not known here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownRules {
    /// The first block under them.
    pub since: Height,
    /// What their headers have as version.
    pub version: u16,
    /// The last such header that was seen.
    pub height: Height,
}

/// Headers under unknown rules.
#[derive(Debug, Default)]
pub(super) struct Foreign(Vec<Kept>);

#[derive(Debug)]
struct Kept {
    context: ChainContext,
    /// The height of the first in the row.
    since: Height,
}

impl Foreign {
    fn get(&self, id: &BlockId) -> Option<&Kept> {
        self.0.iter().find(|kept| kept.context.id() == *id)
    }

    fn insert(&mut self, kept: Kept) {
        self.0.push(kept);
        if self.0.len() > KEPT {
            let least = self.0.iter().enumerate().min_by_key(|(_, kept)| kept.context.total_work());
            let least = least.map(|(at, _)| at);
            least.map(|at| self.0.swap_remove(at));
        }
    }

    /// Whether there are enough of them in a row, with more work than the tip.
    pub(super) fn ahead_of(&self, spec: &ChainSpec, tip: Work) -> Option<UnknownRules> {
        let is_long = |kept: &&Kept| kept.context.header().height.get() + 1 >= kept.since.get() + IN_A_ROW;
        // The version of those who have not updated is known: they are behind, not ahead.
        let is_unknown = |kept: &&Kept| !spec.schedule().knows_version(kept.context.header().version);
        let rows = self.0.iter().filter(|kept| kept.context.total_work() > tip).filter(is_long).filter(is_unknown);
        let most = rows.max_by_key(|kept| kept.context.total_work())?;
        let header = most.context.header();
        Some(UnknownRules { since: most.since, version: header.version, height: header.height })
    }
}

impl Writer {
    /// Whether a header has another version than this network's file gives its height.
    pub(super) fn is_foreign(&self, sealed: &SealedHeader) -> bool {
        let header = sealed.header();
        header.version != self.spec.rules_at(header.height).version
    }

    /// Whether a block is among the headers under unknown rules.
    pub(super) fn has_foreign(&self, id: &BlockId) -> bool {
        self.foreign.get(id).is_some()
    }

    /// Judges a header of another version as far as that can be done; `parent` is a known block, or `None` where it is
    /// itself under unknown rules.
    pub(super) fn link_foreign(
        &mut self,
        parent: Option<ChainContext>,
        sealed: SealedHeader,
        now: Timestamp,
    ) -> HeaderOutcome {
        let (id, header) = (sealed.id(), sealed.header());
        let (version, height, parent_id) = (header.version, header.height, header.parent);
        let outcome = HeaderOutcome::OtherRules { version, height };
        if self.has_foreign(&id) {
            return outcome;
        }
        let row = self.foreign.get(&parent_id);
        let since = row.map_or(height, |kept| kept.since);
        let Some(parent) = parent.or_else(|| row.map(|kept| kept.context.clone())) else {
            return HeaderOutcome::Orphan { parent: parent_id };
        };
        match foreign_context(&self.spec, &parent, sealed, now) {
            Ok(context) => {
                self.foreign.insert(Kept { context, since });
                outcome
            }
            Err(HeaderError::TimeAhead { .. }) => HeaderOutcome::Early,
            Err(error) => {
                if error.fault() == Fault::Proven {
                    self.tree.remember_invalid(id);
                }
                HeaderOutcome::Invalid(error)
            }
        }
    }

    /// Whether the chain with the most work goes on under unknown rules.
    pub(super) fn unknown_rules(&self) -> Option<UnknownRules> {
        self.foreign.ahead_of(&self.spec, self.tip.total_work())
    }
}
