//! Whoever claims the most work and has no headers to show for it keeps nobody from synchronising.

use super::*;
use cairn_tests::strangers::pretender::{Claim, Headers};

/// Just under what a node waits for an answer.
const LATE: Duration = Duration::from_secs(5);

/// Seven ways to lie.
fn lies() -> [Headers; 7] {
    let late = || Headers::Empty(Duration::from_millis(size("CAIRN_ATTACK_LATE_MS", LATE.as_millis() as u64)));
    let at_once = Headers::Empty(Duration::ZERO);
    [late(), late(), late(), at_once, Headers::Silent, Headers::Repeated, Headers::Endless]
}

/// A node that knows these strangers first, and then one honest peer by its operator's word, synchronises.
async fn synchronises_among(headers: &[Headers], claim: Claim) {
    let network = Arc::new(TestNetwork::new());
    let mut chain = Chain::new(network.spec());
    chain.grow(size("CAIRN_ATTACK_BLOCKS", 3_000), network.spec().params().interval_ms);
    let mut lie = Chain::new(network.spec());
    (0..2_000).for_each(|_| lie.extend(1_999, 5));
    let (chain, lie) = (Arc::new(chain), Arc::new(lie));
    let victim = node(&network, "victim", &[]).await;
    let mut strangers = Vec::new();
    for headers in headers {
        let own = if claim == Claim::Most { &lie } else { &chain };
        let manner = Manner { claim, headers: headers.clone(), ..Manner::default() };
        let stranger = Pretender::new(&network.prefix(), Arc::clone(own), manner).await;
        stranger.meets(&victim).await;
        strangers.push(stranger);
    }
    if claim == Claim::Most {
        until("the lies have begun", SOON, async || {
            strangers.iter().any(|stranger| stranger.asked_for_headers() > 0).then_some(())
        })
        .await;
    }
    let one = honest(&network, &chain).await;
    let begun = tokio::time::Instant::now();
    victim.rpc().add_peer(one.address()).await.expect("a good address");
    follows(&victim, &chain, patience()).await;
    let asked: Vec<usize> = strangers.iter().map(Pretender::asked_for_headers).collect();
    eprintln!("{claim:?}: {} blocks in {:?}; requests to the others: {asked:?}", chain.height(), begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seven_who_claim_the_most_work_keep_nobody_from_a_named_honest_peer() {
    // The control: seven that have what they claim.
    synchronises_among(&vec![Headers::Honest; 7], Claim::Honest).await;
    synchronises_among(&lies(), Claim::Most).await;
}
