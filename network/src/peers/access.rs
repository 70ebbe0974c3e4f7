//! Who may connect: the bans, who is admitted to a private network, and whether there is memory for anyone.

use crate::ids::{Multiaddr, PeerId};
use crate::{handle::AdmitError, peers::bans::Bans};
use cairn_ledger::units::Timestamp;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Identities a private network may have.
pub(crate) const MAX_ADMITTED: usize = 10_000;

/// Why a connection is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It was banned.
    #[error("banned")]
    Banned,
    /// Its host has its share.
    #[error("too many connections from one host")]
    Host,
    /// Its neighbourhood has its share.
    #[error("too many connections from neighbouring hosts")]
    Group,
    /// It connects more often than nodes do, or its neighbourhood does.
    #[error("too many connections in too short a time")]
    TooOften,
    /// Its host has begun as many handshakes as it may without ending them.
    #[error("too many unfinished handshakes from one host")]
    Handshakes,
    /// The network is private.
    #[error("not admitted to this private network")]
    NotAdmitted,
    /// The process holds as much memory as it may.
    #[error("no memory for more connections")]
    Memory,
    /// Strangers have had as many addresses dialled as they may.
    #[error("strangers had too many addresses dialled")]
    TooManyAsked,
    /// A stranger named an address that nobody may be sent to.
    #[error("an address that is not to be dialled")]
    NotToBeDialled,
}

#[derive(Debug, Default)]
struct Lists {
    bans: Bans,
    /// On a private network, who alone is let in.
    admitted: Option<BTreeSet<PeerId>>,
    /// Those whom the operator named.
    named: BTreeSet<PeerId>,
    is_crowded: bool,
}

impl Lists {
    fn knows_any(&self) -> bool {
        !self.named.is_empty() || self.admitted.is_some()
    }

    /// Whether the operator named or admitted somebody.
    fn is_known(&self, id: &PeerId) -> bool {
        self.named.contains(id) || self.admitted.as_ref().is_some_and(|admitted| admitted.contains(id))
    }
}

/// Who may connect. Cloning shares it: the state decides, and the swarm's gate asks at every connection.
#[derive(Clone, Debug, Default)]
pub struct Access(Arc<Mutex<Lists>>);

impl Access {
    /// With these bans, and this list on a private network.
    pub(crate) fn new(bans: Bans, admitted: Option<BTreeSet<PeerId>>) -> Self {
        let named = BTreeSet::new();
        Self(Arc::new(Mutex::new(Lists { bans, admitted, named, is_crowded: false })))
    }

    fn lists(&self) -> MutexGuard<'_, Lists> {
        // Nobody panics between two changes that belong together.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why a peer there is refused, if it is.
    pub(crate) fn refusal(&self, id: PeerId, address: &Multiaddr, clock: Timestamp) -> Option<Refusal> {
        let lists = self.lists();
        if lists.bans.covers_peer(id, clock) || lists.bans.covers_address(address, lists.is_known(&id), clock) {
            return Some(Refusal::Banned);
        }
        let is_admitted = lists.admitted.as_ref().is_none_or(|admitted| admitted.contains(&id));
        (!is_admitted).then_some(Refusal::NotAdmitted)
    }

    /// Why whoever connects from there is refused before it says who it is, if it is.
    pub(crate) fn refusal_of_address(&self, address: &Multiaddr, clock: Timestamp) -> Option<Refusal> {
        let lists = self.lists();
        match lists.is_crowded {
            true => Some(Refusal::Memory),
            // Where the operator knows somebody, it may be there.
            false => lists.bans.covers_address(address, lists.knows_any(), clock).then_some(Refusal::Banned),
        }
    }

    /// Whether the operator named or admitted somebody: no rule about addresses refuses them.
    pub(crate) fn is_known(&self, id: &PeerId) -> bool {
        self.lists().is_known(id)
    }

    /// Whether the operator named or admitted anybody.
    pub(crate) fn knows_any(&self) -> bool {
        self.lists().knows_any()
    }

    /// The operator named somebody.
    pub(crate) fn name(&self, peer: PeerId) {
        self.lists().named.insert(peer);
    }

    /// Looks at the bans, or changes them.
    pub(crate) fn bans<T>(&self, act: impl FnOnce(&mut Bans) -> T) -> T {
        act(&mut self.lists().bans)
    }

    /// Lets nobody new in while there is no memory; whether that has just begun.
    pub(crate) fn set_crowded(&self, is_crowded: bool) -> bool {
        let mut lists = self.lists();
        let began = is_crowded && !lists.is_crowded;
        lists.is_crowded = is_crowded;
        began
    }

    /// On a private network, who is admitted.
    pub(crate) fn admitted(&self) -> Option<Vec<String>> {
        self.lists().admitted.as_ref().map(|peers| peers.iter().map(PeerId::to_string).collect())
    }

    /// Lets a peer into this private network; whether it was out.
    pub(crate) fn admit(&self, peer: PeerId) -> Result<bool, AdmitError> {
        let mut lists = self.lists();
        let admitted = lists.admitted.as_mut().ok_or(AdmitError::NotPrivate)?;
        if admitted.len() >= MAX_ADMITTED && !admitted.contains(&peer) {
            return Err(AdmitError::TooMany { max: MAX_ADMITTED });
        }
        Ok(admitted.insert(peer))
    }

    /// Shuts a peer out of this private network; whether it was in.
    pub(crate) fn revoke(&self, peer: &PeerId) -> Result<bool, AdmitError> {
        Ok(self.lists().admitted.as_mut().ok_or(AdmitError::NotPrivate)?.remove(peer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::bans::{Ban, Banned};

    #[test]
    fn on_a_private_network_only_the_admitted_come_in() {
        let (friend, stranger) = (PeerId::random(), PeerId::random());
        let (nowhere, clock) = (Multiaddr::empty(), Timestamp::from_millis(1));
        let access = Access::new(Bans::default(), Some(BTreeSet::from([friend])));
        assert_eq!(access.refusal(friend, &nowhere, clock), None);
        assert_eq!(access.refusal(stranger, &nowhere, clock), Some(Refusal::NotAdmitted));
        let ban = Ban { until: Timestamp::from_millis(u64::MAX), reason: String::new(), is_automatic: false };
        access.bans(|bans| bans.insert(Banned::Peer(friend), ban, clock));
        assert_eq!(access.refusal(friend, &nowhere, clock), Some(Refusal::Banned), "to be admitted is no pardon");
        assert_eq!(Access::default().refusal(stranger, &nowhere, clock), None);
    }

    #[test]
    fn nobody_new_comes_in_while_there_is_no_memory() {
        let (access, anywhere, clock) = (Access::default(), Multiaddr::empty(), Timestamp::from_millis(1));
        assert_eq!(access.refusal_of_address(&anywhere, clock), None);
        assert!(access.set_crowded(true) && !access.set_crowded(true), "it begins once");
        assert_eq!(access.refusal_of_address(&anywhere, clock), Some(Refusal::Memory));
        assert!(!access.set_crowded(false));
        assert_eq!(access.refusal_of_address(&anywhere, clock), None);
    }
}
