//! The encoder against the layouts of docs/protocol.md, written out by hand: what crosses the wire and what
//! is hashed are the same bytes.

use crate::support::{self, body, nobody, to_outputs};
use cairn_ledger::accounts::{Account, AccountProof, Leaf, UndoRecord};
use cairn_ledger::block::{Block, Body, Header};
use cairn_ledger::codec::{self, BoundedBytes, BoundedVec};
use cairn_ledger::hash::{BlockId, Hash, sha256};
use cairn_ledger::keys::{Address, Signature};
use cairn_ledger::mmr::MmrNode;
use cairn_ledger::pow::{CompactTarget, Work};
use cairn_ledger::testing::{arbitrary_hash, key, pebbles};
use cairn_ledger::transaction::{MAX_OUTPUTS, Transaction};
use cairn_ledger::units::{Height, Timestamp};
use proptest::prelude::*;

/// `T(tag, message)` from its definition.
pub fn tagged(tag: &str, message: &[u8]) -> Hash {
    let digest = sha256(&[tag.as_bytes()]);
    sha256(&[digest.as_bytes(), digest.as_bytes(), message])
}

pub fn transaction_body(transaction: &Transaction) -> Vec<u8> {
    let body = &transaction.body;
    let mut bytes = vec![body.version];
    bytes.extend(body.sender.as_bytes());
    bytes.extend(body.nonce.to_le_bytes());
    bytes.extend(body.fee.pebbles().to_le_bytes());
    bytes.extend(body.max_price.pebbles().to_le_bytes());
    bytes.extend(body.valid_until.get().to_le_bytes());
    bytes.extend((body.outputs.len() as u64).to_le_bytes());
    for output in body.outputs.iter() {
        bytes.extend(output.to.as_bytes());
        bytes.extend(output.amount.pebbles().to_le_bytes());
    }
    bytes.extend((body.memo.len() as u64).to_le_bytes());
    bytes.extend(body.memo.iter());
    bytes
}

pub fn transaction(transaction: &Transaction) -> Vec<u8> {
    [transaction_body(transaction), transaction.signature.as_bytes().to_vec()].concat()
}

pub fn header_without_nonce(header: &Header) -> Vec<u8> {
    let mut bytes = header.version.to_le_bytes().to_vec();
    bytes.extend(header.height.get().to_le_bytes());
    bytes.extend(header.parent.as_bytes());
    bytes.extend(header.time.millis().to_le_bytes());
    bytes.extend(header.target.bits().to_le_bytes());
    bytes.extend(header.beneficiary.as_bytes());
    bytes.extend(header.txs_root.as_bytes());
    bytes.extend(header.state_root.as_bytes());
    bytes.extend(header.history_root.as_bytes());
    bytes
}

pub fn header(header: &Header) -> Vec<u8> {
    [header_without_nonce(header), header.nonce.to_le_bytes().to_vec()].concat()
}

pub fn block(block: &Block) -> Vec<u8> {
    let mut bytes = header(&block.header);
    bytes.extend((block.body.len() as u64).to_le_bytes());
    bytes.extend(block.body.iter().flat_map(transaction));
    bytes
}

pub fn leaf(leaf: &Leaf) -> Vec<u8> {
    let mut bytes = leaf.address.as_bytes().to_vec();
    bytes.extend(leaf.next.as_bytes());
    bytes.extend(leaf.account.balance.pebbles().to_le_bytes());
    bytes.extend(leaf.account.nonce.to_le_bytes());
    bytes
}

fn some_leaf(n: u64) -> Leaf {
    Leaf { address: nobody(n), next: nobody(n + 1), account: Account { balance: pebbles(n), nonce: n + 7 } }
}

#[test]
fn stored_and_proven_objects_have_their_layouts() {
    assert_eq!(codec::encode(&some_leaf(3)), leaf(&some_leaf(3)));
    assert_eq!(leaf(&some_leaf(3)).len(), 80);

    let undo = UndoRecord { count: 9, leaves: BoundedVec::new(vec![(2, some_leaf(1)), (5, some_leaf(2))]).unwrap() };
    let mut expected = [9_u64.to_le_bytes(), 2_u64.to_le_bytes()].concat();
    for (index, some) in undo.leaves.iter() {
        expected.extend(index.to_le_bytes());
        expected.extend(leaf(some));
    }
    assert_eq!(codec::encode(&undo), expected);

    let path = BoundedVec::new(vec![arbitrary_hash(1), arbitrary_hash(2)]).unwrap();
    let proof = AccountProof { count: 3, index: 1, leaf: some_leaf(4), path };
    let mut expected = [3_u64.to_le_bytes(), 1_u64.to_le_bytes()].concat();
    expected.extend(leaf(&proof.leaf));
    expected.extend(2_u64.to_le_bytes());
    expected.extend(proof.path.iter().flat_map(|hash| *hash.as_bytes()));
    assert_eq!(codec::encode(&proof), expected);

    let node = MmrNode {
        hash: arbitrary_hash(1),
        work: Work::from_u64(0x0102),
        last_time: Timestamp::from_millis(0x0304),
        first_target: CompactTarget::from_bits(0x0506_0708),
        next_target: CompactTarget::from_bits(0x090a_0b0c),
    };
    let mut expected = node.hash.as_bytes().to_vec();
    expected.extend([0; 30]);
    // Work is big-endian, as it is hashed.
    expected.extend([1, 2]);
    expected.extend([4, 3, 0, 0, 0, 0, 0, 0]);
    expected.extend([8, 7, 6, 5, 12, 11, 10, 9]);
    assert_eq!((codec::encode(&node).len(), codec::encode(&node)), (80, expected));
}

/// An earlier `size` took a transaction without outputs for one with one output.
#[test]
fn size_of_a_transaction_without_outputs() {
    let mut body = body(&key(1), 0, &[]);
    for count in [0, 1, 2, MAX_OUTPUTS] {
        body.outputs = to_outputs(&vec![(nobody(1), 5); count]);
        let signed = Transaction { body: body.clone(), signature: Signature::from_bytes([1; 64]) };
        assert_eq!(signed.size(), codec::encode(&signed).len(), "{count} outputs");
    }
}

fn any_transaction() -> impl Strategy<Value = Transaction> {
    let outputs = proptest::collection::vec((any::<[u8; 32]>(), 0_u64..1 << 53), 0..6);
    let memo = proptest::collection::vec(any::<u8>(), 0..257);
    let numbers = (any::<u8>(), any::<u64>(), 0_u64..1 << 53, any::<u64>(), 0_u64..1 << 53);
    (numbers, any::<[u8; 32]>(), outputs, memo, any::<[u8; 32]>()).prop_map(|(numbers, sender, outputs, memo, r)| {
        let outputs: Vec<_> = outputs.into_iter().map(|(to, amount)| (Address::from_bytes(to), amount)).collect();
        let mut body = body(&key(1), numbers.1, &outputs);
        (body.version, body.sender) = (numbers.0, Address::from_bytes(sender));
        (body.fee, body.valid_until, body.max_price) = (pebbles(numbers.2), Height::new(numbers.3), pebbles(numbers.4));
        body.memo = BoundedBytes::new(memo).unwrap();
        Transaction { body, signature: Signature::from_bytes([r, sender].concat().try_into().unwrap()) }
    })
}

fn any_header() -> impl Strategy<Value = Header> {
    let numbers = (any::<u16>(), any::<u64>(), any::<u64>(), any::<u32>(), any::<u64>());
    (numbers, any::<[[u8; 32]; 5]>()).prop_map(|((version, height, time, target, nonce), hashes)| Header {
        version,
        height: Height::new(height),
        parent: BlockId::from_bytes(hashes[0]),
        time: Timestamp::from_millis(time),
        target: CompactTarget::from_bits(target),
        beneficiary: Address::from_bytes(hashes[1]),
        txs_root: Hash::from_bytes(hashes[2]),
        state_root: Hash::from_bytes(hashes[3]),
        history_root: Hash::from_bytes(hashes[4]),
        nonce,
    })
}

proptest! {
    #![proptest_config(support::cases(128))]

    #[test]
    fn transactions_have_their_layout(signed in any_transaction(), genesis in any::<[u8; 32]>()) {
        let bytes = transaction(&signed);
        prop_assert_eq!(codec::encode(&signed), bytes.clone());
        prop_assert_eq!(signed.size(), bytes.len());
        prop_assert_eq!(Hash::from_bytes(*signed.id().as_bytes()), tagged("cairn/txid", &bytes));
        let message = [&genesis[..], &transaction_body(&signed)].concat();
        prop_assert_eq!(signed.body.sighash(&BlockId::from_bytes(genesis)), tagged("cairn/tx", &message));
        prop_assert_eq!(Transaction::from_bytes(&bytes), Ok(signed));
    }

    #[test]
    fn headers_have_their_layout(some in any_header()) {
        let bytes = header(&some);
        prop_assert_eq!(bytes.len(), 190);
        prop_assert_eq!(codec::encode(&some), bytes.clone());
        let seal = tagged("cairn/seal", &header_without_nonce(&some));
        prop_assert_eq!(Hash::from_bytes(*some.seal().as_bytes()), seal);
        let attempt = sha256(&[sha256(&[seal.as_bytes(), &some.nonce.to_le_bytes()]).as_bytes()]);
        prop_assert_eq!(Hash::from_bytes(*some.id().as_bytes()), attempt);
        prop_assert_eq!(Header::from_bytes(&bytes), Ok(some));
    }

    #[test]
    fn blocks_have_their_layout(header in any_header(), list in proptest::collection::vec(any_transaction(), 0..4)) {
        let some = Block { header, body: Body::new(list).unwrap() };
        let bytes = block(&some);
        prop_assert_eq!(codec::encode(&some), bytes.clone());
        prop_assert_eq!(some.size(), bytes.len());
        prop_assert_eq!(Block::from_bytes(&bytes), Ok(some));
    }
}
