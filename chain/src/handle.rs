//! The handle that asks the writer.

use crate::{
    headers::UnknownRules,
    inflight::Turn,
    message::{ChainError, ChainEvent, HeaderOutcome, Import, Message, ProvenAccount, Template, TemplateRequest, Tip},
    precheck::{BlockBody, Precheck, Purpose},
    read::Reader,
    verdict::Origin,
};
use cairn_common::mailbox::{Handle, Stopped};
use cairn_ledger::{
    accounts::AccountProof,
    block::{Body, Header},
    error::{BlockError, TxError},
    hash::BlockId,
    keys::Address,
    transaction::Transaction,
    units::Height,
    validate::{ChainContext, CheckedTransaction, LinkedHeader},
};
use std::sync::Arc;
use tokio::sync::{broadcast, watch};

/// A handle to the writer. Cloning shares it.
#[derive(Clone)]
pub struct ChainHandle {
    pub(crate) mailbox: Handle<Message>,
    pub(crate) precheck: Precheck,
    pub(crate) reader: Reader,
    pub(crate) tip: watch::Receiver<Arc<Tip>>,
    pub(crate) best_header: watch::Receiver<Height>,
    pub(crate) connecting: watch::Receiver<Height>,
    pub(crate) unknown_rules: watch::Receiver<Option<UnknownRules>>,
    pub(crate) events: broadcast::Sender<ChainEvent>,
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
        self.precheck.start(&self.mailbox, turn, Purpose::Connect, header, body.into()).await
    }

    /// Imports a block for which nobody had asked: when it has no more work than the tip, after all others.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn import_offered(&self, header: LinkedHeader, body: BlockBody) -> Result<Import, Stopped> {
        let turn = Turn { is_behind: header.total_work() <= self.tip().total_work, height: header.header().height };
        self.precheck.start(&self.mailbox, turn, Purpose::Connect, header, body).await
    }

    /// Checks a block and stores it, whatever its branch is: nothing bounds how many. For blocks of a branch that is
    /// known to have more work than the tip further up, and is then to be [followed](Self::follow).
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn store(&self, header: LinkedHeader, body: Body) -> Result<Import, Stopped> {
        let turn = Turn { is_behind: false, height: header.header().height };
        self.precheck.start(&self.mailbox, turn, Purpose::Store, header, body.into()).await
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
    /// [`BlockOutcome::Waiting`](crate::BlockOutcome::Waiting) may have failed since, together with its parent's.
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
