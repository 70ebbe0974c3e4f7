//! Making blocks: mining them, and on local networks generating them on request.
//!
//! # The path of a block
//! 1. Every second, and at every new tip at once, the actor decides whether to mine (`plan`), takes the best
//!    transactions of the pool and asks the chain for a template (`block_builder`).
//! 2. The template's seal becomes the job; threads search disjoint ranges of nonces ([`cairn_ledger::pow::search`]).
//! 3. What they find is linked and imported like any block and, once it is on the chain, announced (`block_builder`).
//!
//! Miners elsewhere get templates by [`MinerHandle::work`] and bring nonces by [`MinerHandle::solved`] (`issued_work`).
//! [`MinerHandle::generate`] makes blocks one after the other in the same way, without the threads.
//!
//! # Map
//! `mailbox` the handle · `actor` the loop · `plan` when to mine and which time to stamp, pure · `block_builder`
//! templates, submission, generation · `issued_work` templates that were given to miners elsewhere · `threads` who
//! searches, and how much
//!
//! # Invariants
//! 1. A block is stamped max(now, parent + 1 ms), never so far ahead that others would call it early.
//! 2. A node mines on its connected tip. It pauses only on an old one (20 intervals) while blocks of a better chain
//!    are being connected, and for a few seconds after its first peer came. Headers without bodies and claims
//!    pause nothing, or whoever withholds bodies would keep everybody else from mining: to keep a node on an old
//!    tip, one has to go on bringing blocks that were mined.
//! 3. Mining and generation take turns: a node does not race itself.
//! 4. Threads rest as their duty says, and end when the node stops.
//!
//! # Looking for ...
//! | what | where |
//! |---|---|
//! | block template, getblocktemplate | `block_builder.rs`; put together in `chain/src/writer/template.rs` |
//! | generatetoaddress (local networks) | [`MinerHandle::generate`] |
//! | getwork, submitblock | [`MinerHandle::work`], [`MinerHandle::solved`] |
//! | hash rate | `threads.rs` |
//! | nonce search | [`cairn_ledger::pow::search`], `kernels/src/nonce_search/` |

#![forbid(unsafe_code)]

mod actor;
mod block_builder;
mod issued_work;
mod mailbox;
mod plan;
#[cfg(test)]
mod tests;
mod threads;

pub use actor::spawn;
pub use block_builder::BlockBuilder;
pub use mailbox::{GenerateError, MAX_GENERATE, MinerHandle, MinerInfo, WorkError};
pub use plan::Pause;

use cairn_chain::BlockBody;
use cairn_ledger::{block::Header, keys::Address};
use cairn_network::{NetworkHandle, sync::SyncHandle};
use std::future::Future;

/// How to mine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MiningConfig {
    /// Threads that mine; 0 is off.
    pub threads: usize,
    /// The share of their time they spend, in percent, 1 to 100.
    pub duty: u8,
    /// Who receives the rewards.
    pub beneficiary: Option<Address>,
}

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
