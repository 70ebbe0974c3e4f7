//! What is tried against an open port: pages in a browser, requests that never end or are far too large,
//! subscribers that never read, secrets in what is told, text that wants to be more than text.

use cairn_ledger::codec::BoundedBytes;
use cairn_ledger::testing::{key, payment};
use cairn_rpc::methods::NodeClient;
use cairn_tests::http::{Answer, admin, call, call_with, get, post, request};
use cairn_tests::node::{Node, command, free_port};
use cairn_tests::wait::{LATER, SOON, until};
use cairn_tests::{
    cluster::Cluster, made, netns::Namespace, network::TestNetwork, socket::Socket, tokens, wallet::Wallets,
};
use serde_json::json;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Command, Stdio};
use std::{fs, path::Path, sync::Arc, thread, time::Duration};

const TIP: &str = r#"{"jsonrpc":"2.0","id":1,"method":"chain_tip","params":[]}"#;

fn named(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

/// The value of a gauge on the page of metrics.
fn gauge(port: u16, name: &str) -> u64 {
    let page = get(port, "/metrics").body;
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{name} in {page}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_web_page_in_the_operators_browser_opens_no_web_socket() {
    let cluster = Cluster::start(1).await;
    let port = cluster[0].rpc_port();
    // A browser lets any page open a WebSocket anywhere: the Origin is all that tells them apart.
    for origin in ["https://evil.example", "null", "http://localhost.evil.example"] {
        let refused = Socket::open(port, &[&format!("Origin: {origin}")]).expect_err("not from there");
        assert!(refused.to_string().starts_with("HTTP/1.1 403"), "{origin}: {refused}");
    }
    for headers in [&[][..], &["Origin: http://localhost:3000"]] {
        let mut socket = Socket::open(port, headers).expect("the control: programs and pages of this machine");
        assert_eq!(socket.call("chain_tip", &json!([])).expect("an answer")["result"]["height"], 0);
    }
}

/// Sends these bytes one by one until the other end has gone, and gives what it said before.
fn drip(port: u16, head: &str, then: &'static [u8]) -> thread::JoinHandle<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens");
    stream.write_all(head.as_bytes()).expect("it reads");
    thread::spawn(move || {
        let mut reader = stream.try_clone().expect("a second handle");
        let said = thread::spawn(move || {
            let mut said = Vec::new();
            // A connection that is reset has ended, too.
            let _ = reader.read_to_end(&mut said);
            String::from_utf8_lossy(&said).into_owned()
        });
        for byte in then.iter().cycle() {
            if said.is_finished() || stream.write_all(&[*byte]).is_err() {
                break;
            }
            thread::sleep(Duration::from_millis(500));
        }
        said.join().expect("no panic")
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_come_byte_by_byte_are_given_up_and_others_are_answered() {
    let cluster = Cluster::start(1).await;
    let port = cluster[0].rpc_port();
    let post = format!("POST / HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n", named(port));
    let slow = [
        drip(port, "POST / HTTP/1.1\r\nX-Slow: ", b"a"),
        drip(port, &format!("{post}Content-Length: 1000000\r\n\r\n[\""), b"a"),
    ];
    // The honest neighbour is slow, too, and ends.
    let mut honest = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens");
    let text = format!("{post}Connection: close\r\nContent-Length: {}\r\n\r\n{TIP}", TIP.len());
    for piece in text.as_bytes().chunks(40) {
        honest.write_all(piece).expect("it reads");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut answer = String::new();
    honest.read_to_string(&mut answer).expect("it answers");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"height\""), "{answer}");
    until("both are given up", LATER, async || {
        cluster[0].rpc().node_info().await.expect("others are served all the while");
        slow.iter().all(thread::JoinHandle::is_finished).then_some(())
    })
    .await;
    let [head, body] = slow.map(|one| one.join().expect("no panic"));
    assert!(!head.contains(" 200 ") && !body.contains(" 200 "), "{head:?} {body:?}");
    assert!(body.is_empty() || body.starts_with("HTTP/1.1 408"), "{body:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_not_sent_a_whole_header_within_seconds_is_out_and_who_has_asked_may_rest() {
    let network = Arc::new(TestNetwork::new());
    let node = Node::start(&network, "node", &["--rpc.max_connections=8"]).await;
    let port = node.rpc_port();
    let open = |said: &str| {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens");
        stream.write_all(said.as_bytes()).expect("it reads");
        stream.set_read_timeout(Some(SOON)).expect("a timeout");
        stream
    };
    let asked = format!("GET /health HTTP/1.1\r\nHost: {}\r\n\r\n", named(port));
    let mut resting = open(&asked);
    let mut answer = [0; 512];
    assert!(resting.read(&mut answer).expect("it answers") > 0);
    let began = std::time::Instant::now();
    for said in ["", "GET /health HTTP/1.1\r\nHost: local"] {
        // It ends, with or without a word.
        let mut rest = Vec::new();
        let _ = open(said).read_to_end(&mut rest);
        assert!(!String::from_utf8_lossy(&rest).contains(" 200 "), "{rest:?}");
    }
    assert!(began.elapsed() < Duration::from_secs(25), "{:?} for both", began.elapsed());
    // The control: who has asked once may rest longer than that, and ask again.
    resting.write_all(asked.as_bytes()).expect("it is still open");
    assert!(resting.read(&mut answer).expect("it answers") > 0);
    let page = get(port, "/metrics").body;
    assert!(page.contains("cairn_rpc_refused_requests_total{reason=\"no_request\"} 2"), "{page}");
}

/// Opens 512 connections from 16 addresses of one /64 and says nothing on them, then asks from another; prints how many
/// of the former are open, and what the latter is told.
const CROWD: &str = r"
import socket, time
def connect(address):
    s = socket.socket(socket.AF_INET6)
    s.settimeout(5)
    s.bind((address, 0))
    s.connect(('fd77::1', 9741))
    return s
held = [connect('fd77::%x' % (n % 16 + 1)) for n in range(512)]
time.sleep(1)
def is_open(s):
    s.setblocking(False)
    try:
        return s.recv(1) != b''
    except BlockingIOError:
        return True
    except OSError:
        return False
held = [s for s in held if is_open(s)]
other = connect('fd78::1')
other.sendall(b'GET /health HTTP/1.1\r\nHost: [fd77::1]:9741\r\n\r\n')
print(len(held), other.recv(64).split()[1].decode())
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_of_one_ipv6_prefix_that_say_nothing_are_one_host_and_leave_places_to_others() {
    let Some(machine) = made(Namespace::new("v6")) else { return };
    for n in 1..=16 {
        machine.ip(&format!("addr add fd77::{n:x}/64 dev lo nodad")).expect("an address");
    }
    machine.ip("addr add fd78::1/64 dev lo nodad").expect("an address");
    let network = Arc::new(TestNetwork::new());
    let data = network.directory().join("data");
    fs::create_dir(&data).expect("a directory");
    tokens::make(&network, &data, &["--scope", "read"]);
    let arguments = ["--rpc.listen=[fd77::1]:9741".to_owned()];
    let mut node = machine.enter(&command(&network, &data, free_port(), free_port(), &arguments));
    let mut node = node.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    until("it serves", SOON, async || data.join("rpc.sock").exists().then_some(())).await;
    let mut python = Command::new("python3");
    let said = machine.run(python.args(["-c", CROWD]), "");
    node.kill().expect("a child can be killed");
    node.wait().expect("and awaited");
    match said {
        Err(reason) if reason.contains("python3") && reason.contains("No such file") => {
            eprintln!("skipped: python3 cannot be run here: {reason}");
        }
        said => assert_eq!(said.as_deref().map(str::trim), Ok("32 200"), "as many as one host has, and an answer"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_of_100_megabytes_is_refused_without_being_kept() {
    let cluster = Cluster::start(1).await;
    let port = cluster[0].rpc_port();
    let submit = |digits: usize| {
        let raw = "0".repeat(digits);
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tx_submit","params":["{raw}"]}}"#)
    };
    // Warmed up with what is allowed, which is the control: it reaches the method.
    let allowed = post(port, &named(port), &[], &submit(4 << 20));
    assert!(allowed.body.contains("1002"), "{allowed:?}");
    let before = gauge(port, "cairn_process_resident_memory_bytes");
    let large = submit(100 << 20);
    let said = |length: &str, head: &str| {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens");
        let head = format!("POST / HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n{head}\r\n", named(port));
        stream.write_all(head.as_bytes()).expect("it reads");
        // It may be refused, and the connection closed, before it is sent.
        let sent = stream.write_all(format!("{length}{large}").as_bytes()).is_ok();
        let mut answer = Vec::new();
        let _ = stream.set_read_timeout(Some(SOON));
        let _ = stream.read_to_end(&mut answer);
        (sent, String::from_utf8_lossy(&answer).into_owned())
    };
    let length = large.len();
    let declared = said("", &format!("Connection: close\r\nContent-Length: {length}\r\n"));
    let chunked = said(&format!("{length:x}\r\n"), "Connection: close\r\nTransfer-Encoding: chunked\r\n");
    for (sent, answer) in [declared, chunked] {
        assert!(!sent || answer.starts_with("HTTP/1.1 413") || answer.contains("\"error\""), "{sent} {answer}");
        assert!(!answer.contains("\"result\""), "{answer}");
    }
    let after = gauge(port, "cairn_process_resident_memory_bytes");
    assert!(after < before + (50 << 20), "half of it was kept: {before} bytes, then {after}");
    cluster[0].generate(1, 0).await;
}

/// How many read, and how many do not.
const READERS: usize = 200;
const SILENT: usize = 5;
/// Subscriptions on one connection: as many as one may have.
const SUBSCRIPTIONS: usize = 16;
/// Heads that fill whatever lies between a node and one that does not read.
const FLOOD: u64 = 600;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscribers_that_never_read_are_cut_off_and_hundreds_of_others_get_every_head() {
    let network = Arc::new(TestNetwork::new());
    let node = Node::start(&network, "popular", &["--rpc.max_connections=300"]).await;
    let port = node.rpc_port();
    let subscribed = |mut socket: Socket| {
        let answer = socket.call("chain_subscribeHeads", &json!([])).expect("an answer");
        assert!(answer["result"].is_u64() || answer["result"].is_string(), "{answer}");
        socket
    };
    let mut readers: Vec<Socket> =
        (0..READERS).map(|_| subscribed(Socket::open(port, &[]).expect("a place"))).collect();
    let mut silent = Vec::new();
    for _ in 0..SILENT {
        let mut socket = Socket::open_small(port, 4_096).await.expect("a place");
        for _ in 0..SUBSCRIPTIONS {
            socket.send("chain_subscribeHeads", &json!([])).expect("it reads");
        }
        silent.push(socket);
    }
    let open = || gauge(port, "cairn_rpc_connections") as usize;
    assert!(open() >= READERS + SILENT, "all are connected");
    let mut height = 0;
    while height < FLOOD && open() >= READERS + SILENT {
        node.generate(20, 0).await;
        for reader in &mut readers {
            for expected in height + 1..=height + 20 {
                let head = reader.receive().expect("a head");
                assert_eq!(head["params"]["result"]["height"], expected, "none is left out: {head}");
            }
        }
        height += 20;
    }
    // Besides the readers there are the harness's client and whoever asks here.
    until("those that never read are gone", LATER, async || (open() <= READERS + 2).then_some(())).await;
    node.generate(1, 0).await;
    for reader in &mut readers {
        while reader.receive().expect("every reader is still served")["params"]["result"]["height"] != height + 1 {}
    }
    drop(silent);
}

/// Every regular file below a directory, as text as far as it is.
fn files_below(path: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path).expect("a directory") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => found.extend(files_below(&path)),
            false => {
                let bytes = fs::read(&path).unwrap_or_default();
                found.push((path.display().to_string(), String::from_utf8_lossy(&bytes).into_owned()));
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_and_no_log_of_a_node_holds_a_token_or_a_key() {
    let network = Arc::new(TestNetwork::new());
    let mut node =
        Node::start(&network, "keeper", &["--log.level=trace", "--log.filter=jsonrpsee=trace,hyper=trace"]).await;
    let port = node.rpc_port();
    let made = tokens::make(&network, node.directory(), &["--scope", "read", "--name", "reader"]);
    let owner = admin(port).expect("a node of ours");
    let wrong = format!("cairn_{}_{}", "5eed5eed", "ab".repeat(32));
    let mut said: Vec<Answer> = Vec::new();
    for header in
        [made.header(), owner.clone(), format!("Authorization: Bearer {wrong}"), format!("Authorization: {wrong}")]
    {
        said.push(post(
            port,
            &named(port),
            &[&header],
            r#"{"jsonrpc":"2.0","id":1,"method":"net_addPeer","params":["x"]}"#,
        ));
        said.push(post(port, &named(port), &[&header], "[not json"));
        said.push(post(port, "evil.example", &[&header], TIP));
        said.push(request(port, "GET", "/metrics", &[&header], ""));
        let _ = Socket::open(port, &[&header]).map(|mut socket| socket.call("net_peers", &json!([])));
    }
    // Where no token belongs, somebody will put one.
    said.push(get(port, &format!("/?token={}", made.token)));
    assert!(
        call_with(port, &[&made.header()], "net_peers", &json!([]))["result"].is_array(),
        "the control: it is a token"
    );
    node.terminate().await;
    let node_key = fs::read(node.directory().join("node.key")).expect("it has one");
    let node_key: String = node_key.iter().map(|byte| format!("{byte:02x}")).collect();
    let secret_of = |token: &str| token.rsplit('_').next().expect("a secret").trim().to_owned();
    let secrets = [secret_of(&made.token), secret_of(&owner), secret_of(&wrong), node_key];
    let log = node.log();
    assert!(log.contains("refused access") && log.contains("TRACE"), "the control: refusals are told, in detail");
    for secret in &secrets {
        assert!(!log.contains(secret), "the log holds {secret}");
        for answer in &said {
            assert!(!answer.body.contains(secret) && !answer.head.contains(secret), "{answer:?}");
        }
    }
    // On the disk the owner's own token is in its file, and of those made for others there are hashes alone.
    for (path, text) in files_below(node.directory()) {
        let own = path.ends_with("admin.token");
        assert_eq!(text.contains(&secrets[1]), own, "{path}");
        assert!(!text.contains(&secrets[0]) && !text.contains(&secrets[2]), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_word_of_a_wallet_reaches_a_node_or_a_file() {
    let network = Arc::new(TestNetwork::new());
    let node = Node::start(&network, "asked", &["--log.level=trace", "--log.filter=jsonrpsee=trace,hyper=trace"]).await;
    let wallets = Wallets::new(&network);
    let restored = "test test test test test test test test test test test junk";
    let kdf = ["--kdf-memory-mib", "8"];
    let made = wallets.run("shop", &node.url(), restored, &[&["restore"], &kdf[..]].concat());
    assert_eq!(made.code, 0, "the control: the words are a wallet's: {made:?}");
    let token = tokens::make(&network, node.directory(), &["--scope", "submit", "--url", &node.url()]);
    assert_eq!(wallets.run_alone("shop", &token.pairing, &["pair"]).code, 0);
    let to = network.address(3);
    // What works, what the node refuses, and what the wallet does.
    let mut said = vec![made.json.to_string()];
    for arguments in
        [&["balance"][..], &["send", &to, "1", "--yes"], &["send", &to, "99999999", "--yes"], &["status", "zz"]]
    {
        said.push(wallets.run_alone("shop", "", arguments).json.to_string());
    }
    said.push(wallets.run_alone("shop", "test test wrong", &["restore", "--force"]).json.to_string());
    said.push(node.log());
    let secret = token.token.rsplit('_').next().expect("a secret").to_owned();
    for text in &said {
        for secret in ["test test", "correct horse battery staple", &secret] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
    for (path, text) in files_below(wallets.directory()) {
        assert!(!text.contains("test test"), "{path}");
        assert_eq!(text.contains("correct horse"), path.ends_with("/password"), "{path}");
        assert_eq!(text.contains(&secret), path.contains("/pairings/"), "the pairing is where it belongs: {path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn markup_and_control_characters_are_inert_in_all_that_a_node_says() {
    let network = Arc::new(TestNetwork::new());
    let node = Node::start(&network, "shown", &["--index.addresses=true", "--log.level=trace"]).await;
    let (port, spec) = (node.rpc_port(), network.spec());
    let nasty = "<script>alert(1)</script>\u{1b}[2J\u{7}\u{202e}\r\n2026-01-01 ERROR forged";
    let mut body = payment(spec, &key(1), 0, key(2).address(), 5, 10_000).body;
    body.memo = BoundedBytes::new(nasty.as_bytes().to_vec()).expect("a short memo");
    let transaction = body.sign(&key(1), &spec.genesis_id(), &[7; 32]);
    let txid = node.submit(&transaction).await.to_string();
    let mut said = vec![call(port, "mempool_content", &json!([]))];
    node.generate(1, 0).await;
    let address = network.address(1);
    for (method, params) in [
        ("chain_getTransaction", json!([txid])),
        ("chain_getBlock", json!([1, true])),
        ("state_getHistory", json!([address])),
        ("net_ban", json!(["203.0.113.7", 60, nasty])),
        ("net_listBans", json!([])),
        (nasty, json!([])),
        ("state_getAccount", json!([nasty])),
        ("net_addPeer", json!([nasty])),
        ("tx_status", json!([nasty])),
    ] {
        said.push(call(port, method, &params));
    }
    let memo: String = nasty.bytes().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(said[1]["result"]["transaction"]["memo"], memo, "the control: the memo is there, as hex");
    let reason = said[5]["result"][0]["reason"].as_str().expect("a reason");
    assert!(reason.contains("<script>") && !reason.contains(char::is_control), "text, and nothing else: {reason:?}");
    // The bytes on the wire, not what they decode to.
    for (method, params) in [("chain_getBlock", json!([1, true])), ("net_listBans", json!([])), (nasty, json!([]))] {
        let asked = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        let answer = post(port, &named(port), &[&admin(port).expect("ours")], &asked);
        assert!(!answer.body.contains(|c: char| c.is_control()), "{answer:?}");
        assert!(answer.head.contains("content-type: application/json"), "no browser takes it for a page: {answer:?}");
    }
    let log = node.log();
    assert!(log.contains("net_ban") || log.contains("203.0.113.7") || log.lines().count() > 5, "the control: {log}");
    for line in log.lines() {
        assert!(!line.contains(|c: char| c.is_control()), "{line:?}");
        assert!(!line.starts_with("2026-01-01 ERROR"), "a forged line: {line}");
    }
}
