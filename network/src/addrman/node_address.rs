//! Where a node is: its identity, an IP address, a port, and TCP or QUIC. What strangers tell of others is
//! taken in this form alone: no names (anyone can make a million of them), no relays, no nested addresses.

use crate::ids::{Multiaddr, PeerId};
use crate::wire::{KEY_BYTES, PeerAddress};
use crate::{addrman::ip_groups, ids::multiaddr::Protocol};
use std::net::{IpAddr, Ipv6Addr};

/// What the identity of a node with an Ed25519 key begins with: an identity multihash of 36 bytes, in it a
/// protobuf with the key's type and its 32 bytes (libp2p's peer id specification).
const ED25519_PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

/// Where a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeAddress {
    peer: PeerId,
    ip: IpAddr,
    port: u16,
    quic: bool,
}

impl NodeAddress {
    /// Reads it from a multiaddress of a peer; `None` for any other form, for another peer, and for places
    /// that nobody may be sent to.
    pub(crate) fn new(peer: PeerId, address: &Multiaddr, allow_private: bool) -> Option<Self> {
        let (socket, quic, named) = ip_groups::socket_of(address)?;
        let place = Self { peer, ip: socket.ip().to_canonical(), port: socket.port(), quic };
        place.checked(allow_private).filter(|_| named.is_none_or(|named| named == peer))
    }

    /// Reads it from the wire.
    pub(crate) fn from_wire(wire: &PeerAddress, allow_private: bool) -> Option<Self> {
        let peer = PeerId::from_bytes(&[ED25519_PREFIX.as_slice(), &wire.key].concat()).ok()?;
        let ip = IpAddr::V6(Ipv6Addr::from(wire.ip)).to_canonical();
        Self { peer, ip, port: wire.port, quic: wire.quic }.checked(allow_private)
    }

    /// As it stands on the wire; `None` when its key is not Ed25519, as that of a cairn node always is.
    pub(crate) fn to_wire(self) -> Option<PeerAddress> {
        let bytes = self.peer.to_bytes();
        let key: [u8; KEY_BYTES] = bytes.strip_prefix(&ED25519_PREFIX)?.try_into().ok()?;
        let ip = match self.ip {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        Some(PeerAddress { key, ip: ip.octets(), port: self.port, quic: self.quic })
    }

    fn checked(self, allow_private: bool) -> Option<Self> {
        let reachable = ip_groups::is_reachable(&self.multiaddr(), allow_private);
        (reachable && self.port != 0 && self.to_wire().is_some()).then_some(self)
    }

    /// Who is there.
    pub(crate) fn peer(&self) -> PeerId {
        self.peer
    }

    /// Its IP address.
    pub(crate) fn ip(&self) -> IpAddr {
        self.ip
    }

    /// As a multiaddress, without the peer.
    pub(crate) fn multiaddr(&self) -> Multiaddr {
        let address = Multiaddr::empty().with(match self.ip {
            IpAddr::V4(ip) => Protocol::Ip4(ip),
            IpAddr::V6(ip) => Protocol::Ip6(ip),
        });
        if self.quic {
            address.with(Protocol::Udp(self.port)).with(Protocol::QuicV1)
        } else {
            address.with(Protocol::Tcp(self.port))
        }
    }

    /// What tells its neighbourhood from others: its group; where addresses are private, the place itself,
    /// for there all share one neighbourhood.
    pub(crate) fn group_bytes(&self) -> Vec<u8> {
        if ip_groups::is_private(self.ip) {
            return format!("{}|{}", self.ip, self.port).into_bytes();
        }
        ip_groups::group_of(self.ip).bytes()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use libp2p::identity::Keypair;

    /// The n-th of any number of peers.
    pub(crate) fn peer(n: u64) -> PeerId {
        let mut seed = [1; 32];
        seed[..8].copy_from_slice(&n.to_le_bytes());
        let key = Keypair::ed25519_from_bytes(seed).unwrap_or_else(|error| panic!("{error}"));
        key.public().to_peer_id()
    }

    /// An address in IPv4.
    pub(crate) fn at(n: u64, ip: [u8; 4]) -> NodeAddress {
        let address = Multiaddr::empty().with(Protocol::Ip4(ip.into())).with(Protocol::Tcp(9740));
        NodeAddress::new(peer(n), &address, true).unwrap_or_else(|| panic!("an address"))
    }

    fn read(text: &str, allow_private: bool) -> Option<NodeAddress> {
        NodeAddress::new(peer(1), &text.parse().unwrap_or_else(|error| panic!("{text}: {error}")), allow_private)
    }

    #[test]
    fn only_a_plain_place_is_an_address() {
        for text in ["/ip4/1.2.3.4/tcp/5", "/ip6/2606:4700::1/udp/9/quic-v1", "/ip4/1.2.3.4/udp/5/quic-v1"] {
            let address = read(text, false).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(address.multiaddr().to_string(), text);
            let wire = address.to_wire().unwrap_or_else(|| panic!("{text}"));
            assert_eq!(NodeAddress::from_wire(&wire, false), Some(address));
            assert_eq!(read(&format!("{text}/p2p/{}", peer(1)), false), Some(address));
        }
        let relayed = format!("/ip4/1.2.3.4/tcp/5/p2p/{}/p2p-circuit", peer(2));
        let other = format!("/ip4/1.2.3.4/tcp/5/p2p/{}", peer(2));
        for text in [&relayed, &other, "/dns4/node.example/tcp/1", "/ip4/1.2.3.4/udp/5", "/ip4/1.2.3.4/tcp/0"] {
            assert_eq!(read(text, true), None, "{text}");
        }
    }

    #[test]
    fn private_and_documentation_addresses_are_none_unless_allowed() {
        for text in ["/ip4/127.0.0.1/tcp/5", "/ip4/192.168.1.1/tcp/5", "/ip6/fe80::1/tcp/5", "/ip4/192.0.2.1/tcp/5"] {
            assert_eq!(read(text, false), None, "{text}");
            assert!(read(text, true).is_some(), "{text}");
        }
        let wire =
            read("/ip4/10.0.0.1/tcp/5", true).and_then(NodeAddress::to_wire).unwrap_or_else(|| panic!("a place"));
        assert_eq!(NodeAddress::from_wire(&wire, false), None, "nor when a stranger says so");
    }

    #[test]
    fn public_neighbours_share_a_group_and_private_ones_do_not() {
        assert_eq!(at(1, [1, 2, 3, 4]).group_bytes(), at(2, [1, 2, 9, 9]).group_bytes());
        assert_ne!(at(1, [1, 2, 3, 4]).group_bytes(), at(2, [1, 3, 3, 4]).group_bytes());
        assert_ne!(at(1, [10, 2, 3, 4]).group_bytes(), at(2, [10, 2, 3, 5]).group_bytes());
    }
}
