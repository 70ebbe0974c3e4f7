//! A short attack. `cairn-adversary attack --minutes 60` goes on for longer.

use cairn_adversary::network;
use cairn_adversary::search::{Random, Tally, World};

fn attacked(share: f64, seed: u64) -> Tally {
    let world = World::new(network(), 1_500, share);
    let (mut random, mut tally) = (Random::new(seed), Tally::default());
    if let Some((plan, _)) = world.search(&mut random, 12, 40, &mut tally) {
        world.attack(&plan, &mut random, 50, &mut tally);
    }
    tally
}

#[test]
fn attack_forged_chain_with_a_third_of_the_work() {
    let tallies: Vec<Tally> = (1..5).map(|seed| attacked(1.0 / 3.0, seed)).collect();
    assert!(tallies.iter().any(|tally| tally.forged > 0), "not one plan was possible: {tallies:?}");
    for tally in tallies {
        assert_eq!((tally.accepted, tally.receipts), (0, 0), "{tally:?}");
        assert!(tally.best.is_none_or(|best| best < -40.0), "what it cannot do really it has to invent: {tally:?}");
    }
}

/// The control: who has nearly all of the work needs to invent nearly nothing, and gets through.
#[test]
fn control_a_chain_of_nearly_all_the_work_is_accepted() {
    let tally = attacked(0.97, 1);
    assert!(tally.accepted > 0, "the search finds nothing even where there is something to find: {tally:?}");
    assert!(tally.receipts > 0, "nor with receipts: {tally:?}");
}
