//! Many messages hashed together: side by side where the processor has lanes for that, else one after the other.
//!
//! A block of payments has tens of thousands of short messages: ids, what was signed, leaves and nodes of trees. Here
//! they are laid out in whole blocks with their padding (FIPS 180-4 §5.1.1), behind a [`Start`] that they share, and
//! hashed in rows of thirty-two.

use super::{
    Hash, Tag,
    lanes::{Row, ThirtyTwo},
};
use alloc::vec::Vec;
use sha2::block_api::compress256;

/// Messages hashed side by side.
pub(super) const LANES: usize = 32;
/// So few messages are hashed faster one after the other.
const FEW: usize = 8;

/// What SHA-256 takes in at once.
pub(crate) type Block = [u8; 64];

/// The round constants of SHA-256 (FIPS 180-4 §4.2.2), for eight rounds each.
pub(crate) const K: [[u32; 8]; 8] = [
    [0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5],
    [0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174],
    [0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da],
    [0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967],
    [0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85],
    [0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070],
    [0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3],
    [0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2],
];

/// The initial state of SHA-256 (FIPS 180-4 §5.3.3).
pub(crate) const INITIAL: [u32; 8] =
    [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];

/// The whole blocks that messages begin with, hashed once for all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    state: [u32; 8],
    /// How many bytes that were.
    bytes: usize,
}

/// Messages of any lengths, to be hashed together.
#[derive(Clone, Debug)]
pub(crate) struct Messages {
    start: Start,
    bytes: Vec<u8>,
    /// Where each ends, in blocks.
    ends: Vec<usize>,
}

impl Start {
    /// Nothing: SHA-256 itself.
    pub(crate) const PLAIN: Self = Self { state: INITIAL, bytes: 0 };

    /// That of a tagged hash (BIP340).
    pub(crate) fn tagged(tag: &Tag) -> Self {
        let mut state = INITIAL;
        let mut block = [0; 64];
        copy(&mut block, &[&tag.digest, &tag.digest]);
        compress256(&mut state, &[block]);
        Self { state, bytes: block.len() }
    }

    /// The message that is the concatenation of `parts`, in `N` blocks: what its length needs with its padding, or it
    /// would be another message.
    #[inline]
    pub(crate) fn message<const N: usize>(&self, parts: &[&[u8]]) -> [Block; N] {
        let mut blocks = [[0; 64]; N];
        self.lay_out(parts, &mut blocks);
        blocks
    }

    /// The hash of each message, in order: of the concatenation of the parts of an item, which are as long for each,
    /// and take `N` blocks with their padding.
    pub(crate) fn hash_each<const N: usize, const P: usize, T>(
        &self,
        items: impl IntoIterator<Item = T>,
        parts: impl Fn(&T) -> [&[u8]; P],
    ) -> Vec<Hash> {
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
    fn hash_row(&self, messages: &[&[Block]]) -> [Hash; LANES] {
        let mut hashes = [Hash::ZERO; LANES];
        if messages.len() > FEW
            && let Some(thirty_two) = ThirtyTwo::detect()
        {
            let lane = |lane: usize| messages.get(lane).or(messages.first()).copied().unwrap_or_default();
            let mut lanes = Row::default();
            for (number, place) in lanes.as_flattened_mut().as_flattened_mut().iter_mut().enumerate() {
                *place = lane(number);
            }
            let digests = thirty_two.compress(&self.state, &lanes);
            for (hash, digest) in hashes.iter_mut().zip(digests.as_flattened().as_flattened()) {
                *hash = Hash::from_bytes(*digest);
            }
            return hashes;
        }
        for (hash, message) in hashes.iter_mut().zip(messages) {
            *hash = self.hash(message);
        }
        hashes
    }

    /// The hash of one message.
    pub(crate) fn hash(&self, message: &[Block]) -> Hash {
        let mut state = self.state;
        compress256(&mut state, message);
        digest(state)
    }
}

impl Messages {
    /// None yet.
    pub(crate) fn new(start: Start) -> Self {
        Self { start, bytes: Vec::new(), ends: Vec::new() }
    }

    /// Adds the message that `layout` puts.
    pub(crate) fn push(&mut self, layout: impl FnOnce(&mut Vec<u8>)) {
        let first = self.bytes.len();
        layout(&mut self.bytes);
        let length = self.bytes.len().saturating_sub(first);
        self.bytes.resize(first.saturating_add(blocks_of(length).saturating_mul(64)), 0);
        finish(self.bytes.get_mut(first..).unwrap_or_default(), length, self.start.bytes);
        self.ends.push(self.bytes.len() / 64);
    }

    /// The hash of each, in order.
    pub(crate) fn hashes(&self) -> Vec<Hash> {
        let (blocks, _) = self.bytes.as_chunks();
        let starts = core::iter::once(0).chain(self.ends.iter().copied());
        let messages = starts.zip(&self.ends).map(|(start, end)| blocks.get(start..*end).unwrap_or_default());
        let mut messages: Vec<(usize, &[Block])> = messages.enumerate().collect();
        // Those of equal length share a row.
        messages.sort_by_key(|(_, message)| message.len());
        let mut hashes = alloc::vec![Hash::ZERO; messages.len()];
        for alike in messages.chunk_by(|(_, a), (_, b)| a.len() == b.len()) {
            for row in alike.chunks(LANES) {
                let mut slices: [&[Block]; LANES] = [&[]; LANES];
                slices.iter_mut().zip(row).for_each(|(slice, (_, message))| *slice = message);
                let row_hashes = self.start.hash_row(slices.get(..row.len()).unwrap_or_default());
                for ((place, _), hash) in row.iter().zip(row_hashes) {
                    if let Some(place) = hashes.get_mut(*place) {
                        *place = hash;
                    }
                }
            }
        }
        hashes
    }
}

/// How many blocks a message of so many bytes takes with its padding.
const fn blocks_of(length: usize) -> usize {
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
fn finish(message: &mut [u8], length: usize, before: usize) {
    if let Some(place) = message.get_mut(length) {
        *place = 0x80;
    }
    if let Some(place) = message.last_chunk_mut() {
        *place = (before.saturating_add(length) as u64).saturating_mul(8).to_be_bytes();
    }
}

fn digest(state: [u32; 8]) -> Hash {
    let mut bytes = [0; 32];
    let (words, _) = bytes.as_chunks_mut();
    for (place, word) in words.iter_mut().zip(state) {
        *place = word.to_be_bytes();
    }
    Hash::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::{super::sha256, *};
    use proptest::{prelude::*, test_runner::RngSeed};

    #[test]
    fn messages_of_a_fixed_length_are_hashed_as_by_sha2() {
        for count in [0_u8, 1, 8, 9, 16, 17, 31, 32, 33, 40, 50, 70] {
            let parts: Vec<[u8; 65]> = (0..count).map(|n| core::array::from_fn(|at| n ^ at as u8)).collect();
            let expected: Vec<Hash> = parts.iter().map(|part| sha256(&[part])).collect();
            let hashes = Start::PLAIN.hash_each::<2, 3, _>(&parts, |part| [&part[..1], &part[1..33], &part[33..]]);
            assert_eq!(hashes, expected, "{count}");
            let start = Start::tagged(&Tag::WEIGHT);
            let expected: Vec<Hash> = parts.iter().map(|part| Tag::WEIGHT.hash(&[&part[..40]])).collect();
            assert_eq!(start.hash_each::<1, 1, _>(&parts, |part| [&part[..40]]), expected);
        }
    }

    proptest! {
        // The same cases on every run.
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(0xca12), ..ProptestConfig::default() })]

        #[test]
        fn messages_of_any_length_are_hashed_as_by_sha2(
            lengths in prop_oneof![
                proptest::collection::vec(0_usize..200, 0..80),
                proptest::collection::vec(prop_oneof![Just(113_usize), Just(177), Just(55), Just(56), Just(64)], 0..80),
            ],
            seed: [u8; 32],
        ) {
            let bytes = |length: usize, number: usize| -> Vec<u8> {
                seed.iter().cycle().take(length).map(|byte| byte ^ number as u8).collect()
            };
            let parts: Vec<Vec<u8>> = lengths.iter().enumerate().map(|(number, length)| bytes(*length, number)).collect();
            for (start, hash) in [
                (Start::PLAIN, (|part| sha256(&[part])) as fn(&[u8]) -> Hash),
                (Start::tagged(&Tag::TXID), |part| Tag::TXID.hash(&[part])),
            ] {
                let mut messages = Messages::new(start);
                parts.iter().for_each(|part| messages.push(|to| to.extend_from_slice(part)));
                let expected: Vec<Hash> = parts.iter().map(|part| hash(part)).collect();
                prop_assert_eq!(messages.hashes(), expected);
            }
        }
    }
}
