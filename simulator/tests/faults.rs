//! The list of planted bugs keeps up with the sources; `scripts/faults.sh` plays them.

use cairn_simulator::course::Course;
use cairn_simulator::faults;
use cairn_simulator::scenario::Scenario;
use std::path::Path;

#[test]
fn every_fault_still_has_its_place_in_the_sources() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the root of the sources");
    let all = faults::read(root).unwrap_or_else(|error| panic!("{error}"));
    assert!(all.len() >= 100, "{} faults", all.len());
    let files = faults::planted(root).unwrap_or_else(|error| panic!("{error}"));
    for fault in &all {
        let text = &files[&fault.file];
        assert!(text.contains(&format!("planted({:?})", fault.name)), "{} is not planted", fault.name);
    }
}

/// The control of `scripts/faults.sh`, with a few seeds: where no bug is planted, nothing is found.
fn hold(scenarios: &[&str], seeds: std::ops::RangeInclusive<u64>) {
    let mut found = Vec::new();
    for text in scenarios {
        let scenario = Scenario::parse(text).unwrap_or_else(|error| panic!("{error}"));
        for seed in seeds.clone() {
            let course = Course::new(scenario.clone(), seed, Box::new(|_, _| {}));
            let verdict = course.unwrap_or_else(|error| panic!("{error}")).play();
            let replay = format!("cairn-sim replay simulator/scenarios/{}.toml --seed {seed}", scenario.name);
            found.extend(verdict.broken.iter().map(|broken| format!("{replay}: {broken}")));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn without_a_fault_nothing_is_found() {
    let scenarios = [
        include_str!("../scenarios/forged.toml"),
        include_str!("../scenarios/lonely.toml"),
        include_str!("../scenarios/quiet.toml"),
        include_str!("../scenarios/parted.toml"),
        include_str!("../scenarios/late.toml"),
        include_str!("../scenarios/rare.toml"),
    ];
    hold(&scenarios, 1..=2);
}

#[test]
fn without_a_fault_nothing_is_found_where_more_goes_wrong() {
    let scenarios = [
        include_str!("../scenarios/liars.toml"),
        include_str!("../scenarios/stallers.toml"),
        include_str!("../scenarios/deaf.toml"),
        include_str!("../scenarios/skewed.toml"),
        include_str!("../scenarios/flapping.toml"),
        include_str!("../scenarios/crowd.toml"),
        include_str!("../scenarios/neighbours.toml"),
    ];
    hold(&scenarios, 1..=1);
}

#[test]
fn without_a_fault_nothing_is_found_where_sync_has_much_to_do() {
    let scenarios = [
        include_str!("../scenarios/sparse.toml"),
        include_str!("../scenarios/brisk.toml"),
        include_str!("../scenarios/lossy.toml"),
        include_str!("../scenarios/murky.toml"),
        include_str!("../scenarios/crossroads.toml"),
        include_str!("../scenarios/overloaded.toml"),
        include_str!("../scenarios/long.toml"),
        include_str!("../scenarios/still.toml"),
        include_str!("../scenarios/busy.toml"),
        include_str!("../scenarios/smuggled.toml"),
    ];
    hold(&scenarios, 1..=10);
}
