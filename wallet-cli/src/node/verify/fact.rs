//! What is proven, and what a node says: two types, so that the second never decides where the first is needed; and the
//! facts themselves.

use cairn_ledger::{Amount, BlockId, TxId};
use cairn_rpc::{Text, TxState, TxStatus};

/// A fact that this wallet checked itself, against the work of the chain. Only this module's neighbours make one, or
/// the owner's own word that a node is to be believed ([`Claimed::believe`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proven<T>(T);

impl<T> Proven<T> {
    /// What was checked.
    pub(super) const fn new(fact: T) -> Self {
        Self(fact)
    }

    /// The fact.
    pub const fn get(&self) -> &T {
        &self.0
    }

    /// A fact without a chain to check it against.
    #[cfg(test)]
    pub(crate) const fn for_test(fact: T) -> Self {
        Self(fact)
    }
}

/// What a node says: to be shown as its word, to choose what to try first, never to decide that a payment is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claimed<T>(T);

impl<T> Claimed<T> {
    /// What it says.
    pub const fn new(claim: T) -> Self {
        Self(claim)
    }

    /// The words, to be shown as such.
    pub const fn get(&self) -> &T {
        &self.0
    }

    /// Takes a node's word for a proof, because the owner said so.
    pub fn believe(self, _owner: TrustNode) -> Proven<T> {
        Proven(self.0)
    }
}

/// The owner's word that the node is to be believed: the option `--trust-node`, and nothing else.
#[derive(Clone, Copy, Debug)]
pub struct TrustNode(());

impl TrustNode {
    /// The word, when the option was given.
    pub fn of(option: bool) -> Option<Self> {
        option.then_some(Self(()))
    }
}

/// The sender's account at a tip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The tip's height.
    pub height: u64,
    /// The first nonce that is not mined.
    pub nonce: u64,
    /// The first nonce that is not mined in a block that is buried: below it nothing changes any more.
    pub settled: u64,
    /// The money.
    pub balance: Amount,
    /// Whether this wallet has proven no chain with more work: an older tip, or a branch that was left, closes nothing.
    pub newest: bool,
}

/// Where a payment was mined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mined {
    /// The block.
    pub block: BlockId,
    /// Its height.
    pub height: u64,
    /// From that block to the tip, both counted.
    pub confirmations: u64,
}

impl Mined {
    /// The same as a node would say it.
    pub fn status(&self, txid: TxId) -> TxStatus {
        let Self { block, height, confirmations } = *self;
        let (block, height) = (Some(Text(block)), Some(height));
        TxStatus { txid: Text(txid), state: TxState::Mined, block, height, confirmations, reason: None }
    }
}
