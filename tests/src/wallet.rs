//! The wallet's command line.

use crate::{binaries, network::TestNetwork, node::Node};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A directory of wallets with one password, for one network.
pub struct Wallets {
    directory: TempDir,
    chain: PathBuf,
}

/// A command of the wallet that runs until it is dropped; then it is killed.
#[derive(Debug)]
pub struct Running {
    child: Child,
    /// The JSON object that it began with.
    pub started: Value,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may be over already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a command of the wallet ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code.
    pub code: i32,
    /// The one JSON object it printed.
    pub json: Value,
}

impl Wallets {
    /// No wallets yet.
    ///
    /// # Panics
    /// The system refuses a temporary directory.
    pub fn new(network: &TestNetwork) -> Self {
        let directory = TempDir::with_prefix("cairn-wallets-").expect("a temporary directory");
        fs::write(directory.path().join("password"), "correct horse battery staple").expect("a fresh file");
        Self { directory, chain: network.file() }
    }

    /// Runs a command of the wallet called `name`, which asks `node`, with `input` on its standard input.
    ///
    /// # Panics
    /// It prints anything but one JSON object.
    pub fn run(&self, name: &str, node: &str, input: &str, arguments: &[&str]) -> Ended {
        self.run_alone(name, input, &[&["--node", node], arguments].concat())
    }

    /// The same without naming a node: the wallet asks the one it is paired with.
    ///
    /// # Panics
    /// It prints anything but one JSON object.
    pub fn run_alone(&self, name: &str, input: &str, arguments: &[&str]) -> Ended {
        let mut command = self.command(name);
        command.arg("--json").args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().expect("the wallet starts");
        let mut stdin = child.stdin.take().expect("it was piped");
        // A wallet that reads nothing may have closed it already.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().expect("the wallet ends");
        let text = String::from_utf8_lossy(&output.stdout);
        let json = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text:?} of {arguments:?}"));
        Ended { code: output.status.code().expect("it was not killed"), json }
    }

    /// Starts a command that goes on running, and waits for what it begins with.
    ///
    /// # Panics
    /// It begins with anything but one JSON object.
    pub fn start(&self, name: &str, node: &str, arguments: &[&str]) -> Running {
        let mut command = self.command(name);
        command.args(["--json", "--node", node]).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the wallet starts");
        let mut line = String::new();
        let out = child.stdout.take().expect("it was piped");
        BufReader::new(out).read_line(&mut line).expect("text");
        let started =
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?} of {arguments:?}"));
        Running { child, started }
    }

    fn command(&self, name: &str) -> Command {
        let mut command = binaries::command("wallet");
        command.arg("--chain").arg(&self.chain).arg("--data-dir").arg(self.directory.path());
        command.arg("--password-file").arg(self.directory.path().join("password"));
        command.args(["--wallet", name]);
        command
    }

    /// Where its files are.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// What a command that must succeed says to a person. Blocks made on request are stamped a day back, which a
    /// proof's age shows; so that warning alone is none here.
    ///
    /// # Panics
    /// It fails, or complains.
    pub fn talk(&self, name: &str, node: &str, arguments: &[&str]) -> String {
        let output = self
            .command(name)
            .args(["--node", node])
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .expect("the wallet runs");
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let complains = err.lines().any(|line| !line.starts_with("warning: the newest block is "));
        assert!(output.status.success() && !complains, "{arguments:?}: {out}{err}");
        out.into_owned()
    }

    /// The same with nothing to read, for a command that must succeed.
    ///
    /// # Panics
    /// It fails.
    pub fn ask(&self, name: &str, node: &Node, arguments: &[&str]) -> Value {
        let ended = self.run(name, &node.url(), "", arguments);
        assert_eq!(ended.code, 0, "{arguments:?}: {}", ended.json);
        ended.json
    }

    /// Makes a new wallet with a cheap password check, and gives its address.
    ///
    /// # Panics
    /// It cannot be made.
    pub fn create(&self, name: &str, node: &Node) -> String {
        let made = self.ask(name, node, &["new", "--kdf-memory-mib", "8"]);
        made["address"].as_str().unwrap_or_else(|| panic!("an address in {made}")).to_owned()
    }
}
