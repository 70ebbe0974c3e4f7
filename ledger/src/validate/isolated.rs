//! Linked → checked: a body against its header, and transactions by themselves.

use super::header::LinkedHeader;
use crate::{
    block::{Body, block_size},
    chain_spec::ChainSpec,
    error::{BlockError, TxError},
    hash::{BlockId, TxId},
    keys::Address,
    merkle::txs_root,
    schnorr,
    transaction::{TRANSACTION_VERSION, Transaction},
};
use alloc::{sync::Arc, vec::Vec};

/// A transaction with valid structure and signature. Cloning shares it.
#[derive(Clone, Debug)]
pub struct CheckedTransaction(Arc<Checked>);

#[derive(Debug)]
struct Checked {
    transaction: Transaction,
    txid: TxId,
}

impl CheckedTransaction {
    /// The transaction.
    pub fn transaction(&self) -> &Transaction {
        &self.0.transaction
    }

    /// Its id.
    pub fn txid(&self) -> TxId {
        self.0.txid
    }
}

impl PartialEq for CheckedTransaction {
    fn eq(&self, other: &Self) -> bool {
        self.0.txid == other.0.txid
    }
}

impl Eq for CheckedTransaction {}

/// Checks transactions by themselves: structure first, then all signatures as one batch.
///
/// # Errors
/// The place of the first transaction with a wrong structure, or else of the first with a signature that
/// does not verify, and what is wrong with it.
pub fn check_transactions(
    genesis_id: &BlockId,
    transactions: Vec<Transaction>,
) -> Result<Vec<CheckedTransaction>, (usize, TxError)> {
    for (index, transaction) in transactions.iter().enumerate() {
        check_structure(transaction).map_err(|error| (index, error))?;
    }
    let batch: Vec<_> = transactions
        .iter()
        .map(|transaction| (transaction.body.sender, transaction.body.sighash(genesis_id), transaction.signature))
        .collect();
    schnorr::verify_batch(&batch).map_err(|index| (index, TxError::Signature))?;
    let checked = transactions.into_iter().map(|transaction| {
        let txid = transaction.id();
        CheckedTransaction(Arc::new(Checked { transaction, txid }))
    });
    Ok(checked.collect())
}

/// The rules for a transaction that need neither state nor cryptography.
fn check_structure(transaction: &Transaction) -> Result<(), TxError> {
    let body = &transaction.body;
    if body.version != TRANSACTION_VERSION {
        return Err(TxError::Version { got: body.version });
    }
    if body.sender == Address::ZERO {
        return Err(TxError::ZeroSender);
    }
    if body.nonce == u64::MAX {
        return Err(TxError::LastNonce);
    }
    if body.outputs.is_empty() {
        return Err(TxError::NoOutputs);
    }
    for (output, payment) in body.outputs.iter().enumerate() {
        if payment.amount == crate::units::Amount::ZERO {
            return Err(TxError::ZeroAmount { output });
        }
        if payment.to == Address::ZERO {
            return Err(TxError::ZeroReceiver { output });
        }
    }
    Ok(())
}

/// A linked header with the body it commits to; the transactions are not checked yet.
#[derive(Clone, Debug)]
pub struct MatchedBlock {
    header: LinkedHeader,
    body: Body,
    txids: Vec<TxId>,
}

/// Matches a body to its header: the transactions' root, then the size.
///
/// The root comes first: what differs from the header was altered by whoever sent it and says nothing
/// about the block. Only a body that *is* the header's can make the block invalid by its size.
///
/// # Errors
/// [`BlockError::TxsRoot`] (mutated) or [`BlockError::Size`] (proven).
pub fn match_body(spec: &ChainSpec, header: LinkedHeader, body: Body) -> Result<MatchedBlock, BlockError> {
    let txids: Vec<TxId> = body.iter().map(Transaction::id).collect();
    let (got, expected) = (txs_root(&txids), header.header().txs_root);
    if got != expected {
        return Err(BlockError::TxsRoot { got, expected });
    }
    let (got, max) = (block_size(&body), spec.params().max_block_bytes);
    if got as u64 > max {
        return Err(BlockError::Size { got, max });
    }
    Ok(MatchedBlock { header, body, txids })
}

impl MatchedBlock {
    /// The header.
    pub fn header(&self) -> &LinkedHeader {
        &self.header
    }

    /// The ids of its transactions, in order.
    pub fn txids(&self) -> &[TxId] {
        &self.txids
    }

    /// Takes the transactions out, to be checked in pieces by [`check_transactions`] on any number of
    /// threads and put together again by [`CheckedBlock::assemble`].
    pub fn into_parts(self) -> (LinkedHeader, Body) {
        (self.header, self.body)
    }
}

/// A block whose body is its header's, with every transaction checked.
#[derive(Clone, Debug)]
pub struct CheckedBlock {
    header: LinkedHeader,
    transactions: Vec<CheckedTransaction>,
}

impl CheckedBlock {
    /// Puts a header and checked transactions together, after making sure that they belong together.
    ///
    /// # Errors
    /// [`BlockError::TxsRoot`] or [`BlockError::Size`], as [`match_body`].
    pub fn assemble(
        spec: &ChainSpec,
        header: LinkedHeader,
        transactions: Vec<CheckedTransaction>,
    ) -> Result<Self, BlockError> {
        let txids: Vec<TxId> = transactions.iter().map(CheckedTransaction::txid).collect();
        let (got, expected) = (txs_root(&txids), header.header().txs_root);
        if got != expected {
            return Err(BlockError::TxsRoot { got, expected });
        }
        let sizes = transactions.iter().map(|checked| checked.transaction().size());
        let (got, max) =
            (sizes.fold(crate::block::BLOCK_OVERHEAD_BYTES, usize::saturating_add), spec.params().max_block_bytes);
        if got as u64 > max {
            return Err(BlockError::Size { got, max });
        }
        Ok(Self { header, transactions })
    }

    /// Checks a whole block on this thread.
    ///
    /// # Errors
    /// Says which rule is broken.
    pub fn check(spec: &ChainSpec, header: LinkedHeader, body: Body) -> Result<Self, BlockError> {
        let (header, body) = match_body(spec, header, body)?.into_parts();
        let transactions = check_transactions(&spec.genesis_id(), body.into_vec())
            .map_err(|(index, error)| BlockError::Transaction { index, error })?;
        Ok(Self { header, transactions })
    }

    /// The header.
    pub fn header(&self) -> &LinkedHeader {
        &self.header
    }

    /// The transactions, in order.
    pub fn transactions(&self) -> &[CheckedTransaction] {
        &self.transactions
    }

    /// The block as it is encoded.
    pub fn to_block(&self) -> crate::block::Block {
        let body = self.transactions.iter().map(|checked| checked.transaction().clone()).collect();
        crate::block::Block { header: self.header.header().clone(), body: Body::new(body).unwrap_or_default() }
    }
}
