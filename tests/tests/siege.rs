//! What somebody with as many identities as they like once did to real nodes: payments that vanished or got stuck
//! half-way, blocks that came late, places that were taken. Each attack has its honest twin beside it.

use cairn_ledger::testing::{genesis_state, key, mine, payment};
use cairn_ledger::transaction::Transaction;
use cairn_ledger::{codec::encode, validate::ChainContext};
use cairn_rpc::methods::{MempoolClient, NetClient};
use cairn_tests::intruder::Intruder;
use cairn_tests::node::{Node, OFF};
use cairn_tests::shaper::{Line, Shaper};
use cairn_tests::strangers::{bytes::Manner, searcher};
use cairn_tests::wait::{LATER, SOON, until};
use cairn_tests::{cluster::agree, network::TestNetwork, wide::wide_payment};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const FEE: u64 = 1_000;
/// A pool that takes nothing that is paid here.
const PICKY: &str = "--mempool.min_fee_rate=1000000";
/// A line of 4 Mbit/s.
const SLOW: u64 = 500_000;
/// The places of protocols and topics at the intruder's.
const POOL: usize = 5;
const BLOCKS: usize = 0;
const TXS: usize = 1;

async fn start(network: &Arc<TestNetwork>, name: &str, peer: Option<&Node>, more: &[&str]) -> Node {
    let peer = match peer {
        Some(peer) => Some(peer.address().await),
        None => None,
    };
    start_at(network, name, peer.as_deref(), more).await
}

async fn start_at(network: &Arc<TestNetwork>, name: &str, peer: Option<&str>, more: &[&str]) -> Node {
    let told = peer.map(|peer| format!("--network.peers={peer}"));
    let arguments: Vec<&str> = OFF.iter().copied().chain(more.iter().copied()).chain(told.as_deref()).collect();
    let node = Node::start(network, name, &arguments).await;
    node.has_peers(u64::from(peer.is_some())).await;
    node
}

async fn meet(one: &Node, other: &Node) {
    one.gossips_with(other).await;
    other.gossips_with(one).await;
}

fn pay(network: &TestNetwork, sender: u64, nonce: u64) -> Transaction {
    payment(network.spec(), &key(sender), nonce, key(70 + sender).address(), 10, FEE)
}

async fn pooled(node: &Node) -> u64 {
    node.rpc().mempool_info().await.map_or(0, |info| info.count)
}

async fn score(node: &Node, other: &Node) -> Option<i64> {
    let id = other.info().await.peer_id;
    let peers = node.rpc().net_peers().await.ok()?;
    peers.into_iter().find(|peer| peer.peer_id == id).map(|peer| peer.score)
}

/// Somebody who pays, a node that passes on, and one at the end of a line.
struct Relayed {
    source: Node,
    relay: Node,
    far: Node,
    network: Arc<TestNetwork>,
    _line: Shaper,
}

impl Relayed {
    async fn start(bytes_per_second: Option<u64>) -> Self {
        let network = Arc::new(TestNetwork::new());
        let source = start(&network, "source", None, &[]).await;
        let relay = start(&network, "relay", Some(&source), &[]).await;
        let line = Line { bytes_per_second, ..Line::default() };
        let line = Shaper::start(([127, 0, 0, 1], relay.p2p_port()).into(), line).expect("a line");
        let through = line.multiaddr(&relay.info().await.peer_id);
        let far = start_at(&network, "far", Some(&through), &["--network.listen=", "--network.max_outbound=0"]).await;
        meet(&source, &relay).await;
        meet(&relay, &far).await;
        Self { source, relay, far, network, _line: line }
    }

    /// Payments of the largest kind: 40 KB each.
    async fn pay(&self, count: u64) {
        for n in 0..count {
            self.source.submit(&wide_payment(self.network.spec(), n % 9, n / 9)).await;
        }
    }
}

/// Of 200 payments through a node with a line of 4 Mbit/s 82 arrived, and nothing was told of the others.
async fn all_payments_arrive(bytes_per_second: Option<u64>) {
    const PAYMENTS: u64 = 120;
    let place = Relayed::start(bytes_per_second).await;
    let started = Instant::now();
    place.pay(PAYMENTS).await;
    until("the relay has all payments", SOON, async || (pooled(&place.relay).await == PAYMENTS).then_some(())).await;
    let all = until("all payments are at the far end", LATER, async || {
        (pooled(&place.far).await == PAYMENTS).then_some(started.elapsed())
    });
    eprintln!("{PAYMENTS} payments over {bytes_per_second:?} bytes a second took {:?}", all.await);
    for (one, other) in [(&place.relay, &place.far), (&place.far, &place.relay)] {
        assert_eq!(score(one, other).await, Some(0), "to be slow is no fault");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn payments_through_a_slow_line_all_arrive() {
    all_payments_arrive(Some(SLOW)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn payments_through_a_fast_line_all_arrive() {
    all_payments_arrive(None).await;
}

/// A batch whose id was that of one that had been ignored counted as sent, and never was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_leaves_the_node_though_a_batch_like_it_was_ignored_before() {
    let network = Arc::new(TestNetwork::new());
    let node = start(&network, "node", None, &[]).await;
    let neighbour = start(&network, "neighbour", Some(&node), &[]).await;
    meet(&node, &neighbour).await;
    // Nobody can judge a payment of somebody who has nothing yet.
    let heir = key(55);
    let payment_of_heir = payment(network.spec(), &heir, 0, key(70).address(), 10, FEE);
    let mut intruder = Intruder::new(&node).await;
    assert!(intruder.publish(TXS, &encode(&vec![payment_of_heir.clone()]), SOON).await, "the attack takes place");
    intruder.flush().await;
    node.submit(&payment(network.spec(), &key(1), 0, heir.address(), 1_000_000, FEE)).await;
    neighbour.pools(1).await;
    node.generate(1, 0).await;
    agree(&[&node, &neighbour]).await;
    for node in [&node, &neighbour] {
        node.pools(0).await;
    }
    let started = Instant::now();
    node.submit(&payment_of_heir).await;
    neighbour.pools(1).await;
    eprintln!("the payment whose batch was known took {:?}", started.elapsed());
    // The control: one that nobody has seen before.
    node.submit(&pay(&network, 2, 0)).await;
    neighbour.pools(2).await;
}

/// What a newcomer's pool got by listing a peer's was passed on to nobody, and gossip of it was ignored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn payments_that_a_newcomer_got_by_listing_reach_the_whole_line() {
    const PAYMENTS: u64 = 20;
    let network = Arc::new(TestNetwork::new());
    let first = start(&network, "first", None, &[]).await;
    for n in 0..PAYMENTS {
        first.submit(&pay(&network, n % 10, n / 10)).await;
    }
    let mut line = vec![start(&network, "second", None, &[]).await];
    for name in ["third", "fourth"] {
        let next = start(&network, name, line.last(), &[]).await;
        meet(line.last().expect("there is one"), &next).await;
        line.push(next);
    }
    let started = Instant::now();
    line[0].dial(&first).await;
    for node in &line {
        node.pools(PAYMENTS).await;
    }
    eprintln!("the last of the line had all payments after {:?}", started.elapsed());
}

/// How long an empty block takes to the far end of a line, while so many payments are on their way there.
async fn block_behind(payments: u64) -> Duration {
    let place = Relayed::start(Some(SLOW)).await;
    // Its blocks are empty: it knows of no payment.
    let miner = start(&place.network, "miner", Some(&place.relay), &[PICKY]).await;
    meet(&miner, &place.relay).await;
    place.pay(payments).await;
    let all = async || (pooled(&place.relay).await == payments).then_some(());
    until("the relay has all payments", SOON, all).await;
    let before = pooled(&place.far).await;
    let started = Instant::now();
    miner.generate(1, 0).await;
    until("the block is at the far end", LATER, async || (place.far.info().await.height == 1).then_some(())).await;
    let took = started.elapsed();
    assert!(payments == 0 || before < payments, "the attack takes place: {before} payments had come");
    eprintln!("a block behind {payments} payments took {took:?}; {before} had come before it");
    for (one, other) in [(&place.relay, &place.far), (&place.far, &place.relay)] {
        assert_eq!(score(one, other).await, Some(0), "to be late is no fault");
    }
    took
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_does_not_wait_behind_payments() {
    let took = block_behind(150).await;
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_on_an_idle_line_takes_a_moment() {
    let took = block_behind(0).await;
    assert!(took < Duration::from_secs(3), "{took:?}");
}

/// How long a block takes while so many identities each let a node wait for what their variant of another block lacks.
async fn block_beside_silent_senders(count: u8) -> Duration {
    let network = Arc::new(TestNetwork::new());
    let victim = start(&network, "victim", None, &[]).await;
    let honest = start(&network, "honest", Some(&victim), &[]).await;
    meet(&victim, &honest).await;
    let spec = network.spec();
    let payments = (0..10).map(|sender| pay(&network, sender, 0)).collect();
    let block = mine(spec, &ChainContext::genesis(spec), &genesis_state(spec), payments);
    let mut senders = Vec::new();
    for n in 0..count {
        // Each is another message, and nothing of it resolves.
        let short_ids: Vec<u8> = (0..10).flat_map(|place| [n, place, 7, 7, 7, 7]).collect();
        let count = 10_u64.to_le_bytes();
        let compact = [&encode(&block.header)[..], &count, &short_ids, &0_u64.to_le_bytes()].concat();
        let mut sender = Intruder::new(&victim).await;
        assert!(sender.publish(BLOCKS, &compact, SOON).await, "the attack takes place");
        senders.push(sender);
    }
    for sender in &mut senders {
        sender.run_until(tokio::time::Instant::now() + Duration::from_millis(50)).await;
    }
    // Theirs goes on while they say nothing.
    let keeping = tokio::spawn(async move {
        loop {
            // A loop over nobody would never let go of its thread.
            tokio::time::sleep(Duration::from_millis(1)).await;
            for sender in &mut senders {
                sender.run_until(tokio::time::Instant::now() + Duration::from_millis(10)).await;
            }
        }
    });
    let started = Instant::now();
    honest.generate(1, 0).await;
    until("the honest block is here", SOON, async || (victim.info().await.height >= 1).then_some(())).await;
    let took = started.elapsed();
    keeping.abort();
    eprintln!("a block beside {count} silent senders took {took:?}");
    took
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn senders_that_say_nothing_hold_no_place_of_a_block() {
    let took = block_beside_silent_senders(40).await;
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_silent_senders_a_block_takes_a_moment() {
    let took = block_beside_silent_senders(0).await;
    assert!(took < Duration::from_secs(2), "{took:?}");
}

/// How long the last of 60 payments took while so many identities send batches that need no signature.
async fn payments_beside_worthless_batches(identities: u64) -> Duration {
    const PAYMENTS: u64 = 60;
    let network = Arc::new(TestNetwork::new());
    let victim = start(&network, "victim", None, &[]).await;
    let honest = start(&network, "honest", Some(&victim), &[]).await;
    meet(&victim, &honest).await;
    let ended = Arc::new(AtomicBool::new(false));
    let mut attacks = Vec::new();
    for identity in 0..identities {
        let mut intruder = Intruder::new(&victim).await;
        assert!(intruder.publish(TXS, &encode(&vec![pay(&network, 9, 900 + identity)]), SOON).await, "it takes place");
        let (ended, ahead) = (ended.clone(), pay(&network, 9, 999));
        attacks.push(tokio::spawn(async move {
            let mut n = identity << 32;
            while !ended.load(Ordering::SeqCst) && intruder.is_connected() {
                for _ in 0..20 {
                    n += 1;
                    let mut batch = encode(&vec![ahead.clone()]);
                    let end = batch.len() - 8;
                    batch.splice(end.., n.to_le_bytes());
                    intruder.throw(TXS, &batch);
                }
                intruder.run_until(tokio::time::Instant::now() + Duration::from_millis(20)).await;
            }
        }));
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let started = Instant::now();
    for n in 0..PAYMENTS {
        honest.submit(&pay(&network, n % 9, n / 9)).await;
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    let at_once = pooled(&victim).await;
    victim.pools(PAYMENTS).await;
    let took = started.elapsed();
    ended.store(true, Ordering::SeqCst);
    eprintln!("beside {identities} identities {at_once} of {PAYMENTS} payments came at once, the last after {took:?}");
    for attack in attacks {
        attack.await.expect("the attack does not panic");
    }
    assert_eq!(score(&victim, &honest).await, Some(0), "the honest are not reported");
    took
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_that_need_no_signature_take_no_place_of_payments() {
    let took = payments_beside_worthless_batches(4).await;
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_worthless_batches_payments_take_a_moment() {
    let took = payments_beside_worthless_batches(0).await;
    assert!(took < Duration::from_secs(5), "{took:?}");
}

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
    let started = Instant::now();
    let honest = start(&network, "honest", Some(&node), &[&elsewhere(9)]).await;
    honest.is_peer_of(&node, true).await;
    node.is_peer_of(&honest, true).await;
    let took = started.elapsed();
    eprintln!("with all slots taken an honest peer got in after {took:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
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
