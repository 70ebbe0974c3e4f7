//! What happens to the network's [state](crate::state::NetworkState), and what it wants done. Of libp2p these name
//! peers and addresses only: what connections, requests and messages are to the swarm stays with it, under numbers.

#![expect(missing_docs, reason = "the sentences say what the fields are")]

use crate::ids::{ConnectionNumber, DialNumber, MessageNumber, Multiaddr, PeerId, RequestNumber, SearchNumber};
use crate::{
    discovery::resource::Resource, gossip::judge::Judged, handle::Provider, peers::table::Services,
    peers::traffic::Protocol, pool_sync::rounds::FetchedPool, requests::class::Class, snapshots::Snapshots,
    wire::TxBatch,
};
use cairn_chain::{ChainEvent, Misbehaviour, PeerNumber, Tip};
use cairn_ledger::hash::{BlockId, Hash, TxId};
use cairn_ledger::{codec::DecodeError, units::Timestamp};
use cairn_mempool::Accepted;
use std::time::{Duration, Instant};
use std::{path::PathBuf, sync::Arc};

/// When something happens, by the clock that never goes back, by the system's, and by the chain; and what follows from
/// it: actions in order, and reports, on which the state acts before anything else happens.
#[derive(Debug)]
pub struct Context {
    pub now: Instant,
    pub clock: Timestamp,
    pub tip: Arc<Tip>,
    actions: Vec<Action>,
    reports: Vec<(PeerNumber, Misbehaviour)>,
}

impl Context {
    pub fn new(now: Instant, clock: Timestamp, tip: Arc<Tip>) -> Self {
        Self { now, clock, tip, actions: Vec::new(), reports: Vec::new() }
    }

    pub fn push(&mut self, action: impl Into<Action>) {
        self.actions.push(action.into());
    }

    pub fn report(&mut self, peer: PeerNumber, misbehaviour: Misbehaviour) {
        self.reports.push((peer, misbehaviour));
    }

    /// Refuses a request, and reports who asked.
    pub fn refuse(&mut self, request: RequestNumber, peer: PeerNumber, misbehaviour: Misbehaviour) {
        self.push(SwarmAction::Drop(request));
        self.report(peer, misbehaviour);
    }

    pub fn take_reports(&mut self) -> Vec<(PeerNumber, Misbehaviour)> {
        std::mem::take(&mut self.reports)
    }

    pub fn take(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }
}

/// A whole message of a peer's, or why it is none.
pub type Received = Result<Vec<u8>, DecodeError>;

/// The two ends of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The other end's address.
    pub remote: Multiaddr,
    /// The own address at which it came in; `None` where this node dialled.
    pub local: Option<Multiaddr>,
    /// Whether a relay is between them.
    pub is_relayed: bool,
}

impl Endpoint {
    /// Where the peer is: behind a relay that let it in, where the relay is.
    pub fn address(&self, peer: PeerId) -> Multiaddr {
        match &self.local {
            Some(local) if self.is_relayed => local.clone().with_p2p(peer).unwrap_or_else(|whole| whole),
            _ => self.remote.clone(),
        }
    }
}

/// What is gossiped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    Blocks,
    Txs,
}

impl Topic {
    /// The protocol whose bytes these are.
    pub fn protocol(self) -> Protocol {
        match self {
            Self::Blocks => Protocol::Blocks,
            Self::Txs => Protocol::Txs,
        }
    }
}

/// A gossiped message, before anything is known of it.
#[derive(Debug)]
pub struct Gossiped {
    pub peer: PeerId,
    pub message: MessageNumber,
    pub topic: Topic,
    pub data: Vec<u8>,
}

/// A gossiped message that is being judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    pub message: MessageNumber,
    pub sender: PeerNumber,
    pub topic: Topic,
    /// Its length.
    pub bytes: usize,
}

/// Why a dial failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DialFailure {
    /// Nobody is there, or somebody who speaks something else.
    Unreachable,
    /// Somebody else is there.
    OtherPeer { got: PeerId, address: Multiaddr },
    /// This node's own limits and decisions.
    NotDialled,
}

/// What is learned of how others reach this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReachEvent {
    /// Somebody dialled this address when asked to.
    Confirmed(Multiaddr),
    /// Somebody was asked to dial this address, and could not.
    Refuted(Multiaddr),
    /// The router opened a port.
    Mapped(Multiaddr),
    /// The router closed it.
    Unmapped(Multiaddr),
    /// The router opens none.
    NoPort(&'static str),
    /// A direct connection stands where there was one through a relay.
    HolePunched { peer: PeerId, direct: ConnectionNumber },
}

/// What came of publishing a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// It is on its way.
    Sent,
    /// One of the same bytes came or went before, and may have been ignored: nobody takes it a second time.
    Repeated,
    /// Nobody is there to take it, or all are busy.
    NobodyTook,
    /// It cannot be sent.
    Failed,
}

/// A connection that has just come to stand.
#[derive(Debug)]
pub struct Connection {
    pub peer: PeerId,
    pub number: ConnectionNumber,
    /// The dial that led to it, if it is one of the slots'.
    pub dial: Option<DialNumber>,
    pub endpoint: Endpoint,
    /// Whether it is the only one with that peer.
    pub is_first: bool,
}

/// What happens.
#[derive(Debug)]
pub enum Event {
    /// A connection stands.
    Connected(Connection),
    /// A connection has ended.
    Closed { peer: PeerId, connection: ConnectionNumber, is_last: bool, cause: Option<String> },
    /// A dial has failed.
    DialFailed { peer: Option<PeerId>, dial: Option<DialNumber>, failure: DialFailure },
    /// A peer says what it speaks and where it listens.
    Identified { peer: PeerId, agent: String, services: Services, in_dht: bool, addresses: Vec<Multiaddr> },
    /// A peer has answered a ping.
    Pinged { peer: PeerId, latency: Duration },
    /// A peer has left two pings unanswered.
    PingsUnanswered { peer: PeerId },
    /// Somebody announces itself on the local network.
    NeighbourFound { peer: PeerId, address: Multiaddr },
    /// It does so no more.
    NeighbourGone { peer: PeerId, address: Multiaddr },
    /// A peer asks for something.
    Request { peer: PeerId, class: Class, request: RequestNumber, question: Received },
    /// The answer to a request has left, or never will.
    RequestClosed { request: RequestNumber, is_timeout: bool },
    /// A peer has answered this node's status or question for addresses.
    Answer { peer: PeerId, class: Class, answer: Received },
    /// A peer has answered another question of this node's with so many bytes.
    Answered { peer: PeerId, class: Class, bytes: Result<usize, DecodeError> },
    /// A peer does not answer with its status: it speaks no such protocol, or takes too long.
    NoStatus { peer: PeerId, is_timeout: bool },
    /// A peer has sent more of a protocol than it may; the connection is closed.
    Exceeded { peer: PeerId },
    /// A message was gossiped by a peer.
    Gossiped(Gossiped),
    /// It was judged; `travels`: gossip passes it on.
    Judged { job: Job, judged: Judged, travels: bool },
    /// An answer to a request was read, or the question is none.
    Served { request: RequestNumber, answer: Received },
    /// A peer's pool was looked through.
    PoolFetched(FetchedPool),
    /// So many gossiped messages were dropped that waited for a peer whose line is slow.
    GossipDropped { topic: Topic, messages: u64 },
    /// A batch was handed to gossip.
    TxsPublished { batch: TxBatch, outcome: Published },
    /// This node listens at an address; through a relay once that has accepted.
    Listening { relay: Option<PeerId>, address: Multiaddr },
    /// A relay passes connections on no more.
    RelayClosed { relay: PeerId },
    /// A search in the DHT has come across somebody.
    PeerFound { peer: PeerId, addresses: Vec<Multiaddr> },
    /// A search for providers has found some.
    ProvidersFound { search: SearchNumber, providers: Vec<PeerId>, is_last: bool },
    /// The DHT is being told that this node provides something.
    Providing(Resource),
    /// A rendezvous point keeps this node's registration for so many seconds.
    Registered { point: PeerId, seconds: u64 },
    /// A rendezvous point names others.
    Registrations { point: PeerId, found: Vec<(PeerId, Vec<Multiaddr>)> },
    /// A peer has asked this rendezvous point, and got so many registrations.
    PointAsked { peer: PeerId, registrations: usize },
    /// Something is learned of how others reach this node.
    Reach(ReachEvent),
    /// The chain has moved.
    ChainMoved(ChainEvent),
    /// The chain has moved more often than was heard.
    MovesMissed,
    /// Transactions have come into the pool.
    Accepted(Arc<Accepted>),
    /// What snapshots there are was read.
    SnapshotsRead(Snapshots),
    /// Files were written.
    Saved,
    /// The process holds so much memory.
    MemoryMeasured { mib: Option<usize> },
    /// A moment for which something waits has come.
    Due,
    /// Time has passed.
    Tick,
}

/// Whom a dial is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialCondition {
    /// Somebody to whom there is no connection, and no dial.
    DisconnectedAndNotDialling,
    /// Somebody to whom there is no connection.
    Disconnected,
    /// Somebody who is not being dialled.
    NotDialling,
}

/// A dial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dial {
    pub peer: PeerId,
    /// Where; nowhere: where the DHT knows it to be.
    pub addresses: Vec<Multiaddr>,
    pub condition: DialCondition,
    pub number: Option<DialNumber>,
    /// Whether this node chose the addresses, which may then be private.
    pub is_own: bool,
}

/// What is to be done on the swarm.
#[derive(Debug)]
pub enum SwarmAction {
    /// Dial somebody.
    Dial(Dial),
    /// Close all connections with a peer.
    Disconnect(PeerId),
    /// Close one connection.
    Close(ConnectionNumber),
    /// Listen through a relay.
    ListenThrough { relay: PeerId, address: Multiaddr },
    /// Others reach this node at an address.
    AddExternalAddress(Multiaddr),
    /// They do so no more.
    RemoveExternalAddress(Multiaddr),
    /// Count a peer's connections no more.
    LiftLimits(PeerId),
    /// A peer can be found through the DHT, and there.
    AddToDht { peer: PeerId, address: Multiaddr },
    /// It is not to be found there.
    RemoveFromDht(PeerId),
    /// Look for peers near a random place.
    SearchDht,
    /// Tell the DHT that this node provides something.
    Provide(Resource),
    /// Tell it so no more.
    StopProviding(Resource),
    /// Remember who provides snapshots under these state roots, and no others.
    KnowSnapshots(Vec<Hash>),
    /// Remember who provides so many stretches of so many blocks, the first ones, and no others.
    KnowStretches { blocks: u64, count: u64 },
    /// Ask the DHT who provides something.
    FindProviders { search: SearchNumber, resource: Resource },
    /// Register with a rendezvous point.
    Register { point: PeerId },
    /// Ask a rendezvous point for others.
    Discover { point: PeerId, max: u64 },
    /// Ask a peer for its status, or for addresses.
    Ask { peer: PeerId, class: Class, question: Vec<u8> },
    /// Answer a request.
    Answer { request: RequestNumber, answer: Vec<u8> },
    /// Close a request unanswered.
    Drop(RequestNumber),
    /// Pass a message on to nobody, and blame nobody.
    Ignore(MessageNumber),
    /// Gossip a block.
    PublishBlock { id: BlockId, message: Vec<u8> },
    /// Gossip a batch of transactions.
    PublishTxs(TxBatch),
}

/// What is to be done in a task beside the network's own.
#[derive(Debug)]
pub enum TaskAction {
    /// Read the answer to a request, after a while, for somebody who is here `since`; `is_spent`: nothing more is given
    /// today to those who catch up.
    Serve { request: RequestNumber, class: Class, question: Vec<u8>, wait: Duration, since: Instant, is_spent: bool },
    /// Judge what was gossiped.
    Judge { job: Job, data: Vec<u8> },
    /// Take from a peer's pool what this one lacks, and find out what it has of those that this node's clients paid.
    FetchPool { peer: PeerNumber, unseen: Vec<TxId> },
    /// Tell the chain that a peer is gone.
    ForgetPeer(PeerNumber),
    /// Read which snapshots there are, and the state roots of the last heights that so many blocks divide.
    ReadSnapshots,
    /// Write files.
    Save(Vec<(PathBuf, Vec<u8>)>),
    /// Find out how much memory the process holds.
    MeasureMemory,
}

/// What is to be done.
#[derive(Debug)]
pub enum Action {
    /// On the swarm.
    Swarm(SwarmAction),
    /// In a task.
    Task(TaskAction),
    /// Tell whoever asked what a search has found.
    EndSearch { search: SearchNumber, found: Vec<Provider> },
}

impl From<SwarmAction> for Action {
    fn from(action: SwarmAction) -> Self {
        Self::Swarm(action)
    }
}

impl From<TaskAction> for Action {
    fn from(action: TaskAction) -> Self {
        Self::Task(action)
    }
}
