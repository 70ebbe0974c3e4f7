//! The machine's hands: it does what the machine says, and tells it what came of that. No rules here.

use super::handle::{Reports, SyncHandle, SyncStatus};
use super::machine::{Machine, SyncAction, SyncEvent};
use super::presync::{Presync, PresyncRules, Step};
use super::restore::driver::Restoring;
use crate::{Kind, NetworkEvent, NetworkHandle, RequestError, stretch_hash, wire::MAX_LOCATOR};
use cairn_chain::{BlockOutcome, ChainEvent, ChainHandle, Origin, PeerNumber, StoreError, Tip};
use cairn_common::runtime::{self, JoinError, JoinHandle, TaskSet};
use cairn_common::tasks::{Shutdown, TaskError};
use cairn_common::{clock, mailbox::Stopped, random};
use cairn_ledger::block::{Body, Header};
use cairn_ledger::{chain_spec::ChainSpec, error::BlockError, hash::BlockId, pow::Work, validate::LinkedHeader};
use std::time::{Duration, Instant};
use std::{pin::pin, sync::Arc};
use tokio::sync::{broadcast, mpsc, watch};

/// The task's name.
const NAME: &str = "sync";
/// How often the machine is told that time has passed.
pub(super) const TICK: Duration = Duration::from_millis(250);

/// Which network sync is on.
#[derive(Clone, Debug)]
pub struct SyncConfig {
    /// Its rules.
    pub spec: Arc<ChainSpec>,
    /// Whether it is local, so that a node may well be alone.
    pub local: bool,
    /// Bytes of blocks that may wait for others.
    pub block_bytes: usize,
    /// Whether it is the node's own chain, of which the operator is told; another one is checked aside.
    pub is_own: bool,
}

/// Starts sync.
pub fn spawn(
    rules: SyncConfig,
    chain: ChainHandle,
    network: NetworkHandle,
    events: mpsc::Receiver<NetworkEvent>,
    shutdown: Shutdown,
) -> (SyncHandle, JoinHandle<Result<(), TaskError>>) {
    tracing::debug!(target: "cairn::sync", network = %rules.spec.params().name, "starting");
    let (sender, status) = watch::channel(SyncStatus::default());
    // Subscribed before the tip is read: no move is missed, and one seen twice does no harm.
    let inlets = Inlets { moves: chain.subscribe(), events, shutdown };
    let outlet = Outlet { sender, reports: Reports::new(rules.is_own) };
    (SyncHandle { status }, runtime::spawn(run(rules, chain, network, inlets, outlet)))
}

/// First a snapshot, where the operator wants one and the chain is at its genesis; then whatever is above.
async fn run(
    rules: SyncConfig,
    chain: ChainHandle,
    network: NetworkHandle,
    mut inlets: Inlets,
    mut outlet: Outlet,
) -> Result<(), TaskError> {
    let restoring = Restoring::begin(&chain, &network, rules.local).await;
    let peers = match restoring {
        Ok(Some(restoring)) => restoring.run(&mut inlets, &mut outlet).await?,
        Ok(None) => Some(Vec::new()),
        Err(failure) => failure.end(Some(Vec::new()))?,
    };
    let Some(peers) = peers else { return Ok(()) };
    let machine = Machine::new((*chain.tip()).clone(), rules.local, rules.block_bytes, clock::instant());
    let genesis_id = rules.spec.genesis_id();
    let max_future_ms = rules.spec.params().max_future_ms;
    let hands = Hands { chain, network, genesis_id, max_future_ms };
    let mut driver = Driver { machine, hands, tasks: TaskSet::default(), outlet };
    peers.into_iter().for_each(|event| driver.take(SyncEvent::Network(event)));
    driver.run(inlets).await
}

/// What sync hears.
pub(super) struct Inlets {
    pub(super) events: mpsc::Receiver<NetworkEvent>,
    pub(super) moves: broadcast::Receiver<ChainEvent>,
    pub(super) shutdown: Shutdown,
}

/// Where sync says how far it is.
pub(super) struct Outlet {
    sender: watch::Sender<SyncStatus>,
    reports: Reports,
}

impl Outlet {
    /// Says it, to the operator now and then.
    pub(super) fn tell(&mut self, now: Instant, status: SyncStatus) {
        if self.reports.is_due(now, status.phase) {
            report(&status);
        }
        self.sender.send_if_modified(|known| std::mem::replace(known, status) != status);
    }
}

/// What is done outside the machine ends like this.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The chain is ending: so is everything.
    #[error(transparent)]
    Chain(#[from] Stopped),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system gives no random bytes.
    #[error("no random bytes: {0}")]
    Random(getrandom::Error),
    /// A reader panicked.
    #[error("reading panicked: {0}")]
    Panicked(#[from] JoinError),
}

impl Failure {
    /// What it means for sync. A chain that is ending ends sync, quietly: whoever ended it says why.
    pub(super) fn end<T>(self, quietly: T) -> Result<T, TaskError> {
        let (reason, storage) = (self.to_string(), matches!(self, Self::Store(_)));
        match self {
            Self::Chain(Stopped) => Ok(quietly),
            Self::Panicked(_) => Err(TaskError::Panicked { name: NAME, reason }),
            Self::Store(_) | Self::Random(_) => Err(TaskError::Failed { name: NAME, reason, storage }),
        }
    }
}

struct Driver {
    machine: Machine,
    hands: Hands,
    /// What the machine said and is not done yet: as much as the machine has in flight, and no more.
    tasks: TaskSet<Result<Option<SyncEvent>, Failure>>,
    outlet: Outlet,
}

impl Driver {
    async fn run(mut self, inlets: Inlets) -> Result<(), TaskError> {
        let Inlets { mut events, mut moves, mut shutdown } = inlets;
        let (mut tick, mut stop) = (runtime::interval(TICK), pin!(shutdown.requested()));
        loop {
            let event = tokio::select! {
                // What has come of this node's own deeds before news of others.
                biased;
                () = &mut stop => return Ok(()),
                moved = moves.recv() => match moved {
                    Ok(event) => moved_event(&event),
                    Err(broadcast::error::RecvError::Lagged(_)) => {
                        SyncEvent::MovesMissed { tip: (*self.hands.chain.tip()).clone() }
                    }
                    Err(broadcast::error::RecvError::Closed) => return Ok(()),
                },
                Some(done) = self.tasks.join_next() => match finished(done)? {
                    Some(event) => event,
                    None => continue,
                },
                () = tick.tick() => {
                    self.take(SyncEvent::ClockRead { is_behind: self.hands.is_clock_behind() });
                    SyncEvent::Tick
                }
                event = events.recv() => match event {
                    Some(event) => SyncEvent::Network(event),
                    None => return Ok(()),
                },
            };
            self.take(event);
        }
    }

    fn take(&mut self, event: SyncEvent) {
        let now = clock::instant();
        let Some(actions) = self.machine.on_event(now, self.hands.chain.connecting(), event) else { return };
        for action in actions {
            let hands = self.hands.clone();
            self.tasks.spawn(async move { hands.act(action).await });
        }
        self.outlet.tell(now, self.machine.status(now));
    }
}

/// Tells the operator how far the node is. What is wrong, if anything is, the node's `health` tells.
fn report(status: &SyncStatus) {
    let SyncStatus { phase, height, best_header, target, rate, left, is_gaining: _, unfollowed: _, snapshot } = status;
    let (height, headers, target) = (height.get(), best_header.get(), target.get());
    let runs = snapshot.map(|snapshot| snapshot.here);
    let (phase, blocks_per_second, seconds_left) = (phase.name(), rate.round(), left.map(|left| left.as_secs()));
    tracing::info!(target: "cairn::sync", phase, height, headers, target, blocks_per_second, seconds_left, runs, "sync");
}

/// What the machine acts through. Cloning shares it.
#[derive(Clone)]
struct Hands {
    chain: ChainHandle,
    network: NetworkHandle,
    genesis_id: BlockId,
    max_future_ms: u64,
}

impl Hands {
    /// Whether this machine's clock was set back: the tip was within what is allowed of the future when it was taken
    /// in.
    fn is_clock_behind(&self) -> bool {
        let latest = clock::now().millis().saturating_add(self.max_future_ms);
        self.chain.tip().header.time.millis() > latest
    }

    async fn act(self, action: SyncAction) -> Result<Option<SyncEvent>, Failure> {
        Ok(match action {
            SyncAction::FetchHeaders { job, peer, branch } => {
                Some(SyncEvent::Headers { job, answer: self.fetch_headers(peer, branch).await? })
            }
            SyncAction::Link { job, peer, headers, is_presynced } => {
                let origin = Origin::Peer(peer);
                let outcomes = match is_presynced {
                    true => self.chain.link_presynced(origin, headers).await?,
                    false => self.chain.link_headers(origin, headers).await?,
                };
                Some(SyncEvent::Linked { job, outcomes })
            }
            SyncAction::BeginPresync { job, fork, claimed } => {
                Some(SyncEvent::PresyncBegun { job, presync: self.begin_presync(fork, claimed).await? })
            }
            SyncAction::Presync { job, presync, headers } => {
                let (presync, step) = self.presync(presync, headers).await?;
                Some(SyncEvent::Presynced { job, presync, step })
            }
            SyncAction::FetchBodies { job, peer, ids } => {
                Some(SyncEvent::Bodies { job, answer: self.network.request_bodies(peer, ids).await })
            }
            SyncAction::Import { peer, header, body } => {
                let id = header.id();
                Some(SyncEvent::Imported { id, peer, result: self.import(header, body).await? })
            }
            SyncAction::SeekOthers { height } => {
                let stretches = self.chain.reader().stretches();
                let stretch = stretch_hash(&self.genesis_id, stretches.number_of(height), stretches.blocks);
                self.network.seek_providers(Kind::FullHistory, *self.genesis_id.as_bytes()).await;
                self.network.seek_providers(Kind::Stretch, stretch).await;
                None
            }
            SyncAction::Report { peer, misbehaviour } => {
                self.network.report(peer, misbehaviour).await;
                None
            }
        })
    }

    /// Asks for headers after our branch, or else after the followed chain.
    async fn fetch_headers(
        &self,
        peer: PeerNumber,
        branch: Vec<BlockId>,
    ) -> Result<Result<Vec<Header>, RequestError>, Failure> {
        let reader = self.chain.reader().clone();
        let followed = runtime::blocking(move || reader.locator()).await??;
        let mut locator = branch;
        locator.extend(followed);
        // A chain would have to be of astronomic height for this to cut anything.
        locator.truncate(MAX_LOCATOR);
        Ok(self.network.request_headers(peer, locator).await)
    }

    /// A presync from a block on; nothing where the chain no longer knows that block.
    async fn begin_presync(&self, fork: BlockId, claimed: Work) -> Result<Option<Box<Presync>>, Failure> {
        let mut secret = [0; 32];
        random::fill(&mut secret).map_err(Failure::Random)?;
        let context = self.chain.context(fork).await?;
        Ok(context.map(|context| Box::new(Presync::new(context, claimed, &secret))))
    }

    /// Two thousand headers take a while to check: not on a thread that drives the network.
    async fn presync(&self, mut presync: Box<Presync>, headers: Vec<Header>) -> Result<(Box<Presync>, Step), Failure> {
        let (spec, tip) = (self.chain.reader().spec().clone(), self.chain.tip().total_work);
        let judged = runtime::blocking(move || {
            let step = presync.take(&PresyncRules { spec: &spec, now: clock::now(), tip }, headers);
            (presync, step)
        });
        Ok(judged.await?)
    }

    async fn import(&self, header: LinkedHeader, body: Body) -> Result<Result<BlockOutcome, BlockError>, Failure> {
        let mut import = self.chain.import(header, body).await?;
        match import.matched().await? {
            Ok(()) => Ok(Ok(import.outcome().await?)),
            Err(error) => Ok(Err(error)),
        }
    }
}

fn moved_event(event: &ChainEvent) -> SyncEvent {
    if !event.is_whole {
        return SyncEvent::MovesMissed { tip: Tip::clone(&event.tip) };
    }
    let connected = event.connected.iter().map(|block| block.header().id()).collect();
    SyncEvent::TipMoved { tip: Tip::clone(&event.tip), connected }
}

type Done = Result<Result<Option<SyncEvent>, Failure>, JoinError>;

/// What came of an action.
fn finished(done: Done) -> Result<Option<SyncEvent>, TaskError> {
    done.map_err(Failure::from).flatten().or_else(|failure| failure.end(None))
}
