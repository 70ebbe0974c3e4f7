//! What is loaded when it is needed, and forgotten when it takes too much.

use super::State;
use super::accounts::{NOT_LOADED, missing};
use crate::store::schema::{LinkByIndex, UndoLeaves};
use crate::store::{ChainStore, StoreError};
use crate::workers::Workers;
use cairn_ledger::accounts::{AccountSlice, BucketHashes, Leaf};
use cairn_ledger::{AccountProof, Address, CheckedBlock, transaction::OUTPUT_BYTES};

/// So many accounts are shared with a worker: fewer take no longer than waiting for one may.
const SHARED: usize = 4096;
/// So many buckets are read in order in the time that one takes alone.
const AHEAD: usize = 8;
/// Addresses that one reader looks up at once.
const LOOKED_UP: usize = 32;
/// Buckets that one reader reads at once where they lie together.
const READ: usize = 64;
/// Buckets that are on their way from the disk at once, about four kilobytes each: a block may need tens of thousands.
const LOADED: usize = 2048;

/// Where accounts come from that are not loaded, and who helps.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    /// The disk, as it was after the last batch.
    pub(crate) store: &'a ChainStore,
    /// The threads.
    pub(crate) workers: &'a Workers,
}

impl State {
    /// Loads the leaf of each address or, where it has none, the leaf below it; with a worker that has the time.
    pub(crate) fn slice(&mut self, source: Source<'_>, addresses: &[Address]) -> Result<AccountSlice, StoreError> {
        let mut leaves = vec![(0, Leaf::SENTINEL); addresses.len()];
        self.find_loaded(source, addresses, &mut leaves)?;
        if self.accounts.partial().is_some() {
            let lacking = leaves.iter().filter(|(index, _)| *index == NOT_LOADED).count();
            // A node that has just started, and is busy: in order, many are read in the time that one takes alone.
            if self.load_ahead(source, lacking * AHEAD)? {
                self.find_loaded(source, addresses, &mut leaves)?;
            }
            let lacking = leaves.iter_mut().zip(addresses).filter(|((index, _), _)| *index == NOT_LOADED);
            let (lacking, addresses): (Vec<_>, Vec<_>) = lacking.map(|(leaf, address)| (leaf, *address)).unzip();
            for (leaf, index) in lacking.into_iter().zip(self.fetch(source, &addresses)?) {
                *leaf = (index, self.expect(index)?);
            }
        }
        Ok(AccountSlice::load(self.accounts.count(), leaves))
    }

    /// Finds what is loaded, with a worker that has the time.
    fn find_loaded(
        &self,
        source: Source<'_>,
        addresses: &[Address],
        found: &mut [(u64, Leaf)],
    ) -> Result<(), StoreError> {
        if addresses.len() < SHARED {
            return self.accounts.find_each(addresses, found);
        }
        let (first, second) = addresses.split_at(addresses.len() / 2);
        let (found_first, found_second) = found.split_at_mut(first.len());
        let (first, second) = source
            .workers
            .join(|| self.accounts.find_each(first, found_first), || self.accounts.find_each(second, found_second));
        first.and(second)
    }

    /// Proves an account, or its absence.
    pub(crate) fn prove(&mut self, source: Source<'_>, address: &Address) -> Result<AccountProof, StoreError> {
        let mut found = [(NOT_LOADED, Leaf::SENTINEL)];
        self.accounts.find_each(&[*address], &mut found)?;
        let [(mut index, _)] = found;
        if index == NOT_LOADED {
            index = self.fetch(source, &[*address])?.first().copied().ok_or_else(|| missing(address))?;
        }
        self.proof_at(index)
    }

    /// Loads what is needed to take a block back.
    pub(super) fn load_for_undo(&mut self, source: Source<'_>, undo: &UndoLeaves) -> Result<(), StoreError> {
        let changed = undo.leaves.iter().map(|leaf| leaf.index);
        self.load_buckets_of(source, changed.chain(undo.count.saturating_sub(1)..self.accounts.count()))
    }

    /// The leaf of an address and its index, if it has an account.
    pub(super) fn find(&mut self, source: Source<'_>, address: &Address) -> Result<Option<(u64, Leaf)>, StoreError> {
        let found = self.accounts.get(address);
        if found.is_some() || self.accounts.partial().is_none() {
            return Ok(found);
        }
        let index = source.store.index_of(address)?;
        index.map(|index| Ok((index, self.load_at(source, index)?))).transpose()
    }

    /// The account with the greatest address below `address` among the first `count`, and its index.
    pub(super) fn below_among(
        &mut self,
        source: Source<'_>,
        count: u64,
        address: &Address,
    ) -> Result<Option<(u64, Leaf)>, StoreError> {
        if self.accounts.partial().is_none() {
            return Ok(self.accounts.below_among(count, address));
        }
        let is_among = |below: &Result<(Address, u64), _>| below.as_ref().map_or(true, |(_, index)| *index < count);
        let below = source.store.indices_below(address).find(is_among).transpose()?;
        below.map(|(_, index)| Ok((index, self.load_at(source, index)?))).transpose()
    }

    /// Loads the leaf at an index.
    fn load_at(&mut self, source: Source<'_>, index: u64) -> Result<Leaf, StoreError> {
        self.load_buckets_of(source, [index])?;
        self.expect(index)
    }

    /// Forgets what was not used for the longest time, until no more is loaded than may be. The disk has to have what
    /// is here.
    pub(crate) fn forget_unused(&mut self) {
        if self.accounts.loaded() > self.max_loaded {
            self.accounts.set_partial();
            self.forget_above(self.max_loaded);
        }
    }

    /// The same, so that there is room for what these blocks touch, be it more than is left to imports: each account
    /// may bring a bucket of its own.
    pub(crate) fn make_room(&mut self, blocks: &[CheckedBlock]) {
        if self.accounts.partial().is_some() {
            let payments = blocks.iter().flat_map(CheckedBlock::transactions);
            let touched: usize = payments.map(|payment| 1 + payment.transaction().body.outputs.len()).sum();
            let beyond = touched.saturating_sub(self.max_planned());
            self.forget_above(self.max_loaded.saturating_sub(beyond));
        }
    }

    fn forget_above(&mut self, most: usize) {
        while self.accounts.loaded() > most
            && let Some(number) = self.accounts.unused()
        {
            self.accounts.unload(number);
            self.tree.unload(number as u64);
        }
    }

    /// How many bytes of blocks may be executed before something is written and may be forgotten.
    pub(crate) fn max_plan_bytes(&self) -> usize {
        // Each output of a payment may bring a bucket of its own.
        if self.accounts.partial().is_some() { self.max_planned().saturating_mul(OUTPUT_BYTES) } else { usize::MAX }
    }

    /// Buckets that one import may load beyond what may stay: a third of that, the part left to imports.
    fn max_planned(&self) -> usize {
        self.max_loaded / 3
    }

    fn expect(&self, index: u64) -> Result<Leaf, StoreError> {
        self.accounts.at(index).copied().ok_or_else(|| StoreError::missing::<LinkByIndex>(index))
    }

    /// Where the leaf of each address is or, where it has none, the one that proves it; they are loaded then. The
    /// addresses are of accounts that were not, or do not exist.
    fn fetch(&mut self, source: Source<'_>, addresses: &[Address]) -> Result<Vec<u64>, StoreError> {
        let parts: Vec<&[Address]> = addresses.chunks(LOOKED_UP).collect();
        let found = source.workers.read_each(&parts, |part| {
            let found = source.store.indices_of(part)?.into_iter().zip(*part);
            found.map(|(index, address)| self.index_or_below(source.store, index, address)).collect()
        })?;
        let found: Vec<u64> = found.into_iter().flat_map(|found: Vec<u64>| found).collect();
        self.load_buckets_of(source, found.iter().copied())?;
        Ok(found)
    }

    /// The index of an address, of which the disk has said what it has, or the index of the one below it.
    fn index_or_below(&self, store: &ChainStore, index: Option<u64>, address: &Address) -> Result<u64, StoreError> {
        let partial = self.accounts.partial().ok_or_else(|| missing(address))?;
        if let Some(index) = index.filter(|_| !partial.removed.contains(address)) {
            return Ok(index);
        }
        let is_there = |below: &Result<(Address, u64), _>| {
            below.as_ref().map_or(true, |(address, _)| !partial.removed.contains(address))
        };
        let stored = store.indices_below(address).find(is_there).transpose()?;
        // What was created since the last batch is loaded, and may be nearer.
        let created = partial.created.range(..address).next_back();
        let created = created.and_then(|address| Some((*address, self.accounts.get(address)?.0)));
        let nearest = stored.into_iter().chain(created).max_by_key(|(address, _)| *address);
        nearest.map(|(_, index)| index).ok_or_else(|| missing(address))
    }

    /// Loads the buckets of these accounts.
    pub(super) fn load_buckets_of(
        &mut self,
        source: Source<'_>,
        indices: impl IntoIterator<Item = u64>,
    ) -> Result<(), StoreError> {
        let bits = self.accounts.bits();
        let mut numbers: Vec<u64> = indices.into_iter().map(|index| index >> bits).collect();
        numbers.retain(|number| !self.accounts.is_loaded(*number));
        numbers.sort_unstable();
        numbers.dedup();
        numbers.chunks(LOADED).try_for_each(|numbers| self.load_buckets(source, numbers))
    }

    /// Loads some buckets that are not loaded, in their order.
    fn load_buckets(&mut self, source: Source<'_>, numbers: &[u64]) -> Result<(), StoreError> {
        let (bits, count) = (self.accounts.bits(), self.accounts.count());
        let runs = numbers.chunk_by(|before, number| before + 1 == *number).flat_map(|run| run.chunks(READ));
        let leaves = source.workers.read_each(&runs.collect::<Vec<_>>(), |run| {
            let (first, last) = (run.first().copied().unwrap_or(0), run.last().copied().unwrap_or(0));
            source.store.leaves_at(first << bits..count.min((last + 1) << bits))
        })?;
        let leaves = leaves.concat();
        let (first, second) = leaves.split_at((numbers.len() / 2) << bits);
        let hash = |leaves: &[Leaf]| BucketHashes::new_each(bits, &Leaf::hash_each(leaves));
        let (first, second) = source.workers.join(|| hash(first), || hash(second));
        for ((number, leaves), hashes) in
            numbers.iter().zip(leaves.chunks(1 << bits)).zip(first.into_iter().chain(second))
        {
            // Before anything is executed on it: otherwise a valid block would be called invalid.
            if !(self.tree.load(*number, hashes) && self.accounts.load(*number, leaves)) {
                let (first, last) = (number << bits, (number << bits) + leaves.len() as u64 - 1);
                return Err(StoreError::Accounts { first, last });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::load::{Room, load_state};
    use super::*;
    use crate::store::{Durability, MemoryDisk, schema::AccountByIndex};
    use cairn_ledger::Account;
    use cairn_ledger::testing::{easy_network, key};

    /// Executed on, it would have made the next valid block invalid, and the node leave the network's chain for ever.
    #[test]
    fn an_account_that_was_changed_on_the_disk_is_found_before_anything_is_executed_on_it() {
        let (spec, workers) = (easy_network(), Workers::start().expect("threads"));
        let store = ChainStore::open_in_memory(MemoryDisk::default(), &spec).expect("a store");
        let count = store.account_count().expect("the accounts of block 0");
        let (rich, nobody) = (key(1).address(), Address::from_bytes([255; 32]));
        let index = store.index_of(&rich).expect("a whole database").expect("an account");
        let set = |account: &Account| {
            let mut batch = store.batch(0);
            batch.put::<AccountByIndex>(&index, account);
            batch.write(Durability::Buffered).expect("memory has room");
        };
        let source = Source { store: &store, workers: &workers };
        let load = || load_state(&store, &workers, count, Room { bits: 1, max_loaded: 1 }).expect("a state");
        let mut state = load();
        let honest = store.account(&rich).expect("a whole database").expect("an account").1.account;
        assert!(index >> 1 != (count - 1) >> 1, "not in the last bucket, which is loaded");
        set(&Account { nonce: honest.nonce + 1, ..honest });
        for addresses in [&[rich][..], &[rich, nobody]] {
            let found = state.slice(source, addresses).expect_err("it is not what the tree has");
            assert!(found.is_storage_failure(), "{found}");
            let first = index / 2 * 2;
            assert!(found.to_string().contains(&format!("accounts {first} to {}", first + 1)), "{found}");
        }
        assert!(state.prove(source, &rich).is_err() && state.prove(source, &nobody).is_ok());
        set(&honest);
        assert!(state.slice(source, &[rich, nobody]).is_ok(), "the negative control");
    }
}
