//! Disconnecting blocks, then connecting others, as one batch.

use super::Writer;
use crate::index::AddressIndex;
use crate::state::{Source, StagedState, not_loaded};
use crate::store::schema::{BodyByBlock, UnderWay, UndoLeaves};
use crate::store::{Batch, Durability, StoreError, put_connected, put_disconnected, put_under_way};
use cairn_common::clock;
use cairn_ledger::accounts::{StateChange, TreeUpdate};
use cairn_ledger::validate::{Candidate, ConnectError, connect_block_with};
use cairn_ledger::{
    Account, Address, BlockError, BlockId, Body, ChainSpec, CheckedBlock, LinkedHeader, TxId, merkle::txs_root,
};

/// Besides a block itself, a batch holds the accounts it changed, their old values, and its transactions' places: most
/// for outputs that make accounts. What is reserved and not filled is never touched; what has to grow is there twice.
const BATCH_BYTES_PER_BLOCK_BYTE: usize = 10;

/// What to leave and what to follow instead.
pub(super) struct Plan {
    /// From the tip down, with their bodies.
    pub disconnect: Vec<(LinkedHeader, Body)>,
    /// From the block above the last of those up to the new tip.
    pub connect: Vec<CheckedBlock>,
    /// What is noted of the reorganisation of several batches that this is a part of; then all blocks are on the disk.
    pub note: Option<Note>,
}

/// What is noted of a reorganisation of several batches.
#[derive(Clone, Copy, Debug)]
pub(super) enum Note {
    /// It is under way.
    UnderWay(UnderWay),
    /// It is over.
    Over,
}

/// What a plan did.
pub(super) struct Executed {
    /// The blocks that were left, from the old tip down.
    pub disconnected: Vec<LinkedHeader>,
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
    /// The store failed. The blocks come back that are here.
    Store { error: StoreError, rest: Vec<CheckedBlock> },
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Store { error, rest: Vec::new() }
    }
}

impl Writer {
    /// Carries out a plan: all of it, in one batch, or nothing. `inverses` asks for [`Executed::undone`].
    pub(super) fn execute(&mut self, plan: Plan, durability: Durability, inverses: bool) -> Result<Executed, Failed> {
        let Self { spec, live: store, workers, state, .. } = self;
        let started = clock::instant();
        let bytes: usize = plan.connect.iter().map(|block| block.size() * BATCH_BYTES_PER_BLOCK_BYTE).sum();
        state.make_room(&plan.connect);
        let index = match AddressIndex::load(store, spec) {
            Ok(index) => index,
            Err(error) => return Err(Failed::Store { error, rest: plan.connect }),
        };
        let batch = store.batch(bytes);
        let (note, stored) = (plan.note, plan.note.is_some());
        let state = StagedState::new(state, inverses);
        let source = Source { store, workers };
        let mut execution = Execution { spec, source, state, index, batch, stored };
        let result = execution.run(plan);
        let Execution { state, index, mut batch, .. } = execution;
        let (disconnected, connected) = match result {
            Ok(moved) => moved,
            Err(failed) => {
                state.take_back()?;
                return Err(failed);
            }
        };
        index.write(&mut batch);
        state.write(&mut batch);
        match note {
            Some(Note::UnderWay(under_way)) => put_under_way(&mut batch, Some(under_way)),
            Some(Note::Over) => put_under_way(&mut batch, None),
            None => {}
        }
        let (blocks, connect_us) = (connected.len(), clock::instant().duration_since(started).as_micros());
        if let Err(error) = batch.write(durability) {
            state.take_back()?;
            return Err(error.into());
        }
        let write_us = clock::instant().duration_since(started).as_micros() - connect_us;
        tracing::debug!(target: "cairn::chain", blocks, connect_us, write_us, "carried out a plan");
        Ok(Executed { disconnected, connected, accounts: state.changed(), undone: state.keep() })
    }
}

/// A plan being carried out.
struct Execution<'a> {
    spec: &'a ChainSpec,
    /// What is stored, and who shares the work on a block, if there is nothing else to do: half of the accounts are
    /// loaded there, and hashed while the batch is filled.
    source: Source<'a>,
    state: StagedState<'a>,
    index: AddressIndex<'a>,
    batch: Batch<'a>,
    /// Whether the blocks to connect are on the disk already.
    stored: bool,
}

/// The blocks that were left, and those that are followed now.
type Blocks = (Vec<LinkedHeader>, Vec<CheckedBlock>);

impl Execution<'_> {
    fn run(&mut self, plan: Plan) -> Result<Blocks, Failed> {
        let Plan { disconnect, connect, .. } = plan;
        let mut disconnected = Vec::with_capacity(disconnect.len());
        for (header, body) in disconnect {
            if let Err(error) = self.disconnect(&header, body) {
                return Err(Failed::Store { error, rest: connect });
            }
            disconnected.push(header);
        }
        let mut connected = Vec::with_capacity(connect.len());
        let mut rest = connect.into_iter();
        while let Some(block) = rest.next() {
            match self.connect(block) {
                Ok(block) => connected.push(block),
                Err(Failed::Invalid { id, error, .. }) => {
                    connected.extend(rest);
                    return Err(Failed::Invalid { id, error, rest: connected });
                }
                Err(Failed::Store { error, rest: failed }) => {
                    connected.extend(failed.into_iter().chain(rest));
                    return Err(Failed::Store { error, rest: connected });
                }
            }
        }
        Ok((disconnected, connected))
    }

    fn disconnect(&mut self, header: &LinkedHeader, body: Body) -> Result<(), StoreError> {
        // It was connected: its signatures are nobody's question.
        let transactions = Candidate::new_each(body.into_vec());
        let txids: Vec<TxId> = transactions.iter().map(Candidate::txid).collect();
        if txs_root(&txids) != header.header().txs_root {
            return Err(StoreError::corrupt::<BodyByBlock>(header.id()));
        }
        let undo = self.source.store.undo(header)?;
        self.state.load_for_undo(self.source, &undo)?;
        // Before the accounts it created are gone.
        let touching = transactions.iter().map(Candidate::transaction);
        self.index.disconnect(&mut self.batch, header.header(), touching, &self.state.state().accounts)?;
        self.state.disconnect(&undo)?;
        put_disconnected(&mut self.batch, header, &txids);
        Ok(())
    }

    fn connect(&mut self, block: CheckedBlock) -> Result<CheckedBlock, Failed> {
        let (id, stored) = (block.header().id(), self.stored);
        let slice = match self.state.slice(self.source, block.touched()) {
            Ok(slice) => slice,
            Err(error) => return Err(Failed::Store { error, rest: vec![block] }),
        };
        let (Source { store, workers }, state, batch) = (self.source, self.state.state(), &mut self.batch);
        let connected = connect_block_with(self.spec, block, slice, |block, change| {
            let hash = || state.tree.update(change.count, &change.leaf_hashes());
            let put = || {
                // Some may be on the disk all the same: then these are the same bytes under the same key.
                if !stored {
                    store.put_block(batch, block);
                }
                put_connected(batch, block.header(), &block.txids(), &UndoLeaves::new(change));
            };
            workers.join(hash, put).0
        });
        let connected = connected.map_err(|error| match error {
            ConnectError::Rule(error) => Failed::Invalid { id, error: Box::new(error), rest: Vec::new() },
            // Every touched address was looked up: what is missing is missing in the state.
            ConnectError::NotLoaded(error) => not_loaded(error).into(),
        })?;
        let (block, change, update) = connected.into_parts();
        self.state.connect(change, update)?;
        let touching = block.transactions().iter().map(|checked| checked.transaction());
        self.index.connect(&mut self.batch, block.header().header(), touching, &self.state.state().accounts)?;
        Ok(block)
    }
}
