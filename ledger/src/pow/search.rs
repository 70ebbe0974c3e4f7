//! The search for a nonce at the speed of the silicon: many nonces side by side in vector registers.
//!
//! An attempt is two SHA-256 compressions, of the block `seal ‖ nonce ‖ padding` and of the digest. What
//! depends on the seal and the nonce's upper half alone (eight rounds and seven words of the schedule) is
//! computed once for each piece of a search. Then thirty-two attempts run in AVX-512 registers or eight in AVX2 ones,
//! whichever the processor has; elsewhere one at a time through `sha2`, which uses the SHA extensions. Tests
//! compare every way with `sha2` on random seals.

use super::Target;
use crate::{
    block::Seal,
    hash::{BlockId, Eight, INITIAL, K, Start, ThirtyTwo},
};
use core::ops::Range;

/// Attempts between two looks at whether a search is still wanted: well under a millisecond.
pub const CHUNK: u64 = 8_192;

/// A seal prepared for trying nonces with one upper half.
#[derive(Clone, Debug)]
#[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "only lanes read it"))]
pub(crate) struct Prepared {
    /// Words 8 to 15 of the first block; 8 is replaced for each attempt.
    pub(crate) words: [u32; 8],
    /// Words 16 to 22 of its schedule, which do not depend on word 8; then word 7, of which word 23 is made.
    pub(crate) schedule: [u32; 8],
    /// The state after its first eight rounds.
    pub(crate) state: [u32; 8],
}

impl Prepared {
    fn new(seal: &Seal, upper: u32) -> Self {
        // The nonce is little-endian, SHA-256's words are big-endian.
        let [block] = Start::PLAIN.message(&[seal.as_bytes(), &[0; 4], &upper.to_le_bytes()]);
        let mut words = [0; 16];
        for (word, bytes) in words.iter_mut().zip(block.as_chunks().0) {
            *word = u32::from_be_bytes(*bytes);
        }
        let ([_, _, _, _, _, _, _, seventh, second @ ..], mut window) = (words, words);
        let mut schedule = [seventh; 8];
        for word in schedule.iter_mut().take(7) {
            let [w0, w1, _, _, _, _, _, _, _, w9, _, _, _, _, w14, _] = window;
            let small1 = w14.rotate_right(17) ^ w14.rotate_right(19) ^ w14 >> 10;
            let small0 = w1.rotate_right(7) ^ w1.rotate_right(18) ^ w1 >> 3;
            *word = small1.wrapping_add(w9).wrapping_add(small0).wrapping_add(w0);
            window.rotate_left(1);
            window[15] = *word;
        }
        let mut state = INITIAL;
        let [first, ..] = &K;
        for (k, word) in first.iter().zip(words) {
            let [a, b, c, d, e, f, g, h] = state;
            let big1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
            let choice = g ^ e & (f ^ g);
            let one = h.wrapping_add(big1).wrapping_add(choice).wrapping_add(*k).wrapping_add(word);
            let big0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
            let two = big0.wrapping_add(a & b | c & (a | b));
            state = [one.wrapping_add(two), a, b, c, d.wrapping_add(one), e, f, g];
        }
        Self { words: second, schedule, state }
    }
}

/// Tries nonces for one seal and target.
#[derive(Clone, Debug)]
pub struct Search {
    seal: Seal,
    target: Target,
    /// The highest first word an id may have.
    highest: u32,
    way: Way,
}

/// How attempts are made on this processor.
#[derive(Clone, Copy, Debug)]
enum Way {
    ThirtyTwo(ThirtyTwo),
    Eight(Eight),
    OneByOne,
}

impl Way {
    /// The fastest.
    fn detect() -> Self {
        let thirty_two = ThirtyTwo::detect().map(Self::ThirtyTwo);
        // Eight lanes are a little faster than one stream of the SHA extensions.
        thirty_two.or_else(|| Eight::detect().map(Self::Eight)).unwrap_or(Self::OneByOne)
    }
}

impl Search {
    /// Searches in the fastest way this processor has.
    pub fn new(seal: Seal, target: Target) -> Self {
        Self::in_way(seal, target, Way::detect())
    }

    fn in_way(seal: Seal, target: Target, way: Way) -> Self {
        Self { seal, target, highest: target.leading_word(), way }
    }

    /// The first of [`CHUNK`] nonces from `first` on that meets the target.
    pub fn in_chunk(&self, first: u64) -> Option<u64> {
        self.run(first..first.saturating_add(CHUNK))
    }

    /// The first nonce of a range that meets the target.
    fn run(&self, nonces: Range<u64>) -> Option<u64> {
        let mut at = nonces.start;
        while at < nonces.end {
            // What is prepared holds for one upper half: it ends where that changes.
            let carry = (at | u64::from(u32::MAX)).saturating_add(1);
            let end = nonces.end.min(carry);
            if let Some(found) = self.run_half(at..end) {
                return Some(found);
            }
            at = end;
        }
        None
    }

    /// The same, for nonces that differ in their lower half only.
    fn run_half(&self, mut nonces: Range<u64>) -> Option<u64> {
        let (lanes, [high, low]) = (self.lanes(), halves(nonces.start));
        if lanes == 1 {
            return nonces.find(|nonce| self.is_met(*nonce));
        }
        let (prepared, mut lower) = (Prepared::new(&self.seal, high), low);
        while nonces.end.saturating_sub(nonces.start) >= lanes {
            let mut hits = match self.way {
                Way::ThirtyTwo(thirty_two) => thirty_two.candidates(&prepared, lower, self.highest),
                Way::Eight(eight) => eight.candidates(&prepared, lower, self.highest),
                Way::OneByOne => 0,
            };
            while hits != 0 {
                let nonce = nonces.start.saturating_add(u64::from(hits.trailing_zeros()));
                if self.is_met(nonce) {
                    return Some(nonce);
                }
                hits &= hits.wrapping_sub(1);
            }
            nonces.start = nonces.start.saturating_add(lanes);
            [_, lower] = halves(nonces.start);
        }
        nonces.find(|nonce| self.is_met(*nonce))
    }

    /// Attempts made at once.
    fn lanes(&self) -> u64 {
        match self.way {
            Way::ThirtyTwo(_) => 32,
            Way::Eight(_) => 8,
            Way::OneByOne => 1,
        }
    }

    fn is_met(&self, nonce: u64) -> bool {
        self.target.is_met_by(&attempt(&self.seal, nonce))
    }
}

/// The upper and the lower half.
fn halves(nonce: u64) -> [u32; 2] {
    [(nonce >> 32) as u32, nonce as u32]
}

/// One attempt: two compressions by `sha2`, of blocks laid out with their padding.
fn attempt(seal: &Seal, nonce: u64) -> BlockId {
    let inner = Start::PLAIN.hash(&Start::PLAIN.message::<1>(&[seal.as_bytes(), &nonce.to_le_bytes()]));
    let id = Start::PLAIN.hash(&Start::PLAIN.message::<1>(&[inner.as_bytes()]));
    BlockId::from_bytes(*id.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pow::CompactTarget;
    use alloc::vec::Vec;
    use proptest::{prelude::*, test_runner::RngSeed};

    fn ways() -> Vec<Way> {
        let thirty_two = ThirtyTwo::detect().map(Way::ThirtyTwo);
        let eight = Eight::detect().map(Way::Eight);
        [Some(Way::OneByOne), thirty_two, eight].into_iter().flatten().collect()
    }

    proptest! {
        // The same cases on every run.
        #![proptest_config(ProptestConfig { cases: 64, rng_seed: RngSeed::Fixed(0xca12), ..ProptestConfig::default() })]

        #[test]
        fn an_attempt_is_the_id_of_a_block(seal: [u8; 32], nonce: u64) {
            let seal = Seal::from_bytes(seal);
            prop_assert_eq!(attempt(&seal, nonce), seal.id(nonce));
        }

        #[test]
        fn every_way_finds_what_sha2_finds(
            seal: [u8; 32],
            start in prop_oneof![any::<u64>(), Just(u64::from(u32::MAX) - 20), Just(u64::MAX - 500)],
            length in 0u64..500,
            bits in prop_oneof![Just(0x207f_ffff), Just(0x2000_ffff), Just(0x1f7f_ffff), Just(0x1e00_ffff)],
        ) {
            let (seal, target) = (Seal::from_bytes(seal), CompactTarget::from_bits(bits).decode().unwrap());
            let range = start..start.saturating_add(length);
            let expected = range.clone().find(|nonce| target.is_met_by(&seal.id(*nonce)));
            for way in ways() {
                prop_assert_eq!(Search::in_way(seal, target, way).run(range.clone()), expected, "{:?}", way);
            }
        }
    }
}
