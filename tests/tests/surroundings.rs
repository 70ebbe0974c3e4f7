//! What stands around a node and is not as it should be: a directory that cannot be looked into, a database on another
//! disk, a log that nobody reads, signals, a file that was cut, a certificate and a peer's key that are renewed, what
//! Kubernetes puts into a container. Each is survived, measured or told, and nothing that waits is lost.

use cairn_ledger::testing::{key, payment};
use cairn_rpc::methods::{MempoolClient, NodeClient};
use cairn_tests::http::{call_with, get, post, request};
use cairn_tests::node::{Node, command, free_port, offline};
use cairn_tests::wait::{LATER, SOON, run, until};
use cairn_tests::{faults::SmallDisk, made, network::TestNetwork};
use serde_json::{Value, json};
use std::process::{Child, Command, Stdio};
use std::{fs, io::Read, os::unix::fs::symlink, path::Path, sync::Arc, time::Duration};

const TIP: &str = r#"{"jsonrpc":"2.0","id":1,"method":"chain_tip","params":[]}"#;

/// What the doctor finds about one thing, with its level, of a node that runs.
async fn findings(network: &TestNetwork, data: &Path, check: &str) -> Vec<(String, String)> {
    let output = run(offline(network, data, &["doctor", "--json"])).await;
    let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    let text = |found: &Value, field: &str| found[field].as_str().expect("text").to_owned();
    let all = said["findings"].as_array().expect("a list").iter();
    all.filter(|found| found["check"] == check).map(|found| (text(found, "level"), text(found, "says"))).collect()
}

async fn waiting(node: &Node) -> u64 {
    node.rpc().mempool_info().await.expect("it answers").count
}

async fn submit(network: &TestNetwork, node: &Node, count: u64) {
    for from in 1..=count {
        node.submit(&payment(network.spec(), &key(from), 0, key(200).address(), 5, 1_000)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_cannot_be_looked_into_stops_no_node_and_is_told_once() {
    let network = Arc::new(TestNetwork::new());
    let mut node = Node::start(&network, "node", &["--storage.max_bytes=1GiB"]).await;
    node.generate(2, 0).await;
    assert!(!node.log().contains("cannot be looked at"), "the control");
    // While it runs, and at its start. Not even root can look at a link to itself.
    symlink("lost+found", node.directory().join("lost+found")).expect("made");
    until("it is told", SOON, async || node.log().contains("cannot be looked at").then_some(())).await;
    let measured = node.info().await.room.used_bytes;
    assert!(measured > 0, "the rest is measured");
    assert!(node.terminate().await.success());
    node.restart().await;
    node.generate(1, 0).await;
    assert_eq!(node.info().await.height, 3);
    until("it is measured again", SOON, async || (node.info().await.room.used_bytes > 0).then_some(())).await;
    assert_eq!(node.log().matches("cannot be looked at").count(), 2, "once a run");
    let found = findings(&network, node.directory(), "disk").await;
    assert!(found.iter().any(|(level, says)| level == "note" && says.contains("lost+found")), "{found:?}");
    assert!(found.iter().all(|(level, _)| level != "fault"), "{found:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_behind_a_link_is_measured_where_it_is_and_its_disk_stops_the_node_in_time() {
    let Some(disk) = made(SmallDisk::new(256)) else { return };
    let network = Arc::new(TestNetwork::new());
    let data = network.directory().join("data");
    fs::create_dir(&data).expect("a directory");
    fs::create_dir(disk.path().join("db")).expect("an empty disk");
    symlink(disk.path().join("db"), data.join("db")).expect("made");
    let mut node = Node::start_in(&network, "node", &data, &["--storage.write_buffer_mib=8"]).await;
    node.generate(5, 0).await;
    let room = until("it has been measured", SOON, async || {
        Some(node.info().await.room).filter(|room| room.used_bytes > 0 && room.free_bytes > 0)
    })
    .await;
    assert!(room.free_bytes <= 256 << 20, "the free room of the database's disk: {room:?}");
    let in_the_link = fs::read_dir(disk.path().join("db")).expect("a database").count();
    assert!(in_the_link > 3, "it is there");
    let found = findings(&network, &data, "disk").await;
    assert!(found.iter().any(|(_, says)| says.contains(&format!("where {}", data.join("db").display()))), "{found:?}");
    // That disk fills up; the data directory's own has room.
    let free = usize::try_from(node.info().await.room.free_bytes).expect("a small disk");
    fs::write(disk.path().join("filler"), vec![1; free - (16 << 20)]).expect("there is room");
    assert_eq!(node.ends().await.code(), Some(5), "{}", node.log());
    fs::remove_file(disk.path().join("filler")).expect("it is there");
    node.restart().await;
    assert_eq!(node.info().await.height, 5, "nothing was lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_behind_a_link_is_repaired_where_it_is() {
    let network = Arc::new(TestNetwork::new());
    let (data, disk) = (network.directory().join("data"), network.directory().join("disk"));
    fs::create_dir(&data).expect("a directory");
    fs::create_dir_all(disk.join("chain")).expect("a directory");
    symlink(disk.join("chain"), data.join("db")).expect("made");
    let mut node = Node::start_in(&network, "node", &data, &[]).await;
    node.generate(5, 0).await;
    assert!(node.terminate().await.success());
    let repaired = run(offline(&network, &data, &["db", "repair", "--force"])).await;
    assert!(repaired.status.success(), "{repaired:?}");
    assert_eq!(fs::read_link(data.join("db")).expect("still a link"), disk.join("chain"));
    assert!(disk.join("chain.broken").is_dir(), "the former one is kept beside it");
    let said = String::from_utf8_lossy(&repaired.stdout).into_owned();
    assert!(said.contains(&disk.join("chain.broken").display().to_string()), "{said}");
    node.restart().await;
    assert_eq!(node.info().await.height, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bans_that_cannot_be_read_stop_no_node_and_are_told() {
    let network = Arc::new(TestNetwork::new());
    let mut node = Node::start(&network, "node", &[]).await;
    assert!(!node.log().contains("the bans cannot be read"), "the control");
    assert!(node.terminate().await.success());
    // Not even root can read a directory as a file.
    fs::create_dir(node.directory().join("bans.json")).expect("a directory");
    node.restart().await;
    assert_eq!(node.log().matches("the bans cannot be read").count(), 1, "{}", node.log());
}

/// A node of which this test has the standard error in hand.
struct Piped {
    child: Child,
    rpc: u16,
}

impl Piped {
    async fn start(network: &TestNetwork, data: &Path, arguments: &[String]) -> Self {
        let (p2p, rpc) = (free_port(), free_port());
        let mut node = command(network, data, p2p, rpc, arguments);
        let child = node.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
        let node = Self { child, rpc };
        node.answers().await;
        node
    }

    async fn answers(&self) {
        let listens = || std::net::TcpStream::connect(("127.0.0.1", self.rpc)).is_ok();
        until("it listens", SOON, async || listens().then_some(())).await;
        assert_eq!(get(self.rpc, "/health").status, 200);
        assert!(post(self.rpc, "localhost", &[], TIP).body.contains("\"height\""));
    }

    async fn terminate(mut self) -> Option<i32> {
        let sent = Command::new("sh").args(["-c", &format!("kill -TERM {}", self.child.id())]).status();
        assert!(sent.expect("a shell").success());
        let ended = until("it ends", SOON, || {
            let ended = self.child.try_wait().expect("a child can be asked");
            async move { ended }
        });
        ended.await.code()
    }
}

impl Drop for Piped {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_nobody_reads_any_more_costs_neither_the_node_nor_what_waits_in_it() {
    let network = Arc::new(TestNetwork::new());
    let data = network.directory().join("data");
    let spec = network.spec();
    let loud = ["--log.level=trace".to_owned(), "--log.filter=jsonrpsee=trace,hyper=trace".to_owned()];
    // One reader goes away, one stays and stops reading: the pipe is full after 64 KiB.
    for (run, goes_away) in [(0_u64, true), (1, false)] {
        let mut node = Piped::start(&network, &data, &loud).await;
        let reader = node.child.stderr.take().expect("it was piped");
        let held = (!goes_away).then_some(reader);
        let raw = cairn_ledger::codec::encode(&payment(spec, &key(run + 1), 0, key(200).address(), 5, 1_000));
        let raw: String = raw.iter().map(|byte| format!("{byte:02x}")).collect();
        let submitted = call_with(node.rpc, &[], "tx_submit", &json!([raw]));
        assert!(submitted["result"]["txid"].is_string(), "{submitted}");
        for _ in 0..200 {
            node.answers().await;
        }
        assert_eq!(node.terminate().await, Some(0), "it stops in order, whoever reads");
        drop(held);
    }
    // The control: what it says is read where somebody reads, and what waited is all there.
    let mut node = Piped::start(&network, &data, &[]).await;
    let mut reader = node.child.stderr.take().expect("it was piped");
    let count = || async { call_with(node.rpc, &[], "mempool_info", &json!([]))["result"]["count"].as_u64() };
    until("both payments wait again", SOON, || async { count().await.filter(|count| *count == 2) }).await;
    assert_eq!(node.terminate().await, Some(0));
    let mut log = String::new();
    reader.read_to_string(&mut log).expect("text");
    assert!(log.contains("ready") && log.contains("stopped"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signals_that_are_no_order_to_stop_are_passed_over_and_no_payment_is_lost() {
    let network = Arc::new(TestNetwork::new());
    let mut node = Node::start(&network, "node", &[]).await;
    submit(&network, &node, 2).await;
    for name in ["HUP", "USR1", "USR2", "PIPE"] {
        node.signal(name);
    }
    until("each is told", SOON, async || (node.log().matches("going on").count() == 3).then_some(())).await;
    assert_eq!(waiting(&node).await, 2, "it goes on");
    // The control: an order to stop is one, and what waited is kept.
    for name in ["QUIT", "INT", "TERM"] {
        node.signal(name);
        assert!(node.ends().await.success(), "SIG{name} stops it in order");
        node.restart().await;
        until("what waited is there", SOON, async || (waiting(&node).await == 2).then_some(())).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_saved_pool_that_lacks_a_byte_every_whole_payment_is_kept() {
    let network = Arc::new(TestNetwork::new());
    let mut node = Node::start(&network, "node", &[]).await;
    submit(&network, &node, 3).await;
    let path = node.directory().join("mempool.bin");
    for (cut, left) in [(0, 3), (1, 2), (1, 1)] {
        assert!(node.terminate().await.success());
        let bytes = fs::read(&path).expect("a saved pool");
        fs::write(&path, &bytes[..bytes.len() - cut]).expect("written");
        let before = node.log().len();
        node.restart().await;
        until("the rest is there", SOON, async || (waiting(&node).await == left).then_some(())).await;
        let told = node.log().split_off(before).contains("a part of the saved pool is damaged");
        assert_eq!(told, cut > 0, "{}", node.log());
    }
}

/// A certificate for localhost, and its key.
fn certificate() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    (made.cert.pem(), made.key_pair.serialize_pem())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewed_certificate_is_in_use_without_a_restart_and_half_a_renewal_harms_nobody() {
    let network = Arc::new(TestNetwork::new());
    let (cert, key) = (network.directory().join("cert.pem"), network.directory().join("key.pem"));
    let (old, new) = (certificate(), certificate());
    fs::write(&cert, &old.0).expect("written");
    fs::write(&key, &old.1).expect("written");
    let flags = [format!("--rpc.tls_cert={}", cert.display()), format!("--rpc.tls_key={}", key.display())];
    let port = free_port();
    let data = network.directory().join("data");
    let mut node =
        command(&network, &data, free_port(), port, &flags).stderr(Stdio::null()).spawn().expect("it starts");
    let trusts = |certificate: &str| {
        let trusted = network.directory().join("trusted.pem");
        fs::write(&trusted, certificate).expect("written");
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--max-time", "5", "--cacert"]).arg(&trusted);
        curl.arg(format!("https://localhost:{port}/health")).output().expect("curl is there").status.success()
    };
    until("it answers", SOON, async || trusts(&old.0).then_some(())).await;
    assert!(!trusts(&new.0), "the control");
    // The certificate is there, its key is not yet.
    fs::write(&cert, &new.0).expect("written");
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(trusts(&old.0), "the one before stays in use");
    fs::write(&key, &new.1).expect("written");
    until("the new one is in use", SOON, async || trusts(&new.0).then_some(())).await;
    assert!(!trusts(&old.0));
    node.kill().expect("a child can be killed");
    node.wait().expect("and awaited");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_named_peer_with_a_new_key_is_told_with_the_new_one() {
    let network = Arc::new(TestNetwork::new());
    let mut renewed = Node::start(&network, "renewed", &[]).await;
    let address = renewed.address().await;
    let quiet = ["--discovery.exchange=false", "--discovery.kademlia=false", "--network.peers", &address];
    let node = Node::start(&network, "node", &quiet).await;
    node.is_peer_of(&renewed, true).await;
    let told = async || node.rpc().node_info().await.expect("it answers").health.problems;
    assert_eq!(told().await, [], "the control");
    assert!(renewed.terminate().await.success());
    fs::remove_file(renewed.directory().join("node.key")).expect("it has one");
    renewed.restart().await;
    let (expected, got) = (address.rsplit('/').next().expect("a peer id"), renewed.info().await.peer_id);
    let problem =
        until("it is told", LATER, async || told().await.into_iter().find(|one| one.kind == "other_key")).await;
    assert!(problem.message.contains(expected) && problem.message.contains(&got), "{problem:?}");
    assert!(!problem.blocking && problem.advice.contains("correct the peer id"), "{problem:?}");
    // Which of its addresses is named changes with each dial.
    let names = |text: &str| text.contains(expected) && text.contains(&format!("{got} answers"));
    let is_told = |log: String| log.lines().any(|line| line.contains("other_key") && names(line));
    until("the log says so", SOON, async || is_told(node.log()).then_some(())).await;
    let found = findings(&network, node.directory(), "peers").await;
    assert!(found.iter().any(|(level, says)| level == "fault" && names(says)), "{found:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_kubernetes_tells_of_a_service_named_like_the_node_does_not_end_it() {
    let network = Arc::new(TestNetwork::new());
    let of_a_service = [
        ("CAIRN_NODE_SERVICE_HOST", "10.96.0.7"),
        ("CAIRN_NODE_SERVICE_PORT", "8645"),
        ("CAIRN_NODE_SERVICE_PORT_RPC", "8645"),
        ("CAIRN_NODE_PORT", "tcp://10.96.0.7:8645"),
        ("CAIRN_NODE_PORT_8645_TCP", "tcp://10.96.0.7:8645"),
        ("CAIRN_NODE_PORT_8645_TCP_PROTO", "tcp"),
        ("CAIRN_NODE_PORT_8645_TCP_PORT", "8645"),
        ("CAIRN_NODE_PORT_8645_TCP_ADDR", "10.96.0.7"),
        ("CAIRN_NODE_NETWORK_PORT", "tcp://10.96.0.7:9740"),
    ];
    let environment = of_a_service.iter().map(|(name, value)| (*name, (*value).into())).collect();
    let node = Node::start_with(&network, "node", &[], environment).await;
    node.generate(1, 0).await;
    let mut check = offline(&network, node.directory(), &["config", "check"]);
    let said = run({
        check.envs(of_a_service);
        check
    })
    .await;
    assert_eq!(said.status.code(), Some(0), "{said:?}");
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(of_a_service.iter().all(|(name, _)| said.contains(&format!("{name}  (a service's address"))), "{said}");
    // The control: what only looks like one is a misspelt setting.
    for (name, value) in [("CAIRN_NODE_PORT", "9740"), ("CAIRN_NODE_SERVICE", "x")] {
        let mut check = offline(&network, node.directory(), &["config", "check"]);
        check.env(name, value);
        let refused = run(check).await;
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        assert!(String::from_utf8_lossy(&refused.stderr).contains(name), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_by_the_address_of_a_pod_and_by_head_are_answered() {
    let network = Arc::new(TestNetwork::new());
    let node = Node::start(&network, "node", &[]).await;
    let port = node.rpc_port();
    let ask = |method: &str, path: &str, host: &str| {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).expect("it listens");
        std::io::Write::write_all(&mut stream, head.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        (head.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok()).expect("a status"), body.to_owned())
    };
    for host in ["10.244.1.7:8645", "10.244.1.7", "[fd00::7]:8645"] {
        for path in ["/health", "/ready"] {
            let (status, body) = ask("GET", path, host);
            assert!(status == 200 && body.contains("true"), "{host} {path}: {status} {body}");
            assert_eq!(ask("HEAD", path, host), (200, String::new()), "{host} {path}");
        }
        assert_eq!(ask("GET", "/metrics", host).0, 403, "what a stranger should not know");
    }
    assert_eq!(ask("HEAD", "/metrics", "localhost"), (200, String::new()));
    // The control: a page's own name never leads here, and no call gets in by a foreign address.
    assert_eq!(ask("GET", "/health", "evil.example").0, 403);
    assert_eq!(post(port, "10.244.1.7:8645", &[], TIP).status, 403);
    assert_eq!(post(port, "localhost", &[], TIP).status, 200);
    assert_eq!(request(port, "HEAD", "/", &[], "").status, 200, "the explorer");
    assert_eq!(request(port, "HEAD", "/nothing", &[], "").status, 404, "there is no such page");
}
