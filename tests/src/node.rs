//! One node process.

use crate::wait::{LATER, SOON, until};
use crate::{binaries, http, network::TestNetwork};
use cairn_ledger::block::{Block, Body, Header};
use cairn_ledger::hash::{BlockId, TxId};
use cairn_ledger::{codec::encode, transaction::Transaction};
use cairn_rpc::methods::{ChainClient, MempoolClient, MiningClient, NetClient, NodeClient, StateClient, TxClient};
use cairn_rpc::text::{HexBytes, Text};
use cairn_rpc::types::{BlockRef, BlockTransactions, NodeInfo, TransactionJson};
use jsonrpsee_http_client::{HeaderMap, HttpClient, HttpClientBuilder};
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tempfile::TempDir;

/// Every way to find peers, switched off: whom a node knows is the test's matter.
pub const OFF: [&str; 3] = ["--discovery.kademlia=false", "--discovery.rendezvous=false", "--discovery.exchange=false"];

/// How much of a log is shown when a test fails.
const TAIL_LINES: usize = 40;

/// A node process with its data directory; killed when dropped.
pub struct Node {
    network: Arc<TestNetwork>,
    /// Its name in messages.
    name: String,
    directory: PathBuf,
    /// Deleted with the node, where the directory is its own.
    _own: Option<TempDir>,
    /// The ports stay the same over restarts.
    p2p: u16,
    rpc: u16,
    arguments: Vec<String>,
    environment: Vec<(&'static str, PathBuf)>,
    child: Child,
    client: HttpClient,
}

impl Node {
    /// Starts a node with a fresh data directory and these arguments besides the usual ones, and waits until
    /// it answers.
    ///
    /// # Panics
    /// It does not answer.
    pub async fn start(network: &Arc<TestNetwork>, name: &str, arguments: &[&str]) -> Self {
        Self::start_with(network, name, arguments, Vec::new()).await
    }

    /// The same with these variables, at its restarts, too.
    ///
    /// # Panics
    /// It does not answer.
    pub async fn start_with(
        network: &Arc<TestNetwork>,
        name: &str,
        arguments: &[&str],
        environment: Vec<(&'static str, PathBuf)>,
    ) -> Self {
        let own = TempDir::with_prefix("cairn-node-").expect("a temporary directory");
        let directory = own.path().to_owned();
        Self::launch(network, name, (directory, Some(own)), arguments, environment).await
    }

    /// The same with its data elsewhere: on a disk that is not everybody's.
    ///
    /// # Panics
    /// It does not answer.
    pub async fn start_in(network: &Arc<TestNetwork>, name: &str, directory: &Path, arguments: &[&str]) -> Self {
        Self::launch(network, name, (directory.to_owned(), None), arguments, Vec::new()).await
    }

    async fn launch(
        network: &Arc<TestNetwork>,
        name: &str,
        (directory, own): (PathBuf, Option<TempDir>),
        arguments: &[&str],
        environment: Vec<(&'static str, PathBuf)>,
    ) -> Self {
        let (p2p, rpc) = (free_port(), free_port());
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let child = spawn(command(network, &directory, p2p, rpc, &arguments), &directory, &environment);
        http::remember_admin(rpc, &directory);
        let (client, network, name) = (client(rpc), Arc::clone(network), name.to_owned());
        let mut node = Self { network, name, directory, _own: own, p2p, rpc, arguments, environment, child, client };
        node.answers().await;
        node
    }

    /// Waits until it answers.
    async fn answers(&mut self) {
        let name = self.name.clone();
        let (child, client) = (&mut self.child, &self.client);
        until(&format!("the node {name} answers"), SOON, || {
            let ended = child.try_wait().expect("a child can be asked");
            assert!(ended.is_none(), "the node {name} ended with {ended:?} instead of answering");
            async { client.node_info().await.ok() }
        })
        .await;
        // The token was not there before the node's first start.
        self.client = self::client(self.rpc);
    }

    /// Its network.
    pub fn network(&self) -> &Arc<TestNetwork> {
        &self.network
    }

    /// The client for its JSON-RPC.
    pub fn rpc(&self) -> &HttpClient {
        &self.client
    }

    /// Its JSON-RPC, as a URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.rpc)
    }

    /// The port of its JSON-RPC.
    pub fn rpc_port(&self) -> u16 {
        self.rpc
    }

    /// The port it listens on for peers.
    pub fn p2p_port(&self) -> u16 {
        self.p2p
    }

    /// Its data directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What it is and how far it is.
    ///
    /// # Panics
    /// It does not answer.
    pub async fn info(&self) -> NodeInfo {
        self.client.node_info().await.expect("a running node answers")
    }

    /// Its address among peers.
    pub async fn address(&self) -> String {
        format!("/ip4/127.0.0.1/tcp/{}/p2p/{}", self.p2p, self.info().await.peer_id)
    }

    /// Its address among peers, by QUIC.
    pub async fn quic_address(&self) -> String {
        format!("/ip4/127.0.0.1/udp/{}/quic-v1/p2p/{}", self.p2p, self.info().await.peer_id)
    }

    /// The ids of its peers; none while it does not answer.
    pub async fn peer_ids(&self) -> BTreeSet<String> {
        let peers = self.client.net_peers().await.unwrap_or_default();
        peers.into_iter().map(|peer| peer.peer_id).collect()
    }

    /// Bytes of a protocol that came from another node, and went to it, since they are connected; `None` while
    /// they are not.
    pub async fn traffic(&self, peer_id: &str, protocol: &str) -> Option<(u64, u64)> {
        let peers = self.client.net_peers().await.ok()?;
        let peer = peers.into_iter().find(|peer| peer.peer_id == peer_id)?;
        let flow = peer.traffic.into_iter().find(|flow| flow.protocol == protocol)?;
        Some((flow.received, flow.sent))
    }

    /// Waits until another is in the mesh of both its topics.
    pub async fn gossips_with(&self, other: &Self) {
        let id = other.info().await.peer_id;
        until(&format!("{} and {} gossip", self.name, other.name), LATER, async || {
            self.client
                .net_peers()
                .await
                .ok()?
                .iter()
                .any(|peer| peer.peer_id == id && peer.mesh.len() == 2)
                .then_some(())
        })
        .await;
    }

    /// Waits until it is a peer of another, or is no more.
    pub async fn is_peer_of(&self, other: &Self, expected: bool) {
        let id = other.info().await.peer_id;
        let what = if expected { "is a peer of" } else { "is no peer of" };
        until(&format!("{} {what} {}", self.name, other.name), LATER, async || {
            (self.client.net_peers().await.ok()?.iter().any(|peer| peer.peer_id == id) == expected).then_some(())
        })
        .await;
    }

    /// Changes the arguments for its next start.
    pub fn set_arguments(&mut self, arguments: &[&str]) {
        self.arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
    }

    /// Makes it dial another node.
    ///
    /// # Panics
    /// It refuses.
    pub async fn dial(&self, other: &Self) {
        self.client.add_peer(other.address().await).await.expect("a good address");
    }

    /// Makes `count` blocks at once, for the n-th test key.
    ///
    /// # Panics
    /// It makes fewer.
    pub async fn generate(&self, count: u64, beneficiary: u64) {
        let beneficiary = self.network.address(beneficiary);
        let mut left = count;
        while left > 0 {
            let now = left.min(100);
            let made = self.client.generate(now, Some(beneficiary.clone())).await.expect("blocks can be generated");
            let count = made.blocks.len() as u64;
            // A neighbour's chain may come in between; then the rest is made on that.
            let goes_on = count == now || made.stopped.as_deref() == Some("the chain is being reorganised");
            assert!(goes_on, "{} makes all blocks: {count} of {now}, {:?}", self.name, made.stopped);
            if count == 0 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            left -= count;
        }
    }

    /// Hands a transaction in.
    ///
    /// # Panics
    /// It is refused.
    pub async fn submit(&self, transaction: &Transaction) -> TxId {
        self.client.submit_tx(HexBytes(encode(transaction))).await.expect("a good transaction").txid.0
    }

    /// Waits until it has `count` transactions in its pool.
    pub async fn pools(&self, count: u64) {
        until(&format!("{} has {count} transactions in its pool", self.name), SOON, async || {
            (self.client.mempool_info().await.ok()?.count == count).then_some(())
        })
        .await;
    }

    /// Waits until it has a peer.
    pub async fn has_peers(&self, count: u64) {
        until(&format!("{} has {count} peers", self.name), SOON, async || {
            (self.client.net_info().await.ok()?.peers >= count).then_some(())
        })
        .await;
    }

    /// The state of the n-th test key: balance in pebbles, and nonce.
    ///
    /// # Panics
    /// It does not answer.
    pub async fn account(&self, n: u64) -> (u64, u64) {
        let account = self.client.get_account(self.network.address(n)).await.expect("a good address");
        (account.balance.0.pebbles(), account.nonce.0)
    }

    /// How deep a transaction is in its chain: 0 unless mined.
    ///
    /// # Panics
    /// It does not answer.
    pub async fn confirmations(&self, txid: TxId) -> u64 {
        self.client.tx_status(Text(txid)).await.expect("every id has a status").confirmations
    }

    /// A block it has, from the canonical bytes it gives.
    ///
    /// # Panics
    /// There is none, or its bytes are no block.
    pub async fn block(&self, id: BlockId) -> Block {
        let json = self.client.get_block(BlockRef::Id(Text(id)), Some(true)).await.expect("a block");
        let transactions = match json.transactions {
            BlockTransactions::Full(transactions) => transactions,
            // An empty list is an empty list of either.
            BlockTransactions::Ids(ids) => {
                assert!(ids.is_empty(), "asked for whole transactions, got ids");
                Vec::new()
            }
        };
        let raw = |transaction: &TransactionJson| {
            Transaction::from_bytes(&transaction.raw.0).expect("the bytes of a transaction")
        };
        let body = Body::new(transactions.iter().map(raw).collect());
        let header = Header::from_bytes(&json.header.raw.0).expect("the bytes of a header");
        Block { header, body: body.expect("no more than fit a block") }
    }

    /// Ends it with SIGKILL, as a power cut would.
    ///
    /// # Panics
    /// The system refuses.
    pub fn kill_9(&mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a child can be awaited");
    }

    /// Asks it to end with SIGTERM and waits until it has.
    ///
    /// # Panics
    /// It does not end soon.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.ends().await
    }

    /// Sends it a signal, named without its SIG.
    ///
    /// # Panics
    /// The system refuses.
    pub fn signal(&self, name: &str) {
        // The shell's own kill: no crate for one signal.
        let signal = format!("kill -{name} {}", self.child.id());
        let sent = Command::new("sh").args(["-c", &signal]).status().expect("a shell");
        assert!(sent.success(), "the signal is delivered");
    }

    /// Waits until it has ended, by itself or as it was asked to.
    ///
    /// # Panics
    /// It does not end soon.
    pub async fn ends(&mut self) -> ExitStatus {
        let child = &mut self.child;
        until(&format!("the node {} stops", self.name), SOON, || {
            let ended = child.try_wait().expect("a child can be asked");
            async move { ended }
        })
        .await
    }

    /// Starts it again after its end, on its own data and ports, and waits until it answers.
    ///
    /// # Panics
    /// It does not answer.
    pub async fn restart(&mut self) {
        let command = command(&self.network, &self.directory, self.p2p, self.rpc, &self.arguments);
        self.child = spawn(command, &self.directory, &self.environment);
        self.answers().await;
    }

    /// Stops it, gives it another file of its network, and starts it again.
    ///
    /// # Panics
    /// It does not end in order, or does not answer.
    pub async fn upgrade(&mut self, network: &Arc<TestNetwork>) {
        assert!(self.terminate().await.success(), "{} ends in order", self.name);
        self.set_network(network);
        self.restart().await;
    }

    /// Gives it another file of its network for its next start.
    pub fn set_network(&mut self, network: &Arc<TestNetwork>) {
        self.network = Arc::clone(network);
    }

    /// The time of processors that it has used since its start.
    ///
    /// # Panics
    /// The system does not say.
    pub fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("Linux tells");
        // After the name, which may have anything in it: the 12th and 13th fields, in hundredths of a second.
        let (_, rest) = stat.rsplit_once(") ").expect("a name in brackets");
        let ticks = rest.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>();
        Duration::from_millis(10 * ticks)
    }

    /// The memory it holds, in MiB (VmRSS).
    ///
    /// # Panics
    /// The system does not say.
    pub fn resident_mib(&self) -> u64 {
        self.memory_mib("VmRSS:")
    }

    /// The most memory it has held since its start, in MiB (VmHWM).
    ///
    /// # Panics
    /// The system does not say.
    pub fn most_resident_mib(&self) -> u64 {
        self.memory_mib("VmHWM:")
    }

    fn memory_mib(&self, what: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("Linux tells");
        let line = status.lines().find_map(|line| line.strip_prefix(what)).expect("a process has memory");
        let kib: u64 = line.trim().split(' ').next().and_then(|kib| kib.parse().ok()).expect("a number");
        kib / 1024
    }

    /// What it has told so far.
    pub fn log(&self) -> String {
        fs::read_to_string(log_file(&self.directory)).unwrap_or_default()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing left to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            show_tail(&self.name, &self.log());
        }
    }
}

/// Shows the end of a node's log to whoever reads why its test failed.
pub(crate) fn show_tail(name: &str, log: &str) {
    let lines: Vec<&str> = log.lines().collect();
    let tail = lines.get(lines.len().saturating_sub(TAIL_LINES)..).unwrap_or_default();
    eprintln!("--- the end of the log of {name}:\n{}\n---", tail.join("\n"));
}

/// A client of the user who runs the node on this port; of nobody in particular before its first start.
fn client(port: u16) -> HttpClient {
    let mut headers = HeaderMap::new();
    if let Some(admin) = http::admin(port) {
        let value = admin.split_once(": ").expect("a header line").1;
        headers.insert("authorization", value.parse().expect("a token is ASCII"));
    }
    HttpClientBuilder::default().set_headers(headers).build(format!("http://127.0.0.1:{port}")).expect("a valid URL")
}

fn log_file(directory: &Path) -> PathBuf {
    directory.join("test.log")
}

/// A node's command line. `p2p` and `rpc` are its ports.
pub fn command(network: &TestNetwork, directory: &Path, p2p: u16, rpc: u16, arguments: &[String]) -> Command {
    let mut command = binaries::command("cairn-node");
    command.arg("run").arg("--chain").arg(network.file()).arg("--data-dir").arg(directory);
    // Nothing leaves the machine, whatever the network.
    command.env("CAIRN_NODE_DISCOVERY_MDNS", "false").env("CAIRN_NODE_REACH_UPNP", "false");
    for (option, value) in [
        ("--network.listen", format!("--network.port={p2p}")),
        ("--rpc.listen", format!("--rpc.listen=127.0.0.1:{rpc}")),
    ] {
        if !arguments.iter().any(|argument| argument.starts_with(option)) {
            command.arg(value);
        }
    }
    command.args(arguments);
    command.stdin(Stdio::null());
    command
}

/// The command line of something done to the data of a node that does not run.
pub fn offline(network: &TestNetwork, directory: &Path, arguments: &[&str]) -> Command {
    let mut command = binaries::command("cairn-node");
    command.args(arguments).arg("--chain").arg(network.file()).arg("--data-dir").arg(directory);
    command.stdin(Stdio::null());
    command
}

fn spawn(mut command: Command, directory: &Path, environment: &[(&'static str, PathBuf)]) -> Child {
    let log = File::options().create(true).append(true).open(log_file(directory)).expect("a log file");
    command.envs(environment.iter().map(|(name, value)| (*name, value)));
    command.stdout(log.try_clone().expect("a second handle")).stderr(log);
    command.spawn().expect("the node starts")
}

/// A port that nobody listens on, for TCP and UDP, and that no outgoing connection is given either: below
/// the system's own range. Processes begin at different places, and count up from there.
///
/// # Panics
/// There is none.
pub fn free_port() -> u16 {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = std::process::id().wrapping_mul(7_919) % u32::from(COUNT);
    for _ in 0..COUNT {
        let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = FIRST + u16::try_from((start + step) % u32::from(COUNT)).expect("below COUNT");
        let address = (Ipv4Addr::LOCALHOST, port);
        if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
            return port;
        }
    }
    panic!("no port is free");
}
