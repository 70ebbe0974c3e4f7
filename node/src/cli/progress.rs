//! How far a long task is: a bar where someone watches, else a line now and then.
//! The synchronisation of a node has a bar below the log, where someone watches.

use crate::system::telemetry::Stderr;
use cairn_network::sync::{SnapshotProgress, SyncPhase, SyncStatus};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tracing_subscriber::fmt::MakeWriter;

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

/// How far the synchronisation is, as a bar below the log, and the way past it. Cloning shares it.
#[derive(Clone, Debug)]
pub(super) struct SyncBar {
    is_watched: bool,
    /// While there is something to show.
    bar: Arc<Mutex<Option<ProgressBar>>>,
}

impl SyncBar {
    /// A bar that shows nothing yet, and never anything unless standard error is a terminal.
    pub(super) fn new() -> Self {
        Self { is_watched: io::stderr().is_terminal(), bar: Arc::default() }
    }

    /// Shows how far the synchronisation is from now on, until the node ends; on a thread of its own, since a terminal
    /// can be stopped.
    pub(super) fn start(self, status: watch::Receiver<SyncStatus>) {
        if self.is_watched {
            let runtime = tokio::runtime::Handle::current();
            std::thread::spawn(move || runtime.block_on(self.follow(status)));
        }
    }

    async fn follow(self, mut status: watch::Receiver<SyncStatus>) {
        loop {
            let now = *status.borrow_and_update();
            self.show(&now);
            if status.changed().await.is_err() {
                break;
            }
        }
        self.show(&SyncStatus { phase: SyncPhase::CaughtUp, ..SyncStatus::default() });
    }

    fn show(&self, status: &SyncStatus) {
        let mut shown = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(text) = text(status) else {
            if let Some(bar) = shown.take() {
                bar.finish_and_clear();
            }
            return;
        };
        let bar = shown.get_or_insert_with(|| {
            // A few times a second: the status changes with every block.
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(4));
            let style = ProgressStyle::with_template("{bar:30} {pos} of {len} {prefix}  {msg}");
            bar.with_style(style.expect("a fixed template is well formed"))
        });
        let (unit, length, position) = match status.snapshot {
            Some(SnapshotProgress { here, runs, .. }) => ("runs", runs.unwrap_or_default(), here),
            None => ("blocks", status.target.get(), status.height.get()),
        };
        bar.set_prefix(unit);
        bar.set_length(length);
        bar.set_message(text);
        bar.set_position(position);
    }
}

/// What stands beside the bar; nothing where there is nothing to show.
fn text(status: &SyncStatus) -> Option<String> {
    let rate = format!("{:.0}/s", status.rate);
    match status.phase {
        SyncPhase::Discovering | SyncPhase::CaughtUp => None,
        SyncPhase::Headers => Some(format!("headers up to {}, {rate}", status.best_header)),
        SyncPhase::Snapshot => {
            let height = status.snapshot.map_or(0, |snapshot| snapshot.height.get());
            Some(format!("of the accounts after block {height}"))
        }
        SyncPhase::Bodies => Some(match status.left {
            Some(left) => format!("{rate}, {} left", indicatif::HumanDuration(left)),
            None => rate,
        }),
        SyncPhase::Stalled(stall) => Some(format!("stalled: {stall}: {}", stall.advice())),
    }
}

/// Writes above the bar. A terminal that was stopped while the bar is drawn does not hold the log up.
impl Write for SyncBar {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.bar.try_lock().as_deref() {
            Ok(Some(bar)) => bar.suspend(|| Stderr.write(bytes)),
            _ => Stderr.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Stderr.flush()
    }
}

impl<'a> MakeWriter<'a> for SyncBar {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_ledger::units::Height;
    use cairn_network::sync::Stall;

    #[test]
    fn a_bar_stands_there_only_while_there_is_something_to_show() {
        let bar = SyncBar::new();
        let at = |phase| SyncStatus {
            phase,
            height: Height::new(10),
            best_header: Height::new(30),
            target: Height::new(40),
            rate: 5.2,
            left: Some(Duration::from_secs(6)),
            is_gaining: true,
            unfollowed: None,
            snapshot: None,
        };
        let shown = |phase| {
            bar.show(&at(phase));
            let shown = bar.bar.lock().expect("no panic");
            shown.as_ref().map(|bar| (bar.position(), bar.length(), bar.message()))
        };
        assert_eq!(shown(SyncPhase::Discovering), None);
        assert_eq!(shown(SyncPhase::Headers), Some((10, Some(40), String::from("headers up to 30, 5/s"))));
        assert_eq!(shown(SyncPhase::Bodies), Some((10, Some(40), String::from("5/s, 6 seconds left"))));
        let stalled = shown(SyncPhase::Stalled(Stall::Clock)).expect("it is shown").2;
        assert!(stalled.starts_with("stalled: the newest blocks are from the future"), "{stalled}");
        assert_eq!(shown(SyncPhase::CaughtUp), None);
        let snapshot = Some(SnapshotProgress { height: Height::new(20), here: 3, runs: Some(9) });
        bar.show(&SyncStatus { snapshot, ..at(SyncPhase::Snapshot) });
        let shown = bar.bar.lock().expect("no panic").as_ref().map(|bar| (bar.position(), bar.length(), bar.message()));
        assert_eq!(shown, Some((3, Some(9), String::from("of the accounts after block 20"))));
    }
}
