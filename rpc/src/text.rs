//! How values of the ledger are written in JSON.

use cairn_ledger::units::Amount;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};
use serde_json::value::RawValue;
use std::{any::type_name, borrow::Cow, fmt::Display, str::FromStr};

/// A value written as the text it shows, and read from no other: an id, a target, a number too large for JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text<T>(pub T);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, T: FromStr<Err: Display> + Display> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let value: T = text.parse().map_err(D::Error::custom)?;
        // Rust reads numbers from `+7` and `007`, too.
        let expected = value.to_string();
        if text == expected {
            Ok(Self(value))
        } else {
            Err(D::Error::custom(format!("got {text:?}, expected {expected:?}")))
        }
    }
}

impl<T> Text<T> {
    /// The last part of the type's name: `BlockId`, `Hash`, `u64`.
    fn name() -> &'static str {
        type_name::<T>().rsplit("::").next().unwrap_or_default()
    }
}

impl<T> JsonSchema for Text<T> {
    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed(Self::name())
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let (pattern, description) = match Self::name() {
            "BlockId" | "Hash" | "TxId" => ("^[0-9a-f]{64}$", "32 bytes, lower-case hex"),
            "CompactTarget" => ("^[0-9a-f]{8}$", "A target in compact form, 8 hex digits"),
            "HistoryCursor" => {
                ("^(0|[1-9][0-9]*)-(0|[1-9][0-9]*)-[0-9a-f]{64}$", "A place in the history of an address")
            }
            "PoolCursor" => ("^(0|[1-9][0-9]*)-[0-9a-f]{64}$", "A place in the pool's order of arrival"),
            _ => ("^(0|[1-9][0-9]*)$", "A whole number in decimal"),
        };
        json_schema!({"type": "string", "pattern": pattern, "description": description})
    }
}

/// An amount written as a decimal string of pebbles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(description = "Pebbles in decimal; 10^8 are 1 CRN", extend("pattern" = "^(0|[1-9][0-9]*)$"))]
pub struct Pebbles(#[schemars(with = "String")] pub Amount);

impl Serialize for Pebbles {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.pebbles())
    }
}

impl<'de> Deserialize<'de> for Pebbles {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Text(pebbles) = Text::<u64>::deserialize(deserializer)?;
        Amount::from_pebbles(pebbles).map(Self).map_err(D::Error::custom)
    }
}

/// Bytes written as lower-case hex.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(description = "Bytes, lower-case hex", extend("pattern" = "^([0-9a-f]{2})*$"))]
pub struct HexBytes(#[schemars(with = "String")] pub Vec<u8>);

/// The lower-case digit of a number below 16.
const fn hex_digit(number: u8) -> u8 {
    number + if number < 10 { b'0' } else { b'a' - 10 }
}

/// As a value that is JSON already, since a block has two million digits: `hex` writes them one after the other, which
/// compilers do sixteen at once with arithmetic, and a string would be looked through for what has to be escaped. Both
/// took longer than all the rest of an answer.
impl Serialize for HexBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = Vec::with_capacity(self.0.len() * 2 + 2);
        text.push(b'"');
        text.extend(self.0.iter().flat_map(|byte| [hex_digit(byte >> 4), hex_digit(byte & 15)]));
        text.push(b'"');
        let text = String::from_utf8(text).map_err(S::Error::custom)?;
        RawValue::from_string(text).map_err(S::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for HexBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(D::Error::custom("expected lower-case hex digits"));
        }
        hex::decode(&text)
            .map(Self)
            .map_err(|error| D::Error::custom(format!("expected lower-case hex digits: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_lower_case_hex() {
        let bytes: Vec<u8> = (0..=255).collect();
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let json = serde_json::to_string(&HexBytes(bytes.clone())).expect("json");
        assert_eq!(json, format!("\"{digits}\""));
        assert_eq!(serde_json::from_str::<HexBytes>(&json).expect("hex"), HexBytes(bytes.clone()));
        assert_eq!(
            serde_json::to_value([HexBytes(bytes), HexBytes(Vec::new())]).expect("json"),
            serde_json::json!([digits, ""])
        );
    }

    #[test]
    fn a_number_has_one_text() {
        let read = |json: &str| serde_json::from_str::<Pebbles>(json).map(|Pebbles(amount)| amount.pebbles()).ok();
        assert_eq!((read("\"7\""), read("\"0\""), read("\"10\"")), (Some(7), Some(0), Some(10)));
        for text in ["\"+7\"", "\"007\"", "\"00\"", "\"-0\"", "\" 7\"", "\"\"", "7"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
