//! How far a long task is: a bar where someone watches, else a line now and then.

use indicatif::{ProgressBar, ProgressStyle};
use std::{
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

/// Between two lines where nobody watches.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// Between two looks of the bar at what it is told: what is told comes with every block.
const BAR_EVERY: Duration = Duration::from_millis(50);

/// A task's progress, on standard error.
pub(super) struct Progress {
    unit: &'static str,
    bar: Option<ProgressBar>,
    started: Instant,
    shown: Instant,
}

impl Progress {
    /// Begins; `unit` is what is counted.
    pub(super) fn start(unit: &'static str) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0);
            let form = match unit {
                "bytes" => "{bar:30} {bytes} of {total_bytes}, {binary_bytes_per_sec}, {eta} left  {msg}",
                _ => "{bar:30} {pos} of {len} {unit}, {per_sec}, {eta} left  {msg}",
            };
            let form = form.replace("{unit}", unit);
            bar.set_style(ProgressStyle::with_template(&form).expect("a fixed template is well formed"));
            bar
        });
        let now = Instant::now();
        Self { unit, bar, started: now, shown: now }
    }

    /// Says how far it is, if it is time to.
    pub(super) fn show(&mut self, done: u64, total: u64, more: impl FnOnce() -> String) {
        let every = if self.bar.is_some() { BAR_EVERY } else { LINE_EVERY };
        if self.shown.elapsed() < every && done != total {
            return;
        }
        self.shown = Instant::now();
        match &self.bar {
            Some(bar) => {
                bar.set_length(total);
                bar.set_message(more());
                bar.set_position(done);
            }
            None => {
                let rate = done as f64 / self.started.elapsed().as_secs_f64();
                let more = Some(more()).filter(|more| !more.is_empty()).map(|more| format!("  {more}"));
                eprintln!("{done} of {total} {}, {rate:.0}/s{}", self.unit, more.unwrap_or_default());
            }
        }
    }

    /// Takes the bar away.
    pub(super) fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
