//! Virtual time: one heap of what happens when, and the tasks of all nodes, polled on this thread.
//!
//! What happens is ordered by (time, sequence): of two things at one moment the one that was planned first comes first.
//! A task that is woken runs before time goes on, in the order in which tasks were woken. Nothing here reads a clock,
//! and nothing depends on addresses in memory, so a seed decides all.

use cairn_common::runtime::{self, Runtime, Task};
use cairn_ledger::Timestamp;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

/// A node of the simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

/// A moment, in nanoseconds since the beginning.
pub type Nanos = u64;

/// So long.
pub fn nanos(duration: Duration) -> Nanos {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// When something is planned for, its number among all that was, and where it is kept: small, since a heap moves what
/// it holds.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Planned {
    at: Nanos,
    sequence: u64,
    place: usize,
}

enum What<E> {
    Wake(TaskId),
    Event(E),
}

/// The heap and the time. Cloning shares it.
pub struct Agenda<E>(Arc<Shared<E>>);

struct Shared<E> {
    now: AtomicU64,
    heap: Mutex<Heap<E>>,
}

struct Heap<E> {
    planned: BinaryHeap<Reverse<Planned>>,
    /// What is planned, by place.
    whats: Vec<Option<What<E>>>,
    /// Places that are free.
    free: Vec<usize>,
    sequence: u64,
}

impl<E> Clone for Agenda<E> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<E> Default for Agenda<E> {
    fn default() -> Self {
        let heap = Heap { planned: BinaryHeap::new(), whats: Vec::new(), free: Vec::new(), sequence: 0 };
        let heap = Mutex::new(heap);
        Self(Arc::new(Shared { now: AtomicU64::new(0), heap }))
    }
}

impl<E> Agenda<E> {
    /// The time.
    pub fn now(&self) -> Nanos {
        self.0.now.load(Ordering::Relaxed)
    }

    /// Plans an event; what is planned for the past comes now.
    pub fn plan(&self, at: Nanos, event: E) {
        self.push(at, What::Event(event));
    }

    fn push(&self, at: Nanos, what: What<E>) {
        let at = at.max(self.now());
        let heap = &mut *self.heap();
        heap.sequence += 1;
        let place = heap.free.pop().unwrap_or_else(|| {
            heap.whats.push(None);
            heap.whats.len() - 1
        });
        heap.whats[place] = Some(what);
        heap.planned.push(Reverse(Planned { at, sequence: heap.sequence, place }));
    }

    fn heap(&self) -> MutexGuard<'_, Heap<E>> {
        self.0.heap.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next of what is planned, if it comes before `end`; the time goes on to it.
    fn next(&self, end: Nanos) -> Option<(Nanos, What<E>)> {
        let heap = &mut *self.heap();
        let is_due = heap.planned.peek().is_some_and(|Reverse(next)| next.at < end);
        let Planned { at, place, .. } = is_due.then(|| heap.planned.pop())??.0;
        self.0.now.store(at, Ordering::Relaxed);
        heap.free.push(place);
        Some((at, heap.whats[place].take()?))
    }
}

/// A task: its number among all there were, and where it is kept until it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct TaskId {
    number: u64,
    place: usize,
}

/// Tasks that were woken, in that order.
#[derive(Default)]
struct Woken(Mutex<Vec<TaskId>>);

struct TaskWaker {
    task: TaskId,
    is_woken: AtomicBool,
    woken: Arc<Woken>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_woken.swap(true, Ordering::Relaxed) {
            self.woken.0.lock().unwrap_or_else(PoisonError::into_inner).push(self.task);
        }
    }
}

struct Running {
    number: u64,
    node: NodeId,
    /// Nothing while it is being polled.
    task: Option<(Task, Waker)>,
    waker: Arc<TaskWaker>,
    /// When it wants to be woken, as it said when it was last polled.
    timer: Option<Nanos>,
    /// When a wake is planned; none is later than the timer.
    planned: Option<Nanos>,
}

/// The tasks.
#[derive(Default)]
struct Tasks {
    /// By place.
    running: Vec<Option<Running>>,
    /// Places that are free.
    free: Vec<usize>,
    last: u64,
    woken: Arc<Woken>,
}

impl Tasks {
    fn spawn(&mut self, node: NodeId, task: Task) {
        self.last += 1;
        let place = self.free.pop().unwrap_or_else(|| {
            self.running.push(None);
            self.running.len() - 1
        });
        let (number, is_woken, woken) = (self.last, AtomicBool::new(false), self.woken.clone());
        let waker = Arc::new(TaskWaker { task: TaskId { number, place }, is_woken, woken });
        waker.wake_by_ref();
        let task = Some((task, Waker::from(waker.clone())));
        self.running[place] = Some(Running { number, node, task, waker, timer: None, planned: None });
    }

    fn get(&mut self, id: TaskId) -> Option<&mut Running> {
        self.running.get_mut(id.place)?.as_mut().filter(|running| running.number == id.number)
    }

    fn remove(&mut self, id: TaskId) -> Option<Running> {
        self.get(id)?;
        self.free.push(id.place);
        self.running[id.place].take()
    }
}

/// A node's surroundings.
pub struct Surroundings<E> {
    node: NodeId,
    agenda: Agenda<E>,
    tasks: Rc<RefCell<Tasks>>,
    /// When the simulation began, as the machine has it; nothing depends on it but differences.
    origin: Instant,
    /// What all clocks would show at the beginning, if they were right.
    began: Timestamp,
    clock: Cell<Clock>,
    random: RefCell<ChaCha8Rng>,
    /// The earliest moment at which the task that is being polled wants to be woken.
    wake_at: Cell<Option<Nanos>>,
    /// How many times rarer what is done now and then.
    leisure: u32,
    files: RefCell<HashMap<PathBuf, Vec<u8>>>,
}

/// How a node's clock goes wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// How far it is ahead, in milliseconds.
    pub ahead: i64,
    /// How much faster it goes, in parts per million.
    pub drift: i64,
}

impl<E> Surroundings<E> {
    fn moment(&self, at: Nanos) -> Instant {
        self.origin + Duration::from_nanos(at)
    }

    /// Sets the clock.
    pub fn set_clock(&self, clock: Clock) {
        self.clock.set(clock);
    }
}

impl<E> Runtime for Surroundings<E> {
    fn instant(&self) -> Instant {
        self.moment(self.agenda.now())
    }

    fn time(&self) -> Timestamp {
        let Clock { ahead, drift } = self.clock.get();
        let elapsed = i64::try_from(self.agenda.now() / 1_000_000).unwrap_or(i64::MAX);
        let drifted = (i128::from(elapsed) * i128::from(drift) / 1_000_000) as i64;
        let shown = elapsed.saturating_add(drifted).saturating_add(ahead);
        Timestamp::from_millis(self.began.millis().saturating_add_signed(shown))
    }

    fn fill(&self, bytes: &mut [u8]) {
        self.random.borrow_mut().fill_bytes(bytes);
    }

    fn spawn(&self, task: Task) {
        self.tasks.borrow_mut().spawn(self.node, task);
    }

    fn wake_at(&self, moment: Instant) {
        let at = nanos(moment.saturating_duration_since(self.origin));
        self.wake_at.set(Some(self.wake_at.get().map_or(at, |earlier| earlier.min(at))));
    }

    fn now_and_then(&self, every: Duration) -> Duration {
        every * self.leisure
    }

    fn read_file(&self, path: &Path) -> Option<Vec<u8>> {
        self.files.borrow().get(path).cloned()
    }

    fn write_file(&self, path: &Path, bytes: &[u8]) {
        self.files.borrow_mut().insert(path.to_owned(), bytes.to_owned());
    }
}

/// Polls tasks, and lets time go on.
pub struct Executor<E> {
    agenda: Agenda<E>,
    tasks: Rc<RefCell<Tasks>>,
    nodes: Vec<Rc<Surroundings<E>>>,
    origin: Instant,
    began: Timestamp,
    seed: u64,
    leisure: u32,
    /// How many tasks were polled.
    polls: u64,
    /// Tasks that are being polled one after the other: kept for its memory.
    batch: Vec<TaskId>,
    /// Nodes whose process is stopped, and which of their tasks were woken since.
    stopped: BTreeMap<NodeId, Vec<TaskId>>,
}

impl<E: 'static> Executor<E> {
    /// At the beginning, when right clocks show `began`.
    pub fn new(seed: u64, began: Timestamp, leisure: u32) -> Self {
        Self {
            agenda: Agenda::default(),
            tasks: Rc::default(),
            nodes: Vec::new(),
            origin: Instant::now(),
            began,
            seed,
            leisure,
            polls: 0,
            batch: Vec::new(),
            stopped: BTreeMap::new(),
        }
    }

    /// The heap and the time.
    pub fn agenda(&self) -> &Agenda<E> {
        &self.agenda
    }

    /// The beginning, as the clock has it that never goes back.
    pub fn origin(&self) -> Instant {
        self.origin
    }

    /// How many tasks were polled so far.
    pub fn polls(&self) -> u64 {
        self.polls
    }

    /// Lets time go on to a moment before which nothing is left to happen.
    pub fn skip_to(&self, moment: Nanos) {
        self.agenda.0.now.fetch_max(moment, Ordering::Relaxed);
    }

    /// A new node's surroundings.
    pub fn add_node(&mut self) -> NodeId {
        let node = NodeId(u32::try_from(self.nodes.len()).expect("few nodes"));
        self.nodes.push(Rc::new(Surroundings {
            node,
            agenda: self.agenda.clone(),
            tasks: self.tasks.clone(),
            origin: self.origin,
            began: self.began,
            clock: Cell::default(),
            random: RefCell::new(random(self.seed, 1 << 32 | u64::from(node.0))),
            wake_at: Cell::default(),
            leisure: self.leisure,
            files: RefCell::default(),
        }));
        node
    }

    /// A node's surroundings.
    pub fn node(&self, node: NodeId) -> &Rc<Surroundings<E>> {
        &self.nodes[node.0 as usize]
    }

    /// Does something as a node.
    pub fn within<T>(&self, node: NodeId, work: impl FnOnce() -> T) -> T {
        runtime::within(self.node(node).clone(), work)
    }

    /// Ends all tasks of a node where they wait: it has crashed.
    pub fn kill(&mut self, node: NodeId) {
        let mut dead: Vec<TaskId> = {
            let tasks = self.tasks.borrow();
            let theirs = tasks.running.iter().flatten().filter(|running| running.node == node);
            theirs.map(|running| running.waker.task).collect()
        };
        dead.sort_unstable();
        let dead: Vec<Running> = dead.iter().filter_map(|task| self.tasks.borrow_mut().remove(*task)).collect();
        self.within(node, || drop(dead));
    }

    /// From now on nothing of a node runs, whatever wakes it.
    pub fn stop(&mut self, node: NodeId) {
        self.stopped.entry(node).or_default();
    }

    /// What has woken meanwhile runs now. Says whether the node was stopped.
    pub fn go_on(&mut self, node: NodeId) -> bool {
        let Some(woken) = self.stopped.remove(&node) else { return false };
        let tasks = self.tasks.borrow();
        tasks.woken.0.lock().unwrap_or_else(PoisonError::into_inner).extend(woken);
        true
    }

    /// Polls every task that is awake, until all wait.
    pub fn settle(&mut self) {
        let mut batch = std::mem::take(&mut self.batch);
        while self.take_woken(&mut batch) {
            batch.drain(..).for_each(|task| self.poll(task));
        }
        self.batch = batch;
    }

    /// The next event before `end`, once every task that is awake has come to wait.
    pub fn next(&mut self, end: Nanos) -> Option<(Nanos, E)> {
        loop {
            self.settle();
            let (at, what) = self.agenda.next(end)?;
            match what {
                What::Wake(task) => self.on_wake(task, at),
                What::Event(event) => return Some((at, event)),
            }
        }
    }

    /// Takes all that was woken, of which `batch` had been the last; whether there was something.
    fn take_woken(&self, batch: &mut Vec<TaskId>) -> bool {
        let tasks = self.tasks.borrow();
        std::mem::swap(&mut *tasks.woken.0.lock().unwrap_or_else(PoisonError::into_inner), batch);
        !batch.is_empty()
    }

    /// A planned wake has come: it may have been put off meanwhile.
    fn on_wake(&self, task: TaskId, at: Nanos) {
        let mut tasks = self.tasks.borrow_mut();
        let Some(running) = tasks.get(task) else { return };
        if running.planned != Some(at) {
            return;
        }
        running.planned = None;
        match running.timer {
            Some(timer) if timer > at => {
                running.planned = Some(timer);
                self.agenda.push(timer, What::Wake(task));
            }
            Some(_) => running.waker.wake_by_ref(),
            None => {}
        }
    }

    fn poll(&mut self, id: TaskId) {
        let (mut task, waker, node) = {
            let mut tasks = self.tasks.borrow_mut();
            let Some(running) = tasks.get(id) else { return };
            if let Some(woken) = self.stopped.get_mut(&running.node) {
                woken.push(id);
                return;
            }
            running.waker.is_woken.store(false, Ordering::Relaxed);
            let Some((task, waker)) = running.task.take() else { return };
            (task, waker, running.node)
        };
        self.polls += 1;
        let surroundings = self.node(node);
        surroundings.wake_at.set(None);
        let polled = runtime::within(surroundings.clone(), || {
            let polled = task.as_mut().poll(&mut Context::from_waker(&waker));
            match polled {
                Poll::Pending => Some(task),
                Poll::Ready(()) => {
                    drop(task);
                    None
                }
            }
        });
        let mut tasks = self.tasks.borrow_mut();
        let Some(task) = polled else {
            tasks.remove(id);
            return;
        };
        let Some(running) = tasks.get(id) else { return };
        running.task = Some((task, waker));
        running.timer = surroundings.wake_at.take();
        if let Some(timer) = running.timer
            && running.planned.is_none_or(|planned| planned > timer)
        {
            running.planned = Some(timer);
            self.agenda.push(timer, What::Wake(id));
        }
    }
}

/// The random numbers of a stream of their own.
pub fn random(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(stream);
    random
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_common::clock;
    use cairn_common::runtime::{TaskSet, interval, sleep, spawn, spawn_blocking, timeout};
    use tokio::sync::mpsc;

    const SECOND: Duration = Duration::from_secs(1);

    type Log = Arc<Mutex<Vec<(u64, String)>>>;

    /// What happened, and in which second.
    fn log(log: &Log, executor: &Agenda<&'static str>, text: impl Into<String>) {
        log.lock().expect("no panic").push((executor.now() / 1_000_000_000, text.into()));
    }

    fn executor() -> (Executor<&'static str>, NodeId, Log) {
        let mut executor = Executor::new(7, Timestamp::from_millis(1_000), 1);
        let node = executor.add_node();
        (executor, node, Log::default())
    }

    fn taken(log: &Log) -> Vec<(u64, String)> {
        std::mem::take(&mut *log.lock().expect("no panic"))
    }

    fn lines(lines: &[(u64, &str)]) -> Vec<(u64, String)> {
        lines.iter().map(|(at, text)| (*at, (*text).to_owned())).collect()
    }

    #[test]
    fn events_come_in_the_order_of_their_moments_and_of_one_moment_as_they_were_planned() {
        let (mut executor, _, _) = executor();
        for (at, event) in [(3, "d"), (1, "b"), (1, "c"), (0, "a"), (9, "e")] {
            executor.agenda().plan(at, event);
        }
        let mut seen = Vec::new();
        while let Some((_, event)) = executor.next(9) {
            seen.push(event);
        }
        assert_eq!((seen, executor.agenda().now()), (vec!["a", "b", "c", "d"], 3), "not what comes at the end itself");
        executor.agenda().plan(1, "late");
        assert_eq!(executor.next(9), Some((3, "late")), "what is planned for the past comes now");
    }

    #[test]
    fn tasks_sleep_and_wake_in_virtual_time() {
        let (mut executor, node, seen) = executor();
        let agenda = executor.agenda().clone();
        executor.within(node, || {
            let (one, two, seen_too, agenda_too) = (seen.clone(), agenda.clone(), seen.clone(), agenda.clone());
            drop(spawn(async move {
                let mut ticks = interval(10 * SECOND);
                for _ in 0..3 {
                    ticks.tick().await;
                    log(&one, &two, "tick");
                }
                assert!(timeout(SECOND, sleep(5 * SECOND)).await.is_err());
                log(&one, &two, "too long");
                assert!(timeout(5 * SECOND, sleep(SECOND)).await.is_ok());
                log(&one, &two, "in time");
            }));
            drop(spawn(async move {
                sleep(15 * SECOND).await;
                log(&seen_too, &agenda_too, "fifteen");
                assert_eq!(clock::now().millis(), 16_000);
            }));
        });
        assert_eq!(executor.next(nanos(100 * SECOND)), None);
        let expected = [(0, "tick"), (10, "tick"), (15, "fifteen"), (20, "tick"), (21, "too long"), (22, "in time")];
        assert_eq!(taken(&seen), lines(&expected));
    }

    #[test]
    fn results_are_taken_in_the_order_in_which_tasks_end_and_tasks_end_with_their_set() {
        let (mut executor, node, seen) = executor();
        let agenda = executor.agenda().clone();
        executor.within(node, || {
            let (seen, agenda) = (seen.clone(), agenda.clone());
            drop(spawn(async move {
                let mut set = TaskSet::default();
                for seconds in [3_u64, 1, 2, 60] {
                    set.spawn(async move {
                        sleep(Duration::from_secs(seconds)).await;
                        seconds
                    });
                }
                set.spawn_blocking(|| 0);
                for _ in 0..4 {
                    let ended = set.join_next().await.expect("one is left").expect("it was not told to end");
                    log(&seen, &agenda, ended.to_string());
                }
                drop(set);
                let worked = spawn_blocking(|| 7).await.expect("no panic");
                log(&seen, &agenda, format!("worked {worked}"));
                assert!(TaskSet::<()>::default().join_next().await.is_none());
            }));
        });
        assert_eq!(executor.next(nanos(100 * SECOND)), None);
        assert_eq!(taken(&seen), lines(&[(0, "0"), (1, "1"), (2, "2"), (3, "3"), (3, "worked 7")]));
        assert_eq!(executor.tasks.borrow().running.iter().flatten().count(), 0, "nothing is left that waits");
    }

    #[test]
    fn a_task_that_is_told_to_end_does_and_a_node_that_is_killed_has_none() {
        let (mut executor, node, _) = executor();
        let (sender, mut received) = mpsc::channel::<u32>(4);
        let handle = executor.within(node, || {
            let told = sender.clone();
            drop(spawn(async move {
                sleep(9 * SECOND).await;
                told.send(9).await.expect("somebody listens");
            }));
            spawn(async move {
                sleep(5 * SECOND).await;
                sender.send(5).await.expect("somebody listens");
            })
        });
        executor.next(nanos(SECOND));
        assert!(!handle.is_finished());
        handle.abort();
        executor.next(nanos(8 * SECOND));
        assert!(received.try_recv().is_err(), "it was told to end before");
        executor.kill(node);
        executor.next(nanos(20 * SECOND));
        assert_eq!(received.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
    }

    #[test]
    fn a_node_that_is_stopped_does_nothing_until_it_goes_on() {
        let (mut executor, node, seen) = executor();
        let agenda = executor.agenda().clone();
        let tick = |executor: &Executor<&'static str>| {
            let (seen, agenda) = (seen.clone(), agenda.clone());
            executor.within(node, || {
                drop(spawn(async move {
                    for _ in 0..2 {
                        sleep(10 * SECOND).await;
                        log(&seen, &agenda, "tick");
                    }
                }));
            });
        };
        tick(&executor);
        executor.next(nanos(12 * SECOND));
        executor.stop(node);
        tick(&executor);
        executor.next(nanos(60 * SECOND));
        assert_eq!(taken(&seen), lines(&[(10, "tick")]), "neither what waited nor what is new");
        executor.skip_to(nanos(60 * SECOND));
        assert!(executor.go_on(node) && !executor.go_on(node));
        executor.next(nanos(100 * SECOND));
        assert_eq!(taken(&seen), lines(&[(60, "tick"), (70, "tick"), (80, "tick")]));
    }

    #[test]
    fn clocks_go_wrong_as_they_are_told_and_random_bytes_are_the_seeds() {
        let (mut executor, node, _) = executor();
        let other = executor.add_node();
        let bytes = |executor: &Executor<&'static str>, node| {
            executor.within(node, || {
                let mut bytes = [0; 8];
                cairn_common::random::fill(&mut bytes).expect("a simulation has random bytes");
                bytes
            })
        };
        let (mut again, same) = (Executor::<&'static str>::new(7, Timestamp::from_millis(1_000), 1), NodeId(0));
        again.add_node();
        let first = bytes(&executor, node);
        assert_eq!(first, bytes(&again, same));
        assert_ne!(first, bytes(&executor, other));
        executor.node(node).set_clock(Clock { ahead: -500, drift: 100 });
        executor.skip_to(nanos(1_000 * SECOND));
        let time = |executor: &Executor<&'static str>, node| executor.within(node, clock::now).millis();
        assert_eq!((time(&executor, node), time(&executor, other)), (1_000_600, 1_001_000));
    }
}
