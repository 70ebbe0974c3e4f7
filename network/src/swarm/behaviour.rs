//! What a node speaks: every protocol with its settings and limits, and the transports below.

use crate::swarm::metered::{Metered, Rate};
use crate::wire::{
    Addresses, BlockTxs, Bodies, CompactBlock, GetAddresses, GetBlockTxs, GetBodies, GetHeaders, GetPool, GetStateRun,
    Headers, Message, PeerStatus, PoolAnswer, StateRuns, TxBatch, gossip_id,
};
use crate::{config::NetworkConfig, event::Topic, swarm::codec::BytesCodec, swarm::dht, swarm::gate::Gate};
use cairn_ledger::hash::BlockId;
use libp2p::gossipsub::{self, IdentTopic};
use libp2p::request_response::{self, ProtocolSupport};
use libp2p::{
    PeerId, StreamProtocol, autonat, connection_limits, connection_limits::ConnectionLimits, dcutr, identify,
    identity::Keypair, kad, kad::store::MemoryStore, mdns, ping, relay, rendezvous, swarm::NetworkBehaviour,
    swarm::behaviour::toggle::Toggle, upnp,
};
use std::{collections::HashSet, path::PathBuf, time::Duration};

/// Handshakes in progress that others began.
const MAX_PENDING_IN: u32 = 64;
/// Handshakes in progress that this node began.
const MAX_PENDING_OUT: u32 = 32;
/// Connections with one peer: two, for both may dial at once.
const MAX_EACH: u32 = 2;
/// Between two rounds of gossip upkeep: short enough that a mesh of a few nodes stands within a second.
const HEARTBEAT: Duration = Duration::from_millis(700);
/// How long a message is remembered, so that it is handled once.
const REMEMBERED: Duration = Duration::from_secs(120);
/// The largest gossiped frame. It leaves room for what else stands in a frame, and for the beginning of
/// the next: the library counts its whole read buffer.
const MAX_FRAME: usize = 256 << 10;
/// Ids in one control message: with 20 bytes each they stay far below [`MAX_CONTROL`].
const MAX_IDS: usize = 400;
/// Bytes of control messages in one frame.
const MAX_CONTROL: usize = 64 << 10;
/// Blocks waiting for one slow peer, and batches of transactions: three MiB of the largest.
const QUEUES: [usize; 2] = [1024, 64];
/// How long they wait at most. A block that comes later has come by sync; what is dropped of the others is found when
/// pools are compared.
const WAITS: [Duration; 2] = [Duration::from_secs(30), Duration::from_secs(15)];
/// How long an answer may take, small and large.
const TIMEOUTS: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(20));
/// What this program says it is.
const AGENT: &str = concat!("cairn-node/", env!("CARGO_PKG_VERSION"));

const _: () = assert!(CompactBlock::MAX_BYTES + (16 << 10) <= MAX_FRAME && TxBatch::MAX_BYTES < MAX_FRAME);
const _: () = assert!(MAX_IDS * (20 + 2) + 1024 < MAX_CONTROL);

/// Searches of a peer in the DHT: a node makes some dozens when it comes, and a few each minute.
const SEARCHED: Rate = Rate { per_second: 20.0, burst: 300.0 };
/// What a peer says of itself, and asks of a relay and for an address to be dialled.
const ASKED: Rate = Rate { per_second: 5.0, burst: 100.0 };
/// What it asks of a rendezvous point: a node registers once an hour, and asks for others once a minute at most. With
/// new identities all the time, a host registers fewer than a point has room for before the first are over.
const REGISTERED: Rate = Rate { per_second: 0.2, burst: 40.0 };
/// Frames of gossip, of which each may have many messages: these have rates of their own.
const GOSSIPED: Rate = Rate { per_second: 2_000.0, burst: 20_000.0 };

/// The names of everything that is bound to one network.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    /// `/cairn/<first eight hex digits of the genesis id>`.
    pub(crate) prefix: String,
    /// The topic of compact blocks.
    pub(crate) blocks: IdentTopic,
    /// The topic of transactions.
    pub(crate) txs: IdentTopic,
}

impl Names {
    /// The names on the network of this block 0.
    pub(crate) fn new(genesis_id: &BlockId) -> Self {
        let digits: String = genesis_id.to_string().chars().take(8).collect();
        let prefix = format!("/cairn/{digits}");
        let topic = |name| IdentTopic::new(format!("{prefix}/{name}"));
        Self { blocks: topic("blocks/1"), txs: topic("txs/1"), prefix }
    }

    /// The name of a protocol on this network.
    pub(crate) fn protocol(&self, name: &str) -> StreamProtocol {
        StreamProtocol::try_from_owned(format!("{}/{name}", self.prefix)).expect("it begins with a slash")
    }
}

/// Requests of one traffic class.
pub(crate) type Requests = request_response::Behaviour<BytesCodec>;

/// Gossip, on our topics alone.
pub(crate) type Gossip = gossipsub::Behaviour<gossipsub::IdentityTransform, gossipsub::WhitelistSubscriptionFilter>;

/// Everything a node speaks. The limits come first, so that what they refuse costs nothing further.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub(crate) limits: connection_limits::Behaviour,
    pub(crate) ping: ping::Behaviour,
    pub(crate) identify: Metered<identify::Behaviour>,
    pub(crate) kad: Toggle<Metered<kad::Behaviour<MemoryStore>>>,
    pub(crate) rendezvous: Toggle<rendezvous::client::Behaviour>,
    pub(crate) rendezvous_server: Toggle<Metered<rendezvous::server::Behaviour>>,
    pub(crate) mdns: Toggle<mdns::tokio::Behaviour>,
    pub(crate) autonat: Toggle<autonat::v2::client::Behaviour>,
    pub(crate) autonat_server: Toggle<Metered<autonat::v2::server::Behaviour>>,
    pub(crate) upnp: Toggle<upnp::tokio::Behaviour>,
    pub(crate) relay: Toggle<relay::client::Behaviour>,
    pub(crate) relay_server: Toggle<Metered<relay::Behaviour>>,
    pub(crate) dcutr: Toggle<dcutr::Behaviour>,
    pub(crate) block_gossip: Metered<Gossip>,
    pub(crate) tx_gossip: Metered<Gossip>,
    pub(crate) status: Requests,
    pub(crate) headers: Requests,
    pub(crate) bodies: Requests,
    pub(crate) addresses: Requests,
    pub(crate) block_txs: Requests,
    pub(crate) pool: Requests,
    pub(crate) snapshot: Requests,
}

/// Why the network cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A transport.
    #[error("the transports cannot be set up: {reason}")]
    Transport {
        /// What the library said.
        reason: String,
    },
    /// The pre-shared key.
    #[error("network.psk_file: {} holds no pre-shared key: {reason}", path.display())]
    Psk {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Gossip.
    #[error("gossip cannot be set up: {reason}")]
    Gossip {
        /// What the library said.
        reason: String,
    },
}

impl Behaviour {
    /// Everything a node speaks. Relays are used once [`Gate::with_relay`] is called.
    pub(crate) fn new(config: &NetworkConfig, names: &Names, key: &Keypair) -> Result<Self, SetupError> {
        let own = key.public().to_peer_id();
        let (small, large) = TIMEOUTS;
        let NetworkConfig { discovery, reach, allow_private, .. } = config;
        let is_public = !allow_private;
        Ok(Self {
            limits: connection_limits::Behaviour::new(connection_limits(config)),
            ping: ping::Behaviour::default(),
            identify: Metered::new(identify(config, names, key), ASKED),
            kad: Metered::toggled(
                discovery.kademlia.then(|| dht::kademlia(own, names.protocol("kad/1"), *allow_private)),
                SEARCHED,
            ),
            rendezvous: discovery.rendezvous.then(|| rendezvous::client::Behaviour::new(key.clone())).into(),
            rendezvous_server: Metered::toggled(discovery.rendezvous_server.then(rendezvous_point), REGISTERED),
            mdns: if discovery.mdns { neighbours(own) } else { None.into() },
            // Where addresses are private there is nothing to find out, and nobody to open a port.
            autonat: (is_public && reach.autonat).then(autonat::v2::client::Behaviour::default).into(),
            autonat_server: Metered::toggled(
                (is_public && reach.autonat).then(autonat::v2::server::Behaviour::default),
                ASKED,
            ),
            upnp: (is_public && reach.upnp).then(upnp::tokio::Behaviour::default).into(),
            relay: None.into(),
            relay_server: Metered::toggled(reach.relay_server.then(|| relay_for_others(own)), ASKED),
            dcutr: (reach.relay && reach.hole_punching).then(|| dcutr::Behaviour::new(own)).into(),
            block_gossip: Metered::new(gossip(names, Topic::Blocks)?, GOSSIPED),
            tx_gossip: Metered::new(gossip(names, Topic::Txs)?, GOSSIPED),
            status: requests::<PeerStatus, PeerStatus>(names.protocol("status/1"), small),
            headers: requests::<GetHeaders, Headers>(names.protocol("headers/1"), small),
            bodies: requests::<GetBodies, Bodies>(names.protocol("bodies/1"), large),
            addresses: requests::<GetAddresses, Addresses>(names.protocol("addresses/1"), small),
            block_txs: requests::<GetBlockTxs, BlockTxs>(names.protocol("block-txs/1"), small),
            pool: requests::<GetPool, PoolAnswer>(names.protocol("pool/1"), large),
            snapshot: requests::<GetStateRun, StateRuns>(names.protocol("snapshot/1"), large),
        })
    }
}

fn identify(config: &NetworkConfig, names: &Names, key: &Keypair) -> identify::Behaviour {
    identify::Behaviour::new(
        identify::Config::new(format!("{}/1", names.prefix), key.public())
            .with_agent_version(AGENT.to_owned())
            .with_push_listen_addr_updates(true)
            // The address book remembers, and knows from whom.
            .with_cache_size(0)
            // Addresses of a private network are nobody's business elsewhere.
            .with_hide_listen_addrs(!config.allow_private),
    )
}

impl Gate<Behaviour> {
    /// The same, with relays: whoever builds the transports makes this part.
    pub(crate) fn with_relay(mut self, relay: relay::client::Behaviour) -> Self {
        self.relay = Some(relay).into();
        self
    }
}

/// A rendezvous point, with room for this many registrations and no more than one network needs. Each is kept for as
/// long as nodes ask for, which come back before; the library would keep one for three days, and be full for as long.
fn rendezvous_point() -> rendezvous::server::Behaviour {
    /// A node is in one network, and may be starting over.
    const EACH: usize = 2;
    /// About 1 MB.
    const ALL: usize = 2_000;
    let config = rendezvous::server::Config::default().with_max_ttl(rendezvous::DEFAULT_TTL);
    let config = config.with_max_registration_per_peer(EACH).with_max_registration_total(ALL);
    rendezvous::server::Behaviour::new(config.with_max_stored_cookies(ALL))
}

/// A relay for others: 16 circuits at once, each with 32 MiB and 30 minutes at most, so that a block crosses
/// but a chain is fetched elsewhere; 64 reservations, rates by peer and address as libp2p has them.
fn relay_for_others(own: PeerId) -> relay::Behaviour {
    let config = relay::Config {
        max_reservations: 64,
        max_reservations_per_peer: 2,
        max_circuits: 16,
        max_circuits_per_peer: 4,
        max_circuit_duration: Duration::from_secs(30 * 60),
        max_circuit_bytes: 32 << 20,
        ..relay::Config::default()
    };
    relay::Behaviour::new(own, config)
}

/// Neighbours on the local network, where the machine can multicast.
fn neighbours(own: PeerId) -> Toggle<mdns::tokio::Behaviour> {
    match mdns::tokio::Behaviour::new(mdns::Config::default(), own) {
        Ok(mdns) => Some(mdns).into(),
        Err(error) => {
            tracing::warn!(target: "cairn::network", %error, "neighbours on the local network cannot be looked for");
            None.into()
        }
    }
}

fn connection_limits(config: &NetworkConfig) -> ConnectionLimits {
    let count = |limit: usize| u32::try_from(limit).unwrap_or(u32::MAX);
    ConnectionLimits::default()
        .with_max_pending_incoming(Some(MAX_PENDING_IN))
        .with_max_pending_outgoing(Some(MAX_PENDING_OUT))
        // Each peer may have two, and who has to go for a newcomer takes a moment: the state counts peers.
        .with_max_established_incoming(Some(count(config.max_inbound.saturating_mul(MAX_EACH as usize + 1))))
        // Those whom Kademlia dials go again, which takes a moment: they take no place of those whom this node chose.
        .with_max_established_outgoing(Some(count(config.max_outbound.saturating_mul(2))))
        .with_max_established_per_peer(Some(MAX_EACH))
}

fn requests<Q: Message, A: Message>(protocol: StreamProtocol, timeout: Duration) -> Requests {
    /// Streams of one class on one connection, both ways: a peer that floods fills only its own.
    const CONCURRENT: usize = 16;
    let codec = BytesCodec { max_request: Q::MAX_BYTES, max_response: A::MAX_BYTES };
    let config =
        request_response::Config::default().with_request_timeout(timeout).with_max_concurrent_streams(CONCURRENT);
    request_response::Behaviour::with_codec(codec, [(protocol, ProtocolSupport::Full)], config)
}

/// Gossip in which every message waits for our verdict before it travels on. Blocks and transactions have each a stream
/// and a queue of their own, so that no block waits behind payments on a slow line.
fn gossip(names: &Names, topic: Topic) -> Result<Gossip, SetupError> {
    let (name, protocol) = match topic {
        Topic::Blocks => (&names.blocks, "meshsub"),
        Topic::Txs => (&names.txs, "txs/meshsub"),
    };
    let failed = |reason: String| SetupError::Gossip { reason };
    let mut config = gossipsub::ConfigBuilder::default();
    config
        .protocol_id_prefix(format!("{}/{protocol}", names.prefix))
        // Nobody signs: who passes something on answers for it, and nobody learns who made it.
        .validation_mode(gossipsub::ValidationMode::Anonymous)
        .message_id_fn(|message| gossipsub::MessageId::from(gossip_id(&message.data).to_vec()))
        .validate_messages()
        .max_transmit_size(MAX_FRAME)
        .max_control_messages_sent(MAX_IDS)
        .max_control_message_size(MAX_CONTROL)
        .max_publish_messages(500)
        .connection_handler_queue_len(QUEUES[topic as usize])
        .publish_queue_duration(WAITS[topic as usize])
        .forward_queue_duration(WAITS[topic as usize])
        .heartbeat_initial_delay(Duration::from_millis(200))
        .heartbeat_interval(HEARTBEAT)
        // A verdict may come until the message leaves this history: eight seconds.
        .history_length(12)
        .history_gossip(3)
        .duplicate_cache_time(REMEMBERED)
        // A block that was found here goes to everybody at once, a payment to the mesh.
        .flood_publish(topic == Topic::Blocks)
        .idontwant_message_size_threshold(4096)
        .idontwant_on_publish(true)
        // Two nodes are a mesh, and twelve are one without everybody sending to everybody.
        .mesh_outbound_min(1)
        .mesh_n_low(4)
        .mesh_n(6)
        .mesh_n_high(12);
    config.max_transmit_size_for_topic(MAX_FRAME, name.hash());
    let config = config.build().map_err(|error| failed(error.to_string()))?;
    let filter = gossipsub::WhitelistSubscriptionFilter(HashSet::from([name.hash()]));
    let privacy = gossipsub::MessageAuthenticity::Anonymous;
    let mut gossip = Gossip::new_with_subscription_filter(privacy, config, filter).map_err(|e| failed(e.to_owned()))?;
    gossip.subscribe(name).map_err(|error| failed(error.to_string()))?;
    Ok(gossip)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bound_to_the_network() {
        let names = Names::new(&BlockId::from_bytes([0xab; 32]));
        assert_eq!(names.prefix, "/cairn/abababab");
        assert_eq!(names.protocol("status/1").as_ref(), "/cairn/abababab/status/1");
        assert_eq!(names.blocks.hash().as_str(), "/cairn/abababab/blocks/1");
    }

    #[tokio::test]
    async fn the_settings_are_consistent() {
        let names = Names::new(&BlockId::ZERO);
        let key = Keypair::ed25519_from_bytes([7; 32]).unwrap_or_else(|error| panic!("{error}"));
        let mut config = NetworkConfig::default();
        // It would multicast.
        config.discovery.mdns = false;
        config.reach.relay_server = true;
        config.discovery.rendezvous_server = true;
        assert!(Behaviour::new(&config, &names, &key).is_ok());
    }
}
