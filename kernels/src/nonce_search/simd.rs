//! The first words of the ids of thirty-two nonces in AVX-512 registers, or of eight in AVX2 ones.

use super::Prepared;
use crate::sha256::{Avx2, Avx512, INITIAL_STATE, ROUND_CONSTANTS};

/// What follows a digest in its block.
const DIGEST_PADDING: [u32; 8] = [1 << 31, 0, 0, 0, 0, 0, 0, 256];

impl Avx512 {
    /// The lanes, one bit each, whose id's first word is at most `highest`; lane i tries the nonce whose lower half
    /// is `first + i`.
    pub(super) fn candidates(self, prepared: &Prepared, first: u32, highest: u32) -> u32 {
        // SAFETY: `self` is the knowledge that the processor has the features.
        unsafe { avx512::candidates(prepared, first, highest) }
    }
}

impl Avx2 {
    /// As [`Avx512::candidates`].
    pub(super) fn candidates(self, prepared: &Prepared, first: u32, highest: u32) -> u32 {
        // SAFETY: `self` is the knowledge that the processor has the features.
        unsafe { avx2::candidates(prepared, first, highest) }
    }
}

/// What is the same for registers of any size, over the operations of the module it stands in.
macro_rules! candidates {
    ($feature:literal) => {
    #[target_feature(enable = $feature)]
    pub(super) fn candidates(prepared: &Prepared, first: u32, highest: u32) -> u32 {
        let Prepared { words, schedule, state } = prepared;
        let [_, k1, rest @ ..] = &ROUND_CONSTANTS;
        let (mut w, mut next) = (splat_each(words), splat_each(schedule));
        let mut state = splat_each(state);
        w[0] = nonces(first);
        rounds!(state, w, k1);
        // The last of the next eight words depends on the nonce, and was prepared without it.
        extend!(@last next, w);
        extend!(w, next);
        state = compressed(state, [next, w], rest);
        // The digest is the second block's first half.
        for (word, start) in state.iter_mut().zip(INITIAL_STATE) {
            *word = add(*word, splat(start));
        }
        let [a, ..] = compressed(splat_each(&INITIAL_STATE), [state, splat_each(&DIGEST_PADDING)], &ROUND_CONSTANTS);
        below(add(a, splat(INITIAL_STATE[0])), highest)
    }
    };
}

mod avx512 {
    use super::{DIGEST_PADDING, INITIAL_STATE, Prepared, ROUND_CONSTANTS};
    use crate::sha256::avx512::{
        Pair, add, choice, compressed, majority, rotate, shift, splat, splat_each, swapped, xor3,
    };
    use crate::sha256::rounds::{extend, rounds};
    use core::arch::x86_64::{_mm512_cmple_epu32_mask, _mm512_set1_epi32, _mm512_setr_epi32, _mm512_setzero_si512};

    candidates!("avx512f,avx512bw");

    /// The first half of a nonce's eight bytes in each lane: the nonce is little-endian, SHA-256's words are not.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn nonces(first: u32) -> Pair {
        let counted = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        let [low, high] = add(add(splat(first), [counted; 2]), [_mm512_setzero_si512(), _mm512_set1_epi32(16)]);
        [swapped(low), swapped(high)]
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn below([low, high]: Pair, highest: u32) -> u32 {
        let highest = _mm512_set1_epi32(highest as i32);
        let [low, high] = [low, high].map(|words| u32::from(_mm512_cmple_epu32_mask(words, highest)));
        low | high << 16
    }
}

mod avx2 {
    use super::{DIGEST_PADDING, INITIAL_STATE, Prepared, ROUND_CONSTANTS};
    use crate::sha256::avx2::{add, choice, compressed, majority, rotate, shift, splat, splat_each, xor3};
    use crate::sha256::rounds::{extend, rounds};
    use core::arch::x86_64::{
        __m256i, _mm256_castsi256_ps, _mm256_cmpeq_epi32, _mm256_min_epu32, _mm256_movemask_ps, _mm256_set_epi64x,
        _mm256_setr_epi32, _mm256_shuffle_epi8,
    };

    candidates!("avx2");

    #[inline]
    #[target_feature(enable = "avx2")]
    fn nonces(first: u32) -> __m256i {
        let (low, high) = (0x0405_0607_0001_0203, 0x0c0d_0e0f_0809_0a0b);
        let counted = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        _mm256_shuffle_epi8(add(splat(first), counted), _mm256_set_epi64x(high, low, high, low))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn below(words: __m256i, highest: u32) -> u32 {
        let limit = splat(highest);
        // There is no unsigned comparison: a word is at most the limit when the lesser of both is the word.
        let below = _mm256_cmpeq_epi32(_mm256_min_epu32(words, limit), words);
        _mm256_movemask_ps(_mm256_castsi256_ps(below)) as u32
    }
}
