//! The accounts a block touches, loaded before it is executed, and what it did to them.

use super::{Account, Leaf};
use crate::{
    block::{MAX_BLOCK_BYTES, MAX_BLOCK_TRANSACTIONS},
    codec::{BoundedVec, Decode, Encode},
    hash::Hash,
    keys::Address,
    transaction::OUTPUT_BYTES,
    units::Amount,
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

/// More existing leaves than any block can change, so that an undo record never lacks one: an output
/// changes one (the receiver's, or the one below a new account), and a sender's costs a whole transaction.
pub const MAX_CHANGED_LEAVES: usize = 100_000;
const _: () = assert!(MAX_BLOCK_BYTES / OUTPUT_BYTES + MAX_BLOCK_TRANSACTIONS + 1 < MAX_CHANGED_LEAVES);

/// Some leaves of the state, complete for a set of addresses: for each of them either its own leaf or,
/// where it has no account, the leaf just below it.
#[derive(Clone, Debug)]
pub struct AccountSlice {
    old_count: u64,
    count: u64,
    records: BTreeMap<Address, Record>,
}

#[derive(Clone, Copy, Debug)]
struct Record {
    index: u64,
    /// As it was loaded; `None` for an account that was created since.
    old: Option<Leaf>,
    leaf: Leaf,
}

/// The caller's mistake: neither the leaf of an address nor the one below it was loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the slice holds neither {address} nor the leaf below it")]
pub struct NotLoaded {
    /// The address.
    pub address: Address,
}

/// What became of one leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeafChange {
    /// Its place in the tree.
    pub index: u64,
    /// What it was; `None` when it is new.
    pub old: Option<Leaf>,
    /// What it is.
    pub new: Leaf,
}

/// What a block did to the accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateChange {
    /// The number of leaves before.
    pub old_count: u64,
    /// The number of leaves after.
    pub count: u64,
    /// The leaves that differ, by index.
    pub leaves: Vec<LeafChange>,
}

impl StateChange {
    /// The hashes of the changed leaves by index, as [`super::AccountTree::update`] takes them.
    pub fn leaf_hashes(&self) -> BTreeMap<u64, Hash> {
        self.leaves.iter().map(|change| (change.index, change.new.hash())).collect()
    }

    /// How to take it back.
    pub fn undo(&self) -> UndoRecord {
        let leaves = self.leaves.iter().filter_map(|change| Some((change.index, change.old?))).collect();
        UndoRecord { count: self.old_count, leaves: BoundedVec::new(leaves).unwrap_or_default() }
    }
}

/// How to take a block's changes back: the old number of leaves, and the leaves as they were.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[bincode(crate = "crate::codec::bincode")]
pub struct UndoRecord {
    /// The number of leaves before the block.
    pub count: u64,
    /// The changed leaves below that number, as they were before it.
    pub leaves: BoundedVec<(u64, Leaf), MAX_CHANGED_LEAVES>,
}

impl UndoRecord {
    /// The hashes of the restored leaves by index, as [`super::AccountTree::update`] takes them.
    pub fn leaf_hashes(&self) -> BTreeMap<u64, Hash> {
        self.leaves.iter().map(|(index, leaf)| (*index, leaf.hash())).collect()
    }
}

impl AccountSlice {
    /// A slice of a state with `count` leaves, nothing loaded yet.
    pub fn new(count: u64) -> Self {
        Self { old_count: count, count, records: BTreeMap::new() }
    }

    /// A slice of a state with `count` leaves, of which these are loaded, each with its index.
    pub fn load(count: u64, leaves: Vec<(u64, Leaf)>) -> Self {
        let records = leaves.into_iter().map(|(index, leaf)| (leaf.address, Record { index, old: Some(leaf), leaf }));
        Self { old_count: count, count, records: records.collect() }
    }

    /// Loads the leaf at `index`.
    pub fn insert(&mut self, index: u64, leaf: Leaf) {
        self.records.insert(leaf.address, Record { index, old: Some(leaf), leaf });
    }

    /// The account of `address`, if it has one.
    ///
    /// # Errors
    /// [`NotLoaded`] when the slice cannot tell.
    pub fn account(&self, address: &Address) -> Result<Option<Account>, NotLoaded> {
        if let (Some(record), true) = (self.records.get(address), *address != Address::ZERO) {
            return Ok(Some(record.leaf.account));
        }
        self.below(address).map(|_| None)
    }

    /// How many of `addresses` have no account.
    ///
    /// # Errors
    /// [`NotLoaded`] when the slice cannot tell.
    pub fn absent<'a>(&self, addresses: impl Iterator<Item = &'a Address>) -> Result<u64, NotLoaded> {
        let mut absent = BTreeSet::new();
        for address in addresses {
            if self.account(address)?.is_none() {
                absent.insert(address);
            }
        }
        Ok(absent.len() as u64)
    }

    /// Sets what an existing account has.
    pub(crate) fn set(&mut self, address: &Address, account: Account) {
        if let Some(record) = self.records.get_mut(address) {
            record.leaf.account = account;
        }
    }

    /// Appends an account with nonce 0 for an address that has none.
    pub(crate) fn create(&mut self, address: &Address, balance: Amount) -> Result<(), NotLoaded> {
        let below = self.below(address)?;
        let not_loaded = NotLoaded { address: *address };
        let record = self.records.get_mut(&below).ok_or(not_loaded)?;
        let leaf = Leaf { address: *address, next: record.leaf.next, account: Account { balance, nonce: 0 } };
        record.leaf.next = *address;
        self.records.insert(*address, Record { index: self.count, old: None, leaf });
        self.count = self.count.checked_add(1).ok_or(not_loaded)?;
        Ok(())
    }

    /// The greatest known address below an absent one.
    fn below(&self, address: &Address) -> Result<Address, NotLoaded> {
        let greatest = self.records.range(..*address).next_back();
        let record = greatest.filter(|(_, record)| record.leaf.proves_absence_of(address));
        record.map(|(below, _)| *below).ok_or(NotLoaded { address: *address })
    }

    /// What differs from what was loaded.
    pub fn into_change(self) -> StateChange {
        let differing = self.records.into_values().filter(|record| record.old != Some(record.leaf));
        let mut leaves: Vec<LeafChange> =
            differing.map(|record| LeafChange { index: record.index, old: record.old, new: record.leaf }).collect();
        leaves.sort_unstable_by_key(|change| change.index);
        StateChange { old_count: self.old_count, count: self.count, leaves }
    }
}
