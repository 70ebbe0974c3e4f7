//! A scenario from its beginning to the verdict.

mod checks;
mod in_hand;
mod kept;
mod pace;

use crate::customers::Customers;
use crate::executor::{Clock, NodeId, random};
use crate::figures::Figures;
use crate::links::Shape;
use crate::oracles::{self, Broken};
use crate::payments::{Fates, Payments};
use crate::population;
use crate::scenario::{Fault, FaultKind, Planned, Scenario, ScenarioError};
use crate::simulation::{Setup, Simulation};
use cairn_ledger::hash::Hash;
use rand_chacha::rand_core::RngCore;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
/// How often a node looks whether anything is due, times `leisure`.
const TICK: Duration = Duration::from_millis(500);
/// How long after the quiet there has to be a moment at which all nodes have one tip.
const SETTLED_WITHIN: Duration = Duration::from_secs(120);

/// With so many quiet minutes, or blocks' time, of which nobody pays in the second half, everything is mined at the
/// end.
const LONG_QUIET: u64 = 18;

/// How many honest peers every honest node has at least, and how many where there are adversaries.
const PEERS: (usize, usize) = (2, 1);

/// In so many minutes everybody is looked at each minute.
const MOST_LOOKS: u64 = 240;

/// A step of the scenario.
#[derive(Clone, Debug)]
enum Step {
    /// A node starts for the first time.
    Start(NodeId),
    /// Something goes wrong with these.
    Begin(Fault, Vec<NodeId>),
    /// It is mended.
    End(Fault, Vec<NodeId>),
    /// Somebody pays.
    Pay,
    /// A minute has gone by.
    Look,
    /// Ten have, and somebody may want to know how it goes.
    Tell,
}

/// What came of a scenario.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// What does not hold.
    pub broken: Vec<Broken>,
    /// The height of the chain at the end.
    pub height: u64,
    /// What became of payments.
    pub fates: Fates,
    /// All that has happened, in one hash.
    pub digest: Hash,
    /// What happened.
    pub events: u64,
    /// What was measured.
    pub figures: Figures,
}

/// Is told of each step, and when it is.
pub type Teller = Box<dyn FnMut(Duration, &str)>;

/// A scenario under way.
pub struct Course {
    scenario: Scenario,
    seed: u64,
    simulation: Simulation,
    steps: Vec<Step>,
    payments: Payments,
    customers: Customers,
    /// Who is being kept down, or apart, by how many faults.
    down: Vec<u32>,
    broken: Vec<Broken>,
    /// How often adversaries have broken the rules.
    deeds: Arc<AtomicU64>,
    /// How many peers honest nodes have on average, as time goes on: minutes, peers.
    peers: Vec<(f64, f64)>,
    /// What looks have seen.
    looks: checks::Looks,
    /// Told of each step.
    tell: Teller,
}

impl Course {
    /// At its beginning.
    ///
    /// # Errors
    /// The scenario's rules are none.
    pub fn new(scenario: Scenario, seed: u64, tell: Teller) -> Result<Self, ScenarioError> {
        let scenario = scenario.drawn(seed);
        let spec = Arc::new(scenario.spec()?);
        let work = spec.params().genesis_target.decode().map_or(1.0, |target| target.work().to_f64());
        let rate = work * 1_000.0 / scenario.interval_ms as f64;
        let setup = Setup { seed, spec, shape: Shape::World, leisure: scenario.leisure };
        let mut simulation = Simulation::new(setup);
        simulation.fabric().gossip_lost_percent = scenario.gossip_lost_percent;
        simulation.fabric().answers_lost_percent = scenario.answers_lost_percent;
        population::add_honest(&mut simulation, &scenario, rate);
        let deeds = population::add_adversaries(&mut simulation, &scenario, rate);
        let down = vec![0; scenario.nodes as usize];
        let (steps, payments, customers) = (Vec::new(), Payments::default(), Customers::default());
        let (broken, peers, looks) = (Vec::new(), Vec::new(), checks::Looks::default());
        let mut course =
            Self { scenario, seed, simulation, steps, payments, customers, down, broken, deeds, peers, looks, tell };
        course.plan_all();
        Ok(course)
    }

    fn plan(&mut self, at: Duration, step: Step) {
        self.simulation.plan(at, self.steps.len());
        self.steps.push(step);
    }

    fn plan_all(&mut self) {
        // Not in step, or all would do at one moment what each does now and then.
        let span = TICK * self.scenario.leisure.min(60);
        let nodes: Vec<NodeId> = self.simulation.nodes().collect();
        for node in &nodes {
            self.plan(span * node.0 / nodes.len() as u32, Step::Start(*node));
        }
        for Planned { fault, end, nodes } in self.scenario.plan(self.seed) {
            self.plan(MINUTE * fault.at as u32, Step::Begin(fault.clone(), nodes.clone()));
            self.plan(MINUTE * end as u32, Step::End(fault, nodes));
        }
        let pays = self.scenario.payments_per_hour * (self.scenario.minutes + self.scenario.quiet_minutes / 2) / 60;
        for n in 0..pays {
            self.plan(Duration::from_millis(n * 3_600_000 / self.scenario.payments_per_hour + 60_000), Step::Pay);
        }
        let all = self.scenario.minutes + self.scenario.quiet_minutes;
        // Where months are played there are no details to look at.
        for minute in 1..all.min(MOST_LOOKS) {
            // Not in step with what nodes do every few seconds, or one would be seen at the same thing each time.
            let late = Duration::from_millis(minute * 7_919 % 20_000);
            self.plan(MINUTE * minute as u32 + late, Step::Look);
        }
        for minute in (10..self.scenario.minutes).step_by(10) {
            self.plan(MINUTE * minute as u32, Step::Tell);
        }
    }

    /// Has somebody told of everything that happens between nodes.
    pub fn trace(&mut self, tell: Teller) {
        self.simulation.trace(tell);
    }

    /// Plays it to its end.
    pub fn play(mut self) -> Verdict {
        let end = MINUTE * (self.scenario.minutes + self.scenario.quiet_minutes) as u32;
        while let Some(step) = self.simulation.run_to(end) {
            let step = self.steps[step].clone();
            self.take(step);
        }
        self.judge()
    }

    fn start(&mut self, node: NodeId) {
        if let Err(error) = self.simulation.start(node) {
            self.broken.push(Broken::Audit { node, reason: error.to_string() });
        }
    }

    fn say(&mut self, text: &str) {
        let now = Duration::from_nanos(self.simulation.now());
        (self.tell)(now, text);
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Begin(fault, nodes) => {
                let (kind, minutes, count) = (fault.kind, fault.minutes, nodes.len());
                self.say(&format!("{kind:?} of {count} nodes for {minutes} minutes"));
                self.begin(&fault, &nodes);
            }
            Step::End(fault, nodes) => self.end(fault.kind, &nodes),
            Step::Start(node) if self.down.get(node.0 as usize).is_none_or(|faults| *faults == 0) => self.start(node),
            // The fault that keeps it down ends with its start.
            Step::Start(_) => {}
            Step::Pay => {
                let up: Vec<NodeId> = self.simulation.tips().into_iter().map(|(node, _, _)| node).collect();
                if !up.is_empty() {
                    let node = up[(self.simulation.random().next_u64() % up.len() as u64) as usize];
                    self.payments.step(&mut self.simulation, node);
                    if self.scenario.customers {
                        self.customers.step(&mut self.simulation, node, self.scenario.is_calm());
                    }
                }
            }
            Step::Look => self.look(),
            Step::Tell => {
                let mut heights: Vec<u64> = self.simulation.tips().into_iter().map(|(_, height, _)| height).collect();
                heights.sort_unstable();
                let (events, polls) = self.simulation.effort();
                let (low, high) = (heights.first().copied().unwrap_or(0), heights.last().copied().unwrap_or(0));
                let up = heights.len();
                self.note_peers();
                self.say(&format!("{up} nodes at {low} to {high}; {events} events, {polls} polls"));
            }
        }
    }

    fn note_peers(&mut self) {
        let honest = self.simulation.honest();
        let peers: usize = honest.iter().map(|node| self.simulation.fabric().peers_of(*node)).sum();
        let minutes = self.simulation.now() as f64 / 60e9;
        self.peers.push((minutes, peers as f64 / honest.len() as f64));
    }

    fn begin(&mut self, fault: &Fault, nodes: &[NodeId]) {
        let kind = fault.kind;
        self.note_trouble(kind, nodes);
        // A stream of its own: what else goes wrong does not change how.
        let mut random = random(self.seed, 4 << 32 | fault.at << 8 | kind as u64);
        match kind {
            FaultKind::Crash | FaultKind::PowerCut => {
                for node in nodes {
                    self.down[node.0 as usize] += 1;
                    self.simulation.kill(*node, kind == FaultKind::PowerCut);
                }
            }
            FaultKind::Disk => {
                for node in nodes {
                    self.down[node.0 as usize] += 1;
                    self.simulation.disk(*node).set_failing(true);
                }
            }
            FaultKind::Partition => {
                let part = 1 + (random.next_u64() % 1_000) as u32;
                let fabric = &mut *self.simulation.fabric();
                fabric.links.part(nodes.iter().copied(), part);
                fabric.on_links_changed();
            }
            FaultKind::Stop => nodes.iter().for_each(|node| self.simulation.stop(*node)),
            FaultKind::OneWay => {
                let fabric = &mut *self.simulation.fabric();
                nodes.windows(2).for_each(|pair| fabric.links.cut(pair[0], pair[1]));
                fabric.on_links_changed();
            }
            FaultKind::Clock => {
                for node in nodes {
                    let (ahead, drift) = (random.next_u64() % 120_000, random.next_u64() % 200);
                    let clock = Clock { ahead: ahead as i64 - 60_000, drift: drift as i64 - 100 };
                    self.simulation.set_clock(*node, clock);
                }
            }
        }
    }

    fn end(&mut self, kind: FaultKind, nodes: &[NodeId]) {
        self.note_mended(kind, nodes);
        match kind {
            FaultKind::Crash | FaultKind::PowerCut | FaultKind::Disk => {
                for node in nodes {
                    let down = &mut self.down[node.0 as usize];
                    *down -= 1;
                    if *down == 0 {
                        self.simulation.disk(*node).set_failing(false);
                        self.simulation.kill(*node, false);
                        self.start(*node);
                        self.note_restart(*node);
                    }
                }
            }
            FaultKind::Partition | FaultKind::OneWay => {
                let fabric = &mut *self.simulation.fabric();
                match kind {
                    FaultKind::Partition => fabric.links.part(nodes.iter().copied(), 0),
                    _ => nodes.windows(2).for_each(|pair| fabric.links.mend(pair[0], pair[1])),
                }
                fabric.on_links_changed();
            }
            FaultKind::Clock => nodes.iter().for_each(|node| self.simulation.set_clock(*node, Clock::default())),
            FaultKind::Stop => nodes.iter().for_each(|node| self.simulation.go_on(*node)),
        }
    }

    /// Blocks go on being found: a moment is looked for at which none is on its way.
    fn settle(&mut self) {
        let end = Duration::from_nanos(self.simulation.now()) + SETTLED_WITHIN;
        while !oracles::one_tip(&self.simulation).is_empty() && self.simulation.now() < end.as_nanos() as u64 {
            let next = Duration::from_nanos(self.simulation.now()) + Duration::from_secs(2);
            while self.simulation.run_to(next).is_some() {}
        }
    }

    /// Tells where nodes stand that are not where most are.
    fn tell_of_stragglers(&mut self) {
        let tips = self.simulation.tips();
        let Some(best) = tips.iter().map(|(_, height, _)| *height).max() else { return };
        for (node, height, _) in tips.into_iter().filter(|(_, height, _)| height + 3 < best) {
            let peers = self.simulation.fabric().peers_of(node);
            let status = self.simulation.within(node, |running| running.sync.status());
            self.say(&format!("node {} stands at {height}, with {peers} peers: {status:?}", node.0));
        }
    }

    /// Whether everything is mined at the end.
    fn is_quiet_for_long(&self) -> bool {
        self.scenario.quiet_minutes * 60_000 >= LONG_QUIET * self.scenario.interval_ms.max(60_000)
    }

    /// How many honest peers every honest node has to have.
    fn fewest_peers(&self) -> usize {
        if self.scenario.unreachable_percent == 100 {
            return self.scenario.boot_nodes as usize;
        }
        let fewest = if self.is_attacked() { PEERS.1 } else { PEERS.0 };
        fewest.min(self.scenario.nodes as usize - 1)
    }

    /// Tells to whom nodes are connected that have few honest peers.
    fn tell_of_the_lonely(&mut self) {
        for broken in oracles::connected(&self.simulation, self.fewest_peers()) {
            let Broken::Alone { node, .. } = broken else { continue };
            let peers: Vec<u32> = self.simulation.fabric().connected(node).into_iter().map(|peer| peer.0).collect();
            let info = self.simulation.ask(node, |running| {
                let network = running.network.clone();
                async move { network.info().await }
            });
            self.say(&format!("node {} is connected to {peers:?}: {info:?}", node.0));
        }
    }

    fn judge(mut self) -> Verdict {
        self.settle();
        self.tell_of_stragglers();
        self.tell_of_the_lonely();
        let first = NodeId(0);
        self.payments.look_at_all(&mut self.simulation, first);
        let figures = oracles::figures(&self.simulation, self.looks.well_since);
        self.say(&figures);
        let is_quiet = self.is_quiet_for_long();
        let mut broken = std::mem::take(&mut self.broken);
        broken.extend(self.found_on_the_way());
        broken.extend(self.ask_oracles(first, is_quiet));
        let loses_gossip_alone = self.loses_gossip_alone();
        let simulation = &mut self.simulation;
        broken.extend(self.customers.complaints.drain(..).map(|what| Broken::Customer { what }));
        let payments = self.payments.forgotten(simulation, first) + self.customers.waiting(simulation, first);
        if payments > 0 && is_quiet && !self.scenario.stops_nodes() {
            broken.push(Broken::Forgotten { payments });
        }
        let height = simulation.tips().iter().map(|(_, height, _)| *height).max().unwrap_or(0);
        let expected = (self.scenario.minutes + self.scenario.quiet_minutes) * 60_000 / self.scenario.interval_ms / 3;
        if height < expected {
            broken.push(Broken::Stopped { height, expected });
        }
        let fates = self.payments.fates.clone();
        if fates.vanished > 0 {
            broken.push(Broken::Vanished { fates: fates.clone() });
        }
        let (digest, (events, _)) = (simulation.digest(), simulation.effort());
        let deeds = self.deeds.load(Ordering::Relaxed);
        let figures = Figures::of(simulation, self.scenario.nodes, deeds, std::mem::take(&mut self.peers));
        if self.scenario.is_calm() {
            broken.extend(pace::check(&self.scenario, &figures, &fates, events));
        }
        if loses_gossip_alone {
            broken.extend(pace::check_without_gossip(&figures));
        }
        Verdict { broken, height, fates, digest, events, figures }
    }

    /// Whether nothing else goes wrong than that gossip is lost, and answers perhaps.
    fn loses_gossip_alone(&self) -> bool {
        self.scenario.gossip_lost_percent > 0 && !self.scenario.stops_nodes() && !self.is_attacked()
    }

    /// What does not hold at the end.
    fn ask_oracles(&mut self, first: NodeId, is_quiet: bool) -> Vec<Broken> {
        let (fewest, prompt, well_since) = (self.fewest_peers(), self.promptness(), self.looks.well_since);
        let loses_gossip_alone = self.loses_gossip_alone();
        let simulation = &mut self.simulation;
        let mut broken = oracles::one_tip(simulation);
        broken.extend(oracles::whole(simulation));
        broken.extend(oracles::replay(simulation, first));
        broken.extend(oracles::nobody_banned(simulation));
        broken.extend(oracles::connected(simulation, fewest));
        broken.extend(oracles::second_opinion(simulation, first));
        broken.extend(oracles::nothing_forged(simulation));
        broken.extend(oracles::pools(simulation, is_quiet));
        broken.extend(oracles::peers(simulation, self.scenario.is_calm().then_some(self.scenario.boot_nodes)));
        broken.extend(oracles::punished(simulation));
        broken.extend(oracles::banned(simulation));
        broken.extend(oracles::conduct(simulation, self.scenario.is_calm()));
        broken.extend(oracles::moves(simulation));
        broken.extend(oracles::slots(simulation));
        broken.extend(oracles::prompt(simulation, well_since, prompt));
        // What a compact block lacks is asked for.
        if self.scenario.answers_lost_percent == 0 {
            broken.extend(oracles::taken_in(simulation, well_since));
            broken.extend(oracles::orphans(simulation).filter(|_| loses_gossip_alone));
        }
        broken.extend(oracles::thrifty(simulation));
        broken.extend(oracles::considerate(simulation));
        if self.scenario.only_stops_nodes() {
            broken.extend(oracles::anchors(simulation));
        }
        broken
    }
}
