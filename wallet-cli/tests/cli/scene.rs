//! A network with a chain and a pool, whose nodes prove what is so and say what a test wants; a wallet with money on
//! it, and somebody to pay.

use crate::chain::{Chain, json, network, write_network};
use crate::harness::{Home, Run};
use crate::node::{Reply, reply};
use cairn_ledger::{keys::Address, testing::key, transaction::Transaction};
use cairn_rpc::error::{Code, RpcError};
use cairn_rpc::text::{HexBytes, Text};
use cairn_rpc::types::{MempoolInfo, Submitted, TxState, TxStatus};
use serde_json::Value;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::{fs, net::TcpListener, thread};

/// What a node makes of its true answer: the method, and the answer.
pub type Trick = Arc<dyn Fn(&str, Result<Value, RpcError>) -> Reply + Send + Sync>;

/// What the wallet has at first, in pebbles.
pub const PAID: u64 = 1_250_000_000;

/// The chain and the pool that all nodes share, whatever each says.
#[derive(Clone)]
pub struct Net {
    pub chain: Arc<Mutex<Chain>>,
    pub pool: Arc<Mutex<Vec<Transaction>>>,
}

/// A wallet with money on a network of its own, and somebody to pay.
pub struct Scene {
    pub home: Home,
    pub net: Net,
    pub bob: Address,
    pub to: String,
}

impl Scene {
    pub fn new() -> Self {
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

    pub fn line(&self, nodes: &[&str], command: &str) -> String {
        let nodes: String = nodes.iter().map(|node| format!("--node {node} ")).collect();
        format!("--chain @easy.toml {nodes}{command}")
    }

    /// A run with `--json`.
    pub fn run(&self, nodes: &[&str], command: &str) -> Run {
        self.home.run(&format!("--json {}", self.line(nodes, command)))
    }

    pub fn send(&self, nodes: &[&str], more: &str) -> Run {
        self.run(nodes, &format!("send {} 1 {more}", self.to))
    }

    /// What Bob was paid since the beginning, in CRN.
    pub fn paid(&self, before: u64) -> u64 {
        (self.net.balance(&self.bob) - before) / 100_000_000
    }

    /// A payment of the journal, as it was signed.
    pub fn journalled(&self, txid: &str) -> Transaction {
        let journal = self.journal();
        let lines = journal.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let signed = lines.filter(|line| line["event"] == "signed");
        let raw = signed.filter(|line| line["txid"] == txid).map(|line| line["raw"].clone()).next();
        let HexBytes(raw) = serde_json::from_value(raw.expect("there")).expect("hex");
        Transaction::from_bytes(&raw).expect("whole")
    }

    pub fn journal(&self) -> String {
        fs::read_to_string(self.home.journal_file()).expect("a journal")
    }
}

impl Net {
    pub fn chain(&self) -> MutexGuard<'_, Chain> {
        self.chain.lock().expect("no test thread failed")
    }

    pub fn balance(&self, address: &Address) -> u64 {
        self.chain().state().balance(address).pebbles()
    }

    /// A block with everything of the pool that fits; the rest is forgotten.
    pub fn mine(&self) {
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
    pub fn answer(&self, request: &Value) -> Result<Value, RpcError> {
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

    pub fn serve(&self, trick: Trick) -> String {
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

    /// A node that tells the truth until it is told to lie: `lie` gives what it says instead, or nothing.
    pub fn liar(&self, lie: impl Fn(&str, &Result<Value, RpcError>) -> Option<Reply> + Send + Sync + 'static) -> Liar {
        let (lying, told) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let state = (Arc::clone(&lying), Arc::clone(&told));
        let url = self.serve(Arc::new(move |method, answer| {
            let lie = state.0.load(Ordering::SeqCst).then(|| lie(method, &answer)).flatten();
            state.1.fetch_add(usize::from(lie.is_some()), Ordering::SeqCst);
            lie.unwrap_or(Reply::Answer(answer))
        }));
        Liar { url, lying, told }
    }

    pub fn honest(&self) -> String {
        self.serve(Arc::new(|_, answer| Reply::Answer(answer)))
    }

    /// A node that lies in its answers to one method.
    pub fn lying(&self, asked: &'static str, tell: impl Fn(Value) -> Value + Send + Sync + 'static) -> String {
        self.serve(Arc::new(move |method, answer| match answer {
            Ok(truth) if method == asked => Reply::Answer(Ok(tell(truth))),
            answer => Reply::Answer(answer),
        }))
    }

    /// A node that passes a payment on, and answers something else.
    pub fn relaying(&self, tell: impl Fn() -> Reply + Send + Sync + 'static) -> String {
        self.serve(Arc::new(move |method, answer| if method == "tx_submit" { tell() } else { Reply::Answer(answer) }))
    }
}

/// A node that lies while it is told to, and counts its lies: a test of one that never came to lie would prove nothing.
pub struct Liar {
    pub url: String,
    lying: Arc<AtomicBool>,
    told: Arc<AtomicUsize>,
}

impl Liar {
    pub fn lies(&self, lying: bool) {
        self.lying.store(lying, Ordering::SeqCst);
    }

    /// How many lies it told since it was asked last.
    pub fn told(&self) -> usize {
        self.told.swap(0, Ordering::SeqCst)
    }
}

/// Fields of an answer, and what a liar puts there.
pub type Fields = Vec<(&'static str, Value)>;

/// Sets fields of an answer.
pub fn with(mut answer: Value, fields: &[(&str, Value)]) -> Value {
    for (name, value) in fields {
        let place = name.split('.').fold(&mut answer, |place, part| &mut place[part]);
        *place = value.clone();
    }
    answer
}
