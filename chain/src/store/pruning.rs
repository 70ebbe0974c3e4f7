//! Pruning: the bodies of old blocks go, with their undo records and what the indexes say of them. Headers, history and
//! accounts stay, so light proofs and proofs of accounts are the same as on any node.
//!
//! Bodies and undo records lie in order of height, so they go as files, and nothing is written anew. What the indexes say of
//! pruned blocks counts as gone from then on, and leaves the disk when its table is compacted next.

use super::chain_store::touch_key;
use super::codec::{Table, decode_value};
use super::schema::{
    BlockKey, BodyByBlock, LocationByTxid, Meta, MetaKey, MetaRecord, TouchByAccount, TxLocation, UndoByBlock,
};
use super::{ChainStore, Durability, StoreError};
use cairn_ledger::{Height, block::block_size};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Of so many blocks up to the tip the bodies are always kept: no reorganisation goes deeper that is not an attack of
/// most of all hashes for hours.
pub const LEAST_KEPT: u64 = 288;

/// The lowest block that was not pruned, but for block 0, which never is; 0 as long as none was. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct LowestBody(Arc<AtomicU64>);

impl LowestBody {
    /// Of a chain that was pruned below that height.
    pub fn new(height: Height) -> Self {
        Self(Arc::new(AtomicU64::new(height.get())))
    }

    /// Its height.
    pub fn get(&self) -> Height {
        Height::new(self.0.load(Ordering::Acquire))
    }

    pub(crate) fn raise(&self, to: Height) {
        self.0.fetch_max(to.get(), Ordering::AcqRel);
    }

    fn lower(&self, to: Height) {
        self.0.fetch_min(to.get(), Ordering::AcqRel);
    }
}

/// Whether an entry of an index is about a pruned block. What cannot be read is damage, and not pruned.
pub(super) fn is_pruned(table: &str, key: &[u8], value: &[u8], lowest: Height) -> bool {
    let height = match table {
        LocationByTxid::NAME => decode_value::<LocationByTxid>(key, value).map(|location| location.height),
        TouchByAccount::NAME => touch_key(key).map(|touch| touch.height),
        _ => return false,
    };
    lowest > Height::GENESIS && height.is_ok_and(|height| height < lowest)
}

impl ChainStore {
    /// The height of the lowest block that was not pruned, but for block 0; 0 as long as none was.
    pub fn lowest_body(&self) -> Height {
        self.lowest.get()
    }

    /// The same, as it will be from now on.
    pub fn watch_lowest_body(&self) -> LowestBody {
        self.lowest.clone()
    }

    /// Whether the body of a connected block at that height is here.
    pub fn is_kept(&self, height: Height) -> bool {
        height == Height::GENESIS || height >= self.lowest.get()
    }

    /// Notes what was pruned before the database was opened.
    pub(super) fn load_lowest(&self) -> Result<(), StoreError> {
        if let Some(MetaRecord::LowestBody(height)) = self.db.get::<Meta>(&MetaKey::LowestBody)? {
            self.lowest.raise(height);
        }
        Ok(())
    }

    /// Prunes all blocks below `height`, but never one of the last [`LEAST_KEPT`]; whether any were.
    ///
    /// # Errors
    /// A failing or corrupt database.
    pub fn prune(&self, height: Height) -> Result<bool, StoreError> {
        let tip = self.expect_header(&self.tip()?)?.header().height;
        let height = height.min(Height::new((tip.get() + 1).saturating_sub(LEAST_KEPT)));
        if height <= self.lowest.get().max(Height::new(1)) {
            return Ok(false);
        }
        let (from, to) = (BlockKey::before(Height::new(1)), BlockKey::before(height));
        let mut batch = self.batch(0);
        batch.delete_range::<BodyByBlock>(&from, &to);
        batch.delete_range::<UndoByBlock>(&from, &to);
        batch.put::<Meta>(&MetaKey::LowestBody, &MetaRecord::LowestBody(height));
        // What is gone must not be taken for damage after a power cut.
        batch.write(Durability::Synced)?;
        self.lowest.raise(height);
        self.db.free_range::<BodyByBlock>(&from, &to)?;
        self.db.free_range::<UndoByBlock>(&from, &to)?;
        Ok(true)
    }

    /// Takes in up to so many blocks, of about so many bytes, below the lowest that is here, the highest first, from the database of a chain that has
    /// executed them; the lowest that is here then. All that it says of them is the same as if they had been executed here.
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
            for (transaction, place) in body.iter().zip(0..) {
                places.put::<LocationByTxid>(&transaction.id(), &TxLocation { height, place });
            }
        }
        bodies.write(Durability::Buffered)?;
        // In this order: whoever looks finds what counts as kept, and a compaction leaves the places.
        let all = to.get() <= 1;
        self.lowest.lower(if all { Height::GENESIS } else { to });
        match all {
            true => places.delete::<Meta>(&MetaKey::LowestBody),
            false => places.put::<Meta>(&MetaKey::LowestBody, &MetaRecord::LowestBody(to)),
        }
        places.write(Durability::Buffered)?;
        Ok(self.lowest.get())
    }

    /// Writes the indexes anew, without what they say of pruned blocks. It takes as long as reading and writing them.
    pub fn compact_indexes(&self) {
        self.db.compact::<LocationByTxid>();
        self.db.compact::<TouchByAccount>();
    }

    /// Refuses a height at which the body is gone.
    ///
    /// # Errors
    /// It was pruned.
    pub(crate) fn expect_kept(&self, height: Height) -> Result<(), StoreError> {
        if self.is_kept(height) { Ok(()) } else { Err(StoreError::Pruned { height, lowest: self.lowest.get() }) }
    }
}
