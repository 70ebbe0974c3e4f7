//! JSON-RPC over real HTTP: who is let in, and how much.

use cairn_ledger::testing::{key, payment};
use cairn_tests::{
    cluster::Cluster,
    http::{call, post},
    network::TestNetwork,
    node::Node,
    wait::{SOON, until},
};
use serde_json::{Value, json};
use std::sync::Arc;

const INFO: &str = r#"{"jsonrpc":"2.0","id":1,"method":"node_info","params":[]}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_web_page_in_the_operators_browser_is_refused() {
    let cluster = Cluster::start(1).await;
    let port = cluster[0].rpc_port();
    let ours = format!("127.0.0.1:{port}");
    for host in ["evil.example", &format!("evil.example:{port}"), "localhost.evil.example"] {
        assert_eq!(post(port, host, &[], INFO).status, 403, "rebinding: {host}");
    }
    for origin in ["https://evil.example", "null", "http://localhost.evil.example"] {
        let header = format!("Origin: {origin}");
        assert_eq!(post(port, &ours, &[&header], INFO).status, 403, "cross-site: {origin}");
    }
    // The neighbours: programs of this machine, and pages it serves itself.
    for (host, headers) in [(ours.as_str(), &[][..]), ("localhost", &[]), (&ours, &["Origin: http://localhost:3000"])] {
        let answer = post(port, host, headers, INFO);
        assert_eq!(answer.status, 200, "{host} {headers:?}");
        assert!(answer.body.contains("genesis_id"), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_much_is_refused_and_the_node_goes_on() {
    let cluster = Cluster::start(1).await;
    let port = cluster[0].rpc_port();
    let ours = format!("127.0.0.1:{port}");
    let batch = vec![INFO; 10_000].join(",");
    let answer = post(port, &ours, &[], &format!("[{batch}]"));
    assert!(!answer.body.contains("genesis_id") && answer.body.contains("error"), "a batch of 10 000: {answer:?}");
    let large = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tx_submit","params":["{}"]}}"#, "0".repeat(20 << 20));
    let answer = post(port, &ours, &[], &large);
    assert!(answer.status == 413 || answer.body.contains("error"), "20 MiB: {answer:?}");
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(post(port, &ours, &[], &deep).body.contains("error"), "deep JSON");
    // The neighbour: a batch of a few.
    let answer = post(port, &ours, &[], &format!("[{INFO},{INFO}]"));
    assert_eq!(answer.body.matches("genesis_id").count(), 2, "{answer:?}");
    cluster[0].generate(1, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_have_their_codes_and_say_what_was_expected() {
    let cluster = Cluster::start(1).await;
    let port = cluster[0].rpc_port();
    let code = |method: &str, params| call(port, method, &params)["error"]["code"].as_i64();
    let nowhere = "00".repeat(32);
    assert_eq!(code("state_getAccount", json!(["lcrn1x"])), Some(1001));
    assert_eq!(code("tx_submit", json!(["00"])), Some(1002));
    assert_eq!(code("mining_generate", json!([0])), Some(1003));
    assert_eq!(code("mining_generate", json!([101])), Some(1003));
    assert_eq!(code("net_addPeer", json!(["/ip4/127.0.0.1"])), Some(1004));
    assert_eq!(code("chain_getHeader", json!([1_000_000])), Some(2001));
    assert_eq!(code("chain_getTransaction", json!([nowhere])), Some(2002));
    assert_eq!(code("mining_generate", json!([1])), Some(4002));
    assert_eq!(code("no_such", json!([])), Some(-32601));

    let spec = cluster.network().spec();
    let submit = |transaction| {
        let raw: String = cairn_ledger::codec::encode(&transaction).iter().map(|byte| format!("{byte:02x}")).collect();
        call(port, "tx_submit", &json!([raw]))
    };
    let good = payment(spec, &key(1), 0, key(2).address(), 5, 1_000);
    let mut forged = good.clone();
    forged.body.fee = cairn_ledger::testing::pebbles(1_001);
    assert_eq!(submit(forged)["error"]["code"], 3007);
    assert_eq!(submit(payment(spec, &key(1), 0, key(2).address(), 5, 0))["error"]["code"], 3023);
    assert_eq!(submit(payment(spec, &key(50), 0, key(2).address(), 5, 1_000))["error"]["code"], 3011);
    assert!(submit(good.clone())["result"]["txid"].is_string());
    let again = submit(good);
    assert_eq!(again["error"]["code"], 3021, "{again}");
    assert_eq!(again["error"]["data"]["kind"], "tx_already_pooled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn generated_blocks_never_outrun_the_clock() {
    // Forty seconds old: room for about twenty blocks, two seconds apart.
    let network = Arc::new(TestNetwork::with(40_000, true));
    let node = Node::start(&network, "young", &[]).await;
    let port = node.rpc_port();
    let made = call(port, "mining_generate", &json!([100, network.address(0)]));
    let made = &made["result"];
    let blocks = made["blocks"].as_array().map_or(0, Vec::len) as u64;
    assert!((15..60).contains(&blocks), "{made}");
    assert!(made["stopped"].as_str().is_some_and(|why| why.contains("clock")), "{made}");
    assert_eq!(node.info().await.height, blocks);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_are_generated_on_local_networks_only() {
    let network = Arc::new(TestNetwork::with(86_400_000, false));
    let node = Node::start(&network, "real", &[]).await;
    let refused = call(node.rpc_port(), "mining_generate", &json!([1, network.address(0)]));
    assert_eq!(refused["error"]["code"], 4001, "{refused}");
}

/// What a page of a history says of each entry: height, and what was sent and received.
fn told(page: &Value) -> Vec<(u64, String, String)> {
    let text = |entry: &Value, field: &str| entry[field].as_str().expect("pebbles").to_owned();
    let entries = page["entries"].as_array().unwrap_or_else(|| panic!("a page: {page}")).iter();
    entries
        .map(|entry| (entry["height"].as_u64().expect("a height"), text(entry, "sent"), text(entry, "received")))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_is_told_in_pages_by_a_node_that_keeps_it() {
    let network = Arc::new(TestNetwork::new());
    let mut node = Node::start(&network, "indexer", &[]).await;
    let port = node.rpc_port();
    let (spec, address) = (network.spec(), network.address(2));
    for n in 0..3 {
        node.submit(&payment(spec, &key(1), n, key(2).address(), 500 + n, 1_000)).await;
        node.generate(1, 2).await;
    }
    let off = call(port, "state_getHistory", &json!([address]));
    assert_eq!((off["error"]["code"].as_i64(), node.info().await.address_index), (Some(9011), None), "{off}");

    // Built for the blocks that are there, kept for those that come, and not lost by a kill.
    node.set_arguments(&["--index.addresses=true"]);
    node.terminate().await;
    node.restart().await;
    until("the index is whole", SOON, async || {
        let info = node.info().await;
        (info.address_index == Some(info.height)).then_some(())
    })
    .await;
    node.submit(&payment(spec, &key(2), 0, key(3).address(), 7, 1_000)).await;
    node.generate(1, 5).await;
    node.kill_9();
    node.restart().await;
    let port = node.rpc_port();
    let page = |params: Value| call(port, "state_getHistory", &params)["result"].clone();
    let first = page(json!([address, null, 4]));
    let second = page(json!([address, first["next"], 4]));
    let subsidy =
        |height, fee: u64| (spec.subsidy(cairn_ledger::units::Height::new(height)).pebbles() + fee).to_string();
    let entry = |height, sent: &str, received: String| (height, sent.to_owned(), received);
    let expected = [
        entry(4, "1007", "0".to_owned()),
        entry(3, "0", subsidy(3, 1_000)),
        entry(3, "0", "502".to_owned()),
        entry(2, "0", subsidy(2, 1_000)),
        entry(2, "0", "501".to_owned()),
        entry(1, "0", subsidy(1, 1_000)),
        entry(1, "0", "500".to_owned()),
    ];
    assert_eq!([told(&first), told(&second)].concat(), expected);
    assert_eq!((&first["reorganised_above"], &second["next"]), (&Value::Null, &Value::Null));
    assert_eq!(told(&page(json!([network.address(77)]))), [], "one who was never touched");
    let metrics = cairn_tests::http::get(port, "/metrics").body;
    assert!(metrics.contains("cairn_index_addresses_height_blocks 4"), "{metrics}");
    let refused = call(port, "state_getHistory", &json!([address, format!("1-1-{}", "0".repeat(64))]));
    assert_eq!(refused["error"]["code"], 2001, "a page of another chain: {refused}");
}
