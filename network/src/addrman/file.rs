//! `peers.bin`: the address book across a restart.
//!
//! Layout: `"cairnab1" ‖ sha256 32 ‖ body`; the checksum is of the genesis id and the body, so a file of
//! another network is as broken as one with a flipped bit. The body is the encoding of the book's secret and
//! its entries. A file that cannot be understood is set aside: a node without a book finds peers anew.

use crate::addrman::book::{AddressBook, Entry, MAX_ENTRIES, Secret};
use crate::{addrman::node_address::NodeAddress, small_file, wire::PeerAddress};
use cairn_ledger::codec::{self, BoundedVec, Decode, DecodeError, Encode};
use cairn_ledger::hash::{BlockId, sha256};
use std::{io, path::Path};

const MAGIC: &[u8; 8] = b"cairnab1";
/// An entry's encoding: address 51, source, three moments of up to 9, failures, two flags.
const ENTRY_BYTES: usize = 51 + 8 + 8 + 9 + 9 + 4 + 2;
const MAX_BODY_BYTES: usize = 16 + 8 + MAX_ENTRIES * ENTRY_BYTES;
const MAX_FILE_BYTES: usize = MAGIC.len() + 32 + MAX_BODY_BYTES;

#[derive(Encode, Decode)]
#[bincode(crate = "cairn_ledger::codec::bincode")]
struct SavedBook {
    secret: Secret,
    entries: BoundedVec<(PeerAddress, Entry), MAX_ENTRIES>,
}

/// Why a saved book is not one.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BookError {
    /// It begins with something else.
    #[error("it is not an address book of this version")]
    NotABook,
    /// It has changed since, or belongs to another network.
    #[error("its checksum does not fit it: it is damaged, or of another network")]
    Checksum,
    /// Its body has another form.
    #[error("its body is no address book: {0}")]
    Body(#[from] DecodeError),
}

/// The bytes of a book.
pub(crate) fn encode(book: &AddressBook, genesis_id: &BlockId) -> Vec<u8> {
    let saved = |(address, entry): (&NodeAddress, &Entry)| Some((address.to_wire()?, entry.clone()));
    let entries = book.entries().filter_map(saved).collect();
    let body =
        codec::encode(&SavedBook { secret: book.secret(), entries: BoundedVec::new(entries).unwrap_or_default() });
    [MAGIC.as_slice(), sha256(&[genesis_id.as_bytes(), &body]).as_bytes(), &body].concat()
}

/// Reads what [`encode`] wrote.
pub(crate) fn decode(bytes: &[u8], genesis_id: &BlockId, allow_private: bool) -> Result<AddressBook, BookError> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(BookError::NotABook)?;
    let (checksum, body) = rest.split_first_chunk::<32>().ok_or(BookError::NotABook)?;
    if sha256(&[genesis_id.as_bytes(), body]).as_bytes() != checksum {
        return Err(BookError::Checksum);
    }
    let SavedBook { secret, entries } = codec::decode(body, MAX_BODY_BYTES)?;
    let restored = |(address, entry)| Some((NodeAddress::from_wire(&address, allow_private)?, entry));
    let entries = entries.into_vec().into_iter().filter_map(restored).collect();
    Ok(AddressBook::restore(secret, allow_private, entries))
}

/// Reads the book, or begins a new one with this secret. Blocks on the disk.
///
/// # Errors
/// A file that is there and cannot be read: not damaged, but out of reach.
pub(crate) fn load(path: &Path, genesis_id: &BlockId, allow_private: bool, secret: Secret) -> io::Result<AddressBook> {
    let lost = "the address book cannot be understood and was set aside; peers are found anew";
    let book = small_file::load(path, MAX_FILE_BYTES, |bytes| decode(bytes, genesis_id, allow_private), lost)?;
    Ok(book.unwrap_or_else(|| AddressBook::new(secret, allow_private)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{addrman::book::Source, addrman::node_address::tests::at};
    use cairn_ledger::units::Timestamp;

    const GENESIS: BlockId = BlockId::from_bytes([3; 32]);

    fn book() -> AddressBook {
        let mut book = AddressBook::new([9; 16], true);
        let now = Timestamp::from_millis(1_700_000_000_000);
        for n in 1..50 {
            book.add(at(n, [n as u8, 2, 3, 4]), Source::Search, now);
        }
        (1..20).for_each(|n| book.reached(at(n, [n as u8, 2, 3, 4]), now));
        book.set_anchors(&[at(3, [3, 2, 3, 4])]);
        book
    }

    fn entries(book: &AddressBook) -> Vec<(NodeAddress, Entry)> {
        book.entries().map(|(address, entry)| (*address, entry.clone())).collect()
    }

    #[test]
    fn what_is_saved_is_loaded() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("peers.bin");
        assert_eq!(load(&path, &GENESIS, true, [1; 16])?.count(), (0, 0));
        small_file::write(&path, &encode(&book(), &GENESIS))?;
        let loaded = load(&path, &GENESIS, true, [1; 16])?;
        assert_eq!((entries(&loaded), loaded.secret()), (entries(&book()), [9; 16]));
        assert_eq!(loaded.anchors(), [at(3, [3, 2, 3, 4])]);
        Ok(())
    }

    #[test]
    fn private_addresses_do_not_come_back_where_they_are_not_allowed() {
        let mut book = book();
        book.add(at(99, [127, 0, 0, 1]), Source::Search, Timestamp::from_millis(5));
        let bytes = encode(&book, &GENESIS);
        let all = decode(&bytes, &GENESIS, true).map(|book| book.entries().count());
        let public = decode(&bytes, &GENESIS, false).map(|book| book.entries().count());
        // Of the hosts 1.2.3.4 to 49.2.3.4 one is private: 10.2.3.4.
        assert_eq!(all.map(|all| all - 2), public);
    }

    #[test]
    fn every_flipped_bit_is_noticed_and_a_broken_book_is_set_aside() -> Result<(), Box<dyn std::error::Error>> {
        let bytes = encode(&book(), &GENESIS);
        assert!(decode(&bytes, &GENESIS, true).is_ok());
        for at in 0..bytes.len() {
            let mut broken = bytes.clone();
            broken[at] ^= 1;
            assert!(decode(&broken, &GENESIS, true).is_err(), "byte {at}");
            assert!(decode(&bytes[..at], &GENESIS, true).is_err(), "cut at {at}");
        }
        assert_eq!(decode(&bytes, &BlockId::ZERO, true).err(), Some(BookError::Checksum));
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("peers.bin");
        small_file::write(&path, &bytes[1..])?;
        assert_eq!(load(&path, &GENESIS, true, [1; 16])?.count(), (0, 0));
        assert!(!path.exists() && folder.path().join("peers.bin.broken").exists());
        Ok(())
    }

    #[test]
    fn a_full_book_fits_its_file() {
        let mut book = AddressBook::new([9; 16], true);
        let now = Timestamp::from_millis(u64::MAX);
        for n in 0..60_000_u64 {
            book.reached(at(n % 97, [(n >> 16) as u8 + 20, (n >> 8) as u8, n as u8, 7]), now);
        }
        book.set_anchors(&[]);
        let bytes = encode(&book, &GENESIS);
        assert!(bytes.len() > MAGIC.len() + 32 + 1_000 * ENTRY_BYTES && bytes.len() <= MAX_FILE_BYTES);
        assert_eq!((bytes.len() - MAGIC.len() - 32 - 16 - 8) % ENTRY_BYTES, 0, "an entry has the size it should");
    }
}
