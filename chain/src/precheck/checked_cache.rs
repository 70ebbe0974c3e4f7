//! Transactions whose signatures were checked for the pool and need not be checked again for a block.
//!
//! An id commits to every byte, the signature's too, so what is found here is the transaction itself.
//! Whoever floods this with valid transactions costs others a second look at theirs, and nothing more.

use cairn_common::cache::FifoCache;
use cairn_ledger::{hash::TxId, validate::CheckedTransaction};

/// Transactions remembered: as many as the pool holds by default. They share their memory with the pool.
const CAPACITY: usize = 100_000;
/// Their bytes together, which bound what those cost that the pool has dropped, or never took.
const BYTES: usize = 64 << 20;

/// Checked transactions by id; the oldest make room for new ones.
pub(crate) struct CheckedCache(FifoCache<TxId, CheckedTransaction>);

impl Default for CheckedCache {
    fn default() -> Self {
        Self(FifoCache::weighted(CAPACITY, BYTES))
    }
}

impl CheckedCache {
    /// A checked transaction.
    pub(crate) fn get(&self, txid: &TxId) -> Option<&CheckedTransaction> {
        self.0.get(txid)
    }

    /// Remembers a checked transaction.
    pub(crate) fn insert(&mut self, checked: CheckedTransaction) {
        let (txid, bytes) = (checked.txid(), checked.transaction().size());
        self.0.insert_weighted(txid, checked, bytes);
    }

    /// Forgets a transaction that stands in a block now.
    pub(crate) fn remove(&mut self, txid: &TxId) {
        self.0.remove(txid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_ledger::testing::{checked, easy_network, key, payment};

    /// What is only tried out is remembered, too, and never enters a pool that bounds its bytes.
    #[test]
    fn large_transactions_are_bounded_by_their_bytes() {
        let spec = easy_network();
        let make = |nonce| payment(&spec, &key(1), nonce, key(2).address(), 1, 1_000);
        let all = checked(&spec, (0..3).map(make).collect());
        let bytes = all[0].transaction().size();
        let mut cache = CheckedCache(FifoCache::weighted(CAPACITY, 2 * bytes));
        cache.insert(all[0].clone());
        cache.insert(all[0].clone());
        assert_eq!(cache.0.weight(), bytes, "counted once");
        cache.insert(all[1].clone());
        cache.insert(all[2].clone());
        assert!(cache.get(&all[0].txid()).is_none(), "the oldest made room");
        assert!(cache.get(&all[1].txid()).is_some() && cache.get(&all[2].txid()).is_some());
        cache.remove(&all[1].txid());
        cache.remove(&all[1].txid());
        assert_eq!((cache.0.len(), cache.0.weight()), (1, bytes));
    }
}
