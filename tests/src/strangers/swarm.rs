//! How a peer that is no node takes part in the network: over TCP, with the protocols of a network's nodes.

use super::bytes::{Bytes, Manner};
use cairn_ledger::hash::sha256;
use libp2p::gossipsub::{self, IdentTopic, MessageAuthenticity, MessageId, ValidationMode};
use libp2p::request_response::{self, ProtocolSupport};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{
    StreamProtocol, Swarm, SwarmBuilder, futures::StreamExt, identify, identity::Keypair, multiaddr::Protocol, noise,
    tcp, yamux,
};
use std::time::Duration;

/// The peer with this key. Connections that nothing uses stay for so long.
///
/// # Panics
/// Never: TCP needs nothing.
pub fn swarm<B: NetworkBehaviour>(key: Keypair, idle: Duration, behaviour: B) -> Swarm<B> {
    SwarmBuilder::with_existing_identity(key)
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
        .expect("TCP needs nothing")
        .with_behaviour(|_| behaviour)
        .expect("it cannot fail")
        .with_swarm_config(|config| config.with_idle_connection_timeout(idle))
        .build()
}

/// Listens on a port of loopback, and gives the port.
///
/// # Panics
/// The system gives none.
pub async fn listen<B: NetworkBehaviour>(swarm: &mut Swarm<B>) -> u16 {
    swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().expect("an address")).expect("TCP is there");
    loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            let port = address.iter().find_map(|part| if let Protocol::Tcp(port) = part { Some(port) } else { None });
            return port.expect("it listens on TCP");
        }
    }
}

/// What it says of itself; `prefix` is what the names of a network's protocols begin with, here and below.
pub fn identify(prefix: &str, key: &Keypair) -> identify::Behaviour {
    identify::Behaviour::new(identify::Config::new(format!("{prefix}/1"), key.public()))
}

/// Requests of one protocol, asked in this manner and answered, each within so long.
///
/// # Panics
/// The prefix does not begin with a slash.
pub fn requests(prefix: &str, name: &str, manner: Manner, within: Duration) -> request_response::Behaviour<Bytes> {
    let name = StreamProtocol::try_from_owned(format!("{prefix}/{name}")).expect("it begins with a slash");
    let config = request_response::Config::default().with_request_timeout(within);
    request_response::Behaviour::with_codec(Bytes(manner), [(name, ProtocolSupport::Full)], config)
}

/// Gossip on a topic of nodes: each has a protocol of its own.
///
/// # Panics
/// Never: the configuration is a valid one.
pub fn gossip(prefix: &str, topic: &str) -> gossipsub::Behaviour {
    let protocol = if topic.starts_with("blocks/") { "meshsub" } else { "txs/meshsub" };
    let config = gossipsub::ConfigBuilder::default()
        .protocol_id_prefix(format!("{prefix}/{protocol}"))
        .validation_mode(ValidationMode::Anonymous)
        // As nodes do: the library's own way gives all anonymous messages one id, and sends only the first.
        .message_id_fn(|message| MessageId::from(sha256(&[&message.data]).as_bytes()[..20].to_vec()))
        .max_transmit_size(512 << 10)
        .flood_publish(true)
        .build()
        .expect("a valid configuration");
    let mut gossip: gossipsub::Behaviour =
        gossipsub::Behaviour::new(MessageAuthenticity::Anonymous, config).expect("as configured");
    gossip.subscribe(&IdentTopic::new(format!("{prefix}/{topic}"))).expect("no filter forbids it");
    gossip
}
