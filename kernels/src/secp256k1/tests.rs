//! Points that tests use, here and in k256, and what was proven of the arithmetic.

use super::field::{FOLD, MODULUS, root_candidates};
use super::point::Point;
use k256::{ProjectivePoint, Scalar, elliptic_curve::ff::PrimeField, elliptic_curve::point::AffineCoordinates};
use sha2::{Digest, Sha256};
use std::vec::Vec;

type Coordinates = Option<([u8; 32], [u8; 32])>;

/// What the models in tests/spec, of which ranges and the absence of overflow are proven, make of their inputs: the
/// words of each line of that name, before and after its `=`.
pub fn modelled(name: &str) -> Vec<(Vec<u64>, Vec<u64>)> {
    fn words(text: &str) -> Vec<u64> {
        text.split_whitespace().map(|word| u64::from_str_radix(word, 16).unwrap()).collect()
    }
    let lines = include_str!("../../tests/vectors/arithmetic.txt").lines();
    let of_that_name = lines.filter_map(|line| line.split_once(' ')).filter(|(first, _)| *first == name);
    let vectors: Vec<_> = of_that_name
        .map(|(_, rest)| rest.split_once('=').map(|(inputs, results)| (words(inputs), words(results))).unwrap())
        .collect();
    assert!(!vectors.is_empty(), "no vector is called {name}");
    vectors
}

/// Numbers around 0, p and 2²⁵⁶, and such that carries run through all limbs.
pub fn edges() -> Vec<[u64; 4]> {
    let p = MODULUS[0];
    let lows = [0, 1, 2, FOLD - 1, FOLD, FOLD + 1, p - 1, p, p + 1, u64::MAX - 1, u64::MAX, 1 << 63];
    let highs = [0, 1, FOLD, 1 << 63, u64::MAX - 1, u64::MAX];
    lows.iter().flat_map(|low| highs.iter().flat_map(|mid| highs.map(|high| [*low, *mid, *mid, high]))).collect()
}

/// The x of the n-th test point.
fn x(n: i64) -> [u8; 32] {
    let secret = Sha256::digest([b"key".as_slice(), &n.unsigned_abs().to_le_bytes()].concat());
    let secret = Scalar::from_repr(secret).unwrap();
    (ProjectivePoint::GENERATOR * secret).to_affine().x().into()
}

/// The n-th test point: the identity for 0, and −n is opposite to n.
pub fn point(n: i64) -> Point {
    if n == 0 {
        return Point::IDENTITY;
    }
    let [point] = Point::lift(&[x(n)], root_candidates);
    point.unwrap().negated_if(n < 0)
}

/// The same point in k256.
pub fn projective(n: i64) -> ProjectivePoint {
    if n == 0 {
        return ProjectivePoint::IDENTITY;
    }
    let key = k256::schnorr::VerifyingKey::from_slice(&x(n)).unwrap();
    let point = ProjectivePoint::from(*key.as_affine());
    if n < 0 { -point } else { point }
}

pub fn coordinates(point: &ProjectivePoint) -> Coordinates {
    let affine = point.to_affine();
    (*point != ProjectivePoint::IDENTITY).then(|| (affine.x().into(), affine.y().into()))
}
