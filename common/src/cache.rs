//! A cache with two bounds, the number of its entries and their weight; the oldest make room (first in, first out).

use hashlink::LinkedHashMap;
use std::hash::{Hash, RandomState};

/// What was seen last, and no more than that. As a set, `V` is `()`.
#[derive(Debug)]
pub struct FifoCache<K, V = ()> {
    entries: LinkedHashMap<K, (V, usize), RandomState>,
    weight: usize,
    max_count: usize,
    max_weight: usize,
}

impl<K: Eq + Hash, V> FifoCache<K, V> {
    /// With at most so many entries.
    pub fn new(max_count: usize) -> Self {
        Self::weighted(max_count, usize::MAX)
    }

    /// The same, of at most so much weight together, as of bytes.
    pub fn weighted(max_count: usize, max_weight: usize) -> Self {
        Self { entries: LinkedHashMap::with_hasher(RandomState::new()), weight: 0, max_count, max_weight }
    }

    /// Adds an entry; `false`, and nothing changes, when its key is there.
    pub fn insert(&mut self, key: K, value: V) -> bool {
        self.insert_weighted(key, value, 0)
    }

    /// The same for an entry of this weight. One that is heavier than all may be is not kept.
    pub fn insert_weighted(&mut self, key: K, value: V, weight: usize) -> bool {
        if self.entries.contains_key(&key) {
            return false;
        }
        self.entries.insert(key, (value, weight));
        self.weight = self.weight.saturating_add(weight);
        while (self.entries.len() > self.max_count || self.weight > self.max_weight)
            && let Some((_, (_, weight))) = self.entries.pop_front()
        {
            self.weight -= weight;
        }
        true
    }

    /// The value of a key.
    #[inline]
    pub fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|(value, _)| value)
    }

    /// The value of a key, to be changed.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(key).map(|(value, _)| value)
    }

    /// Whether a key is there.
    pub fn contains(&self, key: &K) -> bool {
        self.entries.contains_key(key)
    }

    /// Takes an entry out.
    #[inline]
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let (value, weight) = self.entries.remove(key)?;
        self.weight -= weight;
        Some(value)
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What they weigh together.
    pub fn weight(&self) -> usize {
        self.weight
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten() {
        let mut recent = FifoCache::new(2);
        assert!(recent.insert(1, ()) && recent.insert(2, ()) && !recent.insert(1, ()));
        assert!(recent.insert(3, ()));
        assert!(!recent.contains(&1) && recent.contains(&2) && recent.contains(&3));
        assert_eq!((recent.len(), recent.remove(&2), recent.remove(&2)), (2, Some(()), None));
        assert!(recent.insert(1, ()) && recent.contains(&3), "what was taken out has left room");
        recent.remove(&1);
        recent.remove(&3);
        assert!(recent.is_empty());
    }

    #[test]
    fn weights_are_bounded_and_counted_once() {
        let mut cache = FifoCache::weighted(10, 100);
        assert!(cache.insert_weighted("a", 1, 40) && cache.insert_weighted("b", 2, 60));
        assert!(!cache.insert_weighted("b", 3, 60));
        assert_eq!((cache.get(&"b"), cache.weight()), (Some(&2), 100));
        assert!(cache.insert_weighted("c", 4, 61), "both make room for it");
        assert_eq!((cache.get(&"a"), cache.get(&"b"), cache.weight()), (None, None, 61));
        if let Some(value) = cache.get_mut(&"c") {
            *value = 5;
        }
        assert_eq!((cache.remove(&"c"), cache.remove(&"c"), cache.weight()), (Some(5), None, 0));
        cache.insert_weighted("d", 6, 101);
        assert!(cache.is_empty(), "it is heavier than all may be");
    }
}
