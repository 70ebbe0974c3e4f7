//! How far the node is, and the watchdog: when nothing is gained though there is more to get, it says why, has
//! others looked for, and at last begins anew.

use super::{Action, Machine};
use crate::sync::{
    mailbox::{Stall, SyncPhase, SyncStatus},
    sources::Source,
    tree::Node,
};
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
/// Between two searches for others.
const SEEK_EVERY: Duration = Duration::from_secs(15);

impl Machine {
    /// How far the node is.
    pub(in crate::sync) fn status(&self, now: Instant) -> SyncStatus {
        let (height, target) = (self.tip.height(), self.target(now));
        let best_header = self.best_header();
        let doing = self.doing(target);
        let phase = self.stall(now, doing).map_or(doing, SyncPhase::Stalled);
        let behind = target.get() - height.get();
        let (rate, left) = match doing {
            SyncPhase::Headers => (self.headers_rate.per_second(), None),
            SyncPhase::Bodies => (self.rate.per_second(), self.rate.time_for(behind)),
            SyncPhase::CaughtUp | SyncPhase::Discovering | SyncPhase::Stalled(_) => (0.0, None),
        };
        SyncStatus { phase, height, best_header, target, rate, left }
    }

    fn best_header(&self) -> Height {
        let connecting = self.connecting.max(self.tip.height());
        self.tree.best().map_or(connecting, |(height, _)| height.max(connecting))
    }

    /// The greatest height that a peer claims and may be right about.
    fn target(&self, now: Instant) -> Height {
        // Whoever rests has failed to show what it claims; but most peers are not all wrong.
        let most = self.sources.values().filter(|source| self.promises(source)).count() * 2 > self.sources.len();
        let is_heard = |source: &&Source| self.promises(source) && (most || !source.is_resting(now));
        let promising = self.sources.values().filter(is_heard);
        let best = self.best_header();
        promising.map(|source| source.status.height).max().unwrap_or(best).max(best)
    }

    /// What is being done, whether or not it gets on.
    fn doing(&self, target: Height) -> SyncPhase {
        let behind = self.best_header().get() - self.tip.height().get();
        let slack = if self.was_caught_up { SLACK } else { 0 };
        let lacks_headers = target > self.best_header() || self.headers.is_some() || self.is_clock_behind();
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

    /// Why it does not get on, if it does not.
    fn stall(&self, now: Instant, doing: SyncPhase) -> Option<Stall> {
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
            SyncPhase::Discovering | SyncPhase::CaughtUp | SyncPhase::Stalled(_) => None,
        }
    }

    /// Whether most peers sent headers from the future.
    fn is_clock_behind(&self) -> bool {
        let early = self.sources.values().filter(|source| source.is_early).count();
        !self.was_caught_up && early > 0 && early * 2 >= self.sources.len()
    }

    /// Whether a peer claims a chain that is better than what is known here, and may be right.
    pub(super) fn promises(&self, source: &Source) -> bool {
        let best = self.tree.best().map_or(self.tip.total_work, |(_, work)| work);
        source.status.total_work > best && !source.is_exhausted() && !self.tree.contains(&source.status.tip)
    }

    pub(super) fn on_tick(&mut self, now: Instant, actions: &mut Vec<Action>) {
        self.replace_stalled_headers(now, actions);
        self.replace_stalled_bodies(now, actions);
        self.rate.note(now, self.tip.height().get());
        self.headers_rate.note(now, self.best_header().get());
        let has_goal = self.tree.best().is_some()
            || self.connecting > self.tip.height()
            || self.is_clock_behind()
            || self.sources.values().any(|source| self.promises(source));
        if !has_goal {
            (self.progress, self.gained) = (now, now);
        } else if now.saturating_duration_since(self.progress.max(self.begun)) > STUCK
            // What the chain has in its hands need not be fetched again.
            && self.connecting <= self.tip.height()
        {
            tracing::warn!(target: "cairn::sync", tip = %self.tip.id, "nothing has come for long, beginning anew");
            self.restart(now);
        }
        self.seek_others(now, actions);
    }

    /// Has nodes looked for that have what these peers do not give.
    fn seek_others(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let is_lacking = match self.status(now).phase {
            SyncPhase::Bodies => !self.is_obtainable(),
            SyncPhase::Stalled(Stall::NoHeaders | Stall::NoBodies { .. } | Stall::NoAnswers { .. }) => true,
            SyncPhase::Stalled(Stall::NoPeer | Stall::Clock | Stall::Disk)
            | SyncPhase::Discovering
            | SyncPhase::Headers
            | SyncPhase::CaughtUp => false,
        };
        if is_lacking && self.next_search.is_none_or(|next| next <= now) {
            self.next_search = Some(now + SEEK_EVERY);
            actions.push(Action::SeekOthers);
        }
    }
}
