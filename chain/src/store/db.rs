//! A database behind typed tables and batches: RocksDB on a disk, or what stands for it in memory.

use super::StoreError;
use super::codec::{KeyCodec, Table, begin_value, decode_value, encoded};
use super::memory::{self, MemoryDisk, MemoryView};
use super::pruning::LowestBody;
use super::rocks::{self, Rocks, RocksBatch};
use super::schema;
use super::stretches::StretchOptions;
use cairn_ledger::codec::encode_onto;
use std::{ops::Deref, path::Path, sync::Arc, time::Duration};

/// Blocks from one snapshot to the next, where a network's file says nothing else: a day of the main network.
pub const SNAPSHOT_EVERY: u64 = 2_880;

/// Bytes of blocks that wait for others, where memory is not scarce. A quarter of it makes a synchronisation hold 30 to
/// 60 MiB less, and take 4 to 8 percent longer.
pub const BLOCK_BYTES: usize = 32 << 20;
/// Bytes of transactions that were checked for the pool, where memory is not scarce: as many as the pool takes.
pub const CHECKED_BYTES: usize = 64 << 20;

/// What the database keeps besides the chain, and how much memory and how many files it may use.
#[derive(Clone, Copy, Debug)]
pub struct DbOptions {
    /// For cached blocks, indexes and filters of all tables together.
    pub cache_bytes: usize,
    /// For writes not yet in files, of all tables together.
    pub write_buffer_bytes: usize,
    /// For blocks that wait for others, as they are encoded: checked, they take about three times as much.
    pub block_bytes: usize,
    /// For transactions that were checked for the pool and need not be checked again in a block; they share their
    /// memory with the pool.
    pub checked_bytes: usize,
    /// Open files.
    pub max_open_files: i32,
    /// Whether the writer keeps the index of addresses. It takes disk for every payment, and few ask it.
    pub address_index: bool,
    /// Of how many blocks up to the tip the bodies are kept; of all, when nothing is said.
    pub keep_blocks: Option<u64>,
    /// Memory for accounts and the hashes over them; as much as all take, when nothing is said.
    pub account_bytes: Option<u64>,
    /// At heights that this divides the accounts are what a snapshot holds: the same on all nodes of a network.
    pub snapshot_every: u64,
    /// Whether snapshots are made and kept, for others.
    pub keep_snapshots: bool,
    /// Whether a new chain begins with the accounts of a snapshot, or with block 0.
    pub from_snapshot: bool,
    /// Which stretches of history are kept below what is pruned.
    pub stretches: StretchOptions,
}

impl DbOptions {
    /// Free space below which a disk counts as full: the log may grow to twice what is written lately, which then goes
    /// into files once, and the rest is for small files and small compactions; one that finds no room leaves things as
    /// they are. What is in memory when a node is told to stop fits, so that its last batch is never half there.
    pub fn reserve_bytes(&self) -> u64 {
        (self.write_buffer_bytes as u64).saturating_mul(8)
    }
}

impl Default for DbOptions {
    /// Small enough for a laptop: the accounts are in the chain's own memory.
    fn default() -> Self {
        Self {
            cache_bytes: 12 << 20,
            write_buffer_bytes: 16 << 20,
            block_bytes: BLOCK_BYTES,
            checked_bytes: CHECKED_BYTES,
            max_open_files: 256,
            address_index: false,
            keep_blocks: None,
            account_bytes: None,
            snapshot_every: SNAPSHOT_EVERY,
            keep_snapshots: true,
            from_snapshot: false,
            stretches: StretchOptions::default(),
        }
    }
}

/// What a database takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DbUsage {
    /// Table by table.
    pub tables: Vec<TableUsage>,
    /// Memory: what is cached.
    pub cache_bytes: u64,
    /// Memory: what was written and is not in files yet.
    pub write_bytes: u64,
    /// Memory: indexes that are not in the cache.
    pub index_bytes: u64,
}

impl DbUsage {
    /// What pruning all blocks would free on the disk, their places in indexes aside.
    pub fn of_blocks(&self) -> u64 {
        let prunable = [schema::BodyByBlock::NAME, schema::UndoByBlock::NAME];
        self.tables.iter().filter(|table| prunable.contains(&table.name)).map(|table| table.bytes).sum()
    }
}

/// What a table takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableUsage {
    /// Its name.
    pub name: &'static str,
    /// Its files.
    pub bytes: u64,
    /// About how many entries.
    pub entries: u64,
}

/// An open database: read as it is or, [frozen](Db::frozen), as it was. Writes go to the database either way.
pub struct Db(Backend);

pub(super) enum Backend {
    Rocks(Rocks),
    Memory(MemoryView),
}

/// Where to begin among the entries of a table.
pub(super) enum Start<'a> {
    First,
    /// Downward.
    Last,
    At(&'a [u8]),
    DownFrom(&'a [u8]),
}

/// A key as it is stored, and what its value says.
pub type Entry<V> = (Box<[u8]>, V);

/// A key and a value as they are stored.
pub(super) type RawEntry = (Box<[u8]>, Box<[u8]>);

/// What is found under a key.
enum Found<'a> {
    Rocks(rocks::Value<'a>),
    Memory(Arc<[u8]>),
}

impl Deref for Found<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Rocks(bytes) => bytes,
            Self::Memory(bytes) => bytes,
        }
    }
}

/// The entries of a table, in order.
enum Entries<'a> {
    Rocks(rocks::Entries<'a>),
    Memory(memory::Entries),
}

impl Iterator for Entries<'_> {
    type Item = Result<RawEntry, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Rocks(entries) => entries.next(),
            Self::Memory(entries) => entries.next().map(Ok),
        }
    }
}

impl Db {
    pub(super) fn backend(&self) -> &Backend {
        &self.0
    }

    /// The same database as it is now, or was when it was frozen, whatever is written from now on.
    pub fn frozen(&self) -> Self {
        Self(match &self.0 {
            Backend::Rocks(rocks) => Backend::Rocks(rocks.frozen()),
            Backend::Memory(view) => Backend::Memory(view.frozen()),
        })
    }

    /// The same database, of which single keys are found if they are in memory, and reading others fails.
    pub fn resident(&self) -> Self {
        Self(match &self.0 {
            Backend::Rocks(rocks) => Backend::Rocks(rocks.resident()),
            Backend::Memory(view) => Backend::Memory(view.clone()),
        })
    }

    /// The encoded value under a key.
    fn find<T: Table>(&self, key: &[u8]) -> Result<Option<Found<'_>>, StoreError> {
        Ok(match &self.0 {
            Backend::Rocks(rocks) => rocks.get(T::NAME, key)?.map(Found::Rocks),
            Backend::Memory(view) => view.get(T::NAME, key).map(Found::Memory),
        })
    }

    fn iterate<T: Table>(&self, start: Start<'_>) -> Entries<'_> {
        match &self.0 {
            Backend::Rocks(rocks) => Entries::Rocks(rocks.entries(T::NAME, start)),
            Backend::Memory(view) => Entries::Memory(view.entries(T::NAME, start)),
        }
    }

    /// Opens the database in `path`, creating what is missing. Compactions drop what `lowest` says is pruned.
    ///
    /// # Errors
    /// Says what RocksDB refused.
    pub fn open(path: &Path, options: DbOptions, lowest: &LowestBody) -> Result<Self, StoreError> {
        Rocks::open(path, options, lowest).map(Backend::Rocks).map(Self)
    }

    /// Opens the database on a disk that is only in memory.
    pub fn open_in_memory(disk: MemoryDisk) -> Self {
        Self(Backend::Memory(disk.open()))
    }

    /// Opens the database in `path` for reading: nothing in it is changed, or made where it is not.
    ///
    /// # Errors
    /// Says what RocksDB refused.
    pub fn open_read_only(path: &Path, options: DbOptions) -> Result<Self, StoreError> {
        if let Some(table) = rocks::missing_tables(path)?.first() {
            return Err(StoreError::NoTable { table });
        }
        Self::open_damaged(path, options)
    }

    /// The same with those tables alone that are there; the others must not be asked.
    ///
    /// # Errors
    /// Says what RocksDB refused.
    pub fn open_damaged(path: &Path, options: DbOptions) -> Result<Self, StoreError> {
        Rocks::open_read_only(path, options).map(Backend::Rocks).map(Self)
    }

    /// Whether there is a database in `path` without all tables of the schema.
    pub fn lacks_tables(path: &Path) -> bool {
        rocks::missing_tables(path).is_ok_and(|missing| !missing.is_empty())
    }

    /// The value under `key`.
    ///
    /// # Errors
    /// A failing or corrupt database.
    pub fn get<T: Table>(&self, key: &T::Key) -> Result<Option<T::Value>, StoreError> {
        let key = key.to_bytes();
        let found = self.find::<T>(key.as_ref())?;
        found.map(|bytes| decode_value::<T>(key.as_ref(), &bytes)).transpose()
    }

    /// Hands the encoding of the value under `key` to `take`, undecoded.
    ///
    /// # Errors
    /// A failing database, or a value of another version.
    pub fn get_encoded<T: Table, R>(
        &self,
        key: &T::Key,
        take: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>, StoreError> {
        let key = key.to_bytes();
        let found = self.find::<T>(key.as_ref())?;
        found.map(|bytes| encoded::<T>(key.as_ref(), &bytes).map(take)).transpose()
    }

    /// Whether there is a value under `key`.
    ///
    /// # Errors
    /// A failing database.
    pub fn contains<T: Table>(&self, key: &T::Key) -> Result<bool, StoreError> {
        Ok(self.find::<T>(key.to_bytes().as_ref())?.is_some())
    }

    /// The entries with keys below `key`, from the greatest down; keys as bytes.
    pub fn below<T: Table>(&self, key: &T::Key) -> impl Iterator<Item = Result<Entry<T::Value>, StoreError>> {
        let bytes = key.to_bytes();
        let entries = self.iterate::<T>(Start::DownFrom(bytes.as_ref()));
        let start: Box<[u8]> = bytes.as_ref().into();
        entries.map(decode_entry::<T>).filter(move |entry| match entry {
            Ok((key, _)) => *key != start,
            Err(_) => true,
        })
    }

    /// All entries, in order of their keys; keys as bytes.
    pub fn entries<T: Table>(&self) -> impl Iterator<Item = Result<Entry<T::Value>, StoreError>> {
        self.iterate::<T>(Start::First).map(decode_entry::<T>)
    }

    /// The greatest key.
    ///
    /// # Errors
    /// A failing database.
    pub fn last_key<T: Table>(&self) -> Result<Option<Box<[u8]>>, StoreError> {
        Ok(self.iterate::<T>(Start::Last).next().transpose()?.map(|(key, _)| key))
    }

    /// Copies the database, as it is at this moment, to the directory `to`, which is made.
    ///
    /// # Errors
    /// Says what RocksDB refused; a database in memory has no files to copy.
    pub fn checkpoint(&self, to: &Path) -> Result<(), StoreError> {
        match &self.0 {
            Backend::Rocks(rocks) => rocks.checkpoint(to),
            Backend::Memory(_) => {
                Err(StoreError::Database { table: "backup", reason: String::from("it is in memory alone") })
            }
        }
    }

    /// The entries from `key` on, in order; keys as bytes.
    pub fn entries_from<T: Table>(
        &self,
        key: &T::Key,
    ) -> impl Iterator<Item = Result<Entry<T::Value>, StoreError>> + use<'_, T> {
        self.iterate::<T>(Start::At(key.to_bytes().as_ref())).map(decode_entry::<T>)
    }

    /// The value under each key, in their order: many at half the cost of one after another.
    ///
    /// # Errors
    /// A failing or corrupt database.
    pub fn get_each<T: Table>(&self, keys: &[T::Key]) -> Result<Vec<Option<T::Value>>, StoreError> {
        let keys: Vec<_> = keys.iter().map(KeyCodec::to_bytes).collect();
        let decoded = |(key, found): (&<T::Key as KeyCodec>::Bytes, Result<Option<Found<'_>>, StoreError>)| {
            found?.map(|bytes| decode_value::<T>(key.as_ref(), &bytes)).transpose()
        };
        match &self.0 {
            Backend::Rocks(rocks) => {
                let found = rocks.get_each(T::NAME, &keys).map(|found| Ok(found?.map(Found::Rocks)));
                keys.iter().zip(found).map(decoded).collect()
            }
            Backend::Memory(_) => keys.iter().map(|key| decoded((key, self.find::<T>(key.as_ref())))).collect(),
        }
    }

    /// Frees the space of what was removed from one key up to another, at once and at little cost: whole files go.
    ///
    /// # Errors
    /// A failing database.
    pub fn free_range<T: Table>(&self, from: &T::Key, to: &T::Key) -> Result<(), StoreError> {
        match &self.0 {
            Backend::Rocks(rocks) => rocks.free_range(T::NAME, from.to_bytes().as_ref(), to.to_bytes().as_ref()),
            Backend::Memory(_) => Ok(()),
        }
    }

    /// Writes a whole table anew, without what was removed or is pruned.
    pub fn compact<T: Table>(&self) {
        match &self.0 {
            Backend::Rocks(rocks) => rocks.compact(T::NAME),
            Backend::Memory(_) => {}
        }
    }

    /// Waits until nothing is merged in the background any more, at most so long: meanwhile files are there twice.
    ///
    /// # Errors
    /// A failing database.
    pub fn wait_for_compactions(&self, most: Duration) -> Result<(), StoreError> {
        match &self.0 {
            Backend::Rocks(rocks) => rocks.wait_for_compactions(most),
            Backend::Memory(_) => Ok(()),
        }
    }

    /// What the tables take on the disk and in memory.
    ///
    /// # Errors
    /// A failing database.
    pub fn usage(&self) -> Result<DbUsage, StoreError> {
        match &self.0 {
            Backend::Rocks(rocks) => rocks.usage(),
            Backend::Memory(view) => Ok(view.usage()),
        }
    }

    /// Makes everything written so far survive a power cut.
    ///
    /// # Errors
    /// A failing database.
    pub fn sync(&self) -> Result<(), StoreError> {
        match &self.0 {
            Backend::Rocks(rocks) => rocks.sync(),
            Backend::Memory(view) => view.sync(),
        }
    }

    /// Makes everything written so far survive a power cut, and moves it out of the log: the next start has
    /// nothing to read again, and the log's space is free.
    ///
    /// # Errors
    /// A failing database.
    pub fn flush(&self) -> Result<(), StoreError> {
        match &self.0 {
            Backend::Rocks(rocks) => rocks.flush(),
            Backend::Memory(view) => view.sync(),
        }
    }
}

fn decode_entry<T: Table>(entry: Result<RawEntry, StoreError>) -> Result<Entry<T::Value>, StoreError> {
    let (key, value) = entry?;
    let value = decode_value::<T>(&key, &value)?;
    Ok((key, value))
}

/// What a power cut may take with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Nothing: the batch is on the disk when the write returns.
    Synced,
    /// The last batches, each as a whole: for times when they can be made again.
    Buffered,
}

/// Writes that happen all together or not at all.
#[must_use = "a batch does nothing until it is written"]
pub struct Batch<'db> {
    raw: RawBatch<'db>,
    /// Where values are encoded, one after the other.
    value: Vec<u8>,
}

enum RawBatch<'db> {
    Rocks(RocksBatch<'db>),
    Memory(&'db MemoryView, Vec<memory::Write>),
}

impl<'db> Batch<'db> {
    /// An empty batch with room for so many bytes: one that grows is copied again and again.
    pub fn new(db: &'db Db, bytes: usize) -> Self {
        let raw = match &db.0 {
            Backend::Rocks(rocks) => RawBatch::Rocks(RocksBatch::new(rocks, bytes)),
            Backend::Memory(view) => RawBatch::Memory(view, Vec::new()),
        };
        Self { raw, value: Vec::new() }
    }

    /// Sets the value under `key`.
    pub fn put<T: Table>(&mut self, key: &T::Key, value: &T::Value) {
        self.put_encoded::<T>(key, |bytes| encode_onto(bytes, value));
    }

    /// Sets the value under `key` to one whose encoding `append` appends.
    pub fn put_encoded<T: Table>(&mut self, key: &T::Key, append: impl FnOnce(&mut Vec<u8>)) {
        begin_value(&mut self.value);
        append(&mut self.value);
        let (key, value) = (key.to_bytes(), &*self.value);
        match &mut self.raw {
            RawBatch::Rocks(batch) => batch.put(T::NAME, key.as_ref(), value),
            RawBatch::Memory(_, writes) => writes.push(memory::Write::put(T::NAME, key.as_ref(), value)),
        }
    }

    /// Removes the value under `key`.
    pub fn delete<T: Table>(&mut self, key: &T::Key) {
        let key = key.to_bytes();
        match &mut self.raw {
            RawBatch::Rocks(batch) => batch.delete(T::NAME, key.as_ref()),
            RawBatch::Memory(_, writes) => writes.push(memory::Write::delete(T::NAME, key.as_ref())),
        }
    }

    /// Removes everything in a table, as one mark, whose space compactions free; what is put after this stays.
    pub fn clear<T: Table>(&mut self) {
        match &mut self.raw {
            RawBatch::Rocks(batch) => batch.clear(T::NAME),
            RawBatch::Memory(_, writes) => writes.push(memory::Write::Clear { table: T::NAME }),
        }
    }

    /// Removes everything from one key up to another, which stays, as one mark, whose space compactions free.
    pub fn delete_range<T: Table>(&mut self, from: &T::Key, to: &T::Key) {
        let (from, to) = (from.to_bytes(), to.to_bytes());
        match &mut self.raw {
            RawBatch::Rocks(batch) => batch.delete_range(T::NAME, from.as_ref(), to.as_ref()),
            RawBatch::Memory(_, writes) => {
                let (from, to) = (from.as_ref().into(), to.as_ref().into());
                writes.push(memory::Write::DeleteRange { table: T::NAME, from, to });
            }
        }
    }

    /// Writes it.
    ///
    /// # Errors
    /// A failing database; then nothing was written.
    pub fn write(self, durability: Durability) -> Result<(), StoreError> {
        let is_synced = durability == Durability::Synced;
        match self.raw {
            RawBatch::Rocks(batch) => batch.write(is_synced),
            RawBatch::Memory(view, writes) => view.write(writes, is_synced),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Readers of a frozen database see what was there, whatever is written, merged and dropped meanwhile.
    #[test]
    fn a_frozen_database_stays_as_it_was() {
        let directory = tempfile::tempdir().expect("a directory");
        let on_disk = Db::open(directory.path(), DbOptions::default(), &LowestBody::default()).expect("a database");
        for db in [on_disk, Db::open_in_memory(MemoryDisk::default())] {
            stays_as_it_was(db);
        }
    }

    fn stays_as_it_was(db: Db) {
        use crate::store::schema::AccountByIndex;
        use cairn_ledger::{Account, Amount};

        let account = |nonce| Account { balance: Amount::ZERO, nonce };
        let put = |from: u64, to: u64, nonce| {
            let mut batch = Batch::new(&db, 0);
            (from..to).for_each(|index| batch.put::<AccountByIndex>(&index, &account(nonce)));
            batch.write(Durability::Buffered).expect("a write");
        };
        put(0, 100, 1);
        let frozen = db.frozen();
        put(0, 200, 2);
        let mut batch = Batch::new(&db, 0);
        batch.delete::<AccountByIndex>(&7);
        batch.write(Durability::Buffered).expect("a write");
        db.flush().expect("a flush");
        for (read, count, nonce, seventh) in [(&frozen, 100, 1, Some(account(1))), (&db, 199, 2, None)] {
            assert_eq!(read.entries::<AccountByIndex>().count(), count);
            assert_eq!(read.get::<AccountByIndex>(&7).expect("a read"), seventh);
            assert_eq!(read.contains::<AccountByIndex>(&7).expect("a read"), seventh.is_some());
            assert_eq!(read.frozen().get::<AccountByIndex>(&3).expect("a read"), Some(account(nonce)));
            let each = read.frozen().get_each::<AccountByIndex>(&[3, 7]).expect("reads");
            assert_eq!(each, [Some(account(nonce)), seventh]);
        }
        // It holds the database open by itself.
        drop(db);
        assert_eq!(frozen.get::<AccountByIndex>(&99).expect("a read"), Some(account(1)));
    }

    /// A power cut takes the last batches, each as a whole; what was synced stays.
    #[test]
    fn a_disk_in_memory_loses_what_was_not_synced_and_no_part_of_a_batch() {
        use crate::store::schema::{AccountByIndex, IdByHeight};
        use cairn_ledger::{Account, Amount, BlockId, Height};

        let disk = MemoryDisk::default();
        let db = Db::open_in_memory(disk.clone());
        let write = |index: u64, durability| {
            let mut batch = Batch::new(&db, 0);
            batch.put::<AccountByIndex>(&0, &Account { balance: Amount::ZERO, nonce: index });
            batch.put::<IdByHeight>(&Height::new(index), &BlockId::ZERO);
            if index == 3 {
                batch.clear::<IdByHeight>();
            }
            batch.write(durability).expect("a write");
        };
        let state = || {
            let nonce = db.get::<AccountByIndex>(&0).expect("a read").map(|account| account.nonce);
            (nonce, db.entries::<IdByHeight>().count())
        };
        write(0, Durability::Synced);
        write(1, Durability::Buffered);
        write(2, Durability::Buffered);
        write(3, Durability::Buffered);
        assert_eq!((state(), disk.unsynced()), ((Some(3), 0), 3));
        disk.lose(2);
        assert_eq!((state(), disk.unsynced()), ((Some(1), 2), 0));
        disk.lose(9);
        assert_eq!(state(), (Some(1), 2), "what survived one power cut is on the disk");
        disk.set_failing(true);
        let mut batch = Batch::new(&db, 0);
        batch.delete::<AccountByIndex>(&0);
        assert!(batch.write(Durability::Buffered).is_err() && db.sync().is_err());
        assert_eq!(state(), (Some(1), 2));
    }
}
