//! Sync says what it does, and when it does not get on, why.

use super::seconds;
use super::world::{Manner, Peer, World, grow};
use crate::sync::handle::{Stall, SyncPhase};
use crate::sync::machine::{SyncAction, SyncEvent};
use cairn_chain::{BlockOutcome, HeaderOutcome};
use cairn_ledger::units::Height;

fn phase(world: &World) -> SyncPhase {
    world.machine.status(world.now).phase
}

fn searches(world: &World) -> usize {
    world.log.iter().filter(|action| matches!(action, SyncAction::SeekOthers { .. })).count()
}

#[test]
fn a_node_without_peers_says_so_unless_its_network_is_local() {
    let mut world = World::new(&[]);
    world.run_for(seconds(59));
    assert_eq!(phase(&world), SyncPhase::Discovering);
    world.run_for(seconds(10));
    assert_eq!(phase(&world), SyncPhase::Stalled(Stall::NoPeer));
    let chain = grow(&[], 100, 1);
    let peer = world.join(1, Peer::honest(&chain));
    world.run_until(&chain[99], seconds(10));
    world.leave(peer);
    world.run_for(seconds(30));
    assert_eq!(phase(&world), SyncPhase::Discovering, "it is told once it lasts");
    world.run_for(seconds(60));
    assert_eq!(phase(&world), SyncPhase::Stalled(Stall::NoPeer));

    let mut local = World::local(&[]);
    local.run_for(seconds(600));
    assert_eq!(phase(&local), SyncPhase::Discovering, "the negative control");
}

#[test]
fn a_withheld_body_is_named_and_asked_of_another_peer() {
    let chain = grow(&[], 500, 1);
    let mut world = World::new(&[]);
    world.join(1, Peer::of(Manner::Withholds, &chain));
    world.run_for(seconds(5));
    assert_eq!((phase(&world), searches(&world)), (SyncPhase::Bodies, 1), "others are looked for at once");
    world.run_for(seconds(120));
    assert_eq!(phase(&world), SyncPhase::Stalled(Stall::NoBodies { height: Height::new(1) }));
    assert!((5..=12).contains(&searches(&world)), "{} searches in two minutes", searches(&world));
    // A provider is found: it recovers by itself.
    let provider = world.join(2, Peer::honest(&chain));
    world.run_until(&chain[499], seconds(20));
    assert_eq!(world.misbehaviours(provider), []);
    let before = searches(&world);
    world.run_for(seconds(120));
    assert_eq!(searches(&world), before, "the negative control: nothing is lacking now");
}

#[test]
fn a_peer_that_lacked_a_body_for_a_while_is_enough_once_it_has_it() {
    let chain = grow(&[], 3_000, 1);
    let mut world = World::new(&[]);
    let peer = world.join(1, Peer { rate: Some(20.0 * 1024.0), ..Peer::of(Manner::Withholds, &chain) });
    world.chain.body = super::world::body_of(5);
    world.run_for(seconds(5));
    assert!(searches(&world) > 0);
    world.peers.get_mut(&peer).expect("still here").manner = Manner::Honest;
    world.run_for(seconds(15));
    assert_eq!(phase(&world), SyncPhase::Bodies, "it is on its way");
    let before = searches(&world);
    world.run_until(&chain[2_999], seconds(300));
    assert_eq!(searches(&world), before, "nobody else is looked for");
}

#[test]
fn peers_that_do_not_answer_are_named_as_the_reason() {
    let chain = grow(&[], 500, 1);
    let mut world = World::new(&[]);
    world.join(1, Peer::of(Manner::Stalls, &chain));
    world.run_for(seconds(30));
    assert_eq!(phase(&world), SyncPhase::Stalled(Stall::NoAnswers { height: Height::new(1) }));
    assert!(searches(&world) > 0);
    world.join(2, Peer::honest(&chain));
    world.run_until(&chain[499], seconds(30));
}

#[test]
fn claims_without_headers_are_named_as_the_reason() {
    let mut world = World::new(&[]);
    world.join(1, Peer { claims: Some(1_000), ..Peer::of(Manner::Silent, &grow(&[], 10, 1)) });
    world.run_for(seconds(30));
    assert_eq!(phase(&world), SyncPhase::Stalled(Stall::NoHeaders));
}

#[test]
fn a_clock_that_is_behind_is_named_as_the_reason() {
    let chain = grow(&[], 100, 1);
    let mut world = World::new(&[]);
    world.chain.is_early = true;
    world.join(1, Peer::honest(&chain));
    world.run_for(seconds(30));
    assert_eq!(phase(&world), SyncPhase::Stalled(Stall::Clock));
    // The operator sets it.
    world.chain.is_early = false;
    world.run_until(&chain[99], seconds(120));
}

#[test]
fn a_clock_that_is_set_back_later_is_named_too_and_a_few_who_show_such_headers_are_not_believed() {
    let chain = grow(&[], 120, 1);
    let mut world = World::new(&[]);
    for number in 1..=3 {
        world.join(number, Peer::honest(&chain[..100]));
    }
    world.run_until(&chain[99], seconds(30));
    world.run_for(seconds(30));
    assert_eq!(phase(&world), SyncPhase::CaughtUp);
    // One of them shows what is from the future by this clock: its word against that of the others.
    world.chain.is_early = true;
    world.join(4, Peer::honest(&chain));
    world.run_for(seconds(30));
    assert_eq!(phase(&world), SyncPhase::CaughtUp, "the negative control");
    for number in 5..=8 {
        world.join(number, Peer::honest(&chain));
    }
    world.run_for(seconds(30));
    assert_eq!(phase(&world), SyncPhase::Stalled(Stall::Clock));
    world.chain.is_early = false;
    world.run_until(&chain[119], seconds(120));
    world.run_for(seconds(5));
    assert_eq!(phase(&world), SyncPhase::CaughtUp);
}

#[test]
fn a_tip_from_the_future_is_told_at_once_with_and_without_peers() {
    let chain = grow(&[], 10, 1);
    let mut world = World::local(&chain);
    let read = |world: &mut World, is_behind| {
        let event = SyncEvent::ClockRead { is_behind };
        let actions = world.machine.on_event(world.now, Height::new(10), event).unwrap_or_default();
        assert_eq!(actions, []);
        phase(world)
    };
    assert_eq!(read(&mut world, false), SyncPhase::Discovering);
    assert_eq!(read(&mut world, true), SyncPhase::Stalled(Stall::Clock));
    assert_eq!(read(&mut world, false), SyncPhase::Discovering);
}

#[test]
fn a_chain_that_takes_nothing_in_is_named_as_the_reason() {
    let chain = grow(&[], 500, 1);
    let mut world = World::new(&[]);
    world.chain.is_stuck = true;
    world.join(1, Peer::honest(&chain));
    world.run_for(seconds(30));
    assert_eq!(phase(&world), SyncPhase::Stalled(Stall::Disk));
}

#[test]
fn progress_has_a_rate_and_an_end() {
    let chain = grow(&[], 4_000, 1);
    let mut world = World::new(&[]);
    world.chain.body = super::world::body_of(250);
    world.join(1, Peer { rate: Some(500.0 * 1024.0), ..Peer::honest(&chain) });
    world.run_for(seconds(15));
    let status = world.machine.status(world.now);
    assert_eq!((status.phase, status.target), (SyncPhase::Bodies, Height::new(4_000)));
    let left = status.left.expect("it gets on").as_secs_f64();
    let began = world.now;
    world.run_until(&chain[3_999], seconds(300));
    let took = (world.now - began).as_secs_f64();
    assert!((left - took).abs() < 0.25 * took, "said {left}, took {took}");
    assert_eq!(world.machine.status(world.now).progress(), 1.0);
}

/// A branch with more work whose bodies were all here but one far down was taken for nothing: what is here was not
/// counted, so the header whose body was lacking seemed to lead nowhere, and the node stayed behind for ever.
#[test]
fn a_single_body_that_is_lacking_below_others_is_asked_for() {
    let (ours, theirs) = (grow(&[], 10, 1), grow(&[], 20, 2));
    let mut world = World::new(&ours);
    let body = world.chain.body.clone();
    for (place, header) in theirs.iter().enumerate() {
        assert!(matches!(world.chain.link(header, true), HeaderOutcome::Linked(_)));
        if place != 2 {
            let (outcome, connected) = world.chain.import(header.id(), &body);
            assert_eq!((outcome, connected.len()), (Ok(BlockOutcome::Waiting), 0));
        }
    }
    let honest = world.join(1, Peer::honest(&theirs));
    world.run_until(&theirs[19], seconds(10));
    assert_eq!((world.bodies_asked(honest), world.misbehaviours(honest)), (1, vec![]));
}
