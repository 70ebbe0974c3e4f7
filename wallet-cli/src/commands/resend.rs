//! `wallet resend`: hand a payment of the journal to the node once more. It is the same payment, with the
//! same id: however often it is sent, it is mined once.

use super::{dispatch, phrase};
use crate::{
    error::WalletError,
    journal::Journal,
    output::Output,
    run::{Session, file_error},
};
use cairn_ledger::{hash::TxId, transaction::Transaction};
use cairn_rpc::types::TxStatus;
use serde::Serialize;
use std::fmt;

#[derive(Serialize)]
struct Resent {
    #[serde(flatten)]
    status: TxStatus,
    #[serde(skip)]
    next: String,
}

pub(crate) async fn run(session: &Session<'_>, txid: TxId, output: &mut Output<'_>) -> Result<(), WalletError> {
    let network = session.network()?;
    let wallet = session.wallet(&network)?;
    let node = session.node(&network)?;
    let path = session.journal_path();
    let mut journal = Journal::open(&path).map_err(file_error("open", &path))?;
    let payment = journal.contents().payment(&txid).filter(|payment| payment.is_of(&wallet.address, &network));
    let raw = payment.and_then(|payment| Transaction::from_bytes(&payment.raw.0).ok());
    let transaction = raw.ok_or(WalletError::NotInJournal { txid })?;
    node.info().await?;
    dispatch::submit(&node, &transaction, &mut journal).await?;
    let status = node.status(txid).await?;
    output.result(&Resent { status, next: session.options.hint(&format!("status {txid}")) })?;
    Ok(())
}

impl fmt::Display for Resent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "The node has the payment: {}.\nNext: {}", phrase(&self.status), self.next)
    }
}
