//! When the network's small files are written, and how much memory the process may hold.

use crate::process;
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

/// How often the book is saved when it has changed.
const SAVE_BOOK_EVERY: Duration = Duration::from_secs(60);
/// How often memory is looked at.
const MEASURE_EVERY: Duration = Duration::from_secs(5);

/// What waits to be written, and when.
#[derive(Debug)]
pub(crate) struct Persistence {
    bans_changed: bool,
    save_book: Instant,
    measure: Instant,
    limit_mib: usize,
    is_saving: bool,
}

impl Persistence {
    /// With the most MiB that the process may hold.
    pub(crate) fn new(max_memory_mib: Option<usize>, now: Instant) -> Self {
        let limit_mib = max_memory_mib.unwrap_or_else(process::default_limit_mib);
        // The first peers are worth saving soon.
        let save_book = now + Duration::from_secs(5);
        Self { bans_changed: false, save_book, measure: now, limit_mib, is_saving: false }
    }

    /// The bans are to be saved.
    pub(crate) fn note_bans(&mut self) {
        self.bans_changed = true;
    }

    /// Whether the bans have changed since this was last asked.
    pub(crate) fn take_bans_changed(&mut self) -> bool {
        std::mem::take(&mut self.bans_changed)
    }

    /// Whether memory is to be looked at.
    pub(crate) fn measures_memory(&mut self, now: Instant) -> bool {
        let is_due = self.measure <= now;
        if is_due {
            self.measure = now + MEASURE_EVERY;
        }
        is_due
    }

    /// The most MiB that the process may hold.
    pub(crate) fn limit_mib(&self) -> usize {
        self.limit_mib
    }

    /// Whether files may be written now, and the book with them. One writer at a time: a later file never loses to an
    /// earlier one.
    pub(crate) fn is_due(&mut self, now: Instant) -> Option<WithBook> {
        if self.is_saving {
            return None;
        }
        let with_book = self.save_book <= now;
        if with_book {
            self.save_book = now + SAVE_BOOK_EVERY;
        }
        Some(WithBook(with_book))
    }

    /// These files are being written.
    pub(crate) fn begin(&mut self, files: &[(PathBuf, Vec<u8>)]) {
        self.is_saving = !files.is_empty();
    }

    /// They were written.
    pub(crate) fn end(&mut self) {
        self.is_saving = false;
    }
}

/// Whether the book is to be saved, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WithBook(pub(crate) bool);
