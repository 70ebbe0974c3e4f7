//! What a node takes from its surroundings: time, randomness, and tasks.
//!
//! A program has the system's clock and tokio. A simulation puts a [`Runtime`] of its own in their place on the thread
//! that polls its tasks ([`within`]); the same code then runs in that one's time and in an order that a seed decides.
//! Whoever wants to be simulated asks here, never the system or tokio; channels are tokio's everywhere, since they need
//! neither a clock nor a thread.

use cairn_ledger::Timestamp;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::path::Path;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use std::{io, thread};
use tokio::sync::oneshot;
use tokio::{task::JoinSet, time::MissedTickBehavior};

/// A task.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The surroundings of a simulated node.
pub trait Runtime {
    /// The moment now, for measuring how long something takes.
    fn instant(&self) -> Instant;
    /// What the node's clock shows.
    fn time(&self) -> Timestamp;
    /// Random bytes.
    fn fill(&self, bytes: &mut [u8]);
    /// Starts a task of the node's.
    fn spawn(&self, task: Task);
    /// Wakes the task that is being polled at a moment.
    fn wake_at(&self, moment: Instant);
    /// How often to do what is done so often, whatever happens, only to look whether something is due.
    fn now_and_then(&self, every: Duration) -> Duration;
    /// A file of the node's.
    fn read_file(&self, path: &Path) -> Option<Vec<u8>>;
    /// Replaces a file of the node's.
    fn write_file(&self, path: &Path, bytes: &[u8]);
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<dyn Runtime>>> = const { RefCell::new(None) };
}

/// Does something in the surroundings of a simulated node.
pub fn within<T>(runtime: Rc<dyn Runtime>, work: impl FnOnce() -> T) -> T {
    let outer = CURRENT.replace(Some(runtime));
    let done = work();
    CURRENT.set(outer);
    done
}

/// What the simulation says that polls this; nothing in a program.
pub(crate) fn simulated<T>(ask: impl FnOnce(&dyn Runtime) -> T) -> Option<T> {
    CURRENT.with_borrow(|current| current.as_deref().map(ask))
}

/// A small file, where the node is one of a simulation; what has none, has an empty disk.
pub fn read_simulated(path: &Path) -> Option<Option<Vec<u8>>> {
    simulated(|runtime| runtime.read_file(path))
}

/// Replaces a small file; whether the node is one of a simulation.
pub fn write_simulated(path: &Path, bytes: &[u8]) -> bool {
    simulated(|runtime| runtime.write_file(path, bytes)).is_some()
}

/// Whether the node is one of a simulation.
pub fn is_simulated() -> bool {
    simulated(|_| ()).is_some()
}

/// A task panicked, or was told to end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct JoinError(String);

impl From<tokio::task::JoinError> for JoinError {
    fn from(error: tokio::task::JoinError) -> Self {
        Self(error.to_string())
    }
}

/// A running task, to be awaited.
#[derive(Debug)]
pub struct JoinHandle<T>(Handle<T>);

#[derive(Debug)]
enum Handle<T> {
    Tokio(tokio::task::JoinHandle<T>),
    Simulated { ended: oneshot::Receiver<T>, state: Arc<Simulated> },
}

/// What is known of a simulated task from outside.
#[derive(Debug, Default)]
struct Simulated {
    is_aborted: AtomicBool,
    is_finished: AtomicBool,
}

impl<T> JoinHandle<T> {
    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        match &self.0 {
            Handle::Tokio(handle) => handle.is_finished(),
            Handle::Simulated { state, .. } => state.is_finished.load(Ordering::Relaxed),
        }
    }

    /// Ends it where it waits.
    pub fn abort(&self) {
        match &self.0 {
            Handle::Tokio(handle) => handle.abort(),
            Handle::Simulated { state, .. } => state.is_aborted.store(true, Ordering::Relaxed),
        }
    }
}

impl<T> From<tokio::task::JoinHandle<T>> for JoinHandle<T> {
    fn from(handle: tokio::task::JoinHandle<T>) -> Self {
        Self(Handle::Tokio(handle))
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Handle::Tokio(handle) => Pin::new(handle).poll(context).map_err(JoinError::from),
            Handle::Simulated { ended, .. } => {
                Pin::new(ended).poll(context).map_err(|_| JoinError(String::from("the task was told to end")))
            }
        }
    }
}

/// Starts a task.
pub fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    if !is_simulated() {
        return tokio::spawn(future).into();
    }
    let (sender, ended) = oneshot::channel();
    let state = Arc::<Simulated>::default();
    let seen = state.clone();
    let task = async move {
        let mut future = pin!(future);
        let done = poll_fn(|context| match seen.is_aborted.load(Ordering::Relaxed) {
            true => Poll::Ready(None),
            false => future.as_mut().poll(context).map(Some),
        });
        let done = done.await;
        seen.is_finished.store(true, Ordering::Relaxed);
        // Whoever started it may not care how it ends.
        done.map(|value| sender.send(value));
    };
    simulated(|runtime| runtime.spawn(Box::pin(task)));
    JoinHandle(Handle::Simulated { ended, state })
}

/// Starts a task that keeps a thread of its own busy: it works long, or blocks on the disk, between the moments at
/// which it waits.
///
/// # Errors
/// The system gives no thread.
pub fn spawn_thread(name: &'static str, task: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
    if is_simulated() {
        drop(spawn(task));
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    thread::Builder::new().name(name.to_owned()).spawn(move || runtime.block_on(task))?;
    Ok(())
}

/// Does what takes long, or blocks on the disk, where that holds up no task.
///
/// # Errors
/// It panicked.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, JoinError> {
    if is_simulated() { Ok(work()) } else { Ok(tokio::task::spawn_blocking(work).await?) }
}

/// The same, begun at once and awaited later or never.
pub fn spawn_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    if is_simulated() { spawn(async { work() }) } else { tokio::task::spawn_blocking(work).into() }
}

/// Tasks whose results are taken as they end. Dropping it ends them.
#[derive(Debug)]
pub struct TaskSet<T>(Set<T>);

#[derive(Debug)]
enum Set<T> {
    Tokio(JoinSet<T>),
    Simulated { running: usize, ended: Arc<Mutex<Ended<T>>> },
}

/// The results of simulated tasks that nobody has taken yet, and who waits for one.
#[derive(Debug)]
struct Ended<T> {
    results: VecDeque<T>,
    waiting: Option<Waker>,
}

fn lock<T>(ended: &Mutex<T>) -> MutexGuard<'_, T> {
    ended.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: Send + 'static> Default for TaskSet<T> {
    fn default() -> Self {
        Self(match is_simulated() {
            false => Set::Tokio(JoinSet::new()),
            true => {
                let ended = Ended { results: VecDeque::new(), waiting: None };
                Set::Simulated { running: 0, ended: Arc::new(Mutex::new(ended)) }
            }
        })
    }
}

impl<T: Send + 'static> TaskSet<T> {
    /// Starts a task.
    pub fn spawn(&mut self, future: impl Future<Output = T> + Send + 'static) {
        match &mut self.0 {
            Set::Tokio(set) => drop(set.spawn(future)),
            Set::Simulated { running, ended } => {
                *running += 1;
                let ended = Arc::downgrade(ended);
                let task = Box::pin(end_with_the_set(future, ended));
                simulated(|runtime| runtime.spawn(task));
            }
        }
    }

    /// Starts what takes long, or blocks on the disk.
    pub fn spawn_blocking(&mut self, work: impl FnOnce() -> T + Send + 'static) {
        match &mut self.0 {
            Set::Tokio(set) => drop(set.spawn_blocking(work)),
            Set::Simulated { .. } => self.spawn(async { work() }),
        }
    }

    /// Whether no task is left whose result was not taken.
    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Set::Tokio(set) => set.is_empty(),
            Set::Simulated { running, .. } => *running == 0,
        }
    }

    /// The result of the next task that ends; nothing when none is left. Nothing is lost when this future is dropped.
    pub async fn join_next(&mut self) -> Option<Result<T, JoinError>> {
        match &mut self.0 {
            Set::Tokio(set) => set.join_next().await.map(|joined| joined.map_err(JoinError::from)),
            Set::Simulated { running: 0, .. } => None,
            Set::Simulated { running, ended } => {
                let result = poll_fn(|context| {
                    let mut ended = lock(ended);
                    ended.waiting = Some(context.waker().clone());
                    ended.results.pop_front().map_or(Poll::Pending, Poll::Ready)
                });
                let result = result.await;
                *running -= 1;
                Some(Ok(result))
            }
        }
    }
}

/// Runs a task of a set until it ends, or the set is gone.
async fn end_with_the_set<T>(future: impl Future<Output = T>, ended: Weak<Mutex<Ended<T>>>) {
    let mut future = pin!(future);
    let result = poll_fn(|context| match ended.strong_count() {
        0 => Poll::Ready(None),
        _ => future.as_mut().poll(context).map(Some),
    });
    if let (Some(result), Some(ended)) = (result.await, ended.upgrade()) {
        let mut ended = lock(&ended);
        ended.results.push_back(result);
        if let Some(waker) = ended.waiting.take() {
            waker.wake();
        }
    }
}

/// Waits until a moment.
pub async fn sleep_until(moment: Instant) {
    if !is_simulated() {
        return tokio::time::sleep_until(moment.into()).await;
    }
    poll_fn(|_| {
        let wait = |runtime: &dyn Runtime| {
            let is_due = runtime.instant() >= moment;
            if !is_due {
                runtime.wake_at(moment);
            }
            is_due
        };
        if simulated(wait).unwrap_or(true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Waits.
pub async fn sleep(duration: Duration) {
    sleep_until(crate::clock::instant() + duration).await;
}

/// It took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it took too long")]
pub struct Elapsed;

/// Gives something so much time.
///
/// # Errors
/// It took longer.
pub async fn timeout<T>(duration: Duration, future: impl Future<Output = T>) -> Result<T, Elapsed> {
    let (mut future, mut end) = (pin!(future), pin!(sleep(duration)));
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(value) => Poll::Ready(Ok(value)),
        Poll::Pending => end.as_mut().poll(context).map(|()| Err(Elapsed)),
    })
    .await
}

/// Something that comes again and again.
#[derive(Debug)]
pub struct Interval(Ticks);

#[derive(Debug)]
enum Ticks {
    Tokio(tokio::time::Interval),
    Simulated { next: Instant, every: Duration },
}

/// Ticks at once, and then as often as this. One that comes late has the next come as much later.
pub fn interval(every: Duration) -> Interval {
    if let Some(every) = simulated(|runtime| runtime.now_and_then(every)) {
        return Interval(Ticks::Simulated { next: crate::clock::instant(), every });
    }
    let mut interval = tokio::time::interval(every);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    Interval(Ticks::Tokio(interval))
}

impl Interval {
    /// The next tick. Nothing is lost when this future is dropped.
    pub async fn tick(&mut self) {
        match &mut self.0 {
            Ticks::Tokio(interval) => drop(interval.tick().await),
            Ticks::Simulated { next, every } => {
                sleep_until(*next).await;
                *next = crate::clock::instant() + *every;
            }
        }
    }
}
