//! Accounts, and the indexed Merkle tree that commits to all of them.
//!
//! The tree is dense: leaves stand in order of creation and are only ever appended, so a change of one
//! account costs log2(count) hashes. Each leaf also names the next address in ascending order, which
//! makes absence provable: a leaf whose address is below and whose `next` is above an address shows
//! that it has no account.
//!
//! | part | what |
//! |---|---|
//! | [`Leaf`] | an account as the tree holds it |
//! | [`AccountTree`] | the hashes in memory; computes roots and paths |
//! | [`BucketHashes`] | the part of them that may be elsewhere |
//! | [`AccountProof`] | one leaf with its path, for membership or absence |
//! | [`StateRun`], [`RunTree`] | some thousand leaves that prove themselves, and the tree above them |
//! | [`AccountSlice`] | the accounts a block touches, loaded before it is executed |
//! | [`StateChange`], [`UndoRecord`] | what a block did to the accounts, and how to take it back |
//!
//! # Invariants
//! 1. Leaf 0 is the sentinel: address zero, no money, nonce 0. `next` runs from it through all addresses
//!    in ascending byte order and wraps to zero.
//! 2. Accounts are never deleted, so that no nonce ever restarts.
//! 3. `state_root = T("cairn/state", count ‖ root)`; a missing leaf counts as 32 zero bytes *as its leaf
//!    hash*, and every inner node is hashed, also above missing leaves.

mod bucket;
mod proof;
mod run;
mod slice;
mod tree;

pub use bucket::BucketHashes;
pub use proof::{AccountProof, AccountProofError};
pub use run::{RUN_LEAVES, RunLeaves, RunTree, StateRun, StateRunError, run_root};
pub use slice::{AccountSlice, LeafChange, MAX_CHANGED_LEAVES, NotLoaded, StateChange, UndoRecord};
pub use tree::{AccountTree, TreeUpdate};

use crate::codec::{Decode, Encode};
use crate::hash::{Hash, sha256_each};
use crate::{keys::Address, units::Amount};
use alloc::vec::Vec;
use cairn_kernels::sha256::Midstate;

/// What an account has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Account {
    /// Its money.
    pub balance: Amount,
    /// How many of its transactions were mined: the nonce of its next one.
    pub nonce: u64,
}

/// A leaf of the tree, 80 bytes: `address 32 ‖ next 32 ‖ balance u64 ‖ nonce u64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Leaf {
    /// Whose account it is; zero for the sentinel.
    pub address: Address,
    /// The next address in ascending order that has an account; zero after the last.
    pub next: Address,
    /// What it has.
    pub account: Account,
}

impl Leaf {
    /// The only leaf of an empty state.
    pub const SENTINEL: Self =
        Self { address: Address::ZERO, next: Address::ZERO, account: Account { balance: Amount::ZERO, nonce: 0 } };

    /// `H(0x00 ‖ address ‖ next ‖ balance ‖ nonce)`.
    pub fn hash(&self) -> Hash {
        let numbers = self.numbers();
        Hash::from_bytes(Midstate::EMPTY.hash::<2>(&self.parts(&numbers)))
    }

    /// The hash of each leaf, in order; many together take a fraction of the time.
    pub fn hash_each<'a>(leaves: impl IntoIterator<Item = &'a Self>) -> Vec<Hash> {
        let leaves = leaves.into_iter().map(|leaf| (leaf, leaf.numbers()));
        sha256_each::<2, 5, _>(leaves, |(leaf, numbers)| leaf.parts(numbers))
    }

    /// Balance and nonce, encoded.
    fn numbers(&self) -> [[u8; 8]; 2] {
        [self.account.balance.pebbles(), self.account.nonce].map(u64::to_le_bytes)
    }

    /// What is hashed.
    fn parts<'a>(&'a self, [balance, nonce]: &'a [[u8; 8]; 2]) -> [&'a [u8]; 5] {
        [&[0x00], self.address.as_bytes(), self.next.as_bytes(), balance, nonce]
    }

    /// Whether this leaf shows that `address` has no account.
    pub fn proves_absence_of(&self, address: &Address) -> bool {
        is_between(&self.address, address, &self.next)
    }
}

/// Whether `address` is above `below` and below `next`, where nothing is above the last.
fn is_between(below: &Address, address: &Address, next: &Address) -> bool {
    below < address && (address < next || *next == Address::ZERO)
}

/// The least d with 2^d ≥ count.
fn depth(count: u64) -> u32 {
    count.checked_next_power_of_two().map_or(64, u64::trailing_zeros)
}

fn state_root(count: u64, root: &Hash) -> Hash {
    crate::hash::Tag::STATE.hash(&[&count.to_le_bytes(), root.as_bytes()])
}
