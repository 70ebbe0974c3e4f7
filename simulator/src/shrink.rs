//! Makes a scenario that fails smaller, as long as it fails in the same way: what is left shows what it takes.

use crate::course::{Course, Verdict};
use crate::oracles::Broken;
use crate::scenario::Scenario;
use std::mem::discriminant;

/// How many smaller scenarios are tried.
pub const TRIES: usize = 80;

/// A scenario that fails with a seed, as small as it gets.
pub struct Shrinker {
    best: Scenario,
    seed: u64,
    broken: Broken,
    tries: usize,
}

impl Shrinker {
    /// Of a scenario that has failed with a seed, in some way.
    pub fn new(scenario: &Scenario, seed: u64, broken: Broken) -> Self {
        Self { best: Scenario { seed: Some(seed), ..scenario.drawn(seed) }, seed, broken, tries: 0 }
    }

    /// Makes it smaller; `tell` is told of each step that worked.
    pub fn shrink(mut self, mut tell: impl FnMut(&Scenario, usize)) -> Scenario {
        loop {
            let before = self.best.clone();
            for smaller in candidates(&self.best) {
                // What has been made smaller meanwhile may have made this one larger.
                if size(&smaller) < size(&self.best) && self.fails(&smaller) {
                    self.best = smaller;
                    tell(&self.best, self.tries);
                }
            }
            if before == self.best || self.tries >= TRIES {
                return self.best;
            }
        }
    }

    /// Whether it fails in the same way.
    fn fails(&mut self, scenario: &Scenario) -> bool {
        if self.tries >= TRIES {
            return false;
        }
        self.tries += 1;
        let verdict = Course::new(scenario.clone(), self.seed, Box::new(|_, _| {})).map(Course::play);
        verdict.is_ok_and(|Verdict { broken, .. }| {
            broken.iter().any(|broken| discriminant(broken) == discriminant(&self.broken))
        })
    }
}

/// How much there is to look at.
fn size(scenario: &Scenario) -> u64 {
    let hit: usize = scenario.fault.iter().map(|fault| 20 + fault.nodes.len()).sum();
    let adversaries: u64 = scenario.adversary.iter().map(|plan| 20 + u64::from(plan.nodes)).sum();
    hit as u64 + adversaries + u64::from(scenario.nodes) * 2 + scenario.minutes + scenario.payments_per_hour.min(60)
}

/// Smaller ones, the much smaller first.
fn candidates(scenario: &Scenario) -> Vec<Scenario> {
    let mut smaller = Vec::new();
    let mut with = |change: &dyn Fn(&mut Scenario)| {
        let mut candidate = scenario.clone();
        change(&mut candidate);
        smaller.push(candidate);
    };
    let count = scenario.fault.len();
    let half = count / 2;
    if count > 1 {
        with(&|scenario| drop(scenario.fault.drain(..half)));
        with(&|scenario| scenario.fault.truncate(half));
    }
    for at in 0..scenario.adversary.len() {
        with(&|scenario| {
            scenario.adversary.remove(at);
        });
    }
    for nodes in [scenario.nodes / 2, scenario.nodes * 3 / 4, scenario.nodes.saturating_sub(1)] {
        if nodes >= scenario.boot_nodes.max(3) {
            with(&|scenario| keep(scenario, nodes));
        }
    }
    for at in (0..count).rev() {
        with(&|scenario| drop(scenario.fault.remove(at)));
    }
    with(&|scenario| scenario.payments_per_hour = 0);
    for minutes in [scenario.minutes / 2, scenario.minutes * 3 / 4] {
        if minutes > 0 {
            with(&|scenario| {
                scenario.minutes = minutes;
                scenario.fault.retain(|fault| fault.at < minutes);
            });
        }
    }
    for at in 0..count {
        if scenario.fault[at].nodes.len() > 1 {
            with(&|scenario| {
                let nodes = &mut scenario.fault[at].nodes;
                nodes.truncate(nodes.len() / 2);
            });
        }
    }
    smaller
}

/// Only the first nodes, so many of them.
fn keep(scenario: &mut Scenario, nodes: u32) {
    scenario.nodes = nodes;
    scenario.miners = scenario.miners.min(nodes);
    for fault in &mut scenario.fault {
        fault.nodes.retain(|node| *node < nodes);
    }
    // One that hits nobody by name would hit somebody by chance.
    scenario.fault.retain(|fault| !fault.nodes.is_empty());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::FaultKind;

    fn scenario() -> Scenario {
        let text = "name = \"x\"\nnodes = 12\nminers = 6\nminutes = 20\nrandom_faults = 2\npayments_per_hour = 60\n";
        Scenario::parse(text).expect("a scenario").drawn(5)
    }

    #[test]
    fn what_is_drawn_is_drawn_once() {
        let drawn = scenario();
        assert_eq!((drawn.fault.len(), drawn.random_faults), (2 * FaultKind::ALL.len(), 0));
        assert_eq!(drawn.drawn(6), drawn, "nothing is left to the seed");
        let text = toml::to_string(&drawn).expect("it can be written");
        assert_eq!(Scenario::parse(&text).expect("what is written can be read"), drawn);
    }

    #[test]
    fn every_candidate_is_smaller_and_a_scenario() {
        let whole = scenario();
        let all = candidates(&whole);
        assert!(all.len() > 20);
        for smaller in all {
            assert!(size(&smaller) < size(&whole), "{smaller:?}");
            let text = toml::to_string(&smaller).expect("it can be written");
            assert_eq!(Scenario::parse(&text).expect("a scenario"), smaller);
        }
    }

    /// A chain whose only miner is down does not grow, however few nodes there are and whatever else goes wrong.
    #[test]
    fn a_failure_is_made_as_small_as_it_gets() {
        let mut text = String::from("name = \"still\"\nnodes = 8\nminers = 1\nminutes = 40\nquiet_minutes = 1\n");
        text.push_str("[[fault]]\nat = 1\nminutes = 39\nnodes = [0]\nkind = \"crash\"\n");
        text.push_str("[[fault]]\nat = 5\nminutes = 5\nnodes = [5, 6]\nkind = \"partition\"\n");
        let scenario = Scenario::parse(&text).expect("a scenario");
        let verdict = Course::new(scenario.clone(), 1, Box::new(|_, _| {})).expect("rules").play();
        let stopped = verdict.broken.iter().find(|broken| matches!(broken, Broken::Stopped { .. }));
        let small = Shrinker::new(&scenario, 1, stopped.expect("it stands still").clone()).shrink(|_, _| {});
        assert!(small.nodes <= 4 && small.fault.len() == 1, "{small:?}");
        assert!(small.minutes < 40);
    }
}
