//! A batch of writes.

use super::Rocks;
use crate::store::StoreError;
use rocksdb::{BoundColumnFamily, WriteBatch, WriteOptions};
use std::sync::Arc;

/// More bytes than any key of ours has.
const PAST_EVERY_KEY: usize = 64;

/// Writes that happen all together or not at all.
pub(in crate::store) struct RocksBatch<'db> {
    rocks: &'db Rocks,
    writes: WriteBatch,
    /// The column families of the tables that are written: RocksDB's binding looks each up behind a lock.
    families: Vec<(&'static str, Arc<BoundColumnFamily<'db>>)>,
}

impl<'db> RocksBatch<'db> {
    /// An empty batch with room for so many bytes.
    pub(in crate::store) fn new(rocks: &'db Rocks, bytes: usize) -> Self {
        Self { rocks, writes: WriteBatch::with_capacity_bytes(bytes), families: Vec::new() }
    }

    fn family(&mut self, table: &'static str) -> Arc<BoundColumnFamily<'db>> {
        let known = self.families.iter().find(|(name, _)| std::ptr::eq(*name, table));
        if let Some((_, family)) = known {
            return family.clone();
        }
        let family = self.rocks.family(table);
        self.families.push((table, family.clone()));
        family
    }

    /// Adds a put.
    pub(in crate::store) fn put(&mut self, table: &'static str, key: &[u8], value: &[u8]) {
        let family = self.family(table);
        self.writes.put_cf(&family, key, value);
    }

    /// Adds a removal.
    pub(in crate::store) fn delete(&mut self, table: &'static str, key: &[u8]) {
        let family = self.family(table);
        self.writes.delete_cf(&family, key);
    }

    /// Adds the removal of everything in a table, as one mark, whose space compactions free.
    pub(in crate::store) fn clear(&mut self, table: &'static str) {
        self.delete_range(table, &[], &[u8::MAX; PAST_EVERY_KEY]);
    }

    /// Adds the removal of everything from one key up to another, which stays.
    pub(in crate::store) fn delete_range(&mut self, table: &'static str, from: &[u8], to: &[u8]) {
        let family = self.family(table);
        self.writes.delete_range_cf(&family, from, to);
    }

    /// Writes it.
    pub(in crate::store) fn write(self, is_synced: bool) -> Result<(), StoreError> {
        let mut options = WriteOptions::default();
        options.set_sync(is_synced);
        self.rocks.write_with(self.writes, &options)
    }
}
