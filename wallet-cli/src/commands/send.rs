//! `wallet send`: to an address, to a payment URI, or to every receiver of a CSV file.

use super::payer::{Again, Payer};
use crate::{
    cli::SendArguments,
    error::WalletError,
    files,
    labels::Labels,
    output::{Inert, Output},
    plan::Request,
    recipients::{self, MAX_CSV_BYTES},
    run::{Session, file_error},
    uri::{PaymentUri, SCHEME},
};
use cairn_genesis::Network;
use cairn_ledger::{transaction, units::Amount};

pub(crate) async fn run(
    session: &Session<'_>,
    options: &SendArguments,
    output: &mut Output<'_>,
) -> Result<(), WalletError> {
    let network = session.network()?;
    let wallet = session.wallet(&network)?;
    if options.unsigned.is_none() {
        wallet.keystore.check_has_key().map_err(wallet.failed())?;
    }
    let request = request(&network, options, &session.labels()?, output)?;
    let mut payer = Payer::open(session, &network, output).await?;
    let asked = (Again::of(options.again), options.yes);
    if let Some(path) = &options.unsigned {
        return super::offline::write_unsigned(&mut payer, &request, (asked, path), output).await;
    }
    let again = payer.propose(&request, asked, output).await?;
    let key = payer.unlock()?;
    let sent = payer.pay(&request, again, &key).await?;
    payer.tell(sent, (options.wait.wait, options.wait.timeout), output).await
}

/// What is asked for, from wherever it stands.
fn request(
    network: &Network,
    options: &SendArguments,
    labels: &Labels,
    output: &mut Output<'_>,
) -> Result<Request, WalletError> {
    let mut memo = options.memo.clone();
    let outputs = match (&options.csv, &options.to) {
        (Some(path), _) => {
            let bytes = files::read_bounded(path, MAX_CSV_BYTES).map_err(file_error("read", path))?;
            let parsed = recipients::parse(&bytes, &network.spec.params().prefix);
            parsed.map_err(|error| WalletError::Recipients { path: path.clone(), error })?
        }
        (None, Some(to)) if to.starts_with(SCHEME) => {
            let uri = PaymentUri::parse(to)?;
            let amount = agree("amount", uri.amount, options.amount)?;
            memo = agree("memo", uri.memo, (!memo.is_empty()).then_some(memo))?.unwrap_or_default();
            if let (Some(label), None) = (&uri.label, labels.address(&uri.address)) {
                output.note(format_args!("The receiver calls itself {}.", Inert(label)))?;
            }
            vec![one(network, &uri.address, amount)?]
        }
        (None, to) => vec![one(network, to.as_deref().unwrap_or_default(), options.amount)?],
    };
    let (fee, max_fee, valid_for) = (options.fee, options.max_fee, options.valid_for.blocks);
    Ok(Request { outputs, fee, max_fee, memo, valid_for, nonce: None })
}

fn one(network: &Network, address: &str, amount: Option<Amount>) -> Result<transaction::Output, WalletError> {
    let to = network.spec.params().prefix.decode(address);
    let to = to.map_err(|error| WalletError::Receiver(Box::new(error)))?;
    Ok(transaction::Output { to, amount: amount.ok_or(WalletError::NoAmount)? })
}

/// A value that the URI and the command line may both give, if they give the same.
fn agree<T: PartialEq>(what: &'static str, uri: Option<T>, given: Option<T>) -> Result<Option<T>, WalletError> {
    match (uri, given) {
        (Some(uri), Some(given)) if uri != given => Err(WalletError::Disagree { what }),
        (uri, given) => Ok(given.or(uri)),
    }
}
