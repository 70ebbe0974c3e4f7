//! Whom a node is told to begin with: whether somebody listens there.

use super::Diagnosis;
use crate::config::Settings;
use std::net::{IpAddr, SocketAddr};
use std::{collections::BTreeSet, time::Duration};
use tokio::net::{TcpStream, lookup_host};
use tokio::{task::JoinSet, time::timeout};

/// How long a host may take to answer: two lost packets' time and a slow line's.
const DIAL_WITHIN: Duration = Duration::from_secs(4);
/// Targets that are dialled; a longer list is cut, and that is said.
const MAX_DIALLED: usize = 64;

/// A multiaddress, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    host: String,
    pub(super) port: u16,
    /// QUIC, instead of TCP.
    pub(super) udp: bool,
    peer_id: Option<String>,
}

impl Target {
    /// Reads `/ip4/HOST/tcp/PORT` and its like; `None` for what is dialled in other ways, such as through a relay.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix('/')?.split('/');
        let (kind, host) = (parts.next()?, parts.next()?);
        if !matches!(kind, "ip4" | "ip6" | "dns" | "dns4" | "dns6") || text.contains("/p2p-circuit") {
            return None;
        }
        let (transport, port) = (parts.next()?, parts.next()?.parse().ok()?);
        let udp = match transport {
            "tcp" => false,
            "udp" => true,
            _ => return None,
        };
        let peer_id = text.split("/p2p/").nth(1).map(str::to_owned);
        Some(Self { host: host.to_owned(), port, udp, peer_id })
    }

    /// Its IP address, where it has one and no name.
    pub(super) fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Whether somebody listens there; else why not.
    async fn dial(&self) -> Result<(), String> {
        let dialled = async {
            let found: Vec<SocketAddr> = lookup_host((self.host.as_str(), self.port)).await?.collect();
            TcpStream::connect(found.as_slice()).await
        };
        match timeout(DIAL_WITHIN, dialled).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {} s", DIAL_WITHIN.as_secs())),
        }
    }
}

/// Dials everyone who is named and not connected.
pub(super) async fn examine(settings: &Settings, connected: &BTreeSet<&str>, report: &mut Diagnosis) {
    let named: Vec<&String> = settings.network.boot_nodes.iter().chain(&settings.network.peers).collect();
    if named.is_empty() {
        return;
    }
    let (mut dialled, mut untried, mut good) = (JoinSet::new(), Vec::new(), 0_usize);
    for text in &named {
        match Target::parse(text) {
            Some(target) if target.peer_id.as_deref().is_some_and(|id| connected.contains(id)) => good += 1,
            Some(target) if !target.udp && dialled.len() < MAX_DIALLED => {
                let text = (*text).clone();
                dialled.spawn(async move { (text, target.dial().await) });
            }
            _ => untried.push(text.as_str()),
        }
    }
    let mut silent = Vec::new();
    while let Some(Ok((text, answer))) = dialled.join_next().await {
        match answer {
            Ok(()) => good += 1,
            Err(reason) => silent.push(format!("{text} ({reason})")),
        }
    }
    if !silent.is_empty() {
        silent.sort();
        report.fault(
            "boot_nodes",
            format!("nobody listens at {} of the {} nodes to begin with: {}", silent.len(), named.len(), silent.join(", ")),
            "see that they run and that no firewall is between, or take them out of network.boot_nodes and network.peers",
        );
    } else if good > 0 {
        report.ok("boot_nodes", format!("{good} of the {} nodes to begin with can be reached", named.len()));
    }
    if !untried.is_empty() {
        let message = format!("whether somebody listens there can only a node find out: {}", untried.join(", "));
        report.note("boot_nodes", message, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_far_as_they_can_be_dialled_here() {
        let tcp = Target::parse("/ip4/192.0.2.1/tcp/9740/p2p/12D3Koo").expect("an address");
        assert_eq!(
            (tcp.host.as_str(), tcp.port, tcp.udp, tcp.peer_id.as_deref()),
            ("192.0.2.1", 9740, false, Some("12D3Koo"))
        );
        assert!(Target::parse("/ip6/::1/udp/9740/quic-v1").is_some_and(|quic| quic.udp && quic.ip().is_some()));
        assert!(Target::parse("/dns4/node.example.org/tcp/9740").is_some_and(|name| name.ip().is_none()));
        for other in ["", "x", "/ip4/192.0.2.1", "/ip4/192.0.2.1/tcp/x", "/ip4/192.0.2.1/tcp/1/p2p/A/p2p-circuit/p2p/B"]
        {
            assert_eq!(Target::parse(other), None, "{other}");
        }
    }

    #[tokio::test]
    async fn a_port_nobody_listens_on_is_named_with_the_reason() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let target = Target::parse(&format!("/ip4/127.0.0.1/tcp/{port}")).expect("an address");
        assert_eq!(target.dial().await, Ok(()));
        drop(listener);
        assert!(target.dial().await.is_err());
    }
}
