//! The program under measurement: its commands, and nodes of it as processes.

use crate::{Failure, http};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, net::TcpListener, thread};

/// Between two looks at whether something has come about: finer than anything measured this way.
pub const PAUSE: Duration = Duration::from_millis(2);
/// Between two looks at what a process holds.
const LOOK_AT_MEMORY: Duration = Duration::from_millis(20);
/// Longer than anything here may take.
pub const PATIENCE: Duration = Duration::from_secs(900);
/// How long a node is watched to see whether it rests …
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// … which it does when it needs no more than this share of a processor.
const RESTING: f64 = 0.03;

/// A program of ours: in CAIRN_BIN.
pub fn program(name: &str) -> Result<PathBuf, Failure> {
    let directory = env::var_os("CAIRN_BIN").ok_or("CAIRN_BIN is not set: say where cairn-node is")?;
    let path = PathBuf::from(directory).join(name);
    if !path.is_file() {
        return Err(format!("{} is missing: run `cargo build --release --workspace` first", path.display()).into());
    }
    Ok(path)
}

/// A program that is held to so many cores, by taskset.
pub fn on_cores(program: &Path, cores: Option<usize>) -> Command {
    match cores {
        None => Command::new(program),
        Some(cores) => {
            let mut command = Command::new("taskset");
            command.arg("-c").arg(format!("0-{}", cores.saturating_sub(1))).arg(program);
            command
        }
    }
}

/// Runs a command of cairn-node that prints JSON.
pub fn run(arguments: &[&str]) -> Result<Value, Failure> {
    run_on(None, arguments)
}

fn run_on(cores: Option<usize>, arguments: &[&str]) -> Result<Value, Failure> {
    let output = on_cores(&program("cairn-node")?, cores).args(arguments).output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(format!("cairn-node {}: {said}", arguments.join(" ")).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Puts a file of blocks into a data directory, and gives the figures of it.
pub fn import(network: &Path, data: &Path, file: &Path, threads: Option<usize>) -> Result<Value, Failure> {
    let (network, data, file) = (network.display().to_string(), data.display().to_string(), file.display().to_string());
    let threads = threads.map(|threads| threads.to_string());
    let mut arguments = vec!["import", &file, "--json", "--chain", &network, "--data-dir", &data];
    arguments.extend(threads.iter().flat_map(|threads| ["--threads", threads]));
    run(&arguments)
}

/// The same, with the whole process held to so many cores.
pub fn import_on(network: &Path, data: &Path, file: &Path, cores: usize) -> Result<Value, Failure> {
    let (network, data, file) = (network.display().to_string(), data.display().to_string(), file.display().to_string());
    let threads = cores.to_string();
    let import = ["import", &file, "--json", "--chain", &network, "--data-dir", &data, "--threads", &threads];
    run_on(Some(cores), &import)
}

/// An import that was looked at meanwhile.
pub struct WatchedImport {
    /// What it says of itself.
    pub figures: Value,
    /// The most that the process held, in MiB.
    pub peak_mib: f64,
    /// Transactions a second in the second half of the file; of a file that takes less than some ten seconds, nothing
    /// is known.
    pub later_per_second: f64,
}

/// The same, looked at meanwhile.
pub fn watched_import(network: &Path, data: &Path, file: &Path) -> Result<WatchedImport, Failure> {
    let mut import = Command::new(program("cairn-node")?);
    import.arg("import").arg(file).args(["--json", "--chain"]).arg(network).arg("--data-dir").arg(data);
    let mut child = import.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    // "BYTES of BYTES bytes, …", a line now and then.
    let progress = child.stderr.take().map(BufReader::new).ok_or("a pipe")?;
    let progress = thread::spawn(move || {
        let lines = progress.lines().map_while(Result::ok);
        lines
            .filter_map(|line| Some((Instant::now(), line.split(' ').next()?.parse::<f64>().ok()?)))
            .collect::<Vec<_>>()
    });
    let mut peak_mib = 0.0;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        // Of one that is ending there is none.
        peak_mib = memory_mib(child.id(), "VmHWM").unwrap_or(peak_mib);
        thread::sleep(LOOK_AT_MEMORY);
    };
    let mut said = Vec::new();
    child.stdout.take().map(|mut out| out.read_to_end(&mut said)).transpose()?;
    if !status.success() {
        return Err(format!("cairn-node import of {} ended with {status}", file.display()).into());
    }
    let figures: Value = serde_json::from_slice(&said)?;
    let progress = progress.join().map_err(|_| "reading an import's progress panicked")?;
    let a_transaction = number(&figures, "bytes")? / number(&figures, "transactions")?;
    let last = progress.last().copied();
    let half = last.and_then(|(_, all)| progress.iter().copied().find(|(_, done)| *done >= all / 2.0));
    let later = half
        .zip(last)
        .map(|((middle, half), (end, all))| (all - half) / a_transaction / end.duration_since(middle).as_secs_f64());
    Ok(WatchedImport { figures, peak_mib, later_per_second: later.unwrap_or(f64::NAN) })
}

/// Writes a node's blocks from a height on to a file.
pub fn export(network: &Path, data: &Path, file: &Path, from: u64) -> Result<(), Failure> {
    let (network, data, file) = (network.display().to_string(), data.display().to_string(), file.display().to_string());
    let from = from.to_string();
    run(&["export", &file, "--from", &from, "--json", "--chain", &network, "--data-dir", &data]).map(drop)
}

/// A field of /proc/PID/status in MiB.
pub fn memory_mib(process: u32, field: &str) -> Result<f64, Failure> {
    let text = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = text.lines().find(|line| line.starts_with(field)).ok_or("the system does not say")?;
    let kib: f64 = line.split_whitespace().nth(1).ok_or("a number")?.parse()?;
    Ok(kib / 1024.0)
}

/// Replays a data directory's chain, and gives the figures of it.
pub fn verify(network: &Path, data: &Path, threads: Option<usize>) -> Result<Value, Failure> {
    let (network, data) = (network.display().to_string(), data.display().to_string());
    let threads = threads.map(|threads| threads.to_string());
    let mut arguments = vec!["verify", "--json", "--chain", &network, "--data-dir", &data];
    arguments.extend(threads.iter().flat_map(|threads| ["--threads", threads]));
    run(&arguments)
}

/// Lets a node stand on a data directory until it rests, and stops it: what an import left to do in the background is
/// done then.
pub fn settle(network: &Path, data: &Path) -> Result<(), Failure> {
    let node = Node::start(network, data, &[])?;
    let (mut burned, deadline) = (f64::NEG_INFINITY, Instant::now() + PATIENCE);
    loop {
        thread::sleep(LOOK_AGAIN);
        let now = processor_seconds(node.child.id())?;
        if now - burned < RESTING * LOOK_AGAIN.as_secs_f64() {
            return node.stop();
        }
        if Instant::now() > deadline {
            return Err(format!("the node does not come to rest within {PATIENCE:?}").into());
        }
        burned = now;
    }
}

/// What a process has used of all processors so far.
pub fn processor_seconds(process: u32) -> Result<f64, Failure> {
    // User and system time are the 14th and 15th field (proc(5)), in hundredths of a second on Linux.
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let (_, after) = stat.rsplit_once(") ").ok_or("a process has a name")?;
    let ticks: f64 = after.split(' ').skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    Ok(ticks / 100.0)
}

/// A number in an answer.
pub fn number(answer: &Value, name: &str) -> Result<f64, Failure> {
    answer[name].as_f64().ok_or_else(|| format!("got {answer}, expected a number called {name}").into())
}

/// A directory that is deleted with this value.
pub struct Scratch(PathBuf);

impl Scratch {
    /// An empty directory.
    pub fn new(work: &Path, name: &str) -> Result<Self, Failure> {
        let path = work.join(format!("{name}-{}", std::process::id()));
        // What a killed run has left.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    /// A copy of a node's data, but for its identity. The database's tables are linked, as in RocksDB's own
    /// checkpoints, since they never change: gigabytes written anew would still be on their way to the disk while the
    /// next thing is measured, and have taken what memory the system has at hand.
    pub fn copy(work: &Path, name: &str, of: &Path) -> Result<Self, Failure> {
        let scratch = Self::new(work, name)?;
        copy_into(of, &scratch.0)?;
        Ok(scratch)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Keeps it, under another name.
    pub fn keep(self, name: &Path) -> Result<(), Failure> {
        Ok(fs::rename(&self.0, name)?)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be deleted is the user's to see.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn copy_into(from: &Path, to: &Path) -> Result<(), Failure> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (old, new) = (entry.path(), to.join(entry.file_name()));
        // It is another node: two of one name would count as one peer.
        if entry.file_name() == "node.key" {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::create_dir(&new)?;
            copy_into(&old, &new)?;
        } else if old.extension().is_some_and(|kind| kind == "sst" || kind == "blob") {
            fs::hard_link(&old, &new)?;
        } else {
            fs::copy(&old, &new)?;
        }
    }
    Ok(())
}

/// All bytes of the files in a directory and below.
pub fn bytes_in(path: &Path) -> Result<u64, Failure> {
    let mut sum = 0;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        sum += if entry.file_type()?.is_dir() { bytes_in(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(sum)
}

/// A node process; ended when dropped.
pub struct Node {
    child: Child,
    /// The port of its JSON-RPC.
    pub rpc: u16,
    /// The port it listens on for peers.
    pub p2p: u16,
    data: PathBuf,
    /// From its start until it answered.
    pub started_in: Duration,
}

impl Node {
    /// Starts a node and waits until it answers.
    pub fn start(network: &Path, data: &Path, more: &[String]) -> Result<Self, Failure> {
        let (p2p, rpc) = free_ports()?;
        let log = File::options().create(true).append(true).open(data.join("bench.log"))?;
        let mut command = Command::new(program("cairn-node")?);
        command.arg("run").arg("--chain").arg(network).arg("--data-dir").arg(data);
        command.arg(format!("--network.port={p2p}")).arg(format!("--rpc.listen=127.0.0.1:{rpc}")).args(more);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let started = Instant::now();
        let child = command.spawn()?;
        let mut node = Self { child, rpc, p2p, data: data.to_owned(), started_in: Duration::ZERO };
        node.until("it answers", |node| node.call("node_info", &json!([])).ok().map(|_| ()))?;
        node.started_in = started.elapsed();
        Ok(node)
    }

    /// Waits until `look` finds something.
    pub fn until<T>(&mut self, what: &str, mut look: impl FnMut(&Self) -> Option<T>) -> Result<T, Failure> {
        let started = Instant::now();
        loop {
            if let Some(found) = look(self) {
                return Ok(found);
            }
            if let Some(ended) = self.child.try_wait()? {
                return Err(format!("the node ended with {ended} before {what}:\n{}", self.log_tail()).into());
            }
            if started.elapsed() > PATIENCE {
                return Err(format!("waited {PATIENCE:?} in vain until {what}:\n{}", self.log_tail()).into());
            }
            thread::sleep(PAUSE);
        }
    }

    /// One call of a method, and its result.
    pub fn call(&self, method: &str, params: &Value) -> Result<Value, Failure> {
        let body = http::call_body(method, params);
        let mut connection = http::Connection::open(self.rpc)?;
        let answer: Value = serde_json::from_slice(connection.ask(&self.request(&body))?)?;
        match answer.get("result") {
            Some(result) => Ok(result.clone()),
            None => Err(format!("{method}: {answer}").into()),
        }
    }

    /// An HTTP request to this node, with the token of its owner where it has one.
    pub fn request(&self, body: &str) -> Vec<u8> {
        let token = fs::read_to_string(self.data.join("admin.token")).ok();
        http::request(self.rpc, token.as_deref().map(str::trim), body)
    }

    /// Its address among peers.
    pub fn address(&self) -> Result<String, Failure> {
        let info = self.call("node_info", &json!([]))?;
        let peer = info["peer_id"].as_str().ok_or("a node has a peer id")?;
        Ok(format!("/ip4/127.0.0.1/tcp/{}/p2p/{peer}", self.p2p))
    }

    /// The height of its tip.
    pub fn height(&self) -> Result<u64, Failure> {
        let tip = self.call("chain_tip", &json!([]))?;
        tip["height"].as_u64().ok_or_else(|| format!("got {tip}, expected a header").into())
    }

    /// A field of /proc/PID/status in MiB: VmRSS now, VmHWM at most so far.
    pub fn memory_mib(&self, field: &str) -> Result<f64, Failure> {
        memory_mib(self.child.id(), field)
    }

    /// What it has told so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.data.join("bench.log")).unwrap_or_default()
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }

    /// Ends it as an operator does, and waits until it has ended.
    pub fn stop(mut self) -> Result<(), Failure> {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process of `cairn-stranger`, a peer that is no node; ended when dropped.
pub struct Stranger {
    child: Child,
    /// What it said when it was where it should be.
    pub said: String,
}

impl Stranger {
    /// Starts one, and waits until it says something.
    pub fn start(words: &[String]) -> Result<Self, Failure> {
        let mut command = Command::new(program("cairn-stranger")?);
        let mut child = command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let said = child.stdout.take().ok_or("its output was asked for")?;
        let mut stranger = Self { child, said: String::new() };
        BufReader::new(said).read_line(&mut stranger.said)?;
        stranger.said.truncate(stranger.said.trim_end().len());
        Ok(stranger)
    }

    /// Processor seconds it has used.
    pub fn burned(&self) -> Result<f64, Failure> {
        processor_seconds(self.child.id())
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Two ports of loopback on which nobody listens.
pub fn free_ports() -> Result<(u16, u16), Failure> {
    // Both at once: one after the other, they may be the same.
    let (one, other) = (TcpListener::bind(("127.0.0.1", 0))?, TcpListener::bind(("127.0.0.1", 0))?);
    Ok((one.local_addr()?.port(), other.local_addr()?.port()))
}
