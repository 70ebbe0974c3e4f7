//! Ten thousand subscribers, with a head every two seconds, and some among them that never read.
//!
//! The time of a delivery runs from before the call that makes the block until the subscriber has the whole
//! notification: the making of the block, the node and all ten thousand readers of this program share the cores.

use super::Bench;
use crate::http::{Connection, call_body};
use crate::node::{Node, Scratch};
use crate::results::{Results, percentile};
use crate::{Failure, chains};
use serde_json::json;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{cell::RefCell, io, net::SocketAddr, rc::Rc};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::LocalSet;

const SUBSCRIBERS: usize = 10_000;
/// Those that subscribe as often as one may, and then read nothing.
const NEVER_READ: usize = 50;
const SUBSCRIPTIONS: usize = 16;
/// The buffer of such a one: small, so that the node's end fills soon.
const SMALL_BUFFER: u32 = 4_096;
/// Connections opened at a time.
const OPENED_AT_ONCE: usize = 100;
const EVERY: Duration = Duration::from_secs(2);
/// Heads at least; more come until everyone that never reads is cut off.
const HEADS: usize = 30;
/// Longer than a node may keep one that never reads.
const PATIENCE: Duration = Duration::from_secs(240);
/// How old the network is: old enough for all these blocks.
const AGE: Duration = Duration::from_secs(3_600);

/// When each head reached each subscriber.
type Arrivals = Rc<RefCell<Vec<(u64, Instant)>>>;

/// Measures deliveries, memory and the cutting off.
pub fn subscribers(bench: &Bench, results: &mut Results) -> Result<(), Failure> {
    let names = ["p50_ms", "p99_ms", "max_ms", "kib_each", "cut_off_seconds"];
    names.iter().for_each(|name| results.clear(&format!("subscribers.{name}")));
    let data = Scratch::new(&bench.work, "subscribers")?;
    let born = SystemTime::now().duration_since(UNIX_EPOCH)?.saturating_sub(AGE);
    let spec = chains::network(u64::try_from(born.as_millis())?);
    let network = data.path().join("network.toml");
    chains::write_network(&spec, &network)?;
    let places = format!("--rpc.max_connections={}", SUBSCRIBERS + NEVER_READ + 64);
    let node = Node::start(&network, data.path(), &[places])?;
    let beneficiary = spec.params().prefix.encode(&cairn_ledger::testing::key(0).address());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, measure(&node, &beneficiary, results))?;
    drop(runtime);
    node.stop()
}

async fn measure(node: &Node, beneficiary: &str, results: &mut Results) -> Result<(), Failure> {
    let address = SocketAddr::from(([127, 0, 0, 1], node.rpc));
    let empty = node.memory_mib("VmRSS")?;
    let arrivals = Arrivals::default();
    let mut opened = 0;
    while opened < SUBSCRIBERS {
        let some: Vec<_> = (0..OPENED_AT_ONCE).map(|_| tokio::task::spawn_local(open(address, None, 1))).collect();
        for stream in some {
            tokio::task::spawn_local(listen(stream.await??, Rc::clone(&arrivals)));
        }
        opened += OPENED_AT_ONCE;
    }
    results.add("subscribers.kib_each", (node.memory_mib("VmRSS")? - empty) * 1_024.0 / SUBSCRIBERS as f64);
    let mut silent = Vec::new();
    for _ in 0..NEVER_READ {
        silent.push(open(address, Some(SMALL_BUFFER), SUBSCRIPTIONS).await?);
    }
    let (began, mut made, mut cut_off) = (Instant::now(), Vec::new(), None);
    let generate = node.request(&call_body("mining_generate", &json!([1, beneficiary])));
    let port = node.rpc;
    while made.len() < HEADS || cut_off.is_none() {
        if began.elapsed() > PATIENCE {
            return Err(format!(
                "{} connections are open, expected {SUBSCRIBERS} after {PATIENCE:?}",
                connections(port).await?
            )
            .into());
        }
        let (request, next) = (generate.clone(), tokio::time::Instant::now() + EVERY);
        made.push(Instant::now());
        tokio::task::spawn_blocking(move || Connection::open(port)?.ask(&request).map(<[u8]>::to_vec)).await??;
        tokio::time::sleep_until(next).await;
        if cut_off.is_none() && connections(port).await? <= SUBSCRIBERS + 1 {
            cut_off = Some(began.elapsed().as_secs_f64());
        }
    }
    results.add("subscribers.cut_off_seconds", cut_off.unwrap_or(f64::NAN));
    let arrivals = arrivals.borrow();
    if arrivals.len() != made.len() * SUBSCRIBERS {
        return Err(format!("got {} heads, expected {} for each of {SUBSCRIBERS}", arrivals.len(), made.len()).into());
    }
    let took = |(height, at): &(u64, Instant)| {
        let sent = usize::try_from(*height).ok().and_then(|height| made.get(height.checked_sub(1)?));
        sent.map_or(f64::NAN, |sent| at.duration_since(*sent).as_secs_f64() * 1e3)
    };
    let mut times: Vec<f64> = arrivals.iter().map(took).collect();
    times.sort_by(f64::total_cmp);
    for (name, share) in [("p50_ms", 0.5), ("p99_ms", 0.99), ("max_ms", 1.0)] {
        results.add(&format!("subscribers.{name}"), percentile(&times, share));
    }
    drop(silent);
    Ok(())
}

/// The open connections by the node's own count, this question's included.
async fn connections(port: u16) -> Result<usize, Failure> {
    let ask = move || {
        let request = format!("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n");
        Connection::open(port)?.ask(request.as_bytes()).map(|body| String::from_utf8_lossy(body).into_owned())
    };
    let text = tokio::task::spawn_blocking(ask).await??;
    let count = text.lines().find_map(|line| line.strip_prefix("cairn_rpc_connections "));
    Ok(count.ok_or("the node counts its connections")?.parse()?)
}

/// Opens a WebSocket and subscribes to heads, once or more often; the answers are not read yet.
async fn open(address: SocketAddr, buffer: Option<u32>, subscriptions: usize) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if let Some(bytes) = buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    let mut stream = socket.connect(address).await?;
    let handshake = format!(
        "GET / HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(handshake.as_bytes()).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    if !head.starts_with(b"HTTP/1.1 101") {
        let text = String::from_utf8_lossy(&head).into_owned();
        return Err(io::Error::other(format!("got {text:?}, expected a WebSocket")));
    }
    let subscribe = request_frame(&call_body("chain_subscribeHeads", &json!([])));
    stream.write_all(&subscribe.repeat(subscriptions)).await?;
    Ok(stream)
}

/// Notes when each head comes, and answers pings, until the node closes the connection.
async fn listen(mut stream: TcpStream, arrivals: Arrivals) -> io::Result<()> {
    // A head is about one KiB.
    let (mut buffer, mut got) = (vec![0; 4_096], 0);
    loop {
        got += match stream.read(&mut buffer[got..]).await? {
            0 => return Ok(()),
            read => read,
        };
        let now = Instant::now();
        let mut at = 0;
        while let Some((opcode, begin, end)) = frame(&buffer[at..got]) {
            let payload = &buffer[at + begin..at + end];
            match opcode {
                0x9 => stream.write_all(&client_frame(0xA, payload)).await?,
                _ => arrivals.borrow_mut().extend(height(payload).map(|height| (height, now))),
            }
            at += end;
        }
        buffer.copy_within(at..got, 0);
        got -= at;
    }
}

/// The first frame, if it is whole (RFC 6455): its opcode, and where its payload begins and ends.
fn frame(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    let (begin, length) = match second & 0x7F {
        126 => (4, usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]))),
        127 => return None,
        short => (2, usize::from(short)),
    };
    (bytes.len() >= begin + length).then_some((first & 0x0F, begin, begin + length))
}

/// The height in a notification of a head; none in the answer to the subscription.
fn height(payload: &[u8]) -> Option<u64> {
    const FIELD: &[u8] = b"\"height\":";
    let at = payload.windows(FIELD.len()).position(|window| window == FIELD)? + FIELD.len();
    let digits = payload[at..].iter().take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0, |height, digit| height * 10 + u64::from(digit - b'0')))
}

fn request_frame(text: &str) -> Vec<u8> {
    client_frame(0x1, text.as_bytes())
}

/// A frame as clients send it, with a mask of zeros.
fn client_frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).ok().filter(|length| *length < 126).expect("a short frame");
    [&[0x80 | opcode, 0x80 | length, 0, 0, 0, 0], payload].concat()
}
