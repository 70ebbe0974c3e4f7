//! Many connections at once from one place: whole ones, each of another identity that says where it stands, as
//! nodes do, and all kept for as long as the other side lets them.

use super::{bystander, bytes::Bytes};
use libp2p::request_response::{self, Event, Message};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{
    Multiaddr, Swarm, SwarmBuilder, futures::StreamExt, multiaddr::Protocol, noise, ping, relay::client, tcp, yamux,
};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How long one may take to get in, or to be refused.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(NetworkBehaviour)]
struct Behaviour {
    ping: ping::Behaviour,
    relay: client::Behaviour,
    status: request_response::Behaviour<Bytes>,
}

/// One of the crowd.
pub struct Member {
    swarm: Swarm<Behaviour>,
    victim: Multiaddr,
}

impl Member {
    /// A new identity.
    ///
    /// # Panics
    /// Never: TCP needs nothing.
    pub fn new(victim: &Multiaddr, prefix: &str) -> Self {
        let status = bystander::requests(prefix, "status/1");
        let swarm = SwarmBuilder::with_new_identity()
            .with_tokio()
            .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
            .expect("TCP needs nothing")
            .with_relay_client(noise::Config::new, yamux::Config::default)
            .expect("nor does a relay")
            .with_behaviour(|_, relay| Behaviour { ping: ping::Behaviour::default(), relay, status })
            .expect("it cannot fail")
            .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(600)))
            .build();
        Self { swarm, victim: victim.clone() }
    }

    /// What happens next, besides questions for where it stands: those it answers.
    async fn next(&mut self) -> SwarmEvent<BehaviourEvent> {
        loop {
            match self.swarm.select_next_some().await {
                SwarmEvent::Behaviour(BehaviourEvent::Status(Event::Message {
                    message: Message::Request { request, channel, .. },
                    ..
                })) => {
                    // Whoever asked may be gone.
                    let _ = self.swarm.behaviour_mut().status.send_response(channel, bystander::at_genesis(&request));
                }
                other => return other,
            }
        }
    }

    /// Connects; whether it was let in, and not thrown out again at once.
    pub async fn gets_in(&mut self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        if self.swarm.dial(self.victim.clone()).is_err() {
            return false;
        }
        loop {
            match timeout_at(deadline, self.next()).await {
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
            match timeout_at(deadline, self.next()).await {
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
            self.next().await;
        }
    }
}

/// Sends so many to the victim, one after the other, and keeps those who get in there in the background. How
/// many got in; and, when they `reserve`, of how many of these the victim takes connections for.
pub async fn sends(victim: &Multiaddr, prefix: &str, count: u16, reserve: bool) -> (u16, u16) {
    let (mut inside, mut reserved) = (0, 0);
    for _ in 0..count {
        let mut member = Member::new(victim, prefix);
        if member.gets_in().await {
            inside += 1;
            reserved += u16::from(reserve && member.reserves().await);
            tokio::spawn(async move { member.stay().await });
        }
    }
    (inside, reserved)
}
