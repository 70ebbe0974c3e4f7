//! `wallet status`: what became of a payment, anybody's; proven once it is in a block.

use crate::{
    commands::basis::{complain, warn_of_trust},
    error::Result,
    node::verify::{report::Report, source::Source},
    output::Output,
    payment::{flow::note_reported, journal::Payment, status::with_basis},
    session::Session,
};
use cairn_host::inert::Inert;
use cairn_ledger::hash::TxId;
use cairn_rpc::types::{TxState, TxStatus};
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

pub(crate) async fn run(session: &Session<'_>, txid: TxId, output: &mut Output<'_>) -> Result<()> {
    let network = session.network()?;
    let payment = session.journal()?.payment(&txid).cloned();
    if session.options.trust_node {
        warn_of_trust(output)?;
    }
    let mut source = Source::open(&session.nodes, &network).await?;
    let found = source.payment_status(txid).await?;
    let (status, proven, proof) = (found.status(txid), found.mined.is_some() && source.is_proven(), source.report());
    complain(proof.as_ref(), output)?;
    let resend = session.hints.here(&format!("resend {txid}"));
    let next = match status.state {
        TxState::Mined => session.hints.here(&format!("receipt {txid}")),
        _ => session.hints.here(&format!("why {txid}")),
    };
    let is_reported = payment.is_some() && proven;
    output.result(&Status { status, payment, proven, proof, resend, next })?;
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
