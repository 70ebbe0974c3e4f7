//! What nodes keep: payments they took, blocks they left; and what they make of it: templates, and what they have
//! against others.

use super::Course;
use crate::adversary::Kind;
use crate::executor::{Nanos, NodeId};
use crate::oracles::{self, Broken};
use crate::scenario::FaultKind;
use crate::watch::Streak;
use cairn_chain::{Reader, TemplateRequest};
use cairn_common::clock;
use cairn_ledger::hash::TxId;
use cairn_ledger::keys::Address;
use cairn_ledger::testing::key;
use cairn_ledger::transaction::Transaction;
use cairn_ledger::units::Height;
use cairn_ledger::validate::CheckedTransaction;
use cairn_network::sync::SyncPhase;
use cairn_network::{NetworkInfo, PeerInfo};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const SECOND: Nanos = 1_000_000_000;
/// What was taken so long ago is in some pool, if it is not mined.
const TAKEN: Nanos = 90 * SECOND;
/// A block that was found so long ago has come to everybody, where nothing goes wrong.
const SPREAD: Nanos = 30 * SECOND;
/// Blocks that have not come yet, or were forgotten for the room they take.
const MISSED: usize = 2;
/// So many blocks deep what competed is kept at least: a chain forgets it below a thousand.
const KEPT: u64 = 900;
/// Whoever has so few slots has one for somebody whom it had reached, in whatever group.
const FEW_SLOTS: usize = 5;
/// Nodes of which each is tried again soon: of more, a free slot may always find another.
const FEW_NODES: usize = 16;
/// Whom a node has reached before it dials again within so long, if it was in vain once: pauses double from 10 s on.
const TRIED_AGAIN: Nanos = 240 * SECOND;
/// Everybody has what there is within so long; where there are adversaries, or answers are lost; where clocks are wrong
/// by minutes.
const PROMPT: (Nanos, Nanos, Nanos) = (20 * SECOND, 40 * SECOND, 150 * SECOND);
/// Whoever claims a better chain for so long, and does not show it, is told of.
const CLAIMED: Duration = Duration::from_secs(180);
/// How many of the last blocks' payments are offered once more.
const BACK: u64 = 3;

impl Course {
    /// What a node took is in some pool, or on some chain, as long as no node is stopped.
    pub(super) fn look_for_payments(&mut self) {
        if self.scenario.stops_nodes() {
            return;
        }
        let until = self.simulation.now().saturating_sub(TAKEN);
        let mut taken: BTreeSet<TxId> = self.payments.waiting(until).collect();
        let nodes: Vec<NodeId> = self.simulation.tips().into_iter().map(|(node, ..)| node).collect();
        for node in &nodes {
            let waiting = oracles::waiting(&mut self.simulation, *node).unwrap_or_default();
            let is_mined = |txid: &TxId| {
                let asked = self.simulation.within(*node, |running| running.chain.reader().is_mined(txid).ok());
                asked.flatten() == Some(true)
            };
            taken.retain(|txid| !waiting.contains(txid) && !is_mined(txid));
        }
        if let (Some(node), false) = (nodes.first(), taken.is_empty()) {
            self.find(Broken::Pool { node: *node, what: "has lost a payment, as have all others" });
        }
    }

    /// A template has what applies on the tip, in its order, whatever is offered for it: what is mined already, and
    /// what waits, turned round.
    pub(super) fn look_at_templates(&mut self) {
        for node in self.simulation.honest() {
            let mined = self
                .simulation
                .within(node, |running| lately_mined(running.chain.reader(), running.chain.tip().height().get()));
            let Some(mined) = mined.filter(|mined| !mined.is_empty()) else { continue };
            let made = self.simulation.ask(node, |running| {
                let (chain, pool) = (running.chain.clone(), running.pool.clone());
                async move {
                    let mined = chain.check_transactions(mined).await.ok()?;
                    let mut transactions: Vec<CheckedTransaction> = mined.into_iter().flatten().collect();
                    transactions.extend(pool.transactions().await.ok()?.into_iter().rev());
                    let request =
                        TemplateRequest { beneficiary: key(1_000).address(), transactions, time: clock::now() };
                    let template = chain.template(request).await.ok()?;
                    (template.header.parent == chain.tip().id).then_some(template.transactions)
                }
            });
            let Some(Some(made)) = made else { continue };
            let is_right = self.simulation.within(node, |running| applies(running.chain.reader(), &made));
            if is_right == Some(false) {
                self.find(Broken::Pool { node, what: "gives miners a template with what does not apply" });
            }
        }
    }

    /// A node keeps beside its chain what it has left, and, where nothing goes wrong, all that competes with it.
    pub(super) fn look_at_memories(&mut self) {
        if self.is_attacked() {
            return;
        }
        for node in self.simulation.honest() {
            let asked = self.simulation.ask(node, |running| {
                let chain = running.chain.clone();
                async move { chain.header_tree_stats().await }
            });
            let Some(Ok(aside)) = asked else { continue };
            let others = if self.scenario.is_calm() { self.beside(node) } else { 0 };
            let tip = self.simulation.within(node, |running| running.chain.tip().height().get());
            let left = self.simulation.seen().left_by(node, tip.unwrap_or(0).saturating_sub(KEPT));
            if aside.headers < left {
                self.find(Broken::Conduct { node, what: "has forgotten blocks that it has left" });
            }
            if aside.headers + MISSED < others {
                self.find(Broken::Conduct { node, what: "does not keep blocks that compete with its own" });
            }
        }
    }

    /// How many blocks were found, some time ago, that are not on a node's chain.
    fn beside(&self, node: NodeId) -> usize {
        let (now, seen) = (self.simulation.now(), self.simulation.seen());
        let lowest = self.best_height().saturating_sub(KEPT);
        let old = seen.all_found().filter(|(_, found)| found.at + SPREAD < now && found.height > lowest);
        let is_elsewhere = |height: u64, id| {
            let asked =
                self.simulation.within(node, |running| running.chain.reader().header_at(Height::new(height)).ok());
            asked.flatten().flatten().is_some_and(|header| header.id() != id)
        };
        old.filter(|(id, found)| is_elsewhere(found.height, **id)).count()
    }

    /// A node with a free slot tries again whom it has reached before, where there are not many others to try.
    pub(super) fn look_at_old_friends(&mut self) {
        if self.simulation.honest().len() > FEW_NODES {
            return;
        }
        let now = self.simulation.now();
        for node in self.simulation.honest() {
            let asked = self.simulation.ask(node, |running| {
                let network = running.network.clone();
                async move { network.info().await }
            });
            let has_room = |info: &NetworkInfo| info.in_hand.slots < FEW_SLOTS && info.outbound > 0;
            if !asked.as_ref().is_some_and(has_room) {
                continue;
            }
            let fabric = self.simulation.fabric();
            let connected = fabric.connected(node);
            let is_dropped = |streak: &Streak| {
                let is_apart = streak.reached.is_some_and(|other| !connected.contains(&other));
                is_apart && streak.count == 1 && now.saturating_sub(streak.last) > TRIED_AGAIN
            };
            let found = fabric.watch.of(node).is_some_and(|conduct| conduct.dials.streaks().any(is_dropped));
            drop(fabric);
            if found {
                self.find(Broken::Conduct { node, what: "has given up somebody whom it had reached, after one dial" });
            }
        }
    }

    /// By when everybody has what there is: where clocks are wrong, blocks are not taken in before their time.
    pub(super) fn promptness(&self) -> Nanos {
        let is_skewed = self.scenario.fault.iter().any(|fault| fault.kind == FaultKind::Clock)
            || self.scenario.adversary.iter().any(|plan| plan.kind == Kind::FalseTime);
        match (is_skewed, self.is_attacked() || self.scenario.answers_lost_percent > 0) {
            (true, _) => PROMPT.2,
            (_, true) => PROMPT.1,
            (_, false) => PROMPT.0,
        }
    }

    /// Nobody has anything against an honest peer that answered all it was asked, and in time, nor against one that
    /// refused.
    pub(super) fn look_at_charges(&mut self) {
        let innocent = |kind: Option<Kind>| matches!(kind, None | Some(Kind::Refuse));
        let all = self.simulation.nodes().filter(|node| innocent(self.simulation.kind(*node)));
        let names: BTreeMap<String, NodeId> = all.map(|node| (self.simulation.peer(node).to_string(), node)).collect();
        for node in self.simulation.honest() {
            let asked = self.simulation.ask(node, |running| {
                let network = running.network.clone();
                async move { network.peers().await }
            });
            let peers = asked.unwrap_or_default();
            let is_claimed = |peer: &PeerInfo| {
                let kind = names.get(&peer.peer_id).and_then(|other| self.simulation.kind(*other));
                kind == Some(Kind::Refuse) && peer.connected > CLAIMED
            };
            let told = self.simulation.within(node, |running| {
                let status = running.sync.status();
                status.phase != SyncPhase::CaughtUp || status.unfollowed.is_some()
            });
            if peers.iter().any(is_claimed) && told == Some(false) {
                self.find(Broken::Conduct {
                    node,
                    what: "does not tell of a better chain that is claimed, and not shown",
                });
            }
            let charged = peers.iter().filter(|peer| peer.score < 0);
            let mut charged = charged.filter_map(|peer| names.get(&peer.peer_id));
            let is_unfounded = {
                let (now, fabric) = (self.simulation.now(), self.simulation.fabric());
                charged.any(|other| fabric.watch.pair(node, *other).is_none_or(|pair| !pair.was_silent(now)))
            };
            if is_unfounded {
                self.find(Broken::Peers { node, what: "has something against a peer that gave no reason" });
            }
        }
    }
}

/// The payments of the last blocks, the newest first.
fn lately_mined(reader: &Reader, tip: u64) -> Vec<Transaction> {
    let blocks = (1..=tip).rev().take(BACK as usize).filter_map(|height| {
        let header = reader.header_at(Height::new(height)).ok().flatten()?;
        reader.block(&header.id()).ok().flatten()
    });
    blocks.flat_map(|stored| stored.block.body.into_vec()).collect()
}

/// Whether payments apply on the tip, one after the other.
fn applies(reader: &Reader, payments: &[CheckedTransaction]) -> bool {
    let mut next: BTreeMap<Address, u64> = BTreeMap::new();
    payments.iter().map(|checked| &checked.transaction().body).all(|body| {
        let account = || reader.account(&body.sender).ok().flatten().unwrap_or_default();
        let nonce = next.entry(body.sender).or_insert_with(|| account().nonce);
        *nonce += 1;
        body.nonce + 1 == *nonce
    })
}
