//! `bench`: what this machine can do for a node.

use super::{CliError, cores, print, replay::block_on};
use crate::bench::{self, BenchReport};
use crate::config::{Environment, Flags, Settings};
use crate::system::telemetry;
use cairn_ledger::chain_spec::ChainSpec;
use clap::Args;
use serde_json::json;
use std::{io::IsTerminal, path::PathBuf};

#[derive(Debug, Args)]
pub(super) struct BenchArgs {
    /// Where to put a scratch database, on the disk that is to be measured; by default beside the nodes' data
    #[arg(long, value_name = "DIR", value_parser = super::path_parser())]
    scratch: Option<PathBuf>,
    /// Use so many cores at most; all by default
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// The result as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: BenchArgs) -> Result<(), CliError> {
    let cores = cores::limit(args.threads)?;
    // Main's settings say where data is by default, and what a full block is.
    let flags = Flags { chain: Some(String::from("main")), data_dir: None, keys: Vec::new() };
    let settings = Settings::load(&flags, &Environment::of_this_process())?;
    telemetry::start_with_warnings_alone()?;
    let beside = settings.data_dir.parent().map(PathBuf::from);
    let scratch = args.scratch.or(beside).unwrap_or_else(std::env::temp_dir);
    let watched = std::io::stderr().is_terminal();
    let mut say = |next: &str| {
        if watched {
            eprintln!("measuring {next} ...");
        }
    };
    let report = block_on(|stop| bench::run(&scratch, cores, &mut say, stop))??;
    match args.json {
        true => print(format_args!("{}", as_json(&report, &settings.spec))),
        false => print(format_args!("{}", as_text(&report, &settings.spec))),
    }
}

fn as_json(report: &BenchReport, main: &ChainSpec) -> serde_json::Value {
    json!({
        "cores": report.cores,
        "signings_per_second": report.signings,
        "single_signatures_per_second": report.singles,
        "batch_signatures_per_second": report.batched,
        "hash_mib_per_second": report.hashed / MIB,
        "mining_attempts_per_second": report.mining.kernel,
        "plain_attempts_per_second": report.mining.plain,
        "synced_writes_per_second": report.synced,
        "payments_replayed": report.replayed,
        "payments_per_second": report.payments,
        "signature_share": report.signature_share(),
        "year_of_full_blocks_seconds": report.year_of_full_blocks(main),
    })
}

const MIB: f64 = (1 << 20) as f64;
const DAY: f64 = 86_400.0;

fn as_text(report: &BenchReport, main: &ChainSpec) -> String {
    let BenchReport { signings, singles, batched, hashed, mining, synced, payments, replayed, cores } = report;
    let share = 100.0 * report.signature_share();
    let days = report.year_of_full_blocks(main) / DAY;
    let headers = BenchReport::year_of_headers(main) / MIB;
    [
        String::from("on one core"),
        format!("  signatures made         {signings:>12.0} a second"),
        format!("  signatures verified     {singles:>12.0} a second one by one"),
        format!(
            "                          {batched:>12.0} a second in batches, {:.1} times as many",
            batched / singles
        ),
        format!("  SHA-256                 {:>12.0} MiB a second", hashed / MIB),
        format!(
            "  attempts at a nonce     {:>12.0} a second, {:.1} times plain SHA-256",
            mining.kernel,
            mining.kernel / mining.plain
        ),
        String::from("on the disk"),
        format!("  synced writes           {synced:>12.0} a second of {} KiB", bench::BATCH_BYTES / 1024),
        format!("on {cores} cores"),
        format!("  payments replayed       {payments:>12.0} a second ({replayed} of them, through every rule)"),
        format!("  spent on signatures     {share:>12.0} % of the cores' time"),
        String::from("what that means"),
        format!("  a year of full blocks on main takes {days:.1} days to replay; its headers are {headers:.0} MiB"),
    ]
    .join("\n")
}
