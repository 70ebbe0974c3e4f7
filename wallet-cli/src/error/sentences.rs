//! What takes more than a line to say: how earlier payments, or damage to the journal, stand in the way of a new one.

use crate::payment::state::{Hindrance, InTheWay};
use cairn_host::shell::quoted;
use std::path::Path;

/// What earlier payments of the same purpose mean for a new one.
pub(super) fn in_the_way(payments: &[InTheWay], resend: &str) -> String {
    let Some(first) = payments.first() else { return String::new() };
    let txid = first.txid;
    let said = match first.why {
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
    format!("{said}{others}. To pay a second time, add --again")
}

/// What it means that lines of the journal cannot be read, and what to do.
pub(super) fn damaged_journal(path: &Path, lines: &[usize]) -> String {
    let numbers: Vec<String> = lines.iter().take(5).map(ToString::to_string).collect();
    let (numbers, path) = (numbers.join(", "), quoted(&path.display().to_string()));
    let more = if lines.len() > 5 { " and more" } else { "" };
    format!(
        "the journal {path} is damaged: {numbers}{more} of its lines by number cannot be read, and a payment there may be \
         open, so that another like it would pay twice. Look at them with sed -n LINEp {path}, or bring the file back from \
         a backup; to pay all the same, add --again"
    )
}
