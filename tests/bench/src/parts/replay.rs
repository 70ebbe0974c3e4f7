//! Replay: import, verification and synchronisation of whole chains.

use super::{Bench, EVERYBODY_PAYS};
use crate::chains::{self, Files, Plan};
use crate::node::{self, Node, Scratch, bytes_in, number};
use crate::{Failure, reference::Reference, results::Results};
use serde_json::json;
use std::time::{Duration, Instant};
use std::{fs, thread};

/// Long runs are repeated so often.
const LONG_RUNS: usize = 3;
/// Payments in states of different sizes: fractions of a second, compared with each other.
const ACCOUNT_RUNS: usize = 5;
/// How long after a synchronisation a node's memory is looked at.
const SETTLED: Duration = Duration::from_secs(10);
/// Accounts of which memory holds a part.
const BOUNDED: u64 = 1_000_000;
/// Those who pay in states of every size: the same people, payments and order.
const SIGNERS: u64 = 10_000;
const ROUNDS: u64 = 50;

/// Cores this process may use.
fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// R = payments replayed per second / (cores × single verifications per second and core), in turns with the
/// yardstick; and what a payment takes on the disk.
pub fn replay(bench: &Bench, results: &mut Results) -> Result<(), Failure> {
    let files = chains::files(&bench.work, EVERYBODY_PAYS)?;
    let base = Scratch::new(&bench.work, "base")?;
    node::import(&files.network, base.path(), &files.base, None)?;
    node::settle(&files.network, base.path())?;
    let before = bytes_in(&base.path().join("db"))?;
    let reference = Reference::new();
    let counts = if cores() > 1 { vec![1, cores()] } else { vec![1] };
    for name in ["disk.bytes_per_payment", "verify.seconds", "verify.payments_per_second"] {
        results.clear(name);
    }
    for threads in &counts {
        for name in ["payments_per_second", "reference_per_core", "r", "reference_cpu_us", "cpu_us_per_payment"] {
            results.clear(&format!("replay.{threads}.{name}"));
        }
    }
    for run in 0..LONG_RUNS {
        for threads in &counts {
            let data = Scratch::copy(&bench.work, "replay", base.path())?;
            let around = reference.measure(*threads);
            let figures = node::import(&files.network, data.path(), &files.payments, Some(*threads))?;
            // Before and after, so that a machine that slows down meanwhile does not favour one side.
            let after = reference.measure(*threads);
            let single = (around.per_second + after.per_second) / 2.0;
            let single_cpu = (around.cpu_us + after.cpu_us) / 2.0;
            let (rate, count) = (number(&figures, "transactions_per_second")?, number(&figures, "transactions")?);
            if count != files.count as f64 {
                return Err(format!("got {count} payments, expected {}", files.count).into());
            }
            let mut add = |name: &str, value| results.add(&format!("replay.{threads}.{name}"), value);
            add("payments_per_second", rate);
            add("reference_per_core", single);
            add("r", rate / (*threads as f64 * single));
            add("reference_cpu_us", single_cpu);
            add("cpu_us_per_payment", number(&figures, "cpu_seconds")? * 1e6 / count);
            if threads == counts.last().unwrap_or(&1) {
                // At rest: how many old versions of accounts wait for a compaction is chance.
                node::settle(&files.network, data.path())?;
                let after = bytes_in(&data.path().join("db"))?;
                results.add("disk.bytes_per_payment", after.saturating_sub(before) as f64 / count);
                if run == 0 {
                    let whole = node::verify(&files.network, data.path(), None)?;
                    results.add("verify.seconds", number(&whole, "seconds")?);
                    results.add("verify.payments_per_second", number(&whole, "payments_per_second")?);
                }
            }
        }
    }
    Ok(())
}

/// The cost of a payment in states of different sizes, in turns.
pub fn accounts(bench: &Bench, results: &mut Results) -> Result<(), Failure> {
    let mut sizes = vec![10_000, 100_000, 1_000_000];
    if bench.full {
        sizes.push(10_000_000);
    }
    let mut states = Vec::new();
    for name in ["accounts.bounded.us_per_payment", "accounts.bounded.peak_mib"] {
        results.clear(name);
    }
    for accounts in sizes {
        let files = chains::files(&bench.work, Plan { accounts, signers: SIGNERS, rounds: ROUNDS, creates: false })?;
        let base = Scratch::new(&bench.work, &format!("state-{accounts}"))?;
        let figures = node::import(&files.network, base.path(), &files.base, None)?;
        results.clear(&format!("accounts.{accounts}.us_per_payment"));
        results.clear(&format!("accounts.{accounts}.created_per_second"));
        results.add(&format!("accounts.{accounts}.created_per_second"), number(&figures, "payments_per_second")?);
        node::settle(&files.network, base.path())?;
        states.push((accounts, files, base));
    }
    for _ in 0..ACCOUNT_RUNS {
        for (accounts, files, base) in &states {
            let data = Scratch::copy(&bench.work, "accounts", base.path())?;
            let figures = node::import(&files.network, data.path(), &files.payments, None)?;
            let cost = 1e6 / number(&figures, "transactions_per_second")?;
            results.add(&format!("accounts.{accounts}.us_per_payment"), cost);
            if *accounts == BOUNDED {
                bounded(bench, files, base, results)?;
            }
        }
    }
    Ok(())
}

/// The cost of a payment where memory holds a part of the accounts, and what the process held.
fn bounded(bench: &Bench, files: &Files, base: &Scratch, results: &mut Results) -> Result<(), Failure> {
    let data = Scratch::copy(&bench.work, "bounded", base.path())?;
    fs::write(data.path().join("cairn-node.toml"), "[memory]\nmax_bytes = \"256MiB\"\n")?;
    let import = node::watched_import(&files.network, data.path(), &files.payments)?;
    results.add("accounts.bounded.us_per_payment", 1e6 / number(&import.figures, "transactions_per_second")?);
    results.add("accounts.bounded.peak_mib", import.peak_mib);
    Ok(())
}

/// One node fetches the chain from another, in turns with a replay of the same chain.
pub fn sync(bench: &Bench, results: &mut Results) -> Result<(), Failure> {
    let files = chains::files(&bench.work, EVERYBODY_PAYS)?;
    let data = Scratch::new(&bench.work, "server")?;
    node::import(&files.network, data.path(), &files.base, None)?;
    node::import(&files.network, data.path(), &files.payments, None)?;
    for name in ["sync.payments_per_second", "sync.share_of_replay", "memory.after_sync_mib", "memory.peak_in_sync_mib"]
    {
        results.clear(name);
    }
    for _ in 0..LONG_RUNS {
        let replayed = node::verify(&files.network, data.path(), None)?;
        let server = Node::start(&files.network, data.path(), &[])?;
        let (height, peer) = (server.height()?, server.address()?);
        let fresh = Scratch::new(&bench.work, "client")?;
        let mut client = Node::start(&files.network, fresh.path(), &[format!("--network.peers={peer}")])?;
        let connected = |node: &Node| {
            let peers = node.call("net_info", &json!([])).ok()?["peers"].as_u64()?;
            (peers > 0 || node.height().ok()? > 0).then(Instant::now)
        };
        let began = client.until("it has a peer", connected)?;
        let ended = client.until("it has the chain", |node| (node.height().ok()? >= height).then(Instant::now))?;
        let seconds = ended.duration_since(began).as_secs_f64();
        results.add("sync.payments_per_second", number(&replayed, "payments")? / seconds);
        results.add("sync.share_of_replay", number(&replayed, "seconds")? / seconds);
        // What it needed for the work goes back to the system within seconds.
        thread::sleep(SETTLED);
        results.add("memory.after_sync_mib", client.memory_mib("VmRSS")?);
        results.add("memory.peak_in_sync_mib", client.memory_mib("VmHWM")?);
        client.stop()?;
        server.stop()?;
    }
    Ok(())
}
