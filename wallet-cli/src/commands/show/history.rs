//! `wallet history`: the journal, with what became of each payment; proven for those in a block. With `--received`:
//! what others paid to this wallet's address, from a node that keeps an index of addresses. Each of those payments is
//! proven to be in its block; that none is missing cannot be.

use crate::commands::{complain, warn_of_trust};
use crate::node::{Report, Source};
use crate::payment::{Contents, Payment, Refusal, phrase};
use crate::session::{Wallet, WalletHead};
use crate::{Output, Result, Session, clock::Utc, store::Labels};
use cairn_genesis::Network;
use cairn_host::Inert;
use cairn_ledger::{Address, Amount, Transaction, TxId};
use cairn_rpc::{Pebbles, Text, TxStatus, types::HistoryEntry};
use serde::Serialize;
use std::fmt;

/// Pages that are asked for: an address that pays much and receives little is not looked through to its beginning.
const MAX_PAGES: usize = 20;

#[derive(Serialize)]
struct History {
    #[serde(flatten)]
    wallet: WalletHead,
    /// Newest first.
    payments: Vec<PaymentEntry>,
    /// Whether there are older ones, beyond the limit.
    more: bool,
    /// Lines of the journal that cannot be read.
    damaged_lines: Vec<usize>,
    /// Why the node was of no help.
    node_error: Option<NodeFailure>,
    /// What stands behind the proven ones; null with `--trust-node`, or when no node was of help.
    proof: Option<Report>,
}

#[derive(Serialize)]
struct PaymentEntry {
    #[serde(flatten)]
    payment: Payment,
    /// What the node says; null when it did not answer.
    status: Option<TxStatus>,
    /// Whether it is proven to be in its block.
    proven: bool,
    /// What a node last answered if it did not take it.
    refusal: Option<Refusal>,
    /// What the payment and its receiver are called.
    #[serde(skip)]
    labels: (Option<String>, Option<String>),
}

#[derive(Serialize)]
struct NodeFailure {
    kind: &'static str,
    message: String,
}

pub(crate) async fn sent(session: &Session<'_>, limit: usize, output: &mut Output<'_>) -> Result<()> {
    let wallet = session.wallet()?;
    let (contents, labels) = (session.journal()?, session.labels()?);
    // Only as many signatures are verified as are shown.
    let mut own = contents.payments.iter().rev().filter(|payment| payment.is_of(&wallet.address, wallet.network));
    let mut payments: Vec<PaymentEntry> =
        own.by_ref().take(limit).map(|payment| PaymentEntry::new(payment, &contents, &labels)).collect();
    let more = own.next().is_some();
    warn_of_trust(session, output)?;
    let (proof, node_error) = match ask(session, wallet.network, &mut payments).await {
        Ok(proof) => (proof, None),
        Err(error) => (None, Some(NodeFailure { kind: error.kind(), message: error.to_string() })),
    };
    complain(proof.as_ref(), output)?;
    let (wallet, damaged_lines) = (session.head(&wallet.keystore), contents.damaged_lines);
    let history = History { wallet, payments, more, damaged_lines, node_error, proof };
    Ok(output.result(&history, &history)?)
}

/// Asks about each payment until no node is of help.
async fn ask(session: &Session<'_>, network: &Network, payments: &mut [PaymentEntry]) -> Result<Option<Report>> {
    if payments.is_empty() {
        return Ok(None);
    }
    let mut source = Source::open(&session.nodes, network).await?;
    for entry in payments {
        let txid = entry.payment.txid.0;
        let found = source.payment_status(txid).await?;
        (entry.status, entry.proven) = (Some(found.status(txid)), found.mined.is_some() && source.is_proven());
    }
    Ok(source.report())
}

impl PaymentEntry {
    fn new(payment: &Payment, contents: &Contents, labels: &Labels) -> Self {
        let refusal = contents.refusal(&payment.txid.0).cloned();
        let called = |label: Option<&str>| label.map(String::from);
        let labels = (called(labels.payment(&payment.txid.0)), called(labels.address(&payment.to)));
        Self { payment: payment.clone(), status: None, proven: false, refusal, labels }
    }
}

impl fmt::Display for PaymentEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let payment = &self.payment;
        writeln!(f, "{}  {} CRN", Utc(payment.time), payment.amount.0)?;
        writeln!(f, "  to     {}", payment.receivers())?;
        for (what, label) in [("label", &self.labels.0), ("name ", &self.labels.1)] {
            if let Some(label) = label {
                writeln!(f, "  {what}  {}", Inert(label))?;
            }
        }
        writeln!(f, "  txid   {}", payment.txid.0)?;
        if !payment.memo.is_empty() {
            writeln!(f, "  memo   {}", Inert(&payment.memo))?;
        }
        if let Some(status) = &self.status {
            writeln!(f, "  state  {}{}", phrase(status), basis(self.proven))?;
        }
        // What a node refused once may have got in later: then that is what matters.
        match &self.refusal {
            Some(refusal) if self.status.as_ref().is_none_or(|status| status.block.is_none()) => {
                writeln!(f, "  note   refused: {}", Inert(&refusal.message))
            }
            _ => Ok(()),
        }
    }
}

/// Whose word it is where a payment is.
const fn basis(proven: bool) -> &'static str {
    if proven { ", proven" } else { ", the node says" }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.payments.is_empty() {
            writeln!(f, "No payments were sent from this wallet.")?;
        }
        for (place, entry) in self.payments.iter().enumerate() {
            let gap = if place == 0 { "" } else { "\n" };
            write!(f, "{gap}{entry}")?;
        }
        if let Some(report) = self.proof.as_ref().filter(|_| self.payments.iter().any(|entry| entry.proven)) {
            writeln!(f, "\nProven by {report}.")?;
        }
        if self.more {
            writeln!(f, "\nThere are older payments; see more with --limit.")?;
        }
        if !self.damaged_lines.is_empty() {
            writeln!(f, "\nThe journal is damaged: lines {:?} cannot be read.", self.damaged_lines)?;
        }
        if let Some(error) = &self.node_error {
            writeln!(f, "\nThis is what the journal has; the payments' states are not known: {}.", error.message)?;
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct ReceivedHistory {
    #[serde(flatten)]
    wallet: WalletHead,
    /// Newest first.
    received: Vec<ReceivedPayment>,
    /// Whether there may be older ones, beyond the limit.
    more: bool,
    /// What stands behind the proven ones; null with `--trust-node`.
    proof: Option<Report>,
}

#[derive(Serialize)]
struct ReceivedPayment {
    txid: Text<TxId>,
    from: String,
    amount: Pebbles,
    memo: String,
    /// Where it is; the node's word unless it is proven.
    status: TxStatus,
    proven: bool,
}

pub(crate) async fn received(session: &Session<'_>, limit: usize, output: &mut Output<'_>) -> Result<()> {
    let wallet = session.wallet()?;
    warn_of_trust(session, output)?;
    let mut source = Source::open(&session.nodes, wallet.network).await?;
    let (received, more) = payments_to(&wallet, limit, &mut source).await?;
    let proof = source.report();
    complain(proof.as_ref(), output)?;
    let shown = ReceivedHistory { wallet: session.head(&wallet.keystore), received, more, proof };
    Ok(output.result(&shown, &shown)?)
}

/// Goes through the history of the wallet's address until so many payments by others were found; and whether there may
/// be more.
async fn payments_to(
    wallet: &Wallet<'_>,
    limit: usize,
    source: &mut Source<'_>,
) -> Result<(Vec<ReceivedPayment>, bool)> {
    let (mut found, mut before) = (Vec::new(), None);
    for _ in 0..MAX_PAGES {
        let page = source.history(wallet.keystore.address(), before).await?;
        if page.reorganised_above.is_some() {
            // What was told may have changed: from the top.
            found.clear();
            before = None;
            continue;
        }
        for transaction in page.entries.iter().filter_map(|entry| payment(entry, &wallet.address)) {
            if found.len() == limit {
                return Ok((found, true));
            }
            let (body, txid) = (&transaction.body, transaction.id());
            let status = source.payment_status(txid).await?;
            found.push(ReceivedPayment {
                txid: Text(txid),
                from: wallet.network.spec.params().prefix.encode(&body.sender),
                amount: Pebbles(amount_to(&transaction, &wallet.address)),
                memo: String::from_utf8_lossy(&body.memo).into_owned(),
                status: status.status(txid),
                proven: status.mined.is_some() && source.is_proven(),
            });
        }
        match page.next {
            Some(next) => before = Some(next.0),
            None => return Ok((found, false)),
        }
    }
    Ok((found, true))
}

/// The transaction of an entry, when somebody else pays the address with it. What the node says of it is not used:
/// the bytes are what is shown, and what is proven.
fn payment(entry: &HistoryEntry, address: &Address) -> Option<Transaction> {
    let transaction = Transaction::from_bytes(&entry.transaction.as_ref()?.raw.0).ok()?;
    let by_others = transaction.body.sender != *address && amount_to(&transaction, address) != Amount::ZERO;
    by_others.then_some(transaction)
}

fn amount_to(transaction: &Transaction, address: &Address) -> Amount {
    let paid = transaction.body.outputs.iter().filter(|output| output.to == *address);
    let pebbles = paid.map(|output| output.amount.pebbles()).fold(0, u64::saturating_add);
    Amount::from_pebbles(pebbles).unwrap_or(Amount::MAX)
}

impl fmt::Display for ReceivedHistory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.received.is_empty() {
            writeln!(f, "The node knows of no payments by others to {}.", self.wallet.address)?;
        }
        for entry in &self.received {
            writeln!(f, "{} CRN from {}", entry.amount.0, entry.from)?;
            writeln!(f, "  txid   {}", entry.txid.0)?;
            if !entry.memo.is_empty() {
                writeln!(f, "  memo   {}", Inert(&entry.memo))?;
            }
            writeln!(f, "  state  {}{}\n", phrase(&entry.status), basis(entry.proven))?;
        }
        if let Some(report) = self.proof.as_ref().filter(|_| self.received.iter().any(|entry| entry.proven)) {
            writeln!(f, "Proven by {report}.")?;
        }
        if self.more {
            writeln!(f, "There may be older payments; see more with --limit.")?;
        }
        writeln!(f, "That none is missing is the node's word.")
    }
}
