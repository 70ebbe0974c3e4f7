//! `wallet resend`: hand a payment of the journal to every node once more. It is the same payment, with the
//! same id: however often it is sent, it is mined once.

use crate::{
    error::Result,
    output::Output,
    payment::{
        error::PaymentError, flow::note_reported, journal::Journal, payer::Payer, state::Outcome, status::with_basis,
    },
    session::Session,
};
use cairn_ledger::hash::TxId;
use cairn_rpc::types::TxStatus;
use serde::Serialize;
use std::fmt;

#[derive(Serialize)]
struct Resent {
    #[serde(flatten)]
    status: TxStatus,
    /// Whether it is proven to be in its block: then nothing was handed over.
    proven: bool,
    #[serde(skip)]
    next: String,
}

pub(crate) async fn run(session: &Session<'_>, txid: TxId, output: &mut Output<'_>) -> Result<()> {
    let network = session.network()?;
    let wallet = session.wallet(&network)?;
    let mut payer = Payer::open(session.paying(&network, &wallet), output).await?;
    let (known, transaction, contents) = payer.known(&txid)?;
    let seen = payer.sender().await?;
    let (outcome, mut found) = payer.outcome(&known, seen.sender, &contents).await?;
    if let Outcome::Impossible(why) = outcome {
        return Err(PaymentError::Never { txid, why }.into());
    }
    if !matches!(outcome, Outcome::Mined(_)) {
        let mut journal = Journal::open(&payer.account.journal)?;
        let untaken = payer.submit(&transaction, &mut journal).await?;
        drop(journal);
        untaken.iter().try_for_each(|untaken| output.warn(untaken))?;
        found = payer.source.payment_status(txid).await?;
    }
    let proven = found.mined.is_some() && payer.source.is_proven();
    let next = session.hints.here(&format!("status {txid}"));
    let shown = output.result(&Resent { status: found.status(txid), proven, next });
    shown.map_err(|error| PaymentError::SentUnreported { txid, error })?;
    note_reported(&payer.account.journal, txid);
    Ok(())
}

impl fmt::Display for Resent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "The payment is with the nodes: {}.\nNext: {}", with_basis(&self.status, self.proven), self.next)
    }
}
