//! Somebody who searches in the DHT without end: each search costs a few bytes, and an answer of many.

use super::bytes::Bytes;
use super::{bystander, swarm};
use libp2p::kad::{self, store::MemoryStore};
use libp2p::request_response::{self, Event, Message};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId, StreamProtocol, futures::StreamExt, identity::Keypair, multiaddr::Protocol};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Searches that run at once.
const AT_ONCE: usize = 200;

#[derive(NetworkBehaviour)]
struct Behaviour {
    kad: kad::Behaviour<MemoryStore>,
    status: request_response::Behaviour<Bytes>,
}

/// Searches at a node until this moment, and comes back whenever it is thrown out; how many searches ended while it was
/// connected, and how often it was thrown out.
///
/// # Panics
/// The address does not end in a peer id.
pub async fn search(victim: &Multiaddr, prefix: &str, deadline: Instant) -> (u64, u64) {
    let Some(Protocol::P2p(peer)) = victim.iter().last() else { panic!("got {victim}, expected a peer id at its end") };
    let key = Keypair::generate_ed25519();
    let own = key.public().to_peer_id();
    let name = StreamProtocol::try_from_owned(format!("{prefix}/kad/1")).expect("it begins with a slash");
    let mut kad = kad::Behaviour::with_config(own, MemoryStore::new(own), kad::Config::new(name));
    kad.add_address(&peer, victim.clone());
    let behaviour = Behaviour { kad, status: bystander::requests(prefix, "status/1") };
    let mut swarm = swarm::swarm(key, Duration::from_secs(60), behaviour);
    let (mut running, mut searched, mut thrown_out) = (0, 0, 0);
    while Instant::now() < deadline {
        if !swarm.is_connected(&peer) {
            // A dial that is refused shows in what happens next.
            let _ = swarm.dial(victim.clone());
        }
        while running < AT_ONCE && swarm.is_connected(&peer) {
            swarm.behaviour_mut().kad.add_address(&peer, victim.clone());
            swarm.behaviour_mut().kad.get_closest_peers(PeerId::random());
            running += 1;
        }
        match timeout_at(deadline.min(Instant::now() + Duration::from_millis(50)), swarm.select_next_some()).await {
            Ok(SwarmEvent::ConnectionClosed { .. }) => thrown_out += 1,
            Ok(SwarmEvent::Behaviour(BehaviourEvent::Kad(kad::Event::OutboundQueryProgressed { step, .. })))
                if step.last =>
            {
                running = running.saturating_sub(1);
                searched += u64::from(swarm.is_connected(&peer));
            }
            Ok(SwarmEvent::Behaviour(BehaviourEvent::Status(Event::Message {
                message: Message::Request { request, channel, .. },
                ..
            }))) => {
                // Whoever asked may be gone.
                let _ = swarm.behaviour_mut().status.send_response(channel, bystander::at_genesis(&request));
            }
            _ => {}
        }
    }
    (searched, thrown_out)
}
