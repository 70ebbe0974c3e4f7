//! The threads that search, and the slot they take their job from.

use cairn_ledger::pow::search::{CHUNK, Search};
use cairn_ledger::{block::Seal, pow::Target};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// A thread works, then rests: together about this long. Short enough that a machine stays responsive.
const SLICE: Duration = Duration::from_millis(50);

/// What to grind.
#[derive(Clone, Copy, Debug)]
struct Job {
    number: u64,
    seal: Seal,
    target: Target,
}

/// What a thread says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ThreadEvent {
    /// The job is solved.
    Found {
        /// Which.
        job: u64,
        /// By this nonce.
        nonce: u64,
    },
    /// The thread has ended; while the node is not stopping, that is a bug.
    Ended,
}

/// Holds the current job.
#[derive(Debug, Default)]
pub(super) struct JobSlot {
    posted: Mutex<SlotState>,
    changed: Condvar,
    /// The number of the job that is wanted; any other is given up within a chunk.
    wanted: AtomicU64,
    attempts: AtomicU64,
}

#[derive(Debug, Default)]
struct SlotState {
    job: Option<Job>,
    /// How many jobs and pauses there have been.
    count: u64,
    ended: bool,
}

impl JobSlot {
    /// Replaces the job; gives its number.
    pub fn post(&self, seal: Seal, target: Target) -> u64 {
        self.change(|posted| {
            posted.job = Some(Job { number: posted.count, seal, target });
        })
    }

    /// Takes the job down.
    pub fn clear(&self) {
        self.change(|posted| posted.job = None);
    }

    /// Tells the threads to end.
    pub fn end(&self) {
        self.change(|posted| (posted.job, posted.ended) = (None, true));
    }

    /// All attempts so far.
    pub fn attempts(&self) -> u64 {
        self.attempts.load(Ordering::Relaxed)
    }

    fn change(&self, change: impl FnOnce(&mut SlotState)) -> u64 {
        let mut posted = self.posted();
        posted.count += 1;
        change(&mut posted);
        self.wanted.store(posted.count, Ordering::Relaxed);
        self.changed.notify_all();
        posted.count
    }

    /// A thread that panicked while it looked at the slot left it whole.
    fn posted(&self) -> MutexGuard<'_, SlotState> {
        self.posted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a job other than number `seen`; `None` is the end.
    fn next_job(&self, seen: u64) -> Option<Job> {
        let idle = |posted: &mut SlotState| !posted.ended && posted.job.is_none_or(|job| job.number == seen);
        let posted = self.changed.wait_while(self.posted(), idle);
        posted.unwrap_or_else(PoisonError::into_inner).job
    }

    fn is_wanted(&self, job: &Job) -> bool {
        self.wanted.load(Ordering::Relaxed) == job.number
    }

    /// Sleeps, or less when the end comes.
    fn rest(&self, duration: Duration) {
        // Whether it slept to the end or was woken is all the same.
        let _ = self.changed.wait_timeout_while(self.posted(), duration, |posted| !posted.ended);
    }
}

/// Tells when to rest, and for how long. Pure: what was worked is an argument.
#[derive(Clone, Copy, Debug)]
struct DutyCycle {
    duty: u32,
    worked: Duration,
}

impl DutyCycle {
    fn new(duty: u8) -> Self {
        Self { duty: u32::from(duty.clamp(1, 100)), worked: Duration::ZERO }
    }

    /// Adds work; gives the rest that is due, if any.
    fn work(&mut self, worked: Duration) -> Option<Duration> {
        self.worked += worked;
        if self.duty == 100 || self.worked < SLICE * self.duty / 100 {
            return None;
        }
        // By what was really worked, so that a thread that was held up makes up for it.
        Some(std::mem::take(&mut self.worked) * (100 - self.duty) / self.duty)
    }
}

/// Sends that a thread has ended, however it ends.
struct EndNotice(mpsc::Sender<ThreadEvent>);

impl Drop for EndNotice {
    fn drop(&mut self) {
        // A full channel or nobody listening: the node is stopping, or hears of another thread.
        let _ = self.0.try_send(ThreadEvent::Ended);
    }
}

/// Starts `count` threads, each with its own share of the nonces.
///
/// # Errors
/// The system has no thread to give; those started before are told to end.
pub(super) fn start(
    slot: &Arc<JobSlot>,
    count: usize,
    duty: u8,
    events: &mpsc::Sender<ThreadEvent>,
) -> io::Result<Vec<JoinHandle<()>>> {
    let share = u64::MAX / (count.max(1) as u64);
    let start = |index: u64| {
        let (slot, end_notice) = (slot.clone(), EndNotice(events.clone()));
        let work = move || grind(&slot, index * share, DutyCycle::new(duty), &end_notice.0);
        thread::Builder::new().name(format!("miner-{index}")).spawn(work)
    };
    let started: io::Result<Vec<_>> = (0..count as u64).map(start).collect();
    started.inspect_err(|_| slot.end())
}

/// A thread's life.
fn grind(slot: &JobSlot, first: u64, mut duty_cycle: DutyCycle, events: &mpsc::Sender<ThreadEvent>) {
    let mut seen = 0;
    while let Some(job) = slot.next_job(seen) {
        seen = job.number;
        let (search, mut nonce) = (Search::new(job.seal, job.target), first);
        while slot.is_wanted(&job) {
            let began = Instant::now();
            let found = search.in_chunk(nonce);
            let tried = found.map_or(CHUNK, |found| found.wrapping_sub(nonce) + 1);
            slot.attempts.fetch_add(tried, Ordering::Relaxed);
            nonce = nonce.wrapping_add(CHUNK);
            if let Some(nonce) = found {
                // Whoever listened is gone at the end only; then the slot says so, too.
                let _ = events.blocking_send(ThreadEvent::Found { job: job.number, nonce });
                break;
            }
            if let Some(rest) = duty_cycle.work(began.elapsed()) {
                slot.rest(rest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_ledger::testing::easy_network;

    #[test]
    fn a_thread_works_as_much_as_its_duty_says() {
        let ms = Duration::from_millis;
        let mut duty_cycle = DutyCycle::new(20);
        assert_eq!(duty_cycle.work(ms(9)), None);
        assert_eq!(duty_cycle.work(ms(1)), Some(ms(40)), "10 of 50 ms");
        assert_eq!(duty_cycle.work(ms(100)), Some(ms(400)), "held up, and made up for");
        assert_eq!(DutyCycle::new(100).work(ms(10_000)), None);
        assert_eq!(DutyCycle::new(0).work(ms(10)), Some(ms(990)), "at least one percent");
    }

    #[test]
    fn threads_grind_what_is_posted_and_end_when_told() {
        let spec = easy_network();
        let (seal, target) = (spec.genesis().seal(), spec.difficulty().pow_limit);
        let (sender, mut events) = mpsc::channel(16);
        let slot = Arc::new(JobSlot::default());
        let threads = start(&slot, 2, 100, &sender).expect("two threads");
        for _ in 0..3 {
            let number = slot.post(seal, target);
            let nonce = loop {
                match events.blocking_recv().expect("a report") {
                    ThreadEvent::Found { job, nonce } if job == number => break nonce,
                    // The other thread's, of the job before.
                    ThreadEvent::Found { .. } => {}
                    ThreadEvent::Ended => panic!("a thread ended"),
                }
            };
            assert!(target.is_met_by(&seal.id(nonce)));
        }
        assert!(slot.attempts() >= 3);
        slot.end();
        for thread in threads {
            thread.join().expect("an orderly end");
        }
        drop(sender);
        let rest: Vec<_> = std::iter::from_fn(|| events.blocking_recv()).collect();
        assert_eq!(rest.iter().filter(|event| **event == ThreadEvent::Ended).count(), 2, "each says goodbye");
    }
}
