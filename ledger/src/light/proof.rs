//! What travels, and the verifier.

use super::{
    LightError, LightRequest, MAX_LIGHT_PROOF_BYTES, MAX_NODES, MAX_SAMPLED, MAX_TAIL, VerifiedTip, range, sample,
    tail_start,
};
use crate::{
    block::Header,
    chain_spec::ChainSpec,
    codec::{self, BoundedVec, Decode, Encode},
    error::HeaderError,
    hash::BlockId,
    history::{History, Node},
    pow::Work,
    units::{Height, Timestamp},
    validate::{ChainContext, LinkedHeader, check_header, check_work},
};
use alloc::{collections::BTreeSet, vec::Vec};

/// A proof of a tip and of the work below it.
///
/// Layout: five lists, each a count u64 and its elements. Nodes are 64 bytes (`hash ‖ work`, big-endian),
/// headers 190.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[bincode(crate = "crate::codec::bincode")]
pub struct LightProof {
    /// The peaks of the history before the tail, from left to right.
    pub(super) peaks: BoundedVec<Node, 64>,
    /// The two headers before the tail, as far as there are two.
    pub(super) before: BoundedVec<Header, 2>,
    /// The headers from [`tail_start`] to the tip.
    pub(super) tail: BoundedVec<Header, MAX_TAIL>,
    /// Each sampled header and the two before it, all ascending and each once.
    pub(super) sampled: BoundedVec<Header, MAX_SAMPLED>,
    /// What leads from `sampled` to `peaks`: lowest level first, from left to right.
    pub(super) nodes: BoundedVec<Node, MAX_NODES>,
}

/// A header with its id and its own work.
struct Known<'a> {
    header: &'a Header,
    id: BlockId,
    work: Work,
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
        let start = tail_start(tip.height);
        let expected = tip.height.get().saturating_sub(start.get()).saturating_add(1);
        if self.tail.len() as u64 != expected {
            return Err(LightError::TailLength { got: self.tail.len() as u64, expected });
        }
        let peaks = LightError::Peaks { got: self.peaks.len(), count: start.get() };
        let history = History::from_peaks(start.get(), self.peaks.to_vec()).ok_or(peaks)?;
        // Each header of the tail is checked as a full node checks it; the first commits to `history`.
        let tail = self.check_tail(spec, history.clone(), now)?;
        let offsets = sample::offsets(&request.seed(), history.total_work(), tail.total_work())?;
        self.check_samples(spec, &history, &offsets, now)?;
        Ok(VerifiedTip::new(&tail, self.before.iter().chain(self.tail.iter()), offsets.len() as u64))
    }

    /// Checks the headers before the tail and the tail, and gives the tip as a parent of others.
    fn check_tail(&self, spec: &ChainSpec, history: History, now: Timestamp) -> Result<ChainContext, LightError> {
        let (mut tail, start) = (self.tail.iter(), history.count());
        let expected = start.min(2);
        if self.before.len() as u64 != expected {
            return Err(LightError::BeforeLength { got: self.before.len() as u64, expected });
        }
        let context = if start == 0 {
            let genesis = tail.next().ok_or(LightError::TailLength { got: 0, expected: 1 })?;
            known(spec, genesis, Height::GENESIS)?;
            ChainContext::genesis(spec)
        } else {
            let first = start.saturating_sub(expected);
            let before = self.before.iter().zip(first..);
            let before: Vec<Known<'_>> =
                before.map(|(header, height)| known(spec, header, Height::new(height))).collect::<Result<_, _>>()?;
            parent(&before, history).ok_or(LightError::BeforeLength { got: 0, expected })??
        };
        tail.try_fold(context, |context, header| {
            let broken = |error| LightError::Header { height: header.height, error };
            let sealed = check_work(spec, header.clone()).map_err(broken)?;
            let linked = check_header(spec, &context, sealed, now).map_err(broken)?;
            Ok(context.extend(&linked))
        })
    }

    /// Checks that every offset is answered by a header that stands there, follows the rules from the two
    /// before it, and commits to the very history it stands in.
    fn check_samples(
        &self,
        spec: &ChainSpec,
        history: &History,
        offsets: &[Work],
        now: Timestamp,
    ) -> Result<(), LightError> {
        let mut sampled: Vec<Known<'_>> = Vec::new();
        for header in self.sampled.iter() {
            let rising = sampled.last().is_none_or(|last| last.header.height < header.height);
            if !rising || header.height.get() >= history.count() {
                return Err(LightError::SampleOrder { got: header.height });
            }
            // Leaf index = height, leaf = { id, work(target) }, and valid work: by construction.
            sampled.push(known(spec, header, header.height)?);
        }
        let leaf = |known: &Known<'_>| (known.header.height.get(), Node::leaf(&known.id, known.work));
        let nodes = range::fold(sampled.iter().map(leaf).collect(), &self.nodes, history)?;
        let mut before = Vec::with_capacity(sampled.len());
        for known in &sampled {
            // A sum of works that lie in peaks whose sum was checked: the nodes are all there.
            before.push(range::history_before(known.header.height.get(), &nodes).ok_or(LightError::Overflow)?);
        }
        let drawn = drawn(&sampled, &before, offsets)?;
        check_needed(&sampled, &drawn)?;
        for place in drawn {
            check_sample(spec, &sampled, &before, place, now)?;
        }
        Ok(())
    }
}

/// Checks the sampled header at `place` as the child of the two before it, whose history is `before`.
fn check_sample(
    spec: &ChainSpec,
    sampled: &[Known<'_>],
    before: &[History],
    place: usize,
    now: Timestamp,
) -> Result<(), LightError> {
    let missing = LightError::AncestorMissing { height: Height::GENESIS };
    let (sample, history) = (sampled.get(place), before.get(place));
    let (sample, history) = sample.zip(history).ok_or(missing.clone())?;
    // The heights are consecutive here; block 1 has one ancestor, all later ones two.
    let first = if sample.header.height.get() < 2 { place.saturating_sub(1) } else { place.saturating_sub(2) };
    let ancestors = sampled.get(first..place).unwrap_or_default();
    let context = parent(ancestors, history.clone()).ok_or(missing)??;
    let broken = |error| LightError::Header { height: sample.header.height, error };
    let sealed = check_work(spec, sample.header.clone()).map_err(broken)?;
    // The history of its context is what its left siblings bag to: without that comparison, one fresh block
    // could commit to anything.
    check_header(spec, &context, sealed, now).map_err(broken)?;
    Ok(())
}

/// A header at its height with valid work; at height 0, block 0 itself.
fn known<'a>(spec: &ChainSpec, header: &'a Header, height: Height) -> Result<Known<'a>, LightError> {
    if header.height != height {
        return Err(LightError::Height { got: header.height, expected: height });
    }
    if height == Height::GENESIS {
        let (id, expected) = (header.id(), spec.genesis_id());
        return if id == expected {
            Ok(Known { header, id, work: Work::ZERO })
        } else {
            Err(LightError::Genesis { got: id, expected })
        };
    }
    let broken = |error| LightError::Header { height, error };
    let sealed = check_work(spec, header.clone()).map_err(broken)?;
    Ok(Known { header, id: sealed.id(), work: sealed.work() })
}

/// The last of one or two linked headers as the parent of a header whose history is `history`; `None` for
/// no headers.
fn parent(ancestors: &[Known<'_>], history: History) -> Option<Result<ChainContext, LightError>> {
    let (last, earlier) = ancestors.split_last()?;
    let parent_time = earlier.last().map_or(last.header.time, |parent| parent.header.time);
    if let Some(grandparent) = earlier.last() {
        let broken = |error| Some(Err(LightError::Header { height: last.header.height, error }));
        if last.header.parent != grandparent.id {
            return broken(HeaderError::Parent { got: last.header.parent, expected: grandparent.id });
        }
        if last.header.time <= parent_time {
            return broken(HeaderError::TimeNotRising { got: last.header.time, parent: parent_time });
        }
    }
    let linked = LinkedHeader::restore(last.header.clone(), last.id, history.total_work(), Vec::new());
    Some(Ok(ChainContext::restore(&linked, parent_time, history)))
}

/// The places in `sampled` of the headers at the offsets.
fn drawn(sampled: &[Known<'_>], before: &[History], offsets: &[Work]) -> Result<BTreeSet<usize>, LightError> {
    let starts: Vec<Work> = before.iter().map(History::total_work).collect();
    let mut drawn = BTreeSet::new();
    for offset in offsets {
        let missing = LightError::SampleMissing { offset: *offset };
        // Block 0 has no work and begins where block 1 does: the last that begins there is meant.
        let place = starts.partition_point(|start| start <= offset).checked_sub(1).ok_or(missing.clone())?;
        let (start, known) = (starts.get(place).copied().unwrap_or_default(), sampled.get(place));
        let end = known.and_then(|known| start.checked_add(known.work)).unwrap_or_default();
        if *offset >= end {
            return Err(missing);
        }
        drawn.insert(place);
    }
    Ok(drawn)
}

/// Checks that the two headers before each drawn one are there, and that there are no others.
fn check_needed(sampled: &[Known<'_>], drawn: &BTreeSet<usize>) -> Result<(), LightError> {
    let there: BTreeSet<u64> = sampled.iter().map(|known| known.header.height.get()).collect();
    let heights = drawn.iter().filter_map(|place| sampled.get(*place)).map(|known| known.header.height.get());
    let needed: BTreeSet<u64> = heights.flat_map(|height| height.saturating_sub(2)..=height).collect();
    if let Some(missing) = needed.difference(&there).next() {
        return Err(LightError::AncestorMissing { height: Height::new(*missing) });
    }
    match there.difference(&needed).next() {
        Some(left_over) => Err(LightError::Superfluous { height: Height::new(*left_over) }),
        None => Ok(()),
    }
}
