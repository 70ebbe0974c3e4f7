//! The difficulty rule, written a second time from docs/protocol.md: numbers as lists of bytes, school-book
//! arithmetic, nothing shared with the implementation.

use crate::support;
use cairn_ledger::pow::{CompactTarget, DifficultyRule};
use cairn_ledger::units::Timestamp;
use proptest::prelude::*;

/// An unsigned number, base 256, least digit first, as long as it needs to be.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Number(Vec<u8>);

impl Number {
    fn of_compact(bits: u32) -> Self {
        let [exponent, high, middle, low] = bits.to_be_bytes();
        let mut digits = vec![0; usize::from(exponent).saturating_sub(3)];
        digits.extend([low, middle, high].into_iter().skip(3_usize.saturating_sub(usize::from(exponent))));
        Self(digits).trimmed()
    }

    fn trimmed(mut self) -> Self {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
        self
    }

    fn times(&self, factor: u64) -> Self {
        let (mut digits, mut carry) = (Vec::new(), 0_u128);
        for digit in self.0.iter().chain(&[0; 9]) {
            carry += u128::from(*digit) * u128::from(factor);
            digits.push((carry & 0xff) as u8);
            carry >>= 8;
        }
        Self(digits).trimmed()
    }

    fn halved(&self, times: u32) -> Self {
        let mut digits = self.0.clone();
        for _ in 0..times {
            let mut carry = 0;
            for digit in digits.iter_mut().rev() {
                (*digit, carry) = ((*digit >> 1) | carry, *digit << 7);
            }
        }
        Self(digits).trimmed()
    }

    fn at_least_one(self) -> Self {
        if self.0.is_empty() { Self(vec![1]) } else { self }
    }

    fn at_most(self, other: &Self) -> Self {
        let key = |number: &Self| (number.0.len(), number.0.iter().rev().copied().collect::<Vec<_>>());
        if key(&self) > key(other) { other.clone() } else { self }
    }

    fn to_compact(&self) -> u32 {
        let mut size = self.0.len();
        let digit = |place: Option<usize>| place.and_then(|place| self.0.get(place)).copied().unwrap_or(0);
        if digit(size.checked_sub(1)) >= 0x80 {
            size += 1;
        }
        let mantissa = [size.checked_sub(1), size.checked_sub(2), size.checked_sub(3)].map(digit);
        u32::from_be_bytes([size as u8, mantissa[0], mantissa[1], mantissa[2]])
    }
}

fn floor_div(dividend: i128, divisor: i128) -> i128 {
    let quotient = dividend / divisor;
    if dividend % divisor != 0 && (dividend < 0) != (divisor < 0) { quotient - 1 } else { quotient }
}

fn by_hand(interval: u64, half_life: u64, limit: u32, parent: u32, gap: u64) -> u32 {
    let d = i128::from(gap.min(half_life));
    let e = floor_div((d - i128::from(interval)) * 65_536, i128::from(half_life));
    let q = floor_div(e, 65_536);
    assert!(q == 0 || q == -1);
    let f = u64::try_from(e - 65_536 * q).unwrap();
    // "Fits u64": in plain arithmetic it would panic here if it did not.
    let cubic = 195_766_423_245_049 * f + 971_821_376 * f * f + 5_127 * f * f * f + (1 << 47);
    let k = 65_536 + (cubic >> 48);
    let product = Number::of_compact(parent).times(k).halved((16 - q) as u32);
    product.at_most(&Number::of_compact(limit)).at_least_one().to_compact()
}

fn by_the_ledger(interval_ms: u64, half_life_ms: u64, limit: u32, parent: u32, gap: u64) -> u32 {
    let decode = |bits| CompactTarget::from_bits(bits).decode().unwrap();
    let rule = DifficultyRule { interval_ms, half_life_ms, pow_limit: decode(limit) };
    let earlier = Timestamp::from_millis(u64::MAX - gap);
    rule.next_target(decode(parent), Timestamp::from_millis(u64::MAX), earlier).bits()
}

fn any_target() -> impl Strategy<Value = u32> {
    let form = |(exponent, mantissa): (u32, u32)| exponent << 24 | mantissa;
    let normal = |bits: &u32| CompactTarget::from_bits(*bits).decode().is_ok();
    (1_u32..0x21, 0x8000_u32..0x0080_0000).prop_map(form).prop_filter("normal form", normal)
}

#[test]
fn the_published_vectors_hold_in_both_implementations() {
    let local = (2_000, 20_000, 0x1e3f_ffff, 0x1e1f_ffff);
    let main = (30_000, 3_600_000, 0x1e00_ffff, 0x1d1f_ffff);
    for ((interval, half_life, limit, from), gap, expected) in [
        (local, 1, 0x1e1d_dc6f),
        (local, 1_999, 0x1e1f_ffaf),
        (local, 2_000, 0x1e1f_ffff),
        (local, 4_000, 0x1e22_4cde),
        (local, 20_000, 0x1e3b_b85e),
        (local, 20_001, 0x1e3b_b85e),
        (local, 36_000_000, 0x1e3b_b85e),
        (main, 1, 0x1d1f_d0df),
        (main, 60_000, 0x1d20_2f9e),
        (main, 3_600_000, 0x1d3f_a1be),
        (main, u64::MAX >> 1, 0x1d3f_a1be),
    ] {
        assert_eq!(by_hand(interval, half_life, limit, from, gap), expected, "by hand, {gap}");
        assert_eq!(by_the_ledger(interval, half_life, limit, from, gap), expected, "by the ledger, {gap}");
    }
}

#[test]
fn every_gap_up_to_the_half_life_agrees() {
    for gap in 1..=20_100 {
        let [ours, theirs] = [by_the_ledger, by_hand].map(|rule| rule(2_000, 20_000, 0x1e3f_ffff, 0x1e1f_ffff, gap));
        assert_eq!(ours, theirs, "{gap}");
    }
}

proptest! {
    #![proptest_config(support::cases(4_000))]

    #[test]
    fn any_target_and_gap_agree(
        half_life in prop_oneof![1_u64..100_000, Just(u64::MAX), any::<u64>().prop_map(|it| it.max(1))],
        share in 0.0_f64..=1.0,
        limit in any_target(),
        parent in any_target(),
        gap in prop_oneof![0_u64..200_000, any::<u64>()],
    ) {
        let interval = ((half_life as f64 * share) as u64).clamp(1, half_life);
        let [ours, theirs] = [by_the_ledger, by_hand].map(|rule| rule(interval, half_life, limit, parent, gap));
        prop_assert_eq!(ours, theirs);
    }

    #[test]
    fn a_longer_gap_is_never_harder(parent in any_target(), gap in 1_u64..40_000, more in 0_u64..40_000) {
        let [sooner, later] = [gap, gap + more].map(|gap| {
            CompactTarget::from_bits(by_the_ledger(2_000, 20_000, 0x207f_ffff, parent, gap)).decode().unwrap()
        });
        prop_assert!(sooner <= later);
    }
}
