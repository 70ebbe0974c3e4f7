//! What a file system has left and how it can be written, and what a directory takes.

use rustix::fs::{Access, Mode, OFlags};
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::{collections::BTreeSet, io};

/// What is written past the system's cache begins at a multiple of this, in memory as in the file, and is as long.
const DIRECT_UNIT: usize = 4096;

/// Bytes that a user without privileges may still write where `path` is; `path` itself need not be there yet.
///
/// # Errors
/// What the system says.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let known = rustix::fs::statvfs(existing(path))?;
    Ok(known.f_bavail.saturating_mul(known.f_frsize))
}

/// Whether this user may write where `path` is, or will be.
///
/// # Errors
/// Why not: no permission, or a file system that is mounted read-only.
pub fn may_write(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::access(existing(path), Access::WRITE_OK)?)
}

/// Whether files where `path` is, or will be, may be written past the system's cache (`O_DIRECT` of open(2)): tried on
/// one without a name. Some file systems do not know that; where nobody can try without a trace, the answer is no.
pub fn knows_direct_writes(path: &Path) -> bool {
    let unnamed = OFlags::TMPFILE | OFlags::RDWR | OFlags::DIRECT | OFlags::CLOEXEC;
    let Ok(file) = rustix::fs::open(existing(path), unnamed, Mode::RUSR | Mode::WUSR) else { return false };
    let room = vec![0; 2 * DIRECT_UNIT];
    let start = room.as_ptr().align_offset(DIRECT_UNIT);
    room.get(start..)
        .and_then(|room| room.get(..DIRECT_UNIT))
        .is_some_and(|unit| File::from(file).write_all_at(unit, 0).is_ok())
}

/// What a directory takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Bytes of all files in it and below it that could be looked at, as the disk holds them.
    pub bytes: u64,
    /// What could not be looked at, and is not counted: the first few.
    pub unread: Vec<PathBuf>,
}

/// Places of [`Used::unread`] that are named.
const MAX_UNREAD: usize = 8;

/// What a directory takes; nothing where there is none. A file that goes while it is looked at counts as gone. A link
/// that stands in the directory itself is followed, as to a database on another disk; one further down is not.
pub fn used(directory: &Path) -> Used {
    let (mut used, mut seen, mut directories) = (Used::default(), BTreeSet::new(), vec![directory.to_owned()]);
    while let Some(at) = directories.pop() {
        let Some(entries) = used.unless_gone(&at, fs::read_dir(&at)) else { continue };
        for entry in entries {
            let Some(entry) = used.unless_gone(&at, entry) else { continue };
            let path = entry.path();
            let known = if at == directory { fs::metadata(&path) } else { entry.metadata() };
            let Some(known) = used.unless_gone(&path, known) else { continue };
            if !known.is_dir() {
                // In blocks of 512 bytes, whatever the file system's own are: see stat(2). A log that was given its
                // room in advance counts with all of it.
                used.bytes = used.bytes.saturating_add(known.blocks().saturating_mul(512));
            } else if seen.insert((known.dev(), known.ino())) {
                directories.push(path);
            }
        }
    }
    used
}

impl Used {
    fn unless_gone<T>(&mut self, path: &Path, result: io::Result<T>) -> Option<T> {
        match result {
            Ok(value) => return Some(value),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(_) if self.unread.len() < MAX_UNREAD => self.unread.push(path.to_owned()),
            Err(_) => {}
        }
        None
    }
}

/// The nearest directory above `path` that is there, or `path`.
fn existing(path: &Path) -> &Path {
    path.ancestors().find(|part| part.exists()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_directory_takes_is_counted_with_all_below_it() -> io::Result<()> {
        let base = tempfile::tempdir()?;
        let deep = base.path().join("a/b");
        fs::create_dir_all(&deep)?;
        let before = used(base.path()).bytes;
        fs::write(deep.join("file"), vec![7; 100_000])?;
        let grown = used(base.path()).bytes - before;
        assert!((100_000..200_000).contains(&grown), "{grown}");
        assert_eq!(used(&base.path().join("nowhere")), Used::default());
        Ok(())
    }

    #[test]
    fn a_database_behind_a_link_is_counted_once_and_circles_end() -> io::Result<()> {
        let (base, elsewhere) = (tempfile::tempdir()?, tempfile::tempdir()?);
        fs::write(elsewhere.path().join("table"), vec![7; 100_000])?;
        std::os::unix::fs::symlink(elsewhere.path(), base.path().join("db"))?;
        std::os::unix::fs::symlink(elsewhere.path(), base.path().join("again"))?;
        std::os::unix::fs::symlink(base.path(), elsewhere.path().join("circle"))?;
        std::os::unix::fs::symlink("nowhere", base.path().join("broken"))?;
        let used = used(base.path());
        assert!((100_000..200_000).contains(&used.bytes) && used.unread.is_empty(), "{used:?}");
        Ok(())
    }

    #[test]
    fn what_cannot_be_looked_at_is_named_and_the_rest_is_counted() -> io::Result<()> {
        let base = tempfile::tempdir()?;
        fs::write(base.path().join("file"), vec![7; 100_000])?;
        // A link to itself cannot be looked at by anybody, root included, whom no permission stops.
        std::os::unix::fs::symlink("loop", base.path().join("loop"))?;
        let used = used(base.path());
        assert!((100_000..200_000).contains(&used.bytes), "{used:?}");
        assert_eq!(used.unread, [base.path().join("loop")]);
        Ok(())
    }

    #[test]
    fn direct_writes_are_known_only_where_files_open_for_them_and_trying_leaves_nothing() -> io::Result<()> {
        assert!(!knows_direct_writes(Path::new("/proc")), "what is no disk");
        let base = tempfile::tempdir()?;
        let known = knows_direct_writes(&base.path().join("not/yet"));
        assert_eq!(fs::read_dir(base.path())?.count(), 0);
        let named = OFlags::CREATE | OFlags::WRONLY | OFlags::DIRECT;
        let opened = rustix::fs::open(base.path().join("named"), named, Mode::RUSR | Mode::WUSR);
        assert!(!known || opened.is_ok(), "{opened:?}");
        Ok(())
    }

    #[test]
    fn room_is_asked_of_the_nearest_directory_that_is_there() -> io::Result<()> {
        let base = tempfile::tempdir()?;
        let later = base.path().join("not/yet");
        assert!(free_bytes(&later)? > 0);
        may_write(&later)?;
        // The kernel's own table of files, which nobody may add to.
        assert!(free_bytes(Path::new("/proc"))? == 0, "there is no room in what is no disk");
        Ok(())
    }
}
