//! `cairn-node doctor`: each fault that is planted is found, named, and left as it was; a healthy node gets a clean
//! bill.

use cairn_ledger::testing::{key, payment};
use cairn_rpc::methods::NetClient;
use cairn_tests::faults::{Faults, SmallDisk};
use cairn_tests::node::{Node, free_port, offline};
use cairn_tests::wait::{LATER, SOON, run, until};
use cairn_tests::{made, network::TestNetwork};
use serde_json::Value;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::{collections::BTreeMap, process::Command, sync::Arc};

/// What the doctor says, and how it ends.
struct Bill {
    code: Option<i32>,
    said: Value,
}

impl Bill {
    /// The sentences about one thing that are of this level.
    fn of(&self, check: &str, level: &str) -> Vec<String> {
        let findings = self.said["findings"].as_array().expect("a list");
        let fits = |found: &&Value| found["check"] == check && found["level"] == level;
        findings.iter().filter(fits).map(|found| found["says"].as_str().expect("a sentence").to_owned()).collect()
    }

    /// It names this fault, says what to do, and ends with `code`.
    fn finds(&self, check: &str, words: &str, code: i32) {
        let faults = self.of(check, "fault");
        assert!(faults.iter().any(|says| says.contains(words)), "no {words:?} in {}", self.said);
        assert_eq!(self.code, Some(code), "{}", self.said);
        let advised =
            |found: &Value| found["level"] != "fault" || found["advice"].as_str().is_some_and(|text| !text.is_empty());
        assert!(self.said["findings"].as_array().expect("a list").iter().all(advised), "{}", self.said);
    }

    /// It finds nothing to mend.
    fn is_clean(&self) {
        assert_eq!((self.code, &self.said["healthy"]), (Some(0), &Value::Bool(true)), "{}", self.said);
    }
}

/// Runs a command to its end, soon, as the doctor.
async fn bill(doctor: Command) -> Bill {
    let output = run(doctor).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Bill {
        code: output.status.code(),
        said: serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}")),
    }
}

/// The doctor's command line for a node with ports of its own.
fn doctor(network: &TestNetwork, data: &Path, arguments: &[&str]) -> Command {
    let (p2p, rpc) = (free_port(), free_port());
    let listen = format!("--network.listen=/ip4/127.0.0.1/tcp/{p2p}");
    let rpc = format!("--rpc.listen=127.0.0.1:{rpc}");
    offline(network, data, &[&["doctor", "--json", &listen, &rpc], arguments].concat())
}

/// A node that has made some blocks and was stopped in order.
async fn stopped(network: &Arc<TestNetwork>) -> Node {
    let mut node = Node::start(network, "patient", &[]).await;
    node.submit(&payment(network.spec(), &key(1), 0, key(200).address(), 5, 1_000)).await;
    node.generate(12, 0).await;
    assert!(node.terminate().await.success());
    node
}

/// Every file below a directory.
fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).expect("a directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            let bytes = fs::read(&path).expect("a file");
            found.insert(path, bytes);
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_healthy_node_gets_a_clean_bill_running_and_stopped() {
    let network = Arc::new(TestNetwork::new());
    let mut node = Node::start(&network, "healthy", &[]).await;
    let address = node.address().await;
    let mut peers = Vec::new();
    for name in ["a", "b", "c"] {
        peers.push(Node::start(&network, name, &["--network.peers", &address]).await);
    }
    node.generate(3, 0).await;
    node.has_peers(3).await;
    until("three clocks are known", SOON, async || node.rpc().net_info().await.ok()?.clock_ahead_ms).await;
    let running = bill(doctor(&network, node.directory(), &[])).await;
    running.is_clean();
    for check in ["config", "data", "disk", "files", "ports", "version", "network", "clock", "sync", "peers", "reach"] {
        assert_eq!(running.of(check, "ok").len(), 1, "{check} in {}", running.said);
    }
    assert!(node.terminate().await.success());
    let before = contents(node.directory());
    let rested = bill(doctor(&network, node.directory(), &[])).await;
    rested.is_clean();
    assert!(rested.of("database", "ok")[0].contains("4 blocks"), "{}", rested.said);
    assert_eq!(rested.of("data", "ok").len(), 1, "an orderly end leaves no stale lock: {}", rested.said);
    assert!(before == contents(node.directory()), "the doctor changes nothing");
    let quick = bill(doctor(&network, node.directory(), &["--quick"])).await;
    quick.is_clean();
    assert!(quick.of("database", "ok")[0].contains("the rest was not read"), "{}", quick.said);
    // What has never run is no fault either.
    let nowhere = network.directory().join("nowhere");
    bill(doctor(&network, &nowhere, &[])).await.is_clean();
    assert!(!nowhere.exists(), "the doctor makes nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_not_the_peers_is_found() {
    let Some(faults) = made(Faults::new()) else { return };
    let network = Arc::new(TestNetwork::new());
    let first = Node::start(&network, "first", &[]).await;
    let mut honest = vec![first.address().await];
    let mut others = Vec::new();
    for name in ["second", "third"] {
        let node = Node::start(&network, name, &["--network.peers", &honest[0]]).await;
        honest.push(node.address().await);
        others.push(node);
    }
    faults.shift_clock(-600);
    let peers = format!("--network.peers={}", honest.join(","));
    let displaced = Node::start_with(&network, "displaced", &[&peers], faults.environment()).await;
    until("it has compared its clock", LATER, async || displaced.rpc().net_info().await.ok()?.clock_ahead_ms).await;
    bill(doctor(&network, displaced.directory(), &[])).await.finds("clock", "s behind the median", 1);
    // The control: to an honest node that has it for a peer, its own clock is right.
    until("three clocks are known", LATER, async || first.rpc().net_info().await.ok()?.clock_ahead_ms).await;
    assert_eq!(bill(doctor(&network, first.directory(), &[])).await.of("clock", "ok").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_found() {
    let network = TestNetwork::new();
    let (Some(small), Some(large)) = (made(SmallDisk::new(64)), made(SmallDisk::new(4_096))) else { return };
    bill(doctor(&network, &small.path().join("data"), &[])).await.finds("disk", "less than 128 MiB", 3);
    bill(doctor(&network, &large.path().join("data"), &[])).await.is_clean();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spent_storage_budget_is_found() {
    let network = Arc::new(TestNetwork::new());
    let node = stopped(&network).await;
    let with = |max: &str| doctor(&network, node.directory(), &[&format!("--storage.max_bytes={max}")]);
    bill(with("1KiB")).await.finds("disk", "storage.max_bytes allows", 1);
    bill(with("1TiB")).await.is_clean();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_low_limit_of_open_files_is_found() {
    let network = TestNetwork::new();
    let data = network.directory().join("data");
    let limited = |files: u32| {
        let inner = doctor(&network, &data, &[]);
        let mut outer = Command::new("sh");
        let script = format!("ulimit -n {files} && exec \"$@\"");
        outer.args(["-c", &script, "sh"]).arg(inner.get_program()).args(inner.get_args());
        outer
    };
    bill(limited(200)).await.finds("files", "only 200 files may be open", 1);
    bill(limited(1_024)).await.is_clean();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_peers_is_found() {
    // So young that it is no wonder that there is no block.
    let network = Arc::new(TestNetwork::with(1_000, false));
    let port = free_port();
    let listen = format!("--network.listen=/ip4/127.0.0.1/tcp/{port}");
    let lonely = Node::start(&network, "lonely", &[&listen, "--network.allow_private=true"]).await;
    bill(doctor(&network, lonely.directory(), &[])).await.finds("peers", "has no peers", 1);
    // The control: once somebody is there, it is well again.
    let address = format!("/ip4/127.0.0.1/tcp/{port}/p2p/{}", lonely.info().await.peer_id);
    let listen = format!("--network.listen=/ip4/127.0.0.1/tcp/{}", free_port());
    let _friend =
        Node::start(&network, "friend", &[&listen, "--network.allow_private=true", "--network.peers", &address]).await;
    lonely.has_peers(1).await;
    bill(doctor(&network, lonely.directory(), &[])).await.is_clean();
    // A stopped one that knows nobody would stay alone, too.
    let nowhere = network.directory().join("nowhere");
    bill(doctor(&network, &nowhere, &[])).await.finds("peers", "would have no peers", 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_is_taken_is_found() {
    let network = TestNetwork::new();
    let data = network.directory().join("data");
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = taken.local_addr().expect("an address").port();
    for (flag, words) in [
        (format!("--rpc.listen=127.0.0.1:{port}"), format!("127.0.0.1:{port} for JSON-RPC")),
        (format!("--network.listen=/ip4/127.0.0.1/tcp/{port}"), format!("/tcp/{port} for peers")),
    ] {
        let other = if flag.starts_with("--rpc") {
            format!("--network.listen=/ip4/127.0.0.1/tcp/{}", free_port())
        } else {
            format!("--rpc.listen=127.0.0.1:{}", free_port())
        };
        let examine = || offline(&network, &data, &["doctor", "--json", &flag, &other]);
        bill(examine()).await.finds("ports", &words, 1);
    }
    drop(taken);
    let free = format!("--rpc.listen=127.0.0.1:{port}");
    let listen = format!("--network.listen=/ip4/127.0.0.1/tcp/{}", free_port());
    bill(offline(&network, &data, &["doctor", "--json", &free, &listen])).await.is_clean();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_wrong_network_is_found_running_and_stopped() {
    let (network, other) = (Arc::new(TestNetwork::new()), TestNetwork::new());
    let mut node = Node::start(&network, "node", &[]).await;
    bill(doctor(&other, node.directory(), &[])).await.finds("network", &other.spec().genesis_id().to_string(), 1);
    assert!(node.terminate().await.success());
    bill(doctor(&other, node.directory(), &[])).await.finds("network", "belongs to the network", 1);
    bill(doctor(&network, node.directory(), &[])).await.is_clean();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_flipped_byte_in_any_table_is_found() {
    let network = Arc::new(TestNetwork::new());
    let node = stopped(&network).await;
    bill(doctor(&network, node.directory(), &[])).await.is_clean();
    let files = contents(&node.directory().join("db"));
    let tables: Vec<_> = files.iter().filter(|(path, _)| path.extension().is_some_and(|kind| kind == "sst")).collect();
    assert!(tables.len() >= 8, "one file for each table: {:?}", files.keys());
    for (path, bytes) in tables {
        let mut broken = bytes.clone();
        broken[10] ^= 1;
        fs::write(path, &broken).expect("written");
        bill(doctor(&network, node.directory(), &[])).await.finds("database", "", 3);
        fs::write(path, bytes).expect("written back");
    }
    bill(doctor(&network, node.directory(), &[])).await.is_clean();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_lock_is_found() {
    let network = Arc::new(TestNetwork::new());
    let mut node = Node::start(&network, "node", &[]).await;
    node.kill_9();
    let killed = bill(doctor(&network, node.directory(), &[])).await;
    assert!(killed.of("data", "note")[0].contains("stale"), "{}", killed.said);
    // It does not keep the next node out, whose orderly end leaves none.
    node.restart().await;
    assert!(node.terminate().await.success());
    let ended = bill(doctor(&network, node.directory(), &[])).await;
    ended.is_clean();
    assert_eq!(ended.of("data", "note").len(), 0, "{}", ended.said);
    // One that somebody holds who is no node that answers.
    let lock = File::open(node.directory().join("lock")).expect("a lock");
    lock.lock().expect("nobody holds it");
    let held = bill(doctor(&network, node.directory(), &[])).await;
    held.finds("data", "does not answer", 1);
    assert!(!held.said.to_string().contains("kill -9"), "nobody is told to use force on a guess: {}", held.said);
    drop(lock);
    bill(doctor(&network, node.directory(), &[])).await.is_clean();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_boot_node_that_cannot_be_reached_is_found() {
    let network = Arc::new(TestNetwork::new());
    let there = Node::start(&network, "there", &[]).await;
    let address = there.address().await;
    let data = network.directory().join("data");
    let gone = address.replace(&format!("/tcp/{}/", there.p2p_port()), &format!("/tcp/{}/", free_port()));
    let with = |nodes: String| doctor(&network, &data, &[&format!("--network.boot_nodes={nodes}")]);
    bill(with(format!("{address},{gone}"))).await.finds("boot_nodes", &gone, 1);
    bill(with(address)).await.is_clean();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_a_later_version_is_found() {
    let network = TestNetwork::new();
    let data = network.directory().join("data");
    fs::create_dir(&data).expect("a directory");
    let file = data.join("cairn-node.toml");
    fs::write(&file, "[network]\nmax_outbound = 8\nquantum_links = 3\n").expect("written");
    let found = bill(doctor(&network, &data, &[])).await;
    found.finds("config", "network.quantum_links", 2);
    let advice = found.said["findings"][0]["advice"].as_str().expect("advice");
    assert!(advice.contains("another version"), "{advice}");
    fs::write(&file, "[network]\nmax_outbound = 8\n").expect("written");
    bill(doctor(&network, &data, &[])).await.is_clean();
}
