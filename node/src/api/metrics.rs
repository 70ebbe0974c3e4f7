//! What the port counts, and what it tells Prometheus: one registry, units in the names.

use crate::api::{context::Context, error::refused};
use cairn_network::sync::SyncPhase;
use cairn_rpc::error::RpcError;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};
use std::{
    fs,
    sync::atomic::AtomicU64,
    time::{Duration, Instant},
};

type Whole = Gauge<u64, AtomicU64>;
type Real = Gauge<f64, AtomicU64>;

/// The size of a page of memory on the machines this runs on (Linux on x86-64 and 64-bit ARM).
const PAGE_BYTES: u64 = 4_096;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Call {
    method: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Method {
    method: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

/// Counters of the port, and gauges of the parts that are read when somebody asks.
pub struct Metrics {
    registry: Registry,
    calls: Family<Call, Counter>,
    seconds: Family<Method, Histogram, fn() -> Histogram>,
    refused: Family<Reason, Counter>,
    connections: Gauge,
    gauges: Gauges,
}

#[derive(Default)]
struct Gauges {
    height: Whole,
    tip_time: Real,
    work: Real,
    sync_phase: Family<Phase, Gauge>,
    sync_target: Whole,
    headers: Whole,
    indexed: Whole,
    peers: Family<Direction, Gauge>,
    pool_count: Whole,
    pool_bytes: Whole,
    pool_max_bytes: Whole,
    pool_min_fee_rate: Whole,
    hash_rate: Real,
    blocks_found: Whole,
    uptime: Real,
    memory: Whole,
    files: Whole,
    data_used: Whole,
    data_free: Whole,
    uploaded: Whole,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Phase {
    phase: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Direction {
    direction: &'static str,
}

/// From 0.1 ms to 26 s, each twice as long as the one before.
fn call_seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.000_1, 2.0, 19))
}

impl Metrics {
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("cairn");
        let calls = Family::default();
        let seconds = Family::new_with_constructor(call_seconds as fn() -> Histogram);
        let (refused, connections, gauges) = (Family::default(), Gauge::default(), Gauges::default());
        registry.register("rpc_calls", "JSON-RPC calls answered, by method and outcome", calls.clone());
        registry.register("rpc_call_duration_seconds", "Time from a call's arrival to its answer", seconds.clone());
        registry.register("rpc_refused_requests", "Requests refused before any method was called", refused.clone());
        registry.register(
            "rpc_connections",
            "Open connections to the JSON-RPC port, and of the node's own tools",
            connections.clone(),
        );
        gauges.register(&mut registry);
        Self { registry, calls, seconds, refused, connections, gauges }
    }

    /// Counts a call. `method` is a name from the table of methods, or a word for all others: who asks for
    /// made-up names must not fill the memory with counters.
    pub fn called(&self, method: &'static str, outcome: &'static str, took: Duration) {
        self.calls.get_or_create(&Call { method, outcome }).inc();
        self.seconds.get_or_create(&Method { method }).observe(took.as_secs_f64());
    }

    /// Counts a request that reached no method.
    pub fn refused(&self, reason: &'static str) {
        self.refused.get_or_create(&Reason { reason }).inc();
    }

    /// Reads the parts' gauges and writes everything in the text format of OpenMetrics; so many connections are open.
    pub async fn scrape(&self, context: &Context, connections: usize) -> Result<String, RpcError> {
        self.connections.set(i64::try_from(connections).unwrap_or(i64::MAX));
        self.gauges.read(context).await?;
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a String takes all");
        Ok(text)
    }
}

impl Gauges {
    fn register(&self, registry: &mut Registry) {
        let mut add = |name: &str, help: &str, gauge: &Whole| registry.register(name, help, gauge.clone());
        add("chain_height_blocks", "Height of the tip", &self.height);
        add("sync_target_height_blocks", "Greatest height that a peer has reported", &self.sync_target);
        add("sync_headers_height_blocks", "Height of the best header", &self.headers);
        add(
            "index_addresses_height_blocks",
            "Height up to which the index of addresses is built; 0 when off",
            &self.indexed,
        );
        add("mempool_transactions", "Transactions that wait for a block", &self.pool_count);
        add("mempool_bytes", "Bytes of the transactions that wait", &self.pool_bytes);
        add("mempool_max_bytes", "Most bytes that may wait", &self.pool_max_bytes);
        add("mempool_min_fee_pebbles_per_byte", "Least fee that the pool takes now", &self.pool_min_fee_rate);
        add("mining_found_blocks", "Blocks found since the start that came onto the chain", &self.blocks_found);
        add("process_resident_memory_bytes", "Memory of the process that is in RAM", &self.memory);
        add("process_open_fds", "Open file descriptors of the process", &self.files);
        add("data_used_bytes", "What the data directory takes", &self.data_used);
        add("data_free_bytes", "What is free on the disk of the data directory", &self.data_free);
        add("upload_today_bytes", "Given since midnight UTC to those who catch up", &self.uploaded);
        let mut add = |name: &str, help: &str, gauge: &Real| registry.register(name, help, gauge.clone());
        add("chain_tip_timestamp_seconds", "When the tip's miner says it was made, Unix time", &self.tip_time);
        add("chain_work_hashes", "Expected attempts behind the followed chain", &self.work);
        add("mining_hashes_per_second", "Attempts of this node's miner", &self.hash_rate);
        add("uptime_seconds", "Time since the node started", &self.uptime);
        registry.register("sync_phase", "1 for what synchronisation is doing", self.sync_phase.clone());
        registry.register("network_peers", "Connected peers, by who dialled", self.peers.clone());
    }

    async fn read(&self, context: &Context) -> Result<(), RpcError> {
        let handles = &context.handles;
        let (pool, network) = (handles.pool.info().await.map_err(refused)?, handles.network.info().await);
        let (tip, sync, miner) = (handles.chain.tip(), handles.sync.status(), handles.miner.info());
        self.height.set(tip.height().get());
        self.tip_time.set(Duration::from_millis(tip.header.time.millis()).as_secs_f64());
        self.work.set(tip.total_work.to_f64());
        self.sync_target.set(sync.target.get());
        self.headers.set(sync.best_header.get());
        self.indexed.set(context.read(|reader| reader.indexed()).await?.map_or(0, |height| height.get()));
        for phase in SyncPhase::NAMES {
            let gauge = self.sync_phase.get_or_create(&Phase { phase });
            gauge.set(i64::from(phase == sync.phase.name()));
        }
        for (direction, count) in [("inbound", network.inbound), ("outbound", network.outbound)] {
            self.peers.get_or_create(&Direction { direction }).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        self.pool_count.set(pool.count as u64);
        self.pool_bytes.set(pool.bytes as u64);
        self.pool_max_bytes.set(pool.max_bytes as u64);
        self.pool_min_fee_rate.set(pool.min_fee_rate);
        self.hash_rate.set(miner.hash_rate);
        self.blocks_found.set(miner.blocks_found);
        self.uptime.set(Instant::now().saturating_duration_since(context.started).as_secs_f64());
        self.memory.set(resident_bytes().unwrap_or_default());
        let room = handles.budget.usage();
        self.data_used.set(room.used_bytes);
        self.data_free.set(room.free_bytes);
        self.uploaded.set(network.uploaded_today);
        self.files.set(fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64));
        Ok(())
    }
}

/// What synchronisation is doing, in a word.
/// See proc_pid_statm(5): the second field is the resident set in pages.
pub fn resident_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    pages.checked_mul(PAGE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_and_refusals_are_told_with_their_labels() {
        let metrics = Metrics::new();
        metrics.called("chain_tip", "ok", Duration::from_millis(3));
        metrics.called("chain_tip", "ok", Duration::from_millis(3));
        metrics.refused("host");
        let mut text = String::new();
        encode(&mut text, &metrics.registry).expect("text");
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
        let _ = metrics.gauges.sync_phase.get_or_create(&Phase { phase: "headers" });
        let _ = metrics.gauges.peers.get_or_create(&Direction { direction: "inbound" });
        let mut told = String::new();
        encode(&mut told, &metrics.registry).expect("text");
        let dashboard = include_str!("../../../docs/grafana.json");
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
