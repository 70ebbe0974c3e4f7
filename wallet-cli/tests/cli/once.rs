//! One payment is paid once: a network with a chain and a pool, whose nodes prove what is so and say what a test wants.

use crate::{
    chain::{Chain, json, network, write_network},
    harness::{Home, Run},
    node::{Reply, reply},
};
use cairn_ledger::{
    keys::Address,
    testing::{self, key},
    transaction::Transaction,
};
use cairn_rpc::{
    error::{Code, RpcError},
    text::{HexBytes, Text},
    types::{MempoolInfo, Submitted, TxState, TxStatus},
};
use serde_json::{Value, json};
use std::{
    fs,
    net::TcpListener,
    process::Stdio,
    sync::{Arc, Mutex, MutexGuard},
    thread,
};

/// What a node makes of its true answer: the method, and the answer.
type Trick = Arc<dyn Fn(&str, Result<Value, RpcError>) -> Reply + Send + Sync>;

/// What the wallet has at first, in pebbles.
const PAID: u64 = 1_250_000_000;

/// The chain and the pool that all nodes share, whatever each says.
#[derive(Clone)]
struct Net {
    chain: Arc<Mutex<Chain>>,
    pool: Arc<Mutex<Vec<Transaction>>>,
}

/// A wallet with money on a network of its own, and somebody to pay.
struct Scene {
    home: Home,
    net: Net,
    bob: Address,
    to: String,
}

impl Scene {
    fn new() -> Self {
        let home = Home::new();
        let spec = network(400_000);
        write_network(&home, &spec);
        let made = home.json("--chain @easy.toml restore --words-file @words --kdf-memory-mib 8");
        let address = spec.params().prefix.decode(made["address"].as_str().expect("an address")).expect("an address");
        let bob = key(2).address();
        let to = spec.params().prefix.encode(&bob);
        let mut chain = Chain::new(spec);
        chain.grow(5);
        chain.mine(vec![chain.pay(address, PAID)], 2_000);
        chain.grow(10);
        let net = Net { chain: Arc::new(Mutex::new(chain)), pool: Arc::new(Mutex::new(Vec::new())) };
        Self { home, net, bob, to }
    }

    fn line(&self, nodes: &[&str], command: &str) -> String {
        let nodes: String = nodes.iter().map(|node| format!("--node {node} ")).collect();
        format!("--chain @easy.toml {nodes}{command}")
    }

    /// A run with `--json`.
    fn run(&self, nodes: &[&str], command: &str) -> Run {
        self.home.run(&format!("--json {}", self.line(nodes, command)))
    }

    fn send(&self, nodes: &[&str], more: &str) -> Run {
        self.run(nodes, &format!("send {} 1 {more}", self.to))
    }

    /// What Bob was paid since the beginning, in CRN.
    fn paid(&self, before: u64) -> u64 {
        (self.net.balance(&self.bob) - before) / 100_000_000
    }

    fn journal(&self) -> String {
        fs::read_to_string(self.home.journal_file()).expect("a journal")
    }
}

impl Net {
    fn chain(&self) -> MutexGuard<'_, Chain> {
        self.chain.lock().expect("no test thread failed")
    }

    fn balance(&self, address: &Address) -> u64 {
        self.chain().state().balance(address).pebbles()
    }

    /// A block with everything of the pool that fits; the rest is forgotten.
    fn mine(&self) {
        let pooled = std::mem::take(&mut *self.pool.lock().expect("no test thread failed"));
        let mut chain = self.chain();
        let height = chain.headers.tip.header().height.get() + 1;
        let mut fitting: Vec<Transaction> = Vec::new();
        for transaction in pooled {
            let body = &transaction.body;
            let before = fitting.iter().filter(|other| other.body.sender == body.sender).count() as u64;
            let next = chain.state().nonce(&body.sender) + before;
            if body.nonce == next && (body.valid_until.get() == 0 || body.valid_until.get() >= height) {
                fitting.push(transaction);
            }
        }
        chain.mine(fitting, 2_000);
    }

    /// The true answer, with a pool.
    fn answer(&self, request: &Value) -> Result<Value, RpcError> {
        let mut pool = self.pool.lock().expect("no test thread failed");
        let chain = self.chain();
        let parameter = request["params"][0].clone();
        match request["method"].as_str().expect("a method") {
            "mempool_info" => {
                let min_fee_rate = 1;
                Ok(json(MempoolInfo { count: 0, bytes: 0, max_count: 1, max_bytes: 1, senders: 0, min_fee_rate }))
            }
            "tx_submit" => {
                let HexBytes(raw) = serde_json::from_value(parameter).expect("hex");
                let transaction = Transaction::from_bytes(&raw)?;
                let txid = Text(transaction.id());
                if transaction.body.nonce < chain.state().nonce(&transaction.body.sender) {
                    let mined = chain.status(txid).state == TxState::Mined;
                    let code = if mined { Code::TxAlreadyMined } else { Code::TxNonceUsed };
                    return Err(RpcError::new(code, "its nonce is used"));
                }
                if !pool.contains(&transaction) {
                    // As a pool does: one in the place of another.
                    pool.retain(|other| {
                        (other.body.sender, other.body.nonce) != (transaction.body.sender, transaction.body.nonce)
                    });
                    pool.push(transaction);
                }
                Ok(json(Submitted { txid }))
            }
            "tx_status" => {
                let txid: Text<_> = serde_json::from_value(parameter).expect("an id");
                let status = chain.status(txid);
                let pooled = pool.iter().any(|pooled| pooled.id() == txid.0);
                let waits = status.state != TxState::Mined && pooled;
                Ok(json(if waits { TxStatus { state: TxState::Pooled, ..status } } else { status }))
            }
            "state_getAccount" => {
                let shown = parameter.as_str().expect("an address");
                let address = chain.spec().params().prefix.decode(shown)?;
                let mut account = chain.account(shown);
                let own = pool.iter().filter(|pooled| pooled.body.sender == address);
                account.pending.count = own.count() as u64;
                account.pending.nonce = Text(account.nonce.0 + account.pending.count);
                Ok(json(account))
            }
            _ => chain.answer(request),
        }
    }

    fn serve(&self, trick: Trick) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let net = self.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answer = |request: &Value| {
                    let method = request["method"].as_str().expect("a method");
                    trick(method, net.answer(request))
                };
                // A client that goes away is no concern of ours.
                let _gone = reply(&stream, &answer);
            }
        });
        url
    }

    fn honest(&self) -> String {
        self.serve(Arc::new(|_, answer| Reply::Answer(answer)))
    }

    /// A node that lies in its answers to one method.
    fn lying(&self, asked: &'static str, tell: impl Fn(Value) -> Value + Send + Sync + 'static) -> String {
        self.serve(Arc::new(move |method, answer| match answer {
            Ok(truth) if method == asked => Reply::Answer(Ok(tell(truth))),
            answer => Reply::Answer(answer),
        }))
    }

    /// A node that passes a payment on, and answers something else.
    fn relaying(&self, tell: impl Fn() -> Reply + Send + Sync + 'static) -> String {
        self.serve(Arc::new(move |method, answer| if method == "tx_submit" { tell() } else { Reply::Answer(answer) }))
    }
}

/// What a node answers, whatever it was given.
type Answer = fn() -> Reply;
/// Fields of an answer, and what a liar puts there.
type Fields = Vec<(&'static str, Value)>;

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
/// command, it is paid once; and afterwards, once it is known, a second one may be made.
#[test]
fn lie_refused_and_passed_on() {
    let all = refusals();
    assert!(all.len() >= 20);
    for (what, tell) in all {
        let scene = Scene::new();
        let (before, liar) = (scene.net.balance(&scene.bob), scene.net.relaying(tell));
        let first = scene.send(&[&liar], "");
        assert!(matches!(first.code, Some(1 | 3)), "{what}: {first:?}");
        let error = first.json()["error"].clone();
        let txid = error["txid"].as_str().unwrap_or_else(|| panic!("{what}: {error}")).to_owned();
        let message = error["message"].as_str().expect("a message");
        assert!(message.contains(&format!("why {txid}")) && !message.contains("send it again"), "{what}: {message}");
        // Tried again before the block, and after it.
        let open = scene.send(&[&liar], "").json();
        assert_eq!(open["error"]["kind"], "payment_open", "{what}: {open}");
        assert_eq!(open["error"]["txid"], txid, "{what}");
        scene.run(&[&liar], &format!("resend {txid}"));
        scene.net.mine();
        for _ in 0..2 {
            let paid = scene.send(&[&liar], "").json();
            assert_eq!(paid["error"]["kind"], "already_paid", "{what}: {paid}");
        }
        scene.net.mine();
        assert_eq!(scene.paid(before), 1, "{what}");
        // The next step of the message tells the truth, and then a second payment is a second payment.
        let why = scene.run(&[&liar], &format!("why {txid}")).json();
        assert_eq!((&why["cause"], &why["proven"]), (&json!("mined"), &json!(true)), "{what}: {why}");
        scene.send(&[&liar], "");
        scene.net.mine();
        assert_eq!(scene.paid(before), 2, "{what}");
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

/// Sets fields of an answer.
fn with(mut answer: Value, fields: &[(&str, Value)]) -> Value {
    for (name, value) in fields {
        let place = name.split('.').fold(&mut answer, |place, part| &mut place[part]);
        *place = value.clone();
    }
    answer
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
        let liar = scene.net.lying(method, move |answer| with(answer, &fields));
        let sent = scene.send(&[&honest], "").json();
        let txid = sent["txid"].as_str().unwrap_or_else(|| panic!("{sent}")).to_owned();
        for nodes in [vec![&*liar], vec![&*liar, &*honest], vec![&*honest, &*liar]] {
            let why = scene.run(&nodes, &format!("why {txid}")).json();
            let found_out = why["error"]["kind"] == "node_lies";
            assert!(found_out || why["remedy"] != "send" && why["proven"] == false, "{what}: {why}");
            let again = scene.send(&nodes, "").json();
            assert!(again["error"].is_object() && again["txid"].is_null(), "{what}: {again}");
            let status = scene.run(&nodes, &format!("status {txid}")).json();
            assert!(status["error"].is_object() || status["proven"] == false, "{what}: {status}");
        }
        scene.net.mine();
        scene.net.mine();
        assert_eq!(scene.paid(before), 1, "{what}");
        let honest_again = scene.run(&[&honest], &format!("why {txid}")).json();
        assert_eq!((&honest_again["cause"], &honest_again["proven"]), (&json!("mined"), &json!(true)), "{what}");
    }
}

/// The control: an honest node's word about a payment that waits.
#[test]
fn an_honest_word_about_a_payment_that_waits_is_passed_on() {
    let scene = Scene::new();
    let honest = scene.net.honest();
    let txid = scene.send(&[&honest], "").json()["txid"].as_str().expect("an id").to_owned();
    let why = scene.run(&[&honest], &format!("why {txid}")).json();
    assert_eq!((&why["cause"], &why["remedy"]), (&json!("waiting"), &Value::Null), "{why}");
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
    let why = scene.run(&[&honest], &format!("why {txid}")).json();
    let said = (&why["cause"], &why["remedy"], &why["proven"]);
    assert_eq!(said, (&json!("expired"), &json!("send"), &json!(true)), "{why}");
    let sent = scene.send(&[&honest], "").json();
    assert_eq!(sent["nonce"], "0", "{sent}");
    scene.net.mine();
    assert_eq!(scene.paid(before), 1);
    // What was replaced is over, too, once its rival is proven.
    let why = scene.run(&[&honest], &format!("why {txid}")).json();
    assert_eq!((&why["cause"], &why["proven"]), (&json!("nonce_used"), &json!(true)), "{why}");
}

/// A payment of another wallet with the same words took the place: the blocks themselves prove it, whatever the node says
/// of payments; and what it hides is found in them, too.
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
    scene.net.mine();
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
