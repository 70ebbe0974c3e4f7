//! The explorer's pages on eight connections, as a browser without a token asks for them, from pages that are kept and
//! from such as are made anew, on connections that are kept and on a new one for each; what the node holds for all of
//! it; blocks while visitors watch. [`browser`](super::browser) measures the same from the visitor's side.

use super::{Bench, rpc};
use crate::Failure;
use crate::chains::{self, Files, Plan};
use crate::http::{self, CONNECTIONS, Connection};
use crate::node::{self, Node, Scratch};
use crate::results::{Results, percentile};
use cairn_ledger::transaction::Transaction;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{io, thread};

/// Runs of each load.
const RUNS: usize = 3;
/// How long each goes on.
const FOR: Duration = Duration::from_secs(3);
/// As many accounts as pay in all blocks that are shown.
const CHAIN: Plan = Plan { accounts: 10_000, signers: 10_000, rounds: 1, creates: false };
/// Payments of a block.
const PAYMENTS: usize = 1_000;
/// Blocks of so many payments, in pages of 50: far more pages than the node keeps.
const FULL: usize = 10;
const PAGES: usize = PAYMENTS / 50;
/// Calls in a batch.
const BATCH: usize = 100;
/// Blocks made with and without visitors.
const BLOCKS: usize = 40;
/// How often a visitor's page is loaded again.
const LOOK_EVERY: Duration = Duration::from_millis(100);

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
    for page in ["overview", "block", "blocks", "overview_alone", "block_alone"] {
        ["per_second", "p99_ms"].iter().for_each(|name| results.clear(&format!("explorer.{page}.{name}")));
    }
    ["mib", "quiet_ms", "watched_ms"].iter().for_each(|name| results.clear(&format!("explorer.{name}")));
    let files = chains::files(&bench.work, CHAIN)?;
    let data = Scratch::new(&bench.work, "explorer")?;
    node::import(&files.network, data.path(), &files.base, None)?;
    // All programs of a machine share one rate.
    let node = Node::start(&files.network, data.path(), &[String::from("--rpc.rate=100000")])?;
    let blocks = blocks_of(&node, &files)?;
    let before = node.memory_mib("VmRSS")?;
    let first = format!("/block/{}", blocks[0]);
    // Each connection asks for pages that no other asks for.
    let mut every = vec![Vec::new(); CONNECTIONS];
    let pages = blocks.iter().flat_map(|block| (1..=PAGES).map(move |page| format!("/block/{block}?page={page}")));
    for (n, path) in pages.enumerate() {
        every[n % CONNECTIONS].push(get(node.rpc, &path));
    }
    for _ in 0..RUNS {
        loaded(&node, results, "overview", &vec![vec![get(node.rpc, "/")]; CONNECTIONS])?;
        loaded(&node, results, "block", &vec![vec![get(node.rpc, &first)]; CONNECTIONS])?;
        loaded(&node, results, "blocks", &every)?;
        alone(&node, results, "overview_alone", "/")?;
        alone(&node, results, "block_alone", &first)?;
    }
    results.add("explorer.mib", node.memory_mib("VmRSS")? - before);
    watched(&node, results)?;
    node.stop()
}

/// Pages on connections that are kept.
fn loaded(node: &Node, results: &mut Results, name: &str, requests: &[Vec<Vec<u8>>]) -> Result<(), Failure> {
    let load = http::load(node.rpc, requests, Some(FOR), is_page)?;
    if load.refused.0 > 0 {
        return Err(format!("{name}: {} answers were no pages, the first {}", load.refused.0, load.refused.1).into());
    }
    results.add(&format!("explorer.{name}.per_second"), load.rate);
    results.add(&format!("explorer.{name}.p99_ms"), load.p99);
    Ok(())
}

/// A page on a new connection each time.
fn alone(node: &Node, results: &mut Results, name: &str, path: &str) -> Result<(), Failure> {
    let (request, port, started) = (get(node.rpc, path), node.rpc, Instant::now());
    let all: Vec<io::Result<Vec<f64>>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                scope.spawn(|| {
                    let mut times = Vec::new();
                    while started.elapsed() < FOR {
                        let asked = Instant::now();
                        if !is_page(Connection::open(port)?.ask(&request)?) {
                            return Err(io::Error::other("an answer was no page"));
                        }
                        times.push(asked.elapsed().as_secs_f64() * 1e3);
                    }
                    Ok(times)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("asking panicked")).collect()
    });
    let elapsed = started.elapsed().as_secs_f64();
    let mut times: Vec<f64> = all.into_iter().collect::<io::Result<Vec<_>>>()?.into_iter().flatten().collect();
    times.sort_by(f64::total_cmp);
    results.add(&format!("explorer.{name}.per_second"), times.len() as f64 / elapsed);
    results.add(&format!("explorer.{name}.p99_ms"), percentile(&times, 0.99));
    Ok(())
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

/// Makes [`FULL`] blocks of [`PAYMENTS`] payments; their ids.
fn blocks_of(node: &Node, files: &Files) -> Result<Vec<String>, Failure> {
    let all = rpc::payments(&files.payments)?;
    let blocks = all.get(..FULL * PAYMENTS).ok_or("the chain has as many payments")?.chunks(PAYMENTS);
    blocks.map(|payments| block_of(node, payments)).collect()
}

/// Makes a block of these payments; its id.
fn block_of(node: &Node, payments: &[Transaction]) -> Result<String, Failure> {
    for some in payments.chunks(BATCH) {
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
