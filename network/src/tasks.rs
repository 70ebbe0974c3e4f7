//! What takes long, in tasks beside the network's own: judging, reading, writing, telling the chain.

use crate::event::{Event, TaskAction, Topic};
use crate::requests::responder::{self, Asker, ServeError, Sources};
use crate::{gossip::judge::Judge, ids::RequestNumber, small_file, snapshots};
use cairn_chain::{Origin, Reader, Tip};
use cairn_common::memory;
use cairn_common::runtime::{self, JoinError, TaskSet};
use cairn_common::tasks::TaskError;
use std::{path::PathBuf, sync::Arc};

/// The name of the network's task.
const NAME: &str = "network";

/// What a task came to: an event, if anybody has to know.
type Outcome = Result<Option<Event>, TaskError>;

/// The tasks, in the numbers that the state allows.
pub(crate) struct Tasks {
    judge: Judge,
    /// Where answers come from.
    sources: Sources,
    running: TaskSet<Outcome>,
    /// Files being written.
    saves: TaskSet<()>,
}

impl Tasks {
    /// None yet.
    pub(crate) fn new(judge: Judge, sources: Sources) -> Self {
        Self { judge, sources, running: TaskSet::default(), saves: TaskSet::default() }
    }

    /// The tip of the chain.
    pub(crate) fn tip(&self) -> Arc<Tip> {
        self.judge.chain.tip()
    }

    /// Forgets what is not shown any more.
    pub(crate) fn tidy(&self) {
        self.sources.tidy();
    }

    /// What the next task that ends came to; never, while there is none.
    ///
    /// # Errors
    /// A task panicked, or the store failed: the node has to stop.
    pub(crate) async fn next(&mut self) -> Outcome {
        tokio::select! {
            biased;
            Some(outcome) = self.running.join_next() => finished(outcome)?,
            Some(saved) = self.saves.join_next() => {
                finished(saved)?;
                Ok(self.saves.is_empty().then_some(Event::Saved))
            }
            else => std::future::pending().await,
        }
    }

    /// Begins what takes long; what does not comes to an event at once.
    pub(crate) fn begin(&mut self, action: TaskAction) -> Option<Event> {
        match action {
            TaskAction::Judge { job, data } => {
                let judge = self.judge.clone();
                self.running.spawn(async move {
                    let judged = match job.topic {
                        Topic::Blocks => judge.block(job.sender, data).await,
                        Topic::Txs => judge.batch(job.sender, data).await,
                    };
                    Ok(Some(Event::Judged { job, judged, travels: false }))
                });
            }
            TaskAction::Serve { request, class, question, wait, since, is_spent } => {
                let answer = responder::answer(self.sources.clone(), class, question, Asker { wait, since, is_spent });
                self.running.spawn(async move { served(request, answer.await) });
            }
            TaskAction::FetchPool { peer, unseen } => {
                let judge = self.judge.clone();
                self.running.spawn(async move { Ok(Some(Event::PoolFetched(judge.fetch_pool(peer, unseen).await))) });
            }
            TaskAction::ForgetPeer(peer) => {
                let chain = self.judge.chain.clone();
                self.running.spawn(async move {
                    chain.peer_gone(Origin::Peer(peer)).await;
                    Ok(None)
                });
            }
            TaskAction::ReadSnapshots => {
                let reader = self.judge.chain.reader().clone();
                self.running.spawn(async move { read_snapshots(reader).await });
            }
            TaskAction::Save(files) => self.save(files),
            TaskAction::MeasureMemory => {
                return Some(Event::MemoryMeasured {
                    mib: memory::resident().and_then(|bytes| usize::try_from(bytes >> 20).ok()),
                });
            }
        }
        None
    }

    fn save(&mut self, files: Vec<(PathBuf, Vec<u8>)>) {
        for (path, bytes) in files {
            self.saves.spawn_blocking(move || {
                // Without it the node is as well as before; with the disk full, the chain says so.
                if let Err(error) = small_file::write(&path, &bytes) {
                    tracing::warn!(target: "cairn::network", path = %path.display(), %error, "not saved");
                }
            });
        }
    }

    /// Waits for the files being written, and writes the last; the node is stopping.
    pub(crate) async fn save_at_end(&mut self, last: impl FnOnce() -> Vec<(PathBuf, Vec<u8>)>) {
        while self.saves.join_next().await.is_some() {}
        self.save(last());
        while self.saves.join_next().await.is_some() {}
    }
}

/// The result of a task of ours; one that panicked ends the node in order.
fn finished<T>(result: Result<T, JoinError>) -> Result<T, TaskError> {
    result.map_err(|error| TaskError::Panicked { name: NAME, reason: error.to_string() })
}

async fn read_snapshots(reader: Reader) -> Outcome {
    match finished(runtime::blocking(move || snapshots::read(&reader)).await)? {
        Ok(snapshots) => Ok(Some(Event::SnapshotsRead(snapshots))),
        Err(error) => Err(TaskError::Failed { name: NAME, reason: error.to_string(), storage: true }),
    }
}

/// What follows from an answer; a store that fails ends the node.
fn served(request: RequestNumber, answer: Result<Vec<u8>, ServeError>) -> Outcome {
    let answer = match answer {
        Ok(bytes) => Ok(bytes),
        Err(ServeError::Undecodable(error)) => Err(error),
        Err(error) => {
            let storage = matches!(error, ServeError::Store(_));
            return Err(TaskError::Failed { name: NAME, reason: error.to_string(), storage });
        }
    };
    Ok(Some(Event::Served { request, answer }))
}
