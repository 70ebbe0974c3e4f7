//! What a node says of itself: `/ready`, `node_info`, the log and `doctor` say one thing; its own tools always get in;
//! and the same configuration is good, or refused, whoever looks at it.

use cairn_tests::node::{Node, command, free_port, offline};
use cairn_tests::wait::{LATER, SOON, run, until};
use cairn_tests::{faults::Faults, http::get, made, netns::Namespace, network::TestNetwork, tokens};
use serde_json::Value;
use std::net::{Ipv4Addr, TcpStream};
use std::{fs, fs::File, path::Path, process::Stdio, sync::Arc};

/// What the doctor finds, and its exit code.
async fn doctor(network: &TestNetwork, data: &Path, arguments: &[&str]) -> (Option<i32>, Vec<Value>) {
    let output = run(offline(network, data, &[&["doctor", "--json"], arguments].concat())).await;
    let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    (output.status.code(), said["findings"].as_array().expect("a list").clone())
}

fn faults(findings: &[Value]) -> Vec<&Value> {
    findings.iter().filter(|found| found["level"] == "fault").collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_set_back_is_told_alike_by_ready_node_info_log_and_doctor() {
    let Some(shifted) = made(Faults::new()) else { return };
    // Generated blocks are an interval apart, from the first on: so young a network has them near the present.
    let network = Arc::new(TestNetwork::with(200_000, true));
    let other = Node::start(&network, "other", &[]).await;
    let peers = other.address().await;
    let node = Node::start_with(&network, "node", &["--network.peers", &peers], shifted.environment()).await;
    node.is_peer_of(&other, true).await;
    other.generate(3, 0).await;
    until("it has caught up", SOON, async || (node.info().await.height == 3).then_some(())).await;
    let well = async || {
        let info = node.info().await;
        let is_well = get(node.rpc_port(), "/ready").status == 200 && info.health.problems.is_empty();
        (is_well && info.sync.reason.is_none()).then_some(())
    };
    until("it is well: the control", SOON, well).await;
    shifted.shift_clock(-600);
    let words = "from the future by this machine's clock";
    let ready =
        until("/ready says so", SOON, async || Some(get(node.rpc_port(), "/ready")).filter(|page| page.status == 503));
    let ready: Value = serde_json::from_str(&ready.await.body).expect("JSON");
    let info = node.info().await;
    let problem = info.health.problems.first().expect("a problem");
    assert_eq!((info.health.ready, problem.kind.as_str(), problem.blocking), (false, "clock", true), "{info:?}");
    assert!(problem.message.contains(words) && problem.advice.contains("set the clock"), "{problem:?}");
    let sentence = format!("{}: {}", problem.message, problem.advice);
    assert_eq!((ready["reason"].as_str(), info.sync.reason.as_deref()), (Some(&*sentence), Some(&*sentence)));
    assert_eq!(ready["phase"], "stalled");
    until("the log says so", SOON, async || node.log().contains(&sentence).then_some(())).await;
    let (code, found) = doctor(&network, node.directory(), &[]).await;
    let clock = faults(&found).into_iter().find(|found| found["check"] == "clock").expect("the doctor says so");
    assert_eq!(
        (code, clock["says"].as_str(), clock["advice"].as_str()),
        (Some(1), Some(&*problem.message), Some(&*problem.advice))
    );
    // It stands still meanwhile, and goes on once the clock is right.
    other.generate(2, 0).await;
    assert_eq!(node.info().await.height, 3);
    shifted.shift_clock(0);
    until("it is well again", LATER, well).await;
    until("it has the rest", LATER, async || (node.info().await.height == 5).then_some(())).await;
    until("the log says so, too", SOON, async || node.log().contains("a problem is over").then_some(())).await;
    assert_eq!(faults(&doctor(&network, node.directory(), &[]).await.1), Vec::<&Value>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nodes_own_tools_get_in_without_a_token_and_when_strangers_hold_every_place() {
    let network = Arc::new(TestNetwork::new());
    let node = Node::start(&network, "node", &["--rpc.max_connections=4"]).await;
    node.generate(2, 0).await;
    let stats = || offline(&network, node.directory(), &["db", "stats", "--json"]);
    let token = node.directory().join("admin.token");
    let secret = fs::read(&token).expect("it has one");
    fs::remove_file(&token).expect("removed");
    // More than there are places: they say nothing, and hold them for a while.
    let held: Vec<TcpStream> = (0..64)
        .map(|_| TcpStream::connect((Ipv4Addr::LOCALHOST, node.rpc_port())).expect("the system takes it"))
        .collect();
    let (code, found) = doctor(&network, node.directory(), &[]).await;
    assert_eq!((code, faults(&found)), (Some(0), Vec::<&Value>::new()), "{found:?}");
    let output = run(stats()).await;
    assert!(output.status.success(), "{output:?}");
    drop(held);
    let backup = network.directory().join("backup");
    let output = run(offline(&network, node.directory(), &["backup", backup.to_str().expect("a path")])).await;
    assert!(output.status.success() && backup.join("db").is_dir(), "{output:?}");
    // Without the socket there is the port, and its token; and without both the truth, and no force.
    fs::write(&token, &secret).expect("written");
    fs::remove_file(node.directory().join("rpc.sock")).expect("it has one");
    assert!(run(stats()).await.status.success());
    fs::remove_file(&token).expect("removed");
    let (code, found) = doctor(&network, node.directory(), &[]).await;
    let silent = faults(&found).into_iter().find(|found| found["check"] == "data").expect("it is told");
    let (says, advice) = (silent["says"].as_str().expect("text"), silent["advice"].as_str().expect("text"));
    assert!(code == Some(1) && says.contains("rpc.sock") && says.contains("admin.token"), "{says}");
    assert!(!advice.contains("-9") && !advice.contains("KILL") && advice.contains("in order"), "{advice}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nodes_own_tools_get_in_behind_tls_and_whatever_address_it_serves() {
    let network = Arc::new(TestNetwork::new());
    let made_here = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let (cert, key) = (network.directory().join("cert.pem"), network.directory().join("key.pem"));
    fs::write(&cert, made_here.cert.pem()).expect("written");
    fs::write(&key, made_here.key_pair.serialize_pem()).expect("written");
    // On a machine of its own, at an address that nothing here leads to.
    let Some(machine) = made(Namespace::new("lan")) else { return };
    machine.ip("addr add 10.77.0.1/32 dev lo").expect("an address");
    let data = network.directory().join("data");
    let socket = data.join("rpc.sock");
    for tls in [false, true] {
        let mut arguments = vec!["--rpc.listen=10.77.0.1:9741".to_owned()];
        if tls {
            arguments.push(format!("--rpc.tls_cert={}", cert.display()));
            arguments.push(format!("--rpc.tls_key={}", key.display()));
        }
        fs::create_dir_all(&data).expect("a directory");
        tokens::make(&network, &data, &["--scope", "read"]);
        let log = File::create(network.directory().join("log")).expect("a file");
        let mut node = machine.enter(&command(&network, &data, free_port(), free_port(), &arguments));
        let mut node = node.stdout(Stdio::null()).stderr(log).spawn().expect("it starts");
        until("it serves", SOON, async || socket.exists().then_some(())).await;
        let flags: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (code, found) = doctor(&network, &data, &flags).await;
        assert_eq!((code, faults(&found)), (Some(0), Vec::<&Value>::new()), "tls {tls}: {found:?}");
        assert!(
            found.iter().any(|found| found["check"] == "sync" && found["level"] == "ok"),
            "it was asked: {found:?}"
        );
        node.kill().expect("a child can be killed");
        node.wait().expect("and awaited");
        // Its socket stays, as after a power cut, and is in nobody's way.
        assert!(socket.exists());
        let (_, found) = doctor(&network, &data, &flags).await;
        assert!(
            found.iter().any(|found| found["says"].as_str().is_some_and(|says| says.contains("stale"))),
            "{found:?}"
        );
        fs::remove_file(&socket).expect("it is there");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn config_check_doctor_and_run_refuse_the_same_with_the_same_words_and_with_2() {
    let network = TestNetwork::new();
    let data = network.directory().join("data");
    fs::create_dir(&data).expect("a directory");
    let nonsense = network.directory().join("nonsense");
    fs::write(&nonsense, "no key, no certificate").expect("written");
    let (nonsense, port) = (nonsense.display(), free_port());
    let id = "12D3KooWGMYMmN1RGUYjWaSV6P3XtnBjwnosnJGNMnttfVCRnd6g";
    for (file, key) in [
        ("[mining]\nduty = 0\n".to_owned(), "mining.duty"),
        ("[mining]\nthread = 1\n".to_owned(), "mining.thread"),
        ("[network]\nlisten = [\"/ip4/127.0.0.1/tcp/x\"]\n".to_owned(), "network.listen"),
        ("[network]\nlisten = [\"/ip4/127.0.0.1/tcp/1/ws\"]\n".to_owned(), "network.listen"),
        ("[network]\npeers = [\"/ip4/127.0.0.1/tcp/1/p2p/nobody\"]\n".to_owned(), "network.peers"),
        ("[network]\nboot_nodes = [\"/ip4/127.0.0.1/tcp/1\"]\n".to_owned(), "network.boot_nodes"),
        ("[network]\nexternal = [\"/ip4/127.0.0.1/tcp/x\"]\n".to_owned(), "network.external"),
        (format!("[network]\nadmit = [\"{id}\", \"{id}x\"]\n"), "network.admit"),
        (format!("[network]\npsk_file = \"{nonsense}\"\n"), "network.psk_file"),
        ("[network]\npsk_file = \"/nowhere/psk\"\n".to_owned(), "network.psk_file"),
        (format!("[rpc]\ntls_cert = \"{nonsense}\"\ntls_key = \"{nonsense}\"\n"), "rpc.tls_cert"),
        (format!("[rpc]\nlisten = \"0.0.0.0:{port}\"\n"), "rpc.listen"),
        (format!("[network]\nport = {port}\n[rpc]\nlisten = \"127.0.0.1:{port}\"\n"), "rpc.listen"),
        (format!("[log]\ndirectory = \"{nonsense}/logs\"\n"), "log.directory"),
        ("[log]\nfilter = \"cairn=loud\"\n".to_owned(), "log.filter"),
        ("not TOML".to_owned(), "cairn-node.toml"),
    ] {
        fs::write(data.join("cairn-node.toml"), &file).expect("written");
        let checked = run(offline(&network, &data, &["config", "check"])).await;
        let said = String::from_utf8_lossy(&checked.stderr).into_owned();
        let words =
            said.trim().strip_prefix("cairn-node: ").unwrap_or_else(|| panic!("{file}: {checked:?}")).to_owned();
        assert!(checked.status.code() == Some(2) && words.contains(key), "{file}: {words}");
        let started = run(offline(&network, &data, &["run"])).await;
        assert_eq!(started.status.code(), Some(2), "{file}: {started:?}");
        assert_eq!(String::from_utf8_lossy(&started.stderr), said, "{file}");
        let (code, found) = doctor(&network, &data, &[]).await;
        let config = faults(&found).into_iter().find(|found| found["check"] == "config").expect("the doctor says so");
        assert_eq!((code, config["says"].as_str().map(str::trim)), (Some(2), Some(&*words)), "{file}");
    }
    // The control.
    fs::write(data.join("cairn-node.toml"), "[mining]\nduty = 50\n").expect("written");
    let checked = run(offline(&network, &data, &["config", "check"])).await;
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
    let (_, found) = doctor(&network, &data, &[]).await;
    assert!(found.iter().any(|found| found["check"] == "config" && found["level"] == "ok"), "{found:?}");
}
