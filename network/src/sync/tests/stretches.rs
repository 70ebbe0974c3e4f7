//! Peers that have pruned, and keep different stretches of history: what is asked of whom, and what is lacking.

use super::seconds;
use super::world::{Manner, Peer, World, body_of, grow};
use crate::sync::handle::{Stall, SyncPhase};
use crate::sync::machine::SyncAction;
use cairn_chain::{Misbehaviour, PeerNumber};
use cairn_ledger::{block::Header, units::Height};

const BLOCKS: usize = 3_000;
/// The lowest body of those who prune.
const LOWEST: u64 = 2_501;

/// One that prunes, and keeps these blocks.
fn keeping(chain: &[Header], from: u64, to: u64, manner: Manner) -> Peer {
    Peer { lowest_body: LOWEST, stretches: vec![(from, to)], ..Peer::of(manner, chain) }
}

fn chain() -> (Vec<Header>, World) {
    let mut world = World::new(&[]);
    world.chain.body = body_of(20);
    (grow(&[], BLOCKS, 1), world)
}

/// The heights of the bodies that a peer was asked for.
fn asked(world: &World, of: PeerNumber) -> Vec<u64> {
    let mut heights = Vec::new();
    for action in &world.log {
        if let SyncAction::FetchBodies { peer, ids, .. } = action
            && *peer == of
        {
            heights.extend(ids.iter().map(|id| world.chain.headers[id].header().height.get()));
        }
    }
    heights
}

#[test]
fn whoever_wants_all_gets_it_from_many_that_keep_a_part_each() {
    let (chain, mut world) = chain();
    let parts = [(0, 1_000), (1_000, 1_700), (1_700, LOWEST)];
    let peers = [1, 2, 3].map(|n| {
        let (from, to) = parts[n as usize - 1];
        world.join(n, keeping(&chain, from, to, Manner::Honest))
    });
    world.run_until(&chain[BLOCKS - 1], seconds(60));
    for (peer, (from, to)) in peers.into_iter().zip(parts) {
        let asked = asked(&world, peer);
        assert!(asked.iter().all(|height| (from..to).contains(height) || *height >= LOWEST), "only what it keeps");
        assert!(asked.iter().filter(|height| **height < LOWEST).count() as u64 >= to - from.max(1));
        assert_eq!(world.misbehaviours(peer), []);
    }
}

#[test]
fn what_nobody_keeps_is_named_and_looked_for_and_the_node_goes_on_when_somebody_comes() {
    let (chain, mut world) = chain();
    let peers = [(1, (0, 1_000)), (3, (1_700, LOWEST))]
        .map(|(n, (from, to))| world.join(n, keeping(&chain, from, to, Manner::Honest)));
    world.run_for(seconds(60));
    assert_eq!(world.chain.followed.len(), 1_000, "with block 0");
    let height = Height::new(1_000);
    assert_eq!(world.machine.status(world.now).phase, SyncPhase::Stalled(Stall::NoBodies { height }));
    assert!(world.log.contains(&SyncAction::SeekOthers { height }), "whoever keeps that stretch is looked for");
    let low = peers.map(|peer| asked(&world, peer).iter().filter(|height| (1_000..1_700).contains(*height)).count());
    assert_eq!(low, [0, 0], "nobody is asked for what he does not keep");
    let third = world.join(2, keeping(&chain, 1_000, 1_700, Manner::Honest));
    world.run_until(&chain[BLOCKS - 1], seconds(60));
    for peer in peers.into_iter().chain([third]) {
        assert_eq!(world.misbehaviours(peer), []);
    }
}

#[test]
fn those_who_keep_what_comes_later_do_not_rest_while_a_slow_one_gives_what_comes_first() {
    let (chain, mut world) = chain();
    let slow = Peer { rate: Some(100.0 * 1024.0), ..keeping(&chain, 0, 1_000, Manner::Honest) };
    world.join(1, slow);
    let later = world.join(2, keeping(&chain, 1_000, LOWEST, Manner::Honest));
    let followed = |world: &World| world.chain.followed.len();
    while asked(&world, later).is_empty() {
        world.run_for(seconds(1));
        assert!(followed(&world) < 999, "it waited for all that comes first");
    }
    world.run_until(&chain[BLOCKS - 1], seconds(120));
    assert!(asked(&world, later).len() >= 2_000, "the control: it gave the rest");
}

#[test]
fn one_that_says_it_keeps_a_stretch_and_does_not_is_met_as_any_liar() {
    for (manner, reported) in
        [(Manner::Withholds, None), (Manner::Lies, Some(Misbehaviour::MutatedBody)), (Manner::Silent, None)]
    {
        let (chain, mut world) = chain();
        let all = || vec![(0, LOWEST)];
        let liar = world.join(1, Peer { lowest_body: LOWEST, stretches: all(), ..Peer::of(manner, &chain) });
        let honest = world.join(2, Peer { lowest_body: LOWEST, stretches: all(), ..Peer::honest(&chain) });
        world.run_until(&chain[BLOCKS - 1], seconds(120));
        assert_eq!(world.misbehaviours(honest), [], "{manner:?}");
        if let Some(misbehaviour) = reported {
            assert_eq!(world.misbehaviours(liar).first(), Some(&misbehaviour));
        }
        let (asked, given) = (asked(&world, liar).len(), asked(&world, honest).len());
        assert!(asked < BLOCKS / 2 && given >= BLOCKS, "{manner:?}: {asked} asked of the liar, {given} of the other");
    }
}

/// A node that prunes has less than it said a minute ago, and is no liar for it.
#[test]
fn one_that_has_pruned_since_it_said_what_it_keeps_is_not_reported() {
    let run = |lowest_body| {
        let (chain, mut world) = chain();
        let pruned = world.join(1, Peer { lowest_body, ..Peer::of(Manner::Withholds, &chain) });
        world.run_for(seconds(5));
        let early = world.misbehaviours(pruned);
        world.join(2, Peer::honest(&chain));
        world.run_until(&chain[BLOCKS - 1], seconds(60));
        early
    };
    assert_eq!(run(1), [], "it brought the headers, and has pruned the bodies");
    let control = run(0);
    assert!(control.contains(&Misbehaviour::Stalled), "one that keeps all withholds them: {control:?}");
}
