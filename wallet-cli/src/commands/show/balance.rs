//! `wallet balance`: what the wallet has, proven.

use crate::{
    commands::basis::{Basis, complain, warn_of_trust},
    error::Result,
    node::verify::{
        light_client::{Begin, LightClient, ProvenAccount},
        report::Report,
        source::Source,
    },
    output::Output,
    payment::status::counted,
    session::{Session, Wallet},
};
use cairn_genesis::Network;
use cairn_ledger::hash::BlockId;
use cairn_rpc::{
    text::{Pebbles, Text},
    types::PendingJson,
};
use serde::Serialize;
use std::fmt;

#[derive(Serialize)]
pub(crate) struct Balance<'a> {
    name: &'a str,
    chain: &'a str,
    address: &'a str,
    exists: bool,
    pub balance: Pebbles,
    nonce: Text<u64>,
    /// What the node says about payments that wait.
    pub pending: PendingJson,
    /// The block that balance and nonce are read at.
    pub height: u64,
    block: Text<BlockId>,
    /// What it has at the tip, which the last blocks may still change.
    pub newest: Newest,
    /// Whether the node still catches up with its peers, so that this may be old.
    syncing: bool,
    /// What stands behind it; null with `--trust-node`.
    pub proof: Option<Report>,
    /// The node whose word it is, or whose chain is believed.
    #[serde(skip)]
    pub node: String,
    #[serde(skip)]
    pub lag: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct Newest {
    pub balance: Pebbles,
    pub height: u64,
}

pub(crate) async fn run(session: &Session<'_>, output: &mut Output<'_>) -> Result<()> {
    let network = session.network()?;
    let wallet = session.wallet(&network)?;
    if session.options.trust_node {
        warn_of_trust(output)?;
    }
    let balance = look(session, &network, &wallet).await?;
    complain(balance.proof.as_ref(), output)?;
    Ok(output.result(&balance)?)
}

/// What the wallet has: proven by all the nodes that are named, or, with `--trust-node`, the word of one.
pub(crate) async fn look<'a>(session: &'a Session<'_>, network: &Network, wallet: &'a Wallet) -> Result<Balance<'a>> {
    if session.options.trust_node {
        trusted(session, network, wallet).await
    } else {
        proven(session, network, wallet).await
    }
}

async fn proven<'a>(session: &'a Session<'_>, network: &Network, wallet: &'a Wallet) -> Result<Balance<'a>> {
    let mut client = LightClient::open(&session.nodes, network, Begin::Kept).await?;
    let account = client.account(&wallet.address, wallet.keystore.address()).await?;
    let (report, lag) = (client.report(), client.lag());
    let ProvenAccount { at, settled, newest, claimed, .. } = account;
    let height = report.as_ref().map_or(at.height.get(), |report| report.height);
    Ok(Balance {
        name: session.options.wallet.as_str(),
        chain: wallet.keystore.chain(),
        address: wallet.keystore.address(),
        exists: newest.or(settled).is_some(),
        balance: Pebbles(settled.unwrap_or_default().balance),
        nonce: Text(settled.unwrap_or_default().nonce),
        pending: claimed.get().pending.clone(),
        height: at.height.get(),
        block: Text(at.id()),
        newest: Newest { balance: Pebbles(newest.unwrap_or_default().balance), height },
        syncing: lag.is_some(),
        node: report.as_ref().map(|report| report.node.clone()).unwrap_or_default(),
        proof: report,
        lag,
    })
}

/// The same as the first node that answers says, unverified.
async fn trusted<'a>(session: &'a Session<'_>, network: &Network, wallet: &'a Wallet) -> Result<Balance<'a>> {
    let mut source = Source::open(&session.nodes, network).await?;
    let seen = source.sender(&wallet.address, wallet.keystore.address()).await?;
    let (lag, account) = (source.lag(), seen.claimed.get().clone());
    let node = source.node().unwrap_or_default().to_owned();
    Ok(Balance {
        name: session.options.wallet.as_str(),
        chain: wallet.keystore.chain(),
        address: wallet.keystore.address(),
        exists: account.exists,
        balance: account.balance,
        nonce: account.nonce,
        pending: account.pending,
        height: account.height,
        block: account.block,
        newest: Newest { balance: account.balance, height: account.height },
        syncing: lag.is_some(),
        proof: None,
        node,
        lag,
    })
}

impl fmt::Display for Balance<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "address  {}", self.address)?;
        writeln!(f, "balance  {} CRN, {}", self.balance.0, Basis(self.proof.as_ref()))?;
        match self.newest.height.saturating_sub(self.height) {
            0 => writeln!(f, "at       block {}, the tip", self.height)?,
            below => writeln!(f, "at       block {}, {below} below the tip", self.height)?,
        }
        if self.newest.balance != self.balance {
            let (newest, height) = (self.newest.balance.0, self.newest.height);
            writeln!(f, "newest   {newest} CRN at block {height}; the last blocks may still be replaced")?;
        }
        if self.pending.count > 0 {
            let payments = counted(self.pending.count, "payment");
            let left = self.pending.balance.0;
            writeln!(f, "pending  {left} CRN once {payments} of yours left the pool, the node says")?;
        }
        match &self.lag {
            Some(lag) => writeln!(f, "\n{lag}"),
            None if !self.exists => writeln!(f, "\nNothing was ever paid to this address."),
            None => Ok(()),
        }
    }
}
