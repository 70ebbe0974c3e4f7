//! A home of its own for each test, and the wallet run in it.

use crate::node::FakeNode;
use serde_json::Value;
use std::process::{Command, Output, Stdio};
use std::{fs, path::PathBuf};
use tempfile::TempDir;

/// The published development words.
pub const DEVELOPMENT: &str = "test test test test test test test test test test test junk";
/// Their accounts 0 and 1 on local, from genesis/local.toml.
pub const ALICE: &str = "lcrn1y39592wlwdqpgu7llrkfclu95zqf2tp5yj2zznve5k438448rpjqq7x9pf";
pub const BOB: &str = "lcrn1steec5v7mkhymqz4k7zjza9zng5hxg53pu0trgg4ha59vghtzkrs092drp";

pub struct Home {
    dir: TempDir,
}

/// What a run left behind.
#[derive(Debug)]
pub struct Run {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Home {
    /// An empty home with a password file.
    pub fn new() -> Self {
        let home = Self { dir: TempDir::new().expect("a directory") };
        fs::write(home.path("password"), "correct horse\n").expect("written");
        fs::write(home.path("words"), DEVELOPMENT).expect("written");
        home
    }

    /// A home with the wallet of development account 0 on local.
    pub fn with_alice() -> Self {
        let home = Self::new();
        home.ok("--chain local restore --words-file @words --kdf-memory-mib 8");
        home
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn wallet_file(&self) -> PathBuf {
        self.path("data/wallets/default.json")
    }

    pub fn journal_file(&self) -> PathBuf {
        self.path("data/wallets/default.journal")
    }

    /// The wallet with these arguments, split at spaces; `@name` is a file of the home.
    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wallet"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CAIRN_WALLET_") {
                command.env_remove(name);
            }
        }
        command.env("CAIRN_WALLET_DATA_DIR", self.path("data")).stdin(Stdio::null());
        command.arg("--password-file").arg(self.path("password"));
        command.args(self.arguments(line));
        command
    }

    /// The arguments of a line, for a command that is built by hand.
    pub fn arguments(&self, line: &str) -> Vec<String> {
        let file = |name: &str| self.path(name).display().to_string();
        line.split_whitespace().map(|word| word.strip_prefix('@').map_or(String::from(word), file)).collect()
    }

    pub fn run(&self, line: &str) -> Run {
        Run::of(self.command(line).output().expect("the wallet runs"))
    }

    /// A run whose owner means it: with `--again`, whoever is asked about a payment that nobody was told of says so
    /// once more.
    fn insist(&self, line: &str) -> Run {
        let run = self.run(line);
        let is_asked =
            line.contains(" --again") && (run.err.contains("add --again") || run.out.contains("add --again"));
        if is_asked { self.run(line) } else { run }
    }

    /// A run that succeeds: its standard output. Nothing is on standard error but the warning that the node is
    /// trusted, where it is.
    pub fn ok(&self, line: &str) -> String {
        let run = self.insist(line);
        let mut errors = run.err.lines().filter(|line| !line.starts_with("warning: --trust-node: "));
        assert_eq!((run.code, errors.next()), (Some(0), None), "{line}: {run:?}");
        run.out
    }

    /// A run that fails with this code, and says so in text and, with `--json`, as an object of this kind.
    pub fn fails(&self, line: &str, code: i32, kind: &str) -> String {
        let run = self.insist(line);
        // Whoever waits is told so before it fails, and whoever signs is shown what.
        let told = run.out.contains("Sent ") && line.contains("--wait");
        let told = told || run.out.starts_with("pay  ") && line.contains("sign ");
        assert!(run.code == Some(code) && (run.out.is_empty() || told), "{line}: {run:?}");
        assert!(run.err.starts_with("error: "), "{line}: {run:?}");
        let json = self.insist(&format!("--json {line}"));
        assert_eq!((json.code, json.err.as_str()), (Some(code), ""), "{line}: {json:?}");
        assert_eq!(json.json()["error"]["kind"], kind, "{line}: {json:?}");
        run.err
    }

    /// A run with `--json` that succeeds.
    pub fn json(&self, line: &str) -> Value {
        let run = self.insist(&format!("--json {line}"));
        assert_eq!((run.code, run.err.as_str()), (Some(0), ""), "{line}: {run:?}");
        run.json()
    }

    /// `line` on local, asking `node`, which proves nothing and so has to be trusted.
    pub fn at(&self, node: &FakeNode, line: &str) -> String {
        format!("--chain local --trust-node --node {} {line}", node.url())
    }
}

impl Run {
    pub fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Standard output as the one JSON object it has to be.
    pub fn json(&self) -> Value {
        assert_eq!(self.out.lines().count(), 1, "{self:?}");
        serde_json::from_str(&self.out).expect("one JSON object")
    }
}

/// The names of an object's fields, sorted.
pub fn fields(value: &Value) -> Vec<&str> {
    let object = value.as_object().expect("an object");
    let mut names: Vec<&str> = object.keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}
