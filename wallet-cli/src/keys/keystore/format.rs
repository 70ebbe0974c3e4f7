//! The wallet file as JSON.

use super::{
    KdfCost, Key, KeystoreError, SharedKeyPart,
    header::{Account, CIPHER, Header, KDF, Sealed, VERSION},
};
use cairn_ledger::hash::BlockId;
use cairn_rpc::text::{HexBytes, Text};
use serde::{Deserialize, Serialize};

/// The longest wallet file that is read: every account and the largest group fit many times.
pub const MAX_FILE_BYTES: u64 = 64 << 10;
/// The most accounts of one wallet: their addresses stand in its file.
pub const MAX_ACCOUNTS: usize = 100;

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
    let damaged = |error: serde_json::Error| KeystoreError::Damaged { reason: error.to_string() };
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
