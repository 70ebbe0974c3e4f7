//! The yardstick: libsecp256k1, one signature after the other, each from the bytes of its key.

use cairn_ledger::testing::{arbitrary_hash, key};
use std::{
    hint::black_box,
    thread,
    time::{Duration, Instant},
};

type Member = ([u8; 32], [u8; 32], [u8; 64]);

/// Signatures of different keys: as many as make a turn long enough for the clock and cold enough for caches.
const SIGNATURES: u64 = 4_096;
/// How long one measurement goes on.
const FOR: Duration = Duration::from_millis(1_500);

/// Signatures to verify again and again.
pub struct Reference(Vec<Member>);

impl Reference {
    /// Signs.
    pub fn new() -> Self {
        let member = |n| {
            let (key, digest) = (key(n), arbitrary_hash(n));
            (*key.address().as_bytes(), *digest.as_bytes(), *key.sign(&digest, &[0; 32]).as_bytes())
        };
        Self((0..SIGNATURES).map(member).collect())
    }

    /// Signatures verified per second and thread, with so many threads at once.
    pub fn per_core(&self, threads: usize) -> f64 {
        thread::scope(|scope| {
            let all: Vec<_> = (0..threads).map(|_| scope.spawn(|| self.rate())).collect();
            let rates = all.into_iter().map(|thread| thread.join().expect("verifying panicked"));
            rates.sum::<f64>() / threads as f64
        })
    }

    fn rate(&self) -> f64 {
        let (started, mut count) = (Instant::now(), 0_u64);
        for member in self.0.iter().cycle() {
            verify(black_box(member));
            count += 1;
            if count.is_multiple_of(64) && started.elapsed() >= FOR {
                break;
            }
        }
        count as f64 / started.elapsed().as_secs_f64()
    }
}

fn verify((key, digest, signature): &Member) {
    let key = secp256k1::XOnlyPublicKey::from_byte_array(*key).expect("a key");
    let signature = secp256k1::schnorr::Signature::from_byte_array(*signature);
    secp256k1::schnorr::verify(&signature, digest, &key).expect("a valid signature");
}
