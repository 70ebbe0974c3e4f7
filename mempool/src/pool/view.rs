//! What the pool tells of itself without changing.

use super::{Entry, Pool, Queue};
use cairn_ledger::{Address, CheckedTransaction, Timestamp, TxId};
use std::ops::Bound;

/// Transactions of one sender in one answer: the largest fit it. Only a reorganisation leaves more.
const OF_SENDER: usize = 200;

/// A transaction that waits in the pool.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// It.
    pub transaction: CheckedTransaction,
    /// When it came.
    pub added: Timestamp,
    /// Whether it can be mined now: nothing of its sender's is missing before it.
    pub ready: bool,
}

impl From<&Entry> for Waiting {
    fn from(entry: &Entry) -> Self {
        Self { transaction: entry.transaction.clone(), added: entry.added, ready: entry.worth.ready }
    }
}

/// What a transaction must pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeEstimate {
    /// In pebbles for each byte.
    pub rate: u64,
    /// Bytes that pay at least as much and are mined before.
    pub ahead: usize,
    /// Bytes in the pool.
    pub pooled: usize,
}

impl Pool {
    /// A page of transactions in order of arrival: those after `after`, at most `max` of them.
    pub fn page(&self, after: Option<(Timestamp, TxId)>, max: usize) -> Vec<Waiting> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let ids = self.by_age.range((start, Bound::Unbounded)).take(max);
        let places = ids.filter_map(|(_, txid)| self.place_by_id.get(txid));
        places.map(|(sender, nonce)| self.entry(sender, *nonce).into()).collect()
    }

    /// What one sender has here, in order of nonce: the first [`OF_SENDER`].
    pub fn of_sender(&self, sender: &Address) -> Vec<Waiting> {
        let of_sender = |queue: &Queue| queue.entries.values().take(OF_SENDER).map(Waiting::from).collect();
        self.queues.get(sender).map_or_else(Vec::new, of_sender)
    }

    /// What a transaction must pay to be among the first `bytes` that are mined, if no better ones come.
    pub fn estimate(&self, bytes: usize) -> FeeEstimate {
        let (mut ahead, mut rate) = (0_usize, 0);
        for (rank, transaction) in self.ranking.iter().rev().take_while(|(rank, _)| rank.worth.ready) {
            let size = transaction.transaction().size();
            if ahead.saturating_add(size) > bytes {
                rate = rank.worth.rate.next_whole();
                break;
            }
            ahead = ahead.saturating_add(size);
        }
        FeeEstimate { rate: rate.max(self.info().min_fee_rate), ahead, pooled: self.bytes }
    }
}
