//! Is the model true? One schedule (who is connected to whom, who finds a block and who pays, and when) is played in
//! the simulator and on real `cairn-node` processes with lines of the same latencies, and how fast blocks came to
//! chains and payments to pools is compared.
//!
//! [`schedule`] is what both play, [`model`] and [`real`] are the two sides, [`arrivals`] is what came where and when.

pub mod arrivals;
pub mod model;
pub mod real;
pub mod schedule;

use crate::chaos::fleet::FleetError;
use crate::chaos::interrupt::Interrupt;
use crate::scenario::{Scenario, seeds};
use arrivals::Spread;
use model::Model;
use schedule::Schedule;
use std::fs;
use std::io::Write;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Between the moment at which the network stands and the first thing that is done, and after the last.
const SETTLED_AFTER: Duration = Duration::from_secs(10);
/// How far both sides may be from each other, of the real one's.
pub const TOLERANCE: f64 = 0.25;

/// What is typed.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The scenario's file: its nodes, miners, interval, minutes and payments; what goes wrong in it is left out
    pub scenario: PathBuf,
    /// The seeds, as FIRST..LAST or one alone: each draws a network and a schedule, and all are counted together
    #[arg(long, value_parser = seeds, default_value = "1")]
    pub seeds: RangeInclusive<u64>,
    /// The model alone, without any process
    #[arg(long)]
    pub model: bool,
}

/// A figure of both sides.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What.
    pub what: String,
    /// On real processes.
    pub real: f64,
    /// In the simulator.
    pub model: f64,
}

impl Row {
    /// The model's of the real one's.
    pub fn ratio(&self) -> f64 {
        self.model / self.real
    }

    /// Whether both are as near to each other as they should be.
    pub fn is_near(&self) -> bool {
        (self.ratio() - 1.0).abs() <= TOLERANCE
    }
}

/// What both sides have measured of blocks or of payments.
pub fn compare(name: &str, real: &Spread, model: &Spread) -> Vec<Row> {
    let quantile = |percent| Row {
        what: format!("{name}, {percent} % within ms"),
        real: real.quantile(percent),
        model: model.quantile(percent),
    };
    let reached = Row { what: format!("{name}, share of nodes reached"), real: real.reached(), model: model.reached() };
    [50, 90, 99].into_iter().map(quantile).chain([reached]).collect()
}

/// Plays both sides, and says whether they are as near to each other as they should be.
///
/// # Errors
/// Nothing can be played, or it was interrupted.
pub fn run(scenario: &Scenario, arguments: &Arguments, out: &mut impl Write) -> Result<bool, FleetError> {
    let interrupt = Interrupt::listen()?;
    let (mut real, mut model) = <((Spread, Spread), (Spread, Spread))>::default();
    for seed in arguments.seeds.clone() {
        let schedule = Schedule::new(scenario, seed);
        let network = Model::new(scenario, &schedule, seed)?;
        if !arguments.model {
            let directory = std::env::temp_dir().join(format!("cairn-validate-{seed}-{}", std::process::id()));
            add(&mut real, play_real(scenario, &schedule, &network, &directory, &interrupt)?);
        }
        add(&mut model, network.play().spread(scenario.nodes));
        let (blocks, payments) = (model.0.things, model.1.things);
        writeln!(out, "seed {seed}: {blocks} blocks and {payments} payments so far among {} nodes", scenario.nodes)?;
    }
    let rows = [compare("blocks", &real.0, &model.0), compare("payments", &real.1, &model.1)].concat();
    writeln!(out, "{:<32} {:>9} {:>9} {:>7}", "", "real", "model", "ratio")?;
    for row in &rows {
        let (far, ratio) = (if row.is_near() { "" } else { "  FAR" }, row.ratio());
        writeln!(out, "{:<32} {:>9.3} {:>9.3} {ratio:>7.2}{far}", row.what, row.real, row.model)?;
    }
    Ok(arguments.model || rows.iter().all(Row::is_near))
}

fn play_real(
    scenario: &Scenario,
    schedule: &Schedule,
    network: &Model,
    directory: &Path,
    interrupt: &Interrupt,
) -> Result<(Spread, Spread), FleetError> {
    if directory.exists() {
        return Err(FleetError::Occupied { directory: directory.to_owned() });
    }
    let latency = |from, to| network.latency(from, to);
    let played = real::play(scenario, schedule, latency, directory, interrupt);
    // What a node has to say when it does not start is in the error.
    fs::remove_dir_all(directory)?;
    Ok(played?.spread(scenario.nodes))
}

fn add(sum: &mut (Spread, Spread), one: (Spread, Spread)) {
    sum.0.add(&one.0);
    sum.1.add(&one.1);
}
