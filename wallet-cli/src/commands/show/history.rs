//! `wallet history`: the journal, with what became of each payment; proven for those in a block.

use crate::{
    cli::HistoryArguments,
    clock::Utc,
    commands::basis::{complain, warn_of_trust},
    error::Result,
    node::verify::{report::Report, source::Source},
    output::Output,
    payment::{
        journal::{Contents, Payment, Refusal},
        status::phrase,
    },
    session::Session,
    store::labels::Labels,
};
use cairn_genesis::Network;
use cairn_host::inert::Inert;
use cairn_rpc::types::TxStatus;
use serde::Serialize;
use std::fmt;

#[derive(Serialize)]
struct History<'a> {
    name: &'a str,
    chain: &'a str,
    address: &'a str,
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

pub(crate) async fn run(session: &Session<'_>, options: HistoryArguments, output: &mut Output<'_>) -> Result<()> {
    let network = session.network()?;
    let wallet = session.wallet(&network)?;
    let (contents, labels) = (session.journal()?, session.labels()?);
    // Only as many signatures are verified as are shown.
    let mut own = contents.payments.iter().rev().filter(|payment| payment.is_of(&wallet.address, &network));
    let mut payments: Vec<PaymentEntry> =
        own.by_ref().take(options.limit).map(|payment| PaymentEntry::new(payment, &contents, &labels)).collect();
    let more = own.next().is_some();
    if session.options.trust_node {
        warn_of_trust(output)?;
    }
    let (proof, failed) = match ask(session, &network, &mut payments).await {
        Ok(proof) => (proof, None),
        Err(error) => (None, Some(error)),
    };
    complain(proof.as_ref(), output)?;
    Ok(output.result(&History {
        name: session.options.wallet.as_str(),
        chain: wallet.keystore.chain(),
        address: wallet.keystore.address(),
        payments,
        more,
        damaged_lines: contents.damaged_lines,
        proof,
        node_error: failed.map(|error| NodeFailure { kind: error.kind(), message: error.to_string() }),
    })?)
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
            let proven = if self.proven { ", proven" } else { ", the node says" };
            writeln!(f, "  state  {}{proven}", phrase(status))?;
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

impl fmt::Display for History<'_> {
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
