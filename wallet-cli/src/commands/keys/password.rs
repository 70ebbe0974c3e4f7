//! `wallet change-password`, `wallet verify-backup`: whether the wallet opens, and by what.

use super::accounts::{GAP_LIMIT, derive, known};
use crate::cli::{ChangePasswordArguments, WordsArguments};
use crate::keys::{Words, read_words};
use crate::{Output, Result, Session, WalletError};
use serde::Serialize;

#[derive(Serialize)]
struct Changed {
    name: String,
    file: String,
}

/// Another password for the same words: the file is written anew, whole or not at all.
pub(crate) fn change(session: &Session<'_>, options: &ChangePasswordArguments, output: &mut Output<'_>) -> Result<()> {
    // From reading to writing nobody else changes it: another's new password would be lost.
    let _changing = session.lock()?;
    let wallet = session.wallet()?;
    let (_, secret) = wallet.open()?;
    let password = options.new_source().read_new()?;
    let accounts = known(wallet.keystore.accounts(), &secret);
    wallet.replace(&session.seal(&secret, accounts, &password, options.kdf.cost())?)?;
    let changed = Changed { name: session.name.to_string(), file: wallet.path.display().to_string() };
    let text = format_args!(
        "The wallet {} has a new password.\n\nfile  {}\n\nCopies of the file made before still open with the old \
         password: replace them.\n",
        changed.name, changed.file
    );
    Ok(output.result(&changed, text)?)
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
    let wallet = session.wallet()?;
    wallet.check_has_key()?;
    let words = Words::parse(&read_words(options.words_file.as_deref())?)?;
    // A version 1 file does not show its account's number: those people use are tried.
    let numbers = match wallet.keystore.account().number {
        Some(number) => number..number.saturating_add(1),
        None => 0..GAP_LIMIT,
    };
    for account in numbers {
        let address = derive(wallet.network, &words, account)?.address;
        if address == wallet.keystore.address() {
            let text = format!("These are the words of the wallet {} (account {account}, {address}).\n", session.name);
            let backup = Backup { name: session.name.to_string(), address, account, matches: true };
            return Ok(output.result(&backup, text)?);
        }
    }
    Err(WalletError::OtherWords { name: session.name.clone() })
}
