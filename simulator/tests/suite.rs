//! Scenarios in the suite: short ones, with many seeds. Long ones are played by `cairn-sim run`.

use cairn_ledger::testing::key;
use cairn_simulator::course::{Course, Verdict};
use cairn_simulator::executor::NodeId;
use cairn_simulator::links::Shape;
use cairn_simulator::oracles::{self, Broken};
use cairn_simulator::scenario::{FaultKind, Planned, Scenario};
use cairn_simulator::simulation::{Setup, Simulation};
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

/// A stopped process does nothing, nothing of it is lost, and it is with the others soon after it goes on; one that is
/// killed while it is stopped comes back as another process.
#[test]
fn a_node_that_is_stopped_stands_where_it_is_and_catches_up_once_it_goes_on() {
    let spec = scenario(include_str!("../scenarios/calm.toml")).spec().expect("rules");
    let work = spec.params().genesis_target.decode().expect("a target").work().to_f64();
    let mut simulation = Simulation::new(Setup { seed: 5, spec: Arc::new(spec), shape: Shape::World, leisure: 1 });
    for n in 0..4 {
        simulation.add_boot_node((n == 0).then(|| (work / 60.0, key(1_000).address())));
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
    for n in 0..6 {
        let miner = Some((work / 360.0, key(1_000 + n).address()));
        if n < 3 {
            simulation.add_boot_node(miner)
        } else {
            simulation.add_node(miner, true)
        };
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

#[test]
fn a_file_that_is_no_scenario_is_refused_with_the_reason() {
    let good = include_str!("../scenarios/calm.toml");
    for (wrong, reason) in [
        (good.replace("nodes = 20", "nodes = 0"), "nodes: expected 1 to 5 000"),
        (good.replace("miners = 5", "miners = 21"), "miners: expected"),
        (good.replace("minutes = 60", "minutes = 0"), "minutes: expected"),
        (good.replace("name", "nmae"), "unknown field"),
        (format!("{good}[[fault]]\nat = 1\nminutes = 1\npercent = 101\nkind = \"crash\"\n"), "percent: expected"),
        (format!("{good}[[fault]]\nat = 1\nminutes = 1\npercent = 1\nkind = \"flood\"\n"), "unknown variant"),
    ] {
        let error = Scenario::parse(&wrong).expect_err("it is none").to_string();
        assert!(error.contains(reason), "{error}");
    }
}
