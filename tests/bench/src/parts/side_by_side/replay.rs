//! Replay of 200 000 payments, on all cores and on one.

use super::{RUNS, Sides, turn};
use crate::bitcoind::{Daemon, chain::PAYMENTS};
use crate::node::{self, Scratch, number, processor_seconds};
use crate::parts::Bench;
use crate::{Failure, reference::Reference, results::Results};
use std::thread;
use std::time::Duration;

/// Between two looks at a log that grows.
const LOOK: Duration = Duration::from_millis(20);

/// `cairn-node import` beside `bitcoind -reindex-chainstate`, both held to the same cores; and R.
pub fn replay(bench: &Bench, results: &mut Results) -> Result<(), Failure> {
    let Some(sides) = Sides::new(bench, results)? else { return Ok(()) };
    let base = Scratch::new(&bench.work, "base")?;
    node::import(&sides.among.network, base.path(), &sides.among.base, None)?;
    node::settle(&sides.among.network, base.path())?;
    let reference = Reference::new();
    let all = thread::available_parallelism().map_or(1, usize::from);
    for _ in 0..RUNS {
        for cores in [all, 1] {
            for (what, files) in sides.ours() {
                let data = Scratch::copy(&bench.work, "replay", base.path())?;
                turn(results, || {
                    let before = reference.measure(cores).per_second;
                    let figures = node::import_on(&files.network, data.path(), &files.payments, cores)?;
                    // Before and after, so that a machine that slows down meanwhile does not favour one side.
                    let single = (before + reference.measure(cores).per_second) / 2.0;
                    let (rate, count) =
                        (number(&figures, "transactions_per_second")?, number(&figures, "transactions")?);
                    let cpu = number(&figures, "cpu_seconds")? * 1e6 / count;
                    let name = format!("replay.{cores}.{what}");
                    Ok(vec![
                        (format!("{name}_per_second"), rate),
                        (format!("{name}_cpu_us"), cpu),
                        (format!("{name}_r"), rate / (cores as f64 * single)),
                    ])
                })?;
            }
            let data = Scratch::copy(&bench.work, "reindex", &sides.bitcoin.whole)?;
            turn(results, || bitcoin(&sides, &data, cores))?;
        }
    }
    Ok(())
}

fn bitcoin(sides: &Sides, data: &Scratch, cores: usize) -> Result<Vec<(String, f64)>, Failure> {
    let more = ["-reindex-chainstate", &format!("-par={cores}")].map(String::from);
    let mut daemon = Daemon::spawn_on(&sides.program, data.path(), &more, Some(cores))?;
    let (first, last) = sides.bitcoin.payments_between;
    let ended = daemon.until("it has the chain", |daemon| {
        thread::sleep(LOOK);
        daemon.tip_at(last)
    })?;
    let cpu = processor_seconds(daemon.id())?;
    let began = daemon.tip_at(first).ok_or("a log tells of each block")?;
    daemon.until("it answers", |daemon| daemon.height().ok())?;
    daemon.stop()?;
    let name = format!("replay.{cores}.bitcoin");
    Ok(vec![
        (format!("{name}_per_second"), PAYMENTS as f64 / (ended - began)),
        (format!("{name}_cpu_us"), cpu * 1e6 / PAYMENTS as f64),
    ])
}
