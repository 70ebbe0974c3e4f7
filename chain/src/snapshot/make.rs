//! How the writer makes a snapshot: while nobody asks it anything, a run at a time.

use super::{Held, HeldSnapshots};
use crate::store::schema::{LeavesByRun, RunKey, SnapshotRecord, UndoLeaves};
use crate::store::{ChainStore, Durability, StoreError};
use cairn_ledger::accounts::{Leaf, RUN_LEAVES, RunLeaves, StateRun, run_root};
use cairn_ledger::{Account, Address, BlockId, Height};
use std::{collections::HashMap, sync::Arc};
use tokio::sync::watch;

/// Of so many accounts at most it is remembered what they were at the height of a snapshot that is begun later.
const MAX_CHANGED: usize = 1 << 18;

/// What makes snapshots, and knows which are held.
pub(crate) struct SnapshotMaker {
    every: u64,
    held: watch::Sender<Arc<Vec<Held>>>,
    /// Whether a block has come since it was last looked whether a snapshot is due.
    looks: bool,
    /// The last blocks for which one was begun, or could not be.
    begun: [Option<BlockId>; 2],
    making: Option<Making>,
}

/// A snapshot that is being made.
struct Making {
    height: Height,
    record: SnapshotRecord,
    /// The accounts as they were when it was begun, some blocks above it, maybe …
    from: ChainStore,
    /// … and what those had that were touched in between.
    changed: Changed,
    /// The next run.
    next: u64,
}

/// What accounts were before the last blocks, by index.
#[derive(Default)]
struct Changed(HashMap<u64, (Account, Option<Address>)>);

impl Changed {
    /// Takes a block back; the last first.
    fn take_back(&mut self, undo: &UndoLeaves) {
        for leaf in undo.leaves.iter() {
            let known = self.0.entry(leaf.index).or_insert((leaf.account, None));
            *known = (leaf.account, leaf.next.or(known.1));
        }
    }

    fn before(&self, index: u64, now: Leaf) -> Leaf {
        match self.0.get(&index) {
            Some((account, next)) => Leaf { account: *account, next: next.unwrap_or(now.next), ..now },
            None => now,
        }
    }
}

impl SnapshotMaker {
    /// What makes a snapshot every so many blocks, or only keeps those that are stored; and which are held.
    pub(crate) fn new(store: &ChainStore, every: u64) -> Result<(Self, HeldSnapshots), StoreError> {
        let (held, receiver) = watch::channel(Arc::new(stored(store, &[])?));
        Ok((Self { every, held, looks: true, begun: [None; 2], making: None }, receiver))
    }

    /// Notes that the chain has moved.
    pub(crate) fn look_again(&mut self) {
        self.looks = true;
    }

    /// Holds what is stored whole, however it came.
    ///
    /// # Errors
    /// A failing or corrupt database.
    pub(crate) fn hold_stored(&mut self, store: &ChainStore) -> Result<(), StoreError> {
        let known = self.held.borrow().clone();
        self.held.send_replace(Arc::new(stored(store, &known)?));
        Ok(())
    }

    /// Holds what is stored whole after something was mended, and looks anew what is due.
    ///
    /// # Errors
    /// A failing or corrupt database.
    pub(crate) fn begin_again(&mut self, store: &ChainStore) -> Result<(), StoreError> {
        (self.looks, self.begun, self.making) = (true, [None; 2], None);
        // What was known of them is known no more.
        self.held.send_replace(Arc::new(stored(store, &[])?));
        Ok(())
    }

    /// Whether there is something to do.
    pub(crate) fn is_busy(&self) -> bool {
        self.looks || self.making.is_some()
    }

    /// Makes a run, or looks what is due; nothing that takes long. `best` is the height of the best header.
    ///
    /// # Errors
    /// A failing or corrupt database; the accounts on the disk are not those of the header.
    pub(crate) fn step(&mut self, store: &ChainStore, best: Height) -> Result<(), StoreError> {
        if std::mem::take(&mut self.looks) {
            self.look(store, best)?;
        }
        let Some(making) = &mut self.making else { return Ok(()) };
        if making.next < StateRun::runs(making.record.count) {
            return making.make_next(store);
        }
        let made = self.making.take();
        made.map_or(Ok(()), |made| self.finish(store, made))
    }

    /// Drops what is of blocks that are on the chain no more, and begins what is due.
    fn look(&mut self, store: &ChainStore, best: Height) -> Result<(), StoreError> {
        let is_stale = |height: Height, block: &BlockId| Ok::<_, StoreError>(store.id_at(height)? != Some(*block));
        if let Some(making) = &self.making
            && is_stale(making.height, &making.record.block)?
        {
            self.making = None;
        }
        // Not borrowed any more when one is dropped.
        let all = self.held.borrow().clone();
        for held in all.iter() {
            if held.is_damaged() {
                return Err(StoreError::corrupt::<LeavesByRun>(held.height.get()));
            }
            if is_stale(held.height, &held.block)? {
                self.drop(store, held.height)?;
            }
        }
        let tip = store.expect_header(&store.tip()?)?.header().height.get();
        let newest = tip.checked_rem(self.every).map_or(0, |above| tip.saturating_sub(above));
        self.drop_old(store, tip, newest)?;
        // The one before may have been made by nobody here: those who begin now take that one.
        for due in [newest.saturating_sub(self.every), newest] {
            // One that others are two periods above is of no use to anybody.
            let is_late = best.get() >= due.saturating_add(self.every.saturating_mul(2));
            if due == 0 || is_late || self.making.is_some() {
                continue;
            }
            let block = store.header_on_chain(Height::new(due))?.id();
            if !self.begun.contains(&Some(block)) {
                self.begun = [self.begun[1], Some(block)];
                self.making = begin(store, Height::new(due), Height::new(tip))?;
            }
        }
        Ok(())
    }

    /// Drops what is older than the last two, once the newest is half a period old: whoever fetches it then has had
    /// half a period for it.
    fn drop_old(&self, store: &ChainStore, tip: u64, newest: u64) -> Result<(), StoreError> {
        if tip < newest.saturating_add(self.every / 2) {
            return Ok(());
        }
        let all = self.held.borrow().clone();
        for held in all.iter() {
            if held.height.get().saturating_add(self.every) < newest {
                self.drop(store, held.height)?;
            }
        }
        Ok(())
    }

    fn finish(&mut self, store: &ChainStore, made: Making) -> Result<(), StoreError> {
        let record = SnapshotRecord { is_whole: true, ..made.record };
        // The accounts on the disk are those of the header, or the disk, or this copy of them, is damaged.
        if let Err(damage) = Held::load(store, made.height, &record) {
            store.drop_snapshot(made.height)?;
            return Err(damage);
        }
        let mut batch = store.batch(0);
        store.put_snapshot(&mut batch, made.height, &record);
        batch.write(Durability::Synced)?;
        tracing::info!(target: "cairn::chain", height = made.height.get(), accounts = record.count - 1, "made a snapshot of the accounts");
        // The other one may be due.
        self.looks = true;
        self.hold_stored(store)
    }

    /// Gives up all, whole or not; whether there were any.
    ///
    /// # Errors
    /// A failing database.
    pub(crate) fn drop_all(&mut self, store: &ChainStore) -> Result<bool, StoreError> {
        self.making = None;
        let all = store.snapshots()?;
        // What is being fetched from others is not this node's to give.
        if store.has_restored_headers()? {
            return Ok(false);
        }
        all.iter().try_for_each(|(height, _)| self.drop(store, *height))?;
        Ok(!all.is_empty())
    }

    /// Nobody is told of it any more before it goes.
    fn drop(&self, store: &ChainStore, height: Height) -> Result<(), StoreError> {
        let stays: Vec<_> = self.held.borrow().iter().filter(|held| held.height != height).cloned().collect();
        self.held.send_replace(Arc::new(stays));
        store.drop_snapshot(height)
    }
}

/// The snapshots that are stored whole, the lowest first. What is known of one, its damage too, stays known.
fn stored(store: &ChainStore, known: &[Held]) -> Result<Vec<Held>, StoreError> {
    let whole = store.snapshots()?.into_iter().filter(|(_, record)| record.is_whole);
    let held = whole.map(|(height, record)| match known.iter().find(|held| held.block == record.block) {
        Some(held) => Ok(held.clone()),
        None => Held::load(store, height, &record),
    });
    held.collect()
}

/// Begins a snapshot, or goes on with it; `None` where it is there, or the blocks since then were pruned or changed too
/// much.
fn begin(store: &ChainStore, height: Height, tip: Height) -> Result<Option<Making>, StoreError> {
    let (header, mut known) = (store.header_on_chain(height)?, None);
    for (at, record) in store.snapshots()? {
        if at == height && record.block == header.id() {
            known = Some(record);
        } else if at == height || !record.is_whole {
            store.drop_snapshot(at)?;
        }
    }
    if known.is_some_and(|record| record.is_whole) {
        return Ok(None);
    }
    // All of one moment.
    let from = store.frozen();
    let mut changed = Changed::default();
    for height in (height.get() + 1..=tip.get()).rev().map(Height::new) {
        if !from.is_whole(height) || changed.0.len() > MAX_CHANGED {
            tracing::info!(
                target: "cairn::chain",
                height = header.header().height.get(),
                changed = changed.0.len(),
                "no snapshot of the accounts as of this block: it is too long ago"
            );
            return Ok(None);
        }
        changed.take_back(&from.undo(&from.header_on_chain(height)?)?);
    }
    let (block, state_root) = (header.id(), header.header().state_root);
    let record = SnapshotRecord { block, state_root, count: from.count_after(height)?, is_whole: false };
    let next = match known {
        Some(_) => store.run_roots(height)?.len() as u64,
        None => {
            let mut batch = store.batch(0);
            store.put_snapshot(&mut batch, height, &record);
            batch.write(Durability::Buffered)?;
            0
        }
    };
    Ok(Some(Making { height, record, from, changed, next }))
}

impl Making {
    fn make_next(&mut self, store: &ChainStore) -> Result<(), StoreError> {
        let first = self.next * RUN_LEAVES as u64;
        let indices = first..self.record.count.min(first + RUN_LEAVES as u64);
        let leaves = self.from.leaves_at(indices.clone())?;
        let leaves = indices.zip(leaves).map(|(index, leaf)| self.changed.before(index, leaf)).collect();
        let leaves = RunLeaves::new(leaves).map_err(|_| StoreError::corrupt::<LeavesByRun>(first))?;
        let root = run_root(self.record.count, &leaves);
        let mut batch = store.batch(0);
        store.put_run(&mut batch, RunKey { height: self.height, number: self.next }, &root, &leaves);
        batch.write(Durability::Buffered)?;
        self.next += 1;
        Ok(())
    }
}
