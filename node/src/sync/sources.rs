//! What sync knows of each peer: what it claims, how fast it is, and whether to leave it alone for now.

use crate::network::PeerStatus;
use cairn_ledger::{hash::BlockId, units::Height};
use std::time::{Duration, Instant};

/// Requests for bodies that one peer has at once: while one is on the line, the next is being prepared.
pub(super) const JOBS_EACH: usize = 2;
/// How much one request for bodies is to bring: what the peer sends in this time.
const REQUEST_TIME: f64 = 1.0;
/// The least and the most that one request for bodies is to bring, in bytes.
const REQUEST_BYTES: (f64, f64) = (64.0 * 1024.0, 3.0 * 1024.0 * 1024.0);
/// What a peer is taken to send in a second before it has been measured, in bytes.
const FIRST_SPEED: f64 = 512.0 * 1024.0;
/// How much the newest measurement counts.
const NEWEST: f64 = 0.3;
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
    /// Requests for bodies it has.
    pub(super) jobs: usize,
    /// Bytes a second, measured.
    speed: f64,
    rests_until: Option<Instant>,
    failures: u32,
    /// From this height up it has not the blocks we want, until then.
    lacks: Option<(Height, Instant)>,
}

impl Source {
    /// A peer that has just said where it stands.
    pub(super) fn new(status: PeerStatus) -> Self {
        Self {
            status,
            reached: None,
            exhausted: None,
            knows_more: false,
            jobs: 0,
            speed: FIRST_SPEED,
            rests_until: None,
            failures: 0,
            lacks: None,
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

    /// It sent so many bytes in so long.
    pub(super) fn measure(&mut self, bytes: usize, took: Duration) {
        let speed = bytes as f64 / took.as_secs_f64().max(0.001);
        // A few bytes say nothing about the line.
        if bytes as f64 >= REQUEST_BYTES.0 || speed > self.speed {
            self.speed += (speed - self.speed) * NEWEST;
        }
    }

    /// It was too slow: it is asked for less.
    pub(super) fn slow_down(&mut self) {
        self.speed = (self.speed / 4.0).max(REQUEST_BYTES.0 / 8.0);
    }

    /// How fast it is, for choosing among many.
    pub(super) fn speed(&self) -> u64 {
        self.speed as u64
    }

    /// How many bodies of `mean` bytes one request is to bring.
    pub(super) fn request_size(&self, mean: f64, max: usize) -> usize {
        let (least, most) = REQUEST_BYTES;
        let bytes = (self.speed * REQUEST_TIME).clamp(least, most);
        ((bytes / mean.max(1.0)) as usize).clamp(1, max)
    }

    /// It does not have the blocks we want from this height up.
    pub(super) fn lack(&mut self, height: Height, now: Instant) {
        self.lacks = Some((height, now + LACKS_FOR));
    }

    /// Whether it may have a block at this height, which it says it follows when it is its `source`.
    pub(super) fn may_have(&self, height: Height, is_source: bool, now: Instant) -> bool {
        let lacks = self.lacks.is_some_and(|(from, until)| height >= from && until > now);
        !lacks && (is_source || (height <= self.status.height && height >= self.status.lowest_body))
    }
}
