//! A node that says what a test wants: JSON-RPC over HTTP/1.1 on a loopback port, one request a connection.

use cairn_genesis::Network;
use cairn_ledger::hash::{BlockId, Hash, TxId};
use cairn_ledger::units::{Amount, Height};
use cairn_ledger::{pow::Work, transaction::Transaction};
use cairn_rpc::error::{Code, RpcError};
use cairn_rpc::text::{HexBytes, Pebbles, Text};
use cairn_rpc::types::{
    AccountJson, HealthJson, MempoolInfo, NodeInfo, PendingJson, Room, RulesJson, Submitted, SyncInfo, SyncPhase,
    Trust, TxState, TxStatus, UploadInfo,
};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

/// What the node says. Tests change it while it runs.
pub struct State {
    pub network: Network,
    pub height: u64,
    /// Blocks that appear each time somebody asks how high the chain is.
    pub blocks_each_ask: u64,
    pub balance: Amount,
    /// Who has anything; everybody when it is not said.
    pub only: Option<Vec<String>>,
    pub nonce: u64,
    pub min_fee_rate: u64,
    pub phase: SyncPhase,
    /// What it says is wrong with its rules.
    pub rules_notice: Option<String>,
    /// How it refuses every payment.
    pub refusal: Option<RpcError>,
    /// Hang up instead of answering a payment.
    pub hangs_up_on_submit: bool,
    /// What it says about every payment, in turn; the last for ever.
    pub states: Vec<TxState>,
    pub reason: Option<String>,
    /// The payments it was given.
    pub submitted: Vec<Transaction>,
    /// Looks at a payment as it arrives.
    pub on_submit: Box<dyn Fn(&Transaction) + Send>,
}

pub struct FakeNode {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl FakeNode {
    /// A node of the local network at block 100, where everybody has 10 CRN.
    pub fn local() -> Self {
        let state = State {
            network: Network::parse(cairn_genesis::LOCAL).expect("shipped"),
            height: 100,
            blocks_each_ask: 0,
            balance: "10".parse().expect("an amount"),
            only: None,
            nonce: 0,
            min_fee_rate: 1,
            phase: SyncPhase::CaughtUp,
            rules_notice: None,
            refusal: None,
            hangs_up_on_submit: false,
            states: vec![TxState::Pooled],
            reason: None,
            submitted: Vec::new(),
            on_submit: Box::new(|_| {}),
        };
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(state));
        let served = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that goes away is no concern of ours.
                let answer = |request: &Value| served.lock().expect("no test thread failed").answer(request);
                let _gone = serve(&stream, &answer);
            }
        });
        Self { address, state }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test thread failed")
    }
}

/// A URL where nobody answers.
pub fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    format!("http://{}", listener.local_addr().expect("an address"))
}

/// What a connection gets for its one request.
pub enum Reply {
    Answer(Result<Value, RpcError>),
    /// A status of HTTP with a body that is none of this protocol.
    Status(u16, String),
    HangUp,
}

/// Answers the one request of a connection, or hangs up.
pub fn serve(stream: &TcpStream, answer: &dyn Fn(&Value) -> Option<Result<Value, RpcError>>) -> std::io::Result<()> {
    reply(stream, &|request| answer(request).map_or(Reply::HangUp, Reply::Answer))
}

/// As [`serve`], with whatever HTTP allows.
pub fn reply(stream: &TcpStream, answer: &dyn Fn(&Value) -> Reply) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            // The client was killed before it had asked anything.
            return Ok(());
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let request: Value = serde_json::from_slice(&body).expect("a request");
    let mut object = json!({"jsonrpc": "2.0", "id": request["id"]});
    let (status, text) = match answer(&request) {
        Reply::HangUp => return Ok(()),
        Reply::Status(status, text) => (status, text),
        Reply::Answer(Ok(result)) => {
            object["result"] = result;
            (200, object.to_string())
        }
        Reply::Answer(Err(error)) => {
            let object_error = jsonrpsee::types::ErrorObjectOwned::from(error);
            object["error"] = serde_json::to_value(object_error).expect("an error is JSON");
            (200, object.to_string())
        }
    };
    let head = format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close");
    let mut stream = stream;
    write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{text}", text.len())
}

impl State {
    fn answer(&mut self, request: &Value) -> Option<Result<Value, RpcError>> {
        let parameter = request["params"][0].clone();
        let json = |value: &dyn erased::Json| Some(Ok(value.json()));
        match request["method"].as_str().expect("a method") {
            "node_info" => {
                self.height += self.blocks_each_ask;
                json(&self.info())
            }
            "state_getAccount" => json(&self.account(parameter.as_str().expect("an address"))),
            "mempool_info" => json(&self.mempool()),
            "tx_status" => {
                let txid = serde_json::from_value(parameter).expect("an id");
                json(&self.status(txid))
            }
            "tx_submit" if self.hangs_up_on_submit => None,
            "tx_submit" => Some(self.submit(parameter)),
            other => panic!("the wallet called {other}"),
        }
    }

    fn submit(&mut self, parameter: Value) -> Result<Value, RpcError> {
        let HexBytes(raw) = serde_json::from_value(parameter).expect("hex");
        let transaction = Transaction::from_bytes(&raw)?;
        (self.on_submit)(&transaction);
        if let Some(refusal) = &self.refusal {
            return Err(refusal.clone());
        }
        let txid = transaction.id();
        if self.submitted.contains(&transaction) {
            return Err(RpcError::new(Code::TxAlreadyPooled, "it is in the pool"));
        }
        self.submitted.push(transaction);
        Ok(serde_json::to_value(Submitted { txid: Text(txid) }).expect("JSON"))
    }

    fn info(&self) -> NodeInfo {
        NodeInfo {
            version: String::from("0"),
            chain: self.network.spec.params().name.clone(),
            genesis_id: Text(self.network.id()),
            address_prefix: self.network.spec.params().prefix.to_string(),
            peer_id: String::from("nobody"),
            height: self.height,
            tip: Text(block(self.height)),
            state_root: Text(Hash::from_bytes([0; 32])),
            work: Text(Work::ZERO),
            rules: RulesJson::new(&self.network.spec, Height::new(self.height + 1)),
            outdated: self.rules_notice.is_some(),
            rules_notice: self.rules_notice.clone(),
            health: HealthJson::default(),
            sync: SyncInfo {
                phase: self.phase,
                headers: self.height,
                target: self.height + 900,
                progress: 0.1,
                blocks_per_second: 0.0,
                left_ms: None,
                snapshot: None,
                reason: (self.phase == SyncPhase::Stalled).then(|| String::from("no peer sends block 8")),
            },
            peers: 0,
            pooled: 0,
            time: 0,
            uptime_ms: 0,
            address_index: None,
            accounts: 8,
            memory_bytes: None,
            max_memory_bytes: None,
            lowest_body: 0,
            stretches: Vec::new(),
            trust: Trust::Full,
            restored_at: None,
            history_height: None,
            snapshots: Vec::new(),
            damage_mended: 0,
            room: Room::default(),
            upload: UploadInfo::default(),
        }
    }

    fn account(&self, address: &str) -> AccountJson {
        let spent: u64 = self.submitted.iter().map(|transaction| transaction.body.max_cost()).sum();
        let count = self.submitted.len() as u64;
        let left = Amount::from_pebbles(self.balance.pebbles().saturating_sub(spent)).expect("less than before");
        AccountJson {
            address: String::from(address),
            exists: self.balance > Amount::ZERO
                && self.only.as_ref().is_none_or(|only| only.iter().any(|known| known == address)),
            balance: Pebbles(self.balance),
            nonce: Text(self.nonce),
            pending: PendingJson { balance: Pebbles(left), nonce: Text(self.nonce + count), count },
            height: self.height,
            block: Text(block(self.height)),
        }
    }

    fn mempool(&self) -> MempoolInfo {
        let min_fee_rate = self.min_fee_rate;
        MempoolInfo { count: 0, bytes: 0, max_count: 1, max_bytes: 1, senders: 0, min_fee_rate }
    }

    fn status(&mut self, txid: Text<TxId>) -> TxStatus {
        let state = if self.states.len() > 1 { self.states.remove(0) } else { self.states[0] };
        let mined = state == TxState::Mined;
        TxStatus {
            txid,
            state,
            block: mined.then(|| Text(block(self.height))),
            height: mined.then_some(self.height),
            confirmations: u64::from(mined),
            reason: self.reason.clone(),
        }
    }
}

/// The made-up id of the block at a height.
pub fn block(height: u64) -> BlockId {
    let mut bytes = [0; 32];
    bytes[24..].copy_from_slice(&height.to_be_bytes());
    BlockId::from_bytes(bytes)
}

mod erased {
    /// Anything that can be written as JSON.
    pub trait Json {
        fn json(&self) -> serde_json::Value;
    }

    impl<T: serde::Serialize> Json for T {
        fn json(&self) -> serde_json::Value {
            serde_json::to_value(self).expect("JSON")
        }
    }
}
