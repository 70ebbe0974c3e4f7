//! The task that measures, and ends when there is no more room.

use super::{Forecast, Full, Limits, Usage};
use crate::{
    clock, disk,
    tasks::{Shutdown, TaskError},
};
use std::{io, time::Duration};
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

/// What the data takes, and what is free. Blocks on the disk.
///
/// # Errors
/// What the system says.
pub fn measure(limits: &Limits) -> io::Result<(u64, u64)> {
    Ok((disk::used_bytes(&limits.data_dir)?, disk::free_bytes(&limits.data_dir)?))
}

/// Watches the disk from now on; the task fails when there is no more room.
pub fn spawn(limits: Limits, shutdown: Shutdown) -> (BudgetHandle, JoinHandle<Result<(), TaskError>>) {
    let (sender, usage) = watch::channel(Usage::default());
    let handle = BudgetHandle { usage, max_bytes: limits.max_bytes };
    (handle, tokio::spawn(run(limits, sender, shutdown)))
}

async fn run(limits: Limits, sender: watch::Sender<Usage>, mut shutdown: Shutdown) -> Result<(), TaskError> {
    let mut tick = tokio::time::interval(MEASURE_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut forecast = Forecast::default();
    loop {
        tokio::select! {
            () = shutdown.requested() => return Ok(()),
            _ = tick.tick() => {}
        }
        let asked = limits.clone();
        let measured = tokio::task::spawn_blocking(move || measure(&asked)).await;
        let (used, free) = match measured {
            Ok(Ok(measured)) => measured,
            // A disk that cannot even be measured has failed.
            Ok(Err(error)) => {
                let reason = format!("{} cannot be measured: {error}", limits.data_dir.display());
                return Err(TaskError::Failed { name: NAME, reason, storage: true });
            }
            Err(error) => return Err(TaskError::Panicked { name: NAME, reason: error.to_string() }),
        };
        sender.send_replace(forecast.take(&limits, used, free, clock::now()));
        limits.judge(used, free).map_err(|full: Full| TaskError::NoRoom { reason: full.to_string() })?;
    }
}
