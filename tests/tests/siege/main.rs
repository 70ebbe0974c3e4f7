//! What somebody with as many identities as they like once did to real nodes: payments that vanished or got stuck
//! half-way, blocks that came late, places that were taken. Each attack has its honest twin beside it, and shows by
//! counts that it takes place. Here is what is done to gossip; `peers` has what is done to connections.

mod peers;

use cairn_ledger::testing::{genesis_state, key, mine, payment};
use cairn_ledger::transaction::Transaction;
use cairn_ledger::{codec::encode, validate::ChainContext};
use cairn_rpc::methods::{MempoolClient, NetClient};
use cairn_tests::intruder::Intruder;
use cairn_tests::node::{Node, OFF};
use cairn_tests::shaper::{Direction, Line, Shaper};
use cairn_tests::wait::{LATER, SOON, until};
use cairn_tests::{cluster::agree, network::TestNetwork, wide::wide_payment};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;

const FEE: u64 = 1_000;
/// A pool that takes nothing that is paid here.
const PICKY: &str = "--mempool.min_fee_rate=1000000";
/// A line of 4 Mbit/s.
const SLOW: u64 = 500_000;
/// The places of protocols and topics at the intruder's.
const BLOCK_TXS: usize = 4;
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
    line: Shaper,
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
        Self { source, relay, far, network, line }
    }

    /// Payments of the largest kind: 40 KB each.
    async fn pay(&self, count: u64) {
        for n in 0..count {
            self.source.submit(&wide_payment(self.network.spec(), n % 9, n / 9)).await;
        }
        until("the relay has all payments", SOON, async || (pooled(&self.relay).await == count).then_some(())).await;
    }

    /// From now on the line carries nothing, and tells nobody, or carries again.
    fn set_silent(&self, is_silent: bool) {
        [Direction::There, Direction::Back].into_iter().for_each(|way| self.line.set_silent(way, is_silent));
    }

    /// To be slow is no fault.
    async fn nobody_is_reported(&self) {
        for (one, other) in [(&self.relay, &self.far), (&self.far, &self.relay)] {
            assert_eq!(score(one, other).await, Some(0));
        }
    }
}

/// Of 200 payments through a node with a line of 4 Mbit/s 82 arrived, and nothing was told of the others: whatever
/// gossip had no room for was lost. The line is silent until that has happened, so that no buffer of the system's hides
/// it.
async fn all_payments_arrive(is_silent: bool) {
    const PAYMENTS: u64 = 120;
    let place = Relayed::start(None).await;
    place.set_silent(is_silent);
    place.pay(PAYMENTS).await;
    if is_silent {
        let dropped = async || place.relay.rpc().net_info().await.ok().map(|info| info.losses.dropped);
        let lost = async || dropped().await.filter(|count| *count > 0);
        let lost = until("gossip has no room for all of them: the attack takes place", SOON, lost).await;
        assert_eq!(pooled(&place.far).await, 0, "nothing crosses the line, of which {lost} are lost");
    }
    place.set_silent(false);
    let all = async || (pooled(&place.far).await == PAYMENTS).then_some(());
    until("all payments are at the far end", LATER, all).await;
    place.nobody_is_reported().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn payments_that_gossip_had_no_room_for_arrive_when_pools_are_compared() {
    all_payments_arrive(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn payments_through_a_fast_line_all_arrive() {
    all_payments_arrive(false).await;
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
    node.submit(&payment_of_heir).await;
    neighbour.pools(1).await;
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
    line[0].dial(&first).await;
    for node in &line {
        node.pools(PAYMENTS).await;
    }
}

/// A block is found while so many payments wait for a line, all of which gossip has room for; how many of them are at
/// its far end when the block comes there.
async fn payments_before_a_block(payments: u64) -> u64 {
    let place = Relayed::start(Some(SLOW)).await;
    // Its blocks are empty: it knows of no payment.
    let miner = start(&place.network, "miner", Some(&place.relay), &[PICKY]).await;
    meet(&miner, &place.relay).await;
    place.set_silent(true);
    place.pay(payments).await;
    miner.generate(1, 0).await;
    let has_block = async |node: &Node| (node.info().await.height == 1).then_some(());
    until("the block is at the relay", SOON, async || has_block(&place.relay).await).await;
    assert_eq!((pooled(&place.far).await, place.far.info().await.height), (0, 0), "both wait: the attack takes place");
    place.set_silent(false);
    until("the block is at the far end", LATER, async || has_block(&place.far).await).await;
    let before = pooled(&place.far).await;
    until("the payments follow", LATER, async || (pooled(&place.far).await == payments).then_some(())).await;
    place.nobody_is_reported().await;
    before
}

/// Blocks and payments once went one behind the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_does_not_wait_behind_payments() {
    const PAYMENTS: u64 = 60;
    let before = payments_before_a_block(PAYMENTS).await;
    eprintln!("{before} of {PAYMENTS} payments came before the block");
    // What has left the queue when the block is found is ahead of it: 256 KiB, and what the system holds.
    assert!(before <= PAYMENTS / 3, "{before} of {PAYMENTS} payments came before the block");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_comes_over_a_line_that_was_silent_and_nothing_waits_for() {
    assert_eq!(payments_before_a_block(0).await, 0);
}

/// So many identities each let a node wait for what their variant of another block lacks; an honest block comes
/// meanwhile.
async fn block_beside_silent_senders(count: u8) {
    /// As many waits as there once were places, for all of them together.
    const PLACES: usize = 16;
    let network = Arc::new(TestNetwork::new());
    let victim = start(&network, "victim", None, &[]).await;
    let honest = start(&network, "honest", Some(&victim), &[]).await;
    meet(&victim, &honest).await;
    let spec = network.spec();
    let payments = (0..10).map(|sender| pay(&network, sender, 0)).collect();
    let block = mine(spec, &ChainContext::genesis(spec), &genesis_state(spec), payments);
    let (waited_for, mut senders) = (Arc::new(AtomicUsize::new(0)), JoinSet::new());
    for n in 0..count {
        // Each is another message, and nothing of it resolves.
        let short_ids: Vec<u8> = (0..10).flat_map(|place| [n, place, 7, 7, 7, 7]).collect();
        let compact = [&encode(&block.header)[..], &10_u64.to_le_bytes(), &short_ids, &0_u64.to_le_bytes()].concat();
        let (mut sender, waited_for) = (Intruder::new(&victim).await, waited_for.clone());
        senders.spawn(async move {
            if sender.publish(BLOCKS, &compact, SOON).await && sender.holds_when_asked(BLOCK_TXS, SOON).await {
                waited_for.fetch_add(1, Ordering::SeqCst);
                // It stays, and says nothing of that block.
                sender.run_until(tokio::time::Instant::now() + LATER).await;
            }
        });
    }
    let enough = PLACES.min(usize::from(count));
    let waits = async || (waited_for.load(Ordering::SeqCst) >= enough).then_some(());
    until("the victim waits for enough of them: the attack takes place", SOON, waits).await;
    honest.generate(1, 0).await;
    until("the honest block is here", SOON, async || (victim.info().await.height == 1).then_some(())).await;
    // It came by gossip: nobody had to be asked for it, and nothing was left unlooked at.
    let honest_id = honest.info().await.peer_id;
    let fetched = victim.traffic(&honest_id, "bodies").await.map_or(0, |(received, _)| received);
    let unlooked = victim.rpc().net_info().await.expect("it answers").losses.unlooked;
    assert_eq!((fetched, unlooked), (0, 0), "bytes of bodies, and messages that there was no room for");
    assert_eq!(score(&victim, &honest).await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn senders_that_say_nothing_hold_no_place_of_a_block() {
    block_beside_silent_senders(40).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_silent_senders_a_block_comes_by_gossip() {
    block_beside_silent_senders(0).await;
}

/// Honest payments come while so many identities send batches that need no signature, and each of which takes a place
/// for some hundred milliseconds; what share of them, in bytes, gossip did not bring, so that pools had to be compared.
async fn share_missed_by_gossip(identities: u64) -> f64 {
    const PAYMENTS: u64 = 40;
    let network = Arc::new(TestNetwork::new());
    let victim = start(&network, "victim", None, &[]).await;
    let honest = start(&network, "honest", Some(&victim), &[]).await;
    meet(&victim, &honest).await;
    let ended = Arc::new(AtomicBool::new(false));
    let mut attacks = JoinSet::new();
    for identity in 0..identities {
        let mut intruder = Intruder::new(&victim).await;
        let (ended, ahead) = (ended.clone(), pay(&network, 9, 999));
        attacks.spawn(async move {
            let mut n = identity << 32;
            while !ended.load(Ordering::SeqCst) && intruder.connect(SOON).await {
                for _ in 0..20 {
                    n += 1;
                    let mut batch = encode(&vec![ahead.clone()]);
                    let end = batch.len() - 8;
                    batch.splice(end.., n.to_le_bytes());
                    intruder.throw(TXS, &batch);
                }
                intruder.run_until(tokio::time::Instant::now() + Duration::from_millis(50)).await;
            }
        });
    }
    if identities > 0 {
        let unlooked = async || victim.rpc().net_info().await.ok().filter(|info| info.losses.unlooked > 0).map(drop);
        until("they send more than there is room for: the attack takes place", SOON, unlooked).await;
    }
    let mut bytes = 0;
    for n in 0..PAYMENTS {
        let payment = wide_payment(network.spec(), n % 8, n / 8);
        bytes += payment.size() as u64;
        honest.submit(&payment).await;
    }
    victim.pools(PAYMENTS).await;
    ended.store(true, Ordering::SeqCst);
    let honest_id = honest.info().await.peer_id;
    let fetched = victim.traffic(&honest_id, "pool").await.map_or(0, |(received, _)| received);
    assert_eq!(score(&victim, &honest).await, Some(0), "the honest are not reported");
    attacks.shutdown().await;
    fetched as f64 / bytes as f64
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_that_need_no_signature_take_no_place_of_payments() {
    let missed = share_missed_by_gossip(12).await;
    eprintln!("beside worthless batches gossip missed {:.1} % of payments", missed * 100.0);
    assert!(missed < 0.25, "{missed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_worthless_batches_gossip_brings_payments() {
    let missed = share_missed_by_gossip(0).await;
    assert!(missed < 0.25, "{missed}");
}
