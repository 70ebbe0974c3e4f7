//! The task that measures, and ends when there is no more room.

use super::{DiskLimits, Forecast, Measurement, NoRoom, Usage};
use cairn_common::{
    clock, disk,
    tasks::{Shutdown, TaskError},
};
use std::{path::PathBuf, time::Duration};
use tokio::{sync::watch, task::JoinHandle, time::MissedTickBehavior};

/// The task's name.
const NAME: &str = "budget";
/// Between two measurements: what a disk takes in meanwhile is less than the reserve.
const MEASURE_EVERY: Duration = Duration::from_secs(1);

/// What was measured last. Cloning shares it.
#[derive(Clone, Debug)]
pub struct BudgetHandle {
    usage: watch::Receiver<Usage>,
    max_bytes: Option<u64>,
}

impl BudgetHandle {
    /// What is taken, and what is left.
    pub fn usage(&self) -> Usage {
        *self.usage.borrow()
    }

    /// The most bytes of data, if there is a most.
    pub fn max_bytes(&self) -> Option<u64> {
        self.max_bytes
    }
}

/// What the data takes, and what is free on the disk, or on the fuller of two. Blocks on the disk.
pub fn measure(limits: &DiskLimits) -> Measurement {
    let disk::Used { bytes: used, unread } = disk::used(&limits.data_dir);
    let free = |place: &PathBuf| disk::free_bytes(place).ok().map(|free| (free, place.clone()));
    let free = [&limits.data_dir, &limits.database].into_iter().filter_map(free).min_by_key(|(free, _)| *free);
    Measurement { used, unread, free }
}

/// Tells the operator what could not be measured, once.
#[derive(Debug, Default)]
struct UnmeasuredLog {
    unread: Vec<PathBuf>,
    no_free: bool,
}

impl UnmeasuredLog {
    /// Takes a measurement in.
    fn note(&mut self, limits: &DiskLimits, measured: &Measurement) {
        for path in measured.unread.iter().filter(|path| !self.unread.contains(path)) {
            tracing::warn!(target: "cairn::node", path = %path.display(), "cannot be looked at, and is not counted as data");
        }
        if measured.free.is_none() && !self.no_free {
            tracing::warn!(
                target: "cairn::node", data_dir = %limits.data_dir.display(),
                "the system does not say how much room is left; the node cannot stop before the disk is full"
            );
        }
        (self.unread, self.no_free) = (measured.unread.clone(), measured.free.is_none());
    }
}

/// Watches the disk from now on; the task fails when there is no more room.
pub fn spawn(limits: DiskLimits, shutdown: Shutdown) -> (BudgetHandle, JoinHandle<Result<(), TaskError>>) {
    let (sender, usage) = watch::channel(Usage::default());
    let handle = BudgetHandle { usage, max_bytes: limits.max_bytes };
    (handle, tokio::spawn(run(limits, sender, shutdown)))
}

async fn run(limits: DiskLimits, sender: watch::Sender<Usage>, mut shutdown: Shutdown) -> Result<(), TaskError> {
    let mut tick = tokio::time::interval(MEASURE_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut forecast, mut unmeasured) = (Forecast::default(), UnmeasuredLog::default());
    loop {
        tokio::select! {
            () = shutdown.requested() => return Ok(()),
            _ = tick.tick() => {}
        }
        let measured_limits = limits.clone();
        let measured = match tokio::task::spawn_blocking(move || measure(&measured_limits)).await {
            Ok(measured) => measured,
            Err(error) => return Err(TaskError::Panicked { name: NAME, reason: error.to_string() }),
        };
        unmeasured.note(&limits, &measured);
        // What the system no longer says is taken to be as it was.
        let free = measured.free.as_ref().map_or(sender.borrow().free_bytes, |(free, _)| *free);
        sender.send_replace(forecast.take(&limits, measured.used, free, clock::now()));
        limits.judge(&measured).map_err(|full: NoRoom| TaskError::NoRoom { reason: full.to_string() })?;
    }
}
