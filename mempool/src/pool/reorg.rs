//! Transactions whose blocks are no longer on the chain.

use super::{Account, CheckedTransaction, DropReason, FeeRate, Pool, Timestamp, TxId, Worth, has_expired};
use cairn_ledger::Address;
use std::collections::{BTreeMap, BTreeSet, HashSet};

impl Pool {
    /// Takes back transactions whose blocks are no longer on the chain; `accounts` are their senders', as they are now.
    /// Their price was good enough for a block, and their sender may have more of them than it might hand in, so only
    /// their places are judged; what a sender cannot afford right now waits in its queue, as the payment it spends may
    /// come back as well. What is worth least makes room, once all are here.
    pub(crate) fn take_back(
        &mut self,
        now: Timestamp,
        returned: Vec<CheckedTransaction>,
        accounts: &BTreeMap<Address, Account>,
    ) {
        let mut senders = BTreeSet::new();
        for transaction in returned {
            let body = &transaction.transaction().body;
            let (txid, sender, account) =
                (transaction.txid(), body.sender, accounts.get(&body.sender).copied().unwrap_or_default());
            if senders.insert(sender) && self.queues.get(&sender).is_some_and(|queue| queue.account != account) {
                self.set_account(&sender, account, &HashSet::new(), now);
            }
            if self.place_by_id.contains_key(&txid) {
                continue;
            }
            match self.refuse_back(&transaction, account) {
                Some(reason) => self.removed.record(now, txid, reason),
                None => {
                    // The least there is, until all are ranked.
                    let worth = Worth { ready: false, rate: FeeRate::of(transaction.transaction()) };
                    self.put(transaction, account, now, worth);
                }
            }
        }
        senders.iter().for_each(|sender| self.rank(sender));
        while self.len() > self.config.max_count || self.bytes > self.config.max_bytes {
            let Some(victim) = self.ranking.values().next().map(CheckedTransaction::txid) else { break };
            self.drop_transaction(&victim, DropReason::Evicted, now);
        }
    }

    /// Remembers why displaced transactions do not come back.
    pub(crate) fn note_gone(&mut self, now: Timestamp, gone: Vec<(TxId, DropReason)>) {
        for (txid, reason) in gone {
            if !self.place_by_id.contains_key(&txid) {
                self.removed.record(now, txid, reason);
            }
        }
    }

    /// Why a displaced transaction has no place here, if it has none.
    fn refuse_back(&self, transaction: &CheckedTransaction, account: Account) -> Option<DropReason> {
        let body = &transaction.transaction().body;
        let rival = || self.queues.get(&body.sender)?.entries.get(&body.nonce);
        if body.nonce < account.nonce {
            Some(DropReason::NonceUsed)
        } else if has_expired(body.valid_until, self.tip) {
            Some(DropReason::Expired { valid_until: body.valid_until })
        } else {
            rival().map(|rival| DropReason::Replaced { by: rival.transaction.txid() })
        }
    }
}
