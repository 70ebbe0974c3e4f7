//! Keys: where they come from, and the file in which they lie.
//!
//! # Map
//! | part | what |
//! |---|---|
//! | [`mnemonic`] | 24 words and the keys that follow from them (BIP39, BIP32) |
//! | [`keystore`] | the encrypted wallet file (Argon2id, XChaCha20-Poly1305) |
//! | [`secret`] | passwords and words: where they are read from, wiped when dropped |
//! | [`message`] | **pure**: signed messages |

#[cfg(test)]
mod fuzz;
mod keystore;
pub(crate) mod message;
mod mnemonic;
mod secret;

pub(crate) use keystore::{
    Account, KdfCost, Keystore, KeystoreError, MAX_ACCOUNTS, MAX_KEYSTORE_BYTES, MAX_MEMORY_KIB, MIN_MEMORY_KIB,
    SealRandomness, SharedKeyPart, WalletSecret,
};
pub(crate) use message::MessageError;
pub(crate) use mnemonic::{KeyPath, MAX_ACCOUNT, NEW_ENTROPY_BYTES, Words, WordsError};
pub(crate) use secret::{PasswordSource, Secret, SecretError, read_words};
