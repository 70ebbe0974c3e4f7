//! SHA-256, tagged hashes, and the 32-byte identifiers made with them.
//!
//! A tagged hash (BIP340) is `H(H(tag) ‖ H(tag) ‖ message)`: the tag separates domains, so that bytes
//! hashed for one purpose never mean anything for another.
//!
//! A block needs tens of thousands of hashes of short messages; [`cairn_kernels::sha256`] makes them side by side.

pub(crate) mod ids;

pub(crate) use ids::bytes32;
pub use ids::{BlockId, Hash, HashParseError, TxId};

use alloc::vec::Vec;
use cairn_kernels::sha256::{Messages, Midstate};
use k256::U256;
use sha2::{Digest, Sha256};

/// SHA-256 of the concatenation of `parts`.
pub fn sha256(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    Hash::from_bytes(hasher.finalize().into())
}

/// SHA-256 of each message, in order: of the concatenation of the parts of an item, which are as long for each, and
/// take `N` blocks with their padding.
pub(crate) fn sha256_each<const N: usize, const P: usize, T>(
    items: impl IntoIterator<Item = T>,
    parts: impl Fn(&T) -> [&[u8]; P],
) -> Vec<Hash> {
    // The same bytes in the same place: nothing is copied.
    Midstate::EMPTY.hash_each::<N, P, T>(items, parts).into_iter().map(Hash::from_bytes).collect()
}

/// The domain of a tagged hash.
pub struct Tag {
    #[cfg_attr(not(test), expect(dead_code, reason = "the tests derive `digest` from it"))]
    name: &'static str,
    /// SHA-256 of the name, written out so that no hash pays for it again.
    digest: [u8; 32],
}

impl Tag {
    /// The tagged hash of the concatenation of `parts`.
    pub fn hash(&self, parts: &[&[u8]]) -> Hash {
        self.hash_with(|put| parts.iter().for_each(|part| put(part)))
    }

    /// The tagged hash of everything `layout` puts, in the order it puts it.
    pub fn hash_with(&self, layout: impl FnOnce(&mut dyn FnMut(&[u8]))) -> Hash {
        let mut hasher = Sha256::new();
        hasher.update(self.digest);
        hasher.update(self.digest);
        layout(&mut |bytes| hasher.update(bytes));
        Hash::from_bytes(hasher.finalize().into())
    }

    /// The tagged hash of each message, in order, as [`sha256_each`].
    pub(crate) fn hash_each<const N: usize, const P: usize, T>(
        &self,
        items: impl IntoIterator<Item = T>,
        parts: impl Fn(&T) -> [&[u8]; P],
    ) -> Vec<Hash> {
        self.midstate().hash_each::<N, P, T>(items, parts).into_iter().map(Hash::from_bytes).collect()
    }

    /// Messages of any lengths, to be hashed together with this tag.
    pub(crate) fn messages(&self) -> Messages {
        Messages::new(self.midstate())
    }

    /// The block that all its messages begin with.
    fn midstate(&self) -> Midstate {
        let mut block = [0; 64];
        for (place, byte) in block.iter_mut().zip(self.digest.iter().cycle()) {
            *place = *byte;
        }
        Midstate::after(&block)
    }
}

macro_rules! tags {
    ($($(#[$doc:meta])* $ident:ident = $name:literal, $digest:literal;)*) => {
        impl Tag {
            $($(#[$doc])* pub const $ident: Self = Self { name: $name, digest: digest($digest) };)*
        }
        #[cfg(test)]
        const ALL_TAGS: &[Tag] = &[$(Tag::$ident),*];
    };
}

tags! {
    /// What a sender signs.
    TX = "cairn/tx", "b190fb72b285c4ed252fcb15941d4b0394c63affae134ba94a704d5944cf52c6";
    /// The id of a transaction.
    TXID = "cairn/txid", "ff96e8dc2819bfb2e5de801812f465bc90fab5549f952de35cd4532d37552e46";
    /// The root over all accounts.
    STATE = "cairn/state", "ca4b2fc71324762afd4cd548ef57cd3ee139b27fd3e2f2e3c128a1fe59cbb26e";
    /// A header without its nonce.
    SEAL = "cairn/seal", "68aae30b7aa585cdc8e88140c2f410bb1d3371cf8af69b9106cdf0be54785413";
    /// An inner node of the history.
    MMR = "cairn/mmr", "efdf24e767bcc77bd9020f5374b61e455e9ce5de7d6d490d119b416d330e1b72";
    /// The root over all earlier blocks.
    HISTORY = "cairn/history", "b9d2f9bfa3e5e5922b600f71dcac05f24bfa1911c7ea8f842332d559e8365cea";
    /// The seed of a light proof's samples.
    SAMPLE = "cairn/sample", "60cb8eb96a327b59fc94bb095b80a095c40c2785e3b8cc2b52067746932cd4fc";
    /// One sample of a light proof.
    OFFSET = "cairn/offset", "3a4500998c6bc339f293b28b4f81898f3149b6e1f8ba76b6ebba9fac09d75a13";
    /// The parameters of a network; the parent of its block 0.
    CHAIN = "cairn/chain", "e61f64ba0d8923cef387a5f7d68fa995c088974c387e8b3fcb0d261cbd2a4b30";
    /// The upgrades of a network.
    RULES = "cairn/rules", "f4a019fe8cc3ce6225eb4bc0ad20805034b7e2bd3f9b25a2f5b1d30021b47b70";
    /// The key of a compact block's short ids.
    SHORT = "cairn/short", "684d372d5539ed3b3519c1a0c156040dfc94a9ef393197ec7af23d043fff01c2";
    /// The seed for the weights of a batch of signatures.
    BATCH = "cairn/batch", "493df9da69a1bd8aeffbcfee57cc88890d8e653c8293f202f2eb25e2608817da";
    /// The weight of one member of a batch.
    WEIGHT = "cairn/weight", "07b9d7bc85627db3ff33f15409553180a03d6b40bbed99b64de633208d40fb63";
    /// The challenge e of a signature (BIP340).
    BIP340_CHALLENGE = "BIP0340/challenge", "7bb52d7a9fef58323eb1bf7a407db382d2f3f2d81bb1224f49fe518f6d48d37c";
}

/// Reads 64 hex digits. It runs at compile time only, where a wrong digit is a build error.
const fn digest(hex: &str) -> [u8; 32] {
    match U256::from_be_hex(hex).to_be_bytes().as_slice().first_chunk() {
        Some(bytes) => *bytes,
        None => [0; 32],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tag_digests_are_the_hashes_of_their_names() {
        for tag in ALL_TAGS {
            assert_eq!(Hash::from_bytes(tag.digest), sha256(&[tag.name.as_bytes()]), "{}", tag.name);
        }
    }

    #[test]
    fn messages_hashed_together_have_their_tagged_hashes() {
        for tag in ALL_TAGS {
            let parts: Vec<[u8; 40]> = (0..40).map(|n| [n; 40]).collect();
            let expected: Vec<Hash> = parts.iter().map(|part| tag.hash(&[part])).collect();
            assert_eq!(tag.hash_each::<1, 1, _>(&parts, |part| [part.as_slice()]), expected);
            let mut messages = tag.messages();
            parts.iter().for_each(|part| messages.push(|to| to.extend_from_slice(part)));
            assert_eq!(messages.hashes(), expected.iter().map(|hash| *hash.as_bytes()).collect::<Vec<_>>());
        }
    }
}
