//! What came of many seeds: a folder with a page, plots and a JSON file.

mod page;
mod plots;
pub mod sweep;

use crate::adversary::Kind;
use crate::course::Verdict;
use crate::figures::{Figures, ratio};
use crate::observations::quantile;
use crate::payments::Fates;
use crate::scenario::{HashPower, Scenario};
use crate::theory;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

/// Why a report cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file.
    #[error("cannot write {}: {reason}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// A plot.
    #[error("cannot draw {name}: {reason}")]
    Plot {
        /// Which.
        name: &'static str,
        /// Why.
        reason: String,
    },
    /// The JSON file.
    #[error("cannot write the JSON file: {0}")]
    Json(#[from] serde_json::Error),
}

/// A seed that was played.
#[derive(Clone, Debug, Serialize)]
pub struct Play {
    /// The seed.
    pub seed: u64,
    /// What does not hold.
    pub broken: Vec<String>,
    /// The height of the chain at the end.
    pub height: u64,
    /// What became of payments.
    pub payments: Fates,
    /// All that happened, in one hash.
    pub digest: String,
    /// How many events there were.
    pub events: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// A figure that theory gives, and what was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// What.
    pub what: String,
    /// What was measured.
    pub measured: f64,
    /// What theory says.
    pub expected: f64,
    /// How far what is measured may be off by chance alone: one standard deviation.
    pub deviation: f64,
    /// Whose theory, and how it was applied.
    pub source: &'static str,
}

impl Comparison {
    /// How far what was measured is from what theory says, of that.
    pub fn difference(&self) -> f64 {
        (self.measured - self.expected) / self.expected
    }
}

/// What came of many seeds.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What was played.
    pub scenario: Scenario,
    /// With which seeds.
    pub plays: Vec<Play>,
    /// What was measured, all together.
    pub figures: Figures,
    /// What theory says of it.
    pub theory: Vec<Comparison>,
}

impl Report {
    /// Of a scenario that was not played yet.
    pub fn new(scenario: Scenario) -> Self {
        Self { scenario, plays: Vec::new(), figures: Figures::default(), theory: Vec::new() }
    }

    /// Adds a seed.
    pub fn add(&mut self, seed: u64, verdict: &Verdict, took: Duration) {
        self.figures.add(&verdict.figures);
        self.theory = comparisons(&self.scenario, &self.figures);
        self.plays.push(Play {
            seed,
            broken: verdict.broken.iter().map(ToString::to_string).collect(),
            height: verdict.height,
            payments: verdict.fates.clone(),
            digest: verdict.digest.to_string(),
            events: verdict.events,
            seconds: took.as_secs_f64(),
        });
    }

    /// The seeds with which something does not hold.
    pub fn failed(&self) -> Vec<u64> {
        self.plays.iter().filter(|play| !play.broken.is_empty()).map(|play| play.seed).collect()
    }

    /// Writes the folder: `index.html`, `report.json`, and the plots.
    ///
    /// # Errors
    /// What cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), ReportError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |reason| ReportError::File { path, reason }
        };
        fs::create_dir_all(folder).map_err(failed(folder))?;
        let mut plots = Vec::new();
        for (name, title, svg) in plots::all(&self.scenario, &self.figures)? {
            let path = folder.join(name);
            fs::write(&path, svg).map_err(failed(&path))?;
            plots.push((name, title));
        }
        for (name, text) in
            [("report.json", serde_json::to_string_pretty(self)?), ("index.html", page::page(self, &plots))]
        {
            let path = folder.join(name);
            fs::write(&path, text).map_err(failed(&path))?;
        }
        Ok(())
    }
}

/// What theory says of what was measured.
fn comparisons(scenario: &Scenario, figures: &Figures) -> Vec<Comparison> {
    let mut all = Vec::new();
    let attack = |kind| scenario.adversary.iter().find(|plan| plan.kind == kind && !plan.twin);
    let is_calm = scenario.fault.is_empty() && scenario.random_faults == 0;
    if let Some(plan) = attack(Kind::SelfishMining) {
        let gamma = ratio(figures.races.1, figures.races.0);
        let expected = theory::selfish_share(f64::from(plan.percent) / 100.0, gamma);
        let deviation = (expected * (1.0 - expected) / figures.on_chain.max(1) as f64).sqrt();
        let measured = figures.share_of_adversaries();
        let source = "Eyal and Sirer 2013, with the share that followed in ties as it was measured";
        let what = String::from("share of a selfish miner");
        all.push(Comparison { what, measured, expected, deviation, source });
    } else if let Some(plan) = attack(Kind::DoubleSpend) {
        let (tried, succeeded) = figures.double_spends;
        let expected = theory::double_spend(f64::from(plan.percent) / 100.0, plan.confirmations);
        let deviation = (expected * (1.0 - expected) / tried.max(1) as f64).sqrt();
        let what = String::from("chance of a double spend");
        all.push(Comparison { what, measured: ratio(succeeded, tried), expected, deviation, source: "Rosenfeld 2014" });
    } else if is_calm {
        all.push(stale_blocks(scenario, figures));
    }
    // What is left behind does not count for the difficulty.
    let is_mined_alike = is_calm && !scenario.adversary.iter().any(|plan| plan.kind.mines());
    if is_mined_alike && !scenario.hash_power.is_empty() {
        all.extend(after_changes(scenario, figures));
    } else if is_mined_alike {
        let expected = scenario.interval_ms as f64 / 1_000.0;
        let deviation = expected / (figures.on_chain.max(1) as f64).sqrt();
        let measured = figures.interval_ms as f64 / 1_000.0;
        let what = String::from("seconds between blocks");
        all.push(Comparison { what, measured, expected, deviation, source: "ASERT" });
    }
    all
}

/// Nobody competes with themselves, and blocks are found a little more often than chains grow.
fn stale_blocks(scenario: &Scenario, figures: &Figures) -> Comparison {
    let others = 1.0 - 1.0 / f64::from(scenario.miners);
    let found_each = figures.interval_ms as f64 * ratio(figures.on_chain, figures.found);
    let expected = theory::stale_rate(mean_delay(figures), found_each, others);
    let deviation = (expected * (1.0 - expected) / figures.found.max(1) as f64).sqrt();
    let source = "Decker and Wattenhofer 2013, with the mean of the delays that were measured, the interval at which blocks \
                  were found, and the share of hashes that are not the finder's";
    Comparison { what: String::from("stale blocks"), measured: figures.stale_rate(), expected, deviation, source }
}

/// Quarters of a half-life, as [`Figures::by_quarters`] has them.
const QUARTERS: usize = 4;

/// The interval in the half-life after each change of what miners hash.
fn after_changes(scenario: &Scenario, figures: &Figures) -> Vec<Comparison> {
    let quarter = scenario.half_life_blocks as f64 / QUARTERS as f64;
    let first = |at: u64| ((at * 60_000) as f64 / scenario.interval_ms as f64 / quarter).ceil() as usize;
    let seconds = |blocks: f64| scenario.half_life_blocks as f64 * scenario.interval_ms as f64 / 1_000.0 / blocks;
    let row = |change: &HashPower| {
        let quarters = first(change.at)..first(change.at) + QUARTERS;
        let blocks: u64 = figures.by_quarters.get(quarters.clone())?.iter().sum();
        let expected = seconds(expected_blocks(scenario, quarters.start, quarters.end));
        let (what, source) = (
            format!("seconds between blocks in the half-life after miners hash {} %", change.percent),
            "ASERT: as many times the interval as the target's half-life says",
        );
        let measured = seconds(ratio(blocks, figures.seeds));
        Some(Comparison { what, measured, expected, deviation: expected / (blocks.max(1) as f64).sqrt(), source })
    };
    scenario.hash_power.iter().filter_map(row).collect()
}

/// How many blocks the difficulty rule leads to from the beginning of one quarter of a half-life to that of another.
fn expected_blocks(scenario: &Scenario, from: usize, to: usize) -> f64 {
    let half_life = scenario.half_life_blocks as f64;
    let intervals = |minutes: u64| (minutes * 60_000) as f64 / scenario.interval_ms as f64;
    let changes = scenario.hash_power.iter();
    let power: Vec<(f64, f64)> =
        changes.map(|change| (intervals(change.at), f64::from(change.percent) / 100.0)).collect();
    let by = |quarter: usize| theory::blocks_by(&power, half_life, half_life * quarter as f64 / QUARTERS as f64);
    by(to) - by(from)
}

fn mean_delay(figures: &Figures) -> f64 {
    let sum: u64 = figures.delays_ms.iter().map(|(delay, count)| delay * count).sum();
    ratio(sum, figures.delays_ms.values().sum())
}

/// Quantiles of how long blocks took, as text.
fn delays(figures: &Figures) -> String {
    let at = |percent| quantile(&figures.delays_ms, percent).unwrap_or_default();
    format!("half of them within {} ms, 90 % within {} ms, 99 % within {} ms", at(50), at(90), at(99))
}
