//! Customers: wallets that ask of a pool what a pool has to keep to, and note what it does not.

use crate::executor::NodeId;
use crate::simulation::Simulation;
use cairn_chain::Origin;
use cairn_ledger::keys::SecretKey;
use cairn_ledger::testing::{key, payment, pebbles};
use cairn_ledger::transaction::{Transaction, TransactionBody};
use cairn_ledger::units::Height;
use cairn_mempool::PoolError;
use rand_chacha::rand_core::RngCore;

/// The first of their keys, and how many have money.
pub const FIRST: u64 = 14;
/// How many there are.
pub const CUSTOMERS: u64 = 6;
/// So many blocks after they were handed in, payments are mined, where nothing goes wrong.
const PATIENCE: u64 = 12;

/// A customer's payments that are not mined yet.
struct Order {
    first: u64,
    count: u64,
    /// The height of the node that took them.
    at: u64,
}

/// All customers.
#[derive(Default)]
pub struct Customers {
    orders: [Option<Order>; CUSTOMERS as usize],
    /// What pools did not keep to.
    pub complaints: Vec<String>,
}

type Answers = Vec<Result<(), PoolError>>;

impl Customers {
    /// One of them hands something in at a node, unless it waits for what it has handed in.
    pub fn step(&mut self, simulation: &mut Simulation, node: NodeId) {
        let which = (simulation.random().next_u64() % CUSTOMERS) as usize;
        let wallet = key(FIRST + which as u64);
        let Some((tip, nonce, balance)) = simulation.within(node, |running| {
            let account = running.chain.reader().account(&wallet.address()).ok().flatten().unwrap_or_default();
            (running.chain.tip().height().get(), account.nonce, account.balance.pebbles())
        }) else {
            return;
        };
        if let Some(Order { first, count, at }) = &self.orders[which]
            && nonce < first + count
        {
            if tip > at + PATIENCE {
                self.complaints.push(format!("payments {first} to {} wait since block {at}", first + count - 1));
                self.orders[which] = None;
            }
            return;
        }
        let shop = Shop { wallet, nonce, balance, tip };
        let count = match which % 3 {
            0 => self.chain_of_payments(simulation, node, &shop),
            1 => self.replacement(simulation, node, &shop),
            _ => self.too_much(simulation, node, &shop),
        };
        self.orders[which] = count.map(|count| Order { first: nonce, count, at: tip });
    }

    fn expect(&mut self, holds: bool, what: &str, answers: &Answers) {
        if !holds {
            self.complaints.push(format!("{what}: {answers:?}"));
        }
    }

    /// Four in a row, of which the second comes first; and one far ahead, which nobody can mine and which is over soon.
    fn chain_of_payments(&mut self, simulation: &mut Simulation, node: NodeId, shop: &Shop) -> Option<u64> {
        let spec = simulation.spec().clone();
        let pay = |ahead: u64, until: u64| shop.pay(&spec, ahead, 1_000, 1_000, until);
        let all = vec![pay(1, 0), pay(0, 0), pay(2, 0), pay(3, 0), pay(50, shop.tip + 8)];
        let answers = submit(simulation, node, all)?;
        self.expect(answers.iter().all(Result::is_ok), "payments in a row were not all taken", &answers);
        Some(4)
    }

    /// The same nonce three times: with a little more for nothing, and with enough.
    fn replacement(&mut self, simulation: &mut Simulation, node: NodeId, shop: &Shop) -> Option<u64> {
        let spec = simulation.spec().clone();
        let pay = |amount: u64, fee: u64| shop.pay(&spec, 0, amount, fee, 0);
        let first = submit(simulation, node, vec![pay(1_000, 5_000)])?;
        let other = submit(simulation, node, vec![pay(1_001, 5_001)])?;
        let better = submit(simulation, node, vec![pay(1_002, 50_000)])?;
        let all: Answers = first.into_iter().chain(other).chain(better).collect();
        let is_right = matches!(all.as_slice(), [Ok(()), Err(PoolError::ReplacementFeeTooLow { .. }), Ok(())]);
        self.expect(is_right, "a payment, one that pays a little more, and one that pays enough", &all);
        let waiting = simulation.ask(node, |running| {
            let (pool, address) = (running.pool.clone(), shop.wallet.address());
            async move { pool.pending(address).await }
        });
        let count = waiting.and_then(Result::ok).map_or(0, |pending| pending.count);
        self.expect(count <= 1, "a payment that was replaced waits still", &all);
        Some(1)
    }

    /// Two payments of more than half of what there is each, and a third with no fee.
    fn too_much(&mut self, simulation: &mut Simulation, node: NodeId, shop: &Shop) -> Option<u64> {
        let spec = simulation.spec().clone();
        let most = shop.balance / 100 * 60;
        let pay = |ahead, fee| {
            let (address, nonce) = (shop.wallet.address(), shop.nonce + ahead);
            payment(&spec, &shop.wallet, nonce, address, most, fee)
        };
        let answers = submit(simulation, node, vec![pay(0, 1_000), pay(1, 1_000), pay(1, 0)])?;
        let is_right = matches!(answers.as_slice(), [Ok(()), Err(PoolError::Execution(_)), Err(_)]);
        self.expect(is_right, "a payment, one with money that is not there any more, one without a fee", &answers);
        Some(1)
    }
}

/// What a customer knows of itself.
struct Shop {
    wallet: SecretKey,
    nonce: u64,
    balance: u64,
    tip: u64,
}

impl Shop {
    fn pay(&self, spec: &cairn_ledger::ChainSpec, ahead: u64, amount: u64, fee: u64, until: u64) -> Transaction {
        let to = key(50).address();
        let paid = payment(spec, &self.wallet, self.nonce + ahead, to, amount, fee);
        let body = TransactionBody { valid_until: Height::new(until), fee: pebbles(fee), ..paid.body };
        body.sign(&self.wallet, &spec.genesis_id(), &[7; 32])
    }
}

fn submit(simulation: &mut Simulation, node: NodeId, payments: Vec<Transaction>) -> Option<Answers> {
    let answers = simulation.ask(node, |running| {
        let pool = running.pool.clone();
        async move { pool.submit(Origin::Local, payments).await }
    })?;
    Some(answers.ok()?.into_iter().map(|answer| answer.map(drop)).collect())
}
