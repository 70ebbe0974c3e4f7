//! How much memory the process holds, and how much it may hold, as Linux tells it.

use crate::runtime;
use std::fs;
use std::path::Path;

/// Where control groups are.
const GROUPS: &str = "/sys/fs/cgroup";

/// Bytes of this process that are in memory; `None` where the system does not say.
pub fn resident() -> Option<u64> {
    // A simulation has many nodes in one process.
    if runtime::is_simulated() { None } else { bytes_after("/proc/self/status", "VmRSS:") }
}

/// Bytes that this process may hold: what the machine has or, in a container or a service, what its control groups
/// allow, whichever is least. More than that the system answers by killing it. `None` where the system does not say.
pub fn limit() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let machine = bytes_after("/proc/meminfo", "MemTotal:");
    machine.into_iter().chain(group_limit(Path::new(GROUPS), &groups)).min()
}

/// The least limit of the groups that `groups` names, as /proc/self/cgroup does, and of all above them: `memory.max` of
/// version 2, `memory.limit_in_bytes` of version 1.
fn group_limit(root: &Path, groups: &str) -> Option<u64> {
    let limits = groups.lines().flat_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let (root, file) = match controllers {
            "" => (root.to_owned(), "memory.max"),
            some if some.split(',').any(|name| name == "memory") => (root.join("memory"), "memory.limit_in_bytes"),
            _ => return Vec::new(),
        };
        let group = Path::new(path.trim_start_matches('/'));
        let above = group.ancestors().map(|group| fs::read_to_string(root.join(group).join(file)));
        // `max`, which is none, is no number.
        above.filter_map(|text| text.ok()?.trim().parse().ok()).collect()
    });
    limits.min()
}

/// Reads `NAME  1234 kB` from one of the kernel's files: they are made at once, without a disk.
fn bytes_after(path: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_holds_something_and_less_than_it_may() {
        let (held, limit) = (resident().unwrap_or_default(), limit().unwrap_or(u64::MAX));
        assert!(held > 0 && held < limit, "{held} of {limit}");
        assert_eq!(bytes_after("/proc/self/status", "NoSuchLine:"), None);
        assert_eq!(bytes_after("/nowhere", "VmRSS:"), None);
    }

    #[test]
    fn the_least_limit_of_a_group_and_those_above_it_counts() {
        let root = tempfile::tempdir().expect("a directory");
        let put = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
            fs::write(path, text).expect("written");
        };
        put("memory.max", "max\n");
        put("system.slice/memory.max", "1000\n");
        put("system.slice/cairn.service/memory.max", "2000\n");
        put("memory/docker/memory.limit_in_bytes", "700\n");
        let limit = |groups| group_limit(root.path(), groups);
        assert_eq!(limit("0::/system.slice/cairn.service\n"), Some(1_000));
        assert_eq!(limit("0::/\n"), None);
        assert_eq!(limit("0::/../elsewhere\n"), None, "a group of another container");
        assert_eq!(limit("5:cpu,memory:/docker\n1:name=systemd:/x\n"), Some(700));
        assert_eq!(limit("nonsense"), None);
        assert_eq!(limit(""), None);
    }
}
