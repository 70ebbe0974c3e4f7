//! The state at the start.
//!
//! A start does not read all accounts. The roots of all buckets are stored every some hundred blocks, and when a node
//! stops; undo records tell which accounts were touched since, and their buckets alone are read. What comes out has to
//! be the root in the tip's header, so the stored roots need no trust. The other buckets are read when they are needed
//! or, if all fit in memory, while nobody asks the writer anything; each is checked against its root then.

use super::{Source, State, accounts::Accounts};
use crate::store::schema::{LinkByIndex, StoredRoots};
use crate::store::{ChainStore, LEAST_KEPT, StoreError};
use crate::workers::Workers;
use cairn_ledger::accounts::{AccountTree, BucketHashes, Leaf};
use cairn_ledger::{Amount, ChainContext, ChainSpec, Hash, Height, LinkedHeader};
use rayon::prelude::*;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// So many leaves are read and hashed at once by one worker; a multiple of what every bucket has.
const AT_ONCE: u64 = 1 << 13;
/// Leaves in a bucket, as a power of two: as few as there is memory for.
const BUCKET_BITS: u32 = 4;
const LARGE_BUCKET_BITS: u32 = 6;
/// Fewer buckets than this between two are read with them.
const NEAR: u64 = 4;
/// Buckets whose leaves are in hand at once at a start.
const PART: usize = 1 << 12;
/// An account that is loaded, with the hashes over it, its place in the table of addresses, and room for that to grow.
const LOADED_ACCOUNT: u64 = 192;
/// A bucket that is not loaded: its root and the hashes above, and its two empty places.
const BUCKET: u64 = 100;
/// After so many blocks the roots of buckets are stored again: fewer than are kept when others are pruned.
const STORED_EVERY: u64 = 256;
const _: () = assert!(STORED_EVERY < LEAST_KEPT);
/// Buckets that are loaded at once while nobody asks anything: some milliseconds.
const LOADED_AT_ONCE: usize = 1 << 9;
/// Loaded buckets at the least: the last, and one.
const LEAST_LOADED: u64 = 2;
/// Of memory for buckets, a part of so many is left to what one import loads beyond what may stay.
const FOR_IMPORTS: u64 = 4;

/// How the accounts lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// Leaves in a bucket, as a power of two.
    pub(super) bits: u32,
    /// Buckets that may be loaded between two imports.
    pub(super) max_loaded: u64,
}

impl Room {
    /// How `count` accounts lie in so many bytes. Buckets keep the size they had before (`stored`) unless the bound is
    /// now far from where one size gives way to the other: with another size all accounts have to be read.
    fn of(count: u64, bytes: Option<u64>, stored: Option<u32>) -> Result<Self, StoreError> {
        let Some(bytes) = bytes else { return Ok(Self { bits: BUCKET_BITS, max_loaded: u64::MAX }) };
        // As many again may be created until the next start.
        let all = |bits| 2 * BUCKET * (count >> bits);
        let most = match stored {
            Some(BUCKET_BITS) => bytes / 4 * 3,
            Some(LARGE_BUCKET_BITS) => bytes / 4,
            _ => bytes / 2,
        };
        let bits = if all(BUCKET_BITS) <= most { BUCKET_BITS } else { LARGE_BUCKET_BITS };
        let buckets = bytes.saturating_sub(all(bits)) / (LOADED_ACCOUNT << bits);
        let room = Self { bits, max_loaded: buckets - buckets / FOR_IMPORTS };
        if room.max_loaded < LEAST_LOADED {
            let least = all(bits) + 2 * LEAST_LOADED * (LOADED_ACCOUNT << bits);
            return Err(StoreError::NoMemory { accounts: count, got: bytes, expected: least });
        }
        Ok(room)
    }
}

/// Loads and hashes the accounts, loads the tip, and makes sure that they belong together. Of the accounts no more stay
/// in memory than fit into so many bytes.
pub(crate) fn load(
    store: &ChainStore,
    spec: &ChainSpec,
    workers: &Workers,
    bytes: Option<u64>,
) -> Result<(State, ChainContext), StoreError> {
    let (count, stored) = (store.account_count()?, store.stored_roots()?);
    let room = Room::of(count, bytes, stored.map(|stored| stored.bits))?;
    let header = store.expect_header(&store.tip()?)?;
    match load_from_roots(Source { store, workers }, &header, count, room, stored)? {
        Ok(state) => {
            let tip = store.context_at(header.header().height)?;
            check_rules(store, spec, header.header().height)?;
            Ok((state, tip))
        }
        Err(reason) => {
            match reason {
                // Two tables contradict each other: one is damaged.
                Unusable::Wrong => {
                    tracing::warn!(target: "cairn::chain", accounts = count, %reason, "all accounts are read")
                }
                _ => tracing::info!(target: "cairn::chain", accounts = count, %reason, "all accounts are read"),
            }
            load_in(store, spec, workers, count, room)
        }
    }
}

/// The same, but that nothing stays in memory afterwards.
pub(crate) fn check(store: &ChainStore, spec: &ChainSpec, workers: &Workers) -> Result<ChainContext, StoreError> {
    let nothing = Room { bits: LARGE_BUCKET_BITS, max_loaded: 1 };
    Ok(load_in(store, spec, workers, store.account_count()?, nothing)?.1)
}

fn load_in(
    store: &ChainStore,
    spec: &ChainSpec,
    workers: &Workers,
    count: u64,
    room: Room,
) -> Result<(State, ChainContext), StoreError> {
    let header = store.expect_header(&store.tip()?)?;
    let tip = store.context_at(header.header().height)?;
    check_rules(store, spec, header.header().height)?;
    let state = load_state(store, workers, count, room)?;
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

/// A bucket's root and, if it is to be loaded, what is below.
type Bucket = (Hash, Option<BucketHashes>);

/// Reads all stored accounts, and builds the tree over them. As many buckets stay as there is room for, the last first.
pub(super) fn load_state(store: &ChainStore, workers: &Workers, count: u64, room: Room) -> Result<State, StoreError> {
    let buckets = count.div_ceil(1 << room.bits);
    let first_loaded = buckets.saturating_sub(room.max_loaded);
    let loaded = Mutex::new(Accounts::new(room.bits, count, first_loaded == 0));
    let read = |first: u64| -> Result<Vec<Bucket>, StoreError> {
        let leaves = store.leaves_at(first..count.min(first + AT_ONCE))?;
        let hashes = BucketHashes::new_each(room.bits, &Leaf::hash_each(&leaves));
        let roots = BucketHashes::roots(&hashes);
        let mut accounts = loaded.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.count_balances(&leaves);
        let buckets = leaves.chunks(1 << room.bits).zip(roots.into_iter().zip(hashes));
        let buckets = (first >> room.bits..).zip(buckets).map(|(number, (leaves, (root, hashes)))| {
            if number < first_loaded {
                return Ok((root, None));
            }
            let is_new = accounts.load(number, leaves);
            if is_new { Ok((root, Some(hashes))) } else { Err(StoreError::corrupt::<LinkByIndex>(first)) }
        });
        buckets.collect()
    };
    let buckets = workers.install(|| {
        let firsts: Vec<u64> = (0..count).step_by(AT_ONCE as usize).collect();
        firsts.into_par_iter().map(read).collect::<Result<Vec<_>, _>>()
    })?;
    let accounts = loaded.into_inner().unwrap_or_else(PoisonError::into_inner);
    let tree = AccountTree::from_buckets(room.bits, count, buckets.into_iter().flatten());
    let max_loaded = usize::try_from(room.max_loaded).unwrap_or(usize::MAX);
    Ok(State { accounts, tree, max_loaded, roots_of: None })
}

impl State {
    /// Compares all accounts on the disk with the tree; which are wrong, if any.
    pub(crate) fn find_wrong(&self, store: &ChainStore) -> Result<Option<StoreError>, StoreError> {
        let (bits, count) = (self.accounts.bits(), self.accounts.count());
        let mut known = self.tree.bucket_roots().iter();
        for first in (0..count).step_by(AT_ONCE as usize) {
            let leaves = store.leaves_at(first..count.min(first + AT_ONCE))?;
            let hashes = BucketHashes::new_each(bits, &Leaf::hash_each(&leaves));
            for (root, number) in BucketHashes::roots(&hashes).into_iter().zip(first >> bits..) {
                if known.next() != Some(&root) {
                    let (first, last) = (number << bits, count.min((number + 1) << bits).saturating_sub(1));
                    return Ok(Some(StoreError::Accounts { first, last }));
                }
            }
        }
        Ok(None)
    }
}

/// Why the stored roots of buckets are of no use to a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Unusable {
    #[error("no roots of accounts are stored yet")]
    None,
    #[error(
        "roots of {got} accounts each are stored, expected {expected}: the memory for accounts is another than before"
    )]
    OtherSize { got: u64, expected: u64 },
    #[error("the stored roots are of a block that is not followed")]
    NotFollowed,
    #[error("the stored roots are of height {got}, expected {expected} or more")]
    Old { got: u64, expected: u64 },
    #[error("the undo records since height {0} are pruned")]
    Pruned(Height),
    #[error("the stored roots are not those of the tip")]
    Wrong,
}

/// The state at `tip` from the roots of buckets that are stored, or why they are of no use.
fn load_from_roots(
    source: Source<'_>,
    tip: &LinkedHeader,
    count: u64,
    room: Room,
    stored: Option<StoredRoots>,
) -> Result<Result<State, Unusable>, StoreError> {
    let Source { store, workers } = source;
    let Some(stored) = stored else { return Ok(Err(Unusable::None)) };
    if stored.bits != room.bits {
        let leaves = |bits| 1_u64.checked_shl(bits).unwrap_or(u64::MAX);
        return Ok(Err(Unusable::OtherSize { got: leaves(stored.bits), expected: leaves(room.bits) }));
    }
    let touched = match touched_since(store, &stored, tip)? {
        Ok(touched) => touched,
        Err(reason) => return Ok(Err(reason)),
    };
    let mut numbers: Vec<u64> = touched.keys().map(|index| index >> room.bits).collect();
    numbers.extend(stored.count.saturating_sub(1) >> room.bits..count.div_ceil(1 << room.bits));
    numbers.sort_unstable();
    numbers.dedup();
    let mut buckets: Vec<Bucket> = store.bucket_roots()?.into_iter().map(|root| (root, None)).collect();
    buckets.resize(usize::try_from(count.div_ceil(1 << room.bits)).unwrap_or(usize::MAX), (Hash::ZERO, None));
    let mut accounts = Accounts::new(room.bits, count, false);
    let all_fit = room.max_loaded >= buckets.len() as u64;
    if all_fit {
        accounts.set_loading();
    }
    // Of accounts that were touched, what they had then is taken off, and what they have now counted.
    let before: u64 = touched.values().map(|balance| balance.pebbles()).sum();
    let mut balances = stored.balances.saturating_sub(before);
    let (last, ranges) = (numbers.last().copied().unwrap_or(0), near(&numbers, AT_ONCE >> room.bits));
    let (mut rest, mut numbers) = (ranges.as_slice(), numbers.iter().peekable());
    while !rest.is_empty() {
        let (part, after) = rest.split_at(count_in_part(rest));
        rest = after;
        let read = |range: &Range<u64>| store.leaves_at(range.start << room.bits..count.min(range.end << room.bits));
        for (range, leaves) in part.iter().zip(workers.read_each(part, read)?) {
            while let Some(&number) = numbers.next_if(|number| **number < range.end) {
                let leaves =
                    leaves.chunks(1 << room.bits).nth(usize::try_from(number - range.start).unwrap_or(usize::MAX));
                let leaves = leaves.ok_or_else(|| StoreError::corrupt::<LinkByIndex>(number << room.bits))?;
                let hashes = BucketHashes::new_each(room.bits, &Leaf::hash_each(leaves));
                let touched = (number << room.bits..).zip(leaves).filter(|(index, _)| touched.contains_key(index));
                balances += touched.map(|(_, leaf)| leaf.account.balance.pebbles()).sum::<u64>();
                let place = usize::try_from(number).ok().and_then(|number| buckets.get_mut(number));
                let (Some(place), Some(hashes)) = (place, hashes.into_iter().next()) else { continue };
                let stays = all_fit || (accounts.loaded() as u64) + 1 < room.max_loaded || number == last;
                *place = (hashes.root(), (stays && accounts.load(number, leaves)).then_some(hashes));
            }
        }
    }
    accounts.set_balances(balances);
    let tree = AccountTree::from_buckets(room.bits, count, buckets.into_iter());
    if tree.state_root() != tip.header().state_root {
        return Ok(Err(Unusable::Wrong));
    }
    let max_loaded = usize::try_from(room.max_loaded).unwrap_or(usize::MAX);
    let roots_of = Some((stored.block, store.expect_header(&stored.block)?.header().height));
    Ok(Ok(State { accounts, tree, max_loaded, roots_of }))
}

/// How many of these ranges are read at once.
fn count_in_part(ranges: &[Range<u64>]) -> usize {
    let mut in_hand = 0;
    let some = ranges.iter().take_while(|range| {
        let is_more = in_hand < PART as u64;
        in_hand += range.end - range.start;
        is_more
    });
    some.count()
}

/// Buckets to be read, from the ascending numbers of those that must be: with what lies between two that are near,
/// since another search costs more than to read on. A range has `most` at the most.
fn near(numbers: &[u64], most: u64) -> Vec<Range<u64>> {
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some(range) if number - range.end < NEAR && number - range.start < most => range.end = number + 1,
            _ => ranges.push(*number..number + 1),
        }
    }
    ranges
}

/// The accounts that were touched since roots were stored, and what each had then; or why that is not known.
fn touched_since(
    store: &ChainStore,
    stored: &StoredRoots,
    tip: &LinkedHeader,
) -> Result<Result<HashMap<u64, Amount>, Unusable>, StoreError> {
    let Some(from) = store.connected(&stored.block)? else { return Ok(Err(Unusable::NotFollowed)) };
    let (mut touched, got) = (HashMap::new(), from.header().height.get());
    let (next, expected) = (got + 1, tip.header().height.get().saturating_sub(2 * STORED_EVERY));
    if got < expected {
        return Ok(Err(Unusable::Old { got, expected }));
    }
    if !store.is_whole(Height::new(next)) {
        return Ok(Err(Unusable::Pruned(Height::new(next))));
    }
    for height in (next..=tip.header().height.get()).map(Height::new) {
        for leaf in store.undo(&store.header_on_chain(height)?)?.leaves.iter() {
            // The first block to touch an account says what it had before all of them; one made since had nothing.
            let balance = if leaf.index < stored.count { leaf.account.balance } else { Amount::ZERO };
            touched.entry(leaf.index).or_insert(balance);
        }
    }
    touched.extend((stored.count..store.account_count()?).map(|index| (index, Amount::ZERO)));
    Ok(Ok(touched))
}

impl State {
    /// Stores the roots of buckets, if that was long ago or the node stops. `tip` is the state's, which the disk has.
    pub(crate) fn store_roots(
        &mut self,
        store: &ChainStore,
        tip: &ChainContext,
        stops: bool,
    ) -> Result<(), StoreError> {
        let height = tip.header().height;
        let is_due = self.roots_of.is_none_or(|(block, stored)| {
            if stops { block != tip.id() } else { height < stored || height.get() >= stored.get() + STORED_EVERY }
        });
        // A few accounts are read as soon.
        if !is_due || self.tree.bucket_roots().len() < 2 {
            return Ok(());
        }
        let (count, balances) = (self.accounts.count(), self.accounts.balances());
        let stored = StoredRoots { block: tip.id(), count, balances, bits: self.tree.bucket_bits() };
        self.roots_of = Some((tip.id(), height));
        store.put_roots(stored, self.tree.bucket_roots())
    }

    /// Loads so many of the buckets that are yet to be loaded, if all fit in memory; whether any were.
    pub(super) fn load_ahead(&mut self, source: Source<'_>, buckets: usize) -> Result<bool, StoreError> {
        let steps = buckets / LOADED_AT_ONCE;
        for _ in 0..steps {
            if !self.load_more(source)? {
                break;
            }
        }
        Ok(steps > 0)
    }

    /// Loads some of the buckets that are yet to be loaded, if all fit in memory; whether there may be more.
    pub(crate) fn load_more(&mut self, source: Source<'_>) -> Result<bool, StoreError> {
        let bits = self.accounts.bits();
        let next = self.accounts.next_to_load(LOADED_AT_ONCE);
        self.load_buckets_of(source, next.iter().map(|number| number << bits))?;
        Ok(!next.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_that_are_near_are_read_together_and_no_more_than_that() {
        assert_eq!(near(&[], 9), []);
        assert_eq!(near(&[3, 4, 8, 13], 100), [3..9, 13..14], "three are between, and four");
        assert_eq!(near(&[0, 1, 2, 3, 4], 2), [0..2, 2..4, 4..5]);
        assert_eq!(near(&[0, 3, 6], 4), [0..4, 6..7]);
    }

    #[test]
    fn buckets_are_as_small_as_memory_allows_and_too_little_is_refused() {
        let room = |count, mib: u64| Room::of(count, Some(mib << 20), None).map(|it| (it.bits, it.max_loaded >> 10));
        assert_eq!(Room::of(1 << 40, None, None).expect("no limit"), Room { bits: 4, max_loaded: u64::MAX });
        assert_eq!(room(1, 96).expect("the least that a node is given"), (4, 24));
        assert_eq!(room(10_000_000, 300).expect("less than all take"), (4, 45));
        assert_eq!(room(100_000_000, 2_800).expect("buckets of 16 take less than half"), (4, 401));
        assert_eq!(room(100_000_000, 400).expect("buckets of 64"), (6, 6));
        let refused = Room::of(100_000_000, Some(200 << 20), None).expect_err("the roots of buckets of 64 take more");
        assert!(matches!(refused, StoreError::NoMemory { accounts: 100_000_000, .. }), "{refused}");
    }

    /// A node with 88 million accounts under 3 GiB once read all of them at a start whose bound was a little smaller.
    #[test]
    fn a_bound_that_changes_a_little_leaves_buckets_the_size_they_had() {
        let bits = |mib: u64, stored| Room::of(88_000_000, Some(mib << 20), stored).expect("room").bits;
        // The roots of buckets of 16 take 1 049 MiB.
        let around = [1_500, 2_000, 2_200, 3_500];
        assert_eq!(around.map(|mib| bits(mib, Some(4))), [4, 4, 4, 4]);
        assert_eq!(around.map(|mib| bits(mib, Some(6))), [6, 6, 6, 6]);
        assert_eq!(around.map(|mib| bits(mib, None)), [6, 6, 4, 4], "the control");
        assert_eq!([bits(1_300, Some(4)), bits(4_300, Some(6))], [6, 4], "far away, the other size is worth it");
        assert_eq!(bits(2_200, Some(9)), 4, "a size that is none");
    }
}
