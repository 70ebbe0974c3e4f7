//! RocksDB, behind typed tables and batches. No other file names it.

use super::codec::{KeyCodec, Table, begin_value, decode_value, encoded};
use super::{StoreError, schema};
use cairn_common::disk;
use cairn_ledger::codec::encode_onto;
use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompactionStyle,
    DBCompressionType, DBIterator, DBPinnableSlice, DBRecoveryMode, Direction, FlushOptions, IteratorMode, Options,
    ReadOptions, Snapshot, UniversalCompactOptions, WriteBatch, WriteOptions, checkpoint::Checkpoint,
};
use self_cell::self_cell;
use std::{path::Path, sync::Arc};

/// More bytes than any key of ours has.
const PAST_EVERY_KEY: usize = 64;
/// Sorted runs of changed accounts before they are merged: a look-up may ask the filter of each.
const MAX_RUNS: i32 = 12;
/// What the database keeps besides the chain, and how much memory and how many files it may use.
#[derive(Clone, Copy, Debug)]
pub struct DbOptions {
    /// For cached blocks, indexes and filters of all tables together.
    pub cache_bytes: usize,
    /// For writes not yet in files, of all tables together.
    pub write_buffer_bytes: usize,
    /// Open files.
    pub max_open_files: i32,
    /// Whether the writer keeps the index of addresses. It takes disk for every payment, and few ask it.
    pub address_index: bool,
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
        Self { cache_bytes: 12 << 20, write_buffer_bytes: 16 << 20, max_open_files: 256, address_index: false }
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
pub struct Db {
    open: Arc<Open>,
    frozen: Option<Arc<Frozen>>,
}

/// Closes when nobody reads or writes it any more.
struct Open(DB);

self_cell!(
    /// A snapshot, and what it is of.
    struct Frozen {
        owner: Arc<Open>,
        #[covariant]
        dependent: Snapshot,
    }
);

/// How a database is opened, with all its tables.
fn opening(options: DbOptions) -> (Options, Vec<ColumnFamilyDescriptor>) {
    let cache = Cache::new_lru_cache(options.cache_bytes);
    let mut db_options = Options::default();
    db_options.set_max_open_files(options.max_open_files);
    db_options.set_db_write_buffer_size(options.write_buffer_bytes);
    db_options.set_max_total_wal_size(options.write_buffer_bytes as u64 * 2);
    db_options.set_max_background_jobs(2);
    db_options.set_keep_log_file_num(4);
    db_options.set_max_log_file_size(1 << 20);
    // What was written last and not synced may be lost in a power cut, but only as whole batches from
    // the end: the state before them is intact.
    db_options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    db_options.set_paranoid_checks(true);
    let family =
        |name: &&str| ColumnFamilyDescriptor::new(*name, table_options(name, &cache, options.write_buffer_bytes));
    let families = schema::TABLES.iter().map(family).collect();
    (db_options, families)
}

/// The tables of the schema that the database in `path` lacks.
fn missing_tables(path: &Path) -> Result<Vec<&'static str>, StoreError> {
    let there = DB::list_cf(&Options::default(), path).map_err(failed("open"))?;
    Ok(schema::TABLES.iter().copied().filter(|table| !there.iter().any(|name| name == table)).collect())
}

fn failed(table: &'static str) -> impl Fn(rocksdb::Error) -> StoreError {
    move |error| StoreError::Database { table, reason: error.into_string() }
}

impl Db {
    fn new(open: DB) -> Self {
        Self { open: Arc::new(Open(open)), frozen: None }
    }

    /// The same database as it is now, or was when it was frozen, whatever is written from now on.
    pub fn frozen(&self) -> Self {
        let now = || Arc::new(Frozen::new(self.open.clone(), |open| open.0.snapshot()));
        Self { open: self.open.clone(), frozen: Some(self.frozen.clone().unwrap_or_else(now)) }
    }

    fn db(&self) -> &DB {
        &self.open.0
    }

    /// The encoded value under a key.
    fn find<T: Table>(&self, key: &[u8]) -> Result<Option<DBPinnableSlice<'_>>, StoreError> {
        let found = match &self.frozen {
            None => self.db().get_pinned_cf(self.family::<T>(), key),
            Some(frozen) => frozen.borrow_dependent().get_pinned_cf(self.family::<T>(), key),
        };
        found.map_err(failed(T::NAME))
    }

    fn iterate<T: Table>(&self, mode: IteratorMode<'_>) -> DBIterator<'_> {
        match &self.frozen {
            None => self.db().iterator_cf(self.family::<T>(), mode),
            Some(frozen) => frozen.borrow_dependent().iterator_cf(self.family::<T>(), mode),
        }
    }

    /// Opens the database in `path`, creating what is missing.
    ///
    /// # Errors
    /// Says what RocksDB refused.
    pub fn open(path: &Path, options: DbOptions) -> Result<Self, StoreError> {
        let (mut db_options, families) = opening(options);
        db_options.create_if_missing(true);
        db_options.create_missing_column_families(true);
        // In the system's cache it would push out what is read again, and each fresh page costs the system, and the
        // host of a virtual machine, as much as writing it.
        db_options.set_use_direct_io_for_flush_and_compaction(disk::knows_direct_writes(path));
        DB::open_cf_descriptors(&db_options, path, families).map(Self::new).map_err(failed("open"))
    }

    /// Opens the database in `path` for reading: nothing in it is changed, or made where it is not.
    ///
    /// # Errors
    /// Says what RocksDB refused.
    pub fn open_read_only(path: &Path, options: DbOptions) -> Result<Self, StoreError> {
        if let Some(table) = missing_tables(path)?.first() {
            return Err(StoreError::NoTable { table });
        }
        Self::open_damaged(path, options)
    }

    /// The same with those tables alone that are there; the others must not be asked.
    ///
    /// # Errors
    /// Says what RocksDB refused.
    pub fn open_damaged(path: &Path, options: DbOptions) -> Result<Self, StoreError> {
        let (db_options, mut families) = opening(options);
        let missing = missing_tables(path)?;
        families.retain(|family| !missing.contains(&family.name()));
        DB::open_cf_descriptors_read_only(&db_options, path, families, false).map(Self::new).map_err(failed("open"))
    }

    /// Whether there is a database in `path` without all tables of the schema.
    pub fn lacks_tables(path: &Path) -> bool {
        missing_tables(path).is_ok_and(|missing| !missing.is_empty())
    }

    fn family<T: Table>(&self) -> &ColumnFamily {
        self.db().cf_handle(T::NAME).expect("every table of the schema was opened")
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
        let mode = IteratorMode::From(bytes.as_ref(), Direction::Reverse);
        let entries = self.iterate::<T>(mode);
        let start: Box<[u8]> = bytes.as_ref().into();
        entries.map(decode_entry::<T>).filter(move |entry| match entry {
            Ok((key, _)) => *key != start,
            Err(_) => true,
        })
    }

    /// All entries, in order of their keys; keys as bytes.
    pub fn entries<T: Table>(&self) -> impl Iterator<Item = Result<Entry<T::Value>, StoreError>> {
        self.iterate::<T>(IteratorMode::Start).map(decode_entry::<T>)
    }

    /// The greatest key.
    ///
    /// # Errors
    /// A failing database.
    pub fn last_key<T: Table>(&self) -> Result<Option<Box<[u8]>>, StoreError> {
        let last = self.iterate::<T>(IteratorMode::End).next();
        Ok(last.transpose().map_err(failed(T::NAME))?.map(|(key, _)| key))
    }

    /// Copies the database, as it is at this moment, to the directory `to`, which is made.
    ///
    /// # Errors
    /// Says what RocksDB refused.
    pub fn checkpoint(&self, to: &Path) -> Result<(), StoreError> {
        Checkpoint::new(self.db()).and_then(|checkpoint| checkpoint.create_checkpoint(to)).map_err(failed("backup"))
    }

    /// The entries from `key` on, in order; keys as bytes.
    pub fn entries_from<T: Table>(
        &self,
        key: &T::Key,
    ) -> impl Iterator<Item = Result<Entry<T::Value>, StoreError>> + use<'_, T> {
        let key = key.to_bytes();
        let mode = IteratorMode::From(key.as_ref(), Direction::Forward);
        self.iterate::<T>(mode).map(decode_entry::<T>)
    }

    /// The value under each key, in their order: many at half the cost of one after another.
    ///
    /// # Errors
    /// A failing or corrupt database.
    pub fn get_each<T: Table>(&self, keys: &[T::Key]) -> Result<Vec<Option<T::Value>>, StoreError> {
        let keys: Vec<_> = keys.iter().map(KeyCodec::to_bytes).collect();
        let mut options = ReadOptions::default();
        if let Some(frozen) = &self.frozen {
            options.set_snapshot(frozen.borrow_dependent());
        }
        let found = self.db().batched_multi_get_cf_opt(self.family::<T>(), &keys, false, &options);
        let values = keys.iter().zip(found).map(|(key, found)| {
            let found = found.map_err(failed(T::NAME))?;
            found.map(|bytes| decode_value::<T>(key.as_ref(), &bytes)).transpose()
        });
        values.collect()
    }

    /// What the tables take on the disk and in memory. RocksDB's own numbers: what it does not say counts as 0.
    ///
    /// # Errors
    /// A failing database.
    pub fn usage(&self) -> Result<DbUsage, StoreError> {
        let mut usage = DbUsage::default();
        for name in schema::TABLES.iter().copied() {
            let family = self.db().cf_handle(name).expect("every table of the schema was opened");
            let number = |property| self.db().property_int_value_cf(family, property).map_err(failed(name));
            let number = |property| Ok::<u64, StoreError>(number(property)?.unwrap_or(0));
            let bytes = number("rocksdb.total-sst-files-size")?.saturating_add(number("rocksdb.total-blob-file-size")?);
            usage.tables.push(TableUsage { name, bytes, entries: number("rocksdb.estimate-num-keys")? });
            usage.write_bytes = usage.write_bytes.saturating_add(number("rocksdb.cur-size-all-mem-tables")?);
            usage.index_bytes = usage.index_bytes.saturating_add(number("rocksdb.estimate-table-readers-mem")?);
            // All tables share one cache.
            usage.cache_bytes = usage.cache_bytes.max(number("rocksdb.block-cache-usage")?);
        }
        Ok(usage)
    }

    /// Makes everything written so far survive a power cut.
    ///
    /// # Errors
    /// A failing database.
    pub fn sync(&self) -> Result<(), StoreError> {
        self.db().flush_wal(true).map_err(failed("flush"))
    }

    /// Makes everything written so far survive a power cut, and moves it out of the log: the next start has
    /// nothing to read again, and the log's space is free.
    ///
    /// # Errors
    /// A failing database.
    pub fn flush(&self) -> Result<(), StoreError> {
        let families: Vec<_> = schema::TABLES.iter().filter_map(|name| self.db().cf_handle(name)).collect();
        self.sync()?;
        self.db().flush_cfs_opt(&families, &FlushOptions::default()).map_err(failed("flush"))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.cancel_all_background_work(true);
    }
}

/// A key as it is stored, and what its value says.
pub type Entry<V> = (Box<[u8]>, V);

/// A key and a value as they are stored.
pub type RawEntry = (Box<[u8]>, Box<[u8]>);

fn decode_entry<T: Table>(entry: Result<RawEntry, rocksdb::Error>) -> Result<Entry<T::Value>, StoreError> {
    let (key, value) = entry.map_err(failed(T::NAME))?;
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
    db: &'db Db,
    raw: WriteBatch,
    /// Where values are encoded, one after the other.
    value: Vec<u8>,
}

impl<'db> Batch<'db> {
    /// An empty batch with room for so many bytes: one that grows is copied again and again.
    pub fn new(db: &'db Db, bytes: usize) -> Self {
        Self { db, raw: WriteBatch::with_capacity_bytes(bytes), value: Vec::new() }
    }

    /// Sets the value under `key`.
    pub fn put<T: Table>(&mut self, key: &T::Key, value: &T::Value) {
        self.put_encoded::<T>(key, |bytes| encode_onto(bytes, value));
    }

    /// Sets the value under `key` to one whose encoding `append` appends.
    pub fn put_encoded<T: Table>(&mut self, key: &T::Key, append: impl FnOnce(&mut Vec<u8>)) {
        begin_value(&mut self.value);
        append(&mut self.value);
        self.raw.put_cf(self.db.family::<T>(), key.to_bytes(), &self.value);
    }

    /// Removes the value under `key`.
    pub fn delete<T: Table>(&mut self, key: &T::Key) {
        self.raw.delete_cf(self.db.family::<T>(), key.to_bytes());
    }

    /// Removes everything in a table, as one mark, whose space compactions free; what is put after this stays.
    pub fn clear<T: Table>(&mut self) {
        self.raw.delete_range_cf(self.db.family::<T>(), &[][..], &[u8::MAX; PAST_EVERY_KEY][..]);
    }

    /// Writes it.
    ///
    /// # Errors
    /// A failing database; then nothing was written.
    pub fn write(self, durability: Durability) -> Result<(), StoreError> {
        let mut options = WriteOptions::default();
        options.set_sync(durability == Durability::Synced);
        self.db.db().write_opt(self.raw, &options).map_err(failed("write"))
    }
}

fn table_options(name: &str, cache: &Cache, write_buffer_bytes: usize) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    // Indexes and filters of large files are read piece by piece: whole ones, of half a megabyte each, would push
    // one another out of a small cache with every look-up.
    blocks.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
    blocks.set_partition_filters(true);
    blocks.set_pin_top_level_index_and_filter(true);
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    // Looked up in many files, by hash often in vain: a filter saves the read.
    let of_accounts = matches!(name, "account_by_address" | "account_by_index");
    if of_accounts || matches!(name, "header_by_id" | "location_by_txid") {
        blocks.set_bloom_filter(10.0, false);
    }
    let mut options = Options::default();
    options.set_block_based_table_factory(&blocks);
    // Most accounts that are looked up are there: filters of the last level, nine tenths of all, would save little.
    options.set_optimize_filters_for_hits(of_accounts);
    // Keys and values made of hashes do not become shorter, and accounts change too often for it to pay.
    let hashes = matches!(name, "location_by_txid" | "address_by_index");
    options.set_compression_type(if hashes || of_accounts { DBCompressionType::None } else { DBCompressionType::Lz4 });
    options.set_write_buffer_size(write_buffer_bytes / 2);
    // Changes are all over these tables: level by level, each few megabytes of them would rewrite most of a table. So
    // changes are merged with changes, and with the table when there are as many as it has itself.
    if of_accounts {
        let mut universal = UniversalCompactOptions::default();
        universal.set_max_size_amplification_percent(100);
        options.set_compaction_style(DBCompactionStyle::Universal);
        options.set_universal_compaction_options(&universal);
        options.set_level_zero_file_num_compaction_trigger(MAX_RUNS);
        // Writing slows down, and then stops, once so many more have come while they are merged.
        options.set_level_zero_slowdown_writes_trigger(MAX_RUNS * 2);
        options.set_level_zero_stop_writes_trigger(MAX_RUNS * 3);
    }
    // Large, and written once: out of the way of compactions.
    if matches!(name, "body_by_id" | "undo_by_id") {
        options.set_enable_blob_files(true);
        options.set_min_blob_size(4096);
        options.set_blob_compression_type(DBCompressionType::Lz4);
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Readers of a frozen database see what was there, whatever is written, merged and dropped meanwhile.
    #[test]
    fn a_frozen_database_stays_as_it_was() {
        use crate::store::schema::AccountByIndex;
        use cairn_ledger::{Account, Amount};

        let directory = tempfile::tempdir().expect("a directory");
        let db = Db::open(directory.path(), DbOptions::default()).expect("a database");
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

    #[test]
    fn a_database_without_one_of_the_tables_is_no_broken_one_and_gets_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let open_read_only = || Db::open_read_only(directory.path(), DbOptions::default()).map(drop);
        {
            let mut options = Options::default();
            options.create_if_missing(true);
            options.create_missing_column_families(true);
            let some = &schema::TABLES[1..];
            DB::open_cf(&options, directory.path(), some).expect("a database with fewer tables");
        }
        let refused = open_read_only().expect_err("one is missing");
        assert!(!refused.is_storage_failure() && refused.to_string().contains(schema::TABLES[0]), "{refused}");
        drop(Db::open(directory.path(), DbOptions::default()).expect("it gets the table"));
        open_read_only().expect("now it is there");
    }
}
