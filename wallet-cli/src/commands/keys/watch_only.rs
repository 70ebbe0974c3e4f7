//! `wallet watch-only`: a wallet without a key.

use crate::{
    cli::WatchOnlyArguments,
    error::Result,
    keys::keystore::Keystore,
    output::Output,
    session::{Session, decode_address},
};
use serde::Serialize;
use std::fmt;

#[derive(Serialize)]
struct Watching {
    name: String,
    chain: String,
    address: String,
    file: String,
    #[serde(skip)]
    next: String,
}

/// A wallet without a key: for the machine that is on the network, while the key is elsewhere.
pub(crate) fn run(session: &Session<'_>, options: &WatchOnlyArguments, output: &mut Output<'_>) -> Result<()> {
    session.check_absent()?;
    let network = session.network()?;
    let address = decode_address(&network, &options.address)?;
    let keystore = Keystore::without_words(&network, &address, None);
    let path = session.write_new_wallet(&keystore)?;
    Ok(output.result(&Watching {
        name: session.name.to_string(),
        chain: String::from(keystore.chain()),
        address: String::from(keystore.address()),
        file: path.display().to_string(),
        next: session.hints.here("balance"),
    })?)
}

impl fmt::Display for Watching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "The wallet {} watches an address on the network {} and has no key.\n", self.name, self.chain)?;
        writeln!(f, "address  {}\nfile     {}\n", self.address, self.file)?;
        writeln!(f, "Next: {}", self.next)
    }
}
