//! Fetching headers: from one peer at a time, the lead, in turns, until nobody in good standing claims more.
//!
//! Headers that go on from what is here are taken in. A chain that leaves it is presynced, as in ordinary
//! synchronisation: it takes the place of what is here once its headers have shown more work, and costs nothing but its
//! turns until then. So which chain is followed is a matter of work alone; slow or silent peers lose time, never their
//! say.

use super::{End, HeadersHere, Machine, Phase, Reason, RestoreAction, RestorePeer};
use crate::sync::presync::{Presync, Step};
use crate::{RequestError, wire::MAX_HEADERS};
use cairn_chain::{Misbehaviour, PeerNumber, RestoreRefusal};
use cairn_ledger::{block::Header, error::Fault, pow::Work};
use std::cmp::Reverse;
use std::time::{Duration, Instant};

/// A lead that takes longer for an answer is replaced.
const STALL: Duration = Duration::from_secs(6);
/// How long a turn lasts where another peer claims more than is here, too: a slow lead holds nobody up.
const TURN: Duration = Duration::from_secs(20);
/// Turns without an answer after which a peer is asked no more …
const VAIN: u32 = 2;
/// … and the longest pause between two of them.
const LONGEST_REST: Duration = Duration::from_secs(30);
/// How long after the first peer came others are waited for before it is said that the chain goes no further …
const MEET: Duration = Duration::from_secs(5);
/// … and that it is too short; not where one that the operator named has shown it.
const SHORT: Duration = Duration::from_secs(20);
/// Once somebody has shown all it claimed, those who claim more are given so much time in all to bring more work than
/// is here; it begins anew with all that is brought. Presyncing a whole chain has to fit on a slow line …
const CONTEST: Duration = Duration::from_secs(300);
/// … and for strangers, of whom anybody can send as many as he likes, this much.
const CONTEST_OF_STRANGERS: Duration = Duration::from_secs(30);
/// When nobody has held a snapshot for so long of which runs are here, it is looked whether the pivot has moved.
const GONE: Duration = Duration::from_secs(30);
/// When nobody shows what is claimed for so long, it is given up.
const NOBODY: Duration = Duration::from_secs(60);

/// The peer whose headers are fetched.
#[derive(Debug)]
pub(super) struct Lead {
    pub(super) peer: PeerNumber,
    job: u64,
    /// When its turn began.
    began: Instant,
    /// When it last brought more work than was here, or else began.
    gained: Instant,
    /// When it was asked, while it is waited for.
    since: Option<Instant>,
    /// The most that it claimed when it was asked, in this turn.
    claimed: Work,
    /// Whether it has answered in this turn.
    has_answered: bool,
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
            Some(peer) => self.begin_turn(peer),
            None => self.end_headers(),
        }
    }

    fn next_lead(&self) -> Option<PeerNumber> {
        let able = self.peers.iter().filter(|(_, peer)| self.is_heard(peer) && peer.lead_rest.is_due(self.now));
        let first = able.min_by_key(|(number, peer)| {
            (peer.turns, !peer.kind.named, peer.kind.inbound, Reverse(peer.status.total_work), number.0)
        });
        first.map(|(number, _)| *number)
    }

    /// Whether a peer claims more than is here, and may yet show it.
    fn is_heard(&self, peer: &RestorePeer) -> bool {
        let limit = if peer.kind.inbound && !peer.kind.named { CONTEST_OF_STRANGERS } else { CONTEST };
        let is_over = self.kept.is_some() && self.contested > limit;
        let is_exhausted = peer.exhausted == Some(peer.status.tip);
        self.claims_more(peer) && !peer.is_disqualified && !is_exhausted && peer.vain < VAIN && !is_over
    }

    /// Whether a peer claims more than is here.
    pub(super) fn claims_more(&self, peer: &RestorePeer) -> bool {
        peer.status.total_work > self.here.total_work
    }

    fn begin_turn(&mut self, peer: PeerNumber) {
        let Some(known) = self.peers.get_mut(&peer) else { return };
        known.turns += 1;
        let began = self.now;
        let (job, claimed, gained) = (0, Work::ZERO, began);
        let lead = Lead { peer, job, began, gained, since: None, claimed, has_answered: false, is_full: false };
        self.lead = Some(lead);
        self.ask_lead();
    }

    fn ask_lead(&mut self) {
        let job = self.next_job();
        let Some(lead) = &mut self.lead else { return };
        let Some(peer) = self.peers.get(&lead.peer) else { return };
        // Whoever lowers its claim meanwhile has claimed it all the same.
        (lead.job, lead.since, lead.claimed) = (job, Some(self.now), lead.claimed.max(peer.status.total_work));
        let begun = peer.look.as_ref().map(|look| look.after());
        let locator = begun.into_iter().chain(self.here.locator.iter().copied()).collect();
        self.actions.push(RestoreAction::FetchHeaders { job, peer: lead.peer, locator });
    }

    pub(super) fn on_headers(&mut self, job: u64, answer: Result<Vec<Header>, RequestError>) {
        let Some(lead) = self.lead.as_mut().filter(|lead| lead.job == job) else { return };
        match answer {
            Ok(headers) => {
                (lead.since, lead.has_answered, lead.is_full) = (None, true, headers.len() >= MAX_HEADERS);
                self.take_answer(job, headers);
            }
            Err(RequestError::Timeout) => {
                let peer = lead.peer;
                self.report(peer, Misbehaviour::Stalled);
                self.end_turn();
            }
            Err(_) => self.end_turn(),
        }
    }

    /// Has headers taken in that go on from what is here, and others presynced.
    fn take_answer(&mut self, job: u64, headers: Vec<Header>) {
        let Some(lead) = &self.lead else { return };
        let Some(peer) = self.peers.get_mut(&lead.peer) else { return };
        let goes_on = headers.first().is_some_and(|first| self.here.locator.first() == Some(&first.parent));
        if goes_on {
            peer.look = None;
            self.is_taking_headers = true;
            return self.actions.push(RestoreAction::TakeHeaders { job, headers, may_replace: false });
        }
        let look = peer.look.take();
        if headers.is_empty() && look.is_none() {
            return self.end_claim();
        }
        self.is_taking_headers = true;
        let claimed = lead.claimed;
        self.actions.push(RestoreAction::Presync { job, claimed, look, headers });
    }

    pub(super) fn on_headers_taken(&mut self, job: u64, refusal: Option<RestoreRefusal>, here: HeadersHere) {
        let before = self.here.total_work;
        (self.here, self.is_taking_headers) = (here, false);
        if self.here.total_work > self.most_work {
            (self.most_work, self.progress) = (self.here.total_work, self.now);
        }
        let is_gain = self.here.total_work > before;
        if is_gain {
            self.contested = Duration::ZERO;
        }
        let Some(lead) = self.lead.as_mut().filter(|lead| lead.job == job) else { return };
        if is_gain {
            lead.gained = self.now;
        }
        match refusal {
            Some(RestoreRefusal::Unlinked) => self.disqualify(Misbehaviour::WrongAnswer),
            Some(RestoreRefusal::Invalid(error)) => match error.fault() {
                Fault::Proven => self.disqualify(Misbehaviour::InvalidHeader(error)),
                // From the future, or under rules that only one side knows: nobody's fault.
                Fault::Mutated | Fault::NotYet => self.exhaust_lead(),
            },
            // What is presynced goes on, whatever is here by now.
            None if self.peers.get(&lead.peer).is_some_and(|peer| peer.look.is_some()) => self.go_on(),
            None if self.here.total_work >= lead.claimed || !lead.is_full => self.end_claim(),
            None => self.go_on(),
        }
    }

    /// A chain that leaves what is here was looked at.
    pub(super) fn on_presynced(&mut self, job: u64, look: Option<Box<Presync>>, step: Step) {
        self.is_taking_headers = false;
        let Some(lead) = self.lead.as_mut().filter(|lead| lead.job == job) else { return };
        // What was shown may be a part of what has come: it is asked for more, whatever is here then.
        lead.is_full |= matches!(step, Step::Link { .. });
        let is_begun = look.is_some();
        if let Some(peer) = self.peers.get_mut(&lead.peer) {
            let goes_on = matches!(step, Step::Ask | Step::Link { is_done: false, .. });
            peer.look = look.filter(|_| goes_on);
        }
        match step {
            Step::Ask => self.go_on(),
            Step::Link { headers, is_done: _ } => {
                self.is_taking_headers = true;
                self.actions.push(RestoreAction::TakeHeaders { job, headers, may_replace: true });
            }
            Step::NoMore | Step::Early => self.exhaust_lead(),
            // Another chain than it began with, or none that begins anywhere here.
            Step::Differs if is_begun => self.end_turn(),
            Step::Differs => self.disqualify(Misbehaviour::WrongAnswer),
            Step::Misbehaviour(misbehaviour) => self.disqualify(misbehaviour),
        }
    }

    /// The lead has answered: it is asked for more, unless its turn is over.
    fn go_on(&mut self) {
        let Some(lead) = &self.lead else { return };
        let is_over = self.now.saturating_duration_since(lead.began) > TURN;
        let is_waited_for = || {
            self.peers
                .iter()
                .any(|(number, peer)| *number != lead.peer && self.is_heard(peer) && peer.lead_rest.is_due(self.now))
        };
        if is_over && is_waited_for() { self.end_turn() } else { self.ask_lead() }
    }

    /// The turn is over. What it has brought stays; a silent one is followed by a pause.
    fn end_turn(&mut self) {
        let Some(lead) = self.lead.take() else { return };
        self.contested += self.now.saturating_duration_since(lead.gained);
        let Some(peer) = self.peers.get_mut(&lead.peer) else { return };
        if lead.has_answered {
            peer.vain = 0;
        } else {
            peer.vain += 1;
            peer.lead_rest.tried(self.now, LONGEST_REST);
        }
    }

    /// The lead has no more headers: its claim is kept, or not.
    fn end_claim(&mut self) {
        let Some(lead) = &self.lead else { return };
        if self.here.total_work < lead.claimed {
            return self.disqualify(Misbehaviour::Unkept);
        }
        (self.kept, self.progress) = (Some(self.here.total_work), self.now);
        if let Some(peer) = self.peers.get_mut(&lead.peer) {
            (peer.has_shown, peer.is_early) = (true, false);
        }
        self.end_turn();
    }

    /// The lead's own bytes prove it wrong: it never leads again, and its claim counts no more.
    fn disqualify(&mut self, misbehaviour: Misbehaviour) {
        let Some(peer) = self.lead.as_ref().map(|lead| lead.peer) else { return };
        self.report(peer, misbehaviour);
        self.end_turn();
        if let Some(peer) = self.peers.get_mut(&peer) {
            (peer.is_disqualified, peer.look) = (true, None);
        }
    }

    /// The lead is not asked again before it claims another tip.
    fn exhaust_lead(&mut self) {
        let Some(peer) = self.lead.as_ref().map(|lead| lead.peer) else { return };
        self.end_turn();
        if let Some(peer) = self.peers.get_mut(&peer) {
            (peer.exhausted, peer.is_early) = (Some(peer.status.tip), true);
        }
    }

    pub(super) fn replace_stalled_lead(&mut self) {
        let is_late = |since: Instant| self.now.saturating_duration_since(since) > STALL;
        if let Some(lead) = self.lead.as_ref().filter(|lead| lead.since.is_some_and(is_late)) {
            let peer = lead.peer;
            self.report(peer, Misbehaviour::Stalled);
            self.end_turn();
        }
    }

    /// Goes back to the headers where somebody claims more of them and nobody holds the snapshot of the pivot: whoever
    /// led may have been far behind, or others may have gone on. Where runs are here that is waited with for a while;
    /// the pivot only moves once nobody keeps its snapshot any more.
    pub(super) fn move_pivot(&mut self) {
        let Phase::Runs(pivot) = self.phase else { return };
        let idle = self.now.saturating_duration_since(self.gained);
        let is_early = self.has_runs() && idle < GONE;
        if self.on_the_way() > 0 || self.has_holder(pivot) || is_early || idle > NOBODY {
            return;
        }
        if self.next_lead().is_some() {
            self.end_jobs(|_| true);
            (self.phase, self.progress) = (Phase::Headers, self.now);
        }
    }

    /// Goes on to the accounts, once all that is claimed is here, or cannot be had.
    fn end_headers(&mut self) {
        let Some(met) = self.met.filter(|_| !self.peers.is_empty()) else { return };
        let met = self.now.saturating_duration_since(met);
        // Whom the operator named need not be compared with others first.
        let is_told = self.peers.values().any(|peer| peer.kind.named && !peer.is_disqualified && peer.has_shown);
        if met < MEET && !is_told {
            return;
        }
        // Whoever claims more and rests has another turn.
        if self.peers.values().any(|peer| self.is_heard(peer)) {
            return self.give_up_without_headers();
        }
        // Of those who may be right, somebody says that what is here is all there is; or somebody has shown all it
        // claimed.
        let is_shown = self.kept.is_some_and(|kept| self.here.total_work >= kept);
        if !self.is_all_that_is_claimed() && !is_shown {
            return self.give_up_without_headers();
        }
        match self.here.pivot {
            Some(pivot) => {
                if self.sought.replace(pivot) != Some(pivot) {
                    self.gained = self.now;
                }
                self.phase = Phase::Beginning(pivot);
                self.actions.push(RestoreAction::BeginState);
            }
            None if met < SHORT && !is_told => {}
            None => self.end(End::GivenUp(Reason::TooShort)),
        }
    }

    /// Whether there is somebody who may be right, and nobody of them claims more than is here.
    pub(super) fn is_all_that_is_claimed(&self) -> bool {
        let mut credible = self.peers.values().filter(|peer| !peer.is_disqualified).peekable();
        credible.peek().is_some() && !credible.any(|peer| self.claims_more(peer))
    }

    /// Gives up where nobody shows what is claimed for too long.
    fn give_up_without_headers(&mut self) {
        if self.now.saturating_duration_since(self.progress) > NOBODY {
            self.end(End::GivenUp(Reason::NoHeaders));
        }
    }
}
