//! The machine among scripted peers in the [`world`] of a simulation: honest, slow, lying or gone. What is here is a
//! model.

mod headers;
mod runs;
mod world;

use super::machine::{End, Reason};
use crate::sync::handle::{SnapshotProgress, Stall, SyncPhase};
use cairn_ledger::units::Height;
use std::time::Duration;
use world::{EVERY, Peer, RUNS, World, grow};

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn a_new_node_gets_headers_and_accounts_and_says_how_far_it_is() {
    let chain = grow(&[], 4_500, 1);
    let mut world = World::new();
    assert_eq!(world.machine.status(world.now).phase, SyncPhase::Discovering);
    let peers = [1, 2, 3].map(|number| world.join(number, Peer::holder(&chain)));
    world.run_for(Duration::from_millis(10));
    let status = world.machine.status(world.now);
    assert_eq!((status.phase, status.target, status.is_gaining), (SyncPhase::Headers, Height::new(4_500), true));
    world.run_until(seconds(30), |world| world.here.runs.len() == 3);
    world.run_for(Duration::from_millis(2));
    let status = world.machine.status(world.now);
    assert_eq!((status.phase, status.best_header), (SyncPhase::Snapshot, Height::new(4_500)));
    let expected = SnapshotProgress {
        height: Height::new(4_200),
        here: status.snapshot.map_or(0, |it| it.here),
        runs: Some(RUNS),
    };
    assert_eq!(status.snapshot, Some(expected));
    let progress = expected.here as f64 / RUNS as f64;
    assert!(expected.here >= 3 && (status.progress() - progress).abs() < 1e-9, "{}", status.progress());
    assert_eq!(world.run_to_end(seconds(30)).0, End::Complete);
    assert_eq!(world.here.runs.len() as u64, RUNS);
    assert_eq!(peers.map(|peer| world.headers_asked(peer)).iter().sum::<usize>(), 3, "2 000, 2 000 and the last 500");
    assert!(peers.iter().all(|peer| world.misbehaviours(*peer).is_empty()));
    let shares = peers.map(|peer| world.runs_asked(peer));
    assert!(shares.iter().all(|share| *share > 0), "all share the work: {shares:?}");
    assert_eq!(shares.iter().sum::<usize>() as u64, RUNS, "each run once");
}

#[test]
fn a_chain_that_is_too_short_is_fetched_from_its_genesis() {
    for (length, end) in [
        (0, End::GivenUp(Reason::TooShort)),
        (2 * EVERY - 1, End::GivenUp(Reason::TooShort)),
        (2 * EVERY, End::Complete),
    ] {
        let mut world = World::new();
        let peer = world.join(1, Peer::holder(&grow(&[], length, 1)));
        assert_eq!(world.run_to_end(seconds(30)).0, end, "{length}");
        assert_eq!(world.misbehaviours(peer), []);
    }
}

#[test]
fn alone_it_waits_and_says_so() {
    let mut world = World::new();
    world.run_for(seconds(300));
    assert_eq!((world.end, world.machine.status(world.now).phase), (None, SyncPhase::Stalled(Stall::NoPeer)));
    world.join(1, Peer::holder(&grow(&[], 700, 1)));
    assert_eq!(world.run_to_end(seconds(30)).0, End::Complete, "the control");
}

/// Whatever was here goes on after a crash: no header and no run comes twice.
#[test]
fn a_restart_in_the_middle_goes_on_where_it_was() {
    let chain = grow(&[], 2_500, 1);
    let mut world = World::new();
    let peer = world.join(1, Peer::holder(&chain));
    world.run_until(seconds(30), |world| world.here.chain.tip.header().height >= Height::new(2_000));
    world.restart();
    world.run_until(seconds(30), |world| world.here.runs.len() == 5);
    assert_eq!(world.headers_asked(peer), 2, "no header twice");
    let asked = world.runs_asked(peer);
    // Meanwhile the chain has grown, past the next height with a snapshot: the pivot stays.
    world.change(peer, |peer| peer.boast = 0);
    world.restart();
    assert_eq!(world.run_to_end(seconds(30)).0, End::Complete);
    assert!(world.runs_asked(peer) <= asked + RUNS as usize - 5, "no run that was here comes again");
    assert_eq!(world.misbehaviours(peer), []);
    // A crash between the last run and the move to the pivot.
    world.end = None;
    world.restart();
    assert_eq!(world.run_to_end(seconds(30)).0, End::Complete);
}

#[test]
fn a_chain_that_moves_by_itself_ends_it() {
    let mut world = World::new();
    world.join(1, Peer::holder(&grow(&[], 700, 1)));
    world.run_for(Duration::from_millis(10));
    world.after(Duration::ZERO, super::machine::RestoreEvent::ChainMoved);
    assert_eq!(world.run_to_end(seconds(1)).0, End::GivenUp(Reason::Moved));
    world.run_for(seconds(60));
    assert_eq!(world.runs_asked(cairn_chain::PeerNumber(1)), 0, "nothing is asked for any more");
}

#[test]
fn whoever_goes_on_is_told_of_all_peers() {
    let mut world = World::new();
    let chain = grow(&[], 700, 1);
    let peers = [1, 2].map(|number| world.join(number, Peer::holder(&chain)));
    let gone = world.join(3, Peer::other(&chain));
    world.run_for(seconds(1));
    world.leave(gone);
    world.run_to_end(seconds(30));
    let told: Vec<_> = world.machine.into_peers().collect();
    assert_eq!(told.len(), peers.len());
    assert!(
        told.iter()
            .all(|event| matches!(event, crate::NetworkEvent::PeerUp { status, .. } if status.height.get() == 700))
    );
}
