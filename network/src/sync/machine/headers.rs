//! Fetching headers: from several peers at once, each in a run of requests that continue where the last ended.
//!
//! Who is asked next is chosen by [`SyncPeer::precedence`]: by what peers delivered, never by how much they claim. One
//! peer is asked at a time as long as it answers; whenever none has for a moment, another is asked, too. A peer that
//! the operator named waits for no other. An answer that does not show what its sender claims costs it, and others
//! come first for a while.

use super::{Machine, SyncAction};
use crate::sync::tree::{Body, Brought, MAX_AHEAD, Rank};
use crate::{RequestError, sync::sync_peers::SyncPeer, wire::MAX_HEADERS};
use cairn_chain::{HeaderOutcome, Misbehaviour, PeerNumber};
use cairn_ledger::{block::Header, error::Fault, hash::BlockId, pow::Work, units::Height};
use std::cmp::Reverse;
use std::time::{Duration, Instant};

/// A request that takes longer is given to another peer.
const STALL: Duration = Duration::from_secs(6);
/// An answer for a presync, of which little hangs, may take so long.
const PRESYNC_STALL: Duration = Duration::from_secs(20);
/// Another peer is asked, too, when no request was answered for so long.
const PATIENCE: Duration = Duration::from_secs(1);
/// Requests of peers that nobody named, and of those that the operator named.
const JOBS: usize = 4;
const NAMED_JOBS: usize = 8;

/// A request for headers, from asking to linking.
#[derive(Debug)]
pub(super) struct HeaderJob {
    pub(super) peer: PeerNumber,
    since: Instant,
    pub(super) stage: Stage,
}

/// How far a request is.
#[derive(Debug)]
pub(super) enum Stage {
    /// Its peer was asked, with these ids of our own branch in the locator.
    Asked { branch: Vec<BlockId> },
    /// The chain links the answer, here with its ids.
    Linking { branch: Vec<BlockId>, headers: Vec<(BlockId, Header)> },
    /// A presync is being begun.
    Beginning,
    /// Its peer was asked for what a presync wants next.
    AskedPresync,
    /// A presync takes the answer in.
    Judging,
    /// The chain links what a presync let through; `is_done`: that was the last.
    LinkingPresync { headers: Vec<(BlockId, Header)>, work: Work, is_done: bool },
}

impl HeaderJob {
    /// How long its peer may take to answer; `None` while it is not the peer that is waited for.
    fn patience(&self) -> Option<Duration> {
        match self.stage {
            Stage::Asked { .. } => Some(STALL),
            Stage::AskedPresync => Some(PRESYNC_STALL),
            Stage::Linking { .. } | Stage::Beginning | Stage::Judging | Stage::LinkingPresync { .. } => None,
        }
    }

    /// Whether it is for a presync.
    fn is_presync(&self) -> bool {
        !matches!(self.stage, Stage::Asked { .. } | Stage::Linking { .. })
    }

    /// Whether its peer has not answered for long enough that another may be asked, too.
    fn is_late(&self, now: Instant) -> bool {
        self.patience().is_some() && now.saturating_duration_since(self.since) > PATIENCE
    }
}

impl Machine {
    /// Asks for headers whoever has some and comes first, as far as requests are free.
    pub(super) fn plan_headers(&mut self) {
        while let Some(peer) = self.next_source() {
            self.ask_for_headers(peer);
        }
    }

    fn next_source(&self) -> Option<PeerNumber> {
        let able = self.sources.iter().filter(|(peer, source)| {
            !source.is_resting(self.now) && self.has_more(source) && self.may_be_asked(**peer, source)
        });
        let first = able.max_by_key(|(peer, source)| (source.precedence(), Reverse(peer.0)));
        first.map(|(peer, _)| *peer)
    }

    /// Whether a peer has headers for us that we have room for.
    pub(super) fn has_more(&self, source: &SyncPeer) -> bool {
        if source.look.is_some() {
            return self.has_room_for_presync(source);
        }
        // As long as there is something to fetch bodies for: a branch that has too little work so far needs its next
        // headers, however long it is.
        let limit = self.tip.height().saturating_add(MAX_AHEAD);
        let is_far = self.tree.best().is_some() && source.reached.is_some_and(|(_, height)| height >= limit);
        !is_far && (source.knows_more || self.promises(source))
    }

    /// Whether a request is free for a peer: those it would compete with are late, and they are few. Presyncs compete
    /// for slots, and keep nobody else waiting, however long the chain is.
    fn may_be_asked(&self, peer: PeerNumber, source: &SyncPeer) -> bool {
        if self.headers.values().any(|job| job.peer == peer) {
            return false;
        }
        if source.deep.is_some() {
            return self.may_presync(peer, source);
        }
        let is_named = |job: &HeaderJob| self.sources.get(&job.peer).is_some_and(|source| source.kind.named);
        let (mut count, named) = (0, source.kind.named);
        for job in self.headers.values().filter(|job| !job.is_presync()) {
            if (is_named(job) || !named) && !job.is_late(self.now) {
                return false;
            }
            count += usize::from(is_named(job) == named);
        }
        count < if named { NAMED_JOBS } else { JOBS }
    }

    fn ask_for_headers(&mut self, peer: PeerNumber) {
        let job = self.next_job();
        let Some(source) = self.sources.get(&peer) else { return };
        let (stage, action) = if let Some(look) = &source.look {
            let branch = look.presync.as_ref().map(|presync| vec![presync.after(), presync.fork()]).unwrap_or_default();
            (Stage::AskedPresync, SyncAction::FetchHeaders { job, peer, branch })
        } else if let Some(fork) = source.deep {
            (Stage::Beginning, SyncAction::BeginPresync { job, fork, claimed: source.status.total_work })
        } else {
            let from = source.reached.map(|(id, _)| id).or_else(|| self.tree.end());
            let mut branch = from.map(|id| self.tree.locator(&id)).unwrap_or_default();
            if let Some(id) = from.filter(|_| branch.is_empty()) {
                branch.push(id);
            }
            (Stage::Asked { branch: branch.clone() }, SyncAction::FetchHeaders { job, peer, branch })
        };
        self.hold(job, peer, stage);
        self.actions.push(action);
    }

    pub(super) fn on_headers(&mut self, job: u64, answer: Result<Vec<Header>, RequestError>) {
        // From before everything began anew, or given to another meanwhile.
        let Some(HeaderJob { peer, stage, .. }) = self.headers.remove(&job) else { return };
        let headers = match answer {
            Ok(headers) => headers,
            Err(error) => {
                if error == RequestError::Timeout {
                    self.actions.push(SyncAction::Report { peer, misbehaviour: Misbehaviour::Stalled });
                }
                return self.rest(peer);
            }
        };
        let branch = match stage {
            Stage::Asked { branch } => branch,
            Stage::AskedPresync => return self.judge_presync(job, peer, headers),
            _ => return,
        };
        if headers.is_empty() {
            return self.on_nothing(peer);
        }
        let with_ids: Vec<(BlockId, Header)> = headers.iter().map(|header| (header.id(), header.clone())).collect();
        if with_ids.windows(2).any(|pair| pair[1].1.parent != pair[0].0) {
            return self.fail(peer, Misbehaviour::WrongAnswer);
        }
        self.hold(job, peer, Stage::Linking { branch, headers: with_ids });
        self.actions.push(SyncAction::Link { job, peer, headers, is_presynced: false });
    }

    /// A peer has no headers for us. One that claims more work than is known here, and more than it showed, does not
    /// keep its claim.
    fn on_nothing(&mut self, peer: PeerNumber) {
        let is_unkept = self.sources.get(&peer).is_some_and(|source| self.promises(source) && source.reached.is_none());
        self.end_run(peer);
        if is_unkept {
            self.fail(peer, Misbehaviour::Unkept);
        }
    }

    /// A peer has no more headers to give.
    pub(super) fn end_run(&mut self, peer: PeerNumber) {
        self.change(peer, |source, _| source.exhaust());
    }

    /// A peer did not give what it was asked for: others come first for a while.
    pub(super) fn rest(&mut self, peer: PeerNumber) {
        if let Some(source) = self.sources.get_mut(&peer) {
            (source.reached, source.knows_more) = (None, false);
            (source.deep, source.look) = (None, None);
            source.rest(self.now);
        }
    }

    /// Reports a peer, and lets it rest.
    pub(super) fn fail(&mut self, peer: PeerNumber, misbehaviour: Misbehaviour) {
        self.actions.push(SyncAction::Report { peer, misbehaviour });
        self.rest(peer);
    }

    pub(super) fn on_linked(&mut self, job: u64, outcomes: Vec<HeaderOutcome>) {
        let Some(HeaderJob { peer, stage, .. }) = self.headers.remove(&job) else { return };
        match stage {
            Stage::Linking { branch, headers } => {
                let is_full = headers.len() >= MAX_HEADERS;
                let Taken { reached, end } = self.take_outcomes(peer, None, &headers, outcomes);
                match end {
                    None => self.go_on(peer, reached, is_full),
                    Some((RunEnd::Deep, parent)) => self.go_deep(peer, &parent),
                    Some((reason, parent)) => {
                        self.break_off(peer, reason, branch.contains(&parent));
                    }
                }
            }
            Stage::LinkingPresync { headers, work, is_done } => {
                match self.take_outcomes(peer, Some(work), &headers, outcomes).end {
                    None => self.on_presynced_linked(peer, &headers, is_done),
                    Some((RunEnd::Misbehaviour(misbehaviour), _)) => {
                        self.fail(peer, misbehaviour);
                    }
                    // The chain has forgotten what it continues: nobody's fault.
                    Some(_) => self.rest(peer),
                }
            }
            Stage::Asked { .. } | Stage::Beginning | Stage::AskedPresync | Stage::Judging => {}
        }
    }

    /// Takes in what became of headers, up to the first that is not linked.
    fn take_outcomes(
        &mut self,
        peer: PeerNumber,
        proven: Option<Work>,
        headers: &[(BlockId, Header)],
        outcomes: Vec<HeaderOutcome>,
    ) -> Taken {
        let rank = self.sources.get(&peer).map_or(Rank::Shown, SyncPeer::rank);
        let brought = Brought { peer, rank, proven };
        let mut reached = None;
        for ((id, header), outcome) in headers.iter().zip(outcomes) {
            match self.take_outcome(brought, *id, header, outcome) {
                Ok(()) => reached = Some((*id, header.height)),
                Err(reason) => return Taken { reached, end: Some((reason, header.parent)) },
            }
        }
        Taken { reached, end: None }
    }

    /// Takes in what became of one header; an error ends the run.
    fn take_outcome(
        &mut self,
        brought: Brought,
        id: BlockId,
        header: &Header,
        outcome: HeaderOutcome,
    ) -> Result<(), RunEnd> {
        match outcome {
            HeaderOutcome::Linked(linked) => {
                if self.tree.insert(linked, brought) {
                    if self.import_early(&id) {
                        return Ok(());
                    }
                    if let Some(job) = self.awaited.remove(&id).filter(|job| self.bodies.contains_key(job)) {
                        self.tree.set_body(&id, Body::Asked(job));
                    }
                    Ok(())
                } else {
                    Err(RunEnd::NoRoom)
                }
            }
            HeaderOutcome::Known { total_work } => {
                self.tree.insert_known(id, header, total_work, brought);
                Ok(())
            }
            HeaderOutcome::Orphan { .. } => Err(RunEnd::Detached),
            HeaderOutcome::Early => Err(RunEnd::Early),
            HeaderOutcome::Unwanted => Err(RunEnd::Deep),
            // Nobody's fault: it goes on under rules that only one side knows.
            HeaderOutcome::OtherRules { .. } => Err(RunEnd::NoRoom),
            HeaderOutcome::InvalidAncestor => Err(RunEnd::Refused),
            HeaderOutcome::Invalid(error) => match error.fault() {
                Fault::Proven => Err(RunEnd::Misbehaviour(Misbehaviour::InvalidHeader(error))),
                Fault::Mutated | Fault::NotYet => Err(RunEnd::NoRoom),
            },
        }
    }

    /// All headers of an answer are in: the next request continues, unless this was the end.
    fn go_on(&mut self, peer: PeerNumber, reached: Option<(BlockId, Height)>, is_full: bool) {
        let Some(source) = self.sources.get_mut(&peer) else { return };
        source.showed();
        source.is_early = false;
        // Heights must rise from one answer to the next, or a peer could keep us going for ever.
        let rises = source.reached.map(|(_, height)| height) < reached.map(|(_, height)| height);
        source.reached = reached;
        if rises {
            self.progress = self.now;
        }
        self.note_best();
        if !is_full || !rises {
            self.end_run(peer);
        }
        self.tree.trim();
    }

    /// Notes when the best that is known has become better.
    pub(super) fn note_best(&mut self) {
        if let Some((_, work)) = self.tree.best().filter(|(_, work)| *work > self.most_work) {
            (self.most_work, self.gained) = (work, self.now);
        }
    }

    /// A header of an answer was not linked.
    fn break_off(&mut self, peer: PeerNumber, end: RunEnd, is_ours: bool) {
        match end {
            // It continued a branch of ours that the chain has forgotten: nobody's fault.
            RunEnd::Detached if is_ours => self.restart(),
            RunEnd::Detached => {
                self.fail(peer, Misbehaviour::WrongAnswer);
            }
            RunEnd::Deep | RunEnd::NoRoom => self.end_run(peer),
            RunEnd::Early => {
                self.end_run(peer);
                self.change(peer, |source, _| source.is_early = true);
            }
            RunEnd::Refused => {
                self.end_run(peer);
                self.rest(peer);
            }
            RunEnd::Misbehaviour(misbehaviour) => {
                self.end_run(peer);
                self.fail(peer, misbehaviour);
            }
        }
    }

    /// Gives requests that take too long to other peers.
    pub(super) fn replace_stalled_headers(&mut self) {
        let is_stalled = |job: &HeaderJob| {
            job.patience().is_some_and(|patience| self.now.saturating_duration_since(job.since) > patience)
        };
        let stalled = self.headers.extract_if(.., |_, job| is_stalled(job));
        for peer in stalled.map(|(_, job)| job.peer).collect::<Vec<_>>() {
            self.fail(peer, Misbehaviour::Stalled);
        }
    }

    /// Waits for an answer, or for what is done with it.
    pub(super) fn hold(&mut self, job: u64, peer: PeerNumber, stage: Stage) {
        self.headers.insert(job, HeaderJob { peer, since: self.now, stage });
    }
}

/// What became of the headers of an answer.
#[derive(Debug)]
struct Taken {
    /// The last that is in.
    reached: Option<(BlockId, Height)>,
    /// Why the first that is not in is not, and its parent.
    end: Option<(RunEnd, BlockId)>,
}

/// Why a run of requests for headers ends before its peer's chain does.
#[derive(Debug)]
enum RunEnd {
    /// The first header has no parent here.
    Detached,
    /// It has too little work to be kept before its chain has shown more.
    Deep,
    /// There is no room for more.
    NoRoom,
    /// It is from the future, by this machine's clock.
    Early,
    /// The branch contains an invalid block.
    Refused,
    /// The peer's own bytes prove it wrong.
    Misbehaviour(Misbehaviour),
}
