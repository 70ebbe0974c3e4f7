//! The pool on a real chain.

use super::*;
use cairn_chain::verdict::{Origin, PeerNumber};
use cairn_chain::{BlockOutcome, Chain, ChainHandle, HeaderOutcome, TemplateRequest, store::DbOptions};
use cairn_common::mailbox::Stopped;
use cairn_common::runtime::{self, JoinHandle};
use cairn_common::tasks::{ShutdownSwitch, TaskError, shutdown};
use cairn_ledger::testing::{self, easy_network, key, payment};
use cairn_ledger::{Block, ChainContext, ChainSpec, Timestamp, Transaction, TxError, TxId, error::ExecutionError};
use std::{path::PathBuf, sync::Arc, time::Duration};
use tempfile::TempDir;

const PEER: Origin = Origin::Peer(PeerNumber(7));
/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A chain and a pool on a directory of their own.
struct Harness {
    spec: Arc<ChainSpec>,
    directory: TempDir,
    chain: ChainHandle,
    _writer: Chain,
    pool: PoolHandle,
    switch: ShutdownSwitch,
    task: JoinHandle<Result<(), TaskError>>,
}

impl Harness {
    fn new() -> Self {
        Self::on(easy_network())
    }

    fn on(spec: ChainSpec) -> Self {
        let (spec, directory) = (Arc::new(spec), tempfile::tempdir().expect("a directory"));
        let opened = cairn_chain::spawn(spec.clone(), &directory.path().join("db"), DbOptions::default());
        let (chain, writer) = opened.expect("a chain");
        let (switch, stop) = shutdown();
        let path = Some(directory.path().join("mempool.bin"));
        let (pool, task) = spawn(spec.clone(), PoolConfig::default(), chain.clone(), path, stop);
        Self { spec, directory, chain, _writer: writer, pool, switch, task }
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("mempool.bin")
    }

    /// Stops the pool alone.
    async fn stop_pool(&mut self) {
        self.switch.request();
        let task = std::mem::replace(&mut self.task, runtime::spawn(async { Ok(()) }));
        task.await.expect("no panic").expect("no failure");
    }

    /// Starts another.
    fn start_pool(&mut self) {
        let (switch, stop) = shutdown();
        let path = Some(self.file());
        let (pool, task) = spawn(self.spec.clone(), PoolConfig::default(), self.chain.clone(), path, stop);
        (self.pool, self.task, self.switch) = (pool, task, switch);
    }

    fn pay(&self, from: u64, nonce: u64, fee: u64) -> Transaction {
        payment(&self.spec, &key(from), nonce, key(50).address(), 1_000, fee)
    }

    async fn submit(&self, transactions: Vec<Transaction>) -> Vec<Result<TxId, PoolError>> {
        self.pool.submit(PEER, transactions).await.expect("a running pool")
    }

    /// Mines what the pool gives.
    async fn mine(&self, max_bytes: usize) -> Block {
        let transactions = self.pool.select(max_bytes).await.expect("a running pool");
        let request = TemplateRequest { beneficiary: key(0).address(), transactions, time: Timestamp::from_millis(0) };
        let template = self.chain.template(request).await.expect("a template");
        let block = Block { header: testing::seal(template.header.clone()), body: template.body() };
        self.import(&block).await;
        block
    }

    async fn import(&self, block: &Block) {
        let outcomes = self.chain.link_headers(PEER, vec![block.header.clone()]).await.expect("an answer");
        let Some(HeaderOutcome::Linked(linked)) = outcomes.into_iter().next() else { panic!("not linked") };
        let import = self.chain.import(linked, block.body.clone()).await.expect("an import");
        let outcome = import.outcome().await.expect("an outcome");
        assert!(matches!(outcome, BlockOutcome::Connected | BlockOutcome::Waiting), "{outcome:?}");
    }

    /// Waits until the pool says so.
    async fn until(&self, txid: TxId, status: PoolStatus) {
        let asked = async {
            while self.pool.status(txid).await.expect("a running pool") != status {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(PATIENCE, asked).await.expect("the status, in time");
    }
}

/// So many empty blocks after block 0, a little later than the interval.
fn empty_branch(spec: &ChainSpec, count: usize) -> Vec<Block> {
    let (mut context, mut state) = (ChainContext::genesis(spec), testing::genesis_state(spec));
    let next = |_| {
        let block = testing::mine(spec, &context, &state, vec![]);
        context = state.follow(spec, &context, block.clone());
        block
    };
    (0..count).map(next).collect()
}

#[tokio::test]
async fn each_submitted_transaction_is_answered_alone_and_listeners_hear_of_the_new() {
    let harness = Harness::new();
    let mut heard = harness.pool.subscribe();
    let (good, next) = (harness.pay(1, 0, 1_000), harness.pay(1, 1, 1_000));
    let mut forged = harness.pay(2, 0, 1_000);
    forged.body.fee = testing::pebbles(2_000);
    let mut unversioned = harness.pay(3, 0, 1_000);
    unversioned.body.version = 2;
    let mut last = harness.pay(4, u64::MAX, 1_000);
    last.body.valid_until = cairn_ledger::units::Height::new(1);
    let sender = key(70).address();
    let stranger = harness.pay(70, 0, 1_000);

    let batch = vec![good.clone(), forged, next.clone(), unversioned, last, stranger, good.clone()];
    let answers = harness.submit(batch).await;
    assert_eq!(
        answers,
        [
            Ok(good.id()),
            Err(PoolError::Invalid(TxError::Signature)),
            Ok(next.id()),
            Err(PoolError::Invalid(TxError::Version { got: 2 })),
            Err(PoolError::Invalid(TxError::LastNonce)),
            Err(PoolError::Execution(ExecutionError::UnknownSender { sender })),
            Err(PoolError::AlreadyPooled),
        ]
    );
    let proven: Vec<_> = answers.iter().map(|answer| answer.err().and_then(|error| error.proves())).collect();
    assert_eq!(proven.iter().flatten().count(), 3, "only what is invalid proves something");
    let accepted = heard.try_recv().expect("an announcement");
    assert_eq!((accepted.origin, accepted.transactions.len()), (PEER, 2));
    assert!(heard.try_recv().is_err(), "one for each submission");
    assert_eq!(harness.submit(vec![good]).await, [Err(PoolError::AlreadyPooled)]);
    assert!(heard.try_recv().is_err(), "nothing new");
}

#[tokio::test]
async fn a_submission_of_any_length_is_answered() {
    let harness = Harness::new();
    assert!(harness.submit(vec![]).await.is_empty());
    let many: Vec<_> = (0..600).map(|n| harness.pay(1 + n / 64, n % 64, 1_000)).collect();
    let answers = harness.submit(many).await;
    // Keys 1 to 9 have an account, the tenth sender has none.
    assert_eq!((answers.len(), answers.iter().filter(|answer| answer.is_ok()).count()), (600, 9 * 64));
    let info = harness.pool.info().await.expect("a running pool");
    assert_eq!((info.count, info.senders, info.bytes), (576, 9, 576 * 185));
}

#[tokio::test]
async fn what_is_mined_leaves_and_comes_back_when_its_block_is_displaced() {
    let harness = Harness::new();
    let (first, second) = (harness.pay(1, 0, 1_000), harness.pay(1, 1, 1_000));
    assert!(harness.submit(vec![first.clone(), second.clone()]).await.iter().all(Result::is_ok));
    let block = harness.mine(usize::MAX).await;
    assert_eq!(block.txids(), [first.id(), second.id()]);
    harness.until(second.id(), PoolStatus::Unknown).await;
    assert_eq!(harness.submit(vec![first.clone()]).await, [Err(PoolError::AlreadyMined)]);
    let rival = harness.pay(1, 0, 9_000);
    let used = PoolError::Execution(ExecutionError::Nonce { got: 0, expected: 2 });
    assert_eq!(harness.submit(vec![rival]).await, [Err(used)]);
    let third = harness.pay(1, 2, 1_000);
    assert_eq!(harness.submit(vec![third.clone()]).await, [Ok(third.id())]);

    for block in empty_branch(&harness.spec, 3) {
        harness.import(&block).await;
    }
    harness.until(second.id(), PoolStatus::Pooled).await;
    let selected = harness.pool.select(usize::MAX).await.expect("a running pool");
    let ids: Vec<_> = selected.iter().map(cairn_ledger::validate::CheckedTransaction::txid).collect();
    assert_eq!(ids, [first.id(), second.id(), third.id()]);
    assert_eq!(harness.mine(usize::MAX).await.txids(), ids);
}

#[tokio::test]
async fn a_pool_survives_a_restart_and_is_judged_again() {
    let mut harness = Harness::new();
    let [first, second, third] = [1, 2, 3].map(|from| harness.pay(from, 0, 1_000));
    let all = vec![first.clone(), second.clone(), third.clone()];
    assert!(harness.submit(all).await.iter().all(Result::is_ok));
    harness.stop_pool().await;
    let saved = std::fs::read(harness.file()).expect("a saved pool");
    harness.start_pool();
    harness.until(third.id(), PoolStatus::Pooled).await;
    assert_eq!(harness.pool.info().await.expect("a running pool").count, 3);
    assert_eq!(harness.mine(2 * 185).await.txids(), [first.id(), second.id()]);
    // As if the node had been killed: the file still has those that were mined since.
    harness.stop_pool().await;
    std::fs::write(harness.file(), saved).expect("a writable directory");
    harness.start_pool();
    harness.until(third.id(), PoolStatus::Pooled).await;
    assert_eq!(harness.pool.status(first.id()).await, Ok(PoolStatus::Unknown));
    assert_eq!(harness.pool.info().await.expect("a running pool").count, 1);
}

#[tokio::test]
async fn an_unreadable_file_is_an_empty_pool() {
    let mut harness = Harness::new();
    harness.stop_pool().await;
    std::fs::write(harness.file(), b"cairnmp1 and nothing good").expect("a writable directory");
    harness.start_pool();
    let payment = harness.pay(2, 0, 1_000);
    assert_eq!(harness.submit(vec![payment.clone()]).await, [Ok(payment.id())]);
    harness.stop_pool().await;
    harness.start_pool();
    harness.until(payment.id(), PoolStatus::Pooled).await;
}

#[tokio::test]
async fn a_stopped_pool_says_so() {
    let harness = Harness::new();
    harness.switch.request();
    harness.task.await.expect("no panic").expect("no failure");
    assert_eq!(harness.pool.info().await, Err(Stopped));
    let transaction = payment(&harness.spec, &key(1), 0, key(2).address(), 1, 1_000);
    assert_eq!(harness.pool.submit(Origin::Local, vec![transaction]).await, Err(Stopped));
}
