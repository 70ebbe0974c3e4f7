//! What is looked at while a scenario goes on: who is left behind, what does not spread, and what a disk has lost. Much
//! of that mends itself before the end, and is a bug nevertheless.

use super::Course;
use crate::executor::{Nanos, NodeId};
use crate::oracles::{self, Broken};
use crate::scenario::FaultKind;
use cairn_ledger::hash::TxId;
use cairn_ledger::units::Height;
use cairn_network::sync::{Stall, SyncPhase};
use std::collections::{BTreeMap, BTreeSet};

const SECOND: Nanos = 1_000_000_000;
/// So long after all was mended everybody is with the others again: a cut line is noticed after 40 s, whoever went is
/// dialled again within a minute, and tells at once where it stands.
const TOGETHER: Nanos = 180 * SECOND;
/// Blocks that were found within so many milliseconds may still be on their way.
const ON_THE_WAY_MS: u64 = 30_000;
/// So long after it was made a payment is in every pool that it can come to: who has given nothing that was of use is
/// asked once a minute at least.
const SPREAD: Nanos = 90 * SECOND;

/// Whoever has had few peers for so long that it had dialled has dialled those it was told of within that time.
const DIALLED: Nanos = 150 * SECOND;

/// What the looks before have seen.
#[derive(Debug, Default)]
pub(super) struct Looks {
    /// How many faults are under way.
    troubles: u32,
    /// Since when none is.
    pub(super) well_since: Nanos,
    /// Who had no peer when last looked at.
    lonely: BTreeSet<NodeId>,
    /// How high the chain of each was whose power was cut.
    heights: BTreeMap<NodeId, u64>,
    /// How high the highest chain was when a disk began to fail.
    failing: BTreeMap<NodeId, u64>,
    /// Since when whoever was stopped goes on, and nothing where it does not yet.
    awake: BTreeMap<NodeId, Option<Nanos>>,
    /// For how many looks in a row each node has been at each thing.
    pub(super) busy: BTreeMap<(NodeId, &'static str), u32>,
    /// What was found, of each kind once.
    found: Vec<Broken>,
}

impl Course {
    /// Something goes wrong with these.
    pub(super) fn note_trouble(&mut self, kind: FaultKind, nodes: &[NodeId]) {
        self.looks.troubles += 1;
        if kind == FaultKind::Stop {
            self.looks.awake.extend(nodes.iter().map(|node| (*node, None)));
        }
        for node in nodes {
            let caught_up = self.simulation.within(*node, |running| {
                let height = running.chain.tip().height().get();
                (running.sync.status().phase == SyncPhase::CaughtUp).then_some(height)
            });
            match (kind, caught_up.flatten()) {
                (FaultKind::PowerCut, Some(height)) => drop(self.looks.heights.insert(*node, height)),
                (FaultKind::Disk, Some(_)) => {
                    let best = self.best_height();
                    self.looks.failing.insert(*node, best);
                }
                _ => {}
            }
        }
    }

    /// It is about to be mended.
    pub(super) fn note_mended(&mut self, kind: FaultKind, nodes: &[NodeId]) {
        self.looks.troubles -= 1;
        let now = self.simulation.now();
        if kind == FaultKind::Stop {
            self.looks.awake.extend(nodes.iter().map(|node| (*node, Some(now))));
        }
        self.looks.well_since = self.simulation.now();
        let best = self.best_height();
        for node in nodes.iter().filter(|_| kind == FaultKind::Disk) {
            let before = self.looks.failing.remove(node);
            let has_written = before.is_some_and(|before| {
                self.simulation.within(*node, |running| running.chain.tip().height().get() > before + 1) == Some(true)
            });
            if has_written && before.is_some_and(|before| best > before + 1) {
                self.find(Broken::Conduct { node: *node, what: "goes on though its disk fails" });
            }
        }
    }

    /// A node has started again: what it had synced is there.
    pub(super) fn note_restart(&mut self, node: NodeId) {
        let (told, work) =
            (self.simulation.seen().told(node), self.simulation.within(node, |running| running.chain.tip().total_work));
        if told.is_some_and(|told| work.is_some_and(|work| work < told)) {
            self.find(Broken::Conduct { node, what: "has lost what it had told of" });
        }
        let Some(before) = self.looks.heights.remove(&node) else { return };
        let height = self.simulation.within(node, |running| running.chain.tip().height().get());
        if height.is_some_and(|height| height < before) {
            self.find(Broken::Conduct { node, what: "has lost with its power what it had told of" });
        }
    }

    pub(super) fn best_height(&self) -> u64 {
        self.simulation.tips().into_iter().map(|(_, height, _)| height).max().unwrap_or(0)
    }

    pub(super) fn find(&mut self, broken: Broken) {
        if !self.looks.found.contains(&broken) {
            self.say(&format!("found: {broken}"));
            self.looks.found.push(broken);
        }
    }

    /// All that was found.
    pub(super) fn found_on_the_way(&mut self) -> Vec<Broken> {
        std::mem::take(&mut self.looks.found)
    }

    /// Looks at everybody.
    pub(super) fn look(&mut self) {
        self.look_at_the_lonely();
        self.look_at_dials();
        self.look_in_hands();
        self.look_at_charges();
        self.look_at_templates();
        self.look_at_memories();
        self.look_at_old_friends();
        let for_long = self.simulation.now().saturating_sub(self.looks.well_since) >= TOGETHER;
        if self.looks.troubles > 0 || !for_long || self.is_attacked() {
            return;
        }
        self.look_at_chains();
        self.look_at_pools();
        self.look_for_payments();
    }

    /// Whether there is somebody who does not follow the rules.
    pub(super) fn is_attacked(&self) -> bool {
        self.scenario.adversary.iter().any(|plan| !plan.twin)
    }

    /// Whoever has no peer says so, unless it is stopped.
    fn look_at_the_lonely(&mut self) {
        let nodes: Vec<NodeId> = self.simulation.honest();
        let is_stopped = |node: &NodeId| self.looks.awake.get(node) == Some(&None);
        let lonely = |node: &NodeId| !is_stopped(node) && self.simulation.fabric().peers_of(*node) == 0;
        let lonely: BTreeSet<NodeId> = nodes.into_iter().filter(lonely).collect();
        for node in lonely.intersection(&self.looks.lonely.clone()) {
            let phase = self.simulation.within(*node, |running| running.sync.status().phase);
            let is_told = |phase| matches!(phase, SyncPhase::Discovering | SyncPhase::Stalled(Stall::NoPeer));
            if phase.is_some_and(|phase| !is_told(phase)) {
                self.find(Broken::Conduct { node: *node, what: "has no peer, and does not say so" });
            }
        }
        self.looks.lonely = lonely;
    }

    /// Whoever has dialled few others that are still there dials those that everybody knows, about once a minute.
    fn look_at_dials(&mut self) {
        let now = self.simulation.now();
        let known: Vec<NodeId> = (0..self.scenario.boot_nodes).map(NodeId).collect();
        let is_idle = |node: &NodeId| {
            let fabric = self.simulation.fabric();
            let Some(conduct) = fabric.watch.of(*node) else { return false };
            let awake = self.looks.awake.get(node).copied().unwrap_or(Some(0));
            let (Some(awake), Some(few)) = (awake, conduct.dials.few_since()) else { return false };
            let connected = fabric.connected(*node);
            known.iter().filter(|known| **known < *node && !connected.contains(*known)).any(|known| {
                let lately = conduct.dials.lately(*known).max(few).max(awake);
                now.saturating_sub(lately) > DIALLED
            })
        };
        let honest = self.simulation.honest();
        let idle = honest.into_iter().filter(|node| self.simulation.running(*node).is_some()).find(is_idle);
        if let Some(node) = idle {
            self.find(Broken::Conduct { node, what: "has few peers, and does not dial those that it was told of" });
        }
    }

    /// Everybody follows the chain that the others follow, but for what was found a moment ago.
    fn look_at_chains(&mut self) {
        let slack = 3 + ON_THE_WAY_MS / self.scenario.interval_ms;
        let tips = self.simulation.tips();
        let best = self.best_height();
        let behind = tips.iter().find(|(_, height, _)| height + slack < best);
        if let Some((node, ..)) = behind {
            self.find(Broken::Conduct { node: *node, what: "stands behind the others, though all is well" });
        }
        let common = best.saturating_sub(slack + 3);
        let id_at = |node: NodeId| {
            let header = |height| self.simulation.running(node)?.chain.reader().header_at(height).ok().flatten();
            Some(header(Height::new(common))?.id())
        };
        let ids: Vec<_> = tips.iter().map(|(node, ..)| (*node, id_at(*node))).collect();
        let other = ids.iter().find(|(_, id)| id.is_some() && Some(*id) != ids.first().map(|(_, id)| *id));
        if let Some((node, _)) = other {
            self.find(Broken::Conduct { node: *node, what: "follows a chain of its own, though all is well" });
        }
    }

    /// What was paid some time ago waits in every pool, where it is not mined.
    fn look_at_pools(&mut self) {
        let now = self.simulation.now();
        let mut old: Vec<TxId> = self.payments.waiting(now.saturating_sub(SPREAD)).collect();
        let nodes: Vec<NodeId> = self.simulation.tips().into_iter().map(|(node, ..)| node).collect();
        let up_for = |node: NodeId| {
            let fabric = self.simulation.fabric();
            fabric.watch.of(node).map_or(0, |conduct| now.saturating_sub(conduct.since))
        };
        let nodes: Vec<NodeId> = nodes.into_iter().filter(|node| up_for(*node) >= TOGETHER).collect();
        // What the only node that had it has lost by a crash nobody lacks.
        let pools = nodes.iter().filter_map(|node| oracles::waiting(&mut self.simulation, *node));
        let held: BTreeSet<TxId> = pools.flatten().collect();
        old.retain(|txid| held.contains(txid));
        for node in &nodes {
            let lacks = oracles::lacks(&mut self.simulation, *node, &old);
            if lacks {
                self.find(Broken::Pool { node: *node, what: "lacks a payment that others have had for long" });
            }
        }
        let found = oracles::pools(&mut self.simulation, false);
        found.into_iter().for_each(|broken| self.find(broken));
    }
}
