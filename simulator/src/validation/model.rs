//! The schedule in the simulator.

use super::SETTLED_AFTER;
use super::arrivals::{Arrivals, Thing};
use super::schedule::{Deed, Planned, Schedule, payment};
use crate::executor::{Nanos, NodeId};
use crate::fabric::ip_in;
use crate::links::Shape;
use crate::mining::find_now;
use crate::scenario::{Scenario, ScenarioError};
use crate::simulation::{NodePlan, Setup, Simulation};
use cairn_chain::Origin;
use cairn_common::{clock, runtime};
use cairn_ledger::testing::key;
use cairn_network::{DiscoveryConfig, transport::PeerId};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::broadcast::error::RecvError;

/// Between the starts of two nodes: a real one is connected before the next one starts.
const APART: Duration = Duration::from_secs(2);

/// A network that stands still before its beginning.
pub struct Model {
    simulation: Simulation,
    schedule: Schedule,
    arrivals: Arc<Mutex<Arrivals>>,
}

impl Model {
    /// The nodes of a schedule.
    ///
    /// # Errors
    /// The scenario's rules are none.
    pub fn new(scenario: &Scenario, schedule: &Schedule, seed: u64) -> Result<Self, ScenarioError> {
        let setup = Setup { seed, spec: Arc::new(scenario.spec()?), shape: Shape::World, leisure: 1 };
        let mut simulation = Simulation::new(setup);
        for (n, dials) in schedule.dials.iter().enumerate() {
            let ip = ip_in(n as u32, 0);
            let node = simulation.add(NodePlan { ip, is_reachable: true, is_boot_node: false, miner: None });
            let address = |peer: &NodeId| {
                let (at, name): (_, PeerId) = (simulation.fabric().address(*peer), simulation.peer(*peer));
                format!("{at}/p2p/{name}")
            };
            let peers: Vec<String> = dials.iter().map(address).collect();
            simulation.configure(node, |network| {
                network.peers = peers;
                // Whom a node knows is the schedule's matter.
                network.max_outbound = 0;
                network.reach.autonat = false;
                let rendezvous_server = false;
                let (kademlia, rendezvous, exchange, mdns) = (false, false, false, false);
                network.discovery = DiscoveryConfig { kademlia, rendezvous, rendezvous_server, exchange, mdns };
            });
        }
        Ok(Self { simulation, schedule: schedule.clone(), arrivals: Arc::default() })
    }

    /// How long something small is on its way from one node to another.
    pub fn latency(&self, from: NodeId, to: NodeId) -> Duration {
        Duration::from_nanos(self.simulation.fabric().links.latency(from, to))
    }

    /// Plays the schedule.
    pub fn play(mut self) -> Arrivals {
        for node in self.simulation.nodes() {
            // The rest of the parts start with the database, which is in memory and cannot fail.
            if self.simulation.start(node).is_ok() {
                self.watch(node);
            }
            let next = Duration::from_nanos(self.simulation.now()) + APART;
            while self.simulation.run_to(next).is_some() {}
        }
        let began = Duration::from_nanos(self.simulation.now()) + SETTLED_AFTER;
        for (which, planned) in self.schedule.planned.iter().enumerate() {
            self.simulation.plan(began + planned.at, which);
        }
        let last = self.schedule.planned.last().map_or(Duration::ZERO, |planned| planned.at);
        while let Some(which) = self.simulation.run_to(began + last + SETTLED_AFTER) {
            let planned = self.schedule.planned[which];
            self.take(planned);
        }
        std::mem::take(&mut *self.arrivals.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn take(&mut self, Planned { node, deed, .. }: Planned) {
        match deed {
            Deed::Mine => drop(self.simulation.within(node, |running| {
                let parts = (running.chain.clone(), running.pool.clone(), running.network.clone());
                drop(runtime::spawn(async move { find_now(parts, key(1_000).address()).await }));
            })),
            Deed::Pay { wallet, nonce } => {
                let transaction = payment(self.simulation.spec(), wallet, nonce);
                drop(self.simulation.ask(node, |running| {
                    let pool = running.pool.clone();
                    async move { pool.submit(Origin::Local, vec![transaction]).await }
                }));
            }
        }
    }

    /// Has a node's arrivals noted.
    fn watch(&self, node: NodeId) {
        let (arrivals, origin) = (self.arrivals.clone(), self.simulation.now());
        self.simulation.within(node, |running| {
            let since = Since { arrivals, node, origin, began: clock::instant() };
            let (mut moves, mut accepted, also) = (running.chain.subscribe(), running.pool.subscribe(), since.clone());
            drop(runtime::spawn(async move {
                loop {
                    match moves.recv().await {
                        Ok(event) => {
                            event.connected.iter().for_each(|block| since.note(Thing::Block(block.header().id())));
                        }
                        Err(RecvError::Lagged(_)) => {}
                        Err(RecvError::Closed) => return,
                    }
                }
            }));
            drop(runtime::spawn(async move {
                loop {
                    match accepted.recv().await {
                        Ok(batch) => batch.transactions.iter().for_each(|one| also.note(Thing::Payment(one.txid()))),
                        Err(RecvError::Lagged(_)) => {}
                        Err(RecvError::Closed) => return,
                    }
                }
            }));
        });
    }
}

/// What notes a node's arrivals.
#[derive(Clone)]
struct Since {
    arrivals: Arc<Mutex<Arrivals>>,
    node: NodeId,
    /// When the node began, and what its clock showed then.
    origin: Nanos,
    began: Instant,
}

impl Since {
    fn note(&self, thing: Thing) {
        let at = Duration::from_nanos(self.origin) + clock::instant().saturating_duration_since(self.began);
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).note(thing, self.node, at);
    }
}
