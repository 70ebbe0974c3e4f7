//! What the port counts, and what it tells Prometheus: one registry, units in the names.

use crate::{context::Context, error::refused};
use cairn_chain::{HeaderTreeStats, Tip};
use cairn_common::memory;
use cairn_maintenance::disk_budget::Usage;
use cairn_mempool::PoolInfo;
use cairn_miner::MinerInfo;
use cairn_network::NetworkInfo;
use cairn_network::sync::{SyncPhase, SyncStatus};
use cairn_rpc::error::RpcError;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::{
    encoding::text::encode, metrics::counter::Counter, metrics::family::Family, registry::Registry,
};
use std::{fs, sync::Arc, time::Duration};

/// Names and values.
type Labels<const N: usize> = [(&'static str, &'static str); N];

/// Counters of the port.
pub struct Metrics {
    calls: Family<Labels<2>, Counter>,
    seconds: Family<Labels<1>, Histogram, fn() -> Histogram>,
    refused: Family<Labels<1>, Counter>,
}

/// From 0.1 ms to 26 s, each twice as long as the one before.
fn call_seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.000_1, 2.0, 19))
}

impl Metrics {
    pub fn new() -> Self {
        let seconds = Family::new_with_constructor(call_seconds as fn() -> Histogram);
        Self { calls: Family::default(), seconds, refused: Family::default() }
    }

    /// Counts a call. `method` is a name from the table of methods, or a word for all others: who asks for
    /// made-up names must not fill the memory with counters.
    pub fn called(&self, method: &'static str, outcome: &'static str, took: Duration) {
        self.calls.get_or_create(&[("method", method), ("outcome", outcome)]).inc();
        self.seconds.get_or_create(&[("method", method)]).observe(took.as_secs_f64());
    }

    /// Counts a request that reached no method.
    pub fn refused(&self, reason: &'static str) {
        self.refused.get_or_create(&[("reason", reason)]).inc();
    }

    /// Writes everything in the text format of OpenMetrics; so many connections are open.
    pub async fn scrape(&self, context: &Context, connections: usize) -> Result<String, RpcError> {
        let readings = Readings::take(context, connections).await?;
        Ok(self.text(&readings))
    }

    fn text(&self, readings: &Readings) -> String {
        let (mut registry, mut text) = (Registry::with_prefix("cairn"), String::new());
        registry.register("rpc_calls", "JSON-RPC calls answered, by method and outcome", self.calls.clone());
        let help = "Time from a call's arrival to its answer";
        registry.register("rpc_call_duration_seconds", help, self.seconds.clone());
        let help = "Requests refused before any method was called";
        registry.register("rpc_refused_requests", help, self.refused.clone());
        readings.register(&mut registry);
        encode(&mut text, &registry).expect("a String takes all");
        text
    }
}

/// What the parts say when somebody asks.
struct Readings {
    connections: usize,
    tip: Arc<Tip>,
    header_tree: HeaderTreeStats,
    sync: SyncStatus,
    pool: PoolInfo,
    network: NetworkInfo,
    miner: MinerInfo,
    room: Usage,
    /// Up to which height the index of addresses is built.
    indexed: u64,
    uptime: Duration,
}

impl Readings {
    async fn take(context: &Context, connections: usize) -> Result<Self, RpcError> {
        let handles = &context.handles;
        Ok(Self {
            connections,
            pool: handles.pool.info().await.map_err(refused)?,
            network: handles.network.info().await,
            tip: handles.chain.tip(),
            header_tree: handles.chain.header_tree_stats().await.map_err(refused)?,
            sync: handles.sync.status(),
            miner: handles.miner.info(),
            room: handles.budget.usage(),
            indexed: context.read(|reader| reader.indexed()).await?.map_or(0, |height| height.get()),
            uptime: context.started.elapsed(),
        })
    }

    fn register(&self, registry: &mut Registry) {
        let Self { tip, header_tree, sync, pool, network, miner, room, .. } = self;
        let mut whole = |name, help, value: u64| registry.register::<&str, &str>(name, help, ConstGauge::new(value));
        let help = "Open connections to the JSON-RPC port, and of the node's own tools";
        whole("rpc_connections", help, self.connections as u64);
        whole("chain_height_blocks", "Height of the tip", tip.height().get());
        whole("chain_aside_headers", "Headers kept beside the followed chain", header_tree.headers as u64);
        let help = "Bytes of the bodies in memory that are kept beside the followed chain";
        whole("chain_aside_body_bytes", help, header_tree.body_bytes as u64);
        whole("sync_target_height_blocks", "Greatest height that a peer has reported", sync.target.get());
        whole("sync_headers_height_blocks", "Height of the best header", sync.best_header.get());
        let help = "Height up to which the index of addresses is built; 0 when off";
        whole("index_addresses_height_blocks", help, self.indexed);
        whole("mempool_transactions", "Transactions that wait for a block", pool.count as u64);
        whole("mempool_bytes", "Bytes of the transactions that wait", pool.bytes as u64);
        whole("mempool_max_bytes", "Most bytes that may wait", pool.max_bytes as u64);
        whole("mempool_min_fee_pebbles_per_byte", "Least fee that the pool takes now", pool.min_fee_rate);
        whole("mining_found_blocks", "Blocks found since the start that came onto the chain", miner.blocks_found);
        let memory = memory::resident().unwrap_or_default();
        whole("process_resident_memory_bytes", "Memory of the process that is in RAM", memory);
        let files = fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64);
        whole("process_open_fds", "Open file descriptors of the process", files);
        whole("data_used_bytes", "What the data directory takes", room.used_bytes);
        whole("data_free_bytes", "What is free on the disk of the data directory", room.free_bytes);
        whole("upload_today_bytes", "Given since midnight UTC to those who catch up", network.uploaded_today);
        let mut real = |name, help, value: f64| registry.register::<&str, &str>(name, help, ConstGauge::new(value));
        let tip_time = Duration::from_millis(tip.header.time.millis()).as_secs_f64();
        real("chain_tip_timestamp_seconds", "When the tip's miner says it was made, Unix time", tip_time);
        real("chain_work_hashes", "Expected attempts behind the followed chain", tip.total_work.to_f64());
        real("mining_hashes_per_second", "Attempts of this node's miner", miner.hash_rate);
        real("uptime_seconds", "Time since the node started", self.uptime.as_secs_f64());
        let phases = SyncPhase::NAMES.map(|phase| (phase, i64::from(phase == sync.phase.name())));
        registry.register("sync_phase", "1 for what synchronisation is doing", by("phase", phases));
        self.register_network(registry);
    }

    /// What the node is at among its peers, and what it has lost.
    fn register_network(&self, registry: &mut Registry) {
        let network = &self.network;
        let losses = &network.losses;
        let losses = [
            ("dropped", losses.dropped as i64),
            ("repeated", losses.repeated as i64),
            ("crowded_out", losses.crowded_out as i64),
            ("unlooked", losses.unlooked as i64),
            ("sent_again", losses.sent_again as i64),
        ];
        let help = "What gossip has lost since the start, and comes by comparing pools and by sync";
        registry.register("network_gossip_losses", help, by("kind", losses));
        let hand = &network.in_hand;
        let hand = [
            ("judging", hand.judging as i64),
            ("waiting", hand.waiting as i64),
            ("answering", hand.answering as i64),
            ("turns", hand.turns as i64),
            ("dials", hand.dials as i64),
            ("slots", hand.slots as i64),
            ("comparing", hand.comparing as i64),
        ];
        let help = "What the node is at among its peers; all but slots comes back to 0";
        registry.register("network_in_hand", help, by("kind", hand));
        let peers = [("inbound", network.inbound as i64), ("outbound", network.outbound as i64)];
        registry.register("network_peers", "Connected peers, by who dialled", by("direction", peers));
    }
}

/// Gauges that one label tells apart.
fn by<const N: usize>(label: &'static str, values: [(&'static str, i64); N]) -> Family<Labels<1>, Gauge> {
    let gauges = Family::<Labels<1>, Gauge>::default();
    for (name, value) in values {
        gauges.get_or_create(&[(label, name)]).set(value);
    }
    gauges
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_ledger::{pow::Work, testing::easy_network};

    /// Of a node that has done nothing.
    fn readings() -> Readings {
        let (spec, max_bytes) = (easy_network(), 1);
        let pool = PoolInfo { count: 0, bytes: 0, max_count: 1, max_bytes, senders: 0, min_fee_rate: 1 };
        Readings {
            connections: 0,
            tip: Arc::new(Tip { header: spec.genesis().clone(), id: spec.genesis_id(), total_work: Work::ZERO }),
            header_tree: HeaderTreeStats::default(),
            sync: SyncStatus::default(),
            pool,
            network: NetworkInfo::default(),
            miner: MinerInfo::default(),
            room: Usage::default(),
            indexed: 0,
            uptime: Duration::ZERO,
        }
    }

    #[test]
    fn calls_and_refusals_are_told_with_their_labels() {
        let metrics = Metrics::new();
        metrics.called("chain_tip", "ok", Duration::from_millis(3));
        metrics.called("chain_tip", "ok", Duration::from_millis(3));
        metrics.refused("host");
        let text = metrics.text(&readings());
        for line in [
            "cairn_rpc_calls_total{method=\"chain_tip\",outcome=\"ok\"} 2",
            "cairn_rpc_refused_requests_total{reason=\"host\"} 1",
            "cairn_rpc_call_duration_seconds_count{method=\"chain_tip\"} 2",
            "# EOF",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
    }

    #[test]
    fn the_dashboard_shows_what_is_told() {
        let metrics = Metrics::new();
        metrics.called("chain_tip", "ok", Duration::ZERO);
        metrics.refused("host");
        let told = metrics.text(&readings());
        let dashboard = include_str!("../../docs/grafana.json");
        let names: Vec<&str> = dashboard
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .filter(|word| word.starts_with("cairn_"))
            .collect();
        assert!(names.len() > 10, "{names:?}");
        for name in names {
            assert!(told.lines().any(|line| line.starts_with(name)), "{name} is in docs/grafana.json and not told");
        }
    }
}
