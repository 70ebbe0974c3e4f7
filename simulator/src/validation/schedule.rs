//! What both sides play: who is connected to whom, and who finds a block or pays, and when. A seed decides all of it.

use crate::executor::{NodeId, random};
use crate::gossip::draw;
use crate::payments::WALLETS;
use crate::scenario::Scenario;
use cairn_ledger::chain_spec::ChainSpec;
use cairn_ledger::codec::{BoundedBytes, BoundedVec};
use cairn_ledger::testing::{key, pebbles};
use cairn_ledger::transaction::{Output, TRANSACTION_VERSION, Transaction, TransactionBody};
use cairn_ledger::units::Height;
use rand_chacha::rand_core::RngCore;
use std::time::Duration;

/// The stream of random numbers that schedules are drawn from.
const SCHEDULE: u64 = 6 << 32;
/// How many of those before it each node dials: fewer than it could have, so that gossip takes several hops.
const DIALS: usize = 4;
/// Blocks are at least so far apart: which of two is left is another matter than how fast one spreads.
const APART: Duration = Duration::from_millis(1_500);
/// Longer than any schedule, in blocks.
const VALID_UNTIL: u64 = 1_000_000;

/// What somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Finds a block on its tip.
    Mine,
    /// Takes a payment of a wallet's, its so-and-so-manieth.
    Pay {
        /// The wallet.
        wallet: u64,
        /// Its payment.
        nonce: u64,
    },
}

/// What is done, by whom, and when after the network stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// When.
    pub at: Duration,
    /// By whom.
    pub node: NodeId,
    /// What.
    pub deed: Deed,
}

/// All of it.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Whom each node dials, all of them before it.
    pub dials: Vec<Vec<NodeId>>,
    /// What is done, in order.
    pub planned: Vec<Planned>,
}

impl Schedule {
    /// What a seed makes of a scenario: blocks by the exponential law but for the shortest intervals, found by one
    /// miner as often as by another, and payments at even times.
    pub fn new(scenario: &Scenario, seed: u64) -> Self {
        let mut random = random(seed, SCHEDULE);
        let dials = (0..scenario.nodes).map(|node| {
            let mut before: Vec<NodeId> = (0..node).map(NodeId).collect();
            draw(&mut before, DIALS, &mut random)
        });
        let dials = dials.collect();
        let (length, mut planned) = (Duration::from_secs(60 * scenario.minutes), Vec::new());
        let mut at = Duration::ZERO;
        loop {
            let uniform = ((random.next_u64() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
            at += APART + Duration::from_millis(scenario.interval_ms).saturating_sub(APART).mul_f64(-uniform.ln());
            if at >= length {
                break;
            }
            let node = NodeId((random.next_u64() % u64::from(scenario.miners)) as u32);
            planned.push(Planned { at, node, deed: Deed::Mine });
        }
        let count = scenario.payments_per_hour * scenario.minutes / 60;
        for n in 0..count {
            let node = NodeId((random.next_u64() % u64::from(scenario.nodes)) as u32);
            let deed = Deed::Pay { wallet: n % WALLETS, nonce: n / WALLETS };
            planned.push(Planned { at: length.mul_f64(n as f64 / count as f64), node, deed });
        }
        planned.sort_by_key(|planned| planned.at);
        Self { dials, planned }
    }

    /// To how many others a node is connected.
    pub fn degree(&self, node: NodeId) -> usize {
        let inbound = self.dials.iter().filter(|dials| dials.contains(&node)).count();
        self.dials[node.0 as usize].len() + inbound
    }
}

/// A wallet's payment.
pub fn payment(spec: &ChainSpec, wallet: u64, nonce: u64) -> Transaction {
    let own = key(wallet);
    let body = TransactionBody {
        version: TRANSACTION_VERSION,
        sender: own.address(),
        nonce,
        fee: pebbles(1_000),
        max_price: spec.rules_at(Height::GENESIS).account_price,
        valid_until: Height::new(VALID_UNTIL),
        outputs: BoundedVec::new(vec![Output { to: key(50 + wallet).address(), amount: pebbles(1_000) }]).expect("one"),
        memo: BoundedBytes::default(),
    };
    body.sign(&own, &spec.genesis_id(), &[7; 32])
}
