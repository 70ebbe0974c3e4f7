//! The configuration: what an operator may say, where, and what the node makes of it.
//!
//! # Map
//! `keys` every key with its type and its help, declared once · `value` the types of keys · `layers` what a key is, and
//! what is set on the command line, in the environment and in the file, the first of these winning · `settings` the
//! checked result, and whether what it names is there · `memory` one limit divided among the parts
//!
//! # The path of a setting
//! `mining.threads` is one key with three spellings: the flag `--mining.threads`, the variable
//! `CAIRN_NODE_MINING_THREADS`, and `threads` under `[mining]` in `DATA/cairn-node.toml`. Whichever of them comes first
//! in this order is read by the type that [`Config`] gives the key, and checked once, by [`Settings::load`], on which
//! everything else builds. Whether the files it names are there is looked at by [`Settings::check_usable`], for `run`,
//! `config check` and `doctor` alike. `--chain` and `--data-dir` (`CAIRN_NODE_CHAIN`, `CAIRN_NODE_DATA_DIR`) say where
//! the file is and so cannot stand in it.
//!
//! # Invariants
//! 1. What is not known is refused: a misspelt key or variable never silently keeps a default. Only the variables that
//!    Kubernetes puts into every container beside a service, which are told by their form, are passed over, and named
//!    by `config check`.
//! 2. Every refusal names the key, what it got, where that came from, and what was expected.
//! 3. Nothing here opens a port, makes a directory or starts a thread.

#[cfg(test)]
mod fuzz;
mod keys;
mod layers;
mod memory;
mod settings;
mod value;

use keys::Config;
pub use keys::KEYS;
pub use layers::{Environment, Flags, Key, Layers, Source};
pub use settings::{ChainFileError, Settings, read_chain};

use std::path::PathBuf;

/// The configuration's file, in the data directory.
pub const FILE_NAME: &str = "cairn-node.toml";

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{key}: got {got:?} from {origin}, expected {expected}")]
    Value { key: &'static str, got: String, origin: String, expected: String },
    #[error("unknown key {got} in {origin}; did you mean {nearest}?")]
    UnknownKey { got: String, origin: String, nearest: String },
    #[error("cannot read {path}: {reason}")]
    Unreadable { path: PathBuf, reason: std::io::Error },
    #[error("{path} is not TOML: {reason}")]
    NotToml { path: PathBuf, reason: Box<toml::de::Error> },
    #[error("{key}: {reason}")]
    Unusable { key: &'static str, reason: String },
    #[error("there is no home directory to keep data in: say where with --data-dir")]
    NoHome,
}
