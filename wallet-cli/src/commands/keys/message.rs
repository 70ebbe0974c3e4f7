//! `wallet sign-message`, `wallet verify-message`: who has an address's key said this.

use crate::{
    cli::{SignMessageArguments, VerifyMessageArguments},
    error::Result,
    keys::message,
    output::Output,
    session::{Session, decode_address},
};
use cairn_host::{inert::Inert, shell::quoted};
use serde::Serialize;
use std::fmt;

#[derive(Serialize)]
struct Signed {
    address: String,
    message: String,
    signature: String,
    #[serde(skip)]
    next: String,
}

#[derive(Serialize)]
struct Verified {
    address: String,
    message: String,
    valid: bool,
}

pub(crate) fn sign(session: &Session<'_>, options: &SignMessageArguments, output: &mut Output<'_>) -> Result<()> {
    let network = session.network()?;
    let wallet = session.wallet(&network)?;
    let key = session.unlock(&network, &wallet)?;
    let mut aux = [0; 32];
    getrandom::fill(&mut aux)?;
    let signature = message::sign(&key, &options.message, &aux).to_string();
    let address = String::from(wallet.keystore.address());
    // What a terminal would not show as it is cannot be copied from one.
    let plain = Inert(&options.message).to_string() == options.message;
    let shown = if plain { quoted(&options.message) } else { String::from("TEXT") };
    let verify = session.hints.elsewhere(&format!("verify-message {address} {signature} {shown}"));
    let next = format!("whoever doubts it runs: {verify}");
    Ok(output.result(&Signed { address, message: options.message.clone(), signature, next })?)
}

pub(crate) fn verify(session: &Session<'_>, options: &VerifyMessageArguments, output: &mut Output<'_>) -> Result<()> {
    let network = session.network()?;
    let address = decode_address(&network, &options.address)?;
    message::verify(&address, &options.message, &options.signature)?;
    Ok(output.result(&Verified { address: options.address.clone(), message: options.message.clone(), valid: true })?)
}

impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "address    {}", self.address)?;
        writeln!(f, "message    {}", Inert(&self.message))?;
        writeln!(f, "signature  {}\n", self.signature)?;
        writeln!(f, "Next: {}", self.next)
    }
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Valid: {} signed {}", self.address, Inert(&self.message))
    }
}
