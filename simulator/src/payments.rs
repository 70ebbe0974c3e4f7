//! Wallets that pay, one payment after the other, and note what becomes of each.

use crate::executor::{Nanos, NodeId};
use crate::simulation::Simulation;
use cairn_chain::Origin;
use cairn_ledger::TxId;
use cairn_ledger::codec::{BoundedBytes, BoundedVec};
use cairn_ledger::keys::SecretKey;
use cairn_ledger::testing::{key, pebbles};
use cairn_ledger::transaction::{Output, TRANSACTION_VERSION, Transaction, TransactionBody};
use cairn_ledger::units::Height;
use rand_chacha::rand_core::RngCore;

/// Wallets with money at the beginning.
pub const WALLETS: u64 = 10;
/// The first of those who are paid once.
const NEWCOMERS: u64 = 100_000;
/// For how many blocks a payment may be mined.
const VALID_FOR: u64 = 120;
/// What is so deep stays.
const BURIED: u64 = 6;

/// A wallet.
struct Wallet {
    key: SecretKey,
    nonce: u64,
    open: Option<Open>,
}

/// A payment whose fate is not known yet.
struct Open {
    transaction: Transaction,
    /// The height of the node that took it first, if one did.
    taken_at: Option<u64>,
    /// When that was.
    taken: Nanos,
}

/// What became of payments.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Fates {
    /// Made.
    pub made: u64,
    /// Mined, and buried.
    pub mined: u64,
    /// Over, as its last block is buried.
    pub expired: u64,
    /// Of those, the ones that a node had taken long before.
    pub vanished: u64,
    /// How many blocks came from the first node's yes to the payment's own, all together.
    pub waited: u64,
}

/// All wallets.
pub struct Payments {
    wallets: Vec<Wallet>,
    /// What became of payments.
    pub fates: Fates,
}

impl Default for Payments {
    fn default() -> Self {
        let wallet = |n| Wallet { key: key(n), nonce: 0, open: None };
        Self { wallets: (0..WALLETS).map(wallet).collect(), fates: Fates::default() }
    }
}

impl Payments {
    /// Somebody looks after a payment, or makes one, at a node.
    pub fn step(&mut self, simulation: &mut Simulation, node: NodeId) {
        let which = (simulation.random().next_u64() % WALLETS) as usize;
        self.look(which, simulation, node);
        self.pay(which, simulation, node);
    }

    /// Looks after every payment at a node.
    pub fn look_at_all(&mut self, simulation: &mut Simulation, node: NodeId) {
        (0..self.wallets.len()).for_each(|which| self.look(which, simulation, node));
    }

    /// How many are open.
    pub fn open(&self) -> usize {
        self.wallets.iter().filter(|wallet| wallet.open.is_some()).count()
    }

    /// Payments that a node had taken at a moment, and that may not be mined yet.
    pub fn waiting(&self, until: Nanos) -> impl Iterator<Item = TxId> {
        let open = self.wallets.iter().filter_map(|wallet| wallet.open.as_ref());
        open.filter(move |open| open.taken_at.is_some() && open.taken <= until).map(|open| open.transaction.id())
    }

    /// How many payments that a node took are not on another's chain.
    pub fn forgotten(&self, simulation: &Simulation, node: NodeId) -> usize {
        let taken =
            self.wallets.iter().filter_map(|wallet| wallet.open.as_ref()).filter(|open| open.taken_at.is_some());
        let is_forgotten = |open: &&Open| {
            let txid = open.transaction.id();
            simulation.within(node, |running| !running.chain.reader().is_mined(&txid).unwrap_or(true)).unwrap_or(false)
        };
        taken.filter(is_forgotten).count()
    }

    fn look(&mut self, which: usize, simulation: &Simulation, node: NodeId) {
        let wallet = &mut self.wallets[which];
        let Some(open) = &wallet.open else { return };
        let txid = open.transaction.id();
        let Some((tip, mined)) = simulation.within(node, |running| {
            let mined = running.chain.reader().transaction(&txid).ok().flatten();
            (running.chain.tip().height().get(), mined.map(|mined| mined.block.header().height.get()))
        }) else {
            return;
        };
        let last = open.transaction.body.valid_until.get();
        match mined {
            Some(height) if tip >= height + BURIED - 1 => {
                self.fates.mined += 1;
                self.fates.waited += height.saturating_sub(open.taken_at.unwrap_or(height));
                wallet.nonce += 1;
                wallet.open = None;
            }
            None if tip >= last + BURIED - 1 => {
                self.fates.expired += 1;
                self.fates.vanished += u64::from(open.taken_at.is_some_and(|taken| taken + VALID_FOR / 2 < last));
                wallet.open = None;
            }
            Some(_) | None => {}
        }
    }

    fn pay(&mut self, which: usize, simulation: &mut Simulation, node: NodeId) {
        let spec = simulation.spec().clone();
        let Some(tip) = simulation.within(node, |running| running.chain.tip().height().get()) else { return };
        let wallet = &mut self.wallets[which];
        let fates = &mut self.fates;
        let open = wallet.open.get_or_insert_with(|| {
            fates.made += 1;
            // Some of those who are paid have no account yet.
            let to = if fates.made.is_multiple_of(3) { NEWCOMERS + fates.made } else { 50 + which as u64 };
            let outputs = vec![Output { to: key(to).address(), amount: pebbles(1_000 + wallet.nonce) }];
            let body = TransactionBody {
                version: TRANSACTION_VERSION,
                sender: wallet.key.address(),
                nonce: wallet.nonce,
                fee: pebbles(1_000),
                max_price: spec.rules_at(Height::GENESIS).account_price,
                valid_until: Height::new(tip + VALID_FOR),
                outputs: BoundedVec::new(outputs).expect("one"),
                memo: BoundedBytes::default(),
            };
            let transaction = body.sign(&wallet.key, &spec.genesis_id(), &[7; 32]);
            Open { transaction, taken_at: None, taken: 0 }
        });
        if open.taken_at.is_some() {
            return;
        }
        let transaction = open.transaction.clone();
        let submitted = simulation.ask(node, |running| {
            let pool = running.pool.clone();
            async move { pool.submit(Origin::Local, vec![transaction]).await }
        });
        let is_taken = submitted.is_some_and(|answer| answer.is_ok_and(|answers| answers.iter().all(Result::is_ok)));
        (open.taken_at, open.taken) = (is_taken.then_some(tip), simulation.now());
    }
}
