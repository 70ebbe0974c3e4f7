//! What the node tells: one line for each event, with its fields, on stderr and, if asked, in files.
//!
//! That a line cannot be written is no failure: nobody is to lose a node, or a payment that waits in it, for a log.

mod stderr;

pub use stderr::Stderr;

use std::{fmt, io, path::Path};
use tracing::Level;
use tracing_appender::rolling::{InitError, RollingFileAppender, Rotation};
use tracing_subscriber::{
    EnvFilter,
    filter::ParseError,
    fmt::{
        MakeWriter,
        writer::{BoxMakeWriter, MakeWriterExt},
    },
};

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

/// How an event is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people.
    #[default]
    Text,
    /// A JSON object a line, for programs.
    Json,
}

impl std::str::FromStr for LogFormat {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(()),
        }
    }
}

/// Log files that are kept: a week.
const KEPT_FILES: usize = 7;

/// Begins to tell events on stderr, for the whole process; with a directory, in a file for each day there, too,
/// of which the last are kept. A second call changes nothing.
///
/// # Errors
/// The directory cannot be written.
pub fn start(filter: &LogFilter, directory: Option<&Path>, format: LogFormat) -> Result<(), InitError> {
    start_on(filter, directory, format, Stderr)
}

/// The same with another way to standard error: past a progress bar, say.
///
/// # Errors
/// The directory cannot be written.
pub fn start_on<W>(filter: &LogFilter, directory: Option<&Path>, format: LogFormat, stderr: W) -> Result<(), InitError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let (writer, colours) = match directory {
        None => (BoxMakeWriter::new(stderr), io::IsTerminal::is_terminal(&io::stderr())),
        Some(directory) => (BoxMakeWriter::new(stderr.and(daily_files(directory)?)), false),
    };
    let subscriber = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(&filter.0)).with_writer(writer);
    // By itself it would print that a line could not be written to where that line could not be written, and panic.
    let subscriber = subscriber.log_internal_errors(false);
    // A test that runs several nodes in one process has begun already.
    let _ = match format {
        LogFormat::Text => subscriber.compact().with_ansi(colours).try_init(),
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
    };
    Ok(())
}

/// Files named after the day. An event is written before the part that told it goes on, so that none is lost when
/// the process ends.
fn daily_files(directory: &Path) -> Result<RollingFileAppender, InitError> {
    let files = RollingFileAppender::builder().rotation(Rotation::DAILY).max_log_files(KEPT_FILES);
    files.filename_prefix("cairn-node").filename_suffix("log").build(directory)
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

    #[test]
    fn a_file_a_day_is_written_and_a_week_of_them_kept() {
        use std::io::Write;
        let directory = tempfile::tempdir().expect("a directory");
        let logs = directory.path().join("logs");
        std::fs::create_dir(&logs).expect("a directory");
        for day in 1..=20 {
            std::fs::write(logs.join(format!("cairn-node.2001-01-{day:02}.log")), "old").expect("written");
        }
        let mut files = daily_files(&logs).expect("it can be written");
        files.write_all(b"an event\n").expect("written");
        let names: Vec<_> = std::fs::read_dir(&logs).expect("listed").flatten().map(|entry| entry.path()).collect();
        assert!(names.len() <= KEPT_FILES, "{names:?}");
        let said = |path: &std::path::PathBuf| std::fs::read_to_string(path).is_ok_and(|text| text == "an event\n");
        assert_eq!(names.iter().filter(|path| said(path)).count(), 1);
        let file = directory.path().join("file");
        std::fs::write(&file, "").expect("written");
        assert!(daily_files(&file.join("logs")).is_err(), "a file is no directory");
    }
}
