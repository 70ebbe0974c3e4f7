//! `wallet repair`: payments that were lost on their way are handed over again, and gaps before others are
//! filled.

use crate::{
    cli::RepairArguments,
    error::Result,
    output::Output,
    payment::{
        error::PaymentError,
        journal::Journal,
        nonce_gaps::{self, PoolView, Step, UnusedPayment},
        payer::{Again, Payer},
        plan::{self, Request},
    },
    session::Session,
};
use cairn_ledger::{hash::TxId, keys::SecretKey};
use cairn_rpc::{
    policy::{LIFETIME_BLOCKS, MAX_PER_SENDER},
    text::Text,
    types::TxState,
};
use serde::Serialize;
use std::fmt;

/// For how many blocks a payment that fills a gap may be mined.
const FILL_VALID_FOR: u64 = 120;

#[derive(Serialize)]
struct Repaired {
    /// In the order of their nonces.
    steps: Vec<StepTaken>,
    #[serde(skip)]
    next: String,
}

#[derive(Serialize)]
struct StepTaken {
    nonce: Text<u64>,
    /// `resent` or `filled`.
    action: &'static str,
    txid: Text<TxId>,
}

pub(crate) async fn run(session: &Session<'_>, options: RepairArguments, output: &mut Output<'_>) -> Result<()> {
    let network = session.network()?;
    let wallet = session.wallet(&network)?;
    let mut payer = Payer::open(session.paying(&network, &wallet), output).await?;
    let steps = steps(&mut payer).await?;
    let mut repaired = Repaired { steps: Vec::new(), next: session.hints.here("history") };
    if !steps.is_empty() && !options.yes && output.can_ask() {
        for step in &steps {
            output.note(format_args!("  {}", Announced(step)))?;
        }
        if !output.ask("Do this? [y/N] ")? {
            return Err(PaymentError::Declined.into());
        }
    }
    let fills = steps.iter().any(|step| matches!(step, Step::Fill { .. }));
    let key = fills.then(|| session.unlock(&network, &wallet)).transpose()?;
    for step in &steps {
        repaired.steps.push(take(&mut payer, *step, key.as_ref()).await?);
    }
    Ok(output.result(&repaired)?)
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
        if !payment.is_of(&payer.account.address, payer.account.network) {
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
            let mut journal = Journal::open(&payer.account.journal)?;
            payer.submit(&transaction, &mut journal).await?;
            Ok(StepTaken { nonce: Text(nonce), action: "resent", txid: Text(txid) })
        }
        (Step::Fill { nonce }, Some(key)) => {
            let request = Request {
                outputs: vec![plan::to_itself(&payer.account.address)],
                valid_for: FILL_VALID_FOR.max(LIFETIME_BLOCKS),
                nonce: Some(nonce),
                ..Request::default()
            };
            let sent = payer.pay(&request, Again::Yes, key).await?;
            Ok(StepTaken { nonce: Text(nonce), action: "filled", txid: sent.payment.txid })
        }
        (Step::Fill { .. }, None) => Err(PaymentError::Declined.into()),
    }
}

/// A step that is about to be taken.
struct Announced<'a>(&'a Step);

impl fmt::Display for Announced<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Step::Resend { nonce, txid } => write!(f, "nonce {nonce}: hand {txid} over again"),
            Step::Fill { nonce } => {
                write!(f, "nonce {nonce}: pay 0.00000001 CRN to this wallet itself, so that later payments can follow")
            }
        }
    }
}

impl fmt::Display for Repaired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.steps.is_empty() {
            return writeln!(f, "Nothing is missing: no payment of this wallet waits for an earlier one.");
        }
        for step in &self.steps {
            writeln!(f, "nonce {}  {}  {}", step.nonce.0, step.action, step.txid.0)?;
        }
        writeln!(f, "\nNext: {}", self.next)
    }
}
