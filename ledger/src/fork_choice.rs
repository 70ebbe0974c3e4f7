//! Which of two chains to follow, and which headers are near enough to a tip to be kept.

use crate::pow::Work;

/// What to do about a chain that competes with the one followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Stay.
    Keep,
    /// Follow the other.
    Switch,
}

/// Most total work wins; a tie stays with the first seen, so that an attacker who publishes late gains
/// nothing by matching.
pub fn choose(current: Work, candidate: Work) -> Choice {
    if candidate > current { Choice::Switch } else { Choice::Keep }
}

/// A header is near the tip when its total work is no more than so many blocks' behind.
pub const NEAR_BLOCKS: u64 = 144;

/// The least total work at which a header is near a tip: the tip's total work less [`NEAR_BLOCKS`] times that of the
/// tip's own block, or less the work of as many last blocks, whichever is lower. All that is kept, relayed and judged
/// of other branches lies above; a branch that begins below has to show more work than the tip first, and is then as
/// good as any. Bitcoin Core's `GetAntiDoSWorkThreshold` is the same thing.
pub fn near_tip_work(tip: Work, tip_block: Work, last_blocks: Work) -> Work {
    let many = tip_block.checked_mul(NEAR_BLOCKS);
    many.and_then(|many| tip.checked_sub(many.max(last_blocks))).unwrap_or(Work::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_is_what_lies_within_144_blocks_of_the_tip_by_its_own_work_or_the_last_ones() {
        let work = Work::from_u64;
        assert_eq!(near_tip_work(work(100_000), work(10), work(1_000)), work(98_560), "144 times ten");
        assert_eq!(near_tip_work(work(100_000), work(10), work(2_000)), work(98_000), "the last ones were heavier");
        assert_eq!(near_tip_work(work(1_000), work(10), work(900)), Work::ZERO, "near block 0 all is near");
        let most = Work::from_be_bytes(&[0xff; 32]);
        assert_eq!(near_tip_work(most, most, most), Work::ZERO);
    }

    #[test]
    fn more_work_wins_and_ties_stay() {
        let work = Work::from_u64;
        assert_eq!(choose(work(5), work(6)), Choice::Switch);
        assert_eq!(choose(work(5), work(5)), Choice::Keep);
        assert_eq!(choose(work(5), work(4)), Choice::Keep);
    }
}
