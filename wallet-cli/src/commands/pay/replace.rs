//! `wallet bump` and `wallet cancel`: another payment with the same nonce, so that at most one of the two is
//! ever mined.

use crate::{
    cli::ReplaceArguments,
    error::WalletError,
    output::Output,
    payment::{
        diagnosis::LIFETIME_BLOCKS,
        payer::{Again, Payer},
        plan::{self, Fee},
        state::Outcome,
    },
    session::Session,
};

pub(crate) async fn run(
    session: &Session<'_>,
    options: &ReplaceArguments,
    cancel: bool,
    output: &mut Output<'_>,
) -> Result<(), WalletError> {
    let network = session.network()?;
    let mut payer = Payer::open(session, &network, output).await?;
    payer.wallet.keystore.check_has_key().map_err(payer.wallet.failed())?;
    let txid = options.txid;
    let (known, old, contents) = payer.known(&txid)?;
    let seen = payer.sender().await?;
    let (outcome, _) = payer.outcome(&known, seen.sender, &contents).await?;
    match outcome {
        Outcome::Mined(_) => return Err(WalletError::TooLateToReplace { txid }),
        Outcome::Impossible(why) => return Err(WalletError::Never { txid, why }),
        _ if known.nonce < seen.sender.get().nonce => {
            return Err(WalletError::NonceUsed { nonce: known.nonce, next: seen.sender.get().nonce });
        }
        _ => {}
    }
    let valid_for = options.valid_for.blocks.max(LIFETIME_BLOCKS);
    let rate = *payer.source.min_fee_rate().await?.said();
    let fee = Fee::chosen(options.fee, options.fee_rate);
    let request = plan::replacement(&old, cancel, (fee, options.max_fee, valid_for), rate)?;
    // What goes to oneself pays nobody twice.
    let again = Again::of(options.again || cancel);
    let again = payer.propose(&request, (again, options.yes), output).await?;
    let key = payer.unlock()?;
    let sent = payer.pay(&request, again, &key).await?;
    payer.tell(sent, (options.wait.wait, options.wait.timeout), output).await
}
