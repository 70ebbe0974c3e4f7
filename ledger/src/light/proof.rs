//! What travels, and the verifier.

use super::marks::{Mark, Marks};
use super::tiles::{self, Opened, Walk};
use super::{
    LightError, LightRequest, MAX_LIGHT_PROOF_BYTES, MAX_NODES, MAX_OPENED, MAX_TAIL, VerifiedTip, sample, tail_start,
    tip::advance,
};
use crate::codec::{self, BoundedVec, Decode, Encode};
use crate::units::{Height, Timestamp};
use crate::{block::Header, chain_spec::ChainSpec, hash::BlockId, mmr::MmrNode, pow::Work, validate::ChainContext};
use alloc::{collections::BTreeSet, vec::Vec};

/// A proof of a tip and of the work below it.
///
/// Layout: three lists, each a count u64 and its elements. Headers are 190 bytes, nodes 80.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct LightProof {
    /// The headers from [`tail_start`] to the tip.
    pub tail: BoundedVec<Header, MAX_TAIL>,
    /// Of the blocks before the tail, without block 0: each sample, the two before each, and the last two; all
    /// ascending, each once.
    pub opened: BoundedVec<Header, MAX_OPENED>,
    /// The rest of the blocks before the tail: the greatest complete trees between those that are opened, from
    /// left to right.
    pub nodes: BoundedVec<MmrNode, MAX_NODES>,
}

impl LightProof {
    /// Reads a proof from its bytes.
    ///
    /// # Errors
    /// Refuses anything but the one encoding of a proof within its bounds.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, codec::DecodeError> {
        codec::decode(bytes, MAX_LIGHT_PROOF_BYTES)
    }

    /// Checks the proof against the genesis of `spec` and against what was asked for, at the moment `now`.
    ///
    /// # Errors
    /// Says why it proves nothing.
    pub fn verify(&self, spec: &ChainSpec, request: &LightRequest, now: Timestamp) -> Result<VerifiedTip, LightError> {
        // Cheapest first: the tip is the one that was named before the asker's bytes were known.
        let tip = self.tail.last().ok_or(LightError::Tip { got: None, expected: request.tip })?;
        let id = tip.id();
        if id != request.tip {
            return Err(LightError::Tip { got: Some(id), expected: request.tip });
        }
        // A shorter tail would hide the blocks that are the cheapest to forge from being checked whole.
        let start = tail_start(tip.height).get();
        let expected = tip.height.get().saturating_sub(start).saturating_add(1);
        if self.tail.len() as u64 != expected {
            return Err(LightError::TailLength { got: self.tail.len() as u64, expected });
        }
        // From block 0 to the tail without a gap, so that nothing hangs in the air.
        let walk = tiles::walk(spec, &self.opened, &self.nodes, start)?;
        // The first header of the tail commits to all of that; each is checked as a full node checks it.
        let (tip, marks) = self.check_tail(spec, &walk, now)?;
        let (before, total) = (walk.history.total_work(), tip.total_work());
        let offsets = sample::offsets(&request.seed(), request.samples(), before, total)?;
        check_samples(&walk.opened, &offsets, start)?;
        let marks = Marks::of(walk.marks.into_iter().chain(marks));
        Ok(VerifiedTip::new(&tip, self.tail.iter(), marks, offsets.len() as u64))
    }

    /// Checks the headers of the tail, and gives the tip as a parent of others.
    fn check_tail(
        &self,
        spec: &ChainSpec,
        walk: &Walk<'_, '_>,
        now: Timestamp,
    ) -> Result<(ChainContext, Vec<Mark>), LightError> {
        let mut tail = self.tail.iter();
        let genesis = ChainContext::genesis(spec);
        let mut context = match walk.opened.last() {
            // Blocks 0 and 1 are opened before any other.
            Some(last) => ChainContext::restore(last.header.clone(), last.id, walk.history.clone()),
            None if walk.history.count() == 0 => {
                let got = tail.next().map_or(BlockId::ZERO, Header::id);
                if got != spec.genesis_id() {
                    return Err(LightError::Genesis { got, expected: spec.genesis_id() });
                }
                genesis
            }
            None => genesis,
        };
        let mut marks = Vec::with_capacity(self.tail.len());
        for header in tail {
            marks.push(advance(spec, &mut context, header, now)?);
        }
        Ok((context, marks))
    }
}

/// Checks that every offset is answered by a header that stands there, with the two before it, and that no others
/// are opened.
fn check_samples(opened: &[Opened<'_>], offsets: &[Work], count: u64) -> Result<(), LightError> {
    let mut drawn = BTreeSet::new();
    for offset in offsets {
        let missing = LightError::SampleMissing { offset: *offset };
        let place = opened.partition_point(|opened| opened.before <= *offset).checked_sub(1);
        let found = place.and_then(|place| opened.get(place)).ok_or(missing.clone())?;
        // The work left of the leaf ≤ offset < that and its own.
        let end = found.before.checked_add(found.work).ok_or(LightError::Overflow)?;
        if *offset >= end {
            return Err(missing);
        }
        drawn.insert(found.header.height.get());
    }
    let there: BTreeSet<u64> = opened.iter().map(|opened| opened.header.height.get()).collect();
    let needed = sample::opened_blocks(drawn, count);
    // Three blocks of real work stand at each sample, so that to lower the difficulty costs work, too.
    if let Some(missing) = needed.difference(&there).next() {
        return Err(LightError::HeaderMissing { height: Height::new(*missing) });
    }
    match there.difference(&needed).next() {
        Some(left_over) => Err(LightError::Superfluous { height: Height::new(*left_over) }),
        None => Ok(()),
    }
}
