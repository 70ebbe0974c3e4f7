//! Accounts as they are on disk, in memory: what the last blocks touched, and what the next ones will.
//!
//! The writer alone changes it, together with the disk: an entry never differs from what is written. While
//! the writer connects one block, workers read the accounts of those after it from the disk ([`Prefetched`]).
//! What they read may be old when the writer takes it. It counts only where nothing newer is here, and only
//! while everything written since they began is certainly still here: two generations, of which the older
//! is dropped as a whole, tell.

use super::known::Known;
use crate::store::{ChainStore, StoreError, schema::AccountRecord};
use cairn_ledger::{accounts::Leaf, keys::Address};
use std::{
    collections::HashMap,
    hash::{BuildHasher, Hasher, RandomState},
    sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

/// The least number of accounts in one generation, of two: more than the largest block touches. Seven eighths of a power of two fill
/// a map as far as it goes, to 6 MB.
pub const GENERATION: usize = 7 << 13;
/// Neighbours of absent addresses remembered, of about 64 bytes each: more than the accounts that a block may make.
const NEIGHBOURS: usize = 7 << 12;

/// What the writer and its workers share. A panic stops the node, so a poisoned lock is nobody's concern.
#[derive(Default)]
pub(super) struct Caches {
    accounts: RwLock<AccountCache>,
    known: Mutex<Known>,
}

impl Caches {
    /// Nothing yet, with room for so many accounts more than the least in each generation.
    pub(super) fn with_more(accounts: usize) -> Self {
        let accounts = AccountCache { more: accounts, ..AccountCache::default() };
        Self { accounts: RwLock::new(accounts), known: Mutex::default() }
    }

    /// The accounts in memory.
    pub(super) fn accounts(&self) -> RwLockReadGuard<'_, AccountCache> {
        self.accounts.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The accounts in memory, for the writer to change.
    pub(super) fn accounts_mut(&self) -> RwLockWriteGuard<'_, AccountCache> {
        self.accounts.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The transactions checked for the pool.
    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hashes addresses with a secret key. They are as good as random but for what somebody ground into them; so
/// eight bytes, folded with a secret product, spread them, and nobody can prepare collisions.
#[derive(Clone)]
pub(super) struct AddressHashing {
    mask: u64,
    factor: u64,
}

impl Default for AddressHashing {
    fn default() -> Self {
        let random = RandomState::new();
        Self { mask: random.hash_one(0_u8), factor: random.hash_one(1_u8) | 1 }
    }
}

impl BuildHasher for AddressHashing {
    type Hasher = AddressHasher;

    fn build_hasher(&self) -> AddressHasher {
        AddressHasher { keys: self.clone(), hash: 0 }
    }
}

pub(super) struct AddressHasher {
    keys: AddressHashing,
    hash: u64,
}

impl Hasher for AddressHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(32) {
            let number = chunk.last_chunk().map_or(0, |last| u64::from_le_bytes(*last));
            let product = u128::from(number ^ self.keys.mask ^ self.hash) * u128::from(self.keys.factor);
            self.hash = (product >> 64) as u64 ^ product as u64;
        }
    }

    // The length of an address says nothing.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.hash
    }
}

/// A map from addresses.
pub(super) type ByAddress<T> = HashMap<Address, T, AddressHashing>;

/// Accounts by address, bounded.
#[derive(Default)]
pub(super) struct AccountCache {
    young: ByAddress<AccountRecord>,
    old: ByAddress<AccountRecord>,
    /// How many accounts more than [`GENERATION`] are in one.
    more: usize,
    /// How often a generation was dropped.
    age: u64,
    /// For addresses without an account: the account that was just below them once.
    below: ByAddress<Address>,
}

/// What a worker read from the disk for one block.
#[derive(Default)]
pub(super) struct Prefetched {
    /// The cache's age when the worker began.
    age: u64,
    accounts: Vec<(u64, Leaf)>,
    below: Vec<(Address, Address)>,
}

impl AccountCache {
    /// The leaf of an address and its index.
    pub(super) fn get(&self, address: &Address) -> Option<(u64, Leaf)> {
        let record = self.young.get(address).or_else(|| self.old.get(address))?;
        Some((record.index, record.leaf(*address)))
    }

    /// The account that was just below an address when somebody looked: a place to begin, to be verified.
    pub(super) fn neighbour(&self, address: &Address) -> Option<&Address> {
        self.below.get(address)
    }

    /// Takes in an account as it was just written.
    pub(super) fn put(&mut self, index: u64, leaf: Leaf) {
        if self.young.len() >= GENERATION.saturating_add(self.more) && !self.young.contains_key(&leaf.address) {
            // The memory of the dropped generation serves the next one.
            std::mem::swap(&mut self.old, &mut self.young);
            self.young.clear();
            self.age += 1;
        }
        self.young.insert(leaf.address, AccountRecord::new(index, &leaf));
    }

    /// Forgets an account that exists no more. What workers are reading now could bring it back, so none of
    /// that will count.
    pub(super) fn remove(&mut self, address: &Address) {
        self.young.remove(address);
        self.old.remove(address);
        self.age += 2;
    }

    /// Takes in what a worker read, as far as it is certainly not older than what was written since.
    pub(super) fn take_in(&mut self, prefetched: Prefetched) {
        for (index, leaf) in prefetched.accounts {
            // An account written since is in the generation it was written to, or in the one before. Taking
            // these in may itself begin a generation, and drop what was written.
            if self.age > prefetched.age + 1 {
                return;
            }
            if self.get(&leaf.address).is_none() {
                self.put(index, leaf);
            }
        }
        if self.below.len() + prefetched.below.len() > NEIGHBOURS {
            self.below.clear();
        }
        self.below.extend(prefetched.below);
    }

    /// Which of `addresses` are not here, and what [`Prefetched::read`] begins with.
    pub(super) fn lacking(&self, addresses: &[Address]) -> (Prefetched, Vec<Address>) {
        let here = |address: &Address| self.young.contains_key(address) || self.old.contains_key(address);
        let lacking = addresses.iter().copied().filter(|address| !here(address)).collect();
        (Prefetched { age: self.age, ..Prefetched::default() }, lacking)
    }
}

impl Prefetched {
    /// Reads accounts from the disk and, for addresses without one, the account below.
    pub(super) fn read(mut self, store: &ChainStore, addresses: &[Address]) -> Result<Self, StoreError> {
        for address in addresses {
            if let Some(record) = store.account(address)? {
                self.accounts.push((record.index, record.leaf(*address)));
            } else if let Some(entry) = store.accounts_below(address).next() {
                let (below, record) = entry?;
                self.accounts.push((record.index, record.leaf(below)));
                self.below.push((*address, below));
            }
        }
        Ok(self)
    }

    /// Adds what another worker read for the same block, at the same time.
    pub(super) fn extend(&mut self, other: Self) {
        self.accounts.extend(other.accounts);
        self.below.extend(other.below);
    }

    /// Nothing read yet, for another worker of the same block.
    pub(super) fn fresh(&self) -> Self {
        Self { age: self.age, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_ledger::{
        accounts::Account,
        testing::{arbitrary_hash, pebbles},
    };

    fn leaf(n: u64, balance: u64) -> Leaf {
        let address = Address::from_bytes(*arbitrary_hash(n).as_bytes());
        Leaf { address, next: Address::ZERO, account: Account { balance: pebbles(balance), nonce: 0 } }
    }

    fn read_of(cache: &AccountCache, leaf: Leaf) -> Prefetched {
        let (mut prefetched, lacking) = cache.lacking(&[leaf.address]);
        assert_eq!(lacking, [leaf.address]);
        prefetched.accounts.push((0, leaf));
        prefetched
    }

    #[test]
    fn what_was_read_counts_where_nothing_newer_is_here() {
        let mut cache = AccountCache::default();
        let (first, second) = (read_of(&cache, leaf(1, 10)), read_of(&cache, leaf(2, 10)));
        cache.put(0, leaf(1, 11));
        cache.take_in(first);
        cache.take_in(second);
        assert_eq!(cache.get(&leaf(1, 0).address), Some((0, leaf(1, 11))), "the writer's is newer");
        assert_eq!(cache.get(&leaf(2, 0).address), Some((0, leaf(2, 10))), "the negative control");
    }

    /// A value read before a write must not come back once the written one was dropped.
    #[test]
    fn more_room_keeps_more_accounts() {
        let held = |more: usize| {
            let mut cache = AccountCache { more, ..AccountCache::default() };
            (0..GENERATION as u64 + 100).for_each(|n| cache.put(n, leaf(n, 1)));
            (cache.young.len(), cache.old.len())
        };
        assert_eq!(held(100), (GENERATION + 100, 0));
        assert_eq!(held(0), (100, GENERATION), "the control: with the least, a generation was begun");
    }

    #[test]
    fn an_old_read_does_not_outlive_the_write_after_it() {
        let mut cache = AccountCache::default();
        let stale = read_of(&cache, leaf(1, 10));
        cache.put(0, leaf(1, 11));
        (2..2 * GENERATION as u64 + 3).for_each(|n| cache.put(n, leaf(n, 1)));
        assert_eq!(cache.get(&leaf(1, 0).address), None, "dropped by now");
        cache.take_in(stale);
        assert_eq!(cache.get(&leaf(1, 0).address), None);
        assert!(cache.young.len() <= GENERATION && cache.old.len() <= GENERATION);
    }

    /// Taking in what was read for a large block once began a generation halfway, and with it dropped a newer
    /// account whose old value came later in the same reading: a valid block got another state root.
    #[test]
    fn a_generation_that_ends_while_a_reading_is_taken_in() {
        let mut cache = AccountCache::default();
        let mut stale = read_of(&cache, leaf(1, 10));
        cache.put(0, leaf(1, 11));
        let fill = GENERATION as u64;
        (2..fill + 2).for_each(|n| cache.put(n, leaf(n, 1)));
        assert_eq!((cache.age, cache.get(&leaf(1, 0).address)), (1, Some((0, leaf(1, 11)))), "still here");
        let last = stale.accounts.pop().expect("the stale account");
        stale.accounts.extend((fill + 2..2 * fill + 3).map(|n| (n, leaf(n, 1))));
        stale.accounts.push(last);
        cache.take_in(stale);
        assert_eq!((cache.age, cache.get(&leaf(1, 0).address)), (2, None), "dropped, and not replaced");
    }

    #[test]
    fn a_removed_account_does_not_come_back() {
        let mut cache = AccountCache::default();
        let stale = read_of(&cache, leaf(1, 10));
        cache.put(0, leaf(1, 10));
        cache.remove(&leaf(1, 0).address);
        cache.take_in(stale);
        assert_eq!(cache.get(&leaf(1, 0).address), None);
        let fresh = read_of(&cache, leaf(1, 12));
        cache.take_in(fresh);
        assert_eq!(cache.get(&leaf(1, 0).address), Some((0, leaf(1, 12))), "the negative control");
    }
}
