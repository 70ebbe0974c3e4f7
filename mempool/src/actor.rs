//! The pool's loop: it hands questions, new tips and the time to the [`Pool`], and reads the accounts of those who
//! submit; what a block changed comes with the news of it. It holds no rules.

use super::{
    admission,
    file::{self, Loaded, Lost, Saved},
    mailbox::PoolHandle,
    message::{ANNOUNCEMENTS, Accepted, Arrival, GATHERING, Judged, MAILBOX, Message, Waiting},
    policy::{DropReason, FeeRate, PoolConfig, PoolError, Standing},
    pool::{Pool, TipChange},
    queue::Entry,
};
use cairn_chain::{ChainEvent, ChainHandle, Reader, store::StoreError, verdict::Origin};
use cairn_common::{
    clock,
    mailbox::mailbox,
    tasks::{Shutdown, TaskError},
};
use cairn_host::files;
use cairn_ledger::{
    accounts::Account,
    chain_spec::ChainSpec,
    hash::{BlockId, TxId},
    keys::Address,
    rules::Rules,
    transaction::Transaction,
    validate::CheckedTransaction,
};
use std::{
    collections::{BTreeMap, VecDeque},
    future,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::{broadcast, mpsc, oneshot},
    task::JoinHandle,
    time::MissedTickBehavior,
};

/// The task's name.
const NAME: &str = "mempool";
/// How often the pool looks for what has waited too long: far finer than days.
const TICK: Duration = Duration::from_secs(30);
/// How often it is saved while it changes.
const SAVE_EVERY: Duration = Duration::from_secs(60);

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
    let admission = admission::spawn(chain.clone(), mailbox.clone());
    let handle = PoolHandle { chain: chain.clone(), mailbox, admission, accepted: accepted.clone() };
    // The events first, then the tip: a block between the two is then seen twice, never missed.
    let events = chain.subscribe();
    let tip = chain.tip();
    let loading = path.clone().map(|path| {
        let max = file::max_file_bytes(config.max_count, config.max_bytes);
        tokio::spawn(load(handle.clone(), spec.genesis_id(), path, max))
    });
    let (pool, tip) = (Pool::new(config, tip.height()), tip.id);
    let displaced = VecDeque::new();
    let (changed, saved_at, saving) = (false, Instant::now(), None);
    let actor =
        Actor { spec, pool, chain, messages, accepted, path, loading, tip, changed, saved_at, saving, displaced };
    (handle, tokio::spawn(actor.run(events, shutdown)))
}

struct Actor {
    spec: Arc<ChainSpec>,
    pool: Pool,
    chain: ChainHandle,
    messages: mpsc::Receiver<Message>,
    accepted: broadcast::Sender<Arc<Accepted>>,
    path: Option<PathBuf>,
    loading: Option<JoinHandle<()>>,
    /// The last tip that was heard of.
    tip: BlockId,
    /// Whether anything came or went since it was last saved.
    changed: bool,
    saved_at: Instant,
    saving: Option<JoinHandle<()>>,
    /// Blocks that left the chain and whose transactions are yet to be taken back, the lowest first.
    displaced: VecDeque<BlockId>,
}

impl Actor {
    async fn run(
        mut self,
        mut events: broadcast::Receiver<ChainEvent>,
        mut shutdown: Shutdown,
    ) -> Result<(), TaskError> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // Blocks before questions: an answer is never older than the events before it.
                biased;
                () = shutdown.requested() => break,
                event = events.recv() => match event {
                    Ok(event) => self.on_event(&event).await?,
                    Err(broadcast::error::RecvError::Lagged(missed)) => self.on_lag(missed).await?,
                    Err(broadcast::error::RecvError::Closed) => break,
                },
                _ = tick.tick() => {
                    self.pool.on_time(clock::now());
                    self.save_sometimes();
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
        self.save().await;
        Ok(())
    }

    async fn on_message(&mut self, message: Message) -> Result<(), TaskError> {
        match message {
            Message::Judge { transactions, answer } => reply(answer, self.judge(transactions).await?),
            Message::Admit { arrivals, answer } => reply(answer, self.admit(arrivals).await?),
            Message::Get { txid, answer } => reply(answer, self.pool.get(&txid)),
            Message::Pending { address, answer } => reply(answer, self.pool.pending(&address)),
            Message::Select { max_bytes, answer } => reply(answer, self.pool.select(max_bytes)),
            Message::Transactions { answer } => {
                reply(answer, self.pool.transactions().map(|entry| entry.transaction.clone()).collect());
            }
            Message::Info { answer } => reply(answer, self.pool.info()),
            Message::Status { txid, answer } => reply(answer, self.pool.status(&txid)),
            Message::Try { transaction, answer } => {
                let asked = Asked::new(transaction.transaction(), transaction.txid(), self.rules());
                let standings = self.read_standings(vec![asked]).await?;
                let standing = standings.first().copied().unwrap_or_default();
                reply(answer, self.pool.try_admit(&transaction, &standing, clock::now()));
            }
            Message::Refused { refusals } => {
                let now = clock::now();
                refusals.into_iter().for_each(|(txid, error)| self.pool.remember_refusal(txid, error, now));
            }
            Message::Page { after, max, answer } => {
                reply(answer, self.pool.page(after, max).into_iter().map(waiting).collect());
            }
            Message::OfSender { address, answer } => {
                reply(answer, self.pool.of_sender(&address).into_iter().map(waiting).collect());
            }
            Message::Estimate { bytes, answer } => reply(answer, self.pool.estimate(bytes)),
        }
        Ok(())
    }

    async fn judge(
        &mut self,
        transactions: Vec<Transaction>,
    ) -> Result<Vec<Result<(Transaction, Judged), PoolError>>, TaskError> {
        let ids: Vec<TxId> = transactions.iter().map(Transaction::id).collect();
        let rules = self.rules();
        let asked = transactions.iter().zip(&ids).map(|(one, txid)| Asked::new(one, *txid, rules));
        let standings = self.read_standings(asked.collect()).await?;
        let (now, tip) = (clock::now(), self.tip);
        let judged = transactions.into_iter().zip(&ids).zip(standings);
        Ok(judged
            .map(|((transaction, txid), standing)| {
                self.pool.judge(txid, &transaction, &standing, now).map(|()| (transaction, Judged { tip, standing }))
            })
            .collect())
    }

    async fn admit(&mut self, arrivals: Vec<Arrival>) -> Result<Vec<Result<TxId, PoolError>>, TaskError> {
        let standings: Vec<Standing> = if arrivals.iter().all(|arrival| arrival.judged.tip == self.tip) {
            arrivals.iter().map(|arrival| arrival.judged.standing).collect()
        } else {
            let (arrivals, rules) = (arrivals.iter().map(|arrival| &arrival.transaction), self.rules());
            let asked = arrivals.map(|one| Asked::new(one.transaction(), one.txid(), rules));
            self.read_standings(asked.collect()).await?
        };
        let now = clock::now();
        let mut answers = Vec::with_capacity(arrivals.len());
        let mut accepted: BTreeMap<Origin, Vec<CheckedTransaction>> = BTreeMap::new();
        for (Arrival { transaction, origin, added, .. }, standing) in arrivals.into_iter().zip(&standings) {
            // A saved time from the future would outlive its expiry.
            let added = added.unwrap_or(now).min(now);
            let answer = self.pool.admit(transaction.clone(), standing, added, now);
            self.changed |= answer.is_ok();
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
        self.changed = true;
        let (is_reorganised, price) = (event.left.is_some(), self.rules().account_price);
        if event.is_whole {
            let mined = event.connected.iter().flat_map(|block| block.transactions());
            let mined = mined.map(CheckedTransaction::txid).collect();
            let accounts =
                event.accounts.iter().filter(|(address, _)| self.pool.has_sender(address)).copied().collect();
            let height = event.tip.height();
            self.pool.on_tip(clock::now(), TipChange { height, accounts, mined, is_reorganised });
            if self.rules().account_price > price {
                self.drop_too_dear().await?;
            }
        } else {
            self.judge_everybody().await?;
        }
        self.follow_to(event.tip.id, is_reorganised).await
    }

    /// An upgrade raised the price of accounts: what does not allow for it would never be mined, and keep others out.
    async fn drop_too_dear(&mut self) -> Result<(), TaskError> {
        let rules = *self.rules();
        let all = self.pool.transactions().map(|entry| &entry.transaction);
        let asked = all.map(|one| (Asked::new(one.transaction(), one.txid(), &rules), one.clone()));
        let (asked, all): (Vec<Asked>, Vec<CheckedTransaction>) =
            asked.filter(|(asked, _)| !asked.receivers.is_empty()).unzip();
        let standings = self.read_standings(asked).await?;
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
        let (height, price) = (self.chain.tip().height(), self.rules().account_price);
        let everybody: Vec<Address> = self.pool.senders().copied().collect();
        let read = move |reader: &Reader| {
            let accounts = reader.accounts(&everybody)?.into_iter().map(Option::unwrap_or_default);
            Ok(everybody.into_iter().zip(accounts).collect::<Vec<_>>())
        };
        let accounts = self.read(read).await?;
        self.pool.on_lag(clock::now(), height, &accounts);
        if self.rules().account_price > price { self.drop_too_dear().await } else { Ok(()) }
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

    async fn read_standings(&self, asked: Vec<Asked>) -> Result<Vec<Standing>, TaskError> {
        let rules = *self.rules();
        self.read(move |reader| standings(reader, &rules, &asked)).await
    }

    /// Reads the chain where blocking is allowed.
    async fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, TaskError> {
        let reader = self.chain.reader().clone();
        match tokio::task::spawn_blocking(move || question(&reader)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(TaskError::Failed { name: NAME, reason: error.to_string(), storage: true }),
            Err(error) => Err(TaskError::Panicked { name: NAME, reason: error.to_string() }),
        }
    }

    /// Saves the pool now and then, too: a node that is killed, or whose machine loses its power, keeps what had been
    /// waiting for a while.
    fn save_sometimes(&mut self) {
        let is_saved = self.saving.as_ref().is_none_or(JoinHandle::is_finished);
        if !self.changed || !is_saved || self.saved_at.elapsed() < SAVE_EVERY {
            return;
        }
        if let Some(write) = self.write() {
            (self.changed, self.saved_at) = (false, Instant::now());
            self.saving = Some(tokio::task::spawn_blocking(move || {
                write();
            }));
        }
    }

    /// Saves the pool a last time.
    async fn save(mut self) {
        if let Some(saving) = self.saving.take() {
            // Its failure was told.
            let _ = saving.await;
        }
        let Some(write) = self.write() else {
            if let Some(loading) = self.loading {
                loading.abort();
            }
            return;
        };
        match tokio::task::spawn_blocking(write).await {
            Ok(Some(count)) => tracing::info!(target: "cairn::mempool", count, "saved the pool"),
            Ok(None) => {}
            Err(error) => tracing::error!(target: "cairn::mempool", %error, "saving the pool panicked"),
        }
    }

    /// Writes the pool as it is at this moment; gives how many transactions were saved. None as long as what was saved
    /// is not all here: the file is the better copy then.
    fn write(&self) -> Option<impl FnOnce() -> Option<usize> + Send + 'static> {
        let path = self.path.clone()?;
        if self.loading.as_ref().is_some_and(|loading| !loading.is_finished()) {
            return None;
        }
        let genesis_id = self.spec.genesis_id();
        // Shared, not copied.
        let waiting: Vec<_> = self.pool.transactions().map(|entry| (entry.added, entry.transaction.clone())).collect();
        Some(move || {
            let saved =
                waiting.iter().map(|(added, one)| Saved { added: *added, transaction: one.transaction().clone() });
            let saved: Vec<_> = saved.collect();
            match files::save(&path, &file::encode(&genesis_id, &saved)) {
                Ok(()) => Some(saved.len()),
                // The pool is a convenience: losing it stops nothing.
                Err(error) => {
                    tracing::warn!(target: "cairn::mempool", %error, "could not save the pool");
                    None
                }
            }
        })
    }
}

/// Answers; whoever no longer waits for an answer does not need it.
fn reply<T>(answer: oneshot::Sender<T>, value: T) {
    let _ = answer.send(value);
}

fn waiting(entry: Entry) -> Waiting {
    Waiting { transaction: entry.transaction, added: entry.added, ready: entry.worth.ready }
}

/// Whose accounts a transaction needs, and what to look for when its nonce is used.
struct Asked {
    sender: Address,
    nonce: u64,
    txid: TxId,
    /// Those whose accounts it might create at a price that it does not allow, each once.
    receivers: Vec<Address>,
}

impl Asked {
    /// The receivers count unless it allows the price of them all.
    fn new(transaction: &Transaction, txid: TxId, rules: &Rules) -> Self {
        let body = &transaction.body;
        let mut receivers = Vec::new();
        if body.max_price.pebbles() < rules.price_of(body.outputs.len() as u64) {
            receivers.extend(body.outputs.iter().map(|output| output.to));
            receivers.sort_unstable();
            receivers.dedup();
        }
        Self { sender: body.sender, nonce: body.nonce, txid, receivers }
    }
}

/// What the chain says about each.
fn standings(reader: &Reader, rules: &Rules, asked: &[Asked]) -> Result<Vec<Standing>, StoreError> {
    let senders: Vec<Address> = asked.iter().map(|asked| asked.sender).collect();
    let receivers: Vec<Address> = asked.iter().flat_map(|asked| &asked.receivers).copied().collect();
    let (accounts, mut exist) = (reader.accounts(&senders)?, reader.have_accounts(&receivers)?.into_iter());
    let mut standings = Vec::with_capacity(asked.len());
    for (Asked { nonce, txid, receivers, .. }, account) in asked.iter().zip(accounts) {
        let absent = exist.by_ref().take(receivers.len()).filter(|exists| !exists).count();
        let used = account.is_some_and(|account| *nonce < account.nonce);
        let mined = used && reader.is_mined(txid)?;
        standings.push(Standing { account, mined, price: rules.price_of(absent as u64) });
    }
    Ok(standings)
}

/// The blocks from `left` down that are not on the chain, the lowest first.
fn displaced(reader: &Reader, left: &BlockId) -> Result<VecDeque<BlockId>, StoreError> {
    let (mut ids, mut at) = (VecDeque::new(), reader.header(left)?);
    while let Some(header) = at {
        if reader.is_connected(&header)? {
            break;
        }
        ids.push_front(header.id());
        at = reader.header(&header.header().parent)?;
    }
    Ok(ids)
}

/// The transactions of a block that left the chain.
#[derive(Default)]
struct Returning {
    /// Those that may be mined again.
    transactions: Vec<Transaction>,
    /// Their senders' accounts now.
    accounts: BTreeMap<Address, Account>,
    /// The others, and why.
    gone: Vec<(TxId, DropReason)>,
}

/// Reads the transactions of a block that left the chain. Those that pay no more than `least` are not looked at
/// further.
fn returning(reader: &Reader, id: &BlockId, least: Option<FeeRate>) -> Result<Returning, StoreError> {
    let mut returning = Returning::default();
    let Some(header) = reader.header(id)? else { return Ok(returning) };
    // The chain may have come back to it.
    if reader.is_connected(&header)? {
        return Ok(returning);
    }
    let Some(body) = reader.body(id)? else { return Ok(returning) };
    let mut senders: Vec<Address> = body.iter().map(|transaction| transaction.body.sender).collect();
    senders.sort_unstable();
    senders.dedup();
    let accounts = reader.accounts(&senders)?.into_iter().map(Option::unwrap_or_default);
    returning.accounts = senders.into_iter().zip(accounts).collect();
    for transaction in body.into_vec() {
        let nonce = returning.accounts.get(&transaction.body.sender).map_or(0, |account| account.nonce);
        if transaction.body.nonce < nonce {
            let txid = transaction.id();
            if !reader.is_mined(&txid)? {
                returning.gone.push((txid, DropReason::NonceUsed));
            }
        } else if least.is_some_and(|least| FeeRate::of(&transaction) <= least) {
            returning.gone.push((transaction.id(), DropReason::Evicted));
        } else {
            returning.transactions.push(transaction);
        }
    }
    Ok(returning)
}

/// Submits what was saved, in pieces, so that others are not kept waiting. Listeners are not told: the
/// network would take it for new.
async fn load(pool: PoolHandle, genesis_id: BlockId, path: PathBuf, max: u64) {
    let source = path.clone();
    let Loaded { saved, lost } = match tokio::task::spawn_blocking(move || file::load(&source, &genesis_id, max)).await
    {
        Ok(Ok(loaded)) => loaded,
        Ok(Err(error)) => return warn_unreadable(&path, &error.to_string()),
        Err(error) => return warn_unreadable(&path, &error.to_string()),
    };
    if let Some(Lost { at, bytes }) = lost {
        tracing::warn!(
            target: "cairn::mempool", path = %path.display(), at, bytes, kept = saved.len(),
            "a part of the saved pool is damaged, or more than the pool may hold; the rest is kept"
        );
    }
    let (found, mut kept) = (saved.len(), 0);
    let mut rest = saved.into_iter().map(|saved| (saved.transaction, Some(saved.added))).peekable();
    while rest.peek().is_some() {
        let piece = rest.by_ref().take(GATHERING).collect();
        let Ok(answers) = pool.submit_piece(None, piece).await else { return };
        kept += answers.iter().filter(|answer| answer.is_ok()).count();
    }
    tracing::info!(target: "cairn::mempool", found, kept, "loaded the saved pool");
}

fn warn_unreadable(path: &Path, reason: &str) {
    tracing::warn!(target: "cairn::mempool", path = %path.display(), reason, "began empty: the saved pool is unreadable");
}
