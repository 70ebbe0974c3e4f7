//! Honest work beside an attacker, against the same work beside a process that only burns what the attacker burns;
//! and the memory of a node while it is flooded.

use super::{Bench, rpc};
use crate::chains::{self, Files, Plan};
use crate::node::{self, Node, Scratch, Stranger};
use crate::{Failure, http, results::Results};
use serde_json::{Value, json};
use std::thread;
use std::time::{Duration, Instant};

/// Those who pay, once each, in every run.
const PAYERS: Plan = Plan { accounts: 20_000, signers: 20_000, rounds: 1, creates: false };
/// The attacks, by the names that `cairn-stranger flood` knows.
const FLOODS: [&str; 3] = ["gaps", "garbage", "requests"];
/// Runs of each, in turns with the comparison.
const RUNS: usize = 3;
/// How long a flood goes on before anything is measured: it has its pace by then.
const PACE: Duration = Duration::from_secs(3);
/// How long it goes on before memory is watched: every list that is bounded is full by then.
const FULL: Duration = Duration::from_secs(120);
/// How long memory is watched, and how often it is looked at.
const WATCH: (Duration, Duration) = (Duration::from_secs(60), Duration::from_millis(500));
/// Longer than the honest work may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// The percentage of payments that is waited for: a batch that comes while as many as may be are being judged is
/// ignored, under attack or not, and its payments come later by other ways.
const ARRIVED: usize = 95;
/// Payments in a call.
const BATCH: usize = 50;

/// The one that is attacked, and its honest neighbour.
struct Pair {
    // The nodes end before their directories go.
    victim: Node,
    honest: Node,
    _data: [Scratch; 2],
}

impl Pair {
    fn start(bench: &Bench, files: &Files, base: &Scratch) -> Result<Self, Failure> {
        let data = [
            Scratch::copy(&bench.work, "flood-victim", base.path())?,
            Scratch::copy(&bench.work, "flood-honest", base.path())?,
        ];
        let victim = Node::start(&files.network, data[0].path(), &[])?;
        let told = format!("--network.peers={}", victim.address()?);
        let mut honest = Node::start(&files.network, data[1].path(), &[told])?;
        honest.until("the two are peers", |node| {
            let peers = node.call("net_peers", &json!([])).ok()?;
            peers
                .as_array()?
                .iter()
                .any(|peer| peer["mesh"].as_array().is_some_and(|mesh| mesh.len() == 2))
                .then_some(())
        })?;
        Ok(Self { victim, honest, _data: data })
    }

    fn attack(&self, name: &str) -> Result<Stranger, Failure> {
        let info = self.victim.call("net_info", &json!([]))?;
        let prefix = info["protocol_prefix"].as_str().ok_or("a node has a prefix")?.to_owned();
        let mut words = vec!["flood".to_owned(), name.to_owned(), self.victim.address()?, prefix];
        // The genesis, and the blocks whose bodies fill an answer.
        for height in 0..=self.victim.height()?.min(64) {
            let header = self.victim.call("chain_getHeader", &json!([height]))?;
            words.push(header["id"].as_str().ok_or("a header has an id")?.to_owned());
        }
        Stranger::start(&words)
    }

    /// Hands payments to the honest one, and counts how many a second have reached the victim's pool when nearly all
    /// have.
    fn work(&mut self, payments: &[Vec<u8>]) -> Result<f64, Failure> {
        let started = Instant::now();
        let requests: Vec<Vec<Vec<u8>>> = vec![payments.to_vec()];
        let load = http::load(self.honest.rpc, &requests, None, |body| !body.windows(8).any(|at| at == b"\"error\":"))?;
        if load.refused.0 > 0 {
            return Err(format!("{} payments were refused, the first: {}", load.refused.0, load.refused.1).into());
        }
        let expected = (payments.len() * BATCH * ARRIVED / 100) as u64;
        loop {
            let pooled = self.victim.call("mempool_info", &json!([]))?["count"].as_u64().ok_or("a pool has a count")?;
            if pooled >= expected {
                return Ok(pooled as f64 / started.elapsed().as_secs_f64());
            }
            if started.elapsed() > PATIENCE {
                return Err(format!("got {pooled} payments in the victim's pool, expected {expected}").into());
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Honest payments a second beside each flood and beside its comparison, in turns; then the memory.
pub fn flood(bench: &Bench, results: &mut Results) -> Result<(), Failure> {
    let files = chains::files(&bench.work, PAYERS)?;
    let base = Scratch::new(&bench.work, "flood-base")?;
    node::import(&files.network, base.path(), &files.base, None)?;
    let all = rpc::payments(&files.payments)?;
    for name in FLOODS {
        for figure in ["honest_per_second", "beside_burner_per_second", "attacker_cpus", "memory_growth"] {
            results.clear(&format!("flood.{name}.{figure}"));
        }
    }
    for name in FLOODS {
        for _ in 0..RUNS {
            let mut pair = Pair::start(bench, &files, &base)?;
            let requests: Vec<Vec<u8>> = all
                .chunks_exact(BATCH)
                .map(|some| pair.honest.request(&Value::Array(some.iter().map(rpc::submission).collect()).to_string()))
                .collect();
            let attacker = pair.attack(name)?;
            let (from, burned) = (Instant::now(), attacker.burned()?);
            thread::sleep(PACE);
            results.add(&format!("flood.{name}.honest_per_second"), pair.work(&requests)?);
            let share = (attacker.burned()? - burned) / from.elapsed().as_secs_f64();
            results.add(&format!("flood.{name}.attacker_cpus"), share);
            drop((attacker, pair));

            let mut pair = Pair::start(bench, &files, &base)?;
            let requests: Vec<Vec<u8>> = all
                .chunks_exact(BATCH)
                .map(|some| pair.honest.request(&Value::Array(some.iter().map(rpc::submission).collect()).to_string()))
                .collect();
            let burner = Stranger::start(&["burn".to_owned(), format!("{share:.3}")])?;
            thread::sleep(PACE);
            results.add(&format!("flood.{name}.beside_burner_per_second"), pair.work(&requests)?);
            drop(burner);
        }
        let pair = Pair::start(bench, &files, &base)?;
        results.add(&format!("flood.{name}.memory_growth"), memory(&pair, name)?);
    }
    Ok(())
}

/// The mean resident size in the last third of a flood, as a multiple of that in the first.
fn memory(pair: &Pair, name: &str) -> Result<f64, Failure> {
    let _attacker = pair.attack(name)?;
    thread::sleep(FULL);
    let (watch, look) = WATCH;
    let (started, mut sizes) = (Instant::now(), Vec::new());
    while started.elapsed() < watch {
        sizes.push(pair.victim.memory_mib("VmRSS")?);
        thread::sleep(look);
    }
    let third = (sizes.len() / 3).max(1);
    let mean = |some: &[f64]| some.iter().sum::<f64>() / some.len().max(1) as f64;
    Ok(mean(&sizes[sizes.len() - third..]) / mean(&sizes[..third]))
}
