//! The chain: one writer that imports blocks, and handles to it.
//!
//! # The path of a block
//! 1. [`ChainHandle::link_headers`]: the writer links headers to its header tree (parent, height,
//!    target, time, history). What links is a
//!    [`LinkedHeader`](cairn_ledger::validate::LinkedHeader).
//! 2. [`ChainHandle::import`]: workers match the body to the header and check its transactions
//!    (`precheck`); the writer connects the block and whatever waited for it (`import`), or goes over to another branch
//!    that has more work (`follow`): in one atomic batch (`reorg`) or, where that would be too large, in many.
//! 3. Then, after the batch, the new [`Tip`] is published and a [`ChainEvent`] is sent, with what the changed accounts
//!    have.
//!
//! # Map
//! `mailbox` what the writer is asked · `actor` its loop · `import` the story · `follow` to the branch with the most
//! work · `reorg` disconnecting and connecting in one batch · `tree` headers that are not on the followed chain ·
//! `orphans` headers without a parent · `foreign` headers under rules that are not known here · `state` accounts and
//! the tree over them, and how an import moves both · `accounts` all accounts, in memory · `state_history` accounts as they
//! were after the last blocks · `proofs` light proofs and proofs of transactions, read by readers · `precheck` the
//! workers · `inflight` which blocks they get first · `checked_cache` what they need not check again · `index` where addresses were
//! touched, kept with every import · `indexer` the same for blocks that were imported without · `history` reading it ·
//! [`audit`] the store's invariants as code · [`store`] typed tables over RocksDB · [`replay`] whole chains from and to
//! files, and once more through every rule · [`verdict`] where a block or transaction came from, and what that proves
//!
//! # Invariants
//! 1. One thread writes; readers see whole imports only. While a long reorganisation is under way they see the chain
//!    that is left, as it was.
//! 2. Events come after their batch, in order, disconnected blocks before connected ones.
//! 3. Only what is proven invalid is remembered as invalid; what is early, orphaned or mutated never is.
//! 4. Headers of a branch without its blocks stay in bounded memory, by origin, and only near the tip; they never reach
//!    the disk. No bound refuses what extends the tip, what was found here, or what has more work than the tip. A
//!    stored block whose ancestors are not here is a stored block, and no corruption.
//! 5. A failure of the store ends the writer; the node then stops in order.
//!
//! # Looking for ...
//! | what | where |
//! |---|---|
//! | block template | `template.rs`, `import.rs` |
//! | bootstrap.dat, importing and exporting chains | [`replay`] |
//! | chainstate, UTXO cache | `state.rs`, `accounts.rs` |
//! | fork choice, block index, low-work headers | `tree.rs`, [`cairn_ledger::fork_choice`] |
//! | invalid block cache | `tree.rs` |
//! | misbehaviour | [`verdict`] |
//! | orphans | `orphans.rs` |
//! | reorganisation | `follow.rs`, `reorg.rs` |
//! | script check threads, signature cache | `precheck.rs`, `checked_cache.rs` |
//! | tables, column families, undo data | `store/schema.rs` |
//! | txindex, address index | `index.rs`, `store/touches.rs` |

#![forbid(unsafe_code)]

mod accounts;
mod actor;
pub mod audit;
mod checked_cache;
mod follow;
mod foreign;
mod history;
mod import;
mod index;
mod indexer;
mod inflight;
mod mailbox;
mod orphans;
mod precheck;
mod proofs;
mod reader;
mod reorg;
pub mod replay;
mod state;
mod state_history;
pub mod store;
mod template;
#[cfg(test)]
mod tests;
mod tree;
pub mod verdict;

pub use actor::{Chain, spawn};
pub use foreign::UnknownRules;
pub use history::{HISTORY_BEHIND, HistoryPage, HistoryQuery, NoHistory, Touched};
pub use mailbox::{
    BlockOutcome, ChainError, ChainEvent, ChainHandle, HeaderOutcome, Import, ProvenAccount, TemplateRequest, Tip,
};
pub use precheck::BlockBody;
pub use proofs::{ProvenTip, UnknownBlock};
pub use reader::{MinedTransaction, Reader};
pub use state_history::KEPT_STATES;
pub use template::Template;

/// What a failing store says, for those who read the chain without knowing the store.
pub use crate::store::StoreError;
