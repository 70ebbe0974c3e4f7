//! Proofs about one address against a state root.

use super::{Account, Leaf, depth, state_root};
use crate::codec::{BoundedVec, Decode, Encode};
use crate::{hash::Hash, keys::Address, merkle::inner};

/// A leaf with the path to the state root. For an address that has an account it is that account's
/// leaf; for one that has none, the leaf just below it in ascending order.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AccountProof {
    /// How many leaves the tree has.
    pub count: u64,
    /// Which of them this is.
    pub index: u64,
    /// The leaf.
    pub leaf: Leaf,
    /// The siblings from the leaf upward, exactly as many as the tree is deep; bit j of the index says
    /// whether the j-th stands to the left.
    pub path: BoundedVec<Hash, 64>,
}

/// Why a proof proves nothing about an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the sentence of each error names its fields")]
pub enum AccountProofError {
    /// The index is not below the count.
    #[error("got leaf {got}, expected one below {count}")]
    Index { got: u64, count: u64 },
    /// The path has another length than the tree is deep.
    #[error("got a path of {got} hashes, expected {expected}")]
    PathLength { got: usize, expected: u32 },
    /// The path leads to another state root.
    #[error("the proof leads to the state root {got}, expected {expected}")]
    StateRoot { got: Hash, expected: Hash },
    /// The leaf is in the tree but says nothing about the address.
    #[error("the leaf of {got} says nothing about {expected}")]
    OtherAddress { got: Address, expected: Address },
}

impl AccountProof {
    /// What this proves about `address` in the state with root `expected`: its account, or that it has none.
    ///
    /// # Errors
    /// Says why it proves neither.
    pub fn verify(&self, address: &Address, expected: &Hash) -> Result<Option<Account>, AccountProofError> {
        if self.index >= self.count {
            return Err(AccountProofError::Index { got: self.index, count: self.count });
        }
        if self.path.len() != depth(self.count) as usize {
            return Err(AccountProofError::PathLength { got: self.path.len(), expected: depth(self.count) });
        }
        let (root, _) = self.path.iter().fold((self.leaf.hash(), self.index), |(node, index), sibling| {
            let parent = if index & 1 == 0 { inner(&node, sibling) } else { inner(sibling, &node) };
            (parent, index >> 1)
        });
        let got = state_root(self.count, &root);
        if got != *expected {
            return Err(AccountProofError::StateRoot { got, expected: *expected });
        }
        // The zero address is the sentinel's: no proof says anything about it.
        if self.leaf.address == *address && *address != Address::ZERO {
            return Ok(Some(self.leaf.account));
        }
        if self.leaf.proves_absence_of(address) {
            return Ok(None);
        }
        Err(AccountProofError::OtherAddress { got: self.leaf.address, expected: *address })
    }
}
