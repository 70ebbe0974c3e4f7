//! Requests that no well-behaved client would send, byte by byte.

use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::{collections::BTreeMap, fs, time::Duration};

/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// The status and the body of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The status line and the headers, in lower case.
    pub head: String,
    /// The body, as text.
    pub body: String,
}

/// Posts `body` to the server on this port of loopback, with these header lines besides the necessary ones,
/// and `host` as the name the caller thinks it speaks to.
///
/// # Panics
/// The server does not answer in HTTP.
pub fn post(port: u16, host: &str, headers: &[&str], body: &str) -> Answer {
    let more: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let request = format!(
        "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{more}\
         Connection: close\r\n\r\n{body}",
        body.len(),
    );
    exchange(port, &request)
}

/// Gets a path from the server on this port of loopback.
///
/// # Panics
/// The server does not answer in HTTP.
pub fn get(port: u16, path: &str) -> Answer {
    exchange(port, &format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"))
}

/// Sends a request to the server on this port of loopback, with these header lines besides the necessary
/// ones.
///
/// # Panics
/// The server does not answer in HTTP.
pub fn request(port: u16, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
    let more: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let length = body.len();
    exchange(
        port,
        &format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {length}\r\n{more}\
             Connection: close\r\n\r\n{body}"
        ),
    )
}

fn exchange(port: u16, request: &str) -> Answer {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a server that listens");
    stream.set_read_timeout(Some(ANSWER_WITHIN)).expect("a timeout can be set");
    // A server that refuses by the head alone may close before it has read the body.
    let _ = stream.write_all(request.as_bytes());
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{read:?}, no answer in {text:?}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Answer { status: status.expect("a status line"), head: head.to_lowercase(), body: body.to_owned() }
}

/// Where the tokens of the nodes on these ports are.
static ADMINS: Mutex<BTreeMap<u16, PathBuf>> = Mutex::new(BTreeMap::new());

/// Remembers where the token of the user who runs the node on this port is.
pub(crate) fn remember_admin(port: u16, data_dir: &Path) {
    let mut admins = ADMINS.lock().unwrap_or_else(PoisonError::into_inner);
    admins.insert(port, data_dir.join("admin.token"));
}

/// The header line of the user who runs the node on this port, if a node of this test's does.
pub fn admin(port: u16) -> Option<String> {
    let path = ADMINS.lock().unwrap_or_else(PoisonError::into_inner).get(&port).cloned()?;
    Some(format!("Authorization: Bearer {}", fs::read_to_string(path).ok()?.trim()))
}

/// Calls a method of JSON-RPC as the user who runs the node, and gives the whole answer, `result` or `error`.
///
/// # Panics
/// The answer is not JSON.
pub fn call(port: u16, method: &str, params: &Value) -> Value {
    let admin = admin(port);
    call_with(port, &admin.iter().map(String::as_str).collect::<Vec<_>>(), method, params)
}

/// The same with these header lines, and so as whoever they say.
///
/// # Panics
/// The answer is not JSON.
pub fn call_with(port: u16, headers: &[&str], method: &str, params: &Value) -> Value {
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let answer = post(port, &format!("127.0.0.1:{port}"), headers, &request.to_string());
    serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error} in {answer:?}"))
}
