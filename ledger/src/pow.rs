//! Proof of work: targets, work, and the difficulty rule.
//!
//! The next target is the exponential average of [aserti3-2d], in relative form: the step depends on the
//! last two block times alone, so three headers prove a target. [`search`] finds nonces.
//!
//! [aserti3-2d]: https://upgradespecs.bitcoincashnode.org/2020-11-15-asert/

pub mod search;

use crate::codec::{Decode, Encode, bincode};
use crate::{hash::BlockId, units::Timestamp};
use alloc::string::String;
use core::cmp::Ordering;
use k256::elliptic_curve::bigint::{CheckedAdd, CheckedSub, NonZero, U256, U512};

/// A 256-bit threshold: a block's id, read big-endian, is valid work when it is not above the target.
/// At least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target(U256);

/// A target in Bitcoin's compact form (`nBits`): one byte of exponent, three of mantissa. Shown as eight
/// hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct CompactTarget(u32);

/// A compact target that is not the one normal form of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("got {got}, which is not the normal form of a target")]
pub struct TargetFormError {
    /// The value given.
    pub got: CompactTarget,
}

impl CompactTarget {
    /// Wraps the number; [`CompactTarget::decode`] judges it.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// The number.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The target it stands for.
    ///
    /// # Errors
    /// Refuses zero, negative and overflowing values, and every form but the normal one.
    pub fn decode(self) -> Result<Target, TargetFormError> {
        let refused = TargetFormError { got: self };
        let exponent = self.0 >> 24;
        let mantissa = U256::from_u32(self.0 & 0x00ff_ffff);
        let value = match exponent.checked_sub(3) {
            Some(bytes) => mantissa.overflowing_shl_vartime(bytes.saturating_mul(8)),
            None => mantissa.overflowing_shr_vartime(3u32.saturating_sub(exponent).saturating_mul(8)),
        };
        // Bits shifted out, a sign bit or a form that is not normal all give another compact value back.
        let target = Target(value.filter(|value| !value.is_zero_vartime()).ok_or(refused)?);
        if target.to_compact() != self {
            return Err(refused);
        }
        Ok(target)
    }
}

impl core::fmt::Display for CompactTarget {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl core::str::FromStr for CompactTarget {
    type Err = CompactTargetParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.len() == 8 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let bits = if digits { u32::from_str_radix(text, 16).ok() } else { None };
        bits.map(Self).ok_or_else(|| CompactTargetParseError { got: text.chars().take(80).collect() })
    }
}

/// Text that is not eight lower-case hex digits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 8 lower-case hex digits, got {got:?}")]
pub struct CompactTargetParseError {
    /// The text, cut after 80 characters.
    pub got: String,
}

impl Target {
    /// 2^255 − 1, above which no network may start: a work of at least 2 for every block.
    pub const HIGHEST_LIMIT: Self = Self(U256::MAX.shr_vartime(1));

    /// The normal compact form; bits below the mantissa are cut off.
    pub fn to_compact(self) -> CompactTarget {
        let size = self.0.bits_vartime().div_ceil(8);
        let wide = match size.checked_sub(3) {
            Some(bytes) => self.0.unbounded_shr_vartime(bytes.saturating_mul(8)),
            None => self.0.unbounded_shl_vartime(3u32.saturating_sub(size).saturating_mul(8)),
        };
        let mantissa = low_u64(&wide) as u32;
        // The mantissa's highest bit is a sign in this format: move it down by a byte when it is set.
        let (size, mantissa) =
            if mantissa & 0x0080_0000 == 0 { (size, mantissa) } else { (size.saturating_add(1), mantissa >> 8) };
        CompactTarget(size << 24 | mantissa)
    }

    /// The expected number of attempts to meet it: ⌊2^256 / (target + 1)⌋.
    pub fn work(self) -> Work {
        let Some(divisor) = NonZero::new(self.0.wrapping_add(&U256::ONE)).into_option() else {
            return Work(U256::ONE);
        };
        // 2^256 does not fit: (2^256 − 1 − target) / (target + 1) + 1 is the same number.
        Work(self.0.not().wrapping_div_vartime(&divisor).wrapping_add(&U256::ONE))
    }

    /// Its binary logarithm in units of 2^-32, rounded down to within a few of them: for bounds on how fast
    /// difficulty changes. Only multiplication of integers, so that it is the same everywhere.
    pub fn log2(self) -> u64 {
        let bits = self.0.bits_vartime();
        // The number as x / 2^63 with 1 <= x / 2^63 < 2; squaring it doubles the logarithm, bit by bit.
        let shifted = match bits.checked_sub(64) {
            Some(excess) => self.0.unbounded_shr_vartime(excess),
            None => self.0.unbounded_shl_vartime(64_u32.saturating_sub(bits)),
        };
        let (mut x, mut fraction) = (u128::from(low_u64(&shifted)), 0_u64);
        for _ in 0..32 {
            x = x.saturating_mul(x) >> 63;
            let carry = (x >> 64) as u32;
            x >>= carry;
            fraction = fraction << 1 | u64::from(carry);
        }
        u64::from(bits.saturating_sub(1)) << 32 | fraction
    }

    /// Its highest 32 bits: an id whose first four bytes, big-endian, are above them does not meet it.
    pub fn leading_word(self) -> u32 {
        low_u64(&self.0.unbounded_shr_vartime(224)) as u32
    }

    /// Whether `id` is valid work for it.
    pub fn is_met_by(self, id: &BlockId) -> bool {
        U256::from_be_slice(id.as_bytes()) <= self.0
    }
}

fn low_u64(value: &U256) -> u64 {
    value.to_le_bytes().as_slice().first_chunk().map_or(0, |low| u64::from_le_bytes(*low))
}

/// An expected number of hash attempts, or a sum of such. Shown as a decimal number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work(U256);

// By limbs, the highest first: nothing here is secret, and comparing in constant time takes several times as long.
impl Ord for Work {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.as_words().iter().rev().cmp(other.0.as_words().iter().rev())
    }
}

impl PartialOrd for Work {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Work {
    /// No work: what block 0 has.
    pub const ZERO: Self = Self(U256::ZERO);

    /// A number of attempts.
    pub const fn from_u64(attempts: u64) -> Self {
        Self(U256::from_u64(attempts))
    }

    /// Reads 32 bytes, big-endian.
    pub const fn from_be_bytes(bytes: &[u8; 32]) -> Self {
        Self(U256::from_be_slice(bytes))
    }

    /// As 32 bytes, big-endian.
    pub fn to_be_bytes(self) -> [u8; 32] {
        self.0.to_be_bytes().into()
    }

    /// The sum; `None` past 2^256 − 1.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(&other.0).into_option().map(Self)
    }

    /// The difference; `None` when negative.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(&other.0).into_option().map(Self)
    }

    /// ⌊self / 2^bits⌋; 0 from 256 bits on.
    pub fn shifted_right(self, bits: u32) -> Self {
        Self(self.0.unbounded_shr_vartime(bits))
    }

    /// The product; `None` past 2^256 − 1.
    pub fn checked_mul(self, count: u64) -> Option<Self> {
        self.0.checked_mul(&U256::from_u64(count)).into_option().map(Self)
    }

    /// The quotient, rounded down; `None` for a division by 0.
    pub fn checked_div(self, count: u64) -> Option<Self> {
        let divisor = NonZero::new(U256::from_u64(count)).into_option()?;
        Some(Self(self.0.div_rem_vartime(&divisor).0))
    }

    /// The remainder of the division by `other`; `None` when that is 0.
    pub fn checked_rem(self, other: Self) -> Option<Self> {
        let divisor = NonZero::new(other.0).into_option()?;
        Some(Self(self.0.div_rem_vartime(&divisor).1))
    }

    /// The nearest floating-point number, for rates and estimates only.
    pub fn to_f64(self) -> f64 {
        self.to_be_bytes().iter().fold(0.0, |sum, byte| sum * 256.0 + f64::from(*byte))
    }
}

impl core::fmt::Display for Work {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        const PIECE: NonZero<U256> = NonZero::<U256>::new_unwrap(U256::from_u64(1_000_000_000_000_000_000));
        let mut pieces = alloc::vec::Vec::new();
        let mut rest = self.0;
        while pieces.is_empty() || !rest.is_zero_vartime() {
            let (quotient, piece) = rest.div_rem_vartime(&PIECE);
            pieces.push(low_u64(&piece));
            rest = quotient;
        }
        let mut text = String::new();
        for piece in pieces.iter().rev() {
            text.push_str(&if text.is_empty() { alloc::format!("{piece}") } else { alloc::format!("{piece:018}") });
        }
        f.pad(&text)
    }
}

impl core::str::FromStr for Work {
    type Err = WorkParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = !text.is_empty() && text.len() <= 78 && text.bytes().all(|byte| byte.is_ascii_digit());
        let value = if digits { U256::from_str_radix_vartime(text, 10).ok() } else { None };
        value.map(Self).ok_or_else(|| WorkParseError { got: text.chars().take(80).collect() })
    }
}

/// Text that is not a decimal number below 2^256.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a decimal number below 2^256, got {got:?}")]
pub struct WorkParseError {
    /// The text, cut after 80 characters.
    pub got: String,
}

impl Encode for Work {
    fn encode<E: bincode::enc::Encoder>(&self, encoder: &mut E) -> Result<(), bincode::error::EncodeError> {
        self.to_be_bytes().encode(encoder)
    }
}

impl<Context> Decode<Context> for Work {
    fn decode<D: bincode::de::Decoder<Context = Context>>(
        decoder: &mut D,
    ) -> Result<Self, bincode::error::DecodeError> {
        <[u8; 32] as Decode<Context>>::decode(decoder).map(|bytes| Self::from_be_bytes(&bytes))
    }
}

bincode::impl_borrow_decode!(Work);

/// How a network adjusts its difficulty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DifficultyRule {
    /// The intended time between blocks, in milliseconds.
    pub interval_ms: u64,
    /// A block this much later than the interval doubles the target; also the longest gap that counts.
    pub half_life_ms: u64,
    /// The easiest target.
    pub pow_limit: Target,
}

impl DifficultyRule {
    /// The target of the block after `parent`, from its target and time and its own parent's time.
    ///
    /// # Consensus
    /// docs/protocol.md, 7.5. With d = min(time − earlier time, half_life) and e = ⌊(d − interval)·2^16 /
    /// half_life⌋, the target grows by 2^(e / 2^16), computed by the cubic approximation of aserti3-2d in
    /// integers. The cap on d keeps a pause of any length from counting as more than one half-life.
    pub fn next_target(&self, parent: Target, parent_time: Timestamp, grandparent_time: Timestamp) -> CompactTarget {
        let gap = parent_time.since(grandparent_time).min(self.half_life_ms);
        let late = i128::from(gap).saturating_sub(i128::from(self.interval_ms)).saturating_mul(1 << 16);
        let exponent = late.checked_div_euclid(i128::from(self.half_life_ms)).unwrap_or(0);
        let halvings = if exponent < 0 { 1 } else { 0 };
        let fraction = u128::from((exponent & 0xffff) as u16);
        let cubic = 195_766_423_245_049_u128
            .saturating_mul(fraction)
            .saturating_add(971_821_376_u128.saturating_mul(fraction.saturating_pow(2)))
            .saturating_add(5_127_u128.saturating_mul(fraction.saturating_pow(3)))
            .saturating_add(1 << 47);
        let factor = U256::from_u128((cubic >> 48).saturating_add(1 << 16));
        let product: U512 = parent.0.concatenating_mul(&factor);
        let next = product.unbounded_shr_vartime(16_u32.saturating_add(halvings));
        let limit: U512 = self.pow_limit.0.resize();
        let clamped: U256 = next.min(limit).max(U512::ONE).resize();
        Target(clamped).to_compact()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn target(bits: u32) -> Target {
        CompactTarget(bits).decode().unwrap()
    }

    #[test]
    fn compact_targets_have_one_form() {
        for bits in [0x1d00_ffff, 0x1e3f_ffff, 0x207f_ffff, 0x2100_ffff, 0x0101_0000, 0x0200_8000] {
            assert_eq!(target(bits).to_compact().bits(), bits);
        }
        for (bits, why) in [
            (0x0000_0000, "zero"),
            (0x1d00_00ff, "leading zero byte"),
            (0x0480_0000, "sign bit"),
            (0x0000_1234, "below one"),
            (0x2200_ffff, "overflow"),
            (0xff7f_ffff, "far overflow"),
            (0x2101_0000, "2^256"),
            (0x0101_0001, "bits cut off"),
        ] {
            assert!(CompactTarget(bits).decode().is_err(), "{why}");
        }
        assert_eq!(target(0x0101_0000).0, U256::ONE);
        assert_eq!(target(0x2100_ffff).0, U256::from_u32(0xffff).shl_vartime(240));
        assert_eq!("1e3fffff".parse::<CompactTarget>().unwrap().to_string(), "1e3fffff");
        assert!("1E3FFFFF".parse::<CompactTarget>().is_err());
    }

    #[test]
    fn work_is_the_expected_number_of_attempts() {
        assert_eq!(Target(U256::MAX).work(), Work::from_u64(1));
        assert_eq!(Target::HIGHEST_LIMIT.work(), Work::from_u64(2));
        assert_eq!(target(0x1d00_ffff).work(), Work::from_u64(0x1_0001_0001));
        assert_eq!(
            Target(U256::ONE).work().to_string(),
            "57896044618658097711785492504343953926634992332820282019728792003956564819968"
        );
        let work = Work::from_u64(12_345);
        assert_eq!(work.to_string().parse(), Ok(work));
        assert!((work.to_f64() - 12_345.0).abs() < 1e-9);
    }

    const LOCAL: (u64, u64, u32) = (2_000, 20_000, 0x1e3f_ffff);
    const MAIN: (u64, u64, u32) = (30_000, 3_600_000, 0x1e00_ffff);

    fn next((interval_ms, half_life_ms, limit): (u64, u64, u32), parent: u32, gap: u64) -> CompactTarget {
        let rule = DifficultyRule { interval_ms, half_life_ms, pow_limit: target(limit) };
        let base = Timestamp::from_millis(1_000_000);
        rule.next_target(target(parent), base.saturating_add(gap), base)
    }

    #[test]
    fn the_difficulty_rule_gives_the_published_vectors() {
        for (gap, bits) in
            [(1, 0x1e1d_dc6f), (1999, 0x1e1f_ffaf), (2000, 0x1e1f_ffff), (4000, 0x1e22_4cde), (20_000, 0x1e3b_b85e)]
        {
            assert_eq!(next(LOCAL, 0x1e1f_ffff, gap), CompactTarget(bits), "local, {gap} ms");
        }
        for (gap, bits) in [(1, 0x1d1f_d0df), (60_000, 0x1d20_2f9e), (3_600_000, 0x1d3f_a1be)] {
            assert_eq!(next(MAIN, 0x1d1f_ffff, gap), CompactTarget(bits), "main, {gap} ms");
        }
    }

    #[test]
    fn a_pause_counts_as_one_half_life_and_targets_stay_within_their_bounds() {
        assert_eq!(next(LOCAL, 0x1e1f_ffff, u64::MAX >> 1), next(LOCAL, 0x1e1f_ffff, 20_000));
        assert_eq!(next(LOCAL, 0x1e3f_ffff, 20_000), CompactTarget(0x1e3f_ffff), "never easier than the limit");
        assert_eq!(next(LOCAL, 0x0101_0000, 1), CompactTarget(0x0101_0000), "never below one");
    }
}
