//! `tx_*`: transactions on their way into a block.

use crate::context::Context;
use crate::error::{refused, stopping};
use cairn_chain::verdict::Origin;
use cairn_ledger::{hash::TxId, keys::Address, transaction::Transaction, units::Amount};
use cairn_rpc::text::{HexBytes, Pebbles, Text};
use cairn_rpc::types::{Submitted, TxCheck, TxStatus};
use cairn_rpc::{error::RpcError, methods::TxServer};
use jsonrpsee::PendingSubscriptionSink;
use jsonrpsee::core::{RpcResult, SubscriptionResult, async_trait};
use std::collections::BTreeSet;

#[async_trait]
impl TxServer for Context {
    async fn submit_tx(&self, raw: HexBytes) -> RpcResult<Submitted> {
        let transaction = Transaction::from_bytes(&raw.0).map_err(RpcError::from)?;
        let mut answers = self.handles.pool.submit(Origin::Local, vec![transaction]).await.map_err(refused)?;
        let txid = answers.pop().ok_or_else(stopping)?.map_err(refused)?;
        Ok(Submitted { txid: Text(txid) })
    }

    async fn check_tx(&self, raw: HexBytes) -> RpcResult<TxCheck> {
        let transaction = Transaction::from_bytes(&raw.0).map_err(RpcError::from)?;
        let (pool, chain) = (&self.handles.pool, &self.handles.chain);
        let (txid, size, fee) = (transaction.id(), transaction.size() as u64, transaction.body.fee);
        let receivers: BTreeSet<Address> = transaction.body.outputs.iter().map(|output| output.to).collect();
        pool.check_one(transaction).await.map_err(refused)?.map_err(refused)?;
        let least = pool.info().await.map_err(refused)?.min_fee_rate.saturating_mul(size);
        let min_fee = Pebbles(Amount::from_pebbles(least).unwrap_or(Amount::MAX));
        let receivers: Vec<Address> = receivers.into_iter().collect();
        let accounts = self.read(move |reader| reader.accounts(&receivers)).await?;
        let new_accounts = accounts.iter().filter(|account| account.is_none()).count() as u64;
        let price = self.spec.rules_at(chain.tip().height().saturating_add(1)).price_of(new_accounts);
        let price = Pebbles(Amount::from_pebbles(price).unwrap_or(Amount::MAX));
        Ok(TxCheck { txid: Text(txid), size, fee: Pebbles(fee), min_fee, new_accounts, price })
    }

    async fn subscribe_status(
        &self,
        pending: PendingSubscriptionSink,
        txid: Text<TxId>,
        depth: Option<u64>,
    ) -> SubscriptionResult {
        self.follow_status(pending, txid.0, depth).await
    }

    async fn tx_status(&self, txid: Text<TxId>) -> RpcResult<TxStatus> {
        Ok(self.find_status(txid.0).await?)
    }
}
