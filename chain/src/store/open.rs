//! Opening a chain: what is in the database has to be this network's, in this program's format.

use super::pruning::LowestBody;
use super::schema::{BlockKey, BodyByBlock, FORMAT, IdByHeight, Meta, MetaKey, MetaRecord};
use super::{ChainStore, Db, DbOptions, Durability, MemoryDisk, StoreError};
use crate::heal::heal_meta;
use cairn_ledger::{Body, ChainSpec, Height, LinkedHeader};
use std::path::Path;

impl ChainStore {
    /// Opens the chain of `spec` in `path`, creating it at block 0 when there is none.
    ///
    /// # Errors
    /// Another network's database, another format, or a failing disk.
    pub fn open(path: &Path, spec: &ChainSpec, options: DbOptions) -> Result<Self, StoreError> {
        Self::refuse_older(path, spec, options)?;
        let lowest = LowestBody::default();
        Self::open_or_create(Db::open(path, options, &lowest)?, spec, lowest, options)
    }

    /// The same on a disk that is only in memory.
    ///
    /// # Errors
    /// Another network's database, or another format.
    pub fn open_in_memory(disk: MemoryDisk, spec: &ChainSpec) -> Result<Self, StoreError> {
        Self::open_or_create(Db::open_in_memory(disk), spec, LowestBody::default(), DbOptions::default())
    }

    fn open_or_create(db: Db, spec: &ChainSpec, lowest: LowestBody, options: DbOptions) -> Result<Self, StoreError> {
        let store = Self { db, genesis: LinkedHeader::genesis(spec), lowest };
        let is_identified = match store.is_identified(spec) {
            Err(damage) if damage.damaged_table().is_some() => {
                tracing::warn!(target: "cairn::chain", %damage, "the database does not say any more what it is: going by its chain");
                heal_meta(&store, spec, options)?;
                true
            }
            is_identified => is_identified?,
        };
        if !is_identified {
            store.create(spec)?;
        }
        store.load_lowest()?;
        Ok(store)
    }

    fn read_only(db: Db, spec: &ChainSpec) -> Self {
        Self { db, genesis: LinkedHeader::genesis(spec), lowest: LowestBody::default() }
    }

    /// Opens the chain of `spec` in `path` for reading alone: nothing in it is changed.
    ///
    /// # Errors
    /// No database, another network's, another format, or a failing disk.
    pub fn open_read_only(path: &Path, spec: &ChainSpec, options: DbOptions) -> Result<Self, StoreError> {
        Self::refuse_older(path, spec, options)?;
        let store = Self::read_only(Db::open_read_only(path, options)?, spec);
        if !store.is_identified(spec)? {
            return Err(StoreError::missing::<Meta>("identity"));
        }
        if store.restoring()?.is_some() {
            return Err(StoreError::Restoring);
        }
        store.load_lowest()?;
        Ok(store)
    }

    /// The same for a database that may be damaged: one that does not say what it is, is taken to be the right one.
    ///
    /// # Errors
    /// No database, another network's, another format, or one that RocksDB cannot open.
    pub fn open_damaged(path: &Path, spec: &ChainSpec, options: DbOptions) -> Result<Self, StoreError> {
        let store = Self::read_only(Db::open_damaged(path, options)?, spec);
        match store.is_identified(spec).and_then(|_| store.load_lowest()) {
            Err(error) if !error.is_storage_failure() => Err(error),
            Ok(()) | Err(_) => Ok(store),
        }
    }

    /// Refuses a database of another format that lacks tables before it gets them: what made it would not open it
    /// again.
    fn refuse_older(path: &Path, spec: &ChainSpec, options: DbOptions) -> Result<(), StoreError> {
        if Db::lacks_tables(path) {
            Self::read_only(Db::open_damaged(path, options)?, spec).is_identified(spec)?;
        }
        Ok(())
    }

    /// Whether the database says what it is; it has to be this network's, in this program's format.
    fn is_identified(&self, spec: &ChainSpec) -> Result<bool, StoreError> {
        match self.db.get::<Meta>(&MetaKey::Identity)? {
            None => Ok(false),
            Some(MetaRecord::Identity { format, .. }) if format != FORMAT => {
                Err(StoreError::Format { got: format, expected: FORMAT })
            }
            Some(MetaRecord::Identity { genesis_id, .. }) if genesis_id != spec.genesis_id() => {
                Err(StoreError::OtherNetwork { got: genesis_id, expected: spec.genesis_id() })
            }
            Some(_) => Ok(true),
        }
    }

    /// Writes block 0 and its accounts.
    fn create(&self, spec: &ChainSpec) -> Result<(), StoreError> {
        let mut batch = self.batch(0);
        let genesis_id = spec.genesis_id();
        batch.put::<Meta>(&MetaKey::Identity, &MetaRecord::Identity { format: FORMAT, genesis_id });
        self.put_header(&mut batch, &self.genesis);
        batch.put::<BodyByBlock>(&BlockKey::from(&self.genesis), &Body::default());
        batch.put::<IdByHeight>(&Height::GENESIS, &genesis_id);
        for (leaf, index) in spec.genesis_leaves().iter().zip(0..) {
            self.put_leaf(&mut batch, index, leaf);
        }
        batch.put::<Meta>(&MetaKey::Tip, &MetaRecord::Tip(genesis_id));
        batch.write(Durability::Synced)
    }
}
