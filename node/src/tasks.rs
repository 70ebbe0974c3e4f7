//! Named tasks and their end: when one fails, all are told to stop, and all are awaited.

use std::{future::Future, time::Duration};
use tokio::{
    sync::watch,
    task::{JoinError, JoinHandle},
};

/// Tells tasks that the node is stopping. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    /// Whether the node is stopping.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Returns when the node is stopping.
    pub async fn requested(&mut self) {
        // An error means that whoever could ask is gone: that, too, is the end.
        let _ = self.0.wait_for(|requested| *requested).await;
    }
}

/// Asks tasks to stop.
#[derive(Debug)]
pub struct ShutdownSwitch(watch::Sender<bool>);

/// A switch, and what tasks watch.
pub fn shutdown() -> (ShutdownSwitch, Shutdown) {
    let (sender, receiver) = watch::channel(false);
    (ShutdownSwitch(sender), Shutdown(receiver))
}

impl ShutdownSwitch {
    /// Asks every task to stop.
    pub fn request(&self) {
        self.0.send_replace(true);
    }
}

/// How a task ended.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// It panicked: a bug.
    #[error("the task {name} panicked: {reason}")]
    Panicked {
        /// Which task.
        name: &'static str,
        /// What it said.
        reason: String,
    },
    /// It gave up.
    #[error("the task {name} failed: {reason}")]
    Failed {
        /// Which task.
        name: &'static str,
        /// Why.
        reason: String,
        /// Whether the database is to blame.
        storage: bool,
    },
    /// It did not stop when it was told to.
    #[error("the task {name} did not stop within {seconds} s")]
    Stuck {
        /// Which task.
        name: &'static str,
        /// How long it was given.
        seconds: u64,
    },
}

/// The node's tasks, in the order in which they are awaited at the end.
#[derive(Default)]
pub struct Tasks {
    running: Vec<(&'static str, JoinHandle<Result<(), TaskError>>)>,
}

/// How long the tasks are given to stop.
const STOP_WITHIN: Duration = Duration::from_secs(20);

impl Tasks {
    /// Spawns a task that ends when the node stops, or with the reason why the node must.
    pub fn spawn(&mut self, name: &'static str, task: impl Future<Output = Result<(), TaskError>> + Send + 'static) {
        self.running.push((name, tokio::spawn(task)));
    }

    /// Takes over a task that was spawned elsewhere.
    pub fn adopt(&mut self, name: &'static str, handle: JoinHandle<Result<(), TaskError>>) {
        self.running.push((name, handle));
    }

    /// Returns when the first task ends: with its failure, or with `Ok` when it simply ended.
    pub async fn first_end(&mut self) -> Result<(), TaskError> {
        let ended = std::future::poll_fn(|context| {
            for (at, (name, handle)) in self.running.iter_mut().enumerate() {
                if let std::task::Poll::Ready(result) = std::pin::Pin::new(handle).poll(context) {
                    return std::task::Poll::Ready((at, *name, result));
                }
            }
            std::task::Poll::Pending
        });
        let (at, name, result) = ended.await;
        self.running.remove(at);
        flatten(name, result)
    }

    /// Awaits all tasks, after they were told to stop; gives the first failure.
    ///
    /// # Errors
    /// What the first failing task said, or that one did not stop.
    pub async fn join(self) -> Result<(), TaskError> {
        let deadline = tokio::time::Instant::now() + STOP_WITHIN;
        let mut first = Ok(());
        for (name, handle) in self.running {
            let result = match tokio::time::timeout_at(deadline, handle).await {
                Ok(result) => flatten(name, result),
                Err(_) => Err(TaskError::Stuck { name, seconds: STOP_WITHIN.as_secs() }),
            };
            first = first.and(result);
        }
        first
    }
}

fn flatten(name: &'static str, result: Result<Result<(), TaskError>, JoinError>) -> Result<(), TaskError> {
    match result {
        Ok(result) => result,
        Err(error) => Err(TaskError::Panicked { name, reason: error.to_string() }),
    }
}
