//! The checked configuration of how peers are found and reached, and who is let in.

use super::{
    ConfigError,
    keys::{DiscoverySection, ReachSection},
    value::{Sourced, value_or as or},
};
use cairn_network::{DiscoveryConfig, ReachConfig};

/// How peers are found. A local network is on loopback, where there is nobody to multicast to.
pub fn discovery(section: &DiscoverySection, local: bool) -> DiscoveryConfig {
    let base = DiscoveryConfig::default();
    DiscoveryConfig {
        kademlia: or(&section.kademlia, base.kademlia),
        rendezvous: or(&section.rendezvous, base.rendezvous),
        rendezvous_server: or(&section.rendezvous_server, base.rendezvous_server),
        exchange: or(&section.exchange, base.exchange),
        mdns: or(&section.mdns, base.mdns && !local),
    }
}

/// How peers are reached.
pub fn reach(section: &ReachSection) -> ReachConfig {
    let base = ReachConfig::default();
    ReachConfig {
        autonat: or(&section.autonat, base.autonat),
        upnp: or(&section.upnp, base.upnp),
        relay: or(&section.relay, base.relay),
        relay_server: or(&section.relay_server, base.relay_server),
        hole_punching: or(&section.hole_punching, base.hole_punching),
    }
}

/// Who is let in. That the list was given at all makes the network private,
/// so an empty one is refused rather than taken for "nobody" or for "anyone".
pub fn admit(list: &Option<Sourced<Vec<String>>>) -> Result<Option<Vec<String>>, ConfigError> {
    match list {
        None => Ok(None),
        Some(list) if list.value.is_empty() => Err(list.refuse("one peer id at least, or no such key")),
        Some(list) => {
            cairn_network::check_admitted(&list.value).map_err(|why| list.refuse(why))?;
            Ok(Some(list.value.clone()))
        }
    }
}
