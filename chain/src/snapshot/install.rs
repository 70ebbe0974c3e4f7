//! How a restored state becomes the chain's.
//!
//! A note says that it is under way, and of which block, before anything is changed; the last batch moves the tip, says that
//! the blocks up to there are not here, and removes the note. Whatever is written in between is the same when it is
//! written again, and nobody reads it: after a crash the next start does all of it again, from what is still in its own
//! tables.

use crate::store::schema::{IdByHeight, LeavesByRun, Meta, MetaKey, MetaRecord, RunKey, SnapshotRecord};
use crate::store::{ChainStore, Durability, StoreError};
use cairn_ledger::accounts::{RUN_LEAVES, StateRun};
use cairn_ledger::{Height, LinkedHeader};

/// Headers in a batch.
const HEADERS: usize = 4_096;

/// Goes on with what a crash has interrupted, if it has.
pub(crate) fn take_up(store: &ChainStore) -> Result<(), StoreError> {
    let Some(block) = store.restoring()? else { return Ok(()) };
    tracing::warn!(target: "cairn::chain", %block, "going on to put the accounts of a snapshot in place");
    let known = store.snapshots()?.into_iter().find(|(_, record)| record.block == block);
    let (height, record) = known.ok_or_else(|| StoreError::missing::<Meta>("restoring"))?;
    put_in_place(store, &store.expect_restored_header(height)?, record)
}

/// Makes the accounts of a snapshot that is all here those of the chain, which is at block 0.
pub(crate) fn install(store: &ChainStore, pivot: &LinkedHeader) -> Result<(), StoreError> {
    let height = pivot.header().height;
    let record = store.snapshots()?.into_iter().find(|(known, _)| *known == height).map(|(_, record)| record);
    let record = record.ok_or_else(|| StoreError::missing::<LeavesByRun>(height.get()))?;
    let mut batch = store.batch(0);
    batch.put::<Meta>(&MetaKey::Restoring, &MetaRecord::Restoring(pivot.id()));
    batch.write(Durability::Synced)?;
    put_in_place(store, pivot, record)
}

fn put_in_place(store: &ChainStore, pivot: &LinkedHeader, record: SnapshotRecord) -> Result<(), StoreError> {
    let height = pivot.header().height;
    let above = Height::new(height.get().saturating_add(1));
    // Before the chain has them: nobody is to take what is not here for damage.
    store.watch_lowest_body().raise(above);
    put_headers(store, height)?;
    for number in 0..StateRun::runs(record.count) {
        let leaves = store.run_leaves(RunKey { height, number })?;
        let leaves = leaves.ok_or_else(|| StoreError::missing::<LeavesByRun>(number))?;
        let mut batch = store.batch(leaves.len() * 256);
        for (index, leaf) in (number * RUN_LEAVES as u64..).zip(leaves.iter()) {
            store.put_leaf(&mut batch, index, leaf);
        }
        batch.write(Durability::Buffered)?;
    }
    let mut batch = store.batch(0);
    batch.put::<Meta>(&MetaKey::Tip, &MetaRecord::Tip(pivot.id()));
    batch.put::<Meta>(&MetaKey::LowestBody, &MetaRecord::LowestBody(above));
    batch.put::<Meta>(&MetaKey::Restored, &MetaRecord::Restored(height));
    batch.delete::<Meta>(&MetaKey::Roots);
    batch.delete::<Meta>(&MetaKey::Restoring);
    store.put_snapshot(&mut batch, height, &SnapshotRecord { is_whole: true, ..record });
    batch.write(Durability::Synced)?;
    store.drop_restored_headers()
}

/// The headers up to the pivot are on the chain from now on.
pub(crate) fn put_headers(store: &ChainStore, last: Height) -> Result<(), StoreError> {
    let mut headers = store.restored_headers(Height::GENESIS, last).peekable();
    while headers.peek().is_some() {
        let mut batch = store.batch(HEADERS * 512);
        for header in headers.by_ref().take(HEADERS) {
            let header = header?;
            store.put_header(&mut batch, &header);
            batch.put::<IdByHeight>(&header.header().height, &header.id());
        }
        batch.write(Durability::Buffered)?;
    }
    Ok(())
}
