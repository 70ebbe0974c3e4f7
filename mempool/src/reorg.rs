//! Blocks that left the chain, and which of their transactions come back.

use super::policy::{DropReason, FeeRate};
use cairn_chain::{Reader, store::StoreError};
use cairn_ledger::{Account, Address, BlockId, Transaction, TxId};
use std::collections::{BTreeMap, VecDeque};

/// The blocks from `left` down that are not on the chain, the lowest first.
pub(super) fn displaced(reader: &Reader, left: &BlockId) -> Result<VecDeque<BlockId>, StoreError> {
    let (mut ids, mut at) = (VecDeque::new(), reader.header(left)?);
    while let Some(header) = at {
        if reader.is_connected(&header)? {
            break;
        }
        ids.push_front(header.id());
        at = reader.header(&header.header().parent)?;
    }
    Ok(ids)
}

/// The transactions of a block that left the chain.
#[derive(Default)]
pub(super) struct Returning {
    /// Those that may be mined again.
    pub transactions: Vec<Transaction>,
    /// Their senders' accounts now.
    pub accounts: BTreeMap<Address, Account>,
    /// The others, and why.
    pub gone: Vec<(TxId, DropReason)>,
}

/// Reads the transactions of a block that left the chain. Those that pay no more than `least` are not looked at
/// further.
pub(super) fn returning(reader: &Reader, id: &BlockId, least: Option<FeeRate>) -> Result<Returning, StoreError> {
    let mut returning = Returning::default();
    let Some(header) = reader.header(id)? else { return Ok(returning) };
    // The chain may have come back to it.
    if reader.is_connected(&header)? {
        return Ok(returning);
    }
    let Some(body) = reader.body(&header)? else { return Ok(returning) };
    let mut senders: Vec<Address> = body.iter().map(|transaction| transaction.body.sender).collect();
    senders.sort_unstable();
    senders.dedup();
    let accounts = reader.accounts(&senders)?.into_iter().map(Option::unwrap_or_default);
    returning.accounts = senders.into_iter().zip(accounts).collect();
    for transaction in body.into_vec() {
        let nonce = returning.accounts.get(&transaction.body.sender).map_or(0, |account| account.nonce);
        if transaction.body.nonce < nonce {
            let txid = transaction.id();
            if !reader.is_mined(&txid)? {
                returning.gone.push((txid, DropReason::NonceUsed));
            }
        } else if least.is_some_and(|least| FeeRate::of(&transaction) <= least) {
            returning.gone.push((transaction.id(), DropReason::Evicted));
        } else {
            returning.transactions.push(transaction);
        }
    }
    Ok(returning)
}
