//! Why a visitor gets nothing now: a kind for scripts, a status of HTTP, and a sentence that says what to do.

use super::challenge::GrantId;
use super::prefix::IpPrefix;
use crate::clock::Utc;
use cairn_host::{Inert, inert::in_short};
use cairn_ledger::Amount;
use serde_json::{Value, json};

/// The most characters of what a visitor sent that are shown back.
const SHOWN_CHARS: usize = 80;

/// Why a visitor gets nothing now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A request that makes no sense.
    #[error("{0}")]
    BadRequest(String),
    /// Not JSON.
    #[error("got the Content-Type {got}, expected application/json")]
    NotJson { got: String },
    /// Nothing is there.
    #[error("there is nothing at {got}; the faucet itself is at /")]
    NoPage { got: String },
    /// No such gift.
    #[error("the faucet knows no gift {got}; it forgets them a day after they are mined")]
    NoGrant { got: String },
    /// Another method.
    #[error("got {got}, expected {expected}")]
    Method { got: String, expected: &'static str },
    /// A body beyond the bound.
    #[error("the request is too long; a claim has at most {max} bytes")]
    TooLong { max: usize },
    /// A body that does not come.
    #[error("the request did not come to its end within {seconds} s; send it again")]
    TooSlow { seconds: u64 },
    /// Too many requests.
    #[error("too many requests from {prefix}; wait for a second, and try again")]
    TooFast { prefix: IpPrefix },
    /// No address.
    #[error("{got} is no address of the network {chain}: {reason}. Copy yours from your wallet")]
    BadAddress { got: String, chain: String, reason: String },
    /// A challenge that is over.
    #[error("this challenge is over, or never was: ask for a new one, and work on that")]
    OldChallenge,
    /// Too little work.
    #[error(
        "the proof begins with {got} zero bits, and a gift costs {bits} now: go on with the same challenge, nothing of \
         the work is lost"
    )]
    WeakProof { got: u32, bits: u32 },
    /// Work that was paid for.
    #[error("this proof has had its gift; the address can have another at {}", Utc(*.again))]
    UsedProof { id: GrantId, again: u64 },
    /// An address that had its gift.
    #[error("this address has had its gift of the day; it can have another at {}", Utc(*.again))]
    AddressLimit { id: GrantId, again: u64 },
    /// Visitors that had theirs.
    #[error("visitors from {prefix} have had all that they get in a day; come again at {}", Utc(*.again))]
    PrefixLimit { prefix: IpPrefix, again: u64 },
    /// Nothing is left for today.
    #[error("the faucet has given away all that it may in a day, {budget} CRN; come again at {}", Utc(*.again))]
    BudgetUsed { budget: Amount, again: u64 },
    /// Nothing is left at all.
    #[error("the faucet has no money left; its owner has to send some to {address}. Come again later")]
    Empty { address: String },
    /// Too many wait.
    #[error("{waiting} visitors wait for their gift already; come again in a minute")]
    Busy { waiting: usize },
    /// Nobody to hand payments to.
    #[error(
        "the faucet cannot pay now: {reason}. Your work is good until its challenge is over; try again in a minute"
    )]
    NoNode { reason: String },
    /// No word that can be kept.
    #[error("the faucet cannot write down what it gives, so it gives nothing: {reason}. Its owner has to see to it")]
    Storage { reason: String },
    /// A fault of the faucet's own.
    #[error("something failed in the faucet itself: {reason}. Try again; if it stays so, its owner has to see to it")]
    Internal { reason: String },
}

/// What somebody sent, inert and in short.
pub fn shown(text: &str) -> String {
    let mut short: String = text.chars().take(SHOWN_CHARS).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("“{}”", Inert(&short))
}

impl Refusal {
    /// The kind in words, as in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::BadRequest(_) | Self::NotJson { .. } => "bad_request",
            Self::NoPage { .. } => "no_page",
            Self::NoGrant { .. } => "no_grant",
            Self::Method { .. } => "method",
            Self::TooLong { .. } => "too_long",
            Self::TooSlow { .. } => "too_slow",
            Self::TooFast { .. } => "too_fast",
            Self::BadAddress { .. } => "bad_address",
            Self::OldChallenge => "old_challenge",
            Self::WeakProof { .. } => "weak_proof",
            Self::UsedProof { .. } => "used_proof",
            Self::AddressLimit { .. } => "address_limit",
            Self::PrefixLimit { .. } => "prefix_limit",
            Self::BudgetUsed { .. } => "budget_used",
            Self::Empty { .. } => "empty",
            Self::Busy { .. } => "busy",
            Self::NoNode { .. } => "no_node",
            Self::Storage { .. } => "storage",
            Self::Internal { .. } => "internal",
        }
    }

    /// The status of HTTP.
    pub fn status(&self) -> u16 {
        match self {
            Self::BadRequest(_) | Self::BadAddress { .. } => 400,
            Self::NoPage { .. } | Self::NoGrant { .. } => 404,
            Self::Method { .. } => 405,
            Self::TooSlow { .. } => 408,
            Self::OldChallenge | Self::WeakProof { .. } | Self::UsedProof { .. } => 409,
            Self::TooLong { .. } => 413,
            Self::NotJson { .. } => 415,
            Self::TooFast { .. } | Self::AddressLimit { .. } | Self::PrefixLimit { .. } | Self::BudgetUsed { .. } => {
                429
            }
            Self::Internal { .. } => 500,
            Self::Empty { .. } | Self::Busy { .. } | Self::NoNode { .. } | Self::Storage { .. } => 503,
        }
    }

    /// When to come again, Unix ms, where that is known.
    pub fn again(&self) -> Option<u64> {
        match self {
            Self::UsedProof { again, .. }
            | Self::AddressLimit { again, .. }
            | Self::PrefixLimit { again, .. }
            | Self::BudgetUsed { again, .. } => Some(*again),
            _ => None,
        }
    }

    /// As JSON: `{"error": {"kind", "message"}}`, and what a script can go on with.
    pub fn json(&self) -> Value {
        let mut error = json!({ "kind": self.kind(), "message": self.to_string() });
        if let Some(again) = self.again() {
            error["again"] = json!(again);
        }
        match self {
            Self::WeakProof { bits, .. } => error["bits"] = json!(bits),
            Self::UsedProof { id, .. } | Self::AddressLimit { id, .. } => error["grant"] = json!(id.to_string()),
            _ => {}
        }
        json!({ "error": error })
    }

    /// For whatever goes wrong with a node.
    pub fn no_node(reason: &str) -> Self {
        Self::NoNode { reason: in_short(reason).trim_end_matches('.').to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_visitor_sent_is_shown_inert_and_in_short() {
        assert_eq!(shown("lcrn1\u{1b}[2J\u{202e}"), "“lcrn1\\u{1b}[2J\\u{202e}”");
        let long = shown(&"a".repeat(10_000));
        assert!(long.chars().count() == SHOWN_CHARS + 3 && long.ends_with("…”"), "{long}");
    }

    #[test]
    fn scripts_get_what_they_go_on_with() {
        let error = Refusal::WeakProof { got: 3, bits: 20 }.json()["error"].clone();
        assert_eq!((&error["kind"], &error["bits"]), (&json!("weak_proof"), &json!(20)));
        let id = GrantId::of(7);
        let error = Refusal::AddressLimit { id, again: 86_400_000 }.json()["error"].clone();
        assert_eq!((&error["again"], &error["grant"]), (&json!(86_400_000), &json!("07".repeat(16))));
        assert!(error["message"].as_str().is_some_and(|text| text.ends_with("at 1970-01-02 00:00 UTC")), "{error}");
    }
}
