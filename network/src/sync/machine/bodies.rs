//! Fetching bodies: from all peers that may have them at once, the lowest first, in a window that moves up
//! with the chain. Who is asked for a piece is whoever should bring it first, by what was measured of each
//! ([`Pace`](crate::sync::pace::Pace)); a piece that holds up all above it is asked of somebody else, too.

use super::{Machine, SyncAction};
use crate::sync::tree::{Body as BodyState, Node};
use crate::wire::{Bodies, MAX_BODIES, Message};
use crate::{RequestError, sync::pace::Pace, sync::sync_peers::SyncPeer};
use cairn_chain::store::LEAST_KEPT;
use cairn_chain::{BlockOutcome, Misbehaviour, PeerNumber};
use cairn_ledger::block::{Body, HEADER_BYTES, block_size};
use cairn_ledger::error::{BlockError, Fault};
use cairn_ledger::{hash::BlockId, units::Height};
use std::time::{Duration, Instant};

/// Bodies are fetched at most so many blocks above the lowest that is not here: seconds of small ones.
pub(in crate::sync) const WINDOW: u64 = 2048;
/// The same in bytes, as they are expected: what the chain keeps, on the disk mostly, until the lowest has come.
const WINDOW_BYTES: f64 = 256.0 * 1024.0 * 1024.0;
/// The least number of blocks in the window.
const LEAST_WINDOW: u64 = 64;
/// Requests on the way, but for those that were given up, at most …
const MAX_JOBS: usize = 32;
/// … and at least, so that one that stalls does not leave the other peers idle.
const LEAST_JOBS: usize = 4;
/// What a body is taken to weigh before any was seen, in bytes.
pub(super) const FIRST_BODY: f64 = 32.0 * 1024.0;
/// How much the newest body counts for the mean.
const NEWEST: f64 = 0.05;
/// The lowest piece is asked of somebody else, too, who should bring it this many times sooner, so that the
/// little that is fetched twice is well spent.
const SOONER: u32 = 2;

/// So long the headers of bodies that came before them are waited for, at most.
const EARLY: Duration = Duration::from_secs(6);

/// A body that was asked for, and came when its header was forgotten with whoever had brought that.
#[derive(Debug)]
pub(super) struct EarlyBody {
    peer: PeerNumber,
    since: Instant,
    body: Body,
    size: usize,
}

/// A request for bodies.
#[derive(Debug)]
pub(super) struct BodyJob {
    pub(super) peer: PeerNumber,
    since: Instant,
    /// When it should have been answered.
    expected: Instant,
    /// When it is given up.
    deadline: Instant,
    /// What it brings may be asked of others, too. Its answer is still welcome.
    is_overdue: bool,
    /// Its peer was reported for it.
    is_reported: bool,
    pub(super) ids: Vec<BlockId>,
}

impl BodyJob {
    /// Whether its answer may still come in time.
    pub(super) fn is_in_time(&self, now: Instant) -> bool {
        !self.is_overdue && now <= self.deadline
    }

    /// Whether others may have been asked for the same.
    pub(super) fn is_overdue(&self) -> bool {
        self.is_overdue
    }
}

impl Machine {
    /// Asks for the lowest missing bodies, until every peer is busy or enough is on its way.
    pub(super) fn plan_bodies(&mut self) {
        self.tree.trim();
        for source in self.sources.values_mut() {
            source.forget_lacking(|id| self.tree.is_on_path(id));
        }
        while self.ask_for_lowest() || self.pass_on_head() {}
    }

    /// Asks for the lowest missing bodies those who should bring them first. `false`: there is nobody to ask,
    /// nothing to ask for, or no room.
    fn ask_for_lowest(&mut self) -> bool {
        let waited_for = self.bodies.values().filter(|job| !job.is_overdue).count();
        let too_much = self.importing_bytes >= self.max_importing() || self.bytes_on_the_way() >= self.max_bytes();
        if waited_for >= self.max_jobs() || too_much {
            return false;
        }
        let Some((first, peer, takes)) = self.choose_lowest() else { return false };
        let window = self.window();
        let Some(source) = self.sources.get_mut(&peer) else { return false };
        source.jobs += 1;
        let count = source.request_size(self.mean_body, MAX_BODIES);
        let missing = self.tree.missing_from(first, window).take_while(|(height, _)| source.status.keeps(*height));
        let ids: Vec<BlockId> = missing.take(count).map(|(_, id)| id).collect();
        let job = self.next_job();
        ids.iter().for_each(|id| self.tree.set_body(id, BodyState::Asked(job)));
        let (expected, deadline) = (self.now + takes, self.now + Pace::patience(takes));
        let asked = BodyJob {
            peer,
            since: self.now,
            expected,
            deadline,
            is_overdue: false,
            is_reported: false,
            ids: ids.clone(),
        };
        self.bodies.insert(job, asked);
        self.actions.push(SyncAction::FetchBodies { job, peer, ids });
        true
    }

    /// How far above the lowest block that is not here bodies are fetched.
    fn window(&self) -> u64 {
        ((WINDOW_BYTES / self.mean_body.max(1.0)) as u64).clamp(LEAST_WINDOW, WINDOW)
    }

    /// Bytes in import and on the way, the latter as they are expected: twice what may wait for others.
    pub(in crate::sync) fn max_bytes(&self) -> usize {
        self.block_bytes * 2
    }

    /// Requests on the way, but for those that were given up: peers that stall take no place from others. However
    /// little they are expected to bring (a guess before the first has come, and too little where blocks grow), all
    /// answers together, of at most 4 MiB each, have room, or 16 MiB where that is less.
    pub(in crate::sync) fn max_jobs(&self) -> usize {
        (self.max_bytes() / Bodies::MAX_BYTES).clamp(LEAST_JOBS, MAX_JOBS)
    }

    /// Bytes in import above which nothing is asked for: the chain is slower than the peers, and what waits to be
    /// checked waits decoded, in twice the memory.
    fn max_importing(&self) -> usize {
        self.block_bytes / 4 * 3
    }

    /// Bytes in import, and those that are expected.
    pub(in crate::sync) fn bytes_on_the_way(&self) -> usize {
        self.importing_bytes + self.bodies.values().map(|job| self.weigh(job)).sum::<usize>()
    }

    /// What a request should bring.
    fn weigh(&self, job: &BodyJob) -> usize {
        ((job.ids.len() as f64 * self.mean_body) as usize).min(Bodies::MAX_BYTES)
    }

    /// The lowest missing body that somebody may be asked for, with who should bring it first, and how long that takes.
    /// Where nobody who has the lowest of all is free, those who keep others need not rest.
    fn choose_lowest(&self) -> Option<(Height, PeerNumber, Duration)> {
        let window = self.window();
        let choose = |height| {
            let (peer, takes) = self.choose_peer(&self.tree.at(height)?)?;
            Some((height, peer, takes))
        };
        let lowest = self.tree.missing_within((Height::GENESIS, Height::new(u64::MAX)), window)?;
        choose(lowest).or_else(|| {
            let free = self.sources.values().filter(|source| source.is_free(self.now));
            let kept = free.flat_map(|source| source.status.kept());
            choose(kept.filter_map(|range| self.tree.missing_within(range, window)).min()?)
        })
    }

    /// Whether a body is missing in the window that anybody keeps, however busy.
    fn lacks_what_is_kept(&self) -> bool {
        let (window, mut kept) = (self.window(), self.sources.values().flat_map(|source| source.status.kept()));
        kept.any(|range| self.tree.missing_within(range, window).is_some())
    }

    /// Who should bring a block first, and how long that takes with what else is asked for.
    fn choose_peer(&self, id: &BlockId) -> Option<(PeerNumber, Duration)> {
        let node = self.tree.get(id)?;
        let able = self
            .sources
            .iter()
            .filter(|(peer, source)| source.is_free(self.now) && self.may_have(source, **peer, node));
        let takes = able.map(|(peer, source)| (self.expect(*peer, source), *peer));
        takes.min().map(|(takes, peer)| (peer, takes))
    }

    /// How long one more request to a peer should take, behind those that it has.
    fn expect(&self, peer: PeerNumber, source: &SyncPeer) -> Duration {
        let before: usize = self.bodies.values().filter(|job| job.peer == peer).map(|job| self.weigh(job)).sum();
        let bytes = source.request_size(self.mean_body, MAX_BODIES) as f64 * self.mean_body;
        source.pace.expect(bytes, before as f64)
    }

    /// Where the lowest body that is not here holds up all others (the window is asked for to its end), and
    /// somebody else should bring it much sooner than whoever was asked, it is missing again.
    fn pass_on_head(&mut self) -> bool {
        let head = self.tree.lowest().filter(|_| !self.lacks_what_is_kept());
        let Some(Node { body: BodyState::Asked(job), .. }) = head else { return false };
        let (Some(asked), Some(head)) = (self.bodies.get(job), head) else { return false };
        let others = self.sources.iter().filter(|(peer, source)| {
            **peer != asked.peer && source.is_free(self.now) && self.may_have(source, **peer, head)
        });
        let soonest = others.map(|(peer, source)| self.expect(*peer, source)).min();
        // Whoever is late already may be so for as long again.
        let late = self.now.saturating_duration_since(asked.expected);
        let remains = asked.expected.saturating_duration_since(self.now) + late;
        let is_sooner = soonest.is_some_and(|soonest| soonest * SOONER < remains);
        let job = *job;
        if is_sooner {
            self.give_up(job);
        }
        is_sooner
    }

    /// Has what a request is to bring asked of others, too. Whom it was asked of is asked for nothing else
    /// until it has answered.
    fn give_up(&mut self, job: u64) {
        let Some(asked) = self.bodies.get_mut(&job).filter(|asked| !asked.is_overdue) else { return };
        asked.is_overdue = true;
        let peer = asked.peer;
        self.tree.set_missing(&asked.ids, job);
        self.change(peer, |source, _| source.overdue += 1);
    }

    /// Ends a request; what it did not bring is missing again.
    pub(super) fn end_job(&mut self, job: u64) -> Option<BodyJob> {
        let ended = self.bodies.remove(&job)?;
        self.tree.set_missing(&ended.ids, job);
        if let Some(source) = self.sources.get_mut(&ended.peer) {
            source.jobs = source.jobs.saturating_sub(1);
            source.overdue = source.overdue.saturating_sub(usize::from(ended.is_overdue));
        }
        Some(ended)
    }

    pub(super) fn on_bodies(&mut self, job: u64, answer: Result<Vec<Body>, RequestError>) {
        // From before everything began anew.
        let Some(BodyJob { peer, since, ids, is_reported, .. }) = self.end_job(job) else { return };
        let bodies = match answer {
            Ok(bodies) => bodies,
            Err(error) => {
                if error == RequestError::Timeout && !is_reported {
                    self.actions.push(SyncAction::Report { peer, misbehaviour: Misbehaviour::Stalled });
                }
                self.change(peer, |source, now| source.rest(now));
                return;
            }
        };
        if bodies.is_empty() {
            return self.on_lacking(peer, ids.first());
        }
        let mut bytes = 0;
        for (id, body) in ids.into_iter().zip(bodies) {
            let size = block_size(body.iter()) - HEADER_BYTES;
            bytes += size;
            self.mean_body += (size as f64 - self.mean_body) * NEWEST;
            if self.awaited.remove(&id).is_some_and(|awaited| awaited == job) && !self.tree.contains(&id) {
                self.importing_bytes += size;
                let replaced = self.early.insert(id, EarlyBody { peer, since: self.now, body, size });
                self.importing_bytes -= replaced.map_or(0, |replaced| replaced.size);
            } else {
                self.import(peer, id, body, size);
            }
        }
        if let Some(source) = self.sources.get_mut(&peer) {
            source.gave(self.now);
            source.pace.answered(self.now, since, bytes);
        }
    }

    fn import(&mut self, peer: PeerNumber, id: BlockId, body: Body, size: usize) {
        // Asked of somebody else meanwhile, or here: whoever comes first counts.
        let is_wanted = |node: &&Node| matches!(node.body, BodyState::Missing | BodyState::Asked(_));
        let node = self.tree.get(&id).filter(is_wanted);
        let Some(header) = node.and_then(|node| node.linked.clone()) else { return };
        self.tree.set_body(&id, BodyState::Importing);
        self.importing.insert(id, size);
        self.importing_bytes += size;
        self.actions.push(SyncAction::Import { peer, header, body });
    }

    /// Imports the body of a block whose header has come again; `false`: it has not come before.
    pub(super) fn import_early(&mut self, id: &BlockId) -> bool {
        let Some(EarlyBody { peer, body, size, .. }) = self.early.remove(id) else { return false };
        self.importing_bytes -= size;
        self.import(peer, *id, body, size);
        true
    }

    /// Drops bodies that came before their headers.
    pub(super) fn drop_early(&mut self, which: impl Fn(&EarlyBody) -> bool) {
        let dropped = self.early.extract_if(.., |_, early| which(early));
        self.importing_bytes -= dropped.map(|(_, early)| early.size).sum::<usize>();
    }

    /// Drops those whose headers do not come.
    pub(super) fn drop_late(&mut self) {
        let now = self.now;
        self.drop_early(|early| now.saturating_duration_since(early.since) > EARLY);
    }

    /// A peer does not have a block. Whoever says it follows the chain with that block withholds it.
    fn on_lacking(&mut self, peer: PeerNumber, first: Option<&BlockId>) {
        let Some((id, node)) = first.and_then(|id| Some((id, self.tree.get(id)?))) else { return };
        let height = node.height();
        // Whoever prunes may have done so since it last said what it keeps.
        let may_prune = |source: &SyncPeer| {
            source.status.lowest_body > Height::GENESIS && height.saturating_add(LEAST_KEPT) <= source.status.height
        };
        let withholds = node.source == peer && !self.sources.get(&peer).is_some_and(may_prune);
        self.change(peer, |source, now| source.lack(*id, height, now));
        if withholds {
            self.actions.push(SyncAction::Report { peer, misbehaviour: Misbehaviour::Stalled });
        }
    }

    pub(super) fn on_imported(&mut self, id: BlockId, peer: PeerNumber, result: Result<BlockOutcome, BlockError>) {
        self.importing_bytes -= self.importing.remove(&id).unwrap_or(0);
        match result {
            Ok(BlockOutcome::Connected | BlockOutcome::Waiting | BlockOutcome::Known) => {
                self.tree.set_body(&id, BodyState::Here);
                (self.progress, self.gained) = (self.now, self.now);
                self.tree.note_given(&id);
            }
            // The chain has forgotten its header.
            Ok(BlockOutcome::Unwanted) => {
                if self.tree.contains(&id) {
                    self.restart();
                }
            }
            Ok(BlockOutcome::Invalid(error)) | Err(error) => match error.fault() {
                Fault::Proven => self.on_invalid(&id, error),
                // The block may be right, this body is not: whoever sent it was asked for this very body.
                Fault::Mutated | Fault::NotYet => {
                    // Unless the block has come by another way meanwhile.
                    if self.tree.get(&id).is_some_and(|node| node.body == BodyState::Importing) {
                        // Or is on its way from somebody else, who was asked, too.
                        let also = self.bodies.iter().find(|(_, job)| !job.is_overdue && job.ids.contains(&id));
                        self.tree.set_body(&id, also.map_or(BodyState::Missing, |(job, _)| BodyState::Asked(*job)));
                    }
                    if let Some(source) = self.sources.get_mut(&peer)
                        && source.take_lie(self.now)
                    {
                        source.rest(self.now);
                        self.actions.push(SyncAction::Report { peer, misbehaviour: Misbehaviour::MutatedBody });
                    }
                }
            },
        }
    }

    /// A block is invalid: so is everything above it, and whoever says it follows that chain knew better.
    fn on_invalid(&mut self, id: &BlockId, error: BlockError) {
        let Some(peer) = self.tree.get(id).map(|node| node.source) else { return };
        self.tree.remove_branch(id);
        if let Some(source) = self.sources.get_mut(&peer) {
            source.exhaust();
            source.rest(self.now);
            self.actions.push(SyncAction::Report { peer, misbehaviour: Misbehaviour::InvalidBlock(error) });
        }
    }

    /// Gives requests that take too long to other peers.
    pub(super) fn replace_stalled_bodies(&mut self) {
        let stalled = self.bodies.iter_mut().filter(|(_, job)| !job.is_reported && self.now > job.deadline);
        let stalled = stalled.map(|(job, asked)| {
            asked.is_reported = true;
            (*job, asked.peer)
        });
        for (job, peer) in stalled.collect::<Vec<_>>() {
            self.give_up(job);
            self.actions.push(SyncAction::Report { peer, misbehaviour: Misbehaviour::Stalled });
            if let Some(source) = self.sources.get_mut(&peer) {
                source.pace.slow_down();
                source.rest(self.now);
            }
        }
    }

    /// Whether anybody may have the lowest block that is not here, however busy or slow.
    pub(super) fn is_obtainable(&self) -> bool {
        let (Some(lowest), tip) = (self.tree.lowest(), self.tip.total_work) else { return true };
        self.sources.iter().any(|(peer, source)| source.may_have(lowest.height(), tip, lowest.source == *peer, None))
    }

    /// Whether a peer is worth asking for a block now.
    fn may_have(&self, source: &SyncPeer, peer: PeerNumber, node: &Node) -> bool {
        source.may_have(node.height(), self.tip.total_work, node.source == peer, Some(self.now))
    }
}
