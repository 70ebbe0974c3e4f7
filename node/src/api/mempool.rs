//! `mempool_*`: the pool.

use super::context::Context;
use cairn_rpc::{error::RpcError, methods::MempoolServer, types::MempoolInfo};
use jsonrpsee::core::{RpcResult, async_trait};

pub(super) struct MempoolApi(pub Context);

#[async_trait]
impl MempoolServer for MempoolApi {
    async fn mempool_info(&self) -> RpcResult<MempoolInfo> {
        let info = self.0.handles.pool.info().await.map_err(RpcError::from)?;
        Ok(MempoolInfo {
            count: info.count as u64,
            bytes: info.bytes as u64,
            max_count: info.max_count as u64,
            max_bytes: info.max_bytes as u64,
            senders: info.senders as u64,
            min_fee_rate: info.min_fee_rate,
        })
    }
}
