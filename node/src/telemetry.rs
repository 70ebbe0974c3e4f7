//! What the node tells on stderr: one line for each event, with its fields.

use std::{fmt, io};
use tracing::Level;
use tracing_subscriber::{EnvFilter, filter::ParseError};

/// What is told of other people's code: warnings. Of these two errors only: gossipsub warns once for each
/// message that a slow peer's queue had no room for, kad whenever a node without peers looks for some.
const OTHERS: &str = "warn,libp2p_gossipsub=error,libp2p_kad=error";

/// Which events are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFilter(String);

impl LogFilter {
    /// This program's events from `level` up, and others' warnings.
    pub fn new(level: Level) -> Self {
        Self(format!("{OTHERS},cairn={}", level.as_str().to_lowercase()))
    }

    /// The same with more directives, which win over those before them.
    ///
    /// # Errors
    /// Says which directive is none.
    pub fn and(self, directives: &str) -> Result<Self, ParseError> {
        let all = format!("{self},{directives}");
        EnvFilter::builder().parse(&all)?;
        Ok(Self(all))
    }
}

impl fmt::Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Begins to tell events on stderr, for the whole process. A second call changes nothing.
pub fn start(filter: &LogFilter) {
    let subscriber = tracing_subscriber::fmt()
        .compact()
        .with_writer(io::stderr)
        .with_ansi(io::IsTerminal::is_terminal(&io::stderr()))
        .with_env_filter(EnvFilter::new(&filter.0));
    // A test that runs several nodes in one process has begun already.
    let _ = subscriber.try_init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_directives_are_refused() {
        let filter = LogFilter::new(Level::INFO);
        assert_eq!(filter.to_string(), "warn,libp2p_gossipsub=error,libp2p_kad=error,cairn=info");
        assert!(filter.clone().and("cairn::network=debug,libp2p_swarm=info").is_ok());
        for broken in ["cairn=loud", "=", "cairn=info=debug"] {
            assert!(filter.clone().and(broken).is_err(), "{broken}");
        }
    }
}
