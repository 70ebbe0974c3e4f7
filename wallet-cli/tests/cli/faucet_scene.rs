//! A faucet that runs, visitors who work, and a node that a test holds by the hand.

use crate::node::{Reply, reply};
use crate::scene::{Net, Scene};
use cairn_ledger::testing::key;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use socket2::{Domain, Socket, Type};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{sync::Arc, thread};

/// The longest that anything may take before it counts as failed.
pub const WITHIN: Duration = Duration::from_secs(30);
/// What each visitor gets, in pebbles.
pub const GIFT: u64 = 10_000_000;
/// More zero bits than a gift costs at its dearest, where the cheapest costs one.
pub const BITS: u32 = 10;

/// A running faucet; ended when dropped, by a kill that it cannot see coming.
pub struct Faucet {
    child: Child,
    pub address: SocketAddr,
}

/// An answer of HTTP.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// Waits until something is so.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + WITHIN;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {WITHIN:?}: {what}");
        // A faucet counts questions, too.
        thread::sleep(Duration::from_millis(100));
    }
}

/// Mines until something is so: when a payment is with a node is the faucet's affair.
pub fn mine_until(what: &str, scene: &Scene, is_so: impl Fn() -> bool) {
    until(what, || {
        scene.net.mine();
        is_so().then_some(())
    });
}

/// The options of a faucet that gives to many, behind a proxy on this machine.
pub const MANY: &str = "--per-day 40 --per-prefix 40 --proxy 127.0.0.1";

impl Faucet {
    /// Starts one that asks `node`, and waits until it gives.
    pub fn start(scene: &Scene, node: &str, more: &str) -> Self {
        let faucet = Self::spawn(&mut command(scene, node, more));
        faucet.until_ready();
        faucet
    }

    /// Starts one; it may not be able to give yet.
    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the wallet runs");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("text");
        let started: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
        let url = started["url"].as_str().unwrap_or_else(|| panic!("no URL: {started}"));
        let address = url.trim_start_matches("http://").trim_end_matches('/').parse().expect("an address");
        Self { child, address }
    }

    pub fn until_ready(&self) {
        let gives = |status: &Answer| status.status == 200 && status.json()["trouble"].is_null();
        until("the faucet gives", || Some(self.get("/api/status", &[])).filter(gives));
    }

    /// Ends it without a word.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it has ended");
    }

    pub fn get(&self, path: &str, headers: &[&str]) -> Answer {
        self.ask("GET", path, headers, "")
    }

    pub fn ask(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
        let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}");
        exchange(TcpStream::connect(self.address).expect("it listens"), &format!("{head}\r\n{headers}\r\n{body}"))
    }

    /// What a visitor at `ip` has to do.
    pub fn offer(&self, address: &str, ip: &str) -> Answer {
        self.get(&format!("/api/challenge?address={address}"), &[&from(ip)])
    }

    /// What a visitor brings who has worked.
    pub fn proof(&self, address: &str, ip: &str) -> String {
        self.proof_of(address, ip, BITS)
    }

    /// The same with another share of work.
    pub fn proof_of(&self, address: &str, ip: &str, bits: u32) -> String {
        let offer = self.offer(address, ip);
        assert_eq!(offer.status, 200, "{offer:?}");
        let offer = offer.json();
        let challenge = offer["challenge"].as_str().expect("a challenge");
        let nonce = solve(challenge, bits).to_string();
        json!({"address": offer["address"], "window": offer["window"], "nonce": nonce}).to_string()
    }

    /// Brings it.
    pub fn claim(&self, proof: &str, ip: &str) -> Answer {
        self.ask("POST", "/api/claim", &["content-type: application/json", &from(ip)], proof)
    }

    /// Works and brings it.
    pub fn take(&self, address: &str, ip: &str) -> Answer {
        self.claim(&self.proof(address, ip), ip)
    }

    /// Waits until a gift is so far.
    pub fn follow(&self, grant: &Value, state: &str) -> Value {
        let path = format!("/api/grant/{}", grant["id"].as_str().expect("an id"));
        until(state, || Some(self.get(&path, &[]).json()).filter(|grant| grant["state"] == state))
    }
}

impl Drop for Faucet {
    fn drop(&mut self) {
        // It may have been killed already.
        let _over = self.child.kill().and_then(|()| self.child.wait());
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The kind of a refusal.
    pub fn kind(&self) -> String {
        self.json()["error"]["kind"].as_str().unwrap_or_else(|| panic!("no refusal: {self:?}")).to_owned()
    }
}

/// A faucet's command line; whatever stands in `more` counts.
pub fn command(scene: &Scene, node: &str, more: &str) -> Command {
    let difficulty = if more.contains("--difficulty") { "" } else { "--difficulty 1" };
    let line = format!("faucet --listen 127.0.0.1:0 --amount 0.1 {difficulty} {more}");
    scene.home.command(&format!("--json {}", scene.line(&[node], &line)))
}

/// The header line of a proxy that says who asks.
pub fn from(ip: &str) -> String {
    format!("x-forwarded-for: {ip}")
}

/// The address of a visitor.
pub fn visitor(scene: &Scene, number: u8) -> String {
    let net = scene.net.chain();
    net.spec().params().prefix.encode(&key(100 + u64::from(number)).address())
}

/// What a visitor has, in pebbles.
pub fn has(scene: &Scene, number: u8) -> u64 {
    scene.net.balance(&key(100 + u64::from(number)).address())
}

/// The payments of the faucet in the journal.
pub fn payments(scene: &Scene) -> Vec<Value> {
    let journal = std::fs::read_to_string(scene.home.journal_file()).unwrap_or_default();
    let lines = journal.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    lines.filter(|line| line["event"] == "signed").collect()
}

/// The faucet's own file.
pub fn ledger(scene: &Scene) -> String {
    std::fs::read_to_string(scene.home.path("data/wallets/default.faucet")).unwrap_or_default()
}

/// The work of docs/wallet.md, written once more.
pub fn solve(challenge: &str, bits: u32) -> u64 {
    let challenge = hex::decode(challenge).expect("hex");
    let tag = Sha256::digest(b"cairn/faucet/work");
    (0..).find(|nonce: &u64| zeros(&tag, &challenge, *nonce) >= bits).expect("there is one")
}

fn zeros(tag: &[u8], challenge: &[u8], nonce: u64) -> u32 {
    let hash = Sha256::digest([tag, tag, challenge, &nonce.to_le_bytes()].concat());
    let first = hash.iter().take(4).fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
    first.leading_zeros()
}

/// A nonce that proves fewer zero bits than asked for.
pub fn fail(challenge: &str, bits: u32) -> u64 {
    let challenge = hex::decode(challenge).expect("hex");
    let tag = Sha256::digest(b"cairn/faucet/work");
    (0..).find(|nonce: &u64| zeros(&tag, &challenge, *nonce) < bits).expect("there is one")
}

/// Sends a request, and reads the answer to its end.
pub fn exchange(mut stream: TcpStream, request: &str) -> Answer {
    stream.set_read_timeout(Some(WITHIN)).expect("a timeout");
    // Who refuses by the head alone may close before the body is there.
    let _refused = stream.write_all(request.as_bytes());
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{read:?}: no answer in {text:?}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Answer { status, head: head.to_lowercase(), body: body.to_owned() }
}

/// A connection from another address of this machine.
pub fn connect_from(source: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((source, 0)).into()).expect("an address of this machine");
    socket.connect(&to.into()).expect("it listens");
    socket.into()
}

/// A node that tells the truth, and falls silent when a test says so.
pub struct Held {
    pub url: String,
    silent: Arc<AtomicBool>,
    /// How many questions are not answered.
    held: Arc<AtomicUsize>,
}

impl Held {
    /// It is silent to what `is_meant` names: before it has done anything, or, `after` it has.
    pub fn new(net: &Net, is_meant: fn(&str) -> bool, after: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (silent, held) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (net, is_silent, count) = (net.clone(), Arc::clone(&silent), Arc::clone(&held));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (net, is_silent, count) = (net.clone(), Arc::clone(&is_silent), Arc::clone(&count));
                thread::spawn(move || {
                    let answer = |request: &Value| {
                        let method = request["method"].as_str().expect("a method");
                        let is_held = is_meant(method) && is_silent.load(Ordering::SeqCst);
                        let answer = (!is_held || after).then(|| net.answer(request));
                        if is_held {
                            count.fetch_add(1, Ordering::SeqCst);
                            while is_silent.load(Ordering::SeqCst) {
                                thread::sleep(Duration::from_millis(10));
                            }
                        }
                        answer.map_or(Reply::HangUp, Reply::Answer)
                    };
                    // Whoever asked may be gone by now.
                    let _gone = reply(&stream, &answer);
                });
            }
        });
        Self { url, silent, held }
    }

    pub fn falls_silent(&self, is: bool) {
        self.silent.store(is, Ordering::SeqCst);
    }

    /// Waits until a question is not answered.
    pub fn until_held(&self) {
        until("a question that is not answered", || (self.held.load(Ordering::SeqCst) > 0).then_some(()));
    }
}
