//! How fast a peer is, as measured: bytes a second, and what an answer takes besides.
//!
//! A peer has several requests at once, so the time from a question to its answer says little: the answer may
//! have waited behind others on the same line. What is measured is the time between answers while the line is
//! never empty (its speed), and the rest of an answer that waited for none (its latency).

use std::time::{Duration, Instant};

/// What a peer is taken to send in a second before it has been measured, in bytes.
const FIRST_SPEED: f64 = 512.0 * 1024.0;
/// The least it is taken to send: asked for one body at a time then, it shows soon that it has become faster.
const LEAST_SPEED: f64 = 1024.0;
/// The most it is taken to send: more is a matter of the clock's ticks.
const MOST_SPEED: f64 = 1024.0 * 1024.0 * 1024.0;
/// What an answer is taken to take besides, before it has been measured, in seconds.
const FIRST_LATENCY: f64 = 0.2;
/// The most it is taken to take, in seconds.
const MOST_LATENCY: f64 = 5.0;
/// How much the newest measurement counts, when it is of so many bytes or more; one of fewer counts for less.
const NEWEST: f64 = 0.3;
/// Fewer bytes than this say little about a line.
const WEIGHTY: f64 = 64.0 * 1024.0;
/// What is always granted besides what an answer should take, and how many times longer than it should an
/// answer may take before it is given up.
const GRACE: Duration = Duration::from_secs(2);
const PATIENCE: f64 = 3.0;

/// A peer's speed and latency.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    /// Seconds for each byte: of this a mean makes sense even where two answers come at once.
    cost: f64,
    /// Seconds.
    latency: f64,
    is_measured: bool,
    /// When the last answer had come.
    last: Option<Instant>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { cost: 1.0 / FIRST_SPEED, latency: FIRST_LATENCY, is_measured: false, last: None }
    }
}

impl Pace {
    /// Bytes a second.
    pub(super) fn speed(&self) -> f64 {
        1.0 / self.cost
    }

    /// Whether it has ever answered.
    pub(super) fn is_known(&self) -> bool {
        self.last.is_some()
    }

    /// How long it should take until an answer of so many bytes has come, behind so many that were asked for
    /// before.
    pub(super) fn expect(&self, bytes: f64, before: f64) -> Duration {
        Duration::from_secs_f64((self.latency + (bytes + before) * self.cost).min(3600.0))
    }

    /// How long to wait for what should take so long.
    pub(super) fn patience(expected: Duration) -> Duration {
        GRACE + expected.mul_f64(PATIENCE)
    }

    /// An answer of so many bytes to a question of `asked` has come.
    pub(super) fn answered(&mut self, now: Instant, asked: Instant, bytes: usize) {
        let bytes = bytes as f64;
        // Before that, the line carried other answers, or the question.
        let waited = self.last.is_some_and(|last| last > asked);
        let began = self.last.filter(|_| waited).unwrap_or(asked);
        self.last = Some(now);
        let took = now.saturating_duration_since(began).as_secs_f64();
        if waited || (!self.is_measured && bytes >= WEIGHTY) {
            let newest = if self.is_measured { NEWEST } else { 1.0 };
            let carrying = if waited { took } else { (took - self.latency).max(took / 2.0) };
            let weight = (bytes / WEIGHTY).min(1.0).powi(2);
            self.set_cost(self.cost + (carrying / bytes.max(1.0) - self.cost) * newest * weight);
            self.is_measured |= bytes >= WEIGHTY;
        } else {
            let rest = (took - bytes * self.cost).clamp(0.0, MOST_LATENCY);
            self.latency += (rest - self.latency) * NEWEST;
            // All of an answer that stood alone is an upper bound for what its bytes took.
            if self.is_measured && bytes > 0.0 {
                self.set_cost(self.cost.min(took / bytes));
            }
        }
    }

    fn set_cost(&mut self, cost: f64) {
        self.cost = cost.clamp(1.0 / MOST_SPEED, 1.0 / LEAST_SPEED);
    }

    /// It did not answer in time: it is asked for less.
    pub(super) fn slow_down(&mut self) {
        self.set_cost(self.cost * 4.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Measures a line of so many bytes a second that is `latency` seconds away, always with two questions at
    /// once, or one after the other.
    fn measured(speed: f64, latency: f64, at_once: bool) -> Pace {
        let start = Instant::now();
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        let (mut pace, size) = (Pace::default(), 128 << 10);
        let each = size as f64 / speed;
        let (mut asked, mut arrives) = (0.0, latency + each);
        for _ in 0..40 {
            pace.answered(at(arrives), at(asked), size);
            if at_once {
                // The next was asked for when the one before this arrived.
                asked = arrives - each;
                arrives += each;
            } else {
                asked = arrives;
                arrives += latency + each;
            }
        }
        pace
    }

    fn is_near(got: f64, expected: f64) -> bool {
        (got - expected).abs() <= expected * 0.1
    }

    #[test]
    fn speed_is_found_whatever_the_latency() {
        for speed in [20_000.0, 500_000.0, 20_000_000.0] {
            for latency in [0.001, 0.3] {
                let pace = measured(speed, latency, true);
                assert!(is_near(pace.speed(), speed), "{speed} {latency}: {pace:?}");
            }
        }
    }

    #[test]
    fn latency_is_found_where_answers_stand_alone() {
        let pace = measured(400_000.0, 0.5, false);
        // One question after the other cannot tell the two apart, but what to expect is right.
        let expected = pace.expect(128.0 * 1024.0, 0.0).as_secs_f64();
        assert!(is_near(expected, 0.5 + 131_072.0 / 400_000.0), "{pace:?}: {expected}");
    }

    #[test]
    fn a_few_bytes_say_little() {
        let now = Instant::now();
        let mut pace = Pace::default();
        pace.answered(now + Duration::from_secs(1), now, 100);
        pace.answered(now + Duration::from_secs(2), now, 100);
        assert!(is_near(pace.speed(), FIRST_SPEED), "{pace:?}");
        // The negative control: many say much.
        pace.answered(now + Duration::from_secs(3), now, 128 << 10);
        assert!(is_near(pace.speed(), 131_072.0) && pace.is_measured, "{pace:?}");
    }

    #[test]
    fn whoever_is_slow_is_waited_for_longer_but_not_for_ever() {
        let (fast, slow) = (measured(10_000_000.0, 0.01, true), measured(20_000.0, 0.01, true));
        let wait = |pace: &Pace| Pace::patience(pace.expect(65_536.0, 0.0)).as_secs();
        assert_eq!((wait(&fast), wait(&slow)), (2, 12));
    }
}
