//! The root over a block's transactions: RFC 6962, with its 0x00 and 0x01 prefixes.
//!
//! No leaf is ever duplicated to fill a level, so no two lists share a root (CVE-2012-2459), and the
//! prefixes keep an inner node from posing as a leaf. An [`InclusionProof`] shows one transaction.

use crate::codec::{BoundedVec, Decode, Encode};
use crate::hash::{Hash, TxId, sha256, sha256_each};
use crate::mmr::path_steps;
use alloc::vec::Vec;
use cairn_kernels::sha256::Midstate;

/// The longest path: no block has 2^32 transactions.
const MAX_PATH: usize = 32;

/// `MTH` of RFC 6962 §2.1 over transaction ids; for an empty list, SHA-256 of nothing.
pub fn txs_root(txids: &[TxId]) -> Hash {
    let mut level = sha256_each::<1, 2, _>(txids, |txid| [&[0x00], txid.as_bytes()]);
    while level.len() > 1 {
        // A node without a sibling goes up as it is.
        let (pairs, odd) = level.as_chunks();
        let mut above = inner_each(pairs.iter().map(|[left, right]| (left, right)));
        above.extend_from_slice(odd);
        level = above;
    }
    level.first().copied().unwrap_or_else(|| sha256(&[]))
}

/// `H(0x01 ‖ left ‖ right)`: a node of a Merkle tree (RFC 6962 §2.1).
pub(crate) fn inner(left: &Hash, right: &Hash) -> Hash {
    Hash::from_bytes(Midstate::EMPTY.hash::<2>(&inner_parts(left, right)))
}

/// The node above each pair, in order.
pub(crate) fn inner_each<'a>(pairs: impl IntoIterator<Item = (&'a Hash, &'a Hash)>) -> Vec<Hash> {
    sha256_each::<2, 3, _>(pairs, |(left, right)| inner_parts(left, right))
}

fn inner_parts<'a>(left: &'a Hash, right: &'a Hash) -> [&'a [u8]; 3] {
    [&[0x01], left.as_bytes(), right.as_bytes()]
}

/// A proof that a transaction stands in a list: `PATH` of RFC 6962 §2.1.1.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct InclusionProof {
    count: u64,
    index: u64,
    /// The siblings from the leaf upward.
    path: BoundedVec<Hash, MAX_PATH>,
}

/// Why a proof shows no transaction in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the sentence of each error names its fields")]
pub enum InclusionError {
    /// The place is not in a list of this length.
    #[error("got place {got}, expected one below {count}")]
    Place { got: u64, count: u64 },
    /// The path has another length than the way to the root.
    #[error("got a path of {got} hashes, expected {expected}")]
    PathLength { got: usize, expected: usize },
    /// The path leads to another root.
    #[error("the proof leads to the root {got}, expected {expected}")]
    Root { got: Hash, expected: Hash },
}

impl InclusionProof {
    /// Proves the transaction at place `index` of the list; `None` when the list is not that long.
    pub fn new(txids: &[TxId], index: usize) -> Option<Self> {
        let (count, index) = (u64::try_from(txids.len()).ok()?, u64::try_from(index).ok()?);
        let steps = (index < count).then(|| path_steps(index, count))?;
        let part = |start: u64, end: u64| txids.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?);
        let path = steps.iter().map(|step| part(step.start, step.end).map(txs_root)).collect::<Option<Vec<_>>>()?;
        Some(Self { count, index, path: BoundedVec::new(path).ok()? })
    }

    /// Checks that `txid` stands in the list with this root.
    ///
    /// # Errors
    /// Says why that is not shown.
    pub fn verify(&self, txid: &TxId, expected: &Hash) -> Result<(), InclusionError> {
        if self.index >= self.count {
            return Err(InclusionError::Place { got: self.index, count: self.count });
        }
        let steps = path_steps(self.index, self.count);
        if steps.len() != self.path.len() {
            return Err(InclusionError::PathLength { got: self.path.len(), expected: steps.len() });
        }
        let leaf = sha256(&[&[0x00], txid.as_bytes()]);
        let got = steps.iter().zip(self.path.iter()).fold(leaf, |node, (step, sibling)| {
            if step.sibling_is_left { inner(sibling, &node) } else { inner(&node, sibling) }
        });
        if got == *expected { Ok(()) } else { Err(InclusionError::Root { got, expected: *expected }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6962 §2.1, word for word.
    fn specification(txids: &[TxId]) -> Hash {
        match txids {
            [] => sha256(&[]),
            [txid] => sha256(&[&[0], txid.as_bytes()]),
            _ => {
                let (left, right) = txids.split_at(txids.len().next_power_of_two() / 2);
                inner(&specification(left), &specification(right))
            }
        }
    }

    fn txids(count: u8) -> Vec<TxId> {
        (0..count).map(|byte| TxId::from_bytes([byte; 32])).collect()
    }

    #[test]
    fn the_root_is_that_of_the_specification() {
        for count in 0..70 {
            assert_eq!(txs_root(&txids(count)), specification(&txids(count)), "{count}");
        }
    }

    #[test]
    fn every_transaction_is_proven_and_no_other() {
        for count in 1..40 {
            let (all, root) = (txids(count), txs_root(&txids(count)));
            for (index, txid) in all.iter().enumerate() {
                let proof = InclusionProof::new(&all, index).unwrap();
                assert_eq!(proof.verify(txid, &root), Ok(()), "{index} of {count}");
                let stranger = TxId::from_bytes([0xff; 32]);
                assert!(matches!(proof.verify(&stranger, &root), Err(InclusionError::Root { .. })));
                let mut elsewhere = proof.clone();
                elsewhere.index = u64::from(count);
                assert!(matches!(elsewhere.verify(txid, &root), Err(InclusionError::Place { .. })));
                let longer = [proof.path.to_vec(), std::vec![Hash::ZERO]].concat();
                let longer = InclusionProof { path: BoundedVec::new(longer).unwrap(), ..proof };
                assert!(matches!(longer.verify(txid, &root), Err(InclusionError::PathLength { .. })));
            }
            assert_eq!(InclusionProof::new(&all, usize::from(count)), None);
        }
    }

    #[test]
    fn a_duplicated_last_transaction_changes_the_root() {
        for count in 1..20 {
            let honest = txids(count);
            let mut doubled = honest.clone();
            doubled.push(*honest.last().unwrap());
            assert_ne!(txs_root(&honest), txs_root(&doubled), "{count}");
        }
    }

    #[test]
    fn an_inner_node_does_not_pose_as_a_leaf() {
        let four = txids(4);
        let pair = |at: usize| {
            let leaf = |txid: &TxId| sha256(&[&[0], txid.as_bytes()]);
            TxId::from_bytes(*inner(&leaf(&four[at]), &leaf(&four[at + 1])).as_bytes())
        };
        assert_ne!(txs_root(&four), txs_root(&[pair(0), pair(2)]));
    }
}
