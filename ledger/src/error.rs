//! Broken rules: what a transaction, a header or a block did wrong, and whose fault that is.
//!
//! These types hold broken rules only. A failure of our own (a disk, a queue, a slice that was not
//! loaded) has other types, and so can never become somebody's penalty.

use crate::hash::{BlockId, Hash};
use crate::units::{Amount, Height, Timestamp};
use crate::{keys::Address, pow::CompactTarget};

/// What a broken rule proves about the bytes that broke it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// These very bytes can never be valid: their id may be remembered as invalid, their sender reported.
    Proven,
    /// The body is not the one its header commits to: the sender is at fault, the id is innocent and must
    /// not be remembered.
    Mutated,
    /// It cannot be judged yet: nobody's fault; it may be valid later.
    NotYet,
}

/// A transaction that is invalid in every context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the sentence of each error names its fields")]
pub enum TxError {
    /// Not version 1. Fault: proven.
    #[error("got version {got}, expected 1")]
    Version { got: u8 },
    /// Sent by the zero address. Fault: proven.
    #[error("the sender is the zero address")]
    ZeroSender,
    /// A nonce after which there is none. Fault: proven.
    #[error("the nonce is 2^64 - 1, which no account can reach")]
    LastNonce,
    /// No outputs. Fault: proven.
    #[error("got no outputs, expected 1 to 1024")]
    NoOutputs,
    /// An output of nothing. Fault: proven.
    #[error("output {output} has the amount 0, expected at least 1")]
    ZeroAmount { output: usize },
    /// An output to the zero address. Fault: proven.
    #[error("output {output} pays the zero address")]
    ZeroReceiver { output: usize },
    /// The signature does not verify. Fault: proven.
    #[error("the signature is not the sender's for this transaction on this network")]
    Signature,
}

impl TxError {
    /// What it proves: these bytes are invalid everywhere and for ever.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Version { .. }
            | Self::ZeroSender
            | Self::LastNonce
            | Self::NoOutputs
            | Self::ZeroAmount { .. }
            | Self::ZeroReceiver { .. }
            | Self::Signature => Fault::Proven,
        }
    }
}

/// A transaction that does not fit the accounts it meets. Inside a block this makes the block invalid; on
/// its own it may fit another state, so it proves nothing about whoever sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the sentence of each error names its fields")]
pub enum ExecutionError {
    /// The sender has no account.
    #[error("the sender {sender} has no account")]
    UnknownSender { sender: Address },
    /// Not the sender's next nonce.
    #[error("got nonce {got}, expected {expected}")]
    Nonce { got: u64, expected: u64 },
    /// Its last height has passed.
    #[error("valid until height {valid_until}, got height {height}")]
    Expired { valid_until: Height, height: Height },
    /// The accounts it creates cost more than its sender allows.
    #[error("the accounts it creates cost {price} pebbles, more than the max_price of {max_price} pebbles that was signed", max_price = .max_price.pebbles())]
    PriceAboveMax { price: u64, max_price: Amount },
    /// Less money than fee, amounts and the price of the accounts it creates: what is needed, in pebbles, may exceed
    /// any amount.
    #[error("the sender has {balance} CRN, expected at least {needed} pebbles for amounts, fee and new accounts")]
    InsufficientBalance { balance: Amount, needed: u64 },
    /// More new accounts than a block may create, those of this transaction included.
    #[error("got {got} new accounts in the block, expected at most {max}")]
    TooManyNewAccounts { got: u64, max: u64 },
    /// A balance above 2^53 − 1, which the supply does not allow.
    #[error("the balance of {address} would exceed the supply")]
    BalanceOverflow { address: Address },
}

/// A header that breaks a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the sentence of each error names its fields")]
pub enum HeaderError {
    /// Another version than the rules of its height have: it stands under upgrades that are not known here, or does not
    /// know those that are. Fault: not yet, as whoever sent it may only have been upgraded earlier or later.
    #[error(
        "got the version {got}, expected {expected}: the network has other upgrades than this program or its network \
         file knows, so update them; or the block is of somebody who has not updated"
    )]
    Version { got: u16, expected: u16 },
    /// Pays the zero address. Fault: proven.
    #[error("the beneficiary is the zero address")]
    ZeroBeneficiary,
    /// A target not in its normal form. Fault: proven.
    #[error("got the target {got}, which is not in normal form")]
    TargetForm { got: CompactTarget },
    /// A target easier than the network allows. Fault: proven.
    #[error("got the target {got}, expected at most {limit}")]
    TargetAboveLimit { got: CompactTarget, limit: CompactTarget },
    /// The id does not meet the target. Fault: proven.
    #[error("got the id {got}, which does not meet the target {target}")]
    Work { got: BlockId, target: CompactTarget },
    /// Judged against a block that is not its parent. Fault: not yet, the parent is to be found first.
    #[error("got the parent {got}, expected {expected}")]
    Parent { got: BlockId, expected: BlockId },
    /// Not one above the parent. Fault: proven.
    #[error("got height {got}, expected one more than {parent}")]
    Height { got: Height, parent: Height },
    /// Not the target the rule gives. Fault: proven.
    #[error("got the target {got}, expected {expected}")]
    Target { got: CompactTarget, expected: CompactTarget },
    /// Not later than the parent. Fault: proven.
    #[error("got the time {got}, expected later than the parent's {parent}")]
    TimeNotRising { got: Timestamp, parent: Timestamp },
    /// Too far ahead of this node's clock. Fault: not yet.
    #[error("got the time {got}, expected at most {limit}")]
    TimeAhead { got: Timestamp, limit: Timestamp },
    /// Commits to another history. Fault: proven.
    #[error("got the history root {got}, expected {expected}")]
    HistoryRoot { got: Hash, expected: Hash },
    /// The chain's work exceeds 256 bits. Fault: proven.
    #[error("the total work exceeds 256 bits")]
    WorkOverflow,
}

impl HeaderError {
    /// What it proves.
    pub fn fault(&self) -> Fault {
        match self {
            Self::ZeroBeneficiary
            | Self::TargetForm { .. }
            | Self::TargetAboveLimit { .. }
            | Self::Work { .. }
            | Self::Height { .. }
            | Self::Target { .. }
            | Self::TimeNotRising { .. }
            | Self::HistoryRoot { .. }
            | Self::WorkOverflow => Fault::Proven,
            Self::Parent { .. } | Self::TimeAhead { .. } | Self::Version { .. } => Fault::NotYet,
        }
    }
}

/// A block that breaks a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the sentence of each error names its fields")]
pub enum BlockError {
    /// Its header does. Fault: the header's.
    #[error("header: {0}")]
    Header(#[from] HeaderError),
    /// The body is not the header's. Fault: mutated, another copy may be right.
    #[error("got the transactions' root {got}, expected {expected}")]
    TxsRoot { got: Hash, expected: Hash },
    /// Too large. Fault: proven, as the header commits to this very body.
    #[error("got {got} bytes, expected at most {max}")]
    Size { got: usize, max: u64 },
    /// A transaction is invalid. Fault: proven.
    #[error("transaction {index}: {error}")]
    Transaction { index: usize, error: TxError },
    /// A transaction does not fit the accounts. Fault: proven.
    #[error("transaction {index}: {error}")]
    Execution { index: usize, error: ExecutionError },
    /// The beneficiary's balance would exceed the supply. Fault: proven.
    #[error("the reward would raise the balance of {address} above the supply")]
    RewardOverflow { address: Address },
    /// The accounts after it are not those of the header. Fault: proven.
    #[error("got the state root {got}, expected {expected}")]
    StateRoot { got: Hash, expected: Hash },
}

impl BlockError {
    /// What it proves.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Header(error) => error.fault(),
            Self::TxsRoot { .. } => Fault::Mutated,
            Self::Size { .. }
            | Self::Transaction { .. }
            | Self::Execution { .. }
            | Self::RewardOverflow { .. }
            | Self::StateRoot { .. } => Fault::Proven,
        }
    }
}
