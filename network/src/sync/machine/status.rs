//! How far the node is, and the watchdog: when nothing is gained though there is more to get, it says why, has
//! others looked for, passes over a branch whose bodies do not come, and at last begins anew.

use super::{Head, Machine, SyncAction};
use crate::sync::handle::{Stall, SyncPhase, SyncStatus, Unfollowed};
use crate::sync::sync_peers::SyncPeer;
use crate::sync::tree::{Body, Node};
use cairn_ledger::units::Height;
use std::time::{Duration, Instant};

/// A node that has caught up and falls behind by no more than this is still called so: blocks on their way
/// are no synchronisation.
const SLACK: u64 = 2;
/// When there is more to get and nothing has come for so long, sync says that it is stalled: a stalling peer has
/// been replaced by then.
const STALLED: Duration = Duration::from_secs(10);
/// A node without peers for so long says so.
const LONELY: Duration = Duration::from_secs(60);
/// When there is more to get and nothing has come for so long, all begins anew from the tip.
const STUCK: Duration = Duration::from_secs(60);
/// When nobody has been about to send the lowest body of a branch for so long, another branch with more work than the
/// tip is fetched …
const WITHHELD: Duration = Duration::from_secs(4);
/// … or when it has not come for so long, whoever was asked.
const WITHHELD_BY_MANY: Duration = Duration::from_secs(20);
/// How long it is passed over first; this doubles each time until the chain has moved.
const ASIDE: Duration = Duration::from_secs(30);
/// A peer that claims a better chain for so long, and does not bring it here, is told of.
const UNFOLLOWED: Duration = Duration::from_secs(60);
/// After the chain has moved towards a better one, it is taken to go on for so long.
const GAINING: Duration = Duration::from_secs(10);
/// How long after the first peer came the first headers are waited for.
const FIRST_HEADERS: Duration = Duration::from_secs(15);
/// Between two searches for others.
const SEEK_EVERY: Duration = Duration::from_secs(15);

impl Machine {
    /// How far the node is.
    pub(in crate::sync) fn status(&self, now: Instant) -> SyncStatus {
        let (height, target) = (self.tip.height(), self.target());
        let best_header = self.best_header();
        let doing = self.doing(now, target);
        let phase = self.stall(now, doing).map_or(doing, SyncPhase::Stalled);
        let behind = target.get() - height.get();
        let (rate, left) = match doing {
            SyncPhase::Headers => (self.headers_rate.per_second(), None),
            SyncPhase::Bodies => (self.rate.per_second(), self.rate.time_for(behind)),
            SyncPhase::CaughtUp | SyncPhase::Discovering | SyncPhase::Snapshot | SyncPhase::Stalled(_) => (0.0, None),
        };
        let unfollowed = if doing == SyncPhase::CaughtUp { self.unfollowed(now) } else { None };
        let is_gaining = self.is_gaining(now);
        SyncStatus { phase, height, best_header, target, rate, left, is_gaining, unfollowed, snapshot: None }
    }

    /// Whether a block on this tip would soon be left behind, as far as blocks show, and not headers alone: those
    /// whose bodies are withheld must not keep anybody from mining.
    fn is_gaining(&self, now: Instant) -> bool {
        let within =
            |since: Option<Instant>, time| since.is_some_and(|since| now.saturating_duration_since(since) <= time);
        let goes_on = self.tree.best().is_some() || self.connecting > self.tip.height();
        let connects = goes_on && within(self.connected, GAINING);
        let begins = || self.tree.best().is_some() || self.sources.values().any(|source| self.promises(source));
        connects || (!self.was_caught_up && within(self.met, FIRST_HEADERS) && begins())
    }

    fn best_header(&self) -> Height {
        let connecting = self.connecting.max(self.tip.height());
        self.tree.best().map_or(connecting, |(height, _)| height.max(connecting))
    }

    /// The greatest height that a peer claims and may be right about.
    fn target(&self) -> Height {
        // Whoever has failed to show what it claims is heard no more, unless most say the same, and nobody has shown
        // anything: most peers are not all wrong.
        let promising: Vec<&SyncPeer> = self.sources.values().filter(|source| self.promises(source)).collect();
        let best = self.best_header();
        if promising.is_empty() {
            return best;
        }
        let most = promising.len() * 2 > self.sources.len() && !self.sources.values().any(SyncPeer::has_shown);
        let heard = promising.into_iter().filter(|source| most || !source.has_failed());
        heard.map(|source| source.status.height).max().unwrap_or(best).max(best)
    }

    /// What is being done, whether or not it gets on.
    fn doing(&self, now: Instant, target: Height) -> SyncPhase {
        let behind = self.best_header().get() - self.tip.height().get();
        let behind = if self.is_withheld(now) { 0 } else { behind };
        let slack = if self.was_caught_up { SLACK } else { 0 };
        let is_hopeful = |peer| self.sources.get(peer).is_some_and(|source| !source.has_failed());
        let is_asking = self.headers.values().any(|job| is_hopeful(&job.peer));
        let lacks_headers = target > self.best_header() || is_asking || self.is_clock_behind();
        if self.sources.is_empty() {
            SyncPhase::Discovering
        } else if behind > slack {
            SyncPhase::Bodies
        } else if !self.was_caught_up && lacks_headers {
            // Once the node has caught up, only headers that show work make it say otherwise.
            SyncPhase::Headers
        } else {
            SyncPhase::CaughtUp
        }
    }

    /// Whether the bodies of the best branch do not come, though peers that the operator named, or else most peers,
    /// claim no better chain: then that branch is theirs alone who showed its headers.
    fn is_withheld(&self, now: Instant) -> bool {
        if !self.importing.is_empty() || now.saturating_duration_since(self.gained) <= STALLED {
            return false;
        }
        let is_ahead = |source: &&SyncPeer| source.status.total_work > self.tip.total_work;
        let ahead = self.sources.values().filter(is_ahead);
        let is_told =
            self.sources.values().any(|source| source.kind.named) || ahead.clone().count() * 2 <= self.sources.len();
        is_told && ahead.into_iter().all(|source| !source.kind.named)
    }

    /// A chain with more work than ours that peers claim, or have shown the headers of, and that does not come here.
    fn unfollowed(&self, now: Instant) -> Option<Unfollowed> {
        if let Some(height) = self.tree.aside() {
            return Some(Unfollowed::Withheld { height });
        }
        if self.is_withheld(now)
            && let Some((height, _)) = self.tree.best()
        {
            return Some(Unfollowed::Withheld { height });
        }
        let is_long = |source: &&SyncPeer| {
            source.ahead_since.is_some_and(|since| now.saturating_duration_since(since) > UNFOLLOWED)
        };
        let claims = self.sources.values().filter(is_long);
        let heights = claims.filter(|source| source.look.is_none() && !self.tree.contains(&source.status.tip));
        heights.map(|source| source.status.height).max().map(|height| Unfollowed::NotShown { height })
    }

    /// Notes since when each peer claims a better chain.
    fn note_claims(&mut self) {
        let tip = self.tip.total_work;
        for source in self.sources.values_mut() {
            let is_ahead = source.status.total_work > tip;
            source.ahead_since = source.ahead_since.or(Some(self.now)).filter(|_| is_ahead);
        }
    }

    /// Passes over a branch whose lowest body does not come, where another would do.
    fn pass_over_withheld(&mut self) {
        self.tree.recall(self.now);
        let is_wanted = |node: &&Node| matches!(node.body, Body::Missing | Body::Asked(_));
        let Some(first) = self.tree.first().filter(|_| self.tree.lowest().filter(is_wanted).is_some()) else {
            (self.head, self.is_held_up) = (None, false);
            return;
        };
        let job = self.bodies.values().find(|job| job.is_in_time(self.now) && job.ids.contains(&first));
        let head = self.head.filter(|head| head.id == first);
        let mut head = head.unwrap_or(Head { id: first, since: self.now, hoped: self.now });
        // A body on a slow line is no withheld one; but many who claim to have it may let us wait in turn.
        if job.is_some() {
            head.hoped = self.now;
        }
        let long = |since, limit| self.now.saturating_duration_since(since) > limit;
        self.is_held_up = long(head.hoped, WITHHELD) || (job.is_none() && long(head.since, WITHHELD_BY_MANY));
        self.head = Some(head);
        if self.is_held_up && self.tree.has_other(&first) {
            let pause = ASIDE.saturating_mul(1 << self.passed_over.min(6));
            self.passed_over += 1;
            tracing::debug!(target: "cairn::sync", block = %first, "passing over a branch whose bodies do not come");
            self.tree.set_aside(first, self.now + pause);
            (self.head, self.is_held_up) = (None, false);
        }
    }

    /// Why it does not get on, if it does not.
    fn stall(&self, now: Instant, doing: SyncPhase) -> Option<Stall> {
        let is_early = self.early_since.is_some_and(|since| now.saturating_duration_since(since) > STALLED);
        if self.is_clock_behind_tip || (self.was_caught_up && is_early) {
            return Some(Stall::Clock);
        }
        if doing == SyncPhase::Discovering {
            let lonely = self.lonely_since.filter(|_| !self.may_be_alone)?;
            return (now.saturating_duration_since(lonely) > LONELY).then_some(Stall::NoPeer);
        }
        let since = if doing == SyncPhase::Bodies { self.gained } else { self.progress };
        if now.saturating_duration_since(since) <= STALLED {
            return None;
        }
        let height = self.tree.lowest().map_or(self.tip.height(), Node::height);
        match doing {
            SyncPhase::Headers if self.is_clock_behind() => Some(Stall::Clock),
            SyncPhase::Headers => Some(Stall::NoHeaders),
            SyncPhase::Bodies if !self.importing.is_empty() => Some(Stall::Disk),
            SyncPhase::Bodies if !self.is_obtainable() => Some(Stall::NoBodies { height }),
            SyncPhase::Bodies => Some(Stall::NoAnswers { height }),
            SyncPhase::Discovering | SyncPhase::Snapshot | SyncPhase::CaughtUp | SyncPhase::Stalled(_) => None,
        }
    }

    /// Notes since when most peers show headers from the future on a chain with more work than ours. Claims alone do
    /// not count, nor what a few show: nobody makes a node doubt its clock for free.
    fn note_early(&mut self) {
        let tip = self.tip.total_work;
        let early = self.sources.values().filter(|source| source.is_early && source.status.total_work > tip).count();
        self.early_since = self.early_since.or(Some(self.now)).filter(|_| early * 2 > self.sources.len());
    }

    /// Whether, before the node has caught up, most peers sent headers from the future.
    fn is_clock_behind(&self) -> bool {
        let early = self.sources.values().filter(|source| source.is_early).count();
        !self.was_caught_up && early > 0 && early * 2 >= self.sources.len()
    }

    /// Whether a peer claims a chain that is better than what is known here, and may be right.
    pub(super) fn promises(&self, source: &SyncPeer) -> bool {
        // What does not come is not better than what somebody else may have.
        let best = self.tree.best().filter(|_| !self.is_held_up);
        let best = best.map_or(self.tip.total_work, |(_, work)| work);
        source.status.total_work > best && !source.is_exhausted() && !self.tree.contains(&source.status.tip)
    }

    pub(super) fn on_tick(&mut self) {
        self.replace_stalled_headers();
        self.replace_stalled_bodies();
        self.drop_late();
        self.pass_over_withheld();
        self.pass_slots_on();
        self.note_claims();
        self.note_early();
        // The chain may have refused what was brought to it, in the middle of a reorganisation, and not have moved.
        if self.connecting <= self.tip.height() && self.importing.is_empty() {
            self.tree.look_again();
        }
        self.rate.note(self.now, self.tip.height().get());
        self.headers_rate.note(self.now, self.best_header().max(self.presynced().unwrap_or_default()).get());
        let has_goal = self.tree.best().is_some()
            || self.connecting > self.tip.height()
            || self.is_clock_behind()
            || self.early_since.is_some()
            || self.sources.values().any(|source| self.promises(source));
        if !has_goal {
            (self.progress, self.gained) = (self.now, self.now);
        } else if self.now.saturating_duration_since(self.progress.max(self.begun)) > STUCK
            // What the chain has in its hands need not be fetched again.
            && self.connecting <= self.tip.height()
        {
            tracing::warn!(target: "cairn::sync", tip = %self.tip.id, "nothing has come for long, beginning anew");
            self.restart();
        }
        self.seek_others();
    }

    /// Has nodes looked for that have what these peers do not give.
    fn seek_others(&mut self) {
        let is_lacking = match self.status(self.now).phase {
            SyncPhase::Bodies => !self.is_obtainable(),
            SyncPhase::Stalled(Stall::NoHeaders | Stall::NoBodies { .. } | Stall::NoAnswers { .. }) => true,
            SyncPhase::Stalled(Stall::NoPeer | Stall::Clock | Stall::Disk | Stall::NoSnapshot { .. })
            | SyncPhase::Discovering
            | SyncPhase::Headers
            | SyncPhase::Snapshot
            | SyncPhase::CaughtUp => false,
        };
        if is_lacking && self.next_search.is_none_or(|next| next <= self.now) {
            self.next_search = Some(self.now + SEEK_EVERY);
            let height = self.tree.lowest().map_or(self.tip.height().saturating_add(1), Node::height);
            self.actions.push(SyncAction::SeekOthers { height });
        }
    }
}
