//! The node among its peers.

use super::{Id, Shell};
use crate::format;
use askama::Template;
use cairn_rpc::types::{NetInfo, NodeInfo, PeerJson, ProviderJson, Trust};

/// The most characters of what a peer says its program is.
const AGENT_CHARS: usize = 60;

/// `/network`.
#[derive(Template)]
#[template(path = "network.html")]
pub struct NetworkPage {
    /// What stands around it.
    pub shell: Shell,
    /// The node.
    pub node: NodeInfo,
    /// The node among its peers.
    pub net: NetInfo,
    /// They.
    pub peers: Vec<PeerJson>,
    /// Whether addresses are shown: on a network that lives on one machine, where they tell the nodes apart. Elsewhere
    /// they are the operator's business.
    pub shows_addresses: bool,
    /// Nodes that the operator named, side by side.
    pub others: Vec<OtherNode>,
    /// Who keeps the history of the chain, as the DHT says.
    pub holders: Holders,
}

/// What another node says of itself.
#[derive(Clone, Debug)]
pub struct OtherNode {
    /// Where it is asked.
    pub url: String,
    /// What it said, or why it said nothing.
    pub info: Result<Box<NodeInfo>, String>,
    /// Whether its tip is a block of this node's chain.
    pub is_on_chain: bool,
}

/// Who keeps the whole history.
#[derive(Clone, Debug)]
pub enum Holders {
    /// They were not looked for yet.
    Unknown,
    /// These were found, so many milliseconds ago.
    Found(Vec<ProviderJson>, u64),
    /// Nobody could be asked, as a sentence.
    Failed(String),
}

/// A peer as the page shows it.
struct Peer {
    id: String,
    agent: String,
    direction: &'static str,
    reach: &'static str,
    address: String,
    latency: String,
    height: String,
    connected: String,
}

impl NetworkPage {
    fn peers_shown(&self) -> Vec<Peer> {
        self.peers.iter().map(show_peer).collect()
    }

    /// Whether others reach the node, in a few words.
    fn verdict(&self) -> &'static str {
        match self.net.reach.as_str() {
            "public" => "Everybody reaches this node",
            "port_mapped" => "Everybody reaches this node, through a port of its router",
            "hole_punched" => "Peers reach this node through its router, by appointment",
            "relayed" => "Peers reach this node over a relay",
            _ => "Nobody reaches this node from outside: it dials others",
        }
    }

    fn reason(&self) -> String {
        format::sentence(&self.net.reach_reason)
    }

    fn brief(&self, text: &str) -> String {
        format::in_short(text)
    }

    fn up(&self) -> String {
        format::span(self.node.uptime_ms)
    }

    fn known(&self) -> String {
        format::grouped(self.net.known_tried + self.net.known_new)
    }

    fn tip(&self, info: &NodeInfo) -> Id {
        Id::block(info.tip.0)
    }

    fn grouped(&self, number: &u64) -> String {
        format::grouped(*number)
    }

    /// Where another node stands beside this one, and how a page colours that. Blocks take a moment to get around.
    fn standing(&self, other: &OtherNode, info: &NodeInfo) -> (&'static str, String) {
        let (own, its) = (self.node.height, info.height);
        let blocks = |count: u64| format!("{} {}", format::grouped(count), if count == 1 { "block" } else { "blocks" });
        match () {
            () if info.genesis_id != self.node.genesis_id => ("bad", String::from("Another network")),
            () if info.tip == self.node.tip => ("good", String::from("Same tip")),
            () if other.is_on_chain => ("good", format!("{} behind", blocks(own.saturating_sub(its)))),
            () if its > own => ("", format!("{} ahead", blocks(its - own))),
            () => ("warn", String::from("Another chain")),
        }
    }

    /// What this node itself keeps.
    fn keeps(&self) -> String {
        let bodies = match self.node.lowest_body {
            0 => String::from("all blocks"),
            lowest => format!("blocks from {} on", format::grouped(lowest)),
        };
        let trust = match self.node.trust {
            Trust::Full => "It has executed all of them",
            Trust::Work => "It began with a snapshot, proven by work",
        };
        format!("This node keeps {bodies}. {trust}.")
    }

    fn snapshots(&self) -> String {
        let heights = self.node.snapshots.iter().map(|snapshot| format::grouped(snapshot.height));
        heights.collect::<Vec<_>>().join(", ")
    }

    fn holders_found(&self) -> Option<(Vec<String>, String)> {
        let Holders::Found(found, ago) = &self.holders else { return None };
        let name = |provider: &ProviderJson| {
            let id = format::short(&format::in_short(&provider.peer_id));
            match (provider.own, provider.connected) {
                (true, _) => format!("{id} (this node)"),
                (false, true) => format!("{id} (connected)"),
                (false, false) => id,
            }
        };
        Some((found.iter().map(name).collect(), format::span(*ago)))
    }

    fn holders_failed(&self) -> Option<String> {
        match &self.holders {
            Holders::Failed(why) => Some(format::in_short(why)),
            Holders::Unknown | Holders::Found(..) => None,
        }
    }
}

fn show_peer(peer: &PeerJson) -> Peer {
    let address = format::in_short(&peer.address);
    Peer {
        id: format::short(&format::in_short(&peer.peer_id)),
        agent: peer.agent.as_deref().map_or_else(|| String::from("unknown"), |agent| format::brief(agent, AGENT_CHARS)),
        direction: if peer.inbound { "inbound" } else { "outbound" },
        reach: match () {
            () if address.contains("/p2p-circuit") => "over a relay",
            () if address.contains("/quic") => "direct, QUIC",
            () if address.contains("/tcp/") => "direct, TCP",
            () => "direct",
        },
        latency: peer.latency_ms.map_or_else(|| String::from("not measured"), |ms| format!("{ms} ms")),
        height: peer.height.map_or_else(|| String::from("not told"), format::grouped),
        connected: format::span(peer.connected_ms),
        address,
    }
}
