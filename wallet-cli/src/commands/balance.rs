//! `wallet balance`: what the wallet has, as the node says.

use super::counted;
use crate::{client::lag, error::WalletError, output::Output, run::Session};
use cairn_ledger::hash::BlockId;
use cairn_rpc::{
    text::{Pebbles, Text},
    types::PendingJson,
};
use serde::Serialize;
use std::fmt;

#[derive(Serialize)]
struct Balance<'a> {
    name: &'a str,
    chain: &'a str,
    address: &'a str,
    exists: bool,
    balance: Pebbles,
    nonce: Text<u64>,
    pending: PendingJson,
    height: u64,
    block: Text<BlockId>,
    /// Whether the node still catches up with its peers, so that this may be old.
    syncing: bool,
    #[serde(skip)]
    lag: Option<String>,
}

pub(crate) async fn run(session: &Session<'_>, output: &mut Output<'_>) -> Result<(), WalletError> {
    let network = session.network()?;
    let wallet = session.wallet(&network)?;
    let node = session.node(&network)?;
    let lag = lag(&node.info().await?);
    let account = node.account(wallet.keystore.address()).await?;
    output.result(&Balance {
        name: session.options.wallet.as_str(),
        chain: wallet.keystore.chain(),
        address: wallet.keystore.address(),
        exists: account.exists,
        balance: account.balance,
        nonce: account.nonce,
        pending: account.pending,
        height: account.height,
        block: account.block,
        syncing: lag.is_some(),
        lag,
    })?;
    Ok(())
}

impl fmt::Display for Balance<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "address  {}", self.address)?;
        writeln!(f, "balance  {} CRN at block {}", self.balance.0, self.height)?;
        if self.pending.count > 0 {
            let payments = counted(self.pending.count, "payment");
            writeln!(f, "pending  {} CRN once {payments} of yours left the pool", self.pending.balance.0)?;
        }
        match &self.lag {
            Some(lag) => writeln!(f, "\n{lag}"),
            None if !self.exists => writeln!(f, "\nNothing was ever paid to this address."),
            None => Ok(()),
        }
    }
}
