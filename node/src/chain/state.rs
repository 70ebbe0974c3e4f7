//! Accounts during an import: what is on disk, with what the import has changed so far on top.
//!
//! A run of blocks changes them here, in memory; then all that differs from the disk goes into the run's one
//! batch. However often the run touched an account, it is written once.

use super::{
    cache::{AccountCache, ByAddress},
    precheck::Precheck,
};
use crate::store::{AccountsBelow, Batch, ChainStore, StoreError, schema, schema::UndoLeaves};
use cairn_ledger::{
    accounts::{AccountSlice, Leaf, StateChange, UndoRecord},
    codec::BoundedVec,
    keys::Address,
};
use std::collections::{BTreeMap, BTreeSet};

/// Accounts between a remembered neighbour and an absent address that are walked over before the disk is
/// asked: those that were created there since.
const STEPS: usize = 32;

/// So many accounts are shared with a worker: fewer take no longer than waiting for one may.
const SHARED: usize = 4096;

/// The accounts after some blocks were connected or disconnected, none of it written yet.
pub(super) struct PendingState<'a> {
    store: &'a ChainStore,
    cache: &'a AccountCache,
    count: u64,
    /// Accounts that differ from the disk; `None` for those that exist no more.
    accounts: ByAddress<Option<(u64, Leaf)>>,
    /// In order: accounts made since, and those that came to stand beside another that exists no more. The greatest account
    /// below an address is among them, or it is on the disk, with nothing between that exists no more.
    beside: BTreeSet<Address>,
    /// Addresses by index that differ from the disk; `None` for those that exist no more.
    addresses: BTreeMap<u64, Option<Address>>,
}

/// What differs from the disk, once it was written.
pub(super) struct Written(ByAddress<Option<(u64, Leaf)>>);

impl Written {
    /// Brings the cache up to what is on disk now.
    pub(super) fn update(self, cache: &mut AccountCache) {
        cache.begin_batch();
        for (address, account) in self.0 {
            match account {
                Some((index, leaf)) => cache.put(index, leaf),
                None => cache.remove(&address),
            }
        }
    }
}

impl<'a> PendingState<'a> {
    /// The accounts on disk, `count` of them.
    pub(super) fn new(store: &'a ChainStore, cache: &'a AccountCache, count: u64) -> Self {
        let (accounts, beside, addresses) = (ByAddress::default(), BTreeSet::new(), BTreeMap::new());
        Self { store, cache, count, accounts, beside, addresses }
    }

    /// Loads the leaf of each address or, where it has none, the leaf below it; with workers that have the time.
    pub(super) fn load_slice(&self, addresses: &[Address], workers: &Precheck) -> Result<AccountSlice, StoreError> {
        let load = |addresses: &[Address]| -> Result<Vec<(u64, Leaf)>, StoreError> {
            let mut stored = self.store.accounts_below_each();
            addresses.iter().map(|address| self.find(address, &mut stored)).collect()
        };
        let leaves = if addresses.len() >= SHARED {
            let (first, second) = addresses.split_at(addresses.len() / 2);
            let (first, second) = workers.join(|| load(first), || load(second));
            [first?, second?].concat()
        } else {
            load(addresses)?
        };
        Ok(AccountSlice::load(self.count, leaves))
    }

    /// Takes in what a connected block changed.
    pub(super) fn apply(&mut self, change: &StateChange) {
        self.accounts.reserve(change.leaves.len());
        for leaf in &change.leaves {
            self.accounts.insert(leaf.new.address, Some((leaf.index, leaf.new)));
            if leaf.old.is_none() {
                self.addresses.insert(leaf.index, Some(leaf.new.address));
                self.beside.insert(leaf.new.address);
            }
        }
        self.count = change.count;
    }

    /// Takes back what a connected block had changed; returns it in full.
    pub(super) fn undo(&mut self, undo: &UndoLeaves) -> Result<UndoRecord, StoreError> {
        let mut leaves = Vec::with_capacity(undo.leaves.len());
        for old in undo.leaves.iter() {
            let address = self.address_at(old.index)?;
            let missing = || StoreError::Missing { table: "account_by_address", key: address.to_string() };
            let (_, leaf) = self.leaf(&address)?.ok_or_else(missing)?;
            leaves.push((old.index, Leaf { address, next: old.next.unwrap_or(leaf.next), account: old.account }));
        }
        for index in undo.count..self.count {
            let address = self.address_at(index)?;
            self.accounts.insert(address, None);
            self.beside.remove(&address);
            self.addresses.insert(index, None);
        }
        self.accounts.extend(leaves.iter().map(|(index, leaf)| (leaf.address, Some((*index, *leaf)))));
        // Each account that was removed had changed the `next` of the one below it.
        let beside = undo.leaves.iter().zip(&leaves).filter(|(old, _)| old.next.is_some());
        self.beside.extend(beside.map(|(_, (_, leaf))| leaf.address));
        self.count = undo.count;
        let corrupt = |_| StoreError::Corrupt { table: "undo_by_id", key: undo.count.to_string() };
        Ok(UndoRecord { count: undo.count, leaves: BoundedVec::new(leaves).map_err(corrupt)? })
    }

    /// Adds all that differs from the disk to a batch.
    pub(super) fn write(self, batch: &mut Batch<'_>) -> Written {
        // In the order of the table: a sorted batch goes in at half the cost.
        let mut accounts: Vec<_> = self.accounts.iter().collect();
        accounts.sort_unstable_by_key(|(address, _)| *address);
        for (address, account) in accounts {
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
        Written(self.accounts)
    }

    /// The leaf of an address or, where it has no account, the leaf below it.
    pub(super) fn leaf_or_below(&self, address: &Address) -> Result<(u64, Leaf), StoreError> {
        self.find(address, &mut self.store.accounts_below_each())
    }

    /// The same, for one of many; `stored` looks at the disk.
    fn find(&self, address: &Address, stored: &mut AccountsBelow<'_>) -> Result<(u64, Leaf), StoreError> {
        let known = self.in_memory(address);
        if let Some(Some(found)) = known {
            return Ok(found);
        }
        if let Some(beside) = self.beside.range(..*address).next_back()
            && let Some((index, leaf)) = self.leaf(beside)?
            && leaf.proves_absence_of(address)
        {
            return Ok((index, leaf));
        }
        // What exists no more is still on the disk, and maybe in the memory of neighbours.
        if known.is_none() {
            if let Some(below) = self.walk_up_to(address) {
                return Ok(below);
            }
            if let Some((at, record)) = stored.at_or_below(address)?
                && let Some(found) = self.accounts.get(&at).copied().unwrap_or(Some((record.index, record.leaf(at))))
            {
                return Ok(found);
            }
        }
        Err(StoreError::Missing { table: "account_by_address", key: address.to_string() })
    }

    fn leaf(&self, address: &Address) -> Result<Option<(u64, Leaf)>, StoreError> {
        self.in_memory(address).map_or_else(|| self.on_disk(address), Ok)
    }

    /// What memory knows of an address, if anything: its leaf, or that it has none.
    fn in_memory(&self, address: &Address) -> Option<Option<(u64, Leaf)>> {
        self.accounts.get(address).copied().or_else(|| self.cache.get(address).map(Some))
    }

    fn on_disk(&self, address: &Address) -> Result<Option<(u64, Leaf)>, StoreError> {
        Ok(self.store.account(address)?.map(|record| (record.index, record.leaf(*address))))
    }

    /// The account that proves the absence of `address`, looked for from the one that was below it once, along
    /// the chain of addresses, as far as that is in memory.
    fn walk_up_to(&self, address: &Address) -> Option<(u64, Leaf)> {
        let mut at = *self.cache.neighbour(address)?;
        for _ in 0..STEPS {
            match self.in_memory(&at)?? {
                (index, leaf) if leaf.proves_absence_of(address) => return Some((index, leaf)),
                (_, leaf) if leaf.address < *address && leaf.next < *address => at = leaf.next,
                _ => return None,
            }
        }
        None
    }

    fn address_at(&self, index: u64) -> Result<Address, StoreError> {
        let found = match self.addresses.get(&index) {
            Some(pending) => *pending,
            None => self.store.address_at(index)?,
        };
        found.ok_or_else(|| StoreError::Missing { table: "address_by_index", key: index.to_string() })
    }
}
