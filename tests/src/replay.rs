//! A second opinion: the state that the ledger's rules alone make of a node's blocks.

use crate::node::Node;
use cairn_ledger::hash::{BlockId, Hash};
use cairn_ledger::testing::{MemoryState, genesis_state};
use cairn_ledger::{block::Block, chain_spec::ChainSpec, validate::ChainContext};

/// Every block of a chain, checked and executed from the network's file on, with all accounts in memory.
pub struct Replay {
    spec: ChainSpec,
    tip: ChainContext,
    state: MemoryState,
}

impl Replay {
    /// Block 0.
    pub fn new(spec: &ChainSpec) -> Self {
        Self { spec: spec.clone(), tip: ChainContext::genesis(spec), state: genesis_state(spec) }
    }

    /// Asks a node for the blocks that lead to `tip` and connects each. They are asked for by their ids, from
    /// the tip down: whatever the node follows meanwhile, they are one chain.
    ///
    /// # Panics
    /// A block breaks a rule, or the replayed chain does not lead to `tip`.
    pub async fn advance(&mut self, node: &Node, tip: BlockId) {
        let (mut blocks, mut at) = (Vec::new(), tip);
        while at != self.tip.id() {
            let block = node.block(at).await;
            assert!(block.header.height > self.tip.header().height, "{tip} is on another branch than the last replay");
            at = block.header.parent;
            blocks.push(block);
        }
        blocks.into_iter().rev().for_each(|block| self.connect(block));
    }

    /// The last block.
    pub fn tip(&self) -> BlockId {
        self.tip.id()
    }

    /// The state after it.
    pub fn state_root(&self) -> Hash {
        self.state.tree().state_root()
    }

    fn connect(&mut self, block: Block) {
        self.tip = self.state.follow(&self.spec, &self.tip, block);
    }
}

/// The state root after replaying the whole chain that leads to a node's block `tip`.
pub async fn replayed_root(spec: &ChainSpec, node: &Node, tip: BlockId) -> Hash {
    let mut replay = Replay::new(spec);
    replay.advance(node, tip).await;
    replay.state_root()
}
