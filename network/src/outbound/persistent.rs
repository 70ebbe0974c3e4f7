//! Whom to dial, and when: peers the operator named, for ever; boot nodes, while too few others are
//! connected. Pure: the time is an argument.

use crate::ids::{Multiaddr, PeerId};
use crate::{addrman::ip_groups, ids::multiaddr::Protocol, outbound::backoff::Backoff};
use cairn_common::mailbox::Stopped;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The pause before a peer is dialled again whose connection has ended.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Peers that are dialled again and again: what an operator names.
pub(crate) const MAX_TARGETS: usize = 256;
/// Addresses of one of them.
const MAX_ADDRESSES: usize = 8;
/// Neighbours on the local network that are dialled: whoever announces more fills no other's place.
const MAX_NEIGHBOURS: usize = 32;

/// Why a peer cannot be added.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It is no multiaddress.
    #[error("got {got:?}, expected a multiaddress such as /ip4/192.0.2.1/tcp/9740/p2p/12D3Koo...")]
    NotAnAddress {
        /// The text.
        got: String,
    },
    /// It does not say who is there.
    #[error("got {got:?}, expected a multiaddress that ends in /p2p/ and a peer id")]
    NoPeerId {
        /// The text.
        got: String,
    },
    /// It is this node.
    #[error("{got:?} is this node itself")]
    Own {
        /// The text.
        got: String,
    },
    /// There are too many already.
    #[error("got one more than the {max} peers that are redialled for ever")]
    TooMany {
        /// How many there may be.
        max: usize,
    },
    /// The node is stopping.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Why somebody is dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    /// It announces itself on the local network.
    Neighbour,
    /// To meet others.
    Boot,
    /// The operator said so.
    Named,
}

/// Somebody to dial.
#[derive(Clone, Debug)]
struct Target {
    addresses: Vec<Multiaddr>,
    reason: Reason,
    backoff: Backoff,
    connected: bool,
    /// Whether it has said, since it is connected, where it stands: only then has a dial succeeded. A node that has no
    /// room, or refuses this one, says so after the handshake.
    is_acquainted: bool,
    /// Who answered instead when it was last dialled, and where.
    other: Option<(PeerId, Multiaddr)>,
}

/// Somebody who is named, and at whose address somebody else answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherKey {
    /// Who is named, as a peer id.
    pub expected: String,
    /// Who answers.
    pub got: String,
    /// Where.
    pub address: String,
}

/// Everybody to dial.
#[derive(Debug, Default)]
pub(crate) struct PersistentPeers(BTreeMap<PeerId, Target>);

/// Reads an address that ends in a peer id.
pub(crate) fn parse(text: &str, own: PeerId) -> Result<(PeerId, Multiaddr), TargetError> {
    let got = || text.chars().take(160).collect::<String>();
    let address: Multiaddr = text.parse().map_err(|_| TargetError::NotAnAddress { got: got() })?;
    let peer = ip_groups::peer_of(&address).ok_or_else(|| TargetError::NoPeerId { got: got() })?;
    if peer == own { Err(TargetError::Own { got: got() }) } else { Ok((peer, address)) }
}

impl PersistentPeers {
    /// Adds somebody, or one more address of somebody, to be dialled at once.
    pub(crate) fn add(
        &mut self,
        peer: PeerId,
        address: Multiaddr,
        reason: Reason,
        connected: bool,
    ) -> Result<(), TargetError> {
        if self.0.len() >= MAX_TARGETS && !self.0.contains_key(&peer) {
            return Err(TargetError::TooMany { max: MAX_TARGETS });
        }
        let target = self.0.entry(peer).or_insert_with(|| Target {
            addresses: Vec::new(),
            reason,
            backoff: Backoff::default(),
            connected,
            is_acquainted: connected,
            other: None,
        });
        target.reason = target.reason.max(reason);
        target.backoff = Backoff::default();
        if !target.addresses.contains(&address) && target.addresses.len() < MAX_ADDRESSES {
            target.addresses.push(address);
        }
        Ok(())
    }

    /// Adds a neighbour, while there is room for it.
    pub(crate) fn add_neighbour(&mut self, peer: PeerId, address: Multiaddr, connected: bool) {
        let neighbours = self.0.values().filter(|target| target.reason == Reason::Neighbour).count();
        if neighbours < MAX_NEIGHBOURS || self.0.contains_key(&peer) {
            // When there is no room for more, the operator's are enough.
            let _ = self.add(peer, address, Reason::Neighbour, connected);
        }
    }

    /// A neighbour announces this address no more.
    pub(crate) fn remove_neighbour(&mut self, peer: &PeerId, address: &Multiaddr) {
        if let Some(target) = self.0.get_mut(peer).filter(|target| target.reason == Reason::Neighbour) {
            target.addresses.retain(|known| known != address);
            if target.addresses.is_empty() {
                self.0.remove(peer);
            }
        }
    }

    /// Whether the operator named this peer.
    pub(crate) fn is_named(&self, peer: &PeerId) -> bool {
        self.0.get(peer).is_some_and(|target| target.reason == Reason::Named)
    }

    /// A connection to somebody stands.
    pub(crate) fn connected(&mut self, peer: &PeerId) {
        if let Some(target) = self.0.get_mut(peer) {
            (target.connected, target.other) = (true, None);
        }
    }

    /// Somebody who is connected has said where it stands.
    pub(crate) fn acquainted(&mut self, peer: &PeerId) {
        if let Some(target) = self.0.get_mut(peer) {
            target.is_acquainted = true;
        }
    }

    /// Somebody else answered where this one was dialled.
    pub(crate) fn answered_by(&mut self, peer: &PeerId, other: PeerId, address: &Multiaddr) {
        if let Some(target) = self.0.get_mut(peer).filter(|target| target.reason != Reason::Neighbour) {
            let is_place = |part: &Protocol<'_>| !matches!(part, Protocol::P2p(_));
            target.other = Some((other, address.iter().filter(is_place).collect()));
        }
    }

    /// Those whom the operator named, or who are to begin with, and at whose address somebody else answers.
    pub(crate) fn other_keys(&self) -> Vec<OtherKey> {
        let others = self.0.iter().filter_map(|(peer, target)| Some((peer, target.other.as_ref()?)));
        let shown = |(peer, (got, address)): (&PeerId, &(PeerId, Multiaddr))| OtherKey {
            expected: peer.to_string(),
            got: got.to_string(),
            address: address.to_string(),
        };
        others.map(shown).collect()
    }

    /// The last connection to somebody is gone.
    pub(crate) fn disconnected(&mut self, peer: &PeerId, now: Instant) {
        if let Some(target) = self.0.get_mut(peer) {
            target.connected = false;
            if std::mem::take(&mut target.is_acquainted) {
                target.backoff.rest(now, FIRST_PAUSE);
            }
        }
    }

    /// Whom to dial now. `lonely`: too few peers are connected, so boot nodes are dialled, too. Each waits
    /// longer after every attempt until one succeeds.
    pub(crate) fn due(&mut self, lonely: bool, now: Instant) -> Vec<(PeerId, Vec<Multiaddr>)> {
        let wanted = |target: &Target| match target.reason {
            Reason::Named => true,
            Reason::Boot | Reason::Neighbour => lonely,
        };
        let due =
            self.0.iter_mut().filter(|(_, target)| !target.connected && target.backoff.is_due(now) && wanted(target));
        due.map(|(peer, target)| {
            target.backoff.tried(now, LONGEST_PAUSE);
            (*peer, target.addresses.clone())
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(persistent_peers: &mut PersistentPeers, reason: Reason) -> PeerId {
        let peer = PeerId::random();
        assert_eq!(persistent_peers.add(peer, Multiaddr::empty(), reason, false), Ok(()));
        peer
    }

    #[test]
    fn a_named_peer_is_dialled_for_ever_with_growing_pauses() {
        let (mut persistent_peers, start) = (PersistentPeers::default(), Instant::now());
        target(&mut persistent_peers, Reason::Named);
        let seconds: Vec<u64> = (0..300)
            .filter(|second| !persistent_peers.due(false, start + Duration::from_secs(*second)).is_empty())
            .collect();
        assert_eq!(seconds, [0, 1, 3, 7, 15, 31, 63, 123, 183, 243]);
    }

    #[test]
    fn whoever_is_connected_is_left_alone_until_it_is_gone() {
        let (mut persistent_peers, start) = (PersistentPeers::default(), Instant::now());
        let peer = target(&mut persistent_peers, Reason::Named);
        assert_eq!(persistent_peers.due(false, start).len(), 1);
        persistent_peers.connected(&peer);
        persistent_peers.acquainted(&peer);
        let later = start + Duration::from_secs(1000);
        assert_eq!(persistent_peers.due(false, later), []);
        persistent_peers.disconnected(&peer, later);
        assert_eq!(persistent_peers.due(false, later), []);
        assert_eq!(persistent_peers.due(false, later + FIRST_PAUSE).len(), 1);
    }

    /// A connection that is refused after its handshake was once taken for a success, and dialled again each second.
    #[test]
    fn whoever_refuses_after_the_handshake_is_dialled_more_and_more_rarely() {
        let (mut persistent_peers, start) = (PersistentPeers::default(), Instant::now());
        let peer = target(&mut persistent_peers, Reason::Named);
        let mut dialled = Vec::new();
        for second in 0..300 {
            let now = start + Duration::from_secs(second);
            if !persistent_peers.due(false, now).is_empty() {
                dialled.push(second);
                persistent_peers.connected(&peer);
                persistent_peers.disconnected(&peer, now);
            }
        }
        assert_eq!(dialled, [0, 1, 3, 7, 15, 31, 63, 123, 183, 243]);
    }

    #[test]
    fn who_answers_with_another_key_is_told_until_the_right_one_does() {
        let (mut persistent_peers, other) = (PersistentPeers::default(), PeerId::random());
        let peer = target(&mut persistent_peers, Reason::Named);
        let address: Multiaddr = format!("/ip4/192.0.2.1/tcp/9740/p2p/{peer}").parse().expect("an address");
        persistent_peers.answered_by(&other, peer, &address);
        assert_eq!(persistent_peers.other_keys(), [], "nobody was named so");
        persistent_peers.answered_by(&peer, other, &address);
        let told = OtherKey {
            expected: peer.to_string(),
            got: other.to_string(),
            address: "/ip4/192.0.2.1/tcp/9740".to_owned(),
        };
        assert_eq!(persistent_peers.other_keys(), [told]);
        persistent_peers.connected(&peer);
        assert_eq!(persistent_peers.other_keys(), []);
    }

    #[test]
    fn boot_nodes_are_dialled_by_the_lonely_only() {
        let (mut persistent_peers, start) = (PersistentPeers::default(), Instant::now());
        let peer = target(&mut persistent_peers, Reason::Boot);
        assert_eq!(persistent_peers.due(false, start), []);
        assert_eq!(persistent_peers.due(true, start).len(), 1);
        assert!(!persistent_peers.is_named(&peer));
        assert_eq!(persistent_peers.add(peer, Multiaddr::empty(), Reason::Named, false), Ok(()));
        assert!(persistent_peers.is_named(&peer));
    }

    #[test]
    fn only_addresses_with_a_peer_id_name_a_peer() {
        let (own, other) = (PeerId::random(), PeerId::random());
        assert!(matches!(parse("nonsense", own), Err(TargetError::NotAnAddress { .. })));
        assert!(matches!(parse("/ip4/1.2.3.4/tcp/5", own), Err(TargetError::NoPeerId { .. })));
        assert!(matches!(parse(&format!("/ip4/1.2.3.4/tcp/5/p2p/{own}"), own), Err(TargetError::Own { .. })));
        assert_eq!(parse(&format!("/ip4/1.2.3.4/tcp/5/p2p/{other}"), own).map(|(peer, _)| peer), Ok(other));
    }

    #[test]
    fn targets_stay_bounded() {
        let mut persistent_peers = PersistentPeers::default();
        for _ in 0..MAX_TARGETS {
            target(&mut persistent_peers, Reason::Named);
        }
        let refused = persistent_peers.add(PeerId::random(), Multiaddr::empty(), Reason::Named, false);
        assert_eq!(refused, Err(TargetError::TooMany { max: MAX_TARGETS }));
    }

    #[test]
    fn neighbours_take_few_places_and_go_when_they_fall_silent() {
        let (mut persistent_peers, now) = (PersistentPeers::default(), Instant::now());
        let crowd: Vec<PeerId> = (0..1000).map(|_| PeerId::random()).collect();
        crowd.iter().for_each(|peer| persistent_peers.add_neighbour(*peer, Multiaddr::empty(), false));
        assert_eq!(persistent_peers.0.len(), MAX_NEIGHBOURS);
        assert_eq!(persistent_peers.due(false, now), []);
        let named = target(&mut persistent_peers, Reason::Named);
        crowd.iter().for_each(|peer| persistent_peers.remove_neighbour(peer, &Multiaddr::empty()));
        persistent_peers.remove_neighbour(&named, &Multiaddr::empty());
        assert_eq!(persistent_peers.due(true, now).into_iter().map(|(peer, _)| peer).collect::<Vec<_>>(), [named]);
    }
}
