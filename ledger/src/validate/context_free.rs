//! Linked → checked: a body against its header, and transactions by themselves.

use super::header::LinkedHeader;
use crate::block::{Body, block_size};
use crate::error::{BlockError, TxError};
use crate::hash::{BlockId, TxId};
use crate::schnorr::{self, KeyCache};
use crate::transaction::{TRANSACTION_VERSION, Transaction, TransactionBody};
use crate::{chain_spec::ChainSpec, codec::encode_onto, keys::Address, merkle::txs_root};
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

/// A transaction on its way to being checked, with its id.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "most are new, and a box would be an allocation for each of them")]
pub enum Candidate {
    /// Checked before, alone or for another block: nothing is left to do.
    Known(CheckedTransaction),
    /// Not checked yet.
    New {
        /// The transaction.
        transaction: Transaction,
        /// Its id.
        txid: TxId,
    },
}

impl Candidate {
    /// A transaction that nobody has checked.
    pub fn new(transaction: Transaction) -> Self {
        let txid = transaction.id();
        Self::New { transaction, txid }
    }

    /// Transactions that nobody has checked, in order: together faster than one by one.
    pub fn new_each(transactions: Vec<Transaction>) -> Vec<Self> {
        let txids = Transaction::ids(&transactions);
        transactions.into_iter().zip(txids).map(|(transaction, txid)| Self::New { transaction, txid }).collect()
    }

    /// Its id.
    pub fn txid(&self) -> TxId {
        match self {
            Self::Known(checked) => checked.txid(),
            Self::New { txid, .. } => *txid,
        }
    }

    /// The transaction.
    pub fn transaction(&self) -> &Transaction {
        match self {
            Self::Known(checked) => checked.transaction(),
            Self::New { transaction, .. } => transaction,
        }
    }
}

/// Checks transactions by themselves: structure first, then all signatures as one batch.
/// [`check_candidates`] remembers keys, and leaves out what was checked before.
///
/// # Errors
/// The place of the first transaction with a wrong structure, or else of the first with a signature that
/// does not verify, and what is wrong with it.
pub fn check_transactions(
    genesis_id: &BlockId,
    transactions: Vec<Transaction>,
) -> Result<Vec<CheckedTransaction>, (usize, TxError)> {
    check_candidates(&mut KeyCache::new(0), genesis_id, Candidate::new_each(transactions))
}

/// Checks those of `candidates` that are not known yet; `keys` has an influence on the time only.
///
/// # Errors
/// As [`check_transactions`].
pub fn check_candidates(
    keys: &mut KeyCache,
    genesis_id: &BlockId,
    candidates: Vec<Candidate>,
) -> Result<Vec<CheckedTransaction>, (usize, TxError)> {
    // > 4: Structure is checked before any signature.
    let (mut places, mut new) = (Vec::new(), Vec::new());
    for (place, candidate) in candidates.iter().enumerate() {
        if let Candidate::New { transaction, .. } = candidate {
            check_structure(transaction).map_err(|error| (place, error))?;
            places.push(place);
            new.push(transaction);
        }
    }
    // > 4: the signature is the sender's over `sighash`
    let sighashes = TransactionBody::sighashes(genesis_id, new.iter().map(|transaction| &transaction.body));
    let members = new.into_iter().zip(sighashes);
    let batch: Vec<_> = members.map(|(new, sighash)| (new.body.sender, sighash, new.signature)).collect();
    let verified = schnorr::verify_batch_with(keys, &batch);
    verified.map_err(|index| (places.get(index).copied().unwrap_or(index), TxError::Signature))?;
    let checked = candidates.into_iter().map(|candidate| match candidate {
        Candidate::Known(checked) => checked,
        Candidate::New { transaction, txid } => CheckedTransaction(Arc::new(Checked { transaction, txid })),
    });
    Ok(checked.collect())
}

/// The rules for a transaction that need neither state nor cryptography.
fn check_structure(transaction: &Transaction) -> Result<(), TxError> {
    let body = &transaction.body;
    // > 4: its version is 1, and its sender is not zero
    if body.version != TRANSACTION_VERSION {
        return Err(TxError::Version { got: body.version });
    }
    if body.sender == Address::ZERO {
        return Err(TxError::ZeroSender);
    }
    // > 4: its nonce is not 2^64 - 1
    if body.nonce == u64::MAX {
        return Err(TxError::LastNonce);
    }
    // > 4: it has 1 to 1024 outputs, each of at least one pebble to an address that is not zero
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

/// A linked header with the ids of the transactions it commits to.
#[derive(Clone, Debug)]
pub struct MatchedHeader {
    header: LinkedHeader,
    txids: Vec<TxId>,
}

/// Matches a body to its header: the transactions' root, then the size. The transactions are not checked yet: that is
/// done in pieces by [`check_candidates`] on any number of threads, and [`CheckedBlock::assemble`] puts them together
/// again.
///
/// > 7.3: The root comes before the size on purpose. Only a body that *is* the header's can speak against the block: an
/// > altered copy, oversized or not, is *mutated*, its sender is at fault, and another copy of the same block is still
/// > accepted.
///
/// # Errors
/// [`BlockError::TxsRoot`] (mutated) or [`BlockError::Size`] (proven).
pub fn match_body(
    spec: &ChainSpec,
    header: LinkedHeader,
    candidates: Vec<Candidate>,
) -> Result<(MatchedHeader, Vec<Candidate>), BlockError> {
    let txids: Vec<TxId> = candidates.iter().map(Candidate::txid).collect();
    // > 7.3: `txs_root` is that of the body
    let (got, expected) = (txs_root(&txids), header.header().txs_root);
    if got != expected {
        return Err(BlockError::TxsRoot { got, expected });
    }
    // > 7.3: the whole block has at most `max_block_bytes`
    let max = spec.rules_at(header.header().height).max_block_bytes;
    let got = block_size(candidates.iter().map(Candidate::transaction));
    if got as u64 > max {
        return Err(BlockError::Size { got, max });
    }
    Ok((MatchedHeader { header, txids }, candidates))
}

/// The addresses whose accounts executing a block with these transactions needs: for each, an
/// [`AccountSlice`](crate::accounts::AccountSlice) must hold its leaf or, where it has none, the leaf below it.
/// Ascending, each once.
pub fn touched_addresses<'a>(
    beneficiary: &'a Address,
    transactions: impl IntoIterator<Item = &'a CheckedTransaction>,
) -> Vec<Address> {
    let mut touched = Vec::from([*beneficiary]);
    for checked in transactions {
        let body = &checked.transaction().body;
        touched.push(body.sender);
        touched.extend(body.outputs.iter().map(|output| output.to));
    }
    touched.sort_unstable();
    touched.dedup();
    touched
}

/// The caller's mistake: the transactions are not those that were matched to the header, or not in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the checked transactions are not those that were matched to the header")]
pub struct OtherTransactions;

/// A block whose body is its header's, with every transaction checked.
#[derive(Clone, Debug)]
pub struct CheckedBlock {
    header: LinkedHeader,
    transactions: Vec<CheckedTransaction>,
    touched: Vec<Address>,
}

impl CheckedBlock {
    /// Puts a matched header and its transactions, checked meanwhile, together again.
    ///
    /// # Errors
    /// [`OtherTransactions`] unless they are the matched ones, all of them, in order.
    pub fn assemble(header: MatchedHeader, transactions: Vec<CheckedTransaction>) -> Result<Self, OtherTransactions> {
        let MatchedHeader { header, txids } = header;
        if !txids.iter().copied().eq(transactions.iter().map(CheckedTransaction::txid)) {
            return Err(OtherTransactions);
        }
        Ok(Self::new(header, transactions))
    }

    /// Checks a whole block on this thread.
    ///
    /// # Errors
    /// Says which rule is broken.
    pub fn check(spec: &ChainSpec, header: LinkedHeader, body: Body) -> Result<Self, BlockError> {
        let candidates = Candidate::new_each(body.into_vec());
        let (MatchedHeader { header, .. }, candidates) = match_body(spec, header, candidates)?;
        // > 7.3: each transaction is valid by itself (chapter 4)
        let transactions = check_candidates(&mut KeyCache::new(0), &spec.genesis_id(), candidates)
            .map_err(|(index, error)| BlockError::Transaction { index, error })?;
        Ok(Self::new(header, transactions))
    }

    /// Brings back a block of the chain that this node follows: its signatures are not checked again.
    ///
    /// # Errors
    /// The body is not the header's.
    pub fn restore(spec: &ChainSpec, header: LinkedHeader, body: Body) -> Result<Self, BlockError> {
        let (MatchedHeader { header, .. }, candidates) =
            match_body(spec, header, Candidate::new_each(body.into_vec()))?;
        let transactions = candidates.into_iter().map(|candidate| match candidate {
            Candidate::Known(checked) => checked,
            Candidate::New { transaction, txid } => CheckedTransaction(Arc::new(Checked { transaction, txid })),
        });
        Ok(Self::new(header, transactions.collect()))
    }

    fn new(header: LinkedHeader, transactions: Vec<CheckedTransaction>) -> Self {
        let touched = touched_addresses(&header.header().beneficiary, &transactions);
        Self { header, transactions, touched }
    }

    /// The header.
    pub fn header(&self) -> &LinkedHeader {
        &self.header
    }

    /// The transactions, in order.
    pub fn transactions(&self) -> &[CheckedTransaction] {
        &self.transactions
    }

    /// The ids of its transactions, in order.
    pub fn txids(&self) -> Vec<TxId> {
        self.transactions.iter().map(CheckedTransaction::txid).collect()
    }

    /// The addresses it touches, as [`touched_addresses`] gives them.
    pub fn touched(&self) -> &[Address] {
        &self.touched
    }

    /// Its size in bytes.
    pub fn size(&self) -> usize {
        block_size(self.transactions.iter().map(CheckedTransaction::transaction))
    }

    /// Appends the encoding of its body: the transactions' count (u64), and they themselves.
    pub fn encode_body_onto(&self, bytes: &mut Vec<u8>) {
        bytes.reserve(self.size());
        bytes.extend_from_slice(&(self.transactions.len() as u64).to_le_bytes());
        self.transactions.iter().for_each(|checked| encode_onto(bytes, checked.transaction()));
    }
}
