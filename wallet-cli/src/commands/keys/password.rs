//! `wallet change-password`, `wallet verify-backup`: whether the wallet opens, and by what.

use super::accounts::{GAP_LIMIT, derive, known};
use crate::{
    cli::{ChangePasswordArguments, WordsArguments},
    error::{Result, WalletError},
    keys::mnemonic::Words,
    output::Output,
    session::Session,
};
use cairn_host::files::InFile;
use serde::Serialize;
use std::fmt;

#[derive(Serialize)]
struct Changed {
    name: String,
    file: String,
}

/// Another password for the same words: the file is written anew, whole or not at all.
pub(crate) fn change(session: &Session<'_>, options: &ChangePasswordArguments, output: &mut Output<'_>) -> Result<()> {
    let network = session.network()?;
    // From reading to writing nobody else changes it: another's new password would be lost.
    let _changing = session.lock()?;
    let wallet = session.wallet(&network)?;
    wallet.check_has_key()?;
    let old = session.options.password_source().read()?;
    let secret = wallet.keystore.open(&network, &old).map_err(InFile::at(&wallet.path))?;
    let password = options.new_source().read_new()?;
    let accounts = known(wallet.keystore.accounts(), &secret);
    let keystore = session.seal(&network, &secret, accounts, &password, options.kdf.cost())?;
    session.replace_wallet(&wallet.path, &keystore)?;
    Ok(output.result(&Changed { name: session.name.to_string(), file: wallet.path.display().to_string() })?)
}

#[derive(Serialize)]
struct Backup {
    name: String,
    address: String,
    account: u32,
    matches: bool,
}

/// Whether these words are this wallet's. No password is asked for: the words are more than that.
pub(crate) fn verify_backup(session: &Session<'_>, options: &WordsArguments, output: &mut Output<'_>) -> Result<()> {
    let network = session.network()?;
    let wallet = session.wallet(&network)?;
    wallet.check_has_key()?;
    let words = Words::parse(&options.source().read()?)?;
    let address = wallet.keystore.address();
    // A version 1 file does not show its account's number: those people use are tried.
    let numbers = match wallet.keystore.account().number {
        Some(number) => number..number.saturating_add(1),
        None => 0..GAP_LIMIT,
    };
    for number in numbers {
        if derive(&network, &words, number)?.address == address {
            let address = String::from(address);
            output.result(&Backup { name: session.name.to_string(), address, account: number, matches: true })?;
            return Ok(());
        }
    }
    Err(WalletError::OtherWords { name: session.name.clone() })
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "The wallet {} has a new password.\n\nfile  {}\n", self.name, self.file)?;
        writeln!(f, "Copies of the file made before still open with the old password: replace them.")
    }
}

impl fmt::Display for Backup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "These are the words of the wallet {} (account {}, {}).", self.name, self.account, self.address)
    }
}
