//! Copies of a database, made while it is used.

use super::schema::{HeaderById, Meta, MetaKey, MetaRecord};
use super::{ChainStore, Db, DbOptions, StoreError, codec::KeyCodec};
use cairn_common::disk;
use cairn_ledger::Height;
use std::fs::{self, DirBuilder};
use std::path::{Path, PathBuf};
use std::{io, os::unix::fs::DirBuilderExt};

/// A copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backup {
    /// The height of its tip.
    pub height: Height,
    /// What it takes; files that it shares with the database are counted here, too.
    pub bytes: u64,
}

/// Why there is no copy. Whatever stood in the way, the database is as it was.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the sentences say what the fields are")]
pub enum BackupError {
    /// The place is taken.
    #[error("{} is there already; name a directory that is not", path.display())]
    Exists { path: PathBuf },
    /// The place depends on where somebody stands.
    #[error("got {}, expected an absolute path", path.display())]
    Relative { path: PathBuf },
    /// The system refuses.
    #[error("cannot write {}: {reason}", path.display())]
    Refused { path: PathBuf, reason: io::Error },
    /// RocksDB refuses, or what was written cannot be read.
    #[error("no backup in {}: {reason}", path.display())]
    Failed { path: PathBuf, reason: StoreError },
}

impl ChainStore {
    /// Copies the database, as it is at this moment, to `db` in the directory `to`, which is made: a data directory
    /// with nothing else in it. On one file system the files are shared, not copied: they are never written twice.
    ///
    /// # Errors
    /// Says why not; then nothing is left there.
    pub fn backup(&self, to: &Path) -> Result<Backup, BackupError> {
        if !to.is_absolute() {
            return Err(BackupError::Relative { path: to.to_owned() });
        }
        DirBuilder::new().mode(0o700).create(to).map_err(|reason| match reason.kind() {
            io::ErrorKind::AlreadyExists => BackupError::Exists { path: to.to_owned() },
            _ => BackupError::Refused { path: to.to_owned(), reason },
        })?;
        let copied = self.db.checkpoint(&to.join("db")).and_then(|()| height_of(&to.join("db")));
        let copied = match copied {
            Ok(height) => Ok(Backup { height, bytes: disk::used(to).bytes }),
            Err(reason) => Err(BackupError::Failed { path: to.to_owned(), reason }),
        };
        if copied.is_err() {
            // It is of no use; what cannot be removed is not told, after the greater failure.
            let _ = fs::remove_dir_all(to);
        }
        copied
    }
}

/// The height of a copy's tip: it can be opened and read.
fn height_of(path: &Path) -> Result<Height, StoreError> {
    let db = Db::open_read_only(path, DbOptions::default())?;
    let Some(MetaRecord::Tip(tip)) = db.get::<Meta>(&MetaKey::Tip)? else {
        return Err(StoreError::missing::<Meta>("tip"));
    };
    let record = db.get::<HeaderById>(&tip)?;
    let record = record.ok_or_else(|| StoreError::missing::<HeaderById>(hex::encode(tip.to_bytes())))?;
    Ok(record.header.height)
}
