//! Payment URIs, `cairn:ADDRESS?amount=1.5&memo=..&label=..`: written for others to scan, read strictly.
//!
//! The form is that of BIP 21. Unlike there, a field this program does not know is refused: it may be one
//! that changes what is paid.

use crate::store::MAX_LABEL_BYTES;
use cairn_host::Inert;
use cairn_ledger::{Amount, transaction::MAX_MEMO_BYTES};
use std::fmt;

/// What every payment URI begins with.
pub const URI_SCHEME: &str = "cairn:";
/// The longest URI that is read: every field at its longest, each byte escaped, fits.
pub const MAX_URI_BYTES: usize = 2_048;

/// What a URI asks for. The address is text: its network is not the URI's to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PaymentUri {
    /// Who is to be paid.
    pub address: String,
    /// How much.
    pub amount: Option<Amount>,
    /// What is to be said with it.
    pub memo: Option<String>,
    /// What the receiver is called, in its own words.
    pub label: Option<String>,
}

/// Text that is no payment URI.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// Longer than any that this wallet makes.
    #[error("the payment URI has {got} bytes, expected at most {MAX_URI_BYTES}")]
    TooLong { got: usize },
    /// Another scheme; inert.
    #[error("got {got:?}, expected a payment URI such as cairn:ADDRESS?amount=1.5")]
    Scheme { got: String },
    /// A field that means nothing, or that is there twice; inert.
    #[error("the payment URI has the field {got:?}; expected amount, memo and label, each once, as name=value")]
    Field { got: String },
    /// A value that cannot be read.
    #[error("the payment URI's {field}: {reason}")]
    Value { field: &'static str, reason: String },
}

impl PaymentUri {
    /// Reads a URI.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, UriError> {
        if text.len() > MAX_URI_BYTES {
            return Err(UriError::TooLong { got: text.len() });
        }
        let cut = |text: &str| Inert(&text.chars().take(40).collect::<String>()).to_string();
        let rest = text.strip_prefix(URI_SCHEME).ok_or_else(|| UriError::Scheme { got: cut(text) })?;
        let (address, query) = rest.split_once('?').map_or((rest, None), |(address, query)| (address, Some(query)));
        let mut uri = Self { address: String::from(address), ..Self::default() };
        for field in query.into_iter().flat_map(|query| query.split('&')) {
            let unknown = || UriError::Field { got: cut(field) };
            let (name, value) = field.split_once('=').ok_or_else(unknown)?;
            let taken = match name {
                "amount" => {
                    let amount = value.parse().map_err(|error| bad("amount", &error))?;
                    uri.amount.replace(amount).is_some()
                }
                "memo" => uri.memo.replace(text_value("memo", value, MAX_MEMO_BYTES)?).is_some(),
                "label" => uri.label.replace(text_value("label", value, MAX_LABEL_BYTES)?).is_some(),
                _ => true,
            };
            if taken {
                return Err(unknown());
            }
        }
        Ok(uri)
    }
}

fn bad(field: &'static str, reason: &dyn fmt::Display) -> UriError {
    UriError::Value { field, reason: Inert(&reason.to_string()).to_string() }
}

/// Undoes percent-encoding; everything but unreserved characters must be escaped.
fn text_value(field: &'static str, value: &str, max: usize) -> Result<String, UriError> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next().unwrap_or(b' '), rest.next().unwrap_or(b' ')];
                let mut escaped = [0];
                hex::decode_to_slice(digits, &mut escaped).map_err(|_| bad(field, &"a % without two hex digits"))?;
                escaped[0]
            }
            byte if is_plain(byte) => byte,
            byte => return Err(bad(field, &format_args!("byte {byte:#04x} has to be written as %{byte:02X}"))),
        });
    }
    if bytes.len() > max {
        return Err(bad(field, &format_args!("got {} bytes, expected at most {max}", bytes.len())));
    }
    let text = String::from_utf8(bytes).map_err(|_| bad(field, &"it is no text in UTF-8"))?;
    if text.chars().any(char::is_control) {
        return Err(bad(field, &"it has control characters"));
    }
    Ok(text)
}

/// RFC 3986's unreserved characters.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

impl fmt::Display for PaymentUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{URI_SCHEME}{}", self.address)?;
        let mut separator = '?';
        if let Some(amount) = self.amount {
            write!(f, "{separator}amount={amount}")?;
            separator = '&';
        }
        for (name, value) in [("memo", &self.memo), ("label", &self.label)] {
            let Some(value) = value else { continue };
            write!(f, "{separator}{name}=")?;
            separator = '&';
            value.bytes().try_for_each(|byte| {
                if is_plain(byte) { write!(f, "{}", char::from(byte)) } else { write!(f, "%{byte:02X}") }
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_is_read_as_it_is_written() {
        let full = PaymentUri {
            address: String::from("lcrn1x"),
            amount: Some("1.5".parse().expect("an amount")),
            memo: Some(String::from("for the tea & é")),
            label: Some(String::from("Bob's=shop?")),
        };
        let text = "cairn:lcrn1x?amount=1.5&memo=for%20the%20tea%20%26%20%C3%A9&label=Bob%27s%3Dshop%3F";
        assert_eq!(full.to_string(), text);
        assert_eq!(PaymentUri::parse(text), Ok(full));
        let alone = PaymentUri { address: String::from("lcrn1x"), ..PaymentUri::default() };
        assert_eq!(PaymentUri::parse("cairn:lcrn1x"), Ok(alone));
    }

    #[test]
    fn what_is_not_quite_a_uri_is_refused() {
        let refused = |text: &str| PaymentUri::parse(text).expect_err(text);
        for scheme in ["", "lcrn1x", "bitcoin:lcrn1x", "CAIRN:lcrn1x", "cairn//lcrn1x"] {
            assert!(matches!(refused(scheme), UriError::Scheme { .. }), "{scheme}");
        }
        for field in
            ["?", "?amount", "?amount=1&amount=1", "?amount=1&", "?fee=1", "?Amount=1", "?req-x=1", "?\u{1b}=1"]
        {
            let error = refused(&format!("cairn:lcrn1x{field}"));
            assert!(matches!(error, UriError::Field { .. }), "{field}");
            assert!(!error.to_string().contains('\u{1b}'));
        }
        for value in
            ["amount=", "amount=1e3", "amount=-1", "memo=%", "memo=%4", "memo=%zz", "memo=a b", "memo=%ff", "label=%1b"]
        {
            assert!(matches!(refused(&format!("cairn:lcrn1x?{value}")), UriError::Value { .. }), "{value}");
        }
        assert!(matches!(refused(&format!("cairn:lcrn1x?memo={}", "x".repeat(257))), UriError::Value { .. }));
        assert!(matches!(refused(&format!("cairn:{}", "x".repeat(3_000))), UriError::TooLong { got: 3_006 }));
    }
}
