//! Keys: where they come from, and the file in which they lie.
//!
//! # Map
//! | part | what |
//! |---|---|
//! | [`mnemonic`] | 24 words and the keys that follow from them (BIP39, BIP32) |
//! | [`keystore`] | the encrypted wallet file (Argon2id, XChaCha20-Poly1305) |
//! | [`secret`] | passwords and words: where they are read from, wiped when dropped |
//! | [`message`] | **pure**: signed messages |

pub mod keystore;
pub mod message;
pub mod mnemonic;
pub mod secret;
