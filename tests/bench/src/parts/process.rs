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

/// From the start of the process until JSON-RPC answers, with nothing and with a million accounts, and with ten million
/// where all is measured; and the same after kill -9.
pub fn start(bench: &Bench, results: &mut Results) -> Result<(), Failure> {
    let mut states = vec![(String::from("empty"), Scratch::new(&bench.work, "empty")?)];
    let network = chains::files(&bench.work, plan(10_000))?.network;
    let sizes: &[_] =
        if bench.full { &[("million", 1_000_000), ("ten_million", 10_000_000)] } else { &[("million", 1_000_000)] };
    for (name, accounts) in sizes {
        let data = Scratch::new(&bench.work, name)?;
        node::import(&network, data.path(), &chains::files(&bench.work, plan(*accounts))?.base, None)?;
        states.push((String::from(*name), data));
    }
    for (name, _) in &states {
        for figure in
            [format!("start.{name}_seconds"), format!("start.{name}_killed_seconds"), format!("memory.{name}_mib")]
        {
            results.clear(&figure);
        }
    }
    for _ in 0..RUNS {
        for (name, data) in &states {
            let node = Node::start(&network, data.path(), &[])?;
            results.add(&format!("start.{name}_seconds"), node.started_in.as_secs_f64());
            // Dropped, it is killed; the next run's start is after a stop in order again.
            drop(node);
            let node = Node::start(&network, data.path(), &[])?;
            results.add(&format!("start.{name}_killed_seconds"), node.started_in.as_secs_f64());
            node.stop()?;
        }
    }
    for (name, data) in &states {
        let node = Node::start(&network, data.path(), &[])?;
        thread::sleep(SETTLED);
        results.add(&format!("memory.{name}_mib"), node.memory_mib("VmRSS")?);
        node.stop()?;
    }
    Ok(())
}

/// So many accounts, of which some pay a few times.
const fn plan(accounts: u64) -> Plan {
    Plan { accounts, signers: 10_000, rounds: 5, creates: false }
}
