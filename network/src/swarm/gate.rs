//! The gate: who may connect at all, and what the protocols below may have dialled. It is the outermost behaviour, so
//! that what it refuses costs nothing further.
//!
//! A stranger's answers name addresses, and libp2p's protocols (Kademlia, rendezvous, identify, every kind of
//! request) remember them and offer them when a peer is dialled; some dial by themselves. Without this, anyone
//! could make a node knock at the doors of its own private network. What the node itself dials (peers that the
//! operator named, neighbours on its LAN) is announced here beforehand and may be private.

use crate::addrman::ip_groups::{self, Prefix};
use crate::peers::access::{Access, Refusal};
use cairn_common::{clock, rate_limiter::RateLimiter};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId, core::Endpoint, core::transport::PortUse};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::{Deref, DerefMut};
use std::task::{Context, Poll};
use std::{net::IpAddr, time::Instant};

/// Inbound connections from one host, handshakes included: a few nodes behind one router.
const PER_HOST: usize = 4;
/// Inbound connections from one group of neighbouring hosts, handshakes included: no single provider fills
/// the slots of a node.
const PER_GROUP: usize = 16;
/// Unfinished handshakes from one host, private ones too: a quarter of all, so that whoever opens
/// connections and says nothing leaves room for others.
const HANDSHAKES_PER_HOST: usize = 16;

/// Counts inbound connections by where they come from.
#[derive(Debug, Default)]
struct Shares {
    hosts: BTreeMap<Prefix, usize>,
    groups: BTreeMap<Prefix, usize>,
    /// Handshakes only.
    handshakes: BTreeMap<Prefix, usize>,
}

/// What an inbound connection holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Share {
    ip: IpAddr,
    handshake: bool,
}

impl Shares {
    /// Takes a share for a connection whose handshake begins. On a private network all may share one
    /// address: there the limits on handshakes and on connections in all hold.
    fn take(&mut self, ip: IpAddr) -> Result<Share, Refusal> {
        let (host, group) = (ip_groups::host_of(ip), ip_groups::group_of(ip));
        if self.handshakes.get(&host).is_some_and(|count| *count >= HANDSHAKES_PER_HOST) {
            return Err(Refusal::Handshakes);
        }
        if !ip_groups::is_private(ip) {
            if self.hosts.get(&host).is_some_and(|count| *count >= PER_HOST) {
                return Err(Refusal::Host);
            }
            if self.groups.get(&group).is_some_and(|count| *count >= PER_GROUP) {
                return Err(Refusal::Group);
            }
            *self.hosts.entry(host).or_default() += 1;
            *self.groups.entry(group).or_default() += 1;
        }
        *self.handshakes.entry(host).or_default() += 1;
        Ok(Share { ip, handshake: true })
    }

    /// The handshake has ended.
    fn settle(&mut self, share: &mut Share) {
        if std::mem::take(&mut share.handshake) {
            decrease(&mut self.handshakes, ip_groups::host_of(share.ip));
        }
    }

    /// The connection has ended, or its handshake failed.
    fn give_back(&mut self, mut share: Share) {
        self.settle(&mut share);
        if !ip_groups::is_private(share.ip) {
            decrease(&mut self.hosts, ip_groups::host_of(share.ip));
            decrease(&mut self.groups, ip_groups::group_of(share.ip));
        }
    }
}

fn decrease(counts: &mut BTreeMap<Prefix, usize>, key: Prefix) {
    if let Some(count) = counts.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&key);
        }
    }
}

/// Dials that strangers may ask for at once, and each second in the long run: too few to be anybody's weapon.
const STRANGER_DIALS: (f64, f64) = (20.0, 1.0 / 3.0);

/// Any behaviour, behind a gate that refuses the banned, whoever is not admitted, and more than their share to hosts and
/// groups, and that keeps it to addresses that may be dialled.
pub(crate) struct Gate<B> {
    inner: B,
    access: Access,
    shares: Shares,
    /// Inbound connections that hold a share; as many as the limits on connections allow.
    holders: HashMap<ConnectionId, Share>,
    allow_private: bool,
    /// QUIC is not dialled on networks with a pre-shared key, which it does not know.
    allow_quic: bool,
    /// Dials of the node itself that are about to begin: each is looked at once.
    own: BTreeSet<ConnectionId>,
    /// Dials that strangers may still ask for at once (AutoNAT, DCUtR), and since when.
    stranger_dials: RateLimiter,
}

impl<B> Gate<B> {
    /// In front of `inner`; it lets in whoever has access.
    pub(crate) fn new(inner: B, access: Access, allow_private: bool, allow_quic: bool) -> Self {
        Self {
            inner,
            access,
            shares: Shares::default(),
            holders: HashMap::new(),
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

    fn check(&self, peer: PeerId, address: &Multiaddr) -> Result<(), ConnectionDenied> {
        let refusal = self.access.refusal(peer, address, clock::now());
        refusal.map_or(Ok(()), |refusal| Err(ConnectionDenied::new(refusal)))
    }

    fn release(&mut self, connection: ConnectionId) {
        if let Some(share) = self.holders.remove(&connection) {
            self.shares.give_back(share);
        }
    }
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
        if let Some(refusal) = self.access.refusal_of_address(remote, clock::now()) {
            return Err(ConnectionDenied::new(refusal));
        }
        if let Some(ip) = ip_groups::ip_of(remote) {
            let share = self.shares.take(ip).map_err(ConnectionDenied::new)?;
            self.holders.insert(connection, share);
        }
        self.inner.handle_pending_inbound_connection(connection, local, remote)
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if let Some(share) = self.holders.get_mut(&connection) {
            self.shares.settle(share);
        }
        self.check(peer, remote)?;
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
        self.check(peer, remote)?;
        self.inner.handle_established_outbound_connection(connection, peer, remote, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match &event {
            FromSwarm::ConnectionClosed(closed) => self.release(closed.connection_id),
            FromSwarm::ListenFailure(failure) => self.release(failure.connection_id),
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

    fn ip(last: [u8; 4]) -> IpAddr {
        IpAddr::from(last)
    }

    /// Takes a share and ends the handshake.
    fn enter(shares: &mut Shares, from: [u8; 4]) -> Result<Share, Refusal> {
        let mut share = shares.take(ip(from))?;
        shares.settle(&mut share);
        Ok(share)
    }

    #[test]
    fn one_host_and_one_group_get_their_share_and_no_more() {
        let mut shares = Shares::default();
        for _ in 0..PER_HOST - 1 {
            assert!(enter(&mut shares, [1, 2, 3, 4]).is_ok());
        }
        let last = enter(&mut shares, [1, 2, 3, 4]);
        assert_eq!(enter(&mut shares, [1, 2, 3, 4]), Err(Refusal::Host));
        for host in 0..(PER_GROUP - PER_HOST) as u8 {
            assert!(enter(&mut shares, [1, 2, 200, host]).is_ok());
        }
        assert_eq!(enter(&mut shares, [1, 2, 9, 9]), Err(Refusal::Group));
        // The honest neighbour of the attack still gets in, and shares come back.
        assert!(enter(&mut shares, [1, 3, 3, 4]).is_ok());
        last.map(|share| shares.give_back(share)).unwrap_or_else(|refusal| panic!("{refusal}"));
        assert!(enter(&mut shares, [1, 2, 9, 9]).is_ok());
    }

    #[test]
    fn unfinished_handshakes_of_one_host_leave_room_for_others() {
        let mut shares = Shares::default();
        let held: Vec<Share> = (0..1000).filter_map(|_| shares.take(ip([127, 0, 0, 2])).ok()).collect();
        assert_eq!(held.len(), HANDSHAKES_PER_HOST);
        // The controls: another host, and the same one once it is through with its own.
        assert!(enter(&mut shares, [127, 0, 0, 1]).is_ok());
        held.into_iter().for_each(|share| shares.give_back(share));
        for _ in 0..1000 {
            assert!(enter(&mut shares, [127, 0, 0, 2]).is_ok(), "a private host has no limit of its own");
        }
    }

    #[test]
    fn a_share_given_back_leaves_nothing_behind() {
        let mut shares = Shares::default();
        for from in [[1, 2, 3, 4], [127, 0, 0, 1]] {
            for settled in [false, true] {
                let mut share = shares.take(ip(from)).unwrap_or_else(|refusal| panic!("{refusal}"));
                if settled {
                    shares.settle(&mut share);
                }
                shares.give_back(share);
                assert!(shares.hosts.is_empty() && shares.groups.is_empty() && shares.handshakes.is_empty());
            }
        }
    }

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
        assert_eq!(asked, STRANGER_DIALS.0 as usize);
        // The control: the node's own dials go on, and so do those to addresses that the protocols know.
        gate.announce(ConnectionId::new_unchecked(5000));
        assert!(goes(&mut gate, 5000, &["/ip4/1.1.1.1/tcp/80"]));
        assert!(goes(&mut gate, 5001, &[]));
    }
}
