//! HTTP/1.1 with as little work as possible: requests are bytes made beforehand, a connection is a blocking
//! socket, and of an answer only its length is parsed. [`own_limit`] measures what this alone can do, so that
//! nobody has to believe that the client is not the bottleneck.

use crate::{Failure, results::percentile};
use serde_json::{Value, json};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// Connections at a time, in every load.
pub const CONNECTIONS: usize = 8;

/// A call of JSON-RPC.
pub fn call_body(method: &str, params: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string()
}

/// A request, with all of its head.
pub fn request(port: u16, token: Option<&str>, body: &str) -> Vec<u8> {
    authorized_request(port, token.map(|token| format!("Bearer {token}")).as_deref(), body)
}

/// A request of somebody who says who it is in this way (RFC 9110 §11.6.2).
pub fn authorized_request(port: u16, authorization: Option<&str>, body: &str) -> Vec<u8> {
    let authorization = authorization.map_or_else(String::new, |value| format!("Authorization: {value}\r\n"));
    let length = body.len();
    format!(
        "POST / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n{authorization}\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// A connection that is kept, with room for answers that is kept, too.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub fn open(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; 1 << 16] })
    }

    /// Sends a request and gives the body of the answer.
    pub fn ask(&mut self, request: &[u8]) -> io::Result<&[u8]> {
        let (head, whole) = self.exchange(request)?;
        Ok(&self.buffer[head..whole])
    }

    /// Sends a request and gives the length of the answer, its head counted.
    pub fn whole(&mut self, request: &[u8]) -> io::Result<usize> {
        Ok(self.exchange(request)?.1)
    }

    /// Sends a request and reads the answer; where its body begins and ends.
    fn exchange(&mut self, request: &[u8]) -> io::Result<(usize, usize)> {
        self.stream.write_all(request)?;
        let mut got = 0;
        let (head, length) = loop {
            got += self.more(got)?;
            if let Some(end) = self.buffer[..got].windows(4).position(|four| four == b"\r\n\r\n") {
                break (end + 4, content_length(&self.buffer[..end])?);
            }
        };
        if self.buffer.len() < head + length {
            self.buffer.resize(head + length, 0);
        }
        while got < head + length {
            got += self.more(got)?;
        }
        Ok((head, head + length))
    }

    /// Reads what is there, after the first `got` bytes.
    fn more(&mut self, got: usize) -> io::Result<usize> {
        match self.stream.read(&mut self.buffer[got..])? {
            0 => {
                Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the node closed the connection, or its head is long"))
            }
            read => Ok(read),
        }
    }
}

fn content_length(head: &[u8]) -> io::Result<usize> {
    let head = String::from_utf8_lossy(head);
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("no length in the answer {head:?}")))
}

/// What came of a load.
pub struct Load {
    /// Requests answered per second.
    pub rate: f64,
    /// Half of the answers came within, in milliseconds.
    pub p50: f64,
    /// 99 of 100 came within, in milliseconds.
    pub p99: f64,
    /// Answers that `good` did not like, and the first of them.
    pub refused: (usize, String),
}

/// Asks on [`CONNECTIONS`] connections at once: `requests[n % 8]`, in order, until they are used up; or, with
/// a time, again and again until it is over.
pub fn load(
    port: u16,
    requests: &[Vec<Vec<u8>>],
    during: Option<Duration>,
    good: impl Fn(&[u8]) -> bool + Sync,
) -> Result<Load, Failure> {
    let started = Instant::now();
    let all: Vec<io::Result<(Vec<f64>, usize, String)>> = thread::scope(|scope| {
        let good = &good;
        let threads: Vec<_> =
            requests.iter().map(|mine| scope.spawn(move || one(port, mine, during, started, good))).collect();
        threads.into_iter().map(|thread| thread.join().expect("asking panicked")).collect()
    });
    let elapsed = started.elapsed().as_secs_f64();
    let (mut times, mut refused) = (Vec::new(), (0, String::new()));
    for one in all {
        let (mine, bad, first) = one?;
        times.extend(mine);
        refused.0 += bad;
        if refused.1.is_empty() {
            refused.1 = first;
        }
    }
    times.sort_by(f64::total_cmp);
    let rate = times.len() as f64 / elapsed;
    Ok(Load { rate, p50: percentile(&times, 0.5), p99: percentile(&times, 0.99), refused })
}

fn one(
    port: u16,
    requests: &[Vec<u8>],
    during: Option<Duration>,
    started: Instant,
    good: &(impl Fn(&[u8]) -> bool + Sync),
) -> io::Result<(Vec<f64>, usize, String)> {
    let mut connection = Connection::open(port)?;
    let (mut times, mut refused, mut first) = (Vec::new(), 0, String::new());
    let rounds = if during.is_some() { usize::MAX } else { 1 };
    for request in std::iter::repeat_n(requests, rounds).flatten() {
        if during.is_some_and(|during| started.elapsed() >= during) {
            break;
        }
        let asked = Instant::now();
        let body = connection.ask(request)?;
        times.push(asked.elapsed().as_secs_f64() * 1e3);
        if !good(body) {
            refused += 1;
            if first.is_empty() {
                first = String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned();
            }
        }
    }
    Ok((times, refused, first))
}

/// Requests per second that this client makes of a server that does nothing but answer `bytes` bytes, on the
/// same machine: no measurement made with it can show more.
pub fn own_limit(bytes: usize, during: Duration) -> Result<f64, Failure> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let port = listener.local_addr()?.port();
    let answer =
        [format!("HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\n\r\n").into_bytes(), vec![b'x'; bytes]].concat();
    thread::scope(|scope| {
        let answer = &answer;
        scope.spawn(move || {
            for stream in listener.incoming().take(CONNECTIONS).flatten() {
                scope.spawn(move || serve(stream, answer));
            }
        });
        let request = request(port, None, &call_body("chain_tip", &json!([])));
        let requests = vec![vec![request]; CONNECTIONS];
        load(port, &requests, Some(during), |_| true).map(|load| load.rate)
    })
}

/// Answers whatever comes in one piece, until the other side is gone.
fn serve(mut stream: TcpStream, answer: &[u8]) {
    let _ = stream.set_nodelay(true);
    let mut buffer = [0; 4096];
    while matches!(stream.read(&mut buffer), Ok(read) if read > 0) && stream.write_all(answer).is_ok() {}
}
