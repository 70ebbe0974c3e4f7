//! NAT traversal: AutoNAT finds out, the router is asked for a port (UPnP), a relay passes
//! connections on, and two who meet there try to connect directly (DCUtR). The verdict is [`NatStatus`]'s.

use crate::event::{Context, Dial, DialCondition, Endpoint, ReachEvent, SwarmAction};
use crate::ids::{ConnectionNumber, Multiaddr, PeerId};
use crate::nat::status::{self, NatStatus};
use crate::{addrman::ip_groups, config::NetworkConfig, ids::multiaddr::Protocol, peers::table::PeerTable};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

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

/// A connection through a relay.
#[derive(Debug)]
struct Circuit {
    peer: PeerId,
    /// Where this node dialled; none when it was dialled.
    dialled: Option<Multiaddr>,
}

/// Somebody to dial through a relay again.
#[derive(Debug)]
struct Reunion {
    peer: PeerId,
    address: Multiaddr,
    due: Instant,
}

/// How others reach this node, and relays in use.
#[derive(Debug)]
pub(crate) struct NatTraversal {
    is_on: bool,
    /// Whether others are asked to dial this node.
    asks: bool,
    allow_private: bool,
    status: NatStatus,
    /// Relays this node listens through, and its address there once the relay has accepted.
    relays: BTreeMap<PeerId, Option<Multiaddr>>,
    /// Connected relays that did not accept, or passed connections on no more, and when: whoever holds all places of
    /// one keeps nobody from the next.
    closed: BTreeMap<PeerId, Instant>,
    /// Connections through relays, to be closed once a direct one stands.
    circuits: BTreeMap<ConnectionNumber, Circuit>,
    again: Vec<Reunion>,
    /// Since when somebody is there who dials back.
    asking_since: Option<Instant>,
    look: Option<Instant>,
}

impl NatTraversal {
    /// As the operator decided.
    pub(crate) fn new(config: &NetworkConfig) -> Self {
        let NetworkConfig { reach, allow_private, external, .. } = config;
        Self {
            is_on: reach.relay,
            asks: reach.autonat && !allow_private,
            allow_private: *allow_private,
            status: NatStatus::new(*allow_private, !external.is_empty()),
            relays: BTreeMap::new(),
            closed: BTreeMap::new(),
            circuits: BTreeMap::new(),
            again: Vec::new(),
            asking_since: None,
            look: None,
        }
    }

    /// How others reach this node.
    pub(crate) fn status(&self) -> &NatStatus {
        &self.status
    }

    /// A connection stands.
    pub(crate) fn on_connected(&mut self, connection: ConnectionNumber, peer: PeerId, endpoint: &Endpoint) {
        if endpoint.is_relayed {
            let dialled = endpoint.local.is_none().then(|| endpoint.remote.clone());
            self.circuits.insert(connection, Circuit { peer, dialled });
        }
    }

    /// Somebody has connected for the first time: when that led to a public address of this machine, no router is in
    /// between.
    pub(crate) fn on_first_connected(&mut self, endpoint: &Endpoint) {
        if let Some(local) = endpoint.local.as_ref().filter(|_| !endpoint.is_relayed) {
            self.status.reached |= ip_groups::is_reachable(local, false);
        }
    }

    /// Takes a relay when others cannot reach this node without, and meets those again whose circuit has ended.
    pub(crate) fn tick(&mut self, peers: &PeerTable, cx: &mut Context) {
        let due: Vec<Reunion> = self.again.extract_if(.., |reunion| reunion.due <= cx.now).collect();
        for Reunion { peer, address, .. } in due {
            self.dial(peer, address, peers, cx);
        }
        if !self.is_on || self.look.is_some_and(|look| look > cx.now) {
            return;
        }
        self.look = Some(cx.now + LOOK_EVERY);
        self.doubt(peers, cx.now);
        if !self.status.needs_relay() || self.relays.len() >= RELAYS {
            return;
        }
        self.closed.retain(|relay, _| peers.number(relay).is_some());
        // Only where this node dialled is the address one at which others find the relay, too.
        let relays = peers.iter().map(|(_, peer)| peer).filter(|peer| {
            peer.services.relay
                && !peer.inbound
                && !ip_groups::is_relayed(&peer.address)
                && !self.relays.contains_key(&peer.id)
        });
        // Those first that never refused, then whoever did so longest ago.
        if let Some(peer) = relays.min_by_key(|peer| self.closed.get(&peer.id)) {
            let plain: Multiaddr = peer.address.iter().filter(|part| !matches!(part, Protocol::P2p(_))).collect();
            let address = plain.with(Protocol::P2p(peer.id)).with(Protocol::P2pCircuit);
            self.relays.insert(peer.id, None);
            cx.push(SwarmAction::ListenThrough { relay: peer.id, address });
        }
    }

    /// A node behind a router that drops what nobody asked for may never get an answer from those who dialled in
    /// vain: after a while, none is one, too.
    fn doubt(&mut self, peers: &PeerTable, now: Instant) {
        if !self.asks || !peers.iter().any(|(_, peer)| peer.services.dials_back && !peer.inbound) {
            self.asking_since = None;
            return;
        }
        let asked = *self.asking_since.get_or_insert(now);
        let is_over = now.saturating_duration_since(asked) >= DOUBTED;
        self.status.unanswered = is_over && self.status.confirmed.is_empty();
    }

    /// A connection has ended. A relay ends each before long; whoever was of use there is met again.
    pub(crate) fn on_closed(&mut self, connection: ConnectionNumber, is_last: bool, peers: &PeerTable, now: Instant) {
        let Some(Circuit { peer, dialled: Some(address) }) = self.circuits.remove(&connection) else { return };
        let is_useful = peers.by_id(&peer).is_some_and(|peer| peer.has_been_useful());
        if is_last && is_useful && self.again.len() < RELAYED_PEERS {
            self.again.push(Reunion { peer, address, due: now + MEET_AGAIN });
        }
    }

    /// This node listens somewhere new; through a relay it does so once the relay has accepted. Whether others have
    /// to be told.
    pub(crate) fn on_listening(&mut self, relay: Option<PeerId>, address: Multiaddr, cx: &mut Context) -> bool {
        if let Some(relay) = relay {
            tracing::info!(target: "cairn::network", %relay, %address, "a relay passes connections on");
            self.relays.insert(relay, Some(address.clone()));
            status::remember(&mut self.status.relays, address.clone());
            cx.push(SwarmAction::AddExternalAddress(address));
            return true;
        }
        self.status.listens = true;
        // A routable address of our own interface: others reach it unless a firewall says no.
        if ip_groups::is_reachable(&address, self.allow_private) {
            cx.push(SwarmAction::AddExternalAddress(address));
        }
        false
    }

    /// A relay does not accept, or passes connections on no more.
    pub(crate) fn on_relay_closed(&mut self, relay: &PeerId, cx: &mut Context) {
        self.closed.insert(*relay, cx.now);
        if let Some(Some(address)) = self.relays.remove(relay) {
            tracing::info!(target: "cairn::network", %relay, "a relay passes connections on no more");
            self.status.relays.remove(&address);
            cx.push(SwarmAction::RemoveExternalAddress(address));
        }
    }

    /// Dials a peer through a relay that somebody named: only few, for relays are scarce.
    pub(crate) fn dial(&self, peer: PeerId, address: Multiaddr, peers: &PeerTable, cx: &mut Context) {
        let relayed = peers.iter().filter(|(_, peer)| ip_groups::is_relayed(&peer.address)).count();
        if !self.is_on || relayed >= RELAYED_PEERS || peers.number(&peer).is_some() {
            return;
        }
        // An attempt to punch a hole may be under way, and come to nothing.
        let condition = DialCondition::Disconnected;
        cx.push(SwarmAction::Dial(Dial { peer, addresses: vec![address], condition, number: None, is_own: false }));
    }

    /// Something is learned of how others reach this node.
    pub(crate) fn on_reach(&mut self, event: ReachEvent, cx: &mut Context) {
        match event {
            ReachEvent::Confirmed(address) => {
                self.status.refuted.remove(&address);
                status::remember(&mut self.status.confirmed, address);
            }
            ReachEvent::Refuted(address) => {
                self.status.confirmed.remove(&address);
                status::remember(&mut self.status.refuted, address);
            }
            ReachEvent::Mapped(address) => status::remember(&mut self.status.mapped, address),
            ReachEvent::Unmapped(address) => {
                self.status.mapped.remove(&address);
            }
            ReachEvent::NoPort(reason) => self.status.router = Some(reason),
            ReachEvent::HolePunched { peer, direct } => {
                // A direct connection stands where there was one through a relay: the relay is left to others.
                self.status.punched = self.status.punched.saturating_add(1);
                let circuits = self.circuits.iter().filter(|(_, circuit)| circuit.peer == peer);
                circuits.filter(|(connection, _)| **connection != direct).for_each(|(connection, _)| {
                    cx.push(SwarmAction::Close(*connection));
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{acquainted, at, context, multiaddr, on_swarm};
    use crate::{nat::status::Reach, peers::table::Services};

    const RELAY: Services = Services { rendezvous: false, relay: true, dials_back: true };

    #[test]
    fn who_cannot_be_reached_takes_a_relay_and_leaves_it_for_a_hole() {
        let (mut cx, mut peers) = (context(), PeerTable::default());
        let start = cx.now;
        let mut client = NatTraversal::new(&NetworkConfig::default());
        client.on_listening(None, multiaddr("/ip4/10.0.0.2/tcp/1"), &mut cx);
        let (_, relay) = acquainted(&mut peers, "/ip4/8.8.8.8/tcp/1", false, RELAY, &cx);
        client.tick(&peers, &mut cx);
        assert_eq!(on_swarm(&mut cx).len(), 0, "nobody has tried without");
        client.on_reach(ReachEvent::Refuted(multiaddr("/ip4/9.9.9.9/tcp/1")), &mut cx);
        client.tick(&peers, at(&mut cx, start + LOOK_EVERY));
        client.tick(&peers, at(&mut cx, start + 2 * LOOK_EVERY));
        let actions = on_swarm(&mut cx);
        assert!(matches!(&actions[..], [SwarmAction::ListenThrough { relay: asked, .. }] if *asked == relay), "once");
        let own = multiaddr(&format!("/ip4/8.8.8.8/tcp/1/p2p/{relay}/p2p-circuit"));
        assert!(client.on_listening(Some(relay), own.clone(), &mut cx));
        assert_eq!(client.status().verdict().0, Reach::Relayed);
        // Somebody comes through it, and then directly.
        let (circuit, direct, friend) = (ConnectionNumber(1), ConnectionNumber(2), PeerId::random());
        let endpoint = Endpoint { remote: Multiaddr::empty(), local: Some(own), is_relayed: true };
        client.on_connected(circuit, friend, &endpoint);
        on_swarm(&mut cx);
        client.on_reach(ReachEvent::HolePunched { peer: friend, direct }, &mut cx);
        assert!(matches!(&on_swarm(&mut cx)[..], [SwarmAction::Close(closed)] if *closed == circuit));
        assert_eq!(client.status().verdict().0, Reach::HolePunched);
        client.on_relay_closed(&relay, &mut cx);
        assert!(matches!(&on_swarm(&mut cx)[..], [SwarmAction::RemoveExternalAddress(_)]));
    }

    /// Whoever held all places of the relay that had connected first kept others from being reached at all.
    #[test]
    fn a_relay_that_refuses_is_asked_again_once_all_others_have_been() {
        let (mut cx, mut peers) = (context(), PeerTable::default());
        let start = cx.now;
        let mut client = NatTraversal::new(&NetworkConfig::default());
        client.on_reach(ReachEvent::Refuted(multiaddr("/ip4/9.9.9.9/tcp/1")), &mut cx);
        let (_, full) = acquainted(&mut peers, "/ip4/8.8.8.8/tcp/1", false, RELAY, &cx);
        let (_, free) = acquainted(&mut peers, "/ip4/8.9.8.8/tcp/1", false, RELAY, &cx);
        let mut asked = Vec::new();
        for round in 0..4 {
            client.tick(&peers, at(&mut cx, start + round * LOOK_EVERY));
            for action in on_swarm(&mut cx) {
                let SwarmAction::ListenThrough { relay, .. } = action else { panic!("{action:?}") };
                asked.push(relay);
                client.on_relay_closed(&relay, &mut cx);
            }
        }
        assert_eq!(asked, [full, free, full, free]);
        // Who is gone is forgotten.
        client.tick(&PeerTable::default(), at(&mut cx, start + 9 * LOOK_EVERY));
        assert!(client.closed.is_empty());
    }

    #[test]
    fn a_useful_peer_whose_circuit_has_ended_is_met_again() {
        let (mut cx, mut peers) = (context(), PeerTable::default());
        let start = cx.now;
        let mut client = NatTraversal::new(&NetworkConfig::default());
        let address = multiaddr("/ip4/8.8.8.8/tcp/1/p2p-circuit");
        let (number, friend) = acquainted(&mut peers, "/ip4/8.8.8.8/tcp/1/p2p-circuit", false, RELAY, &cx);
        let endpoint = Endpoint { remote: address.clone(), local: None, is_relayed: true };
        for (connection, is_useful) in [(1, false), (2, true)] {
            let connection = ConnectionNumber(connection);
            client.on_connected(connection, friend, &endpoint);
            if is_useful {
                peers.was_useful(number, start);
            }
            client.on_closed(connection, true, &peers, start);
        }
        peers.disconnected(&friend);
        client.tick(&peers, &mut cx);
        assert_eq!(on_swarm(&mut cx).len(), 0, "after a pause");
        client.tick(&peers, at(&mut cx, start + MEET_AGAIN));
        let actions = on_swarm(&mut cx);
        assert!(
            matches!(&actions[..], [SwarmAction::Dial(dial)] if dial.peer == friend && !dial.is_own),
            "{actions:?}"
        );
    }
}
