//! The wallet and the node together, by the wallet's command line.

use cairn_tests::{
    cluster::Cluster,
    http::call,
    node::free_port,
    wait::{SOON, until},
    wallet::Wallets,
};
use serde_json::{Value, json};
use std::sync::Arc;

fn text<'a>(json: &'a Value, key: &str) -> &'a str {
    json[key].as_str().unwrap_or_else(|| panic!("a text {key} in {json}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_travels_from_wallet_to_wallet() {
    let cluster = Cluster::start(2).await;
    let (near, far) = (&cluster[0], &cluster[1]);
    let wallets = Wallets::new(cluster.network());
    let ada = wallets.create("ada", near);
    let bob = wallets.create("bob", far);
    // Ada mines three blocks.
    let made = call(near.rpc_port(), "mining_generate", &json!([3, ada]));
    assert_eq!(made["result"]["blocks"].as_array().map(Vec::len), Some(3), "{made}");
    cluster.agree().await;
    assert_eq!(text(&wallets.ask("ada", near, &["balance"]), "balance"), "15000000000");

    let sent = wallets.ask("ada", near, &["send", &bob, "12.5", "--memo", "for the tea"]);
    let txid = text(&sent, "txid").to_owned();
    // Known everywhere, mined by the other node, seen as mined by the first.
    far.pools(1).await;
    far.generate(1, 0).await;
    cluster.agree().await;
    for (name, node) in [("ada", near), ("bob", far)] {
        assert_eq!(text(&wallets.ask(name, node, &["status", &txid]), "state"), "mined");
    }
    assert_eq!(text(&wallets.ask("bob", far, &["balance"]), "balance"), "1250000000");
    let history = wallets.ask("ada", near, &["history"]).to_string();
    assert!(history.contains(&txid) && history.contains("for the tea"), "{history}");

    // Handing it in again is no second payment.
    wallets.run("ada", &near.url(), "", &["resend", &txid]);
    near.generate(1, 0).await;
    assert_eq!(text(&wallets.ask("bob", near, &["balance"]), "balance"), "1250000000");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sending_waits_for_the_block() {
    let cluster = Cluster::start(1).await;
    let wallets = Arc::new(Wallets::new(cluster.network()));
    let node = &cluster[0];
    let ada = wallets.create("ada", node);
    let bob = wallets.create("bob", node);
    call(node.rpc_port(), "mining_generate", &json!([1, ada]));
    let url = node.url();
    let sending = tokio::task::spawn_blocking(move || {
        wallets.run("ada", &url, "", &["send", &bob, "1", "--wait", "--timeout", "25"])
    });
    node.pools(1).await;
    node.generate(1, 0).await;
    let sent = sending.await.expect("no panic");
    assert_eq!((sent.code, text(&sent.json, "state")), (0, "mined"), "{}", sent.json);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_end_with_their_codes() {
    let cluster = Cluster::start(1).await;
    let node = &cluster[0];
    let wallets = Wallets::new(cluster.network());
    let ada = wallets.create("ada", node);
    let bob = wallets.create("bob", node);
    let code = |node: &str, arguments: &[&str]| wallets.run("ada", node, "", arguments).code;
    assert_eq!(code(&node.url(), &["send", &bob, "1"]), 1, "no money");
    assert_eq!(code(&node.url(), &["send", "tcrn1nobody", "1"]), 1, "no address");
    assert_eq!(code(&node.url(), &["send", &bob, "-1"]), 2, "no amount");
    let nobody = format!("http://127.0.0.1:{}", free_port());
    assert_eq!(code(&nobody, &["balance"]), 3, "no node");

    call(node.rpc_port(), "mining_generate", &json!([1, ada]));
    let late = wallets.run("ada", &node.url(), "", &["send", &bob, "1", "--wait", "--timeout", "1"]);
    assert_eq!(late.code, 4, "not mined in time: {}", late.json);
    // It is on its way all the same.
    until("the payment is in the pool", SOON, async || (node.info().await.pooled == 1).then_some(())).await;
}
