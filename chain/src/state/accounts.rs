//! All accounts at the tip, in memory: what blocks are executed on. The disk holds the same for the next start, and
//! for readers.
//!
//! An account is found by a hash of its address. Whoever has none is proved absent by the account below: from a
//! landmark, one address of four in a sorted set, it is reached along `next`, the leaves' own list, in a few steps.
//! Which addresses are landmarks, and where they hash to, depends on a secret, since a receiver's address may be any
//! 32 bytes: nobody can choose some that fall together, or lie far from every landmark.
//!
//! An account takes 80 bytes, its place in the table about 10, the landmarks about 12; the hashes of the tree over
//! all accounts another 64.

use crate::{store::StoreError, store::schema::AccountByAddress};
use cairn_ledger::{Address, accounts::Leaf};
use hashbrown::HashTable;
use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};

/// Tables by hash: one that grows moves its own accounts alone, and each grows at a fill of its own, so that no block
/// waits long for it.
const TABLES: usize = 256;
/// Leaves in a chunk: what is there never moves, and no more is taken than a chunk.
const CHUNK: usize = 4096;
/// Accounts looked up side by side: more than the loads from memory that a core has under way at once.
const ABREAST: usize = 64;
/// Of so many addresses one is a landmark.
const LANDMARK: u64 = 4;

/// The accounts, the sentinel included, by index and by address.
pub(crate) struct Accounts {
    leaves: Chunks,
    /// All balances together, in pebbles: below 2^53, as everything that was ever given out.
    balances: u64,
    tables: Vec<HashTable<u32>>,
    landmarks: BTreeSet<Address>,
    secret: RandomState,
}

impl Accounts {
    /// Room for `count` accounts, all of them yet to be [placed](Self::place).
    pub(crate) fn with_count(count: u64) -> Self {
        let mut leaves = Chunks::default();
        (0..count).for_each(|_| leaves.push(Leaf::SENTINEL));
        let each = usize::try_from(count).unwrap_or(usize::MAX) / TABLES;
        let tables = (0..TABLES).map(|number| HashTable::with_capacity(each * 2 * TABLES / (TABLES + number) + 1));
        let tables = tables.collect();
        Self { leaves, balances: 0, tables, landmarks: BTreeSet::from([Address::ZERO]), secret: RandomState::new() }
    }

    /// Puts an account at the place made for it; `false` when none was.
    pub(crate) fn place(&mut self, index: u64, leaf: Leaf) -> bool {
        let Some(place) = self.leaves.get_mut(index) else { return false };
        let old = std::mem::replace(place, leaf);
        self.count_balance(&old, &leaf);
        self.enter(index, &leaf.address);
        true
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
        self.leaves.count
    }

    /// The leaf at an index.
    pub(crate) fn at(&self, index: u64) -> Option<&Leaf> {
        self.leaves.get(index)
    }

    /// The leaf of an address and its index.
    pub(crate) fn get(&self, address: &Address) -> Option<(u64, Leaf)> {
        let hash = self.secret.hash_one(address);
        let is_it = |index: &u32| self.leaves.get(u64::from(*index)).is_some_and(|leaf| leaf.address == *address);
        let index = u64::from(*self.tables.get(table(hash))?.find(hash, is_it)?);
        Some((index, *self.leaves.get(index)?))
    }

    /// Finds for each address its leaf or, where it has none, the one that proves it, and its index.
    ///
    /// Each step is taken for many before the next: one address after another would have the core wait for memory at
    /// every step of every one.
    ///
    /// # Errors
    /// The accounts' order is broken.
    pub(crate) fn find_each(&self, addresses: &[Address], found: &mut [(u64, Leaf)]) -> Result<(), StoreError> {
        let (mut hashes, mut places) = ([0; ABREAST], [0; ABREAST]);
        for (addresses, found) in addresses.chunks(ABREAST).zip(found.chunks_mut(ABREAST)) {
            for (hash, address) in hashes.iter_mut().zip(addresses) {
                *hash = self.secret.hash_one(address);
            }
            for (place, hash) in places.iter_mut().zip(&hashes) {
                // The first whose hash looks alike, nearly always the right one.
                let alike = self.tables.get(table(*hash)).and_then(|table| table.find(*hash, |_| true));
                *place = alike.map_or(0, |index| u64::from(*index));
            }
            for (found, place) in found.iter_mut().zip(&places) {
                *found = (*place, self.leaves.get(*place).copied().unwrap_or(Leaf::SENTINEL));
            }
            for (found, address) in found.iter_mut().zip(addresses) {
                if found.1.address != *address {
                    *found = self.get_or_below(address)?;
                }
            }
        }
        Ok(())
    }

    /// The leaf of an address or, where it has none, the one that proves it, and its index.
    ///
    /// # Errors
    /// The accounts' order is broken.
    pub(crate) fn get_or_below(&self, address: &Address) -> Result<(u64, Leaf), StoreError> {
        self.get(address).or_else(|| self.below(address)).ok_or_else(|| missing(address))
    }

    /// The account with the greatest address below `address`, and its index.
    pub(crate) fn below(&self, address: &Address) -> Option<(u64, Leaf)> {
        self.below_among(u64::MAX, address)
    }

    /// The same among the first `count` accounts alone; those between are passed over, each once.
    pub(crate) fn below_among(&self, count: u64, address: &Address) -> Option<(u64, Leaf)> {
        let mut end = *address;
        for landmark in self.landmarks.range(..address).rev() {
            let (mut at, mut last) = (self.get(landmark)?, None);
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
    /// that are appended are all among them.
    pub(crate) fn set(&mut self, count: u64, leaves: impl IntoIterator<Item = (u64, Leaf)>) {
        while self.leaves.count > count {
            let index = self.leaves.count - 1;
            let Some(leaf) = self.leaves.get(index).copied() else { break };
            self.count_balance(&leaf, &Leaf::SENTINEL);
            let (hash, address) = (self.secret.hash_one(leaf.address), leaf.address);
            if let Some(Ok(entry)) =
                self.tables.get_mut(table(hash)).map(|table| table.find_entry(hash, |other| u64::from(*other) == index))
            {
                entry.remove();
            }
            self.landmarks.remove(&address);
            self.leaves.pop();
        }
        for (index, leaf) in leaves {
            match self.leaves.get_mut(index) {
                Some(place) => {
                    let old = std::mem::replace(place, leaf);
                    self.count_balance(&old, &leaf);
                }
                None => {
                    self.leaves.push(leaf);
                    self.count_balance(&Leaf::SENTINEL, &leaf);
                    self.enter(index, &leaf.address);
                }
            }
        }
        debug_assert_eq!(self.leaves.count, count, "what is appended is given");
    }

    /// Makes an account to be found by its address.
    fn enter(&mut self, index: u64, address: &Address) {
        let Self { leaves, tables, landmarks, secret, .. } = self;
        let hash = secret.hash_one(address);
        let index = u32::try_from(index).expect("a machine with memory for 2^32 accounts is yet to be built");
        let hash_of = |index: &u32| leaves.get(u64::from(*index)).map_or(0, |leaf| secret.hash_one(leaf.address));
        let number = table(hash);
        if let Some(table) = tables.get_mut(number) {
            if table.len() * 2 * TABLES >= table.capacity() * (TABLES + number) {
                table.reserve(table.capacity() - table.len() + 1, hash_of);
            }
            table.insert_unique(hash, index, hash_of);
        }
        if (hash >> 32).is_multiple_of(LANDMARK) {
            landmarks.insert(*address);
        }
    }
}

/// The table of a hash: by bits that the table itself does not go by, which are the lowest and the highest.
fn table(hash: u64) -> usize {
    (hash >> 40) as usize % TABLES
}

/// The accounts' order is broken, or an account that must be there is not.
pub(crate) fn missing(address: &Address) -> StoreError {
    StoreError::missing::<AccountByAddress>(address)
}

/// Leaves by index.
#[derive(Default)]
struct Chunks {
    chunks: Vec<Vec<Leaf>>,
    count: u64,
}

impl Chunks {
    fn get(&self, index: u64) -> Option<&Leaf> {
        let index = usize::try_from(index).ok()?;
        self.chunks.get(index / CHUNK)?.get(index % CHUNK)
    }

    fn get_mut(&mut self, index: u64) -> Option<&mut Leaf> {
        let index = usize::try_from(index).ok()?;
        self.chunks.get_mut(index / CHUNK)?.get_mut(index % CHUNK)
    }

    fn push(&mut self, leaf: Leaf) {
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.push(leaf);
            self.count += 1;
        }
    }

    fn pop(&mut self) {
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.pop();
            self.count -= 1;
            if chunk.is_empty() {
                self.chunks.pop();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_ledger::{Account, testing::pebbles};
    use proptest::{prelude::*, test_runner::RngSeed};
    use std::collections::BTreeMap;

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
        let mut accounts = Accounts::with_count(created.len() as u64 + 1);
        for (index, leaf) in leaves(created) {
            assert!(accounts.place(index, leaf));
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
        assert!(accounts.landmarks.iter().all(|address| expected.contains_key(address)));
        for (index, leaf) in expected.values() {
            assert_eq!(accounts.at(*index), Some(leaf));
        }
        assert_eq!(accounts.at(accounts.count()), None);
        for n in 0..300 {
            let address = leaf(n, 0).address;
            let below = expected.range(..address).next_back().map(|(_, found)| *found);
            assert_eq!(accounts.get(&address), expected.get(&address).copied(), "{n}");
            assert_eq!(accounts.below(&address), below, "{n}");
            let early = expected.range(..address).rev().map(|(_, found)| *found).find(|(index, _)| *index < 5);
            assert_eq!(accounts.below_among(5, &address), early, "{n}");
            let found = expected.get(&address).copied().or(below);
            assert_eq!(accounts.get_or_below(&address).ok(), found, "{n}");
        }
        let addresses: Vec<Address> = (1..300).map(|n| leaf(n, 0).address).collect();
        let mut each = vec![(0, Leaf::SENTINEL); addresses.len()];
        accounts.find_each(&addresses, &mut each).expect("the order is whole");
        let one_by_one = addresses.iter().map(|address| accounts.get_or_below(address).expect("the order is whole"));
        assert_eq!(each, one_by_one.collect::<Vec<_>>());
    }

    #[test]
    fn what_has_no_place_is_refused() {
        let mut accounts = Accounts::with_count(2);
        assert!(accounts.place(1, leaf(7, 0)), "the negative control");
        assert!(!accounts.place(2, leaf(8, 0)));
        assert_eq!(accounts.get(&leaf(8, 0).address), None);
    }

    #[test]
    fn an_order_that_does_not_ascend_is_broken_and_ends() {
        let mut accounts = accounts(&[3, 5]);
        assert!(accounts.below(&leaf(9, 0).address).is_some(), "the negative control");
        accounts.set(3, [(2, leaf(5, 3))]);
        accounts.landmarks = BTreeSet::from([Address::ZERO]);
        let broken = accounts.get_or_below(&leaf(9, 0).address).expect_err("5 names 3 as the next");
        assert!(broken.is_storage_failure());
    }

    #[test]
    fn chunks_give_back_what_they_do_not_need() {
        let mut all: Vec<u16> = (1..=2 * CHUNK as u16).collect();
        let mut accounts = accounts(&all);
        assert_eq!(accounts.leaves.chunks.len(), 3);
        all.truncate(CHUNK - 1);
        accounts.set(CHUNK as u64, leaves(&all).into_iter().skip(CHUNK - 1));
        assert_eq!(accounts.leaves.chunks.len(), 1);
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
        let mut accounts = Accounts::with_count(1);
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
