//! One `cairn-node` process: started, stopped, continued and ended by the handle that started it, never by name.

use super::rpc::{AskError, ask};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::{env, mem};

/// Where the programs are: in CAIRN_BIN, or beside this one, or, if this is a test, one folder up.
///
/// # Errors
/// The one that is asked for is in none of them.
pub fn find(name: &str) -> io::Result<PathBuf> {
    let own = env::current_exe()?;
    let named = env::var_os("CAIRN_BIN").map(PathBuf::from);
    let beside = own.ancestors().skip(1).take(2).map(Path::to_path_buf);
    let mut folders = named.into_iter().chain(beside).map(|folder| folder.join(name));
    folders.find(|path| path.is_file()).ok_or_else(|| {
        io::Error::other(format!(
            "{name} is not in CAIRN_BIN, nor beside this program: build it, or name its folder there"
        ))
    })
}

/// A command without what the environment says of nodes, which is meant for others than these.
pub fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    let names = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for name in names.filter(|name| name.starts_with("CAIRN_NODE_")) {
        command.env_remove(name);
    }
    // A terminal's Ctrl-C is for this program alone, which ends the others.
    command.stdin(Stdio::null()).process_group(0);
    command
}

/// A node's process, running or not.
#[derive(Debug)]
pub struct Process {
    home: PathBuf,
    log: PathBuf,
    child: Option<Child>,
    is_stopped: bool,
    lives: u32,
}

impl Process {
    /// One that does not run yet, with its data directory and its log.
    pub fn new(home: PathBuf, log: PathBuf) -> Self {
        Self { home, log, child: None, is_stopped: false, lives: 0 }
    }

    /// Its data directory.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// How often it was started.
    pub fn lives(&self) -> u32 {
        self.lives
    }

    /// Its number with the system, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Whether it runs, stopped or not.
    pub fn is_up(&self) -> bool {
        self.child.is_some()
    }

    /// Whether somebody who asks it can hope for an answer.
    pub fn answers(&self) -> bool {
        self.is_up() && !self.is_stopped
    }

    /// Starts it, if it does not run.
    ///
    /// # Errors
    /// The system refuses.
    pub fn start(&mut self, mut command: Command) -> io::Result<()> {
        if self.is_up() {
            return Ok(());
        }
        let log = File::options().create(true).append(true).open(&self.log)?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
        self.child = Some(command.spawn()?);
        self.is_stopped = false;
        self.lives += 1;
        Ok(())
    }

    /// Ends it with SIGKILL, stopped or not.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Stops it where it is, or lets it go on; says whether there was anything to do.
    pub fn set_stopped(&mut self, is_stopped: bool) -> bool {
        let is_news = self.is_up() && mem::replace(&mut self.is_stopped, is_stopped) != is_stopped;
        if is_news {
            self.signal(if is_stopped { "STOP" } else { "CONT" });
        }
        is_news
    }

    /// Asks it to end in order.
    pub fn terminate(&mut self) {
        self.set_stopped(false);
        self.signal("TERM");
    }

    fn signal(&self, name: &str) {
        let Some(id) = self.id() else { return };
        // The shell's own kill: no crate for one signal. Until it was waited for, the number is this child's.
        let _ = Command::new("sh").args(["-c", &format!("kill -{name} {id}")]).status();
    }

    /// How it ended, if it has, by itself or as it was asked to.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.as_mut()?.try_wait().ok()??;
        self.child = None;
        Some(status)
    }

    /// Calls a method.
    ///
    /// # Errors
    /// It does not answer, or refuses.
    pub fn ask<T: DeserializeOwned>(&self, method: &str, params: &Value) -> Result<T, AskError> {
        if !self.answers() {
            return Err(AskError::Silent(io::ErrorKind::NotConnected.into()));
        }
        ask(&self.home, method, params)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
