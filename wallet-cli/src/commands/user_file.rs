//! Files that a command writes where its user wants them.

use crate::error::{Result, WalletError};
use cairn_host::files::{self, FileError};
use std::{io, path::Path};

/// Writes a file of the user's, which must not be there yet.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<()> {
    files::save_new(path, bytes).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => WalletError::FileExists { path: path.to_path_buf() },
        _ => FileError::cannot("write", path)(error).into(),
    })
}
