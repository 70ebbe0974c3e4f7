//! Attacks the verifier of light proofs for so many minutes, or shows the bound.

use cairn_adversary::search::{Random, Tally, World};
use cairn_adversary::{bound, breaches, network};
use cairn_ledger::light::SAMPLES;
use clap::{Parser, Subcommand};
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// A prover that may do everything but work, against the verifier of light proofs.
#[derive(Debug, Parser)]
#[command(name = "cairn-adversary", version)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Attack for so many minutes; ends with 1 if one proof or receipt was accepted
    Attack {
        /// How long
        #[arg(long, value_name = "N", default_value_t = 1.0)]
        minutes: f64,
        /// The adversary's part of all work
        #[arg(long, value_name = "PART", default_value_t = 1.0 / 3.0)]
        share: f64,
        /// Blocks of the honest chain
        #[arg(long, value_name = "N", default_value_t = 6_000)]
        blocks: u64,
        /// Where the random numbers begin
        #[arg(long, value_name = "N", default_value_t = 1)]
        seed: u64,
    },
    /// Show what an adversary can reach at best, luck included
    Bound {
        /// Samples in each octave
        #[arg(long, value_name = "N", default_value_t = SAMPLES)]
        samples: u64,
    },
}

fn main() -> io::Result<ExitCode> {
    match Arguments::parse().task {
        Task::Attack { minutes, share, blocks, seed } => attack(minutes, share, blocks, seed),
        Task::Bound { samples } => {
            write!(io::stdout(), "{}", bound::table(samples))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn attack(minutes: f64, share: f64, blocks: u64, seed: u64) -> io::Result<ExitCode> {
    let mut out = io::stdout();
    let (begun, length) = (Instant::now(), Duration::from_secs_f64(minutes * 60.0));
    let mut broken = 0;
    for [breach, twin] in breaches::all() {
        let (verdict, honest) = (breach.verdict(), twin.verdict());
        broken += u64::from(verdict.is_ok());
        let verdict = verdict.map_or_else(|error| error, |()| String::from("ACCEPTED"));
        writeln!(
            out,
            "{:28} {verdict}; its honest twin {}",
            breach.rule,
            if honest.is_ok() { "holds" } else { "FAILS" }
        )?;
    }
    let world = World::new(network(), blocks, share);
    let (mut random, mut tally, mut told) = (Random::new(seed), Tally::default(), Instant::now());
    while begun.elapsed() < length {
        if let Some((plan, _)) = world.search(&mut random, 2, 60, &mut tally) {
            world.attack(&plan, &mut random, 200, &mut tally);
        }
        if told.elapsed() > Duration::from_secs(60) {
            report(&mut out, begun, &tally)?;
            told = Instant::now();
        }
    }
    report(&mut out, begun, &tally)?;
    Ok(if tally.accepted + tally.receipts + broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn report(out: &mut impl Write, begun: Instant, tally: &Tally) -> io::Result<()> {
    let Tally { plans, possible, forged, tried, fewest_missed, best, tips, accepted, receipts } = tally;
    let seconds = begun.elapsed().as_secs();
    let missed = fewest_missed.map_or_else(|| String::from("none"), |missed| missed.to_string());
    let best = best.map_or_else(|| String::from("none"), |best| format!("2^{best:.1}"));
    writeln!(
        out,
        "{seconds:5} s: {plans} plans, {possible} possible, {forged} chains mined, {tried} requests, {tips} receipts; best \
         chance {best}, fewest samples missed {missed}, accepted {accepted} proofs and {receipts} receipts"
    )
}
