//! Where inputs are kept. The corpus is part of the tree; what long runs keep, and findings, are not.

use crate::rng::hash;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::{env, io};

/// The folder of this crate.
fn here() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The committed corpus of a target: what was found once, by name, and what reaches far.
pub(crate) fn corpus(target: &str) -> PathBuf {
    here().join("corpus").join(target)
}

/// Where findings go.
pub(crate) fn findings(target: &str) -> PathBuf {
    // What this crate's own tests find is meant to be found.
    let base = if cfg!(test) { env::temp_dir().join("cairn-fuzz-tests") } else { here().join("findings") };
    base.join(target)
}

/// Where long runs keep what reaches new code.
pub(crate) fn kept(target: &str) -> PathBuf {
    let base = env::var_os("CAIRN_FUZZ_KEPT").map_or_else(|| here().join("findings/.kept"), PathBuf::from);
    base.join(target)
}

/// All files of a folder, by name; none where there is no folder.
pub(crate) fn read_all(folder: &Path) -> io::Result<Vec<Vec<u8>>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<PathBuf>>>()?;
    paths.sort();
    paths.into_iter().filter(|path| path.is_file()).map(fs::read).collect()
}

/// Writes an input under a name that follows from it.
pub(crate) fn save(folder: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let path = folder.join(format!("{:016x}", hash(bytes)));
    fs::write(&path, bytes)?;
    Ok(path)
}

/// The input that is being tried, on the disk, for when it ends the process.
#[derive(Debug)]
pub(crate) struct Current(File);

impl Current {
    /// A file `current` beside what is kept.
    pub(crate) fn create(target: &str) -> io::Result<Self> {
        let folder = kept(target);
        fs::create_dir_all(&folder)?;
        File::create(folder.with_extension("current")).map(Self)
    }

    /// Notes the input that is tried next.
    pub(crate) fn note(&self, bytes: &[u8]) -> io::Result<()> {
        self.0.set_len(bytes.len() as u64)?;
        self.0.write_all_at(bytes, 0)
    }
}
