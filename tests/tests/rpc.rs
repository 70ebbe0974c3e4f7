//! JSON-RPC over real HTTP: who is let in, and how much.

use cairn_ledger::testing::{key, payment};
use cairn_tests::http::{admin, call, post};
use cairn_tests::wait::{SOON, until};
use cairn_tests::{cluster::Cluster, network::TestNetwork, node::Node, socket::Socket};
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

/// Until when the bans of a node hold, by who is banned.
fn bans(port: u16) -> Vec<(String, u64)> {
    let bans = call(port, "net_listBans", &json!([]))["result"].as_array().expect("a list").clone();
    let ban =
        |ban: &Value| (ban["target"].as_str().expect("a text").to_owned(), ban["until"].as_u64().expect("a time"));
    bans.iter().map(ban).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_with_a_parameter_that_does_not_exist_is_refused_and_not_run() {
    let cluster = Cluster::start(1).await;
    let port = cluster[0].rpc_port();
    for params in [
        json!({"target": "203.0.113.7", "secnds": 60}),
        json!({"target": "203.0.113.7", "SECONDS": 60}),
        json!(["203.0.113.7", 60, "why", "more"]),
        json!({"seconds": 60}),
        json!("203.0.113.7"),
    ] {
        let refused = call(port, "net_ban", &params);
        assert_eq!(refused["error"]["code"], -32602, "{params}: {refused}");
        let takes = refused["error"]["data"]["expected"].as_str();
        assert_eq!(takes, Some("target, seconds (optional), reason (optional)"), "{refused}");
    }
    for (method, params) in [("chain_tip", json!([1])), ("mining_getTemplate", json!({"benefciary": "x"}))] {
        assert_eq!(call(port, method, &params)["error"]["code"], -32602, "{method}");
    }
    assert_eq!(bans(port), [], "none was run");
    // The controls: by name and by position, all of it and without what is optional.
    let before = cairn_common::clock::now().millis();
    for (target, params) in [
        ("203.0.113.1", json!({"reason": "why", "seconds": 60, "target": "203.0.113.1"})),
        ("203.0.113.2", json!(["203.0.113.2", 60])),
        ("203.0.113.3", json!({"target": "203.0.113.3", "seconds": 60})),
    ] {
        assert!(call(port, "net_ban", &params)["error"].is_null(), "{params}");
        let until = bans(port).into_iter().find_map(|(banned, until)| (banned == target).then_some(until));
        assert!(until.is_some_and(|until| until < before + 120_000), "a minute, and no hour: {target} {until:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_run_and_answered_with_its_id_or_refused() {
    let cluster = Cluster::start(1).await;
    let port = cluster[0].rpc_port();
    let admin = admin(port).expect("the node's own token");
    let ask = |body: &str| {
        let answer = post(port, "localhost", &[&admin], body).body;
        serde_json::from_str::<Value>(&answer).unwrap_or_else(|error| panic!("{body}: {error} in {answer:?}"))
    };
    let ban = |id: &str| format!(r#"{{"jsonrpc":"2.0",{id}"method":"net_ban","params":["203.0.113.7"]}}"#);
    let mut socket = Socket::open(port, &[&admin]).expect("a WebSocket");
    let broken = [
        "",
        r#""id":-1,"#,
        r#""id":1.5,"#,
        r#""id":1e3,"#,
        r#""id":18446744073709551616,"#,
        r#""id":true,"#,
        r#""id":[1],"#,
        r#""id":{},"#,
        r#""id":1,"id":1,"#,
        r#""id":1,"id":2,"#,
    ];
    for id in broken {
        socket.send_text(&ban(id)).expect("sent");
        let over_socket = socket.receive().expect("an answer, and no silence");
        for answer in [ask(&ban(id)), ask(&format!("[{}]", ban(id)))[0].clone(), over_socket] {
            assert_eq!((&answer["error"]["code"], &answer["id"]), (&json!(-32600), &Value::Null), "{id}: {answer}");
            let message = answer["error"]["message"].as_str().unwrap_or_default();
            assert!(message.contains("not run") && message.contains("whole number"), "{id}: {answer}");
        }
    }
    assert_eq!(bans(port), [], "none was run");
    for id in ["0", "18446744073709551615", r#""a""#, r#""""#, r#""a\n\"b""#, "null"] {
        for answer in
            [ask(&ban(&format!(r#""id":{id},"#))), ask(&format!("[{}]", ban(&format!(r#""id":{id},"#))))[0].clone()]
        {
            let expected: Value = serde_json::from_str(id).expect("JSON");
            assert_eq!((&answer["error"], &answer["id"]), (&Value::Null, &expected), "{id}: {answer}");
        }
    }
    assert_eq!(bans(port).len(), 1);
    // A batch of both: the good ones are run, and every entry has its answer.
    let answers = ask(&format!("[{},{INFO},{}]", ban(r#""id":-1,"#), ban("")));
    assert_eq!(answers.as_array().map(Vec::len), Some(3), "{answers}");
    assert_eq!((&answers[1]["id"], answers[1]["result"]["genesis_id"].is_string()), (&json!(1), true), "{answers}");
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
