//! The search for a nonce.
//!
//! An attempt is `H(H(seal ‖ nonce))`: forty bytes and thirty-two bytes, each one padded block of SHA-256. The
//! blocks are laid out once; an attempt writes the nonce, and calls the compression function twice.

use cairn_ledger::{block::Seal, hash::BlockId, pow::Target};
use sha2::block_api::compress256;
use std::slice;

/// Attempts between two looks at whether the search is still wanted: well under a millisecond.
pub(super) const CHUNK: u64 = 2_048;

/// SHA-256's initial state (FIPS 180-4, 5.3.3).
const INITIAL: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];
const SEAL_BYTES: usize = 32;
const INNER_BYTES: usize = SEAL_BYTES + 8;

/// Tries nonces for one seal.
#[derive(Clone, Debug)]
pub(super) struct Grinder {
    /// `seal ‖ nonce`, padded.
    inner: [u8; 64],
    /// Its hash, padded.
    outer: [u8; 64],
}

/// A block with SHA-256's padding for a message of `bytes`: a one bit, zeros, and the length in bits.
const fn padded(bytes: usize) -> [u8; 64] {
    let mut block = [0; 64];
    block[bytes] = 0x80;
    let bits = (bytes as u64 * 8).to_be_bytes();
    let mut at = 0;
    while at < 8 {
        block[56 + at] = bits[at];
        at += 1;
    }
    block
}

impl Grinder {
    /// Lays the blocks out.
    pub fn new(seal: &Seal) -> Self {
        let mut inner = const { padded(INNER_BYTES) };
        inner[..SEAL_BYTES].copy_from_slice(seal.as_bytes());
        Self { inner, outer: const { padded(32) } }
    }

    /// The id of the block with this nonce: what [`Seal::id`] gives.
    pub fn id(&mut self, nonce: u64) -> BlockId {
        self.inner[SEAL_BYTES..INNER_BYTES].copy_from_slice(&nonce.to_le_bytes());
        let hash = hash_block(&self.inner);
        self.outer[..32].copy_from_slice(&hash);
        BlockId::from_bytes(hash_block(&self.outer))
    }

    /// The first of [`CHUNK`] nonces from `first` on that meets `target`.
    pub fn search(&mut self, target: Target, first: u64) -> Option<u64> {
        (0..CHUNK).map(|step| first.wrapping_add(step)).find(|nonce| target.is_met_by(&self.id(*nonce)))
    }
}

fn hash_block(block: &[u8; 64]) -> [u8; 32] {
    let mut state = INITIAL;
    compress256(&mut state, slice::from_ref(block));
    let mut bytes = [0; 32];
    for (four, word) in bytes.chunks_exact_mut(4).zip(state) {
        four.copy_from_slice(&word.to_be_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_ledger::testing::easy_network;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_attempt_is_the_seals_id(seal: [u8; 32], nonces: Vec<u64>) {
            let seal = Seal::from_bytes(seal);
            let mut grinder = Grinder::new(&seal);
            for nonce in nonces.into_iter().chain([0, u64::MAX]) {
                prop_assert_eq!(grinder.id(nonce), seal.id(nonce));
            }
        }
    }

    #[test]
    fn a_search_finds_the_first_nonce_and_wraps() {
        let spec = easy_network();
        let (seal, target) = (spec.genesis().seal(), spec.difficulty().pow_limit);
        let first = (0..).find(|nonce| target.is_met_by(&seal.id(*nonce)));
        assert_eq!(Grinder::new(&seal).search(target, 0), first);
        assert!(Grinder::new(&seal).search(target, u64::MAX).is_some());
    }
}
