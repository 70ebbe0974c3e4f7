//! How fast a height rises, over the last moments.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// What is looked back at: long enough that a batch does not look like a jump, short enough that a peer that
/// goes shows.
const SPAN: Duration = Duration::from_secs(20);
/// Between two samples.
const EVERY: Duration = Duration::from_secs(1);

/// A height, as it was in the last seconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Rate(VecDeque<(Instant, u64)>);

impl Rate {
    /// Takes a sample, if it is time for one.
    pub(super) fn note(&mut self, now: Instant, height: u64) {
        if self.0.back().is_some_and(|(at, _)| now.saturating_duration_since(*at) < EVERY) {
            return;
        }
        self.0.push_back((now, height));
        // One sample from before the span stays: it says where the span began.
        while self.0.get(1).is_some_and(|(at, _)| now.saturating_duration_since(*at) > SPAN) {
            self.0.pop_front();
        }
    }

    /// Heights a second; 0 while it is not known, or where it falls.
    pub(super) fn per_second(&self) -> f64 {
        let (Some((began, from)), Some((ended, to))) = (self.0.front(), self.0.back()) else { return 0.0 };
        let seconds = ended.saturating_duration_since(*began).as_secs_f64();
        if seconds > 0.0 { to.saturating_sub(*from) as f64 / seconds } else { 0.0 }
    }

    /// How long so many more take at this rate; `None` while nobody can tell.
    pub(super) fn time_for(&self, more: u64) -> Option<Duration> {
        let seconds = more as f64 / self.per_second();
        Duration::try_from_secs_f64(seconds).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_that_of_the_last_moments() {
        let (start, mut rate) = (Instant::now(), Rate::default());
        assert_eq!((rate.per_second(), rate.time_for(10)), (0.0, None));
        for tick in 0..400_u64 {
            let second = tick / 4;
            // Ten a second for a minute, then a hundred.
            let height = if second < 60 { 10 * second } else { 600 + 100 * (second - 60) };
            rate.note(start + Duration::from_millis(250 * tick), height);
        }
        assert_eq!(rate.per_second(), 100.0);
        assert_eq!(rate.time_for(1_000), Some(Duration::from_secs(10)));
        assert!(rate.0.len() < 25, "{}", rate.0.len());
    }

    #[test]
    fn what_stands_still_is_never_done() {
        let (start, mut rate) = (Instant::now(), Rate::default());
        (0..30).for_each(|second| rate.note(start + Duration::from_secs(second), 7));
        assert_eq!((rate.per_second(), rate.time_for(1)), (0.0, None));
    }
}
