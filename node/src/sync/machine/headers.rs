//! Fetching headers: from one peer at a time, in runs of requests, each continuing where the last ended.

use super::{Action, MAX_AHEAD, Machine};
use crate::{
    chain::HeaderOutcome,
    network::{RequestError, wire::MAX_HEADERS},
    sync::{sources::Source, tree::Body},
    verdict::{Offence, PeerNumber},
};
use cairn_ledger::{block::Header, error::Fault, hash::BlockId, units::Height};
use std::{
    cmp::Reverse,
    time::{Duration, Instant},
};

/// A request that takes longer is given to another peer.
const STALL: Duration = Duration::from_secs(6);

/// A request for headers, from asking to linking.
#[derive(Debug)]
pub(super) struct HeaderJob {
    job: u64,
    pub(super) peer: PeerNumber,
    since: Instant,
    /// The ids of our own branch in its locator.
    branch: Vec<BlockId>,
    /// The answer with its ids, while it is being linked.
    linking: Option<Vec<(BlockId, Header)>>,
}

impl Machine {
    /// Asks for headers, one peer at a time: the one that claims the most work.
    pub(super) fn plan_headers(&mut self, now: Instant, actions: &mut Vec<Action>) {
        if self.headers.is_some() {
            return;
        }
        let limit = self.tip.height().saturating_add(MAX_AHEAD);
        let is_wanted = |source: &Source| {
            let far = source.reached.is_some_and(|(_, height)| height >= limit);
            !source.is_resting(now) && !far && (source.knows_more || self.promises(source))
        };
        let wanted = self.sources.iter().filter(|(_, source)| is_wanted(source));
        // Among equals the first, so that a run of requests stays with one peer.
        let Some((peer, source)) = wanted.max_by_key(|(peer, source)| (source.status.total_work, Reverse(peer.0)))
        else {
            return;
        };
        let (peer, from) = (*peer, source.reached.map(|(id, _)| id).or_else(|| self.tree.end()));
        let mut branch = from.map(|id| self.tree.locator(&id)).unwrap_or_default();
        if let Some(id) = from.filter(|_| branch.is_empty()) {
            branch.push(id);
        }
        let job = self.next_job();
        self.headers = Some(HeaderJob { job, peer, since: now, branch: branch.clone(), linking: None });
        actions.push(Action::FetchHeaders { job, peer, branch });
    }

    pub(super) fn on_headers(
        &mut self,
        now: Instant,
        job: u64,
        answer: Result<Vec<Header>, RequestError>,
        actions: &mut Vec<Action>,
    ) {
        let Some(asked) = self.headers.as_mut().filter(|asked| asked.job == job && asked.linking.is_none()) else {
            return;
        };
        let peer = asked.peer;
        let headers = match answer {
            Ok(headers) if !headers.is_empty() => headers,
            Ok(_) => {
                self.headers = None;
                return self.end_run(peer);
            }
            Err(error) => {
                self.headers = None;
                if error == RequestError::Timeout {
                    actions.push(Action::Charge { peer, offence: Offence::Stalled });
                }
                return self.rest(now, peer);
            }
        };
        let with_ids: Vec<(BlockId, Header)> = headers.iter().map(|header| (header.id(), header.clone())).collect();
        if with_ids.windows(2).any(|pair| pair[1].1.parent != pair[0].0) {
            self.headers = None;
            actions.push(Action::Charge { peer, offence: Offence::WrongAnswer });
            return self.rest(now, peer);
        }
        asked.linking = Some(with_ids);
        actions.push(Action::Link { job, peer, headers });
    }

    /// A peer has no more headers to give.
    fn end_run(&mut self, peer: PeerNumber) {
        if let Some(source) = self.sources.get_mut(&peer) {
            source.exhaust();
        }
    }

    /// A peer did not give what it was asked for: others come first for a while.
    fn rest(&mut self, now: Instant, peer: PeerNumber) {
        if let Some(source) = self.sources.get_mut(&peer) {
            (source.reached, source.knows_more) = (None, false);
            source.rest(now);
        }
    }

    pub(super) fn on_linked(
        &mut self,
        now: Instant,
        job: u64,
        outcomes: Vec<HeaderOutcome>,
        actions: &mut Vec<Action>,
    ) {
        let Some(done) = self.headers.take_if(|asked| asked.job == job) else { return };
        let HeaderJob { peer, branch, linking, .. } = done;
        let headers = linking.unwrap_or_default();
        let is_full = headers.len() >= MAX_HEADERS;
        let mut reached = None;
        let mut end = None;
        for ((id, header), outcome) in headers.iter().zip(outcomes) {
            match self.take_outcome(peer, *id, header, outcome) {
                Ok(()) => reached = Some((*id, header.height)),
                Err(reason) => {
                    end = Some((reason, header.parent));
                    break;
                }
            }
        }
        match end {
            None => self.go_on(now, peer, reached, is_full),
            Some((reason, parent)) => self.break_off(now, peer, reason, branch.contains(&parent), actions),
        }
    }

    /// Takes in what became of one header; an error ends the run.
    fn take_outcome(
        &mut self,
        peer: PeerNumber,
        id: BlockId,
        header: &Header,
        outcome: HeaderOutcome,
    ) -> Result<(), RunEnd> {
        match outcome {
            HeaderOutcome::Linked(linked) => {
                if self.tree.insert(linked, peer) {
                    if let Some(job) = self.awaited.remove(&id).filter(|job| self.bodies.contains_key(job)) {
                        self.tree.set_body(&id, Body::Asked(job));
                    }
                    Ok(())
                } else {
                    Err(RunEnd::NoRoom)
                }
            }
            HeaderOutcome::Known => {
                self.tree.insert_known(id, header, peer);
                Ok(())
            }
            HeaderOutcome::Orphan { .. } => Err(RunEnd::Detached),
            HeaderOutcome::Early => Err(RunEnd::Early),
            HeaderOutcome::Unwanted => Err(RunEnd::NoRoom),
            HeaderOutcome::InvalidAncestor => Err(RunEnd::Refused),
            HeaderOutcome::Invalid(error) => match error.fault() {
                Fault::Proven => Err(RunEnd::Offence(Offence::InvalidHeader(error))),
                Fault::Mutated | Fault::NotYet => Err(RunEnd::NoRoom),
            },
        }
    }

    /// All headers of an answer are in: the next request continues, unless this was the end.
    fn go_on(&mut self, now: Instant, peer: PeerNumber, reached: Option<(BlockId, Height)>, is_full: bool) {
        let Some(source) = self.sources.get_mut(&peer) else { return };
        source.succeed();
        source.is_early = false;
        // Heights must rise from one answer to the next, or a peer could keep us going for ever.
        let rises = source.reached.map(|(_, height)| height) < reached.map(|(_, height)| height);
        source.reached = reached;
        if rises {
            self.progress = now;
        }
        if let Some((_, work)) = self.tree.best().filter(|(_, work)| *work > self.most_work) {
            (self.most_work, self.gained) = (work, now);
        }
        if !is_full || !rises {
            self.end_run(peer);
        }
        self.tree.trim();
    }

    /// A header of an answer was not linked.
    fn break_off(&mut self, now: Instant, peer: PeerNumber, end: RunEnd, is_ours: bool, actions: &mut Vec<Action>) {
        match end {
            // It continued a branch of ours that the chain has forgotten: nobody's fault.
            RunEnd::Detached if is_ours => self.restart(now),
            RunEnd::Detached => {
                actions.push(Action::Charge { peer, offence: Offence::WrongAnswer });
                self.rest(now, peer);
            }
            RunEnd::NoRoom => self.end_run(peer),
            RunEnd::Early => {
                self.end_run(peer);
                if let Some(source) = self.sources.get_mut(&peer) {
                    source.is_early = true;
                }
            }
            RunEnd::Refused => {
                self.end_run(peer);
                self.rest(now, peer);
            }
            RunEnd::Offence(offence) => {
                actions.push(Action::Charge { peer, offence });
                self.end_run(peer);
                self.rest(now, peer);
            }
        }
    }

    /// Gives a request that takes too long to another peer.
    pub(super) fn replace_stalled_headers(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let is_stalled =
            |job: &mut HeaderJob| job.linking.is_none() && now.saturating_duration_since(job.since) > STALL;
        if let Some(HeaderJob { peer, .. }) = self.headers.take_if(is_stalled) {
            actions.push(Action::Charge { peer, offence: Offence::Stalled });
            self.rest(now, peer);
        }
    }
}

/// Why a run of requests for headers ends before its peer's chain does.
#[derive(Debug)]
enum RunEnd {
    /// The first header has no parent here.
    Detached,
    /// There is no room for more.
    NoRoom,
    /// It is from the future, by this machine's clock.
    Early,
    /// The branch contains an invalid block.
    Refused,
    /// The peer's own bytes prove it wrong.
    Offence(Offence),
}
