//! The chain of a stopped node: into a file, out of it, and once more through every rule.

use cairn_ledger::testing::{key, payment};
use cairn_tests::node::{Node, offline};
use cairn_tests::wait::{self, SOON};
use cairn_tests::{binaries, network::TestNetwork};
use serde_json::Value;
use std::{fs, path::Path, process::Output, sync::Arc};

/// Runs a command of a node that does not run, which must end by itself, soon.
async fn run(network: &TestNetwork, data: &Path, arguments: &[&str]) -> Output {
    tokio::time::timeout(SOON, wait::run(offline(network, data, arguments))).await.expect("it ends soon")
}

/// The same for one that must succeed: the JSON it printed.
async fn json(network: &TestNetwork, data: &Path, arguments: &[&str]) -> Value {
    let output = run(network, data, arguments).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// The same for one that must be refused: its exit code and what it said.
async fn refused(network: &TestNetwork, data: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = run(network, data, arguments).await;
    assert_eq!(output.stdout, b"", "what is refused prints no result");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_moves_to_another_node_as_a_file_and_verifies_there() {
    assert!(binaries::find("cairn-node").is_file());
    let network = Arc::new(TestNetwork::new());
    let mut node = Node::start(&network, "first", &[]).await;
    let paid = payment(network.spec(), &key(1), 0, key(200).address(), 5, 1_000);
    node.submit(&paid).await;
    node.generate(30, 0).await;
    let info = node.info().await;
    let file = network.directory().join("chain.blocks");
    let path = file.to_str().expect("a path of this test");

    let (code, said) = refused(&network, node.directory(), &["export", path]).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("another cairn-node"), "a running node keeps its chain to itself: {said}");
    assert!(node.terminate().await.success());

    let exported = json(&network, node.directory(), &["export", path, "--json"]).await;
    assert_eq!((exported["blocks"].as_u64(), exported["to"].as_u64()), (Some(30), Some(30)));
    let second = network.directory().join("second");
    let imported = json(&network, &second, &["import", path, "--json"]).await;
    assert_eq!((imported["blocks"].as_u64(), imported["height"].as_u64()), (Some(30), Some(30)));
    assert_eq!(imported["tip"], info.tip.0.to_string());
    let again = json(&network, &second, &["import", path, "--json"]).await;
    assert_eq!((again["blocks"].as_u64(), again["known"].as_u64()), (Some(0), Some(30)));

    for data in [node.directory(), &second] {
        let verified = json(&network, data, &["verify", "--json", "--threads", "1"]).await;
        assert_eq!(verified["agrees"], true);
        assert_eq!(verified["state_root"], info.state_root.0.to_string());
        assert_eq!((verified["transactions"].as_u64(), verified["cores"].as_u64()), (Some(1), Some(1)));
        let left = fs::read_dir(data).expect("a directory").flatten();
        let scratch: Vec<_> = left.filter(|entry| entry.file_name().to_string_lossy().starts_with("verify-")).collect();
        assert!(scratch.is_empty(), "the scratch state is gone: {scratch:?}");
    }
    // The file's node goes on as if nothing had been.
    node.restart().await;
    assert_eq!(node.info().await.tip.0, info.tip.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_imported_exported_or_verified_is_refused_with_its_reason() {
    let (network, other) = (TestNetwork::new(), TestNetwork::new());
    let nowhere = network.directory().join("nowhere");
    for command in ["verify", "export"] {
        let file = network.directory().join("out.blocks");
        let file = file.to_str().expect("a path of this test");
        let arguments: &[&str] = if command == "export" { &["export", file] } else { &["verify"] };
        let (code, said) = refused(&network, &nowhere, arguments).await;
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("there is no database"), "{said}");
        assert!(!nowhere.exists(), "{command} makes nothing");
    }
    // A chain of block 0 alone is a chain: its file is empty, and of one network only.
    let empty = network.directory().join("empty.blocks");
    let mut bytes = b"cairnblk\x01\0\0\0".to_vec();
    bytes.extend(network.spec().genesis_id().as_bytes());
    fs::write(&empty, bytes).expect("room");
    let empty = empty.to_str().expect("a path of this test");
    let data = network.directory().join("data");
    assert_eq!(json(&network, &data, &["import", empty, "--json"]).await["height"].as_u64(), Some(0));
    let (code, said) = refused(&other, &other.directory().join("data"), &["import", empty]).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("holds blocks of the network"), "{said}");
    let (code, said) = refused(&other, &data, &["verify"]).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("belongs to the network"), "{said}");
    let (code, said) = refused(&network, &data, &["verify", "--threads", "0"]).await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("--threads: got 0"), "{said}");
}
