//! Sums of many multiples of points, Σ kᵢ·Pᵢ: Pippenger's buckets, with all additions affine.
//!
//! The scalars are cut into windows of c bits with digits from −2^(c−1) to 2^(c−1). Within a window, all
//! points with the digit ±j, negated if need be, go into bucket j; the window comes to Σ j·Bⱼ. No point
//! is ever doubled for its own sake, so that a term costs hardly more than one addition a window.
//!
//! An affine addition is six products and one inversion, and a thousand inversions cost one and three
//! products each (Montgomery's trick). So everything is arranged as *rounds* of additions that do not
//! depend on each other:
//! - **Buckets.** The points of a window are sorted by bucket, and each bucket is a run of them; in round
//!   r the points 2ʳ apart are added pairwise, into the left one, until each run has come down to its
//!   first place. However unevenly digits fall, n points are added in ⌈log₂ n⌉ rounds.
//! - **Windows.** Σ j·Bⱼ is put together bit by bit: Oₜ is the sum of the buckets j − 1 of which bit t is
//!   set, T of all buckets, and the window comes to T + Σ 2ᵗ·Oₜ. A block of 2ʳ buckets keeps its T in its
//!   place 0 and its Oₜ in place 2ᵗ; two neighbours are joined by adding these places (the T of the right
//!   one stays where it is, and is Oᵣ). This takes as many additions as the usual running sum, but c − 1 rounds.
//!
//! Last, one Jacobian total runs down the bits of all windows: doubled at each, with Oₜ added.
//!
//! Equal points, opposite points and the identity may stand anywhere: no case is taken for improbable
//! because the scalars are random.
//!
//! Sources: Pippenger, "On the evaluation of powers and related problems" (1976); Bernstein, Doumen, Lange,
//! Oosterwijk, "Faster batch forgery identification" (2012); affine buckets with shared inversions as in
//! Aztec's barretenberg and in gnark-crypto.

use super::field::Field;
use super::ifma::{Chord, Ifma, Scratch};
use super::point::{Addition, Jacobian, Point};
use alloc::{vec, vec::Vec};
use core::ops::Range;

/// k·P.
#[derive(Clone, Copy, Debug)]
pub struct Term {
    pub point: Point,
    pub scalar: u128,
}

/// Bits in a scalar, and one for what the last digit carries.
const SCALAR_BITS: u32 = 129;

/// So many windows are made at once that they hold about this many points, of 64 bytes: few enough to
/// stay in the cache, enough for the rounds of a small sum to share their inversions.
const POINTS_AT_ONCE: usize = 8192;

/// Additions that share one inversion, which takes as long as some twenty of them. More would no longer fit
/// the innermost cache.
const ADDITIONS_PER_INVERSION: usize = 512;

/// Fewer chords than this are added one after the other: lanes that stay empty cost as much as full ones.
const FEWEST_IN_LANES: usize = 4;

/// The sum of all terms. `None` never: it stands for a place outside of a list, and says so to the caller
/// instead of leaving a point out.
pub fn sum(terms: &[Term]) -> Option<Jacobian> {
    sum_by_windows(Window::for_terms(terms.len()), terms, Ifma::detect())
}

fn sum_by_windows(window: Window, terms: &[Term], ifma: Option<Ifma>) -> Option<Jacobian> {
    let digits = window.recode(terms);
    let windows_at_once = POINTS_AT_ONCE.checked_div(terms.len()).unwrap_or(1).max(1);
    let mut adder = Adder { ifma, ..Adder::default() };
    let mut total = Jacobian::IDENTITY;
    // The most significant windows come first, because the total is doubled on its way down.
    for columns in digits.chunks(windows_at_once.saturating_mul(terms.len().max(1))) {
        let mut buckets = adder.sum_buckets(terms, columns, window)?;
        adder.fold_windows(&mut buckets, window)?;
        for sums in buckets.chunks(window.buckets()) {
            total = window.append(&total, sums)?;
        }
    }
    Some(total)
}

/// How scalars are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    bits: u32,
}

impl Window {
    /// The cheapest for this many terms: each window adds each term once and each bucket about once more.
    fn for_terms(terms: usize) -> Self {
        let additions = |window: &Self| window.count().saturating_mul(terms.saturating_add(window.buckets()));
        Self::all().min_by_key(additions).unwrap_or(Self { bits: 8 })
    }

    /// More than 14 bits pay for no batch that anyone makes, and a digit must fit 16.
    fn all() -> impl Iterator<Item = Self> {
        (2..=14).map(|bits| Self { bits })
    }

    /// Windows in a scalar.
    const fn count(self) -> usize {
        SCALAR_BITS.div_ceil(self.bits) as usize
    }

    /// Buckets in a window, one for each magnitude of a digit but zero.
    const fn buckets(self) -> usize {
        1_usize.wrapping_shl(self.bits.wrapping_sub(1))
    }

    /// The digits of all terms, in one column for each window, most significant window first.
    fn recode(self, terms: &[Term]) -> Vec<i16> {
        let mut digits = vec![0; self.count().saturating_mul(terms.len())];
        let mut rest: Vec<(u128, bool)> = terms.iter().map(|term| (term.scalar, false)).collect();
        let half = self.buckets() as u128;
        let mask = half.wrapping_shl(1).wrapping_sub(1);
        for column in digits.chunks_mut(terms.len().max(1)).rev() {
            for (digit, (scalar, carry)) in column.iter_mut().zip(&mut rest) {
                let raw = (*scalar & mask).wrapping_add(u128::from(*carry));
                *scalar = scalar.wrapping_shr(self.bits);
                // A digit above the half becomes a negative one, and the next digit one more.
                *carry = raw > half;
                let negative_by = if *carry { half.wrapping_shl(1) } else { 0 };
                *digit = raw.wrapping_sub(negative_by) as i16;
            }
        }
        digits
    }

    /// 2ᶜ·total + T + Σ 2ᵗ·Oₜ for the sums of a folded window.
    fn append(self, total: &Jacobian, sums: &[Point]) -> Option<Jacobian> {
        let mut total = *total;
        for bit in (0..self.bits).rev() {
            total = total.double();
            // The topmost bit of a window only doubles: j − 1 has one bit less.
            if let Some(sum) = sums.get(1_usize.wrapping_shl(bit)) {
                total = total.add(sum);
            }
        }
        Some(total.add(sums.first()?))
    }
}

/// The bucket of a digit; none for zero.
fn bucket(digit: i16) -> Option<usize> {
    usize::from(digit.unsigned_abs()).checked_sub(1)
}

/// An addition waiting for the inverse of its denominator.
struct Pending {
    left: usize,
    right: usize,
    tangent: bool,
    denominator: Field,
    /// The product of all denominators before.
    before: Field,
}

impl Pending {
    fn new(left: usize, right: usize, tangent: bool, denominator: Field) -> Self {
        Self { left, right, tangent, denominator, before: Field::ONE }
    }
}

/// Points in a row, sorted by bucket, and the run of each bucket of each window in it.
struct Sorted {
    points: Vec<Point>,
    runs: Vec<Range<usize>>,
}

impl Sorted {
    /// Puts ±P in the bucket of its digit, for all terms in each column.
    fn new(terms: &[Term], columns: &[i16], window: Window) -> Option<Self> {
        let mut points = vec![Point::IDENTITY; columns.len()];
        let mut runs = Vec::with_capacity(columns.len().checked_div(terms.len())?.saturating_mul(window.buckets()));
        let mut start = 0_usize;
        for column in columns.chunks(terms.len()) {
            let mut sizes = vec![0_usize; window.buckets()];
            for bucket in column.iter().filter_map(|digit| bucket(*digit)) {
                let size = sizes.get_mut(bucket)?;
                *size = size.wrapping_add(1);
            }
            let mut places = sizes;
            for place in &mut places {
                let run = start..start.wrapping_add(*place);
                *place = run.start;
                start = run.end;
                runs.push(run);
            }
            for (digit, term) in column.iter().zip(terms) {
                if let Some(bucket) = bucket(*digit) {
                    let place = places.get_mut(bucket)?;
                    *points.get_mut(*place)? = term.point.negated_if(*digit < 0);
                    *place = place.wrapping_add(1);
                }
            }
        }
        Some(Self { points, runs })
    }

    /// The sum of each bucket, once it is in the first place of its run.
    fn firsts(&self) -> Option<Vec<Point>> {
        let first =
            |run: &Range<usize>| if run.is_empty() { Some(&Point::IDENTITY) } else { self.points.get(run.start) };
        self.runs.iter().map(|run| first(run).copied()).collect()
    }
}

/// The lists that rounds of additions work with, kept from one round to the next.
#[derive(Default)]
struct Adder {
    /// Whether chords are added many at a time.
    ifma: Option<Ifma>,
    pairs: Vec<(usize, usize)>,
    chords: Vec<Chord>,
    pending: Vec<Pending>,
    scratch: Scratch,
}

impl Adder {
    /// The sums of all buckets of all windows in `columns`.
    fn sum_buckets(&mut self, terms: &[Term], columns: &[i16], window: Window) -> Option<Vec<Point>> {
        let mut sorted = Sorted::new(terms, columns, window)?;
        for apart in powers_of_two() {
            self.pairs.clear();
            for run in &sorted.runs {
                let lefts = run.clone().step_by(apart.wrapping_shl(1));
                let rights = (run.start.wrapping_add(apart)..run.end).step_by(apart.wrapping_shl(1));
                self.pairs.extend(lefts.zip(rights));
            }
            if self.pairs.is_empty() {
                break;
            }
            self.add_pairs(&mut sorted.points)?;
        }
        sorted.firsts()
    }

    /// Joins the buckets of each window block by block: T comes to its place 0, Oₜ to its place 2ᵗ.
    fn fold_windows(&mut self, buckets: &mut [Point], window: Window) -> Option<()> {
        for apart in powers_of_two().take_while(|apart| *apart < window.buckets()) {
            self.pairs.clear();
            for block in (0..buckets.len()).step_by(apart.wrapping_shl(1)) {
                let kept = core::iter::once(0).chain(powers_of_two().take_while(|place| *place < apart));
                let lefts = kept.map(|place| block.wrapping_add(place));
                self.pairs.extend(lefts.map(|left| (left, left.wrapping_add(apart))));
            }
            self.add_pairs(buckets)?;
        }
        Some(())
    }

    /// Adds the right point of each pair to its left one. A place is in one pair at most.
    ///
    /// All cases are exact. What needs no division is settled at once; the denominators of the others are
    /// not zero ([`Point::addition`]), so neither is their product, and one inverse gives all.
    fn add_pairs(&mut self, points: &mut [Point]) -> Option<()> {
        let Self { ifma, pairs, chords, pending, scratch } = self;
        for pairs in pairs.chunks(ADDITIONS_PER_INVERSION) {
            chords.clear();
            pending.clear();
            for &(left, right) in pairs {
                match points.get(left)?.addition(points.get(right)?) {
                    Addition::Chord(run) => chords.push(Chord { left, right, run }),
                    Addition::Tangent(denominator) => pending.push(Pending::new(left, right, true, denominator)),
                    Addition::Known(sum) => *points.get_mut(left)? = sum,
                }
            }
            match ifma {
                Some(ifma) if chords.len() >= FEWEST_IN_LANES => ifma.add_chords(points, chords, scratch)?,
                _ => pending.extend(chords.iter().map(|it| Pending::new(it.left, it.right, false, it.run))),
            }
            add_pending(points, pending)?;
        }
        Some(())
    }
}

/// Adds what waits for an inverse, all with one inversion.
fn add_pending(points: &mut [Point], pending: &mut [Pending]) -> Option<()> {
    if pending.is_empty() {
        return Some(());
    }
    let mut product = Field::ONE;
    for addition in pending.iter_mut() {
        addition.before = product;
        product = product.mul(&addition.denominator);
    }
    // Backwards, `inverse` is that of the product of all denominators up to this one.
    let mut inverse = product.invert()?;
    for addition in pending.iter().rev() {
        let this = inverse.mul(&addition.before);
        inverse = inverse.mul(&addition.denominator);
        let (left, right) = (points.get(addition.left)?, points.get(addition.right)?);
        let sum = if addition.tangent { left.along_tangent(&this) } else { left.along_chord(right, &this) };
        *points.get_mut(addition.left)? = sum;
    }
    Some(())
}

fn powers_of_two() -> impl Iterator<Item = usize> {
    core::iter::successors(Some(1_usize), |power| power.checked_mul(2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secp256k1::tests::{coordinates, modelled, point, projective};
    use k256::{ProjectivePoint, Scalar};
    use proptest::prelude::*;
    use std::vec::Vec;

    /// The n-th test point, the identity for 0, and for negative n the opposite; times a scalar.
    type Plain = (i64, u128);

    #[test]
    fn the_proven_model_cuts_scalars_like_this() {
        for (words, expected) in modelled("recode") {
            let &[low, high, bits] = &words[..] else { panic!("two words and a width, got {words:x?}") };
            let term = Term { point: Point::IDENTITY, scalar: u128::from(high) << 64 | u128::from(low) };
            // The most significant window comes first there.
            let digits = Window { bits: bits as u32 }.recode(&[term]).into_iter().rev();
            assert!(digits.map(|digit| i64::from(digit) as u64).eq(expected), "{words:x?}");
        }
    }

    fn check(window: Window, plain: &[Plain]) {
        let term = |&(n, scalar): &Plain| Term { point: point(n), scalar };
        let terms: Vec<Term> = plain.iter().map(term).collect();
        let naive = |sum, &(n, scalar): &Plain| sum + projective(n) * Scalar::from(scalar);
        let expected = plain.iter().fold(ProjectivePoint::IDENTITY, naive);
        // As this processor does it, and as every one can.
        for ifma in [Ifma::detect(), None] {
            let sum = sum_by_windows(window, &terms, ifma).unwrap();
            assert_eq!(sum.to_affine().coordinates(), coordinates(&expected), "{window:?} {plain:?} {ifma:?}");
            assert_eq!(sum.is_identity(), expected == ProjectivePoint::IDENTITY);
        }
    }

    #[test]
    fn degenerate_sums_are_exact_in_every_window() {
        let max = u128::MAX;
        let one_point_often = |n, count| (0..count).map(|i| (n, max - i)).collect::<Vec<_>>();
        let cases: Vec<Vec<Plain>> = vec![
            vec![],
            vec![(1, 0)],
            vec![(1, 1)],
            vec![(1, max)],
            vec![(0, 5)],
            vec![(0, 5), (0, max), (1, 3), (0, 1)],
            vec![(1, 0), (2, 0), (3, 0)],
            vec![(1, 7), (1, 7)],
            vec![(1, 7), (-1, 7)],
            vec![(1, 7), (-1, 7), (1, 7), (-1, 7), (2, 1)],
            vec![(1, 7), (1, 7), (-1, 7), (-1, 7), (-1, 7), (-1, 14), (1, 21)],
            vec![(1, max), (-1, max)],
            vec![(1, max), (2, max), (-1, max), (-2, max)],
            vec![(1, 1), (1, 2), (1, 3), (1, 4), (1, 5), (-1, 15)],
            vec![(1, 3), (2, 1 << 127), (-1, 3), (-2, 1 << 127), (3, 1)],
            vec![(1, 5); 33],
            [vec![(1, 5); 16], vec![(-1, 5); 16]].concat(),
            one_point_often(1, 40),
            [one_point_often(1, 20), one_point_often(-1, 20)].concat(),
            (1..40).map(|n| (n, max)).collect(),
            (0..128).map(|bit| (1, 1 << bit)).collect(),
        ];
        for window in Window::all() {
            cases.iter().for_each(|case| check(window, case));
        }
    }

    #[test]
    fn digits_add_up_to_their_scalars_and_fit_the_buckets() {
        let halves: Vec<u128> = (0..128).flat_map(|bit| [1 << bit, (1 << bit) - 1, u128::MAX << bit]).collect();
        let terms: Vec<Term> = halves.iter().map(|&scalar| Term { point: Point::GENERATOR, scalar }).collect();
        for window in Window::all() {
            let digits = window.recode(&terms);
            assert_eq!(digits.len(), window.count() * terms.len());
            assert!(digits.iter().all(|digit| usize::from(digit.unsigned_abs()) <= window.buckets()));
            for (place, scalar) in halves.iter().enumerate() {
                let column = digits.iter().skip(place).step_by(terms.len());
                let signed = |digit: i16| {
                    if digit < 0 { -Scalar::from(digit.unsigned_abs() as u64) } else { Scalar::from(digit as u64) }
                };
                let radix = Scalar::from(1_u64 << window.bits);
                let value = column.fold(Scalar::ZERO, |value, digit| value * radix + signed(*digit));
                assert_eq!(value, Scalar::from(*scalar), "{window:?}");
            }
        }
    }

    #[test]
    fn more_terms_take_wider_windows() {
        let bits = [2, 8, 26, 200, 1600, 3100, 12_300, 100_000].map(|terms| Window::for_terms(terms).bits);
        assert!(bits.is_sorted(), "{bits:?}");
        assert!(bits[0] < 4 && bits[7] > 11, "{bits:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_sum_is_the_naive_one(
            plain in proptest::collection::vec((-6_i64..=6, prop_oneof![any::<u128>(), 0_u128..4, Just(u128::MAX)]), 0..60),
            bits in 2_u32..=14,
        ) {
            check(Window { bits }, &plain);
        }
    }

    #[test]
    fn large_sums_are_the_naive_ones() {
        for count in [300_i64, 2500] {
            let plain: Vec<Plain> = (0..count).map(|n| (n % 97 - 48, u128::MAX / (3 * n as u128 + 1))).collect();
            check(Window::for_terms(plain.len()), &plain);
        }
    }
}
