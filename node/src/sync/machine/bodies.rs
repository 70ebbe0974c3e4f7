//! Fetching bodies: from all peers that may have them at once, the lowest first, in a window that moves up
//! with the chain.

use super::{Action, Machine};
use crate::{
    chain::BlockOutcome,
    network::{
        RequestError,
        wire::{Bodies, MAX_BODIES, Message},
    },
    sync::{
        sources::{JOBS_EACH, Source},
        tree::Body as BodyState,
    },
    verdict::{Offence, PeerNumber},
};
use cairn_ledger::{
    block::{Body, HEADER_BYTES, block_size},
    error::{BlockError, Fault},
    hash::BlockId,
};
use std::{
    cmp::Reverse,
    time::{Duration, Instant},
};

/// Bodies are fetched at most so many blocks above the lowest that is not here.
const WINDOW: usize = 1024;
/// Bytes in import and on the way, the latter as they are expected.
const MAX_BYTES: usize = 64 << 20;
/// A request that takes longer is given to another peer.
const STALL: Duration = Duration::from_secs(5);
/// What a body is taken to weigh before any was seen, in bytes.
pub(super) const FIRST_BODY: f64 = 32.0 * 1024.0;
/// How much the newest body counts for the mean.
const NEWEST: f64 = 0.05;

/// A request for bodies.
#[derive(Debug)]
pub(super) struct BodyJob {
    pub(super) peer: PeerNumber,
    since: Instant,
    ids: Vec<BlockId>,
}

impl Machine {
    /// Asks for the lowest missing bodies, until every peer is busy or enough is on its way.
    pub(super) fn plan_bodies(&mut self, now: Instant, actions: &mut Vec<Action>) {
        self.tree.trim();
        let is_missing = |id: &&BlockId| self.tree.get(id).is_some_and(|node| node.body == BodyState::Missing);
        let window = self.tree.path().iter().take(WINDOW);
        let mut missing: Vec<BlockId> = window.filter(is_missing).copied().collect();
        while let Some(first) = missing.first().copied()
            && self.bytes_on_the_way() < MAX_BYTES
            && let Some(peer) = self.choose_peer(&first, now)
        {
            let Some(source) = self.sources.get_mut(&peer) else { return };
            source.jobs += 1;
            let count = source.request_size(self.mean_body, MAX_BODIES).min(missing.len());
            let ids: Vec<BlockId> = missing.drain(..count).collect();
            let job = self.next_job();
            ids.iter().for_each(|id| self.tree.set_body(id, BodyState::Asked(job)));
            self.bodies.insert(job, BodyJob { peer, since: now, ids: ids.clone() });
            actions.push(Action::FetchBodies { job, peer, ids });
        }
    }

    fn bytes_on_the_way(&self) -> usize {
        let expected = |job: &BodyJob| ((job.ids.len() as f64 * self.mean_body) as usize).min(Bodies::MAX_BYTES);
        self.importing.values().sum::<usize>() + self.bodies.values().map(expected).sum::<usize>()
    }

    /// The peer to ask for a block: the least busy, and of those the fastest.
    fn choose_peer(&self, id: &BlockId, now: Instant) -> Option<PeerNumber> {
        let node = self.tree.get(id)?;
        let may_ask = |peer: PeerNumber, source: &Source| {
            source.jobs < JOBS_EACH
                && !source.is_resting(now)
                && source.may_have(node.height(), node.source == peer, now)
        };
        let able = self.sources.iter().filter(|(peer, source)| may_ask(**peer, source));
        able.min_by_key(|(peer, source)| (source.jobs, Reverse(source.speed()), **peer)).map(|(peer, _)| *peer)
    }

    /// Ends a request; what it did not bring is missing again.
    pub(super) fn end_job(&mut self, job: u64) -> Option<BodyJob> {
        let ended = self.bodies.remove(&job)?;
        for id in &ended.ids {
            if self.tree.get(id).is_some_and(|node| node.body == BodyState::Asked(job)) {
                self.tree.set_body(id, BodyState::Missing);
            }
        }
        if let Some(source) = self.sources.get_mut(&ended.peer) {
            source.jobs = source.jobs.saturating_sub(1);
        }
        Some(ended)
    }

    pub(super) fn on_bodies(
        &mut self,
        now: Instant,
        job: u64,
        answer: Result<Vec<Body>, RequestError>,
        actions: &mut Vec<Action>,
    ) {
        // A request that was given to another peer meanwhile: its answer comes too late.
        let Some(BodyJob { peer, since, ids }) = self.end_job(job) else { return };
        let bodies = match answer {
            Ok(bodies) => bodies,
            Err(error) => {
                if error == RequestError::Timeout {
                    actions.push(Action::Charge { peer, offence: Offence::Stalled });
                }
                if let Some(source) = self.sources.get_mut(&peer) {
                    source.rest(now);
                }
                return;
            }
        };
        if bodies.is_empty() {
            return self.on_lacking(now, peer, ids.first(), actions);
        }
        let mut bytes = 0;
        for (id, body) in ids.into_iter().zip(bodies) {
            let size = block_size(&body) - HEADER_BYTES;
            bytes += size;
            self.mean_body += (size as f64 - self.mean_body) * NEWEST;
            self.import(peer, id, body, size, actions);
        }
        if let Some(source) = self.sources.get_mut(&peer) {
            source.succeed();
            source.measure(bytes, now.saturating_duration_since(since));
        }
    }

    fn import(&mut self, peer: PeerNumber, id: BlockId, body: Body, size: usize, actions: &mut Vec<Action>) {
        let node = self.tree.get(&id).filter(|node| node.body == BodyState::Missing);
        let Some(header) = node.and_then(|node| node.linked.clone()) else { return };
        self.tree.set_body(&id, BodyState::Importing);
        self.importing.insert(id, size);
        actions.push(Action::Import { peer, header: Box::new(header), body });
    }

    /// A peer does not have a block. Whoever says it follows the chain with that block withholds it.
    fn on_lacking(&mut self, now: Instant, peer: PeerNumber, first: Option<&BlockId>, actions: &mut Vec<Action>) {
        let Some(node) = first.and_then(|id| self.tree.get(id)) else { return };
        let (height, withholds) = (node.height(), node.source == peer);
        if let Some(source) = self.sources.get_mut(&peer) {
            source.lack(height, now);
        }
        if withholds {
            actions.push(Action::Charge { peer, offence: Offence::Stalled });
        }
    }

    pub(super) fn on_imported(
        &mut self,
        now: Instant,
        id: BlockId,
        peer: PeerNumber,
        result: Result<BlockOutcome, BlockError>,
        actions: &mut Vec<Action>,
    ) {
        self.importing.remove(&id);
        match result {
            Ok(BlockOutcome::Connected | BlockOutcome::Waiting | BlockOutcome::Known) => {
                self.tree.set_body(&id, BodyState::Here);
                self.progress = now;
            }
            // The chain has forgotten its header.
            Ok(BlockOutcome::Unwanted) => {
                if self.tree.contains(&id) {
                    self.restart(now);
                }
            }
            Ok(BlockOutcome::Invalid(error)) | Err(error) => match error.fault() {
                Fault::Proven => self.on_invalid(now, &id, error, actions),
                // The block may be right, this body is not: whoever sent it was asked for this very body.
                Fault::Mutated | Fault::NotYet => {
                    self.tree.set_body(&id, BodyState::Missing);
                    actions.push(Action::Charge { peer, offence: Offence::MutatedBody });
                    if let Some(source) = self.sources.get_mut(&peer) {
                        source.rest(now);
                    }
                }
            },
        }
    }

    /// A block is invalid: so is everything above it, and whoever says it follows that chain knew better.
    fn on_invalid(&mut self, now: Instant, id: &BlockId, error: BlockError, actions: &mut Vec<Action>) {
        let Some(peer) = self.tree.get(id).map(|node| node.source) else { return };
        self.tree.remove_branch(id);
        if let Some(source) = self.sources.get_mut(&peer) {
            source.exhaust();
            source.rest(now);
            actions.push(Action::Charge { peer, offence: Offence::InvalidBlock(error) });
        }
    }

    /// Gives requests that take too long to other peers.
    pub(super) fn replace_stalled_bodies(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let is_stalled = |job: &BodyJob| now.saturating_duration_since(job.since) > STALL;
        let stalled: Vec<u64> = self.bodies.iter().filter(|(_, job)| is_stalled(job)).map(|(job, _)| *job).collect();
        for job in stalled {
            let Some(BodyJob { peer, .. }) = self.end_job(job) else { continue };
            actions.push(Action::Charge { peer, offence: Offence::Stalled });
            if let Some(source) = self.sources.get_mut(&peer) {
                source.slow_down();
                source.rest(now);
            }
        }
    }
}
