//! The directory in which a node keeps everything that outlives it.
//!
//! ```text
//! DATA/            mode 0700
//!   lock           held while a node runs; holds its process id
//!   cairn-node.toml  the configuration, if there is one
//!   node.key       the node's identity among peers
//!   admin.token    the access token of the user it runs as
//!   tokens.json    hashes of the tokens made for others
//!   db/            the chain
//!   peers.bin      addresses of other nodes
//!   bans.json      who is refused
//!   …              small files of the parts, such as the pool
//! ```

use std::{
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// A data directory that no other process uses: the lock ends with this value, or with the process.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

/// Why a directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another node runs in it.
    #[error("another cairn-node (process {process}) is using {path}; stop it or choose another --data-dir")]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The other's process id, as far as it can be told.
        process: String,
    },
    /// The system refuses.
    #[error("cannot use {path} to keep data: {reason}; choose another --data-dir")]
    Refused {
        /// What was touched.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
}

impl DataDir {
    /// Makes the directory if there is none, for this user alone, and locks it.
    ///
    /// # Errors
    /// Another node runs in it, or the system refuses.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let refused = |path: &Path| {
            let path = path.to_owned();
            move |reason| DataDirError::Refused { path, reason }
        };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(refused(path))?;
        let file = path.join("lock");
        let mut options = OpenOptions::new();
        // Never truncated here: it may be another's, and holds the id to name.
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut lock = options.open(&file).map_err(refused(&file))?;
        match lock.try_lock() {
            Ok(()) => write_process_id(&mut lock).map_err(refused(&file))?,
            Err(TryLockError::WouldBlock) => {
                return Err(DataDirError::InUse { path: path.to_owned(), process: read_process_id(&mut lock) });
            }
            Err(TryLockError::Error(reason)) => return Err(refused(&file)(reason)),
        }
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The chain's database.
    pub fn database(&self) -> PathBuf {
        self.path.join("db")
    }

    /// The pool, between two runs.
    pub fn pool(&self) -> PathBuf {
        self.path.join("mempool.bin")
    }

    /// The addresses of other nodes.
    pub fn address_book(&self) -> PathBuf {
        self.path.join("peers.bin")
    }

    /// Who is refused.
    pub fn bans(&self) -> PathBuf {
        self.path.join("bans.json")
    }

    /// The node's identity among peers.
    pub fn node_key(&self) -> PathBuf {
        self.path.join("node.key")
    }
}

fn write_process_id(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", std::process::id())
}

/// The id in a lock file. The other process may be just about to write it.
fn read_process_id(lock: &mut File) -> String {
    let mut text = String::new();
    let read = lock.take(20).read_to_string(&mut text);
    let id = text.trim();
    if read.is_ok() && !id.is_empty() { id.to_owned() } else { String::from("unknown") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_directory_is_used_by_one_node_at_a_time() {
        let base = tempfile::tempdir().expect("a directory");
        let path = base.path().join("a/b");
        let first = DataDir::open(&path).expect("a new directory");
        let refused = DataDir::open(&path).expect_err("it is in use").to_string();
        let own_id = std::process::id();
        assert_eq!(
            refused,
            format!(
                "another cairn-node (process {own_id}) is using {}; stop it or choose another --data-dir",
                path.display()
            )
        );
        drop(first);
        DataDir::open(&path).expect("it is free again");
    }

    #[test]
    fn a_new_directory_is_for_its_owner_alone() {
        let base = tempfile::tempdir().expect("a directory");
        let dir = DataDir::open(&base.path().join("new")).expect("a new directory");
        let mode = |path: &Path| path.metadata().expect("it is there").permissions().mode() & 0o777;
        assert_eq!((mode(dir.path()), mode(&dir.path().join("lock"))), (0o700, 0o600));
    }

    #[test]
    fn a_place_that_cannot_be_written_is_refused_with_its_name() {
        let base = tempfile::tempdir().expect("a directory");
        let file = base.path().join("file");
        std::fs::write(&file, "").expect("a file");
        let refused = DataDir::open(&file.join("data")).expect_err("a file is no directory").to_string();
        assert!(refused.contains("choose another --data-dir"), "{refused}");
    }
}
