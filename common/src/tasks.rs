//! Named tasks and their end: when one fails, all are stopped in order, and all are awaited.

use crate::runtime::{JoinError, JoinHandle, timeout};
use std::{future::Future, pin::Pin, task::Poll, time::Duration};
use tokio::sync::watch;

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

    /// The same, later: when the future is awaited.
    pub async fn throw(self) {
        self.request();
    }
}

/// How a task ended.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the sentences say what the fields are")]
pub enum TaskError {
    /// It panicked: a bug.
    #[error("the task {name} panicked: {reason}")]
    Panicked { name: &'static str, reason: String },
    /// It gave up; `storage` where the database is to blame.
    #[error("the task {name} failed: {reason}")]
    Failed { name: &'static str, reason: String, storage: bool },
    /// There is no more room for the data.
    #[error("{reason}")]
    NoRoom { reason: String },
    /// It ended although nobody had asked it to.
    #[error("the task {name} ended although nobody had asked it to")]
    Ended { name: &'static str },
    /// It did not stop when it was told to.
    #[error("the task {name} did not stop within {seconds} s")]
    Stuck { name: &'static str, seconds: u64 },
}

impl TaskError {
    /// Whether the database is to blame.
    pub fn is_storage_failure(&self) -> bool {
        match self {
            Self::Failed { storage, .. } => *storage,
            Self::NoRoom { .. } | Self::Panicked { .. } | Self::Ended { .. } | Self::Stuck { .. } => false,
        }
    }

    /// Whether there is no more room for the data.
    pub fn is_no_room(&self) -> bool {
        matches!(self, Self::NoRoom { .. })
    }
}

/// The node's tasks, in the order in which they were started: each may use those before it, so the last
/// is stopped first.
#[derive(Default)]
pub struct Tasks {
    running: Vec<Task>,
}

struct Task {
    name: &'static str,
    stop: Pin<Box<dyn Future<Output = ()> + Send>>,
    handle: JoinHandle<Result<(), TaskError>>,
}

/// How long a task is given to stop. What it has not written by then is lost; the database is never torn.
const STOP_WITHIN: Duration = Duration::from_secs(15);

impl Tasks {
    /// Takes over a running task, to be stopped before those that came earlier; `stop` asks it to.
    pub fn adopt(
        &mut self,
        name: &'static str,
        stop: impl Future<Output = ()> + Send + 'static,
        handle: impl Into<JoinHandle<Result<(), TaskError>>>,
    ) {
        self.running.push(Task { name, stop: Box::pin(stop), handle: handle.into() });
    }

    /// Returns when the first task ends, with why the node must stop. Nobody has asked it to.
    pub async fn first_end(&mut self) -> TaskError {
        let ended = std::future::poll_fn(|context| {
            for (at, task) in self.running.iter_mut().enumerate() {
                if let Poll::Ready(result) = Pin::new(&mut task.handle).poll(context) {
                    return Poll::Ready((at, result));
                }
            }
            Poll::Pending
        });
        let (at, result) = ended.await;
        let name = self.running.remove(at).name;
        flatten(name, result).err().unwrap_or(TaskError::Ended { name })
    }

    /// Stops all tasks, one after the other from the last; gives the first failure.
    ///
    /// # Errors
    /// What the first failing task said, or that one did not stop.
    pub async fn stop(self) -> Result<(), TaskError> {
        let mut first = Ok(());
        for Task { name, stop, handle } in self.running.into_iter().rev() {
            let ended = async {
                stop.await;
                handle.await
            };
            let result = match timeout(STOP_WITHIN, ended).await {
                Ok(result) => flatten(name, result),
                Err(_) => Err(TaskError::Stuck { name, seconds: STOP_WITHIN.as_secs() }),
            };
            match &result {
                Ok(()) => tracing::debug!(target: "cairn::node", task = name, "stopped"),
                Err(error) => tracing::error!(target: "cairn::node", task = name, %error, "did not stop well"),
            }
            first = match result {
                // A failing storage is why others fail, though they may end before the writer does.
                Err(error) if error.is_storage_failure() => Err(error),
                result => first.and(result),
            };
        }
        first
    }
}

fn flatten(name: &'static str, result: Result<Result<(), TaskError>, JoinError>) -> Result<(), TaskError> {
    result.unwrap_or_else(|error| Err(TaskError::Panicked { name, reason: error.to_string() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc;

    /// A task that says its name when it stops.
    fn adopt(tasks: &mut Tasks, name: &'static str, said: &mpsc::UnboundedSender<&'static str>) {
        let (switch, mut shutdown) = shutdown();
        let said = said.clone();
        let handle = tokio::spawn(async move {
            shutdown.requested().await;
            said.send(name).expect("the test listens");
            Ok(())
        });
        tasks.adopt(name, switch.throw(), handle);
    }

    #[tokio::test]
    async fn what_was_started_last_is_stopped_first() {
        #[expect(clippy::disallowed_methods, reason = "a test's own notes, a few of them")]
        let (said, mut heard) = mpsc::unbounded_channel();
        let mut tasks = Tasks::default();
        for name in ["chain", "miner", "api"] {
            adopt(&mut tasks, name, &said);
        }
        tasks.stop().await.expect("all stop well");
        drop(said);
        let mut order = Vec::new();
        while let Some(name) = heard.recv().await {
            order.push(name);
        }
        assert_eq!(order, ["api", "miner", "chain"]);
    }

    #[tokio::test]
    async fn the_first_end_is_told_with_its_name_and_the_others_still_stop() {
        #[expect(clippy::disallowed_methods, reason = "a test's own notes, a few of them")]
        let (said, mut heard) = mpsc::unbounded_channel();
        let mut tasks = Tasks::default();
        adopt(&mut tasks, "api", &said);
        tasks.adopt("sync", async {}, tokio::spawn(async { Ok(()) }));
        assert!(matches!(tasks.first_end().await, TaskError::Ended { name: "sync" }));
        tasks.adopt("miner", async {}, tokio::spawn(async { panic!("a bug") }));
        assert!(matches!(tasks.first_end().await, TaskError::Panicked { name: "miner", .. }));
        tasks.stop().await.expect("the rest stops well");
        assert_eq!(heard.recv().await, Some("api"));
    }

    #[tokio::test]
    async fn a_switch_that_is_gone_counts_as_the_end() {
        let (switch, mut shutdown) = shutdown();
        assert!(!shutdown.is_requested());
        drop(switch);
        shutdown.requested().await;
        assert!(shutdown.is_requested());
    }
}
