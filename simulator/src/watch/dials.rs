//! Whom a node dials, and how often.

use crate::executor::{Nanos, NodeId};
use std::collections::{BTreeMap, BTreeSet};

/// Two dials of the book's at an address that has failed are at least so far apart: its first pause.
const BOOK_PAUSE: Nanos = 10_000_000_000;
/// It doubles with each dial that fails, up to this.
const LONGEST_BOOK_PAUSE: Nanos = 3_600_000_000_000;
/// Whoever has dialled fewer others dials those it was told of. Nodes do so below eight; half of that are few however
/// peers are counted that are connected in both directions.
const FEW: usize = 4;
/// Whoever was a peer for so long may be one to return to.
const LONG: Nanos = 120_000_000_000;

/// Dials at one address since it was last reached.
#[derive(Clone, Copy, Debug)]
pub struct Streak {
    /// How many.
    pub dials: u64,
    /// When the first began.
    pub first: Nanos,
    /// When the last began.
    pub last: Nanos,
    /// The last that the book is asked for.
    booked: Option<Nanos>,
    /// How many of the book's came too soon after one that had failed.
    pub hasty: u64,
    /// How many were the book's.
    pub count: u64,
    /// To whom, where somebody is known to be there, who was reached there before.
    pub reached: Option<NodeId>,
}

/// Whom a node dials.
#[derive(Clone, Debug, Default)]
pub struct Dials {
    streaks: BTreeMap<String, Streak>,
    /// Dials to see whether somebody is there (feelers).
    pub feelers: u64,
    /// When the last of them began.
    pub last_feeler: Nanos,
    /// Dials for slots.
    pub slots: u64,
    /// Those whom this node has dialled, and since when they are connected.
    outbound: BTreeMap<NodeId, Nanos>,
    /// Since when they are fewer than a node wants at least, if they are.
    few_since: Option<Nanos>,
    /// All whom this node has dialled and reached since it started.
    reached: BTreeSet<NodeId>,
    /// When somebody was last dialled, or went.
    lately: BTreeMap<NodeId, Nanos>,
    /// Those whom the book's dials have not reached, or not got acquainted with: how many there were, and when the last
    /// began. The book is kept over restarts.
    failing: BTreeMap<NodeId, (u32, Nanos)>,
    /// Those to whom it might return after its last restart, and those whom it has dialled first.
    pub before: BTreeSet<NodeId>,
    /// The first whom it has dialled for a slot since then.
    pub first: Vec<NodeId>,
}

/// How many of the first dials are remembered.
const FIRST: usize = 8;

impl Dials {
    /// The node ends: those whom it has dialled for long are in its file.
    pub fn on_stop(&mut self, now: Nanos) {
        let old = self.outbound.iter().filter(|(_, since)| now.saturating_sub(**since) >= LONG);
        let old: BTreeSet<NodeId> = old.map(|(peer, _)| *peer).collect();
        // Whoever is down already is stopped again.
        if !old.is_empty() {
            self.before = old;
        }
    }

    /// The node starts again.
    pub(super) fn restarted(self, now: Nanos) -> Self {
        Self { before: self.before, failing: self.failing, few_since: Some(now), ..Self::default() }
    }

    /// A dial begins: for the book (a slot, or a feeler), or for somebody who was named.
    pub fn on_dial(&mut self, address: &str, target: Option<NodeId>, booked: Option<bool>, now: Nanos) {
        self.lately.extend(target.map(|target| (target, now)));
        match booked {
            Some(true) => (self.feelers, self.last_feeler) = (self.feelers + 1, now),
            Some(false) => {
                self.slots += 1;
                if self.first.len() < FIRST {
                    self.first.extend(target);
                }
            }
            None => {}
        }
        let streak = self.streaks.entry(address.to_owned()).or_insert(Streak {
            dials: 0,
            first: now,
            last: now,
            booked: None,
            hasty: 0,
            count: 0,
            reached: target.filter(|target| self.reached.contains(target)),
        });
        streak.dials += 1;
        streak.last = now;
        if booked.is_some() {
            if let Some(target) = target {
                let (dials, last) = self.failing.entry(target).or_default();
                (*dials, *last) = (*dials + 1, now);
            }
            streak.hasty += u64::from(streak.booked.is_some_and(|last| now.saturating_sub(last) < BOOK_PAUSE));
            streak.booked = Some(now);
            streak.count += 1;
        }
    }

    /// Somebody was reached.
    pub fn on_reached(&mut self, address: &str, peer: NodeId, now: Nanos) {
        self.streaks.remove(address);
        self.reached.insert(peer);
        self.outbound.entry(peer).or_insert(now);
        if self.outbound.len() >= FEW {
            self.few_since = None;
        }
    }

    /// Somebody who is connected has said where it stands: only then does the book take it for reached.
    pub fn on_acquainted(&mut self, peer: NodeId) {
        if self.outbound.contains_key(&peer) {
            self.failing.remove(&peer);
        }
    }

    /// A connection with somebody has ended.
    pub fn on_closed(&mut self, peer: NodeId, now: Nanos) {
        self.lately.insert(peer, now);
        self.outbound.remove(&peer);
        if self.outbound.len() < FEW {
            self.few_since.get_or_insert(now);
        }
    }

    /// Since when this node has dialled fewer others than it wants at least, if it has.
    pub fn few_since(&self) -> Option<Nanos> {
        self.few_since
    }

    /// Until when the book's pause lasts, at the most, after its dials to somebody have failed.
    pub fn paused_until(&self, peer: NodeId) -> Nanos {
        let pause = |(dials, last): &(u32, Nanos)| last + (BOOK_PAUSE << (*dials).min(16)).min(LONGEST_BOOK_PAUSE);
        self.failing.get(&peer).map_or(0, pause)
    }

    /// Those whom this node has dialled, and since when they are connected.
    pub fn outbound(&self) -> &BTreeMap<NodeId, Nanos> {
        &self.outbound
    }

    /// When somebody was last dialled, or went.
    pub fn lately(&self, peer: NodeId) -> Nanos {
        self.lately.get(&peer).copied().unwrap_or(0)
    }

    /// Dials at addresses that were not reached since.
    pub fn streaks(&self) -> impl Iterator<Item = &Streak> {
        self.streaks.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    #[test]
    fn few_are_counted_from_the_moment_at_which_they_became_few() {
        let mut dials = Dials::default().restarted(0);
        assert_eq!(dials.few_since(), Some(0));
        (0..4).for_each(|peer| dials.on_reached("somewhere", NodeId(peer), SECOND));
        assert_eq!(dials.few_since(), None);
        dials.on_closed(NodeId(0), 50 * SECOND);
        dials.on_closed(NodeId(1), 60 * SECOND);
        assert_eq!(dials.few_since(), Some(50 * SECOND));
    }

    #[test]
    fn the_pause_after_dials_in_vain_doubles_and_outlasts_a_restart() {
        let (mut dials, peer) = (Dials::default(), NodeId(1));
        assert_eq!(dials.paused_until(peer), 0);
        dials.on_dial("there", Some(peer), None, 5 * SECOND);
        assert_eq!(dials.paused_until(peer), 0, "the book has nothing to do with it");
        dials.on_dial("there", Some(peer), Some(false), 10 * SECOND);
        assert_eq!(dials.paused_until(peer), 30 * SECOND);
        dials.on_dial("there", Some(peer), Some(true), 30 * SECOND);
        let mut dials = dials.restarted(40 * SECOND);
        assert_eq!(dials.paused_until(peer), 70 * SECOND);
        (0..20).for_each(|_| dials.on_dial("there", Some(peer), Some(true), 100 * SECOND));
        assert_eq!(dials.paused_until(peer), 3_700 * SECOND);
        dials.on_reached("there", peer, 200 * SECOND);
        assert_eq!(dials.paused_until(peer), 3_700 * SECOND, "it may refuse this node after the handshake");
        dials.on_acquainted(peer);
        assert_eq!(dials.paused_until(peer), 0);
    }
}
