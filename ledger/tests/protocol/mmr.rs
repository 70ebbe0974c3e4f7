//! The history against `ckb-merkle-mountain-range`, another implementation of the same shape.

use cairn_ledger::hash::{Hash, Tag};
use cairn_ledger::mmr::{MergeError, Mmr, MmrNode, MmrPosition, MmrProof, MmrProofError};
use cairn_ledger::pow::{CompactTarget, Work};
use cairn_ledger::units::{Height, Timestamp};
use cairn_ledger::{codec, testing::arbitrary_hash};
use ckb_merkle_mountain_range::util::{MemMMR, MemStore};
use ckb_merkle_mountain_range::{Merge, leaf_index_to_pos};
use std::collections::BTreeMap;

const BLOCKS: u64 = 300;

/// The leaf of a block that goes on where the one before ends.
fn leaf(height: u64) -> MmrNode {
    let target = |height: u64| CompactTarget::from_bits(0x1d00_ffff + height as u32 * 7);
    MmrNode {
        hash: arbitrary_hash(height),
        work: Work::from_u64(height.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20),
        last_time: Timestamp::from_millis(1_000 + height * 2_000),
        first_target: target(height),
        next_target: target(height + 1),
    }
}

/// The oracle's way to merge. It bags peaks as (right, left); here left always comes first.
struct Oracle;

impl Merge for Oracle {
    type Item = MmrNode;

    fn merge(left: &MmrNode, right: &MmrNode) -> ckb_merkle_mountain_range::Result<MmrNode> {
        Ok(MmrNode::merge(left, right).unwrap())
    }

    fn merge_peaks(right: &MmrNode, left: &MmrNode) -> ckb_merkle_mountain_range::Result<MmrNode> {
        Self::merge(left, right)
    }
}

fn commitment(count: u64, root: &MmrNode) -> Hash {
    Tag::HISTORY.hash(&[&count.to_le_bytes(), &codec::encode(root)])
}

/// The histories of 0 ..= BLOCKS blocks, and every node found as a node of the range would be found in a
/// store: by the block that completed it, and its level.
fn grow() -> (Vec<Mmr>, BTreeMap<(Height, u32), MmrNode>) {
    let (mut histories, mut nodes) = (vec![Mmr::default()], BTreeMap::new());
    for height in 0..BLOCKS {
        let (next, completed) = histories.last().unwrap().append(leaf(height)).unwrap();
        nodes.insert((Height::new(height), 0), leaf(height));
        nodes.extend((1..).zip(completed).map(|(level, node)| ((Height::new(height), level), node)));
        histories.push(next);
    }
    (histories, nodes)
}

fn prove(nodes: &BTreeMap<(Height, u32), MmrNode>, height: u64, count: u64) -> MmrProof {
    let find = |position: &MmrPosition| nodes[&(position.completed_by(), position.level)];
    let positions = MmrProof::positions(Height::new(height), count).unwrap();
    let siblings: Vec<Vec<MmrNode>> = positions.iter().map(|trees| trees.iter().map(find).collect()).collect();
    MmrProof::from_nodes(&siblings).unwrap()
}

#[test]
fn roots_are_those_of_another_implementation() {
    let (histories, nodes) = grow();
    let store = MemStore::default();
    let mut oracle = MemMMR::<MmrNode, Oracle>::new(0, &store);
    assert_eq!(histories[0].commitment(), Hash::ZERO);
    let mut total = Work::ZERO;
    for (count, history) in (1..).zip(&histories[1..]) {
        oracle.push(leaf(count - 1)).unwrap();
        total = total.checked_add(leaf(count - 1).work).unwrap();
        let root = oracle.get_root().unwrap();
        assert_eq!(history.commitment(), commitment(count, &root), "{count}");
        assert_eq!((history.count(), history.total_work(), root.work), (count, total, total));

        let peaks = Mmr::peak_positions(count);
        let peaks = peaks.iter().map(|position| nodes[&(position.completed_by(), position.level)]).collect();
        assert_eq!(Mmr::from_peaks(count, peaks).as_ref(), Some(history), "restored from its peaks");
    }
}

#[test]
fn every_block_is_proven_in_every_history() {
    let (histories, nodes) = grow();
    for count in (1..=70).chain([127, 128, 129, 255, 256, 257, BLOCKS]) {
        let expected = histories[count as usize].commitment();
        for height in 0..count {
            let before = histories[height as usize].total_work();
            let proof = prove(&nodes, height, count);
            assert_eq!(
                proof.verify(&leaf(height), Height::new(height), count, &expected),
                Ok(before),
                "{height}/{count}"
            );
            assert_eq!(codec::decode(&codec::encode(&proof), 8 + 64 * 80), Ok(proof));
        }
        assert_eq!(MmrProof::positions(Height::new(count), count), None);
    }
}

#[test]
fn proofs_hold_the_nodes_of_another_implementation() {
    let (_, nodes) = grow();
    let store = MemStore::default();
    let mut oracle = MemMMR::<MmrNode, Oracle>::new(0, &store);
    for height in 0..BLOCKS {
        oracle.push(leaf(height)).unwrap();
    }
    for height in 0..BLOCKS {
        let mut theirs = oracle.gen_proof(vec![leaf_index_to_pos(height)]).unwrap().proof_items().to_vec();
        let siblings = MmrProof::positions(Height::new(height), BLOCKS).unwrap();
        let bag = |trees: &Vec<MmrPosition>| {
            let found = trees.iter().map(|at| nodes[&(at.completed_by(), at.level)]);
            found.rev().reduce(|right, left| MmrNode::merge(&left, &right).unwrap()).unwrap()
        };
        let mut ours: Vec<MmrNode> = siblings.iter().map(bag).collect();
        // The oracle lists what stands left of the leaf's own peak first, ours goes from the leaf upward.
        let order = |node: &MmrNode| *node.hash.as_bytes();
        theirs.sort_by_key(order);
        ours.sort_by_key(order);
        assert_eq!(ours, theirs, "{height}");
    }
}

/// The siblings of a proof, as they are encoded.
fn siblings(proof: &MmrProof) -> Vec<MmrNode> {
    codec::encode(proof)[8..].chunks(80).map(|bytes| codec::decode(bytes, 80).unwrap()).collect()
}

fn proof_of(siblings: Vec<MmrNode>) -> MmrProof {
    MmrProof::from_nodes(&siblings.into_iter().map(|node| vec![node]).collect::<Vec<_>>()).unwrap()
}

#[test]
fn history_proof_error_height() {
    let (histories, nodes) = grow();
    let (proof, root) = (prove(&nodes, 4, 5), histories[5].commitment());
    for height in [5, 6, u64::MAX] {
        let expected = Err(MmrProofError::Height { got: height, count: 5 });
        assert_eq!(proof.verify(&leaf(4), Height::new(height), 5, &root), expected);
    }
    assert_eq!(proof.verify(&leaf(4), Height::new(4), 5, &root), Ok(histories[4].total_work()), "the honest neighbour");
    let nothing = proof_of(vec![]);
    assert_eq!(
        nothing.verify(&leaf(0), Height::GENESIS, 0, &Hash::ZERO),
        Err(MmrProofError::Height { got: 0, count: 0 }),
        "the history of no blocks proves nothing"
    );
}

#[test]
fn history_proof_error_length() {
    let (histories, nodes) = grow();
    let root = histories[100].commitment();
    let honest = siblings(&prove(&nodes, 37, 100));
    let check = |list: Vec<MmrNode>| proof_of(list).verify(&leaf(37), Height::new(37), 100, &root);
    assert_eq!(check(honest.clone()), Ok(histories[37].total_work()));
    let (shorter, longer) = (honest[1..].to_vec(), [honest.clone(), vec![leaf(1)]].concat());
    for list in [vec![], shorter, longer, vec![leaf(1); 64]] {
        let expected = MmrProofError::Length { got: list.len(), expected: honest.len() };
        assert_eq!(check(list), Err(expected));
    }
}

#[test]
fn history_proof_error_root() {
    let (histories, nodes) = grow();
    for (height, count) in [(0, 1), (0, 2), (37, 100), (63, 64), (64, 65), (299, 300)] {
        let (proof, root) = (prove(&nodes, height, count), histories[count as usize].commitment());
        let refused = |proof: &MmrProof, leaf: MmrNode, at: u64, count: u64, root: &Hash| {
            let verdict = proof.verify(&leaf, Height::new(at), count, root);
            assert!(verdict.is_err(), "{verdict:?}");
        };
        let before = histories[height as usize].total_work();
        assert_eq!(proof.verify(&leaf(height), Height::new(height), count, &root), Ok(before));
        refused(&proof, leaf(height), height, count, &Hash::ZERO);
        refused(&proof, leaf(height + 1), height, count, &root);
        refused(&proof, leaf(height), height, count + 1, &root);
        if height > 0 {
            refused(&proof, leaf(height), height - 1, count, &root);
        }
        let more_work = MmrNode { work: Work::from_u64(u64::MAX), ..leaf(height) };
        refused(&proof, more_work, height, count, &root);
        // Every sibling and everything in it: nothing in a proof is free.
        for at in 0..siblings(&proof).len() {
            let mut list = siblings(&proof);
            list[at].hash = arbitrary_hash(9_999);
            refused(&proof_of(list), leaf(height), height, count, &root);
            let later = |target: CompactTarget| CompactTarget::from_bits(target.bits() + 1);
            let changes: [fn(&mut MmrNode); 2] = [
                |node| node.work = node.work.checked_add(Work::from_u64(1)).unwrap(),
                |node| node.last_time = node.last_time.saturating_add(1),
            ];
            for change in changes {
                let mut list = siblings(&proof);
                change(&mut list[at]);
                refused(&proof_of(list), leaf(height), height, count, &root);
            }
            let mut list = siblings(&proof);
            list[at].first_target = later(list[at].first_target);
            refused(&proof_of(list), leaf(height), height, count, &root);
            let mut list = siblings(&proof);
            list[at].next_target = later(list[at].next_target);
            refused(&proof_of(list), leaf(height), height, count, &root);
        }
        // Work moved from one node to another leaves the sum as it was.
        if let [first, .., last] = siblings(&proof).as_mut_slice() {
            let one = Work::from_u64(1);
            (first.work, last.work) = (first.work.checked_add(one).unwrap(), last.work.checked_sub(one).unwrap());
            let mut list = siblings(&proof);
            (list[0], *list.last_mut().unwrap()) = (*first, *last);
            refused(&proof_of(list), leaf(height), height, count, &root);
        }
    }
}

#[test]
fn history_proof_error_merge() {
    let huge = MmrNode { work: Work::from_be_bytes(&[0xff; 32]), ..leaf(1) };
    let proof = proof_of(vec![huge]);
    let check = |leaf: &MmrNode| proof.verify(leaf, Height::GENESIS, 2, &Hash::ZERO);
    let weighty = MmrNode { work: Work::from_u64(1), ..leaf(0) };
    assert_eq!(check(&weighty), Err(MmrProofError::Merge(MergeError::WorkOverflow)));
    assert!(matches!(check(&leaf(0)), Err(MmrProofError::Root { .. })), "2^256 - 1 itself still fits");
    // Block 0 beside block 2: its target is not what block 0 demands.
    let error = MergeError::Target { got: leaf(2).first_target, expected: leaf(1).first_target };
    let refused = proof_of(vec![leaf(2)]).verify(&leaf(0), Height::GENESIS, 2, &Hash::ZERO);
    assert_eq!(refused, Err(MmrProofError::Merge(error)));
}

#[test]
fn nodes_merge_only_where_the_right_one_goes_on() {
    let (left, right) = (leaf(4), leaf(5));
    let merged = MmrNode::merge(&left, &right).unwrap();
    assert_eq!(merged.work, left.work.checked_add(right.work).unwrap());
    assert_eq!((merged.last_time, merged.first_target), (right.last_time, left.first_target));
    assert_eq!(merged.next_target, right.next_target);
    let bytes = [codec::encode(&left), codec::encode(&right)].concat();
    assert_eq!(merged.hash, Tag::MMR.hash(&[&bytes]));

    let other = MmrNode { first_target: left.first_target, ..right };
    let expected = MergeError::Target { got: left.first_target, expected: left.next_target };
    assert_eq!(MmrNode::merge(&left, &other), Err(expected));
    for early in [left.last_time, Timestamp::default()] {
        let other = MmrNode { last_time: early, ..right };
        assert_eq!(MmrNode::merge(&left, &other), Err(MergeError::Time { got: early, left: left.last_time }));
    }
    let history = Mmr::from_peaks(1, vec![left]).unwrap();
    assert_eq!(history.append(leaf(6)).unwrap_err(), MmrNode::merge(&left, &leaf(6)).unwrap_err());
    assert_eq!(history.append(right).unwrap().1, vec![merged]);
    assert_eq!(Mmr::from_peaks(3, vec![merged, leaf(4)]), None, "peaks, too, have to go on");
}

#[test]
fn work_that_overflows_is_refused_wherever_it_enters() {
    let all = MmrNode { work: Work::from_be_bytes(&[0xff; 32]), ..leaf(0) };
    let weightless = MmrNode { work: Work::ZERO, ..leaf(1) };
    assert_eq!(MmrNode::merge(&all, &leaf(1)), Err(MergeError::WorkOverflow));
    let full = Mmr::from_peaks(1, vec![all]).unwrap();
    assert_eq!(full.append(leaf(1)), Err(MergeError::WorkOverflow));
    assert!(full.append(weightless).is_ok());
    // Two peaks of different size, which only the bagging adds up.
    let full = Mmr::from_peaks(2, vec![all]).unwrap();
    assert_eq!(full.append(leaf(1)), Err(MergeError::WorkOverflow));
    let full = Mmr::from_peaks(3, vec![all, weightless]).unwrap();
    assert_eq!(full.append(leaf(2)), Err(MergeError::WorkOverflow), "the work is not in the last peak");
    assert_eq!(MmrProof::from_nodes(&[vec![all, leaf(1)]]), Err(MergeError::WorkOverflow));
}

/// Peaks whose works overflow once gave a history that committed to nothing and had no work.
#[test]
fn peaks_that_overflow_make_no_history() {
    let all = MmrNode { work: Work::from_be_bytes(&[0xff; 32]), ..leaf(0) };
    assert_eq!(Mmr::from_peaks(3, vec![all, leaf(1)]), None);
    assert!(Mmr::from_peaks(3, vec![all, MmrNode { work: Work::ZERO, ..leaf(1) }]).is_some());
    for (count, peaks) in [(0, vec![leaf(0)]), (1, vec![]), (2, vec![leaf(0); 2]), (7, vec![leaf(0); 2])] {
        assert_eq!(Mmr::from_peaks(count, peaks), None, "another number of peaks than bits in {count}");
    }
}
