//! The handle that asks the pool.

use super::{
    message::{Accepted, GATHERING, Item, Message, Submission, Waiting},
    policy::{PoolError, PoolStatus},
    pool::{FeeEstimate, Pending, PoolInfo},
};
use cairn_chain::{ChainHandle, verdict::Origin};
use cairn_common::mailbox::{Handle, Stopped};
use cairn_ledger::{
    hash::TxId, keys::Address, transaction::Transaction, units::Timestamp, validate::CheckedTransaction,
};
use std::sync::Arc;
use tokio::sync::broadcast;

/// A handle to the pool. Cloning shares it.
#[derive(Clone)]
pub struct PoolHandle {
    pub(super) chain: ChainHandle,
    pub(super) mailbox: Handle<Message>,
    pub(super) admission: Handle<Submission>,
    pub(super) accepted: broadcast::Sender<Arc<Accepted>>,
}

impl PoolHandle {
    /// Submits transactions: one answer for each, in order. Each is judged alone, so an invalid one harms
    /// none of its neighbours; signatures are checked together.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn submit(
        &self,
        origin: Origin,
        transactions: Vec<Transaction>,
    ) -> Result<Vec<Result<TxId, PoolError>>, Stopped> {
        let mut answers = Vec::with_capacity(transactions.len());
        let mut rest = transactions.into_iter().map(|transaction| (transaction, None)).peekable();
        while rest.peek().is_some() {
            let piece = rest.by_ref().take(GATHERING).collect();
            answers.extend(self.submit_piece(Some(origin), piece).await?);
        }
        Ok(answers)
    }

    /// Says whether a transaction would be taken, without taking it.
    ///
    /// # Errors
    /// The outer: the node is stopping. The inner: why it would not.
    pub async fn check_one(&self, transaction: Transaction) -> Result<Result<(), PoolError>, Stopped> {
        let judged = self.mailbox.ask(|answer| Message::Judge { transactions: vec![transaction], answer }).await?;
        let transaction = match judged.into_iter().next().ok_or(Stopped)? {
            Ok((transaction, _)) => transaction,
            Err(error) => return Ok(Err(error)),
        };
        let checked = self.chain.check_transactions(vec![transaction]).await?;
        match checked.into_iter().next().ok_or(Stopped)? {
            Ok(transaction) => self.mailbox.ask(|answer| Message::Try { transaction, answer }).await,
            Err(error) => Ok(Err(PoolError::Invalid(error))),
        }
    }

    /// Transactions in order of arrival: those after `after`, at most `max` of them.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn page(&self, after: Option<(Timestamp, TxId)>, max: usize) -> Result<Vec<Waiting>, Stopped> {
        self.mailbox.ask(|answer| Message::Page { after, max, answer }).await
    }

    /// What one sender has in the pool, in order of nonce.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn of_sender(&self, address: Address) -> Result<Vec<Waiting>, Stopped> {
        self.mailbox.ask(|answer| Message::OfSender { address, answer }).await
    }

    /// What a transaction must pay to be among the first `bytes` that are mined.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn estimate(&self, bytes: usize) -> Result<FeeEstimate, Stopped> {
        self.mailbox.ask(|answer| Message::Estimate { bytes, answer }).await
    }

    /// A pooled transaction.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn get(&self, txid: TxId) -> Result<Option<CheckedTransaction>, Stopped> {
        self.mailbox.ask(|answer| Message::Get { txid, answer }).await
    }

    /// What an address has in the pool.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn pending(&self, address: Address) -> Result<Pending, Stopped> {
        self.mailbox.ask(|answer| Message::Pending { address, answer }).await
    }

    /// Up to `max_bytes` of transactions for a block on the tip: the best fee rates first, each sender's in
    /// order of nonce without a gap.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn select(&self, max_bytes: usize) -> Result<Vec<CheckedTransaction>, Stopped> {
        self.mailbox.ask(|answer| Message::Select { max_bytes, answer }).await
    }

    /// All transactions.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn transactions(&self) -> Result<Vec<CheckedTransaction>, Stopped> {
        self.mailbox.ask(|answer| Message::Transactions { answer }).await
    }

    /// How full the pool is, and what it takes.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn info(&self) -> Result<PoolInfo, Stopped> {
        self.mailbox.ask(|answer| Message::Info { answer }).await
    }

    /// What became of a transaction, as far as the pool knows. Of a mined one it knows nothing: ask the
    /// chain first.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn status(&self, txid: TxId) -> Result<PoolStatus, Stopped> {
        self.mailbox.ask(|answer| Message::Status { txid, answer }).await
    }

    /// Everything submitted that comes into the pool from now on; not what is loaded at the start, nor what
    /// a reorganisation brings back.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Accepted>> {
        self.accepted.subscribe()
    }

    /// Submits at most [`GATHERING`] transactions, each with the moment it came.
    pub(super) async fn submit_piece(
        &self,
        origin: Option<Origin>,
        items: Vec<Item>,
    ) -> Result<Vec<Result<TxId, PoolError>>, Stopped> {
        // Only what is handed in here is asked after here; what peers send could fill the memory of reasons.
        let asked_after: Vec<TxId> = match origin {
            Some(Origin::Local) => items.iter().map(|(transaction, _)| transaction.id()).collect(),
            _ => Vec::new(),
        };
        let answers = self.admission.ask(|answer| Submission { origin, items, answer }).await?;
        let refused = asked_after.into_iter().zip(&answers);
        let refusals: Vec<_> = refused.filter_map(|(txid, answer)| Some((txid, answer.err()?))).collect();
        if !refusals.is_empty() {
            self.mailbox.send(Message::Refused { refusals }).await?;
        }
        Ok(answers)
    }
}
