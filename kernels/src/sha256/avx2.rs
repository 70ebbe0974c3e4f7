//! The operations of eight lanes. Whole messages gain nothing from them over the SHA extensions; nonces do.

use super::rounds::{compression, extend, rounds};
use core::arch::x86_64::{
    __m256i, _mm_cvtsi32_si128, _mm256_add_epi32, _mm256_and_si256, _mm256_or_si256, _mm256_set1_epi32,
    _mm256_sll_epi32, _mm256_srli_epi32, _mm256_xor_si256,
};

cpufeatures::new!(processor, "avx2");

/// The knowledge that this processor has AVX2.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// Asks the processor.
    pub(crate) fn detect() -> Option<Self> {
        processor::get().then_some(Self(()))
    }
}

compression!("avx2", __m256i);

#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn splat(number: u32) -> __m256i {
    _mm256_set1_epi32(number as i32)
}

#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn add(a: __m256i, b: __m256i) -> __m256i {
    _mm256_add_epi32(a, b)
}

#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn rotate<const BITS: i32>(a: __m256i) -> __m256i {
    let left = _mm_cvtsi32_si128(32_i32.wrapping_sub(BITS));
    _mm256_or_si256(_mm256_srli_epi32::<BITS>(a), _mm256_sll_epi32(a, left))
}

#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn shift<const BITS: i32>(a: __m256i) -> __m256i {
    _mm256_srli_epi32::<BITS>(a)
}

#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn xor3(a: __m256i, b: __m256i, c: __m256i) -> __m256i {
    _mm256_xor_si256(_mm256_xor_si256(a, b), c)
}

#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn choice(a: __m256i, b: __m256i, c: __m256i) -> __m256i {
    _mm256_xor_si256(c, _mm256_and_si256(a, _mm256_xor_si256(b, c)))
}

#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn majority(a: __m256i, b: __m256i, c: __m256i) -> __m256i {
    _mm256_or_si256(_mm256_and_si256(a, b), _mm256_and_si256(c, _mm256_or_si256(a, b)))
}
