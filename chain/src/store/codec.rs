//! How keys and values become bytes: keys keep their order, values begin with a version byte.

use super::StoreError;
use cairn_ledger::codec::{self, Decode, Encode};
use cairn_ledger::{Address, BlockId, Height, TxId};

/// The version byte every value begins with.
const VALUE_VERSION: u8 = 1;

/// A table: its name, and the types of its keys and values.
pub trait Table {
    /// The column family.
    const NAME: &'static str;
    /// What it is looked up by.
    type Key: KeyCodec;
    /// What it holds.
    type Value: Encode + Decode<()>;
}

/// A key whose bytes sort as it does.
pub trait KeyCodec {
    /// Its bytes, always as many.
    type Bytes: AsRef<[u8]>;

    /// The bytes.
    fn to_bytes(&self) -> Self::Bytes;
}

impl KeyCodec for u64 {
    type Bytes = [u8; 8];

    fn to_bytes(&self) -> [u8; 8] {
        self.to_be_bytes()
    }
}

impl KeyCodec for Height {
    type Bytes = [u8; 8];

    fn to_bytes(&self) -> [u8; 8] {
        self.get().to_be_bytes()
    }
}

macro_rules! id_keys {
    ($($id:ty),*) => {
        $(impl KeyCodec for $id {
            type Bytes = [u8; 32];

            fn to_bytes(&self) -> [u8; 32] {
                *self.as_bytes()
            }
        })*
    };
}
id_keys!(BlockId, TxId, Address);

/// Begins a value in place of the last one: the encoding of a `T` follows.
pub fn begin_value(bytes: &mut Vec<u8>) {
    bytes.clear();
    bytes.push(VALUE_VERSION);
}

/// Reads a value of `T`'s table, found under `key`.
pub fn decode_value<T: Table>(key: &[u8], bytes: &[u8]) -> Result<T::Value, StoreError> {
    let value = encoded::<T>(key, bytes)?;
    codec::decode(value, codec::MAX_INPUT_BYTES).map_err(|_| corrupt::<T>(key))
}

/// The encoding in the bytes of a value of `T`'s table, found under `key`.
pub fn encoded<'a, T: Table>(key: &[u8], bytes: &'a [u8]) -> Result<&'a [u8], StoreError> {
    match bytes.split_first() {
        Some((&VALUE_VERSION, value)) => Ok(value),
        _ => Err(corrupt::<T>(key)),
    }
}

fn corrupt<T: Table>(key: &[u8]) -> StoreError {
    StoreError::corrupt::<T>(hex::encode(key))
}

impl StoreError {
    /// A record that must be there is not; `key` names it.
    pub(crate) fn missing<T: Table>(key: impl ToString) -> Self {
        Self::Missing { table: T::NAME, key: key.to_string() }
    }

    /// A record that cannot be; `key` names it.
    pub(crate) fn corrupt<T: Table>(key: impl ToString) -> Self {
        Self::Corrupt { table: T::NAME, key: key.to_string() }
    }
}
