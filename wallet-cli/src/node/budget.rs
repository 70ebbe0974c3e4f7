//! The time that nodes have for their answers: each question has a bound, and all of one command together.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// How long all questions of one command may take together, unless its owner says otherwise.
pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);
/// The same where every header of a chain is asked for.
pub const EVERY_HEADER_TIMEOUT: Duration = Duration::from_secs(3_600);
/// How long one node may still take for its answers to one command: a node that drips does not hold up a command for
/// ever, however many questions it is asked.
#[derive(Debug)]
pub struct Budget {
    whole: Duration,
    left: Mutex<Duration>,
}

impl Budget {
    /// So much for all questions together.
    pub fn new(whole: Duration) -> Arc<Self> {
        Arc::new(Self { whole, left: Mutex::new(whole) })
    }

    /// What there was at first.
    pub fn whole(&self) -> Duration {
        self.whole
    }

    /// As much as at first, for the next look of a command that waits and has a bound of its own.
    pub fn renew(&self) {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = self.whole;
    }

    /// What is left.
    pub fn left(&self) -> Duration {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes away what a question took.
    pub fn spend(&self, taken: Duration) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        *left = left.saturating_sub(taken);
    }
}
