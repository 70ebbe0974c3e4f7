//! `wallet balance`: what the wallet has, proven; and `wallet` alone: where you stand, and what to try.

use crate::commands::{Basis, complain, warn_of_trust};
use crate::node::{Report, SenderView, Source};
use crate::session::{Wallet, WalletHead};
use crate::{Output, Result, Session, WalletError, payment::counted};
use cairn_genesis::Network;
use cairn_ledger::BlockId;
use cairn_rpc::{Pebbles, Text, types::PendingJson};
use serde::Serialize;
use std::fmt;

#[derive(Serialize)]
struct Balance {
    #[serde(flatten)]
    wallet: WalletHead,
    exists: bool,
    balance: Pebbles,
    nonce: Text<u64>,
    /// What the node says about payments that wait.
    pending: PendingJson,
    /// The block that balance and nonce are read at.
    height: u64,
    block: Text<BlockId>,
    /// What it has at the tip, which the last blocks may still change.
    newest: Newest,
    /// Whether the node still catches up with its peers, so that this may be old.
    syncing: bool,
    /// What stands behind it; null with `--trust-node`.
    proof: Option<Report>,
    /// The node whose word it is, or whose chain is believed.
    #[serde(skip)]
    node: String,
    #[serde(skip)]
    lag: Option<String>,
}

#[derive(Serialize)]
struct Newest {
    balance: Pebbles,
    height: u64,
}

pub(crate) async fn balance(session: &Session<'_>, output: &mut Output<'_>) -> Result<()> {
    let wallet = session.wallet()?;
    warn_of_trust(session, output)?;
    let balance = look(session, &wallet).await?;
    complain(balance.proof.as_ref(), output)?;
    Ok(output.result(&balance, &balance)?)
}

/// What the wallet has: proven by all the nodes that are named, or, with `--trust-node`, the word of one.
async fn look(session: &Session<'_>, wallet: &Wallet<'_>) -> Result<Balance> {
    let mut source = Source::open(&session.nodes, wallet.network).await?;
    let seen = source.sender(&wallet.address, wallet.keystore.address()).await?;
    let SenderView { sender, claimed, exists, settled } = seen;
    let (sender, lag) = (*sender.get(), source.lag());
    Ok(Balance {
        wallet: session.head(&wallet.keystore),
        exists,
        balance: Pebbles(settled.balance),
        nonce: Text(settled.nonce),
        pending: claimed.get().pending.clone(),
        height: settled.height,
        block: Text(settled.block),
        newest: Newest { balance: Pebbles(sender.balance), height: sender.height },
        syncing: lag.is_some(),
        proof: source.report(),
        node: source.node().unwrap_or_default().to_owned(),
        lag,
    })
}

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "address  {}", self.wallet.address)?;
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

#[derive(Serialize)]
struct Overview {
    name: String,
    chain: String,
    /// Null when there is no such wallet.
    address: Option<String>,
    kind: Option<&'static str>,
    #[serde(flatten)]
    seen: NodeView,
    /// Why no node was of help.
    node_error: Option<String>,
    /// Payments ever signed here.
    payments: usize,
    #[serde(skip)]
    next: Vec<(String, &'static str)>,
}

/// What all the nodes that are named prove, or, with `--trust-node`, what one says.
#[derive(Default, Serialize)]
struct NodeView {
    /// The node whose chain is believed.
    node: String,
    /// The tip.
    height: Option<u64>,
    /// As `wallet balance` shows it.
    balance: Option<Pebbles>,
    /// What it is at the tip, which the last blocks may still change.
    newest: Option<Pebbles>,
    /// Payments of this wallet in a pool, as the node says.
    pending: Option<u64>,
    /// What stands behind it; null with `--trust-node`, and when no node was of help.
    proof: Option<Report>,
    #[serde(skip)]
    lag: Option<String>,
}

pub(crate) async fn overview(session: &Session<'_>, output: &mut Output<'_>) -> Result<()> {
    let network = session.network()?;
    let wallet = match session.wallet() {
        Ok(wallet) => Some(wallet),
        Err(WalletError::NoWallet { .. }) => None,
        Err(error) => return Err(error),
    };
    warn_of_trust(session, output)?;
    let (seen, node_error) = match ask(session, network, wallet.as_ref()).await {
        Ok(seen) => (seen, None),
        Err(error) => {
            let node = session.nodes.first(network)?.url;
            (NodeView { node, ..NodeView::default() }, Some(error.to_string()))
        }
    };
    complain(seen.proof.as_ref(), output)?;
    let keystore = wallet.as_ref().map(|wallet| &wallet.keystore);
    let kind = keystore.map(|keystore| keystore.kind());
    let overview = Overview {
        name: session.name.to_string(),
        chain: network.spec.params().name.clone(),
        address: keystore.map(|keystore| String::from(keystore.address())),
        next: next(session, kind, &seen),
        kind,
        seen,
        node_error,
        payments: session.journal()?.payments.len(),
    };
    Ok(output.result(&overview, &overview)?)
}

/// Of a wallet what it has; without one the chain alone.
async fn ask(session: &Session<'_>, network: &Network, wallet: Option<&Wallet<'_>>) -> Result<NodeView> {
    let Some(wallet) = wallet else {
        let source = Source::open(&session.nodes, network).await?;
        let node = source.node().unwrap_or_default().to_owned();
        let (proof, claimed) = (source.report(), source.infos().first().map(|(_, info)| info.height));
        let height = proof.as_ref().map(|proof| proof.height).or(claimed);
        return Ok(NodeView { node, height, lag: source.lag(), proof, ..NodeView::default() });
    };
    let Balance { balance, newest, pending, proof, node, lag, .. } = look(session, wallet).await?;
    let (height, pending) = (Some(newest.height), Some(pending.count));
    Ok(NodeView { node, height, balance: Some(balance), newest: Some(newest.balance), pending, proof, lag })
}

/// What somebody in this position mostly wants, likeliest first.
fn next(session: &Session<'_>, kind: Option<&str>, seen: &NodeView) -> Vec<(String, &'static str)> {
    let hint = |command: &str, why| (session.hints.here(command), why);
    let Some(kind) = kind else {
        return vec![
            hint("new", "make a wallet"),
            hint("restore", "bring one back from its words"),
            hint("list", "see every wallet here"),
        ];
    };
    let receive = hint("receive", "be paid");
    let mut next = Vec::new();
    if seen.pending.is_some_and(|pending| pending > 0) {
        next.push(hint("history", "see the payments on their way"));
    }
    match seen.newest {
        Some(Pebbles(balance)) if balance.pebbles() == 0 => next.push(receive),
        _ if kind == "words" => next.extend([hint("send ADDRESS AMOUNT", "pay"), receive]),
        _ => next.extend([hint("send ADDRESS AMOUNT --unsigned pay.json", "pay"), receive]),
    }
    next.push(hint("balance", "see what proves the balance"));
    next.push(hint("watch", "watch it all live"));
    next.push((String::from("wallet help"), "see every command"));
    next
}

impl fmt::Display for Overview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Some(address) => {
                writeln!(f, "wallet   {} on the network {}", self.name, self.chain)?;
                writeln!(f, "address  {address}")?;
            }
            None => writeln!(f, "There is no wallet {} here yet.", self.name)?,
        }
        let NodeView { node, height, balance, newest, pending, proof, lag } = &self.seen;
        let basis = if proof.is_some() { "proven" } else { "as the node says" };
        if let Some(Pebbles(balance)) = balance {
            writeln!(f, "balance  {balance} CRN, {basis}")?;
        }
        if let Some(Pebbles(newest)) = newest.filter(|newest| Some(*newest) != *balance) {
            writeln!(f, "newest   {newest} CRN; the last blocks may still be replaced")?;
        }
        if let Some(pending) = pending.filter(|pending| *pending > 0) {
            writeln!(f, "pending  {} on the way, the node says", counted(pending, "payment"))?;
        }
        match (&self.node_error, height) {
            (Some(error), _) => writeln!(f, "node     {error}")?,
            (None, Some(height)) => writeln!(f, "node     {node}, at block {height}, {basis}")?,
            (None, None) => {}
        }
        if let Some(lag) = lag {
            writeln!(f, "\n{lag}")?;
        }
        writeln!(f)?;
        // What for first: a command with all its options may be longer than a line.
        let width = self.next.iter().map(|(_, why)| why.len()).max().unwrap_or_default();
        for (place, (command, why)) in self.next.iter().enumerate() {
            let lead = if place == 0 { "Next: " } else { "      " };
            writeln!(f, "{lead}{why:width$}  {command}")?;
        }
        Ok(())
    }
}
