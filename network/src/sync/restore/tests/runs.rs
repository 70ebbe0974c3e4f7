//! Peers that give wrong runs, none, or late ones, beside honest ones.

use super::seconds;
use super::world::{Manner, Peer, RUNS, World, grow};
use crate::sync::handle::{Stall, SyncPhase};
use crate::sync::restore::machine::{End, JOBS_EACH, MAX_RUNS, Reason, RestoreAction};
use cairn_chain::{Misbehaviour, PeerNumber};
use cairn_ledger::{block::Header, units::Height};
use std::time::Duration;

fn chain() -> Vec<Header> {
    grow(&[], 700, 1)
}

fn holder(runs: Manner) -> Peer {
    Peer { runs, ..Peer::holder(&chain()) }
}

#[test]
fn whoever_sends_a_wrong_run_is_reported_for_one_and_asked_no_more() {
    for lie in [Manner::WrongLeaf, Manner::WrongOrder, Manner::WrongNumber, Manner::Truncated] {
        let mut world = World::new();
        // It is the quickest, so it is asked first.
        let liar = world.join(1, Peer { delay: Duration::from_millis(1), ..holder(lie) });
        let honest = [2, 3].map(|number| world.join(number, holder(Manner::Honest)));
        let (end, took) = world.run_to_end(seconds(30));
        assert!(end == End::Complete && took < seconds(10), "{lie:?}: {end:?} after {took:?}");
        assert_eq!(world.misbehaviours(liar), [Misbehaviour::WrongAnswer], "{lie:?}");
        assert_eq!(world.runs_asked(liar), 1, "{lie:?}");
        assert!(honest.iter().all(|peer| world.misbehaviours(*peer).is_empty()), "{lie:?}");
        let asked: usize = honest.iter().map(|peer| world.runs_asked(*peer)).sum();
        assert_eq!(asked as u64, RUNS, "{lie:?}: the control gave all, each run once");
    }
}

/// One that lies after many right runs has more on the way: what comes of that is not looked at, nor reported.
#[test]
fn whoever_begins_to_lie_is_reported_once() {
    let mut world = World::new();
    let liar = world.join(1, holder(Manner::Honest));
    world.run_until(seconds(30), |world| world.here.runs.len() >= 4);
    world.change(liar, |peer| peer.runs = Manner::WrongLeaf);
    let honest = world.join(2, holder(Manner::Honest));
    assert_eq!(world.run_to_end(seconds(30)).0, End::Complete);
    assert_eq!((world.misbehaviours(liar), world.misbehaviours(honest)), (vec![Misbehaviour::WrongAnswer], vec![]));
}

#[test]
fn what_a_stalling_peer_does_not_send_comes_from_others_within_seconds() {
    let mut world = World::new();
    let silent = [1, 2, 3].map(|number| world.join(number, holder(Manner::Silent)));
    let honest = world.join(4, holder(Manner::Honest));
    let (end, took) = world.run_to_end(seconds(40));
    assert!(end == End::Complete && took < seconds(15), "{end:?} after {took:?}");
    assert!(silent.iter().all(|peer| world.runs_asked(*peer) == 1), "it has to answer before it is asked for more");
    assert_eq!(world.misbehaviours(honest), []);
    let mut alone = World::new();
    let control = alone.join(1, holder(Manner::Honest));
    let (_, undisturbed) = alone.run_to_end(seconds(30));
    assert!(undisturbed < seconds(10) && alone.misbehaviours(control).is_empty(), "the control: {undisturbed:?}");
}

/// The run of one that sends nothing once held up the end until that peer's time was over.
#[test]
fn the_last_runs_are_asked_of_others_who_bring_them_much_sooner() {
    let takes = |silent: u64| {
        let mut world = World::new();
        for number in 1..=3 + silent {
            let manner = if number > silent { Manner::Honest } else { Manner::Silent };
            world.join(number, holder(manner));
        }
        let (end, took) = world.run_to_end(seconds(30));
        assert_eq!(end, End::Complete);
        took
    };
    let (undisturbed, beside) = (takes(0), takes(1));
    assert!(beside < undisturbed + seconds(1), "{beside:?}, undisturbed {undisturbed:?}");
}

#[test]
fn whoever_does_not_have_it_counts_as_no_holder_for_a_while() {
    let mut world = World::new();
    let poor = world.join(1, Peer { delay: Duration::from_millis(1), ..holder(Manner::NotHere) });
    let honest = world.join(2, holder(Manner::Honest));
    assert_eq!(world.run_to_end(seconds(30)).0, End::Complete);
    assert_eq!((world.runs_asked(poor), world.misbehaviours(poor)), (1, vec![]), "that is nobody's fault");
    assert_eq!(world.misbehaviours(honest), []);
}

/// An honest holder whose upload of the day was spent is asked again later.
#[test]
fn whoever_did_not_have_it_is_asked_again_after_a_while() {
    let mut world = World::new();
    let peer = world.join(1, holder(Manner::NotHere));
    world.run_until(seconds(10), |world| world.runs_asked(peer) == 1);
    world.change(peer, |peer| peer.runs = Manner::Honest);
    let (end, took) = world.run_to_end(seconds(60));
    assert!(end == End::Complete && took > seconds(15), "{end:?} after {took:?}");
}

#[test]
fn holders_are_looked_for_and_after_a_minute_without_any_it_is_given_up() {
    let mut world = World::new();
    let others = [1, 2].map(|number| world.join(number, Peer::other(&chain())));
    world.run_for(seconds(30));
    assert_eq!(
        world.machine.status(world.now).phase,
        SyncPhase::Stalled(Stall::NoSnapshot { height: Height::new(300) })
    );
    assert!((1..=3).contains(&world.searches()), "{}", world.searches());
    let (end, took) = world.run_to_end(seconds(60));
    assert_eq!(end, End::GivenUp(Reason::NoHolder { height: Height::new(300) }));
    assert!(took > seconds(30) && world.searches() <= 6, "{took:?}, {} searches", world.searches());
    assert!(others.iter().all(|peer| world.misbehaviours(*peer).is_empty()));
    // The control: one is found.
    let mut world = World::new();
    world.join(1, Peer::other(&chain()));
    world.hidden = Some(holder(Manner::Honest));
    assert_eq!(world.run_to_end(seconds(30)).0, End::Complete);
}

/// Holders that only say they are some keep a node no longer than a minute or two.
#[test]
fn holders_in_name_alone_do_not_keep_a_node_for_ever() {
    for manner in [Manner::Silent, Manner::NotHere, Manner::WrongLeaf] {
        let mut world = World::new();
        for number in 1..6 {
            world.join(number, holder(manner));
        }
        let end = world.run_to_end(seconds(100)).0;
        assert_eq!(end, End::GivenUp(Reason::NoHolder { height: Height::new(300) }), "{manner:?}");
    }
}

/// Sixty strangers that only say they hold it once had a node give up while honest holders were connected.
#[test]
fn many_holders_that_stall_do_not_hide_two_that_are_honest() {
    for honest_last in [true, false] {
        let mut world = World::new();
        let (stalling, honest) = if honest_last { (1..61, [61, 62]) } else { (3..63, [1, 2]) };
        for number in stalling {
            world.join(number, holder(Manner::Silent));
        }
        honest.iter().for_each(|number| _ = world.join(*number, holder(Manner::Honest)));
        let (end, took) = world.run_to_end(seconds(400));
        assert!(end == End::Complete, "{end:?} after {took:?}");
    }
}

#[test]
fn holders_that_go_in_the_middle_are_waited_for_and_what_is_here_stays() {
    let mut world = World::new();
    let other = world.join(1, Peer::other(&chain()));
    let gone = world.join(2, holder(Manner::Honest));
    world.run_until(seconds(30), |world| world.here.runs.len() >= 4);
    world.leave(gone);
    world.run_for(seconds(45));
    let (here, searches) = (world.here.runs.len(), world.searches());
    assert!(here >= 4 && searches >= 2 && world.end.is_none(), "{here} runs, {searches} searches");
    let back = world.join(3, holder(Manner::Honest));
    assert_eq!(world.run_to_end(seconds(30)).0, End::Complete);
    assert!(world.runs_asked(back) <= RUNS as usize - here, "what is here does not come again");
    assert!([other, gone, back].iter().all(|peer| world.misbehaviours(*peer).is_empty()));
}

/// A node without a line gives nothing up.
#[test]
fn without_any_peer_it_waits() {
    let mut world = World::new();
    let peer = world.join(1, holder(Manner::Honest));
    world.run_until(seconds(30), |world| world.here.runs.len() >= 4);
    world.leave(peer);
    world.run_for(seconds(3_600));
    assert_eq!(world.end, None);
    world.join(2, holder(Manner::Honest));
    assert_eq!(world.run_to_end(seconds(30)).0, End::Complete);
}

/// Honest peers far away, on lines of any speed, are never reported, and get on.
#[test]
fn slow_holders_are_waited_for() {
    let mut world = World::new();
    let peers = [1, 2].map(|n| world.join(n, Peer { delay: seconds(4 + 9 * (n - 1)), ..holder(Manner::Honest) }));
    assert_eq!(world.run_to_end(seconds(900)).0, End::Complete);
    assert!(peers.iter().all(|peer| world.misbehaviours(*peer).is_empty()));
}

#[test]
fn requests_are_bounded() {
    let mut world = World::new();
    for number in 1..60 {
        world.join(number, holder(Manner::Silent));
    }
    world.is_stuck = true;
    world.join(60, holder(Manner::Honest));
    world.run_for(seconds(40));
    let first: Vec<PeerNumber> = world
        .log
        .iter()
        .filter_map(|action| if let RestoreAction::FetchRun { peer, .. } = action { Some(*peer) } else { None })
        .collect();
    // Some were given up, and have rested since.
    let most = (1..61).map(|number| first.iter().filter(|peer| peer.0 == number).count()).max();
    assert!(most <= Some(JOBS_EACH), "{most:?} of one that has not answered");
    assert_eq!(world.machine.on_the_way(), 1, "before the first run has come nobody knows of others");
    // As many as there may be, when all come in time.
    let (mut world, mut most) = (World::new(), 0);
    for number in 1..60 {
        world.join(number, holder(Manner::Honest));
    }
    while world.end.is_none() {
        world.step();
        most = most.max(world.machine.on_the_way());
    }
    assert_eq!(most, MAX_RUNS);
}

/// A disk that takes nothing in is nobody's fault, and said.
#[test]
fn a_disk_that_takes_nothing_in_is_told_of() {
    let mut world = World::new();
    let peer = world.join(1, holder(Manner::Honest));
    world.run_until(seconds(30), |world| world.here.runs.len() >= 4);
    world.is_stuck = true;
    world.run_for(seconds(120));
    assert_eq!(world.machine.status(world.now).phase, SyncPhase::Stalled(Stall::Disk));
    assert_eq!((world.end, world.misbehaviours(peer)), (None, vec![]));
    assert!(world.machine.on_the_way() <= MAX_RUNS);
}
