//! The wallet and the node together, by the wallet's command line.

use cairn_ledger::testing::{key, payment};
use cairn_tests::node::{Node, free_port};
use cairn_tests::wait::{SOON, until};
use cairn_tests::{cluster::Cluster, http::call, network::TestNetwork, wallet::Wallets};
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
    // The first of the rewards paid for her account.
    assert_eq!(text(&wallets.ask("ada", near, &["balance"]), "balance"), "14999999000");

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

/// What a user types and reads, with what changes from run to run replaced by what it is.
struct Transcript {
    text: String,
    known: Vec<(String, &'static str)>,
}

impl Transcript {
    fn add(&mut self, command: &str, said: &str) {
        let mut said = said.to_owned();
        for (value, name) in &self.known {
            said = said.replace(value, name);
        }
        // How old blocks are depends on when they were made.
        let aged = |line: &str| match line.split_once(", tip ") {
            Some((before, _)) => format!("{before}, tip AGE old"),
            None => line.to_owned(),
        };
        let said = said.lines().map(aged).collect::<Vec<_>>().join("\n");
        let mut told: Vec<&str> = Vec::new();
        for line in said.lines() {
            let square = |letter| matches!(letter, '\u{2580}' | '\u{2584}' | '\u{2588}');
            let numbered = |word: &str| word.strip_suffix('.').is_some_and(|number| number.parse::<u8>().is_ok());
            let shown = match line.split_whitespace().next() {
                Some(word) if numbered(word) => "  WORDS",
                Some(word) if word.chars().all(square) => "  QR CODE",
                _ => line.trim_end(),
            };
            if told.last() != Some(&shown) || !shown.starts_with("  ") {
                told.push(shown);
            }
        }
        self.text.push_str(&format!("$ wallet {command}\n{}\n\n", told.join("\n")));
    }
}

/// As a new user would: four commands, each of which says what comes next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_nothing_to_a_confirmed_payment_in_four_commands() {
    let cluster = Cluster::start(1).await;
    let node = &cluster[0];
    let wallets = Arc::new(Wallets::new(cluster.network()));
    let shop = wallets.create("shop", node);
    let (url, directory) = (node.url(), wallets.directory().display().to_string());
    let chain = cluster.network().file().display().to_string();
    let network = cluster.network().spec().params().name.clone();
    let known =
        [(directory, "DIR"), (chain, "CHAIN"), (url.clone(), "NODE"), (shop.clone(), "SHOP"), (network, "NETWORK")];
    let known = known.to_vec();
    let mut transcript = Transcript { text: String::new(), known };

    let made = wallets.talk("ada", &url, &["new", "--kdf-memory-mib", "8"]);
    let ada = made.lines().find_map(|line| line.strip_prefix("address  ")).expect("an address").to_owned();
    transcript.known.push((ada.clone(), "ADA"));
    transcript.add("new", &made);
    transcript.add("receive", &wallets.talk("ada", &url, &["receive"]));
    let paid = call(node.rpc_port(), "mining_generate", &json!([1, ada]));
    assert_eq!(paid["result"]["blocks"].as_array().map(Vec::len), Some(1), "{paid}");

    let sending = tokio::task::spawn_blocking({
        let (wallets, url, shop) = (Arc::clone(&wallets), url.clone(), shop.clone());
        move || wallets.talk("ada", &url, &["send", &shop, "12.5", "--wait", "--timeout", "60"])
    });
    node.pools(1).await;
    node.generate(1, 0).await;
    let sent = sending.await.expect("no panic");
    let txid = sent.lines().find_map(|line| line.strip_prefix("txid         ")).expect("an id").to_owned();
    transcript.known.push((txid.clone(), "TXID"));
    // Whether the block was faster than the first question, or than its proof, is no part of the story.
    let unproven = "  mined in block 2, 1 confirmation, the node says\n";
    transcript.add("send SHOP 12.5 --wait", &sent.replace("  waiting for a block\n", "").replace(unproven, ""));
    let status = wallets.ask("ada", node, &["status", &txid]);
    transcript.known.push((text(&status, "block").to_owned(), "BLOCK"));
    transcript.add("status TXID", &wallets.talk("ada", &url, &["status", &txid]));
    assert_eq!(transcript.text.matches("\nNext: ").count(), 4, "{}", transcript.text);
    assert_eq!(transcript.text, include_str!("golden/transcript.txt"), "{}", transcript.text);
}

/// Whoever waits for a payment is told of it with its proof, and when nothing came, of that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_waits_for_the_proof_of_a_payment() {
    let cluster = Cluster::start(1).await;
    let node = &cluster[0];
    let wallets = Arc::new(Wallets::new(cluster.network()));
    let (ada, bob) = (wallets.create("ada", node), wallets.create("bob", node));
    call(node.rpc_port(), "mining_generate", &json!([1, ada]));
    let url = node.url();
    let waiting = tokio::task::spawn_blocking({
        let (wallets, url) = (Arc::clone(&wallets), url.clone());
        move || wallets.run("bob", &url, "", &["receive", "--amount", "2", "--wait", "--timeout", "60"])
    });
    // However late bob first looks, two more payments suffice.
    let mut paid = 0;
    while !waiting.is_finished() {
        assert!(paid < 60, "bob never saw what came");
        wallets.ask("ada", node, &["send", &bob, "1"]);
        node.generate(1, 0).await;
        paid += 1;
    }
    let ended = waiting.await.expect("no panic");
    assert_eq!(ended.code, 0, "{}", ended.json);
    let came: u64 = text(&ended.json["received"], "amount").parse().expect("pebbles");
    assert!((200_000_000..=paid * 100_000_000).contains(&came), "{came} of {paid}");
    assert!(ended.json["received"]["proof"].is_object(), "{}", ended.json);
    let late = wallets.run("bob", &url, "", &["receive", "--wait", "--timeout", "0"]);
    assert_eq!((late.code, text(&late.json["error"], "kind")), (4, "not_received"));
}

/// A payment that waits is explained, paid more for, and cancelled; a gap is found and filled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn payments_that_wait_are_explained_replaced_and_repaired() {
    let cluster = Cluster::start(1).await;
    let node = &cluster[0];
    let wallets = Wallets::new(cluster.network());
    let (ada, bob) = (wallets.create("ada", node), wallets.create("bob", node));
    call(node.rpc_port(), "mining_generate", &json!([1, ada]));
    let ask = |arguments: &[&str]| wallets.ask("ada", node, arguments);
    let cause = |txid: &str| text(&ask(&["why", txid]), "cause").to_owned();

    let first = text(&ask(&["send", &bob, "1"]), "txid").to_owned();
    assert_eq!(cause(&first), "waiting");
    let bumped = ask(&["bump", &first]);
    assert_eq!(bumped["replaces"], json!([first]));
    assert_eq!(bumped["nonce"], "0");
    assert_eq!(cause(&first), "absent");
    let second = text(&ask(&["send", &bob, "2"]), "txid").to_owned();
    assert_eq!(cause(&second), "queued");
    let cancelled = ask(&["cancel", text(&bumped, "txid")]);
    assert_eq!((text(&cancelled, "to"), text(&cancelled, "amount")), (ada.as_str(), "1"));
    assert_eq!(ask(&["repair"])["steps"], json!([]), "nothing is missing");
    node.generate(1, 0).await;
    assert_eq!(cause(text(&cancelled, "txid")), "mined");
    assert_eq!(cause(&first), "overtaken", "one block's word may still change");
    assert_eq!(text(&wallets.ask("bob", node, &["balance"]), "balance"), "200000000");
    let late = wallets.run("ada", &node.url(), "", &["bump", &second]);
    assert_eq!((late.code, text(&late.json["error"], "kind")), (1, "already_mined"));

    let early = wallets.run("ada", &node.url(), "", &["send", &bob, "1"]);
    assert_eq!((early.code, text(&early.json["error"], "kind")), (1, "payment_open"));
    node.generate(5, 0).await;
    assert_eq!(cause(&first), "nonce_used", "what took its place is buried");

    // A wallet whose journal is lost beside one that has it: both have the words, and neither blocks the other.
    let third = ask(&["send", &bob, "1", "--unsigned", &path(&wallets, "lost.json")]);
    wallets.ask("ada", node, &["sign", text(&third, "file")]);
    let fourth = ask(&["send", &bob, "1"]);
    assert_eq!(fourth["nonce"], "2", "what was only written down holds no nonce");
    node.generate(1, 0).await;
    let refused = wallets.run("ada", &node.url(), "", &["broadcast", &path(&wallets, "lost.signed.json")]);
    assert_eq!((refused.code, text(&refused.json["error"], "kind")), (1, "nonce_used"));
}

fn path(wallets: &Wallets, name: &str) -> String {
    wallets.directory().join(name).display().to_string()
}

/// A payment that is lost on its way holds up all after it: `why` says so, `repair` hands it over again while
/// that helps and fills its place when not, and everything is mined.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gap_is_found_and_mended() {
    let mut cluster = Cluster::start(1).await;
    let wallets = Wallets::new(cluster.network());
    let (ada, bob) = (wallets.create("ada", &cluster[0]), wallets.create("bob", &cluster[0]));
    call(cluster[0].rpc_port(), "mining_generate", &json!([1, ada]));
    let send = |node: &Node, amount: &str, valid_for: &str| {
        let sent = wallets.ask("ada", node, &["send", &bob, amount, "--valid-for", valid_for]);
        text(&sent, "txid").to_owned()
    };
    // Both are lost with the node's memory; only the second is handed over again.
    let first = send(&cluster[0], "1", "120");
    let second = send(&cluster[0], "2", "120");
    cluster.node_mut(0).kill_9();
    cluster.node_mut(0).restart().await;
    let ask = |node: &Node, arguments: &[&str]| wallets.ask("ada", node, arguments);
    assert_eq!(text(&ask(&cluster[0], &["why", &first]), "cause"), "absent");
    ask(&cluster[0], &["resend", &second]);
    assert_eq!(text(&ask(&cluster[0], &["why", &second]), "cause"), "gap");
    let steps = ask(&cluster[0], &["repair"]);
    assert_eq!(steps["steps"], json!([{"nonce": "0", "action": "resent", "txid": first}]));
    cluster[0].generate(1, 0).await;
    assert_eq!(text(&ask(&cluster[0], &["status", &second]), "state"), "mined");

    // The same, but the first expires before anybody looks.
    let third = send(&cluster[0], "1", "4");
    let fourth = send(&cluster[0], "2", "120");
    cluster.node_mut(0).kill_9();
    cluster.node_mut(0).restart().await;
    cluster[0].generate(4, 0).await;
    assert_eq!(text(&ask(&cluster[0], &["why", &third]), "cause"), "expiring");
    ask(&cluster[0], &["resend", &fourth]);
    let steps = ask(&cluster[0], &["repair"]);
    assert_eq!((&steps["steps"][0]["action"], &steps["steps"][0]["nonce"]), (&json!("filled"), &json!("2")));
    cluster[0].generate(1, 0).await;
    assert_eq!(text(&ask(&cluster[0], &["status", &fourth]), "state"), "mined");
    let newest = &wallets.ask("bob", &cluster[0], &["balance"])["newest"];
    assert_eq!(text(newest, "balance"), "500000000", "1 + 2 + 2 CRN");
}

/// A key of two is an address like every other to a real network: it is paid, and it pays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_people_pay_from_a_key_they_share() {
    let cluster = Cluster::start(1).await;
    let node = &cluster[0];
    let wallets = Wallets::new(cluster.network());
    let (ada, bob, shop) = (wallets.create("ada", node), wallets.create("bob", node), wallets.create("shop", node));
    let ours = text(&wallets.ask("ours", node, &["shared", "new", &ada, &bob]), "address").to_owned();
    call(node.rpc_port(), "mining_generate", &json!([1, ours]));
    let file = path(&wallets, "pay.json");
    wallets.ask("ours", node, &["send", &shop, "7", "--unsigned", &file]);
    for member in ["ada", "bob", "ada"] {
        wallets.ask(member, node, &["cosign", &file]);
    }
    let sent = wallets.ask("ours", node, &["broadcast", &path(&wallets, "pay.signed.json")]);
    assert_eq!(text(&sent, "from"), ours);
    node.generate(1, 0).await;
    assert_eq!(text(&wallets.ask("shop", node, &["balance"]), "balance"), "700000000");
    let history = wallets.ask("ours", node, &["history"]);
    assert_eq!(history["payments"][0]["status"]["state"], "mined");
}

/// Two wallets made from the same words take turns without a word to each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_wallets_with_one_seed_do_not_block_each_other() {
    const WORDS: &str = "test test test test test test test test test test test junk";
    let cluster = Cluster::start(1).await;
    let node = &cluster[0];
    let wallets = Wallets::new(cluster.network());
    let bob = wallets.create("bob", node);
    let restored = ["desk", "phone"].map(|name| {
        let made = wallets.run(name, &node.url(), WORDS, &["restore", "--kdf-memory-mib", "8"]);
        assert_eq!(made.code, 0, "{}", made.json);
        text(&made.json, "address").to_owned()
    });
    assert_eq!(restored[0], restored[1]);
    call(node.rpc_port(), "mining_generate", &json!([1, restored[0]]));
    for (nonce, name) in ["desk", "phone", "phone", "desk"].iter().enumerate() {
        // Each wallet knows of its own payments, and the same one twice is asked about.
        let sent = wallets.ask(name, node, &["send", &bob, "1", "--again"]);
        assert_eq!(text(&sent, "nonce"), nonce.to_string());
        assert_eq!(sent["replaces"], json!([]));
    }
    node.generate(1, 0).await;
    assert_eq!(text(&wallets.ask("bob", node, &["balance"]), "balance"), "400000000");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_paid_is_shown_with_its_proof_by_a_node_that_keeps_an_index() {
    let network = Arc::new(TestNetwork::new());
    let node = Node::start(&network, "indexer", &["--index.addresses=true"]).await;
    let wallets = Wallets::new(&network);
    let address = wallets.create("bob", &node);
    let receiver = network.spec().params().prefix.decode(&address).expect("an address");
    for (n, amount) in [(0, 700), (1, 900)] {
        node.submit(&payment(network.spec(), &key(1), n, receiver, amount, 1_000)).await;
        node.generate(4, 0).await;
    }
    let shown = wallets.ask("bob", &node, &["history", "--received"]);
    let entries = shown["received"].as_array().expect("a list");
    let amounts: Vec<&str> = entries.iter().map(|entry| text(entry, "amount")).collect();
    assert_eq!((amounts, &shown["more"]), (vec!["900", "700"], &Value::Bool(false)));
    assert!(entries.iter().all(|entry| entry["proven"] == true), "{shown}");
    let without = Node::start(&network, "plain", &[]).await;
    let refused = wallets.run("bob", &without.url(), "", &["history", "--received"]);
    assert_eq!((refused.code, &refused.json["error"]["kind"]), (1, &Value::from("index_off")), "{refused:?}");
}
