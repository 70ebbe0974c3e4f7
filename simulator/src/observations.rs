//! What is seen of all nodes from outside: who found which block, when it came onto whose chain, and what was left.

use crate::executor::{Nanos, NodeId, nanos};
use cairn_chain::{ChainEvent, Tip};
use cairn_common::clock;
use cairn_ledger::block::Header;
use cairn_ledger::hash::BlockId;
use cairn_ledger::pow::Work;
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
    /// The work of its chain up to here, without block 0's.
    pub work: f64,
}

/// So many blocks that are left and followed fit one batch, whatever is in them here: a chain tells of them as of one
/// move.
const SHORT: u64 = 60;

/// Everything that was seen.
#[derive(Clone, Debug, Default)]
pub struct Observations {
    found: HashMap<BlockId, Found>,
    at_height: BTreeMap<u64, Vec<BlockId>>,
    forged: BTreeSet<BlockId>,
    /// Blocks that came onto their finder's own chain.
    own: BTreeSet<BlockId>,
    /// When blocks came onto whose chain first.
    had: BTreeMap<(NodeId, BlockId), Nanos>,
    /// Moves that no chain may make.
    wrong_moves: BTreeSet<(NodeId, &'static str)>,
    /// What each node told of last: its tip's work.
    told: BTreeMap<NodeId, Work>,
    /// What each node has left since it started, and not returned to.
    left: BTreeMap<NodeId, BTreeSet<BlockId>>,
    /// How often a node's chain has gone a long way, in many batches.
    long_moves: BTreeMap<NodeId, u64>,
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
    pub fn on_found(&mut self, by: NodeId, at: Nanos, header: &Header) {
        let (id, parent, height) = (header.id(), header.parent, header.height.get());
        let own = header.target.decode().map_or(0.0, |target| target.work().to_f64());
        let work = own + self.found.get(&parent).map_or(0.0, |parent| parent.work);
        self.at_height.entry(height).or_default().push(id);
        self.found.insert(id, Found { by, at, height, parent, work });
    }

    /// The most work that a chain through each block has come to.
    pub fn leads_to(&self) -> HashMap<BlockId, f64> {
        let mut most: HashMap<BlockId, f64> = self.found.iter().map(|(id, found)| (*id, found.work)).collect();
        for found in self.at_height.values().rev().flatten().filter_map(|id| Some((id, self.found.get(id)?))) {
            let (id, Found { parent, .. }) = found;
            let work = most.get(id).copied().unwrap_or(0.0);
            most.entry(*parent).and_modify(|known| *known = known.max(work));
        }
        most
    }

    /// When a node's chain first had how much work, since some time; both grow.
    pub fn rise(&self, node: NodeId, since: Nanos) -> Vec<(Nanos, f64)> {
        let had = self.found.iter().filter_map(|(id, found)| Some((self.had(node, *id)?, found.work)));
        let mut rise: Vec<(Nanos, f64)> = had.filter(|(at, _)| *at >= since).collect();
        rise.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let mut most: f64 = 0.0;
        rise.retain(|(_, work)| {
            let higher = *work > most;
            most = most.max(*work);
            higher
        });
        rise
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
        self.told.insert(node, event.tip.total_work);
        self.note_left(node, from, event);
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

    /// Notes what a chain has left, and that a short way is told of as a whole.
    fn note_left(&mut self, node: NodeId, from: &Tip, event: &ChainEvent) {
        let Some((fork, disconnected)) = self.fork(from.id, event.tip.id) else { return };
        let connected = event.tip.height().get().saturating_sub(fork);
        if !event.is_whole && disconnected.len() as u64 + connected <= SHORT {
            self.wrong_moves.insert((node, "has gone a short way, and not told of all of it"));
        }
        let left = self.left.entry(node).or_default();
        for block in event.connected.iter() {
            left.remove(&block.header().id());
        }
        // Of a long way only the end is told, and what was left is on the disk alone.
        if event.is_whole {
            left.extend(disconnected);
        } else {
            *self.long_moves.entry(node).or_default() += 1;
        }
    }

    /// The height at which two chains part, and what the first has above it; nothing where somebody has blocks that
    /// nobody has found.
    fn fork(&self, from: BlockId, to: BlockId) -> Option<(u64, Vec<BlockId>)> {
        let (mut one, mut other, mut left) = (from, to, Vec::new());
        while one != other {
            let (low, high) = (self.found.get(&one)?, self.found.get(&other)?);
            if low.height >= high.height {
                left.push(one);
                one = low.parent;
            } else {
                other = high.parent;
            }
        }
        Some((self.found.get(&one)?.height, left))
    }

    /// A node's chain has something above its tip.
    pub fn on_remains(&mut self, node: NodeId) {
        self.wrong_moves.insert((node, "has something above its tip"));
    }

    /// The work of the tip that a node told of last.
    pub fn told(&self, node: NodeId) -> Option<Work> {
        self.told.get(&node).copied()
    }

    /// What a node told of need not be there any more: its power was cut.
    pub fn forget_told(&mut self, node: NodeId) {
        self.told.remove(&node);
    }

    /// What is in a node's memory is gone.
    pub fn on_stopped(&mut self, node: NodeId) {
        self.left.remove(&node);
    }

    /// How many blocks a node has left since it started, from some height on, and not returned to.
    pub fn left_by(&self, node: NodeId, lowest: u64) -> usize {
        let is_high = |id: &&BlockId| self.found.get(*id).is_some_and(|found| found.height > lowest);
        self.left.get(&node).map_or(0, |left| left.iter().filter(is_high).count())
    }

    /// When a node's chain first had any block of a height.
    pub fn reached(&self, node: NodeId, height: u64) -> Option<Nanos> {
        let all = self.at_height.get(&height)?.iter();
        all.filter_map(|id| self.had(node, *id)).min()
    }

    /// How often a node's chain has gone a long way, in many batches.
    pub fn long_moves(&self, node: NodeId) -> u64 {
        self.long_moves.get(&node).copied().unwrap_or(0)
    }

    /// All blocks that were found.
    pub fn all_found(&self) -> impl Iterator<Item = (&BlockId, &Found)> {
        self.found.iter()
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
    use cairn_ledger::hash::Hash;
    use cairn_ledger::keys::Address;
    use cairn_ledger::pow::CompactTarget;
    use cairn_ledger::units::{Height, Timestamp};

    fn header(height: u64, parent: BlockId, nonce: u64) -> Header {
        let [txs_root, state_root, history_root] = [Hash::from_bytes([0; 32]); 3];
        let (height, time, target) = (Height::new(height), Timestamp::default(), CompactTarget::from_bits(0x2000_ffff));
        let beneficiary = Address::from_bytes([0; 32]);
        Header { version: 1, height, parent, time, target, beneficiary, txs_root, state_root, history_root, nonce }
    }

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
        let mut seen = Observations::default();
        let header = header(1, BlockId::from_bytes([0; 32]), 0);
        let id = header.id();
        seen.on_found(NodeId(0), 1_000_000_000, &header);
        seen.on_connected(&id, NodeId(0), 1_000_000_000);
        seen.on_connected(&id, NodeId(1), 1_250_000_000);
        seen.on_connected(&BlockId::from_bytes([2; 32]), NodeId(1), 1_250_000_000);
        assert_eq!(seen.delays(), &BTreeMap::from([(250, 1)]));
    }

    #[test]
    fn a_block_leads_to_the_most_work_above_it_and_a_chain_rises_with_what_it_had() {
        let mut seen = Observations::default();
        let low = header(1, BlockId::from_bytes([0; 32]), 0);
        let [left, right] = [1, 2].map(|nonce| header(2, low.id(), nonce));
        let high = header(3, right.id(), 0);
        [&low, &left, &right, &high].into_iter().for_each(|header| seen.on_found(NodeId(0), 1, header));
        let own = seen.found(&low.id()).map_or(0.0, |found| found.work);
        let most = seen.leads_to();
        let most = [&low, &left, &right, &high].map(|header| most[&header.id()] / own);
        assert_eq!((own > 0.0, most), (true, [3.0, 2.0, 3.0, 3.0]));
        for (at, header) in [(5, &low), (7, &left), (8, &right), (9, &high)] {
            seen.had.insert((NodeId(1), header.id()), at);
        }
        let rise =
            |since| seen.rise(NodeId(1), since).into_iter().map(|(at, work)| (at, work / own)).collect::<Vec<_>>();
        assert_eq!(rise(0), [(5, 1.0), (7, 2.0), (9, 3.0)]);
        assert_eq!((rise(8), seen.rise(NodeId(2), 0)), (vec![(8, 2.0), (9, 3.0)], Vec::new()));
    }
}
