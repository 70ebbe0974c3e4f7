//! The prover: which nodes and headers a proof is made of, found out as a pure conversation.
//!
//! Each sample falls from its peak to its leaf, a level at a time: left or right is decided by the work of
//! the left child. Whoever has the chain fetches what [`LightProver::wanted`] names until it names nothing.

use super::{LightError, LightProof, LightRequest, MAX_NODES, MAX_OPENED, MAX_TAIL, sample, tiles};
use crate::mmr::{Mmr, MmrNode, MmrPosition};
use crate::{block::Header, codec::BoundedVec, pow::Work, units::Height};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// A proof being made.
#[derive(Clone, Debug)]
pub struct LightProver {
    /// How many blocks there are before the tail.
    count: u64,
    known: BTreeMap<MmrPosition, MmrNode>,
    samples: Vec<PendingSample>,
}

/// A sample on its way from a peak to its leaf.
#[derive(Clone, Copy, Debug)]
struct PendingSample {
    at: MmrPosition,
    /// The work it looks for, counted from the left end of the subtree at `at`.
    offset: Work,
}

impl LightProver {
    /// Begins a proof for a request. `history` is that of the blocks before the tail, which begins at
    /// [`tail_start`](super::tail_start) of the tip's height; `total` is the work of the whole chain, the tip
    /// included.
    ///
    /// # Errors
    /// A chain whose tail has no weight.
    pub fn new(request: &LightRequest, history: &Mmr, total: Work) -> Result<Self, LightError> {
        let offsets = sample::offsets(&request.seed(), request.samples(), history.total_work(), total)?;
        let positions = Mmr::peak_positions(history.count());
        let peaks: Vec<(MmrPosition, MmrNode)> = positions.into_iter().zip(history.peaks().iter().copied()).collect();
        let samples = offsets.into_iter().filter_map(|offset| {
            let mut offset = offset;
            for (at, peak) in &peaks {
                match offset.checked_sub(peak.work) {
                    Some(beyond) => offset = beyond,
                    None => return Some(PendingSample { at: *at, offset }),
                }
            }
            // Offsets are below the work of the history.
            None
        });
        Ok(Self { samples: samples.collect(), known: peaks.iter().copied().collect(), count: history.count() })
    }

    /// The nodes of the history that the plan needs next, ascending; none when it has all.
    pub fn wanted(&self) -> Vec<MmrPosition> {
        let pending = self.samples.iter().filter(|sample| sample.at.level > 0);
        let mut wanted: BTreeSet<MmrPosition> = pending.flat_map(|sample| children(sample.at)).collect();
        if wanted.is_empty() {
            wanted.extend(self.trees());
        }
        wanted.into_iter().filter(|node| !self.known.contains_key(node)).collect()
    }

    /// Takes the nodes at [`LightProver::wanted`], in that order. Whatever is not given is wanted again.
    pub fn take(&mut self, nodes: Vec<MmrNode>) {
        self.known.extend(self.wanted().into_iter().zip(nodes));
        for sample in &mut self.samples {
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

    /// The heights of the opened headers, ascending: each sample, the two blocks before it, and the two before the
    /// tail; final once nothing is wanted.
    pub fn heights(&self) -> Vec<Height> {
        self.opened().into_iter().map(Height::new).collect()
    }

    /// Puts the proof together from the `tail` up to the tip and the headers `opened` at [`LightProver::heights`].
    ///
    /// # Errors
    /// Something is missing, or there is more than a proof may have.
    pub fn assemble(self, tail: Vec<Header>, opened: Vec<Header>) -> Result<LightProof, LightError> {
        let trees = self.trees();
        let nodes: Vec<MmrNode> = trees.iter().filter_map(|position| self.known.get(position).copied()).collect();
        let missing = LightError::Nodes { got: nodes.len(), expected: trees.len() };
        if nodes.len() != trees.len() {
            return Err(missing);
        }
        let tail = BoundedVec::new(tail)
            .map_err(|error| LightError::TailLength { got: error.got as u64, expected: MAX_TAIL as u64 })?;
        let too_many = |max: usize| LightError::TooMany { max };
        Ok(LightProof {
            tail,
            opened: BoundedVec::new(opened).map_err(|_| too_many(MAX_OPENED))?,
            nodes: BoundedVec::new(nodes).map_err(|_| too_many(MAX_NODES))?,
        })
    }

    fn opened(&self) -> BTreeSet<u64> {
        let drawn = self.samples.iter().filter(|sample| sample.at.level == 0).map(|sample| sample.at.index);
        sample::opened_blocks(drawn, self.count)
    }

    fn trees(&self) -> Vec<MmrPosition> {
        tiles::trees(self.opened(), self.count)
    }
}

fn children(of: MmrPosition) -> [MmrPosition; 2] {
    let (level, index) = (of.level.saturating_sub(1), of.index << 1);
    [MmrPosition { level, index }, MmrPosition { level, index: index | 1 }]
}
