//! Square roots for many points at once.

use super::ifma::{Ifma, ROOTS};
use super::{field::root_candidates, point::Point};
use alloc::vec::Vec;

/// Points that are lifted side by side: their square roots overlap, and more than four gain nothing.
const LIFTED_AT_ONCE: usize = 4;

/// `lift_x` of BIP340 for each: the point with this x, big-endian, and an even y; `None` for an x of p or more and
/// where the curve has no such point.
pub fn lift_each(x: &[[u8; 32]]) -> Vec<Option<Point>> {
    let mut points = Vec::with_capacity(x.len());
    let mut rest = x;
    if let Some(ifma) = Ifma::detect() {
        let (groups, few) = rest.as_chunks::<ROOTS>();
        points.extend(groups.iter().flat_map(|x| Point::lift(x, |squares| ifma.root_candidates(squares))));
        rest = few;
    }
    let (groups, few) = rest.as_chunks::<LIFTED_AT_ONCE>();
    points.extend(groups.iter().flat_map(|x| Point::lift(x, root_candidates)));
    let (ones, _) = few.as_chunks::<1>();
    points.extend(ones.iter().flat_map(|x| Point::lift(x, root_candidates)));
    points
}
