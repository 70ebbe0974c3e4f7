//! What the chain says of transactions: their senders' accounts, and what they would have to pay for new ones.

use super::policy::Standing;
use cairn_chain::{Reader, store::StoreError};
use cairn_ledger::{Address, Transaction, TxId, upgrades::Rules};

/// Whose accounts a transaction needs, and what to look for when its nonce is used.
pub(super) struct Lookup {
    sender: Address,
    nonce: u64,
    txid: TxId,
    /// Those whose accounts it might create at a price that it does not allow, each once.
    pub receivers: Vec<Address>,
}

impl Lookup {
    /// The receivers count unless it allows the price of them all.
    pub fn new(transaction: &Transaction, txid: TxId, rules: &Rules) -> Self {
        let body = &transaction.body;
        let mut receivers = Vec::new();
        if body.max_price.pebbles() < rules.price_of(body.outputs.len() as u64) {
            receivers.extend(body.outputs.iter().map(|output| output.to));
            receivers.sort_unstable();
            receivers.dedup();
        }
        Self { sender: body.sender, nonce: body.nonce, txid, receivers }
    }
}

/// What the chain says about each.
pub(super) fn standings(reader: &Reader, rules: &Rules, lookups: &[Lookup]) -> Result<Vec<Standing>, StoreError> {
    let senders: Vec<Address> = lookups.iter().map(|lookup| lookup.sender).collect();
    let receivers: Vec<Address> = lookups.iter().flat_map(|lookup| &lookup.receivers).copied().collect();
    let (accounts, mut exist) = (reader.accounts(&senders)?, reader.have_accounts(&receivers)?.into_iter());
    let mut standings = Vec::with_capacity(lookups.len());
    for (Lookup { nonce, txid, receivers, .. }, account) in lookups.iter().zip(accounts) {
        let absent = exist.by_ref().take(receivers.len()).filter(|exists| !exists).count();
        let used = account.is_some_and(|account| *nonce < account.nonce);
        let mined = used && reader.is_mined(txid)?;
        standings.push(Standing { account, mined, price: rules.price_of(absent as u64) });
    }
    Ok(standings)
}
