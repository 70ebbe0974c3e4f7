//! What became of a payment, in words; how far one is followed, and why it is not there. It stays open unless there is
//! a proof.

use super::state::Impossible;
use cairn_ledger::TxId;
use cairn_rpc::{TxState, TxStatus, policy::BURIED};
use clap::{Args, ValueEnum, builder::Resettable};

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

/// How far a payment is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WaitFor {
    /// Until it is in the node's pool.
    #[value(help = Resettable::Reset)]
    Pooled,
    /// Until it is in a block.
    #[value(help = Resettable::Reset)]
    Mined,
    /// Until that block is buried under others.
    #[value(help = Resettable::Reset)]
    Buried,
}

impl WaitFor {
    /// How many confirmations it takes.
    pub fn confirmations(self) -> u64 {
        match self {
            Self::Pooled | Self::Mined => 1,
            Self::Buried => BURIED,
        }
    }

    /// What is waited for.
    pub fn phrase(self) -> &'static str {
        match self {
            Self::Pooled => "waiting until it is in the pool",
            Self::Mined => "waiting until it is in a block",
            Self::Buried => "waiting until its block is buried",
        }
    }
}

/// Waiting for a payment.
#[derive(Clone, Copy, Debug, Args)]
pub struct WaitArguments {
    /// Wait, and tell of each step, until it is pooled, mined, or buried under five more blocks
    #[arg(long, value_name = "UNTIL", num_args = 0..=1, require_equals = true, default_missing_value = "mined")]
    pub wait: Option<WaitFor>,
    /// How long to wait
    #[arg(long, value_name = "SECONDS", default_value_t = 300, requires = "wait")]
    pub timeout: u64,
}

/// Why a payment is not in a block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotMined {
    /// It can never be.
    #[error("it can never be: {why}; {}", .0.advice(), why = .0)]
    Impossible(Impossible),
    /// Its last block has passed, and may still be replaced.
    #[error(
        "its last block {valid_until} has passed, and the tip is block {height}: pay it anew in its own place with \
         `wallet bump {txid}`"
    )]
    Expiring { txid: TxId, valid_until: u64, height: u64 },
    /// Every node says that it gave it up, and none proves it.
    #[error("{state}, every node says; it is open all the same, for another may have it")]
    GivenUp { state: String },
    /// Time is up, and at the end the node did not even answer.
    #[error("after {seconds} s: {reason}; it may be in one all the same")]
    Silent { seconds: u64, reason: String },
    /// In a block, and time is up before that is buried.
    #[error(
        "it is in a block, and after {seconds} s it has {confirmations} of {BURIED} confirmations; that goes on by itself"
    )]
    Shallow { seconds: u64, confirmations: u64 },
    /// Time is up.
    #[error("it is not in a block after {seconds} s; it may still get into one")]
    TimedOut { seconds: u64 },
}
