//! Snapshots: the accounts as they were after some block, for nodes that begin with them instead of with block 0.
//!
//! # Whose word it is
//! Nobody's. A run of a snapshot is verified against the state root in a header ([`StateRun`]), and the header by the
//! work on it and above it. What is not checked by whoever begins so is that the blocks up to there were right: that
//! most of the work was spent on an invalid history. Such a node has `trust: work`, one that executed all blocks
//! `trust: full`.
//!
//! # Making
//! Every so many blocks (`snapshot_every`, the same number on all nodes) the writer reads the accounts while nobody
//! asks it anything, run by run, and stores them once more (`make`). It may begin some blocks later: undo records tell
//! what the accounts were. In the end the runs have to lead to the state root in the block's header, so each snapshot
//! checks all that the disk has of the accounts. The last two are kept, and the one before until the newest is half a
//! period old. Whoever has the tip finds one of them at least `snapshot_every` blocks down, where no reorganisation
//! reaches it, and that one stays for half a period at the least.
//!
//! # Restoring
//! All headers come first, and are checked; then the runs as of the *pivot*, the last such height that is deep enough,
//! in any order and from anybody ([`Restore`]). They lie in tables of their own, so that a crash costs nothing that
//! came, and until the last is here the chain is at block 0. Then they are put in place (`install`), in an order that a
//! crash may interrupt anywhere: the next start does it again.
//!
//! # Map
//! [`Snapshots`] what is held, and given · `make` how the writer makes one · [`Restore`] what comes from others ·
//! `install` how it becomes the chain

pub(crate) mod install;
mod make;
mod restore;

pub(crate) use install::Install;
pub(crate) use make::SnapshotMaker;
pub use restore::{Restore, RestoreRefusal, StateProgress};

use crate::store::schema::{LeavesByRun, RootByRun, RunKey, SnapshotRecord};
use crate::store::{ChainStore, DbOptions, StoreError};
use cairn_ledger::accounts::{RunTree, StateRun, run_root};
use cairn_ledger::{BlockId, Hash, Height};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::watch;

/// Puts in order, before anything is read, what a crash or other settings have left of snapshots. None of it is worth
/// more than itself: what cannot be read is removed.
pub(crate) fn prepare(store: &ChainStore, options: DbOptions) -> Result<(), StoreError> {
    if let Some(mut install) = Install::take_up(store, options.block_bytes)? {
        while !install.step(store)? {}
    }
    let is_fresh = store.id_at(Height::new(1))?.is_none();
    let goes_on = options.from_snapshot && is_fresh && store.restored_tip().is_ok();
    if !goes_on && store.has_restored_headers()? {
        restore::remove(store)?;
    }
    for (height, record) in store.snapshots()?.into_iter().filter(|(_, record)| record.is_whole) {
        match Held::load(store, height, &record) {
            Ok(_) if options.keep_snapshots => {}
            Err(damage) if damage.damaged_table().is_some() => return Err(damage),
            Ok(_) | Err(_) => store.drop_snapshot(height)?,
        }
    }
    Ok(())
}

/// A snapshot that is held whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotInfo {
    /// The block after which the accounts were so.
    pub height: Height,
    /// The root over them.
    pub state_root: Hash,
    /// How many there are, the sentinel not counted.
    pub accounts: u64,
}

/// A snapshot that is held whole, with the tree above its runs.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) height: Height,
    pub(crate) block: BlockId,
    state_root: Hash,
    tree: Arc<RunTree>,
    /// Whether a run of it could not be read, or is not what it was.
    is_damaged: Arc<AtomicBool>,
}

impl Held {
    /// A whole snapshot as it is stored.
    pub(crate) fn load(store: &ChainStore, height: Height, record: &SnapshotRecord) -> Result<Self, StoreError> {
        let tree = tree_of(store, height, record.count)?;
        let tree = tree.ok_or_else(|| StoreError::missing::<RootByRun>(height.get()))?;
        let (got, expected) = (tree.state_root(), record.state_root);
        if got != expected {
            return Err(StoreError::StateMismatch { got, expected });
        }
        let (tree, is_damaged) = (Arc::new(tree), Arc::default());
        Ok(Self { height, block: record.block, state_root: expected, tree, is_damaged })
    }

    fn is_damaged(&self) -> bool {
        self.is_damaged.load(Ordering::Relaxed)
    }

    /// From now on nobody is told of it.
    fn note_damage<T>(&self, error: &StoreError) -> Option<T> {
        if !self.is_damaged.swap(true, Ordering::Relaxed) {
            tracing::warn!(target: "cairn::chain", height = self.height.get(), %error, "a snapshot is damaged, and is given to nobody any more");
        }
        None
    }

    fn info(&self) -> SnapshotInfo {
        let accounts = self.tree.count().saturating_sub(1);
        SnapshotInfo { height: self.height, state_root: self.state_root, accounts }
    }
}

/// The tree above the runs of a snapshot; `None` while some are missing.
fn tree_of(store: &ChainStore, height: Height, count: u64) -> Result<Option<RunTree>, StoreError> {
    let roots = store.run_roots(height)?;
    let in_order = roots.iter().zip(0..).all(|((number, _), expected)| *number == expected);
    Ok(RunTree::new(count, roots.into_iter().map(|(_, root)| root).collect()).filter(|_| in_order))
}

/// Which snapshots are held whole, for readers. Cloning shares it.
#[derive(Clone, Debug)]
pub(crate) struct Snapshots {
    /// At heights that this divides there may be one.
    pub(crate) every: u64,
    pub(crate) held: HeldSnapshots,
}

/// Those that are held whole, the lowest first, as they are now.
pub(crate) type HeldSnapshots = watch::Receiver<Arc<Vec<Held>>>;

impl Snapshots {
    /// The lowest first.
    pub(crate) fn list(&self) -> Vec<SnapshotInfo> {
        self.held.borrow().iter().filter(|held| !held.is_damaged()).map(Held::info).collect()
    }

    /// A run of one; `None` where there is no such snapshot any more, or no such run. What the disk gives is checked,
    /// and a damaged snapshot is given no more: it is only a copy.
    pub(crate) fn run(&self, store: &ChainStore, state_root: &Hash, number: u64) -> Option<StateRun> {
        let held = self.held.borrow().iter().find(|held| held.state_root == *state_root).cloned()?;
        let expected = held.tree.run_root(number).filter(|_| !held.is_damaged())?;
        let leaves = match store.run_leaves(RunKey { height: held.height, number }) {
            // It may have gone in this moment.
            Ok(leaves) => leaves?,
            Err(error) => return held.note_damage(&error),
        };
        if run_root(held.tree.count(), &leaves) != expected {
            return held.note_damage(&StoreError::corrupt::<LeavesByRun>(format!("{number} of {}", held.height)));
        }
        held.tree.run(number, leaves)
    }
}
