//! A state that the memory it is given does not hold: ten million accounts, or a hundred million.

use super::Bench;
use super::rpc::submission;
use crate::chains::{self, FULL_BLOCK, People, Plan};
use crate::http::{self, CONNECTIONS};
use crate::node::{self, Node, Scratch, WatchedImport, number};
use crate::{Failure, results::Results};
use cairn_ledger::{chain_spec::ChainSpec, testing::key, transaction::Transaction};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

/// Accounts, and those of them that sign: every fiftieth.
const PLAN: Plan = Plan { accounts: 10_000_000, signers: 200_000, rounds: 1, creates: false };
const PLAN_FULL: Plan = Plan { accounts: 100_000_000, signers: 2_000_000, ..PLAN };
/// Names another number of accounts for `--full`: as many as the disk has room for.
const ACCOUNTS: &str = "CAIRN_BENCH_ACCOUNTS";
/// Blocks of payments among all of them.
const UNIFORM_BLOCKS: u64 = 90;
/// Blocks of payments of which nine tenths are made by, and to, every hundredth account: enough for memory to know who
/// they are after half of them.
const SKEWED_BLOCKS: u64 = 800;
/// What a node may hold.
const BOUNDS: [&str; 2] = ["3GiB", "512MiB"];
const RUNS: usize = 3;
/// Payments in a call.
const BATCH: usize = 50;
/// After a start, what is done while nobody asks has begun.
const SETTLED: Duration = Duration::from_secs(30);
/// What the base keeps: its state is what matters.
const PRUNED: &str = "[storage]\nkeep_blocks = 288\nsnapshots = false\n";
/// What the makers of payments keep, for the export.
const UNPRUNED: &str = "[storage]\nsnapshots = false\n";

/// Start, memory and payments with ten million accounts; with `--full`, with a hundred million.
pub fn large(bench: &Bench, results: &mut Results) -> Result<(), Failure> {
    let (name, plan) = if bench.full { ("large.full", full()?) } else { ("large", PLAN) };
    let state = State::new(&bench.work, plan)?;
    let uniform = state.payments("uniform", UNIFORM_BLOCKS, uniform)?;
    let skewed = state.payments("skewed", SKEWED_BLOCKS, skewed)?;
    results.add(&format!("{name}.accounts"), plan.accounts as f64);
    for _ in 0..RUNS {
        for bound in BOUNDS {
            let import = state.import(bound, &uniform)?;
            let rate = number(&import.figures, "transactions_per_second")?;
            results.add(&format!("{name}.{bound}.uniform_per_second"), rate);
            results.add(&format!("{name}.{bound}.peak_mib"), import.peak_mib);
        }
        let (bound, import) = (BOUNDS[0], state.import(BOUNDS[0], &skewed)?);
        results.add(&format!("{name}.{bound}.skewed_per_second"), import.later_per_second);
        results.add(&format!("{name}.{bound}.peak_mib"), import.peak_mib);
    }
    BOUNDS.iter().try_for_each(|bound| state.starts(&format!("{name}.{bound}"), bound, results))
}

/// With `--full`.
fn full() -> Result<Plan, Failure> {
    let Ok(accounts) = env::var(ACCOUNTS) else { return Ok(PLAN_FULL) };
    let accounts: u64 = accounts.parse().map_err(|_| format!("{ACCOUNTS}: got {accounts:?}, expected a number"))?;
    if accounts < PLAN.accounts || !accounts.is_multiple_of(PLAN.accounts / 10) {
        return Err(format!("{ACCOUNTS}: got {accounts}, expected whole millions, 10 at the least").into());
    }
    Ok(Plan { accounts, signers: accounts / (PLAN.accounts / PLAN.signers), ..PLAN })
}

/// A stopped node with all accounts, and the network it is of.
struct State {
    plan: Plan,
    spec: ChainSpec,
    network: PathBuf,
    data: PathBuf,
    people: People,
}

impl State {
    /// The one that is kept in the work directory, made unless it is there.
    fn new(work: &Path, plan: Plan) -> Result<Self, Failure> {
        let spec = chains::network(chains::LONG_AGO);
        let network = work.join("network.toml");
        chains::write_network(&spec, &network)?;
        let name = format!("state-{}-{}", &spec.genesis_id().to_string()[..8], plan.accounts);
        let (data, whole) = (work.join(&name), work.join(name).join("whole"));
        let state = Self { plan, spec, network, data, people: People::new(plan) };
        if !whole.exists() {
            state.make()?;
            node::settle(&state.network, &state.data)?;
            fs::write(whole, "")?;
        }
        Ok(state)
    }

    /// A node makes its blocks itself: this program has no room for all accounts, too.
    fn make(&self) -> Result<(), Failure> {
        fs::create_dir_all(&self.data)?;
        fs::write(self.data.join("cairn-node.toml"), PRUNED)?;
        // An interrupted run has made some accounts, and left payments in the pool that are handed in again.
        let _ = fs::remove_file(self.data.join("mempool.bin"));
        let node = Node::start(&self.network, &self.data, &[])?;
        let made = usize::try_from(node.height()?)?;
        eprintln!("   making {} accounts, from block {made} on", self.plan.accounts);
        let started = Instant::now();
        thread::scope(|scope| {
            // The pool takes the next block's payments while one is made.
            let (handed_in, waiting) = mpsc::sync_channel(1);
            let submitting = scope.spawn(|| {
                let handed_in = handed_in;
                chains::funding(&self.spec, &self.people).skip(made).try_for_each(|block| {
                    submit(&node, &block).map_err(|error| error.to_string())?;
                    handed_in.send(()).map_err(|_| String::from("no more blocks are made"))
                })
            });
            for (n, ()) in (made..).zip(waiting) {
                self.mine(&node)?;
                if n.is_multiple_of(500) {
                    eprintln!("   block {n}, {:.0} s", started.elapsed().as_secs_f64());
                }
            }
            submitting.join().map_err(|_| "handing in panicked")?.map_err(Failure::from)
        })?;
        match pooled(&node)? {
            0 => node.stop(),
            left => Err(format!("got {left} payments left in the pool, expected none").into()),
        }
    }

    /// A file of payments upon this state, made unless it is there.
    fn payments(&self, name: &str, blocks: u64, who: fn(Plan, u64) -> Payment) -> Result<PathBuf, Failure> {
        let file = self.data.with_extension(format!("{name}-{blocks}.blocks"));
        if file.exists() {
            return Ok(file);
        }
        eprintln!("   making {blocks} blocks of {name} payments");
        let data = self.copy(name, UNPRUNED)?;
        let node = Node::start(&self.network, data.path(), &[])?;
        let before = node.height()?;
        for block in 0..blocks {
            let first = block * FULL_BLOCK as u64;
            let payments = chains::in_two(FULL_BLOCK as u64, |n| {
                let Payment { from, nonce, to } = who(self.plan, first + n);
                self.people.payment(&self.spec, from, nonce, to)
            });
            submit(&node, &payments)?;
            self.mine(&node)?;
        }
        // Blocks that touch accounts on the disk are not always full.
        while pooled(&node)? > 0 {
            self.mine(&node)?;
        }
        node.stop()?;
        node::export(&self.network, data.path(), &file, before + 1)?;
        Ok(file)
    }

    /// A block of what is in the pool.
    fn mine(&self, node: &Node) -> Result<(), Failure> {
        let beneficiary = self.spec.params().prefix.encode(&key(0).address());
        node.call("mining_generate", &json!([1, beneficiary])).map(drop)
    }

    /// A copy with settings of its own.
    fn copy(&self, name: &str, settings: &str) -> Result<Scratch, Failure> {
        let work = self.data.parent().ok_or("a directory in another")?;
        let data = Scratch::copy(work, name, &self.data)?;
        fs::write(data.path().join("cairn-node.toml"), settings)?;
        Ok(data)
    }

    /// Payments under a bound of memory.
    fn import(&self, bound: &str, file: &Path) -> Result<WatchedImport, Failure> {
        let data = self.copy("bounded", &bounded(bound))?;
        node::watched_import(&self.network, data.path(), file)
    }

    /// Starts under a bound, in order and after kill -9, and what is held later.
    fn starts(&self, name: &str, bound: &str, results: &mut Results) -> Result<(), Failure> {
        let data = self.copy("started", &bounded(bound))?;
        for _ in 0..RUNS {
            let node = Node::start(&self.network, data.path(), &[])?;
            results.add(&format!("{name}.start_seconds"), node.started_in.as_secs_f64());
            // Dropped, it is killed.
            drop(node);
            let node = Node::start(&self.network, data.path(), &[])?;
            results.add(&format!("{name}.killed_seconds"), node.started_in.as_secs_f64());
            node.stop()?;
        }
        let node = Node::start(&self.network, data.path(), &[])?;
        thread::sleep(SETTLED);
        results.add(&format!("{name}.idle_mib"), node.memory_mib("VmRSS")?);
        node.stop()
    }
}

fn bounded(bound: &str) -> String {
    format!("{PRUNED}[memory]\nmax_bytes = \"{bound}\"\n")
}

/// Whose key signs, for the how manieth time, and which account receives.
struct Payment {
    from: u64,
    nonce: u64,
    to: u64,
}

/// A number that looks drawn.
fn mixed(n: u64) -> u64 {
    let n = (n ^ n >> 31).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (n ^ n >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 16
}

/// The n-th of a way through all of `among` that is in no order of creation.
fn turn(n: u64, among: u64) -> u64 {
    // Coprime to all that it is used with, which are products of 2 and 5.
    n.wrapping_mul(618_033_987) % among
}

/// The n-th payment among all accounts: by the one whose turn it is, to anybody.
fn uniform(plan: Plan, n: u64) -> Payment {
    Payment { from: turn(n, plan.signers), nonce: n / plan.signers, to: mixed(n) % plan.accounts }
}

/// The n-th payment of which nine tenths are made by, and to, every hundredth of all accounts: the signers with an even
/// number.
fn skewed(plan: Plan, n: u64) -> Payment {
    let (half, stride) = (plan.signers / 2, plan.accounts / plan.signers);
    let (tenth, rest) = (n / 10, n % 10);
    match rest {
        0 => Payment { from: 2 * turn(tenth, half) + 1, nonce: tenth / half, to: mixed(n) % plan.accounts },
        _ => {
            let turns = 9 * tenth + rest - 1;
            Payment { from: 2 * turn(turns, half), nonce: turns / half, to: 2 * (mixed(n) % half) * stride }
        }
    }
}

/// What is in the pool.
fn pooled(node: &Node) -> Result<u64, Failure> {
    let info = node.call("mempool_info", &json!([]))?;
    info["count"].as_u64().ok_or_else(|| format!("got {info}, expected a count").into())
}

/// Hands transactions in, in batches over several connections; those of one sender go over one, in order.
fn submit(node: &Node, transactions: &[Transaction]) -> Result<(), Failure> {
    let one_sender = transactions.windows(2).all(|two| two[0].body.sender == two[1].body.sender);
    let requests = transactions.chunks(BATCH).map(|some| {
        let batch: Vec<Value> = some.iter().map(submission).collect();
        node.request(&Value::Array(batch).to_string())
    });
    let mut dealt = vec![Vec::new(); if one_sender { 1 } else { CONNECTIONS }];
    let lanes = dealt.len();
    requests.enumerate().for_each(|(n, request)| dealt[n % lanes].push(request));
    let load = http::load(node.rpc, &dealt, None, |body| !body.windows(8).any(|eight| eight == b"\"error\":"))?;
    match load.refused {
        (0, _) => Ok(()),
        (_, first) => Err(format!("a payment was refused: {first}").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn everybody_pays_in_order_and_a_hundredth_makes_nine_tenths() {
        let ways: [fn(Plan, u64) -> Payment; 2] = [uniform, skewed];
        for (plan, who) in [PLAN, PLAN_FULL].into_iter().flat_map(|plan| ways.map(|who| (plan, who))) {
            let mut next = HashMap::new();
            for n in 0..3_000_000 {
                let Payment { from, nonce, to } = who(plan, n);
                let expected = next.entry(from).or_insert(0);
                assert_eq!(nonce, *expected, "key {from}");
                *expected += 1;
                assert!(to < plan.accounts);
            }
        }
        let hot = (0..1_000_000).filter(|n| skewed(PLAN, *n).from.is_multiple_of(2)).count();
        assert_eq!(hot, 900_000);
    }
}
