//! Databases of earlier formats, brought forward.
//!
//! # Format 1 → 2
//! `undo_by_id` alone: an [`UndoRecord`] names each leaf in full, [`UndoLeaves`] knows it by its index. Records are
//! rewritten in batches in the order of their keys, each batch together with how far it came, so that a run which was
//! killed goes on where it stopped, and no record is ever taken for one of the other format.
//!
//! # Format 2 → 3
//! `account_by_address` said where an account is and what it has; the latter is in `account_by_index` now. A record's length
//! tells which of both it is, so a run that was killed is simply repeated.

use super::{
    Batch, Db, DbOptions, Durability, StoreError,
    codec::Table,
    schema::{
        AccountByAddress, AccountByIndex, AccountPlace, FORMAT, Meta, MetaKey, MetaRecord, UndoById, UndoLeaf,
        UndoLeaves,
    },
};
use cairn_ledger::{
    accounts::{Account, UndoRecord},
    codec::{self, BoundedVec},
    hash::BlockId,
    keys::Address,
};
use std::path::Path;

/// Records written together.
const BATCH: usize = 1_000;

/// An account in `account_by_address` of format 2: where it is, and what it has.
type OldAccount = ((u64, Address), Account);

/// Brings the database in `path` to the format of this program; whether there was anything to do. `show` sees how many
/// of how many records are done.
///
/// # Errors
/// A later format, or a failing database.
pub fn bring_forward(path: &Path, options: DbOptions, show: &mut dyn FnMut(u64, u64)) -> Result<bool, StoreError> {
    let db = Db::open(path, options)?;
    let Some(MetaRecord::Identity { format, genesis_id }) = db.get::<Meta>(&MetaKey::Identity)? else {
        // What is not one yet is made in this program's format.
        return Ok(false);
    };
    match format {
        FORMAT => return Ok(false),
        1 => {
            shorten_undo(&db, show)?;
            split_accounts(&db, show)?;
        }
        2 => split_accounts(&db, show)?,
        got => return Err(StoreError::Format { got, expected: FORMAT }),
    }
    let mut batch = Batch::new(&db, 0);
    batch.put::<Meta>(&MetaKey::Identity, &MetaRecord::Identity { format: FORMAT, genesis_id });
    batch.delete::<Meta>(&MetaKey::Migrated);
    batch.write(Durability::Synced)?;
    db.flush()?;
    Ok(true)
}

/// Rewrites the undo records that are not rewritten yet.
fn shorten_undo(db: &Db, show: &mut dyn FnMut(u64, u64)) -> Result<(), StoreError> {
    let total = entries::<UndoById>(db)?;
    let after = match db.get::<Meta>(&MetaKey::Migrated)? {
        Some(MetaRecord::Migrated(id)) => Some(id),
        _ => None,
    };
    let (mut done, mut batch, mut waiting) = (0, Batch::new(db, 0), 0);
    for entry in db.encoded_after::<UndoById>(after.as_ref()) {
        let (key, encoded) = entry?;
        let corrupt = || StoreError::Corrupt { table: UndoById::NAME, key: hex::encode(&key) };
        let id = BlockId::from_bytes(<[u8; 32]>::try_from(&*key).map_err(|_| corrupt())?);
        let old: UndoRecord = codec::decode(&encoded, codec::MAX_INPUT_BYTES).map_err(|_| corrupt())?;
        batch.put::<UndoById>(&id, &shortened(&old));
        (done, waiting) = (done + 1, waiting + 1);
        if waiting == BATCH {
            batch.put::<Meta>(&MetaKey::Migrated, &MetaRecord::Migrated(id));
            std::mem::replace(&mut batch, Batch::new(db, 0)).write(Durability::Synced)?;
            waiting = 0;
            show(done, total.max(done));
        }
    }
    // The last ones, too, together with how far they came: whatever comes between this and the new format's record, none
    // is done twice.
    let last = db.last_key::<UndoById>()?;
    if let Some(id) = last.and_then(|key| <[u8; 32]>::try_from(&*key).ok()).map(BlockId::from_bytes) {
        batch.put::<Meta>(&MetaKey::Migrated, &MetaRecord::Migrated(id));
    }
    batch.write(Durability::Synced)?;
    show(done, done);
    Ok(())
}

/// Puts what accounts have into a table of its own.
fn split_accounts(db: &Db, show: &mut dyn FnMut(u64, u64)) -> Result<(), StoreError> {
    let total = entries::<AccountByAddress>(db)?;
    let (mut done, mut batch) = (0, Batch::new(db, 0));
    for entry in db.encoded_after::<AccountByAddress>(None) {
        let (key, encoded) = entry?;
        let corrupt = || StoreError::Corrupt { table: AccountByAddress::NAME, key: hex::encode(&key) };
        let address = Address::from_bytes(<[u8; 32]>::try_from(&*key).map_err(|_| corrupt())?);
        match codec::decode::<OldAccount>(&encoded, codec::MAX_INPUT_BYTES) {
            Ok(((index, next), account)) => {
                batch.put::<AccountByAddress>(&address, &AccountPlace { index, next });
                batch.put::<AccountByIndex>(&index, &account);
            }
            // Done by a run that was killed.
            Err(_) if codec::decode::<AccountPlace>(&encoded, codec::MAX_INPUT_BYTES).is_ok() => {}
            Err(_) => return Err(corrupt()),
        }
        done += 1;
        if done % BATCH as u64 == 0 {
            // The record of the new format is synced, and with it all that was written before.
            std::mem::replace(&mut batch, Batch::new(db, 0)).write(Durability::Buffered)?;
            show(done, total.max(done + 1));
        }
    }
    batch.write(Durability::Buffered)?;
    show(done, done);
    Ok(())
}

/// About how many entries a table has.
fn entries<T: Table>(db: &Db) -> Result<u64, StoreError> {
    Ok(db.usage()?.tables.iter().find(|table| table.name == T::NAME).map_or(0, |table| table.entries))
}

/// The same in the form of format 2. A leaf's next address is given whether or not it changed: what it was is right.
fn shortened(old: &UndoRecord) -> UndoLeaves {
    let leaf = |(index, leaf): &(u64, cairn_ledger::accounts::Leaf)| UndoLeaf {
        index: *index,
        account: leaf.account,
        next: Some(leaf.next),
    };
    let leaves = BoundedVec::new(old.leaves.iter().map(leaf).collect());
    UndoLeaves { count: old.count, leaves: leaves.expect("as many as there were, within the same bound") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{ChainStore, schema::AddressByIndex};
    use cairn_ledger::{
        accounts::Leaf,
        testing::{arbitrary_hash, easy_network, pebbles},
    };

    fn id(n: u64) -> BlockId {
        BlockId::from_bytes(*arbitrary_hash(n).as_bytes())
    }

    fn address(n: u64) -> Address {
        Address::from_bytes(*arbitrary_hash(1_000 + n).as_bytes())
    }

    /// An undo record as format 1 has it.
    fn old(n: u64) -> UndoRecord {
        let account = Account { balance: pebbles(n), nonce: n };
        let leaf = Leaf { address: address(n), next: address(n + 1), account };
        UndoRecord { count: n, leaves: BoundedVec::new(vec![(n, leaf)]).expect("one") }
    }

    fn set_format(db: &Db, format: u32) {
        let mut batch = Batch::new(db, 0);
        let genesis_id = easy_network().genesis_id();
        batch.put::<Meta>(&MetaKey::Identity, &MetaRecord::Identity { format, genesis_id });
        batch.write(Durability::Synced).expect("written");
    }

    /// The accounts of [`format_2`].
    fn leaf(n: u64) -> Leaf {
        Leaf { address: address(n), next: address(n + 1), account: Account { balance: pebbles(n), nonce: n } }
    }

    /// A database of format 2, without the table that it did not have, with so many accounts besides those of block 0.
    fn format_2(path: &Path, accounts: u64) {
        let store = ChainStore::open(path, &easy_network(), DbOptions::default()).expect("a store");
        let first = store.account_count().expect("a count");
        let genesis: Vec<_> = store.leaves().expect("leaves").collect::<Result<_, _>>().expect("leaves");
        drop(store);
        let db = Db::open(path, DbOptions::default()).expect("a database");
        set_format(&db, 2);
        let mut batch = Batch::new(&db, 0);
        batch.clear::<AccountByIndex>();
        for (index, leaf) in genesis.into_iter().chain((0..accounts).map(|n| (first + n, leaf(n)))) {
            let old: OldAccount = ((index, leaf.next), leaf.account);
            batch.put_encoded::<AccountByAddress>(&leaf.address, |bytes| codec::encode_onto(bytes, &old));
            batch.put::<AddressByIndex>(&index, &leaf.address);
        }
        batch.write(Durability::Synced).expect("written");
        db.drop_table::<AccountByIndex>();
    }

    fn has_all_accounts(path: &Path, accounts: u64) {
        let store = ChainStore::open(path, &easy_network(), DbOptions::default()).expect("format 3");
        let first = store.account_count().expect("a count") - accounts;
        for n in 0..accounts {
            assert_eq!(store.account(&address(n)).expect("an account"), Some((first + n, leaf(n))), "{n}");
        }
        assert_eq!(store.leaves().expect("leaves").count() as u64, first + accounts);
    }

    /// A database of format 1 with so many undo records.
    fn format_1(path: &Path, records: u64) {
        format_2(path, 3);
        let db = Db::open(path, DbOptions::default()).expect("a database");
        set_format(&db, 1);
        let mut batch = Batch::new(&db, 0);
        for n in 0..records {
            // A value's version stands before the encoding in both formats.
            batch.put_encoded::<UndoById>(&id(n), |bytes| codec::encode_onto(bytes, &old(n)));
        }
        batch.write(Durability::Synced).expect("written");
    }

    fn bring(path: &Path) -> Result<bool, StoreError> {
        bring_forward(path, DbOptions::default(), &mut |_, _| {})
    }

    fn has_all(path: &Path, records: u64) {
        let store = ChainStore::open(path, &easy_network(), DbOptions::default()).expect("format 3");
        for n in 0..records {
            assert_eq!(store.undo(&id(n)).expect("a record"), shortened(&old(n)), "{n}");
        }
        drop(store);
        has_all_accounts(path, 3);
    }

    #[test]
    fn a_database_of_format_2_is_brought_forward() {
        let directory = tempfile::tempdir().expect("a directory");
        format_2(directory.path(), 2_500);
        let open = [ChainStore::open, ChainStore::open_read_only];
        for refused in open.map(|open| open(directory.path(), &easy_network(), DbOptions::default()).map(drop)) {
            let refused = refused.expect_err("format 2").to_string();
            assert!(refused.contains("has format 2") && refused.contains("db migrate"), "{refused}");
            assert!(Db::lacks_tables(directory.path()), "whoever is refused changes nothing");
        }
        let damaged = ChainStore::open_damaged(directory.path(), &easy_network(), DbOptions::default());
        let damaged = damaged.expect("blocks can be saved from it");
        let genesis = easy_network().genesis_id();
        assert!(damaged.block(&genesis).expect("a block").is_some() && damaged.tip().expect("a tip") == genesis);
        drop(damaged);
        assert!(bring(directory.path()).expect("brought forward"));
        has_all_accounts(directory.path(), 2_500);
        assert!(!bring(directory.path()).expect("nothing to do"));
    }

    #[test]
    fn accounts_of_a_run_that_was_killed_are_not_taken_for_others() {
        let directory = tempfile::tempdir().expect("a directory");
        format_2(directory.path(), 50);
        {
            // What a kill after a batch leaves: some are done, and the format is the old one.
            let db = Db::open(directory.path(), DbOptions::default()).expect("a database");
            let first = u64::from_be_bytes(
                *db.last_key::<AddressByIndex>().expect("a key").expect("one").as_array().expect("8 bytes"),
            ) - 49;
            let mut batch = Batch::new(&db, 0);
            for n in (0..50).filter(|n| n % 3 == 0) {
                batch.put::<AccountByAddress>(&address(n), &AccountPlace::new(first + n, &leaf(n)));
                batch.put::<AccountByIndex>(&(first + n), &leaf(n).account);
            }
            batch.write(Durability::Synced).expect("written");
        }
        assert!(bring(directory.path()).expect("brought forward"));
        has_all_accounts(directory.path(), 50);
    }

    #[test]
    fn a_database_of_format_1_is_brought_forward_and_one_of_this_format_is_left_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        format_1(directory.path(), 2_500);
        let refused = ChainStore::open(directory.path(), &easy_network(), DbOptions::default()).map(drop);
        let refused = refused.expect_err("format 1").to_string();
        assert!(refused.contains("has format 1") && refused.contains("db migrate"), "{refused}");
        let mut shown = Vec::new();
        let moved = bring_forward(directory.path(), DbOptions::default(), &mut |done, total| shown.push((done, total)));
        assert!(moved.expect("brought forward"));
        assert!(shown.contains(&(2_500, 2_500)), "{shown:?}");
        has_all(directory.path(), 2_500);
        assert!(!bring(directory.path()).expect("nothing to do"));
        has_all(directory.path(), 2_500);
    }

    #[test]
    fn one_that_was_killed_on_the_way_goes_on_where_it_stopped() {
        let directory = tempfile::tempdir().expect("a directory");
        format_1(directory.path(), 50);
        let mut keys: Vec<_> = (0..50).map(|n| (id(n), n)).collect();
        keys.sort_unstable();
        {
            // What a kill after a batch leaves: some done, and how far.
            let db = Db::open(directory.path(), DbOptions::default()).expect("a database");
            let mut batch = Batch::new(&db, 0);
            for (id, n) in &keys[..20] {
                batch.put::<UndoById>(id, &shortened(&old(*n)));
            }
            batch.put::<Meta>(&MetaKey::Migrated, &MetaRecord::Migrated(keys[19].0));
            batch.write(Durability::Synced).expect("written");
        }
        assert!(bring(directory.path()).expect("brought forward"));
        has_all(directory.path(), 50);
    }

    #[test]
    fn an_older_program_refuses_a_newer_database_and_leaves_it_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        drop(ChainStore::open(directory.path(), &easy_network(), DbOptions::default()).expect("a store"));
        set_format(&Db::open(directory.path(), DbOptions::default()).expect("a database"), FORMAT + 1);
        for refused in [
            ChainStore::open(directory.path(), &easy_network(), DbOptions::default()).map(drop),
            ChainStore::open_read_only(directory.path(), &easy_network(), DbOptions::default()).map(drop),
            bring(directory.path()).map(drop),
        ] {
            let refused = refused.expect_err("a later format").to_string();
            assert!(refused.contains("a later version of cairn-node wrote it"), "{refused}");
        }
        // The control: with the format it was made in, it is as it was.
        set_format(&Db::open(directory.path(), DbOptions::default()).expect("a database"), FORMAT);
        ChainStore::open(directory.path(), &easy_network(), DbOptions::default()).expect("well");
    }
}
