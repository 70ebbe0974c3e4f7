//! How much was mined when, as far as a verifier knows: to notice a chain on which hardly anybody mines any more.

use crate::codec::{BoundedVec, Decode, Encode};
use crate::{pow::Work, units::Timestamp};
use alloc::vec::Vec;

pub(super) const HOUR_MS: u64 = 3_600_000;
pub(super) const DAY_MS: u64 = 24 * HOUR_MS;
/// One for each hour of a day, and those at both ends.
const MAX_MARKS: usize = 26;

/// A moment of a chain: a block's time, and all work up to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Mark {
    /// When the block was made.
    pub time: Timestamp,
    /// The work of the chain up to and including it.
    pub work: Work,
}

/// What is remembered of a chain's past: for each hour of its last day the last moment that is known before it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(super) struct Marks(BoundedVec<Mark, MAX_MARKS>);

impl Marks {
    /// Of ascending moments, the tip's last, what is worth remembering.
    pub(super) fn of(moments: impl IntoIterator<Item = Mark>) -> Self {
        let moments: Vec<Mark> = moments.into_iter().collect();
        let Some(tip) = moments.last() else { return Self::default() };
        let mut kept: Vec<Mark> = Vec::new();
        for hours in (0..MAX_MARKS as u64).rev() {
            let hour = tip.time.millis().saturating_sub(hours.saturating_mul(HOUR_MS));
            let passed = moments.partition_point(|mark| mark.time.millis() <= hour);
            // A chain that is younger begins with its first moment.
            let mark = moments.get(passed.saturating_sub(1));
            kept.extend(mark.filter(|mark| kept.last() != Some(mark)));
        }
        Self(BoundedVec::new(kept).unwrap_or_default())
    }

    /// The same when the chain has gone on.
    pub(super) fn then(&self, moments: impl IntoIterator<Item = Mark>) -> Self {
        Self::of(self.0.iter().copied().chain(moments))
    }

    /// The work of an hour on average since `ago` milliseconds before `now`, in hashes, or since the last moment before
    /// that is remembered; and how many hours that is.
    pub(super) fn hourly(&self, now: Timestamp, ago: u64) -> Option<(f64, f64)> {
        let tip = self.0.last()?;
        let moment = now.millis().saturating_sub(ago);
        let passed = self.0.iter().take_while(|mark| mark.time.millis() <= moment).count();
        let mark = self.0.get(passed.saturating_sub(1))?;
        let hours = now.since(mark.time) as f64 / HOUR_MS as f64;
        Some((tip.work.checked_sub(mark.work)?.to_f64() / hours.max(1.0), hours))
    }
}
