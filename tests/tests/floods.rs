//! Strangers who send more than their share: each is judged for what it is, what it costs is bounded, and honest
//! peers are served all the while.

use cairn_ledger::codec::{BoundedVec, encode};
use cairn_ledger::testing::{key, payment};
use cairn_ledger::{chain_spec::ChainSpec, hash::BlockId, keys::Signature, transaction::Transaction};
use cairn_rpc::methods::{ChainClient, MempoolClient, NetClient, TxClient};
use cairn_rpc::text::Text;
use cairn_rpc::types::{BlockRef, TxState};
use cairn_tests::node::{Node, OFF};
use cairn_tests::strangers::bytes::{Manner, framed};
use cairn_tests::wait::{LATER, SOON, until};
use cairn_tests::{
    cluster::Cluster, intruder::Intruder, network::TestNetwork, strangers::process::Stranger, wide::wide_payment,
};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

const FEE: u64 = 1_000;
/// The place of a protocol in [`cairn_tests::intruder::REQUESTS`], and of a topic in its `TOPICS`.
const STATUS: usize = 0;
const HEADERS: usize = 1;
const BODIES: usize = 2;
const TXS: usize = 1;
/// Batches of a flood.
const BATCHES: u64 = 400;
/// Transactions in each.
const EACH: u64 = 20;
/// No flood here may take a node above this: an idle one has about 50, its caches and pools may have 96 more.
const MOST_MIB: u64 = 400;

/// Batches of a flood, by their number.
type Batches<'a> = &'a dyn Fn(u64) -> Vec<u8>;

/// What is gossiped as a batch.
fn batch(transactions: Vec<Transaction>) -> Vec<u8> {
    let list: BoundedVec<Transaction, 1_000> = BoundedVec::new(transactions).expect("a short list");
    encode(&list)
}

/// Throws the batches of a flood as fast as the victim takes them; how many were on their way before it was
/// thrown out.
async fn flood(intruder: &mut Intruder, mut next: impl FnMut(u64) -> Vec<u8>) -> u64 {
    let mut thrown = 0;
    assert!(intruder.publish(TXS, &next(0), SOON).await, "the first gets through");
    for n in 1..BATCHES {
        if !intruder.is_connected() {
            break;
        }
        thrown += u64::from(intruder.throw(TXS, &next(n)));
        intruder.run_until(Instant::now() + Duration::from_millis(2)).await;
    }
    intruder.flush().await;
    thrown
}

/// Whether the victim's bans name this peer.
async fn is_banned(victim: &Node, peer: &str) -> bool {
    victim.rpc().list_bans().await.expect("it answers").iter().any(|ban| ban.target == peer)
}

/// A payment of the honest goes from peer to victim, into a block, and back.
async fn honest_payments_go_on(cluster: &Cluster, nonce: u64) {
    let paid = payment(cluster.network().spec(), &key(9), nonce, key(50).address(), 5, FEE);
    let txid = cluster[1].submit(&paid).await;
    until("the payment is in the victim's pool", LATER, async || {
        (cluster[0].rpc().tx_status(Text(txid)).await.ok()?.state == TxState::Pooled).then_some(())
    })
    .await;
    cluster[0].generate(1, 0).await;
    cluster.agree().await;
    assert_eq!(cluster[1].confirmations(txid).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worthless_transactions_at_full_rate_are_nobodys_fault_and_hold_up_no_honest_payment() {
    let cluster = Cluster::start(2).await;
    let spec = cluster.network().spec().clone();
    let pay = |sender: u64, nonce: u64, amount: u64, fee: u64| {
        payment(&spec, &key(sender), nonce, key(60).address(), amount, fee)
    };
    // Pooled during the first flood, mined during the second.
    for nonce in 0..EACH {
        cluster[0].submit(&pay(1, nonce, 1, FEE)).await;
    }
    // Each batch is another message: gossip alone would drop the same one twice.
    let again = |n: u64| {
        let nonces = (0..EACH).filter(move |nonce| n >> (nonce % 9) & 1 == 0 || *nonce == n % EACH);
        batch(nonces.map(|nonce| pay(1, nonce, 1, FEE)).collect())
    };
    let floods: [(&str, Batches<'_>); 4] = [
        ("duplicate", &again),
        ("already mined", &again),
        ("underpriced", &|n| batch((0..EACH).map(|nonce| pay(3, nonce, n + 1, 1)).collect())),
        ("future nonce", &|n| batch((0..EACH).map(|nonce| pay(4, 10_000 + nonce, n + 1, FEE)).collect())),
    ];
    for (nonce, (name, next)) in floods.iter().enumerate() {
        let mut intruder = Intruder::new(&cluster[0]).await;
        let thrown = flood(&mut intruder, next).await;
        assert!(thrown > 20, "{name}: the attack takes place: {thrown}");
        let pooled = cluster[0].rpc().mempool_info().await.expect("it answers").count;
        assert_eq!(pooled, if nonce == 0 { EACH } else { 0 }, "{name}: nothing of it gets into the pool");
        honest_payments_go_on(&cluster, nonce as u64).await;
        assert!(!is_banned(&cluster[0], &intruder.peer_id()).await, "{name}: what proves nothing is not banned for");
    }
    assert!(cluster[0].resident_mib() < MOST_MIB, "{} MiB", cluster[0].resident_mib());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_transactions_get_their_sender_banned_and_nobody_else() {
    let cluster = Cluster::start(2).await;
    let spec = cluster.network().spec().clone();
    let forged = |n: u64| {
        let mut forged = payment(&spec, &key(1), 0, key(60).address(), n + 1, FEE);
        forged.signature = Signature::from_bytes([7; 64]);
        batch(vec![forged])
    };
    let mut intruder = Intruder::new(&cluster[0]).await;
    let id = intruder.peer_id();
    assert!(intruder.publish(TXS, &forged(0), SOON).await, "the first gets through");
    let mut thrown = 0;
    for n in 1..BATCHES {
        thrown += u64::from(intruder.throw(TXS, &forged(n)));
        intruder.run_until(Instant::now() + Duration::from_millis(5)).await;
        if !intruder.is_connected() {
            break;
        }
    }
    assert!(thrown > 1, "the attack takes place: {thrown}");
    until("the forger is banned", SOON, async || is_banned(&cluster[0], &id).await.then_some(())).await;
    assert!(!intruder.connect(Duration::from_secs(5)).await || !intruder.is_still_connected().await, "and stays out");
    // The controls: the honest peer is not reported, and what it sends is taken.
    honest_payments_go_on(&cluster, 0).await;
    let bans = cluster[0].rpc().list_bans().await.expect("it answers");
    assert!(bans.iter().all(|ban| ban.target == id), "{bans:?}");
}

/// A chain of three blocks with 5 MB: more than one answer holds.
async fn large_chain(node: &Node, spec: &ChainSpec) {
    for nonce in 0..14 {
        for sender in 0..9 {
            node.submit(&wide_payment(spec, sender, nonce)).await;
        }
    }
    node.generate(3, 0).await;
}

/// A question for the bodies of these blocks.
async fn bodies(node: &Node) -> Vec<u8> {
    let mut ids = Vec::new();
    for height in 1..=3 {
        let header = node.rpc().get_header(BlockRef::Height(height)).await.expect("a header");
        ids.push(header.id.0);
    }
    let list: BoundedVec<BlockId, 128> = BoundedVec::new(ids).expect("no more than may be asked for");
    framed(&encode(&list))
}

/// A question for all headers after the first.
fn headers(cluster: &Cluster) -> Vec<u8> {
    let list: BoundedVec<BlockId, 128> = BoundedVec::new(vec![cluster.network().spec().genesis_id()]).expect("one");
    framed(&encode(&list))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_for_the_largest_answers_are_bounded_whether_they_are_read_or_not() {
    let mut cluster = Cluster::start(1).await;
    let spec = cluster.network().spec().clone();
    large_chain(&cluster[0], &spec).await;
    let (bodies, headers) = (bodies(&cluster[0]).await, headers(&cluster));
    let before = cluster[0].resident_mib();
    // One reads its answers, one reads a byte at a time, one opens streams and says nothing.
    let mut intruders = Vec::new();
    for manner in [Manner::Prompt, Manner::ByteByByte, Manner::Silent] {
        let mut intruder = Intruder::with(&cluster[0], manner).await;
        assert!(intruder.connect(SOON).await, "the attack takes place");
        intruders.push(intruder);
    }
    let attack = tokio::spawn(async move {
        let mut answered = [0, 0, 0];
        for _ in 0..40 {
            for (n, intruder) in intruders.iter_mut().enumerate() {
                for _ in 0..25 {
                    intruder.ask(BODIES, bodies.clone());
                    intruder.ask(HEADERS, headers.clone());
                }
                answered[n] += intruder.run_until(Instant::now() + Duration::from_millis(50)).await.0;
            }
        }
        (answered, intruders)
    });
    // The control: an honest node fetches all of it meanwhile, from the one that is attacked.
    cluster.join().await;
    let agreed = cluster.agree().await;
    assert_eq!(agreed.height, 3);
    let (answered, intruders) = attack.await.expect("the attack does not panic");
    // Of the second, headers are few bytes: one after the other it gets those.
    assert!(answered[0] > answered[1] && answered[2] == 0, "who asks as nodes do gets answers: {answered:?}");
    let grown = cluster[0].resident_mib().saturating_sub(before);
    assert!(grown < MOST_MIB, "{grown} MiB more than {before}");
    drop(intruders);
    cluster[1].generate(1, 0).await;
    assert_eq!(cluster.agree().await.height, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_reads_an_answer_one_byte_at_a_time_pays_for_it_and_whoever_reads_it_does_not() {
    let cluster = Cluster::start(1).await;
    let spec = cluster.network().spec().clone();
    large_chain(&cluster[0], &spec).await;
    let bodies = bodies(&cluster[0]).await;
    let mut slow = Intruder::with(&cluster[0], Manner::ByteByByte).await;
    let mut prompt = Intruder::new(&cluster[0]).await;
    assert!(slow.connect(SOON).await);
    slow.ask(BODIES, bodies.clone());
    let answer = prompt.request(BODIES, bodies, LATER).await.expect("an answer");
    assert!(answer.len() > 1 << 20, "a large one: {}", answer.len());
    let reported = |peer: &str| {
        cluster[0].log().lines().any(|line| line.contains("reported") && line.contains(&format!("peer={peer}")))
    };
    let id = slow.peer_id();
    tokio::spawn(async move { slow.run_until(Instant::now() + LATER).await });
    until("the slow reader is reported", LATER, async || reported(&id).then_some(())).await;
    assert!(!reported(&prompt.peer_id()), "the control");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_substreams_fill_only_their_own_share() {
    let cluster = Cluster::start(2).await;
    let mut intruder = Intruder::with(&cluster[0], Manner::Silent).await;
    assert!(intruder.connect(SOON).await);
    for _ in 0..1_000 {
        for protocol in [STATUS, HEADERS, BODIES] {
            intruder.ask(protocol, Vec::new());
        }
    }
    let (answered, failed) = intruder.run_until(Instant::now() + Duration::from_secs(3)).await;
    assert!(answered == 0 && failed > 0, "most streams are refused: {answered} {failed}");
    // The controls: another's questions are answered meanwhile, and so are those of the honest peer.
    let mut other = Intruder::new(&cluster[0]).await;
    let mut answers = 0;
    while answers < 3 && other.request(HEADERS, headers(&cluster), SOON).await.is_some() {
        answers += 1;
    }
    assert_eq!(answers, 3);
    honest_payments_go_on(&cluster, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reservations_taken_by_strangers_leave_the_honest_one_its_own() {
    let network = Arc::new(TestNetwork::new());
    let arguments = [&OFF[..], &["--reach.relay_server=true", "--network.max_inbound=200"]].concat();
    let relay = Node::start(&network, "relay", &arguments).await;
    let address = relay.address().await;
    let arguments = [&OFF[..], &["--network.listen=", "--network.peers", address.as_str()]].concat();
    let hidden = Node::start(&network, "hidden", &arguments).await;
    until("the hidden node has its reservation", LATER, async || {
        (hidden.rpc().net_info().await.ok()?.reach == "relayed").then_some(())
    })
    .await;
    let mut strangers = Stranger::start(None, &["reserve", &address, &network.prefix(), "100"]);
    let said = tokio::task::spawn_blocking(move || (strangers.line(), strangers)).await.expect("it says a line");
    let counts: Vec<u64> = said.0.split(' ').filter_map(|word| word.parse().ok()).collect();
    let [inside, reserved] = counts[..] else { panic!("got {:?}, expected two numbers", said.0) };
    assert!(inside > 64 && (1..64).contains(&reserved), "{inside} got in, {reserved} of them a reservation");
    // The control, while they hold theirs: a friend gets through to the hidden node.
    let through = format!("{address}/p2p-circuit/p2p/{}", hidden.info().await.peer_id);
    let arguments = [&OFF[..], &["--network.peers", through.as_str()]].concat();
    let friend = Node::start(&network, "friend", &arguments).await;
    friend.is_peer_of(&hidden, true).await;
    hidden.generate(2, 0).await;
    until("blocks come through the relay", LATER, async || (friend.info().await.height == 2).then_some(())).await;
    drop(said.1);
}
