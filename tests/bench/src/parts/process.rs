//! The process itself: how fast the machine is for it, how soon it answers, what it holds in memory.

use super::Bench;
use crate::chains::{self, Plan};
use crate::node::{self, Node, Scratch};
use crate::{Failure, results::Results};
use serde_json::Value;
use std::{thread, time::Duration};

/// Short runs are repeated so often.
const RUNS: usize = 5;
/// What a node that has just started still does is over by then.
const SETTLED: Duration = Duration::from_secs(5);

/// Keeps what `cairn-node bench` says, run by run.
pub fn machine(_: &Bench, results: &mut Results) -> Result<(), Failure> {
    for run in 0..3 {
        let Value::Object(said) = node::run(&["bench", "--json"])? else {
            return Err("cairn-node bench --json gave no object".into());
        };
        for (name, value) in said {
            let name = format!("machine.{name}");
            if run == 0 {
                results.clear(&name);
            }
            if let Some(value) = value.as_f64() {
                results.add(&name, value);
            }
        }
    }
    Ok(())
}

/// From the start of the process until JSON-RPC answers, with nothing and with a million accounts.
pub fn start(bench: &Bench, results: &mut Results) -> Result<(), Failure> {
    let files = chains::files(&bench.work, Plan { accounts: 1_000_000, signers: 10_000, rounds: 5 })?;
    let large = Scratch::new(&bench.work, "million")?;
    node::import(&files.network, large.path(), &files.base, None)?;
    for name in ["start.empty_seconds", "start.million_seconds", "memory.idle_mib", "memory.million_mib"] {
        results.clear(name);
    }
    for _ in 0..RUNS {
        let empty = Scratch::new(&bench.work, "empty")?;
        for (name, data) in [("empty", &empty), ("million", &large)] {
            let node = Node::start(&files.network, data.path(), &[])?;
            results.add(&format!("start.{name}_seconds"), node.started_in.as_secs_f64());
            node.stop()?;
        }
    }
    let empty = Scratch::new(&bench.work, "empty")?;
    for (name, data) in [("idle", &empty), ("million", &large)] {
        let node = Node::start(&files.network, data.path(), &[])?;
        thread::sleep(SETTLED);
        results.add(&format!("memory.{name}_mib"), node.memory_mib("VmRSS")?);
        node.stop()?;
    }
    Ok(())
}
