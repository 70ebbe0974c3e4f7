//! What this node's own clients paid, until somebody else is seen to have it: it is sent again and again, for a batch
//! may be lost on the way, or be taken for one that came before. Pure: the time is an argument.

use cairn_ledger::{hash::TxId, transaction::Transaction};
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

/// Payments that are watched; of more, the oldest are left to the comparing of pools.
const MOST: usize = 4_096;
/// Their bytes.
const MOST_BYTES: usize = 4 << 20;
/// The pause before one is sent again; it doubles each time.
const FIRST: Duration = Duration::from_secs(10);
/// How often one is sent again: over three hours. What nobody has by then waits in the pool, which others ask for.
const TIMES: u32 = 10;
/// Bytes that are sent again at once.
const AT_ONCE: usize = 256 << 10;

/// A payment nobody else is known to have.
#[derive(Debug)]
struct Unseen {
    txid: TxId,
    transaction: Transaction,
    due: Instant,
    times: u32,
}

/// What was paid here, and was not seen elsewhere.
#[derive(Debug, Default)]
pub(crate) struct OwnTxs {
    /// In the order in which they came.
    unseen: BTreeMap<u64, Unseen>,
    places: HashMap<TxId, u64>,
    last: u64,
    bytes: usize,
    /// The earliest of their moments.
    next: Option<Instant>,
}

impl OwnTxs {
    /// A payment was made here, and is sent now.
    pub(crate) fn paid(&mut self, txid: TxId, transaction: Transaction, now: Instant) {
        if self.places.contains_key(&txid) {
            return;
        }
        let due = now + FIRST;
        self.last += 1;
        self.bytes += transaction.size();
        self.places.insert(txid, self.last);
        self.unseen.insert(self.last, Unseen { txid, transaction, due, times: 0 });
        while (self.unseen.len() > MOST || self.bytes > MOST_BYTES)
            && let Some(oldest) = self.unseen.values().next().map(|unseen| unseen.txid)
        {
            self.seen(&oldest);
        }
        self.next = Some(self.next.map_or(due, |next| next.min(due)));
    }

    /// Somebody else has it, or it is mined.
    pub(crate) fn seen(&mut self, txid: &TxId) {
        let unseen = self.places.remove(txid).and_then(|place| self.unseen.remove(&place));
        self.bytes -= unseen.map_or(0, |unseen| unseen.transaction.size());
    }

    /// Those that nobody else is known to have.
    pub(crate) fn unseen(&self) -> Vec<TxId> {
        self.unseen.values().map(|unseen| unseen.txid).collect()
    }

    /// Those to be sent again now.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<Transaction> {
        if self.next.is_none_or(|next| next > now) {
            return Vec::new();
        }
        let (mut again, mut bytes, mut given_up) = (Vec::new(), 0, Vec::new());
        for unseen in self.unseen.values_mut().filter(|unseen| unseen.due <= now) {
            if bytes >= AT_ONCE {
                break;
            }
            bytes += unseen.transaction.size();
            again.push(unseen.transaction.clone());
            unseen.times += 1;
            unseen.due = now + FIRST.saturating_mul(1 << unseen.times.min(16));
            given_up.extend((unseen.times >= TIMES).then_some(unseen.txid));
        }
        given_up.iter().for_each(|txid| self.seen(txid));
        self.next = self.unseen.values().map(|unseen| unseen.due).min();
        again
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_ledger::testing::{easy_network, key, payment};

    #[test]
    fn a_payment_is_sent_again_until_somebody_has_it() {
        let (mut own, start) = (OwnTxs::default(), Instant::now());
        let pay = |nonce| payment(&easy_network(), &key(1), nonce, key(2).address(), 5, 185);
        let (lost, seen) = (pay(0), pay(1));
        own.paid(lost.id(), lost.clone(), start);
        own.paid(seen.id(), seen.clone(), start);
        assert_eq!(own.due(start + FIRST / 2), []);
        own.seen(&seen.id());
        let sent: Vec<u64> =
            (0..20_000).filter(|second| own.due(start + Duration::from_secs(*second)) == [lost.clone()]).collect();
        assert_eq!(sent[..4], [10, 30, 70, 150]);
        assert_eq!((sent.len(), own.unseen().len()), (TIMES as usize, 0), "not for ever");
    }

    #[test]
    fn a_crowd_of_payments_is_watched_in_part_and_sent_again_a_few_at_a_time() {
        let (mut own, start) = (OwnTxs::default(), Instant::now());
        for nonce in 0..2 * MOST as u64 {
            let payment = payment(&easy_network(), &key(1), nonce, key(2).address(), 5, 185);
            own.paid(payment.id(), payment, start);
        }
        assert_eq!(own.unseen().len(), MOST);
        let (first, second) = (own.due(start + FIRST), own.due(start + FIRST));
        assert!(first.len() < MOST && first[0] != second[0]);
    }
}
