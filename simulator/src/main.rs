//! `cairn-sim`: plays scenarios.

use cairn_simulator::chaos;
use cairn_simulator::course::{Course, Teller, Verdict};
use cairn_simulator::faults::{self, FaultError};
use cairn_simulator::figures::Figures;
use cairn_simulator::report::sweep::{Point, Sweep};
use cairn_simulator::report::{Report, ReportError};
use cairn_simulator::scenario::{self, Scenario, ScenarioError};
use cairn_simulator::shrink::Shrinker;
use cairn_simulator::validation;
use clap::{Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use std::fs;
use std::io::{self, Write};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How this program's memory is laid out: a thousand nodes take gigabytes, of which each event touches a little
/// somewhere. In huge pages, and with one place to allocate from, that takes an eighth less time.
#[expect(unsafe_code, reason = "the allocator looks for this very symbol, before any code of ours runs")]
#[unsafe(export_name = "malloc_conf")]
pub static MALLOC_CONF: &[u8; 21] = b"thp:always,narenas:1\0";

/// Simulates networks of Cairn nodes: production's code, in virtual time, from one seed.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Plays a scenario with each of some seeds, and says what does not hold
    Run {
        /// The scenario's file
        scenario: PathBuf,
        /// The seeds, as FIRST..LAST or one alone
        #[arg(long, value_parser = scenario::seeds, default_value = "1")]
        seeds: RangeInclusive<u64>,
        /// Has the adversaries follow every rule: the control
        #[arg(long)]
        twin: bool,
        /// Ends with the first seed that fails, and says what found it
        #[arg(long)]
        until_failure: bool,
        /// A folder for a page with plots, and a JSON file
        #[arg(long, value_name = "FOLDER")]
        report: Option<PathBuf>,
        /// A file for the first scenario that fails, made as small as it gets
        #[arg(long, value_name = "FILE")]
        shrink: Option<PathBuf>,
    },
    /// Plays a scenario whose adversary mines with several shares of all hashes, and compares what it gains with theory
    Sweep {
        /// The scenario's file
        scenario: PathBuf,
        /// The shares, in percent
        #[arg(long, value_delimiter = ',', default_value = "10,20,30,40,45", value_parser = clap::value_parser!(u32).range(1..=90))]
        percents: Vec<u32>,
        /// The seeds of each, as FIRST..LAST or one alone
        #[arg(long, value_parser = scenario::seeds, default_value = "1")]
        seeds: RangeInclusive<u64>,
        /// A folder for a page with the plot, and a JSON file
        #[arg(long, value_name = "FOLDER")]
        report: Option<PathBuf>,
    },
    /// Plants bugs in a copy of the sources: all that simulator/faults has
    Plant {
        /// The root of the sources
        sources: PathBuf,
        /// Their copy
        copy: PathBuf,
    },
    /// The names of all bugs that can be planted
    Faults {
        /// The root of the sources
        sources: PathBuf,
    },
    /// Plays a scenario with one seed, and tells of it step by step
    Replay {
        /// The scenario's file
        scenario: PathBuf,
        /// The seed; if none is named, the scenario's own, or 1
        #[arg(long)]
        seed: Option<u64>,
        /// Tells of everything that happens between nodes
        #[arg(long)]
        events: bool,
    },
    /// Plays a scenario on real cairn-node processes, with the faults of a seed, and says whether all holds
    Chaos(chaos::run::Arguments),
    /// Plays one schedule of blocks and payments in the simulator and on real cairn-node processes, and compares how
    /// fast they spread
    Validate(validation::Arguments),
}

fn main() -> ExitCode {
    let played = match Arguments::parse().command {
        Command::Run { scenario, seeds, until_failure: true, .. } => until_failure(&scenario, seeds),
        Command::Run { scenario, seeds, twin, report, shrink, .. } => {
            run(&scenario, seeds, twin, (report.as_deref(), shrink.as_deref()))
        }
        Command::Sweep { scenario, percents, seeds, report } => sweep(&scenario, &percents, seeds, report.as_deref()),
        Command::Plant { sources, copy } => faults::write(&sources, &copy).map(|()| true).map_err(RunError::Faults),
        Command::Faults { sources } => list_faults(&sources),
        Command::Replay { scenario, seed, events } => replay(&scenario, seed, events),
        Command::Chaos(arguments) => chaos(&arguments),
        Command::Validate(arguments) => validate(&arguments),
    };
    match played {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // There is nobody else to tell.
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::from(2)
        }
    }
}

/// Why nothing can be played.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error("cannot read {}: {error}", path.display())]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("{}: {error}", path.display())]
    Scenario { path: PathBuf, error: ScenarioError },
    #[error("cannot write {}: {error}", path.display())]
    Unwritable { path: PathBuf, error: io::Error },
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
    #[error(transparent)]
    Chaos(#[from] chaos::fleet::FleetError),
    #[error(transparent)]
    Report(#[from] ReportError),
    #[error(transparent)]
    Faults(#[from] FaultError),
    #[error("a sweep: expected a scenario with an adversary that mines selfishly or spends twice")]
    NoMiner,
    #[error("the smaller scenario cannot be written: {0}")]
    Toml(#[from] toml::ser::Error),
}

fn load(path: &Path) -> Result<Scenario, RunError> {
    let text = fs::read_to_string(path).map_err(|error| RunError::Unreadable { path: path.to_owned(), error })?;
    Scenario::parse(&text).map_err(|error| RunError::Scenario { path: path.to_owned(), error })
}

/// Plays, and says whether all held.
fn run(
    path: &Path,
    seeds: RangeInclusive<u64>,
    is_twin: bool,
    (folder, small): (Option<&Path>, Option<&Path>),
) -> Result<bool, RunError> {
    let scenario = if is_twin { load(path)?.twin() } else { load(path)? };
    let refused = |error| RunError::Scenario { path: path.to_owned(), error };
    let (mut out, mut report, began) = (io::stdout(), Report::new(scenario.clone()), Instant::now());
    let count = seeds.end() - seeds.start() + 1;
    let bar = ProgressBar::new(count).with_style(
        ProgressStyle::with_template("{bar:30} {pos} of {len} seeds, {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let mut first = None;
    for seed in seeds {
        let started = Instant::now();
        let verdict = Course::new(scenario.clone(), seed, Box::new(|_, _| {})).map_err(refused)?.play();
        bar.suspend(|| show(seed, &verdict, started.elapsed(), &mut out))?;
        bar.inc(1);
        report.add(seed, &verdict, started.elapsed());
        first = first.or_else(|| verdict.broken.first().map(|broken| (seed, broken.clone())));
    }
    bar.finish_and_clear();
    conclude(&report, began.elapsed(), &mut out)?;
    if let Some(folder) = folder {
        report.write(folder)?;
        writeln!(out, "The report is {}.", folder.join("index.html").display())?;
    }
    if let (Some(file), Some((seed, broken))) = (small, first) {
        let smaller = Shrinker::new(&scenario, seed, broken).shrink(|smaller, tries| {
            let (nodes, faults, minutes) = (smaller.nodes, smaller.fault.len(), smaller.minutes);
            // Whoever reads it may have gone.
            let _ =
                writeln!(io::stderr(), "try {tries}: {nodes} nodes, {faults} faults, {minutes} minutes fail as well");
        });
        let unwritable = |error| RunError::Unwritable { path: file.to_owned(), error };
        fs::write(file, toml::to_string(&smaller)?).map_err(unwritable)?;
        writeln!(out, "cairn-sim replay {} shows how seed {seed} fails.", file.display())?;
    }
    Ok(report.failed().is_empty())
}

/// Plays with each share of all hashes, and says whether all held.
fn sweep(path: &Path, percents: &[u32], seeds: RangeInclusive<u64>, folder: Option<&Path>) -> Result<bool, RunError> {
    let mut sweep = Sweep::new(load(path)?).ok_or(RunError::NoMiner)?;
    let (mut out, mut is_good) = (io::stdout(), true);
    for percent in percents {
        let mut figures = Figures::default();
        for seed in seeds.clone() {
            let refused = |error| RunError::Scenario { path: path.to_owned(), error };
            let verdict = Course::new(sweep.at(*percent), seed, Box::new(|_, _| {})).map_err(refused)?.play();
            verdict
                .broken
                .iter()
                .try_for_each(|broken| writeln!(out, "  {percent} %, seed {seed}: BROKEN: {broken}"))?;
            is_good &= verdict.broken.is_empty();
            figures.add(&verdict.figures);
        }
        sweep.add(*percent, &figures);
        if let Some(Point { measured, expected, deviation, of, .. }) = sweep.points.last() {
            writeln!(out, "{percent} %: {measured:.4}, in theory {expected:.4} ± {deviation:.4}, of {of}")?;
        }
    }
    if let Some(folder) = folder {
        sweep.write(folder)?;
        writeln!(out, "The report is {}.", folder.join("index.html").display())?;
    }
    Ok(is_good)
}

fn chaos(arguments: &chaos::run::Arguments) -> Result<bool, RunError> {
    Ok(chaos::run::run(load(&arguments.scenario)?, arguments, &mut io::stdout())?)
}

fn validate(arguments: &validation::Arguments) -> Result<bool, RunError> {
    Ok(validation::run(&load(&arguments.scenario)?, arguments, &mut io::stdout())?)
}

fn list_faults(sources: &Path) -> Result<bool, RunError> {
    let all = faults::read(sources)?;
    all.iter().try_for_each(|fault| writeln!(io::stdout(), "{}", fault.name))?;
    Ok(true)
}

/// Plays seeds until one fails, one line for that, and says whether all held.
fn until_failure(path: &Path, seeds: RangeInclusive<u64>) -> Result<bool, RunError> {
    let scenario = load(path)?;
    for (seed, count) in seeds.zip(1_u64..) {
        let refused = |error| RunError::Scenario { path: path.to_owned(), error };
        let verdict = Course::new(scenario.clone(), seed, Box::new(|_, _| {})).map_err(refused)?.play();
        if let Some(broken) = verdict.broken.first() {
            writeln!(io::stdout(), "{count} seeds; {}; {broken}", broken.oracle())?;
            return Ok(false);
        }
    }
    Ok(true)
}

fn replay(path: &Path, seed: Option<u64>, events: bool) -> Result<bool, RunError> {
    let scenario = load(path)?;
    let seed = seed.or(scenario.seed).unwrap_or(1);
    let refused = |error| RunError::Scenario { path: path.to_owned(), error };
    let started = Instant::now();
    let mut course = Course::new(scenario, seed, teller()).map_err(refused)?;
    if events {
        course.trace(Box::new(|at, text| {
            // Whoever reads it may have gone.
            let _ = writeln!(io::stdout(), "{:>12.6} s  {text}", at.as_secs_f64());
        }));
    }
    let verdict = course.play();
    show(seed, &verdict, started.elapsed(), &mut io::stdout())?;
    Ok(verdict.broken.is_empty())
}

fn teller() -> Teller {
    Box::new(|at, text| {
        // Whoever reads it may have gone.
        let _ = writeln!(io::stdout(), "{:>7.1} min  {text}", at.as_secs_f64() / 60.0);
    })
}

fn show(seed: u64, verdict: &Verdict, took: Duration, out: &mut impl Write) -> io::Result<()> {
    let Verdict { broken, height, fates, digest, events, figures: _ } = verdict;
    let digest: String = digest.to_string().chars().take(16).collect();
    let (mined, made, expired, seconds) = (fates.mined, fates.made, fates.expired, took.as_secs_f64());
    writeln!(
        out,
        "seed {seed}: {height} blocks, {mined} of {made} payments mined, {expired} expired, {events} events, {digest}, \
         {seconds:.1} s"
    )?;
    broken.iter().try_for_each(|broken| writeln!(out, "  BROKEN: {broken}"))
}

fn conclude(report: &Report, took: Duration, out: &mut impl Write) -> io::Result<()> {
    for comparison in &report.theory {
        let (what, measured, expected) = (&comparison.what, comparison.measured, comparison.expected);
        let (difference, deviation) = (comparison.difference() * 100.0, comparison.deviation);
        writeln!(out, "{what}: {measured:.4}, in theory {expected:.4} ± {deviation:.4} ({difference:+.1} %)")?;
    }
    let (failed, seconds, deeds) = (report.failed(), took.as_secs_f64(), report.figures.deeds);
    if deeds > 0 {
        writeln!(out, "Adversaries broke the rules {deeds} times.")?;
    }
    match failed.as_slice() {
        [] => writeln!(out, "All that must hold holds; {seconds:.1} s."),
        some => writeln!(out, "{} of {} seeds fail: {some:?}; {seconds:.1} s.", some.len(), report.plays.len()),
    }
}
