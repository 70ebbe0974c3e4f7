//! A full block of payments that are in the pool already.

use super::Bench;
use crate::chains::{self, BlockFile, FULL_BLOCK, Maker, People, Plan};
use crate::http::{CONNECTIONS, load};
use crate::node::{self, Node, Scratch};
use crate::{Failure, results::Results};
use cairn_ledger::{codec::encode, testing::key};
use serde_json::{Value, json};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Full blocks, one after the other.
const RUNS: u64 = 9;
/// How far back block 0 was: near enough that every block counts as the tip's, synced to the disk at once.
const AGE_MS: u64 = 30_000;

/// On a node whose tip is now: payments that fill a block into the pool, then the block. What the node says
/// of it in its log is kept: checking, with everything known from the pool, then connecting; and the write.
pub fn connect(bench: &Bench, results: &mut Results) -> Result<(), Failure> {
    let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let spec = chains::network(now - AGE_MS);
    let people = People::new(Plan { accounts: 10_000, signers: FULL_BLOCK as u64, rounds: RUNS, creates: false });
    let scratch = Scratch::new(&bench.work, "connect")?;
    let (network, file) = (scratch.path().join("network.toml"), scratch.path().join("base.blocks"));
    chains::write_network(&spec, &network)?;
    let mut base = BlockFile::create(&file, &spec)?;
    Maker::new(&spec).fund(&people, |block| base.put(block))?;
    base.finish()?;
    let data = Scratch::new(&bench.work, "connect-node")?;
    node::import(&network, data.path(), &file, None)?;
    let node = Node::start(&network, data.path(), &[String::from("--log.level=debug")])?;
    for name in ["connect.call_ms", "connect.connect_ms", "connect.disk_ms", "pool.template_ms"] {
        results.clear(name);
    }
    let beneficiary = spec.params().prefix.encode(&key(0).address());
    for round in 0..RUNS {
        let payments = people.payments(&spec, round);
        let requests = payments.chunks(50).map(|some| {
            let raw = |payment| encode(payment).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            let call = |payment| json!({"jsonrpc": "2.0", "id": 1, "method": "tx_submit", "params": [raw(payment)]});
            node.request(&Value::Array(some.iter().map(call).collect()).to_string())
        });
        let mut dealt = vec![Vec::new(); CONNECTIONS];
        requests.enumerate().for_each(|(n, request)| dealt[n % CONNECTIONS].push(request));
        let load = load(node.rpc, &dealt, None, |body| !body.windows(8).any(|eight| eight == b"\"error\":"))?;
        if load.refused.0 > 0 {
            return Err(format!("a payment was refused: {}", load.refused.1).into());
        }
        let asked = Instant::now();
        node.call("mining_generate", &json!([1, beneficiary]))?;
        results.add("connect.call_ms", asked.elapsed().as_secs_f64() * 1e3);
        let left = node.call("mempool_info", &json!([]))?["count"].as_u64();
        if left != Some(0) {
            return Err(format!("got {left:?} payments left in the pool, expected none").into());
        }
    }
    let log = node.log();
    let last = |message, field| -> Result<Vec<f64>, Failure> {
        let said: Vec<f64> = fields(&log, message, field).collect();
        let first = said.len().checked_sub(RUNS as usize);
        Ok(said[first.ok_or_else(|| format!("the log tells {field} {} times, expected {RUNS}", said.len()))?..]
            .to_vec())
    };
    let checked = last("checked a block", "check_us")?;
    let connected = last("carried out a plan", "connect_us")?;
    let written = last("carried out a plan", "write_us")?;
    let (selected, built) = (last("made a template", "select_us")?, last("made a template", "build_us")?);
    for (select, build) in selected.into_iter().zip(built) {
        results.add("pool.template_ms", (select + build) / 1e3);
    }
    for ((check, connect), write) in checked.into_iter().zip(connected).zip(written) {
        results.add("connect.connect_ms", (check + connect) / 1e3);
        results.add("connect.disk_ms", write / 1e3);
    }
    node.stop()
}

/// All values of a field in the lines of a log with a message.
fn fields<'a>(log: &'a str, message: &'a str, name: &'a str) -> impl Iterator<Item = f64> + 'a {
    let lines = log.lines().filter(move |line| line.contains(message));
    lines.filter_map(move |line| {
        let (_, rest) = line.split_once(&format!("{name}="))?;
        rest.split_whitespace().next()?.parse().ok()
    })
}
