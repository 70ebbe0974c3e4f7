//! A scenario: how many nodes, what they do, what goes wrong and when. A TOML file; see `simulator/scenarios`.

use crate::adversary::Kind;
use crate::executor::{NodeId, random};
use crate::gossip::draw;
use cairn_ledger::chain_spec::{ChainParams, ChainSpec, ChainSpecError};
use cairn_ledger::pow::CompactTarget;
use cairn_ledger::testing;
use rand_chacha::rand_core::RngCore;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// A scenario.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// The seed with which it is played, unless another is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// How many nodes there are.
    pub nodes: u32,
    /// How many of them all others know from the start.
    #[serde(default = "three")]
    pub boot_nodes: u32,
    /// How many of them mine, each as much.
    pub miners: u32,
    /// Of a hundred others, how many nobody can dial.
    #[serde(default)]
    pub unreachable_percent: u32,
    /// In how many groups (/16) of addresses they are; each in one of its own, if this is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<u32>,
    /// How long it takes, in minutes, before all is mended.
    pub minutes: u64,
    /// How long all is well after that, until what must hold then is looked at.
    #[serde(default = "thirty")]
    pub quiet_minutes: u64,
    /// The time between two blocks.
    #[serde(default = "minute")]
    pub interval_ms: u64,
    /// In how many blocks' time the difficulty halves or doubles when none, or twice as many, are found.
    #[serde(default = "sixty")]
    pub half_life_blocks: u64,
    /// How much miners hash from when on; before, as much as the first blocks are made for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hash_power: Vec<HashPower>,
    /// How many payments are made in an hour.
    #[serde(default)]
    pub payments_per_hour: u64,
    /// Whether customers ask of pools what a pool has to keep to.
    #[serde(default)]
    pub customers: bool,
    /// How many times rarer nodes look whether something is due that comes now and then.
    #[serde(default = "one")]
    pub leisure: u32,
    /// Of a hundred frames of gossip, how many are lost on their way, as they are where lines are too slow for them.
    #[serde(default)]
    pub gossip_lost_percent: u32,
    /// Of a hundred answers to questions, how many are lost, as they are where nodes are overloaded.
    #[serde(default)]
    pub answers_lost_percent: u32,
    /// What goes wrong besides, as the seed has it: so many faults of every kind.
    #[serde(default)]
    pub random_faults: u32,
    /// Who attacks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adversary: Vec<AdversaryPlan>,
    /// What goes wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fault: Vec<Fault>,
}

fn three() -> u32 {
    3
}

fn one() -> u32 {
    1
}

fn six() -> u64 {
    6
}

fn sixty() -> u64 {
    60
}

fn thirty() -> u64 {
    30
}

fn minute() -> u64 {
    60_000
}

/// All miners begin to hash more, or less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HashPower {
    /// When, in minutes.
    pub at: u64,
    /// How much then, in percent of what it was at the beginning.
    pub percent: u32,
}

/// Nodes that attack others.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AdversaryPlan {
    /// What they do.
    pub kind: Kind,
    /// How many they are, besides the honest nodes; those that mine are one.
    #[serde(default = "one")]
    pub nodes: u32,
    /// In how many groups (/16) of addresses they are.
    #[serde(default = "one")]
    pub groups: u32,
    /// Those that mine: how many of a hundred hashes of the network are theirs.
    #[serde(default)]
    pub percent: u32,
    /// Whether they are honest after all: the control.
    #[serde(default)]
    pub twin: bool,
    /// Those that pay twice: how many confirmations whoever is paid waits for.
    #[serde(default = "six")]
    pub confirmations: u64,
}

/// Something that goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// When, in minutes.
    pub at: u64,
    /// For how many minutes.
    pub minutes: u64,
    /// To how many of a hundred nodes, as the seed has it.
    #[serde(default)]
    pub percent: u32,
    /// To which nodes; if none are named, the seed decides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<u32>,
    /// What.
    pub kind: FaultKind,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The process is killed, and comes back.
    Crash,
    /// The machine loses its power, and what was not synced; it comes back.
    PowerCut,
    /// They reach each other alone.
    Partition,
    /// Each hears one other no more, who still hears it.
    OneWay,
    /// The clock is wrong by half of what is allowed, and drifts.
    Clock,
    /// Nothing can be written: the node stops, and comes back with another disk's luck.
    Disk,
    /// The process is stopped where it is, and goes on there (SIGSTOP, SIGCONT).
    Stop,
}

impl AdversaryPlan {
    fn is_possible(&self) -> bool {
        let mines = match self.kind.mines() {
            true => self.nodes == 1 && (1..=90).contains(&self.percent),
            false => self.percent == 0,
        };
        mines && (1..=2_000).contains(&self.nodes) && (1..=100).contains(&self.groups)
    }
}

impl Fault {
    /// Whether it stops nodes, which come back as other processes.
    fn stops(&self) -> bool {
        matches!(self.kind, FaultKind::Crash | FaultKind::PowerCut | FaultKind::Disk)
    }
}

impl FaultKind {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Crash, Self::PowerCut, Self::Partition, Self::OneWay, Self::Clock, Self::Disk, Self::Stop];
}

/// A fault with what the seed has to say of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// What goes wrong.
    pub fault: Fault,
    /// In which minute it is mended.
    pub end: u64,
    /// With whom.
    pub nodes: Vec<NodeId>,
}

/// The stream of random numbers that plans are drawn from: the same seed has the same faults, whoever plays them.
const PLAN: u64 = 3 << 32;

/// Why a scenario cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// It is no scenario.
    #[error("it is no scenario: {0}")]
    Toml(#[from] toml::de::Error),
    /// Numbers that do not go together.
    #[error("{0}")]
    Numbers(&'static str),
    /// Rules that no network can have.
    #[error(transparent)]
    Rules(#[from] ChainSpecError),
}

impl Scenario {
    /// Reads one.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = toml::from_str(text)?;
        let wrong = |what| Err(ScenarioError::Numbers(what));
        match &scenario {
            Self { nodes: 0 | 5_001.., .. } => wrong("nodes: expected 1 to 5 000"),
            Self { boot_nodes, nodes, .. } if *boot_nodes == 0 || boot_nodes > nodes => {
                wrong("boot_nodes: expected one at least, and no more than there are nodes")
            }
            Self { miners, nodes, .. } if *miners == 0 || miners > nodes => {
                wrong("miners: expected one at least, and no more than there are nodes")
            }
            Self { minutes: 0 | 525_601.., .. } => wrong("minutes: expected 1 to a year of them"),
            Self { leisure: 0 | 121.., .. } => wrong("leisure: expected 1 to 120"),
            Self { gossip_lost_percent: 101.., .. } => wrong("gossip_lost_percent: expected 0 to 100"),
            Self { answers_lost_percent: 51.., .. } => wrong("answers_lost_percent: expected 0 to 50"),
            Self { groups: Some(0), .. } => wrong("groups: expected 1 at least"),
            Self { unreachable_percent: 101.., .. } => wrong("unreachable_percent: expected 0 to 100"),
            Self { adversary, .. } if adversary.iter().any(|plan| !plan.is_possible()) => wrong(
                "adversary: expected 1 to 2 000 nodes in 1 to 100 groups; those that mine one alone with 1 to 90 percent",
            ),
            Self { adversary, .. } if adversary.iter().map(|plan| plan.percent).sum::<u32>() > 90 => {
                wrong("adversary: expected 90 percent of all hashes at most")
            }
            Self { hash_power, .. } if !hash_power.is_sorted_by_key(|change| change.at) => {
                wrong("hash_power: expected changes in the order of time")
            }
            Self { hash_power, .. } if hash_power.iter().any(|change| !(1..=10_000).contains(&change.percent)) => {
                wrong("hash_power: expected 1 to 10 000 percent")
            }
            Self { fault, .. } if fault.iter().any(|fault| fault.percent > 100) => wrong("percent: expected 0 to 100"),
            Self { fault, nodes, .. } if fault.iter().flat_map(|fault| &fault.nodes).any(|node| node >= nodes) => {
                wrong("fault: expected nodes from 0 on, below the number of nodes")
            }
            _ => Ok(scenario),
        }
    }

    /// Whether nothing goes wrong, and nobody attacks: of one that was drawn.
    pub fn is_calm(&self) -> bool {
        let is_lost = self.gossip_lost_percent + self.answers_lost_percent > 0;
        self.fault.is_empty() && !is_lost && self.adversary.iter().all(|plan| plan.twin)
    }

    /// Whether nothing goes wrong but that nodes are stopped: of one that was drawn.
    pub fn only_stops_nodes(&self) -> bool {
        self.fault.iter().all(Fault::stops)
    }

    /// Whether nodes are stopped: of one that was drawn.
    pub fn stops_nodes(&self) -> bool {
        self.fault.iter().any(Fault::stops)
    }

    /// The same with everything in it that the seed decides: which faults come when, and whom they hit.
    pub fn drawn(&self, seed: u64) -> Self {
        let (mut drawn, mut random) = (self.clone(), random(seed, PLAN));
        for kind in FaultKind::ALL.repeat(std::mem::take(&mut drawn.random_faults) as usize) {
            let (at, percent) = (random.next_u64() % self.minutes, 5 + (random.next_u64() % 45) as u32);
            let minutes = 1 + random.next_u64() % (self.minutes - at).min(20);
            drawn.fault.push(Fault { at, minutes, percent, nodes: Vec::new(), kind });
        }
        for fault in drawn.fault.iter_mut().filter(|fault| fault.nodes.is_empty()) {
            let mut all: Vec<u32> = (0..self.nodes).collect();
            // One node alone is no pair.
            let least = if fault.kind == FaultKind::OneWay { 2 } else { 1 };
            let some = (all.len() * fault.percent as usize).div_ceil(100);
            let some = if some == 0 { 0 } else { some.max(least) };
            fault.nodes = draw(&mut all, some, &mut random);
        }
        drawn
    }

    /// All that goes wrong: what the file says, and what the seed draws besides.
    pub fn plan(&self, seed: u64) -> Vec<Planned> {
        let plan = self.drawn(seed).fault.into_iter().map(|fault| {
            let nodes = fault.nodes.iter().copied().map(NodeId).collect();
            Planned { end: (fault.at + fault.minutes).min(self.minutes), nodes, fault }
        });
        plan.collect()
    }

    /// The same with everybody honest: the control.
    pub fn twin(&self) -> Self {
        let mut twin = self.clone();
        twin.adversary.iter_mut().for_each(|plan| plan.twin = true);
        twin
    }

    /// The rules: the main network's, at a target that costs nothing.
    ///
    /// # Errors
    /// No network can have them.
    pub fn spec(&self) -> Result<ChainSpec, ScenarioError> {
        let money = testing::pebbles(1_000_000_000_000);
        let mut allocations: Vec<_> = (0..WITH_MONEY).map(|n| (testing::key(n).address(), money)).collect();
        allocations.sort();
        let params = ChainParams {
            name: String::from("simulated"),
            interval_ms: self.interval_ms,
            half_life_ms: self.interval_ms.saturating_mul(self.half_life_blocks),
            max_future_ms: 120_000,
            pow_limit: CompactTarget::from_bits(LIMIT),
            genesis_target: CompactTarget::from_bits(EASY),
            allocations,
            ..testing::easy_params()
        };
        Ok(ChainSpec::new(params)?)
    }
}

/// Seeds as they are typed: FIRST..LAST, or one alone.
///
/// # Errors
/// It is neither.
pub fn seeds(text: &str) -> Result<RangeInclusive<u64>, String> {
    let number = |text: &str| text.parse::<u64>().map_err(|_| format!("got {text:?}, expected FIRST..LAST"));
    let seeds = match text.split_once("..") {
        Some((first, last)) => number(first)?..=number(last.trim_start_matches('='))?,
        None => number(text)?..=number(text)?,
    };
    if seeds.is_empty() {
        Err(format!("got {text:?}, expected FIRST..LAST, the first no greater than the last"))
    } else {
        Ok(seeds)
    }
}

/// A block takes 256 attempts at the beginning.
const EASY: u32 = 0x2000_ffff;
/// And 16 at least: were the first target the easiest, the difficulty could not fall where blocks come late by chance,
/// and they would come too rarely on average.
const LIMIT: u32 = 0x200f_ffff;
/// Who has money at the beginning: those who pay, those who forge, and customers.
const WITH_MONEY: u64 = 20;
