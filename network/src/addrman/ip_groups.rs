//! Addresses: which may be dialled and passed on, and which belong together.

use crate::ids::multiaddr::Protocol;
use crate::ids::{Multiaddr, PeerId};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Whether strangers may be sent there, or we by strangers: a routable address, or a name. On a network
/// that `allow_private`, any address will do.
pub(crate) fn is_reachable(address: &Multiaddr, allow_private: bool) -> bool {
    match address.iter().next() {
        Some(Protocol::Ip4(ip)) => !ip.is_unspecified() && (allow_private || is_global_v4(ip)),
        Some(Protocol::Ip6(ip)) => !ip.is_unspecified() && (allow_private || is_global_v6(ip)),
        Some(Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_)) => true,
        _ => false,
    }
}

/// Whether routers carry it: not private, loopback, link-local, documentation, benchmarking or reserved.
fn is_global_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let shared = a == 100 && (64..128).contains(&b);
    let benchmarking = a == 198 && (b == 18 || b == 19);
    let protocols = (a, b, c) == (192, 0, 0);
    !(a == 0
        || a >= 224
        || shared
        || benchmarking
        || protocols
        || ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation())
}

/// Global unicast (2000::/3) but for documentation, benchmarking and what embeds IPv4 addresses.
fn is_global_v6(ip: Ipv6Addr) -> bool {
    let [a, b, ..] = ip.segments();
    let documentation = (a, b) == (0x2001, 0xdb8);
    let protocols = a == 0x2001 && b < 0x200;
    let six_to_four = a == 0x2002;
    (0x2000..0x4000).contains(&a) && !documentation && !protocols && !six_to_four
}

/// The IP address a connection comes from or goes to; none through a relay, whose address says nothing about
/// who is behind it.
pub(crate) fn ip_of(address: &Multiaddr) -> Option<IpAddr> {
    if is_relayed(address) {
        return None;
    }
    address.iter().find_map(|part| match part {
        Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
        Protocol::Ip6(ip) => Some(IpAddr::V6(ip).to_canonical()),
        _ => None,
    })
}

/// Whether an address is one of QUIC.
pub(crate) fn is_quic(address: &Multiaddr) -> bool {
    address.iter().any(|part| matches!(part, Protocol::QuicV1 | Protocol::Quic))
}

/// Whether an address leads through a relay.
pub(crate) fn is_relayed(address: &Multiaddr) -> bool {
    address.iter().any(|part| part == Protocol::P2pCircuit)
}

/// The parts of the longest address that leads to a socket: IP, UDP, QUIC, the peer.
const MOST_PARTS: usize = 4;

/// Where an address leads that is no name, no relay and no nested address: the socket, whether it is one of QUIC, and
/// who is there, if the address says so; `None` for any other form.
pub(crate) fn socket_of(address: &Multiaddr) -> Option<(SocketAddr, bool, Option<PeerId>)> {
    // A part takes two bytes where it came from, and a hundred here: a peer may send very many.
    let parts: Vec<Protocol<'_>> = address.iter().take(MOST_PARTS + 1).collect();
    let (ip, rest) = match parts.split_first()? {
        (Protocol::Ip4(ip), rest) => (IpAddr::V4(*ip), rest),
        (Protocol::Ip6(ip), rest) => (IpAddr::V6(*ip), rest),
        _ => return None,
    };
    let (port, quic, rest) = match rest {
        [Protocol::Tcp(port), rest @ ..] => (*port, false, rest),
        [Protocol::Udp(port), Protocol::QuicV1, rest @ ..] => (*port, true, rest),
        _ => return None,
    };
    match rest {
        [] => Some((SocketAddr::new(ip, port), quic, None)),
        [Protocol::P2p(peer)] => Some((SocketAddr::new(ip, port), quic, Some(*peer))),
        _ => None,
    }
}

/// What tells the neighbourhood of a connection from others, as [`NodeAddress::group_bytes`] does for places;
/// whoever comes through relays is one neighbourhood.
///
/// [`NodeAddress::group_bytes`]: crate::addrman::node_address::NodeAddress::group_bytes
pub(crate) fn neighbourhood(address: &Multiaddr) -> Vec<u8> {
    match ip_of(address) {
        None => b"relayed".to_vec(),
        Some(ip) if is_private(ip) => address.to_vec(),
        Some(ip) => group_of(ip).bytes(),
    }
}

/// The peer an address names at its end.
pub(crate) fn peer_of(address: &Multiaddr) -> Option<PeerId> {
    match address.iter().last() {
        Some(Protocol::P2p(peer)) => Some(peer),
        _ => None,
    }
}

/// A prefix of IP addresses: those that begin with the first `bits` of `first`, whose other bits are 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Prefix {
    first: IpAddr,
    bits: u32,
}

impl Prefix {
    /// The prefix of an address, of so many bits in IPv4 and in IPv6. `::ffff:1.2.3.4` is `1.2.3.4`.
    fn new(ip: IpAddr, v4: u32, v6: u32) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self { first: Ipv4Addr::from(u32::from(ip) >> (32 - v4) << (32 - v4)).into(), bits: v4 },
            IpAddr::V6(ip) => {
                Self { first: Ipv6Addr::from(u128::from(ip) >> (128 - v6) << (128 - v6)).into(), bits: v6 }
            }
        }
    }

    /// Its bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = match self.first {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        bytes.truncate(self.bits as usize / 8);
        bytes
    }

    /// Its length.
    pub(crate) fn bits(&self) -> u32 {
        self.bits
    }
}

/// As an operator writes it: an IPv4 address, or a prefix.
impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.first, self.bits) {
            (IpAddr::V4(ip), 32) => write!(f, "{ip}"),
            (first, bits) => write!(f, "{first}/{bits}"),
        }
    }
}

/// What one customer of a provider gets: one IPv4 address, or an IPv6 /64.
pub(crate) fn host_of(ip: IpAddr) -> Prefix {
    Prefix::new(ip, 32, 64)
}

/// What one customer may have many hosts in: an IPv4 /24, or an IPv6 /48.
pub(crate) fn site_of(ip: IpAddr) -> Prefix {
    Prefix::new(ip, 24, 48)
}

/// Neighbouring hosts, which often belong to one owner: an IPv4 /16, or an IPv6 /32.
pub(crate) fn group_of(ip: IpAddr) -> Prefix {
    Prefix::new(ip, 16, 32)
}

/// Whether hosts share this address with everybody on their network, so that it says nothing about who is
/// behind it.
pub(crate) fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => !is_global_v4(ip),
        IpAddr::V6(ip) => !is_global_v6(ip),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Multiaddr {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn private_addresses_are_reachable_only_where_allowed() {
        for text in ["/ip4/1.1.1.1/tcp/1", "/ip6/2606:4700::1/udp/1/quic-v1", "/dns4/node.example/tcp/1"] {
            assert!(is_reachable(&address(text), false), "{text}");
        }
        for text in [
            "/ip4/127.0.0.1/tcp/1",
            "/ip4/10.1.2.3/tcp/1",
            "/ip4/172.16.0.1/tcp/1",
            "/ip4/192.168.1.1/tcp/1",
            "/ip4/169.254.0.1/tcp/1",
            "/ip4/100.64.0.1/tcp/1",
            "/ip4/203.0.113.9/tcp/1",
            "/ip6/::1/tcp/1",
            "/ip6/fe80::1/tcp/1",
            "/ip6/fd00::1/tcp/1",
            "/ip6/::ffff:8.8.8.8/tcp/1",
        ] {
            assert!(!is_reachable(&address(text), false), "{text}");
            assert!(is_reachable(&address(text), true), "{text}");
        }
        for text in ["/ip4/0.0.0.0/tcp/1", "/ip6/::/tcp/1", "/memory/7", "/unix/socket"] {
            assert!(!is_reachable(&address(text), true), "{text}");
        }
    }

    #[test]
    fn neighbours_share_a_group_and_a_site_is_one_host() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        assert_eq!(group_of(ip("1.2.3.4")), group_of(ip("1.2.200.1")));
        assert_ne!(group_of(ip("1.2.3.4")), group_of(ip("1.3.3.4")));
        assert_ne!(host_of(ip("1.2.3.4")), host_of(ip("1.2.3.5")));
        assert_eq!(host_of(ip("2606:4700:1:2::1")), host_of(ip("2606:4700:1:2:ffff::9")));
        assert_ne!(host_of(ip("2606:4700:1:2::1")), host_of(ip("2606:4700:1:3::1")));
        assert_eq!(ip_of(&address("/ip6/::ffff:1.2.3.4/tcp/1")), Some(ip("1.2.3.4")));
    }
}
