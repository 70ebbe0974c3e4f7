//! What a wallet file shows without its password, what is sealed in it, and how that is written as JSON.

use super::{KdfCost, Key, KeystoreError, SharedKeyPart};
use cairn_host::Inert;
use cairn_ledger::BlockId;
use cairn_rpc::{HexBytes, Text};
use serde::{Deserialize, Serialize};

/// The longest wallet file that is read: every account and the largest group fit many times.
pub const MAX_KEYSTORE_BYTES: u64 = 64 << 10;
/// The most accounts of one wallet: their addresses stand in its file.
pub const MAX_ACCOUNTS: usize = 100;

/// What is written. Version 1 had one account, whose number only the password showed; it is still read.
pub(super) const VERSION: u64 = 2;
const KDF: &str = "argon2id";
const CIPHER: &str = "xchacha20poly1305";

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

/// The first look at a file: its version decides how the rest is read.
#[derive(Deserialize)]
struct Versioned {
    version: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FirstFileJson {
    #[serde(rename = "version")]
    _version: u64,
    chain: String,
    genesis_id: Text<BlockId>,
    address: String,
    kdf: KdfJson,
    cipher: CipherJson,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileJson {
    version: u64,
    chain: String,
    genesis_id: Text<BlockId>,
    accounts: Vec<Account>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shared: Option<SharedKeyPart>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kdf: Option<KdfJson>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cipher: Option<CipherJson>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KdfJson {
    name: String,
    memory_kib: u32,
    iterations: u32,
    parallelism: u32,
    salt: HexBytes,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CipherJson {
    name: String,
    nonce: HexBytes,
    ciphertext: HexBytes,
}

pub(super) fn write(header: &Header, key: &Key) -> String {
    let sealed = match key {
        Key::Words(sealed) => Some(sealed),
        Key::None | Key::Shared(_) => None,
    };
    let file = FileJson {
        version: VERSION,
        chain: header.chain.clone(),
        genesis_id: Text(header.genesis_id),
        accounts: header.accounts.clone(),
        shared: match key {
            Key::Shared(shared) => Some(shared.clone()),
            Key::None | Key::Words(_) => None,
        },
        kdf: sealed.map(|_| KdfJson {
            name: String::from(KDF),
            memory_kib: header.cost.memory_kib,
            iterations: header.cost.iterations,
            parallelism: header.cost.parallelism,
            salt: HexBytes(header.salt.to_vec()),
        }),
        cipher: sealed.map(|sealed| CipherJson {
            name: String::from(CIPHER),
            nonce: HexBytes(sealed.nonce.to_vec()),
            ciphertext: HexBytes(sealed.ciphertext.clone()),
        }),
    };
    let mut text = serde_json::to_string_pretty(&file).expect("strings and numbers are JSON");
    text.push('\n');
    text
}

pub(super) fn parse(bytes: &[u8]) -> Result<(Header, Key), KeystoreError> {
    // What is wrong quotes the file, which may come from anybody.
    let damaged = |error: serde_json::Error| KeystoreError::Damaged { reason: Inert(&error.to_string()).to_string() };
    let Versioned { version } = serde_json::from_slice(bytes).map_err(damaged)?;
    let file = match version {
        1 => {
            let FirstFileJson { chain, genesis_id, address, kdf, cipher, .. } =
                serde_json::from_slice(bytes).map_err(damaged)?;
            let accounts = vec![Account { number: None, address }];
            FileJson { version, chain, genesis_id, accounts, shared: None, kdf: Some(kdf), cipher: Some(cipher) }
        }
        VERSION => serde_json::from_slice(bytes).map_err(damaged)?,
        got => return Err(KeystoreError::Version { got }),
    };
    let reason = |reason: String| KeystoreError::Damaged { reason };
    if !(1..=MAX_ACCOUNTS).contains(&file.accounts.len()) {
        return Err(reason(format!("it has {} accounts, expected 1 to {MAX_ACCOUNTS}", file.accounts.len())));
    }
    let (header, key) = match (file.kdf, file.cipher, file.shared) {
        (Some(kdf), Some(cipher), None) => {
            known("key derivation", &kdf.name, KDF)?;
            known("cipher", &cipher.name, CIPHER)?;
            let KdfJson { memory_kib, iterations, parallelism, .. } = kdf;
            let sealed = Sealed { nonce: exactly("nonce", cipher.nonce)?, ciphertext: cipher.ciphertext.0 };
            let cost = KdfCost { memory_kib, iterations, parallelism };
            ((cost, exactly("salt", kdf.salt)?), Key::Words(sealed))
        }
        (None, None, Some(shared)) => ((KdfCost::default(), [0; 16]), Key::Shared(shared)),
        (None, None, None) => ((KdfCost::default(), [0; 16]), Key::None),
        _ => {
            return Err(reason(String::from("it has half a key: kdf and cipher belong together, shared stands alone")));
        }
    };
    let (chain, genesis_id, accounts) = (file.chain, file.genesis_id.0, file.accounts);
    Ok((Header { version, chain, genesis_id, accounts, cost: header.0, salt: header.1 }, key))
}

fn known(what: &'static str, got: &str, expected: &'static str) -> Result<(), KeystoreError> {
    if got == expected {
        return Ok(());
    }
    Err(KeystoreError::Algorithm { what, got: got.chars().take(40).collect(), expected })
}

fn exactly<const N: usize>(what: &str, HexBytes(bytes): HexBytes) -> Result<[u8; N], KeystoreError> {
    let got = bytes.len();
    let reason = format!("the {what} has {got} bytes, expected {N}");
    bytes.try_into().map_err(|_| KeystoreError::Damaged { reason })
}
