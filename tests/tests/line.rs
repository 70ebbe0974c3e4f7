//! A node on a bad line: far away, slow, and cut again and again.

use cairn_ledger::testing::{key, payment};
use cairn_tests::node::{Node, OFF};
use cairn_tests::shaper::{Line, Shaper};
use cairn_tests::wait::{LATER, until};
use cairn_tests::{cluster::agree, network::TestNetwork};
use std::{net::SocketAddr, sync::Arc, time::Duration};

/// One way; an answer takes twice as long.
const LATENCY: Duration = Duration::from_millis(200);
/// A slow line to a home.
const BYTES_PER_SECOND: u64 = 256 << 10;
/// The line breaks once in so many blocks: 2 %.
const BREAKS_EACH: u64 = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_on_a_far_slow_and_flaky_line_keeps_up() {
    let network = Arc::new(TestNetwork::new());
    let miner = Node::start(&network, "miner", &OFF).await;
    let line = Line { latency: LATENCY, bytes_per_second: Some(BYTES_PER_SECOND) };
    let line = Shaper::start(SocketAddr::from(([127, 0, 0, 1], miner.p2p_port())), line).expect("a line");
    let through = line.multiaddr(&miner.info().await.peer_id);
    // It listens nowhere: the line is the only way to it.
    let only = ["--network.listen=", "--network.max_outbound=0", "--network.peers", through.as_str()];
    let far = Node::start(&network, "far", &[&OFF[..], &only].concat()).await;
    let near = Node::start(&network, "near", &OFF).await;
    near.dial(&miner).await;
    miner.is_peer_of(&far, true).await;
    miner.is_peer_of(&near, true).await;
    let spec = network.spec();
    for round in 0..4 {
        // What the far one pays is mined, too.
        let paid = far.submit(&payment(spec, &key(1), round, key(70).address(), 7, 1_000)).await;
        miner.pools(1).await;
        for block in 0..BREAKS_EACH {
            if block == BREAKS_EACH / 2 {
                far.has_peers(1).await;
                line.break_all();
            }
            miner.generate(1, 0).await;
        }
        assert_eq!(agree(&[&miner, &near, &far]).await.height, (round + 1) * BREAKS_EACH);
        assert_eq!(far.confirmations(paid).await, BREAKS_EACH);
    }
    let breaks = far.log().matches(" disconnected ").count();
    assert!(breaks >= 4, "the line broke: {breaks}");

    // The control: over a cut line nothing comes, and after it all that was missed.
    line.cut();
    miner.generate(5, 0).await;
    assert_eq!(agree(&[&miner, &near]).await.height, 4 * BREAKS_EACH + 5);
    assert_eq!(far.info().await.height, 4 * BREAKS_EACH);
    line.mend();
    until("the far one has caught up", LATER, async || (far.info().await.height == 4 * BREAKS_EACH + 5).then_some(()))
        .await;
}
