//! The network's task: it owns the swarm, and everything waits on it, so nothing here takes long. Checks
//! and reads run in tasks of their own, in bounded numbers; `events` handles what the swarm reports.

use crate::{
    addrman::{book::AddressBook, node_address::NodeAddress},
    config::{NetworkConfig, NetworkFiles},
    discovery::{kademlia::Searches, peer_exchange::PeerExchange, rendezvous::Points},
    gossip::{
        judge::{Judge, Judged},
        recent::Recent,
        tx_batcher::TxBatcher,
    },
    handle::{Backlog, Class, Message, NetworkEvent, NetworkInfo, PeerInfo, RequestError},
    nat::{relay_client::Nat, status::NatStatus},
    outbound::{
        persistent::{self, PersistentPeers, Reason, TargetError},
        slots::Outbound,
    },
    peers::{
        bans::Ban,
        table::{Decision, Peer, PeerTable},
        traffic::Protocol,
    },
    persistence::Upkeep,
    pool_sync::{rounds::PoolRounds, snapshot::PoolSnapshot},
    requests::{queue::Counter, responder::Sources, upload_target::UploadTarget},
    swarm::{
        behaviour::{Behaviour, Names, Requests},
        dial_filter::Filtered,
    },
    wire::{Message as _, NamedUpgrade, PeerStatus},
};
use cairn_chain::{
    ChainEvent, Tip,
    verdict::{Misbehaviour, PeerNumber},
};
use cairn_common::{
    clock,
    tasks::{Shutdown, TaskError},
};
use cairn_ledger::{
    codec::BoundedVec,
    hash::{BlockId, TxId},
    units::Height,
};
use cairn_mempool::Accepted;
use libp2p::{
    Multiaddr, PeerId, Swarm,
    futures::StreamExt,
    gossipsub::{self, MessageId},
    request_response::OutboundRequestId,
    swarm::dial_opts::{DialOpts, PeerCondition},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::{broadcast, mpsc, oneshot},
    task::{JoinError, JoinSet},
    time::MissedTickBehavior,
};

/// The task's name.
const NAME: &str = "network";
/// Blocks remembered as passed on.
const KNOWN_BLOCKS: usize = 1024;
/// Transactions remembered as gossiped, so that compact blocks can leave them out: about 4 MB.
const KNOWN_TXS: usize = 65_536;
/// How often everything periodic is looked at.
const TICK: Duration = Duration::from_millis(500);
/// How often peers are asked where they stand.
const STATUS_EVERY: Duration = Duration::from_secs(60);
/// The least pause between telling everybody of a tip that gossip did not bring.
const STATUS_PAUSE: Duration = Duration::from_secs(1);
/// How soon peers are told of any other new tip: what they know of each other is never much older.
const STATUS_SOON: Duration = Duration::from_secs(5);
/// How often more peers are looked for while there are too few.
const SEARCH_EVERY: Duration = Duration::from_secs(15);
/// With fewer peers than this a node looks for more.
const FEW_PEERS: usize = 8;

/// A gossiped message that is being judged.
pub(crate) struct Job {
    pub(crate) message: MessageId,
    pub(crate) source: PeerId,
    pub(crate) number: PeerNumber,
    /// The block in it.
    pub(crate) block: Option<BlockId>,
}

/// Where the answer to a request of ours goes.
type Answer = oneshot::Sender<Result<Vec<u8>, RequestError>>;

/// What a service begins with.
pub(crate) struct Setup {
    /// The swarm; it listens already.
    pub(crate) swarm: Swarm<Filtered<Behaviour>>,
    /// The names of protocols.
    pub(crate) names: Names,
    /// Who judges what comes.
    pub(crate) judge: Judge,
    /// The address book.
    pub(crate) book: AddressBook,
    /// What the operator decided.
    pub(crate) config: NetworkConfig,
    /// Where things are kept.
    pub(crate) files: NetworkFiles,
    /// What was given today.
    pub(crate) upload_target: UploadTarget,
}

/// The network's state.
pub(crate) struct Service {
    pub(crate) swarm: Swarm<Filtered<Behaviour>>,
    pub(crate) names: Names,
    pub(crate) judge: Judge,
    pub(crate) peers: PeerTable,
    pub(crate) persistent_peers: PersistentPeers,
    pub(crate) backlog: Backlog,
    /// Requests that wait for their answers.
    pub(crate) asked: BTreeMap<(Class, OutboundRequestId), Answer>,
    pub(crate) blocks: JoinSet<(Job, Judged)>,
    pub(crate) batches: JoinSet<(Job, Judged)>,
    pub(crate) counter: Counter,
    /// Where answers come from.
    pub(crate) sources: Sources,
    /// Small things to be told to others without waiting for them here.
    pub(crate) errands: JoinSet<()>,
    /// Blocks being judged, and from whom: one variant of each for every peer.
    pub(crate) variants: BTreeSet<(BlockId, PeerNumber)>,
    /// Blocks that travel already.
    pub(crate) known_blocks: Recent<BlockId>,
    pub(crate) known_txs: Recent<TxId>,
    pub(crate) tx_batcher: TxBatcher,
    pub(crate) config: NetworkConfig,
    pub(crate) files: NetworkFiles,
    pub(crate) book: AddressBook,
    pub(crate) upload_target: UploadTarget,
    pub(crate) outbound: Outbound,
    pub(crate) peer_exchange: PeerExchange,
    pub(crate) points: Points,
    pub(crate) searches: Searches,
    pub(crate) pool_rounds: PoolRounds,
    pub(crate) nat_status: NatStatus,
    pub(crate) nat: Nat,
    pub(crate) upkeep: Upkeep,
    /// Files being written.
    pub(crate) saves: JoinSet<()>,
    schedule: Schedule,
}

/// When periodic things are next due.
struct Schedule {
    /// Asking everybody where they stand.
    status: Instant,
    /// The earliest moment to tell everybody of a new tip.
    may_tell: Instant,
    /// Whether there is a new tip to tell of.
    news: bool,
    search: Instant,
}

/// What the service listens to besides the swarm.
pub(crate) struct Inlets {
    pub(crate) mailbox: mpsc::Receiver<Message>,
    pub(crate) moves: broadcast::Receiver<ChainEvent>,
    pub(crate) accepted: broadcast::Receiver<Arc<Accepted>>,
    pub(crate) events: mpsc::Sender<NetworkEvent>,
}

impl Service {
    /// A service at its beginning.
    pub(crate) fn new(setup: Setup) -> Self {
        let Setup { swarm, names, judge, book, upload_target, config, files } = setup;
        let now = Instant::now();
        let said = !config.external.is_empty();
        let (reader, pool_snapshot) = (judge.chain.reader().clone(), PoolSnapshot::new(judge.pool.clone()));
        let sources = Sources { reader, recent_blocks: judge.recent_blocks.clone(), pool_snapshot };
        Self {
            sources,
            swarm,
            names,
            judge,
            peers: PeerTable::default(),
            persistent_peers: PersistentPeers::default(),
            backlog: Backlog::default(),
            asked: BTreeMap::new(),
            blocks: JoinSet::new(),
            batches: JoinSet::new(),
            counter: Counter::new(config.max_upload_per_second, now),
            errands: JoinSet::new(),
            variants: BTreeSet::new(),
            known_blocks: Recent::new(KNOWN_BLOCKS),
            known_txs: Recent::new(KNOWN_TXS),
            tx_batcher: TxBatcher::default(),
            outbound: Outbound::new(book.anchors(), now),
            nat_status: NatStatus { allow_private: config.allow_private, said, ..NatStatus::default() },
            upkeep: Upkeep::new(config.max_memory_mib, now),
            peer_exchange: PeerExchange::default(),
            points: Points::default(),
            searches: Searches::default(),
            pool_rounds: PoolRounds::default(),
            nat: Nat::default(),
            saves: JoinSet::new(),
            config,
            files,
            book,
            upload_target,
            schedule: Schedule { status: now + STATUS_EVERY, may_tell: now, news: false, search: now },
        }
    }

    /// Runs until the node stops or its store fails.
    pub(crate) async fn run(mut self, mut inlets: Inlets, mut shutdown: Shutdown) -> Result<(), TaskError> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let (batches_due, upload_due) = (self.tx_batcher.due(), self.counter.due());
            tokio::select! {
                () = shutdown.requested() => break,
                event = self.swarm.select_next_some() => self.on_swarm_event(event),
                Some(message) = inlets.mailbox.recv() => self.on_message(message),
                Some(judged) = self.blocks.join_next() => self.on_judged(finished(judged)?),
                Some(judged) = self.batches.join_next() => self.on_judged(finished(judged)?),
                Some(served) = self.counter.serving.join_next() => self.on_served(finished(served)?)?,
                Some(fetched) = self.pool_rounds.asking.join_next() => self.on_fetched_pool(finished(fetched)?),
                Some(done) = self.errands.join_next() => finished(done)?,
                Some(saved) = self.saves.join_next() => finished(saved)?,
                moved = inlets.moves.recv() => match moved {
                    Ok(event) => self.on_chain_moved(&event),
                    // Only the last tip matters here, and the next status tells it.
                    Err(broadcast::error::RecvError::Lagged(_)) => self.schedule.news = true,
                    Err(broadcast::error::RecvError::Closed) => break,
                },
                accepted = inlets.accepted.recv() => match accepted {
                    Ok(accepted) => self.on_accepted(&accepted),
                    Err(broadcast::error::RecvError::Lagged(missed)) => {
                        tracing::warn!(target: "cairn::network", missed, "transactions were accepted faster than sent");
                    }
                    Err(broadcast::error::RecvError::Closed) => break,
                },
                Ok(room) = inlets.events.reserve(), if !self.backlog.is_empty() => {
                    if let Some(event) = self.backlog.pop() {
                        room.send(event);
                    }
                }
                () = sleep_until(batches_due), if batches_due.is_some() => {}
                () = sleep_until(upload_due), if upload_due.is_some() => self.serve_next(),
                _ = tick.tick() => self.on_tick(),
            }
            self.flush_batches();
        }
        self.save_all().await;
        Ok(())
    }

    fn on_message(&mut self, message: Message) {
        // Whoever asked may be gone: an answer that nobody reads is dropped.
        match message {
            Message::Announce { header, body } => self.announce(&header, body),
            Message::Request { peer, class, request, answer } => self.request(peer, class, request, answer),
            Message::Report { peer, misbehaviour } => self.report(peer, &misbehaviour),
            Message::AddPeer { address, answer } => drop(answer.send(self.add_target(&address, Reason::Named))),
            Message::Peers { answer } => drop(answer.send(self.list_peers())),
            Message::Info { answer } => drop(answer.send(self.info())),
            Message::Ban { target, seconds, reason, answer } => {
                self.ban(target, seconds, reason);
                let _ = answer.send(());
            }
            Message::Unban { target, answer } => drop(answer.send(self.unban(&target))),
            Message::ListBans { answer } => drop(answer.send(self.list_bans())),
            Message::Admit { peer, answer } => drop(answer.send(self.admit(peer))),
            Message::Revoke { peer, answer } => drop(answer.send(self.revoke(&peer))),
            Message::FindProviders { resource, answer } => self.find_providers(&resource, answer),
            Message::SeekProviders { resource } => self.seek_providers(&resource),
        }
    }

    fn request(&mut self, peer: PeerNumber, class: Class, request: Vec<u8>, answer: Answer) {
        // Asking somebody who is gone would dial them.
        let Some(id) = self.peers.get(peer).map(|peer| peer.id).filter(|id| self.swarm.is_connected(id)) else {
            drop(answer.send(Err(RequestError::Gone)));
            return;
        };
        self.peers.sent(peer, class.protocol(), request.len());
        let request = self.requests(class).send_request(&id, Ok(request));
        self.asked.insert((class, request), answer);
    }

    /// The requests of a traffic class.
    pub(crate) fn requests(&mut self, class: Class) -> &mut Requests {
        let behaviour = self.swarm.behaviour_mut();
        match class {
            Class::Headers => &mut behaviour.headers,
            Class::Bodies => &mut behaviour.bodies,
            Class::BlockTxs => &mut behaviour.block_txs,
            Class::Pool => &mut behaviour.pool,
        }
    }

    /// Reports a peer, and does what the table decides.
    pub(crate) fn report(&mut self, number: PeerNumber, misbehaviour: &Misbehaviour) {
        let decision = self.peers.report(number, misbehaviour, Instant::now());
        let Some(peer) = self.peers.get(number) else { return };
        let (id, address) = (peer.id, peer.address.clone());
        tracing::info!(target: "cairn::network", peer = %id, %address, %misbehaviour, ?decision, "reported a peer");
        match decision {
            Decision::Keep => {}
            Decision::Disconnect => self.disconnect(&id),
            // The operator knows this peer; it gets another chance at the next dial.
            Decision::Ban(_) if self.persistent_peers.is_named(&id) => self.disconnect(&id),
            Decision::Ban(time) => {
                let until = clock::now().saturating_add(time.as_millis() as u64);
                let behaviour = self.swarm.behaviour_mut();
                behaviour.gate.ban_peer(id, &address, Ban { until, reason: misbehaviour.to_string() });
                if let Some(kad) = behaviour.kad.as_mut() {
                    kad.remove_peer(&id);
                }
                self.book.forget(|address| address.peer() == id);
                self.upkeep.note_bans();
                self.disconnect(&id);
            }
        }
    }

    /// Closes all connections with a peer.
    pub(crate) fn disconnect(&mut self, id: &PeerId) {
        // It may be gone already.
        let _ = self.swarm.disconnect_peer_id(*id);
    }

    /// Begins to dial somebody.
    pub(crate) fn add_target(&mut self, address: &str, reason: Reason) -> Result<(), TargetError> {
        let (peer, address) = persistent::parse(address, *self.swarm.local_peer_id())?;
        let connected = self.swarm.is_connected(&peer);
        self.persistent_peers.add(peer, address.clone(), reason, connected, Instant::now())?;
        match reason {
            // Those whom the operator named need no free slot.
            Reason::Named => self.swarm.behaviour_mut().limits.bypass_peer_id(&peer),
            Reason::Boot => {
                let is_place = NodeAddress::new(peer, &address, self.config.allow_private).is_some();
                if let Some(kad) = self.swarm.behaviour_mut().kad.as_mut().filter(|_| is_place) {
                    kad.add_address(&peer, address);
                }
            }
            Reason::Neighbour => {}
        }
        self.dial_due();
        Ok(())
    }

    fn dial_due(&mut self) {
        let lonely = self.peers.len() < FEW_PEERS;
        for (peer, addresses) in self.persistent_peers.due(lonely, Instant::now()) {
            let options = DialOpts::peer_id(peer)
                .condition(PeerCondition::DisconnectedAndNotDialing)
                .addresses(addresses)
                .build();
            let connection = options.connection_id();
            self.swarm.behaviour_mut().announce(connection);
            if let Err(error) = self.swarm.dial(options) {
                tracing::debug!(target: "cairn::network", %peer, %error, "not dialling");
                self.swarm.behaviour_mut().retract(connection);
            }
        }
    }

    fn on_tick(&mut self) {
        let now = Instant::now();
        self.dial_due();
        if self.wants_peers() && self.schedule.search <= now {
            self.schedule.search = now + SEARCH_EVERY;
            self.search_dht();
        }
        self.exchange_addresses(now);
        self.visit_points(now);
        self.reach_out(now);
        self.provide(now);
        self.find_relay(now);
        self.keep_up(now);
        self.fetch_pools(now);
        let regular = self.schedule.status <= now;
        if regular || (self.schedule.news && self.schedule.may_tell <= now) {
            self.schedule.may_tell = now + STATUS_PAUSE;
            self.schedule.news = false;
            let everybody: Vec<PeerId> = self.peers.iter().map(|(_, peer)| peer.id).collect();
            everybody.iter().for_each(|id| self.exchange_status(id));
        }
        if regular {
            self.schedule.status = now + STATUS_EVERY;
        }
    }

    /// Has everybody told of a new tip: at once when gossip did not bring it, otherwise before long.
    pub(crate) fn tell_soon(&mut self, at_once: bool) {
        self.schedule.news |= at_once;
        self.schedule.status = self.schedule.status.min(Instant::now() + STATUS_SOON);
    }

    /// Where this node stands.
    pub(crate) fn own_status(&self) -> PeerStatus {
        let tip: Arc<Tip> = self.judge.chain.tip();
        let schedule = self.judge.spec.schedule();
        let upgrades = [schedule.in_force_at(tip.height()), schedule.next_after(tip.height())];
        let upgrades = upgrades.into_iter().flatten().map(NamedUpgrade::new).collect();
        PeerStatus {
            rules_id: schedule.id(),
            upgrades: BoundedVec::new(upgrades).unwrap_or_default(),
            genesis_id: self.judge.spec.genesis_id(),
            tip: tip.id,
            height: tip.height(),
            total_work: tip.total_work,
            now: clock::now(),
            lowest_body: Height::GENESIS,
            snapshots: BoundedVec::default(),
        }
    }

    /// Tells a peer where this node stands, and asks the same.
    pub(crate) fn exchange_status(&mut self, id: &PeerId) {
        if self.swarm.is_connected(id) {
            let status = self.own_status().to_bytes();
            if let Some(number) = self.peers.number(id) {
                self.peers.sent(number, Protocol::Status, status.len());
            }
            self.swarm.behaviour_mut().status.send_request(id, Ok(status));
        }
    }

    /// The connected peers, as others see them.
    fn list_peers(&self) -> Vec<PeerInfo> {
        let now = Instant::now();
        let gossip = &self.swarm.behaviour().gossip;
        let in_mesh =
            |topic: &gossipsub::IdentTopic, id: &PeerId| gossip.mesh_peers(&topic.hash()).any(|peer| peer == id);
        let topics = [("blocks", &self.names.blocks), ("txs", &self.names.txs)];
        let show = |(number, peer): (PeerNumber, &Peer)| {
            let mesh = topics.iter().filter(|(_, topic)| in_mesh(topic, &peer.id)).map(|(name, _)| (*name).to_owned());
            self.peers.info(number, mesh.collect(), now)
        };
        self.peers.iter().filter_map(show).collect()
    }

    /// The node among its peers.
    fn info(&self) -> NetworkInfo {
        let own = *self.swarm.local_peer_id();
        let full = |address: &Multiaddr| format!("{address}/p2p/{own}");
        let inbound = self.peers.iter().filter(|(_, peer)| peer.inbound).count();
        let (reach, reach_reason) = self.nat_status.verdict();
        let gate = &self.swarm.behaviour().gate;
        NetworkInfo {
            peer_id: own.to_string(),
            listening: self.swarm.listeners().map(full).collect(),
            external: self.swarm.external_addresses().map(full).collect(),
            peers: self.peers.len(),
            inbound,
            outbound: self.peers.len() - inbound,
            protocol_prefix: self.names.prefix.clone(),
            reach,
            reach_reason,
            book: self.book.count(),
            bans: gate.bans.list(clock::now()).count(),
            admitted: gate.admitted.as_ref().map(|peers| peers.iter().map(PeerId::to_string).collect()),
            clock_ahead: self.peers.median_clock(),
            other_rules: self.peers.other_rules(self.judge.spec.schedule()),
            other_keys: self.persistent_peers.other_keys(),
            uploaded_today: self.upload_target.today(clock::now()),
            max_upload_per_day: self.config.max_upload_per_day,
        }
    }
}

/// The result of a task of ours; one that panicked ends the node in order.
fn finished<T>(result: Result<T, JoinError>) -> Result<T, TaskError> {
    result.map_err(|error| TaskError::Panicked { name: NAME, reason: error.to_string() })
}

async fn sleep_until(due: Option<Instant>) {
    if let Some(due) = due {
        tokio::time::sleep_until(due.into()).await;
    }
}
