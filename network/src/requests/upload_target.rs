//! What the node gives in a day to those who catch up, and where that ends. Pure.
//!
//! Days begin at midnight UTC. What was given survives a restart; a clock that is set back gives nothing anew.

use cairn_ledger::units::Timestamp;

/// A day, in milliseconds.
const DAY_MS: u64 = 86_400_000;
/// The longest file: two numbers, a space and a line's end.
pub(crate) const MAX_FILE_BYTES: usize = 64;

/// What was given today.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct UploadTarget {
    /// Days since 1970.
    day: u64,
    bytes: u64,
    limit: Option<u64>,
    changed: bool,
}

impl UploadTarget {
    /// With at most `limit` bytes a day, after what the file of an earlier run says; what it does not say in the
    /// right form counts as nothing.
    pub(crate) fn new(limit: Option<u64>, file: Option<&[u8]>) -> Self {
        let text = file.and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default();
        let mut numbers = text.split_whitespace().map(|word| word.parse::<u64>().ok());
        let (day, bytes) = match (numbers.next().flatten(), numbers.next().flatten()) {
            (Some(day), Some(bytes)) => (day, bytes),
            _ => (0, 0),
        };
        Self { day, bytes, limit, changed: false }
    }

    /// Counts what was given.
    pub(crate) fn count(&mut self, bytes: usize, now: Timestamp) {
        self.turn(now);
        self.bytes = self.bytes.saturating_add(bytes as u64);
        self.changed = true;
    }

    /// What was given today.
    pub(crate) fn today(&self, now: Timestamp) -> u64 {
        if now.millis() / DAY_MS > self.day { 0 } else { self.bytes }
    }

    /// Whether there is nothing more to give today.
    pub(crate) fn is_spent(&self, now: Timestamp) -> bool {
        self.limit.is_some_and(|limit| self.today(now) >= limit)
    }

    /// The file, when it has changed since this was last asked.
    pub(crate) fn take_changed(&mut self) -> Option<Vec<u8>> {
        std::mem::take(&mut self.changed).then(|| format!("{} {}\n", self.day, self.bytes).into_bytes())
    }

    fn turn(&mut self, now: Timestamp) {
        let today = now.millis() / DAY_MS;
        if today > self.day {
            (self.day, self.bytes) = (today, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(n: u64) -> Timestamp {
        Timestamp::from_millis(n * DAY_MS + 5)
    }

    #[test]
    fn what_is_given_is_bounded_by_the_day_and_begins_anew_the_next() {
        let mut upload_target = UploadTarget::new(Some(100), None);
        upload_target.count(99, day(3));
        assert!(!upload_target.is_spent(day(3)));
        upload_target.count(1, day(3));
        assert!(upload_target.is_spent(day(3)) && !upload_target.is_spent(day(4)));
        upload_target.count(1, day(4));
        assert_eq!((upload_target.today(day(4)), upload_target.is_spent(day(4))), (1, false));
        // A clock that is set back gives nothing anew.
        upload_target.count(99, day(3));
        assert!(upload_target.is_spent(day(3)) && upload_target.is_spent(day(4)));
        assert!(!UploadTarget::new(None, None).is_spent(day(4)), "the control: without a limit there is no end");
    }

    #[test]
    fn what_was_given_survives_a_restart_and_a_broken_file_counts_as_nothing() {
        let mut upload_target = UploadTarget::new(Some(100), None);
        assert_eq!(upload_target.take_changed(), None);
        upload_target.count(100, day(7));
        let file = upload_target.take_changed().expect("it has changed");
        assert!(file.len() <= MAX_FILE_BYTES && upload_target.take_changed().is_none());
        assert!(UploadTarget::new(Some(100), Some(&file)).is_spent(day(7)));
        for broken in [&b""[..], b"7", b"x y", b"\xff\xff", b"-1 5"] {
            assert!(!UploadTarget::new(Some(100), Some(broken)).is_spent(day(7)));
        }
    }
}
