//! `wallet address`: where to be paid.

use crate::{error::Result, output::Output, session::Session};
use serde::Serialize;
use std::fmt;

#[derive(Serialize)]
struct AddressJson<'a> {
    name: &'a str,
    chain: &'a str,
    address: &'a str,
}

pub(crate) fn run(session: &Session<'_>, output: &mut Output<'_>) -> Result<()> {
    let wallet = session.wallet(&session.network()?)?;
    Ok(output.result(&AddressJson {
        name: session.options.wallet.as_str(),
        chain: wallet.keystore.chain(),
        address: wallet.keystore.address(),
    })?)
}

impl fmt::Display for AddressJson<'_> {
    /// The address alone, for scripts and clipboards.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.address)
    }
}
