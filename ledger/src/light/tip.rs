//! What a verifier knows after a proof, keeps, and continues from.

use super::{BURIAL, LightError, TAIL};
use crate::{
    block::Header,
    chain_spec::ChainSpec,
    codec::{BoundedVec, Decode, Encode},
    hash::BlockId,
    history::{History, Node},
    pow::Work,
    units::{Height, Timestamp},
    validate::{ChainContext, LinkedHeader, check_header, check_work},
};
use alloc::vec::Vec;

/// Headers kept below a tip and with it: down to the one that accounts are read from.
const RECENT: usize = BURIAL as usize + 1;

/// A tip whose work was proven, with the last headers below it and the history up to it.
///
/// Its encoding is for its owner's own file: [`VerifiedTip::restore`] finds out whether it holds together,
/// not whether it was ever proven.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[bincode(crate = "crate::codec::bincode")]
pub struct VerifiedTip {
    /// Ascending, the tip last; never empty.
    recent: BoundedVec<Header, RECENT>,
    /// The peaks of the history up to and including the tip.
    peaks: BoundedVec<Node, 64>,
    /// Samples that were checked when the chain was proven from its genesis.
    samples: u64,
}

impl VerifiedTip {
    /// What is kept of `context`, the tip of a checked chain that ends with `headers`.
    pub(super) fn new<'a>(
        context: &ChainContext,
        headers: impl DoubleEndedIterator<Item = &'a Header>,
        samples: u64,
    ) -> Self {
        let mut recent: Vec<Header> = headers.rev().take(RECENT).cloned().collect();
        recent.reverse();
        Self {
            recent: BoundedVec::new(recent).unwrap_or_default(),
            peaks: BoundedVec::new(context.history().peaks().to_vec()).unwrap_or_default(),
            samples,
        }
    }

    /// Block 0 of a network: what is known before anything was proven.
    pub fn genesis(spec: &ChainSpec) -> Self {
        let context = ChainContext::genesis(spec);
        Self::new(&context, core::iter::once(spec.genesis()), 0)
    }

    /// Gives back a tip that was kept, if it holds together on this network: linked headers, and as many peaks
    /// as its height asks for.
    pub fn restore(self, spec: &ChainSpec) -> Option<Self> {
        let first = self.recent.first()?;
        let genesis = first.height != Height::GENESIS || first.id() == spec.genesis_id();
        let linked = self.recent.iter().zip(self.recent.iter().skip(1)).all(|(parent, child)| {
            child.parent == parent.id() && Some(child.height) == parent.height.next() && child.time > parent.time
        });
        let whole = self.recent.len() as u64 == self.height().get().saturating_add(1).min(RECENT as u64);
        (genesis && linked && whole && self.history().count() > 0).then_some(self)
    }

    fn history(&self) -> History {
        let count = self.height().get().saturating_add(1);
        History::from_peaks(count, self.peaks.to_vec()).unwrap_or_default()
    }

    /// The tip's header; `None` only for a value that [`VerifiedTip::restore`] would refuse.
    fn last(&self) -> Option<&Header> {
        self.recent.last()
    }

    /// The tip's id.
    pub fn id(&self) -> BlockId {
        self.last().map_or(BlockId::ZERO, Header::id)
    }

    /// The tip's height.
    pub fn height(&self) -> Height {
        self.last().map_or(Height::GENESIS, |header| header.height)
    }

    /// When the tip's miner says it was made.
    pub fn time(&self) -> Timestamp {
        self.last().map_or(Timestamp::default(), |header| header.time)
    }

    /// The work of the chain, the tip included.
    pub fn total_work(&self) -> Work {
        self.history().total_work()
    }

    /// Samples that were checked when the chain was proven from its genesis; 0 when all of it was checked.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// A header of the chain, if it is one of the last seven.
    pub fn header_at(&self, height: Height) -> Option<&Header> {
        self.recent.iter().find(|header| header.height == height)
    }

    /// The header that accounts are read from: [`BURIAL`] below the tip, or the tip itself where the chain
    /// is not that long.
    pub fn settled(&self) -> Option<&Header> {
        if self.height().get() < BURIAL { self.last() } else { self.recent.first() }
    }

    /// The tip `tip` that follows from this one by `headers`, each the parent of the next.
    ///
    /// # Errors
    /// Says why it does not.
    pub fn extend(
        &self,
        spec: &ChainSpec,
        tip: &BlockId,
        headers: &[Header],
        now: Timestamp,
    ) -> Result<Self, LightError> {
        if headers.len() as u64 > TAIL {
            return Err(LightError::TooManyHeaders { got: headers.len(), max: TAIL });
        }
        let last = headers.last().or(self.last()).map(Header::id);
        if last != Some(*tip) {
            return Err(LightError::Tip { got: last, expected: *tip });
        }
        let from = self.last().ok_or(LightError::Tip { got: None, expected: *tip })?;
        // Only block 0 stands alone in `recent`; it counts as its own parent.
        let parent_time = self.recent.iter().rev().nth(1).map_or(from.time, |parent| parent.time);
        let linked = LinkedHeader::restore(from.clone(), from.id(), self.total_work(), Vec::new());
        let context = ChainContext::restore(&linked, parent_time, self.history());
        let context = headers.iter().try_fold(context, |context, header| {
            let broken = |error| LightError::Header { height: header.height, error };
            let sealed = check_work(spec, header.clone()).map_err(broken)?;
            let linked = check_header(spec, &context, sealed, now).map_err(broken)?;
            Ok::<_, LightError>(context.extend(&linked))
        })?;
        Ok(Self::new(&context, self.recent.iter().chain(headers), self.samples))
    }
}
