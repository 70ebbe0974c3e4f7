//! The types of the keys, and a value with where it is set.

use super::ConfigError;
use crate::system::telemetry::LogFormat;
use cairn_host::shell::expand_home;
use std::{marker::PhantomData, net::SocketAddr, path::PathBuf, str::FromStr};

/// A value with where it is set.
#[derive(Clone, Debug)]
pub struct Sourced<T> {
    pub value: T,
    key: &'static str,
    got: String,
    origin: String,
}

impl<T> Sourced<T> {
    /// Reads the value of `key`: one text, or several where they are listed.
    pub fn read<C: ConfigType<Value = T>>(
        key: &'static str,
        texts: &[String],
        origin: &str,
    ) -> Result<Self, ConfigError> {
        let (got, origin) = (texts.join(","), origin.to_owned());
        match C::read(texts) {
            Some(value) => Ok(Self { value, key, got, origin }),
            None => Err(ConfigError::Value { key, got, origin, expected: C::expected() }),
        }
    }

    /// Refuses the value after all.
    pub fn refuse(&self, expected: impl ToString) -> ConfigError {
        let (got, origin) = (self.got.clone(), self.origin.clone());
        ConfigError::Value { key: self.key, got, origin, expected: expected.to_string() }
    }
}

/// The value of a key, where it is set.
pub fn value<T: Clone>(entry: &Option<Sourced<T>>) -> Option<T> {
    entry.as_ref().map(|entry| entry.value.clone())
}

/// The value of a key, or else what holds by default.
pub fn value_or<T: Clone>(entry: &Option<Sourced<T>>, default: T) -> T {
    value(entry).unwrap_or(default)
}

/// A type that a key can have.
pub trait ConfigType {
    /// What it is read into.
    type Value;
    /// What it takes, in words.
    fn expected() -> String;
    /// Reads it.
    fn read(texts: &[String]) -> Option<Self::Value>;
}

fn one<T: FromStr>(texts: &[String]) -> Option<T> {
    let [text] = texts else { return None };
    text.parse().ok()
}

/// What a new node begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncFrom {
    /// Block 0: it executes all blocks.
    Genesis,
    /// The accounts of a snapshot that others give it.
    Snapshot,
}

impl FromStr for SyncFrom {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "genesis" => Ok(Self::Genesis),
            "snapshot" => Ok(Self::Snapshot),
            _ => Err(()),
        }
    }
}

macro_rules! one_text {
    ($($type:ty: $expected:literal;)+) => {
        $(impl ConfigType for $type {
            type Value = Self;

            fn expected() -> String {
                String::from($expected)
            }

            fn read(texts: &[String]) -> Option<Self> {
                one(texts)
            }
        })+
    };
}
one_text! {
    String: "one text";
    bool: "true or false";
    u16: "a whole number from 0 to 65535";
    SocketAddr: "an IP address and a port, such as 127.0.0.1:9741";
    LogFormat: "text or json";
    SyncFrom: "genesis or snapshot";
    tracing::Level: "error, warn, info, debug or trace";
}

/// No shell has been before a file or a service's environment: `~` is the home directory here, too.
impl ConfigType for PathBuf {
    type Value = Self;

    fn expected() -> String {
        String::from("one path")
    }

    fn read(texts: &[String]) -> Option<Self> {
        let path: Self = one(texts)?;
        Some(expand_home(&path, std::env::var_os("HOME")))
    }
}

/// A number of bytes.
pub struct Size;

impl ConfigType for Size {
    type Value = u64;

    fn expected() -> String {
        String::from("a number of bytes, such as 500000000, 512MiB, 20GiB or 1TiB")
    }

    fn read(texts: &[String]) -> Option<u64> {
        let text = one::<String>(texts)?;
        let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        let unit: u64 = match text.get(digits.len()..)?.trim() {
            "" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            "TiB" => 1 << 40,
            _ => return None,
        };
        digits.parse::<u64>().ok()?.checked_mul(unit).filter(|bytes| *bytes > 0)
    }
}

impl ConfigType for Vec<String> {
    type Value = Self;

    fn expected() -> String {
        String::from("a list")
    }

    fn read(texts: &[String]) -> Option<Self> {
        let items = texts.iter().flat_map(|text| text.split(',')).map(str::trim);
        Some(items.filter(|item| !item.is_empty()).map(str::to_owned).collect())
    }
}

/// A whole number from `MIN` to `MAX`.
pub struct Ranged<T, const MIN: u64, const MAX: u64>(PhantomData<T>);

impl<T: FromStr + Copy + TryInto<u64>, const MIN: u64, const MAX: u64> ConfigType for Ranged<T, MIN, MAX> {
    type Value = T;

    fn expected() -> String {
        format!("a whole number from {MIN} to {MAX}")
    }

    fn read(texts: &[String]) -> Option<T> {
        let number: T = one(texts)?;
        number.try_into().is_ok_and(|number: u64| (MIN..=MAX).contains(&number)).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_outside_their_range_are_no_settings() {
        type Duty = Ranged<u8, 1, 100>;
        let read = |text: &str| Duty::read(&[text.to_owned()]);
        assert_eq!((read("1"), read("100")), (Some(1), Some(100)));
        for text in ["0", "101", "300", "-1", "1.5", "", "ten"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_have_binary_units_and_are_never_nothing() {
        let read = |text: &str| Size::read(&[text.to_owned()]);
        for (text, bytes) in [("1", 1), ("512MiB", 512 << 20), ("20 GiB", 20 << 30), ("3TiB", 3 << 40), ("2KiB", 2048)]
        {
            assert_eq!(read(text), Some(bytes), "{text}");
        }
        for text in ["", "0", "0GiB", "GiB", "1GB", "1.5GiB", "-1", "99999999999TiB", "1 GiB 2"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn lists_are_split_at_commas_and_texts_are_not() {
        let texts = ["a, b".to_owned(), "c".to_owned(), String::new()];
        assert_eq!(Vec::<String>::read(&texts), Some(vec!["a".to_owned(), "b".to_owned(), "c".to_owned()]));
        assert_eq!(String::read(&["a,b".to_owned()]), Some("a,b".to_owned()));
        assert_eq!(String::read(&texts), None);
    }
}
