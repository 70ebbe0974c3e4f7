//! `wallet send --unsigned`, `wallet sign`, `wallet broadcast`: the key on a machine that is on no network,
//! the payment carried to it and back as a file.

use crate::payment::{
    DEFAULT_MAX_FEE, Journal, KnownPayment, MAX_AUTOMATIC_FEE_RATE, Outcome, Payer, Payment, PaymentError, PaymentFile,
    Request, WaitArguments, agree, check_locally, new_accounts, plan,
};
use crate::{Output, Result, Session, WalletError, clock::now, commands::write_new, random, session::Wallet};
use cairn_genesis::Network;
use cairn_host::{InFile, Inert, quoted};
use cairn_ledger::transaction::{MIN_TRANSACTION_BYTES, OUTPUT_BYTES};
use cairn_ledger::{Amount, TransactionBody};
use cairn_rpc::Pebbles;
use cairn_shared_keys::SigningSession;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// A payment in a file.
#[derive(Serialize)]
struct Written {
    file: String,
    from: String,
    amount: Pebbles,
    fee: Pebbles,
    max_price: Pebbles,
    signed: bool,
}

/// Writes what would be signed. The wallet needs no key for it: one that only watches will do.
pub(crate) async fn write_unsigned(
    payer: &mut Payer<'_>,
    wallet: &Wallet<'_>,
    mut request: Request,
    yes: bool,
    path: &Path,
    output: &mut Output<'_>,
) -> Result<()> {
    let (body, _) = payer.unsigned(&mut request, yes, output).await?;
    let mut file = PaymentFile::unsigned(&body, payer.network);
    if let Some(part) = wallet.keystore.shared() {
        file.session = Some(SigningSession::new(random()?, part.group.clone()));
    }
    write_new(path, file.to_json().as_bytes())?;
    let shown = quoted(&path.display().to_string());
    let next = if file.session.is_some() {
        let cosign = payer.hints.here(&format!("cosign {shown}"));
        format!("each member runs {cosign} in turn, and hands the file on")
    } else {
        let sign = payer.hints.elsewhere(&format!("sign {shown}"));
        format!("carry {shown} to the machine with the key, and run there: {sign}")
    };
    tell(&file, &body, path, &next, output)
}

pub(crate) fn sign(
    session: &Session<'_>,
    path: &Path,
    out: Option<&Path>,
    yes: bool,
    output: &mut Output<'_>,
) -> Result<()> {
    let wallet = session.wallet()?;
    let (file, body) = read(path, wallet.network)?;
    if file.session.is_some() {
        return Err(WalletError::SharedPayment { path: path.to_path_buf() });
    }
    if body.sender != wallet.address {
        let (got, expected) = (file.from.clone(), String::from(wallet.keystore.address()));
        return Err(WalletError::NotTheSender { got: Inert(&got).to_string(), expected });
    }
    show(&file, output)?;
    agree("Sign this? [y/N] ", yes, output)?;
    let key = wallet.unlock()?;
    let transaction = plan::sign(body.clone(), &key, wallet.network, &random()?)?;
    let signed = file.signed(&transaction.signature);
    let path = out.map_or_else(|| with_signed(path), Path::to_path_buf);
    write_new(&path, signed.to_json().as_bytes())?;
    let shown = quoted(&path.display().to_string());
    let broadcast = session.hints.elsewhere(&format!("broadcast {shown}"));
    let next = format!("carry {shown} to a machine with a node, and run there: {broadcast}");
    tell(&signed, &body, &path, &next, output)
}

pub(crate) async fn broadcast(
    session: &Session<'_>,
    path: &Path,
    wait: WaitArguments,
    output: &mut Output<'_>,
) -> Result<()> {
    let network = session.network()?;
    let (file, body) = read(path, network)?;
    let transaction = file.transaction(body, network).map_err(InFile::at(path))?;
    let txid = transaction.id();
    // Any wallet may carry it to a node; the journal it is written into is the chosen wallet's.
    let sender = transaction.body.sender;
    let mut payer = session.payer_from(network, sender, output).await?;
    let seen = payer.sender().await?;
    let contents = payer.contents()?;
    let payment = Payment::new(now(), &transaction, &network.spec.params().prefix);
    let known = KnownPayment::new(&payment, &transaction, &contents);
    let (outcome, found) = payer.outcome(&known, seen.sender, &contents).await?;
    match outcome {
        // Sent before, by whomever: that it is paid is what there is to say.
        Outcome::Mined(_) => {
            let mut sent = payer.sent(payment, &transaction, &contents, Vec::new())?;
            sent.update(&found.status(txid), payer.source.is_proven());
            return Ok(output.result(&sent, &sent)?);
        }
        Outcome::Impossible(why) => return Err(PaymentError::Never { txid, why }.into()),
        Outcome::Open(_) => check_locally(&transaction.body, seen.sender.get())?,
    }
    let mut journal = Journal::open(&payer.journal)?;
    let sent = payer.record_and_broadcast(&transaction, &mut journal).await?;
    drop(journal);
    payer.report(sent, wait, output).await
}

/// Reads a payment, naming the file when it is of no use.
pub(crate) fn read(path: &Path, network: &Network) -> Result<(PaymentFile, TransactionBody)> {
    Ok(PaymentFile::read(path, network).map_err(InFile::at(path))?)
}

/// What is about to be signed, for its owner to read.
pub(crate) fn show(file: &PaymentFile, output: &mut Output<'_>) -> Result<()> {
    for paid in &file.outputs {
        output.note(format_args!("pay          {} CRN", paid.amount.0))?;
        output.note(format_args!("to           {}", Inert(&paid.to)))?;
    }
    output.note(format_args!("from         {}", Inert(&file.from)))?;
    let bytes = MIN_TRANSACTION_BYTES + OUTPUT_BYTES * file.outputs.len().saturating_sub(1) + file.memo.len();
    let rate = file.fee.0.pebbles() / bytes.max(1) as u64;
    output.note(format_args!("fee          {} CRN, {rate} pebbles for each of its {bytes} bytes", file.fee.0))?;
    let dear = rate > MAX_AUTOMATIC_FEE_RATE || file.fee.0.pebbles() > DEFAULT_MAX_FEE;
    if dear {
        output.warn("the fee is far above what payments need: whoever made this file may mean you to lose it")?;
    }
    let place = file.nonce.0;
    output.note(format_args!("nonce        {place}: it is mined after the sender's {place} earlier payments"))?;
    if file.max_price.0 > Amount::ZERO {
        output.note(format_args!("new accounts at most {} CRN on top, burned", file.max_price.0))?;
    }
    match file.valid_until {
        0 => output.note("last block   none: it may be mined at any time, for ever")?,
        last => output.note(format_args!("last block   {last}: after that it can never be mined"))?,
    }
    if !file.memo.is_empty() {
        output.note(format_args!("memo         {}", Inert(&file.memo)))?;
    }
    output.note("")?;
    Ok(())
}

/// Says which file was written, and what to do with it.
pub(crate) fn tell(
    file: &PaymentFile,
    body: &TransactionBody,
    path: &Path,
    next: &str,
    output: &mut Output<'_>,
) -> Result<()> {
    let amount = body.total().saturating_sub(body.fee.pebbles());
    let written = Written {
        file: path.display().to_string(),
        from: file.from.clone(),
        amount: Pebbles(Amount::from_pebbles(amount).unwrap_or(Amount::MAX)),
        fee: file.fee,
        max_price: file.max_price,
        signed: file.is_signed(),
    };
    let state = if written.signed { "signed" } else { "unsigned" };
    let (Pebbles(amount), Pebbles(fee), accounts) = (written.amount, file.fee, new_accounts(file.max_price.0));
    let paid = format_args!("Wrote the {state} payment of {amount} CRN, fee {fee} CRN{accounts}.");
    let text = format!("{paid}\n\nfile  {}\n\nNext: {next}\n", written.file);
    Ok(output.result(&written, text)?)
}

/// `pay.json` → `pay.signed.json`.
pub(crate) fn with_signed(path: &Path) -> PathBuf {
    path.with_extension(match path.extension() {
        Some(extension) => format!("signed.{}", extension.to_string_lossy()),
        None => String::from("signed"),
    })
}
