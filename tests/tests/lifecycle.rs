//! What operators do with a node's database, and what service managers are told of the node.

use cairn_ledger::testing::{key, payment};
use cairn_tests::node::{Node, command, free_port, offline};
use cairn_tests::wait::{SOON, run, until};
use cairn_tests::{cluster::agree, http::call, network::TestNetwork};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs, os::unix::net::UnixDatagram, sync::Arc, time::Duration};

/// Runs a command that must succeed: what it printed.
async fn good(command: Command) -> String {
    let output = run(command).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    String::from_utf8(output.stdout).expect("text")
}

/// The same for one that must be refused: its exit code and what it said.
async fn refused(command: Command) -> (Option<i32>, String) {
    let output = run(command).await;
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of this test")
}

/// The files of a node's tables.
fn tables(data: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(data.join("db")).expect("a database").flatten().map(|entry| entry.path());
    entries.filter(|path| path.extension().is_some_and(|kind| kind == "sst" || kind == "blob")).collect()
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).expect("a file");
    bytes[at] ^= 1;
    fs::write(path, bytes).expect("written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_a_running_or_stopped_node_is_a_node() {
    let network = Arc::new(TestNetwork::new());
    let mut node = Node::start(&network, "node", &[]).await;
    node.submit(&payment(network.spec(), &key(1), 0, key(200).address(), 5, 1_000)).await;
    node.generate(7, 0).await;
    let info = node.info().await;
    let (running, stopped) = (network.directory().join("running"), network.directory().join("stopped"));
    let backup = |to: &Path| offline(&network, node.directory(), &["backup", text(to)]);
    let (first, again, second) = (backup(&running), backup(&running), backup(&stopped));
    assert!(good(first).await.contains("up to block 7"));
    let (code, said) = refused(again).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("is there already"), "{said}");
    // Over JSON-RPC a path has to say where it is.
    let relative = call(node.rpc_port(), "node_backup", &json!(["here"]));
    assert_eq!(relative["error"]["code"], 1044, "{relative}");
    let nowhere = call(node.rpc_port(), "node_backup", &json!(["/nowhere/at/all"]));
    assert_eq!(nowhere["error"]["code"], 9003, "{nowhere}");
    // The node goes on; what comes now is in the second backup only.
    node.generate(3, 0).await;
    assert!(node.terminate().await.success());
    assert!(good(second).await.contains("up to block 10"));
    for (data, height) in [(&running, 7), (&stopped, 10)] {
        let checked = good(offline(&network, data, &["db", "check"])).await;
        assert!(checked.contains(&format!("{} blocks, 1 transactions", height + 1)), "{checked}");
        let mut restored = Node::start_in(&network, "restored", data, &[]).await;
        assert_eq!(restored.info().await.height, height);
        assert_ne!(restored.info().await.peer_id, info.peer_id, "a copy has an identity of its own");
        assert!(restored.terminate().await.success());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_are_told_of_a_running_and_a_stopped_node() {
    let network = Arc::new(TestNetwork::new());
    let mut node = Node::start(&network, "node", &[]).await;
    node.generate(5, 0).await;
    let names = async || {
        let said = good(offline(&network, node.directory(), &["db", "stats", "--json"])).await;
        let said: Value = serde_json::from_str(&said).expect("JSON");
        let tables = said["tables"].as_array().expect("a list").clone();
        tables.iter().map(|table| table["name"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
    };
    let running = names().await;
    assert!(running.contains(&"body_by_block".to_owned()), "{running:?}");
    assert!(node.terminate().await.success());
    let said = good(offline(&network, node.directory(), &["db", "stats"])).await;
    assert!(running.iter().all(|name| said.contains(name.as_str())), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_body_is_fetched_from_a_peer_and_the_rest_is_rebuilt_from_what_is_here() {
    let network = Arc::new(TestNetwork::new());
    let mut node = Node::start(&network, "damaged", &[]).await;
    let helper = Node::start(&network, "helper", &["--network.peers", &node.address().await]).await;
    // A block of blobs: bodies that large are files of their own.
    for nonce in 0..40 {
        node.submit(&payment(network.spec(), &key(1), nonce, key(200 + nonce).address(), 5, 1_000)).await;
    }
    node.generate(12, 0).await;
    agree(&[&node, &helper]).await;
    let info = node.info().await;
    assert!(node.terminate().await.success());
    let whole = good(offline(&network, node.directory(), &["db", "repair"])).await;
    assert!(whole.contains("Nothing to repair"), "{whole}");
    // What a repair that was killed has left is in nobody's way.
    fs::create_dir(node.directory().join("db.repair")).expect("a directory");
    fs::write(node.directory().join("db.repair/000001.sst"), "half a file").expect("written");
    let rebuilt = good(offline(&network, node.directory(), &["db", "repair", "--force"])).await;
    assert!(rebuilt.contains("up to block 12; 0 blocks came from peers"), "{rebuilt}");
    fs::remove_dir_all(node.directory().join("db.broken")).expect("the former one is kept");
    let blob = tables(node.directory()).into_iter().find(|path| path.extension().is_some_and(|kind| kind == "blob"));
    let blob = blob.expect("a body of 40 payments is a blob");
    let middle = usize::try_from(blob.metadata().expect("a file").len()).expect("small") / 2;
    flip(&blob, middle);
    // A start does not notice what is not read; the check does, and says what to do.
    let (code, said) = refused(offline(&network, node.directory(), &["db", "check"])).await;
    assert_eq!(code, Some(3), "{said}");
    // The network is this test's alone: on loopback, to one named peer.
    let peers = format!("--network.peers={}", helper.address().await);
    let listen = format!("--network.listen=/ip4/127.0.0.1/tcp/{}", free_port());
    let quiet = ["--discovery.mdns=false", "--reach.upnp=false"];
    let repair = offline(&network, node.directory(), &["db", "repair", &peers, &listen, quiet[0], quiet[1]]);
    let repaired = good(repair).await;
    assert!(repaired.contains("Mended in its place (tables written anew: 1): 13 blocks"), "{repaired}");
    assert!(!node.directory().join("db.broken").exists(), "nothing was built anew");
    let checked = good(offline(&network, node.directory(), &["db", "check"])).await;
    assert!(checked.contains("13 blocks, 40 transactions"), "{checked}");
    node.restart().await;
    assert_eq!((node.info().await.tip, node.info().await.state_root), (info.tip, info.state_root));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_flipped_byte_in_any_table_is_repaired_and_the_chain_is_the_same_again() {
    let network = Arc::new(TestNetwork::new());
    let mut node = Node::start(&network, "damaged", &[]).await;
    node.submit(&payment(network.spec(), &key(1), 0, key(200).address(), 5, 1_000)).await;
    node.generate(6, 0).await;
    let helper = Node::start(&network, "helper", &["--network.peers", &node.address().await]).await;
    agree(&[&node, &helper]).await;
    let info = node.info().await;
    assert!(node.terminate().await.success());
    let saved = network.directory().join("saved");
    assert!(good(offline(&network, node.directory(), &["backup", text(&saved)])).await.contains("block 6"));
    for table in tables(node.directory()) {
        let data = network.directory().join(table.file_stem().expect("a name"));
        assert!(run(copying(&saved, &data)).await.status.success());
        let table = data.join("db").join(table.file_name().expect("a name"));
        assert!(table.is_file(), "the backup has the same files");
        flip(&table, 10);
        let (code, said) = refused(offline(&network, &data, &["db", "check"])).await;
        assert_eq!(code, Some(3), "{said}");
        let peers = format!("--network.peers={}", helper.address().await);
        let listen = format!("--network.listen=/ip4/127.0.0.1/tcp/{}", free_port());
        let quiet = ["--discovery.mdns=false", "--reach.upnp=false"];
        let repair = offline(&network, &data, &["db", "repair", &peers, &listen, quiet[0], quiet[1]]);
        let repaired = good(repair).await;
        assert!(repaired.contains("Mended in its place") || repaired.contains("Saved the chain"), "{repaired}");
        good(offline(&network, &data, &["db", "check"])).await;
        // What could not be saved comes from peers.
        let mut mended = Node::start_in(&network, "mended", &data, &["--network.peers", &helper.address().await]).await;
        agree(&[&mended, &helper]).await;
        assert_eq!(mended.info().await.state_root, info.state_root, "{repaired}");
        assert!(mended.terminate().await.success());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_during_a_repair_leaves_a_whole_database_in_its_place() {
    let network = Arc::new(TestNetwork::new());
    let mut node = Node::start(&network, "node", &[]).await;
    node.submit(&payment(network.spec(), &key(1), 0, key(200).address(), 5, 1_000)).await;
    node.generate(300, 0).await;
    let info = node.info().await;
    assert!(node.terminate().await.success());
    let repair = || offline(&network, node.directory(), &["db", "repair", "--force"]);
    for moment in [20, 60, 120, 250, 500] {
        let mut killed = repair().stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts");
        tokio::time::sleep(Duration::from_millis(moment)).await;
        // It may have ended by itself: then this one was a repair like any other.
        killed.kill().expect("a child can be killed");
        killed.wait().expect("a child can be awaited");
        let checked = good(offline(&network, node.directory(), &["db", "check"])).await;
        assert!(checked.contains("301 blocks, 1 transactions"), "after {moment} ms: {checked}");
    }
    assert!(good(repair()).await.contains("up to block 300"));
    node.restart().await;
    assert_eq!((node.info().await.tip, node.info().await.state_root), (info.tip, info.state_root));
}

fn copying(from: &Path, to: &Path) -> Command {
    let mut copy = Command::new("cp");
    copy.arg("-r").arg(from).arg(to);
    copy
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn systemd_is_told_when_the_node_is_ready_alive_and_stopping() {
    let network = Arc::new(TestNetwork::new());
    let path = network.directory().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(SOON)).expect("a timeout");
    let environment = vec![("NOTIFY_SOCKET", path.clone()), ("WATCHDOG_USEC", PathBuf::from("400000"))];
    let mut node = Node::start_with(&network, "node", &[], environment).await;
    let told = |socket: &UnixDatagram| {
        let mut bytes = [0; 512];
        let length = socket.recv(&mut bytes).expect("it is told within the time");
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    };
    // A start that takes long asks for more time first.
    while !told(&socket).contains("READY=1") {}
    let alive = told(&socket);
    assert!(alive.contains("WATCHDOG=1") && alive.contains("STATUS=block 0, 0 peers"), "{alive}");
    node.generate(2, 0).await;
    while !told(&socket).contains("STATUS=block 2") {}
    assert!(node.terminate().await.success());
    while !told(&socket).contains("STOPPING=1") {}
    // The control: without systemd's socket nothing is said, and nothing is missed.
    let silent = Node::start(&network, "silent", &[]).await;
    silent.generate(1, 0).await;
    assert!(!silent.log().contains("systemd"), "{}", silent.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_can_be_json_and_the_command_line_describes_itself() {
    let network = Arc::new(TestNetwork::new());
    let node = Node::start(&network, "node", &["--log.format=json"]).await;
    // It is written after the first answer that a start waits for.
    let log = until("the node says that it is ready", SOON, || async {
        Some(node.log()).filter(|log| log.contains("ready"))
    });
    let log = log.await;
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect();
    assert!(lines.iter().any(|line| line["message"] == "ready" && line["height"] == 0), "{log}");
    let wrong =
        command(&network, &network.directory().join("x"), free_port(), free_port(), &["--log.format=xml".into()]);
    assert_eq!(refused(wrong).await.0, Some(2));
    let bare = |arguments: &[&str]| {
        let mut command = Command::new(cairn_tests::binaries::find("cairn-node"));
        command.args(arguments);
        command
    };
    for shell in ["bash", "zsh", "fish"] {
        assert!(good(bare(&["completions", shell])).await.contains("cairn-node"), "{shell}");
    }
    let pages = network.directory().join("man");
    fs::create_dir(&pages).expect("a directory");
    good(bare(&["man", text(&pages)])).await;
    let page = fs::read_to_string(pages.join("cairn-node-run.1")).expect("a page for each command");
    assert!(page.contains("mining.threads") || page.contains("mining\\.threads"), "{page}");
}
