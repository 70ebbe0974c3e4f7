//! A payment that was signed, on to the block it is in: what `send`, `bump`, `cancel`, `repair`, `resend` and
//! `broadcast` share.
//!
//! Into the journal; to every node; told. What a node answers is noted and shown, and closes nothing.

use super::{
    journal::{Contents, Journal, Payment},
    not_mined::NotMined,
    payer::Payer,
    state::{Open, Outcome},
    status::{counted, phrase, with_basis},
};
use crate::{
    cli::WaitFor,
    clock::now,
    error::WalletError,
    node::{
        client::ClientError,
        verify::source::{Handed, hand_to_all},
    },
    output::Output,
    session::{Session, file_error},
    store::labels::Labels,
};
use cairn_genesis::Network;
use cairn_host::inert::Inert;
use cairn_ledger::{
    hash::{BlockId, TxId},
    transaction::Transaction,
    units::Amount,
};
use cairn_rpc::{
    text::{Pebbles, Text},
    types::{TxState, TxStatus},
};
use serde::Serialize;
use std::{
    fmt,
    time::{Duration, Instant},
};

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
    /// Journal first, then every node. A payment that is in the journal already, because it was signed elsewhere and is
    /// sent twice, is not written twice.
    pub async fn hand_over(&self, transaction: &Transaction, journal: &mut Journal) -> Result<Sent, WalletError> {
        let payment = Payment::new(now(), transaction, &self.network.spec.params().prefix);
        let path = self.session.journal_path();
        if journal.contents().payment(&payment.txid.0).is_none() {
            journal.record(&payment).map_err(file_error("write", &path))?;
        }
        let untaken = submit(self.session, self.network, transaction, journal).await?;
        self.sent(payment, transaction, journal.contents(), untaken)
    }

    /// What there is to say of a payment that left.
    pub fn sent(
        &self,
        payment: Payment,
        transaction: &Transaction,
        contents: &Contents,
        untaken: Vec<String>,
    ) -> Result<Sent, WalletError> {
        let earlier = self.same_nonce(contents, payment.nonce.0).map(|earlier| earlier.txid);
        let replaces = earlier.filter(|earlier| earlier.0 != payment.txid.0).collect();
        Ok(Sent {
            from: String::from(self.wallet.keystore.address()),
            next: self.session.options.hint(&format!("status {}", payment.txid.0)),
            size: transaction.size() as u64,
            payment,
            replaces,
            state: TxState::Pooled,
            block: None,
            height: None,
            confirmations: 0,
            proven: false,
            labels: self.session.labels()?,
            untaken,
        })
    }

    /// Follows a payment as far as was asked for, tells of each step and of the end. Whatever fails on the way to its
    /// owner, it was sent, and that is what is said.
    pub async fn tell(
        &mut self,
        mut sent: Sent,
        (wait_for, seconds): (Option<WaitFor>, u64),
        output: &mut Output<'_>,
    ) -> Result<(), WalletError> {
        let txid = sent.payment.txid.0;
        let untold = |error| WalletError::SentUntold { txid, error };
        let told = async {
            sent.untaken.iter().try_for_each(|untaken| output.warn(untaken))?;
            if let Some(wait_for) = wait_for {
                self.follow(&mut sent, (wait_for, Duration::from_secs(seconds)), output).await?;
            }
            output.result(&sent)?;
            Ok(())
        };
        match told.await {
            Err(WalletError::Output(error)) => Err(untold(error)),
            Err(error) => Err(error),
            Ok(()) => note_told(self.session, txid),
        }
    }

    /// Polls until the payment is where it was to be, is proven never to get there, or time is up. A node that falls
    /// silent may come back within the time.
    async fn follow(
        &mut self,
        sent: &mut Sent,
        (wait_for, limit): (WaitFor, Duration),
        output: &mut Output<'_>,
    ) -> Result<(), WalletError> {
        let (txid, seconds, start) = (sent.payment.txid.0, limit.as_secs(), Instant::now());
        output.note(format_args!("Sent {txid}; {} ...", wait_for.phrase()))?;
        let mut told = String::new();
        loop {
            self.session.renew_time();
            let why = match self.ask(txid).await {
                Ok((outcome, status, given_up)) => {
                    let now = with_basis(&status, matches!(outcome, Outcome::Mined(_)) && self.source.is_proven());
                    if now != told {
                        output.note(format_args!("  {now}"))?;
                        told = now;
                    }
                    sent.update(&status, matches!(outcome, Outcome::Mined(_)) && self.source.is_proven());
                    match outcome {
                        Outcome::Mined(mined) if mined.confirmations >= wait_for.confirmations() => return Ok(()),
                        Outcome::Mined(mined) => NotMined::Shallow { seconds, confirmations: mined.confirmations },
                        Outcome::Impossible(why) => {
                            return Err(WalletError::NotMined { txid, why: NotMined::Impossible(why) });
                        }
                        Outcome::Open(Open::Expiring { valid_until, height }) => {
                            let why = NotMined::Expiring { txid, valid_until, height };
                            return Err(WalletError::NotMined { txid, why });
                        }
                        Outcome::Open(_) if given_up => {
                            let why = NotMined::GivenUp { said: phrase(&status) };
                            return Err(WalletError::NotMined { txid, why });
                        }
                        Outcome::Open(_) if status.state == TxState::Pooled && wait_for == WaitFor::Pooled => {
                            return Ok(());
                        }
                        Outcome::Open(_) => NotMined::TimedOut { seconds },
                    }
                }
                Err(WalletError::Client(error)) if error.is_silence() => {
                    NotMined::Silent { seconds, reason: error.to_string() }
                }
                Err(error) => return Err(error),
            };
            let left = limit.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Err(WalletError::NotMined { txid, why });
            }
            tokio::time::sleep(POLL.min(left)).await;
        }
    }

    /// What has become of a payment, what is said of it, and whether every node has given it up. The sender first: what
    /// is mined in between is then found.
    async fn ask(&mut self, txid: TxId) -> Result<(Outcome, TxStatus, bool), WalletError> {
        self.renew().await?;
        let (known, _, contents) = self.known(&txid)?;
        let seen = self.sender().await?;
        let (outcome, mut fate) = self.outcome(&known, seen.sender, &contents).await?;
        if matches!(outcome, Outcome::Open(_)) && fate.said.is_empty() {
            fate = self.source.fate(txid).await?;
        }
        // Mined between the two questions.
        let outcome = fate.mined.map_or(outcome, |mined| Outcome::Mined(*mined.get()));
        Ok((outcome, fate.status(txid), fate.is_given_up()))
    }
}

/// Notes that the owner was told that a payment left. That it cannot be noted costs a question at the next one.
pub(crate) fn note_told(session: &Session<'_>, txid: TxId) -> Result<(), WalletError> {
    let path = session.journal_path();
    let _asked_again = Journal::open(&path).and_then(|mut journal| {
        let known = journal.contents().payment(&txid).is_some();
        if known { journal.sent(now(), txid) } else { Ok(()) }
    });
    Ok(())
}

/// Hands a payment of the journal to every node and notes what they refuse; one that takes it is enough. Gives what the
/// others said.
pub(crate) async fn submit(
    session: &Session<'_>,
    network: &Network,
    transaction: &Transaction,
    journal: &mut Journal,
) -> Result<Vec<String>, WalletError> {
    let txid = transaction.id();
    let Handed { taken, failed } = hand_to_all(session, network, transaction).await?;
    if !taken.is_empty() {
        let untaken = failed.iter().map(|(url, error)| format!("the node at {url} did not take it: {error}"));
        return Ok(untaken.collect());
    }
    for refusal in failed.iter().filter_map(|(_, error)| error.refusal()) {
        // A journal that cannot take the note has the payment all the same; the refusal is what to say.
        let _unwritten = journal.refuse(now(), txid, refusal);
    }
    let why = session.options.hint(&format!("why {txid}"));
    // What a node says tells more than that another says nothing.
    let (refused, silent): (Vec<ClientError>, Vec<ClientError>) =
        failed.into_iter().map(|(_, error)| error).partition(|error| error.refusal().is_some());
    match (refused.into_iter().next(), silent.into_iter().next()) {
        (Some(error), _) => Err(WalletError::Refused { txid, error, why }),
        (None, Some(error)) if error.is_silence() => Err(WalletError::InDoubt { txid, error, why }),
        (None, Some(error)) => Err(error.into()),
        (None, None) => Ok(Vec::new()),
    }
}

/// What new accounts may cost, to be said after the fee.
pub(crate) fn new_accounts(max_price: Amount) -> String {
    if max_price == Amount::ZERO { String::new() } else { format!(", new accounts at most {max_price} CRN") }
}

/// An address with what it is called.
pub(crate) fn named(address: &str, labels: &Labels) -> String {
    match labels.address(address) {
        Some(label) => format!("{} ({})", Inert(address), Inert(label)),
        None => Inert(address).to_string(),
    }
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
            writeln!(f, "to           {}", named(&payment.to, &self.labels))?;
        }
        for output in &payment.outputs {
            let Pebbles(amount) = output.amount;
            writeln!(f, "to           {}  {amount} CRN", named(&output.to, &self.labels))?;
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
