//! The hashes of the account tree below one node of it.

use crate::hash::Hash;
use crate::merkle::inner_each;
use alloc::{boxed::Box, vec, vec::Vec};

/// The hashes below the root of a bucket.
#[derive(Clone, Debug)]
pub struct BucketHashes {
    /// From the leaf hashes up, level by level; the root itself is not among them.
    nodes: Box<[Hash]>,
}

impl BucketHashes {
    /// Those over leaf hashes, in order, in buckets of `2^bits`. Many together take a fraction of the time.
    pub fn new_each(bits: u32, leaves: &[Hash]) -> Vec<Self> {
        let width = 1_usize << bits;
        let mut buckets: Vec<Self> = leaves
            .chunks(width)
            .map(|leaves| {
                let mut bucket = Self::empty(bits);
                bucket.nodes.iter_mut().zip(leaves).for_each(|(place, leaf)| *place = *leaf);
                bucket
            })
            .collect();
        let (mut from, mut width) = (0_usize, width);
        while width > 2 {
            let to = from.saturating_add(width);
            let pairs = buckets.iter().flat_map(|bucket| {
                let (pairs, _) = bucket.nodes.get(from..to).unwrap_or_default().as_chunks();
                pairs.iter().map(|[left, right]| (left, right))
            });
            let mut above = inner_each(pairs).into_iter();
            width /= 2;
            for bucket in &mut buckets {
                let places = bucket.nodes.iter_mut().skip(to).take(width);
                places.zip(above.by_ref().take(width)).for_each(|(place, hash)| *place = hash);
            }
            from = to;
        }
        buckets
    }

    /// Room for the hashes of a bucket of `2^bits` leaves.
    pub(super) fn empty(bits: u32) -> Self {
        Self { nodes: vec![Hash::ZERO; (2_usize << bits).saturating_sub(2)].into_boxed_slice() }
    }

    /// The node over all of a bucket that was just made.
    pub fn root(&self) -> Hash {
        Self::roots(core::slice::from_ref(self)).first().copied().unwrap_or(Hash::ZERO)
    }

    /// The node over each bucket of some that were just made.
    pub fn roots(buckets: &[Self]) -> Vec<Hash> {
        inner_each(buckets.iter().filter_map(|bucket| bucket.nodes.last_chunk()).map(|[left, right]| (left, right)))
    }

    /// The node at `index` of `level` in the whole tree, which is one of this bucket.
    pub(super) fn node(&self, level: u32, index: u64) -> Option<&Hash> {
        self.nodes.get(self.place(level, index))
    }

    /// The same, to be set.
    pub(super) fn node_mut(&mut self, level: u32, index: u64) -> Option<&mut Hash> {
        let place = self.place(level, index);
        self.nodes.get_mut(place)
    }

    fn place(&self, level: u32, index: u64) -> usize {
        // A bucket of n leaves has n / 2^level nodes of a level, and 2 (n - n / 2^level) below that level.
        let leaves = (self.nodes.len() / 2).saturating_add(1);
        let width = leaves >> level;
        let below = leaves.saturating_sub(width).saturating_mul(2);
        let within = usize::try_from(index).unwrap_or(usize::MAX) & width.saturating_sub(1);
        below.saturating_add(within)
    }
}
