//! Disconnecting blocks down to a fork and connecting others up from it, as one batch.

use super::{
    index::AddressIndex,
    precheck::Precheck,
    state::{Moving, State},
};
use crate::store::{Batch, ChainStore, Durability, StoreError, put_connected, put_disconnected, schema::UndoLeaves};
use cairn_ledger::{
    accounts::{Account, StateChange, TreeUpdate},
    block::Body,
    chain_spec::ChainSpec,
    error::BlockError,
    hash::BlockId,
    keys::Address,
    validate::{CheckedBlock, ConnectError, LinkedHeader, connect_block_with},
};
use std::time::Instant;

/// Besides a block itself, a batch holds the accounts it changed, their old values, and its transactions' places.
const BATCH_BYTES_PER_BLOCK_BYTE: usize = 3;

/// What to leave and what to follow instead.
pub(super) struct Plan {
    /// From the tip down to the block above the fork.
    pub disconnect: Vec<LinkedHeader>,
    /// From the block above the fork up to the new tip.
    pub connect: Vec<CheckedBlock>,
}

/// What a plan did.
pub(super) struct Executed {
    /// The blocks that were left, from the old tip down.
    pub disconnected: Vec<CheckedBlock>,
    /// The blocks that are followed now, upward.
    pub connected: Vec<CheckedBlock>,
    /// For each of them, what it changed, and how to take that back in the tree; nothing where that was not asked for.
    pub undone: Vec<(StateChange, TreeUpdate)>,
    /// What all accounts have now that were changed.
    pub accounts: Vec<(Address, Account)>,
}

/// Why a plan was not carried out; nothing was changed.
pub(super) enum Failed {
    /// A block to connect is invalid. The others come back.
    Invalid { id: BlockId, error: Box<BlockError>, rest: Vec<CheckedBlock> },
    /// The store failed.
    Store(StoreError),
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What a plan is carried out on.
pub(super) struct Ground<'a> {
    pub spec: &'a ChainSpec,
    pub store: &'a ChainStore,
    pub precheck: &'a Precheck,
}

/// Carries out a plan: all of it, in one batch, or nothing. `inverses` asks for [`Executed::undone`].
pub(super) fn execute(
    ground: &Ground<'_>,
    state: &mut State,
    plan: Plan,
    durability: Durability,
    inverses: bool,
) -> Result<Executed, Failed> {
    let Ground { spec, store, precheck } = *ground;
    let started = Instant::now();
    let bytes: usize = plan.connect.iter().map(|block| block.size() * BATCH_BYTES_PER_BLOCK_BYTE).sum();
    let (batch, index) = (store.batch(bytes), AddressIndex::load(store, spec)?);
    let mut work = Work { spec, store, precheck, state: Moving::new(state, inverses), index, batch };
    let result = work.run(plan);
    let Work { state, index, mut batch, .. } = work;
    let (disconnected, connected) = match result {
        Ok(moved) => moved,
        Err(failed) => {
            state.take_back();
            return Err(failed);
        }
    };
    index.write(&mut batch);
    state.write(&mut batch);
    let (blocks, connect_us) = (connected.len(), started.elapsed().as_micros());
    if let Err(error) = batch.write(durability) {
        state.take_back();
        return Err(error.into());
    }
    let write_us = started.elapsed().as_micros() - connect_us;
    tracing::debug!(target: "cairn::chain", blocks, connect_us, write_us, "carried out a plan");
    Ok(Executed { disconnected, connected, accounts: state.changed(), undone: state.keep() })
}

/// A plan being carried out.
struct Work<'db, 'a> {
    spec: &'a ChainSpec,
    store: &'db ChainStore,
    /// Who shares the work on a block, if there is nothing else to do: half of the accounts are loaded there, and hashed
    /// while the batch is filled.
    precheck: &'db Precheck,
    state: Moving<'a>,
    index: AddressIndex<'a>,
    batch: Batch<'db>,
}

/// The blocks that were left, and those that are followed now.
type Moved = (Vec<CheckedBlock>, Vec<CheckedBlock>);

impl Work<'_, '_> {
    fn run(&mut self, plan: Plan) -> Result<Moved, Failed> {
        let mut disconnected = Vec::with_capacity(plan.disconnect.len());
        for header in plan.disconnect {
            disconnected.push(self.disconnect(header)?);
        }
        let mut connected = Vec::with_capacity(plan.connect.len());
        let mut rest = plan.connect.into_iter();
        while let Some(block) = rest.next() {
            let id = block.header().id();
            match self.connect(block) {
                Ok(block) => connected.push(block),
                Err(Refused::Rule(error)) => {
                    connected.extend(rest);
                    return Err(Failed::Invalid { id, error: Box::new(error), rest: connected });
                }
                Err(Refused::Store(error)) => return Err(Failed::Store(error)),
            }
        }
        Ok((disconnected, connected))
    }

    fn disconnect(&mut self, header: LinkedHeader) -> Result<CheckedBlock, StoreError> {
        let id = header.id();
        let body = self.store.body(&id)?;
        let body: Body = body.ok_or_else(|| StoreError::Missing { table: "body_by_id", key: id.to_string() })?;
        let corrupt = |_| StoreError::Corrupt { table: "body_by_id", key: id.to_string() };
        let block = self.precheck.check_stored(header, body).map_err(corrupt)?;
        // Before the accounts it created are gone.
        self.index.disconnect(&mut self.batch, &block, &self.state.state().accounts)?;
        self.state.disconnect(&self.store.undo(&id)?)?;
        put_disconnected(&mut self.batch, block.header(), &block.txids());
        Ok(block)
    }

    fn connect(&mut self, block: CheckedBlock) -> Result<CheckedBlock, Refused> {
        let (store, precheck, state, batch) = (self.store, self.precheck, self.state.state(), &mut self.batch);
        let slice = state.slice(block.touched(), precheck)?;
        let connected = connect_block_with(self.spec, block, slice, |block, change| {
            let hash = || state.tree.update(change.count, &change.leaf_hashes());
            let put = || {
                // Blocks that were on disk before are written again: the same bytes under the same key.
                store.put_block(batch, block);
                put_connected(batch, block.header(), &block.txids(), &UndoLeaves::new(change));
            };
            precheck.join(hash, put).0
        })?;
        let (block, change, update) = connected.into_parts();
        self.state.connect(change, update);
        self.index.connect(&mut self.batch, &block, &self.state.state().accounts)?;
        Ok(block)
    }
}

/// Why one block was not connected.
enum Refused {
    Rule(BlockError),
    Store(StoreError),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<ConnectError<BlockError>> for Refused {
    fn from(error: ConnectError<BlockError>) -> Self {
        match error {
            ConnectError::Rule(error) => Self::Rule(error),
            // Every touched address was looked up: what is missing is missing in the state.
            ConnectError::NotLoaded(missing) => {
                Self::Store(StoreError::Missing { table: "account_by_address", key: missing.address.to_string() })
            }
        }
    }
}
