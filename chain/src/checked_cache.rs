//! Transactions whose signatures were checked for the pool and need not be checked again for a block.

use cairn_ledger::{hash::TxId, validate::CheckedTransaction};
use std::collections::{HashMap, VecDeque};

/// Transactions remembered: as many as the pool holds by default. They share their memory with the pool.
const CAPACITY: usize = 100_000;
/// Their bytes together, which bound what those cost that the pool has dropped, or never took.
const BYTES: usize = 64 << 20;

/// Checked transactions by id; the oldest make room for new ones.
///
/// An id commits to every byte, the signature's too, so what is found here is the transaction itself.
/// Whoever floods this with valid transactions costs others a second look at theirs, and nothing more.
#[derive(Default)]
pub(super) struct CheckedCache {
    checked: HashMap<TxId, CheckedTransaction>,
    /// In order of arrival; an id may be taken out of `checked` before its turn comes.
    order: VecDeque<TxId>,
    /// Of all in `checked`.
    bytes: usize,
}

impl CheckedCache {
    /// A checked transaction.
    pub(super) fn get(&self, txid: &TxId) -> Option<&CheckedTransaction> {
        self.checked.get(txid)
    }

    /// Remembers a checked transaction.
    pub(super) fn insert(&mut self, checked: CheckedTransaction) {
        let (txid, size) = (checked.txid(), checked.transaction().size());
        if self.checked.insert(txid, checked).is_some() {
            return;
        }
        self.bytes += size;
        self.order.push_back(txid);
        while (self.order.len() > CAPACITY || self.bytes > BYTES)
            && let Some(oldest) = self.order.pop_front()
        {
            self.remove(&oldest);
        }
    }

    /// Forgets a transaction that stands in a block now.
    pub(super) fn remove(&mut self, txid: &TxId) {
        if let Some(checked) = self.checked.remove(txid) {
            self.bytes -= checked.transaction().size();
        }
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
        let mut cache = CheckedCache::default();
        let (first, second) = (all.next().expect("three"), all.next().expect("three"));
        cache.insert(first.clone());
        cache.insert(second.clone());
        cache.remove(&second.txid());
        assert!(cache.get(&first.txid()).is_some() && cache.get(&second.txid()).is_none());
        // As if so many others had come since.
        cache.order.resize(CAPACITY, second.txid());
        cache.insert(all.next().expect("three"));
        assert!(cache.get(&first.txid()).is_none());
        assert_eq!((cache.order.len(), cache.checked.len()), (CAPACITY, 1));
    }

    /// What is only tried out is remembered, too, and never enters a pool that bounds its bytes.
    #[test]
    fn large_transactions_are_bounded_by_their_bytes() {
        let spec = easy_network();
        let make = |nonce| payment(&spec, &key(1), nonce, key(2).address(), 1, 1_000);
        let all = checked(&spec, (0..2).map(make).collect());
        let mut cache = CheckedCache::default();
        cache.insert(all[0].clone());
        cache.insert(all[0].clone());
        assert_eq!(cache.bytes, all[0].transaction().size(), "counted once");
        // As if the others were as large as is allowed.
        cache.bytes = BYTES;
        cache.insert(all[1].clone());
        assert!(cache.get(&all[0].txid()).is_none(), "the oldest made room");
        cache.remove(&all[1].txid());
        cache.remove(&all[1].txid());
        assert_eq!(cache.checked.len(), 0);
    }
}
