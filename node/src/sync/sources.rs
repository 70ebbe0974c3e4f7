//! What sync knows of each peer: what it claims, how fast it is, and whether to leave it alone for now.

use super::pace::Pace;
use crate::network::PeerStatus;
use cairn_ledger::{hash::BlockId, units::Height};
use std::time::{Duration, Instant};

/// Requests for bodies that one peer has at once: while one is on the line, the next is being prepared, however
/// far away the peer is. With one for headers, as many as it answers at once.
pub(super) const JOBS_EACH: usize = 3;
/// What one request for bodies is to bring: what the peer sends in this time. Its requests together hold so
/// much that its line never rests, and a peer that fails so little that it is soon made up for.
const REQUEST_TIME: f64 = 0.5;
/// The most that one request for bodies is to bring, in bytes: less than an answer may hold.
const REQUEST_BYTES: f64 = 3.0 * 1024.0 * 1024.0;
/// The first pause after a failure; it doubles with each further one.
const FIRST_REST: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_REST: Duration = Duration::from_secs(60);
/// How long a peer is not asked for what it did not have.
const LACKS_FOR: Duration = Duration::from_secs(10);

/// A peer.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// What it says.
    pub(super) status: PeerStatus,
    /// The last header it sent in this run of requests.
    pub(super) reached: Option<(BlockId, Height)>,
    /// The tip it claimed when it had no more headers to give.
    exhausted: Option<BlockId>,
    /// It has passed on a block of a branch that is unknown here.
    pub(super) knows_more: bool,
    /// Its last header was from the future, by this machine's clock.
    pub(super) is_early: bool,
    /// Requests for bodies it has.
    pub(super) jobs: usize,
    /// Those of them that were given to others meanwhile: nothing more is asked of it before it has answered.
    pub(super) overdue: usize,
    /// How fast it is.
    pub(super) pace: Pace,
    rests_until: Option<Instant>,
    failures: u32,
    /// From this height up it has not the blocks we want, until then.
    lacks: Option<(Height, Instant)>,
    /// Wrong bodies in a row, and since when.
    lies: Option<(Instant, u32)>,
}

impl Source {
    /// A peer that has just said where it stands.
    pub(super) fn new(status: PeerStatus) -> Self {
        Self {
            status,
            reached: None,
            exhausted: None,
            knows_more: false,
            is_early: false,
            jobs: 0,
            overdue: 0,
            pace: Pace::default(),
            rests_until: None,
            failures: 0,
            lacks: None,
            lies: None,
        }
    }

    /// It says where it stands now.
    pub(super) fn update(&mut self, status: PeerStatus) {
        if status.tip != self.status.tip {
            self.lacks = None;
        }
        self.status = status;
    }

    /// It has no more headers for us than it gave.
    pub(super) fn exhaust(&mut self) {
        self.exhausted = Some(self.status.tip);
        (self.reached, self.knows_more) = (None, false);
    }

    /// Whether it has given all it has.
    pub(super) fn is_exhausted(&self) -> bool {
        self.exhausted == Some(self.status.tip)
    }

    /// Forgets what was learned of its headers: all begins anew.
    pub(super) fn restart(&mut self) {
        (self.reached, self.exhausted, self.lacks) = (None, None, None);
    }

    /// Leaves it alone for a while, longer with each failure in a row.
    pub(super) fn rest(&mut self, now: Instant) {
        let pause = FIRST_REST.saturating_mul(1 << self.failures.min(10)).min(LONGEST_REST);
        self.failures = self.failures.saturating_add(1);
        self.rests_until = Some(now + pause);
    }

    /// Whether it is left alone now.
    pub(super) fn is_resting(&self, now: Instant) -> bool {
        self.rests_until.is_some_and(|until| until > now)
    }

    /// It did what it was asked to.
    pub(super) fn succeed(&mut self) {
        self.failures = 0;
    }

    /// Whether it may be asked for bodies now.
    pub(super) fn is_free(&self, now: Instant) -> bool {
        // Whoever has never answered is tried out with one: many that stall hold little.
        let most = if self.pace.is_known() { JOBS_EACH } else { 1 };
        self.jobs < most && self.overdue == 0 && !self.is_resting(now)
    }

    /// How many bodies of `mean` bytes one request is to bring.
    pub(super) fn request_size(&self, mean: f64, max: usize) -> usize {
        let bytes = (self.pace.speed() * REQUEST_TIME).min(REQUEST_BYTES);
        ((bytes / mean.max(1.0)) as usize).clamp(1, max)
    }

    /// It gave bodies: what it lacked a while ago it may have now.
    pub(super) fn gave(&mut self, now: Instant) {
        self.succeed();
        self.lacks = self.lacks.filter(|(_, until)| *until > now);
    }

    /// It does not have the blocks we want from this height up.
    pub(super) fn lack(&mut self, height: Height, now: Instant) {
        self.lacks = Some((height, now + LACKS_FOR));
    }

    /// Whether it may have a block at this height, which it says it follows when it is its `source`. With `now`,
    /// whether it is worth asking again if it did not have it.
    pub(super) fn may_have(&self, height: Height, is_source: bool, now: Option<Instant>) -> bool {
        let lacks = self.lacks.is_some_and(|(from, until)| height >= from && now.is_none_or(|now| until > now));
        !lacks && (is_source || (height <= self.status.height && height >= self.status.lowest_body))
    }

    /// Whether a wrong body is to be charged: the first two in a second. They are enough to part from it, and
    /// those after them came in the same answer.
    pub(super) fn take_lie(&mut self, now: Instant) -> bool {
        let lies = match self.lies {
            Some((since, count)) if now.saturating_duration_since(since) < Duration::from_secs(1) => (since, count + 1),
            _ => (now, 1),
        };
        self.lies = Some(lies);
        lies.1 <= 2
    }
}
