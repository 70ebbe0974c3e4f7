//! Work that was given out to miners elsewhere.

use super::mailbox::WorkError;
use cairn_chain::Template;
use cairn_ledger::{block::Seal, hash::BlockId};
use std::collections::VecDeque;

/// Templates kept: as many miners may work on different ones, or one may renew its own, within one block.
/// With the largest blocks they take 64 times their size.
const KEPT: usize = 64;

/// The last templates that were given out, all on one parent.
#[derive(Debug, Default)]
pub(super) struct IssuedWork(VecDeque<(Seal, Template)>);

impl IssuedWork {
    /// Remembers a template. Those on another parent can no longer become blocks of the chain.
    pub fn add(&mut self, template: Template) {
        self.0.retain(|(_, older)| older.header.parent == template.header.parent);
        let seal = template.header.seal();
        if self.0.iter().any(|(known, _)| *known == seal) {
            return;
        }
        self.0.push_back((seal, template));
        if self.0.len() > KEPT {
            self.0.pop_front();
        }
    }

    /// Takes out the template that `nonce` solves on the tip `parent`: one gives one block only.
    pub fn take_solved(&mut self, seal: Seal, nonce: u64, parent: &BlockId) -> Result<Template, WorkError> {
        let at = self.0.iter().position(|(known, template)| *known == seal && template.header.parent == *parent);
        let at = at.ok_or(WorkError::Stale)?;
        let target = self.0[at].1.header.target;
        let id = seal.id(nonce);
        if !target.decode().is_ok_and(|target| target.is_met_by(&id)) {
            return Err(WorkError::LowWork { id, target });
        }
        self.0.remove(at).map(|(_, template)| template).ok_or(WorkError::Stale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_ledger::testing::easy_network;
    use cairn_ledger::units::{Amount, Timestamp};

    fn template(parent: u8, time: u64) -> Template {
        let header = cairn_ledger::block::Header {
            parent: BlockId::from_bytes([parent; 32]),
            time: Timestamp::from_millis(time),
            ..easy_network().genesis().clone()
        };
        Template { header, transactions: Vec::new(), fees: Amount::default(), not_before: Timestamp::from_millis(0) }
    }

    #[test]
    fn work_is_taken_once_and_only_on_its_parent() {
        let (mut given, work) = (IssuedWork::default(), template(1, 1));
        given.add(work.clone());
        let (seal, parent) = (work.header.seal(), work.header.parent);
        let target = work.header.target.decode().expect("a normal target");
        let solves = |nonce: &u64| target.is_met_by(&seal.id(*nonce));
        let good = (0..).find(solves).expect("every other nonce does");
        let bad = (0..).find(|nonce| !solves(nonce)).expect("every other one does not");
        assert!(matches!(given.take_solved(seal, bad, &parent), Err(WorkError::LowWork { .. })));
        assert_eq!(given.take_solved(seal, good, &BlockId::from_bytes([2; 32])).map(drop), Err(WorkError::Stale));
        assert!(given.take_solved(seal, good, &parent).is_ok(), "a wrong nonce before costs nothing");
        assert_eq!(given.take_solved(seal, good, &parent).map(drop), Err(WorkError::Stale));
    }

    #[test]
    fn what_is_kept_is_bounded_and_of_one_parent() {
        let mut given = IssuedWork::default();
        for time in 0..3 * KEPT as u64 {
            given.add(template(1, time));
        }
        assert_eq!(given.0.len(), KEPT);
        given.add(template(1, 3 * KEPT as u64 - 1));
        assert_eq!(given.0.len(), KEPT, "the same again is one");
        given.add(template(2, 0));
        assert_eq!(given.0.len(), 1);
    }
}
