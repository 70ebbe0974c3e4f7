//! Headers whose parent is unknown: a few for each origin, so that a flood by one harms no other.

use crate::verdict::Origin;
use cairn_ledger::{BlockId, validate::WorkCheckedHeader};
use std::collections::VecDeque;

/// Orphans of one origin; the oldest makes room.
const PER_ORIGIN: usize = 8;
/// Orphans of all origins; the oldest makes room.
const IN_ALL: usize = 256;

/// Headers that wait for their parent. Each has shown work, but not that it belongs to any chain.
#[derive(Debug, Default)]
pub(crate) struct Orphans(VecDeque<(Origin, WorkCheckedHeader)>);

impl Orphans {
    /// Keeps an orphan, in place of the oldest when its origin or all together have too many.
    pub(crate) fn insert(&mut self, origin: Origin, orphan: WorkCheckedHeader) {
        if self.0.iter().any(|(_, known)| known.id() == orphan.id()) {
            return;
        }
        let same = |(theirs, _): &(Origin, WorkCheckedHeader)| *theirs == origin;
        let oldest = if self.0.iter().filter(|entry| same(entry)).count() >= PER_ORIGIN {
            self.0.iter().position(same)
        } else {
            (self.0.len() >= IN_ALL).then_some(0)
        };
        oldest.and_then(|at| self.0.remove(at));
        self.0.push_back((origin, orphan));
    }

    /// Takes out the orphans whose parent is `parent`.
    pub(crate) fn take_children(&mut self, parent: &BlockId) -> Vec<(Origin, WorkCheckedHeader)> {
        let all = std::mem::take(&mut self.0).into_iter();
        let (children, rest): (VecDeque<_>, VecDeque<_>) =
            all.partition(|(_, orphan)| orphan.header().parent == *parent);
        self.0 = rest;
        children.into()
    }

    /// Forgets the orphans of an origin.
    pub(crate) fn forget(&mut self, origin: Origin) {
        self.0.retain(|(theirs, _)| *theirs != origin);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::PeerNumber;
    use cairn_ledger::testing::{easy_network, seal};
    use cairn_ledger::{ChainSpec, validate::check_work};
    use std::sync::LazyLock;

    fn orphan(n: u64) -> WorkCheckedHeader {
        static NETWORK: LazyLock<ChainSpec> = LazyLock::new(easy_network);
        let spec = &NETWORK;
        let mut header = spec.genesis().clone();
        header.beneficiary = cairn_ledger::testing::key(1).address();
        header.parent = BlockId::from_bytes([(n % 7) as u8; 32]);
        header.time = header.time.saturating_add(n);
        check_work(spec, seal(header)).expect("a sealed header")
    }

    #[test]
    fn an_orphan_flood_by_one_peer_leaves_the_orphans_of_others() {
        let mut orphans = Orphans::default();
        let (honest, flooder) = (Origin::Peer(PeerNumber(1)), Origin::Peer(PeerNumber(2)));
        orphans.insert(honest, orphan(0));
        (1..1000).for_each(|n| orphans.insert(flooder, orphan(n)));
        assert_eq!(orphans.0.len(), 1 + PER_ORIGIN);
        assert_eq!(
            orphans.take_children(&orphan(0).header().parent).iter().filter(|(origin, _)| *origin == honest).count(),
            1
        );
        orphans.forget(flooder);
        assert!(orphans.0.is_empty());
    }

    #[test]
    fn many_origins_together_stay_bounded() {
        let mut orphans = Orphans::default();
        (0..1000).for_each(|n| orphans.insert(Origin::Peer(PeerNumber(n)), orphan(n)));
        assert_eq!(orphans.0.len(), IN_ALL);
    }
}
