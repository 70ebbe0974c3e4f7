//! The most work is followed, whatever its length and whatever was followed before.

use super::*;
use cairn_tests::strangers::pretender::{Claim, Headers};

/// Blocks by which the first chain grows heavy, each a millisecond after the one before.
const RAMP: u64 = 60;
/// Those that keep it so. Together they weigh as much as 23 300 blocks of the other chain.
const LEVEL: u64 = 350;
/// Blocks of the honest chain.
const LONG: u64 = 24_000;
/// What following it may cost in memory, more than to follow it from the beginning.
const MORE_MIB: u64 = 64;

/// The two chains.
fn chains(network: &TestNetwork, ramp: u64, long: u64) -> (Arc<Chain>, Arc<Chain>) {
    let interval = network.spec().params().interval_ms;
    let (mut heavy, mut light) = (Chain::new(network.spec()), Chain::new(network.spec()));
    heavy.grow(ramp, 1);
    heavy.grow(LEVEL, interval);
    light.grow(long, interval);
    assert!(light.total_work() > heavy.total_work(), "the honest chain has more work");
    (Arc::new(heavy), Arc::new(light))
}

/// Headers of a chain that nobody could connect, another for each stranger.
fn hollow(heavy: &Chain, count: u64, n: u64) -> Arc<Chain> {
    let mut hollow = heavy.fork(1);
    (0..count).for_each(|_| hollow.extend(heavy.spec().params().interval_ms, 200 + n));
    Arc::new(hollow)
}

/// Strangers, each with a chain of its own.
type Strangers = Vec<(Manner, Arc<Chain>)>;

/// Follows the chain that came first, and then the one with more work, which only one of its peers has.
async fn is_overtaken(ramp: u64, long: u64, attackers: impl FnOnce(&Chain) -> Strangers) {
    // Old enough for the longest of these.
    let network = Arc::new(TestNetwork::with(30 * 86_400_000, true));
    let (heavy, light) = chains(&network, ramp, long);
    let victim = node(&network, "victim", &[]).await;
    let first = honest(&network, &heavy).await;
    first.meets(&victim).await;
    follows(&victim, &heavy, patience()).await;
    let mut strangers = Vec::new();
    for (manner, chain) in attackers(&heavy) {
        let stranger = Pretender::new(&network.prefix(), chain, manner).await;
        stranger.meets(&victim).await;
        strangers.push(stranger);
    }
    if !strangers.is_empty() {
        until("the attack takes place", patience(), async || {
            strangers.iter().any(|stranger| stranger.asked_for_headers() > 0).then_some(())
        })
        .await;
    }
    let begun = tokio::time::Instant::now();
    let one = honest(&network, &light).await;
    one.meets(&victim).await;
    follows(&victim, &light, patience()).await;
    let took = begun.elapsed();
    // The control knows nothing else.
    let control = node(&network, "control", &[]).await;
    one.meets(&control).await;
    follows(&control, &light, patience()).await;
    let (held, usual) = (victim.most_resident_mib(), control.most_resident_mib());
    let asked: Vec<usize> = strangers.iter().map(Pretender::asked_for_headers).collect();
    let (long, short) = (light.height(), heavy.height());
    eprintln!("{long} blocks over {short}: {took:?}, {held} MiB at most where {usual} are usual, asked {asked:?}");
    assert!(held < usual + MORE_MIB, "{held} MiB where {usual} are usual");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_chain_of_more_work_is_followed_after_a_short_heavy_one() {
    is_overtaken(RAMP, size("CAIRN_ATTACK_LONG", LONG), |_| Vec::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_claims_more_work_than_it_shows_hides_no_chain_that_shows_it() {
    let (ramp, long) = (50, size("CAIRN_ATTACK_LONG_AMONG", 11_500));
    is_overtaken(ramp, long, |heavy| {
        let lies = [Headers::Honest, Headers::Endless, Headers::Repeated, Headers::Empty(Duration::from_secs(5))];
        let claims = lies.into_iter().cycle().take(size("CAIRN_ATTACK_PEERS", 5) as usize);
        let claims = claims.map(|headers| Manner { claim: Claim::Most, headers, ..Manner::default() });
        let mut strangers: Strangers =
            claims.zip(0..).map(|(manner, n)| (manner, hollow(heavy, long / 4, n))).collect();
        // These have the headers that they claim: one gives others when it is asked for them again, the blocks of
        // one are invalid.
        let other = Headers::Other(hollow(heavy, long + 200, 100));
        strangers.push((Manner { headers: other, ..Manner::default() }, hollow(heavy, long + 200, 101)));
        strangers.push((Manner::default(), hollow(heavy, long + 100, 102)));
        strangers
    })
    .await;
}
