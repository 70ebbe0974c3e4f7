//! What is measured of a network, beside what must hold.

use crate::executor::NodeId;
use crate::observations::Observations;
use crate::simulation::Simulation;
use cairn_ledger::hash::BlockId;
use cairn_ledger::units::Height;
use serde::Serialize;
use std::collections::BTreeMap;

/// What was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// How many blocks were found.
    pub found: u64,
    /// How many of them are on the chain.
    pub on_chain: u64,
    /// Of those, how many adversaries have found, or their twins.
    pub by_adversaries: u64,
    /// How many milliseconds it took until a found block was on another node's chain: how often.
    pub delays_ms: BTreeMap<u64, u64>,
    /// How many blocks a node left for a better chain: how often.
    pub reorganisations: BTreeMap<u64, u64>,
    /// How many peers honest nodes had on average, by minutes.
    pub peers: Vec<(f64, f64)>,
    /// How many bytes each honest node has sent.
    pub sent: Vec<u64>,
    /// The time between blocks of the chain, in milliseconds, on average.
    pub interval_ms: u64,
    /// How many blocks of the chain were found in each quarter of the difficulty's half-life.
    pub by_quarters: Vec<u64>,
    /// In how many seeds.
    pub seeds: u64,
    /// How often adversaries have broken the rules of the network.
    pub deeds: u64,
    /// How often somebody paid twice, and how often that came true.
    pub double_spends: (u64, u64),
    /// How often an adversary's block was shown beside another, and how often others went on from it.
    pub races: (u64, u64),
}

impl Figures {
    /// Of a simulation that has ended, whose first nodes are honest, so many of them.
    pub fn of(simulation: &Simulation, honest: u32, deeds: u64, peers: Vec<(f64, f64)>) -> Self {
        let seen = simulation.seen().clone();
        let chain = chain(simulation);
        let is_theirs = |id: &&BlockId| seen.found(id).is_some_and(|found| found.by.0 >= honest);
        let sent = |node: &NodeId| simulation.fabric().sent_by(*node);
        Self {
            found: seen.count() as u64,
            on_chain: chain.len() as u64,
            by_adversaries: chain.iter().filter(is_theirs).count() as u64,
            delays_ms: seen.delays().clone(),
            reorganisations: seen.reorganisations().clone(),
            peers,
            sent: simulation.honest().iter().map(sent).collect(),
            interval_ms: simulation.now() / 1_000_000 / (chain.len() as u64).max(1),
            by_quarters: by_quarters(simulation, &chain, &seen),
            seeds: 1,
            deeds,
            double_spends: seen.double_spends,
            races: seen.races,
        }
    }

    /// The share of found blocks that are on no chain.
    pub fn stale_rate(&self) -> f64 {
        1.0 - ratio(self.on_chain, self.found)
    }

    /// The share of the chain that adversaries have found.
    pub fn share_of_adversaries(&self) -> f64 {
        ratio(self.by_adversaries, self.on_chain)
    }

    /// Adds another simulation's.
    pub fn add(&mut self, other: &Self) {
        self.found += other.found;
        self.on_chain += other.on_chain;
        self.by_adversaries += other.by_adversaries;
        merge(&mut self.delays_ms, &other.delays_ms);
        merge(&mut self.reorganisations, &other.reorganisations);
        self.sent.extend(&other.sent);
        self.peers.extend(&other.peers);
        let seeds = (self.seeds + other.seeds).max(1);
        self.interval_ms = (self.interval_ms * self.seeds + other.interval_ms * other.seeds) / seeds;
        self.seeds += other.seeds;
        self.by_quarters.resize(self.by_quarters.len().max(other.by_quarters.len()), 0);
        self.by_quarters.iter_mut().zip(&other.by_quarters).for_each(|(one, other)| *one += other);
        self.deeds += other.deeds;
        self.double_spends = sum(self.double_spends, other.double_spends);
        self.races = sum(self.races, other.races);
    }
}

/// One of the other.
pub fn ratio(one: u64, other: u64) -> f64 {
    one as f64 / other.max(1) as f64
}

fn sum(one: (u64, u64), other: (u64, u64)) -> (u64, u64) {
    (one.0 + other.0, one.1 + other.1)
}

fn merge(one: &mut BTreeMap<u64, u64>, other: &BTreeMap<u64, u64>) {
    other.iter().for_each(|(value, count)| *one.entry(*value).or_default() += count);
}

fn by_quarters(simulation: &Simulation, chain: &[BlockId], seen: &Observations) -> Vec<u64> {
    let quarter = simulation.spec().params().half_life_ms.saturating_mul(250_000).max(1);
    let mut counts = vec![0; (simulation.now() / quarter) as usize];
    for found in chain.iter().filter_map(|id| seen.found(id)) {
        // The last quarter is not over.
        if let Some(count) = counts.get_mut((found.at / quarter) as usize) {
            *count += 1;
        }
    }
    counts
}

/// The blocks of the chain of the first honest node, without block 0.
fn chain(simulation: &Simulation) -> Vec<BlockId> {
    let Some(running) = simulation.honest().first().and_then(|node| simulation.running(*node)) else {
        return Vec::new();
    };
    let (reader, tip) = (running.chain.reader(), running.chain.tip().height().get());
    (1..=tip)
        .filter_map(|height| reader.header_at(Height::new(height)).ok().flatten())
        .map(|header| header.id())
        .collect()
}
