//! The accounts a block touches, loaded before it is executed, and what it did to them.

use super::{Account, Leaf, is_between};
use crate::block::{MAX_BLOCK_BYTES, MAX_BLOCK_TRANSACTIONS};
use crate::codec::{BoundedVec, Decode, Encode};
use crate::{hash::Hash, keys::Address, transaction::OUTPUT_BYTES, units::Amount};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::ops::Range;

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
    /// Those that were loaded, as they were, ascending by address.
    loaded: Vec<(u64, Leaf)>,
    /// Where to look for a loaded address.
    index: PrefixIndex,
    /// The addresses that were created since, in order …
    created: Vec<Address>,
    /// … and where each is.
    created_places: BTreeMap<Address, SlicePosition>,
    /// What all have now: the loaded ones, then the created ones.
    accounts: Vec<Account>,
    /// The next addresses of those who have another than was loaded.
    nexts: BTreeMap<SlicePosition, Address>,
}

/// Where in a slice an account is: first come the loaded ones, then the created ones. It stays there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SlicePosition(usize);

/// The caller's mistake: something was not loaded that is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the sentence of each error names its fields")]
pub enum NotLoaded {
    /// An account.
    #[error("the slice holds neither {address} nor the leaf below it")]
    Account { address: Address },
    /// A part of the tree, by its place among all buckets.
    #[error("bucket {number} of the account tree is not loaded")]
    Bucket { number: u64 },
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

impl LeafChange {
    /// Whether it has something else than before, or is new; another next address alone does not count.
    pub fn changes_account(&self) -> bool {
        self.old.is_none_or(|old| old.account != self.new.account)
    }
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
    /// The money that is gone: the price of the accounts it created, and a reward too small for one.
    pub burned: Amount,
}

impl StateChange {
    /// The hashes of the changed leaves by index, as [`super::AccountTree::update`] takes them.
    pub fn leaf_hashes(&self) -> Vec<(u64, Hash)> {
        let hashes = Leaf::hash_each(self.leaves.iter().map(|change| &change.new));
        self.leaves.iter().map(|change| change.index).zip(hashes).collect()
    }

    /// How to take it back.
    pub fn undo(&self) -> UndoRecord {
        let leaves = self.leaves.iter().filter_map(|change| Some((change.index, change.old?))).collect();
        UndoRecord { count: self.old_count, leaves: BoundedVec::new(leaves).unwrap_or_default() }
    }
}

/// How to take a block's changes back: the old number of leaves, and the leaves as they were.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct UndoRecord {
    /// The number of leaves before the block.
    pub count: u64,
    /// The changed leaves below that number, as they were before it.
    pub leaves: BoundedVec<(u64, Leaf), MAX_CHANGED_LEAVES>,
}

impl UndoRecord {
    /// The hashes of the restored leaves by index, as [`super::AccountTree::update`] takes them.
    pub fn leaf_hashes(&self) -> Vec<(u64, Hash)> {
        let hashes = Leaf::hash_each(self.leaves.iter().map(|(_, leaf)| leaf));
        self.leaves.iter().map(|(index, _)| *index).zip(hashes).collect()
    }
}

impl AccountSlice {
    /// A slice of a state with `count` leaves, of which these are loaded, each with its index. Any order will
    /// do, and a leaf may come more than once; ascending addresses are fastest.
    pub fn load(count: u64, leaves: Vec<(u64, Leaf)>) -> Self {
        let mut loaded = leaves;
        if !loaded.is_sorted_by_key(|(_, leaf)| leaf.address) {
            loaded.sort_by_key(|(_, leaf)| leaf.address);
        }
        loaded.dedup_by_key(|(_, leaf)| leaf.address);
        let index = PrefixIndex::new(loaded.iter().map(|(_, leaf)| prefix(&leaf.address)).collect());
        let accounts = loaded.iter().map(|(_, leaf)| leaf.account).collect();
        let (created, created_places, nexts) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        Self { old_count: count, count, loaded, index, created, created_places, accounts, nexts }
    }

    /// The account of `address`, if it has one.
    ///
    /// # Errors
    /// [`NotLoaded`] when the slice cannot tell.
    pub fn account(&self, address: &Address) -> Result<Option<Account>, NotLoaded> {
        self.place(address).map(|place| place.map(|place| self.at(place)))
    }

    /// How many of `addresses` have no account.
    ///
    /// # Errors
    /// [`NotLoaded`] when the slice cannot tell.
    pub fn absent<'a>(&self, addresses: impl Iterator<Item = &'a Address>) -> Result<u64, NotLoaded> {
        let mut absent = BTreeSet::new();
        for address in addresses {
            if self.place(address)?.is_none() {
                absent.insert(address);
            }
        }
        Ok(absent.len() as u64)
    }

    /// Where the account of `address` is, if it has one.
    pub(crate) fn place(&self, address: &Address) -> Result<Option<SlicePosition>, NotLoaded> {
        match self.find(address) {
            // The sentinel is no account.
            Ok(place) if *address != Address::ZERO => Ok(Some(place)),
            Ok(_) => Err(NotLoaded::Account { address: *address }),
            Err(below) => self.proof_of_absence(address, below).map(|_| None),
        }
    }

    /// What the account at a place has.
    pub(crate) fn at(&self, place: SlicePosition) -> Account {
        self.accounts.get(place.0).copied().unwrap_or_default()
    }

    /// Sets what the account at a place has.
    pub(crate) fn set(&mut self, place: SlicePosition, account: Account) {
        if let Some(has) = self.accounts.get_mut(place.0) {
            *has = account;
        }
    }

    /// Appends an account with nonce 0 for an address that has none.
    pub(crate) fn create(&mut self, address: &Address, balance: Amount) -> Result<(), NotLoaded> {
        let not_loaded = NotLoaded::Account { address: *address };
        let below = self.proof_of_absence(address, self.find(address).err().ok_or(not_loaded)?)?;
        let (_, next) = self.between(below).ok_or(not_loaded)?;
        let place = SlicePosition(self.accounts.len());
        self.nexts.insert(below, *address);
        self.nexts.insert(place, next);
        self.created.push(*address);
        self.created_places.insert(*address, place);
        self.accounts.push(Account { balance, nonce: 0 });
        self.count = self.count.checked_add(1).ok_or(not_loaded)?;
        Ok(())
    }

    /// The address at a place and the next one.
    fn between(&self, place: SlicePosition) -> Option<(Address, Address)> {
        let next = self.nexts.get(&place).copied();
        match self.loaded.get(place.0) {
            Some((_, leaf)) => Some((leaf.address, next.unwrap_or(leaf.next))),
            None => Some((*self.created.get(place.0.checked_sub(self.loaded.len())?)?, next?)),
        }
    }

    /// Where an address is or, as the error, how many of the loaded ones are below it.
    fn find(&self, address: &Address) -> Result<SlicePosition, usize> {
        let alike = self.index.alike(prefix(address));
        let leaves = self.loaded.get(alike.clone()).unwrap_or_default();
        match leaves.binary_search_by_key(address, |(_, leaf)| leaf.address) {
            Ok(at) => Ok(SlicePosition(alike.start.saturating_add(at))),
            Err(at) => self.created_places.get(address).copied().ok_or(alike.start.saturating_add(at)),
        }
    }

    /// The greatest known address below an absent one, if it proves the absence; `below` of the loaded ones are
    /// below.
    fn proof_of_absence(&self, address: &Address, below: usize) -> Result<SlicePosition, NotLoaded> {
        let loaded = below.checked_sub(1).map(SlicePosition);
        let created = self.created_places.range(..*address).next_back().map(|(_, place)| *place);
        let proves = |place: &SlicePosition| {
            self.between(*place).is_some_and(|(below, next)| is_between(&below, address, &next))
        };
        // Of the two, the smaller one does not: its next address is the greater one, or below that.
        loaded.into_iter().chain(created).find(proves).ok_or(NotLoaded::Account { address: *address })
    }

    /// What differs from what was loaded; what was burned on the way is not known here.
    pub fn into_change(self) -> StateChange {
        let differs = |place: usize, leaf: &Leaf, account: &Account| {
            leaf.account != *account || (!self.nexts.is_empty() && self.nexts.contains_key(&SlicePosition(place)))
        };
        let loaded = self.loaded.iter().zip(&self.accounts).enumerate();
        let differing = loaded.filter(|(place, ((_, leaf), account))| differs(*place, leaf, account));
        // Places are sorted: the leaves are large.
        let mut differing: Vec<(u64, usize)> = differing.map(|(place, ((index, _), _))| (*index, place)).collect();
        differing.sort_unstable();
        // Those that were created come last, with the last indices.
        let created = (self.old_count..).zip(self.loaded.len()..self.accounts.len());
        let change = |(index, place): (u64, usize)| {
            let (address, next) = self.between(SlicePosition(place))?;
            let old = self.loaded.get(place).map(|(_, leaf)| *leaf);
            Some(LeafChange { index, old, new: Leaf { address, next, account: self.at(SlicePosition(place)) } })
        };
        let mut leaves = Vec::with_capacity(differing.len().saturating_add(self.created.len()));
        leaves.extend(differing.into_iter().chain(created).filter_map(change));
        StateChange { old_count: self.old_count, count: self.count, leaves, burned: Amount::ZERO }
    }
}

/// Sorted numbers, most of which are spread evenly: addresses are hashes and points. Each part of their range
/// holds one or two of them; where somebody ground many into one, it is searched.
#[derive(Clone, Debug)]
struct PrefixIndex {
    prefixes: Vec<u64>,
    /// Where each part begins, and the end.
    parts: Vec<usize>,
    /// What of a number tells its part.
    shift: u32,
}

impl PrefixIndex {
    fn new(prefixes: Vec<u64>) -> Self {
        let bits = prefixes.len().checked_ilog2().unwrap_or(0).max(1);
        let shift = u64::BITS.saturating_sub(bits);
        let mut parts = Vec::with_capacity(prefixes.len().saturating_add(3));
        for (at, prefix) in prefixes.iter().enumerate() {
            parts.resize(parts.len().max(part(*prefix, shift).saturating_add(1)), at);
        }
        parts.resize(1_usize.wrapping_shl(bits).saturating_add(1), prefixes.len());
        Self { prefixes, parts, shift }
    }

    /// Where the numbers equal to `wanted` are or, when there is none, would be.
    fn alike(&self, wanted: u64) -> Range<usize> {
        let part = part(wanted, self.shift);
        let bound = |part: usize| self.parts.get(part).copied().unwrap_or(self.prefixes.len());
        let (start, end) = (bound(part), bound(part.saturating_add(1)));
        let part = self.prefixes.get(start..end).unwrap_or_default();
        let at = |count: usize| start.saturating_add(count);
        at(part.partition_point(|prefix| *prefix < wanted))..at(part.partition_point(|prefix| *prefix <= wanted))
    }
}

fn part(prefix: u64, shift: u32) -> usize {
    usize::try_from(prefix.wrapping_shr(shift)).unwrap_or(usize::MAX)
}

/// The first eight bytes, as a number that orders as they do.
fn prefix(address: &Address) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *address.as_bytes();
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(first: u8, last: u8, next: (u8, u8)) -> Leaf {
        Leaf { address: address(first, last), next: address(next.0, next.1), account: Account::default() }
    }

    fn address(first: u8, last: u8) -> Address {
        let mut bytes = [0; 32];
        (bytes[0], bytes[31]) = (first, last);
        Address::from_bytes(bytes)
    }

    #[test]
    fn an_index_finds_what_a_search_finds() {
        let spread = (0..200_u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let ground = (0..50).map(|n| (1 << 63) + n / 3);
        for count in [0, 1, 2, 3, 10, 250] {
            let mut prefixes: Vec<u64> =
                ground.clone().chain(spread.clone()).chain([0, u64::MAX]).take(count).collect();
            prefixes.sort_unstable();
            let index = PrefixIndex::new(prefixes.clone());
            for wanted in prefixes.iter().flat_map(|n| [n.wrapping_sub(1), *n, n.wrapping_add(1)]).chain([0, u64::MAX])
            {
                let (from, to) =
                    (prefixes.partition_point(|n| *n < wanted), prefixes.partition_point(|n| *n <= wanted));
                assert_eq!(index.alike(wanted), from..to, "{wanted} among {count}");
            }
        }
    }

    /// Addresses that share their first bytes, as somebody may grind them.
    #[test]
    fn addresses_with_the_same_beginning_are_told_apart() {
        let loaded =
            [leaf(0, 0, (7, 1)), leaf(7, 3, (7, 5)), leaf(7, 1, (7, 3)), leaf(7, 5, (9, 0)), leaf(7, 3, (7, 5))];
        let mut slice = AccountSlice::load(9, loaded.into_iter().zip(0..).map(|(leaf, index)| (index, leaf)).collect());
        for last in [1, 3, 5] {
            assert!(slice.account(&address(7, last)).unwrap().is_some(), "{last}");
        }
        for last in [0, 2, 4, 6] {
            assert_eq!(slice.account(&address(7, last)), Ok(None), "{last}");
            slice.create(&address(7, last), Amount::ZERO).unwrap();
            assert!(slice.account(&address(7, last)).unwrap().is_some(), "{last}, created");
        }
        assert_eq!(slice.account(&address(7, 7)), Ok(None), "below it is one that was created");
        let beyond = address(9, 0);
        assert_eq!(slice.account(&beyond), Err(NotLoaded::Account { address: beyond }));
        assert_eq!(slice.account(&Address::ZERO), Err(NotLoaded::Account { address: Address::ZERO }));
        // The chain of addresses leads through old and new ones.
        let change = slice.into_change();
        let next = |last| change.leaves.iter().find(|leaf| leaf.new.address == address(7, last)).unwrap().new.next;
        for last in 0..6 {
            assert_eq!(next(last), address(7, last + 1));
        }
        assert_eq!((next(6), change.count), (beyond, 13));
    }
}
