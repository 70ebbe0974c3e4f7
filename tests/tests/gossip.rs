//! Blocks and pools cross the network in one piece or in the pieces that are lacking, and whoever lies on the way
//! pays for what its own bytes prove.

use cairn_ledger::testing::{genesis_state, key, mine, payment};
use cairn_ledger::{block::Block, codec::encode, transaction::Transaction, validate::ChainContext};
use cairn_rpc::methods::{MempoolClient, NetClient, NodeClient};
use cairn_tests::intruder::{Intruder, TOPICS};
use cairn_tests::node::{Node, OFF};
use cairn_tests::wait::{LATER, SOON, until};
use cairn_tests::{cluster::agree, network::TestNetwork, strangers::bytes::framed};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const FEE: u64 = 1_000;
/// A pool that takes nothing that is paid here.
const PICKY: &str = "--mempool.min_fee_rate=1000000";
/// The places of protocols and topics at the intruder's.
const BODIES: usize = 2;
const BLOCK_TXS: usize = 4;
const POOL: usize = 5;

/// Payments of ten senders, each a chain of nonces, in no good order to admit them.
fn payments(network: &TestNetwork, each: u64) -> Vec<Transaction> {
    let from = |sender| (0..each).map(move |nonce| (sender, nonce));
    let pay = |(sender, nonce)| payment(network.spec(), &key(sender), nonce, key(70 + sender).address(), 10, FEE);
    (0..10).flat_map(from).map(pay).collect()
}

async fn start(network: &Arc<TestNetwork>, name: &str, peer: Option<&Node>, more: &[&str]) -> Node {
    let peer = match peer {
        Some(peer) => Some(format!("--network.peers={}", peer.address().await)),
        None => None,
    };
    let arguments: Vec<&str> = OFF.iter().copied().chain(more.iter().copied()).chain(peer.as_deref()).collect();
    let node = Node::start(network, name, &arguments).await;
    node.has_peers(u64::from(peer.is_some())).await;
    node
}

async fn id(node: &Node) -> String {
    node.info().await.peer_id
}

async fn score(node: &Node, peer_id: &str) -> Option<i64> {
    let peers = node.rpc().net_peers().await.ok()?;
    peers.into_iter().find(|peer| peer.peer_id == peer_id).map(|peer| peer.score)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_costs_no_question_where_all_is_known_and_one_where_some_is_lacking() {
    let network = Arc::new(TestNetwork::new());
    let miner = start(&network, "miner", None, &[]).await;
    let knows = start(&network, "knows", Some(&miner), &[]).await;
    let lacks = start(&network, "lacks", Some(&miner), &[PICKY]).await;
    // It has neither what it is asked for in its pool, nor the block in its store when it is asked.
    let behind = start(&network, "behind", Some(&lacks), &[PICKY]).await;
    for (one, other) in [(&miner, &knows), (&miner, &lacks), (&lacks, &behind)] {
        one.gossips_with(other).await;
        other.gossips_with(one).await;
    }
    let all = payments(&network, 20);
    for transaction in &all {
        miner.submit(transaction).await;
    }
    knows.pools(200).await;
    miner.generate(1, 0).await;
    assert_eq!(agree(&[&miner, &knows, &lacks, &behind]).await.height, 1);

    let came = async |node: &Node, from: &Node, protocol: &str| {
        node.traffic(&id(from).await, protocol).await.expect("they are connected").0
    };
    assert_eq!((came(&knows, &miner, "block_txs").await, came(&knows, &miner, "bodies").await), (0, 0));
    let bytes: usize = all.iter().map(Transaction::size).sum();
    for (node, from) in [(&lacks, &miner), (&behind, &lacks)] {
        // A count, and just the transactions: none was prefilled, for the miner had passed all of them on.
        assert_eq!(came(node, from, "block_txs").await, 8 + bytes as u64);
        assert_eq!(came(node, from, "bodies").await, 0, "the negative control: no whole body was needed");
    }
}

/// A block on block 0 with these payments, and its compact form, in which every short id is wrong.
fn opaque(network: &TestNetwork, payments: Vec<Transaction>) -> (Block, Vec<u8>) {
    let spec = network.spec();
    let block = mine(spec, &ChainContext::genesis(spec), &genesis_state(spec), payments);
    let count = block.body.len() as u64;
    let short_ids: Vec<u8> = (0..count).flat_map(|n| [n as u8; 6]).collect();
    let compact = [&encode(&block.header)[..], &count.to_le_bytes(), &short_ids, &0_u64.to_le_bytes()].concat();
    (block, compact)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_transactions_of_a_block_cost_their_sender_and_never_the_block() {
    let network = Arc::new(TestNetwork::new());
    let victim = start(&network, "victim", None, &[]).await;
    let (block, compact) = opaque(&network, payments(&network, 1));
    let wrong: Vec<Transaction> = payments(&network, 2).split_off(10);
    let count = block.body.len() as u64;

    // It gives other transactions, then a body that is another block's: only the latter is its own claim.
    let mut liar = Intruder::new(&victim).await;
    assert!(liar.publish(0, &compact, SOON).await, "on {}", TOPICS[0]);
    let answer = [&count.to_le_bytes()[..], &encode(&wrong.iter().take(10).collect::<Vec<_>>())[8..]].concat();
    let question = liar.answer(BLOCK_TXS, framed(&answer), SOON).await.expect("what is lacking is asked for");
    let places: Vec<u8> = (0..10_u32).flat_map(u32::to_le_bytes).collect();
    let expected = [block.header.id().as_bytes(), &count.to_le_bytes()[..], &places].concat();
    assert_eq!(question, framed(&expected), "just what is lacking, by its places");
    let body = [&1_u64.to_le_bytes()[..], &encode(&wrong.iter().take(9).collect::<Vec<_>>())].concat();
    liar.answer(BODIES, framed(&body), SOON).await.expect("then for the whole body");
    liar.flush().await;
    until("the liar is reported for its body", SOON, async || {
        (score(&victim, &liar.peer_id()).await? <= -49).then_some(())
    })
    .await;
    assert_eq!(victim.info().await.height, 0);

    // The same wrong short ids from somebody who answers rightly: the block is not remembered as invalid, nobody
    // is reported for short ids that another may have made, and it is one round trip.
    let mut honest = Intruder::new(&victim).await;
    let mut variant = compact.clone();
    variant[190 + 8] ^= 0xff;
    assert!(honest.publish(0, &variant, SOON).await);
    let answer = [&count.to_le_bytes()[..], &encode(&block.body)[8..]].concat();
    honest.answer(BLOCK_TXS, framed(&answer), SOON).await.expect("another variant is looked at");
    honest.flush().await;
    until("the block is connected", SOON, async || {
        (victim.rpc().node_info().await.ok()?.tip.0 == block.header.id()).then_some(())
    })
    .await;
    assert_eq!(score(&victim, &honest.peer_id()).await, Some(0), "the control: who told the truth is not reported");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_that_the_body_proves_wrong_cost_whoever_gave_them() {
    let network = Arc::new(TestNetwork::new());
    let victim = start(&network, "victim", None, &[]).await;
    let (block, compact) = opaque(&network, payments(&network, 1));
    let wrong: Vec<Transaction> = payments(&network, 2).into_iter().take(10).collect();
    let mut liar = Intruder::new(&victim).await;
    assert!(liar.publish(0, &compact, SOON).await);
    liar.answer(BLOCK_TXS, framed(&encode(&wrong)), SOON).await.expect("what is lacking is asked for");
    let bodies = [&1_u64.to_le_bytes()[..], &encode(&block.body)].concat();
    liar.answer(BODIES, framed(&bodies), SOON).await.expect("then for the whole body");
    liar.flush().await;
    until("the block is connected all the same", SOON, async || {
        (victim.rpc().node_info().await.ok()?.tip.0 == block.header.id()).then_some(())
    })
    .await;
    until("the liar is reported", SOON, async || (score(&victim, &liar.peer_id()).await? <= -49).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_that_never_says_what_is_lacking_keeps_a_block_from_nobody() {
    let network = Arc::new(TestNetwork::new());
    let victim = start(&network, "victim", None, &[]).await;
    let honest = start(&network, "honest", Some(&victim), &[]).await;
    victim.gossips_with(&honest).await;
    honest.gossips_with(&victim).await;
    let (block, compact) = opaque(&network, payments(&network, 1));
    let mut silent = Intruder::new(&victim).await;
    assert!(silent.publish(0, &compact, SOON).await);
    silent.flush().await;
    assert_eq!(victim.info().await.height, 0, "the control: without an answer there is no block");
    // Another has the block from elsewhere, under short ids of another kind, and passes it on.
    let mut source = Intruder::new(&honest).await;
    let mut variant = compact.clone();
    variant[190 + 8] ^= 0xff;
    assert!(source.publish(0, &variant, SOON).await);
    let answer = [&10_u64.to_le_bytes()[..], &encode(&block.body)[8..]].concat();
    source.answer(BLOCK_TXS, framed(&answer), SOON).await.expect("what is lacking is asked for");
    source.flush().await;
    let agreed = agree(&[&honest, &victim]).await;
    assert_eq!(agreed.tip, block.header.id());
    assert_eq!(victim.traffic(&id(&honest).await, "bodies").await.map(|(came, _)| came), Some(0), "by gossip");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_peers_pool_fills_at_once_and_a_reconnect_fetches_nothing() {
    let network = Arc::new(TestNetwork::new());
    let old = start(&network, "old", None, &[]).await;
    let first = start(&network, "first", Some(&old), &[]).await;
    old.gossips_with(&first).await;
    old.generate(3, 0).await;
    for transaction in payments(&network, 20) {
        old.submit(&transaction).await;
    }
    // All of it was gossiped; from now on it is not again.
    first.pools(200).await;
    // It has three blocks to catch up with first.
    let new = start(&network, "new", Some(&old), &[]).await;
    new.pools(200).await;
    let (old_id, new_id) = (id(&old).await, id(&new).await);
    let fetched = new.traffic(&old_id, "pool").await.expect("they are connected").0;
    assert!(fetched > 200 * 185, "the pool came by the protocol for that: {fetched} bytes");
    assert_eq!(new.traffic(&old_id, "txs").await.expect("they are connected").0, 0, "nothing was gossiped again");
    // What is mined of it afterwards crosses without a question.
    new.gossips_with(&old).await;
    old.generate(1, 0).await;
    assert_eq!(agree(&[&old, &new]).await.height, 4);
    assert_eq!(new.traffic(&old_id, "block_txs").await.expect("they are connected").0, 0);

    old.rpc().ban(new_id.clone(), Some(3_600), None).await.expect("a good target");
    old.is_peer_of(&new, false).await;
    old.rpc().unban(new_id.clone()).await.expect("a good target");
    new.is_peer_of(&old, true).await;
    new.gossips_with(&old).await;
    let late = payment(network.spec(), &key(3), 20, key(71).address(), 10, FEE);
    old.submit(&late).await;
    new.pools(1).await;
    // They compare their pools again, which takes 2 KiB each way, and find nothing: 200 payments would have 37 KB.
    let compared = until("they have compared their pools", SOON, async || {
        new.traffic(&old_id, "pool").await.filter(|(received, _)| *received > 0)
    });
    assert!(compared.await.0 < 10_000, "nothing is fetched again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pools_that_grew_apart_meet_when_a_partition_heals() {
    let network = Arc::new(TestNetwork::new());
    let left = start(&network, "left", None, &[]).await;
    let further = start(&network, "further", Some(&left), &[]).await;
    let right = start(&network, "right", None, &[]).await;
    let all = payments(&network, 2);
    for transaction in &all[..10] {
        left.submit(transaction).await;
    }
    for transaction in &all[10..] {
        right.submit(transaction).await;
    }
    further.pools(10).await;
    further.gossips_with(&left).await;
    left.gossips_with(&further).await;
    right.dial(&left).await;
    // What was new to one of two that met goes on to those behind it.
    for node in [&left, &right, &further] {
        node.pools(20).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_questions_about_the_pool_is_cut_off() {
    let network = Arc::new(TestNetwork::new());
    let victim = start(&network, "victim", None, &[]).await;
    let honest = start(&network, "honest", Some(&victim), &[]).await;
    for transaction in payments(&network, 2) {
        victim.submit(&transaction).await;
    }
    honest.pools(20).await;
    let question = framed(&[&[7; 16][..], &[0; 16]].concat());
    let mut intruder = Intruder::new(&victim).await;
    let first = intruder.request(POOL, question.clone(), SOON).await.expect("the control: one question is answered");
    assert_eq!(first.len(), 4 + 8 + 20 * 6 + 8 + 8);
    let mut answered = 1;
    while intruder.is_connected() && answered < 10_000 {
        answered += u64::from(intruder.request(POOL, question.clone(), SOON).await.is_some());
    }
    assert!(!intruder.is_connected(), "the flood is cut off");
    assert!(answered >= 100, "a whole pool may be asked for: {answered} answers");
    assert!(score(&victim, &id(&honest).await).await.is_some_and(|score| score == 0), "the honest peer is unharmed");
    victim.submit(&payment(network.spec(), &key(1), 2, key(71).address(), 10, FEE)).await;
    honest.pools(21).await;
    assert_eq!(victim.rpc().mempool_info().await.expect("a running node answers").count, 21);
}

/// How many answers a leecher gets, who always has eight requests in line, while another peer gets twelve; whether
/// that one has given something before.
async fn answers_of_a_leecher(other_gives: bool) -> usize {
    const ANSWERS: usize = 12;
    let network = Arc::new(TestNetwork::new());
    // Four bodies a second.
    let victim = start(&network, "victim", None, &["--network.max_upload_per_second=65536"]).await;
    for transaction in payments(&network, 10) {
        victim.submit(&transaction).await;
    }
    victim.generate(1, 0).await;
    let tip = victim.info().await.tip.0;
    let question = framed(&[&1_u64.to_le_bytes()[..], tip.as_bytes()].concat());

    let mut other = Intruder::new(&victim).await;
    assert!(other.connect(SOON).await);
    if other_gives {
        let new: Vec<Transaction> =
            payments(&network, 16).into_iter().filter(|payment| payment.body.nonce >= 10).collect();
        assert!(other.publish(1, &encode(&new), SOON).await);
        other.flush().await;
        victim.pools(new.len() as u64).await;
    }
    let (answered, counted) = (Arc::new(AtomicUsize::new(0)), question.clone());
    let mut leecher = Intruder::new(&victim).await;
    assert!(leecher.connect(SOON).await);
    let count = answered.clone();
    let leeching = tokio::spawn(async move {
        (0..8).for_each(|_| leecher.ask(BODIES, counted.clone()));
        while leecher.next_answer(BODIES, LATER).await.is_some_and(|body| body.len() > 100 * 185) {
            count.fetch_add(1, Ordering::SeqCst);
            leecher.ask(BODIES, counted.clone());
        }
    });
    until("the leecher has its first answers", SOON, async || (answered.load(Ordering::SeqCst) >= 2).then_some(()))
        .await;
    (0..ANSWERS).for_each(|_| other.ask(BODIES, question.clone()));
    other.next_answer(BODIES, SOON).await.expect("a first answer");
    let before = answered.load(Ordering::SeqCst);
    for _ in 1..ANSWERS {
        other.next_answer(BODIES, SOON).await.expect("an answer");
    }
    let meanwhile = answered.load(Ordering::SeqCst) - before;
    let last = answered.load(Ordering::SeqCst);
    until("the leecher is served again", SOON, async || (answered.load(Ordering::SeqCst) > last + 3).then_some(()))
        .await;
    leeching.abort();
    meanwhile
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leecher_that_only_takes_is_served_last_when_upload_is_scarce() {
    let meanwhile = answers_of_a_leecher(true).await;
    assert!(meanwhile <= 4, "one for eight: {meanwhile} answers while another got twelve");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn among_leechers_nobody_is_served_last() {
    let meanwhile = answers_of_a_leecher(false).await;
    assert!(meanwhile >= 7, "the negative control: {meanwhile} answers while another got twelve");
}

/// A payment of one of the ten to somebody.
fn pay(network: &TestNetwork, sender: u64, nonce: u64, fee: u64) -> Transaction {
    payment(network.spec(), &key(sender), nonce, key(70 + sender).address(), 10, fee)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_carries_a_victims_transactions_and_one_unjudgeable_one_holds_up_nobody() {
    let network = Arc::new(TestNetwork::new());
    let near = start(&network, "near", None, &[]).await;
    let far = start(&network, "far", Some(&near), &[]).await;
    near.gossips_with(&far).await;
    far.gossips_with(&near).await;
    let victims = [pay(&network, 1, 0, FEE), pay(&network, 1, 1, FEE), pay(&network, 2, 0, FEE)];
    // Nobody has an account for one of them; the other's nonce is far ahead.
    let unjudgeable = [payment(network.spec(), &key(55), 0, key(70).address(), 10, FEE), pay(&network, 3, 400, FEE)];
    let batch: Vec<Transaction> = victims.iter().take(2).chain(&unjudgeable).chain(&victims[2..]).cloned().collect();
    let mut attacker = Intruder::new(&near).await;
    assert!(attacker.publish(1, &encode(&batch), SOON).await, "on {}", TOPICS[1]);
    attacker.flush().await;
    far.pools(3).await;
    assert_eq!(score(&near, &attacker.peer_id()).await, Some(0), "what cannot be judged proves nothing");

    // The negative control: what is proven invalid is reported, its neighbours travel all the same, and of those that
    // could not be judged none has come along.
    let mut attacker = Intruder::new(&near).await;
    assert!(
        attacker.publish(1, &encode(&vec![spoilt(pay(&network, 4, 0, FEE)), pay(&network, 5, 0, FEE)]), SOON).await
    );
    attacker.flush().await;
    far.pools(4).await;
    near.pools(4).await;
    until("the invalid one is reported", SOON, async || {
        (score(&near, &attacker.peer_id()).await? <= -33).then_some(())
    })
    .await;
    assert_eq!(score(&far, &id(&near).await).await, Some(0), "a relay vouches only for what it has checked");
}

/// The same with a signature that does not verify.
fn spoilt(transaction: Transaction) -> Transaction {
    let mut bytes = encode(&transaction);
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
    Transaction::from_bytes(&bytes).expect("the form is right")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_worthless_gossip_gets_the_right_verdict() {
    let network = Arc::new(TestNetwork::new());
    let node = start(&network, "node", None, &[]).await;
    let neighbour = start(&network, "neighbour", Some(&node), &[]).await;
    node.gossips_with(&neighbour).await;
    let (mined, pooled) = (pay(&network, 0, 0, FEE), pay(&network, 1, 0, FEE));
    node.submit(&mined).await;
    neighbour.pools(1).await;
    node.generate(1, 9).await;
    agree(&[&node, &neighbour]).await;
    node.submit(&pooled).await;
    neighbour.pools(1).await;
    let kinds = [
        ("invalid", spoilt(pay(&network, 2, 0, FEE)), -34),
        ("duplicate", pooled, 0),
        ("already mined", mined, 0),
        ("underpriced", pay(&network, 3, 0, 1), 0),
        ("of a future nonce", pay(&network, 4, 400, FEE), 0),
        ("honest", pay(&network, 5, 0, FEE), 0),
    ];
    for (n, (kind, transaction, expected)) in (0..).zip(kinds) {
        let mut stranger = Intruder::new(&node).await;
        assert!(stranger.publish(1, &encode(&vec![transaction]), SOON).await, "{kind}");
        stranger.flush().await;
        // Whatever it sent before, what it sends now is worth a look; by then the other has been judged, too.
        assert!(stranger.publish(1, &encode(&vec![pay(&network, 6, n, FEE)]), SOON).await, "{kind}");
        stranger.flush().await;
        until(&format!("what follows on one that is {kind} comes through"), SOON, async || {
            (neighbour.rpc().mempool_info().await.ok()?.count >= 2 + n).then_some(())
        })
        .await;
        until(&format!("one that is {kind} costs {expected}"), SOON, async || {
            ((score(&node, &stranger.peer_id()).await? - expected).abs() <= 1).then_some(())
        })
        .await;
    }
    // The one from before, six that followed, and the honest one.
    for node in [&node, &neighbour] {
        node.pools(8).await;
    }
    assert_eq!(score(&neighbour, &id(&node).await).await, Some(0), "none of it was passed on");
}
