//! How a peer stands: points that are lost by misbehaviour and forgiven with time.
//!
//! The penalties of all misbehaviour stand in [`penalty`] and nowhere else.

use cairn_chain::Misbehaviour;
use std::time::{Duration, Instant};

/// A score at which a peer is cut off.
const CUT_OFF: f64 = -100.0;
/// The time in which half of a score is forgiven: an honest peer with a flaky line recovers, one that
/// offends again and again does not.
pub(super) const HALF_LIFE: Duration = Duration::from_secs(600);
/// How long a ban lasts.
pub(super) const BAN: Duration = Duration::from_secs(3600);

/// What a misbehaviour costs, in points of score, and whether a peer cut off for it may not come back for a while.
///
/// Whoever sends what no honest node can send is cut off after the first, second or third time; slowness
/// and haste cost little, and are never banned for.
fn penalty(misbehaviour: &Misbehaviour) -> (f64, bool) {
    match misbehaviour {
        // Honest nodes check before they pass on or serve, and work is too dear to be wrong by accident.
        Misbehaviour::InvalidHeader(_) | Misbehaviour::InvalidBlock(_) => (100.0, true),
        // No honest program makes these, but a broken line or disk might, once.
        Misbehaviour::Undecodable(_) | Misbehaviour::MutatedBody | Misbehaviour::WrongAnswer => (50.0, true),
        // An honest node's chain never loses work.
        Misbehaviour::Unkept => (34.0, false),
        // Checked by honest nodes before it is passed on; each costs us the check of one batch.
        Misbehaviour::InvalidTransaction(_) => (34.0, true),
        // Slow is not malicious, and a node that ran into a limit may have been made to.
        Misbehaviour::Stalled | Misbehaviour::Flooding => (10.0, false),
    }
}

/// What to do about a peer that was reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Nothing.
    Keep,
    /// Close its connections.
    Disconnect,
    /// Close its connections and refuse it for so long.
    Ban(Duration),
}

/// A number of points that halves with time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Score {
    points: f64,
    at: Instant,
}

impl Score {
    /// No points.
    pub(crate) fn new(now: Instant) -> Self {
        Self { points: 0.0, at: now }
    }

    /// The points that are left now.
    pub(crate) fn now(&self, now: Instant) -> f64 {
        let halvings = now.saturating_duration_since(self.at).as_secs_f64() / HALF_LIFE.as_secs_f64();
        self.points * (-halvings).exp2()
    }

    /// Adds points, and says how many there are with them.
    pub(crate) fn add(&mut self, points: f64, now: Instant) -> f64 {
        *self = Self { points: self.now(now) + points, at: now };
        self.points
    }

    /// Takes off what a misbehaviour costs, and says what to do about the peer.
    pub(crate) fn report(&mut self, misbehaviour: &Misbehaviour, now: Instant) -> Decision {
        let (points, is_bannable) = penalty(misbehaviour);
        match self.add(-points, now) > CUT_OFF {
            true => Decision::Keep,
            false if is_bannable => Decision::Ban(BAN),
            false => Decision::Disconnect,
        }
    }
}
