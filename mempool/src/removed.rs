//! Why transactions left, for a while.

use super::policy::DropReason;
use cairn_ledger::{Timestamp, TxId};
use hashlink::LinkedHashMap;
use std::hash::RandomState;

/// How long a reason is kept, in milliseconds: a day, so that whoever looks in the morning finds it.
const KEEP_MS: u64 = 24 * 60 * 60 * 1000;
/// The most reasons kept, about 2 MiB; the oldest go first.
const KEEP: usize = 20_000;

/// Why transactions left the pool without being mined, and when, in order of time.
#[derive(Debug, Default)]
pub(super) struct Removed(LinkedHashMap<TxId, (Timestamp, DropReason), RandomState>);

impl Removed {
    /// Remembers a reason; the last of several counts.
    pub fn record(&mut self, now: Timestamp, txid: TxId, reason: DropReason) {
        self.0.insert(txid, (now, reason));
        if self.0.len() > KEEP {
            self.0.pop_front();
        }
    }

    /// Forgets a transaction that came back or was mined.
    pub fn forget(&mut self, txid: &TxId) {
        self.0.remove(txid);
    }

    /// Forgets what is too old.
    pub fn on_time(&mut self, now: Timestamp) {
        while self.0.front().is_some_and(|(_, (at, _))| now.since(*at) > KEEP_MS) {
            self.0.pop_front();
        }
    }

    /// Why a transaction left.
    pub fn reason(&self, txid: &TxId) -> Option<DropReason> {
        self.0.get(txid).map(|(_, reason)| *reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn txid(n: u64) -> TxId {
        TxId::from_bytes(*cairn_ledger::testing::arbitrary_hash(n).as_bytes())
    }

    #[test]
    fn reasons_are_kept_for_a_day_and_in_bounded_number() {
        let mut removed = Removed::default();
        let start = Timestamp::from_millis(1_000);
        for n in 0..KEEP as u64 + 10 {
            removed.record(start.saturating_add(n), txid(n), DropReason::Evicted);
        }
        assert_eq!(removed.0.len(), KEEP);
        assert_eq!(removed.reason(&txid(9)), None, "the oldest made room");
        assert_eq!(removed.reason(&txid(10)), Some(DropReason::Evicted));
        removed.forget(&txid(11));
        assert_eq!(removed.reason(&txid(11)), None, "it came back");
        removed.on_time(start.saturating_add(KEEP_MS + 20));
        assert_eq!((removed.reason(&txid(19)), removed.reason(&txid(20))), (None, Some(DropReason::Evicted)));
    }

    #[test]
    fn the_last_of_several_departures_counts() {
        let mut removed = Removed::default();
        removed.record(Timestamp::from_millis(1), txid(1), DropReason::Evicted);
        removed.forget(&txid(1));
        removed.record(Timestamp::from_millis(2), txid(1), DropReason::TooOld);
        removed.on_time(Timestamp::from_millis(KEEP_MS + 2));
        assert_eq!(removed.reason(&txid(1)), Some(DropReason::TooOld), "the older entry was stale");
    }
}
