//! `node_*`: the node itself.

use super::{
    context::{Context, millis},
    meters::resident_bytes,
};
use crate::{clock, store::TableUsage, sync};
use cairn_ledger::units::Height;
use cairn_rpc::{
    error::RpcError,
    methods::NodeServer,
    text::Text,
    types::{MemoryInfo, NodeInfo, StorageInfo, SyncInfo, SyncPhase, TableSize},
};
use jsonrpsee::core::{RpcResult, async_trait};

pub(super) struct NodeApi(pub Context);

#[async_trait]
impl NodeServer for NodeApi {
    async fn node_info(&self) -> RpcResult<NodeInfo> {
        Ok(self.0.node_info().await?)
    }

    async fn node_storage(&self) -> RpcResult<StorageInfo> {
        Ok(self.0.node_storage().await?)
    }
}

impl Context {
    async fn node_info(&self) -> Result<NodeInfo, RpcError> {
        let tip = self.handles.chain.tip();
        let network = self.handles.network.info().await;
        let pool = self.handles.pool.info().await?;
        let address_index = self.read(|reader| reader.indexed()).await?.map(Height::get);
        Ok(NodeInfo {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            chain: self.spec.params().name.clone(),
            genesis_id: Text(self.spec.genesis_id()),
            address_prefix: self.prefix().to_string(),
            peer_id: network.peer_id,
            height: tip.height().get(),
            tip: Text(tip.id),
            state_root: Text(tip.header.state_root),
            work: Text(tip.total_work),
            sync: self.sync_info(),
            peers: network.peers as u64,
            pooled: pool.count as u64,
            time: clock::now().millis(),
            uptime_ms: millis(self.started.elapsed()),
            address_index,
        })
    }

    async fn node_storage(&self) -> Result<StorageInfo, RpcError> {
        let usage = self.read(|reader| reader.usage()).await?;
        let pool = self.handles.pool.info().await?;
        let table =
            |table: &TableUsage| TableSize { name: table.name.to_owned(), bytes: table.bytes, entries: table.entries };
        Ok(StorageInfo {
            tables: usage.tables.iter().map(table).collect(),
            bytes: usage.tables.iter().map(|table| table.bytes).sum(),
            memory: MemoryInfo {
                process: resident_bytes(),
                database_cache: usage.cache_bytes,
                database_writes: usage.write_bytes,
                database_indexes: usage.index_bytes,
                pool: pool.bytes as u64,
            },
        })
    }

    fn sync_info(&self) -> SyncInfo {
        let status = self.handles.sync.status();
        let phase = match status.phase {
            sync::SyncPhase::Discovering => SyncPhase::Discovering,
            sync::SyncPhase::Headers => SyncPhase::Headers,
            sync::SyncPhase::Bodies => SyncPhase::Bodies,
            sync::SyncPhase::CaughtUp => SyncPhase::CaughtUp,
            sync::SyncPhase::Stalled(_) => SyncPhase::Stalled,
        };
        SyncInfo {
            phase,
            headers: status.best_header.get(),
            target: status.target.get(),
            progress: status.progress(),
            blocks_per_second: status.rate,
            left_ms: status.left.map(millis),
            reason: status.phase.stall().map(|stall| stall.to_string()),
        }
    }
}
