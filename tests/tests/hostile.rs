//! Strangers who send garbage: the node stays up, and its honest peers notice nothing.

use cairn_ledger::testing::arbitrary_hash;
use cairn_rpc::methods::NetClient;
use cairn_tests::intruder::{Intruder, REQUESTS, TOPICS};
use cairn_tests::{cluster::Cluster, wait::SOON};
use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};

/// Bytes that mean nothing, the same in every run.
fn garbage(seed: u64, length: usize) -> Vec<u8> {
    (0..).flat_map(|n| *arbitrary_hash(seed << 32 | n).as_bytes()).take(length).collect()
}

/// The victim's honest peer keeps its connection and hears of blocks.
async fn honest_peers_are_served(cluster: &Cluster, from: u64) {
    let honest = cluster[1].info().await.peer_id;
    let peers = cluster[0].rpc().net_peers().await.expect("a running node answers");
    assert!(peers.iter().any(|peer| peer.peer_id == honest), "the honest peer is still connected: {peers:?}");
    cluster[0].generate(3, 0).await;
    assert_eq!(cluster.agree().await.height, from + 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_on_the_peers_port_harms_nobody() {
    let cluster = Cluster::start(2).await;
    for seed in 0..50 {
        let mut stream =
            TcpStream::connect((Ipv4Addr::LOCALHOST, cluster[0].p2p_port())).expect("the port is still open");
        // The node may hang up before all of it is written.
        let _ = stream.write_all(&garbage(seed, 10_000));
    }
    honest_peers_are_served(&cluster, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_on_every_protocol_harms_nobody() {
    let cluster = Cluster::start(2).await;
    cluster[0].generate(3, 0).await;
    cluster.agree().await;
    for (protocol, name) in REQUESTS.iter().enumerate() {
        for (seed, length) in [(1, 0), (2, 1), (3, 8), (4, 40), (5, 1_000), (6, 200_000)] {
            // A new identity each time: one that was refused for good is not what is tested here.
            let mut intruder = Intruder::new(&cluster[0]).await;
            let answer = intruder.request(protocol, garbage(seed, length), SOON).await;
            assert!(answer.is_none_or(|bytes| bytes.len() < 1_000), "{name} of {length} bytes");
        }
        // A length bomb: 2^60 elements that are not there.
        let mut intruder = Intruder::new(&cluster[0]).await;
        let _ = intruder.request(protocol, (1_u64 << 60).to_le_bytes().to_vec(), SOON).await;
    }
    honest_peers_are_served(&cluster, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_in_gossip_harms_nobody() {
    let cluster = Cluster::start(2).await;
    for (topic, name) in TOPICS.iter().enumerate() {
        let mut published = 0;
        for (seed, length) in [(11, 1), (12, 8), (13, 190), (14, 1_000), (15, 40_000), (16, 100_000)] {
            let mut intruder = Intruder::new(&cluster[0]).await;
            if intruder.publish(topic, &garbage(seed, length), SOON).await {
                published += 1;
            }
            intruder.flush().await;
        }
        assert!(published > 0, "the intruder gets to publish on {name}");
    }
    honest_peers_are_served(&cluster, 0).await;
}
