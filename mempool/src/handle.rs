//! The handle that asks the pool: what it is asked, and what it tells.

use super::admission::{Admission, Answers};
use super::policy::{PoolError, PoolStatus, Standing};
use super::pool::{FeeEstimate, Pending, Pool, PoolInfo, Waiting};
use cairn_chain::{ChainHandle, verdict::Origin};
use cairn_common::clock;
use cairn_common::mailbox::{Handle, Stopped};
use cairn_ledger::{Address, BlockId, CheckedTransaction, Timestamp, Transaction, TxId};
use std::sync::Arc;
use tokio::sync::{broadcast, oneshot};

/// Messages waiting for the pool. A full mailbox makes askers wait, and a peer's asker is the one task that
/// reads from that peer; it is nobody's fault.
pub(super) const MAILBOX: usize = 64;
/// Announcements a slow listener may be behind before it misses some.
pub(super) const ANNOUNCEMENTS: usize = 256;

/// Transactions in one submission, and about as many in one gathering. It bounds how long others wait.
pub(super) const GATHERING: usize = 512;

/// Transactions that came into the pool.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// Who brought them.
    pub origin: Origin,
    /// They.
    pub transactions: Vec<CheckedTransaction>,
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
    Judge { transactions: Vec<Transaction>, answer: oneshot::Sender<Vec<Result<Judged, PoolError>>> },
    /// Take these, and tell the listeners.
    Admit { arrivals: Vec<Arrival>, answer: oneshot::Sender<Answers> },
    /// Would it be taken?
    Try { transaction: CheckedTransaction, answer: oneshot::Sender<Result<(), PoolError>> },
    /// What the pool alone answers.
    Ask(Box<dyn FnOnce(&mut Pool) + Send>),
}

/// A transaction and when it came to this node; `None` for now.
pub(super) type Item = (Transaction, Option<Timestamp>);

/// Transactions from one origin, at most [`GATHERING`] of them.
pub(super) struct Submission {
    /// Who brought them; `None` when nobody is to be told of them.
    pub origin: Option<Origin>,
    pub items: Vec<Item>,
    pub answer: oneshot::Sender<Answers>,
}

/// A handle to the pool. Cloning shares it.
#[derive(Clone)]
pub struct PoolHandle {
    pub(super) chain: ChainHandle,
    pub(super) mailbox: Handle<Message>,
    pub(super) admission: Admission,
    pub(super) accepted: broadcast::Sender<Arc<Accepted>>,
}

impl PoolHandle {
    /// Asks what the pool alone answers.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Pool) -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        let asked = self.mailbox.ask(|answer| {
            Message::Ask(Box::new(|pool| {
                // Whoever no longer waits for an answer does not need it.
                let _ = answer.send(question(pool));
            }))
        });
        asked.await
    }

    /// Submits transactions: one answer for each, in order. Each is judged alone, so an invalid one harms
    /// none of its neighbours; signatures are checked together.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn submit(&self, origin: Origin, transactions: Vec<Transaction>) -> Result<Answers, Stopped> {
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
        let transactions = vec![transaction.clone()];
        let judged = self.mailbox.ask(|answer| Message::Judge { transactions, answer }).await?;
        if let Some(error) = judged.into_iter().find_map(Result::err) {
            return Ok(Err(error));
        }
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
        self.ask(move |pool| pool.page(after, max)).await
    }

    /// What one sender has in the pool, in order of nonce.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn of_sender(&self, address: Address) -> Result<Vec<Waiting>, Stopped> {
        self.ask(move |pool| pool.of_sender(&address)).await
    }

    /// What a transaction must pay to be among the first `bytes` that are mined.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn estimate(&self, bytes: usize) -> Result<FeeEstimate, Stopped> {
        self.ask(move |pool| pool.estimate(bytes)).await
    }

    /// A pooled transaction.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn get(&self, txid: TxId) -> Result<Option<CheckedTransaction>, Stopped> {
        self.ask(move |pool| pool.get(&txid)).await
    }

    /// What an address has in the pool.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn pending(&self, address: Address) -> Result<Pending, Stopped> {
        self.ask(move |pool| pool.pending(&address)).await
    }

    /// Up to `max_bytes` of transactions for a block on the tip: the best fee rates first, each sender's in
    /// order of nonce without a gap.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn select(&self, max_bytes: usize) -> Result<Vec<CheckedTransaction>, Stopped> {
        self.ask(move |pool| pool.select(max_bytes)).await
    }

    /// All transactions.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn transactions(&self) -> Result<Vec<CheckedTransaction>, Stopped> {
        self.ask(|pool| pool.transactions().map(|entry| entry.transaction.clone()).collect()).await
    }

    /// How full the pool is, and what it takes.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn info(&self) -> Result<PoolInfo, Stopped> {
        self.ask(|pool| pool.info()).await
    }

    /// What became of a transaction, as far as the pool knows. Of a mined one it knows nothing: ask the
    /// chain first.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn status(&self, txid: TxId) -> Result<PoolStatus, Stopped> {
        self.ask(move |pool| pool.status(&txid)).await
    }

    /// Everything submitted that comes into the pool from now on; not what is loaded at the start, nor what
    /// a reorganisation brings back.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Accepted>> {
        self.accepted.subscribe()
    }

    /// Submits at most [`GATHERING`] transactions, each with the moment it came.
    pub(super) async fn submit_piece(&self, origin: Option<Origin>, items: Vec<Item>) -> Result<Answers, Stopped> {
        // Only what is handed in here is asked after here; what peers send could fill the memory of reasons.
        let asked_after: Vec<TxId> = match origin {
            Some(Origin::Local) => items.iter().map(|(transaction, _)| transaction.id()).collect(),
            _ => Vec::new(),
        };
        let answers = self.admission.submit(origin, items).await?;
        let refused = asked_after.into_iter().zip(&answers);
        let refusals: Vec<_> = refused.filter_map(|(txid, answer)| Some((txid, answer.err()?))).collect();
        if !refusals.is_empty() {
            let remember = |pool: &mut Pool| pool.remember_refusals(refusals, clock::now());
            self.mailbox.send(Message::Ask(Box::new(remember))).await?;
        }
        Ok(answers)
    }
}
