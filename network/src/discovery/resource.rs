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
    /// Some blocks of the history, by the [hash](stretch_hash) that says which.
    Stretch,
}

impl Kind {
    const ALL: [Self; 3] = [Self::FullHistory, Self::Snapshot, Self::Stretch];

    /// The first byte of its keys; never used again for something else.
    fn byte(self) -> u8 {
        match self {
            Self::FullHistory => 1,
            Self::Snapshot => 2,
            Self::Stretch => 3,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::FullHistory => "full_history",
            Self::Snapshot => "snapshot",
            Self::Stretch => "stretch",
        }
    }
}

/// Text that names no kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("got {got:?}, expected a kind of resource: full_history, snapshot or stretch")]
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

    /// A stretch of the history of a network.
    pub(crate) fn stretch(genesis_id: &BlockId, number: u64, blocks: u64) -> Self {
        Self::new(Kind::Stretch, stretch_hash(genesis_id, number, blocks))
    }

    /// Its key in the DHT: `kind u8 ‖ hash 32`.
    pub fn key(&self) -> Vec<u8> {
        [&[self.kind.byte()][..], &self.hash].concat()
    }
}

/// Which stretch: `genesis_id 16 ‖ number u64 ‖ blocks u64`, the numbers big-endian, so that whoever is to remember it
/// sees whether there is such a one.
pub fn stretch_hash(genesis_id: &BlockId, number: u64, blocks: u64) -> [u8; 32] {
    let mut hash = [0; 32];
    hash[..16].copy_from_slice(&genesis_id.as_bytes()[..16]);
    hash[16..24].copy_from_slice(&number.to_be_bytes());
    hash[24..].copy_from_slice(&blocks.to_be_bytes());
    hash
}

/// Stretches of which providers are remembered, the first ones: of 4 096 blocks each, those of sixteen years. So many,
/// each with all providers that are remembered of it, take some 20 MB.
pub(crate) const MAX_KNOWN_STRETCHES: u64 = 4_096;

/// What nodes of this network serve. Of nothing else providers are remembered: strangers could fill the store with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<'a> {
    /// Of the history.
    pub(crate) genesis_id: &'a BlockId,
    /// Of snapshots.
    pub(crate) state_roots: &'a [Hash],
    /// Blocks in a stretch, and how many stretches there are.
    pub(crate) stretches: (u64, u64),
}

impl Known<'_> {
    /// What a key means, if it means anything.
    pub(crate) fn kind_of(&self, key: &[u8]) -> Option<Kind> {
        let (blocks, count) = self.stretches;
        let number = || Some(u64::from_be_bytes(*key.get(17..)?.first_chunk()?));
        let is_stretch = |number: &u64| {
            *number < count.min(MAX_KNOWN_STRETCHES) && key == Resource::stretch(self.genesis_id, *number, blocks).key()
        };
        if key == Resource::full_history(self.genesis_id).key() {
            Some(Kind::FullHistory)
        } else if self.state_roots.iter().any(|state_root| key == Resource::snapshot(state_root).key()) {
            Some(Kind::Snapshot)
        } else {
            number().filter(is_stretch).map(|_| Kind::Stretch)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_kind_and_a_hash_and_others_are_not_stored() {
        let genesis = BlockId::from_bytes([7; 32]);
        let key = Resource::full_history(&genesis).key();
        assert_eq!(key, [&[1][..], &[7; 32]].concat());
        let known = |key: &[u8], state_roots: &[Hash]| {
            Known { genesis_id: &genesis, state_roots, stretches: (100, 5) }.kind_of(key)
        };
        assert_eq!(known(&key, &[]), Some(Kind::FullHistory));
        for other in [vec![], vec![1; 33], [&[2][..], &[7; 32]].concat(), [&[1][..], &[7; 33]].concat()] {
            assert_eq!(known(&other, &[Hash::ZERO]), None, "{other:?}");
        }
        let root = Hash::from_bytes([7; 32]);
        let snapshot = Resource::snapshot(&root).key();
        assert_eq!(snapshot, [&[2][..], &[7; 32]].concat());
        assert_eq!(
            known(&snapshot, &[Hash::ZERO, root]),
            Some(Kind::Snapshot),
            "the control: of a chain with that root"
        );
    }

    #[test]
    fn of_stretches_that_the_chain_has_providers_are_remembered_and_of_no_others() {
        let (genesis, other) = (BlockId::from_bytes([7; 32]), BlockId::from_bytes([8; 32]));
        let known = Known { genesis_id: &genesis, state_roots: &[], stretches: (100, 5) };
        let kind = |genesis_id, number, blocks| known.kind_of(&Resource::stretch(genesis_id, number, blocks).key());
        assert_eq!(Resource::stretch(&genesis, 4, 100).key().first(), Some(&3));
        assert_eq!((kind(&genesis, 0, 100), kind(&genesis, 4, 100)), (Some(Kind::Stretch), Some(Kind::Stretch)));
        for (genesis_id, number, blocks) in
            [(&genesis, 5, 100), (&genesis, u64::MAX, 100), (&genesis, 4, 99), (&other, 4, 100)]
        {
            assert_eq!(kind(genesis_id, number, blocks), None, "{number} of {blocks}");
        }
        let ancient = Known { stretches: (100, u64::MAX), ..known };
        let key = Resource::stretch(&genesis, MAX_KNOWN_STRETCHES, 100).key();
        assert_eq!(ancient.kind_of(&key), None, "they are bounded");
    }

    #[test]
    fn a_kind_has_one_name() {
        for kind in Kind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
        }
        assert_eq!("snapshots".parse::<Kind>(), Err(UnknownKind { got: "snapshots".to_owned() }));
    }
}
