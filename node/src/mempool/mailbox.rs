//! What the pool can be asked, and the handle that asks.

use super::{
    admission::{GATHERING, Item, Submission},
    policy::{PoolError, PoolStatus},
    pool::{Pending, PoolInfo},
};
use crate::verdict::Origin;
use cairn_ledger::{
    hash::TxId, keys::Address, transaction::Transaction, units::Timestamp, validate::CheckedTransaction,
};
use std::sync::Arc;
use tokio::sync::{broadcast, mpsc, oneshot};

/// Messages waiting for the pool. A full mailbox makes askers wait, and a peer's asker is the one task that
/// reads from that peer; it is nobody's fault.
pub(super) const MAILBOX: usize = 64;
/// Announcements a slow listener may be behind before it misses some.
pub(super) const ANNOUNCEMENTS: usize = 256;

/// The pool is gone: the node is stopping, or its storage failed and it is about to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the node is stopping")]
pub struct PoolStopped;

/// Transactions that came into the pool.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// Who brought them.
    pub origin: Origin,
    /// They.
    pub transactions: Vec<CheckedTransaction>,
}

/// A checked transaction on its way into the pool.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    pub transaction: CheckedTransaction,
    /// Who brought it; `None` when nobody is to be told of it.
    pub origin: Option<Origin>,
    /// When it came to this node; `None` for now.
    pub added: Option<Timestamp>,
}

/// The pool's questions.
pub(super) enum Message {
    /// Which of these are worth a look at their signature?
    Judge {
        transactions: Vec<Transaction>,
        answer: oneshot::Sender<Vec<Result<Transaction, PoolError>>>,
    },
    /// Take these, and tell the listeners.
    Admit {
        arrivals: Vec<Arrival>,
        answer: oneshot::Sender<Vec<Result<TxId, PoolError>>>,
    },
    Get {
        txid: TxId,
        answer: oneshot::Sender<Option<CheckedTransaction>>,
    },
    Pending {
        address: Address,
        answer: oneshot::Sender<Pending>,
    },
    Select {
        max_bytes: usize,
        answer: oneshot::Sender<Vec<CheckedTransaction>>,
    },
    Transactions {
        answer: oneshot::Sender<Vec<CheckedTransaction>>,
    },
    Info {
        answer: oneshot::Sender<PoolInfo>,
    },
    Status {
        txid: TxId,
        answer: oneshot::Sender<PoolStatus>,
    },
}

/// A handle to the pool. Cloning shares it.
#[derive(Clone)]
pub struct PoolHandle {
    pub(super) mailbox: mpsc::Sender<Message>,
    pub(super) admission: mpsc::Sender<Submission>,
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
    ) -> Result<Vec<Result<TxId, PoolError>>, PoolStopped> {
        let mut answers = Vec::with_capacity(transactions.len());
        let mut rest = transactions.into_iter().map(|transaction| (transaction, None)).peekable();
        while rest.peek().is_some() {
            let piece = rest.by_ref().take(GATHERING).collect();
            answers.extend(self.submit_piece(Some(origin), piece).await?);
        }
        Ok(answers)
    }

    /// A pooled transaction.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn get(&self, txid: TxId) -> Result<Option<CheckedTransaction>, PoolStopped> {
        self.ask(|answer| Message::Get { txid, answer }).await
    }

    /// What an address has in the pool.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn pending(&self, address: Address) -> Result<Pending, PoolStopped> {
        self.ask(|answer| Message::Pending { address, answer }).await
    }

    /// Up to `max_bytes` of transactions for a block on the tip: the best fee rates first, each sender's in
    /// order of nonce without a gap.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn select(&self, max_bytes: usize) -> Result<Vec<CheckedTransaction>, PoolStopped> {
        self.ask(|answer| Message::Select { max_bytes, answer }).await
    }

    /// All transactions.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn transactions(&self) -> Result<Vec<CheckedTransaction>, PoolStopped> {
        self.ask(|answer| Message::Transactions { answer }).await
    }

    /// How full the pool is, and what it takes.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn info(&self) -> Result<PoolInfo, PoolStopped> {
        self.ask(|answer| Message::Info { answer }).await
    }

    /// What became of a transaction, as far as the pool knows. Of a mined one it knows nothing: ask the
    /// chain first.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn status(&self, txid: TxId) -> Result<PoolStatus, PoolStopped> {
        self.ask(|answer| Message::Status { txid, answer }).await
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
    ) -> Result<Vec<Result<TxId, PoolError>>, PoolStopped> {
        let (answer, answered) = oneshot::channel();
        self.admission.send(Submission { origin, items, answer }).await.map_err(|_| PoolStopped)?;
        answered.await.map_err(|_| PoolStopped)
    }

    async fn ask<T>(&self, message: impl FnOnce(oneshot::Sender<T>) -> Message) -> Result<T, PoolStopped> {
        let (answer, answered) = oneshot::channel();
        self.mailbox.send(message(answer)).await.map_err(|_| PoolStopped)?;
        answered.await.map_err(|_| PoolStopped)
    }
}
