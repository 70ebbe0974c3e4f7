//! Blocks and transactions as several methods and subscriptions show them, and where a transaction is.

use crate::api::{context::Context, error::refused};
use cairn_chain::{MinedTransaction, Tip, store::StoredBlock};
use cairn_ledger::{hash::TxId, units::Height, validate::LinkedHeader};
use cairn_mempool::PoolStatus;
use cairn_rpc::{
    error::RpcError,
    text::Text,
    types::{BlockJson, BlockTransactions, HeaderJson, TransactionInfo, TransactionJson, TxState, TxStatus},
};

/// Blocks from one of the chain to the tip, both counted.
pub fn confirmations(block: Height, tip: Height) -> u64 {
    tip.get().saturating_sub(block.get()).saturating_add(1)
}

impl Context {
    pub fn show_tip(&self, tip: &Tip) -> HeaderJson {
        HeaderJson::new(&tip.header, tip.total_work, self.prefix())
    }

    pub fn show_header(&self, header: &LinkedHeader) -> HeaderJson {
        HeaderJson::new(header.header(), header.total_work(), self.prefix())
    }

    pub fn show_block(&self, stored: &StoredBlock, full: bool) -> BlockJson {
        let body = stored.block.body.iter();
        let transactions = if full {
            BlockTransactions::Full(body.map(|transaction| TransactionJson::new(transaction, self.prefix())).collect())
        } else {
            BlockTransactions::Ids(body.map(|transaction| Text(transaction.id())).collect())
        };
        BlockJson { header: self.show_header(&stored.header), size: stored.block.size() as u64, transactions }
    }

    /// A transaction of the followed chain, as deep as it is below `tip`.
    pub fn show_transaction(&self, mined: &MinedTransaction, tip: Height) -> TransactionInfo {
        let height = mined.block.header().height;
        TransactionInfo {
            transaction: TransactionJson::new(&mined.transaction, self.prefix()),
            state: TxState::Mined,
            block: Some(Text(mined.block.id())),
            height: Some(height.get()),
            confirmations: confirmations(height, tip),
        }
    }

    /// A transaction of the followed chain, and the height of the tip, which may be older than what was read.
    pub async fn find_mined(&self, txid: TxId) -> Result<Option<(MinedTransaction, Height)>, RpcError> {
        let found = self.read(move |reader| reader.transaction(&txid)).await?;
        Ok(found.map(|mined| (mined, self.handles.chain.tip().height())))
    }

    pub async fn find_status(&self, txid: TxId) -> Result<TxStatus, RpcError> {
        if let Some(status) = self.mined_status(txid).await? {
            return Ok(status);
        }
        let (state, reason) = match self.handles.pool.status(txid).await.map_err(refused)? {
            PoolStatus::Pooled => (TxState::Pooled, None),
            PoolStatus::Unknown => (TxState::Unknown, None),
            PoolStatus::Expired => (TxState::Expired, None),
            PoolStatus::Dropped(reason) => (TxState::Dropped, Some(reason.to_string())),
        };
        // Between the two looks it may have gone from the pool into a block.
        if state != TxState::Pooled
            && let Some(status) = self.mined_status(txid).await?
        {
            return Ok(status);
        }
        Ok(TxStatus { txid: Text(txid), state, block: None, height: None, confirmations: 0, reason })
    }

    async fn mined_status(&self, txid: TxId) -> Result<Option<TxStatus>, RpcError> {
        let found = self.find_mined(txid).await?;
        Ok(found.map(|(mined, tip)| TxStatus {
            txid: Text(txid),
            state: TxState::Mined,
            block: Some(Text(mined.block.id())),
            height: Some(mined.block.header().height.get()),
            confirmations: confirmations(mined.block.header().height, tip),
            reason: None,
        }))
    }
}
