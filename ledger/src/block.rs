//! Headers and blocks.

use crate::codec::{self, BoundedVec, Decode, Encode};
use crate::hash::{BlockId, Hash, Tag, TxId, sha256};
use crate::transaction::{EncodedTransaction, MIN_TRANSACTION_BYTES, Transaction};
use crate::units::{Height, Timestamp};
use crate::{keys::Address, pow::CompactTarget};
use alloc::vec::Vec;

/// The version of headers while no upgrade is in force.
pub const HEADER_VERSION: u16 = 1;
/// Size of an encoded header.
pub const HEADER_BYTES: usize = 190;
/// No network may allow larger blocks.
pub const MAX_BLOCK_BYTES: usize = 3 << 20;
/// A block's size besides its transactions: the header and their count.
pub const BLOCK_OVERHEAD_BYTES: usize = HEADER_BYTES + 8;
/// More transactions than this do not fit into any block.
pub const MAX_BLOCK_TRANSACTIONS: usize = MAX_BLOCK_BYTES / MIN_TRANSACTION_BYTES;

/// A block's header. Everything in the block is bound by its id.
///
/// Layout (190 bytes): `version u16 ‖ height u64 ‖ parent 32 ‖ time u64 ‖ target u32 ‖ beneficiary 32 ‖
/// txs_root 32 ‖ state_root 32 ‖ history_root 32 ‖ nonce u64`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Header {
    /// What goes with the rules of its height ([`Rules::version`](crate::upgrades::Rules::version)).
    pub version: u16,
    /// One more than the parent's.
    pub height: Height,
    /// The id of the parent.
    pub parent: BlockId,
    /// When the miner says it was made; later than the parent's.
    pub time: Timestamp,
    /// What the id must meet; follows from the parents by the difficulty rule.
    pub target: CompactTarget,
    /// Who receives subsidy and fees.
    pub beneficiary: Address,
    /// [`txs_root`](crate::merkle::txs_root) over the block's transactions.
    pub txs_root: Hash,
    /// The root over all accounts after this block.
    pub state_root: Hash,
    /// The root over all blocks before this one, with their work.
    pub history_root: Hash,
    /// What miners vary.
    pub nonce: u64,
}

/// A header without its nonce, hashed: all that a miner needs besides the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal(Hash);

impl Seal {
    /// Wraps raw bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Hash::from_bytes(bytes))
    }

    /// The raw bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The id of the block with this nonce: `H(H(seal ‖ nonce))`.
    pub fn id(&self, nonce: u64) -> BlockId {
        let inner = sha256(&[self.0.as_bytes(), &nonce.to_le_bytes()]);
        BlockId::from_bytes(*sha256(&[inner.as_bytes()]).as_bytes())
    }
}

impl Header {
    /// Hashes everything but the nonce.
    pub fn seal(&self) -> Seal {
        Seal(Tag::SEAL.hash_with(|put| {
            put(&self.version.to_le_bytes());
            put(&self.height.get().to_le_bytes());
            put(self.parent.as_bytes());
            put(&self.time.millis().to_le_bytes());
            put(&self.target.bits().to_le_bytes());
            put(self.beneficiary.as_bytes());
            put(self.txs_root.as_bytes());
            put(self.state_root.as_bytes());
            put(self.history_root.as_bytes());
        }))
    }

    /// The id: the double hash of seal and nonce. Block 0's id names the network.
    pub fn id(&self) -> BlockId {
        self.seal().id(self.nonce)
    }

    /// Reads a header from its 190 bytes.
    ///
    /// # Errors
    /// Refuses any other length.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, codec::DecodeError> {
        codec::decode(bytes, HEADER_BYTES)
    }
}

/// The transactions of a block, in order.
pub type Body = BoundedVec<Transaction, MAX_BLOCK_TRANSACTIONS>;

/// The transactions of an encoded [`Body`], not decoded; none where the bytes do not end with the last of them.
pub fn encoded_transactions(body: &[u8]) -> Option<Vec<EncodedTransaction<'_>>> {
    let (count, mut rest) = body.split_first_chunk()?;
    let count = usize::try_from(u64::from_le_bytes(*count)).ok()?;
    let mut found = Vec::with_capacity(count.min(rest.len() / MIN_TRANSACTION_BYTES));
    while found.len() < count {
        let (first, after) = Transaction::split_encoded(rest)?;
        found.push(first);
        rest = after;
    }
    rest.is_empty().then_some(found)
}

/// A header and its transactions: the encoded header, their count (u64), and they themselves.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Block {
    /// The header.
    pub header: Header,
    /// The transactions.
    pub body: Body,
}

impl Block {
    /// Encoded size in bytes.
    pub fn size(&self) -> usize {
        block_size(self.body.iter())
    }

    /// The ids of the transactions, in order.
    pub fn txids(&self) -> Vec<TxId> {
        self.body.iter().map(Transaction::id).collect()
    }

    /// Reads a block from its bytes.
    ///
    /// # Errors
    /// Refuses anything but the one encoding of a block.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, codec::DecodeError> {
        codec::decode(bytes, MAX_BLOCK_BYTES)
    }
}

/// Encoded size of a block with these transactions.
pub fn block_size<'a>(transactions: impl IntoIterator<Item = &'a Transaction>) -> usize {
    transactions.into_iter().map(Transaction::size).fold(BLOCK_OVERHEAD_BYTES, usize::saturating_add)
}
