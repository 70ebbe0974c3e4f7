//! Lines of different speed: shares follow them, and nobody holds up the others.

use super::seconds;
use super::world::{Manner, Peer, World, body_of, grow, weight};
use crate::sync::machine::{Machine, SyncAction, bodies::WINDOW};
use cairn_chain::{Misbehaviour, PeerNumber, store::BLOCK_BYTES};
use cairn_ledger::block::{Body, Header};
use proptest::prelude::*;
use std::{collections::BTreeMap, time::Duration};

const KIB: f64 = 1024.0;

/// A peer behind a line of so many bytes a second, so far away.
fn behind(rate: f64, delay: u64, manner: Manner, chain: &[Header]) -> Peer {
    Peer { rate: Some(rate), delay: Duration::from_millis(delay), ..Peer::of(manner, chain) }
}

/// A chain of `blocks` blocks with some 10 KB each, and a world whose chain takes them.
fn chain_of(blocks: usize) -> (Vec<Header>, World) {
    let mut world = World::new(&[]);
    world.chain.body = body_of(250);
    (grow(&[], blocks, 1), world)
}

/// What the followed chain weighs.
fn bytes(world: &World, blocks: usize) -> f64 {
    (weight(&world.chain.body) * blocks) as f64
}

/// How often each body was asked for, beyond the first time.
fn asked_again(world: &World) -> usize {
    let mut asked = BTreeMap::<_, usize>::new();
    for action in &world.log {
        if let SyncAction::FetchBodies { ids, .. } = action {
            ids.iter().for_each(|id| *asked.entry(*id).or_default() += 1);
        }
    }
    asked.values().map(|times| times - 1).sum()
}

#[test]
fn shares_follow_speed() {
    let (chain, mut world) = chain_of(3_000);
    let rates = [100.0, 300.0, 900.0].map(|rate| rate * KIB);
    let peers = [1, 2, 3].map(|n: u64| world.join(n, behind(rates[n as usize - 1], 50, Manner::Honest, &chain)));
    world.run_until(&chain[2_999], seconds(60));
    let all: f64 = rates.iter().sum();
    for (peer, rate) in peers.into_iter().zip(rates) {
        let (share, fair) = (world.bodies_asked(peer) as f64 / 3_000.0, rate / all);
        assert!((share - fair).abs() < 0.3 * fair, "{share} of a fair {fair}");
        assert_eq!(world.misbehaviours(peer), []);
    }
    let took = (world.now - world.start).as_secs_f64();
    assert!(took < 1.15 * bytes(&world, 3_000) / all + 4.0, "{took}");
}

#[test]
fn bodies_are_asked_of_those_alone_who_have_not_pruned_them() {
    let (chain, mut world) = chain_of(3_000);
    let pruned = Peer { lowest_body: 2_001, ..behind(900.0 * KIB, 50, Manner::Honest, &chain) };
    let (pruned, whole) = (world.join(1, pruned), world.join(2, behind(900.0 * KIB, 50, Manner::Honest, &chain)));
    world.run_until(&chain[2_999], seconds(120));
    let low: Vec<_> = chain[..2_000].iter().map(Header::id).collect();
    for action in &world.log {
        if let SyncAction::FetchBodies { peer, ids, .. } = action {
            assert!(*peer == whole || !ids.iter().any(|id| low.contains(id)), "it said that it has none of those");
        }
    }
    assert!(world.bodies_asked(pruned) > 0, "what it has is fetched from it, too");
    assert_eq!((world.misbehaviours(pruned), world.misbehaviours(whole)), (vec![], vec![]));
}

#[test]
fn a_slow_peer_never_holds_up_the_others() {
    let run = |slow: Option<f64>| {
        let (chain, mut world) = chain_of(3_000);
        world.join(1, behind(500.0 * KIB, 20, Manner::Honest, &chain));
        world.join(2, behind(500.0 * KIB, 20, Manner::Honest, &chain));
        let slow = slow.map(|rate| world.join(3, behind(rate, 300, Manner::Honest, &chain)));
        world.run_until(&chain[2_999], seconds(120));
        let reported = slow.map(|slow| world.misbehaviours(slow).len()).unwrap_or_default();
        ((world.now - world.start).as_secs_f64(), reported, asked_again(&world))
    };
    let (alone, ..) = run(None);
    for rate in [1.0, 5.0, 20.0, 100.0] {
        let (took, reported, again) = run(Some(rate * KIB));
        assert!(took < alone * 1.1 + 1.0, "{rate} KiB/s: {took} and not {alone}");
        assert!(again <= 200, "{rate} KiB/s: {again} bodies twice");
        assert!(reported <= 3, "{rate} KiB/s: reported {reported} times");
    }
}

#[test]
fn a_peer_that_becomes_slow_is_replaced_at_the_head() {
    let (chain, mut world) = chain_of(4_000);
    let fading = world.join(1, behind(2_000.0 * KIB, 20, Manner::Honest, &chain));
    world.join(2, behind(500.0 * KIB, 20, Manner::Honest, &chain));
    world.run_for(seconds(4));
    assert!(world.bodies_asked(fading) > 300, "it was the faster one: {}", world.bodies_asked(fading));
    world.peers.get_mut(&fading).expect("still here").rate = Some(2.0 * KIB);
    let rest = bytes(&world, 4_000 - world.chain.followed.len()) / (500.0 * KIB);
    let before = world.now;
    world.run_until(&chain[3_999], seconds(200));
    let took = (world.now - before).as_secs_f64();
    assert!(took < 1.1 * rest + 12.0, "{took} for what takes {rest}");
}

/// Requests were once bounded by what they were expected to bring alone, 32 KiB a body before the first had come: with
/// little room for blocks, full ones from a dozen peers brought three times as much, and `memory.max_bytes` did not
/// hold.
#[test]
fn what_all_requests_bring_has_room_however_little_was_expected() {
    for block_bytes in [8 << 20, BLOCK_BYTES] {
        let (chain, mut world) = chain_of(400);
        let full = vec![body_of(1_000).iter().next().expect("one payment").clone(); 10];
        world.chain.body = Body::new(full).expect("it fits");
        world.machine = Machine::new(world.chain.tip(), false, block_bytes, world.now);
        for n in 1..=12 {
            world.join(n, behind(2_000.0 * KIB, 50, Manner::Honest, &chain));
        }
        let mut most = 0;
        while world.chain.tip().height().get() < 400 {
            world.step();
            most = most.max(world.on_the_way.values().sum::<usize>());
        }
        let (bytes, room) = (weight(&world.chain.body), world.machine.max_bytes());
        assert!(most <= room, "{most} bytes on the way, {bytes} a body, and room for {room}");
        assert!(most > room / 4, "{most} bytes of {room}: the lines are not used");
    }
}

#[test]
fn a_distant_peer_is_used_to_the_full() {
    let (chain, mut world) = chain_of(2_000);
    let far = world.join(1, behind(1_000.0 * KIB, 400, Manner::Honest, &chain));
    world.run_until(&chain[1_999], seconds(120));
    let took = (world.now - world.start).as_secs_f64();
    assert!(took < 1.25 * bytes(&world, 2_000) / (1_000.0 * KIB) + 6.0, "{took}");
    assert_eq!(world.misbehaviours(far), []);
    assert_eq!(asked_again(&world), 0);
}

#[test]
fn four_peers_are_nearly_four_times_as_fast_as_one_even_if_one_lies_and_one_stalls() {
    let run = |manners: &[Manner]| {
        let (chain, mut world) = chain_of(4_000);
        for (n, manner) in (1..).zip(manners) {
            world.join(n, behind(400.0 * KIB, 10, *manner, &chain));
        }
        world.run_until(&chain[3_999], seconds(300));
        (world.now - world.start).as_secs_f64()
    };
    use Manner::{Honest, Lies, Stalls};
    let one = run(&[Honest]);
    let (four, two) = (run(&[Honest; 4]), run(&[Lies, Honest, Stalls, Honest]));
    assert!(one > 3.5 * four, "{one} and {four}");
    assert!(one > 1.7 * two, "{one} and {two}");
}

#[test]
fn after_a_kill_no_more_than_the_window_is_fetched_twice() {
    let (chain, mut world) = chain_of(4_000);
    for n in 1..=3 {
        world.join(n, behind(500.0 * KIB, 50, Manner::Honest, &chain));
    }
    world.run_for(seconds(10));
    let height = world.chain.followed.len();
    assert!((500..3_500).contains(&height), "in the middle: {height}");
    world.kill();
    world.run_until(&chain[3_999], seconds(120));
    let again = asked_again(&world);
    assert!(again > 0 && again <= WINDOW as usize, "{again} bodies twice");
}

#[test]
fn a_crowd_that_stalls_takes_no_place_from_the_honest() {
    let (chain, mut world) = chain_of(1_000);
    for n in 1..=60 {
        world.join(n, Peer { claims: Some(2_000), ..behind(1_000.0 * KIB, 1, Manner::Stalls, &chain) });
    }
    let honest = world.join(100, behind(1_000.0 * KIB, 50, Manner::Honest, &chain));
    world.run_until(&chain[999], Duration::from_secs_f64(bytes(&world, 1_000) / (1_000.0 * KIB) + 30.0));
    assert!(world.bodies_asked(honest) >= 1_000);
    assert_eq!(world.misbehaviours(honest), []);
}

fn any_manner() -> impl Strategy<Value = Manner> {
    let bad = prop::sample::select(vec![Manner::Silent, Manner::Stalls, Manner::Withholds, Manner::Lies]);
    prop_oneof![3 => Just(Manner::Honest), 2 => bad]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    /// Whatever the others do: it completes, asks for no more than its bound ([`World::step`] looks), blames
    /// no honest peer, and takes not much longer than the honest lines need.
    #[test]
    fn it_always_completes_in_good_time(
        others in prop::collection::vec((20.0_f64..4_000.0, 1_u64..400, any_manner()), 0..6),
        first in (200.0_f64..4_000.0, 1_u64..400),
    ) {
        let (chain, mut world) = chain_of(600);
        let honest = (first.0, first.1, Manner::Honest);
        let all: Vec<_> = std::iter::once(honest).chain(others).collect();
        let mut speed = 0.0;
        for (n, (rate, delay, manner)) in (1..).zip(&all) {
            world.join(n, behind(rate * KIB, *delay, *manner, &chain));
            speed += if *manner == Manner::Honest { rate * KIB } else { 0.0 };
        }
        let least = bytes(&world, 600) / speed;
        world.run_until(&chain[599], Duration::from_secs_f64(1.5 * least + 40.0));
        for (n, (.., manner)) in (1..).zip(&all) {
            let misbehaviours = world.misbehaviours(PeerNumber(n));
            let is_fair = *manner != Manner::Honest || misbehaviours.iter().all(|misbehaviour| *misbehaviour == Misbehaviour::Stalled);
            prop_assert!(is_fair, "{n}: {misbehaviours:?}");
            prop_assert!(*manner != Manner::Honest || misbehaviours.len() <= 2, "{n}: {misbehaviours:?}");
        }
    }
}
