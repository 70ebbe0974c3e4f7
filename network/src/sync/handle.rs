//! What sync tells: how far the node is, and when it does not get on, why.

use cairn_ledger::units::Height;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// What sync is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SyncPhase {
    /// There is no peer yet.
    #[default]
    Discovering,
    /// It fetches headers.
    Headers,
    /// It fetches the accounts as they were after a block.
    Snapshot,
    /// It fetches and connects bodies.
    Bodies,
    /// The node follows the best chain it knows of.
    CaughtUp,
    /// It does not get on.
    Stalled(Stall),
}

impl SyncPhase {
    /// The names of all phases.
    pub const NAMES: [&str; 6] = ["discovering", "headers", "snapshot", "bodies", "caught_up", "stalled"];

    /// Its name.
    pub fn name(self) -> &'static str {
        let [discovering, headers, snapshot, bodies, caught_up, stalled] = Self::NAMES;
        match self {
            Self::Discovering => discovering,
            Self::Headers => headers,
            Self::Snapshot => snapshot,
            Self::Bodies => bodies,
            Self::CaughtUp => caught_up,
            Self::Stalled(_) => stalled,
        }
    }

    /// Why it does not get on, where it does not.
    pub fn stall(self) -> Option<Stall> {
        match self {
            Self::Stalled(stall) => Some(stall),
            Self::Discovering | Self::Headers | Self::Snapshot | Self::Bodies | Self::CaughtUp => None,
        }
    }
}

/// Why sync does not get on: as text, what is wrong; and what to [do](Self::advice) about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stall {
    /// No peer is connected.
    #[error("no peer is connected")]
    NoPeer,
    /// Peers claim a better chain, and none shows its headers.
    #[error("peers claim a better chain and do not show its headers; others are being looked for")]
    NoHeaders,
    /// By this machine's clock the tip, or what most peers follow, is from the future.
    #[error("the newest blocks are from the future by this machine's clock, which is behind")]
    Clock,
    /// No peer gives the accounts.
    #[error("no peer sends the accounts as they were after block {height}; nodes that hold them are being looked for")]
    NoSnapshot {
        /// The block.
        height: Height,
    },
    /// No peer has a block that is needed.
    #[error("no peer has block {height}; nodes with the full history are being looked for")]
    NoBodies {
        /// The lowest such block.
        height: Height,
    },
    /// Those who have a block that is needed do not send it.
    #[error("no peer sends block {height}; others are being looked for")]
    NoAnswers {
        /// The lowest such block.
        height: Height,
    },
    /// Blocks are here, and the chain takes none in.
    #[error(
        "blocks have come and the chain takes none in: the disk or the processor is overloaded, or the disk is failing"
    )]
    Disk,
}

impl Stall {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoPeer => "no_peer",
            Self::NoHeaders => "no_headers",
            Self::Clock => "clock",
            Self::NoSnapshot { .. } => "no_snapshot",
            Self::NoBodies { .. } => "no_bodies",
            Self::NoAnswers { .. } => "no_answers",
            Self::Disk => "disk",
        }
    }

    /// What to do about it.
    pub fn advice(self) -> &'static str {
        match self {
            Self::NoPeer => {
                "see that this machine is online and that its firewall lets the node out, or name a peer with --network.peers"
            }
            Self::NoHeaders => "if this lasts, name a peer you trust with --network.peers",
            Self::Clock => "set the clock (timedatectl set-ntp true)",
            Self::NoSnapshot { .. } => {
                "after a minute all blocks are fetched instead; name a peer that holds them with --network.peers"
            }
            Self::NoBodies { .. } => "if this lasts, name such a node with --network.peers",
            Self::NoAnswers { .. } => {
                "see whether this machine's line is overloaded, or name a peer with --network.peers"
            }
            Self::Disk => "see the system's log",
        }
    }
}

/// A chain that others claim to be better, and that this node does not follow: as text, why; and what to
/// [do](Self::advice) about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfollowed {
    /// Peers claim it and do not show its headers, or none that have more work.
    #[error(
        "a peer claims a chain with more work, up to block {height}, and does not show it; this node stays on its own"
    )]
    NotShown {
        /// The height they claim.
        height: Height,
    },
    /// Its headers are here, and nobody sends its blocks.
    #[error(
        "there are headers with more work, up to block {height}, whose blocks nobody sends; this node stays on its own \
         chain"
    )]
    Withheld {
        /// The height of the best of them.
        height: Height,
    },
}

impl Unfollowed {
    /// What to do about it.
    pub fn advice(self) -> &'static str {
        "if others follow that chain, name one of them with --network.peers"
    }
}

/// How far the node is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SyncStatus {
    /// What sync is doing.
    pub phase: SyncPhase,
    /// The height of the tip.
    pub height: Height,
    /// The height of the best header.
    pub best_header: Height,
    /// The greatest height that a peer claims and may be right about.
    pub target: Height,
    /// Blocks a second that were connected lately, or headers linked while it fetches headers only.
    pub rate: f64,
    /// How long it will take at this rate; `None` while nobody can tell.
    pub left: Option<Duration>,
    /// Whether blocks of a better chain are being connected, or the first headers are just being asked for: a block
    /// on an old tip would be left behind. What only headers or claims show does not make it so for long.
    pub is_gaining: bool,
    /// A chain that is claimed to be better and is not followed.
    pub unfollowed: Option<Unfollowed>,
    /// How much of the accounts is here, while they are fetched.
    pub snapshot: Option<SnapshotProgress>,
}

/// How much of the accounts as they were after a block is here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotProgress {
    /// The block.
    pub height: Height,
    /// Runs of accounts that are here.
    pub here: u64,
    /// How many there are; `None` until the first has come.
    pub runs: Option<u64>,
}

impl SyncStatus {
    /// What is wrong, if anything is, and what to do about it: why it does not get on, or that peers claim another
    /// chain. All that tells the operator takes it from here.
    pub fn trouble(&self) -> Option<String> {
        let stall = self.phase.stall().map(|stall| format!("{stall}: {}", stall.advice()));
        stall.or_else(|| self.unfollowed.map(|unfollowed| format!("{unfollowed}: {}", unfollowed.advice())))
    }

    /// How far it is, from 0 to 1: of the accounts while they are fetched, else of the blocks.
    pub fn progress(&self) -> f64 {
        if let Some(SnapshotProgress { here, runs, .. }) = self.snapshot {
            return runs.map_or(0.0, |runs| here as f64 / runs.max(1) as f64);
        }
        match self.target.get() {
            0 => 1.0,
            target => (self.height.get() as f64 / target as f64).min(1.0),
        }
    }
}

/// A handle to sync. Cloning shares it.
#[derive(Clone, Debug)]
pub struct SyncHandle {
    pub(super) status: watch::Receiver<SyncStatus>,
}

impl SyncHandle {
    /// How far the node is.
    pub fn status(&self) -> SyncStatus {
        *self.status.borrow()
    }

    /// Wakes whenever that changes.
    pub fn watch(&self) -> watch::Receiver<SyncStatus> {
        self.status.clone()
    }
}

/// When the operator is told how far the node is: at each change of phase, and now and then while it is on its
/// way. What is wrong, if anything is, the node's `health` tells.
#[derive(Debug)]
pub(super) struct Reports {
    is_told: bool,
    last: Option<(Instant, SyncPhase)>,
}

impl Reports {
    /// Between two reports of the same phase.
    const EVERY: Duration = Duration::from_secs(10);

    /// Of a chain of which the operator is told, or not.
    pub(super) fn new(is_told: bool) -> Self {
        Self { is_told, last: None }
    }

    /// Whether it is time to report this.
    pub(super) fn is_due(&mut self, now: Instant, phase: SyncPhase) -> bool {
        let is_due = match self.last {
            _ if !self.is_told => false,
            None => true,
            Some((_, last)) if last != phase => true,
            Some((_, SyncPhase::CaughtUp | SyncPhase::Discovering | SyncPhase::Stalled(_))) => false,
            Some((at, _)) => now.saturating_duration_since(at) >= Self::EVERY,
        };
        if is_due {
            self.last = Some((now, phase));
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stall_says_what_to_do() {
        let height = Height::new(17);
        let all = [Stall::NoBodies { height }, Stall::NoAnswers { height }, Stall::NoSnapshot { height }];
        let all = [Stall::NoPeer, Stall::NoHeaders, Stall::Clock, Stall::Disk].into_iter().chain(all);
        let mut names = std::collections::BTreeSet::new();
        for stall in all {
            assert!(names.insert(stall.name()));
            let text = format!("{stall}: {}", stall.advice());
            assert!(["name ", "set ", "see "].iter().any(|advice| text.contains(advice)), "{text}");
            assert_eq!((SyncPhase::Stalled(stall).name(), SyncPhase::Stalled(stall).stall()), ("stalled", Some(stall)));
        }
        assert_eq!(SyncPhase::Bodies.stall(), None);
        for unfollowed in [Unfollowed::NotShown { height }, Unfollowed::Withheld { height }] {
            let status = SyncStatus { unfollowed: Some(unfollowed), ..SyncStatus::default() };
            let text = status.trouble().expect("it is told of");
            assert!(text.contains("block 17") && text.contains("name one of them"), "{text}");
        }
        assert_eq!(SyncStatus::default().trouble(), None);
    }

    #[test]
    fn the_operator_is_told_of_changes_and_now_and_then() {
        let (start, mut reports) = (Instant::now(), Reports::new(true));
        let mut told = |second: u64, phase| reports.is_due(start + Duration::from_secs(second), phase);
        assert!(told(0, SyncPhase::Discovering) && !told(1_000, SyncPhase::Discovering));
        assert!(told(1_001, SyncPhase::Bodies) && !told(1_010, SyncPhase::Bodies) && told(1_011, SyncPhase::Bodies));
        assert!(told(1_012, SyncPhase::CaughtUp) && !told(5_000, SyncPhase::CaughtUp));
    }
}
