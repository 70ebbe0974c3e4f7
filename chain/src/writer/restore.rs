//! How a chain at block 0 begins with the accounts of a snapshot.

use super::Writer;
use crate::headers::{HeaderTree, Orphans};
use crate::message::ChainEvent;
use crate::snapshot::{Install, Restore};
use crate::store::schema::{Meta, MetaKey};
use crate::store::{ChainStore, Durability, StoreError, drop_index, put_indexed};
use crate::{state, state::StateHistory};
use cairn_common::cache::FifoCache;
use cairn_ledger::{BlockId, Height, Work};
use std::sync::Arc;

/// Blocks that are taken in at once from a chain that has executed them, and their bytes.
const ADOPTED: u64 = 32;
const ADOPTED_BYTES: usize = 4 << 20;

impl Writer {
    /// What is here of a restore; `None` where the chain is not at block 0, or is to begin there.
    pub(crate) fn begin_restore(&mut self) -> Result<Option<Restore>, StoreError> {
        if !self.can_restore() {
            return Ok(None);
        }
        let restore = Restore::open(self.live.clone(), self.spec.clone(), self.options.snapshot_every)?;
        self.restore = restore.token();
        Ok(Some(restore))
    }

    fn can_restore(&self) -> bool {
        self.options.from_snapshot && self.tip.header().height == Height::GENESIS && self.long_reorg.is_none()
    }

    /// Whether a restore is under way: then the chain stays at block 0.
    pub(crate) fn is_restoring(&self) -> bool {
        self.restore.strong_count() > 0
    }

    /// Begins to move the chain to the pivot of a restore; nothing where not all is here, or the chain has moved.
    pub(crate) fn begin_install(&mut self, restore: &Restore) -> Result<Option<Install>, StoreError> {
        let Some(pivot) = restore.complete()?.filter(|_| self.can_restore()) else { return Ok(None) };
        // Readers are at block 0 until all is in its place.
        self.views.send_replace(Arc::new(self.live.frozen()));
        Install::begin(&self.live, pivot, self.options.block_bytes).map(Some)
    }

    /// All is in its place: the chain stands at the pivot.
    pub(crate) fn end_install(&mut self) -> Result<ChainEvent, StoreError> {
        (self.state, self.tip) = state::load(&self.live, &self.spec, &self.workers, self.options.account_bytes)?;
        self.views.send_replace(self.live.clone());
        (self.tree, self.orphans) = (HeaderTree::new(self.options.block_bytes), Orphans::default());
        (self.contexts, self.near) = (FifoCache::new(super::CONTEXTS), (BlockId::ZERO, Work::ZERO));
        (self.is_loading, self.state_history) = (true, StateHistory::default());
        self.snapshots.hold_stored(&self.live)?;
        let (height, accounts) = (self.tip.header().height.get(), self.state.accounts.count() - 1);
        tracing::info!(
            target: "cairn::chain",
            height,
            accounts,
            "the chain begins with the accounts of a snapshot, which the work on its headers vouches for: blocks up to there were not executed here"
        );
        let (connected, accounts) = (Arc::default(), Arc::default());
        Ok(ChainEvent { tip: self.tip(), left: None, connected, accounts, is_whole: false })
    }

    /// Takes in some blocks below those that were executed here, from a chain that has executed them. Once all are
    /// here, the chain is as any other. The lowest that is here; nothing where the other chain is not this one.
    pub(crate) fn adopt_history(&mut self, history: &ChainStore) -> Result<Option<Height>, StoreError> {
        let Some(pivot) = self.live.restored()? else { return Ok(Some(self.live.lowest_body())) };
        if history.id_at(pivot)? != self.live.id_at(pivot)? || self.long_reorg.is_some() {
            return Ok(None);
        }
        let lowest = self.live.adopt_below(history, ADOPTED, ADOPTED_BYTES)?;
        if lowest == Height::GENESIS {
            let mut batch = self.live.batch(0);
            batch.delete::<Meta>(&MetaKey::Restored);
            // What the index of addresses has not is found by building it anew.
            if self.live.indexed()?.is_some() {
                drop_index(&mut batch);
                put_indexed(&mut batch, Height::GENESIS);
            }
            batch.write(Durability::Synced)?;
            tracing::info!(
                target: "cairn::chain",
                pivot = pivot.get(),
                "all blocks since block 0 have been executed here, and give the accounts that this chain began with"
            );
        }
        Ok(Some(lowest))
    }
}
