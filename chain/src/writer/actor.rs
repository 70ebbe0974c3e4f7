//! The writer's loop.

use super::Writer;
use crate::message::{Ahead, BlockOutcome, ChainEvent, HeaderOutcome, Tip};
use crate::store::{ChainStore, StoreError};
use crate::{index, inflight::Room, snapshot::Install, snapshot::Restore, verdict::Origin};
use cairn_common::clock;
use cairn_ledger::{CheckedBlock, Header, Height};
use std::sync::{Arc, atomic::Ordering};
use std::{collections::VecDeque, time::Duration};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

/// Whoever asks while a long path is followed waits for so long, and one batch more; in tests for one batch, however
/// quick they are.
const TURN: Duration = if cfg!(test) { Duration::ZERO } else { Duration::from_millis(250) };

/// A tip younger than this is news, worth a line in the log.
const NEWS_MS: u64 = 600_000;

/// What is done on the writer's thread, and answered.
type Question = Box<dyn FnOnce(&mut Actor) -> Result<(), StoreError> + Send>;

/// What the loop is told.
pub(crate) enum Message {
    /// To answer this.
    Ask(Question),
    /// To take in a block. While a path is followed that waits, with what it has of the room for blocks on their way:
    /// of a chain that is slower than its peers, no more is fetched.
    Import(Question),
    /// To end.
    Stop,
}

impl Message {
    /// A question. What it changes is published before it is answered; an answer that nobody waits for any more is
    /// dropped.
    pub(crate) fn ask<T: Send + 'static>(
        question: impl FnOnce(&mut Actor) -> Result<T, StoreError> + Send + 'static,
        answer: oneshot::Sender<T>,
    ) -> Self {
        Self::Ask(answering(question, answer))
    }

    /// The same for a block.
    pub(crate) fn import<T: Send + 'static>(
        question: impl FnOnce(&mut Actor) -> Result<T, StoreError> + Send + 'static,
        answer: oneshot::Sender<T>,
    ) -> Self {
        Self::Import(answering(question, answer))
    }
}

fn answering<T: Send + 'static>(
    question: impl FnOnce(&mut Actor) -> Result<T, StoreError> + Send + 'static,
    answer: oneshot::Sender<T>,
) -> Question {
    Box::new(|actor| {
        let value = question(actor)?;
        actor.publish_ahead()?;
        let _ = answer.send(value);
        Ok(())
    })
}

/// Where the writer's news go.
pub(crate) struct Outlets {
    pub(crate) tip: watch::Sender<Arc<Tip>>,
    pub(crate) ahead: watch::Sender<Ahead>,
    pub(crate) events: broadcast::Sender<ChainEvent>,
}

impl Outlets {
    /// Publishes a move towards a block at the height `goal`.
    fn publish(&self, event: ChainEvent, goal: Height) {
        let (tip, height) = (event.tip.clone(), event.tip.height().get());
        let transactions: usize = event.connected.iter().map(|block| block.transactions().len()).sum();
        if let Some(left) = event.left {
            tracing::warn!(target: "cairn::chain", height, block = %tip.id, %left, "reorganised");
        } else if clock::now().since(tip.header.time) < NEWS_MS {
            tracing::info!(target: "cairn::chain", height, block = %tip.id, transactions, "new tip");
        } else {
            // History being caught up with: the synchronisation reports its progress itself.
            tracing::debug!(target: "cairn::chain", height, block = %tip.id, transactions, "new tip");
        }
        // Before the event: whoever has heard of that knows what is to come.
        self.ahead.send_modify(|ahead| ahead.connecting = goal);
        self.tip.send_replace(tip);
        // Nobody may be listening.
        let _ = self.events.send(event);
    }
}

/// The writer at work, on a thread of its own: it answers questions, and publishes what they changed.
pub(crate) struct Actor {
    pub(crate) writer: Writer,
    messages: mpsc::Receiver<Message>,
    /// Blocks that came while a path was followed: as many as are let in at once.
    deferred: VecDeque<Question>,
    outlets: Outlets,
    /// Whether the index of addresses is to be built, until it is whole; from then on imports keep it so.
    builds_index: bool,
    /// Who waits until nothing is under way and all is on the disk; at most as many as may ask.
    waiting: Vec<oneshot::Sender<()>>,
    /// The accounts of a snapshot that are being put in place.
    installing: Option<Installing>,
}

/// The accounts of a snapshot on their way to their place, and who waits for that.
struct Installing {
    install: Install,
    answer: oneshot::Sender<bool>,
    /// As long as it is there, the chain stays at block 0.
    _restore: Restore,
}

impl Actor {
    /// A writer that answers `messages`; `builds_index` asks for the index of addresses.
    pub(crate) fn new(writer: Writer, messages: mpsc::Receiver<Message>, outlets: Outlets, builds_index: bool) -> Self {
        let (deferred, waiting, installing) = (VecDeque::new(), Vec::new(), None);
        Self { writer, messages, deferred, outlets, builds_index, waiting, installing }
    }

    /// Answers until asked to stop, until nobody is left to ask, or until the store fails.
    pub(crate) async fn run(mut self) -> Result<(), StoreError> {
        let ended = self.answer_all().await;
        // What workers still send is dropped: whoever waits for an answer, or for room, learns of that.
        self.messages.close();
        while self.messages.recv().await.is_some() {}
        ended
    }

    async fn answer_all(&mut self) -> Result<(), StoreError> {
        loop {
            // One batch of what takes many, then whoever has waited meanwhile: neither holds the other up for long.
            let waiting = if self.writer.is_moving() {
                self.go_on()?;
                self.messages.len()
            } else if let Some(import) = self.deferred.pop_front() {
                import(self)?;
                self.messages.len()
            } else if self.installing.is_some() {
                self.install()?;
                self.messages.len()
            } else {
                1
            };
            self.answer_settled()?;
            self.writer.state.forget_unused();
            // It may have been damaged, and is to be built again.
            self.builds_index |= self.writer.healed.take_index_lost();
            for _ in 0..waiting {
                match self.next_message().await? {
                    Some(Message::Import(import)) if self.writer.is_following() || !self.deferred.is_empty() => {
                        self.deferred.push_back(import);
                    }
                    Some(Message::Ask(question) | Message::Import(question)) => question(self)?,
                    Some(Message::Stop) | None => return self.writer.stop(),
                }
            }
        }
    }

    /// Goes on with a reorganisation by one batch, or with a path until somebody has waited for a while.
    fn go_on(&mut self) -> Result<(), StoreError> {
        self.writer.go_on(clock::now(), &mut publishing(&self.outlets, &self.messages))?;
        self.writer.healing(Writer::keep_within_limits)?;
        self.publish_ahead()
    }

    /// Answers those who wait until nothing is under way, if nothing is.
    fn answer_settled(&mut self) -> Result<(), StoreError> {
        if self.is_settled() && !self.waiting.is_empty() {
            self.writer.live.sync()?;
            for waiting in self.waiting.drain(..) {
                let _ = waiting.send(());
            }
        }
        Ok(())
    }

    /// Whether all is where it leads to that has come so far.
    fn is_settled(&self) -> bool {
        !self.writer.is_moving() && self.deferred.is_empty()
    }

    /// The next message. As long as none has come, accounts are loaded, a snapshot is made, run by run, and the index
    /// of addresses is built, block by block: whoever asks waits for one step at most.
    async fn next_message(&mut self) -> Result<Option<Message>, StoreError> {
        while self.builds_index || self.writer.is_loading || self.writer.makes_snapshot() {
            match self.messages.try_recv() {
                Ok(message) => return Ok(Some(message)),
                Err(TryRecvError::Disconnected) => return Ok(None),
                Err(TryRecvError::Empty) if self.writer.is_loading => self.writer.healing(Writer::load_more)?,
                Err(TryRecvError::Empty) if self.writer.makes_snapshot() => {
                    self.writer.healing(Writer::make_snapshot)?;
                }
                Err(TryRecvError::Empty) => {
                    let build = |writer: &mut Writer| index::build_next(&writer.live, &writer.spec);
                    self.builds_index = self.writer.healing(build)?;
                }
            }
        }
        Ok(self.messages.recv().await)
    }

    /// Publishes what is known of the chain above the tip, and logs once whether most of the work goes on under unknown
    /// rules.
    fn publish_ahead(&self) -> Result<(), StoreError> {
        let ahead = self.writer.ahead()?;
        let known = self.outlets.ahead.send_replace(ahead.clone());
        match (known.unknown_rules, ahead.unknown_rules) {
            (None, Some(rules)) => tracing::error!(
                target: "cairn::chain",
                since = rules.since.get(),
                version = rules.version,
                "the chain with the most work goes on under rules that are not known here: update cairn-node, or its network file"
            ),
            (Some(_), None) => {
                tracing::info!(target: "cairn::chain", "the chain with the most work is one whose rules are known here");
            }
            (None, None) | (Some(_), Some(_)) => {}
        }
        Ok(())
    }

    /// Links headers one after the other, as far as they are worth a look.
    pub(crate) fn link(
        &mut self,
        origin: Origin,
        headers: Vec<Header>,
        is_presynced: bool,
    ) -> Result<Vec<HeaderOutcome>, StoreError> {
        let (now, mut outcomes) = (clock::now(), Vec::with_capacity(headers.len()));
        for header in headers {
            let outcome = self.writer.link(origin, header, is_presynced, now)?;
            let ends =
                matches!(outcome, HeaderOutcome::Invalid(_) | HeaderOutcome::InvalidAncestor | HeaderOutcome::Unwanted);
            outcomes.push(outcome);
            if ends {
                break;
            }
        }
        // Blocks that are stored may be the best branch once their headers come.
        self.writer.follow(now, &mut publishing(&self.outlets, &self.messages))?;
        Ok(outcomes)
    }

    /// Imports a checked block.
    pub(crate) fn connect(&mut self, block: CheckedBlock, room: Room) -> Result<BlockOutcome, StoreError> {
        // From here on the tree counts the block.
        drop(room);
        let publish = &mut publishing(&self.outlets, &self.messages);
        let outcome = self.writer.import_block(block, clock::now(), publish)?;
        self.writer.healing(Writer::keep_within_limits)?;
        Ok(outcome)
    }

    /// Stores a checked block, whatever its branch is.
    pub(crate) fn store(&mut self, block: CheckedBlock, room: Room) -> Result<BlockOutcome, StoreError> {
        self.writer.store_body(&block)?;
        drop(room);
        Ok(BlockOutcome::Waiting)
    }

    /// Begins to move the chain to the pivot of a restore, if all of it is here; answered when it stands there.
    pub(crate) fn begin_install(&mut self, restore: Restore, answer: oneshot::Sender<bool>) -> Result<(), StoreError> {
        match self.writer.begin_install(&restore)? {
            Some(install) => self.installing = Some(Installing { install, answer, _restore: restore }),
            None => _ = answer.send(false),
        }
        Ok(())
    }

    /// Goes on with it by one batch.
    fn install(&mut self) -> Result<(), StoreError> {
        let Some(installing) = &mut self.installing else { return Ok(()) };
        if !installing.install.step(&self.writer.live)? {
            return Ok(());
        }
        let event = self.writer.end_install()?;
        let height = event.tip.height();
        self.builds_index |= self.writer.live.indexed()?.is_some();
        self.outlets.publish(event, height);
        self.publish_ahead()?;
        if let Some(Installing { answer, .. }) = self.installing.take() {
            // Whoever asked may be gone.
            let _ = answer.send(true);
        }
        Ok(())
    }

    /// Mends what a reader has met, unless that is done already: `healed` is how often something was mended before it
    /// read.
    pub(crate) fn heal(&mut self, damage: StoreError, healed: u64) -> Result<(), StoreError> {
        if self.writer.healed.count().load(Ordering::Acquire) == healed { self.writer.heal(damage) } else { Ok(()) }
    }

    /// Takes in some blocks that another chain has executed.
    pub(crate) fn adopt_history(&mut self, history: &ChainStore) -> Result<Option<Height>, StoreError> {
        let lowest = self.writer.adopt_history(history)?;
        self.builds_index |= lowest == Some(Height::GENESIS) && self.writer.live.indexed()?.is_some();
        Ok(lowest)
    }

    /// Answers once all is on the disk, and nothing under way.
    pub(crate) fn sync(&mut self, answer: oneshot::Sender<()>) -> Result<(), StoreError> {
        self.waiting.push(answer);
        self.answer_settled()
    }
}

/// Publishes moves, until somebody has waited for a while.
fn publishing<'a>(
    outlets: &'a Outlets,
    messages: &'a mpsc::Receiver<Message>,
) -> impl FnMut(ChainEvent, Height) -> bool + 'a {
    let began = clock::instant();
    move |event, goal| {
        outlets.publish(event, goal);
        messages.is_empty() || clock::instant().duration_since(began) < TURN
    }
}
