//! What sync knows of each peer: what it claims, what it has delivered, how fast it is, and whether to leave it alone
//! for now. Whom to ask is chosen by what they delivered: a claim only says that there is something to ask for.

use super::{pace::Pace, presync::Presync, tree::Rank};
use crate::{PeerKind, PeerStatus, outbound::backoff::Backoff};
use cairn_ledger::{hash::BlockId, pow::Work, units::Height};
use std::cmp::Reverse;
use std::time::{Duration, Instant};

/// Requests for bodies that one peer has at once: while one is on the line, the next is being prepared, however
/// far away the peer is. With one for headers, as many as it answers at once.
pub(super) const JOBS_EACH: usize = 3;
/// What one request for bodies is to bring: what the peer sends in this time. Its requests together hold so
/// much that its line never rests, and a peer that fails so little that it is soon made up for.
const REQUEST_TIME: f64 = 0.5;
/// The most that one request for bodies is to bring, in bytes: less than an answer may hold.
const REQUEST_BYTES: f64 = 3.0 * 1024.0 * 1024.0;
/// The longest pause after a failure; the first is a second, and it doubles with each further one.
const LONGEST_REST: Duration = Duration::from_secs(60);
/// How long a peer is not asked for what it did not have.
const LACKS_FOR: Duration = Duration::from_secs(10);

/// A chain of a peer that is being presynced.
#[derive(Clone, Debug)]
pub(super) struct Look {
    /// How far it is; nothing while an answer is being judged.
    pub(super) presync: Option<Box<Presync>>,
    /// Since when it has its slot.
    pub(super) since: Instant,
    /// Headers that came for it.
    pub(super) headers: u64,
    /// The height of the first header that was linked, once one was.
    pub(super) base: Option<Height>,
}

/// A peer.
#[derive(Clone, Debug)]
pub(super) struct SyncPeer {
    /// How it came here.
    pub(super) kind: PeerKind,
    /// What it says.
    pub(super) status: PeerStatus,
    /// Since when it claims a better chain than the one followed here.
    pub(super) ahead_since: Option<Instant>,
    /// It has sent headers that were of use, and nothing wrong since.
    shows: bool,
    /// Its chain leaves what is known here below this block, too far down for its headers to be kept: it has to be
    /// presynced.
    pub(super) deep: Option<BlockId>,
    /// That being done.
    pub(super) look: Option<Look>,
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
    /// Pauses after failures, the longer the more of them in a row.
    rest: Backoff,
    /// It does not have this block, at this height, nor those above it, until then.
    lacks: Option<(BlockId, Height, Instant)>,
    /// Wrong bodies in a row, and since when.
    lies: Option<(Instant, u32)>,
}

impl SyncPeer {
    /// A peer that has just said where it stands.
    pub(super) fn new(kind: PeerKind, status: PeerStatus) -> Self {
        Self {
            kind,
            status,
            ahead_since: None,
            shows: false,
            deep: None,
            look: None,
            reached: None,
            exhausted: None,
            knows_more: false,
            is_early: false,
            jobs: 0,
            overdue: 0,
            pace: Pace::default(),
            rest: Backoff::default(),
            lacks: None,
            lies: None,
        }
    }

    /// It says where it stands now.
    pub(super) fn update(&mut self, kind: PeerKind, status: PeerStatus) {
        self.kind = kind;
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
        (self.deep, self.look) = (None, None);
    }

    /// Leaves it alone for a while, longer with each failure in a row.
    pub(super) fn rest(&mut self, now: Instant) {
        self.shows = false;
        self.rest.tried(now, LONGEST_REST);
    }

    /// Whether it is left alone now.
    pub(super) fn is_resting(&self, now: Instant) -> bool {
        !self.rest.is_due(now)
    }

    /// It did what it was asked to.
    pub(super) fn succeed(&mut self) {
        self.rest.succeeded();
    }

    /// Whether it has sent headers that were of use, and nothing wrong since.
    pub(super) fn has_shown(&self) -> bool {
        self.shows
    }

    /// Whether it has failed since it last did what it was asked to.
    pub(super) fn has_failed(&self) -> bool {
        self.rest.attempts() > 0
    }

    /// It sent headers that were of use.
    pub(super) fn showed(&mut self) {
        self.succeed();
        self.shows = true;
    }

    /// Who is asked for headers first: whom the operator named; who has shown some; whom this node dialled; who has
    /// failed less.
    pub(super) fn precedence(&self) -> impl Ord + use<> {
        (self.kind.named, self.shows, !self.kind.inbound, Reverse(self.rest.attempts()))
    }

    /// What the branches it brings are worth, before any body has shown more.
    pub(super) fn rank(&self) -> Rank {
        if self.kind.named { Rank::Named } else { Rank::Shown }
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
        self.lacks = self.lacks.filter(|(.., until)| *until > now);
    }

    /// It does not have a block, nor those above it.
    pub(super) fn lack(&mut self, id: BlockId, height: Height, now: Instant) {
        self.lacks = Some((id, height, now + LACKS_FOR));
    }

    /// Forgets what it lacks, if that stands on no path any more: of another branch it may have all.
    pub(super) fn forget_lacking(&mut self, is_wanted: impl Fn(&BlockId) -> bool) {
        self.lacks = self.lacks.filter(|(id, ..)| is_wanted(id));
    }

    /// Whether it may have a block at this height above our tip, which has so much work, or beside it: it says that it
    /// follows that block when it is its `source`, and whoever claims no more work than the tip follows another chain.
    /// With `now`, whether it is worth asking again if it did not have it.
    pub(super) fn may_have(&self, height: Height, tip: Work, is_source: bool, now: Option<Instant>) -> bool {
        let lacks = self.lacks.is_some_and(|(_, from, until)| height >= from && now.is_none_or(|now| until > now));
        let follows = is_source || (height <= self.status.height && self.status.total_work > tip);
        !lacks && self.status.keeps(height) && follows
    }

    /// Whether a wrong body is to be reported: the first two in a second. They are enough to part from it, and
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
