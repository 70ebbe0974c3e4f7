//! Other work on the machine: waited out before a measurement, and counted during it.

use crate::Failure;
use std::time::{Duration, Instant};
use std::{fs, process, thread};

/// Cores that others may use while a measurement begins …
const QUIET: f64 = 0.1;
/// … looked at for so long …
const LOOK: Duration = Duration::from_secs(1);
/// … and waited for no longer than this.
const PATIENCE: Duration = Duration::from_secs(120);

/// What others use of the processors from now on, in cores; time that the host takes away (steal) counts, too.
pub struct Meter {
    started: Instant,
    busy: f64,
    ours: f64,
}

impl Meter {
    /// Begins once the machine is quiet, or after two minutes.
    pub fn once_quiet() -> Result<Self, Failure> {
        let asked = Instant::now();
        loop {
            let meter = Self::start()?;
            thread::sleep(LOOK);
            let foreign = meter.foreign()?;
            if foreign < QUIET {
                return Self::start();
            }
            if asked.elapsed() > PATIENCE {
                eprintln!("   the machine does not come to rest: others use {foreign:.2} cores");
                return Self::start();
            }
        }
    }

    fn start() -> Result<Self, Failure> {
        Ok(Self { started: Instant::now(), busy: busy_seconds()?, ours: our_seconds()? })
    }

    /// Cores that others have used on average since then.
    pub fn foreign(&self) -> Result<f64, Failure> {
        let elapsed = self.started.elapsed().as_secs_f64();
        let (busy, ours) = (busy_seconds()? - self.busy, our_seconds()? - self.ours);
        Ok(((busy - ours) / elapsed).max(0.0))
    }
}

/// What all processors have worked, in seconds: the first line of /proc/stat (proc(5)), in hundredths on Linux.
fn busy_seconds() -> Result<f64, Failure> {
    let stat = fs::read_to_string("/proc/stat")?;
    let ticks: Vec<f64> =
        stat.lines().next().unwrap_or_default().split_whitespace().filter_map(|word| word.parse().ok()).collect();
    // user, nice, system, idle, iowait, irq, softirq, steal.
    let at = |n: usize| ticks.get(n).copied().unwrap_or(0.0);
    Ok((at(0) + at(1) + at(2) + at(5) + at(6) + at(7)) / 100.0)
}

/// What this process, those it has started and those of them that have ended have used, in seconds.
fn our_seconds() -> Result<f64, Failure> {
    let us = process::id();
    let mut ticks = 0.0;
    for entry in fs::read_dir("/proc")?.flatten() {
        // Processes come and go, and not everything there is one.
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let Some((id, rest)) = stat.split_once(' ') else { continue };
        let Some((_, fields)) = rest.rsplit_once(") ") else { continue };
        let fields: Vec<f64> = fields.split(' ').map(|field| field.parse().unwrap_or(0.0)).collect();
        // State, parent …; user and system time, and those of children that have ended, are 11 to 14.
        let parent = fields.get(1).copied().unwrap_or(0.0);
        if id.parse() == Ok(us) || parent == f64::from(us) {
            ticks += fields.iter().skip(11).take(4).sum::<f64>();
        }
    }
    Ok(ticks / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_process_does_is_not_foreign() {
        let meter = Meter::start().expect("Linux");
        let (until, mut n) = (Instant::now() + Duration::from_millis(300), 0_u64);
        while Instant::now() < until {
            n = std::hint::black_box(n + 1);
        }
        let ours = our_seconds().expect("Linux") - meter.ours;
        assert!(ours > 0.1, "{ours}");
        assert!(busy_seconds().expect("Linux") - meter.busy >= 0.1);
    }
}
