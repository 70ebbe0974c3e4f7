//! How a target is run, as the environment says it; `scripts/fuzz.sh` sets it.

use std::path::PathBuf;
use std::{env, time::Duration};

/// What a run does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A part of the test suite.
    Suite,
    /// For so long, guided by coverage where there is some.
    Long(Duration),
    /// Keeps in the corpus what long runs found, as far as it reaches what nothing else there does.
    Merge,
    /// One input.
    Replay(PathBuf),
}

impl Mode {
    /// How a target of this name is run; `None` when another is meant.
    ///
    /// # Panics
    /// Where the environment says what makes no sense.
    pub(crate) fn read(target: &str) -> Option<Self> {
        let Some(wanted) = env::var_os("CAIRN_FUZZ_TARGET") else { return Some(Self::Suite) };
        if wanted != target {
            return None;
        }
        if let Some(file) = env::var_os("CAIRN_FUZZ_REPLAY") {
            return Some(Self::Replay(file.into()));
        }
        if env::var_os("CAIRN_FUZZ_MERGE").is_some() {
            return Some(Self::Merge);
        }
        let seconds = env::var("CAIRN_FUZZ_SECONDS").unwrap_or_default();
        let seconds =
            seconds.parse().unwrap_or_else(|_| panic!("CAIRN_FUZZ_SECONDS is {seconds:?}, expected a number"));
        Some(Self::Long(Duration::from_secs(seconds)))
    }
}
