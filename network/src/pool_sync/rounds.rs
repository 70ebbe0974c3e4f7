//! `pool/1`: what waited before two nodes met. Gossip brings only what is new; so a peer is asked once what waits
//! in its pool, as soon as its chain is not ahead of this node's, and then for what is lacking here.
//!
//! One peer is asked at a time: of what all have, each transaction comes once. What comes is admitted as any other
//! transaction, in the order of the peer's list, in which each sender's nonces rise.

use crate::{ids::PeerId, peers::table::PeerTable};
use cairn_chain::PeerNumber;
use cairn_ledger::{hash::TxId, pow::Work, transaction::Transaction};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// The pause before a peer is asked again, however often it comes back meanwhile.
const AGAIN: Duration = Duration::from_secs(60);
/// The same when it has sent transactions that there was no room to look at: gossip brings them only once.
const CATCH_UP: Duration = Duration::from_secs(5);

/// Whom this node has asked.
#[derive(Debug, Default)]
pub(crate) struct PoolRounds {
    /// When each may be asked again, by name: as many as can be asked within [`AGAIN`].
    resting: BTreeMap<PeerId, Instant>,
    /// Those of now.
    done: BTreeSet<PeerNumber>,
    /// Whether one is being asked.
    is_asking: bool,
}

/// What a peer's pool brought.
#[derive(Debug)]
pub struct FetchedPool {
    pub(crate) from: PeerNumber,
    /// What was admitted here.
    pub(crate) admitted: Vec<TxId>,
    /// Its bytes.
    pub(crate) bytes: usize,
    /// What others may lack, too.
    pub(crate) pass_on: Vec<Transaction>,
    /// Whether the peer was asked for all of it, or misbehaved.
    pub(crate) is_done: bool,
}

impl PoolRounds {
    /// The next peer to ask what waits with it, when one is due and nobody is being asked. Whoever has more work than
    /// this node has mined some of it already, and this node could not judge the rest.
    pub(crate) fn next(&mut self, peers: &PeerTable, own: Work, now: Instant) -> Option<PeerNumber> {
        if self.is_asking {
            return None;
        }
        let mut due = peers.iter().filter(|(number, peer)| {
            let status = peer.status.as_ref();
            status.is_some_and(|status| status.total_work <= own) && self.is_due(*number, &peer.id, now)
        });
        let (number, id) = due.next().map(|(number, peer)| (number, peer.id))?;
        self.begin(number, id, now);
        Some(number)
    }

    fn is_due(&self, number: PeerNumber, id: &PeerId, now: Instant) -> bool {
        !self.done.contains(&number) && self.resting.get(id).is_none_or(|until| *until <= now)
    }

    fn begin(&mut self, number: PeerNumber, id: PeerId, now: Instant) {
        self.is_asking = true;
        self.resting.retain(|_, until| *until > now);
        self.resting.insert(id, now + AGAIN);
        self.done.insert(number);
    }

    /// The pool of the one that was asked was looked through.
    pub(crate) fn end(&mut self) {
        self.is_asking = false;
    }

    /// Has a peer asked again before long: it sent transactions that could not be looked at, or did not answer.
    pub(crate) fn missed(&mut self, number: PeerNumber, id: PeerId, now: Instant) {
        self.done.remove(&number);
        let until = self.resting.entry(id).or_insert(now + CATCH_UP);
        *until = (*until).min(now + CATCH_UP);
    }

    /// Forgets a connection that is gone.
    pub(crate) fn forget(&mut self, number: PeerNumber) {
        self.done.remove(&number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_comes_back_again_and_again_is_not_asked_again_and_again() {
        let (mut rounds, now) = (PoolRounds::default(), Instant::now());
        let (id, other) = (PeerId::random(), PeerId::random());
        assert!(rounds.is_due(PeerNumber(1), &id, now));
        rounds.begin(PeerNumber(1), id, now);
        for number in 2..100 {
            rounds.forget(PeerNumber(number - 1));
            assert!(!rounds.is_due(PeerNumber(number), &id, now + AGAIN / 2));
        }
        assert!(rounds.is_due(PeerNumber(100), &other, now), "the control: somebody else is asked");
        // Away for longer, it may have heard of others: a partition heals. While it stays, gossip is enough.
        assert!(rounds.is_due(PeerNumber(100), &id, now + AGAIN));
        rounds.begin(PeerNumber(100), id, now + AGAIN);
        assert!(!rounds.is_due(PeerNumber(100), &id, now + 3 * AGAIN));
        assert_eq!(rounds.resting.len(), 1);
    }

    #[test]
    fn what_there_was_no_room_for_is_asked_for_before_long() {
        let (mut rounds, now) = (PoolRounds::default(), Instant::now());
        let (number, id) = (PeerNumber(1), PeerId::random());
        rounds.begin(number, id, now);
        assert!(!rounds.is_due(number, &id, now + AGAIN), "the control: nothing was missed");
        rounds.missed(number, id, now);
        assert!(!rounds.is_due(number, &id, now + CATCH_UP / 2));
        // However often that happens meanwhile.
        rounds.missed(number, id, now + CATCH_UP / 2);
        assert!(rounds.is_due(number, &id, now + CATCH_UP));
        rounds.begin(number, id, now + CATCH_UP);
        assert!(!rounds.is_due(number, &id, now + AGAIN), "and once");
    }
}
