//! The machine among scripted peers in the [`world`] of a simulation: honest, slow, lying or gone.

mod liars;
mod lines;
mod stretches;
mod watchdog;
mod world;

use super::handle::SyncPhase;
use super::machine::{SyncAction, SyncEvent};
use crate::NetworkEvent;
use cairn_chain::Misbehaviour;
use cairn_ledger::units::Height;
use std::time::Duration;
use world::{Manner, Peer, World, grow};

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn a_late_joiner_gets_everything_and_says_how_far_it_is() {
    let chain = grow(&[], 5_000, 1);
    let mut world = World::new(&[]);
    assert_eq!(world.machine.status(world.now).phase, SyncPhase::Discovering);
    let peer = world.join(1, Peer::honest(&chain));
    world.step();
    world.step();
    let status = world.machine.status(world.now);
    assert_eq!((status.phase, status.target), (SyncPhase::Headers, Height::new(5_000)));
    world.run_until(&chain[4_999], seconds(30));
    assert_eq!(world.misbehaviours(peer), []);
    assert_eq!(world.bodies_asked(peer), 5_000, "each body once");
    assert_eq!(world.headers_asked(), 3, "2 000, 2 000, and the last 1 000");
}

#[test]
fn peers_share_the_work() {
    let chain = grow(&[], 5_000, 1);
    let mut world = World::new(&[]);
    let peers = [1, 2, 3].map(|number| world.join(number, Peer::honest(&chain)));
    world.run_until(&chain[4_999], seconds(30));
    let shares = peers.map(|peer| world.bodies_asked(peer));
    assert_eq!(shares.iter().sum::<usize>(), 5_000);
    assert!(shares.iter().all(|share| *share > 500), "{shares:?}");
}

#[test]
fn a_stalling_peer_is_replaced_within_seconds() {
    for manner in [Manner::Stalls, Manner::Silent] {
        let chain = grow(&[], 1_000, 1);
        let mut world = World::new(&[]);
        // It claims more than the honest one, so it is asked first.
        let staller = world.join(1, Peer { claims: Some(1_001), ..Peer::of(manner, &chain) });
        let honest = world.join(2, Peer::honest(&chain));
        world.run_until(&chain[999], seconds(20));
        world.run_for(seconds(5));
        assert!(
            world.misbehaviours(staller).iter().all(|misbehaviour| *misbehaviour == Misbehaviour::Stalled),
            "{manner:?}"
        );
        assert!(!world.misbehaviours(staller).is_empty(), "{manner:?}");
        assert_eq!(world.misbehaviours(honest), [], "{manner:?}");
    }
}

#[test]
fn a_lying_peer_is_reported_and_only_its_pieces_are_asked_again() {
    let chain = grow(&[], 2_000, 1);
    // Whoever comes first brings the headers. When that is the liar, they are forgotten with it; what the honest one
    // sends before they have come again was once asked of it again.
    for is_first in [false, true] {
        let mut world = World::new(&[]);
        let liar = |world: &mut World| world.join(7, Peer::of(Manner::Lies, &chain));
        let first = is_first.then(|| liar(&mut world));
        let honest = world.join(8, Peer::honest(&chain));
        let liar = first.unwrap_or_else(|| liar(&mut world));
        world.run_until(&chain[1_999], seconds(30));
        assert!(world.misbehaviours(liar).contains(&Misbehaviour::MutatedBody));
        assert!(!world.peers.contains_key(&liar), "it was dropped");
        assert_eq!(world.misbehaviours(honest), []);
        assert_eq!(world.bodies_asked(honest), 2_000, "nothing besides what the liar had sent");
    }
}

#[test]
fn whoever_withholds_bodies_is_passed_over() {
    let chain = grow(&[], 500, 1);
    let mut world = World::new(&[]);
    let withholder = world.join(1, Peer::of(Manner::Withholds, &chain));
    let honest = world.join(2, Peer::honest(&chain));
    world.run_until(&chain[499], seconds(20));
    assert!(world.misbehaviours(withholder).iter().all(|misbehaviour| *misbehaviour == Misbehaviour::Stalled));
    assert_eq!(world.misbehaviours(honest), []);
}

#[test]
fn a_peer_that_vanishes_leaves_nothing_undone() {
    let chain = grow(&[], 3_000, 1);
    let mut world = World::new(&[]);
    let first = world.join(1, Peer::honest(&chain));
    let second = world.join(2, Peer::honest(&chain));
    while world.chain.tip().height() < Height::new(200) {
        world.step();
    }
    // The chain forgets the headers of a peer that is gone.
    world.leave(first);
    world.chain.forget_headers();
    world.run_until(&chain[2_999], seconds(30));
    assert_eq!(world.misbehaviours(second), []);
}

#[test]
fn a_branch_with_more_work_wins_over_our_own() {
    let common = grow(&[], 100, 1);
    let (ours, theirs) = (grow(&common, 30, 2), grow(&common, 50, 3));
    let mut world = World::new(&ours);
    let peer = world.join(1, Peer::honest(&theirs));
    world.run_until(&theirs[149], seconds(10));
    assert_eq!(world.bodies_asked(peer), 50);
}

/// Where two parts of the network meet, those who are as high once were asked one after the other, and none had it.
#[test]
fn another_branch_is_asked_of_nobody_who_follows_this_one() {
    let common = grow(&[], 100, 1);
    let (ours, theirs) = (grow(&common, 30, 2), grow(&common, 31, 3));
    let mut world = World::new(&ours);
    let neighbours = [1, 2, 3].map(|number| world.join(number, Peer::honest(&ours)));
    world.run_for(seconds(5));
    let peer = world.join(4, Peer::honest(&theirs));
    world.run_until(&theirs[130], seconds(2));
    assert_eq!(neighbours.map(|neighbour| world.bodies_asked(neighbour)), [0; 3]);
    assert_eq!(world.bodies_asked(peer), 31);
}

#[test]
fn a_long_branch_is_presynced_until_it_has_more_work() {
    let (ours, theirs) = (grow(&[], 3_000, 2), grow(&[], 5_000, 3));
    let mut world = World::new(&ours);
    let peer = world.join(1, Peer::honest(&theirs));
    while !world.log.iter().any(|action| matches!(action, SyncAction::Link { is_presynced: true, .. })) {
        assert_eq!(world.bodies_asked(peer), 0, "its first headers have less work than our chain");
        world.step();
    }
    world.run_until(&theirs[4_999], seconds(30));
    assert_eq!(world.misbehaviours(peer), []);
}

#[test]
fn a_branch_with_less_work_costs_no_bodies() {
    let (ours, theirs) = (grow(&[], 3_000, 2), grow(&[], 2_500, 3));
    let mut world = World::new(&ours);
    let peer = world.join(1, Peer::honest(&theirs));
    world.after(seconds(1), SyncEvent::Network(NetworkEvent::MissedBlock { peer, id: theirs[2_499].id() }));
    world.run_for(seconds(120));
    assert_eq!((world.bodies_asked(peer), world.headers_asked()), (0, 3));
    assert_eq!(world.machine.status(world.now).phase, SyncPhase::CaughtUp);
}

#[test]
fn a_block_without_a_parent_brings_its_branch() {
    let common = grow(&[], 100, 1);
    let (ours, theirs) = (grow(&common, 5, 2), grow(&common, 9, 3));
    let mut world = World::new(&ours);
    // Its status is old: only gossip shows that it knows more.
    let peer = world.join(1, Peer { claims: Some(100), ..Peer::honest(&theirs) });
    world.run_for(seconds(1));
    assert_eq!(world.headers_asked(), 0);
    world.after(Duration::ZERO, SyncEvent::Network(NetworkEvent::MissedBlock { peer, id: theirs[108].id() }));
    world.run_until(&theirs[108], seconds(5));
}

#[test]
fn empty_claims_never_keep_sync_busy() {
    for manner in [Manner::Boasts, Manner::Silent, Manner::Repeats, Manner::Detached] {
        let chain = grow(&[], 2_500, 1);
        let mut world = World::new(&chain[..100]);
        let theirs = if manner == Manner::Detached { grow(&[], 500, 7) } else { chain[..100].to_vec() };
        let boaster = world.join(1, Peer { claims: Some(1_000_000), ..Peer::of(manner, &theirs) });
        let honest = world.join(2, Peer::honest(&chain));
        world.run_until(&chain[2_499], seconds(30));
        world.log.clear();
        world.run_for(seconds(600));
        assert!(world.headers_asked() <= 100, "{manner:?}: {}", world.headers_asked());
        assert_eq!(world.bodies_asked(boaster), 0, "{manner:?}");
        assert_eq!(world.misbehaviours(honest), [], "{manner:?}");
        assert_eq!(world.machine.status(world.now).phase, SyncPhase::CaughtUp, "{manner:?}");
    }
}

#[test]
fn headers_without_bodies_do_not_keep_sync_busy() {
    let chain = grow(&[], 200, 1);
    let better = grow(&chain, 2, 5);
    let mut world = World::new(&chain);
    let honest = world.join(1, Peer::honest(&chain));
    world.run_for(seconds(1));
    let withholder = world.join(2, Peer::of(Manner::Withholds, &better));
    world.run_for(seconds(600));
    assert_eq!(world.machine.status(world.now).phase, SyncPhase::CaughtUp, "two blocks behind is not behind");
    assert!(world.bodies_asked(honest) + world.bodies_asked(withholder) <= 600);
    assert!(!world.misbehaviours(withholder).is_empty());
    assert_eq!(world.misbehaviours(honest), []);
}

/// Six headers whose bodies nobody got kept every miner idle for as long as their senders stayed.
#[test]
fn headers_whose_bodies_are_withheld_keep_no_miner_waiting() {
    let chain = grow(&[], 200, 1);
    let mut world = World::new(&chain);
    world.join(1, Peer::honest(&chain));
    for number in 2..8 {
        world.join(number, Peer::of(Manner::Withholds, &grow(&chain, 6, number)));
    }
    world.join(9, Peer { claims: Some(1_000_000), ..Peer::of(Manner::Boasts, &chain) });
    world.run_for(seconds(16));
    for _ in 0..600 {
        world.run_for(seconds(1));
        assert!(!world.machine.status(world.now).is_gaining);
    }
}

/// The honest twin: whoever brings the bodies is not raced on block 0.
#[test]
fn a_late_joiner_does_not_mine_while_blocks_come() {
    let chain = grow(&[], 5_000, 1);
    let mut world = World::new(&[]);
    world.chain.body = world::body_of(50);
    world.join(1, Peer { rate: Some(200.0 * 1024.0), ..Peer::honest(&chain) });
    world.step();
    world.step();
    while world.chain.tip().height() < Height::new(4_990) {
        assert!(world.machine.status(world.now).is_gaining, "at {}", world.chain.tip().height());
        world.step();
    }
    world.run_until(&chain[4_999], seconds(30));
    assert!(!world.machine.status(world.now).is_gaining);
}

#[test]
fn whoever_follows_an_invalid_chain_is_reported_and_left() {
    let honest_chain = grow(&[], 300, 1);
    let bad_chain = grow(&honest_chain[..200], 200, 2);
    let mut world = World::new(&[]);
    world.chain.invalid = Some(bad_chain[250].id());
    let bad = world.join(1, Peer::of(Manner::Honest, &bad_chain));
    let honest = world.join(2, Peer::honest(&honest_chain));
    world.run_until(&honest_chain[299], seconds(30));
    assert!(world.misbehaviours(bad).iter().any(|misbehaviour| matches!(misbehaviour, Misbehaviour::InvalidBlock(_))));
    assert_eq!(world.misbehaviours(honest), []);
}

#[test]
fn missed_moves_of_the_chain_are_made_up_for() {
    let chain = grow(&[], 1_000, 1);
    let mut world = World::new(&[]);
    world.join(1, Peer::honest(&chain));
    while world.chain.tip().height() < Height::new(100) {
        world.step();
    }
    world.queue.retain(|_, event| !matches!(event, SyncEvent::TipMoved { .. }));
    let tip = world.chain.tip();
    world.after(Duration::ZERO, SyncEvent::MovesMissed { tip });
    world.run_until(&chain[999], seconds(30));
}

/// A node once said that it had caught up when it had fetched all, with a hundred blocks left to connect.
#[test]
fn a_node_whose_chain_still_connects_what_was_fetched_has_not_caught_up() {
    let chain = grow(&[], 100, 1);
    let mut world = World::new(&[]);
    world.join(1, Peer::honest(&chain));
    let mut held_back = Vec::new();
    while held_back.is_empty() || !world.queue.values().all(|event| matches!(event, SyncEvent::Tick)) {
        world.step();
        let moves = world.queue.extract_if(.., |_, event| matches!(event, SyncEvent::TipMoved { .. }));
        held_back.extend(moves.map(|(_, event)| event));
    }
    let status = world.machine.status(world.now);
    assert_eq!((status.phase, status.height.get(), status.best_header.get()), (SyncPhase::Bodies, 0, 100));
    held_back.into_iter().for_each(|event| world.after(Duration::ZERO, event));
    world.run_for(seconds(1));
    assert_eq!(world.machine.status(world.now).phase, SyncPhase::CaughtUp);
}

#[test]
fn the_same_events_give_the_same_actions() {
    let chain = grow(&[], 1_500, 1);
    let run = || {
        let mut world = World::new(&[]);
        world.join(1, Peer::of(Manner::Lies, &chain));
        world.join(2, Peer::of(Manner::Stalls, &chain));
        world.join(3, Peer::honest(&chain));
        world.run_until(&chain[1_499], seconds(60));
        (world.now - world.start, world.log)
    };
    assert_eq!(run(), run());
}
