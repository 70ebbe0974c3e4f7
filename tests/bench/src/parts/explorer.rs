//! The explorer's pages on eight connections, as a browser without a token asks for them; how large its first page is,
//! and what the node holds for all of it.

use super::{Bench, rpc};
use crate::chains::{self, Files, Plan};
use crate::http::{self, CONNECTIONS, Connection};
use crate::node::{self, Node, Scratch};
use crate::{Failure, results::Results};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{io, thread};

/// Runs of each load.
const RUNS: usize = 3;
/// How long each goes on.
const FOR: Duration = Duration::from_secs(3);
/// As many accounts as pay in the block that is shown, and as many more.
const CHAIN: Plan = Plan { accounts: 2_000, signers: 2_000, rounds: 1 };
/// Payments of that block.
const PAYMENTS: usize = 1_000;
/// Calls in a batch.
const BATCH: usize = 100;
/// Blocks made with and without visitors.
const BLOCKS: usize = 40;
/// How often a visitor's page is loaded again.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// What a browser loads to show the first page.
const FIRST_PAGE: [&str; 4] = ["/", "/web/style.css", "/web/app.js", "/web/icon.svg"];

fn get(port: u16, path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n").into_bytes()
}

/// Whether this is one of the two pages, and not one that says why there is none.
fn is_page(body: &[u8]) -> bool {
    let head = String::from_utf8_lossy(&body[..body.len().min(400)]);
    ["<title>Overview", "<title>Block"].iter().any(|title| head.contains(title))
}

/// Measures pages.
pub fn explorer(bench: &Bench, results: &mut Results) -> Result<(), Failure> {
    let names = ["overview.per_second", "block.per_second", "block.p99_ms", "overview.p99_ms", "first_page_kb", "mib"];
    ["quiet_ms", "watched_ms"].iter().for_each(|name| results.clear(&format!("explorer.{name}")));
    names.iter().for_each(|name| results.clear(&format!("explorer.{name}")));
    let files = chains::files(&bench.work, CHAIN)?;
    let data = Scratch::new(&bench.work, "explorer")?;
    node::import(&files.network, data.path(), &files.base, None)?;
    // All programs of a machine share one rate.
    let node = Node::start(&files.network, data.path(), &[String::from("--rpc.rate=100000")])?;
    let block = block_of(&node, &files)?;
    let before = node.memory_mib("VmRSS")?;
    for _ in 0..RUNS {
        for (name, path) in [("explorer.overview", String::from("/")), ("explorer.block", format!("/block/{block}"))] {
            let requests = vec![vec![get(node.rpc, &path)]; CONNECTIONS];
            let load = http::load(node.rpc, &requests, Some(FOR), is_page)?;
            if load.refused.0 > 0 {
                return Err(
                    format!("{path}: {} answers were no pages, the first {}", load.refused.0, load.refused.1).into()
                );
            }
            results.add(&format!("{name}.per_second"), load.rate);
            results.add(&format!("{name}.p99_ms"), load.p99);
        }
    }
    results.add("explorer.mib", node.memory_mib("VmRSS")? - before);
    let mut connection = Connection::open(node.rpc)?;
    let mut bytes = 0;
    for path in FIRST_PAGE {
        bytes += connection.ask(&get(node.rpc, path))?.len();
    }
    results.add("explorer.first_page_kb", bytes as f64 / 1e3);
    watched(&node, results)?;
    node.stop()
}

/// Blocks on a quiet node, and on one that visitors watch: each loads the first page again and again, as often as the
/// page itself would with a block every [`LOOK_EVERY`].
fn watched(node: &Node, results: &mut Results) -> Result<(), Failure> {
    let spec = chains::network(chains::LONG_AGO);
    let beneficiary = spec.params().prefix.encode(&cairn_ledger::testing::key(0).address());
    let make = |results: &mut Results, name: &str| -> Result<(), Failure> {
        for _ in 0..BLOCKS {
            let asked = Instant::now();
            node.call("mining_generate", &json!([1, beneficiary]))?;
            results.add(name, asked.elapsed().as_secs_f64() * 1e3);
        }
        Ok(())
    };
    make(results, "explorer.quiet_ms")?;
    let (done, port) = (AtomicBool::new(false), node.rpc);
    thread::scope(|scope| {
        let visitors: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                scope.spawn(|| -> io::Result<()> {
                    let mut connection = Connection::open(port)?;
                    while !done.load(Ordering::Relaxed) {
                        connection.ask(&get(port, "/"))?;
                        thread::sleep(LOOK_EVERY);
                    }
                    Ok(())
                })
            })
            .collect();
        let outcome = make(results, "explorer.watched_ms");
        done.store(true, Ordering::Relaxed);
        for visitor in visitors {
            visitor.join().expect("a visitor panicked")?;
        }
        outcome
    })
}

/// Makes a block of [`PAYMENTS`] payments; its id.
fn block_of(node: &Node, files: &Files) -> Result<String, Failure> {
    let all = rpc::payments(&files.payments)?;
    for some in all.get(..PAYMENTS).ok_or("the chain has as many payments")?.chunks(BATCH) {
        let batch: Vec<Value> = some.iter().map(rpc::submission).collect();
        Connection::open(node.rpc)?.ask(&node.request(&Value::Array(batch).to_string()))?;
    }
    let spec = chains::network(chains::LONG_AGO);
    let beneficiary = spec.params().prefix.encode(&cairn_ledger::testing::key(0).address());
    let made = node.call("mining_generate", &json!([1, beneficiary]))?;
    let id = made["blocks"][0].as_str().ok_or_else(|| format!("got {made}, expected a block"))?.to_owned();
    let block = node.call("chain_getBlock", &json!([id]))?;
    match block["transactions"].as_array().map(Vec::len) {
        Some(PAYMENTS) => Ok(id),
        other => Err(format!("the block has {other:?} payments, expected {PAYMENTS}").into()),
    }
}
