//! What an operator decides about the network.

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
        }
    }
}
