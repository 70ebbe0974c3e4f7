//! The synchronisation as a machine: events in, actions out. It has no clock, no channel and no randomness,
//! so the same events always give the same actions.

pub(super) mod bodies;
mod headers;
mod status;

use super::{mailbox::SyncPhase, rate::Rate, sources::Source, tree::Tree};
use crate::{
    chain::{BlockOutcome, HeaderOutcome, Tip},
    network::{PeerStatus, RequestError},
    verdict::{Offence, PeerNumber},
};
use bodies::BodyJob;
use cairn_ledger::{
    block::{Body, Header},
    error::BlockError,
    hash::BlockId,
    pow::Work,
    units::Height,
    validate::LinkedHeader,
};
use headers::HeaderJob;
use std::{collections::BTreeMap, time::Instant};

/// How far headers may be ahead of the tip: enough that bodies never wait for them.
pub(super) const MAX_AHEAD: u64 = 20_000;
/// What happens.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// A peer has come.
    PeerUp { peer: PeerNumber, status: PeerStatus },
    /// A peer says where it stands now.
    PeerStatus { peer: PeerNumber, status: PeerStatus },
    /// A peer is gone.
    PeerDown { peer: PeerNumber },
    /// A peer has passed on a block of a branch that is unknown here.
    UnknownParent { peer: PeerNumber, id: BlockId },
    /// A request for headers has ended.
    Headers { job: u64, answer: Result<Vec<Header>, RequestError> },
    /// The chain has tried to link them.
    Linked { job: u64, outcomes: Vec<HeaderOutcome> },
    /// A request for bodies has ended.
    Bodies { job: u64, answer: Result<Vec<Body>, RequestError> },
    /// An import has ended; the error says that the body is not the header's.
    Imported { id: BlockId, peer: PeerNumber, result: Result<BlockOutcome, BlockError> },
    /// The chain has moved.
    TipMoved { tip: Tip, connected: Vec<BlockId> },
    /// The chain has moved, nobody knows how.
    MovesMissed { tip: Tip },
    /// Time has passed.
    Tick,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Ask a peer for headers: after `branch`, or else after the followed chain's own locator.
    FetchHeaders { job: u64, peer: PeerNumber, branch: Vec<BlockId> },
    /// Have headers linked.
    Link { job: u64, peer: PeerNumber, headers: Vec<Header> },
    /// Ask a peer for bodies.
    FetchBodies { job: u64, peer: PeerNumber, ids: Vec<BlockId> },
    /// Have a block imported.
    Import { peer: PeerNumber, header: Box<LinkedHeader>, body: Body },
    /// Look for nodes that have the full history.
    SeekOthers,
    /// Charge a peer.
    Charge { peer: PeerNumber, offence: Offence },
}

/// The machine.
#[derive(Debug)]
pub(super) struct Machine {
    tip: Tip,
    /// How far the chain is about to connect what was fetched, at or above its tip.
    connecting: Height,
    tree: Tree,
    sources: BTreeMap<PeerNumber, Source>,
    headers: Option<HeaderJob>,
    bodies: BTreeMap<u64, BodyJob>,
    last_job: u64,
    /// What a body weighs, on average.
    mean_body: f64,
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
    /// The most work that any header had.
    most_work: Work,
    /// What was asked for before its headers were forgotten, together with a peer: when they come again, it is
    /// not asked for twice.
    awaited: BTreeMap<BlockId, u64>,
    /// When all began, the last time.
    begun: Instant,
    /// Since when there is no peer.
    lonely_since: Option<Instant>,
    /// Whether that is as it should be: on a local network.
    may_be_alone: bool,
    /// When others may be looked for again.
    next_search: Option<Instant>,
    /// How fast the tip rises.
    rate: Rate,
    /// How fast the best header does.
    headers_rate: Rate,
}

impl Machine {
    /// A machine above this tip; on a local network a node may well be alone.
    pub(super) fn new(tip: Tip, may_be_alone: bool, now: Instant) -> Self {
        Self {
            tree: Tree::new(tip.total_work),
            connecting: tip.height(),
            tip,
            sources: BTreeMap::new(),
            headers: None,
            bodies: BTreeMap::new(),
            last_job: 0,
            mean_body: bodies::FIRST_BODY,
            importing: BTreeMap::new(),
            importing_bytes: 0,
            was_caught_up: false,
            progress: now,
            gained: now,
            most_work: Work::ZERO,
            awaited: BTreeMap::new(),
            begun: now,
            lonely_since: Some(now),
            may_be_alone,
            next_search: None,
            rate: Rate::default(),
            headers_rate: Rate::default(),
        }
    }

    /// Takes an event in, and says what to do. The chain is `connecting` up to that height.
    pub(super) fn on_event(&mut self, now: Instant, connecting: Height, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        self.connecting = connecting;
        match event {
            Event::PeerUp { peer, status } => {
                self.sources.insert(peer, Source::new(status));
                self.lonely_since = None;
            }
            Event::PeerStatus { peer, status } => {
                if let Some(source) = self.sources.get_mut(&peer) {
                    source.update(status);
                }
            }
            Event::PeerDown { peer } => self.on_peer_down(now, peer),
            Event::UnknownParent { peer, id } => {
                let is_known = self.tree.contains(&id);
                if let Some(source) = self.sources.get_mut(&peer).filter(|_| !is_known) {
                    source.knows_more = true;
                }
            }
            Event::Headers { job, answer } => self.on_headers(now, job, answer, &mut actions),
            Event::Linked { job, outcomes } => self.on_linked(now, job, outcomes, &mut actions),
            Event::Bodies { job, answer } => self.on_bodies(now, job, answer, &mut actions),
            Event::Imported { id, peer, result } => self.on_imported(now, id, peer, result, &mut actions),
            Event::TipMoved { tip, connected } => {
                self.tree.moved(tip.total_work, &connected);
                (self.tip, self.progress, self.gained) = (tip, now, now);
            }
            Event::MovesMissed { tip } => {
                self.tip = tip;
                self.restart(now);
            }
            Event::Tick => self.on_tick(now, &mut actions),
        }
        self.plan_headers(now, &mut actions);
        self.plan_bodies(now, &mut actions);
        self.was_caught_up |= self.status(now).phase == SyncPhase::CaughtUp;
        actions
    }

    fn next_job(&mut self) -> u64 {
        self.last_job += 1;
        self.last_job
    }

    fn on_peer_down(&mut self, now: Instant, peer: PeerNumber) {
        self.sources.remove(&peer);
        if self.sources.is_empty() {
            self.lonely_since.get_or_insert(now);
        }
        self.headers.take_if(|job| job.peer == peer);
        let theirs: Vec<u64> = self.bodies.iter().filter(|(_, job)| job.peer == peer).map(|(job, _)| *job).collect();
        theirs.into_iter().for_each(|job| drop(self.end_job(job)));
        // The chain forgets headers that only this peer had brought; others are asked for them again.
        if self.tree.remove_source(peer) {
            self.sources.values_mut().for_each(Source::restart);
            let asked = self.bodies.iter().filter(|(_, asked)| !asked.is_overdue());
            let asked = asked.flat_map(|(job, asked)| asked.ids.iter().map(|id| (*id, *job)));
            self.awaited = asked.filter(|(id, _)| !self.tree.contains(id)).collect();
        }
    }

    /// Begins anew from the tip; what is on its way is not waited for.
    fn restart(&mut self, now: Instant) {
        self.tree = Tree::new(self.tip.total_work);
        self.headers = None;
        self.bodies.clear();
        self.awaited.clear();
        for source in self.sources.values_mut() {
            source.restart();
            (source.jobs, source.overdue) = (0, 0);
        }
        self.begun = now;
    }
}
