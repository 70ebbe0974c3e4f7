//! One proof for many leaves of a history: the nodes beside their ways up, each given once.
//!
//! A history is its peaks, and each peak is a complete tree. Going up level by level, a node's sibling is
//! either on another leaf's way, and so known, or is given. The given nodes stand in the order in which they
//! are met: lowest level first, from left to right. The left siblings on the way of leaf h are exactly the
//! peaks of `history(h)`, since both split 0 .. h into complete trees, greatest first.

use super::LightError;
use crate::history::{History, Node, Position};
use alloc::{collections::BTreeMap, vec::Vec};

/// Nodes by where they are.
pub(super) type Nodes = BTreeMap<Position, Node>;

/// The peaks of a history of `count` blocks by level: there is at most one of each.
fn peaks_by_level(count: u64) -> BTreeMap<u32, u64> {
    History::peak_positions(count).into_iter().map(|peak| (peak.level, peak.index)).collect()
}

/// Where the nodes are that prove `leaves` (ascending, below `count`), in the order of the proof.
pub(super) fn proof_positions(leaves: impl IntoIterator<Item = u64>, count: u64) -> Vec<Position> {
    let peaks = peaks_by_level(count);
    let mut positions = Vec::new();
    let mut current: Vec<u64> = leaves.into_iter().collect();
    for level in 0..u64::BITS {
        let mut above = Vec::with_capacity(current.len());
        let mut rest = current.iter().copied().peekable();
        while let Some(index) = rest.next() {
            if peaks.get(&level) == Some(&index) {
                continue;
            }
            if index & 1 == 1 || rest.next_if_eq(&(index | 1)).is_none() {
                positions.push(Position { level, index: index ^ 1 });
            }
            above.push(index >> 1);
        }
        current = above;
    }
    positions
}

/// Goes up from `leaves` (ascending by index) with the given nodes to the peaks of `history`, and gives all
/// nodes that are known then.
pub(super) fn fold(leaves: Vec<(u64, Node)>, given: &[Node], history: &History) -> Result<Nodes, LightError> {
    let peaks = History::peak_positions(history.count());
    let mut known: Nodes = peaks.into_iter().zip(history.peaks().iter().copied()).collect();
    let peaks = peaks_by_level(history.count());
    let expected = proof_positions(leaves.iter().map(|(index, _)| *index), history.count());
    if given.len() != expected.len() {
        return Err(LightError::Nodes { got: given.len(), expected: expected.len() });
    }
    known.extend(expected.into_iter().zip(given.iter().copied()));
    let mut current = leaves;
    for level in 0..u64::BITS {
        let mut above: Vec<(u64, Node)> = Vec::with_capacity(current.len());
        for (index, node) in &current {
            let position = Position { level, index: *index };
            if peaks.get(&level) == Some(index) {
                let peak = known.get(&position).ok_or(LightError::Overflow)?;
                if peak != node {
                    return Err(LightError::Peak { got: node.hash, expected: peak.hash, level });
                }
                continue;
            }
            known.insert(position, *node);
        }
        for (index, node) in &current {
            let done = peaks.get(&level) == Some(index) || above.last().is_some_and(|(last, _)| *last == index >> 1);
            if done {
                continue;
            }
            // Siblings are given or on another way; either is known by now.
            let sibling = known.get(&Position { level, index: index ^ 1 }).ok_or(LightError::Overflow)?;
            let parent = if index & 1 == 0 { Node::merge(node, sibling)? } else { Node::merge(sibling, node)? };
            above.push((index >> 1, parent));
        }
        current = above;
    }
    Ok(known)
}

/// The history before block `height`, from the nodes known after [`fold`] of a set with its leaf.
pub(super) fn history_before(height: u64, known: &Nodes) -> Option<History> {
    let peaks = History::peak_positions(height).into_iter().map(|peak| known.get(&peak).copied());
    History::from_peaks(height, peaks.collect::<Option<Vec<_>>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{hash::BlockId, pow::Work, testing::arbitrary_hash};
    use alloc::collections::BTreeSet;
    use proptest::{prelude::*, test_runner::RngSeed};

    fn leaf(height: u64) -> (BlockId, Work) {
        (BlockId::from_bytes(*arbitrary_hash(height).as_bytes()), Work::from_u64(height * 7 % 13))
    }

    /// The histories of 0 ..= count blocks, and all nodes of the last.
    fn grow(count: u64) -> (Vec<History>, Nodes) {
        let (mut histories, mut nodes) = (std::vec![History::default()], Nodes::new());
        for height in 0..count {
            let (id, work) = leaf(height);
            let (next, completed) = histories.last().unwrap().append(&id, work).unwrap();
            nodes.insert(Position { level: 0, index: height }, Node::leaf(&id, work));
            nodes.extend((1..).zip(completed).map(|(level, node)| (Position { level, index: height >> level }, node)));
            histories.push(next);
        }
        (histories, nodes)
    }

    proptest! {
        // The same cases on every run.
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(0xca12), ..ProptestConfig::default() })]

        #[test]
        fn any_leaves_are_proven_and_show_the_histories_before_them(
            count in 1u64..150,
            drawn in proptest::collection::btree_set(0u64..150, 0..12),
        ) {
            let (histories, nodes) = grow(count);
            let leaves: BTreeSet<u64> = drawn.into_iter().filter(|index| *index < count).collect();
            let given: Vec<Node> =
                proof_positions(leaves.iter().copied(), count).iter().map(|position| nodes[position]).collect();
            let at = |index: &u64| (*index, nodes[&Position { level: 0, index: *index }]);
            let known = fold(leaves.iter().map(at).collect(), &given, &histories[count as usize]).unwrap();
            for height in &leaves {
                let before = history_before(*height, &known);
                prop_assert_eq!(before.as_ref(), Some(&histories[*height as usize]));
            }
            // Each given node matters, and so does each leaf.
            for place in 0..given.len() {
                let mut other = given.clone();
                other[place].work = other[place].work.checked_add(Work::from_u64(1)).unwrap();
                let refused = fold(leaves.iter().map(at).collect(), &other, &histories[count as usize]);
                let at_a_peak = matches!(refused, Err(LightError::Peak { .. }));
                prop_assert!(at_a_peak, "node {}", place);
            }
            let longer = [given.clone(), std::vec![nodes[&Position { level: 0, index: 0 }]]].concat();
            let refused = fold(leaves.iter().map(at).collect(), &longer, &histories[count as usize]);
            prop_assert_eq!(refused, Err(LightError::Nodes { got: given.len() + 1, expected: given.len() }));
        }
    }
}
