//! Transactions that wait for a block.
//!
//! # The path of a transaction
//! 1. [`PoolHandle::submit`] asks the pool which are worth a look (`policy`: fee, lifetime, account, nonce,
//!    replacement, balance), so that what is refused anyway costs no signature check.
//! 2. The rest is checked together (`admission`), away from the tasks that must not wait; a bad one is named and its
//!    neighbours go on.
//! 3. `pool` judges again, makes room by evicting what is worth less, and the answer goes back; whoever
//!    [subscribed](PoolHandle::subscribe) is told.
//! 4. [`PoolHandle::select`] gives a miner the best of them; every move of the chain removes what was mined,
//!    takes back what was displaced, and judges each touched sender's whole queue again.
//!
//! # Map
//! `handle` asks the pool, and says what · `admission` the way in · `actor` its loop · `standings` what
//! the chain says of a transaction · `reorg` transactions of blocks that left the chain · `pool` the pure core ·
//! `queue` one sender's transactions and what they are worth · `policy` limits and the judgement of one transaction ·
//! `removed` why transactions left · `persistence` the pool across a restart, in a `file`
//!
//! # Invariants
//! 1. At most [`PoolConfig::max_count`] transactions of [`PoolConfig::max_bytes`] bytes together, at most
//!    [`PoolConfig::max_per_sender`] of one sender that it handed in; what a reorganisation displaced comes back beyond
//!    that. Counts and bytes are exact.
//! 2. One transaction for each sender and nonce.
//! 3. What can be selected follows its account's nonce without a gap, and its account covers it together
//!    with all before it.
//! 4. A transaction is never evicted before its successors, nor for one that is worth as little.
//! 5. Only [`PoolError::Invalid`] proves something about a transaction; every other refusal is a matter of
//!    policy or of the moment.
//!
//! # Looking for ...
//! | what | where |
//! |---|---|
//! | eviction, minimum fee rate | `pool.rs` |
//! | fee estimation | `pool/view.rs` |
//! | limits per sender, ancestors | `policy.rs` |
//! | mempool.dat | `file.rs` |
//! | RBF, replacement | `policy.rs` |

#![forbid(unsafe_code)]

mod actor;
mod admission;
mod file;
mod handle;
mod persistence;
mod policy;
mod pool;
mod queue;
mod removed;
mod reorg;
mod standings;
#[cfg(test)]
mod tests;

pub use actor::spawn;
pub use handle::{Accepted, PoolHandle};
pub use policy::{DropReason, LIFETIME_BLOCKS, PoolConfig, PoolError, PoolStatus};
pub use pool::{FeeEstimate, Pending, PoolInfo, Waiting};
