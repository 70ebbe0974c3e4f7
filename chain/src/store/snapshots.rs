//! Snapshots of the accounts, and what is here of one that is being fetched from others.

use super::schema::{
    HeaderRecord, LeavesByRun, Meta, MetaKey, MetaRecord, RestoredHeader, RootByRun, RunKey, SnapshotByHeight,
    SnapshotRecord,
};
use super::{Batch, ChainStore, Durability, StoreError};
use cairn_ledger::accounts::RunLeaves;
use cairn_ledger::mmr::{Mmr, MmrNode, MmrPosition};
use cairn_ledger::{BlockId, ChainContext, Hash, Height, LinkedHeader};

/// The number at the end of a key.
fn last_number(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(*key.last_chunk()?))
}

/// The keys of a snapshot's runs: from, and up to.
fn runs_of(height: Height) -> (RunKey, RunKey) {
    (RunKey { height, number: 0 }, RunKey { height: Height::new(height.get().saturating_add(1)), number: 0 })
}

impl ChainStore {
    /// All snapshots, whole or not, the lowest first.
    ///
    /// # Errors
    /// A failing or corrupt database.
    pub fn snapshots(&self) -> Result<Vec<(Height, SnapshotRecord)>, StoreError> {
        let entries = self.db.entries::<SnapshotByHeight>().map(|entry| {
            let (key, record) = entry?;
            let height = last_number(&key).ok_or_else(|| StoreError::corrupt::<SnapshotByHeight>(hex::encode(&key)))?;
            Ok((Height::new(height), record))
        });
        entries.collect()
    }

    /// Sets what is known of a snapshot.
    pub(crate) fn put_snapshot(&self, batch: &mut Batch<'_>, height: Height, record: &SnapshotRecord) {
        batch.put::<SnapshotByHeight>(&height, record);
    }

    /// Sets a run of a snapshot.
    pub(crate) fn put_run(&self, batch: &mut Batch<'_>, key: RunKey, root: &Hash, leaves: &RunLeaves) {
        batch.put::<LeavesByRun>(&key, leaves);
        batch.put::<RootByRun>(&key, root);
    }

    /// The leaves of a run.
    ///
    /// # Errors
    /// A failing or corrupt database.
    pub(crate) fn run_leaves(&self, key: RunKey) -> Result<Option<RunLeaves>, StoreError> {
        self.db.get::<LeavesByRun>(&key)
    }

    /// The runs of a snapshot that are here, ascending, and the node over each.
    ///
    /// # Errors
    /// A failing or corrupt database.
    pub(crate) fn run_roots(&self, height: Height) -> Result<Vec<(u64, Hash)>, StoreError> {
        let prefix = height.get().to_be_bytes();
        let entries = self.db.entries_from::<RootByRun>(&runs_of(height).0);
        let of_height = entries.take_while(|entry| entry.as_ref().map_or(true, |(key, _)| key.starts_with(&prefix)));
        let numbered = of_height.map(|entry| {
            let (key, root) = entry?;
            let number = last_number(&key).ok_or_else(|| StoreError::corrupt::<RootByRun>(hex::encode(&key)))?;
            Ok((number, root))
        });
        numbered.collect()
    }

    /// Removes a snapshot; its files go at once.
    ///
    /// # Errors
    /// A failing database.
    pub(crate) fn drop_snapshot(&self, height: Height) -> Result<(), StoreError> {
        let (from, to) = runs_of(height);
        let mut batch = self.batch(0);
        batch.delete::<SnapshotByHeight>(&height);
        batch.delete_range::<LeavesByRun>(&from, &to);
        batch.delete_range::<RootByRun>(&from, &to);
        // Files go at once: what is gone must not be taken for damage after a power cut.
        batch.write(Durability::Synced)?;
        self.db.free_range::<LeavesByRun>(&from, &to)?;
        self.db.free_range::<RootByRun>(&from, &to)
    }

    /// The block whose accounts came from others; `None` where all blocks were executed here.
    ///
    /// # Errors
    /// A failing or corrupt database.
    pub fn restored(&self) -> Result<Option<Height>, StoreError> {
        Ok(match self.db.get::<Meta>(&MetaKey::Restored)? {
            Some(MetaRecord::Restored(height)) => Some(height),
            _ => None,
        })
    }

    /// The block whose accounts are being put in place, if that is under way.
    ///
    /// # Errors
    /// A failing or corrupt database.
    pub(crate) fn restoring(&self) -> Result<Option<BlockId>, StoreError> {
        Ok(match self.db.get::<Meta>(&MetaKey::Restoring)? {
            Some(MetaRecord::Restoring(block)) => Some(block),
            _ => None,
        })
    }

    /// A header of a restore under way.
    ///
    /// # Errors
    /// A failing or corrupt database.
    pub(crate) fn restored_header(&self, height: Height) -> Result<Option<LinkedHeader>, StoreError> {
        Ok(self.db.get::<RestoredHeader>(&height)?.map(linked))
    }

    /// The same for one that must be there; block 0 always is.
    pub(crate) fn expect_restored_header(&self, height: Height) -> Result<LinkedHeader, StoreError> {
        if height == Height::GENESIS {
            return self.header_on_chain(height);
        }
        self.restored_header(height)?.ok_or_else(|| StoreError::missing::<RestoredHeader>(height.get()))
    }

    /// The headers of a restore under way from a height up to another, which is the last.
    pub(crate) fn restored_headers(
        &self,
        from: Height,
        last: Height,
    ) -> impl Iterator<Item = Result<LinkedHeader, StoreError>> {
        let entries = self.db.entries_from::<RestoredHeader>(&from);
        let headers = entries.map(|entry| entry.map(|(_, record)| linked(record)));
        headers.take_while(move |header| header.as_ref().map_or(true, |header| header.header().height <= last))
    }

    /// Whether there are headers of a restore.
    ///
    /// # Errors
    /// A failing database.
    pub(crate) fn has_restored_headers(&self) -> Result<bool, StoreError> {
        Ok(self.db.last_key::<RestoredHeader>()?.is_some())
    }

    /// The last header of a restore under way as the parent of others: block 0 where there is none.
    ///
    /// # Errors
    /// A failing or corrupt database.
    pub(crate) fn restored_tip(&self) -> Result<ChainContext, StoreError> {
        let last = self.db.last_key::<RestoredHeader>()?.and_then(|key| last_number(&key));
        self.restored_context(Height::new(last.unwrap_or(0)))
    }

    /// The header of a restore at that height as the parent of others.
    ///
    /// # Errors
    /// A failing or corrupt database.
    pub(crate) fn restored_context(&self, height: Height) -> Result<ChainContext, StoreError> {
        let (header, count) = (self.expect_restored_header(height)?, height.get().saturating_add(1));
        let node = |position: MmrPosition| -> Result<MmrNode, StoreError> {
            super::completed_node(&self.expect_restored_header(position.completed_by())?, position)
        };
        let peaks = Mmr::peak_positions(count).into_iter().map(node).collect::<Result<_, _>>()?;
        let corrupt = || StoreError::corrupt::<RestoredHeader>(format!("the history of {count} blocks"));
        let history = Mmr::from_peaks(count, peaks).ok_or_else(corrupt)?;
        Ok(ChainContext::restore(header.header().clone(), header.id(), history))
    }

    /// Adds a header to a restore.
    pub(crate) fn put_restored_header(&self, batch: &mut Batch<'_>, header: &LinkedHeader) {
        batch.put::<RestoredHeader>(&header.header().height, &HeaderRecord::from(header));
    }

    /// Removes the headers of a restore above a height.
    pub(crate) fn cut_restored_headers(&self, batch: &mut Batch<'_>, above: Height) {
        batch.delete_range::<RestoredHeader>(&Height::new(above.get().saturating_add(1)), &Height::new(u64::MAX));
    }

    /// Removes all headers of a restore, at once.
    pub(crate) fn drop_restored_headers(&self) -> Result<(), StoreError> {
        let (from, to) = (Height::GENESIS, Height::new(u64::MAX));
        let mut batch = self.batch(0);
        batch.delete_range::<RestoredHeader>(&from, &to);
        batch.write(Durability::Synced)?;
        self.db.free_range::<RestoredHeader>(&from, &to)
    }
}

pub(super) fn linked(record: HeaderRecord) -> LinkedHeader {
    let HeaderRecord { header, total_work, next_target, completed } = record;
    let id = header.id();
    LinkedHeader::restore(header, id, total_work, next_target, completed.into_vec())
}
