//! How far the restore is, and why it does not get on.

use super::{Machine, Phase, Pivot, RestorePeer};
use crate::sync::handle::{SnapshotProgress, Stall, SyncPhase, SyncStatus};
use cairn_ledger::units::Height;
use std::time::{Duration, Instant};

/// When nothing has come for so long, it says that it is stalled.
const STALLED: Duration = Duration::from_secs(10);
/// A node without peers for so long says so.
const LONELY: Duration = Duration::from_secs(60);

impl Machine {
    /// How far it is.
    pub(in crate::sync::restore) fn status(&self, now: Instant) -> SyncStatus {
        let (doing, best_header) = (self.doing(), self.here.height);
        let is_credible = |peer: &&RestorePeer| !peer.is_disqualified && self.claims_more(peer);
        let claimed = self.peers.values().filter(is_credible).map(|peer| peer.status.height).max();
        let left = self.runs.map(|runs| runs.saturating_sub(self.runs_here.len() as u64));
        let (rate, left) = match doing {
            SyncPhase::Headers => (self.headers_rate.per_second(), None),
            SyncPhase::Snapshot => (0.0, left.and_then(|left| self.runs_rate.time_for(left))),
            SyncPhase::Discovering | SyncPhase::Bodies | SyncPhase::CaughtUp | SyncPhase::Stalled(_) => (0.0, None),
        };
        let progress = |pivot: Pivot| SnapshotProgress {
            height: pivot.height,
            here: self.runs_here.len() as u64,
            runs: self.runs,
        };
        SyncStatus {
            phase: self.stall(now, doing).map_or(doing, SyncPhase::Stalled),
            height: Height::GENESIS,
            best_header,
            target: claimed.unwrap_or(best_header).max(best_header),
            rate,
            left,
            // A block on the genesis would be left behind, as soon as there is somebody to follow.
            is_gaining: best_header > Height::GENESIS || claimed.is_some(),
            unfollowed: None,
            snapshot: self.pivot().map(progress),
        }
    }

    fn pivot(&self) -> Option<Pivot> {
        match self.phase {
            Phase::Beginning(pivot) | Phase::Runs(pivot) => Some(pivot),
            Phase::Headers | Phase::Ended => None,
        }
    }

    fn doing(&self) -> SyncPhase {
        match self.phase {
            _ if self.peers.is_empty() => SyncPhase::Discovering,
            Phase::Headers => SyncPhase::Headers,
            Phase::Beginning(_) | Phase::Runs(_) | Phase::Ended => SyncPhase::Snapshot,
        }
    }

    /// Why it does not get on, if it does not.
    fn stall(&self, now: Instant, doing: SyncPhase) -> Option<Stall> {
        let long = |since: Instant, limit| now.saturating_duration_since(since) > limit;
        if doing == SyncPhase::Discovering {
            return self.lonely_since.filter(|since| !self.may_be_alone && long(*since, LONELY)).map(|_| Stall::NoPeer);
        }
        let early = self.peers.values().filter(|peer| peer.is_early).count();
        if early > 0 && early * 2 >= self.peers.len() {
            return Some(Stall::Clock);
        }
        let since = if self.phase == Phase::Headers { self.progress } else { self.gained };
        if !long(since, STALLED) {
            return None;
        }
        match self.phase {
            // Others are waited for, who may have more.
            Phase::Headers if self.is_all_that_is_claimed() => None,
            Phase::Headers => Some(Stall::NoHeaders),
            Phase::Beginning(_) => Some(Stall::Disk),
            Phase::Runs(_) if !self.taking.is_empty() => Some(Stall::Disk),
            Phase::Runs(pivot) => Some(Stall::NoSnapshot { height: pivot.height }),
            Phase::Ended => None,
        }
    }
}
