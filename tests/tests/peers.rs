//! How nodes find each other, keep each other, and shut others out.

use cairn_rpc::methods::{NetClient, NodeClient};
use cairn_tests::node::{Node, OFF};
use cairn_tests::wait::{LATER, SOON, until};
use cairn_tests::{intruder::Intruder, network::TestNetwork};
use std::collections::{BTreeMap, BTreeSet};
use std::{net::SocketAddr, sync::Arc, time::Instant};
use tokio::net::{TcpSocket, TcpStream};

async fn id(node: &Node) -> String {
    node.info().await.peer_id
}

/// Who is connected with whom, and whether from anyone there is a way to everyone.
async fn is_one_mesh(nodes: &[Node]) -> bool {
    let mut neighbours = BTreeMap::new();
    for node in nodes {
        let Ok(info) = node.rpc().node_info().await else { return false };
        neighbours.insert(info.peer_id, node.peer_ids().await);
    }
    let Some(first) = neighbours.keys().next() else { return false };
    let (mut met, mut next) = (BTreeSet::from([first.clone()]), vec![first.clone()]);
    while let Some(id) = next.pop() {
        for peer in neighbours.get(&id).into_iter().flatten().filter(|peer| neighbours.contains_key(*peer)) {
            if met.insert(peer.clone()) {
                next.push(peer.clone());
            }
        }
    }
    met.len() == nodes.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twelve_nodes_with_one_boot_node_are_a_mesh_that_survives_it() {
    let network = Arc::new(TestNetwork::new());
    let mut boot = Node::start(&network, "boot", &[]).await;
    let address = boot.address().await;
    let mut nodes = Vec::new();
    for n in 1..12 {
        nodes.push(Node::start(&network, &format!("node {n}"), &["--network.boot_nodes", &address]).await);
    }
    // Without the boot node, too, there is a way from each to each: everybody knows others by now.
    let started = Instant::now();
    until("eleven nodes are one mesh without the boot node", LATER, async || is_one_mesh(&nodes).await.then_some(()))
        .await;
    eprintln!("a mesh {:?} after the last start", started.elapsed());
    let lost = id(&boot).await;
    boot.kill_9();
    until("all have noticed", LATER, async || {
        for node in &nodes {
            if node.peer_ids().await.contains(&lost) {
                return None;
            }
        }
        Some(())
    })
    .await;
    assert!(is_one_mesh(&nodes).await, "they stay connected");
    nodes[3].generate(2, 0).await;
    until("a block reaches everyone", LATER, async || {
        for node in &nodes {
            (node.rpc().node_info().await.ok()?.height == 2).then_some(())?;
        }
        Some(())
    })
    .await;
}

/// Three nodes that were told of a boot node only; they find each other with one way to do so. Another three,
/// with none, know nobody but their boot node by then.
async fn one_way_is_enough(way: &str, of_the_boot_node: &[&str]) {
    let network = Arc::new(TestNetwork::new());
    let on = format!("--discovery.{way}=true");
    let only: Vec<&str> =
        OFF.into_iter().filter(|off| !off.starts_with(&format!("--discovery.{way}="))).chain([on.as_str()]).collect();
    let start = async |name: &str, ways: &[&str]| {
        let boot = Node::start(&network, &format!("boot of {name}"), &[ways, of_the_boot_node].concat()).await;
        let address = boot.address().await;
        let mut nodes = Vec::new();
        for n in 0..3 {
            let arguments = [ways, &["--network.boot_nodes", address.as_str()]].concat();
            nodes.push(Node::start(&network, &format!("{name} {n}"), &arguments).await);
        }
        (boot, nodes)
    };
    let (alone, lonely) = start("lonely", &OFF).await;
    for node in &lonely {
        node.is_peer_of(&alone, true).await;
    }
    let (_boot, nodes) = start(way, &only).await;
    for (n, node) in nodes.iter().enumerate() {
        for other in nodes.iter().skip(n + 1) {
            node.is_peer_of(other, true).await;
        }
    }
    for node in &lonely {
        assert_eq!(node.peer_ids().await, BTreeSet::from([id(&alone).await]), "the control: no way, no peers");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kademlia_alone_is_enough_to_join() {
    one_way_is_enough("kademlia", &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_exchange_of_addresses_alone_is_enough_to_join() {
    one_way_is_enough("exchange", &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rendezvous_point_alone_is_enough_to_join() {
    one_way_is_enough("rendezvous", &["--discovery.rendezvous_server=true"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_address_book_brings_a_restarted_node_back_when_its_boot_node_is_gone() {
    let network = Arc::new(TestNetwork::new());
    let exchange = [OFF[0], OFF[1]];
    // It dials nobody: whoever finds it knows its address.
    let friend = Node::start(&network, "friend", &[&exchange[..], &["--network.max_outbound=0"]].concat()).await;
    let known = friend.address().await;
    let boot_arguments = [&exchange[..], &["--network.peers", known.as_str()]].concat();
    let mut boot = Node::start(&network, "boot", &boot_arguments).await;
    let address = boot.address().await;
    let arguments = [&exchange[..], &["--network.boot_nodes", address.as_str()]].concat();
    let mut node = Node::start(&network, "node", &arguments).await;
    let mut fresh = Node::start(&network, "fresh", &arguments).await;
    node.is_peer_of(&friend, true).await;
    fresh.is_peer_of(&friend, true).await;
    // Stopped in order, it writes its book; and now it is told of nobody at all.
    assert!(node.terminate().await.success() && fresh.terminate().await.success());
    boot.kill_9();
    let book = node.directory().join("peers.bin");
    assert!(book.exists());
    std::fs::remove_file(fresh.directory().join("peers.bin")).expect("the other has one, too");
    for node in [&mut node, &mut fresh] {
        node.set_arguments(&OFF);
        node.restart().await;
    }
    node.is_peer_of(&friend, true).await;
    // The negative control: without its book a node does not find the friend.
    assert!(!fresh.peer_ids().await.contains(&id(&friend).await));

    // A broken book is set aside, and is no reason not to start.
    assert!(node.terminate().await.success());
    std::fs::write(&book, b"cairnab1 and then nonsense").expect("a writable file");
    node.restart().await;
    assert!(book.with_extension("bin.broken").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_banned_peer_stays_out_over_a_restart_until_it_is_pardoned() {
    let network = Arc::new(TestNetwork::new());
    let mut node = Node::start(&network, "node", &OFF).await;
    let address = node.address().await;
    let arguments = [&OFF[..], &["--network.peers", address.as_str()]].concat();
    let banned = Node::start(&network, "banned", &arguments).await;
    let honest = Node::start(&network, "honest", &arguments).await;
    node.is_peer_of(&banned, true).await;
    node.is_peer_of(&honest, true).await;
    let target = id(&banned).await;
    node.rpc().ban(target.clone(), Some(86_400), Some("a test".to_owned())).await.expect("a peer id");
    node.is_peer_of(&banned, false).await;
    let bans = node.rpc().list_bans().await.expect("it answers");
    assert_eq!(bans.iter().map(|ban| (&ban.target, ban.reason.as_str())).collect::<Vec<_>>(), [(&target, "a test")]);
    until("the ban is on the disk", SOON, async || node.directory().join("bans.json").exists().then_some(())).await;

    node.kill_9();
    node.restart().await;
    // The control and the clock: whoever is not banned comes back by itself.
    node.is_peer_of(&honest, true).await;
    assert!(!node.peer_ids().await.contains(&target));
    assert_eq!(node.rpc().list_bans().await.map(|bans| bans.len()).ok(), Some(1));
    assert_eq!(node.rpc().unban(target.clone()).await.ok(), Some(true));
    assert_eq!(node.rpc().unban(target).await.ok(), Some(false));
    node.is_peer_of(&banned, true).await;
    let refused = node.rpc().ban("everybody".to_owned(), None, None).await.expect_err("nobody's name");
    assert!(refused.to_string().contains("expected a peer id"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_network_lets_in_whom_it_admits_over_tcp_and_quic_and_nobody_else() {
    let network = Arc::new(TestNetwork::new());
    let friend = Node::start(&network, "friend", &OFF).await;
    let admit = id(&friend).await;
    let private = Node::start(&network, "private", &[&OFF[..], &["--network.admit", admit.as_str()]].concat()).await;
    let (tcp, quic) = (private.address().await, private.quic_address().await);
    let stranger = |address: &str| [&OFF[..], &["--network.peers", address]].concat().join(" ");
    let (by_tcp, by_quic) = (stranger(&tcp), stranger(&quic));
    let by_tcp = Node::start(&network, "by TCP", &by_tcp.split(' ').collect::<Vec<_>>()).await;
    let by_quic = Node::start(&network, "by QUIC", &by_quic.split(' ').collect::<Vec<_>>()).await;
    friend.dial(&private).await;
    private.is_peer_of(&friend, true).await;
    until("both strangers were refused", SOON, async || {
        (private.log().matches("not admitted").count() >= 2 || is_refused(&by_tcp, &by_quic).await).then_some(())
    })
    .await;
    assert_eq!(private.peer_ids().await, BTreeSet::from([admit.clone()]));

    // At run time, one after the other, each over its own transport.
    for (node, transport) in [(&by_tcp, "/tcp/"), (&by_quic, "/quic-v1")] {
        assert_eq!(private.rpc().admit(id(node).await).await.ok(), Some(true));
        private.is_peer_of(node, true).await;
        let peers = private.rpc().net_peers().await.expect("it answers");
        let (peer, id) = (id(node).await, id(node).await);
        let address = peers.iter().find(|known| known.peer_id == peer).map(|known| known.address.clone());
        assert!(address.is_some_and(|address| address.contains(transport)));
        assert_eq!(private.rpc().revoke(id.clone()).await.ok(), Some(true));
        private.is_peer_of(node, false).await;
        assert_eq!(private.rpc().revoke(id).await.ok(), Some(false));
    }
    assert!(private.peer_ids().await.contains(&admit), "the friend was never disturbed");
    let refused = friend.rpc().admit(admit).await.expect_err("it is on no private network");
    assert!(refused.to_string().contains("network.admit"), "{refused}");
}

/// Whether two nodes have tried to connect, and have nobody.
async fn is_refused(first: &Node, second: &Node) -> bool {
    for node in [first, second] {
        let tried = node.log().contains("connected") || node.log().contains("dialling failed");
        if !tried || !node.peer_ids().await.is_empty() {
            return false;
        }
    }
    true
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_pre_shared_key_only_those_who_have_it_meet_and_never_by_quic() {
    let network = Arc::new(TestNetwork::new());
    let key = |name: &str, digit: &str| {
        let path = network.directory().join(name);
        let text = format!("/key/swarm/psk/1.0.0/\n/base16/\n{}\n", digit.repeat(64));
        std::fs::write(&path, text).expect("a fresh directory");
        format!("--network.psk_file={}", path.display())
    };
    let (right, wrong) = (key("right.key", "a"), key("wrong.key", "b"));
    let node = Node::start(&network, "node", &[right.as_str()]).await;
    let (tcp, quic) = (node.address().await, node.quic_address().await);
    let with = async |name: &str, arguments: &[&str], address: &str| {
        let arguments = [arguments, &["--network.peers", address, "--log.filter=cairn::network=debug"]].concat();
        Node::start(&network, name, &arguments).await
    };
    let none = with("without a key", &[], &tcp).await;
    let by_quic = with("by QUIC", &[], &quic).await;
    let other = with("with another key", &[wrong.as_str()], &tcp).await;
    let friend = with("with the key", &[right.as_str()], &tcp).await;
    node.is_peer_of(&friend, true).await;
    for stranger in [&none, &by_quic, &other] {
        until("a stranger's dial has failed", LATER, async || stranger.log().contains("dialling failed").then_some(()))
            .await;
        assert_eq!(stranger.peer_ids().await, BTreeSet::new());
    }
    let info = node.rpc().net_info().await.expect("it answers");
    assert!(!info.listening.is_empty() && info.listening.iter().all(|address| address.contains("/tcp/")), "{info:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_handshakes_from_one_address_leave_room_for_honest_peers() {
    let network = Arc::new(TestNetwork::new());
    let node = Node::start(&network, "node", &OFF).await;
    let friend = Node::start(&network, "friend", &OFF).await;
    friend.dial(&node).await;
    node.is_peer_of(&friend, true).await;
    // A thousand connections that say nothing, from another address of this machine; all are kept open.
    let victim = SocketAddr::from(([127, 0, 0, 1], node.p2p_port()));
    let mut held: Vec<TcpStream> = Vec::new();
    for _ in 0..1_000 {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::from(([127, 0, 0, 2], 0))).expect("all of 127/8 is this machine");
        held.extend(socket.connect(victim).await.ok());
    }
    assert!(held.len() > 100, "the attack takes place: {}", held.len());
    // While they are held, an honest peer gets in, and the one that was there is not disturbed.
    let late = Node::start(&network, "late", &OFF).await;
    late.dial(&node).await;
    node.is_peer_of(&late, true).await;
    assert!(node.peer_ids().await.contains(&id(&friend).await));
    drop(held);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_takes_all_inbound_slots_takes_no_outbound_ones() {
    let network = Arc::new(TestNetwork::new());
    let friend = Node::start(&network, "friend", &OFF).await;
    let node = Node::start(&network, "node", &[&OFF[..], &["--network.max_inbound=4"]].concat()).await;
    let mut intruders = Vec::new();
    let mut refused = 0;
    for _ in 0..12 {
        let mut intruder = Intruder::new(&node).await;
        if intruder.connect(SOON).await {
            intruders.push(intruder);
        } else {
            refused += 1;
        }
    }
    until("the inbound slots are taken, and no more than there are", SOON, async || {
        (node.rpc().net_info().await.ok()?.inbound == 4).then_some(())
    })
    .await;
    // The others see their connections closed, at once or a moment later.
    for intruder in &mut intruders {
        intruder.flush().await;
    }
    let kept = intruders.iter().filter(|intruder| intruder.is_connected()).count();
    assert!(kept <= 4, "{kept} kept, {refused} refused");
    // The control: what the node itself chooses is not theirs to take.
    node.dial(&friend).await;
    node.is_peer_of(&friend, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_for_addresses_without_end_is_cut_off_and_an_honest_asker_is_not() {
    let network = Arc::new(TestNetwork::new());
    let node = Node::start(&network, "node", &[]).await;
    let friend = Node::start(&network, "friend", &[]).await;
    friend.dial(&node).await;
    node.is_peer_of(&friend, true).await;
    let question = |max: u16| [&2_u32.to_le_bytes()[..], &max.to_le_bytes()].concat();
    let mut intruder = Intruder::new(&node).await;
    let mut answers = 0;
    for _ in 0..100 {
        match intruder.request(3, question(u16::MAX), SOON).await {
            // Bounded, whatever was asked for.
            Some(answer) if !answer.is_empty() => {
                assert!(answer.len() <= 4 + 8 + 64 * 51, "{} bytes", answer.len());
                answers += 1;
            }
            _ => break,
        }
    }
    assert!((1..=20).contains(&answers), "{answers} answers");
    let flooder = intruder.peer_id();
    for _ in 0..20 {
        // It may be cut off already, and comes back.
        let _ = intruder.request(3, question(1), SOON).await;
    }
    assert!(node.log().contains(&format!("peer={flooder}")) && node.log().contains("asked for more than the limits"));
    assert!(node.peer_ids().await.contains(&id(&friend).await), "the friend, who asks as nodes do, stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_keeps_the_full_history_is_found_in_the_dht() {
    let network = Arc::new(TestNetwork::new());
    let boot = Node::start(&network, "boot", &[]).await;
    let address = boot.address().await;
    let first = Node::start(&network, "first", &["--network.boot_nodes", &address]).await;
    let asker = Node::start(&network, "asker", &["--network.boot_nodes", &address]).await;
    let expected = id(&first).await;
    until("the asker finds the first as a provider", LATER, async || {
        let found = asker.rpc().find_providers(None, None).await.ok()?;
        found.iter().any(|provider| provider.peer_id == expected && !provider.own).then_some(())
    })
    .await;
    // The control: nobody provides what does not exist, and no kind of it.
    let nothing = cairn_rpc::text::Text(cairn_ledger::hash::Hash::from_bytes([9; 32]));
    assert_eq!(asker.rpc().find_providers(None, Some(nothing)).await.map(|found| found.len()).ok(), Some(0));
    let refused = asker.rpc().find_providers(Some("movies".to_owned()), None).await.expect_err("no such kind");
    assert!(refused.to_string().contains("full_history"), "{refused}");
    let off = Node::start(&network, "off", &[OFF[0]]).await;
    let refused = off.rpc().find_providers(None, None).await.expect_err("no DHT");
    assert!(refused.to_string().contains("discovery.kademlia"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_cannot_be_dialled_is_reached_through_a_relay() {
    let network = Arc::new(TestNetwork::new());
    let relay = Node::start(&network, "relay", &[&OFF[..], &["--reach.relay_server=true"]].concat()).await;
    let address = relay.address().await;
    let hidden = [&OFF[..], &["--network.listen=", "--network.peers", address.as_str()]].concat();
    let hidden = Node::start(&network, "hidden", &hidden).await;
    let alone = Node::start(&network, "alone", &[&OFF[..], &["--network.listen="]].concat()).await;
    let reach = async |node: &Node| node.rpc().net_info().await.map(|info| (info.reach, info.reach_reason)).ok();
    until("a relay passes connections on to the hidden node", LATER, async || {
        (reach(&hidden).await?.0 == "relayed").then_some(())
    })
    .await;
    let verdict = reach(&alone).await.expect("it answers");
    assert_eq!(verdict.0, "outbound_only", "the control: without a relay nobody gets there: {verdict:?}");
    assert_eq!(reach(&relay).await.expect("it answers").0, "public");

    let through = format!("{address}/p2p-circuit/p2p/{}", id(&hidden).await);
    let friend = Node::start(&network, "friend", &[&OFF[..], &["--network.peers", through.as_str()]].concat()).await;
    friend.is_peer_of(&hidden, true).await;
    // Blocks cross it: the friend knows nobody else.
    hidden.generate(3, 0).await;
    until("blocks come through the relay", LATER, async || (friend.info().await.height == 3).then_some(())).await;
}
