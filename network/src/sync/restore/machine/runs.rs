//! Fetching runs of accounts: from all who hold the snapshot at once, the lowest first.

use super::{End, Machine, Phase, Pivot, Reason, RestoreAction, RestorePeer, RunFailure};
use crate::{RequestError, sync::pace::Pace};
use cairn_chain::{Misbehaviour, PeerNumber, StateProgress};
use cairn_ledger::accounts::StateRun;
use std::time::{Duration, Instant};

/// Requests of one peer at once.
pub(in crate::sync::restore) const JOBS_EACH: usize = 3;
/// Runs on the way and being taken in: 10 MB.
pub(in crate::sync::restore) const MAX_RUNS: usize = 32;
/// How many may be on the way at first; one more with each that comes in time, and half as many when one does not.
pub(super) const FIRST_WINDOW: usize = 4;
/// A peer has one request at a time if the next would take longer than this: an answer has to come within 20 s.
const QUEUED: Duration = Duration::from_secs(5);
/// The longest pause after a failure; the first is a second, and it doubles with each further one.
const LONGEST_REST: Duration = Duration::from_secs(60);
/// How long a peer that did not have a run counts as one that does not hold the snapshot.
const LACKS_FOR: Duration = Duration::from_secs(20);
/// The first run, without which nobody knows how many there are, is asked of one more each time that it has not come
/// for so long.
const IMPATIENCE: Duration = Duration::from_secs(1);
/// When no run has come for so long, others are looked for …
const SEEK_AFTER: Duration = Duration::from_secs(10);
/// … this often.
const SEEK_EVERY: Duration = Duration::from_secs(15);
/// When no run has come for so long, and nobody who has sent any is about to, it is given up …
const NOBODY: Duration = Duration::from_secs(60);
/// … and whoever is about to when it is so long.
const TOO_LONG: Duration = Duration::from_secs(600);
/// One of the last runs is asked of somebody else, too, who should bring it this many times sooner.
const SOONER: u32 = 2;
/// Odd, and without a pattern: numbers that follow one another lie far apart once multiplied by it.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
/// What a run weighs on the wire, but for the last.
const RUN_BYTES: f64 = StateRun::MAX_BYTES as f64;

/// A request for a run.
#[derive(Debug)]
pub(super) struct RunJob {
    peer: PeerNumber,
    number: u64,
    since: Instant,
    /// When it should have been answered.
    expected: Instant,
    /// When the run is asked of somebody else.
    deadline: Instant,
    is_overdue: bool,
}

impl Machine {
    pub(super) fn on_state_begun(&mut self, progress: StateProgress) {
        let Phase::Beginning(pivot) = self.phase else { return };
        self.phase = Phase::Runs(pivot);
        (self.runs, self.lowest) = (progress.runs, 0);
        self.runs_here = progress.have.into_iter().collect();
        if self.runs.is_some_and(|runs| self.runs_here.len() as u64 >= runs) {
            self.end(End::Complete);
        }
    }

    /// Asks for the lowest runs that are not here, until every holder is busy or enough is on its way.
    pub(super) fn plan_runs(&mut self, pivot: Pivot) {
        while self.ask_for_lowest(pivot) || self.pass_on_last(pivot) {}
    }

    /// `false`: there is nobody to ask, nothing to ask for, or enough is on its way.
    fn ask_for_lowest(&mut self, pivot: Pivot) -> bool {
        if self.on_the_way() >= self.window.min(MAX_RUNS) {
            return false;
        }
        let Some(number) = self.next_missing() else { return false };
        let Some((peer, takes)) = self.choose_holder(pivot) else { return false };
        let Some(holder) = self.peers.get_mut(&peer) else { return false };
        (holder.jobs, holder.was_asked) = (holder.jobs + 1, true);
        let (job, since) = (self.next_job(), self.now);
        let (expected, deadline) = (since + takes, since + Pace::patience(takes));
        self.jobs.insert(job, RunJob { peer, number, since, expected, deadline, is_overdue: false });
        self.asked.insert(number, job);
        self.actions.push(RestoreAction::FetchRun { job, peer, state_root: pivot.state_root, number });
        true
    }

    /// Where only runs are left that were asked for, one that is late is missing again, if somebody is free who should
    /// bring it much sooner: one that sends nothing once held up the end for all its patience.
    fn pass_on_last(&mut self, pivot: Pivot) -> bool {
        if self.runs.is_none() || self.next_missing().is_some() {
            return false;
        }
        let Some((_, takes)) = self.choose_holder(pivot) else { return false };
        // Whoever is late may be so for as long again.
        let late = |job: &RunJob| self.now.saturating_duration_since(job.expected);
        let waited_for = self.asked.values().filter_map(|job| Some((late(self.jobs.get(job)?), *job)));
        let Some((_, job)) = waited_for.max().filter(|(late, _)| takes * SOONER < *late) else { return false };
        self.set_overdue(job);
        true
    }

    /// Runs that are waited for, and those that are being taken in.
    pub(in crate::sync::restore) fn on_the_way(&self) -> usize {
        self.asked.len() + self.taking.len()
    }

    /// The lowest run that is not here and was not asked for. Before the first has come, nobody knows of others.
    fn next_missing(&mut self) -> Option<u64> {
        while self.runs_here.contains(&self.lowest) {
            self.lowest += 1;
        }
        let is_missing = |number: &u64| {
            !self.runs_here.contains(number) && !self.asked.contains_key(number) && !self.taking.contains(number)
        };
        (self.lowest..self.runs.unwrap_or(1)).find(is_missing)
    }

    /// Which holder should send a run first, and how long that takes.
    fn choose_holder(&self, pivot: Pivot) -> Option<(PeerNumber, Duration)> {
        let free = self.peers.iter().filter(|(_, peer)| self.is_holder(peer, pivot) && peer.is_free(self.now));
        // Of those nobody knows anything of, not the first to come: strangers who stall may be there long before.
        let spread = |number: PeerNumber| number.0.wrapping_mul(SPREAD);
        free.map(|(number, peer)| (peer.expect_run(), spread(*number), *number))
            .min()
            .map(|(takes, _, number)| (number, takes))
    }

    /// Whether some of the accounts are here.
    pub(super) fn has_runs(&self) -> bool {
        !self.runs_here.is_empty()
    }

    /// Whether anybody holds the snapshot, however busy or slow.
    pub(super) fn has_holder(&self, pivot: Pivot) -> bool {
        self.peers.values().any(|peer| self.is_holder(peer, pivot))
    }

    /// Whether a peer says it holds the snapshot, and nothing speaks against it.
    fn is_holder(&self, peer: &RestorePeer, pivot: Pivot) -> bool {
        let lacks = peer.lacks.is_some_and(|until| until > self.now);
        let names =
            |name: &crate::wire::SnapshotName| name.state_root == pivot.state_root && name.height == pivot.height;
        !lacks && !peer.is_liar && peer.status.snapshots.iter().any(names)
    }

    /// Ends a request; what it did not bring is missing again.
    fn end_job(&mut self, job: u64) -> Option<RunJob> {
        let ended = self.jobs.remove(&job)?;
        if self.asked.get(&ended.number) == Some(&job) {
            self.asked.remove(&ended.number);
        }
        if let Some(peer) = self.peers.get_mut(&ended.peer) {
            peer.jobs = peer.jobs.saturating_sub(1);
            peer.overdue = peer.overdue.saturating_sub(usize::from(ended.is_overdue));
        }
        Some(ended)
    }

    /// Ends the requests of some peers; what still comes of them is not looked at.
    pub(super) fn end_jobs(&mut self, of: impl Fn(PeerNumber) -> bool) {
        let theirs: Vec<u64> = self.jobs.iter().filter(|(_, job)| of(job.peer)).map(|(job, _)| *job).collect();
        for job in theirs {
            self.end_job(job);
        }
    }

    pub(super) fn on_run(&mut self, job: u64, answer: Result<Option<Box<StateRun>>, RunFailure>) {
        let Some(RunJob { peer, number, since, is_overdue, .. }) = self.end_job(job) else { return };
        let now = self.now;
        let Some(holder) = self.peers.get_mut(&peer) else { return };
        match answer {
            Ok(Some(run)) => {
                holder.rest.succeeded();
                holder.pace.answered(now, since, run.leaves.len() * LEAF_BYTES);
                self.window = (self.window + usize::from(!is_overdue)).min(MAX_RUNS);
                self.take_run(number, run);
            }
            Ok(None) => holder.lacks = Some(now + LACKS_FOR),
            Err(RunFailure::Wrong(_)) => {
                holder.is_liar = true;
                self.report(peer, Misbehaviour::WrongAnswer);
                self.end_jobs(|of| of == peer);
            }
            // It has been reported.
            Err(RunFailure::Request(RequestError::Undecodable(_))) => {
                holder.is_liar = true;
                self.end_jobs(|of| of == peer);
            }
            Err(RunFailure::Request(error)) => {
                holder.rest.tried(now, LONGEST_REST);
                if error == RequestError::Timeout {
                    self.report(peer, Misbehaviour::Stalled);
                }
            }
        }
    }

    /// Has a checked run taken in, unless it is here, or too many wait: then it is asked for again.
    fn take_run(&mut self, number: u64, run: Box<StateRun>) {
        let is_wanted = !self.runs_here.contains(&number) && !self.taking.contains(&number);
        if !is_wanted || self.taking.len() >= MAX_RUNS {
            return;
        }
        // Whoever else was asked for it meanwhile is not waited for.
        self.asked.remove(&number);
        self.taking.insert(number);
        self.actions.push(RestoreAction::TakeRun(run));
    }

    pub(super) fn on_run_taken(&mut self, number: u64, progress: &StateProgress, is_complete: bool) {
        self.taking.remove(&number);
        self.runs_here.insert(number);
        (self.runs, self.gained) = (progress.runs, self.now);
        if is_complete {
            self.end(End::Complete);
        }
    }

    /// Has late runs asked of others, has holders looked for, and gives up when there are none for too long.
    pub(super) fn watch_runs(&mut self, pivot: Pivot) {
        self.pass_on_late();
        self.pass_on_first();
        let (idle, has_holder) = (self.now.saturating_duration_since(self.gained), self.has_holder(pivot));
        let is_hopeful = self
            .jobs
            .values()
            .any(|job| !job.is_overdue && self.peers.get(&job.peer).is_some_and(|peer| peer.pace.is_known()));
        let is_untried = self.peers.values().any(|peer| self.is_holder(peer, pivot) && !peer.was_asked);
        let is_waiting = !self.taking.is_empty() || is_hopeful || is_untried;
        if (idle > NOBODY && !is_waiting) || (idle > TOO_LONG && self.taking.is_empty()) {
            return self.end(End::GivenUp(Reason::NoHolder { height: pivot.height }));
        }
        let is_lacking = !has_holder || (idle > SEEK_AFTER && self.taking.is_empty());
        if is_lacking && self.next_search.is_none_or(|next| next <= self.now) {
            self.next_search = Some(self.now + SEEK_EVERY);
            self.actions.push(RestoreAction::SeekHolders { state_root: pivot.state_root });
        }
    }

    /// Has the first run asked of one more, as long as none has come.
    fn pass_on_first(&mut self) {
        let first = self.asked.get(&0).filter(|_| self.runs.is_none()).and_then(|job| self.jobs.get(job));
        if first.is_some_and(|job| self.now.saturating_duration_since(job.since) > IMPATIENCE) {
            self.asked.remove(&0);
        }
    }

    /// Has what a request is to bring asked of others; of whom it was asked, who is asked for nothing else until it has
    /// answered.
    fn set_overdue(&mut self, job: u64) -> Option<PeerNumber> {
        let asked = self.jobs.get_mut(&job)?;
        asked.is_overdue = true;
        if self.asked.get(&asked.number) == Some(&job) {
            self.asked.remove(&asked.number);
        }
        let peer = asked.peer;
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.overdue += 1;
        }
        Some(peer)
    }

    /// Has what is late asked of others. Whoever is late has to answer before it is asked for more.
    fn pass_on_late(&mut self) {
        let late = self.jobs.iter().filter(|(_, job)| !job.is_overdue && self.now > job.deadline);
        for job in late.map(|(job, _)| *job).collect::<Vec<_>>() {
            let Some(peer) = self.set_overdue(job) else { continue };
            self.window = (self.window / 2).max(1);
            if let Some(peer) = self.peers.get_mut(&peer) {
                peer.pace.slow_down();
                peer.rest.tried(self.now, LONGEST_REST);
            }
        }
    }
}

/// Bytes of a leaf.
const LEAF_BYTES: usize = 80;

impl RestorePeer {
    /// Whether it may be asked for a run now.
    fn is_free(&self, now: Instant) -> bool {
        // Whoever has never answered is tried out with one: many that stall hold little.
        let most = if self.pace.is_known() { JOBS_EACH } else { 1 };
        let has_room = self.jobs == 0 || (self.jobs < most && self.expect_run() <= QUEUED);
        has_room && self.overdue == 0 && self.rest.is_due(now)
    }

    /// How long one more run should take, behind those that it was asked for.
    fn expect_run(&self) -> Duration {
        self.pace.expect(RUN_BYTES, self.jobs as f64 * RUN_BYTES)
    }
}
