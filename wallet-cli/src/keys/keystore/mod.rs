//! The wallet file: words, encrypted under a password, and the accounts of them that are in use.
//!
//! Instead of words it may hold a member's part in a shared key, sealed under that member's own key, or
//! nothing at all: then it only watches an address.
//!
//! [`Keystore::seal`] makes one, [`Keystore::parse`] reads one and judges every field before anything is
//! computed, [`Keystore::unlock`] opens it. `format` is what the file shows, and its JSON, `cipher` the
//! cryptography; both are pure.
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

pub use cipher::{MAX_MEMORY_KIB, MIN_MEMORY_KIB};
pub use format::{Account, MAX_ACCOUNTS, MAX_KEYSTORE_BYTES};

use super::mnemonic::{KeyPath, Words};
use super::secret::Secret;
use crate::network::{self, Mismatch};
use cairn_genesis::Network;
use cairn_ledger::{Address, BlockId, SecretKey};
use cairn_rpc::HexBytes;
use cairn_shared_keys::Group;
use format::{Header, Sealed};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

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

/// An encrypted wallet. It shows its network and addresses; its words need the password.
#[derive(Debug, PartialEq, Eq)]
pub struct Keystore {
    header: Header,
    key: Key,
    /// The account in use, a place in the header's list.
    selected: usize,
}

/// What a wallet file can sign with.
#[derive(Debug, PartialEq, Eq)]
enum Key {
    /// Words, encrypted.
    Words(Sealed),
    /// A part in a shared key.
    Shared(SharedKeyPart),
    /// Nothing: it watches.
    None,
}

/// A shared key, as one of its members has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SharedKeyPart {
    /// Whose key it is, and how many of them it takes.
    pub group: Group,
    /// This member's share, where the scheme has one, sealed under the member's own key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<HexBytes>,
}

/// What a wallet file protects.
#[derive(Debug)]
pub struct WalletSecret {
    /// The words.
    pub words: Words,
    /// Which of their accounts comes first.
    pub account: u32,
}

/// Why a wallet file cannot be used. The file is never changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeystoreError {
    /// Not JSON with these fields: cut short, or something else.
    #[error("the wallet file is damaged or no wallet file: {reason}; a backup or the words bring the wallet back")]
    Damaged { reason: String },
    /// Made by a later program.
    #[error("the wallet file has version {got}, this program reads versions 1 and 2; use a newer one")]
    Version { got: u64 },
    /// A key derivation or cipher this program does not have; its name is cut after 40 letters.
    #[error("the wallet file names the {what} {got:?}, expected {expected:?}")]
    Algorithm { what: &'static str, got: String, expected: &'static str },
    /// A cost outside what this program is ready to spend.
    #[error("the wallet file sets {what} to {got}, expected {min} to {max}")]
    Cost { what: &'static str, got: u64, min: u64, max: u64 },
    /// Another network's wallet.
    #[error("this wallet belongs to the network {mismatch}; choose its network with --chain, or another wallet")]
    OtherNetwork { mismatch: Box<Mismatch> },
    /// The ciphertext does not open.
    #[error("wrong password (or the wallet file was changed); nothing was sent or written")]
    WrongPassword,
    /// It opens, but not to the words of the address it shows.
    #[error("the wallet file is damaged: what is inside does not belong to its address; restore it from its words")]
    Inconsistent,
    /// No such account in this wallet.
    #[error("this wallet has no account {got} (it has {known}); add it with `wallet accounts add --number {got}`")]
    NoAccount { got: u32, known: String },
    /// As many accounts as one wallet may have.
    #[error("a wallet has at most {MAX_ACCOUNTS} accounts; make another wallet from the same words")]
    TooManyAccounts,
    /// A wallet that only watches.
    #[error(
        "this wallet watches an address and has no key: write the payment with `wallet send --unsigned FILE` and sign \
         it where the key is"
    )]
    WatchOnly,
    /// A shared key, which no member has alone.
    #[error(
        "this wallet's key is shared: write the payment with `wallet send --unsigned FILE`, and let the members sign it \
         with `wallet cosign FILE`"
    )]
    SharedKey,
    /// No memory for the key derivation.
    #[error("this machine has not the {memory_kib} KiB of memory that opening the wallet needs")]
    OutOfMemory { memory_kib: u32 },
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
            Self::NoAccount { .. } => "no_account",
            Self::TooManyAccounts => "too_many_accounts",
            Self::WatchOnly => "watch_only",
            Self::SharedKey => "shared_key",
            Self::OutOfMemory { .. } => "out_of_memory",
        }
    }
}

impl Keystore {
    /// Encrypts `secret`, whose accounts on `network` are `accounts`, its own first.
    ///
    /// # Errors
    /// A cost out of bounds, or more than this machine's memory.
    pub fn seal(
        secret: &WalletSecret,
        network: &Network,
        accounts: Vec<Account>,
        password: &Secret,
        cost: KdfCost,
        random: &SealRandomness,
    ) -> Result<Self, KeystoreError> {
        if accounts.len() > MAX_ACCOUNTS {
            return Err(KeystoreError::TooManyAccounts);
        }
        let header = Header { cost, salt: random.salt, ..Header::of(network, accounts) };
        let sealed = Sealed::seal(&header, secret, password, random.nonce)?;
        Ok(Self { header, key: Key::Words(sealed), selected: 0 })
    }

    /// A wallet that only watches `address`, or has a part in the shared key of that address.
    pub fn without_words(network: &Network, address: &Address, shared: Option<SharedKeyPart>) -> Self {
        let account = Account { number: None, address: network.spec.params().prefix.encode(address) };
        let key = shared.map_or(Key::None, Key::Shared);
        Self { header: Header::of(network, vec![account]), key, selected: 0 }
    }

    /// Reads a wallet file. Nothing is computed from it yet.
    ///
    /// # Errors
    /// Says what is wrong with the file.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeystoreError> {
        let (header, key) = format::parse(bytes)?;
        cipher::check_cost(header.cost)?;
        Ok(Self { header, key, selected: 0 })
    }

    /// The file's bytes.
    pub fn to_json(&self) -> String {
        format::write(&self.header, &self.key)
    }

    /// The name of its network.
    pub fn chain(&self) -> &str {
        &self.header.chain
    }

    /// The id of its network's block 0.
    pub fn genesis_id(&self) -> BlockId {
        self.header.genesis_id
    }

    /// What guessing its password costs.
    pub fn cost(&self) -> KdfCost {
        self.header.cost
    }

    /// Its accounts, the first one first.
    pub fn accounts(&self) -> &[Account] {
        &self.header.accounts
    }

    /// Uses the account with this number from now on.
    ///
    /// # Errors
    /// The wallet has no such account.
    pub fn select(&mut self, number: u32) -> Result<(), KeystoreError> {
        let place = self.header.accounts.iter().position(|account| account.number == Some(number));
        self.selected = place.ok_or_else(|| {
            let known = self.header.accounts.iter().filter_map(|account| account.number);
            let known = known.map(|number| number.to_string()).collect::<Vec<_>>().join(", ");
            let known = if known.is_empty() { String::from("one whose number only its password shows") } else { known };
            KeystoreError::NoAccount { got: number, known }
        })?;
        Ok(())
    }

    /// The account in use, its address as the file shows it.
    pub fn account(&self) -> &Account {
        self.header.accounts.get(self.selected).expect("a keystore has the account that was selected")
    }

    /// The address in use, as the file shows it.
    pub fn address(&self) -> &str {
        &self.account().address
    }

    /// The address in use on `network`.
    ///
    /// # Errors
    /// Refuses another network's wallet, and text that is no address.
    pub fn address_on(&self, network: &Network) -> Result<Address, KeystoreError> {
        network::check_same(network, &self.header.chain, self.header.genesis_id)
            .map_err(|mismatch| KeystoreError::OtherNetwork { mismatch })?;
        let address = network.spec.params().prefix.decode(self.address());
        address.map_err(|error| KeystoreError::Damaged { reason: error.to_string() })
    }

    /// The shared key, if that is what it is.
    pub fn shared(&self) -> Option<&SharedKeyPart> {
        match &self.key {
            Key::Shared(shared) => Some(shared),
            Key::Words(_) | Key::None => None,
        }
    }

    /// What kind of wallet it is: `words`, `shared` or `watch_only`.
    pub fn kind(&self) -> &'static str {
        match self.key {
            Key::Words(_) => "words",
            Key::Shared(_) => "shared",
            Key::None => "watch_only",
        }
    }

    /// Refuses when there is no key behind the password: before anybody is asked for one.
    ///
    /// # Errors
    /// It only watches, or its key is shared.
    pub fn check_has_key(&self) -> Result<(), KeystoreError> {
        match self.key {
            Key::Words(_) => Ok(()),
            Key::Shared(_) => Err(KeystoreError::SharedKey),
            Key::None => Err(KeystoreError::WatchOnly),
        }
    }

    /// Opens it with its password: the words, which belong to every account the file shows.
    ///
    /// # Errors
    /// A wrong password, a changed file, another network's wallet.
    pub fn open(&self, network: &Network, password: &Secret) -> Result<WalletSecret, KeystoreError> {
        let address = self.address_on(network)?;
        self.check_has_key()?;
        let Key::Words(sealed) = &self.key else { return Err(KeystoreError::WatchOnly) };
        let secret = sealed.open(&self.header, password)?;
        let number = self.account().number.unwrap_or(secret.account);
        let key = secret.words.key(KeyPath::new(network, number)).map_err(|_| KeystoreError::Inconsistent)?;
        if key.address() != address {
            return Err(KeystoreError::Inconsistent);
        }
        Ok(secret)
    }

    /// Opens it and derives the key of the account in use.
    ///
    /// # Errors
    /// As [`Keystore::open`].
    pub fn unlock(&self, network: &Network, password: &Secret) -> Result<SecretKey, KeystoreError> {
        let bytes = self.unlock_bytes(network, password)?;
        SecretKey::from_bytes(&bytes).map_err(|_| KeystoreError::Inconsistent)
    }

    /// The same as 32 bytes, for the protocols of shared keys.
    ///
    /// # Errors
    /// As [`Keystore::open`].
    pub fn unlock_bytes(&self, network: &Network, password: &Secret) -> Result<Zeroizing<[u8; 32]>, KeystoreError> {
        let secret = self.open(network, password)?;
        let path = KeyPath::new(network, self.account().number.unwrap_or(secret.account));
        secret.words.key_bytes(path).map_err(|_| KeystoreError::Inconsistent)
    }
}

impl Header {
    fn of(network: &Network, accounts: Vec<Account>) -> Self {
        Self {
            version: format::VERSION,
            chain: network.spec.params().name.clone(),
            genesis_id: network.id(),
            accounts,
            cost: KdfCost::default(),
            salt: [0; 16],
        }
    }
}

#[cfg(test)]
mod tests;
