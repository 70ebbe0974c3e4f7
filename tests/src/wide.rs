//! Payments that take as much room as they may, for chains of many bytes and few blocks.

use cairn_ledger::testing::{key, payment, pebbles};
use cairn_ledger::transaction::{MAX_OUTPUTS, Output, Transaction};
use cairn_ledger::{chain_spec::ChainSpec, codec::BoundedVec, keys::Address};

/// More than a pebble for each byte of the largest transaction.
const FEE: u64 = 50_000;

/// A payment of the n-th test key that makes as many accounts as it has outputs, of which there are as many as can be.
///
/// # Panics
/// Never: the list has as many outputs as it may.
pub fn founding_payment(spec: &ChainSpec, sender: u64, nonce: u64) -> Transaction {
    let from = key(sender);
    let price = spec.params().account_price.pebbles();
    let mut body = payment(spec, &from, nonce, key(0).address(), 1, FEE).body;
    body.max_price = pebbles(price * MAX_OUTPUTS as u64);
    let found = |n: usize| Output { to: stranger(sender, nonce, n), amount: pebbles(price + 1) };
    body.outputs = BoundedVec::new((0..MAX_OUTPUTS).map(found).collect()).expect("no more than fit");
    body.sign(&from, &spec.genesis_id(), &[7; 32])
}

/// An address of nobody.
fn stranger(sender: u64, nonce: u64, n: usize) -> Address {
    let numbers = [sender + 1, nonce, n as u64, 7].map(u64::to_le_bytes).concat();
    Address::from_bytes(numbers.try_into().expect("32 bytes"))
}

/// A payment of the n-th test key, of as many outputs as there can be: 40 KiB.
///
/// # Panics
/// Never: the list has as many outputs as it may.
pub fn wide_payment(spec: &ChainSpec, sender: u64, nonce: u64) -> Transaction {
    let (from, to) = (key(sender), key(0).address());
    let mut body = payment(spec, &from, nonce, to, 1, FEE).body;
    body.outputs = BoundedVec::new(vec![Output { to, amount: pebbles(1) }; MAX_OUTPUTS]).expect("no more than fit");
    body.sign(&from, &spec.genesis_id(), &[7; 32])
}
