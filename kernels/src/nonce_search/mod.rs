//! The search for a nonce at the speed of the silicon: many nonces side by side in vector registers.
//!
//! An attempt is two SHA-256 compressions, of the block `prefix ‖ nonce ‖ padding` and of the digest. What
//! depends on the prefix and the nonce's upper half alone (eight rounds and seven words of the schedule) is
//! computed once for each piece of a search. Then thirty-two attempts run in AVX-512 registers or eight in AVX2 ones,
//! whichever the processor has; elsewhere one at a time through `sha2`, which uses the SHA extensions. Tests
//! compare every way with `sha2` on random prefixes.

#[cfg(not(target_arch = "x86_64"))]
mod no_simd;
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "instructions that only some processors have")]
mod simd;

use crate::sha256::{Avx2, Avx512, Digest, INITIAL_STATE, Midstate, ROUND_CONSTANTS};
use core::ops::Range;

/// A prefix prepared for trying nonces with one upper half.
#[derive(Clone, Debug)]
#[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "only vector registers read it"))]
struct Prepared {
    /// Words 8 to 15 of the first block; 8 is replaced for each attempt.
    words: [u32; 8],
    /// Words 16 to 22 of its schedule, which do not depend on word 8; then word 7, of which word 23 is made.
    schedule: [u32; 8],
    /// The state after its first eight rounds.
    state: [u32; 8],
}

impl Prepared {
    fn new(prefix: &Digest, upper: u32) -> Self {
        // The nonce is little-endian, SHA-256's words are big-endian.
        let [block] = Midstate::EMPTY.message(&[prefix, &[0; 4], &upper.to_le_bytes()]);
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
        let mut state = INITIAL_STATE;
        let [first, ..] = &ROUND_CONSTANTS;
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

/// Tries nonces for one prefix.
#[derive(Clone, Debug)]
pub struct NonceSearch {
    prefix: Digest,
    /// The highest first word that a hash may have.
    highest: u32,
    backend: Backend,
}

/// How attempts are made on this processor.
#[derive(Clone, Copy, Debug)]
enum Backend {
    Avx512(Avx512),
    Avx2(Avx2),
    Portable,
}

impl Backend {
    /// The fastest.
    fn detect() -> Self {
        let avx512 = Avx512::detect().map(Self::Avx512);
        // Eight lanes are a little faster than one stream of the SHA extensions.
        avx512.or_else(|| Avx2::detect().map(Self::Avx2)).unwrap_or(Self::Portable)
    }

    /// Attempts made at once.
    fn lanes(self) -> u64 {
        match self {
            Self::Avx512(_) => 32,
            Self::Avx2(_) => 8,
            Self::Portable => 1,
        }
    }
}

impl NonceSearch {
    /// Searches for hashes whose first four bytes, big-endian, are at most `highest`, in the fastest way this processor
    /// has.
    pub fn new(prefix: Digest, highest: u32) -> Self {
        Self { prefix, highest, backend: Backend::detect() }
    }

    /// The first nonce of a range with a hash, SHA-256(SHA-256(prefix ‖ nonce u64)), that `accepts` accepts. It has to
    /// refuse every hash whose first word is above the highest.
    pub fn find(&self, nonces: Range<u64>, accepts: impl Fn(&Digest) -> bool) -> Option<u64> {
        let mut at = nonces.start;
        while at < nonces.end {
            // What is prepared holds for one upper half: it ends where that changes.
            let carry = (at | u64::from(u32::MAX)).saturating_add(1);
            let end = nonces.end.min(carry);
            if let Some(found) = self.find_in_half(at..end, &accepts) {
                return Some(found);
            }
            at = end;
        }
        None
    }

    /// The same, for nonces that differ in their lower half only.
    fn find_in_half(&self, mut nonces: Range<u64>, accepts: impl Fn(&Digest) -> bool) -> Option<u64> {
        let is_accepted = |nonce: u64| accepts(&attempt(&self.prefix, nonce));
        let (lanes, [high, low]) = (self.backend.lanes(), halves(nonces.start));
        if lanes == 1 {
            return nonces.find(|nonce| is_accepted(*nonce));
        }
        let (prepared, mut lower) = (Prepared::new(&self.prefix, high), low);
        while nonces.end.saturating_sub(nonces.start) >= lanes {
            let mut hits = match self.backend {
                Backend::Avx512(avx512) => avx512.candidates(&prepared, lower, self.highest),
                Backend::Avx2(avx2) => avx2.candidates(&prepared, lower, self.highest),
                Backend::Portable => 0,
            };
            while hits != 0 {
                let nonce = nonces.start.saturating_add(u64::from(hits.trailing_zeros()));
                if is_accepted(nonce) {
                    return Some(nonce);
                }
                hits &= hits.wrapping_sub(1);
            }
            nonces.start = nonces.start.saturating_add(lanes);
            [_, lower] = halves(nonces.start);
        }
        nonces.find(|nonce| is_accepted(*nonce))
    }
}

/// The upper and the lower half.
fn halves(nonce: u64) -> [u32; 2] {
    [(nonce >> 32) as u32, nonce as u32]
}

/// One attempt: two compressions by `sha2`, of blocks laid out with their padding.
fn attempt(prefix: &Digest, nonce: u64) -> Digest {
    Midstate::EMPTY.hash::<1>(&[&Midstate::EMPTY.hash::<1>(&[prefix, &nonce.to_le_bytes()])])
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::{prelude::*, test_runner::RngSeed};
    use sha2::{Digest as _, Sha256};

    fn backends() -> Vec<Backend> {
        let avx512 = Avx512::detect().map(Backend::Avx512);
        let avx2 = Avx2::detect().map(Backend::Avx2);
        [Some(Backend::Portable), avx512, avx2].into_iter().flatten().collect()
    }

    fn by_sha2(prefix: &Digest, nonce: u64) -> Digest {
        Sha256::digest(Sha256::digest([prefix.as_slice(), &nonce.to_le_bytes()].concat())).into()
    }

    proptest! {
        // The same cases on every run.
        #![proptest_config(ProptestConfig { cases: 64, rng_seed: RngSeed::Fixed(0xca12), ..ProptestConfig::default() })]

        #[test]
        fn an_attempt_is_two_digests(prefix: Digest, nonce: u64) {
            prop_assert_eq!(attempt(&prefix, nonce), by_sha2(&prefix, nonce));
        }

        #[test]
        fn every_way_finds_what_sha2_finds(
            prefix: Digest,
            start in prop_oneof![any::<u64>(), Just(u64::from(u32::MAX) - 20), Just(u64::MAX - 500)],
            length in 0u64..500,
            // The first words of targets with few and with many zeros ahead.
            highest in prop_oneof![Just([0x7fff_ff00, 0]), Just([0xff_ff00, 0]), Just([0x7f_ffff, 0]), Just([0xff, 0xff00_0000])],
        ) {
            let accepts = |hash: &Digest| {
                let (words, _) = hash.as_chunks();
                [u32::from_be_bytes(words[0]), u32::from_be_bytes(words[1])] <= highest
            };
            let range = start..start.saturating_add(length);
            let expected = range.clone().find(|nonce| accepts(&by_sha2(&prefix, *nonce)));
            for backend in backends() {
                let search = NonceSearch { prefix, highest: highest[0], backend };
                prop_assert_eq!(search.find(range.clone(), accepts), expected, "{:?}", backend);
            }
        }
    }
}
