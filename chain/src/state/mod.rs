//! The state at the tip: accounts and the tree over them, both in memory, as one.
//!
//! # Map
//! `accounts` all accounts, in memory · [`load()`] both from the disk, at the start · [`StagedState`] how an import moves
//! both · [`StateHistory`] accounts as they were after the last blocks
//!
//! # Invariants
//! 1. Accounts and tree move together; at the tip their root is the one in the tip's header.
//! 2. Between two imports the state is the one on the disk.

pub(crate) mod accounts;
mod history;
mod load;
mod staged;

pub use history::KEPT_STATES;
pub(crate) use history::StateHistory;
pub(crate) use load::load;
pub(crate) use staged::StagedState;

use crate::{store::StoreError, workers::Workers};
use accounts::{Accounts, missing};
use cairn_ledger::{
    accounts::{AccountProof, AccountSlice, AccountTree, Leaf},
    codec::BoundedVec,
    keys::Address,
};

/// So many accounts are shared with a worker: fewer take no longer than waiting for one may.
const SHARED: usize = 4096;

/// All accounts, and the hashes over them.
pub(crate) struct State {
    pub(crate) accounts: Accounts,
    pub(crate) tree: AccountTree,
}

impl State {
    /// Loads the leaf of each address or, where it has none, the leaf below it; with a worker that has the time.
    pub(crate) fn slice(&self, addresses: &[Address], workers: &Workers) -> Result<AccountSlice, StoreError> {
        let mut leaves = vec![(0, Leaf::SENTINEL); addresses.len()];
        if addresses.len() < SHARED {
            self.accounts.find_each(addresses, &mut leaves)?;
        } else {
            let (first, second) = addresses.split_at(addresses.len() / 2);
            let (found_first, found_second) = leaves.split_at_mut(first.len());
            let (first, second) = workers
                .join(|| self.accounts.find_each(first, found_first), || self.accounts.find_each(second, found_second));
            first.and(second)?;
        }
        Ok(AccountSlice::load(self.accounts.count(), leaves))
    }

    /// Proves an account, or its absence.
    pub(crate) fn prove(&self, address: &Address) -> Result<AccountProof, StoreError> {
        let (index, leaf) = self.accounts.get_or_below(address)?;
        let path = self.tree.path(index).ok_or_else(|| missing(&leaf.address))?;
        let path = BoundedVec::new(path).map_err(|_| missing(&leaf.address))?;
        Ok(AccountProof { count: self.accounts.count(), index, leaf, path })
    }
}
