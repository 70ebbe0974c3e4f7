//! Peers that claim more than they have, show headers without end, or withhold bodies, beside honest ones.

use super::seconds;
use super::world::{Manner, Peer, World, body_of, grow, spec, work};
use crate::sync::handle::{SyncPhase, Unfollowed};
use crate::sync::machine::{SyncAction, SyncEvent};
use crate::{NetworkEvent, PeerKind, sync::tree::MAX_AHEAD};
use cairn_chain::{HeaderOutcome, Misbehaviour, PeerNumber};
use cairn_ledger::testing::{HeaderChain, key};
use cairn_ledger::{block::Header, units::Height};
use std::time::Duration;

/// A short chain of heavy blocks: hasty ones, each harder than the last, with more work than so many easy ones.
fn heavy(blocks: u64) -> Vec<Header> {
    let mut chain = HeaderChain::new(spec().clone());
    chain.beneficiary = key(9).address();
    while chain.tip.total_work() <= work(blocks) {
        chain.mine(1);
    }
    chain.headers.split_off(1)
}

fn linked_by_presync(world: &World) -> usize {
    let linked = world.log.iter().filter_map(|action| match action {
        SyncAction::Link { is_presynced: true, headers, .. } => Some(headers.len()),
        _ => None,
    });
    linked.sum()
}

/// Two identities that claimed the most work and answered empty and late once kept a node at block 0 beside three
/// honest peers.
#[test]
fn one_honest_named_peer_among_seven_liars_is_enough() {
    let chain = grow(&[], 5_000, 1);
    let time = |join: &dyn Fn(&mut World)| {
        let mut world = World::new(&[]);
        world.chain.body = body_of(50);
        join(&mut world);
        let rate = Some(500.0 * 1024.0);
        let honest = world.join(8, Peer { rate, ..Peer::honest(&chain).named() });
        while world.chain.tip().id != chain[4_999].id() {
            assert!(world.now < world.start + seconds(600), "at {}", world.chain.tip().height());
            world.step();
        }
        let took = world.now - world.start;
        world.run_until(&chain[4_999], seconds(1));
        assert_eq!(world.misbehaviours(honest), []);
        took
    };
    let undisturbed = time(&|_| {});
    let claims = Some(1_000_000);
    let own = |number: u64| grow(&[], 9_000, 10 + number);
    let liars: [&dyn Fn(u64) -> Peer; 6] = [
        &|_| Peer { claims, ..Peer::of(Manner::Boasts, &chain) },
        &|_| Peer { claims, delay: Duration::from_millis(5_500), ..Peer::of(Manner::Boasts, &chain) },
        &|_| Peer { claims, ..Peer::of(Manner::Silent, &chain) },
        &|number| Peer { claims, ..Peer::of(Manner::Stalls, &own(number)) },
        &|number| Peer { claims, ..Peer::of(Manner::Withholds, &own(number)) },
        &|_| Peer { claims, ..Peer::of(Manner::Repeats, &chain) },
    ];
    for (kind, liar) in liars.iter().enumerate() {
        let disturbed = time(&|world| {
            for number in 1..8 {
                world.join(number, liar(number));
            }
        });
        assert!(disturbed <= 2 * undisturbed, "{kind}: {disturbed:?} instead of {undisturbed:?}");
    }
    let mixed = time(&|world| {
        for number in 1..8 {
            world.join(number, liars[number as usize % 6](number));
        }
    });
    assert!(mixed <= 2 * undisturbed, "{mixed:?} instead of {undisturbed:?}");
}

/// The same where nobody is named: whoever delivers is asked.
#[test]
fn liars_that_nobody_named_do_not_keep_a_node_from_an_honest_peer() {
    let chain = grow(&[], 3_000, 1);
    let claims = Some(1_000_000);
    for delay in [20, 5_500] {
        let mut world = World::new(&[]);
        for number in 1..8 {
            let delay = Duration::from_millis(delay);
            world.join(number, Peer { claims, delay, ..Peer::of(Manner::Boasts, &chain) });
        }
        let honest = world.join(8, Peer::honest(&chain));
        world.run_until(&chain[2_999], seconds(30));
        assert_eq!(world.misbehaviours(honest), []);
        assert!((1..8).any(|liar| world.misbehaviours(PeerNumber(liar)).contains(&Misbehaviour::Unkept)));
    }
}

#[test]
fn an_empty_answer_to_a_claim_costs() {
    let chain = grow(&[], 100, 1);
    let mut world = World::new(&chain);
    let liar = world.join(1, Peer { claims: Some(1_000), ..Peer::of(Manner::Boasts, &chain) });
    // The honest twins: one that is behind, and one that follows the same chain.
    let twins = [(2, 50), (3, 100)].map(|(number, length)| world.join(number, Peer::honest(&chain[..length])));
    for twin in twins {
        world.after(
            seconds(1),
            SyncEvent::Network(NetworkEvent::MissedBlock { peer: twin, id: grow(&chain, 1, 7)[100].id() }),
        );
    }
    world.run_for(seconds(60));
    assert!(world.misbehaviours(liar).contains(&Misbehaviour::Unkept));
    assert!(twins.iter().all(|twin| world.misbehaviours(*twin).is_empty()));
}

/// A node that had seen a short chain of heavy blocks first never followed an honest one that overtook it later.
#[test]
fn a_short_heavy_chain_first_and_an_honest_one_that_overtakes() {
    let (ours, theirs) = (heavy(11_000), grow(&[], 12_000, 1));
    let mut world = World::new(&ours);
    for number in 1..8 {
        world.join(number, Peer { claims: Some(100_000), ..Peer::of(Manner::Boasts, &ours) });
    }
    let honest = world.join(8, Peer::honest(&theirs));
    let mut most = 0;
    while world.chain.tip().id != theirs[11_999].id() {
        assert!(world.now < world.start + seconds(300), "at {}", world.chain.tip().height());
        world.step();
        most = most.max(world.machine.headers_held());
    }
    assert_eq!(world.misbehaviours(honest), []);
    assert!(most as u64 <= MAX_AHEAD + 6_000, "{most} headers in memory");
}

/// Several chains that overtake at once have no room beside each other: one whose headers gave way was never asked for
/// again, when the one that had taken its place was invalid.
#[test]
fn an_honest_chain_is_asked_for_again_after_invalid_ones_took_its_room() {
    let (ours, theirs, false_start) = (heavy(11_000), grow(&[], 12_000, 1), grow(&[], 1, 2));
    let mut world = World::new(&ours);
    world.chain.invalid = Some(false_start[0].id());
    for number in 1..4 {
        world.join(number, Peer::honest(&grow(&false_start, 12_099, 10 + number)));
    }
    let honest = world.join(8, Peer::honest(&theirs));
    world.run_until(&theirs[11_999], seconds(60));
    assert_eq!(world.misbehaviours(honest), []);
}

/// The negative control: one that does not overtake is not followed, and costs no bodies.
#[test]
fn an_honest_chain_that_does_not_overtake_is_left_alone() {
    let (ours, theirs) = (heavy(11_000), grow(&[], 10_000, 1));
    let mut world = World::new(&ours);
    let honest = world.join(1, Peer { claims: Some(100_000), ..Peer::honest(&theirs) });
    let truthful = world.join(2, Peer::honest(&theirs));
    world.after(seconds(1), SyncEvent::Network(NetworkEvent::MissedBlock { peer: truthful, id: theirs[9_999].id() }));
    world.run_for(seconds(120));
    assert_eq!(world.misbehaviours(truthful), []);
    assert!(world.misbehaviours(honest).contains(&Misbehaviour::Unkept), "it claimed more");
    assert_eq!((linked_by_presync(&world), world.bodies_asked(honest) + world.bodies_asked(truthful)), (0, 0));
}

#[test]
fn presync_other_headers_in_the_second_pass() {
    let (ours, first, other) = (heavy(5_000), grow(&[], 9_000, 1), grow(&[], 9_000, 2));
    let mut world = World::new(&ours);
    let liar = world.join(1, Peer::honest(&first));
    let begins = |world: &World| {
        world.log.iter().filter(|action| matches!(action, SyncAction::FetchHeaders { branch, .. } if branch.len() == 2 && branch[0] == branch[1])).count()
    };
    while begins(&world) < 2 {
        world.step();
    }
    let status = Peer { claims: Some(9_000), ..Peer::honest(&other) };
    world.peers.insert(liar, status);
    world.run_for(Duration::from_millis(300));
    assert_eq!((linked_by_presync(&world), world.misbehaviours(liar)), (0, vec![]), "nothing is kept, nobody reported");
    // It begins anew, and follows what is shown twice.
    world.run_until(&other[8_999], seconds(60));
    assert_eq!(world.misbehaviours(liar), []);
}

/// A branch whose bodies did not come was once presynced without end, as soon as nothing else was fetched.
#[test]
fn headers_of_a_presync_wait_for_bodies() {
    let ours = heavy(20_000);
    let (near, far) = (grow(&ours, 2, 2), grow(&[], 30_000, 1));
    let linked = |manner: Manner| {
        let mut world = World::new(&ours);
        world.join(1, Peer::of(manner, &far));
        world.run_for(seconds(10));
        // What is fetched in its stead.
        world.join(2, Peer::honest(&near));
        world.run_for(seconds(40));
        (linked_by_presync(&world) as u64, world.chain.tip().id)
    };
    let ((honest, tip), (withheld, other)) = (linked(Manner::Honest), linked(Manner::Withholds));
    assert!(honest > 2 * MAX_AHEAD && tip == far[29_999].id(), "the control: {honest}");
    assert!(withheld <= MAX_AHEAD + 2_000 && other == near.last().expect("two more").id(), "{withheld}");
}

#[test]
fn a_hundred_peers_with_endless_headers_at_once() {
    let (ours, theirs, endless) = (heavy(11_000), grow(&[], 12_000, 1), grow(&[], 10_500, 2));
    let mut world = World::new(&ours);
    let inbound = PeerKind { inbound: true, ..PeerKind::default() };
    for number in 1..=100 {
        let delay = Duration::from_millis(500);
        let peer = Peer { claims: Some(1_000_000), kind: inbound.clone(), delay, ..Peer::honest(&endless) };
        world.join(number, peer);
    }
    let honest = world.join(101, Peer::honest(&theirs));
    let mut most = 0;
    while world.chain.tip().id != theirs[11_999].id() {
        assert!(world.now < world.start + seconds(300), "at {}", world.chain.tip().height());
        world.step();
        most = most.max(world.machine.presyncs());
    }
    assert!(most <= 5, "{most} at once");
    assert_eq!(world.misbehaviours(honest), []);
}

#[test]
fn peers_that_answer_late_pass_their_turn_on() {
    let (ours, theirs) = (heavy(3_000), grow(&[], 8_000, 1));
    let mut world = World::new(&ours);
    for number in 1..=5 {
        let peer = Peer { delay: seconds(25), claims: Some(50_000), ..Peer::honest(&theirs) };
        world.join(number, peer);
    }
    let honest = world.join(6, Peer::honest(&theirs));
    world.run_until(&theirs[7_999], seconds(90));
    assert_eq!(world.misbehaviours(honest), []);
    assert!(world.misbehaviours(PeerNumber(1)).contains(&Misbehaviour::Stalled));
}

/// The best header once decided alone what was fetched: with its bodies withheld, nothing was.
#[test]
fn a_withheld_branch_keeps_nobody_from_an_honest_one() {
    let stem = grow(&[], 500, 1);
    let honest_chain = grow(&stem, 100, 1);
    let mut world = World::new(&stem[..100]);
    for number in 2..6 {
        world.join(number, Peer::of(Manner::Withholds, &grow(&stem, 100 + number as usize, number)));
    }
    let honest = world.join(1, Peer::honest(&honest_chain));
    for number in 10..14 {
        world.join(number, Peer::honest(&honest_chain));
    }
    let end = world.now + seconds(60);
    while world.chain.tip().id != honest_chain[599].id() {
        assert!(world.now < end, "at {}", world.chain.tip().height());
        world.step();
    }
    assert_eq!(world.misbehaviours(honest), []);
    world.run_for(seconds(60));
    let status = world.machine.status(world.now);
    assert_eq!(status.phase, SyncPhase::CaughtUp);
    assert!(matches!(status.unfollowed, Some(Unfollowed::Withheld { .. })), "{:?}", status.unfollowed);
}

#[test]
fn a_claimed_chain_that_is_not_followed_is_told_of() {
    let chain = grow(&[], 300, 1);
    let mut world = World::new(&chain);
    world.join(1, Peer::honest(&chain));
    world.run_for(seconds(100));
    assert_eq!(world.machine.status(world.now).unfollowed, None, "the control");
    let liar = world.join(2, Peer { claims: Some(1_000), ..Peer::of(Manner::Boasts, &chain) });
    world.run_for(seconds(90));
    let status = world.machine.status(world.now);
    assert_eq!(status.unfollowed, Some(Unfollowed::NotShown { height: Height::new(1_000) }));
    assert_eq!(status.phase, SyncPhase::CaughtUp, "a claim alone makes no node unready");
    world.leave(liar);
    world.run_for(seconds(2));
    assert_eq!(world.machine.status(world.now).unfollowed, None);
}

/// What the chain would not keep is presynced, never linked one by one.
#[test]
fn headers_far_below_the_tip_are_not_linked() {
    let (ours, theirs) = (grow(&[], 1_000, 2), grow(&[], 900, 3));
    let mut world = World::new(&ours);
    assert!(matches!(world.chain.link(&theirs[0], false), HeaderOutcome::Unwanted));
    let near = grow(&ours[..900], 1, 4);
    assert!(matches!(world.chain.link(&near[900], false), HeaderOutcome::Linked(_)), "the control");
}
