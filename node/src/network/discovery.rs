//! Kademlia, kept to addresses that may be dialled and passed on.
//!
//! A stranger's answers name addresses. Without this, anyone could make a node knock at the doors of its
//! own private network.

use super::reachability;
use libp2p::{
    Multiaddr, PeerId, StreamProtocol,
    core::{Endpoint, transport::PortUse},
    kad::{self, store::MemoryStore},
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent,
        ToSwarm,
    },
};
use std::{
    task::{Context, Poll},
    time::Duration,
};

/// Addresses taken from what one peer says of itself.
const ADDRESSES_EACH: usize = 8;
/// How often the table of peers is refreshed.
const REFRESH: Duration = Duration::from_secs(120);
/// How long one search may last.
const SEARCH: Duration = Duration::from_secs(30);

/// Kademlia with its addresses filtered.
pub(super) struct Discovery {
    kad: kad::Behaviour<MemoryStore>,
    protocol: StreamProtocol,
    allow_private: bool,
}

impl Discovery {
    /// A node's Kademlia.
    pub(super) fn new(own: PeerId, protocol: StreamProtocol, allow_private: bool) -> Self {
        let mut config = kad::Config::new(protocol.clone());
        config
            // Strangers store nothing here; nothing is looked up but peers.
            .set_record_filtering(kad::StoreInserts::FilterBoth)
            .set_kbucket_inserts(kad::BucketInserts::Manual)
            .set_periodic_bootstrap_interval(Some(REFRESH))
            .set_query_timeout(SEARCH);
        let mut kad = kad::Behaviour::with_config(own, MemoryStore::new(own), config);
        if allow_private {
            // Nothing confirms a private address as reachable: without this, nobody would answer searches.
            kad.set_mode(Some(kad::Mode::Server));
        }
        Self { kad, protocol, allow_private }
    }

    /// Takes in what a peer says of itself: what it speaks, and where it listens.
    pub(super) fn identified(&mut self, peer: &PeerId, protocols: &[StreamProtocol], addresses: &[Multiaddr]) {
        if !protocols.contains(&self.protocol) {
            return;
        }
        let names_itself = |address: &&Multiaddr| reachability::peer_of(address).is_none_or(|named| named == *peer);
        let reachable = addresses.iter().filter(|address| reachability::is_reachable(address, self.allow_private));
        for address in reachable.filter(names_itself).take(ADDRESSES_EACH) {
            self.kad.add_address(peer, address.clone());
        }
    }

    /// Adds a boot node.
    pub(super) fn add_boot_node(&mut self, peer: &PeerId, address: Multiaddr) {
        if reachability::is_reachable(&address, self.allow_private) {
            self.kad.add_address(peer, address);
        }
    }

    /// Looks for more peers near a random place. Asking makes acquaintances.
    pub(super) fn search(&mut self) {
        self.kad.get_closest_peers(PeerId::random());
    }

    /// How many peers are known.
    pub(super) fn known(&mut self) -> usize {
        self.kad.kbuckets().map(|bucket| bucket.num_entries()).sum()
    }

    /// Forgets somebody.
    pub(super) fn forget(&mut self, peer: &PeerId) {
        self.kad.remove_peer(peer);
    }
}

impl NetworkBehaviour for Discovery {
    type ConnectionHandler = <kad::Behaviour<MemoryStore> as NetworkBehaviour>::ConnectionHandler;
    type ToSwarm = kad::Event;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.kad.handle_pending_inbound_connection(connection, local, remote)
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.kad.handle_established_inbound_connection(connection, peer, local, remote)
    }

    /// The place of the filter: addresses that others gave are dialled only when they are reachable.
    fn handle_pending_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        let mut found = self.kad.handle_pending_outbound_connection(connection, peer, addresses, role)?;
        found.retain(|address| reachability::is_reachable(address, self.allow_private));
        Ok(found)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        remote: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.kad.handle_established_outbound_connection(connection, peer, remote, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        self.kad.on_swarm_event(event);
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, connection: ConnectionId, event: THandlerOutEvent<Self>) {
        self.kad.on_connection_handler_event(peer, connection, event);
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.kad.poll(context)
    }
}
