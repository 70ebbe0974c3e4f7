//! The Cairn wallet for the command line: keys in an encrypted file, payments through a node.
//!
//! The wallet trusts its own file and the rules of [`cairn_ledger`]. It does not trust the node: a node
//! cannot learn a key, change a payment or move money by lying; it can only withhold and mislead, and what
//! it says is printed inert. Unix only: files are private by their mode.
//!
//! # Map
//! | module | what |
//! |---|---|
//! | [`cli`] | the command line |
//! | [`run`] | one session: the network, the wallet and the node a command works with |
//! | `commands` | one file for each command: thin, all I/O |
//! | [`plan`] | **pure**: what to send, for what fee, until when; what is missing |
//! | [`wait`] | **pure**: whether to go on waiting for a block |
//! | [`words`] | 24 words and the keys that follow from them (BIP39, BIP32) |
//! | [`keystore`] | the encrypted wallet file (Argon2id, XChaCha20-Poly1305) |
//! | [`journal`] | every payment ever signed, written before it is sent |
//! | [`client`] | the node, as the wallet sees it |
//! | [`pairing`] | the node that gave this wallet a token |
//! | [`secret`] | passwords and words: where they are read from, wiped when dropped |
//! | [`data_dir`], [`files`], [`network`] | where files are; how they are written; which network |
//! | [`output`], [`error`] | text or JSON; sentences, kinds and exit codes |
//!
//! # The path of a payment
//! [`plan::plan`] against what the node says → password → [`keystore::Keystore::unlock`] → under the
//! journal's lock: plan again, sign, verify → [`journal::Journal::record`] (synced) → submit → status.
//!
//! # Invariants
//! 1. A payment leaves only after it is in the journal on disk, and only when its owner says so: it is never
//!    lost, and nothing is sent again on the wallet's own account.
//! 2. A wallet file is never overwritten, and never seen half-written.
//! 3. Secrets live in memory that is wiped, and leave only as ciphertext, or as the words `new` shows.
//! 4. Nothing a file claims costs more than [`keystore::MAX_MEMORY_KIB`] of memory.
//! 5. Text from outside (memos, what nodes say) reaches the terminal without control characters.

pub mod cli;
pub mod client;
mod commands;
pub mod data_dir;
pub mod error;
pub mod files;
pub mod journal;
pub mod keystore;
pub mod network;
pub mod output;
pub mod pairing;
pub mod plan;
pub mod run;
pub mod secret;
pub mod wait;
pub mod words;
