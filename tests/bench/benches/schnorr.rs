//! Signatures verified in batches, against one by one with k256 and with libsecp256k1.
//!
//! `scripts/bench/run.sh`. All signatures are of different keys and every figure
//! begins with the bytes of the key, lifting included, but for `cached`. The last table gives the time for
//! one signature and how many times faster that is than libsecp256k1: all measured in turns, by the time of
//! the thread, so that a busy machine spoils little. `-- table` prints it alone, as the script does.

#![expect(clippy::print_stdout, reason = "a table for who runs this")]

use cairn_ledger::hash::Hash;
use cairn_ledger::keys::{Address, Signature};
use cairn_ledger::schnorr::{KeyCache, verify, verify_batch, verify_batch_with};
use cairn_ledger::testing::{arbitrary_hash, key};
use criterion::{BenchmarkId, Criterion, Throughput};
use std::time::{Duration, Instant};
use std::{hint::black_box, sync::LazyLock};

type Member = (Address, Hash, Signature);

const SIZES: [usize; 6] = [1, 8, 64, 512, 1024, 4096];

fn members(count: usize) -> Vec<Member> {
    let member = |n| {
        let (key, digest) = (key(n), arbitrary_hash(n));
        (key.address(), digest, key.sign(&digest, &[0; 32]))
    };
    (0..count as u64).map(member).collect()
}

/// A cache that knows all keys of the batch, as a node's does after their last payment.
fn warm_cache(batch: &[Member]) -> KeyCache {
    let mut cache = KeyCache::new(1 << 16);
    verify_batch_with(&mut cache, batch).expect("valid signatures");
    cache
}

fn libsecp256k1((address, digest, signature): &Member) {
    let key = secp256k1::XOnlyPublicKey::from_byte_array(*address.as_bytes()).expect("a key");
    let signature = secp256k1::schnorr::Signature::from_byte_array(*signature.as_bytes());
    secp256k1::schnorr::verify(&signature, digest.as_bytes(), &key).expect("a valid signature");
}

fn k256((address, digest, signature): &Member) {
    verify(address, digest, signature).expect("a valid signature");
}

fn each(members: &[Member], verify: impl Fn(&Member)) {
    members.iter().for_each(|member| verify(black_box(member)));
}

fn benches(criterion: &mut Criterion, all: &[Member]) {
    let mut group = criterion.benchmark_group("schnorr");
    let some = &all[..64];
    group.throughput(Throughput::Elements(some.len() as u64));
    group.bench_function("libsecp256k1 one by one", |bencher| bencher.iter(|| each(some, libsecp256k1)));
    group.bench_function("k256 one by one", |bencher| bencher.iter(|| each(some, k256)));
    for size in SIZES {
        let batch = &all[..size];
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::new("batch", size), |bencher| {
            bencher.iter(|| verify_batch(black_box(batch)).expect("valid signatures"));
        });
        let mut cache = warm_cache(batch);
        group.bench_function(BenchmarkId::new("batch, cached", size), |bencher| {
            bencher.iter(|| verify_batch_with(&mut cache, black_box(batch)).expect("valid signatures"));
        });
    }
    group.finish();
}

/// Times for one signature.
#[derive(Clone, Copy, Default)]
struct Row {
    libsecp256k1: Duration,
    k256: Duration,
    cold: Duration,
    cached: Duration,
}

/// How long this thread has run, where the system says so (Linux does, to a few milliseconds), so that what
/// else the machine does counts little. Elsewhere how long this program has.
fn clock() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let ran = text.and_then(|text| text.split(' ').next()?.parse().ok());
    ran.map_or_else(|| START.elapsed(), Duration::from_nanos)
}

fn row(batch: &[Member]) -> Row {
    let repeats = 64_usize.div_ceil(batch.len());
    let time = |total: &mut Duration, verify: &mut dyn FnMut()| {
        let start = clock();
        (0..repeats).for_each(|_| verify());
        *total += clock().saturating_sub(start);
    };
    let mut cache = warm_cache(batch);
    let mut sum = Row::default();
    let turns = 30_000_usize.div_ceil(repeats * batch.len());
    for _ in 0..turns {
        time(&mut sum.libsecp256k1, &mut || each(batch, libsecp256k1));
        time(&mut sum.k256, &mut || each(batch, k256));
        time(&mut sum.cold, &mut || verify_batch(black_box(batch)).expect("valid signatures"));
        time(&mut sum.cached, &mut || {
            verify_batch_with(&mut cache, black_box(batch)).expect("valid signatures");
        });
    }
    let one = |total: Duration| total / (turns * repeats * batch.len()) as u32;
    Row { libsecp256k1: one(sum.libsecp256k1), k256: one(sum.k256), cold: one(sum.cold), cached: one(sum.cached) }
}

fn table(all: &[Member]) {
    println!("\n| batch | libsecp256k1 | k256 | batch, µs | times faster | cached, µs | times faster |");
    println!("|---|---|---|---|---|---|---|");
    for size in SIZES {
        let Row { libsecp256k1, k256, cold, cached } = row(&all[..size]);
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        let faster = |time: Duration| libsecp256k1.as_secs_f64() / time.as_secs_f64();
        println!(
            "| {size} | {:.1} | {:.1} | {:.1} | {:.2} | {:.1} | {:.2} |",
            micros(libsecp256k1),
            micros(k256),
            micros(cold),
            faster(cold),
            micros(cached),
            faster(cached),
        );
    }
}

fn main() {
    let all = members(4096);
    let asked = |word: &str| std::env::args().any(|argument| argument == word);
    if asked("--bench") && asked("table") {
        return table(&all);
    }
    let criterion = Criterion::default().sample_size(10).warm_up_time(Duration::from_millis(300));
    let mut criterion = criterion.measurement_time(Duration::from_secs(2)).configure_from_args();
    benches(&mut criterion, &all);
    criterion.final_summary();
    // Run as a test, without `--bench`, it has nothing to measure.
    if asked("--bench") {
        table(&all);
    }
}
