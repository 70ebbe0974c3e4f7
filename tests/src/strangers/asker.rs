//! Somebody who asks nodes to dial an address that is not its own (AutoNAT v2), so that they knock there for it.

use super::swarm::{self, swarm};
use super::{bystander, bytes::Bytes};
use libp2p::request_response::{self, Event, Message};
use libp2p::swarm::{FromSwarm, NetworkBehaviour, NewExternalAddrCandidate, SwarmEvent};
use libp2p::{Multiaddr, autonat::v2::client, futures::StreamExt, identify, identity::Keypair};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Longer than an answer may take: a dial, and the bytes that are asked for before it.
const PATIENCE: Duration = Duration::from_secs(15);

#[derive(NetworkBehaviour)]
struct Behaviour {
    identify: identify::Behaviour,
    autonat: client::Behaviour,
    status: request_response::Behaviour<Bytes>,
}

/// Asks a node as a new identity to dial the victim; whether the node said anything in answer.
pub async fn asks(node: &Multiaddr, prefix: &str, victim: &Multiaddr) -> bool {
    let key = Keypair::generate_ed25519();
    let behaviour = Behaviour {
        identify: swarm::identify(prefix, &key),
        autonat: client::Behaviour::default(),
        // Whoever does not say where it stands is parted from.
        status: bystander::requests(prefix, "status/1"),
    };
    let mut swarm = swarm(key, PATIENCE, behaviour);
    let claim = FromSwarm::NewExternalAddrCandidate(NewExternalAddrCandidate { addr: victim });
    swarm.behaviour_mut().autonat.on_swarm_event(claim);
    if swarm.dial(node.clone()).is_err() {
        return false;
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        match timeout_at(deadline, swarm.select_next_some()).await {
            Ok(SwarmEvent::Behaviour(BehaviourEvent::Autonat(client::Event { .. }))) => return true,
            Ok(SwarmEvent::Behaviour(BehaviourEvent::Status(Event::Message {
                message: Message::Request { request, channel, .. },
                ..
            }))) => {
                // The node may be gone.
                let _ = swarm.behaviour_mut().status.send_response(channel, bystander::at_genesis(&request));
            }
            Ok(SwarmEvent::OutgoingConnectionError { .. } | SwarmEvent::ConnectionClosed { .. }) | Err(_) => {
                return false;
            }
            Ok(_) => {}
        }
    }
}
