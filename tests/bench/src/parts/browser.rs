//! The explorer as a visitor has it, in a real browser: what the first page costs, when it is seen, whom it asks, and
//! how long its light client takes to prove what it shows on a long chain.

use super::Bench;
use crate::browser::{Browser, DESK, Page};
use crate::chains::{self, SmallBlocks};
use crate::http::{self, Connection};
use crate::node::{self, Node, Scratch};
use crate::{Failure, results::Results};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Visits of somebody who was never there.
const RUNS: usize = 9;
/// A long chain, with a payment in each block.
const CHAIN: SmallBlocks = SmallBlocks { blocks: 100_000, payments: 1 };
/// A payment deep in it is looked at, and who made it.
const DEEP: u64 = 50_000;
/// What a browser loads to show the first page and to begin to prove it; that nothing is left out is checked.
const FIRST_PAGE: [&str; 7] =
    ["/", "/web/style.css", "/web/icon.svg", "/web/app.js", "/web/verify.js", "/web/light.js", "/web/network.json"];
/// Proves the tip, an account and a payment; how long each took, in ms, and the bytes of the answers before they were
/// compressed.
const PROVE: &str = r"(async () => {
  const { LightClient } = await import('/web/light/client.js');
  const begin = performance.now(), times = [], client = new LightClient();
  const took = () => times.push(performance.now() - begin - times.reduce((sum, time) => sum + time, 0));
  const { height, tip } = await client.open(GENESIS, []);
  took();
  const page = { height, tip };
  for (const [kind, id, name, value] of [['account', ADDRESS, 'balance', BALANCE], ['payment', TXID, 'height', HEIGHT]]) {
    const { state, text } = await client.check({ kind, id, claims: [[name, value]], page });
    if (state !== 'proven') throw new Error(text);
    took();
  }
  return [...times, (await client.report()).bytes];
})()";

/// Measures the explorer in a browser; without one there is a note.
pub fn browser(bench: &Bench, results: &mut Results) -> Result<(), Failure> {
    for name in ["first_page_kb", "paint_ms", "foreign", "prove_ms", "prove_kb", "plain_kb", "again_ms"] {
        results.clear(&format!("browser.{name}"));
    }
    let Some(mut browser) = Browser::start() else {
        results.note("browser", "there is no Chromium; scripts/setup.sh --browser installs it");
        return Ok(());
    };
    let (network, blocks) = chains::small_blocks(&bench.work, CHAIN)?;
    let data = Scratch::new(&bench.work, "browser")?;
    node::import(&network, data.path(), &blocks, None)?;
    node::settle(&network, data.path())?;
    let node = Node::start(&network, data.path(), &[String::from("--rpc.rate=100000")])?;
    let url = format!("http://127.0.0.1:{}", node.rpc);
    results.add("browser.first_page_kb", first_page(&node)? as f64 / 1e3);
    let prove = question(&node)?;
    results.add("browser.prove_kb", sent(&node)? as f64 / 1e3);
    for _ in 0..RUNS {
        let mut page = browser.open(DESK);
        page.go(&format!("{url}/"));
        let paint = page.eval(
            "new Promise((done) => new PerformanceObserver((list) => done(list.getEntries().at(-1).startTime)) \
             .observe({ type: 'paint', buffered: true }))",
        );
        results.add("browser.paint_ms", number(&paint)?);
        page.until("all is proven", "document.querySelector('output.proof').dataset.state === 'proven'");
        results.add("browser.foreign", foreign(&mut page, &url)? as f64);
    }
    for _ in 0..RUNS {
        let mut page = browser.open(DESK);
        // A page on which nothing is proven by itself.
        page.go(&format!("{url}/web/style.css"));
        for name in ["prove", "again"] {
            let took = page.eval(&prove);
            let took: Vec<f64> = took.as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
            let [tip, account, payment, bytes] = took[..] else { return Err("four numbers were expected".into()) };
            results.add(&format!("browser.{name}_ms"), tip + account + payment);
            if name == "prove" {
                results.add("browser.plain_kb", bytes / 1e3);
            }
        }
    }
    node.stop()
}

fn number(value: &Value) -> Result<f64, Failure> {
    value.as_f64().ok_or_else(|| format!("got {value}, expected a number").into())
}

/// The bytes of the first page as a browser is sent them, heads and compression counted.
fn first_page(node: &Node) -> Result<usize, Failure> {
    let mut bytes = 0;
    for path in FIRST_PAGE {
        let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nAccept-Encoding: gzip\r\n\r\n", node.rpc);
        bytes += Connection::open(node.rpc)?.whole(request.as_bytes())?;
    }
    Ok(bytes)
}

/// The bytes of the answers that [`PROVE`] needs as a browser is sent them: the light client asks in a worker, whose
/// requests the page's own log does not show.
fn sent(node: &Node) -> Result<usize, Failure> {
    let tip = node.call("chain_tip", &json!([]))?["id"].clone();
    let block = node.call("chain_getBlock", &json!([DEEP, true]))?;
    let paid = &block["transactions"][0];
    let random = "5a".repeat(32);
    let mut bytes = 0;
    for (method, params) in [
        ("node_info", json!([])),
        ("chain_tip", json!([])),
        ("chain_getProof", json!([tip, random])),
        // Under the tip, and under the block some way below that accounts are read from.
        ("state_getProof", json!([paid["sender"], tip])),
        ("state_getProof", json!([paid["sender"], tip])),
        ("chain_getTransactionProof", json!([paid["txid"], tip])),
    ] {
        let body = http::call_body(method, &params);
        let head = format!("POST / HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json\r\n", node.rpc);
        let request = format!("{head}Accept-Encoding: gzip\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        bytes += Connection::open(node.rpc)?.whole(request.as_bytes())?;
    }
    Ok(bytes)
}

/// How many requests of the page went elsewhere; everything else that it loaded must have been counted as its own.
fn foreign(page: &mut Page<'_>, url: &str) -> Result<usize, Failure> {
    let asked: BTreeSet<String> = page.requests().into_iter().filter(|asked| !asked.starts_with("data:")).collect();
    let path = |asked: &String| {
        let path = asked.strip_prefix(url)?;
        Some(path.split('?').next().unwrap_or_default().to_owned())
    };
    let own: BTreeSet<String> = asked.iter().filter_map(path).collect();
    match own.iter().find(|path| !FIRST_PAGE.contains(&path.as_str())) {
        Some(other) => Err(format!("the first page loads {other}, which is not counted").into()),
        None => Ok(asked.len() - asked.iter().filter(|asked| asked.starts_with(url)).count()),
    }
}

/// [`PROVE`] with what it is about.
fn question(node: &Node) -> Result<String, Failure> {
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or_else(|| format!("got {value}, expected a text"));
    let info = node.call("node_info", &json!([]))?;
    let block = node.call("chain_getBlock", &json!([DEEP, true]))?;
    let paid = &block["transactions"][0];
    let account = node.call("state_getAccount", &json!([paid["sender"]]))?;
    let mut script = PROVE.to_owned();
    for (name, value) in [
        ("GENESIS", &info["genesis_id"]),
        ("ADDRESS", &paid["sender"]),
        ("BALANCE", &account["balance"]),
        ("TXID", &paid["txid"]),
        ("HEIGHT", &json!(DEEP.to_string())),
    ] {
        script = script.replace(name, &json!(text(value)?).to_string());
    }
    Ok(script)
}
