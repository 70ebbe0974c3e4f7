//! The small files of the network: written under a temporary name, synced and renamed, so that a power cut
//! leaves the old one or the new one; one that cannot be understood is set aside, never overwritten.

use cairn_common::runtime;
use cairn_host::files;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Replaces a file. Blocks on the disk.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if runtime::write_simulated(path, bytes) { Ok(()) } else { files::save(path, bytes) }
}

/// Reads a file of at most `max` bytes; `None` when there is none. Blocks on the disk.
pub(crate) fn read(path: &Path, max: usize) -> io::Result<Option<Vec<u8>>> {
    if let Some(file) = runtime::read_simulated(path) {
        return Ok(file);
    }
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(max as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > max {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("it has more than {max} bytes")));
    }
    Ok(Some(bytes))
}

/// Reads a file of at most `max` bytes and understands it; `None` when there is none. One that cannot be understood is
/// set aside, which `lost` tells. Blocks on the disk.
///
/// # Errors
/// A file that is there and cannot be read: not damaged, but out of reach.
pub(crate) fn load<T, E: fmt::Display>(
    path: &Path,
    max: usize,
    decode: impl FnOnce(&[u8]) -> Result<T, E>,
    lost: &str,
) -> io::Result<Option<T>> {
    let Some(bytes) = read(path, max)? else { return Ok(None) };
    match decode(&bytes) {
        Ok(value) => Ok(Some(value)),
        Err(error) => {
            let aside = set_aside(path)?;
            let (path, aside) = (path.display(), aside.display());
            tracing::warn!(target: "cairn::network", %path, %aside, %error, "{lost}");
            Ok(None)
        }
    }
}

/// Gives a file another name, for whoever wants to know what became of it; says which.
fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let mut name = path.as_os_str().to_owned();
    name.push(".broken");
    let aside = PathBuf::from(name);
    fs::rename(path, &aside)?;
    Ok(aside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_bounded() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("file");
        assert_eq!(read(&path, 3)?, None);
        write(&path, b"abc")?;
        write(&path, b"de")?;
        assert_eq!(read(&path, 2)?, Some(b"de".to_vec()));
        assert_eq!(read(&path, 1).map_err(|error| error.kind()), Err(io::ErrorKind::InvalidData));
        let aside = set_aside(&path)?;
        assert_eq!((read(&path, 9)?, fs::read(aside)?), (None, b"de".to_vec()));
        assert_eq!(fs::read_dir(folder.path())?.count(), 1, "no temporary file stays");
        Ok(())
    }
}
