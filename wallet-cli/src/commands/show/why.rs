//! `wallet why`: what keeps a payment of this wallet from being mined, and what to do about it.

use crate::{
    error::Result,
    output::Output,
    payment::{
        diagnosis::{Cause, Facts, Remedy, diagnose},
        flow::note_reported,
        payer::Payer,
        state::Outcome,
    },
    session::Session,
};
use cairn_ledger::hash::TxId;
use cairn_rpc::{text::Text, types::TxStatus};
use serde::Serialize;
use std::fmt;

#[derive(Serialize)]
struct Why {
    txid: Text<TxId>,
    cause: &'static str,
    explanation: String,
    /// What to do, as a command of the wallet; null when nothing has to be done.
    remedy: Option<&'static str>,
    /// Whether it is proven that it is mined, or can never be.
    proven: bool,
    status: TxStatus,
    #[serde(skip)]
    next: Option<String>,
}

pub(crate) async fn run(session: &Session<'_>, txid: TxId, output: &mut Output<'_>) -> Result<()> {
    let network = session.network()?;
    let wallet = session.wallet(&network)?;
    let mut payer = Payer::open(session.paying(&network, &wallet), output).await?;
    let (known, transaction, contents) = payer.known(&txid)?;
    // The sender before the payment: what is mined between the two questions is then found.
    let seen = payer.sender().await?;
    let (mut outcome, mut found) = payer.outcome(&known, seen.sender, &contents).await?;
    if found.claims.is_empty() && found.mined.is_none() {
        found = payer.source.payment_status(txid).await?;
        outcome = found.mined.map_or(outcome, |mined| Outcome::Mined(*mined.get()));
    }
    let status = found.status(txid);
    let cause = diagnose(&Facts {
        transaction: &transaction,
        outcome,
        sender: seen.sender.get(),
        status: &status,
        account: seen.claimed.get(),
        min_fee_rate: *payer.source.min_fee_rate().await?.get(),
    });
    let remedy = command(&cause);
    let next = remedy.map(|remedy| match remedy {
        "repair" => session.hints.here(remedy),
        "send" => session.hints.here("send ADDRESS AMOUNT"),
        of_payment => session.hints.here(&format!("{of_payment} {}", cause.other().unwrap_or(txid))),
    });
    let proven = !matches!(outcome, Outcome::Open(_)) && payer.source.is_proven();
    let explanation = cause.to_string();
    output.result(&Why { txid: Text(txid), cause: cause.kind(), explanation, remedy, proven, status, next })?;
    if matches!(outcome, Outcome::Mined(_)) {
        note_reported(&payer.account.journal, txid);
    }
    Ok(())
}

fn command(cause: &Cause) -> Option<&'static str> {
    Some(match cause.remedy() {
        Remedy::Nothing => return None,
        Remedy::LookAgain => "why",
        Remedy::Resend => "resend",
        Remedy::Repair => "repair",
        Remedy::Bump => "bump",
        Remedy::SendAgain => "send",
        Remedy::Cancel => "cancel",
    })
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "The payment {}:\n{}.", self.txid.0, self.explanation)?;
        match &self.next {
            Some(next) => writeln!(f, "\nNext: {next}"),
            None => Ok(()),
        }
    }
}
