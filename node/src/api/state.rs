//! `state_*`: accounts, at the tip and a little below it.

use super::{context::Context, error::refused};
use cairn_chain::{KEPT_STATES, ProvenAccount};
use cairn_ledger::{
    accounts::{Account, AccountProof},
    hash::BlockId,
    keys::Address,
    units::Amount,
};
use cairn_rpc::{
    error::{Code, RpcError},
    methods::StateServer,
    text::{Pebbles, Text},
    types::{AccountJson, AddressHistory, HistoryCursor, PendingJson, ProofJson},
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

    async fn get_history(
        &self,
        address: String,
        before: Option<Text<HistoryCursor>>,
        count: Option<u64>,
    ) -> RpcResult<AddressHistory> {
        Ok(self.0.history(address, before.map(|before| before.0), count).await?)
    }

    async fn subscribe_address(
        &self,
        pending: PendingSubscriptionSink,
        address: String,
        since: Option<Text<BlockId>>,
    ) -> SubscriptionResult {
        self.0.follow_address(pending, address, since.map(|since| since.0)).await
    }

    async fn get_proof(&self, address: String, at: Option<Text<BlockId>>) -> RpcResult<ProofJson> {
        let (key, chain) = (self.0.address(&address)?, &self.0.handles.chain);
        let (header, proof) = match at {
            None => chain.prove(key).await.map(|proven| (proven.tip.header.clone(), proven.proof)),
            Some(at) => {
                let proven = chain.prove_at(key, at.0).await.map_err(refused)?;
                Ok(proven.ok_or_else(|| not_kept(at.0))?)
            }
        }
        .map_err(refused)?;
        Ok(ProofJson::new(&header, address, account_in(&proof, &key), &proof))
    }
}

fn not_kept(at: BlockId) -> RpcError {
    let expected = format!("the tip, or one of the {KEPT_STATES} blocks below it");
    RpcError::new(Code::StateNotKept, format!("got the block {at}, expected {expected}")).with(at, expected)
}

/// What the proof shows: the leaf is the address's own, or the one below where it would stand.
fn account_in(proof: &AccountProof, address: &Address) -> Option<Account> {
    let leaf = &proof.leaf;
    (leaf.address == *address).then_some(leaf.account)
}

impl Context {
    /// Asks the writer rather than the disk: it alone knows an account together with the tip it stands at.
    async fn show_account(&self, address: Address, shown: String) -> Result<AccountJson, RpcError> {
        let proven: ProvenAccount = self.handles.chain.prove(address).await.map_err(refused)?;
        let pending = self.handles.pool.pending(address).await.map_err(refused)?;
        let found = account_in(&proven.proof, &address);
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
