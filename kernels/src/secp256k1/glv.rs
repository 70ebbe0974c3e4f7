//! Scalars cut in two with the endomorphism of secp256k1 (Gallant, Lambert, Vanstone, CRYPTO 2001).
//!
//! λ·(x, y) costs one product ([`Point::endomorphism`](super::point::Point::endomorphism)), and every scalar
//! k is k₁ + k₂·λ modulo n with |k₁|, |k₂| < 2¹²⁸: one multiplication by 256 bits becomes two by 128, which
//! halves the doublings and lets key terms be as short as those of R, whose weights have 128 bits anyway.
//!
//! The short vectors (a₁, b₁), (a₂, b₂) with aᵢ + bᵢ·λ ≡ 0 are those of libsecp256k1, and so is the proof of
//! the bounds: with c₁ = ⌊k·b₂/n⌉ and c₂ = ⌊−k·b₁/n⌉, k₂ = −c₁·b₁ − c₂·b₂ and k₁ = k − k₂·λ,
//! |k₁| < (a₁ + a₂ + 1)/2 < 2¹²⁸ and |k₂| < (−b₁ + b₂)/2 + 1 < 2¹²⁸. The divisions by n are products with
//! ⌊2³⁸⁴·b/n⌉, precise enough for every k.

use super::field::{limbs_from_be_bytes, product};
use k256::elliptic_curve::scalar::{FromUintUnchecked, IsHigh};
use k256::{Scalar, U256, elliptic_curve::ff::PrimeField};

/// A number between −2¹²⁸ and 2¹²⁸.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Half {
    pub negative: bool,
    pub magnitude: u128,
}

const MINUS_LAMBDA: U256 = U256::from_be_hex("ac9c52b33fa3cf1f5ad9e3fd77ed9ba4a880b9fc8ec739c2e0cfc810b51283cf");
const MINUS_B1: U256 = U256::from_be_hex("00000000000000000000000000000000e4437ed6010e88286f547fa90abfe4c3");
const MINUS_B2: U256 = U256::from_be_hex("fffffffffffffffffffffffffffffffe8a280ac50774346dd765cda83db1562c");

/// ⌊2³⁸⁴·b₂/n⌉ and ⌊−2³⁸⁴·b₁/n⌉, the least significant limb first.
const G1: [u64; 4] = [0xe893_209a_45db_b031, 0x3daa_8a14_71e8_ca7f, 0xe86c_90e4_9284_eb15, 0x3086_d221_a7d4_6bcd];
const G2: [u64; 4] = [0x1571_b4ae_8ac4_7f71, 0x2212_08ac_9df5_06c6, 0x6f54_7fa9_0abf_e4c4, 0xe443_7ed6_010e_8828];

/// k₁ and k₂ with k = k₁ + k₂·λ; `None` never, because of the bounds.
pub fn split(k: &Scalar) -> Option<[Half; 2]> {
    let limbs = limbs_from_be_bytes(&k.to_repr().into());
    let c1 = rounded_product(&limbs, &G1).mul(&Scalar::from_uint_unchecked(MINUS_B1));
    let c2 = rounded_product(&limbs, &G2).mul(&Scalar::from_uint_unchecked(MINUS_B2));
    let k2 = Scalar::add(&c1, &c2);
    let k1 = Scalar::add(k, &k2.mul(&Scalar::from_uint_unchecked(MINUS_LAMBDA)));
    Some([half(&k1)?, half(&k2)?])
}

/// ⌊a·b / 2³⁸⁴⌉, which is below 2¹²⁸.
fn rounded_product(a: &[u64; 4], b: &[u64; 4]) -> Scalar {
    let [.., round, low, high] = product(a, b);
    let (low, carry) = low.carrying_add(round >> 63, false);
    // `high` is below 2⁶⁴ − 1 for both constants, so the rounding never leaves it.
    let (high, _) = high.carrying_add(0, carry);
    Scalar::from(u128::from(high) << 64 | u128::from(low))
}

/// The representative of least magnitude.
fn half(k: &Scalar) -> Option<Half> {
    let negative = bool::from(k.is_high());
    let magnitude = if negative { k.negate() } else { *k };
    let [low, high, 0, 0] = limbs_from_be_bytes(&magnitude.to_repr().into()) else { return None };
    Some(Half { negative, magnitude: u128::from(high) << 64 | u128::from(low) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use k256::elliptic_curve::Field;
    use proptest::prelude::*;

    /// (a₁ + a₂ + 1)/2 and (−b₁ + b₂)/2 + 1.
    const BOUNDS: [u128; 2] = [0xa2a8_918c_a85b_afe2_2016_d0b9_17e4_dd77, 0x8a65_287b_d471_79fb_2be0_8846_cea2_67ed];

    fn check(k: Scalar) {
        let halves = split(&k).unwrap();
        let [k1, k2] = halves.map(|half| {
            let magnitude = Scalar::from(half.magnitude);
            if half.negative { -magnitude } else { magnitude }
        });
        assert_eq!(k1 - k2 * Scalar::from_uint_unchecked(MINUS_LAMBDA), k);
        for (half, bound) in halves.iter().zip(BOUNDS) {
            assert!(half.magnitude < bound, "{halves:?}");
        }
    }

    #[test]
    fn scalars_at_the_corners_of_the_lattice_stay_within_the_bounds() {
        // The largest halves are those of k = k₁ + k₂·λ for (k₁, k₂) at the corners of the cell around
        // zero: half of (a₁, b₁) ± half of (a₂, b₂), where the roundings tip over.
        let lambda = -Scalar::from_uint_unchecked(MINUS_LAMBDA);
        let half = Scalar::from(2_u64).invert().unwrap();
        let (a1, minus_b1) =
            (Scalar::from(0x3086_d221_a7d4_6bcd_e86c_90e4_9284_eb15_u128), Scalar::from_uint_unchecked(MINUS_B1));
        let a2 = Scalar::from(0x14ca_50f7_a8e2_f3f6_57c1_108d_9d44_cfd8_u128) + Scalar::from(1_u128 << 127).double();
        assert_eq!(a1 - minus_b1 * lambda, Scalar::ZERO, "a short vector");
        assert_eq!(a2 + a1 * lambda, Scalar::ZERO, "the other one; b₂ is a₁");
        // Half of an odd number is no integer: what is left is rounded down first.
        let halved = |k: Scalar| if bool::from(k.is_odd()) { (k - Scalar::ONE) * half } else { k * half };
        let firsts = [halved(a1 + a2), halved(a2 - a1)];
        let seconds = [halved(minus_b1 + a1), halved(minus_b1 - a1)];
        for (k1, k2) in firsts.into_iter().flat_map(|k1| seconds.map(|k2| (k1, k2))) {
            for offset in 0..7_u64 {
                let near = |k: Scalar| k + Scalar::from(offset) - Scalar::from(3_u64);
                for (k1, k2) in [(near(k1), k2), (k1, near(k2)), (near(k1), near(k2))] {
                    [k1 + k2 * lambda, k1 - k2 * lambda, k2 * lambda - k1, -(k1 + k2 * lambda)]
                        .into_iter()
                        .for_each(check);
                }
            }
        }
    }

    #[test]
    fn a_rounding_is_carried_into_the_upper_limb() {
        // Three quarters above a multiple of 2⁶⁴, less one: two for G1, two for G2.
        for k in [
            "000000000000000546840c7dd2a0e304e41a64de1d2805a3112d897219224900",
            "000000000600963b29855d472bfb18010509ebea43524c3f744c816a6022d0ef",
            "00000000000000011f1b49aafb81298991f3d625edbac18935457e15db3b8937",
            "000000000146a9da9c319d6738dc5d533e36328f0a9c3480e7da6aa981ee97c4",
        ] {
            check(Scalar::from_uint_unchecked(U256::from_be_hex(k)));
        }
    }

    #[test]
    fn scalars_with_short_halves_split() {
        let lambda = -Scalar::from_uint_unchecked(MINUS_LAMBDA);
        let third = Scalar::from(3_u64).invert().unwrap();
        let half = Scalar::from(2_u64).invert().unwrap();
        for k in [Scalar::ZERO, Scalar::ONE, lambda, lambda + Scalar::ONE, third, half, half - Scalar::ONE] {
            [k, -k, k - Scalar::ONE].into_iter().for_each(check);
        }
        (0..256).scan(Scalar::ONE, |power, _| Some(core::mem::replace(power, power.double()))).for_each(|power| {
            [power, -power, power - Scalar::ONE].into_iter().for_each(check);
        });
    }

    proptest! {
        #[test]
        fn any_scalar_splits(limbs in any::<[u64; 4]>()) {
            let limbs = limbs.map(Scalar::from);
            let radix = Scalar::from(1_u128 << 64);
            check(limbs.iter().fold(Scalar::ZERO, |k, limb| k * radix + limb));
        }
    }
}
