//! One transaction under a verified tip, and the same for keeping.

use super::{LightError, LightProof, LightRequest, MAX_LIGHT_PROOF_BYTES, VerifiedTip};
use crate::codec::{self, Decode, Encode};
use crate::merkle::{InclusionError, InclusionProof};
use crate::mmr::{MmrNode, MmrProof, MmrProofError};
use crate::pow::{CompactTarget, Work};
use crate::transaction::{MAX_TRANSACTION_BYTES, Transaction};
use crate::units::{Height, Timestamp};
use crate::{block::Header, chain_spec::ChainSpec, error::TxError, hash::BlockId, validate::check_transactions};

/// The longest proof of a transaction: the transaction, a header, and the two ways up.
pub const MAX_TRANSACTION_PROOF_BYTES: usize = MAX_TRANSACTION_BYTES + 8 * 1024;

/// A proof that a transaction is in a block, and that block at or below another.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct TransactionProof {
    /// The block's header.
    pub header: Header,
    /// The transaction.
    pub transaction: Transaction,
    /// Its way to the header's `txs_root`.
    pub inclusion: InclusionProof,
    /// The block's place below the other; `None` when it is that block.
    pub history: Option<BlockProof>,
}

/// That a block stands in the history of another.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct BlockProof {
    /// What its leaf says that the next block's target is. The leaf is hashed with it, so it is no claim.
    pub next_target: CompactTarget,
    /// Its way to the `history_root` of the block it stands below.
    pub siblings: MmrProof,
}

/// Why such a proof shows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the sentence of each error names its fields")]
pub enum TransactionProofError {
    /// The transaction is not in the block.
    #[error("the transaction is not in the block: {0}")]
    Inclusion(#[from] InclusionError),
    /// The transaction is invalid, whatever it is in.
    #[error("the transaction is invalid: {0}")]
    Transaction(TxError),
    /// Nothing was verified to prove it under.
    #[error("there is no verified tip")]
    NoTip,
    /// The block's target is none.
    #[error("got the target {got}, which is not the normal form of a target")]
    Target { got: CompactTarget },
    /// The block is not below the other.
    #[error("the block {got} is not on the chain: {error}")]
    History { got: BlockId, error: MmrProofError },
    /// The proof claims that the block is the one it is to stand below, and it is another.
    #[error("got the block {got}, expected {expected}")]
    OtherBlock { got: BlockId, expected: BlockId },
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
    /// The work of the blocks above it.
    pub work_above: Work,
}

impl TransactionProof {
    /// Reads a proof from its bytes.
    ///
    /// # Errors
    /// Refuses anything but the one encoding of a proof within its bounds.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, codec::DecodeError> {
        codec::decode(bytes, MAX_TRANSACTION_PROOF_BYTES)
    }

    /// Checks that the transaction is in a block of the chain that ends with `tip`, and that its sender signed it
    /// for the network of `spec`.
    ///
    /// # Errors
    /// Says why that is not shown.
    pub fn verify(&self, spec: &ChainSpec, tip: &VerifiedTip) -> Result<MinedAt, TransactionProofError> {
        // A root over transactions is a miner's word: nobody but full nodes looks at what is below it.
        check_transactions(&spec.genesis_id(), alloc::vec![self.transaction.clone()])
            .map_err(|(_, error)| TransactionProofError::Transaction(error))?;
        let under = tip.header_at(tip.height()).ok_or(TransactionProofError::NoTip)?;
        let (block, height, work_before) = self.place(under)?;
        let below = under.height.get().saturating_sub(height.get());
        let own = self.header.target.decode().map(|target| target.work()).unwrap_or_default();
        let up_to = if self.history.is_some() { work_before.checked_add(own) } else { Some(tip.total_work()) };
        let work_above = up_to.and_then(|up_to| tip.total_work().checked_sub(up_to)).unwrap_or_default();
        let confirmations = below.saturating_add(1);
        Ok(MinedAt { block, height, time: self.header.time, confirmations, work_above })
    }

    /// The block of the transaction, in or below the block `tip`: its id, its height, and the work of all before it,
    /// which is not reckoned where it is `tip` itself.
    fn place(&self, tip: &Header) -> Result<(BlockId, Height, Work), TransactionProofError> {
        self.inclusion.verify(&self.transaction.id(), &self.header.txs_root)?;
        let (block, height) = (self.header.id(), self.header.height);
        match &self.history {
            None if block != tip.id() => Err(TransactionProofError::OtherBlock { got: block, expected: tip.id() }),
            None => Ok((block, height, Work::ZERO)),
            Some(history) => {
                let target = self.header.target.decode();
                let target = target.map_err(|error| TransactionProofError::Target { got: error.got })?;
                // Block 0 has no transactions.
                let leaf = MmrNode::leaf(&self.header, &block, target.work(), history.next_target);
                let proven = history.siblings.verify(&leaf, height, tip.height.get(), &tip.history_root);
                let before = proven.map_err(|error| TransactionProofError::History { got: block, error })?;
                Ok((block, height, before))
            }
        }
    }
}

/// A transaction with all that proves it to somebody who holds nothing but the genesis id. The samples of its
/// light proof follow from its tip alone ([`LightRequest::of_tip`]), for there is nobody to ask for others.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
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
        let mined = self.transaction.verify(spec, &tip)?;
        Ok((tip, mined))
    }
}
