//! What the miner needs of the network and of the synchronisation, and nothing more.

use cairn_chain::BlockBody;
use cairn_ledger::block::Header;
use cairn_network::{NetworkHandle, sync::SyncHandle};
use std::future::Future;

/// Tells others of a block that was found here.
pub trait BlockAnnouncer: Clone + Send + Sync + 'static {
    /// Tells them.
    fn announce(&self, header: Header, body: BlockBody) -> impl Future<Output = ()> + Send;
}

/// Knows how far the chain here is behind.
pub trait SyncProgress: Send + Sync + 'static {
    /// Whether blocks of a better chain are being connected just now.
    fn is_gaining(&self) -> bool;
}

impl BlockAnnouncer for NetworkHandle {
    fn announce(&self, header: Header, body: BlockBody) -> impl Future<Output = ()> + Send {
        Self::announce(self, header, body)
    }
}

impl SyncProgress for SyncHandle {
    fn is_gaining(&self) -> bool {
        self.status().is_gaining
    }
}
