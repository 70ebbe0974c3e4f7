//! NAT traversal: AutoNAT finds out, the router is asked for a port (UPnP), a relay passes
//! connections on, and two who meet there try to connect directly (DCUtR). The verdict is [`NatStatus`]'s.
//!
//! [`NatStatus`]: crate::nat::status::NatStatus

use crate::{addrman::ip_groups, service::Service, swarm::behaviour::BehaviourEvent};
use libp2p::{
    Multiaddr, PeerId, autonat,
    core::{ConnectedPoint, transport::ListenerId},
    dcutr,
    multiaddr::Protocol,
    relay,
    swarm::{
        ConnectionId,
        dial_opts::{DialOpts, PeerCondition},
    },
    upnp,
};
use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

/// Relays a node behind a router uses.
const RELAYS: usize = 2;
/// Peers this node dials through relays.
const RELAYED_PEERS: usize = 2;
/// How long an address is doubted once somebody is there who dials back and nothing has come of it: three tries.
const DOUBTED: Duration = Duration::from_secs(30);
/// The pause before somebody is met again whose circuit has ended.
const MEET_AGAIN: Duration = Duration::from_secs(1);
/// How often relays are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Relays in use.
#[derive(Debug, Default)]
pub(crate) struct Nat {
    /// Where this node listens through relays: the relay, and its address once it is accepted.
    relays: HashMap<ListenerId, (PeerId, Option<Multiaddr>)>,
    /// Connections through relays, to be closed once a direct one stands.
    relayed: BTreeMap<ConnectionId, Circuit>,
    /// Whom to dial through a relay again, and when.
    again: Vec<(PeerId, Multiaddr, Instant)>,
    /// Since when somebody is there who dials back.
    asked: Option<Instant>,
    look: Option<Instant>,
}

/// A connection through a relay.
#[derive(Debug)]
struct Circuit {
    peer: PeerId,
    /// Where this node dialled; none when it was dialled.
    dialled: Option<Multiaddr>,
}

impl Nat {
    /// Notes a new connection.
    pub(crate) fn connected(&mut self, connection: ConnectionId, peer: PeerId, endpoint: &ConnectedPoint) {
        if endpoint.is_relayed() {
            let dialled = endpoint.is_dialer().then(|| endpoint.get_remote_address().clone());
            self.relayed.insert(connection, Circuit { peer, dialled });
        }
    }
}

impl Service {
    /// Takes a relay when others cannot reach this node without.
    pub(crate) fn find_relay(&mut self, now: Instant) {
        self.meet_again(now);
        if !self.config.reach.relay || self.nat.look.is_some_and(|look| look > now) {
            return;
        }
        self.nat.look = Some(now + LOOK_EVERY);
        self.doubt(now);
        if !self.nat_status.needs_relay() || self.nat.relays.len() >= RELAYS {
            return;
        }
        let is_used = |id: &PeerId| self.nat.relays.values().any(|(relay, _)| relay == id);
        // Only where this node dialled is the address one at which others find the relay, too.
        let relay = self.peers.iter().map(|(_, peer)| peer).find(|peer| {
            peer.speaks.relay && !peer.inbound && !ip_groups::is_relayed(&peer.address) && !is_used(&peer.id)
        });
        let Some((id, address)) = relay.map(|peer| (peer.id, peer.address.clone())) else { return };
        let plain = address.iter().filter(|part| !matches!(part, Protocol::P2p(_))).collect::<Multiaddr>();
        match self.swarm.listen_on(plain.with(Protocol::P2p(id)).with(Protocol::P2pCircuit)) {
            Ok(listener) => drop(self.nat.relays.insert(listener, (id, None))),
            Err(error) => tracing::debug!(target: "cairn::network", relay = %id, %error, "not asking a relay"),
        }
    }

    /// Somebody has connected: when that led to a public address of this machine, no router is in between.
    pub(crate) fn note_reached(&mut self, endpoint: &ConnectedPoint) {
        if let ConnectedPoint::Listener { local_addr, .. } = endpoint {
            self.nat_status.reached |= ip_groups::is_reachable(local_addr, false) && !endpoint.is_relayed();
        }
    }

    /// A node behind a router that drops what nobody asked for may never get an answer from those who dialled in
    /// vain: after a while, none is one, too.
    fn doubt(&mut self, now: Instant) {
        let asks = self.config.reach.autonat && !self.config.allow_private;
        if !asks || !self.peers.iter().any(|(_, peer)| peer.speaks.dials_back && !peer.inbound) {
            self.nat.asked = None;
            return;
        }
        let asked = *self.nat.asked.get_or_insert(now);
        let is_over = now.saturating_duration_since(asked) >= DOUBTED;
        self.nat_status.unanswered = is_over && self.nat_status.confirmed.is_empty();
    }

    /// A connection has ended. A relay ends each before long; whoever was of use there is met again.
    pub(crate) fn on_circuit_closed(&mut self, connection: ConnectionId, peer: &PeerId, is_last: bool) {
        let Some(Circuit { dialled: Some(address), .. }) = self.nat.relayed.remove(&connection) else { return };
        let is_useful = self.peers.by_id_mut(peer).is_some_and(|peer| peer.has_been_useful());
        if is_last && is_useful && self.nat.again.len() < RELAYED_PEERS {
            self.nat.again.push((*peer, address, Instant::now() + MEET_AGAIN));
        }
    }

    fn meet_again(&mut self, now: Instant) {
        let is_due = |(_, _, due): &mut (PeerId, Multiaddr, Instant)| *due <= now;
        let due: Vec<_> = self.nat.again.extract_if(.., is_due).collect();
        for (peer, address, _) in due {
            self.dial_relayed(peer, address);
        }
    }

    /// This node listens somewhere new; through a relay it does so once the relay has accepted.
    pub(crate) fn on_listening(&mut self, listener: ListenerId, address: Multiaddr) {
        if let Some((relay, accepted)) = self.nat.relays.get_mut(&listener) {
            tracing::info!(target: "cairn::network", %relay, %address, "a relay passes connections on");
            *accepted = Some(address.clone());
            self.nat_status.relays.insert(address.clone());
            self.swarm.add_external_address(address);
            self.points.register_again();
            return;
        }
        self.nat_status.listens = true;
        // A routable address of our own interface: others reach it unless a firewall says no.
        if ip_groups::is_reachable(&address, self.config.allow_private) {
            self.swarm.add_external_address(address);
        }
    }

    /// This node listens somewhere no more.
    pub(crate) fn on_not_listening(&mut self, listener: ListenerId) {
        if let Some((relay, accepted)) = self.nat.relays.remove(&listener) {
            tracing::info!(target: "cairn::network", %relay, "a relay passes connections on no more");
            if let Some(address) = accepted {
                self.nat_status.relays.remove(&address);
                self.swarm.remove_external_address(&address);
            }
        }
    }

    /// Dials a peer through a relay that somebody named: only few, for relays are scarce.
    pub(crate) fn dial_relayed(&mut self, peer: PeerId, address: Multiaddr) {
        let relayed = self.peers.iter().filter(|(_, peer)| ip_groups::is_relayed(&peer.address)).count();
        if !self.config.reach.relay || relayed >= RELAYED_PEERS || self.swarm.is_connected(&peer) {
            return;
        }
        // An attempt to punch a hole may be under way, and come to nothing.
        let condition = PeerCondition::Disconnected;
        let options = DialOpts::peer_id(peer).condition(condition).addresses(vec![address]).build();
        if let Err(error) = self.swarm.dial(options) {
            tracing::debug!(target: "cairn::network", %peer, %error, "not dialling through a relay");
        }
    }

    /// What the protocols of reachability report.
    pub(crate) fn on_reach_event(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Autonat(autonat::v2::client::Event { tested_addr, result, server, .. }) => match result {
                Ok(()) => {
                    tracing::info!(target: "cairn::network", address = %tested_addr, by = %server, "others reach this node");
                    self.nat_status.refuted.remove(&tested_addr);
                    self.nat_status.confirmed.insert(tested_addr);
                }
                Err(error) => {
                    tracing::debug!(target: "cairn::network", address = %tested_addr, %error, "not reached when asked to dial");
                    self.nat_status.confirmed.remove(&tested_addr);
                    self.nat_status.refuted.insert(tested_addr);
                }
            },
            BehaviourEvent::Upnp(event) => match event {
                upnp::Event::NewExternalAddr { external_addr, .. } => self.nat_status.mapped.insert(external_addr),
                upnp::Event::ExpiredExternalAddr { external_addr, .. } => self.nat_status.mapped.remove(&external_addr),
                upnp::Event::GatewayNotFound => self.nat_status.router = Some("no router speaks UPnP"),
                upnp::Event::NonRoutableGateway => {
                    self.nat_status.router = Some("the router itself is behind another one");
                }
            },
            BehaviourEvent::Dcutr(dcutr::Event { remote_peer_id, result }) => match result {
                Ok(direct) => self.on_punched(remote_peer_id, direct),
                Err(error) => {
                    tracing::debug!(target: "cairn::network", peer = %remote_peer_id, %error, "no hole was punched");
                }
            },
            BehaviourEvent::Relay(relay::client::Event::ReservationReqAccepted { relay_peer_id, renewal, .. }) => {
                tracing::debug!(target: "cairn::network", relay = %relay_peer_id, renewal, "a relay has accepted");
            }
            // Nothing is decided by the others.
            _ => {}
        }
    }

    /// A direct connection stands where there was one through a relay: the relay is left to others.
    fn on_punched(&mut self, peer: PeerId, direct: ConnectionId) {
        tracing::info!(target: "cairn::network", %peer, "a hole was punched");
        self.nat_status.punched = self.nat_status.punched.saturating_add(1);
        let through_relay = |(connection, circuit): (&ConnectionId, &Circuit)| {
            (circuit.peer == peer && *connection != direct).then_some(*connection)
        };
        let left: Vec<ConnectionId> = self.nat.relayed.iter().filter_map(through_relay).collect();
        for connection in left {
            self.swarm.close_connection(connection);
        }
    }
}
