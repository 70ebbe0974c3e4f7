//! `wallet new`: fresh words, shown once.

use super::accounts::derive;
use crate::{
    cli::KdfArguments,
    error::{Result, WalletError},
    keys::{
        keystore::WalletSecret,
        mnemonic::{NEW_ENTROPY_BYTES, Words},
        secret::Secret,
    },
    output::Output,
    session::Session,
};
use cairn_ledger::hash::BlockId;
use cairn_rpc::text::Text;
use serde::{Serialize, Serializer};
use std::{
    fmt,
    fs::{self, File},
    io,
    os::{
        fd::AsFd,
        unix::fs::{FileTypeExt, MetadataExt},
    },
};
use zeroize::Zeroizing;

/// Words in a row.
const COLUMNS: usize = 4;

#[derive(Serialize)]
struct Created<'a> {
    name: &'a str,
    chain: &'a str,
    genesis_id: Text<BlockId>,
    address: &'a str,
    account: u32,
    file: String,
    #[serde(serialize_with = "exposed")]
    words: Secret,
    #[serde(skip)]
    next: String,
}

/// The one place where words leave the wallet in the clear.
fn exposed<S: Serializer>(words: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(words.expose())
}

pub(crate) fn run(session: &Session<'_>, options: KdfArguments, output: &mut Output<'_>) -> Result<()> {
    session.check_absent()?;
    if is_discarded(io::stdout())? {
        return Err(WalletError::WordsUnseen(io::Error::other("standard output is closed, or /dev/null")));
    }
    let network = session.network()?;
    let mut entropy = Zeroizing::new([0; NEW_ENTROPY_BYTES]);
    getrandom::fill(entropy.as_mut())?;
    let secret = WalletSecret { words: Words::from_entropy(entropy.as_ref())?, account: 0 };
    let password = session.options.password_source().read_new()?;
    let accounts = vec![derive(&network, &secret.words, 0)?];
    let keystore = session.seal(&network, &secret, accounts, &password, options.cost())?;
    let prepared = session.prepare_new_wallet(&keystore)?;
    // The words first: money sent to a wallet whose words nobody saw is lost with this machine.
    output
        .result(&Created {
            name: session.options.wallet.as_str(),
            chain: keystore.chain(),
            genesis_id: Text(keystore.genesis_id()),
            address: keystore.address(),
            account: secret.account,
            file: session.data.wallet_file(&session.name).display().to_string(),
            words: secret.words.phrase(),
            next: session.hints.here("receive"),
        })
        .map_err(WalletError::WordsUnseen)?;
    session.commit_new_wallet(prepared)?;
    Ok(())
}

/// Whether standard output is where nobody looks: `/dev/null`, which also stands in for one that is closed.
fn is_discarded(output: impl AsFd) -> io::Result<bool> {
    let (output, null) = (File::from(output.as_fd().try_clone_to_owned()?).metadata()?, fs::metadata("/dev/null")?);
    Ok(output.file_type().is_char_device() && output.rdev() == null.rdev())
}

impl fmt::Display for Created<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Made the wallet {} on the network {}.\n", self.name, self.chain)?;
        writeln!(f, "These words are the wallet. Write them on paper, in order. They are shown only now:")?;
        writeln!(f, "whoever reads them can take the money, and without them nobody brings it back when this")?;
        writeln!(f, "machine is gone or the password is forgotten.\n")?;
        let words: Vec<&str> = self.words.expose().split(' ').collect();
        for (row, words) in words.chunks(COLUMNS).enumerate() {
            for (column, word) in words.iter().enumerate() {
                // No word of the list has more than eight letters.
                let width = if column + 1 == COLUMNS { 0 } else { 9 };
                write!(f, "  {:>2}. {word:<width$}", row * COLUMNS + column + 1)?;
            }
            writeln!(f)?;
        }
        writeln!(f, "\naddress  {}", self.address)?;
        writeln!(f, "file     {}\n", self.file)?;
        writeln!(f, "Next: be paid at that address; for a payment URI and a QR code: {}", self.next)
    }
}
