//! A whole node in this process, asked over HTTP.

use crate::golden;
use cairn_ledger::codec::{decode, encode};
use cairn_ledger::testing::{easy_params, key, payment};
use cairn_ledger::{accounts::AccountProof, block::Header};
use cairn_node::{Environment, Flags, Node, NodeError, RunningNode, Settings};
use serde_json::{Value, json};
use std::{fmt::Write as _, net::SocketAddr, path::Path, sync::Arc};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The easy network as a file, one day old: old enough to generate many blocks.
fn network_file() -> String {
    let params = easy_params();
    let now = std::time::UNIX_EPOCH.elapsed().expect("a clock after 1970").as_millis();
    let mut text = format!(
        "name = \"{}\"\nprefix = \"{}\"\ninterval_ms = {}\nhalf_life_ms = {}\nmax_future_ms = {}\n\
         max_block_bytes = {}\nmax_new_accounts = {}\naccount_price = \"{}\"\nsubsidy = \"{}\"\nhalving = {}\ngenesis_time = {}\n\
         pow_limit = \"{}\"\ngenesis_target = \"{}\"\n",
        params.name,
        params.prefix,
        params.interval_ms,
        params.half_life_ms,
        params.max_future_ms,
        params.max_block_bytes,
        params.max_new_accounts,
        params.account_price,
        params.subsidy,
        params.halving,
        now - 86_400_000,
        params.pow_limit,
        params.genesis_target,
    );
    for (address, amount) in &params.allocations {
        let address = params.prefix.encode(address);
        write!(text, "[[allocations]]\naddress = \"{address}\"\namount = \"{amount}\"\n").expect("a String takes all");
    }
    text + "[defaults]\np2p_port = 0\nrpc_port = 0\nboot_nodes = []\nlocal = true\n"
}

fn settings(directory: &Path) -> Settings {
    let file = directory.join("network.toml");
    if !file.exists() {
        std::fs::write(&file, network_file()).expect("a fresh directory can be written");
    }
    let chain = file.to_str().map(str::to_owned);
    let flags = Flags { chain, data_dir: Some(directory.join("data")), keys: Vec::new() };
    Settings::load(&flags, &Environment::default()).expect("good settings")
}

/// Sends the bytes of a request and gives the status and the body of the answer.
async fn exchange(address: SocketAddr, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.expect("the node listens");
    stream.write_all(request.as_bytes()).await.expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("it answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.expect("a status"), body.to_owned())
}

async fn post(address: SocketAddr, headers: &str, body: &str) -> (u16, String) {
    let length = body.len();
    let head = format!("POST / HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n");
    exchange(address, &format!("{head}Connection: close\r\n{headers}\r\n{body}")).await
}

async fn call(node: &RunningNode, method: &str, params: Value) -> Value {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    let token = std::fs::read_to_string(node.admin_token_file()).expect("it is made at the start");
    let headers = format!("Host: localhost\r\nAuthorization: Bearer {}\r\n", token.trim());
    let (status, body) = post(node.rpc_address, &headers, &body).await;
    assert_eq!(status, 200, "{method}: {body}");
    serde_json::from_str(&body).expect("an answer is JSON")
}

async fn result(node: &RunningNode, method: &str, params: Value) -> Value {
    let answer = call(node, method, params).await;
    answer.get("result").unwrap_or_else(|| panic!("{method}: {answer}")).clone()
}

/// Whether two answers have the same fields of the same types. `null` stands for any type, and an empty
/// list for a list of anything.
fn same_shape(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Null, _) | (_, Value::Null) => true,
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same_shape(a, b)))
        }
        (Value::Array(a), Value::Array(b)) => a.iter().zip(b).all(|(a, b)| same_shape(a, b)),
        (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_answers_every_method_in_its_committed_shape() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut settings = settings(directory.path());
    settings.storage.address_index = true;
    let spec = Arc::clone(&settings.spec);
    let prefix = spec.params().prefix;
    let shown = |n| prefix.encode(&key(n).address());
    let node = Node::start(settings).await.expect("a node starts");
    assert!(node.rpc_address.port() != 0 && !node.p2p_addresses.is_empty());

    let transaction = payment(&spec, &key(1), 0, key(2).address(), 250_000_000, 1_000);
    let txid = transaction.id().to_string();
    let raw: String = encode(&transaction).iter().map(|byte| format!("{byte:02x}")).collect();
    let status = async |expected: &str| {
        let status = result(&node, "tx_status", json!([txid])).await;
        assert_eq!(status["state"], expected, "{status}");
    };
    status("unknown").await;
    result(&node, "tx_submit", json!([raw])).await;
    status("pooled").await;
    let account = result(&node, "state_getAccount", json!([shown(1)])).await;
    assert_eq!((&account["nonce"], &account["pending"]["nonce"]), (&json!("0"), &json!("1")));
    assert_eq!(account["pending"]["balance"], (1_000_000_000_000_u64 - 250_002_000).to_string());
    let made = result(&node, "mining_generate", json!([3, shown(0)])).await;
    assert_eq!((made["blocks"].as_array().map(Vec::len), &made["stopped"]), (Some(3), &Value::Null));
    status("mined").await;

    let made: Vec<&str> = made["blocks"].as_array().expect("blocks").iter().filter_map(Value::as_str).collect();
    let (known, tip) = (made[1], made[2]);
    for name in golden::methods() {
        let (params, live) = match name.as_str() {
            "chain_getHeader" | "chain_getBlock" | "chain_getRawBlock" => (json!([1]), true),
            "chain_getBlock.full" => (json!([1, true]), true),
            "chain_getTransaction" | "tx_status" => (json!([txid]), true),
            "chain_getProof" => (json!([tip, "00".repeat(32)]), true),
            "chain_getProof.since" => (json!([tip, "00".repeat(32), known]), true),
            "chain_getTransactionProof" => (json!([txid, tip]), true),
            "chain_getBareHeaders" => (json!([known, tip]), true),
            "state_getAccount" | "state_getProof" | "state_getHistory" => (json!([shown(1)]), true),
            "mining_generate" => (json!([1, shown(0)]), true),
            "chain_getHeaders" | "chain_getBlocks" | "chain_getTransactions" => (json!([1]), true),
            "mempool_ofSender" => (json!([shown(1)]), true),
            "mining_getTemplate" => (json!([shown(0)]), true),
            "chain_tip" | "node_info" | "mempool_info" | "mining_info" | "net_info" | "net_peers"
            | "net_findProviders" | "net_listBans" => (json!([]), true),
            "node_backup" => (json!([directory.path().join("copy")]), true),
            "net_ban" => (json!(["203.0.113.7", 60]), true),
            "net_unban" => (json!(["203.0.113.7"]), true),
            "chain_supply" | "chain_difficulty" | "mempool_content" | "mempool_feeEstimate" | "node_storage" => {
                (json!([]), true)
            }
            // Asked above, refused without a peer to add, or no method of HTTP.
            _ => (Value::Null, false),
        };
        if live {
            let method = name.split('.').next().expect("a name");
            let answer = result(&node, method, params).await;
            assert!(same_shape(&answer, &golden::read(&name)), "{name}: {answer:#}");
        }
    }
    node.stop().await.expect("it stops in order");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_node_proves_can_be_verified_and_survives_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let settings = settings(directory.path());
    let prefix = settings.spec.params().prefix;
    let node = Node::start(settings.clone()).await.expect("a node starts");
    result(&node, "mining_generate", json!([2, prefix.encode(&key(70).address())])).await;
    let tip = result(&node, "chain_tip", json!([])).await;
    for (n, has) in [(1, true), (70, true), (71, false)] {
        let address = key(n).address();
        let proof = result(&node, "state_getProof", json!([prefix.encode(&address)])).await;
        let bytes = |field: &str| -> Vec<u8> {
            let digits = proof[field].as_str().expect("hex").as_bytes();
            let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hex");
            digits.chunks(2).map(byte).collect()
        };
        let header = Header::from_bytes(&bytes("header")).expect("a header");
        assert_eq!(tip["id"], header.id().to_string());
        let verified =
            decode::<AccountProof>(&bytes("raw"), 4_096).expect("a proof").verify(&address, &header.state_root);
        let account = verified.expect("it proves");
        assert_eq!((account.is_some(), proof["account"].is_object()), (has, has), "{proof}");
    }
    node.stop().await.expect("it stops in order");

    let node = Node::start(settings).await.expect("it starts again");
    assert_eq!(result(&node, "chain_tip", json!([])).await, tip);
    node.stop().await.expect("it stops again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proofs_of_what_is_not_there_are_refused_with_their_codes() {
    let directory = tempfile::tempdir().expect("a directory");
    let settings = settings(directory.path());
    let shown = settings.spec.params().prefix.encode(&key(1).address());
    let node = Node::start(settings).await.expect("a node starts");
    let made = result(&node, "mining_generate", json!([40, shown])).await;
    let block = |place: usize| made["blocks"][place].clone();
    let (nobody, random) = ("ab".repeat(32), "00".repeat(32));
    for (method, params, code) in [
        ("chain_getProof", json!([nobody, random]), 2001),
        ("chain_getTransactionProof", json!([nobody, nobody]), 2001),
        ("chain_getTransactionProof", json!([nobody, block(39)]), 2002),
        ("state_getProof", json!([shown, nobody]), 2003),
        ("state_getProof", json!([shown, block(39 - 33)]), 2003),
    ] {
        let answer = call(&node, method, params.clone()).await;
        assert_eq!(answer["error"]["code"], code, "{method} {params}: {answer}");
    }
    // The negative control: as deep as it goes, and at the tip.
    for place in [39 - 32, 39 - 6, 39] {
        let proof = result(&node, "state_getProof", json!([shown, block(place)])).await;
        let paid = 1_000_000_000_000_u64 + 5_000_000_000 * (place as u64 + 1);
        assert_eq!(proof["account"]["balance"], paid.to_string());
    }
    node.stop().await.expect("it stops in order");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_node_on_the_same_data_is_refused_and_harms_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let settings = settings(directory.path());
    let node = Node::start(settings.clone()).await.expect("a node starts");
    let second = Node::start(settings.clone()).await.map(|_| ()).expect_err("the data is in use");
    assert!(matches!(second, NodeError::DataDir(_)) && !second.is_storage_failure());
    assert!(second.to_string().contains("another cairn-node (process"), "{second}");
    result(&node, "node_info", json!([])).await;

    // A port that is taken is refused too, and the data is free again afterwards.
    let elsewhere = Settings { data_dir: directory.path().join("other"), rpc_listen: node.rpc_address, ..settings };
    let third = Node::start(elsewhere.clone()).await.map(|_| ()).expect_err("the port is taken");
    assert!(third.to_string().contains("choose another port with --rpc.listen"), "{third}");
    node.stop().await.expect("it stops in order");
    Node::start(elsewhere).await.expect("port and data are free").stop().await.expect("it stops in order");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_port_is_for_programs_of_this_machine() {
    let directory = tempfile::tempdir().expect("a directory");
    let node = Node::start(settings(directory.path())).await.expect("a node starts");
    let address = node.rpc_address;
    let ask = json!({"jsonrpc": "2.0", "id": 1, "method": "node_info", "params": []}).to_string();
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let dns_rebinding = "Host: evil.example\r\n";
    let cross_site = "Host: localhost\r\nOrigin: https://evil.example\r\n";
    for headers in [dns_rebinding, cross_site] {
        assert_eq!(post(address, headers, &ask).await.0, 403, "{headers}");
        let handshake = format!("GET / HTTP/1.1\r\n{upgrade}{headers}\r\n");
        let mut stream = TcpStream::connect(address).await.expect("the node listens");
        stream.write_all(handshake.as_bytes()).await.expect("it reads");
        assert_eq!(status_line(&mut stream).await, "HTTP/1.1 403", "{headers}");
    }
    // The negative control: a program, and a page of this machine.
    for headers in ["Host: 127.0.0.1\r\n", "Host: localhost:1\r\nOrigin: http://localhost:3000\r\n"] {
        assert_eq!(post(address, headers, &ask).await.0, 200, "{headers}");
        let handshake = format!("GET / HTTP/1.1\r\n{upgrade}{headers}\r\n");
        let mut stream = TcpStream::connect(address).await.expect("the node listens");
        stream.write_all(handshake.as_bytes()).await.expect("it reads");
        assert_eq!(status_line(&mut stream).await, "HTTP/1.1 101", "{headers}");
    }
    node.stop().await.expect("it stops in order");
}

async fn status_line(stream: &mut TcpStream) -> String {
    let mut start = [0; 12];
    stream.read_exact(&mut start).await.expect("a status line");
    String::from_utf8_lossy(&start).into_owned()
}
