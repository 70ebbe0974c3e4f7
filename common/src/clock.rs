//! The system clock. Nothing else reads it; rules and pure cores are handed the time.

use cairn_ledger::Timestamp;
use std::time::{SystemTime, UNIX_EPOCH};

/// The time now. A clock before 1970 counts as 1970.
#[expect(clippy::disallowed_methods, reason = "the one place where a node reads it")]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
