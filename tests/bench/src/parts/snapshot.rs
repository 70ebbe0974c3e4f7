//! Beginning with a snapshot: an empty node among four peers that hold one, against the same node from block 0.

use super::Bench;
use crate::chains::{self, Files, Plan};
use crate::node::{self, Node, Scratch, Stranger, number};
use crate::{Failure, results::Results};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A million accounts, in some hundred and fifty blocks.
pub(super) const PLAN: Plan = Plan { accounts: 1_000_000, signers: 10_000, rounds: 50, creates: false };
/// Ten million, in some six hundred.
const PLAN_FULL: Plan = Plan { accounts: 10_000_000, rounds: 5, ..PLAN };
/// Blocks from one snapshot to the next: the pivot has most of the accounts.
const EVERY: u64 = 40;
/// Peers.
const PEERS: usize = 4;
const RUNS: usize = 3;
pub(super) const SNAPSHOT: &str = "--sync.from=snapshot";
/// Memory for a part of the accounts.
const BOUND: &str = "--memory.max_bytes=256MiB";
/// Nobody finds anybody but by name.
pub(super) const OFF: [&str; 3] =
    ["--discovery.kademlia=false", "--discovery.rendezvous=false", "--discovery.exchange=false"];

/// The network's file, with snapshots often enough for a short chain.
pub(super) fn network(bench: &Bench, of: &Path) -> Result<PathBuf, Failure> {
    let path = bench.work.join("network-snapshots.toml");
    let text = fs::read_to_string(of)?;
    fs::write(&path, text.replace("[defaults]\n", &format!("[defaults]\nsnapshot_every = {EVERY}\n")))?;
    Ok(path)
}

/// An empty node at the tip, and how long it took there from when it had its peers.
pub(super) fn joined(
    network: &Path,
    data: &Path,
    peers: &str,
    height: u64,
    more: &[&str],
) -> Result<(Node, f64), Failure> {
    let mut arguments: Vec<String> = OFF.iter().chain(more).map(|&argument| String::from(argument)).collect();
    arguments.push(format!("--network.peers={peers}"));
    // What is executed aside afterwards is no part of it.
    arguments.push(String::from("--storage.keep_blocks=288"));
    let mut client = Node::start(network, data, &arguments)?;
    let connected = |node: &Node| {
        let peers = node.call("net_info", &json!([])).ok()?["peers"].as_u64()?;
        (peers > 0 || node.height().ok()? > 0).then(Instant::now)
    };
    let began = client.until("it has a peer", connected)?;
    let ended = client.until("it has the chain", |node| (node.height().ok()? >= height).then(Instant::now))?;
    Ok((client, ended.duration_since(began).as_secs_f64()))
}

/// How long an empty node takes to the tip, and the most that it held.
fn join(bench: &Bench, network: &Path, peers: &str, height: u64, more: &[&str]) -> Result<(f64, f64), Failure> {
    let data = Scratch::new(&bench.work, "joiner")?;
    let (client, seconds) = joined(network, data.path(), peers, height, more)?;
    let peak = client.memory_mib("VmHWM")?;
    client.stop()?;
    Ok((seconds, peak))
}

/// The chain, at rest in four copies of a node that hold its snapshot.
struct Holders {
    files: Files,
    network: PathBuf,
    nodes: Vec<Node>,
    peers: Vec<String>,
    height: u64,
    /// Height and accounts of the snapshot.
    pivot: (u64, f64),
    // Dropped after the nodes.
    _data: Vec<Scratch>,
}

impl Holders {
    fn start(bench: &Bench, plan: Plan) -> Result<Self, Failure> {
        let files = chains::files(&bench.work, plan)?;
        let network = network(bench, &files.network)?;
        let data = Scratch::new(&bench.work, "holder")?;
        node::import(&network, data.path(), &files.base, None)?;
        node::import(&network, data.path(), &files.payments, None)?;
        // It makes its snapshots while it stands there.
        node::settle(&network, data.path())?;
        let copies = (0..PEERS).map(|n| Scratch::copy(&bench.work, &format!("holder-{n}"), data.path()));
        let copies = copies.collect::<Result<Vec<_>, _>>()?;
        let nodes = copies.iter().map(|data| Node::start(&network, data.path(), &OFF.map(String::from)));
        let nodes = nodes.collect::<Result<Vec<_>, _>>()?;
        let first = nodes.first().ok_or("a node")?;
        let (height, info) = (first.height()?, first.call("node_info", &json!([]))?);
        let pivot = &info["snapshots"][0];
        let pivot = (pivot["height"].as_u64().ok_or("a snapshot has a height")?, number(pivot, "accounts")?);
        let peers = nodes.iter().map(Node::address).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { files, network, nodes, peers, height, pivot, _data: copies })
    }

    /// Two of the holders, one that sends accounts of its own and one that sends nothing.
    fn attacked(&self) -> Result<(Vec<Stranger>, String), Failure> {
        let info = self.nodes.first().ok_or("a node")?.call("net_info", &json!([]))?;
        let prefix = info["protocol_prefix"].as_str().ok_or("a node has a prefix")?;
        let height = self.pivot.0.to_string();
        let paths = [&self.network, &self.files.base, &self.files.payments].map(|path| path.display().to_string());
        let [network, base, payments] = &paths;
        let strangers = ["wrong", "silent"].map(|runs| {
            let words = ["hold", runs, prefix, network, &height, base, payments];
            Stranger::start(&words.map(String::from))
        });
        let strangers = strangers.into_iter().collect::<Result<Vec<_>, _>>()?;
        let honest = self.peers.iter().take(2).map(String::as_str);
        let peers: Vec<&str> = strangers.iter().map(|stranger| stranger.said.as_str()).chain(honest).collect();
        let peers = peers.join(",");
        Ok((strangers, peers))
    }

    fn stop(self) -> Result<(), Failure> {
        self.nodes.into_iter().try_for_each(Node::stop)
    }
}

/// An empty node to the tip of a chain with a million accounts, by a snapshot and from block 0, in turns; and where
/// half of its peers lie or stall. With `--full`, by the snapshot of ten million, too.
pub fn snapshot(bench: &Bench, results: &mut Results) -> Result<(), Failure> {
    let holders = Holders::start(bench, PLAN)?;
    results.add("snapshot.accounts", holders.pivot.1);
    let honest = holders.peers.join(",");
    let (_strangers, attacked) = holders.attacked()?;
    for _ in 0..RUNS {
        for (name, peers, more) in [
            ("snapshot", &honest, &[SNAPSHOT][..]),
            ("snapshot.attacked", &attacked, &[SNAPSHOT]),
            ("snapshot.from_genesis", &honest, &[]),
            ("snapshot.bounded", &honest, &[SNAPSHOT, BOUND]),
            ("snapshot.from_genesis.bounded", &honest, &[BOUND]),
        ] {
            let (seconds, peak) = join(bench, &holders.network, peers, holders.height, more)?;
            results.add(&format!("{name}.seconds"), seconds);
            results.add(&format!("{name}.peak_mib"), peak);
        }
    }
    holders.stop()?;
    if bench.full {
        let holders = Holders::start(bench, PLAN_FULL)?;
        results.add("snapshot.full.accounts", holders.pivot.1);
        let (_strangers, attacked) = holders.attacked()?;
        for _ in 0..RUNS {
            let (seconds, peak) = join(bench, &holders.network, &attacked, holders.height, &[SNAPSHOT])?;
            results.add("snapshot.full.seconds", seconds);
            results.add("snapshot.full.peak_mib", peak);
        }
        holders.stop()?;
    }
    Ok(())
}
