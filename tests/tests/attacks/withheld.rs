//! Headers whose blocks are withheld keep nobody from mining.

use super::*;
use cairn_rpc::{methods::ChainClient, types::BlockRef};
use cairn_tests::{cluster::agree, strangers::pretender::Bodies};
use std::collections::VecDeque;
use tokio::time::Instant;

/// Headers above the tip in each round: as many as stopped every miner once.
const AHEAD: u64 = 8;
/// Blocks that each miner finds in a round: together fewer than the attacker has headers.
const EACH: u64 = 2;
/// Identities that stay connected, in the long run.
const KEPT: usize = 15;

/// Three nodes that are peers of each other.
async fn three(network: &Arc<TestNetwork>, more: &[&str]) -> Vec<Node> {
    let mut miners: Vec<Node> = Vec::new();
    for n in 0..3 {
        let miner = node(network, &format!("miner {n}"), more).await;
        for other in &miners {
            miner.dial(other).await;
            miner.is_peer_of(other, true).await;
        }
        miners.push(miner);
    }
    miners
}

/// Announces blocks above everybody's tip in each round, as a new identity to each of three miners, and lets the
/// miners mine once they have heard of it; how many blocks they found that are on the chain in the end.
async fn blocks_found(bodies: Bodies) -> u64 {
    let rounds = size("CAIRN_ATTACK_ROUNDS", 3);
    let network = Arc::new(TestNetwork::new());
    let miners = three(&network, &[]).await;
    let all: Vec<&Node> = miners.iter().collect();
    mines(&miners[0], &network.address(1)).await;
    let mut agreed = agree(&all).await;
    let (mut strangers, mut found) = (Vec::new(), 0);
    for _ in 0..rounds {
        let mut chain = Chain::of(&miners[0], network.spec()).await;
        chain.grow(AHEAD, 1);
        let chain = Arc::new(chain);
        for miner in &miners {
            let manner = Manner { bodies, ..Manner::default() };
            let stranger = Pretender::new(&network.prefix(), Arc::clone(&chain), manner).await;
            stranger.meets(miner).await;
            strangers.push((stranger, miner.info().await.height));
        }
        for ((stranger, _), miner) in strangers.iter().rev().take(3).zip(miners.iter().rev()) {
            until("the miner asks for what was announced, or has it", SOON, async || {
                let has = miner.info().await.tip.0 == chain.tip();
                (has || stranger.asked_for_bodies() > 0).then_some(())
            })
            .await;
        }
        if bodies == Bodies::Honest {
            agreed = agree(&all).await;
            assert!(agreed.height >= chain.height(), "the honest twin's blocks are taken");
        }
        for miner in &miners {
            for _ in 0..EACH {
                mines(miner, &network.address(1)).await;
            }
            let now = agree(&all).await;
            assert_eq!(now.height, agreed.height + EACH, "every block that was found is on the chain");
            (found, agreed) = (found + EACH, now);
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn withheld_bodies_keep_no_miner_from_mining() {
    let undisturbed = blocks_found(Bodies::Honest).await;
    assert_eq!(blocks_found(Bodies::Withheld).await, undisturbed);
}

/// Blocks that real miners connect in so long, while somebody makes headers above their tip all the time and, if it
/// `announces` them, tells each miner of them as ever new identities.
async fn connected(network: &TestNetwork, miners: &[Node], announces: bool, time: Duration) -> u64 {
    let mut chain = Chain::of(&miners[0], network.spec()).await;
    let (begun, before) = (Instant::now(), miners[0].info().await.height);
    let mut strangers: VecDeque<Pretender> = VecDeque::new();
    let mut rounds = 0;
    while begun.elapsed() < time {
        chain = chain.led_by(&miners[0]).await;
        let mut ahead = chain.clone();
        let made = tokio::task::spawn_blocking(move || {
            (0..AHEAD).for_each(|_| ahead.extend(1, 7));
            ahead
        });
        let ahead = Arc::new(made.await.expect("no panic"));
        for miner in miners.iter().filter(|_| announces) {
            let manner = Manner { bodies: Bodies::Withheld, ..Manner::default() };
            let stranger = Pretender::new(&network.prefix(), Arc::clone(&ahead), manner).await;
            stranger.meets(miner).await;
            strangers.push_back(stranger);
        }
        while strangers.len() > KEPT {
            strangers.pop_front();
        }
        rounds += 1;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let asked: usize = strangers.iter().map(Pretender::asked_for_bodies).sum();
    let found = miners[0].info().await.height - before;
    eprintln!(
        "announced: {announces}, {rounds} rounds, {found} blocks; the last of them were asked for {asked} bodies"
    );
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "its figures mean nothing beside other tests: scripts/attack.sh withheld SECONDS"]
async fn real_miners_beside_whoever_withholds() {
    let time = Duration::from_secs(size("CAIRN_ATTACK_SECONDS", 60));
    let network = Arc::new(TestNetwork::new());
    let beneficiary = network.address(4);
    let arguments = ["--mining.threads", "1", "--mining.duty", "2", "--mining.beneficiary", &beneficiary];
    let miners = three(&network, &arguments).await;
    until("the target has risen to where it stays", Duration::from_secs(600), async || {
        let info = miners[0].info().await;
        (info.height > 150 && info.time.saturating_sub(tip_time(&miners[0]).await) > 3_000).then_some(())
    })
    .await;
    let undisturbed = connected(&network, &miners, false, time).await;
    let attacked = connected(&network, &miners, true, time).await;
    eprintln!("{undisturbed} blocks undisturbed, {attacked} attacked");
    assert!(attacked > 0, "they mine");
}

async fn tip_time(node: &Node) -> u64 {
    let tip = node.info().await.tip;
    node.rpc().get_header(BlockRef::Id(tip)).await.expect("a header").time
}
