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

use cairn_ledger::{BlockId, ChainContext, ChainSpec, Height, Work};

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
pub(crate) struct UnknownRulesHeaders(Vec<KeptHeader>);

/// One of them.
#[derive(Debug)]
pub(crate) struct KeptHeader {
    pub context: ChainContext,
    /// The height of the first in the row.
    pub since: Height,
}

impl UnknownRulesHeaders {
    /// A header among them.
    pub(crate) fn get(&self, id: &BlockId) -> Option<&KeptHeader> {
        self.0.iter().find(|kept| kept.context.id() == *id)
    }

    /// Keeps a header, in place of the one with the least work when there are too many.
    pub(crate) fn insert(&mut self, kept: KeptHeader) {
        self.0.push(kept);
        if self.0.len() > KEPT {
            let least = self.0.iter().enumerate().min_by_key(|(_, kept)| kept.context.total_work());
            let least = least.map(|(at, _)| at);
            least.map(|at| self.0.swap_remove(at));
        }
    }

    /// Whether there are enough of them in a row, with more work than the tip.
    pub(crate) fn ahead_of(&self, spec: &ChainSpec, tip: Work) -> Option<UnknownRules> {
        let is_long = |kept: &&KeptHeader| kept.context.header().height.get() + 1 >= kept.since.get() + IN_A_ROW;
        // The version of those who have not updated is known: they are behind, not ahead.
        let is_unknown = |kept: &&KeptHeader| !spec.schedule().knows_version(kept.context.header().version);
        let rows = self.0.iter().filter(|kept| kept.context.total_work() > tip).filter(is_long).filter(is_unknown);
        let most = rows.max_by_key(|kept| kept.context.total_work())?;
        let header = most.context.header();
        Some(UnknownRules { since: most.since, version: header.version, height: header.height })
    }
}
