//! Payments that take as much room as they may, for chains of many bytes and few blocks.

use cairn_ledger::{
    chain_spec::ChainSpec,
    codec::BoundedVec,
    testing::{key, payment, pebbles},
    transaction::{MAX_OUTPUTS, Output, Transaction},
};

/// More than a pebble for each byte of the largest transaction.
const FEE: u64 = 50_000;

/// A payment of the n-th test key to as many receivers as there can be: about 28 KiB.
///
/// # Panics
/// Never: the list has as many outputs as it may.
pub fn wide_payment(spec: &ChainSpec, sender: u64, nonce: u64) -> Transaction {
    let from = key(sender);
    let mut body = payment(spec, &from, nonce, key(0).address(), 1, FEE).body;
    let output = |n: usize| Output { to: key(n as u64 % 10).address(), amount: pebbles(1) };
    body.outputs = BoundedVec::new((0..MAX_OUTPUTS).map(output).collect()).expect("no more than fit");
    body.sign(&from, &spec.genesis_id(), &[7; 32])
}
