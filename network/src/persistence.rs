//! When the network's small files are written, and how much memory the process may hold.

use cairn_common::memory;
use std::time::{Duration, Instant};

/// How often the book is saved when it has changed.
const SAVE_BOOK_EVERY: Duration = Duration::from_secs(60);
/// How often memory is looked at.
const MEASURE_EVERY: Duration = Duration::from_secs(5);

/// When files are written, and memory is looked at.
#[derive(Debug)]
pub(crate) struct Persistence {
    save_book: Instant,
    measure: Instant,
    limit_mib: usize,
    is_saving: bool,
}

/// Three quarters of what the process may hold, in MiB; no limit where the system does not say how much that is.
fn default_limit_mib() -> usize {
    memory::limit().and_then(|bytes| usize::try_from((bytes >> 20) / 4 * 3).ok()).unwrap_or(usize::MAX)
}

impl Persistence {
    /// With the most MiB that the process may hold.
    pub(crate) fn new(max_memory_mib: Option<usize>, now: Instant) -> Self {
        let limit_mib = max_memory_mib.unwrap_or_else(default_limit_mib);
        // The first peers are worth saving soon.
        Self { save_book: now + Duration::from_secs(5), measure: now, limit_mib, is_saving: false }
    }

    /// Whether memory is to be looked at.
    pub(crate) fn measures_memory(&mut self, now: Instant) -> bool {
        is_due(&mut self.measure, MEASURE_EVERY, now)
    }

    /// The most MiB that the process may hold.
    pub(crate) fn limit_mib(&self) -> usize {
        self.limit_mib
    }

    /// Whether files may be written now; `true` where the book is to be, too. One writer at a time: a later file never
    /// loses to an earlier one.
    pub(crate) fn is_due(&mut self, now: Instant) -> Option<bool> {
        (!self.is_saving).then(|| is_due(&mut self.save_book, SAVE_BOOK_EVERY, now))
    }

    /// Files are being written.
    pub(crate) fn begin(&mut self) {
        self.is_saving = true;
    }

    /// They were written.
    pub(crate) fn end(&mut self) {
        self.is_saving = false;
    }
}

fn is_due(next: &mut Instant, every: Duration, now: Instant) -> bool {
    let is_due = *next <= now;
    if is_due {
        *next = now + every;
    }
    is_due
}
