//! A peer without a chain. It says of itself that it stands at block 0, and answers nothing about blocks; so
//! whatever two nodes learn of each other's chains through it, they have learned from each other.

use super::bytes::{Bytes, Manner, framed};
use super::swarm;
use libp2p::request_response::{self, Event, Message};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{
    Multiaddr, autonat, futures::StreamExt, identify, identity::Keypair, ping, relay, rendezvous,
    swarm::behaviour::toggle::Toggle,
};
use std::time::Duration;

/// What a status begins with: the network, the tip, the height and the work.
const STATUS: [usize; 4] = [32, 32, 8, 32];

/// How long an answer may take, its own included: longer than any node waits.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a bystander does besides standing by.
#[derive(Clone, Debug)]
pub struct Service {
    /// It is a rendezvous point and a relay whose circuits carry so many bytes.
    pub relay_bytes: Option<u64>,
    /// How many it relays to: with none it is as one whose places are all taken.
    pub reservations: usize,
    /// What it answers to `addresses/1`.
    pub addresses: Vec<u8>,
}

/// An empty list, as `addresses/1` has it.
pub const NOBODY: [u8; 8] = [0; 8];

#[derive(NetworkBehaviour)]
struct Behaviour {
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    relay: Toggle<relay::Behaviour>,
    rendezvous: Toggle<rendezvous::server::Behaviour>,
    /// It dials who asks for it; where that leads to a router that drops what nobody asked for, its asker gives up
    /// waiting first, as with every other program on the same library.
    autonat: Toggle<autonat::v2::server::Behaviour>,
    status: request_response::Behaviour<Bytes>,
    addresses: request_response::Behaviour<Bytes>,
}

/// Where a node stands that knows block 0 alone, by what another says of itself.
pub(crate) fn at_genesis(asked: &[u8]) -> Vec<u8> {
    let [network, _, height, work] = STATUS;
    let genesis = asked.get(4..4 + network).unwrap_or_default();
    let now = asked.get(4 + STATUS.iter().sum::<usize>()..).and_then(|rest| rest.get(..8)).unwrap_or_default();
    // The lowest body and the count of snapshots follow the clock: both are 0. Of upgrades it knows what the other
    // does, and names none; nor does it keep stretches.
    let rules = asked.get(4 + STATUS.iter().sum::<usize>() + 24..).and_then(|rest| rest.get(..32)).unwrap_or_default();
    framed(&[genesis, genesis, &vec![0; height + work], now, &[0; 16], rules, &[0; 16]].concat())
}

/// Requests of one protocol, asked and answered.
pub(super) fn requests(prefix: &str, name: &str) -> request_response::Behaviour<Bytes> {
    swarm::requests(prefix, name, Manner::Prompt, PATIENCE)
}

fn behaviour(key: &Keypair, prefix: &str, service: &Service) -> Behaviour {
    let relay = service.relay_bytes.map(|bytes| {
        let config = relay::Config {
            max_circuit_bytes: bytes,
            max_reservations: service.reservations,
            ..relay::Config::default()
        };
        relay::Behaviour::new(key.public().to_peer_id(), config)
    });
    Behaviour {
        identify: swarm::identify(prefix, key),
        ping: ping::Behaviour::default(),
        rendezvous: relay.is_some().then(|| rendezvous::server::Behaviour::new(Default::default())).into(),
        autonat: relay.is_some().then(autonat::v2::server::Behaviour::default).into(),
        relay: relay.into(),
        status: requests(prefix, "status/1"),
        addresses: requests(prefix, "addresses/1"),
    }
}

/// Stands by at this address for ever; `prefix` is what the protocols' names of its network begin with.
///
/// # Panics
/// The address cannot be listened on.
pub async fn stand_by(key: Keypair, prefix: &str, address: Multiaddr, service: &Service) {
    let behaviour = behaviour(&key, prefix, service);
    let mut swarm = swarm::swarm(key, Duration::from_secs(3600), behaviour);
    swarm.listen_on(address.clone()).expect("an address of this machine");
    // Whoever takes a reservation is told where.
    swarm.add_external_address(address);
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::Behaviour(BehaviourEvent::Status(Event::Message {
                message: Message::Request { request, channel, .. },
                ..
            })) => {
                // Whoever asked may be gone, here and below.
                let _ = swarm.behaviour_mut().status.send_response(channel, at_genesis(&request));
            }
            SwarmEvent::Behaviour(BehaviourEvent::Addresses(Event::Message {
                message: Message::Request { channel, .. },
                ..
            })) => {
                let _ = swarm.behaviour_mut().addresses.send_response(channel, framed(&service.addresses));
            }
            SwarmEvent::ListenerClosed { reason, .. } => panic!("it listens no more: {reason:?}"),
            _ => {}
        }
    }
}

/// Many identities of one attacker in one neighbourhood: each at an address of its own on this port, and
/// telling of the others whenever it is asked. No more than 64, which is what one answer holds.
///
/// # Panics
/// An address cannot be listened on.
pub async fn many(prefix: &str, keys: Vec<Keypair>, [a, b]: [u8; 2], port: u16) {
    let mut told = (keys.len() as u64).to_le_bytes().to_vec();
    for (key, n) in keys.iter().zip(0_u8..) {
        let ip = std::net::Ipv4Addr::new(a, b, 0, n + 1).to_ipv6_mapped();
        let public = key.public().try_into_ed25519().expect("it was made as one").to_bytes();
        told.extend([&public[..], &ip.octets(), &port.to_le_bytes(), &[0]].concat());
    }
    let service = Service { relay_bytes: None, reservations: 0, addresses: told };
    let mut tasks = tokio::task::JoinSet::new();
    for (key, n) in keys.into_iter().zip(0_u8..) {
        let (prefix, service) = (prefix.to_owned(), service.clone());
        let address = format!("/ip4/{a}.{b}.0.{}/tcp/{port}", n + 1).parse().expect("an address");
        tasks.spawn(async move { stand_by(key, &prefix, address, &service).await });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.expect("nobody of the many gives up");
    }
}
