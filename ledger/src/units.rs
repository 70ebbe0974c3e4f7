//! Amounts, heights and times, each its own type with a checked range.
//!
//! No value of these types is ever out of range: fields are private, arithmetic is checked, and the
//! bounds hold in every constructor, decoding included.

use crate::codec::{Decode, Encode, OUT_OF_RANGE, bincode};
use alloc::string::String;
use bincode::{de::Decoder, error::DecodeError};

/// A sum of money in pebbles, the smallest unit: at most 2^53 − 1, which is more than ever exists.
///
/// 1 CRN is 10^8 pebbles. Shown and read in CRN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode)]
pub struct Amount(u64);

/// Text or a number that is no amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the sentence of each error names its fields")]
pub enum AmountError {
    /// Above 2^53 − 1 pebbles. 2^64 − 1 stands for every greater number.
    #[error("got {got} pebbles, expected at most {}", Amount::MAX.pebbles())]
    TooLarge { got: u64 },
    /// Not a decimal number of CRN with at most eight decimals. The text is cut after 80 characters.
    #[error("got {got:?}, expected an amount in CRN such as 12 or 0.5, with at most 8 decimals")]
    NotAnAmount { got: String },
}

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest amount, 2^53 − 1 pebbles.
    pub const MAX: Self = Self((1 << 53) - 1);
    /// Pebbles in one CRN.
    pub const PEBBLES_PER_CRN: u64 = 100_000_000;

    /// An amount of whole pebbles.
    ///
    /// # Errors
    /// Refuses more than [`Amount::MAX`].
    pub const fn from_pebbles(pebbles: u64) -> Result<Self, AmountError> {
        if pebbles > Self::MAX.0 {
            return Err(AmountError::TooLarge { got: pebbles });
        }
        Ok(Self(pebbles))
    }

    /// The number of pebbles.
    pub const fn pebbles(self) -> u64 {
        self.0
    }

    /// The sum, unless it exceeds [`Amount::MAX`].
    pub fn checked_add(self, other: Self) -> Option<Self> {
        Self::from_pebbles(self.0.checked_add(other.0)?).ok()
    }

    /// The difference, unless it is negative.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }
}

impl<Context> Decode<Context> for Amount {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let pebbles = <u64 as Decode<Context>>::decode(decoder)?;
        Self::from_pebbles(pebbles).map_err(|_| OUT_OF_RANGE)
    }
}

bincode::impl_borrow_decode!(Amount);

impl core::fmt::Display for Amount {
    /// In CRN, with as many decimals as are needed: `12`, `0.5`, `0.00000001`.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (whole, rest) = (self.0 / Self::PEBBLES_PER_CRN, self.0 % Self::PEBBLES_PER_CRN);
        let text = alloc::format!("{whole}.{rest:08}");
        f.pad(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl core::str::FromStr for Amount {
    type Err = AmountError;

    /// Reads CRN: digits, and at most eight decimals after a point. No sign, no exponent, no separators.
    fn from_str(text: &str) -> Result<Self, AmountError> {
        let not_an_amount = || AmountError::NotAnAmount { got: text.chars().take(80).collect() };
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(decimals) || decimals.len() > 8 {
            return Err(not_an_amount());
        }
        let too_large = |_| AmountError::TooLarge { got: u64::MAX };
        let whole: u64 = whole.parse().map_err(too_large)?;
        let rest: u64 = alloc::format!("{decimals:0<8}").parse().map_err(too_large)?;
        let pebbles = whole.checked_mul(Self::PEBBLES_PER_CRN).and_then(|sum| sum.checked_add(rest));
        Self::from_pebbles(pebbles.ok_or(AmountError::TooLarge { got: u64::MAX })?)
    }
}

/// The position of a block in its chain; block 0 is the genesis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Height(u64);

impl Height {
    /// The height of the genesis block.
    pub const GENESIS: Self = Self(0);

    /// A height.
    pub const fn new(height: u64) -> Self {
        Self(height)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The height of a child; `None` past 2^64 − 1.
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }

    /// The height of the parent; `None` at the genesis.
    pub fn previous(self) -> Option<Self> {
        self.0.checked_sub(1).map(Self)
    }

    /// The height `blocks` above, at most 2^64 − 1.
    pub fn saturating_add(self, blocks: u64) -> Self {
        Self(self.0.saturating_add(blocks))
    }

    /// The height `blocks` below, at least 0.
    pub fn saturating_sub(self, blocks: u64) -> Self {
        Self(self.0.saturating_sub(blocks))
    }
}

impl core::fmt::Display for Height {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(&self.0, f)
    }
}

/// A moment, in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Timestamp(u64);

impl Timestamp {
    /// A moment.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// The moment `millis` later, at most the last one there is.
    pub fn saturating_add(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Milliseconds from `earlier` to here; 0 when `earlier` is not earlier.
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl core::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;
    use alloc::string::ToString;

    #[test]
    fn amounts_are_shown_and_read_in_crn() {
        for (text, pebbles) in
            [("0", 0), ("1", 100_000_000), ("0.5", 50_000_000), ("0.00000001", 1), ("12.34", 1_234_000_000)]
        {
            let amount = Amount::from_pebbles(pebbles).unwrap();
            assert_eq!(amount.to_string(), text);
            assert_eq!(text.parse(), Ok(amount));
        }
        assert_eq!(Amount::MAX.to_string().parse(), Ok(Amount::MAX));
        assert_eq!("1.50".parse::<Amount>().unwrap().to_string(), "1.5");
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in ["", ".", "1.", ".5", "-1", "+1", "1e3", "1,5", "1 ", "0.000000001", "0x1", "NaN", "１"] {
            assert!(matches!(text.parse::<Amount>(), Err(AmountError::NotAnAmount { .. })), "{text}");
        }
        for text in ["90071992.54740992", "184467440737.09551616", "99999999999999999999999"] {
            assert!(matches!(text.parse::<Amount>(), Err(AmountError::TooLarge { .. })), "{text}");
        }
    }

    #[test]
    fn amounts_stay_in_range() {
        assert_eq!(Amount::MAX.checked_add(Amount(1)), None);
        assert_eq!(Amount::ZERO.checked_sub(Amount(1)), None);
        assert_eq!(Amount::from_pebbles(1 << 53), Err(AmountError::TooLarge { got: 1 << 53 }));
        assert_eq!(codec::decode::<Amount>(&codec::encode(&Amount::MAX), 8), Ok(Amount::MAX));
        assert_eq!(codec::decode::<Amount>(&(1u64 << 53).to_le_bytes(), 8), Err(codec::DecodeError::OutOfRange));
    }
}
