//! Whom nodes dial: their outbound slots, and those to whom they return.

use super::Broken;
use crate::executor::{Nanos, NodeId};
use crate::simulation::Simulation;
use cairn_network::transport::Class;
use cairn_network::{NetworkInfo, PeerInfo};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const MINUTE: Nanos = 60_000_000_000;
/// Slots that a node keeps filled.
const SLOTS: usize = 8;
/// Who has been up for so long has filled its slots, and those that Kademlia brought have gone.
const FILLED: Nanos = 10 * MINUTE;
/// Connections that are younger than this need no slot.
const PASSING: Duration = Duration::from_secs(120);
/// A pause that is over is noticed within so much time, on a clock that was set back meanwhile, too.
const NOTICED: Nanos = 2 * MINUTE;
/// Whoever has a free slot asks somebody whom it knows within so much time.
const ASKED: Nanos = 4 * MINUTE;
/// Of so many nodes at least that started again, so many of ten have returned to whom they had before.
const RETURNED: (usize, usize) = (6, 8);

/// The group (/16) of an address.
fn group([a, b, ..]: [u8; 4]) -> [u8; 2] {
    [a, b]
}

/// What is wrong with whom a node has dialled, of those who have these names.
fn fault(
    simulation: &Simulation,
    names: &BTreeMap<String, NodeId>,
    node: NodeId,
    peers: &[PeerInfo],
    info: &NetworkInfo,
) -> Option<&'static str> {
    let (now, fabric) = (simulation.now(), simulation.fabric());
    let conduct = fabric.watch.of(node)?;
    if now.saturating_sub(conduct.since) < FILLED {
        return None;
    }
    let honest = simulation.honest();
    let connected = fabric.connected(node);
    let known = connected.iter().filter(|other| simulation.is_honest(**other) && fabric.is_reachable(**other)).count();
    let dialled = peers.iter().filter(|peer| !peer.inbound);
    let with_group = |peer: &PeerInfo| {
        let other = names.get(&peer.peer_id)?;
        Some((group(fabric.ip(*other)), peer.connected > PASSING))
    };
    let dialled: Vec<([u8; 2], bool)> = dialled.filter_map(with_group).collect();
    let taken: BTreeSet<[u8; 2]> = dialled.iter().map(|(group, _)| *group).collect();
    let is_other = |other: &&NodeId| {
        let is_new = **other != node && !connected.contains(other);
        let is_due = conduct.dials.paused_until(**other) + NOTICED < now;
        is_new && is_due && fabric.is_reachable(**other) && !taken.contains(&group(fabric.ip(**other)))
    };
    let others = honest.iter().filter(is_other).count();
    let is_free = info.in_hand.slots + info.in_hand.dials < SLOTS;
    let mut groups = BTreeSet::new();
    if is_free && others > 0 {
        Some("has a free slot, and somebody to dial for it")
    } else if is_free
        && !connected.is_empty()
        && now.saturating_sub(conduct.questions.of(Class::Addresses).last) > ASKED
    {
        Some("has a free slot, and asks nobody whom it knows")
    } else if 2 * (info.book.0 + info.book.1) < known {
        Some("does not remember where its peers are")
    } else if dialled.iter().filter(|(_, stays)| *stays).any(|(group, _)| !groups.insert(*group)) {
        Some("has dialled several in one group")
    } else {
        None
    }
}

/// Nodes have no free slot where there is somebody for it: the slots are as many as the node's own network says, and
/// whoever can be dialled, is in none of the groups that have one, and is not to be left alone since dials have failed,
/// could have it. While one is free others are asked.
pub fn slots(simulation: &mut Simulation) -> Vec<Broken> {
    let mut broken = Vec::new();
    let names: BTreeMap<String, NodeId> =
        simulation.nodes().map(|node| (simulation.peer(node).to_string(), node)).collect();
    for node in simulation.honest() {
        let asked = simulation.ask(node, |running| {
            let network = running.network.clone();
            async move { (network.peers().await, network.info().await) }
        });
        let Some((peers, info)) = asked else { continue };
        let what = fault(simulation, &names, node, &peers, &info);
        broken.extend(what.map(|what| Broken::Conduct { node, what }));
    }
    broken
}

/// Nodes that have started again once return to those whom they had dialled before: the first whom they dial for a slot
/// is one, where nothing else kept them from it.
pub fn anchors(simulation: &Simulation) -> Vec<Broken> {
    let fabric = simulation.fabric();
    let returned = |node: NodeId| {
        let dials = &fabric.watch.of(node).filter(|conduct| conduct.lives == 2)?.dials;
        let first = dials.first.first().filter(|_| !dials.before.is_empty())?;
        Some((node, dials.before.contains(first)))
    };
    let all: Vec<(NodeId, bool)> = simulation.honest().into_iter().filter_map(returned).collect();
    let (least, of_ten) = RETURNED;
    let count = all.iter().filter(|(_, returned)| *returned).count();
    match all.iter().find(|(_, returned)| !returned) {
        Some((node, _)) if all.len() >= least && count * 10 < all.len() * of_ten => {
            vec![Broken::Conduct { node: *node, what: "does not return to those whom it had dialled" }]
        }
        _ => Vec::new(),
    }
}
