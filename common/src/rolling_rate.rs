//! How fast a count rises, over the last moments. Pure: the time is an argument.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Samples of a count.
#[derive(Clone, Debug)]
pub struct RollingRate {
    window: Duration,
    /// Between two samples.
    every: Duration,
    samples: VecDeque<(Instant, u64)>,
}

impl RollingRate {
    /// Looks back over `window`, with a sample each time that `every` has passed.
    pub fn new(window: Duration, every: Duration) -> Self {
        Self { window, every, samples: VecDeque::new() }
    }

    /// Takes a sample, if it is time for one.
    pub fn note(&mut self, now: Instant, count: u64) {
        let since = |at: &Instant| now.saturating_duration_since(*at);
        if self.samples.back().is_some_and(|(at, _)| since(at) < self.every) {
            return;
        }
        self.samples.push_back((now, count));
        // One sample from before the window stays: it says where the window began.
        while self.samples.get(1).is_some_and(|(at, _)| since(at) >= self.window) {
            self.samples.pop_front();
        }
    }

    /// How much it rises in a second; 0 while that is not known, or where it falls.
    pub fn per_second(&self) -> f64 {
        let (Some((began, from)), Some((ended, to))) = (self.samples.front(), self.samples.back()) else { return 0.0 };
        let seconds = ended.saturating_duration_since(*began).as_secs_f64();
        if seconds > 0.0 { to.saturating_sub(*from) as f64 / seconds } else { 0.0 }
    }

    /// How long so many more take at this rate; `None` while nobody can tell.
    pub fn time_for(&self, more: u64) -> Option<Duration> {
        Duration::try_from_secs_f64(more as f64 / self.per_second()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_rate_is_that_of_the_last_moments() {
        let (start, mut rate) = (Instant::now(), RollingRate::new(20 * SECOND, SECOND));
        assert_eq!((rate.per_second().to_bits(), rate.time_for(10)), (0f64.to_bits(), None));
        for tick in 0..400_u64 {
            let second = tick / 4;
            // Ten a second for a minute, then a hundred.
            let count = if second < 60 { 10 * second } else { 600 + 100 * (second - 60) };
            rate.note(start + Duration::from_millis(250 * tick), count);
        }
        assert_eq!(rate.per_second(), 100.0);
        assert_eq!(rate.time_for(1_000), Some(10 * SECOND));
        assert_eq!(rate.samples.len(), 21);
    }

    #[test]
    fn what_stands_still_for_the_whole_window_is_never_done() {
        let (start, mut rate) = (Instant::now(), RollingRate::new(10 * SECOND, Duration::ZERO));
        (0..=20).for_each(|second| rate.note(start + second * SECOND, u64::from(second) * 500));
        assert!((rate.per_second() - 500.0).abs() < 1e-9);
        (21..=40).for_each(|second| rate.note(start + second * SECOND, 10_000));
        assert_eq!((rate.per_second(), rate.time_for(1)), (0.0, None));
        assert_eq!(rate.samples.len(), 11);
    }
}
