//! What operators, explorers, exchanges and miners ask a node.

use cairn_ledger::hash::{BlockId, Hash};
use cairn_ledger::testing::{key, payment, pebbles};
use cairn_ledger::{block::Seal, codec::encode, pow::CompactTarget};
use cairn_rpc::methods::{ChainClient, StateClient, TxClient};
use cairn_rpc::{text::Text, types::TxState};
use cairn_tests::cluster::{Cluster, agree};
use cairn_tests::{http::call, node::Node, wait::SOON};
use jsonrpsee_ws_client::{WsClient, WsClientBuilder};
use serde_json::{Value, json};
use std::{path::PathBuf, process::Command};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn socket(port: u16) -> WsClient {
    WsClientBuilder::default().build(format!("ws://127.0.0.1:{port}")).await.expect("a WebSocket")
}

/// The next notification; none within the patience of a test is a failure.
macro_rules! next {
    ($subscription:expr) => {
        tokio::time::timeout(SOON, $subscription.next())
            .await
            .expect("a notification comes")
            .expect("it goes on")
            .expect("it reads")
    };
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_says_what_submitting_would_and_takes_nothing() {
    let cluster = Cluster::start(1).await;
    let (port, spec) = (cluster[0].rpc_port(), cluster.network().spec());
    let check = |transaction| call(port, "tx_check", &json!([hex(&encode(&transaction))]));
    let good = payment(spec, &key(1), 0, key(2).address(), 5, 1_000);
    let checked = check(good.clone());
    assert_eq!(checked["result"]["txid"], good.id().to_string(), "{checked}");
    assert_eq!(call(port, "mempool_info", &json!([]))["result"]["count"], 0, "nothing was taken");
    let mut forged = good.clone();
    forged.body.fee = pebbles(1_001);
    let poor = payment(spec, &key(50), 0, key(2).address(), 5, 1_000);
    let cheap = payment(spec, &key(1), 0, key(2).address(), 5, 0);
    for (transaction, code) in [(forged, 3007), (poor, 3011), (cheap.clone(), 3023)] {
        let raw = json!([hex(&encode(&transaction))]);
        assert_eq!(check(transaction)["error"]["code"], code);
        assert_eq!(call(port, "tx_submit", &raw)["error"]["code"], code, "submitting says the same");
    }
    // Why it was not taken is known afterwards; a dry run leaves no trace.
    let status = call(port, "tx_status", &json!([cheap.id().to_string()]));
    assert_eq!(status["result"]["state"], "dropped", "{status}");
    assert!(status["result"]["reason"].as_str().is_some_and(|why| why.contains("not taken: got a fee of 0")));
    let other = payment(spec, &key(3), 0, key(2).address(), 5, 0);
    assert_eq!(check(other.clone())["error"]["code"], 3023);
    assert_eq!(call(port, "tx_status", &json!([other.id().to_string()]))["result"]["state"], "unknown");
    cluster[0].submit(&good).await;
    assert_eq!(check(good)["error"]["code"], 3021);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pool_is_told_page_by_page_and_sender_by_sender() {
    let cluster = Cluster::start(1).await;
    let (port, network) = (cluster[0].rpc_port(), cluster.network());
    let mut sent = Vec::new();
    for (from, nonce) in [(1, 0), (2, 0), (1, 1), (3, 2), (2, 1)] {
        let transaction = payment(network.spec(), &key(from), nonce, key(9).address(), 5, 1_000 + nonce);
        sent.push(cluster[0].submit(&transaction).await.to_string());
    }
    let (mut seen, mut after, mut pages) = (Vec::new(), Value::Null, 0);
    loop {
        let page = call(port, "mempool_content", &json!([after, 2]))["result"].clone();
        let entries = page["transactions"].as_array().expect("a list");
        seen.extend(entries.iter().map(|entry| entry["transaction"]["txid"].as_str().expect("text").to_owned()));
        pages += 1;
        after = page["next"].clone();
        if after.is_null() {
            break;
        }
    }
    // Those that came within one millisecond are in the order of their ids.
    assert_eq!((pages, seen.len()), (3, 5));
    sent.sort();
    seen.sort();
    assert_eq!(seen, sent, "each once");
    let of = |n| call(port, "mempool_ofSender", &json!([network.address(n)]))["result"].clone();
    let nonces: Vec<_> = of(1).as_array().expect("a list").iter().map(|e| e["transaction"]["nonce"].clone()).collect();
    assert_eq!(nonces, ["0", "1"]);
    assert_eq!((of(3)[0]["ready"].clone(), of(2)[0]["ready"].clone()), (json!(false), json!(true)), "a gap waits");
    assert_eq!(of(5), json!([]));
    let estimate = call(port, "mempool_feeEstimate", &json!([2]))["result"].clone();
    assert_eq!((&estimate["fee_rate"], &estimate["blocks"]), (&json!(1), &json!(2)), "{estimate}");
    assert_eq!(call(port, "mempool_content", &json!(["x"]))["error"]["code"], -32602);
    assert_eq!(call(port, "mempool_content", &json!([null, 201]))["error"]["code"], 1003);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_chain_is_told_in_pages_without_gaps() {
    let cluster = Cluster::start(1).await;
    let (node, port, network) = (&cluster[0], cluster[0].rpc_port(), cluster.network());
    for nonce in 0..7 {
        node.submit(&payment(network.spec(), &key(1), nonce, key(2).address(), 5, 1_000)).await;
        if nonce % 3 == 2 {
            node.generate(2, 0).await;
        }
    }
    node.generate(1, 0).await;
    let (mut ids, mut from) = (Vec::new(), json!(0));
    while !from.is_null() {
        let page = call(port, "chain_getBlocks", &json!([from, 2]))["result"].clone();
        let blocks = page["blocks"].as_array().expect("a list");
        ids.extend(blocks.iter().map(|block| block["header"]["id"].clone()));
        from = page["next"].clone();
    }
    let headers = call(port, "chain_getHeaders", &json!([0]))["result"].clone();
    assert!(headers["next"].is_null());
    let header_ids: Vec<_> =
        headers["headers"].as_array().expect("a list").iter().map(|header| header["id"].clone()).collect();
    assert_eq!((ids.len(), &ids), (6, &header_ids), "blocks 0 to 5");
    let (mut nonces, mut next) = (Vec::new(), json!({"height": 0, "place": 0}));
    while !next.is_null() {
        let page = call(port, "chain_getTransactions", &json!([next["height"], next["place"], 2]))["result"].clone();
        let found = page["transactions"].as_array().expect("a list");
        assert!(found.len() <= 2);
        nonces.extend(found.iter().map(|one| one["transaction"]["nonce"].as_str().expect("text").to_owned()));
        next = page["next"].clone();
    }
    assert_eq!(nonces, ["0", "1", "2", "3", "4", "5", "6"]);
    assert_eq!(call(port, "chain_getBlocks", &json!([99]))["result"], json!({"blocks": [], "next": null}));
    assert_eq!(call(port, "chain_getBlocks", &json!([0, 101]))["error"]["code"], 1003);

    let supply = call(port, "chain_supply", &json!([]))["result"].clone();
    let issued: u64 = supply["issued"].as_str().and_then(|text| text.parse().ok()).expect("pebbles");
    let expected = network.spec().supply(cairn_ledger::units::Height::new(5)).pebbles();
    assert_eq!((&supply["height"], issued), (&json!(5), expected));
    let difficulty = call(port, "chain_difficulty", &json!([3]))["result"].clone();
    assert_eq!((&difficulty["window"], &difficulty["mean_interval_ms"]), (&json!(3), &difficulty["interval_ms"]));
    let storage = call(port, "node_storage", &json!([]))["result"].clone();
    assert!(storage["tables"].as_array().is_some_and(|tables| tables.len() >= 8), "{storage}");
    assert!(storage["memory"]["process"].as_u64().is_some_and(|bytes| bytes > 1 << 20), "{storage}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_miner_elsewhere_gets_work_and_brings_a_block() {
    let cluster = Cluster::start(2).await;
    let (port, network) = (cluster[0].rpc_port(), cluster.network());
    cluster[0].submit(&payment(network.spec(), &key(1), 0, key(2).address(), 5, 1_000)).await;
    let work_for = |n| call(port, "mining_getTemplate", &json!([network.address(n)]))["result"].clone();
    let solve = |work: &Value, solves: bool| {
        let seal: Hash = work["seal"].as_str().expect("text").parse().expect("a hash");
        let target: CompactTarget = work["target"].as_str().expect("text").parse().expect("a target");
        let target = target.decode().expect("a normal target");
        let seal = Seal::from_bytes(*seal.as_bytes());
        (0_u64..).find(|nonce| target.is_met_by(&seal.id(*nonce)) == solves).expect("every other one does")
    };
    let submit = |work: &Value, nonce: u64| call(port, "mining_submit", &json!([work["seal"], nonce.to_string()]));
    let first = work_for(77);
    assert_eq!((&first["height"], &first["transactions"]), (&json!(1), &json!(1)), "{first}");
    let low = submit(&first, solve(&first, false));
    assert_eq!(low["error"]["code"], 4006, "{low}");
    let found = submit(&first, solve(&first, true));
    let id: BlockId = found["result"]["block"].as_str().expect("a block").parse().expect("an id");
    let agreed = cluster.agree().await;
    assert_eq!((agreed.height, agreed.tip), (1, id), "it is announced to others");
    let stale = submit(&first, solve(&first, true));
    assert_eq!(stale["error"]["code"], 4005, "one work gives one block: {stale}");
    let (second, third) = (work_for(77), work_for(78));
    assert!(submit(&third, solve(&third, true))["result"]["block"].is_string());
    assert_eq!(submit(&second, solve(&second, true))["error"]["code"], 4005, "another block came in between");
    assert_eq!(call(port, "mining_getTemplate", &json!([]))["error"]["code"], 4002, "nobody to reward");
    assert!(cluster[0].account(77).await.0 > 0, "the miner was paid");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_miner_finds_a_block() {
    let cluster = Cluster::start(1).await;
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples/miner.py");
    let mut python = Command::new("python3");
    python.arg(script).arg(cluster[0].url()).arg(cluster[0].directory().join("admin.token"));
    let output = match python.arg(cluster.network().address(78)).output() {
        Ok(output) => output,
        Err(error) => {
            eprintln!("skipped: python3 cannot be run ({error})");
            return;
        }
    };
    assert!(output.status.success(), "{output:?}");
    let info = cluster[0].info().await;
    assert_eq!((info.height, String::from_utf8_lossy(&output.stdout).trim()), (1, info.tip.0.to_string().as_str()));
    assert!(cluster[0].account(78).await.0 > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moves_are_told_without_gaps_over_reorganisations_and_absences() {
    let cluster = Cluster::start(1).await;
    let network = std::sync::Arc::clone(cluster.network());
    cluster[0].generate(2, 0).await;
    let client = socket(cluster[0].rpc_port()).await;
    let mut moves = client.subscribe_moves(None).await.expect("a subscription");
    let mut of_two = client.subscribe_address(network.address(2), None).await.expect("a subscription");
    let paid = payment(network.spec(), &key(1), 0, key(2).address(), 5, 1_000);
    let mut status = client.subscribe_status(Text(paid.id()), Some(2)).await.expect("a subscription");
    assert_eq!(next!(status).state, TxState::Unknown);
    cluster[0].submit(&paid).await;
    cluster[0].generate(1, 0).await;
    let told = next!(moves);
    assert_eq!((told.disconnected.len(), told.connected.len(), told.connected[0].height), (0, 1, 3));
    let resume = told.tip;
    let seen = next!(of_two);
    assert_eq!(seen.connected[0].transaction.txid.0, paid.id());
    while next!(status).state != TxState::Mined {}

    // What happened while nobody listened is told to whoever says where it was.
    drop(client);
    cluster[0].generate(3, 0).await;
    let client = socket(cluster[0].rpc_port()).await;
    let mut moves = client.subscribe_moves(Some(resume)).await.expect("it resumes");
    let told = next!(moves);
    assert_eq!(told.connected.iter().map(|header| header.height).collect::<Vec<_>>(), [4, 5, 6]);

    // Another comes with a longer chain of its own, and wins.
    let rival = Node::start(&network, "rival", &[]).await;
    rival.generate(9, 5).await;
    rival.dial(&cluster[0]).await;
    let agreed = agree(&[&rival, &cluster[0]]).await;
    assert_eq!(agreed.height, 9);
    let told = next!(moves);
    assert_eq!(told.disconnected.iter().map(|header| header.height).collect::<Vec<_>>(), [6, 5, 4, 3, 2, 1]);
    assert_eq!(told.connected.first().map(|header| header.height), Some(1));
    // The payment went with its block, and its address is told so.
    let mut of_two = client.subscribe_address(network.address(2), Some(resume)).await.expect("a subscription");
    let seen = next!(of_two);
    assert_eq!(seen.disconnected[0].transaction.txid.0, paid.id());
    let unknown = Text(BlockId::from_bytes([7; 32]));
    let refused = client.subscribe_moves(Some(unknown)).await.expect_err("nobody knows it");
    assert!(refused.to_string().contains("2001"), "{refused}");
}
