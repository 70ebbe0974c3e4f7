//! JSON-RPC of both, asked by the same client.

use super::{RUNS, Sides, turn};
use crate::bitcoind::{Daemon, chain};
use crate::chains;
use crate::http::{self, CONNECTIONS, Load, call_body};
use crate::node::{self, Node, Scratch};
use crate::parts::{Bench, rpc as ours, snapshot::OFF};
use crate::{Failure, results::Results};
use serde_json::{Value, json};
use std::time::Duration;

/// Payments handed in one by one over all connections, in batches, and one by one over one connection.
const SINGLES: usize = 20_000;
const IN_BATCHES: usize = 20_000;
const ALONE: usize = 3_000;
/// Payments in a batch.
const BATCH: usize = 100;
/// How long reads go on.
const FOR: Duration = Duration::from_secs(3);

/// Payments into the pool, each turn into a fresh node.
pub fn admission(bench: &Bench, results: &mut Results) -> Result<(), Failure> {
    let Some(sides) = Sides::new(bench, results)? else { return Ok(()) };
    let base = Scratch::new(&bench.work, "admission-base")?;
    node::import(&sides.among.network, base.path(), &sides.among.base, None)?;
    node::settle(&sides.among.network, base.path())?;
    let count = SINGLES + IN_BATCHES + ALONE;
    let payments = ours::payments(&sides.among.payments)?;
    let cairn: Vec<Value> = payments.iter().take(count).map(ours::submission).collect();
    let bitcoin: Vec<Value> = sides.bitcoin.payments.iter().take(count).map(|raw| chain::submission(raw)).collect();
    for _ in 0..RUNS {
        let data = Scratch::copy(&bench.work, "admission", base.path())?;
        let node = Node::start(&sides.among.network, data.path(), &OFF.map(String::from))?;
        admit(results, "", &cairn, node.rpc, |body| Ok(node.request(body)))?;
        node.stop()?;
        let data = Scratch::copy(&bench.work, "admission", &sides.bitcoin.base)?;
        let (daemon, _) = Daemon::start(&sides.program, data.path(), &[])?;
        admit(results, "_bitcoin", &bitcoin, daemon.rpc, |body| daemon.request(body))?;
        daemon.stop()?;
    }
    Ok(())
}

/// Hands in all of these calls in three ways, one after the other.
fn admit(
    results: &mut Results,
    side: &str,
    calls: &[Value],
    port: u16,
    request: impl Fn(&str) -> Result<Vec<u8>, Failure>,
) -> Result<(), Failure> {
    let (singles, rest) = calls.split_at(SINGLES);
    let (batches, alone) = rest.split_at(IN_BATCHES);
    let each = |calls: &[Value]| calls.iter().map(|call| request(&call.to_string())).collect::<Result<Vec<_>, _>>();
    let together = batches.chunks(BATCH).map(|some| request(&Value::Array(some.to_vec()).to_string()));
    let together = together.collect::<Result<Vec<_>, _>>()?;
    let (singles, alone) = (each(singles)?, each(alone)?);
    turn(results, || {
        let load = http::load(port, &deal(singles, CONNECTIONS), None, chain::none_refused)?;
        Ok(vec![(format!("admission.single{side}_per_second"), accepted(load)?.rate)])
    })?;
    turn(results, || {
        let load = http::load(port, &deal(together, CONNECTIONS), None, chain::none_refused)?;
        Ok(vec![(format!("admission.batch{side}_per_second"), accepted(load)?.rate * BATCH as f64)])
    })?;
    turn(results, || {
        let load = http::load(port, &deal(alone, 1), None, chain::none_refused)?;
        Ok(vec![(format!("admission.alone{side}_ms"), accepted(load)?.p50)])
    })
}

/// A load of which nothing was refused.
fn accepted(load: Load) -> Result<Load, Failure> {
    match load.refused {
        (0, _) => Ok(load),
        (_, first) => Err(format!("a call was refused: {first}").into()),
    }
}

/// A part of the requests on each connection.
fn deal(requests: Vec<Vec<u8>>, connections: usize) -> Vec<Vec<Vec<u8>>> {
    let mut dealt = vec![Vec::new(); connections];
    for (n, request) in requests.into_iter().enumerate() {
        dealt[n % connections].push(request);
    }
    dealt
}

/// The tip, an account or a coin, and a full block in hex; of ours with a token and without.
pub fn reads(bench: &Bench, results: &mut Results) -> Result<(), Failure> {
    let Some(sides) = Sides::new(bench, results)? else { return Ok(()) };
    let (network, spec) = (&sides.among.network, chains::network(chains::LONG_AGO));
    let data = Scratch::new(&bench.work, "reads")?;
    node::import(network, data.path(), &sides.among.base, None)?;
    node::import(network, data.path(), &sides.among.payments, None)?;
    // What callers without a token may ask is a setting, not a speed.
    let unlimited = [String::from("--rpc.rate=100000")];
    let node = Node::start(network, data.path(), &[&OFF.map(String::from)[..], &unlimited].concat())?;
    let theirs = Scratch::copy(&bench.work, "reads-bitcoin", &sides.bitcoin.whole)?;
    let (daemon, _) = Daemon::start(&sides.program, theirs.path(), &[])?;

    let payments = ours::payments(&sides.among.payments)?;
    let accounts = payments.iter().step_by(97).map(|payment| {
        let address = spec.params().prefix.encode(&payment.body.sender);
        call_body("state_getAccount", &json!([address]))
    });
    // The last but one: full, where the last may hold the rest.
    let full = node.height()?.saturating_sub(1);
    let block = daemon.call("getblockhash", &json!([daemon.height()?.saturating_sub(1)]))?;
    let ids = daemon.call("getblock", &json!([block, 1]))?;
    let coins = ids["tx"].as_array().into_iter().flatten().skip(1);
    let coins = coins.step_by(3).map(|id| call_body("gettxout", &json!([id, 0, false])));
    let tip = call_body("chain_tip", &json!([]));
    let count = call_body("getblockcount", &json!([]));
    let raw = call_body("chain_getRawBlock", &json!([full]));
    let raw_bitcoin = call_body("getblock", &json!([block, 0]));
    let loads = [
        ("tip", vec![tip], vec![count]),
        ("account", accounts.collect(), coins.collect()),
        ("block", vec![raw], vec![raw_bitcoin]),
    ];
    for _ in 0..RUNS {
        for (name, cairn, bitcoin) in &loads {
            let open = |body: &String| http::request(node.rpc, None, body);
            ask(results, name, node.rpc, cairn.iter().map(|body| node.request(body)).collect())?;
            ask(results, &format!("{name}_open"), node.rpc, cairn.iter().map(open).collect())?;
            let requests = bitcoin.iter().map(|body| daemon.request(body)).collect::<Result<Vec<_>, _>>()?;
            ask(results, &format!("{name}_bitcoin"), daemon.rpc, requests)?;
        }
    }
    daemon.stop()?;
    node.stop()
}

/// Asks these on every connection, again and again.
fn ask(results: &mut Results, name: &str, port: u16, requests: Vec<Vec<u8>>) -> Result<(), Failure> {
    let requests = if requests.len() == 1 { vec![requests; CONNECTIONS] } else { deal(requests, CONNECTIONS) };
    // A coin that is not there is no answer, either.
    let found = |body: &[u8]| {
        let head = &body[..body.len().min(200)];
        head.windows(9).any(|nine| nine == b"\"result\":") && !head.windows(13).any(|some| some == b"\"result\":null")
    };
    turn(results, || {
        let load = accepted(http::load(port, &requests, Some(FOR), found)?)?;
        Ok(vec![(format!("read.{name}_per_second"), load.rate)])
    })
}
