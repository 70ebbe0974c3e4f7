//! The wallet file: words and account number, encrypted under a password.
//!
//! [`Keystore::seal`] makes one, [`Keystore::parse`] reads one and judges every field before anything is
//! computed, [`Keystore::unlock`] opens it. `format` is the JSON, `cipher` the cryptography; both are pure.
//!
//! Everything outside the ciphertext is readable without the password, so that an address or a balance
//! needs none, and all of it is bound to the ciphertext: who changes the address, the network or the cost
//! in the file gets a file that no longer opens, never one that opens differently.
//!
//! # Invariants
//! 1. Memory and passes named by a file are bounded before they are spent.
//! 2. A file of another network is refused by its genesis id, not by a name.
//! 3. What opens also derives the address the file shows.

mod cipher;
mod format;

pub use cipher::{MAX_ITERATIONS, MAX_MEMORY_KIB, MIN_MEMORY_KIB};
pub use format::MAX_FILE_BYTES;

use crate::{
    network::{self, Mismatch},
    secret::Secret,
    words::{KeyPath, Words, WordsError},
};
use cairn_genesis::Network;
use cairn_ledger::{
    hash::BlockId,
    keys::{Address, SecretKey},
};
use cipher::Sealed;
use format::Header;

/// What guessing a password costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KdfCost {
    /// Memory of one guess, in KiB.
    pub memory_kib: u32,
    /// Passes over that memory.
    pub iterations: u32,
    /// Lanes that can be filled side by side.
    pub parallelism: u32,
}

impl Default for KdfCost {
    /// 64 MiB, three passes: RFC 9106's choice for machines with little memory; about a quarter of a second.
    fn default() -> Self {
        Self { memory_kib: 64 << 10, iterations: 3, parallelism: 1 }
    }
}

/// Fresh random bytes for one file.
#[derive(Clone, Copy)]
pub struct SealRandomness {
    /// The salt of the key derivation.
    pub salt: [u8; 16],
    /// The nonce of the cipher: long enough to be drawn at random.
    pub nonce: [u8; 24],
}

/// An encrypted wallet. It shows its network and address; its words need the password.
#[derive(Debug, PartialEq, Eq)]
pub struct Keystore {
    header: Header,
    sealed: Sealed,
}

/// What a wallet file protects.
#[derive(Debug)]
pub struct WalletSecret {
    /// The words.
    pub words: Words,
    /// Which of their accounts.
    pub account: u32,
}

impl WalletSecret {
    /// The account's key on `network`.
    ///
    /// # Errors
    /// Once in 2^127 there is none.
    pub fn key(&self, network: &Network) -> Result<SecretKey, WordsError> {
        self.words.key(KeyPath::new(network, self.account))
    }
}

/// Why a wallet file cannot be used. The file is never changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeystoreError {
    /// Not JSON with these fields: cut short, or something else.
    #[error("the wallet file is damaged or no wallet file: {reason}; a backup or the words bring the wallet back")]
    Damaged {
        /// What the reader says.
        reason: String,
    },
    /// Made by a later program.
    #[error("the wallet file has version {got}, this program reads version 1; use a newer one")]
    Version {
        /// The version.
        got: u64,
    },
    /// A key derivation or cipher this program does not have.
    #[error("the wallet file names the {what} {got:?}, expected {expected:?}")]
    Algorithm {
        /// What kind of algorithm.
        what: &'static str,
        /// Its name, cut after 40 characters.
        got: String,
        /// The one there is.
        expected: &'static str,
    },
    /// A cost outside what this program is ready to spend.
    #[error("the wallet file sets {what} to {got}, expected {min} to {max}")]
    Cost {
        /// Which number.
        what: &'static str,
        /// Its value.
        got: u64,
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// Another network's wallet.
    #[error("this wallet belongs to the network {mismatch}; choose its network with --chain, or another wallet")]
    OtherNetwork {
        /// Which networks.
        mismatch: Box<Mismatch>,
    },
    /// The ciphertext does not open.
    #[error("wrong password (or the wallet file was changed); nothing was sent or written")]
    WrongPassword,
    /// It opens, but not to the words of the address it shows.
    #[error("the wallet file is damaged: what is inside does not belong to its address; restore it from its words")]
    Inconsistent,
    /// No memory for the key derivation.
    #[error("this machine has not the {memory_kib} KiB of memory that opening the wallet needs")]
    OutOfMemory {
        /// What it needs.
        memory_kib: u32,
    },
}

impl KeystoreError {
    /// The kind in words, as in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Damaged { .. } | Self::Inconsistent => "wallet_damaged",
            Self::Version { .. } => "wallet_version",
            Self::Algorithm { .. } => "wallet_algorithm",
            Self::Cost { .. } => "wallet_cost",
            Self::OtherNetwork { .. } => "wallet_of_other_network",
            Self::WrongPassword => "wrong_password",
            Self::OutOfMemory { .. } => "out_of_memory",
        }
    }
}

impl Keystore {
    /// Encrypts `secret`, whose address on `network` is `address`.
    ///
    /// # Errors
    /// A cost out of bounds, or more than this machine's memory.
    pub fn seal(
        secret: &WalletSecret,
        (network, address): (&Network, &Address),
        password: &Secret,
        cost: KdfCost,
        random: &SealRandomness,
    ) -> Result<Self, KeystoreError> {
        let params = network.spec.params();
        let header = Header {
            chain: params.name.clone(),
            genesis_id: network.id(),
            address: params.prefix.encode(address),
            cost,
            salt: random.salt,
        };
        let sealed = Sealed::seal(&header, secret, password, random.nonce)?;
        Ok(Self { header, sealed })
    }

    /// Reads a wallet file. Nothing is computed from it yet.
    ///
    /// # Errors
    /// Says what is wrong with the file.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeystoreError> {
        let (header, sealed) = format::parse(bytes)?;
        cipher::check_cost(header.cost)?;
        Ok(Self { header, sealed })
    }

    /// The file's bytes.
    pub fn to_json(&self) -> String {
        format::write(&self.header, &self.sealed)
    }

    /// The name of its network.
    pub fn chain(&self) -> &str {
        &self.header.chain
    }

    /// The id of its network's block 0.
    pub fn genesis_id(&self) -> BlockId {
        self.header.genesis_id
    }

    /// Its address, as the file shows it.
    pub fn address(&self) -> &str {
        &self.header.address
    }

    /// Its address on `network`.
    ///
    /// # Errors
    /// Refuses another network's wallet, and text that is no address.
    pub fn address_on(&self, network: &Network) -> Result<Address, KeystoreError> {
        network::check_same(network, &self.header.chain, self.header.genesis_id)
            .map_err(|mismatch| KeystoreError::OtherNetwork { mismatch })?;
        let address = network.spec.params().prefix.decode(&self.header.address);
        address.map_err(|error| KeystoreError::Damaged { reason: error.to_string() })
    }

    /// Opens it with its password and derives its key.
    ///
    /// # Errors
    /// A wrong password, a changed file, another network's wallet.
    pub fn unlock(&self, network: &Network, password: &Secret) -> Result<SecretKey, KeystoreError> {
        let address = self.address_on(network)?;
        let secret = self.sealed.open(&self.header, password)?;
        let key = secret.key(network).map_err(|_| KeystoreError::Inconsistent)?;
        if key.address() != address {
            return Err(KeystoreError::Inconsistent);
        }
        Ok(key)
    }
}

#[cfg(test)]
mod tests;
