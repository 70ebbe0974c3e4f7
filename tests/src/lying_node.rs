//! A node as a visitor's browser meets it that lies: it passes on what a real node says, pages and answers of JSON-RPC,
//! and changes what it is told to change.

use crate::http::{self, Answer};
use serde_json::{Value, json};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Longer than any request of a page.
const MAX_BODY: usize = 1 << 20;
/// What an endless answer is made of.
const CHUNK: [u8; 4096] = [b' '; 4096];

/// How an answer begins that pages of every origin may read.
const HEAD: &str = "HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\n";
/// Between two bytes of an answer that trickles: no answer is so short that it is over before a page gives up.
const BETWEEN_BYTES: Duration = Duration::from_millis(500);

/// A question of JSON-RPC.
#[derive(Debug)]
pub struct Asked {
    /// The method.
    pub method: String,
    /// Its parameters.
    pub params: Value,
    /// The port of the honest node.
    pub honest: u16,
}

impl Asked {
    /// What the honest node answers to another question.
    ///
    /// # Panics
    /// It answers no JSON.
    pub fn instead(&self, method: &str, params: &Value) -> Value {
        http::call_with(self.honest, &[], method, params)["result"].clone()
    }
}

/// What comes in the place of an answer.
#[derive(Debug)]
pub enum Told {
    /// This result.
    Result(Value),
    /// A refusal with this code.
    Refusal(i64),
    /// These bytes, which need be no answer at all.
    Bytes(Vec<u8>),
    /// The first half of the honest answer, and the connection is cut.
    Half,
    /// Blanks without an end.
    Endless,
    /// Nothing, on a connection that stays.
    Never,
    /// The honest answer, a byte at a time, slower than anybody waits for.
    Trickle,
    /// The honest answer, and no end.
    Unended,
}

/// A lie about an answer of JSON-RPC: gets the honest result.
pub type Lie = Arc<dyn Fn(&Asked, Value) -> Told + Send + Sync>;
/// A lie in a page: gets its path and its honest HTML.
pub type PageLie = Arc<dyn Fn(&str, String) -> String + Send + Sync>;

/// The node; it listens no longer when it is dropped.
pub struct LyingNode {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    honest: AtomicU16,
    lie: Mutex<Option<Lie>>,
    page: Mutex<Option<PageLie>>,
    /// Connections on which nothing is ever said.
    silent: Mutex<Vec<TcpStream>>,
    stopped: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for LyingNode {
    fn default() -> Self {
        Self::new()
    }
}

impl LyingNode {
    /// One that listens, and speaks for nobody yet.
    ///
    /// # Panics
    /// The system gives no port.
    pub fn new() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let shared = Arc::new(Shared {
            honest: AtomicU16::new(0),
            lie: Mutex::new(None),
            page: Mutex::new(None),
            silent: Mutex::new(Vec::new()),
            stopped: AtomicBool::new(false),
        });
        let listening = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if listening.stopped.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&listening);
                // Browsers close connections whenever they like.
                thread::spawn(move || shared.serve(stream).ok());
            }
        });
        Self { port, shared }
    }

    /// Its JSON-RPC and its pages, as a URL that ends like those that the light client names.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Speaks for the node on this port from now on.
    pub fn speak_for(&self, port: u16) {
        self.shared.honest.store(port, Ordering::Relaxed);
    }

    /// Tells this lie about answers from now on.
    pub fn tell(&self, lie: Lie) {
        *lock(&self.shared.lie) = Some(lie);
    }

    /// Tells this lie in pages from now on.
    pub fn show(&self, lie: PageLie) {
        *lock(&self.shared.page) = Some(lie);
    }

    /// Tells no lie any more.
    pub fn be_honest(&self) {
        *lock(&self.shared.lie) = None;
        *lock(&self.shared.page) = None;
        lock(&self.shared.silent).clear();
    }
}

impl Drop for LyingNode {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        self.be_honest();
        // The listener sees that it has ended.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

/// A request, as far as anything here depends on it.
struct Request {
    method: String,
    path: String,
    /// The lines of its head that a WebSocket needs.
    socket: Vec<String>,
    body: String,
}

fn read_request(stream: &TcpStream) -> io::Result<Request> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut words = first.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (mut socket, mut length) = (Vec::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let name = line.split(':').next().unwrap_or_default().to_lowercase();
        match name.as_str() {
            "content-length" => length = line[15..].trim().parse().unwrap_or(0),
            "upgrade" | "sec-websocket-key" | "sec-websocket-version" => socket.push(line.to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length.min(MAX_BODY)];
    reader.read_exact(&mut body)?;
    Ok(Request { method, path, socket, body: String::from_utf8_lossy(&body).into_owned() })
}

impl Shared {
    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        let request = read_request(&stream)?;
        let honest = self.honest.load(Ordering::Relaxed);
        if request.socket.iter().any(|line| line.to_lowercase().starts_with("upgrade:")) {
            return tunnel(stream, honest, &request);
        }
        match request.method.as_str() {
            "OPTIONS" => write(&mut stream, "204 No Content", &["Access-Control-Allow-Headers: content-type"], ""),
            "POST" => self.answer(stream, honest, &request.body),
            _ => {
                let Answer { status, head, body } = http::request(honest, &request.method, &request.path, &[], "");
                let lie = lock(&self.page).clone();
                let body = match lie {
                    Some(lie) => lie(&request.path, body),
                    None => body,
                };
                let kept = |line: &&str| {
                    !["http/1.1", "content-length", "connection", "transfer-encoding"]
                        .iter()
                        .any(|name| line.starts_with(name))
                };
                let lines: Vec<&str> = head.lines().filter(kept).collect();
                write(&mut stream, &format!("{status} Told"), &lines, &body)
            }
        }
    }

    fn answer(&self, mut stream: TcpStream, honest: u16, body: &str) -> io::Result<()> {
        let call: Value = serde_json::from_str(body)?;
        let host = format!("127.0.0.1:{honest}");
        let mut answer: Value = serde_json::from_str(&http::post(honest, &host, &[], body).body)?;
        let asked = Asked {
            method: call["method"].as_str().unwrap_or_default().to_owned(),
            params: call["params"].clone(),
            honest,
        };
        let json = &["Content-Type: application/json"];
        let lie = lock(&self.lie).clone();
        let told = lie.map(|lie| lie(&asked, answer["result"].clone()));
        match told {
            None => write(&mut stream, "200 OK", json, &answer.to_string()),
            // A refusal stays one unless the lie makes something of it.
            Some(Told::Result(Value::Null)) => write(&mut stream, "200 OK", json, &answer.to_string()),
            Some(Told::Result(result)) => {
                answer = json!({"jsonrpc": "2.0", "id": call["id"], "result": result});
                write(&mut stream, "200 OK", json, &answer.to_string())
            }
            Some(Told::Refusal(code)) => {
                answer = json!({"jsonrpc": "2.0", "id": call["id"], "error": {"code": code, "message": "no"}});
                write(&mut stream, "200 OK", json, &answer.to_string())
            }
            Some(Told::Bytes(bytes)) => write(&mut stream, "200 OK", json, &String::from_utf8_lossy(&bytes)),
            Some(Told::Half) => {
                let text = answer.to_string();
                let half = text.get(..text.len() / 2).unwrap_or_default();
                write!(stream, "{HEAD}Content-Length: {}\r\n\r\n{half}", text.len())?;
                stream.shutdown(Shutdown::Both)
            }
            Some(Told::Endless) => {
                write!(stream, "{HEAD}Connection: close\r\n\r\n{{")?;
                while !self.stopped.load(Ordering::Relaxed) {
                    stream.write_all(&CHUNK)?;
                }
                Ok(())
            }
            Some(Told::Never) => {
                lock(&self.silent).push(stream);
                Ok(())
            }
            Some(Told::Trickle) => {
                let text = answer.to_string();
                write!(stream, "{HEAD}Content-Length: {}\r\n\r\n", text.len())?;
                for byte in text.as_bytes() {
                    stream.write_all(&[*byte])?;
                    thread::sleep(BETWEEN_BYTES);
                }
                Ok(())
            }
            Some(Told::Unended) => {
                write!(stream, "{HEAD}Connection: close\r\n\r\n{answer}")?;
                lock(&self.silent).push(stream);
                Ok(())
            }
        }
    }
}

/// Writes an answer that pages of every origin may read.
fn write(stream: &mut TcpStream, status: &str, lines: &[&str], body: &str) -> io::Result<()> {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    let head = format!(
        "HTTP/1.1 {status}\r\nAccess-Control-Allow-Origin: *\r\n{lines}Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())
}

/// Passes a WebSocket on as it is.
fn tunnel(mut stream: TcpStream, honest: u16, request: &Request) -> io::Result<()> {
    let mut node = TcpStream::connect((Ipv4Addr::LOCALHOST, honest))?;
    let lines: String = request.socket.iter().map(|line| format!("{line}\r\n")).collect();
    let head =
        format!("GET {} HTTP/1.1\r\nHost: 127.0.0.1:{honest}\r\nConnection: Upgrade\r\n{lines}\r\n", request.path);
    node.write_all(head.as_bytes())?;
    let (mut from, mut to) = (node.try_clone()?, stream.try_clone()?);
    thread::spawn(move || {
        let copied = io::copy(&mut from, &mut to);
        // Whichever side ends, the other is told.
        let _ = to.shutdown(Shutdown::Both);
        copied
    });
    let copied = io::copy(&mut stream, &mut node);
    let _ = node.shutdown(Shutdown::Both);
    copied.map(|_| ())
}
