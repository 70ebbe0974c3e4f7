//! Bitcoin Core and Litecoin Core on their regression network, as processes beside those of [`node`](crate::node).

pub mod chain;

use crate::http::{self, Connection};
use crate::node::{PATIENCE, PAUSE, free_ports, memory_mib, on_cores};
use crate::{Failure, results};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{env, fs, thread};

/// A day, by whose end the times of a log begin anew.
const DAY: f64 = 86_400.0;
/// What they are all started with. None of them speaks to anybody who is not named, looks anything up, keeps its pool
/// or checks itself while it is measured; scripts are verified from the first block on.
const ALWAYS: [&str; 13] = [
    "-regtest",
    "-server",
    "-printtoconsole=0",
    "-logtimemicros=1",
    "-discover=0",
    "-dnsseed=0",
    "-listenonion=0",
    "-checkmempool=0",
    "-checkblockindex=0",
    "-persistmempool=0",
    "-assumevalid=0",
    "-maxmempool=1000",
    "-rpcworkqueue=256",
];

/// Which program.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    /// What it calls itself.
    pub version: String,
}

impl Program {
    /// Bitcoin Core: CAIRN_BITCOIND, which `scripts/bench/peers.sh` builds.
    pub fn bitcoin() -> Option<Self> {
        Self::at(env::var_os("CAIRN_BITCOIND")?.into())
    }

    /// Litecoin Core, as Debian packages it.
    pub fn litecoin() -> Option<Self> {
        Self::at("litecoind".into())
    }

    fn at(path: PathBuf) -> Option<Self> {
        let version = results::said(&path, &["--version"]);
        (!version.is_empty()).then_some(Self { path, version })
    }
}

/// A daemon; ended when dropped.
pub struct Daemon {
    child: Child,
    /// The port of its JSON-RPC.
    pub rpc: u16,
    /// The port it listens on for peers.
    pub p2p: u16,
    data: PathBuf,
    begun: Instant,
    /// The same, by the clock of its log.
    begun_at: f64,
}

impl Daemon {
    /// Starts one in a data directory, with nobody to connect with but those that `more` names, and waits until it
    /// answers; how long that took.
    pub fn start(program: &Program, data: &Path, more: &[String]) -> Result<(Self, Duration), Failure> {
        let mut daemon = Self::spawn(program, data, more)?;
        daemon.until("it answers", |daemon| daemon.call("getblockcount", &json!([])).ok())?;
        let took = daemon.begun.elapsed();
        Ok((daemon, took))
    }

    /// The same, without waiting.
    pub fn spawn(program: &Program, data: &Path, more: &[String]) -> Result<Self, Failure> {
        Self::spawn_on(program, data, more, None)
    }

    /// The same, held to so many cores.
    pub fn spawn_on(program: &Program, data: &Path, more: &[String], cores: Option<usize>) -> Result<Self, Failure> {
        let (p2p, rpc) = free_ports()?;
        for left in ["debug.log", ".cookie"] {
            // There is none in a new directory.
            let _ = fs::remove_file(data.join("regtest").join(left));
        }
        let mut command = on_cores(&program.path, cores);
        command.args(ALWAYS).arg(format!("-datadir={}", data.display())).arg(format!("-bind=127.0.0.1:{p2p}"));
        command.arg(format!("-rpcport={rpc}")).arg(format!("-port={p2p}")).args(more);
        if !more.iter().any(|option| option.starts_with("-connect")) {
            command.arg("-connect=0");
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let (begun, begun_at) = (Instant::now(), SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64() % DAY);
        Ok(Self { child: command.spawn()?, rpc, p2p, data: data.to_owned(), begun, begun_at })
    }

    /// Waits until `look` finds something.
    pub fn until<T>(&mut self, what: &str, mut look: impl FnMut(&Self) -> Option<T>) -> Result<T, Failure> {
        let asked = Instant::now();
        loop {
            if let Some(found) = look(self) {
                return Ok(found);
            }
            if let Some(ended) = self.child.try_wait()? {
                return Err(format!("the daemon ended with {ended} before {what}:\n{}", self.log()).into());
            }
            if asked.elapsed() > PATIENCE {
                return Err(format!("waited {PATIENCE:?} in vain until {what}").into());
            }
            thread::sleep(PAUSE);
        }
    }

    /// One call of a method, and its result.
    pub fn call(&self, method: &str, params: &Value) -> Result<Value, Failure> {
        let mut connection = Connection::open(self.rpc)?;
        let answer = connection.ask(&self.request(&http::call_body(method, params))?)?;
        let answer: Value = serde_json::from_slice(answer)?;
        match &answer["result"] {
            Value::Null => Err(format!("{method}: {answer}").into()),
            result => Ok(result.clone()),
        }
    }

    /// One call of a method that has nothing to say.
    pub fn call_without_result(&self, method: &str, params: &Value) -> Result<(), Failure> {
        let mut connection = Connection::open(self.rpc)?;
        let answer = connection.ask(&self.request(&http::call_body(method, params))?)?;
        let answer: Value = serde_json::from_slice(answer)?;
        if answer["error"].is_null() { Ok(()) } else { Err(format!("{method}: {answer}").into()) }
    }

    /// An HTTP request, with the password that the daemon writes for its user.
    pub fn request(&self, body: &str) -> Result<Vec<u8>, Failure> {
        let cookie = fs::read_to_string(self.data.join("regtest/.cookie"))?;
        let authorization = format!("Basic {}", base64(cookie.trim().as_bytes()));
        Ok(http::authorized_request(self.rpc, Some(&authorization), body))
    }

    /// The height of its tip.
    pub fn height(&self) -> Result<u64, Failure> {
        let count = self.call("getblockcount", &json!([]))?;
        count.as_u64().ok_or_else(|| format!("got {count}, expected a height").into())
    }

    /// A field of /proc/PID/status in MiB: VmRSS now, VmHWM at most so far.
    pub fn memory_mib(&self, field: &str) -> Result<f64, Failure> {
        memory_mib(self.child.id(), field)
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Seconds from its start until blocks became its tip, by its log: heights, in the order in which they did.
    pub fn tips(&self) -> Vec<(u64, f64)> {
        self.log().lines().filter_map(|line| self.tip(line)).collect()
    }

    /// When a block became its tip, if it has.
    pub fn tip_at(&self, height: u64) -> Option<f64> {
        self.tips().into_iter().rev().find_map(|(tip, at)| (tip == height).then_some(at))
    }

    /// Seconds from its start until the last line of its log in which this stands.
    pub fn last_at(&self, text: &str) -> Option<f64> {
        let log = self.log();
        let line = log.lines().rev().find(|line| line.contains(text))?;
        Some((time_of_day(line)? - self.begun_at).rem_euclid(DAY))
    }

    /// How much later than another it was started, in seconds.
    pub fn begun_after(&self, other: &Self) -> f64 {
        (self.begun_at - other.begun_at).rem_euclid(DAY)
    }

    /// "2026-11-30T06:49:48.123456Z UpdateTip: new best=… height=… …", perhaps with the names of threads in brackets
    /// between.
    fn tip(&self, line: &str) -> Option<(u64, f64)> {
        let (head, rest) = line.split_once("UpdateTip: ")?;
        let height = rest.split_once("height=")?.1.split(' ').next()?.parse().ok()?;
        Some((height, (time_of_day(head)? - self.begun_at).rem_euclid(DAY)))
    }

    /// What it has told so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.data.join("regtest/debug.log")).unwrap_or_default()
    }

    /// Ends it in order, and waits until it has ended.
    pub fn stop(mut self) -> Result<(), Failure> {
        self.call("stop", &json!([]))?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Seconds since midnight in "2026-11-30T06:49:48.123456Z …".
fn time_of_day(text: &str) -> Option<f64> {
    let time = text.split_once('T')?.1.split_once('Z')?.0;
    let mut parts = time.split(':').map(|part| part.parse::<f64>().ok());
    Some(parts.next()?? * 3600.0 + parts.next()?? * 60.0 + parts.next()??)
}

/// RFC 4648 §4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let word = (0..3).fold(0_u32, |word, n| word << 8 | u32::from(three.get(n).copied().unwrap_or(0)));
        for n in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * n) & 63) as usize];
            text.push(if n <= three.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn the_time_of_a_line_is_read() {
        assert_eq!(time_of_day("2026-11-30T01:02:03.500000Z [msghand] "), Some(3723.5));
        assert_eq!(time_of_day("a line without a time"), None);
    }
}
