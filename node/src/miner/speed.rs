//! How fast this processor searches.

use cairn_ledger::{
    block::Seal,
    pow::{
        CompactTarget,
        search::{CHUNK, Search},
    },
};
use sha2::{Digest, Sha256};
use std::{
    hint::black_box,
    time::{Duration, Instant},
};

/// A target that no attempt meets, almost surely: the least there is.
const UNREACHABLE: CompactTarget = CompactTarget::from_bits(0x0101_0000);

/// Attempts per second on one core.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speed {
    /// With the miner's own kernel.
    pub kernel: f64,
    /// With two plain SHA-256 digests for each nonce.
    pub plain: f64,
}

/// Measures on this thread, each of the two ways for `during`.
pub fn measure(during: Duration) -> Speed {
    let seal = Seal::from_bytes([0x5a; 32]);
    let target = UNREACHABLE.decode().expect("it is in normal form");
    let search = Search::new(seal, target);
    let kernel = rate(during, |first| {
        black_box(search.in_chunk(black_box(first)));
    });
    let plain = rate(during, |first| {
        for nonce in first..first + CHUNK {
            let mut message = [0; 40];
            message[..32].copy_from_slice(seal.as_bytes());
            message[32..].copy_from_slice(&nonce.to_le_bytes());
            black_box(Sha256::digest(Sha256::digest(black_box(message))));
        }
    });
    Speed { kernel, plain }
}

/// Attempts per second of `search`, which makes [`CHUNK`] of them from a nonce on.
fn rate(during: Duration, mut search: impl FnMut(u64)) -> f64 {
    let (started, mut attempts) = (Instant::now(), 0);
    while started.elapsed() < during || attempts == 0 {
        search(attempts);
        attempts += CHUNK;
    }
    attempts as f64 / started.elapsed().as_secs_f64()
}
