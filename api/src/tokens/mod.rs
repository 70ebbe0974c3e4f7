//! Access tokens: who may ask for what the node does not tell or do for everybody.
//!
//! # Map
//! here: the token itself and what is kept of it · `store` `DATA/tokens.json`, written by `cairn-node token`, and
//! what a running node knows of it, and of `DATA/admin.token`
//!
//! # The path of a token
//! [`Token::random`] → shown once to whoever asked for it → its [`TokenRecord`], with a hash instead of the secret,
//! into the file → a client sends it as `Authorization: Bearer` → [`TokenStore::authenticate`] → [`Grant`].
//!
//! # Invariants
//! 1. A secret is 256 random bits. So its plain SHA-256 cannot be reversed, and guessing needs no throttle.
//! 2. No secret is ever in a file but `admin.token`, nor in a log, an error or a `Debug` output.
//! 3. Secrets are compared in constant time, and found by their public id, never by themselves.
//! 4. A file that cannot be read allows nobody anything, and is never overwritten.

#[cfg(test)]
mod fuzz;
mod store;

pub use store::{Grant, InvalidToken, TokenFile, TokenFileError, TokenStore};

use cairn_ledger::units::Timestamp;
use cairn_rpc::scope::{Scope, Scopes};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{fmt, str::FromStr, time::Duration};
use subtle::ConstantTimeEq;

/// What every token begins with, so that people and secret scanners know one when they see it.
const PREFIX: &str = "cairn_";
/// The most calls a second a token can be given: what one core answers at best.
pub const MAX_RATE: u32 = 100_000;

/// A token: `cairn_`, the public id in 8 hex digits, `_`, the secret in 64.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    id: TokenId,
    secret: [u8; 32],
}

/// The public part of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenId([u8; 4]);

/// Text that is no token. It does not say what it got: that may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected cairn_, 8 lower-case hex digits, _ and 64 more")]
pub struct TokenError;

/// Text that is no token's id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("got the id {0:?}, expected 8 lower-case hex digits as in cairn-node token list")]
pub struct TokenIdError(String);

/// What is kept of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenRecord {
    /// The token's id, 8 hex digits.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// How many calls a second it may make; the node's default when absent.
    pub rate: Option<u32>,
    /// When it was made, Unix ms.
    pub created_ms: u64,
    /// When it ends, Unix ms; never when absent.
    pub expires_ms: Option<u64>,
    /// SHA-256 of id and secret, in hex.
    pub hash: String,
}

impl Token {
    /// A new token.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut token = Self { id: TokenId([0; 4]), secret: [0; 32] };
        getrandom::fill(&mut token.id.0)?;
        getrandom::fill(&mut token.secret)?;
        Ok(token)
    }

    /// Its public part.
    pub fn id(&self) -> TokenId {
        self.id
    }

    /// The whole token as text: a secret.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}_{}", self.id, hex::encode(self.secret))
    }

    fn hash(&self) -> [u8; 32] {
        Sha256::new().chain_update(self.id.0).chain_update(self.secret).finalize().into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({})", self.id)
    }
}

impl FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let (id, secret) = text.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_')).ok_or(TokenError)?;
        Ok(Self { id: id.parse().map_err(|_| TokenError)?, secret: digits(secret).ok_or(TokenError)? })
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex::encode(self.0))
    }
}

impl FromStr for TokenId {
    type Err = TokenIdError;

    fn from_str(text: &str) -> Result<Self, TokenIdError> {
        digits(text).map(Self).ok_or_else(|| TokenIdError(text.to_owned()))
    }
}

/// Bytes from lower-case hex: a token has one spelling.
fn digits<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}

/// What a new token is to be.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    /// What its owner calls it.
    pub name: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// How many calls a second it may make.
    pub rate: Option<u32>,
    /// How long it lasts.
    pub lasts: Option<Duration>,
}

impl TokenRecord {
    /// What is kept of `token`.
    pub fn new(token: &Token, wanted: TokenRequest, now: Timestamp) -> Self {
        let lasts = wanted.lasts.map(|lasts| u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX));
        Self {
            id: token.id.to_string(),
            name: wanted.name,
            scopes: Scopes::of(&wanted.scopes).members(),
            rate: wanted.rate,
            created_ms: now.millis(),
            expires_ms: lasts.map(|lasts| now.millis().saturating_add(lasts)),
            hash: hex::encode(token.hash()),
        }
    }

    /// Whether it has ended.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_ms.is_some_and(|end| end <= now.millis())
    }

    /// Whether this is the record of `token`. The time it takes says nothing of the secret.
    pub fn is_of(&self, token: &Token) -> bool {
        let Some(hash) = digits::<32>(&self.hash) else { return false };
        self.id == token.id.to_string() && bool::from(hash.ct_eq(&token.hash()))
    }
}

/// Reads how long a token lasts: `90m`, `12h`, `30d`.
///
/// # Errors
/// What was expected.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let expected = || format!("got {text:?}, expected a number with m, h or d, such as 30d");
    let unit = match text.chars().last() {
        Some('m') => 60,
        Some('h') => 3_600,
        Some('d') => 86_400,
        _ => return Err(expected()),
    };
    let count: u64 = text[..text.len() - 1].parse().map_err(|_| expected())?;
    let seconds = count.checked_mul(unit).filter(|seconds| *seconds > 0).ok_or_else(expected)?;
    Ok(Duration::from_secs(seconds))
}

/// Reads a rate: `50/s`.
///
/// # Errors
/// What was expected.
pub fn parse_rate(text: &str) -> Result<u32, String> {
    let number = text.strip_suffix("/s").and_then(|number| number.parse().ok());
    let in_range = number.filter(|rate| (1..=MAX_RATE).contains(rate));
    in_range.ok_or_else(|| format!("got {text:?}, expected calls a second from 1/s to {MAX_RATE}/s, such as 50/s"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> TokenRequest {
        TokenRequest {
            name: "shop".to_owned(),
            scopes: vec![Scope::Read],
            rate: None,
            lasts: Some(Duration::from_secs(1)),
        }
    }

    #[test]
    fn a_token_reads_back_and_has_one_spelling() {
        let token = Token::random().expect("randomness");
        let text = token.reveal();
        assert_eq!((text.len(), text.parse()), (79, Ok(token)));
        for broken in ["", "cairn_", &text[..78], &text.to_uppercase(), &format!("{text}0"), &text.replace('_', "-")] {
            assert_eq!(broken.parse::<Token>(), Err(TokenError));
        }
    }

    #[test]
    fn neither_record_nor_debug_shows_the_secret() {
        let token = Token::random().expect("randomness");
        let secret = hex::encode(token.secret);
        let record = TokenRecord::new(&token, wanted(), Timestamp::from_millis(5));
        let kept = serde_json::to_string(&record).expect("JSON");
        assert!(!kept.contains(&secret) && !format!("{token:?} {record:?}").contains(&secret));
        assert!(token.reveal().contains(&secret), "the control");
    }

    #[test]
    fn a_record_knows_its_own_token_alone_until_it_expires() {
        let token = Token::random().expect("randomness");
        let record = TokenRecord::new(&token, wanted(), Timestamp::from_millis(5));
        let mut other = token.clone();
        other.secret[31] ^= 1;
        assert!(record.is_of(&token) && !record.is_of(&other));
        assert!(!record.is_of(&Token::random().expect("randomness")));
        let at = |ms| record.has_expired(Timestamp::from_millis(ms));
        assert_eq!((at(1_004), at(1_005)), (false, true));
    }

    #[test]
    fn durations_and_rates_are_read_or_refused() {
        assert_eq!(parse_duration("90m"), Ok(Duration::from_secs(5_400)));
        assert_eq!(parse_duration("30d"), Ok(Duration::from_secs(2_592_000)));
        for broken in ["", "d", "30", "0d", "-1d", "1.5h", "30 d", "30ä", "99999999999999999999d"] {
            assert!(parse_duration(broken).is_err(), "{broken}");
        }
        assert_eq!((parse_rate("1/s"), parse_rate("100000/s")), (Ok(1), Ok(MAX_RATE)));
        for broken in ["", "/s", "0/s", "5", "5/m", "100001/s", "-1/s"] {
            assert!(parse_rate(broken).is_err(), "{broken}");
        }
    }
}
