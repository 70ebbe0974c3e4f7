//! The explorer of running nodes: its pages over HTTP, what strangers may and may not, and the same in a real browser.

mod accessibility;
mod browsing;
mod faucet;
mod javascript;
mod lies;
mod limits;
mod lists;
mod pages;

use cairn_ledger::codec::BoundedBytes;
use cairn_ledger::testing::{key, payment};
use cairn_ledger::transaction::Transaction;
use cairn_tests::http::{Answer, get};
use cairn_tests::network::TestNetwork;
use cairn_tests::node::Node;
use std::sync::Arc;

/// What a payment pays its miner: enough for its bytes.
const FEE: u64 = 1_000;

/// A memo that wants to be more than text, in every way there is.
const NASTY: &str =
    "<script>document.title='owned'</script><img src=x onerror=alert(1)>\u{1b}[31m\u{202e}\u{200b}'\"&{{1}}";

/// A node with an index of addresses.
async fn indexed(arguments: &[&str]) -> Node {
    let network = Arc::new(TestNetwork::new());
    let arguments: Vec<&str> = ["--index.addresses=true"].into_iter().chain(arguments.iter().copied()).collect();
    Node::start(&network, "explorer", &arguments).await
}

/// A payment from the n-th test key to the next.
fn pay(node: &Node, from: u64, nonce: u64, amount: u64) -> Transaction {
    payment(node.network().spec(), &key(from), nonce, key(from + 1).address(), amount, FEE)
}

/// The same with a memo.
fn pay_with_memo(node: &Node, from: u64, nonce: u64, memo: &[u8]) -> Transaction {
    let mut body = pay(node, from, nonce, 5).body;
    body.memo = BoundedBytes::new(memo.to_vec()).expect("no memo is longer");
    body.sign(&key(from), &node.network().spec().genesis_id(), &[7; 32])
}

/// A page that is there.
fn page(node: &Node, path: &str) -> String {
    let answer = get(node.rpc_port(), path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.head);
    answer.body
}

/// The value of a header.
fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    let line = answer.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap_or_else(|| panic!("{name} in {}", answer.head))
}

/// The addresses that a page links to on its own node.
fn links(html: &str) -> Vec<&str> {
    let found = html.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    found.filter(|link| link.starts_with('/')).collect()
}
