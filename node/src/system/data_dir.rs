//! The directory in which a node keeps everything that outlives it.
//!
//! ```text
//! DATA/            mode 0700
//!   lock           held while a node runs; holds its process id, and where it serves JSON-RPC; empty after an
//!                  orderly end, so that an id in a lock that nobody holds tells of a node that was killed
//!   cairn-node.toml  the configuration, if there is one
//!   node.key       the node's identity among peers
//!   rpc.sock       the Unix socket of the node's own tools, while it runs
//!   admin.token    the access token of the user it runs as
//!   tokens.json    hashes of the tokens made for others
//!   db/            the chain
//!   db.removed/    a chain that was given up, until it is gone
//!   history/       the blocks below the accounts that the chain began with, while they are executed
//!   peers.bin      addresses of other nodes
//!   bans.json      who is refused
//!   upload         what was given today to those who catch up
//!   …              small files of the parts, such as the pool
//! ```

use cairn_network::NetworkFiles;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The chain's database in a data directory.
const DATABASE: &str = "db";

/// Whether the database in a data directory is to be mended by the next start.
pub fn awaits_mending(data_dir: &Path) -> bool {
    cairn_chain::store::awaits_mending(&data_dir.join(DATABASE))
}

/// A data directory that no other process uses: the lock ends with this value, or with the process.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    lock: File,
}

/// A data directory in which nobody changes anything while this value is there.
#[derive(Debug)]
pub struct ReadOnly {
    path: PathBuf,
    /// What keeps others from writing: the lock, unless the disk does.
    own: Option<DataDir>,
    _lock: Option<File>,
}

impl ReadOnly {
    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The chain's database.
    pub fn database(&self) -> PathBuf {
        self.path.join(DATABASE)
    }

    /// Whether nothing can be written here, because the disk cannot be written to.
    pub fn is_on_read_only_disk(&self) -> bool {
        self.own.is_none()
    }
}

/// Who uses a directory, seen without touching it.
#[derive(Debug)]
pub enum Occupancy {
    /// There is none.
    Absent,
    /// Nobody. While this value is there, no node starts in it.
    Free {
        /// The process that used it last, when that had no orderly end.
        left_by: Option<String>,
        /// Held, where there is a lock to hold.
        lock: Option<File>,
    },
    /// A node.
    Used(Occupant),
}

/// A node that holds a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occupant {
    /// Its process id, as far as it can be told.
    pub process: String,
    /// Where it serves JSON-RPC, once it does.
    pub rpc: Option<SocketAddr>,
}

/// Why a directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    #[error("another cairn-node (process {process}) is using {path}; stop it or choose another --data-dir")]
    InUse { path: PathBuf, process: String },
    #[error("cannot use {path} to keep data: {reason}; choose another --data-dir")]
    Refused { path: PathBuf, reason: io::Error },
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
                let process = read_occupant(&mut lock).process;
                return Err(DataDirError::InUse { path: path.to_owned(), process });
            }
            Err(TryLockError::Error(reason)) => return Err(refused(&file)(reason)),
        }
        Ok(Self { path: path.to_owned(), lock })
    }

    /// The same for who only reads: on a disk that cannot be written to, nobody writes, and the lock is taken as it is.
    ///
    /// # Errors
    /// As [`DataDir::open`].
    pub fn open_to_read(path: &Path) -> Result<ReadOnly, DataDirError> {
        match Self::open(path) {
            Err(DataDirError::Refused { path: file, reason }) if reason.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                match Self::look(path)? {
                    Occupancy::Used(Occupant { process, .. }) => {
                        Err(DataDirError::InUse { path: path.to_owned(), process })
                    }
                    Occupancy::Free { lock, .. } => Ok(ReadOnly { path: path.to_owned(), own: None, _lock: lock }),
                    Occupancy::Absent => Err(DataDirError::Refused { path: file, reason }),
                }
            }
            opened => opened.map(|own| ReadOnly { path: path.to_owned(), own: Some(own), _lock: None }),
        }
    }

    /// Finds out who uses a directory, and changes nothing in it.
    ///
    /// # Errors
    /// The system refuses.
    pub fn look(path: &Path) -> Result<Occupancy, DataDirError> {
        if !path.is_dir() {
            return Ok(Occupancy::Absent);
        }
        let file = path.join("lock");
        let refused = |reason| DataDirError::Refused { path: file.clone(), reason };
        let mut lock = match File::open(&file) {
            Ok(lock) => lock,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Occupancy::Free { left_by: None, lock: None });
            }
            Err(error) => return Err(refused(error)),
        };
        let occupant = read_occupant(&mut lock);
        match lock.try_lock() {
            Ok(()) => {
                let left_by = Some(occupant.process).filter(|process| process != UNKNOWN);
                Ok(Occupancy::Free { left_by, lock: Some(lock) })
            }
            Err(TryLockError::WouldBlock) => Ok(Occupancy::Used(occupant)),
            Err(TryLockError::Error(reason)) => Err(refused(reason)),
        }
    }

    /// Tells other programs of this user, beside the process id, where the node serves JSON-RPC. Whoever cannot
    /// be told looks where the configuration says.
    pub fn note_rpc(&self, address: SocketAddr) {
        let mut lock = &self.lock;
        if let Err(error) = lock.seek(io::SeekFrom::End(0)).and_then(|_| writeln!(lock, "{address}")) {
            tracing::warn!(target: "cairn::node", %error, "the lock does not tell where JSON-RPC is served");
        }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the chain, and the one that is executed beside it: the next start begins with block 0. At once, as far
    /// as a start can see, whatever interrupts it.
    ///
    /// # Errors
    /// The system refuses.
    pub fn remove_chain(&self) -> Result<(), DataDirError> {
        self.finish_removal()?;
        gone(&self.history(), fs::remove_dir_all(self.history()))?;
        gone(&self.database(), fs::rename(self.database(), self.removed()))?;
        self.finish_removal()
    }

    /// Goes on with a removal that was interrupted, if there was one.
    ///
    /// # Errors
    /// The system refuses.
    pub fn finish_removal(&self) -> Result<(), DataDirError> {
        gone(&self.removed(), fs::remove_dir_all(self.removed()))
    }

    /// A database that is to go.
    fn removed(&self) -> PathBuf {
        self.path.join("db.removed")
    }

    /// The chain's database.
    pub fn database(&self) -> PathBuf {
        self.path.join(DATABASE)
    }

    /// The database of the chain that is executed beside the node's own, while one is.
    pub fn history(&self) -> PathBuf {
        self.path.join("history")
    }

    /// The pool, between two runs.
    pub fn pool(&self) -> PathBuf {
        self.path.join("mempool.bin")
    }

    /// The small files of the network: its key, the addresses of other nodes, who is refused, and what the node gave
    /// today to those who catch up.
    pub fn network_files(&self) -> NetworkFiles {
        NetworkFiles {
            node_key: self.path.join("node.key"),
            book: self.path.join("peers.bin"),
            bans: self.path.join("bans.json"),
            upload: self.path.join("upload"),
        }
    }
}

impl Drop for DataDir {
    /// An orderly end leaves the lock empty. On a disk that refuses, it looks like a kill, which harms nobody.
    fn drop(&mut self) {
        let _ = self.lock.set_len(0);
    }
}

/// That what was at a path is gone counts, whoever removed it.
fn gone(path: &Path, removed: io::Result<()>) -> Result<(), DataDirError> {
    match removed {
        Err(reason) if reason.kind() != io::ErrorKind::NotFound => {
            Err(DataDirError::Refused { path: path.to_owned(), reason })
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Stands for a process id that cannot be told.
const UNKNOWN: &str = "unknown";

fn write_process_id(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", std::process::id())
}

/// What a lock file says. The other process may be just about to write it.
fn read_occupant(lock: &mut File) -> Occupant {
    let mut text = String::new();
    let read = lock.take(100).read_to_string(&mut text);
    let mut lines = text.lines();
    let id = lines.next().map(str::trim).filter(|id| read.is_ok() && !id.is_empty());
    let process = id.unwrap_or(UNKNOWN).to_owned();
    Occupant { process, rpc: lines.next().and_then(|line| line.trim().parse().ok()) }
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
    fn who_uses_a_directory_is_seen_without_touching_it() {
        let base = tempfile::tempdir().expect("a directory");
        let path = base.path().join("data");
        let look = || DataDir::look(&path).expect("readable");
        assert!(matches!(look(), Occupancy::Absent));
        let node = DataDir::open(&path).expect("a new directory");
        let rpc = "127.0.0.1:9741".parse().expect("an address");
        node.note_rpc(rpc);
        let occupant = Occupant { process: std::process::id().to_string(), rpc: Some(rpc) };
        assert!(matches!(look(), Occupancy::Used(found) if found == occupant));
        drop(node);
        let held = look();
        assert!(matches!(held, Occupancy::Free { left_by: None, lock: Some(_) }), "an orderly end leaves no id");
        assert!(DataDir::open(&path).is_err(), "no node starts meanwhile");
        drop(held);
        // What a killed node leaves.
        fs::write(path.join("lock"), "4711\n127.0.0.1:9741\n").expect("written");
        assert!(matches!(look(), Occupancy::Free { left_by: Some(id), .. } if id == "4711"));
        assert_eq!(fs::read_to_string(path.join("lock")).expect("read"), "4711\n127.0.0.1:9741\n");
    }

    #[test]
    fn a_chain_is_removed_at_once_and_a_removal_that_was_interrupted_goes_on() {
        let base = tempfile::tempdir().expect("a directory");
        let dir = DataDir::open(base.path()).expect("a new directory");
        dir.remove_chain().expect("where there is none, nothing is to be done");
        for path in [dir.database(), dir.history(), dir.removed()] {
            fs::create_dir(&path).expect("a directory");
            fs::write(path.join("file"), "").expect("a file");
        }
        fs::write(dir.path().join("node.key"), "").expect("a file");
        dir.remove_chain().expect("what was left by an earlier one is not in its way");
        let left =
            [dir.database(), dir.history(), dir.removed(), dir.path().join("node.key")].map(|path| path.exists());
        assert_eq!(left, [false, false, false, true]);
        fs::create_dir(dir.removed()).expect("a directory");
        dir.finish_removal().expect("it goes on");
        assert!(!dir.removed().exists());
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
        fs::write(&file, "").expect("a file");
        let refused = DataDir::open(&file.join("data")).expect_err("a file is no directory").to_string();
        assert!(refused.contains("choose another --data-dir"), "{refused}");
    }
}
