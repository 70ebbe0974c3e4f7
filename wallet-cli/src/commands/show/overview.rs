//! `wallet` alone: where you stand, proven, and what to try.

use super::balance::{self, Balance};
use crate::{
    commands::basis::{complain, warn_of_trust},
    error::{Result, WalletError},
    node::verify::{report::Report, source::Source},
    output::Output,
    payment::status::counted,
    session::{Session, Wallet},
};
use cairn_genesis::Network;
use cairn_rpc::text::Pebbles;
use serde::Serialize;
use std::fmt;

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

pub(crate) async fn run(session: &Session<'_>, output: &mut Output<'_>) -> Result<()> {
    let network = session.network()?;
    let wallet = match session.wallet(&network) {
        Ok(wallet) => Some(wallet),
        Err(WalletError::NoWallet { .. }) => None,
        Err(error) => return Err(error),
    };
    if session.options.trust_node {
        warn_of_trust(output)?;
    }
    let (seen, node_error) = match ask(session, &network, wallet.as_ref()).await {
        Ok(seen) => (seen, None),
        Err(error) => {
            let node = String::from(session.nodes.first(&network)?.url());
            (NodeView { node, ..NodeView::default() }, Some(error.to_string()))
        }
    };
    complain(seen.proof.as_ref(), output)?;
    let kind = wallet.as_ref().map(|wallet| wallet.keystore.kind());
    Ok(output.result(&Overview {
        name: session.name.to_string(),
        chain: network.spec.params().name.clone(),
        address: wallet.as_ref().map(|wallet| String::from(wallet.keystore.address())),
        next: next(session, kind, &seen),
        kind,
        seen,
        node_error,
        payments: session.journal()?.payments.len(),
    })?)
}

/// Of a wallet what it has; without one the chain alone.
async fn ask(session: &Session<'_>, network: &Network, wallet: Option<&Wallet>) -> Result<NodeView> {
    let Some(wallet) = wallet else {
        let source = Source::open(&session.nodes, network).await?;
        let node = source.node().unwrap_or_default().to_owned();
        let (proof, claimed) = (source.report(), source.infos().first().map(|(_, info)| info.height));
        let height = proof.as_ref().map(|proof| proof.height).or(claimed);
        return Ok(NodeView { node, height, lag: source.lag(), proof, ..NodeView::default() });
    };
    let Balance { balance, newest, pending, proof, node, lag, .. } = balance::look(session, network, wallet).await?;
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
