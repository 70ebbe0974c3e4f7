//! The writer's loop, and its start.

use super::Writer;
use crate::{
    handle::ChainHandle,
    headers::UnknownRules,
    index::{self, Indexer},
    message::{BlockOutcome, ChainError, ChainEvent, EVENTS, HeaderOutcome, MAILBOX, Message, ProvenAccount, Tip},
    read::Reader,
    store::{DbOptions, StoreError},
    verdict::Origin,
};
use cairn_common::{clock, mailbox::mailbox};
use cairn_ledger::{
    block::Header,
    chain_spec::ChainSpec,
    units::{Height, Timestamp},
    validate::{ChainContext, CheckedBlock},
};
use std::{path::Path, sync::Arc};
use tokio::sync::{
    broadcast,
    mpsc::{self, error::TryRecvError},
    oneshot, watch,
};

/// A tip younger than this is news, worth a line in the log.
const NEWS_MS: u64 = 600_000;

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
    let (mut writer, view) = super::open(spec.clone(), path, options)?;
    let indexer = index::prepare(&writer.live, options.address_index)?.then(Indexer::default);
    settle(&mut writer)?;
    let (mailbox, messages) = mailbox(MAILBOX);
    let (events, _) = broadcast::channel(EVENTS);
    let (unknown_sender, unknown_rules) = watch::channel(None);
    let (tip_sender, tip_watch) = watch::channel(Arc::new(Tip::from(&writer.tip)));
    let (best_sender, best_header) = watch::channel(writer.tip.header().height);
    let (connecting_sender, connecting) = watch::channel(writer.tip.header().height);
    let handle = ChainHandle {
        mailbox,
        precheck: writer.precheck.clone(),
        reader: Reader { spec, view },
        tip: tip_watch,
        best_header,
        connecting,
        unknown_rules,
        events: events.clone(),
    };
    let outlets = Outlets { tip: tip_sender, connecting: connecting_sender, unknown_rules: unknown_sender, events };
    let actor = Actor { writer, messages, outlets, best: best_sender, indexer, waiting: Vec::new() };
    let (ended_sender, ended) = oneshot::channel();
    let thread = std::thread::Builder::new().name(String::from("chain"));
    let spawned = thread.spawn(move || {
        // Whoever waited for the end may be gone already.
        let _ = ended_sender.send(actor.run());
    });
    spawned.map_err(|error| StoreError::Workers { reason: error.to_string() })?;
    Ok((handle, Chain { ended }))
}

/// Ends a reorganisation that a crash interrupted, before anybody asks: what is on the disk until then is nobody's tip.
fn settle(writer: &mut Writer) -> Result<(), StoreError> {
    writer.take_up()?;
    while writer.long_reorg.is_some() {
        writer.go_on(clock::now(), &mut |_, _, _| ())?;
    }
    Ok(())
}

/// Where the writer's news go.
struct Outlets {
    tip: watch::Sender<Arc<Tip>>,
    connecting: watch::Sender<Height>,
    unknown_rules: watch::Sender<Option<UnknownRules>>,
    events: broadcast::Sender<ChainEvent>,
}

impl Outlets {
    /// Publishes whether most of the work goes on under unknown rules, and logs it once.
    fn publish_rules(&self, found: Option<UnknownRules>) {
        self.unknown_rules.send_if_modified(|known| {
            match (&known, &found) {
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
            std::mem::replace(known, found.clone()) != found
        });
    }

    /// Publishes a move towards a block at the height `goal`.
    fn publish(&self, tip: &ChainContext, event: ChainEvent, goal: Height) {
        let height = tip.header().height.get();
        let transactions: usize = event.connected.iter().map(|block| block.transactions().len()).sum();
        if let Some(left) = event.left {
            tracing::warn!(target: "cairn::chain", height, block = %tip.id(), %left, "reorganised");
        } else if clock::now().since(tip.header().time) < NEWS_MS {
            tracing::info!(target: "cairn::chain", height, block = %tip.id(), transactions, "new tip");
        } else {
            // History being caught up with: the synchronisation reports its progress itself.
            tracing::debug!(target: "cairn::chain", height, block = %tip.id(), transactions, "new tip");
        }
        // Before the event: whoever has heard of that knows what is to come.
        self.connecting.send_replace(goal);
        self.tip.send_replace(event.tip.clone());
        // Nobody may be listening.
        let _ = self.events.send(event);
    }
}

struct Actor {
    writer: Writer,
    messages: mpsc::Receiver<Message>,
    outlets: Outlets,
    best: watch::Sender<Height>,
    /// Builds the index of addresses, until it is whole; from then on imports keep it so.
    indexer: Option<Indexer>,
    /// Who waits until a reorganisation is over and all is on the disk; at most as many as may ask.
    waiting: Vec<oneshot::Sender<()>>,
}

impl Actor {
    /// Answers until asked to stop, until nobody is left to ask, or until the store fails.
    fn run(mut self) -> Result<(), StoreError> {
        let ended = self.answer_all();
        // What workers still send is dropped: whoever waits for an answer, or for room, learns of that.
        self.messages.close();
        while self.messages.blocking_recv().is_some() {}
        ended
    }

    fn answer_all(&mut self) -> Result<(), StoreError> {
        loop {
            // One batch of a reorganisation, then whoever has waited meanwhile: neither holds the other up for long.
            let waiting = if self.writer.long_reorg.is_some() {
                self.go_on()?;
                self.messages.len()
            } else {
                1
            };
            for _ in 0..waiting {
                match self.next_message()? {
                    Some(Message::Stop) | None => return self.writer.live.flush(),
                    Some(message) => self.handle(message)?,
                }
            }
        }
    }

    /// Goes on with a reorganisation by one batch.
    fn go_on(&mut self) -> Result<(), StoreError> {
        let outlets = &self.outlets;
        self.writer.go_on(clock::now(), &mut |tip, event, goal| outlets.publish(tip, event, goal))?;
        self.publish_goal()?;
        self.publish_best();
        if self.writer.long_reorg.is_none() && !self.waiting.is_empty() {
            self.writer.live.sync()?;
            for waiting in self.waiting.drain(..) {
                let _ = waiting.send(());
            }
        }
        Ok(())
    }

    /// Publishes the height at which what is under way ends.
    fn publish_goal(&self) -> Result<(), StoreError> {
        let goal = self.writer.reorganising_to()?.unwrap_or(self.writer.tip.header().height);
        self.outlets.connecting.send_if_modified(|known| std::mem::replace(known, goal) != goal);
        Ok(())
    }

    /// The next message. As long as none has come, the index of addresses is built, step by small step: whoever
    /// asks waits for one step at most.
    fn next_message(&mut self) -> Result<Option<Message>, StoreError> {
        while let Some(indexer) = &mut self.indexer {
            match self.messages.try_recv() {
                Ok(message) => return Ok(Some(message)),
                Err(TryRecvError::Disconnected) => return Ok(None),
                Err(TryRecvError::Empty) => {
                    if !indexer.step(&self.writer.live, &self.writer.spec)? {
                        self.indexer = None;
                    }
                }
            }
        }
        Ok(self.messages.blocking_recv())
    }

    /// Publishes the height of the header with the most work.
    fn publish_best(&mut self) {
        let tip = &self.writer.tip;
        let better = self.writer.tree.best().filter(|(_, work)| *work > tip.total_work());
        let best = better.map_or(tip.header().height, |(height, _)| height);
        self.best.send_if_modified(|known| std::mem::replace(known, best) != best);
        self.outlets.publish_rules(self.writer.unknown_rules());
    }

    /// Answers one message. What it changed is published before it is answered; an answer that nobody
    /// waits for any more is dropped.
    fn handle(&mut self, message: Message) -> Result<(), StoreError> {
        let now = clock::now();
        match message {
            Message::LinkHeaders { origin, headers, is_presynced, answer } => {
                let _ = answer.send(self.link(origin, headers, is_presynced, now)?);
            }
            Message::Connect { block, room, answer } => {
                // From here on the tree counts the block.
                drop(room);
                let _ = answer.send(self.connect(block, now)?);
            }
            Message::Store { block, room, answer } => {
                self.writer.store_bodies(vec![block])?;
                drop(room);
                let _ = answer.send(BlockOutcome::Waiting);
            }
            Message::Follow { id, answer } => {
                self.writer.follow_stored(&id)?;
                self.publish_goal()?;
                let _ = answer.send(());
            }
            Message::Invalid { header, error, answer } => {
                let outcome = self.writer.refuse_block(&header, error);
                self.publish_best();
                let _ = answer.send(outcome);
            }
            Message::Template { request, answer } => {
                let _ = answer.send(self.settled(|writer| writer.template(request))?);
            }
            Message::Prove { address, answer } => {
                let proof = self.settled(|writer| writer.prove(address))?;
                let tip = self.outlets.tip.borrow().clone();
                let _ = answer.send(proof.map(|proof| ProvenAccount { tip, proof }));
            }
            Message::Balances { answer } => {
                let balances = self.settled(|writer| Ok(writer.balances()))?;
                let tip = self.outlets.tip.borrow().clone();
                let _ = answer.send(balances.map(|balances| (tip, balances)));
            }
            Message::ProveAt { address, at, answer } => {
                let _ = answer.send(self.settled(|writer| writer.prove_at(address, &at))?);
            }
            Message::Refusal { id, answer } => {
                let _ = answer.send(self.writer.tree.reason(&id));
            }
            Message::Context { id, answer } => {
                let _ = answer.send(self.writer.context(&id)?);
            }
            Message::Sync { answer } if self.writer.long_reorg.is_some() => self.waiting.push(answer),
            Message::Sync { answer } => {
                self.writer.live.sync()?;
                let _ = answer.send(());
            }
            Message::PeerGone { origin } => {
                self.writer.peer_gone(origin);
                self.publish_best();
            }
            Message::Stop => {}
        }
        Ok(())
    }

    /// Asks the writer what only a settled chain answers.
    fn settled<T>(
        &mut self,
        ask: impl FnOnce(&mut Writer) -> Result<T, StoreError>,
    ) -> Result<Result<T, ChainError>, StoreError> {
        match self.writer.long_reorg {
            Some(_) => Ok(Err(ChainError::Reorganising)),
            None => ask(&mut self.writer).map(Ok),
        }
    }

    /// Links headers one after the other, as far as they are worth a look.
    fn link(
        &mut self,
        origin: Origin,
        headers: Vec<Header>,
        is_presynced: bool,
        now: Timestamp,
    ) -> Result<Vec<HeaderOutcome>, StoreError> {
        let mut outcomes = Vec::with_capacity(headers.len());
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
        let outlets = &self.outlets;
        self.writer.follow(now, &mut |tip, event, goal| outlets.publish(tip, event, goal))?;
        self.publish_goal()?;
        self.publish_best();
        Ok(outcomes)
    }

    fn connect(&mut self, block: CheckedBlock, now: Timestamp) -> Result<BlockOutcome, StoreError> {
        let outlets = &self.outlets;
        let mut publish = |tip: &_, event, goal| outlets.publish(tip, event, goal);
        let outcome = self.writer.import_block(block, now, &mut publish)?;
        // Where a block on the way was invalid, it ends below its goal.
        self.publish_goal()?;
        self.publish_best();
        Ok(outcome)
    }
}
