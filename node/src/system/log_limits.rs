//! How much the log may hold: a rate of lines, and a size of each day's file. Whoever makes a node tell of something
//! again and again fills neither the disk nor the time of those who read. Warnings have a rate of their own, so that
//! news drown none of them; what was left out is counted, and told.

use cairn_common::{clock, rate_limiter::RateLimiter};
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// Warnings and errors a second in the long run, and at once.
const ALARMS: (f64, f64) = (10.0, 2_000.0);
/// The same of what is told without being asked for: thousands when many peers come, a few otherwise.
const NEWS: (f64, f64) = (20.0, 10_000.0);
/// Bytes of a day; of warnings alone a quarter more. What an operator asks for besides (debug) has no rate but these.
const DAY_BYTES: u64 = 1 << 30;
const DAY_MS: u64 = 86_400_000;

/// What may still be told.
#[derive(Debug)]
struct Allowance {
    alarms: RateLimiter,
    news: RateLimiter,
    /// Lines that were left out since the last that was written.
    left_out: u64,
    /// The day, and its bytes.
    day: (u64, u64),
}

impl Allowance {
    fn new() -> Self {
        let limiter = |(rate, burst): (f64, f64)| RateLimiter::new(rate, burst, clock::instant());
        Self { alarms: limiter(ALARMS), news: limiter(NEWS), left_out: 0, day: (0, 0) }
    }

    /// Whether a line of this level may be written, and how many were left out before it.
    fn take(&mut self, level: Level) -> Option<u64> {
        let (now, today) = (clock::instant(), clock::now().millis() / DAY_MS);
        if self.day.0 != today {
            self.day = (today, 0);
        }
        let (rate, most) = match level {
            Level::ERROR | Level::WARN => (Some(&mut self.alarms), DAY_BYTES + DAY_BYTES / 4),
            Level::INFO => (Some(&mut self.news), DAY_BYTES),
            _ => (None, DAY_BYTES),
        };
        let may_go = self.day.1 < most && rate.is_none_or(|limiter| limiter.take(1.0, now).is_ok());
        if may_go {
            return Some(std::mem::take(&mut self.left_out));
        }
        self.left_out += 1;
        None
    }
}

/// Writers of lines, within limits. Cloning shares them.
#[derive(Clone, Debug)]
pub struct Limited<M> {
    inner: M,
    allowance: Arc<Mutex<Allowance>>,
    /// How it is told that lines were left out.
    is_json: bool,
}

impl<M> Limited<M> {
    /// In front of these.
    pub fn new(inner: M, is_json: bool) -> Self {
        Self { inner, allowance: Arc::new(Mutex::new(Allowance::new())), is_json }
    }

    fn line<W>(&self, inner: Option<W>, left_out: u64) -> Line<W> {
        Line { inner, left_out, allowance: self.allowance.clone(), is_json: self.is_json }
    }
}

fn lock(allowance: &Mutex<Allowance>) -> MutexGuard<'_, Allowance> {
    // Nobody panics between two changes that belong together.
    allowance.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Limited<M> {
    type Writer = Line<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        self.line(Some(self.inner.make_writer()), 0)
    }

    fn make_writer_for(&'a self, event: &Metadata<'_>) -> Self::Writer {
        let taken = lock(&self.allowance).take(*event.level());
        self.line(taken.map(|_| self.inner.make_writer_for(event)), taken.unwrap_or_default())
    }
}

/// One line, or none.
pub struct Line<W> {
    inner: Option<W>,
    left_out: u64,
    allowance: Arc<Mutex<Allowance>>,
    is_json: bool,
}

impl<W: Write> Write for Line<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(inner) = &mut self.inner else { return Ok(bytes.len()) };
        if let left_out @ 1.. = std::mem::take(&mut self.left_out) {
            let note = match self.is_json {
                true => {
                    format!("{{\"level\":\"WARN\",\"message\":\"lines are left out here\",\"lines\":{left_out}}}\n")
                }
                false => format!("({left_out} lines are left out here: more than the log may hold)\n"),
            };
            inner.write_all(note.as_bytes())?;
        }
        let written = inner.write(bytes)?;
        lock(&self.allowance).day.1 += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.as_mut().map_or(Ok(()), Write::flush)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Memory {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    /// A storm of connections once wrote 41 GB a day.
    #[test]
    fn a_storm_of_news_is_cut_and_drowns_no_warning() {
        let memory = Memory::default();
        let subscriber = tracing_subscriber::fmt().with_writer(Limited::new(memory.clone(), false)).with_ansi(false);
        tracing::subscriber::with_default(subscriber.finish(), || {
            (0..50_000).for_each(|n| tracing::info!(n, "connected"));
            tracing::warn!("something is wrong");
        });
        let bytes = memory.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let text = String::from_utf8(bytes).expect("text");
        let told = text.lines().filter(|line| line.contains("connected")).count();
        assert!((10_000..=10_200).contains(&told), "{told}");
        assert!(text.contains("something is wrong"), "the control");
        let left_out: usize =
            text.lines().filter_map(|line| line.strip_prefix('(')?.split_once(' ')?.0.parse::<usize>().ok()).sum();
        assert_eq!(told + left_out, 50_000, "what is left out is told");
    }

    #[test]
    fn a_day_has_so_many_bytes_and_warnings_a_few_more() {
        let mut allowance = Allowance::new();
        assert_eq!(allowance.take(Level::DEBUG), Some(0));
        allowance.day.1 = DAY_BYTES;
        assert_eq!((allowance.take(Level::DEBUG), allowance.take(Level::INFO)), (None, None));
        assert_eq!(allowance.take(Level::WARN), Some(2));
        allowance.day.1 = 2 * DAY_BYTES;
        assert_eq!(allowance.take(Level::ERROR), None);
        allowance.day.0 = 0;
        assert_eq!(allowance.take(Level::INFO), Some(1), "another day");
    }
}
