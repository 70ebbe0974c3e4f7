//! The writer's loop, and its start.

use super::{
    audit,
    import::{Writer, tip_of},
    index,
    indexer::Indexer,
    mailbox::{ChainEvent, ChainHandle, EVENTS, HeaderOutcome, MAILBOX, Message, ProvenAccount, Tip},
    orphans::Orphans,
    precheck::{Precheck, Workers},
    reader::Reader,
    recent::RecentStates,
    tree::HeaderTree,
};
use crate::{
    clock,
    store::{ChainStore, DbOptions, StoreError},
    verdict::Origin,
};
use cairn_ledger::{block::Header, chain_spec::ChainSpec, units::Height, validate::ChainContext};
use std::{collections::VecDeque, path::Path, sync::Arc};
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
    let store = Arc::new(ChainStore::open(path, &spec, options)?);
    let workers = Workers::start()?;
    let (state, tip) = audit::load(&store, &workers)?;
    let indexer = index::prepare(&store, options.address_index)?.then(Indexer::default);
    let precheck = Precheck::new(workers, spec.clone());
    let (mailbox, messages) = mpsc::channel(MAILBOX);
    let (tip_sender, tip_watch) = watch::channel(Arc::new(tip_of(&tip)));
    let (best_sender, best_header) = watch::channel(tip.header().height);
    let (connecting_sender, connecting) = watch::channel(tip.header().height);
    let (events, _) = broadcast::channel(EVENTS);
    let handle = ChainHandle {
        mailbox,
        precheck: precheck.clone(),
        reader: Reader { spec: spec.clone(), store: store.clone() },
        tip: tip_watch,
        best_header,
        connecting,
        events: events.clone(),
    };
    let writer = Writer {
        spec,
        store,
        precheck,
        state,
        recent: RecentStates::default(),
        tip,
        tree: HeaderTree::default(),
        orphans: Orphans::default(),
        contexts: VecDeque::new(),
    };
    let outlets = Outlets { tip: tip_sender, connecting: connecting_sender, events };
    let actor = Actor { writer, messages, outlets, best: best_sender, indexer };
    let (ended_sender, ended) = oneshot::channel();
    let thread = std::thread::Builder::new().name(String::from("chain"));
    let spawned = thread.spawn(move || {
        // Whoever waited for the end may be gone already.
        let _ = ended_sender.send(actor.run());
    });
    spawned.map_err(|error| StoreError::Workers { reason: error.to_string() })?;
    Ok((handle, Chain { ended }))
}

/// Where the writer's news go.
struct Outlets {
    tip: watch::Sender<Arc<Tip>>,
    connecting: watch::Sender<Height>,
    events: broadcast::Sender<ChainEvent>,
}

impl Outlets {
    /// Publishes a move towards a block at the height `goal`.
    fn publish(&self, tip: &ChainContext, event: ChainEvent, goal: Height) {
        let height = tip.header().height.get();
        let transactions: usize = event.connected.iter().map(|block| block.transactions().len()).sum();
        if !event.disconnected.is_empty() {
            let (left, followed) = (event.disconnected.len(), event.connected.len());
            tracing::warn!(target: "cairn::chain", height, block = %tip.id(), left, followed, "reorganised");
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
}

impl Actor {
    /// Answers until told to stop, until nobody is left to ask, or until the store fails.
    fn run(mut self) -> Result<(), StoreError> {
        let ended = self.answer_all();
        // What workers still send is dropped: whoever waits for an answer, or for room, is told so.
        self.messages.close();
        while self.messages.blocking_recv().is_some() {}
        ended
    }

    fn answer_all(&mut self) -> Result<(), StoreError> {
        while let Some(message) = self.next_message()? {
            if matches!(message, Message::Stop) {
                break;
            }
            self.handle(message)?;
        }
        self.writer.store.flush()
    }

    /// The next message. As long as none has come, the index of addresses is built, step by small step: whoever
    /// asks waits for one step at most.
    fn next_message(&mut self) -> Result<Option<Message>, StoreError> {
        while let Some(indexer) = &mut self.indexer {
            match self.messages.try_recv() {
                Ok(message) => return Ok(Some(message)),
                Err(TryRecvError::Disconnected) => return Ok(None),
                Err(TryRecvError::Empty) => {
                    if !indexer.step(&self.writer.store, &self.writer.spec)? {
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
    }

    /// Answers one message. What it changed is published before it is answered; an answer that nobody
    /// waits for any more is dropped.
    fn handle(&mut self, message: Message) -> Result<(), StoreError> {
        let now = clock::now();
        match message {
            Message::LinkHeaders { origin, headers, answer } => {
                let outcomes = self.link(origin, headers)?;
                self.publish_best();
                let _ = answer.send(outcomes);
            }
            Message::Connect { block, room, answer } => {
                // From here on the tree counts the block.
                drop(room);
                let outlets = &self.outlets;
                let mut publish = |tip: &_, event, goal| outlets.publish(tip, event, goal);
                let outcome = self.writer.import_block(block, now, &mut publish)?;
                // Where a block on the way was invalid, it ends below its goal.
                self.outlets.connecting.send_replace(self.writer.tip.header().height);
                self.publish_best();
                let _ = answer.send(outcome);
            }
            Message::Invalid { header, error, answer } => {
                let outcome = self.writer.refuse_block(&header, error);
                self.publish_best();
                let _ = answer.send(outcome);
            }
            Message::Template { request, answer } => {
                let _ = answer.send(self.writer.template(request)?);
            }
            Message::Prove { address, answer } => {
                let proof = self.writer.prove(address)?;
                let _ = answer.send(ProvenAccount { tip: self.outlets.tip.borrow().clone(), proof });
            }
            Message::ProveAt { address, at, answer } => {
                let _ = answer.send(self.writer.prove_at(address, &at)?);
            }
            Message::Refusal { id, answer } => {
                let _ = answer.send(self.writer.tree.reason(&id));
            }
            Message::Sync { answer } => {
                self.writer.store.sync()?;
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

    fn link(&mut self, origin: Origin, headers: Vec<Header>) -> Result<Vec<HeaderOutcome>, StoreError> {
        let now = clock::now();
        let mut outcomes = Vec::with_capacity(headers.len());
        for header in headers {
            let outcome = self.writer.link(origin, header, now)?;
            let ends = matches!(outcome, HeaderOutcome::Invalid(_) | HeaderOutcome::InvalidAncestor);
            outcomes.push(outcome);
            if ends {
                break;
            }
        }
        Ok(outcomes)
    }
}
