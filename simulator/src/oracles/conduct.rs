//! What nodes have done to each other, beside what the network promises ([`crate::watch`]).

use super::Broken;
use crate::adversary::Kind;
use crate::executor::{Nanos, NodeId};
use crate::simulation::Simulation;
use crate::watch::Conduct;
use cairn_ledger::hash::BlockId;
use cairn_network::transport::Class;
use cairn_network::wire::MAX_BODIES;

const SECOND: Nanos = 1_000_000_000;
const MINUTE: Nanos = 60 * SECOND;

/// Dials too soon after one that had failed: a few come of addresses that were dropped and heard of again.
const HASTY: u64 = 4;
/// How often somebody is dialled in vain before pauses have grown, and in each minute after that.
const IN_VAIN: (u64, u64) = (20, 2);
/// Those who turn out to be banned, or connected already.
const PARTED: u64 = 2;
/// A verdict takes so long at most.
const VERDICT: Nanos = MINUTE;
/// A payment that was sent when nobody was there to hear is sent again within so long: at the end everybody has peers.
const TAKEN: Nanos = 2 * MINUTE;
/// A node that has been up for so long has compared its pool with others', so often a minute at least, and asked
/// somebody within the last minutes.
const COMPARED: (Nanos, u64, Nanos) = (5 * MINUTE, 1, 3 * MINUTE);
/// Headers that come a second time, at most, besides four for each that comes for the first.
const HEADERS_AGAIN: u64 = 400;
/// Of so many questions for parts of blocks half at least are answered.
const PARTS: u64 = 4;
/// Bodies that are on their way when a chain has gone a long way: sync begins anew then, and waits for none of them.
const IN_FLIGHT: u64 = 2 * MAX_BODIES as u64;
/// Bodies asked for again, at most: an answer may come while its connection ends.
const BODIES_AGAIN: u64 = 2;

/// What a node has done that it should not, whatever goes wrong around it.
fn fault(conduct: &Conduct, now: Nanos) -> Option<&'static str> {
    let questions = &conduct.questions;
    let parts = questions.of(Class::BlockTxs);
    let (new, again) = questions.headers_given;
    let in_vain = |first: Nanos, last: Nanos| IN_VAIN.0 + IN_VAIN.1 * ((last - first) / MINUTE);
    let waits = |(_, since): &(usize, Nanos)| now.saturating_sub(*since) > VERDICT;
    if conduct.invented > 0 {
        Some("has told others of an address at which nobody is")
    } else if conduct.dials.streaks().any(|streak| streak.hasty > HASTY) {
        Some("dials an address that has failed without a pause")
    } else if conduct.dials.streaks().any(|streak| streak.dials > in_vain(streak.first, streak.last)) {
        Some("dials somebody in vain all the time")
    } else if conduct.parted_at_once > PARTED {
        Some("parts at once from those whom it has dialled")
    } else if conduct.waiting.values().any(waits) {
        Some("has given no verdict on a message")
    } else if conduct.untaken.values().any(|since| now.saturating_sub(*since) > TAKEN) {
        Some("has not sent again what nobody had taken")
    } else if conduct.twice > 0 {
        Some("has given two verdicts on a message")
    } else if again > 4 * new + HEADERS_AGAIN {
        Some("asks for headers that it has, again and again")
    } else if parts.answered >= PARTS && 2 * parts.empty > parts.answered {
        Some("is not given what a compact block lacked by those who sent it")
    } else {
        None
    }
}

/// What a node has not done that it should have, where it has been up for some minutes, with peers; `names`: it knows
/// others than those who ask.
fn omission(conduct: &Conduct, now: Nanos, names: bool) -> Option<&'static str> {
    let (up, pools) = (now.saturating_sub(conduct.since), conduct.questions.of(Class::Pool));
    let (long, each_minute, lately) = COMPARED;
    if up < long {
        None
    } else if pools.asked < each_minute * up / MINUTE || now.saturating_sub(pools.last) > lately {
        Some("does not compare its pool with others'")
    } else if names && conduct.named.0 > 4 && conduct.named.0 == conduct.named.1 {
        Some("was asked whom it knows, and never named anybody")
    } else {
        None
    }
}

/// What does not go wrong where nothing goes wrong among so many nodes.
fn unrest(conduct: &Conduct, now: Nanos, nodes: u64) -> Option<&'static str> {
    let up = now.saturating_sub(conduct.since) / MINUTE;
    let fetches = [Class::Headers, Class::Bodies, Class::BlockTxs];
    let classes = [&fetches[..], &[Class::Pool, Class::Addresses, Class::Status, Class::Snapshot]].concat();
    let unanswered = classes.into_iter().map(|class| conduct.questions.of(class));
    let unanswered: u64 = unanswered.map(|count| count.refused + count.timeouts).sum();
    let fetched = fetches.map(|class| conduct.questions.of(class).asked);
    let [[blocks_ignored, blocks], [ignored, passed]] = conduct.verdicts;
    if unanswered > UNANSWERED {
        Some("was not answered, though nothing went wrong")
    } else if blocks_ignored > blocks / 10 + 2 {
        Some("passes blocks on to nobody")
    } else if ignored > 4 * passed + 10 {
        Some("passes payments on to nobody")
    } else if fetched.iter().sum::<u64>() > blocks / 4 + FETCHED {
        Some("has to ask for what compact blocks should bring")
    } else if conduct.connected > 3 * nodes + up / 2 {
        Some("changes its peers all the time")
    } else {
        None
    }
}

/// With so many nodes that can be dialled, everybody knows one beside whoever asks.
const NAMED: usize = 4;
/// Questions that are not answered in a calm network: while connections begin and end.
const UNANSWERED: u64 = 2;
/// What a node asks for in a calm network besides a little of every fourth block.
const FETCHED: u64 = 5;

/// Nodes do what they should, and nothing else.
pub fn conduct(simulation: &Simulation, is_calm: bool) -> Vec<Broken> {
    let now = simulation.now();
    let fabric = simulation.fabric();
    let watch = &fabric.watch;
    let reachable = simulation.honest().into_iter().filter(|node| fabric.is_reachable(*node)).count();
    let (names, nodes) = (reachable >= NAMED, simulation.nodes().count() as u64);
    // One that was given while another's wrong one was being looked at is asked for again.
    let is_given_wrong =
        simulation.nodes().any(|node| simulation.kind(node).is_some_and(|kind| kind != Kind::ForgeBlocks));
    let seen = simulation.seen();
    let check = |node: NodeId| {
        simulation.running(node)?;
        let conduct = watch.of(node)?;
        let had =
            |(id, at): &&(BlockId, Nanos)| seen.had(node, *id).is_some_and(|had| conduct.since <= had && had < *at);
        let asked_again = conduct.questions.asked_for().iter().filter(had).count() as u64;
        let forgets = (asked_again > BODIES_AGAIN).then_some("asks for bodies that were on its chain");
        let in_flight = IN_FLIGHT * seen.long_moves(node);
        let again = conduct.questions.asked_again > BODIES_AGAIN + in_flight && !is_given_wrong;
        let again = again.then_some("asks for bodies that it was given");
        let what = fault(conduct, now)
            .or(forgets)
            .or(again)
            .or_else(|| omission(conduct, now, names))
            .or_else(|| unrest(conduct, now, nodes).filter(|_| is_calm))?;
        Some(Broken::Conduct { node, what })
    };
    simulation.honest().into_iter().filter_map(check).collect()
}
