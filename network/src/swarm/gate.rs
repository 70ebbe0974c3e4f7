//! The gate: the outermost behaviour, which applies the [rules](ConnectionRules) at the door, so that what they refuse
//! costs nothing further. What the node itself dials is announced here beforehand.

use crate::peers::access::{Access, Refusal};
use crate::peers::connection_rules::ConnectionRules;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId, core::Endpoint, core::transport::PortUse};
use std::collections::BTreeSet;
use std::ops::{Deref, DerefMut};
use std::task::{Context, Poll};

/// Any behaviour, behind a gate that refuses the banned, whoever is not admitted, and more than their share to hosts
/// and groups, and that keeps it to addresses that may be dialled.
pub(crate) struct Gate<B> {
    inner: B,
    rules: ConnectionRules<ConnectionId>,
    /// Dials of the node itself that are about to begin: each is looked at once.
    own: BTreeSet<ConnectionId>,
}

impl<B> Gate<B> {
    /// In front of `inner`; it lets in whoever has access.
    pub(crate) fn new(inner: B, access: Access, allow_private: bool, allow_quic: bool) -> Self {
        Self { inner, rules: ConnectionRules::new(access, allow_private, allow_quic), own: BTreeSet::new() }
    }

    /// The next dial with this id is the node's own.
    pub(crate) fn announce(&mut self, connection: ConnectionId) {
        self.own.insert(connection);
    }

    /// It was not begun after all.
    pub(crate) fn retract(&mut self, connection: ConnectionId) {
        self.own.remove(&connection);
    }
}

fn denied(refusal: Refusal) -> ConnectionDenied {
    ConnectionDenied::new(refusal)
}

impl<B> Deref for Gate<B> {
    type Target = B;

    fn deref(&self) -> &B {
        &self.inner
    }
}

impl<B> DerefMut for Gate<B> {
    fn deref_mut(&mut self) -> &mut B {
        &mut self.inner
    }
}

impl<B: NetworkBehaviour> NetworkBehaviour for Gate<B> {
    type ConnectionHandler = B::ConnectionHandler;
    type ToSwarm = B::ToSwarm;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.rules.begin_inbound(connection, remote).map_err(denied)?;
        self.inner.handle_pending_inbound_connection(connection, local, remote)
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.rules.settle_inbound(&connection, peer, remote).map_err(denied)?;
        self.inner.handle_established_inbound_connection(connection, peer, local, remote)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        if !self.own.remove(&connection) && !addresses.is_empty() {
            self.rules.dial_for_a_stranger(addresses).map_err(denied)?;
        }
        let mut found = self.inner.handle_pending_outbound_connection(connection, peer, addresses, role)?;
        found.retain(|address| self.rules.may_dial(address));
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
        self.rules.check(peer, remote).map_err(denied)?;
        self.inner.handle_established_outbound_connection(connection, peer, remote, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match &event {
            FromSwarm::ConnectionClosed(closed) => self.rules.end(&closed.connection_id),
            FromSwarm::ListenFailure(failure) => self.rules.end(&failure.connection_id),
            _ => {}
        }
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
    fn goes(gate: &mut Gate<dummy::Behaviour>, connection: usize, texts: &[&str]) -> bool {
        let connection = ConnectionId::new_unchecked(connection);
        let dial = gate.handle_pending_outbound_connection(connection, None, &addresses(texts), Endpoint::Dialer);
        dial.is_ok()
    }

    #[test]
    fn strangers_cannot_have_private_addresses_dialled_and_the_node_itself_can() {
        let mut gate = Gate::new(dummy::Behaviour, Access::default(), false, true);
        assert!(goes(&mut gate, 1, &["/ip4/1.1.1.1/tcp/1", "/ip4/1.1.1.1/udp/1/quic-v1"]));
        for victim in ["/ip4/192.168.1.1/tcp/80", "/ip4/127.0.0.1/tcp/9741", "/ip6/fe80::1/tcp/1"] {
            assert!(!goes(&mut gate, 2, &["/ip4/1.1.1.1/tcp/1", victim]), "{victim}");
        }
        gate.announce(ConnectionId::new_unchecked(3));
        assert!(goes(&mut gate, 3, &["/ip4/192.168.1.1/tcp/80"]));
        assert!(!goes(&mut gate, 3, &["/ip4/192.168.1.1/tcp/80"]), "once");
        assert!(goes(&mut Gate::new(dummy::Behaviour, Access::default(), true, true), 4, &["/ip4/192.168.1.1/tcp/80"]));
    }

    #[test]
    fn with_a_pre_shared_key_nothing_is_dialled_by_quic() {
        let mut gate = Gate::new(dummy::Behaviour, Access::default(), true, false);
        assert!(!goes(&mut gate, 1, &["/ip4/127.0.0.1/udp/1/quic-v1"]));
        assert!(goes(&mut gate, 2, &["/ip4/127.0.0.1/tcp/1"]));
    }

    #[test]
    fn autonat_is_no_weapon_strangers_have_few_addresses_dialled() {
        let mut gate = Gate::new(dummy::Behaviour, Access::default(), false, true);
        let asked = (0..1000).filter(|n| goes(&mut gate, *n, &["/ip4/1.1.1.1/tcp/80"])).count();
        assert_eq!(asked, 20);
        // The control: the node's own dials go on, and so do those to addresses that the protocols know.
        gate.announce(ConnectionId::new_unchecked(5000));
        assert!(goes(&mut gate, 5000, &["/ip4/1.1.1.1/tcp/80"]));
        assert!(goes(&mut gate, 5001, &[]));
    }
}
