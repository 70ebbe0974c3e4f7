//! A peer with a chain of its own, which it serves as it likes: as nodes do, or in one of the ways by which
//! somebody without work would keep others from mining or from synchronising.

use super::bytes::{Bytes, framed};
use super::{bystander::requests, chain::Chain, swarm};
use crate::intruder::{REQUESTS, TOPICS};
use crate::node::Node;
use crate::wait::{SOON, until};
use cairn_ledger::accounts::{Leaf, RUN_LEAVES, RunTree, StateRun, run_root};
use cairn_ledger::codec::{BoundedVec, encode};
use cairn_ledger::hash::{BlockId, Hash, sha256};
use cairn_ledger::{pow::Work, testing::arbitrary_hash, units::Height};
use cairn_network::PeerStatus;
use cairn_network::wire::{
    Bodies as BodiesAnswer, CompactBlock, GetBodies, GetHeaders, GetStateRun, Headers as HeadersAnswer, MAX_HEADERS,
    Message, SnapshotName, StateRuns, StretchName,
};
use libp2p::gossipsub::{self, IdentTopic};
use libp2p::request_response::{self, Event, Message as Exchange, ResponseChannel};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, futures::StreamExt, identify, identity::Keypair, ping};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};

/// Places in [`REQUESTS`] and [`TOPICS`].
const STATUS: usize = 0;
const HEADERS: usize = 1;
const BODIES: usize = 2;
/// The place of what only some speak.
const SNAPSHOT: usize = 3;
const BLOCKS: usize = 0;
/// More bytes of bodies than this are left for the next answer.
const ANSWER_BYTES: usize = 3 << 20;

/// What it says of its chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Claim {
    /// What it has.
    #[default]
    Honest,
    /// More work than anybody has, at another tip after each answer.
    Most,
    /// That it has pruned its chain below this height, and keeps all of it in a stretch.
    Pruned(u64),
}

/// What it answers who asks for headers.
#[derive(Clone, Default)]
pub enum Headers {
    /// As nodes do.
    #[default]
    Honest,
    /// None, after so long.
    Empty(Duration),
    /// Nothing at all.
    Silent,
    /// The first of its chain, whatever was asked.
    Repeated,
    /// As many as fit, made while they are asked for, for ever.
    Endless,
    /// When asked once more for what it gave, those of this chain.
    Other(Arc<Chain>),
}

/// What it answers who asks for bodies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bodies {
    /// As nodes do.
    #[default]
    Honest,
    /// None.
    Withheld,
    /// All but the one at this height, and none after it in the same answer.
    AllBut(u64),
}

/// What it answers who asks for the accounts of a snapshot, which it says it holds, at this height.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Runs {
    /// It says it holds none.
    #[default]
    NotHeld,
    /// As nodes do: the one run that these accounts are.
    Held(u64, Arc<[Leaf]>),
    /// Accounts of its own.
    Wrong(u64),
    /// Nothing at all.
    Silent(u64),
}

/// How it behaves.
#[derive(Clone, Default)]
pub struct Manner {
    /// Of its chain.
    pub claim: Claim,
    /// To who asks for headers.
    pub headers: Headers,
    /// To who asks for bodies.
    pub bodies: Bodies,
    /// To who asks for accounts.
    pub runs: Runs,
}

#[derive(NetworkBehaviour)]
struct Behaviour {
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    gossip: gossipsub::Behaviour,
    status: request_response::Behaviour<Bytes>,
    headers: request_response::Behaviour<Bytes>,
    bodies: request_response::Behaviour<Bytes>,
    snapshot: request_response::Behaviour<Bytes>,
}

/// What it is told to do.
enum Order {
    Dial(Multiaddr),
    /// Says where it stands to everybody.
    Announce,
    Publish(Vec<u8>, oneshot::Sender<bool>),
}

/// What its task and its owner both see.
struct Shared {
    chain: Mutex<Arc<Chain>>,
    /// Requests by protocol.
    asked: [AtomicUsize; REQUESTS.len()],
    /// Headers that were given.
    given: AtomicUsize,
    /// Blocks that were gossiped to it.
    heard: Mutex<HashSet<BlockId>>,
}

impl Shared {
    fn chain(&self) -> Arc<Chain> {
        Arc::clone(&self.chain.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The peer; it ends when it is dropped.
pub struct Pretender {
    id: PeerId,
    port: u16,
    shared: Arc<Shared>,
    orders: mpsc::UnboundedSender<Order>,
    task: JoinHandle<()>,
}

impl Drop for Pretender {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Pretender {
    /// A new identity with this chain; `prefix` is what the names of its network's protocols begin with.
    ///
    /// # Panics
    /// The system gives it no port.
    pub async fn new(prefix: &str, chain: Arc<Chain>, manner: Manner) -> Self {
        let prefix = prefix.trim_end_matches('/').to_owned();
        let key = Keypair::generate_ed25519();
        let id = key.public().to_peer_id();
        let mut swarm = swarm::swarm(key.clone(), Duration::from_secs(3600), behaviour(&key, &prefix));
        let port = swarm::listen(&mut swarm).await;
        let shared = Arc::new(Shared {
            chain: Mutex::new(chain),
            asked: Default::default(),
            given: AtomicUsize::new(0),
            heard: Mutex::default(),
        });
        #[expect(clippy::disallowed_methods, reason = "orders of a test, a few of them")]
        let (orders, received) = mpsc::unbounded_channel();
        let actor = Actor {
            swarm,
            topic: IdentTopic::new(format!("{prefix}/{}", TOPICS[BLOCKS])),
            manner,
            shared: Arc::clone(&shared),
            peers: HashMap::new(),
            answers: JoinSet::new(),
            claims: 0,
        };
        Self { id, port, shared, orders, task: tokio::spawn(actor.run(received)) }
    }

    /// Its identity.
    pub fn peer_id(&self) -> String {
        self.id.to_string()
    }

    /// Its address among peers.
    pub fn address(&self) -> String {
        format!("/ip4/127.0.0.1/tcp/{}/p2p/{}", self.port, self.id)
    }

    fn order(&self, order: Order) {
        // The task ends only with this value, or by a panic that the test sees.
        let _ = self.orders.send(order);
    }

    /// Connects to a node, and waits until that has taken it in.
    ///
    /// # Panics
    /// It does not.
    pub async fn meets(&self, node: &Node) {
        self.order(Order::Dial(node.address().await.parse().expect("a node's address")));
        let id = self.peer_id();
        until("the stranger is let in", SOON, async || node.peer_ids().await.contains(&id).then_some(())).await;
    }

    /// Takes another chain, and says so to everybody.
    pub fn follow(&self, chain: Arc<Chain>) {
        *self.shared.chain.lock().unwrap_or_else(PoisonError::into_inner) = chain;
        self.order(Order::Announce);
    }

    /// Gossips a block without transactions by its header; whether it is on its way.
    pub async fn gossips(&self, header: &cairn_ledger::block::Header) -> bool {
        let compact =
            CompactBlock { header: header.clone(), short_ids: BoundedVec::default(), prefilled: BoundedVec::default() };
        let (sender, sent) = oneshot::channel();
        self.order(Order::Publish(compact.to_bytes(), sender));
        sent.await.unwrap_or(false)
    }

    /// How often it was asked for headers.
    pub fn asked_for_headers(&self) -> usize {
        self.shared.asked[HEADERS].load(Ordering::Relaxed)
    }

    /// How often it was asked for bodies.
    pub fn asked_for_bodies(&self) -> usize {
        self.shared.asked[BODIES].load(Ordering::Relaxed)
    }

    /// How often it was asked for accounts.
    pub fn asked_for_runs(&self) -> usize {
        self.shared.asked[SNAPSHOT].load(Ordering::Relaxed)
    }

    /// How many headers it has given.
    pub fn headers_given(&self) -> usize {
        self.shared.given.load(Ordering::Relaxed)
    }

    /// The blocks that were gossiped to it.
    pub fn heard(&self) -> HashSet<BlockId> {
        self.shared.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What it knows of whom it speaks to.
#[derive(Default)]
struct Known {
    /// What that said of itself last.
    status: Option<PeerStatus>,
    /// The place after the last header that was given to it.
    given: usize,
}

struct Actor {
    swarm: Swarm<Behaviour>,
    topic: IdentTopic,
    manner: Manner,
    shared: Arc<Shared>,
    peers: HashMap<PeerId, Known>,
    /// Answers that come late.
    answers: JoinSet<(PeerId, ResponseChannel<Vec<u8>>)>,
    /// Claims made so far: each names another tip.
    claims: u64,
}

impl Actor {
    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        loop {
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_event(event),
                Some(order) = orders.recv() => self.on_order(order),
                Some(Ok((peer, channel))) = self.answers.join_next() => {
                    self.give(peer, channel, &HeadersAnswer::default());
                }
            }
        }
    }

    fn on_order(&mut self, order: Order) {
        match order {
            // A dial that is refused shows in what does not happen next.
            Order::Dial(address) => drop(self.swarm.dial(address)),
            Order::Announce => {
                let peers: Vec<PeerId> = self.peers.keys().copied().collect();
                peers.into_iter().for_each(|peer| self.announce(peer));
            }
            Order::Publish(bytes, sent) => {
                let topic = self.topic.clone();
                // Whoever asked may no longer want to know.
                let _ = sent.send(self.swarm.behaviour_mut().gossip.publish(topic, bytes).is_ok());
            }
        }
    }

    fn on_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::ConnectionClosed { peer_id, num_established: 0, .. } => drop(self.peers.remove(&peer_id)),
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(gossipsub::Event::Message { message, .. })) => {
                if let Ok(compact) = CompactBlock::from_bytes(&message.data) {
                    let mut heard = self.shared.heard.lock().unwrap_or_else(PoisonError::into_inner);
                    heard.insert(compact.header.id());
                }
            }
            SwarmEvent::Behaviour(BehaviourEvent::Status(event)) => self.on_exchange(STATUS, event),
            SwarmEvent::Behaviour(BehaviourEvent::Headers(event)) => self.on_exchange(HEADERS, event),
            SwarmEvent::Behaviour(BehaviourEvent::Bodies(event)) => self.on_exchange(BODIES, event),
            SwarmEvent::Behaviour(BehaviourEvent::Snapshot(event)) => self.on_exchange(SNAPSHOT, event),
            _ => {}
        }
    }

    fn on_exchange(&mut self, protocol: usize, event: Event<Vec<u8>, Vec<u8>>) {
        let Event::Message { peer, message, .. } = event else { return };
        let (request, channel) = match message {
            Exchange::Request { request, channel, .. } => (request, channel),
            Exchange::Response { response, .. } => {
                if let (STATUS, Some(status)) = (protocol, read::<PeerStatus>(&response)) {
                    self.peers.entry(peer).or_default().status = Some(status);
                }
                return;
            }
        };
        self.shared.asked[protocol].fetch_add(1, Ordering::Relaxed);
        match protocol {
            STATUS => {
                if let Some(status) = read::<PeerStatus>(&request) {
                    let own = self.own_status(status.clone());
                    self.peers.entry(peer).or_default().status = Some(status);
                    self.respond(STATUS, channel, &own);
                }
            }
            HEADERS => self.on_headers(peer, &request, channel),
            SNAPSHOT => self.on_runs(peer, &request, channel),
            _ => self.on_bodies(&request, channel),
        }
    }

    /// Where it says it stands: like whoever asks, but for its chain.
    fn own_status(&mut self, theirs: PeerStatus) -> PeerStatus {
        let chain = self.shared.chain();
        let (tip, height) = (chain.tip(), Height::new(chain.height()));
        let honest = PeerStatus { tip, height, total_work: chain.total_work(), lowest_body: Height::GENESIS, ..theirs };
        let snapshots = match self.manner.runs {
            Runs::NotHeld => Vec::new(),
            Runs::Held(height, _) | Runs::Wrong(height) | Runs::Silent(height) => {
                let state_root = chain.header(height).state_root;
                vec![SnapshotName { height: Height::new(height), state_root }]
            }
        };
        let snapshots = BoundedVec::new(snapshots).expect("one");
        let honest = PeerStatus { stretches: BoundedVec::default(), snapshots, ..honest };
        match self.manner.claim {
            Claim::Honest => return honest,
            Claim::Pruned(below) => {
                let to = Height::new(below);
                let stretches = BoundedVec::new(vec![StretchName { from: Height::GENESIS, to }]).expect("one");
                return PeerStatus { lowest_body: to, stretches, ..honest };
            }
            Claim::Most => {}
        }
        self.claims += 1;
        let n = u64::from(sha256(&[&self.swarm.local_peer_id().to_bytes()]).as_bytes()[0]) << 32 | self.claims;
        PeerStatus {
            tip: BlockId::from_bytes(*arbitrary_hash(n).as_bytes()),
            height: honest.height.saturating_add(1_000),
            total_work: Work::from_u64(u64::MAX >> 1).checked_add(Work::from_u64(n)).expect("far from the greatest"),
            ..honest
        }
    }

    fn announce(&mut self, peer: PeerId) {
        let Some(theirs) = self.peers.get(&peer).and_then(|known| known.status.clone()) else { return };
        let own = self.own_status(theirs);
        self.swarm.behaviour_mut().status.send_request(&peer, framed(&own.to_bytes()));
    }

    fn on_headers(&mut self, peer: PeerId, request: &[u8], channel: ResponseChannel<Vec<u8>>) {
        let Some(GetHeaders { locator, .. }) = read(request) else { return };
        let chain = self.shared.chain();
        let place = chain.place_after(&locator);
        let headers = match &self.manner.headers {
            Headers::Honest => chain.headers_from(place, MAX_HEADERS),
            Headers::Repeated => chain.headers_from(1, MAX_HEADERS),
            Headers::Endless => self.made(place),
            Headers::Other(other) => {
                let known = self.peers.entry(peer).or_default();
                if place < known.given {
                    other.headers_from(other.place_after(&locator), MAX_HEADERS)
                } else {
                    known.given = known.given.max(place + 1);
                    chain.headers_from(place, MAX_HEADERS)
                }
            }
            Headers::Empty(late) => {
                let late = *late;
                self.answers.spawn(async move {
                    tokio::time::sleep(late).await;
                    (peer, channel)
                });
                return;
            }
            Headers::Silent => return self.keep_silent(peer, channel),
        };
        self.shared.given.fetch_add(headers.len(), Ordering::Relaxed);
        let headers = BoundedVec::new(headers).expect("no more than an answer holds");
        self.give(peer, channel, &HeadersAnswer { headers });
    }

    /// Never answers. Dropped, the channel would close the stream: that would be an answer of a kind.
    fn keep_silent(&mut self, peer: PeerId, channel: ResponseChannel<Vec<u8>>) {
        self.answers.spawn(async move {
            std::future::pending::<()>().await;
            (peer, channel)
        });
    }

    fn on_runs(&mut self, peer: PeerId, request: &[u8], channel: ResponseChannel<Vec<u8>>) {
        let Some(GetStateRun { number, .. }) = read(request) else { return };
        let runs = match &self.manner.runs {
            Runs::Silent(_) => return self.keep_silent(peer, channel),
            Runs::NotHeld => Vec::new(),
            Runs::Held(_, leaves) => {
                let (count, held) = (leaves.len() as u64, BoundedVec::new(leaves.to_vec()).expect("one run"));
                let tree = RunTree::new(count, vec![run_root(count, leaves)]).expect("one run");
                tree.run(number, held).into_iter().collect()
            }
            Runs::Wrong(_) => {
                let leaves = BoundedVec::new(vec![Leaf::SENTINEL; RUN_LEAVES]).expect("as many as a run has");
                let siblings = BoundedVec::new(vec![Hash::ZERO; 2]).expect("few");
                vec![StateRun { count: 10_000, number, leaves, siblings }]
            }
        };
        self.respond(SNAPSHOT, channel, &StateRuns { runs: BoundedVec::new(runs).expect("one") });
    }

    /// As many headers as an answer holds, making those that are lacking.
    fn made(&mut self, place: usize) -> Vec<cairn_ledger::block::Header> {
        let mut shared = self.shared.chain.lock().unwrap_or_else(PoisonError::into_inner);
        let chain = Arc::make_mut(&mut shared);
        let interval = chain.spec().params().interval_ms;
        while (chain.height() as usize) < place + MAX_HEADERS {
            chain.extend(interval, 1_000 + self.claims);
        }
        chain.headers_from(place, MAX_HEADERS)
    }

    /// Answers who asked for headers, and claims something new where that is its manner.
    fn give(&mut self, peer: PeerId, channel: ResponseChannel<Vec<u8>>, answer: &HeadersAnswer) {
        self.respond(HEADERS, channel, answer);
        if self.manner.claim == Claim::Most {
            self.announce(peer);
        }
    }

    fn on_bodies(&mut self, request: &[u8], channel: ResponseChannel<Vec<u8>>) {
        let Some(GetBodies { ids, .. }) = read(request) else { return };
        let (chain, mut bodies, mut bytes) = (self.shared.chain(), Vec::new(), 0);
        for id in ids.iter() {
            let body = match self.manner.bodies {
                Bodies::Withheld => None,
                Bodies::AllBut(height) if chain.headers_from(height as usize, 1).iter().any(|h| h.id() == *id) => None,
                Bodies::Honest | Bodies::AllBut(_) => chain.body(id),
            };
            let Some(body) = body else { break };
            bytes += encode(body).len();
            if bytes > ANSWER_BYTES && !bodies.is_empty() {
                break;
            }
            bodies.push(body.clone());
        }
        self.respond(
            BODIES,
            channel,
            &BodiesAnswer { bodies: BoundedVec::new(bodies).expect("as many as were asked") },
        );
    }

    fn respond<M: Message>(&mut self, protocol: usize, channel: ResponseChannel<Vec<u8>>, answer: &M) {
        let Behaviour { status, headers, bodies, snapshot, .. } = self.swarm.behaviour_mut();
        // Whoever asked may be gone.
        let _ = [status, headers, bodies, snapshot][protocol].send_response(channel, framed(&answer.to_bytes()));
    }
}

/// A message behind its length.
fn read<M: Message>(bytes: &[u8]) -> Option<M> {
    M::from_bytes(bytes.get(4..)?).ok()
}

fn behaviour(key: &Keypair, prefix: &str) -> Behaviour {
    Behaviour {
        identify: swarm::identify(prefix, key),
        ping: ping::Behaviour::default(),
        gossip: swarm::gossip(prefix, TOPICS[BLOCKS]),
        status: requests(prefix, REQUESTS[STATUS]),
        headers: requests(prefix, REQUESTS[HEADERS]),
        bodies: requests(prefix, REQUESTS[BODIES]),
        snapshot: requests(prefix, "snapshot/1"),
    }
}
