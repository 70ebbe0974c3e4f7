//! The yardstick: libsecp256k1, one signature after the other, each from the bytes of its key.

use cairn_ledger::testing::{arbitrary_hash, key};
use std::time::{Duration, Instant};
use std::{hint::black_box, thread};

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

    /// With so many threads at once.
    pub fn measure(&self, threads: usize) -> Speed {
        thread::scope(|scope| {
            let all: Vec<_> = (0..threads).map(|_| scope.spawn(|| self.speed())).collect();
            let speeds = all.into_iter().map(|thread| thread.join().expect("verifying panicked"));
            let sum = speeds.fold((0.0, 0.0), |sum, speed| (sum.0 + speed.per_second, sum.1 + speed.cpu_us));
            Speed { per_second: sum.0 / threads as f64, cpu_us: sum.1 / threads as f64 }
        })
    }

    fn speed(&self) -> Speed {
        let (started, ran, mut count) = (Instant::now(), thread_time(), 0_u64);
        for member in self.0.iter().cycle() {
            verify(black_box(member));
            count += 1;
            if count.is_multiple_of(64) && started.elapsed() >= FOR {
                break;
            }
        }
        let ran = thread_time().saturating_sub(ran).as_secs_f64();
        Speed { per_second: count as f64 / started.elapsed().as_secs_f64(), cpu_us: ran * 1e6 / count as f64 }
    }
}

/// How fast single verification is.
#[derive(Clone, Copy, Debug)]
pub struct Speed {
    /// Verifications per second and thread, by the clock.
    pub per_second: f64,
    /// What one takes of the processor, in microseconds: other programs take nothing from this.
    pub cpu_us: f64,
}

/// How long this thread has run, as Linux says; it is off by a few milliseconds.
fn thread_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0))
}

fn verify((key, digest, signature): &Member) {
    let key = secp256k1::XOnlyPublicKey::from_byte_array(*key).expect("a key");
    let signature = secp256k1::schnorr::Signature::from_byte_array(*signature);
    secp256k1::schnorr::verify(&signature, digest, &key).expect("a valid signature");
}
