//! Customers: wallets that ask of a pool what a pool has to keep to, and note what it does not.

use crate::executor::NodeId;
use crate::simulation::Simulation;
use cairn_chain::Origin;
use cairn_ledger::hash::TxId;
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

/// Payments in a row that were handed in together are mined within so many blocks after the first of them.
const TOGETHER: u64 = 1;

/// A customer's payments that are not mined yet.
struct Order {
    first: u64,
    count: u64,
    /// The height of the node that took them.
    at: u64,
    /// What they are, where all of them go into one block.
    together: Vec<TxId>,
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
    /// One of them hands something in at a node, unless it waits for what it has handed in. Where all is well
    /// (`is_calm`) it has expectations.
    pub fn step(&mut self, simulation: &mut Simulation, node: NodeId, is_calm: bool) {
        let which = (simulation.random().next_u64() % CUSTOMERS) as usize;
        let wallet = key(FIRST + which as u64);
        let Some((tip, nonce, balance)) = simulation.within(node, |running| {
            let account = running.chain.reader().account(&wallet.address()).ok().flatten().unwrap_or_default();
            (running.chain.tip().height().get(), account.nonce, account.balance.pebbles())
        }) else {
            return;
        };
        if let Some(Order { first, count, at, together }) = &self.orders[which] {
            if nonce < first + count {
                if is_calm && tip > at + PATIENCE {
                    self.complaints.push(format!("payments {first} to {} wait since block {at}", first + count - 1));
                    self.orders[which] = None;
                }
                return;
            }
            let apart = is_calm.then(|| apart(simulation, node, together)).flatten();
            if let Some(blocks) = apart.filter(|blocks| *blocks > TOGETHER) {
                self.complaints.push(format!("payments in a row were mined over {} blocks", blocks + 1));
            }
        }
        let shop = Shop { wallet, nonce, balance, tip };
        let before = self.complaints.len();
        let together = match which % 3 {
            0 => self.chain_of_payments(simulation, node, &shop),
            1 => self.replacement(simulation, node, &shop),
            _ => self.too_much(simulation, node, &shop),
        };
        if !is_calm {
            // Another node may have had something of theirs that this one did not.
            self.complaints.truncate(before);
        }
        self.orders[which] = together.map(|together| {
            let count = together.len().max(1) as u64;
            Order { first: nonce, count, at: tip, together }
        });
    }

    /// How many of them wait still, by a node's chain.
    pub fn waiting(&self, simulation: &Simulation, node: NodeId) -> usize {
        let waits = |(which, order): (usize, &Option<Order>)| {
            let Order { first, count, .. } = order.as_ref()?;
            let address = key(FIRST + which as u64).address();
            let account = simulation.within(node, |running| running.chain.reader().account(&address).ok().flatten())?;
            (account.unwrap_or_default().nonce < first + count).then_some(())
        };
        self.orders.iter().enumerate().filter_map(waits).count()
    }

    fn expect(&mut self, holds: bool, what: &str, answers: &Answers) {
        if !holds {
            self.complaints.push(format!("{what}: {answers:?}"));
        }
    }

    /// Four in a row, of which the second comes first; and one far ahead, which nobody can mine and which is over soon.
    fn chain_of_payments(&mut self, simulation: &mut Simulation, node: NodeId, shop: &Shop) -> Option<Vec<TxId>> {
        let spec = simulation.spec().clone();
        let pay = |ahead: u64, until: u64| shop.pay(&spec, ahead, 1_000, 1_000, until);
        let all = vec![pay(1, 0), pay(0, 0), pay(2, 0), pay(3, 0), pay(50, shop.tip + 8)];
        let together = all.iter().take(4).map(Transaction::id).collect();
        let answers = submit(simulation, node, all)?;
        self.expect(answers.iter().all(Result::is_ok), "payments in a row were not all taken", &answers);
        Some(together)
    }

    /// The same nonce three times: with a little more for nothing, and with enough.
    fn replacement(&mut self, simulation: &mut Simulation, node: NodeId, shop: &Shop) -> Option<Vec<TxId>> {
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
        Some(Vec::new())
    }

    /// Two payments of more than half of what there is each, and a third with no fee.
    fn too_much(&mut self, simulation: &mut Simulation, node: NodeId, shop: &Shop) -> Option<Vec<TxId>> {
        let spec = simulation.spec().clone();
        let most = shop.balance / 100 * 60;
        let pay = |ahead, fee| {
            let (address, nonce) = (shop.wallet.address(), shop.nonce + ahead);
            payment(&spec, &shop.wallet, nonce, address, most, fee)
        };
        let answers = submit(simulation, node, vec![pay(0, 1_000), pay(1, 1_000), pay(1, 0)])?;
        let is_right = matches!(answers.as_slice(), [Ok(()), Err(PoolError::Execution(_)), Err(_)]);
        self.expect(is_right, "a payment, one with money that is not there any more, one without a fee", &answers);
        Some(Vec::new())
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

/// Over how many blocks, beside the first, payments were mined.
fn apart(simulation: &Simulation, node: NodeId, payments: &[TxId]) -> Option<u64> {
    simulation.within(node, |running| {
        let height = |txid| {
            let mined = running.chain.reader().transaction(txid).ok().flatten()?;
            Some(mined.block.header().height.get())
        };
        let heights: Vec<u64> = payments.iter().filter_map(height).collect();
        Some(heights.iter().max()? - heights.iter().min()?)
    })?
}

fn submit(simulation: &mut Simulation, node: NodeId, payments: Vec<Transaction>) -> Option<Answers> {
    let answers = simulation.ask(node, |running| {
        let pool = running.pool.clone();
        async move { pool.submit(Origin::Local, payments).await }
    })?;
    Some(answers.ok()?.into_iter().map(|answer| answer.map(drop)).collect())
}
