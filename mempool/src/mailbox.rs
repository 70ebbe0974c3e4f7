//! What the pool can be asked, and the handle that asks.

use super::{
    admission::{GATHERING, Item, Submission},
    policy::{PoolError, PoolStatus, Standing},
    pool::{FeeEstimate, Pending, PoolInfo},
};
use cairn_chain::{ChainHandle, verdict::Origin};
use cairn_ledger::{
    hash::{BlockId, TxId},
    keys::Address,
    transaction::Transaction,
    units::Timestamp,
    validate::CheckedTransaction,
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

/// A transaction that waits in the pool.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// It.
    pub transaction: CheckedTransaction,
    /// When it came.
    pub added: Timestamp,
    /// Whether it can be mined now: nothing of its sender's is missing before it.
    pub ready: bool,
}

/// What the chain said of a transaction when it was judged: it is asked again only if it has moved meanwhile.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judged {
    /// The tip that the pool went by.
    pub tip: BlockId,
    pub standing: Standing,
}

/// A checked transaction on its way into the pool.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    pub transaction: CheckedTransaction,
    pub judged: Judged,
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
        answer: oneshot::Sender<Vec<Result<(Transaction, Judged), PoolError>>>,
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
    /// Would it be taken?
    Try {
        transaction: CheckedTransaction,
        answer: oneshot::Sender<Result<(), PoolError>>,
    },
    /// These were not taken here: remember why.
    Refused {
        refusals: Vec<(TxId, PoolError)>,
    },
    Page {
        after: Option<(Timestamp, TxId)>,
        max: usize,
        answer: oneshot::Sender<Vec<Waiting>>,
    },
    OfSender {
        address: Address,
        answer: oneshot::Sender<Vec<Waiting>>,
    },
    Estimate {
        bytes: usize,
        answer: oneshot::Sender<FeeEstimate>,
    },
}

/// A handle to the pool. Cloning shares it.
#[derive(Clone)]
pub struct PoolHandle {
    pub(super) chain: ChainHandle,
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

    /// Says whether a transaction would be taken, without taking it.
    ///
    /// # Errors
    /// The outer: the node is stopping. The inner: why it would not.
    pub async fn check_one(&self, transaction: Transaction) -> Result<Result<(), PoolError>, PoolStopped> {
        let judged = self.ask(|answer| Message::Judge { transactions: vec![transaction], answer }).await?;
        let transaction = match judged.into_iter().next().ok_or(PoolStopped)? {
            Ok((transaction, _)) => transaction,
            Err(error) => return Ok(Err(error)),
        };
        let checked = self.chain.check_transactions(vec![transaction]).await.map_err(|_| PoolStopped)?;
        match checked.into_iter().next().ok_or(PoolStopped)? {
            Ok(transaction) => self.ask(|answer| Message::Try { transaction, answer }).await,
            Err(error) => Ok(Err(PoolError::Invalid(error))),
        }
    }

    /// Transactions in order of arrival: those after `after`, at most `max` of them.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn page(&self, after: Option<(Timestamp, TxId)>, max: usize) -> Result<Vec<Waiting>, PoolStopped> {
        self.ask(|answer| Message::Page { after, max, answer }).await
    }

    /// What one sender has in the pool, in order of nonce.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn of_sender(&self, address: Address) -> Result<Vec<Waiting>, PoolStopped> {
        self.ask(|answer| Message::OfSender { address, answer }).await
    }

    /// What a transaction must pay to be among the first `bytes` that are mined.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn estimate(&self, bytes: usize) -> Result<FeeEstimate, PoolStopped> {
        self.ask(|answer| Message::Estimate { bytes, answer }).await
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
        // Only what is handed in here is asked after here; what peers send could fill the memory of reasons.
        let asked_after: Vec<TxId> = match origin {
            Some(Origin::Local) => items.iter().map(|(transaction, _)| transaction.id()).collect(),
            _ => Vec::new(),
        };
        let (answer, answered) = oneshot::channel();
        self.admission.send(Submission { origin, items, answer }).await.map_err(|_| PoolStopped)?;
        let answers = answered.await.map_err(|_| PoolStopped)?;
        let refused = asked_after.into_iter().zip(&answers);
        let refusals: Vec<_> = refused.filter_map(|(txid, answer)| Some((txid, answer.err()?))).collect();
        if !refusals.is_empty() {
            self.mailbox.send(Message::Refused { refusals }).await.map_err(|_| PoolStopped)?;
        }
        Ok(answers)
    }

    async fn ask<T>(&self, message: impl FnOnce(oneshot::Sender<T>) -> Message) -> Result<T, PoolStopped> {
        let (answer, answered) = oneshot::channel();
        self.mailbox.send(message(answer)).await.map_err(|_| PoolStopped)?;
        answered.await.map_err(|_| PoolStopped)
    }
}
