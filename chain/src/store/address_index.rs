//! The index of addresses as it is stored: which blocks touched an account, and up to which height that is known.

use super::schema::{Meta, MetaKey, MetaRecord, TouchByAccount, TouchKey};
use super::{Batch, ChainStore, StoreError};
use cairn_ledger::Height;

impl ChainStore {
    /// The height up to which the index of addresses is built; `None` while it is off.
    ///
    /// # Errors
    /// A failing or corrupt database.
    pub fn indexed(&self) -> Result<Option<Height>, StoreError> {
        Ok(match self.db.get::<Meta>(&MetaKey::AddressIndex)? {
            Some(MetaRecord::AddressIndex(height)) => Some(height),
            _ => None,
        })
    }

    /// Whether this touch is in the index.
    ///
    /// # Errors
    /// A failing database.
    pub fn has_touch(&self, key: &TouchKey) -> Result<bool, StoreError> {
        self.db.contains::<TouchByAccount>(key)
    }

    /// The touches of `from`'s account before it by blocks that were not pruned, the last first.
    pub fn touches_before(&self, from: &TouchKey) -> impl Iterator<Item = Result<TouchKey, StoreError>> {
        let touches = self.db.below::<TouchByAccount>(from).map(|entry| entry.and_then(|(key, ())| touch_key(&key)));
        let is_of = |touch: &TouchKey| touch.account == from.account && self.is_whole(touch.height);
        touches.take_while(move |touch| touch.as_ref().map_or(true, is_of))
    }

    /// All touches by blocks that were not pruned, account by account.
    pub fn touches(&self) -> impl Iterator<Item = Result<TouchKey, StoreError>> {
        let touches = self.db.entries::<TouchByAccount>().map(|entry| entry.and_then(|(key, ())| touch_key(&key)));
        touches.filter(|touch| touch.as_ref().map_or(true, |touch| self.is_whole(touch.height)))
    }
}

/// Notes how far the index of addresses is built.
pub(crate) fn put_indexed(batch: &mut Batch<'_>, height: Height) {
    batch.put::<Meta>(&MetaKey::AddressIndex, &MetaRecord::AddressIndex(height));
}

/// Removes the index of addresses as a whole, and what says that it is on.
pub(crate) fn drop_index(batch: &mut Batch<'_>) {
    batch.clear::<TouchByAccount>();
    batch.delete::<Meta>(&MetaKey::AddressIndex);
}

/// Reads the key of a touch.
pub(super) fn touch_key(key: &[u8]) -> Result<TouchKey, StoreError> {
    let corrupt = || StoreError::corrupt::<TouchByAccount>(hex::encode(key));
    let (account, rest) = key.split_first_chunk().ok_or_else(corrupt)?;
    let (height, place) = rest.split_first_chunk().ok_or_else(corrupt)?;
    Ok(TouchKey {
        account: u64::from_be_bytes(*account),
        height: Height::new(u64::from_be_bytes(*height)),
        place: u32::from_be_bytes(place.try_into().map_err(|_| corrupt())?),
    })
}
