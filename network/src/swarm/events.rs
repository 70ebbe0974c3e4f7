//! What the swarm reports: connections, identities, questions and answers.

use crate::{
    addrman::ip_groups,
    handle::{Class, NetworkEvent, PeerKind, RequestError},
    peers::traffic::Protocol,
    service::Service,
    swarm::{behaviour::BehaviourEvent, codec::Received},
    wire::{Message as _, PeerStatus},
};
use cairn_chain::verdict::{Misbehaviour, Origin, PeerNumber};
use cairn_common::clock;
use libp2p::{
    Multiaddr, PeerId,
    core::ConnectedPoint,
    gossipsub, identify, mdns, ping,
    request_response::{self, OutboundFailure},
    swarm::{DialError, SwarmEvent},
};
use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

/// A peer that leaves pings unanswered is gone, unless it has said something else within this time: two pings'.
const UNHEARD: Duration = Duration::from_secs(40);
/// The longest name of a program that is believed.
const AGENT_CHARS: usize = 64;

type RequestEvent = request_response::Event<Received, Received>;

impl Service {
    /// Something happened in the swarm.
    pub(crate) fn on_swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.on_behaviour(event),
            SwarmEvent::ConnectionEstablished { peer_id, endpoint, num_established, connection_id, .. } => {
                let is_first = num_established == NonZeroU32::MIN;
                self.nat.connected(connection_id, peer_id, &endpoint);
                if self.on_reached(connection_id, peer_id, is_first) {
                    return;
                }
                if is_first {
                    self.on_connected(peer_id, &endpoint);
                } else {
                    self.on_connected_again(&peer_id, &endpoint);
                }
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established, cause, connection_id, .. } => {
                self.on_circuit_closed(connection_id, &peer_id, num_established == 0);
                if num_established == 0 {
                    let cause = cause.map(|cause| cause.to_string());
                    self.on_disconnected(&peer_id, cause.as_deref());
                }
            }
            SwarmEvent::NewListenAddr { address, listener_id } => {
                tracing::info!(target: "cairn::network", address = %format_args!("{address}/p2p/{}", self.swarm.local_peer_id()), "listening");
                self.on_listening(listener_id, address);
            }
            SwarmEvent::ListenerClosed { listener_id, .. } => self.on_not_listening(listener_id),
            SwarmEvent::OutgoingConnectionError { peer_id, error, connection_id } => {
                tracing::debug!(target: "cairn::network", ?peer_id, %error, "dialling failed");
                if let (Some(peer), DialError::WrongPeerId { obtained, address }) = (peer_id, &error) {
                    self.persistent_peers.answered_by(&peer, *obtained, address);
                }
                self.on_unreached(connection_id, &error);
            }
            SwarmEvent::IncomingConnectionError { send_back_addr, error, .. } => {
                tracing::debug!(target: "cairn::network", address = %send_back_addr, %error, "a connection failed");
            }
            SwarmEvent::ListenerError { error, .. } => {
                tracing::warn!(target: "cairn::network", %error, "listening failed");
            }
            _ => {}
        }
    }

    fn on_connected(&mut self, id: PeerId, endpoint: &ConnectedPoint) {
        let (address, inbound) = (address_of(&id, endpoint), endpoint.is_listener());
        tracing::info!(target: "cairn::network", peer = %id, %address, inbound, "connected");
        self.note_reached(endpoint);
        self.peers.connected(id, address, inbound, Instant::now());
        self.persistent_peers.connected(&id);
        self.exchange_status(&id);
    }

    /// One more connection with a peer: a direct one is its address from now on, rather than its relay's.
    fn on_connected_again(&mut self, id: &PeerId, endpoint: &ConnectedPoint) {
        let address = endpoint.get_remote_address();
        if let Some(peer) = self.peers.by_id_mut(id)
            && ip_groups::is_relayed(&peer.address)
            && !ip_groups::is_relayed(address)
        {
            peer.address = address.clone();
        }
    }

    /// A cable that was cut breaks no connection: without this a peer would be waited for until it counts as
    /// silent. Whoever is busy sending something else is not.
    fn on_unanswered_pings(&mut self, id: &PeerId) {
        let now = Instant::now();
        if self.peers.by_id_mut(id).is_some_and(|peer| peer.silent_for(now) > UNHEARD) {
            tracing::info!(target: "cairn::network", peer = %id, "parting from a peer that does not answer pings");
            self.disconnect(id);
        }
    }

    fn on_disconnected(&mut self, id: &PeerId, cause: Option<&str>) {
        tracing::info!(target: "cairn::network", peer = %id, cause, "disconnected");
        self.persistent_peers.disconnected(id, Instant::now());
        self.outbound.forget(id);
        self.points.forget(id);
        let Some((number, peer)) = self.peers.disconnected(id) else { return };
        self.counter.forget(number);
        self.peer_exchange.forget(number);
        self.pool_rounds.forget(number);
        if peer.status.is_some() {
            self.backlog.push(NetworkEvent::PeerDown { peer: number });
        }
        let chain = self.judge.chain.clone();
        self.errands.spawn(async move { chain.peer_gone(Origin::Peer(number)).await });
    }

    fn on_behaviour(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Gossip(gossipsub::Event::Message { propagation_source, message_id, message }) => {
                self.on_gossip(propagation_source, message_id, message);
            }
            BehaviourEvent::Gossip(gossipsub::Event::GossipsubNotSupported { peer_id }) => {
                tracing::debug!(target: "cairn::network", peer = %peer_id, "a peer does not gossip");
            }
            BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. }) => {
                let agent = info.agent_version.chars().filter(|c| !c.is_control()).take(AGENT_CHARS).collect();
                if let Some(peer) = self.peers.by_id_mut(&peer_id) {
                    peer.agent = Some(agent);
                }
                self.on_identified(&peer_id, &info.protocols, &info.listen_addrs);
            }
            BehaviourEvent::Ping(ping::Event { peer, result: Ok(latency), .. }) => {
                if let Some(peer) = self.peers.by_id_mut(&peer) {
                    peer.latency = Some(latency);
                }
            }
            // Two in a row: the library forgives the first.
            BehaviourEvent::Ping(ping::Event {
                peer,
                result: Err(ping::Failure::Timeout | ping::Failure::Other { .. }),
                ..
            }) => self.on_unanswered_pings(&peer),
            BehaviourEvent::Status(event) => self.on_status_event(event),
            BehaviourEvent::Headers(event) => self.on_request_event(Class::Headers, event),
            BehaviourEvent::Bodies(event) => self.on_request_event(Class::Bodies, event),
            BehaviourEvent::BlockTxs(event) => self.on_request_event(Class::BlockTxs, event),
            BehaviourEvent::Pool(event) => self.on_request_event(Class::Pool, event),
            BehaviourEvent::Addresses(event) => self.on_addresses_event(event),
            BehaviourEvent::Kad(event) => self.on_kad(event),
            BehaviourEvent::Rendezvous(event) => self.on_rendezvous(event),
            BehaviourEvent::RendezvousServer(event) => self.on_rendezvous_server(&event),
            BehaviourEvent::Mdns(event) => self.on_neighbours(event),
            event @ (BehaviourEvent::Autonat(_)
            | BehaviourEvent::Upnp(_)
            | BehaviourEvent::Relay(_)
            | BehaviourEvent::Dcutr(_)) => self.on_reach_event(event),
            // Nothing is decided by these.
            BehaviourEvent::Gossip(_)
            | BehaviourEvent::Identify(_)
            | BehaviourEvent::Ping(_)
            | BehaviourEvent::AutonatServer(_)
            | BehaviourEvent::RelayServer(_) => {}
            BehaviourEvent::Gate(never) | BehaviourEvent::Limits(never) => match never {},
        }
    }

    /// Neighbours announce themselves on the local network, or do so no more.
    fn on_neighbours(&mut self, event: mdns::Event) {
        match event {
            mdns::Event::Discovered(found) => {
                for (peer, address) in found {
                    let connected = self.swarm.is_connected(&peer);
                    self.persistent_peers.add_neighbour(peer, address, connected, Instant::now());
                }
            }
            mdns::Event::Expired(gone) => {
                gone.iter().for_each(|(peer, address)| self.persistent_peers.remove_neighbour(peer, address));
            }
        }
    }

    fn on_status_event(&mut self, event: RequestEvent) {
        match event {
            RequestEvent::Message { peer, message, .. } => match message {
                request_response::Message::Request { request, channel, .. } => {
                    if self.take_status_request(&peer) {
                        let own = self.own_status().to_bytes();
                        if let Some(number) = self.peers.number(&peer) {
                            self.peers.sent(number, Protocol::Status, own.len());
                        }
                        // Whoever asked may be gone.
                        let _ = self.swarm.behaviour_mut().status.send_response(channel, Ok(own));
                        self.on_status(&peer, request);
                    }
                }
                request_response::Message::Response { response, .. } => self.on_status(&peer, response),
            },
            RequestEvent::OutboundFailure { peer, error, .. } => match error {
                // Another network, or another program: of no use to each other.
                OutboundFailure::UnsupportedProtocols => self.disconnect(&peer),
                OutboundFailure::Timeout => {
                    if let Some(number) = self.peers.number(&peer) {
                        self.report(number, &Misbehaviour::Stalled);
                    }
                }
                OutboundFailure::DialFailure | OutboundFailure::ConnectionClosed | OutboundFailure::Io(_) => {}
            },
            RequestEvent::InboundFailure { .. } | RequestEvent::ResponseSent { .. } => {}
        }
    }

    /// Whether a peer may ask for our status now.
    fn take_status_request(&mut self, peer: &PeerId) -> bool {
        let Some(number) = self.peers.number(peer) else { return false };
        let now = Instant::now();
        if !self.peers.receive(number, Protocol::Status, PeerStatus::MAX_BYTES, now) || !self.peers.may_ask(number, now)
        {
            self.report(number, &Misbehaviour::Flooding);
            return false;
        }
        self.peers.count_bytes(number, PeerStatus::MAX_BYTES, now);
        true
    }

    /// A peer has said where it stands.
    fn on_status(&mut self, id: &PeerId, received: Received) {
        let Some(number) = self.peers.number(id) else { return };
        let status = match received.and_then(|bytes| PeerStatus::from_bytes(&bytes)) {
            Ok(status) => status,
            Err(error) => return self.report(number, &Misbehaviour::Undecodable(error)),
        };
        let expected = self.judge.spec.genesis_id();
        if status.genesis_id != expected {
            tracing::info!(target: "cairn::network", peer = %id, got = %status.genesis_id, %expected, "another network");
            self.book.forget(|address| address.peer() == *id);
            return self.disconnect(id);
        }
        self.peers.heard(number, Instant::now());
        let is_first = self.peers.set_status(number, status.clone(), clock::now());
        self.note_rules(id, &status);
        if is_first {
            self.on_acquainted(id);
        }
        let kind = self.kind_of(number, id);
        self.backlog.push(if is_first {
            NetworkEvent::PeerUp { peer: number, kind, status }
        } else {
            NetworkEvent::PeerStatus { peer: number, kind, status }
        });
    }

    /// Says once of each other set of upgrades that peers have it: whoever has to update has until their height.
    fn note_rules(&mut self, id: &PeerId, status: &PeerStatus) {
        if status.rules_id == self.judge.spec.schedule().id() || !self.peers.is_news(status.rules_id) {
            return;
        }
        let theirs: Vec<_> =
            status.upgrades.iter().map(|upgrade| (upgrade.height.get(), upgrade.inert_name())).collect();
        tracing::warn!(
            target: "cairn::network",
            peer = %id,
            ?theirs,
            "a peer knows other upgrades of the network than this node; see that cairn-node and its network file are current"
        );
    }

    fn kind_of(&self, number: PeerNumber, id: &PeerId) -> PeerKind {
        let Some(peer) = self.peers.get(number) else { return PeerKind::default() };
        let neighbourhood = ip_groups::neighbourhood(&peer.address);
        PeerKind { named: self.persistent_peers.is_named(id), inbound: peer.inbound, neighbourhood }
    }

    fn on_request_event(&mut self, class: Class, event: RequestEvent) {
        match event {
            RequestEvent::Message { peer, message, .. } => match message {
                request_response::Message::Request { request_id, request, channel } => {
                    self.on_request(&peer, class, request_id, request, channel);
                }
                request_response::Message::Response { request_id, response } => {
                    if let Some(number) = self.peers.number(&peer) {
                        self.on_answer(number, class, &response);
                    }
                    if let Some(answer) = self.asked.remove(&(class, request_id)) {
                        // Whoever asked may have given up.
                        let _ = answer.send(response.map_err(RequestError::Undecodable));
                    }
                }
            },
            RequestEvent::OutboundFailure { request_id, error, .. } => {
                if let Some(answer) = self.asked.remove(&(class, request_id)) {
                    let _ = answer.send(Err(request_error(&error)));
                }
            }
            RequestEvent::InboundFailure { request_id, error, .. } => self.on_sent(class, request_id, Some(&error)),
            RequestEvent::ResponseSent { request_id, .. } => self.on_sent(class, request_id, None),
        }
    }
}

impl Service {
    /// A peer has answered a question of ours.
    fn on_answer(&mut self, number: PeerNumber, class: Class, response: &Received) {
        let now = Instant::now();
        match response {
            Err(error) => self.report(number, &Misbehaviour::Undecodable(*error)),
            Ok(bytes) => {
                self.peers.got(number, class.protocol(), bytes.len());
                match class {
                    Class::Headers | Class::Bodies => self.peers.gave(number, bytes.len(), now),
                    // What these are worth shows when the block is whole, and when the pool has admitted them.
                    Class::BlockTxs | Class::Pool => self.peers.was_useful(number, now),
                }
            }
        }
    }
}

/// Where a peer is: behind a relay that let it in, where the relay is.
fn address_of(id: &PeerId, endpoint: &ConnectedPoint) -> Multiaddr {
    match endpoint {
        ConnectedPoint::Listener { local_addr, .. } if endpoint.is_relayed() => {
            local_addr.clone().with_p2p(*id).unwrap_or_else(|whole| whole)
        }
        ConnectedPoint::Listener { .. } | ConnectedPoint::Dialer { .. } => endpoint.get_remote_address().clone(),
    }
}

fn request_error(error: &OutboundFailure) -> RequestError {
    match error {
        OutboundFailure::Timeout => RequestError::Timeout,
        OutboundFailure::DialFailure | OutboundFailure::ConnectionClosed => RequestError::Gone,
        OutboundFailure::UnsupportedProtocols | OutboundFailure::Io(_) => {
            RequestError::Refused { reason: error.to_string() }
        }
    }
}
