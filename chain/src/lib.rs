//! The chain: one writer that imports blocks, and handles to it.
//!
//! # The path of a block
//! 1. [`ChainHandle::link_headers`]: the writer links headers to its header tree (parent, height,
//!    target, time, history). What links is a
//!    [`LinkedHeader`](cairn_ledger::validate::LinkedHeader).
//! 2. [`ChainHandle::import`]: workers match the body to the header and check its transactions
//!    (`precheck`); the writer connects the block and whatever waited for it (`writer/import.rs`), or goes over to
//!    another branch that has more work: in one atomic batch (`writer/reorg.rs`) or, where that
//!    would be too large, in many (`writer/long_reorg.rs`).
//! 3. Then, after the batch, the new [`Tip`] is published and a [`ChainEvent`] is sent, with what the changed accounts
//!    have.
//!
//! # Map
//! Each may use those above it.
//!
//! | room | what |
//! |---|---|
//! | [`verdict`] | where a block or transaction came from, and what that proves |
//! | [`store`] | typed tables over RocksDB |
//! | `workers` | the threads that check and hash |
//! | `state/` | all accounts and the tree over them, in memory; how an import moves both; the last states |
//! | `headers/` | headers off the followed chain: the tree, orphans, those under rules that are not known here |
//! | `inflight` | which blocks are let in first on their way to the writer |
//! | `message` | what the writer answers, and what it tells |
//! | `precheck/` | the workers check blocks and transactions before the writer's turn |
//! | `index` | where addresses were touched: kept with every import, and built for blocks imported without |
//! | `snapshot/` | the accounts as others can fetch them, and a chain that begins with those of others |
//! | `heal/` | damaged tables made again, from what is left and from others |
//! | `read/` | [`Reader`]: blocks, accounts, light proofs, histories of addresses |
//! | `writer/` | the one thread that imports blocks |
//! | `handle` | [`ChainHandle`]: asks the writer |
//! | [`audit`] | the store's invariants as code |
//! | [`replay`] | whole chains from and to files, and once more through every rule |
//!
//! # Invariants
//! 1. One thread writes; readers see whole imports only. While a long reorganisation is under way they see the chain
//!    that is left, as it was.
//! 2. Events come after their batch, in order, disconnected blocks before connected ones.
//! 3. Only what is proven invalid is remembered as invalid; what is early, orphaned or mutated never is.
//! 4. Headers of a branch without its blocks stay in bounded memory, by origin, and only near the tip; they never reach
//!    the disk. No bound refuses what extends the tip, what was found here, or what has more work than the tip. A
//!    stored block whose ancestors are not here is a stored block, and no corruption.
//! 5. Damage in the store is mended by the writer, whoever met it (`heal/`). Where that cannot be, and with any other
//!    failure of the store, the writer ends; the node then stops in order.
//!
//! # Looking for ...
//! | what | where |
//! |---|---|
//! | assumeutxo, fast sync, state snapshots | `snapshot/`, `writer/restore.rs`; fetching them: `network/src/sync/restore/` |
//! | block template | `writer/template.rs` |
//! | bootstrap.dat, importing and exporting chains | [`replay`] |
//! | chainstate, UTXO cache | `state/` |
//! | fork choice, block index | `headers/tree.rs`, [`cairn_ledger::fork_choice`] |
//! | invalid block cache | `headers/tree.rs` |
//! | low-work headers, anti-DoS threshold | `writer/link.rs`, [`cairn_ledger::fork_choice`] |
//! | misbehaviour | [`verdict`] |
//! | orphans (their headers: what comes before its parent) | `headers/orphans.rs` |
//! | pruning | `store/pruning.rs`; when: `writer/mod.rs` (by number of blocks), `maintenance/src/disk_budget.rs` (by room) |
//! | reorganisation | `writer/reorg.rs`; which branch: `writer/import.rs`; of more blocks than one batch holds: `writer/long_reorg.rs` |
//! | repairing a corrupt database | `heal/`, [`replay::salvage`] |
//! | script check threads, signature cache | `precheck/` |
//! | tables, column families, undo data | `store/schema.rs` |
//! | txindex, address index | `index.rs`, `store/chain_store.rs`, `store/address_index.rs` |

#![forbid(unsafe_code)]

pub mod audit;
mod handle;
mod headers;
mod heal;
mod index;
mod inflight;
mod message;
mod precheck;
mod read;
pub mod replay;
mod snapshot;
mod state;
pub mod store;
#[cfg(test)]
mod tests;
pub mod verdict;
mod workers;
mod writer;

pub use handle::{Chain, ChainHandle, spawn, spawn_in_memory};
pub use headers::{HeaderTreeStats, UnknownRules};
pub use heal::{Wanted, is_body_of};
pub use message::{
    BlockOutcome, ChainError, ChainEvent, HeaderOutcome, Import, ProvenAccount, Template, TemplateRequest, Tip,
};
pub use precheck::{BlockBody, SharedChecks};
pub use read::{
    HISTORY_BEHIND, HistoryPage, HistoryQuery, MinedTransaction, NoHistory, ProvenTip, Reader, Touched, UnknownBlock,
};
pub use snapshot::{Restore, RestoreRefusal, SnapshotInfo, StateProgress};
pub use state::KEPT_STATES;
pub use verdict::{Misbehaviour, Origin, PeerNumber, Verdict};

/// What a failing store says, for those who read the chain without knowing the store.
pub use crate::store::StoreError;
