//! `node_*`: the node itself.

use crate::context::{Context, millis};
use crate::error::{self, refused};
use cairn_chain::store::{Stretch, TableUsage};
use cairn_chain::{Reader, SnapshotInfo};
use cairn_common::{clock, memory};
use cairn_ledger::units::Height;
use cairn_maintenance::background_validation::ValidationHandle;
use cairn_maintenance::health::{Health, Problem, notice};
use cairn_network::sync;
use cairn_rpc::types::{
    BackupInfo, HealthJson, MemoryInfo, NodeInfo, ProblemJson, Room, RulesJson, SnapshotJson, SnapshotProgressJson,
    StorageInfo, StretchJson, SyncInfo, SyncPhase, TableSize, Trust, UploadInfo,
};
use cairn_rpc::{methods::NodeServer, text::Text};
use jsonrpsee::core::{RpcResult, async_trait};
use std::path::PathBuf;

#[async_trait]
impl NodeServer for Context {
    async fn node_info(&self) -> RpcResult<NodeInfo> {
        let tip = self.handles.chain.tip();
        let network = self.handles.network.info().await;
        let pool = self.handles.pool.info().await.map_err(refused)?;
        let notice = notice(self.handles.chain.unknown_rules().as_ref(), network.other_upgrades.as_ref());
        let read = |reader: &Reader| Ok((reader.indexed()?, reader.account_count()?, reader.restored()?));
        let (indexed, accounts, restored) = self.read(read).await?;
        let kept = self.handles.chain.reader().kept();
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
            rules: RulesJson::new(&self.spec, tip.height().saturating_add(1)),
            outdated: notice.as_ref().is_some_and(|notice| notice.outdated),
            rules_notice: notice.map(|notice| notice.message),
            health: show_health(&self.handles.health.look().await),
            sync: self.sync_info(),
            peers: network.peers as u64,
            pooled: pool.count as u64,
            time: clock::now().millis(),
            uptime_ms: millis(self.started.elapsed()),
            address_index: indexed.map(Height::get),
            accounts,
            memory_bytes: memory::resident(),
            max_memory_bytes: self.max_memory_bytes,
            lowest_body: kept.lowest().get(),
            stretches: kept.stretches().iter().map(show_stretch).collect(),
            trust: if restored.is_some() { Trust::Work } else { Trust::Full },
            restored_at: restored.map(Height::get),
            history_height: self.handles.history.as_ref().and_then(ValidationHandle::height).map(Height::get),
            snapshots: self.handles.chain.reader().snapshots().iter().map(show_snapshot).collect(),
            damage_mended: self.handles.chain.reader().healed(),
            room: self.room(),
            upload: UploadInfo { today_bytes: network.uploaded_today, max_bytes_per_day: network.max_upload_per_day },
        })
    }

    async fn node_storage(&self) -> RpcResult<StorageInfo> {
        let usage = self.read(|reader| reader.usage()).await?;
        let pool = self.handles.pool.info().await.map_err(refused)?;
        Ok(StorageInfo {
            tables: usage.tables.iter().map(table_size).collect(),
            bytes: usage.tables.iter().map(|table| table.bytes).sum(),
            memory: MemoryInfo {
                process: memory::resident(),
                database_cache: usage.cache_bytes,
                database_writes: usage.write_bytes,
                database_indexes: usage.index_bytes,
                pool: pool.bytes as u64,
            },
        })
    }

    async fn node_backup(&self, directory: String) -> RpcResult<BackupInfo> {
        let (reader, to) = (self.handles.chain.reader().clone(), PathBuf::from(&directory));
        // A disk elsewhere that fails is no failure of the node's own.
        let copied = tokio::task::spawn_blocking(move || reader.backup(&to)).await;
        let backup = copied.map_err(|_| error::stopping())?.map_err(refused)?;
        Ok(BackupInfo { directory, bytes: backup.bytes, height: backup.height.get() })
    }

    async fn node_stop(&self) -> RpcResult<()> {
        tracing::info!(target: "cairn::api", "told to stop by node_stop");
        // Full or closed: the node is stopping already.
        let _ = self.stop.try_send(());
        Ok(())
    }
}

impl Context {
    fn room(&self) -> Room {
        let usage = self.handles.budget.usage();
        Room {
            used_bytes: usage.used_bytes,
            free_bytes: usage.free_bytes,
            max_bytes: self.handles.budget.max_bytes,
            growth_bytes_per_day: usage.growth_per_day,
            days_until_full: usage.days_until_full,
        }
    }

    fn sync_info(&self) -> SyncInfo {
        let status = self.handles.sync.status();
        let phase = match status.phase {
            sync::SyncPhase::Discovering => SyncPhase::Discovering,
            sync::SyncPhase::Headers => SyncPhase::Headers,
            sync::SyncPhase::Snapshot => SyncPhase::Snapshot,
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
            snapshot: status.snapshot.map(|sync::SnapshotProgress { height, here, runs }| SnapshotProgressJson {
                height: height.get(),
                here,
                runs,
            }),
            reason: status.trouble(),
        }
    }
}

/// A table as clients are shown it.
pub fn table_size(table: &TableUsage) -> TableSize {
    TableSize { name: table.name.to_owned(), bytes: table.bytes, entries: table.entries }
}

fn show_snapshot(held: &SnapshotInfo) -> SnapshotJson {
    SnapshotJson { height: held.height.get(), state_root: Text(held.state_root), accounts: held.accounts }
}

fn show_stretch(kept: &Stretch) -> StretchJson {
    StretchJson { from: kept.from.get(), to: kept.to.get().saturating_sub(1), drawn: kept.is_drawn }
}

fn show_health(health: &Health) -> HealthJson {
    let show = |problem: &Problem| ProblemJson {
        kind: problem.kind.to_owned(),
        blocking: problem.blocking,
        message: problem.what.clone(),
        advice: problem.advice.to_owned(),
    };
    HealthJson { ready: health.is_ready(), problems: health.problems.iter().map(show).collect() }
}
