//! How soon nodes have what there is: after it was found, after they came back, after it came to them; and what they
//! fetch for nothing on the way.

use super::Broken;
use crate::executor::{Nanos, NodeId};
use crate::simulation::Simulation;
use crate::watch::{Conduct, Watch};
use cairn_ledger::hash::BlockId;
use cairn_ledger::units::Height;
use std::collections::{BTreeMap, BTreeSet, HashMap};

const SECOND: Nanos = 1_000_000_000;
/// What somebody honest has passed on is on a node's chain after so long, where it stood on its tip.
const TAKEN_IN: Nanos = 4 * SECOND;
/// Bodies that were of no use, at most, and how many of a hundred that were asked for.
const USELESS: (usize, usize) = (20, 30);
/// Bodies that lead to no more work than a node's chain has, at most: what is asked for while the chain moves.
const POINTLESS: usize = 4;
/// Of so many blocks at least that came before their parents every other one is on a chain within so many milliseconds.
const ORPHANS: (usize, u64) = (30, 1_500);
/// So long after a chain moved sync knows it, and what was asked for before was over.
const FOLLOWED: Nanos = 2 * SECOND;

/// The ids of a node's chain, by height.
fn chain_of(simulation: &Simulation, node: NodeId) -> Vec<(u64, BlockId)> {
    let Some(running) = simulation.running(node) else { return Vec::new() };
    let (reader, tip) = (running.chain.reader(), running.chain.tip().height().get());
    (1..=tip).filter_map(|height| Some((height, reader.header_at(Height::new(height)).ok()??.id()))).collect()
}

/// By how long a node's chain came later to as much work as a block's than it could have: counted from the moment at
/// which the block was found, the node came back, or all was mended (`well_since`).
pub fn lateness(simulation: &Simulation, node: NodeId, well_since: Nanos) -> Option<Nanos> {
    let since = simulation.fabric().watch.of(node)?.since.max(well_since);
    let seen = simulation.seen();
    let rise = seen.rise(node, 0);
    let late = |(_, id): (u64, BlockId)| {
        // Adversaries may keep theirs back.
        let found = seen.found(&id).filter(|found| simulation.is_honest(found.by))?;
        // Of two that compete, either will do.
        let (had, _) = rise.get(rise.partition_point(|(_, work)| *work < found.work))?;
        Some(had.saturating_sub(found.at.max(since)))
    };
    chain_of(simulation, node).into_iter().filter_map(late).max()
}

/// Everybody has every block within so long.
pub fn prompt(simulation: &Simulation, well_since: Nanos, most: Nanos) -> Vec<Broken> {
    let what = "milliseconds until a node has a block that it could have";
    let late = simulation.honest().into_iter().filter_map(|node| lateness(simulation, node, well_since)).max();
    let late = late.filter(|late| *late > most).map(|late| late / 1_000_000);
    late.map(|got| Broken::Slow { what, got, most: most / 1_000_000 }).into_iter().collect()
}

/// What somebody honest passes on is taken in at once, where it stands on the tip, whatever others have sent before.
pub fn taken_in(simulation: &Simulation, well_since: Nanos) -> Vec<Broken> {
    let (fabric, seen) = (simulation.fabric(), simulation.seen());
    let mut broken = Vec::new();
    for node in simulation.honest() {
        let Some(conduct) = fabric.watch.of(node) else { continue };
        let since = conduct.since.max(well_since);
        let chain = chain_of(simulation, node);
        let ids: BTreeMap<u64, BlockId> = chain.iter().copied().collect();
        let is_late = |(height, id): &(u64, BlockId)| {
            let parent = ids.get(&(height - 1)).and_then(|parent| seen.had(node, *parent));
            let (Some(came), Some(had)) = (fabric.watch.came().get(&(node, *id)), seen.had(node, *id)) else {
                return false;
            };
            // Another of that height may have come before.
            let is_first = seen.reached(node, *height) == Some(had);
            *came > since && parent.is_some_and(|parent| parent < *came) && is_first && had > came + TAKEN_IN
        };
        if chain.iter().filter(|block| is_late(block)).count() > 1 {
            broken.push(Broken::Conduct { node, what: "does not take in what an honest peer passes on" });
        }
    }
    broken
}

/// Nodes fetch hardly any bodies that are of no use: those of chains with less work than they know of, or have.
pub fn thrifty(simulation: &Simulation) -> Vec<Broken> {
    let fabric = simulation.fabric();
    let leads_to = simulation.seen().leads_to();
    let wasteful = |node: NodeId| {
        let conduct = fabric.watch.of(node)?;
        let (useless, asked) = useless(simulation, node, conduct);
        let what = if useless > USELESS.0 + asked * USELESS.1 / 100 {
            "fetches bodies that are of no use"
        } else if pointless(simulation, node, conduct, &leads_to) > POINTLESS {
            "fetches bodies of chains with no more work than its own"
        } else {
            return None;
        };
        Some(Broken::Conduct { node, what })
    };
    simulation.honest().into_iter().filter_map(wasteful).collect()
}

/// How many of the bodies that a node asked for its chain never had, of those that honest miners have found; and of how
/// many.
fn useless(simulation: &Simulation, node: NodeId, conduct: &Conduct) -> (usize, usize) {
    let seen = simulation.seen();
    let chain: BTreeSet<BlockId> = chain_of(simulation, node).into_iter().map(|(_, id)| id).collect();
    let found = conduct.questions.asked_for().iter().filter(|(id, _)| seen.found(id).is_some());
    let is_useless = |(id, _): &&(BlockId, Nanos)| seen.had(node, *id).is_none() && !chain.contains(id);
    (found.clone().filter(is_useless).count(), found.count())
}

/// How many of the bodies that a node asked for lead to no more work than its chain had a while before it asked.
fn pointless(simulation: &Simulation, node: NodeId, conduct: &Conduct, leads_to: &HashMap<BlockId, f64>) -> usize {
    let rise = simulation.seen().rise(node, conduct.since);
    let had = |at: Nanos| {
        let before = rise.partition_point(|(risen, _)| *risen + FOLLOWED < at);
        before.checked_sub(1).map_or(0.0, |last| rise[last].1)
    };
    let asked_for = conduct.questions.asked_for().iter();
    asked_for.filter(|(id, at)| leads_to.get(id).is_some_and(|work| *work <= had(*at))).count()
}

/// What is missing below a block that came by gossip is asked for at once, and not when its sender tells of its tip.
pub fn orphans(simulation: &Simulation) -> Option<Broken> {
    let waited = waits_of_orphans(simulation, &simulation.fabric().watch);
    let got = *waited.get(waited.len() / 2)?;
    let what = "milliseconds until every other block is on a chain that came before its parent";
    (waited.len() >= ORPHANS.0 && got > ORPHANS.1).then_some(Broken::Slow { what, got, most: ORPHANS.1 })
}

/// For how many milliseconds blocks that came by gossip waited for their parents, in order.
fn waits_of_orphans(simulation: &Simulation, watch: &Watch) -> Vec<u64> {
    let seen = simulation.seen();
    let waited = |(&(node, id), &came): (&(NodeId, BlockId), &Nanos)| {
        let parent = seen.had(node, seen.found(&id)?.parent)?;
        (parent > came).then_some((seen.had(node, id)?.saturating_sub(came)) / 1_000_000)
    };
    let mut all: Vec<u64> = watch.came().iter().filter_map(waited).collect();
    all.sort_unstable();
    all
}

/// Nobody is asked again and again who gives nothing.
pub fn considerate(simulation: &Simulation) -> Vec<Broken> {
    let fabric = simulation.fabric();
    let nags = |((node, _), _): (&(NodeId, NodeId), _)| {
        simulation
            .is_honest(*node)
            .then_some(Broken::Conduct { node: *node, what: "asks somebody in vain all the time" })
    };
    let nagged = fabric.watch.pairs().filter(|(_, pair)| pair.is_nagged);
    nagged.filter_map(nags).take(1).collect()
}

/// Figures for whoever wants to know how far all is from its bounds.
pub fn figures(simulation: &Simulation, well_since: Nanos) -> String {
    let honest = simulation.honest();
    let late: Vec<u64> =
        honest.iter().map(|node| lateness(simulation, *node, well_since).unwrap_or(0) / 1_000_000).collect();
    let fabric = simulation.fabric();
    let waste: Vec<(usize, usize)> =
        honest.iter().filter_map(|node| Some(useless(simulation, *node, fabric.watch.of(*node)?))).collect();
    let parted: Vec<u64> =
        honest.iter().filter_map(|node| Some(fabric.watch.of(*node)?.parted_at_once)).filter(|n| *n > 0).collect();
    let again: Vec<u64> = honest
        .iter()
        .filter_map(|node| Some(fabric.watch.of(*node)?.questions.asked_again))
        .filter(|n| *n > 0)
        .collect();
    let leads_to = simulation.seen().leads_to();
    let pointless: Vec<usize> = honest
        .iter()
        .filter_map(|node| Some(pointless(simulation, *node, fabric.watch.of(*node)?, &leads_to)))
        .filter(|n| *n > 0)
        .collect();
    let orphans = waits_of_orphans(simulation, &fabric.watch);
    let (count, half) = (orphans.len(), orphans.get(orphans.len() / 2).copied().unwrap_or(0));
    let fetched = format!("useless {waste:?}; pointless {pointless:?}; again {again:?}");
    format!("late {late:?}; {fetched}; parted {parted:?}; {count} orphans, half of them within {half}")
}
