//! How fast difficulty can change: what a tree of blocks nobody looked into may say of itself.
//!
//! Samples are drawn by work, so a stretch that claims almost no work is almost never drawn, and without bounds it
//! could lead from any difficulty to any other. The rule of difficulty gives bounds for n blocks after one that
//! ended at time t, where the tree's last block was made T later:
//!
//! - each block is later than the one before, so T ≥ n milliseconds;
//! - a target grows by less than a doubling in a step, so the block after j others has at least
//!   work(first_target) / 2^j; it shrinks by at most interval / half-life octaves and a bit, σ, so the block that
//!   j steps lead from to next_target has at least work(next_target) / 2^(j·σ); and none has less than work(pow_limit);
//! - the targets' logarithms add up: to make blocks easier, time has to pass, and to let it pass is to be outworked;
//!   to make them harder takes blocks.
//!
//! One block alone is bound exactly: its target, its time and the time before give the next target.
//!
//! All is reckoned in integers; logarithms in units of 2^-32 octaves ([`Target::log2`]). The slack of 2^-12 upwards
//! and 2^-11 downwards for each block is more than the rule's cubic and its roundings differ from the power of two.
//! It holds for targets of at least 2^24; no honest chain comes below.

use crate::pow::{CompactTarget, Target, Work};
use crate::units::{Height, Timestamp};
use crate::{chain_spec::ChainSpec, mmr::MmrNode, validate::target_after};

/// What the cubic may exceed the power of two by, for each block: 2^-12 octaves.
const SLACK_UP: i128 = 1 << 20;
/// What cubic and roundings may fall below it by: 2^-11 octaves.
const SLACK_DOWN: u64 = 1 << 21;

/// Why blocks nobody looked into cannot be what they are said to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the sentence of each error names its fields")]
pub enum TreeBoundsError {
    /// A target that is none, or easier than the network allows.
    #[error("got the target {got}, expected one up to {limit}")]
    Target { got: CompactTarget, limit: CompactTarget },
    /// One block whose next target is not the one that the rule gives.
    #[error("got the next target {got}, expected {expected}")]
    NextTarget { got: CompactTarget, expected: CompactTarget },
    /// More blocks than milliseconds from the block before them to the last.
    #[error("got {got} ms, expected at least one for each block")]
    Time { got: u64 },
    /// Less work than blocks of this difficulty have; of one block, any other work than it has.
    #[error("got the work {got}, expected at least {least}")]
    Work { got: Work, least: Work },
    /// Difficulty that fell faster than the time allows.
    #[error("the target grew from {from} to {to}, which takes more than {time} ms")]
    Easier { from: CompactTarget, to: CompactTarget, time: u64 },
    /// Difficulty that rose faster than so many blocks allow.
    #[error("the target shrank from {from} to {to}, which takes more blocks")]
    Harder { from: CompactTarget, to: CompactTarget },
    /// Works that do not fit 256 bits.
    #[error("the works overflow")]
    Overflow,
}

/// What blocks nobody looked into may say of themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeBounds {
    /// The least work that they have.
    pub work: Work,
    /// The most that the logarithm of their target grows by, in units of 2^-32.
    pub easier: i128,
    /// The least that it grows by: how far it shrinks at most, as a negative number.
    pub harder: i128,
}

/// How fast difficulty changes on a network.
#[derive(Clone, Debug)]
pub struct DifficultyBounds {
    half_life_ms: u64,
    /// interval / half-life, in units of 2^-32, rounded down.
    interval: u64,
    limit: Target,
    /// The work of the easiest block.
    least: Work,
}

impl DifficultyBounds {
    /// That of the network of `spec`.
    pub fn new(spec: &ChainSpec) -> Self {
        let (params, limit) = (spec.params(), spec.difficulty().pow_limit);
        let interval = units(params.interval_ms, params.half_life_ms);
        // At most one: a file with a longer interval makes no network.
        let interval = u64::try_from(interval).unwrap_or(1 << 32).min(1 << 32);
        Self { half_life_ms: params.half_life_ms, interval, limit, least: limit.work() }
    }

    /// How much harder one block may be than the one before, in units of 2^-32 octaves.
    fn rise(&self) -> u64 {
        self.interval.saturating_add(SLACK_DOWN)
    }

    /// Checks a tree of `blocks` blocks from `height` on, after one that was made at `before`.
    pub(super) fn check(
        &self,
        spec: &ChainSpec,
        tree: &MmrNode,
        height: Height,
        blocks: u64,
        before: Timestamp,
    ) -> Result<(), TreeBoundsError> {
        let (first, next) = (self.target(spec, tree.first_target)?, self.target(spec, tree.next_target)?);
        if blocks == 1 {
            return self.check_one(spec, tree, height, before);
        }
        let time = tree.last_time.since(before);
        if time < blocks {
            return Err(TreeBoundsError::Time { got: time });
        }
        let bounds = self.bounds(first, next, blocks, time).ok_or(TreeBoundsError::Overflow)?;
        if tree.work < bounds.work {
            return Err(TreeBoundsError::Work { got: tree.work, least: bounds.work });
        }
        let (from, to) = (tree.first_target, tree.next_target);
        let change = i128::from(next.log2()).saturating_sub(i128::from(first.log2()));
        if change > bounds.easier {
            return Err(TreeBoundsError::Easier { from, to, time });
        }
        if change < bounds.harder { Err(TreeBoundsError::Harder { from, to }) } else { Ok(()) }
    }

    /// The bounds for `blocks` blocks, two at least, of which the first has the target `first`, the next one after them
    /// the target `next`, and the last was made `time` milliseconds after the block before the first; `None` when
    /// works do not fit 256 bits.
    pub fn bounds(&self, first: Target, next: Target, blocks: u64, time: u64) -> Option<TreeBounds> {
        // Without `rising`, blocks of no work lead from low to high difficulty: then one block's luck would be worth a
        // thousand.
        let work = self.falling(first, blocks)?.max(self.rising(next, blocks)?);
        let count = i128::from(blocks);
        let passed = i128::try_from(units(time, self.half_life_ms)).unwrap_or(i128::MAX).min(count << 32);
        let due = count.saturating_mul(i128::from(self.interval));
        let easier = passed.saturating_sub(due).saturating_add(count.saturating_mul(SLACK_UP));
        Some(TreeBounds { work, easier, harder: count.saturating_mul(i128::from(self.rise())).saturating_neg() })
    }

    /// One block: everything about it is known.
    fn check_one(
        &self,
        spec: &ChainSpec,
        leaf: &MmrNode,
        height: Height,
        before: Timestamp,
    ) -> Result<(), TreeBoundsError> {
        let expected = target_after(spec, height, leaf.first_target, [before, leaf.last_time]);
        if leaf.next_target != expected {
            return Err(TreeBoundsError::NextTarget { got: leaf.next_target, expected });
        }
        let least = self.target(spec, leaf.first_target)?.work();
        if leaf.work == least { Ok(()) } else { Err(TreeBoundsError::Work { got: leaf.work, least }) }
    }

    fn target(&self, spec: &ChainSpec, compact: CompactTarget) -> Result<Target, TreeBoundsError> {
        let target = compact.decode().ok().filter(|target| *target <= self.limit);
        target.ok_or(TreeBoundsError::Target { got: compact, limit: spec.params().pow_limit })
    }

    /// The least work of `blocks` blocks of which the first has the target `first`: Σ max(least, w / 2^j), j from 0.
    fn falling(&self, first: Target, blocks: u64) -> Option<Work> {
        let (mut sum, mut work, mut left) = (Work::ZERO, first.work(), blocks);
        while left > 0 && work > self.least {
            sum = sum.checked_add(work)?;
            work = work.shifted_right(1);
            left = left.saturating_sub(1);
        }
        sum.checked_add(self.least.checked_mul(left)?)
    }

    /// The least work of `blocks` blocks after which the target is `next`: the block j steps before it has at least
    /// max(least, w / 2^⌈j·σ⌉), j from 1.
    fn rising(&self, next: Target, blocks: u64) -> Option<Work> {
        let (mut sum, mut work, mut done) = (Work::ZERO, next.work().shifted_right(1), 0_u64);
        for octave in 1..=256_u64 {
            if done == blocks || work <= self.least {
                break;
            }
            let reached = (octave << 32).checked_div(self.rise())?.min(blocks);
            sum = sum.checked_add(work.checked_mul(reached.saturating_sub(done))?)?;
            done = reached;
            work = work.shifted_right(1);
        }
        sum.checked_add(self.least.checked_mul(blocks.saturating_sub(done))?)
    }
}

/// A time in units of 2^-32 half-lives, rounded down.
fn units(time: u64, half_life_ms: u64) -> u128 {
    (u128::from(time) << 32).checked_div(u128::from(half_life_ms)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain_spec::ChainParams;
    use crate::testing::{HeaderChain, easy_params};
    use alloc::vec::Vec;
    use proptest::{prelude::*, test_runner::RngSeed};

    /// Networks as different as they may be.
    fn networks() -> [ChainSpec; 4] {
        let network = |interval_ms, half_life_ms, genesis: u32| {
            let genesis_target = CompactTarget::from_bits(genesis);
            ChainSpec::new(ChainParams { interval_ms, half_life_ms, genesis_target, ..easy_params() }).unwrap()
        };
        [
            network(2_000, 20_000, 0x2000_ffff),
            network(30_000, 3_600_000, 0x1f00_8000),
            network(1, 1_024, 0x1b00_ffff),
            network(7_777, 15_554, 0x1d00_ffff),
        ]
    }

    /// The leaves of blocks with these gaps, not mined: the rule asks for times alone.
    fn leaves(spec: &ChainSpec, gaps: &[u64]) -> (Vec<MmrNode>, Vec<Timestamp>) {
        let mut chain = HeaderChain::new(spec.clone());
        let mut leaves = Vec::new();
        let mut before = Vec::new();
        for (gap, height) in gaps.iter().zip(1..) {
            before.push(chain.tip.header().time);
            let header = chain.template(*gap);
            chain.push(header);
            leaves.push(chain.node(crate::mmr::MmrPosition { level: 0, index: height }));
        }
        (leaves, before)
    }

    /// Each tree of the blocks from the second on, wherever it begins.
    fn check_all(spec: &ChainSpec, gaps: &[u64]) -> Result<(), (usize, usize, TreeBoundsError)> {
        let (leaves, before) = leaves(spec, gaps);
        let difficulty = DifficultyBounds::new(spec);
        for start in 0..leaves.len() {
            let check = |tree: &MmrNode, blocks: usize| {
                let height = Height::new(start as u64 + 1);
                difficulty
                    .check(spec, tree, height, blocks as u64, before[start])
                    .map_err(|error| (start, blocks, error))
            };
            check(&leaves[start], 1)?;
            let mut tree = leaves[start];
            for (blocks, next) in (2..).zip(leaves.iter().skip(start + 1)) {
                // The merge of any two: trees begin anywhere here.
                tree = MmrNode::merge(&tree, next).unwrap();
                if start > 0 {
                    check(&tree, blocks)?;
                }
            }
        }
        Ok(())
    }

    fn gap(spec: &ChainSpec, kind: u8, amount: u64) -> u64 {
        let (interval, half_life) = (spec.params().interval_ms, spec.params().half_life_ms);
        match kind {
            0 => 1,
            1 => interval,
            2 => half_life,
            3 => 86_400_000 * (1 + amount % 5),
            4 => 1 + amount % interval.max(2),
            _ => 1 + amount % (2 * half_life),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(0xca12), cases: 64, ..ProptestConfig::default() })]

        /// Whatever times miners stamp, sleeps of days and bursts included, no tree of real blocks is implausible.
        #[test]
        fn what_can_be_mined_is_plausible(
            network in 0usize..4,
            kinds in proptest::collection::vec((0u8..6, any::<u64>(), 1usize..9), 1..10),
        ) {
            let spec = networks()[network].clone();
            let gaps: Vec<u64> =
                kinds.iter().flat_map(|(kind, amount, times)| std::vec![gap(&spec, *kind, *amount); *times]).collect();
            prop_assert_eq!(check_all(&spec, &gaps), Ok(()));
        }
    }

    /// One step after another in the same direction: where the errors of the cubic add up most.
    #[test]
    fn slack_covers_every_step_of_the_rule() {
        for spec in networks() {
            let half_life = spec.params().half_life_ms;
            for parts in 0..48 {
                let gap = (half_life * parts / 40).max(1);
                assert_eq!(check_all(&spec, &[gap; 24]), Ok(()), "{gap} of {half_life}");
            }
        }
    }

    /// A tree of sixteen blocks of one difficulty on the local network, and what it cannot say.
    #[test]
    fn each_bound_refuses_what_is_just_beyond_it() {
        let [spec, ..] = networks();
        let (leaves, before) = leaves(&spec, &[2_000; 18]);
        let mut tree = leaves[1];
        for leaf in &leaves[2..17] {
            tree = MmrNode::merge(&tree, leaf).unwrap();
        }
        let check = |change: &dyn Fn(&mut MmrNode)| {
            let mut tree = tree;
            change(&mut tree);
            DifficultyBounds::new(&spec).check(&spec, &tree, Height::new(2), 16, before[1])
        };
        assert_eq!(check(&|_| ()), Ok(()));
        let time = |ms: u64| move |tree: &mut MmrNode| tree.last_time = before_plus(ms);
        fn before_plus(ms: u64) -> Timestamp {
            // Block 1 is one interval after block 0 of the easy network.
            Timestamp::from_millis(1_700_000_002_000 + ms)
        }
        assert_eq!(check(&time(15)), Err(TreeBoundsError::Time { got: 15 }));
        // 32 000 ms were due; the slack of sixteen blocks is 2^-8 octaves, 78 ms.
        assert!(check(&time(31_930)).is_ok());
        assert!(matches!(check(&time(31_900)), Err(TreeBoundsError::Easier { .. })));
        let work = |count: u64| move |tree: &mut MmrNode| tree.work = Work::from_u64(count);
        // 256, 128, and so on down to the least of 2 from the front; 16 times 256, halved every tenth block, from the
        // back.
        let least = match check(&work(0)) {
            Err(TreeBoundsError::Work { least, .. }) => least,
            other => panic!("{other:?}"),
        };
        assert!(least > Work::from_u64(9 * 128) && least < Work::from_u64(16 * 256));
        let one_less = least.checked_sub(Work::from_u64(1)).unwrap();
        assert!(check(&|tree| tree.work = least).is_ok());
        assert_eq!(check(&|tree| tree.work = one_less), Err(TreeBoundsError::Work { got: one_less, least }));
        // Sixteen blocks make 1.6 octaves harder at most: not two.
        let harder = |tree: &mut MmrNode| {
            tree.next_target = CompactTarget::from_bits(0x1f3f_ffc0);
            tree.work = Work::from_u64(1 << 20);
        };
        assert!(matches!(check(&harder), Err(TreeBoundsError::Harder { .. })));
        let limit = spec.params().pow_limit;
        let got = CompactTarget::from_bits(limit.bits() + 0x0001_0000);
        assert_eq!(check(&|tree| tree.next_target = got), Err(TreeBoundsError::Target { got, limit }));
        assert_eq!(check(&|tree| tree.first_target = got), Err(TreeBoundsError::Target { got, limit }));
    }

    #[test]
    fn one_block_is_bound_exactly() {
        let [spec, ..] = networks();
        let (leaves, before) = leaves(&spec, &[2_000, 3_000, 9_000]);
        let check = |place: usize, leaf: &MmrNode| {
            DifficultyBounds::new(&spec).check(&spec, leaf, Height::new(place as u64 + 1), 1, before[place])
        };
        for (place, leaf) in leaves.iter().enumerate() {
            assert_eq!(check(place, leaf), Ok(()));
            let next_target = CompactTarget::from_bits(leaf.next_target.bits() - 1);
            let expected = TreeBoundsError::NextTarget { got: next_target, expected: leaf.next_target };
            assert_eq!(check(place, &MmrNode { next_target, ..*leaf }), Err(expected));
            let more = leaf.work.checked_add(Work::from_u64(1)).unwrap();
            let expected = TreeBoundsError::Work { got: more, least: leaf.work };
            assert_eq!(check(place, &MmrNode { work: more, ..*leaf }), Err(expected));
        }
        // Another time is another step, except before block 3.
        let late = MmrNode { last_time: leaves[2].last_time.saturating_add(1), ..leaves[2] };
        assert!(matches!(check(2, &late), Err(TreeBoundsError::NextTarget { .. })));
    }

    #[test]
    fn works_that_overflow_are_refused() {
        let [spec, ..] = networks();
        let easiest = spec.difficulty().pow_limit;
        let hardest = CompactTarget::from_bits(0x0101_0000).decode().unwrap();
        assert_eq!(DifficultyBounds::new(&spec).bounds(easiest, hardest, 64, 1_000), None);
        assert_eq!(DifficultyBounds::new(&spec).bounds(easiest, hardest, u64::MAX, 1_000), None);
        assert!(DifficultyBounds::new(&spec).bounds(easiest, easiest, u64::MAX, u64::MAX).is_some());
    }
}
