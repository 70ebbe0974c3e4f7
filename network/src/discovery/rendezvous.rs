//! Rendezvous points: boot nodes, and whoever chooses to be one, keep registrations of nodes for a few hours.
//! This node registers with the points it is connected to, and asks them for others while slots are free.

use crate::{
    addrman::{book::Source, ip_groups, node_address::NodeAddress},
    outbound::backoff::Backoff,
    service::Service,
};
use cairn_chain::verdict::Misbehaviour;
use cairn_common::clock;
use libp2p::{
    PeerId,
    rendezvous::{self, Namespace, client, server},
};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Points used at once.
const POINTS: usize = 4;
/// The longest pause before a point is asked or registered with again.
const RETRY_EVERY: Duration = Duration::from_secs(60);
/// Registrations asked for; a point that answers with more breaks the protocol.
const REGISTRATIONS: usize = 64;
/// Addresses taken of each.
const ADDRESSES_EACH: usize = 8;
/// What answering a question counts for, besides a share for each registration in the answer.
const ANSWER_BYTES: usize = 1024;
const REGISTRATION_BYTES: usize = 256;

/// What is done at one point.
#[derive(Debug, Default)]
struct Point {
    register: Backoff,
    discover: Backoff,
}

/// The points that are used.
#[derive(Debug, Default)]
pub(crate) struct Points(BTreeMap<PeerId, Point>);

impl Points {
    /// This node is reached elsewhere from now on: every point is to know at once.
    pub(crate) fn register_again(&mut self) {
        self.0.values_mut().for_each(|point| point.register = Backoff::default());
    }

    /// Forgets a peer that is gone.
    pub(crate) fn forget(&mut self, peer: &PeerId) {
        self.0.remove(peer);
    }
}

impl Service {
    fn namespace(&self) -> Namespace {
        Namespace::new(self.names.prefix.clone()).expect("a prefix is shorter than 255 bytes")
    }

    /// Registers with the points that are connected, and asks them for others while slots are free.
    pub(crate) fn visit_points(&mut self, now: Instant) {
        if !self.config.discovery.rendezvous {
            return;
        }
        let points = self.peers.iter().filter(|(_, peer)| peer.speaks.rendezvous && peer.status.is_some());
        let points: Vec<PeerId> = points.map(|(_, peer)| peer.id).take(POINTS).collect();
        let (namespace, wants_peers) = (self.namespace(), self.wants_peers());
        for id in points {
            let point = self.points.0.entry(id).or_default();
            let Some(client) = self.swarm.behaviour_mut().rendezvous.as_mut() else { return };
            if point.register.is_due(now) {
                point.register.tried(now, RETRY_EVERY);
                if let Err(error) = client.register(namespace.clone(), id, None) {
                    // Nobody reaches this node yet, as far as it knows.
                    tracing::debug!(target: "cairn::network", point = %id, %error, "not registering");
                }
            }
            if wants_peers && point.discover.is_due(now) {
                point.discover.tried(now, RETRY_EVERY);
                client.discover(Some(namespace.clone()), None, Some(REGISTRATIONS as u64), id);
            }
        }
    }

    /// A point has answered.
    pub(crate) fn on_rendezvous(&mut self, event: client::Event) {
        match event {
            client::Event::Discovered { rendezvous_node, registrations, .. } => {
                self.take_registrations(&rendezvous_node, &registrations);
            }
            client::Event::Registered { rendezvous_node, ttl, .. } => {
                let again = Duration::from_secs(ttl / 2).max(RETRY_EVERY);
                if let Some(point) = self.points.0.get_mut(&rendezvous_node) {
                    point.register.rest(Instant::now(), again);
                }
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

    fn take_registrations(&mut self, point: &PeerId, registrations: &[rendezvous::Registration]) {
        let Some(number) = self.peers.number(point) else { return };
        let Some(peer) = self.peers.get(number) else { return };
        let source = ip_groups::neighbourhood(&peer.address);
        if registrations.len() > REGISTRATIONS {
            return self.report(number, &Misbehaviour::WrongAnswer);
        }
        let (own, allow_private) = (*self.swarm.local_peer_id(), self.book.allows_private());
        for registration in registrations {
            let (peer, addresses) = (registration.record.peer_id(), registration.record.addresses());
            let places = addresses.iter().filter_map(|address| NodeAddress::new(peer, address, allow_private));
            let places: Vec<NodeAddress> = places.take(ADDRESSES_EACH).filter(|_| peer != own).collect();
            for address in &places {
                self.book.add(*address, Source::Node(&source), clock::now());
            }
            // Somebody behind a router: not for the book, for relays come and go.
            if places.is_empty()
                && peer != own
                && self.wants_peers()
                && let Some(address) = addresses.iter().find(|address| ip_groups::is_relayed(address))
            {
                self.dial_relayed(peer, address.clone());
            }
        }
        self.peers.heard(number, Instant::now());
    }

    /// This point was asked. The library answers at once; whoever asks too much pays here.
    pub(crate) fn on_rendezvous_server(&mut self, event: &server::Event) {
        let (peer, bytes) = match event {
            server::Event::DiscoverServed { enquirer, registrations } => {
                (enquirer, ANSWER_BYTES + registrations.len() * REGISTRATION_BYTES)
            }
            server::Event::DiscoverNotServed { enquirer, .. } => (enquirer, ANSWER_BYTES),
            server::Event::PeerRegistered { peer, .. }
            | server::Event::PeerNotRegistered { peer, .. }
            | server::Event::PeerUnregistered { peer, .. } => (peer, ANSWER_BYTES),
            server::Event::RegistrationExpired(_) => return,
        };
        let Some(number) = self.peers.number(peer) else { return };
        self.peers.count_bytes(number, bytes, Instant::now());
        if !self.peers.may_ask(number, Instant::now()) {
            self.report(number, &Misbehaviour::Flooding);
        }
    }
}
