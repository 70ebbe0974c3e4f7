//! Connections: who comes, who goes, and what they say of themselves.

use super::{AGENT_CHARS, NetworkState, UNHEARD};
use crate::event::{Connection, Context, DialFailure, Received, SwarmAction, TaskAction};
use crate::handle::{NetworkEvent, PeerKind};
use crate::ids::{ConnectionNumber, DialNumber, Multiaddr, PeerId};
use crate::wire::{Message as _, PeerStatus};
use crate::{
    addrman::book::Source, addrman::ip_groups, outbound::slots::Surroundings, peers::eviction, peers::table::Services,
};
use cairn_chain::{Misbehaviour, PeerNumber};

impl NetworkState {
    pub(super) fn on_connected(&mut self, connection: &Connection, cx: &mut Context) {
        let Connection { peer, number: connection, dial, endpoint, is_first } = connection;
        self.nat.on_connected(*connection, *peer, endpoint);
        let around = Surroundings::new(self.own, &self.peers, &self.persistent, &self.access, cx);
        if dial.is_some_and(|dial| self.slots.on_reached(dial, *connection, &around, &mut self.book, cx)) {
            return;
        }
        let address = endpoint.address(*peer);
        if !is_first {
            // A direct connection is the peer's address from now on, rather than its relay's.
            if let Some(known) = self.peers.by_id_mut(peer)
                && ip_groups::is_relayed(&known.address)
                && !ip_groups::is_relayed(&endpoint.remote)
            {
                known.address = endpoint.remote.clone();
            }
            return;
        }
        let inbound = endpoint.local.is_some();
        tracing::info!(target: "cairn::network", %peer, %address, inbound, "connected");
        self.nat.on_first_connected(endpoint);
        if inbound && !self.make_room(peer, cx) {
            return cx.push(SwarmAction::Disconnect(*peer));
        }
        self.peers.connected(*peer, address, inbound, cx.now);
        self.persistent.connected(peer);
        self.status.ask(*peer, &mut self.peers, cx);
    }

    /// Whether there is room for somebody who dialled this node: a slot, or one of somebody who has to go.
    fn make_room(&self, peer: &PeerId, cx: &mut Context) -> bool {
        if self.peers.inbound() < self.config.max_inbound || self.access.is_known(peer) {
            return true;
        }
        // On a private network all are known.
        let may_go = |id: &PeerId| !self.persistent.is_named(id);
        let candidates = self.peers.evictable(may_go, |group| self.book.keyed_group(group));
        let Some(gone) = eviction::select(candidates) else { return false };
        tracing::debug!(target: "cairn::network", peer = %gone, newcomer = %peer, "parting from a peer for somebody else");
        cx.push(SwarmAction::Disconnect(gone));
        true
    }

    pub(super) fn on_closed(
        &mut self,
        peer: &PeerId,
        connection: ConnectionNumber,
        is_last: bool,
        cause: Option<&str>,
        cx: &mut Context,
    ) {
        self.nat.on_closed(connection, is_last, &self.peers, cx.now);
        if is_last {
            self.on_disconnected(peer, cause, cx);
        }
    }

    fn on_disconnected(&mut self, peer: &PeerId, cause: Option<&str>, cx: &mut Context) {
        tracing::info!(target: "cairn::network", %peer, cause, "disconnected");
        self.persistent.disconnected(peer, cx.now);
        self.slots.forget(peer);
        self.rendezvous.forget(peer);
        let Some((number, gone)) = self.peers.disconnected(peer) else { return };
        self.requests.forget(number);
        self.exchange.forget(number);
        if gone.status.is_some() {
            self.backlog.push(NetworkEvent::PeerDown { peer: number });
        }
        cx.push(TaskAction::ForgetPeer(number));
    }

    pub(super) fn on_dial_failed(
        &mut self,
        peer: Option<PeerId>,
        dial: Option<DialNumber>,
        failure: &DialFailure,
        cx: &Context,
    ) {
        if let (Some(peer), DialFailure::OtherPeer { got, address }) = (peer, failure) {
            self.persistent.answered_by(&peer, *got, address);
        }
        if let Some(dial) = dial {
            self.slots.on_unreached(dial, failure, &self.peers, &mut self.book, cx);
        }
    }

    /// A cable that was cut breaks no connection: without this a peer would be waited for until it counts as
    /// silent. Whoever is busy sending something else is not.
    pub(super) fn on_unanswered_pings(&mut self, peer: PeerId, cx: &mut Context) {
        if self.peers.by_id(&peer).is_some_and(|known| known.silent_for(cx.now) > UNHEARD) {
            tracing::info!(target: "cairn::network", %peer, "parting from a peer that does not answer pings");
            cx.push(SwarmAction::Disconnect(peer));
        }
    }

    /// Takes in what a peer says of itself: what it speaks, and where it listens.
    pub(super) fn on_identified(
        &mut self,
        peer: PeerId,
        agent: &str,
        services: Services,
        in_dht: bool,
        addresses: &[Multiaddr],
        cx: &mut Context,
    ) {
        let Some(known) = self.peers.by_id_mut(&peer) else { return };
        known.agent = Some(agent.chars().filter(|c| !c.is_control()).take(AGENT_CHARS).collect());
        known.services = services;
        let source = ip_groups::neighbourhood(&known.address);
        for address in self.book.learn(peer, addresses, Source::Node(&source), cx.clock) {
            if in_dht {
                cx.push(SwarmAction::AddToDht { peer, address: address.multiaddr() });
            }
        }
    }

    /// A peer has said where it stands.
    pub(super) fn on_status(&mut self, peer: PeerId, received: Received, cx: &mut Context) {
        let Some(number) = self.peers.number(&peer) else { return };
        let status = match received.and_then(|bytes| PeerStatus::from_bytes(&bytes)) {
            Ok(status) => status,
            Err(error) => return cx.report(number, Misbehaviour::Undecodable(error)),
        };
        let expected = self.spec.genesis_id();
        if status.genesis_id != expected {
            tracing::info!(target: "cairn::network", %peer, got = %status.genesis_id, %expected, "another network");
            self.book.forget(|address| address.peer() == peer);
            return cx.push(SwarmAction::Disconnect(peer));
        }
        self.peers.heard(number, cx.now);
        let is_first = self.peers.set_status(number, status.clone(), cx.clock);
        self.note_rules(peer, &status);
        self.persistent.acquainted(&peer);
        if is_first && let Some(known) = self.peers.get(number) {
            let around = Surroundings::new(self.own, &self.peers, &self.persistent, &self.access, cx);
            self.slots.on_acquainted(known, &around, &mut self.book, cx);
        }
        let kind = self.kind_of(number);
        self.backlog.push(if is_first {
            NetworkEvent::PeerUp { peer: number, kind, status }
        } else {
            NetworkEvent::PeerStatus { peer: number, kind, status }
        });
    }

    /// Says once of each other set of upgrades that peers have it: whoever has to update has until their height.
    fn note_rules(&mut self, peer: PeerId, status: &PeerStatus) {
        if status.rules_id == self.spec.schedule().id() || !self.peers.is_news(status.rules_id) {
            return;
        }
        let theirs: Vec<_> =
            status.upgrades.iter().map(|upgrade| (upgrade.height.get(), upgrade.inert_name())).collect();
        tracing::warn!(
            target: "cairn::network",
            %peer,
            ?theirs,
            "a peer knows other upgrades of the network than this node; see that cairn-node and its network file are current"
        );
    }

    fn kind_of(&self, number: PeerNumber) -> PeerKind {
        let Some(peer) = self.peers.get(number) else { return PeerKind::default() };
        let neighbourhood = ip_groups::neighbourhood(&peer.address);
        PeerKind { named: self.persistent.is_named(&peer.id), inbound: peer.inbound, neighbourhood }
    }

    /// A node on this LAN tells where it is.
    pub(super) fn on_neighbour_found(&mut self, peer: PeerId, address: Multiaddr) {
        let is_connected = self.peers.number(&peer).is_some();
        self.persistent.add_neighbour(peer, address, is_connected);
    }

    /// This node listens somewhere new, perhaps through a relay.
    pub(super) fn on_listening(&mut self, relay: Option<PeerId>, address: Multiaddr, cx: &mut Context) {
        if self.nat.on_listening(relay, address, cx) {
            self.rendezvous.register_again();
        }
    }
}
