//! JSON-RPC under load, with the client counted in.

use super::{Bench, EVERYBODY_PAYS};
use crate::chains::{self, Files};
use crate::http::{self, CONNECTIONS, Load, call_body};
use crate::node::{self, Node, Scratch};
use crate::{Failure, results::Results};
use cairn_ledger::{block::Block, codec::encode, transaction::Transaction};
use serde_json::{Value, json};
use std::io::{BufReader, Read};
use std::time::{Duration, Instant};
use std::{fs::File, path::Path};

/// Runs of each load.
const RUNS: usize = 3;
/// How long reads go on.
const FOR: Duration = Duration::from_secs(3);
/// Payments handed in one by one, and in batches: fewer than the pool takes.
const SINGLES: usize = 24_000;
const IN_BATCHES: usize = 72_000;
/// Calls in a batch, from the one wanted down to what a node may allow.
const BATCHES: [usize; 2] = [100, 50];

/// The payments of a file of blocks.
pub(super) fn payments(path: &Path) -> Result<Vec<Transaction>, Failure> {
    let mut file = BufReader::new(File::open(path)?);
    let (mut head, mut length, mut all) = ([0; 44], [0; 4], Vec::new());
    file.read_exact(&mut head)?;
    while file.read_exact(&mut length).is_ok() {
        let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
        file.read_exact(&mut bytes)?;
        all.extend(Block::from_bytes(&bytes)?.body.into_vec());
    }
    Ok(all)
}

/// The same request on every connection, or a part of many on each.
fn deal(requests: Vec<Vec<u8>>) -> Vec<Vec<Vec<u8>>> {
    let mut dealt = vec![Vec::new(); CONNECTIONS];
    for (n, request) in requests.into_iter().enumerate() {
        dealt[n % CONNECTIONS].push(request);
    }
    dealt
}

fn has_result(body: &[u8]) -> bool {
    let head = &body[..body.len().min(200)];
    head.windows(9).any(|nine| nine == b"\"result\":")
}

fn keep(results: &mut Results, name: &str, load: &Load, calls: f64) -> Result<(), Failure> {
    if load.refused.0 > 0 {
        return Err(format!("{name}: {} answers were refusals, the first {}", load.refused.0, load.refused.1).into());
    }
    results.add(&format!("{name}.per_second"), load.rate * calls);
    results.add(&format!("{name}.p50_ms"), load.p50);
    results.add(&format!("{name}.p99_ms"), load.p99);
    Ok(())
}

fn forget(results: &mut Results, name: &str) {
    ["per_second", "p50_ms", "p99_ms"].iter().for_each(|what| results.clear(&format!("{name}.{what}")));
}

/// Reads of a node with the whole chain.
pub fn reads(bench: &Bench, results: &mut Results) -> Result<(), Failure> {
    let files = chains::files(&bench.work, EVERYBODY_PAYS)?;
    let spec = chains::network(chains::LONG_AGO);
    let data = Scratch::new(&bench.work, "reads")?;
    node::import(&files.network, data.path(), &files.base, None)?;
    node::import(&files.network, data.path(), &files.payments, None)?;
    let node = Node::start(&files.network, data.path(), &[])?;
    let senders = payments(&files.payments)?;
    let accounts = senders.iter().step_by(97).map(|transaction| {
        let address = spec.params().prefix.encode(&transaction.body.sender);
        node.request(&call_body("state_getAccount", &json!([address])))
    });
    // The last but one: full, where the last may hold the rest.
    let full = node.height()?.saturating_sub(1);
    let one = |method: &str, params: Value| vec![vec![node.request(&call_body(method, &params))]; CONNECTIONS];
    let loads = [
        ("read.tip", one("chain_tip", json!([]))),
        ("read.account", deal(accounts.collect())),
        ("read.block_ids", one("chain_getBlock", json!([full]))),
        ("read.block_raw", one("chain_getRawBlock", json!([full]))),
        ("read.block_full", one("chain_getBlock", json!([full, true]))),
        ("read.block_empty", one("chain_getBlock", json!([0, true]))),
    ];
    for (name, _) in &loads {
        forget(results, name);
    }
    for name in ["client.small_per_second", "client.block_per_second"] {
        results.clear(name);
    }
    for _ in 0..RUNS {
        for (name, requests) in &loads {
            keep(results, name, &http::load(node.rpc, requests, Some(FOR), has_result)?, 1.0)?;
        }
        results.add("client.small_per_second", http::own_limit(900, Duration::from_secs(1))?);
        results.add("client.block_per_second", http::own_limit(2 << 20, Duration::from_secs(1))?);
    }
    node.stop()
}

/// Payments into the pool, each run into a fresh node; then blocks from the pool.
pub fn admission(bench: &Bench, results: &mut Results) -> Result<(), Failure> {
    let files = chains::files(&bench.work, EVERYBODY_PAYS)?;
    let base = Scratch::new(&bench.work, "admission-base")?;
    node::import(&files.network, base.path(), &files.base, None)?;
    let all = payments(&files.payments)?;
    for name in ["admission.single", "admission.batch"] {
        forget(results, name);
    }
    for name in ["warm.payments_per_second", "warm.block_seconds", "pool.template_call_seconds"] {
        results.clear(name);
    }
    for _ in 0..RUNS {
        let data = Scratch::copy(&bench.work, "admission", base.path())?;
        let node = Node::start(&files.network, data.path(), &[])?;
        let singles = all.iter().take(SINGLES).map(|payment| node.request(&submission(payment).to_string()));
        let load = http::load(node.rpc, &deal(singles.collect()), None, has_result)?;
        keep(results, "admission.single", &load, 1.0)?;
        batches(&node, &all[SINGLES..SINGLES + IN_BATCHES], results)?;
        warm(&node, &files, results)?;
        node.stop()?;
    }
    Ok(())
}

pub(super) fn submission(payment: &Transaction) -> Value {
    let raw: String = encode(payment).iter().map(|byte| format!("{byte:02x}")).collect();
    json!({"jsonrpc": "2.0", "id": 1, "method": "tx_submit", "params": [raw]})
}

fn batches(node: &Node, payments: &[Transaction], results: &mut Results) -> Result<(), Failure> {
    for size in BATCHES {
        let requests = payments.chunks(size).map(|some| {
            let batch: Vec<Value> = some.iter().map(submission).collect();
            node.request(&Value::Array(batch).to_string())
        });
        let load = http::load(node.rpc, &deal(requests.collect()), None, |body| {
            !body.windows(8).any(|eight| eight == b"\"error\":")
        })?;
        if load.refused.1.contains("batch") {
            results.note("admission.batch", &format!("a node refuses batches of {size}: {}", load.refused.1));
            continue;
        }
        return keep(results, "admission.batch", &load, size as f64);
    }
    Err("the node takes no batches".into())
}

/// Blocks out of a pool that has checked every signature already: templates, sealing and connecting.
fn warm(node: &Node, files: &Files, results: &mut Results) -> Result<(), Failure> {
    let pooled = node.call("mempool_info", &json!([]))?["count"].as_f64().ok_or("the pool has a count")?;
    if pooled != (SINGLES + IN_BATCHES) as f64 {
        return Err(format!("got {pooled} payments of {} in the pool, expected all", files.payments.display()).into());
    }
    let beneficiary =
        chains::network(chains::LONG_AGO).params().prefix.encode(&cairn_ledger::testing::key(0).address());
    node.call("mining_getTemplate", &json!([beneficiary]))?;
    let asked = Instant::now();
    node.call("mining_getTemplate", &json!([beneficiary]))?;
    results.add("pool.template_call_seconds", asked.elapsed().as_secs_f64());
    let (began, mut left) = (Instant::now(), pooled);
    while left > 0.0 {
        let asked = Instant::now();
        node.call("mining_generate", &json!([1, beneficiary]))?;
        results.add("warm.block_seconds", asked.elapsed().as_secs_f64());
        let now = node.call("mempool_info", &json!([]))?["count"].as_f64().ok_or("the pool has a count")?;
        if now >= left {
            return Err(format!("a block took none of {left} payments from the pool").into());
        }
        left = now;
    }
    results.add("warm.payments_per_second", pooled / began.elapsed().as_secs_f64());
    Ok(())
}
