//! Payments, from the command line to the node and back.

use crate::harness::{ALICE, BOB, Home, fields};
use crate::node::{FakeNode, nobody};
use cairn_ledger::{transaction::Transaction, validate::check_transactions};
use cairn_rpc::error::{Code, RpcError};
use cairn_rpc::types::TxState;
use serde_json::json;
use std::{fs, process::Stdio};

fn refused(code: Code, message: &str) -> Option<RpcError> {
    Some(RpcError::new(code, message))
}

#[test]
fn a_payment_reaches_the_node_as_it_was_asked_for() {
    let (home, node) = (Home::with_alice(), FakeNode::local());
    let sent = home.json(&home.at(&node, &format!("send {BOB} 1.5 --memo tea")));
    assert_eq!(
        fields(&sent),
        [
            "amount",
            "block",
            "confirmations",
            "fee",
            "from",
            "height",
            "max_price",
            "memo",
            "nonce",
            "proven",
            "raw",
            "replaces",
            "size",
            "state",
            "time",
            "to",
            "txid",
            "valid_until"
        ]
    );
    for (field, value) in [
        ("from", json!(ALICE)),
        ("to", json!(BOB)),
        ("amount", json!("150000000")),
        ("fee", json!("188")),
        ("nonce", json!("0")),
        ("valid_until", json!(220)),
        ("memo", json!("tea")),
        ("size", json!(188)),
        ("replaces", json!([])),
        ("state", json!("pooled")),
        ("block", json!(null)),
    ] {
        assert_eq!(sent[field], value, "{field}");
    }
    let state = node.state();
    let [transaction] = state.submitted.as_slice() else { panic!("one payment") };
    assert_eq!(sent["txid"], transaction.id().to_string());
    assert!(check_transactions(&state.network.id(), vec![transaction.clone()]).is_ok());
}

/// The price of state: whoever pays somebody new is told what that costs, and allows for that and no more.
#[test]
fn a_receiver_without_an_account_is_paid_for_and_named() {
    let (home, node) = (Home::with_alice(), FakeNode::local());
    let send = |options: &str| home.json(&home.at(&node, &format!("send {BOB} 1 --again {options}")));
    assert_eq!(send("")["max_price"], "0", "the negative control: the receiver is there");
    node.state().only = Some(vec![String::from(ALICE)]);
    assert_eq!(send("")["max_price"], "100000");
    let text = home.ok(&home.at(&node, &format!("send {BOB} 1 --again")));
    assert!(text.contains("new accounts at most 0.001 CRN"), "{text}");
    // To oneself nothing is created.
    assert_eq!(home.json(&home.at(&node, &format!("send {ALICE} 1")))["max_price"], "0");
    let price = |state: &crate::node::State| state.submitted.iter().map(|it| it.body.max_price.pebbles()).sum::<u64>();
    assert_eq!(price(&node.state()), 200_000);
    node.state().balance = "5.001".parse().expect("an amount");
    let error = home.fails(&home.at(&node, &format!("send {BOB} 1 --again")), 1, "not_enough_money");
    assert!(error.contains("is held by 4 payments that are open"), "{error}");
    assert!(error.contains("and 0.001 CRN for accounts that are not there yet"), "{error}");
}

/// Upgrades that one side does not know are told of before anything is paid.
#[test]
fn other_upgrades_and_a_node_left_behind_are_told_of() {
    let (home, node) = (Home::with_alice(), FakeNode::local());
    let pay = |home: &Home| home.run(&home.at(&node, &format!("send {BOB} 1 --yes")));
    let quiet = pay(&home);
    assert!(quiet.code == Some(0) && !quiet.out.contains("upgrade"), "the control: {quiet:?}");
    node.state().rules_notice = Some(String::from("an upgrade \u{1b}[2J that it does not know"));
    let said = pay(&home).out;
    assert!(said.contains("left behind") && !said.contains('\u{1b}'), "{said}");
    node.state().rules_notice = None;
    let upgrade = "[[upgrade]]\nheight = 500\nname = \"dear\"\naccount_price = \"0.5\"\n";
    let text = format!("{}\n{upgrade}", cairn_genesis::LOCAL);
    node.state().network = cairn_genesis::Network::parse(&text).expect("a good upgrade");
    let said = pay(&home).out;
    assert!(said.contains("other upgrades") && said.contains("dear at block 500"), "{said}");
}

#[test]
fn options_set_fee_and_validity() {
    let (home, node) = (Home::with_alice(), FakeNode::local());
    node.state().min_fee_rate = 5;
    let send = |options: &str| home.json(&home.at(&node, &format!("send {BOB} 1 --again {options}")));
    assert_eq!(send("")["fee"], "925");
    let sent = send("--fee 0.001 --valid-for 1000");
    assert_eq!((&sent["fee"], &sent["valid_until"], &sent["nonce"]), (&json!("100000"), &json!(1100), &json!("1")));
    assert_eq!(send("--valid-for 4")["valid_until"], 104);
    node.state().min_fee_rate = 1_001;
    assert!(home.fails(&home.at(&node, &format!("send {BOB} 1 --again")), 1, "fee_rate_too_high").contains("--fee"));
}

#[test]
fn a_payment_is_in_the_journal_before_it_leaves() {
    let (home, node) = (Home::with_alice(), FakeNode::local());
    let journal = home.journal_file();
    node.state().on_submit = Box::new(move |transaction| {
        let text = fs::read_to_string(&journal).expect("a journal");
        assert!(text.ends_with('\n') && text.contains(&transaction.id().to_string()), "{text}");
    });
    home.ok(&home.at(&node, &format!("send {BOB} 1")));
    assert_eq!(node.state().submitted.len(), 1);
}

#[test]
fn what_cannot_be_sent_is_refused_before_anything_is_asked_or_written() {
    let (home, node) = (Home::with_alice(), FakeNode::local());
    // A missing password file: whoever gets as far as asking for it fails in another way.
    fs::remove_file(home.path("password")).expect("removed");
    let fails = |line: &str, kind: &str| home.fails(&home.at(&node, line), 1, kind);
    let error = fails(&format!("send {BOB} 10"), "not_enough_money");
    assert!(
        error.contains("you have 10 CRN, 10 CRN with a fee of 0.00000185 CRN needs 10.00000185 CRN, so 0.00000185"),
        "{error}"
    );
    fails(&format!("send {BOB} 0"), "zero_amount");
    let typo = BOB.replacen("lcrn1s", "lcrn1p", 1);
    assert!(fails(&format!("send {typo} 1"), "bad_address").contains("typo"));
    let other = "tcrn1y39592wlwdqpgu7llrkfclu95zqf2tp5yj2zznve5k438448rpjq5hjyy8";
    assert!(fails(&format!("send {other} 1"), "bad_address").contains("another network"));
    assert!(fails("send nonsense 1", "bad_address").contains("lcrn1"));
    assert!(fails(&format!("send {BOB} 1 --memo {}", "x".repeat(257)), "memo_too_long").contains("257"));
    fails(&format!("send {BOB} 1"), "no_secret");
    assert!(!home.journal_file().exists() && node.state().submitted.is_empty());
}

#[test]
fn a_refusal_is_said_with_what_to_do_and_kept() {
    let (home, node) = (Home::with_alice(), FakeNode::local());
    for (code, kind, said) in [
        (Code::TxFeeTooLow, "tx_fee_too_low", "--fee"),
        (Code::TxExpiresSoon, "tx_expires_soon", "--valid-for"),
        (Code::TxSenderLimit, "tx_sender_limit", "wait until earlier payments"),
        (Code::Stopping, "stopping", "try again"),
    ] {
        node.state().refusal = refused(code, "no\u{1b}[2J");
        let error = home.fails(&home.at(&node, &format!("send {BOB} 1 --again")), 1, kind);
        assert!(error.contains("open all the same") && error.contains(" why "), "{error}");
        assert!(error.contains(said) && error.contains("no\\u{1b}[2J") && !error.contains('\u{1b}'), "{error:?}");
    }
    node.state().states = vec![TxState::Unknown];
    let history = home.json(&home.at(&node, "history"));
    assert_eq!(history["payments"].as_array().map(Vec::len), Some(8));
    assert_eq!(history["payments"][0]["refusal"]["code"], 9001);
    assert_eq!(history["payments"][7]["refusal"]["code"], 3023);
    // A node that refuses may have passed it on all the same: each keeps its nonce.
    node.state().refusal = None;
    let sent = home.json(&home.at(&node, &format!("send {BOB} 1 --again")));
    assert_eq!((&sent["replaces"], &sent["nonce"]), (&json!([]), &json!("8")));
}

#[test]
fn waiting_ends_with_the_block() {
    let (home, node) = (Home::with_alice(), FakeNode::local());
    node.state().states = vec![TxState::Pooled, TxState::Pooled, TxState::Mined];
    let text = home.ok(&home.at(&node, &format!("send {BOB} 1 --wait")));
    assert!(text.contains("waiting until it is in a block"), "{text}");
    assert!(text.contains("state        mined in block 100, 1 confirmation, the node says\n"), "{text}");
    let sent = home.json(&home.at(&node, &format!("send {BOB} 1 --wait --again")));
    assert_eq!((&sent["state"], &sent["height"], &sent["confirmations"]), (&json!("mined"), &json!(100), &json!(1)));
}

#[test]
fn waiting_ends_when_the_payment_expires_is_dropped_or_time_is_up() {
    let home = Home::with_alice();
    let fails = |node: &FakeNode, options: &str| {
        home.fails(&home.at(node, &format!("send {BOB} 1 --wait --again {options}")), 4, "not_mined")
    };
    let node = FakeNode::local();
    node.state().blocks_each_ask = 30;
    assert!(fails(&node, "--valid-for 10").contains("expired"));
    let node = FakeNode::local();
    node.state().states = vec![TxState::Expired];
    assert!(fails(&node, "").contains("expired"));
    let node = FakeNode::local();
    node.state().states = vec![TxState::Dropped];
    node.state().reason = Some(String::from("replaced\n"));
    assert!(fails(&node, "").contains("dropped from the node's pool: replaced\\u{a}, every node says"));
    let node = FakeNode::local();
    assert!(fails(&node, "--timeout 1").contains("after 1 s;"));
    let json =
        home.run(&format!("--json {}", home.at(&node, &format!("send {BOB} 1 --wait --again --timeout 0")))).json();
    assert_eq!(json["error"]["txid"].as_str().map(str::len), Some(64));
}

#[test]
fn a_node_that_falls_silent_leaves_the_payment_in_doubt_and_in_the_journal() {
    let (home, node) = (Home::with_alice(), FakeNode::local());
    node.state().hangs_up_on_submit = true;
    let run = home.run(&format!("--json {}", home.at(&node, &format!("send {BOB} 1"))));
    assert_eq!(run.code, Some(3), "{run:?}");
    let error = run.json();
    assert_eq!(error["error"]["kind"], "in_doubt");
    let txid = error["error"]["txid"].as_str().expect("an id");

    // The node is back and does not know it: the same payment goes out, however often it is asked for.
    node.state().hangs_up_on_submit = false;
    for _ in 0..2 {
        assert_eq!(home.json(&home.at(&node, &format!("resend {txid}")))["txid"], txid);
    }
    assert_eq!(node.state().submitted.iter().map(|sent| sent.id().to_string()).collect::<Vec<_>>(), [txid]);
    home.fails(&home.at(&node, &format!("resend {}", "ab".repeat(32))), 1, "not_in_journal");
}

/// While a payment is open, another like it is asked about; what takes its place has its nonce.
#[test]
fn a_payment_like_an_open_one_is_not_made_unasked() {
    let (home, node) = (Home::with_alice(), FakeNode::local());
    node.state().hangs_up_on_submit = true;
    let run = home.run(&home.at(&node, &format!("--json send {BOB} 1")));
    assert_eq!(run.code, Some(3));
    let first = run.json()["error"]["txid"].as_str().expect("an id").to_owned();
    node.state().hangs_up_on_submit = false;
    let error = home.fails(&home.at(&node, &format!("send {BOB} 1")), 1, "payment_open");
    assert!(
        error.contains(&first) && error.contains(&format!("resend {first}")) && error.contains("--again"),
        "{error}"
    );
    home.fails(&home.at(&node, &format!("send {BOB} 1 --yes --unsigned @pay.json")), 1, "payment_open");
    assert!(node.state().submitted.is_empty());
    // Another amount, or a second one that is asked for, gets a place of its own behind it.
    for (line, nonce) in [(format!("send {BOB} 2"), "1"), (format!("send {BOB} 1 --again"), "2")] {
        let sent = home.json(&home.at(&node, &line));
        assert_eq!((&sent["nonce"], &sent["replaces"]), (&json!(nonce), &json!([])), "{line}");
    }
    let bumped = home.json(&home.at(&node, &format!("bump {first} --again")));
    assert_eq!((&bumped["nonce"], &bumped["replaces"]), (&json!("0"), &json!([first])));
}

#[test]
fn sends_at_once_get_a_nonce_each() {
    let (home, node) = (Home::with_alice(), FakeNode::local());
    let line = home.at(&node, &format!("send {BOB} 1 --again"));
    let children: Vec<_> =
        (0..4).map(|_| home.command(&line).stdout(Stdio::null()).spawn().expect("the wallet runs")).collect();
    for mut child in children {
        assert!(child.wait().expect("over").success());
    }
    let mut nonces: Vec<u64> = node.state().submitted.iter().map(|sent| sent.body.nonce).collect();
    nonces.sort_unstable();
    assert_eq!(nonces, [0, 1, 2, 3]);
}

#[test]
fn a_status_is_the_nodes_with_what_the_journal_knows() {
    let (home, node) = (Home::with_alice(), FakeNode::local());
    let sent = home.json(&home.at(&node, &format!("send {BOB} 1")));
    let txid = sent["txid"].as_str().expect("an id");
    node.state().states = vec![TxState::Mined];
    let status = home.json(&home.at(&node, &format!("status {txid}")));
    assert_eq!(
        fields(&status),
        ["block", "confirmations", "height", "payment", "proof", "proven", "reason", "state", "txid"]
    );
    assert_eq!((&status["state"], &status["payment"]["to"]), (&json!("mined"), &json!(BOB)));
    let stranger = "ab".repeat(32);
    assert_eq!(home.json(&home.at(&node, &format!("status {stranger}")))["payment"], json!(null));
    node.state().states = vec![TxState::Unknown];
    assert!(home.ok(&home.at(&node, &format!("status {txid}"))).contains(&format!("resend {txid}")));
    home.fails(&format!("--chain local --node {} status {txid}", nobody()), 3, "no_answer");
}

#[test]
fn history_has_every_payment_with_or_without_a_node() {
    let (home, node) = (Home::with_alice(), FakeNode::local());
    let history = home.at(&node, "history");
    assert!(home.ok(&history).starts_with("No payments"));
    for amount in 1..=3 {
        home.ok(&home.at(&node, &format!("send {BOB} {amount}")));
    }
    node.state().states = vec![TxState::Mined, TxState::Pooled];
    let shown = home.json(&history);
    assert_eq!(
        fields(&shown),
        ["address", "chain", "damaged_lines", "more", "name", "node_error", "payments", "proof"]
    );
    assert_eq!(
        fields(&shown["payments"][0]),
        [
            "amount",
            "fee",
            "max_price",
            "memo",
            "nonce",
            "proven",
            "raw",
            "refusal",
            "status",
            "time",
            "to",
            "txid",
            "valid_until"
        ]
    );
    assert_eq!(shown["payments"][0]["amount"], "300000000", "newest first");
    assert_eq!((&shown["payments"][0]["status"]["state"], &shown["more"]), (&json!("mined"), &json!(false)));
    let limited = home.json(&format!("{history} --limit 2"));
    assert_eq!((limited["payments"].as_array().map(Vec::len), &limited["more"]), (Some(2), &json!(true)));

    let alone = format!("--chain local --node {} history", nobody());
    let shown = home.json(&alone);
    assert_eq!((&shown["node_error"]["kind"], &shown["payments"][2]["status"]), (&json!("no_answer"), &json!(null)));
    assert!(home.ok(&alone).contains("no node answered"));

    // A torn last line is no payment and no reason to complain.
    let mut journal = fs::read_to_string(home.journal_file()).expect("there");
    journal.push_str("{\"event\":\"signed\",\"ti");
    fs::write(home.journal_file(), journal).expect("written");
    let shown = home.json(&alone);
    assert_eq!((shown["payments"].as_array().map(Vec::len), &shown["damaged_lines"]), (Some(3), &json!([])));
}

#[test]
fn a_memo_is_shown_inert() {
    let (home, node) = (Home::with_alice(), FakeNode::local());
    let mut command = home.command(&home.at(&node, &format!("send {BOB} 1 --memo")));
    assert!(command.arg("a\u{1b}[31m\nb").output().expect("the wallet runs").status.success());
    let memo = &node.state().submitted.first().map(|sent: &Transaction| sent.body.memo.to_vec());
    assert_eq!(memo.as_deref(), Some(&b"a\x1b[31m\nb"[..]), "what was asked for is what is sent");
    let text = home.ok(&format!("--chain local --node {} history", nobody()));
    assert!(text.contains("a\\u{1b}[31m\\u{a}b") && !text.contains('\u{1b}'), "{text:?}");
}

#[test]
fn a_payment_uri_is_shown_and_paid() {
    let (bob, home, node) = (Home::new(), Home::with_alice(), FakeNode::local());
    bob.ok("--chain local --account 1 restore --words-file @words --kdf-memory-mib 8");
    let shown = bob.json("--chain local receive --amount 1.5 --memo tea --label Bob");
    let uri = shown["uri"].as_str().expect("a URI");
    assert_eq!(uri, format!("cairn:{BOB}?amount=1.5&memo=tea&label=Bob"));
    let text = bob.ok("--chain local receive --amount 1.5");
    assert!(text.contains('\u{2580}') && text.contains("Next: "), "a QR code: {text}");
    let paid = home.ok(&home.at(&node, &format!("send {uri}")));
    assert!(paid.starts_with("The receiver calls itself Bob.\nSent 1.5 CRN"), "{paid}");
    let sent = home.json(&home.at(&node, &format!("send {uri} 1.5 --again")));
    assert_eq!((&sent["memo"], &sent["amount"]), (&json!("tea"), &json!("150000000")), "the same said twice");
    home.fails(&home.at(&node, &format!("send {uri} 2")), 1, "uri_disagrees");
    home.fails(&home.at(&node, &format!("send {uri} --memo coffee")), 1, "uri_disagrees");
    home.fails(&home.at(&node, &format!("send {uri}&fee=1")), 1, "bad_uri");
    home.fails(&home.at(&node, &format!("send cairn:{BOB}")), 1, "no_amount");
    home.fails(&home.at(&node, "send cairn:nobody?amount=1"), 1, "bad_address");
    assert_eq!(bob.run("--chain local receive --label x\u{7}").code, Some(1), "no URI that nobody could read");
}

#[test]
fn a_file_of_receivers_is_one_payment() {
    let (home, node) = (Home::with_alice(), FakeNode::local());
    fs::write(home.path("pay.csv"), format!("address,amount,label\n{BOB},1.5,Bob\n{ALICE},2,me\n")).expect("written");
    let sent = home.json(&home.at(&node, "send --csv @pay.csv"));
    assert_eq!((&sent["amount"], &sent["to"], &sent["size"]), (&json!("350000000"), &json!(BOB), &json!(225)));
    assert_eq!(sent["outputs"], json!([{"to": BOB, "amount": "150000000"}, {"to": ALICE, "amount": "200000000"}]));
    node.state().states = vec![TxState::Pooled];
    assert!(
        home.ok(&home.at(&node, "history")).contains(
            "3.5 CRN\n  to     lcrn1steec5v7mkhymqz4k7zjza9zng5hxg53pu0trgg4ha59vghtzkrs092drp and 1 other\n"
        )
    );
    fs::write(home.path("pay.csv"), format!("{BOB},1.5\n{BOB},2\n")).expect("written");
    assert!(
        home.fails(&home.at(&node, "send --csv @pay.csv"), 1, "bad_csv").contains("line 2 pays the address of line 1")
    );
    home.fails(&home.at(&node, "send --csv @missing.csv"), 1, "file");
    home.fails("send --csv x --unsigned y extra", 2, "usage");
}

#[test]
fn following_a_payment_tells_of_each_step() {
    let (home, node) = (Home::with_alice(), FakeNode::local());
    node.state().states = vec![TxState::Unknown, TxState::Pooled, TxState::Pooled, TxState::Mined];
    let text = home.ok(&home.at(&node, &format!("send {BOB} 1 --wait")));
    assert!(
        text.contains(
            "  not known to the node\n  waiting for a block\n  mined in block 100, 1 confirmation, the node says\n"
        ),
        "{text}"
    );
    node.state().states = vec![TxState::Pooled];
    assert!(
        home.ok(&home.at(&node, &format!("send {BOB} 1 --again --wait=pooled")))
            .contains("waiting until it is in the pool")
    );
    node.state().states = vec![TxState::Mined];
    let shallow =
        home.fails(&home.at(&node, &format!("send {BOB} 1 --again --wait=buried --timeout 1")), 4, "not_mined");
    assert!(shallow.contains("it has 1 of 6 confirmations"), "{shallow}");
}

#[test]
fn why_explains_and_says_what_to_do() {
    let (home, node) = (Home::with_alice(), FakeNode::local());
    let sent = home.json(&home.at(&node, &format!("send {BOB} 1")));
    let txid = sent["txid"].as_str().expect("an id");
    let why = |node: &FakeNode| home.ok(&home.at(node, &format!("why {txid}")));
    assert!(why(&node).contains("the next block may hold it; it may be mined in the next 120 blocks"));
    node.state().states = vec![TxState::Unknown];
    assert!(why(&node).contains(&format!(
        "Next: wallet --chain local --data-dir {} --node {} resend {txid}",
        home.path("data").display(),
        node.url()
    )));
    node.state().height = 220;
    assert!(why(&node).contains("the last blocks may still be replaced, so it is paid anew in its own place"));
    assert!(why(&node).contains(&format!(" bump {txid}")));
    node.state().height = 225;
    assert!(why(&node).contains("it expired: it could be mined until block 220"));
    home.fails(&home.at(&node, &format!("why {}", "ab".repeat(32))), 1, "not_in_journal");
}

/// The attack: a node that lies about nonces or balance. What the dry run finds never reaches the journal.
#[test]
fn the_dry_run_stops_what_the_ledger_would_refuse() {
    let (home, node) = (Home::with_alice(), FakeNode::local());
    home.ok(&home.at(&node, &format!("send {BOB} 1 --unsigned @pay.json")));
    home.ok("--chain local sign @pay.json");
    node.state().nonce = 1;
    home.fails(&home.at(&node, "broadcast @pay.signed.json"), 1, "nonce_used");
    node.state().nonce = 0;
    node.state().height = 217;
    home.fails(&home.at(&node, "broadcast @pay.signed.json"), 1, "too_late");
    node.state().height = 216;
    node.state().balance = "1".parse().expect("an amount");
    home.fails(&home.at(&node, "broadcast @pay.signed.json"), 1, "overdrawn");
    assert!(!home.journal_file().exists() && node.state().submitted.is_empty());
    node.state().balance = "2".parse().expect("an amount");
    home.ok(&home.at(&node, "broadcast @pay.signed.json"));
}

/// The names of the fields of every command's JSON, as programs may count on them.
#[test]
fn json_shapes_are_the_golden_ones() {
    let (home, node) = (Home::with_alice(), FakeNode::local());
    let txid = String::from(home.json(&home.at(&node, &format!("send {BOB} 1")))["txid"].as_str().expect("an id"));
    fs::write(home.path("new"), "correct horse").expect("written");
    fs::write(home.path("in.jsonl"), "").expect("written");
    fs::create_dir(home.path("man")).expect("made");
    let signature = home.json("--chain local sign-message x")["signature"].as_str().map(String::from).expect("signed");
    let lines = [
        String::from("accounts"),
        String::from("address"),
        String::from("balance"),
        format!("bump {txid}"),
        format!("cancel {txid}"),
        String::from("change-password --new-password-file @new --kdf-memory-mib 8"),
        String::from("export-labels @out.jsonl"),
        String::from("faucet --amount 1 --per-day 2 --dry-run"),
        String::from("history"),
        String::from("import-labels @in.jsonl"),
        format!("label {BOB} Bob"),
        String::from("labels"),
        String::from("list"),
        String::from("man @man"),
        String::from("receive --amount 1"),
        String::from("repair"),
        format!("resend {txid}"),
        format!("send {BOB} 1 --again"),
        format!("send {BOB} 1 --again --unsigned @pay.json"),
        String::from("sign @pay.json"),
        String::from("sign-message x"),
        format!("status {txid}"),
        String::from("verify-backup --words-file @words"),
        format!("verify-message {ALICE} {signature} x"),
        format!("--wallet w watch-only {BOB}"),
        format!("why {txid}"),
    ];
    let mut shapes = String::new();
    for line in &lines {
        let shown = home.json(&home.at(&node, line));
        let name = line.split(' ').find(|word| !word.starts_with("--") && *word != "w").unwrap_or_default();
        let name = if line.contains("--unsigned") { "send --unsigned" } else { name };
        shapes.push_str(&format!("{name}: {}\n", fields(&shown).join(" ")));
    }
    assert_eq!(shapes, include_str!("../golden/shapes.txt"), "{shapes}");
    assert!(home.path("man/wallet.1").exists() && home.path("man/wallet-send.1").exists());
}

#[test]
fn completions_are_for_every_shell() {
    let home = Home::new();
    for (shell, said) in [("bash", "_wallet()"), ("zsh", "#compdef wallet"), ("fish", "complete -c wallet")] {
        let script = home.ok(&format!("completions {shell}"));
        assert!(script.contains(said) && script.contains("verify-backup"), "{shell}");
    }
    home.fails("completions tcsh", 2, "usage");
}

#[test]
fn the_screen_needs_a_terminal() {
    let (home, node) = (Home::with_alice(), FakeNode::local());
    assert!(home.fails(&home.at(&node, "watch"), 1, "no_screen").contains(" balance and wallet "));
}

/// Whoever believes a node is not paid twice either: what was mined without its owner having been told is asked about.
#[test]
fn what_a_trusted_node_says_was_paid_is_not_paid_again_unasked() {
    let (home, node) = (Home::with_alice(), FakeNode::local());
    node.state().refusal = Some(RpcError::new(Code::TxPoolFull, "full"));
    let line = home.at(&node, &format!("send {BOB} 1"));
    let refused = home.run(&format!("--json {line}")).json();
    let txid = refused["error"]["txid"].as_str().expect("an id").to_owned();
    node.state().refusal = None;
    home.fails(&line, 1, "payment_open");
    (node.state().nonce, node.state().states) = (1, vec![TxState::Mined]);
    let error = home.fails(&line, 1, "already_paid");
    assert!(error.contains(&txid) && error.contains("--again"), "{error}");
    assert!(node.state().submitted.is_empty());
    // The control: once the owner was told, another payment is another payment.
    assert!(home.ok(&home.at(&node, &format!("why {txid}"))).contains("it is in block 100"));
    assert_eq!(home.json(&line)["nonce"], "1");
}
