//! A peer of another kind on the same machine, in the same run: litecoind, as Debian packages it.

use super::Bench;
use crate::http::{self, CONNECTIONS, Connection};
use crate::{Failure, node::Scratch, results::Results};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

/// How long reads go on.
const FOR: Duration = Duration::from_secs(3);
/// Longer than it may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

struct Peer(Child);

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Start-up, idle memory and the cheapest read of litecoind.
pub fn litecoind(bench: &Bench, results: &mut Results) -> Result<(), Failure> {
    if Command::new("litecoind").arg("--version").stdout(Stdio::null()).status().is_err() {
        results.note(
            "peer",
            "litecoind is not installed, so no peer of another kind was measured (Debian: apt install litecoind)",
        );
        return Ok(());
    }
    let data = Scratch::new(&bench.work, "litecoin")?;
    let port = 29_443_u16;
    let started = Instant::now();
    let child = Command::new("litecoind")
        .args(["-regtest", "-listen=0", "-dnsseed=0", "-server", "-rpcworkqueue=256", "-rpcthreads=8"])
        .args([format!("-datadir={}", data.path().display()), format!("-rpcport={port}")])
        .stdout(Stdio::null())
        .spawn()?;
    let peer = Peer(child);
    let cookie = data.path().join("regtest/.cookie");
    let body = r#"{"jsonrpc":"1.0","id":1,"method":"getblockcount","params":[]}"#;
    let request = loop {
        if started.elapsed() > PATIENCE {
            return Err("litecoind does not answer".into());
        }
        thread::sleep(Duration::from_millis(2));
        let Ok(cookie) = fs::read_to_string(&cookie) else { continue };
        let request = basic(port, &cookie, body);
        let Ok(mut connection) = Connection::open(port) else { continue };
        if connection.ask(&request).is_ok_and(|body| String::from_utf8_lossy(body).contains("\"result\":0")) {
            break request;
        }
    };
    for name in ["peer.start_seconds", "peer.idle_mib", "peer.getblockcount_per_second"] {
        results.clear(name);
    }
    results.add("peer.start_seconds", started.elapsed().as_secs_f64());
    let status = fs::read_to_string(format!("/proc/{}/status", peer.0.id()))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS")).ok_or("the system does not say")?;
    results.add("peer.idle_mib", line.split_whitespace().nth(1).ok_or("a number")?.parse::<f64>()? / 1024.0);
    for _ in 0..3 {
        let requests = vec![vec![request.clone()]; CONNECTIONS];
        let load = http::load(port, &requests, Some(FOR), |body| body.starts_with(b"{\"result\""))?;
        results.add("peer.getblockcount_per_second", load.rate);
    }
    Ok(())
}

/// A request with the password that the daemon writes for its user.
fn basic(port: u16, cookie: &str, body: &str) -> Vec<u8> {
    let token = base64(cookie.trim().as_bytes());
    format!(
        "POST / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Basic {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
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
    use super::base64;

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
