//! The commands, one file each: they ask, call the pure parts, and tell. Each has one result type, whose
//! fields are its JSON and whose text is for people.

pub(crate) mod address;
pub(crate) mod balance;
pub(crate) mod history;
pub(crate) mod list;
pub(crate) mod new;
pub(crate) mod pair;
pub(crate) mod resend;
pub(crate) mod restore;
pub(crate) mod send;
pub(crate) mod status;

use cairn_rpc::types::{TxState, TxStatus};

/// What became of a payment, in one phrase.
fn phrase(status: &TxStatus) -> String {
    let reason = status.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    match (status.state, status.height) {
        (TxState::Mined, Some(height)) => {
            format!("mined in block {height}, {}", counted(status.confirmations, "confirmation"))
        }
        (TxState::Mined, None) => String::from("mined"),
        (TxState::Pooled, _) => String::from("waiting for a block"),
        (TxState::Unknown, _) => String::from("not known to the node"),
        (TxState::Dropped, _) => format!("dropped from the node's pool{reason}"),
        (TxState::Expired, _) => format!("expired{reason}"),
    }
}

/// `1 block`, `2 blocks`.
fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
