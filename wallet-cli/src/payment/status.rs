//! What became of a payment, in words.

use cairn_rpc::types::{TxState, TxStatus};

/// What became of a payment, in one phrase.
pub(crate) fn phrase(status: &TxStatus) -> String {
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
pub(crate) fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// A status in one phrase; of one that is in a block, with whose word that is.
pub(crate) fn with_basis(status: &TxStatus, proven: bool) -> String {
    let basis = match status.state {
        TxState::Mined if proven => ", proven",
        TxState::Mined => ", the node says",
        _ => "",
    };
    format!("{}{basis}", phrase(status))
}
