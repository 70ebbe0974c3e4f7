//! The handle that asks the writer, and the writer's start.

use crate::headers::{HeaderTreeStats, UnknownRules};
use crate::heal::{Others, Wanted};
use crate::inflight::{Room, Turn};
use crate::message::{
    Ahead, BlockOutcome, ChainError, ChainEvent, EVENTS, HeaderOutcome, Import, MAILBOX, ProvenAccount, Template,
    TemplateRequest, Tip,
};
use crate::precheck::{BlockBody, Precheck, SharedChecks};
use crate::snapshot::Restore;
use crate::store::{ChainStore, DbOptions, MemoryDisk, StoreError};
use crate::writer::{self, Actor, Message, Outlets, Writer};
use crate::{index, read::Mender, read::Reader, verdict::Origin};
use cairn_common::mailbox::{Handle, Stopped, mailbox};
use cairn_common::{clock, runtime};
use cairn_ledger::{
    AccountProof, Address, BlockError, BlockId, Body, ChainContext, ChainSpec, CheckedBlock, CheckedTransaction,
    Header, Height, LinkedHeader, Transaction, TxError,
};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{sync::Arc, time::Duration};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

/// The running writer.
#[must_use = "a writer whose end nobody awaits may be killed in the middle of its last import"]
pub struct Chain {
    ended: oneshot::Receiver<Result<(), StoreError>>,
}

impl Chain {
    /// Returns when the writer has ended: after [`ChainHandle::stop`], or because the store failed. All
    /// that was imported is on the disk then.
    ///
    /// # Errors
    /// The failure of the store.
    ///
    /// # Panics
    /// When the writer panicked.
    pub async fn ended(self) -> Result<(), StoreError> {
        self.ended.await.expect("the writer panicked")
    }
}

/// Opens the chain of `spec` in `path` and starts its writer.
///
/// # Errors
/// A database that cannot be opened, or that does not hold together.
pub fn spawn(spec: Arc<ChainSpec>, path: &Path, options: DbOptions) -> Result<(ChainHandle, Chain), StoreError> {
    let store = ChainStore::open(path, &spec, options)?;
    start(spec, store, options, None)
}

/// The same on a disk that is only in memory: a simulated node's, which takes the word of others for what they have
/// checked.
///
/// # Errors
/// A database that does not hold together.
pub fn spawn_in_memory(
    spec: Arc<ChainSpec>,
    disk: MemoryDisk,
    shared: SharedChecks,
) -> Result<(ChainHandle, Chain), StoreError> {
    let store = ChainStore::open_in_memory(disk, &spec)?;
    start(spec, store, DbOptions::default(), Some(shared))
}

fn start(
    spec: Arc<ChainSpec>,
    store: ChainStore,
    options: DbOptions,
    shared: Option<SharedChecks>,
) -> Result<(ChainHandle, Chain), StoreError> {
    let (mut writer, views) = writer::open(spec.clone(), store, options, shared)?;
    let builds_index = index::prepare(&writer.live, options.address_index)?;
    // A reorganisation that a crash interrupted ends before anybody asks: what is on the disk until then is nobody's
    // tip.
    writer.take_up()?;
    while writer.long_reorg.is_some() {
        writer.go_on(clock::now(), &mut |_, _| true)?;
    }
    let (mailbox, messages) = mailbox(MAILBOX);
    let (events, _) = broadcast::channel(EVENTS);
    let (tip_sender, tip) = watch::channel(writer.tip());
    let (ahead_sender, ahead) = watch::channel(writer.ahead()?);
    let (precheck, others) = (writer.precheck.clone(), writer.others.clone());
    let (is_mending, is_stopping) = (writer.healed.is_mending(), writer.is_stopping.clone());
    let mender = Mender { writer: mailbox.clone(), healed: writer.healed.count(), is_off: false };
    let outlets = Outlets { tip: tip_sender, ahead: ahead_sender, events: events.clone() };
    let actor = Actor::new(writer, messages, outlets, builds_index);
    let (ended_sender, ended) = oneshot::channel();
    let spawned = runtime::spawn_thread("chain", async {
        // Whoever waited for the end may be gone already.
        let _ = ended_sender.send(actor.run().await);
    });
    spawned.map_err(|error| StoreError::Workers { reason: error.to_string() })?;
    let handle = ChainHandle {
        mailbox,
        precheck,
        reader: Reader { spec, view: views.store, snapshots: views.snapshots, mender, stretches: options.stretches },
        tip,
        ahead,
        events,
        others,
        is_mending,
        is_stopping,
    };
    Ok((handle, Chain { ended }))
}

/// What the writer does with a checked block, which has its share of what may be on the way to the writer at once.
type Then = fn(&mut Actor, CheckedBlock, Room) -> Result<BlockOutcome, StoreError>;

/// A handle to the writer. Cloning shares it.
#[derive(Clone)]
pub struct ChainHandle {
    mailbox: Handle<Message>,
    precheck: Precheck,
    reader: Reader,
    tip: watch::Receiver<Arc<Tip>>,
    ahead: watch::Receiver<Ahead>,
    events: broadcast::Sender<ChainEvent>,
    others: Others,
    is_mending: Arc<AtomicBool>,
    is_stopping: Arc<AtomicBool>,
}

impl ChainHandle {
    /// Asks the writer, on its thread.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Actor) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Stopped> {
        self.mailbox.ask(|answer| Message::ask(question, answer)).await
    }

    /// Asks the writer what only a settled chain answers.
    async fn ask_settled<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Writer) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ChainError> {
        let asked = self.ask(|actor| match actor.writer.long_reorg {
            Some(_) => Ok(Err(ChainError::Reorganising)),
            None => question(&mut actor.writer).map(Ok),
        });
        asked.await?
    }

    /// Has a block checked, and hands it to the writer. Waits while too many blocks are being checked.
    async fn check(
        &self,
        is_behind: bool,
        header: LinkedHeader,
        body: BlockBody,
        then: Then,
    ) -> Result<Import, Stopped> {
        let (turn, own) = (Turn { is_behind, height: header.header().height }, header.clone());
        let (answer, outcome) = oneshot::channel();
        let report = move |checked: Result<(CheckedBlock, Room), BlockError>| {
            let report = move |actor: &mut Actor| match checked {
                Ok((block, room)) => then(actor, block, room),
                Err(error) => Ok(actor.writer.refuse_block(&own, error)),
            };
            Message::import(report, answer)
        };
        let matched = self.precheck.start(&self.mailbox, turn, header, body, report).await?;
        Ok(Import { matched, outcome })
    }

    /// Links headers, in order, each the parent of the next or not. One outcome for each; after an
    /// invalid or unwanted one the rest is not looked at, so the answer may be shorter.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn link_headers(&self, origin: Origin, headers: Vec<Header>) -> Result<Vec<HeaderOutcome>, Stopped> {
        self.ask(move |actor| actor.link(origin, headers, false)).await
    }

    /// The same for headers of a branch that was shown to lead to more work than the tip: they are wanted however
    /// little they have themselves, and stay until their bodies are judged or their origin is gone. Whoever calls
    /// bounds their number.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn link_presynced(&self, origin: Origin, headers: Vec<Header>) -> Result<Vec<HeaderOutcome>, Stopped> {
        self.ask(move |actor| actor.link(origin, headers, true)).await
    }

    /// A known block as the parent of others: one of the followed chain or of a branch. `None` when it is not here.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn context(&self, id: BlockId) -> Result<Option<ChainContext>, Stopped> {
        self.ask(move |actor| actor.writer.healing(|writer| writer.context(&id))).await
    }

    /// Imports the block of a linked header, which is wanted here. Waits while too many blocks are being checked.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn import(&self, header: LinkedHeader, body: impl Into<BlockBody>) -> Result<Import, Stopped> {
        self.check(false, header, body.into(), Actor::connect).await
    }

    /// Imports a block for which nobody had asked: when it has no more work than the tip, after all others.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn import_offered(&self, header: LinkedHeader, body: BlockBody) -> Result<Import, Stopped> {
        self.check(header.total_work() <= self.tip().total_work, header, body, Actor::connect).await
    }

    /// Checks a block and stores it, whatever its branch is: nothing bounds how many. For blocks of a branch that is
    /// known to have more work than the tip further up, and is then to be [followed](Self::follow).
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn store(&self, header: LinkedHeader, body: Body) -> Result<Import, Stopped> {
        self.check(false, header, body.into(), Actor::store).await
    }

    /// Follows a stored branch up to `id`, if all of its blocks are here and it has more work than the tip. That may
    /// take long; [`Self::sync`] waits for it.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn follow(&self, id: BlockId) -> Result<(), Stopped> {
        self.ask(move |actor| actor.writer.healing(|writer| writer.follow_stored(&id))).await
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
        self.ask_settled(|writer| writer.template(request)).await
    }

    /// Proves an account, or its absence, at the tip.
    ///
    /// # Errors
    /// The node is stopping, or reorganising.
    pub async fn prove(&self, address: Address) -> Result<ProvenAccount, ChainError> {
        let prove = move |writer: &mut Writer| {
            let proof = writer.healing(|writer| writer.prove(&address))?;
            Ok(ProvenAccount { tip: writer.tip(), proof })
        };
        self.ask_settled(prove).await
    }

    /// All balances together at the tip, in pebbles.
    ///
    /// # Errors
    /// The node is stopping, or reorganising.
    pub async fn balances(&self) -> Result<(Arc<Tip>, u64), ChainError> {
        self.ask_settled(|writer| Ok((writer.tip(), writer.state.accounts.balances()))).await
    }

    /// Proves an account, or its absence, as it was after the block `at`, and gives that block's header. `None`
    /// when `at` is not one of the last blocks of the followed chain ([`KEPT_STATES`](super::KEPT_STATES)).
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn prove_at(&self, address: Address, at: BlockId) -> Result<Option<(Header, AccountProof)>, ChainError> {
        self.ask_settled(move |writer| writer.healing(|writer| writer.prove_at(address, &at))).await
    }

    /// What is wrong with a block whose body was found to be invalid. An import that was answered with
    /// [`BlockOutcome::Waiting`](crate::BlockOutcome::Waiting) may have failed since, together with its parent's.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn refusal(&self, id: BlockId) -> Result<Option<BlockError>, Stopped> {
        self.ask(move |actor| Ok(actor.writer.tree.reason(&id))).await
    }

    /// Returns once everything imported so far would survive a power cut, and a reorganisation under way is over. While
    /// history is caught up with, the first is otherwise so only from time to time.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn sync(&self) -> Result<(), Stopped> {
        self.mailbox.ask(|answer| Message::Ask(Box::new(|actor| actor.sync(answer)))).await
    }

    /// Prunes all blocks below a height, but never one of the last [`LEAST_KEPT`](crate::store::LEAST_KEPT); the lowest
    /// whose body is left. Nothing is pruned while a reorganisation is under way.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn prune(&self, below: Height) -> Result<Height, Stopped> {
        self.ask(move |actor| actor.writer.healing(|writer| writer.prune(below))).await
    }

    /// Writes nothing until the database has merged what it is merging, at most so long. Meanwhile files are there
    /// twice, and what is written makes more of them.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn wait_for_compactions(&self, most: Duration) -> Result<(), Stopped> {
        self.ask(move |actor| actor.writer.live.wait_for_compactions(most)).await
    }

    /// Gives up all stretches below the lowest body, and keeps none from now on: their room is needed. Whether there
    /// were any.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn drop_stretches(&self) -> Result<bool, Stopped> {
        self.ask(|actor| actor.writer.drop_stretches()).await
    }

    /// Takes in the next bodies of a stretch below the lowest body, each checked to be its header's; whether there is a
    /// place for it, and they are the next.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn keep_more(&self, number: u64, blocks: Vec<(LinkedHeader, Body)>) -> Result<bool, Stopped> {
        self.ask(move |actor| actor.writer.keep_more(number, &blocks)).await
    }

    /// Gives up all snapshots, and makes no more: their room is needed. Whether there were any.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn drop_snapshots(&self) -> Result<bool, Stopped> {
        self.ask(|actor| actor.writer.drop_snapshots()).await
    }

    /// What is here of a restore from a snapshot, or a new one; `None` where the chain is not at block 0, or is to
    /// begin there.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn begin_restore(&self) -> Result<Option<Restore>, Stopped> {
        self.ask(|actor| actor.writer.begin_restore()).await
    }

    /// Moves the chain to the pivot of a restore; whether it did: all has to be here, and the chain at block 0 still.
    /// An event that is not whole tells of it.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn finish_restore(&self, restore: Restore) -> Result<bool, Stopped> {
        self.mailbox.ask(|answer| Message::Ask(Box::new(|actor| actor.begin_install(restore, answer)))).await
    }

    /// Takes in some of the blocks that were not executed here from a chain that has executed them; the height of the
    /// lowest that is here then, 0 once all are. `None` where the other chain does not lead to the accounts that this
    /// one began with, or a reorganisation is under way.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn adopt_history(&self, history: &Reader) -> Result<Option<Height>, Stopped> {
        let history = history.store();
        self.ask(move |actor| actor.adopt_history(&history)).await
    }

    /// Forgets what a peer alone had brought and nobody needs.
    pub async fn peer_gone(&self, origin: Origin) {
        let forget = Message::ask(
            move |actor| {
                actor.writer.peer_gone(origin);
                Ok(())
            },
            oneshot::channel().0,
        );
        // A writer that has ended remembers nothing anyway.
        let _ = self.mailbox.send(forget).await;
    }

    /// Tells the writer to end once it has answered what it was asked so far. It connects nothing more but for the
    /// batch under way: what waits in memory is fetched again after a start.
    pub async fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
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
        self.ahead.borrow().connecting
    }

    /// Wakes at every new tip.
    pub fn watch_tip(&self) -> watch::Receiver<Arc<Tip>> {
        self.tip.clone()
    }

    /// The rules that the chain with the most work follows, if they are not known here.
    pub fn unknown_rules(&self) -> Option<UnknownRules> {
        self.ahead.borrow().unknown_rules.clone()
    }

    /// The height of the linked header with the most work, the tip's where none has more.
    pub fn best_header(&self) -> Height {
        self.ahead.borrow().best_header
    }

    /// From now on these are asked for records that are damaged here. The first to be named are asked.
    pub fn ask_others(&self, others: mpsc::Sender<Wanted>) {
        self.others.set(others);
    }

    /// Whether damage is being mended: until it is, which may take minutes, nothing else is answered.
    pub fn is_mending(&self) -> bool {
        self.is_mending.load(Ordering::Acquire)
    }

    /// What is kept beside the chain.
    ///
    /// # Errors
    /// The writer has ended.
    pub async fn header_tree_stats(&self) -> Result<HeaderTreeStats, Stopped> {
        self.ask(|actor| Ok(actor.writer.tree.stats())).await
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
