//! `mempool_*`: the pool.

use super::{context::Context, error::refused, ranges::count};
use cairn_ledger::{block::BLOCK_OVERHEAD_BYTES, units::Timestamp};
use cairn_mempool::Waiting;
use cairn_rpc::{
    error::RpcError,
    methods::MempoolServer,
    text::Text,
    types::{FeeEstimateJson, MempoolInfo, PoolCursor, PoolEntry, PoolPage, TransactionJson},
};
use jsonrpsee::core::{RpcResult, async_trait};
use std::ops::RangeInclusive;

/// Transactions on a page: the largest fit an answer.
const PAGE: RangeInclusive<u64> = 1..=200;
/// Blocks that an estimate looks ahead: what happens later, nobody knows.
const AHEAD: RangeInclusive<u64> = 1..=100;

pub(super) struct MempoolApi(pub Context);

#[async_trait]
impl MempoolServer for MempoolApi {
    async fn mempool_info(&self) -> RpcResult<MempoolInfo> {
        let info = self.0.handles.pool.info().await.map_err(refused)?;
        Ok(MempoolInfo {
            count: info.count as u64,
            bytes: info.bytes as u64,
            max_count: info.max_count as u64,
            max_bytes: info.max_bytes as u64,
            senders: info.senders as u64,
            min_fee_rate: info.min_fee_rate,
        })
    }

    async fn mempool_content(&self, after: Option<Text<PoolCursor>>, count: Option<u64>) -> RpcResult<PoolPage> {
        Ok(self.0.pool_page(after.map(|after| after.0), count).await?)
    }

    async fn mempool_of_sender(&self, address: String) -> RpcResult<Vec<PoolEntry>> {
        let address = self.0.address(&address)?;
        let waiting = self.0.handles.pool.of_sender(address).await.map_err(refused)?;
        Ok(waiting.iter().map(|waiting| self.0.show_waiting(waiting)).collect())
    }

    async fn fee_estimate(&self, blocks: Option<u64>) -> RpcResult<FeeEstimateJson> {
        Ok(self.0.fee_estimate(blocks).await?)
    }
}

impl Context {
    async fn pool_page(&self, after: Option<PoolCursor>, wanted: Option<u64>) -> Result<PoolPage, RpcError> {
        let wanted = usize::try_from(count(wanted, &PAGE)?).unwrap_or(usize::MAX);
        let after = after.map(|after| (Timestamp::from_millis(after.added), after.txid));
        let waiting = self.handles.pool.page(after, wanted).await.map_err(refused)?;
        let last = waiting.last().filter(|_| waiting.len() == wanted);
        let next = last.map(|last| Text(PoolCursor { added: last.added.millis(), txid: last.transaction.txid() }));
        Ok(PoolPage { transactions: waiting.iter().map(|waiting| self.show_waiting(waiting)).collect(), next })
    }

    fn show_waiting(&self, waiting: &Waiting) -> PoolEntry {
        let transaction = TransactionJson::new(waiting.transaction.transaction(), self.prefix());
        PoolEntry { transaction, added: waiting.added.millis(), ready: waiting.ready }
    }

    async fn fee_estimate(&self, blocks: Option<u64>) -> Result<FeeEstimateJson, RpcError> {
        let blocks = count(Some(blocks.unwrap_or(1)), &AHEAD)?;
        let next = self.handles.chain.tip().height().saturating_add(1);
        let each = self.spec.rules_at(next).max_block_bytes.saturating_sub(BLOCK_OVERHEAD_BYTES as u64);
        let block_bytes = each.saturating_mul(blocks);
        let estimate =
            self.handles.pool.estimate(usize::try_from(block_bytes).unwrap_or(usize::MAX)).await.map_err(refused)?;
        Ok(FeeEstimateJson {
            fee_rate: estimate.rate,
            blocks,
            block_bytes,
            bytes_ahead: estimate.ahead as u64,
            bytes_pooled: estimate.pooled as u64,
        })
    }
}
