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
#[cfg(test)]
mod model;
mod staged;

pub use history::KEPT_STATES;
pub(crate) use history::StateHistory;
pub(crate) use staged::StagedState;

use crate::store::schema::{AccountByAddress, AccountPlace, AddressByIndex, UndoByBlock, UndoLeaves};
use crate::store::{ChainStore, StoreError};
use crate::workers::Workers;
use accounts::{Accounts, missing};
use cairn_ledger::accounts::{AccountSlice, AccountTree, Leaf, UndoRecord};
use cairn_ledger::{Account, AccountProof, Address, ChainContext, ChainSpec, Hash, Height, codec::BoundedVec};
use rayon::prelude::*;
use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};

/// First bytes of addresses in the part of all accounts that one worker reads at once; a divisor of 256.
const PART: u8 = 4;
/// What so many accounts have is read at once by one worker.
const AT_ONCE: usize = 1 << 16;
/// Accounts that one worker loads at once: somebody may choose addresses that all fall into one part.
const LOADED: usize = 4096;
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

/// An undo record in full; `leaf` says what its leaves are now.
fn resolve(undo: &UndoLeaves, leaf: impl Fn(u64) -> Option<Leaf>) -> Result<UndoRecord, StoreError> {
    let leaves = undo.leaves.iter().map(|old| {
        let now = leaf(old.index).ok_or_else(|| StoreError::missing::<AddressByIndex>(old.index))?;
        Ok((old.index, Leaf { next: old.next.unwrap_or(now.next), account: old.account, ..now }))
    });
    let corrupt = |_| StoreError::corrupt::<UndoByBlock>(undo.count);
    let leaves = BoundedVec::new(leaves.collect::<Result<_, StoreError>>()?).map_err(corrupt)?;
    Ok(UndoRecord { count: undo.count, leaves })
}

/// Loads and hashes all accounts, loads the tip, and makes sure that they belong together.
pub(crate) fn load(
    store: &ChainStore,
    spec: &ChainSpec,
    workers: &Workers,
) -> Result<(State, ChainContext), StoreError> {
    let header = store.expect_header(&store.tip()?)?;
    let tip = store.context_at(header.header().height)?;
    check_rules(store, spec, header.header().height)?;
    let state = load_state(store, workers)?;
    let (got, expected) = (state.tree.state_root(), tip.header().state_root);
    if got != expected {
        return Err(StoreError::StateMismatch { got, expected });
    }
    Ok((state, tip))
}

/// Whether the stored chain was made under the upgrades of the network's file. Versions change at upgrades alone, and
/// tell all upgrades before: two files that differ below the tip differ at the tip, or at the last block before one of
/// these.
fn check_rules(store: &ChainStore, spec: &ChainSpec, tip: Height) -> Result<(), StoreError> {
    let begun = spec.schedule().upgrades().iter().map(|upgrade| upgrade.height).take_while(|height| *height <= tip);
    for height in begun.flat_map(|height| [height.previous().unwrap_or(height), height]).chain([tip]) {
        let got = store.header_on_chain(height)?.header().version;
        let expected = spec.rules_at(height).version;
        if got != expected {
            return Err(StoreError::OtherRules { height, got, expected });
        }
    }
    Ok(())
}

/// Loads all stored accounts, and builds the tree over them.
fn load_state(store: &ChainStore, workers: &Workers) -> Result<State, StoreError> {
    let count = store.account_count()?;
    let broken = |_| StoreError::corrupt::<AddressByIndex>(count);
    let hashes = vec![Hash::ZERO; u32::try_from(count).map_err(broken)? as usize];
    let loaded = Mutex::new((Accounts::with_count(count), hashes));
    workers.install(|| {
        let firsts: Vec<u64> = (0..count).step_by(AT_ONCE).collect();
        let accounts = firsts.into_par_iter();
        let accounts = accounts.map(|first| store.accounts_at(first..count.min(first + AT_ONCE as u64)));
        let accounts: Vec<Vec<Account>> = accounts.collect::<Result<_, _>>()?;
        let parts: Vec<u8> = (0..=u8::MAX).step_by(usize::from(PART)).collect();
        parts.into_par_iter().try_for_each(|first| load_part(store, first..=first + (PART - 1), &accounts, &loaded))
    })?;
    let (accounts, hashes) = loaded.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(State { accounts, tree: workers.install(|| AccountTree::from_leaf_hashes(hashes)) })
}

/// Reads and hashes a part of all accounts, piece by piece, and puts each in its place.
fn load_part(
    store: &ChainStore,
    first: RangeInclusive<u8>,
    accounts: &[Vec<Account>],
    loaded: &Mutex<(Accounts, Vec<Hash>)>,
) -> Result<(), StoreError> {
    let mut entries = store.places_in(first).map(|entry| {
        let (address, AccountPlace { index, next }) = entry?;
        let account = usize::try_from(index).ok().and_then(|index| accounts.get(index / AT_ONCE)?.get(index % AT_ONCE));
        let account = *account.ok_or_else(|| missing(&address))?;
        Ok((index, Leaf { address, next, account }))
    });
    loop {
        let leaves: Vec<(u64, Leaf)> = entries.by_ref().take(LOADED).collect::<Result<_, _>>()?;
        if leaves.is_empty() {
            return Ok(());
        }
        let piece = Leaf::hash_each(leaves.iter().map(|(_, leaf)| leaf));
        let mut loaded = loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let (accounts, hashes) = &mut *loaded;
        for ((index, leaf), hash) in leaves.into_iter().zip(piece) {
            // Indices are dense: one that is missing for another that stands twice is found by the root.
            let place = usize::try_from(index).ok().and_then(|index| hashes.get_mut(index));
            let place = place.filter(|_| accounts.place(index, leaf));
            *place.ok_or_else(|| StoreError::corrupt::<AccountByAddress>(index))? = hash;
        }
    }
}
