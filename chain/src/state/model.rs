//! The state against a plain map: plans disconnect some blocks, connect others, and are kept or taken back, and after
//! each the state is what a fresh one of the same accounts is.

use super::accounts::Accounts;
use super::{StagedState, State};
use crate::store::schema::UndoLeaves;
use cairn_ledger::accounts::{AccountSlice, AccountTree, Leaf, StateChange};
use cairn_ledger::testing::{arbitrary_hash, checked, easy_network, key, payment};
use cairn_ledger::validate::{Execution, touched_addresses};
use cairn_ledger::{Account, Address, ChainSpec, Hash, Height};
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
    state: State,
    /// How to take back each block there is, and what everybody had before it.
    blocks: Vec<(UndoLeaves, Model)>,
    model: Model,
}

/// One of those who have money, or whose account is yet to be made.
fn receiver(n: u64) -> Address {
    if n < 10 { key(n).address() } else { Address::from_bytes(*arbitrary_hash(n).as_bytes()) }
}

fn state_of(leaves: &[Leaf]) -> State {
    let mut accounts = Accounts::with_count(leaves.len() as u64);
    assert!(leaves.iter().zip(0..).all(|(leaf, index)| accounts.place(index, *leaf)));
    State { accounts, tree: AccountTree::from_leaf_hashes(Leaf::hash_each(leaves)) }
}

fn leaves_of(state: &State) -> Vec<Leaf> {
    (0..state.accounts.count()).filter_map(|index| state.accounts.at(index).copied()).collect()
}

impl World {
    fn new() -> Self {
        let spec = easy_network();
        let state = state_of(spec.genesis_leaves());
        let model = spec.genesis_leaves().iter().skip(1).map(|leaf| (leaf.address, leaf.account)).collect();
        Self { spec, state, blocks: Vec::new(), model }
    }

    /// Takes a plan's way, and checks every step of it.
    fn run(&mut self, plan: &Plan) -> Result<(), TestCaseError> {
        let before = (leaves_of(&self.state), self.state.tree.state_root());
        let (mut blocks, mut model) = (self.blocks.clone(), self.model.clone());
        let mut staged = StagedState::new(&mut self.state, plan.inverses);
        for _ in 0..plan.undone {
            let Some((undo, earlier)) = blocks.pop() else { break };
            staged.disconnect(&undo).expect("it was connected");
            model = earlier;
        }
        let mut roots = Vec::new();
        for payments in &plan.blocks {
            let earlier = model.clone();
            let height = Height::new(blocks.len() as u64 + 1);
            let change = block(&self.spec, staged.state(), height, payments, &mut model);
            let update = staged.state().tree.update(change.count, &change.leaf_hashes());
            roots.push(staged.state().tree.state_root());
            blocks.push((UndoLeaves::new(&change), earlier));
            staged.connect(change, update);
        }
        for (address, account) in staged.changed().into_iter().collect::<BTreeMap<_, _>>() {
            prop_assert_eq!(model.get(&address).copied().unwrap_or_default(), account, "what is told is so");
        }
        if plan.is_kept {
            let kept = staged.keep();
            let inverses = kept.iter().map(|(_, inverse)| inverse.state_root());
            prop_assert!(!plan.inverses || inverses.eq(roots), "each inverse leads to the tree before its block");
            (self.blocks, self.model) = (blocks, model);
        } else {
            staged.take_back();
            prop_assert_eq!((leaves_of(&self.state), self.state.tree.state_root()), before, "as if nothing had been");
        }
        self.check()
    }

    /// Compares the state with the map, and with a fresh state.
    fn check(&self) -> Result<(), TestCaseError> {
        let leaves = leaves_of(&self.state);
        let there: Model = leaves.iter().skip(1).map(|leaf| (leaf.address, leaf.account)).collect();
        prop_assert_eq!(&there, &self.model);
        prop_assert_eq!(leaves.len(), self.model.len() + 1, "nobody twice");
        let fresh = state_of(&leaves);
        prop_assert_eq!(fresh.tree.state_root(), self.state.tree.state_root());
        let balances: u64 = self.model.values().map(|account| account.balance.pebbles()).sum();
        prop_assert_eq!(self.state.accounts.balances(), balances);
        let mut next: Vec<Address> = self.model.keys().copied().collect();
        next.push(Address::ZERO);
        for (leaf, next) in std::iter::once(&Address::ZERO).chain(self.model.keys()).zip(&next) {
            prop_assert_eq!(self.state.accounts.get(leaf).map(|(_, leaf)| leaf.next), Some(*next), "in their order");
            let proof = self.state.prove(leaf).expect("whoever is there is proven");
            let root: Hash = self.state.tree.state_root();
            let expected = self.model.get(leaf).copied().map(Some);
            prop_assert_eq!(proof.verify(leaf, &root).ok(), expected, "the sentinel is nobody");
        }
        Ok(())
    }
}

/// What a block with those payments changes that fit, and what everybody has then.
fn block(spec: &ChainSpec, state: &State, height: Height, payments: &[Paid], model: &mut Model) -> StateChange {
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
    let mut leaves = vec![(0, Leaf::SENTINEL); touched.len()];
    state.accounts.find_each(&touched, &mut leaves).expect("the order is whole");
    let mut execution = Execution::new(spec, height, AccountSlice::load(state.accounts.count(), leaves));
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
    #![proptest_config(ProptestConfig { cases: 32, rng_seed: RngSeed::Fixed(0xca12), ..ProptestConfig::default() })]

    #[test]
    fn the_state_is_the_model_however_plans_move_it(plans in prop::collection::vec(any_plan(), 1..12)) {
        let mut world = World::new();
        for plan in &plans {
            world.run(plan)?;
        }
    }
}
