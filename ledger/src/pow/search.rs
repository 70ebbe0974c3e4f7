//! The search for a nonce, by the kernel of [`cairn_kernels::nonce_search`].

use super::Target;
use crate::{block::Seal, hash::BlockId};
use cairn_kernels::nonce_search::NonceSearch;

/// Attempts between two looks at whether a search is still wanted: well under a millisecond.
pub const CHUNK: u64 = 8_192;

/// Tries nonces for one seal and target.
#[derive(Clone, Debug)]
pub struct Search {
    nonces: NonceSearch,
    target: Target,
}

impl Search {
    /// Searches in the fastest way this processor has.
    pub fn new(seal: Seal, target: Target) -> Self {
        Self { nonces: NonceSearch::new(*seal.as_bytes(), target.leading_word()), target }
    }

    /// The first of [`CHUNK`] nonces from `first` on that meets the target.
    pub fn in_chunk(&self, first: u64) -> Option<u64> {
        let nonces = first..first.saturating_add(CHUNK);
        self.nonces.find(nonces, |id| self.target.is_met_by(&BlockId::from_bytes(*id)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pow::CompactTarget;
    use proptest::{prelude::*, test_runner::RngSeed};

    proptest! {
        // The same cases on every run.
        #![proptest_config(ProptestConfig { cases: 64, rng_seed: RngSeed::Fixed(0xca12), ..ProptestConfig::default() })]

        #[test]
        fn a_search_finds_what_the_ids_of_blocks_say(
            seal: [u8; 32],
            first in prop_oneof![any::<u64>(), Just(u64::from(u32::MAX) - 20), Just(u64::MAX - 500)],
            bits in prop_oneof![Just(0x207f_ffff), Just(0x2000_ffff), Just(0x1f7f_ffff), Just(0x1e00_ffff)],
        ) {
            let (seal, target) = (Seal::from_bytes(seal), CompactTarget::from_bits(bits).decode().unwrap());
            let expected = (first..first.saturating_add(CHUNK)).find(|nonce| target.is_met_by(&seal.id(*nonce)));
            prop_assert_eq!(Search::new(seal, target).in_chunk(first), expected);
        }
    }
}
