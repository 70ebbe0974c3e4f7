//! The miner's loop: it renews the job, submits what was found, and lets requests take their turn.

use super::mailbox::{GenerateError, MAILBOX, MinerHandle, MinerInfo, Request, WorkError};
use super::plan::{MiningConditions, Pause, plan};
use super::threads::{self, JobSlot, ThreadEvent};
use super::{BlockAnnouncer, MiningConfig, SyncProgress, block_builder::BlockBuilder, issued_work::IssuedWork};
use cairn_chain::{ChainHandle, Template};
use cairn_common::mailbox::{Stopped, mailbox};
use cairn_common::tasks::{Shutdown, TaskError};
use cairn_common::{clock, rolling_rate::RollingRate};
use cairn_ledger::{hash::BlockId, keys::Address};
use cairn_mempool::PoolHandle;
use std::time::{Duration, Instant};
use std::{collections::VecDeque, future, pin::Pin, sync::Arc};
use tokio::sync::{mpsc, watch};
use tokio::{task::JoinHandle, time::MissedTickBehavior};

/// The task's name.
const NAME: &str = "miner";
/// How often the template is renewed at least: transactions and the clock move on.
const RENEWAL: Duration = Duration::from_secs(1);
/// Events of threads that wait for the loop; a thread with one more waits.
const THREAD_EVENTS: usize = 16;
/// What the hash rate is averaged over.
const HASH_RATE_WINDOW: Duration = Duration::from_secs(10);
/// Templates kept for what was found just when the next one was posted.
const TEMPLATES: usize = 4;

/// Starts the miner, which mines when `config` says so, and generates blocks when asked.
pub fn spawn<N: BlockAnnouncer, S: SyncProgress>(
    config: MiningConfig,
    chain: ChainHandle,
    pool: PoolHandle,
    network: N,
    sync: S,
    shutdown: Shutdown,
) -> (MinerHandle, JoinHandle<Result<(), TaskError>>) {
    let (handle, mailbox) = mailbox(MAILBOX);
    let (info, info_watch) = watch::channel(MinerInfo::default());
    let actor = Actor {
        config,
        block_builder: BlockBuilder { chain, pool, network },
        sync,
        mailbox,
        slot: Arc::default(),
        templates: VecDeque::new(),
        issued: IssuedWork::default(),
        generating: None,
        hash_rate: RollingRate::new(HASH_RATE_WINDOW, Duration::ZERO),
        info,
    };
    (MinerHandle { mailbox: handle, info: info_watch }, tokio::spawn(actor.run(shutdown)))
}

struct Actor<N, S> {
    config: MiningConfig,
    block_builder: BlockBuilder<N>,
    sync: S,
    mailbox: mpsc::Receiver<Request>,
    slot: Arc<JobSlot>,
    /// The last jobs' numbers and templates.
    templates: VecDeque<(u64, Template)>,
    /// Work of miners elsewhere.
    issued: IssuedWork,
    generating: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    hash_rate: RollingRate,
    info: watch::Sender<MinerInfo>,
}

impl<N: BlockAnnouncer, S: SyncProgress> Actor<N, S> {
    async fn run(mut self, mut shutdown: Shutdown) -> Result<(), TaskError> {
        let (sender, mut events) = mpsc::channel(THREAD_EVENTS);
        let threads = threads::start(&self.slot, self.config.threads, self.config.duty, &sender);
        let threads = threads.map_err(|error| failed(format!("cannot start threads: {error}")))?;
        let ended = self.serve(&mut shutdown, &mut events).await;
        // Nobody may wait in the channel for us while we wait for them.
        drop(events);
        self.slot.end();
        let join = move || threads.into_iter().try_for_each(std::thread::JoinHandle::join);
        let joined = tokio::task::spawn_blocking(join).await;
        match joined {
            Ok(Ok(())) => ended,
            _ => ended.and(Err(failed(String::from("a thread panicked")))),
        }
    }

    async fn serve(
        &mut self,
        shutdown: &mut Shutdown,
        events: &mut mpsc::Receiver<ThreadEvent>,
    ) -> Result<(), TaskError> {
        let mut tip = self.block_builder.chain.watch_tip();
        let mut renewal = tokio::time::interval(RENEWAL);
        renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let idle = self.generating.is_none();
            tokio::select! {
                biased;
                () = shutdown.requested() => return Ok(()),
                Some(event) = events.recv() => self.on_event(event).await?,
                changed = tip.changed() => match changed {
                    Ok(()) => self.renew().await,
                    // The chain has failed, and says why itself.
                    Err(_) => {
                        self.pause(Pause::Stopping);
                        shutdown.requested().await;
                    }
                },
                () = finished(&mut self.generating) => {
                    self.generating = None;
                    self.renew().await;
                }
                _ = renewal.tick() => {
                    self.hash_rate.note(Instant::now(), self.slot.attempts());
                    let hash_rate = self.hash_rate.per_second();
                    self.info.send_modify(|info| info.hash_rate = hash_rate);
                    self.renew().await;
                }
                Some(request) = self.mailbox.recv(), if idle => self.on_request(request).await,
            }
        }
    }

    /// Answers; whoever no longer waits for an answer does not need it.
    async fn on_request(&mut self, request: Request) {
        match request {
            Request::Generate { blocks, beneficiary, answer } => {
                self.pause(Pause::Generating);
                let builder = self.block_builder.clone();
                self.generating = Some(Box::pin(async move {
                    // Whoever asked may be gone; the blocks are there all the same.
                    let _ = answer.send(builder.generate(blocks, beneficiary).await.map_err(GenerateError::Stopped));
                }));
            }
            Request::Work { beneficiary, answer } => {
                let work = self.template_for(beneficiary).await.map_err(|pause| match pause {
                    Pause::Stopping => WorkError::Stopped(Stopped),
                    pause => WorkError::Paused { reason: pause.to_string() },
                });
                if let Ok(template) = &work {
                    self.issued.add(template.clone());
                }
                let _ = answer.send(work);
            }
            Request::Solved { seal, nonce, answer } => {
                let parent = self.block_builder.chain.tip().id;
                let made = match self.issued.take_solved(seal, nonce, &parent) {
                    Ok(template) => self.submit(&template, nonce, "a miner elsewhere found a block").await,
                    Err(error) => Err(error),
                };
                let _ = answer.send(made);
            }
        }
    }

    /// Submits what was found, and counts it once it is on the chain.
    async fn submit(&mut self, template: &Template, nonce: u64, found: &str) -> Result<BlockId, WorkError> {
        let block = self.block_builder.submit(template, nonce).await?.ok_or(WorkError::Stale)?;
        let (height, transactions) = (template.header.height.get(), template.transactions.len());
        tracing::info!(target: "cairn::miner", height, %block, transactions, "{found}");
        self.info.send_modify(|info| info.blocks_found += 1);
        Ok(block)
    }

    /// Posts a new job, or says why there is none.
    async fn renew(&mut self) {
        if self.config.threads == 0 || self.generating.is_some() {
            return;
        }
        let Some(beneficiary) = self.config.beneficiary else { return self.pause(Pause::NoBeneficiary) };
        match self.template_for(beneficiary).await {
            Ok(template) => self.post(template),
            Err(pause) => self.pause(pause),
        }
    }

    async fn template_for(&mut self, beneficiary: Address) -> Result<Template, Pause> {
        let conditions = MiningConditions {
            now: clock::now(),
            parent_time: self.block_builder.chain.tip().header.time,
            max_future_ms: self.block_builder.spec().params().max_future_ms,
            interval_ms: self.block_builder.spec().params().interval_ms,
            is_gaining: self.sync.is_gaining(),
        };
        let time = plan(&conditions)?;
        self.block_builder.template(beneficiary, time).await
    }

    fn post(&mut self, template: Template) {
        let target = template.header.target.decode().expect("the difficulty rule gives normal targets");
        let job = self.slot.post(template.header.seal(), target);
        self.templates.retain(|(_, older)| older.header.parent == template.header.parent);
        self.templates.push_back((job, template));
        if self.templates.len() > TEMPLATES {
            self.templates.pop_front();
        }
        self.set_paused(None);
    }

    fn pause(&mut self, pause: Pause) {
        self.slot.clear();
        self.templates.clear();
        if self.config.threads > 0 {
            self.set_paused(Some(pause.to_string()));
        }
    }

    fn set_paused(&self, paused: Option<String>) {
        let was_paused = self.info.borrow().paused.is_some();
        match &paused {
            Some(reason) if !was_paused => tracing::info!(target: "cairn::miner", reason, "paused"),
            None if was_paused => tracing::info!(target: "cairn::miner", "mining again"),
            _ => {}
        }
        self.info.send_modify(|info| info.paused = paused);
    }

    async fn on_event(&mut self, event: ThreadEvent) -> Result<(), TaskError> {
        let ThreadEvent::Found { job, nonce } = event else {
            return Err(failed(String::from("a thread ended")));
        };
        let Some(at) = self.templates.iter().position(|(number, _)| *number == job) else { return Ok(()) };
        // All threads are done with what is solved. A template gives one block only.
        self.slot.clear();
        let Some((_, template)) = self.templates.remove(at) else { return Ok(()) };
        if let Err(WorkError::Stopped(Stopped)) = self.submit(&template, nonce, "found a block").await {
            self.pause(Pause::Stopping);
        }
        // Also when it came too late: the threads wait for work.
        self.renew().await;
        Ok(())
    }
}

/// Returns when the task has finished; never when there is none.
async fn finished(task: &mut Option<Pin<Box<dyn Future<Output = ()> + Send>>>) {
    match task {
        Some(task) => task.await,
        None => future::pending().await,
    }
}

fn failed(reason: String) -> TaskError {
    TaskError::Failed { name: NAME, reason, storage: false }
}
