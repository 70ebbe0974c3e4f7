//! Rules that change while a network runs.

use cairn_ledger::testing::{key, payment, pebbles};
use cairn_ledger::transaction::Transaction;
use cairn_rpc::methods::{NetClient, NodeClient, TxClient};
use cairn_rpc::{error::Code, text::HexBytes, types::NodeInfo};
use cairn_tests::cluster::{Agreed, Cluster, agree};
use cairn_tests::node::{Node, offline};
use cairn_tests::wait::{LATER, until};
use cairn_tests::{http, network::TestNetwork, replay::replayed_root};
use std::sync::Arc;

/// The first block under the new rules.
const ACTIVATION: u64 = 20;
/// What an account costs before, and from then on.
const PRICES: [u64; 2] = [1_000, 5_000_000];
/// So many headers under unknown rules in a row, and a node says that it is left behind.
const IN_A_ROW: u64 = 6;

/// The network with accounts that cost more from [`ACTIVATION`] on.
fn dearer(network: &TestNetwork) -> Arc<TestNetwork> {
    let table = format!("[[upgrade]]\nheight = {ACTIVATION}\nname = \"dear\"\naccount_price = \"0.05\"\n");
    Arc::new(network.upgraded(&table))
}

/// A payment by key `from` to one who has no account, which allows for `price`.
fn to_stranger(network: &TestNetwork, (from, nonce): (u64, u64), to: u64, price: u64) -> Transaction {
    let mut body = payment(network.spec(), &key(from), nonce, key(to).address(), 10, 1_000).body;
    body.max_price = pebbles(price);
    body.sign(&key(from), &network.spec().genesis_id(), &[7; 32])
}

/// Waits until a node says this of its rules.
async fn says(node: &Node, what: &str, said: impl Fn(&NodeInfo) -> bool) -> NodeInfo {
    until(what, LATER, async || node.rpc().node_info().await.ok().filter(|info| said(info))).await
}

fn notes(info: &NodeInfo, word: &str) -> bool {
    info.rules_notice.as_ref().is_some_and(|notice| notice.contains(word))
}

/// Nobody has charged anybody.
async fn assert_innocent(nodes: &[&Node]) {
    for node in nodes {
        let peers = node.rpc().net_peers().await.expect("a running node answers");
        assert!(!peers.is_empty() && peers.iter().all(|peer| peer.score == 0), "{peers:?}");
        assert!(node.rpc().list_bans().await.expect("an answer").is_empty());
    }
}

/// Waits until these nodes agree at this height, and compares with a replay under the rules of `network`.
async fn assert_agreed(network: &TestNetwork, nodes: &[&Node], height: u64) -> Agreed {
    let agreed = agree(nodes).await;
    assert_eq!(agreed.height, height);
    for node in nodes {
        assert_eq!(replayed_root(network.spec(), node, agreed.tip).await, agreed.state_root);
    }
    agreed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_is_upgraded_one_by_one_while_payments_run_and_who_is_left_behind_says_so() {
    let mut cluster = Cluster::start(4).await;
    let old = Arc::clone(cluster.network());
    let new = dearer(&old);
    // One after the other is upgraded; payments and blocks go on among those that are and those that are not.
    for index in 0..3 {
        let paid = to_stranger(&old, (1, index), 100 + index, PRICES[0]);
        cluster[3].submit(&paid).await;
        cluster[0].pools(1).await;
        cluster[0].generate(3, 0).await;
        cluster.agree().await;
        let place = usize::try_from(index).expect("small");
        cluster.node_mut(place).upgrade(&new).await;
        for node in cluster.nodes() {
            node.has_peers(1).await;
        }
    }
    let before = cluster.agree().await;
    assert!(before.height < ACTIVATION);
    says(&cluster[3], "the one left behind hears of the upgrade in time", |info| {
        !info.outdated && notes(info, "\"dear\"") && notes(info, &format!("block {ACTIVATION}"))
    })
    .await;
    says(&cluster[2], "an upgraded one hears of the one that is not", |info| notes(info, "left behind")).await;
    // The last block under the old rules is everybody's.
    cluster[0].generate(ACTIVATION - 1 - before.height, 0).await;
    let last = cluster.agree().await;
    assert_innocent(&cluster.nodes().iter().collect::<Vec<_>>()).await;

    // At the height of the upgrade the chains part. What allows for the old price is not taken any more.
    let cheap = to_stranger(&old, (1, 3), 103, PRICES[0]);
    let refused =
        cluster[0].rpc().submit_tx(HexBytes(cairn_ledger::codec::encode(&cheap))).await.expect_err("too dear");
    assert!(refused.to_string().contains("max_price"), "{refused} ({:?})", Code::TxPriceAboveMax);
    let dear = to_stranger(&old, (1, 3), 103, PRICES[1]);
    cluster[1].submit(&dear).await;
    cluster[0].pools(1).await;
    cluster[0].generate(IN_A_ROW, 0).await;
    let (three, behind) = cluster.nodes().split_at(3);
    let three: Vec<&Node> = three.iter().collect();
    let agreed = assert_agreed(&new, &three, ACTIVATION - 1 + IN_A_ROW).await;
    let (balance, _) = cluster[0].account(1).await;
    assert_eq!(balance, 1_000_000_000_000 - 4 * (1_000 + 10) - 3 * PRICES[0] - PRICES[1]);

    // The fourth stands where it stood, says why and what to do, and blames nobody.
    let behind = &behind[0];
    let info = says(behind, "it knows that it is left behind", |info| info.outdated).await;
    for word in ["\"dear\"", &format!("block {ACTIVATION}"), "update cairn-node"] {
        assert!(notes(&info, word), "{word}: {:?}", info.rules_notice);
    }
    assert_eq!(info.tip.0, last.tip);
    let ready = http::get(behind.rpc_port(), "/ready");
    assert!(ready.status == 503 && ready.body.contains("dear"), "{ready:?}");
    assert_eq!(http::get(cluster[0].rpc_port(), "/ready").status, 200, "the negative control");
    assert_innocent(&cluster.nodes().iter().collect::<Vec<_>>()).await;
    let doctor = offline(&old, behind.directory(), &["doctor"]).output().expect("it runs");
    let doctor = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(doctor.contains("dear") && doctor.contains("install the current cairn-node"), "{doctor}");

    // Once it is upgraded, it is one of them again.
    cluster.node_mut(3).upgrade(&new).await;
    let all = cluster.nodes().iter().collect::<Vec<_>>();
    assert_eq!(assert_agreed(&new, &all, agreed.height).await, agreed);
    let info = says(&cluster[3], "all is well", |info| info.rules_notice.is_none()).await;
    assert!(!info.outdated && info.rules.account_price.0.pebbles() == PRICES[1]);
    cluster[3].generate(1, 3).await;
    assert_agreed(&new, &cluster.nodes().iter().collect::<Vec<_>>(), agreed.height + 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_that_went_on_under_old_rules_is_refused_with_the_new_file_and_rebuilt_up_to_there() {
    let mut cluster = Cluster::start(2).await;
    let old = Arc::clone(cluster.network());
    let new = dearer(&old);
    cluster[0].generate(ACTIVATION - 1, 0).await;
    cluster.agree().await;
    cluster.node_mut(0).upgrade(&new).await;
    cluster[1].has_peers(1).await;
    // Each goes on alone, the one that is not upgraded with more work, and neither charges the other.
    cluster[1].generate(9, 1).await;
    cluster[0].generate(7, 0).await;
    assert_eq!((cluster[0].info().await.height, cluster[1].info().await.height), (ACTIVATION + 6, ACTIVATION + 8));
    assert!(!cluster[0].info().await.outdated, "who has not updated is behind, not ahead");
    assert_innocent(&cluster.nodes().iter().collect::<Vec<_>>()).await;

    let node = cluster.node_mut(1);
    assert!(node.terminate().await.success());
    let refused = offline(&new, node.directory(), &["run"]).output().expect("it runs");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("db repair --force"), "{said}");
    let repaired = offline(&new, node.directory(), &["db", "repair", "--force"]).output().expect("it runs");
    assert!(repaired.status.success(), "{}", String::from_utf8_lossy(&repaired.stderr));
    node.set_network(&new);
    node.restart().await;
    cluster[1].has_peers(1).await;
    let all = cluster.nodes().iter().collect::<Vec<_>>();
    assert_agreed(&new, &all, ACTIVATION + 6).await;
}
