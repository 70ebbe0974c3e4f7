//! What was seen lately, and no more than that.

use std::{
    collections::{HashSet, VecDeque},
    hash::Hash,
};

/// A set that forgets its oldest members.
#[derive(Debug)]
pub(crate) struct Recent<T> {
    members: HashSet<T>,
    order: VecDeque<T>,
    max: usize,
}

impl<T: Copy + Eq + Hash> Recent<T> {
    /// A set of at most `max`.
    pub(crate) fn new(max: usize) -> Self {
        Self { members: HashSet::new(), order: VecDeque::new(), max }
    }

    /// Adds a member; `false` when it was one.
    pub(crate) fn insert(&mut self, member: T) -> bool {
        if !self.members.insert(member) {
            return false;
        }
        self.order.push_back(member);
        if self.order.len() > self.max
            && let Some(oldest) = self.order.pop_front()
        {
            self.members.remove(&oldest);
        }
        true
    }

    /// Whether it was seen lately.
    pub(crate) fn contains(&self, member: &T) -> bool {
        self.members.contains(member)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten() {
        let mut recent = Recent::new(2);
        assert!(recent.insert(1) && recent.insert(2) && !recent.insert(1));
        assert!(recent.insert(3));
        assert!(!recent.contains(&1) && recent.contains(&2) && recent.contains(&3));
        assert_eq!((recent.members.len(), recent.order.len()), (2, 2));
    }
}
