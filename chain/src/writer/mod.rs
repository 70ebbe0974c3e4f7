//! The writer: the one thread that imports blocks.
//!
//! # The path of a block
//! `link` its header, after work, parent and rules → `import` the block, which waits in the tree until its branch is
//! complete and has the most work → `follow` that branch: what fits one batch in one (`reorg`), a long reorganisation
//! in many (`long_reorg`) → publish (`actor`)
//!
//! # Map
//! `actor` the loop, and its start · [`Writer`] what it owns · `link` headers · `import` blocks · `follow` which branch,
//! and how far in one batch · `reorg` disconnecting and connecting in one batch · `long_reorg` in many · `template`
//! blocks to be mined

mod actor;
mod follow;
mod import;
mod link;
mod long_reorg;
mod reorg;
mod template;

pub use actor::{Chain, spawn};

use crate::{
    headers::{HeaderTree, Orphans, OtherRules},
    message::ChainEvent,
    precheck::Precheck,
    state::{self, State, StateHistory},
    store::{ChainStore, DbOptions, StoreError},
    workers::Workers,
};
use cairn_ledger::{chain_spec::ChainSpec, hash::BlockId, pow::Work, units::Height, validate::ChainContext};
use long_reorg::LongReorg;
use std::{collections::VecDeque, path::Path, sync::Arc};
use tokio::sync::watch;

/// Takes a move of the chain, and the height at which what is under way ends.
pub(crate) type Publish<'a> = &'a mut dyn FnMut(&ChainContext, ChainEvent, Height);

/// Everything the writer owns.
pub(crate) struct Writer {
    pub(super) spec: Arc<ChainSpec>,
    /// The settled chain: as readers have it, while a reorganisation is under way.
    pub(super) store: Arc<ChainStore>,
    /// The chain as it is on the disk.
    pub(super) live: Arc<ChainStore>,
    /// Where readers find what they read.
    pub(super) views: watch::Sender<Arc<ChainStore>>,
    /// A reorganisation in many batches, while one is under way.
    pub(super) long_reorg: Option<LongReorg>,
    pub(super) precheck: Precheck,
    pub(super) workers: Workers,
    pub(super) state: State,
    /// How to see the accounts as they were after the last blocks.
    pub(super) state_history: StateHistory,
    pub(super) tip: ChainContext,
    pub(super) tree: HeaderTree,
    pub(super) orphans: Orphans,
    pub(super) other_rules: OtherRules,
    /// Contexts of branch headers used lately.
    pub(super) contexts: VecDeque<ChainContext>,
    /// The least total work of a header that is near, for the tip with this id.
    pub(super) near: (BlockId, Work),
}

/// Opens the chain of `spec` in `path`: who writes it, and what is read.
pub(crate) fn open(
    spec: Arc<ChainSpec>,
    path: &Path,
    options: DbOptions,
) -> Result<(Writer, watch::Receiver<Arc<ChainStore>>), StoreError> {
    let store = Arc::new(ChainStore::open(path, &spec, options)?);
    let workers = Workers::start()?;
    let (state, tip) = state::load(&store, &spec, &workers)?;
    let (views, view) = watch::channel(store.clone());
    let writer = Writer {
        precheck: Precheck::new(workers.clone(), spec.clone()),
        workers,
        spec,
        live: store.clone(),
        store,
        views,
        long_reorg: None,
        state,
        state_history: StateHistory::default(),
        tip,
        tree: HeaderTree::default(),
        orphans: Orphans::default(),
        other_rules: OtherRules::default(),
        contexts: VecDeque::new(),
        near: (BlockId::ZERO, Work::ZERO),
    };
    Ok((writer, view))
}
