//! The state at the tip: accounts and the tree over them, as one. What fits is in memory, the rest on the disk.
//!
//! # Map
//! `accounts` the accounts in memory · [`load()`] what is there at the start, and loaded by and by · `fetch` what is
//! loaded when it is needed, and forgotten when it takes too much · [`StagedState`] how an import moves the state ·
//! [`StateHistory`] accounts as they were after the last blocks
//!
//! # Invariants
//! 1. Accounts and tree move together, and have the same buckets loaded; at the tip their root is the one in the tip's
//!    header.
//! 2. Between two imports the state is the one on the disk. During one, every bucket that differs from the disk is
//!    loaded.
//! 3. What is loaded from the disk hashes to what the tree has in memory: damage is found before anything is executed
//!    on it.
//! 4. The last bucket is always loaded.

pub(crate) mod accounts;
mod fetch;
mod history;
mod load;
#[cfg(test)]
mod model;
mod staged;

pub(crate) use fetch::Source;
pub use history::KEPT_STATES;
pub(crate) use history::StateHistory;
pub(crate) use load::{check, load};
pub(crate) use staged::{StagedState, not_loaded};

use crate::store::StoreError;
use crate::store::schema::{LinkByIndex, UndoByBlock, UndoLeaves};
use accounts::{Accounts, missing};
use cairn_ledger::accounts::{AccountTree, Leaf, UndoRecord};
use cairn_ledger::{AccountProof, BlockId, Height, codec::BoundedVec};

/// The accounts, and the hashes over them.
pub(crate) struct State {
    pub(crate) accounts: Accounts,
    pub(crate) tree: AccountTree,
    /// How many buckets may be loaded between two imports.
    max_loaded: usize,
    /// The block as of which the roots of buckets were stored last, if they were.
    roots_of: Option<(BlockId, Height)>,
}

impl State {
    /// The proof of the account at an index, which is loaded.
    fn proof_at(&self, index: u64) -> Result<AccountProof, StoreError> {
        let leaf = *self.accounts.at(index).ok_or_else(|| StoreError::missing::<LinkByIndex>(index))?;
        let path = self.tree.path(index).ok_or_else(|| missing(&leaf.address))?;
        let path = BoundedVec::new(path).map_err(|_| missing(&leaf.address))?;
        Ok(AccountProof { count: self.accounts.count(), index, leaf, path })
    }
}

/// An undo record in full; `leaf` says what its leaves are now.
fn resolve(undo: &UndoLeaves, leaf: impl Fn(u64) -> Option<Leaf>) -> Result<UndoRecord, StoreError> {
    let leaves = undo.leaves.iter().map(|old| {
        let now = leaf(old.index).ok_or_else(|| StoreError::missing::<LinkByIndex>(old.index))?;
        Ok((old.index, Leaf { next: old.next.unwrap_or(now.next), account: old.account, ..now }))
    });
    let corrupt = |_| StoreError::corrupt::<UndoByBlock>(undo.count);
    let leaves = BoundedVec::new(leaves.collect::<Result<_, StoreError>>()?).map_err(corrupt)?;
    Ok(UndoRecord { count: undo.count, leaves })
}
