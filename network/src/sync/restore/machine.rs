//! The restore of a snapshot as a machine: events in, actions out. It has no clock, no channel and no randomness.

mod headers;
mod runs;
mod status;

use crate::sync::{pace::Pace, presync::Presync, presync::Step};
use crate::{NetworkEvent, PeerKind, PeerStatus, RequestError, outbound::backoff::Backoff};
use cairn_chain::{Misbehaviour, PeerNumber, RestoreRefusal, StateProgress};
use cairn_common::rolling_rate::RollingRate;
use cairn_ledger::accounts::{StateRun, StateRunError};
use cairn_ledger::block::Header;
use cairn_ledger::hash::{BlockId, Hash};
use cairn_ledger::{pow::Work, units::Height};
use headers::Lead;
use runs::RunJob;
#[cfg(test)]
pub(super) use runs::{JOBS_EACH, MAX_RUNS};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// What the rates look back at, and between two samples.
const RATE_WINDOW: Duration = Duration::from_secs(20);
const RATE_EVERY: Duration = Duration::from_secs(1);

/// What is here of the headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HeadersHere {
    /// The height of the last.
    pub(super) height: Height,
    /// The work up to it.
    pub(super) total_work: Work,
    /// What to ask for more with.
    pub(super) locator: Vec<BlockId>,
    /// The block whose accounts are to be fetched; none while the chain is too short.
    pub(super) pivot: Option<Pivot>,
}

/// A block whose accounts are fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pivot {
    pub(super) height: Height,
    pub(super) state_root: Hash,
}

/// Why a run did not come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RunFailure {
    /// There was no answer, or none that is a message.
    Request(RequestError),
    /// It is not the run that was asked for.
    Wrong(StateRunError),
}

/// What happens.
#[derive(Clone, Debug)]
pub(super) enum RestoreEvent {
    /// The network tells of a peer.
    Network(NetworkEvent),
    /// A request for headers has ended.
    Headers { job: u64, answer: Result<Vec<Header>, RequestError> },
    /// A chain that leaves what is here was looked at; there is nothing to go on with where it does not begin here.
    Presynced { job: u64, look: Option<Box<Presync>>, step: Step },
    /// Headers were taken in, or refused; this is here now.
    HeadersTaken { job: u64, refusal: Option<RestoreRefusal>, here: HeadersHere },
    /// The accounts of the pivot can come.
    StateBegun { progress: StateProgress },
    /// A request for a run has ended, and what came was checked.
    Run { job: u64, answer: Result<Option<Box<StateRun>>, RunFailure> },
    /// A run was taken in.
    RunTaken { number: u64, progress: StateProgress, is_complete: bool },
    /// The chain has left its genesis by other means.
    ChainMoved,
    /// Time has passed.
    Tick,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RestoreAction {
    /// Ask a peer for headers.
    FetchHeaders { job: u64, peer: PeerNumber, locator: Vec<BlockId> },
    /// Have headers taken in that go on from what is here or, where they have shown more work, take its place.
    TakeHeaders { job: u64, headers: Vec<Header>, may_replace: bool },
    /// Have a chain looked at that leaves what is here: go on, or begin at the parent of the first header.
    Presync { job: u64, claimed: Work, look: Option<Box<Presync>>, headers: Vec<Header> },
    /// Begin to take in the accounts of the pivot, or go on with them.
    BeginState,
    /// Ask a peer for a run, and check it.
    FetchRun { job: u64, peer: PeerNumber, state_root: Hash, number: u64 },
    /// Have a checked run taken in.
    TakeRun(Box<StateRun>),
    /// Look for nodes that hold the snapshot.
    SeekHolders { state_root: Hash },
    /// Report a peer.
    Report { peer: PeerNumber, misbehaviour: Misbehaviour },
    /// All is over.
    End(End),
}

/// How it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// All runs are here.
    Complete,
    /// There is nothing to restore: all blocks are to be fetched.
    GivenUp(Reason),
}

/// Why there is nothing to restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Reason {
    /// The chain has no pivot.
    #[error("the chain is too short to begin with a snapshot")]
    TooShort,
    /// Nobody showed a chain.
    #[error("no peer shows the headers of the chain it claims")]
    NoHeaders,
    /// Nobody gives the accounts.
    #[error("no peer sends the accounts as they were after block {height}")]
    NoHolder {
        /// The pivot.
        height: Height,
    },
    /// The chain is not at its genesis any more.
    #[error("the chain has left its genesis by itself")]
    Moved,
}

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Headers,
    /// The accounts of the pivot are about to come.
    Beginning(Pivot),
    Runs(Pivot),
    Ended,
}

/// A peer.
#[derive(Debug)]
struct RestorePeer {
    kind: PeerKind,
    status: PeerStatus,
    /// Its own bytes have proven it wrong.
    is_disqualified: bool,
    /// It has shown all that it claimed.
    has_shown: bool,
    /// How often it has led …
    turns: u32,
    /// … and how often of late without an answer.
    vain: u32,
    /// The pauses after that.
    lead_rest: Backoff,
    /// A chain of its that leaves what is here, being looked at.
    look: Option<Box<Presync>>,
    /// The tip it claimed when its headers ended for a reason that is nobody's fault.
    exhausted: Option<BlockId>,
    /// Its last header was from the future, by this machine's clock.
    is_early: bool,
    /// It has sent a wrong run.
    is_liar: bool,
    /// It does not hold the snapshot, until then.
    lacks: Option<Instant>,
    /// Whether it was ever asked for a run.
    was_asked: bool,
    /// Requests for runs it has.
    jobs: usize,
    /// Those of them that were asked of others meanwhile.
    overdue: usize,
    pace: Pace,
    rest: Backoff,
}

impl RestorePeer {
    fn new(kind: PeerKind, status: PeerStatus) -> Self {
        Self {
            kind,
            status,
            is_disqualified: false,
            has_shown: false,
            turns: 0,
            vain: 0,
            lead_rest: Backoff::default(),
            look: None,
            exhausted: None,
            is_early: false,
            is_liar: false,
            lacks: None,
            was_asked: false,
            jobs: 0,
            overdue: 0,
            pace: Pace::default(),
            rest: Backoff::default(),
        }
    }
}

/// The machine.
#[derive(Debug)]
pub(super) struct Machine {
    /// When the last event happened.
    now: Instant,
    /// What follows from it.
    actions: Vec<RestoreAction>,
    phase: Phase,
    peers: BTreeMap<PeerNumber, RestorePeer>,
    last_job: u64,
    here: HeadersHere,
    lead: Option<Lead>,
    /// Whether headers are being taken in.
    is_taking_headers: bool,
    /// The most work that was here, which may have been replaced since.
    most_work: Work,
    /// The work that was here when a lead had last shown all it claimed.
    kept: Option<Work>,
    /// How long leads have been asked since without bringing more.
    contested: Duration,
    /// When the first peer came.
    met: Option<Instant>,
    /// When headers last came that show more work than was here before.
    progress: Instant,
    /// When a run was last taken in, or one of this pivot first sought.
    gained: Instant,
    /// The pivot whose accounts were last sought.
    sought: Option<Pivot>,
    jobs: BTreeMap<u64, RunJob>,
    /// Runs that were asked for, with the request that is waited for.
    asked: BTreeMap<u64, u64>,
    /// Checked runs that are being taken in.
    taking: BTreeSet<u64>,
    /// Runs that are here.
    runs_here: BTreeSet<u64>,
    /// How many there are.
    runs: Option<u64>,
    /// All below it are here.
    lowest: u64,
    /// How many may be on the way: as many as come back in time.
    window: usize,
    /// When nodes that hold the snapshot may be looked for again.
    next_search: Option<Instant>,
    /// Since when there is no peer.
    lonely_since: Option<Instant>,
    /// Whether that is as it should be: on a local network.
    may_be_alone: bool,
    headers_rate: RollingRate,
    runs_rate: RollingRate,
}

impl Machine {
    /// A machine that has these headers.
    pub(super) fn new(here: HeadersHere, may_be_alone: bool, now: Instant) -> Self {
        Self {
            now,
            actions: Vec::new(),
            phase: Phase::Headers,
            peers: BTreeMap::new(),
            last_job: 0,
            most_work: here.total_work,
            here,
            lead: None,
            is_taking_headers: false,
            kept: None,
            contested: Duration::ZERO,
            met: None,
            progress: now,
            gained: now,
            sought: None,
            jobs: BTreeMap::new(),
            asked: BTreeMap::new(),
            taking: BTreeSet::new(),
            runs_here: BTreeSet::new(),
            runs: None,
            lowest: 0,
            window: runs::FIRST_WINDOW,
            next_search: None,
            lonely_since: Some(now),
            may_be_alone,
            headers_rate: RollingRate::new(RATE_WINDOW, RATE_EVERY),
            runs_rate: RollingRate::new(RATE_WINDOW, RATE_EVERY),
        }
    }

    /// Takes an event in, and says what to do.
    pub(super) fn on_event(&mut self, now: Instant, event: RestoreEvent) -> Vec<RestoreAction> {
        self.now = now;
        match event {
            RestoreEvent::Network(event) => self.on_network_event(event),
            RestoreEvent::Headers { job, answer } => self.on_headers(job, answer),
            RestoreEvent::Presynced { job, look, step } => self.on_presynced(job, look, step),
            RestoreEvent::HeadersTaken { job, refusal, here } => self.on_headers_taken(job, refusal, here),
            RestoreEvent::StateBegun { progress } => self.on_state_begun(progress),
            RestoreEvent::Run { job, answer } => self.on_run(job, answer),
            RestoreEvent::RunTaken { number, progress, is_complete } => {
                self.on_run_taken(number, &progress, is_complete);
            }
            RestoreEvent::ChainMoved => self.end(End::GivenUp(Reason::Moved)),
            RestoreEvent::Tick => self.on_tick(),
        }
        self.move_pivot();
        match self.phase {
            Phase::Headers => self.plan_headers(),
            Phase::Runs(pivot) => self.plan_runs(pivot),
            Phase::Beginning(_) | Phase::Ended => {}
        }
        std::mem::take(&mut self.actions)
    }

    /// The peers with what they last said, for whoever goes on with them.
    pub(super) fn into_peers(self) -> impl Iterator<Item = NetworkEvent> {
        let up = |(peer, RestorePeer { kind, status, .. })| NetworkEvent::PeerUp { peer, kind, status };
        self.peers.into_iter().map(up)
    }

    fn on_network_event(&mut self, event: NetworkEvent) {
        match event {
            NetworkEvent::PeerUp { peer, kind, status } => {
                self.peers.insert(peer, RestorePeer::new(kind, status));
                self.lonely_since = None;
                self.met.get_or_insert(self.now);
            }
            NetworkEvent::PeerStatus { peer, kind, status } => {
                if let Some(known) = self.peers.get_mut(&peer) {
                    (known.kind, known.status) = (kind, status);
                }
            }
            NetworkEvent::PeerDown { peer } => self.on_peer_down(peer),
            // Ordinary synchronisation asks for it, if it is still of use then.
            NetworkEvent::MissedBlock { .. } => {}
        }
    }

    fn on_peer_down(&mut self, peer: PeerNumber) {
        self.peers.remove(&peer);
        if self.peers.is_empty() {
            self.lonely_since.get_or_insert(self.now);
        }
        self.lead.take_if(|lead| lead.peer == peer);
        self.end_jobs(|of| of == peer);
    }

    fn on_tick(&mut self) {
        // Without anybody to ask there is nothing to give up for.
        if self.peers.is_empty() {
            (self.progress, self.gained) = (self.now, self.now);
        }
        match self.phase {
            Phase::Headers => self.replace_stalled_lead(),
            Phase::Runs(pivot) => self.watch_runs(pivot),
            Phase::Beginning(_) | Phase::Ended => {}
        }
        self.headers_rate.note(self.now, self.here.height.get());
        self.runs_rate.note(self.now, self.runs_here.len() as u64);
    }

    fn next_job(&mut self) -> u64 {
        self.last_job += 1;
        self.last_job
    }

    fn report(&mut self, peer: PeerNumber, misbehaviour: Misbehaviour) {
        self.actions.push(RestoreAction::Report { peer, misbehaviour });
    }

    fn end(&mut self, end: End) {
        if self.phase != Phase::Ended {
            self.phase = Phase::Ended;
            self.actions.push(RestoreAction::End(end));
        }
    }
}
