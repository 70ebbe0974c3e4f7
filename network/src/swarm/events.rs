//! What the swarm reports, as the network's state is told it.

use super::behaviour::{Behaviour, BehaviourEvent};
use super::{Awaited, Channel, NetworkSwarm, dht};
use crate::event::{Connection, DialFailure, Endpoint, Event, Gossiped, ReachEvent, Received, Topic};
use crate::ids::{ConnectionNumber, MessageNumber, RequestNumber};
use crate::{addrman::ip_groups, discovery::resource::Known};
use crate::{handle::RequestError, peers::table::Services, requests::class::Class};
use libp2p::kad::{self, GetProvidersOk, InboundRequest, QueryResult};
use libp2p::rendezvous::{client, server};
use libp2p::request_response::{self, InboundFailure, OutboundFailure};
use libp2p::swarm::{DialError, NetworkBehaviour, SwarmEvent};
use libp2p::{
    PeerId, StreamProtocol, autonat, core::ConnectedPoint, dcutr, gossipsub, identify, mdns, ping, relay, upnp,
};
use std::{net::IpAddr, num::NonZeroU32};

type RequestEvent = request_response::Event<Received, Received>;

impl NetworkSwarm {
    pub(super) fn translate(&mut self, event: SwarmEvent<<Behaviour as NetworkBehaviour>::ToSwarm>) {
        match event {
            SwarmEvent::Behaviour(event) => self.translate_behaviour(event),
            SwarmEvent::ConnectionEstablished { peer_id: peer, endpoint, num_established, connection_id, .. } => {
                let number = ConnectionNumber(self.number());
                self.connections.insert(connection_id, number);
                let host = ip_groups::ip_of(endpoint.get_remote_address());
                self.hosts.extend(host.map(|host| (connection_id, (peer, host))));
                let (dial, is_first) = (self.dials.remove(&connection_id), num_established == NonZeroU32::MIN);
                let endpoint = endpoint_of(&endpoint);
                self.tell(Event::Connected(Connection { peer, number, dial, endpoint, is_first }));
            }
            SwarmEvent::ConnectionClosed { peer_id: peer, num_established, cause, connection_id, .. } => {
                let connection = self.connections.remove(&connection_id).unwrap_or(ConnectionNumber(0));
                self.hosts.remove(&connection_id);
                let (is_last, cause) = (num_established == 0, cause.map(|cause| cause.to_string()));
                self.tell(Event::Closed { peer, connection, is_last, cause });
            }
            SwarmEvent::NewListenAddr { address, listener_id } => {
                tracing::info!(target: "cairn::network", address = %format_args!("{address}/p2p/{}", self.swarm.local_peer_id()), "listening");
                let relay = self.relays.get(&listener_id).copied();
                self.tell(Event::Listening { relay, address });
            }
            SwarmEvent::ListenerClosed { listener_id, .. } => {
                let relay = self.relays.remove(&listener_id);
                self.pending.extend(relay.map(|relay| Event::RelayClosed { relay }));
            }
            SwarmEvent::OutgoingConnectionError { peer_id: peer, error, connection_id } => {
                tracing::debug!(target: "cairn::network", ?peer, %error, "dialling failed");
                let dial = self.dials.remove(&connection_id);
                self.tell(Event::DialFailed { peer, dial, failure: failure_of(error) });
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

    fn translate_behaviour(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::BlockGossip(event) => self.translate_gossip(Topic::Blocks, event),
            BehaviourEvent::TxGossip(event) => self.translate_gossip(Topic::Txs, event),
            BehaviourEvent::Identify(identify::Event::Received { peer_id: peer, info, .. }) => {
                let (services, in_dht) = services_of(&info.protocols, &self.names.protocol("kad/1"));
                let (agent, addresses) = (info.agent_version, info.listen_addrs);
                self.tell(Event::Identified { peer, agent, services, in_dht, addresses });
            }
            BehaviourEvent::Ping(ping::Event { peer, result, .. }) => match result {
                Ok(latency) => self.tell(Event::Pinged { peer, latency }),
                // Two in a row: the library forgives the first.
                Err(ping::Failure::Timeout | ping::Failure::Other { .. }) => {
                    self.tell(Event::PingsUnanswered { peer });
                }
                Err(ping::Failure::Unsupported) => {}
            },
            BehaviourEvent::Status(event) => self.translate_request(Class::Status, event),
            BehaviourEvent::Addresses(event) => self.translate_request(Class::Addresses, event),
            BehaviourEvent::Headers(event) => self.translate_request(Class::Headers, event),
            BehaviourEvent::Bodies(event) => self.translate_request(Class::Bodies, event),
            BehaviourEvent::BlockTxs(event) => self.translate_request(Class::BlockTxs, event),
            BehaviourEvent::Pool(event) => self.translate_request(Class::Pool, event),
            BehaviourEvent::Snapshot(event) => self.translate_request(Class::Snapshot, event),
            BehaviourEvent::Kad(event) => self.translate_kad(event),
            BehaviourEvent::Rendezvous(event) => self.translate_rendezvous(event),
            BehaviourEvent::RendezvousServer(event) => self.pending.extend(point_asked(&event)),
            BehaviourEvent::Mdns(mdns::Event::Discovered(found)) => {
                self.pending.extend(found.into_iter().map(|(peer, address)| Event::NeighbourFound { peer, address }));
            }
            BehaviourEvent::Mdns(mdns::Event::Expired(gone)) => {
                self.pending.extend(gone.into_iter().map(|(peer, address)| Event::NeighbourGone { peer, address }));
            }
            BehaviourEvent::Autonat(event) => self.tell(Event::Reach(dialled_back(event))),
            BehaviourEvent::Upnp(event) => self.tell(Event::Reach(router_event(event))),
            BehaviourEvent::Dcutr(event) => self.translate_dcutr(event),
            BehaviourEvent::Relay(relay::client::Event::ReservationReqAccepted { relay_peer_id, renewal, .. }) => {
                tracing::debug!(target: "cairn::network", relay = %relay_peer_id, renewal, "a relay has accepted");
            }
            BehaviourEvent::Identify(_)
            | BehaviourEvent::Relay(_)
            | BehaviourEvent::AutonatServer(_)
            | BehaviourEvent::RelayServer(_) => {}
            BehaviourEvent::Limits(never) => match never {},
        }
    }

    fn translate_gossip(&mut self, topic: Topic, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message { propagation_source: peer, message_id, message: content } => {
                let message = MessageNumber(self.number());
                self.messages.insert(message, (topic, message_id, peer));
                self.tell(Event::Gossiped(Gossiped { peer, message, topic, data: content.data }));
            }
            // Not for that is anybody reported: a line may be slow.
            gossipsub::Event::SlowPeer { peer_id, failed_messages } => {
                let messages = failed_messages.non_priority as u64;
                tracing::debug!(target: "cairn::network", peer = %peer_id, messages, ?topic, "gossip was dropped");
                self.tell(Event::GossipDropped { topic, messages });
            }
            gossipsub::Event::GossipsubNotSupported { peer_id } => {
                tracing::debug!(target: "cairn::network", peer = %peer_id, "a peer does not gossip");
            }
            _ => {}
        }
    }

    fn translate_request(&mut self, class: Class, event: RequestEvent) {
        match event {
            RequestEvent::Message { peer, message, .. } => match message {
                request_response::Message::Request { request_id: id, request: question, channel } => {
                    let request = RequestNumber(self.number());
                    self.open.insert((class, id), request);
                    self.channels.insert(request, Channel { class, id, channel });
                    self.tell(Event::Request { peer, class, request, question });
                }
                request_response::Message::Response { request_id, response } => {
                    let awaited = self.awaited.remove(&(class, request_id));
                    self.translate_response(peer, class, response, awaited);
                }
            },
            RequestEvent::OutboundFailure { peer, request_id, error, .. } => {
                let awaited = self.awaited.remove(&(class, request_id));
                self.translate_failure(peer, class, &error, awaited);
            }
            RequestEvent::InboundFailure { request_id, error, .. } => {
                self.close_request(class, request_id, matches!(error, InboundFailure::Timeout));
            }
            RequestEvent::ResponseSent { request_id, .. } => self.close_request(class, request_id, false),
        }
    }

    fn translate_response(&mut self, peer: PeerId, class: Class, response: Received, awaited: Option<Awaited>) {
        match class {
            Class::Status | Class::Addresses => self.tell(Event::Answer { peer, class, answer: response }),
            Class::Headers | Class::Bodies | Class::BlockTxs | Class::Pool | Class::Snapshot => {
                let bytes = response.as_ref().map(Vec::len).map_err(|error| *error);
                self.tell(Event::Answered { peer, class, bytes });
                if let Some(answer) = awaited.and_then(|awaited| awaited.answer) {
                    // Whoever asked may have given up.
                    let _ = answer.send(response.map_err(RequestError::Undecodable));
                }
            }
        }
    }

    fn translate_failure(&mut self, peer: PeerId, class: Class, error: &OutboundFailure, awaited: Option<Awaited>) {
        let awaited = match awaited {
            // Of two connections the one was closed over which it went: the other stands.
            Some(awaited) if is_closed(error) && !awaited.is_again && self.swarm.is_connected(&peer) => {
                return self.ask(peer, class, Awaited { is_again: true, ..awaited });
            }
            awaited => awaited,
        };
        let is_timeout = matches!(error, OutboundFailure::Timeout);
        if class == Class::Status && (is_timeout || matches!(error, OutboundFailure::UnsupportedProtocols)) {
            self.tell(Event::NoStatus { peer, is_timeout });
        }
        if let Some(answer) = awaited.and_then(|awaited| awaited.answer) {
            let _ = answer.send(Err(request_error(error)));
        }
    }

    fn close_request(&mut self, class: Class, id: request_response::InboundRequestId, is_timeout: bool) {
        if let Some(request) = self.open.remove(&(class, id)) {
            self.channels.remove(&request);
            self.tell(Event::RequestClosed { request, is_timeout });
        }
    }

    fn translate_kad(&mut self, event: kad::Event) {
        match event {
            kad::Event::InboundRequest { request: InboundRequest::AddProvider { record: Some(record) } } => {
                let theirs = self.hosts.values().filter(|(peer, _)| *peer == record.provider);
                let from: Vec<IpAddr> = theirs.map(|(_, host)| *host).collect();
                if let Some(kad) = self.swarm.behaviour_mut().kad.as_mut() {
                    let known = Known {
                        genesis_id: &self.genesis_id,
                        state_roots: &self.snapshot_roots,
                        stretches: self.stretches,
                    };
                    dht::admit_provider(kad, record, &from, &known, self.allow_private);
                }
            }
            kad::Event::OutboundQueryProgressed { result: QueryResult::GetClosestPeers(result), .. } => {
                let peers = match result {
                    Ok(found) => found.peers,
                    Err(kad::GetClosestPeersError::Timeout { peers, .. }) => peers,
                };
                let found = peers.into_iter().map(|it| Event::PeerFound { peer: it.peer_id, addresses: it.addrs });
                self.pending.extend(found);
            }
            kad::Event::OutboundQueryProgressed { id, result: QueryResult::GetProviders(result), step, .. } => {
                let providers = match result {
                    Ok(GetProvidersOk::FoundProviders { providers, .. }) => providers.into_iter().collect(),
                    _ => Vec::new(),
                };
                let is_last = step.last;
                let search = if is_last { self.searches.remove(&id) } else { self.searches.get(&id).copied() };
                self.pending.extend(search.map(|search| Event::ProvidersFound { search, providers, is_last }));
            }
            _ => {}
        }
    }

    fn translate_rendezvous(&mut self, event: client::Event) {
        match event {
            client::Event::Discovered { rendezvous_node: point, registrations, .. } => {
                let found = registrations
                    .iter()
                    .map(|registration| (registration.record.peer_id(), registration.record.addresses().to_vec()));
                let found = found.collect();
                self.tell(Event::Registrations { point, found });
            }
            client::Event::Registered { rendezvous_node: point, ttl: seconds, .. } => {
                self.tell(Event::Registered { point, seconds });
            }
            client::Event::DiscoverFailed { rendezvous_node, error, .. } => {
                tracing::debug!(target: "cairn::network", point = %rendezvous_node, ?error, "a rendezvous point did not answer");
            }
            client::Event::RegisterFailed { rendezvous_node, error, .. } => {
                tracing::debug!(target: "cairn::network", point = %rendezvous_node, ?error, "not registered");
            }
            client::Event::Expired { .. } => {}
        }
    }

    fn translate_dcutr(&mut self, dcutr::Event { remote_peer_id: peer, result }: dcutr::Event) {
        match result {
            Ok(direct) => {
                tracing::info!(target: "cairn::network", %peer, "a hole was punched");
                let direct = self.connections.get(&direct).copied().unwrap_or(ConnectionNumber(0));
                self.tell(Event::Reach(ReachEvent::HolePunched { peer, direct }));
            }
            Err(error) => tracing::debug!(target: "cairn::network", %peer, %error, "no hole was punched"),
        }
    }
}

fn endpoint_of(endpoint: &ConnectedPoint) -> Endpoint {
    let local = match endpoint {
        ConnectedPoint::Listener { local_addr, .. } => Some(local_addr.clone()),
        ConnectedPoint::Dialer { .. } => None,
    };
    Endpoint { remote: endpoint.get_remote_address().clone(), local, is_relayed: endpoint.is_relayed() }
}

fn failure_of(error: DialError) -> DialFailure {
    match error {
        DialError::WrongPeerId { obtained: got, address } => DialFailure::OtherPeer { got, address },
        DialError::Transport(_) => DialFailure::Unreachable,
        // Our own limits and decisions.
        DialError::LocalPeerId { .. }
        | DialError::NoAddresses
        | DialError::DialPeerConditionFalse(_)
        | DialError::Aborted
        | DialError::Denied { .. } => DialFailure::NotDialled,
    }
}

/// What a peer offers to others, as far as it matters here, and whether it speaks this network's Kademlia.
fn services_of(protocols: &[StreamProtocol], kademlia: &StreamProtocol) -> (Services, bool) {
    let speaks = |name: &str| protocols.iter().any(|protocol| protocol.as_ref() == name);
    let services = Services {
        rendezvous: speaks("/rendezvous/1.0.0"),
        relay: speaks("/libp2p/circuit/relay/0.2.0/hop"),
        dials_back: speaks("/libp2p/autonat/2/dial-request"),
    };
    (services, protocols.contains(kademlia))
}

fn is_closed(error: &OutboundFailure) -> bool {
    matches!(error, OutboundFailure::ConnectionClosed)
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

fn point_asked(event: &server::Event) -> Option<Event> {
    let (peer, registrations) = match event {
        server::Event::DiscoverServed { enquirer, registrations } => (enquirer, registrations.len()),
        server::Event::DiscoverNotServed { enquirer, .. } => (enquirer, 0),
        server::Event::PeerRegistered { peer, .. }
        | server::Event::PeerNotRegistered { peer, .. }
        | server::Event::PeerUnregistered { peer, .. } => (peer, 0),
        server::Event::RegistrationExpired(_) => return None,
    };
    Some(Event::PointAsked { peer: *peer, registrations })
}

fn dialled_back(event: autonat::v2::client::Event) -> ReachEvent {
    let autonat::v2::client::Event { tested_addr: address, result, server, .. } = event;
    match result {
        Ok(()) => {
            tracing::info!(target: "cairn::network", %address, by = %server, "others reach this node");
            ReachEvent::Confirmed(address)
        }
        Err(error) => {
            tracing::debug!(target: "cairn::network", %address, %error, "not reached when asked to dial");
            ReachEvent::Refuted(address)
        }
    }
}

fn router_event(event: upnp::Event) -> ReachEvent {
    match event {
        upnp::Event::NewExternalAddr { external_addr, .. } => ReachEvent::Mapped(external_addr),
        upnp::Event::ExpiredExternalAddr { external_addr, .. } => ReachEvent::Unmapped(external_addr),
        upnp::Event::GatewayNotFound => ReachEvent::NoPort("no router speaks UPnP"),
        upnp::Event::NonRoutableGateway => ReachEvent::NoPort("the router itself is behind another one"),
    }
}
