//! `tx_*`: transactions on their way into a block.

use super::{chain::Mined, context::Context, error::refused};
use cairn_chain::verdict::Origin;
use cairn_ledger::{hash::TxId, keys::Address, transaction::Transaction, units::Amount};
use cairn_mempool::PoolStatus;
use cairn_rpc::{
    error::RpcError,
    methods::TxServer,
    text::{HexBytes, Pebbles, Text},
    types::{Submitted, TxCheck, TxState, TxStatus},
};
use jsonrpsee::{
    PendingSubscriptionSink,
    core::{RpcResult, SubscriptionResult, async_trait},
};
use std::collections::BTreeSet;

pub(super) struct TxApi(pub Context);

#[async_trait]
impl TxServer for TxApi {
    async fn submit_tx(&self, raw: HexBytes) -> RpcResult<Submitted> {
        let transaction = Transaction::from_bytes(&raw.0).map_err(RpcError::from)?;
        Ok(self.0.submit(transaction).await?)
    }

    async fn check_tx(&self, raw: HexBytes) -> RpcResult<TxCheck> {
        let transaction = Transaction::from_bytes(&raw.0).map_err(RpcError::from)?;
        Ok(self.0.check(transaction).await?)
    }

    async fn subscribe_status(
        &self,
        pending: PendingSubscriptionSink,
        txid: Text<TxId>,
        depth: Option<u64>,
    ) -> SubscriptionResult {
        self.0.follow_status(pending, txid.0, depth).await
    }

    async fn tx_status(&self, txid: Text<TxId>) -> RpcResult<TxStatus> {
        Ok(self.0.find_status(txid.0).await?)
    }
}

impl Context {
    async fn submit(&self, transaction: Transaction) -> Result<Submitted, RpcError> {
        let mut answers = self.handles.pool.submit(Origin::Local, vec![transaction]).await.map_err(refused)?;
        let txid = answers.pop().ok_or_else(super::error::stopping)?.map_err(refused)?;
        Ok(Submitted { txid: Text(txid) })
    }

    async fn check(&self, transaction: Transaction) -> Result<TxCheck, RpcError> {
        let (txid, size, fee) = (transaction.id(), transaction.size() as u64, transaction.body.fee);
        let receivers: BTreeSet<Address> = transaction.body.outputs.iter().map(|output| output.to).collect();
        self.handles.pool.check_one(transaction).await.map_err(refused)?.map_err(refused)?;
        let least = self.handles.pool.info().await.map_err(refused)?.min_fee_rate.saturating_mul(size);
        let min_fee = Pebbles(Amount::from_pebbles(least).unwrap_or(Amount::MAX));
        let receivers: Vec<Address> = receivers.into_iter().collect();
        let accounts = self.read(move |reader| reader.accounts(&receivers)).await?;
        let new_accounts = accounts.iter().filter(|account| account.is_none()).count() as u64;
        let next = self.handles.chain.tip().height().saturating_add(1);
        let price = self.spec.rules_at(next).price_of(new_accounts);
        let price = Pebbles(Amount::from_pebbles(price).unwrap_or(Amount::MAX));
        Ok(TxCheck { txid: Text(txid), size, fee: Pebbles(fee), min_fee, new_accounts, price })
    }

    pub(super) async fn find_status(&self, txid: TxId) -> Result<TxStatus, RpcError> {
        if let Some(mined) = self.find_mined(txid).await? {
            return Ok(mined_status(txid, &mined));
        }
        let (state, reason) = match self.handles.pool.status(txid).await.map_err(refused)? {
            PoolStatus::Pooled => (TxState::Pooled, None),
            PoolStatus::Unknown => (TxState::Unknown, None),
            PoolStatus::Expired => (TxState::Expired, None),
            PoolStatus::Dropped(reason) => (TxState::Dropped, Some(reason.to_string())),
        };
        // Between the two looks it may have gone from the pool into a block.
        if state != TxState::Pooled
            && let Some(mined) = self.find_mined(txid).await?
        {
            return Ok(mined_status(txid, &mined));
        }
        Ok(TxStatus { txid: Text(txid), state, block: None, height: None, confirmations: 0, reason })
    }
}

fn mined_status(txid: TxId, mined: &Mined) -> TxStatus {
    TxStatus {
        txid: Text(txid),
        state: TxState::Mined,
        block: Some(Text(mined.block.id())),
        height: Some(mined.block.header().height.get()),
        confirmations: mined.confirmations,
        reason: None,
    }
}
