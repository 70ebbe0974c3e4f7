//! What waiting for the network comes to.

use super::*;
use cairn_ledger::{pow::Work, units::Height};

fn status(height: u64) -> PeerStatus {
    PeerStatus {
        genesis_id: BlockId::ZERO,
        tip: BlockId::ZERO,
        height: Height::new(height),
        total_work: Work::from_u64(height),
        now: Timestamp::from_millis(0),
        lowest_body: Height::GENESIS,
        snapshots: BoundedVec::default(),
        rules_id: Hash::ZERO,
        upgrades: BoundedVec::default(),
        stretches: BoundedVec::default(),
    }
}

fn kind() -> PeerKind {
    PeerKind::default()
}

#[test]
fn a_backlog_is_bounded_by_the_number_of_peers() {
    let mut backlog = Backlog::default();
    for round in 0..1000 {
        for peer in (0..4).map(PeerNumber) {
            backlog.push(NetworkEvent::PeerStatus { peer, kind: kind(), status: status(round) });
            backlog.push(NetworkEvent::MissedBlock { peer, id: BlockId::ZERO });
        }
        let passing = PeerNumber(100 + round);
        backlog.push(NetworkEvent::PeerUp { peer: passing, kind: kind(), status: status(0) });
        backlog.push(NetworkEvent::PeerStatus { peer: passing, kind: kind(), status: status(1) });
        backlog.push(NetworkEvent::PeerDown { peer: passing });
    }
    assert_eq!(backlog.0.len(), 8);
    assert_eq!(
        backlog.pop(),
        Some(NetworkEvent::PeerStatus { peer: PeerNumber(0), kind: kind(), status: status(999) })
    );
}

#[test]
fn that_a_peer_is_gone_is_never_lost() {
    let mut backlog = Backlog::default();
    backlog.push(NetworkEvent::PeerStatus { peer: PeerNumber(1), kind: kind(), status: status(1) });
    backlog.push(NetworkEvent::PeerDown { peer: PeerNumber(1) });
    assert_eq!(backlog.pop(), Some(NetworkEvent::PeerDown { peer: PeerNumber(1) }));
    assert!(backlog.is_empty());
}
