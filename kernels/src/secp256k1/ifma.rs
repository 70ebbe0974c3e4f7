//! Eight numbers modulo p side by side, in the vector registers of processors with AVX-512 IFMA.
//!
//! The instructions `vpmadd52luq` and `vpmadd52huq` multiply the lowest 52 bits of eight pairs of 64-bit numbers
//! and add one half of each product. So a number is five limbs of 52 bits here, each in a register of its own
//! with one number a lane. [`Ifma`] does with them what takes most of the time of a batch: square roots, and
//! additions of points. [`super::field`] and [`super::msm`] hold the same for every other processor, and the
//! tests compare the two.
//!
//! # Bounds
//! *Reduced* is: every limb below 2⁵², the number below 2²⁵⁶ + 2²¹⁴. All functions take and give reduced numbers.
//! 2²⁵⁶ ≡ 2³² + 977 ([`FOLD`]) modulo p, so 2²⁶⁰ ≡ 16 · FOLD ([`FOLD_LIMB`]). The comments bound every limb before it
//! is cut to 52 bits: no carry is lost.
//!
//! `unsafe` is here: calls of functions that need processor features, on an [`Ifma`],
//! which only exists where the processor has them; and arrays seen as registers of the same size.

use super::field::{Field, root_chain};
use super::point::Point;
use alloc::vec::Vec;
use core::arch::x86_64::{
    __m512i, _mm512_add_epi64, _mm512_and_si512, _mm512_madd52hi_epu64, _mm512_madd52lo_epu64, _mm512_or_si512,
    _mm512_set1_epi64, _mm512_setzero_si512, _mm512_shuffle_i64x2, _mm512_slli_epi64, _mm512_srli_epi64,
    _mm512_sub_epi64, _mm512_unpackhi_epi64, _mm512_unpacklo_epi64,
};

/// Numbers in a register.
pub const LANES: usize = 8;

/// Square roots in flight: the squarings of one wait for each other, those of two registers do not.
pub const ROOTS: usize = 2 * LANES;

/// 2²⁵⁶ − p.
const FOLD: i64 = 0x1_0000_03d1;
/// 2²⁶⁰ mod p: what a limb above the fifth counts in the first.
const FOLD_LIMB: i64 = FOLD << 4;
/// 52 ones.
const LIMB: i64 = (1 << 52) - 1;
/// 48 ones: what the fifth limb has below 2²⁵⁶.
const TOP: i64 = (1 << 48) - 1;
/// 4p in limbs of which each is greater than that of a reduced number, for subtractions that stay positive.
const BIAS: [i64; 5] = [(1 << 53) - 4 * FOLD, LIMB * 2, LIMB * 2, LIMB * 2, (1 << 50) - 2];

cpufeatures::new!(processor, "avx512f", "avx512ifma");

/// The knowledge that this processor has the instructions.
#[derive(Clone, Copy, Debug)]
pub struct Ifma(());

/// Two points to be added by their chord: the sum goes to the left one's place.
#[derive(Clone, Copy, Debug)]
pub struct Chord {
    /// The place of the left one.
    pub left: usize,
    /// The place of the right one.
    pub right: usize,
    /// The difference of their x, which is not zero.
    pub run: Field,
}

impl Ifma {
    /// Asks the processor.
    pub fn detect() -> Option<Self> {
        processor::get().then_some(Self(()))
    }

    /// a^((p + 1) / 4) of each: its root, if it has one.
    pub fn root_candidates(self, a: &[Field; ROOTS]) -> [Field; ROOTS] {
        // SAFETY: `self` is the knowledge that the processor has the features.
        unsafe { root_candidates(a) }
    }

    /// Adds the right point of each chord to its left one. `None` when a place is outside of `points`, or a run
    /// is zero.
    pub fn add_chords(self, points: &mut [Point], chords: &[Chord], scratch: &mut Scratch) -> Option<()> {
        // SAFETY: `self` is the knowledge that the processor has the features.
        unsafe { add_chords(points, chords, scratch) }
    }
}

/// Where products wait for their inverse, kept from one round of additions to the next.
#[derive(Default)]
pub struct Scratch {
    /// For each group of lanes, the product of all runs before.
    before: Vec<Lanes>,
}

/// Eight reduced numbers.
#[derive(Clone, Copy)]
struct Lanes([__m512i; 5]);

#[target_feature(enable = "avx512f,avx512ifma")]
fn root_candidates(a: &[Field; ROOTS]) -> [Field; ROOTS] {
    let (groups, _) = a.as_chunks::<LANES>();
    let [first, second, ..] = groups else { return *a };
    let [first, second] = roots([from_fields(first), from_fields(second)]);
    let mut all = [Field::ZERO; ROOTS];
    for (place, root) in all.iter_mut().zip(to_fields(&first).into_iter().chain(to_fields(&second))) {
        *place = root;
    }
    all
}

/// The chain of [`super::field`], on two registers.
#[target_feature(enable = "avx512f,avx512ifma")]
fn roots(a: [Lanes; 2]) -> [Lanes; 2] {
    let [first, second] = root_chain!(&a);
    [square(&square(&first)), square(&square(&second))]
}

/// x^(2^squarings) · y, side by side.
#[target_feature(enable = "avx512f,avx512ifma")]
fn step(x: &[Lanes; 2], squarings: usize, y: &[Lanes; 2]) -> [Lanes; 2] {
    let [mut first, mut second] = *x;
    for _ in 0..squarings {
        first = square(&first);
        second = square(&second);
    }
    let [y_first, y_second] = y;
    [mul(&first, y_first), mul(&second, y_second)]
}

/// Montgomery's trick in each lane: one inversion serves all chords.
#[target_feature(enable = "avx512f,avx512ifma")]
fn add_chords(points: &mut [Point], chords: &[Chord], scratch: &mut Scratch) -> Option<()> {
    let mut product = from_fields(&[Field::ONE; LANES]);
    scratch.before.clear();
    for group in chords.chunks(LANES) {
        scratch.before.push(product);
        product = mul(&product, &runs(group));
    }
    let mut inverse = from_fields(&invert_each(&to_fields(&product))?);
    for (group, before) in chords.chunks(LANES).zip(&scratch.before).rev() {
        let this = mul(&inverse, before);
        inverse = mul(&inverse, &runs(group));
        let (mut left, mut right) = ([Point::IDENTITY; LANES], [Point::IDENTITY; LANES]);
        for ((chord, left), right) in group.iter().zip(&mut left).zip(&mut right) {
            (*left, *right) = (*points.get(chord.left)?, *points.get(chord.right)?);
        }
        let ([x1, y1], [x2, y2]) = (from_points(&left), from_points(&right));
        let slope = mul(&sub(&y2, &y1), &this);
        let x3 = sub(&sub(&square(&slope), &x1), &x2);
        let y3 = sub(&mul(&slope, &sub(&x1, &x3)), &y1);
        for (chord, sum) in group.iter().zip(to_points(&x3, &y3)) {
            *points.get_mut(chord.left)? = sum;
        }
    }
    Some(())
}

/// The runs of a group; ones where it is short.
#[target_feature(enable = "avx512f,avx512ifma")]
fn runs(group: &[Chord]) -> Lanes {
    let mut runs = [Field::ONE; LANES];
    for (run, chord) in runs.iter_mut().zip(group) {
        *run = chord.run;
    }
    from_fields(&runs)
}

/// The inverse of each, by one inversion; `None` when one is zero.
fn invert_each(numbers: &[Field; LANES]) -> Option<[Field; LANES]> {
    let mut product = Field::ONE;
    let before = numbers.map(|number| {
        let before = product;
        product = product.mul(&number);
        before
    });
    let mut inverse = product.invert()?;
    let mut inverses = [Field::ZERO; LANES];
    for ((place, number), before) in inverses.iter_mut().zip(numbers).zip(before).rev() {
        *place = inverse.mul(&before);
        inverse = inverse.mul(number);
    }
    Some(inverses)
}

#[target_feature(enable = "avx512f,avx512ifma")]
#[inline]
#[expect(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "constant bounds, unrolled")]
fn mul(a: &Lanes, b: &Lanes) -> Lanes {
    let mut columns = [_mm512_setzero_si512(); 10];
    for i in 0..5 {
        for j in 0..5 {
            columns[i + j] = _mm512_madd52lo_epu64(columns[i + j], a.0[i], b.0[j]);
            columns[i + j + 1] = _mm512_madd52hi_epu64(columns[i + j + 1], a.0[i], b.0[j]);
        }
    }
    reduce(columns)
}

#[target_feature(enable = "avx512f,avx512ifma")]
#[inline]
#[expect(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "constant bounds, unrolled")]
fn square(a: &Lanes) -> Lanes {
    let mut columns = [_mm512_setzero_si512(); 10];
    // The products of two different limbs once, doubled; then the squares.
    for i in 0..5 {
        for j in i + 1..5 {
            columns[i + j] = _mm512_madd52lo_epu64(columns[i + j], a.0[i], a.0[j]);
            columns[i + j + 1] = _mm512_madd52hi_epu64(columns[i + j + 1], a.0[i], a.0[j]);
        }
    }
    for column in &mut columns {
        *column = _mm512_add_epi64(*column, *column);
    }
    for i in 0..5 {
        columns[2 * i] = _mm512_madd52lo_epu64(columns[2 * i], a.0[i], a.0[i]);
        columns[2 * i + 1] = _mm512_madd52hi_epu64(columns[2 * i + 1], a.0[i], a.0[i]);
    }
    reduce(columns)
}

/// Brings ten columns, of nine halves of products below 2⁵² each, down to five limbs.
#[target_feature(enable = "avx512f,avx512ifma")]
#[inline]
#[expect(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "constant bounds, unrolled")]
fn reduce(mut columns: [__m512i; 10]) -> Lanes {
    let (limb, fold_limb) = (_mm512_set1_epi64(LIMB), _mm512_set1_epi64(FOLD_LIMB));
    // The upper five are to be multiplied: they must have 52 bits. The product of two numbers below 2²⁶⁰ is below
    // 2⁵²⁰, so nothing is carried out of the last.
    for k in 5..9 {
        columns[k + 1] = _mm512_add_epi64(columns[k + 1], _mm512_srli_epi64::<52>(columns[k]));
        columns[k] = _mm512_and_si512(columns[k], limb);
    }
    // The lower five are below 9 · 2⁵²; with two more halves below 11 · 2⁵².
    let [mut r0, mut r1, mut r2, mut r3, mut r4, c5, c6, c7, c8, c9] = columns;
    r0 = _mm512_madd52lo_epu64(r0, c5, fold_limb);
    r1 = _mm512_madd52hi_epu64(_mm512_madd52lo_epu64(r1, c6, fold_limb), c5, fold_limb);
    r2 = _mm512_madd52hi_epu64(_mm512_madd52lo_epu64(r2, c7, fold_limb), c6, fold_limb);
    r3 = _mm512_madd52hi_epu64(_mm512_madd52lo_epu64(r3, c8, fold_limb), c7, fold_limb);
    r4 = _mm512_madd52hi_epu64(_mm512_madd52lo_epu64(r4, c9, fold_limb), c8, fold_limb);
    // Below 2³⁷, as the constant is.
    let r5 = _mm512_madd52hi_epu64(_mm512_setzero_si512(), c9, fold_limb);
    // What is above 2²⁵⁶: below 2⁸ from the fifth limb, and below 2⁴¹ from the sixth.
    let above = _mm512_add_epi64(_mm512_srli_epi64::<48>(r4), _mm512_slli_epi64::<4>(r5));
    carried([r0, r1, r2, r3, r4], above)
}

/// Cuts off what the fifth limb has above 2²⁵⁶, adds `above` · 2²⁵⁶, and carries. Limbs below 2⁵⁷ and `above` below
/// 2⁴² give a reduced number: the fifth limb is below 2⁴⁸ + 2⁶ in the end.
#[target_feature(enable = "avx512f,avx512ifma")]
#[inline]
fn carried(limbs: [__m512i; 5], above: __m512i) -> Lanes {
    let (limb, fold) = (_mm512_set1_epi64(LIMB), _mm512_set1_epi64(FOLD));
    let [mut r0, mut r1, mut r2, mut r3, mut r4] = limbs;
    r4 = _mm512_and_si512(r4, _mm512_set1_epi64(TOP));
    r0 = _mm512_madd52lo_epu64(r0, above, fold);
    r1 = _mm512_madd52hi_epu64(r1, above, fold);
    r1 = _mm512_add_epi64(r1, _mm512_srli_epi64::<52>(r0));
    r2 = _mm512_add_epi64(r2, _mm512_srli_epi64::<52>(r1));
    r3 = _mm512_add_epi64(r3, _mm512_srli_epi64::<52>(r2));
    r4 = _mm512_add_epi64(r4, _mm512_srli_epi64::<52>(r3));
    let cut = |r| _mm512_and_si512(r, limb);
    Lanes([cut(r0), cut(r1), cut(r2), cut(r3), r4])
}

#[target_feature(enable = "avx512f,avx512ifma")]
#[inline]
#[expect(clippy::indexing_slicing, reason = "constant bounds, unrolled")]
fn sub(a: &Lanes, b: &Lanes) -> Lanes {
    // A limb of b is smaller than its bias, so none of these is negative.
    let mut limbs = a.0;
    for i in 0..5 {
        limbs[i] = _mm512_add_epi64(limbs[i], _mm512_sub_epi64(_mm512_set1_epi64(BIAS[i]), b.0[i]));
    }
    carried(limbs, _mm512_srli_epi64::<48>(limbs[4]))
}

/// The same number below 2²⁵⁶: what is above, if anything, leaves far less than 2²⁵⁶ − FOLD behind.
#[target_feature(enable = "avx512f,avx512ifma")]
#[inline]
fn below_2_256(a: &Lanes) -> Lanes {
    let [.., top] = a.0;
    carried(a.0, _mm512_srli_epi64::<48>(top))
}

#[target_feature(enable = "avx512f,avx512ifma")]
#[inline]
fn from_words(words: [__m512i; 4]) -> Lanes {
    let [w0, w1, w2, w3] = words;
    let cut = |low, high| _mm512_and_si512(_mm512_or_si512(low, high), _mm512_set1_epi64(LIMB));
    let zero = _mm512_setzero_si512();
    Lanes([
        cut(w0, zero),
        cut(_mm512_srli_epi64::<52>(w0), _mm512_slli_epi64::<12>(w1)),
        cut(_mm512_srli_epi64::<40>(w1), _mm512_slli_epi64::<24>(w2)),
        cut(_mm512_srli_epi64::<28>(w2), _mm512_slli_epi64::<36>(w3)),
        _mm512_srli_epi64::<16>(w3),
    ])
}

#[target_feature(enable = "avx512f,avx512ifma")]
#[inline]
fn to_words(a: &Lanes) -> [__m512i; 4] {
    let [l0, l1, l2, l3, l4] = below_2_256(a).0;
    [
        _mm512_or_si512(l0, _mm512_slli_epi64::<52>(l1)),
        _mm512_or_si512(_mm512_srli_epi64::<12>(l1), _mm512_slli_epi64::<40>(l2)),
        _mm512_or_si512(_mm512_srli_epi64::<24>(l2), _mm512_slli_epi64::<28>(l3)),
        _mm512_or_si512(_mm512_srli_epi64::<36>(l3), _mm512_slli_epi64::<16>(l4)),
    ]
}

// No closure that has registers is handed to a function of the standard library here: that function has not these
// features, and unless it vanishes, registers go through memory.

#[target_feature(enable = "avx512f,avx512ifma")]
#[inline]
fn from_fields(fields: &[Field; LANES]) -> Lanes {
    let mut rows = [_mm512_setzero_si512(); LANES];
    for (row, field) in rows.iter_mut().zip(fields) {
        let [w0, w1, w2, w3] = *field.limbs();
        *row = to_register([w0, w1, w2, w3, 0, 0, 0, 0]);
    }
    let [w0, w1, w2, w3, ..] = transposed(rows);
    from_words([w0, w1, w2, w3])
}

#[target_feature(enable = "avx512f,avx512ifma")]
#[inline]
fn to_fields(a: &Lanes) -> [Field; LANES] {
    let ([w0, w1, w2, w3], zero) = (to_words(a), _mm512_setzero_si512());
    let mut fields = [Field::ZERO; LANES];
    for (field, row) in fields.iter_mut().zip(transposed([w0, w1, w2, w3, zero, zero, zero, zero])) {
        let [w0, w1, w2, w3, ..] = from_register(row);
        *field = Field::from_limbs([w0, w1, w2, w3]);
    }
    fields
}

/// The x and the y of eight points.
#[target_feature(enable = "avx512f,avx512ifma")]
#[inline]
fn from_points(points: &[Point; LANES]) -> [Lanes; 2] {
    let mut rows = [_mm512_setzero_si512(); LANES];
    for (row, point) in rows.iter_mut().zip(points) {
        *row = to_register(point.words());
    }
    let [x0, x1, x2, x3, y0, y1, y2, y3] = transposed(rows);
    [from_words([x0, x1, x2, x3]), from_words([y0, y1, y2, y3])]
}

#[target_feature(enable = "avx512f,avx512ifma")]
#[inline]
fn to_points(x: &Lanes, y: &Lanes) -> [Point; LANES] {
    let ([x0, x1, x2, x3], [y0, y1, y2, y3]) = (to_words(x), to_words(y));
    let mut points = [Point::IDENTITY; LANES];
    for (point, row) in points.iter_mut().zip(transposed([x0, x1, x2, x3, y0, y1, y2, y3])) {
        *point = Point::from_words(from_register(row));
    }
    points
}

/// Rows to columns.
#[target_feature(enable = "avx512f,avx512ifma")]
#[inline]
fn transposed(rows: [__m512i; 8]) -> [__m512i; 8] {
    let [r0, r1, r2, r3, r4, r5, r6, r7] = rows;
    // The even, then the odd columns of two rows, in pairs; then four of these pairs.
    let [c0, c2, c4, c6] = gathered([
        _mm512_unpacklo_epi64(r0, r1),
        _mm512_unpacklo_epi64(r2, r3),
        _mm512_unpacklo_epi64(r4, r5),
        _mm512_unpacklo_epi64(r6, r7),
    ]);
    let [c1, c3, c5, c7] = gathered([
        _mm512_unpackhi_epi64(r0, r1),
        _mm512_unpackhi_epi64(r2, r3),
        _mm512_unpackhi_epi64(r4, r5),
        _mm512_unpackhi_epi64(r6, r7),
    ]);
    [c0, c1, c2, c3, c4, c5, c6, c7]
}

/// Rows to columns of four rows of four pairs.
#[target_feature(enable = "avx512f,avx512ifma")]
#[inline]
fn gathered(rows: [__m512i; 4]) -> [__m512i; 4] {
    const EVEN: i32 = 0b10_00_10_00;
    const ODD: i32 = 0b11_01_11_01;
    let [r0, r1, r2, r3] = rows;
    let even = [_mm512_shuffle_i64x2::<EVEN>(r0, r1), _mm512_shuffle_i64x2::<EVEN>(r2, r3)];
    let odd = [_mm512_shuffle_i64x2::<ODD>(r0, r1), _mm512_shuffle_i64x2::<ODD>(r2, r3)];
    [
        _mm512_shuffle_i64x2::<EVEN>(even[0], even[1]),
        _mm512_shuffle_i64x2::<EVEN>(odd[0], odd[1]),
        _mm512_shuffle_i64x2::<ODD>(even[0], even[1]),
        _mm512_shuffle_i64x2::<ODD>(odd[0], odd[1]),
    ]
}

fn to_register(words: [u64; 8]) -> __m512i {
    // SAFETY: both are 64 bytes of which every pattern is a value.
    unsafe { core::mem::transmute(words) }
}

fn from_register(register: __m512i) -> [u64; 8] {
    // SAFETY: both are 64 bytes of which every pattern is a value.
    unsafe { core::mem::transmute(register) }
}

#[cfg(test)]
mod tests;
