//! Transactions whose signatures were checked for the pool and need not be checked again for a block.

use cairn_ledger::{hash::TxId, validate::CheckedTransaction};
use std::collections::{HashMap, VecDeque};

/// Transactions remembered: as many as the pool holds. They share their memory with the pool; those that
/// it has dropped cost about 50 MB at most.
const CAPACITY: usize = 100_000;

/// Checked transactions by id; the oldest make room for new ones.
///
/// An id commits to every byte, the signature's too, so what is found here is the transaction itself.
/// Whoever floods this with valid transactions costs others a second look at theirs, and nothing more.
#[derive(Default)]
pub(super) struct Known {
    checked: HashMap<TxId, CheckedTransaction>,
    /// In order of arrival; an id may be taken out of `checked` before its turn comes.
    order: VecDeque<TxId>,
}

impl Known {
    /// A checked transaction.
    pub(super) fn get(&self, txid: &TxId) -> Option<&CheckedTransaction> {
        self.checked.get(txid)
    }

    /// Remembers a checked transaction.
    pub(super) fn insert(&mut self, checked: CheckedTransaction) {
        let txid = checked.txid();
        if self.checked.insert(txid, checked).is_some() {
            return;
        }
        self.order.push_back(txid);
        if self.order.len() > CAPACITY
            && let Some(oldest) = self.order.pop_front()
        {
            self.checked.remove(&oldest);
        }
    }

    /// Forgets a transaction that stands in a block now.
    pub(super) fn remove(&mut self, txid: &TxId) {
        self.checked.remove(txid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_ledger::testing::{checked, easy_network, key, payment};

    #[test]
    fn the_memory_is_bounded_and_forgets_the_oldest_first() {
        let spec = easy_network();
        let make = |nonce| payment(&spec, &key(1), nonce, key(2).address(), 1, 1_000);
        let mut all = checked(&spec, (0..3).map(make).collect()).into_iter();
        let mut known = Known::default();
        let (first, second) = (all.next().expect("three"), all.next().expect("three"));
        known.insert(first.clone());
        known.insert(second.clone());
        known.remove(&second.txid());
        assert!(known.get(&first.txid()).is_some() && known.get(&second.txid()).is_none());
        // As if so many others had come since.
        known.order.resize(CAPACITY, second.txid());
        known.insert(all.next().expect("three"));
        assert!(known.get(&first.txid()).is_none());
        assert_eq!((known.order.len(), known.checked.len()), (CAPACITY, 1));
    }
}
