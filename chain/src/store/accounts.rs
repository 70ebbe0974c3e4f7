//! The accounts at the tip, as the disk has them.

use super::codec::{KeyCodec, Table};
use super::db::Entry;
use super::schema::{
    AccountByIndex, AddressLink, IndexByAddress, LinkByIndex, Meta, MetaKey, MetaRecord, ROOTS_IN_PART, RootsByPart,
    StoredRoots,
};
use super::{Batch, ChainStore, Db, Durability, StoreError};
use cairn_ledger::{Account, Address, Hash, accounts::Leaf, codec::BoundedVec};
use std::{cmp::Ordering, ops::Range};

/// So many leaves are read at once by who reads all.
const AT_ONCE: u64 = 1 << 12;

impl ChainStore {
    /// Sets a leaf.
    pub fn put_leaf(&self, batch: &mut Batch<'_>, index: u64, leaf: &Leaf) {
        batch.put::<IndexByAddress>(&leaf.address, &index);
        batch.put::<LinkByIndex>(&index, &AddressLink::from(leaf));
        batch.put::<AccountByIndex>(&index, &leaf.account);
    }

    /// The leaf of an address, and its index.
    ///
    /// # Errors
    /// A failing or corrupt database.
    pub fn account(&self, address: &Address) -> Result<Option<(u64, Leaf)>, StoreError> {
        // All of one moment: a reorganisation may give the index to another account.
        let moment = self.db.frozen();
        let Some(index) = moment.get::<IndexByAddress>(address)? else { return Ok(None) };
        let link = moment.get::<LinkByIndex>(&index)?.filter(|link| link.address == *address);
        let AddressLink { address, next } = link.ok_or_else(|| StoreError::missing::<LinkByIndex>(index))?;
        let account = moment.get::<AccountByIndex>(&index)?.ok_or_else(|| no_account(index))?;
        Ok(Some((index, Leaf { address, next, account })))
    }

    /// What each of these addresses has, in their order.
    ///
    /// # Errors
    /// A failing or corrupt database.
    pub fn accounts(&self, addresses: &[Address]) -> Result<Vec<Option<Account>>, StoreError> {
        let moment = self.db.frozen();
        let indices = moment.get_each::<IndexByAddress>(addresses)?;
        let known: Vec<u64> = indices.iter().flatten().copied().collect();
        let mut accounts = known.iter().zip(moment.get_each::<AccountByIndex>(&known)?);
        let mut next = || accounts.next().map(|(index, account)| account.ok_or_else(|| no_account(*index))).transpose();
        indices.iter().map(|index| if index.is_some() { next() } else { Ok(None) }).collect()
    }

    /// The index of an address that has an account.
    ///
    /// # Errors
    /// A failing or corrupt database.
    pub fn index_of(&self, address: &Address) -> Result<Option<u64>, StoreError> {
        self.db.get::<IndexByAddress>(address)
    }

    /// The index of each of these addresses that has an account, in their order.
    ///
    /// # Errors
    /// A failing or corrupt database.
    pub fn indices_of(&self, addresses: &[Address]) -> Result<Vec<Option<u64>>, StoreError> {
        self.db.get_each::<IndexByAddress>(addresses)
    }

    /// The accounts with addresses below `address`, from the greatest down, and their indices.
    pub fn indices_below(&self, address: &Address) -> impl Iterator<Item = Result<(Address, u64), StoreError>> {
        self.db.below::<IndexByAddress>(address).map(place_of)
    }

    /// The leaves at these indices.
    ///
    /// # Errors
    /// A failing or corrupt database; also when not all of them are there.
    pub fn leaves_at(&self, indices: Range<u64>) -> Result<Vec<Leaf>, StoreError> {
        let links = self.db.entries_from::<LinkByIndex>(&indices.start);
        let accounts = self.db.entries_from::<AccountByIndex>(&indices.start);
        let mut leaves = Vec::with_capacity(usize::try_from(indices.end.saturating_sub(indices.start)).unwrap_or(0));
        let mut next = indices.start;
        for (index, (link, account)) in indices.clone().zip(links.zip(accounts)) {
            let ((link_key, AddressLink { address, next: after }), (account_key, account)) = (link?, account?);
            if *link_key != index.to_bytes() {
                return Err(StoreError::missing::<LinkByIndex>(index));
            }
            if *account_key != index.to_bytes() {
                return Err(no_account(index));
            }
            leaves.push(Leaf { address, next: after, account });
            next = index.saturating_add(1);
        }
        if next < indices.end { Err(no_account(next)) } else { Ok(leaves) }
    }

    /// What the accounts at these indices have, all of them.
    ///
    /// # Errors
    /// A failing or corrupt database; also when not all of them are there.
    pub(crate) fn accounts_at(&self, indices: Range<u64>) -> Result<Vec<Account>, StoreError> {
        let entries = self.db.entries_from::<AccountByIndex>(&indices.start);
        let mut accounts = Vec::new();
        for (index, entry) in indices.clone().zip(entries) {
            let (key, account) = entry?;
            if *key != index.to_bytes() {
                return Err(no_account(index));
            }
            accounts.push(account);
        }
        let next = indices.start.saturating_add(accounts.len() as u64);
        if next < indices.end { Err(no_account(next)) } else { Ok(accounts) }
    }

    /// What the account at an index has.
    ///
    /// # Errors
    /// A failing or corrupt database.
    pub(crate) fn account_at(&self, index: u64) -> Result<Option<Account>, StoreError> {
        self.db.get::<AccountByIndex>(&index)
    }

    /// Whose accounts there are, in order of creation.
    pub(crate) fn links(&self) -> impl Iterator<Item = Result<(u64, AddressLink), StoreError>> {
        self.db.entries::<LinkByIndex>().map(|entry| {
            let (key, link) = entry?;
            let corrupt = |_| StoreError::corrupt::<LinkByIndex>(hex::encode(&key));
            Ok((u64::from_be_bytes(<[u8; 8]>::try_from(&*key).map_err(corrupt)?), link))
        })
    }

    /// All addresses with an account, ascending, and where it is.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = Result<(Address, u64), StoreError>> {
        self.db.entries::<IndexByAddress>().map(place_of)
    }

    /// How many accounts there are, going by what they have.
    ///
    /// # Errors
    /// A failing or corrupt database.
    pub(crate) fn balance_count(&self) -> Result<u64, StoreError> {
        count_by_index::<AccountByIndex>(&self.db)
    }

    /// How many accounts there are, going by their addresses.
    ///
    /// # Errors
    /// A failing or corrupt database.
    pub(crate) fn link_count(&self) -> Result<u64, StoreError> {
        count_by_index::<LinkByIndex>(&self.db)
    }

    /// How many accounts there are, the sentinel included.
    ///
    /// # Errors
    /// A failing or corrupt database.
    pub fn account_count(&self) -> Result<u64, StoreError> {
        // Both of one moment: a block may create some in between.
        let moment = self.db.frozen();
        let (links, accounts) = (count_by_index::<LinkByIndex>(&moment)?, count_by_index::<AccountByIndex>(&moment)?);
        match links.cmp(&accounts) {
            Ordering::Less => Err(StoreError::missing::<LinkByIndex>(links)),
            Ordering::Equal => Ok(accounts),
            Ordering::Greater => Err(no_account(accounts)),
        }
    }

    /// The address of the account at `index`.
    ///
    /// # Errors
    /// A failing or corrupt database.
    pub fn address_at(&self, index: u64) -> Result<Option<Address>, StoreError> {
        Ok(self.db.get::<LinkByIndex>(&index)?.map(|link| link.address))
    }

    /// All leaves, in order of creation, some at a time.
    ///
    /// # Errors
    /// A failing or corrupt database.
    pub fn leaves(&self) -> Result<impl Iterator<Item = Result<Vec<Leaf>, StoreError>>, StoreError> {
        let count = self.account_count()?;
        let parts = (0..count).step_by(AT_ONCE as usize);
        Ok(parts.map(move |first| self.leaves_at(first..count.min(first.saturating_add(AT_ONCE)))))
    }

    /// Of what the roots of buckets are that are stored, if they are.
    ///
    /// # Errors
    /// A failing or corrupt database.
    pub fn stored_roots(&self) -> Result<Option<StoredRoots>, StoreError> {
        Ok(match self.db.get::<Meta>(&MetaKey::Roots)? {
            Some(MetaRecord::Roots(stored)) => Some(stored),
            _ => None,
        })
    }

    /// All roots of buckets that are stored, in order; behind them may be some of a state that had more.
    ///
    /// # Errors
    /// A failing or corrupt database.
    pub fn bucket_roots(&self) -> Result<Vec<Hash>, StoreError> {
        let mut roots = Vec::new();
        for entry in self.db.entries::<RootsByPart>() {
            roots.extend(entry?.1.into_vec());
        }
        Ok(roots)
    }

    /// Stores the roots of buckets. It takes many batches: until the last of them nothing says that they are there.
    ///
    /// # Errors
    /// A failing database.
    pub fn put_roots(&self, stored: StoredRoots, roots: &[Hash]) -> Result<(), StoreError> {
        let mut batch = self.batch(0);
        batch.delete::<Meta>(&MetaKey::Roots);
        batch.write(Durability::Buffered)?;
        for (part, roots) in (0..).zip(roots.chunks(ROOTS_IN_PART)) {
            let mut batch = self.batch(0);
            batch.put::<RootsByPart>(&part, &BoundedVec::new(roots.to_vec()).unwrap_or_default());
            batch.write(Durability::Buffered)?;
        }
        let mut batch = self.batch(0);
        batch.put::<Meta>(&MetaKey::Roots, &MetaRecord::Roots(stored));
        batch.write(Durability::Buffered)
    }

    /// How many addresses have an index.
    ///
    /// # Errors
    /// A failing database.
    pub fn address_count(&self) -> Result<u64, StoreError> {
        self.db.entries::<IndexByAddress>().try_fold(0, |count, entry| entry.map(|_| count + 1))
    }
}

/// An address, and where its account is.
fn place_of(entry: Result<Entry<u64>, StoreError>) -> Result<(Address, u64), StoreError> {
    let (key, index) = entry?;
    let corrupt = |_| StoreError::corrupt::<IndexByAddress>(hex::encode(&key));
    Ok((Address::from_bytes(<[u8; 32]>::try_from(&*key).map_err(corrupt)?), index))
}

/// How many entries a table has whose keys are all numbers up to some.
fn count_by_index<T: Table<Key = u64>>(db: &Db) -> Result<u64, StoreError> {
    let Some(key) = db.last_key::<T>()? else { return Ok(0) };
    let corrupt = |_| StoreError::corrupt::<T>(hex::encode(&key));
    Ok(<[u8; 8]>::try_from(&*key).map(u64::from_be_bytes).map_err(corrupt)?.saturating_add(1))
}

fn no_account(index: u64) -> StoreError {
    StoreError::missing::<AccountByIndex>(index)
}
