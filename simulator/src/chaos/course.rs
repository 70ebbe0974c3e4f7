//! A scenario on real processes, from its beginning to the verdict.

use super::between::Kind;
use super::fleet::{Fleet, FleetError, Setup, number};
use super::interrupt::Interrupt;
use super::payments::Payments;
use super::verdict::{Case, Verdict, judge, names};
use crate::executor::{NodeId, random};
use crate::scenario::{FaultKind, Planned, Scenario};
use cairn_rpc::types::NodeInfo;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::RngCore;
use serde_json::json;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The stream of random numbers of who is paid through.
const PAYERS: u64 = 5 << 32;
/// What nodes need after the last fault, however fast the scenario: peers that hear nothing notice after 40 s, and
/// those that were refused are tried again later and later.
const PATIENCE: Duration = Duration::from_secs(180);
/// How much of what a chain could have grown it must have: with a partition, less is found in each part.
const GROWTH: u32 = 4;

/// How a scenario is played.
#[derive(Clone, Debug)]
pub struct Options {
    /// What decides everything that is left to chance.
    pub seed: u64,
    /// How long things go wrong.
    pub length: Duration,
    /// Where everything is.
    pub directory: PathBuf,
    /// What is between nodes.
    pub kind: Kind,
}

/// Is told of each step, and when it is.
pub type Teller<'a> = &'a mut dyn FnMut(Duration, &str);

#[derive(Clone, Copy, Debug)]
enum Step {
    Begin(usize),
    End(usize),
    Pay,
    Look,
}

/// Looks at all nodes while things go wrong.
const LOOKS: u32 = 8;

/// A scenario under way.
struct Course<'a> {
    fleet: Fleet,
    plan: Vec<Planned>,
    payments: Payments,
    random: ChaCha8Rng,
    ended: Vec<String>,
    began: Instant,
    minute: Duration,
    tell: Teller<'a>,
}

/// Plays a scenario on real processes; nothing of them is left but what is in the directory.
///
/// # Errors
/// They do not start, or it was interrupted.
pub fn play(
    scenario: &Scenario,
    options: &Options,
    interrupt: &Interrupt,
    tell: Teller<'_>,
) -> Result<Verdict, FleetError> {
    let began = Instant::now();
    let minute = options.length.div_f64(scenario.minutes as f64);
    let plan = scenario.plan(options.seed);
    let Options { seed, directory, kind, .. } = options;
    let setup = Setup { scenario, seed: *seed, minute, directory, kind: *kind };
    tell(began.elapsed(), &format!("seed {seed}: starting {} nodes", scenario.nodes));
    let fleet = Fleet::start(&setup, &plan, interrupt)?;
    let interval = Duration::from_millis(fleet.spec().params().interval_ms);
    let (miners, seconds) = (scenario.miners, interval.as_secs_f64());
    tell(began.elapsed(), &format!("between them: {}", fleet.describe()));
    fleet.left_out().for_each(|what| tell(began.elapsed(), &what));
    let length = options.length.as_secs();
    tell(began.elapsed(), &format!("{miners} of them mine, a block each {seconds:.1} s; {length} s of faults begin"));
    let (payments, random) = (Payments::default(), random(*seed, PAYERS));
    let mut course = Course { fleet, plan, payments, random, ended: Vec::new(), began, minute, tell };
    let ended = course.play(scenario, options.length, interrupt);
    let verdict = match ended {
        Ok(well_since) => {
            let expected = course.began.elapsed().div_duration_f64(interval) as u64 / u64::from(GROWTH);
            course.judge(scenario, (well_since, expected), interrupt)
        }
        Err(error) => Err(error),
    };
    if !verdict.as_ref().is_ok_and(Verdict::is_good) {
        course.fleet.nodes().for_each(|node| course.fleet.process_mut(node).kill());
        course.fleet.keep()?;
    }
    verdict
}

impl Course<'_> {
    fn say(&mut self, text: &str) {
        (self.tell)(self.began.elapsed(), text);
    }

    /// What is done when, in order.
    fn steps(&self, scenario: &Scenario, length: Duration) -> Vec<(Duration, Step)> {
        let mut steps = Vec::new();
        for (which, Planned { fault, end, .. }) in self.plan.iter().enumerate() {
            steps.push((self.minute * fault.at as u32, Step::Begin(which)));
            steps.push((self.minute * *end as u32, Step::End(which)));
        }
        let pays = scenario.payments_per_hour * scenario.minutes / 60;
        steps.extend((0..pays).map(|n| (length.mul_f64(n as f64 / pays as f64), Step::Pay)));
        steps.extend((1..=LOOKS).map(|look| (length * look / (LOOKS + 1), Step::Look)));
        // Of one moment, as they were planned.
        steps.sort_by_key(|(at, _)| *at);
        steps
    }

    /// Plays all faults, and gives the height at which all was mended.
    fn play(&mut self, scenario: &Scenario, length: Duration, interrupt: &Interrupt) -> Result<u64, FleetError> {
        let start = Instant::now();
        for (at, step) in self.steps(scenario, length) {
            loop {
                self.watch()?;
                let now = Instant::now();
                let moment = start + at;
                if !interrupt.wait_until(moment.min(now + Duration::from_millis(250)), || false) {
                    return Err(FleetError::Interrupted);
                }
                if moment <= Instant::now() {
                    break;
                }
            }
            self.take(step)?;
        }
        interrupt.wait_until(start + length, || false);
        Ok(self.heights().last().copied().unwrap_or(0))
    }

    /// Whoever has ended by itself is told of.
    fn watch(&mut self) -> Result<(), FleetError> {
        for ended in self.fleet.ended()? {
            let (number, status) = (number(ended.node), ended.status);
            if ended.is_excused {
                self.say(&format!("node {number} ended by itself, as its disk was full: {status}"));
            } else {
                self.say(&format!("node {number} ENDED BY ITSELF: {status}"));
                self.ended.push(format!("node {number} has ended by itself: {status}"));
            }
        }
        Ok(())
    }

    fn take(&mut self, step: Step) -> Result<(), FleetError> {
        match step {
            Step::Begin(which) => {
                let Planned { fault, end, nodes } = self.plan[which].clone();
                let seconds = (self.minute * (end - fault.at) as u32).as_secs_f64();
                self.say(&format!("{}, for {seconds:.0}\u{a0}s", beginning(fault.kind, &nodes)));
                self.fleet.begin(fault.kind, &nodes)
            }
            Step::End(which) => {
                let Planned { fault, nodes, .. } = self.plan[which].clone();
                self.say(&ending(fault.kind, &nodes));
                self.fleet.end(fault.kind, &nodes)
            }
            Step::Pay => {
                let up: Vec<NodeId> = self.fleet.nodes().filter(|node| self.fleet.process(*node).answers()).collect();
                if !up.is_empty() {
                    let node = up[(self.random.next_u64() % up.len() as u64) as usize];
                    self.payments.step(&self.fleet, node);
                }
                Ok(())
            }
            Step::Look => {
                let heights = self.heights();
                let (low, high) = (heights.first().copied().unwrap_or(0), heights.last().copied().unwrap_or(0));
                let paid = self.payments.count();
                let (answer, all) = (heights.len(), self.fleet.nodes().count());
                self.say(&format!("{answer} of {all} nodes answer, blocks {low} to {high}; {paid} payments so far"));
                Ok(())
            }
        }
    }

    /// Where those stand who answer, in order.
    fn heights(&self) -> Vec<u64> {
        let height = |node| self.fleet.ask::<NodeInfo>(node, "node_info", &json!([])).ok().map(|info| info.height);
        let mut heights: Vec<u64> = self.fleet.nodes().filter_map(height).collect();
        heights.sort_unstable();
        heights
    }

    fn judge(
        &mut self,
        scenario: &Scenario,
        (well_since, grown_to): (u64, u64),
        interrupt: &Interrupt,
    ) -> Result<Verdict, FleetError> {
        let patience = (self.minute * scenario.quiet_minutes as u32).max(PATIENCE);
        self.say(&format!("all is mended: up to {} s of quiet, then the verdict", patience.as_secs()));
        let case = Case { payments: &self.payments, well_since, grown_to, ended: &self.ended, patience };
        let (began, quiet) = (self.began, Instant::now());
        let settled = &mut |open: &str| {
            let seconds = quiet.elapsed().as_secs_f64();
            (self.tell)(began.elapsed(), &format!("{open} after {seconds:.1} s of quiet"));
        };
        judge(&mut self.fleet, &case, settled, interrupt).ok_or(FleetError::Interrupted)
    }
}

/// Whom a fault hits: in order, save where the order says who hears whom.
fn numbers(kind: FaultKind, nodes: &[NodeId]) -> Vec<u32> {
    let mut numbers: Vec<u32> = nodes.iter().copied().map(number).collect();
    if kind != FaultKind::OneWay {
        numbers.sort_unstable();
    }
    numbers
}

/// The pairs of a fault that is one way.
fn pairs(numbers: &[u32]) -> String {
    let pairs: Vec<String> = numbers.windows(2).map(|pair| format!("{} to {}", pair[0], pair[1])).collect();
    if pairs.is_empty() { String::from("nobody, as one node is no pair") } else { pairs.join(", ") }
}

/// A fault in words.
fn beginning(kind: FaultKind, nodes: &[NodeId]) -> String {
    let numbers = numbers(kind, nodes);
    let who = names(&numbers);
    match kind {
        FaultKind::Crash => format!("crash: kill -9 of {who}"),
        FaultKind::PowerCut => format!("power cut: kill -9 of {who}"),
        FaultKind::Partition => format!("partition: between {who} and the others nothing passes"),
        FaultKind::OneWay => format!("one way: nothing passes from {}", pairs(&numbers)),
        FaultKind::Clock => format!("clock: wrong on {who}"),
        FaultKind::Disk => format!("disk: full under {who}"),
        FaultKind::Stop => format!("stop: SIGSTOP to {who}"),
    }
}

/// Its end.
fn ending(kind: FaultKind, nodes: &[NodeId]) -> String {
    let numbers = numbers(kind, nodes);
    let who = names(&numbers);
    match kind {
        FaultKind::Crash | FaultKind::PowerCut => format!("after the kill: {who} started again"),
        FaultKind::Partition => format!("the partition is mended: {who} and the others"),
        FaultKind::OneWay => format!("one way is mended: {}", pairs(&numbers)),
        FaultKind::Clock => format!("right clocks again: {who}"),
        FaultKind::Disk => format!("room again on the disk of {who}"),
        FaultKind::Stop => format!("SIGCONT to {who}"),
    }
}
