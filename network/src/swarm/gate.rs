//! The gate: who may connect at all. It comes first among the behaviours, so that what it refuses costs
//! nothing further.

use crate::{
    addrman::ip_groups::{self, Group, Host},
    peers::access::{Access, Refusal},
};
use cairn_common::clock;
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
};

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
    hosts: BTreeMap<Host, usize>,
    groups: BTreeMap<Group, usize>,
    /// Handshakes only.
    handshakes: BTreeMap<Host, usize>,
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

fn decrease<K: Ord>(counts: &mut BTreeMap<K, usize>, key: K) {
    if let Some(count) = counts.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&key);
        }
    }
}

/// Refuses the banned, whoever is not admitted, and more than their share to hosts and groups.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    access: Access,
    shares: Shares,
    /// Inbound connections that hold a share; as many as the limits on connections allow.
    holders: HashMap<ConnectionId, Share>,
}

impl Gate {
    /// Which lets in whoever has access.
    pub(crate) fn new(access: Access) -> Self {
        Self { access, ..Self::default() }
    }

    fn check(&self, id: PeerId, address: &Multiaddr) -> Result<THandler<Self>, ConnectionDenied> {
        match self.access.refusal(id, address, clock::now()) {
            Some(refusal) => Err(ConnectionDenied::new(refusal)),
            None => Ok(dummy::ConnectionHandler),
        }
    }

    fn release(&mut self, connection: ConnectionId) {
        if let Some(share) = self.holders.remove(&connection) {
            self.shares.give_back(share);
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
        if let Some(refusal) = self.access.refusal_of_address(remote, clock::now()) {
            return Err(ConnectionDenied::new(refusal));
        }
        if let Some(ip) = ip_groups::ip_of(remote) {
            let share = self.shares.take(ip).map_err(ConnectionDenied::new)?;
            self.holders.insert(connection, share);
        }
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        id: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if let Some(share) = self.holders.get_mut(&connection) {
            self.shares.settle(share);
        }
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
}
