//! Every page, written from the golden answers of JSON-RPC.

use cairn_explorer::Shell;
use cairn_explorer::chart::Series;
use cairn_explorer::pages::{
    AddressPage, BlockBody, BlockPage, BlockSummary, BlocksPage, BodySummary, ErrorPage, Found, History, Holders, Id,
    Money, NetworkPage, OtherNode, Overview, PaymentPage, PaymentRow, PoolPage, SettingsPage, write,
};
use cairn_ledger::{hash::BlockId, units::Amount};
use cairn_rpc::text::Text;
use cairn_rpc::types::{BlockTransactions, HeaderJson, NodeInfo, TransactionInfo, TransactionJson};
use std::{fs, path::Path};

/// The golden answer of a method.
fn answer<T: serde::de::DeserializeOwned>(method: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../node/tests/rpc/golden/{method}.json"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{method}: {error}"))
}

fn shell() -> Shell {
    Shell {
        chain: String::from("local"),
        genesis: "ab".repeat(32),
        height: 7,
        tip: "cd".repeat(32),
        nodes: vec![String::from("http://127.0.0.1:29761")],
        faucet: Some(String::from("http://127.0.0.1:29742")),
        version: String::from("0.1.0"),
        part: "overview",
    }
}

/// Keeps a page where somebody wants to look at it.
fn keep(name: &str, html: &str) {
    if let Some(directory) = std::env::var_os("CAIRN_PAGES").filter(|directory| !directory.is_empty()) {
        fs::write(Path::new(&directory).join(format!("{name}.html")), html).expect("a page is written");
    }
}

/// What must never come out of a page, whatever went in.
fn is_inert(name: &str, html: &str) {
    for raw in ["<script>", "<img", "\u{1b}", "\u{202e}", "\u{200b}", "style=\"", " onerror=\""] {
        assert!(!html.contains(raw), "{name} has {raw:?}");
    }
}

/// What wants to be more than text.
const NASTY: &str = "<script>alert(1)</script><img src=x onerror=\"alert(1)\">\u{1b}[2J\u{202e}\u{200b}";

fn transaction() -> TransactionInfo {
    answer("chain_getTransaction")
}

fn rows(count: u64) -> Vec<PaymentRow> {
    let shown: TransactionJson = transaction().transaction;
    (0..count).map(|n| PaymentRow::new(&shown).at(Some(n), 1_700_000_000_000 + n)).collect()
}

fn blocks(count: u64) -> Vec<BlockSummary> {
    let header: HeaderJson = answer("chain_tip");
    let summary = |n: u64| {
        let fees = Money(Amount::from_pebbles(n * 1_000).expect("a small amount"));
        let body = BodySummary { count: n, size: 200 * n, fees, fee_rate: n as f64 % 7.0, last: rows(2) };
        BlockSummary {
            height: n,
            work: 1_000.0 + (n % 13) as f64 * 90.0,
            body: Some(body),
            ..BlockSummary::new(&header)
        }
    };
    (0..count).rev().map(summary).collect()
}

fn series(values: impl Iterator<Item = f64>) -> Series {
    Series { first: 1, values: values.collect() }
}

fn overview() -> Overview {
    Overview {
        shell: shell(),
        tip: answer("chain_tip"),
        node: answer("node_info"),
        difficulty: answer("chain_difficulty"),
        supply: answer("chain_supply"),
        pool: answer("mempool_info"),
        fee: answer("mempool_feeEstimate"),
        blocks: blocks(8),
        waiting: rows(3),
        payments: rows(8),
        work: series((0..120).map(|n| 1e6 + f64::from(n % 17) * 2e4)),
        fees: series((0..32).map(|n| f64::from(n * 7 % 11))),
    }
}

#[test]
fn the_first_page_shows_what_the_answers_say_and_its_proofs_have_their_places() {
    let html = write(&overview()).expect("it is written");
    keep("index", &html);
    let tip: HeaderJson = answer("chain_tip");
    for text in [
        format!("data-claim=\"height\" data-value=\"{}\"", tip.height),
        format!("data-claim=\"id\" data-value=\"{}\"", tip.id.0),
        String::from("<output class=\"proof\" data-proof=\"tip\"></output>"),
        format!("<body data-genesis=\"{}\" data-height=\"7\" data-tip=\"{}\"", shell().genesis, shell().tip),
        String::from("class=\"line\" d=\"M0.0 "),
    ] {
        assert!(html.contains(&text), "{text} is missing: {html}");
    }
    assert!(html.len() < 40_000, "{} bytes", html.len());
    assert_eq!(
        html.matches("href=\"http://127.0.0.1:29742/\"").count(),
        2,
        "the faucet, in the menu and below: {html}"
    );
    is_inert("the overview", &html);
}

#[test]
fn blocks_and_payments_are_written() {
    let header: HeaderJson = answer("chain_tip");
    let body = BlockBody { size: 1_234, count: 120, fees: Money(Amount::ZERO), payments: rows(50), page: 2 };
    let page = BlockPage {
        shell: shell(),
        header: header.clone(),
        confirmations: 3,
        subsidy: Money(Amount::ZERO),
        body: Ok(body),
    };
    let html = write(&page).expect("it is written");
    keep("block", &html);
    assert!(
        html.contains("51 to 100 of 120") && html.contains("?page=3#payments") && html.contains("data-claim=\"tx.50\""),
        "{html}"
    );
    let pruned = BlockPage { confirmations: 0, body: Err(String::from("It was pruned.")), ..page };
    let html = write(&pruned).expect("it is written");
    assert!(html.contains("It was pruned.") && html.contains("Not on the chain"), "{html}");
    let mut info = transaction();
    info.transaction.memo.0 = NASTY.as_bytes().to_vec();
    let found = Found::Here(Box::new(info), Some(1_700_000_000_000));
    let html = write(&PaymentPage { shell: shell(), txid: Id::payment("ab"), found }).expect("it is written");
    keep("payment", &html);
    is_inert("a payment", &html);
    assert!(html.contains("\\u{1b}[2J\\u{202e}\\u{200b}"), "{html}");
    for state in ["unknown", "dropped", "expired"] {
        let found = Found::Gone(answer(&format!("tx_status.{state}")));
        let html = write(&PaymentPage { shell: shell(), txid: Id::payment("ab"), found }).expect("it is written");
        assert!(html.contains(&format!("data-state=\"{state}\"")) && html.contains("pill bad"), "{html}");
    }
    let list = BlocksPage { shell: shell(), blocks: blocks(25), newer: Some(50), older: None, now: 1_700_000_100_000 };
    keep("blocks", &write(&list).expect("it is written"));
    let BlockTransactions::Ids(_) = answer::<cairn_rpc::types::BlockJson>("chain_getBlock").transactions else {
        panic!("the short form has ids")
    };
}

#[test]
fn addresses_the_pool_and_the_network_are_written() {
    let history: cairn_rpc::types::AddressHistory = answer("state_getHistory");
    let mut account: cairn_rpc::types::AccountJson = answer("state_getAccount");
    account.address.clone_from(&history.address);
    let page = |history| AddressPage {
        shell: shell(),
        account: account.clone(),
        history,
        is_later: false,
        waiting: answer("mempool_ofSender"),
    };
    let html = write(&page(History::Page(history))).expect("it is written");
    keep("address", &html);
    assert!(html.contains("data-proof=\"account\"") && html.contains("Sent to"), "{html}");
    assert!(html.contains("href=\"http://127.0.0.1:29742/?address="), "the faucet, for this address: {html}");
    let html = write(&page(History::None(String::from("There is no index.")))).expect("it is written");
    assert!(html.contains("There is no index.") && !html.contains("<th scope=\"col\">When"), "{html}");
    let pool = PoolPage {
        shell: shell(),
        info: answer("mempool_info"),
        estimates: vec![answer("mempool_feeEstimate")],
        content: answer("mempool_content"),
        is_later: false,
    };
    keep("pool", &write(&pool).expect("it is written"));
    let node: NodeInfo = answer("node_info");
    let mut peers: Vec<cairn_rpc::types::PeerJson> = answer("net_peers");
    for peer in &mut peers {
        peer.agent = Some(NASTY.repeat(100));
    }
    let mut network = NetworkPage {
        others: vec![
            OtherNode {
                url: String::from("http://127.0.0.1:29761"),
                info: Ok(Box::new(node.clone())),
                is_on_chain: true,
            },
            OtherNode { url: String::from("http://127.0.0.1:29771"), info: Err(NASTY.to_owned()), is_on_chain: false },
        ],
        shell: shell(),
        node,
        net: answer("net_info"),
        peers,
        shows_addresses: false,
        holders: Holders::Found(answer("net_findProviders"), 5_000),
    };
    let html = write(&network).expect("it is written");
    keep("network", &html);
    assert!(!html.contains("/ip4/127.0.0.1/tcp/29740"), "addresses are the operator's business: {html}");
    is_inert("the network", &html);
    network.shows_addresses = true;
    assert!(write(&network).expect("it is written").contains("/ip4/127.0.0.1/tcp/29740"), "but on a local network");
    keep("settings", &write(&SettingsPage { shell: shell() }).expect("it is written"));
    let error = ErrorPage {
        shell: shell(),
        title: "Not found",
        sentence: cairn_explorer::format::sentence(NASTY),
        advice: "Look elsewhere.",
    };
    let html = write(&error).expect("it is written");
    keep("error", &html);
    is_inert("an error", &html);
}

#[test]
fn another_node_is_behind_or_ahead_before_it_is_on_another_chain() {
    let node: NodeInfo = answer("node_info");
    let standing = |change: &dyn Fn(&mut NodeInfo), is_on_chain| {
        let mut info = Box::new(node.clone());
        change(&mut info);
        let mut own = node.clone();
        own.height = 5;
        let page = NetworkPage {
            others: vec![OtherNode { url: String::from("http://127.0.0.1:29761"), info: Ok(info), is_on_chain }],
            shell: shell(),
            node: own,
            net: answer("net_info"),
            peers: Vec::new(),
            shows_addresses: false,
            holders: Holders::Unknown,
        };
        let html = write(&page).expect("it is written");
        html.split("<span class=\"pill ").nth(1).and_then(|rest| rest.split('<').next()).expect("a pill").to_owned()
    };
    let at = |height| move |info: &mut NodeInfo| (info.height, info.tip) = (height, Text(BlockId::from_bytes([7; 32])));
    assert_eq!(standing(&|_| {}, true), "good\">Same tip");
    assert_eq!(standing(&at(2), true), "good\">3 blocks behind");
    assert_eq!(standing(&at(6), false), "\">1 block ahead");
    assert_eq!(standing(&at(5), false), "warn\">Another chain");
    let elsewhere = |info: &mut NodeInfo| info.genesis_id = Text(BlockId::from_bytes([8; 32]));
    assert_eq!(standing(&elsewhere, false), "bad\">Another network");
}
