//! `wallet` alone: where you stand, and what to try.

use crate::{error::WalletError, output::Output, run::Session};
use cairn_genesis::Network;
use cairn_rpc::{text::Pebbles, types::AccountJson};
use serde::Serialize;
use std::fmt;

#[derive(Serialize)]
struct Overview {
    name: String,
    chain: String,
    /// Null when there is no such wallet.
    address: Option<String>,
    kind: Option<&'static str>,
    node: String,
    /// Why the node told nothing.
    node_error: Option<String>,
    height: Option<u64>,
    balance: Option<Pebbles>,
    /// Payments of this wallet in the node's pool.
    pending: Option<u64>,
    /// Payments ever signed here.
    payments: usize,
    #[serde(skip)]
    next: Vec<(String, &'static str)>,
}

pub(crate) async fn run(session: &Session<'_>, output: &mut Output<'_>) -> Result<(), WalletError> {
    let network = session.network()?;
    let wallet = match session.wallet(&network) {
        Ok(wallet) => Some(wallet),
        Err(WalletError::NoWallet { .. }) => None,
        Err(error) => return Err(error),
    };
    let address = wallet.as_ref().map(|wallet| String::from(wallet.keystore.address()));
    let asked = ask(session, &network, address.as_deref()).await;
    let account = asked.as_ref().ok().and_then(|(_, _, account)| account.as_ref());
    let node = match &asked {
        Ok((url, _, _)) => url.clone(),
        Err(_) => String::from(session.node(&network)?.url()),
    };
    output.result(&Overview {
        name: session.name.to_string(),
        chain: network.spec.params().name.clone(),
        kind: wallet.as_ref().map(|wallet| wallet.keystore.kind()),
        node,
        node_error: asked.as_ref().err().map(ToString::to_string),
        height: asked.as_ref().ok().map(|(_, height, _)| *height),
        balance: account.map(|account| account.balance),
        pending: account.map(|account| account.pending.count),
        payments: session.journal()?.payments.len(),
        next: next(session, wallet.as_ref().map(|wallet| wallet.keystore.kind()), account),
        address,
    })?;
    Ok(())
}

async fn ask(
    session: &Session<'_>,
    network: &Network,
    address: Option<&str>,
) -> Result<(String, u64, Option<AccountJson>), WalletError> {
    // The first that answers: all that it says is shown as its word.
    let mut failure = None;
    for node in session.nodes(network)? {
        let info = match node.info().await {
            Ok(info) => info,
            Err(error) => {
                failure = failure.or(Some(error));
                continue;
            }
        };
        let account = match address {
            Some(address) => Some(node.account(address).await?),
            None => None,
        };
        return Ok((String::from(node.url()), info.height, account));
    }
    Err(failure.map_or(WalletError::Lies { liars: Vec::new() }, WalletError::from))
}

/// What somebody in this position mostly wants, likeliest first.
fn next(session: &Session<'_>, kind: Option<&str>, account: Option<&AccountJson>) -> Vec<(String, &'static str)> {
    let hint = |command: &str, why| (session.options.hint(command), why);
    let Some(kind) = kind else {
        return vec![
            hint("new", "make a wallet"),
            hint("restore", "bring one back from its words"),
            hint("list", "see every wallet here"),
        ];
    };
    let receive = hint("receive", "be paid");
    let mut next = match account {
        Some(account) if account.pending.count > 0 => vec![hint("history", "see the payments on their way")],
        _ => Vec::new(),
    };
    match account {
        Some(account) if account.balance.0.pebbles() == 0 => next.push(receive),
        _ if kind == "words" => next.extend([hint("send ADDRESS AMOUNT", "pay"), receive]),
        _ => next.extend([hint("send ADDRESS AMOUNT --unsigned pay.json", "pay"), receive]),
    }
    next.push(hint("balance", "see the balance proven"));
    next.push(hint("watch", "watch it all live"));
    next.push((String::from("wallet --help"), "see every command"));
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
        if let Some(Pebbles(balance)) = self.balance {
            writeln!(f, "balance  {balance} CRN, as the node says")?;
        }
        if let Some(pending) = self.pending.filter(|pending| *pending > 0) {
            writeln!(f, "pending  {} on the way", super::counted(pending, "payment"))?;
        }
        match (&self.node_error, self.height) {
            (Some(error), _) => writeln!(f, "node     {error}")?,
            (None, Some(height)) => writeln!(f, "node     {}, at block {height}, it says", self.node)?,
            (None, None) => {}
        }
        writeln!(f)?;
        let width = self.next.iter().map(|(command, _)| command.len()).max().unwrap_or_default();
        for (place, (command, why)) in self.next.iter().enumerate() {
            let lead = if place == 0 { "Next: " } else { "      " };
            writeln!(f, "{lead}{command:width$}  {why}")?;
        }
        Ok(())
    }
}
