//! What goes wrong under a node: its clock, its disk.
//!
//! `faketime` would shift a clock, too, but it waits for ever in a program whose allocator, jemalloc, reads the clock
//! while it starts; so a shim of our own, `faults/shim.c`, is compiled with the C compiler that RocksDB needs anyway.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use tempfile::TempDir;

/// A failing disk: "Input/output error".
pub const EIO: i64 = 5;
/// A full one: "No space left on device".
pub const ENOSPC: i64 = 28;
/// One that became read-only: "Read-only file system".
pub const EROFS: i64 = 30;

/// Faults of one node, which can be switched while it runs.
#[derive(Debug)]
pub struct Faults {
    directory: TempDir,
    page: File,
}

impl Faults {
    /// None yet.
    ///
    /// # Errors
    /// Why they cannot be made here: no C compiler.
    ///
    /// # Panics
    /// The system refuses temporary files.
    pub fn new() -> Result<Self, String> {
        let directory = TempDir::with_prefix("cairn-faults-").expect("a temporary directory");
        let source = directory.path().join("shim.c");
        fs::write(&source, include_str!("faults/shim.c")).expect("a file in a fresh directory");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(directory.path().join("shim.so")).arg(&source);
        let output = compiler.output().map_err(|error| format!("cc: {error}"))?;
        if !output.status.success() {
            return Err(format!("cc: {}", String::from_utf8_lossy(&output.stderr)));
        }
        let path = directory.path().join("page");
        fs::write(&path, [0; 16]).expect("a file in a fresh directory");
        let page = OpenOptions::new().write(true).open(path).expect("it was just made");
        Ok(Self { directory, page })
    }

    /// The variables with which a node gets them.
    pub fn environment(&self) -> Vec<(&'static str, PathBuf)> {
        let at = |name| self.directory.path().join(name);
        vec![("LD_PRELOAD", at("shim.so")), ("CAIRN_TEST_FAULTS", at("page"))]
    }

    /// Moves the node's date by so many seconds from the machine's; its timers go on as usual, as after a machine
    /// was suspended.
    pub fn shift_clock(&self, seconds: i64) {
        self.set(0, seconds);
    }

    /// Lets every write to a file fail so; 0 for none.
    pub fn fail_writes(&self, errno: i64) {
        self.set(8, errno);
    }

    fn set(&self, at: u64, value: i64) {
        self.page.write_all_at(&value.to_ne_bytes(), at).expect("a file of this test's");
    }
}

/// A small disk of its own: a tmpfs in a mount namespace that a shell keeps open; gone when dropped.
#[derive(Debug)]
pub struct SmallDisk {
    shell: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    mount: PathBuf,
    _directory: TempDir,
}

impl SmallDisk {
    /// A disk of so many MiB.
    ///
    /// # Errors
    /// Why there is none: the machine does not allow it.
    ///
    /// # Panics
    /// The system refuses temporary files.
    pub fn new(mib: u32) -> Result<Self, String> {
        let directory = TempDir::with_prefix("cairn-disk-").expect("a temporary directory");
        let mut command = Command::new("unshare");
        let script = "while read -r order; do if eval \"$order\" 2>&1; then echo good; else echo bad; fi; done";
        command.args(["--map-root-user", "--mount", "sh", "-c", script]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut shell = command.spawn().map_err(|error| format!("unshare: {error}"))?;
        let orders = shell.stdin.take();
        let answers = BufReader::new(shell.stdout.take().expect("it was piped"));
        let mount = directory.path().to_owned();
        let mut disk = Self { shell, orders, answers, mount, _directory: directory };
        disk.order(&format!("mount -t tmpfs -o size={mib}m tmpfs '{}'", disk.mount.display()))?;
        Ok(disk)
    }

    /// Where it is for everybody who may look into the shell's namespace.
    pub fn path(&self) -> PathBuf {
        let inside = self.mount.strip_prefix("/").unwrap_or(&self.mount);
        Path::new("/proc").join(self.shell.id().to_string()).join("root").join(inside)
    }

    /// Makes it read-only, or writable again. Nobody may have a file open for writing.
    ///
    /// # Panics
    /// The system refuses.
    pub fn set_read_only(&mut self, read_only: bool) {
        let how = if read_only { "ro" } else { "rw" };
        self.order(&format!("mount -o remount,{how} '{}'", self.mount.display())).expect("the disk is not in use");
    }

    fn order(&mut self, order: &str) -> Result<(), String> {
        let orders = self.orders.as_mut().expect("open until it is dropped");
        writeln!(orders, "{order}").map_err(|error| error.to_string())?;
        let mut said = String::new();
        loop {
            let mut line = String::new();
            let read = self.answers.read_line(&mut line).map_err(|error| error.to_string())?;
            match line.trim_end() {
                "good" => return Ok(()),
                "bad" => return Err(said),
                _ if read == 0 => return Err(format!("{order}: no answer {said}")),
                line => said += line,
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The shell ends with its orders, and the disk with the shell.
        drop(self.orders.take());
        let _ = self.shell.wait();
    }
}
