//! Which of two chains to follow.

use crate::pow::Work;

/// What to do about a chain that competes with the one followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Stay.
    Keep,
    /// Follow the other.
    Switch,
}

/// Most total work wins; a tie stays with the first seen, so that an attacker who publishes late gains
/// nothing by matching.
pub fn choose(current: Work, candidate: Work) -> Choice {
    if candidate > current { Choice::Switch } else { Choice::Keep }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_work_wins_and_ties_stay() {
        let work = Work::from_u64;
        assert_eq!(choose(work(5), work(6)), Choice::Switch);
        assert_eq!(choose(work(5), work(5)), Choice::Keep);
        assert_eq!(choose(work(5), work(4)), Choice::Keep);
    }
}
