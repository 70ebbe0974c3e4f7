//! What libp2p is to real nodes: connections, requests, gossip, the DHT and rendezvous points, between all nodes at
//! once.
//!
//! `host` is one node's end; a [`Handle`] is what a node holds of it as its
//! [`Transport`](cairn_network::transport::Transport). Modelled with its published rules is gossip ([`crate::gossip`]).
//! Of Kademlia there is what nodes get from it: a search finds up to twenty of those who are in the DHT and can be
//! reached, and who provides something is known to all of them. Relays are not modelled: whoever cannot be dialled
//! dials others.

mod dialling;
mod discovery;
mod event;
mod handle;
mod host;
mod requests;

pub use event::{Dialling, FabricEvent, Happening, Wire};
pub use handle::Handle;

use crate::executor::{Agenda, Nanos, NodeId, random};
use crate::gossip::{HEARTBEAT, Outcome};
use crate::links::{Links, Region, Shape};
use crate::watch::Watch;
use cairn_network::transport::{
    Connection, ConnectionNumber, ConnectionRules, DialNumber, Endpoint, Event, Multiaddr, PeerId, ReachEvent, Services,
};
use cairn_network::wire::PeerAddress;
use host::Host;
use rand_chacha::rand_core::RngCore;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// How long somebody waits who dials where nobody answers.
const DIAL_TIMEOUT: Nanos = 8_000_000_000;
/// How long a peer is silent until two pings in a row were not answered.
const PINGS_UNANSWERED: Nanos = 40_000_000_000;
/// Round trips until a connection is encrypted and authenticated.
const HANDSHAKE_TRIPS: u64 = 3;
/// Where a node is.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Its address.
    pub ip: [u8; 4],
    /// On which continent.
    pub region: Region,
    /// Whether others can dial it.
    pub is_reachable: bool,
    /// Whether it is a rendezvous point.
    pub is_point: bool,
}

/// An address of a host in a group (/16) of addresses, all of them public.
pub fn ip_in(group: u32, host: u32) -> [u8; 4] {
    let first = [5, 6, 7, 8, 12, 13, 20, 23, 24, 31, 34, 37, 40, 44, 45, 46, 50, 51, 52, 54];
    let group = group % GROUPS;
    [first[(group / 250) as usize], (group % 250) as u8 + 1, (host / 250) as u8 + 1, (host % 250) as u8 + 1]
}

/// How many groups there are.
pub const GROUPS: u32 = 5_000;

/// A connection that stands.
#[derive(Debug)]
struct Standing {
    dialler: NodeId,
    listener: NodeId,
    since: Nanos,
    /// Whether it was dialled to see whether somebody is there.
    is_feeler: bool,
    /// What could not be sent while the line was cut.
    held: Vec<(NodeId, NodeId, Wire)>,
    is_silent: bool,
}

/// All nodes' ends, and what is between them.
pub struct Fabric {
    agenda: Agenda<Happening>,
    /// The lines.
    pub links: Links,
    hosts: Vec<Host>,
    by_peer: HashMap<PeerId, NodeId>,
    by_address: HashMap<Multiaddr, NodeId>,
    standing: BTreeMap<u64, Standing>,
    last: u64,
    /// Who is in the DHT.
    dht: BTreeSet<NodeId>,
    providers: BTreeMap<Vec<u8>, BTreeSet<NodeId>>,
    seed: u64,
    /// Of a hundred frames of gossip, how many are lost.
    pub gossip_lost_percent: u32,
    /// Of a hundred answers, how many are lost.
    pub answers_lost_percent: u32,
    /// What nodes do to each other.
    pub watch: Watch,
}

impl Fabric {
    /// Nobody yet.
    pub fn new(agenda: Agenda<Happening>, shape: Shape, seed: u64) -> Self {
        Self {
            agenda,
            links: Links::new(shape),
            hosts: Vec::new(),
            by_peer: HashMap::new(),
            by_address: HashMap::new(),
            standing: BTreeMap::new(),
            last: 0,
            dht: BTreeSet::new(),
            providers: BTreeMap::new(),
            seed,
            gossip_lost_percent: 0,
            answers_lost_percent: 0,
            watch: Watch::default(),
        }
    }

    fn now(&self) -> Nanos {
        self.agenda.now()
    }

    fn plan(&self, at: Nanos, event: FabricEvent) {
        self.agenda.plan(at, Happening::Fabric(event));
    }

    /// The end of another node. Gives its name and address.
    pub fn add_host(&mut self, node: NodeId, place: Place) -> (PeerId, Multiaddr) {
        let Place { ip, region, is_reachable, is_point } = place;
        let host = Host::new(node, ip, is_reachable, is_point, random(self.seed, 2 << 32 | u64::from(node.0)));
        let (peer, address) = (host.peer, host.address.clone());
        self.by_peer.insert(peer, node);
        self.by_address.insert(address.clone(), node);
        self.links.add(region);
        self.watch.add(&host.peer_address());
        self.hosts.push(host);
        (peer, address)
    }

    fn host(&mut self, node: NodeId) -> &mut Host {
        &mut self.hosts[node.0 as usize]
    }

    fn peek(&self, node: NodeId) -> &Host {
        &self.hosts[node.0 as usize]
    }

    /// Who has this name.
    fn node_of(&self, peer: &PeerId) -> Option<NodeId> {
        self.by_peer.get(peer).copied()
    }

    /// Where a node listens.
    pub fn address(&self, node: NodeId) -> Multiaddr {
        self.peek(node).address.clone()
    }

    /// Where a node is, as nodes tell each other.
    pub fn peer_address(&self, node: NodeId) -> PeerAddress {
        self.peek(node).peer_address()
    }

    /// All nodes.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.hosts.len() as u32).map(NodeId)
    }

    /// Whether others can dial a node.
    pub fn is_reachable(&self, node: NodeId) -> bool {
        self.peek(node).is_reachable
    }

    /// A node's address.
    pub fn ip(&self, node: NodeId) -> [u8; 4] {
        self.peek(node).ip
    }

    /// To whom a node is connected.
    pub fn connected(&self, node: NodeId) -> Vec<NodeId> {
        self.peek(node).connected().collect()
    }

    /// In whose surroundings something happens.
    pub fn whose(&self, event: &FabricEvent) -> NodeId {
        match event {
            FabricEvent::Arrive { to, .. } => *to,
            FabricEvent::Dialled(dialling) => self.by_address.get(&dialling.address).copied().unwrap_or(dialling.from),
            FabricEvent::NotDialled(dialling, _) => dialling.from,
            FabricEvent::Heartbeat(node) | FabricEvent::Timeout { node, .. } | FabricEvent::Tell { node, .. } => *node,
            FabricEvent::Silence { connection } => {
                self.standing.get(connection).map_or(NodeId(0), |standing| standing.listener)
            }
        }
    }

    /// How many bytes a node has sent.
    pub fn sent_by(&self, node: NodeId) -> u64 {
        self.peek(node).sent
    }

    /// How many peers a node is connected to.
    pub fn peers_of(&self, node: NodeId) -> usize {
        self.peek(node).connected().count()
    }

    /// A node starts.
    pub fn start(&mut self, node: NodeId, rules: ConnectionRules<u64>, limits: (usize, usize)) {
        let now = self.now();
        self.watch.on_start(node, now);
        let host = self.host(node);
        host.is_up = true;
        host.rules = Some(rules);
        host.limits = limits;
        let address = host.address.clone();
        self.tell(node, Event::Listening { relay: None, address });
    }

    /// A node ends, in order or not: its system closes what it had open.
    pub fn stop(&mut self, node: NodeId) {
        let now = self.now();
        self.watch.note(node).dials.on_stop(now);
        let open: Vec<u64> = self.peek(node).connections.keys().copied().collect();
        for connection in open {
            self.close(connection, node);
        }
        self.dht.remove(&node);
        for nodes in self.providers.values_mut() {
            nodes.remove(&node);
        }
        self.host(node).crash();
    }

    fn tell(&mut self, node: NodeId, event: Event) {
        self.host(node).tell(event);
    }

    fn tell_at(&self, at: Nanos, node: NodeId, event: Event) {
        self.plan(at, FabricEvent::Tell { node, life: self.peek(node).life, event: Box::new(event) });
    }

    /// Sends over a connection.
    fn send(&mut self, connection: u64, from: NodeId, to: NodeId, wire: Wire) {
        if !self.links.passes(from, to) {
            if let Some(standing) = self.standing.get_mut(&connection) {
                standing.held.push((from, to, wire));
            }
            return;
        }
        let bytes = wire.size();
        self.host(from).sent += bytes as u64;
        let at = self.links.send((from, to), bytes, self.now());
        // Half of all that arrives would be of no news.
        let is_news = !matches!(&wire, Wire::Gossip(frame) if self.peek(to).gossip.is_known(frame));
        if is_news {
            self.plan(at, FabricEvent::Arrive { connection, from, to, wire });
        }
    }

    /// Lines were cut, or mended: what was held back goes on, and who hears nothing any more notices.
    pub fn on_links_changed(&mut self) {
        let mut released = Vec::new();
        let mut silent = Vec::new();
        for (connection, standing) in &mut self.standing {
            let (one, other) = (standing.dialler, standing.listener);
            let passes = self.links.passes(one, other) && self.links.passes(other, one);
            if passes {
                standing.is_silent = false;
                released.extend(standing.held.drain(..).map(|held| (*connection, held)));
            } else if !standing.is_silent {
                standing.is_silent = true;
                silent.push(*connection);
            }
        }
        let at = self.now() + PINGS_UNANSWERED;
        silent.into_iter().for_each(|connection| self.plan(at, FabricEvent::Silence { connection }));
        for (connection, (from, to, wire)) in released {
            self.send(connection, from, to, wire);
        }
    }

    /// Something happens.
    pub fn on_event(&mut self, event: FabricEvent) {
        match event {
            FabricEvent::Arrive { connection, from, to, wire } => self.on_arrival(connection, (from, to), wire),
            FabricEvent::Dialled(dialling) => self.on_dialled(*dialling),
            FabricEvent::NotDialled(dialling, failure) => self.on_not_dialled(*dialling, failure),
            FabricEvent::Heartbeat(node) => self.on_heartbeat(node),
            FabricEvent::Timeout { node, life } => self.on_timeout(node, life),
            FabricEvent::Tell { node, life, event } => {
                if self.peek(node).life == life {
                    self.tell(node, *event);
                }
            }
            FabricEvent::Silence { connection } => {
                let Some(Standing { dialler, listener, is_silent: true, .. }) = self.standing.get(&connection) else {
                    return;
                };
                for (node, other) in [(*dialler, *listener), (*listener, *dialler)] {
                    let peer = self.peek(other).peer;
                    self.tell(node, Event::PingsUnanswered { peer });
                }
            }
        }
    }

    fn on_arrival(&mut self, connection: u64, (from, to): (NodeId, NodeId), wire: Wire) {
        if !self.peek(to).connections.contains_key(&connection) {
            return;
        }
        match wire {
            Wire::Gossip(frame) => {
                let percent = self.gossip_lost_percent;
                if percent > 0 && self.host(to).random.next_u32() % 100 < percent {
                    return;
                }
                let now = self.now();
                let outcome = self.host(to).gossip.on_frame(from, frame, now);
                self.after_gossip(to, outcome);
            }
            Wire::Request { number, class, question } => {
                self.on_request((connection, from, to), number, class, question)
            }
            Wire::Response { number, answer } => self.on_response(to, number, answer),
            Wire::Refused { number } => self.on_refused(to, number),
            Wire::Close => self.end_at(connection, to, Some("closed by the other end")),
        }
    }

    /// Sends what gossip wants sent, and hands on what it has for this node.
    fn after_gossip(&mut self, node: NodeId, outcome: Outcome) {
        for (peer, frame) in outcome.frames {
            if let Some(connection) = self.peek(node).connection_to(peer) {
                self.send(connection, node, peer, Wire::Gossip(frame));
            }
        }
        if let Some((message, from, topic, data)) = outcome.judge {
            let (peer, now) = (self.peek(from).peer, self.now());
            self.watch.on_gossiped((node, from), message, (topic, &data), now);
            let gossiped = cairn_network::transport::Gossiped { peer, message, topic, data: data.to_vec() };
            self.tell(node, Event::Gossiped(gossiped));
        }
        self.plan_heartbeat(node);
    }

    fn plan_heartbeat(&mut self, node: NodeId) {
        let now = self.now();
        let host = self.host(node);
        // Each at moments of its own, whatever else happens.
        let at = now + HEARTBEAT - (now + host.phase) % HEARTBEAT;
        if !host.gossip.beats && host.is_up && !host.gossip.is_at_rest(now) {
            host.gossip.beats = true;
            self.plan(at, FabricEvent::Heartbeat(node));
        }
    }

    fn on_heartbeat(&mut self, node: NodeId) {
        let now = self.now();
        let host = self.host(node);
        host.gossip.beats = false;
        let outcome = host.gossip.heartbeat(now, &mut host.random);
        self.after_gossip(node, outcome);
    }

    /// One end of a connection has come to stand.
    fn connect(&mut self, connection: u64, node: NodeId, to: NodeId, (dial, endpoint): (Option<DialNumber>, Endpoint)) {
        let other = self.peek(to);
        let (peer, addresses, is_point) = (other.peer, vec![other.address.clone()], other.is_point);
        let (is_outbound, now) = (endpoint.local.is_none(), self.now());
        let host = self.host(node);
        let is_first = host.connection_to(to).is_none();
        host.connections.insert(connection, host::End { peer: to, is_outbound });
        let grafts = host.gossip.add(to, is_outbound, now);
        let number = ConnectionNumber(connection);
        let dialled = endpoint.remote.to_string();
        host.tell(Event::Connected(Connection { peer, number, dial, endpoint, is_first }));
        let latency = self.links.latency(node, to);
        self.watch.note(node).on_connected((to, is_outbound.then_some(&dialled)), now);
        let services = Services { rendezvous: is_point, relay: false, dials_back: false };
        let agent = String::from("cairn-node/sim");
        let identified = Event::Identified { peer, agent, services, in_dht: self.peek(to).is_reachable, addresses };
        self.tell_at(now + latency * 2, node, identified);
        let latency = std::time::Duration::from_nanos(latency * 2);
        self.tell_at(now + 1, node, Event::Pinged { peer, latency });
        if is_outbound {
            self.confirm_reach(node);
        }
        self.after_gossip(node, grafts);
    }

    /// Those who are asked to dial back find out whether they can.
    fn confirm_reach(&mut self, node: NodeId) {
        let now = self.now();
        let host = self.host(node);
        if std::mem::replace(&mut host.is_reach_known, true) {
            return;
        }
        let address = host.address.clone();
        let reach = if host.is_reachable { ReachEvent::Confirmed(address) } else { ReachEvent::Refuted(address) };
        self.tell_at(now + 2_000_000_000, node, Event::Reach(reach));
    }

    /// A node closes a connection: the other end learns of it.
    fn close(&mut self, connection: u64, node: NodeId) {
        let Some(other) = self.peek(node).connections.get(&connection).map(|end| end.peer) else { return };
        let now = self.now();
        let is_liar = self.watch.is_liar(other);
        let is_choice = |standing: &&Standing| standing.dialler == node && !standing.is_feeler && !is_liar;
        let chosen = self.standing.get(&connection).filter(is_choice);
        let age = chosen.map(|standing| now.saturating_sub(standing.since));
        self.watch.note(node).on_close(age);
        self.send(connection, node, other, Wire::Close);
        self.end_at(connection, node, None);
    }

    /// A connection has ended at one end.
    fn end_at(&mut self, connection: u64, node: NodeId, cause: Option<&str>) {
        let host = self.host(node);
        let Some(end) = host.connections.remove(&connection) else { return };
        if let Some(rules) = &mut host.rules {
            rules.end(&connection);
        }
        let is_last = host.connection_to(end.peer).is_none();
        if is_last {
            host.gossip.remove(end.peer);
            let now = self.agenda.now();
            self.watch.note(node).dials.on_closed(end.peer, now);
        }
        let (peer, cause) = (self.peek(end.peer).peer, cause.map(str::to_owned));
        let is_gone = !self.peek(end.peer).connections.contains_key(&connection);
        if is_gone {
            self.standing.remove(&connection);
        }
        self.forget_requests(connection, node);
        self.tell(node, Event::Closed { peer, connection: ConnectionNumber(connection), is_last, cause });
        self.plan_heartbeat(node);
    }
}
