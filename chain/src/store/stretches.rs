//! Which stretches of history a node that prunes keeps besides its last blocks, so that all nodes together keep all of
//! it.
//!
//! History is divided into stretches of so many blocks, the same number on all nodes of a network. Each node draws one:
//! of all that pruning has begun with, the one with the highest score, a hash of the node and the stretch. When pruning
//! comes to a new stretch its bodies are still here, so it is decided there and then whether it takes the place of the
//! one that was drawn before: nothing is fetched for it, each stretch is as likely as any other at any time, and nobody
//! can choose for others. A node may keep more of them, which it fetches where few others have them.

use super::pruning::Kept;
use cairn_ledger::codec::{BoundedVec, Decode, Encode};
use cairn_ledger::{Hash, Height, hash::sha256};
use std::{cmp::Reverse, fmt};

/// Blocks in a stretch, where a network's file says nothing else: some hours of history, a few gigabytes at the most.
pub const STRETCH_BLOCKS: u64 = 4_096;
/// The most stretches that a node keeps: all are told in one status.
pub const MAX_STRETCHES: usize = 4;

/// How history is divided, and how much of it a node keeps when it prunes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StretchOptions {
    /// Blocks in a stretch, at least one.
    pub blocks: u64,
    /// The most stretches that are kept: the one that was drawn, and others where few have them. 0 keeps none.
    pub keep: usize,
    /// What a node draws by: another one's is another.
    pub node: [u8; 32],
}

impl Default for StretchOptions {
    fn default() -> Self {
        Self { blocks: STRETCH_BLOCKS, keep: 0, node: [0; 32] }
    }
}

impl StretchOptions {
    /// The blocks of a stretch, all of them: its first, and the one after its last.
    pub fn range(&self, number: u64) -> (Height, Height) {
        let from = number.saturating_mul(self.blocks);
        (Height::new(from), Height::new(from.saturating_add(self.blocks)))
    }

    /// The stretch that a block is in.
    pub fn number_of(&self, height: Height) -> u64 {
        height.get() / self.blocks.max(1)
    }

    /// Of several stretches a node keeps the one for which this is highest.
    pub fn score(&self, number: u64) -> Hash {
        sha256(&[b"cairn/stretch", &self.node, &number.to_be_bytes()])
    }

    /// Whether all that is to be kept of a stretch is here.
    pub fn is_whole(&self, stretch: &Stretch, lowest: Height) -> bool {
        stretch.to >= self.range(self.number_of(stretch.from)).1.min(lowest)
    }

    /// What is kept once all below `lowest` is pruned but for stretches, of what is here before.
    pub(crate) fn choose(&self, before: &Kept, lowest: Height) -> Kept {
        if self.keep == 0 {
            return Kept::new(lowest, Vec::new());
        }
        // Of a network's file that divides history in another way.
        let fits = |stretch: &&Stretch| {
            let (from, to) = self.range(self.number_of(stretch.from));
            stretch.from == from && stretch.to <= to
        };
        let (drawn, mut fetched): (Vec<Stretch>, Vec<Stretch>) =
            before.stretches().iter().filter(fits).copied().partition(|stretch| stretch.is_drawn);
        fetched.truncate(self.keep.saturating_sub(1));
        // Those that begin at or above the lowest that is here, below which pruning will reach; block 0 is always here.
        let first = if before.lowest().get() <= 1 { 0 } else { before.lowest().get().div_ceil(self.blocks) };
        let begun = first..lowest.get().div_ceil(self.blocks);
        // What is drawn goes on to be kept as pruning passes through it.
        let known = drawn.into_iter().map(|stretch| (self.number_of(stretch.from), stretch.to >= before.lowest()));
        let all = known.chain(begun.map(|number| (number, true)));
        if let Some((number, goes_on)) = all.max_by_key(|(number, _)| (self.score(*number), Reverse(*number))) {
            let (from, end) = self.range(number);
            let known = before.stretches().iter().find(|stretch| stretch.from == from).map(|stretch| stretch.to);
            let to = if goes_on { end.min(lowest) } else { known.unwrap_or(end) };
            fetched.retain(|stretch| stretch.from != from);
            fetched.push(Stretch { from, to, is_drawn: true });
        }
        Kept::new(lowest, fetched)
    }
}

/// A stretch of which bodies are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[bincode(crate = "cairn_ledger::codec::bincode")]
pub struct Stretch {
    /// Its first block.
    pub from: Height,
    /// The one after the last that is kept of it below the lowest body.
    pub to: Height,
    /// Whether it was drawn; others were fetched as few nodes have them.
    pub is_drawn: bool,
}

impl Stretch {
    /// Whether a block is in it.
    pub fn has(&self, height: Height) -> bool {
        (self.from..self.to).contains(&height)
    }
}

impl fmt::Display for Stretch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.from, self.to.get().saturating_sub(1))
    }
}

/// Stretches in a record.
pub type StretchList = BoundedVec<Stretch, MAX_STRETCHES>;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn options(node: u64) -> StretchOptions {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&node.to_be_bytes());
        StretchOptions { blocks: 100, keep: 2, node: seed }
    }

    fn at(height: u64) -> Height {
        Height::new(height)
    }

    fn stretch(from: u64, to: u64, is_drawn: bool) -> Stretch {
        Stretch { from: at(from), to: at(to), is_drawn }
    }

    /// Prunes up to there, so many blocks at a time.
    fn pruned(options: &StretchOptions, to: u64, step: usize) -> Kept {
        let steps = (1..to).step_by(step).chain([to]);
        steps.fold(Kept::default(), |kept, lowest| options.choose(&kept, at(lowest)))
    }

    fn drawn(kept: &Kept) -> u64 {
        let [stretch] = kept.stretches() else { panic!("{kept:?}") };
        assert!(stretch.is_drawn);
        stretch.from.get() / 100
    }

    #[test]
    fn each_stretch_is_drawn_by_as_many_nodes_as_any_other() {
        let mut counts = BTreeMap::new();
        for node in 0..4_000 {
            *counts.entry(drawn(&pruned(&options(node), 1_000, 10))).or_insert(0) += 1;
        }
        // Ten stretches, 400 each: five standard deviations.
        assert!(counts.len() == 10 && counts.values().all(|count| (300..500).contains(count)), "{counts:?}");
        // The control: nodes that draw by the same keep the same.
        assert!((0..100).all(|_| drawn(&pruned(&options(7), 1_000, 10)) == drawn(&pruned(&options(7), 1_000, 999))));
    }

    #[test]
    fn what_is_drawn_does_not_depend_on_how_fast_is_pruned_and_changes_only_for_the_newest() {
        for node in 0..50 {
            let (mut last, mut changes) = (0, 0_u64);
            for to in (50..5_000).step_by(50) {
                let kept = pruned(&options(node), to, 7);
                assert_eq!(kept, pruned(&options(node), to, 1_000), "{node} at {to}");
                let number = drawn(&kept);
                assert!(number == last || number == (to - 1) / 100, "{node} at {to}: {last} to {number}");
                changes += u64::from(number != last);
                last = number;
            }
            assert!(changes <= 12, "about the logarithm of fifty: {changes}");
        }
    }

    #[test]
    fn what_is_not_here_is_not_drawn_and_what_was_fetched_stays() {
        let options = options(3);
        // A chain that begins with a snapshot after block 1 050.
        let begun = Kept::new(at(1_051), Vec::new());
        let kept = options.choose(&begun, at(1_090));
        assert_eq!(kept.stretches(), [], "the one that is under way is not whole here");
        assert_eq!(options.choose(&begun, at(1_150)).stretches(), [stretch(1_100, 1_150, true)]);
        let with_fetched = Kept::new(at(1_051), vec![stretch(300, 350, false), stretch(500, 600, false)]);
        let kept = options.choose(&with_fetched, at(1_150));
        assert_eq!(kept.stretches(), [stretch(300, 350, false), stretch(1_100, 1_150, true)], "within the most");
        // The control: a drawn one that scores higher stays, as it is, and one of another division goes.
        let best = (0..10).max_by_key(|number| options.score(*number)).expect("one of ten");
        let highest = (best..40).take_while(|number| options.score(*number) <= options.score(best)).last();
        let kept = Kept::new(at(1_000), vec![stretch(best * 100, best * 100 + 100, true), stretch(250, 300, false)]);
        let to = highest.map_or(1_000, |number| number.max(10) * 100);
        assert_eq!(options.choose(&kept, at(to)).stretches(), [stretch(best * 100, best * 100 + 100, true)]);
        assert_eq!(StretchOptions { keep: 0, ..options }.choose(&kept, at(to)).stretches(), []);
    }
}
