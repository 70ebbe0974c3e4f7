//! Standard error, as a place that never decides whether the node lives: a pipe whose reader is gone costs the lines,
//! and one whose reader has stopped reading holds nobody up.

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::AsFd,
};
use std::{
    fs::OpenOptions,
    io::{self, Write},
    sync::{Mutex, PoisonError},
};
use tracing_subscriber::fmt::MakeWriter;

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
    use std::{
        io::Read,
        os::unix::net::UnixStream,
        time::{Duration, Instant},
    };

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
