//! What nodes know of their peers, and whom they have found out.

use super::{Broken, names};
use crate::adversary::Kind;
use crate::executor::{Nanos, NodeId};
use crate::simulation::Simulation;
use crate::watch::Told;
use cairn_ledger::hash::BlockId;
use std::collections::BTreeSet;
use std::time::Duration;

/// A status is no older than this many blocks: one comes each minute, and with each block that a peer passes on.
const BEHIND: u64 = 12;
/// Who has been connected for so long has told where it stands.
const ACQUAINTED: Duration = Duration::from_secs(180);

/// Every node knows where its honest peers stand, nearly; where nothing goes wrong (`calm`: how many nodes everybody
/// knows from the start), nobody has anything against anybody, and everybody has found others by itself.
pub fn peers(simulation: &mut Simulation, calm: Option<u32>) -> Vec<Broken> {
    let honest = simulation.honest();
    let names: BTreeSet<String> = honest.iter().map(|node| simulation.peer(*node).to_string()).collect();
    let mut broken = Vec::new();
    for node in honest {
        let asked = simulation.ask(node, |running| {
            let (network, tip) = (running.network.clone(), running.chain.tip().height().get());
            async move { (network.peers().await, network.info().await, tip) }
        });
        let Some((peers, info, tip)) = asked else { continue };
        let old = peers.iter().filter(|peer| names.contains(&peer.peer_id) && peer.connected > ACQUAINTED);
        let mut heights = old.map(|peer| peer.status.as_ref().map_or(0, |status| status.height.get()));
        if heights.any(|height| height + BEHIND < tip) {
            broken.push(Broken::Peers { node, what: "does not know where a peer stands" });
        }
        if calm.is_some() && peers.iter().any(|peer| peer.score < 0) {
            broken.push(Broken::Peers { node, what: "has something against a peer, though nothing went wrong" });
        }
        // All others dial those that everybody knows.
        if calm.is_some_and(|known| node.0 >= known) && info.outbound < LEAST_DIALLED {
            broken.push(Broken::Peers { node, what: "has hardly dialled anybody" });
        }
        if calm.is_some() && info.book.1 < LEAST_DIALLED {
            broken.push(Broken::Peers { node, what: "has hardly found anybody" });
        }
    }
    broken
}

/// How many peers every node has dialled in a calm network, and found at the address that it had heard of.
const LEAST_DIALLED: usize = 2;

/// Somebody has banned whoever floods others with what is wrong.
pub fn punished(simulation: &mut Simulation) -> Vec<Broken> {
    let is_loud = |node: &NodeId| matches!(simulation.kind(*node), Some(Kind::SpamGarbage | Kind::SpamPayments));
    let loud: Vec<NodeId> = simulation.nodes().filter(is_loud).collect();
    let mut banned = BTreeSet::new();
    for node in simulation.honest() {
        let bans = simulation.ask(node, |running| {
            let network = running.network.clone();
            async move { network.bans().await }
        });
        banned.extend(bans.into_iter().flatten().map(|ban| ban.target));
    }
    let free = loud.into_iter().filter(|node| !names(simulation, *node).iter().any(|name| banned.contains(name)));
    free.map(|node| Broken::Unpunished { node }).collect()
}

/// So many wrong answers are more than anybody bears who hears them within some minutes.
const BORNE: u64 = 3;

/// Whoever was given wrong answers has banned who gave them, for longer than any of these scenarios takes. Nobody looks
/// at the body of a block that has come by another way meanwhile.
pub fn banned(simulation: &mut Simulation) -> Vec<Broken> {
    let told = simulation.fabric().watch.told().clone();
    let seen = simulation.seen();
    let wrong = |from: NodeId, to: NodeId, told: &Told| {
        let had = |(id, at): &&(BlockId, Nanos)| seen.had(to, *id).is_some_and(|had| had <= *at);
        let bodies = told.garbage + told.bodies.iter().filter(|body| !had(body)).count() as u64;
        match simulation.kind(from) {
            Some(Kind::WrongAnswers) => told.headers + bodies,
            Some(Kind::WrongBodies) => bodies,
            _ => 0,
        }
    };
    let all = told.iter().filter(|((from, to), told)| simulation.is_honest(*to) && wrong(*from, *to, told) >= BORNE);
    let wrong: Vec<(NodeId, NodeId)> = all.map(|(pair, _)| *pair).collect();
    drop(seen);
    let mut broken = Vec::new();
    for (from, to) in wrong {
        let bans = simulation.ask(to, |running| {
            let network = running.network.clone();
            async move { network.bans().await }
        });
        let banned: Vec<String> = bans.into_iter().flatten().map(|ban| ban.target).collect();
        if !names(simulation, from).iter().any(|name| banned.contains(name)) {
            broken.push(Broken::Peers { node: to, what: "has not banned a peer that gave it wrong answers" });
        }
    }
    broken
}
