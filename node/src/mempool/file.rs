//! `mempool.bin`: the pool across a restart.
//!
//! Layout: `"cairnmp1" ‖ genesis_id 32 ‖ (length u32 ‖ record)*`, a record being the encoding of the moment
//! the transaction came (u64, Unix ms) and the transaction. What is read is not trusted: every transaction
//! goes through the same door as one from a peer.

use cairn_ledger::{
    codec::{self, Decode, Encode},
    hash::BlockId,
    transaction::{MAX_TRANSACTION_BYTES, Transaction},
    units::Timestamp,
};
use std::{
    fs::File,
    io::{self, Read, Write},
    path::Path,
};

const MAGIC: &[u8; 8] = b"cairnmp1";
const MAX_RECORD_BYTES: usize = 8 + MAX_TRANSACTION_BYTES;
/// What each transaction takes besides its own bytes: the record's length and the time.
const RECORD_OVERHEAD: usize = 4 + 8;

/// A transaction as it is saved.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[bincode(crate = "cairn_ledger::codec::bincode")]
pub(super) struct Saved {
    /// When it came.
    pub added: Timestamp,
    /// It.
    pub transaction: Transaction,
}

/// Why a saved pool cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("it is not a saved pool of this version")]
    NotAPool,
    #[error("it belongs to the network {got}, this node is on {expected}")]
    OtherNetwork { got: BlockId, expected: BlockId },
    #[error("it has {got} bytes, expected at most {max}")]
    TooLong { got: u64, max: u64 },
    #[error("it is broken at byte {at}")]
    Broken { at: usize },
}

/// The largest file a pool with these limits writes.
pub(super) fn max_file_bytes(max_count: usize, max_bytes: usize) -> u64 {
    let records = max_count.saturating_mul(RECORD_OVERHEAD).saturating_add(max_bytes);
    records.saturating_add(MAGIC.len() + 32) as u64
}

/// The bytes of a saved pool.
pub(super) fn encode<'a>(genesis_id: &BlockId, saved: impl IntoIterator<Item = &'a Saved>) -> Vec<u8> {
    let mut bytes = [MAGIC.as_slice(), genesis_id.as_bytes()].concat();
    for record in saved {
        let record = codec::encode(record);
        bytes.extend_from_slice(&(record.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&record);
    }
    bytes
}

/// Reads what [`encode`] wrote.
pub(super) fn decode(genesis_id: &BlockId, bytes: &[u8]) -> Result<Vec<Saved>, FileError> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(FileError::NotAPool)?;
    let (network, mut rest) = rest.split_first_chunk::<32>().ok_or(FileError::NotAPool)?;
    let got = BlockId::from_bytes(*network);
    if got != *genesis_id {
        return Err(FileError::OtherNetwork { got, expected: *genesis_id });
    }
    let mut saved = Vec::new();
    while !rest.is_empty() {
        let broken = FileError::Broken { at: bytes.len() - rest.len() };
        let Some((record, after)) = split_record(rest) else { return Err(broken) };
        saved.push(codec::decode(record, MAX_RECORD_BYTES).map_err(|_| broken)?);
        rest = after;
    }
    Ok(saved)
}

fn split_record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)
}

/// Reads a saved pool; none when there is no file. Blocks on the disk.
pub(super) fn load(path: &Path, genesis_id: &BlockId, max: u64) -> Result<Vec<Saved>, FileError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let got = file.metadata()?.len();
    if got > max {
        return Err(FileError::TooLong { got, max });
    }
    let mut bytes = Vec::new();
    // Bounded once more: the file may have grown since.
    file.take(max).read_to_end(&mut bytes)?;
    decode(genesis_id, &bytes)
}

/// Writes a saved pool under a temporary name, syncs it, and puts it in place. Blocks on the disk.
pub(super) fn save(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    // The new name survives a power cut only once the folder is synced.
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_ledger::testing::{easy_network, key, payment};

    fn saved(count: u64) -> (BlockId, Vec<Saved>) {
        let spec = easy_network();
        let record = |nonce| Saved {
            added: Timestamp::from_millis(1_000 + nonce),
            transaction: payment(&spec, &key(1), nonce, key(2).address(), 5, 500),
        };
        (spec.genesis_id(), (0..count).map(record).collect())
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let (genesis_id, saved) = saved(3);
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("mempool.bin");
        assert!(load(&path, &genesis_id, 10_000).expect("no file is an empty pool").is_empty());
        save(&path, &encode(&genesis_id, &saved)).expect("a writable folder");
        assert_eq!(load(&path, &genesis_id, 10_000).expect("a saved pool"), saved);
        save(&path, &encode(&genesis_id, &saved[..1])).expect("a writable folder");
        assert_eq!(load(&path, &genesis_id, 10_000).expect("a saved pool"), saved[..1], "replaced");
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1, "no temporary file stays");
        let refused = load(&path, &genesis_id, 100);
        assert!(matches!(refused, Err(FileError::TooLong { max: 100, .. })));
    }

    #[test]
    fn the_largest_file_is_what_a_full_pool_writes() {
        let (genesis_id, saved) = saved(7);
        let bytes = saved.iter().map(|record| record.transaction.size()).sum();
        assert_eq!(encode(&genesis_id, &saved).len() as u64, max_file_bytes(7, bytes));
    }

    #[test]
    fn a_broken_file_is_refused_and_never_panics() {
        let (genesis_id, saved) = saved(2);
        let bytes = encode(&genesis_id, &saved);
        let boundary = (bytes.len() - 40) / 2 + 40;
        for end in 0..bytes.len() {
            let whole = end == 40 || end == boundary;
            assert_eq!(decode(&genesis_id, &bytes[..end]).is_ok(), whole, "cut at {end}");
        }
        let other = BlockId::from_bytes([1; 32]);
        assert!(matches!(decode(&other, &bytes), Err(FileError::OtherNetwork { .. })));
        let mut bomb = bytes[..40].to_vec();
        bomb.extend_from_slice(&u32::MAX.to_le_bytes());
        assert!(matches!(decode(&genesis_id, &bomb), Err(FileError::Broken { at: 40 })));
    }
}
