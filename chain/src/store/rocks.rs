//! RocksDB: one database with a column family for each table of the schema. No file but this and its own names it.

mod batch;
mod families;
mod options;

use super::db::{RawEntry, Start};
use super::pruning::LowestBody;
use super::{DbOptions, DbUsage, StoreError, TableUsage, schema};
pub(super) use batch::RocksBatch;
use cairn_common::disk;
use families::{Anew, anew_in, family_name, parse, table_of, whole_name};
use options::TableOptions;
use rocksdb::{
    BoundColumnFamily, ColumnFamilyDescriptor, DBIteratorWithThreadMode, DBPinnableSlice, DBRecoveryMode,
    DBWithThreadMode, Direction, FlushOptions, IngestExternalFileOptions, IteratorMode, MultiThreaded, Options,
    ReadOptions, ReadTier, SnapshotWithThreadMode, SstFileWriter, WaitForCompactOptions, WriteBatch, WriteOptions,
    checkpoint::Checkpoint,
};
use self_cell::self_cell;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

/// Tables come and go while others are read.
type DB = DBWithThreadMode<MultiThreaded>;
type Snapshot<'a> = SnapshotWithThreadMode<'a, DB>;

/// The file beside RocksDB's own that says that a merge has met damage.
const DAMAGED: &str = "DAMAGED";

/// What is found under a key.
pub(super) type Value<'a> = DBPinnableSlice<'a>;

/// What is written past the log of what a table will be.
pub(super) type WritesAnew = WriteBatch;

/// An open database: read as it is or, [frozen](Rocks::frozen), as it was. Writes go to the database either way.
#[derive(Clone)]
pub(super) struct Rocks {
    open: Arc<Open>,
    frozen: Option<Arc<Frozen>>,
    /// Whether only what is in memory is read.
    is_resident: bool,
}

/// Closes when nobody reads or writes it any more.
struct Open {
    db: DB,
    tables: TableOptions,
    /// How tables were opened that were written anew: RocksDB calls filters that belong to these, as long as it is
    /// open.
    kept: Mutex<Vec<Options>>,
    anew: RwLock<Anew>,
    /// Whether there is any in there.
    is_any_anew: AtomicBool,
    /// Exists where a merge has met damage: then the next start looks for it before anything is merged.
    mark: PathBuf,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.db.cancel_all_background_work(true);
    }
}

self_cell!(
    /// A snapshot, and what it is of.
    struct Moment {
        owner: Arc<Open>,
        #[covariant]
        dependent: Snapshot,
    }
);

/// The database as it was.
struct Frozen {
    moment: Moment,
    anew: Anew,
}

/// The column families of tables that are in `path`; none where there is no database.
fn families_in(path: &Path) -> Result<Vec<String>, StoreError> {
    if !path.join("CURRENT").exists() {
        return Ok(Vec::new());
    }
    let there = DB::list_cf(&Options::default(), path).map_err(failed("open"))?;
    Ok(there.into_iter().filter(|family| table_of(family).is_some()).collect())
}

/// How a database is opened.
fn opening(options: DbOptions) -> Options {
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
    db_options
}

/// Whether a merge of files in the database in `path` has met damage, which the next start mends.
pub fn awaits_mending(path: &Path) -> bool {
    path.join(DAMAGED).exists()
}

/// The tables of the schema that the database in `path` lacks.
pub(super) fn missing_tables(path: &Path) -> Result<Vec<&'static str>, StoreError> {
    let there = DB::list_cf(&Options::default(), path).map_err(failed("open"))?;
    let is_there = |table: &str| there.iter().any(|family| table_of(family) == Some(table));
    Ok(schema::TABLES.iter().copied().filter(|table| !is_there(table)).collect())
}

fn failed(table: &'static str) -> impl Fn(rocksdb::Error) -> StoreError {
    move |error| StoreError::Database { table, reason: error.into_string() }
}

impl Rocks {
    fn new(db: DB, tables: TableOptions, path: &Path, families: &[String]) -> Self {
        let anew = anew_in(families);
        let (is_any_anew, mark) = (AtomicBool::new(!anew.is_empty()), path.join(DAMAGED));
        Self {
            open: Arc::new(Open { db, tables, kept: Mutex::default(), anew: RwLock::new(anew), is_any_anew, mark }),
            frozen: None,
            is_resident: false,
        }
    }

    /// Opens the database in `path`, creating what is missing.
    pub(super) fn open(path: &Path, options: DbOptions, lowest: &LowestBody) -> Result<Self, StoreError> {
        let (mut db_options, mut tables) = (opening(options), TableOptions::new(options, lowest));
        // Tests that damage files have nothing merge them before they are read.
        let is_test = cfg!(test) && path.join("NO_MERGES").exists();
        tables.merges = !path.join(DAMAGED).exists() && !is_test;
        db_options.create_if_missing(true);
        db_options.create_missing_column_families(true);
        // In the system's cache it would push out what is read again, and each fresh page costs the system, and the
        // host of a virtual machine, as much as writing it.
        db_options.set_use_direct_io_for_flush_and_compaction(disk::knows_direct_writes(path));
        let mut names = families_in(path)?;
        let lacking = schema::TABLES.iter().filter(|table| !names.iter().any(|name| table_of(name) == Some(table)));
        names.extend(lacking.map(|table| (*table).to_owned()).collect::<Vec<_>>());
        let families =
            names.iter().map(|name| ColumnFamilyDescriptor::new(name, tables.of(table_of(name).unwrap_or(name))));
        let db = DB::open_cf_descriptors(&db_options, path, families).map_err(failed("open"))?;
        tables.merges = true;
        let rocks = Self::new(db, tables, path, &names);
        let anew = rocks.anew();
        // What was damaged, or is only half there because a crash came before its end.
        for name in &names {
            if parse(name).is_some_and(|(table, number, _)| anew.get(table).copied().unwrap_or(0) != number) {
                rocks.db().drop_cf(name).map_err(failed("open"))?;
            }
        }
        Ok(rocks)
    }

    /// Opens those tables of the schema that the database in `path` has, for reading alone.
    pub(super) fn open_read_only(path: &Path, options: DbOptions) -> Result<Self, StoreError> {
        // Nothing is compacted.
        let (db_options, tables) = (opening(options), TableOptions::new(options, &LowestBody::default()));
        let names = families_in(path)?;
        let families =
            names.iter().map(|name| ColumnFamilyDescriptor::new(name, tables.of(table_of(name).unwrap_or(name))));
        let db = DB::open_cf_descriptors_read_only(&db_options, path, families, false).map_err(failed("open"))?;
        Ok(Self::new(db, tables, path, &names))
    }

    /// The same database as it is now, or was when it was frozen, whatever is written from now on.
    pub(super) fn frozen(&self) -> Self {
        let now = || {
            // In this order: a table that is written anew in between is read as it was.
            let anew = self.anew();
            Arc::new(Frozen { moment: Moment::new(self.open.clone(), |open| open.db.snapshot()), anew })
        };
        Self { frozen: Some(self.frozen.clone().unwrap_or_else(now)), ..self.clone() }
    }

    /// The same database, of which single keys are found if they are in memory, and reading others fails.
    pub(super) fn resident(&self) -> Self {
        Self { is_resident: true, ..self.clone() }
    }

    fn reading(&self) -> ReadOptions {
        let mut options = ReadOptions::default();
        if self.is_resident {
            options.set_read_tier(ReadTier::BlockCache);
        }
        options
    }

    fn db(&self) -> &DB {
        &self.open.db
    }

    fn anew(&self) -> Anew {
        self.open.anew.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The name of a table's column family.
    fn family_of(&self, table: &'static str) -> String {
        let number = match &self.frozen {
            Some(frozen) => frozen.anew.get(table).copied(),
            None => self.open.anew.read().unwrap_or_else(PoisonError::into_inner).get(table).copied(),
        };
        number.map_or_else(|| table.to_owned(), |number| family_name(table, number))
    }

    fn family(&self, table: &'static str) -> Arc<BoundColumnFamily<'_>> {
        let family = match self.open.is_any_anew.load(Ordering::Acquire) {
            false => self.db().cf_handle(table),
            true => self.db().cf_handle(&self.family_of(table)),
        };
        family.expect("every table of the schema was opened")
    }

    /// Begins to write a table anew, beside what it is; the number of its column family.
    pub(super) fn begin_anew(&self, table: &'static str) -> Result<u32, StoreError> {
        // A compaction that meets damage would end all writing.
        let _ = self.db().set_options_cf(&self.family(table), &[("disable_auto_compactions", "true")]);
        let number = self.anew().get(table).copied().unwrap_or(0).saturating_add(1);
        let name = family_name(table, number);
        // An attempt that failed has left one.
        if self.db().cf_handle(&name).is_some() {
            self.db().drop_cf(&name).map_err(failed(table))?;
        }
        let options = self.open.tables.of(table);
        self.db().create_cf(&name, &options).map_err(failed(table))?;
        self.open.kept.lock().unwrap_or_else(PoisonError::into_inner).push(options);
        Ok(number)
    }

    /// Adds a put to what a table will be.
    pub(super) fn put_anew(&self, batch: &mut WriteBatch, table: &'static str, number: u32, key: &[u8], value: &[u8]) {
        if let Some(family) = self.db().cf_handle(&family_name(table, number)) {
            batch.put_cf(&family, key, value);
        }
    }

    /// Writes some of what a table will be, past the log: a crash before the end takes it.
    pub(super) fn write_anew(&self, batch: WriteBatch) -> Result<(), StoreError> {
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        self.write_with(batch, &options)
    }

    /// From now on the table is what was written anew. What it was stays on the disk until the next start: somebody may
    /// be reading it.
    pub(super) fn end_anew(&self, table: &'static str, number: u32) -> Result<(), StoreError> {
        if let Some(family) = self.db().cf_handle(&family_name(table, number)) {
            self.db().flush_cf(&family).map_err(failed(table))?;
        }
        self.db().create_cf(whole_name(table, number), &Options::default()).map_err(failed(table))?;
        self.open.anew.write().unwrap_or_else(PoisonError::into_inner).insert(table, number);
        self.open.is_any_anew.store(true, Ordering::Release);
        Ok(())
    }

    /// Adds a file to a table, which `fill` writes; it is on the disk when this returns.
    pub(super) fn ingest(
        &self,
        table: &'static str,
        fill: impl FnOnce(&mut SortedFile<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let (options, path) = (self.open.tables.of(table), self.open.mark.with_file_name(format!("{table}.ingest")));
        // A crash may have left it when the database had its file already, by another name: written over, that is
        // damaged.
        if let Err(error) = fs::remove_file(&path)
            && error.kind() != ErrorKind::NotFound
        {
            return Err(StoreError::Database { table, reason: error.to_string() });
        }
        let mut file = SortedFile { table, writer: SstFileWriter::create(&options) };
        file.writer.open(&path).map_err(failed(table))?;
        fill(&mut file)?;
        file.writer.finish().map_err(failed(table))?;
        let mut how = IngestExternalFileOptions::default();
        how.set_move_files(true);
        self.db().ingest_external_file_cf_opts(&self.family(table), &how, vec![path]).map_err(failed(table))
    }

    pub(super) fn get(&self, table: &'static str, key: &[u8]) -> Result<Option<DBPinnableSlice<'_>>, StoreError> {
        let found = match &self.frozen {
            None => self.db().get_pinned_cf_opt(&self.family(table), key, &self.reading()),
            Some(frozen) => {
                frozen.moment.borrow_dependent().get_pinned_cf_opt(&self.family(table), key, self.reading())
            }
        };
        found.map_err(failed(table))
    }

    pub(super) fn get_each<K: AsRef<[u8]>>(
        &self,
        table: &'static str,
        keys: &[K],
    ) -> impl Iterator<Item = Result<Option<DBPinnableSlice<'_>>, StoreError>> {
        let mut options = self.reading();
        if let Some(frozen) = &self.frozen {
            options.set_snapshot(frozen.moment.borrow_dependent());
        }
        let found = self.db().batched_multi_get_cf_opt(&self.family(table), keys, false, &options);
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
            None => self.db().iterator_cf(&self.family(table), mode),
            Some(frozen) => frozen.moment.borrow_dependent().iterator_cf(&self.family(table), mode),
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
            let number = |property| self.db().property_int_value_cf(&family, property).map_err(failed(name));
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
        let families: Vec<_> = schema::TABLES.iter().map(|table| self.family(table)).collect();
        self.sync()?;
        self.db().flush_cfs_opt(&families.iter().collect::<Vec<_>>(), &FlushOptions::default()).map_err(failed("flush"))
    }

    /// Drops the files that hold nothing else than what was removed from one key up to another, and merges what is left
    /// there, of which there is little.
    pub(super) fn free_range(&self, table: &'static str, from: &[u8], to: &[u8]) -> Result<(), StoreError> {
        self.db().delete_file_in_range_cf(&self.family(table), from, to).map_err(failed(table))?;
        self.db().compact_range_cf(&self.family(table), Some(from), Some(to));
        Ok(())
    }

    /// Writes a whole table anew.
    pub(super) fn compact(&self, table: &'static str) {
        self.db().compact_range_cf(&self.family(table), None::<&[u8]>, None::<&[u8]>);
    }

    /// Waits until nothing is merged any more, at most so long.
    pub(super) fn wait_for_compactions(&self, most: Duration) -> Result<(), StoreError> {
        let mut options = WaitForCompactOptions::default();
        options.set_timeout(u64::try_from(most.as_micros()).unwrap_or(u64::MAX));
        match self.db().wait_for_compact(&options) {
            Err(error) if error.kind() != rocksdb::ErrorKind::TimedOut => Err(self.not_written(error)),
            _ => Ok(()),
        }
    }

    fn write_with(&self, batch: WriteBatch, options: &WriteOptions) -> Result<(), StoreError> {
        self.db().write_opt(batch, options).map_err(|error| self.not_written(error))
    }

    /// Why something is not written, or not merged.
    fn not_written(&self, error: rocksdb::Error) -> StoreError {
        let error = failed("write")(error);
        // A merge has met damage: nothing is written any more until the database is opened again.
        if error.is_merge_damage() {
            let _ = File::create(&self.open.mark);
        }
        error
    }

    /// Whether a merge has met damage before the database was opened; nothing is merged until
    /// [`Self::clear_suspicion`].
    pub(super) fn is_suspect(&self) -> bool {
        self.open.mark.exists()
    }

    /// What can be read as a whole is merged again; with `all` nothing is suspected any more.
    pub(super) fn clear_suspicion(&self, readable: &[&'static str], all: bool) -> Result<(), StoreError> {
        for table in readable {
            let merges = [("disable_auto_compactions", "false")];
            self.db().set_options_cf(&self.family(table), &merges).map_err(failed(table))?;
        }
        if all {
            let gone = fs::remove_file(&self.open.mark);
            gone.map_err(|error| StoreError::Database { table: "open", reason: error.to_string() })?;
        }
        Ok(())
    }
}

/// A file of a table, being written.
pub(super) struct SortedFile<'a> {
    table: &'static str,
    writer: SstFileWriter<'a>,
}

impl SortedFile<'_> {
    /// Adds an entry; its key is greater than all before.
    pub(super) fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        self.writer.put(key, value).map_err(failed(self.table))
    }
}

/// The entries of a table, in order.
pub(super) struct Entries<'a> {
    table: &'static str,
    entries: DBIteratorWithThreadMode<'a, DB>,
}

impl Iterator for Entries<'_> {
    type Item = Result<RawEntry, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.entries.next().map(|entry| entry.map_err(failed(self.table)))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::Db;
    use super::*;

    /// The files of a table, those of its large values with them, of a database that is closed.
    pub(crate) fn files_of(path: &Path, table: &str) -> Vec<PathBuf> {
        let families = families_in(path).expect("a database");
        let db = DB::open_cf_for_read_only(&Options::default(), path, families, false).expect("a database");
        let files = db.live_files().expect("its files");
        let of_table = files
            .into_iter()
            .filter(|file| table_of(&file.column_family_name) == Some(table_of(table).expect("a table")));
        of_table.map(|file| path.join(file.name.trim_start_matches('/'))).collect()
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
        drop(Db::open(directory.path(), DbOptions::default(), &LowestBody::default()).expect("it gets the table"));
        open_read_only().expect("now it is there");
    }
}
