//! Secrets that may be used once. A nonce that makes two shares gives its member's key away, so it is
//! claimed, wiped from the disk and remembered as used before anything is computed from it; whatever fails
//! after that costs a new session, never a key.
//!
//! `<session>-<member>.nonce` holds the public and, sealed, the secret half. Claiming links it to
//! `….used`, which fails when that is there already, also for a copy put back from a backup: so two
//! processes, or one that was killed and started again, never both get it.

use crate::{Nonce, SharedError, seal::SealKey};
use cairn_host::files;
use cairn_rpc::text::HexBytes;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The longest of these files.
const MAX_BYTES: u64 = 16 << 10;
/// What is left of a secret that was used.
const USED: &[u8] = b"{\"used\":true}\n";

/// Where a member keeps its single-use secrets.
#[derive(Clone, Debug)]
pub struct NonceStore {
    directory: PathBuf,
}

/// A nonce that waits.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Waiting {
    public: HexBytes,
    sealed: HexBytes,
}

/// What can go wrong with the files, and what the files say.
#[derive(Debug, thiserror::Error)]
pub enum NonceStoreError {
    /// The system.
    #[error("{0}")]
    File(#[from] io::Error),
    /// The secret.
    #[error(transparent)]
    Shared(#[from] SharedError),
}

impl NonceStore {
    /// In this directory, which is made when it is first needed.
    pub fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    fn path(&self, name: &str, ending: &str) -> PathBuf {
        self.directory.join(format!("{name}.{ending}"))
    }

    /// Where a secret of a key ceremony is kept: beside the nonces, but it is none.
    pub fn ceremony_path(&self, name: &str) -> PathBuf {
        self.path(name, "ceremony")
    }

    /// Makes the directory, for its owner alone.
    ///
    /// # Errors
    /// What the system says.
    pub fn make_directory(&self) -> Result<(), NonceStoreError> {
        Ok(files::private_dir(&self.directory)?)
    }

    /// Whether the secret of this name was used.
    pub fn is_used(&self, name: &str) -> bool {
        self.path(name, "used").symlink_metadata().is_ok()
    }

    /// The public half of a secret that waits.
    ///
    /// # Errors
    /// What the system says, or damage.
    pub fn public(&self, name: &str) -> Result<Option<Vec<u8>>, NonceStoreError> {
        match read(&self.path(name, "nonce")) {
            Ok(waiting) => Ok(Some(waiting.public.0)),
            Err(NonceStoreError::File(error)) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps a secret until it is taken.
    ///
    /// # Errors
    /// One of this name is there, waiting or used; or what the system says.
    pub fn keep(&self, name: &str, kept: &Nonce, key: &SealKey, seal_nonce: [u8; 24]) -> Result<(), NonceStoreError> {
        if self.is_used(name) {
            return Err(SharedError::NonceUsed.into());
        }
        self.make_directory()?;
        let sealed = HexBytes(key.seal(&kept.secret, name.as_bytes(), seal_nonce));
        let waiting = Waiting { public: HexBytes(kept.public.clone()), sealed };
        let text = serde_json::to_vec(&waiting).map_err(io::Error::from)?;
        Ok(files::save_new(&self.path(name, "nonce"), &text)?)
    }

    /// Takes a secret out, store. When this returns it is on no disk any more.
    ///
    /// # Errors
    /// It was used, it is not here, or it does not open.
    pub fn take(&self, name: &str, key: &SealKey) -> Result<Zeroizing<Vec<u8>>, NonceStoreError> {
        let (waiting, used) = (self.path(name, "nonce"), self.path(name, "used"));
        match fs::hard_link(&waiting, &used) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(SharedError::NonceUsed.into()),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let why = if self.is_used(name) { SharedError::NonceUsed } else { SharedError::NonceMissing };
                return Err(why.into());
            }
            linked => linked?,
        }
        files::remove(&waiting)?;
        let content = read(&used)?;
        // From here on a crash loses the secret, and nothing else.
        files::save(&used, USED)?;
        let opened = key.open(&content.sealed.0, name.as_bytes());
        Ok(opened.map_err(|error| SharedError::own("nonce", error))?)
    }
}

fn read(path: &Path) -> Result<Waiting, NonceStoreError> {
    let bytes = files::read_bounded(path, MAX_BYTES)?;
    serde_json::from_slice(&bytes).map_err(|error| SharedError::own("nonce", error).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nonce(secret: &[u8]) -> Nonce {
        Nonce { secret: Zeroizing::new(secret.to_vec()), public: b"public".to_vec() }
    }

    fn store(dir: &tempfile::TempDir) -> NonceStore {
        NonceStore::new(dir.path().join("once"))
    }

    #[test]
    fn a_nonce_comes_out_once() {
        let dir = tempfile::tempdir().expect("a directory");
        let (store, key) = (store(&dir), SealKey::own(&[1; 32]));
        assert!(matches!(store.take("a", &key), Err(NonceStoreError::Shared(SharedError::NonceMissing))));
        store.keep("a", &nonce(b"secret"), &key, [1; 24]).expect("kept");
        assert_eq!(store.public("a").expect("readable").as_deref(), Some(&b"public"[..]));
        assert!(store.keep("a", &nonce(b"other"), &key, [2; 24]).is_err(), "it waits already");
        assert_eq!(*store.take("a", &key).expect("the first time"), b"secret");
        assert!(matches!(store.take("a", &key), Err(NonceStoreError::Shared(SharedError::NonceUsed))));
        let again = store.keep("a", &nonce(b"secret"), &key, [3; 24]);
        assert!(matches!(again, Err(NonceStoreError::Shared(SharedError::NonceUsed))));
    }

    /// The attack: the file put back from a backup, and the second signing that gives the key away.
    #[test]
    fn a_nonce_put_back_from_a_backup_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let (store, key) = (store(&dir), SealKey::own(&[1; 32]));
        store.keep("a", &nonce(b"secret"), &key, [1; 24]).expect("kept");
        let backup = fs::read(store.path("a", "nonce")).expect("there");
        store.take("a", &key).expect("the first time");
        fs::write(store.path("a", "nonce"), &backup).expect("put back");
        assert!(matches!(store.take("a", &key), Err(NonceStoreError::Shared(SharedError::NonceUsed))));
        // The control: another session's nonce is not harmed.
        store.keep("b", &nonce(b"secret"), &key, [1; 24]).expect("kept");
        assert!(store.take("b", &key).is_ok());
    }

    #[test]
    fn nothing_of_a_used_nonce_stays_on_the_disk() {
        let dir = tempfile::tempdir().expect("a directory");
        let (store, key) = (store(&dir), SealKey::own(&[1; 32]));
        store.keep("a", &nonce(b"secret"), &key, [1; 24]).expect("kept");
        store.take("a", &key).expect("the first time");
        let left: Vec<Vec<u8>> = fs::read_dir(dir.path().join("once"))
            .expect("listed")
            .map(|entry| fs::read(entry.expect("listed").path()).expect("readable"))
            .collect();
        assert_eq!(left, [USED]);
    }
}
