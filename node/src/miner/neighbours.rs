//! What the miner needs of the network and of the synchronisation, and nothing more.

use crate::{
    chain::BlockBody,
    network::NetworkHandle,
    sync::{Stall, SyncHandle, SyncPhase},
};
use cairn_ledger::block::Header;
use std::future::Future;

/// Tells others of a block that was found here.
pub trait Announce: Clone + Send + Sync + 'static {
    /// Tells them.
    fn announce(&self, header: Header, body: BlockBody) -> impl Future<Output = ()> + Send;
}

/// Knows how far the chain here is behind.
pub trait Progress: Send + Sync + 'static {
    /// Whether blocks may be built on the tip: it is the best that is known, or nobody is there to ask.
    fn may_build(&self) -> bool;
}

impl Announce for NetworkHandle {
    fn announce(&self, header: Header, body: BlockBody) -> impl Future<Output = ()> + Send {
        Self::announce(self, header, body)
    }
}

impl Progress for SyncHandle {
    fn may_build(&self) -> bool {
        match self.status().phase {
            // A node without peers is all the network there is, as far as it knows.
            SyncPhase::Discovering | SyncPhase::CaughtUp | SyncPhase::Stalled(Stall::NoPeer) => true,
            SyncPhase::Headers | SyncPhase::Bodies | SyncPhase::Stalled(_) => false,
        }
    }
}
