//! Thirty-two messages at once: sixteen in each of two AVX-512 registers, since a round of one waits for the round
//! before it, and meanwhile the other's is done.

use super::rounds::{compression, extend, rounds};
use super::{Block, Digest, ROUND_CONSTANTS, Row};
use core::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_permutex2var_epi64, _mm512_ror_epi32, _mm512_set1_epi32, _mm512_set4_epi32,
    _mm512_setr_epi64, _mm512_shuffle_epi8, _mm512_shuffle_i32x4, _mm512_srli_epi32, _mm512_ternarylogic_epi32,
    _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
};

cpufeatures::new!(processor, "avx512f", "avx512bw");

/// The knowledge that this processor has AVX-512 F and BW.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx512(());

impl Avx512 {
    /// Asks the processor.
    pub(crate) fn detect() -> Option<Self> {
        processor::get().then_some(Self(()))
    }

    /// The hash of each message, from the state `start` on. Where messages have different numbers of blocks, only as
    /// many as the shortest has are read of each.
    pub(super) fn compress(self, start: &[u32; 8], messages: &Row<&[Block]>) -> Row<Digest> {
        // SAFETY: `self` is the knowledge that the processor has the features.
        unsafe { compress(start, messages) }
    }
}

/// Two registers side by side, for the next step of one while a step of the other is not done.
pub(crate) type Pair = [__m512i; 2];

compression!("avx512f,avx512bw", Pair);

#[target_feature(enable = "avx512f,avx512bw")]
fn compress(start: &[u32; 8], messages: &Row<&[Block]>) -> Row<Digest> {
    let blocks = messages.as_flattened().iter().flatten().map(|message| message.len()).min().unwrap_or(0);
    let mut state = splat_each(start);
    for at in 0..blocks {
        let [first, second] = messages;
        let after = compressed(state, paired(transposed(first, at), transposed(second, at)), &ROUND_CONSTANTS);
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
fn digests(state: [__m512i; 8]) -> [[Digest; 4]; 4] {
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

/// The bytes of each word in the opposite order.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(crate) fn swapped(words: __m512i) -> __m512i {
    _mm512_shuffle_epi8(words, _mm512_set4_epi32(0x0c0d_0e0f, 0x0809_0a0b, 0x0405_0607, 0x0001_0203))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(crate) fn splat(number: u32) -> Pair {
    [_mm512_set1_epi32(number as i32); 2]
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(crate) fn add([a0, a1]: Pair, [b0, b1]: Pair) -> Pair {
    [_mm512_add_epi32(a0, b0), _mm512_add_epi32(a1, b1)]
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(crate) fn rotate<const BITS: i32>([a0, a1]: Pair) -> Pair {
    [_mm512_ror_epi32::<BITS>(a0), _mm512_ror_epi32::<BITS>(a1)]
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(crate) fn shift<const BITS: u32>([a0, a1]: Pair) -> Pair {
    [_mm512_srli_epi32::<BITS>(a0), _mm512_srli_epi32::<BITS>(a1)]
}

// One instruction for any function of three bits; the numbers are their truth tables.

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(crate) fn xor3([a0, a1]: Pair, [b0, b1]: Pair, [c0, c1]: Pair) -> Pair {
    [_mm512_ternarylogic_epi32::<0x96>(a0, b0, c0), _mm512_ternarylogic_epi32::<0x96>(a1, b1, c1)]
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(crate) fn choice([a0, a1]: Pair, [b0, b1]: Pair, [c0, c1]: Pair) -> Pair {
    [_mm512_ternarylogic_epi32::<0xca>(a0, b0, c0), _mm512_ternarylogic_epi32::<0xca>(a1, b1, c1)]
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(crate) fn majority([a0, a1]: Pair, [b0, b1]: Pair, [c0, c1]: Pair) -> Pair {
    [_mm512_ternarylogic_epi32::<0xe8>(a0, b0, c0), _mm512_ternarylogic_epi32::<0xe8>(a1, b1, c1)]
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn from_bytes(block: &Block) -> __m512i {
    // SAFETY: both are 64 bytes without padding, and any bytes make up either.
    unsafe { core::mem::transmute::<Block, __m512i>(*block) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn to_bytes(register: __m512i) -> [Digest; 2] {
    // SAFETY: both are 64 bytes without padding, and any bytes make up either.
    unsafe { core::mem::transmute::<__m512i, [Digest; 2]>(register) }
}
