//! One message, and many of one length, behind the blocks that they begin with.

use super::{Avx512, Block, Digest, INITIAL_STATE, LANES, Row};
use alloc::vec::Vec;
use sha2::block_api::compress256;

/// So few messages are hashed faster one after the other.
const FEW: usize = 8;

/// The whole blocks that messages begin with, hashed once for all.
#[derive(Clone, Copy, Debug)]
pub struct Midstate {
    state: [u32; 8],
    /// How many bytes that were.
    pub(super) bytes: usize,
}

impl Midstate {
    /// Nothing: SHA-256 itself.
    pub const EMPTY: Self = Self { state: INITIAL_STATE, bytes: 0 };

    /// One block, such as that of a tagged hash (BIP340).
    pub fn after(block: &Block) -> Self {
        let mut state = INITIAL_STATE;
        compress256(&mut state, core::slice::from_ref(block));
        Self { state, bytes: block.len() }
    }

    /// The hash of the concatenation of `parts`, which takes `N` blocks with its padding, or it would be that of
    /// another message.
    #[inline]
    pub fn hash<const N: usize>(&self, parts: &[&[u8]]) -> Digest {
        self.hash_message(&self.message::<N>(parts))
    }

    /// The message that is the concatenation of `parts`, in the blocks that it takes with its padding.
    #[inline]
    pub(crate) fn message<const N: usize>(&self, parts: &[&[u8]]) -> [Block; N] {
        let mut blocks = [[0; 64]; N];
        self.lay_out(parts, &mut blocks);
        blocks
    }

    /// The hash of each message, in order: of the concatenation of the parts of an item, which are as long for each,
    /// and take `N` blocks with their padding.
    pub fn hash_each<const N: usize, const P: usize, T>(
        &self,
        items: impl IntoIterator<Item = T>,
        parts: impl Fn(&T) -> [&[u8]; P],
    ) -> Vec<Digest> {
        let mut items = items.into_iter();
        let (least, most) = items.size_hint();
        let mut hashes = Vec::with_capacity(most.unwrap_or(least));
        // Written in place: a message that is copied is read before it has left the processor for its cache, and waits.
        let mut row = [[[0; 64]; N]; LANES];
        loop {
            let places = row.iter_mut().zip(items.by_ref());
            let filled = places.map(|(place, item)| self.lay_out(&parts(&item), place)).count();
            let mut slices: [&[Block]; LANES] = [&[]; LANES];
            slices.iter_mut().zip(&row).for_each(|(slice, message)| *slice = message);
            hashes.extend(self.hash_row(slices.get(..filled).unwrap_or_default()).into_iter().take(filled));
            if filled < LANES {
                return hashes;
            }
        }
    }

    /// Puts the parts of a message, one after the other, and its padding, into blocks that hold zeros or a message as
    /// long.
    #[inline]
    fn lay_out<const N: usize>(&self, parts: &[&[u8]], blocks: &mut [Block; N]) {
        let length = copy(blocks.as_flattened_mut(), parts);
        debug_assert_eq!(blocks_of(length), N, "a message of {length} bytes");
        finish(blocks.as_flattened_mut(), length, self.bytes);
    }

    /// The hashes of up to [`LANES`] messages of the same length.
    pub(super) fn hash_row(&self, messages: &[&[Block]]) -> [Digest; LANES] {
        let mut hashes = [[0; 32]; LANES];
        if messages.len() > FEW
            && let Some(avx512) = Avx512::detect()
        {
            let lane = |lane: usize| messages.get(lane).or(messages.first()).copied().unwrap_or_default();
            let mut lanes = Row::default();
            for (number, place) in lanes.as_flattened_mut().as_flattened_mut().iter_mut().enumerate() {
                *place = lane(number);
            }
            let digests = avx512.compress(&self.state, &lanes);
            for (hash, digest) in hashes.iter_mut().zip(digests.as_flattened().as_flattened()) {
                *hash = *digest;
            }
            return hashes;
        }
        for (hash, message) in hashes.iter_mut().zip(messages) {
            *hash = self.hash_message(message);
        }
        hashes
    }

    /// The hash of one message.
    fn hash_message(&self, message: &[Block]) -> Digest {
        let mut state = self.state;
        compress256(&mut state, message);
        digest(state)
    }
}

/// How many blocks a message of so many bytes takes with its padding.
pub(super) const fn blocks_of(length: usize) -> usize {
    length.saturating_add(9).div_ceil(64)
}

/// Copies the parts one after the other to the beginning of `to`; returns how many bytes they are.
#[inline]
fn copy(to: &mut [u8], parts: &[&[u8]]) -> usize {
    let mut length = 0_usize;
    for part in parts {
        let end = length.saturating_add(part.len());
        if let Some(place) = to.get_mut(length..end) {
            place.copy_from_slice(part);
        }
        length = end;
    }
    length
}

/// Ends a message of `length` bytes, after which there are zeros to the end of its last block; `before` are the bytes
/// before it.
#[inline]
pub(super) fn finish(message: &mut [u8], length: usize, before: usize) {
    if let Some(place) = message.get_mut(length) {
        *place = 0x80;
    }
    if let Some(place) = message.last_chunk_mut() {
        *place = (before.saturating_add(length) as u64).saturating_mul(8).to_be_bytes();
    }
}

fn digest(state: [u32; 8]) -> Digest {
    let mut bytes = [0; 32];
    let (words, _) = bytes.as_chunks_mut();
    for (place, word) in words.iter_mut().zip(state) {
        *place = word.to_be_bytes();
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest as _, Sha256};

    #[test]
    fn messages_of_a_fixed_length_are_hashed_as_by_sha2() {
        let sha256 = |parts: &[&[u8]]| Digest::from(Sha256::digest(parts.concat()));
        let (block, after) = ([7; 64], Midstate::after(&[7; 64]));
        for count in [0_u8, 1, 8, 9, 16, 17, 31, 32, 33, 40, 50, 70] {
            let parts: Vec<[u8; 65]> = (0..count).map(|n| core::array::from_fn(|at| n ^ at as u8)).collect();
            let expected: Vec<Digest> = parts.iter().map(|part| sha256(&[part])).collect();
            let hashes = Midstate::EMPTY.hash_each::<2, 3, _>(&parts, |part| [&part[..1], &part[1..33], &part[33..]]);
            assert_eq!(hashes, expected, "{count}");
            assert!(parts.iter().zip(expected).all(|(part, hash)| Midstate::EMPTY.hash::<2>(&[part]) == hash));
            let expected: Vec<Digest> = parts.iter().map(|part| sha256(&[&block, &part[..40]])).collect();
            assert_eq!(after.hash_each::<1, 1, _>(&parts, |part| [&part[..40]]), expected);
            assert!(parts.iter().zip(expected).all(|(part, hash)| after.hash::<1>(&[&part[..40]]) == hash));
        }
    }
}
