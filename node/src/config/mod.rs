//! The configuration: what an operator may say, where, and what the node makes of it.
//!
//! # Map
//! `keys` every key with its type and its help, declared once · `key` what a key is · `value` the types of keys ·
//! `layers` what is set on the command line, in the environment and in the file, the first of these winning · `settings` the checked result · `peers` its part about
//! finding and reaching peers · `memory` one limit divided among the parts · `usable` whether what it names is there
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

mod key;
mod keys;
mod layers;
mod memory;
mod peers;
mod settings;
mod usable;
mod value;

pub use key::Key;
use keys::Config;
pub use keys::KEYS;
pub use layers::{Environment, Flags, Source};
pub use settings::{ChainFileError, Settings, read_chain};

use std::path::{Path, PathBuf};

/// The configuration's file, in the data directory.
pub const FILE_NAME: &str = "cairn-node.toml";

/// What every key is set to, and where, in the order of [`KEYS`].
///
/// # Errors
/// An unknown key or variable, or a file that cannot be read.
pub fn sources(flags: &Flags, environment: &Environment, data_dir: &Path) -> Result<Vec<Option<Source>>, ConfigError> {
    let layers = layers::Layers::gather(KEYS, flags, environment, data_dir)?;
    Ok(KEYS.iter().map(|key| layers.source(key.name)).collect())
}

/// The variables that begin like the node's own and are a service's address, as Kubernetes and Docker tell of one.
pub fn passed_over(environment: &Environment) -> Vec<String> {
    environment.of_services().map(str::to_owned).collect()
}

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
