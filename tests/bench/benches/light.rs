//! Light proofs of a chain of 100 000 blocks: building one from nodes in memory, and verifying it.
//!
//! `cargo bench --locked --bench light` measures with criterion; `-- table` prints one table and ends.

use cairn_ledger::codec;
use cairn_ledger::light::{LightProof, LightRequest};
use cairn_ledger::testing::{HeaderChain, easy_network};
use criterion::Criterion;
use std::{hint::black_box, time::Instant};

const BLOCKS: u64 = 100_000;

fn chain() -> HeaderChain {
    let mut chain = HeaderChain::new(easy_network());
    chain.grow(BLOCKS);
    chain
}

fn build(chain: &HeaderChain, request: &LightRequest) -> Vec<u8> {
    codec::encode(&chain.light_proof(request))
}

fn verify(chain: &HeaderChain, request: &LightRequest, bytes: &[u8]) {
    let proof = LightProof::from_bytes(bytes).expect("a proof");
    let tip = proof.verify(&chain.spec, request, chain.tip.header().time).expect("it holds");
    black_box(tip);
}

/// The best of some runs, in milliseconds.
fn best(mut run: impl FnMut()) -> f64 {
    let runs = (0..10).map(|_| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64() * 1e3
    });
    runs.fold(f64::INFINITY, f64::min)
}

fn main() {
    let chain = chain();
    let request = chain.request(1);
    let bytes = build(&chain, &request);
    if std::env::args().any(|argument| argument == "table") {
        println!("blocks   {BLOCKS}");
        println!("bytes    {}", bytes.len());
        println!("build    {:.1} ms", best(|| drop(black_box(build(&chain, &request)))));
        println!("verify   {:.1} ms", best(|| verify(&chain, &request, &bytes)));
        return;
    }
    let mut criterion = Criterion::default().configure_from_args();
    criterion.bench_function("build a light proof", |bencher| bencher.iter(|| build(&chain, &request)));
    criterion.bench_function("verify a light proof", |bencher| bencher.iter(|| verify(&chain, &request, &bytes)));
    criterion.final_summary();
}
