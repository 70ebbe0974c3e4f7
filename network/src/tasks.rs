//! What takes long, in tasks beside the network's own: judging, reading, writing, telling the chain.

use crate::{
    event::{Event, ExchangeEvent, Job, NodeEvent, TaskAction, Topic},
    gossip::judge::{Judge, Judged},
    ids::RequestNumber,
    pool_sync::rounds::FetchedPool,
    process,
    requests::responder::{self, Asker, ServeError, Sources},
    small_file,
};
use cairn_chain::{Tip, verdict::Origin};
use cairn_common::tasks::TaskError;
use std::{path::PathBuf, sync::Arc};
use tokio::task::{JoinError, JoinSet};

/// The name of the network's task.
const NAME: &str = "network";

/// A task that has ended.
pub(crate) enum Done {
    Judged(Job, Judged),
    Event(Event),
    Nothing,
}

/// What a task came to.
enum Outcome {
    Judged(Job, Box<Judged>),
    Served(RequestNumber, Result<Vec<u8>, ServeError>),
    PoolFetched(FetchedPool),
    PeerForgotten,
}

/// The tasks, in the numbers that the state allows.
pub(crate) struct Tasks {
    judge: Judge,
    /// Where answers come from.
    sources: Sources,
    running: JoinSet<Outcome>,
    /// Files being written.
    saves: JoinSet<()>,
}

impl Tasks {
    /// None yet.
    pub(crate) fn new(judge: Judge, sources: Sources) -> Self {
        Self { judge, sources, running: JoinSet::new(), saves: JoinSet::new() }
    }

    /// The tip of the chain.
    pub(crate) fn tip(&self) -> Arc<Tip> {
        self.judge.chain.tip()
    }

    /// Forgets what is not shown any more.
    pub(crate) fn tidy(&self) {
        self.sources.tidy();
    }

    /// The next task that ends; never, while there is none.
    ///
    /// # Errors
    /// A task panicked, or the store failed: the node has to stop.
    pub(crate) async fn next(&mut self) -> Result<Done, TaskError> {
        tokio::select! {
            Some(outcome) = self.running.join_next() => done(finished(outcome)?),
            Some(saved) = self.saves.join_next() => {
                finished(saved)?;
                Ok(if self.saves.is_empty() { Done::Event(NodeEvent::Saved.into()) } else { Done::Nothing })
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
                    Outcome::Judged(job, Box::new(judged))
                });
            }
            TaskAction::Serve { request, class, question, wait, since, is_spent } => {
                let answer = responder::answer(self.sources.clone(), class, question, Asker { wait, since, is_spent });
                self.running.spawn(async move { Outcome::Served(request, answer.await) });
            }
            TaskAction::FetchPool(peer) => {
                let judge = self.judge.clone();
                self.running.spawn(async move { Outcome::PoolFetched(judge.fetch_pool(peer).await) });
            }
            TaskAction::ForgetPeer(peer) => {
                let chain = self.judge.chain.clone();
                self.running.spawn(async move {
                    chain.peer_gone(Origin::Peer(peer)).await;
                    Outcome::PeerForgotten
                });
            }
            TaskAction::Save(files) => self.save(files),
            TaskAction::MeasureMemory => {
                return Some(NodeEvent::MemoryMeasured { mib: process::resident_mib() }.into());
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

fn done(outcome: Outcome) -> Result<Done, TaskError> {
    Ok(match outcome {
        Outcome::Judged(job, judged) => Done::Judged(job, *judged),
        Outcome::PoolFetched(fetched) => Done::Event(ExchangeEvent::PoolFetched(fetched).into()),
        Outcome::PeerForgotten => Done::Nothing,
        Outcome::Served(request, answer) => match answer {
            Ok(bytes) => Done::Event(ExchangeEvent::Served { request, answer: Ok(bytes) }.into()),
            Err(ServeError::Undecodable(error)) => {
                Done::Event(ExchangeEvent::Served { request, answer: Err(error) }.into())
            }
            Err(error @ (ServeError::Store(_) | ServeError::Panicked { .. })) => {
                let storage = matches!(error, ServeError::Store(_));
                return Err(TaskError::Failed { name: NAME, reason: error.to_string(), storage });
            }
        },
    })
}
