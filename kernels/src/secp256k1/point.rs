//! Points of secp256k1: affine ones, which are stored and added by the thousand, and Jacobian ones, in
//! which one running total is doubled and added to.
//!
//! No addition here is "almost always right". Who signs chooses the points, so equal points, opposite
//! points and the identity are cases of their own everywhere.

use super::field::Field;

/// β, a cube root of one: λ·(x, y) = (β·x, y) for the λ of [`super::glv`].
const BETA: Field =
    Field::from_limbs([0xc139_6c28_7195_01ee, 0x9cf0_4975_12f5_8995, 0x6e64_479e_ac34_34e9, 0x7ae9_6a2b_657c_0710]);

/// The coordinates of the generator, the least significant limb first.
const GENERATOR_X: [u64; 4] =
    [0x59f2_815b_16f8_1798, 0x029b_fcdb_2dce_28d9, 0x55a0_6295_ce87_0b07, 0x79be_667e_f9dc_bbac];
const GENERATOR_Y: [u64; 4] =
    [0x9c47_d08f_fb10_d4b8, 0xfd17_b448_a685_5419, 0x5da4_fbfc_0e11_08a8, 0x483a_da77_26a3_c465];

/// A point in affine coordinates. The identity is (0, 0) in zero bits, which no point on the curve is:
/// the order is odd, so there is no point with y = 0.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    x: Field,
    y: Field,
}

/// What adding two points comes to.
pub enum Addition {
    /// Known without a division: one of them is the identity, or they cancel.
    Known(Point),
    /// The line through both has the slope Δy / Δx; here is Δx, not zero.
    Chord(Field),
    /// They are equal, and the tangent has the slope 3x² / 2y; here is 2y, not zero.
    Tangent(Field),
}

impl Point {
    /// The point at infinity.
    pub const IDENTITY: Self = Self { x: Field::ZERO, y: Field::ZERO };

    /// The generator of BIP340.
    pub const GENERATOR: Self = Self { x: Field::from_limbs(GENERATOR_X), y: Field::from_limbs(GENERATOR_Y) };

    /// `lift_x` of BIP340, N at once: the points with these x and an even y; `None` for an x of p or more
    /// and where the curve has no such point. `roots` as for [`Field::curve_y`].
    pub(super) fn lift<const N: usize>(
        x: &[[u8; 32]; N],
        roots: impl FnOnce(&[Field; N]) -> [Field; N],
    ) -> [Option<Self>; N] {
        let read = x.each_ref().map(Field::from_bytes);
        let roots = Field::curve_y(&read.map(|x| x.unwrap_or(Field::ZERO)), roots);
        let mut points = read.into_iter().zip(roots).map(|(x, y)| {
            let (x, y) = (x?, y?);
            Some(Self { x, y: if y.is_odd() { y.neg() } else { y } })
        });
        core::array::from_fn(|_| points.next().flatten())
    }

    /// The limbs of x, then those of y.
    #[cfg(target_arch = "x86_64")]
    #[inline]
    pub(super) fn words(&self) -> [u64; 8] {
        let ([x0, x1, x2, x3], [y0, y1, y2, y3]) = (*self.x.limbs(), *self.y.limbs());
        [x0, x1, x2, x3, y0, y1, y2, y3]
    }

    /// From the limbs of x, then those of y.
    #[cfg(target_arch = "x86_64")]
    #[inline]
    pub(super) fn from_words([x0, x1, x2, x3, y0, y1, y2, y3]: [u64; 8]) -> Self {
        Self { x: Field::from_limbs([x0, x1, x2, x3]), y: Field::from_limbs([y0, y1, y2, y3]) }
    }

    #[inline]
    pub(super) fn is_identity(&self) -> bool {
        self.y.is_all_zero_bits()
    }

    #[inline]
    pub(super) fn negated_if(&self, negate: bool) -> Self {
        // The identity stays in zero bits: 0 − 0 is.
        Self { x: self.x, y: if negate { self.y.neg() } else { self.y } }
    }

    /// λ times this point.
    pub(super) fn endomorphism(&self) -> Self {
        // The product of zero bits is zero bits.
        Self { x: self.x.mul(&BETA), y: self.y }
    }

    /// How to add `other`.
    #[inline]
    pub(super) fn addition(&self, other: &Self) -> Addition {
        let run = other.x.sub(&self.x);
        if self.is_identity() {
            Addition::Known(*other)
        } else if other.is_identity() {
            Addition::Known(*self)
        } else if !run.is_zero() {
            Addition::Chord(run)
        } else if self.y.equals(&other.y) {
            Addition::Tangent(self.y.double())
        } else {
            // Two points with one x are equal or opposite.
            Addition::Known(Self::IDENTITY)
        }
    }

    /// The sum with another point, by their chord; `inverse` is that of Δx.
    #[inline]
    pub(super) fn along_chord(&self, other: &Self, inverse: &Field) -> Self {
        self.along(&other.x, &other.y.sub(&self.y).mul(inverse))
    }

    /// Twice this point, by its tangent; `inverse` is that of 2y.
    #[inline]
    pub(super) fn along_tangent(&self, inverse: &Field) -> Self {
        self.along(&self.x, &self.x.square().triple().mul(inverse))
    }

    /// The sum with the point at `other_x`, by the slope of the line through both. Its y is not zero bits:
    /// it is a point on the curve.
    #[inline]
    fn along(&self, other_x: &Field, slope: &Field) -> Self {
        let x = slope.square().sub(&self.x).sub(other_x);
        let y = slope.mul(&self.x.sub(&x)).sub(&self.y);
        Self { x, y }
    }
}

/// A point in Jacobian coordinates: (x / z², y / z³), the identity where z = 0.
#[derive(Clone, Copy, Debug)]
pub struct Jacobian {
    x: Field,
    y: Field,
    z: Field,
}

impl Jacobian {
    pub const IDENTITY: Self = Self { x: Field::ONE, y: Field::ONE, z: Field::ZERO };

    pub fn is_identity(&self) -> bool {
        self.z.is_zero()
    }

    /// Twice this point ("dbl-2009-l" of the Explicit-Formulas Database). The identity stays the identity.
    pub fn double(&self) -> Self {
        let xx = self.x.square();
        let yy = self.y.square();
        let yyyy = yy.square();
        let d = self.x.add(&yy).square().sub(&xx).sub(&yyyy).double();
        let e = xx.triple();
        let x = e.square().sub(&d.double());
        let y = e.mul(&d.sub(&x)).sub(&yyyy.double().double().double());
        Self { x, y, z: self.y.mul(&self.z).double() }
    }

    /// The sum with an affine point.
    pub fn add(&self, other: &Point) -> Self {
        if other.is_identity() {
            return *self;
        }
        if self.is_identity() {
            return Self { x: other.x, y: other.y, z: Field::ONE };
        }
        let zz = self.z.square();
        let run = other.x.mul(&zz).sub(&self.x);
        let rise = other.y.mul(&zz).mul(&self.z).sub(&self.y);
        if run.is_zero() {
            return if rise.is_zero() { self.double() } else { Self::IDENTITY };
        }
        let run2 = run.square();
        let run3 = run.mul(&run2);
        let v = self.x.mul(&run2);
        let x = rise.square().sub(&run3).sub(&v.double());
        let y = rise.mul(&v.sub(&x)).sub(&self.y.mul(&run3));
        Self { x, y, z: self.z.mul(&run) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secp256k1::tests::{coordinates, point, projective};
    use k256::ProjectivePoint;

    impl Point {
        /// The coordinates, big-endian; `None` for the identity.
        pub(crate) fn coordinates(&self) -> Option<([u8; 32], [u8; 32])> {
            (!self.is_identity()).then(|| (self.x.to_bytes(), self.y.to_bytes()))
        }
    }

    impl Jacobian {
        /// The same point in affine coordinates.
        pub(crate) fn to_affine(self) -> Point {
            let Some(inverse) = self.z.invert() else { return Point::IDENTITY };
            let square = inverse.square();
            Point { x: self.x.mul(&square), y: self.y.mul(&square).mul(&inverse) }
        }
    }

    /// a + b with the general formula that [`Addition`] calls for.
    fn affine_sum(a: &Point, b: &Point) -> Point {
        match a.addition(b) {
            Addition::Known(sum) => sum,
            Addition::Chord(run) => a.along_chord(b, &run.invert().unwrap()),
            Addition::Tangent(run) => a.along_tangent(&run.invert().unwrap()),
        }
    }

    #[test]
    fn all_pairs_of_points_add_exactly() {
        let pairs = (-3..=3).flat_map(|a| (-3..=3).map(move |b| (a, b)));
        for (a, b) in pairs {
            let expected = coordinates(&(projective(a) + projective(b)));
            let (left, right) = (point(a), point(b));
            assert_eq!(affine_sum(&left, &right).coordinates(), expected, "{a} + {b}");
            // Once with z = 1, and once with another z, by a detour over a third point.
            let sum = Jacobian::IDENTITY.add(&left).add(&right);
            assert_eq!(sum.to_affine().coordinates(), expected, "{a} + {b}");
            let detour = Jacobian::IDENTITY.add(&point(9)).add(&left).add(&point(-9)).add(&right);
            assert_eq!(detour.to_affine().coordinates(), expected, "{a} + {b}");
            assert_eq!(detour.is_identity(), expected.is_none());
            let twice = coordinates(&(projective(a) + projective(b)).double());
            assert_eq!(detour.double().to_affine().coordinates(), twice, "2({a} + {b})");
        }
    }

    #[test]
    fn the_generator_and_the_endomorphism_are_those_of_k256() {
        assert_eq!(Point::GENERATOR.coordinates(), coordinates(&ProjectivePoint::GENERATOR));
        assert_eq!(point(1).endomorphism().coordinates(), coordinates(&projective(1).endomorphism()));
        assert!(Point::IDENTITY.endomorphism().is_identity());
        assert!(Point::IDENTITY.negated_if(true).is_identity());
    }
}
