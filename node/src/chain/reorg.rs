//! Disconnecting blocks down to a fork and connecting others up from it, as one batch.

use super::{precheck::Precheck, state::PendingState};
use crate::store::{Batch, ChainStore, Durability, StoreError, put_connected, put_disconnected};
use cairn_ledger::{
    accounts::{AccountTree, TreeUpdate, UndoRecord},
    block::Body,
    chain_spec::ChainSpec,
    error::BlockError,
    hash::BlockId,
    validate::{CheckedBlock, ConnectError, LinkedHeader, connect_block, touched_addresses},
};

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
    /// For each of them, how to see the accounts before it.
    pub undone: Vec<(UndoRecord, TreeUpdate)>,
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

/// Carries out a plan: all of it, in one batch, or nothing.
pub(super) fn execute(
    spec: &ChainSpec,
    store: &ChainStore,
    tree: &mut AccountTree,
    precheck: &Precheck,
    plan: Plan,
    durability: Durability,
) -> Result<Executed, Failed> {
    let mut work = Work {
        spec,
        state: PendingState::new(store, tree.count()),
        batch: store.batch(),
        store,
        inverses: Vec::new(),
        undos: Vec::new(),
        tree,
    };
    let result = work.run(precheck, plan);
    match result {
        Ok((disconnected, connected)) => {
            work.state.write(&mut work.batch);
            let Work { batch, mut inverses, undos, tree, .. } = work;
            if let Err(error) = batch.write(durability) {
                roll_back(tree, inverses);
                return Err(error.into());
            }
            // The first inverses are of what was disconnected.
            let undone = undos.into_iter().zip(inverses.drain(disconnected.len()..)).collect();
            Ok(Executed { disconnected, connected, undone })
        }
        Err(failed) => {
            let Work { inverses, tree, .. } = work;
            roll_back(tree, inverses);
            Err(failed)
        }
    }
}

/// Brings the tree in memory back to what is on disk.
fn roll_back(tree: &mut AccountTree, inverses: Vec<TreeUpdate>) {
    for inverse in inverses.into_iter().rev() {
        tree.apply(inverse);
    }
}

/// A plan being carried out.
struct Work<'a> {
    spec: &'a ChainSpec,
    store: &'a ChainStore,
    tree: &'a mut AccountTree,
    state: PendingState<'a>,
    batch: Batch<'a>,
    /// How to take back what was done to `tree`, step by step.
    inverses: Vec<TreeUpdate>,
    /// The undo records of the connected blocks.
    undos: Vec<UndoRecord>,
}

/// The blocks that were left, and those that are followed now.
type Moved = (Vec<CheckedBlock>, Vec<CheckedBlock>);

impl Work<'_> {
    fn run(&mut self, precheck: &Precheck, plan: Plan) -> Result<Moved, Failed> {
        let mut disconnected = Vec::with_capacity(plan.disconnect.len());
        for header in plan.disconnect {
            disconnected.push(self.disconnect(precheck, header)?);
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

    fn disconnect(&mut self, precheck: &Precheck, header: LinkedHeader) -> Result<CheckedBlock, StoreError> {
        let id = header.id();
        let undo = self.store.undo(&id)?;
        self.state.undo(&undo)?;
        self.update_tree(self.tree.update(undo.count, &undo.leaf_hashes()));
        let body = self.store.body(&id)?;
        let body: Body = body.ok_or_else(|| StoreError::Missing { table: "body_by_id", key: id.to_string() })?;
        let corrupt = |_| StoreError::Corrupt { table: "body_by_id", key: id.to_string() };
        let block = precheck.check_stored(header, body).map_err(corrupt)?;
        put_disconnected(&mut self.batch, block.header(), &txids(&block));
        Ok(block)
    }

    fn connect(&mut self, block: CheckedBlock) -> Result<CheckedBlock, Refused> {
        let touched = touched_addresses(&block.header().header().beneficiary, block.transactions());
        let slice = self.state.load_slice(&touched)?;
        let connected = connect_block(self.spec, block, slice, self.tree)?;
        let (block, change, update) = connected.into_parts();
        self.state.apply(&change);
        self.update_tree(update);
        // Blocks that were on disk before are written again: the same bytes under the same key.
        self.store.put_block(&mut self.batch, block.header(), &block.to_block().body);
        let undo = change.undo();
        put_connected(&mut self.batch, block.header(), &txids(&block), &undo);
        self.undos.push(undo);
        Ok(block)
    }

    fn update_tree(&mut self, update: TreeUpdate) {
        self.inverses.push(self.tree.inverse(&update));
        self.tree.apply(update);
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
            // Every touched address was loaded: what is missing is missing on disk.
            ConnectError::NotLoaded(missing) => {
                Self::Store(StoreError::Missing { table: "account_by_address", key: missing.address.to_string() })
            }
        }
    }
}

fn txids(block: &CheckedBlock) -> Vec<cairn_ledger::hash::TxId> {
    block.transactions().iter().map(|checked| checked.txid()).collect()
}
