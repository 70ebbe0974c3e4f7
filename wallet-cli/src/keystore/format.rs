//! The wallet file as JSON.

use super::{KdfCost, KeystoreError, cipher::Sealed};
use cairn_ledger::hash::BlockId;
use cairn_rpc::text::{HexBytes, Text};
use serde::{Deserialize, Serialize};

/// The longest wallet file that is read; real ones are under one KiB.
pub const MAX_FILE_BYTES: u64 = 64 << 10;

const VERSION: u64 = 1;
pub(super) const KDF: &str = "argon2id";
pub(super) const CIPHER: &str = "xchacha20poly1305";

/// Everything a wallet file shows without its password, the nonce aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub chain: String,
    pub genesis_id: BlockId,
    pub address: String,
    pub cost: KdfCost,
    pub salt: [u8; 16],
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
        put(&VERSION.to_le_bytes());
        put(self.chain.as_bytes());
        put(self.genesis_id.as_bytes());
        put(self.address.as_bytes());
        put(KDF.as_bytes());
        for number in [self.cost.memory_kib, self.cost.iterations, self.cost.parallelism] {
            put(&number.to_le_bytes());
        }
        put(&self.salt);
        put(CIPHER.as_bytes());
        bytes
    }
}

/// The first look at a file: its version decides how the rest is read.
#[derive(Deserialize)]
struct Versioned {
    version: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileJson {
    version: u64,
    chain: String,
    genesis_id: Text<BlockId>,
    address: String,
    kdf: KdfJson,
    cipher: CipherJson,
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

pub(super) fn write(header: &Header, sealed: &Sealed) -> String {
    let file = FileJson {
        version: VERSION,
        chain: header.chain.clone(),
        genesis_id: Text(header.genesis_id),
        address: header.address.clone(),
        kdf: KdfJson {
            name: String::from(KDF),
            memory_kib: header.cost.memory_kib,
            iterations: header.cost.iterations,
            parallelism: header.cost.parallelism,
            salt: HexBytes(header.salt.to_vec()),
        },
        cipher: CipherJson {
            name: String::from(CIPHER),
            nonce: HexBytes(sealed.nonce.to_vec()),
            ciphertext: HexBytes(sealed.ciphertext.clone()),
        },
    };
    let mut text = serde_json::to_string_pretty(&file).expect("strings and numbers are JSON");
    text.push('\n');
    text
}

pub(super) fn parse(bytes: &[u8]) -> Result<(Header, Sealed), KeystoreError> {
    let damaged = |error: serde_json::Error| KeystoreError::Damaged { reason: error.to_string() };
    let Versioned { version } = serde_json::from_slice(bytes).map_err(damaged)?;
    if version != VERSION {
        return Err(KeystoreError::Version { got: version });
    }
    let file: FileJson = serde_json::from_slice(bytes).map_err(damaged)?;
    known("key derivation", &file.kdf.name, KDF)?;
    known("cipher", &file.cipher.name, CIPHER)?;
    let header = Header {
        chain: file.chain,
        genesis_id: file.genesis_id.0,
        address: file.address,
        cost: KdfCost {
            memory_kib: file.kdf.memory_kib,
            iterations: file.kdf.iterations,
            parallelism: file.kdf.parallelism,
        },
        salt: exactly("salt", file.kdf.salt)?,
    };
    let sealed = Sealed { nonce: exactly("nonce", file.cipher.nonce)?, ciphertext: file.cipher.ciphertext.0 };
    Ok((header, sealed))
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
