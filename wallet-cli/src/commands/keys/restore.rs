//! `wallet restore`: a wallet from its words.

use super::accounts;
use crate::{
    cli::RestoreArguments,
    error::Result,
    keys::{keystore::WalletSecret, mnemonic::Words},
    output::Output,
    session::Session,
};
use cairn_ledger::hash::BlockId;
use cairn_rpc::text::Text;
use serde::Serialize;
use std::fmt;

#[derive(Serialize)]
struct Restored<'a> {
    name: &'a str,
    chain: &'a str,
    genesis_id: Text<BlockId>,
    address: &'a str,
    account: u32,
    /// Every account the wallet has now.
    accounts: Vec<u32>,
    file: String,
    #[serde(skip)]
    next: String,
    #[serde(skip)]
    discover: String,
}

pub(crate) async fn run(session: &Session<'_>, options: &RestoreArguments, output: &mut Output<'_>) -> Result<()> {
    session.check_absent()?;
    let network = session.network()?;
    let words = Words::parse(&options.words.source().read()?)?;
    let account = session.options.account.unwrap_or(0);
    let first = vec![accounts::derive(&network, &words, account)?];
    let found = if options.discover {
        accounts::search(&session.nodes.all(&network)?, &network, &words, first).await?
    } else {
        first
    };
    let secret = WalletSecret { words, account };
    let password = session.options.password_source().read_new()?;
    let keystore = session.seal(&network, &secret, found, &password, options.kdf.cost())?;
    let path = session.write_new_wallet(&keystore)?;
    Ok(output.result(&Restored {
        name: session.options.wallet.as_str(),
        chain: keystore.chain(),
        genesis_id: Text(keystore.genesis_id()),
        address: keystore.address(),
        account: secret.account,
        accounts: keystore.accounts().iter().filter_map(|account| account.number).collect(),
        file: path.display().to_string(),
        next: session.hints.here("balance"),
        discover: session.hints.here("accounts discover"),
    })?)
}

impl fmt::Display for Restored<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Restored the wallet {} on the network {} (account {}).\n", self.name, self.chain, self.account)?;
        writeln!(f, "address  {}", self.address)?;
        writeln!(f, "file     {}\n", self.file)?;
        if self.accounts.len() > 1 {
            writeln!(f, "Found {} accounts; see them with `wallet accounts`.\n", self.accounts.len())?;
        }
        if self.accounts.len() == 1 {
            writeln!(f, "If these words had several accounts, find the others with {}\n", self.discover)?;
        }
        writeln!(f, "Next: compare the address with the one you remember, then see {}", self.next)
    }
}
