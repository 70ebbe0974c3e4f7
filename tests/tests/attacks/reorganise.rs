//! A node is killed while its chain moves, and finds the best valid one all the same.

use super::*;
use cairn_ledger::{chain_spec::ChainSpec, codec::encode};
use cairn_rpc::methods::{MempoolClient, NodeClient};
use cairn_tests::{strangers::pretender::Bodies, wide::wide_payment};

/// The length of the longest payments, and a little more.
const PAYMENT_BYTES: u64 = 41_500;

/// The next payment of each of these, as many as fit a block.
struct Payers<'a> {
    spec: &'a ChainSpec,
    who: Vec<u64>,
    made: u64,
}

impl<'a> Payers<'a> {
    fn new(spec: &'a ChainSpec, who: impl IntoIterator<Item = u64>) -> Self {
        Self { spec, who: who.into_iter().collect(), made: 0 }
    }

    /// Makes a block that they fill.
    fn fill(&mut self, chain: &mut Chain, gap: u64) {
        let count = self.spec.params().max_block_bytes / PAYMENT_BYTES;
        let payments = (0..count).map(|_| {
            let payers = self.who.len() as u64;
            let (who, nonce) = (self.who[(self.made % payers) as usize], self.made / payers);
            self.made += 1;
            wide_payment(self.spec, who, nonce)
        });
        chain.mine(gap, payments.collect());
    }
}

/// Two chains of full blocks that part after block 1. The second is longer by one, and has one more block at its end
/// that no node can connect.
fn chains(spec: &ChainSpec, blocks: u64) -> (Arc<Chain>, Arc<Chain>, Chain) {
    let mut first = Chain::new(spec);
    first.grow(1, spec.params().interval_ms);
    let mut second = first.fork(1);
    let (mut payers, mut others) = (Payers::new(spec, [1]), Payers::new(spec, 2..10));
    (0..blocks).for_each(|_| payers.fill(&mut first, 2_000));
    (0..=blocks).for_each(|_| others.fill(&mut second, 2_000));
    let valid = second.fork(second.height());
    second.extend(2_000, 1);
    (Arc::new(first), Arc::new(second), valid)
}

/// Moments that differ from kill to kill and are the same in every run.
fn moment(kill: u64) -> Duration {
    let longest = size("CAIRN_ATTACK_MOMENT_MS", 400);
    Duration::from_millis((kill.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) % longest)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reorganisation_of_full_blocks_killed_in_the_middle_ends_at_the_best_valid_chain() {
    let bytes = size("CAIRN_ATTACK_BLOCK_BYTES", 42_000);
    let network = Arc::new(TestNetwork::shaped(86_400_000, true, |params| params.max_block_bytes = bytes));
    let (first, second, valid) = chains(network.spec(), size("CAIRN_ATTACK_BLOCKS", 100));
    let mut victim = node(&network, "victim", &[]).await;
    let one = honest(&network, &first).await;
    one.meets(&victim).await;
    follows(&victim, &first, patience()).await;
    drop(one);
    let other = honest(&network, &second).await;
    victim.kill_9();
    victim.set_arguments(&[&OFF[..], &["--network.peers", &other.address()]].concat());
    let mut most_mib = 0;
    for kill in 0..size("CAIRN_ATTACK_KILLS", 3) {
        victim.restart().await;
        tokio::time::sleep(moment(kill)).await;
        most_mib = most_mib.max(victim.most_resident_mib());
        victim.kill_9();
    }
    victim.restart().await;
    follows(&victim, &valid, patience()).await;
    most_mib = most_mib.max(victim.most_resident_mib());
    let info = victim.info().await;
    assert_eq!(info.state_root.0, valid.header(valid.height()).state_root);
    eprintln!("{} blocks given up, {most_mib} MiB at most", first.height() - 1);
    assert!(most_mib < 512, "{most_mib} MiB");
    // It goes on.
    victim.generate(1, 0).await;
    assert_eq!(victim.info().await.height, valid.height() + 1);
    assert!(victim.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_payments_of_a_chain_that_is_given_up_wait_again() {
    let network = Arc::new(TestNetwork::shaped(86_400_000, true, |params| params.max_block_bytes = 42_000));
    let (first, second, valid) = chains(network.spec(), 100);
    let victim = node(&network, "victim", &[]).await;
    let one = honest(&network, &first).await;
    one.meets(&victim).await;
    follows(&victim, &first, patience()).await;
    let other = honest(&network, &second).await;
    other.meets(&victim).await;
    follows(&victim, &valid, patience()).await;
    until("each of them waits", SOON, async || {
        let pool = victim.rpc().mempool_info().await.ok()?;
        (pool.count == first.height() - 1).then_some(())
    })
    .await;
}

/// Blocks of 2 MiB: more than a node keeps in memory.
const PARKED: u64 = 36;

/// Gives all blocks of a better chain but the first, and kills the node; then its last header is heard of.
async fn parked(bodies: Bodies) {
    let network = Arc::new(TestNetwork::new());
    let mut chain = Chain::new(network.spec());
    let mut payers = Payers::new(network.spec(), 1..10);
    (0..PARKED).for_each(|_| payers.fill(&mut chain, 2_000));
    let chain = Arc::new(chain);
    let mut victim = node(&network, "victim", &[]).await;
    let stranger = async || {
        let manner = Manner { bodies, ..Manner::default() };
        Pretender::new(&network.prefix(), Arc::clone(&chain), manner).await
    };
    let first = stranger().await;
    first.meets(&victim).await;
    until("the headers have come", patience(), async || {
        (victim.rpc().node_info().await.ok()?.sync.headers == chain.height()).then_some(())
    })
    .await;
    let mut bytes = 0;
    for height in 2..=chain.height() {
        until("it is gossiped", SOON, async || first.gossips(chain.header(height)).await.then_some(())).await;
        let length = encode(chain.body(&chain.header(height).id()).expect("a block of the chain")).len() as u64;
        bytes += length;
        until("the body has come", SOON, async || {
            let here = victim.info().await.height >= height;
            let (received, _) = victim.traffic(&first.peer_id(), "bodies").await?;
            (here || received >= bytes).then_some(())
        })
        .await;
    }
    victim.kill_9();
    victim.restart().await;
    // Another one: nobody gossips the same twice.
    let second = stranger().await;
    second.meets(&victim).await;
    let last = chain.header(chain.height());
    until("it is gossiped", SOON, async || second.gossips(last).await.then_some(())).await;
    let one = honest(&network, &chain).await;
    one.meets(&victim).await;
    follows(&victim, &chain, patience()).await;
    assert!(victim.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parked_blocks_whose_ancestor_is_missing_are_never_a_damaged_store() {
    // The control: the first is given, too.
    parked(Bodies::Honest).await;
    parked(Bodies::AllBut(1)).await;
}
