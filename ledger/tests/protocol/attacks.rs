//! What will be tried against the rules, each attack beside the honest neighbour that it must not harm.

use crate::support::{Chain, address, altered, nobody, resealed, to_outputs, with_body};
use cairn_ledger::block::{Block, Body, Header};
use cairn_ledger::codec::{self, BoundedVec, DecodeError};
use cairn_ledger::error::{BlockError, ExecutionError, Fault, HeaderError, TxError};
use cairn_ledger::fork_choice::{Choice, choose};
use cairn_ledger::hash::{TxId, sha256};
use cairn_ledger::pow::{CompactTarget, Work};
use cairn_ledger::testing::{MemoryState, genesis_state, mine_at};
use cairn_ledger::units::{Amount, Height, Timestamp};
use cairn_ledger::validate::{check_header, check_work};
use cairn_ledger::{
    accounts::UndoRecord, keys::Address, merkle::txs_root, transaction::Transaction, upgrades::Upgrade,
};

// Bytes and encodings

#[test]
fn length_bombs_are_refused_before_allocation() {
    let chain = Chain::easy();
    let block = codec::encode(&chain.mine(vec![chain.pay(1, address(2), 5, 0)]));
    // The count of transactions; then, nested in the first of them, the counts of outputs and of memo bytes.
    for at in [190, 198 + 65, 198 + 113] {
        for claim in [1_u64 << 60, u64::MAX, 1 << 32] {
            let mut bomb = block.clone();
            bomb[at..at + 8].copy_from_slice(&claim.to_le_bytes());
            assert_eq!(Block::from_bytes(&bomb), Err(DecodeError::TooMany), "{claim} at {at}");
        }
    }
    // A bomb of eight bytes in each list of the ledger.
    let bomb = (1_u64 << 60).to_le_bytes();
    assert_eq!(codec::decode::<Body>(&bomb, 8), Err(DecodeError::TooMany));
    assert_eq!(codec::decode::<UndoRecord>(&[[0; 8], bomb].concat(), 16), Err(DecodeError::TooMany));
    assert!(Block::from_bytes(&block).is_ok());
}

#[test]
fn lists_of_nothing_are_bounded_by_their_count() {
    // Elements without bytes cost an attacker nothing, so that only the count can bound them.
    type Nothings = BoundedVec<(), 1_000>;
    assert_eq!(codec::decode::<Nothings>(&1_001_u64.to_le_bytes(), 8), Err(DecodeError::TooMany));
    assert_eq!(codec::decode::<Nothings>(&1_000_u64.to_le_bytes(), 8).map(|list| list.len()), Ok(1_000));
    type Nested = BoundedVec<BoundedVec<u8, 4>, 4>;
    let nested = [1_u64.to_le_bytes(), (1_u64 << 60).to_le_bytes()].concat();
    assert_eq!(codec::decode::<Nested>(&nested, 16), Err(DecodeError::TooMany));
}

#[test]
fn no_second_encoding_of_a_valid_object_is_accepted() {
    let chain = Chain::easy();
    let honest = codec::encode(&chain.mine(vec![chain.pay(1, address(2), 5, 0)]));
    assert!(Block::from_bytes(&honest).is_ok());
    for padding in 1..20 {
        let longer = [&honest[..], &vec![0; padding]].concat();
        let expected = DecodeError::Trailing { got: longer.len(), expected: honest.len() };
        assert_eq!(Block::from_bytes(&longer), Err(expected));
    }
    // The count as a byte, or as a big-endian number: another format's encoding.
    let one_byte = [&honest[..190], &[1], &honest[198..]].concat();
    let swapped = [&honest[..190], &1_u64.to_be_bytes(), &honest[198..]].concat();
    assert!(Block::from_bytes(&one_byte).is_err());
    assert_eq!(Block::from_bytes(&swapped), Err(DecodeError::TooMany));
}

#[test]
fn a_duplicated_last_transaction_is_mutated_and_the_honest_block_still_accepted() {
    let chain = Chain::easy();
    for count in 1..=5 {
        let honest = chain.mine((1..=count).map(|from| chain.pay(from, address(9), 5, 0)).collect());
        let mut doubled = honest.body.to_vec();
        doubled.push(doubled.last().unwrap().clone());
        let error = chain.connect(Block { body: Body::new(doubled).unwrap(), ..honest.clone() }).unwrap_err();
        assert!(matches!(error, BlockError::TxsRoot { .. }));
        assert_eq!(error.fault(), Fault::Mutated, "the id is innocent");
        assert!(chain.connect(honest).is_ok());
    }
}

#[test]
fn an_inner_node_does_not_pose_as_a_leaf() {
    let txids: Vec<_> = (0..4).map(|byte| TxId::from_bytes([byte; 32])).collect();
    let leaf = |txid: &TxId| sha256(&[&[0], txid.as_bytes()]);
    let pair = |at: usize| {
        let (left, right) = (leaf(&txids[at]), leaf(&txids[at + 1]));
        [left.as_bytes().as_slice(), right.as_bytes().as_slice()].concat()
    };
    let root = txs_root(&txids);
    // The root is the hash of two inner nodes; as "ids" they, and the bytes under them, give other roots.
    let inner = |at: usize| TxId::from_bytes(*sha256(&[&[1], &pair(at)]).as_bytes());
    assert_eq!(root, sha256(&[&[1], inner(0).as_bytes(), inner(2).as_bytes()]), "the honest shape");
    assert_ne!(root, txs_root(&[inner(0), inner(2)]));
    assert_ne!(root, txs_root(&[TxId::from_bytes(*root.as_bytes())]));
}

#[test]
fn a_block_with_another_body_is_mutated_and_another_copy_accepted() {
    let chain = Chain::easy();
    let honest = chain.mine(vec![chain.pay(1, address(2), 5, 0)]);
    let other = chain.mine(vec![chain.pay(3, address(4), 5, 0)]);
    for body in [other.body, Body::default()] {
        let error = chain.connect(Block { body, ..honest.clone() }).unwrap_err();
        assert_eq!(error.fault(), Fault::Mutated);
    }
    assert!(chain.connect(honest).is_ok());
}

/// Puts a transaction into a block that commits to it.
fn run(chain: &Chain, transactions: Vec<Transaction>) -> BlockError {
    chain.connect(with_body(&chain.mine(vec![]), transactions)).unwrap_err()
}

#[test]
fn amounts_that_overflow_in_sum_are_refused_without_wrapping() {
    let chain = Chain::easy();
    let max = Amount::MAX.pebbles();
    let balance = chain.state.balance(&address(1));
    let short = |needed| {
        let error = ExecutionError::InsufficientBalance { balance, needed };
        BlockError::Execution { index: 0, error }
    };
    let many = chain.signed(1, |body| body.outputs = to_outputs(&vec![(address(2), max); 1_024]));
    assert_eq!(run(&chain, vec![many]), short(max * 1_024));
    // Fee and amount together exceed every amount.
    assert_eq!(run(&chain, vec![chain.pay(1, address(2), max, max)]), short(2 * max));
    assert_eq!(run(&chain, vec![chain.pay(1, address(2), 1, max)]), short(max + 1));
    // 2^64 / 1 024 each would come to nothing in 64 bits; it is no amount to begin with.
    let mut bytes = codec::encode(&chain.pay(1, address(2), 1, 0));
    bytes[105..113].copy_from_slice(&(1_u64 << 54).to_le_bytes());
    assert_eq!(Transaction::from_bytes(&bytes), Err(DecodeError::OutOfRange));
    assert!(chain.connect(chain.mine(vec![chain.pay(1, address(2), balance.pebbles(), 0)])).is_ok());
}

#[test]
fn subsidy_and_fees_that_overflow_are_refused_without_wrapping() {
    // No chain can come here: the state is made up.
    let mut chain = Chain::easy();
    let honest = chain.mine(vec![]);
    let mut leaves = chain.state.leaves().to_vec();
    leaves.iter_mut().find(|leaf| leaf.address == address(1)).unwrap().account.balance = Amount::MAX;
    chain.state = MemoryState::from_leaves(leaves);
    let all_as_fee = chain.pay(1, address(2), 1, Amount::MAX.pebbles() - 1);
    let error = chain.connect(with_body(&honest, vec![all_as_fee])).unwrap_err();
    assert_eq!(error, BlockError::RewardOverflow { address: address(0) });
}

#[test]
fn a_nonce_at_the_end_is_refused_without_wrapping() {
    let mut chain = Chain::easy();
    let mut leaves = chain.state.leaves().to_vec();
    leaves.iter_mut().find(|leaf| leaf.address == address(1)).unwrap().account.nonce = u64::MAX - 1;
    chain.state = MemoryState::from_leaves(leaves);
    chain.grow(vec![chain.pay(1, address(2), 5, 0)]);
    assert_eq!(chain.state.nonce(&address(1)), u64::MAX);
    let error = run(&chain, vec![chain.pay(1, address(2), 5, 0)]);
    assert_eq!(error, BlockError::Transaction { index: 0, error: TxError::LastNonce });
    // Nor does it begin again.
    let expected = ExecutionError::Nonce { got: 0, expected: u64::MAX };
    let again = chain.signed(1, |body| body.nonce = 0);
    assert_eq!(run(&chain, vec![again]), BlockError::Execution { index: 0, error: expected });
}

#[test]
fn odd_payments_have_exact_balances() {
    const START: u64 = 1_000_000_000_000;
    let mut chain = Chain::easy();
    let stranger = nobody(1);
    let subsidy = chain.spec.subsidy(Height::new(1)).pebbles();
    let repeated = chain.signed(2, |body| {
        body.outputs = to_outputs(&[(address(3), 5), (address(3), 5), (address(2), 7), (address(3), 5)]);
    });
    let twice = chain.signed(4, |body| body.outputs = to_outputs(&[(stranger, 11), (stranger, 11)]));
    let count = chain.state.leaves().len();
    chain.grow(vec![
        chain.pay(1, address(1), START - 3, 3),
        repeated,
        twice,
        chain.pay(5, stranger, 11, 0),
        // The miner pays itself, and gets its own fee back.
        chain.pay(0, address(0), 100, 9),
    ]);
    let balance = |address: &Address| chain.state.balance(address).pebbles();
    assert_eq!(balance(&address(1)), START - 3, "a payment to oneself costs its fee");
    assert_eq!((balance(&address(2)), balance(&address(3))), (START - 15, START + 15));
    let created = START - 22 - chain.spec.params().account_price.pebbles();
    assert_eq!((balance(&stranger), balance(&address(4)), balance(&address(5))), (33, created, START - 11));
    assert_eq!(balance(&address(0)), START + subsidy + 3);
    assert_eq!(chain.state.leaves().len(), count + 1, "created once");
    assert_eq!(chain.given_out(), chain.spec.supply(Height::new(1)).pebbles());
    let to_sentinel = chain.signed(1, |body| body.outputs = to_outputs(&[(Address::ZERO, 5)]));
    let expected = BlockError::Transaction { index: 0, error: TxError::ZeroReceiver { output: 0 } };
    assert_eq!(run(&chain, vec![to_sentinel]), expected);
}

#[test]
fn a_new_account_may_spend_and_the_miner_may_be_new_in_the_same_block() {
    let mut chain = Chain::easy();
    // Key 50 is unknown: it is paid, and pays on, in one block.
    chain.grow(vec![chain.pay(1, address(50), 1_100, 0), chain.pay(50, address(51), 60, 40)]);
    assert_eq!(chain.state.balance(&address(50)), Amount::ZERO);
    assert_eq!(chain.state.nonce(&address(50)), 1, "an empty account stays, with its nonce");
    let replayed = chain.signed(50, |body| body.nonce = 0);
    chain.grow(vec![chain.pay(1, address(50), 5_000, 0)]);
    let expected = ExecutionError::Nonce { got: 0, expected: 1 };
    assert_eq!(run(&chain, vec![replayed]), BlockError::Execution { index: 0, error: expected });
}

// Chain

#[test]
fn low_work_headers_are_refused_before_anything_is_looked_up() {
    let chain = Chain::with_params(|params| {
        params.pow_limit = CompactTarget::from_bits(0x1f7f_ffff);
        params.genesis_target = CompactTarget::from_bits(0x1f7f_ffff);
    });
    let honest = chain.mine(vec![]).header;
    assert!(check_work(&chain.spec, honest.clone()).is_ok());
    // Easier than allowed, though its work is real; then without work.
    let easy = CompactTarget::from_bits(0x207f_ffff);
    let cheap = check_work(&chain.spec, resealed(&honest, |header| header.target = easy));
    assert!(matches!(cheap, Err(HeaderError::TargetAboveLimit { .. })));
    let free =
        (1..50).filter(|nonce| check_work(&chain.spec, altered(&honest, |it| it.nonce = honest.nonce + nonce)).is_ok());
    assert_eq!(free.count(), 0);
}

#[test]
fn a_long_fork_of_easy_headers_has_less_work_than_a_short_one_of_hard_headers() {
    let work = |bits| CompactTarget::from_bits(bits).decode().unwrap().work();
    let sum = |bits, count| (0..count).fold(Work::ZERO, |sum, _| sum.checked_add(work(bits)).unwrap());
    let (easy, hard) = (sum(0x1e3f_ffff, 1_100), sum(0x1d1f_ffff, 2));
    assert_eq!(choose(hard, sum(0x1e3f_ffff, 100)), Choice::Keep);
    assert_eq!(choose(hard, easy), Choice::Switch, "but enough of them are more");
    assert_eq!(choose(easy, easy), Choice::Keep, "ties stay with the first seen");
}

#[test]
fn a_time_that_does_not_rise_is_refused_and_an_early_block_only_waits() {
    let chain = Chain::easy();
    let start = chain.tip.header().time;
    let judge = |time: Timestamp, now: Timestamp| {
        let header = resealed(&chain.mine(vec![]).header, |header| header.time = time);
        check_header(&chain.spec, &chain.tip, check_work(&chain.spec, header).unwrap(), now).map(|_| ())
    };
    assert_eq!(judge(start, start).unwrap_err().fault(), Fault::Proven);
    let early = start.saturating_add(5_001);
    assert_eq!(judge(early, start).unwrap_err().fault(), Fault::NotYet);
    assert_eq!(judge(early, start.saturating_add(1)), Ok(()), "its time has come");
    assert_eq!(judge(Timestamp::from_millis(u64::MAX), start).unwrap_err().fault(), Fault::NotYet);
    assert_eq!(judge(start.saturating_add(1), start), Ok(()));
}

#[test]
fn a_header_judged_against_another_parent_is_not_invalid() {
    let mut chain = Chain::easy();
    let before = chain.clone();
    chain.grow(vec![]);
    let child: Header = chain.mine(vec![]).header;
    assert_eq!(before.link(child.clone()).unwrap_err().fault(), Fault::NotYet, "withheld parent");
    assert!(chain.link(child).is_ok());
}

/// Applies `count` blocks in which key 1 pays `receiver`, each with its undo record.
fn branch(chain: &mut Chain, count: u64, receiver: Address, later_ms: u64) -> Vec<UndoRecord> {
    let one = |chain: &mut Chain| {
        let payment = chain.pay(1, receiver, 7, 1);
        let time = chain.tip.header().time.saturating_add(later_ms);
        let block = mine_at(&chain.spec, &chain.tip, &chain.state, vec![payment], time);
        chain.push(block)
    };
    (0..count).map(|_| one(chain)).collect()
}

#[test]
fn reorganisations_with_conflicting_spends_equal_a_fresh_replay() {
    for depth in [1, 10, 1_000] {
        let start = Chain::easy();
        let mut reorganised = start.clone();
        // The same nonces of key 1, spent to different strangers.
        let undo = branch(&mut reorganised, depth, nobody(1), 2_000);
        for record in undo.iter().rev() {
            reorganised.state.undo(record);
        }
        reorganised.tip = start.tip.clone();
        let mut fresh = start;
        branch(&mut reorganised, depth + 1, nobody(2), 1_999);
        branch(&mut fresh, depth + 1, nobody(2), 1_999);
        assert_eq!(reorganised.tip.id(), fresh.tip.id());
        assert_eq!(reorganised.state.leaves(), fresh.state.leaves());
        assert_eq!(reorganised.state.tree().state_root(), fresh.state.tree().state_root());
        assert_eq!(reorganised.state.balance(&nobody(1)), Amount::ZERO);
    }
}

#[test]
fn block_64_halvings_and_a_zero_fee_block_at_subsidy_0_are_valid() {
    let mut chain = Chain::with_params(|params| {
        params.halving = 1;
        params.subsidy = Amount::from_pebbles(1 << 52).unwrap();
        params.allocations.truncate(3);
    });
    let mut root_without_money = None;
    for height in 1..=200_u64 {
        let before = chain.given_out();
        chain.grow(vec![]);
        assert_eq!(chain.given_out(), chain.spec.supply(Height::new(height)).pebbles());
        let minted = chain.given_out() - before;
        assert_eq!(minted, if height < 53 { (1 << 52) >> height } else { 0 }, "no subsidy comes back at {height}");
        if minted == 0 {
            let root = *root_without_money.get_or_insert(chain.state.tree().state_root());
            assert_eq!(chain.tip.header().state_root, root, "a reward of nothing changes nothing");
        }
    }
    // A fee is still worth mining for, and to somebody new the reward creates an account.
    let supply = chain.given_out();
    chain.grow(vec![chain.pay(0, address(7), 100, 9)]);
    assert_eq!(chain.given_out(), supply);
}

// The price of state

/// What one account costs on the easy network.
const PRICE: u64 = 1_000;

#[test]
fn a_reward_below_the_price_is_burned_and_creates_nothing() {
    let chain = Chain::with_params(|params| {
        params.subsidy = Amount::ZERO;
        params.allocations.retain(|(to, _)| *to != address(0));
    });
    let after = |fee| {
        let mut chain = chain.clone();
        let fees = if fee == 0 { vec![] } else { vec![chain.pay(1, address(2), 5, fee)] };
        chain.grow(fees);
        assert_eq!(chain.given_out(), chain.spec.supply(Height::new(1)).pebbles());
        let created = chain.state.leaves().len() - genesis_state(&chain.spec).leaves().len();
        (created, chain.burned, chain.state.balance(&address(0)).pebbles())
    };
    assert_eq!(after(0), (0, 0, 0));
    let nothing = chain.connect(chain.mine(vec![])).unwrap();
    assert!(nothing.change().leaves.is_empty(), "what was loaded and did not change is no change");
    assert_eq!(after(PRICE - 1), (0, PRICE - 1, 0));
    assert_eq!(after(PRICE), (0, PRICE, 0), "an account with nothing is not worth remembering");
    assert_eq!(after(PRICE + 1), (1, PRICE, 1), "the negative control");
    // Who has an account gets every pebble.
    let mut rich = Chain::with_params(|params| params.subsidy = Amount::ZERO);
    let had = rich.state.balance(&address(0)).pebbles();
    rich.grow(vec![rich.pay(1, address(2), 5, 1)]);
    assert_eq!((rich.burned, rich.state.balance(&address(0)).pebbles()), (0, had + 1));
}

#[test]
fn a_payment_with_too_little_for_the_price_of_its_accounts_is_refused() {
    let mut chain = Chain::easy();
    let start = chain.state.balance(&address(1)).pebbles();
    let pay = |chain: &Chain, amount, max_price| {
        chain.signed(1, |body| {
            body.outputs = to_outputs(&[(nobody(1), amount), (nobody(2), 1), (address(2), 1), (nobody(1), 1)]);
            body.max_price = Amount::from_pebbles(max_price).unwrap();
        })
    };
    // Two of four outputs create; one pebble less than their price is not enough, wherever it is missing.
    let most = start - 3 - 2 * PRICE;
    let above = ExecutionError::PriceAboveMax { price: 2 * PRICE, max_price: Amount::from_pebbles(1_999).unwrap() };
    let refused = run(&chain, vec![pay(&chain, most, 1_999)]);
    assert_eq!(refused, BlockError::Execution { index: 0, error: above });
    assert_eq!(refused.fault(), Fault::Proven);
    let short = ExecutionError::InsufficientBalance { balance: chain.state.balance(&address(1)), needed: start + 1 };
    assert_eq!(run(&chain, vec![pay(&chain, most + 1, 2_000)]), BlockError::Execution { index: 0, error: short });
    chain.grow(vec![pay(&chain, most, 2_000)]);
    assert_eq!((chain.state.balance(&address(1)), chain.burned), (Amount::ZERO, 2 * PRICE));
    assert_eq!(chain.given_out(), chain.spec.supply(Height::new(1)).pebbles());
}

#[test]
fn a_thousand_creations_burn_a_thousand_prices_and_are_taken_back_exactly() {
    let mut chain = Chain::with_params(|params| params.max_new_accounts = 1_024);
    let (before, start) = (chain.clone(), chain.state.balance(&address(1)).pebbles());
    let strangers: Vec<_> = (0..1_024).map(|n| (nobody(n), 1)).collect();
    let undo = chain.grow(vec![chain.signed(1, |body| body.outputs = to_outputs(&strangers))]);
    assert_eq!(chain.burned, 1_024 * PRICE);
    assert_eq!(chain.state.balance(&address(1)).pebbles(), start - 1_024 * (PRICE + 1));
    assert_eq!(chain.given_out(), chain.spec.supply(Height::new(1)).pebbles());
    // The same payment again creates nothing, and costs nothing for it.
    chain.grow(vec![chain.signed(1, |body| body.outputs = to_outputs(&strangers))]);
    assert_eq!(chain.burned, 1_024 * PRICE);
    let mut back = before.clone();
    back.push(before.mine(vec![before.signed(1, |body| body.outputs = to_outputs(&strangers))]));
    back.state.undo(&undo);
    assert_eq!(back.state.leaves(), before.state.leaves());
    assert_eq!(back.state.tree().state_root(), before.state.tree().state_root());
}

#[test]
fn creation_of_the_same_account_twice_in_a_block_is_paid_once_by_the_first() {
    let mut chain = Chain::easy();
    let (stranger, count) = (nobody(1), chain.state.leaves().len());
    let has = |chain: &Chain, n| chain.state.balance(&address(n)).pebbles();
    let (first, second) = (has(&chain, 1), has(&chain, 2));
    let free = chain.signed(2, |body| {
        body.outputs = to_outputs(&[(stranger, 5)]);
        body.max_price = Amount::ZERO;
    });
    // The order decides who pays: whoever signed for nothing cannot come first.
    let above = ExecutionError::PriceAboveMax { price: PRICE, max_price: Amount::ZERO };
    let wrong = run(&chain, vec![free.clone(), chain.pay(1, stranger, 5, 0)]);
    assert_eq!(wrong, BlockError::Execution { index: 0, error: above });
    chain.grow(vec![chain.pay(1, stranger, 5, 0), free]);
    assert_eq!((has(&chain, 1), has(&chain, 2)), (first - 5 - PRICE, second - 5));
    assert_eq!((chain.state.leaves().len(), chain.burned), (count + 1, PRICE));
    assert_eq!(chain.given_out(), chain.spec.supply(Height::new(1)).pebbles());
}

/// The price counts at the height of the block, so a signature bounds what a payment costs after an upgrade, too.
#[test]
fn a_price_that_an_upgrade_raised_is_not_paid_above_max_price() {
    let mut chain = Chain::easy();
    let upgrade = Upgrade {
        height: Height::new(3),
        name: String::from("dear"),
        max_block_bytes: None,
        max_new_accounts: None,
        account_price: Some(Amount::from_pebbles(PRICE + 1).unwrap()),
        feature: None,
    };
    chain.spec = chain.spec.clone().with_upgrades(vec![upgrade]).unwrap();
    chain.grow(vec![]);
    chain.grow(vec![chain.pay(1, nobody(1), 5, 0)]);
    let above = ExecutionError::PriceAboveMax { price: PRICE + 1, max_price: Amount::from_pebbles(PRICE).unwrap() };
    let late = run(&chain, vec![chain.pay(1, nobody(2), 5, 0)]);
    assert_eq!(late, BlockError::Execution { index: 0, error: above });
    chain.grow(vec![chain.signed(1, |body| body.outputs = to_outputs(&[(nobody(2), 5)]))]);
    assert_eq!(chain.burned, 2 * PRICE + 1);
}
