//! The search for a nonce at the speed of the silicon: many nonces side by side in vector registers.
//!
//! An attempt is two SHA-256 compressions, of the block `seal ‖ nonce ‖ padding` and of the digest. What
//! depends on the seal and the nonce's upper half alone (eight rounds and seven words of the schedule) is
//! computed once for each piece of a search. Then 16 attempts run in AVX-512 registers or 8 in AVX2 ones,
//! whichever the processor has; elsewhere one at a time through `sha2`, which uses the SHA extensions.
//!
//! This is the node's one file with `unsafe` code (`main.rs` only gives a constant the name by which the allocator
//! looks for it): the calls of functions that need processor features, each made after asking the processor. The kernels themselves are safe code over intrinsics. Tests compare
//! every kernel with `sha2` on random seals.

use cairn_ledger::{block::Seal, hash::BlockId, pow::Target};
use sha2::block_api::compress256;
use std::ops::Range;

/// Attempts between two looks at whether the search is still wanted: well under a millisecond.
pub(super) const CHUNK: u64 = 8_192;

/// The round constants of SHA-256 (FIPS 180-4 §4.2.2).
const K: [u32; 64] = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
    0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
    0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
    0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
    0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
    0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
    0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
    0xc67178f2,
];

/// The initial state of SHA-256 (FIPS 180-4 §5.3.3).
const INITIAL: [u32; 8] =
    [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];

/// How attempts are made on this processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kernel {
    /// Sixteen at a time.
    Avx512,
    /// Eight at a time.
    Avx2,
    /// One at a time, by `sha2`.
    Portable,
}

impl Kernel {
    /// The fastest kernel of this processor.
    fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                return Self::Avx512;
            }
            // Eight lanes are a little faster than one stream of the SHA extensions.
            if is_x86_feature_detected!("avx2") {
                return Self::Avx2;
            }
        }
        Self::Portable
    }
}

/// A seal prepared for trying nonces with one upper half.
#[derive(Clone, Debug)]
struct Prepared {
    /// The first block's words; 8 is replaced for each attempt.
    words: [u32; 16],
    /// Words 16 to 22 of its schedule, which do not depend on word 8.
    schedule: [u32; 7],
    /// The state after its first eight rounds.
    state: [u32; 8],
}

impl Prepared {
    fn new(seal: &Seal, upper: u32) -> Self {
        let mut words = [0; 16];
        for (word, bytes) in words.iter_mut().zip(seal.as_bytes().chunks_exact(4)) {
            *word = bytes.iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
        }
        // The nonce is little-endian, SHA-256's words are big-endian.
        words[9] = upper.swap_bytes();
        words[10] = 0x8000_0000;
        words[15] = 40 * 8;
        let mut schedule = [0; 7];
        for at in 16..23 {
            let word = |at: usize| if at < 16 { words[at] } else { schedule[at - 16] };
            let (two, fifteen) = (word(at - 2), word(at - 15));
            let small1 = two.rotate_right(17) ^ two.rotate_right(19) ^ two >> 10;
            let small0 = fifteen.rotate_right(7) ^ fifteen.rotate_right(18) ^ fifteen >> 3;
            let next = small1.wrapping_add(word(at - 7)).wrapping_add(small0).wrapping_add(word(at - 16));
            schedule[at - 16] = next;
        }
        let mut state = INITIAL;
        for round in 0..8 {
            let [a, b, c, d, e, f, g, h] = state;
            let big1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
            let choice = g ^ e & (f ^ g);
            let one = h.wrapping_add(big1).wrapping_add(choice).wrapping_add(K[round]).wrapping_add(words[round]);
            let big0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
            let two = big0.wrapping_add(a & b | c & (a | b));
            state = [one.wrapping_add(two), a, b, c, d.wrapping_add(one), e, f, g];
        }
        Self { words, schedule, state }
    }
}

/// Tries nonces for one seal and target.
#[derive(Clone, Debug)]
pub(super) struct Grinder {
    seal: Seal,
    target: Target,
    /// The highest first word an id may have.
    highest: u32,
    kernel: Kernel,
}

impl Grinder {
    /// Searches by the fastest kernel of this processor.
    pub fn new(seal: Seal, target: Target) -> Self {
        Self::with_kernel(seal, target, Kernel::detect())
    }

    /// Searches by `kernel`, which the processor must have.
    fn with_kernel(seal: Seal, target: Target, kernel: Kernel) -> Self {
        Self { seal, target, highest: target.leading_word(), kernel }
    }

    /// The first of [`CHUNK`] nonces from `first` on that meets the target.
    pub fn search(&self, first: u64) -> Option<u64> {
        self.run(first..first.saturating_add(CHUNK))
    }

    /// The first nonce of a range that meets the target.
    fn run(&self, nonces: Range<u64>) -> Option<u64> {
        let mut at = nonces.start;
        while at < nonces.end {
            // A kernel keeps the upper half: it ends where that changes.
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
    fn run_half(&self, nonces: Range<u64>) -> Option<u64> {
        let lanes = match self.kernel {
            Kernel::Avx512 => 16,
            Kernel::Avx2 => 8,
            Kernel::Portable => return nonces.into_iter().find(|nonce| self.is_met(*nonce)),
        };
        let prepared = Prepared::new(&self.seal, (nonces.start >> 32) as u32);
        let mut at = nonces.start;
        while nonces.end - at >= lanes {
            let mut hits = self.candidates(&prepared, at as u32);
            while hits != 0 {
                let nonce = at + u64::from(hits.trailing_zeros());
                if self.is_met(nonce) {
                    return Some(nonce);
                }
                hits &= hits - 1;
            }
            at += lanes;
        }
        (at..nonces.end).find(|nonce| self.is_met(*nonce))
    }

    /// The lanes, one bit each, whose id begins low enough to be looked at whole.
    #[cfg(target_arch = "x86_64")]
    #[expect(unsafe_code, reason = "`Kernel::detect` asked the processor for the features these functions need")]
    fn candidates(&self, prepared: &Prepared, first: u32) -> u32 {
        match self.kernel {
            // SAFETY: this kernel is chosen only where the processor has AVX-512F.
            Kernel::Avx512 => unsafe { avx512::candidates(prepared, first, self.highest) },
            // SAFETY: this kernel is chosen only where the processor has AVX2.
            Kernel::Avx2 => unsafe { avx2::candidates(prepared, first, self.highest) },
            Kernel::Portable => 0,
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn candidates(&self, _: &Prepared, _: u32) -> u32 {
        0
    }

    fn is_met(&self, nonce: u64) -> bool {
        self.target.is_met_by(&attempt(&self.seal, nonce))
    }
}

/// One attempt: two compressions by `sha2`, of blocks whose padding is written out.
fn attempt(seal: &Seal, nonce: u64) -> BlockId {
    let mut block = [0; 64];
    block[..32].copy_from_slice(seal.as_bytes());
    block[32..40].copy_from_slice(&nonce.to_le_bytes());
    block[40] = 0x80;
    block[62..].copy_from_slice(&(40_u16 * 8).to_be_bytes());
    let mut state = INITIAL;
    compress256(&mut state, &[block]);
    let mut block = [0; 64];
    block[..32].copy_from_slice(&to_bytes(state));
    block[32] = 0x80;
    block[62..].copy_from_slice(&(32_u16 * 8).to_be_bytes());
    let mut state = INITIAL;
    compress256(&mut state, &[block]);
    BlockId::from_bytes(to_bytes(state))
}

fn to_bytes(state: [u32; 8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (place, word) in bytes.chunks_exact_mut(4).zip(state) {
        place.copy_from_slice(&word.to_be_bytes());
    }
    bytes
}

/// The kernel, written once over the operations of a vector type. Every lane is one attempt.
#[cfg(target_arch = "x86_64")]
macro_rules! kernel {
    (
        $feature:literal, $vector:ty, $lanes:literal,
        splat: $splat:expr, load: $load:expr, add: $add:ident, rotate: $rotate:ident, shift: $shift:ident,
        xor3: $xor3:ident, choice: $choice:ident, majority: $majority:ident, below: $below:ident
    ) => {
        /// The lanes, one bit each, whose id's first word is at most `highest`; lane i tries the nonce
        /// whose lower half is `first + i`.
        #[target_feature(enable = $feature)]
        pub(super) fn candidates(prepared: &Prepared, first: u32, highest: u32) -> u32 {
            let nonces: [u32; $lanes] = std::array::from_fn(|lane| first.wrapping_add(lane as u32).swap_bytes());
            let mut words: [$vector; 16] = std::array::from_fn(|at| $splat(prepared.words[at] as i32));
            words[8] = $load(nonces);
            let mut state: [$vector; 8] = std::array::from_fn(|at| $splat(prepared.state[at] as i32));
            rounds(&mut state, &words, 8);
            // Words 16 to 22 are known; 23 to 31 follow from them.
            for at in 0..7 {
                words[at] = $splat(prepared.schedule[at] as i32);
            }
            extend(&mut words, 7);
            rounds(&mut state, &words, 16);
            extend(&mut words, 0);
            rounds(&mut state, &words, 32);
            extend(&mut words, 0);
            rounds(&mut state, &words, 48);
            // The digest is the second block's first half.
            let mut words: [$vector; 16] = std::array::from_fn(|at| match at {
                0..8 => $add(state[at], $splat(INITIAL[at] as i32)),
                8 => $splat(0x8000_0000_u32 as i32),
                15 => $splat(32 * 8),
                _ => $splat(0),
            });
            let mut state: [$vector; 8] = std::array::from_fn(|at| $splat(INITIAL[at] as i32));
            rounds(&mut state, &words, 0);
            for start in [16, 32, 48] {
                extend(&mut words, 0);
                rounds(&mut state, &words, start);
            }
            $below($add(state[0], $splat(INITIAL[0] as i32)), highest)
        }

        /// The rounds from `start` to the end of its sixteen.
        #[inline]
        #[target_feature(enable = $feature)]
        fn rounds(state: &mut [$vector; 8], words: &[$vector; 16], start: usize) {
            let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
            for at in start % 16..16 {
                let constant = $splat(K[start / 16 * 16 + at] as i32);
                let big1 = $xor3($rotate::<6>(e), $rotate::<11>(e), $rotate::<25>(e));
                let one = $add($add($add(h, constant), $add(words[at], $choice(e, f, g))), big1);
                let big0 = $xor3($rotate::<2>(a), $rotate::<13>(a), $rotate::<22>(a));
                let two = $add(big0, $majority(a, b, c));
                (h, g, f, e, d, c, b, a) = (g, f, e, $add(d, one), c, b, a, $add(one, two));
            }
            *state = [a, b, c, d, e, f, g, h];
        }

        /// Replaces the words from `start` on by those sixteen places further in the schedule.
        #[inline]
        #[target_feature(enable = $feature)]
        fn extend(words: &mut [$vector; 16], start: usize) {
            for at in start..16 {
                let (two, fifteen) = (words[(at + 14) % 16], words[(at + 1) % 16]);
                let small1 = $xor3($rotate::<17>(two), $rotate::<19>(two), $shift::<10>(two));
                let small0 = $xor3($rotate::<7>(fifteen), $rotate::<18>(fifteen), $shift::<3>(fifteen));
                words[at] = $add($add(words[at], small0), $add(words[(at + 9) % 16], small1));
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::{INITIAL, K, Prepared};
    use std::arch::x86_64::*;

    kernel! {
        "avx512f", __m512i, 16,
        splat: _mm512_set1_epi32, load: load, add: _mm512_add_epi32, rotate: _mm512_ror_epi32, shift: _mm512_srli_epi32,
        xor3: xor3, choice: choice, majority: majority, below: below
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn load(w: [u32; 16]) -> __m512i {
        let w = w.map(|word| word as i32);
        _mm512_setr_epi32(
            w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7], w[8], w[9], w[10], w[11], w[12], w[13], w[14], w[15],
        )
    }

    // One instruction for any function of three bits; the numbers are their truth tables.

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn xor3(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
        _mm512_ternarylogic_epi32::<0x96>(a, b, c)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn choice(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
        _mm512_ternarylogic_epi32::<0xca>(a, b, c)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn majority(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
        _mm512_ternarylogic_epi32::<0xe8>(a, b, c)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn below(words: __m512i, highest: u32) -> u32 {
        u32::from(_mm512_cmple_epu32_mask(words, _mm512_set1_epi32(highest as i32)))
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::{INITIAL, K, Prepared};
    use std::arch::x86_64::*;

    kernel! {
        "avx2", __m256i, 8,
        splat: _mm256_set1_epi32, load: load, add: _mm256_add_epi32, rotate: rotate, shift: _mm256_srli_epi32,
        xor3: xor3, choice: choice, majority: majority, below: below
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn load(w: [u32; 8]) -> __m256i {
        let w = w.map(|word| word as i32);
        _mm256_setr_epi32(w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7])
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn rotate<const BITS: i32>(a: __m256i) -> __m256i {
        let left = _mm_cvtsi32_si128(32 - BITS);
        _mm256_or_si256(_mm256_srli_epi32::<BITS>(a), _mm256_sll_epi32(a, left))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn xor3(a: __m256i, b: __m256i, c: __m256i) -> __m256i {
        _mm256_xor_si256(_mm256_xor_si256(a, b), c)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn choice(a: __m256i, b: __m256i, c: __m256i) -> __m256i {
        _mm256_xor_si256(c, _mm256_and_si256(a, _mm256_xor_si256(b, c)))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn majority(a: __m256i, b: __m256i, c: __m256i) -> __m256i {
        _mm256_or_si256(_mm256_and_si256(a, b), _mm256_and_si256(c, _mm256_or_si256(a, b)))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn below(words: __m256i, highest: u32) -> u32 {
        let limit = _mm256_set1_epi32(highest as i32);
        // There is no unsigned comparison: a word is at most the limit when the lesser of both is the word.
        let below = _mm256_cmpeq_epi32(_mm256_min_epu32(words, limit), words);
        _mm256_movemask_ps(_mm256_castsi256_ps(below)) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_ledger::pow::CompactTarget;
    use proptest::prelude::*;

    fn kernels() -> Vec<Kernel> {
        let mut kernels = vec![Kernel::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            kernels.extend(is_x86_feature_detected!("avx512f").then_some(Kernel::Avx512));
            kernels.extend(is_x86_feature_detected!("avx2").then_some(Kernel::Avx2));
        }
        kernels
    }

    proptest! {
        #[test]
        fn an_attempt_is_the_id_of_the_ledger(seal: [u8; 32], nonce: u64) {
            let seal = Seal::from_bytes(seal);
            prop_assert_eq!(attempt(&seal, nonce), seal.id(nonce));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_kernel_finds_what_sha2_finds(
            seal: [u8; 32],
            start in prop_oneof![any::<u64>(), Just(u64::from(u32::MAX) - 20), Just(u64::MAX - 500)],
            length in 0u64..500,
            bits in prop_oneof![Just(0x207f_ffff), Just(0x2000_ffff), Just(0x1f7f_ffff), Just(0x1e00_ffff)],
        ) {
            let (seal, target) = (Seal::from_bytes(seal), CompactTarget::from_bits(bits).decode().expect("a normal target"));
            let range = start..start.saturating_add(length);
            let expected = range.clone().find(|nonce| target.is_met_by(&seal.id(*nonce)));
            for kernel in kernels() {
                prop_assert_eq!(Grinder::with_kernel(seal, target, kernel).run(range.clone()), expected, "{:?}", kernel);
            }
        }
    }
}
