//! `wallet bump` and `wallet cancel`: another payment with the same nonce, so that at most one of the two is
//! ever mined.

use crate::{
    cli::ReplaceArguments,
    error::{Result, WalletError},
    output::Output,
    payment::{
        error::PaymentError,
        payer::{Again, Payer},
        plan::{self, Fee, Terms},
        state::Outcome,
    },
    session::Session,
};
use cairn_rpc::policy::LIFETIME_BLOCKS;

pub(crate) async fn run(
    session: &Session<'_>,
    options: &ReplaceArguments,
    cancel: bool,
    output: &mut Output<'_>,
) -> Result<()> {
    let network = session.network()?;
    let wallet = session.wallet(&network)?;
    let mut payer = Payer::open(session.paying(&network, &wallet), output).await?;
    wallet.check_has_key()?;
    let txid = options.txid;
    let (known, old, contents) = payer.known(&txid)?;
    let seen = payer.sender().await?;
    let (outcome, _) = payer.outcome(&known, seen.sender, &contents).await?;
    match outcome {
        Outcome::Mined(_) => return Err(WalletError::TooLateToReplace { txid }),
        Outcome::Impossible(why) => return Err(PaymentError::Never { txid, why }.into()),
        _ if known.nonce < seen.sender.get().nonce => {
            return Err(PaymentError::NonceUsed { nonce: known.nonce, next: seen.sender.get().nonce }.into());
        }
        _ => {}
    }
    let valid_for = options.valid_for.blocks.max(LIFETIME_BLOCKS);
    let rate = *payer.source.min_fee_rate().await?.get();
    let fee = Fee::chosen(options.fee, options.fee_rate);
    let request = plan::replacement(&old, cancel, &Terms { fee, max_fee: options.max_fee, valid_for }, rate)?;
    // What goes to oneself pays nobody twice.
    let again = Again::of(options.again || cancel);
    let again = payer.propose(&request, again, options.yes, output).await?;
    let key = session.unlock(&network, &wallet)?;
    let sent = payer.pay(&request, again, &key).await?;
    payer.report(sent, options.wait.wait, options.wait.limit(), output).await?;
    Ok(())
}
