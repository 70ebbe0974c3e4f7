//! What is on chains, beside what the ledger itself says of them.

use super::Broken;
use crate::executor::NodeId;
use crate::second_ledger;
use crate::simulation::Simulation;
use cairn_ledger::units::Height;

/// A second ledger comes to the same accounts.
pub fn second_opinion(simulation: &Simulation, node: NodeId) -> Vec<Broken> {
    second_ledger::check(simulation, node).err().map(|what| Broken::Ledger { node, what }).into_iter().collect()
}

/// No forged block is on anybody's chain.
pub fn nothing_forged(simulation: &Simulation) -> Vec<Broken> {
    let seen = simulation.seen().clone();
    let forged = |node: NodeId| {
        let running = simulation.running(node)?;
        let (reader, tip) = (running.chain.reader(), running.chain.tip().height().get());
        let ids = (1..=tip).filter_map(|height| Some((height, reader.header_at(Height::new(height)).ok()??.id())));
        let height = ids.into_iter().find(|(_, id)| seen.is_forged(id))?.0;
        Some(Broken::Forged { node, height })
    };
    simulation.honest().into_iter().filter_map(forged).collect()
}

/// Chains have moved to more work alone, told of what they left, and taken in what their own miners found.
pub fn moves(simulation: &Simulation) -> Vec<Broken> {
    let seen = simulation.seen();
    let told = seen.wrong_moves().iter().map(|(node, what)| Broken::Moved { node: *node, what });
    let honest: Vec<NodeId> = simulation.honest();
    let lost = honest.iter().filter(|node| seen.lost_by(**node) > LOST);
    let lost = lost.map(|node| Broken::Moved { node: *node, what: "does not take in what its own miner finds" });
    told.filter(|broken| matches!(broken, Broken::Moved { node, .. } if honest.contains(node))).chain(lost).collect()
}

/// Blocks that are found at the moment at which another comes, or at which the node ends.
const LOST: u64 = 2;
