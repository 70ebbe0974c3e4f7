//! `wallet sign-message`, `wallet verify-message`: who has an address's key said this.

use crate::{Output, Result, Session, keys::message, random, session::decode_address};
use cairn_host::{Inert, quoted};
use serde_json::json;

pub(crate) fn sign(session: &Session<'_>, text: &str, output: &mut Output<'_>) -> Result<()> {
    let wallet = session.wallet()?;
    let key = wallet.unlock()?;
    let signature = message::sign(&key, text, &random()?).to_string();
    let address = String::from(wallet.keystore.address());
    // What a terminal would not show as it is cannot be copied from one.
    let inert = Inert(text).to_string();
    let shown = if inert == text { quoted(text) } else { String::from("TEXT") };
    let verify = session.hints.elsewhere(&format!("verify-message {address} {signature} {shown}"));
    let lines = format!("address    {address}\nmessage    {inert}\nsignature  {signature}\n");
    let signed = json!({ "address": address, "message": text, "signature": signature });
    Ok(output.result(&signed, format_args!("{lines}\nNext: whoever doubts it runs: {verify}\n"))?)
}

pub(crate) fn verify(
    session: &Session<'_>,
    address: &str,
    signature: &str,
    text: &str,
    output: &mut Output<'_>,
) -> Result<()> {
    message::verify(&decode_address(session.network()?, address)?, text, signature)?;
    let verified = json!({ "address": address, "message": text, "valid": true });
    Ok(output.result(&verified, format_args!("Valid: {address} signed {}\n", Inert(text)))?)
}
