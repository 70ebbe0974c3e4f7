//! Somebody who registers at a rendezvous point under one new name after another, for as long as the point lets them.

use super::bytes::Bytes;
use super::{bystander, swarm};
use libp2p::rendezvous::{self, ErrorCode, Namespace, client};
use libp2p::request_response::{self, Event, Message};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, futures::StreamExt, identity::Keypair, multiaddr::Protocol};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How long it waits for what a point says.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long after an unanswered question the connection may stand.
const PARTING: Duration = Duration::from_secs(5);

#[derive(NetworkBehaviour)]
struct Behaviour {
    rendezvous: client::Behaviour,
    status: request_response::Behaviour<Bytes>,
}

/// What came of a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// The point keeps it for so long.
    For(Duration),
    /// It refuses for this reason.
    Refused(ErrorCode),
    /// It does not let anybody in, or parts from whoever asks.
    ThrownOut,
}

/// Registers a new name at a point for so long, and goes.
///
/// # Panics
/// The address does not end in a peer id; the prefix is too long for a namespace.
pub async fn register(point: &Multiaddr, prefix: &str, time: Duration) -> Registered {
    let Some(Protocol::P2p(peer)) = point.iter().last() else { panic!("got {point}, expected a peer id at its end") };
    let prefix = prefix.trim_end_matches('/');
    let key = Keypair::generate_ed25519();
    let behaviour =
        Behaviour { rendezvous: client::Behaviour::new(key.clone()), status: bystander::requests(prefix, "status/1") };
    let mut swarm = swarm::swarm(key, PATIENCE, behaviour);
    swarm.add_external_address("/ip4/127.0.0.1/tcp/9".parse().expect("an address"));
    if swarm.dial(point.clone()).is_err() {
        return Registered::ThrownOut;
    }
    let namespace = Namespace::new(prefix.to_owned()).expect("a prefix is short");
    let (mut deadline, mut refused) = (Instant::now() + PATIENCE, None);
    while let Ok(event) = timeout_at(deadline, swarm.select_next_some()).await {
        match event {
            SwarmEvent::ConnectionEstablished { .. } => {
                let client = &mut swarm.behaviour_mut().rendezvous;
                client.register(namespace.clone(), peer, Some(time.as_secs())).expect("it has an address");
            }
            SwarmEvent::ConnectionClosed { .. } | SwarmEvent::OutgoingConnectionError { .. } => {
                return Registered::ThrownOut;
            }
            SwarmEvent::Behaviour(BehaviourEvent::Rendezvous(client::Event::Registered { ttl, .. })) => {
                return Registered::For(Duration::from_secs(ttl));
            }
            SwarmEvent::Behaviour(BehaviourEvent::Rendezvous(client::Event::RegisterFailed { error, .. })) => {
                refused = Some(error);
                // What is closed unanswered is `Unavailable` to the library, too: then the connection goes next.
                if error != ErrorCode::Unavailable {
                    break;
                }
                deadline = Instant::now() + PARTING;
            }
            SwarmEvent::Behaviour(BehaviourEvent::Status(Event::Message {
                message: Message::Request { request, channel, .. },
                ..
            })) => {
                // Whoever asked may be gone.
                let _ = swarm.behaviour_mut().status.send_response(channel, bystander::at_genesis(&request));
            }
            _ => {}
        }
    }
    refused.map_or(Registered::ThrownOut, Registered::Refused)
}

/// The longest time that the library's points keep a registration, unless they are told otherwise.
pub const LONGEST: Duration = Duration::from_secs(rendezvous::MAX_TTL);
/// The time that nodes ask for.
pub const USUAL: Duration = Duration::from_secs(rendezvous::DEFAULT_TTL);
