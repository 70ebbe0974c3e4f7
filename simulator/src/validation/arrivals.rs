//! When what came where, and what that comes to.

use crate::executor::NodeId;
use crate::observations::quantile;
use cairn_ledger::hash::{BlockId, TxId};
use std::collections::BTreeMap;
use std::time::Duration;

/// What travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Thing {
    /// A block, to chains.
    Block(BlockId),
    /// A payment, to pools.
    Payment(TxId),
}

/// When each thing came to each node, since some moment.
#[derive(Clone, Debug, Default)]
pub struct Arrivals(BTreeMap<Thing, BTreeMap<NodeId, Duration>>);

/// How the things of one kind travelled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    /// How many there were.
    pub things: u64,
    /// To how many nodes they could have come besides those where they began, all together.
    pub expected: u64,
    /// In how many hundredths of a millisecond they came there: how often.
    pub delays: BTreeMap<u64, u64>,
}

impl Arrivals {
    /// Something is at a node; only the first time counts.
    pub fn note(&mut self, thing: Thing, node: NodeId, at: Duration) {
        self.0.entry(thing).or_default().entry(node).or_insert(at);
    }

    /// How many nodes have it.
    pub fn reached(&self, thing: Thing) -> usize {
        self.0.get(&thing).map_or(0, BTreeMap::len)
    }

    /// Of blocks, and of payments, among so many nodes: each began where it was first.
    pub fn spread(&self, nodes: u32) -> (Spread, Spread) {
        let (mut blocks, mut payments) = (Spread::default(), Spread::default());
        for (thing, came) in &self.0 {
            let spread = match thing {
                Thing::Block(_) => &mut blocks,
                Thing::Payment(_) => &mut payments,
            };
            let Some(first) = came.values().min() else { continue };
            spread.things += 1;
            spread.expected += u64::from(nodes.saturating_sub(1));
            let mut delays: Vec<Duration> = came.values().map(|at| at.saturating_sub(*first)).collect();
            delays.sort_unstable();
            for delay in delays.into_iter().skip(1) {
                *spread.delays.entry(delay.as_micros() as u64 / 10).or_default() += 1;
            }
        }
        (blocks, payments)
    }
}

impl Spread {
    /// The delay, in milliseconds, within which so many of a hundred came.
    pub fn quantile(&self, percent: u64) -> f64 {
        quantile(&self.delays, percent).unwrap_or_default() as f64 / 100.0
    }

    /// The share of nodes that were reached.
    pub fn reached(&self) -> f64 {
        self.delays.values().sum::<u64>() as f64 / self.expected.max(1) as f64
    }

    /// Adds another's.
    pub fn add(&mut self, other: &Self) {
        self.things += other.things;
        self.expected += other.expected;
        other.delays.iter().for_each(|(delay, count)| *self.delays.entry(*delay).or_default() += count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_counted_from_where_a_thing_was_first() {
        let (block, payment) = (Thing::Block(BlockId::from_bytes([1; 32])), Thing::Payment(TxId::from_bytes([1; 32])));
        let mut arrivals = Arrivals::default();
        for (node, at) in [(2, 1_000), (0, 1_100), (1, 1_300), (2, 9_000)] {
            arrivals.note(block, NodeId(node), Duration::from_millis(at));
        }
        arrivals.note(payment, NodeId(3), Duration::from_millis(5));
        let (blocks, payments) = arrivals.spread(4);
        assert_eq!((blocks.quantile(50), blocks.quantile(99)), (100.0, 300.0));
        assert!((blocks.reached() - 2.0 / 3.0).abs() < 1e-9, "one of three others has not got it");
        assert_eq!((payments.things, payments.expected, payments.reached()), (1, 3, 0.0));
        assert_eq!((arrivals.reached(block), arrivals.reached(payment)), (3, 1));
    }
}
