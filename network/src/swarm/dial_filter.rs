//! The outermost behaviour: what the protocols below may have dialled.
//!
//! A stranger's answers name addresses, and libp2p's protocols (Kademlia, rendezvous, identify, every kind of
//! request) remember them and offer them when a peer is dialled; some dial by themselves. Without this, anyone
//! could make a node knock at the doors of its own private network. What the node itself dials (peers that the
//! operator named, neighbours on its LAN) is announced here beforehand and may be private.

use crate::{addrman::ip_groups, peers::access::Refusal};
use cairn_common::rate_limiter::RateLimiter;
use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent,
        ToSwarm,
    },
};
use std::{
    collections::BTreeSet,
    ops::{Deref, DerefMut},
    task::{Context, Poll},
    time::Instant,
};

/// Any behaviour, kept to addresses that may be dialled.
pub(crate) struct Filtered<B> {
    inner: B,
    allow_private: bool,
    /// QUIC is not dialled on networks with a pre-shared key, which it does not know.
    allow_quic: bool,
    /// Dials of the node itself that are about to begin: each is looked at once.
    own: BTreeSet<ConnectionId>,
    /// Dials that strangers may still ask for at once (AutoNAT, DCUtR), and since when.
    stranger_dials: RateLimiter,
}

/// Dials that strangers may ask for at once, and each second in the long run: too few to be anybody's weapon.
const STRANGER_DIALS: (f64, f64) = (20.0, 1.0 / 3.0);

impl<B> Filtered<B> {
    /// Filters what `inner` has dialled.
    pub(crate) fn new(inner: B, allow_private: bool, allow_quic: bool) -> Self {
        Self {
            inner,
            allow_private,
            allow_quic,
            own: BTreeSet::new(),
            stranger_dials: RateLimiter::new(STRANGER_DIALS.1, STRANGER_DIALS.0, Instant::now()),
        }
    }

    /// The next dial with this id is the node's own.
    pub(crate) fn announce(&mut self, connection: ConnectionId) {
        self.own.insert(connection);
    }

    /// It was not begun after all.
    pub(crate) fn retract(&mut self, connection: ConnectionId) {
        self.own.remove(&connection);
    }

    fn may_dial(&self, address: &Multiaddr) -> bool {
        ip_groups::is_reachable(address, self.allow_private) && (self.allow_quic || !ip_groups::is_quic(address))
    }
}

impl<B> Deref for Filtered<B> {
    type Target = B;

    fn deref(&self) -> &B {
        &self.inner
    }
}

impl<B> DerefMut for Filtered<B> {
    fn deref_mut(&mut self) -> &mut B {
        &mut self.inner
    }
}

impl<B: NetworkBehaviour> NetworkBehaviour for Filtered<B> {
    type ConnectionHandler = B::ConnectionHandler;
    type ToSwarm = B::ToSwarm;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.inner.handle_pending_inbound_connection(connection, local, remote)
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner.handle_established_inbound_connection(connection, peer, local, remote)
    }

    /// The place of the filter.
    fn handle_pending_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        if !self.own.remove(&connection) && !addresses.is_empty() {
            if !addresses.iter().all(|address| self.may_dial(address)) {
                return Err(ConnectionDenied::new(Refusal::NotToBeDialled));
            }
            if self.stranger_dials.take(1.0, Instant::now()).is_err() {
                return Err(ConnectionDenied::new(Refusal::TooManyAsked));
            }
        }
        let mut found = self.inner.handle_pending_outbound_connection(connection, peer, addresses, role)?;
        found.retain(|address| self.may_dial(address));
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
        self.inner.handle_established_outbound_connection(connection, peer, remote, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, connection: ConnectionId, event: THandlerOutEvent<Self>) {
        self.inner.on_connection_handler_event(peer, connection, event);
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.inner.poll(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use libp2p::swarm::dummy;

    fn addresses(texts: &[&str]) -> Vec<Multiaddr> {
        texts.iter().map(|text| text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))).collect()
    }

    /// Whether a dial of these addresses goes ahead.
    fn goes(filter: &mut Filtered<dummy::Behaviour>, connection: usize, texts: &[&str]) -> bool {
        let connection = ConnectionId::new_unchecked(connection);
        let dial = filter.handle_pending_outbound_connection(connection, None, &addresses(texts), Endpoint::Dialer);
        dial.is_ok()
    }

    #[test]
    fn strangers_cannot_have_private_addresses_dialled_and_the_node_itself_can() {
        let mut filter = Filtered::new(dummy::Behaviour, false, true);
        assert!(goes(&mut filter, 1, &["/ip4/1.1.1.1/tcp/1", "/ip4/1.1.1.1/udp/1/quic-v1"]));
        for victim in ["/ip4/192.168.1.1/tcp/80", "/ip4/127.0.0.1/tcp/9741", "/ip6/fe80::1/tcp/1"] {
            assert!(!goes(&mut filter, 2, &["/ip4/1.1.1.1/tcp/1", victim]), "{victim}");
        }
        filter.announce(ConnectionId::new_unchecked(3));
        assert!(goes(&mut filter, 3, &["/ip4/192.168.1.1/tcp/80"]));
        assert!(!goes(&mut filter, 3, &["/ip4/192.168.1.1/tcp/80"]), "once");
        assert!(goes(&mut Filtered::new(dummy::Behaviour, true, true), 4, &["/ip4/192.168.1.1/tcp/80"]));
    }

    #[test]
    fn with_a_pre_shared_key_nothing_is_dialled_by_quic() {
        let mut filter = Filtered::new(dummy::Behaviour, true, false);
        assert!(!goes(&mut filter, 1, &["/ip4/127.0.0.1/udp/1/quic-v1"]));
        assert!(goes(&mut filter, 2, &["/ip4/127.0.0.1/tcp/1"]));
    }

    #[test]
    fn autonat_is_no_weapon_strangers_have_few_addresses_dialled() {
        let mut filter = Filtered::new(dummy::Behaviour, false, true);
        let asked = (0..1000).filter(|n| goes(&mut filter, *n, &["/ip4/1.1.1.1/tcp/80"])).count();
        assert_eq!(asked, STRANGER_DIALS.0 as usize);
        // The control: the node's own dials go on, and so do those to addresses that the protocols know.
        filter.announce(ConnectionId::new_unchecked(5000));
        assert!(goes(&mut filter, 5000, &["/ip4/1.1.1.1/tcp/80"]));
        assert!(goes(&mut filter, 5001, &[]));
    }
}
