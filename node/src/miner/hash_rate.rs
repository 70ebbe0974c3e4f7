//! The hash rate over the last seconds. Pure: time is an argument.

use std::{collections::VecDeque, time::Duration};

/// What the rate is averaged over.
const WINDOW: Duration = Duration::from_secs(10);

/// Counts of attempts at moments since some start.
#[derive(Debug, Default)]
pub(super) struct HashRate {
    /// Within the window, and the last before it. One is added a second, so they are few.
    samples: VecDeque<(Duration, u64)>,
}

impl HashRate {
    /// Adds the number of all attempts up to `at`.
    pub fn sample(&mut self, at: Duration, attempts: u64) {
        self.samples.push_back((at, attempts));
        while self.samples.get(1).is_some_and(|(second, _)| *second + WINDOW <= at) {
            self.samples.pop_front();
        }
    }

    /// Attempts per second.
    pub fn rate(&self) -> f64 {
        let (Some((start, before)), Some((end, after))) = (self.samples.front(), self.samples.back()) else {
            return 0.0;
        };
        let seconds = end.saturating_sub(*start).as_secs_f64();
        if seconds > 0.0 { after.saturating_sub(*before) as f64 / seconds } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        let mut hash_rate = HashRate::default();
        assert_eq!(hash_rate.rate().to_bits(), 0f64.to_bits());
        for second in 0..=20 {
            hash_rate.sample(Duration::from_secs(second), second * 500);
        }
        assert!((hash_rate.rate() - 500.0).abs() < 1e-9);
        for second in 21..=40 {
            hash_rate.sample(Duration::from_secs(second), 10_000);
        }
        assert!(hash_rate.rate().abs() < 1e-9, "nothing for longer than the window");
        assert_eq!(hash_rate.samples.len(), 11);
    }
}
