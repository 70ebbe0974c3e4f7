//! Chains of headers alone, and light proofs of them: cheap enough for a hundred thousand blocks.

use super::{key, seal};
use crate::light::{BareHeader, BlockProof, LightProof, LightProver, LightRequest, tail_start};
use crate::mmr::{Mmr, MmrNode, MmrPosition, MmrProof};
use crate::validate::{ChainContext, LinkedHeader, target_after};
use crate::{block::Header, chain_spec::ChainSpec, keys::Address, merkle::txs_root, units::Height};
use alloc::vec::Vec;

/// A chain of headers, and every node of its history.
#[derive(Clone, Debug)]
pub struct HeaderChain {
    /// The rules.
    pub spec: ChainSpec,
    /// The block to build on.
    pub tip: ChainContext,
    /// From block 0 up.
    pub headers: Vec<Header>,
    /// Who receives the rewards.
    pub beneficiary: Address,
    /// `nodes[level][index]`; the leaves are level 0.
    nodes: Vec<Vec<MmrNode>>,
}

impl HeaderChain {
    /// Block 0.
    pub fn new(spec: ChainSpec) -> Self {
        let tip = ChainContext::genesis(&spec);
        let nodes = alloc::vec![tip.history().peaks().to_vec()];
        Self { headers: alloc::vec![spec.genesis().clone()], beneficiary: key(0).address(), nodes, tip, spec }
    }

    /// The child of the tip `gap` milliseconds after it, unmined, with no transactions and block 0's state.
    pub fn template(&self, gap: u64) -> Header {
        let (time, state_root) = (self.tip.header().time.saturating_add(gap), self.spec.genesis().state_root);
        let bare = BareHeader { time, beneficiary: self.beneficiary, txs_root: txs_root(&[]), state_root, nonce: 0 };
        bare.complete(&self.spec, &self.tip)
    }

    /// Mines a block `gap` milliseconds after the tip.
    pub fn mine(&mut self, gap: u64) {
        self.push(seal(self.template(gap)));
    }

    /// Mines `count` blocks, one interval apart.
    pub fn grow(&mut self, count: u64) {
        (0..count).for_each(|_| self.mine(self.spec.params().interval_ms));
    }

    /// Makes `header` the tip, whatever it is: nothing is checked.
    pub fn push(&mut self, header: Header) {
        let id = header.id();
        let times = [self.tip.header().time, header.time];
        let next_target = target_after(&self.spec, header.height, header.target, times);
        let linked = LinkedHeader::restore(header.clone(), id, self.tip.total_work(), next_target, Vec::new());
        let appended = self.tip.history().append(linked.leaf()).expect("a target and a time that follow");
        let all = core::iter::once(linked.leaf()).chain(appended.1);
        for (level, node) in all.enumerate() {
            self.nodes.resize(self.nodes.len().max(level + 1), Vec::new());
            self.nodes[level].push(node);
        }
        self.tip = self.tip.extend(&linked);
        self.headers.push(header);
    }

    /// The node at a position of the chain's history.
    pub fn node(&self, position: MmrPosition) -> MmrNode {
        self.nodes[position.level as usize][position.index as usize]
    }

    /// The history of the first `count` blocks.
    pub fn history(&self, count: u64) -> Mmr {
        let peaks = Mmr::peak_positions(count).into_iter().map(|position| self.node(position));
        Mmr::from_peaks(count, peaks.collect()).expect("as many peaks as positions")
    }

    /// The proof of the tip for a request, as an honest node makes it.
    pub fn light_proof(&self, request: &LightRequest) -> LightProof {
        let start = tail_start(self.tip.header().height).get();
        let plan = LightProver::new(request, &self.history(start), self.tip.total_work());
        self.finish(plan.expect("a tail with weight"))
    }

    /// Fetches what `plan` wants and puts the proof together.
    pub fn finish(&self, mut plan: LightProver) -> LightProof {
        loop {
            let wanted = plan.wanted();
            if wanted.is_empty() {
                break;
            }
            plan.take(wanted.into_iter().map(|position| self.node(position)).collect());
        }
        let start = tail_start(self.tip.header().height).get() as usize;
        let opened = plan.heights().into_iter().map(|height| self.headers[height.get() as usize].clone());
        let opened = opened.collect();
        plan.assemble(self.headers[start..].to_vec(), opened).expect("all that is needed")
    }

    /// A random-looking request for the tip.
    pub fn request(&self, random: u64) -> LightRequest {
        LightRequest { tip: self.tip.id(), random: super::arbitrary_hash(random) }
    }

    /// The place of the block at `height` in the tip's `history_root`; `None` for the tip itself.
    pub fn history_proof(&self, height: Height) -> Option<BlockProof> {
        let positions = MmrProof::positions(height, self.tip.header().height.get())?;
        let nodes = positions.iter().map(|trees| trees.iter().map(|position| self.node(*position)).collect());
        let siblings = MmrProof::from_nodes(&nodes.collect::<Vec<Vec<MmrNode>>>()).expect("nodes of one history");
        let leaf = self.node(MmrPosition { level: 0, index: height.get() });
        Some(BlockProof { next_target: leaf.next_target, siblings })
    }
}
