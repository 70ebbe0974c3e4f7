//! Small private files: read within a bound, written whole or not at all.

use std::fs::{self, DirBuilder, File, Permissions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// The mode of directories that hold wallets: nobody else may look inside.
pub const DIRECTORY_MODE: u32 = 0o700;
/// The mode of wallet files and journals.
pub const FILE_MODE: u32 = 0o600;

/// A file with which something could not be done.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {path}: {error}")]
pub struct FileError {
    /// What was to be done.
    pub action: &'static str,
    /// With which file.
    pub path: PathBuf,
    /// What the system says.
    pub error: io::Error,
}

impl FileError {
    /// Names the file a failure of the system is about.
    pub fn cannot(action: &'static str, path: &Path) -> impl Fn(io::Error) -> Self + use<> {
        let path = path.to_path_buf();
        move |error| Self { action, path: path.clone(), error }
    }
}

/// What is wrong in a file.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {error}")]
pub struct InFile<E> {
    /// Which file.
    pub path: PathBuf,
    /// What is wrong.
    pub error: E,
}

impl<E> InFile<E> {
    /// Names the file in which something is wrong.
    pub fn at(path: &Path) -> impl Fn(E) -> Self + use<E> {
        let path = path.to_path_buf();
        move |error| Self { path: path.clone(), error }
    }
}

/// Reads a file of at most `max` bytes.
///
/// # Errors
/// [`ErrorKind::FileTooLarge`] beyond `max`, or what the system says.
pub fn read_bounded(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    read_all_bounded(File::open(path)?, max)
}

/// Reads `source` to its end, at most `max` bytes.
///
/// # Errors
/// [`ErrorKind::FileTooLarge`] beyond `max`, or what the system says.
pub fn read_all_bounded(source: impl Read, max: u64) -> io::Result<Vec<u8>> {
    /// Passwords and words fit in this: the vector never grows, so no unwiped copy of them stays behind.
    const ROOM: usize = 8192;
    let mut bytes = Vec::with_capacity(ROOM);
    source.take(max.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max {
        return Err(io::Error::new(ErrorKind::FileTooLarge, format!("longer than {max} bytes")));
    }
    Ok(bytes)
}

/// Makes `path` and its parents, readable by their owner only; a directory that is there loses the rights
/// of everybody else.
///
/// # Errors
/// What the system says.
pub fn private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(path)?;
    if fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(path, Permissions::from_mode(DIRECTORY_MODE))?;
    }
    Ok(())
}

/// Writes a new private file: to a temporary name in the same directory, synced, then moved into place
/// unless something is there, and the directory synced. A crash leaves the whole file or none; at worst a
/// file with a dot and a random name beside it, which nothing reads.
///
/// # Errors
/// [`ErrorKind::AlreadyExists`] when `path` exists; it stays as it is. Otherwise what the system says.
pub fn save_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    prepare_new(path, bytes)?.commit()
}

/// A new file that is written and has no name yet; without [`commit`](Self::commit) it leaves nothing behind.
pub struct Prepared {
    file: tempfile::NamedTempFile,
    path: PathBuf,
}

/// The first half of [`save_new`]: all that may fail for want of room or rights.
///
/// # Errors
/// What the system says.
pub fn prepare_new(path: &Path, bytes: &[u8]) -> io::Result<Prepared> {
    Ok(Prepared { file: temporary(path, bytes)?, path: path.to_path_buf() })
}

impl Prepared {
    /// Gives the file its name.
    ///
    /// # Errors
    /// As [`save_new`].
    pub fn commit(self) -> io::Result<()> {
        self.file.persist_noclobber(&self.path).map_err(|refused| refused.error)?;
        sync_parent(&self.path)
    }
}

/// As [`save_new`], but takes the place of a file that is there. A crash leaves the old file or the new one,
/// each whole.
///
/// # Errors
/// What the system says; the old file stays.
pub fn save(path: &Path, bytes: &[u8]) -> io::Result<()> {
    temporary(path, bytes)?.persist(path).map_err(|refused| refused.error)?;
    sync_parent(path)
}

/// Takes a file away for good: after this no crash brings it back.
///
/// # Errors
/// What the system says.
pub fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path)?;
    sync_parent(path)
}

fn temporary(path: &Path, bytes: &[u8]) -> io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .prefix(".")
        .suffix(".tmp")
        .permissions(Permissions::from_mode(FILE_MODE))
        .tempfile_in(parent(path)?)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// How long a command waits for another that changes the same file.
const LOCK_WAIT: Duration = Duration::from_secs(30);
/// How long it rests between two attempts.
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Waits until nobody else has `file` locked, and locks it. A lock ends with the process, however it ends.
///
/// # Errors
/// [`ErrorKind::TimedOut`] when another command keeps it too long, or what the system says.
pub fn lock(file: &File) -> io::Result<()> {
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if began.elapsed() < LOCK_WAIT => thread::sleep(LOCK_PAUSE),
            Err(TryLockError::WouldBlock) => {
                let waited = LOCK_WAIT.as_secs();
                let text =
                    format!("another command of this wallet has been changing it for {waited} s; end that one first");
                return Err(io::Error::new(ErrorKind::TimedOut, text));
            }
        }
    }
}

/// Makes the names in the directory of `path` durable.
///
/// # Errors
/// What the system says.
pub fn sync_parent(path: &Path) -> io::Result<()> {
    sync_dir(parent(path)?)
}

fn sync_dir(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

fn parent(path: &Path) -> io::Result<&Path> {
    match path.parent() {
        Some(directory) if directory == Path::new("") => Ok(Path::new(".")),
        parent => parent.ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "the path names no file")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("it exists").permissions().mode() & 0o777
    }

    #[test]
    fn a_new_file_is_private_and_whole_and_never_replaced() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("file");
        save_new(&path, b"first").expect("it is new");
        assert_eq!(mode(&path), FILE_MODE);
        assert_eq!(save_new(&path, b"second").map_err(|error| error.kind()), Err(ErrorKind::AlreadyExists));
        assert_eq!(fs::read(&path).expect("it is there"), b"first");
        assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 1, "no temporary file is left");
    }

    #[test]
    fn a_file_that_is_prepared_and_not_committed_leaves_nothing_behind() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("file");
        drop(prepare_new(&path, b"first").expect("there is room"));
        assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 0);
        let (first, second) = (prepare_new(&path, b"first"), prepare_new(&path, b"second"));
        first.and_then(Prepared::commit).expect("it is new");
        assert_eq!(second.and_then(Prepared::commit).map_err(|error| error.kind()), Err(ErrorKind::AlreadyExists));
        assert_eq!((fs::read(&path).expect("there"), mode(&path)), (b"first".to_vec(), FILE_MODE));
    }

    #[test]
    fn a_replaced_file_is_private_and_whole() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("file");
        for bytes in [&b"first"[..], b"second"] {
            save(&path, bytes).expect("written");
            assert_eq!((fs::read(&path).expect("there"), mode(&path)), (bytes.to_vec(), FILE_MODE));
        }
        assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 1, "no temporary file is left");
        remove(&path).expect("removed");
        assert!(!path.exists() && save(Path::new("/"), b"").is_err());
    }

    #[test]
    fn a_directory_becomes_private() {
        let dir = tempfile::tempdir().expect("a directory");
        let wallets = dir.path().join("a/b");
        private_dir(&wallets).expect("made");
        assert_eq!(mode(&wallets), DIRECTORY_MODE);
        fs::set_permissions(&wallets, Permissions::from_mode(0o755)).expect("opened up");
        private_dir(&wallets).expect("closed again");
        assert_eq!(mode(&wallets), DIRECTORY_MODE);
    }

    #[test]
    fn reading_stops_at_the_bound() {
        assert_eq!(read_all_bounded(&b"1234"[..], 4).expect("it fits"), b"1234");
        let refused = read_all_bounded(io::repeat(0), 4).map_err(|error| error.kind());
        assert_eq!(refused, Err(ErrorKind::FileTooLarge));
    }
}
