//! What the pool is asked, and what it tells.

use super::{
    policy::{PoolError, PoolStatus, Standing},
    pool::{FeeEstimate, Pending, PoolInfo},
};
use cairn_chain::verdict::Origin;
use cairn_ledger::{
    hash::{BlockId, TxId},
    keys::Address,
    transaction::Transaction,
    units::Timestamp,
    validate::CheckedTransaction,
};
use tokio::sync::oneshot;

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

/// A transaction and when it came to this node; `None` for now.
pub(super) type Item = (Transaction, Option<Timestamp>);

/// Transactions from one origin, at most [`GATHERING`] of them.
pub(super) struct Submission {
    /// Who brought them; `None` when nobody is to be told of them.
    pub origin: Option<Origin>,
    pub items: Vec<Item>,
    pub answer: oneshot::Sender<Vec<Result<TxId, PoolError>>>,
}
