//! The machine under a node: its disk, and how many files a process may have open.

use super::Diagnosis;
use crate::config::Settings;
use cairn_common::disk;
use cairn_maintenance::disk_budget::{self, DiskLimits};

/// With less room than so many reserves the disk is worth a word: days, at the pace of a network that is used.
const AMPLE_RESERVES: u64 = 8;

/// Whether there is room, and leave to write.
pub(super) fn disk(settings: &Settings, report: &mut Diagnosis) {
    let place = settings.data_dir.display();
    if let Err(error) = disk::may_write(&settings.data_dir) {
        return report.storage_fault(
            "disk",
            format!("{place} cannot be written: {error}"),
            "let the user who runs the node own it; if the file system became read-only, look for disk errors in dmesg",
        );
    }
    let limits = settings.limits();
    let measured = disk_budget::measure(&limits);
    for path in &measured.unread {
        let message = format!("{} cannot be looked at by this user, and is not counted as data", path.display());
        report.note("disk", message, None);
    }
    let Some((free, at)) = &measured.free else {
        let message = format!("the system does not say how much room is left where {place} is");
        return report.note("disk", message, Some("see to the disk"));
    };
    let (free, reserve) = (*free, limits.reserve_bytes);
    let message = format!("{} are free where {} is", mib(free), at.display());
    if free < reserve {
        report.storage_fault(
            "disk",
            format!("{message}; a node stops, or does not start, with less than {}", mib(reserve)),
            "free space, or move the data directory to a larger disk and name it with --data-dir",
        );
    } else if free < reserve.saturating_mul(AMPLE_RESERVES) {
        report.note("disk", format!("{message}; a node stops at {}", mib(reserve)), Some("free space soon"));
    } else {
        report.ok("disk", message);
    }
    spent(&limits, measured.used, report);
}

/// Whether the data is within the operator's own limit.
fn spent(limits: &DiskLimits, used: u64, report: &mut Diagnosis) {
    let Some(max) = limits.max_bytes else { return };
    let message = format!("the data takes {} of the {} that storage.max_bytes allows", mib(used), mib(max));
    if used > max {
        report.fault("disk", message, "raise storage.max_bytes: a node that has pruned all it may stops there");
    } else if limits.excess(used).is_some() {
        report.note("disk", message, Some("old blocks are pruned there; raise storage.max_bytes to keep more of them"));
    } else {
        report.ok("disk", message);
    }
}

/// How many files a process may have open: softly, and at the most.
pub(super) struct FileLimit {
    pub(super) soft: u64,
    pub(super) hard: u64,
}

/// The limit of this process, which a node started from here would have.
pub(super) fn own_limit() -> Option<FileLimit> {
    let (soft, hard) = rlimit::getrlimit(rlimit::Resource::NOFILE).ok()?;
    Some(FileLimit { soft, hard })
}

/// The limit of a running node.
pub(super) fn limit_of(process: &str) -> Option<FileLimit> {
    let text = std::fs::read_to_string(format!("/proc/{process}/limits")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let mut words =
        line.split_whitespace().map(|word| if word == "unlimited" { Some(u64::MAX) } else { word.parse().ok() });
    Some(FileLimit { soft: words.next()??, hard: words.next()?? })
}

/// Whether as many files may be open as the configuration can need. A node raises the soft limit itself.
pub(super) fn files(settings: &Settings, limit: Option<FileLimit>, report: &mut Diagnosis) {
    let needed = settings.open_files();
    let Some(FileLimit { soft, hard }) = limit else {
        return report.note("files", "the system does not say how many files may be open", None);
    };
    if hard < needed {
        report.fault(
            "files",
            format!("only {hard} files may be open, and this configuration can need {needed}"),
            format!(
                "raise the limit (ulimit -n {needed}, or LimitNOFILE={needed} in its unit), or lower \
                 storage.max_open_files, network.max_inbound or rpc.max_connections"
            ),
        );
    } else {
        let most = if soft < needed { hard } else { soft };
        report.ok("files", format!("{most} files may be open; this configuration can need {needed}"));
    }
}

/// Bytes for people.
pub(super) fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_a_process_is_read_as_the_system_tells_it() {
        let (own, said) = (own_limit().expect("a limit"), limit_of(&std::process::id().to_string()).expect("a limit"));
        assert_eq!((own.soft, own.hard), (said.soft, said.hard));
        assert!(limit_of("no-process").is_none());
    }
}
