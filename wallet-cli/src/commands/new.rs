//! `wallet new`: fresh words, shown once.

use super::accounts::derive;
use crate::{
    cli::KdfArguments,
    error::WalletError,
    keystore::WalletSecret,
    output::Output,
    run::Session,
    secret::Secret,
    words::{NEW_ENTROPY_BYTES, Words},
};
use cairn_ledger::hash::BlockId;
use cairn_rpc::text::Text;
use serde::{Serialize, Serializer};
use std::fmt;
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

pub(crate) fn run(session: &Session<'_>, options: KdfArguments, output: &mut Output<'_>) -> Result<(), WalletError> {
    session.check_absent()?;
    let network = session.network()?;
    let mut entropy = Zeroizing::new([0; NEW_ENTROPY_BYTES]);
    getrandom::fill(entropy.as_mut())?;
    let secret = WalletSecret { words: Words::from_entropy(entropy.as_ref())?, account: 0 };
    let wallet =
        session.create_wallet(&network, (&secret, vec![derive(&network, &secret.words, 0)?]), options.cost())?;
    output.result(&Created {
        name: session.options.wallet.as_str(),
        chain: wallet.keystore.chain(),
        genesis_id: Text(wallet.keystore.genesis_id()),
        address: wallet.keystore.address(),
        account: secret.account,
        file: wallet.path.display().to_string(),
        words: secret.words.phrase(),
        next: session.options.hint("receive"),
    })?;
    Ok(())
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
