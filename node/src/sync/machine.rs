//! The synchronisation as a machine: events in, actions out. It has no clock, no channel and no randomness,
//! so the same events always give the same actions.

mod bodies;
mod headers;

use super::{
    mailbox::{SyncPhase, SyncStatus},
    sources::Source,
    tree::Tree,
};
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
    validate::LinkedHeader,
};
use headers::HeaderJob;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// How far headers may be ahead of the tip: enough that bodies never wait for them.
pub(super) const MAX_AHEAD: u64 = 20_000;
/// When there is more to get and nothing has come for so long, all begins anew from the tip.
const STUCK: Duration = Duration::from_secs(60);
/// A node that has caught up and falls behind by no more than this is still called so: blocks on their way
/// are no synchronisation.
const SLACK: u64 = 2;

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
    /// Charge a peer.
    Charge { peer: PeerNumber, offence: Offence },
}

/// The machine.
#[derive(Debug)]
pub(super) struct Machine {
    tip: Tip,
    tree: Tree,
    sources: BTreeMap<PeerNumber, Source>,
    headers: Option<HeaderJob>,
    bodies: BTreeMap<u64, BodyJob>,
    last_job: u64,
    /// What a body weighs, on average.
    mean_body: f64,
    /// Blocks in import, and the bytes they hold.
    importing: BTreeMap<BlockId, usize>,
    was_caught_up: bool,
    /// When something was last gained.
    progress: Instant,
}

impl Machine {
    /// A machine above this tip.
    pub(super) fn new(tip: Tip, now: Instant) -> Self {
        Self {
            tree: Tree::new(tip.total_work),
            tip,
            sources: BTreeMap::new(),
            headers: None,
            bodies: BTreeMap::new(),
            last_job: 0,
            mean_body: bodies::FIRST_BODY,
            importing: BTreeMap::new(),
            was_caught_up: false,
            progress: now,
        }
    }

    /// Takes an event in, and says what to do.
    pub(super) fn on_event(&mut self, now: Instant, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::PeerUp { peer, status } => drop(self.sources.insert(peer, Source::new(status))),
            Event::PeerStatus { peer, status } => {
                if let Some(source) = self.sources.get_mut(&peer) {
                    source.update(status);
                }
            }
            Event::PeerDown { peer } => self.on_peer_down(peer),
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
                (self.tip, self.progress) = (tip, now);
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

    /// How far the node is.
    pub(super) fn status(&self, now: Instant) -> SyncStatus {
        let best_header = self.tree.best().map_or(self.tip.height(), |(height, _)| height.max(self.tip.height()));
        let promising = self.sources.values().filter(|source| self.promises(source) && !source.is_resting(now));
        let target = promising.map(|source| source.status.height).max().unwrap_or(best_header).max(best_header);
        let behind = best_header.get() - self.tip.height().get();
        let slack = if self.was_caught_up { SLACK } else { 0 };
        let phase = if self.sources.is_empty() {
            SyncPhase::Discovering
        } else if self.tree.best().is_some() && behind > slack {
            SyncPhase::Bodies
        } else if !self.was_caught_up && (target > best_header || self.headers.is_some()) {
            // Once the node has caught up, only headers that show work make it say otherwise.
            SyncPhase::Headers
        } else {
            SyncPhase::CaughtUp
        };
        SyncStatus { phase, best_header, target }
    }

    /// Whether a peer claims a chain that is better than what is known here, and may be right.
    fn promises(&self, source: &Source) -> bool {
        let best = self.tree.best().map_or(self.tip.total_work, |(_, work)| work);
        source.status.total_work > best && !source.is_exhausted() && !self.tree.contains(&source.status.tip)
    }

    fn on_tick(&mut self, now: Instant, actions: &mut Vec<Action>) {
        self.replace_stalled_headers(now, actions);
        self.replace_stalled_bodies(now, actions);
        let has_goal = self.tree.best().is_some() || self.sources.values().any(|source| self.promises(source));
        if !has_goal {
            self.progress = now;
        } else if now.saturating_duration_since(self.progress) > STUCK {
            tracing::warn!(target: "cairn::sync", tip = %self.tip.id, "nothing has come for long, beginning anew");
            self.restart(now);
        }
    }

    fn next_job(&mut self) -> u64 {
        self.last_job += 1;
        self.last_job
    }

    fn on_peer_down(&mut self, peer: PeerNumber) {
        self.sources.remove(&peer);
        self.headers.take_if(|job| job.peer == peer);
        let theirs: Vec<u64> = self.bodies.iter().filter(|(_, job)| job.peer == peer).map(|(job, _)| *job).collect();
        theirs.into_iter().for_each(|job| drop(self.end_job(job)));
        // The chain forgets headers that only this peer had brought; others are asked for them again.
        if self.tree.remove_source(peer) {
            self.sources.values_mut().for_each(Source::restart);
        }
    }

    /// Begins anew from the tip; what is on its way is not waited for.
    fn restart(&mut self, now: Instant) {
        self.tree = Tree::new(self.tip.total_work);
        self.headers = None;
        self.bodies.clear();
        for source in self.sources.values_mut() {
            source.restart();
            source.jobs = 0;
        }
        self.progress = now;
    }
}
