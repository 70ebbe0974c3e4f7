//! One whole node, put together as `cairn-node` puts it together, without JSON-RPC.

use crate::adversary::{Adversary, Rewritten};
use crate::fabric::{Fabric, Handle};
use crate::mining::{self, Miner};
use crate::observations::Observer;
use cairn_chain::{ChainEvent, ChainHandle, SharedChecks, StoreError, store::BLOCK_BYTES, store::MemoryDisk};
use cairn_common::runtime;
use cairn_common::tasks::{self, ShutdownSwitch};
use cairn_ledger::chain_spec::ChainSpec;
use cairn_ledger::units::Height;
use cairn_mempool::{PoolConfig, PoolHandle};
use cairn_network::sync::{self, SyncHandle};
use cairn_network::transport::PeerId;
use cairn_network::{NetworkConfig, NetworkError, NetworkFiles, NetworkHandle, NetworkParts};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::broadcast;

/// How a node is set up.
#[derive(Clone)]
pub struct NodeSetup {
    /// The rules.
    pub spec: Arc<ChainSpec>,
    /// How it takes part in the network.
    pub network: NetworkConfig,
    /// Its disk.
    pub disk: MemoryDisk,
    /// What all nodes have checked.
    pub checks: SharedChecks,
    /// How it mines, if it does.
    pub miner: Option<Miner>,
    /// How it attacks others, if it does.
    pub adversary: Option<Adversary>,
}

/// A node at work.
pub struct RunningNode {
    /// Its chain.
    pub chain: ChainHandle,
    /// Its pool.
    pub pool: PoolHandle,
    /// Its network.
    pub network: NetworkHandle,
    /// Its synchronisation.
    pub sync: SyncHandle,
    /// Tells its parts to stop; whoever drops it does.
    _switches: Vec<ShutdownSwitch>,
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its network.
    #[error(transparent)]
    Network(#[from] NetworkError),
}

fn files() -> NetworkFiles {
    let at = |name: &str| Path::new("/").join(name);
    NetworkFiles { node_key: at("node.key"), book: at("peers.bin"), bans: at("bans.json"), upload: at("upload.json") }
}

/// Starts a node, in its own surroundings; `failed` is called when its disk fails.
///
/// # Errors
/// Its database, or its configuration.
pub fn start(
    own: PeerId,
    setup: NodeSetup,
    fabric: &Arc<Mutex<Fabric>>,
    observer: Observer,
    failed: impl FnOnce() + Send + 'static,
) -> Result<RunningNode, StartError> {
    let NodeSetup { spec, network: config, disk, checks, miner, adversary } = setup;
    let node = observer.node();
    let (chain, writer) = cairn_chain::spawn_in_memory(spec.clone(), disk, checks)?;
    drop(runtime::spawn(async {
        // A failing store ends the whole node.
        if writer.ended().await.is_err() {
            failed();
        }
    }));
    let mut switches = Vec::new();
    let mut shutdown = || {
        let (switch, shutdown) = tasks::shutdown();
        switches.push(switch);
        shutdown
    };
    let (pool, _) = cairn_mempool::spawn(spec.clone(), PoolConfig::default(), chain.clone(), None, shutdown());
    let parts = NetworkParts {
        config: config.clone(),
        spec: spec.clone(),
        chain: chain.clone(),
        pool: pool.clone(),
        files: files(),
        shutdown: shutdown(),
    };
    let join = |rules| {
        let limits = (config.max_inbound, config.max_outbound);
        fabric.lock().unwrap_or_else(PoisonError::into_inner).start(node, rules, limits);
        Handle::new(fabric.clone(), node)
    };
    let (network, events, _) = match adversary {
        None => cairn_network::spawn_over(parts, own, join)?,
        Some(adversary) => cairn_network::spawn_over(parts, own, |rules| Rewritten::new(join(rules), adversary))?,
    };
    drop(runtime::spawn(observe(chain.subscribe(), chain.clone(), observer.clone())));
    let rules = sync::SyncConfig { spec: spec.clone(), local: false, block_bytes: BLOCK_BYTES, is_own: true };
    let (sync, _) = sync::spawn(rules, chain.clone(), network.clone(), events, shutdown());
    if let Some(miner) = miner {
        let task = mining::mine(chain.clone(), pool.clone(), network.clone(), miner, observer);
        drop(runtime::spawn(task));
    }
    Ok(RunningNode { chain, pool, network, sync, _switches: switches })
}

/// Tells of each block that comes onto a chain, and of those that leave it.
async fn observe(mut moves: broadcast::Receiver<ChainEvent>, chain: ChainHandle, observer: Observer) {
    let mut tip = Some(chain.tip());
    let mut height = chain.tip().height().get();
    loop {
        let event = match moves.recv().await {
            Ok(event) => event,
            Err(broadcast::error::RecvError::Lagged(_)) => {
                tip = None;
                continue;
            }
            Err(broadcast::error::RecvError::Closed) => return,
        };
        let now = observer.now();
        let seen = &mut *observer.seen();
        if let Some(tip) = tip.replace(event.tip.clone()) {
            seen.on_moved((observer.node(), now), &tip, &event);
        }
        let above = Height::new(event.tip.height().get() + 1);
        let remains = chain.reader().header_at(above).ok().flatten();
        if remains.is_some() && chain.tip().id == event.tip.id {
            seen.on_remains(observer.node());
        }
        if event.left.is_none() {
            for block in event.connected.iter() {
                seen.on_connected(&block.header().id(), observer.node(), now);
            }
        } else {
            // These blocks may have come long before.
            let lowest = event.connected.first().map_or(height, |block| block.header().header().height.get());
            seen.on_reorganised((height + 1).saturating_sub(lowest));
        }
        height = event.tip.height().get();
    }
}
