//! Transactions that some node of a simulation has checked: its nodes share one process, and a signature that is right
//! for one of them is right for all. An id commits to every byte, so nobody takes over a verdict on something else.

use cairn_common::cache::FifoCache;
use cairn_ledger::validate::Candidate;
use cairn_ledger::{CheckedTransaction, TxId};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many are remembered.
const REMEMBERED: usize = 100_000;

/// What the nodes of a simulation have checked. Cloning shares it.
#[derive(Clone, Debug)]
pub struct SharedChecks(Arc<Mutex<FifoCache<TxId, CheckedTransaction>>>);

impl Default for SharedChecks {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(FifoCache::new(REMEMBERED))))
    }
}

impl SharedChecks {
    fn cache(&self) -> MutexGuard<'_, FifoCache<TxId, CheckedTransaction>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks those as known that a node has checked.
    pub(super) fn find(&self, candidates: &mut [Candidate]) {
        let cache = self.cache();
        for candidate in candidates {
            if let Some(checked) = cache.get(&candidate.txid()) {
                *candidate = Candidate::Known(checked.clone());
            }
        }
    }

    /// Remembers what a node has checked.
    pub(super) fn note(&self, checked: &[CheckedTransaction]) {
        let mut cache = self.cache();
        for checked in checked {
            cache.insert(checked.txid(), checked.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_ledger::schnorr::KeyCache;
    use cairn_ledger::testing::{easy_network, key, payment};
    use cairn_ledger::validate::check_candidates;

    /// Whoever shares a verdict shares it on those very bytes: with another signature it is another transaction.
    #[test]
    fn only_the_very_transaction_that_was_checked_is_known() {
        let spec = easy_network();
        let right = payment(&spec, &key(1), 0, key(2).address(), 5, 185);
        let mut wrong = right.clone();
        wrong.signature = payment(&spec, &key(1), 1, key(2).address(), 5, 185).signature;
        let checked =
            check_candidates(&mut KeyCache::new(0), &spec.genesis_id(), Candidate::new_each(vec![right.clone()]));
        let shared = SharedChecks::default();
        shared.note(&checked.expect("it is right"));
        let mut candidates = Candidate::new_each(vec![right, wrong]);
        shared.find(&mut candidates);
        assert!(matches!(candidates[..], [Candidate::Known(_), Candidate::New { .. }]));
    }
}
