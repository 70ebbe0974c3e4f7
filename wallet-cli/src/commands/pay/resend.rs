//! `wallet resend`: hand a payment of the journal to every node once more. It is the same payment, with the same id:
//! however often it is sent, it is mined once. `wallet repair`: payments that were lost on their way are handed over
//! again, and gaps before others are filled.

use crate::payment::{
    Again, Journal, Outcome, Payer, PaymentError, PoolView, Request, Step, UnusedPayment, agree, nonce_gaps,
    note_reported, plan, with_basis,
};
use crate::{Output, Result, Session};
use cairn_ledger::{SecretKey, TxId};
use cairn_rpc::policy::{LIFETIME_BLOCKS, MAX_PER_SENDER};
use cairn_rpc::{Text, TxState, TxStatus};
use serde::Serialize;
use std::fmt;

/// For how many blocks a payment that fills a gap may be mined.
const FILL_VALID_FOR: u64 = 120;

#[derive(Serialize)]
struct Resent {
    #[serde(flatten)]
    status: TxStatus,
    /// Whether it is proven to be in its block: then nothing was handed over.
    proven: bool,
}

pub(crate) async fn resend(session: &Session<'_>, txid: TxId, output: &mut Output<'_>) -> Result<()> {
    let wallet = session.wallet()?;
    let mut payer = session.payer(&wallet, output).await?;
    let (known, transaction, contents) = payer.known(&txid)?;
    let seen = payer.sender().await?;
    let (outcome, mut found) = payer.outcome(&known, seen.sender, &contents).await?;
    if let Outcome::Impossible(why) = outcome {
        return Err(PaymentError::Never { txid, why }.into());
    }
    if !matches!(outcome, Outcome::Mined(_)) {
        let mut journal = Journal::open(&payer.journal)?;
        let untaken = payer.submit(&transaction, &mut journal).await?;
        drop(journal);
        untaken.iter().try_for_each(|untaken| output.warn(untaken))?;
        found = payer.source.payment_status(txid).await?;
    }
    let proven = found.mined.is_some() && payer.source.is_proven();
    let resent = Resent { status: found.status(txid), proven };
    let (state, next) = (with_basis(&resent.status, proven), session.hints.here(&format!("status {txid}")));
    let shown = output.result(&resent, format_args!("The payment is with the nodes: {state}.\nNext: {next}\n"));
    shown.map_err(|error| PaymentError::SentUnreported { txid, error })?;
    note_reported(&payer.journal, txid);
    Ok(())
}

#[derive(Serialize)]
struct Repaired {
    /// In the order of their nonces.
    steps: Vec<StepTaken>,
}

#[derive(Serialize)]
struct StepTaken {
    nonce: Text<u64>,
    /// `resent` or `filled`.
    action: &'static str,
    txid: Text<TxId>,
}

pub(crate) async fn repair(session: &Session<'_>, yes: bool, output: &mut Output<'_>) -> Result<()> {
    let wallet = session.wallet()?;
    let mut payer = session.payer(&wallet, output).await?;
    let steps = steps(&mut payer).await?;
    if !steps.is_empty() && !yes && output.can_ask() {
        for step in &steps {
            match step {
                Step::Resend { nonce, txid } => output.note(format_args!("  nonce {nonce}: hand {txid} over again"))?,
                Step::Fill { nonce } => output.note(format_args!(
                    "  nonce {nonce}: pay 0.00000001 CRN to this wallet itself, so that later payments can follow"
                ))?,
            }
        }
        agree("Do this? [y/N] ", yes, output)?;
    }
    let fills = steps.iter().any(|step| matches!(step, Step::Fill { .. }));
    let key = fills.then(|| wallet.unlock()).transpose()?;
    let mut repaired = Repaired { steps: Vec::new() };
    for step in &steps {
        repaired.steps.push(take(&mut payer, *step, key.as_ref()).await?);
    }
    if steps.is_empty() {
        let nothing = "Nothing is missing: no payment of this wallet waits for an earlier one.\n";
        return Ok(output.result(&repaired, nothing)?);
    }
    Ok(output.result(&repaired, format_args!("{repaired}\nNext: {}\n", session.hints.here("history")))?)
}

/// Asks about the payments of the journal whose nonces are not used, and plans. What a node says of its pool chooses
/// what is handed over first; whatever is put in a place has that place's nonce.
async fn steps(payer: &mut Payer<'_>) -> Result<Vec<Step>> {
    let contents = payer.contents()?;
    let seen = payer.sender().await?;
    let (sender, claimed) = (*seen.sender.get(), seen.claimed.get());
    let first = sender.nonce;
    let open = |nonce: u64| (first..first.saturating_add(MAX_PER_SENDER)).contains(&nonce);
    let mut known = Vec::new();
    for payment in contents.payments.iter().filter(|payment| open(payment.nonce.0)) {
        if !payment.is_of(&payer.address, payer.network) {
            continue;
        }
        let found = payer.source.payment_status(payment.txid.0).await?;
        known.push(UnusedPayment {
            nonce: payment.nonce.0,
            txid: payment.txid.0,
            pooled: found.status(payment.txid.0).state == TxState::Pooled,
            valid_until: payment.valid_until,
            refused: contents.refusal(&payment.txid.0).is_some() && !contents.is_reported(&payment.txid.0),
        });
    }
    let missing = claimed.pending.nonce.0.max(first);
    let sender = PoolView { nonce: first, missing, pooled: claimed.pending.count, height: sender.height };
    Ok(nonce_gaps::plan(&sender, &known))
}

async fn take(payer: &mut Payer<'_>, step: Step, key: Option<&SecretKey>) -> Result<StepTaken> {
    match (step, key) {
        (Step::Resend { nonce, txid }, _) => {
            let (_, transaction, _) = payer.known(&txid)?;
            let mut journal = Journal::open(&payer.journal)?;
            payer.submit(&transaction, &mut journal).await?;
            Ok(StepTaken { nonce: Text(nonce), action: "resent", txid: Text(txid) })
        }
        (Step::Fill { nonce }, Some(key)) => {
            let request = Request {
                outputs: vec![plan::to_itself(&payer.address)],
                valid_for: FILL_VALID_FOR.max(LIFETIME_BLOCKS),
                nonce: Some(nonce),
                again: Again::Any,
                ..Request::default()
            };
            let sent = payer.pay(&request, key).await?;
            Ok(StepTaken { nonce: Text(nonce), action: "filled", txid: sent.payment.txid })
        }
        (Step::Fill { .. }, None) => Err(PaymentError::Declined.into()),
    }
}

impl fmt::Display for Repaired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps.iter().try_for_each(|step| writeln!(f, "nonce {}  {}  {}", step.nonce.0, step.action, step.txid.0))
    }
}
