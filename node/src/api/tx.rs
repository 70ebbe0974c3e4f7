//! `tx_*`: transactions on their way into a block.

use super::{chain::Mined, context::Context};
use crate::{mempool::PoolStatus, verdict::Origin};
use cairn_ledger::{hash::TxId, transaction::Transaction};
use cairn_rpc::{
    error::RpcError,
    methods::TxServer,
    text::{HexBytes, Text},
    types::{Submitted, TxState, TxStatus},
};
use jsonrpsee::core::{RpcResult, async_trait};

pub(super) struct TxApi(pub Context);

#[async_trait]
impl TxServer for TxApi {
    async fn submit_tx(&self, raw: HexBytes) -> RpcResult<Submitted> {
        let transaction = Transaction::from_bytes(&raw.0).map_err(RpcError::from)?;
        Ok(self.0.submit(transaction).await?)
    }

    async fn tx_status(&self, txid: Text<TxId>) -> RpcResult<TxStatus> {
        Ok(self.0.find_status(txid.0).await?)
    }
}

impl Context {
    async fn submit(&self, transaction: Transaction) -> Result<Submitted, RpcError> {
        let mut answers = self.handles.pool.submit(Origin::Local, vec![transaction]).await?;
        let txid = answers.pop().ok_or_else(super::error::stopping)??;
        Ok(Submitted { txid: Text(txid) })
    }

    async fn find_status(&self, txid: TxId) -> Result<TxStatus, RpcError> {
        if let Some(mined) = self.find_mined(txid).await? {
            return Ok(mined_status(txid, &mined));
        }
        let (state, reason) = match self.handles.pool.status(txid).await? {
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
