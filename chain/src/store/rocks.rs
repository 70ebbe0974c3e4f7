//! RocksDB: one database with a column family for each table of the schema. No other file names it.

use super::db::{RawEntry, Start};
use super::pruning::LowestBody;
use super::{DbOptions, DbUsage, StoreError, TableUsage, schema};
use cairn_common::disk;
use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompactionStyle,
    DBCompressionType, DBIterator, DBPinnableSlice, DBRecoveryMode, Direction, FlushOptions, IteratorMode, Options,
    ReadOptions, Snapshot, UniversalCompactOptions, WriteBatch, WriteOptions, checkpoint::Checkpoint,
    compaction_filter::Decision,
};
use self_cell::self_cell;
use std::{path::Path, sync::Arc};

/// More bytes than any key of ours has.
const PAST_EVERY_KEY: usize = 64;
/// Sorted runs of changed accounts before they are merged: a look-up may ask the filter of each.
const MAX_RUNS: i32 = 12;

/// What is found under a key.
pub(super) type Value<'a> = DBPinnableSlice<'a>;

/// Writes that happen all together or not at all.
pub(super) type RocksBatch = WriteBatch;

/// An open database: read as it is or, [frozen](Rocks::frozen), as it was. Writes go to the database either way.
pub(super) struct Rocks {
    open: Arc<Open>,
    frozen: Option<Arc<Frozen>>,
}

/// Closes when nobody reads or writes it any more.
struct Open(DB);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.cancel_all_background_work(true);
    }
}

self_cell!(
    /// A snapshot, and what it is of.
    struct Frozen {
        owner: Arc<Open>,
        #[covariant]
        dependent: Snapshot,
    }
);

/// How a database is opened, with all its tables.
fn opening(options: DbOptions, lowest: &LowestBody) -> (Options, Vec<ColumnFamilyDescriptor>) {
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
    let family = |name: &&'static str| {
        ColumnFamilyDescriptor::new(*name, {
            let mut options = table_options(name, &cache, options.write_buffer_bytes);
            drop_pruned(&mut options, name, lowest);
            options
        })
    };
    let families = schema::TABLES.iter().map(family).collect();
    (db_options, families)
}

/// The tables of the schema that the database in `path` lacks.
pub(super) fn missing_tables(path: &Path) -> Result<Vec<&'static str>, StoreError> {
    let there = DB::list_cf(&Options::default(), path).map_err(failed("open"))?;
    Ok(schema::TABLES.iter().copied().filter(|table| !there.iter().any(|name| name == table)).collect())
}

fn failed(table: &'static str) -> impl Fn(rocksdb::Error) -> StoreError {
    move |error| StoreError::Database { table, reason: error.into_string() }
}

impl Rocks {
    fn new(open: DB) -> Self {
        Self { open: Arc::new(Open(open)), frozen: None }
    }

    /// Opens the database in `path`, creating what is missing.
    pub(super) fn open(path: &Path, options: DbOptions, lowest: &LowestBody) -> Result<Self, StoreError> {
        let (mut db_options, families) = opening(options, lowest);
        db_options.create_if_missing(true);
        db_options.create_missing_column_families(true);
        // In the system's cache it would push out what is read again, and each fresh page costs the system, and the
        // host of a virtual machine, as much as writing it.
        db_options.set_use_direct_io_for_flush_and_compaction(disk::knows_direct_writes(path));
        DB::open_cf_descriptors(&db_options, path, families).map(Self::new).map_err(failed("open"))
    }

    /// Opens those tables of the schema that the database in `path` has, for reading alone.
    pub(super) fn open_read_only(path: &Path, options: DbOptions) -> Result<Self, StoreError> {
        // Nothing is compacted.
        let (db_options, mut families) = opening(options, &LowestBody::default());
        let missing = missing_tables(path)?;
        families.retain(|family| !missing.contains(&family.name()));
        DB::open_cf_descriptors_read_only(&db_options, path, families, false).map(Self::new).map_err(failed("open"))
    }

    /// The same database as it is now, or was when it was frozen, whatever is written from now on.
    pub(super) fn frozen(&self) -> Self {
        let now = || Arc::new(Frozen::new(self.open.clone(), |open| open.0.snapshot()));
        Self { open: self.open.clone(), frozen: Some(self.frozen.clone().unwrap_or_else(now)) }
    }

    fn db(&self) -> &DB {
        &self.open.0
    }

    fn family(&self, table: &'static str) -> &ColumnFamily {
        self.db().cf_handle(table).expect("every table of the schema was opened")
    }

    pub(super) fn get(&self, table: &'static str, key: &[u8]) -> Result<Option<DBPinnableSlice<'_>>, StoreError> {
        let found = match &self.frozen {
            None => self.db().get_pinned_cf(self.family(table), key),
            Some(frozen) => frozen.borrow_dependent().get_pinned_cf(self.family(table), key),
        };
        found.map_err(failed(table))
    }

    pub(super) fn get_each<K: AsRef<[u8]>>(
        &self,
        table: &'static str,
        keys: &[K],
    ) -> impl Iterator<Item = Result<Option<DBPinnableSlice<'_>>, StoreError>> {
        let mut options = ReadOptions::default();
        if let Some(frozen) = &self.frozen {
            options.set_snapshot(frozen.borrow_dependent());
        }
        let found = self.db().batched_multi_get_cf_opt(self.family(table), keys, false, &options);
        found.into_iter().map(move |found| found.map_err(failed(table)))
    }

    pub(super) fn entries(&self, table: &'static str, start: Start<'_>) -> Entries<'_> {
        let mode = match start {
            Start::First => IteratorMode::Start,
            Start::Last => IteratorMode::End,
            Start::At(key) => IteratorMode::From(key, Direction::Forward),
            Start::DownFrom(key) => IteratorMode::From(key, Direction::Reverse),
        };
        let entries = match &self.frozen {
            None => self.db().iterator_cf(self.family(table), mode),
            Some(frozen) => frozen.borrow_dependent().iterator_cf(self.family(table), mode),
        };
        Entries { table, entries }
    }

    /// Copies the database, as it is at this moment, to the directory `to`, which is made.
    pub(super) fn checkpoint(&self, to: &Path) -> Result<(), StoreError> {
        Checkpoint::new(self.db()).and_then(|checkpoint| checkpoint.create_checkpoint(to)).map_err(failed("backup"))
    }

    /// RocksDB's own numbers: what it does not say counts as 0.
    pub(super) fn usage(&self) -> Result<DbUsage, StoreError> {
        let mut usage = DbUsage::default();
        for name in schema::TABLES.iter().copied() {
            let family = self.family(name);
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

    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.db().flush_wal(true).map_err(failed("flush"))
    }

    pub(super) fn flush(&self) -> Result<(), StoreError> {
        let families: Vec<_> = schema::TABLES.iter().filter_map(|name| self.db().cf_handle(name)).collect();
        self.sync()?;
        self.db().flush_cfs_opt(&families, &FlushOptions::default()).map_err(failed("flush"))
    }

    /// Adds a put to a batch.
    pub(super) fn put(&self, batch: &mut WriteBatch, table: &'static str, key: &[u8], value: &[u8]) {
        batch.put_cf(self.family(table), key, value);
    }

    /// Adds a removal.
    pub(super) fn delete(&self, batch: &mut WriteBatch, table: &'static str, key: &[u8]) {
        batch.delete_cf(self.family(table), key);
    }

    /// Adds the removal of everything in a table, as one mark, whose space compactions free.
    pub(super) fn clear(&self, batch: &mut WriteBatch, table: &'static str) {
        batch.delete_range_cf(self.family(table), &[][..], &[u8::MAX; PAST_EVERY_KEY][..]);
    }

    /// Adds the removal of everything from one key up to another, which stays.
    pub(super) fn delete_range(&self, batch: &mut WriteBatch, table: &'static str, from: &[u8], to: &[u8]) {
        batch.delete_range_cf(self.family(table), from, to);
    }

    /// Drops the files that hold nothing else than what was removed from one key up to another, and merges what is left
    /// there, of which there is little.
    pub(super) fn free_range(&self, table: &'static str, from: &[u8], to: &[u8]) -> Result<(), StoreError> {
        self.db().delete_file_in_range_cf(self.family(table), from, to).map_err(failed(table))?;
        self.db().compact_range_cf(self.family(table), Some(from), Some(to));
        Ok(())
    }

    /// Writes a whole table anew.
    pub(super) fn compact(&self, table: &'static str) {
        self.db().compact_range_cf(self.family(table), None::<&[u8]>, None::<&[u8]>);
    }

    pub(super) fn write(&self, batch: WriteBatch, is_synced: bool) -> Result<(), StoreError> {
        let mut options = WriteOptions::default();
        options.set_sync(is_synced);
        self.db().write_opt(batch, &options).map_err(failed("write"))
    }
}

/// The entries of a table, in order.
pub(super) struct Entries<'a> {
    table: &'static str,
    entries: DBIterator<'a>,
}

impl Iterator for Entries<'_> {
    type Item = Result<RawEntry, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.entries.next().map(|entry| entry.map_err(failed(self.table)))
    }
}

/// Has compactions of a table drop the entries of blocks that are pruned.
fn drop_pruned(options: &mut Options, table: &'static str, lowest: &LowestBody) {
    if matches!(table, "location_by_txid" | "touch_by_account") {
        let lowest = lowest.clone();
        options.set_compaction_filter("pruned", move |_, key, value| match lowest.is_pruned(table, key, value) {
            true => Decision::Remove,
            false => Decision::Keep,
        });
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
    let of_accounts = matches!(name, "index_by_address" | "account_by_index" | "link_by_index");
    if of_accounts || matches!(name, "header_by_id" | "location_by_txid") {
        blocks.set_bloom_filter(10.0, false);
    }
    let mut options = Options::default();
    options.set_block_based_table_factory(&blocks);
    // Most accounts that are looked up are there: filters of the last level, nine tenths of all, would save little.
    options.set_optimize_filters_for_hits(of_accounts);
    // Keys and values made of hashes do not become shorter, and accounts change too often for it to pay.
    options.set_compression_type(if of_accounts || name == "location_by_txid" {
        DBCompressionType::None
    } else {
        DBCompressionType::Lz4
    });
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
    if matches!(name, "body_by_block" | "undo_by_block") {
        options.set_enable_blob_files(true);
        options.set_min_blob_size(4096);
        options.set_blob_compression_type(DBCompressionType::Lz4);
    }
    options
}

#[cfg(test)]
mod tests {
    use super::super::Db;
    use super::*;

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
        drop(Db::open(directory.path(), DbOptions::default(), &LowestBody::default()).expect("it gets the table"));
        open_read_only().expect("now it is there");
    }
}
