//! `wallet bump` and `wallet cancel`: another payment with the same nonce, so that at most one of the two is
//! ever mined.

use super::dispatch::Payer;
use crate::{cli::ReplaceArguments, diagnose::LIFETIME_BLOCKS, error::WalletError, output::Output, plan, run::Session};
use cairn_ledger::units::Amount;
use cairn_rpc::types::TxState;

pub(crate) async fn run(
    session: &Session<'_>,
    options: &ReplaceArguments,
    cancel: bool,
    output: &mut Output<'_>,
) -> Result<(), WalletError> {
    let network = session.network()?;
    let payer = Payer::open(session, &network, output).await?;
    payer.wallet.keystore.check_has_key().map_err(payer.wallet.failed())?;
    let txid = options.txid;
    let old = session.own_payment(&network, &payer.wallet, &txid)?;
    let status = payer.node.status(txid).await?;
    if status.state == TxState::Mined {
        return Err(WalletError::TooLateToReplace { txid });
    }
    let (_, view) = payer.view(None).await?;
    // In the pool it holds money that its replacement may spend.
    let pooled = status.state == TxState::Pooled;
    let freed = Amount::from_pebbles(if pooled { old.body.most() } else { 0 }).unwrap_or(Amount::MAX);
    let valid_for = options.valid_for.blocks.max(LIFETIME_BLOCKS);
    let request = plan::replacement(&old, cancel, (options.fee, valid_for), view.min_fee_rate)?;
    payer.propose(&request, freed, options.yes, output).await?;
    let key = payer.unlock()?;
    let mut sent = payer.pay(&request, freed, &key).await?;
    if let Some(wait_for) = options.wait.wait {
        payer.follow(&mut sent, (wait_for, options.wait.timeout), output).await?;
    }
    output.result(&sent)?;
    Ok(())
}
