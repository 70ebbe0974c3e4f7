//! Becoming reachable, rung by rung: AutoNAT finds out, the router is asked for a port (UPnP), a relay passes
//! connections on, and two who meet there try to connect directly (DCUtR). The verdict is [`Ladder`]'s.
//!
//! [`Ladder`]: super::ladder::Ladder

use super::{behaviour::BehaviourEvent, reachability, service::Service};
use libp2p::{
    Multiaddr, PeerId, autonat,
    core::transport::ListenerId,
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
/// How often relays are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Relays in use.
#[derive(Debug, Default)]
pub(super) struct Climbing {
    /// Where this node listens through relays: the relay, and its address once it is accepted.
    relays: HashMap<ListenerId, (PeerId, Option<Multiaddr>)>,
    /// Connections through relays, to be closed once a direct one stands.
    relayed: BTreeMap<ConnectionId, PeerId>,
    look: Option<Instant>,
}

impl Climbing {
    /// Notes a new connection.
    pub(super) fn connected(&mut self, connection: ConnectionId, peer: PeerId, address: &Multiaddr) {
        if reachability::is_relayed(address) {
            self.relayed.insert(connection, peer);
        }
    }

    /// Forgets a connection that has ended.
    pub(super) fn closed(&mut self, connection: ConnectionId) {
        self.relayed.remove(&connection);
    }
}

impl Service {
    /// Takes a relay when others cannot reach this node without.
    pub(super) fn climb(&mut self, now: Instant) {
        if !self.config.reach.relay || self.climbing.look.is_some_and(|look| look > now) {
            return;
        }
        self.climbing.look = Some(now + LOOK_EVERY);
        if !self.ladder.needs_relay() || self.climbing.relays.len() >= RELAYS {
            return;
        }
        let is_used = |id: &PeerId| self.climbing.relays.values().any(|(relay, _)| relay == id);
        // Only where this node dialled is the address one at which others find the relay, too.
        let relay = self.peers.iter().map(|(_, peer)| peer).find(|peer| {
            peer.speaks.relay && !peer.inbound && !reachability::is_relayed(&peer.address) && !is_used(&peer.id)
        });
        let Some((id, address)) = relay.map(|peer| (peer.id, peer.address.clone())) else { return };
        let plain = address.iter().filter(|part| !matches!(part, Protocol::P2p(_))).collect::<Multiaddr>();
        match self.swarm.listen_on(plain.with(Protocol::P2p(id)).with(Protocol::P2pCircuit)) {
            Ok(listener) => drop(self.climbing.relays.insert(listener, (id, None))),
            Err(error) => tracing::debug!(target: "cairn::network", relay = %id, %error, "not asking a relay"),
        }
    }

    /// This node listens somewhere new; through a relay it does so once the relay has accepted.
    pub(super) fn on_listening(&mut self, listener: ListenerId, address: Multiaddr) {
        if let Some((relay, accepted)) = self.climbing.relays.get_mut(&listener) {
            tracing::info!(target: "cairn::network", %relay, %address, "a relay passes connections on");
            *accepted = Some(address.clone());
            self.ladder.relays.insert(address.clone());
            self.swarm.add_external_address(address);
            return;
        }
        self.ladder.listens = true;
        // A routable address of our own interface: others reach it unless a firewall says no.
        if reachability::is_reachable(&address, self.config.allow_private) {
            self.swarm.add_external_address(address);
        }
    }

    /// This node listens somewhere no more.
    pub(super) fn on_not_listening(&mut self, listener: ListenerId) {
        if let Some((relay, accepted)) = self.climbing.relays.remove(&listener) {
            tracing::info!(target: "cairn::network", %relay, "a relay passes connections on no more");
            if let Some(address) = accepted {
                self.ladder.relays.remove(&address);
                self.swarm.remove_external_address(&address);
            }
        }
    }

    /// Dials a peer through a relay that somebody named: only few, for relays are scarce.
    pub(super) fn dial_relayed(&mut self, peer: PeerId, address: Multiaddr) {
        let relayed = self.peers.iter().filter(|(_, peer)| reachability::is_relayed(&peer.address)).count();
        if !self.config.reach.relay || relayed >= RELAYED_PEERS || self.swarm.is_connected(&peer) {
            return;
        }
        let condition = PeerCondition::DisconnectedAndNotDialing;
        let options = DialOpts::peer_id(peer).condition(condition).addresses(vec![address]).build();
        if let Err(error) = self.swarm.dial(options) {
            tracing::debug!(target: "cairn::network", %peer, %error, "not dialling through a relay");
        }
    }

    /// What the protocols of reachability report.
    pub(super) fn on_reach_event(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Autonat(autonat::v2::client::Event { tested_addr, result, server, .. }) => match result {
                Ok(()) => {
                    tracing::info!(target: "cairn::network", address = %tested_addr, by = %server, "others reach this node");
                    self.ladder.refuted.remove(&tested_addr);
                    self.ladder.confirmed.insert(tested_addr);
                }
                Err(error) => {
                    tracing::debug!(target: "cairn::network", address = %tested_addr, %error, "not reached when asked to dial");
                    self.ladder.confirmed.remove(&tested_addr);
                    self.ladder.refuted.insert(tested_addr);
                }
            },
            BehaviourEvent::Upnp(event) => match event {
                upnp::Event::NewExternalAddr { external_addr, .. } => self.ladder.mapped.insert(external_addr),
                upnp::Event::ExpiredExternalAddr { external_addr, .. } => self.ladder.mapped.remove(&external_addr),
                upnp::Event::GatewayNotFound => self.ladder.router = Some("no router speaks UPnP"),
                upnp::Event::NonRoutableGateway => {
                    self.ladder.router = Some("the router itself is behind another one");
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
        self.ladder.punched = self.ladder.punched.saturating_add(1);
        let through_relay =
            |(connection, to): (&ConnectionId, &PeerId)| (*to == peer && *connection != direct).then_some(*connection);
        let left: Vec<ConnectionId> = self.climbing.relayed.iter().filter_map(through_relay).collect();
        for connection in left {
            self.swarm.close_connection(connection);
        }
    }
}
