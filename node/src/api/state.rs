//! `state_*`: accounts at the tip.

use super::context::Context;
use crate::chain::ProvenAccount;
use cairn_ledger::{accounts::Account, hash::BlockId, keys::Address, units::Amount};
use cairn_rpc::{
    error::RpcError,
    methods::StateServer,
    text::{Pebbles, Text},
    types::{AccountJson, PendingJson, ProofJson},
};
use jsonrpsee::{
    PendingSubscriptionSink,
    core::{RpcResult, SubscriptionResult, async_trait},
};

pub(super) struct StateApi(pub Context);

#[async_trait]
impl StateServer for StateApi {
    async fn get_account(&self, address: String) -> RpcResult<AccountJson> {
        let account = self.0.address(&address)?;
        Ok(self.0.show_account(account, address).await?)
    }

    async fn subscribe_address(
        &self,
        pending: PendingSubscriptionSink,
        address: String,
        since: Option<Text<BlockId>>,
    ) -> SubscriptionResult {
        self.0.follow_address(pending, address, since.map(|since| since.0)).await
    }

    async fn get_proof(&self, address: String) -> RpcResult<ProofJson> {
        let key = self.0.address(&address)?;
        let proven = self.0.handles.chain.prove(key).await.map_err(RpcError::from)?;
        Ok(ProofJson::new(&proven.tip.header, address, account_in(&proven, &key), &proven.proof))
    }
}

/// What the proof shows: the leaf is the address's own, or the one below where it would stand.
fn account_in(proven: &ProvenAccount, address: &Address) -> Option<Account> {
    let leaf = &proven.proof.leaf;
    (leaf.address == *address).then_some(leaf.account)
}

impl Context {
    /// Asks the writer rather than the disk: it alone knows an account together with the tip it stands at.
    async fn show_account(&self, address: Address, shown: String) -> Result<AccountJson, RpcError> {
        let proven = self.handles.chain.prove(address).await?;
        let pending = self.handles.pool.pending(address).await?;
        let found = account_in(&proven, &address);
        let account = found.unwrap_or_default();
        let left = account.balance.pebbles().saturating_sub(pending.spent);
        Ok(AccountJson {
            address: shown,
            exists: found.is_some(),
            balance: Pebbles(account.balance),
            nonce: Text(account.nonce),
            pending: PendingJson {
                balance: Pebbles(Amount::from_pebbles(left).unwrap_or(account.balance)),
                nonce: Text(pending.next_nonce.unwrap_or(account.nonce).max(account.nonce)),
                count: pending.count,
            },
            height: proven.tip.height().get(),
            block: Text(proven.tip.id),
        })
    }
}
