//! Reading the chain as it was last committed and settled, from any thread.
//!
//! # Map
//! `reader` blocks, accounts and transactions · `proofs` light proofs, and proofs of transactions · `history` where
//! addresses were touched

mod history;
mod proofs;
mod reader;

pub use history::{HISTORY_BEHIND, HistoryPage, HistoryQuery, NoHistory, Touched};
pub use proofs::{ProvenTip, UnknownBlock};
pub use reader::{MinedTransaction, Reader};
