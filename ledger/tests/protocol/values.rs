//! Amounts, addresses and bytes: each way of being wrong has its error, and the neighbour that is right.

use crate::support::{self, Chain, address, nobody};
use bech32::{Bech32, Bech32m, Hrp};
use cairn_ledger::address::{AddressError, AddressPrefix};
use cairn_ledger::block::{Block, HEADER_BYTES, Header, MAX_BLOCK_BYTES};
use cairn_ledger::codec::{self, BoundedVec, DecodeError, MAX_INPUT_BYTES, TooManyElements};
use cairn_ledger::pow::{CompactTarget, Target, Work};
use cairn_ledger::transaction::{MAX_TRANSACTION_BYTES, Transaction};
use cairn_ledger::units::{Amount, AmountError};
use cairn_ledger::{accounts::UndoRecord, hash::BlockId, keys::Address, mmr::MmrProof};
use proptest::prelude::*;

#[test]
fn amount_error_too_large() {
    assert_eq!(Amount::from_pebbles((1 << 53) - 1), Ok(Amount::MAX));
    assert_eq!(Amount::from_pebbles(1 << 53), Err(AmountError::TooLarge { got: 1 << 53 }));
    assert_eq!("90071992.54740991".parse(), Ok(Amount::MAX));
    assert_eq!("90071992.54740992".parse::<Amount>(), Err(AmountError::TooLarge { got: 1 << 53 }));
    assert!(matches!("184467440737.09551616".parse::<Amount>(), Err(AmountError::TooLarge { .. })));
}

#[test]
fn amount_error_not_an_amount() {
    for text in ["", "1.", ".1", "-1", "+1", "1e2", "1 ", " 1", "0.123456789", "1.2.3", "١"] {
        assert_eq!(text.parse::<Amount>(), Err(AmountError::NotAnAmount { got: text.to_owned() }), "{text}");
    }
    assert_eq!("0.12345678".parse(), Amount::from_pebbles(12_345_678));
    let long = "x".repeat(1_000);
    assert_eq!(long.parse::<Amount>(), Err(AmountError::NotAnAmount { got: "x".repeat(80) }), "cut");
}

fn crn() -> AddressPrefix {
    AddressPrefix::new("crn").unwrap()
}

fn spell(prefix: &str, bytes: &[u8]) -> String {
    bech32::encode::<Bech32m>(Hrp::parse(prefix).unwrap(), bytes).unwrap()
}

#[test]
fn address_error_not_an_address() {
    for text in ["", "crn", "crn1", "hello", "crn1b", "crn1Qq", &"ab".repeat(32), "crn1é"] {
        let verdict = crn().decode(text);
        // What has the form of bech32 but is too short for a checksum is a wrong checksum.
        let form = matches!(verdict, Err(AddressError::NotAnAddress { .. } | AddressError::Checksum));
        assert!(form, "{text}: {verdict:?}");
    }
    let expected = AddressError::NotAnAddress { got: "hello".to_owned(), expected: crn() };
    assert_eq!(crn().decode("hello"), Err(expected));
    assert_eq!(crn().decode(&crn().encode(&address(1))), Ok(address(1)), "the honest neighbour");
}

#[test]
fn address_error_checksum() {
    let text = crn().encode(&address(1));
    let (start, last) = text.split_at(text.len() - 1);
    let typo = format!("{start}{}", if last == "q" { "p" } else { "q" });
    assert_eq!(crn().decode(&typo), Err(AddressError::Checksum));
    let older = bech32::encode::<Bech32>(Hrp::parse("crn").unwrap(), address(1).as_bytes()).unwrap();
    assert_eq!(crn().decode(&older), Err(AddressError::Checksum), "bech32 is not bech32m");
}

#[test]
fn address_error_other_network() {
    let expected = AddressError::OtherNetwork { got: "tcrn".to_owned(), expected: crn() };
    assert_eq!(crn().decode(&spell("tcrn", address(1).as_bytes())), Err(expected.clone()));
    assert_eq!(crn().decode(&spell("tcrn", address(1).as_bytes()).to_uppercase()), Err(expected));
}

#[test]
fn address_error_length() {
    for len in [0, 1, 20, 31, 33, 40] {
        assert_eq!(crn().decode(&spell("crn", &vec![1; len])), Err(AddressError::Length { got: len }));
    }
}

#[test]
fn address_error_not_on_curve() {
    let mut five = [0; 32];
    five[31] = 5;
    for bytes in [five, [0; 32], [0xff; 32]] {
        assert_eq!(crn().decode(&spell("crn", &bytes)), Err(AddressError::NotOnCurve));
    }
}

#[test]
fn address_error_padding() {
    use bech32::{ByteIterExt, Fe32, Fe32IterExt};
    let symbols: Vec<Fe32> = address(1).as_bytes().iter().copied().bytes_to_fes().collect();
    let (last, start) = symbols.split_last().unwrap();
    let hrp = Hrp::parse("crn").unwrap();
    let spelled = |last: u8| -> String {
        let last = Fe32::try_from(last).unwrap();
        start.iter().copied().chain([last]).with_checksum::<Bech32m>(&hrp).chars().collect()
    };
    assert_eq!(crn().decode(&spelled(last.to_u8())), Ok(address(1)));
    for bits in 1..16 {
        assert_eq!(crn().decode(&spelled(last.to_u8() | bits)), Err(AddressError::Padding));
    }
}

/// A valid header, transaction and block, encoded.
fn encoded() -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let chain = Chain::easy();
    let transaction = chain.pay(1, address(2), 1_000, 5);
    let block = chain.mine(vec![transaction.clone(), chain.pay(2, nobody(1), 1, 0)]);
    (codec::encode(&block.header), codec::encode(&transaction), codec::encode(&block))
}

#[test]
fn decode_error_too_long() {
    let (header, ..) = encoded();
    assert!(Header::from_bytes(&header).is_ok());
    let longer = [&header[..], &[0]].concat();
    let expected = DecodeError::TooLong { got: HEADER_BYTES + 1, max: HEADER_BYTES };
    assert_eq!(Header::from_bytes(&longer), Err(expected));
    let got = MAX_TRANSACTION_BYTES + 1;
    let expected = DecodeError::TooLong { got, max: MAX_TRANSACTION_BYTES };
    assert_eq!(Transaction::from_bytes(&vec![1; got]), Err(expected));
    let got = MAX_BLOCK_BYTES + 1;
    assert_eq!(Block::from_bytes(&vec![1; got]), Err(DecodeError::TooLong { got, max: MAX_BLOCK_BYTES }));
}

/// The error once named the caller's bound where the codec's own was the lower one.
#[test]
fn decode_error_too_long_names_the_bound_that_held() {
    let bytes = vec![0; MAX_INPUT_BYTES + 1];
    let expected = DecodeError::TooLong { got: MAX_INPUT_BYTES + 1, max: MAX_INPUT_BYTES };
    assert_eq!(codec::decode::<UndoRecord>(&bytes, usize::MAX), Err(expected));
}

#[test]
fn decode_error_truncated() {
    let (header, transaction, block) = encoded();
    for got in 0..HEADER_BYTES {
        assert_eq!(Header::from_bytes(&header[..got]), Err(DecodeError::Truncated { got }));
    }
    for got in 0..transaction.len() {
        assert_eq!(Transaction::from_bytes(&transaction[..got]), Err(DecodeError::Truncated { got }));
    }
    for got in 0..block.len() {
        assert_eq!(Block::from_bytes(&block[..got]), Err(DecodeError::Truncated { got }));
    }
}

#[test]
fn decode_error_trailing() {
    let (_, transaction, block) = encoded();
    let expected = |bytes: &[u8]| DecodeError::Trailing { got: bytes.len() + 1, expected: bytes.len() };
    assert_eq!(Transaction::from_bytes(&[&transaction[..], &[0]].concat()), Err(expected(&transaction)));
    assert_eq!(Block::from_bytes(&[&block[..], &[0]].concat()), Err(expected(&block)));
}

#[test]
fn decode_error_too_many() {
    // The counts of outputs, of bytes of memo (after one output) and of transactions.
    let (_, transaction, block) = encoded();
    for claim in [1_u64 << 60, u64::MAX, 1_025] {
        let mut bytes = transaction.clone();
        bytes[65..73].copy_from_slice(&claim.to_le_bytes());
        assert_eq!(Transaction::from_bytes(&bytes), Err(DecodeError::TooMany), "{claim} outputs");
        let mut bytes = transaction.clone();
        bytes[113..121].copy_from_slice(&claim.to_le_bytes());
        assert_eq!(Transaction::from_bytes(&bytes), Err(DecodeError::TooMany), "{claim} bytes of memo");
    }
    for claim in [1_u64 << 60, u64::MAX, 17_004] {
        let mut bytes = block.clone();
        bytes[190..198].copy_from_slice(&claim.to_le_bytes());
        assert_eq!(Block::from_bytes(&bytes), Err(DecodeError::TooMany), "{claim} transactions");
    }
    let expected = TooManyElements { got: 3, max: 2 };
    assert_eq!(BoundedVec::<u8, 2>::new(vec![0; 3]), Err(expected));
    assert_eq!(codec::decode::<MmrProof>(&65_u64.to_le_bytes(), 8_000), Err(DecodeError::TooMany));
}

#[test]
fn decode_error_out_of_range() {
    let (_, transaction, block) = encoded();
    for (at, what) in [(41, "fee"), (49, "max_price"), (105, "amount")] {
        let mut bytes = transaction.clone();
        bytes[at..at + 8].copy_from_slice(&(1_u64 << 53).to_le_bytes());
        assert_eq!(Transaction::from_bytes(&bytes), Err(DecodeError::OutOfRange), "{what}");
        bytes[at..at + 8].copy_from_slice(&((1_u64 << 53) - 1).to_le_bytes());
        assert!(Transaction::from_bytes(&bytes).is_ok(), "{what} of 2^53 - 1");
    }
    let mut bytes = block;
    bytes[198 + 41..198 + 49].copy_from_slice(&u64::MAX.to_le_bytes());
    assert_eq!(Block::from_bytes(&bytes), Err(DecodeError::OutOfRange));
}

#[test]
fn decode_error_not_canonical() {
    use codec::bincode::error::{DecodeError as Refusal, EncodeError};
    use codec::{bincode::de::Decoder, bincode::enc::Encoder};
    /// Reads any number as its lowest bit: several encodings of one value.
    #[derive(Debug, PartialEq)]
    struct Parity(u64);
    impl codec::Encode for Parity {
        fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
            self.0.encode(encoder)
        }
    }
    impl<Context> codec::Decode<Context> for Parity {
        fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, Refusal> {
            <u64 as codec::Decode<Context>>::decode(decoder).map(|number| Self(number & 1))
        }
    }
    assert_eq!(codec::decode::<Parity>(&1_u64.to_le_bytes(), 8), Ok(Parity(1)));
    assert_eq!(codec::decode::<Parity>(&3_u64.to_le_bytes(), 8), Err(DecodeError::NotCanonical));
}

#[test]
fn numbers_of_work_end_at_256_bits() {
    let greatest = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
    let work = Work::from_be_bytes(&[0xff; 32]);
    assert_eq!((greatest.parse(), work.to_string()), (Ok(work), greatest.to_owned()));
    let beyond = greatest.replace("935", "936");
    for text in ["", "-1", "+1", "1_000", " 1", "0x1", &beyond, &"9".repeat(78), &"0".repeat(79)] {
        assert!(text.parse::<Work>().is_err(), "{text}");
    }
    assert_eq!("0".parse(), Ok(Work::ZERO));
    assert_eq!(Work::ZERO.to_string(), "0");
    assert_eq!(work.checked_add(Work::from_u64(1)), None);
    assert_eq!(Work::ZERO.checked_sub(Work::from_u64(1)), None);
    assert!("1000000000000000000".parse::<Work>().is_ok_and(|work| work.to_string() == "1000000000000000000"));
}

/// Compact targets as Bitcoin reads them: 32 bytes, big-endian; none where they are refused.
fn compact_by_hand(bits: u32) -> Option<[u8; 32]> {
    let (exponent, mantissa) = ((bits >> 24) as usize, (bits & 0x00ff_ffff).to_be_bytes());
    // 35 bytes: the number has `exponent` bytes and begins with the mantissa.
    let mut wide = [0_u8; 35];
    for (at, byte) in mantissa[1..].iter().enumerate() {
        match (35 + at).checked_sub(exponent) {
            Some(place) if place < 35 => wide[place] = *byte,
            _ if *byte == 0 => {}
            _ => return None,
        }
    }
    let value: [u8; 32] = wide[3..].try_into().unwrap();
    let first = value.iter().position(|byte| *byte != 0)?;
    // The one normal form: no sign bit, and no more leading zeros than the sign bit needs.
    let size = 32 - first + usize::from(value[first] & 0x80 != 0);
    let fits = wide[..3] == [0; 3] && mantissa[1] & 0x80 == 0;
    (fits && size == exponent).then_some(value)
}

fn decoded(bits: u32) -> Option<Target> {
    CompactTarget::from_bits(bits).decode().ok()
}

proptest! {
    #![proptest_config(support::cases(4_000))]

    #[test]
    fn compact_targets_are_read_as_by_hand(
        exponent in 0_u32..40,
        mantissa in prop_oneof![0_u32..0x0100_0000, 0x7f_ff00_u32..0x80_0100, 0_u32..0x200],
    ) {
        let bits = exponent << 24 | mantissa;
        let by_hand = compact_by_hand(bits);
        prop_assert_eq!(decoded(bits).is_some(), by_hand.is_some(), "{:08x}", bits);
        if let (Some(target), Some(bytes)) = (decoded(bits), by_hand) {
            prop_assert_eq!(target.to_compact().bits(), bits);
            prop_assert!(target.is_met_by(&BlockId::from_bytes(bytes)), "the target itself is enough");
            let mut above = bytes;
            for byte in above.iter_mut().rev() {
                *byte = byte.wrapping_add(1);
                if *byte != 0 {
                    break;
                }
            }
            prop_assert!(!target.is_met_by(&BlockId::from_bytes(above)), "one above is not");
        }
    }

    #[test]
    fn whatever_a_person_types_is_answered(text in "\\PC{0,100}", typed in "(?i)crn1[02-9ac-hj-np-z]{0,90}") {
        for text in [text, typed] {
            let _ = (crn().decode(&text), text.parse::<Amount>(), text.parse::<Work>(), text.parse::<Address>());
            let _ = (text.parse::<CompactTarget>(), AddressPrefix::new(&text));
        }
    }

    #[test]
    fn whatever_bytes_arrive_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = (Header::from_bytes(&bytes), Transaction::from_bytes(&bytes), Block::from_bytes(&bytes));
        let _ = codec::decode::<UndoRecord>(&bytes, MAX_INPUT_BYTES);
        let _ = codec::decode::<MmrProof>(&bytes, MAX_INPUT_BYTES);
    }
}
