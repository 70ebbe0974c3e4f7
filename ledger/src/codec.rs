//! The one encoding: bincode 2, little-endian, fixed-width integers.
//!
//! This is the only module that calls bincode. Everything that crosses a wire or reaches a disk goes
//! through [`encode`] and [`decode`]; other modules and crates derive with the re-exported traits.
//!
//! # Invariants
//! 1. An input longer than the caller's bound is refused before it is read.
//! 2. No list allocates for elements that have not been read ([`BoundedVec`]).
//! 3. Every byte is consumed, and encoding the result again gives the input: one value, one encoding. Only
//!    [`decode_beginning`] leaves bytes over.

use alloc::vec::Vec;
use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use bincode::de::{BorrowDecode, BorrowDecoder, Decoder};
use bincode::error::{DecodeError as BincodeDecodeError, EncodeError};
pub use bincode::{self, Decode, Encode};
use bincode::{enc::Encoder, enc::write::Writer};

/// Bincode counts the memory of a value, not its bytes on the wire, so its own limit stands far above
/// [`MAX_INPUT_BYTES`]; the length check in [`decode`] is the one that holds.
const MEMORY_LIMIT: usize = 128 << 20;

/// The longest input any caller may ask to decode: the undo record of the busiest block is the largest.
pub const MAX_INPUT_BYTES: usize = 16 << 20;

const CONFIG: Configuration<LittleEndian, Fixint, Limit<MEMORY_LIMIT>> =
    bincode::config::standard().with_little_endian().with_fixed_int_encoding().with_limit::<MEMORY_LIMIT>();

/// Why bytes are not the one encoding of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the sentence of each error names its fields")]
pub enum DecodeError {
    /// More bytes than the value may ever have.
    #[error("got {got} bytes, expected at most {max}")]
    TooLong { got: usize, max: usize },
    /// The bytes end inside the value.
    #[error("got {got} bytes, which end inside the value")]
    Truncated { got: usize },
    /// Bytes are left over after the value.
    #[error("got {got} bytes, expected {expected}")]
    Trailing { got: usize, expected: usize },
    /// A list claims more elements than it may have.
    #[error("a list claims more elements than it may have")]
    TooMany,
    /// A number lies outside its range, or a tag names nothing.
    #[error("a value lies outside its range")]
    OutOfRange,
    /// Another encoding of a value that has exactly one.
    #[error("this is not the one encoding of the value")]
    NotCanonical,
}

/// The encoding of `value`.
///
/// # Panics
/// Never: writing to memory succeeds, and no type of ours refuses to be encoded.
#[expect(clippy::expect_used, reason = "no type of ours refuses to be encoded")]
pub fn encode<T: Encode>(value: &T) -> Vec<u8> {
    bincode::encode_to_vec(value, CONFIG).expect("encoding to memory cannot fail")
}

/// Appends the encoding of `value` to `bytes`.
///
/// # Panics
/// Never, as [`encode`].
#[expect(clippy::expect_used, reason = "no type of ours refuses to be encoded")]
pub fn encode_onto<T: Encode>(bytes: &mut Vec<u8>, value: &T) {
    bincode::encode_into_writer(value, Appender(bytes), CONFIG).expect("encoding to memory cannot fail");
}

struct Appender<'a>(&'a mut Vec<u8>);

impl Writer for Appender<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// Takes an encoding only as long as it is the beginning of these bytes.
struct Comparer<'a>(&'a [u8]);

impl Writer for Comparer<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0 = self.0.strip_prefix(bytes).ok_or(EncodeError::Other("other bytes"))?;
        Ok(())
    }
}

/// Decodes exactly one `T` from all of `bytes`, at most `max` of them.
///
/// # Errors
/// Says how the bytes differ from the one encoding of a `T`.
pub fn decode<T: Decode<()> + Encode>(bytes: &[u8], max: usize) -> Result<T, DecodeError> {
    let (got, (value, expected)) = (bytes.len(), decode_beginning(bytes, max)?);
    if expected == got { Ok(value) } else { Err(DecodeError::Trailing { got, expected }) }
}

/// Decodes exactly one `T` from the beginning of `bytes`, of which there may be `max` in all, and says where it ends:
/// for messages to which later programs add fields.
///
/// # Errors
/// Says how the beginning differs from the one encoding of a `T`.
pub fn decode_beginning<T: Decode<()> + Encode>(bytes: &[u8], max: usize) -> Result<(T, usize), DecodeError> {
    let (got, max) = (bytes.len(), max.min(MAX_INPUT_BYTES));
    if got > max {
        return Err(DecodeError::TooLong { got, max });
    }
    let (value, expected) = bincode::decode_from_slice::<T, _>(bytes, CONFIG).map_err(|error| match error {
        BincodeDecodeError::UnexpectedEnd { .. } => DecodeError::Truncated { got },
        BincodeDecodeError::LimitExceeded => DecodeError::TooMany,
        _ => DecodeError::OutOfRange,
    })?;
    let mut rest = Comparer(bytes);
    let is_same = bincode::encode_into_writer(&value, &mut rest, CONFIG).is_ok();
    if !is_same || rest.0.len() != got.saturating_sub(expected) {
        return Err(DecodeError::NotCanonical);
    }
    Ok((value, expected))
}

/// What a [`Decode`] of ours answers for a number outside its range.
pub(crate) const OUT_OF_RANGE: BincodeDecodeError = BincodeDecodeError::Other("out of range");

/// A list of at most `MAX` elements, written as its length (u64) and then the elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundedVec<T, const MAX: usize>(Vec<T>);

/// More elements than a [`BoundedVec`] may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("got {got} elements, expected at most {max}")]
pub struct TooManyElements {
    /// Elements given.
    pub got: usize,
    /// The bound.
    pub max: usize,
}

impl<T, const MAX: usize> BoundedVec<T, MAX> {
    /// Wraps `elements`.
    ///
    /// # Errors
    /// Refuses more than `MAX`.
    pub fn new(elements: Vec<T>) -> Result<Self, TooManyElements> {
        if elements.len() > MAX {
            return Err(TooManyElements { got: elements.len(), max: MAX });
        }
        Ok(Self(elements))
    }

    /// The elements.
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T, const MAX: usize> Default for BoundedVec<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MAX: usize> core::ops::Deref for BoundedVec<T, MAX> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Encode, const MAX: usize> Encode for BoundedVec<T, MAX> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.0.encode(encoder)
    }
}

impl<Context, T: Decode<Context>, const MAX: usize> Decode<Context> for BoundedVec<T, MAX> {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, BincodeDecodeError> {
        /// What is reserved before the first element was seen: a length alone never buys memory.
        const RESERVE: usize = 16;
        let count = bounded_len::<D, MAX>(decoder)?;
        let mut elements = Vec::with_capacity(count.min(RESERVE));
        for _ in 0..count {
            elements.push(T::decode(decoder)?);
        }
        Ok(Self(elements))
    }
}

impl<'de, Context, T: Decode<Context>, const MAX: usize> BorrowDecode<'de, Context> for BoundedVec<T, MAX> {
    fn borrow_decode<D: BorrowDecoder<'de, Context = Context>>(decoder: &mut D) -> Result<Self, BincodeDecodeError> {
        Self::decode(decoder)
    }
}

/// At most `MAX` bytes, written as their length (u64) and then themselves.
pub type BoundedBytes<const MAX: usize> = BoundedVec<u8, MAX>;

fn bounded_len<D: Decoder, const MAX: usize>(decoder: &mut D) -> Result<usize, BincodeDecodeError> {
    let claimed = <u64 as Decode<D::Context>>::decode(decoder)?;
    match usize::try_from(claimed) {
        Ok(count) if count <= MAX => Ok(count),
        _ => Err(BincodeDecodeError::LimitExceeded),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Words = BoundedVec<u64, 4>;

    fn words(list: &[u64]) -> Words {
        Words::new(list.to_vec()).unwrap()
    }

    #[test]
    fn a_length_bomb_is_refused_before_allocation() {
        assert_eq!(decode::<Words>(&(1u64 << 60).to_le_bytes(), 64), Err(DecodeError::TooMany));
        assert_eq!(decode::<BoundedBytes<9>>(&u64::MAX.to_le_bytes(), 64), Err(DecodeError::TooMany));
        // A claim within the bound that the bytes do not keep.
        assert_eq!(decode::<Words>(&4u64.to_le_bytes(), 64), Err(DecodeError::Truncated { got: 8 }));
    }

    #[test]
    fn over_long_and_trailing_inputs_are_refused() {
        let bytes = encode(&words(&[1, 2]));
        assert_eq!(decode::<Words>(&bytes, 64), Ok(words(&[1, 2])));
        assert_eq!(decode::<Words>(&bytes, 23), Err(DecodeError::TooLong { got: 24, max: 23 }));
        let longer = [bytes.as_slice(), &[0]].concat();
        assert_eq!(decode::<Words>(&longer, 64), Err(DecodeError::Trailing { got: 25, expected: 24 }));
    }

    #[test]
    fn a_second_encoding_of_a_value_is_refused() {
        /// Decodes any byte, encodes only zero: the shape of every malleable format.
        #[derive(Debug, PartialEq)]
        struct Lenient;
        impl Encode for Lenient {
            fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
                0u8.encode(encoder)
            }
        }
        impl<Context> Decode<Context> for Lenient {
            fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, BincodeDecodeError> {
                <u8 as Decode<Context>>::decode(decoder).map(|_| Self)
            }
        }
        assert_eq!(decode::<Lenient>(&[0], 1), Ok(Lenient));
        assert_eq!(decode::<Lenient>(&[1], 1), Err(DecodeError::NotCanonical));
    }

    #[test]
    fn lists_of_bytes_have_the_layout_of_lists() {
        let bytes = BoundedBytes::<8>::new(alloc::vec![1, 2, 3]).unwrap();
        let list = BoundedVec::<u8, 8>::new(alloc::vec![1, 2, 3]).unwrap();
        assert_eq!(encode(&bytes), encode(&list));
        let long = BoundedBytes::<10_000>::new(alloc::vec![7; 9_999]).unwrap();
        assert_eq!(decode::<BoundedBytes<10_000>>(&encode(&long), 20_000), Ok(long));
        assert_eq!(BoundedBytes::<8>::new(alloc::vec![0; 9]), Err(TooManyElements { got: 9, max: 8 }));
        assert!(decode::<BoundedVec<bool, 8>>(&[1, 0, 0, 0, 0, 0, 0, 0, 2], 64) == Err(DecodeError::OutOfRange));
    }
}
