//! The token bucket: so much a second in the long run, and so much at once after a pause. Pure: the time is an
//! argument.
//!
//! What costs more than there is left is either refused ([`RateLimiter::take`]), or taken all the same, and whoever
//! comes next has to [wait](RateLimiter::wait) until that is paid for ([`RateLimiter::spend`]).

use std::time::{Duration, Instant};

/// What one user may still have. A unit is whatever is counted: bytes, calls, dials.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateLimiter {
    per_second: f64,
    burst: f64,
    /// What was left at `at`; less than nothing is a debt.
    left: f64,
    at: Instant,
}

impl RateLimiter {
    /// With so many units a second, and at first and at most `burst` of them at once.
    pub fn new(per_second: f64, burst: f64, now: Instant) -> Self {
        Self { per_second, burst, left: burst, at: now }
    }

    fn left(&self, now: Instant) -> f64 {
        let earned = now.saturating_duration_since(self.at).as_secs_f64() * self.per_second;
        (self.left + earned).min(self.burst)
    }

    /// How long until there are so many; as long as time goes where there never are.
    fn time_until(&self, units: f64, now: Instant) -> Duration {
        let seconds = ((units - self.left(now)) / self.per_second).max(0.0);
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }

    /// Takes so many units, if they are there.
    ///
    /// # Errors
    /// How long until they are; nothing was taken.
    pub fn take(&mut self, units: f64, now: Instant) -> Result<(), Duration> {
        if self.left(now) < units {
            return Err(self.time_until(units, now));
        }
        self.spend(units, now);
        Ok(())
    }

    /// Takes so many units, even if they are not there; fewer than none are given back.
    pub fn spend(&mut self, units: f64, now: Instant) {
        (self.left, self.at) = (self.left(now) - units, self.at.max(now));
    }

    /// How long until nothing is owed.
    pub fn wait(&self, now: Instant) -> Duration {
        self.time_until(0.0, now)
    }

    /// Whether it is as if it had never been used.
    pub fn is_full(&self, now: Instant) -> bool {
        self.left(now) >= self.burst
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    #[test]
    fn a_burst_is_taken_and_the_rate_after_it() {
        let start = Instant::now();
        let mut limiter = RateLimiter::new(10.0, 20.0, start);
        assert_eq!((0..100).filter(|_| limiter.take(1.0, start).is_ok()).count(), 20);
        assert_eq!(limiter.take(1.0, start), Err(Duration::from_millis(100)));
        assert_eq!(limiter.take(1.0, at(start, 99)), Err(Duration::from_millis(1)));
        assert_eq!(limiter.take(1.0, at(start, 100)), Ok(()), "what is refused costs nothing");
        assert_eq!(limiter.take(5.0, at(start, 600)), Ok(()));
        assert!(!limiter.is_full(at(start, 2_599)) && limiter.is_full(at(start, 2_600)));
        let later = (0..100).filter(|_| limiter.take(1.0, at(start, 60_000)).is_ok()).count();
        assert_eq!(later, 20, "what was not used does not pile up");
        assert_eq!(limiter.take(1.0, start), Err(Duration::from_millis(100)), "nor does a clock that goes back");
    }

    #[test]
    fn what_is_spent_in_advance_is_waited_for() {
        let start = Instant::now();
        let mut limiter = RateLimiter::new(1_000.0, 1_000.0, start);
        limiter.spend(1_000.0, start);
        assert_eq!(limiter.wait(start), Duration::ZERO, "all at once");
        limiter.spend(500.0, start);
        assert_eq!(
            (limiter.wait(start), limiter.wait(at(start, 200))),
            (at(start, 500) - start, at(start, 300) - start)
        );
        limiter.spend(-300.0, at(start, 100));
        assert_eq!(limiter.wait(at(start, 100)), Duration::from_millis(100));
        limiter.spend(-9_000.0, at(start, 100));
        limiter.spend(0.0, at(start, 200));
        assert_eq!(limiter.take(1_001.0, at(start, 200)), Err(Duration::from_millis(1)), "never more than the burst");
        let mut never = RateLimiter::new(0.0, 1.0, start);
        assert_eq!((never.take(1.0, start), never.take(1.0, start)), (Ok(()), Err(Duration::MAX)));
    }
}
