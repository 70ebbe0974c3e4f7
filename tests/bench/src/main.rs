//! `cairn-bench`: whole nodes, measured. `scripts/bench/run.sh` builds and calls it.
//!
//! # The path of a figure
//! [`chains`] makes files of blocks by the ledger's own rules → `cairn-node import` puts them into a node
//! through every rule → a part of [`parts`] drives the real program (its commands, or its JSON-RPC by
//! [`http`]) → [`results`] keeps every single value as JSON → [`report`] writes `docs/performance.md` from that.
//!
//! # Map
//! [`chains`] chains to measure on · [`shaper`] slow lines and [`browser`] a browser, as in
//! the tests · [`node`] the program and its processes ·
//! [`bitcoind`] Bitcoin Core and its relatives, and chains for them · [`http`] a client that costs next to nothing, and
//! load made with it · [`reference`] libsecp256k1, the yardstick · [`quiet`] other work on the machine · [`results`]
//! values, medians, the file they are kept in · [`parts`] what is measured · [`report`] the page
//!
//! # Invariants
//! 1. Nothing of the node is linked in: what is measured is the program that users run, from CAIRN_BIN.
//! 2. A ratio's two sides are measured in the same run, in turns; a median comes with its spread.
//! 3. Only processes started here are ended, by their handles; all traffic stays on loopback.

#![expect(clippy::print_stdout, reason = "a program that tells its user what it found")]

mod bitcoind;
#[cfg_attr(not(test), expect(dead_code, reason = "tests need more of it"))]
#[path = "../../src/browser.rs"]
mod browser;
mod chains;
mod http;
mod node;
mod parts;
mod quiet;
mod reference;
mod report;
mod results;
#[cfg_attr(not(test), expect(dead_code, reason = "tests need more of it"))]
#[path = "../../src/shaper.rs"]
mod shaper;

use results::{Results, Run};
use std::{env, path::PathBuf, process::ExitCode};

/// What stops a measurement: told as it is, to the person who started it.
type Failure = Box<dyn std::error::Error>;

const USAGE: &str = "\
Usage: cairn-bench measure WORK RESULTS.json [--full] [PART...]   measures; all parts unless some are named
       cairn-bench report RESULTS.json PAGE.md                    writes the page
       cairn-bench parts                                          names the parts, and how long each takes
WORK is a directory for chains and nodes; chains are kept there and made once. --full adds 10 million accounts.";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["measure", work, results, options @ ..] => measure(work, results, options),
        ["report", results, page] => {
            Results::read(&PathBuf::from(results)).and_then(|results| Ok(std::fs::write(page, report::page(&results))?))
        }
        ["parts"] => {
            for part in parts::ALL {
                println!("{:<10} {:>5}  {}", part.name, part.takes, part.what);
            }
            Ok(())
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cairn-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(work: &str, results: &str, options: &[&str]) -> Result<(), Failure> {
    let full = options.contains(&"--full");
    let names: Vec<&str> = options.iter().copied().filter(|word| *word != "--full").collect();
    if let Some(unknown) = names.iter().find(|name| parts::ALL.iter().all(|part| part.name != **name)) {
        let known: Vec<&str> = parts::ALL.iter().map(|part| part.name).collect();
        return Err(format!("got the part {unknown:?}, expected any of {}", known.join(", ")).into());
    }
    let path = PathBuf::from(results);
    // Parts that are not measured now keep what an earlier run found.
    let mut results = if path.exists() { Results::read(&path)? } else { Results::default() };
    results.begin(Run::here()?);
    let bench = parts::Bench { work: PathBuf::from(work), full };
    std::fs::create_dir_all(&bench.work)?;
    for part in parts::ALL {
        if !names.is_empty() && !names.contains(&part.name) {
            continue;
        }
        eprintln!("== {}: {} (about {})", part.name, part.what, part.takes);
        (part.measure)(&bench, &mut results).map_err(|error| format!("{}: {error}", part.name))?;
        results.write(&path)?;
    }
    Ok(())
}
