//! One transaction under a verified tip, and the same for keeping.

use super::{LightError, LightProof, LightRequest, MAX_LIGHT_PROOF_BYTES, VerifiedTip};
use crate::{
    block::Header,
    chain_spec::ChainSpec,
    codec::{self, Decode, Encode},
    hash::BlockId,
    history::{HistoryProof, HistoryProofError, Node},
    merkle::{InclusionError, InclusionProof},
    pow::CompactTarget,
    transaction::{MAX_TRANSACTION_BYTES, Transaction},
    units::{Height, Timestamp},
};

/// The longest proof of a transaction: the transaction, a header, and the two ways up.
pub const MAX_TRANSACTION_PROOF_BYTES: usize = MAX_TRANSACTION_BYTES + 8 * 1024;

/// A proof that a transaction is in a block, and that block at or below another.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[bincode(crate = "crate::codec::bincode")]
pub struct TransactionProof {
    /// The block's header.
    pub header: Header,
    /// The transaction.
    pub transaction: Transaction,
    /// Its way to the header's `txs_root`.
    pub inclusion: InclusionProof,
    /// The block's way to the `history_root` of the block it stands below; `None` when it is that block.
    pub history: Option<HistoryProof>,
}

/// Why such a proof shows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransactionProofError {
    /// The transaction is not in the block.
    #[error("the transaction is not in the block: {0}")]
    Inclusion(#[from] InclusionError),
    /// The block's target is none.
    #[error("got the target {got}, which is not the normal form of a target")]
    Target {
        /// The value.
        got: CompactTarget,
    },
    /// The block is not below the other.
    #[error("the block {got} is not on the chain: {error}")]
    History {
        /// The block.
        got: BlockId,
        /// Why.
        error: HistoryProofError,
    },
    /// The proof claims that the block is the one it is to stand below, and it is another.
    #[error("got the block {got}, expected {expected}")]
    OtherBlock {
        /// The block.
        got: BlockId,
        /// The one it is claimed to be.
        expected: BlockId,
    },
}

/// Where a proven transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinedAt {
    /// The block.
    pub block: BlockId,
    /// Its height.
    pub height: Height,
    /// When its miner says it was made.
    pub time: Timestamp,
    /// Blocks from it to the one it was proven under, both counted.
    pub confirmations: u64,
}

impl TransactionProof {
    /// Reads a proof from its bytes.
    ///
    /// # Errors
    /// Refuses anything but the one encoding of a proof within its bounds.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, codec::DecodeError> {
        codec::decode(bytes, MAX_TRANSACTION_PROOF_BYTES)
    }

    /// Checks that the transaction is in a block of the chain that ends with `tip`, a header that was
    /// verified.
    ///
    /// # Errors
    /// Says why that is not shown.
    pub fn verify(&self, tip: &Header) -> Result<MinedAt, TransactionProofError> {
        self.inclusion.verify(&self.transaction.id(), &self.header.txs_root)?;
        let (block, height) = (self.header.id(), self.header.height);
        match &self.history {
            None if block != tip.id() => {
                return Err(TransactionProofError::OtherBlock { got: block, expected: tip.id() });
            }
            None => {}
            Some(history) => {
                let target = self.header.target.decode();
                let target = target.map_err(|error| TransactionProofError::Target { got: error.got })?;
                let leaf = Node::leaf(&block, target.work());
                let proven = history.verify(&leaf, height, tip.height.get(), &tip.history_root);
                proven.map_err(|error| TransactionProofError::History { got: block, error })?;
            }
        }
        let below = tip.height.get().saturating_sub(height.get());
        Ok(MinedAt { block, height, time: self.header.time, confirmations: below.saturating_add(1) })
    }
}

/// A transaction with all that proves it to somebody who holds nothing but the genesis id. The samples of its
/// light proof follow from its tip alone ([`LightRequest::of_tip`]), for there is nobody to ask for others.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[bincode(crate = "crate::codec::bincode")]
pub struct Receipt {
    /// The tip it stands under.
    pub tip: BlockId,
    /// The tip's proof.
    pub light: LightProof,
    /// The transaction, under that tip.
    pub transaction: TransactionProof,
}

/// Why a receipt proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// The chain.
    #[error("the chain is not proven: {0}")]
    Light(#[from] LightError),
    /// The transaction.
    #[error("the payment is not proven: {0}")]
    Transaction(#[from] TransactionProofError),
}

impl Receipt {
    /// The longest receipt that is looked at.
    pub const MAX_BYTES: usize = MAX_LIGHT_PROOF_BYTES + MAX_TRANSACTION_PROOF_BYTES + 32;

    /// Reads a receipt from its bytes.
    ///
    /// # Errors
    /// Refuses anything but the one encoding of a receipt within its bounds.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, codec::DecodeError> {
        codec::decode(bytes, Self::MAX_BYTES)
    }

    /// Checks everything against the genesis of `spec`, at the moment `now`.
    ///
    /// # Errors
    /// Says what is not proven.
    pub fn verify(&self, spec: &ChainSpec, now: Timestamp) -> Result<(VerifiedTip, MinedAt), ReceiptError> {
        let tip = self.light.verify(spec, &LightRequest::of_tip(self.tip), now)?;
        let header = tip.header_at(tip.height()).ok_or(LightError::Tip { got: None, expected: self.tip })?;
        let mined = self.transaction.verify(header)?;
        Ok((tip, mined))
    }
}
