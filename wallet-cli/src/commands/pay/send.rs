//! `wallet send`: to an address, by its own name or by its label, to a payment URI, or to every receiver of a CSV file.
//! `wallet bump`, `wallet cancel`: another payment with the same nonce, so that at most one of the two is ever mined.

use super::offline;
use crate::cli::{HowMuch, ReplaceArguments, SendArguments};
use crate::payment::{
    Again, Fee, MAX_CSV_BYTES, Outcome, Payer, PaymentError, PaymentUri, Request, URI_SCHEME, WaitArguments, plan,
    recipients,
};
use crate::session::{Wallet, decode_address};
use crate::{Output, Result, Session, WalletError, store::Labels};
use cairn_genesis::Network;
use cairn_host::{FileError, InFile, Inert, files};
use cairn_ledger::{Amount, transaction};

pub(crate) async fn send(session: &Session<'_>, options: &SendArguments, output: &mut Output<'_>) -> Result<()> {
    let wallet = session.wallet()?;
    if options.unsigned.is_none() {
        wallet.check_has_key()?;
    }
    let mut request = request(wallet.network, options, &session.labels()?, output)?;
    let mut payer = session.payer(&wallet, output).await?;
    if let (Some(HowMuch::All), [only]) = (options.amount, request.outputs.as_slice()) {
        // From here on it is one amount, the one that its owner is shown: what comes in meanwhile stays.
        let (to, amount) = (only.to, payer.max_amount(&request).await?);
        request.outputs = vec![transaction::Output { to, amount }];
    }
    let yes = options.yes;
    match &options.unsigned {
        Some(path) => offline::write_unsigned(&mut payer, &wallet, request, yes, path, output).await,
        None => pay(&wallet, &mut payer, request, yes, options.wait, output).await,
    }
}

pub(crate) async fn replace(
    session: &Session<'_>,
    options: &ReplaceArguments,
    cancel: bool,
    output: &mut Output<'_>,
) -> Result<()> {
    let wallet = session.wallet()?;
    let mut payer = session.payer(&wallet, output).await?;
    wallet.check_has_key()?;
    let txid = options.txid;
    let (known, old, contents) = payer.known(&txid)?;
    let seen = payer.sender().await?;
    let next = seen.sender.get().nonce;
    match payer.outcome(&known, seen.sender, &contents).await?.0 {
        Outcome::Mined(_) => return Err(WalletError::AlreadyMined { txid }),
        Outcome::Impossible(why) => return Err(PaymentError::Never { txid, why }.into()),
        Outcome::Open(_) if known.nonce < next => {
            return Err(PaymentError::NonceUsed { nonce: known.nonce, next }.into());
        }
        Outcome::Open(_) => {}
    }
    let rate = *payer.source.min_fee_rate().await?.get();
    let fee = Fee::chosen(options.fee, options.fee_rate);
    let request = Request {
        max_fee: options.max_fee,
        valid_for: options.valid_for,
        // What goes to oneself pays nobody twice.
        again: if cancel { Again::Any } else { options.again.into() },
        ..plan::replacement(&old, cancel, fee, rate)?
    };
    pay(&wallet, &mut payer, request, options.yes, options.wait, output).await
}

/// What its owner agrees to is signed, leaves, and is followed as far as is wanted.
async fn pay(
    wallet: &Wallet<'_>,
    payer: &mut Payer<'_>,
    mut request: Request,
    yes: bool,
    wait: WaitArguments,
    output: &mut Output<'_>,
) -> Result<()> {
    payer.propose(&mut request, yes, output).await?;
    let key = wallet.unlock()?;
    let sent = payer.pay(&request, &key).await?;
    payer.report(sent, wait, output).await
}

/// What is asked for, from wherever it stands.
fn request(network: &Network, options: &SendArguments, labels: &Labels, output: &mut Output<'_>) -> Result<Request> {
    let mut memo = options.memo.clone();
    let outputs = match (&options.csv, &options.to) {
        (Some(path), _) => {
            let bytes = files::read_bounded(path, MAX_CSV_BYTES).map_err(FileError::cannot("read", path))?;
            let parsed = recipients::parse(&bytes, &network.spec.params().prefix);
            parsed.map_err(InFile::at(path))?
        }
        (None, Some(to)) if to.starts_with(URI_SCHEME) => {
            let uri = PaymentUri::parse(to)?;
            let amount = agree("amount", uri.amount.map(HowMuch::Exactly), options.amount)?;
            memo = agree("memo", uri.memo, (!memo.is_empty()).then_some(memo))?.unwrap_or_default();
            if let (Some(label), None) = (&uri.label, labels.address(&uri.address)) {
                output.note(format_args!("The receiver calls itself {}.", Inert(label)))?;
            }
            vec![one(network, &uri.address, amount)?]
        }
        (None, to) => {
            let to = by_label(network, to.as_deref().unwrap_or_default(), labels, output)?;
            vec![one(network, &to, options.amount)?]
        }
    };
    let fee = match options.fee_rate {
        Some(rate) => Some(plan::fee_at(rate, outputs.len(), memo.len())?),
        None => options.fee,
    };
    let (max_fee, valid_for, again) = (options.max_fee, options.valid_for, options.again.into());
    Ok(Request { outputs, fee, max_fee, memo, valid_for, nonce: None, again })
}

/// The address that is meant: an address itself, before any label that looks like one, or the only one that is called
/// so.
fn by_label(network: &Network, text: &str, labels: &Labels, output: &mut Output<'_>) -> Result<String> {
    let prefix = &network.spec.params().prefix;
    let Err(error) = prefix.decode(text) else { return Ok(text.to_owned()) };
    let label = || Inert(&text.chars().take(80).collect::<String>()).to_string();
    let mut addresses: Vec<String> = labels.called(text).map(str::to_owned).collect();
    // Labels are kept for a name of a wallet, which may have been one of another network's.
    addresses.retain(|address| prefix.decode(address).is_ok());
    match addresses.as_slice() {
        [] => Err(WalletError::NoReceiver { label: label(), error: Box::new(error) }),
        [address] => {
            output.note(format_args!("{} is {address}.", label()))?;
            Ok(address.clone())
        }
        _ => Err(WalletError::AmbiguousLabel { label: label(), addresses }),
    }
}

/// What stands for everything until it is known how much that is.
const UNKNOWN: Amount = Amount::ZERO;

fn one(network: &Network, address: &str, amount: Option<HowMuch>) -> Result<transaction::Output> {
    let to = decode_address(network, address)?;
    let amount = match amount.ok_or(WalletError::NoAmount)? {
        HowMuch::Exactly(amount) => amount,
        HowMuch::All => UNKNOWN,
    };
    Ok(transaction::Output { to, amount })
}

/// A value that the URI and the command line may both give, if they give the same.
fn agree<T: PartialEq>(what: &'static str, uri: Option<T>, option: Option<T>) -> Result<Option<T>> {
    match (uri, option) {
        (Some(uri), Some(option)) if uri != option => Err(WalletError::Disagree { what }),
        (uri, option) => Ok(option.or(uri)),
    }
}
