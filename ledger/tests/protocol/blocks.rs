//! Each broken rule of a block, one mutation each.

use crate::support::{Chain, address, nobody, resealed, to_outputs, with_body};
use cairn_ledger::block::{Block, Body, encoded_transactions};
use cairn_ledger::codec::{BoundedBytes, encode};
use cairn_ledger::error::{BlockError, Fault, HeaderError, TxError};
use cairn_ledger::testing::{MemoryState, arbitrary_hash, checked};
use cairn_ledger::transaction::{MAX_MEMO_BYTES, Transaction};
use cairn_ledger::validate::{Candidate, CheckedBlock, OtherTransactions, check_candidates, match_body};
use cairn_ledger::{keys::Signature, schnorr::KeyCache, units::Amount};

fn refused(chain: &Chain, block: Block) -> (BlockError, Fault) {
    let error = chain.connect(block).unwrap_err();
    (error, error.fault())
}

fn some_block(chain: &Chain) -> Block {
    chain.mine(vec![chain.pay(1, address(2), 10, 1), chain.pay(2, nobody(1), 10, 1)])
}

#[test]
fn block_error_none_for_the_honest_block() {
    let chain = Chain::easy();
    let block = some_block(&chain);
    let connected = chain.connect(block.clone()).unwrap();
    assert_eq!(connected.block().to_block(), block);
    let mut body = Vec::new();
    connected.block().encode_body_onto(&mut body);
    assert_eq!(body, encode(&block.body));
}

#[test]
fn block_error_header() {
    let chain = Chain::easy();
    let mut block = some_block(&chain);
    block.header = resealed(&block.header, |header| header.version = 2);
    let expected = BlockError::Header(HeaderError::Version { got: 2, expected: 1 });
    assert_eq!(refused(&chain, block), (expected, Fault::NotYet));
    let mut poor = some_block(&chain);
    poor.header = resealed(&poor.header, |header| header.beneficiary = cairn_ledger::keys::Address::ZERO);
    let expected = BlockError::Header(HeaderError::ZeroBeneficiary);
    assert_eq!(refused(&chain, poor), (expected, Fault::Proven));
    let mut orphan = some_block(&chain);
    orphan.header = resealed(&orphan.header, |header| header.parent = cairn_ledger::hash::BlockId::ZERO);
    assert_eq!(refused(&chain, orphan).1, Fault::NotYet, "a block's fault is its header's");
}

#[test]
fn block_error_txs_root() {
    let chain = Chain::easy();
    let block = some_block(&chain);
    let transactions = block.body.to_vec();
    let mut resigned = transactions.clone();
    resigned[0].signature = Signature::from_bytes([3; 64]);
    for list in [vec![], transactions[1..].to_vec(), vec![transactions[1].clone(), transactions[0].clone()], resigned] {
        let altered = Block { body: Body::new(list).unwrap(), ..block.clone() };
        let (error, fault) = refused(&chain, altered);
        assert!(matches!(error, BlockError::TxsRoot { expected, .. } if expected == block.header.txs_root));
        assert_eq!(fault, Fault::Mutated);
    }
    assert!(chain.connect(block).is_ok());
}

/// Four transactions that fill a block of 42 000 bytes to the last byte, plus `more` bytes of memo.
fn filling(chain: &Chain, more: usize) -> Vec<Transaction> {
    let memo = |len: usize| BoundedBytes::<MAX_MEMO_BYTES>::new(vec![b'm'; len]).unwrap();
    let many: Vec<_> = (0..1_024).map(|_| (address(5), 1)).collect();
    let first = chain.signed(1, |body| body.outputs = to_outputs(&many));
    let rest = 42_000 - 198 - first.size() - 3 * 185;
    vec![first, chain.signed(2, |body| body.memo = memo(rest + more)), chain.signed(3, |_| ()), chain.signed(4, |_| ())]
}

#[test]
fn block_error_size() {
    let chain = Chain::with_params(|params| params.max_block_bytes = 42_000);
    let full = chain.mine(filling(&chain, 0));
    assert_eq!(full.size(), 42_000);
    assert!(chain.connect(full).is_ok(), "the limit counts all of the block and is allowed");
    let larger = chain.mine(filling(&chain, 1));
    let error = BlockError::Size { got: 42_001, max: 42_000 };
    assert_eq!(refused(&chain, larger.clone()), (error, Fault::Proven));
    let linked = chain.link(larger.header.clone()).unwrap();
    let candidates = larger.body.iter().cloned().map(Candidate::new).collect();
    assert_eq!(match_body(&chain.spec, linked, candidates).err(), Some(error));
}

#[test]
fn a_block_is_put_together_from_its_own_transactions_alone() {
    let chain = Chain::easy();
    let block = some_block(&chain);
    let linked = chain.link(block.header.clone()).unwrap();
    let candidates = block.body.iter().cloned().map(Candidate::new).collect();
    let (header, candidates) = match_body(&chain.spec, linked, candidates).unwrap();
    let own = check_candidates(&mut KeyCache::new(8), &chain.spec.genesis_id(), candidates).unwrap();
    let other = checked(&chain.spec, vec![chain.pay(3, address(2), 10, 1)]);
    for wrong in [vec![], vec![own[1].clone(), own[0].clone()], [own.clone(), other].concat()] {
        assert_eq!(CheckedBlock::assemble(header.clone(), wrong).err(), Some(OtherTransactions));
    }
    assert_eq!(CheckedBlock::assemble(header, own).unwrap().to_block(), block);
}

/// What was checked before is not checked again, and counts in its place.
#[test]
fn known_transactions_stand_among_new_ones() {
    let chain = Chain::easy();
    let genesis_id = chain.spec.genesis_id();
    let good = chain.pay(1, address(2), 10, 1);
    let known = Candidate::Known(checked(&chain.spec, vec![good.clone()]).remove(0));
    let bad = Transaction { signature: Signature::from_bytes([3; 64]), ..good.clone() };
    let mut keys = KeyCache::new(8);
    let verdict = check_candidates(&mut keys, &genesis_id, vec![known.clone(), Candidate::new(bad)]);
    assert_eq!(verdict.err(), Some((1, TxError::Signature)));
    let all = check_candidates(&mut keys, &genesis_id, vec![known, Candidate::new(good.clone())]).unwrap();
    assert!(all.iter().all(|checked| checked.txid() == good.id()));
}

/// An altered body must never speak against the block, however large it was made.
#[test]
fn an_oversized_altered_body_is_mutated_not_proven() {
    let chain = Chain::with_params(|params| params.max_block_bytes = 42_000);
    let honest = some_block(&chain);
    let stuffed = Block { body: Body::new(filling(&chain, 1)).unwrap(), ..honest.clone() };
    assert!(stuffed.size() > 42_000);
    let (error, fault) = refused(&chain, stuffed);
    assert!(matches!(error, BlockError::TxsRoot { .. }));
    assert_eq!(fault, Fault::Mutated);
    assert!(chain.connect(honest).is_ok());
}

#[test]
fn block_error_transaction() {
    let chain = Chain::easy();
    let mut transactions = some_block(&chain).body.to_vec();
    transactions[1].signature = Signature::from_bytes([3; 64]);
    let block = with_body(&some_block(&chain), transactions);
    let expected = BlockError::Transaction { index: 1, error: TxError::Signature };
    assert_eq!(refused(&chain, block), (expected, Fault::Proven), "the header commits to this very signature");
}

#[test]
fn block_error_execution() {
    let chain = Chain::easy();
    let spend = chain.pay(1, address(2), 10, 1);
    let block = with_body(&some_block(&chain), vec![spend.clone(), spend]);
    let (error, fault) = refused(&chain, block);
    assert!(matches!(error, BlockError::Execution { index: 1, .. }), "{error:?}");
    assert_eq!(fault, Fault::Proven);
}

#[test]
fn block_error_reward_overflow() {
    // No chain can come here: the state is made up.
    let mut chain = Chain::easy();
    let block = chain.mine(vec![]);
    let mut leaves = chain.state.leaves().to_vec();
    let subsidy = chain.spec.subsidy(block.header.height);
    let miner = leaves.iter_mut().find(|leaf| leaf.address == address(0)).unwrap();
    miner.account.balance = Amount::MAX.checked_sub(subsidy).unwrap();
    chain.state = MemoryState::from_leaves(leaves.clone());
    assert!(chain.connect(chain.mine(vec![])).is_ok(), "exactly 2^53 - 1 is allowed");
    let miner = leaves.iter_mut().find(|leaf| leaf.address == address(0)).unwrap();
    miner.account.balance = Amount::MAX;
    chain.state = MemoryState::from_leaves(leaves);
    let expected = BlockError::RewardOverflow { address: address(0) };
    assert_eq!(refused(&chain, block), (expected, Fault::Proven));
}

#[test]
fn block_error_state_root() {
    let chain = Chain::easy();
    let mut block = some_block(&chain);
    let expected = arbitrary_hash(1);
    let got = block.header.state_root;
    block.header = resealed(&block.header, |header| header.state_root = expected);
    assert_eq!(refused(&chain, block), (BlockError::StateRoot { got, expected }, Fault::Proven));
}

#[test]
fn transactions_that_are_not_decoded_are_those_of_the_block_and_end_with_it() {
    let chain = Chain::easy();
    let memo = |body: &mut cairn_ledger::TransactionBody| {
        body.memo = BoundedBytes::new(vec![7; MAX_MEMO_BYTES]).expect("the longest");
        body.outputs = to_outputs(&[(nobody(1), 5), (nobody(2), 6)]);
    };
    let block =
        chain.mine(vec![chain.pay(1, address(2), 10, 1), chain.signed(3, memo), chain.pay(2, nobody(1), 10, 9)]);
    let bytes = encode(&block.body);
    let found = encoded_transactions(&bytes).expect("a body");
    let decoded = found.iter().map(|one| Transaction::from_bytes(one.bytes).expect("a transaction"));
    assert!(decoded.eq(block.body.iter().cloned()));
    assert!(found.iter().map(|one| one.fee).eq(block.body.iter().map(|transaction| transaction.body.fee)));
    for end in 0..bytes.len() {
        assert!(encoded_transactions(&bytes[..end]).is_none(), "cut at {end}");
    }
    assert!(encoded_transactions(&[&bytes[..], &[0]].concat()).is_none(), "more than its transactions");
    let none = chain.mine(vec![]);
    assert_eq!(encoded_transactions(&encode(&none.body)), Some(Vec::new()));
}
