//! What is seen of all nodes from outside: who found which block, when it came onto whose chain, and what was left.

use crate::executor::{Nanos, NodeId, nanos};
use cairn_chain::{ChainEvent, Tip};
use cairn_common::clock;
use cairn_ledger::hash::BlockId;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What a node's parts tell of what they see.
#[derive(Clone)]
pub struct Observer {
    seen: Arc<Mutex<Observations>>,
    node: NodeId,
    /// When the simulation began.
    origin: Instant,
}

impl Observer {
    /// A node's.
    pub fn new(seen: Arc<Mutex<Observations>>, node: NodeId, origin: Instant) -> Self {
        Self { seen, node, origin }
    }

    /// Whose it is.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// The time.
    pub fn now(&self) -> Nanos {
        nanos(clock::instant().saturating_duration_since(self.origin))
    }

    /// What was seen so far.
    pub fn seen(&self) -> MutexGuard<'_, Observations> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A block that was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// By whom.
    pub by: NodeId,
    /// When.
    pub at: Nanos,
    /// Its height.
    pub height: u64,
    /// Its parent.
    pub parent: BlockId,
}

/// Everything that was seen.
#[derive(Clone, Debug, Default)]
pub struct Observations {
    found: HashMap<BlockId, Found>,
    forged: BTreeSet<BlockId>,
    /// Blocks that came onto their finder's own chain.
    own: BTreeSet<BlockId>,
    /// When blocks came onto whose chain first.
    had: BTreeMap<(NodeId, BlockId), Nanos>,
    /// Moves that no chain may make.
    wrong_moves: BTreeSet<(NodeId, &'static str)>,
    /// How long after it was found a block came onto a node's chain, in milliseconds: how often.
    delays: BTreeMap<u64, u64>,
    /// How many blocks a node left for a better chain: how often.
    reorganisations: BTreeMap<u64, u64>,
    /// Attempts of adversaries to take a payment back, and how many of them came true.
    pub double_spends: (u64, u64),
    /// How often an adversary's block and another's of the same height were shown at once, and how often the next block
    /// of others came on the adversary's.
    pub races: (u64, u64),
}

impl Observations {
    /// A miner has found a block.
    pub fn on_found(&mut self, id: BlockId, found: Found) {
        self.found.insert(id, found);
    }

    /// Somebody has made a block that breaks a rule.
    pub fn on_forged(&mut self, id: BlockId) {
        self.forged.insert(id);
    }

    /// Whether a block was made to break a rule.
    pub fn is_forged(&self, id: &BlockId) -> bool {
        self.forged.contains(id)
    }

    /// A block has come onto a node's chain as its tip.
    pub fn on_connected(&mut self, id: &BlockId, node: NodeId, now: Nanos) {
        let Some(found) = self.found.get(id) else { return };
        if found.by != node {
            *self.delays.entry(now.saturating_sub(found.at) / 1_000_000).or_default() += 1;
        }
    }

    /// A node's chain has moved from one tip to another.
    pub fn on_moved(&mut self, (node, now): (NodeId, Nanos), from: &Tip, event: &ChainEvent) {
        for block in event.connected.iter() {
            let id = block.header().id();
            self.had.entry((node, id)).or_insert(now);
            if self.found.get(&id).is_some_and(|found| found.by == node) {
                self.own.insert(id);
            }
        }
        if event.tip.total_work <= from.total_work {
            self.wrong_moves.insert((node, "has moved to one with no more work"));
        }
        let first = event.connected.first().map(|block| block.header().header().parent);
        let left = first.filter(|parent| *parent != from.id).map(|_| from.id);
        if event.is_whole && event.left != left {
            self.wrong_moves.insert((node, "has moved, and told of something else that it left"));
        }
        if event.is_whole && event.connected.last().map(|block| block.header().id()) != Some(event.tip.id) {
            self.wrong_moves.insert((node, "has moved, and not told of its tip"));
        }
    }

    /// When a block came onto a node's chain first.
    pub fn had(&self, node: NodeId, id: BlockId) -> Option<Nanos> {
        self.had.get(&(node, id)).copied()
    }

    /// Moves that no chain may make, and whose.
    pub fn wrong_moves(&self) -> &BTreeSet<(NodeId, &'static str)> {
        &self.wrong_moves
    }

    /// How many of the blocks that a node has found its own chain never had.
    pub fn lost_by(&self, node: NodeId) -> u64 {
        self.found.iter().filter(|(id, found)| found.by == node && !self.own.contains(*id)).count() as u64
    }

    /// A node has left blocks.
    pub fn on_reorganised(&mut self, depth: u64) {
        *self.reorganisations.entry(depth).or_default() += 1;
    }

    /// A block, if somebody here has found it.
    pub fn found(&self, id: &BlockId) -> Option<&Found> {
        self.found.get(id)
    }

    /// How many blocks were found.
    pub fn count(&self) -> usize {
        self.found.len()
    }

    /// How often a block took so many milliseconds to somebody's chain.
    pub fn delays(&self) -> &BTreeMap<u64, u64> {
        &self.delays
    }

    /// How often a node left so many blocks.
    pub fn reorganisations(&self) -> &BTreeMap<u64, u64> {
        &self.reorganisations
    }
}

/// The value below which so many of a hundred are, of values that are counted.
pub fn quantile(counted: &BTreeMap<u64, u64>, percent: u64) -> Option<u64> {
    let total: u64 = counted.values().sum();
    let mut left = (total * percent).div_ceil(100).max(1);
    counted.iter().find_map(|(value, count)| {
        left = left.saturating_sub(*count);
        (left == 0).then_some(*value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_counted_values() {
        let counted = BTreeMap::from([(10, 5), (20, 4), (900, 1)]);
        let at = |percent| quantile(&counted, percent);
        assert_eq!(
            (at(0), at(50), at(51), at(90), at(91), at(100)),
            (Some(10), Some(10), Some(20), Some(20), Some(900), Some(900))
        );
        assert_eq!(quantile(&BTreeMap::new(), 50), None);
    }

    #[test]
    fn delays_are_counted_from_the_find_and_not_at_the_finders() {
        let id = BlockId::from_bytes([1; 32]);
        let mut seen = Observations::default();
        seen.on_found(id, Found { by: NodeId(0), at: 1_000_000_000, height: 1, parent: BlockId::from_bytes([0; 32]) });
        seen.on_connected(&id, NodeId(0), 1_000_000_000);
        seen.on_connected(&id, NodeId(1), 1_250_000_000);
        seen.on_connected(&BlockId::from_bytes([2; 32]), NodeId(1), 1_250_000_000);
        assert_eq!(seen.delays(), &BTreeMap::from([(250, 1)]));
    }
}
