//! The hashes of the account tree, all levels in flat arrays: about 64 bytes for each account.

use super::{depth, state_root};
use crate::hash::Hash;
use crate::merkle::{inner, inner_each};
use alloc::{vec, vec::Vec};
use cairn_kernels::prefetch;

/// Nodes of a level that a core's own cache holds.
const IN_CACHE: usize = 1 << 14;
/// How many nodes ahead of the one in hand are brought from memory: about as many loads as a core has under way at
/// once.
const AHEAD: usize = 32;

/// All node hashes of an indexed Merkle tree. Leaves themselves are elsewhere; this knows their hashes.
#[derive(Clone, Debug)]
pub struct AccountTree {
    /// `levels[j]` holds the nodes of level j that have at least one leaf below them; level 0 the leaf hashes.
    levels: Vec<Vec<Hash>>,
    /// `missing[j]` is the node of level j without any leaf below it.
    missing: Vec<Hash>,
}

/// New node hashes for some leaves, computed but not yet in the tree.
#[derive(Clone, Debug)]
#[must_use = "an update does nothing until it is given to AccountTree::apply"]
pub struct TreeUpdate {
    count: u64,
    /// For each level the changed nodes, ascending.
    nodes: Vec<Vec<(u64, Hash)>>,
    state_root: Hash,
}

/// Sets nodes of a level, which gets `len` of them; leaves in `nodes` what was there before.
fn exchange_level(level: &mut Vec<Hash>, nodes: &mut Vec<(u64, Hash)>, len: usize) {
    let kept = level.len().min(len);
    let cut_off = level.drain(kept..).collect::<Vec<_>>();
    level.resize(len, Hash::ZERO);
    for (index, hash) in nodes.iter_mut() {
        if let Some(place) = usize::try_from(*index).ok().and_then(|index| level.get_mut(index)) {
            core::mem::swap(place, hash);
        }
    }
    // What was appended was not there before.
    nodes.truncate(nodes.partition_point(|(index, _)| *index < kept as u64));
    nodes.extend((kept as u64..).zip(cut_off));
    nodes.shrink_to_fit();
}

/// The nodes above those of one level; `missing` stands for what is not there.
fn level_above(below: &[Hash], missing: &Hash) -> Vec<Hash> {
    inner_each(below.chunks(2).map(|pair| match pair {
        [left, right] => (left, right),
        [left] => (left, missing),
        _ => (missing, missing),
    }))
}

/// For each level the node without any leaf below it.
fn missing_nodes() -> Vec<Hash> {
    let mut missing = vec![Hash::ZERO];
    while let (Some(below), true) = (missing.last(), missing.len() < 64) {
        missing.push(inner(below, below));
    }
    missing
}

impl TreeUpdate {
    /// The state root once it is applied.
    pub fn state_root(&self) -> Hash {
        self.state_root
    }

    /// How many node hashes it holds: what keeping it costs.
    pub fn node_count(&self) -> usize {
        self.nodes.iter().map(Vec::len).fold(0, usize::saturating_add)
    }

    /// The node it sets at `index` of `level`.
    fn node(&self, level: u32, index: u64) -> Option<Hash> {
        let nodes = self.nodes.get(level as usize)?;
        let place = nodes.binary_search_by_key(&index, |(index, _)| *index).ok()?;
        nodes.get(place).map(|(_, hash)| *hash)
    }
}

impl AccountTree {
    /// The tree over these leaf hashes, in order; an empty list gives the tree of no leaf, which has no
    /// place in the protocol but is where building starts.
    pub fn from_leaf_hashes(leaves: Vec<Hash>) -> Self {
        let missing = missing_nodes();
        let mut levels = vec![leaves];
        for missing in &missing {
            let below = levels.last().map_or(&[][..], Vec::as_slice);
            if below.len() <= 1 {
                break;
            }
            levels.push(level_above(below, missing));
        }
        Self { levels, missing }
    }

    /// How many leaves there are, the sentinel included.
    pub fn count(&self) -> u64 {
        self.levels.first().map_or(0, Vec::len) as u64
    }

    /// The commitment to all accounts.
    pub fn state_root(&self) -> Hash {
        let count = self.count();
        state_root(count, self.node(depth(count), 0, count))
    }

    /// The siblings of leaf `index`, from the leaf upward; `None` when there is no such leaf.
    pub fn path(&self, index: u64) -> Option<Vec<Hash>> {
        let count = self.count();
        (index < count).then(|| (0..depth(count)).map(|level| *self.node(level, (index >> level) ^ 1, count)).collect())
    }

    /// The siblings of leaf `index` in an earlier tree: the one that this becomes when `back` is applied from
    /// its last update to its first. Nothing is applied and nothing hashed. `None` when that tree has no such
    /// leaf.
    pub fn path_before(&self, index: u64, back: &[&TreeUpdate]) -> Option<Vec<Hash>> {
        let count = back.first().map_or(self.count(), |first| first.count);
        let sibling = |level: u32| {
            let index = (index >> level) ^ 1;
            let below = index.checked_shl(level).is_some_and(|first_leaf| first_leaf < count);
            // The first update that sets a node holds it as it was in the earlier tree.
            let set = back.iter().find_map(|update| update.node(level, index)).filter(|_| below);
            set.unwrap_or_else(|| *self.node(level, index, count))
        };
        (index < count).then(|| (0..depth(count)).map(sibling).collect())
    }

    /// Computes what the tree becomes with `count` leaves of which `changed` (index and leaf hash, strictly
    /// ascending) are new.
    ///
    /// Every appended leaf must be among the changed ones. A smaller `count` takes leaves away again,
    /// which is how a block is undone.
    pub fn update(&self, count: u64, changed: &[(u64, Hash)]) -> TreeUpdate {
        let kept = changed.partition_point(|(index, _)| *index < count);
        let mut current: Vec<(u64, Hash)> = changed.get(..kept).unwrap_or_default().to_vec();
        // Where leaves were taken away, the nodes above the last one that stays have lost a child.
        if let (true, Some(last)) = (count < self.count(), count.checked_sub(1))
            && current.last().is_none_or(|(index, _)| *index < last)
        {
            current.push((last, *self.node(0, last, count)));
        }
        let mut nodes = Vec::new();
        for level in 0..depth(count) {
            let mut ahead = current.iter().map(|(index, _)| *index);
            ahead.by_ref().take(AHEAD).for_each(|index| self.fetch_sibling(level, index));
            let families = || current.chunk_by(|(a, _), (b, _)| a >> 1 == b >> 1);
            let pairs = families().map(|changed| {
                ahead.by_ref().take(changed.len()).for_each(|index| self.fetch_sibling(level, index));
                match changed {
                    [(index, left)] if index & 1 == 0 => (left, self.node(level, index ^ 1, count)),
                    [(index, right)] => (self.node(level, index ^ 1, count), right),
                    [(_, left), (_, right), ..] => (left, right),
                    [] => (&Hash::ZERO, &Hash::ZERO),
                }
            });
            let hashes = inner_each(pairs);
            let parents = families().filter_map(|changed| changed.first()).map(|(index, _)| index >> 1);
            let mut above = Vec::with_capacity(hashes.len());
            above.extend(parents.zip(hashes));
            nodes.push(core::mem::replace(&mut current, above));
        }
        let root = current.first().map_or_else(|| *self.node(depth(count), 0, count), |(_, hash)| *hash);
        nodes.push(current);
        TreeUpdate { count, nodes, state_root: state_root(count, &root) }
    }

    /// Makes `update`, which was computed from this very tree, part of it.
    pub fn apply(&mut self, update: TreeUpdate) {
        let mut len = usize::try_from(update.count).unwrap_or(usize::MAX);
        self.levels.resize_with(update.nodes.len(), Vec::new);
        for (level, nodes) in self.levels.iter_mut().zip(update.nodes) {
            level.resize(len, Hash::ZERO);
            for (index, hash) in nodes {
                if let Some(place) = usize::try_from(index).ok().and_then(|index| level.get_mut(index)) {
                    *place = hash;
                }
            }
            len = len.div_ceil(2);
        }
    }

    /// Makes `update`, which was computed from this very tree, part of it; returns the update that takes it back.
    pub fn exchange(&mut self, update: TreeUpdate) -> TreeUpdate {
        let TreeUpdate { count, mut nodes, .. } = update;
        let (old_count, old_root) = (self.count(), self.state_root());
        let (height, old_height) = (nodes.len(), self.levels.len());
        self.levels.resize_with(height.max(old_height), Vec::new);
        nodes.resize_with(self.levels.len(), Vec::new);
        let mut len = usize::try_from(count).unwrap_or(usize::MAX);
        for (number, (level, nodes)) in self.levels.iter_mut().zip(&mut nodes).enumerate() {
            // Levels above the new root are cut off as a whole.
            exchange_level(level, nodes, if number < height { len } else { 0 });
            len = len.div_ceil(2);
        }
        self.levels.truncate(height);
        nodes.truncate(old_height);
        TreeUpdate { count: old_count, nodes, state_root: old_root }
    }

    /// Has the sibling of a node brought from memory, in good time before it is needed.
    fn fetch_sibling(&self, level: u32, index: u64) {
        let all = self.levels.get(level as usize).filter(|all| all.len() > IN_CACHE);
        let sibling = all.and_then(|all| all.get(usize::try_from(index ^ 1).ok()?));
        sibling.into_iter().for_each(prefetch);
    }

    /// The node at `index` of `level` in a tree of `count` leaves, as far as it did not change.
    fn node(&self, level: u32, index: u64, count: u64) -> &Hash {
        let first_leaf = index.checked_shl(level).unwrap_or(u64::MAX);
        let present = if first_leaf < count { self.levels.get(level as usize) } else { None };
        let known = present.and_then(|nodes| nodes.get(usize::try_from(index).ok()?));
        known.or_else(|| self.missing.get(level as usize)).unwrap_or(&Hash::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::sha256;
    use alloc::collections::BTreeMap;
    use proptest::{prelude::*, test_runner::RngSeed};

    /// protocol.md 5.1, word for word.
    fn specification(leaves: &[Hash]) -> Hash {
        fn root(leaves: &[Hash], depth: u32) -> Hash {
            if depth == 0 {
                return leaves.first().copied().unwrap_or(Hash::ZERO);
            }
            let half = leaves.len().min(1 << (depth - 1));
            inner(&root(&leaves[..half], depth - 1), &root(&leaves[half..], depth - 1))
        }
        let mut depth = 0;
        while 1 << depth < leaves.len() {
            depth += 1;
        }
        state_root(leaves.len() as u64, &root(leaves, depth))
    }

    fn leaf(seed: u64) -> Hash {
        sha256(&[&seed.to_le_bytes()])
    }

    #[test]
    fn the_root_is_that_of_the_specification() {
        for count in 1..70 {
            let leaves: Vec<_> = (0..count).map(leaf).collect();
            assert_eq!(AccountTree::from_leaf_hashes(leaves.clone()).state_root(), specification(&leaves), "{count}");
        }
    }

    #[test]
    fn a_grown_tree_equals_a_new_one() {
        for count in [1, 4095, 4096, 4097, 9000] {
            let leaves: Vec<_> = (0..count).map(leaf).collect();
            let tree = AccountTree::from_leaf_hashes(leaves.clone());
            assert_eq!((tree.count(), tree.state_root()), (count, specification(&leaves)), "{count}");
            let mut grown = AccountTree::from_leaf_hashes(leaves[..1].to_vec());
            let rest: Vec<_> = (1..count).map(|index| (index, leaf(index))).collect();
            grown.apply(grown.update(count, &rest));
            assert_eq!(grown.levels, tree.levels, "{count}");
        }
    }

    /// More of them than are brought from memory ahead, in levels that no cache holds.
    #[test]
    fn leaves_all_over_a_large_tree_are_changed() {
        let mut leaves: Vec<_> = (0..40_000).map(leaf).collect();
        let mut tree = AccountTree::from_leaf_hashes(leaves.clone());
        let changes: Vec<_> = (0..40_000).filter(|index| index % 7 < 2).map(|index| (index, leaf(index + 1))).collect();
        for (index, hash) in &changes {
            leaves[*index as usize] = *hash;
        }
        tree.apply(tree.update(40_000, &changes));
        assert_eq!(tree.levels, AccountTree::from_leaf_hashes(leaves).levels);
    }

    #[test]
    fn a_path_leads_to_the_root() {
        let leaves: Vec<_> = (0..37).map(leaf).collect();
        let tree = AccountTree::from_leaf_hashes(leaves.clone());
        for (index, leaf) in leaves.iter().enumerate() {
            let path = tree.path(index as u64).unwrap();
            let root = path.iter().enumerate().fold(*leaf, |node, (level, sibling)| {
                if index >> level & 1 == 0 { inner(&node, sibling) } else { inner(sibling, &node) }
            });
            assert_eq!(state_root(37, &root), tree.state_root());
        }
        assert_eq!(tree.path(37), None);
    }

    /// The inverse once left out the levels that a shallower tree does not have.
    #[test]
    fn the_inverse_of_an_update_that_lowers_the_root() {
        for (before, after) in [(17, 1), (5, 4), (9, 8), (64, 3)] {
            let mut tree = AccountTree::from_leaf_hashes((0..before).map(leaf).collect());
            let original = tree.clone();
            let inverse = tree.exchange(tree.update(after, &[]));
            assert_ne!(tree.levels, original.levels);
            assert_eq!(inverse.state_root(), original.state_root());
            tree.apply(inverse);
            assert_eq!(tree.levels, original.levels, "{before} to {after}");
        }
    }

    /// Blocks that change and append leaves, and one that is undone: every earlier tree is still there.
    #[test]
    fn paths_of_earlier_trees_are_found_without_going_back() {
        let mut tree = AccountTree::from_leaf_hashes((0..5).map(leaf).collect());
        let (mut trees, mut back) = (std::vec![tree.clone()], Vec::new());
        for (count, changed) in [(5, [1, 4]), (9, [0, 3]), (17, [7, 8]), (17, [2, 16]), (40, [5, 6])] {
            let changes = changed.into_iter().filter(|at| *at < tree.count()).chain(tree.count()..count);
            let changes: Vec<_> = changes.map(|at| (at, leaf(at + 100 * count))).collect();
            back.push(tree.exchange(tree.update(count, &changes)));
            trees.push(tree.clone());
        }
        for (from, earlier) in trees.iter().enumerate() {
            let back: Vec<&TreeUpdate> = back[from..].iter().collect();
            for index in 0..=earlier.count() {
                assert_eq!(tree.path_before(index, &back), earlier.path(index), "leaf {index} of tree {from}");
            }
        }
    }

    proptest! {
        // The same cases on every run.
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(0xca12), ..ProptestConfig::default() })]

        #[test]
        fn an_updated_tree_equals_a_new_one(
            before in 1u64..80,
            after in 1u64..80,
            changed in proptest::collection::btree_set(0u64..80, 0..20),
        ) {
            let mut leaves: Vec<_> = (0..before).map(leaf).collect();
            let mut tree = AccountTree::from_leaf_hashes(leaves.clone());
            let appended = before..after;
            let changes: BTreeMap<u64, Hash> = changed.iter().copied().filter(|index| *index < after.min(before))
                .chain(appended).map(|index| (index, leaf(1000 + index))).collect();
            leaves.resize(after as usize, Hash::ZERO);
            for (index, hash) in &changes {
                leaves[*index as usize] = *hash;
            }
            let original = tree.clone();
            let update = tree.update(after, &changes.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(update.state_root(), specification(&leaves));
            let mut applied = tree.clone();
            applied.apply(update.clone());
            let inverse = tree.exchange(update);
            prop_assert_eq!(&applied.levels, &tree.levels);
            prop_assert_eq!(inverse.state_root(), original.state_root());
            for index in 0..before {
                prop_assert_eq!(tree.path_before(index, &[&inverse]), original.path(index));
            }
            prop_assert_eq!(tree.path_before(before, &[&inverse]), None);
            let mut restored = tree.clone();
            restored.apply(inverse);
            prop_assert_eq!(&restored.levels, &original.levels);
            prop_assert_eq!(tree.count(), after);
            prop_assert_eq!(tree.state_root(), specification(&leaves));
            prop_assert_eq!(&tree.levels, &AccountTree::from_leaf_hashes(leaves).levels);
        }
    }
}
