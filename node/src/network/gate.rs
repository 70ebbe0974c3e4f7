//! The gate: who may connect at all. It comes first among the behaviours, so that what it refuses costs
//! nothing further.

use super::{
    peers::Bans,
    reachability::{self, Group, Host},
};
use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent,
        ToSwarm, dummy,
    },
};
use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    net::IpAddr,
    task::{Context, Poll},
    time::Instant,
};

/// Inbound connections from one host, handshakes included: a few nodes behind one router.
const PER_HOST: usize = 4;
/// Inbound connections from one group of neighbouring hosts, handshakes included: no single provider fills
/// the slots of a node.
const PER_GROUP: usize = 16;

/// Why a connection is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// It was banned.
    #[error("banned")]
    Banned,
    /// Its host has its share.
    #[error("too many connections from one host")]
    Host,
    /// Its neighbourhood has its share.
    #[error("too many connections from neighbouring hosts")]
    Group,
}

/// Counts inbound connections by where they come from.
#[derive(Debug, Default)]
struct Shares {
    hosts: BTreeMap<Host, usize>,
    groups: BTreeMap<Group, usize>,
}

impl Shares {
    fn take(&mut self, ip: IpAddr) -> Result<(), Refusal> {
        let (host, group) = (reachability::host_of(ip), reachability::group_of(ip));
        if self.hosts.get(&host).is_some_and(|count| *count >= PER_HOST) {
            return Err(Refusal::Host);
        }
        if self.groups.get(&group).is_some_and(|count| *count >= PER_GROUP) {
            return Err(Refusal::Group);
        }
        *self.hosts.entry(host).or_default() += 1;
        *self.groups.entry(group).or_default() += 1;
        Ok(())
    }

    fn give_back(&mut self, ip: IpAddr) {
        decrease(&mut self.hosts, reachability::host_of(ip));
        decrease(&mut self.groups, reachability::group_of(ip));
    }
}

fn decrease<K: Ord>(counts: &mut BTreeMap<K, usize>, key: K) {
    if let Some(count) = counts.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&key);
        }
    }
}

/// Refuses the banned, and more than their share to hosts and groups.
#[derive(Debug, Default)]
pub(super) struct Gate {
    bans: Bans,
    shares: Shares,
    /// Inbound connections that hold a share; as many as the limits on connections allow.
    holders: HashMap<ConnectionId, IpAddr>,
}

impl Gate {
    /// Refuses a peer until then.
    pub(super) fn ban(&mut self, id: PeerId, address: &Multiaddr, until: Instant) {
        self.bans.insert(id, address, until, Instant::now());
    }

    /// Whether a peer there is refused.
    pub(super) fn is_banned(&self, id: PeerId, address: &Multiaddr) -> bool {
        let now = Instant::now();
        self.bans.covers_peer(id, now) || self.bans.covers_address(address, now)
    }

    fn check(&self, id: PeerId, address: &Multiaddr) -> Result<THandler<Self>, ConnectionDenied> {
        if self.is_banned(id, address) {
            return Err(ConnectionDenied::new(Refusal::Banned));
        }
        Ok(dummy::ConnectionHandler)
    }

    fn release(&mut self, connection: ConnectionId) {
        if let Some(ip) = self.holders.remove(&connection) {
            self.shares.give_back(ip);
        }
    }
}

impl NetworkBehaviour for Gate {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        if self.bans.covers_address(remote, Instant::now()) {
            return Err(ConnectionDenied::new(Refusal::Banned));
        }
        // On a private network all may share one address; the limits on connections in all hold there.
        if let Some(ip) = reachability::ip_of(remote).filter(|ip| !reachability::is_private(*ip)) {
            self.shares.take(ip).map_err(ConnectionDenied::new)?;
            self.holders.insert(connection, ip);
        }
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        id: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.check(id, remote)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        id: PeerId,
        remote: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.check(id, remote)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionClosed(closed) => self.release(closed.connection_id),
            FromSwarm::ListenFailure(failure) => self.release(failure.connection_id),
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: [u8; 4]) -> IpAddr {
        IpAddr::from(last)
    }

    #[test]
    fn one_host_and_one_group_get_their_share_and_no_more() {
        let mut shares = Shares::default();
        for _ in 0..PER_HOST {
            assert_eq!(shares.take(ip([1, 2, 3, 4])), Ok(()));
        }
        assert_eq!(shares.take(ip([1, 2, 3, 4])), Err(Refusal::Host));
        for host in 0..(PER_GROUP - PER_HOST) as u8 {
            assert_eq!(shares.take(ip([1, 2, 200, host])), Ok(()));
        }
        assert_eq!(shares.take(ip([1, 2, 9, 9])), Err(Refusal::Group));
        // The honest neighbour of the attack still gets in, and shares come back.
        assert_eq!(shares.take(ip([1, 3, 3, 4])), Ok(()));
        shares.give_back(ip([1, 2, 3, 4]));
        assert_eq!(shares.take(ip([1, 2, 9, 9])), Ok(()));
    }

    #[test]
    fn a_share_given_back_leaves_nothing_behind() {
        let mut shares = Shares::default();
        assert_eq!(shares.take(ip([1, 2, 3, 4])), Ok(()));
        shares.give_back(ip([1, 2, 3, 4]));
        assert!(shares.hosts.is_empty() && shares.groups.is_empty());
    }
}
