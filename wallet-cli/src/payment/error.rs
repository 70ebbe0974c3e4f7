//! Why a payment was not made, or is not where it was to be.

use super::state::{Hindrance, Impossible, InTheWay};
use super::status::NotMined;
use crate::node::ClientError;
use cairn_host::quoted;
use cairn_ledger::{Amount, TxId};
use std::io;
use std::path::{Path, PathBuf};

/// Why a payment was not made, or is not where it was to be.
#[derive(Debug, thiserror::Error)]
pub enum PaymentError {
    /// The node did not take a payment.
    #[error(
        "{error}. The payment {txid} is signed and open all the same, for a node that refuses it may pass it on; see what \
         becomes of it: {why}"
    )]
    Refused { txid: TxId, error: ClientError, why: String },
    /// The node fell silent while it was given a payment.
    #[error(
        "the payment {txid} was signed and is in the journal, but no node answered, so it may or may not be on its way \
         ({error}); see what becomes of it: {why}"
    )]
    InDoubt { txid: TxId, error: ClientError, why: String },
    /// A payment like some that are open, those that the owner was not told of first; and the command that hands the
    /// first of them over again.
    #[error("{}", in_the_way(payments, resend))]
    InTheWay { payments: Vec<InTheWay>, resend: String },
    /// A payment may be hidden in a line of the journal that cannot be read.
    #[error("{}", damaged_journal(path, lines))]
    DamagedJournal { path: PathBuf, lines: Vec<usize> },
    /// A payment that is over.
    #[error("the payment {txid} can never be mined: {why}; {}", why.advice())]
    Never { txid: TxId, why: Impossible },
    /// A payment left, and its owner could not be told.
    #[error(
        "the payment {txid} was sent, and telling so failed ({error}); it is in the journal: see `wallet status {txid}`"
    )]
    SentUnreported { txid: TxId, error: io::Error },
    /// A payment is not in a block.
    #[error(
        "the payment {txid} was signed and sent, and is not where it was to be: {why} (`wallet why {txid}` says more)"
    )]
    NotMined { txid: TxId, why: NotMined },
    /// The journal has no such payment.
    #[error("the journal of this wallet has no payment {txid} for this network; see `wallet history`")]
    NotInJournal { txid: TxId },
    /// Another payment took the nonce.
    #[error(
        "nonce {nonce} is used: a payment with it was mined, and it is not this one, or not proven to be (the next is \
         {next}); see `wallet history`"
    )]
    NonceUsed { nonce: u64, next: u64 },
    /// Too little time left.
    #[error(
        "it may be mined until block {valid_until} and the tip is block {height}: too near to get there; make it anew, \
         with more blocks in --valid-for"
    )]
    TooLate { valid_until: u64, height: u64 },
    /// More than there is now.
    #[error("the payment needs {need} CRN and the address has {have} CRN at the tip; see `wallet balance`")]
    Overdrawn { have: Amount, need: Amount },
    /// The owner said no.
    #[error("nothing was signed and nothing was sent")]
    Declined,
}

impl PaymentError {
    /// The kind in words, as in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Refused { error, .. } => error.kind(),
            Self::InDoubt { .. } => "in_doubt",
            Self::InTheWay { payments, .. }
                if payments.first().is_some_and(|first| matches!(first.why, Hindrance::Mined { .. })) =>
            {
                "already_paid"
            }
            Self::InTheWay { .. } => "payment_open",
            Self::DamagedJournal { .. } => "journal_damaged",
            Self::Never { why: Impossible::Replaced(_), .. } | Self::NonceUsed { .. } => "nonce_used",
            Self::Never { why: Impossible::Expired { .. }, .. } => "expired",
            Self::SentUnreported { .. } => "sent_untold",
            Self::NotMined { .. } => "not_mined",
            Self::NotInJournal { .. } => "not_in_journal",
            Self::TooLate { .. } => "too_late",
            Self::Overdrawn { .. } => "overdrawn",
            Self::Declined => "declined",
        }
    }

    /// Whether the owner may say that it is to be paid all the same.
    pub fn is_question(&self) -> bool {
        matches!(self, Self::InTheWay { .. } | Self::DamagedJournal { .. })
    }

    /// The payments that the owner is asked about.
    pub fn asks_about(&self) -> Vec<TxId> {
        let Self::InTheWay { payments, .. } = self else { return Vec::new() };
        payments.iter().map(|one| one.txid).collect()
    }

    /// The payment it is about.
    pub fn txid(&self) -> Option<TxId> {
        match self {
            Self::Refused { txid, .. }
            | Self::InDoubt { txid, .. }
            | Self::SentUnreported { txid, .. }
            | Self::Never { txid, .. }
            | Self::NotMined { txid, .. }
            | Self::NotInJournal { txid } => Some(*txid),
            Self::InTheWay { payments, .. } => payments.first().map(|first| first.txid),
            _ => None,
        }
    }
}

/// What earlier payments of the same purpose mean for a new one.
fn in_the_way(payments: &[InTheWay], resend: &str) -> String {
    let Some(first) = payments.first() else { return String::new() };
    let txid = first.txid;
    let first_why = match first.why {
        Hindrance::Mined { height } => format!(
            "the same amount was paid to the same receiver already, and nobody had been told: {txid} is in block {height}"
        ),
        Hindrance::Open => format!(
            "a payment of the same amount to the same receiver is open: {txid} may still be mined; to hand that one over \
             once more: {resend}"
        ),
        Hindrance::Unsettled { left } => format!(
            "a payment of the same amount to the same receiver, {txid}, is over by the newest blocks, and they may still \
             be replaced: wait for {left} more, and send then"
        ),
    };
    let others: Vec<String> = payments.iter().skip(1).map(|other| other.txid.to_string()).collect();
    let others = if others.is_empty() { String::new() } else { format!(" (beside it: {})", others.join(", ")) };
    format!("{first_why}{others}. To pay a second time, add --again")
}

/// What it means that lines of the journal cannot be read, and what to do.
fn damaged_journal(path: &Path, lines: &[usize]) -> String {
    let numbers: Vec<String> = lines.iter().take(5).map(ToString::to_string).collect();
    let (numbers, path) = (numbers.join(", "), quoted(&path.display().to_string()));
    let more = if lines.len() > 5 { " and more" } else { "" };
    format!(
        "the journal {path} is damaged: {numbers}{more} of its lines by number cannot be read, and a payment there may be \
         open, so that another like it would pay twice. Look at them with sed -n LINEp {path}, or bring the file back from \
         a backup; to pay all the same, add --again"
    )
}
