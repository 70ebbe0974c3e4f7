//! The pool's loop: it hands questions, new tips and the time to the [`Pool`], and reads the accounts of those who
//! submit; what a block changed comes with the news of it. It holds no rules.

use super::handle::{ANNOUNCEMENTS, Accepted, Arrival, GATHERING, Judged, MAILBOX, Message, PoolHandle};
use super::policy::{PoolConfig, PoolError, Standing};
use super::pool::{Pool, TipChange};
use super::reorg::{Returning, displaced, returning};
use super::standings::{Lookup, standings};
use super::{admission::Admission, file, persistence::Persistence};
use cairn_chain::{ChainEvent, ChainHandle, Reader, store::StoreError, verdict::Origin};
use cairn_common::runtime::{self, JoinHandle};
use cairn_common::tasks::{Shutdown, TaskError};
use cairn_common::{clock, mailbox::mailbox};
use cairn_ledger::{Address, BlockId, ChainSpec, CheckedTransaction, Transaction, TxId, upgrades::Rules};
use std::collections::{BTreeMap, VecDeque};
use std::{future, path::PathBuf, pin::pin, sync::Arc, time::Duration};
use tokio::sync::{broadcast, mpsc, oneshot};

/// The task's name.
const NAME: &str = "mempool";
/// How often the pool looks for what has waited too long: far finer than days.
const TICK: Duration = Duration::from_secs(30);

/// So few accounts are read where they are asked for, if they are in memory: waking another thread, and being woken by
/// it, takes several times as long.
const FEW: usize = 4;

/// Starts the pool on the tip of `chain`. With a `path`, it begins with what was saved there, and saves
/// itself there now and then, and when the node stops.
pub fn spawn(
    spec: Arc<ChainSpec>,
    config: PoolConfig,
    chain: ChainHandle,
    path: Option<PathBuf>,
    shutdown: Shutdown,
) -> (PoolHandle, JoinHandle<Result<(), TaskError>>) {
    let (mailbox, messages) = mailbox(MAILBOX);
    let (accepted, _) = broadcast::channel(ANNOUNCEMENTS);
    let admission = Admission::spawn(chain.clone(), mailbox.clone());
    let handle = PoolHandle { chain: chain.clone(), mailbox, admission, accepted: accepted.clone() };
    // The events first, then the tip: a block between the two is then seen twice, never missed.
    let events = chain.subscribe();
    let tip = chain.tip();
    let max = file::max_file_bytes(config.max_count, config.max_bytes);
    let persistence = Persistence::load(&handle, spec.genesis_id(), path, max);
    let (pool, tip) = (Pool::new(config, tip.height()), tip.id);
    let actor = Actor { spec, pool, chain, messages, accepted, persistence, tip, displaced: VecDeque::new() };
    (handle, runtime::spawn(actor.run(events, shutdown)))
}

struct Actor {
    spec: Arc<ChainSpec>,
    pool: Pool,
    chain: ChainHandle,
    messages: mpsc::Receiver<Message>,
    accepted: broadcast::Sender<Arc<Accepted>>,
    persistence: Persistence,
    /// The last tip that the chain announced.
    tip: BlockId,
    /// Blocks that left the chain and whose transactions are yet to be taken back, the lowest first.
    displaced: VecDeque<BlockId>,
}

impl Actor {
    async fn run(
        mut self,
        mut events: broadcast::Receiver<ChainEvent>,
        mut shutdown: Shutdown,
    ) -> Result<(), TaskError> {
        let (mut tick, mut stop) = (runtime::interval(TICK), pin!(shutdown.requested()));
        loop {
            tokio::select! {
                // Blocks before questions: an answer is never older than the events before it.
                biased;
                () = &mut stop => break,
                event = events.recv() => match event {
                    Ok(event) => self.on_event(&event).await?,
                    Err(broadcast::error::RecvError::Lagged(missed)) => self.on_lag(missed).await?,
                    Err(broadcast::error::RecvError::Closed) => break,
                },
                () = tick.tick() => {
                    self.pool.on_time(clock::now());
                    self.persistence.save_sometimes(&self.pool);
                }
                message = self.messages.recv() => match message {
                    Some(message) => self.on_message(message).await?,
                    None => break,
                },
                () = future::ready(()), if !self.displaced.is_empty() => {}
            }
            // One block between two questions: neither holds the other up.
            self.take_back_next().await?;
        }
        self.persistence.save(&self.pool).await;
        Ok(())
    }

    async fn on_message(&mut self, message: Message) -> Result<(), TaskError> {
        match message {
            Message::Judge { transactions, answer } => reply(answer, self.judge(&transactions).await?),
            Message::Admit { arrivals, answer } => reply(answer, self.admit(arrivals).await?),
            Message::Try { transaction, answer } => {
                let lookup = Lookup::new(transaction.transaction(), transaction.txid(), self.rules());
                let standings = self.read_standings(vec![lookup]).await?;
                let standing = standings.first().copied().unwrap_or_default();
                reply(answer, self.pool.try_admit(&transaction, &standing, clock::now()));
            }
            Message::Ask(question) => question(&mut self.pool),
        }
        Ok(())
    }

    async fn judge(&mut self, transactions: &[Transaction]) -> Result<Vec<Result<Judged, PoolError>>, TaskError> {
        let (ids, rules): (Vec<TxId>, _) = (transactions.iter().map(Transaction::id).collect(), self.rules());
        let lookups = transactions.iter().zip(&ids).map(|(one, txid)| Lookup::new(one, *txid, rules));
        let standings = self.read_standings(lookups.collect()).await?;
        let (now, tip) = (clock::now(), self.tip);
        let judged = transactions.iter().zip(&ids).zip(standings).map(|((one, txid), standing)| {
            self.pool.judge(txid, one, &standing, now).map(|()| Judged { tip, standing })
        });
        Ok(judged.collect())
    }

    async fn admit(&mut self, arrivals: Vec<Arrival>) -> Result<Vec<Result<TxId, PoolError>>, TaskError> {
        let standings: Vec<Standing> = if arrivals.iter().all(|arrival| arrival.judged.tip == self.tip) {
            arrivals.iter().map(|arrival| arrival.judged.standing).collect()
        } else {
            let (arrivals, rules) = (arrivals.iter().map(|arrival| &arrival.transaction), self.rules());
            let lookups = arrivals.map(|one| Lookup::new(one.transaction(), one.txid(), rules));
            self.read_standings(lookups.collect()).await?
        };
        let now = clock::now();
        let mut answers = Vec::with_capacity(arrivals.len());
        let mut accepted: BTreeMap<Origin, Vec<CheckedTransaction>> = BTreeMap::new();
        for (Arrival { transaction, origin, added, .. }, standing) in arrivals.into_iter().zip(&standings) {
            // A saved time from the future would outlive its expiry.
            let added = added.unwrap_or(now).min(now);
            let answer = self.pool.admit(transaction.clone(), standing, added, now);
            self.persistence.changed |= answer.is_ok();
            if let (Ok(_), Some(origin)) = (&answer, origin) {
                accepted.entry(origin).or_default().push(transaction);
            }
            answers.push(answer);
        }
        for (origin, transactions) in accepted {
            // Nobody listening is fine.
            let _ = self.accepted.send(Arc::new(Accepted { origin, transactions }));
        }
        Ok(answers)
    }

    async fn on_event(&mut self, event: &ChainEvent) -> Result<(), TaskError> {
        self.persistence.changed = true;
        let is_reorganised = event.left.is_some();
        if event.is_whole {
            let mined = event.connected.iter().flat_map(|block| block.transactions());
            let mined = mined.map(CheckedTransaction::txid).collect();
            let accounts = event.accounts.iter().filter(|(address, _)| self.pool.has_sender(address));
            let (height, accounts) = (event.tip.height(), accounts.copied().collect());
            self.move_to(TipChange { height, accounts, mined, is_reorganised }).await?;
        } else {
            self.judge_everybody().await?;
        }
        self.follow_to(event.tip.id, is_reorganised).await
    }

    async fn move_to(&mut self, change: TipChange) -> Result<(), TaskError> {
        let price = self.rules().account_price;
        self.pool.on_tip(clock::now(), change);
        if self.rules().account_price > price { self.drop_too_dear().await } else { Ok(()) }
    }

    /// An upgrade raised the price of accounts: what does not allow for it would never be mined, and keep others out.
    async fn drop_too_dear(&mut self) -> Result<(), TaskError> {
        let rules = *self.rules();
        let all = self.pool.transactions().map(|entry| &entry.transaction);
        let lookups = all.map(|one| (Lookup::new(one.transaction(), one.txid(), &rules), one.clone()));
        let (lookups, all): (Vec<Lookup>, Vec<CheckedTransaction>) =
            lookups.filter(|(lookup, _)| !lookup.receivers.is_empty()).unzip();
        let standings = self.read_standings(lookups).await?;
        let judged = all.iter().zip(standings);
        let dear = judged.filter(|(one, standing)| standing.price > one.transaction().body.max_price.pebbles());
        let dear: Vec<TxId> = dear.map(|(one, _)| one.txid()).collect();
        self.pool.on_dearer(clock::now(), &dear);
        Ok(())
    }

    /// Events were missed: nobody can say what changed, so everybody is judged again.
    async fn on_lag(&mut self, missed: u64) -> Result<(), TaskError> {
        tracing::warn!(target: "cairn::mempool", missed, "missed moves of the chain; judging every sender again");
        self.judge_everybody().await?;
        self.follow_to(self.chain.tip().id, true).await
    }

    async fn judge_everybody(&mut self) -> Result<(), TaskError> {
        let height = self.chain.tip().height();
        let everybody: Vec<Address> = self.pool.senders().copied().collect();
        let read = move |reader: &Reader| {
            let accounts = reader.accounts(&everybody)?.into_iter().map(Option::unwrap_or_default);
            Ok(everybody.into_iter().zip(accounts).collect())
        };
        let accounts = self.read(read).await?;
        self.move_to(TipChange { height, accounts, is_reorganised: true, ..TipChange::default() }).await
    }

    /// The rules of the next block.
    fn rules(&self) -> &Rules {
        self.spec.rules_at(self.pool.tip().saturating_add(1))
    }

    /// Notes the new tip, and the blocks that left the chain on the way there, if any may have.
    async fn follow_to(&mut self, tip: BlockId, may_have_left: bool) -> Result<(), TaskError> {
        let left = std::mem::replace(&mut self.tip, tip);
        if may_have_left {
            self.displaced.extend(self.read(move |reader| displaced(reader, &left)).await?);
        }
        Ok(())
    }

    /// Takes back the transactions of the next block that left the chain: one block's are in memory at a time.
    async fn take_back_next(&mut self) -> Result<(), TaskError> {
        let Some(id) = self.displaced.pop_front() else { return Ok(()) };
        let least = self.pool.least_rate();
        let Returning { transactions, accounts, gone } = self.read(move |reader| returning(reader, &id, least)).await?;
        self.pool.note_gone(clock::now(), gone);
        let mut rest = transactions.into_iter().peekable();
        while rest.peek().is_some() {
            let piece = rest.by_ref().take(GATHERING).collect();
            // A chain that has ended ends the pool with its events.
            let Ok(checked) = self.chain.check_transactions(piece).await else { return Ok(()) };
            self.pool.take_back(clock::now(), checked.into_iter().flatten().collect(), &accounts);
        }
        Ok(())
    }

    async fn read_standings(&self, lookups: Vec<Lookup>) -> Result<Vec<Standing>, TaskError> {
        let rules = *self.rules();
        let records: usize = lookups.iter().map(|lookup| 1 + lookup.receivers.len()).sum();
        if records <= FEW
            && let Some(standings) = self.chain.reader().resident(|reader| standings(reader, &rules, &lookups))
        {
            return Ok(standings);
        }
        self.read(move |reader| standings(reader, &rules, &lookups)).await
    }

    /// Reads the chain where blocking is allowed.
    async fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, TaskError> {
        let reader = self.chain.reader().clone();
        match runtime::blocking(move || question(&reader)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(TaskError::Failed { name: NAME, reason: error.to_string(), storage: true }),
            Err(error) => Err(TaskError::Panicked { name: NAME, reason: error.to_string() }),
        }
    }
}

/// Answers; whoever no longer waits for an answer does not need it.
fn reply<T>(answer: oneshot::Sender<T>, value: T) {
    let _ = answer.send(value);
}
