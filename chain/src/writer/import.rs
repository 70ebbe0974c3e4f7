//! The story of a block's import, as the writer tells it.

use super::{Publish, Writer};
use crate::{message::BlockOutcome, store::StoreError, verdict::Origin};
use cairn_ledger::{
    accounts::AccountProof,
    block::Header,
    error::{BlockError, Fault},
    hash::BlockId,
    keys::Address,
    units::Timestamp,
    validate::{CheckedBlock, LinkedHeader},
};

impl Writer {
    /// Imports a checked block: it waits in the tree until its branch is complete and has the most work; then the chain
    /// moves.
    pub(crate) fn import_block(
        &mut self,
        block: CheckedBlock,
        now: Timestamp,
        publish: Publish<'_>,
    ) -> Result<BlockOutcome, StoreError> {
        let header = block.header().clone();
        let id = header.id();
        if self.store.is_connected(&header)? || self.tree.has_body(&id) {
            return Ok(BlockOutcome::Known);
        }
        // A header may have been forgotten while its body was on the way; then the block was not wanted.
        if !self.tree.set_body(block) {
            return Ok(BlockOutcome::Unwanted);
        }
        self.follow(now, publish)?;
        self.spill()?;
        if self.store.is_connected(&header)? {
            return Ok(BlockOutcome::Connected);
        }
        Ok(self.tree.reason(&id).map_or(BlockOutcome::Waiting, BlockOutcome::Invalid))
    }

    /// Moves bodies to the disk when they take too much memory.
    fn spill(&mut self) -> Result<(), StoreError> {
        let spilled = self.tree.spill(self.tip.total_work());
        if !spilled.is_empty() {
            self.store_bodies(spilled)?;
            self.tree.shed_stored();
        }
        Ok(())
    }

    /// Remembers a block whose body is its own, and invalid.
    pub(super) fn refuse_block(&mut self, header: &LinkedHeader, error: BlockError) -> BlockOutcome {
        // A body that somebody altered says nothing about the block.
        if error.fault() == Fault::Proven {
            self.tree.invalidate(&header.id());
            self.tree.note_reason(header.id(), error);
        }
        BlockOutcome::Invalid(error)
    }

    /// All balances together at the tip, in pebbles.
    pub(super) fn balances(&self) -> u64 {
        self.state.accounts.balances()
    }

    /// Proves an account, or its absence, at the tip.
    pub(super) fn prove(&self, address: Address) -> Result<AccountProof, StoreError> {
        self.state.prove(&address)
    }

    /// Proves an account, or its absence, as it was after the block `at`; `None` when that is not one of the
    /// last blocks of the followed chain.
    pub(super) fn prove_at(
        &mut self,
        address: Address,
        at: &BlockId,
    ) -> Result<Option<(Header, AccountProof)>, StoreError> {
        let proof = match at == &self.tip.id() {
            true => Some(self.prove(address)?),
            false => {
                self.state_history.load(&self.store, &mut self.state, &self.tip)?;
                self.state_history.prove(&self.state, &address, at)?
            }
        };
        match proof {
            Some(proof) => Ok(Some((self.store.expect_header(at)?.header().clone(), proof))),
            None => Ok(None),
        }
    }

    /// Forgets what only a peer that is gone had brought.
    pub(super) fn peer_gone(&mut self, origin: Origin) {
        self.orphans.forget(origin);
        self.tree.forget_origin(origin);
    }
}
