//! A table written anew, beside what it is, and put in its place in one step.
//!
//! RocksDB cannot take a damaged block out of a file: whoever reads across it fails, and a compaction that meets it
//! ends all writing. So a table that is damaged gets a column family of its own once more; what it was goes at the next
//! start.

use super::codec::{KeyCodec, Table, begin_value};
use super::db::Backend;
use super::memory;
use super::rocks::{Rocks, WritesAnew};
use super::schema::{BlockKey, BodyByBlock, HeaderById, IdByHeight, Meta, MetaKey, MetaRecord, UndoByBlock};
use super::snapshots::linked;
use super::{ChainStore, Db, Durability, StoreError};
use cairn_ledger::{BlockId, Height, LinkedHeader, codec::encode_onto};
use std::{iter, marker::PhantomData};

/// Headers that are in hand at once.
const HEADERS_AT_ONCE: usize = 4_096;
/// Bytes that are written at once.
const WRITTEN_AT_ONCE: usize = 1 << 20;

/// A table as it will be. No batch that was begun before may be written after [`Self::end`].
#[must_use = "nothing changes until it ends"]
pub(crate) struct Anew<'db, T> {
    writes: Writes<'db>,
    value: Vec<u8>,
    table: PhantomData<T>,
}

enum Writes<'db> {
    Rocks { rocks: &'db Rocks, number: u32, batch: WritesAnew },
    Memory { view: &'db memory::MemoryView, writes: Vec<memory::Write> },
}

impl ChainStore {
    /// Begins to write a table anew: empty. Nobody else may write to it meanwhile.
    ///
    /// # Errors
    /// A failing database.
    pub(crate) fn anew<T: Table>(&self) -> Result<Anew<'_, T>, StoreError> {
        self.db.anew()
    }

    /// What is wrong with the first entry of a table that cannot be read, if any.
    pub(crate) fn first_damage<T: Table>(&self) -> Option<StoreError> {
        self.db.entries::<T>().find_map(Result::err)
    }

    /// Whether merges have met damage before the database was opened.
    pub(crate) fn is_suspect(&self) -> bool {
        match self.db.backend() {
            Backend::Rocks(rocks) => rocks.is_suspect(),
            Backend::Memory(_) => false,
        }
    }

    /// These tables are whole, and merged again; with `all` nothing is suspected any more.
    ///
    /// # Errors
    /// A failing database.
    pub(crate) fn clear_suspicion(&self, readable: &[&'static str], all: bool) -> Result<(), StoreError> {
        match self.db.backend() {
            Backend::Rocks(rocks) => rocks.clear_suspicion(readable, all),
            Backend::Memory(_) => Ok(()),
        }
    }

    /// Merges the files of all tables.
    #[cfg(test)]
    pub(crate) fn merge_all(&self) {
        let Backend::Rocks(rocks) = self.db.backend() else { return };
        super::schema::TABLES.iter().for_each(|table| rocks.compact(table));
    }

    /// A record of `meta`.
    ///
    /// # Errors
    /// A failing or corrupt database.
    pub(crate) fn meta(&self, key: &MetaKey) -> Result<Option<MetaRecord>, StoreError> {
        self.db.get::<Meta>(key)
    }

    /// The last block of the followed chain, going by heights.
    ///
    /// # Errors
    /// A failing or corrupt database.
    pub(crate) fn last_id(&self) -> Result<Option<BlockId>, StoreError> {
        let Some(key) = self.db.last_key::<IdByHeight>()? else { return Ok(None) };
        self.id_at(height_in(&key)?)
    }

    /// All stored headers.
    pub(crate) fn headers(&self) -> impl Iterator<Item = Result<LinkedHeader, StoreError>> {
        self.db.entries::<HeaderById>().map(|entry| entry.map(|(_, record)| linked(record)))
    }

    /// All stored headers that can be read. Where one cannot, the next are looked for a little further: ids are hashes,
    /// so few lie between.
    pub(crate) fn readable_headers(&self) -> impl Iterator<Item = LinkedHeader> {
        let mut from = Some(0_u16);
        let parts = iter::from_fn(move || {
            let first = from?;
            let mut id = [0; 32];
            id[..2].copy_from_slice(&first.to_be_bytes());
            let (mut part, mut last) = (Vec::new(), first);
            for entry in self.db.entries_from::<HeaderById>(&BlockId::from_bytes(id)) {
                let Ok((key, record)) = entry else {
                    from = last.checked_add(1);
                    return Some(part);
                };
                last = key.first_chunk().map_or(last, |prefix| u16::from_be_bytes(*prefix));
                part.push(linked(record));
                if part.len() >= HEADERS_AT_ONCE && last > first {
                    // What begins so is read again as a whole.
                    from = Some(last);
                    return Some(part);
                }
            }
            from = None;
            Some(part)
        });
        parts.flatten()
    }

    /// Removes the bodies below a height, but for that of block 0.
    ///
    /// # Errors
    /// A failing database.
    pub(crate) fn drop_bodies_below(&self, height: Height) -> Result<(), StoreError> {
        let mut batch = self.batch(0);
        batch.delete_range::<BodyByBlock>(&BlockKey::before(Height::new(1)), &BlockKey::before(height));
        batch.write(Durability::Synced)
    }

    /// The lowest block that can be taken back, where that is not block 1: those below were pruned.
    ///
    /// # Errors
    /// A failing or corrupt database.
    pub(crate) fn lowest_stored(&self) -> Result<Option<Height>, StoreError> {
        let first = self.db.entries_from::<UndoByBlock>(&BlockKey::before(Height::new(1))).next().transpose()?;
        let height = first.map(|(key, _)| height_in(&key)).transpose()?;
        Ok(height.filter(|height| *height > Height::new(1)))
    }
}

/// The height that a key begins with.
fn height_in(key: &[u8]) -> Result<Height, StoreError> {
    let bytes = key.first_chunk().ok_or_else(|| StoreError::corrupt::<IdByHeight>(hex::encode(key)))?;
    Ok(Height::new(u64::from_be_bytes(*bytes)))
}

impl Db {
    fn anew<T: Table>(&self) -> Result<Anew<'_, T>, StoreError> {
        let writes = match self.backend() {
            Backend::Rocks(rocks) => {
                Writes::Rocks { rocks, number: rocks.begin_anew(T::NAME)?, batch: WritesAnew::default() }
            }
            Backend::Memory(view) => Writes::Memory { view, writes: vec![memory::Write::Clear { table: T::NAME }] },
        };
        Ok(Anew { writes, value: Vec::new(), table: PhantomData })
    }
}

impl<T: Table> Anew<'_, T> {
    /// Adds an entry.
    ///
    /// # Errors
    /// A failing database.
    pub(crate) fn put(&mut self, key: &T::Key, value: &T::Value) -> Result<(), StoreError> {
        begin_value(&mut self.value);
        encode_onto(&mut self.value, value);
        let key = key.to_bytes();
        match &mut self.writes {
            Writes::Rocks { rocks, number, batch } => {
                rocks.put_anew(batch, T::NAME, *number, key.as_ref(), &self.value);
                if batch.size_in_bytes() >= WRITTEN_AT_ONCE {
                    rocks.write_anew(std::mem::take(batch))?;
                }
            }
            Writes::Memory { writes, .. } => writes.push(memory::Write::put(T::NAME, key.as_ref(), &self.value)),
        }
        Ok(())
    }

    /// Puts it in the place of what the table was, whatever happens then.
    ///
    /// # Errors
    /// A failing database; then the table is what it was.
    pub(crate) fn end(self) -> Result<(), StoreError> {
        match self.writes {
            Writes::Rocks { rocks, number, batch } => {
                rocks.write_anew(batch)?;
                rocks.end_anew(T::NAME, number)
            }
            Writes::Memory { view, writes } => view.write(writes, true),
        }
    }
}
