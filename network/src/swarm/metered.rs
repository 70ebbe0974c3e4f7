//! A protocol of the library that answers by itself, at a rate. What comes from a connection beyond it is not looked
//! at, and the connection is closed. Nothing is given in advance: what a connection has not yet earned by its age is
//! paid by its host, site and group of hosts, which have a rate, too, so that a new identity is no new start. Who has
//! earned what it sends is not touched by what others at its address do. (9 000 searches a second took a processor
//! once; they are cheap to ask for.)

use crate::addrman::ip_groups;
use crate::ids::PeerId;
use crate::peers::prefix_limiter::PrefixLimiter;
use cairn_common::{clock, rate_limiter::RateLimiter};
use libp2p::core::{Endpoint, transport::PortUse};
use libp2p::swarm::{
    CloseConnection, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, swarm::behaviour::toggle::Toggle};
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::ops::{Deref, DerefMut};
use std::task::{Context, Poll};
use std::time::Instant;

/// Hosts may have several nodes: of what one peer may, a host may so many times as much.
const NODES_PER_HOST: f64 = 2.0;
/// Behind a private address may be more of them.
const PRIVATE: f64 = 4.0;

/// How much one peer may send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    /// In the long run.
    pub(crate) per_second: f64,
    /// At once, after a pause.
    pub(crate) burst: f64,
}

/// What a connection may still send.
struct Meter {
    ip: Option<IpAddr>,
    limiter: RateLimiter,
    /// What it has earned since it began; beyond it pays its host.
    earned: RateLimiter,
    is_closed: bool,
}

/// Any behaviour whose connections send no more than they may.
pub(crate) struct Metered<B> {
    inner: B,
    rate: Rate,
    meters: BTreeMap<ConnectionId, Meter>,
    prefixes: PrefixLimiter,
    /// Connections to be closed.
    closing: VecDeque<(PeerId, ConnectionId)>,
    /// Whose they were.
    exceeded: Vec<PeerId>,
}

impl<B> Metered<B> {
    /// At this rate.
    pub(crate) fn new(inner: B, rate: Rate) -> Self {
        let Rate { per_second, burst } = rate;
        let prefixes = PrefixLimiter::new(per_second * NODES_PER_HOST, burst * NODES_PER_HOST, PRIVATE);
        Self { inner, rate, meters: BTreeMap::new(), prefixes, closing: VecDeque::new(), exceeded: Vec::new() }
    }

    /// The same, where it may be switched off.
    pub(crate) fn toggled(inner: Option<B>, rate: Rate) -> Toggle<Self> {
        inner.map(|inner| Self::new(inner, rate)).into()
    }

    /// Those who have sent more than they may since this was last asked.
    pub(crate) fn take_exceeded(&mut self) -> Vec<PeerId> {
        std::mem::take(&mut self.exceeded)
    }

    fn begin(&mut self, connection: ConnectionId, remote: &Multiaddr, now: Instant) {
        let Rate { per_second, burst } = self.rate;
        let limiter = RateLimiter::new(per_second, burst, now);
        let mut earned = limiter;
        earned.spend(burst, now);
        self.meters.insert(connection, Meter { ip: ip_groups::ip_of(remote), limiter, earned, is_closed: false });
    }

    /// Whether what a connection has sent is to be looked at.
    fn takes(&mut self, peer: PeerId, connection: ConnectionId, now: Instant) -> bool {
        let Some(meter) = self.meters.get_mut(&connection) else { return true };
        if meter.is_closed {
            return false;
        }
        let is_within = meter.limiter.take(1.0, now).is_ok();
        let has_earned = is_within && meter.earned.take(1.0, now).is_ok();
        if has_earned || is_within && meter.ip.is_none_or(|ip| self.prefixes.take(ip, now)) {
            return true;
        }
        meter.is_closed = true;
        self.closing.push_back((peer, connection));
        // Whose host has nothing left is parted from, too; but who there has used it up is not known.
        if !is_within {
            self.exceeded.push(peer);
        }
        false
    }
}

impl<B> Deref for Metered<B> {
    type Target = B;

    fn deref(&self) -> &B {
        &self.inner
    }
}

impl<B> DerefMut for Metered<B> {
    fn deref_mut(&mut self) -> &mut B {
        &mut self.inner
    }
}

impl<B: NetworkBehaviour> NetworkBehaviour for Metered<B> {
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
        let handler = self.inner.handle_established_inbound_connection(connection, peer, local, remote)?;
        self.begin(connection, remote, clock::instant());
        Ok(handler)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        self.inner.handle_pending_outbound_connection(connection, peer, addresses, role)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        remote: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let handler = self.inner.handle_established_outbound_connection(connection, peer, remote, role, port)?;
        self.begin(connection, remote, clock::instant());
        Ok(handler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match &event {
            FromSwarm::ConnectionClosed(closed) => drop(self.meters.remove(&closed.connection_id)),
            // Another part refused it after this one had let it in.
            FromSwarm::ListenFailure(failure) => drop(self.meters.remove(&failure.connection_id)),
            FromSwarm::DialFailure(failure) => drop(self.meters.remove(&failure.connection_id)),
            _ => {}
        }
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, connection: ConnectionId, event: THandlerOutEvent<Self>) {
        if self.takes(peer, connection, clock::instant()) {
            self.inner.on_connection_handler_event(peer, connection, event);
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        if let Some((peer_id, connection)) = self.closing.pop_front() {
            let connection = CloseConnection::One(connection);
            return Poll::Ready(ToSwarm::CloseConnection { peer_id, connection });
        }
        self.inner.poll(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use libp2p::swarm::dummy;
    use std::time::Duration;

    const HOST: &str = "/ip4/1.2.3.4/tcp/5";

    fn metered() -> Metered<dummy::Behaviour> {
        Metered::new(dummy::Behaviour, Rate { per_second: 1.0, burst: 10.0 })
    }

    fn join(metered: &mut Metered<dummy::Behaviour>, number: usize, address: &str, now: Instant) -> ConnectionId {
        let connection = ConnectionId::new_unchecked(number);
        metered.begin(connection, &address.parse().expect("an address"), now);
        connection
    }

    /// How much is looked at of what a new connection sends without end.
    fn flood(metered: &mut Metered<dummy::Behaviour>, number: usize, address: &str, now: Instant) -> usize {
        let (peer, connection) = (PeerId::random(), join(metered, number, address, now));
        (0..1_000).filter(|_| metered.takes(peer, connection, now)).count()
    }

    #[test]
    fn who_sends_more_than_it_may_is_looked_at_no_more_and_a_new_identity_is_no_new_start() {
        let (mut metered, now) = (metered(), Instant::now());
        let taken = [1, 2, 3].map(|number| flood(&mut metered, number, HOST, now));
        assert_eq!(taken, [10, 10, 0]);
        assert_eq!(flood(&mut metered, 4, "/ip4/1.3.3.4/tcp/5", now), 10, "the control: somebody elsewhere");
        assert_eq!(metered.closing.len(), 4, "each is closed once");
        assert_eq!(metered.take_exceeded().len(), 3, "the third had sent no more than it might itself");
    }

    /// A flood from one address once parted a node from every peer behind that address, and blamed them.
    #[test]
    fn who_shares_an_address_with_a_flood_keeps_what_it_has_earned() {
        let (mut metered, start) = (metered(), Instant::now());
        let (peer, connection) = (PeerId::random(), join(&mut metered, 0, HOST, start));
        let now = start + Duration::from_secs(5);
        let taken: usize = (1..9).map(|number| flood(&mut metered, number, HOST, now)).sum();
        assert_eq!(taken, 20, "all that the host has");
        metered.take_exceeded();
        assert!((0..5).all(|_| metered.takes(peer, connection, now)));
        assert!(!metered.takes(peer, connection, now), "the control: beyond it pays the host, which has nothing left");
        assert_eq!(metered.take_exceeded(), [], "and is not blamed");
    }
}
