//! Synchronisation from several peers behind slow lines against one.

use super::Bench;
use crate::chains::{self, SmallBlocks};
use crate::node::{self, Node, Scratch};
use crate::shaper::{Line, Shaper};
use crate::{Failure, results::Results};
use serde_json::json;
use std::time::{Duration, Instant};
use std::{net::SocketAddr, path::Path};

/// The chain: some 40 MB.
const CHAIN: SmallBlocks = SmallBlocks { blocks: 20_000, payments: 10 };
/// Peers.
const PEERS: usize = 4;
/// Nobody finds anybody but by these lines.
const OFF: [&str; 3] = ["--discovery.kademlia=false", "--discovery.rendezvous=false", "--discovery.exchange=false"];

/// A peer, and the line to it.
struct Remote {
    node: Node,
    peer_id: String,
    // Dropped before what it copied.
    _data: Scratch,
}

impl Remote {
    fn start(bench: &Bench, network: &Path, name: &str, of: &Path) -> Result<Self, Failure> {
        let data = Scratch::copy(&bench.work, name, of)?;
        let node = Node::start(network, data.path(), &OFF.map(String::from))?;
        let info = node.call("node_info", &json!([]))?;
        let peer_id = info["peer_id"].as_str().ok_or("a node has a peer id")?.to_owned();
        Ok(Self { node, peer_id, _data: data })
    }

    fn line(&self, line: Line) -> Result<Shaper, Failure> {
        Ok(Shaper::start(SocketAddr::from(([127, 0, 0, 1], self.node.p2p)), line)?)
    }
}

/// One joining: how long it took, and how many bytes came.
struct Joined {
    seconds: f64,
    bytes: u64,
}

/// A new node fetches the chain from these peers, each behind a line like this. When `stalls`, the last of them
/// sends next to nothing any more once blocks have begun to come.
fn join(bench: &Bench, network: &Path, remotes: &[Remote], line: Line, stalls: bool) -> Result<Joined, Failure> {
    let lines = remotes.iter().map(|remote| remote.line(line)).collect::<Result<Vec<_>, _>>()?;
    let peers: Vec<String> = lines.iter().zip(remotes).map(|(line, remote)| line.multiaddr(&remote.peer_id)).collect();
    let data = Scratch::new(&bench.work, "joiner")?;
    let mut arguments = OFF.map(String::from).to_vec();
    arguments.push(format!("--network.peers={}", peers.join(",")));
    let mut client = Node::start(network, data.path(), &arguments)?;
    let connected = |node: &Node| {
        let peers = node.call("net_info", &json!([])).ok()?["peers"].as_u64()?;
        (peers >= remotes.len() as u64 || node.height().ok()? > 0).then(Instant::now)
    };
    let began = client.until("it has its peers", connected)?;
    if stalls {
        client.until("blocks come", |node| (node.height().ok()? > 0).then_some(()))?;
        if let Some(last) = lines.last() {
            last.change(Line { latency: Duration::from_secs(3_600), bytes_per_second: Some(1) });
        }
    }
    let ended = client.until("it has the chain", |node| {
        std::thread::sleep(Duration::from_millis(20));
        (node.height().ok()? >= CHAIN.blocks).then(Instant::now)
    })?;
    let tips = [&client, &remotes.first().ok_or("a peer")?.node].map(|node| node.call("chain_tip", &json!([])));
    let [own, theirs] = tips;
    if own?["id"] != theirs?["id"] {
        return Err("the joiner follows another chain".into());
    }
    let bytes = lines.iter().map(Shaper::carried).sum();
    client.stop()?;
    Ok(Joined { seconds: ended.duration_since(began).as_secs_f64(), bytes })
}

/// A node joins a chain of 20 000 blocks from four peers, and from one; each peer sends a quarter of what the
/// joiner can process.
pub fn peers(bench: &Bench, results: &mut Results) -> Result<(), Failure> {
    let (network, file) = chains::small_blocks(&bench.work, CHAIN)?;
    let data = Scratch::new(&bench.work, "whole")?;
    node::import(&network, data.path(), &file, None)?;
    let names =
        ["peers.mib_per_second", "peers.1.seconds", "peers.4.seconds", "peers.speedup", "peers.stalled.seconds"];
    names.iter().for_each(|name| results.clear(name));
    let remotes: Vec<Remote> = (0..PEERS)
        .map(|n| Remote::start(bench, &network, &format!("peer-{n}"), data.path()))
        .collect::<Result<_, _>>()?;
    let (one, all) = (remotes.get(..1).ok_or("a peer")?, remotes.as_slice());
    // What the joiner can process: from one peer, as fast as it goes.
    let free = join(bench, &network, one, Line::default(), false)?;
    let rate = free.bytes as f64 / free.seconds;
    results.add("peers.mib_per_second", rate / f64::from(1 << 20));
    let line = Line::of_rate((rate / PEERS as f64) as u64);
    let alone = join(bench, &network, one, line, false)?;
    results.add("peers.1.seconds", alone.seconds);
    let together = join(bench, &network, all, line, false)?;
    results.add("peers.4.seconds", together.seconds);
    results.add("peers.speedup", alone.seconds / together.seconds);
    let stalled = join(bench, &network, all, line, true)?;
    results.add("peers.stalled.seconds", stalled.seconds);
    Ok(())
}
