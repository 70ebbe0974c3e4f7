//! What sync tells: how far the node is.

use cairn_ledger::units::Height;
use tokio::sync::watch;

/// What sync is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SyncPhase {
    /// There is no peer yet.
    #[default]
    Discovering,
    /// It fetches headers.
    Headers,
    /// It fetches and connects bodies.
    Bodies,
    /// The node follows the best chain it knows of.
    CaughtUp,
}

/// How far the node is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncStatus {
    /// What sync is doing.
    pub phase: SyncPhase,
    /// The height of the best header.
    pub best_header: Height,
    /// The greatest height that a peer claims and may be right about.
    pub target: Height,
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
