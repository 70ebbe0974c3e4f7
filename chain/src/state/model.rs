//! The state against a plain map: plans disconnect some blocks, connect others, and are kept or taken back, and after
//! each the state, and what the disk has, is what a fresh one of the same accounts is; whatever fits in memory.

use super::accounts::Accounts;
use super::load::{Room, load_state};
use super::{Source, StagedState, State};
use crate::store::{ChainStore, Durability, MemoryDisk, schema::UndoLeaves};
use crate::workers::Workers;
use cairn_ledger::accounts::{AccountTree, Leaf, StateChange};
use cairn_ledger::testing::{arbitrary_hash, checked, easy_network, key, payment};
use cairn_ledger::validate::{Execution, touched_addresses};
use cairn_ledger::{Account, Address, ChainSpec, Height};
use proptest::{prelude::*, test_runner::RngSeed};
use std::collections::BTreeMap;

/// Who pays whom how much.
type Paid = (u64, u64, u64);

#[derive(Clone, Debug)]
struct Plan {
    /// So many blocks are disconnected, as far as there are.
    undone: usize,
    /// The payments of those that are connected.
    blocks: Vec<Vec<Paid>>,
    is_kept: bool,
    /// Whether somebody will ask how the tree was.
    inverses: bool,
}

fn any_plan() -> impl Strategy<Value = Plan> {
    let blocks = prop::collection::vec(prop::collection::vec((1..10_u64, 0..60_u64, 1..5_000_u64), 0..5), 0..4);
    let plan = (0..4_usize, blocks, prop::bool::weighted(0.7), any::<bool>());
    plan.prop_map(|(undone, blocks, is_kept, inverses)| Plan { undone, blocks, is_kept, inverses })
}

/// What everybody has, the plain way.
type Model = BTreeMap<Address, Account>;

struct World {
    spec: ChainSpec,
    store: ChainStore,
    workers: Workers,
    state: State,
    /// How to take back each block there is, and what everybody had before it.
    blocks: Vec<(UndoLeaves, Model)>,
    model: Model,
}

/// One of those who have money, or whose account is yet to be made.
fn receiver(n: u64) -> Address {
    if n < 10 { key(n).address() } else { Address::from_bytes(*arbitrary_hash(n).as_bytes()) }
}

pub(super) fn state_of(leaves: &[Leaf]) -> State {
    let tree = AccountTree::from_leaf_hashes(&Leaf::hash_each(leaves));
    let mut accounts = Accounts::new(tree.bucket_bits(), leaves.len() as u64, true);
    accounts.count_balances(leaves);
    for (number, leaves) in (0..).zip(leaves.chunks(1 << tree.bucket_bits())) {
        assert!(accounts.load(number, leaves));
    }
    State { accounts, tree, max_loaded: usize::MAX, roots_of: None }
}

impl World {
    fn new(room: Room) -> Self {
        let (spec, workers) = (easy_network(), Workers::start().expect("threads"));
        let store = ChainStore::open_in_memory(MemoryDisk::default(), &spec).expect("a store");
        let count = store.account_count().expect("the accounts of block 0");
        let state = load_state(&store, &workers, count, room).expect("a state");
        let model = spec.genesis_leaves().iter().skip(1).map(|leaf| (leaf.address, leaf.account)).collect();
        Self { spec, store, workers, state, blocks: Vec::new(), model }
    }

    /// All leaves on the disk.
    fn leaves(&self) -> Vec<Leaf> {
        let leaves = self.store.leaves().expect("a whole database").collect::<Result<Vec<_>, _>>();
        leaves.expect("a whole database").concat()
    }

    /// Takes a plan's way, and checks every step of it.
    fn run(&mut self, plan: &Plan) -> Result<(), TestCaseError> {
        let before = self.state.tree.state_root();
        let (mut blocks, mut model) = (self.blocks.clone(), self.model.clone());
        let source = Source { store: &self.store, workers: &self.workers };
        let mut staged = StagedState::new(&mut self.state, plan.inverses);
        for _ in 0..plan.undone {
            let Some((undo, earlier)) = blocks.pop() else { break };
            staged.load_for_undo(source, &undo).expect("it is on the disk");
            staged.disconnect(&undo).expect("it was connected");
            model = earlier;
        }
        let mut roots = Vec::new();
        for payments in &plan.blocks {
            let earlier = model.clone();
            let height = Height::new(blocks.len() as u64 + 1);
            let change = block(&self.spec, source, &mut staged, height, payments, &mut model);
            let update = staged.state().tree.update(change.count, &change.leaf_hashes()).expect("all is loaded");
            roots.push(staged.state().tree.state_root());
            blocks.push((UndoLeaves::new(&change), earlier));
            staged.connect(change, update).expect("all is loaded");
        }
        for (address, account) in staged.changed().into_iter().collect::<BTreeMap<_, _>>() {
            prop_assert_eq!(model.get(&address).copied().unwrap_or_default(), account, "what is told is so");
        }
        if plan.is_kept {
            let mut batch = self.store.batch(0);
            staged.write(&mut batch);
            batch.write(Durability::Buffered).expect("memory has room");
            let kept = staged.keep();
            let inverses = kept.iter().map(|(_, inverse)| inverse.state_root());
            prop_assert!(!plan.inverses || inverses.eq(roots), "each inverse leads to the tree before its block");
            (self.blocks, self.model) = (blocks, model);
        } else {
            staged.take_back().expect("all is loaded");
            prop_assert_eq!(self.state.tree.state_root(), before, "as if nothing had been");
        }
        self.state.forget_unused();
        prop_assert!(self.state.accounts.loaded() <= self.state.max_loaded, "no more than may stay");
        self.check()
    }

    /// Compares the state with the map, and with a fresh state.
    fn check(&mut self) -> Result<(), TestCaseError> {
        let leaves = self.leaves();
        let there: Model = leaves.iter().skip(1).map(|leaf| (leaf.address, leaf.account)).collect();
        prop_assert_eq!(&there, &self.model);
        prop_assert_eq!(leaves.len(), self.model.len() + 1, "nobody twice");
        prop_assert_eq!(self.store.address_count().expect("a whole database"), leaves.len() as u64, "each once");
        prop_assert_eq!(state_of(&leaves).tree.state_root(), self.state.tree.state_root());
        let balances: u64 = self.model.values().map(|account| account.balance.pebbles()).sum();
        prop_assert_eq!(self.state.accounts.balances(), balances, "of all, loaded or not");
        let loaded =
            (0..self.state.accounts.count()).filter_map(|index| Some((index, *self.state.accounts.at(index)?)));
        for (index, leaf) in loaded {
            prop_assert_eq!(leaf, leaves[index as usize], "what is loaded is what the disk has");
        }
        let mut next: Vec<Address> = self.model.keys().copied().collect();
        next.push(Address::ZERO);
        let (source, root) = (Source { store: &self.store, workers: &self.workers }, self.state.tree.state_root());
        let nobody = Address::from_bytes(*arbitrary_hash(7_777).as_bytes());
        for leaf in [&Address::ZERO, &nobody].into_iter().chain(self.model.keys()) {
            let proof = self.state.prove(source, leaf).expect("whoever is there is proven");
            let expected = self.model.get(leaf).copied();
            // The sentinel is nobody.
            prop_assert_eq!(proof.verify(leaf, &root).ok(), (*leaf != Address::ZERO).then_some(expected));
        }
        let ordered = std::iter::once(&Address::ZERO).chain(self.model.keys()).zip(&next);
        for (address, next) in ordered {
            let found = self.store.account(address).expect("a whole database").map(|(_, leaf)| leaf.next);
            prop_assert_eq!(found, Some(*next), "in their order");
        }
        Ok(())
    }
}

/// What a block with those payments changes that fit, and what everybody has then.
fn block(
    spec: &ChainSpec,
    source: Source<'_>,
    state: &mut StagedState<'_>,
    height: Height,
    payments: &[Paid],
    model: &mut Model,
) -> StateChange {
    let (beneficiary, mut fees, mut chosen) = (key(0).address(), 0, Vec::new());
    for (from, to, amount) in payments {
        let (from, to, fee) = (key(*from), receiver(*to), 300);
        let price = if model.contains_key(&to) { 0 } else { spec.rules_at(height).account_price.pebbles() };
        let Some(sender) = model.get_mut(&from.address()) else { continue };
        chosen.push(payment(spec, &from, sender.nonce, to, *amount, fee));
        sender.nonce += 1;
        take(sender, amount + fee + price);
        give(model.entry(to).or_default(), *amount);
        fees += fee;
    }
    give(model.entry(beneficiary).or_default(), spec.subsidy(height).pebbles() + fees);
    let all = checked(spec, chosen);
    let touched = touched_addresses(&beneficiary, &all);
    let mut execution = Execution::new(spec, height, state.slice(source, &touched).expect("the order is whole"));
    for transaction in &all {
        execution.apply(transaction).expect("everybody has enough");
    }
    execution.finish(&beneficiary).expect("a reward that fits")
}

fn give(account: &mut Account, pebbles: u64) {
    account.balance = cairn_ledger::testing::pebbles(account.balance.pebbles() + pebbles);
}

fn take(account: &mut Account, pebbles: u64) {
    account.balance = cairn_ledger::testing::pebbles(account.balance.pebbles() - pebbles);
}

proptest! {
    // The same cases on every run.
    #![proptest_config(ProptestConfig { cases: 96, rng_seed: RngSeed::Fixed(0xca12), ..ProptestConfig::default() })]

    #[test]
    fn the_state_is_the_model_however_plans_move_it(
        plans in prop::collection::vec(any_plan(), 1..12),
        bits in 1..5_u32,
        max_loaded in prop_oneof![Just(u64::MAX), 1..12_u64],
    ) {
        let mut world = World::new(Room { bits, max_loaded });
        for plan in &plans {
            world.run(plan)?;
        }
    }
}
