//! What a file system has left and how it can be written, and what a directory takes.

use rustix::fs::{Access, Mode, OFlags};
use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

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

/// Whether files where `path` is, or will be, may be written past the system's cache (`O_DIRECT` of open(2)): tried on one
/// without a name. Some file systems do not know that; where nobody can try without a trace, the answer is no.
pub fn knows_direct_writes(path: &Path) -> bool {
    let unnamed = OFlags::TMPFILE | OFlags::RDWR | OFlags::DIRECT | OFlags::CLOEXEC;
    let Ok(file) = rustix::fs::open(existing(path), unnamed, Mode::RUSR | Mode::WUSR) else { return false };
    let room = vec![0; 2 * DIRECT_UNIT];
    let start = room.as_ptr().align_offset(DIRECT_UNIT);
    room.get(start..)
        .and_then(|room| room.get(..DIRECT_UNIT))
        .is_some_and(|unit| File::from(file).write_all_at(unit, 0).is_ok())
}

/// Bytes of all files in a directory, as the disk holds them, and below it; 0 where there is none. A file that
/// goes while it is looked at counts as gone.
///
/// # Errors
/// What the system says.
pub fn used_bytes(directory: &Path) -> io::Result<u64> {
    let (mut total, mut directories) = (0_u64, vec![directory.to_owned()]);
    while let Some(directory) = directories.pop() {
        let Some(entries) = unless_gone(fs::read_dir(&directory))? else { continue };
        for entry in entries {
            let Some(entry) = unless_gone(entry)? else { continue };
            let Some(known) = unless_gone(entry.metadata())? else { continue };
            if known.is_dir() {
                directories.push(entry.path());
            } else {
                // In blocks of 512 bytes, whatever the file system's own are: see stat(2). A log that was given its
                // room in advance counts with all of it.
                total = total.saturating_add(std::os::unix::fs::MetadataExt::blocks(&known).saturating_mul(512));
            }
        }
    }
    Ok(total)
}

fn unless_gone<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
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
        let before = used_bytes(base.path())?;
        fs::write(deep.join("file"), vec![7; 100_000])?;
        let grown = used_bytes(base.path())? - before;
        assert!((100_000..200_000).contains(&grown), "{grown}");
        assert_eq!(used_bytes(&base.path().join("nowhere"))?, 0);
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
