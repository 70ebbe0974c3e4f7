//! Addresses as people see them: bech32m (BIP350) with the network's prefix.

use crate::keys::Address;
use alloc::string::String;
use bech32::primitives::decode::{CheckedHrpstring, UncheckedHrpstring};
use bech32::{Bech32m, Hrp};

/// The human-readable part of a network's addresses: `crn`, `tcrn`, `lcrn`.
///
/// One to sixteen lower-case letters or digits, the first a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressPrefix {
    /// ASCII, padded with zeros: small enough to travel inside errors.
    bytes: [u8; MAX_PREFIX],
}

/// The longest prefix.
const MAX_PREFIX: usize = 16;

/// Text that is no address of the expected network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the sentence of each error names its fields")]
pub enum AddressError {
    /// Not bech32 at all. Text is cut after 120 characters.
    #[error("got {got:?}, expected an address that begins with {expected}1")]
    NotAnAddress { got: String, expected: AddressPrefix },
    /// The checksum does not match: a typo.
    #[error("the address has a typo: its checksum does not match; compare it with the original")]
    Checksum,
    /// A valid address of another network. Its prefix is cut after 120 characters.
    #[error("this address belongs to another network: got the prefix {got}, expected {expected}")]
    OtherNetwork { got: String, expected: AddressPrefix },
    /// A valid checksum over something that is not 32 bytes.
    #[error("the address holds {got} bytes, expected 32")]
    Length { got: usize },
    /// The bits that fill up the last character are not zero: a second spelling of an address.
    #[error("the address is not in its one spelling: the bits after its 32 bytes are not zero")]
    Padding,
    /// Thirty-two bytes for which no key can exist: money sent there would be lost.
    #[error("no key exists for this address: what is sent there would be lost")]
    NotOnCurve,
}

/// Text that cannot be a network's prefix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("got {got:?}, expected 1 to 16 lower-case letters or digits, the first a letter")]
pub struct PrefixError {
    /// The text, cut after 80 characters.
    pub got: String,
}

impl AddressPrefix {
    /// Reads a prefix.
    ///
    /// # Errors
    /// Refuses anything but 1 to 16 lower-case letters or digits with a letter first.
    pub fn new(text: &str) -> Result<Self, PrefixError> {
        let refused = || PrefixError { got: text.chars().take(80).collect() };
        let letters = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
        let mut bytes = [0; MAX_PREFIX];
        match bytes.get_mut(..text.len()) {
            Some(place) if letters && first => place.copy_from_slice(text.as_bytes()),
            _ => return Err(refused()),
        }
        Ok(Self { bytes })
    }

    /// The prefix as text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes).unwrap_or_default().trim_end_matches('\0')
    }

    #[expect(clippy::expect_used, reason = "a checked prefix is a human-readable part")]
    fn hrp(&self) -> Hrp {
        Hrp::parse(self.as_str()).expect("lower-case letters and digits")
    }

    /// `address` as a person sees it on this network.
    ///
    /// # Panics
    /// Never: 32 bytes with a short prefix are within the length of the checksum.
    #[expect(clippy::expect_used, reason = "32 bytes and a short prefix are within the code's length")]
    pub fn encode(&self, address: &Address) -> String {
        bech32::encode::<Bech32m>(self.hrp(), address.as_bytes()).expect("a short string")
    }

    /// Reads what a person typed: prefix, checksum, length, spelling, and whether a key can exist.
    ///
    /// # Errors
    /// Says which of them is wrong.
    pub fn decode(&self, text: &str) -> Result<Address, AddressError> {
        let start = || -> String { text.chars().take(120).collect() };
        let not_an_address = |_| AddressError::NotAnAddress { got: start(), expected: *self };
        let unchecked = UncheckedHrpstring::new(text).map_err(not_an_address)?;
        if !unchecked.has_valid_checksum::<Bech32m>() {
            return Err(AddressError::Checksum);
        }
        if unchecked.hrp() != self.hrp() {
            return Err(AddressError::OtherNetwork { got: unchecked.hrp().to_lowercase(), expected: *self });
        }
        let checked = CheckedHrpstring::new::<Bech32m>(text).map_err(|_| AddressError::Checksum)?;
        let bytes: alloc::vec::Vec<u8> = checked.byte_iter().collect();
        let got = bytes.len();
        let address = Address::from_bytes(bytes.try_into().map_err(|_| AddressError::Length { got })?);
        // 52 characters carry 260 bits. Were the last four free, an address would have sixteen spellings.
        if !self.encode(&address).eq_ignore_ascii_case(text) {
            return Err(AddressError::Padding);
        }
        if !address.is_on_curve() {
            return Err(AddressError::NotOnCurve);
        }
        Ok(address)
    }
}

impl core::fmt::Display for AddressPrefix {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, string::ToString};

    fn prefix(text: &str) -> AddressPrefix {
        AddressPrefix::new(text).unwrap()
    }

    /// x of the generator: on the curve.
    fn generator() -> Address {
        "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798".parse().unwrap()
    }

    #[test]
    fn addresses_are_read_as_they_are_shown() {
        let text = prefix("lcrn").encode(&generator());
        assert!(text.starts_with("lcrn1"), "{text}");
        assert_eq!(prefix("lcrn").decode(&text), Ok(generator()));
        assert_eq!(prefix("lcrn").decode(&text.to_uppercase()), Ok(generator()));
    }

    #[test]
    fn every_single_typo_is_caught() {
        let text = prefix("crn").encode(&generator());
        for at in 4..text.len() {
            let mut typo = text.clone().into_bytes();
            typo[at] = if typo[at] == b'q' { b'p' } else { b'q' };
            let typo = String::from_utf8(typo).unwrap();
            assert_eq!(prefix("crn").decode(&typo), Err(AddressError::Checksum), "{typo}");
        }
    }

    #[test]
    fn each_way_of_being_wrong_has_its_error() {
        let crn = prefix("crn");
        let other = prefix("tcrn").encode(&generator());
        assert_eq!(crn.decode(&other), Err(AddressError::OtherNetwork { got: "tcrn".to_string(), expected: crn }));
        assert!(matches!(crn.decode("hello world"), Err(AddressError::NotAnAddress { .. })));
        assert!(matches!(crn.decode(""), Err(AddressError::NotAnAddress { .. })));
        let short = bech32::encode::<Bech32m>(crn.hrp(), &[1; 31]).unwrap();
        assert_eq!(crn.decode(&short), Err(AddressError::Length { got: 31 }));
        // x = 5 is not on secp256k1.
        let mut five = [0; 32];
        five[31] = 5;
        assert_eq!(crn.decode(&crn.encode(&Address::from_bytes(five))), Err(AddressError::NotOnCurve));
        // The older checksum variant is a typo here, not a second spelling.
        let bech32 = bech32::encode::<bech32::Bech32>(crn.hrp(), generator().as_bytes()).unwrap();
        assert_eq!(crn.decode(&bech32), Err(AddressError::Checksum));
    }

    #[test]
    fn an_address_has_one_spelling_whatever_its_padding_bits() {
        use bech32::{ByteIterExt, Fe32, Fe32IterExt};
        let crn = prefix("crn");
        let spelled = |last_bits: u8| -> String {
            let symbols: alloc::vec::Vec<Fe32> = generator().as_bytes().iter().copied().bytes_to_fes().collect();
            let (last, start) = symbols.split_last().unwrap();
            let last = Fe32::try_from(last.to_u8() | last_bits).unwrap();
            start.iter().copied().chain([last]).with_checksum::<Bech32m>(&crn.hrp()).chars().collect()
        };
        assert_eq!(crn.decode(&spelled(0)), Ok(generator()));
        for bits in 1..16 {
            assert_eq!(crn.decode(&spelled(bits)), Err(AddressError::Padding), "{bits}");
        }
    }

    #[test]
    fn prefixes_are_short_lower_case_words() {
        for bad in ["", "CRN", "crn1!", "1crn", "ab cd", &"a".repeat(17)] {
            assert_eq!(AddressPrefix::new(bad), Err(PrefixError { got: bad.to_string() }));
        }
        assert_eq!(format!("{}", prefix("lcrn")), "lcrn");
    }
}
