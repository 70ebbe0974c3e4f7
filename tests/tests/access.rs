//! Who may ask a node for what, how much, and how long it waits for whom.

use cairn_rpc::methods::{ChainClient, NodeClient};
use cairn_tests::http::{admin, call, call_with, get, post, request};
use cairn_tests::node::{Node, command, free_port};
use cairn_tests::wait::{SOON, until};
use cairn_tests::{cluster::Cluster, network::TestNetwork, tokens, wallet::Wallets};
use jsonrpsee_ws_client::{HeaderMap, WsClient, WsClientBuilder};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, process::Command, sync::Arc, thread, time::Duration};

const TIP: &str = r#"{"jsonrpc":"2.0","id":1,"method":"chain_tip","params":[]}"#;
const GENERATE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"mining_generate","params":[1]}"#;

fn code(answer: &Value) -> Option<i64> {
    answer["error"]["code"].as_i64()
}

fn named(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

/// A WebSocket that a token opens.
async fn opened(port: u16, token: &tokens::NewToken) -> WsClient {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", format!("Bearer {}", token.token).parse().expect("ASCII"));
    let client = WsClientBuilder::default().set_headers(headers).build(format!("ws://{}", named(port))).await;
    client.expect("the token opens a WebSocket")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_something_needs_a_token_that_says_so_and_refusals_are_told_once() {
    let cluster = Cluster::start(1).await;
    let (port, network) = (cluster[0].rpc_port(), cluster.network());
    let generate = |headers: &[&str]| call_with(port, headers, "mining_generate", &json!([1, network.address(0)]));
    let reader = tokens::make(network, cluster[0].directory(), &["--scope", "read"]).header();
    let miner = tokens::make(network, cluster[0].directory(), &["--scope", "mine", "--name", "rig"]).header();
    for _ in 0..5 {
        assert_eq!(code(&generate(&[])), Some(6002), "without a token");
        assert_eq!(code(&generate(&[&reader])), Some(6004), "with one for reading");
        assert_eq!(code(&call_with(port, &[&miner], "net_addPeer", &json!(["/ip4/127.0.0.1"]))), Some(6004));
        let wrong = reader.replace("cairn_", "cairn_0");
        assert_eq!(post(port, &named(port), &[&wrong], GENERATE).status, 401, "with a wrong one");
    }
    // A batch is no way around.
    let batch = post(port, &named(port), &[&reader], &format!("[{GENERATE},{TIP},{GENERATE}]")).body;
    let batch: Vec<Value> = serde_json::from_str(&batch).expect("three answers");
    assert_eq!((code(&batch[0]), code(&batch[2])), (Some(6004), Some(6004)));
    assert!(batch[1]["result"]["height"].is_number());
    assert_eq!(cluster[0].info().await.height, 0, "nothing was made");
    let log = cluster[0].log();
    assert_eq!(log.matches("refused access").count(), 1, "{log}");
    assert!(!log.contains(&reader[30..]) && !log.contains(&miner[30..]), "no token is in the log");
    // The controls: the right scopes, and what is open.
    assert!(generate(&[&miner])["result"]["blocks"].is_array());
    assert!(generate(&[&admin(port).expect("a node of ours")])["result"]["blocks"].is_array());
    assert!(call_with(port, &[&reader], "net_peers", &json!([]))["result"].is_array());
    assert_eq!(code(&call_with(port, &[], "net_peers", &json!([]))), Some(6002));
    assert!(call_with(port, &[], "chain_tip", &json!([]))["result"].is_object());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_come_and_go_while_the_node_runs() {
    let cluster = Cluster::start(1).await;
    let (port, network, data) = (cluster[0].rpc_port(), cluster.network(), cluster[0].directory());
    let token = tokens::make(network, data, &["--scope", "read", "--expires", "30d"]);
    let header = token.header();
    assert!(call_with(port, &[&header], "net_info", &json!([]))["result"].is_object());
    let socket = opened(port, &token).await;
    cairn_rpc::methods::NetClient::net_info(&socket).await.expect("it may read");

    tokens::revoke(network, data, &token.id);
    assert_eq!(post(port, &named(port), &[&header], TIP).status, 401);
    cairn_rpc::methods::NetClient::net_info(&socket).await.expect_err("the open one is told, too");
    let listed = tokens::run(network, data, &["list", "--json"]);
    assert_eq!(serde_json::from_slice::<Value>(&listed.stdout).expect("JSON"), json!([]));
    let unknown = tokens::run(network, data, &["revoke", &token.id]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("token list"), "{unknown:?}");
    assert!(post(port, &named(port), &[], TIP).body.contains("height"), "the control: without any it may read");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_token_ends_its_subscriptions_and_no_others() {
    let cluster = Cluster::start(1).await;
    let (port, network, data) = (cluster[0].rpc_port(), cluster.network(), cluster[0].directory());
    let make = || tokens::make(network, data, &["--scope", "read"]);
    let (doomed, honest) = (make(), make());
    let (first, second) = (opened(port, &doomed).await, opened(port, &honest).await);
    let mut heads = first.subscribe_heads().await.expect("a subscription");
    let mut moves = first.subscribe_moves(None).await.expect("a subscription");
    let mut others = second.subscribe_heads().await.expect("a subscription");
    cluster[0].generate(1, 0).await;
    assert!(heads.next().await.is_some() && moves.next().await.is_some() && others.next().await.is_some());
    tokens::revoke(network, data, &doomed.id);
    let ended = async {
        while heads.next().await.is_some() {}
        while moves.next().await.is_some() {}
    };
    tokio::time::timeout(SOON, ended).await.expect("both end, though no block comes");
    cluster[0].generate(1, 0).await;
    let head = tokio::time::timeout(SOON, others.next()).await.expect("the control: another goes on");
    assert_eq!(head.expect("a head").expect("it reads").height, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_has_expired_ends_its_subscriptions_and_allows_nothing() {
    let cluster = Cluster::start(1).await;
    let (port, network, data) = (cluster[0].rpc_port(), cluster.network(), cluster[0].directory());
    let token = tokens::make(network, data, &["--scope", "read", "--expires", "1m"]);
    // Most of that minute has passed.
    let file = data.join("tokens.json");
    let mut tokens: Value = serde_json::from_slice(&fs::read(&file).expect("it is there")).expect("JSON");
    let ends = tokens["tokens"][0]["expires_ms"].as_u64().expect("it ends");
    tokens["tokens"][0]["expires_ms"] = json!(ends - 55_000);
    fs::write(&file, tokens.to_string()).expect("written");
    let client = opened(port, &token).await;
    let mut heads = client.subscribe_heads().await.expect("a subscription");
    let ended = async { while heads.next().await.is_some() {} };
    tokio::time::timeout(SOON, ended).await.expect("it ends, though no block comes");
    assert_eq!(post(port, &named(port), &[&token.header()], TIP).status, 401);
    assert!(post(port, &named(port), &[], TIP).body.contains("height"), "the control: without any it may read");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_local_users_token_is_private_and_survives_a_restart() {
    let network = Arc::new(TestNetwork::new());
    let mut node = Node::start(&network, "keeper", &[]).await;
    let path = node.directory().join("admin.token");
    let token = fs::read_to_string(&path).expect("it is made at the start");
    assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
    node.terminate().await;
    node.restart().await;
    assert_eq!(fs::read_to_string(&path).expect("it is there"), token);
    assert!(call(node.rpc_port(), "net_peers", &json!([]))["result"].is_array());
    assert!(!node.log().contains(token.trim()), "it is not told in the log");
}

#[test]
fn a_public_address_is_refused_without_a_token_and_served_with_one() {
    let network = TestNetwork::new();
    let port = free_port();
    let listen = format!("--rpc.listen=0.0.0.0:{port}");
    let start = || {
        let mut command = command(&network, network.directory(), free_port(), port, std::slice::from_ref(&listen));
        command.stderr(std::process::Stdio::piped()).spawn().expect("it starts")
    };
    let refused = start().wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("there is no access token") && said.contains("cairn-node token new"), "{said}");

    tokens::make(&network, network.directory(), &["--scope", "read"]);
    let mut served = start();
    let deadline = std::time::Instant::now() + SOON;
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        assert!(served.try_wait().expect("a child").is_none() && std::time::Instant::now() < deadline, "it serves");
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(get(port, "/health").status, 200);
    served.kill().expect("a child can be killed");
    served.wait().expect("and awaited");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_asks_no_faster_than_it_may_in_batches_neither() {
    let cluster = Cluster::start(1).await;
    let (port, network) = (cluster[0].rpc_port(), cluster.network());
    let slow = tokens::make(network, cluster[0].directory(), &["--scope", "read", "--rate", "5/s"]).header();
    let batch = format!("[{}]", [TIP; 50].join(","));
    let ask = |headers: &[&str]| post(port, &named(port), headers, &batch).body.matches("\"height\"").count();
    let answered = ask(&[&slow]);
    assert!((5..50).contains(&answered), "{answered} of 50");
    assert_eq!(ask(&[]), 50, "the control: another's allowance is untouched");
    let answers = post(port, &named(port), &[&slow], &batch).body;
    assert!(answers.contains("6005") && answers.contains("ask again in"), "{answers}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_page_may_ask_when_it_was_named_and_no_other() {
    let network = Arc::new(TestNetwork::new());
    let node = Node::start(&network, "open", &["--rpc.cors_origins=https://wallet.example"]).await;
    let port = node.rpc_port();
    let ours = "Origin: https://wallet.example";
    let answer = request(port, "POST", "/", &[ours, "Content-Type: application/json"], TIP);
    assert!(answer.status == 200 && answer.head.contains("access-control-allow-origin: https://wallet.example"));
    let asked = request(port, "OPTIONS", "/", &[ours, "Access-Control-Request-Method: POST"], "");
    assert!(asked.status == 204 && asked.head.contains("access-control-allow-headers"), "{asked:?}");
    for origin in ["https://evil.example", "https://wallet.example.evil.example", "null"] {
        let header = format!("Origin: {origin}");
        for method in ["POST", "OPTIONS"] {
            let answer = request(port, method, "/", &[&header, "Content-Type: application/json"], TIP);
            assert!(answer.status == 403 && !answer.head.contains("access-control"), "{method} {answer:?}");
        }
    }
    let local = request(port, "POST", "/", &["Origin: http://localhost:1", "Content-Type: application/json"], TIP);
    assert!(local.status == 200 && !local.head.contains("access-control"), "off unless named: {local:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_certificate_the_port_speaks_tls_and_nothing_else() {
    let network = Arc::new(TestNetwork::new());
    let (cert, key) = self_signed(&network, "localhost", "ours");
    let port = free_port();
    let flags = [format!("--rpc.tls_cert={}", cert.display()), format!("--rpc.tls_key={}", key.display())];
    let mut node = command(&network, network.directory(), free_port(), port, &flags).spawn().expect("it starts");
    let ask = |url: &str| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--max-time", "5", "--cacert"]).arg(&cert);
        curl.args(["--header", "Content-Type: application/json", "--data", TIP, url]);
        String::from_utf8_lossy(&curl.output().expect("curl is there").stdout).into_owned()
    };
    let url = format!("https://localhost:{port}");
    let answer = until("the node answers over TLS", SOON, || {
        let answer = ask(&url);
        async move { answer.contains("height").then_some(answer) }
    })
    .await;
    assert!(answer.contains("\"result\""), "{answer}");
    assert_eq!(ask(&format!("http://localhost:{port}")), "", "in clear there is no answer");
    node.kill().expect("a child can be killed");
    node.wait().expect("and awaited");

    fs::write(&key, "no key").expect("written");
    let refused = command(&network, network.directory(), free_port(), port, &flags).output().expect("it ends");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(2) && said.contains("key.pem") && said.contains("expected PEM"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wallet_pairs_with_a_node_by_one_line() {
    let cluster = Cluster::start(1).await;
    let (node, network) = (&cluster[0], cluster.network());
    let wallets = Wallets::new(network);
    let token = tokens::make(network, node.directory(), &["--scope", "submit", "--url", &node.url()]);
    let paired = wallets.run_alone("shop", &token.pairing, &["pair"]);
    assert_eq!((paired.code, &paired.json["url"]), (0, &json!(node.url())), "{paired:?}");
    let files: Vec<_> = fs::read_dir(wallets.directory().join("pairings")).expect("it was made").collect();
    let file = files[0].as_ref().expect("an entry").path();
    assert_eq!(fs::metadata(file).expect("a file").permissions().mode() & 0o777, 0o600);
    // From now on that node is asked, with the token.
    let unknown = "00".repeat(32);
    let asked = wallets.run_alone("shop", "", &["status", &unknown]);
    assert_eq!((asked.code, &asked.json["state"]), (0, &json!("unknown")), "{asked:?}");
    tokens::revoke(network, node.directory(), &token.id);
    let refused = wallets.run_alone("shop", "", &["status", &unknown]);
    assert_eq!((refused.code, &refused.json["error"]["kind"]), (1, &json!("bad_token")), "{refused:?}");
    let again = wallets.run_alone("shop", &token.pairing, &["pair"]);
    assert_eq!((again.code, &again.json["error"]["kind"]), (1, &json!("bad_token")), "{again:?}");
    let broken = wallets.run_alone("shop", "cairn-pair:nothing", &["pair"]);
    assert_eq!(broken.json["error"]["kind"], "bad_pairing");
    assert_eq!(wallets.run_alone("shop", "", &["pair", "--forget"]).code, 0);
}

/// A certificate that signs itself, for `name`, and its key, in files.
fn self_signed(network: &TestNetwork, name: &str, file: &str) -> (PathBuf, PathBuf) {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).expect("a certificate");
    let path = |end: &str| network.directory().join(format!("{file}-{end}.pem"));
    let (cert, key) = (path("cert"), path("key"));
    fs::write(&cert, made.cert.pem()).expect("written");
    fs::write(&key, made.key_pair.serialize_pem()).expect("written");
    (cert, key)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wallet_pairs_over_tls_with_the_certificate_that_the_line_names_and_with_no_other() {
    let network = Arc::new(TestNetwork::new());
    let directory = network.directory().join("tls");
    fs::create_dir(&directory).expect("a directory");
    let start = |certificate: &(PathBuf, PathBuf), port: u16| {
        let (cert, key) = certificate;
        let flags = [format!("--rpc.tls_cert={}", cert.display()), format!("--rpc.tls_key={}", key.display())];
        command(&network, &directory, free_port(), port, &flags).spawn().expect("it starts")
    };
    // For a name that nobody asks for: the certificate itself is what counts.
    let ours = self_signed(&network, "somewhere.example", "ours");
    let port = free_port();
    let mut node = start(&ours, port);
    let wallets = Wallets::new(&network);
    let file = format!(
        "[rpc]\nlisten = \"127.0.0.1:{port}\"\ntls_cert = \"{}\"\ntls_key = \"{}\"\n",
        ours.0.display(),
        ours.1.display()
    );
    fs::write(directory.join("cairn-node.toml"), file).expect("written");
    let token = tokens::make(&network, &directory, &["--scope", "submit"]);
    let (url, hash) = token.pairing.split_once("?cert=").expect("the line names the certificate");
    let url = url.strip_prefix("cairn-pair:").expect("a pairing line");
    assert_eq!((url, hash.len()), (format!("https://127.0.0.1:{port}").as_str(), 64 + 1 + token.token.len()));
    let paired = until("the wallet pairs", SOON, async || {
        let paired = wallets.run_alone("shop", &token.pairing, &["pair"]);
        (paired.code == 0).then_some(paired)
    })
    .await;
    assert_eq!(paired.json["url"], json!(url));
    let unknown = "00".repeat(32);
    let asked = wallets.run_alone("shop", "", &["status", &unknown]);
    assert_eq!((asked.code, &asked.json["state"]), (0, &json!("unknown")), "{asked:?}");
    // A name that the certificate is not for, and no certificate named: nobody vouches for it.
    let stranger = Wallets::new(&network);
    let refused = stranger.run("shop", url, "", &["status", &unknown]);
    assert_eq!((refused.code, &refused.json["error"]["kind"]), (1, &json!("bad_certificate")), "{refused:?}");
    assert!(refused.json["error"]["message"].as_str().is_some_and(|text| text.contains("?cert=")), "{refused:?}");

    // Somebody else in the node's place, with a certificate of their own.
    node.kill().expect("a child can be killed");
    node.wait().expect("and awaited");
    let mut impostor = start(&self_signed(&network, "somewhere.example", "theirs"), port);
    let refused = until("the impostor answers", SOON, async || {
        let asked = wallets.run_alone("shop", "", &["status", &unknown]);
        (asked.json["error"]["kind"] != "no_answer").then_some(asked)
    })
    .await;
    assert_eq!((refused.code, &refused.json["error"]["kind"]), (1, &json!("bad_certificate")), "{refused:?}");
    impostor.kill().expect("a child can be killed");
    impostor.wait().expect("and awaited");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_say_how_the_node_is() {
    let cluster = Cluster::start(1).await;
    let port = cluster[0].rpc_port();
    cluster[0].generate(3, 0).await;
    assert_eq!((get(port, "/health").status, get(port, "/ready").status), (200, 200));
    let metrics = get(port, "/metrics");
    for line in ["cairn_chain_height_blocks 3", "cairn_rpc_calls_total{method=\"mining_generate\",outcome=\"ok\"} 1"] {
        assert!(metrics.body.contains(line), "{line} in {}", metrics.body);
    }
    assert!(request(port, "GET", "/metrics", &["Authorization: Bearer x"], "").status == 401);
    let rebinding = format!("GET /health HTTP/1.1\r\nHost: evil.example:{port}\r\nConnection: close\r\n\r\n");
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens");
    stream.write_all(rebinding.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");

    // Alone on a network that is not local, it is alive and not ready.
    let network = Arc::new(TestNetwork::with(86_400_000, false));
    let lonely = Node::start(&network, "lonely", &[]).await;
    assert_eq!(get(lonely.rpc_port(), "/health").status, 200);
    let ready = get(lonely.rpc_port(), "/ready");
    assert!(ready.status == 503 && ready.body.contains("\"reason\":\""), "{ready:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_that_never_reads_is_cut_off_and_others_are_served() {
    let cluster = Cluster::start(1).await;
    let port = cluster[0].rpc_port();
    cluster[0].generate(1, 0).await;
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens");
    let handshake = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(handshake.as_bytes()).expect("it reads");
    // Asks and never reads an answer, until the other end has gone: a write fails then.
    let gone = thread::spawn(move || {
        stream.set_write_timeout(Some(Duration::from_secs(60))).expect("a timeout");
        let frame = masked(TIP.as_bytes());
        let frames = frame.repeat(64);
        while stream.write_all(&frames).is_ok() {}
        let left = stream.write_all(&frame).expect_err("it stays gone");
        left.kind()
    });
    while !gone.is_finished() {
        cluster[0].rpc().node_info().await.expect("others are served all the while");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let kind = gone.join().expect("no panic");
    assert!(matches!(kind, std::io::ErrorKind::BrokenPipe | std::io::ErrorKind::ConnectionReset), "{kind:?}");
}

/// A WebSocket text frame as clients send it (RFC 6455), with a mask of zeros.
fn masked(text: &[u8]) -> Vec<u8> {
    let length = u8::try_from(text.len()).ok().filter(|length| *length < 126).expect("a short frame");
    [&[0x81, 0x80 | length, 0, 0, 0, 0], text].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_are_imported_while_callers_flood_the_node() {
    let cluster = Cluster::start(2).await;
    let (port, network) = (cluster[0].rpc_port(), Arc::clone(cluster.network()));
    let (done, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let floods: Vec<_> = (0..8)
        .map(|n| {
            let (done, asked, address) = (Arc::clone(&done), Arc::clone(&asked), network.address(n));
            thread::spawn(move || {
                let one = json!({"jsonrpc": "2.0", "id": 1, "method": "state_getProof", "params": [address]});
                let batch = Value::from(vec![one; 50]).to_string();
                while !done.load(Ordering::Relaxed) {
                    let answer = post(port, &named(port), &[], &batch);
                    assert_eq!(answer.status, 200, "{answer:?}");
                    asked.fetch_add(50, Ordering::Relaxed);
                }
            })
        })
        .collect();
    until("the flood runs", SOON, async || (asked.load(Ordering::Relaxed) > 0).then_some(())).await;
    // The other node makes them, and the flooded one imports them: the flood ends only after that.
    cluster[1].generate(30, 0).await;
    let agreed = cluster.agree().await;
    assert_eq!(agreed.height, 30);
    done.store(true, Ordering::Relaxed);
    for flood in floods {
        flood.join().expect("every question was answered");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_connections_than_there_are_places_are_closed_and_the_places_come_back() {
    let network = Arc::new(TestNetwork::new());
    let node = Node::start(&network, "small", &["--rpc.max_connections=8"]).await;
    let port = node.rpc_port();
    let held: Vec<TcpStream> =
        (0..200).map(|_| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the system takes it")).collect();
    let closed = until("most are closed", SOON, || {
        let closed = held.iter().filter(|stream| is_closed(stream)).count();
        async move { (closed >= 190).then_some(closed) }
    })
    .await;
    assert!(closed < 200, "some have places");
    drop(held);
    until("the places come back", SOON, async || node.rpc().node_info().await.ok()).await;
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"chain_getHeader","params":{}{}}}"#,
        "[".repeat(20),
        "]".repeat(20)
    );
    assert!(post(port, &named(port), &[], &deep).body.contains("6007"), "nested too deeply");
    assert_eq!(code(&call_with(port, &[], "chain_subscribeHeads", &json!([]))), Some(6006), "no WebSocket");
}

fn is_closed(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).expect("it can be set");
    let mut stream = stream;
    match stream.read(&mut [0; 1]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
    }
}
