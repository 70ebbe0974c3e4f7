//! Catching up.

use cairn_ledger::testing::{key, payment};
use cairn_rpc::{methods::NodeClient, types::SyncPhase};
use cairn_tests::cluster::{Cluster, agree};
use cairn_tests::impostor::{Impostor, Manner};
use cairn_tests::node::{Node, OFF};
use cairn_tests::shaper::{Line, Shaper};
use cairn_tests::wait::{LATER, SOON, until};
use cairn_tests::{network::TestNetwork, replay::replayed_root};
use std::{net::SocketAddr, sync::Arc};

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

/// A node with a chain of so many blocks, with payments in the first of them.
async fn with_chain(network: &Arc<TestNetwork>, blocks: u64) -> Node {
    let node = Node::start(network, "server", &OFF).await;
    for nonce in 0..20 {
        node.submit(&payment(network.spec(), &key(1), nonce, key(100 + nonce).address(), 10, 1_000)).await;
    }
    node.generate(blocks, 3).await;
    node
}

/// Starts a node that has these peers and finds no others.
async fn joiner(network: &Arc<TestNetwork>, peers: &[String], more: &[&str]) -> Node {
    let peers = peers.join(",");
    let arguments = [&["--network.peers", peers.as_str()][..], more].concat();
    Node::start(network, "joiner", &arguments).await
}

/// Waits until a node has a chain of so many blocks.
async fn has_blocks(node: &Node, blocks: u64) {
    until("the chain has come", LATER, async || (node.rpc().node_info().await.ok()?.height >= blocks).then_some(()))
        .await;
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_peers_of_whom_one_lies_and_one_stalls_bring_the_chain_and_the_liar_is_named() {
    let network = Arc::new(TestNetwork::new());
    let server = with_chain(&network, LONG).await;
    let (info, spec) = (server.info().await, network.spec());
    let second = Impostor::new(&server, spec, Manner::Honest).await;
    let line = |port| Shaper::start(local(port), Line::of_rate(256 << 10)).expect("a line");
    let lines = [line(server.p2p_port()), line(second.port())];
    // The honest two come later, so that the others are asked for certain.
    lines.iter().for_each(Shaper::cut);
    let (liar, staller) =
        (Impostor::new(&server, spec, Manner::Lies).await, Impostor::new(&server, spec, Manner::Stalls).await);
    let honest = [lines[0].multiaddr(&info.peer_id), lines[1].multiaddr(&second.peer_id())];
    let peers = [liar.address(), honest[0].clone(), staller.address(), honest[1].clone()];
    let node = joiner(&network, &peers, &OFF).await;
    until("both were asked", SOON, async || (liar.asked() > 0 && staller.asked() > 0).then_some(())).await;
    lines.iter().for_each(Shaper::mend);
    has_blocks(&node, LONG).await;
    assert_eq!(node.info().await.tip, info.tip);
    assert_eq!(node.account(119).await, (10, 0));
    assert_eq!(replayed_root(spec, &node, info.tip.0).await, info.state_root.0);
    let named = |peer: &Impostor, what: &str| {
        node.log().lines().any(|line| line.contains(&peer.peer_id()) && line.contains(what))
    };
    assert!(named(&liar, "sent a body that does not belong to its header"), "the liar is named");
    until("the staller is named, too", SOON, async || named(&staller, "did not answer in time").then_some(())).await;
    // The negative control.
    assert!(!named(&second, "reported a peer"), "whoever passed the same bytes on is not");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_withheld_history_is_fetched_from_a_provider_that_the_dht_knows() {
    let network = Arc::new(TestNetwork::new());
    let server = with_chain(&network, 50).await;
    let withholder = Impostor::new(&server, network.spec(), Manner::Withholds).await;
    let others = ["--discovery.rendezvous=false", "--discovery.exchange=false"];
    let node = joiner(&network, &[withholder.address()], &others).await;
    has_blocks(&node, 50).await;
    assert!(withholder.asked() > 0, "it was asked first");
    assert!(node.peer_ids().await.contains(&server.info().await.peer_id), "the provider is a peer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_withheld_body_without_a_provider_is_told_to_the_operator() {
    let network = Arc::new(TestNetwork::new());
    let server = with_chain(&network, 50).await;
    let withholder = Impostor::new(&server, network.spec(), Manner::Withholds).await;
    // No DHT: there is nobody to ask.
    let mut node = joiner(&network, &[withholder.address()], &OFF).await;
    let reason = until("it says why it does not get on", SOON, async || {
        let sync = node.rpc().node_info().await.ok()?.sync;
        (sync.phase == SyncPhase::Stalled).then_some(sync.reason)?
    })
    .await;
    assert!(reason.starts_with("no peer has block 1;"), "{reason}");
    until("it stands in the log, too", SOON, async || node.log().contains("no peer has block 1;").then_some(())).await;
    // The operator does what it says: it recovers.
    node.dial(&server).await;
    has_blocks(&node, 50).await;
    assert_eq!(node.terminate().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_killed_in_the_middle_goes_on_where_it_was() {
    let network = Arc::new(TestNetwork::new());
    let server = with_chain(&network, LONG).await;
    let info = server.info().await;
    let line = Shaper::start(local(server.p2p_port()), Line::of_rate(256 << 10)).expect("a line");
    let mut node = joiner(&network, &[line.multiaddr(&info.peer_id)], &OFF).await;
    has_blocks(&node, 500).await;
    node.kill_9();
    let before = line.carried();
    node.restart().await;
    assert!(node.info().await.height >= 400, "what was connected is there but for the last runs");
    has_blocks(&node, LONG).await;
    assert_eq!(node.info().await.tip, info.tip);
    let after = line.carried() - before;
    eprintln!("{before} bytes before, {after} after");
}
