//! A block on its way through a line of nodes.

use super::Bench;
use crate::chains::{self, BlockFile, Maker, People, Plan};
use crate::http::{self, CONNECTIONS, Connection, call_body, load};
use crate::node::{self, Node, Scratch};
use crate::{Failure, results::Results};
use cairn_ledger::testing::{key, seal};
use cairn_ledger::{block::Header, chain_spec::ChainSpec, codec::encode, transaction::Transaction};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Nodes in the line: seven relays.
pub(super) const NODES: usize = 8;
/// Payments in the block.
const PAYMENTS: u64 = 5_000;
/// Blocks for each figure.
const RUNS: u64 = 20;
/// Payments in one call.
const BATCH: usize = 50;
/// How far back block 0 was.
const AGE_MS: u64 = 600_000;
/// Between two looks at the last node's tip: what a figure may be too long by.
const LOOK: Duration = Duration::from_millis(1);
/// No block takes so long.
const PATIENCE: Duration = Duration::from_secs(60);
/// A least fee at which a pool takes nothing here.
const PICKY: &str = "--mempool.min_fee_rate=1000000";

/// A block is found at one end of a line, and is the tip of the other end: with its payments in all pools, and with
/// none of them in any but the miner's.
pub fn propagation(bench: &Bench, results: &mut Results) -> Result<(), Failure> {
    let mut course = Course::new(bench, 2 * RUNS)?;
    for (name, is_known) in [("propagation.known_ms", true), ("propagation.unknown_ms", false)] {
        results.clear(name);
        course.run(is_known, RUNS, |ms| results.add(name, ms))?;
    }
    Ok(())
}

/// What lines are made of: a network, those who pay on it, and a stopped node for each place.
pub(super) struct Course {
    spec: ChainSpec,
    people: People,
    network: PathBuf,
    data: Vec<Scratch>,
    /// Keeps the network's file.
    _scratch: Scratch,
    nonce: u64,
}

impl Course {
    /// For so many blocks in all.
    pub(super) fn new(bench: &Bench, rounds: u64) -> Result<Self, Failure> {
        let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
        let spec = chains::network(now - AGE_MS);
        let people = People::new(Plan { accounts: 2 * PAYMENTS, signers: PAYMENTS, rounds, creates: false });
        let scratch = Scratch::new(&bench.work, "propagation")?;
        let (network, file) = (scratch.path().join("network.toml"), scratch.path().join("base.blocks"));
        chains::write_network(&spec, &network)?;
        let mut base = BlockFile::create(&file, &spec)?;
        Maker::new(&spec).fund(&people, |block| base.put(block))?;
        base.finish()?;
        let data = (0..NODES).map(|n| Scratch::new(&bench.work, &format!("propagation-{n}")));
        let data: Vec<Scratch> = data.collect::<Result<_, _>>()?;
        for data in &data {
            node::import(&network, data.path(), &file, None)?;
        }
        Ok(Self { spec, people, network, data, _scratch: scratch, nonce: 0 })
    }

    /// So many blocks along a line, and how many milliseconds each took.
    pub(super) fn run(&mut self, is_known: bool, blocks: u64, mut each: impl FnMut(f64)) -> Result<(), Failure> {
        let beneficiary = self.spec.params().prefix.encode(&key(0).address());
        let mut line = Line::start(&self.network, &self.data, is_known)?;
        for _ in 0..blocks {
            line.fill(&self.people.payments(&self.spec, self.nonce), is_known)?;
            self.nonce += 1;
            each(line.mine(&beneficiary)?.as_secs_f64() * 1e3);
        }
        line.stop()
    }
}

/// Nodes of which each knows the one before it and no other.
struct Line(Vec<Node>);

impl Line {
    /// Starts them; but for the first, their pools take something or not.
    fn start(network: &Path, data: &[Scratch], is_known: bool) -> Result<Self, Failure> {
        let mut nodes: Vec<Node> = Vec::new();
        for data in data {
            let mut more: Vec<String> = ["kademlia", "rendezvous", "exchange", "mdns"]
                .iter()
                .map(|way| format!("--discovery.{way}=false"))
                .collect();
            if let Some(before) = nodes.last() {
                more.push(format!("--network.peers={}", before.address()?));
                more.extend(Some(PICKY.to_owned()).filter(|_| !is_known));
            }
            nodes.push(Node::start(network, data.path(), &more)?);
        }
        let mut line = Self(nodes);
        for (n, node) in line.0.iter_mut().enumerate() {
            let neighbours = if n == 0 || n + 1 == NODES { 1 } else { 2 };
            node.until("it gossips with its neighbours", |node| {
                let peers = node.call("net_peers", &json!([])).ok()?;
                let in_mesh = |peer: &&Value| peer["mesh"].as_array().is_some_and(|topics| topics.len() == 2);
                (peers.as_array()?.iter().filter(in_mesh).count() == neighbours).then_some(())
            })?;
        }
        Ok(line)
    }

    fn miner(&self) -> Result<&Node, Failure> {
        Ok(self.0.first().ok_or("a line has a first node")?)
    }

    /// Hands payments to the miner, and waits until all pools have what they will have.
    fn fill(&mut self, payments: &[Transaction], is_known: bool) -> Result<(), Failure> {
        let miner = self.miner()?;
        let requests = payments.chunks(BATCH).map(|some| {
            let raw = |payment| encode(payment).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            let call = |payment| json!({"jsonrpc": "2.0", "id": 1, "method": "tx_submit", "params": [raw(payment)]});
            miner.request(&Value::Array(some.iter().map(call).collect()).to_string())
        });
        let mut dealt = vec![Vec::new(); CONNECTIONS];
        requests.enumerate().for_each(|(n, request)| dealt[n % CONNECTIONS].push(request));
        let load = load(miner.rpc, &dealt, None, |body| !body.windows(8).any(|eight| eight == b"\"error\":"))?;
        if load.refused.0 > 0 {
            return Err(format!("a payment was refused: {}", load.refused.1).into());
        }
        for (n, node) in self.0.iter_mut().enumerate() {
            let expected = if n == 0 || is_known { PAYMENTS } else { 0 };
            node.until("its pool is as it should be", |node| {
                let count = node.call("mempool_info", &json!([])).ok()?["count"].as_u64()?;
                (count == expected).then_some(())
            })?;
        }
        // What is on its way to pools that take nothing must not share the line with the block.
        if !is_known {
            thread::sleep(Duration::from_millis(500));
        }
        Ok(())
    }

    /// From the moment at which a block is found until it is the last node's tip.
    fn mine(&self, beneficiary: &str) -> Result<Duration, Failure> {
        let miner = self.miner()?;
        let last = self.0.last().ok_or("a line has a last node")?;
        let work = miner.call("mining_getTemplate", &json!([beneficiary]))?;
        let height = work["height"].as_u64().ok_or("work has a height")?;
        if work["transactions"].as_u64() != Some(PAYMENTS) {
            return Err(format!("got work with {} payments, expected {PAYMENTS}", work["transactions"]).into());
        }
        let header = work["header"].as_str().ok_or("work has a header")?;
        let nonce = seal(Header::from_bytes(&bytes(header)?)?).nonce;
        let found = miner.request(&call_body("mining_submit", &json!([work["seal"], nonce.to_string()])));
        let look = http::request(last.rpc, None, &call_body("chain_tip", &json!([])));
        thread::scope(|scope| {
            let watching = scope.spawn(|| watch(last.rpc, &look, height).map_err(|error| error.to_string()));
            let mut connection = Connection::open(miner.rpc)?;
            let started = Instant::now();
            let answer: Value = serde_json::from_slice(connection.ask(&found)?)?;
            if answer.get("result").is_none() {
                return Err(format!("mining_submit: {answer}").into());
            }
            let seen = watching.join().map_err(|_| "watching panicked")??;
            Ok(seen.saturating_duration_since(started))
        })
    }

    fn stop(self) -> Result<(), Failure> {
        self.0.into_iter().try_for_each(Node::stop)
    }
}

/// The moment at which a node's tip was first seen to have this height.
fn watch(port: u16, look: &[u8], height: u64) -> Result<Instant, Failure> {
    let mut connection = Connection::open(port)?;
    let begun = Instant::now();
    loop {
        let tip: Value = serde_json::from_slice(connection.ask(look)?)?;
        let seen = Instant::now();
        if tip["result"]["height"].as_u64() >= Some(height) {
            return Ok(seen);
        }
        if begun.elapsed() > PATIENCE {
            return Err(format!("the last node's tip is {tip}, expected height {height}").into());
        }
        thread::sleep(LOOK);
    }
}

fn bytes(hex: &str) -> Result<Vec<u8>, Failure> {
    let digits: Vec<char> = hex.chars().collect();
    digits.chunks(2).map(|pair| Ok(u8::from_str_radix(&pair.iter().collect::<String>(), 16)?)).collect()
}
