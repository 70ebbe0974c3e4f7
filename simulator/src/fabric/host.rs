//! One node's end.

use crate::executor::{Nanos, NodeId};
use crate::gossip::{Gossip, HEARTBEAT};
use cairn_ledger::hash::sha256;
use cairn_network::transport::{AnswerSender, Class, ConnectionRules, Event, Multiaddr, PeerId, RequestNumber};
use cairn_network::wire::PeerAddress;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::RngCore;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::task::Waker;

/// Where nodes listen.
const PORT: u16 = 9_740;

/// One end of a connection.
#[derive(Debug)]
pub(super) struct End {
    /// Who is at the other.
    pub peer: NodeId,
    pub is_outbound: bool,
}

/// A question of this node's.
pub(super) struct Asked {
    pub class: Class,
    pub to: NodeId,
    pub connection: u64,
    pub question: Vec<u8>,
    pub answer: Option<AnswerSender>,
    /// Since when.
    pub since: Nanos,
    /// When it is not waited for any more.
    pub deadline: Nanos,
}

/// A question of a peer's that was not answered yet.
pub(super) struct Question {
    pub from: NodeId,
    pub connection: u64,
    pub number: u64,
}

pub(super) struct Host {
    node: NodeId,
    pub peer: PeerId,
    /// Where it listens.
    pub address: Multiaddr,
    pub ip: [u8; 4],
    pub is_reachable: bool,
    /// Whether it is a rendezvous point.
    pub is_point: bool,
    pub is_up: bool,
    /// How often it has started.
    pub life: u32,
    pub is_reach_known: bool,
    pub rules: Option<ConnectionRules<u64>>,
    /// The most inbound and outbound connections.
    pub limits: (usize, usize),
    pub connections: BTreeMap<u64, End>,
    pub dialling: BTreeSet<PeerId>,
    pub gossip: Gossip,
    /// When gossip's heart beats, counted from whole beats.
    pub phase: Nanos,
    /// Who counts for no limit, as the operator named them.
    pub unlimited: BTreeSet<PeerId>,
    pub asked: BTreeMap<u64, Asked>,
    /// When the next look is planned at what was not answered.
    pub timeout: Option<Nanos>,
    pub questions: HashMap<RequestNumber, Question>,
    pub external: BTreeSet<String>,
    /// Whom its DHT knows.
    pub acquaintances: BTreeSet<PeerId>,
    /// Who has registered with it.
    pub registered: BTreeMap<NodeId, (PeerId, Multiaddr)>,
    pub inbox: VecDeque<Event>,
    pub waker: Option<Waker>,
    pub random: ChaCha8Rng,
    /// Bytes.
    pub sent: u64,
    last: u64,
}

impl Host {
    pub(super) fn new(node: NodeId, ip: [u8; 4], is_reachable: bool, is_point: bool, mut random: ChaCha8Rng) -> Self {
        let address = format!("/ip4/{}.{}.{}.{}/tcp/{PORT}", ip[0], ip[1], ip[2], ip[3]);
        Self {
            node,
            peer: peer_of(node),
            address: address.parse().expect("an address"),
            ip,
            is_reachable,
            is_point,
            is_up: false,
            life: 0,
            is_reach_known: false,
            rules: None,
            limits: (0, 0),
            connections: BTreeMap::new(),
            dialling: BTreeSet::new(),
            gossip: Gossip::default(),
            phase: random.next_u64() % HEARTBEAT,
            unlimited: BTreeSet::new(),
            asked: BTreeMap::new(),
            timeout: None,
            questions: HashMap::new(),
            external: BTreeSet::new(),
            acquaintances: BTreeSet::new(),
            registered: BTreeMap::new(),
            inbox: VecDeque::new(),
            waker: None,
            random,
            sent: 0,
            last: 0,
        }
    }

    /// Where it is, as nodes tell each other.
    pub(super) fn peer_address(&self) -> PeerAddress {
        let mut ip = [0; 16];
        ip[10..12].copy_from_slice(&[0xff, 0xff]);
        ip[12..].copy_from_slice(&self.ip);
        PeerAddress { key: key_of(self.node), ip, port: PORT, quic: false }
    }

    /// Forgets all that a process has in memory.
    pub(super) fn crash(&mut self) {
        self.is_up = false;
        self.life += 1;
        self.is_reach_known = false;
        self.rules = None;
        self.connections.clear();
        self.dialling.clear();
        self.gossip = Gossip::default();
        self.unlimited.clear();
        self.asked.clear();
        self.timeout = None;
        self.questions.clear();
        self.external.clear();
        self.acquaintances.clear();
        self.registered.clear();
        self.inbox.clear();
        self.waker = None;
    }

    /// A number that was not given yet.
    pub(super) fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    pub(super) fn tell(&mut self, event: Event) {
        if self.is_up {
            self.inbox.push_back(event);
            if let Some(waker) = self.waker.take() {
                waker.wake();
            }
        }
    }

    /// A connection to somebody.
    pub(super) fn connection_to(&self, peer: NodeId) -> Option<u64> {
        self.connections.iter().find(|(_, end)| end.peer == peer).map(|(connection, _)| *connection)
    }

    /// The connection over which a question goes to somebody: of several each in turn.
    pub(super) fn connection_for(&self, peer: NodeId, number: u64) -> Option<u64> {
        let all = self.connections.iter().filter(|(_, end)| end.peer == peer).map(|(connection, _)| *connection);
        let all: Vec<u64> = all.collect();
        all.get((number % all.len().max(1) as u64) as usize).copied()
    }

    /// Who is connected.
    pub(super) fn connected(&self) -> impl Iterator<Item = NodeId> {
        self.connections.values().map(|end| end.peer).collect::<BTreeSet<_>>().into_iter()
    }

    /// The address at which others see it when it dials.
    pub(super) fn outside(&self, connection: u64) -> Multiaddr {
        let [a, b, c, d] = self.ip;
        let port = 32_768 + connection % 28_000;
        format!("/ip4/{a}.{b}.{c}.{d}/tcp/{port}").parse().expect("an address")
    }
}

/// A node's name: an Ed25519 key as libp2p names it. Nobody has its secret, and nobody needs it here.
fn peer_of(node: NodeId) -> PeerId {
    let mut bytes = vec![0x00, 0x24, 0x08, 0x01, 0x12, 0x20];
    bytes.extend_from_slice(&key_of(node));
    PeerId::from_bytes(&bytes).expect("a name")
}

fn key_of(node: NodeId) -> [u8; 32] {
    *sha256(&[b"simulated node", &node.0.to_le_bytes()]).as_bytes()
}
