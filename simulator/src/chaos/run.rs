//! `cairn-sim chaos`: what is typed, and what is read.

use super::between::Kind;
use super::course::{Options, play};
use super::fleet::FleetError;
use super::interrupt::Interrupt;
use super::verdict::Verdict;
use crate::scenario::Scenario;
use std::env;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

/// How wide lines are.
const WIDTH: usize = 80;

/// What is typed.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The scenario's file
    pub scenario: PathBuf,
    /// The seed: it draws the faults, whom they hit, and who pays through whom
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// For how many minutes things go wrong: the scenario's own are as long as that makes them
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=1_440))]
    pub minutes: u64,
    /// How many nodes, instead of the scenario's
    #[arg(long, value_parser = clap::value_parser!(u32).range(2..=16))]
    pub nodes: Option<u32>,
    /// Where data and logs are, which are kept unless all is good; something that does not exist yet
    #[arg(long)]
    pub directory: Option<PathBuf>,
    /// Proxies between nodes, even where network namespaces are to be had
    #[arg(long)]
    pub lines: bool,
}

/// Plays a scenario, and says whether all holds.
///
/// # Errors
/// Nothing can be played, or it was interrupted.
pub fn run(mut scenario: Scenario, arguments: &Arguments, out: &mut impl Write) -> Result<bool, FleetError> {
    if let Some(nodes) = arguments.nodes {
        scenario.nodes = nodes;
    }
    if !(2..=16).contains(&scenario.nodes) {
        return Err(FleetError::Count { nodes: scenario.nodes });
    }
    scenario.boot_nodes = scenario.boot_nodes.min(scenario.nodes);
    scenario.miners = scenario.miners.min(scenario.nodes);
    let seed = arguments.seed;
    let named = arguments.directory.clone();
    let directory = named.unwrap_or_else(|| env::temp_dir().join(format!("cairn-chaos-{seed}-{}", std::process::id())));
    if directory.exists() {
        return Err(FleetError::Occupied { directory });
    }
    let kind = if arguments.lines { Kind::Lines } else { Kind::Best };
    let options = Options { seed, length: Duration::from_secs(60 * arguments.minutes), directory, kind };
    let interrupt = Interrupt::listen()?;
    let mut tell = |at: Duration, text: &str| {
        let seconds = at.as_secs_f64();
        let stamp = format!("{:>3}:{:04.1}  ", (seconds / 60.0) as u64, seconds % 60.0);
        // Whoever reads it may have gone.
        let _ = writeln!(out, "{}", fold(&stamp, text));
    };
    let played = play(&scenario, &options, &interrupt, &mut tell);
    let directory = options.directory.display();
    match &played {
        Ok(verdict) => show(verdict, out)?,
        Err(FleetError::Interrupted) => writeln!(out, "Interrupted; every process that was started has ended.")?,
        Err(_) => {}
    }
    if played.as_ref().is_ok_and(Verdict::is_good) {
        fs::remove_dir_all(&options.directory)?;
        writeln!(out, "All that must hold holds (seed {seed}).")?;
        return Ok(true);
    }
    if options.directory.exists() {
        writeln!(out, "Data directories and logs are kept: {directory}/node-K, node-K.log")?;
    }
    match played {
        Ok(_) => writeln!(out, "NOT all that must hold holds (seed {seed}).")?,
        Err(FleetError::Interrupted) => {}
        Err(error) => return Err(error),
    }
    Ok(false)
}

fn show(verdict: &Verdict, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out)?;
    for finding in &verdict.findings {
        let mark = if finding.holds { "  good  " } else { "  BAD   " };
        writeln!(out, "{}", fold(mark, &finding.text))?;
    }
    writeln!(out)
}

/// A text after its mark, in lines that are not too long; they break at no space that is to be none.
fn fold(mark: &str, text: &str) -> String {
    let (mut folded, mut column) = (mark.to_owned(), mark.chars().count());
    let margin = column;
    for line in text.lines() {
        for word in line.split(' ') {
            let width = word.chars().count();
            if column > margin && column + 1 + width > WIDTH {
                folded += &format!("\n{:margin$}{word}", "");
                column = margin + width;
            } else {
                let gap = usize::from(column > margin);
                folded += &format!("{:gap$}{word}", "");
                column += gap + width;
            }
        }
    }
    folded.replace('\u{a0}', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_folded_at_words_under_their_beginning() {
        assert_eq!(fold("  1:02.0  ", "short"), "  1:02.0  short");
        let folded = fold("  BAD   ", &"word ".repeat(40));
        assert!(folded.lines().all(|line| line.chars().count() <= WIDTH), "{folded}");
        assert!(folded.lines().skip(1).all(|line| line.starts_with("        word")), "{folded}");
        assert_eq!(folded.matches("word").count(), 40);
        let bound = fold("", &format!("{} 24\u{a0}s", "x".repeat(76)));
        assert!(bound.ends_with("\n24 s"), "{bound}");
    }
}
