//! A line between two nodes, in user space: a TCP proxy with a latency and a number of bytes a second, which can
//! be cut, or carry nothing in one direction, and be mended. (`tc netem` is missing from many kernels.)
//!
//! It is made of threads and the standard library alone, so that benchmarks, which have no runtime, use it too.
//!
//! All connections through one line share its bytes a second, in each direction by itself; each chunk leaves
//! when the line has carried all before it, and arrives a latency later.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// What the line carries at once: little, so that two connections share it fairly.
const CHUNK: usize = 16 << 10;
/// Chunks on the way in one direction of a connection; whoever sends more waits, as before a full pipe.
const ON_THE_WAY: usize = 256;

/// What a line is like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// From one end to the other.
    pub latency: Duration,
    /// In each direction; without it as many as the machine carries.
    pub bytes_per_second: Option<u64>,
}

impl Line {
    /// One that only limits bytes.
    pub fn of_rate(bytes_per_second: u64) -> Self {
        Self { bytes_per_second: Some(bytes_per_second), ..Self::default() }
    }
}

/// Between two looks whether a silent lane carries again.
const LOOK: Duration = Duration::from_millis(20);

/// A direction of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From whoever connects to the target.
    There,
    /// From the target.
    Back,
}

/// One direction of a line.
#[derive(Debug)]
struct Lane {
    line: Line,
    /// When it has carried all that was given to it.
    free: Instant,
}

impl Lane {
    /// Takes so many bytes; says when they have left, and when they arrive.
    fn carry(&mut self, bytes: usize, now: Instant) -> (Instant, Instant) {
        let seconds = self.line.bytes_per_second.map_or(0.0, |rate| bytes as f64 / rate.max(1) as f64);
        self.free = self.free.max(now) + Duration::from_secs_f64(seconds);
        (self.free, self.free + self.line.latency)
    }
}

/// What all threads of a line share.
#[derive(Debug)]
struct Shared {
    target: SocketAddr,
    /// To the target, and from it.
    lanes: [Mutex<Lane>; 2],
    /// Both ends of the open connections.
    open: Mutex<Vec<TcpStream>>,
    is_cut: AtomicBool,
    /// Whether nothing is carried to the target, and from it.
    is_silent: [AtomicBool; 2],
    is_over: AtomicBool,
    /// Bytes that came from the target.
    carried: AtomicU64,
}

/// A line to one address. It ends when it is dropped.
#[derive(Debug)]
pub struct Shaper {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Shaper {
    /// Opens a line to `target`; whoever connects to [`Shaper::address`] gets there.
    ///
    /// # Errors
    /// The system gives no port or no thread.
    pub fn start(target: SocketAddr, line: Line) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let lane = || Mutex::new(Lane { line, free: Instant::now() });
        let shared = Arc::new(Shared {
            target,
            lanes: [lane(), lane()],
            open: Mutex::default(),
            is_cut: AtomicBool::new(false),
            is_silent: [AtomicBool::new(false), AtomicBool::new(false)],
            is_over: AtomicBool::new(false),
            carried: AtomicU64::new(0),
        });
        let accepting = shared.clone();
        thread::Builder::new().name(String::from("line")).spawn(move || accept(&listener, &accepting))?;
        Ok(Self { address, shared })
    }

    /// Where it begins.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it begins, as the multiaddress of the node at its other end.
    pub fn multiaddr(&self, peer_id: &str) -> String {
        format!("/ip4/{}/tcp/{}/p2p/{peer_id}", self.address.ip(), self.address.port())
    }

    /// Bytes that have come from the target.
    pub fn carried(&self) -> u64 {
        self.shared.carried.load(Ordering::Relaxed)
    }

    /// Breaks every connection, and refuses new ones until it is mended.
    pub fn cut(&self) {
        self.shared.is_cut.store(true, Ordering::SeqCst);
        self.break_all();
    }

    /// Takes connections again.
    pub fn mend(&self) {
        self.shared.is_cut.store(false, Ordering::SeqCst);
    }

    /// Carries nothing in a direction until it is to carry again, and tells nobody: connections stay, and are taken,
    /// and what was sent meanwhile arrives then, as after a cable that was pulled.
    pub fn set_silent(&self, direction: Direction, is_silent: bool) {
        self.shared.is_silent[direction as usize].store(is_silent, Ordering::SeqCst);
    }

    /// Breaks every connection; new ones are taken.
    pub fn break_all(&self) {
        for end in lock(&self.shared.open).drain(..) {
            // It may be closed already.
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    /// Makes the line another one, for what is sent from now on.
    pub fn change(&self, line: Line) {
        self.shared.lanes.iter().for_each(|lane| lock(lane).line = line);
    }
}

impl Drop for Shaper {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        self.break_all();
        // Wakes whoever accepts, so that it sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is left half done while these are held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.is_over.load(Ordering::SeqCst) {
            return;
        }
        // A cut line takes nothing: what has just been accepted is dropped, and so closed.
        if let Ok(stream) = stream
            && !shared.is_cut.load(Ordering::SeqCst)
        {
            // A target that refuses closes the connection, as it would without the line.
            let _ = join(stream, shared);
        }
    }
}

/// Joins a connection with one to the target.
fn join(near: TcpStream, shared: &Arc<Shared>) -> io::Result<()> {
    let far = TcpStream::connect(shared.target)?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    {
        let mut open = lock(&shared.open);
        // What has ended is forgotten here.
        open.retain(|end| end.peer_addr().is_ok());
        open.extend([near.try_clone()?, far.try_clone()?]);
    }
    carry([near.try_clone()?, far.try_clone()?], shared.clone(), 0)?;
    carry([far, near], shared.clone(), 1)
}

/// Carries bytes from the first of two ends to the second: one thread takes them in, another hands them over.
fn carry([mut from, mut to]: [TcpStream; 2], shared: Arc<Shared>, lane: usize) -> io::Result<()> {
    let (sender, receiver) = mpsc::sync_channel::<(Instant, Vec<u8>)>(ON_THE_WAY);
    let holding = shared.clone();
    thread::Builder::new().name(String::from("line in")).spawn(move || {
        let mut chunk = vec![0; CHUNK];
        while let Ok(count @ 1..) = from.read(&mut chunk) {
            let (left, arrives) = lock(&shared.lanes[lane]).carry(count, Instant::now());
            thread::sleep(left.saturating_duration_since(Instant::now()));
            if lane == 1 {
                shared.carried.fetch_add(count as u64, Ordering::Relaxed);
            }
            let Some(bytes) = chunk.get(..count) else { break };
            if sender.send((arrives, bytes.to_vec())).is_err() {
                break;
            }
        }
    })?;
    thread::Builder::new().name(String::from("line out")).spawn(move || {
        for (arrives, bytes) in receiver {
            thread::sleep(arrives.saturating_duration_since(Instant::now()));
            hold(&holding, lane);
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        hold(&holding, lane);
        // The other end hears that nothing more comes; or else it has gone.
        let _ = to.shutdown(Shutdown::Both);
    })?;
    Ok(())
}

/// Waits while a lane is silent.
fn hold(shared: &Shared, lane: usize) {
    while shared.is_silent[lane].load(Ordering::SeqCst) && !shared.is_over.load(Ordering::SeqCst) {
        thread::sleep(LOOK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An echo, and a line to it.
    fn echo(line: Line) -> Shaper {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let target = listener.local_addr().expect("an address");
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut back = stream.try_clone().expect("a second handle");
                thread::spawn(move || io::copy(&mut &stream, &mut back));
            }
        });
        Shaper::start(target, line).expect("a line")
    }

    #[test]
    fn what_goes_in_comes_out() {
        let line = echo(Line { latency: Duration::from_millis(1), bytes_per_second: Some(64 << 20) });
        let mut stream = TcpStream::connect(line.address()).expect("connected");
        let sent: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
        let mut sender = stream.try_clone().expect("a second handle");
        let bytes = sent.clone();
        let sending = thread::spawn(move || sender.write_all(&bytes));
        let mut got = vec![0; sent.len()];
        stream.read_exact(&mut got).expect("all of it");
        sending.join().expect("no panic").expect("sent");
        assert_eq!(got, sent);
        assert_eq!(line.carried(), sent.len() as u64);
    }

    #[test]
    fn a_cut_line_breaks_and_a_mended_one_carries() {
        let line = echo(Line::default());
        let ask = || {
            let mut stream = TcpStream::connect(line.address())?;
            stream.write_all(b"hello")?;
            let mut got = [0; 5];
            stream.read_exact(&mut got).map(|()| stream)
        };
        let mut stream = ask().expect("an answer");
        line.cut();
        assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)), "it is broken");
        assert!(ask().is_err(), "and refuses");
        line.mend();
        assert!(ask().is_ok());
    }

    #[test]
    fn a_silent_direction_carries_nothing_and_later_all_of_it() {
        let line = echo(Line::default());
        let mut stream = TcpStream::connect(line.address()).expect("connected");
        stream.set_read_timeout(Some(Duration::from_millis(200))).expect("a timeout");
        for direction in [Direction::There, Direction::Back] {
            line.set_silent(direction, true);
            stream.write_all(b"hello").expect("it is taken");
            let mut got = [0; 5];
            assert!(stream.read(&mut got).is_err(), "nothing comes, and nothing is closed");
            line.set_silent(direction, false);
            stream.read_exact(&mut got).expect("what was sent meanwhile");
            assert_eq!(&got, b"hello");
        }
    }

    #[test]
    fn a_lane_carries_so_many_bytes_a_second_and_each_a_latency_later() {
        let now = Instant::now();
        let line = Line { latency: Duration::from_millis(200), bytes_per_second: Some(1_000) };
        let mut lane = Lane { line, free: now };
        let after = |millis| now + Duration::from_millis(millis);
        assert_eq!(lane.carry(500, now), (after(500), after(700)));
        assert_eq!(lane.carry(500, after(100)), (after(1_000), after(1_200)), "behind what came before");
        assert_eq!(lane.carry(100, after(5_000)), (after(5_100), after(5_300)), "a rest earns nothing");
    }
}
