//! What callers that ask all they can do to the import of blocks.

use super::Bench;
use crate::http::{CONNECTIONS, Connection, call_body};
use crate::node::{Node, Scratch};
use crate::{Failure, chains, results::Results};
use cairn_ledger::testing::key;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{io, thread};

/// Blocks made with and without the flood.
const BLOCKS: usize = 40;
/// Blocks before them, so that there is something to ask for.
const BEFORE: usize = 100;
/// Calls in a batch: as many as a node takes.
const BATCH: usize = 100;
/// How old the network is: old enough for all these blocks.
const AGE: Duration = Duration::from_secs(3_600);

/// Blocks on a quiet node, and on one that eight connections ask for proofs and pages of blocks without end. A
/// block is timed from the call that makes it to its answer: template, seal, connecting, syncing.
pub fn callers(bench: &Bench, results: &mut Results) -> Result<(), Failure> {
    ["callers.quiet_ms", "callers.busy_ms", "callers.calls_per_second"].iter().for_each(|name| results.clear(name));
    let data = Scratch::new(&bench.work, "callers")?;
    let born = SystemTime::now().duration_since(UNIX_EPOCH)?.saturating_sub(AGE);
    let spec = chains::network(u64::try_from(born.as_millis())?);
    let network = data.path().join("network.toml");
    chains::write_network(&spec, &network)?;
    let node = Node::start(&network, data.path(), &[])?;
    let address = spec.params().prefix.encode(&key(0).address());
    node.call("mining_generate", &json!([BEFORE, address]))?;
    let make = |results: &mut Results, name: &str| -> Result<(), Failure> {
        for _ in 0..BLOCKS {
            let asked = Instant::now();
            node.call("mining_generate", &json!([1, address]))?;
            results.add(name, asked.elapsed().as_secs_f64() * 1e3);
        }
        Ok(())
    };
    make(results, "callers.quiet_ms")?;
    let batch = |method: &str, params: Value| {
        let one: Value = serde_json::from_str(&call_body(method, &params)).unwrap_or_default();
        node.request(&Value::from(vec![one; BATCH]).to_string())
    };
    let requests = [batch("state_getProof", json!([address])), batch("chain_getBlocks", json!([0, 100, true]))];
    let (done, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    let (began, made) = (Instant::now(), &mut *results);
    let outcome = thread::scope(|scope| {
        let (done, answered, requests, port) = (&done, &answered, &requests, node.rpc);
        let floods: Vec<_> = (0..CONNECTIONS)
            .map(|n| {
                scope.spawn(move || -> io::Result<()> {
                    let mut connection = Connection::open(port)?;
                    while !done.load(Ordering::Relaxed) {
                        connection.ask(&requests[n % requests.len()])?;
                        answered.fetch_add(BATCH as u64, Ordering::Relaxed);
                    }
                    Ok(())
                })
            })
            .collect();
        while answered.load(Ordering::Relaxed) == 0 && !floods.iter().any(thread::ScopedJoinHandle::is_finished) {
            thread::sleep(Duration::from_millis(1));
        }
        let outcome = make(made, "callers.busy_ms");
        done.store(true, Ordering::Relaxed);
        for flood in floods {
            flood.join().expect("a flood panicked")?;
        }
        outcome
    });
    outcome?;
    results.add("callers.calls_per_second", answered.into_inner() as f64 / began.elapsed().as_secs_f64());
    node.stop()
}
