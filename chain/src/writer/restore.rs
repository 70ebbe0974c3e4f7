//! How a chain at block 0 begins with the accounts of a snapshot.

use super::Writer;
use crate::headers::{HeaderTree, Orphans};
use crate::message::ChainEvent;
use crate::snapshot::{Restore, install};
use crate::store::StoreError;
use crate::{state, state::StateHistory};
use cairn_common::cache::FifoCache;
use cairn_ledger::{BlockId, Height, Work};
use std::sync::Arc;

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
        install::install(&self.live, &pivot)?;
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
}
