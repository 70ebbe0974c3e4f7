//! Scenarios in the suite: short ones, with many seeds. Long ones are played by `cairn-sim run`.

use cairn_ledger::testing::key;
use cairn_simulator::adversary::Kind;
use cairn_simulator::course::{Course, Verdict};
use cairn_simulator::executor::NodeId;
use cairn_simulator::fabric::ip_in;
use cairn_simulator::links::Shape;
use cairn_simulator::mining::{Miner, Power, Strategy};
use cairn_simulator::oracles::{self, Broken};
use cairn_simulator::scenario::{FaultKind, Planned, Scenario};
use cairn_simulator::simulation::{NodePlan, Setup, Simulation};
use cairn_simulator::theory;
use std::sync::Arc;
use std::time::Duration;

fn scenario(text: &str) -> Scenario {
    Scenario::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

fn play(scenario: &Scenario, seed: u64) -> Verdict {
    Course::new(scenario.clone(), seed, Box::new(|_, _| {})).unwrap_or_else(|error| panic!("{error}")).play()
}

#[test]
fn the_same_seed_gives_the_same_digest_and_another_gives_another() {
    let scenario = scenario(include_str!("../scenarios/short.toml"));
    let (one, again, other) = (play(&scenario, 7), play(&scenario, 7), play(&scenario, 8));
    assert_eq!((one.digest, one.events, one.height), (again.digest, again.events, again.height));
    assert_ne!(one.digest, other.digest);
}

#[test]
fn what_goes_wrong_is_the_seeds_whoever_plays_it() {
    let scenario = scenario(include_str!("../scenarios/chaos.toml"));
    let plan = scenario.plan(7);
    assert_eq!(plan, scenario.plan(7));
    assert_ne!(plan, scenario.plan(8));
    for kind in FaultKind::ALL {
        assert_eq!(plan.iter().filter(|planned| planned.fault.kind == kind).count(), 1, "{kind:?}");
    }
    for seed in 0..100 {
        for Planned { fault, end, nodes } in scenario.plan(seed) {
            assert!(fault.at < end && end <= scenario.minutes, "{fault:?} ends at {end}");
            let least = if fault.kind == FaultKind::OneWay { 2 } else { 1 };
            assert!(nodes.len() >= least && nodes.iter().all(|node| node.0 < scenario.nodes), "{fault:?}: {nodes:?}");
        }
    }
}

/// A node that others can dial, in a group of its own; `rate`: what it hashes, if it mines.
fn plan(n: u32, is_boot_node: bool, rate: Option<f64>) -> NodePlan {
    let beneficiary = key(1_000 + u64::from(n)).address();
    let miner = rate.map(|rate| Miner { rate, power: Power::default(), beneficiary, strategy: Strategy::Honest });
    NodePlan { ip: ip_in(n, 0), is_reachable: true, is_boot_node, miner }
}

/// A stopped process does nothing, nothing of it is lost, and it is with the others soon after it goes on; one that is
/// killed while it is stopped comes back as another process.
#[test]
fn a_node_that_is_stopped_stands_where_it_is_and_catches_up_once_it_goes_on() {
    let spec = scenario(include_str!("../scenarios/calm.toml")).spec().expect("rules");
    let work = spec.params().genesis_target.decode().expect("a target").work().to_f64();
    let mut simulation = Simulation::new(Setup { seed: 5, spec: Arc::new(spec), shape: Shape::World, leisure: 1 });
    for n in 0..4 {
        simulation.add(plan(n, true, (n == 0).then_some(work / 60.0)));
    }
    let nodes: Vec<NodeId> = simulation.nodes().collect();
    nodes.iter().for_each(|node| simulation.start(*node).expect("it starts"));
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let height = |simulation: &Simulation, node: NodeId| {
        simulation.tips().into_iter().find(|(at, ..)| *at == node).map(|(_, height, _)| height)
    };
    simulation.run_to(minutes(10));
    let before = height(&simulation, nodes[3]);
    simulation.stop(nodes[3]);
    simulation.run_to(minutes(30));
    assert_eq!(height(&simulation, nodes[3]), before, "it stands");
    assert!(height(&simulation, nodes[1]) > before.map(|height| height + 5), "the control: others go on");
    simulation.go_on(nodes[3]);
    simulation.run_to(minutes(35));
    assert_eq!(oracles::one_tip(&simulation), []);
    assert_eq!(oracles::whole(&simulation), []);
    simulation.stop(nodes[3]);
    simulation.kill(nodes[3], false);
    simulation.start(nodes[3]).expect("it starts");
    simulation.run_to(minutes(45));
    assert_eq!(oracles::one_tip(&simulation), []);
}

#[test]
fn what_must_hold_holds_when_nothing_goes_wrong() {
    let verdict = play(&scenario(include_str!("../scenarios/calm.toml")), 1);
    assert_eq!(verdict.broken, []);
    assert!(verdict.height > 40, "{} blocks", verdict.height);
    assert!(verdict.fates.made > 40 && verdict.fates.mined + 10 >= verdict.fates.made, "{:?}", verdict.fates);
}

/// Seeds that no other part plays, half of them in each, so that two cores are busy.
fn hold(seeds: impl Iterator<Item = u64>) {
    let scenario = scenario(include_str!("../scenarios/short.toml"));
    for seed in seeds {
        let verdict = play(&scenario, seed);
        assert_eq!(verdict.broken, [], "cairn-sim replay simulator/scenarios/short.toml --seed {seed}");
    }
}

#[test]
fn what_must_hold_holds_whatever_goes_wrong_with_even_seeds() {
    hold((0..40).filter(|seed| seed % 2 == 0));
}

#[test]
fn what_must_hold_holds_whatever_goes_wrong_with_odd_seeds() {
    hold((0..40).filter(|seed| seed % 2 == 1));
}

/// The control of the oracles: a network that is parted has two chains, and is one again soon after it is joined.
#[test]
fn a_parted_network_has_two_chains_and_one_once_it_is_joined() {
    let spec = scenario(include_str!("../scenarios/calm.toml")).spec().expect("rules");
    let work = spec.params().genesis_target.decode().expect("a target").work().to_f64();
    let setup = Setup { seed: 3, spec: Arc::new(spec), shape: Shape::World, leisure: 1 };
    let mut simulation = Simulation::new(setup);
    for n in 0..6_u32 {
        simulation.add(plan(n, n < 3, Some(work / 360.0)));
    }
    let nodes: Vec<NodeId> = simulation.nodes().collect();
    for node in &nodes {
        simulation.start(*node).expect("it starts");
    }
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    simulation.run_to(minutes(10));
    assert_eq!(oracles::one_tip(&simulation), [], "the control");
    let part = |simulation: &Simulation, part| {
        let fabric = &mut *simulation.fabric();
        fabric.links.part(nodes[..3].iter().copied(), part);
        fabric.on_links_changed();
    };
    part(&simulation, 1);
    simulation.run_to(minutes(40));
    assert!(matches!(oracles::one_tip(&simulation).as_slice(), [Broken::Tips { tips }] if tips.len() == 2));
    assert_eq!(oracles::whole(&simulation), []);
    part(&simulation, 0);
    simulation.run_to(minutes(50));
    assert_eq!(oracles::one_tip(&simulation), []);
    assert_eq!(oracles::replay(&simulation, nodes[5]), []);
    simulation.kill(nodes[5], true);
    assert_eq!(oracles::whole(&simulation), [Broken::Down { node: nodes[5] }]);
}

/// A few honest nodes beside as many adversaries of a kind; half of them miss some blocks and ask for them.
fn among(kind: Kind) -> Scenario {
    let percent = if kind.mines() { 30 } else { 0 };
    let nodes = if kind.mines() { 1 } else { 6 };
    scenario(&format!(
        "name = \"among\"\nnodes = 8\nminers = 4\nminutes = 16\nquiet_minutes = 14\npayments_per_hour = 120\nleisure = 4\n\
         [[adversary]]\nkind = {:?}\nnodes = {nodes}\ngroups = {nodes}\npercent = {percent}\nconfirmations = 1\n\
         [[fault]]\nat = 1\nminutes = 14\nnodes = [4, 5, 6, 7]\nkind = \"crash\"\n",
        kind.name()
    ))
}

/// Each kind has done what it is for, the honest hold nevertheless, and its twin has done nothing.
#[test]
fn adversaries_of_every_kind_harm_nobody_and_their_twins_are_honest() {
    for kind in Kind::ALL {
        let scenario = among(kind);
        let (attacked, control) = (play(&scenario, 3), play(&scenario.twin(), 3));
        assert_eq!(attacked.broken, [], "{kind:?}");
        assert_eq!((control.broken, control.figures.deeds), (vec![], 0), "{kind:?}");
        if !kind.mines() {
            assert!(attacked.figures.deeds > 0, "{kind:?} has done nothing");
        }
    }
}

/// Miners that keep blocks back win what theory says, and their twins what they have hashed.
#[test]
fn a_selfish_miner_wins_more_than_its_share_and_its_twin_does_not() {
    let mut scenario = among(Kind::SelfishMining);
    (scenario.minutes, scenario.payments_per_hour, scenario.leisure) = (900, 0, 20);
    scenario.fault.clear();
    scenario.adversary[0].percent = 45;
    let (selfish, twin) = (play(&scenario, 1), play(&scenario.twin(), 1));
    assert_eq!((selfish.broken, twin.broken), (vec![], vec![]));
    let (gained, fair) = (selfish.figures.share_of_adversaries(), twin.figures.share_of_adversaries());
    assert!((0.40..0.50).contains(&fair), "{fair}");
    assert!(gained > 0.53, "{gained}, in theory {}", theory::selfish_share(0.45, 0.0));
    assert!(selfish.figures.stale_rate() > 0.15 && twin.figures.stale_rate() < 0.02);
}

/// The control: payments are taken back where few confirmations are waited for.
#[test]
fn a_double_spender_succeeds_now_and_then() {
    let mut scenario = among(Kind::DoubleSpend);
    (scenario.minutes, scenario.payments_per_hour, scenario.leisure) = (900, 0, 20);
    scenario.fault.clear();
    let verdict = play(&scenario, 1);
    assert_eq!(verdict.broken, []);
    let (tried, done) = verdict.figures.double_spends;
    assert!(tried > 10 && done > 0 && done < tried, "{done} of {tried}");
}

#[test]
fn a_file_that_is_no_scenario_is_refused_with_the_reason() {
    let good = include_str!("../scenarios/calm.toml");
    for (wrong, reason) in [
        (good.replace("nodes = 20", "nodes = 0"), "nodes: expected 1 to 5 000"),
        (good.replace("miners = 5", "miners = 21"), "miners: expected"),
        (good.replace("minutes = 60", "minutes = 0"), "minutes: expected"),
        (good.replace("name", "nmae"), "unknown field"),
        (format!("{good}[[hash_power]]\nat = 1\npercent = 0\n"), "hash_power: expected 1 to"),
        (
            format!("{good}{}", "[[hash_power]]\nat = 2\npercent = 9\n[[hash_power]]\nat = 1\npercent = 9\n"),
            "order of time",
        ),
        (format!("{good}[[fault]]\nat = 1\nminutes = 1\npercent = 101\nkind = \"crash\"\n"), "percent: expected"),
        (format!("{good}[[fault]]\nat = 1\nminutes = 1\npercent = 1\nkind = \"flood\"\n"), "unknown variant"),
        (format!("{good}[[fault]]\nat = 1\nminutes = 1\nnodes = [20]\nkind = \"crash\"\n"), "below the number"),
        (format!("{good}[[adversary]]\nkind = \"stall\"\npercent = 5\n"), "adversary: expected"),
        (format!("{good}[[adversary]]\nkind = \"selfish_mining\"\n"), "adversary: expected"),
    ] {
        let error = Scenario::parse(&wrong).expect_err("it is none").to_string();
        assert!(error.contains(reason), "{error}");
    }
}
