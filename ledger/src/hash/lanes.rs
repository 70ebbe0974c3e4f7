//! SHA-256 of many messages side by side, in the vector registers of processors with AVX-512 or AVX2.
//!
//! A lane is one message. `kernels!` writes SHA-256 (FIPS 180-4 §6.2.2) once over the operations of a register: `avx2`
//! has eight lanes; `avx512` sixteen in each of two registers, since a round of one waits for the round before it, and
//! meanwhile the other's is done. Two things are made of that. [`ThirtyTwo::compress`] hashes messages of equal length,
//! in a quarter of the time that the SHA extensions take. `candidates` tries nonces, for which the rounds that depend
//! on the seal alone are shared; there, eight lanes are worth while, too. Elsewhere `sha2` does both, and the tests
//! compare.
//!
//! One of the two files of this crate with `unsafe`: calls of functions that need processor features, each on a value
//! that only exists where the processor has them; arrays seen as registers of the same size; and [`prefetch`].

use super::many::Block;
use crate::pow::Prepared;

cpufeatures::new!(has_avx512, "avx512f", "avx512bw");
cpufeatures::new!(has_avx2, "avx2");

/// The knowledge that this processor has the instructions for thirty-two lanes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ThirtyTwo(());

/// The knowledge that this processor has the instructions for eight lanes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Eight(());

/// What belongs to each of thirty-two lanes: two registers of four quarters of four.
pub(super) type Row<T> = [[[T; 4]; 4]; 2];

impl ThirtyTwo {
    /// Asks the processor.
    pub(crate) fn detect() -> Option<Self> {
        has_avx512::get().then_some(Self(()))
    }

    /// The hash of each message, from the state `start` on. Where messages have different numbers of blocks, only as
    /// many as the shortest has are read of each.
    pub(super) fn compress(self, start: &[u32; 8], messages: &Row<&[Block]>) -> Row<[u8; 32]> {
        // SAFETY: `self` is the knowledge that the processor has the features.
        unsafe { avx512::compress(start, messages) }
    }

    /// The lanes, one bit each, whose id's first word is at most `highest`; lane i tries the nonce whose lower half
    /// is `first + i`.
    pub(crate) fn candidates(self, prepared: &Prepared, first: u32, highest: u32) -> u32 {
        // SAFETY: `self` is the knowledge that the processor has the features.
        unsafe { avx512::candidates(prepared, first, highest) }
    }
}

impl Eight {
    /// Asks the processor.
    pub(crate) fn detect() -> Option<Self> {
        has_avx2::get().then_some(Self(()))
    }

    /// As [`ThirtyTwo::candidates`].
    pub(crate) fn candidates(self, prepared: &Prepared, first: u32, highest: u32) -> u32 {
        // SAFETY: `self` is the knowledge that the processor has the features.
        unsafe { avx2::candidates(prepared, first, highest) }
    }
}

/// Has what is at a place brought from memory into the caches, without waiting for it.
pub(crate) fn prefetch<T>(place: &T) {
    // SAFETY: every x86-64 processor has the instruction, which changes nothing that can be seen.
    unsafe { core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T0 }>((&raw const *place).cast()) }
}

/// Eight rounds with the words `$w` and the constants `$k`. They are written out, in the function that needs them: as a
/// function each, or with places that are not known beforehand, they keep their registers in memory.
macro_rules! rounds {
    ($state:ident, $w:ident, $k:ident) => {{
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = $state;
        rounds!(@one a b c d e f g h $w $k 0);
        rounds!(@one h a b c d e f g $w $k 1);
        rounds!(@one g h a b c d e f $w $k 2);
        rounds!(@one f g h a b c d e $w $k 3);
        rounds!(@one e f g h a b c d $w $k 4);
        rounds!(@one d e f g h a b c $w $k 5);
        rounds!(@one c d e f g h a b $w $k 6);
        rounds!(@one b c d e f g h a $w $k 7);
        $state = [a, b, c, d, e, f, g, h];
    }};
    (@one $a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident $w:ident $k:ident $at:literal) => {
        let big1 = xor3(rotate::<6>($e), rotate::<11>($e), rotate::<25>($e));
        let known = add(add($h, splat($k[$at])), $w[$at]);
        let one = add(add(known, choice($e, $f, $g)), big1);
        let big0 = xor3(rotate::<2>($a), rotate::<13>($a), rotate::<22>($a));
        $d = add($d, one);
        $h = add(one, add(big0, majority($a, $b, $c)));
    };
}

/// Replaces eight words of the schedule, after which come those of `$next`, by those sixteen places further.
macro_rules! extend {
    ($w:ident, $next:ident) => {
        extend!(@one $w 0, $w 1, $next 1, $next 6);
        extend!(@one $w 1, $w 2, $next 2, $next 7);
        extend!(@one $w 2, $w 3, $next 3, $w 0);
        extend!(@one $w 3, $w 4, $next 4, $w 1);
        extend!(@one $w 4, $w 5, $next 5, $w 2);
        extend!(@one $w 5, $w 6, $next 6, $w 3);
        extend!(@one $w 6, $w 7, $next 7, $w 4);
        extend!(@last $w, $next);
    };
    (@last $w:ident, $next:ident) => {
        extend!(@one $w 7, $next 0, $w 0, $w 5);
    };
    // The words one, nine and fourteen places further.
    (@one $w:ident $at:literal, $one:ident $p:literal, $nine:ident $q:literal, $fourteen:ident $r:literal) => {
        let (one, fourteen) = ($one[$p], $fourteen[$r]);
        let small1 = xor3(rotate::<17>(fourteen), rotate::<19>(fourteen), shift::<10>(fourteen));
        let small0 = xor3(rotate::<7>(one), rotate::<18>(one), shift::<3>(one));
        $w[$at] = add(add($w[$at], small0), add($nine[$q], small1));
    };
}

/// What is the same for registers of any size, over the operations of the module it stands in.
macro_rules! kernels {
    ($feature:literal, $register:ty) => {
        #[target_feature(enable = $feature)]
        pub(super) fn candidates(prepared: &Prepared, first: u32, highest: u32) -> u32 {
            let Prepared { words, schedule, state } = prepared;
            let [_, k1, rest @ ..] = &K;
            let (mut w, mut next) = (splat_each(words), splat_each(schedule));
            let mut state = splat_each(state);
            w[0] = nonces(first);
            rounds!(state, w, k1);
            // The last of the next eight words depends on the nonce, and was prepared without it.
            extend!(@last next, w);
            extend!(w, next);
            state = compressed(state, [next, w], rest);
            // The digest is the second block's first half.
            for (word, start) in state.iter_mut().zip(INITIAL) {
                *word = add(*word, splat(start));
            }
            let [a, ..] = compressed(splat_each(&INITIAL), [state, splat_each(&DIGEST_PADDING)], &K);
            below(add(a, splat(INITIAL[0])), highest)
        }

        /// The state after the rounds of these constants, eight each, of which the first sixteen have the words
        /// `words`.
        #[inline]
        #[target_feature(enable = $feature)]
        fn compressed(mut state: [$register; 8], words: [[$register; 8]; 2], k: &[[u32; 8]]) -> [$register; 8] {
            let [mut first, mut second] = words;
            let (mut w, mut next) = (&mut first, &mut second);
            // A loop, not written out: sixty-four rounds do not fit where a processor keeps what it has decoded.
            for (left, k) in (0..k.len()).rev().zip(k) {
                rounds!(state, w, k);
                if left >= 2 {
                    extend!(w, next);
                }
                core::mem::swap(&mut w, &mut next);
            }
            state
        }

        /// A register for each number, which is in all of its lanes.
        #[inline]
        #[target_feature(enable = $feature)]
        fn splat_each<const N: usize>(numbers: &[u32; N]) -> [$register; N] {
            let mut registers = [splat(0); N];
            for (register, number) in registers.iter_mut().zip(numbers) {
                *register = splat(*number);
            }
            registers
        }
    };
}

/// What follows a digest in its block.
const DIGEST_PADDING: [u32; 8] = [1 << 31, 0, 0, 0, 0, 0, 0, 256];

mod avx512 {
    use super::{
        super::many::{Block, INITIAL, K},
        DIGEST_PADDING, Prepared, Row,
    };
    use core::arch::x86_64::{
        __m512i, _mm512_add_epi32, _mm512_cmple_epu32_mask, _mm512_permutex2var_epi64, _mm512_ror_epi32,
        _mm512_set1_epi32, _mm512_set4_epi32, _mm512_setr_epi32, _mm512_setr_epi64, _mm512_setzero_si512,
        _mm512_shuffle_epi8, _mm512_shuffle_i32x4, _mm512_srli_epi32, _mm512_ternarylogic_epi32, _mm512_unpackhi_epi32,
        _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
    };

    /// Two registers side by side, for the next step of one while a step of the other is not done.
    type Pair = [__m512i; 2];

    kernels!("avx512f,avx512bw", Pair);

    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) fn compress(start: &[u32; 8], messages: &Row<&[Block]>) -> Row<[u8; 32]> {
        let blocks = messages.as_flattened().iter().flatten().map(|message| message.len()).min().unwrap_or(0);
        let mut state = splat_each(start);
        for at in 0..blocks {
            let [first, second] = messages;
            let after = compressed(state, paired(transposed(first, at), transposed(second, at)), &K);
            for (word, after) in state.iter_mut().zip(after) {
                *word = add(*word, after);
            }
        }
        let [[a0, a1], [b0, b1], [c0, c1], [d0, d1], [e0, e1], [f0, f1], [g0, g1], [h0, h1]] = state;
        [digests([a0, b0, c0, d0, e0, f0, g0, h0]), digests([a1, b1, c1, d1, e1, f1, g1, h1])]
    }

    /// Pairs of what is at the same places.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn paired(first: [__m512i; 16], second: [__m512i; 16]) -> [[Pair; 8]; 2] {
        let mut pairs = [[splat(0); 8]; 2];
        for (pair, registers) in pairs.as_flattened_mut().iter_mut().zip(first.into_iter().zip(second)) {
            *pair = registers.into();
        }
        pairs
    }

    /// The digests of sixteen states: their words, big-endian.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn digests(state: [__m512i; 8]) -> [[[u8; 32]; 4]; 4] {
        let [w0, w1, w2, w3, w4, w5, w6, w7] = state;
        // Quarter q of `front` r is the first half of the digest of message 4q + r.
        let (fronts, backs) = (across(w0, w1, w2, w3), across(w4, w5, w6, w7));
        let (low, high) = (_mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11), _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15));
        let mut digests = [[[0; 32]; 4]; 4];
        let [d0, d1, d2, d3] = &mut digests;
        let places = d0.iter_mut().zip(d1).zip(d2.iter_mut().zip(d3));
        for (((d0, d1), (d2, d3)), (front, back)) in places.zip(fronts.into_iter().zip(backs)) {
            let (front, back) = (swapped(front), swapped(back));
            [*d0, *d1] = to_bytes(_mm512_permutex2var_epi64(front, low, back));
            [*d2, *d3] = to_bytes(_mm512_permutex2var_epi64(front, high, back));
        }
        digests
    }

    /// The block at `at` of each message as the first sixteen words of its schedule: word by word, with one message
    /// a lane.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn transposed(messages: &[[&[Block]; 4]; 4], at: usize) -> [__m512i; 16] {
        let [a, b, c, d] = messages;
        let ([a0, a1, a2, a3], [b0, b1, b2, b3]) = (quads(a, at), quads(b, at));
        let ([c0, c1, c2, c3], [d0, d1, d2, d3]) = (quads(c, at), quads(d, at));
        let ([w0, w4, w8, w12], [w1, w5, w9, w13]) = (quarters(a0, b0, c0, d0), quarters(a1, b1, c1, d1));
        let ([w2, w6, w10, w14], [w3, w7, w11, w15]) = (quarters(a2, b2, c2, d2), quarters(a3, b3, c3, d3));
        [w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14, w15]
    }

    /// Of four messages: word 4q + r of each in quarter q of register r.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn quads([a, b, c, d]: &[&[Block]; 4], at: usize) -> [__m512i; 4] {
        across(load(a, at), load(b, at), load(c, at), load(d, at))
    }

    /// Exchanges rows and columns of the four words in each quarter of four registers.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn across(a: __m512i, b: __m512i, c: __m512i, d: __m512i) -> [__m512i; 4] {
        let (low_ab, low_cd) = (_mm512_unpacklo_epi32(a, b), _mm512_unpacklo_epi32(c, d));
        let (high_ab, high_cd) = (_mm512_unpackhi_epi32(a, b), _mm512_unpackhi_epi32(c, d));
        [
            _mm512_unpacklo_epi64(low_ab, low_cd),
            _mm512_unpackhi_epi64(low_ab, low_cd),
            _mm512_unpacklo_epi64(high_ab, high_cd),
            _mm512_unpackhi_epi64(high_ab, high_cd),
        ]
    }

    /// Four registers of their first quarters, of their second ones, and so on.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn quarters(a: __m512i, b: __m512i, c: __m512i, d: __m512i) -> [__m512i; 4] {
        let (even_ab, even_cd) = (_mm512_shuffle_i32x4::<0x88>(a, b), _mm512_shuffle_i32x4::<0x88>(c, d));
        let (odd_ab, odd_cd) = (_mm512_shuffle_i32x4::<0xdd>(a, b), _mm512_shuffle_i32x4::<0xdd>(c, d));
        [
            _mm512_shuffle_i32x4::<0x88>(even_ab, even_cd),
            _mm512_shuffle_i32x4::<0x88>(odd_ab, odd_cd),
            _mm512_shuffle_i32x4::<0xdd>(even_ab, even_cd),
            _mm512_shuffle_i32x4::<0xdd>(odd_ab, odd_cd),
        ]
    }

    /// A block's words, which SHA-256 reads as big-endian numbers.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn load(message: &[Block], at: usize) -> __m512i {
        // Every message has a block here.
        swapped(from_bytes(message.get(at).unwrap_or(&[0; 64])))
    }

    /// The first half of a nonce's eight bytes in each lane: the nonce is little-endian, SHA-256's words are not.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn nonces(first: u32) -> Pair {
        let counted = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        let [low, high] = add(add(splat(first), [counted; 2]), [_mm512_setzero_si512(), _mm512_set1_epi32(16)]);
        [swapped(low), swapped(high)]
    }

    /// The bytes of each word in the opposite order.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn swapped(words: __m512i) -> __m512i {
        _mm512_shuffle_epi8(words, _mm512_set4_epi32(0x0c0d_0e0f, 0x0809_0a0b, 0x0405_0607, 0x0001_0203))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn splat(number: u32) -> Pair {
        [_mm512_set1_epi32(number as i32); 2]
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn add([a0, a1]: Pair, [b0, b1]: Pair) -> Pair {
        [_mm512_add_epi32(a0, b0), _mm512_add_epi32(a1, b1)]
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn rotate<const BITS: i32>([a0, a1]: Pair) -> Pair {
        [_mm512_ror_epi32::<BITS>(a0), _mm512_ror_epi32::<BITS>(a1)]
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn shift<const BITS: u32>([a0, a1]: Pair) -> Pair {
        [_mm512_srli_epi32::<BITS>(a0), _mm512_srli_epi32::<BITS>(a1)]
    }

    // One instruction for any function of three bits; the numbers are their truth tables.

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn xor3([a0, a1]: Pair, [b0, b1]: Pair, [c0, c1]: Pair) -> Pair {
        [_mm512_ternarylogic_epi32::<0x96>(a0, b0, c0), _mm512_ternarylogic_epi32::<0x96>(a1, b1, c1)]
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn choice([a0, a1]: Pair, [b0, b1]: Pair, [c0, c1]: Pair) -> Pair {
        [_mm512_ternarylogic_epi32::<0xca>(a0, b0, c0), _mm512_ternarylogic_epi32::<0xca>(a1, b1, c1)]
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn majority([a0, a1]: Pair, [b0, b1]: Pair, [c0, c1]: Pair) -> Pair {
        [_mm512_ternarylogic_epi32::<0xe8>(a0, b0, c0), _mm512_ternarylogic_epi32::<0xe8>(a1, b1, c1)]
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn below([low, high]: Pair, highest: u32) -> u32 {
        let highest = _mm512_set1_epi32(highest as i32);
        let [low, high] = [low, high].map(|words| u32::from(_mm512_cmple_epu32_mask(words, highest)));
        low | high << 16
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn from_bytes(block: &Block) -> __m512i {
        // SAFETY: both are 64 bytes without padding, and any bytes make up either.
        unsafe { core::mem::transmute::<Block, __m512i>(*block) }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn to_bytes(register: __m512i) -> [[u8; 32]; 2] {
        // SAFETY: both are 64 bytes without padding, and any bytes make up either.
        unsafe { core::mem::transmute::<__m512i, [[u8; 32]; 2]>(register) }
    }
}

mod avx2 {
    use super::{
        super::many::{INITIAL, K},
        DIGEST_PADDING, Prepared,
    };
    use core::arch::x86_64::{
        __m256i, _mm_cvtsi32_si128, _mm256_add_epi32, _mm256_and_si256, _mm256_castsi256_ps, _mm256_cmpeq_epi32,
        _mm256_min_epu32, _mm256_movemask_ps, _mm256_or_si256, _mm256_set_epi64x, _mm256_set1_epi32, _mm256_setr_epi32,
        _mm256_shuffle_epi8, _mm256_sll_epi32, _mm256_srli_epi32, _mm256_xor_si256,
    };

    kernels!("avx2", __m256i);

    #[inline]
    #[target_feature(enable = "avx2")]
    fn nonces(first: u32) -> __m256i {
        let (low, high) = (0x0405_0607_0001_0203, 0x0c0d_0e0f_0809_0a0b);
        let counted = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        _mm256_shuffle_epi8(add(splat(first), counted), _mm256_set_epi64x(high, low, high, low))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn splat(number: u32) -> __m256i {
        _mm256_set1_epi32(number as i32)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn add(a: __m256i, b: __m256i) -> __m256i {
        _mm256_add_epi32(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn rotate<const BITS: i32>(a: __m256i) -> __m256i {
        let left = _mm_cvtsi32_si128(32_i32.wrapping_sub(BITS));
        _mm256_or_si256(_mm256_srli_epi32::<BITS>(a), _mm256_sll_epi32(a, left))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn shift<const BITS: i32>(a: __m256i) -> __m256i {
        _mm256_srli_epi32::<BITS>(a)
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
        let limit = splat(highest);
        // There is no unsigned comparison: a word is at most the limit when the lesser of both is the word.
        let below = _mm256_cmpeq_epi32(_mm256_min_epu32(words, limit), words);
        _mm256_movemask_ps(_mm256_castsi256_ps(below)) as u32
    }
}
