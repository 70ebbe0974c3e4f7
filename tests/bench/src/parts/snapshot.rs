//! Beginning with a snapshot: an empty node among four peers that hold one, against the same node from block 0.

use super::Bench;
use crate::chains::{self, Plan};
use crate::node::{self, Node, Scratch, number};
use crate::{Failure, results::Results};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A million accounts, in some hundred and fifty blocks.
const PLAN: Plan = Plan { accounts: 1_000_000, signers: 10_000, rounds: 50 };
/// Blocks from one snapshot to the next: the pivot has most of the accounts.
const EVERY: u64 = 40;
/// Peers.
const PEERS: usize = 4;
const RUNS: usize = 3;
/// Nobody finds anybody but by name.
const OFF: [&str; 3] = ["--discovery.kademlia=false", "--discovery.rendezvous=false", "--discovery.exchange=false"];

/// The network's file, with snapshots often enough for a short chain.
fn network(bench: &Bench, of: &Path) -> Result<PathBuf, Failure> {
    let path = bench.work.join("network-snapshots.toml");
    let text = fs::read_to_string(of)?;
    fs::write(&path, text.replace("[defaults]\n", &format!("[defaults]\nsnapshot_every = {EVERY}\n")))?;
    Ok(path)
}

/// How long an empty node takes to the tip, from when it has its peers.
fn join(bench: &Bench, network: &Path, peers: &str, height: u64, from: &str) -> Result<(f64, f64), Failure> {
    let data = Scratch::new(&bench.work, "joiner")?;
    let mut arguments = OFF.map(String::from).to_vec();
    arguments.extend([format!("--network.peers={peers}"), format!("--sync.from={from}")]);
    // What is executed aside afterwards is no part of it.
    arguments.push(String::from("--storage.keep_blocks=288"));
    let mut client = Node::start(network, data.path(), &arguments)?;
    let connected = |node: &Node| {
        let peers = node.call("net_info", &json!([])).ok()?["peers"].as_u64()?;
        (peers > 0 || node.height().ok()? > 0).then(Instant::now)
    };
    let began = client.until("it has a peer", connected)?;
    let ended = client.until("it has the chain", |node| (node.height().ok()? >= height).then(Instant::now))?;
    let peak = client.memory_mib("VmHWM")?;
    client.stop()?;
    Ok((ended.duration_since(began).as_secs_f64(), peak))
}

/// An empty node to the tip of a chain with a million accounts, by a snapshot and from block 0, in turns.
pub fn snapshot(bench: &Bench, results: &mut Results) -> Result<(), Failure> {
    let files = chains::files(&bench.work, PLAN)?;
    let network = network(bench, &files.network)?;
    let data = Scratch::new(&bench.work, "holder")?;
    node::import(&network, data.path(), &files.base, None)?;
    node::import(&network, data.path(), &files.payments, None)?;
    // It makes its snapshots while it stands there.
    node::settle(&network, data.path())?;
    let names = ["snapshot.seconds", "snapshot.peak_mib", "snapshot.from_genesis.seconds", "snapshot.accounts"];
    names.iter().for_each(|name| results.clear(name));
    let holders = (0..PEERS).map(|n| Scratch::copy(&bench.work, &format!("holder-{n}"), data.path()));
    let holders = holders.collect::<Result<Vec<_>, _>>()?;
    let nodes = holders.iter().map(|data| Node::start(&network, data.path(), &OFF.map(String::from)));
    let nodes = nodes.collect::<Result<Vec<_>, _>>()?;
    let first = nodes.first().ok_or("a node")?;
    let (height, info) = (first.height()?, first.call("node_info", &json!([]))?);
    let pivot = &info["snapshots"][0];
    results.add("snapshot.accounts", number(pivot, "accounts")?);
    let peers = nodes.iter().map(Node::address).collect::<Result<Vec<_>, _>>()?.join(",");
    for _ in 0..RUNS {
        let (seconds, peak) = join(bench, &network, &peers, height, "snapshot")?;
        results.add("snapshot.seconds", seconds);
        results.add("snapshot.peak_mib", peak);
        results.add("snapshot.from_genesis.seconds", join(bench, &network, &peers, height, "genesis")?.0);
    }
    nodes.into_iter().try_for_each(Node::stop)
}
