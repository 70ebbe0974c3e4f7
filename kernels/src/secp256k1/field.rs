//! Numbers modulo p = 2²⁵⁶ − 2³² − 977, the coordinates of secp256k1.
//!
//! An element is any 256-bit number, in four 64-bit limbs; p + 1 and 1 are the same element. Every
//! operation takes any such numbers and gives such a number, so there are no magnitudes to keep account
//! of, and [`Field::normalized`] is needed only where a number is looked at. 2²⁵⁶ ≡ 2³² + 977: what
//! overflows is multiplied by that [`FOLD`] and added back.
//!
//! It exists beside k256's element because verification of a batch is nothing but this arithmetic: a
//! product here takes about half the time of one in five lazily reduced limbs. It is for public numbers
//! only: nothing here tries to take the same time for all inputs. The tests hold it against k256 on random
//! numbers and on all the edges of the carries.

use k256::{FieldBytes, Secp256k1, elliptic_curve::hazmat::FieldArithmetic};

type Checked = <Secp256k1 as FieldArithmetic>::FieldElement;

/// 2²⁵⁶ − p.
pub(super) const FOLD: u64 = 0x1_0000_03d1;

/// p, the least significant limb first.
pub(super) const MODULUS: [u64; 4] = [0xffff_fffe_ffff_fc2f, u64::MAX, u64::MAX, u64::MAX];

/// A number modulo p.
#[derive(Clone, Copy, Debug)]
pub struct Field([u64; 4]);

impl Field {
    pub const ZERO: Self = Self([0; 4]);
    pub const ONE: Self = Self([1, 0, 0, 0]);
    /// The b of y² = x³ + b.
    const CURVE_B: Self = Self([7, 0, 0, 0]);

    /// From the limbs of any 256-bit number, least significant first.
    pub const fn from_limbs(limbs: [u64; 4]) -> Self {
        Self(limbs)
    }

    /// The limbs, least significant first.
    #[cfg(target_arch = "x86_64")]
    pub const fn limbs(&self) -> &[u64; 4] {
        &self.0
    }

    /// Reads 32 bytes, big-endian; `None` for p and above.
    pub fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        let element = Self(limbs_from_be_bytes(bytes));
        (element.normalized().0 == element.0).then_some(element)
    }

    /// The one number below p, big-endian.
    pub fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (chunk, limb) in bytes.as_chunks_mut().0.iter_mut().zip(self.normalized().0.iter().rev()) {
            *chunk = limb.to_be_bytes();
        }
        bytes
    }

    /// The same element as a number below p.
    pub fn normalized(self) -> Self {
        // v ≥ p exactly when v + FOLD overflows, and then v − p is what is left.
        let [v0, v1, v2, v3] = self.0;
        let (r0, carry) = v0.carrying_add(FOLD, false);
        let (r1, carry) = v1.carrying_add(0, carry);
        let (r2, carry) = v2.carrying_add(0, carry);
        let (r3, carry) = v3.carrying_add(0, carry);
        if carry { Self([r0, r1, r2, r3]) } else { self }
    }

    /// Whether it is 0; p is.
    #[inline]
    pub fn is_zero(&self) -> bool {
        let [v0, v1, v2, v3] = self.0;
        (v0 | v1 | v2 | v3) == 0 || self.0 == MODULUS
    }

    /// Whether all limbs are zero, which is a question about the representation, not about the element.
    #[inline]
    pub fn is_all_zero_bits(&self) -> bool {
        let [v0, v1, v2, v3] = self.0;
        (v0 | v1 | v2 | v3) == 0
    }

    /// Whether both are the same element.
    #[inline]
    pub fn equals(&self, other: &Self) -> bool {
        self.sub(other).is_zero()
    }

    /// Whether the number below p is odd.
    pub fn is_odd(self) -> bool {
        let [v0, ..] = self.normalized().0;
        v0 & 1 == 1
    }

    #[inline]
    pub fn add(&self, other: &Self) -> Self {
        let ([a0, a1, a2, a3], [b0, b1, b2, b3]) = (self.0, other.0);
        let (r0, carry) = a0.carrying_add(b0, false);
        let (r1, carry) = a1.carrying_add(b1, carry);
        let (r2, carry) = a2.carrying_add(b2, carry);
        let (r3, carry) = a3.carrying_add(b3, carry);
        Self::fold_carry([r0, r1, r2, r3], carry)
    }

    #[inline]
    pub fn sub(&self, other: &Self) -> Self {
        let ([a0, a1, a2, a3], [b0, b1, b2, b3]) = (self.0, other.0);
        let (r0, borrow) = a0.borrowing_sub(b0, false);
        let (r1, borrow) = a1.borrowing_sub(b1, borrow);
        let (r2, borrow) = a2.borrowing_sub(b2, borrow);
        let (r3, borrow) = a3.borrowing_sub(b3, borrow);
        let (r0, borrow) = r0.borrowing_sub(fold_if(borrow), false);
        let (r1, borrow) = r1.borrowing_sub(0, borrow);
        let (r2, borrow) = r2.borrowing_sub(0, borrow);
        let (r3, borrow) = r3.borrowing_sub(0, borrow);
        // A second borrow leaves a number of at least 2²⁵⁶ − FOLD, whose lowest limb is far above FOLD.
        Self([r0.wrapping_sub(fold_if(borrow)), r1, r2, r3])
    }

    #[inline]
    pub fn neg(&self) -> Self {
        Self::ZERO.sub(self)
    }

    #[inline]
    pub fn double(&self) -> Self {
        self.add(self)
    }

    #[inline]
    pub fn triple(&self) -> Self {
        self.double().add(self)
    }

    // Always inlined: a call, with its limbs through memory, can be measured.
    #[inline(always)]
    pub fn mul(&self, other: &Self) -> Self {
        Self::reduce(product(&self.0, &other.0))
    }

    #[inline(always)]
    pub fn square(&self) -> Self {
        let [a0, a1, a2, a3] = self.0;
        // The products of two different limbs once, doubled; then the squares.
        let (p1, c) = a0.carrying_mul(a1, 0);
        let (p2, c) = a0.carrying_mul(a2, c);
        let (p3, p4) = a0.carrying_mul(a3, c);
        let (p3, c) = a1.carrying_mul(a2, p3);
        let (p4, p5) = a1.carrying_mul_add(a3, p4, c);
        let (p5, p6) = a2.carrying_mul(a3, p5);
        let (s0, c) = a0.carrying_mul(a0, 0);
        let (s2, s3) = a1.carrying_mul(a1, 0);
        let (s4, s5) = a2.carrying_mul(a2, 0);
        let (s6, s7) = a3.carrying_mul(a3, 0);
        let (d1, carry) = p1.carrying_add(p1, false);
        let (d2, carry) = p2.carrying_add(p2, carry);
        let (d3, carry) = p3.carrying_add(p3, carry);
        let (d4, carry) = p4.carrying_add(p4, carry);
        let (d5, carry) = p5.carrying_add(p5, carry);
        let (d6, carry) = p6.carrying_add(p6, carry);
        let d7 = u64::from(carry);
        let (r1, carry) = d1.carrying_add(c, false);
        let (r2, carry) = d2.carrying_add(s2, carry);
        let (r3, carry) = d3.carrying_add(s3, carry);
        let (r4, carry) = d4.carrying_add(s4, carry);
        let (r5, carry) = d5.carrying_add(s5, carry);
        let (r6, carry) = d6.carrying_add(s6, carry);
        // A square of a 256-bit number has 512 bits: nothing is carried out of the last limb.
        let (r7, _) = d7.carrying_add(s7, carry);
        Self::reduce([s0, r1, r2, r3, r4, r5, r6, r7])
    }

    /// The inverse; `None` for zero.
    pub fn invert(&self) -> Option<Self> {
        let inverse = Checked::from_bytes(&FieldBytes::from(self.to_bytes())).into_option()?.invert_vartime();
        Self::from_bytes(&inverse.into_option()?.to_bytes().into())
    }

    /// The y of the points with this x, of either sign; `None` where there is none. N at once, because
    /// the squarings of one root wait for each other and those of several do not. `roots` is
    /// [`root_candidates`], or what does the same.
    pub fn curve_y<const N: usize>(x: &[Self; N], roots: impl FnOnce(&[Self; N]) -> [Self; N]) -> [Option<Self>; N] {
        let square = x.map(|x| x.square().mul(&x).add(&Self::CURVE_B));
        let mut candidates = roots(&square).into_iter().zip(square);
        core::array::from_fn(|_| {
            let (root, square) = candidates.next()?;
            root.square().equals(&square).then_some(root)
        })
    }

    /// Brings 512 bits down to 256.
    #[inline(always)]
    fn reduce(wide: [u64; 8]) -> Self {
        let [w0, w1, w2, w3, w4, w5, w6, w7] = wide;
        let (r0, c) = w4.carrying_mul(FOLD, w0);
        let (r1, c) = w5.carrying_mul_add(FOLD, w1, c);
        let (r2, c) = w6.carrying_mul_add(FOLD, w2, c);
        let (r3, c) = w7.carrying_mul_add(FOLD, w3, c);
        // c ≤ FOLD, whose square is a little above 2⁶⁴: this takes two limbs.
        let (r0, c) = c.carrying_mul(FOLD, r0);
        let (r1, carry) = r1.carrying_add(c, false);
        let (r2, carry) = r2.carrying_add(0, carry);
        let (r3, carry) = r3.carrying_add(0, carry);
        // After a carry at most FOLD² is left, so that one more FOLD cannot go beyond the second limb.
        let (r0, carry) = r0.carrying_add(fold_if(carry), false);
        Self([r0, r1.wrapping_add(carry as u64), r2, r3])
    }

    /// A sum of two elements and its carry.
    #[inline]
    fn fold_carry(sum: [u64; 4], carry: bool) -> Self {
        let [r0, r1, r2, r3] = sum;
        let (r0, carry) = r0.carrying_add(fold_if(carry), false);
        let (r1, carry) = r1.carrying_add(0, carry);
        let (r2, carry) = r2.carrying_add(0, carry);
        let (r3, carry) = r3.carrying_add(0, carry);
        // A second carry leaves a number below FOLD: no third one follows.
        Self([r0.wrapping_add(fold_if(carry)), r1, r2, r3])
    }
}

fn fold_if(bit: bool) -> u64 {
    if bit { FOLD } else { 0 }
}

/// The limbs of a big-endian number, least significant first.
pub fn limbs_from_be_bytes(bytes: &[u8; 32]) -> [u64; 4] {
    let mut limbs = [0; 4];
    for (limb, chunk) in limbs.iter_mut().rev().zip(bytes.as_chunks().0) {
        *limb = u64::from_be_bytes(*chunk);
    }
    limbs
}

/// The product of two 256-bit numbers, least significant limb first.
#[inline(always)]
pub fn product(a: &[u64; 4], b: &[u64; 4]) -> [u64; 8] {
    let [b0, b1, b2, b3] = *b;
    let [a0, a1, a2, a3] = *a;
    let (r0, c) = a0.carrying_mul(b0, 0);
    let (r1, c) = a0.carrying_mul(b1, c);
    let (r2, c) = a0.carrying_mul(b2, c);
    let (r3, r4) = a0.carrying_mul(b3, c);
    let (r1, c) = a1.carrying_mul(b0, r1);
    let (r2, c) = a1.carrying_mul_add(b1, r2, c);
    let (r3, c) = a1.carrying_mul_add(b2, r3, c);
    let (r4, r5) = a1.carrying_mul_add(b3, r4, c);
    let (r2, c) = a2.carrying_mul(b0, r2);
    let (r3, c) = a2.carrying_mul_add(b1, r3, c);
    let (r4, c) = a2.carrying_mul_add(b2, r4, c);
    let (r5, r6) = a2.carrying_mul_add(b3, r5, c);
    let (r3, c) = a3.carrying_mul(b0, r3);
    let (r4, c) = a3.carrying_mul_add(b1, r4, c);
    let (r5, c) = a3.carrying_mul_add(b2, r5, c);
    let (r6, r7) = a3.carrying_mul_add(b3, r6, c);
    [r0, r1, r2, r3, r4, r5, r6, r7]
}

/// a^((p + 1) / 16), with `step(x, n, y)` for x^(2ⁿ) · y.
///
/// In binary (p + 1) / 4 is 223 ones, a zero, 22 ones, four zeros, two ones, two zeros. The chain of
/// libsecp256k1 builds a^(2ⁿ − 1) for n = 2, 3, 6, 9, 11, 22, 44, 88, 176, 220, 223: 253 squarings, 13 products.
macro_rules! root_chain {
    ($a:expr) => {{
        let a = $a;
        let ones2 = step(a, 1, a);
        let ones3 = step(&ones2, 1, a);
        let ones6 = step(&ones3, 3, &ones3);
        let ones9 = step(&ones6, 3, &ones3);
        let ones11 = step(&ones9, 2, &ones2);
        let ones22 = step(&ones11, 11, &ones11);
        let ones44 = step(&ones22, 22, &ones22);
        let ones88 = step(&ones44, 44, &ones44);
        let ones176 = step(&ones88, 88, &ones88);
        let ones220 = step(&ones176, 44, &ones44);
        let ones223 = step(&ones220, 3, &ones3);
        step(&step(&ones223, 23, &ones22), 6, &ones2)
    }};
}
pub(super) use root_chain;

/// a^((p + 1) / 4), which is a root of `a` if there is one, because p ≡ 3 modulo 4.
pub fn root_candidates<const N: usize>(a: &[Field; N]) -> [Field; N] {
    // x^(2^squarings) · y, side by side.
    fn step<const N: usize>(x: &[Field; N], squarings: usize, y: &[Field; N]) -> [Field; N] {
        let mut result = *x;
        for _ in 0..squarings {
            for x in &mut result {
                *x = x.square();
            }
        }
        for (x, y) in result.iter_mut().zip(y) {
            *x = x.mul(y);
        }
        result
    }
    root_chain!(a).map(|x| x.square().square())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secp256k1::tests::{edges, modelled};
    use proptest::prelude::*;

    /// The same number in k256, made from its limbs without any code of this file.
    fn checked(limbs: &[u64]) -> Checked {
        let radix = Checked::from_u64(1 << 32).square();
        let append = |number: Checked, limb: &u64| (number.mul(&radix) + Checked::from_u64(*limb)).normalize();
        limbs.iter().rev().fold(Checked::ZERO, append)
    }

    fn assert_same(got: Field, expected: Checked) {
        assert_eq!(got.to_bytes(), <[u8; 32]>::from(expected.to_bytes()), "{got:?}");
    }

    fn check_one(limbs: [u64; 4]) {
        let (a, expected) = (Field(limbs), checked(&limbs));
        assert_same(a, expected);
        assert_same(a.neg(), expected.negate(1));
        assert_same(a.double(), expected.double());
        assert_same(a.triple(), expected.mul_single(3));
        assert_same(a.square(), expected.square());
        assert_eq!(a.is_zero(), bool::from(expected.normalizes_to_zero()));
        assert_eq!(a.is_odd(), bool::from(expected.normalize().is_odd()));
        match (a.invert(), expected.invert_vartime().into_option()) {
            (Some(inverse), Some(expected)) => assert_same(inverse, expected),
            (inverse, expected) => assert!(inverse.is_none() && expected.is_none()),
        }
    }

    fn check_two(a: [u64; 4], b: [u64; 4]) {
        let ((a, expected_a), (b, expected_b)) = ((Field(a), checked(&a)), (Field(b), checked(&b)));
        assert_same(a.add(&b), expected_a + expected_b);
        assert_same(a.sub(&b), expected_a + expected_b.negate(1));
        assert_same(a.mul(&b), expected_a.mul(&expected_b));
        assert_eq!(a.equals(&b), expected_a.normalize() == expected_b.normalize());
    }

    #[test]
    fn edges_are_exact() {
        let edges = edges();
        edges.iter().copied().for_each(check_one);
        for a in edges.iter().step_by(3) {
            edges.iter().for_each(|b| check_two(*a, *b));
        }
        check_two([u64::MAX; 4], [u64::MAX; 4]);
        check_two([0; 4], [u64::MAX; 4]);
    }

    #[test]
    fn every_carry_of_a_reduction_is_kept() {
        let lows = [0, 1, FOLD - 1, FOLD, u64::MAX];
        let highs = [0, 1, u64::MAX];
        let low = |i: usize| [lows[i % 5], lows[i / 5 % 5], lows[i / 25 % 5], lows[i / 125]];
        let high = |i: usize| [highs[i % 3], highs[i / 3 % 3], highs[i / 9 % 3], highs[i / 27]];
        for (low, high) in (0..625).flat_map(|i| (0..81).map(move |j| (low(i), high(j)))) {
            let wide: [u64; 8] = [low, high].concat().try_into().unwrap();
            assert_same(Field::reduce(wide), checked(&wide));
        }
        // All ones and c = FOLD − 1 after the first pass, so that FOLD · c is carried out at the top.
        let wide = [u64::MAX, u64::MAX, u64::MAX, FOLD - 1, 0, 0, 0, u64::MAX];
        assert_same(Field::reduce(wide), checked(&wide));
        // What is left after that carry is just below 2⁶⁴, so that the last FOLD is carried into the second
        // limb. No random number gets there.
        for more in [0, 1, FOLD - 1] {
            let mut wide = [u64::MAX; 8];
            wide[0] = 0xffff_f85d_fff1_6f5f + more;
            assert_same(Field::reduce(wide), checked(&wide));
        }
    }

    /// Two numbers of four limbs.
    fn pair(words: &[u64]) -> ([u64; 4], [u64; 4]) {
        (words[..4].try_into().unwrap(), words[4..].try_into().unwrap())
    }

    #[test]
    fn the_proven_models_are_this_arithmetic() {
        for (words, expected) in modelled("add") {
            let (a, b) = pair(&words);
            assert_eq!(Field(a).add(&Field(b)).0[..], expected, "{words:x?}");
        }
        for (words, expected) in modelled("sub") {
            let (a, b) = pair(&words);
            assert_eq!(Field(a).sub(&Field(b)).0[..], expected, "{words:x?}");
        }
        for (words, expected) in modelled("product") {
            let (a, b) = pair(&words);
            assert_eq!(product(&a, &b)[..], expected, "{words:x?}");
        }
        for (words, expected) in modelled("square") {
            assert_eq!(Field(words[..].try_into().unwrap()).square().0[..], expected, "{words:x?}");
        }
        for (words, expected) in modelled("reduce") {
            assert_eq!(Field::reduce(words[..].try_into().unwrap()).0[..], expected, "{words:x?}");
        }
    }

    #[test]
    fn only_numbers_below_p_are_read() {
        let bytes = |low: u64| Field([low, u64::MAX, u64::MAX, u64::MAX]).0.map(u64::to_be_bytes);
        let read = |low: u64| {
            let mut limbs = bytes(low);
            limbs.reverse();
            Field::from_bytes(&limbs.concat().try_into().unwrap())
        };
        assert!(read(MODULUS[0] - 1).is_some_and(|x| x.equals(&Field::ONE.neg())));
        assert!(read(MODULUS[0]).is_none());
        assert!(read(MODULUS[0] + 1).is_none());
        assert!(read(u64::MAX).is_none());
        assert!(Field::from_bytes(&[0; 32]).is_some_and(|x| x.is_all_zero_bits()));
    }

    proptest! {
        #[test]
        fn any_numbers_agree_with_k256(a in any::<[u64; 4]>(), b in any::<[u64; 4]>(), wide in any::<[u64; 8]>()) {
            check_one(a);
            check_two(a, b);
            assert_same(Field::reduce(wide), checked(&wide));
        }

        #[test]
        fn roots_are_those_of_k256(a in any::<[u64; 4]>(), b in any::<[u64; 4]>()) {
            let x = [Field(a), Field(b)];
            for (y, limbs) in Field::curve_y(&x, root_candidates).into_iter().zip([a, b]) {
                let x = checked(&limbs);
                let square = (x.square().mul(&x) + Checked::from_u64(7)).normalize();
                match (y, square.sqrt().into_option()) {
                    (Some(y), Some(expected)) => assert_same(y, expected),
                    (y, expected) => prop_assert!(y.is_none() && expected.is_none()),
                }
            }
        }
    }
}
