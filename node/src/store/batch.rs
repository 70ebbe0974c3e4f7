//! The only way to write.

use super::{
    StoreError,
    codec::{Table, encode_value, versioned},
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
}

impl<'db> Batch<'db> {
    /// An empty batch.
    pub fn new(db: &'db Db) -> Self {
        Self { db, raw: db.batch() }
    }

    /// Sets the value under `key`.
    pub fn put<T: Table>(&mut self, key: &T::Key, value: &T::Value) {
        self.db.put::<T>(&mut self.raw, key, &encode_value(value));
    }

    /// Sets the value under `key` to one that is encoded already.
    pub fn put_encoded<T: Table>(&mut self, key: &T::Key, value: &[u8]) {
        self.db.put::<T>(&mut self.raw, key, &versioned(value));
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
