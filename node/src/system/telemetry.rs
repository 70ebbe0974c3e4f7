//! What the node tells: one line for each event, with its fields, on stderr and, if asked, in files.
//!
//! That a line cannot be written is no failure: nobody is to lose a node, or a payment that waits in it, for a log.
//!
//! Standard error is a place that never decides whether the node lives: a pipe whose reader is gone costs the lines,
//! and one whose reader has stopped reading holds nobody up.

use super::log_limits::Limited;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsFd;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::{fmt, fs::OpenOptions, path::Path};
use tracing::Level;
use tracing_appender::rolling::{InitError, RollingFileAppender, Rotation};
use tracing_subscriber::fmt::writer::{BoxMakeWriter, MakeWriterExt};
use tracing_subscriber::{EnvFilter, filter::ParseError, fmt::MakeWriter};

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

/// Begins to tell warnings on stderr and nothing else: progress has the terminal.
///
/// # Errors
/// None: nothing is opened.
pub fn start_with_warnings_alone() -> Result<(), InitError> {
    start(&LogFilter::new(Level::WARN), None, LogFormat::Text, Stderr)
}

/// Begins to tell events on `stderr`, past a progress bar, say, for the whole process; with a directory, in a file for
/// each day there, too, of which the last are kept. A second call changes nothing.
///
/// # Errors
/// The directory cannot be written.
pub fn start<W>(filter: &LogFilter, directory: Option<&Path>, format: LogFormat, stderr: W) -> Result<(), InitError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let (writer, colours) = match directory {
        None => (BoxMakeWriter::new(stderr), io::stderr().is_terminal()),
        Some(directory) => (BoxMakeWriter::new(stderr.and(daily_files(directory)?)), false),
    };
    let writer = Limited::new(writer, format == LogFormat::Json);
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

/// How long a line waits for a reader, while the last one was read.
const WAIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// Not at all: a reader that has stopped costs a line's patience once.
const NO_WAIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
/// A pipe that can be written at all takes so much (PIPE_BUF of pipe(7)).
const PIECE: usize = 4_096;

/// Lines that nobody read since the last that was written.
static LOST: Mutex<u64> = Mutex::new(0);

/// Standard error. What is written to it in one piece is a line, and is written whole, or counted as lost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stderr;

impl Write for Stderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // One line at a time, or two threads would both take the room of one. A panic elsewhere stops the node anyway.
        let mut lost = LOST.lock().unwrap_or_else(PoisonError::into_inner);
        write_line(&mut io::stderr(), &mut lost, line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Stderr {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}

/// Writes a line where somebody reads, and says how many were lost before it.
fn write_line<W: Write + AsFd>(to: &mut W, lost: &mut u64, line: &[u8]) {
    let noted = match *lost {
        0 => Ok(()),
        lost => write_pieces(to, format!("({lost} lines are missing here: nobody read them)\n").as_bytes(), &NO_WAIT),
    };
    let wait = if *lost == 0 { &WAIT } else { &NO_WAIT };
    match noted.and_then(|()| write_pieces(to, line, wait)) {
        Ok(()) => *lost = 0,
        Err(error) => {
            *lost = lost.saturating_add(1);
            if error.kind() == io::ErrorKind::BrokenPipe {
                discard_from_now_on();
            }
        }
    }
}

fn write_pieces<W: Write + AsFd>(to: &mut W, bytes: &[u8], wait: &Timespec) -> io::Result<()> {
    for piece in bytes.chunks(PIECE) {
        let mut polled = [PollFd::new(to, PollFlags::OUT)];
        if poll(&mut polled, Some(wait))? == 0 {
            return Err(io::ErrorKind::TimedOut.into());
        }
        to.write_all(piece)?;
    }
    Ok(())
}

/// Nobody will ever read this pipe again. Libraries that print there themselves, and panic when they cannot, are to
/// find a place that takes everything.
fn discard_from_now_on() {
    if let Ok(nowhere) = OpenOptions::new().write(true).open("/dev/null") {
        // Where even that fails, standard error stays as broken as it was.
        let _ = rustix::stdio::dup2_stderr(nowhere);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};
    use std::{io::Read, os::unix::net::UnixStream};

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

    #[test]
    fn a_reader_that_has_stopped_holds_nobody_up_and_is_told_what_it_missed() {
        let (mut ours, mut theirs) = UnixStream::pair().expect("a pair");
        ours.set_nonblocking(true).expect("it can be set");
        let (mut lost, line) = (0, [b'x'; 1_000]);
        let began = Instant::now();
        for _ in 0..10_000 {
            write_line(&mut ours, &mut lost, &line);
        }
        assert!(lost > 1_000, "{lost}");
        assert!(began.elapsed() < Duration::from_secs(10), "one wait for all of them");
        theirs.set_nonblocking(true).expect("it can be set");
        let mut read = vec![0; 100_000];
        while theirs.read(&mut read).is_ok_and(|count| count > 0) {}
        write_line(&mut ours, &mut lost, b"back\n");
        let count = theirs.read(&mut read).expect("it is read");
        let text = String::from_utf8_lossy(&read[..count]).into_owned();
        assert!(text.ends_with(" lines are missing here: nobody read them)\nback\n"), "{text}");
        assert_eq!(lost, 0);
    }
}
