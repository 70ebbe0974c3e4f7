//! What the writer can be asked, and what it answers.

use super::{
    foreign::UnknownRules,
    inflight::{Room, Turn},
    precheck::{BlockBody, Precheck, Purpose},
    reader::Reader,
    template::Template,
};
use crate::verdict::Origin;
use cairn_common::mailbox::{Handle, Stopped};
use cairn_ledger::{
    accounts::{Account, AccountProof},
    block::{Body, Header},
    error::{BlockError, HeaderError, TxError},
    hash::BlockId,
    keys::Address,
    pow::Work,
    transaction::Transaction,
    units::{Height, Timestamp},
    validate::{ChainContext, CheckedBlock, CheckedTransaction, LinkedHeader},
};
use std::sync::Arc;
use tokio::sync::{broadcast, oneshot, watch};

/// Messages waiting for the writer. A full mailbox makes askers wait; it is nobody's fault.
pub(super) const MAILBOX: usize = 64;
/// Events a slow listener may be behind before it is told that it missed some.
pub(super) const EVENTS: usize = 256;

/// The last connected block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Its header.
    pub header: Header,
    /// Its id.
    pub id: BlockId,
    /// The work of the chain, itself included.
    pub total_work: Work,
}

impl Tip {
    /// Its height.
    pub fn height(&self) -> Height {
        self.header.height
    }
}

/// The chain moved to a new tip. Sent after the batch that made it so, in order.
#[derive(Clone, Debug)]
pub struct ChainEvent {
    /// The new tip.
    pub tip: Arc<Tip>,
    /// The tip that was left, if the chain was reorganised: from there, the parents of stored blocks lead down to the
    /// chain.
    pub left: Option<BlockId>,
    /// The blocks that came onto the chain, upward to the new tip: all of them, or the last.
    pub connected: Arc<Vec<CheckedBlock>>,
    /// What those have now whose account was changed, in the order of the changes: of one address the last counts.
    /// Nothing, where the account is gone.
    pub accounts: Arc<Vec<(Address, Account)>>,
    /// Whether `connected` and `accounts` say all. After a reorganisation too long for memory they say the last of it,
    /// and the rest is read from the chain.
    pub is_whole: bool,
}

/// What became of a header.
#[derive(Clone, Debug)]
pub enum HeaderOutcome {
    /// It follows every rule, and its block is wanted.
    Linked(LinkedHeader),
    /// Its block is here already, connected or waiting.
    Known,
    /// Its parent is unknown; when it showed enough work, it waits for the parent.
    Orphan {
        /// The parent's id.
        parent: BlockId,
    },
    /// It is from the future: valid perhaps, later.
    Early,
    /// Its branch has less work than the followed chain, and either it is not near that chain's tip, or its sender has
    /// brought too much of the kind. It was not judged further; a longer branch comes by presync.
    Unwanted,
    /// It stands under rules that are not known here, or under those of somebody who has not updated: it follows the
    /// rules of headers, and nobody here can judge its block.
    OtherRules {
        /// Its version.
        version: u16,
        /// Its height.
        height: Height,
    },
    /// It breaks a rule.
    Invalid(HeaderError),
    /// It descends from a block that is invalid.
    InvalidAncestor,
}

/// What became of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockOutcome {
    /// It is on the followed chain.
    Connected,
    /// It is valid in itself and waits for its parents, or for its branch to have the most work.
    Waiting,
    /// It was here already.
    Known,
    /// Nobody asked for it: its header is not linked here (any more).
    Unwanted,
    /// It breaks a rule.
    Invalid(BlockError),
}

/// Why the chain did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// The node is stopping, or its storage failed and it is about to.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// A long reorganisation is under way: there is no tip to build on, or to prove at.
    #[error("the chain is being reorganised; ask again")]
    Reorganising,
}

/// A block on its way: two answers, at two moments.
#[must_use = "an import goes on by itself, but its answers say what became of it"]
pub struct Import {
    pub(super) matched: oneshot::Receiver<Result<(), BlockError>>,
    pub(super) outcome: oneshot::Receiver<BlockOutcome>,
}

impl Import {
    /// Whether the body is the header's: from then on the block may be passed on.
    ///
    /// # Errors
    /// The outer: the node is stopping. The inner: the body is another one, or too large.
    pub async fn matched(&mut self) -> Result<Result<(), BlockError>, Stopped> {
        (&mut self.matched).await.map_err(|_| Stopped)
    }

    /// What became of the block.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn outcome(self) -> Result<BlockOutcome, Stopped> {
        self.outcome.await.map_err(|_| Stopped)
    }
}

/// A template is asked for.
#[derive(Clone, Debug)]
pub struct TemplateRequest {
    /// Who receives the reward.
    pub beneficiary: Address,
    /// What to include, in order; what does not fit the accounts is left out.
    pub transactions: Vec<CheckedTransaction>,
    /// The block's time; raised to one millisecond after the parent's when it is not later.
    pub time: Timestamp,
}

/// A proof at the tip, with the header whose state root it stands against.
#[derive(Clone, Debug)]
pub struct ProvenAccount {
    /// The tip.
    pub tip: Arc<Tip>,
    /// The address's leaf, or the one below it.
    pub proof: AccountProof,
}

/// The writer's questions.
pub(super) enum Message {
    LinkHeaders {
        origin: Origin,
        headers: Vec<Header>,
        is_presynced: bool,
        answer: oneshot::Sender<Vec<HeaderOutcome>>,
    },
    Connect {
        block: CheckedBlock,
        /// Its share of what may be on the way to the writer at once.
        room: Room,
        answer: oneshot::Sender<BlockOutcome>,
    },
    Store {
        block: CheckedBlock,
        /// Its share of what may be on the way to the writer at once.
        room: Room,
        answer: oneshot::Sender<BlockOutcome>,
    },
    Follow {
        id: BlockId,
        answer: oneshot::Sender<()>,
    },
    /// A matched body turned out to be invalid: remember its id.
    Invalid {
        header: LinkedHeader,
        error: BlockError,
        answer: oneshot::Sender<BlockOutcome>,
    },
    Template {
        request: TemplateRequest,
        answer: oneshot::Sender<Result<Template, ChainError>>,
    },
    Prove {
        address: Address,
        answer: oneshot::Sender<Result<ProvenAccount, ChainError>>,
    },
    Balances {
        answer: oneshot::Sender<Result<(Arc<Tip>, u64), ChainError>>,
    },
    ProveAt {
        address: Address,
        at: BlockId,
        answer: oneshot::Sender<Result<Option<(Header, AccountProof)>, ChainError>>,
    },
    /// What is wrong with a block, if that is known.
    Refusal {
        id: BlockId,
        answer: oneshot::Sender<Option<BlockError>>,
    },
    /// A block as the parent of others.
    Context {
        id: BlockId,
        answer: oneshot::Sender<Option<ChainContext>>,
    },
    /// Makes what was written survive a power cut.
    Sync {
        answer: oneshot::Sender<()>,
    },
    PeerGone {
        origin: Origin,
    },
    Stop,
}

/// A handle to the writer. Cloning shares it.
#[derive(Clone)]
pub struct ChainHandle {
    pub(super) mailbox: Handle<Message>,
    pub(super) precheck: Precheck,
    pub(super) reader: Reader,
    pub(super) tip: watch::Receiver<Arc<Tip>>,
    pub(super) best_header: watch::Receiver<Height>,
    pub(super) connecting: watch::Receiver<Height>,
    pub(super) unknown_rules: watch::Receiver<Option<UnknownRules>>,
    pub(super) events: broadcast::Sender<ChainEvent>,
}

impl ChainHandle {
    /// Links headers, in order, each the parent of the next or not. One outcome for each; after an
    /// invalid or unwanted one the rest is not looked at, so the answer may be shorter.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn link_headers(&self, origin: Origin, headers: Vec<Header>) -> Result<Vec<HeaderOutcome>, Stopped> {
        self.mailbox.ask(|answer| Message::LinkHeaders { origin, headers, is_presynced: false, answer }).await
    }

    /// The same for headers of a branch that was shown to lead to more work than the tip: they are wanted however
    /// little they have themselves, and stay until their bodies are judged or their origin is gone. Whoever calls
    /// bounds their number.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn link_presynced(&self, origin: Origin, headers: Vec<Header>) -> Result<Vec<HeaderOutcome>, Stopped> {
        self.mailbox.ask(|answer| Message::LinkHeaders { origin, headers, is_presynced: true, answer }).await
    }

    /// A known block as the parent of others: one of the followed chain or of a branch. `None` when it is not here.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn context(&self, id: BlockId) -> Result<Option<ChainContext>, Stopped> {
        self.mailbox.ask(|answer| Message::Context { id, answer }).await
    }

    /// Imports the block of a linked header, which is wanted here. Waits while too many blocks are being checked.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn import(&self, header: LinkedHeader, body: impl Into<BlockBody>) -> Result<Import, Stopped> {
        let turn = Turn { is_behind: false, height: header.header().height };
        self.precheck.start(&self.mailbox, (turn, Purpose::Connect), header, body.into()).await
    }

    /// Imports a block for which nobody had asked: when it has no more work than the tip, after all others.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn import_offered(&self, header: LinkedHeader, body: BlockBody) -> Result<Import, Stopped> {
        let turn = Turn { is_behind: header.total_work() <= self.tip().total_work, height: header.header().height };
        self.precheck.start(&self.mailbox, (turn, Purpose::Connect), header, body).await
    }

    /// Checks a block and stores it, whatever its branch is: nothing bounds how many. For blocks of a branch that is
    /// known to have more work than the tip further up, and is then to be [followed](Self::follow).
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn store(&self, header: LinkedHeader, body: Body) -> Result<Import, Stopped> {
        let turn = Turn { is_behind: false, height: header.header().height };
        self.precheck.start(&self.mailbox, (turn, Purpose::Store), header, body.into()).await
    }

    /// Follows a stored branch up to `id`, if all of its blocks are here and it has more work than the tip. That may
    /// take long; [`Self::sync`] waits for it.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn follow(&self, id: BlockId) -> Result<(), Stopped> {
        self.mailbox.ask(|answer| Message::Follow { id, answer }).await
    }

    /// Checks transactions by themselves, together: one answer for each, in order. Those that are valid are
    /// remembered, and not checked again when they come in a block.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn check_transactions(
        &self,
        transactions: Vec<Transaction>,
    ) -> Result<Vec<Result<CheckedTransaction, TxError>>, Stopped> {
        self.precheck.check_transactions(transactions).await
    }

    /// Makes a block on the tip, complete but for its nonce.
    ///
    /// # Errors
    /// The node is stopping, or reorganising.
    pub async fn template(&self, request: TemplateRequest) -> Result<Template, ChainError> {
        self.mailbox.ask(|answer| Message::Template { request, answer }).await?
    }

    /// Proves an account, or its absence, at the tip.
    ///
    /// # Errors
    /// The node is stopping, or reorganising.
    pub async fn prove(&self, address: Address) -> Result<ProvenAccount, ChainError> {
        self.mailbox.ask(|answer| Message::Prove { address, answer }).await?
    }

    /// All balances together at the tip, in pebbles.
    ///
    /// # Errors
    /// The node is stopping, or reorganising.
    pub async fn balances(&self) -> Result<(Arc<Tip>, u64), ChainError> {
        self.mailbox.ask(|answer| Message::Balances { answer }).await?
    }

    /// Proves an account, or its absence, as it was after the block `at`, and gives that block's header. `None`
    /// when `at` is not one of the last blocks of the followed chain ([`KEPT_STATES`](super::KEPT_STATES)).
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn prove_at(&self, address: Address, at: BlockId) -> Result<Option<(Header, AccountProof)>, ChainError> {
        self.mailbox.ask(|answer| Message::ProveAt { address, at, answer }).await?
    }

    /// What is wrong with a block whose body was found to be invalid. An import that was answered with
    /// [`BlockOutcome::Waiting`] may have failed since, together with its parent's.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn refusal(&self, id: BlockId) -> Result<Option<BlockError>, Stopped> {
        self.mailbox.ask(|answer| Message::Refusal { id, answer }).await
    }

    /// Returns once everything imported so far would survive a power cut, and a reorganisation under way is over. While
    /// history is caught up with, the first is otherwise so only from time to time.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn sync(&self) -> Result<(), Stopped> {
        self.mailbox.ask(|answer| Message::Sync { answer }).await
    }

    /// Forgets what a peer alone had brought and nobody needs.
    pub async fn peer_gone(&self, origin: Origin) {
        // A writer that has ended remembers nothing anyway.
        let _ = self.mailbox.send(Message::PeerGone { origin }).await;
    }

    /// Tells the writer to end after what it was asked so far.
    pub async fn stop(&self) {
        // A writer that has ended need not be told.
        let _ = self.mailbox.send(Message::Stop).await;
    }

    /// The tip now.
    pub fn tip(&self) -> Arc<Tip> {
        self.tip.borrow().clone()
    }

    /// The height at which the move under way ends, as of its last event; the tip's when none is. Whoever has an event
    /// finds here what was known when it was sent, or later news.
    pub fn connecting(&self) -> Height {
        *self.connecting.borrow()
    }

    /// Wakes at every new tip.
    pub fn watch_tip(&self) -> watch::Receiver<Arc<Tip>> {
        self.tip.clone()
    }

    /// The rules that the chain with the most work follows, if they are not known here.
    pub fn unknown_rules(&self) -> Option<UnknownRules> {
        self.unknown_rules.borrow().clone()
    }

    /// The height of the linked header with the most work, the tip's where none has more.
    pub fn best_header(&self) -> Height {
        *self.best_header.borrow()
    }

    /// Every move of the chain from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<ChainEvent> {
        self.events.subscribe()
    }

    /// Reads what is stored. Reads block on the disk: not for the network's own task.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }
}
