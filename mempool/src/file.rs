//! `mempool.bin`: the pool across a restart.
//!
//! Layout: `"cairnmp1" ‖ genesis_id 32 ‖ (length u32 ‖ record)*`, a record being the encoding of the moment
//! the transaction came (u64, Unix ms) and the transaction. What is read is not trusted: every transaction
//! goes through the same door as one from a peer. Of a file that was cut or damaged every whole record is kept.

use cairn_ledger::codec::{self, Decode, Encode};
use cairn_ledger::{BlockId, Timestamp, Transaction, transaction::MAX_TRANSACTION_BYTES};
use std::io::{self, Read};
use std::{fs::File, path::Path};

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
}

/// What was found in a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Loaded {
    /// The records that are whole.
    pub saved: Vec<Saved>,
    /// What is no record, or more than is read, in bytes: where it begins first, and how much of it there is.
    pub lost: Option<Lost>,
}

/// A part of a file that gave no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lost {
    /// Where the first such byte is.
    pub at: u64,
    /// How many there are.
    pub bytes: u64,
}

impl Loaded {
    fn lose(&mut self, at: u64, bytes: u64) {
        if bytes > 0 {
            self.lost.get_or_insert(Lost { at, bytes: 0 }).bytes += bytes;
        }
    }
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

/// Reads what [`encode`] wrote, as far as it is whole. A record that is damaged is passed over; where its length is,
/// too, nobody can say where the next begins.
pub(super) fn decode(genesis_id: &BlockId, bytes: &[u8]) -> Result<Loaded, FileError> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(FileError::NotAPool)?;
    let (network, mut rest) = rest.split_first_chunk::<32>().ok_or(FileError::NotAPool)?;
    let got = BlockId::from_bytes(*network);
    if got != *genesis_id {
        return Err(FileError::OtherNetwork { got, expected: *genesis_id });
    }
    let mut loaded = Loaded::default();
    while !rest.is_empty() {
        let at = (bytes.len() - rest.len()) as u64;
        let Some((record, after)) = split_record(rest) else {
            loaded.lose(at, rest.len() as u64);
            break;
        };
        match codec::decode(record, MAX_RECORD_BYTES) {
            Ok(saved) => loaded.saved.push(saved),
            Err(_) => loaded.lose(at, (rest.len() - after.len()) as u64),
        }
        rest = after;
    }
    Ok(loaded)
}

fn split_record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok().filter(|length| *length <= MAX_RECORD_BYTES)?;
    rest.split_at_checked(length)
}

/// Reads a saved pool; an empty one when there is no file. What is beyond `max` bytes, as when less is allowed than was
/// when it was saved, is not read. Blocks on the disk.
pub(super) fn load(path: &Path, genesis_id: &BlockId, max: u64) -> Result<Loaded, FileError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Loaded::default()),
        Err(error) => return Err(error.into()),
    };
    let length = file.metadata()?.len();
    let mut bytes = Vec::new();
    file.take(max).read_to_end(&mut bytes)?;
    let mut loaded = decode(genesis_id, &bytes)?;
    loaded.lose(max, length.saturating_sub(max));
    Ok(loaded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_host::files;
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
        let read = |max| load(&path, &genesis_id, max).expect("a saved pool");
        assert_eq!(read(10_000), Loaded::default(), "no file is an empty pool");
        files::save(&path, &encode(&genesis_id, &saved)).expect("a writable folder");
        assert_eq!(read(10_000), Loaded { saved: saved.clone(), lost: None });
        let length = std::fs::metadata(&path).expect("a file").len();
        let part = read(length - 1);
        assert_eq!((part.saved.as_slice(), part.lost.map(|lost| lost.bytes > 1)), (&saved[..2], Some(true)));
        files::save(&path, &encode(&genesis_id, &saved[..1])).expect("a writable folder");
        assert_eq!(read(10_000).saved, saved[..1], "replaced");
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1, "no temporary file stays");
    }

    #[test]
    fn the_largest_file_is_what_a_full_pool_writes() {
        let (genesis_id, saved) = saved(7);
        let bytes = saved.iter().map(|record| record.transaction.size()).sum();
        assert_eq!(encode(&genesis_id, &saved).len() as u64, max_file_bytes(7, bytes));
    }

    #[test]
    fn of_a_cut_or_damaged_file_every_whole_record_is_kept() {
        let (genesis_id, saved) = saved(3);
        let bytes = encode(&genesis_id, &saved);
        let each = (bytes.len() - 40) / 3;
        for end in 0..bytes.len() {
            let Ok(loaded) = decode(&genesis_id, &bytes[..end]) else {
                assert!(end < 40, "cut at {end}");
                continue;
            };
            let (whole, rest) = ((end - 40) / each, (end - 40) % each);
            assert_eq!(loaded.saved, saved[..whole], "cut at {end}");
            let lost = (rest > 0).then_some(Lost { at: (end - rest) as u64, bytes: rest as u64 });
            assert_eq!(loaded.lost, lost, "cut at {end}");
        }
        // A flipped bit in one record costs that one, if any, and never another.
        for at in 44..40 + each {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x80;
            let loaded = decode(&genesis_id, &damaged).expect("a pool");
            assert!(loaded.saved.ends_with(&saved[1..]), "flipped at {at}");
        }
        let other = BlockId::from_bytes([1; 32]);
        assert!(matches!(decode(&other, &bytes), Err(FileError::OtherNetwork { .. })));
        let mut bomb = bytes[..40].to_vec();
        bomb.extend_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(decode(&genesis_id, &bomb).expect("a pool").lost, Some(Lost { at: 40, bytes: 4 }));
    }
}

#[cfg(test)]
mod fuzz;
