//! The accounts at the tip that are in memory: what blocks are executed on. The disk holds all of them for the rest,
//! for the next start, and for readers.
//!
//! Accounts lie by index, in the buckets of the account tree, and are loaded and forgotten by bucket. One that is
//! loaded is found by a hash of its address.
//!
//! Whoever has none is proved absent by the account below. As long as all accounts are loaded, that is found in memory:
//! from a landmark, one address of four in a sorted map, it is reached along `next`, the leaves' own list, in a few
//! steps. Otherwise the disk is asked, which is as it was after the last batch: what was created and removed since is
//! noted.
//!
//! Which addresses are landmarks, and where they hash to, depends on a secret, since a receiver's address may be any
//! 32 bytes: nobody can choose some that fall together, or lie far from every landmark.
//!
//! An account that is loaded takes 80 bytes, its place in the table about 10, the landmarks about 14; the hashes over
//! it another 64.

use crate::{store::StoreError, store::schema::IndexByAddress};
use cairn_ledger::{Address, accounts::Leaf};
use hashbrown::HashTable;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};

/// Tables by hash: one that grows moves its own accounts alone, and each grows at a fill of its own, so that no block
/// waits long for it.
const TABLES: usize = 256;
/// Accounts looked up side by side: more than the loads from memory that a core has under way at once.
const ABREAST: usize = 64;
/// Of so many addresses one is a landmark.
const LANDMARK: u64 = 4;
/// Instead of an account's index: it is not loaded, or does not exist.
pub(super) const NOT_LOADED: u64 = u64::MAX;

/// The accounts, the sentinel included, by index and by address.
pub(crate) struct Accounts {
    count: u64,
    /// Leaves in a bucket, as a power of two.
    bits: u32,
    /// The leaves of those that are loaded; behind the last account, sentinels.
    buckets: Vec<Option<Box<[Leaf]>>>,
    loaded: usize,
    /// All balances together, in pebbles: below 2^53, as everything that was ever given out.
    balances: u64,
    tables: Vec<HashTable<u32>>,
    secret: RandomState,
    order: Order,
}

/// How the account below an address is found.
enum Order {
    /// All accounts are loaded; landmarks and their indices.
    Landmarks(BTreeMap<Address, u32>),
    /// On the disk.
    Disk(Partial),
}

/// On the way to the account below an address.
struct Walk {
    /// Which of the answers it is for.
    place: usize,
    address: Address,
    /// The account that is reached, and the hash of the next one's address.
    index: u64,
    leaf: Leaf,
    hash: u64,
}

/// What is known beside the accounts while not all of them are loaded.
#[derive(Default)]
pub(super) struct Partial {
    /// The landmarks among those that are loaded, if all are to be.
    landmarks: Option<BTreeMap<Address, u32>>,
    /// Those that are not on the disk yet …
    pub(super) created: BTreeSet<Address>,
    /// … and those that are still there.
    pub(super) removed: HashSet<Address>,
    /// Which buckets were used since the last look.
    used: Vec<AtomicBool>,
    /// Where the look for one that was not goes on.
    hand: usize,
}

impl Accounts {
    /// Room for `count` accounts in buckets of `2^bits`, none of them loaded, nor their balances
    /// [counted](Self::count_balances); `all` will be loaded, or not.
    pub(crate) fn new(bits: u32, count: u64, all: bool) -> Self {
        let buckets = usize::try_from(count.div_ceil(1 << bits)).unwrap_or(usize::MAX);
        let each = if all { usize::try_from(count).unwrap_or(usize::MAX) / TABLES } else { 0 };
        let tables = (0..TABLES).map(|number| HashTable::with_capacity(each * 2 * TABLES / (TABLES + number) + 1));
        let order = if all {
            Order::Landmarks(BTreeMap::from([(Address::ZERO, 0)]))
        } else {
            Order::Disk(Partial::of(buckets))
        };
        Self {
            count,
            bits,
            buckets: vec![None; buckets],
            loaded: 0,
            balances: 0,
            tables: tables.collect(),
            secret: RandomState::new(),
            order,
        }
    }

    /// Counts the balances of accounts, loaded or not, each once.
    pub(super) fn count_balances(&mut self, leaves: &[Leaf]) {
        self.balances += leaves.iter().map(|leaf| leaf.account.balance.pebbles()).sum::<u64>();
    }

    /// All balances together, as somebody else has counted them.
    pub(super) fn set_balances(&mut self, pebbles: u64) {
        self.balances = pebbles;
    }

    /// Takes in the leaves of a bucket, as many as it has; `false` where there is no such bucket, or it is loaded.
    pub(crate) fn load(&mut self, number: u64, leaves: &[Leaf]) -> bool {
        let (bits, width) = (self.bits, 1_usize << self.bits);
        let place = usize::try_from(number).ok().and_then(|number| self.buckets.get_mut(number));
        let Some(place) = place.filter(|place| place.is_none()) else { return false };
        let mut bucket = vec![Leaf::SENTINEL; width].into_boxed_slice();
        bucket.iter_mut().zip(leaves).for_each(|(place, leaf)| *place = *leaf);
        *place = Some(bucket);
        self.loaded += 1;
        self.note_use(number << bits);
        for (index, leaf) in (number << bits..).zip(leaves) {
            self.enter(index, &leaf.address);
        }
        true
    }

    /// All are to be loaded, one bucket after another: what is needed for that is kept from now on. Nothing is loaded
    /// yet.
    pub(super) fn set_loading(&mut self) {
        if let Order::Disk(partial) = &mut self.order {
            partial.landmarks = Some(BTreeMap::from([(Address::ZERO, 0)]));
        }
    }

    /// The first buckets that are not loaded although all are to be, at most so many; none once all are, and the disk
    /// is asked no more.
    pub(super) fn next_to_load(&mut self, max: usize) -> Vec<u64> {
        let Order::Disk(partial) = &mut self.order else { return Vec::new() };
        if partial.landmarks.is_none() {
            return Vec::new();
        }
        let lacking = self.buckets.iter().enumerate().skip(partial.hand);
        let lacking = lacking.filter(|(_, bucket)| bucket.is_none()).map(|(number, _)| number);
        let numbers: Vec<usize> = lacking.take(max).collect();
        partial.hand = numbers.first().copied().unwrap_or(partial.hand);
        if self.loaded == self.buckets.len()
            && let Some(landmarks) = partial.landmarks.take()
        {
            self.order = Order::Landmarks(landmarks);
        }
        numbers.into_iter().map(|number| number as u64).collect()
    }

    /// Forgets a bucket: the disk has it.
    pub(super) fn unload(&mut self, number: usize) {
        let Some(bucket) = self.buckets.get_mut(number).and_then(Option::take) else { return };
        self.loaded -= 1;
        let first = (number as u64) << self.bits;
        for (index, leaf) in (first..self.count).zip(&bucket) {
            self.leave(index, &leaf.address);
        }
    }

    /// How many buckets are loaded.
    pub(super) fn loaded(&self) -> usize {
        self.loaded
    }

    /// Whether a bucket is loaded.
    pub(super) fn is_loaded(&self, number: u64) -> bool {
        usize::try_from(number).ok().and_then(|number| self.buckets.get(number)).is_some_and(Option::is_some)
    }

    /// Leaves in a bucket, as a power of two.
    pub(super) fn bits(&self) -> u32 {
        self.bits
    }

    /// What is known beside the accounts while not all of them are loaded.
    pub(super) fn partial(&self) -> Option<&Partial> {
        match &self.order {
            Order::Landmarks(_) => None,
            Order::Disk(partial) => Some(partial),
        }
    }

    /// From now on buckets may be forgotten. The disk has what is here.
    pub(super) fn set_partial(&mut self) {
        match &mut self.order {
            Order::Landmarks(_) => self.order = Order::Disk(Partial::of(self.buckets.len())),
            Order::Disk(partial) => partial.landmarks = None,
        }
    }

    /// The disk has now what is here.
    pub(super) fn set_written(&mut self) {
        if let Order::Disk(partial) = &mut self.order {
            partial.created.clear();
            partial.removed.clear();
        }
    }

    /// A loaded bucket that was not used lately (the clock of page replacement), and is not the last: that one will
    /// grow.
    pub(super) fn unused(&mut self) -> Option<usize> {
        let (last, Order::Disk(partial)) = (self.buckets.len().checked_sub(1)?, &mut self.order) else { return None };
        // Once around clears all marks, so that the second time finds one.
        for _ in 0..2 * last {
            partial.hand = if partial.hand + 1 < last { partial.hand + 1 } else { 0 };
            if self.buckets.get(partial.hand).is_some_and(Option::is_some)
                && partial.used.get_mut(partial.hand).is_none_or(|used| !std::mem::take(used.get_mut()))
            {
                return Some(partial.hand);
            }
        }
        None
    }

    /// All balances together, in pebbles.
    pub(crate) fn balances(&self) -> u64 {
        self.balances
    }

    /// Takes the sum from what a leaf was to what it is.
    fn count_balance(&mut self, old: &Leaf, new: &Leaf) {
        // Within one block receivers may come before senders, but what all have fits far below 2^64.
        self.balances = (self.balances + new.account.balance.pebbles()).saturating_sub(old.account.balance.pebbles());
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The leaf at an index, if it is loaded.
    pub(crate) fn at(&self, index: u64) -> Option<&Leaf> {
        leaf_at(&self.buckets, self.bits, index).filter(|_| index < self.count)
    }

    /// The leaf of an address and its index, if it is loaded.
    pub(crate) fn get(&self, address: &Address) -> Option<(u64, Leaf)> {
        let hash = self.secret.hash_one(address);
        let is_it = |index: &u32| self.at(u64::from(*index)).is_some_and(|leaf| leaf.address == *address);
        let index = u64::from(*self.tables.get(table(hash))?.find(hash, is_it)?);
        self.note_use(index);
        Some((index, *self.at(index)?))
    }

    /// Finds for each address its leaf or, where it has none, the one that proves it, and its index. While not all
    /// accounts are loaded, [`NOT_LOADED`] where neither is known.
    ///
    /// Each step is taken for many before the next: one address after another would have the core wait for memory at
    /// every step of every one.
    ///
    /// # Errors
    /// The accounts' order is broken.
    pub(crate) fn find_each(&self, addresses: &[Address], found: &mut [(u64, Leaf)]) -> Result<(), StoreError> {
        let (mut hashes, mut places) = ([0; ABREAST], [0; ABREAST]);
        let mut walks = Vec::new();
        for (addresses, found) in addresses.chunks(ABREAST).zip(found.chunks_mut(ABREAST)) {
            for (hash, address) in hashes.iter_mut().zip(addresses) {
                *hash = self.secret.hash_one(address);
            }
            for (place, hash) in places.iter_mut().zip(&hashes) {
                *place = self.alike(*hash);
            }
            for (found, place) in found.iter_mut().zip(&places) {
                *found = self.at(*place).map_or((NOT_LOADED, Leaf::SENTINEL), |leaf| (*place, *leaf));
                self.note_use(*place);
            }
            for (place, (found, address)) in found.iter_mut().zip(addresses).enumerate() {
                if found.1.address == *address && found.0 != NOT_LOADED {
                    continue;
                }
                *found = self.get(address).unwrap_or((NOT_LOADED, Leaf::SENTINEL));
                if let (NOT_LOADED, Order::Landmarks(landmarks)) = (found.0, &self.order) {
                    let (_, index) = landmarks.range(..address).next_back().ok_or_else(|| missing(address))?;
                    let index = u64::from(*index);
                    walks.push(Walk { place, address: *address, index, leaf: Leaf::SENTINEL, hash: 0 });
                }
            }
            self.walk_below(&mut walks, found)?;
        }
        Ok(())
    }

    /// Walks from landmarks to the accounts below some addresses, side by side as well, until none is left.
    fn walk_below(&self, walks: &mut Vec<Walk>, found: &mut [(u64, Leaf)]) -> Result<(), StoreError> {
        for walk in &mut *walks {
            walk.leaf = *self.at(walk.index).ok_or_else(|| missing(&walk.address))?;
        }
        loop {
            walks.retain(|walk| {
                let goes_on = walk.leaf.next < walk.address && walk.leaf.next != Address::ZERO;
                if let (false, Some(found)) = (goes_on, found.get_mut(walk.place)) {
                    *found = (walk.index, walk.leaf);
                }
                goes_on
            });
            if walks.is_empty() {
                return Ok(());
            }
            for walk in &mut *walks {
                walk.hash = self.secret.hash_one(walk.leaf.next);
            }
            for walk in &mut *walks {
                walk.index = self.alike(walk.hash);
            }
            for walk in &mut *walks {
                let Leaf { address, next, .. } = walk.leaf;
                let alike = self.at(walk.index).filter(|leaf| leaf.address == next).map(|leaf| (walk.index, *leaf));
                // The order ascends: the walk ends.
                let step = alike.or_else(|| self.get(&next)).filter(|_| next > address);
                (walk.index, walk.leaf) = step.ok_or_else(|| missing(&walk.address))?;
            }
        }
    }

    /// The first account whose hash looks like this one, nearly always the one that has it.
    fn alike(&self, hash: u64) -> u64 {
        let alike = self.tables.get(table(hash)).and_then(|table| table.find(hash, |_| true));
        alike.map_or(0, |index| u64::from(*index))
    }

    /// The account with the greatest address below `address` among the first `count`, and its index, while all are
    /// loaded; those between are passed over, each once.
    pub(super) fn below_among(&self, count: u64, address: &Address) -> Option<(u64, Leaf)> {
        let Order::Landmarks(landmarks) = &self.order else { return None };
        let mut end = *address;
        for (landmark, index) in landmarks.range(..address).rev() {
            let index = u64::from(*index);
            let (mut at, mut last) = ((index, *self.at(index)?), None);
            loop {
                let (index, leaf) = at;
                last = if index < count { Some(at) } else { last };
                if leaf.next >= end || leaf.next == Address::ZERO {
                    break;
                }
                // The order ascends: the walk ends.
                at = self.get(&leaf.next).filter(|_| leaf.next > leaf.address)?;
            }
            if last.is_some() {
                return last;
            }
            end = *landmark;
        }
        None
    }

    /// Sets some accounts, ascending by index, of which there are `count` then: those above are removed, and those
    /// that are appended are all among them. All of them are loaded, but for those in buckets that are new.
    pub(crate) fn set(&mut self, count: u64, leaves: impl IntoIterator<Item = (u64, Leaf)>) {
        while self.count > count {
            self.pop();
        }
        for (index, leaf) in leaves {
            if index >= self.count {
                self.push(leaf);
                continue;
            }
            let place = self.place(index).expect("what changes was loaded");
            let old = std::mem::replace(place, leaf);
            self.count_balance(&old, &leaf);
        }
        debug_assert_eq!(self.count, count, "what is appended is given");
    }

    fn place(&mut self, index: u64) -> Option<&mut Leaf> {
        let bucket = self.buckets.get_mut(usize::try_from(index >> self.bits).ok()?)?.as_mut()?;
        let within = usize::try_from(index).ok()? & (bucket.len() - 1);
        bucket.get_mut(within)
    }

    fn push(&mut self, leaf: Leaf) {
        let index = self.count;
        self.count += 1;
        if index.is_multiple_of(1 << self.bits) {
            self.buckets.push(Some(vec![Leaf::SENTINEL; 1 << self.bits].into_boxed_slice()));
            self.loaded += 1;
        }
        *self.place(index).expect("the last bucket is loaded") = leaf;
        self.count_balance(&Leaf::SENTINEL, &leaf);
        self.enter(index, &leaf.address);
        if let Order::Disk(partial) = &mut self.order {
            partial.used.resize_with(self.buckets.len(), AtomicBool::default);
            if !partial.removed.remove(&leaf.address) {
                partial.created.insert(leaf.address);
            }
        }
    }

    fn pop(&mut self) {
        let index = self.count - 1;
        let leaf = *self.at(index).expect("what is taken away was loaded");
        self.count_balance(&leaf, &Leaf::SENTINEL);
        self.leave(index, &leaf.address);
        self.count = index;
        if index.is_multiple_of(1 << self.bits) {
            self.buckets.pop();
            self.loaded -= 1;
        }
        if let Order::Disk(partial) = &mut self.order
            && !partial.created.remove(&leaf.address)
        {
            partial.removed.insert(leaf.address);
        }
    }

    /// Makes an account to be found by its address.
    fn enter(&mut self, index: u64, address: &Address) {
        let Self { buckets, bits, tables, secret, order, .. } = self;
        let hash = secret.hash_one(address);
        let index = u32::try_from(index).expect("a machine with memory for 2^32 accounts is yet to be built");
        let address_of = |index: &u32| Some(&leaf_at(buckets, *bits, u64::from(*index))?.address);
        let hash_of = |index: &u32| address_of(index).map_or(0, |address| secret.hash_one(address));
        let number = table(hash);
        if let Some(table) = tables.get_mut(number) {
            if table.len() * 2 * TABLES >= table.capacity() * (TABLES + number) {
                table.reserve(table.capacity() - table.len() + 1, hash_of);
            }
            table.insert_unique(hash, index, hash_of);
        }
        if let (true, Some(landmarks)) = ((hash >> 32).is_multiple_of(LANDMARK), order.landmarks()) {
            landmarks.insert(*address, index);
        }
    }

    /// Makes an account not to be found any more.
    fn leave(&mut self, index: u64, address: &Address) {
        let hash = self.secret.hash_one(address);
        if let Some(Ok(entry)) =
            self.tables.get_mut(table(hash)).map(|table| table.find_entry(hash, |other| u64::from(*other) == index))
        {
            entry.remove();
        }
        if let Some(landmarks) = self.order.landmarks() {
            landmarks.remove(address);
        }
    }

    /// Marks the bucket of an account as used.
    fn note_use(&self, index: u64) {
        if let Order::Disk(partial) = &self.order
            && let Some(used) = usize::try_from(index >> self.bits).ok().and_then(|number| partial.used.get(number))
        {
            used.store(true, Ordering::Relaxed);
        }
    }
}

impl Order {
    fn landmarks(&mut self) -> Option<&mut BTreeMap<Address, u32>> {
        match self {
            Self::Landmarks(landmarks) => Some(landmarks),
            Self::Disk(partial) => partial.landmarks.as_mut(),
        }
    }
}

impl Partial {
    fn of(buckets: usize) -> Self {
        let mut used = Vec::new();
        used.resize_with(buckets, AtomicBool::default);
        Self { used, ..Self::default() }
    }
}

/// What lies at the place of an index, if its bucket is loaded.
fn leaf_at(buckets: &[Option<Box<[Leaf]>>], bits: u32, index: u64) -> Option<&Leaf> {
    let bucket = buckets.get(usize::try_from(index >> bits).ok()?)?.as_ref()?;
    bucket.get(usize::try_from(index).ok()? & (bucket.len() - 1))
}

/// The table of a hash: by bits that the table itself does not go by, which are the lowest and the highest.
fn table(hash: u64) -> usize {
    (hash >> 40) as usize % TABLES
}

/// The accounts' order is broken, or an account that must be there is not.
pub(crate) fn missing(address: &Address) -> StoreError {
    StoreError::missing::<IndexByAddress>(address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_ledger::{Account, testing::pebbles};
    use proptest::{prelude::*, test_runner::RngSeed};

    /// Eight leaves in a bucket.
    const BITS: u32 = 3;

    fn leaf(n: u16, next: u16) -> Leaf {
        let address = |n: u16| {
            let mut bytes = [0; 32];
            bytes[..2].copy_from_slice(&n.to_be_bytes());
            Address::from_bytes(bytes)
        };
        Leaf { address: address(n), next: address(next), account: Account { balance: pebbles(n.into()), nonce: 0 } }
    }

    /// The leaves of the sentinel and of these, in order of creation.
    fn leaves(created: &[u16]) -> Vec<(u64, Leaf)> {
        let sorted: BTreeSet<u16> = created.iter().copied().collect();
        let next = |n: u16| sorted.range(n + 1..).next().copied().unwrap_or(0);
        let all = std::iter::once(&0).chain(created);
        all.zip(0..).map(|(n, index)| (index, leaf(*n, next(*n)))).collect()
    }

    fn accounts(created: &[u16]) -> Accounts {
        let leaves: Vec<Leaf> = leaves(created).into_iter().map(|(_, leaf)| leaf).collect();
        let mut accounts = Accounts::new(BITS, leaves.len() as u64, true);
        accounts.count_balances(&leaves);
        for (number, leaves) in (0..).zip(leaves.chunks(1 << BITS)) {
            assert!(accounts.load(number, leaves));
        }
        accounts
    }

    /// All questions about all addresses, answered by what is given.
    fn assert_is(accounts: &Accounts, created: &[u16]) {
        let expected: BTreeMap<Address, (u64, Leaf)> =
            leaves(created).into_iter().map(|(index, leaf)| (leaf.address, (index, leaf))).collect();
        assert_eq!(accounts.count(), expected.len() as u64);
        let balances: u64 = expected.values().map(|(_, leaf)| leaf.account.balance.pebbles()).sum();
        assert_eq!(accounts.balances(), balances);
        assert_eq!(accounts.tables.iter().map(HashTable::len).sum::<usize>(), expected.len());
        let Order::Landmarks(landmarks) = &accounts.order else { panic!("all are loaded") };
        assert!(landmarks.iter().all(|(address, index)| expected[address].0 == u64::from(*index)));
        for (index, leaf) in expected.values() {
            assert_eq!(accounts.at(*index), Some(leaf));
        }
        assert_eq!(accounts.at(accounts.count()), None);
        for n in 0..300 {
            let address = leaf(n, 0).address;
            let below = expected.range(..address).next_back().map(|(_, found)| *found);
            assert_eq!(accounts.get(&address), expected.get(&address).copied(), "{n}");
            assert_eq!(accounts.below_among(u64::MAX, &address), below, "{n}");
            let early = expected.range(..address).rev().map(|(_, found)| *found).find(|(index, _)| *index < 5);
            assert_eq!(accounts.below_among(5, &address), early, "{n}");
            let mut found = [(0, Leaf::SENTINEL)];
            accounts.find_each(&[address], &mut found).expect("the order is whole");
            assert_eq!(Some(found[0]), expected.get(&address).copied().or(below), "{n}");
        }
        let addresses: Vec<Address> = (1..300).map(|n| leaf(n, 0).address).collect();
        let mut each = vec![(0, Leaf::SENTINEL); addresses.len()];
        accounts.find_each(&addresses, &mut each).expect("the order is whole");
        let one_by_one =
            addresses.iter().map(|address| expected.range(..=address).next_back().map(|(_, found)| *found));
        assert_eq!(each, one_by_one.map(|found| found.expect("the order is whole")).collect::<Vec<_>>());
    }

    #[test]
    fn a_bucket_has_a_place_and_is_loaded_once() {
        let mut accounts = Accounts::new(BITS, 9, true);
        assert!(accounts.load(1, &[leaf(7, 0)]), "the negative control");
        assert!(!accounts.load(1, &[leaf(7, 0)]) && !accounts.load(2, &[leaf(8, 0)]));
        assert_eq!(
            (accounts.get(&leaf(7, 0).address), accounts.get(&leaf(8, 0).address)),
            (Some((8, leaf(7, 0))), None)
        );
    }

    /// Each bucket is forgotten and loaded again; the last stays, and one that was used stays longer than one that was
    /// not.
    #[test]
    fn what_is_forgotten_is_not_found_until_it_is_loaded_again() {
        let all: Vec<u16> = (1..40).collect();
        let mut accounts = accounts(&all);
        assert_eq!(accounts.unused(), None, "all are to be loaded");
        accounts.set_partial();
        let used = leaf(20, 0).address;
        accounts.get(&used).expect("it is loaded");
        let mut forgotten = Vec::new();
        while accounts.loaded() > 1 {
            let number = accounts.unused().expect("there are more than one");
            accounts.unload(number);
            forgotten.push(number);
        }
        assert_eq!(forgotten, [1, 3, 0, 2], "{forgotten:?}");
        assert_eq!((accounts.unused(), accounts.at(39).is_some(), accounts.at(20)), (None, true, None));
        let mut found = [(0, Leaf::SENTINEL)];
        accounts.find_each(&[used], &mut found).expect("nothing is broken");
        assert_eq!(found[0].0, NOT_LOADED);
        let leaves: Vec<Leaf> = leaves(&all).into_iter().map(|(_, leaf)| leaf).collect();
        assert!(accounts.load(2, &leaves[16..24]));
        accounts.find_each(&[used], &mut found).expect("nothing is broken");
        assert_eq!((found[0], accounts.get(&leaf(19, 0).address)), ((20, leaves[20]), Some((19, leaves[19]))));
        assert_eq!(accounts.balances(), (1..40).sum::<u64>(), "of all, loaded or not");
    }

    #[test]
    fn what_differs_from_the_disk_is_noted() {
        let mut accounts = accounts(&[1, 2, 3]);
        accounts.set_partial();
        accounts.set(3, []);
        accounts.set(5, [(3, leaf(4, 0)), (4, leaf(3, 4))]);
        let partial = |accounts: &Accounts| {
            let partial = accounts.partial().expect("not all need to be loaded");
            (partial.created.iter().copied().collect::<Vec<_>>(), partial.removed.len())
        };
        assert_eq!(partial(&accounts), (vec![leaf(4, 0).address], 0), "the third was made again");
        accounts.set(3, []);
        assert_eq!(partial(&accounts), (vec![], 1));
        accounts.set_written();
        assert_eq!(partial(&accounts), (vec![], 0));
    }

    #[test]
    fn an_order_that_does_not_ascend_is_broken_and_ends() {
        let mut accounts = accounts(&[3, 5]);
        assert!(accounts.below_among(9, &leaf(9, 0).address).is_some(), "the negative control");
        accounts.set(3, [(2, leaf(5, 3))]);
        accounts.order = Order::Landmarks(BTreeMap::from([(Address::ZERO, 0)]));
        let broken = accounts.find_each(&[leaf(9, 0).address], &mut [(0, Leaf::SENTINEL)]);
        let broken = broken.expect_err("5 names 3 as the next");
        assert!(broken.is_storage_failure());
    }

    #[test]
    fn buckets_are_given_back_that_are_not_needed() {
        let mut all: Vec<u16> = (1..=20).collect();
        let mut accounts = accounts(&all);
        assert_eq!(accounts.loaded(), 3);
        all.truncate(7);
        accounts.set(8, []);
        assert_eq!((accounts.loaded(), accounts.buckets.len()), (1, 1));
        accounts.set(8, leaves(&all).into_iter().skip(7));
        assert_is(&accounts, &all);
    }

    /// Hashes fill all tables alike, which once would have grown within the same few blocks.
    #[test]
    fn tables_grow_one_after_another() {
        let all = (1..=120_000_u64).map(|n| {
            let mut bytes = [1; 32];
            bytes[..8].copy_from_slice(&n.to_be_bytes());
            Leaf { address: Address::from_bytes(bytes), ..Leaf::SENTINEL }
        });
        let mut accounts = accounts(&[]);
        let mut all = (1..).zip(all);
        let mut grow_to = |count: u64, accounts: &mut Accounts| {
            let before: Vec<usize> = accounts.tables.iter().map(HashTable::capacity).collect();
            accounts.set(count, all.by_ref().take((count - accounts.count()) as usize).collect::<Vec<_>>());
            accounts.tables.iter().zip(before).filter(|(table, before)| table.capacity() != *before).count()
        };
        grow_to(30_000, &mut accounts);
        let grown: Vec<usize> = (1..=30).map(|step| grow_to(30_000 + step * 3_000, &mut accounts)).collect();
        assert!(grown.iter().sum::<usize>() >= TABLES, "to four times as many, all grow: {grown:?}");
        assert!(grown.iter().all(|grown| *grown <= TABLES / 3), "a tenth more or less: {grown:?}");
    }

    proptest! {
        // The same cases on every run.
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(0xca12), ..ProptestConfig::default() })]

        #[test]
        fn accounts_that_were_removed_and_made_again_equal_those_made_at_once(
            before in proptest::collection::hash_set(1u16..300, 0..60),
            after in proptest::collection::hash_set(1u16..300, 0..60),
            kept in 0usize..60,
        ) {
            let before: Vec<u16> = before.into_iter().collect();
            let stem = &before[..kept.min(before.len())];
            let after: Vec<u16> =
                stem.iter().copied().chain(after.into_iter().filter(|n| !stem.contains(n))).collect();
            let mut accounts = accounts(&before);
            assert_is(&accounts, &before);
            accounts.set(stem.len() as u64 + 1, leaves(stem));
            assert_is(&accounts, stem);
            accounts.set(after.len() as u64 + 1, leaves(&after));
            assert_is(&accounts, &after);
        }
    }
}
