//! Small private files: read within a bound, written whole or not at all.

use std::{
    fs::{self, DirBuilder, File, Permissions},
    io::{self, ErrorKind, Read, Write},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::Path,
};
use tempfile::NamedTempFile;

/// The mode of directories that hold wallets: nobody else may look inside.
pub const DIRECTORY_MODE: u32 = 0o700;
/// The mode of wallet files and journals.
pub const FILE_MODE: u32 = 0o600;

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
    let directory = parent(path)?;
    temporary(directory, bytes)?.persist_noclobber(path).map_err(|refused| refused.error)?;
    sync_dir(directory)
}

/// The same, in place of what is there.
///
/// # Errors
/// What the system says.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = parent(path)?;
    temporary(directory, bytes)?.persist(path).map_err(|refused| refused.error)?;
    sync_dir(directory)
}

fn temporary(directory: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix(".").suffix(".tmp").permissions(Permissions::from_mode(FILE_MODE));
    let mut file = builder.tempfile_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
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
    path.parent().ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "the path names no file"))
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
