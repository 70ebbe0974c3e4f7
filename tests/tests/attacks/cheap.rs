//! Headers and blocks that cost nothing: they stay where they came from, and keep nobody from the honest chain.

use super::*;
use cairn_tests::cluster::agree;
use cairn_tests::strangers::pretender::{Claim, Headers};

/// Blocks by which the honest chain grows heavy, each a millisecond after the one before …
const RAMP: u64 = 80;
/// … and those that keep it so: together they weigh more than all that an attacker sends, and by more than what
/// is near the tip.
const HEAVY: u64 = 320;
/// Headers of one identity.
const EACH: u64 = 25_000;
/// No flood here may take a node above this: an idle one has about 50 MiB, its caches, pools and trees may have more.
const MOST_MIB: u64 = 400;

/// How often all nodes are restarted: after each wave of headers but the last.
fn restarts() -> u64 {
    size("CAIRN_ATTACK_RESTARTS", 1)
}

/// How a cheap chain leaves the honest one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    /// At block 0, at the easiest target there is.
    Genesis,
    /// Near the tip: long pauses make the target easy again within a few blocks.
    NearTip,
}

/// A chain of headers that cost little, another for each identity.
fn cheap(honest: &Chain, from: From, count: u64, identity: u64) -> Chain {
    let params = honest.spec().params();
    let (height, pauses) = if from == From::Genesis { (0, 0) } else { (honest.height() - 130, RAMP / 4) };
    let mut chain = honest.fork(height);
    // Another first block for each.
    chain.extend(params.interval_ms + 1 + identity, 100 + identity);
    (0..pauses).for_each(|_| chain.extend(params.half_life_ms, 100 + identity));
    (0..count.saturating_sub(pauses + 1)).for_each(|_| chain.extend(params.interval_ms, 100 + identity));
    chain
}

/// A heavy honest chain.
fn heavy(network: &TestNetwork, ramp: u64, level: u64) -> Chain {
    let mut chain = Chain::new(network.spec());
    chain.grow(ramp, 1);
    chain.grow(level, network.spec().params().interval_ms);
    chain
}

/// Each node makes a block, and all follow it.
async fn all_connect_every_honest_block(nodes: &[Node]) {
    let all: Vec<&Node> = nodes.iter().collect();
    for (n, node) in nodes.iter().enumerate() {
        let before = agree(&all).await.height;
        node.generate(1, n as u64).await;
        assert_eq!(agree(&all).await.height, before + 1);
    }
}

/// Nodes in a row that follow a heavy chain.
async fn mesh(network: &Arc<TestNetwork>, chain: &Arc<Chain>) -> Vec<Node> {
    let one = honest(network, chain).await;
    let mut nodes: Vec<Node> = Vec::new();
    for n in 0..size("CAIRN_ATTACK_NODES", 3) {
        let peers = match nodes.last() {
            Some(last) => last.address().await,
            None => one.address(),
        };
        nodes.push(node(network, &format!("node {n}"), &["--network.peers", &peers]).await);
        follows(&nodes[nodes.len() - 1], chain, patience()).await;
    }
    nodes
}

/// The identities of one wave: they claim the most work and give cheap headers, each to every node.
async fn flood(network: &TestNetwork, nodes: &[Node], chain: &Chain, from: From) -> Vec<Pretender> {
    let (all, mut strangers) = (size("CAIRN_ATTACK_HEADERS", 6 * EACH) / (restarts() + 1), Vec::new());
    let identities = all.div_ceil(EACH);
    for n in 0..identities {
        let cheap = Arc::new(cheap(chain, from, all / identities, n));
        let manner = Manner { claim: Claim::Most, headers: Headers::Honest, ..Manner::default() };
        let stranger = Pretender::new(&network.prefix(), cheap, manner).await;
        for node in nodes {
            stranger.meets(node).await;
        }
        strangers.push(stranger);
    }
    strangers
}

/// Waits until every node has asked each identity for most of its headers, or has parted from it.
async fn takes_place(nodes: &[Node], strangers: &[Pretender]) {
    let all = nodes.len() * size("CAIRN_ATTACK_LEAST", 20_000) as usize;
    until("the headers of every identity have come", patience(), async || {
        for stranger in strangers.iter().filter(|stranger| stranger.headers_given() < all) {
            for node in nodes {
                if node.peer_ids().await.contains(&stranger.peer_id()) {
                    return None;
                }
            }
        }
        Some(())
    })
    .await;
}

async fn headers_do_no_harm(from: From) {
    let network = Arc::new(TestNetwork::new());
    let chain = Arc::new(heavy(&network, RAMP, HEAVY));
    let mut nodes = mesh(&network, &chain).await;
    // Restarted, a node knows nothing of what was sent before: all begins again.
    for wave in 0..=restarts() {
        if wave > 0 {
            for n in 0..nodes.len() {
                nodes[n].kill_9();
                nodes[n].restart().await;
                for other in 0..n {
                    nodes[n].dial(&nodes[other]).await;
                }
            }
        }
        let strangers = flood(&network, &nodes, &chain, from).await;
        all_connect_every_honest_block(&nodes).await;
        takes_place(&nodes, &strangers).await;
        all_connect_every_honest_block(&nodes).await;
        let given: Vec<usize> = strangers.iter().map(Pretender::headers_given).collect();
        let held: Vec<u64> = nodes.iter().map(Node::resident_mib).collect();
        eprintln!("{from:?}: headers given {given:?}, MiB held {held:?}");
        assert!(held.iter().all(|mib| *mib < MOST_MIB), "{held:?} MiB");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cheap_headers_from_block_0_keep_nobody_from_the_honest_chain() {
    headers_do_no_harm(From::Genesis).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cheap_headers_near_the_tip_keep_nobody_from_the_honest_chain() {
    headers_do_no_harm(From::NearTip).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_of_little_work_are_not_relayed() {
    let network = Arc::new(TestNetwork::new());
    let chain = Arc::new(heavy(&network, RAMP, HEAVY));
    let nodes = mesh(&network, &chain).await;
    // It listens at the other end, and has nothing to say.
    let listener = honest(&network, &Arc::new(Chain::new(network.spec()))).await;
    listener.meets(&nodes[nodes.len() - 1]).await;
    let (blocks, mut thrown, mut low) = (size("CAIRN_ATTACK_BLOCKS", 600), 0, Vec::new());
    for identity in 0..3 {
        let cheap = Arc::new(cheap(&chain, From::Genesis, blocks / 3, identity));
        let stranger = honest(&network, &cheap).await;
        stranger.meets(&nodes[0]).await;
        for height in 1..=cheap.height() {
            let header = cheap.header(height);
            thrown += u64::from(stranger.gossips(header).await);
            low.push(header.id());
            // A node judges so many of one peer at once.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    assert!(thrown > blocks / 2, "the attack takes place: {thrown}");
    all_connect_every_honest_block(&nodes).await;
    // The control, and the proof that it listens: honest blocks reach it, from the far end too.
    let all: Vec<&Node> = nodes.iter().collect();
    let tip = agree(&all).await.tip;
    until("the listener hears of the honest block", SOON, async || listener.heard().contains(&tip).then_some(())).await;
    let heard = listener.heard();
    let relayed = low.iter().filter(|id| heard.contains(id)).count();
    assert_eq!(relayed, 0, "of {thrown}");
}
