//! A second opinion: the state that the ledger's rules alone make of a node's blocks.

use crate::node::Node;
use cairn_ledger::{
    block::Block,
    chain_spec::ChainSpec,
    hash::Hash,
    testing::{MemoryState, genesis_state},
    units::Timestamp,
    validate::{ChainContext, CheckedBlock, check_header, check_work, connect_block, touched_addresses},
};

/// Asks a node for every block of its chain up to `height` and checks and executes each, from the network's
/// file on, with all accounts in memory. The state afterwards.
///
/// # Panics
/// A block breaks a rule.
pub async fn replay(spec: &ChainSpec, node: &Node, height: u64) -> MemoryState {
    let (mut context, mut state) = (ChainContext::genesis(spec), genesis_state(spec));
    for height in 1..=height {
        let block = node.block(height).await;
        context = connect(spec, &context, &mut state, block);
    }
    state
}

/// The same, for its state root only.
pub async fn replayed_root(spec: &ChainSpec, node: &Node, height: u64) -> Hash {
    replay(spec, node, height).await.tree().state_root()
}

fn connect(spec: &ChainSpec, parent: &ChainContext, state: &mut MemoryState, block: Block) -> ChainContext {
    let end_of_time = Timestamp::from_millis(u64::MAX);
    let sealed = check_work(spec, block.header).expect("valid work");
    let linked = check_header(spec, parent, sealed, end_of_time).expect("a header that links");
    let context = parent.extend(&linked);
    let checked = CheckedBlock::check(spec, linked, block.body).expect("a body that checks");
    let touched = touched_addresses(&checked.header().header().beneficiary, checked.transactions());
    let slice = state.slice(&touched);
    let connected = connect_block(spec, checked, slice, state.tree()).expect("a block that connects");
    let (_, change, update) = connected.into_parts();
    state.apply(&change, update);
    context
}
