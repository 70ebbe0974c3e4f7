//! Blocks on the tip, complete but for their nonce.

use cairn_ledger::{
    block::{Body, Header},
    units::{Amount, Timestamp},
    validate::CheckedTransaction,
};

/// A block on the tip, complete but for its nonce.
#[derive(Clone, Debug)]
pub struct Template {
    /// The header, with nonce 0.
    pub header: Header,
    /// The transactions that are in it.
    pub transactions: Vec<CheckedTransaction>,
    /// Their fees together.
    pub fees: Amount,
    /// The earliest acceptable `now` for this header: before it, nodes would call the block early.
    pub not_before: Timestamp,
}

impl Template {
    /// The body to send with the sealed header.
    pub fn body(&self) -> Body {
        let transactions = self.transactions.iter().map(|checked| checked.transaction().clone());
        Body::new(transactions.collect()).unwrap_or_default()
    }
}
