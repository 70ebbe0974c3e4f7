//! Which network: a shipped one by its name, or a file of the same form by its path.

use cairn_genesis::{GenesisError, Network};
use cairn_host::{Inert, files, shell::expand_home};
use cairn_ledger::BlockId;
use std::{io, path::Path};

/// The longest network file that is read: thousands of allocations fit.
const MAX_NETWORK_BYTES: u64 = 4 << 20;

/// Why there is no such network.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// No shipped network, and no file that can be read.
    #[error("--chain {got:?}: expected main, test, local or the path of a network file ({error})")]
    Unreadable { got: String, error: io::Error },
    /// A file that is no network.
    #[error("--chain {got:?}: {error}")]
    Invalid { got: String, error: Box<GenesisError> },
}

/// Two networks where one was meant. The ids decide; the names are what people call them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{got:?} (genesis {got_id}), not {expected:?} (genesis {expected_id})")]
pub struct Mismatch {
    /// What the other network is called, inert.
    pub got: String,
    /// The id of its block 0.
    pub got_id: BlockId,
    /// The chosen network.
    pub expected: String,
    /// The id of its block 0.
    pub expected_id: BlockId,
}

/// Refuses a network that is not `chosen`.
///
/// # Errors
/// Names both.
pub fn check_same(chosen: &Network, got: &str, got_id: BlockId) -> Result<(), Box<Mismatch>> {
    if got_id == chosen.id() {
        return Ok(());
    }
    Err(Box::new(Mismatch {
        got: Inert(got).to_string(),
        got_id,
        expected: chosen.spec.params().name.clone(),
        expected_id: chosen.id(),
    }))
}

/// The network called `chain`, or else the one in the file at that path.
///
/// # Errors
/// Says why there is none.
pub fn load(chain: &str) -> Result<Network, NetworkError> {
    let text = match cairn_genesis::shipped(chain) {
        Some(text) => String::from(text),
        None => read(&expand_home(Path::new(chain), std::env::var_os("HOME")))
            .map_err(|error| NetworkError::Unreadable { got: String::from(chain), error })?,
    };
    let invalid = |error| NetworkError::Invalid { got: String::from(chain), error: Box::new(error) };
    Network::parse(&text).map_err(invalid)
}

fn read(path: &Path) -> io::Result<String> {
    let bytes = files::read_bounded(path, MAX_NETWORK_BYTES)?;
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shipped_networks_go_by_name_and_others_by_path() {
        assert_eq!(load("main").expect("shipped").spec.params().name, "main");
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("mine.toml");
        std::fs::write(&path, cairn_genesis::LOCAL.replacen("\"local\"", "\"mine\"", 1)).expect("written");
        let chain = path.display().to_string();
        assert_eq!(load(&chain).expect("a file").spec.params().name, "mine");
        std::fs::write(&path, "name = 1").expect("written");
        assert!(matches!(load(&chain), Err(NetworkError::Invalid { .. })));
        assert!(matches!(load("mian"), Err(NetworkError::Unreadable { .. })));
    }
}
