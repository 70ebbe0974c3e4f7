//! A block of some 5 000 payments along a line of eight nodes.

use super::{Sides, turn};
use crate::bitcoind::{Daemon, chain};
use crate::node::Scratch;
use crate::parts::{
    Bench,
    propagation::{Course, NODES},
};
use crate::{Failure, results::Results};
use serde_json::json;
use std::{thread, time::Duration};

/// How often each line is set up, and blocks that go along it each time.
const RUNS: usize = 2;
const BLOCKS: usize = 5;
/// Payments in a block, and what one of Bitcoin's weighs; a little is left to what is mined.
const PAYMENTS: usize = 5_000;
const WEIGHT: usize = 561;
const MINED_WEIGHT: usize = 12_000;
/// What neighbours have to say to each other at first is said by then.
const SETTLED: Duration = Duration::from_secs(3);
/// Between two looks at whether all have a block, and after it, so that it is over for all.
const LOOK: Duration = Duration::from_millis(50);
const OVER: Duration = Duration::from_millis(800);

/// From found to the last one's tip: with its payments in all pools, and in the miner's alone.
pub fn line(bench: &Bench, results: &mut Results) -> Result<(), Failure> {
    let Some(sides) = Sides::new(bench, results)? else { return Ok(()) };
    let mut course = Course::new(bench, (2 * RUNS * BLOCKS) as u64)?;
    for _ in 0..RUNS {
        for (name, is_known) in [("known", true), ("unknown", false)] {
            turn(results, || {
                let mut all = Vec::new();
                course.run(is_known, BLOCKS as u64, |ms| all.push((format!("line.{name}_ms"), ms)))?;
                Ok(all)
            })?;
            let data = (0..NODES).map(|n| Scratch::copy(&bench.work, &format!("line-{n}"), &sides.bitcoin.base));
            let data = data.collect::<Result<Vec<_>, _>>()?;
            turn(results, || {
                let all = bitcoin(&sides, &data, is_known)?;
                Ok(all.into_iter().map(|ms| (format!("line.{name}_bitcoin_ms"), ms)).collect())
            })?;
        }
    }
    Ok(())
}

/// The same with Bitcoin Core, timed by the logs of all.
fn bitcoin(sides: &Sides, data: &[Scratch], is_known: bool) -> Result<Vec<f64>, Failure> {
    let weight = format!("-blockmaxweight={}", PAYMENTS * WEIGHT + MINED_WEIGHT);
    let options = [String::from("-debug=bench"), String::from("-par=1"), weight];
    let nodes = data.iter().map(|data| Ok(Daemon::start(&sides.program, data.path(), &options)?.0));
    let nodes: Vec<Daemon> = nodes.collect::<Result<_, Failure>>()?;
    let payments = sides.bitcoin.payments.get(..BLOCKS * PAYMENTS).ok_or("enough payments")?;
    for (n, node) in nodes.iter().enumerate() {
        if n == 0 || is_known {
            chain::submit(node, payments)?;
        }
    }
    for two in nodes.windows(2) {
        two[1].call_without_result("addnode", &json!([format!("127.0.0.1:{}", two[0].p2p), "onetry"]))?;
    }
    thread::sleep(SETTLED);
    let (first, last) = (nodes.first().ok_or("a first")?, nodes.last().ok_or("a last")?);
    let mut all = Vec::new();
    for _ in 0..BLOCKS {
        chain::mine(first, 1)?;
        let height = first.height()?;
        while last.tip_at(height).is_none() {
            thread::sleep(LOOK);
        }
        thread::sleep(OVER);
        let found = first.last_at("CreateNewBlock()").ok_or("a log tells of each template")?;
        let seen = last.tip_at(height).ok_or("a log tells of each block")? + last.begun_after(first);
        all.push((seen - found) * 1e3);
    }
    nodes.into_iter().try_for_each(Daemon::stop)?;
    Ok(all)
}
