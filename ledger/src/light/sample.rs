//! Which blocks are sampled: offsets into the work before the tail, drawn octave by octave.
//!
//! Octave i is the work between Z − Z/2^(i−1) and Z − Z/2^i, counted from block 0, where Z is all work. The
//! octaves halve towards the tip and have the same number of samples each, so that the density of samples is inverse
//! to the distance from the tip: the optimal one (FlyClient §5.2).

use super::{LightError, MAX_OCTAVES};
use crate::hash::{Hash, Tag};
use crate::pow::Work;
use alloc::{collections::BTreeSet, vec::Vec};

/// The offsets to sample in a history with work `before` when all work is `total`; `samples` for each octave.
pub(super) fn offsets(seed: &Hash, samples: u64, before: Work, total: Work) -> Result<Vec<Work>, LightError> {
    let mut offsets = Vec::new();
    let mut octave = 1_u32;
    while let Some((low, length)) = interval(octave, before, total) {
        if octave > MAX_OCTAVES {
            return Err(LightError::Octaves { max: MAX_OCTAVES });
        }
        for sample in 0..samples {
            let drawn = Tag::OFFSET.hash(&[seed.as_bytes(), &u64::from(octave).to_le_bytes(), &sample.to_le_bytes()]);
            let within = Work::from_be_bytes(drawn.as_bytes()).checked_rem(length).unwrap_or_default();
            offsets.push(low.checked_add(within).ok_or(LightError::Overflow)?);
        }
        octave = octave.saturating_add(1);
    }
    Ok(offsets)
}

/// The blocks that are opened where `drawn` are the samples and `count` the blocks before the tail.
pub(super) fn opened_blocks(drawn: impl IntoIterator<Item = u64>, count: u64) -> BTreeSet<u64> {
    let three = drawn.into_iter().flat_map(|height| height.saturating_sub(2)..=height);
    let ends = count.saturating_sub(2)..count;
    // Everybody knows block 0.
    three.chain(ends).filter(|height| *height > 0).collect()
}

/// Where octave `octave` begins and how long it is; `None` when nothing of it lies before the tail.
fn interval(octave: u32, before: Work, total: Work) -> Option<(Work, Work)> {
    let low = total.checked_sub(total.shifted_right(octave.saturating_sub(1)))?;
    let high = total.checked_sub(total.shifted_right(octave))?.min(before);
    let length = high.checked_sub(low)?;
    (length > Work::ZERO).then_some((low, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(attempts: u64) -> Work {
        Work::from_u64(attempts)
    }

    #[test]
    fn octaves_halve_towards_the_tail_and_end_there() {
        let octave = |i| interval(i, work(950), work(1_000));
        assert_eq!(octave(1), Some((work(0), work(500))));
        assert_eq!(octave(2), Some((work(500), work(250))));
        assert_eq!(octave(3), Some((work(750), work(125))));
        assert_eq!(octave(4), Some((work(875), work(63))));
        assert_eq!(octave(5), Some((work(938), work(12))), "cut off where the tail begins");
        assert_eq!(octave(6), None);
        assert_eq!(interval(1, work(0), work(1_000)), None, "nothing before the tail");
        assert_eq!(interval(1, work(0), work(0)), None, "no work at all");
    }

    #[test]
    fn offsets_stay_in_their_octaves_and_follow_the_seed() {
        let seed = Hash::from_bytes([1; 32]);
        let drawn = offsets(&seed, 32, work(950), work(1_000)).unwrap();
        assert_eq!(drawn.len(), 5 * 32);
        for (octave, group) in (1..).zip(drawn.chunks(32)) {
            let (low, length) = interval(octave, work(950), work(1_000)).unwrap();
            assert!(group.iter().all(|offset| *offset >= low && offset.checked_sub(low).unwrap() < length));
        }
        assert_ne!(drawn, offsets(&Hash::from_bytes([2; 32]), 32, work(950), work(1_000)).unwrap());
        assert_eq!(offsets(&seed, 32, work(0), work(9)), Ok(Vec::new()));
    }

    /// A tail without weight would make the samples endless: every octave costs the prover 96 headers.
    #[test]
    fn a_weightless_tail_is_refused() {
        let mut bytes = [0; 32];
        bytes[0] = 1;
        let huge = Work::from_be_bytes(&bytes);
        let seed = Hash::ZERO;
        let total = huge.checked_add(work(1)).unwrap();
        assert_eq!(offsets(&seed, 32, huge, total), Err(LightError::Octaves { max: 64 }));
        assert!(offsets(&seed, 32, work(1 << 40), work((1 << 40) + 1)).is_ok());
    }
}
