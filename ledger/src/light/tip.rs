//! What a verifier knows after a proof, keeps, and continues from.

use super::marks::{DAY_MS, HOUR_MS, Mark, Marks};
use super::{BURIAL, BareHeader, LightError, MAX_TAIL, TAIL};
use crate::codec::{BoundedVec, Decode, Encode};
use crate::mmr::{Mmr, MmrNode};
use crate::units::{Height, Timestamp};
use crate::validate::{ChainContext, check_header, check_work};
use crate::{block::Header, chain_spec::ChainSpec, hash::BlockId, pow::Work};
use alloc::vec::Vec;

/// Less of the last day's average than one part in this many, mined in the last hour, is suspicious.
const SLOW: f64 = 4.0;

/// A tip whose work was proven, with the last headers below it and the history up to it.
///
/// Its encoding is for its owner's own file: [`VerifiedTip::restore`] finds out whether it holds together,
/// not whether it was ever proven.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct VerifiedTip {
    /// Ascending, the tip last; never empty; as many as a tail has, as far as there are.
    recent: BoundedVec<Header, MAX_TAIL>,
    /// The peaks of the history up to and including the tip.
    peaks: BoundedVec<MmrNode, 64>,
    /// Samples that were checked when the chain was proven from its genesis.
    samples: u64,
    /// How much was mined when.
    marks: Marks,
}

/// The block that accounts are read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled<'a> {
    /// Its header.
    pub header: &'a Header,
    /// Whether enough work lies above it: if not, its state root is one miner's word.
    pub buried: bool,
}

impl VerifiedTip {
    /// What is kept of `context`, the tip of a checked chain that ends with `headers`.
    pub(super) fn new<'a>(
        context: &ChainContext,
        headers: impl DoubleEndedIterator<Item = &'a Header>,
        marks: Marks,
        samples: u64,
    ) -> Self {
        let mut recent: Vec<Header> = headers.rev().take(MAX_TAIL).cloned().collect();
        recent.reverse();
        Self {
            recent: BoundedVec::new(recent).unwrap_or_default(),
            peaks: BoundedVec::new(context.history().peaks().to_vec()).unwrap_or_default(),
            samples,
            marks,
        }
    }

    /// Block 0 of a network: what is known before anything was proven.
    pub fn genesis(spec: &ChainSpec) -> Self {
        let context = ChainContext::genesis(spec);
        let mark = Mark { time: spec.genesis().time, work: Work::ZERO };
        Self::new(&context, core::iter::once(spec.genesis()), Marks::of([mark]), 0)
    }

    /// Gives back a tip that was kept, if it holds together on this network: linked headers, and as many peaks
    /// as its height asks for.
    pub fn restore(self, spec: &ChainSpec) -> Option<Self> {
        let first = self.recent.first()?;
        let genesis = first.height != Height::GENESIS || first.id() == spec.genesis_id();
        let linked = self.recent.iter().zip(self.recent.iter().skip(1)).all(|(parent, child)| {
            child.parent == parent.id() && Some(child.height) == parent.height.next() && child.time > parent.time
        });
        let whole = self.recent.len() as u64 == self.height().get().min(TAIL).saturating_add(1);
        (genesis && linked && whole && self.history().count() > 0).then_some(self)
    }

    fn history(&self) -> Mmr {
        let count = self.height().get().saturating_add(1);
        Mmr::from_peaks(count, self.peaks.to_vec()).unwrap_or_default()
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

    /// A header of the chain, if it is one of the last [`TAIL`] and the tip.
    pub fn header_at(&self, height: Height) -> Option<&Header> {
        let first = self.recent.first()?.height.get();
        let place = usize::try_from(height.get().checked_sub(first)?).ok()?;
        self.recent.get(place)
    }

    /// The work of an hour of the last day, on average, over that of the last hour before `now`, when that is more than
    /// four: whoever shows this chain may be keeping blocks back, or miners may have left.
    pub fn slowed(&self, now: Timestamp) -> Option<f64> {
        let now = now.max(self.time());
        let hour_ago = Timestamp::from_millis(now.millis().saturating_sub(HOUR_MS));
        let hour = if self.recent.first()?.time <= hour_ago {
            let late = self.recent.iter().filter(|header| header.time > hour_ago);
            late.fold(0.0, |sum, header| sum + work(header).to_f64())
        } else {
            self.marks.hourly(now, HOUR_MS)?.0
        };
        let (day, hours) = self.marks.hourly(now, DAY_MS)?;
        (hours >= 2.0 && hour * SLOW < day).then(|| day / hour.max(1.0))
    }

    /// The block that accounts are read from: the newest that has at least [`BURIAL`] blocks above it and [`BURIAL`]
    /// times its own work, or that of a block of this chain on average, whichever is more. Where there is none: the
    /// one [`BURIAL`] below the tip, or the tip of a shorter chain.
    pub fn settled(&self) -> Option<Settled<'_>> {
        let tip = self.last()?;
        if tip.height == Height::GENESIS {
            // Everybody knows its state.
            return Some(Settled { header: tip, buried: true });
        }
        let mean = self.total_work().checked_div(tip.height.get()).unwrap_or_default();
        let mut above = Work::ZERO;
        for (blocks, header) in (0..).zip(self.recent.iter().rev()) {
            let own = work(header);
            if blocks >= BURIAL && own.max(mean).checked_mul(BURIAL).is_some_and(|needed| above >= needed) {
                return Some(Settled { header, buried: true });
            }
            above = above.checked_add(own).unwrap_or(above);
        }
        let below = self.header_at(tip.height.saturating_sub(BURIAL)).filter(|_| tip.height.get() >= BURIAL);
        Some(Settled { header: below.unwrap_or(tip), buried: false })
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
        self.follow(spec, headers, |_, header| header.clone(), now)
    }

    /// The tip that follows from this one by headers without what follows from others.
    ///
    /// # Errors
    /// Says which header breaks a rule.
    pub fn extend_bare(&self, spec: &ChainSpec, headers: &[BareHeader], now: Timestamp) -> Result<Self, LightError> {
        self.follow(spec, headers, |context, bare| bare.complete(spec, context), now)
    }

    /// Goes on from this tip, header by header, each checked as a full node checks it.
    fn follow<T>(
        &self,
        spec: &ChainSpec,
        items: &[T],
        complete: impl Fn(&ChainContext, &T) -> Header,
        now: Timestamp,
    ) -> Result<Self, LightError> {
        let from = self.last().ok_or(LightError::Tip { got: None, expected: spec.genesis_id() })?;
        let mut context = ChainContext::restore(from.clone(), from.id(), self.history());
        let (mut headers, mut marks) = (Vec::new(), Vec::new());
        for item in items {
            let header = complete(&context, item);
            marks.push(advance(spec, &mut context, &header, now)?);
            headers.push(header);
        }
        Ok(Self::new(&context, self.recent.iter().chain(&headers), self.marks.then(marks), self.samples))
    }
}

/// Goes on from a block to its child, which is checked as a full node checks it.
pub(super) fn advance(
    spec: &ChainSpec,
    context: &mut ChainContext,
    header: &Header,
    now: Timestamp,
) -> Result<Mark, LightError> {
    let broken = |error| LightError::Header { height: header.height, error };
    let sealed = check_work(spec, header.clone()).map_err(broken)?;
    let linked = check_header(spec, context, sealed, now).map_err(broken)?;
    *context = context.extend(&linked);
    Ok(Mark { time: header.time, work: linked.total_work() })
}

/// A header's own work; none for block 0.
fn work(header: &Header) -> Work {
    let target = header.target.decode().ok().filter(|_| header.height != Height::GENESIS);
    target.map_or(Work::ZERO, |target| target.work())
}
