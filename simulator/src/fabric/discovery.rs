//! What nodes get from the DHT and from rendezvous points.

use super::Fabric;
use crate::executor::{Nanos, NodeId};
use crate::gossip::draw;
use cairn_network::transport::{Event, PeerId, Resource, SearchNumber};

/// How long a search takes.
const SEARCH: Nanos = 1_500_000_000;
/// How many a search finds at most: Kademlia's k.
const FOUND: usize = 20;
/// For how many seconds a point keeps a registration: libp2p's default.
const KEPT: u64 = 7_200;

impl Fabric {
    /// Those in the DHT who can be reached from a node, in an order of chance.
    fn others(&mut self, node: NodeId, count: usize) -> Vec<NodeId> {
        let mut all: Vec<NodeId> = self.dht.iter().copied().collect();
        all.retain(|other| *other != node && self.links.passes(node, *other) && self.links.passes(*other, node));
        draw(&mut all, count, &mut self.host(node).random)
    }

    pub(super) fn add_to_dht(&mut self, node: NodeId, peer: PeerId) {
        self.host(node).acquaintances.insert(peer);
        if self.peek(node).is_reachable {
            self.dht.insert(node);
        }
    }

    pub(super) fn search(&mut self, node: NodeId) {
        if self.peek(node).acquaintances.is_empty() {
            return;
        }
        let at = self.now() + SEARCH;
        for other in self.others(node, FOUND) {
            let host = self.peek(other);
            let (peer, addresses) = (host.peer, vec![host.address.clone()]);
            self.tell_at(at, node, Event::PeerFound { peer, addresses });
        }
    }

    pub(super) fn provide(&mut self, node: NodeId, resource: &Resource) -> Option<Event> {
        if self.peek(node).acquaintances.is_empty() {
            return None;
        }
        self.providers.entry(resource.key()).or_default().insert(node);
        Some(Event::Providing(*resource))
    }

    pub(super) fn stop_providing(&mut self, node: NodeId, resource: &Resource) {
        if let Some(providers) = self.providers.get_mut(&resource.key()) {
            providers.remove(&node);
        }
    }

    pub(super) fn find_providers(&mut self, node: NodeId, search: SearchNumber, resource: &Resource) {
        let mut providers: Vec<NodeId> = self.providers.get(&resource.key()).into_iter().flatten().copied().collect();
        providers.retain(|other| *other != node && self.links.passes(node, *other));
        let providers = draw(&mut providers, FOUND, &mut self.host(node).random);
        let providers = providers.into_iter().map(|other| self.peek(other).peer).collect();
        let at = self.now() + SEARCH;
        self.tell_at(at, node, Event::ProvidersFound { search, providers, is_last: true });
    }

    pub(super) fn register(&mut self, node: NodeId, point: PeerId) {
        let Some(at) = self.connected_point(node, point) else { return };
        let (peer, address) = (self.peek(node).peer, self.peek(node).address.clone());
        if !self.peek(node).is_reachable {
            return;
        }
        self.host(at).registered.insert(node, (peer, address));
        let trip = self.links.latency(node, at) * 2;
        self.tell_at(self.now() + trip, node, Event::Registered { point, seconds: KEPT });
        self.tell_at(self.now() + trip / 2, at, Event::PointAsked { peer, registrations: 0 });
    }

    pub(super) fn discover(&mut self, node: NodeId, point: PeerId, max: u64) {
        let Some(at) = self.connected_point(node, point) else { return };
        let mut known: Vec<_> = self.peek(at).registered.values().cloned().collect();
        let most = usize::try_from(max).unwrap_or(usize::MAX);
        let found = draw(&mut known, most, &mut self.host(at).random);
        let found: Vec<_> = found.into_iter().map(|(peer, address)| (peer, vec![address])).collect();
        let (peer, registrations) = (self.peek(node).peer, found.len());
        let trip = self.links.latency(node, at) * 2;
        self.tell_at(self.now() + trip / 2, at, Event::PointAsked { peer, registrations });
        self.tell_at(self.now() + trip, node, Event::Registrations { point, found });
    }

    fn connected_point(&self, node: NodeId, point: PeerId) -> Option<NodeId> {
        let at = self.node_of(&point)?;
        let is_connected = self.peek(node).connection_to(at).is_some();
        (is_connected && self.peek(at).is_point).then_some(at)
    }
}
