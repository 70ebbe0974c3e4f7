//! Transactions on their way out, gathered into batches. Pure: the time is an argument.

use crate::wire::{MAX_BATCH, Message, TxBatch};
use cairn_ledger::{codec::BoundedVec, transaction::Transaction};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long a transaction waits for company.
const GATHER: Duration = Duration::from_millis(50);
/// How long a batch waits when nobody was there to take it.
const RETRY: Duration = Duration::from_secs(1);
/// Bytes that wait, at most; the oldest are dropped, stay in the pool, and are found there when others compare theirs.
const MAX_WAITING: usize = 4 << 20;
/// Bytes of a batch besides its transactions.
const OVERHEAD: usize = 8;

/// Transactions that wait to be sent.
#[derive(Debug, Default)]
pub(crate) struct TxBatcher {
    waiting: VecDeque<Transaction>,
    bytes: usize,
    due: Option<Instant>,
    /// Transactions that were dropped for want of room.
    dropped: u64,
}

impl TxBatcher {
    /// Adds a transaction.
    pub(crate) fn push(&mut self, transaction: Transaction, now: Instant) {
        self.bytes += transaction.size();
        self.waiting.push_back(transaction);
        while self.bytes > MAX_WAITING
            && let Some(oldest) = self.waiting.pop_front()
        {
            self.bytes -= oldest.size();
            self.dropped += 1;
        }
        self.due.get_or_insert(now + GATHER);
    }

    /// How many transactions were dropped for want of room.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// When the next batch is to go; `None` when nothing waits.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// The next batch, when it is full or its time has come.
    pub(crate) fn next(&mut self, now: Instant) -> Option<TxBatch> {
        let due = self.due?;
        let is_full = self.bytes >= TxBatch::MAX_BYTES - OVERHEAD;
        if due > now && !(is_full && due <= now + GATHER) {
            return None;
        }
        let (mut batch, mut room) = (Vec::new(), TxBatch::MAX_BYTES - OVERHEAD);
        while batch.len() < MAX_BATCH
            && let Some(next) = self.waiting.pop_front_if(|next| next.size() <= room)
        {
            room -= next.size();
            self.bytes -= next.size();
            batch.push(next);
        }
        self.due = if self.waiting.is_empty() { None } else { Some(now) };
        BoundedVec::new(batch).ok().filter(|batch| !batch.is_empty()).map(|transactions| TxBatch { transactions })
    }

    /// Takes a batch back that nobody was there to take.
    pub(crate) fn put_back(&mut self, batch: TxBatch, now: Instant) {
        for transaction in batch.transactions.into_vec().into_iter().rev() {
            self.bytes += transaction.size();
            self.waiting.push_front(transaction);
        }
        self.due = Some(now + RETRY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_ledger::testing::{easy_network, key, payment};

    fn transaction() -> Transaction {
        payment(&easy_network(), &key(1), 0, key(2).address(), 5, 185)
    }

    #[test]
    fn transactions_wait_for_company_but_not_for_long() {
        let (mut tx_batcher, now) = (TxBatcher::default(), Instant::now());
        assert_eq!(tx_batcher.due(), None);
        tx_batcher.push(transaction(), now);
        tx_batcher.push(transaction(), now + GATHER / 2);
        assert_eq!(tx_batcher.next(now + GATHER / 2), None);
        assert_eq!(tx_batcher.next(now + GATHER).map(|batch| batch.transactions.len()), Some(2));
        assert_eq!((tx_batcher.due(), tx_batcher.bytes), (None, 0));
    }

    #[test]
    fn a_full_batch_goes_at_once_and_stays_within_its_bound() {
        let (mut tx_batcher, now) = (TxBatcher::default(), Instant::now());
        let transaction = transaction();
        (0..600).for_each(|_| tx_batcher.push(transaction.clone(), now));
        let mut sent = 0;
        while let Some(batch) = tx_batcher.next(now) {
            assert!(batch.to_bytes().len() <= TxBatch::MAX_BYTES);
            sent += batch.transactions.len();
        }
        assert_eq!(sent, 600);
    }

    #[test]
    fn what_nobody_took_is_tried_again() {
        let (mut tx_batcher, now) = (TxBatcher::default(), Instant::now());
        tx_batcher.push(transaction(), now);
        let batch = tx_batcher.next(now + GATHER).unwrap_or_default();
        tx_batcher.put_back(batch.clone(), now);
        assert_eq!(tx_batcher.next(now + GATHER), None);
        assert_eq!(tx_batcher.next(now + RETRY), Some(batch));
    }

    #[test]
    fn the_oldest_make_room() {
        let (mut tx_batcher, now) = (TxBatcher::default(), Instant::now());
        let transaction = transaction();
        let count = 2 * MAX_WAITING / transaction.size();
        (0..count).for_each(|_| tx_batcher.push(transaction.clone(), now));
        assert!(tx_batcher.bytes <= MAX_WAITING);
        assert_eq!(tx_batcher.bytes, tx_batcher.waiting.len() * transaction.size());
        assert_eq!(tx_batcher.dropped() as usize, count - tx_batcher.waiting.len());
    }
}
