//! `mempool_*`: the pool.

use crate::context::{Context, count};
use crate::error::refused;
use cairn_ledger::{block::BLOCK_OVERHEAD_BYTES, units::Timestamp};
use cairn_mempool::{LIFETIME_BLOCKS, Waiting};
use cairn_rpc::types::{FeeEstimateJson, MempoolInfo, PoolCursor, PoolEntry, PoolPage, TransactionJson};
use cairn_rpc::{methods::MempoolServer, policy, text::Text};
use jsonrpsee::core::{RpcResult, async_trait};
use std::ops::RangeInclusive;

// A wallet counts on what the contract says of the pool.
const _: () = assert!(LIFETIME_BLOCKS == policy::LIFETIME_BLOCKS);

/// Transactions on a page: the largest fit an answer.
const PAGE: RangeInclusive<u64> = 1..=200;
/// Blocks that an estimate looks ahead: what happens later, nobody knows.
const AHEAD: RangeInclusive<u64> = 1..=100;

#[async_trait]
impl MempoolServer for Context {
    async fn mempool_info(&self) -> RpcResult<MempoolInfo> {
        let info = self.handles.pool.info().await.map_err(refused)?;
        Ok(MempoolInfo {
            count: info.count as u64,
            bytes: info.bytes as u64,
            max_count: info.max_count as u64,
            max_bytes: info.max_bytes as u64,
            senders: info.senders as u64,
            min_fee_rate: info.min_fee_rate,
        })
    }

    async fn mempool_content(&self, after: Option<Text<PoolCursor>>, wanted: Option<u64>) -> RpcResult<PoolPage> {
        let wanted = usize::try_from(count(wanted, &PAGE)?).unwrap_or(usize::MAX);
        let after = after.map(|after| (Timestamp::from_millis(after.0.added), after.0.txid));
        let waiting = self.handles.pool.page(after, wanted).await.map_err(refused)?;
        let last = waiting.last().filter(|_| waiting.len() == wanted);
        let next = last.map(|last| Text(PoolCursor { added: last.added.millis(), txid: last.transaction.txid() }));
        Ok(PoolPage { transactions: self.show_waiting(&waiting), next })
    }

    async fn mempool_of_sender(&self, address: String) -> RpcResult<Vec<PoolEntry>> {
        let address = self.address(&address)?;
        Ok(self.show_waiting(&self.handles.pool.of_sender(address).await.map_err(refused)?))
    }

    async fn fee_estimate(&self, blocks: Option<u64>) -> RpcResult<FeeEstimateJson> {
        let blocks = count(Some(blocks.unwrap_or(1)), &AHEAD)?;
        let next = self.handles.chain.tip().height().saturating_add(1);
        let each = self.spec.rules_at(next).max_block_bytes.saturating_sub(BLOCK_OVERHEAD_BYTES as u64);
        let block_bytes = each.saturating_mul(blocks);
        let bytes = usize::try_from(block_bytes).unwrap_or(usize::MAX);
        let estimate = self.handles.pool.estimate(bytes).await.map_err(refused)?;
        Ok(FeeEstimateJson {
            fee_rate: estimate.rate,
            blocks,
            block_bytes,
            bytes_ahead: estimate.ahead as u64,
            bytes_pooled: estimate.pooled as u64,
        })
    }
}

impl Context {
    fn show_waiting(&self, waiting: &[Waiting]) -> Vec<PoolEntry> {
        let show = |waiting: &Waiting| PoolEntry {
            transaction: TransactionJson::new(waiting.transaction.transaction(), self.prefix()),
            added: waiting.added.millis(),
            ready: waiting.ready,
        };
        waiting.iter().map(show).collect()
    }
}
