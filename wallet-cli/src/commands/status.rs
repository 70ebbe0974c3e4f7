//! `wallet status`: what became of a payment, anybody's.

use super::phrase;
use crate::{
    error::WalletError,
    journal::Payment,
    output::{Inert, Output},
    run::Session,
};
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
    #[serde(skip)]
    resend: String,
    #[serde(skip)]
    next: String,
}

pub(crate) async fn run(session: &Session<'_>, txid: TxId, output: &mut Output<'_>) -> Result<(), WalletError> {
    let network = session.network()?;
    let node = session.node(&network)?;
    let payment = session.journal()?.payment(&txid).cloned();
    node.info().await?;
    let status = node.status(txid).await?;
    let resend = session.options.hint(&format!("resend {txid}"));
    let next = match status.state {
        TxState::Mined => session.options.hint("history"),
        _ => session.options.hint(&format!("why {txid}")),
    };
    output.result(&Status { status, payment, resend, next })?;
    Ok(())
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "txid    {}", self.status.txid.0)?;
        writeln!(f, "state   {}", phrase(&self.status))?;
        if let Some(block) = self.status.block {
            writeln!(f, "block   {}", block.0)?;
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
