//! One scenario with more and more of all hashes in the hands of its adversary, beside the curve of theory.

use super::{ReportError, plots};
use crate::adversary::Kind;
use crate::figures::{Figures, ratio};
use crate::scenario::{AdversaryPlan, Scenario};
use crate::theory;
use serde::Serialize;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Points of the curve.
const FINE: u32 = 200;

/// What was measured with one share of all hashes.
#[derive(Clone, Debug, Serialize)]
pub struct Point {
    /// The share, in percent.
    pub percent: u32,
    /// What the adversary gained: its share of the chain, or of payments taken back.
    pub measured: f64,
    /// What theory says.
    pub expected: f64,
    /// One standard deviation.
    pub deviation: f64,
    /// Of blocks, or of attempts.
    pub of: u64,
    /// In how many races others went on from the adversary's block, of how many.
    pub races: (u64, u64),
}

/// All shares.
#[derive(Clone, Debug, Serialize)]
pub struct Sweep {
    /// What was played.
    pub scenario: Scenario,
    /// What came of it.
    pub points: Vec<Point>,
}

impl Sweep {
    /// Nothing yet; no sweep without an adversary that mines.
    pub fn new(scenario: Scenario) -> Option<Self> {
        plan(&scenario).is_some().then(|| Self { scenario, points: Vec::new() })
    }

    /// The scenario with so much of all hashes in the hands of its adversary.
    pub fn at(&self, percent: u32) -> Scenario {
        let mut scenario = self.scenario.clone();
        scenario.adversary.iter_mut().filter(|plan| plan.kind.mines()).for_each(|plan| plan.percent = percent);
        scenario
    }

    /// Adds what was measured with such a share.
    pub fn add(&mut self, percent: u32, figures: &Figures) {
        let Some(plan) = plan(&self.scenario) else { return };
        let (measured, of) = match plan.kind {
            Kind::DoubleSpend => (ratio(figures.double_spends.1, figures.double_spends.0), figures.double_spends.0),
            _ => (figures.share_of_adversaries(), figures.on_chain),
        };
        let expected = gain(plan, f64::from(percent) / 100.0, follow(&[figures.races]));
        let deviation = (expected * (1.0 - expected) / of.max(1) as f64).sqrt();
        self.points.push(Point { percent, measured, expected, deviation, of, races: figures.races });
    }

    /// Writes a page with the plot, and a JSON file.
    ///
    /// # Errors
    /// What cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), ReportError> {
        fs::create_dir_all(folder).map_err(|reason| ReportError::File { path: folder.to_owned(), reason })?;
        let svg = self.plot().map_err(|reason| ReportError::Plot { name: "sweep.svg", reason })?.unwrap_or_default();
        let json = serde_json::to_string_pretty(self)?;
        for (name, text) in [("sweep.svg", svg), ("sweep.json", json), ("index.html", self.page())] {
            let path = folder.join(name);
            fs::write(&path, text).map_err(|reason| ReportError::File { path, reason })?;
        }
        Ok(())
    }

    fn plot(&self) -> plots::Drawn {
        let Some(plan) = plan(&self.scenario) else { return Ok(None) };
        let races: Vec<(u64, u64)> = self.points.iter().map(|point| point.races).collect();
        let last = self.points.iter().map(|point| point.percent).max().unwrap_or(0).min(49);
        let share = |step: u32| f64::from(step * last) / f64::from(FINE) / 100.0;
        let curve = (0..=FINE).map(|step| (share(step) * 100.0, gain(plan, share(step), follow(&races)) * 100.0));
        let points = self.points.iter().map(|point| (f64::from(point.percent), point.measured * 100.0));
        let gained = if plan.kind == Kind::DoubleSpend { "% of payments taken back" } else { "% of the chain" };
        let (points, curve): (Vec<_>, Vec<_>) = (points.collect(), curve.collect());
        plots::points_and_curve(&points, &curve, ("% of all hashes", gained))
    }

    fn page(&self) -> String {
        let mut rows = String::new();
        for Point { percent, measured, expected, deviation, of, .. } in &self.points {
            let _ = writeln!(
                rows,
                "<tr><td>{percent} %</td><td>{measured:.4}</td><td>{expected:.4}</td><td>{deviation:.4}</td><td>{of}</td></tr>"
            );
        }
        format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Sweep: {name}</title></head><body>\n\
             <h1>Sweep: {name}</h1>\n<img src=\"sweep.svg\" alt=\"Points: measured. Curve: theory.\">\n\
             <table><tr><th>share of all hashes</th><th>measured</th><th>theory</th><th>one standard deviation</th>\
             <th>of</th></tr>\n{rows}</table></body></html>\n",
            name = self.scenario.name
        )
    }
}

fn plan(scenario: &Scenario) -> Option<&AdversaryPlan> {
    scenario.adversary.iter().find(|plan| matches!(plan.kind, Kind::SelfishMining | Kind::DoubleSpend))
}

/// The share of races in which others went on from the adversary's block.
fn follow(races: &[(u64, u64)]) -> f64 {
    ratio(races.iter().map(|race| race.1).sum(), races.iter().map(|race| race.0).sum())
}

fn gain(plan: &AdversaryPlan, share: f64, gamma: f64) -> f64 {
    match plan.kind {
        Kind::DoubleSpend => theory::double_spend(share, plan.confirmations),
        _ => theory::selfish_share(share, gamma),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_has_the_curve_of_theory_beside_what_was_measured() {
        let scenario = Scenario::parse(include_str!("../../scenarios/selfish.toml")).expect("a scenario");
        let mut sweep = Sweep::new(scenario).expect("it has a miner that attacks");
        assert_eq!(sweep.at(20).adversary[0].percent, 20);
        for (percent, theirs) in [(20, 150), (40, 480)] {
            let races = (10, 0);
            sweep.add(percent, &Figures { on_chain: 1_000, by_adversaries: theirs, races, ..Figures::default() });
        }
        let expected: Vec<f64> = sweep.points.iter().map(|point| (point.expected * 100.0).round()).collect();
        assert_eq!(expected, [13.0, 48.0]);
        assert_eq!(sweep.plot().expect("it can be drawn").expect("there is something").matches("<circle").count(), 2);
        let calm = Scenario::parse(include_str!("../../scenarios/calm.toml")).expect("a scenario");
        assert!(Sweep::new(calm).is_none());
    }
}
