//! Accounts during an import: what is on disk, with what the import has changed so far on top.

use crate::store::{Batch, ChainStore, StoreError, schema};
use cairn_ledger::{
    accounts::{AccountSlice, Leaf, StateChange, UndoRecord},
    keys::Address,
};
use std::collections::{BTreeMap, BTreeSet};

/// The accounts after some blocks were connected or disconnected, none of it written yet.
pub(super) struct PendingState<'a> {
    store: &'a ChainStore,
    count: u64,
    /// Accounts that differ from the disk; `None` for those that exist no more.
    accounts: BTreeMap<Address, Option<(u64, Leaf)>>,
    /// Addresses by index that differ from the disk; `None` for those that exist no more.
    addresses: BTreeMap<u64, Option<Address>>,
}

impl<'a> PendingState<'a> {
    /// The accounts on disk, `count` of them.
    pub(super) fn new(store: &'a ChainStore, count: u64) -> Self {
        Self { store, count, accounts: BTreeMap::new(), addresses: BTreeMap::new() }
    }

    /// Loads the leaf of each address or, where it has none, the leaf below it.
    pub(super) fn load_slice(&self, addresses: &BTreeSet<Address>) -> Result<AccountSlice, StoreError> {
        let mut slice = AccountSlice::new(self.count);
        for address in addresses {
            let (index, leaf) = self.leaf_or_below(address)?;
            slice.insert(index, leaf);
        }
        Ok(slice)
    }

    /// Takes in what a connected block changed.
    pub(super) fn apply(&mut self, change: &StateChange) {
        for leaf in &change.leaves {
            self.accounts.insert(leaf.new.address, Some((leaf.index, leaf.new)));
            if leaf.old.is_none() {
                self.addresses.insert(leaf.index, Some(leaf.new.address));
            }
        }
        self.count = change.count;
    }

    /// Takes back what a connected block had changed.
    pub(super) fn undo(&mut self, record: &UndoRecord) -> Result<(), StoreError> {
        for index in record.count..self.count {
            let address = self.address_at(index)?;
            self.accounts.insert(address, None);
            self.addresses.insert(index, None);
        }
        for (index, leaf) in record.leaves.iter() {
            self.accounts.insert(leaf.address, Some((*index, *leaf)));
        }
        self.count = record.count;
        Ok(())
    }

    /// Adds all that differs from the disk to a batch.
    pub(super) fn write(&self, batch: &mut Batch<'_>) {
        for (address, account) in &self.accounts {
            match account {
                Some((index, leaf)) => self.store.put_leaf(batch, *index, leaf),
                None => batch.delete::<schema::AccountByAddress>(address),
            }
        }
        for (index, address) in &self.addresses {
            match address {
                Some(address) => batch.put::<schema::AddressByIndex>(index, address),
                None => batch.delete::<schema::AddressByIndex>(index),
            }
        }
    }

    /// The leaf of an address or, where it has no account, the leaf below it.
    pub(super) fn leaf_or_below(&self, address: &Address) -> Result<(u64, Leaf), StoreError> {
        match self.leaf(address)? {
            Some(found) => Ok(found),
            None => self.leaf_below(address),
        }
    }

    fn leaf(&self, address: &Address) -> Result<Option<(u64, Leaf)>, StoreError> {
        if let Some(pending) = self.accounts.get(address) {
            return Ok(*pending);
        }
        Ok(self.store.account(address)?.map(|record| (record.index, record.leaf(*address))))
    }

    /// The greatest account below an address: the greater of the pending one and the stored one.
    fn leaf_below(&self, address: &Address) -> Result<(u64, Leaf), StoreError> {
        let pending = self.accounts.range(..*address).rev().find_map(|(_, account)| *account);
        for entry in self.store.accounts_below(address) {
            let (below, record) = entry?;
            if pending.is_some_and(|(_, leaf)| leaf.address > below) {
                break;
            }
            // One that is pending too is either `pending` itself, newer than the disk, or gone.
            if !self.accounts.contains_key(&below) {
                return Ok((record.index, record.leaf(below)));
            }
        }
        pending.ok_or_else(|| StoreError::Missing { table: "account_by_address", key: Address::ZERO.to_string() })
    }

    fn address_at(&self, index: u64) -> Result<Address, StoreError> {
        let found = match self.addresses.get(&index) {
            Some(pending) => *pending,
            None => self.store.address_at(index)?,
        };
        found.ok_or_else(|| StoreError::Missing { table: "address_by_index", key: index.to_string() })
    }
}
