//! One payment is paid once, whatever nodes say, and what is shown is so.

use crate::chain::{Chain, write_network};
use crate::harness::{Home, Run};
use crate::node::{Reply, reply};
use crate::scene::{Fields, Net, PAID, Scene, with};
use cairn_ledger::testing::{self, key};
use cairn_rpc::error::{Code, RpcError};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::{fs, net::TcpListener, process::Stdio, thread};

/// What a node answers, whatever it was given.
type Answer = fn() -> Reply;
/// Every way to say no to a payment that was passed on.
fn refusals() -> Vec<(&'static str, Answer)> {
    fn no(code: Code) -> Reply {
        Reply::Answer(Err(RpcError::new(code, "no")))
    }
    vec![
        ("nonce used", || no(Code::TxNonceUsed)),
        ("expired", || no(Code::TxExpired)),
        ("expires soon", || no(Code::TxExpiresSoon)),
        ("fee too low", || no(Code::TxFeeTooLow)),
        ("replacement fee too low", || no(Code::TxReplacementFeeTooLow)),
        ("price above max", || no(Code::TxPriceAboveMax)),
        ("insufficient balance", || no(Code::TxInsufficientBalance)),
        ("unknown sender", || no(Code::TxUnknownSender)),
        ("sender limit", || no(Code::TxSenderLimit)),
        ("nonce gap", || no(Code::TxNonceGap)),
        ("pool full", || no(Code::TxPoolFull)),
        ("bad token", || no(Code::BadToken)),
        ("busy", || no(Code::Busy)),
        ("stopping", || no(Code::Stopping)),
        ("storage", || no(Code::Storage)),
        ("401", || Reply::Status(401, String::from("no"))),
        ("403", || Reply::Status(403, String::from("no"))),
        ("500", || Reply::Status(500, String::from("no"))),
        ("503", || Reply::Status(503, String::new())),
        ("no JSON", || Reply::Status(200, String::from("<html>"))),
        ("another answer", || Reply::Answer(Ok(json!({"ok": true})))),
        ("hangs up", || Reply::HangUp),
    ]
}

/// 22 lies: a node passes a payment on and says that it did not. However often its owner tries again, by whatever
/// command, it is paid once; and afterwards, once it is known, a second one may be made. Each beside the same node
/// telling the truth.
#[test]
fn lie_refused_and_passed_on() {
    let all = refusals();
    assert!(all.len() >= 20);
    for (what, tell) in all {
        let scene = Scene::new();
        let before = scene.net.balance(&scene.bob);
        let node = scene.net.liar(move |method, _| (method == "tx_submit").then(tell));
        let nodes = [&*node.url];
        // The control: the truth.
        let sent = scene.send(&nodes, "");
        assert_eq!((sent.code, &sent.json()["state"]), (Some(0), &json!("pooled")), "{what}: {sent:?}");
        assert_eq!(scene.send(&nodes, "").json()["error"]["kind"], "payment_open", "{what}");
        scene.net.mine();
        assert_eq!((scene.paid(before), node.told()), (1, 0), "{what}");
        // The lie.
        node.lies(true);
        let first = scene.send(&nodes, "");
        assert!(matches!(first.code, Some(1 | 3)), "{what}: {first:?}");
        assert!(node.told() > 0, "{what}: no lie was told");
        let error = first.json()["error"].clone();
        let txid = error["txid"].as_str().unwrap_or_else(|| panic!("{what}: {error}")).to_owned();
        let message = error["message"].as_str().expect("a message");
        assert!(message.contains(&format!("why {txid}")) && !message.contains("send it again"), "{what}: {message}");
        // Tried again before the block, and after it.
        let open = scene.send(&nodes, "").json();
        assert_eq!(open["error"]["kind"], "payment_open", "{what}: {open}");
        assert_eq!(open["error"]["txid"], txid, "{what}");
        scene.run(&nodes, &format!("resend {txid}"));
        scene.net.mine();
        for _ in 0..2 {
            let paid = scene.send(&nodes, "").json();
            assert_eq!(paid["error"]["kind"], "already_paid", "{what}: {paid}");
        }
        scene.net.mine();
        assert_eq!(scene.paid(before), 2, "{what}");
        // The next step of the message tells the truth, and then another payment is another payment.
        let why = scene.run(&nodes, &format!("why {txid}")).json();
        assert_eq!((&why["cause"], &why["proven"]), (&json!("mined"), &json!(true)), "{what}: {why}");
        node.lies(false);
        assert_eq!(scene.send(&nodes, "").code, Some(0), "{what}: the control");
        scene.net.mine();
        assert_eq!(scene.paid(before), 3, "{what}");
    }
}

/// The control: with an honest node, a payment that is mined is no hindrance, and one that waits is asked about.
#[test]
fn an_honest_node_is_paid_through_as_often_as_it_is_asked() {
    let scene = Scene::new();
    let (before, honest) = (scene.net.balance(&scene.bob), scene.net.honest());
    for count in 1..=3 {
        let sent = scene.send(&[&honest], "");
        assert_eq!(sent.code, Some(0), "{sent:?}");
        assert_eq!(scene.send(&[&honest], "").json()["error"]["kind"], "payment_open");
        scene.net.mine();
        assert_eq!(scene.paid(before), count);
    }
    let two = [scene.send(&[&honest], ""), scene.send(&[&honest], "--again")];
    assert!(two.iter().all(|run| run.code == Some(0)), "{two:?}");
    scene.net.mine();
    assert_eq!(scene.paid(before), 5);
}

/// The same lies beside an honest node, whichever is named first: the payment leaves, and is paid once.
#[test]
fn a_liar_beside_an_honest_node_hinders_nothing() {
    for (what, tell) in refusals().into_iter().step_by(5) {
        for liar_first in [true, false] {
            let scene = Scene::new();
            let (before, liar, honest) = (scene.net.balance(&scene.bob), scene.net.relaying(tell), scene.net.honest());
            let nodes = if liar_first { [&*liar, &*honest] } else { [&*honest, &*liar] };
            let sent = scene.send(&nodes, "");
            assert_eq!(sent.code, Some(0), "{what}: {sent:?}");
            scene.net.mine();
            assert_eq!(scene.paid(before), 1, "{what}");
        }
    }
}

/// 16 lies about a payment that waits: none of them ends in the advice to pay again, and none lets it be paid twice.
#[test]
fn lie_about_a_payment_that_waits() {
    let fake = "ab".repeat(32);
    let lies: Vec<(&str, &'static str, Fields)> = vec![
        ("expired", "tx_status", vec![("state", json!("expired"))]),
        ("expired, with a reason", "tx_status", vec![("state", json!("expired")), ("reason", json!("too late"))]),
        ("dropped", "tx_status", vec![("state", json!("dropped")), ("reason", json!("replaced"))]),
        ("unknown", "tx_status", vec![("state", json!("unknown"))]),
        ("mined far above", "tx_status", vec![("state", json!("mined")), ("height", json!(9_999))]),
        ("mined in no block", "tx_status", vec![("state", json!("mined"))]),
        (
            "mined in a block of its own",
            "tx_status",
            vec![("state", json!("mined")), ("height", json!(9)), ("block", json!(fake)), ("confirmations", json!(9))],
        ),
        ("nonce raised", "state_getAccount", vec![("nonce", json!("7"))]),
        ("nonce raised by one", "state_getAccount", vec![("nonce", json!("1")), ("pending.nonce", json!("1"))]),
        ("pending nonce raised", "state_getAccount", vec![("pending.nonce", json!("9"))]),
        ("pending nonce forgotten", "state_getAccount", vec![("pending.nonce", json!("0"))]),
        ("balance gone", "state_getAccount", vec![("balance", json!("0")), ("pending.balance", json!("0"))]),
        ("height raised", "state_getAccount", vec![("height", json!(1_000_000))]),
        ("height raised everywhere", "node_info", vec![("height", json!(1_000_000))]),
        ("fees raised", "mempool_info", vec![("min_fee_rate", json!(900))]),
        (
            "no account",
            "state_getAccount",
            vec![("exists", json!(false)), ("balance", json!("0")), ("nonce", json!("0"))],
        ),
    ];
    assert!(lies.len() >= 16);
    for (what, method, fields) in lies {
        let scene = Scene::new();
        let (before, honest) = (scene.net.balance(&scene.bob), scene.net.honest());
        let node = scene.net.liar(tells(method, fields));
        let txid = scene.send(&[&node.url], "").json()["txid"].as_str().expect("an id").to_owned();
        let asked = |nodes: &[&str]| {
            ["why", "status", "resend"].map(|command| scene.run(nodes, &format!("{command} {txid}")).json())
        };
        // The control: the truth.
        let [why, status, resent] = asked(&[&node.url]);
        assert_eq!((&why["cause"], &why["remedy"]), (&json!("waiting"), &Value::Null), "{what}: {why}");
        assert_eq!((&status["state"], &status["proven"]), (&json!("pooled"), &json!(false)), "{what}: {status}");
        assert_eq!(resent["state"], "pooled", "{what}: {resent}");
        assert_eq!(scene.send(&[&node.url], "").json()["error"]["txid"], txid, "{what}");
        assert_eq!(node.told(), 0, "{what}");
        // The lie.
        node.lies(true);
        for nodes in [vec![&*node.url], vec![&*node.url, &*honest], vec![&*honest, &*node.url]] {
            let [why, status, resent] = asked(&nodes);
            let found_out = why["error"]["kind"] == "node_lies";
            assert!(found_out || why["remedy"] != "send" && why["proven"] == false, "{what}: {why}");
            assert!(status["error"].is_object() || status["proven"] == false, "{what}: {status}");
            assert!(resent["error"].is_object() || resent["proven"] == false, "{what}: {resent}");
            let again = scene.send(&nodes, "").json();
            assert!(again["error"].is_object() && again["txid"].is_null(), "{what}: {again}");
            scene.run(&nodes, "repair");
            // Beside an honest node it may not even be asked.
            assert!(node.told() > 0 || nodes.len() > 1, "{what}: no lie was told");
        }
        scene.net.mine();
        scene.net.mine();
        assert_eq!(scene.paid(before), 1, "{what}");
        node.lies(false);
        let why = scene.run(&[&node.url], &format!("why {txid}")).json();
        assert_eq!((&why["cause"], &why["proven"]), (&json!("mined"), &json!(true)), "{what}: {why}");
    }
}

/// A node that says something else in some fields of its answers to one method.
fn tells(
    asked: &'static str,
    fields: Fields,
) -> impl Fn(&str, &Result<Value, RpcError>) -> Option<Reply> + Send + Sync + 'static {
    move |method, answer| match answer {
        Ok(truth) if method == asked => Some(Reply::Answer(Ok(with(truth.clone(), &fields)))),
        _ => None,
    }
}

/// 14 lies about what was mined and what there is: what is shown is what is proven, or the node is found out; alone,
/// and beside an honest node in both orders. Each beside the same node telling the truth.
#[test]
fn lie_about_what_is_so() {
    let fake = "ab".repeat(32);
    let row = |command, method, fields: Fields, shown| (command, method, fields, shown);
    let lies: Vec<(&str, &'static str, Fields, &str)> = vec![
        row("balance", "state_getAccount", vec![("balance", json!("99999999999"))], "/balance"),
        row("balance", "state_getAccount", vec![("balance", json!("99999999999"))], "/newest/balance"),
        row("balance", "state_getAccount", vec![("nonce", json!("44"))], "/nonce"),
        row("balance", "node_info", vec![("height", json!(1_000_000))], "/newest/height"),
        row("accounts", "state_getAccount", vec![("balance", json!("99999999999"))], "/accounts/0/balance"),
        row("", "state_getAccount", vec![("balance", json!("99999999999"))], "/balance"),
        row("", "node_info", vec![("height", json!(1_000_000))], "/height"),
        row("status TXID", "tx_status", vec![("confirmations", json!(9_999))], "/confirmations"),
        row("status TXID", "tx_status", vec![("height", json!(3))], "/height"),
        row("status TXID", "tx_status", vec![("block", json!(fake))], "/block"),
        row("why TXID", "tx_status", vec![("confirmations", json!(9_999))], "/explanation"),
        row("resend TXID", "tx_status", vec![("confirmations", json!(9_999))], "/confirmations"),
        row("history", "tx_status", vec![("confirmations", json!(9_999))], "/payments/0/status/confirmations"),
        row("history", "tx_status", vec![("block", json!(fake))], "/payments/0/status/block"),
    ];
    let scene = Scene::new();
    let honest = scene.net.honest();
    let txid = scene.send(&[&honest], "").json()["txid"].as_str().expect("an id").to_owned();
    (0..3).for_each(|_| scene.net.mine());
    for (command, method, fields, shown) in lies {
        let what = format!("{command} {method} {shown}");
        let node = scene.net.liar(tells(method, fields));
        let ask = |nodes: &[&str]| scene.run(nodes, &command.replace("TXID", &txid)).json();
        let truth = ask(&[&honest]).pointer(shown).cloned().unwrap_or_default();
        assert!(!truth.is_null(), "{what}");
        assert_eq!((ask(&[&node.url]).pointer(shown), node.told()), (Some(&truth), 0), "{what}: the control");
        node.lies(true);
        for nodes in [vec![&*node.url], vec![&*node.url, &*honest], vec![&*honest, &*node.url]] {
            let said = ask(&nodes);
            let held = said.pointer(shown).is_none_or(|it| it.is_null() || *it == truth);
            assert!(held, "{what} {}: {said}, and not {truth}", nodes.len());
            assert!(
                nodes.len() == 1 || said.pointer(shown) == Some(&truth),
                "{what}: an honest node was asked: {said}"
            );
        }
        assert!(node.told() > 0, "{what}: no lie was told");
    }
}

/// An honest node, and a block between two questions: the payment is found in it, and nobody is told to pay again.
#[test]
fn a_block_between_two_questions_changes_no_advice() {
    for asked in ["tx_status", "state_getAccount", "state_getProof", "mempool_info", "chain_tip", "chain_getProof"] {
        let scene = Scene::new();
        let (before, honest, net) = (scene.net.balance(&scene.bob), scene.net.honest(), scene.net.clone());
        let txid = scene.send(&[&honest], "").json()["txid"].as_str().expect("an id").to_owned();
        let moving = scene.net.serve(Arc::new(move |method, answer| {
            if method == asked {
                net.mine();
            }
            Reply::Answer(answer)
        }));
        let why = scene.run(&[&moving], &format!("why {txid}")).json();
        assert!(why["error"].is_object() || why["remedy"] != "send", "{asked}: {why}");
        scene.net.mine();
        let mined = scene.run(&[&honest], &format!("status {txid}")).json();
        assert_eq!(mined["state"], "mined", "{asked}: {mined}");
        assert_eq!(scene.paid(before), 1, "{asked}");
    }
}

/// Sent twice as a file, by two people: the second is told that it is in a block, and nothing else happens.
#[test]
fn broadcast_of_what_is_mined_says_so() {
    let scene = Scene::new();
    let (before, honest) = (scene.net.balance(&scene.bob), scene.net.honest());
    scene.home.ok(&scene.line(&[&honest], &format!("send {} 1 --unsigned @pay.json", scene.to)));
    scene.home.ok("--chain @easy.toml sign @pay.json");
    let first = scene.run(&[&honest], "broadcast @pay.signed.json");
    assert_eq!((first.code, &first.json()["state"]), (Some(0), &json!("pooled")), "{first:?}");
    scene.net.mine();
    let second = scene.run(&[&honest], "broadcast @pay.signed.json");
    assert_eq!((second.code, &second.json()["state"]), (Some(0), &json!("mined")), "{second:?}");
    assert_eq!(second.json()["proven"], true);
    assert_eq!(scene.paid(before), 1);
}

/// Proven impossible, and only then: the next payment takes the same place.
#[test]
fn what_expired_by_proof_may_be_paid_anew() {
    let scene = Scene::new();
    let (before, honest) = (scene.net.balance(&scene.bob), scene.net.honest());
    let txid = scene.send(&[&honest], "--valid-for 4").json()["txid"].as_str().expect("an id").to_owned();
    scene.net.pool.lock().expect("no test thread failed").clear();
    (0..3).for_each(|_| scene.net.mine());
    assert_eq!(scene.send(&[&honest], "").json()["error"]["kind"], "payment_open", "one block is left");
    scene.net.mine();
    let why = |txid: &str| {
        let why = scene.run(&[&honest], &format!("why {txid}")).json();
        (why["cause"].clone(), why["remedy"].clone(), why["proven"].clone())
    };
    assert_eq!(why(&txid), (json!("expiring"), json!("bump"), json!(false)), "the last blocks may be replaced");
    (0..5).for_each(|_| scene.net.mine());
    assert_eq!(why(&txid), (json!("expired"), json!("send"), json!(true)));
    let sent = scene.send(&[&honest], "").json();
    assert_eq!(sent["nonce"], "0", "{sent}");
    // The one in its place pays the same: nobody is told to pay a third time.
    assert_eq!(why(&txid), (json!("expired"), json!("why"), json!(true)));
    scene.net.mine();
    assert_eq!(scene.paid(before), 1);
    assert_eq!(why(&txid), (json!("paid_instead"), Value::Null, json!(false)));
    (0..5).for_each(|_| scene.net.mine());
    assert_eq!(why(&txid), (json!("paid_instead"), Value::Null, json!(true)));
}

/// What has just expired takes its own place at once, for that needs no proof.
#[test]
fn what_is_paid_anew_at_its_last_block_takes_its_own_place() {
    let scene = Scene::new();
    let (before, honest) = (scene.net.balance(&scene.bob), scene.net.honest());
    let txid = scene.send(&[&honest], "--valid-for 4").json()["txid"].as_str().expect("an id").to_owned();
    let old = scene.net.pool.lock().expect("no test thread failed").remove(0);
    let fork = scene.net.chain().clone();
    (0..4).for_each(|_| scene.net.mine());
    let sent = scene.send(&[&honest], "").json();
    assert_eq!((&sent["nonce"], &sent["replaces"]), (&json!("0"), &json!([txid])), "{sent}");
    // A branch in which the first is mined after all: the second never is.
    *scene.net.chain() = fork;
    scene.net.chain().mine(vec![old], 2_001);
    (0..6).for_each(|_| scene.net.mine());
    assert_eq!(scene.paid(before), 1);
    let why = scene.run(&[&honest], &format!("why {}", sent["txid"].as_str().expect("an id"))).json();
    assert_eq!((&why["cause"], &why["remedy"]), (&json!("paid_instead"), &Value::Null), "{why}");
}

/// The last blocks give way to others: what was proven to be in them is open again, is never paid twice, and its owner
/// is told what to do.
#[test]
fn what_leaves_the_chain_is_open_again_and_paid_once() {
    let scene = Scene::new();
    let (before, honest) = (scene.net.balance(&scene.bob), scene.net.honest());
    let fork = scene.net.chain().clone();
    let txid = scene.send(&[&honest], "").json()["txid"].as_str().expect("an id").to_owned();
    scene.net.mine();
    let status = || scene.run(&[&honest], &format!("status {txid}")).json();
    let shown = status();
    assert_eq!((&shown["state"], &shown["proven"]), (&json!("mined"), &json!(true)), "{shown}");
    // Two blocks with more work, and without it.
    *scene.net.chain() = fork;
    scene.net.chain().mine(Vec::new(), 2_001);
    scene.net.mine();
    assert_eq!(scene.paid(before), 0);
    let shown = status();
    assert_eq!((&shown["state"], &shown["proven"]), (&json!("unknown"), &json!(false)), "{shown}");
    let why = scene.run(&[&honest], &format!("why {txid}")).json();
    assert_eq!((&why["cause"], &why["remedy"], &why["proven"]), (&json!("absent"), &json!("resend"), &json!(false)));
    let again = scene.send(&[&honest], "").json();
    assert_eq!((&again["error"]["kind"], &again["error"]["txid"]), (&json!("payment_open"), &json!(txid)), "{again}");
    assert_eq!(scene.run(&[&honest], &format!("resend {txid}")).code, Some(0));
    scene.net.mine();
    assert_eq!((scene.paid(before), &status()["state"]), (1, &json!("mined")));
    assert_eq!(scene.send(&[&honest], "").code, Some(0), "the control: another payment is another payment");
}

/// A payment of another wallet with the same words took the place: the blocks themselves prove it, whatever the node
/// says of payments; and what it hides is found in them, too.
#[test]
fn what_used_a_nonce_is_read_from_the_blocks() {
    let scene = Scene::new();
    let (before, honest) = (scene.net.balance(&scene.bob), scene.net.honest());
    let txid = scene.send(&[&honest], "").json()["txid"].as_str().expect("an id").to_owned();
    let other = Home::new();
    write_network(&other, scene.net.chain().spec());
    other.json("--chain @easy.toml restore --words-file @words --kdf-memory-mib 8");
    scene.net.pool.lock().expect("no test thread failed").clear();
    let rival = other.json(&scene.line(&[&honest], &format!("send {} 3", scene.to)));
    assert_eq!(rival["nonce"], "0");
    let fork = scene.net.chain().clone();
    let old = scene.journalled(&txid);
    scene.net.mine();
    // One block's word: it may still be the first that is mined.
    let why = scene.run(&[&honest], &format!("why {txid}")).json();
    assert_eq!((&why["cause"], &why["remedy"], &why["proven"]), (&json!("overtaken"), &json!("why"), &json!(false)));
    assert_eq!(scene.send(&[&honest], "").json()["error"]["kind"], "payment_open");
    let branch = std::mem::replace(&mut *scene.net.chain(), fork);
    scene.net.chain().mine(vec![old], 2_001);
    scene.net.mine();
    let why = scene.run(&[&honest], &format!("why {txid}")).json();
    assert_eq!((&why["cause"], &why["proven"], scene.paid(before)), (&json!("mined"), &json!(true), 1), "{why}");
    // The other branch again, and so many blocks that it stays.
    *scene.net.chain() = branch;
    (0..5).for_each(|_| scene.net.mine());
    let why = scene.run(&[&honest], &format!("why {txid}")).json();
    assert_eq!((&why["cause"], &why["remedy"]), (&json!("nonce_used"), &json!("send")), "{why}");
    assert!(why["explanation"].as_str().is_some_and(|said| said.contains(rival["txid"].as_str().expect("an id"))));
    let sent = scene.send(&[&honest], "").json();
    assert_eq!(sent["nonce"], "1", "{sent}");
    scene.net.mine();
    assert_eq!(scene.paid(before), 4);
    // A node that hides that a payment was mined, and gives the blocks.
    let hiding = scene.net.lying("tx_status", |answer| with(answer, &[("state", json!("unknown"))]));
    let txid = sent["txid"].as_str().expect("an id");
    let why = scene.run(&[&hiding], &format!("why {txid}")).json();
    assert_eq!((&why["cause"], &why["proven"]), (&json!("mined"), &json!(true)), "{why}");
    // One that hides the blocks, too: it is not known, and nobody is told to pay again.
    let mute = scene.net.serve(Arc::new(|method, answer| match (method, answer) {
        ("tx_status", Ok(truth)) => Reply::Answer(Ok(with(truth, &[("state", json!("unknown"))]))),
        ("chain_getRawBlock", _) => Reply::Answer(Err(RpcError::new(Code::BlockNotFound, "no"))),
        ("state_getHistory", _) => Reply::Answer(Err(RpcError::new(Code::IndexOff, "no"))),
        (_, answer) => Reply::Answer(answer),
    }));
    let why = scene.run(&[&mute], &format!("why {txid}")).json();
    let said = (&why["cause"], &why["remedy"], &why["proven"]);
    assert_eq!(said, (&json!("nonce_unproven"), &json!("why"), &json!(false)), "{why}");
}

/// A node that raises its height cannot make a payment live longer than its owner asked for.
#[test]
fn lie_height_cannot_stretch_a_payment() {
    let scene = Scene::new();
    let tip = scene.net.chain().headers.tip.header().height.get();
    for method in ["node_info", "state_getAccount"] {
        let liar = scene.net.lying(method, |answer| with(answer, &[("height", json!(1_000_000_000_u64))]));
        let sent = scene.send(&[&liar], "--again").json();
        assert_eq!(sent["valid_until"], tip + 120, "{method}: {sent}");
    }
    assert_eq!(scene.send(&[&scene.net.honest()], "--again").json()["valid_until"], tip + 120, "the control");
}

#[test]
fn lie_fee_is_bounded() {
    let scene = Scene::new();
    let fees =
        |rate: u64| scene.net.lying("mempool_info", move |answer| with(answer, &[("min_fee_rate", json!(rate))]));
    let (dear, absurd, honest) = (fees(1_000), fees(1_001), scene.net.honest());
    assert_eq!(scene.send(&[&absurd], "").json()["error"]["kind"], "fee_rate_too_high");
    assert_eq!(scene.send(&[&dear], "--max-fee 0.001").json()["error"]["kind"], "fee_too_high");
    assert_eq!(scene.send(&[&honest], "--fee 0.2").json()["error"]["kind"], "fee_too_high");
    let sent = scene.send(&[&dear, &honest], "").json();
    assert!(sent["fee"].as_str().is_some_and(|fee| fee.len() < 4), "the honest node's fee: {sent}");
    assert!(!scene.journal().is_empty());
}

/// Whatever a node says, in whatever field, moves no cursor, hides nothing, and is short.
#[test]
fn lie_in_words_is_inert_and_short() {
    let poison = format!("\u{1b}[2J\u{202e}{}", "x\u{9b}".repeat(200_000));
    let places: Vec<(&'static str, Fields)> = vec![
        ("node_info", vec![("sync.reason", json!(poison)), ("sync.phase", json!("stalled"))]),
        ("node_info", vec![("rules_notice", json!(poison)), ("outdated", json!(true))]),
        ("node_info", vec![("chain", json!(poison)), ("genesis_id", json!("ab".repeat(32)))]),
        ("node_info", vec![("version", json!(poison)), ("peer_id", json!(poison))]),
        ("tx_status", vec![("state", json!("dropped")), ("reason", json!(poison))]),
        ("state_getAccount", vec![("address", json!(poison))]),
        ("tx_status", vec![("state", json!(poison))]),
    ];
    for (method, fields) in places {
        let scene = Scene::new();
        let honest = scene.net.honest();
        let txid = scene.send(&[&honest], "").json()["txid"].as_str().expect("an id").to_owned();
        let liar = scene.net.lying(method, move |answer| with(answer, &fields));
        for command in [&format!("why {txid}"), &format!("status {txid}"), "balance", "history", "", "accounts"] {
            let run = scene.home.run(&scene.line(&[&liar], command));
            for said in [&run.out, &run.err] {
                let clean = !said.contains(['\u{1b}', '\u{202e}', '\u{9b}']);
                assert!(clean && said.len() < 40_000, "{method} {command}: {} bytes", said.len());
            }
        }
    }
    // A refusal that is told again and again is kept in short.
    let scene = Scene::new();
    let long = "\u{1b}x".repeat(500_000);
    let liar = scene.net.relaying(move || Reply::Answer(Err(RpcError::new(Code::TxPoolFull, long.clone()))));
    let txid = scene.send(&[&liar], "").json()["error"]["txid"].as_str().expect("an id").to_owned();
    for _ in 0..3 {
        let run = scene.home.run(&scene.line(&[&liar], &format!("resend {txid}")));
        assert!(run.err.len() < 8_000 && !run.err.contains('\u{1b}'), "{}", run.err.len());
    }
    assert!(scene.journal().len() < 8_000, "{}", scene.journal().len());
    assert_eq!(scene.run(&[&scene.net.honest()], "history").json()["payments"][0]["txid"], txid, "and can be read");
}

/// Balances of accounts are proven; a claim is found out.
#[test]
fn lie_about_accounts_is_found_out() {
    let scene = Scene::new();
    let liar = scene.net.lying("state_getAccount", |answer| with(answer, &[("balance", json!("99999999999"))]));
    let shown = scene.run(&[&liar], "accounts").json();
    assert!(shown["accounts"][0]["balance"].is_null() && shown["balances"] == false, "{shown}");
    let honest = scene.net.honest();
    for nodes in [vec![&*honest], vec![&*liar, &*honest]] {
        let shown = scene.run(&nodes, "accounts").json();
        assert_eq!(shown["accounts"][0]["balance"], PAID.to_string(), "{shown}");
        assert!(shown["proof"].is_object(), "{shown}");
    }
}

/// Old money is no news: a node that first shows an older chain than was proven, and then the known one.
#[test]
fn lie_old_money_is_not_received() {
    let scene = Scene::new();
    let honest = scene.net.honest();
    assert_eq!(scene.run(&[&honest], "balance").json()["balance"], PAID.to_string());
    // The same network before the wallet was paid.
    let spec = scene.net.chain().spec().clone();
    let mut old = Chain::new(spec.clone());
    old.grow(5);
    let old = Net { chain: Arc::new(Mutex::new(old)), pool: Arc::new(Mutex::new(Vec::new())) };
    let (asked, net) = (Arc::new(Mutex::new(0)), scene.net.clone());
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = |request: &Value| {
                let mut looks = asked.lock().expect("no test thread failed");
                *looks += u32::from(request["method"] == "node_info");
                let shown = if *looks <= 2 { &old } else { &net };
                Reply::Answer(shown.answer(request))
            };
            let _gone = reply(&stream, &answer);
        }
    });
    let waited = scene.run(&[&url], "receive --wait --timeout 4");
    assert_eq!((waited.code, &waited.json()["error"]["kind"]), (Some(4), &json!("not_received")), "{waited:?}");
    // The control: money that comes while it waits.
    let address = spec.params().prefix.decode(scene.home.ok("--chain @easy.toml address").trim()).expect("an address");
    let (net, looks) = (scene.net.clone(), Mutex::new(0));
    let paying = scene.net.serve(Arc::new(move |method, answer| {
        let mut looks = looks.lock().expect("no test thread failed");
        *looks += u32::from(method == "node_info");
        if method == "node_info" && *looks == 2 {
            let mut chain = net.chain();
            let nonce = chain.state().nonce(&key(1).address());
            chain.mine(vec![testing::payment(&spec, &key(1), nonce, address, 500, 1_000)], 2_000);
        }
        Reply::Answer(answer)
    }));
    let came = scene.run(&[&paying], "receive --wait --timeout 20");
    assert_eq!((came.code, &came.json()["received"]["amount"]), (Some(0), &json!("500")), "{came:?}");
}

/// A node that drips: the whole command has a bound, however many questions it asks.
#[test]
fn a_whole_command_has_a_time_bound() {
    let scene = Scene::new();
    let slow = scene.net.serve(Arc::new(|_, answer| {
        // The attack itself: each answer comes just in time.
        thread::sleep(std::time::Duration::from_millis(700));
        Reply::Answer(answer)
    }));
    let began = std::time::Instant::now();
    let run = scene.run(&[&slow], "--max-time 2 balance");
    assert_eq!((run.code, &run.json()["error"]["kind"]), (Some(3), &json!("no_answer")), "{run:?}");
    assert!(run.out.contains("--max-time"), "{run:?}");
    assert!(began.elapsed().as_secs() < 15, "{:?}", began.elapsed());
    assert_eq!(scene.run(&[&scene.net.honest()], "--max-time 60 balance").code, Some(0), "the control");
}

/// Nobody takes the news: the exit code says that it was sent, and the journal has it.
#[test]
fn a_payment_whose_news_nobody_takes_is_told_by_the_exit_code() {
    let scene = Scene::new();
    let (before, honest) = (scene.net.balance(&scene.bob), scene.net.honest());
    for json in ["", "--json "] {
        if !json.is_empty() {
            let asked = scene.send(&[&honest], "--again").json();
            assert_eq!(asked["error"]["kind"], "payment_open", "nobody agreed to what nobody was told of");
        }
        let mut command = scene.home.command(&scene.line(&[&honest], &format!("{json}send {} 1 --again", scene.to)));
        let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
        let run = Run::of(command.stdout(full).output().expect("the wallet runs"));
        assert_eq!(run.code, Some(5), "{run:?}");
        if json.is_empty() {
            assert!(run.err.contains("was sent") && run.err.contains(" status "), "{run:?}");
        }
    }
    assert_eq!(scene.send(&[&honest], "").json()["error"]["kind"], "payment_open");
    scene.net.mine();
    assert_eq!(scene.paid(before), 2);
    assert_eq!(scene.send(&[&honest], "").json()["error"]["kind"], "already_paid", "nobody was told");
}

/// The signer of a file on a machine without a network reads all that it signs, in words.
#[test]
fn the_offline_signer_sees_nonce_last_block_fee_and_rate() {
    let scene = Scene::new();
    let honest = scene.net.honest();
    let unsigned = format!("send {} 1 --memo tea --unsigned", scene.to);
    scene.home.ok(&scene.line(&[&honest], &format!("{unsigned} @pay.json")));
    let shown = scene.home.run("--chain @easy.toml sign @pay.json");
    for said in [
        "nonce        0: it is mined after the sender's 0 earlier payments",
        "pebbles for each of its",
        "last block   ",
    ] {
        assert!(shown.out.contains(said), "{said}: {shown:?}");
    }
    assert!(!shown.err.contains("far above"), "{shown:?}");
    scene.home.ok(&scene.line(&[&honest], &format!("{unsigned} @dear.json --fee 2 --max-fee 2 --again")));
    let shown = scene.home.run("--chain @easy.toml sign @dear.json");
    assert!(shown.err.contains("the fee is far above what payments need"), "{shown:?}");
}

/// Two commands that change a wallet at once: a new password stays, and so does a new account.
#[test]
fn what_changes_a_wallet_takes_turns() {
    let home = Home::with_alice();
    fs::write(home.path("new"), "battery staple\n").expect("written");
    let lines = [
        "--chain local accounts add --number 5",
        "--chain local change-password --new-password-file @new --kdf-memory-mib 8",
        "--chain local accounts add --number 6",
    ];
    let children: Vec<_> =
        lines.iter().map(|line| home.command(line).stdout(Stdio::null()).spawn().expect("runs")).collect();
    let codes: Vec<_> = children.into_iter().map(|mut child| child.wait().expect("over").code()).collect();
    assert_eq!(codes[1], Some(0), "{codes:?}");
    // Whatever came after the new password failed for the old one; whatever came before is there.
    fs::write(home.path("password"), "battery staple\n").expect("written");
    home.ok("--chain local sign-message x");
    let numbers = home.run("--json --chain local --node http://127.0.0.1:9 accounts").json();
    let numbers: Vec<u64> =
        numbers["accounts"].as_array().expect("a list").iter().filter_map(|it| it["account"].as_u64()).collect();
    for (number, code) in [(5, codes[0]), (6, codes[2])] {
        assert_eq!(numbers.contains(&number), code == Some(0), "{numbers:?} {codes:?}");
    }
    // Labels, too: none is lost.
    let labels: Vec<_> = (0..6)
        .map(|n| {
            let line = format!("--chain local label {} l{n}", format!("{n:02}").repeat(32));
            home.command(&line).stdout(Stdio::null()).spawn().expect("runs")
        })
        .collect();
    assert!(labels.into_iter().all(|mut child| child.wait().expect("over").success()));
    assert_eq!(home.json("--chain local labels")["labels"].as_array().map(Vec::len), Some(6));
}

/// A receipt says how much work stands above it and in all, and when it is old or behind what is known.
#[test]
fn a_receipt_says_what_it_weighs_and_how_old_it_is() {
    let scene = Scene::new();
    let honest = scene.net.honest();
    let txid = scene.send(&[&honest], "").json()["txid"].as_str().expect("an id").to_owned();
    scene.net.mine();
    let receipt = scene.home.ok(&scene.line(&[&honest], &format!("receipt {txid}")));
    fs::write(scene.home.path("receipt"), &receipt).expect("written");
    let text = scene.home.ok("--chain @easy.toml verify-receipt @receipt");
    assert!(text.contains("hashes of work in all, its newest block ") && text.contains("under "), "{text}");
    assert!(!text.contains("less work than") && !text.contains("It is old"), "the control: {text}");
    (0..3).for_each(|_| scene.net.mine());
    scene.home.ok(&scene.line(&[&honest], "balance"));
    let text = scene.home.ok("--chain @easy.toml verify-receipt @receipt");
    assert!(text.contains("less work than this wallet has proven"), "{text}");
    let shown = scene.home.json("--chain @easy.toml verify-receipt @receipt");
    assert_eq!((&shown["newer_seen"], &shown["old"]), (&json!(true), &json!(false)), "{shown}");
}

/// A line of the journal that cannot be read may hold a payment that is open: nothing like it is paid unasked, and its
/// owner is told what to do.
#[test]
fn a_damaged_journal_pays_nothing_unasked_and_says_what_to_do() {
    let scene = Scene::new();
    let (before, honest) = (scene.net.balance(&scene.bob), scene.net.honest());
    let txid = scene.send(&[&honest], "").json()["txid"].as_str().expect("an id").to_owned();
    let whole = scene.journal();
    assert_eq!(scene.send(&[&honest], "").json()["error"]["kind"], "payment_open", "the control");
    let raw = whole.find("\"raw\":\"").expect("there") + 100;
    let digit = if &whole[raw..=raw] == "0" { "1" } else { "0" };
    for damaged in [format!("{}{digit}{}", &whole[..raw], &whole[raw + 1..]), whole.replacen("\"txid\"", "\"tx\"", 1)] {
        fs::write(scene.home.journal_file(), &damaged).expect("written");
        let refused = scene.send(&[&honest], "").json();
        assert_eq!(refused["error"]["kind"], "journal_damaged", "{refused}");
        let said = refused["error"]["message"].as_str().expect("a message");
        let file = scene.home.journal_file().display().to_string();
        assert!(said.contains(&format!("sed -n LINEp {file}")) && said.contains("--again"), "{said}");
        let history = scene.run(&[&honest], "history").json();
        assert_eq!(history["damaged_lines"], json!([1]), "{history}");
        assert_eq!(scene.journal(), damaged, "nothing of it is lost");
    }
    fs::write(scene.home.journal_file(), &whole).expect("written");
    scene.net.mine();
    let why = scene.run(&[&honest], &format!("why {txid}")).json();
    assert_eq!((&why["cause"], scene.paid(before)), (&json!("mined"), 1), "brought back from a backup: {why}");
}

/// A journal from before refusals were kept in short.
#[test]
fn a_journal_with_a_huge_refusal_is_read_by_every_command() {
    let scene = Scene::new();
    let honest = scene.net.honest();
    let txid = scene.send(&[&honest], "").json()["txid"].as_str().expect("an id").to_owned();
    let refusal = format!(
        "{{\"event\":\"refused\",\"time\":1,\"txid\":\"{txid}\",\"code\":3023,\"message\":\"{}\"}}\n",
        "x".repeat(300 << 20)
    );
    let mut file = fs::OpenOptions::new().append(true).open(scene.home.journal_file()).expect("there");
    std::io::Write::write_all(&mut file, refusal.as_bytes()).expect("written");
    for command in ["history", "", &format!("status {txid}"), &format!("why {txid}"), &format!("resend {txid}")] {
        let run = scene.run(&[&honest], command);
        assert!(run.code == Some(0) && run.out.len() < 10_000, "{command}: {:?} {}", run.code, run.out.len());
    }
    assert_eq!(scene.send(&[&honest], "").json()["error"]["txid"], txid, "the payment is known");
    scene.net.mine();
    assert_eq!(scene.send(&[&honest], "").code, Some(0));
    // What is written after it is found there.
    let history = scene.run(&[&honest], "history").json();
    assert_eq!(history["payments"].as_array().map(Vec::len), Some(2), "{history}");
    assert_eq!(history["damaged_lines"], json!([]), "{history}");
}

/// Where nothing is proven, no proof is shown.
#[test]
fn a_history_that_is_a_nodes_word_shows_no_proof() {
    let scene = Scene::new();
    let honest = scene.net.honest();
    scene.send(&[&honest], "");
    let history = || scene.home.ok(&scene.line(&[&honest], "history"));
    let text = history();
    assert!(text.contains("waiting for a block, the node says") && !text.contains("roven"), "{text}");
    scene.net.mine();
    let text = history();
    assert!(text.contains("1 confirmation, proven") && text.contains("\nProven by "), "the control: {text}");
}
