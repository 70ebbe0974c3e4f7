//! Keys that were lifted before.

use crate::keys::Address;
use alloc::{boxed::Box, vec};
use cairn_kernels::secp256k1::Point;

/// A bounded table from x-only keys to their points. Lifting a key takes a fifth of the time for its
/// signature in a large batch, and senders come back.
///
/// A key has one place, given by its own bytes, and the last key to come to a place holds it. So the table
/// never grows beyond its capacity and has nothing to tidy; whoever makes keys for the place of another costs
/// that one a lifting, and nothing more. Only keys on the curve are kept, and a place answers for the
/// whole 32 bytes: what the table holds has no influence on what verifies.
#[derive(Clone, Debug)]
pub struct KeyCache {
    places: Box<[Option<(Address, Point)>]>,
}

impl KeyCache {
    /// A table for at most `capacity` keys, of about 100 bytes each. With 0 it remembers nothing.
    pub fn new(capacity: usize) -> Self {
        Self { places: vec![None; capacity].into_boxed_slice() }
    }

    /// The point of a key, if it is here.
    pub(super) fn get(&self, key: &Address) -> Option<Point> {
        let (held, point) = self.places.get(self.place(key)?)?.as_ref()?;
        (held == key).then_some(*point)
    }

    /// Keeps the point of a key in the place of whichever key was there.
    pub(super) fn insert(&mut self, key: &Address, point: Point) {
        let place = self.place(key).and_then(|place| self.places.get_mut(place));
        if let Some(place) = place {
            *place = Some((*key, point));
        }
    }

    /// The last eight bytes of a key are as good as random for honest keys.
    fn place(&self, key: &Address) -> Option<usize> {
        let number = u64::from_le_bytes(*key.as_bytes().last_chunk()?);
        usize::try_from(number.checked_rem(u64::try_from(self.places.len()).ok()?)?).ok()
    }
}
