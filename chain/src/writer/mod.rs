//! The writer: the one thread that imports blocks.
//!
//! # The path of a block
//! `link` its header, after work, parent and rules → `import` the block, which waits in the tree until its branch is
//! complete and has the most work → `follow` that branch: what fits one batch in one (`reorg`), a long reorganisation
//! in many (`long_reorg`) → publish (`actor`). A path that takes long is left after a batch when somebody waits, and
//! gone on with once they are answered.
//!
//! # Map
//! `actor` the loop · [`Writer`] what it owns · `link` headers · `import` blocks, and which branch to follow how far in
//! one batch · `heal` what the writer does about damage · `reorg` disconnecting and connecting in one batch ·
//! `long_reorg` in many · `restore` a chain that begins with a snapshot · `template` blocks to be mined

mod actor;
pub(crate) mod heal;
mod import;
mod link;
mod long_reorg;
mod reorg;
mod restore;
mod template;

pub(crate) use actor::{Actor, Message, Outlets};

use crate::headers::{HeaderTree, Orphans, UnknownRulesHeaders};
use crate::heal::{HealedTables, Others};
use crate::message::{Ahead, ChainEvent, Tip};
use crate::snapshot::{self, SnapshotMaker, Snapshots};
use crate::state::{self, Source, State, StateHistory};
use crate::store::{ChainStore, DbOptions, StoreError};
use crate::{
    precheck::{Precheck, SharedChecks},
    store::schema::HeaderById,
    verdict::Origin,
    workers::Workers,
};
use cairn_common::cache::FifoCache;
use cairn_ledger::{AccountProof, Address, BlockId, Body, ChainContext, ChainSpec, Header, Height, LinkedHeader, Work};
use long_reorg::LongReorg;
use std::sync::{Arc, Weak, atomic::AtomicBool};
use tokio::sync::watch;

/// Parents of branch headers kept ready as contexts.
const CONTEXTS: usize = 32;

/// Blocks are pruned in parts of what is kept, this many of them …
const PRUNE_PART: u64 = 16;
/// … and at least so many blocks at a time.
const LEAST_PRUNED: u64 = 32;

/// Takes a move of the chain, and the height at which what is under way ends; whether to go on at once.
pub(crate) type Publish<'a> = &'a mut dyn FnMut(ChainEvent, Height) -> bool;

/// Everything the writer owns.
pub(crate) struct Writer {
    pub(crate) spec: Arc<ChainSpec>,
    /// The settled chain: as readers have it, while a reorganisation is under way.
    pub(crate) store: Arc<ChainStore>,
    /// The chain as it is on the disk.
    pub(crate) live: Arc<ChainStore>,
    /// Where readers find what they read.
    pub(crate) views: watch::Sender<Arc<ChainStore>>,
    /// A reorganisation in many batches, while one is under way.
    pub(crate) long_reorg: Option<LongReorg>,
    /// Where a path ends that was left in the middle, as somebody waited.
    pub(crate) following: Option<Height>,
    pub(crate) precheck: Precheck,
    pub(crate) workers: Workers,
    pub(crate) state: State,
    /// Whether accounts are yet to be loaded that fit in memory.
    pub(crate) is_loading: bool,
    /// How to see the accounts as they were after the last blocks.
    pub(crate) state_history: StateHistory,
    pub(crate) tip: ChainContext,
    pub(crate) tree: HeaderTree,
    pub(crate) orphans: Orphans,
    pub(crate) unknown_rules: UnknownRulesHeaders,
    /// Contexts of branch headers used lately.
    pub(crate) contexts: FifoCache<BlockId, ChainContext>,
    /// The least total work of a header that is near, for the tip with this id.
    pub(crate) near: (BlockId, Work),
    /// What is kept, and how much of it.
    pub(crate) options: DbOptions,
    pub(crate) snapshots: SnapshotMaker,
    /// Whether a restore is under way: as long as whoever fetches it is there.
    pub(crate) restore: Weak<()>,
    /// Who is asked for records that are damaged here.
    pub(crate) others: Others,
    /// What was damaged and is mended.
    pub(crate) healed: HealedTables,
    /// Whether it was told to end: then it follows no further.
    pub(crate) is_stopping: Arc<AtomicBool>,
}

/// What readers have.
pub(crate) struct Views {
    /// The settled chain.
    pub(crate) store: watch::Receiver<Arc<ChainStore>>,
    /// The snapshots that are held.
    pub(crate) snapshots: Snapshots,
}

/// Takes up the chain of `spec` as it is stored: who writes it, and what is read.
pub(crate) fn open(
    spec: Arc<ChainSpec>,
    store: ChainStore,
    options: DbOptions,
    shared: Option<SharedChecks>,
) -> Result<(Writer, Views), StoreError> {
    let (store, workers) = (Arc::new(store), Workers::start()?);
    let (others, mut healed) = (Others::default(), HealedTables::default());
    // What is damaged is mended from what else is here: nobody can be asked yet.
    heal::search((&store, &spec, options), (&others, &mut healed))?;
    let (snapshots, held, state, tip) = loop {
        let read = || {
            snapshot::prepare(&store, options)?;
            let (snapshots, held) = SnapshotMaker::new(&store, options.snapshot_every)?;
            let (state, tip) = state::load(&store, &spec, &workers, options.account_bytes)?;
            Ok((snapshots, held, state, tip))
        };
        match read() {
            Ok(read) => break read,
            Err(damage) => heal::heal((&store, &spec, options), (&others, &mut healed), damage)?,
        }
    };
    let (views, view) = watch::channel(store.clone());
    let writer = Writer {
        precheck: Precheck::new(workers.clone(), spec.clone(), shared, &options),
        workers,
        spec,
        live: store.clone(),
        store,
        views,
        long_reorg: None,
        following: None,
        state,
        is_loading: true,
        state_history: StateHistory::default(),
        tip,
        tree: HeaderTree::new(options.block_bytes),
        orphans: Orphans::default(),
        unknown_rules: UnknownRulesHeaders::default(),
        contexts: FifoCache::new(CONTEXTS),
        near: (BlockId::ZERO, Work::ZERO),
        options,
        snapshots,
        restore: Weak::new(),
        others,
        healed,
        is_stopping: Arc::default(),
    };
    Ok((writer, Views { store: view, snapshots: Snapshots { every: options.snapshot_every, held } }))
}

impl Writer {
    /// The tip, as it is published.
    pub(crate) fn tip(&self) -> Arc<Tip> {
        Arc::new(Tip::from(&self.tip))
    }

    /// What is known of the chain above the tip.
    pub(crate) fn ahead(&self) -> Result<Ahead, StoreError> {
        let (height, work) = (self.tip.header().height, self.tip.total_work());
        let better = self.tree.best().filter(|(_, best)| *best > work);
        let connecting = match &self.long_reorg {
            Some(under_way) => self.expect_header(&under_way.to)?.header().height,
            None => self.following.unwrap_or(height),
        };
        let unknown_rules = self.unknown_rules.ahead_of(&self.spec, work);
        Ok(Ahead { best_header: better.map_or(height, |(height, _)| height), connecting, unknown_rules })
    }

    /// Whether blocks that are here are to be connected yet: then [`Self::go_on`] is to be called.
    pub(crate) fn is_moving(&self) -> bool {
        self.long_reorg.is_some() || self.is_following()
    }

    /// Whether that is a path of blocks that extend the chain, or whose reorganisation is short.
    pub(crate) fn is_following(&self) -> bool {
        self.following.is_some()
    }

    /// A header, from memory or from the disk.
    fn header(&self, id: &BlockId) -> Result<Option<LinkedHeader>, StoreError> {
        self.tree.get(id).cloned().map_or_else(|| self.live.header(id), |known| Ok(Some(known)))
    }

    /// The same for one that must be there.
    fn expect_header(&self, id: &BlockId) -> Result<LinkedHeader, StoreError> {
        self.header(id)?.ok_or_else(|| StoreError::missing::<HeaderById>(id))
    }

    /// Proves an account, or its absence, at the tip.
    pub(crate) fn prove(&mut self, address: &Address) -> Result<AccountProof, StoreError> {
        self.state.prove(Source { store: &self.live, workers: &self.workers }, address)
    }

    /// Proves an account, or its absence, as it was after the block `at`; `None` when that is not one of the
    /// last blocks of the followed chain.
    pub(crate) fn prove_at(
        &mut self,
        address: Address,
        at: &BlockId,
    ) -> Result<Option<(Header, AccountProof)>, StoreError> {
        let proof = if *at == self.tip.id() {
            Some(self.prove(&address)?)
        } else {
            let source = Source { store: &self.store, workers: &self.workers };
            self.state_history.load(source, &mut self.state, &self.tip)?;
            self.state_history.prove(source, &mut self.state, &address, at)?
        };
        let Some(proof) = proof else { return Ok(None) };
        Ok(Some((self.store.expect_header(at)?.header().clone(), proof)))
    }

    /// Loads some of the accounts that fit in memory, as they were before the last batch and after it.
    pub(crate) fn load_more(&mut self) -> Result<(), StoreError> {
        self.is_loading = self.state.load_more(Source { store: &self.live, workers: &self.workers })?;
        Ok(())
    }

    /// Whether there is something to do on a snapshot, which is for times when nobody asks anything.
    pub(crate) fn makes_snapshot(&self) -> bool {
        self.options.keep_snapshots && self.long_reorg.is_none() && self.snapshots.is_busy()
    }

    /// Does a little of it.
    pub(crate) fn make_snapshot(&mut self) -> Result<(), StoreError> {
        let best = self.ahead()?.best_header;
        self.snapshots.step(&self.live, best)
    }

    /// Gives up all snapshots, and makes no more; whether there were any.
    pub(crate) fn drop_snapshots(&mut self) -> Result<bool, StoreError> {
        self.options.keep_snapshots = false;
        self.snapshots.drop_all(&self.live)
    }

    /// Makes the next start quick.
    pub(crate) fn stop(&mut self) -> Result<(), StoreError> {
        self.store_roots(true)?;
        self.live.flush()
    }

    /// Stores the roots of buckets, but for those of a state that is nobody's choice.
    fn store_roots(&mut self, stops: bool) -> Result<(), StoreError> {
        match self.long_reorg {
            None => self.state.store_roots(&self.live, &self.tip, stops),
            Some(_) => Ok(()),
        }
    }

    /// Prunes what is not to be kept, some blocks at a time, and stores what a start needs.
    pub(crate) fn keep_within_limits(&mut self) -> Result<(), StoreError> {
        self.snapshots.look_again();
        self.store_roots(false)?;
        let Some(keep) = self.options.keep_blocks else { return Ok(()) };
        let lowest = Height::new((self.tip.header().height.get() + 1).saturating_sub(keep));
        let step = (keep / PRUNE_PART).max(LEAST_PRUNED);
        if lowest.get() < self.live.lowest_body().get().saturating_add(step) {
            Ok(())
        } else {
            self.prune(lowest).map(drop)
        }
    }

    /// Prunes all blocks below a height that may be pruned; the lowest that is left. Not while a reorganisation is
    /// under way, which may need them.
    pub(crate) fn prune(&mut self, below: Height) -> Result<Height, StoreError> {
        if self.long_reorg.is_none() && self.live.prune(below, &self.options.stretches)? {
            tracing::info!(target: "cairn::chain", kept = %self.live.kept(), "pruned the bodies of old blocks");
        }
        Ok(self.live.lowest_body())
    }

    /// Gives up all stretches below the lowest body, and keeps none from now on; whether there were any.
    pub(crate) fn drop_stretches(&mut self) -> Result<bool, StoreError> {
        self.options.stretches.keep = 0;
        self.live.drop_stretches()
    }

    /// Takes in the next bodies of a stretch below the lowest body; whether there is a place for it, and they are the
    /// next.
    pub(crate) fn keep_more(&mut self, number: u64, blocks: &[(LinkedHeader, Body)]) -> Result<bool, StoreError> {
        // What is left behind by a reorganisation is not kept.
        Ok(self.long_reorg.is_none() && self.live.keep_more(&self.options.stretches, number, blocks)?)
    }

    /// Forgets what only a peer that is gone had brought.
    pub(crate) fn peer_gone(&mut self, origin: Origin) {
        self.orphans.forget(origin);
        self.tree.forget_origin(origin, self.tip.total_work());
    }
}
