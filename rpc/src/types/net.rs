//! The node among its peers.

use crate::text::Text;
use cairn_ledger::{hash::BlockId, pow::Work};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The node among its peers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NetInfo {
    /// Its identity.
    pub peer_id: String,
    /// Where it listens.
    pub listening: Vec<String>,
    /// Addresses at which others say they reach it.
    pub external: Vec<String>,
    /// Connected peers.
    pub peers: u64,
    /// Those that dialled this node.
    pub inbound: u64,
    /// Those this node dialled.
    pub outbound: u64,
    /// What its protocols' names begin with.
    pub protocol_prefix: String,
    /// How others reach it: `public`, `port_mapped`, `hole_punched`, `relayed` or `outbound_only`.
    pub reach: String,
    /// Why so, as a sentence.
    pub reach_reason: String,
    /// Addresses it has heard of and not tried yet.
    pub known_new: u64,
    /// Addresses at which it has found nodes.
    pub known_tried: u64,
    /// Bans that hold.
    pub bans: u64,
    /// On a private network, the peers that are let in; null where anyone is.
    pub admitted: Option<Vec<String>>,
    /// How far the clocks of its peers are ahead of its own, their median in milliseconds, negative when they are
    /// behind; null with fewer than three peers, of whom two could agree on anything.
    pub clock_ahead_ms: Option<i64>,
    /// What gossip has lost since the start. None of it is lost for good: pools are compared, and blocks come by sync.
    pub losses: LossesJson,
}

/// What gossip has lost since a node's start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LossesJson {
    /// Messages that waited for peers whose lines are slow, until it was too late.
    pub dropped: u64,
    /// Batches of transactions that were not sent, as ones of the same bytes had come or gone before.
    pub repeated: u64,
    /// Transactions that there was no room to keep until they are sent.
    pub crowded_out: u64,
    /// Messages that there was no room to look at.
    pub unlooked: u64,
    /// Payments of the node's own clients that were sent again, since no peer was seen to have them.
    pub sent_again: u64,
}

/// A connected peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PeerJson {
    /// Its identity.
    pub peer_id: String,
    /// The address of the connection.
    pub address: String,
    /// Whether it dialled this node.
    pub inbound: bool,
    /// What it says its program is.
    pub agent: Option<String>,
    /// The height it last reported.
    pub height: Option<u64>,
    /// The tip it last reported.
    pub tip: Option<Text<BlockId>>,
    /// The work it last reported.
    pub work: Option<Text<Work>>,
    /// The last measured round trip, in ms.
    pub latency_ms: Option<u64>,
    /// Milliseconds since it connected.
    pub connected_ms: u64,
    /// The gossip topics (`blocks`, `txs`) in whose mesh it is.
    pub mesh: Vec<String>,
    /// Its standing: 0 is neutral, below is bad.
    pub score: i64,
    /// Milliseconds since it last sent something new that was wanted; null when it never has.
    pub useful_ms: Option<u64>,
    /// Bytes of messages, by protocol.
    pub traffic: Vec<TrafficJson>,
}

/// Bytes of one protocol's messages between a node and a peer, since it connected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrafficJson {
    /// The protocol: `status`, `blocks`, `txs`, `headers`, `bodies`, `addresses`, `block_txs` or `pool`.
    pub protocol: String,
    /// What came from the peer.
    pub received: u64,
    /// What went to it; always 0 for what is gossiped (`blocks`, `txs`), which goes to many at once.
    pub sent: u64,
}

/// A ban that holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BanJson {
    /// Who: a peer id, an IP address, or a prefix.
    pub target: String,
    /// When it ends, Unix ms.
    pub until: u64,
    /// Why.
    pub reason: String,
}

/// A node that provides something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProviderJson {
    /// Its identity.
    pub peer_id: String,
    /// Whether it is a peer now.
    pub connected: bool,
    /// Whether it is the asked node itself.
    pub own: bool,
}
