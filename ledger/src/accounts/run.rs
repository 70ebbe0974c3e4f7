//! Runs of leaves that prove themselves: what a snapshot of the accounts is sent in.
//!
//! A run is what is below one node of the account tree, 4 096 leaves, with the siblings on the way from there to the
//! root in a block's header. So whoever has the header can take the runs of a state in any order, from anybody, and
//! needs no list of them first: each says how many accounts there are, and the root commits to that.

use super::tree::{level_above, missing_nodes};
use super::{Leaf, depth, state_root};
use crate::codec::{BoundedVec, Decode, Encode};
use crate::{hash::Hash, merkle::inner};
use alloc::{vec, vec::Vec};

/// Leaves in a run, but for the last.
pub const RUN_LEAVES: usize = 1 << RUN_BITS;
const RUN_BITS: u32 = 12;
/// The longest way from a run to the root.
const MAX_SIBLINGS: usize = 64 - RUN_BITS as usize;

/// The leaves of a run, in order of creation.
pub type RunLeaves = BoundedVec<Leaf, RUN_LEAVES>;

/// Leaves `4096·number .. min(count, 4096·(number + 1))` of a state, with the way to its root.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct StateRun {
    /// How many leaves the state has, the sentinel included.
    pub count: u64,
    /// Which run this is.
    pub number: u64,
    /// Its leaves.
    pub leaves: RunLeaves,
    /// The siblings from the node over the run upward, `depth − 12` of them; of a tree that is no deeper than a run,
    /// none.
    pub siblings: BoundedVec<Hash, MAX_SIBLINGS>,
}

/// Why a run is not what it is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the sentence of each error names its fields")]
pub enum StateRunError {
    /// It is another one.
    #[error("got run {got}, expected run {expected}")]
    Number { got: u64, expected: u64 },
    /// So many accounts have no such run.
    #[error("got run {got} of {count} accounts, which are {runs} runs")]
    Beyond { got: u64, count: u64, runs: u64 },
    /// It is too short, or too long.
    #[error("got {got} leaves, expected {expected}")]
    Leaves { got: usize, expected: u64 },
    /// The way up has another length than the tree is high above the run.
    #[error("got {got} siblings, expected {expected}")]
    Siblings { got: usize, expected: u32 },
    /// The leaves, their order, or the siblings are not those of the state.
    #[error("the run leads to the state root {got}, expected {expected}")]
    StateRoot { got: Hash, expected: Hash },
}

impl StateRun {
    /// The longest encoding.
    pub const MAX_BYTES: usize = 4 * 8 + RUN_LEAVES * 80 + MAX_SIBLINGS * 32;

    /// How many runs so many leaves are.
    pub fn runs(count: u64) -> u64 {
        count.div_ceil(RUN_LEAVES as u64)
    }

    /// Makes sure that this is run `number` of the state with that root; the node over it.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn verify(&self, number: u64, expected: &Hash) -> Result<Hash, StateRunError> {
        let (got, count, runs) = (self.number, self.count, Self::runs(self.count));
        if got != number {
            return Err(StateRunError::Number { got, expected: number });
        }
        if got >= runs {
            return Err(StateRunError::Beyond { got, count, runs });
        }
        let length = run_length(count, number);
        if self.leaves.len() as u64 != length {
            return Err(StateRunError::Leaves { got: self.leaves.len(), expected: length });
        }
        let above = depth(count).saturating_sub(RUN_BITS);
        if self.siblings.len() != above as usize {
            return Err(StateRunError::Siblings { got: self.siblings.len(), expected: above });
        }
        let node = run_root(count, &self.leaves);
        let (root, _) = self.siblings.iter().fold((node, number), |(node, index), sibling| {
            let parent = if index & 1 == 0 { inner(&node, sibling) } else { inner(sibling, &node) };
            (parent, index >> 1)
        });
        let got = state_root(count, &root);
        if got == *expected { Ok(node) } else { Err(StateRunError::StateRoot { got, expected: *expected }) }
    }
}

/// How many leaves a run of so many accounts has.
fn run_length(count: u64, number: u64) -> u64 {
    count.saturating_sub(number.saturating_mul(RUN_LEAVES as u64)).min(RUN_LEAVES as u64)
}

/// The node over a run of a state with `count` leaves: of a tree that is no deeper, its root.
pub fn run_root(count: u64, leaves: &[Leaf]) -> Hash {
    let mut level = Leaf::hash_each(leaves);
    for missing in missing_nodes().iter().take(depth(count).min(RUN_BITS) as usize) {
        level = level_above(&level, missing);
    }
    level.first().copied().unwrap_or(Hash::ZERO)
}

/// The tree above the runs of a state.
#[derive(Clone, Debug)]
pub struct RunTree {
    count: u64,
    /// The nodes over the runs come first, the root last.
    levels: Vec<Vec<Hash>>,
}

impl RunTree {
    /// Over the runs of a state with `count` leaves, by the node over each; `None` if those are not as many as it has.
    pub fn new(count: u64, roots: Vec<Hash>) -> Option<Self> {
        if roots.is_empty() || roots.len() as u64 != StateRun::runs(count) {
            return None;
        }
        let (missing, mut levels) = (missing_nodes(), vec![roots]);
        for missing in missing.iter().skip(RUN_BITS as usize) {
            match levels.last() {
                Some(below) if below.len() > 1 => levels.push(level_above(below, missing)),
                _ => break,
            }
        }
        Some(Self { count, levels })
    }

    /// How many leaves the state has, the sentinel included.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The root that a header has to have.
    pub fn state_root(&self) -> Hash {
        let root = self.levels.last().and_then(|level| level.first());
        state_root(self.count, root.unwrap_or(&Hash::ZERO))
    }

    /// The node over a run.
    pub fn run_root(&self, number: u64) -> Option<Hash> {
        self.levels.first()?.get(usize::try_from(number).ok()?).copied()
    }

    /// A run with the way from it to the root; `None` if there is none with that number.
    pub fn run(&self, number: u64, leaves: RunLeaves) -> Option<StateRun> {
        let mut index = usize::try_from(number).ok().filter(|_| number < StateRun::runs(self.count))?;
        let (missing, mut siblings) = (missing_nodes(), Vec::new());
        let below_root = self.levels.iter().take(self.levels.len().saturating_sub(1));
        for (level, missing) in below_root.zip(missing.iter().skip(RUN_BITS as usize)) {
            siblings.push(level.get(index ^ 1).copied().unwrap_or(*missing));
            index >>= 1;
        }
        Some(StateRun { count: self.count, number, leaves, siblings: BoundedVec::new(siblings).ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::{Account, AccountTree};
    use crate::codec::{decode, encode};
    use crate::{keys::Address, units::Amount};

    fn leaves(count: u64) -> Vec<Leaf> {
        let leaf = |index: u64| Leaf {
            address: Address::from_bytes([index.to_le_bytes(); 4].concat().try_into().expect("32 bytes")),
            next: Address::ZERO,
            account: Account { balance: Amount::from_pebbles(index).expect("little"), nonce: index },
        };
        (0..count).map(leaf).collect()
    }

    fn tree(leaves: &[Leaf]) -> RunTree {
        let count = leaves.len() as u64;
        RunTree::new(count, leaves.chunks(RUN_LEAVES).map(|run| run_root(count, run)).collect()).expect("all runs")
    }

    fn run(leaves: &[Leaf], number: u64) -> StateRun {
        let run = leaves.chunks(RUN_LEAVES).nth(number as usize).expect("there is such a run");
        tree(leaves).run(number, BoundedVec::new(run.to_vec()).expect("a run")).expect("there is such a run")
    }

    #[test]
    fn runs_lead_to_the_root_of_the_account_tree() {
        for count in [1, 2, 3, 2_048, 2_049, 4_095, 4_096, 4_097, 8_192, 8_193, 20_000, 33_000] {
            let leaves = leaves(count);
            let root = AccountTree::from_leaf_hashes(&Leaf::hash_each(&leaves)).state_root();
            let tree = tree(&leaves);
            assert_eq!((tree.state_root(), tree.count()), (root, count));
            for number in 0..StateRun::runs(count) {
                let run = run(&leaves, number);
                assert_eq!(run.verify(number, &root), Ok(tree.run_root(number).expect("a run")), "{number} of {count}");
                let bytes = encode(&run);
                assert!(bytes.len() <= StateRun::MAX_BYTES);
                assert_eq!(decode::<StateRun>(&bytes, StateRun::MAX_BYTES), Ok(run));
            }
            assert_eq!(tree.run(StateRun::runs(count), RunLeaves::default()), None);
            assert_eq!(tree.run_root(StateRun::runs(count)), None);
        }
        assert!(RunTree::new(4_097, vec![Hash::ZERO]).is_none() && RunTree::new(0, vec![]).is_none());
    }

    #[test]
    fn whatever_is_changed_in_a_run_is_found() {
        let leaves = leaves(10_000);
        let root = tree(&leaves).state_root();
        let good = run(&leaves, 1);
        assert!(good.verify(1, &root).is_ok(), "the control");
        let changed = |change: fn(&mut StateRun)| {
            let mut run = good.clone();
            change(&mut run);
            run.verify(1, &root).expect_err("it is another run")
        };
        let other_root = |error| matches!(error, StateRunError::StateRoot { .. });
        assert!(other_root(changed(|run| {
            let mut leaves = run.leaves.to_vec();
            leaves[77].account.nonce += 1;
            run.leaves = BoundedVec::new(leaves).expect("a run");
        })));
        assert!(other_root(changed(|run| {
            let mut leaves = run.leaves.to_vec();
            leaves.swap(5, 6);
            run.leaves = BoundedVec::new(leaves).expect("a run");
        })));
        assert!(other_root(changed(|run| {
            let mut siblings = run.siblings.to_vec();
            siblings.swap(0, 1);
            run.siblings = BoundedVec::new(siblings).expect("as many");
        })));
        // As many runs and levels as there are, but another count: the root commits to it.
        assert!(other_root(changed(|run| run.count += 1)));
        assert_eq!(
            changed(|run| run.leaves = BoundedVec::new(run.leaves[..4_095].to_vec()).expect("a run")),
            StateRunError::Leaves { got: 4_095, expected: 4_096 }
        );
        assert_eq!(
            changed(|run| run.siblings = BoundedVec::new(run.siblings[..1].to_vec()).expect("fewer")),
            StateRunError::Siblings { got: 1, expected: 2 }
        );
        assert_eq!(changed(|run| run.number = 2), StateRunError::Number { got: 2, expected: 1 });
        assert_eq!(changed(|run| run.count = 4_000), StateRunError::Beyond { got: 1, count: 4_000, runs: 1 });
        assert_eq!(good.verify(0, &root), Err(StateRunError::Number { got: 1, expected: 0 }));
        let other = tree(&leaves[..9_999]).state_root();
        assert!(matches!(good.verify(1, &other), Err(StateRunError::StateRoot { .. })));
    }
}
