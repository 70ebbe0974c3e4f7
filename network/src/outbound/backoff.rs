//! When to try something again: soon at first, then ever later. Pure.

use std::time::{Duration, Instant};

/// The pause after the first attempt; it doubles with each.
const FIRST: Duration = Duration::from_secs(1);

/// Attempts at one thing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Backoff {
    attempts: u32,
    due: Option<Instant>,
}

impl Backoff {
    /// Whether the next attempt is due; the first always is.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.due.is_none_or(|due| due <= now)
    }

    /// An attempt is made now; the pause after it is `longest` at most.
    pub(crate) fn tried(&mut self, now: Instant, longest: Duration) {
        let pause = FIRST.saturating_mul(1 << self.attempts.min(16)).min(longest);
        (self.attempts, self.due) = (self.attempts.saturating_add(1), Some(now + pause));
    }

    /// Attempts since it last succeeded.
    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// It succeeded: the next pause is the first again.
    pub(crate) fn succeeded(&mut self) {
        self.attempts = 0;
    }

    /// It succeeded: the next attempt is due after so long.
    pub(crate) fn rest(&mut self, now: Instant, pause: Duration) {
        (self.attempts, self.due) = (0, Some(now + pause));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_begin_anew_after_success() {
        let (mut backoff, start) = (Backoff::default(), Instant::now());
        let mut tried = Vec::new();
        for second in 0..100 {
            let now = start + Duration::from_secs(second);
            if backoff.is_due(now) {
                backoff.tried(now, Duration::from_secs(20));
                tried.push(second);
            }
        }
        assert_eq!(tried, [0, 1, 3, 7, 15, 31, 51, 71, 91]);
        backoff.rest(start, Duration::from_secs(5));
        assert!(!backoff.is_due(start + Duration::from_secs(4)) && backoff.is_due(start + Duration::from_secs(5)));
    }
}
