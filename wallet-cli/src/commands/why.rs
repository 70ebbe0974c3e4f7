//! `wallet why`: what keeps a payment of this wallet from being mined, and what to do about it.

use super::dispatch::Payer;
use crate::{
    diagnose::{Cause, Facts, Remedy, diagnose},
    error::WalletError,
    output::Output,
    run::Session,
};
use cairn_ledger::{hash::TxId, transaction::Transaction};
use cairn_rpc::{
    text::Text,
    types::{TxState, TxStatus},
};
use serde::Serialize;
use std::fmt;

#[derive(Serialize)]
struct Why {
    txid: Text<TxId>,
    cause: &'static str,
    explanation: String,
    /// What to do, as a command of the wallet; null when nothing has to be done.
    remedy: Option<&'static str>,
    status: TxStatus,
    #[serde(skip)]
    next: Option<String>,
}

pub(crate) async fn run(session: &Session<'_>, txid: TxId, output: &mut Output<'_>) -> Result<(), WalletError> {
    let network = session.network()?;
    let payer = Payer::open(session, &network, output).await?;
    let transaction = session.own_payment(&network, &payer.wallet, &txid)?;
    let status = payer.node.status(txid).await?;
    let (account, view) = payer.view(None).await?;
    let rival = rival(&payer, &transaction).await?;
    let cause = diagnose(&Facts {
        transaction: &transaction,
        status: &status,
        account: &account,
        height: account.height,
        min_fee_rate: view.min_fee_rate,
        rival,
    });
    let remedy = command(&cause);
    let next = remedy.map(|remedy| match remedy {
        "repair" | "send" => session.options.hint(remedy),
        of_payment => session.options.hint(&format!("{of_payment} {txid}")),
    });
    let explanation = cause.to_string();
    output.result(&Why { txid: Text(txid), cause: cause.kind(), explanation, remedy, status, next })?;
    Ok(())
}

fn command(cause: &Cause) -> Option<&'static str> {
    Some(match cause.remedy() {
        Remedy::Nothing => return None,
        Remedy::Resend => "resend",
        Remedy::Repair => "repair",
        Remedy::Bump => "bump",
        Remedy::SendAgain => "send",
        Remedy::Cancel => "cancel",
    })
}

/// A payment of the journal that was mined with the same nonce.
async fn rival(payer: &Payer<'_>, transaction: &Transaction) -> Result<Option<TxId>, WalletError> {
    let contents = payer.session.journal()?;
    let same = contents.payments.iter().filter(|other| other.nonce.0 == transaction.body.nonce);
    for other in same.filter(|other| other.txid.0 != transaction.id()) {
        if payer.node.status(other.txid.0).await?.state == TxState::Mined {
            return Ok(Some(other.txid.0));
        }
    }
    Ok(None)
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
