//! Who takes part in a scenario.

use crate::adversary::{Adversary, Kind};
use crate::executor::{Clock, NodeId};
use crate::fabric::{GROUPS, ip_in};
use crate::mining::{Miner, Power, Strategy};
use crate::scenario::{AdversaryPlan, Scenario};
use crate::simulation::{NodePlan, Simulation};
use cairn_ledger::testing::key;
use rand_chacha::rand_core::RngCore;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// How far the clock of somebody is ahead who lies about the time, in milliseconds: less than blocks may be.
const AHEAD_MS: i64 = 110_000;

/// Adds the honest nodes; all miners of the network hash so much together.
pub fn add_honest(simulation: &mut Simulation, scenario: &Scenario, rate: f64) {
    let percent: u32 = scenario.adversary.iter().map(|plan| plan.percent).sum();
    let each = rate * f64::from(100 - percent) / 100.0 / f64::from(scenario.miners);
    for n in 0..scenario.nodes {
        let dice = u32::try_from(simulation.random().next_u64() % 100).unwrap_or(0);
        let is_boot_node = n < scenario.boot_nodes;
        let is_reachable = is_boot_node || dice >= scenario.unreachable_percent;
        let miner = (n < scenario.miners).then(|| miner(scenario, NodeId(n), each, Strategy::Honest));
        simulation.add(NodePlan { ip: ip_in(n, 0), is_reachable, is_boot_node, miner });
    }
}

/// Adds the adversaries; gives what counts their deeds.
pub fn add_adversaries(simulation: &mut Simulation, scenario: &Scenario, rate: f64) -> Arc<AtomicU64> {
    let deeds = Arc::new(AtomicU64::new(0));
    // From the last group down, so that they share none with honest nodes.
    let mut group = GROUPS - 1;
    for plan in &scenario.adversary {
        let nodes: Vec<NodeId> = (0..plan.nodes)
            .map(|n| {
                let ip = ip_in(group - n % plan.groups, n / plan.groups);
                let next = NodeId(simulation.nodes().count() as u32);
                let miner = plan
                    .kind
                    .mines()
                    .then(|| miner(scenario, next, rate * f64::from(plan.percent) / 100.0, strategy(plan)));
                simulation.add(NodePlan { ip, is_reachable: true, is_boot_node: false, miner })
            })
            .collect();
        group -= plan.groups;
        if !plan.twin {
            corrupt(simulation, plan.kind, &nodes, &deeds);
        }
    }
    deeds
}

fn miner(scenario: &Scenario, node: NodeId, rate: f64, strategy: Strategy) -> Miner {
    let changes = scenario.hash_power.iter();
    let power = changes.map(|change| (change.at * 60_000_000_000, f64::from(change.percent) / 100.0));
    let power = Power(power.collect());
    Miner { rate, power, beneficiary: key(1_000 + u64::from(node.0)).address(), strategy }
}

fn strategy(plan: &AdversaryPlan) -> Strategy {
    match plan.kind {
        _ if plan.twin => Strategy::Honest,
        Kind::SelfishMining => Strategy::Selfish,
        Kind::ForgeBlocks => Strategy::Forge,
        Kind::DoubleSpend => Strategy::DoubleSpend { confirmations: plan.confirmations },
        _ => Strategy::Honest,
    }
}

fn corrupt(simulation: &mut Simulation, kind: Kind, nodes: &[NodeId], deeds: &Arc<AtomicU64>) {
    let accomplices = nodes.iter().map(|node| simulation.fabric().peer_address(*node)).collect();
    let accomplices = Arc::new(accomplices);
    for node in nodes {
        let adversary = Adversary { kind, accomplices: Arc::clone(&accomplices), deeds: deeds.clone() };
        simulation.corrupt(*node, adversary);
        if kind == Kind::FalseTime {
            simulation.set_clock(*node, Clock { ahead: AHEAD_MS, drift: 0 });
        }
    }
}
