//! Synchronisation over loopback from an empty directory, what the process holds then, and its disk.

use super::{Sides, turn};
use crate::bitcoind::{Daemon, chain::PAYMENTS};
use crate::chains::Files;
use crate::node::{self, Node, Scratch, bytes_in};
use crate::parts::{Bench, snapshot::OFF};
use crate::{Failure, results::Results};
use std::path::Path;
use std::time::{Duration, Instant};
use std::{fs, thread};

const RUNS: usize = 3;
/// What is needed for the work goes back to the system within this time.
const SETTLED: Duration = Duration::from_secs(10);
/// Between two looks at a log that grows.
const LOOK: Duration = Duration::from_millis(20);

/// From the start of a new node until it has the tip.
pub fn sync(bench: &Bench, results: &mut Results) -> Result<(), Failure> {
    let Some(sides) = Sides::new(bench, results)? else { return Ok(()) };
    let mut sources = Vec::new();
    for (what, files) in sides.ours() {
        let data = Scratch::new(&bench.work, &format!("source-{what}"))?;
        node::import(&files.network, data.path(), &files.base, None)?;
        node::import(&files.network, data.path(), &files.payments, None)?;
        node::settle(&files.network, data.path())?;
        let node = Node::start(&files.network, data.path(), &OFF.map(String::from))?;
        sources.push((what, files, node, data));
    }
    let data = Scratch::copy(&bench.work, "source", &sides.bitcoin.whole)?;
    let (daemon, _) = Daemon::start(&sides.program, data.path(), &[])?;
    for _ in 0..RUNS {
        for (what, files, node, _) in &sources {
            let fresh = Scratch::new(&bench.work, "client")?;
            turn(results, || cairn(what, files, node, fresh.path()))?;
            node::settle(&files.network, fresh.path())?;
            let bytes = bytes_in(&fresh.path().join("db"))? as f64;
            results.add(&format!("beside.disk.{what}_bytes"), bytes / files.count as f64);
        }
        let fresh = Scratch::new(&bench.work, "client")?;
        turn(results, || bitcoin(&sides, &daemon, fresh.path()))?;
        // Its database, too, puts itself in order while nobody asks.
        let (rests, _) = Daemon::start(&sides.program, fresh.path(), &[])?;
        thread::sleep(SETTLED);
        rests.stop()?;
        results.add("beside.disk.bitcoin_bytes", used_bytes(&fresh.path().join("regtest"))? as f64 / PAYMENTS as f64);
    }
    daemon.stop()?;
    sources.into_iter().try_for_each(|(_, _, node, _)| node.stop())
}

fn cairn(what: &str, files: &Files, source: &Node, data: &Path) -> Result<Vec<(String, f64)>, Failure> {
    let (height, mut options) = (source.height()?, OFF.map(String::from).to_vec());
    options.push(format!("--network.peers={}", source.address()?));
    let began = Instant::now();
    let mut client = Node::start(&files.network, data, &options)?;
    let ended = client.until("it has the chain", |node| (node.height().ok()? >= height).then(Instant::now))?;
    thread::sleep(SETTLED);
    let (resident, peak) = (client.memory_mib("VmRSS")?, client.memory_mib("VmHWM")?);
    client.stop()?;
    Ok(vec![
        (format!("sync.{what}_per_second"), files.count as f64 / ended.duration_since(began).as_secs_f64()),
        (format!("memory.after_sync_{what}_mib"), resident),
        (format!("memory.peak_{what}_mib"), peak),
    ])
}

fn bitcoin(sides: &Sides, source: &Daemon, data: &Path) -> Result<Vec<(String, f64)>, Failure> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let options = [format!("-connect=127.0.0.1:{}", source.p2p), format!("-par={cores}")];
    let mut client = Daemon::spawn(&sides.program, data, &options)?;
    let (_, last) = sides.bitcoin.payments_between;
    let seconds = client.until("it has the chain", |client| {
        thread::sleep(LOOK);
        client.tip_at(last)
    })?;
    thread::sleep(SETTLED);
    let (resident, peak) = (client.memory_mib("VmRSS")?, client.memory_mib("VmHWM")?);
    client.stop()?;
    Ok(vec![
        (String::from("sync.bitcoin_per_second"), PAYMENTS as f64 / seconds),
        (String::from("memory.after_sync_bitcoin_mib"), resident),
        (String::from("memory.peak_bitcoin_mib"), peak),
    ])
}

/// What a daemon's blocks and state take of the disk; files of blocks are made larger than what is in them.
fn used_bytes(regtest: &Path) -> Result<u64, Failure> {
    let mut sum = bytes_in(&regtest.join("chainstate"))? + bytes_in(&regtest.join("blocks/index"))?;
    for entry in fs::read_dir(regtest.join("blocks"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|kind| kind == "dat") {
            let bytes = fs::read(path)?;
            sum += bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1);
        }
    }
    Ok(sum)
}
