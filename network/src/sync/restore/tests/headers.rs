//! Leads that stall, lie or claim more than they have, beside honest ones.

use super::seconds;
use super::world::{EVERY, Headers, Peer, World, broken, grow};
use crate::PeerKind;
use crate::sync::handle::{Stall, SyncPhase};
use crate::sync::restore::machine::{End, Reason};
use cairn_chain::Misbehaviour;
use cairn_ledger::units::Height;
use std::time::Duration;

/// Inbound, so that whoever this node dialled leads before it.
fn inbound(peer: Peer) -> Peer {
    Peer { kind: PeerKind { inbound: true, ..PeerKind::default() }, ..peer }
}

#[test]
fn a_lead_that_stalls_is_replaced_and_has_one_more_turn() {
    let chain = grow(&[], 700, 1);
    let mut world = World::new();
    let silent = world.join(1, Peer { headers: Headers::Silent, boast: 500, ..Peer::holder(&chain) });
    let honest = world.join(2, Peer::holder(&chain));
    let (end, took) = world.run_to_end(seconds(20));
    assert!(end == End::Complete && took < seconds(18), "{end:?} after {took:?}");
    assert_eq!((world.headers_asked(silent), world.misbehaviours(silent)), (2, vec![Misbehaviour::Stalled; 2]));
    assert_eq!((world.headers_asked(honest), world.misbehaviours(honest)), (1, vec![]));
    assert!(world.runs_asked(silent) > 0, "it may still give runs");
}

#[test]
fn a_lead_whose_headers_end_below_its_claim_is_reported() {
    let chain = grow(&[], 700, 1);
    // With a chain that ends below the claim; with none.
    for length in [650, 0] {
        let mut world = World::new();
        let liar = world.join(1, Peer { boast: 5_000, ..Peer::other(&grow(&[], length, 2)) });
        let honest = world.join(2, Peer::holder(&chain));
        // The negative control: one that is behind, and says so.
        let behind = world.join(3, Peer::other(&chain[..400]));
        let (end, took) = world.run_to_end(seconds(60));
        assert_eq!(world.misbehaviours(liar), [Misbehaviour::Unkept], "{length}");
        assert_eq!((world.misbehaviours(honest), world.misbehaviours(behind)), (vec![], vec![]));
        assert!(end == End::Complete && took < seconds(20), "{length}: {end:?} after {took:?}");
        assert_eq!(world.here.chain.tip.id(), chain[699].id(), "the honest chain is followed");
    }
}

/// It gives the honest chain, and claims more: what it gave is as good as from anybody else.
#[test]
fn a_lead_that_claims_more_than_the_honest_chain_is_reported_and_keeps_nobody() {
    for length in [700, 2_000] {
        let chain = grow(&[], length, 1);
        let mut world = World::new();
        let liar = world.join(1, Peer { boast: 5_000, ..Peer::holder(&chain) });
        let honest = world.join(2, Peer::holder(&chain));
        let (end, took) = world.run_to_end(seconds(60));
        assert!(end == End::Complete && took < seconds(15), "{length}: {end:?} after {took:?}");
        assert_eq!((world.misbehaviours(liar), world.misbehaviours(honest)), (vec![Misbehaviour::Unkept], vec![]));
        assert_eq!(world.headers_asked(honest), 0, "what is here is not asked for again");
    }
}

#[test]
fn a_lead_with_an_invalid_header_in_the_middle_is_reported_and_the_next_replaces_its_chain() {
    let chain = grow(&[], 3_500, 1);
    let mut world = World::new();
    let liar = world.join(1, Peer { boast: 5_000, ..Peer::holder(&broken(3_000, 1_000)) });
    let honest = world.join(2, Peer::holder(&chain));
    assert_eq!(world.run_to_end(seconds(30)).0, End::Complete);
    let reported = world.misbehaviours(liar);
    assert!(matches!(reported[..], [Misbehaviour::InvalidHeader(_)]), "{reported:?}");
    assert_eq!((world.headers_asked(liar), world.misbehaviours(honest)), (2, vec![]));
    assert_eq!(world.here.chain.tip.id(), chain[3_499].id());
}

#[test]
fn a_lead_that_sends_headers_without_a_parent_is_reported() {
    let chain = grow(&[], 700, 1);
    let mut world = World::new();
    let liar = world.join(1, Peer { headers: Headers::Detached, boast: 9, ..Peer::holder(&chain) });
    let honest = world.join(2, Peer::holder(&chain));
    assert_eq!(world.run_to_end(seconds(30)).0, End::Complete);
    assert_eq!((world.misbehaviours(liar), world.misbehaviours(honest)), (vec![Misbehaviour::WrongAnswer], vec![]));
}

#[test]
fn of_two_honest_chains_the_one_with_more_work_wins_whoever_leads_first() {
    let (short, long) = (grow(&[], 900, 1), grow(&[], 1_000, 2));
    for dialled_has_more in [false, true] {
        let (dialled, stranger) = if dialled_has_more { (&long, &short) } else { (&short, &long) };
        let mut world = World::new();
        let peers = [world.join(1, inbound(Peer::holder(stranger))), world.join(2, Peer::holder(dialled))];
        assert_eq!(world.run_to_end(seconds(30)).0, End::Complete);
        assert_eq!(world.here.chain.tip.id(), long[999].id());
        assert!(peers.iter().all(|peer| world.misbehaviours(*peer).is_empty()));
    }
}

#[test]
fn a_block_that_is_found_meanwhile_is_nobodys_fault() {
    let (chain, longer) = (grow(&[], 700, 1), grow(&grow(&[], 700, 1), 2, 1));
    let mut world = World::new();
    let peer = world.join(1, Peer::holder(&chain));
    world.run_for(seconds(1));
    world.change(peer, |peer| peer.chain = longer.clone());
    assert_eq!(world.run_to_end(seconds(30)).0, End::Complete);
    assert_eq!((world.here.chain.tip.header().height, world.misbehaviours(peer)), (Height::new(702), vec![]));
}

/// Liars that come one after the other, each with a chain of its own that ends below its claim, each under a new name:
/// each replaces what an honest peer has shown, and none keeps the node for ever.
#[test]
fn liars_who_take_turns_do_not_go_on_for_ever() {
    let chain = grow(&[], 700, 1);
    let liars: Vec<_> = (0..8).map(|salt| grow(&[], 650, 10 + salt)).collect();
    let mut world = World::new();
    let honest = world.join(1, Peer::holder(&chain));
    let liar = |n: u64| {
        let headers = if n.is_multiple_of(2) { Headers::Silent } else { Headers::Honest };
        inbound(Peer { boast: 50_000, headers, ..Peer::other(&liars[(n % 8) as usize]) })
    };
    let mut last = world.join(100, liar(0));
    for n in 1..1_000 {
        if world.end.is_some() {
            break;
        }
        let turn = world.now + seconds(2);
        while world.end.is_none() && world.now < turn {
            world.step();
        }
        world.leave(last);
        last = world.join(100 + n, liar(n));
    }
    assert_eq!(world.end, Some(End::Complete));
    assert!(world.now < world.start + seconds(60), "after {:?}", world.now - world.start);
    assert_eq!(world.here.chain.tip.id(), chain[699].id());
    assert_eq!(world.misbehaviours(honest), []);
}

/// A first peer that was far behind once made a node look for a snapshot that nobody held any more.
#[test]
fn whoever_comes_later_and_has_more_moves_the_pivot_before_runs_have_come() {
    let chain = grow(&[], 1_300, 1);
    let mut world = World::new();
    let behind = world.join(1, Peer::other(&chain[..700]));
    world.run_for(seconds(50));
    assert_eq!(world.machine.status(world.now).snapshot.map(|it| it.height), Some(Height::new(300)));
    let ahead = world.join(2, Peer::holder(&chain));
    let (end, took) = world.run_to_end(seconds(20));
    assert!(end == End::Complete && took < seconds(10), "{end:?} after {took:?}");
    assert_eq!(world.here.pivot.map(|pivot| pivot.height), Some(Height::new(900)));
    assert!([behind, ahead].iter().all(|peer| world.misbehaviours(*peer).is_empty()));
}

/// While it was fetched the chain went on, and nobody kept that snapshot any more.
#[test]
fn a_pivot_that_nobody_keeps_any_more_moves_and_one_that_somebody_keeps_stays() {
    let chain = grow(&[], 1_300, 1);
    for goes in [true, false] {
        let mut world = World::new();
        let holder = world.join(1, Peer { delay: seconds(1), ..Peer::holder(&chain[..700]) });
        world.run_until(seconds(30), |world| world.here.runs.len() >= 4);
        let ahead = world.join(2, Peer::holder(&chain));
        if goes {
            world.leave(holder);
        }
        let (end, took) = world.run_to_end(seconds(120));
        assert!(end == End::Complete && took < seconds(90), "{goes}: {end:?} after {took:?}");
        let pivot = if goes { 900 } else { 300 };
        assert_eq!(world.here.pivot.map(|pivot| pivot.height), Some(Height::new(pivot)));
        assert_eq!((world.runs_asked(ahead) > 0, world.headers_asked(ahead)), (goes, usize::from(goes)));
        assert!([holder, ahead].iter().all(|peer| world.misbehaviours(*peer).is_empty()));
    }
}

/// Nor do those who come one after the other and claim more keep a node for ever that has nobody to give it runs.
#[test]
fn claims_that_come_later_do_not_keep_a_node_for_ever() {
    let chain = grow(&[], 700, 1);
    let mut world = World::new();
    world.join(1, Peer::other(&chain));
    for n in 0..60 {
        if world.end.is_some() {
            break;
        }
        let liar = world.join(100 + n, Peer { headers: Headers::Silent, boast: 900, ..Peer::other(&chain) });
        let turn = world.now + seconds(5);
        while world.end.is_none() && world.now < turn {
            world.step();
        }
        world.leave(liar);
    }
    assert_eq!(world.end, Some(End::GivenUp(Reason::NoHolder { height: Height::new(300) })));
    assert!(world.now < world.start + seconds(200), "after {:?}", world.now - world.start);
}

#[test]
fn where_nobody_shows_what_is_claimed_it_says_so_and_gives_up() {
    let chain = grow(&[], 700, 1);
    let mut world = World::new();
    for number in 1..4 {
        world.join(number, Peer { headers: Headers::Silent, ..Peer::holder(&chain) });
    }
    world.run_for(seconds(30));
    assert_eq!(world.machine.status(world.now).phase, SyncPhase::Stalled(Stall::NoHeaders));
    assert_eq!(world.run_to_end(seconds(60)).0, End::GivenUp(Reason::NoHeaders));
}

/// One peer alone once made a node follow a chain of its own: it kept a small claim first, raised it again and again,
/// and nobody who had not kept one was heard any more.
#[test]
fn whoever_keeps_small_claims_and_raises_them_is_followed_only_as_long_as_it_has_the_most_work() {
    let (honest_chain, own) = (grow(&[], 7_000, 1), grow(&[], 6_600, 2));
    let mut world = World::new();
    let liar = world.join(1, Peer { delay: Duration::from_millis(5_900), ..Peer::other(&own[..1_900]) });
    world.run_for(seconds(1));
    let honest = world.join(2, Peer::holder(&honest_chain));
    let mut shown = 1_900;
    while world.end.is_none() && world.now < world.start + seconds(120) {
        let turn = world.now + seconds(5);
        while world.end.is_none() && world.now < turn {
            world.step();
        }
        shown = (shown + 900).min(own.len());
        world.change(liar, |peer| peer.chain = own[..shown].to_vec());
    }
    assert_eq!(world.end, Some(End::Complete));
    assert_eq!(world.here.chain.tip.id(), honest_chain[6_999].id());
    assert_eq!(world.misbehaviours(honest), []);
}

#[test]
fn whom_the_operator_named_is_not_compared_with_others_first() {
    let chain = grow(&[], 700, 1);
    for named in [true, false] {
        let mut world = World::new();
        let kind = PeerKind { named, ..PeerKind::default() };
        world.join(1, Peer { kind, ..Peer::holder(&chain) });
        world.run_for(seconds(1));
        let phase = world.machine.status(world.now).phase;
        assert_eq!(phase, if named { SyncPhase::Snapshot } else { SyncPhase::Headers });
    }
}

/// Others are waited for, who may have more; that is no stall.
#[test]
fn a_chain_that_is_too_short_is_compared_with_others_unless_a_named_peer_has_shown_it() {
    let chain = grow(&[], EVERY, 1);
    for named in [true, false] {
        let mut world = World::new();
        let kind = PeerKind { named, ..PeerKind::default() };
        world.join(1, Peer { kind, ..Peer::holder(&chain) });
        world.run_for(seconds(1));
        let too_short = Some(End::GivenUp(Reason::TooShort));
        assert_eq!(world.end, too_short.filter(|_| named));
        if !named {
            world.run_for(seconds(17));
            assert_eq!((world.end, world.machine.status(world.now).phase), (None, SyncPhase::Headers));
            world.run_for(seconds(4));
            assert_eq!(world.end, too_short);
        }
    }
}

/// Silence, a busy server or a slow line never take an honest peer's claim out of the count.
#[test]
fn those_who_were_silent_or_slow_are_heard_beside_a_liar_with_a_short_chain() {
    let (chain, own) = (grow(&[], 5_000, 1), grow(&[], 900, 2));
    for slow in [false, true] {
        let mut world = World::new();
        let liar = world.join(1, Peer::other(&own));
        let delay = if slow { Duration::from_millis(5_900) } else { Duration::from_millis(50) };
        let headers = if slow { Headers::Honest } else { Headers::Silent };
        let honest = [2, 3].map(|n| world.join(n, Peer { headers, delay, ..Peer::holder(&chain) }));
        world.run_for(seconds(8));
        honest.iter().for_each(|peer| world.change(*peer, |peer| peer.headers = Headers::Honest));
        world.run_until(seconds(120), |world| world.machine.status(world.now).phase == SyncPhase::Snapshot);
        assert_eq!(world.here.chain.tip.id(), chain[4_999].id(), "{slow}");
        assert_eq!(world.misbehaviours(liar), [], "it claimed no more than it had");
    }
}

#[test]
fn silent_peers_with_great_claims_cost_time_and_do_not_choose_the_chain() {
    let (chain, own) = (grow(&[], 1_500, 1), grow(&[], 700, 2));
    let mut world = World::new();
    for n in 0..5 {
        world.join(10 + n, Peer { headers: Headers::Silent, boast: 1_000_000, ..Peer::other(&own) });
    }
    world.join(20, Peer::holder(&own));
    world.run_for(seconds(40));
    let honest = world.join(30, Peer::holder(&chain));
    let (end, took) = world.run_to_end(seconds(120));
    assert!(end == End::Complete && took < seconds(90), "{end:?} after {took:?}");
    assert_eq!(world.here.chain.tip.id(), chain[1_499].id());
    assert_eq!(world.misbehaviours(honest), []);
}

/// What is here goes only once another chain has shown more work.
#[test]
fn a_chain_with_less_work_takes_nothing_of_what_is_here() {
    let (chain, own) = (grow(&[], 4_500, 1), grow(&[], 4_000, 2));
    let mut world = World::new();
    let honest = world.join(1, Peer { delay: seconds(2), ..Peer::holder(&chain) });
    world.run_until(seconds(30), |world| world.here.chain.tip.header().height >= Height::new(4_000));
    let liar = world.join(2, Peer { boast: 50_000, ..Peer::other(&own) });
    while world.end.is_none() && world.now < world.start + seconds(120) {
        world.step();
        assert!(world.here.chain.tip.header().height >= Height::new(4_000), "nothing that is here goes");
    }
    assert_eq!((world.end, world.here.chain.tip.id()), (Some(End::Complete), chain[4_499].id()));
    assert_eq!((world.misbehaviours(liar), world.misbehaviours(honest)), (vec![Misbehaviour::Unkept], vec![]));
}

#[test]
fn a_claim_that_is_lowered_while_it_is_to_be_shown_counts_all_the_same() {
    let (chain, own) = (grow(&[], 700, 1), grow(&[], 2_500, 2));
    let mut world = World::new();
    let liar = world.join(1, Peer { boast: 5_000, delay: seconds(1), ..Peer::other(&own) });
    world.run_for(Duration::from_millis(500));
    world.change(liar, |peer| peer.boast = 0);
    world.run_for(seconds(5));
    let honest = world.join(2, Peer::holder(&chain));
    world.run_for(seconds(20));
    assert_eq!((world.misbehaviours(liar), world.misbehaviours(honest)), (vec![Misbehaviour::Unkept], vec![]));
}
