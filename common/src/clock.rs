//! The clocks. Nothing else reads them; rules and pure cores are handed the time.

use crate::runtime::simulated;
use cairn_ledger::Timestamp;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The time now. A clock before 1970 counts as 1970.
#[expect(clippy::disallowed_methods, reason = "the one place where a node reads it")]
pub fn now() -> Timestamp {
    simulated(|runtime| runtime.time()).unwrap_or_else(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    })
}

/// The moment now, for measuring how long something takes.
pub fn instant() -> Instant {
    simulated(|runtime| runtime.instant()).unwrap_or_else(Instant::now)
}
