//! Catching up.

use cairn_ledger::testing::{key, payment};
use cairn_rpc::{methods::NodeClient, types::SyncPhase};
use cairn_tests::{
    cluster::{Cluster, agree},
    node::Node,
    replay::replayed_root,
    wait::{SOON, until},
};

/// More than one answer of headers holds.
const LONG: u64 = 2_100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_joiner_synchronises_and_goes_on_with_the_others() {
    let mut cluster = Cluster::start(1).await;
    let spec = cluster.network().spec().clone();
    for nonce in 0..20 {
        cluster[0].submit(&payment(&spec, &key(1), nonce, key(100 + nonce).address(), 10, 1_000)).await;
    }
    cluster[0].generate(LONG, 3).await;
    cluster.join().await;
    let agreed = cluster.agree().await;
    assert_eq!(agreed.height, LONG);
    assert_eq!(cluster[1].account(119).await, (10, 0));
    assert_eq!(replayed_root(&spec, &cluster[1], agreed.tip).await, agreed.state_root);
    until("the joiner says that it has caught up", SOON, async || {
        let info = cluster[1].rpc().node_info().await.ok()?;
        (info.sync.phase == SyncPhase::CaughtUp && info.sync.headers == LONG).then_some(())
    })
    .await;

    // Now it is one of them: what it makes, the others follow.
    cluster[1].generate(1, 3).await;
    assert_eq!(cluster.agree().await.height, LONG + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_away_catches_up_with_two_peers() {
    let mut cluster = Cluster::start(3).await;
    cluster[0].generate(5, 0).await;
    cluster.agree().await;
    // Both ends stay connected by the middle one only: then they are told of each other.
    cluster[2].dial(&cluster[0]).await;
    assert_eq!(cluster.node_mut(1).terminate().await.code(), Some(0));
    agree_without(&cluster, 1, 250).await;
    cluster.node_mut(1).restart().await;
    assert_eq!(cluster.agree().await.height, 255);
}

/// Makes blocks while one node is away, and waits until the others agree.
async fn agree_without(cluster: &Cluster, away: usize, blocks: u64) {
    let others: Vec<&Node> =
        cluster.nodes().iter().enumerate().filter(|(index, _)| *index != away).map(|(_, node)| node).collect();
    others[0].generate(blocks, 0).await;
    agree(&others).await;
}
