//! Asking a node at the Unix socket in its data directory: it needs no token, and is reached from outside the network
//! namespace that the node is in.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long an answer may take: a node that is stopped gives none.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// The socket's name (`cairn_node`'s data directory).
const SOCKET: &str = "rpc.sock";

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody answers.
    #[error("no answer: {0}")]
    Silent(#[from] io::Error),
    /// The node refuses.
    #[error("refused: {0}")]
    Refused(String),
    /// The answer is none to this question.
    #[error("it answers something else: {0}")]
    Unexpected(String),
}

/// Calls a method of the node on this data directory.
///
/// # Errors
/// It does not answer, or refuses.
pub fn ask<T: DeserializeOwned>(data_dir: &Path, method: &str, params: &Value) -> Result<T, AskError> {
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    let answer = exchange(data_dir, &request)?;
    let unexpected = |what: &str| AskError::Unexpected(format!("{method}: {what}"));
    let (_, body) = answer.split_once("\r\n\r\n").ok_or_else(|| unexpected("no HTTP"))?;
    let mut answer: Value = serde_json::from_str(body).map_err(|error| unexpected(&error.to_string()))?;
    if let Some(error) = answer.get("error") {
        let message = error.get("message").and_then(Value::as_str);
        return Err(AskError::Refused(message.map_or_else(|| error.to_string(), str::to_owned)));
    }
    serde_json::from_value(answer["result"].take()).map_err(|error| unexpected(&error.to_string()))
}

fn exchange(data_dir: &Path, body: &str) -> io::Result<String> {
    // A socket's address has room for 107 bytes; by way of the open directory it is short.
    let folder = File::open(data_dir)?;
    let mut stream = UnixStream::connect(format!("/proc/self/fd/{}/{SOCKET}", folder.as_raw_fd()))?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    stream.set_write_timeout(Some(ANSWER_WITHIN))?;
    let length = body.len();
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
