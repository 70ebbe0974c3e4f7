//! What nodes can serve each other, as the DHT knows it: a kind and a hash.

use cairn_ledger::hash::{BlockId, Hash};
use std::str::FromStr;

/// What is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Every block since the genesis, whose id is the hash.
    FullHistory,
    /// The accounts as they were after a block, whose state root is the hash.
    Snapshot,
}

impl Kind {
    const ALL: [Self; 2] = [Self::FullHistory, Self::Snapshot];

    /// The first byte of its keys; never used again for something else.
    fn byte(self) -> u8 {
        match self {
            Self::FullHistory => 1,
            Self::Snapshot => 2,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::FullHistory => "full_history",
            Self::Snapshot => "snapshot",
        }
    }
}

/// Text that names no kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("got {got:?}, expected a kind of resource: full_history or snapshot")]
pub struct UnknownKind {
    /// The text.
    pub got: String,
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        let refused = || UnknownKind { got: text.chars().take(160).collect() };
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(refused)
    }
}

/// Something that can be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resource {
    kind: Kind,
    hash: [u8; 32],
}

impl Resource {
    /// Any resource.
    pub(crate) fn new(kind: Kind, hash: [u8; 32]) -> Self {
        Self { kind, hash }
    }

    /// All blocks of a network.
    pub(crate) fn full_history(genesis_id: &BlockId) -> Self {
        Self::new(Kind::FullHistory, *genesis_id.as_bytes())
    }

    /// The accounts under a state root.
    pub(crate) fn snapshot(state_root: &Hash) -> Self {
        Self::new(Kind::Snapshot, *state_root.as_bytes())
    }

    /// Its key in the DHT: `kind u8 ‖ hash 32`.
    pub fn key(&self) -> Vec<u8> {
        [&[self.kind.byte()][..], &self.hash].concat()
    }
}

/// Whether a key means something that nodes of this network serve: its history, or one of the snapshots under these
/// state roots. Others are not stored: strangers could fill the store with them.
pub(crate) fn is_known(key: &[u8], genesis_id: &BlockId, state_roots: &[Hash]) -> bool {
    key == Resource::full_history(genesis_id).key()
        || state_roots.iter().any(|state_root| key == Resource::snapshot(state_root).key())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_kind_and_a_hash_and_others_are_not_stored() {
        let genesis = BlockId::from_bytes([7; 32]);
        let key = Resource::full_history(&genesis).key();
        assert_eq!(key, [&[1][..], &[7; 32]].concat());
        assert!(is_known(&key, &genesis, &[]));
        for other in [vec![], vec![1; 33], [&[2][..], &[7; 32]].concat(), [&[1][..], &[7; 33]].concat()] {
            assert!(!is_known(&other, &genesis, &[Hash::ZERO]), "{other:?}");
        }
        let root = Hash::from_bytes([7; 32]);
        let snapshot = Resource::snapshot(&root).key();
        assert_eq!(snapshot, [&[2][..], &[7; 32]].concat());
        assert!(is_known(&snapshot, &genesis, &[Hash::ZERO, root]), "the control: of a chain with that root");
    }

    #[test]
    fn a_kind_has_one_name() {
        for kind in Kind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
        }
        assert_eq!("snapshots".parse::<Kind>(), Err(UnknownKind { got: "snapshots".to_owned() }));
    }
}
