//! How fast a network is in which nothing goes wrong, and how much it does for that.

use crate::figures::Figures;
use crate::observations::quantile;
use crate::oracles::Broken;
use crate::payments::Fates;
use crate::scenario::Scenario;

/// In so many milliseconds nineteen of twenty blocks are on a node's chain.
const DELAY_MS: u64 = 6_000;
/// In so many milliseconds every other one is.
const HALF_MS: u64 = 1_500;
/// So many blocks later a payment is mined, on average.
const WAITED: u64 = 6;
/// What happens to a node in a minute, times `leisure`.
const EVENTS: u64 = 3_000;

/// What was slower, or more, than it has to be.
pub(super) fn check(scenario: &Scenario, figures: &Figures, fates: &Fates, events: u64) -> Vec<Broken> {
    let [half, delay] = [50, 95].map(|percent| quantile(&figures.delays_ms, percent).unwrap_or(0));
    let waited = fates.waited / fates.mined.max(1);
    let minutes = (scenario.minutes + scenario.quiet_minutes) * u64::from(scenario.nodes);
    let all = [
        ("milliseconds until nineteen of twenty blocks are on others' chains", delay, DELAY_MS),
        ("milliseconds until every other block is on others' chains", half, HALF_MS),
        ("blocks until a payment is mined", waited, WAITED),
        ("events of a node in a minute", events / minutes.max(1), EVENTS),
    ];
    let is_slow = |(_, got, most): &(&'static str, u64, u64)| got > most;
    all.into_iter().filter(is_slow).map(|(what, got, most)| Broken::Slow { what, got, most }).collect()
}

/// In so many milliseconds nine of ten blocks are on a node's chain where gossip is lost: peers tell of their tips
/// within five seconds, and sync needs a second or two.
const WITHOUT_GOSSIP_MS: u64 = 15_000;

/// Whether blocks come by what peers tell and by sync as fast as they can.
pub(super) fn check_without_gossip(figures: &Figures) -> Option<Broken> {
    let got = quantile(&figures.delays_ms, 90).unwrap_or(0);
    let what = "milliseconds until nine of ten blocks are on others' chains, where gossip is lost";
    (got > WITHOUT_GOSSIP_MS).then_some(Broken::Slow { what, got, most: WITHOUT_GOSSIP_MS })
}
