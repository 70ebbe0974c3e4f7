//! The last verified tip, in a small file for each network: what the next proof continues from, and the work
//! that no honest node falls behind; and, in another, the place up to which every header was checked.

use cairn_host::{FileError, files};
use cairn_ledger::codec::{Decode, Encode};
use cairn_ledger::{BlockId, chain_spec::ChainSpec, codec, light::VerifiedTip};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// The version of the file.
const VERSION: u8 = 1;
/// The headers of a tail and 64 peaks are less.
const MAX_BYTES: u64 = 131_072;

#[derive(Encode, Decode)]
#[bincode(crate = "cairn_ledger::codec::bincode")]
struct File {
    version: u8,
    genesis_id: BlockId,
    tip: VerifiedTip,
}

/// The file of a network in the directory of verified tips.
pub fn path(directory: &Path, genesis_id: &BlockId) -> PathBuf {
    directory.join(format!("{genesis_id}.tip"))
}

/// The file of the place up to which every header was checked.
pub fn place_path(directory: &Path, genesis_id: &BlockId) -> PathBuf {
    directory.join(format!("{genesis_id}.place"))
}

/// Reads the tip kept for a network; `None` when there is none. A file that does not hold together counts as
/// none: all it costs is a whole proof.
///
/// # Errors
/// What the system says.
pub fn read(path: &Path, spec: &ChainSpec) -> Result<Option<VerifiedTip>, FileError> {
    let bytes = match files::read_bounded(path, MAX_BYTES) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::FileTooLarge) => return Ok(None),
        read => read.map_err(FileError::cannot("read", path))?,
    };
    let file = codec::decode::<File>(&bytes, bytes.len()).ok();
    let file = file.filter(|file| file.version == VERSION && file.genesis_id == spec.genesis_id());
    Ok(file.and_then(|file| file.tip.restore(spec)))
}

/// Keeps a tip; on a disk that is read-only nothing is kept, and whoever only looks is not held up by that.
///
/// # Errors
/// What the system says.
pub fn write(path: &Path, spec: &ChainSpec, tip: &VerifiedTip) -> Result<(), FileError> {
    match save(path, spec, tip) {
        Err(error) if error.kind() == ErrorKind::ReadOnlyFilesystem => Ok(()),
        saved => saved.map_err(FileError::cannot("write", path)),
    }
}

fn save(path: &Path, spec: &ChainSpec, tip: &VerifiedTip) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        files::private_dir(directory)?;
    }
    let file = File { version: VERSION, genesis_id: spec.genesis_id(), tip: tip.clone() };
    files::save(path, &codec::encode(&file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_genesis::Network;

    #[test]
    fn a_tip_is_kept_for_its_network_and_a_damaged_file_is_none() {
        let dir = tempfile::tempdir().expect("a directory");
        let spec = Network::parse(cairn_genesis::LOCAL).expect("shipped").spec;
        let other = Network::parse(cairn_genesis::MAIN).expect("shipped").spec;
        let path = path(&dir.path().join("tips"), &spec.genesis_id());
        assert_eq!(read(&path, &spec).expect("not there"), None);
        let tip = VerifiedTip::genesis(&spec);
        for _ in 0..2 {
            write(&path, &spec, &tip).expect("written");
            assert_eq!(read(&path, &spec).expect("read"), Some(tip.clone()));
        }
        assert_eq!(read(&path, &other).expect("read"), None, "another network's");
        let mut bytes = std::fs::read(&path).expect("read");
        bytes[60] ^= 1;
        std::fs::write(&path, &bytes).expect("written");
        assert_eq!(read(&path, &spec).expect("read"), None);
        std::fs::write(&path, vec![0; 140_000]).expect("written");
        assert_eq!(read(&path, &spec).expect("read"), None);
    }
}
