//! How a chain at block 0 begins with the accounts of a snapshot.

use super::Writer;
use crate::headers::{HeaderTree, Orphans};
use crate::message::ChainEvent;
use crate::snapshot::{Restore, install};
use crate::store::schema::{Meta, MetaKey};
use crate::store::{ChainStore, Durability, StoreError, drop_index, put_indexed};
use crate::{state, state::StateHistory};
use cairn_common::cache::FifoCache;
use cairn_ledger::{BlockId, Height, Work};
use std::sync::Arc;

/// Blocks that are taken in at once from a chain that has executed them.
const ADOPTED: u64 = 32;

impl Writer {
    /// What is here of a restore; `None` where the chain is not at block 0, or is to begin there.
    pub(crate) fn begin_restore(&self) -> Result<Option<Restore>, StoreError> {
        if self.can_restore() {
            return Restore::open(self.live.clone(), self.spec.clone(), self.options.snapshot_every).map(Some);
        }
        Ok(None)
    }

    fn can_restore(&self) -> bool {
        self.options.from_snapshot && self.tip.header().height == Height::GENESIS && self.long_reorg.is_none()
    }

    /// Moves the chain to the pivot of a restore; nothing where not all is here, or the chain has moved meanwhile.
    pub(crate) fn finish_restore(&mut self, restore: &Restore) -> Result<Option<ChainEvent>, StoreError> {
        let Some(pivot) = restore.complete()?.filter(|_| self.can_restore()) else { return Ok(None) };
        // Readers are at block 0 until all is in its place.
        self.views.send_replace(Arc::new(self.live.frozen()));
        install::install(&self.live, &pivot)?;
        self.views.send_replace(self.live.clone());
        (self.state, self.tip) = state::load(&self.live, &self.spec, &self.workers, self.options.account_bytes)?;
        (self.tree, self.orphans) = (HeaderTree::default(), Orphans::default());
        (self.contexts, self.near) = (FifoCache::new(super::CONTEXTS), (BlockId::ZERO, Work::ZERO));
        (self.is_loading, self.state_history) = (true, StateHistory::default());
        self.snapshots.hold_stored(&self.live)?;
        let (height, accounts) = (pivot.header().height.get(), self.state.accounts.count() - 1);
        tracing::info!(
            target: "cairn::chain",
            height,
            accounts,
            "the chain begins with the accounts of a snapshot, which the work on its headers vouches for: blocks up to there were not executed here"
        );
        let (connected, accounts) = (Arc::default(), Arc::default());
        Ok(Some(ChainEvent { tip: self.tip(), left: None, connected, accounts, is_whole: false }))
    }

    /// Takes in some blocks below those that were executed here, from a chain that has executed them. Once all are here, the
    /// chain is as any other. The lowest that is here; nothing where the other chain is not this one.
    pub(crate) fn adopt_history(&mut self, history: &ChainStore) -> Result<Option<Height>, StoreError> {
        let Some(pivot) = self.live.restored()? else { return Ok(Some(self.live.lowest_body())) };
        if history.id_at(pivot)? != self.live.id_at(pivot)? || self.long_reorg.is_some() {
            return Ok(None);
        }
        let lowest = self.live.adopt_below(history, ADOPTED)?;
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
