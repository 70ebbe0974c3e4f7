//! Connections: who comes, who goes, and what they say of themselves.

use super::{ADDRESSES_EACH, NetworkState, UNHEARD};
use crate::{
    addrman::{book::Source, ip_groups, node_address::NodeAddress},
    event::{Actions, DialFailure, Endpoint, Moment, Received, SwarmAction, TaskAction},
    handle::{NetworkEvent, PeerKind},
    ids::{ConnectionNumber, DialNumber, Multiaddr, PeerId},
    outbound::slots::Surroundings,
    peers::{status, table::Services},
    wire::{Message as _, PeerStatus},
};
use cairn_chain::verdict::{Misbehaviour, PeerNumber};
use std::time::Instant;

/// A connection that has just come to stand.
pub(super) struct NewConnection {
    pub(super) peer: PeerId,
    pub(super) connection: ConnectionNumber,
    /// The dial that led to it, if it is one of the slots'.
    pub(super) dial: Option<DialNumber>,
    pub(super) endpoint: Endpoint,
    pub(super) is_first: bool,
}

impl NetworkState {
    pub(super) fn on_connected(&mut self, new: &NewConnection, moment: &Moment, out: &mut Actions) {
        let NewConnection { peer, connection, dial, endpoint, is_first } = new;
        self.relay_client.on_connected(*connection, *peer, endpoint);
        let around = Surroundings::new(self.own, &self.peers, &self.persistent, &self.access, moment);
        if dial.is_some_and(|dial| self.slots.on_reached(dial, *connection, &around, &mut self.book, out)) {
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
        self.relay_client.on_first_connected(endpoint);
        self.peers.connected(*peer, address, inbound, moment.now);
        self.persistent.connected(peer);
        status::ask(*peer, &self.spec, &mut self.peers, moment, out);
    }

    pub(super) fn on_disconnected(&mut self, peer: &PeerId, cause: Option<&str>, now: Instant, out: &mut Actions) {
        tracing::info!(target: "cairn::network", %peer, cause, "disconnected");
        self.persistent.disconnected(peer, now);
        self.slots.forget(peer);
        self.rendezvous.forget(peer);
        let Some((number, gone)) = self.peers.disconnected(peer) else { return };
        self.requests.forget(number);
        self.exchange.forget(number);
        self.pool_rounds.forget(number);
        if gone.status.is_some() {
            self.backlog.push(NetworkEvent::PeerDown { peer: number });
        }
        out.push(TaskAction::ForgetPeer(number));
    }

    pub(super) fn on_dial_failed(&mut self, peer: Option<PeerId>, dial: Option<DialNumber>, failure: &DialFailure) {
        if let (Some(peer), DialFailure::OtherPeer { got, address }) = (peer, failure) {
            self.persistent.answered_by(&peer, *got, address);
        }
        if let Some(dial) = dial {
            self.slots.on_unreached(dial, failure, &self.peers, &mut self.book);
        }
    }

    /// A cable that was cut breaks no connection: without this a peer would be waited for until it counts as
    /// silent. Whoever is busy sending something else is not.
    pub(super) fn on_unanswered_pings(&mut self, peer: PeerId, now: Instant, out: &mut Actions) {
        if self.peers.by_id(&peer).is_some_and(|known| known.silent_for(now) > UNHEARD) {
            tracing::info!(target: "cairn::network", %peer, "parting from a peer that does not answer pings");
            out.push(SwarmAction::Disconnect(peer));
        }
    }

    /// Takes in what a peer says of itself: what it speaks, and where it listens.
    pub(super) fn on_identified(
        &mut self,
        peer: PeerId,
        services: Services,
        in_dht: bool,
        addresses: &[Multiaddr],
        moment: &Moment,
        out: &mut Actions,
    ) {
        let Some(known) = self.peers.by_id_mut(&peer) else { return };
        known.services = services;
        let source = ip_groups::neighbourhood(&known.address);
        for address in self.learn_addresses(peer, addresses, Source::Node(&source), moment) {
            if in_dht {
                out.push(SwarmAction::AddToDht { peer, address: address.multiaddr() });
            }
        }
    }

    /// Hearsay of where somebody is goes into the book.
    pub(super) fn learn_addresses(
        &mut self,
        peer: PeerId,
        addresses: &[Multiaddr],
        source: Source<'_>,
        moment: &Moment,
    ) -> Vec<NodeAddress> {
        let allow_private = self.book.allows_private();
        let known = addresses.iter().filter_map(|address| NodeAddress::new(peer, address, allow_private));
        let known: Vec<NodeAddress> = known.take(ADDRESSES_EACH).collect();
        for address in &known {
            self.book.add(*address, source, moment.clock);
        }
        known
    }

    /// A peer has said where it stands.
    pub(super) fn on_status(&mut self, peer: PeerId, received: Received, moment: &Moment, out: &mut Actions) {
        let Some(number) = self.peers.number(&peer) else { return };
        let status = match received.and_then(|bytes| PeerStatus::from_bytes(&bytes)) {
            Ok(status) => status,
            Err(error) => return out.report(number, Misbehaviour::Undecodable(error)),
        };
        let expected = self.spec.genesis_id();
        if status.genesis_id != expected {
            tracing::info!(target: "cairn::network", %peer, got = %status.genesis_id, %expected, "another network");
            self.book.forget(|address| address.peer() == peer);
            return out.push(SwarmAction::Disconnect(peer));
        }
        self.peers.heard(number, moment.now);
        let is_first = self.peers.set_status(number, status.clone(), moment.clock);
        self.note_rules(peer, &status);
        if is_first && let Some(known) = self.peers.get(number) {
            let around = Surroundings::new(self.own, &self.peers, &self.persistent, &self.access, moment);
            self.slots.on_acquainted(known, &around, &mut self.book, out);
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
}
