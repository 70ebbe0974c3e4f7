//! The node's key: an Ed25519 secret in a file of its own, made at the first start.

use cairn_host::files;
use libp2p::identity::Keypair;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Why there is no node key.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// It cannot be read or made.
    #[error("the node key {} cannot be read or written: {error}", path.display())]
    Io {
        /// Where it is.
        path: PathBuf,
        /// What went wrong.
        error: io::Error,
    },
    /// The file holds something else.
    #[error("{} is no node key: got {got} bytes, expected 32; move it away to get a new identity", path.display())]
    Malformed {
        /// Where it is.
        path: PathBuf,
        /// Its length.
        got: usize,
    },
}

/// Reads the node key, or makes one.
///
/// # Errors
/// A file that cannot be read, written or understood. A broken key is never replaced: peers know the node
/// by it.
pub(crate) fn load_or_create(path: &Path) -> Result<Keypair, IdentityError> {
    let failed = |error| IdentityError::Io { path: path.to_owned(), error };
    let secret = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(path).map_err(failed)?.to_vec(),
        Err(error) => return Err(failed(error)),
    };
    let got = secret.len();
    Keypair::ed25519_from_bytes(secret).map_err(|_| IdentityError::Malformed { path: path.to_owned(), got })
}

/// Writes a fresh secret, readable by its owner alone, and never over another file.
fn create(path: &Path) -> io::Result<[u8; 32]> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(io::Error::from)?;
    files::save_new(path, &secret)?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_and_kept() -> Result<(), Box<dyn std::error::Error>> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("node.key");
        let made = load_or_create(&path)?;
        assert_eq!(load_or_create(&path)?.public(), made.public());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path)?.permissions().mode() & 0o777, 0o600);
        }
        Ok(())
    }

    #[test]
    fn a_broken_key_is_refused_and_kept() -> Result<(), Box<dyn std::error::Error>> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("node.key");
        fs::write(&path, [1; 31])?;
        assert!(matches!(load_or_create(&path), Err(IdentityError::Malformed { got: 31, .. })));
        assert_eq!(fs::read(&path)?, [1; 31]);
        Ok(())
    }
}
