//! Many connections at once from one place: whole ones, each of another identity, all kept for as long as the
//! other side lets them.

use libp2p::{
    Multiaddr, Swarm, SwarmBuilder,
    futures::StreamExt,
    multiaddr::Protocol,
    noise, ping,
    relay::client,
    swarm::{NetworkBehaviour, SwarmEvent},
    tcp, yamux,
};
use std::{net::Ipv4Addr, time::Duration};
use tokio::time::{Instant, timeout_at};

/// How long one may take to get in, or to be refused.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(NetworkBehaviour)]
struct Behaviour {
    ping: ping::Behaviour,
    relay: client::Behaviour,
}

/// One of the crowd.
pub struct Member {
    swarm: Swarm<Behaviour>,
    victim: Multiaddr,
}

impl Member {
    /// A new identity that comes from this address, where one is given.
    ///
    /// # Panics
    /// The address is none of this machine's.
    pub async fn new(victim: &Multiaddr, from: Option<Ipv4Addr>) -> Self {
        let mut swarm = SwarmBuilder::with_new_identity()
            .with_tokio()
            .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
            .expect("TCP needs nothing")
            .with_relay_client(noise::Config::new, yamux::Config::default)
            .expect("nor does a relay")
            .with_behaviour(|_, relay| Behaviour { ping: ping::Behaviour::default(), relay })
            .expect("it cannot fail")
            .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(600)))
            .build();
        if let Some(ip) = from {
            swarm.listen_on(format!("/ip4/{ip}/tcp/0").parse().expect("an address")).expect("one of ours");
            // Whoever listens dials from there.
            while !matches!(swarm.select_next_some().await, SwarmEvent::NewListenAddr { .. }) {}
        }
        Self { swarm, victim: victim.clone() }
    }

    /// Connects; whether it was let in, and not thrown out again at once.
    pub async fn gets_in(&mut self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        if self.swarm.dial(self.victim.clone()).is_err() {
            return false;
        }
        loop {
            match timeout_at(deadline, self.swarm.select_next_some()).await {
                // The other side may say no after the handshake: a pong is its yes.
                Ok(SwarmEvent::Behaviour(BehaviourEvent::Ping(ping::Event { result, .. }))) => return result.is_ok(),
                Ok(SwarmEvent::OutgoingConnectionError { .. } | SwarmEvent::ConnectionClosed { .. }) | Err(_) => {
                    return false;
                }
                Ok(_) => {}
            }
        }
    }

    /// Asks the victim, as a relay, to pass connections on; whether it will.
    pub async fn reserves(&mut self) -> bool {
        if self.swarm.listen_on(self.victim.clone().with(Protocol::P2pCircuit)).is_err() {
            return false;
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            match timeout_at(deadline, self.swarm.select_next_some()).await {
                Ok(SwarmEvent::Behaviour(BehaviourEvent::Relay(client::Event::ReservationReqAccepted { .. }))) => {
                    return true;
                }
                Ok(SwarmEvent::ListenerClosed { .. } | SwarmEvent::ListenerError { .. }) | Err(_) => return false,
                Ok(_) => {}
            }
        }
    }

    /// Stays for as long as it is let; runs until it is alone.
    pub async fn stay(&mut self) {
        while self.swarm.connected_peers().next().is_some() {
            self.swarm.select_next_some().await;
        }
    }
}

/// Where the members of a crowd come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// All from one address.
    Host([u8; 4]),
    /// Each from another address of one /16.
    Subnet([u8; 2]),
    /// Wherever the system has them come from.
    Anywhere,
}

impl Origin {
    fn address(self, n: u16) -> Option<Ipv4Addr> {
        match self {
            Self::Host(ip) => Some(Ipv4Addr::from(ip)),
            Self::Subnet([a, b]) => {
                let [c, d] = (n + 1).to_be_bytes();
                Some(Ipv4Addr::from([a, b, c, d]))
            }
            Self::Anywhere => None,
        }
    }
}

/// Sends so many to the victim, one after the other, and keeps those who get in there in the background. How
/// many got in; and, when they `reserve`, of how many of these the victim takes connections for.
pub async fn sends(victim: &Multiaddr, count: u16, origin: Origin, reserve: bool) -> (u16, u16) {
    let (mut inside, mut reserved) = (0, 0);
    for n in 0..count {
        let mut member = Member::new(victim, origin.address(n)).await;
        if member.gets_in().await {
            inside += 1;
            reserved += u16::from(reserve && member.reserves().await);
            tokio::spawn(async move { member.stay().await });
        }
    }
    (inside, reserved)
}
