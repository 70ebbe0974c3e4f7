//! The synchronisation as a machine: events in, actions out. It has no clock, no channel and no randomness,
//! so the same events always give the same actions.

pub(super) mod bodies;
mod headers;
mod presync;
mod status;

use super::presync::{Presync, Step};
use super::{handle::SyncPhase, sync_peers::SyncPeer, tree::Tree};
use crate::{NetworkEvent, RequestError};
use bodies::{BodyJob, EarlyBody};
use cairn_chain::{BlockOutcome, HeaderOutcome, Misbehaviour, PeerNumber, Tip};
use cairn_common::rolling_rate::RollingRate;
use cairn_ledger::block::{Body, Header};
use cairn_ledger::{error::BlockError, hash::BlockId, pow::Work, units::Height, validate::LinkedHeader};
use headers::HeaderJob;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What the rates look back at: long enough that a batch does not look like a jump, short enough that a peer that goes
/// shows.
const RATE_WINDOW: Duration = Duration::from_secs(20);
/// Between two samples of them.
const RATE_EVERY: Duration = Duration::from_secs(1);

/// What happens.
#[derive(Clone, Debug)]
pub(super) enum SyncEvent {
    /// The network tells of a peer.
    Network(NetworkEvent),
    /// A request for headers has ended.
    Headers { job: u64, answer: Result<Vec<Header>, RequestError> },
    /// The chain has tried to link them.
    Linked { job: u64, outcomes: Vec<HeaderOutcome> },
    /// A presync can begin; not where the chain no longer knows the fork.
    PresyncBegun { job: u64, presync: Option<Box<Presync>> },
    /// A presync has taken an answer in.
    Presynced { job: u64, presync: Box<Presync>, step: Step },
    /// A request for bodies has ended.
    Bodies { job: u64, answer: Result<Vec<Body>, RequestError> },
    /// An import has ended; the error says that the body is not the header's.
    Imported { id: BlockId, peer: PeerNumber, result: Result<BlockOutcome, BlockError> },
    /// The chain has moved.
    TipMoved { tip: Tip, connected: Vec<BlockId> },
    /// The chain has moved, nobody knows how.
    MovesMissed { tip: Tip },
    /// This machine's clock was compared with the tip, which it can be behind of only if it was set back.
    ClockRead { is_behind: bool },
    /// Time has passed.
    Tick,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SyncAction {
    /// Ask a peer for headers: after `branch`, or else after the followed chain's own locator.
    FetchHeaders { job: u64, peer: PeerNumber, branch: Vec<BlockId> },
    /// Have headers linked; `is_presynced`: they are part of a branch that has more work than the tip.
    Link { job: u64, peer: PeerNumber, headers: Vec<Header>, is_presynced: bool },
    /// Begin to presync the chain after this block of a peer that claims so much work.
    BeginPresync { job: u64, fork: BlockId, claimed: Work },
    /// Have a presync take an answer in.
    Presync { job: u64, presync: Box<Presync>, headers: Vec<Header> },
    /// Ask a peer for bodies.
    FetchBodies { job: u64, peer: PeerNumber, ids: Vec<BlockId> },
    /// Have a block imported.
    Import { peer: PeerNumber, header: LinkedHeader, body: Body },
    /// Look for nodes that have the body of the block at this height.
    SeekOthers { height: Height },
    /// Report a peer.
    Report { peer: PeerNumber, misbehaviour: Misbehaviour },
}

/// The lowest body of the path.
#[derive(Clone, Copy, Debug)]
struct Head {
    id: BlockId,
    /// Since when it is that.
    since: Instant,
    /// When somebody was last about to send it.
    hoped: Instant,
}

/// The machine.
#[derive(Debug)]
pub(super) struct Machine {
    /// When the last event happened.
    now: Instant,
    /// What follows from it.
    actions: Vec<SyncAction>,
    tip: Tip,
    /// How far the chain is about to connect what was fetched, at or above its tip.
    connecting: Height,
    tree: Tree,
    sources: BTreeMap<PeerNumber, SyncPeer>,
    headers: BTreeMap<u64, HeaderJob>,
    bodies: BTreeMap<u64, BodyJob>,
    last_job: u64,
    /// What a body weighs, on average.
    mean_body: f64,
    /// Bytes of blocks that may wait for others.
    block_bytes: usize,
    /// Blocks in import, and the bytes they hold.
    importing: BTreeMap<BlockId, usize>,
    importing_bytes: usize,
    was_caught_up: bool,
    /// When something last came that is of use, be it headers of a branch that may get the most work, or there
    /// was nothing to gain.
    progress: Instant,
    /// When the chain last came nearer to the best that is known, or that one was found, or there was nothing
    /// to gain.
    gained: Instant,
    /// When the chain last moved.
    connected: Option<Instant>,
    /// When the first peer came.
    met: Option<Instant>,
    /// The lowest body of the path, while it is waited for.
    head: Option<Head>,
    /// Whether that has not come for long, and is not about to.
    is_held_up: bool,
    /// How often a branch was passed over since the chain last moved.
    passed_over: u32,
    /// The most work that any header had.
    most_work: Work,
    /// What was asked for before its headers were forgotten, together with a peer: when they come again, it is
    /// not asked for twice.
    awaited: BTreeMap<BlockId, u64>,
    /// What of it has come meanwhile.
    early: BTreeMap<BlockId, EarlyBody>,
    /// When all began, the last time.
    begun: Instant,
    /// Whether the tip is from the future by this machine's clock.
    is_clock_behind_tip: bool,
    /// Since when most peers follow a better chain whose headers are from the future.
    early_since: Option<Instant>,
    /// Since when there is no peer.
    lonely_since: Option<Instant>,
    /// Whether that is as it should be: on a local network.
    may_be_alone: bool,
    /// When others may be looked for again.
    next_search: Option<Instant>,
    /// How fast the tip rises.
    rate: RollingRate,
    /// How fast the best header does.
    headers_rate: RollingRate,
}

impl Machine {
    /// A machine above this tip, with so many bytes of blocks that may wait; on a local network a node may well be
    /// alone.
    pub(super) fn new(tip: Tip, may_be_alone: bool, block_bytes: usize, now: Instant) -> Self {
        Self {
            tree: Tree::new(tip.total_work),
            now,
            actions: Vec::new(),
            connecting: tip.height(),
            tip,
            sources: BTreeMap::new(),
            headers: BTreeMap::new(),
            bodies: BTreeMap::new(),
            last_job: 0,
            mean_body: bodies::FIRST_BODY,
            block_bytes,
            importing: BTreeMap::new(),
            importing_bytes: 0,
            was_caught_up: false,
            progress: now,
            gained: now,
            head: None,
            is_held_up: false,
            passed_over: 0,
            connected: None,
            met: None,
            most_work: Work::ZERO,
            awaited: BTreeMap::new(),
            early: BTreeMap::new(),
            begun: now,
            is_clock_behind_tip: false,
            early_since: None,
            lonely_since: Some(now),
            may_be_alone,
            next_search: None,
            rate: RollingRate::new(RATE_WINDOW, RATE_EVERY),
            headers_rate: RollingRate::new(RATE_WINDOW, RATE_EVERY),
        }
    }

    /// Takes an event in, and says what to do; nothing where it changes nothing, not what [`Self::status`] says,
    /// either. The chain is `connecting` up to that height.
    pub(super) fn on_event(&mut self, now: Instant, connecting: Height, event: SyncEvent) -> Option<Vec<SyncAction>> {
        (self.now, self.connecting) = (now, connecting);
        match event {
            SyncEvent::Network(event) => {
                if !self.on_network_event(event) {
                    return None;
                }
            }
            SyncEvent::Headers { job, answer } => self.on_headers(job, answer),
            SyncEvent::Linked { job, outcomes } => self.on_linked(job, outcomes),
            SyncEvent::PresyncBegun { job, presync } => self.on_presync_begun(job, presync),
            SyncEvent::Presynced { job, presync, step } => self.on_presynced(job, presync, step),
            SyncEvent::Bodies { job, answer } => self.on_bodies(job, answer),
            SyncEvent::Imported { id, peer, result } => self.on_imported(id, peer, result),
            SyncEvent::TipMoved { tip, connected } => {
                self.tree.moved(tip.total_work, &connected);
                (self.tip, self.progress, self.gained, self.connected) = (tip, now, now, Some(now));
                self.passed_over = 0;
            }
            SyncEvent::MovesMissed { tip } => {
                self.tip = tip;
                self.restart();
            }
            SyncEvent::ClockRead { is_behind } => {
                // What was refused as from the future is asked for again once the clock is right.
                if std::mem::replace(&mut self.is_clock_behind_tip, is_behind) && !is_behind {
                    self.restart();
                }
            }
            SyncEvent::Tick => self.on_tick(),
        }
        self.plan_headers();
        self.plan_bodies();
        self.was_caught_up = self.was_caught_up || self.status(now).phase == SyncPhase::CaughtUp;
        Some(std::mem::take(&mut self.actions))
    }

    /// Notes what is told of a peer; whether there may be something to do now that there was not before.
    fn on_network_event(&mut self, event: NetworkEvent) -> bool {
        match event {
            NetworkEvent::PeerUp { peer, kind, status } => {
                self.sources.insert(peer, SyncPeer::new(kind, status));
                self.lonely_since = None;
                self.met.get_or_insert(self.now);
            }
            NetworkEvent::PeerStatus { peer, kind, status } => {
                self.change(peer, |source, _| source.update(kind, status));
                // Of all that is told this is most, and nearly always it is what is known here, too.
                let has_more = self.sources.get(&peer).is_some_and(|source| self.has_more(source));
                return has_more || self.tree.best().is_some() || !self.was_caught_up;
            }
            NetworkEvent::PeerDown { peer } => self.on_peer_down(peer),
            NetworkEvent::MissedBlock { peer, id } => {
                let is_known = self.tree.contains(&id);
                if let Some(source) = self.sources.get_mut(&peer).filter(|_| !is_known) {
                    source.knows_more = true;
                }
            }
        }
        true
    }

    /// Headers in memory.
    #[cfg(test)]
    pub(super) fn headers_held(&self) -> usize {
        self.tree.len()
    }

    /// Presyncs that are under way.
    #[cfg(test)]
    pub(super) fn presyncs(&self) -> usize {
        self.sources.values().filter(|source| source.look.is_some()).count()
    }

    /// Notes something of a peer, unless it is gone.
    fn change(&mut self, peer: PeerNumber, note: impl FnOnce(&mut SyncPeer, Instant)) {
        if let Some(source) = self.sources.get_mut(&peer) {
            note(source, self.now);
        }
    }

    fn next_job(&mut self) -> u64 {
        self.last_job += 1;
        self.last_job
    }

    fn on_peer_down(&mut self, peer: PeerNumber) {
        self.sources.remove(&peer);
        if self.sources.is_empty() {
            self.lonely_since.get_or_insert(self.now);
        }
        self.headers.retain(|_, job| job.peer != peer);
        let theirs: Vec<u64> = self.bodies.iter().filter(|(_, job)| job.peer == peer).map(|(job, _)| *job).collect();
        theirs.into_iter().for_each(|job| drop(self.end_job(job)));
        // The chain forgets headers that only this peer had brought; others are asked for them again.
        if self.tree.remove_source(peer) {
            self.sources.values_mut().for_each(SyncPeer::restart);
            let asked = self.bodies.iter().filter(|(_, asked)| !asked.is_overdue());
            let asked = asked.flat_map(|(job, asked)| asked.ids.iter().map(|id| (*id, *job)));
            self.awaited = asked.filter(|(id, _)| !self.tree.contains(id)).collect();
        }
    }

    /// Begins anew from the tip; what is on its way is not waited for.
    fn restart(&mut self) {
        self.tree = Tree::new(self.tip.total_work);
        self.headers.clear();
        self.bodies.clear();
        self.awaited.clear();
        self.drop_early(|_| true);
        for source in self.sources.values_mut() {
            source.restart();
            (source.jobs, source.overdue) = (0, 0);
        }
        self.begun = self.now;
    }
}
