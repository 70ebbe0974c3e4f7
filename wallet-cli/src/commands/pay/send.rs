//! `wallet send`: to an address, by its own name or by its label, to a payment URI, or to every receiver of a CSV file.

use crate::{
    cli::{HowMuch, SendArguments},
    error::{Result, WalletError},
    output::Output,
    payment::{
        payer::{Again, Payer},
        plan::{self, Request},
        recipients::{self, MAX_CSV_BYTES},
        uri::{PaymentUri, SCHEME},
    },
    session::{Session, decode_address},
    store::labels::Labels,
};
use cairn_genesis::Network;
use cairn_host::{
    files::{self, FileError, InFile},
    inert::Inert,
};
use cairn_ledger::{transaction, units::Amount};

pub(crate) async fn run(session: &Session<'_>, options: &SendArguments, output: &mut Output<'_>) -> Result<()> {
    let network = session.network()?;
    let wallet = session.wallet(&network)?;
    if options.unsigned.is_none() {
        wallet.check_has_key()?;
    }
    let mut request = request(&network, options, &session.labels()?, output)?;
    let mut payer = Payer::open(session.paying(&network, &wallet), output).await?;
    let again = Again::of(options.again);
    if let (Some(HowMuch::All), [only]) = (options.amount, request.outputs.as_slice()) {
        // From here on it is one amount, the one that its owner is shown: what comes in meanwhile stays.
        let (to, amount) = (only.to, payer.max_amount(&request).await?);
        request.outputs = vec![transaction::Output { to, amount }];
    }
    if let Some(path) = &options.unsigned {
        return crate::commands::pay::offline::write_unsigned(&mut payer, &wallet, &request, options, path, output)
            .await;
    }
    let again = payer.propose(&request, again, options.yes, output).await?;
    let key = session.unlock(&network, &wallet)?;
    let sent = payer.pay(&request, again, &key).await?;
    payer.report(sent, options.wait.wait, options.wait.limit(), output).await?;
    Ok(())
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
        (None, Some(to)) if to.starts_with(SCHEME) => {
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
    let (max_fee, valid_for) = (options.max_fee, options.valid_for.blocks);
    Ok(Request { outputs, fee, max_fee, memo, valid_for, nonce: None })
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
