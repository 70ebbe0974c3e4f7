//! Many nodes, one heap, one seed.

use crate::adversary::{Adversary, Kind};
use crate::executor::{Clock, Executor, Nanos, NodeId, nanos, random};
use crate::fabric::{Fabric, Happening, Place};
use crate::links::{Region, Shape};
use crate::mining::Miner;
use crate::node::{self, NodeSetup, RunningNode, StartError};
use crate::observations::{Observations, Observer};
use cairn_chain::SharedChecks;
use cairn_chain::store::MemoryDisk;
use cairn_common::runtime;
use cairn_ledger::chain_spec::ChainSpec;
use cairn_ledger::hash::{BlockId, Hash, sha256};
use cairn_ledger::units::Timestamp;
use cairn_network::NetworkConfig;
use cairn_network::transport::PeerId;
use rand_chacha::ChaCha8Rng;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A node, running or not.
struct Slot {
    peer: PeerId,
    setup: NodeSetup,
    running: Option<RunningNode>,
    /// How often it was stopped.
    lives: u32,
}

/// What a node is to be.
#[derive(Clone, Debug)]
pub struct NodePlan {
    /// Its address.
    pub ip: [u8; 4],
    /// Whether others can dial it.
    pub is_reachable: bool,
    /// Whether all that are added after it know it from the start.
    pub is_boot_node: bool,
    /// How it mines, if it does.
    pub miner: Option<Miner>,
}

/// How a simulation is set up.
#[derive(Clone, Debug)]
pub struct Setup {
    /// What decides everything that is left to chance.
    pub seed: u64,
    /// The rules.
    pub spec: Arc<ChainSpec>,
    /// How nodes are connected.
    pub shape: Shape,
    /// How many times rarer nodes look whether something is due that comes now and then: with many of them over long
    /// times nearly all of that is looking.
    pub leisure: u32,
}

/// The simulation.
pub struct Simulation {
    executor: Executor<Happening>,
    fabric: Arc<Mutex<Fabric>>,
    nodes: Vec<Slot>,
    spec: Arc<ChainSpec>,
    random: ChaCha8Rng,
    boot_nodes: Vec<String>,
    events: u64,
    /// What has happened so far, in one number.
    digest: u64,
    seen: Arc<Mutex<Observations>>,
    /// What all nodes have checked.
    checks: SharedChecks,
    /// Told of everything that happens between nodes.
    trace: Option<Trace>,
}

/// Is told of something, and when it is.
pub type Trace = Box<dyn FnMut(Duration, &str)>;

impl Simulation {
    /// Nobody yet. The clocks show the time of block 0.
    pub fn new(setup: Setup) -> Self {
        let Setup { seed, spec, shape, leisure } = setup;
        let executor = Executor::new(seed, spec.params().genesis_time, leisure);
        let fabric = Fabric::new(executor.agenda().clone(), shape, seed);
        Self {
            executor,
            fabric: Arc::new(Mutex::new(fabric)),
            nodes: Vec::new(),
            spec,
            random: random(seed, 0),
            boot_nodes: Vec::new(),
            events: 0,
            digest: 0,
            seen: Arc::default(),
            checks: SharedChecks::default(),
            trace: None,
        }
    }

    /// Has somebody told of everything that happens between nodes.
    pub fn trace(&mut self, tell: Trace) {
        self.trace = Some(tell);
    }

    /// What is between nodes.
    pub fn fabric(&self) -> MutexGuard<'_, Fabric> {
        self.fabric.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a node.
    pub fn add(&mut self, plan: NodePlan) -> NodeId {
        let node = self.executor.add_node();
        let NodePlan { ip, is_reachable, is_boot_node: is_point, miner } = plan;
        let place = Place { ip, region: Region::draw(&mut self.random), is_reachable, is_point };
        let (peer, address) = self.fabric().add_host(node, place);
        let mut network = NetworkConfig { boot_nodes: self.boot_nodes.clone(), ..NetworkConfig::default() };
        network.discovery.mdns = false;
        network.discovery.rendezvous_server = is_point;
        network.reach.upnp = false;
        network.reach.relay = false;
        let disk = self.nodes.first().map(|node| node.setup.disk.another()).unwrap_or_default();
        let checks = self.checks.clone();
        let setup = NodeSetup { spec: self.spec.clone(), network, disk, checks, miner, adversary: None };
        self.nodes.push(Slot { peer, setup, running: None, lives: 0 });
        if is_point {
            self.boot_nodes.push(format!("{address}/p2p/{peer}"));
        }
        node
    }

    /// Changes how a node takes part in the network from its next start on.
    pub fn configure(&mut self, node: NodeId, change: impl FnOnce(&mut NetworkConfig)) {
        change(&mut self.nodes[node.0 as usize].setup.network);
    }

    /// Has a node attack others from its next start on.
    pub fn corrupt(&mut self, node: NodeId, adversary: Adversary) {
        self.nodes[node.0 as usize].setup.adversary = Some(adversary);
        self.fabric().watch.set_liar(node);
    }

    /// Starts a node.
    ///
    /// # Errors
    /// Its database, or its configuration.
    pub fn start(&mut self, node: NodeId) -> Result<(), StartError> {
        let slot = &self.nodes[node.0 as usize];
        let (peer, setup, fabric) = (slot.peer, slot.setup.clone(), self.fabric.clone());
        let (agenda, life) = (self.executor.agenda().clone(), slot.lives);
        let failed = move || agenda.plan(agenda.now(), Happening::Failed(node, life));
        let observer = Observer::new(self.seen.clone(), node, self.executor.origin());
        let running = self.executor.within(node, || node::start(peer, setup, &fabric, observer, failed))?;
        self.nodes[node.0 as usize].running = Some(running);
        Ok(())
    }

    /// A node's process is killed; a power cut takes what it had not synced, too.
    pub fn kill(&mut self, node: NodeId, is_power_cut: bool) {
        self.nodes[node.0 as usize].lives += 1;
        let running = self.nodes[node.0 as usize].running.take();
        self.executor.within(node, || drop(running));
        // What comes back is another process.
        self.go_on(node);
        self.executor.kill(node);
        self.executor.within(node, || self.fabric.lock().unwrap_or_else(PoisonError::into_inner).stop(node));
        self.seen().on_stopped(node);
        if is_power_cut {
            self.seen().forget_told(node);
            let disk = &self.nodes[node.0 as usize].setup.disk;
            disk.lose(disk.unsynced());
        }
    }

    /// Those that follow every rule.
    pub fn honest(&self) -> Vec<NodeId> {
        self.nodes().filter(|node| self.is_honest(*node)).collect()
    }

    /// Whether a node follows every rule.
    pub fn is_honest(&self, node: NodeId) -> bool {
        self.nodes[node.0 as usize].setup.adversary.is_none()
    }

    /// How a node attacks others, if it does.
    pub fn kind(&self, node: NodeId) -> Option<Kind> {
        self.nodes[node.0 as usize].setup.adversary.as_ref().map(|adversary| adversary.kind)
    }

    /// A node's name.
    pub fn peer(&self, node: NodeId) -> PeerId {
        self.nodes[node.0 as usize].peer
    }

    /// What was seen so far.
    pub fn seen(&self) -> MutexGuard<'_, Observations> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A node's process is stopped where it is: it does nothing more, and whoever speaks to it hears nothing.
    pub fn stop(&mut self, node: NodeId) {
        if self.running(node).is_some() {
            self.executor.stop(node);
            self.set_silent(node, true);
        }
    }

    /// It goes on.
    pub fn go_on(&mut self, node: NodeId) {
        if self.executor.go_on(node) {
            self.set_silent(node, false);
        }
    }

    fn set_silent(&self, node: NodeId, is_silent: bool) {
        let fabric = &mut *self.fabric();
        fabric.links.set_stopped(node, is_silent);
        fabric.on_links_changed();
    }

    /// All nodes.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.nodes.len() as u32).map(NodeId)
    }

    /// A running node's parts.
    pub fn running(&self, node: NodeId) -> Option<&RunningNode> {
        self.nodes[node.0 as usize].running.as_ref()
    }

    /// Has a node do something.
    pub fn within<T>(&self, node: NodeId, work: impl FnOnce(&RunningNode) -> T) -> Option<T> {
        let running = self.running(node)?;
        Some(self.executor.within(node, || work(running)))
    }

    /// Plans a step of the scenario.
    pub fn plan(&self, at: Duration, step: usize) {
        self.executor.agenda().plan(nanos(at), Happening::Step(step));
    }

    /// Lets time go by up to a moment; stops at the next step of the scenario, if one comes before.
    pub fn run_to(&mut self, end: Duration) -> Option<usize> {
        let end = nanos(end);
        while let Some((at, event)) = self.executor.next(end) {
            self.events += 1;
            self.note(at);
            if let Some(tell) = &mut self.trace {
                tell(Duration::from_nanos(at), &event.to_string());
            }
            match event {
                Happening::Step(step) => return Some(step),
                Happening::Failed(node, life) if self.nodes[node.0 as usize].lives == life => self.kill(node, false),
                Happening::Failed(..) => {}
                Happening::Fabric(event) => {
                    let node = self.fabric().whose(&event);
                    self.note(u64::from(node.0));
                    let fabric = self.fabric.clone();
                    self.executor
                        .within(node, || fabric.lock().unwrap_or_else(PoisonError::into_inner).on_event(event));
                }
            }
        }
        self.executor.skip_to(end);
        None
    }

    /// Asks a node something that takes it no time; nothing if it is down, or does not answer at once.
    pub fn ask<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        &mut self,
        node: NodeId,
        question: impl FnOnce(&RunningNode) -> F,
    ) -> Option<T> {
        let answer = Arc::new(Mutex::new(None));
        let sink = answer.clone();
        self.within(node, |running| {
            let question = question(running);
            drop(runtime::spawn(async move {
                let got = question.await;
                *sink.lock().unwrap_or_else(PoisonError::into_inner) = Some(got);
            }));
        })?;
        self.executor.settle();
        let answer = &mut *answer.lock().unwrap_or_else(PoisonError::into_inner);
        answer.take()
    }

    /// Audits a node's database.
    ///
    /// # Errors
    /// What the audit finds.
    pub fn audit<T, E>(
        &self,
        node: NodeId,
        audit: impl FnOnce(&ChainSpec, MemoryDisk) -> Result<T, E>,
    ) -> Result<T, E> {
        let disk = self.disk(node).clone();
        self.executor.within(node, || audit(&self.spec, disk))
    }

    /// Sets a node's clock.
    pub fn set_clock(&self, node: NodeId, clock: Clock) {
        self.executor.node(node).set_clock(clock);
    }

    /// A node's disk.
    pub fn disk(&self, node: NodeId) -> &MemoryDisk {
        &self.nodes[node.0 as usize].setup.disk
    }

    /// Random numbers for the scenario.
    pub fn random(&mut self) -> &mut ChaCha8Rng {
        &mut self.random
    }

    /// The rules.
    pub fn spec(&self) -> &Arc<ChainSpec> {
        &self.spec
    }

    fn note(&mut self, word: u64) {
        self.digest = (self.digest.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    /// The time since the beginning.
    pub fn now(&self) -> Nanos {
        self.executor.agenda().now()
    }

    /// The tip of each running node that is honest.
    pub fn tips(&self) -> Vec<(NodeId, u64, BlockId)> {
        let tip = |node: NodeId| {
            let tip = self.running(node)?.chain.tip();
            Some((node, tip.height().get(), tip.id))
        };
        self.honest().into_iter().filter_map(tip).collect()
    }

    /// All that has happened, in one hash: the same for the same seed on any machine.
    pub fn digest(&self) -> Hash {
        let mut parts = vec![self.digest.to_le_bytes().to_vec(), self.executor.polls().to_le_bytes().to_vec()];
        parts.extend(self.tips().iter().map(|(_, _, id)| id.as_bytes().to_vec()));
        sha256(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    /// How many events there were, and how often a task was polled.
    pub fn effort(&self) -> (u64, u64) {
        (self.events, self.executor.polls())
    }

    /// What right clocks show.
    pub fn time(&self) -> Timestamp {
        Timestamp::from_millis(self.spec.params().genesis_time.millis() + self.now() / 1_000_000)
    }
}
