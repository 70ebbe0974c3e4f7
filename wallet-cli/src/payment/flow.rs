//! A payment that was signed, on to the block it is in: what `send`, `bump`, `cancel`, `repair`, `resend` and
//! `broadcast` share.
//!
//! Into the journal; to every node; told. What a node answers is noted and shown, and closes nothing.

use super::journal::{Contents, Journal, Payment};
use super::plan::{self, Request};
use super::state::{Open, Outcome};
use super::status::{NotMined, WaitArguments, WaitFor, counted, phrase, with_basis};
use super::{error::PaymentError, payer::Payer};
use crate::error::{Result, WalletError};
use crate::node::{ClientError, NodeError, PaymentStatus};
use crate::{clock::now, output::Output, random, store::Labels};
use cairn_host::Inert;
use cairn_ledger::{Amount, BlockId, SecretKey, Transaction, TxId};
use cairn_rpc::{Pebbles, Text, TxState, TxStatus};
use serde::Serialize;
use std::time::{Duration, Instant};
use std::{fmt, path::Path};

/// How long the wallet rests between two questions while it waits.
const POLL: Duration = Duration::from_millis(500);

/// A payment that left.
#[derive(Serialize)]
pub(crate) struct Sent {
    pub from: String,
    #[serde(flatten)]
    pub payment: Payment,
    pub size: u64,
    /// Earlier payments of the journal with the same nonce: at most one of them and this one is mined.
    pub replaces: Vec<Text<TxId>>,
    pub state: TxState,
    pub block: Option<Text<BlockId>>,
    pub height: Option<u64>,
    pub confirmations: u64,
    /// Whether it is proven to be in its block; what nodes say otherwise.
    pub proven: bool,
    #[serde(skip)]
    pub labels: Labels,
    #[serde(skip)]
    pub untaken: Vec<String>,
    #[serde(skip)]
    pub next: String,
}

impl Payer<'_> {
    /// Signs and sends, with the journal locked: two sends of one wallet at once get two nonces, not one each of the
    /// same. It is signed once: whatever nodes answer, what was signed is open until there is a proof.
    pub async fn pay(&mut self, request: &Request, key: &SecretKey) -> Result<Sent> {
        let mut journal = Journal::open(&self.journal)?;
        self.renew().await?;
        let prepared = self.prepare(request, journal.contents()).await;
        if let Err(WalletError::Payment(error)) = &prepared {
            journal.asked(now(), &error.asks_about())?;
        }
        let (body, _) = prepared?;
        let transaction = plan::sign(body, key, self.network, &random()?)?;
        self.record_and_broadcast(&transaction, &mut journal).await
    }

    /// Journal first, then every node. A payment that is in the journal already, because it was signed elsewhere and is
    /// sent twice, is not written twice.
    pub async fn record_and_broadcast(&self, transaction: &Transaction, journal: &mut Journal) -> Result<Sent> {
        let payment = Payment::new(now(), transaction, &self.network.spec.params().prefix);
        if journal.contents().payment(&payment.txid.0).is_none() {
            journal.record(&payment)?;
        }
        let untaken = self.submit(transaction, journal).await?;
        self.sent(payment, transaction, journal.contents(), untaken)
    }

    /// What there is to say of a payment that left.
    pub fn sent(
        &self,
        payment: Payment,
        transaction: &Transaction,
        contents: &Contents,
        untaken: Vec<String>,
    ) -> Result<Sent> {
        let earlier = self.same_nonce(contents, payment.nonce.0).map(|earlier| earlier.txid);
        let replaces = earlier.filter(|earlier| earlier.0 != payment.txid.0).collect();
        Ok(Sent {
            from: self.shown.clone(),
            next: self.hints.here(&format!("status {}", payment.txid.0)),
            size: transaction.size() as u64,
            payment,
            replaces,
            state: TxState::Pooled,
            block: None,
            height: None,
            confirmations: 0,
            proven: false,
            labels: self.labels()?,
            untaken,
        })
    }

    /// Follows a payment as far as is wanted, and reports each step and the end. Whatever fails on the way to its
    /// owner, it was sent, and that is what the error says.
    pub async fn report(&mut self, mut sent: Sent, wait: WaitArguments, output: &mut Output<'_>) -> Result<()> {
        let txid = sent.payment.txid.0;
        let reported = async {
            sent.untaken.iter().try_for_each(|untaken| output.warn(untaken))?;
            if let Some(wait_for) = wait.wait {
                self.follow(&mut sent, wait_for, wait.timeout, output).await?;
            }
            Ok(output.result(&sent, &sent)?)
        };
        match reported.await {
            Err(WalletError::Output(error)) => Err(PaymentError::SentUnreported { txid, error }.into()),
            Err(error) => Err(error),
            Ok(()) => {
                note_reported(&self.journal, txid);
                Ok(())
            }
        }
    }

    /// Polls until the payment is where it was to be, is proven never to get there, or time is up. A node that falls
    /// silent may come back within the time.
    async fn follow(
        &mut self,
        sent: &mut Sent,
        wait_for: WaitFor,
        seconds: u64,
        output: &mut Output<'_>,
    ) -> Result<()> {
        let (txid, limit, start) = (sent.payment.txid.0, Duration::from_secs(seconds), Instant::now());
        output.note(format_args!("Sent {txid}; {} ...", wait_for.phrase()))?;
        let mut shown = String::new();
        loop {
            self.nodes.renew_time();
            let why = match self.progress(txid).await {
                Ok((outcome, found)) => {
                    let (status, proven) = (found.status(txid), found.mined.is_some() && self.source.is_proven());
                    let state = with_basis(&status, proven);
                    if state != shown {
                        output.note(format_args!("  {state}"))?;
                        shown = state;
                    }
                    sent.update(&status, proven);
                    match is_there(outcome, &found, &status, wait_for, seconds)? {
                        None => return Ok(()),
                        Some(why) => why,
                    }
                }
                Err(WalletError::Node(NodeError::Client(error))) if error.is_silence() => {
                    NotMined::Silent { seconds, reason: error.to_string() }
                }
                Err(error) => return Err(error),
            };
            let left = limit.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Err(PaymentError::NotMined { txid, why }.into());
            }
            tokio::time::sleep(POLL.min(left)).await;
        }
    }

    /// What has become of a payment since, and what nodes say of it.
    async fn progress(&mut self, txid: TxId) -> Result<(Outcome, PaymentStatus)> {
        self.renew().await?;
        let (_, _, outcome, found) = self.look(&txid).await?;
        Ok((outcome, found))
    }

    /// Hands a payment of the journal to every node and notes what they refuse; one that takes it is enough. Gives what
    /// the others answer.
    pub async fn submit(&self, transaction: &Transaction, journal: &mut Journal) -> Result<Vec<String>> {
        let txid = transaction.id();
        let (mut taken, mut failed) = (false, Vec::new());
        // Also to those that lied: a payment is the same whoever passes it on.
        for node in self.nodes.all(self.network)? {
            match node.submit(transaction).await {
                Ok(()) => taken = true,
                Err(error) => failed.push((node.url, error)),
            }
        }
        if taken {
            let untaken = failed.iter().map(|(url, error)| format!("the node at {url} did not take it: {error}"));
            return Ok(untaken.collect());
        }
        for (code, message) in failed.iter().filter_map(|(_, error)| error.refusal()) {
            // A journal that cannot take the note has the payment all the same; the refusal is what to say.
            let _unwritten = journal.refuse(now(), txid, code, message);
        }
        let why = self.hints.here(&format!("why {txid}"));
        // What a node says tells more than that another says nothing.
        let (refused, silent): (Vec<ClientError>, Vec<ClientError>) =
            failed.into_iter().map(|(_, error)| error).partition(|error| error.refusal().is_some());
        match (refused.into_iter().next(), silent.into_iter().next()) {
            (Some(error), _) => Err(PaymentError::Refused { txid, error, why }.into()),
            (None, Some(error)) if error.is_silence() => Err(PaymentError::InDoubt { txid, error, why }.into()),
            (None, Some(error)) => Err(error.into()),
            (None, None) => Ok(Vec::new()),
        }
    }
}

/// Whether a payment is as far as it was to be; otherwise why not yet, or, as the error, why never.
fn is_there(
    outcome: Outcome,
    found: &PaymentStatus,
    status: &TxStatus,
    wait_for: WaitFor,
    seconds: u64,
) -> Result<Option<NotMined>> {
    let Text(txid) = status.txid;
    let never = |why| Err(PaymentError::NotMined { txid, why }.into());
    match outcome {
        Outcome::Mined(mined) if mined.confirmations >= wait_for.confirmations() => Ok(None),
        Outcome::Mined(mined) => Ok(Some(NotMined::Shallow { seconds, confirmations: mined.confirmations })),
        Outcome::Impossible(why) => never(NotMined::Impossible(why)),
        Outcome::Open(Open::Expiring { valid_until, height }) => {
            never(NotMined::Expiring { txid, valid_until, height })
        }
        Outcome::Open(_) if found.is_given_up() => never(NotMined::GivenUp { state: phrase(status) }),
        Outcome::Open(_) if status.state == TxState::Pooled && wait_for == WaitFor::Pooled => Ok(None),
        Outcome::Open(_) => Ok(Some(NotMined::TimedOut { seconds })),
    }
}

/// Notes that the owner was told that a payment left. That it cannot be noted costs a question at the next one.
pub(crate) fn note_reported(journal: &Path, txid: TxId) {
    let _asked_again = Journal::open(journal).and_then(|mut journal| {
        let known = journal.contents().payment(&txid).is_some();
        if known { journal.sent(now(), txid) } else { Ok(()) }
    });
}

/// What new accounts may cost, to be said after the fee.
pub(crate) fn new_accounts(max_price: Amount) -> String {
    if max_price == Amount::ZERO { String::new() } else { format!(", new accounts at most {max_price} CRN") }
}

impl Sent {
    /// What became of it since.
    pub fn update(&mut self, status: &TxStatus, proven: bool) {
        self.proven = proven;
        self.state = status.state;
        self.block = status.block;
        self.height = status.height;
        self.confirmations = status.confirmations;
    }

    fn status(&self) -> TxStatus {
        TxStatus {
            txid: self.payment.txid,
            state: self.state,
            block: self.block,
            height: self.height,
            confirmations: self.confirmations,
            reason: None,
        }
    }
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let payment = &self.payment;
        let accounts = new_accounts(payment.max_price.0);
        writeln!(f, "Sent {} CRN, fee {} CRN{accounts}.\n", payment.amount.0, payment.fee.0)?;
        writeln!(f, "txid         {}", payment.txid.0)?;
        if payment.outputs.is_empty() {
            writeln!(f, "to           {}", self.labels.named(&payment.to))?;
        }
        for output in &payment.outputs {
            let Pebbles(amount) = output.amount;
            writeln!(f, "to           {}  {amount} CRN", self.labels.named(&output.to))?;
        }
        writeln!(f, "nonce        {}", payment.nonce.0)?;
        if payment.valid_until != 0 {
            writeln!(f, "valid until  block {}", payment.valid_until)?;
        }
        if !payment.memo.is_empty() {
            writeln!(f, "memo         {}", Inert(&payment.memo))?;
        }
        writeln!(f, "state        {}\n", with_basis(&self.status(), self.proven))?;
        if !self.replaces.is_empty() {
            let earlier = counted(self.replaces.len() as u64, "earlier payment");
            writeln!(f, "It has the nonce of {earlier} of this wallet, so at most one of them is mined:")?;
            self.replaces.iter().try_for_each(|txid| writeln!(f, "  {}", txid.0))?;
            writeln!(f)?;
        }
        writeln!(f, "Next: {}", self.next)
    }
}
