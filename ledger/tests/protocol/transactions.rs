//! Each broken rule of a transaction by itself and against the accounts, one mutation each.

use crate::support::{Chain, address, body, nobody, to_outputs, with_body};
use cairn_ledger::error::{BlockError, ExecutionError, Fault, TxError};
use cairn_ledger::keys::{Address, Signature};
use cairn_ledger::testing::{self, MemoryState, key, pebbles};
use cairn_ledger::transaction::{MAX_OUTPUTS, Transaction, TransactionBody};
use cairn_ledger::units::{Amount, Height};
use cairn_ledger::{accounts::Leaf, block::Block, validate::check_transactions};

/// Checks a changed transaction between two honest ones: it alone is named.
fn judge(change: impl FnOnce(&mut TransactionBody)) -> Result<(), TxError> {
    let chain = Chain::easy();
    judge_signed(&chain, chain.signed(1, change))
}

fn judge_signed(chain: &Chain, transaction: Transaction) -> Result<(), TxError> {
    let honest = |from| chain.pay(from, address(5), 10, 1);
    match check_transactions(&chain.spec.genesis_id(), vec![honest(2), transaction, honest(3)]) {
        Ok(_) => Ok(()),
        Err((place, error)) => {
            assert_eq!((place, error.fault()), (1, Fault::Proven));
            Err(error)
        }
    }
}

#[test]
fn tx_error_none_for_the_honest_transaction() {
    assert_eq!(judge(|_| ()), Ok(()));
    assert_eq!(judge(|body| body.fee = Amount::ZERO), Ok(()), "zero fees are valid");
    assert_eq!(judge(|body| body.outputs = to_outputs(&vec![(nobody(1), 1); MAX_OUTPUTS])), Ok(()));
}

#[test]
fn tx_error_version() {
    for got in [0, 2, 255] {
        assert_eq!(judge(|body| body.version = got), Err(TxError::Version { got }));
    }
}

#[test]
fn tx_error_zero_sender() {
    assert_eq!(judge(|body| body.sender = Address::ZERO), Err(TxError::ZeroSender));
}

#[test]
fn tx_error_last_nonce() {
    assert_eq!(judge(|body| body.nonce = u64::MAX), Err(TxError::LastNonce));
    assert_eq!(judge(|body| body.nonce = u64::MAX - 1), Ok(()));
}

#[test]
fn tx_error_no_outputs() {
    assert_eq!(judge(|body| body.outputs = to_outputs(&[])), Err(TxError::NoOutputs));
}

#[test]
fn tx_error_zero_amount() {
    let outputs = to_outputs(&[(nobody(1), 1), (nobody(2), 0)]);
    assert_eq!(judge(|body| body.outputs = outputs), Err(TxError::ZeroAmount { output: 1 }));
}

#[test]
fn tx_error_zero_receiver() {
    let outputs = to_outputs(&[(nobody(1), 1), (nobody(2), 1), (Address::ZERO, 1)]);
    assert_eq!(judge(|body| body.outputs = outputs), Err(TxError::ZeroReceiver { output: 2 }));
}

#[test]
fn tx_error_signature() {
    let (chain, other) = (Chain::easy(), Chain::with_params(|params| params.name.push('2')));
    let honest = chain.pay(1, address(2), 5, 0);
    let by = |signer: u64| {
        let body = body(&key(1), 0, &[(address(2), 5)]);
        body.sign(&key(signer), &chain.spec.genesis_id(), &[0; 32])
    };
    assert_eq!(judge_signed(&chain, by(1)), Ok(()));
    assert_eq!(judge_signed(&chain, by(2)), Err(TxError::Signature), "another's signature");
    let replayed = other.pay(1, address(2), 5, 0);
    assert_eq!(judge_signed(&other, replayed.clone()), Ok(()));
    assert_eq!(judge_signed(&chain, replayed), Err(TxError::Signature), "replay from another network");
    let mut richer = honest.clone();
    richer.body.outputs = to_outputs(&[(address(2), 6)]);
    assert_eq!(judge_signed(&chain, richer), Err(TxError::Signature), "an amount raised after signing");
    let unsigned = Transaction { signature: Signature::from_bytes([0; 64]), ..honest };
    assert_eq!(judge_signed(&chain, unsigned), Err(TxError::Signature));
}

#[test]
fn tx_error_of_structure_comes_before_any_signature() {
    let chain = Chain::easy();
    let mut unsigned = chain.pay(1, address(2), 5, 0);
    unsigned.signature = Signature::from_bytes([1; 64]);
    let versionless = chain.signed(2, |body| body.version = 9);
    let verdict = check_transactions(&chain.spec.genesis_id(), vec![unsigned, versionless]);
    assert_eq!(verdict, Err((1, TxError::Version { got: 9 })), "structure is free to check, signatures are not");
}

/// Puts transactions into a block whose header commits to them, and runs it.
fn execute(chain: &Chain, transactions: Vec<Transaction>) -> Result<(), (usize, ExecutionError)> {
    let block: Block = with_body(&chain.mine(vec![]), transactions);
    match chain.connect(block) {
        Err(error @ BlockError::Execution { index, error: reason }) => {
            assert_eq!(error.fault(), Fault::Proven);
            Err((index, reason))
        }
        // The header still has the state root of an empty block: execution itself found nothing wrong.
        Err(BlockError::StateRoot { .. }) => Ok(()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn execution_error_unknown_sender() {
    let mut chain = Chain::easy();
    let sender = address(77);
    let from_stranger = |chain: &Chain| vec![chain.pay(1, address(2), 1, 0), chain.pay(77, address(2), 1, 0)];
    assert_eq!(execute(&chain, from_stranger(&chain)), Err((1, ExecutionError::UnknownSender { sender })));
    // Paid earlier in the same block, or in an earlier one, the stranger is known.
    let paid = vec![chain.pay(1, sender, 1, 0), chain.pay(77, address(2), 1, 0)];
    assert_eq!(execute(&chain, paid), Ok(()));
    chain.grow(vec![chain.pay(1, sender, 1, 0)]);
    assert_eq!(execute(&chain, from_stranger(&chain)), Ok(()));
}

#[test]
fn execution_error_nonce() {
    let chain = Chain::easy();
    let nonce = |nonce| chain.signed(1, |body| body.nonce = nonce);
    for got in [1, 2, u64::MAX - 1] {
        assert_eq!(execute(&chain, vec![nonce(got)]), Err((0, ExecutionError::Nonce { got, expected: 0 })));
    }
    assert_eq!(execute(&chain, vec![nonce(0), nonce(1), nonce(2)]), Ok(()));
    let replay = vec![nonce(0), nonce(1), nonce(0)];
    assert_eq!(execute(&chain, replay), Err((2, ExecutionError::Nonce { got: 0, expected: 2 })), "replay in a block");
}

#[test]
fn execution_error_expired() {
    let mut chain = Chain::easy();
    chain.grow(vec![]);
    chain.grow(vec![]);
    let until = |height| vec![chain.signed(1, |body| body.valid_until = Height::new(height))];
    let [two, three] = [2, 3].map(Height::new);
    let expected = ExecutionError::Expired { valid_until: two, height: three };
    assert_eq!(execute(&chain, until(2)), Err((0, expected)));
    for height in [3, 4, u64::MAX, 0] {
        assert_eq!(execute(&chain, until(height)), Ok(()), "until {height} at {three}");
    }
}

#[test]
fn execution_error_price_above_max() {
    let chain = Chain::easy();
    let paying = |to, max_price| {
        chain.signed(1, |body| {
            body.outputs = to_outputs(&[(to, 1)]);
            body.max_price = pebbles(max_price);
        })
    };
    for got in [0, 999] {
        let expected = ExecutionError::PriceAboveMax { price: 1_000, max_price: pebbles(got) };
        assert_eq!(execute(&chain, vec![paying(nobody(1), got)]), Err((0, expected)));
        assert_eq!(execute(&chain, vec![paying(address(2), got)]), Ok(()), "an account that is there costs nothing");
    }
    for enough in [1_000, Amount::MAX.pebbles()] {
        assert_eq!(execute(&chain, vec![paying(nobody(1), enough)]), Ok(()), "what is not needed is not spent");
    }
}

#[test]
fn execution_error_insufficient_balance() {
    let chain = Chain::easy();
    let has = 1_000_000_000_000;
    let balance = pebbles(has);
    let spend = |amount, fee| execute(&chain, vec![chain.pay(1, address(2), amount, fee)]);
    let short = |needed| Err((0, ExecutionError::InsufficientBalance { balance, needed }));
    assert_eq!(spend(has, 0), Ok(()));
    assert_eq!(spend(has - 5, 5), Ok(()));
    assert_eq!(spend(has + 1, 0), short(has + 1));
    assert_eq!(spend(has - 5, 6), short(has + 1), "the fee counts");
    let to_stranger = |amount| execute(&chain, vec![chain.pay(1, nobody(1), amount, 5)]);
    assert_eq!(to_stranger(has - 1_005), Ok(()));
    assert_eq!(to_stranger(has - 1_004), short(has + 1), "the price of an account counts");
    let to_itself = chain.pay(1, address(1), has + 1, 0);
    assert_eq!(execute(&chain, vec![to_itself]), short(has + 1), "paying oneself does not help");
}

#[test]
fn execution_error_too_many_new_accounts() {
    let chain = Chain::with_params(|params| params.max_new_accounts = 1_024);
    let strangers: Vec<_> = (0..1_024).map(|n| (nobody(n), 1)).collect();
    let all = chain.signed(1, |body| body.outputs = to_outputs(&strangers));
    let pays = |to| chain.pay(2, to, 1, 0);
    let expected = ExecutionError::TooManyNewAccounts { got: 1_025, max: 1_024 };
    assert_eq!(execute(&chain, vec![all.clone(), pays(nobody(5_000))]), Err((1, expected)));
    assert_eq!(execute(&chain, vec![all.clone(), pays(nobody(5))]), Ok(()), "created once, it is not new any more");
    let twice: Vec<_> = strangers.iter().chain(&strangers).take(1_024).copied().collect();
    let repeated = chain.signed(1, |body| body.outputs = to_outputs(&twice[512..]));
    assert_eq!(execute(&chain, vec![repeated, pays(nobody(5_000))]), Ok(()), "a repeated receiver counts once");
    // A new beneficiary is not counted.
    let mut chain = chain;
    chain.state = without(&chain.state, &address(0));
    assert!(chain.connect(chain.mine(vec![all])).is_ok());
}

/// The state without one account, as if it had never been created.
fn without(state: &MemoryState, address: &Address) -> MemoryState {
    let next = state.leaves().iter().find(|leaf| leaf.address == *address).unwrap().next;
    let others = state.leaves().iter().filter(|leaf| leaf.address != *address);
    let relinked = others.map(|leaf| if leaf.next == *address { Leaf { next, ..*leaf } } else { *leaf });
    MemoryState::from_leaves(relinked.collect())
}

#[test]
fn execution_error_balance_overflow() {
    // No chain can come here: the state is made up.
    let mut chain = Chain::easy();
    let mut leaves = chain.state.leaves().to_vec();
    leaves.iter_mut().find(|leaf| leaf.address == address(2)).unwrap().account.balance = Amount::MAX;
    chain.state = MemoryState::from_leaves(leaves);
    let expected = ExecutionError::BalanceOverflow { address: address(2) };
    assert_eq!(execute(&chain, vec![chain.pay(1, address(2), 1, 0)]), Err((0, expected)));
    assert_eq!(execute(&chain, vec![chain.pay(2, address(3), 1, 0), chain.pay(1, address(2), 1, 0)]), Ok(()));
}

#[test]
fn a_refused_transaction_leaves_the_execution_as_it_was() {
    use cairn_ledger::validate::{Execution, touched_addresses};
    let chain = Chain::with_params(|params| params.max_new_accounts = 1_024);
    let strangers: Vec<_> = (0..1_024).map(|n| (nobody(n), 1)).collect();
    let good = testing::checked(
        &chain.spec,
        vec![chain.signed(1, |body| body.outputs = to_outputs(&strangers)), chain.pay(2, address(1), 5, 1)],
    );
    let bad = testing::checked(
        &chain.spec,
        vec![
            chain.pay(3, nobody(5_000), 1, 0),
            chain.pay(3, address(1), 1 << 50, 0),
            chain.signed(3, |body| body.nonce = 1),
            chain.pay(99, address(1), 1, 0),
        ],
    );
    let touched = touched_addresses(&key(0).address(), good.iter().chain(&bad)).clone();
    let run = |with_bad: bool| {
        let mut execution = Execution::new(&chain.spec, Height::new(1), chain.state.slice(&touched));
        for transaction in &good {
            execution.apply(transaction).unwrap();
            for refused in bad.iter().filter(|_| with_bad) {
                assert!(execution.apply(refused).is_err());
            }
        }
        execution.finish(&key(0).address()).unwrap()
    };
    assert_eq!(run(true), run(false));
}
