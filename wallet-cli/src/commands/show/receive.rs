//! `wallet receive`: the address, a payment URI to send to whoever pays, and its QR code; then, if wanted, proof
//! that it was paid.

use crate::{
    cli::ReceiveArguments,
    commands::basis::{Basis, complain, warn_of_trust},
    error::{Result, WalletError},
    node::verify::{report::Report, source::Source},
    output::Output,
    payment::uri::PaymentUri,
    session::{Session, Wallet},
};
use cairn_genesis::Network;
use cairn_ledger::units::Amount;
use cairn_rpc::text::Pebbles;
use qrcode::{EcLevel, QrCode, render::unicode::Dense1x2};
use serde::Serialize;
use std::{
    fmt,
    time::{Duration, Instant},
};

/// Between two looks at what has come.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Serialize)]
struct Receive<'a> {
    name: &'a str,
    chain: &'a str,
    address: &'a str,
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

/// What the address has at the tip.
struct TipBalance {
    balance: Amount,
    height: u64,
    /// Whether this wallet has proven no chain with more work: what is missing on an older one is no news when it
    /// comes.
    newest: bool,
    proof: Option<Report>,
}

pub(crate) async fn run(session: &Session<'_>, options: &ReceiveArguments, output: &mut Output<'_>) -> Result<()> {
    let network = session.network()?;
    let wallet = session.wallet(&network)?;
    // Before anybody can pay.
    let before = if options.wait { Some(look(session, &network, &wallet).await?) } else { None };
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
        name: session.options.wallet.as_str(),
        chain: wallet.keystore.chain(),
        address: wallet.keystore.address(),
        amount: options.amount.map(Pebbles),
        code: code(&text),
        uri: text,
        received: None,
        next: session.hints.here("send ADDRESS AMOUNT --wait"),
    };
    if let Some(before) = before {
        if session.options.trust_node {
            warn_of_trust(output)?;
        }
        output.note(&shown)?;
        let received = arrival(session, &network, &wallet, before, options).await?;
        complain(received.proof.as_ref(), output)?;
        shown.received = Some(received);
    }
    Ok(output.result(&shown)?)
}

/// What the address has now: proven, or as the node says.
async fn look(session: &Session<'_>, network: &Network, wallet: &Wallet) -> Result<TipBalance> {
    let mut source = Source::open(&session.nodes, network).await?;
    let sender = *source.sender(&wallet.address, wallet.keystore.address()).await?.sender.get();
    Ok(TipBalance { balance: sender.balance, height: sender.height, newest: sender.newest, proof: source.report() })
}

/// Waits until the balance has grown by the amount that was asked for; by anything when none was. It is reckoned from
/// the first look at a chain that is not behind what this wallet has proven: a node that first shows an older chain,
/// and then the one that was known, reports nobody's old money as new.
async fn arrival(
    session: &Session<'_>,
    network: &Network,
    wallet: &Wallet,
    before: TipBalance,
    options: &ReceiveArguments,
) -> Result<Arrival> {
    let began = Instant::now();
    let mut before = before.newest.then_some(before.balance);
    loop {
        tokio::time::sleep(PAUSE).await;
        session.nodes.renew_time();
        let seen = look(session, network, wallet).await?;
        if seen.newest && before.is_none() {
            before = Some(seen.balance);
        }
        let came = before.and_then(|before| seen.balance.checked_sub(before)).unwrap_or(Amount::ZERO);
        if seen.newest && came > Amount::ZERO && came >= options.amount.unwrap_or(Amount::ZERO) {
            return Ok(Arrival { amount: Pebbles(came), height: seen.height, proof: seen.proof });
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

impl fmt::Display for Receive<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Arrival { amount: Pebbles(amount), height, proof }) = &self.received {
            writeln!(f, "received {amount} CRN at block {height}, {}", Basis(proof.as_ref()))?;
            writeln!(f, "\nThe last blocks may still be replaced. Pay on with {}", self.next)?;
            return Ok(());
        }
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
