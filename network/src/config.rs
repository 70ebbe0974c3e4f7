//! What an operator decides about the network.

use std::path::PathBuf;

/// How a node takes part in the network. Addresses are multiaddresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkConfig {
    /// Where to listen, TCP and QUIC alike.
    pub listen: Vec<String>,
    /// Peers to stay connected to: redialled for ever. Each ends in `/p2p/<peer id>`.
    pub peers: Vec<String>,
    /// Peers to begin with, dialled while too few others are connected. Each ends in `/p2p/<peer id>`.
    pub boot_nodes: Vec<String>,
    /// Addresses at which others reach this node, when it cannot know them itself.
    pub external: Vec<String>,
    /// Whether private and loopback addresses are dialled, believed and passed on.
    pub allow_private: bool,
    /// The most connections others may open.
    pub max_inbound: usize,
    /// The most connections this node opens.
    pub max_outbound: usize,
    /// No new peers while the process holds more MiB than this; `None` for three quarters of the machine's.
    pub max_memory_mib: Option<usize>,
    /// The most bytes a second that answers to peers take; `None` for as many as the line carries.
    pub max_upload_per_second: Option<usize>,
    /// The most bytes a day for those who catch up; `None` for no most.
    pub max_upload_per_day: Option<u64>,
    /// On a private network, the identities that are let in; `None` where anyone is.
    pub admit: Option<Vec<String>>,
    /// A file with a key that all nodes of a private network share. With it there is no QUIC.
    pub psk_file: Option<PathBuf>,
    /// How peers are found.
    pub discovery: DiscoveryConfig,
    /// How peers behind routers reach each other.
    pub reach: ReachConfig,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            peers: Vec::new(),
            boot_nodes: Vec::new(),
            external: Vec::new(),
            allow_private: false,
            max_inbound: 64,
            max_outbound: 16,
            max_memory_mib: None,
            max_upload_per_second: None,
            max_upload_per_day: None,
            admit: None,
            psk_file: None,
            discovery: DiscoveryConfig::default(),
            reach: ReachConfig::default(),
        }
    }
}

/// How peers are found. Each way is enough alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiscoveryConfig {
    /// By searches in the Kademlia DHT.
    pub kademlia: bool,
    /// By asking rendezvous points, and registering with them.
    pub rendezvous: bool,
    /// Whether this node is a rendezvous point; boot nodes always are.
    pub rendezvous_server: bool,
    /// By asking peers whom they know.
    pub exchange: bool,
    /// By multicast on the local network.
    pub mdns: bool,
}

impl Default for DiscoveryConfig {
    fn default() -> Self {
        Self { kademlia: true, rendezvous: true, rendezvous_server: false, exchange: true, mdns: true }
    }
}

/// How peers behind routers reach each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReachConfig {
    /// Whether others are asked to find out if this node can be reached, and asked likewise (AutoNAT v2).
    pub autonat: bool,
    /// Whether the router is asked to open a port (UPnP).
    pub upnp: bool,
    /// Whether a node that cannot be reached has others relay to it.
    pub relay: bool,
    /// Whether this node relays for others.
    pub relay_server: bool,
    /// Whether relayed peers try to meet directly (DCUtR).
    pub hole_punching: bool,
}

impl Default for ReachConfig {
    fn default() -> Self {
        Self { autonat: true, upnp: true, relay: true, relay_server: false, hole_punching: true }
    }
}

/// The small files of the network, in a node's data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkFiles {
    /// The node's key.
    pub node_key: PathBuf,
    /// The address book.
    pub book: PathBuf,
    /// The bans.
    pub bans: PathBuf,
    /// What was given today.
    pub upload: PathBuf,
}
