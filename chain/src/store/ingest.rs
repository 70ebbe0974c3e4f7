//! Many entries at once, in order of their keys, as a file of a table that is ready: past the log, and past the memory
//! in which RocksDB would sort them and from which it would write and merge them again.

use super::codec::{KeyCodec, Table, begin_value};
use super::db::Backend;
use super::schema::{AccountByIndex, AddressLink, IndexByAddress, LinkByIndex};
use super::{ChainStore, Db, StoreError, memory};
use cairn_ledger::accounts::Leaf;
use cairn_ledger::codec::encode_onto;

impl ChainStore {
    /// Sets leaves from an index on; they are on the disk when this returns, table by table.
    ///
    /// # Errors
    /// A failing database; some may be set then.
    pub(crate) fn ingest_leaves(&self, first: u64, leaves: &[Leaf]) -> Result<(), StoreError> {
        let indexed = || (first..).zip(leaves);
        self.db.ingest::<LinkByIndex>(indexed().map(|(index, leaf)| (index, AddressLink::from(leaf))))?;
        self.db.ingest::<AccountByIndex>(indexed().map(|(index, leaf)| (index, leaf.account)))?;
        let mut places: Vec<_> = indexed().map(|(index, leaf)| (leaf.address, index)).collect();
        places.sort_unstable();
        self.db.ingest::<IndexByAddress>(places)
    }
}

impl Db {
    /// Sets these entries, in order of their keys, none twice: all of them or none, at once on the disk.
    fn ingest<T: Table>(&self, entries: impl IntoIterator<Item = (T::Key, T::Value)>) -> Result<(), StoreError> {
        let mut entries = entries.into_iter().peekable();
        if entries.peek().is_none() {
            return Ok(());
        }
        let mut encoded = Vec::new();
        let mut encode = |value: &T::Value, put: &mut dyn FnMut(&[u8]) -> Result<(), StoreError>| {
            begin_value(&mut encoded);
            encode_onto(&mut encoded, value);
            put(&encoded)
        };
        match self.backend() {
            Backend::Rocks(rocks) => rocks.ingest(T::NAME, |file| {
                entries
                    .try_for_each(|(key, value)| encode(&value, &mut |bytes| file.put(key.to_bytes().as_ref(), bytes)))
            }),
            Backend::Memory(view) => {
                let mut writes = Vec::new();
                for (key, value) in entries {
                    encode(&value, &mut |bytes| {
                        writes.push(memory::Write::put(T::NAME, key.to_bytes().as_ref(), bytes));
                        Ok(())
                    })?;
                }
                view.write(writes, true)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::store::schema::{AccountByIndex, IndexByAddress, LinkByIndex};
    use crate::store::{ChainStore, DbOptions, MemoryDisk};
    use cairn_ledger::accounts::{Account, Leaf};
    use cairn_ledger::testing::easy_network;
    use cairn_ledger::{Address, Amount};
    use std::{fs, path::PathBuf};

    fn leaf(index: u64, nonce: u64) -> Leaf {
        // Addresses are in another order than indices.
        let address =
            |n: u64| Address::from_bytes([n.wrapping_mul(97).to_be_bytes(); 4].concat().try_into().expect("32 bytes"));
        let account = Account { balance: Amount::from_pebbles(index).expect("little"), nonce };
        Leaf { address: address(index), next: address(index + 1), account }
    }

    /// A crash between the two leaves the file with both of its names.
    #[test]
    fn a_file_that_the_database_has_already_is_not_written_over() {
        let (spec, directory) = (easy_network(), tempfile::tempdir().expect("a directory"));
        let store = ChainStore::open(directory.path(), &spec, DbOptions::default()).expect("a store");
        let first = store.account_count().expect("block 0");
        store.ingest_leaves(first, &[leaf(first, 1)]).expect("a file");
        let is_table = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "sst");
        let files = fs::read_dir(directory.path()).expect("a directory").map(|file| file.expect("a file").path());
        let newest = files.filter(is_table).max().expect("a file of the last table");
        fs::hard_link(newest, directory.path().join("index_by_address.ingest")).expect("a name");
        store.ingest_leaves(first + 1, &[leaf(first + 1, 1)]).expect("another file");
        drop(store);
        let store = ChainStore::open(directory.path(), &spec, DbOptions::default()).expect("a store");
        for index in [first, first + 1] {
            let expected = leaf(index, 1);
            assert_eq!(store.account(&expected.address).expect("a read"), Some((index, expected)));
        }
        assert!(!directory.path().join("index_by_address.ingest").exists());
    }

    /// Again and over one another, as after a crash; what was frozen stays what it was, and a start finds all.
    #[test]
    fn leaves_that_are_ingested_are_those_that_are_read() {
        let (spec, directory) = (easy_network(), tempfile::tempdir().expect("a directory"));
        let open = || ChainStore::open(directory.path(), &spec, DbOptions::default()).expect("a store");
        let memory = ChainStore::open_in_memory(MemoryDisk::default(), &spec).expect("a store");
        for store in [open(), memory] {
            let first = store.account_count().expect("block 0");
            let batch = |from: u64, to: u64, nonce| (from..to).map(|index| leaf(index, nonce)).collect::<Vec<_>>();
            store.ingest_leaves(first, &[]).expect("nothing is nothing to do");
            store.ingest_leaves(first, &batch(first, 500, 1)).expect("a file");
            let frozen = store.frozen();
            store.ingest_leaves(400, &batch(400, 900, 2)).expect("a file over it");
            for index in first..900 {
                let expected = leaf(index, if index < 400 { 1 } else { 2 });
                assert_eq!(store.account(&expected.address).expect("a read"), Some((index, expected)));
                let then = (index < 500).then(|| (index, leaf(index, 1)));
                assert_eq!(frozen.account(&expected.address).expect("a read"), then);
            }
            assert_eq!(store.leaves_at(first..900).expect("a read").len() as u64, 900 - first);
            let counts = [
                store.db.entries::<LinkByIndex>().count(),
                store.db.entries::<AccountByIndex>().count(),
                store.db.entries::<IndexByAddress>().count(),
            ];
            assert_eq!(counts.map(|count| count as u64), [900; 3]);
        }
        // Nothing of it waits in the log.
        assert_eq!(open().account(&leaf(899, 2).address).expect("a read"), Some((899, leaf(899, 2))));
    }
}
