//! What has come of a snapshot, and of the headers up to it, while it is fetched from others.

use super::tree_of;
use crate::read::locator_heights;
use crate::store::schema::{RunKey, SnapshotRecord};
use crate::store::{ChainStore, Durability, StoreError};
use cairn_ledger::accounts::{StateRun, run_root};
use cairn_ledger::validate::{check_header, check_work};
use cairn_ledger::{BlockId, ChainContext, ChainSpec, Header, HeaderError, Height, LinkedHeader, Timestamp, Work};
use std::collections::BTreeSet;
use std::sync::{Arc, Weak};

/// A restore under way. What came of it is in the database, in tables that nothing else reads: a crash costs the last
/// moments of it at most. All that it does blocks on the disk.
pub struct Restore {
    store: Arc<ChainStore>,
    spec: Arc<ChainSpec>,
    every: u64,
    tip: ChainContext,
    state: Option<PartialState>,
    /// While it is there, the writer leaves the chain at block 0.
    token: Arc<()>,
}

/// What is here of the accounts.
struct PartialState {
    pivot: LinkedHeader,
    /// How many leaves there are, once a run has told.
    count: Option<u64>,
    have: BTreeSet<u64>,
}

/// How far the accounts are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateProgress {
    /// How many runs there are; not known before the first has come.
    pub runs: Option<u64>,
    /// Those that are here, ascending.
    pub have: Vec<u64>,
}

/// Why headers were not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreRefusal {
    /// They do not go on from a block that is known here; or from one below the last, where that is not asked for.
    #[error("the headers do not go on from those that are here")]
    Unlinked,
    /// One of them breaks a rule, or this machine's clock is behind.
    #[error(transparent)]
    Invalid(#[from] HeaderError),
}

impl Restore {
    /// What is here of a restore; nothing yet of a new one.
    pub(crate) fn open(store: Arc<ChainStore>, spec: Arc<ChainSpec>, every: u64) -> Result<Self, StoreError> {
        let tip = store.restored_tip()?;
        Ok(Self { store, spec, every, tip, state: None, token: Arc::default() })
    }

    /// What tells whether it is still there.
    pub(crate) fn token(&self) -> Weak<()> {
        Arc::downgrade(&self.token)
    }

    /// The rules of the network.
    pub fn spec(&self) -> &ChainSpec {
        &self.spec
    }

    /// The height of the last header.
    pub fn height(&self) -> Height {
        self.tip.header().height
    }

    /// The work of all headers.
    pub fn total_work(&self) -> Work {
        self.tip.total_work()
    }

    /// Ids from the last header down: ten in a row, then doubling steps, block 0 last.
    ///
    /// # Errors
    /// A failing store.
    pub fn locator(&self) -> Result<Vec<BlockId>, StoreError> {
        let heights = locator_heights(self.height()).into_iter();
        heights.map(|height| Ok(self.store.expect_restored_header(height)?.id())).collect()
    }

    /// Takes in headers, each the parent of the next, all of them or none. They go on from the last or, if they may
    /// replace some, from any: what was above it is gone then.
    ///
    /// # Errors
    /// A failing store.
    pub fn take_headers(
        &mut self,
        headers: Vec<Header>,
        now: Timestamp,
        may_replace: bool,
    ) -> Result<Result<(), RestoreRefusal>, StoreError> {
        let Some(first) = headers.first() else { return Ok(Ok(())) };
        let Some(parent) = self.parent_of(first)? else { return Ok(Err(RestoreRefusal::Unlinked)) };
        let replaces = parent.id() != self.tip.id();
        if replaces && !may_replace {
            return Ok(Err(RestoreRefusal::Unlinked));
        }
        let (mut context, mut batch) = (parent, self.store.batch(headers.len() * 512));
        if replaces {
            self.store.cut_restored_headers(&mut batch, context.header().height);
        }
        for header in headers {
            let checked = check_work(&self.spec, header);
            match checked.and_then(|sealed| check_header(&self.spec, &context, sealed, now)) {
                Ok(linked) => {
                    self.store.put_restored_header(&mut batch, &linked);
                    context = context.extend(&linked);
                }
                Err(error) => return Ok(Err(error.into())),
            }
        }
        batch.write(Durability::Buffered)?;
        self.tip = context;
        Ok(Ok(()))
    }

    /// A block that is known here as the parent of others; `None` for any other.
    ///
    /// # Errors
    /// A failing store.
    pub fn context_of(&self, header: &Header) -> Result<Option<ChainContext>, StoreError> {
        self.parent_of(header)
    }

    /// The known block before a header.
    fn parent_of(&self, header: &Header) -> Result<Option<ChainContext>, StoreError> {
        if header.parent == self.tip.id() {
            return Ok(Some(self.tip.clone()));
        }
        let Some(below) = header.height.previous().filter(|below| *below < self.height()) else { return Ok(None) };
        let context = self.store.restored_context(below)?;
        Ok(Some(context).filter(|context| context.id() == header.parent))
    }

    /// The block whose accounts are fetched: the highest at which snapshots are made and that has a period of blocks
    /// above it; or the one of which some accounts are here, as long as others still have it. `None` where the chain is
    /// too short.
    ///
    /// # Errors
    /// A failing store.
    pub fn pivot(&self) -> Result<Option<LinkedHeader>, StoreError> {
        for (height, record) in self.store.snapshots()? {
            // Two are kept by others, and the one before until the newest is half a period old.
            let kept = self.every.saturating_mul(2).saturating_add(self.every / 2);
            let is_offered = height <= self.height() && height.get().saturating_add(kept) > self.height().get();
            if is_offered && !record.is_whole {
                let header = self.store.expect_restored_header(height)?;
                if header.id() == record.block {
                    return Ok(Some(header));
                }
            }
        }
        let newest = self.height().get().saturating_sub(self.every);
        let newest = newest.checked_rem(self.every).map_or(0, |above| newest.saturating_sub(above));
        if newest == 0 {
            return Ok(None);
        }
        self.store.expect_restored_header(Height::new(newest)).map(Some)
    }

    /// Begins with the accounts of the pivot, or goes on: what is here of others is removed.
    ///
    /// # Errors
    /// A failing store. Nothing has begun where there is no pivot.
    pub fn begin_state(&mut self) -> Result<StateProgress, StoreError> {
        let Some(pivot) = self.pivot()? else { return Ok(StateProgress::default()) };
        let (mut count, height) = (None, pivot.header().height);
        for (known, record) in self.store.snapshots()? {
            if known == height && record.block == pivot.id() {
                count = Some(record.count);
            } else {
                self.store.drop_snapshot(known)?;
            }
        }
        let have = match count {
            Some(_) => self.store.run_roots(height)?.into_iter().map(|(number, _)| number).collect(),
            None => BTreeSet::new(),
        };
        self.state = Some(PartialState { pivot, count, have });
        Ok(self.progress())
    }

    fn progress(&self) -> StateProgress {
        let state = self.state.as_ref();
        StateProgress {
            runs: state.and_then(|state| state.count).map(StateRun::runs),
            have: state.map(|state| state.have.iter().copied().collect()).unwrap_or_default(),
        }
    }

    /// Takes in a run, which was verified against the pivot's state root.
    ///
    /// # Errors
    /// A failing store.
    pub fn take_run(&mut self, run: StateRun) -> Result<StateProgress, StoreError> {
        if let Some(state) = &mut self.state {
            let (height, number) = (state.pivot.header().height, run.number);
            let mut batch = self.store.batch(StateRun::MAX_BYTES);
            if state.count.is_none() {
                let (block, state_root) = (state.pivot.id(), state.pivot.header().state_root);
                let record = SnapshotRecord { block, state_root, count: run.count, is_whole: false };
                self.store.put_snapshot(&mut batch, height, &record);
            }
            let root = run_root(run.count, &run.leaves);
            self.store.put_run(&mut batch, RunKey { height, number }, &root, &run.leaves);
            batch.write(Durability::Buffered)?;
            state.count = Some(run.count);
            state.have.insert(number);
        }
        Ok(self.progress())
    }

    /// Whether all accounts of the pivot are here.
    pub fn is_complete(&self) -> bool {
        let counts = self.state.as_ref().and_then(|state| Some((state.count?, state.have.len() as u64)));
        counts.is_some_and(|(count, have)| have == StateRun::runs(count))
    }

    /// The pivot, once all of its accounts are here and lead to its state root.
    pub(crate) fn complete(&self) -> Result<Option<LinkedHeader>, StoreError> {
        let Some((state, count)) = self.state.as_ref().and_then(|state| Some((state, state.count?))) else {
            return Ok(None);
        };
        let header = state.pivot.header();
        let tree = tree_of(&self.store, header.height, count)?;
        let is_right = tree.is_some_and(|tree| tree.state_root() == header.state_root);
        Ok(is_right.then(|| state.pivot.clone()))
    }

    /// Gives up, and removes what is here.
    ///
    /// # Errors
    /// A failing store.
    pub fn abandon(self) -> Result<(), StoreError> {
        remove(&self.store)
    }
}

/// Removes all that is here of a restore.
pub(crate) fn remove(store: &ChainStore) -> Result<(), StoreError> {
    for (height, _) in store.snapshots()?.into_iter().filter(|(_, record)| !record.is_whole) {
        store.drop_snapshot(height)?;
    }
    store.drop_restored_headers()
}
