//! Fetching headers: from one peer at a time, the lead, until nobody who may lead claims more.

use super::{End, HeadersHere, Machine, Phase, Reason, RestoreAction, RestorePeer};
use crate::{RequestError, wire::MAX_HEADERS};
use cairn_chain::{Misbehaviour, PeerNumber, RestoreRefusal};
use cairn_ledger::{block::Header, error::Fault, pow::Work, units::Height};
use std::cmp::Reverse;
use std::time::{Duration, Instant};

/// A lead that takes longer for an answer is replaced.
const STALL: Duration = Duration::from_secs(6);
/// How long after the first peer came others are waited for before it is said that the chain goes no further …
const MEET: Duration = Duration::from_secs(5);
/// … and that it is too short.
const SHORT: Duration = Duration::from_secs(20);
/// How long after a lead first kept its claim those may lead who have not: one that has more to show does so by then, and
/// liars who take turns do not keep a node for ever.
const CONTEST: Duration = Duration::from_secs(30);
/// When nobody has held a snapshot for so long of which runs are here, it is looked whether the pivot has moved.
const GONE: Duration = Duration::from_secs(30);
/// When nobody shows what is claimed for so long, it is given up.
const NOBODY: Duration = Duration::from_secs(60);

/// The peer whose headers are fetched.
#[derive(Debug)]
pub(super) struct Lead {
    pub(super) peer: PeerNumber,
    job: u64,
    /// When it was asked, while it is waited for.
    since: Option<Instant>,
    /// What it claimed when it was asked.
    claimed: Work,
    /// The work that was here before its last answer: with each but the first it has to rise.
    before: Option<Work>,
    /// Whether its last answer was as long as one can be.
    is_full: bool,
}

impl Machine {
    /// Asks the next lead, or goes on to the accounts when there is none.
    pub(super) fn plan_headers(&mut self) {
        if self.lead.is_some() || self.is_taking_headers {
            return;
        }
        match self.next_lead() {
            Some(peer) => self.ask_lead(peer, None),
            None => self.end_headers(),
        }
    }

    fn next_lead(&self) -> Option<PeerNumber> {
        let able = self.peers.iter().filter(|(_, peer)| self.may_lead(peer));
        let first = able.max_by_key(|(number, peer)| {
            (peer.kind.named, !peer.kind.inbound, peer.status.total_work, Reverse(number.0))
        });
        first.map(|(number, _)| *number)
    }

    fn may_lead(&self, peer: &RestorePeer) -> bool {
        let is_over = self.kept_since.is_some_and(|since| self.now.saturating_duration_since(since) > CONTEST);
        let is_exhausted = peer.exhausted == Some(peer.status.tip);
        self.claims_more(peer) && !peer.has_failed && !is_exhausted && (!is_over || peer.has_kept)
    }

    /// Whether a peer claims more than is here.
    pub(super) fn claims_more(&self, peer: &RestorePeer) -> bool {
        peer.status.total_work > self.here.total_work
    }

    fn ask_lead(&mut self, peer: PeerNumber, before: Option<Work>) {
        let job = self.next_job();
        let Some(claimed) = self.peers.get(&peer).map(|peer| peer.status.total_work) else { return };
        self.lead = Some(Lead { peer, job, since: Some(self.now), claimed, before, is_full: false });
        self.actions.push(RestoreAction::FetchHeaders { job, peer, locator: self.here.locator.clone() });
    }

    pub(super) fn on_headers(&mut self, job: u64, answer: Result<Vec<Header>, RequestError>) {
        let Some(lead) = self.lead.as_mut().filter(|lead| lead.job == job) else { return };
        match answer {
            Ok(headers) if headers.is_empty() => self.end_lead(),
            Ok(headers) => {
                (lead.since, lead.is_full) = (None, headers.len() >= MAX_HEADERS);
                self.is_taking_headers = true;
                self.actions.push(RestoreAction::TakeHeaders { job, headers });
            }
            Err(RequestError::Timeout) => self.fail_lead(Some(Misbehaviour::Stalled)),
            Err(_) => self.fail_lead(None),
        }
    }

    pub(super) fn on_headers_taken(&mut self, job: u64, refusal: Option<RestoreRefusal>, here: HeadersHere) {
        (self.here, self.is_taking_headers) = (here, false);
        if self.here.total_work > self.most_work {
            (self.most_work, self.progress) = (self.here.total_work, self.now);
        }
        let Some(lead) = self.lead.as_ref().filter(|lead| lead.job == job) else { return };
        let (peer, work) = (lead.peer, self.here.total_work);
        let rises = lead.before.is_none_or(|before| work > before);
        match refusal {
            Some(RestoreRefusal::Unlinked) => self.fail_lead(Some(Misbehaviour::WrongAnswer)),
            Some(RestoreRefusal::Invalid(error)) => match error.fault() {
                Fault::Proven => self.fail_lead(Some(Misbehaviour::InvalidHeader(error))),
                // From the future, or under rules that only one side knows: nobody's fault.
                Fault::Mutated | Fault::NotYet => self.exhaust_lead(),
            },
            None if work >= lead.claimed || !lead.is_full => self.end_lead(),
            None if rises => self.ask_lead(peer, Some(work)),
            // Headers without end that lead nowhere.
            None => self.fail_lead(Some(Misbehaviour::Unkept)),
        }
    }

    /// The lead has no more headers: its claim is kept, or not.
    fn end_lead(&mut self) {
        let Some(lead) = self.lead.take_if(|lead| self.here.total_work >= lead.claimed) else {
            return self.fail_lead(Some(Misbehaviour::Unkept));
        };
        self.kept_since.get_or_insert(self.now);
        self.progress = self.now;
        if let Some(peer) = self.peers.get_mut(&lead.peer) {
            (peer.has_kept, peer.is_early) = (true, false);
        }
    }

    /// The lead never leads again.
    fn fail_lead(&mut self, misbehaviour: Option<Misbehaviour>) {
        let Some(Lead { peer, .. }) = self.lead.take() else { return };
        let has_lied = misbehaviour.as_ref().is_some_and(|misbehaviour| *misbehaviour != Misbehaviour::Stalled);
        misbehaviour.into_iter().for_each(|misbehaviour| self.report(peer, misbehaviour));
        if let Some(peer) = self.peers.get_mut(&peer) {
            (peer.has_failed, peer.has_kept, peer.has_lied) = (true, false, has_lied);
        }
    }

    /// The lead is not asked again before it claims another tip.
    fn exhaust_lead(&mut self) {
        let Some(peer) = self.lead.take().and_then(|lead| self.peers.get_mut(&lead.peer)) else { return };
        (peer.exhausted, peer.is_early) = (Some(peer.status.tip), true);
    }

    pub(super) fn replace_stalled_lead(&mut self) {
        let is_late = |since: Instant| self.now.saturating_duration_since(since) > STALL;
        if self.lead.as_ref().is_some_and(|lead| lead.since.is_some_and(is_late)) {
            self.fail_lead(Some(Misbehaviour::Stalled));
        }
    }

    /// Goes back to the headers where somebody claims more of them and nobody holds the snapshot of the pivot: whoever led
    /// may have been far behind, or others may have gone on. Where runs are here that is waited with for a while; the pivot
    /// only moves once nobody keeps its snapshot any more.
    pub(super) fn move_pivot(&mut self) {
        let Phase::Runs(pivot) = self.phase else { return };
        let idle = self.now.saturating_duration_since(self.gained);
        let is_early = self.has_runs() && idle < GONE;
        if self.on_the_way() > 0 || self.has_holder(pivot) || is_early || idle > NOBODY {
            return;
        }
        // Whoever has come since has its turn, for as long as others had.
        let kept_since = self.kept_since.replace(self.now);
        if self.next_lead().is_some() {
            self.end_jobs(|_| true);
            (self.phase, self.progress) = (Phase::Headers, self.now);
        } else {
            self.kept_since = kept_since;
        }
    }

    /// Goes on to the accounts, once all that is claimed is here, or cannot be had.
    fn end_headers(&mut self) {
        let Some(met) = self.met.filter(|_| !self.peers.is_empty()) else { return };
        let met = self.now.saturating_duration_since(met);
        if met < MEET {
            return;
        }
        // Nobody claims more but for liars: those who were only slow may be right.
        let credible = || self.peers.values().filter(|peer| !peer.has_failed);
        let is_all =
            credible().next().is_some() && !self.peers.values().any(|peer| !peer.has_lied && self.claims_more(peer));
        // Or somebody's claim is what is here, whoever sent that.
        let last = self.here.locator.first().filter(|_| self.here.height > Height::GENESIS);
        let is_claimed = || credible().any(|peer| last == Some(&peer.status.tip));
        let is_shown = (self.kept_since.is_some() || is_claimed()) && self.here.total_work >= self.most_work;
        if !is_all && !is_shown {
            // Where what was shown has been replaced by less, and whoever showed it is gone, all may lead again.
            self.kept_since = None;
            if self.now.saturating_duration_since(self.progress) > NOBODY {
                self.end(End::GivenUp(Reason::NoHeaders));
            }
            return;
        }
        match self.here.pivot {
            Some(pivot) => {
                if self.sought.replace(pivot) != Some(pivot) {
                    self.gained = self.now;
                }
                self.phase = Phase::Beginning(pivot);
                self.actions.push(RestoreAction::BeginState);
            }
            None if met < SHORT => {}
            None => self.end(End::GivenUp(Reason::TooShort)),
        }
    }
}
