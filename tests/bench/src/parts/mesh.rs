//! Twelve nodes that were told of one: how soon they are one mesh that does not need it.

use super::Bench;
use crate::node::{Node, Scratch};
use crate::{Failure, chains, results::Results};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::{Duration, Instant};

/// Nodes, the boot node included.
const NODES: usize = 12;
const RUNS: usize = 3;
/// Between two looks: far below what is measured.
const PAUSE: Duration = Duration::from_millis(100);
/// Longer than it may take.
const PATIENCE: Duration = Duration::from_secs(120);

fn id(node: &Node) -> Result<String, Failure> {
    let info = node.call("node_info", &json!([]))?;
    Ok(info["peer_id"].as_str().ok_or("a node has a peer id")?.to_owned())
}

fn peers(node: &Node) -> Result<BTreeSet<String>, Failure> {
    let peers = node.call("net_peers", &json!([]))?;
    let peers = peers.as_array().ok_or("a list of peers")?;
    Ok(peers.iter().filter_map(|peer| Some(peer["peer_id"].as_str()?.to_owned())).collect())
}

/// Whether there is a way from each of these to each, by these alone.
fn is_one_mesh(nodes: &[(String, Node)]) -> Result<bool, Failure> {
    let mut neighbours = BTreeMap::new();
    for (id, node) in nodes {
        neighbours.insert(id.clone(), peers(node)?);
    }
    let Some(first) = neighbours.keys().next() else { return Ok(false) };
    let (mut met, mut next) = (BTreeSet::from([first.clone()]), vec![first.clone()]);
    while let Some(id) = next.pop() {
        for peer in neighbours.get(&id).into_iter().flatten().filter(|peer| neighbours.contains_key(*peer)) {
            if met.insert(peer.clone()) {
                next.push(peer.clone());
            }
        }
    }
    Ok(met.len() == nodes.len())
}

/// Waits until `look` is so; how long that took.
fn until(what: &str, mut look: impl FnMut() -> Result<bool, Failure>) -> Result<f64, Failure> {
    let started = Instant::now();
    while !look()? {
        if started.elapsed() > PATIENCE {
            return Err(format!("waited {PATIENCE:?} in vain until {what}").into());
        }
        thread::sleep(PAUSE);
    }
    Ok(started.elapsed().as_secs_f64())
}

/// From the last start until all but the boot node are one mesh without it; and, once it is killed, until they have
/// noticed and are one still.
pub fn mesh(bench: &Bench, results: &mut Results) -> Result<(), Failure> {
    let network = bench.work.join("network.toml");
    chains::write_network(&chains::network(chains::LONG_AGO), &network)?;
    for name in ["mesh.seconds", "mesh.without_boot_seconds"] {
        results.clear(name);
    }
    for _ in 0..RUNS {
        let scratches: Result<Vec<Scratch>, Failure> =
            (0..NODES).map(|n| Scratch::new(&bench.work, &format!("mesh-{n}"))).collect();
        let scratches = scratches?;
        let boot = Node::start(&network, scratches[0].path(), &[])?;
        let told = format!("--network.boot_nodes={}", boot.address()?);
        let mut nodes = Vec::new();
        for scratch in &scratches[1..] {
            let node = Node::start(&network, scratch.path(), std::slice::from_ref(&told))?;
            nodes.push((id(&node)?, node));
        }
        results.add("mesh.seconds", until("the nodes are one mesh", || is_one_mesh(&nodes))?);
        let lost = id(&boot)?;
        drop(boot);
        let seconds = until("the nodes are one mesh without their boot node", || {
            for (_, node) in &nodes {
                if peers(node)?.contains(&lost) {
                    return Ok(false);
                }
            }
            is_one_mesh(&nodes)
        })?;
        results.add("mesh.without_boot_seconds", seconds);
    }
    Ok(())
}
