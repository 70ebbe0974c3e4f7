//! A node in a network namespace. Its JSON-RPC is on the loopback of that namespace, so it is asked by a
//! program that runs there, too.

use crate::wait::{LATER, SOON, until};
use crate::{netns::Namespace, network::TestNetwork, node};
use cairn_ledger::{codec::encode, transaction::Transaction};
use cairn_rpc::text::HexBytes;
use cairn_rpc::types::{NetInfo, NodeInfo, PeerJson};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU16, Ordering};
use tempfile::TempDir;

/// The port every node in a namespace listens on for peers.
pub const PORT: u16 = 29_740;

/// Transactions handed in at once: with the largest there are, a node takes them as one request.
const IN_A_BATCH: usize = 10;

/// A node in a namespace; ended when dropped.
pub struct Resident<'a> {
    name: String,
    namespace: &'a Namespace,
    network: &'a TestNetwork,
    arguments: Vec<String>,
    directory: TempDir,
    rpc: u16,
    child: Child,
}

impl<'a> Resident<'a> {
    /// Starts a node there, with these arguments besides the usual ones, and waits until it answers.
    ///
    /// # Panics
    /// It does not answer.
    pub async fn start(network: &'a TestNetwork, namespace: &'a Namespace, name: &str, arguments: &[&str]) -> Self {
        // Several may share a namespace.
        static NEXT: AtomicU16 = AtomicU16::new(PORT + 1);
        let rpc = NEXT.fetch_add(2, Ordering::Relaxed);
        let directory = TempDir::with_prefix("cairn-node-").expect("a temporary directory");
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let child = spawn(network, namespace, &directory, rpc, &arguments);
        let mut resident = Self { name: name.to_owned(), namespace, network, arguments, directory, rpc, child };
        resident.answers().await;
        resident
    }

    async fn answers(&mut self) {
        until(&format!("the node {} answers", self.name), SOON, || {
            let ended = self.child.try_wait().expect("a child can be asked");
            assert!(ended.is_none(), "the node {} ended with {ended:?}: {}", self.name, self.log());
            let answer = self.info();
            async { answer }
        })
        .await;
    }

    /// Changes the arguments for its next start.
    pub fn set_arguments(&mut self, arguments: &[&str]) {
        self.arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
    }

    /// Asks it to stop in order, and starts it again.
    ///
    /// # Panics
    /// It does not come back.
    pub async fn restart(&mut self) {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "the signal is delivered");
        self.child.wait().expect("a child can be awaited");
        self.child = spawn(self.network, self.namespace, &self.directory, self.rpc, &self.arguments);
        self.answers().await;
    }

    /// The result of a call; none while it does not answer, or refuses.
    pub fn call(&self, method: &str, params: &Value) -> Option<Value> {
        self.ask(&request(method, params))?.get("result").cloned()
    }

    /// Hands transactions in.
    ///
    /// # Panics
    /// One is refused.
    pub fn submit(&self, transactions: &[Transaction]) {
        for some in transactions.chunks(IN_A_BATCH) {
            let calls = some.iter().map(|transaction| request("tx_submit", &json!([HexBytes(encode(transaction))])));
            let answers = self.ask(&calls.collect()).expect("a running node answers");
            let answers = answers.as_array().expect("a batch of answers");
            assert!(answers.iter().all(|answer| answer.get("result").is_some()), "{answers:?}");
        }
    }

    /// The answer to a request or to a batch of them; none while it does not answer.
    fn ask(&self, body: &Value) -> Option<Value> {
        let token = fs::read_to_string(self.directory.path().join("admin.token")).unwrap_or_default();
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--max-time", "10", "--header", "Content-Type: application/json"]);
        curl.args(["--header", &format!("Authorization: Bearer {}", token.trim()), "--data", "@-"]);
        curl.arg(format!("http://127.0.0.1:{}", self.rpc));
        serde_json::from_str(&self.namespace.run(&curl, &body.to_string()).ok()?).ok()
    }

    /// What it is and how far it is; none while it does not answer.
    pub fn info(&self) -> Option<NodeInfo> {
        serde_json::from_value(self.call("node_info", &json!([]))?).ok()
    }

    /// How it stands in the network; none while it does not answer.
    pub fn net(&self) -> Option<NetInfo> {
        serde_json::from_value(self.call("net_info", &json!([]))?).ok()
    }

    /// Its peers; none while it does not answer.
    pub fn peers(&self) -> Vec<PeerJson> {
        let peers = self.call("net_peers", &json!([]));
        peers.and_then(|peers| serde_json::from_value(peers).ok()).unwrap_or_default()
    }

    /// Its peer id.
    ///
    /// # Panics
    /// It does not answer.
    pub fn id(&self) -> String {
        self.info().expect("a running node answers").peer_id
    }

    /// Makes `count` blocks at once.
    ///
    /// # Panics
    /// It makes none.
    pub fn generate(&self, count: u64) {
        let made = self.call("mining_generate", &json!([count, self.network.address(0)]));
        assert!(made.is_some(), "{} makes blocks", self.name);
    }

    /// Waits until its tip is at least so high.
    pub async fn reaches(&self, height: u64) {
        until(&format!("{} is at height {height}", self.name), LATER, || {
            let info = self.info();
            async move { info.filter(|info| info.height >= height) }
        })
        .await;
    }

    /// Waits until others reach it in one of these ways, and gives its reason.
    pub async fn is_reached(&self, ways: &[&str]) -> String {
        until(&format!("{} is {}", self.name, ways.join(" or ")), LATER, || {
            let net = self.net();
            async move { net.filter(|net| ways.contains(&net.reach.as_str())).map(|net| net.reach_reason) }
        })
        .await
    }

    /// Waits until it is connected with this peer at an address that suits.
    pub async fn has_peer_at(&self, peer: &str, suits: impl Fn(&str) -> bool) -> PeerJson {
        until(&format!("{} is connected with {peer} as it should", self.name), LATER, || {
            let found = self.peers().into_iter().find(|known| known.peer_id == peer && suits(&known.address));
            async move { found }
        })
        .await
    }

    /// What it has told so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("test.log")).unwrap_or_default()
    }
}

impl Drop for Resident<'_> {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing left to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            node::show_tail(&self.name, &self.log());
        }
    }
}

fn request(method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
}

fn spawn(network: &TestNetwork, namespace: &Namespace, directory: &TempDir, rpc: u16, arguments: &[String]) -> Child {
    let path = directory.path();
    let log = File::options().create(true).append(true).open(path.join("test.log")).expect("a log file");
    let mut command = namespace.enter(&node::command(network, path, PORT, rpc, arguments));
    command.stdout(log.try_clone().expect("a second handle")).stderr(log);
    command.spawn().expect("ip was there a moment ago")
}
