//! Strangers as processes.

use crate::{binaries, netns::Namespace};
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

/// A process of `cairn-stranger`; it ends when this is dropped.
pub struct Stranger {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Stranger {
    /// Starts one with these words, in a namespace or in the machine's own.
    ///
    /// # Panics
    /// The program is missing.
    pub fn start(namespace: Option<&Namespace>, words: &[&str]) -> Self {
        let mut command = Command::new(binaries::find("cairn-stranger"));
        command.args(words);
        if let Some(namespace) = namespace {
            command = namespace.enter(&command);
        }
        // Its standard input is what ties it to this process.
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let said = BufReader::new(child.stdout.take().expect("as asked for"));
        Self { child, said }
    }

    /// The next line it says.
    ///
    /// # Panics
    /// It has ended.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        let read = self.said.read_line(&mut line).expect("a line of text");
        assert!(read > 0, "the stranger has ended with {:?}", self.child.wait());
        line.trim_end().to_owned()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
