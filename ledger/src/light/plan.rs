//! The prover: which nodes and headers a proof is made of, found out as a pure conversation.
//!
//! Each sample falls from its peak to its leaf, a level at a time: left or right is decided by the work of
//! the left child. Whoever has the chain fetches what [`LightPlan::wanted`] names until it names nothing.

use super::{
    LightError, LightProof, LightRequest, MAX_NODES,
    range::{Nodes, proof_positions},
    sample,
};
use crate::{
    block::Header,
    codec::BoundedVec,
    history::{History, Node, Position},
    pow::Work,
    units::Height,
};
use alloc::{collections::BTreeSet, vec::Vec};

/// A proof being made.
#[derive(Clone, Debug)]
pub struct LightPlan {
    /// The blocks before the tail.
    history: History,
    known: Nodes,
    falling: Vec<Falling>,
}

/// A sample on its way from a peak to its leaf.
#[derive(Clone, Copy, Debug)]
struct Falling {
    at: Position,
    /// The work it looks for, counted from the left end of the subtree at `at`.
    offset: Work,
}

impl LightPlan {
    /// Begins a proof for a request. `history` is that of the blocks before the tail, which begins at
    /// [`tail_start`](super::tail_start) of the tip's height; `total` is the work of the whole chain, the tip
    /// included.
    ///
    /// # Errors
    /// A chain whose tail has no weight.
    pub fn new(request: &LightRequest, history: History, total: Work) -> Result<Self, LightError> {
        let offsets = sample::offsets(&request.seed(), history.total_work(), total)?;
        let positions = History::peak_positions(history.count());
        let peaks: Vec<(Position, Node)> = positions.into_iter().zip(history.peaks().iter().copied()).collect();
        let falling = offsets.into_iter().filter_map(|offset| {
            let mut offset = offset;
            for (at, peak) in &peaks {
                match offset.checked_sub(peak.work) {
                    Some(beyond) => offset = beyond,
                    None => return Some(Falling { at: *at, offset }),
                }
            }
            // Offsets are below the work of the history.
            None
        });
        Ok(Self { falling: falling.collect(), known: peaks.iter().copied().collect(), history })
    }

    /// The nodes of the history that the plan needs next, ascending; none when it has all.
    pub fn wanted(&self) -> Vec<Position> {
        let falling = self.falling.iter().filter(|sample| sample.at.level > 0);
        let children: BTreeSet<Position> = falling.flat_map(|sample| children(sample.at)).collect();
        if children.is_empty() {
            return self.proof_positions().into_iter().filter(|node| !self.known.contains_key(node)).collect();
        }
        children.into_iter().filter(|node| !self.known.contains_key(node)).collect()
    }

    /// Takes the nodes at [`LightPlan::wanted`], in that order. Whatever is not given is wanted again.
    pub fn take(&mut self, nodes: Vec<Node>) {
        self.known.extend(self.wanted().into_iter().zip(nodes));
        for sample in &mut self.falling {
            while sample.at.level > 0 {
                let [left, right] = children(sample.at);
                let Some(known) = self.known.get(&left) else { break };
                sample.at = match sample.offset.checked_sub(known.work) {
                    Some(beyond) => {
                        sample.offset = beyond;
                        right
                    }
                    None => left,
                };
            }
        }
    }

    /// The heights of the sampled headers and the two before each, ascending; final once nothing is wanted.
    pub fn heights(&self) -> Vec<Height> {
        self.leaves().into_iter().map(Height::new).collect()
    }

    /// Puts the proof together from the one or two headers `before` the tail (none when it begins at block
    /// 0), the `tail` up to the tip, and the headers at [`LightPlan::heights`].
    ///
    /// # Errors
    /// Something is missing, or there is more than a proof may have.
    pub fn assemble(
        self,
        before: Vec<Header>,
        tail: Vec<Header>,
        sampled: Vec<Header>,
    ) -> Result<LightProof, LightError> {
        let positions = self.proof_positions();
        let nodes: Vec<Node> = positions.iter().filter_map(|position| self.known.get(position).copied()).collect();
        if nodes.len() != positions.len() || nodes.len() > MAX_NODES {
            return Err(LightError::Nodes { got: nodes.len(), expected: positions.len().min(MAX_NODES) });
        }
        let (peaks, count) = (self.history.peaks().to_vec(), self.history.count());
        let too_many_peaks = LightError::Peaks { got: peaks.len(), count };
        let lengths = (before.len() as u64, tail.len() as u64);
        let too_many_samples = LightError::Superfluous { height: Height::new(count) };
        Ok(LightProof {
            peaks: BoundedVec::new(peaks).map_err(|_| too_many_peaks)?,
            before: BoundedVec::new(before).map_err(|_| LightError::BeforeLength { got: lengths.0, expected: 2 })?,
            tail: BoundedVec::new(tail)
                .map_err(|error| LightError::TailLength { got: lengths.1, expected: error.max as u64 })?,
            sampled: BoundedVec::new(sampled).map_err(|_| too_many_samples)?,
            nodes: BoundedVec::new(nodes).map_err(|error| LightError::Nodes { got: error.got, expected: error.max })?,
        })
    }

    fn leaves(&self) -> BTreeSet<u64> {
        let leaves = self.falling.iter().filter(|sample| sample.at.level == 0);
        leaves.flat_map(|sample| sample.at.index.saturating_sub(2)..=sample.at.index).collect()
    }

    fn proof_positions(&self) -> Vec<Position> {
        proof_positions(self.leaves(), self.history.count())
    }
}

fn children(of: Position) -> [Position; 2] {
    let (level, index) = (of.level.saturating_sub(1), of.index << 1);
    [Position { level, index }, Position { level, index: index | 1 }]
}
