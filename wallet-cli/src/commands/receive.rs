//! `wallet receive`: the address, a payment URI to send to whoever pays, and its QR code.

use crate::{cli::ReceiveArguments, error::WalletError, output::Output, run::Session, uri::PaymentUri};
use cairn_rpc::text::Pebbles;
use qrcode::{EcLevel, QrCode, render::unicode::Dense1x2};
use serde::Serialize;
use std::fmt;

#[derive(Serialize)]
struct Receive<'a> {
    name: &'a str,
    chain: &'a str,
    address: &'a str,
    amount: Option<Pebbles>,
    uri: String,
    #[serde(skip)]
    code: Option<String>,
    #[serde(skip)]
    next: String,
}

pub(crate) fn run(
    session: &Session<'_>,
    options: &ReceiveArguments,
    output: &mut Output<'_>,
) -> Result<(), WalletError> {
    let wallet = session.wallet(&session.network()?)?;
    let uri = PaymentUri {
        address: String::from(wallet.keystore.address()),
        amount: options.amount,
        memo: options.memo.clone(),
        label: options.label.clone(),
    };
    let text = uri.to_string();
    // What others could not read is not given out.
    PaymentUri::parse(&text)?;
    output.result(&Receive {
        name: session.options.wallet.as_str(),
        chain: wallet.keystore.chain(),
        address: wallet.keystore.address(),
        amount: options.amount.map(Pebbles),
        code: code(&text),
        uri: text,
        next: session.options.hint("send ADDRESS AMOUNT --wait"),
    })?;
    Ok(())
}

/// Two rows of squares in a line of text. Terminals mostly are dark: there the code's light squares, its margin
/// included, have to be drawn, for scanners want dark on light. The longest URIs do not fit in a code: then the
/// text has to do.
fn code(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    Some(code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build())
}

impl fmt::Display for Receive<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "address  {}", self.address)?;
        if let Some(Pebbles(amount)) = self.amount {
            writeln!(f, "amount   {amount} CRN")?;
        }
        writeln!(f, "uri      {}\n", self.uri)?;
        if let Some(code) = &self.code {
            writeln!(f, "{code}\n")?;
        }
        writeln!(f, "Next: give the address or the URI to whoever pays; once paid, pay on with {}", self.next)
    }
}
