//! Accounts as they are on disk, in memory: what the last blocks touched, and what the next ones will.
//!
//! The writer alone changes it, together with the disk: an entry never differs from what is written. While
//! the writer connects one block, workers read the accounts of those after it from the disk ([`Prefetched`]).
//! What they read may be old when the writer takes it. It counts only where nothing was written since they began. Who
//! was written, and when, is remembered for longer than what: eight bytes for each, in two generations, of which the
//! older is dropped as a whole. What workers began before the last write in it does not count.

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
/// The most accounts in one generation, of two, of those written lately: more than blocks of payments write that
/// are checked at once. As a map it takes 1.2 MB.
const WRITTEN: usize = 7 << 14;
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
            self.write_u64(chunk.last_chunk().map_or(0, |last| u64::from_le_bytes(*last)));
        }
    }

    fn write_u64(&mut self, number: u64) {
        let product = u128::from(number ^ self.keys.mask ^ self.hash) * u128::from(self.keys.factor);
        self.hash = (product >> 64) as u64 ^ product as u64;
    }

    // Hashes of addresses are keys, too.
    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
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
    /// When accounts were written lately, by hashes of addresses: where two share one, both count as written.
    written: HashMap<u32, Tick, AddressHashing>,
    written_before: HashMap<u32, Tick, AddressHashing>,
    hashing: AddressHashing,
    now: Tick,
    /// The last write in the older of these generations …
    before_until: Tick,
    /// … and in those that were dropped.
    forgotten: Tick,
    /// For addresses without an account: the account that was just below them once.
    below: ByAddress<Address>,
}

/// Counts the writes of batches. It wraps: what is compared is never half of its range apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tick(u32);

impl Tick {
    fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    fn is_after(self, other: Self) -> bool {
        (1..1 << 31).contains(&self.0.wrapping_sub(other.0))
    }
}

/// What a worker read from the disk for one block.
#[derive(Default)]
pub(super) struct Prefetched {
    /// The last write of a batch before the worker began.
    begun: Tick,
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

    /// A batch was written: everything put or removed from here on was in it.
    pub(super) fn begin_batch(&mut self) {
        self.now = self.now.next();
    }

    /// Takes in an account as it was just written.
    pub(super) fn put(&mut self, index: u64, leaf: Leaf) {
        self.note_write(&leaf.address);
        self.keep(index, leaf);
    }

    fn note_write(&mut self, address: &Address) {
        if self.written.len() >= WRITTEN {
            std::mem::swap(&mut self.written_before, &mut self.written);
            self.written.clear();
            self.forgotten = std::mem::replace(&mut self.before_until, self.now);
        }
        self.written.insert(self.hash(address), self.now);
    }

    /// Whether an account was, or may have been, written after `begun`.
    fn is_written_since(&self, begun: Tick, address: &Address) -> bool {
        let hash = self.hash(address);
        let last = self.written.get(&hash).or_else(|| self.written_before.get(&hash));
        self.forgotten.is_after(begun) || last.is_some_and(|last| last.is_after(begun))
    }

    fn hash(&self, address: &Address) -> u32 {
        self.hashing.hash_one(address) as u32
    }

    fn keep(&mut self, index: u64, leaf: Leaf) {
        if self.young.len() >= GENERATION.saturating_add(self.more) && !self.young.contains_key(&leaf.address) {
            // The memory of the dropped generation serves the next one.
            std::mem::swap(&mut self.old, &mut self.young);
            self.young.clear();
        }
        self.young.insert(leaf.address, AccountRecord::new(index, &leaf));
    }

    /// Forgets an account that exists no more.
    pub(super) fn remove(&mut self, address: &Address) {
        self.young.remove(address);
        self.old.remove(address);
        self.note_write(address);
    }

    /// Takes in what a worker read, as far as it is certainly not older than what was written since.
    pub(super) fn take_in(&mut self, prefetched: Prefetched) {
        for (index, leaf) in prefetched.accounts {
            if !self.is_written_since(prefetched.begun, &leaf.address) && self.get(&leaf.address).is_none() {
                self.keep(index, leaf);
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
        (Prefetched { begun: self.now, ..Prefetched::default() }, lacking)
    }
}

impl Prefetched {
    /// Reads accounts from the disk and, for addresses without one, the account below.
    pub(super) fn read(mut self, store: &ChainStore, addresses: &[Address]) -> Result<Self, StoreError> {
        let mut absent = Vec::new();
        for (address, record) in addresses.iter().zip(store.account_each(addresses)?) {
            match record {
                Some(record) => self.accounts.push((record.index, record.leaf(*address))),
                None => absent.push(*address),
            }
        }
        if !absent.is_empty() {
            let mut accounts = store.accounts_below_each();
            for address in absent {
                if let Some((below, record)) = accounts.below(&address)? {
                    self.accounts.push((record.index, record.leaf(below)));
                    self.below.push((address, below));
                }
            }
        }
        Ok(self)
    }

    /// Adds what was read for another part of the same block.
    pub(super) fn extend(&mut self, other: Self) {
        self.accounts.extend(other.accounts);
        self.below.extend(other.below);
    }

    /// Nothing read yet, for a part of the same block.
    pub(super) fn fresh(&self) -> Self {
        Self { begun: self.begun, ..Self::default() }
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

    /// Writes a batch of accounts.
    fn write(cache: &mut AccountCache, leaves: impl IntoIterator<Item = Leaf>) {
        cache.begin_batch();
        leaves.into_iter().zip(0..).for_each(|(leaf, index)| cache.put(index, leaf));
    }

    /// So many accounts that nothing else speaks of.
    fn others(count: usize) -> impl Iterator<Item = Leaf> {
        (1_000..1_000 + count as u64).map(|n| leaf(n, 1))
    }

    fn balance(cache: &AccountCache, n: u64) -> Option<u64> {
        cache.get(&leaf(n, 0).address).map(|(_, leaf)| leaf.account.balance.pebbles())
    }

    #[test]
    fn what_was_read_counts_where_nothing_newer_is_here() {
        let mut cache = AccountCache::default();
        let (first, second) = (read_of(&cache, leaf(1, 10)), read_of(&cache, leaf(2, 10)));
        write(&mut cache, [leaf(1, 11)]);
        cache.take_in(first);
        cache.take_in(second);
        assert_eq!(balance(&cache, 1), Some(11), "the writer's is newer");
        assert_eq!(balance(&cache, 2), Some(10), "the negative control");
    }

    #[test]
    fn more_room_keeps_more_accounts() {
        let held = |more: usize| {
            let mut cache = AccountCache { more, ..AccountCache::default() };
            write(&mut cache, others(GENERATION + 100));
            (cache.young.len(), cache.old.len())
        };
        assert_eq!(held(100), (GENERATION + 100, 0));
        assert_eq!(held(0), (100, GENERATION), "the control: with the least, a generation was begun");
    }

    /// A value read before a write must not come back once the written one was dropped.
    #[test]
    fn an_old_read_does_not_outlive_the_write_after_it() {
        // Some share their hash, always the same ones here: a generation takes a few more.
        for written_since in [2 * GENERATION, 2 * WRITTEN + 1000] {
            let hashing = AddressHashing { mask: 1, factor: 0x9e37_79b9_7f4a_7c15 };
            let mut cache = AccountCache { hashing, ..AccountCache::default() };
            let (stale, untouched) = (read_of(&cache, leaf(1, 10)), read_of(&cache, leaf(2, 10)));
            write(&mut cache, [leaf(1, 11)]);
            write(&mut cache, others(written_since));
            assert_eq!(balance(&cache, 1), None, "dropped by now");
            cache.take_in(stale);
            assert_eq!(balance(&cache, 1), None);
            cache.take_in(untouched);
            let counts = (written_since < 2 * WRITTEN).then_some(10);
            assert_eq!(balance(&cache, 2), counts, "it counts while all who were written since are known");
            assert!(cache.young.len() <= GENERATION && cache.old.len() <= GENERATION);
            assert!(cache.written.len() <= WRITTEN && cache.written_before.len() <= WRITTEN);
        }
    }

    /// Reads begun after an account was written were once refused as long as anybody remembered the write.
    #[test]
    fn a_read_after_the_last_write_counts() {
        let mut cache = AccountCache::default();
        write(&mut cache, [leaf(1, 11)]);
        write(&mut cache, others(2 * GENERATION));
        assert_eq!(balance(&cache, 1), None, "dropped by now");
        let fresh = read_of(&cache, leaf(1, 11));
        cache.take_in(fresh);
        assert_eq!(balance(&cache, 1), Some(11));
    }

    /// Taking in what was read for a large block once began a generation halfway, and with it dropped a newer
    /// account whose old value came later in the same reading: a valid block got another state root.
    #[test]
    fn a_generation_that_ends_while_a_reading_is_taken_in() {
        let mut cache = AccountCache::default();
        let mut stale = read_of(&cache, leaf(1, 10));
        write(&mut cache, [leaf(1, 11)]);
        write(&mut cache, others(GENERATION));
        assert_eq!(balance(&cache, 1), Some(11), "still here");
        let last = stale.accounts.pop().expect("the stale account");
        stale
            .accounts
            .extend(others(2 * GENERATION + 1000).skip(GENERATION).zip(0..).map(|(leaf, index)| (index, leaf)));
        stale.accounts.push(last);
        cache.take_in(stale);
        assert_eq!(balance(&cache, 1), None, "dropped, and not replaced");
    }

    #[test]
    fn a_removed_account_does_not_come_back() {
        let mut cache = AccountCache::default();
        let stale = read_of(&cache, leaf(1, 10));
        write(&mut cache, [leaf(1, 10)]);
        cache.begin_batch();
        cache.remove(&leaf(1, 0).address);
        cache.take_in(stale);
        assert_eq!(balance(&cache, 1), None);
        let fresh = read_of(&cache, leaf(1, 12));
        cache.take_in(fresh);
        assert_eq!(balance(&cache, 1), Some(12), "the negative control");
    }

    /// All hashes of addresses once had one hash themselves: what looked like a map was a list.
    #[test]
    fn what_is_told_apart_has_different_hashes() {
        let hashing = AddressHashing::default();
        let addresses: std::collections::HashSet<u64> =
            (0..1000).map(|n| hashing.hash_one(leaf(n, 0).address)).collect();
        let hashes: std::collections::HashSet<u64> = (0..1000_u32).map(|n| hashing.hash_one(n)).collect();
        assert_eq!((addresses.len(), hashes.len()), (1000, 1000));
    }

    #[test]
    fn ticks_are_told_apart_where_they_wrap() {
        let (last, first) = (Tick(u32::MAX), Tick(0));
        assert_eq!((last.next(), first.is_after(last), last.is_after(first)), (first, true, false));
        assert!(!first.is_after(first));
    }
}
