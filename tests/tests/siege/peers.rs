//! What strangers do to whom a node is connected to: slots, searches, relays, other networks.

use super::{meet, pay, score, start, start_at};
use cairn_rpc::methods::NetClient;
use cairn_tests::intruder::Intruder;
use cairn_tests::node::{Node, OFF};
use cairn_tests::strangers::{bystander, bytes::Manner, searcher, squatter, squatter::Registered};
use cairn_tests::wait::{LATER, SOON, until};
use cairn_tests::{cluster::agree, network::TestNetwork};
use libp2p::identity::Keypair;
use libp2p::rendezvous::ErrorCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// The place of a protocol at the intruder's.
const POOL: usize = 5;

/// Of two connections the one is closed on purpose over which a question went: it comes again over the other, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_whose_connection_is_closed_comes_again_over_the_other() {
    for connections in [1, 2] {
        let network = Arc::new(TestNetwork::new());
        let node = start(&network, "node", None, &[]).await;
        let mut peer = Intruder::new(&node).await;
        assert!(peer.connect(SOON).await);
        assert!(peer.stand_at_genesis(SOON).await, "the first question, over the first connection");
        for _ in 1..connections {
            assert!(peer.connect_once_more(SOON).await);
        }
        // What waits in its pool: it is asked again where it has missed that meanwhile.
        let question = peer.hang_up_when_asked(POOL, SOON).await.expect("a question");
        let again = peer.answer(POOL, Vec::new(), Duration::from_secs(4)).await;
        assert_eq!(again, (connections == 2).then_some(question), "{connections} connections");
        assert_eq!(peer.is_connected(), connections == 2);
    }
}

/// Nine thousand searches a second once took a whole processor, for as long as somebody liked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn searches_without_end_are_cut_off_and_cost_little() {
    const ATTACK: Duration = Duration::from_secs(5);
    let network = Arc::new(TestNetwork::new());
    let node = Node::start(&network, "node", &[]).await;
    let address = node.address().await;
    let friend = Node::start(&network, "friend", &["--network.boot_nodes", &address]).await;
    friend.is_peer_of(&node, true).await;
    let (before, address) = (node.processor_time(), address.parse().expect("an address"));
    let deadline = tokio::time::Instant::now() + ATTACK;
    let (searched, thrown_out) = searcher::search(&address, &network.prefix(), deadline).await;
    let used = node.processor_time() - before;
    eprintln!("{searched} searches in {ATTACK:?} took {used:?} of a processor; thrown out {thrown_out} times");
    assert!(searched > 0, "the attack takes place");
    assert!(thrown_out > 0 && used < ATTACK / 2, "{used:?}");
    // The control: an honest peer searches, and stays.
    assert!(node.peer_ids().await.contains(&friend.info().await.peer_id));
    assert_eq!(score(&node, &friend).await, Some(0));
}

/// A rendezvous point once kept what anybody registered for three days, and as much of it as one host liked: until it
/// had no room for anybody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rendezvous_point_is_filled_neither_from_one_host_nor_for_days() {
    const NAMES: usize = 400;
    let network = Arc::new(TestNetwork::new());
    let node = start(&network, "node", None, &["--discovery.rendezvous_server=true"]).await;
    let (address, prefix) = (node.address().await.parse().expect("an address"), network.prefix());
    let too_long = squatter::register(&address, &prefix, squatter::LONGEST).await;
    assert_eq!(too_long, Registered::Refused(ErrorCode::InvalidTtl));
    let (mut kept, mut thrown_out) = (0, 0);
    for _ in 0..NAMES {
        match squatter::register(&address, &prefix, squatter::USUAL).await {
            Registered::For(time) if time == squatter::USUAL => kept += 1,
            Registered::ThrownOut => thrown_out += 1,
            other => panic!("{other:?}"),
        }
    }
    eprintln!("of {NAMES} names of one host {kept} were registered, {thrown_out} thrown out");
    assert!(kept > 0 && thrown_out > 0, "{kept} registered, {thrown_out} thrown out");
    // The control: from another host an honest node gets in, and stays.
    let elsewhere = format!("--network.listen=/ip4/127.0.0.9/tcp/{}", cairn_tests::node::free_port());
    let friend = start(&network, "friend", Some(&node), &[&elsewhere]).await;
    friend.is_peer_of(&node, true).await;
    assert_eq!(score(&node, &friend).await, Some(0));
}

/// Identities that come and go as fast as they can: each costs a handshake, and two lines of the log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_without_end_are_refused_before_their_handshake() {
    const ATTACK: Duration = Duration::from_secs(6);
    let network = Arc::new(TestNetwork::new());
    let node = start(&network, "node", None, &[]).await;
    let address: libp2p::Multiaddr = node.address().await.parse().expect("an address");
    let mut storm = Vec::new();
    for _ in 0..4 {
        let (address, prefix) = (address.clone(), network.prefix());
        storm.push(tokio::spawn(async move {
            let (deadline, mut inside) = (Instant::now() + ATTACK, 0_u64);
            while Instant::now() < deadline {
                let mut intruder = Intruder::at(address.clone(), &prefix, Manner::Prompt);
                inside += u64::from(intruder.connect(Duration::from_secs(1)).await);
            }
            inside
        }));
    }
    let mut inside = 0;
    for task in storm {
        inside += task.await.expect("the storm does not panic");
    }
    let (log, used) = (node.log().len(), node.processor_time());
    eprintln!("{inside} connections of the storm stood, took {used:?} of a processor, and filled {log} bytes of log");
    assert!((1..=700).contains(&inside), "{inside}");
    // The control: from another address an honest node gets in all the while.
    let elsewhere = format!("--network.listen=/ip4/127.0.0.9/tcp/{}", cairn_tests::node::free_port());
    let friend = start(&network, "friend", Some(&node), &[&elsewhere]).await;
    friend.is_peer_of(&node, true).await;
}

/// Whoever held all inbound slots once kept everybody else out, for as long as they liked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_takes_all_inbound_slots_makes_room_for_the_honest_of_another_group() {
    const SLOTS: u64 = 40;
    let network = Arc::new(TestNetwork::new());
    let node = start(&network, "node", None, &[&format!("--network.max_inbound={SLOTS}")]).await;
    let mut crowd = Vec::new();
    for _ in 0..SLOTS {
        let mut intruder = Intruder::new(&node).await;
        assert!(intruder.connect(SOON).await, "the attack takes place");
        crowd.push(intruder);
    }
    let inbound = async || node.rpc().net_info().await.map_or(0, |info| info.inbound);
    until("all slots are taken", SOON, async || (inbound().await == SLOTS).then_some(())).await;
    let elsewhere = |n: u8| format!("--network.listen=/ip4/127.0.0.{n}/tcp/{}", cairn_tests::node::free_port());
    // Theirs are kept.
    let keeping = tokio::spawn(async move {
        loop {
            for intruder in &mut crowd {
                intruder.run_until(tokio::time::Instant::now() + Duration::from_millis(5)).await;
            }
        }
    });
    let honest = start(&network, "honest", Some(&node), &[&elsewhere(9)]).await;
    honest.is_peer_of(&node, true).await;
    node.is_peer_of(&honest, true).await;
    // The attacker goes on: each of the new ones takes the place of one of its own.
    let mut crowd = Vec::new();
    for _ in 0..20 {
        let mut intruder = Intruder::new(&node).await;
        intruder.connect(SOON).await;
        crowd.push(intruder);
    }
    let late = start(&network, "late", Some(&node), &[&elsewhere(10)]).await;
    node.is_peer_of(&late, true).await;
    assert!(node.peer_ids().await.contains(&honest.info().await.peer_id), "the honest keep their slots");
    assert!(inbound().await <= SLOTS);
    node.generate(1, 0).await;
    for friend in [&honest, &late] {
        until("and are served", SOON, async || (friend.info().await.height == 1).then_some(())).await;
    }
    keeping.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_with_ipv6_alone_or_quic_alone_are_peers_like_others() {
    let port = cairn_tests::node::free_port;
    for listen in [
        format!("/ip6/::1/tcp/{}", port()),
        format!("/ip4/127.0.0.1/udp/{}/quic-v1", port()),
        format!("/ip6/::1/udp/{}/quic-v1", port()),
    ] {
        let network = Arc::new(TestNetwork::new());
        let node = start(&network, "node", None, &[&format!("--network.listen={listen}")]).await;
        let address = format!("{listen}/p2p/{}", node.info().await.peer_id);
        let friend = start_at(&network, "friend", Some(&address), &["--network.listen="]).await;
        meet(&node, &friend).await;
        friend.submit(&pay(&network, 1, 0)).await;
        node.pools(1).await;
        node.generate(1, 0).await;
        until("the block crosses", SOON, async || (friend.info().await.height == 1).then_some(())).await;
    }
}

/// Nodes of another network are parted from: they cost nobody a ban, and those of this one go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_of_another_genesis_are_parted_from_and_harm_nobody() {
    const STRANGERS: usize = 12;
    let (network, other) = (Arc::new(TestNetwork::new()), Arc::new(TestNetwork::new()));
    let node = start(&network, "node", None, &[]).await;
    let friend = start(&network, "friend", Some(&node), &[]).await;
    meet(&node, &friend).await;
    let address = node.address().await;
    let told = format!("--network.peers={address}");
    let foreign = Node::start(&other, "foreign", &[&OFF[..], &[&told]].concat()).await;
    foreign.generate(3, 0).await;
    let mut crowd = JoinSet::new();
    for _ in 0..STRANGERS {
        let mut stranger = Intruder::at(address.parse().expect("an address"), &other.prefix(), Manner::Prompt);
        crowd.spawn(async move {
            let came = stranger.connect(SOON).await;
            let deadline = tokio::time::Instant::now() + SOON;
            while came && stranger.is_connected() && tokio::time::Instant::now() < deadline {
                stranger.run_until(tokio::time::Instant::now() + Duration::from_millis(20)).await;
            }
            came && !stranger.is_connected()
        });
    }
    let parted = crowd.join_all().await;
    assert!(parted.iter().all(|parted| *parted), "each of them came, and was parted from: {parted:?}");
    node.generate(1, 0).await;
    until("the friend has the block", SOON, async || (friend.info().await.height == 1).then_some(())).await;
    node.generate(4, 0).await;
    until("and those that follow", SOON, async || (friend.info().await.height == 5).then_some(())).await;
    assert_eq!(foreign.info().await.height, 3, "the chain of another network, though longer, is none");
    let info = node.rpc().net_info().await.expect("it answers");
    assert_eq!((info.bans, score(&node, &friend).await), (0, Some(0)));
    let friend_id = friend.info().await.peer_id;
    until("the friend is its only peer", SOON, async || node.peer_ids().await.iter().eq([&friend_id]).then_some(()))
        .await;
}

/// Whoever joins catches up with a chain that goes on meanwhile, faster than it asks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_joins_while_blocks_come_fast_catches_up() {
    const BEFORE: u64 = 200;
    let network = Arc::new(TestNetwork::new());
    let miner = Arc::new(start(&network, "miner", None, &[]).await);
    miner.generate(BEFORE, 0).await;
    let (ended, mining) = (Arc::new(AtomicBool::new(false)), miner.clone());
    let is_ended = ended.clone();
    let blocks = tokio::spawn(async move {
        while !is_ended.load(Ordering::SeqCst) {
            mining.generate(1, 0).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let joiner = start(&network, "joiner", Some(&miner), &[]).await;
    // Three moments at which it had what the miner had a moment before, each higher than the last.
    let mut last = BEFORE;
    for _ in 0..3 {
        until("it is where the miner was", SOON, async || {
            let height = miner.info().await.height;
            until("it comes there", SOON, async || (joiner.info().await.height >= height).then_some(())).await;
            (height > last).then_some(height)
        })
        .await;
        last = miner.info().await.height;
    }
    ended.store(true, Ordering::SeqCst);
    blocks.await.expect("the miner does not panic");
    agree(&[&miner, &joiner]).await;
    for (one, other) in [(&*miner, &joiner), (&joiner, &*miner)] {
        assert_eq!(score(one, other).await, Some(0), "nobody did anything wrong");
    }
}

/// A relay whose places strangers held was asked again for ever, although there was another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_is_full_keeps_nobody_from_another() {
    let network = Arc::new(TestNetwork::new());
    let (key, port) = (Keypair::generate_ed25519(), cairn_tests::node::free_port());
    let (id, listen) = (key.public().to_peer_id(), format!("/ip4/127.0.0.1/tcp/{port}"));
    let (prefix, at) = (network.prefix(), listen.parse().expect("an address"));
    let full = tokio::spawn(async move {
        let service =
            bystander::Service { relay_bytes: Some(1 << 20), reservations: 0, addresses: bystander::NOBODY.to_vec() };
        bystander::stand_by(key, &prefix, at, &service).await;
    });
    let hidden = start_at(&network, "hidden", Some(&format!("{listen}/p2p/{id}")), &["--network.listen="]).await;
    let reach = async || hidden.rpc().net_info().await.map(|info| info.reach).unwrap_or_default();
    assert_eq!(reach().await, "outbound_only", "the control: that relay has no room");
    let free = start(&network, "free", None, &["--reach.relay_server=true"]).await;
    hidden.dial(&free).await;
    until("the other passes connections on", LATER, async || (reach().await == "relayed").then_some(())).await;
    full.abort();
}
