//! What does not grow with a chain: the disk of a node that has a budget, and the time until a new node is at the tip.

use super::snapshot::{OFF, SNAPSHOT, joined};
use super::{Bench, traffic};
use crate::chains::{self, Plan, SmallBlocks};
use crate::node::{self, Node, Scratch};
use crate::{Failure, results::Results};
use serde_json::json;
use std::path::Path;
use std::time::Duration;
use std::{fs, thread};

/// So often a node's disk is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A chain of more than its budget of a GiB, and of more than twice a budget of two GiB with `--full`.
const ROUNDS: u64 = 30;
const ROUNDS_FULL: u64 = 120;
/// A chain of many blocks with next to nothing in them.
const MANY: SmallBlocks = SmallBlocks { blocks: 100_000, payments: 1 };
const MANY_FULL: SmallBlocks = SmallBlocks { blocks: 1_000_000, payments: 1 };
/// Peers that have it.
const PEERS: usize = 4;
const RUNS: usize = 3;

/// All bytes in a directory whose files come and go.
fn bytes_in(path: &Path) -> u64 {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let bytes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_in(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    bytes.sum()
}

/// The disk of a node with a budget that fetches a chain of more than that, as fast as it can.
pub fn budget(bench: &Bench, results: &mut Results) -> Result<(), Failure> {
    let (mib, rounds) = if bench.full { (2048, ROUNDS_FULL) } else { (1024, ROUNDS) };
    let files = chains::files(&bench.work, Plan { rounds, ..super::EVERYBODY_PAYS })?;
    let (data, fresh) = (Scratch::new(&bench.work, "archive")?, Scratch::new(&bench.work, "bounded")?);
    node::import(&files.network, data.path(), &files.base, None)?;
    node::import(&files.network, data.path(), &files.payments, None)?;
    for name in ["budget.most_mib", "budget.given_mib", "budget.chain_mib"] {
        results.clear(name);
    }
    results.add("budget.given_mib", f64::from(mib));
    results.add("budget.chain_mib", bytes_in(data.path()) as f64 / f64::from(1 << 20));
    let archive = Node::start(&files.network, data.path(), &OFF.map(String::from))?;
    let height = archive.height()?;
    let mut arguments = OFF.map(String::from).to_vec();
    arguments.extend([format!("--network.peers={}", archive.address()?), format!("--storage.max_bytes={mib}MiB")]);
    let mut bounded = Node::start(&files.network, fresh.path(), &arguments)?;
    let mut most = 0;
    bounded.until("it has the chain", |node| {
        most = most.max(bytes_in(fresh.path()));
        thread::sleep(LOOK_EVERY);
        (node.height().ok()? >= height).then_some(())
    })?;
    results.add("budget.most_mib", most as f64 / f64::from(1 << 20));
    bounded.stop()?;
    archive.stop()
}

/// An empty node to the tip of a chain of very many blocks, by a snapshot, from four peers.
pub fn length(bench: &Bench, results: &mut Results) -> Result<(), Failure> {
    let (network, file) = chains::small_blocks(&bench.work, if bench.full { MANY_FULL } else { MANY })?;
    let data = Scratch::new(&bench.work, "long")?;
    node::import(&network, data.path(), &file, None)?;
    node::settle(&network, data.path())?;
    for name in ["length.seconds", "length.fetched_mib", "length.peak_mib", "length.blocks"] {
        results.clear(name);
    }
    let holders = (0..PEERS).map(|n| Scratch::copy(&bench.work, &format!("long-{n}"), data.path()));
    let holders = holders.collect::<Result<Vec<_>, _>>()?;
    let nodes = holders.iter().map(|data| Node::start(&network, data.path(), &OFF.map(String::from)));
    let nodes = nodes.collect::<Result<Vec<_>, _>>()?;
    let peers = nodes.iter().map(Node::address).collect::<Result<Vec<_>, _>>()?.join(",");
    let height = nodes.first().ok_or("a node")?.height()?;
    results.add("length.blocks", height as f64);
    for _ in 0..RUNS {
        let fresh = Scratch::new(&bench.work, "joiner")?;
        let (client, seconds) = joined(&network, fresh.path(), &peers, height, &[SNAPSHOT])?;
        results.add("length.seconds", seconds);
        results.add("length.fetched_mib", traffic(&client, &["headers", "bodies", "snapshot"])? / f64::from(1 << 20));
        results.add("length.peak_mib", client.memory_mib("VmHWM")?);
        let info = client.call("node_info", &json!([]))?;
        if info["trust"] != "work" {
            return Err(format!("got {info}, expected a node that began with a snapshot").into());
        }
        client.stop()?;
    }
    nodes.into_iter().try_for_each(Node::stop)
}
