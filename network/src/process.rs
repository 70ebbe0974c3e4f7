//! How much memory the process holds, as Linux tells it.

use cairn_common::runtime;
use std::fs;

/// MiB of this process that are in memory; `None` where the system does not say.
pub(crate) fn resident_mib() -> Option<usize> {
    // A simulation has many nodes in one process.
    let is_alone = !runtime::is_simulated();
    is_alone.then(|| kib_after("/proc/self/status", "VmRSS:").map(|kib| kib >> 10))?
}

/// Three quarters of the machine's memory, in MiB; no limit where the system does not say how much it has.
pub(crate) fn default_limit_mib() -> usize {
    kib_after("/proc/meminfo", "MemTotal:").map_or(usize::MAX, |kib| (kib >> 10) / 4 * 3)
}

/// Reads `NAME  1234 kB` from one of the kernel's files: they are made at once, without a disk.
fn kib_after(path: &str, name: &str) -> Option<usize> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_holds_something_and_less_than_the_machine_has() {
        let (held, limit) = (resident_mib().unwrap_or_default(), default_limit_mib());
        assert!(held > 0 && held < limit, "{held} of {limit}");
        assert_eq!(kib_after("/proc/self/status", "NoSuchLine:"), None);
        assert_eq!(kib_after("/nowhere", "VmRSS:"), None);
    }
}
