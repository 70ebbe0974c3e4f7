//! `wallet send --unsigned`, `wallet sign`, `wallet broadcast`: the key on a machine that is on no network,
//! the payment carried to it and back as a file.

use crate::{
    cli::{BroadcastArguments, SendArguments, SignArguments},
    clock::now,
    commands::user_file::write_new,
    error::{Result, WalletError},
    output::Output,
    payment::{
        error::PaymentError,
        file::PaymentFile,
        flow::new_accounts,
        journal::{Journal, Payment},
        payer::{Again, Payer, check_locally},
        plan::{self, Request},
        state::{KnownPayment, Outcome},
    },
    session::{Session, Wallet},
};
use cairn_genesis::Network;
use cairn_host::{files::InFile, inert::Inert, shell::quoted};
use cairn_ledger::{
    transaction::{MIN_TRANSACTION_BYTES, OUTPUT_BYTES, TransactionBody},
    units::Amount,
};
use cairn_rpc::text::Pebbles;
use cairn_shared_keys::{SESSION_ID_BYTES, SigningSession};
use serde::Serialize;
use std::{
    fmt,
    path::{Path, PathBuf},
};

/// A payment in a file.
#[derive(Serialize)]
pub(crate) struct Written {
    pub file: String,
    pub from: String,
    pub amount: Pebbles,
    pub fee: Pebbles,
    pub max_price: Pebbles,
    pub signed: bool,
    #[serde(skip)]
    pub next: String,
}

/// Writes what would be signed. The wallet needs no key for it: one that only watches will do.
pub(crate) async fn write_unsigned(
    payer: &mut Payer<'_>,
    wallet: &Wallet,
    request: &Request,
    options: &SendArguments,
    path: &Path,
    output: &mut Output<'_>,
) -> Result<()> {
    let (body, _, _) = payer.unsigned(request, Again::of(options.again), options.yes, output).await?;
    let mut file = PaymentFile::unsigned(&body, payer.account.network);
    if let Some(part) = wallet.keystore.shared() {
        let mut id = [0; SESSION_ID_BYTES];
        getrandom::fill(&mut id)?;
        file.session = Some(SigningSession::new(id, part.group.clone()));
    }
    write_new(path, file.to_json().as_bytes())?;
    let shown = quoted(&path.display().to_string());
    let next = match &file.session {
        Some(_) => {
            let cosign = payer.account.hints.here(&format!("cosign {shown}"));
            format!("each member runs {cosign} in turn, and hands the file on")
        }
        None => {
            let sign = payer.account.hints.elsewhere(&format!("sign {shown}"));
            format!("carry {shown} to the machine with the key, and run there: {sign}")
        }
    };
    Ok(output.result(&written(&file, &body, path, next))?)
}

pub(crate) fn sign(session: &Session<'_>, options: &SignArguments, output: &mut Output<'_>) -> Result<()> {
    let network = session.network()?;
    let wallet = session.wallet(&network)?;
    let (file, body) = read(&options.file, &network)?;
    if file.session.is_some() {
        return Err(WalletError::SharedPayment { path: options.file.clone() });
    }
    if body.sender != wallet.address {
        let (got, expected) = (file.from.clone(), String::from(wallet.keystore.address()));
        return Err(WalletError::NotTheSender { got: Inert(&got).to_string(), expected });
    }
    show(&file, output)?;
    if !options.yes && output.can_ask() && !output.ask("Sign this? [y/N] ")? {
        return Err(PaymentError::Declined.into());
    }
    let key = session.unlock(&network, &wallet)?;
    let mut aux = [0; 32];
    getrandom::fill(&mut aux)?;
    let transaction = plan::sign(body.clone(), &key, &network, &aux)?;
    let signed = file.signed(&transaction.signature);
    let path = options.out.clone().unwrap_or_else(|| with_signed(&options.file));
    write_new(&path, signed.to_json().as_bytes())?;
    let shown = quoted(&path.display().to_string());
    let broadcast = session.hints.elsewhere(&format!("broadcast {shown}"));
    let next = format!("carry {shown} to a machine with a node, and run there: {broadcast}");
    Ok(output.result(&written(&signed, &body, &path, next))?)
}

pub(crate) async fn broadcast(
    session: &Session<'_>,
    options: &BroadcastArguments,
    output: &mut Output<'_>,
) -> Result<()> {
    let network = session.network()?;
    let (file, body) = read(&options.file, &network)?;
    let transaction = file.transaction(body, &network).map_err(InFile::at(&options.file))?;
    let txid = transaction.id();
    // Any wallet may carry it to a node; the journal it is written into is the chosen wallet's.
    let sender = transaction.body.sender;
    let account = session.paying_from(&network, sender, &network.spec.params().prefix.encode(&sender));
    let mut payer = Payer::open(account, output).await?;
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
            output.result(&sent)?;
            return Ok(());
        }
        Outcome::Impossible(why) => return Err(PaymentError::Never { txid, why }.into()),
        Outcome::Open(_) => check_locally(&transaction.body, seen.sender.get())?,
    }
    let mut journal = Journal::open(&payer.account.journal)?;
    let sent = payer.record_and_broadcast(&transaction, &mut journal).await?;
    drop(journal);
    payer.report(sent, options.wait.wait, options.wait.limit(), output).await?;
    Ok(())
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
    let dear = rate > plan::MAX_AUTOMATIC_FEE_RATE || file.fee.0.pebbles() > plan::DEFAULT_MAX_FEE;
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

pub(crate) fn written(file: &PaymentFile, body: &TransactionBody, path: &Path, next: String) -> Written {
    let amount = body.total().saturating_sub(body.fee.pebbles());
    Written {
        file: path.display().to_string(),
        from: file.from.clone(),
        amount: Pebbles(Amount::from_pebbles(amount).unwrap_or(Amount::MAX)),
        fee: file.fee,
        max_price: file.max_price,
        signed: file.is_signed(),
        next,
    }
}

/// `pay.json` → `pay.signed.json`.
pub(crate) fn with_signed(path: &Path) -> PathBuf {
    path.with_extension(match path.extension() {
        Some(extension) => format!("signed.{}", extension.to_string_lossy()),
        None => String::from("signed"),
    })
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.signed { "signed" } else { "unsigned" };
        let accounts = new_accounts(self.max_price.0);
        writeln!(f, "Wrote the {state} payment of {} CRN, fee {} CRN{accounts}.\n", self.amount.0, self.fee.0)?;
        writeln!(f, "file  {}\n", self.file)?;
        writeln!(f, "Next: {}", self.next)
    }
}
