//! The light client's JavaScript on real data: under Node.js against a running node and a real wallet, and its receipt
//! page in a real browser, opened as a file.

use crate::{FEE, pay, pay_with_memo};
use cairn_ledger::hash::TxId;
use cairn_rpc::methods::{ChainClient, StateClient};
use cairn_rpc::types::BlockRef;
use cairn_tests::browser::{Browser, DESK, PHONE};
use cairn_tests::wallet::Wallets;
use cairn_tests::{network::TestNetwork, node::Node};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Stdio};
use std::{fs, sync::Arc};

/// More blocks than are checked one by one.
const BLOCKS: u64 = 700;
/// The repository.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// A node with [`BLOCKS`] blocks, and two payments: in block 2, and five blocks below the tip.
async fn chain() -> (Node, [TxId; 2]) {
    let node = Node::start(&Arc::new(TestNetwork::new()), "real", &["--index.addresses=true"]).await;
    node.generate(1, 9).await;
    let deep = node.submit(&pay_with_memo(&node, 0, 0, "tea é 茶".as_bytes())).await;
    node.generate(BLOCKS - 6, 9).await;
    let fresh = node.submit(&pay(&node, 0, 1, 1_234_567_890)).await;
    node.generate(5, 9).await;
    (node, [deep, fresh])
}

async fn block(node: &Node, height: u64) -> Value {
    let header = node.rpc().get_header(BlockRef::Height(height)).await.expect("a block");
    let block = node.rpc().get_block(BlockRef::Height(height), None).await.expect("a block");
    let block = serde_json::to_value(&block).expect("JSON");
    let header = serde_json::to_value(&header).expect("JSON");
    json!({
        "id": header["id"], "height": height, "parent": header["parent"], "time": header["time"], "nonce": header["nonce"],
        "state_root": header["state_root"], "txs_root": header["txs_root"], "history_root": header["history_root"],
        "beneficiary": header["beneficiary"], "target": header["target"],
        "transactions": block["transactions"].as_array().map_or(0, Vec::len),
    })
}

/// What the node and the wallet say, for the light client to agree with.
async fn said(node: &Node, payments: [TxId; 2]) -> Value {
    let (network, tip) = (node.network(), node.rpc().chain_tip().await.expect("a tip"));
    let told = serde_json::to_value(&tip).expect("JSON");
    let mut accounts = Vec::new();
    for address in [network.address(0), network.address(1), network.address(77)] {
        let account = node.rpc().get_account(address.clone()).await.expect("an account");
        let (balance, nonce) = (account.balance.0.pebbles(), account.nonce.0);
        accounts.push(json!({
            "address": address, "balance": balance.to_string(), "nonce": nonce.to_string(),
            "exists": account.exists.to_string(), "height": account.height.to_string(),
        }));
    }
    let [deep, fresh] = payments;
    let fee = FEE.to_string();
    let (from, to) = (network.address(0), network.address(1));
    let payments = json!([
        {"txid": deep.to_string(), "height": "2", "amount": "5", "amount.0": "5", "fee": fee, "nonce": "0",
         "sender": from, "to.0": to, "memo": "74656120c3a920e88cb6", "outputs": "1",
         "confirmations": (tip.height - 1).to_string()},
        {"txid": fresh.to_string(), "height": (BLOCKS - 4).to_string(), "amount": "1234567890", "fee": fee,
         "nonce": "1", "sender": from, "to.0": to, "memo": "", "confirmations": "5"},
    ]);
    let mut blocks = Vec::new();
    for height in [1, 2, 300, BLOCKS - 4, BLOCKS] {
        blocks.push(block(node, height).await);
    }
    let wallets = Wallets::new(network);
    let receipt = wallets.ask("any", node, &["receipt", &deep.to_string()]);
    let file = wallets.directory().join("receipt.json");
    fs::write(&file, receipt.to_string()).expect("a file");
    let verified = wallets.run_alone("any", "", &["verify-receipt", &file.display().to_string()]).json;
    json!({
        "url": node.url(), "genesis": network.spec().genesis_id().to_string(), "prefix": "ecrn",
        "tip": {"id": told["id"], "height": tip.height, "work": told["work"], "time": tip.time},
        "accounts": accounts, "payments": payments, "blocks": blocks, "receipt": receipt.to_string(),
        "verified": {"height": verified["height"], "confirmations": verified["confirmations"],
                     "work_above": verified["work_above"], "work": verified["work"]},
    })
}

/// Whether Node.js is there, in a version that has what the tests need; otherwise a word to whoever reads the output.
fn has_node_js() -> bool {
    let is_new = "process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)";
    let found = Command::new("node").args(["-e", is_new]).stderr(Stdio::null()).status();
    let found = found.is_ok_and(|status| status.success());
    if !found {
        eprintln!("skipped: this test needs Node.js 20 or later (apt-get install nodejs)");
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn javascript_and_rust_agree_on_what_a_real_node_proves() {
    if !has_node_js() {
        return;
    }
    let (node, payments) = chain().await;
    let said = said(&node, payments).await;
    let path = node.network().directory().join("said.json");
    fs::write(&path, said.to_string()).expect("a file");
    let test = Path::new(ROOT).join("explorer/web/tests/real.test.mjs");
    let output = Command::new("node").arg("--test").arg(test).env("CAIRN_REAL", &path).output().expect("Node.js runs");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{said}");
    assert!(told.contains("# pass 5") && told.contains("# skipped 0"), "the control: they ran: {told}");
}

/// The receipt page, from its file and from a node: a real receipt is proven, an altered one proves nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_is_checked_from_a_file_and_no_altered_one_is_proven() {
    let Some(mut browser) = Browser::start() else { return };
    let (node, [deep, _]) = chain().await;
    let wallets = Wallets::new(node.network());
    let receipt = wallets.ask("any", &node, &["receipt", &deep.to_string()]);
    let page_file = Path::new(ROOT).join("explorer/web/receipt.html").canonicalize().expect("it is there");
    let network_file = node.network().file();
    let lies = |field: &str, value: Value| {
        let mut lie = receipt.clone();
        lie[field] = value;
        lie
    };
    let raw = receipt["raw"].as_str().expect("hex");
    let flipped = |place: usize| {
        let digit = if &raw[place..=place] == "0" { "1" } else { "0" };
        json!(format!("{}{digit}{}", &raw[..place], &raw[place + 1..]))
    };
    let cases = [
        (receipt.clone(), "proven", "The payment was mined."),
        (lies("txid", json!("ab".repeat(32))), "lied", "the receipt says it is for the payment"),
        (lies("raw", flipped(20)), "lied", "proves nothing"),
        (lies("raw", flipped(5_000)), "lied", "proves nothing"),
        (lies("raw", flipped(raw.len() - 400)), "lied", "proves nothing"),
        (lies("raw", json!(&raw[..raw.len() / 2])), "lied", "proves nothing"),
        (lies("genesis_id", json!("ab".repeat(32))), "failed", "could not be checked"),
        (lies("cairn_receipt", json!(2)), "lied", "version 2"),
        (json!("<script>document.title = 'owned'</script>"), "lied", "no JSON object"),
    ];
    for (url, screen) in
        [(format!("file://{}", page_file.display()), DESK), (format!("{}/web/receipt.html", node.url()), PHONE)]
    {
        for (file, state, text) in &cases {
            let mut page = browser.open(screen);
            page.go(&url);
            if url.starts_with("file:") {
                let root = page.call("DOM.getDocument", &json!({"depth": 0}))["root"]["nodeId"].clone();
                let input = page.call("DOM.querySelector", &json!({"nodeId": root, "selector": "#network"}));
                let files = json!({"nodeId": input["nodeId"], "files": [network_file.display().to_string()]});
                page.call("DOM.setFileInputFiles", &files);
            }
            page.eval(&format!("document.getElementById('text').value = {}", json!(file.to_string())));
            page.click("button[type=submit]");
            let passed = "['proven', 'lied', 'failed'].includes(document.getElementById('verdict').dataset.state)";
            page.until("there is a verdict", passed);
            let told = page.text("#verdict");
            assert_eq!(page.eval("document.getElementById('verdict').dataset.state"), *state, "{url}: {told}");
            assert!(told.contains(text), "{url}: {told}");
            assert_eq!(page.faults(), Vec::<String>::new(), "{url}");
            assert_eq!(page.eval(crate::browsing::CUT), json!([]), "{url}");
            if *state == "proven" {
                assert!(told.contains("tea é 茶") && told.contains("0.00000005 CRN"), "{told}");
            }
        }
    }
}
