//! How a restored state becomes the chain's, a batch at a time.
//!
//! A note says that it is under way, and of which block, before anything is changed; the last batch moves the tip, says
//! that the blocks up to there are not here, and removes the note. Whatever is written in between is the same when it
//! is written again, and nobody reads it: after a crash the next start does all of it again, from what is still in its
//! own tables.

use crate::store::schema::{
    IdByHeight, LeavesByRun, Meta, MetaKey, MetaRecord, RestoredHeader, RunKey, SnapshotRecord,
};
use crate::store::{ChainStore, Durability, StoreError};
use cairn_ledger::accounts::{RUN_LEAVES, StateRun};
use cairn_ledger::{Height, LinkedHeader};

/// Headers in a batch.
const HEADERS: usize = 4_096;
/// What a run takes of the bytes for blocks while it is put in place: its accounts are in memory, 120 bytes for each.
/// Each time a file is added to three tables, so as many go at once as fit.
const RUN_BYTES: usize = RUN_LEAVES * 128;

/// The accounts of a snapshot that is all here, on their way to their place.
pub(crate) struct Install {
    pivot: LinkedHeader,
    record: SnapshotRecord,
    /// The next header …
    header: Height,
    /// … and the next run to be put in place.
    run: u64,
    /// Runs that are put in place at once.
    at_once: u64,
}

impl Install {
    /// Begins to make the accounts of a snapshot those of the chain, which is at block 0.
    pub(crate) fn begin(store: &ChainStore, pivot: LinkedHeader, bytes: usize) -> Result<Self, StoreError> {
        let height = pivot.header().height;
        let record = store.snapshots()?.into_iter().find(|(known, _)| *known == height).map(|(_, record)| record);
        let record = record.ok_or_else(|| StoreError::missing::<LeavesByRun>(height.get()))?;
        let mut batch = store.batch(0);
        batch.put::<Meta>(&MetaKey::Restoring, &MetaRecord::Restoring(pivot.id()));
        batch.write(Durability::Synced)?;
        Ok(Self::of(store, pivot, record, bytes))
    }

    /// Goes on with what a crash has interrupted, if it has.
    pub(crate) fn take_up(store: &ChainStore, bytes: usize) -> Result<Option<Self>, StoreError> {
        let Some(block) = store.restoring()? else { return Ok(None) };
        tracing::warn!(target: "cairn::chain", %block, "going on to put the accounts of a snapshot in place");
        let known = store.snapshots()?.into_iter().find(|(_, record)| record.block == block);
        let (height, record) = known.ok_or_else(|| StoreError::missing::<Meta>("restoring"))?;
        Ok(Some(Self::of(store, store.expect_restored_header(height)?, record, bytes)))
    }

    fn of(store: &ChainStore, pivot: LinkedHeader, record: SnapshotRecord, bytes: usize) -> Self {
        // Before the chain has them: nobody is to take what is not here for damage.
        store.watch_lowest_body().raise(pivot.header().height.saturating_add(1));
        Self { pivot, record, header: Height::new(1), run: 0, at_once: (bytes / RUN_BYTES).max(1) as u64 }
    }

    /// Writes the next batch; whether that was the last.
    pub(crate) fn step(&mut self, store: &ChainStore) -> Result<bool, StoreError> {
        let height = self.pivot.header().height;
        if self.header <= height {
            self.header = put_headers(store, self.header, height)?;
        } else if self.run < StateRun::runs(self.record.count) {
            self.put_runs(store)?;
        } else {
            self.end(store)?;
            return Ok(true);
        }
        Ok(false)
    }

    fn put_runs(&mut self, store: &ChainStore) -> Result<(), StoreError> {
        let (height, first) = (self.pivot.header().height, self.run);
        let last = StateRun::runs(self.record.count).min(first + self.at_once);
        let mut leaves = Vec::new();
        for number in first..last {
            let run = store.run_leaves(RunKey { height, number })?;
            leaves.extend_from_slice(&run.ok_or_else(|| StoreError::missing::<LeavesByRun>(number))?);
        }
        store.ingest_leaves(first * RUN_LEAVES as u64, &leaves)?;
        self.run = last;
        Ok(())
    }

    fn end(&self, store: &ChainStore) -> Result<(), StoreError> {
        let height = self.pivot.header().height;
        let mut batch = store.batch(0);
        batch.put::<Meta>(&MetaKey::Tip, &MetaRecord::Tip(self.pivot.id()));
        batch.put::<Meta>(&MetaKey::LowestBody, &MetaRecord::LowestBody(height.saturating_add(1)));
        batch.put::<Meta>(&MetaKey::Restored, &MetaRecord::Restored(height));
        batch.delete::<Meta>(&MetaKey::Roots);
        batch.delete::<Meta>(&MetaKey::Restoring);
        store.put_snapshot(&mut batch, height, &SnapshotRecord { is_whole: true, ..self.record });
        batch.write(Durability::Synced)?;
        store.drop_restored_headers()
    }
}

/// Puts headers up to the pivot on the chain, as many as go into a batch; the next.
pub(crate) fn put_headers(store: &ChainStore, from: Height, last: Height) -> Result<Height, StoreError> {
    let (mut batch, mut next) = (store.batch(HEADERS * 512), from);
    for header in store.restored_headers(from, last).take(HEADERS) {
        let header = header?;
        store.put_header(&mut batch, &header);
        batch.put::<IdByHeight>(&header.header().height, &header.id());
        next = header.header().height.saturating_add(1);
    }
    if next == from {
        return Err(StoreError::missing::<RestoredHeader>(from.get()));
    }
    batch.write(Durability::Buffered)?;
    Ok(next)
}
