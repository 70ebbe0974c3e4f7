//! What is measured, part by part. Each part keeps every value under a name that [`report`](crate::report)
//! knows; a figure that could not be had leaves a note instead.

mod blocks;
mod browser;
mod callers;
mod explorer;
mod flood;
mod growth;
mod healing;
mod large;
mod mesh;
mod peers;
mod process;
mod propagation;
mod replay;
mod rpc;
mod side_by_side;
mod snapshot;
mod subscribers;

use crate::{Failure, chains::Plan, node::Node, results::Results};
use serde_json::json;
use std::path::PathBuf;

/// A part of the measurements.
pub struct Part {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What it measures.
    pub what: &'static str,
    /// How long it takes on two quiet cores, once its chains are made.
    pub takes: &'static str,
    /// Measures.
    pub measure: fn(&Bench, &mut Results) -> Result<(), Failure>,
}

/// Where and how much to measure.
pub struct Bench {
    /// For chains and nodes.
    pub work: PathBuf,
    /// Ten million accounts, too.
    pub full: bool,
}

/// Many accounts, all of which pay once.
const EVERYBODY_PAYS: Plan = Plan { accounts: 200_000, signers: 200_000, rounds: 1, creates: false };

/// Bytes of these protocols that came to a node from those it is connected with.
fn traffic(node: &Node, protocols: &[&str]) -> Result<f64, Failure> {
    let peers = node.call("net_peers", &json!([]))?;
    let flows =
        peers.as_array().into_iter().flatten().flat_map(|peer| peer["traffic"].as_array().into_iter().flatten());
    let counted = flows.filter(|flow| protocols.iter().any(|protocol| flow["protocol"] == *protocol));
    Ok(counted.filter_map(|flow| flow["received"].as_f64()).sum())
}

/// The parts, in the order in which they are measured.
pub const ALL: &[Part] = &[
    Part {
        name: "machine",
        what: "signatures, hashes and disk, by `cairn-node bench`",
        takes: "1 min",
        measure: process::machine,
    },
    Part {
        name: "replay",
        what: "R: 200 000 payments, on one core and on all; disk",
        takes: "4 min",
        measure: replay::replay,
    },
    Part {
        name: "accounts",
        what: "the cost of a payment by the size of the state",
        takes: "4 min",
        measure: replay::accounts,
    },
    Part {
        name: "large",
        what: "ten million accounts under a bound of memory; --full: a hundred million, which take an hour to make",
        takes: "10 min",
        measure: large::large,
    },
    Part {
        name: "sync",
        what: "synchronisation over loopback against replay; memory after it",
        takes: "3 min",
        measure: replay::sync,
    },
    Part {
        name: "peers",
        what: "joining a chain of 20 000 blocks from 4 peers against 1, each at a quarter of what is processed",
        takes: "4 min",
        measure: peers::peers,
    },
    Part {
        name: "snapshot",
        what: "an empty node to the tip of a million accounts by a snapshot, against from block 0",
        takes: "3 min",
        measure: snapshot::snapshot,
    },
    Part {
        name: "healing",
        what: "a flipped byte in each table of a node with a million accounts that serves",
        takes: "4 min",
        measure: healing::healing,
    },
    Part {
        name: "budget",
        what: "the disk of a node with a budget that fetches a chain of more",
        takes: "2 min",
        measure: growth::budget,
    },
    Part {
        name: "length",
        what: "an empty node to the tip of a hundred thousand blocks by a snapshot; --full: of a million",
        takes: "3 min",
        measure: growth::length,
    },
    Part {
        name: "start",
        what: "from start to the first answer; idle memory",
        takes: "1 min",
        measure: process::start,
    },
    Part { name: "reads", what: "reads over JSON-RPC on 8 connections", takes: "2 min", measure: rpc::reads },
    Part {
        name: "explorer",
        what: "pages of the explorer on 8 connections, and blocks while visitors watch",
        takes: "2 min",
        measure: explorer::explorer,
    },
    Part {
        name: "browser",
        what: "the explorer in a browser: first page, and proofs on a chain of 100 000 blocks",
        takes: "2 min",
        measure: browser::browser,
    },
    Part {
        name: "admission",
        what: "payments into the pool over JSON-RPC, then a chain from a warm pool",
        takes: "3 min",
        measure: rpc::admission,
    },
    Part {
        name: "subscribers",
        what: "10 000 WebSocket subscribers to heads, and 50 that never read",
        takes: "2 min",
        measure: subscribers::subscribers,
    },
    Part {
        name: "callers",
        what: "blocks on a node that eight connections ask all they can",
        takes: "1 min",
        measure: callers::callers,
    },
    Part {
        name: "connect",
        what: "a full block of payments that are in the pool",
        takes: "1 min",
        measure: blocks::connect,
    },
    Part {
        name: "propagation",
        what: "a block of 5 000 payments along a line of 8 nodes, known to all pools and to none",
        takes: "2 min",
        measure: propagation::propagation,
    },
    Part {
        name: "mesh",
        what: "twelve nodes that were told of one, until they are one mesh; and without it",
        takes: "2 min",
        measure: mesh::mesh,
    },
    Part {
        name: "flood",
        what: "honest payments beside attackers, against a process that only burns; memory under floods",
        takes: "12 min",
        measure: flood::flood,
    },
    Part {
        name: "beside-replay",
        what: "beside Bitcoin Core: replay and R, on all cores and on one",
        takes: "6 min",
        measure: side_by_side::replay,
    },
    Part {
        name: "beside-sync",
        what: "beside Bitcoin Core: synchronisation, memory after it, disk",
        takes: "5 min",
        measure: side_by_side::sync,
    },
    Part {
        name: "beside-admission",
        what: "beside Bitcoin Core: payments into the pool over JSON-RPC",
        takes: "4 min",
        measure: side_by_side::admission,
    },
    Part {
        name: "beside-reads",
        what: "beside Bitcoin Core: reads over JSON-RPC",
        takes: "4 min",
        measure: side_by_side::reads,
    },
    Part {
        name: "beside-start",
        what: "beside Bitcoin Core and Litecoin Core: from start to the first answer; idle memory",
        takes: "4 min",
        measure: side_by_side::start,
    },
    Part {
        name: "beside-line",
        what: "beside Bitcoin Core: a block of 5 000 payments along a line of 8 nodes",
        takes: "4 min",
        measure: side_by_side::line,
    },
];
