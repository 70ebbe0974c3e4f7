//! `wallet list`: every wallet here, of all networks.

use crate::{
    error::Result,
    output::Output,
    session::{Session, read_keystore},
    store::data_dir::WalletName,
};
use cairn_host::{files::FileError, inert::Inert};
use cairn_ledger::hash::BlockId;
use cairn_rpc::text::Text;
use serde::Serialize;
use std::fmt;

#[derive(Serialize)]
struct List {
    wallets: Vec<WalletEntry>,
    /// Files that are there and cannot be read.
    unreadable: Vec<Unreadable>,
    #[serde(skip)]
    directory: String,
    #[serde(skip)]
    next: String,
}

#[derive(Serialize)]
struct WalletEntry {
    name: String,
    chain: String,
    genesis_id: Text<BlockId>,
    address: String,
}

#[derive(Serialize)]
struct Unreadable {
    name: String,
    kind: &'static str,
    message: String,
}

pub(crate) fn run(session: &Session<'_>, output: &mut Output<'_>) -> Result<()> {
    let directory = session.data.wallets();
    let mut list = List {
        wallets: Vec::new(),
        unreadable: Vec::new(),
        directory: directory.display().to_string(),
        next: session.hints.here("new"),
    };
    for name in session.data.names().map_err(FileError::cannot("read", directory))? {
        list.add(session, &name);
    }
    Ok(output.result(&list)?)
}

impl List {
    fn add(&mut self, session: &Session<'_>, name: &WalletName) {
        match read_keystore(&session.data.wallet_file(name)) {
            Ok(keystore) => self.wallets.push(WalletEntry {
                name: name.to_string(),
                chain: String::from(keystore.chain()),
                genesis_id: Text(keystore.genesis_id()),
                address: String::from(keystore.address()),
            }),
            Err(error) => self.unreadable.push(Unreadable {
                name: name.to_string(),
                kind: error.kind(),
                message: error.to_string(),
            }),
        }
    }
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.wallets.is_empty() && self.unreadable.is_empty() {
            return writeln!(f, "No wallets in {}. Make one with {}", self.directory, self.next);
        }
        let width = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or_default();
        let name = width(&mut self.wallets.iter().map(|entry| entry.name.len()));
        let chain = width(&mut self.wallets.iter().map(|entry| entry.chain.len()));
        for entry in &self.wallets {
            writeln!(f, "{:name$}  {:chain$}  {}", entry.name, Inert(&entry.chain).to_string(), Inert(&entry.address))?;
        }
        for wallet in &self.unreadable {
            writeln!(f, "{}: {}", wallet.name, wallet.message)?;
        }
        Ok(())
    }
}
