//! `wallet receive`: the address, a payment URI to send to whoever pays, and its QR code; then, if wanted, proof
//! that it was paid. `wallet address`: the address alone.

use crate::commands::{Basis, complain, warn_of_trust};
use crate::node::{Report, Sender, Source};
use crate::session::{Wallet, WalletHead};
use crate::{Output, Result, Session, WalletError, cli::ReceiveArguments, payment::PaymentUri};
use cairn_ledger::Amount;
use cairn_rpc::Pebbles;
use qrcode::{EcLevel, QrCode, render::unicode::Dense1x2};
use serde::Serialize;
use std::fmt;
use std::time::{Duration, Instant};

/// Between two looks at what has come.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Serialize)]
struct Receive {
    #[serde(flatten)]
    wallet: WalletHead,
    amount: Option<Pebbles>,
    uri: String,
    /// What came while the wallet waited; null when it did not.
    received: Option<Arrival>,
    #[serde(skip)]
    code: Option<String>,
    #[serde(skip)]
    next: String,
}

/// What came, at the tip.
#[derive(Serialize)]
struct Arrival {
    amount: Pebbles,
    height: u64,
    /// What stands behind it; null with `--trust-node`.
    proof: Option<Report>,
}

/// The address alone, for scripts and clipboards.
pub(crate) fn address(session: &Session<'_>, output: &mut Output<'_>) -> Result<()> {
    let head = session.head(&session.wallet()?.keystore);
    Ok(output.result(&head, format_args!("{}\n", head.address))?)
}

pub(crate) async fn receive(session: &Session<'_>, options: &ReceiveArguments, output: &mut Output<'_>) -> Result<()> {
    let wallet = session.wallet()?;
    // Before anybody can pay.
    let before = if options.wait { Some(look(session, &wallet).await?.0) } else { None };
    let uri = PaymentUri {
        address: String::from(wallet.keystore.address()),
        amount: options.amount,
        memo: options.memo.clone(),
        label: options.label.clone(),
    };
    let text = uri.to_string();
    // What others could not read is not given out.
    PaymentUri::parse(&text)?;
    let mut shown = Receive {
        wallet: session.head(&wallet.keystore),
        amount: options.amount.map(Pebbles),
        code: code(&text),
        uri: text,
        received: None,
        next: session.hints.here("send ADDRESS AMOUNT --wait"),
    };
    if let Some(before) = before {
        warn_of_trust(session, output)?;
        output.note(&shown)?;
        let received = arrival(session, &wallet, before, options).await?;
        complain(received.proof.as_ref(), output)?;
        shown.received = Some(received);
    }
    Ok(output.result(&shown, &shown)?)
}

/// What the address has now: proven, or as the node says.
async fn look(session: &Session<'_>, wallet: &Wallet<'_>) -> Result<(Sender, Option<Report>)> {
    let mut source = Source::open(&session.nodes, wallet.network).await?;
    let seen = source.sender(&wallet.address, wallet.keystore.address()).await?;
    Ok((*seen.sender.get(), source.report()))
}

/// Waits until the balance has grown by the amount that was asked for; by anything when none was. It is reckoned from
/// the first look at a chain that is not behind what this wallet has proven: what is missing on an older one is no news
/// when it comes, so a node that first shows an older chain, and then the one that was known, reports nobody's old
/// money as new.
async fn arrival(
    session: &Session<'_>,
    wallet: &Wallet<'_>,
    before: Sender,
    options: &ReceiveArguments,
) -> Result<Arrival> {
    let began = Instant::now();
    let mut before = before.newest.then_some(before.balance);
    loop {
        tokio::time::sleep(PAUSE).await;
        session.nodes.renew_time();
        let (seen, proof) = look(session, wallet).await?;
        if seen.newest && before.is_none() {
            before = Some(seen.balance);
        }
        let came = before.and_then(|before| seen.balance.checked_sub(before)).unwrap_or(Amount::ZERO);
        if seen.newest && came > Amount::ZERO && came >= options.amount.unwrap_or(Amount::ZERO) {
            return Ok(Arrival { amount: Pebbles(came), height: seen.height, proof });
        }
        if began.elapsed() >= Duration::from_secs(options.timeout) {
            return Err(WalletError::NotReceived { came, seconds: options.timeout });
        }
    }
}

/// Two rows of squares in a line of text. Terminals mostly are dark: there the code's light squares, its margin
/// included, have to be drawn, for scanners want dark on light. The longest URIs do not fit in a code: then the
/// text has to do.
fn code(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    Some(code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build())
}

impl fmt::Display for Receive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Arrival { amount: Pebbles(amount), height, proof }) = &self.received {
            writeln!(f, "received {amount} CRN at block {height}, {}", Basis(proof.as_ref()))?;
            return writeln!(f, "\nThe last blocks may still be replaced. Pay on with {}", self.next);
        }
        writeln!(f, "address  {}", self.wallet.address)?;
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
