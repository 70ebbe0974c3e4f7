//! What a node speaks: every protocol with its settings and limits, and the transports below.

use super::{
    codec::BytesCodec,
    config::NetworkConfig,
    discovery::Discovery,
    gate::Gate,
    wire::{Bodies, CompactBlock, GetBodies, GetHeaders, Headers, Message, PeerStatus, TxBatch, gossip_id},
};
use cairn_ledger::hash::BlockId;
use libp2p::{
    PeerId, StreamProtocol, Swarm, SwarmBuilder, connection_limits,
    connection_limits::ConnectionLimits,
    gossipsub::{self, IdentTopic},
    identify,
    identity::Keypair,
    noise, ping,
    request_response::{self, ProtocolSupport},
    swarm::NetworkBehaviour,
    tcp, yamux,
};
use std::{collections::HashSet, num::NonZeroU8, time::Duration};

/// A connection on which nothing happens for so long is closed. The status exchange of every minute keeps
/// those of peers open.
const IDLE: Duration = Duration::from_secs(150);
/// Streams on one connection.
const STREAMS: usize = 128;
/// Handshakes in progress that others began.
const MAX_PENDING_IN: u32 = 64;
/// Handshakes in progress that this node began.
const MAX_PENDING_OUT: u32 = 32;
/// Connections with one peer: two, for both may dial at once.
const MAX_EACH: u32 = 2;
/// Bytes in flight on one QUIC stream, and on one QUIC connection.
const QUIC_WINDOWS: (u32, u32) = (4 << 20, 8 << 20);
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
/// Messages waiting for one slow peer.
const QUEUE: usize = 1024;
/// How long an answer may take, small and large.
const TIMEOUTS: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(20));
/// What this program says it is.
const AGENT: &str = concat!("cairn-node/", env!("CARGO_PKG_VERSION"));

const _: () = assert!(CompactBlock::MAX_BYTES + (16 << 10) <= MAX_FRAME && TxBatch::MAX_BYTES < MAX_FRAME);
const _: () = assert!(MAX_IDS * (20 + 2) + 1024 < MAX_CONTROL);

/// The names of everything that is bound to one network.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// `/cairn/<first eight hex digits of the genesis id>`.
    pub(super) prefix: String,
    /// The topic of compact blocks.
    pub(super) blocks: IdentTopic,
    /// The topic of transactions.
    pub(super) txs: IdentTopic,
}

impl Names {
    /// The names on the network of this block 0.
    pub(super) fn new(genesis_id: &BlockId) -> Self {
        let digits: String = genesis_id.to_string().chars().take(8).collect();
        let prefix = format!("/cairn/{digits}");
        let topic = |name| IdentTopic::new(format!("{prefix}/{name}"));
        Self { blocks: topic("blocks/1"), txs: topic("txs/1"), prefix }
    }

    fn protocol(&self, name: &str) -> StreamProtocol {
        StreamProtocol::try_from_owned(format!("{}/{name}", self.prefix)).expect("it begins with a slash")
    }
}

/// Requests of one traffic class.
pub(super) type Requests = request_response::Behaviour<BytesCodec>;

/// Gossip, on our topics alone.
pub(super) type Gossip = gossipsub::Behaviour<gossipsub::IdentityTransform, gossipsub::WhitelistSubscriptionFilter>;

/// Everything a node speaks. Those that refuse connections come first, so that what they refuse costs
/// nothing further.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    pub(super) gate: Gate,
    pub(super) limits: connection_limits::Behaviour,
    pub(super) ping: ping::Behaviour,
    pub(super) identify: identify::Behaviour,
    pub(super) discovery: Discovery,
    pub(super) gossip: Gossip,
    pub(super) status: Requests,
    pub(super) headers: Requests,
    pub(super) bodies: Requests,
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
    /// Gossip.
    #[error("gossip cannot be set up: {reason}")]
    Gossip {
        /// What the library said.
        reason: String,
    },
}

impl Behaviour {
    /// Everything a node speaks.
    pub(super) fn new(config: &NetworkConfig, names: &Names, key: &Keypair) -> Result<Self, SetupError> {
        let own = key.public().to_peer_id();
        let (small, large) = TIMEOUTS;
        Ok(Self {
            gate: Gate::default(),
            limits: connection_limits::Behaviour::new(connection_limits(config)),
            ping: ping::Behaviour::default(),
            identify: identify::Behaviour::new(
                identify::Config::new(format!("{}/1", names.prefix), key.public())
                    .with_agent_version(AGENT.to_owned())
                    .with_push_listen_addr_updates(true)
                    // Addresses of a private network are nobody's business elsewhere.
                    .with_hide_listen_addrs(!config.allow_private),
            ),
            discovery: discovery(own, names, config.allow_private),
            gossip: gossip(names)?,
            status: requests::<PeerStatus, PeerStatus>(names.protocol("status/1"), small),
            headers: requests::<GetHeaders, Headers>(names.protocol("headers/1"), small),
            bodies: requests::<GetBodies, Bodies>(names.protocol("bodies/1"), large),
        })
    }
}

fn connection_limits(config: &NetworkConfig) -> ConnectionLimits {
    let count = |limit: usize| u32::try_from(limit).unwrap_or(u32::MAX);
    ConnectionLimits::default()
        .with_max_pending_incoming(Some(MAX_PENDING_IN))
        .with_max_pending_outgoing(Some(MAX_PENDING_OUT))
        .with_max_established_incoming(Some(count(config.max_inbound)))
        .with_max_established_outgoing(Some(count(config.max_outbound)))
        .with_max_established_per_peer(Some(MAX_EACH))
}

fn discovery(own: PeerId, names: &Names, allow_private: bool) -> Discovery {
    Discovery::new(own, names.protocol("kad/1"), allow_private)
}

fn requests<Q: Message, A: Message>(protocol: StreamProtocol, timeout: Duration) -> Requests {
    /// Streams of one class on one connection, both ways: a peer that floods fills only its own.
    const CONCURRENT: usize = 16;
    let codec = BytesCodec { max_request: Q::MAX_BYTES, max_response: A::MAX_BYTES };
    let config =
        request_response::Config::default().with_request_timeout(timeout).with_max_concurrent_streams(CONCURRENT);
    request_response::Behaviour::with_codec(codec, [(protocol, ProtocolSupport::Full)], config)
}

/// Gossip in which every message waits for our verdict before it travels on.
fn gossip(names: &Names) -> Result<Gossip, SetupError> {
    let topics = [&names.blocks, &names.txs];
    let failed = |reason: String| SetupError::Gossip { reason };
    let mut config = gossipsub::ConfigBuilder::default();
    config
        .protocol_id_prefix(format!("{}/meshsub", names.prefix))
        // Nobody signs: who passes something on answers for it, and nobody learns who made it.
        .validation_mode(gossipsub::ValidationMode::Anonymous)
        .message_id_fn(|message| gossipsub::MessageId::from(gossip_id(&message.data).to_vec()))
        .validate_messages()
        .max_transmit_size(MAX_FRAME)
        .max_control_messages_sent(MAX_IDS)
        .max_control_message_size(MAX_CONTROL)
        .max_publish_messages(500)
        .connection_handler_queue_len(QUEUE)
        .heartbeat_initial_delay(Duration::from_millis(200))
        .heartbeat_interval(HEARTBEAT)
        // A verdict may come until the message leaves this history: eight seconds.
        .history_length(12)
        .history_gossip(3)
        .duplicate_cache_time(REMEMBERED)
        .flood_publish(false)
        .idontwant_message_size_threshold(4096)
        .idontwant_on_publish(true)
        // Two nodes are a mesh, and twelve are one without everybody sending to everybody.
        .mesh_outbound_min(1)
        .mesh_n_low(4)
        .mesh_n(6)
        .mesh_n_high(12);
    for topic in topics {
        config.max_transmit_size_for_topic(MAX_FRAME, topic.hash());
    }
    let config = config.build().map_err(|error| failed(error.to_string()))?;
    let filter =
        gossipsub::WhitelistSubscriptionFilter(topics.map(IdentTopic::hash).into_iter().collect::<HashSet<_>>());
    let privacy = gossipsub::MessageAuthenticity::Anonymous;
    let mut gossip = Gossip::new_with_subscription_filter(privacy, config, filter).map_err(|e| failed(e.to_owned()))?;
    for topic in topics {
        gossip.subscribe(topic).map_err(|error| failed(error.to_string()))?;
    }
    Ok(gossip)
}

/// The node on its transports: TCP with Noise and Yamux, and QUIC.
pub(super) fn swarm(key: Keypair, behaviour: Behaviour) -> Result<Swarm<Behaviour>, SetupError> {
    let failed = |reason: String| SetupError::Transport { reason };
    let muxer = || {
        let mut config = yamux::Config::default();
        config.set_max_num_streams(STREAMS);
        config
    };
    let transports = || {
        let builder = SwarmBuilder::with_existing_identity(key.clone()).with_tokio();
        let builder = builder.with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, muxer);
        let builder = builder.map_err(|error| failed(error.to_string()))?;
        Ok(builder.with_quic_config(|mut config| {
            config.max_concurrent_stream_limit = STREAMS as u32;
            (config.max_stream_data, config.max_connection_data) = QUIC_WINDOWS;
            config
        }))
    };
    let settings = |config: libp2p::swarm::Config| {
        config.with_idle_connection_timeout(IDLE).with_dial_concurrency_factor(NonZeroU8::MIN)
    };
    let infallible = "a behaviour that exists";
    match transports()?.with_dns() {
        Ok(builder) => {
            let builder = builder.with_behaviour(|_| behaviour).expect(infallible);
            Ok(builder.with_swarm_config(settings).build())
        }
        // A machine without a resolver still has addresses.
        Err(error) => {
            tracing::warn!(target: "cairn::network", %error, "names in addresses cannot be resolved");
            let builder = transports()?.with_behaviour(|_| behaviour).expect(infallible);
            Ok(builder.with_swarm_config(settings).build())
        }
    }
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

    #[test]
    fn the_settings_are_consistent() {
        let names = Names::new(&BlockId::ZERO);
        let key = Keypair::ed25519_from_bytes([7; 32]).unwrap_or_else(|error| panic!("{error}"));
        assert!(Behaviour::new(&NetworkConfig::default(), &names, &key).is_ok());
    }
}
