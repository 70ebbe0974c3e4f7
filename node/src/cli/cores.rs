//! The cores that a task may use, and how much of them it used.

use super::error::CliError;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::{fs, io};

/// Clock ticks a second in /proc, the same on every Linux (`sysconf(_SC_CLK_TCK)`).
const TICKS: f64 = 100.0;

/// Limits this process, as long as it has this one thread, to so many of the cores it may use, and says how
/// many it uses then. The chain starts a worker for each, so nothing else need be told.
///
/// # Errors
/// There are not so many, or the system refuses.
pub(super) fn limit(threads: Option<usize>) -> Result<usize, CliError> {
    let allowed = sched_getaffinity(None).map_err(io::Error::from)?;
    let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect();
    let Some(wanted) = threads else { return Ok(cores.len()) };
    if wanted == 0 || wanted > cores.len() {
        return Err(CliError::Threads { got: wanted, max: cores.len() });
    }
    let mut chosen = CpuSet::new();
    cores.iter().take(wanted).for_each(|core| chosen.set(*core));
    sched_setaffinity(None, &chosen).map_err(io::Error::from)?;
    Ok(wanted)
}

/// The time that all threads of this process together have run, where the system says so.
pub(super) fn cpu_seconds() -> Option<f64> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the program's name in parentheses, and may hold anything.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_cores_than_there_are_or_none_are_refused() {
        let all = limit(None).expect("the system says");
        assert!(all >= 1);
        for wrong in [0, all + 1] {
            let said = limit(Some(wrong)).expect_err("not so many").to_string();
            assert_eq!(said, format!("--threads: got {wrong}, expected 1 to {all}, the cores this process may use"));
        }
    }

    #[test]
    fn the_time_that_was_run_is_known_and_rises() {
        let before = cpu_seconds().expect("Linux says");
        // Work until the clock of the process has moved, as it must.
        while cpu_seconds().expect("Linux says") <= before {
            std::hint::black_box((0..100_000_u64).sum::<u64>());
        }
    }
}
