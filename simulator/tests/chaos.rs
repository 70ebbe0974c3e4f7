//! Scenarios on real processes: a short one, between network namespaces where this machine allows them; the control of
//! its verdict, and what an interrupt leaves, between proxies, which every machine has.

use cairn_simulator::chaos::between::Kind;
use cairn_simulator::chaos::course::{Options, play};
use cairn_simulator::chaos::fleet::{Fleet, Setup};
use cairn_simulator::chaos::interrupt::Interrupt;
use cairn_simulator::chaos::payments::Payments;
use cairn_simulator::chaos::verdict::{Case, Finding, judge};
use cairn_simulator::executor::NodeId;
use cairn_simulator::scenario::{FaultKind, Scenario};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Three nodes, of which two mine; one is killed, and one is kept apart.
const SMALL: &str = r#"
name = "small"
nodes = 3
miners = 2
minutes = 12
interval_ms = 20_000
payments_per_hour = 150
[[fault]]
at = 1
minutes = 3
percent = 34
kind = "crash"
[[fault]]
at = 6
minutes = 4
percent = 34
kind = "partition"
"#;

fn small() -> Scenario {
    Scenario::parse(SMALL).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn real_nodes_agree_after_a_crash_and_a_partition_and_every_payment_has_its_end() {
    let directory = TempDir::with_prefix("cairn-chaos-").expect("a temporary directory");
    let (seed, length) = (7, Duration::from_secs(24));
    let options = Options { seed, length, directory: directory.path().join("chaos"), kind: Kind::Best };
    let mut told = Vec::new();
    let mut tell = |at: Duration, text: &str| told.push(format!("{:5.1} {text}", at.as_secs_f64()));
    let verdict = play(&small(), &options, &Interrupt::default(), &mut tell).unwrap_or_else(|error| panic!("{error}"));
    let told = told.join("\n");
    assert!(verdict.is_good(), "{told}\n{:#?}", verdict.findings);
    for expected in ["crash: kill -9 of node", "after the kill", "partition: between", "the partition is mended"] {
        assert!(told.contains(expected), "{expected} in {told}");
    }
    let paid = verdict.findings.iter().find(|finding| finding.text.contains("payments were taken"));
    assert!(paid.is_some_and(|finding| !finding.text.starts_with("0 ")), "{:#?}", verdict.findings);
}

/// What a verdict says that begins so.
fn found<'a>(findings: &'a [Finding], word: &str) -> Option<&'a Finding> {
    findings.iter().find(|finding| finding.text.contains(word))
}

#[test]
fn a_verdict_on_nodes_that_are_kept_apart_or_down_is_bad() {
    let directory = TempDir::with_prefix("cairn-chaos-").expect("a temporary directory");
    let (scenario, interrupt) = (small(), Interrupt::default());
    let setup = Setup {
        scenario: &scenario,
        seed: 1,
        minute: Duration::from_secs(3),
        directory: directory.path(),
        kind: Kind::Lines,
    };
    let mut fleet = Fleet::start(&setup, &[], &interrupt).unwrap_or_else(|error| panic!("{error}"));
    // Two chains, each with a miner; and one process is gone that should be there.
    fleet.begin(FaultKind::Partition, &[NodeId(0)]).unwrap_or_else(|error| panic!("{error}"));
    fleet.process_mut(NodeId(2)).kill();
    let height = |node| fleet.ask::<serde_json::Value>(NodeId(node), "node_info", &serde_json::json!([]));
    interrupt.wait_until(Instant::now() + Duration::from_secs(60), || {
        let tip = |node| height(node).ok().map(|info| (info["tip"].clone(), info["height"].as_u64()));
        let (one, other) = (tip(0), tip(1));
        let grown =
            |tip: &Option<(_, Option<u64>)>| tip.as_ref().is_some_and(|(_, height)| height.is_some_and(|h| h > 1));
        grown(&one) && grown(&other) && one != other
    });
    let payments = Payments::default();
    let patience = Duration::from_secs(2);
    let case = Case { payments: &payments, well_since: 0, grown_to: 1, ended: &[], patience };
    let verdict = judge(&mut fleet, &case, &mut |_| {}, &interrupt).expect("nobody interrupts");
    assert!(!verdict.is_good());
    let findings = &verdict.findings;
    for (word, holds) in [
        ("node 3 is not well", false),
        ("nodes follow different chains", false),
        ("follows another chain", false),
        ("the chain has grown", true),
        ("every database holds together", true),
    ] {
        assert_eq!(found(findings, word).map(|finding| finding.holds), Some(holds), "{word} in {findings:#?}");
    }
}

/// The processes whose command line names a directory.
fn processes_of(directory: &Path) -> Vec<u32> {
    let needle = directory.display().to_string();
    let ids =
        fs::read_dir("/proc").expect("Linux").flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_of = |id: &u32| {
        let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).split('\0').any(|word| word.starts_with(&format!("{needle}/node-")))
    };
    ids.filter(is_of).collect()
}

#[test]
fn an_interrupt_ends_every_process_that_was_started_and_keeps_their_data() {
    let base = TempDir::with_prefix("cairn-chaos-").expect("a temporary directory");
    let (directory, scenario) = (base.path().join("chaos"), base.path().join("small.toml"));
    fs::write(&scenario, SMALL).expect("a file in a fresh directory");
    let mut command = Command::new(env!("CARGO_BIN_EXE_cairn-sim"));
    command.arg("chaos").arg(scenario).args(["--lines", "--directory"]).arg(&directory).stdout(Stdio::null());
    let mut chaos = command.spawn().expect("it starts");
    let waits = Interrupt::default();
    let within = |seconds| Instant::now() + Duration::from_secs(seconds);
    waits.wait_until(within(60), || processes_of(&directory).len() == 3);
    assert_eq!(processes_of(&directory).len(), 3);
    let signal = format!("kill -INT {}", chaos.id());
    assert!(Command::new("sh").args(["-c", &signal]).status().is_ok_and(|status| status.success()));
    let mut ended = None;
    waits.wait_until(within(60), || {
        ended = chaos.try_wait().expect("a child can be asked");
        ended.is_some()
    });
    assert_eq!(ended.and_then(|status| status.code()), Some(1));
    assert_eq!(processes_of(&directory), Vec::<u32>::new());
    assert!(directory.join("node-1.log").exists() && directory.join("node-1").exists());
}
