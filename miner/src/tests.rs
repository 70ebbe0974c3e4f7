//! The miner on a real chain.

use super::*;
use cairn_chain::verdict::{Origin, PeerNumber};
use cairn_chain::{BlockBody, Chain, ChainHandle, store::DbOptions};
use cairn_common::tasks::{ShutdownSwitch, TaskError, shutdown};
use cairn_common::{clock, mailbox::Stopped};
use cairn_ledger::block::{Block, Body, Header};
use cairn_ledger::testing::{easy_network, easy_params, key, payment};
use cairn_ledger::{chain_spec::ChainSpec, transaction::Transaction};
use cairn_mempool::{PoolConfig, PoolHandle};
use std::sync::atomic::{AtomicBool, Ordering};
use std::{sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::{sync::mpsc, task::JoinHandle};

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Keeps what was announced.
#[derive(Clone)]
struct Heard(mpsc::Sender<Block>);

impl BlockAnnouncer for Heard {
    async fn announce(&self, header: Header, body: BlockBody) {
        let BlockBody::Resolved(candidates) = body else { panic!("a template's transactions were checked") };
        let transactions = candidates.iter().map(|candidate| candidate.transaction().clone()).collect();
        let body = Body::new(transactions).expect("a block's transactions");
        self.0.send(Block { header, body }).await.expect("the test listens");
    }
}

#[derive(Clone)]
struct Gaining(Arc<AtomicBool>);

impl SyncProgress for Gaining {
    fn is_gaining(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A chain and a pool on a directory of their own.
struct ChainAndPool {
    spec: Arc<ChainSpec>,
    chain: ChainHandle,
    pool: PoolHandle,
    _directory: TempDir,
    _writer: Chain,
    _switch: ShutdownSwitch,
}

impl ChainAndPool {
    fn new() -> Self {
        Self::on(easy_network())
    }

    fn on(spec: ChainSpec) -> Self {
        let (spec, directory) = (Arc::new(spec), tempfile::tempdir().expect("a directory"));
        let opened = cairn_chain::spawn(spec.clone(), &directory.path().join("db"), DbOptions::default());
        let (chain, writer) = opened.expect("a chain");
        let (switch, stop) = shutdown();
        let (pool, _) = cairn_mempool::spawn(spec.clone(), PoolConfig::default(), chain.clone(), None, stop);
        Self { spec, chain, pool, _directory: directory, _writer: writer, _switch: switch }
    }

    /// Hands the pool a payment of 1000 with this fee, from account 1.
    async fn submit(&self, fee: u64) -> Transaction {
        let payment = payment(&self.spec, &key(1), 0, key(50).address(), 1_000, fee);
        let origin = Origin::Peer(PeerNumber(7));
        let answers = self.pool.submit(origin, vec![payment.clone()]).await.expect("a running pool");
        assert!(answers[0].is_ok());
        payment
    }
}

struct Mine {
    parts: ChainAndPool,
    miner: MinerHandle,
    heard: mpsc::Receiver<Block>,
    gaining: Gaining,
    switch: ShutdownSwitch,
    task: JoinHandle<Result<(), TaskError>>,
}

impl Mine {
    fn new(parts: ChainAndPool, threads: usize) -> Self {
        let config = MiningConfig { threads, duty: 50, beneficiary: Some(key(9).address()) };
        Self::with(parts, config, false)
    }

    fn with(parts: ChainAndPool, config: MiningConfig, gaining: bool) -> Self {
        let (sender, heard) = mpsc::channel(1_000);
        let gaining = Gaining(Arc::new(AtomicBool::new(gaining)));
        let (switch, stop) = shutdown();
        let (chain, pool) = (parts.chain.clone(), parts.pool.clone());
        let (miner, task) = spawn(config, chain, pool, Heard(sender), gaining.clone(), stop);
        Self { parts, miner, heard, gaining, switch, task }
    }

    async fn next_block(&mut self) -> Block {
        let block = tokio::time::timeout(PATIENCE, self.heard.recv()).await;
        block.expect("a block, in time").expect("a running miner")
    }

    async fn until(&self, condition: impl Fn(&MinerInfo) -> bool) -> MinerInfo {
        let mut info = self.miner.info.clone();
        let waited = tokio::time::timeout(PATIENCE, info.wait_for(condition)).await;
        waited.expect("in time").expect("a running miner").clone()
    }

    async fn stop(self) {
        self.switch.request();
        self.task.await.expect("no panic").expect("an orderly end");
    }
}

/// A network whose block 0 is so many intervals old.
fn network_since(intervals: u64) -> ChainSpec {
    let mut params = easy_params();
    let age = params.interval_ms * intervals + params.interval_ms / 2;
    params.genesis_time = cairn_ledger::units::Timestamp::from_millis(clock::now().millis() - age);
    ChainSpec::new(params).expect("valid parameters")
}

#[tokio::test]
async fn threads_mine_block_after_block_with_the_pools_transactions() {
    let parts = ChainAndPool::new();
    let payment = parts.submit(1_000).await;
    let mut mine = Mine::new(parts, 2);
    let mut previous = mine.parts.spec.genesis().clone();
    let mut mined = Vec::new();
    for _ in 0..5 {
        let block = mine.next_block().await;
        assert_eq!((block.header.parent, block.header.beneficiary), (previous.id(), key(9).address()));
        assert!(block.header.time > previous.time);
        mined.extend(block.txids());
        previous = block.header;
    }
    assert_eq!(mined, [payment.id()], "once");
    let info = mine.until(|info| info.blocks_found >= 5 && info.hash_rate > 0.0).await;
    assert_eq!(info.paused, None);
    mine.stop().await;
}

#[tokio::test]
async fn only_an_old_tip_that_is_being_left_is_not_mined_on() {
    let config = MiningConfig { threads: 1, duty: 50, beneficiary: Some(key(9).address()) };
    let mine = Mine::with(ChainAndPool::on(network_since(1_000)), config, true);
    let info = mine.until(|info| info.paused.is_some()).await;
    assert_eq!(info.paused.as_deref(), Some("the chain is still being caught up with"));
    mine.gaining.0.store(false, Ordering::Relaxed);
    let found = mine.until(|info| info.blocks_found > 0).await.blocks_found;
    // The tip is young: whatever others show, it is mined on.
    mine.gaining.0.store(true, Ordering::Relaxed);
    let info = mine.until(|info| info.blocks_found > found + 3).await;
    assert_eq!(info.paused, None);
    mine.stop().await;
}

#[tokio::test]
async fn without_a_beneficiary_the_miner_says_what_it_lacks() {
    let mine = Mine::with(ChainAndPool::new(), MiningConfig { threads: 1, duty: 1, beneficiary: None }, false);
    let info = mine.until(|info| info.paused.is_some()).await;
    assert_eq!(info.paused.as_deref(), Some("no address is set to receive the rewards"));
    mine.stop().await;
}

#[tokio::test]
async fn blocks_are_generated_an_interval_apart_without_threads() {
    let parts = ChainAndPool::new();
    let payment = parts.submit(1_000).await;
    let mut mine = Mine::new(parts, 0);
    let made = mine.miner.generate(10, key(5).address()).await.expect("blocks");
    assert_eq!((made.blocks.len(), made.stopped), (10, None));
    let mut time = mine.parts.spec.genesis().time;
    for (n, id) in made.blocks.iter().enumerate() {
        let block = mine.next_block().await;
        time = time.saturating_add(mine.parts.spec.params().interval_ms);
        assert_eq!((block.header.id(), block.header.time, block.header.beneficiary), (*id, time, key(5).address()));
        assert_eq!(block.txids(), if n == 0 { vec![payment.id()] } else { vec![] });
    }
    assert_eq!(mine.miner.info(), MinerInfo::default(), "mining is off: neither found nor paused");
    for got in [0, 101] {
        assert_eq!(mine.miner.generate(got, key(5).address()).await, Err(GenerateError::Count { got }));
    }
    mine.stop().await;
}

#[tokio::test]
async fn generation_stops_when_the_chain_has_caught_up_with_the_clock() {
    let mine = Mine::new(ChainAndPool::on(network_since(50)), 0);
    let made = mine.miner.generate(100, key(5).address()).await.expect("blocks");
    // The clock goes on while they are made.
    assert!((50..60).contains(&made.blocks.len()), "{}", made.blocks.len());
    let stopped = made.stopped.expect("a reason");
    assert!(stopped.starts_with("the chain has caught up with the clock"), "{stopped}");
    mine.stop().await;
}

#[tokio::test]
async fn generation_and_mining_take_turns() {
    let mut mine = Mine::new(ChainAndPool::on(network_since(40)), 1);
    // The miner stamps the time that it is, after which nothing is left to generate.
    mine.next_block().await;
    let made = mine.miner.generate(3, key(5).address()).await.expect("an answer");
    assert!(made.stopped.is_some());
    let found = mine.until(|info| info.paused.is_none() && info.blocks_found > 0).await.blocks_found;
    mine.until(|info| info.blocks_found > found).await;
    mine.stop().await;
}

#[tokio::test]
async fn a_stopping_miner_answers_and_ends() {
    let mine = Mine::new(ChainAndPool::new(), 2);
    let miner = mine.miner.clone();
    mine.stop().await;
    assert_eq!(miner.generate(1, key(5).address()).await, Err(GenerateError::Stopped(Stopped)));
}
