//! The schedule on real processes: each connection is a TCP proxy as far as the model's line, and what arrives is what
//! subscriptions (`chain_subscribeMoves`, `tx_subscribeStatus`) tell.

use super::SETTLED_AFTER;
use super::arrivals::{Arrivals, Thing};
use super::schedule::{Deed, Planned, Schedule, payment};
use crate::chaos::fleet::FleetError;
use crate::chaos::interrupt::Interrupt;
use crate::chaos::process::{Process, command, find};
use crate::chaos::rpc::ask;
use crate::executor::NodeId;
use crate::scenario::{Scenario, ScenarioError};
use cairn_ledger::chain_spec::ChainSpec;
use cairn_ledger::codec::encode;
use cairn_ledger::hash::TxId;
use cairn_ledger::testing::{self, key};
use cairn_ledger::units::Timestamp;
use cairn_rpc::methods::{ChainClient, TxClient};
use cairn_rpc::text::{HexBytes, Text};
use cairn_rpc::types::{NodeInfo, PeerJson, TxState};
use cairn_tests::network::now_ms;
use cairn_tests::node::{OFF, free_port};
use cairn_tests::shaper::{Line, Shaper};
use jsonrpsee_ws_client::{WsClient, WsClientBuilder};
use serde_json::{Value, json};
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a node may take until it answers, and until all are connected.
const START_WITHIN: Duration = Duration::from_secs(60);
/// How long before a payment all nodes are asked to tell of it.
const AHEAD: Duration = Duration::from_millis(500);

/// The processes, and the lines between them.
struct Processes {
    // Ended before the lines are.
    processes: Vec<Process>,
    rpc: Vec<u16>,
    peers: Vec<String>,
    _lines: Vec<Shaper>,
    spec: ChainSpec,
}

fn failed(what: &str, why: &dyn std::fmt::Display) -> FleetError {
    FleetError::Io(io::Error::other(format!("{what}: {why}")))
}

impl Processes {
    /// Starts all, one after the other, each as soon as the one before is connected.
    fn start(
        scenario: &Scenario,
        schedule: &Schedule,
        latency: impl Fn(NodeId, NodeId) -> Duration,
        directory: &Path,
        interrupt: &Interrupt,
    ) -> Result<Self, FleetError> {
        let program = find("cairn-node")?;
        fs::create_dir_all(directory)?;
        let mut params = scenario.spec()?.params().clone();
        params.name = format!("validation-{}", std::process::id());
        params.genesis_time = Timestamp::from_millis(now_ms());
        let genesis = directory.join("genesis.toml");
        fs::write(&genesis, testing::network_file(&params, true))?;
        let spec = ChainSpec::new(params).map_err(ScenarioError::from)?;
        let mut all = Self { processes: Vec::new(), rpc: Vec::new(), peers: Vec::new(), _lines: Vec::new(), spec };
        let mut ports: Vec<u16> = Vec::new();
        for (n, dials) in schedule.dials.iter().enumerate() {
            let (node, mut peers, port, rpc) = (NodeId(n as u32), Vec::new(), free_port(), free_port());
            for other in dials {
                let target = SocketAddr::from((Ipv4Addr::LOCALHOST, ports[other.0 as usize]));
                let line = Shaper::start(target, Line { latency: latency(node, *other), bytes_per_second: None })?;
                peers.push(line.multiaddr(&all.peers[other.0 as usize]));
                all._lines.push(line);
            }
            ports.push(port);
            all.rpc.push(rpc);
            let home = directory.join(format!("node-{n}"));
            fs::create_dir_all(&home)?;
            let mut command = command(&program);
            command.arg("run").arg("--chain").arg(&genesis).arg("--data-dir").arg(&home).args(OFF);
            command.arg(format!("--network.listen=/ip4/127.0.0.1/tcp/{port}"));
            command.arg(format!("--network.peers={}", peers.join(",")));
            command.arg(format!("--rpc.listen=127.0.0.1:{rpc}"));
            // Whoever found another by itself would go around the lines.
            command.args(["--network.allow_private=true", "--network.max_outbound=0", "--reach.autonat=false"]);
            command.args(["--discovery.mdns=false", "--reach.upnp=false", "--storage.write_buffer_mib=8"]);
            let mut process = Process::new(home, directory.join(format!("node-{n}.log")));
            process.start(command)?;
            all.processes.push(process);
            all.await_start(n, dials.len(), directory, interrupt)?;
        }
        Ok(all)
    }

    fn await_start(
        &mut self,
        n: usize,
        peers: usize,
        directory: &Path,
        interrupt: &Interrupt,
    ) -> Result<(), FleetError> {
        let (process, mut name) = (&self.processes[n], None);
        let is_up = interrupt.wait_until(Instant::now() + START_WITHIN, || {
            let info = process.ask::<NodeInfo>("node_info", &json!([])).ok();
            name = info.filter(|_| count_peers(process).is_some_and(|(all, _)| all >= peers)).map(|info| info.peer_id);
            name.is_some()
        });
        if !is_up {
            return Err(FleetError::Interrupted);
        }
        let log = directory.join(format!("node-{n}.log"));
        let number = n as u32;
        let tail = || fs::read_to_string(&log).unwrap_or_default().lines().rev().take(8).collect::<Vec<_>>().join("\n");
        self.peers.push(name.ok_or_else(|| FleetError::Start { number, tail: tail(), log: log.clone() })?);
        Ok(())
    }

    /// Waits until every node has all its connections, and its meshes.
    fn await_meshes(&self, schedule: &Schedule, interrupt: &Interrupt) -> Result<(), FleetError> {
        let lacks = || {
            self.processes.iter().enumerate().find_map(|(n, process)| {
                let degree = schedule.degree(NodeId(n as u32));
                let is_enough = |(peers, mesh)| peers >= degree && mesh > 0;
                let counted = count_peers(process);
                (!counted.is_some_and(is_enough))
                    .then(|| format!("node {n} of {degree} peers has {counted:?}, and in the smaller mesh"))
            })
        };
        let mut lacking = None;
        let goes_on = interrupt.wait_until(Instant::now() + START_WITHIN, || {
            lacking = lacks();
            lacking.is_none()
        });
        match lacking {
            _ if !goes_on => Err(FleetError::Interrupted),
            Some(lacking) => Err(failed("the network does not come to stand", &lacking)),
            None => Ok(()),
        }
    }
}

/// How many peers a node has, and how many of them are in the smaller of its meshes.
fn count_peers(process: &Process) -> Option<(usize, usize)> {
    let peers: Vec<PeerJson> = process.ask("net_peers", &json!([])).ok()?;
    let in_mesh = |topic: &str| peers.iter().filter(|peer| peer.mesh.iter().any(|of| of == topic)).count();
    Some((peers.len(), in_mesh("blocks").min(in_mesh("txs"))))
}

/// What notes all arrivals.
#[derive(Clone)]
struct Notes {
    arrivals: Arc<Mutex<Arrivals>>,
    began: Instant,
}

impl Notes {
    fn note(&self, thing: Thing, node: NodeId) {
        let at = self.began.elapsed();
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).note(thing, node, at);
    }
}

/// Plays the schedule on real processes, of which nothing is left but what is in the directory.
///
/// # Errors
/// They do not start, do not do what they are told, or it was interrupted.
pub fn play(
    scenario: &Scenario,
    schedule: &Schedule,
    latency: impl Fn(NodeId, NodeId) -> Duration,
    directory: &Path,
    interrupt: &Interrupt,
) -> Result<Arrivals, FleetError> {
    let processes = Processes::start(scenario, schedule, latency, directory, interrupt)?;
    processes.await_meshes(schedule, interrupt)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let notes = Notes { arrivals: Arc::default(), began: Instant::now() };
    runtime.block_on(follow_and_play(&processes, schedule, &notes, interrupt))?;
    drop(runtime);
    Ok(std::mem::take(&mut *notes.arrivals.lock().unwrap_or_else(PoisonError::into_inner)))
}

async fn follow_and_play(
    processes: &Processes,
    schedule: &Schedule,
    notes: &Notes,
    interrupt: &Interrupt,
) -> Result<(), FleetError> {
    let mut clients = Vec::new();
    for (n, port) in processes.rpc.iter().enumerate() {
        let client = WsClientBuilder::default().build(format!("ws://127.0.0.1:{port}")).await;
        let client = Arc::new(client.map_err(|error| failed("a WebSocket", &error))?);
        let moves = ChainClient::subscribe_moves(&*client, None).await;
        let mut moves = moves.map_err(|error| failed("chain_subscribeMoves", &error))?;
        let (notes, node) = (notes.clone(), NodeId(n as u32));
        drop(tokio::spawn(async move {
            while let Some(Ok(step)) = moves.next().await {
                step.connected.iter().for_each(|header| notes.note(Thing::Block(header.id.0), node));
            }
        }));
        clients.push(client);
    }
    let start = Instant::now() + SETTLED_AFTER;
    let mut waiting = Vec::new();
    // Of what is to be paid all nodes are asked to tell before.
    for planned in &schedule.planned {
        let early = if matches!(planned.deed, Deed::Pay { .. }) { AHEAD } else { Duration::ZERO };
        waiting.push((start + planned.at - early, planned, early > Duration::ZERO));
        if early > Duration::ZERO {
            waiting.push((start + planned.at, planned, false));
        }
    }
    waiting.sort_by_key(|(at, ..)| *at);
    for (at, planned, is_early) in waiting {
        sleep_until(at, interrupt).await?;
        match planned.deed {
            Deed::Pay { wallet, nonce } if is_early => {
                let txid = payment(&processes.spec, wallet, nonce).id();
                clients.iter().enumerate().for_each(|(n, client)| follow(client, txid, NodeId(n as u32), notes));
            }
            _ => take(processes, planned).await?,
        }
    }
    sleep_until(Instant::now() + SETTLED_AFTER, interrupt).await
}

fn follow(client: &Arc<WsClient>, txid: TxId, node: NodeId, notes: &Notes) {
    let (client, notes) = (client.clone(), notes.clone());
    drop(tokio::spawn(async move {
        let Ok(mut changes) = TxClient::subscribe_status(&*client, Text(txid), None).await else { return };
        while let Some(Ok(status)) = changes.next().await {
            if status.state == TxState::Pooled {
                notes.note(Thing::Payment(txid), node);
                return;
            }
        }
    }));
}

/// Has a node do what is planned; it takes it some milliseconds, in which nobody else waits.
async fn take(processes: &Processes, planned: &Planned) -> Result<(), FleetError> {
    let (home, spec) = (processes.processes[planned.node.0 as usize].home().to_owned(), &processes.spec);
    let (method, params) = match planned.deed {
        Deed::Mine => {
            let beneficiary = spec.params().prefix.encode(&key(1_000).address());
            ("mining_generate", json!([1, beneficiary]))
        }
        Deed::Pay { wallet, nonce } => ("tx_submit", json!([HexBytes(encode(&payment(spec, wallet, nonce)))])),
    };
    let asked = tokio::task::spawn_blocking(move || ask::<Value>(&home, method, &params)).await;
    asked.map_err(|error| failed(method, &error))?.map_err(|error| failed(method, &error))?;
    Ok(())
}

async fn sleep_until(moment: Instant, interrupt: &Interrupt) -> Result<(), FleetError> {
    loop {
        let left = moment.saturating_duration_since(Instant::now());
        if interrupt.is_set() {
            return Err(FleetError::Interrupted);
        }
        if left.is_zero() {
            return Ok(());
        }
        tokio::time::sleep(left.min(Duration::from_millis(100))).await;
    }
}
