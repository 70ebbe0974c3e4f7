//! `cairn-sim`: plays scenarios.

use cairn_simulator::chaos;
use cairn_simulator::course::{Course, Teller, Verdict};
use cairn_simulator::scenario::{Scenario, ScenarioError};
use clap::{Parser, Subcommand};
use std::fs;
use std::io::{self, Write};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

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
        #[arg(long, value_parser = seeds, default_value = "1")]
        seeds: RangeInclusive<u64>,
    },
    /// Plays a scenario with one seed, and tells of it step by step
    Replay {
        /// The scenario's file
        scenario: PathBuf,
        /// The seed
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Plays a scenario on real cairn-node processes, with the faults of a seed, and says whether all holds
    Chaos(chaos::run::Arguments),
}

fn seeds(text: &str) -> Result<RangeInclusive<u64>, String> {
    let number = |text: &str| text.parse::<u64>().map_err(|_| format!("got {text:?}, expected FIRST..LAST"));
    match text.split_once("..") {
        Some((first, last)) => Ok(number(first)?..=number(last.trim_start_matches('='))?),
        None => Ok(number(text)?..=number(text)?),
    }
}

fn main() -> ExitCode {
    match run(Arguments::parse().command, &mut io::stdout()) {
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
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
    #[error(transparent)]
    Chaos(#[from] chaos::fleet::FleetError),
}

/// Plays, and says whether all held.
fn run(command: Command, out: &mut impl Write) -> Result<bool, RunError> {
    let (path, seeds, is_told) = match command {
        Command::Chaos(arguments) => {
            let scenario = read(&arguments.scenario)?;
            return Ok(chaos::run::run(scenario, &arguments, out)?);
        }
        Command::Run { scenario, seeds } => (scenario, seeds, false),
        Command::Replay { scenario, seed } => (scenario, seed..=seed, true),
    };
    let refused = |error| RunError::Scenario { path: path.clone(), error };
    let scenario = read(&path)?;
    let (mut failed, began) = (Vec::new(), Instant::now());
    for seed in seeds.clone() {
        let started = Instant::now();
        let verdict = Course::new(scenario.clone(), seed, teller(is_told)).map_err(refused)?.play();
        show(seed, &verdict, started.elapsed(), out)?;
        if !verdict.broken.is_empty() {
            failed.push(seed);
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    if failed.is_empty() {
        writeln!(out, "All that must hold holds; {seconds:.1} s.")?;
    } else {
        writeln!(out, "{} of {} seeds fail: {failed:?}; {seconds:.1} s.", failed.len(), seeds.count())?;
    }
    Ok(failed.is_empty())
}

fn read(path: &Path) -> Result<Scenario, RunError> {
    let text = fs::read_to_string(path).map_err(|error| RunError::Unreadable { path: path.to_owned(), error })?;
    Scenario::parse(&text).map_err(|error| RunError::Scenario { path: path.to_owned(), error })
}

fn teller(is_told: bool) -> Teller {
    Box::new(move |at, text| {
        if is_told {
            // Whoever reads it may have gone.
            let _ = writeln!(io::stdout(), "{:>7.1} min  {text}", at.as_secs_f64() / 60.0);
        }
    })
}

fn show(seed: u64, verdict: &Verdict, took: Duration, out: &mut impl Write) -> io::Result<()> {
    let Verdict { broken, height, fates, digest, events } = verdict;
    let digest: String = digest.to_string().chars().take(16).collect();
    let (mined, made, expired, seconds) = (fates.mined, fates.made, fates.expired, took.as_secs_f64());
    writeln!(
        out,
        "seed {seed}: {height} blocks, {mined} of {made} payments mined, {expired} expired, {events} events, {digest}, \
         {seconds:.1} s"
    )?;
    broken.iter().try_for_each(|broken| writeln!(out, "  BROKEN: {broken}"))
}
