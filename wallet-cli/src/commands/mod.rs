//! The commands, one file each: they ask, call the pure parts, and tell. Each has one result type, whose
//! fields are its JSON and whose text is for people.

pub(crate) mod accounts;
pub(crate) mod address;
pub(crate) mod balance;
pub(crate) mod cosign;
pub(crate) mod dispatch;
pub(crate) mod history;
pub(crate) mod label;
pub(crate) mod list;
pub(crate) mod message;
pub(crate) mod new;
pub(crate) mod offline;
pub(crate) mod overview;
pub(crate) mod pages;
pub(crate) mod pair;
pub(crate) mod payer;
pub mod receipt;
pub(crate) mod receive;
pub(crate) mod received;
pub(crate) mod repair;
pub(crate) mod replace;
pub(crate) mod resend;
pub(crate) mod restore;
pub(crate) mod send;
pub(crate) mod shared;
pub(crate) mod status;
pub(crate) mod watch;
pub(crate) mod why;

use crate::{output::Output, proven::report::Report};
use cairn_rpc::types::{TxState, TxStatus};
use std::{fmt, io};

/// Says aloud that nothing is verified.
fn warn_of_trust(output: &mut Output<'_>) -> io::Result<()> {
    output.warn("--trust-node: nothing of this is verified; a node that lies is not found out")
}

/// Says what makes the wallet less sure than it should be, and which nodes lied.
fn complain(report: Option<&Report>, output: &mut Output<'_>) -> io::Result<()> {
    report.into_iter().flat_map(Report::complaints).try_for_each(|complaint| output.warn(complaint))
}

/// What stands behind an answer.
struct Basis<'a>(Option<&'a Report>);

impl fmt::Display for Basis<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(report) => write!(f, "proven by {report}"),
            None => f.write_str("as the node says; nothing is verified"),
        }
    }
}

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
