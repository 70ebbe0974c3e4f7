//! Whether a file was replaced or written since it was last read.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

/// What tells one state of a file from the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStamp {
    inode: u64,
    modified: (i64, i64),
    length: u64,
}

impl FileStamp {
    /// The file's as it is; none when there is no file.
    pub fn of(path: &Path) -> Option<Self> {
        let file = fs::metadata(path).ok()?;
        Some(Self { inode: file.ino(), modified: (file.mtime(), file.mtime_nsec()), length: file.len() })
    }
}
