//! Short ids: six bytes that stand for a transaction between nodes that may both have it. They are keyed, with
//! a block's id or with what an asker drew, so that nobody can prepare two transactions that share one.

use crate::wire::{POOL_PARTS, ShortId};
use cairn_ledger::hash::{BlockId, Tag, TxId};
use siphasher::sip::SipHasher24;

/// Bytes of a key.
pub(crate) const KEY_BYTES: usize = 16;

/// Makes short ids with one key.
pub(crate) struct ShortIds(SipHasher24);

impl ShortIds {
    /// Those of one block.
    pub(crate) fn of_block(id: &BlockId) -> Self {
        let digest = Tag::SHORT.hash(&[id.as_bytes()]);
        let mut key = [0; KEY_BYTES];
        key.copy_from_slice(&digest.as_bytes()[..KEY_BYTES]);
        Self::keyed(&key)
    }

    /// Those with a key that somebody drew.
    pub(crate) fn keyed(key: &[u8; KEY_BYTES]) -> Self {
        Self(SipHasher24::new_with_key(key))
    }

    /// The first six bytes, little-endian, of SipHash-2-4 of a transaction's id.
    pub(crate) fn of(&self, txid: &TxId) -> ShortId {
        let [a, b, c, d, e, f, ..] = self.0.hash(txid.as_bytes()).to_le_bytes();
        [a, b, c, d, e, f]
    }

    /// The sums of a pool's parts.
    pub(crate) fn sums<'a>(&self, ids: impl Iterator<Item = &'a TxId>) -> [u64; POOL_PARTS] {
        let mut sums = [0; POOL_PARTS];
        for txid in ids {
            let hash = self.0.hash(txid.as_bytes());
            sums[usize::from(hash as u8)] ^= hash;
        }
        sums
    }
}

/// The part of a pool to which a short id belongs.
pub(crate) fn part_of(id: &ShortId) -> usize {
    usize::from(id[0])
}
