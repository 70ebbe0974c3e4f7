//! `pool/1`: pools are compared, again and again. Gossip is quick, and what it loses it loses without a word: a line
//! that is too slow, a batch that came before its time, a neighbour that fell behind. So each peer is asked in what its
//! pool differs from this one, as soon as its chain is not ahead of this node's and every few seconds after, and for
//! what is lacking here. Where pools are equal that is a question of 2 KiB and an answer of a few bytes.
//!
//! One peer is asked at a time, and another only when it takes long: of what all have, each transaction comes once.
//! What comes is admitted as any other transaction, in the order of the peer's list, in which each sender's nonces
//! rise.

use crate::{ids::PeerId, peers::table::PeerTable};
use cairn_chain::PeerNumber;
use cairn_ledger::{hash::TxId, pow::Work, transaction::Transaction};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The pause before a peer is asked again, however often it comes back meanwhile.
const EVERY: Duration = Duration::from_secs(10);
/// The same when it has sent transactions that there was no room to look at.
const CATCH_UP: Duration = Duration::from_secs(5);
/// The longest pause where what a peer has is again and again nothing that is taken here: pools may differ in what they
/// take.
const LONGEST_USELESS: Duration = Duration::from_secs(60);
/// The longest pause where a peer does not answer.
const LONGEST_FAILED: Duration = Duration::from_secs(300);
/// Another is asked beside one that has taken so long.
const SLOW: Duration = Duration::from_secs(5);
/// Peers that are asked at once, all but one of which are slow.
const AT_ONCE: usize = 4;

/// When a peer is asked again.
#[derive(Clone, Copy, Debug)]
struct Rest {
    until: Instant,
    /// The last pause.
    pause: Duration,
    /// Whether the peer failed to answer.
    is_failing: bool,
}

/// Whom this node asks, and has asked.
#[derive(Debug, Default)]
pub(crate) struct PoolRounds {
    /// When each may be asked again, by name: whoever comes back under another number rests on.
    resting: BTreeMap<PeerId, Rest>,
    /// Those who are being asked, and since when.
    asking: BTreeMap<PeerNumber, (PeerId, Instant)>,
}

/// What came of asking a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It has what is here, and no more.
    Equal,
    /// Something of what it has was admitted here.
    Useful,
    /// Nothing of it was.
    Useless,
    /// It did not answer, or misbehaved.
    Failed,
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
    /// What this node's clients paid, and the peer has.
    pub(crate) seen: Vec<TxId>,
    pub(crate) outcome: Outcome,
}

impl FetchedPool {
    /// Before anything came.
    pub(crate) fn nothing(from: PeerNumber) -> Self {
        let (admitted, pass_on, seen) = (Vec::new(), Vec::new(), Vec::new());
        Self { from, admitted, bytes: 0, pass_on, seen, outcome: Outcome::Equal }
    }
}

impl PoolRounds {
    /// How many peers are being asked, and for how long the first of them has been.
    pub(crate) fn in_hand(&self, now: Instant) -> (usize, Duration) {
        let ages = self.asking.values().map(|(_, since)| now.saturating_duration_since(*since));
        (self.asking.len(), ages.max().unwrap_or_default())
    }

    /// The next peer to ask what waits with it, when one is due. Whoever has more work than this node has mined some of
    /// it already, and this node could not judge the rest.
    pub(crate) fn next(&mut self, peers: &PeerTable, own: Work, now: Instant) -> Option<PeerNumber> {
        let is_slow = |(_, since): &(PeerId, Instant)| now.saturating_duration_since(*since) >= SLOW;
        if self.asking.len() >= AT_ONCE || !self.asking.values().all(is_slow) {
            return None;
        }
        let due = peers.iter().filter(|(number, peer)| {
            let status = peer.status.as_ref();
            status.is_some_and(|status| status.total_work <= own) && self.is_due(*number, &peer.id, now)
        });
        // Whoever has waited longest; who was never asked first.
        let (number, id) = due
            .min_by_key(|(_, peer)| self.resting.get(&peer.id).map(|rest| rest.until))
            .map(|(number, peer)| (number, peer.id))?;
        self.resting.retain(|id, rest| rest.until > now || peers.number(id).is_some());
        self.begin(number, id, now);
        Some(number)
    }

    fn is_due(&self, number: PeerNumber, id: &PeerId, now: Instant) -> bool {
        !self.asking.contains_key(&number) && self.resting.get(id).is_none_or(|rest| rest.until <= now)
    }

    fn begin(&mut self, number: PeerNumber, id: PeerId, now: Instant) {
        self.asking.insert(number, (id, now));
        let rest = self.resting.entry(id).or_insert(Rest { until: now, pause: EVERY, is_failing: false });
        // It may go and come back before there is an answer.
        rest.until = now + rest.pause;
    }

    /// The pool of one that was asked was looked through, as far as it answered.
    pub(crate) fn end(&mut self, number: PeerNumber, outcome: Outcome, now: Instant) {
        let Some((id, _)) = self.asking.remove(&number) else { return };
        let Some(rest) = self.resting.get_mut(&id) else { return };
        let longer = |from: Duration, longest: Duration| (rest.pause * 2).clamp(from, longest);
        let pause = match outcome {
            Outcome::Equal | Outcome::Useful => EVERY,
            Outcome::Useless => longer(EVERY, LONGEST_USELESS),
            Outcome::Failed if rest.is_failing => longer(CATCH_UP, LONGEST_FAILED),
            // A connection that closed, say: soon at first.
            Outcome::Failed => CATCH_UP,
        };
        *rest = Rest { until: now + pause, pause, is_failing: outcome == Outcome::Failed };
    }

    /// Has a peer asked before long: it sent transactions that there was no room to look at. One that does not answer
    /// is asked no sooner for that.
    pub(crate) fn missed(&mut self, id: PeerId, now: Instant) {
        if let Some(rest) = self.resting.get_mut(&id).filter(|rest| !rest.is_failing) {
            rest.until = rest.until.min(now + CATCH_UP);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBER: PeerNumber = PeerNumber(1);

    /// Asks one peer for so long, with this outcome each time: after how many seconds it was asked.
    fn asked(outcome: Outcome, for_seconds: u64) -> Vec<u64> {
        let (mut rounds, start, id) = (PoolRounds::default(), Instant::now(), PeerId::random());
        let at = |second| start + Duration::from_secs(second);
        let mut ask = |second: &u64| {
            let is_due = rounds.is_due(NUMBER, &id, at(*second));
            if is_due {
                rounds.begin(NUMBER, id, at(*second));
                rounds.end(NUMBER, outcome, at(*second));
            }
            // Gossip there was no room for comes all the while from one that does not answer.
            if outcome == Outcome::Failed {
                rounds.missed(id, at(*second));
            }
            is_due
        };
        (0..for_seconds).filter(|second| ask(second)).collect()
    }

    #[test]
    fn pools_are_compared_again_and_again_and_more_rarely_where_nothing_comes_of_it() {
        assert_eq!(asked(Outcome::Equal, 40), [0, 10, 20, 30]);
        assert_eq!(asked(Outcome::Useful, 40), [0, 10, 20, 30]);
        assert_eq!(asked(Outcome::Useless, 300), [0, 20, 60, 120, 180, 240]);
    }

    /// Whoever refused `pool/1` was once asked every five seconds for ever.
    #[test]
    fn whoever_never_answers_is_asked_more_and_more_rarely() {
        assert_eq!(asked(Outcome::Failed, 1_300), [0, 5, 15, 35, 75, 155, 315, 615, 915, 1_215]);
    }

    #[test]
    fn whoever_comes_back_again_and_again_is_not_asked_again_and_again() {
        let (mut rounds, now) = (PoolRounds::default(), Instant::now());
        let (id, other) = (PeerId::random(), PeerId::random());
        assert!(rounds.is_due(NUMBER, &id, now));
        rounds.begin(NUMBER, id, now);
        for number in (2..100).map(PeerNumber) {
            assert!(!rounds.is_due(number, &id, now + EVERY / 2));
        }
        assert!(rounds.is_due(PeerNumber(100), &other, now), "the control: somebody else is asked");
        rounds.end(NUMBER, Outcome::Failed, now);
        assert!(rounds.is_due(PeerNumber(100), &id, now + EVERY));
    }

    #[test]
    fn what_there_was_no_room_for_is_asked_for_before_long() {
        let (mut rounds, now, id) = (PoolRounds::default(), Instant::now(), PeerId::random());
        rounds.begin(NUMBER, id, now);
        rounds.end(NUMBER, Outcome::Equal, now);
        assert!(!rounds.is_due(NUMBER, &id, now + CATCH_UP), "the control: nothing was missed");
        rounds.missed(id, now);
        assert!(!rounds.is_due(NUMBER, &id, now + CATCH_UP / 2));
        // However often that happens meanwhile.
        rounds.missed(id, now + CATCH_UP / 2);
        assert!(rounds.is_due(NUMBER, &id, now + CATCH_UP));
    }

    #[test]
    fn one_slow_peer_keeps_no_other_from_being_asked() {
        use crate::peers::table::Services;
        use crate::testing::{acquainted, context};
        let (cx, mut peers, mut rounds) = (context(), PeerTable::default(), PoolRounds::default());
        for n in 1..=6 {
            acquainted(&mut peers, &format!("/ip4/1.2.3.{n}/tcp/1"), true, Services::default(), &cx);
        }
        let mut asked = |second| rounds.next(&peers, cx.tip.total_work, cx.now + Duration::from_secs(second));
        let first = asked(0);
        assert!(first.is_some() && asked(1).is_none(), "one at a time");
        // None of them ever ends.
        let others = [asked(5), asked(10), asked(15)];
        assert!(others.iter().all(|other| other.is_some() && *other != first));
        assert_eq!(asked(60), None, "no more than so many at once");
    }
}
