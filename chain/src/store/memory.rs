//! A database in memory: what a simulated node has for a disk. Batches are whole there, too; a power cut takes those
//! that were not synced, from the end, and a disk may be told to fail.

use super::db::{RawEntry, Start};
use super::{DbUsage, StoreError, TableUsage, schema};
use std::collections::{BTreeMap, HashSet};
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Entry<'a> = (&'a Arc<[u8]>, &'a Arc<[u8]>);

/// The entries of one table.
#[derive(Clone, Debug, Default)]
struct Rows(BTreeMap<Arc<[u8]>, Arc<[u8]>>);

/// All tables, in the order of the schema. What is written after somebody has frozen them leaves those as they were.
type Rowsets = Vec<Arc<Rows>>;

/// A write of a batch.
pub(super) enum Write {
    Set { table: &'static str, key: Arc<[u8]>, value: Option<Arc<[u8]>> },
    Clear { table: &'static str },
    DeleteRange { table: &'static str, from: Box<[u8]>, to: Box<[u8]> },
}

impl Write {
    pub(super) fn put(table: &'static str, key: &[u8], value: &[u8]) -> Self {
        Self::Set { table, key: key.into(), value: Some(value.into()) }
    }

    pub(super) fn delete(table: &'static str, key: &[u8]) -> Self {
        Self::Set { table, key: key.into(), value: None }
    }
}

/// What a batch has replaced, in the order in which it did.
type Undo = Vec<(usize, Replaced)>;

#[derive(Debug)]
enum Replaced {
    Value { key: Arc<[u8]>, value: Option<Arc<[u8]>> },
    Table(Arc<Rows>),
}

#[derive(Debug)]
struct Contents {
    tables: Rowsets,
    /// How to take back the batches that are not synced, the oldest first.
    unsynced: Vec<Undo>,
    is_failing: bool,
    interner: Interner,
}

/// Bytes that many disks hold, once for all of them: the nodes of a simulation store the same blocks.
#[derive(Clone, Debug, Default)]
struct Interner(Arc<Mutex<Interned>>);

#[derive(Debug, Default)]
struct Interned {
    bytes: HashSet<Arc<[u8]>>,
    /// How many there may be until those are looked for that nobody holds any more.
    limit: usize,
}

impl Interner {
    fn intern(&self, bytes: Arc<[u8]>) -> Arc<[u8]> {
        let interned = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = interned.bytes.get(&bytes) {
            return known.clone();
        }
        if interned.bytes.len() >= interned.limit {
            interned.bytes.retain(|bytes| Arc::strong_count(bytes) > 1);
            interned.limit = (2 * interned.bytes.len()).max(FEWEST_INTERNED);
        }
        interned.bytes.insert(bytes.clone());
        bytes
    }
}

/// So many pieces of bytes are kept whether or not anybody holds them.
const FEWEST_INTERNED: usize = 1 << 16;

/// The disk of a database that is only in memory. Cloning shares it, also with whoever has the database open.
#[derive(Clone, Debug)]
pub struct MemoryDisk(Arc<Mutex<Contents>>);

impl Default for MemoryDisk {
    fn default() -> Self {
        Self::with(Interner::default())
    }
}

impl MemoryDisk {
    fn with(interner: Interner) -> Self {
        let tables = schema::TABLES.iter().map(|_| Arc::default()).collect();
        Self(Arc::new(Mutex::new(Contents { tables, unsynced: Vec::new(), is_failing: false, interner })))
    }

    /// An empty disk that holds what this one holds, too, only once with it.
    pub fn another(&self) -> Self {
        Self::with(self.contents().interner.clone())
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn open(self) -> MemoryView {
        MemoryView { disk: self, frozen: None }
    }

    /// How many batches are written and not synced.
    pub fn unsynced(&self) -> usize {
        self.contents().unsynced.len()
    }

    /// A power cut: the last batches are lost, at most as many as were not synced.
    pub fn lose(&self, batches: usize) {
        let contents = &mut *self.contents();
        for _ in 0..batches {
            let Some(undo) = contents.unsynced.pop() else { break };
            for (table, replaced) in undo.into_iter().rev() {
                let rows = &mut contents.tables[table];
                match replaced {
                    Replaced::Value { key, value: Some(value) } => drop(Arc::make_mut(rows).0.insert(key, value)),
                    Replaced::Value { key, value: None } => drop(Arc::make_mut(rows).0.remove(&key)),
                    Replaced::Table(before) => *rows = before,
                }
            }
        }
        contents.unsynced.clear();
    }

    /// From now on nothing can be written, or it can again.
    pub fn set_failing(&self, is_failing: bool) {
        self.contents().is_failing = is_failing;
    }
}

fn place_of(table: &'static str) -> usize {
    schema::TABLES.iter().position(|name| *name == table).expect("the schema has every table")
}

/// An open database.
#[derive(Clone)]
pub(super) struct MemoryView {
    disk: MemoryDisk,
    frozen: Option<Rowsets>,
}

impl MemoryView {
    pub(super) fn frozen(&self) -> Self {
        let now = || self.disk.contents().tables.clone();
        Self { disk: self.disk.clone(), frozen: Some(self.frozen.clone().unwrap_or_else(now)) }
    }

    fn with<T>(&self, table: &'static str, read: impl FnOnce(&Arc<Rows>) -> T) -> T {
        let place = place_of(table);
        match &self.frozen {
            Some(tables) => read(&tables[place]),
            None => read(&self.disk.contents().tables[place]),
        }
    }

    pub(super) fn get(&self, table: &'static str, key: &[u8]) -> Option<Arc<[u8]>> {
        self.with(table, |rows| rows.0.get(key).cloned())
    }

    pub(super) fn entries(&self, table: &'static str, start: Start<'_>) -> Entries {
        self.with(table, |rows| {
            let (first, is_upward) = match start {
                Start::First => (rows.0.first_key_value(), true),
                Start::Last => (rows.0.last_key_value(), false),
                Start::At(key) => (rows.0.range::<[u8], _>((Included(key), Unbounded)).next(), true),
                Start::DownFrom(key) => (rows.0.range::<[u8], _>((Unbounded, Included(key))).next_back(), false),
            };
            Entries { next: first.map(to_raw), rows: rows.clone(), is_upward }
        })
    }

    pub(super) fn usage(&self) -> DbUsage {
        let usage = |name: &&'static str| self.with(name, |rows| rows.usage(name));
        DbUsage { tables: schema::TABLES.iter().map(usage).collect(), ..DbUsage::default() }
    }

    pub(super) fn sync(&self) -> Result<(), StoreError> {
        let contents = &mut *self.disk.contents();
        contents.check("flush")?;
        contents.unsynced.clear();
        Ok(())
    }

    pub(super) fn write(&self, writes: Vec<Write>, is_synced: bool) -> Result<(), StoreError> {
        let contents = &mut *self.disk.contents();
        contents.check("write")?;
        let undo = writes.into_iter().map(|write| contents.apply(write)).collect();
        contents.unsynced.push(undo);
        if is_synced {
            contents.unsynced.clear();
        }
        Ok(())
    }
}

impl Contents {
    fn check(&self, table: &'static str) -> Result<(), StoreError> {
        match self.is_failing {
            false => Ok(()),
            true => Err(StoreError::Database { table, reason: String::from("the disk fails") }),
        }
    }

    fn apply(&mut self, write: Write) -> (usize, Replaced) {
        match write {
            Write::Set { table, key, value } => {
                let place = place_of(table);
                let (key, value) = (self.interner.intern(key), value.map(|value| self.interner.intern(value)));
                let rows = &mut Arc::make_mut(&mut self.tables[place]).0;
                let before = match value {
                    Some(value) => rows.insert(key.clone(), value),
                    None => rows.remove(&key),
                };
                (place, Replaced::Value { key, value: before })
            }
            Write::Clear { table } => {
                let place = place_of(table);
                (place, Replaced::Table(std::mem::take(&mut self.tables[place])))
            }
            Write::DeleteRange { table, from, to } => {
                let place = place_of(table);
                let before = self.tables[place].clone();
                let is_within = |key: &Arc<[u8]>| (&*from..&*to).contains(&&**key);
                Arc::make_mut(&mut self.tables[place]).0.retain(|key, _| !is_within(key));
                (place, Replaced::Table(before))
            }
        }
    }
}

impl Rows {
    fn usage(&self, name: &'static str) -> TableUsage {
        let bytes = self.0.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum();
        TableUsage { name, bytes, entries: self.0.len() as u64 }
    }
}

fn to_raw((key, value): Entry<'_>) -> RawEntry {
    ((**key).into(), (**value).into())
}

/// The entries of a table as it was when somebody began to read it, in order.
pub(super) struct Entries {
    rows: Arc<Rows>,
    next: Option<RawEntry>,
    is_upward: bool,
}

impl Iterator for Entries {
    type Item = RawEntry;

    fn next(&mut self) -> Option<RawEntry> {
        let entry = self.next.take()?;
        let after = match self.is_upward {
            true => self.rows.0.range::<[u8], _>((Excluded(&*entry.0), Unbounded)).next(),
            false => self.rows.0.range::<[u8], _>((Unbounded, Excluded(&*entry.0))).next_back(),
        };
        self.next = after.map(to_raw);
        Some(entry)
    }
}
