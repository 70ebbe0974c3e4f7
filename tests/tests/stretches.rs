//! Nodes that prune and keep a stretch of history each: together they have all of it, and give it.

use cairn_ledger::hash::sha256;
use cairn_ledger::testing::{key, payment};
use cairn_tests::node::{Node, offline};
use cairn_tests::strangers::chain::Chain;
use cairn_tests::strangers::pretender::{Bodies, Claim, Manner, Pretender};
use cairn_tests::wait::{LATER, run, until};
use cairn_tests::{cluster::agree, http::call, network::TestNetwork};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// Blocks in a stretch of these networks.
const STRETCH: u64 = 64;
/// The length of their chains: a node that prunes keeps 288, prunes 32 at a time, and so has pruned two stretches, and
/// the third in part.
const BLOCKS: u64 = 288 + 3 * STRETCH - 1;
const PRUNES: &str = "--storage.keep_blocks=288";
const ONE_STRETCH: &str = "--storage.keep_stretches=1";

/// What a node draws of that many stretches, by its key; one is made where there is none.
fn draw(directory: &Path, stretches: u64) -> u64 {
    let id = cairn_network::own_id(&directory.join("node.key")).expect("a key");
    let node = sha256(&[&id]);
    let score = |number: &u64| sha256(&[b"cairn/stretch", node.as_bytes(), &number.to_be_bytes()]);
    (0..stretches).max_by_key(score).expect("some")
}

/// The data directory of a node whose key draws this stretch of three.
fn drawing(number: u64) -> TempDir {
    loop {
        let directory = TempDir::with_prefix("cairn-node-").expect("a temporary directory");
        if draw(directory.path(), 3) == number {
            return directory;
        }
    }
}

/// A node that keeps all, with a payment in block 1.
async fn archive(network: &Arc<TestNetwork>) -> (Node, String) {
    let node = Node::start(network, "archive", &[]).await;
    let txid = node.submit(&payment(network.spec(), &key(1), 0, key(200).address(), 5, 1_000)).await;
    node.generate(BLOCKS, 0).await;
    (node, txid.to_string())
}

async fn kept(node: &Node) -> Vec<(u64, u64, bool)> {
    node.info().await.stretches.iter().map(|kept| (kept.from, kept.to, kept.drawn)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_any_node_that_keeps_all_a_new_one_gets_all_from_those_that_keep_a_stretch_each() {
    let network = Arc::new(TestNetwork::new().with_stretches(STRETCH));
    let (mut archive, txid) = archive(&network).await;
    let address = archive.address().await;
    let (directories, mut nodes) = ([drawing(0), drawing(1), drawing(2)], Vec::new());
    for (number, directory) in (0..3).zip(&directories) {
        let arguments = [PRUNES, ONE_STRETCH, "--network.peers", &address];
        let node = Node::start_in(&network, &format!("keeper {number}"), directory.path(), &arguments).await;
        agree(&[&archive, &node]).await;
        let lowest = node.info().await.lowest_body;
        assert!((2 * STRETCH + 1..=3 * STRETCH).contains(&lowest), "{lowest}");
        assert_eq!(kept(&node).await, [(number * STRETCH, ((number + 1) * STRETCH).min(lowest) - 1, true)]);
        nodes.push(node);
    }
    // A node that keeps one stretch, asked for another.
    let ask = |node: &Node, height: u64| call(node.rpc_port(), "chain_getBlock", &json!([height]));
    assert!(ask(&nodes[1], STRETCH + 3)["result"].is_object());
    let refused = ask(&nodes[1], 3);
    assert_eq!(refused["error"]["code"], 2004, "{refused}");
    let message = refused["error"]["message"].as_str().expect("a message");
    assert!(message.contains(&format!("and from {STRETCH} to {}", 2 * STRETCH - 1)), "{message}");
    // A payment in its stretch it knows, with its receipt; another knows nothing of it any more.
    let mined = |node: &Node| call(node.rpc_port(), "chain_getTransaction", &json!([txid]))["result"].is_object();
    assert_eq!((mined(&nodes[0]), mined(&nodes[1])), (true, false));
    assert!(archive.terminate().await.success());

    let Ok([first, mut middle, last]) = <[Node; 3]>::try_from(nodes) else { panic!("three nodes") };
    let peers = format!("{},{}", first.address().await, last.address().await);
    assert!(middle.terminate().await.success());
    let mut new = Node::start(&network, "new", &["--network.peers", &peers]).await;
    until("it has what the first keeps, and says what nobody has", LATER, async || {
        new.info().await.sync.reason.filter(|reason| reason.contains(&format!("block {STRETCH};")))
    })
    .await;
    assert_eq!(new.info().await.height, STRETCH - 1, "the control: without one of them it is not all");
    middle.restart().await;
    middle.dial(&new).await;
    agree(&[&new, &first]).await;
    assert_eq!((new.info().await.lowest_body, kept(&new).await), (0, vec![]));
    assert!(mined(&new));
    // All that is kept holds together, and goes on to.
    assert!(new.terminate().await.success() && middle.terminate().await.success());
    for (node, pruned) in [(&new, 0), (&middle, 1)] {
        let checked = run(offline(&network, node.directory(), &["db", "check"])).await;
        let said = String::from_utf8_lossy(&checked.stdout).into_owned();
        assert!(checked.status.success() && said.contains("are pruned") == (pruned > 0), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stretch_that_few_hold_is_fetched_by_one_more_and_is_there_when_the_others_go() {
    let shaped = TestNetwork::shaped(86_400_000, true, |params| params.interval_ms = 400);
    let network = Arc::new(shaped.with_stretches(STRETCH));
    let (mut archive, _) = archive(&network).await;
    let address = archive.address().await;
    let (own, other) = (drawing(1), drawing(1));
    let arguments = |keep| [PRUNES, keep, "--network.peers", &address];
    let one = Node::start_in(&network, "one", own.path(), &arguments(ONE_STRETCH)).await;
    let two = Node::start_in(&network, "two", other.path(), &arguments("--storage.keep_stretches=2")).await;
    agree(&[&archive, &one, &two]).await;
    let drawn = (STRETCH, 2 * STRETCH - 1, true);
    let fetched = until("it keeps a whole stretch besides", LATER, async || {
        let kept = kept(&two).await;
        let fetched = kept.iter().find(|(from, to, drawn)| !drawn && to + 1 == from + STRETCH).copied();
        fetched.filter(|_| kept.len() == 2 && kept.contains(&drawn))
    })
    .await;
    assert_eq!(kept(&one).await, [drawn], "the control: it keeps no more than it may");
    assert!(archive.terminate().await.success());
    let block = call(two.rpc_port(), "chain_getBlock", &json!([fetched.0 + 1]));
    assert!(block["result"].is_object(), "{block}");
    // It is given to others, and is there after a crash.
    let mut two = two;
    two.kill_9();
    two.restart().await;
    assert_eq!(kept(&two).await.len(), 2);
    assert!(two.terminate().await.success());
    let checked = run(offline(&network, two.directory(), &["db", "check"])).await;
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

/// A network whose nodes look who holds a stretch every two or three seconds, a node that keeps all, and one that has a
/// place for one more stretch beside three strangers who say that they keep all of them.
async fn beside_three(bodies: Bodies) -> (Vec<Pretender>, Node, Node, TempDir) {
    let shaped = TestNetwork::shaped(86_400_000, true, |params| params.interval_ms = 1_000);
    let network = Arc::new(shaped.with_stretches(STRETCH));
    let (archive, _) = archive(&network).await;
    let chain = Arc::new(Chain::of(&archive, network.spec()).await);
    let (mut strangers, mut peers) = (Vec::new(), archive.address().await);
    for _ in 0..3 {
        let manner = Manner { claim: Claim::Pruned(3 * STRETCH), bodies, ..Manner::default() };
        let stranger = Pretender::new(&network.prefix(), chain.clone(), manner).await;
        peers.push(',');
        peers.push_str(&stranger.address());
        strangers.push(stranger);
    }
    let directory = drawing(1);
    let arguments = [PRUNES, "--storage.keep_stretches=2", "--network.peers", &peers];
    let node = Node::start_in(&network, "node", directory.path(), &arguments).await;
    node.has_peers(4).await;
    agree(&[&archive, &node]).await;
    (strangers, archive, node, directory)
}

fn asked(strangers: &[Pretender]) -> usize {
    strangers.iter().map(Pretender::asked_for_bodies).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_that_announce_all_and_give_nothing_keep_nobody_from_fetching_what_few_hold() {
    let (strangers, _archive, node, _directory) = beside_three(Bodies::Withheld).await;
    until("it keeps a whole stretch besides", LATER, async || {
        let kept = kept(&node).await;
        kept.iter().any(|(from, to, drawn)| !drawn && to + 1 == from + STRETCH).then_some(())
    })
    .await;
    assert_eq!(kept(&node).await.len(), 2, "what it fetches is bounded, whatever they say");
    assert!(asked(&strangers) > 0, "the control: they were asked");
}

/// The control to the one above.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_that_give_what_they_announce_are_enough() {
    let (strangers, _archive, node, _directory) = beside_three(Bodies::Honest).await;
    let before = asked(&strangers);
    until("it has asked for samples again and again", LATER, async || (asked(&strangers) >= before + 4).then_some(()))
        .await;
    assert_eq!(kept(&node).await.len(), 1, "what it draws, and no more");
}
