//! `wallet status`: what became of a payment, anybody's; proven once it is in a block. `wallet why`: what keeps a
//! payment of this wallet from being mined, and what to do about it.

use crate::commands::{complain, warn_of_trust};
use crate::node::{Report, Source};
use crate::payment::{Facts, Outcome, Payment, diagnose, note_reported, with_basis};
use crate::{Output, Result, Session};
use cairn_host::Inert;
use cairn_ledger::TxId;
use cairn_rpc::{Text, TxState, TxStatus};
use serde::Serialize;
use std::fmt;

#[derive(Serialize)]
struct Status {
    #[serde(flatten)]
    status: TxStatus,
    /// What the journal of the chosen wallet knows about it.
    payment: Option<Payment>,
    /// Whether it is proven to be in its block.
    proven: bool,
    /// What stands behind that; null with `--trust-node`.
    proof: Option<Report>,
    #[serde(skip)]
    resend: String,
    #[serde(skip)]
    next: String,
}

pub(crate) async fn status(session: &Session<'_>, txid: TxId, output: &mut Output<'_>) -> Result<()> {
    let network = session.network()?;
    let payment = session.journal()?.payment(&txid).cloned();
    warn_of_trust(session, output)?;
    let mut source = Source::open(&session.nodes, network).await?;
    let found = source.payment_status(txid).await?;
    let (status, proven, proof) = (found.status(txid), found.mined.is_some() && source.is_proven(), source.report());
    complain(proof.as_ref(), output)?;
    let resend = session.hints.here(&format!("resend {txid}"));
    let next = if status.state == TxState::Mined { "receipt" } else { "why" };
    let next = session.hints.here(&format!("{next} {txid}"));
    let is_reported = payment.is_some() && proven;
    let shown = Status { status, payment, proven, proof, resend, next };
    output.result(&shown, &shown)?;
    if is_reported {
        note_reported(&session.data.journal_file(&session.name), txid);
    }
    Ok(())
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "txid    {}", self.status.txid.0)?;
        writeln!(f, "state   {}", with_basis(&self.status, self.proven))?;
        if let Some(block) = self.status.block {
            writeln!(f, "block   {}", block.0)?;
        }
        match self.proof.as_ref().filter(|_| self.proven) {
            Some(report) => writeln!(f, "proof   {report}")?,
            None => writeln!(f, "proof   none: this is what the node says")?,
        }
        let Some(payment) = &self.payment else { return Ok(()) };
        writeln!(f, "to      {}", payment.receivers())?;
        writeln!(f, "amount  {} CRN, fee {} CRN", payment.amount.0, payment.fee.0)?;
        if !payment.memo.is_empty() {
            writeln!(f, "memo    {}", Inert(&payment.memo))?;
        }
        if matches!(self.status.state, TxState::Unknown | TxState::Dropped) {
            writeln!(f, "\nIt is in this wallet's journal. To hand it over again: {}", self.resend)?;
        }
        writeln!(f, "\nNext: {}", self.next)
    }
}

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
}

pub(crate) async fn why(session: &Session<'_>, txid: TxId, output: &mut Output<'_>) -> Result<()> {
    let wallet = session.wallet()?;
    let mut payer = session.payer(&wallet, output).await?;
    let (transaction, seen, outcome, found) = payer.look(&txid).await?;
    let status = found.status(txid);
    let cause = diagnose(&Facts {
        transaction: &transaction,
        outcome,
        sender: seen.sender.get(),
        status: &status,
        account: seen.claimed.get(),
        min_fee_rate: *payer.source.min_fee_rate().await?.get(),
    });
    let remedy = cause.remedy();
    let next = remedy.map(|remedy| match remedy {
        "repair" => session.hints.here(remedy),
        "send" => session.hints.here("send ADDRESS AMOUNT"),
        of_payment => session.hints.here(&format!("{of_payment} {}", cause.other().unwrap_or(txid))),
    });
    let next = next.map(|next| format!("\nNext: {next}\n")).unwrap_or_default();
    let proven = !matches!(outcome, Outcome::Open(_)) && payer.source.is_proven();
    let why = Why { txid: Text(txid), cause: cause.kind(), explanation: cause.to_string(), remedy, proven, status };
    output.result(&why, format_args!("The payment {txid}:\n{cause}.\n{next}"))?;
    if matches!(outcome, Outcome::Mined(_)) {
        note_reported(&payer.journal, txid);
    }
    Ok(())
}
