//! Who is shown pages, and at what price.

use crate::{indexed, page};
use cairn_ledger::testing::{key, payment};
use cairn_rpc::methods::MempoolClient;
use cairn_tests::http::{Answer, admin, call_with, get, post, request};
use cairn_tests::node::{Node, command, free_port};
use cairn_tests::wait::{SOON, until};
use cairn_tests::{made, netns::Namespace, network::TestNetwork, socket::Socket};
use serde_json::{Value, json};
use std::fs;
use std::process::{Command, Stdio};
use std::sync::Arc;

const TIP: &str = r#"{"jsonrpc":"2.0","id":1,"method":"chain_tip","params":[]}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_costs_what_its_calls_cost() {
    let node = indexed(&["--rpc.rate=30"]).await;
    let port = node.rpc_port();
    let first = (0..40).map(|height| get(port, &format!("/block/{height}"))).find(|answer| answer.status == 429);
    let refused: Answer = first.expect("who loads many is told to wait");
    assert!(refused.body.contains("Too many calls") && refused.head.contains("retry-after: 1"), "{refused:?}");
    let is_refused = |_| call_with(port, &[], "chain_tip", &json!([]))["error"]["code"] == 6005;
    assert!((0..100).any(is_refused), "pages and calls have one allowance");
    let own = admin(port).expect("a node of ours");
    assert!(
        call_with(port, &[&own], "chain_tip", &json!([]))["result"].is_object(),
        "the control: the operator goes on"
    );
    until("the allowance has grown again", SOON, async || (get(port, "/settings").status == 200).then_some(())).await;
    // An address is made of three calls: account, pool, history.
    let path = format!("/address/{}", node.network().address(0));
    let had = (0..30).take_while(|_| get(port, &path).status == 200).count();
    assert!(had <= 15, "{had} pages of three calls each were had for the price of 30 calls");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_are_for_this_machines_browser_and_no_pages_from_elsewhere() {
    let node = indexed(&["--rpc.hosts=node.example"]).await;
    let port = node.rpc_port();
    let ask = |host: &str, more: &str| {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).expect("it listens");
        let text = format!("GET / HTTP/1.1\r\nHost: {host}\r\n{more}Connection: close\r\n\r\n");
        std::io::Write::write_all(&mut stream, text.as_bytes()).expect("it reads");
        let mut answer = String::new();
        std::io::Read::read_to_string(&mut stream, &mut answer).expect("it answers");
        answer.get(9..12).map(str::to_owned).unwrap_or_default()
    };
    assert_eq!(ask("evil.example", ""), "403", "DNS rebinding");
    assert_eq!(ask(&format!("127.0.0.1:{port}"), "Origin: https://evil.example\r\n"), "403");
    for host in [format!("127.0.0.1:{port}"), format!("localhost:{port}"), String::from("node.example")] {
        assert_eq!(ask(&host, ""), "200", "the control: {host}");
    }
    // Its own scripts may ask by the name the operator gave it, and its neighbours' may not.
    let from = |origin: &str| post(port, "node.example", &[&format!("Origin: {origin}")], TIP).status;
    assert_eq!((from("https://node.example"), from("https://other.example")), (200, 403));
    assert!(!page(&node, "/").contains("admin.token"));
    // A WebSocket is one still, on every path it was on.
    let mut socket = Socket::open(port, &[&format!("Origin: http://127.0.0.1:{port}")]).expect("a WebSocket");
    assert_eq!(socket.call("chain_tip", &json!([])).expect("an answer")["result"]["height"], 0);
    for method in ["PUT", "DELETE"] {
        assert_eq!(request(port, method, "/", &[], "").status, 405, "{method}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn switched_off_there_is_no_page_and_all_else_is_as_it_was() {
    let network = Arc::new(TestNetwork::new());
    let node = Node::start(&network, "silent", &["--explorer.enabled=false"]).await;
    let answer = get(node.rpc_port(), "/");
    assert!(answer.status == 405 && !answer.body.contains("<html"), "{answer:?}");
    assert_eq!(get(node.rpc_port(), "/web/style.css").status, 405);
    assert_eq!(get(node.rpc_port(), "/health").status, 200);
    assert_eq!(node.info().await.height, 0, "the control");
    let other = indexed(&[]).await;
    assert_eq!(get(other.rpc_port(), "/").status, 200, "the control: it is on by itself");
}

/// A machine of its own with an address that others reach, and a node there.
struct Exposed {
    machine: Namespace,
    node: std::process::Child,
    network: Arc<TestNetwork>,
}

impl Exposed {
    async fn start(label: &str, arguments: &[&str]) -> Option<Self> {
        let machine = made(Namespace::new(label))?;
        machine.ip("addr add 192.0.2.1/24 dev lo").expect("an address");
        let network = Arc::new(TestNetwork::new());
        let data = network.directory().join("data");
        fs::create_dir(&data).expect("a directory");
        if !arguments.contains(&"--explorer.public=true") {
            cairn_tests::tokens::make(&network, &data, &["--scope", "read"]);
        }
        let mut all =
            vec![String::from("--rpc.listen=192.0.2.1:9741"), String::from("--network.listen=/ip4/192.0.2.1/tcp/9740")];
        all.extend(arguments.iter().map(|&argument| argument.to_owned()));
        let mut node = machine.enter(&command(&network, &data, free_port(), free_port(), &all));
        let node = node.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        until("it serves", SOON, async || data.join("rpc.sock").exists().then_some(())).await;
        Some(Self { machine, node, network })
    }

    /// Asks from there; the answer's head and body.
    fn curl(&self, arguments: &[&str]) -> String {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--include", "--max-time", "10"]).args(arguments);
        self.machine.run(&curl, "").expect("curl runs")
    }

    fn call(&self, method: &str) -> Value {
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": []}).to_string();
        let arguments = ["--header", "Content-Type: application/json", "--data", &call, "http://192.0.2.1:9741/"];
        let answer = self.curl(&arguments);
        let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error} in {answer}"))
    }
}

impl Drop for Exposed {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.node.kill();
        let _ = self.node.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_are_shown_no_page_unless_the_explorer_is_public() {
    let Some(exposed) = Exposed::start("ex1", &[]).await else { return };
    for path in ["/", "/block/0", "/web/style.css", "/network"] {
        let answer = exposed.curl(&[&format!("http://192.0.2.1:9741{path}")]);
        assert!(answer.starts_with("HTTP/1.1 401") && !answer.contains("<html"), "{path}: {answer}");
    }
    assert_eq!(exposed.call("chain_tip")["error"]["code"], 6002);
    let health = exposed.curl(&["http://192.0.2.1:9741/health"]);
    assert!(health.starts_with("HTTP/1.1 200"), "the control: {health}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_public_explorer_is_for_everybody_to_read_and_for_nobody_to_change_anything() {
    let Some(exposed) = Exposed::start("ex2", &["--explorer.public=true", "--rpc.rate=200"]).await else { return };
    for path in ["/", "/block/0", "/web/style.css", "/network", "/pool"] {
        let answer = exposed.curl(&[&format!("http://192.0.2.1:9741{path}")]);
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    }
    assert_eq!(exposed.call("chain_tip")["result"]["height"], 0);
    assert!(exposed.call("node_info")["result"].is_object());
    for method in ["net_peers", "net_info", "node_stop", "mining_info", "node_storage", "net_listBans", "rpc.discover"]
    {
        assert_eq!(exposed.call(method)["error"]["code"], 6002, "{method}");
    }
    let submitted = payment(exposed.network.spec(), &key(0), 0, key(1).address(), 5, 1_000);
    let raw = cairn_rpc::text::HexBytes(cairn_ledger::codec::encode(&submitted));
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tx_submit", "params": [raw]}).to_string();
    let answer =
        exposed.curl(&["--header", "Content-Type: application/json", "--data", &call, "http://192.0.2.1:9741/"]);
    assert!(answer.contains("6002"), "a stranger hands nothing in: {answer}");
    let foreign = exposed.curl(&["--header", "Host: evil.example", "http://192.0.2.1:9741/"]);
    assert!(foreign.starts_with("HTTP/1.1 403"), "DNS rebinding: {foreign}");
    let metrics = exposed.curl(&["http://192.0.2.1:9741/metrics"]);
    assert!(!metrics.contains("cairn_peers"), "what is private stays so: {metrics}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_that_is_full_of_payments_is_a_page_of_fifty() {
    let node = indexed(&[]).await;
    for nonce in 0..60 {
        node.submit(&payment(node.network().spec(), &key(nonce % 10), nonce / 10, key(1).address(), 5, 1_000)).await;
    }
    assert_eq!(node.rpc().mempool_info().await.expect("it answers").count, 60);
    let html = page(&node, "/pool");
    assert_eq!(html.matches("<td data-label=\"Payment\"").count(), 50);
    assert!(html.contains("/pool?after="), "{html}");
}
