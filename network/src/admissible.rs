//! What an operator may name: judged here before a node starts, by the same words as when it does.

use crate::ids::{Multiaddr, PeerId};
use crate::{
    addrman::ip_groups, config::NetworkConfig, outbound::persistent, peers::access::MAX_ADMITTED,
    swarm::behaviour::SetupError, swarm::transports,
};
use std::net::SocketAddr;

/// Why what an operator named cannot be used: as text, what is expected, and what is not so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmissible {
    /// An address that nobody can listen on.
    #[error("addresses such as /ip4/0.0.0.0/tcp/9740 or /ip6/::/udp/9740/quic-v1; {got:?} is none")]
    Listen {
        /// The text.
        got: String,
    },
    /// Text that is no address.
    #[error("multiaddresses such as /ip4/192.0.2.1/tcp/9740; {got:?} is none")]
    Address {
        /// The text.
        got: String,
    },
    /// Text that names no peer.
    #[error("multiaddresses that end in a peer id, such as /ip4/192.0.2.1/tcp/9740/p2p/12D3Koo...; {got:?} does not")]
    Peer {
        /// The text.
        got: String,
    },
    /// Text that is no peer id.
    #[error("peer ids such as 12D3Koo...; {got:?} is none")]
    PeerId {
        /// The text.
        got: String,
    },
    /// More than are kept.
    #[error("at most {max} of them, not {got}")]
    TooMany {
        /// How many.
        got: usize,
        /// How many there may be.
        max: usize,
    },
}

/// Where a listening address is, and whether over UDP.
///
/// # Errors
/// Nobody can listen there.
pub fn listen_address(text: &str) -> Result<(SocketAddr, bool), NotAdmissible> {
    let refused = || NotAdmissible::Listen { got: text.to_owned() };
    match ip_groups::socket_of(&text.parse().map_err(|_| refused())?) {
        Some((address, is_udp, None)) => Ok((address, is_udp)),
        _ => Err(refused()),
    }
}

/// Whether addresses at which others reach this node are some.
///
/// # Errors
/// Which is none.
pub fn check_external(texts: &[String]) -> Result<(), NotAdmissible> {
    let is_address = |text: &str| text.parse::<Multiaddr>().is_ok_and(|address| !address.is_empty());
    check(texts, usize::MAX, is_address, |got| NotAdmissible::Address { got })
}

/// Whether peers to dial, of one list, are named with their ids.
///
/// # Errors
/// Which is not, or that there are too many.
pub fn check_peers(texts: &[String]) -> Result<(), NotAdmissible> {
    let is_peer = |text: &str| text.parse::<Multiaddr>().is_ok_and(|address| ip_groups::peer_of(&address).is_some());
    check(texts, persistent::MAX_TARGETS, is_peer, |got| NotAdmissible::Peer { got })
}

/// Whether peers to be let in are named by their ids.
///
/// # Errors
/// Which is not, or that there are too many.
pub fn check_admitted(texts: &[String]) -> Result<(), NotAdmissible> {
    check(texts, MAX_ADMITTED, |text| text.parse::<PeerId>().is_ok(), |got| NotAdmissible::PeerId { got })
}

fn check(
    texts: &[String],
    max: usize,
    is_one: impl Fn(&str) -> bool,
    refused: impl Fn(String) -> NotAdmissible,
) -> Result<(), NotAdmissible> {
    if texts.len() > max {
        return Err(NotAdmissible::TooMany { got: texts.len(), max });
    }
    texts.iter().find(|text| !is_one(text)).map_or(Ok(()), |text| Err(refused(text.clone())))
}

/// Whether the file with the pre-shared key, if there is to be one, holds one. Blocks on the disk.
///
/// # Errors
/// What is wrong with it.
pub fn check_psk(config: &NetworkConfig) -> Result<(), SetupError> {
    config.psk_file.as_deref().map(transports::read_psk).transpose().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_listened_on_is_a_listening_address() {
        let at = |text: &str| listen_address(text).ok().map(|(address, udp)| (address.to_string(), udp));
        assert_eq!(at("/ip4/0.0.0.0/tcp/9740"), Some(("0.0.0.0:9740".to_owned(), false)));
        assert_eq!(at("/ip6/::1/udp/0/quic-v1"), Some(("[::1]:0".to_owned(), true)));
        for broken in [
            "",
            "/",
            "nonsense",
            "/ip4/0.0.0.0",
            "/ip4/0.0.0.0/tcp/99999",
            "/ip4/0.0.0/tcp/1",
            "/ip4/0.0.0.0/udp/1",
            "/ip4/0.0.0.0/tcp/1/ws",
            "/dns4/node.example/tcp/1",
        ] {
            assert_eq!(listen_address(broken), Err(NotAdmissible::Listen { got: broken.to_owned() }));
        }
    }

    #[test]
    fn peers_are_named_by_ids_that_are_some() {
        let id = PeerId::random();
        let good = vec![format!("/ip4/192.0.2.1/tcp/9740/p2p/{id}"), format!("/dns4/a.example/tcp/1/p2p/{id}")];
        assert_eq!(check_peers(&good), Ok(()));
        for broken in ["/ip4/192.0.2.1/tcp/9740", "/ip4/192.0.2.1/tcp/9740/p2p/12D3Koo", "/p2p/", "x"] {
            assert_eq!(check_peers(&[broken.to_owned()]), Err(NotAdmissible::Peer { got: broken.to_owned() }));
            assert!(check_admitted(&[broken.to_owned()]).is_err());
        }
        assert!(matches!(check_peers(&vec![good[0].clone(); 257]), Err(NotAdmissible::TooMany { got: 257, .. })));
        assert_eq!(check_admitted(&[id.to_string()]), Ok(()));
        assert_eq!(check_external(&["/dns4/a.example/tcp/1".to_owned()]), Ok(()));
        assert!(check_external(&["/dns4/a.example/tcp/x".to_owned()]).is_err());
    }
}
