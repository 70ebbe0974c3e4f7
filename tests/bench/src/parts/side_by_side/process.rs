//! From the start of the process until it answers, and what it holds when it rests.

use super::{RUNS, Sides, turn};
use crate::bitcoind::{Daemon, Program};
use crate::node::{self, Node, Scratch};
use crate::parts::{Bench, snapshot::OFF};
use crate::{Failure, results::Results};
use std::time::Duration;
use std::{path::Path, thread};

/// What a node that has just started still does is over by then.
const SETTLED: Duration = Duration::from_secs(5);

/// With nothing, and with 400 000 accounts or as many coins; Litecoin Core with nothing, where it is installed.
pub fn start(bench: &Bench, results: &mut Results) -> Result<(), Failure> {
    let Some(sides) = Sides::new(bench, results)? else { return Ok(()) };
    let litecoin = Program::litecoin();
    if let Some(program) = &litecoin {
        results.beside(program.version.clone());
    }
    let network = &sides.creating.network;
    let (ours, empty) = (Scratch::new(&bench.work, "ours")?, Scratch::new(&bench.work, "ours-empty")?);
    node::import(network, ours.path(), &sides.creating.base, None)?;
    node::import(network, ours.path(), &sides.creating.payments, None)?;
    node::settle(network, ours.path())?;
    node::settle(network, empty.path())?;
    let theirs = Scratch::copy(&bench.work, "theirs", &sides.bitcoin.whole)?;
    let theirs_empty = Scratch::new(&bench.work, "theirs-empty")?;
    let litecoin_data = Scratch::new(&bench.work, "litecoin")?;
    // The first start makes the directory.
    Daemon::start(&sides.program, theirs_empty.path(), &[])?.0.stop()?;
    if let Some(program) = &litecoin {
        Daemon::start(program, litecoin_data.path(), &[])?.0.stop()?;
    }
    for _ in 0..RUNS {
        for (what, data) in [("empty", &empty), ("accounts", &ours)] {
            turn(results, || cairn(what, network, data.path()))?;
        }
        for (what, data) in [("empty", &theirs_empty), ("accounts", &theirs)] {
            turn(results, || daemon(&sides.program, &format!("{what}_bitcoin"), data.path()))?;
        }
        if let Some(program) = &litecoin {
            turn(results, || daemon(program, "empty_litecoin", litecoin_data.path()))?;
        }
    }
    Ok(())
}

fn cairn(what: &str, network: &Path, data: &Path) -> Result<Vec<(String, f64)>, Failure> {
    let node = Node::start(network, data, &OFF.map(String::from))?;
    let seconds = node.started_in.as_secs_f64();
    thread::sleep(SETTLED);
    let resident = node.memory_mib("VmRSS")?;
    node.stop()?;
    Ok(vec![(format!("start.{what}_seconds"), seconds), (format!("memory.{what}_mib"), resident)])
}

fn daemon(program: &Program, what: &str, data: &Path) -> Result<Vec<(String, f64)>, Failure> {
    let (daemon, started_in) = Daemon::start(program, data, &[])?;
    thread::sleep(SETTLED);
    let resident = daemon.memory_mib("VmRSS")?;
    daemon.stop()?;
    Ok(vec![(format!("start.{what}_seconds"), started_in.as_secs_f64()), (format!("memory.{what}_mib"), resident)])
}
