//! Nodes that prune: what they still answer, what they refuse, and how others sync from them.

use cairn_ledger::testing::{key, payment};
use cairn_rpc::methods::MiningClient;
use cairn_tests::kills::{batches, holds_together, moment};
use cairn_tests::node::{Node, offline};
use cairn_tests::replay::Replay;
use cairn_tests::wait::{LATER, SOON, run, until};
use cairn_tests::{cluster::agree, http::call, network::TestNetwork};
use serde_json::json;
use std::process::{Command, Output};
use std::sync::Arc;

/// Blocks of these chains; a node that prunes keeps 288 at least, and prunes 32 at a time.
const BLOCKS: u64 = 340;
const KEEP: [&str; 2] = ["--storage.keep_blocks", "288"];
/// … and no stretch below.
const NO_STRETCH: &str = "--storage.keep_stretches=0";
/// Kills in a usual run; `scripts/soak.sh kill9 N` asks for more.
const ROUNDS: u64 = 3;

/// A node that keeps all, with a payment in block 1, and one that prunes, with all its blocks.
async fn whole_and_pruned(network: &Arc<TestNetwork>) -> (Node, Node) {
    let whole = Node::start(network, "whole", &[]).await;
    whole.submit(&payment(network.spec(), &key(1), 0, key(200).address(), 5, 1_000)).await;
    whole.generate(BLOCKS, 0).await;
    let address = whole.address().await;
    let pruned = Node::start(network, "pruned", &[KEEP[0], KEEP[1], NO_STRETCH, "--network.peers", &address]).await;
    agree(&[&whole, &pruned]).await;
    (whole, pruned)
}

async fn said(command: Command) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = run(command).await;
    (status.code(), format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_prunes_says_what_it_keeps_and_proves_what_all_nodes_prove() {
    let network = Arc::new(TestNetwork::new());
    let (whole, mut pruned) = whole_and_pruned(&network).await;
    let lowest = pruned.info().await.lowest_body;
    assert!((BLOCKS - 288 - 32..=BLOCKS + 1 - 288).contains(&lowest) && lowest > 1, "{lowest}");
    assert_eq!(whole.info().await.lowest_body, 0);
    let port = pruned.rpc_port();
    for (method, params) in [
        ("chain_getBlock", json!([1])),
        ("chain_getRawBlock", json!([lowest - 1])),
        ("chain_getBlocks", json!([1, 5])),
        ("chain_getTransactions", json!([1])),
    ] {
        let refused = call(port, method, &params);
        assert_eq!(refused["error"]["code"], 2004, "{method}: {refused}");
        let message = refused["error"]["message"].as_str().expect("a message");
        assert!(message.contains(&format!("keeps the bodies of blocks from height {lowest} on")), "{message}");
    }
    assert!(call(port, "chain_getBlock", &json!([lowest]))["result"].is_object());
    // Headers and accounts are all here.
    let of = |port, method: &str, params| call(port, method, &params)["result"].clone();
    assert_eq!(of(port, "chain_getHeader", json!([1])), of(whole.rpc_port(), "chain_getHeader", json!([1])));
    assert_eq!(pruned.account(200).await, whole.account(200).await);
    // It is pruned after a restart, and its database holds together.
    pruned.kill_9();
    pruned.restart().await;
    assert_eq!(pruned.info().await.lowest_body, lowest);
    assert!(pruned.terminate().await.success());
    let (code, checked) = said(offline(&network, pruned.directory(), &["db", "check"])).await;
    assert!(code == Some(0) && checked.contains(&format!("of which {} are pruned", lowest - 1)), "{checked}");
    let file = pruned.directory().join("blocks");
    let file = file.to_str().expect("a path of this test");
    let (code, refused) = said(offline(&network, pruned.directory(), &["export", "--from", "1", file])).await;
    assert!(code != Some(0) && refused.contains(&format!("from height {lowest} on")), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_node_finds_who_has_what_its_peer_has_pruned_and_says_so_where_there_is_nobody() {
    let network = Arc::new(TestNetwork::new());
    let (mut whole, pruned) = whole_and_pruned(&network).await;
    let named = pruned.address().await;
    let mut finder = Node::start(&network, "finder", &["--network.peers", &named]).await;
    agree(&[&finder, &pruned]).await;
    assert_eq!(finder.info().await.lowest_body, 0);
    assert!(finder.terminate().await.success() && whole.terminate().await.success());
    let new = Node::start(&network, "new", &["--network.peers", &named]).await;
    until("the node says that nobody has what it needs", LATER, async || {
        new.info().await.sync.reason.filter(|reason| reason.contains("block 1;"))
    })
    .await;
    assert_eq!(new.info().await.height, 0);
    whole.restart().await;
    whole.dial(&new).await;
    agree(&[&new, &pruned]).await;
    // Those who are at the tip need nothing more than what a pruned node has.
    assert!(whole.terminate().await.success());
    pruned.generate(3, 0).await;
    agree(&[&new, &pruned]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_node_is_pruned_by_hand() {
    let network = Arc::new(TestNetwork::new());
    let mut node = Node::start(&network, "node", &[]).await;
    node.generate(BLOCKS, 0).await;
    let info = node.info().await;
    let prune = |keep| {
        let mut command = offline(&network, node.directory(), &["db", "prune", "--keep", keep]);
        command.env("CAIRN_NODE_STORAGE_KEEP_STRETCHES", "0");
        command
    };
    let (code, refused) = said(prune("288")).await;
    assert!(code != Some(0) && refused.contains("is using"), "a running node: {refused}");
    let (little, done) = (prune("287"), prune("300"));
    assert!(node.terminate().await.success());
    let (code, refused) = said(little).await;
    assert!(code != Some(0) && refused.contains("288"), "{refused}");
    let (code, pruned) = said(done).await;
    let lowest = BLOCKS + 1 - 300;
    assert!(
        code == Some(0) && pruned.contains(&format!("kept from height {lowest} on, up to block {BLOCKS}")),
        "{pruned}"
    );
    node.restart().await;
    until("it is what it was", SOON, async || (node.info().await.tip == info.tip).then_some(())).await;
    assert_eq!(node.info().await.lowest_body, lowest);
}

/// What goes, goes in batches; whatever cuts them short, what is left is a chain that others can be served from.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_during_pruning_leaves_a_chain_that_a_fresh_replay_gives() {
    for rounds in batches(ROUNDS) {
        let network = Arc::new(TestNetwork::new());
        let mut node = Node::start(&network, "victim", &[KEEP[0], KEEP[1], "--index.addresses=true"]).await;
        let (mut replay, mut lowest) = (Replay::new(network.spec()), 0);
        node.generate(290, 0).await;
        replay.advance(&node, node.info().await.tip.0).await;
        for round in rounds {
            let paid = payment(network.spec(), &key(1), node.account(1).await.1, key(200 + round).address(), 5, 1_000);
            node.submit(&paid).await;
            let (client, beneficiary) = (node.rpc().clone(), network.address(round % 10));
            // Every 32 blocks some are pruned. No more than are kept: the replay reads them after the kill.
            let busy = tokio::spawn(async move {
                for _ in 0..15 {
                    // Refused once the node is killed.
                    let _ = client.generate(16, Some(beneficiary.clone())).await;
                }
            });
            let has_begun = async || (node.info().await.lowest_body > lowest).then_some(());
            until("more is pruned", SOON, has_begun).await;
            moment(round, 60).await;
            node.kill_9();
            busy.await.expect("a refused call is no panic");
            node.restart().await;
            let info = node.info().await;
            assert!(info.lowest_body >= lowest && info.height + 1 >= info.lowest_body + 288, "round {round}: {info:?}");
            lowest = info.lowest_body;
            replay.advance(&node, info.tip.0).await;
            assert_eq!((replay.tip(), replay.state_root()), (info.tip.0, info.state_root.0), "round {round}");
            let kept = call(node.rpc_port(), "chain_getBlock", &json!([lowest]));
            assert!(kept["result"].is_object(), "round {round}: {kept}");
        }
        holds_together(&network, &mut node).await;
    }
}
