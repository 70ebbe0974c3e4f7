//! Accounts: blocks applied and taken back, the supply, and what the tree proves.

use crate::support::{self, Chain, address, body, nobody};
use cairn_ledger::accounts::{Account, AccountProof, AccountProofError, UndoRecord};
use cairn_ledger::codec::{self, BoundedVec};
use cairn_ledger::testing::{self, MemoryState, easy_params, genesis_state, pebbles};
use cairn_ledger::units::{Amount, Height};
use cairn_ledger::validate::{Execution, check_transactions, touched_addresses};
use cairn_ledger::{chain_spec::ChainSpec, hash::Hash, keys::Address, transaction::Transaction};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Someone pays someone: sender, receiver, amount, fee.
type Payment = (u64, u64, u64, u64);

/// The accounts as a child would keep them.
type Model = BTreeMap<Address, (u64, u64)>;

fn model(state: &MemoryState) -> Model {
    let of = |leaf: &cairn_ledger::accounts::Leaf| (leaf.account.balance.pebbles(), leaf.account.nonce);
    state.leaves()[1..].iter().map(|leaf| (leaf.address, of(leaf))).collect()
}

/// The price of one account on the easy network.
const PRICE: u64 = 1_000;

/// The transactions that fit, in order; the others are refused, and must have changed nothing. `expected`
/// becomes what the block does.
fn fitting(chain: &Chain, payments: &[Payment], expected: &mut Model) -> Vec<Transaction> {
    let height = chain.height().next().unwrap();
    let (mut chosen, mut nonces, mut fees) = (Vec::new(), BTreeMap::new(), 0);
    let everyone: Vec<Address> = (0..20).map(address).chain((0..40).map(nobody)).collect();
    let mut execution = Execution::new(&chain.spec, height, chain.state.slice(&everyone));
    for (from, to, amount, fee) in payments {
        let key = testing::key(*from);
        let to = if *to < 20 { address(*to) } else { nobody(to - 20) };
        let nonce = *nonces.entry(*from).or_insert_with(|| chain.state.nonce(&key.address()));
        let signed = testing::payment(&chain.spec, &key, nonce, to, *amount, *fee);
        let checked = check_transactions(&chain.spec.genesis_id(), vec![signed.clone()]).unwrap();
        let price = if expected.contains_key(&to) { 0 } else { PRICE };
        let affordable = expected.get(&key.address()).is_some_and(|(balance, _)| *balance >= amount + fee + price);
        assert_eq!(execution.apply(&checked[0]).is_ok(), affordable);
        if affordable {
            let sender = expected.get_mut(&key.address()).unwrap();
            *sender = (sender.0 - amount - fee - price, sender.1 + 1);
            expected.entry(to).or_default().0 += amount;
            nonces.insert(*from, nonce + 1);
            fees += fee;
            chosen.push(signed);
        }
    }
    expected.entry(address(0)).or_default().0 += chain.spec.subsidy(height).pebbles() + fees;
    chosen
}

fn any_blocks() -> impl Strategy<Value = Vec<Vec<Payment>>> {
    // Amounts around what accounts have, so that some payments fit and some do not.
    let amount = prop_oneof![1_u64..1_000_000, 900_000_000_000_u64..1_100_000_000_000];
    let payment = (0_u64..14, 0_u64..60, amount, 0_u64..1_000);
    proptest::collection::vec(proptest::collection::vec(payment, 0..9), 1..7)
}

proptest! {
    #![proptest_config(support::cases(24))]

    #[test]
    fn blocks_do_what_a_plain_model_does_and_are_taken_back_exactly(blocks in any_blocks()) {
        let mut chain = Chain::with_params(|params| params.halving = 2);
        let mut expected = model(&chain.state);
        let mut before: Vec<(MemoryState, UndoRecord)> = Vec::new();
        for payments in &blocks {
            let transactions = fitting(&chain, payments, &mut expected);
            let state = chain.state.clone();
            let undo = chain.grow(transactions);
            let reread = codec::decode::<UndoRecord>(&codec::encode(&undo), codec::MAX_INPUT_BYTES);
            prop_assert_eq!(reread.as_ref(), Ok(&undo));
            before.push((state, undo));
            prop_assert_eq!(&model(&chain.state), &expected);
            prop_assert_eq!(chain.given_out(), chain.spec.supply(chain.height()).pebbles());
            let afresh = MemoryState::from_leaves(chain.state.leaves().to_vec());
            prop_assert_eq!(chain.tip.header().state_root, afresh.tree().state_root());
        }
        for (state, undo) in before.iter().rev() {
            chain.state.undo(undo);
            prop_assert_eq!(chain.state.leaves(), state.leaves());
            prop_assert_eq!(chain.state.tree().state_root(), state.tree().state_root());
        }
        prop_assert_eq!(chain.state.tree().state_root(), chain.spec.genesis().state_root);
    }

    #[test]
    fn any_order_of_creation_proves_every_member_and_every_absent_neighbour(
        order in any_order(),
    ) {
        let state = created(&order);
        let root = state.tree().state_root();
        for (index, leaf) in (1..).zip(&state.leaves()[1..]) {
            let proof = prove(&state, index);
            prop_assert_eq!(proof.verify(&leaf.address, &root), Ok(Some(leaf.account)));
            prop_assert_eq!(codec::decode::<AccountProof>(&codec::encode(&proof), 8_000), Ok(proof));
        }
        let members = model(&state);
        for member in members.keys() {
            for neighbour in neighbours(member).into_iter().filter(|it| !members.contains_key(it)) {
                let (below, _) = at_or_below(&state, &neighbour);
                prop_assert_eq!(prove(&state, below).verify(&neighbour, &root), Ok(None));
            }
        }
        // No leaf proves the absence of a member, nor anything about what lies elsewhere.
        for index in 0..state.leaves().len() as u64 {
            let proof = prove(&state, index);
            for member in members.keys().filter(|member| **member != proof.leaf.address) {
                let expected = AccountProofError::OtherAddress { got: proof.leaf.address, expected: *member };
                prop_assert_eq!(proof.verify(member, &root), Err(expected));
            }
        }
    }
}

fn any_order() -> impl Strategy<Value = Vec<Address>> {
    let set = proptest::collection::btree_set(any_address(), 1..40);
    set.prop_map(|set| set.into_iter().collect::<Vec<_>>()).prop_shuffle()
}

/// Addresses close together, at both ends and anywhere.
fn any_address() -> impl Strategy<Value = Address> {
    let near = (0_u8..2, 1_u8..30).prop_map(|(first, last)| {
        let mut bytes = [first.wrapping_neg(); 32];
        bytes[31] = last;
        bytes
    });
    prop_oneof![near, any::<[u8; 32]>()]
        .prop_map(Address::from_bytes)
        .prop_filter("not zero", |it| *it != Address::ZERO)
}

/// One above and one below, where there are such, without the zero address.
fn neighbours(address: &Address) -> Vec<Address> {
    let step = |by: u8, carry: u8| {
        let mut bytes = *address.as_bytes();
        for byte in bytes.iter_mut().rev() {
            *byte = byte.wrapping_add(by);
            if *byte != carry {
                return Some(Address::from_bytes(bytes));
            }
        }
        None
    };
    [step(1, 0), step(255, 255)].into_iter().flatten().filter(|it| *it != Address::ZERO).collect()
}

/// The state after one transaction creates these accounts in this order.
fn created(order: &[Address]) -> MemoryState {
    let spec = testing::easy_network();
    let mut state = genesis_state(&spec);
    let outputs: Vec<_> = order.iter().copied().zip(1..).collect();
    let signed = body(&testing::key(1), 0, &outputs).sign(&testing::key(1), &spec.genesis_id(), &[0; 32]);
    let checked = check_transactions(&spec.genesis_id(), vec![signed]).unwrap();
    let touched = touched_addresses(&address(0), &checked);
    let mut execution = Execution::new(&spec, Height::new(1), state.slice(&touched));
    execution.apply(&checked[0]).unwrap();
    let change = execution.finish(&address(0)).unwrap();
    let update = state.update(&change);
    state.apply(&change, update);
    state
}

fn prove(state: &MemoryState, index: u64) -> AccountProof {
    let path = BoundedVec::new(state.tree().path(index).unwrap()).unwrap();
    AccountProof { count: state.leaves().len() as u64, index, leaf: state.leaves()[index as usize], path }
}

fn at_or_below(state: &MemoryState, address: &Address) -> (u64, Address) {
    let leaves = (0..).zip(state.leaves()).map(|(index, leaf)| (index, leaf.address));
    leaves.filter(|(_, at)| at <= address).max_by_key(|(_, at)| *at).unwrap()
}

/// Three accounts with small addresses beside the ten of the easy network, and a proof for one of them.
fn small_state() -> (MemoryState, AccountProof, Address, Hash) {
    let at = |byte| Address::from_bytes([byte; 32]);
    let state = created(&[at(2), at(1), at(3)]);
    let index = at_or_below(&state, &at(2)).0;
    let (proof, root) = (prove(&state, index), state.tree().state_root());
    assert_eq!(proof.verify(&at(2), &root), Ok(Some(Account { balance: pebbles(1), nonce: 0 })));
    (state, proof, at(2), root)
}

#[test]
fn account_proof_error_index() {
    let (_, honest, address, root) = small_state();
    for index in [honest.count, u64::MAX] {
        let proof = AccountProof { index, ..honest.clone() };
        assert_eq!(proof.verify(&address, &root), Err(AccountProofError::Index { got: index, count: honest.count }));
    }
    let nothing = AccountProof { count: 0, index: 0, ..honest };
    assert_eq!(nothing.verify(&address, &root), Err(AccountProofError::Index { got: 0, count: 0 }));
}

#[test]
fn account_proof_error_path_length() {
    let (_, honest, address, root) = small_state();
    let depth = honest.path.len();
    for len in [0, depth - 1, depth + 1, 64] {
        let mut path = honest.path.to_vec();
        path.resize(len, Hash::ZERO);
        let proof = AccountProof { path: BoundedVec::new(path).unwrap(), ..honest.clone() };
        let expected = AccountProofError::PathLength { got: len, expected: depth as u32 };
        assert_eq!(proof.verify(&address, &root), Err(expected));
    }
    // A count that would make the tree deeper or shallower.
    for (count, expected) in [(1 << 4, 4), ((1 << 4) + 1, 5), (u64::MAX, 64)] {
        let verdict = AccountProof { count, ..honest.clone() }.verify(&address, &root);
        match verdict {
            Err(AccountProofError::PathLength { expected: got, .. }) => assert_eq!(got, expected),
            other => assert!(expected == 4 && matches!(other, Err(AccountProofError::StateRoot { .. })), "{other:?}"),
        }
    }
}

#[test]
fn account_proof_error_state_root() {
    let (_, honest, address, root) = small_state();
    let refused = |proof: AccountProof| {
        let verdict = proof.verify(&address, &root);
        assert!(
            matches!(verdict, Err(AccountProofError::StateRoot { expected, .. }) if expected == root),
            "{verdict:?}"
        );
    };
    let mut richer = honest.clone();
    richer.leaf.account.balance = Amount::MAX;
    refused(richer);
    let mut newer = honest.clone();
    newer.leaf.account.nonce += 1;
    refused(newer);
    let mut longer = honest.clone();
    longer.leaf.next = Address::ZERO;
    refused(longer);
    refused(AccountProof { index: honest.index ^ 1, ..honest.clone() });
    refused(AccountProof { count: honest.count + 1, ..honest.clone() });
    for at in 0..honest.path.len() {
        let mut path = honest.path.to_vec();
        path[at] = testing::arbitrary_hash(1);
        refused(AccountProof { path: BoundedVec::new(path).unwrap(), ..honest.clone() });
    }
}

#[test]
fn account_proof_error_other_address() {
    let (state, honest, address, root) = small_state();
    let other = |proof: &AccountProof, asked: Address| {
        let expected = AccountProofError::OtherAddress { got: proof.leaf.address, expected: asked };
        assert_eq!(proof.verify(&asked, &root), Err(expected));
    };
    other(&honest, Address::from_bytes([1; 32]));
    other(&honest, honest.leaf.next);
    // Nobody has the zero address: neither the sentinel nor any leaf says anything about it.
    other(&prove(&state, 0), Address::ZERO);
    other(&honest, Address::ZERO);
    // The last leaf in ascending order, whose next is zero, speaks about everything above it only.
    let last = prove(&state, at_or_below(&state, &Address::from_bytes([0xff; 32])).0);
    assert_eq!(last.leaf.next, Address::ZERO);
    assert_eq!(last.verify(&Address::from_bytes([0xff; 32]), &root), Ok(None));
    other(&last, address);
}

#[test]
fn absence_is_proven_in_the_empty_state_by_the_sentinel() {
    let state = MemoryState::from_leaves(vec![cairn_ledger::accounts::Leaf::SENTINEL]);
    let proof = prove(&state, 0);
    assert!(proof.path.is_empty());
    assert_eq!(proof.verify(&address(1), &state.tree().state_root()), Ok(None));
}

#[test]
fn the_supply_is_the_sum_of_all_subsidies() {
    for (subsidy, halving) in [(5_000, 1), (5_000, 2), (1 << 40, 3), (7, 10), (0, 5), (1, 1)] {
        let mut params = easy_params();
        (params.subsidy, params.halving) = (pebbles(subsidy), halving);
        let spec = ChainSpec::new(params).unwrap();
        let mut sum = 10 * 1_000_000_000_000;
        assert_eq!(spec.supply(Height::GENESIS).pebbles(), sum);
        for height in 1..64 * halving + 10 {
            let era = height / halving;
            let expected = if era < 64 { subsidy >> era } else { 0 };
            assert_eq!(spec.subsidy(Height::new(height)).pebbles(), expected, "{subsidy}/{halving} at {height}");
            sum += expected;
            assert_eq!(spec.supply(Height::new(height)).pebbles(), sum, "{subsidy}/{halving} at {height}");
        }
        for height in [64 * halving, 128 * halving, u64::from(u32::MAX) * halving, u64::MAX] {
            assert_eq!(spec.subsidy(Height::new(height)), Amount::ZERO);
            assert_eq!(spec.supply(Height::new(height)).pebbles(), sum);
        }
    }
}
