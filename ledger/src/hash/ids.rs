//! What 32 bytes can be: opaque, ordered byte by byte, shown as hex digits.

/// Text that is not 64 lower-case hex digits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 64 lower-case hex digits, got {got:?}")]
pub struct HashParseError {
    /// The text, cut after 80 characters.
    pub got: alloc::string::String,
}

/// Defines a 32-byte identifier: opaque bytes, ordered byte by byte, shown as 64 lower-case hex digits.
macro_rules! bytes32 {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, $crate::codec::Encode, $crate::codec::Decode)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Thirty-two zero bytes.
            pub const ZERO: Self = Self([0; 32]);

            /// Wraps raw bytes.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The raw bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        // The order of the bytes. The first eight almost always decide, as one number.
        impl Ord for $name {
            fn cmp(&self, other: &Self) -> core::cmp::Ordering {
                let head = |id: &Self| id.0.first_chunk().map_or(0, |head| u64::from_be_bytes(*head));
                head(self).cmp(&head(other)).then_with(|| self.0.cmp(&other.0))
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                let mut digits = [0; 64];
                hex::encode_to_slice(self.0, &mut digits).map_err(|_| core::fmt::Error)?;
                f.write_str(core::str::from_utf8(&digits).map_err(|_| core::fmt::Error)?)
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl core::str::FromStr for $name {
            type Err = $crate::hash::HashParseError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::hash::ids::parse_bytes32(text).map(Self)
            }
        }
    };
}
pub(crate) use bytes32;

pub(crate) fn parse_bytes32(text: &str) -> Result<[u8; 32], HashParseError> {
    let mut bytes = [0; 32];
    let lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    if lower && hex::decode_to_slice(text, &mut bytes).is_ok() {
        return Ok(bytes);
    }
    Err(HashParseError { got: text.chars().take(80).collect() })
}

bytes32! {
    /// A SHA-256 digest without a more particular meaning: a root, a leaf, a message to sign.
    Hash
}

bytes32! {
    /// The id of a block, which is also its proof of work. The id of block 0 names the network.
    BlockId
}

bytes32! {
    /// The id of a signed transaction.
    TxId
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn identifiers_are_read_as_they_are_shown() {
        let id = BlockId::from_bytes([0xab; 32]);
        assert_eq!(id.to_string(), "ab".repeat(32));
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["", "ab", &"AB".repeat(32), &"ab".repeat(33), &"zz".repeat(32)] {
            assert!(bad.parse::<BlockId>().is_err(), "{bad}");
        }
    }
}
