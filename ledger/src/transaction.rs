//! Transactions: one sender, one nonce, many outputs, one signature.

use crate::codec::{self, BoundedBytes, BoundedVec, Decode, Encode};
use crate::hash::{BlockId, Hash, Tag, TxId};
use crate::keys::{Address, SecretKey, Signature};
use crate::units::{Amount, Height};
use alloc::vec::Vec;

/// The version every transaction has.
pub const TRANSACTION_VERSION: u8 = 1;
/// The most outputs of one transaction.
pub const MAX_OUTPUTS: usize = 1024;
/// The longest memo, in bytes.
pub const MAX_MEMO_BYTES: usize = 256;
/// Size of an encoded output.
pub const OUTPUT_BYTES: usize = 40;
/// Size of the smallest valid transaction: one output, no memo.
pub const MIN_TRANSACTION_BYTES: usize = 185;
/// Size of the largest transaction: 1 024 outputs, 256 bytes of memo.
pub const MAX_TRANSACTION_BYTES: usize = MIN_TRANSACTION_BYTES + (MAX_OUTPUTS - 1) * OUTPUT_BYTES + MAX_MEMO_BYTES;

/// Where the fee and the count of outputs are in the layout of [`TransactionBody`].
const FEE_AT: usize = 41;
const OUTPUTS_AT: usize = 65;
/// Size of an encoded signature.
const SIGNATURE_BYTES: usize = 64;

/// One payment inside a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Output {
    /// The receiver.
    pub to: Address,
    /// What it receives.
    pub amount: Amount,
}

/// A transaction before it is signed.
///
/// Layout: `version u8 ‖ sender 32 ‖ nonce u64 ‖ fee u64 ‖ max_price u64 ‖ valid_until u64 ‖ count u64 ‖
/// (to 32 ‖ amount u64)* ‖ length u64 ‖ memo`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct TransactionBody {
    /// [`TRANSACTION_VERSION`].
    pub version: u8,
    /// Who pays, and whose signature it needs.
    pub sender: Address,
    /// How many transactions of the sender were mined before this one.
    pub nonce: u64,
    /// What the miner earns.
    pub fee: Amount,
    /// The most it may cost for the accounts that it creates, on top of fee and amounts: a signature bounds
    /// what a payment takes, whatever a reorganisation or an upgrade does meanwhile.
    pub max_price: Amount,
    /// The last height at which it may be mined; 0 for no limit.
    pub valid_until: Height,
    /// Who receives what: 1 to 1 024.
    pub outputs: BoundedVec<Output, MAX_OUTPUTS>,
    /// Free bytes for the receiver, at most 256; public.
    pub memo: BoundedBytes<MAX_MEMO_BYTES>,
}

/// A signed transaction: body, then signature.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Transaction {
    /// What was signed.
    pub body: TransactionBody,
    /// The sender's BIP340 signature over [`TransactionBody::sighash`].
    pub signature: Signature,
}

/// A transaction as it lies encoded among others, not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodedTransaction<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// What the miner earns.
    pub fee: Amount,
}

fn read_u64(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

impl TransactionBody {
    /// Puts the layout above, field by field. Hashes are made over this, not over what an encoder gives.
    fn put(&self, put: &mut dyn FnMut(&[u8])) {
        put(&[self.version]);
        put(self.sender.as_bytes());
        put(&self.nonce.to_le_bytes());
        put(&self.fee.pebbles().to_le_bytes());
        put(&self.max_price.pebbles().to_le_bytes());
        put(&self.valid_until.get().to_le_bytes());
        put(&(self.outputs.len() as u64).to_le_bytes());
        for output in self.outputs.iter() {
            put(output.to.as_bytes());
            put(&output.amount.pebbles().to_le_bytes());
        }
        put(&(self.memo.len() as u64).to_le_bytes());
        put(&self.memo);
    }

    /// What the sender signs. It contains the network's genesis id, so that no signature is valid on
    /// another network.
    pub fn sighash(&self, genesis_id: &BlockId) -> Hash {
        Tag::TX.hash_with(|put| {
            put(genesis_id.as_bytes());
            self.put(put);
        })
    }

    /// What the sender of each signs, in order; many together take a fraction of the time.
    pub(crate) fn sighashes<'a>(genesis_id: &BlockId, bodies: impl IntoIterator<Item = &'a Self>) -> Vec<Hash> {
        let mut messages = Tag::TX.messages();
        for body in bodies {
            messages.push(|to| {
                to.extend_from_slice(genesis_id.as_bytes());
                body.put(&mut |bytes| to.extend_from_slice(bytes));
            });
        }
        messages.hashes().into_iter().map(Hash::from_bytes).collect()
    }

    /// Signs; `aux` as in [`SecretKey::sign`].
    pub fn sign(self, key: &SecretKey, genesis_id: &BlockId, aux: &[u8; 32]) -> Transaction {
        let signature = key.sign(&self.sighash(genesis_id), aux);
        Transaction { body: self, signature }
    }

    /// All amounts together with the fee, in pebbles, without the price of accounts. It may exceed
    /// [`Amount::MAX`], never a u64: at most 1 025 terms below 2^53.
    pub fn total(&self) -> u64 {
        let amounts = self.outputs.iter().map(|output| output.amount.pebbles());
        amounts.fold(self.fee.pebbles(), u64::saturating_add)
    }

    /// The most it can take from its sender, in pebbles: [`Self::total`] and `max_price`.
    pub fn max_cost(&self) -> u64 {
        self.total().saturating_add(self.max_price.pebbles())
    }
}

impl Transaction {
    /// The id: it covers body and signature.
    pub fn id(&self) -> TxId {
        let hash = Tag::TXID.hash_with(|put| {
            self.body.put(put);
            put(self.signature.as_bytes());
        });
        TxId::from_bytes(*hash.as_bytes())
    }

    /// The id of each, in order; many together take a fraction of the time.
    pub fn ids<'a>(transactions: impl IntoIterator<Item = &'a Self>) -> Vec<TxId> {
        let mut messages = Tag::TXID.messages();
        for transaction in transactions {
            messages.push(|to| {
                transaction.body.put(&mut |bytes| to.extend_from_slice(bytes));
                to.extend_from_slice(transaction.signature.as_bytes());
            });
        }
        messages.hashes().into_iter().map(TxId::from_bytes).collect()
    }

    /// Encoded size in bytes.
    pub fn size(&self) -> usize {
        let outputs = self.body.outputs.len().saturating_mul(OUTPUT_BYTES);
        (MIN_TRANSACTION_BYTES - OUTPUT_BYTES).saturating_add(outputs).saturating_add(self.body.memo.len())
    }

    /// Splits the first transaction off encoded ones; none where the bytes end before it does. Only its length and its
    /// fee are looked at: for lists of which a part is shown.
    pub fn split_encoded(bytes: &[u8]) -> Option<(EncodedTransaction<'_>, &[u8])> {
        let fee = read_u64(bytes, FEE_AT)?;
        let outputs = usize::try_from(read_u64(bytes, OUTPUTS_AT)?).ok()?.checked_mul(OUTPUT_BYTES)?;
        let memo_at = (OUTPUTS_AT + 8).checked_add(outputs)?;
        let memo = usize::try_from(read_u64(bytes, memo_at)?).ok()?;
        let (bytes, rest) = bytes.split_at_checked(memo_at.checked_add(8 + SIGNATURE_BYTES)?.checked_add(memo)?)?;
        Some((EncodedTransaction { bytes, fee: Amount::from_pebbles(fee).ok()? }, rest))
    }

    /// Reads a transaction from its bytes.
    ///
    /// # Errors
    /// Refuses anything but the one encoding of a transaction.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, codec::DecodeError> {
        codec::decode(bytes, MAX_TRANSACTION_BYTES)
    }
}
