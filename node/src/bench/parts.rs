//! What costs, each alone on one core.

use cairn_chain::store::schema::IdByHeight;
use cairn_chain::store::{Batch, Db, DbOptions, Durability, LowestBody, StoreError};
use cairn_ledger::hash::{Hash, sha256};
use cairn_ledger::keys::{Address, SecretKey, Signature};
use cairn_ledger::pow::search::{CHUNK, Search};
use cairn_ledger::schnorr::{verify, verify_batch};
use cairn_ledger::{BlockId, Height, block::Seal, pow::CompactTarget};
use sha2::{Digest, Sha256};
use std::time::{Duration, Instant};
use std::{hint::black_box, path::Path};

/// Signatures in a batch.
const SIGNATURES: u64 = 1_024;
/// Bytes hashed at once: more than any cache of a core near it.
const HASH_BYTES: usize = 1 << 20;
/// Records in a batch that is synced; each has a key of 8 bytes and a value of 32.
const RECORDS: u64 = 1_600;
/// What they are together: about what a small block writes.
pub const BATCH_BYTES: u64 = RECORDS * 40;

/// A target that no attempt meets, almost surely: the least there is.
const UNREACHABLE: CompactTarget = CompactTarget::from_bits(0x0101_0000);

/// The n-th key of this benchmark. Nobody's money depends on it.
pub(super) fn key(n: u64) -> SecretKey {
    let seed = sha256(&[b"a key for measuring", &n.to_le_bytes()]);
    SecretKey::from_bytes(seed.as_bytes()).expect("a hash is a key, almost surely")
}

/// Signatures per second: made, verified one by one, and verified in batches.
pub(super) fn signatures(during: Duration) -> [f64; 3] {
    let keys: Vec<SecretKey> = (0..SIGNATURES).map(key).collect();
    let digest = |n: usize| sha256(&[b"measured", &n.to_le_bytes()]);
    let started = Instant::now();
    let signed: Vec<(Hash, Signature)> =
        keys.iter().enumerate().map(|(n, key)| (digest(n), key.sign(&digest(n), &[0; 32]))).collect();
    let made = SIGNATURES as f64 / started.elapsed().as_secs_f64();
    let batch: Vec<(Address, Hash, Signature)> =
        keys.iter().zip(signed).map(|(key, (digest, signature))| (key.address(), digest, signature)).collect();
    let mut members = batch.iter().cycle();
    let singles = rate(during, 1, || {
        let (key, digest, signature) = members.next().expect("a cycle has no end");
        verify(black_box(key), digest, signature).expect("it was signed above");
    });
    let batched = rate(during, SIGNATURES, || verify_batch(black_box(&batch)).expect("all were signed above"));
    [made, singles, batched]
}

/// Bytes hashed per second.
pub(super) fn hashes(during: Duration) -> f64 {
    let bytes = vec![0x5a; HASH_BYTES];
    rate(during, HASH_BYTES as u64, || {
        black_box(sha256(&[black_box(&bytes)]));
    })
}

/// Attempts at a nonce per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NonceSearch {
    /// With the miner's own kernel.
    pub kernel: f64,
    /// With two plain SHA-256 digests for each nonce.
    pub plain: f64,
}

pub(super) fn nonce_search(during: Duration) -> NonceSearch {
    let seal = Seal::from_bytes([0x5a; 32]);
    let search = Search::new(seal, UNREACHABLE.decode().expect("it is in normal form"));
    let (mut first, mut nonce) = (0, 0_u64);
    let kernel = rate(during, CHUNK, || {
        black_box(search.in_chunk(black_box(first)));
        first += CHUNK;
    });
    let plain = rate(during, 1, || {
        let mut message = [0; 40];
        message[..32].copy_from_slice(seal.as_bytes());
        message[32..].copy_from_slice(&nonce.to_le_bytes());
        black_box(Sha256::digest(Sha256::digest(black_box(message))));
        nonce += 1;
    });
    NonceSearch { kernel, plain }
}

/// Batches per second that have reached the disk, each before the next.
pub(super) fn synced_writes(path: &Path, during: Duration) -> Result<f64, StoreError> {
    let db = Db::open(path, DbOptions::default(), &LowestBody::default())?;
    let (mut next, mut failed) = (0, None);
    let written = rate(during, 1, || {
        let mut batch = Batch::new(&db, 0);
        for index in next..next + RECORDS {
            // Different bytes, so that compression has nothing to gain.
            batch.put::<IdByHeight>(
                &Height::new(index),
                &BlockId::from_bytes(*sha256(&[&index.to_le_bytes()]).as_bytes()),
            );
        }
        next += RECORDS;
        failed = failed.take().or(batch.write(Durability::Synced).err());
    });
    failed.map_or(Ok(written), Err)
}

/// How many per second of what `work` does `each` times.
fn rate(during: Duration, each: u64, mut work: impl FnMut()) -> f64 {
    let (started, mut count) = (Instant::now(), 0);
    while started.elapsed() < during || count == 0 {
        work();
        count += each;
    }
    count as f64 / started.elapsed().as_secs_f64()
}
