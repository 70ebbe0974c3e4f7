//! The only way to write.

use super::{
    StoreError,
    codec::{self, Table},
    db::{Db, RawBatch},
};

/// What a power cut may take with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Nothing: the batch is on the disk when the write returns.
    Synced,
    /// The last batches, each as a whole: for times when they can be made again.
    Buffered,
}

/// Writes that happen all together or not at all.
#[must_use = "a batch does nothing until it is written"]
pub struct Batch<'db> {
    db: &'db Db,
    raw: RawBatch,
    /// Where values are encoded, one after the other.
    value: Vec<u8>,
}

impl<'db> Batch<'db> {
    /// An empty batch with room for so many bytes: one that grows is copied again and again.
    pub fn new(db: &'db Db, bytes: usize) -> Self {
        Self { db, raw: RawBatch::new(bytes), value: Vec::new() }
    }

    /// Sets the value under `key`.
    pub fn put<T: Table>(&mut self, key: &T::Key, value: &T::Value) {
        self.put_encoded::<T>(key, |bytes| cairn_ledger::codec::encode_onto(bytes, value));
    }

    /// Sets the value under `key` to one whose encoding `append` appends.
    pub fn put_encoded<T: Table>(&mut self, key: &T::Key, append: impl FnOnce(&mut Vec<u8>)) {
        codec::begin_value(&mut self.value);
        append(&mut self.value);
        self.db.put::<T>(&mut self.raw, key, &self.value);
    }

    /// Removes the value under `key`.
    pub fn delete<T: Table>(&mut self, key: &T::Key) {
        self.db.delete::<T>(&mut self.raw, key);
    }

    /// Removes everything in a table; what is put after this stays.
    pub fn clear<T: Table>(&mut self) {
        self.db.clear::<T>(&mut self.raw);
    }

    /// Writes it.
    ///
    /// # Errors
    /// A failing database; then nothing was written.
    pub fn write(self, durability: Durability) -> Result<(), StoreError> {
        self.db.write(self.raw, durability == Durability::Synced)
    }
}
