//! `wallet history --received`: what others paid to this wallet's address, from a node that keeps an index of
//! addresses. Each payment is proven to be in its block; that none is missing cannot be.

use crate::{
    commands::basis::{complain, warn_of_trust},
    error::Result,
    node::{
        client::Node,
        verify::{
            light_client::{Begin, LightClient},
            report::Report,
        },
    },
    output::Output,
    payment::status::phrase,
    session::Session,
};
use cairn_host::inert::Inert;
use cairn_ledger::{
    address::AddressPrefix,
    hash::{BlockId, TxId},
    keys::Address,
    transaction::Transaction,
    units::Amount,
};
use cairn_rpc::{
    text::{Pebbles, Text},
    types::{AddressHistory, HistoryCursor, HistoryEntry, TxState, TxStatus},
};
use serde::Serialize;
use std::fmt;

/// Pages that are asked for: an address that pays much and receives little is not looked through to its beginning.
const MAX_PAGES: usize = 20;

#[derive(Serialize)]
struct ReceivedHistory<'a> {
    name: &'a str,
    chain: &'a str,
    address: &'a str,
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

/// Whom to ask, and whether to believe it.
enum HistorySource<'a> {
    Proven(Box<LightClient<'a>>),
    Trusted(Box<Node<'a>>),
}

pub(crate) async fn run(session: &Session<'_>, limit: usize, output: &mut Output<'_>) -> Result<()> {
    let network = session.network()?;
    let wallet = session.wallet(&network)?;
    let mut source = if session.options.trust_node {
        warn_of_trust(output)?;
        let node = session.nodes.first(&network)?;
        node.info().await?;
        HistorySource::Trusted(Box::new(node))
    } else {
        HistorySource::Proven(Box::new(LightClient::open(&session.nodes, &network, Begin::Kept).await?))
    };
    let (chain, shown) = (wallet.keystore.chain(), wallet.keystore.address());
    let prefix = &network.spec.params().prefix;
    let (received, more) = source.received(&wallet.address, shown, limit, prefix).await?;
    let proof = match &source {
        HistorySource::Proven(client) => client.report(),
        HistorySource::Trusted(_) => None,
    };
    complain(proof.as_ref(), output)?;
    let name = session.options.wallet.as_str();
    Ok(output.result(&ReceivedHistory { name, chain, address: shown, received, more, proof })?)
}

impl HistorySource<'_> {
    /// Goes through the history until so many payments by others were found.
    async fn received(
        &mut self,
        address: &Address,
        shown: &str,
        limit: usize,
        prefix: &AddressPrefix,
    ) -> Result<(Vec<ReceivedPayment>, bool)> {
        let (mut found, mut before) = (Vec::new(), None);
        for _ in 0..MAX_PAGES {
            let page = self.page(shown, before).await?;
            if page.reorganised_above.is_some() {
                // What was told may have changed: from the top.
                found.clear();
                before = None;
                continue;
            }
            for entry in &page.entries {
                let Some(transaction) = payment(entry, address) else { continue };
                if found.len() == limit {
                    return Ok((found, true));
                }
                found.push(self.shown(entry, &transaction, address, prefix).await?);
            }
            match page.next {
                Some(next) => before = Some(next.0),
                None => return Ok((found, false)),
            }
        }
        Ok((found, true))
    }

    async fn page(&self, shown: &str, before: Option<HistoryCursor>) -> Result<AddressHistory> {
        match self {
            Self::Proven(client) => Ok(client.history(shown, before).await?),
            Self::Trusted(node) => Ok(node.history(shown, before).await?),
        }
    }

    async fn shown(
        &mut self,
        entry: &HistoryEntry,
        transaction: &Transaction,
        address: &Address,
        prefix: &AddressPrefix,
    ) -> Result<ReceivedPayment> {
        let body = &transaction.body;
        let (txid, from) = (transaction.id(), prefix.encode(&body.sender));
        let amount = Pebbles(amount_to(transaction, address));
        let memo = String::from_utf8_lossy(&body.memo).into_owned();
        let (status, proven) = match self {
            Self::Proven(client) => {
                let found = client.payment(txid).await?;
                (found.status(txid), found.mined.is_some())
            }
            Self::Trusted(_) => (mined(txid, entry.block.0, entry.height, entry.confirmations), false),
        };
        Ok(ReceivedPayment { txid: Text(txid), from, amount, memo, status, proven })
    }
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

fn mined(txid: TxId, block: BlockId, height: u64, confirmations: u64) -> TxStatus {
    let (block, height) = (Some(Text(block)), Some(height));
    TxStatus { txid: Text(txid), state: TxState::Mined, block, height, confirmations, reason: None }
}

impl fmt::Display for ReceivedHistory<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.received.is_empty() {
            writeln!(f, "The node knows of no payments by others to {}.", self.address)?;
        }
        for entry in &self.received {
            writeln!(f, "{} CRN from {}", entry.amount.0, entry.from)?;
            writeln!(f, "  txid   {}", entry.txid.0)?;
            if !entry.memo.is_empty() {
                writeln!(f, "  memo   {}", Inert(&entry.memo))?;
            }
            let proven = if entry.proven { ", proven" } else { ", the node says" };
            writeln!(f, "  state  {}{proven}\n", phrase(&entry.status))?;
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
