//! What a wallet file shows without its password, and what is sealed in it.

use super::KdfCost;
use cairn_ledger::hash::BlockId;
use serde::{Deserialize, Serialize};

/// What is written. Version 1 had one account, whose number only the password showed; it is still read.
pub(super) const VERSION: u64 = 2;
pub(super) const KDF: &str = "argon2id";
pub(super) const CIPHER: &str = "xchacha20poly1305";

/// Everything a wallet file shows without its password, the nonce aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub version: u64,
    pub chain: String,
    pub genesis_id: BlockId,
    pub accounts: Vec<Account>,
    pub cost: KdfCost,
    pub salt: [u8; 16],
}

/// An account of a wallet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Which of the words' accounts; not known of a version 1 file, nor of an address without words.
    #[serde(rename = "account")]
    pub number: Option<u32>,
    /// Its address.
    pub address: String,
}

impl Header {
    /// The bytes that are bound to the ciphertext: each field, texts with their length before them, so that
    /// no two headers have the same.
    pub fn associated_data(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut put = |part: &[u8]| {
            bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
            bytes.extend_from_slice(part);
        };
        put(b"cairn/wallet");
        put(&self.version.to_le_bytes());
        put(self.chain.as_bytes());
        put(self.genesis_id.as_bytes());
        for account in &self.accounts {
            if self.version > 1 {
                put(account.number.map(u32::to_le_bytes).as_ref().map_or(&[], |number| number.as_slice()));
            }
            put(account.address.as_bytes());
        }
        put(KDF.as_bytes());
        for number in [self.cost.memory_kib, self.cost.iterations, self.cost.parallelism] {
            put(&number.to_le_bytes());
        }
        put(&self.salt);
        put(CIPHER.as_bytes());
        bytes
    }
}

/// The encrypted part. Inside: account u32, little-endian ‖ entropy of the words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sealed {
    pub nonce: [u8; 24],
    pub ciphertext: Vec<u8>,
}
