//! Messages of any lengths, hashed together.

use super::midstate::{blocks_of, finish};
use super::{Block, Digest, LANES, Midstate};
use alloc::vec::Vec;

/// Messages of any lengths that begin alike, to be hashed together.
#[derive(Clone, Debug)]
pub struct Messages {
    start: Midstate,
    bytes: Vec<u8>,
    /// Where each ends, in blocks.
    ends: Vec<usize>,
}

impl Messages {
    /// None yet.
    pub fn new(start: Midstate) -> Self {
        Self { start, bytes: Vec::new(), ends: Vec::new() }
    }

    /// Adds the message that `layout` puts.
    pub fn push(&mut self, layout: impl FnOnce(&mut Vec<u8>)) {
        let first = self.bytes.len();
        layout(&mut self.bytes);
        let length = self.bytes.len().saturating_sub(first);
        self.bytes.resize(first.saturating_add(blocks_of(length).saturating_mul(64)), 0);
        finish(self.bytes.get_mut(first..).unwrap_or_default(), length, self.start.bytes);
        self.ends.push(self.bytes.len() / 64);
    }

    /// The hash of each, in order.
    pub fn hashes(&self) -> Vec<Digest> {
        let (blocks, _) = self.bytes.as_chunks();
        let starts = core::iter::once(0).chain(self.ends.iter().copied());
        let messages = starts.zip(&self.ends).map(|(start, end)| blocks.get(start..*end).unwrap_or_default());
        let mut messages: Vec<(usize, &[Block])> = messages.enumerate().collect();
        // Those of equal length share a row.
        messages.sort_by_key(|(_, message)| message.len());
        let mut hashes = alloc::vec![[0; 32]; messages.len()];
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{prelude::*, test_runner::RngSeed};
    use sha2::{Digest as _, Sha256};

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
            for (start, block) in [(Midstate::EMPTY, &[][..]), (Midstate::after(&[7; 64]), &[7; 64])] {
                let mut messages = Messages::new(start);
                parts.iter().for_each(|part| messages.push(|to| to.extend_from_slice(part)));
                let sha256 = |part: &Vec<u8>| Digest::from(Sha256::digest([block, part].concat()));
                let expected: Vec<Digest> = parts.iter().map(sha256).collect();
                prop_assert_eq!(messages.hashes(), expected);
            }
        }
    }
}
