//! HTTP for strangers: what a connection, a request and a prefix may take is bounded, and what is too much is refused
//! before it costs anything.

use super::book::WIDE_FACTOR;
use super::desk::Desk;
use super::error::FaucetError;
use super::prefix::{IpPrefix, client};
use super::refusal::Refusal;
use super::routes;
use cairn_common::cache::FifoCache;
use cairn_common::rate_limiter::RateLimiter;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr, TcpListener as StdListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};

/// The most connections at a time.
const MAX_CONNECTIONS: usize = 512;
/// The most of them from one prefix, proxies of the operator's aside: browsers open six.
const MAX_PER_PREFIX: usize = 32;
/// How long a request's head may take, and how long a connection may be idle.
const HEAD_WITHIN: Duration = Duration::from_secs(5);
/// How long a connection may last, whatever it does: whoever reads an answer a byte at a time is cut off.
const CONNECTION_WITHIN: Duration = Duration::from_secs(60);
/// The longest head of a request.
const MAX_HEAD_BYTES: usize = 16 << 10;
/// Requests a second from one prefix, and how many at once: a page with its files is ten.
const RATE: (f64, f64) = (10.0, 60.0);
/// How many prefixes are told apart at a time; those that came first make room.
const MAX_PREFIXES: usize = 8_192;
/// How long the door stays closed when the system gives no more sockets.
const PAUSE: Duration = Duration::from_millis(50);
/// Threads that may wait for the disk: one promise is written at a time.
const WRITERS: usize = 1;
/// What a connection gets for which there is no room.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain\r\ncontent-length: 61\r\n\
                      connection: close\r\nretry-after: 5\r\n\r\n\
                      There are too many connections; please try again in a moment.";

/// The server, on a thread of its own: paying may wait for a node, and pages do not.
pub struct Server {
    thread: JoinHandle<()>,
}

impl Server {
    /// Listens, and answers from then on.
    ///
    /// # Errors
    /// The place is taken, or the system gives no thread.
    pub fn start(listener: StdListener, desk: Arc<Desk>) -> Result<Self, FaucetError> {
        listener.set_nonblocking(true).map_err(FaucetError::Serve)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(WRITERS).build();
        let runtime = runtime.map_err(FaucetError::Serve)?;
        let serve = move || {
            // Ends when it cannot begin, and whoever pays sees that.
            let _ended = runtime.block_on(async {
                let listener = TcpListener::from_std(listener)?;
                accept(&listener, &Arc::new(Door { desk, crowd: Mutex::new(Crowd::default()) })).await
            });
        };
        let thread = thread::Builder::new().name(String::from("faucet")).spawn(serve);
        Ok(Self { thread: thread.map_err(FaucetError::Serve)? })
    }

    /// Whether it has ended, which it never should.
    pub fn is_over(&self) -> bool {
        self.thread.is_finished()
    }
}

/// Who may come in.
struct Door {
    desk: Arc<Desk>,
    crowd: Mutex<Crowd>,
}

struct Crowd {
    all: usize,
    by_prefix: HashMap<IpPrefix, usize>,
    rates: FifoCache<IpPrefix, RateLimiter>,
}

impl Default for Crowd {
    fn default() -> Self {
        Self { all: 0, by_prefix: HashMap::new(), rates: FifoCache::new(MAX_PREFIXES) }
    }
}

/// A place of a connection; free again when dropped.
struct Seat {
    door: Arc<Door>,
    prefix: IpPrefix,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut crowd = self.door.crowd();
        crowd.all = crowd.all.saturating_sub(1);
        if let Some(count) = crowd.by_prefix.get_mut(&self.prefix) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                crowd.by_prefix.remove(&self.prefix);
            }
        }
    }
}

impl Door {
    fn crowd(&self) -> MutexGuard<'_, Crowd> {
        self.crowd.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn seat(self: &Arc<Self>, peer: IpAddr) -> Option<Seat> {
        let prefix = IpPrefix::narrow(peer);
        let is_proxy = self.desk.terms.proxies.iter().any(|proxy| proxy.to_canonical() == peer.to_canonical());
        let mut crowd = self.crowd();
        let here = crowd.by_prefix.get(&prefix).copied().unwrap_or_default();
        if crowd.all >= MAX_CONNECTIONS || here >= MAX_PER_PREFIX && !is_proxy {
            return None;
        }
        crowd.all += 1;
        crowd.by_prefix.insert(prefix, here + 1);
        drop(crowd);
        Some(Seat { door: Arc::clone(self), prefix })
    }

    /// Takes one request off what a visitor and its neighbours have left.
    fn charge(&self, ip: IpAddr) -> Result<(), Refusal> {
        let (narrow, now) = (IpPrefix::narrow(ip), Instant::now());
        let mut crowd = self.crowd();
        for (prefix, factor) in [(narrow, 1.0), (narrow.wide(), WIDE_FACTOR as f64)] {
            crowd.rates.insert(prefix, RateLimiter::new(RATE.0 * factor, RATE.1 * factor, now));
            let limiter = crowd.rates.get_mut(&prefix);
            if limiter.is_some_and(|limiter| limiter.take(1.0, now).is_err()) {
                return Err(Refusal::TooFast { prefix });
            }
        }
        Ok(())
    }
}

async fn accept(listener: &TcpListener, door: &Arc<Door>) -> std::io::Result<()> {
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        match door.seat(peer.ip()) {
            Some(seat) => {
                tokio::spawn(converse(stream, peer, seat));
            }
            None => {
                // As much as goes without waiting.
                let _unheard = stream.try_write(FULL);
            }
        }
    }
}

/// Answers the requests of one connection, within its time.
async fn converse(stream: TcpStream, peer: SocketAddr, seat: Seat) {
    let door = Arc::clone(&seat.door);
    let answer = service_fn(move |request: Request<Incoming>| {
        let door = Arc::clone(&door);
        async move {
            let ip = visitor(&request, peer.ip(), &door.desk.terms.proxies);
            Ok::<_, Infallible>(match door.charge(ip) {
                Ok(()) => routes::answer(request, ip, &door.desk).await,
                Err(refusal) => routes::refused(&refusal),
            })
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN).max_buf_size(MAX_HEAD_BYTES);
    let served = http.serve_connection(TokioIo::new(stream), answer);
    // A connection that breaks is its visitor's business.
    let _ended = tokio::time::timeout(CONNECTION_WITHIN, served).await;
    drop(seat);
}

fn visitor(request: &Request<Incoming>, peer: IpAddr, proxies: &[IpAddr]) -> IpAddr {
    let headers: &HeaderMap = request.headers();
    // What is no text ends the list, as what is no address does.
    let forwarded = headers.get_all("x-forwarded-for").iter().map(|value| value.to_str().unwrap_or("?"));
    client(peer, &forwarded.collect::<Vec<_>>(), proxies)
}
