//! The Cairn wallet for the command line: keys in an encrypted file, payments through a node.
//!
//! The wallet trusts its own file and the rules of [`cairn_ledger`]. It does not trust the node: a node
//! cannot learn a key, change a payment or move money by lying, and balances and payments are shown as proven
//! ([`proven`]); it can only withhold, and what it says is printed inert. Unix only: files are private by their
//! mode.
//!
//! # Map
//! | module | what |
//! |---|---|
//! | [`cli`], [`arguments`], [`help`] | the command line; what single commands take; groups and examples |
//! | [`run`] | one session: the network, the wallet and the node a command works with |
//! | `commands` | one file for each command: thin, all I/O |
//! | [`plan`] | **pure**: what to send, for what fee, until when; what is missing |
//! | [`payments`] | **pure**: what has become of a payment, and whether another may be made: decided by proofs alone |
//! | [`wait`] | why a payment that was followed is not in a block |
//! | [`diagnose`], [`repair`] | **pure**: why a payment is not mined; which nonces are missing |
//! | [`uri`], [`recipients`], [`labels`], [`message`] | **pure**: payment URIs, CSV, BIP 329 labels, signed messages |
//! | [`txfile`] | **pure**: a payment as a file, between machines |
//! | [`screen`] | **pure**: the full-screen view |
//! | [`shared`] | keys of several people: MuSig2, FROST |
//! | [`words`] | 24 words and the keys that follow from them (BIP39, BIP32) |
//! | [`keystore`] | the encrypted wallet file (Argon2id, XChaCha20-Poly1305) |
//! | [`journal`] | every payment ever signed, written before it is sent; what nodes answered |
//! | [`client`], [`budget`] | the node, as the wallet sees it; the time it has to answer |
//! | [`node_url`], [`pairing`] | where a node is and by which certificate it is known; the one that gave this wallet a token |
//! | [`proven`] | **what nodes say, proven**: the most work, accounts and payments under it, and who lied |
//! | [`secret`] | passwords and words: where they are read from, wiped when dropped |
//! | [`data_dir`], [`files`], [`network`] | where files are; how they are written; which network |
//! | [`output`], [`error`] | text or JSON; sentences, kinds and exit codes |
//!
//! # The path of a payment
//! [`payments::Book`] and [`plan::plan`] against what is proven → password → [`keystore::Keystore::unlock`] → under the
//! journal's lock: look again, sign, verify → [`journal::Journal::record`] (synced) → to every node → told. It stays
//! open until [`payments::judge`] has a proof.
//!
//! # Invariants
//! 1. A payment leaves only after it is in the journal on disk, and only when its owner says so: it is never
//!    lost, and nothing is sent again on the wallet's own account. No answer of a node closes it: only a proof does.
//! 2. A wallet file is never overwritten by another wallet, and never seen half-written: a new account or a new
//!    password replaces it whole.
//! 3. Secrets live in memory that is wiped, and leave only as ciphertext, or as the words `new` shows. (What the
//!    library of MuSig2 computes with, for the moment of one signature, it does not wipe.)
//! 4. Nothing a file claims costs more than [`keystore::MAX_MEMORY_KIB`] of memory.
//! 5. Text from outside (memos, labels, what nodes say) reaches the terminal without control characters.
//!
//! # Looking for ...
//! | what | where |
//! |---|---|
//! | double payments, rebroadcast, stuck transactions | [`payments`], `commands/resend.rs`, [`diagnose`] |
//! | fee bumping (RBF), cancelling, fee rates | `commands/replace.rs`, [`plan`] |
//! | light client, SPV, proof of a balance | [`proven`], `cairn_ledger::light` |
//! | mnemonic, seed, derivation path | [`words`] |
//! | multisig, threshold signatures | [`shared`] |
//! | offline signing, PSBT | [`txfile`], `commands/offline.rs` |
//! | passphrase, key derivation, wallet file | [`keystore`], [`secret`] |

#![forbid(unsafe_code)]

pub mod arguments;
pub mod budget;
pub mod cli;
pub mod client;
pub(crate) mod commands;
pub mod data_dir;
pub mod diagnose;
pub mod error;
pub mod files;
pub mod help;
pub mod journal;
pub mod keystore;
pub mod labels;
pub mod message;
pub mod network;
pub mod node_url;
pub mod output;
pub mod pairing;
pub mod payments;
pub mod plan;
pub mod proven;
pub mod recipients;
pub mod repair;
pub mod run;
pub mod screen;
pub mod secret;
pub mod shared;
pub mod txfile;
pub mod uri;
pub mod wait;
pub mod words;
