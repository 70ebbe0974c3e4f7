//! Pruning: the bodies of old blocks go, with their undo records and what the indexes say of them. Headers, history and
//! accounts stay, so light proofs and proofs of accounts are the same as on any node. Of some
//! [stretches](super::stretches) the bodies stay, too, with the places of their transactions.
//!
//! Bodies and undo records lie in order of height, so they go as files, and nothing is written anew. What the indexes
//! say of pruned blocks counts as gone from then on, and leaves the disk when its table is compacted next.

use super::address_index::touch_key;
use super::codec::{Table, decode_value};
use super::schema::{
    BlockKey, BodyByBlock, LocationByTxid, Meta, MetaKey, MetaRecord, TouchByAccount, TxLocation, UndoByBlock,
};
use super::stretches::{MAX_STRETCHES, Stretch, StretchList, StretchOptions};
use super::{Batch, ChainStore, Durability, StoreError};
use cairn_ledger::{Body, Height, LinkedHeader, block::block_size};
use std::sync::atomic::{AtomicBool, Ordering};
use std::{fmt, sync::Arc, time::Duration};
use tokio::sync::watch;

/// Of so many blocks up to the tip the bodies are always kept: no reorganisation goes deeper that is not an attack of
/// most of all hashes for hours.
pub const LEAST_KEPT: u64 = 288;

/// Which bodies are kept: of all blocks from one on, of block 0, and of some stretches below.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    lowest: Height,
    stretches: Vec<Stretch>,
}

impl Kept {
    /// From `lowest` on, and what of these stretches is below it.
    pub fn new(lowest: Height, mut stretches: Vec<Stretch>) -> Self {
        stretches.iter_mut().for_each(|stretch| stretch.to = stretch.to.min(lowest));
        stretches.retain(|stretch| stretch.from < stretch.to);
        stretches.sort_unstable();
        stretches.truncate(MAX_STRETCHES);
        Self { lowest, stretches }
    }

    /// The lowest block that was not pruned, but for block 0 and stretches; 0 as long as none was.
    pub fn lowest(&self) -> Height {
        self.lowest
    }

    /// What is kept below that, the lowest first.
    pub fn stretches(&self) -> &[Stretch] {
        &self.stretches
    }

    /// Whether the body of a connected block at that height is kept.
    pub fn has(&self, height: Height) -> bool {
        height == Height::GENESIS || height >= self.lowest || self.stretches.iter().any(|stretch| stretch.has(height))
    }

    /// How many blocks are not kept.
    pub fn pruned(&self) -> u64 {
        self.gaps().iter().map(|(from, to)| to.get() - from.get()).sum()
    }

    /// What is not kept, from the first of each gap to the one after its last.
    fn gaps(&self) -> Vec<(Height, Height)> {
        let (mut gaps, mut from) = (Vec::new(), Height::new(1));
        let lowest = Stretch { from: self.lowest, to: self.lowest, is_drawn: false };
        for stretch in self.stretches.iter().chain([&lowest]) {
            if from < stretch.from {
                gaps.push((from, stretch.from));
            }
            from = from.max(stretch.to);
        }
        gaps
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "from height {} on", self.lowest)?;
        self.stretches.iter().try_for_each(|stretch| write!(f, ", and from {stretch}"))
    }
}

/// Which bodies are kept, as it is now. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct LowestBody(Arc<Views>);

/// Whoever reads must not take what is going for damage: readers see it go before it goes, and come after it came. What
/// compactions drop is gone for good: they see it go after that.
#[derive(Debug, Default)]
struct Views {
    for_readers: watch::Sender<Arc<Kept>>,
    for_compactions: watch::Sender<Arc<Kept>>,
    /// The room of stretches was needed: none is kept any more.
    gave_up_stretches: AtomicBool,
}

impl LowestBody {
    /// Of a chain that was pruned below that height.
    pub fn new(height: Height) -> Self {
        Self::of(Kept::new(height, Vec::new()))
    }

    /// Of a chain that keeps this.
    pub fn of(kept: Kept) -> Self {
        let lowest = Self::default();
        lowest.set(kept);
        lowest
    }

    /// The lowest block that was not pruned, but for block 0, which never is, and stretches; 0 as long as none was.
    pub fn get(&self) -> Height {
        self.0.for_readers.borrow().lowest
    }

    /// What is kept.
    pub fn kept(&self) -> Arc<Kept> {
        self.0.for_readers.borrow().clone()
    }

    fn set(&self, kept: Kept) {
        let kept = Arc::new(kept);
        self.0.for_readers.send_replace(kept.clone());
        self.0.for_compactions.send_replace(kept);
    }

    /// All below a height is not here.
    pub(crate) fn raise(&self, to: Height) {
        let kept = self.kept();
        self.set(Kept::new(kept.lowest.max(to), kept.stretches.clone()));
    }

    /// Whether an entry of an index is about a pruned block. What cannot be read is damage, and not pruned.
    pub(super) fn is_pruned(&self, table: &str, key: &[u8], value: &[u8]) -> bool {
        let kept = self.0.for_compactions.borrow();
        match table {
            LocationByTxid::NAME => {
                decode_value::<LocationByTxid>(key, value).is_ok_and(|location| !kept.has(location.height))
            }
            // Of an address there is all that touched it, from one block on.
            TouchByAccount::NAME => touch_key(key).is_ok_and(|touch| touch.height < kept.lowest),
            _ => false,
        }
    }
}

/// Adds what is kept to a batch.
fn put_kept(batch: &mut Batch<'_>, kept: &Kept) {
    match kept.lowest {
        Height::GENESIS => batch.delete::<Meta>(&MetaKey::LowestBody),
        lowest => batch.put::<Meta>(&MetaKey::LowestBody, &MetaRecord::LowestBody(lowest)),
    }
    match StretchList::new(kept.stretches.clone()) {
        Ok(stretches) if !kept.stretches.is_empty() => {
            batch.put::<Meta>(&MetaKey::Stretches, &MetaRecord::Stretches(stretches));
        }
        Ok(_) | Err(_) => batch.delete::<Meta>(&MetaKey::Stretches),
    }
}

impl ChainStore {
    /// The height of the lowest block that was not pruned, but for block 0 and stretches; 0 as long as none was.
    pub fn lowest_body(&self) -> Height {
        self.lowest.get()
    }

    /// The same, with stretches, as it will be from now on.
    pub fn watch_lowest_body(&self) -> LowestBody {
        self.lowest.clone()
    }

    /// Which bodies are here.
    pub fn kept(&self) -> Arc<Kept> {
        self.lowest.kept()
    }

    /// Whether the body of a connected block at that height is here.
    pub fn is_kept(&self, height: Height) -> bool {
        self.lowest.0.for_readers.borrow().has(height)
    }

    /// Whether everything of a connected block at that height is here, with what takes it back: not of those in
    /// stretches.
    pub fn is_whole(&self, height: Height) -> bool {
        height == Height::GENESIS || height >= self.lowest.get()
    }

    /// Notes what was pruned before the database was opened.
    pub(super) fn load_lowest(&self) -> Result<(), StoreError> {
        if let Some(MetaRecord::LowestBody(height)) = self.db.get::<Meta>(&MetaKey::LowestBody)? {
            let stretches = match self.db.get::<Meta>(&MetaKey::Stretches)? {
                Some(MetaRecord::Stretches(stretches)) => stretches.into_vec(),
                _ => Vec::new(),
            };
            self.lowest.set(Kept::new(height, stretches));
        }
        Ok(())
    }

    /// Prunes all blocks below `height` but for stretches, and never one of the last [`LEAST_KEPT`]; whether any were.
    ///
    /// # Errors
    /// A failing or corrupt database.
    pub fn prune(&self, height: Height, stretches: &StretchOptions) -> Result<bool, StoreError> {
        let tip = self.expect_header(&self.tip()?)?.header().height;
        let height = height.min(Height::new((tip.get() + 1).saturating_sub(LEAST_KEPT)));
        if height <= self.lowest.get().max(Height::new(1)) {
            return Ok(false);
        }
        self.keep_only(stretches.choose(&self.kept(), height))?;
        Ok(true)
    }

    /// Whether all stretches were given up since the store was opened: then nobody is to fetch more.
    pub fn gave_up_stretches(&self) -> bool {
        self.lowest.0.gave_up_stretches.load(Ordering::Relaxed)
    }

    /// Prunes all stretches; whether there were any.
    ///
    /// # Errors
    /// A failing or corrupt database.
    pub fn drop_stretches(&self) -> Result<bool, StoreError> {
        self.lowest.0.gave_up_stretches.store(true, Ordering::Relaxed);
        let kept = self.kept();
        if kept.stretches.is_empty() {
            return Ok(false);
        }
        self.keep_only(Kept::new(kept.lowest, Vec::new()))?;
        Ok(true)
    }

    /// Takes in the next bodies of a stretch that is all below the lowest body, and that was not drawn here; whether
    /// there is a place for it, and they are the next ones. Each has to be its header's.
    ///
    /// # Errors
    /// A failing or corrupt database.
    pub(crate) fn keep_more(
        &self,
        options: &StretchOptions,
        number: u64,
        blocks: &[(LinkedHeader, Body)],
    ) -> Result<bool, StoreError> {
        let before = self.kept();
        let (from, end) = options.range(number);
        let mut stretches = before.stretches.clone();
        let begun = stretches.iter().find(|stretch| stretch.from == from).copied();
        let fetched = stretches.iter().filter(|stretch| !stretch.is_drawn).count();
        let has_place = begun.map_or(fetched + 1 < options.keep, |stretch| !stretch.is_drawn);
        if end > before.lowest || !has_place {
            return Ok(false);
        }
        let first = begun.map_or(from, |stretch| stretch.to).max(Height::new(1));
        let (mut batch, mut to) = (self.batch(0), first);
        for (header, body) in blocks {
            if header.header().height != to || to >= end || !self.is_connected(header)? {
                return Ok(false);
            }
            batch.put::<BodyByBlock>(&BlockKey::from(header), body);
            put_places(&mut batch, header, body);
            to = to.saturating_add(1);
        }
        stretches.retain(|stretch| stretch.from != from);
        stretches.push(Stretch { from, to, is_drawn: false });
        let kept = Kept::new(before.lowest, stretches);
        put_kept(&mut batch, &kept);
        let kept = Arc::new(kept);
        // In this order: a compaction leaves the places, and whoever looks finds what counts as kept.
        self.lowest.0.for_compactions.send_replace(kept.clone());
        batch.write(Durability::Buffered)?;
        self.lowest.0.for_readers.send_replace(kept);
        Ok(true)
    }

    /// Has everything go that is not to be kept.
    fn keep_only(&self, kept: Kept) -> Result<(), StoreError> {
        let (first, lowest) = (BlockKey::before(Height::new(1)), BlockKey::before(kept.lowest));
        let gaps: Vec<_> =
            kept.gaps().into_iter().map(|(from, to)| (BlockKey::before(from), BlockKey::before(to))).collect();
        let mut batch = self.batch(0);
        gaps.iter().for_each(|(from, to)| batch.delete_range::<BodyByBlock>(from, to));
        batch.delete_range::<UndoByBlock>(&first, &lowest);
        put_kept(&mut batch, &kept);
        let kept = Arc::new(kept);
        self.lowest.0.for_readers.send_replace(kept.clone());
        // What is gone must not be taken for damage after a power cut.
        batch.write(Durability::Synced)?;
        self.lowest.0.for_compactions.send_replace(kept);
        gaps.iter().try_for_each(|(from, to)| self.db.free_range::<BodyByBlock>(from, to))?;
        self.db.free_range::<UndoByBlock>(&first, &lowest)
    }

    /// Takes in up to so many blocks, of about so many bytes, below the lowest that is here, the highest first, from
    /// the database of a chain that has executed them; the lowest that is here then. All that it says of them is the
    /// same as if they had been executed here.
    ///
    /// # Errors
    /// A failing or corrupt database, also where the other does not have one of them.
    pub(crate) fn adopt_below(&self, other: &Self, blocks: u64, bytes: usize) -> Result<Height, StoreError> {
        let lowest = self.lowest.get();
        let last = lowest.get().saturating_sub(blocks).max(1);
        let (mut bodies, mut places) = (self.batch(0), self.batch(0));
        let (mut to, mut taken) = (lowest, 0);
        for height in (last..lowest.get()).rev().map(Height::new) {
            if taken >= bytes {
                break;
            }
            let header = self.header_on_chain(height)?;
            let body = other.expect_body(&header)?;
            (to, taken) = (height, taken + block_size(body.iter()));
            bodies.put::<BodyByBlock>(&BlockKey::from(&header), &body);
            bodies.put::<UndoByBlock>(&BlockKey::from(&header), &other.undo(&header)?);
            put_places(&mut places, &header, &body);
        }
        bodies.write(Durability::Buffered)?;
        let lowest = if to.get() <= 1 { Height::GENESIS } else { to };
        let kept = Kept::new(lowest, self.kept().stretches.clone());
        put_kept(&mut places, &kept);
        // In this order: whoever looks finds what counts as kept, and a compaction leaves the places.
        self.lowest.set(kept);
        places.write(Durability::Buffered)?;
        Ok(lowest)
    }

    /// Writes the indexes anew, without what they say of pruned blocks. It takes as long as reading and writing them.
    pub fn compact_indexes(&self) {
        self.db.compact::<LocationByTxid>();
        self.db.compact::<TouchByAccount>();
    }

    /// Waits until nothing is merged in the background any more, at most so long: meanwhile files are there twice.
    ///
    /// # Errors
    /// A failing database.
    pub fn wait_for_compactions(&self, most: Duration) -> Result<(), StoreError> {
        self.db.wait_for_compactions(most)
    }

    /// Refuses a height at which the body is gone.
    ///
    /// # Errors
    /// It was pruned.
    pub(crate) fn expect_kept(&self, height: Height) -> Result<(), StoreError> {
        if self.is_kept(height) { Ok(()) } else { Err(StoreError::Pruned { height, kept: self.kept() }) }
    }

    /// Refuses blocks up to a height, itself included, where the body of one of them is gone.
    ///
    /// # Errors
    /// It was pruned.
    pub(crate) fn expect_all_kept(&self, from: Height, to: Height) -> Result<(), StoreError> {
        let kept = self.kept();
        let gap = kept.gaps().into_iter().find(|(first, after)| *first <= to && from < *after);
        match gap {
            Some((first, _)) => Err(StoreError::Pruned { height: first.max(from), kept }),
            None => Ok(()),
        }
    }

    /// Refuses a height from which on a body is gone, or what takes a block back.
    ///
    /// # Errors
    /// It was pruned.
    pub(crate) fn expect_whole(&self, height: Height) -> Result<(), StoreError> {
        if self.is_whole(height) { Ok(()) } else { Err(StoreError::Pruned { height, kept: self.kept() }) }
    }
}

/// Adds where the transactions of a block are.
fn put_places(batch: &mut Batch<'_>, header: &LinkedHeader, body: &Body) {
    let height = header.header().height;
    for (transaction, place) in body.iter().zip(0..) {
        batch.put::<LocationByTxid>(&transaction.id(), &TxLocation { height, place });
    }
}
