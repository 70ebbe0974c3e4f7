//! Every page: its status, its headers, what it shows; wrong entries; what wants to be more than text.

use crate::{FEE, NASTY, header, indexed, links, page, pay, pay_with_memo};
use cairn_ledger::hash::{BlockId, TxId};
use cairn_rpc::methods::ChainClient;
use cairn_tests::http::{get, request};
use cairn_tests::{cluster::Cluster, node::Node};
use std::collections::BTreeSet;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      worker-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// What every page is sent with.
const HEADERS: [(&str, &str); 5] = [
    ("content-security-policy", POLICY),
    ("content-type", "text/html; charset=utf-8"),
    ("x-frame-options", "deny"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
];

/// A node with a block that has a payment, one block on it, and a payment that waits.
async fn lively() -> (Node, BlockId, TxId, TxId) {
    let node = indexed(&[]).await;
    let mined = node.submit(&pay(&node, 0, 0, 150_000_000)).await;
    node.generate(1, 9).await;
    let block = node.rpc().chain_tip().await.expect("a tip").id.0;
    node.generate(1, 9).await;
    let waiting = node.submit(&pay(&node, 0, 1, 7)).await;
    (node, block, mined, waiting)
}

/// What a page must not hold: Content-Security-Policy forbids it, and so it would not work.
fn is_strict(html: &str, path: &str) {
    for forbidden in ["style=\"", "<style", "javascript:", " onload=", " onclick=", " onerror=\""] {
        assert!(!html.contains(forbidden), "{path} has {forbidden}");
    }
    for script in html.split("<script").skip(1) {
        assert!(
            script.starts_with(" type=\"module\" src=\"/web/") && script.contains("\"></script>"),
            "{path}: a script"
        );
    }
    for tag in ["<!doctype html>", "<html lang=\"en\">", "<h1", "<main id=\"main\"", "name=\"viewport\""] {
        assert!(html.contains(tag), "{path} lacks {tag}");
    }
    let foreign = html.split("href=\"").chain(html.split("src=\"")).skip(1).filter(|link| link.starts_with("http"));
    assert_eq!(foreign.count(), 0, "{path} leads elsewhere");
}

/// Every page, and what it must show.
fn expected(node: &Node, block: BlockId, mined: TxId, waiting: TxId) -> Vec<(String, Vec<String>)> {
    let (payer, payee) = (node.network().address(0), node.network().address(1));
    let (genesis, fee) = (node.network().spec().genesis_id(), format!("data-claim=\"fee\" data-value=\"{FEE}\""));
    let (block_id, txid) = (block.to_string(), mined.to_string());
    let proof = format!("data-proof=\"block\" data-id=\"{block}\"");
    let all: [(String, &[&str]); 10] = [
        (String::from("/"), &[&txid, &block_id, &waiting.to_string(), "data-claim=\"height\" data-value=\"2\""]),
        (String::from("/blocks"), &[&block_id]),
        (String::from("/block/1"), &[&txid, "2 confirmations", &proof]),
        (format!("/block/{block}"), &["data-claim=\"fees\" data-value=\"1000\""]),
        (format!("/tx/{mined}"), &[&payer, &payee, ">1.5</span>", &fee]),
        (format!("/tx/{waiting}"), &["Waiting for a block", "0.00000007"]),
        (format!("/address/{payee}"), &["data-claim=\"balance\" data-value=\"1000150000000\"", &txid]),
        (String::from("/pool"), &[&waiting.to_string()]),
        (String::from("/network"), &["This node has no peer", "keeps all blocks"]),
        (String::from("/settings"), &[&genesis.to_string()]),
    ];
    all.map(|(path, texts)| (path, texts.iter().map(|&text| text.to_owned()).collect())).into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_is_served_with_strict_headers_and_shows_what_json_rpc_says() {
    let (node, block, mined, waiting) = lively().await;
    let (port, network) = (node.rpc_port(), node.network());
    let genesis = network.spec().genesis_id();
    for (path, shows) in expected(&node, block, mined, waiting) {
        let path = path.as_str();
        let answer = get(port, path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.head);
        for text in shows {
            assert!(answer.body.contains(&text), "{path} lacks {text}: {}", answer.body);
        }
        is_strict(&answer.body, path);
        assert!(answer.body.contains(&format!("data-genesis=\"{genesis}\" data-height=\"2\"")), "{path}");
        for (name, value) in HEADERS {
            assert_eq!(header(&answer, name), value, "{path}");
        }
        let head = request(port, "HEAD", path, &[], "");
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{path}");
        assert_eq!(header(&head, "content-security-policy"), POLICY);
    }
    // What was on this port before is there as it was.
    assert_eq!(get(port, "/health").body.trim(), r#"{"live":true}"#);
    assert!(get(port, "/metrics").body.contains("cairn_rpc_calls_total{method=\"page\",outcome=\"ok\"}"));
    assert_eq!(node.info().await.height, 2, "JSON-RPC");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_link_leads_to_a_page_and_the_first_page_is_small() {
    let (node, ..) = lively().await;
    let (mut seen, mut waiting) = (BTreeSet::new(), vec![String::from("/")]);
    while let Some(path) = waiting.pop() {
        let address = path.split('#').next().unwrap_or_default().to_owned();
        if !seen.insert(address.clone()) {
            continue;
        }
        let answer = get(node.rpc_port(), &address);
        assert_eq!(answer.status, 200, "{address}");
        if header(&answer, "content-type").starts_with("text/html") {
            waiting.extend(links(&answer.body).into_iter().map(str::to_owned));
        }
    }
    let pages = ["/block/", "/tx/", "/address/", "/pool", "/network", "/settings", "/blocks", "/web/"];
    assert!(pages.iter().all(|page| seen.iter().any(|path| path.starts_with(page))), "{seen:?}");
    let own = ["/", "/web/style.css", "/web/app.js", "/web/icon.svg"];
    let bytes: usize =
        own.iter().map(|path| get(node.rpc_port(), path)).map(|page| page.head.len() + page.body.len()).sum();
    assert!(bytes < 60_000, "{bytes} bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_leads_to_what_was_meant_and_a_wrong_entry_gets_a_sentence() {
    let (node, block, mined, waiting) = lively().await;
    let (port, address) = (node.rpc_port(), node.network().address(1));
    for (typed, leads) in [
        ("2", String::from("/block/2")),
        ("%201,%20", String::from("/block/1")),
        (&block.to_string(), format!("/block/{block}")),
        (&mined.to_string().to_uppercase(), format!("/tx/{mined}")),
        (&waiting.to_string(), format!("/tx/{waiting}")),
        (&address, format!("/address/{address}")),
        (&format!("cairn:{address}%3Famount=1"), format!("/address/{address}")),
    ] {
        let answer = get(port, &format!("/search?q={typed}"));
        assert_eq!((answer.status, header(&answer, "location")), (303, leads.as_str()), "{typed}");
        assert_eq!(get(port, &leads).status, 200, "{leads}");
    }
    let unknown = "00".repeat(32);
    let typo =
        format!("/address/{}", address.replace(&address[20..21], if &address[20..21] == "q" { "p" } else { "q" }));
    for (path, says) in [
        ("/search?q=", "Nothing was looked for."),
        ("/search", "Nothing was looked for."),
        ("/search?q=3", "The chain has no block 3 yet."),
        ("/search?q=99999999999999999999999", "is neither a height"),
        (&format!("/search?q={unknown}"), "knows neither a block nor a payment"),
        ("/search?q=gold", "“gold” is neither a height nor the id"),
        ("/block/3", "The chain has no block 3 yet."),
        ("/block/gold", "“gold” is no block"),
        (&format!("/block/{unknown}"), "No block has the id"),
        ("/block/1?page=2", "no page 2 of payments"),
        ("/block/1?page=gold", "expected a whole number"),
        (&format!("/tx/{unknown}"), "knows no payment with this id"),
        ("/tx/gold", "“gold” is no id of a payment"),
        ("/address/gold", "“gold” is no address of this network"),
        (&typo, "is no address of this network"),
        ("/pool?after=gold", "“gold” is no place to go on from"),
        ("/nothing", "There is no page at “/nothing”."),
        ("/web/nothing.js", "There is no file “nothing.js”."),
        ("/web/../Cargo.toml", "There is no file"),
    ] {
        let answer = get(port, path);
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.body.contains(says), "{path}: {}", answer.body);
        assert_eq!(header(&answer, "cache-control"), "no-store", "{path}");
        is_strict(&answer.body, path);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_wants_to_be_more_than_text_is_text() {
    let node = indexed(&[]).await;
    let nasty = node.submit(&pay_with_memo(&node, 0, 0, NASTY.as_bytes())).await;
    let bytes = node.submit(&pay_with_memo(&node, 2, 0, &[0xff, 0xfe, 0x3c])).await;
    let tea = node.submit(&pay_with_memo(&node, 4, 0, "tea é 茶".as_bytes())).await;
    node.generate(1, 9).await;
    let inert = |html: &str, path: &str| {
        is_strict(html, path);
        for raw in ["<script>d", "<img", "\u{1b}", "\u{202e}", "\u{200b}"] {
            assert!(!html.contains(raw), "{path} has {raw:?}");
        }
    };
    let shown = page(&node, &format!("/tx/{nasty}"));
    inert(&shown, "the memo");
    assert!(shown.contains("\\u{1b}[31m\\u{202e}\\u{200b}"), "what is not seen is named: {shown}");
    assert!(shown.contains("&#60;script&#62;") || shown.contains("&lt;script&gt;"), "{shown}");
    assert!(page(&node, &format!("/tx/{bytes}")).contains("fffe3c</span> <span class=\"quiet\">(no text)"));
    assert!(page(&node, &format!("/tx/{tea}")).contains("tea é 茶"), "the control: text is shown as it is");
    let long = "a".repeat(20_000);
    for evil in [
        "%3Cscript%3Edocument.title%3D1%3C/script%3E",
        "%22%3E%3Cimg%20src%3Dx%20onerror%3D%22alert(1)%22%3E",
        "%1b%5B2J%E2%80%AE%E2%80%8Bevil",
        "%00%ff%fe",
        &long,
    ] {
        for path in [
            format!("/search?q={evil}"),
            format!("/tx/{evil}"),
            format!("/block/{evil}"),
            format!("/address/{evil}"),
            format!("/{evil}"),
            format!("/block/1?page={evil}"),
            format!("/pool?after={evil}"),
            format!("/address/{}?before={evil}", node.network().address(0)),
        ] {
            let answer = get(node.rpc_port(), &path);
            assert_eq!(answer.status, 404, "{path}");
            inert(&answer.body, &path);
            assert!(answer.body.len() < 20_000, "{path}: {} bytes", answer.body.len());
        }
    }
    // A page is no way into the answer's head.
    let split = get(node.rpc_port(), "/search?q=1%0d%0aset-cookie:%20a");
    assert!(!split.head.contains("set-cookie"), "{}", split.head);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_of_a_local_network_stand_side_by_side() {
    let cluster = Cluster::start(2).await;
    cluster[0].generate(3, 9).await;
    cluster.agree().await;
    let lone = Node::start(cluster.network(), "lone", &[]).await;
    let others = format!("--explorer.nodes={},{},http://127.0.0.1:1", cluster[1].url(), lone.url());
    let node =
        Node::start(cluster.network(), "beside", &[&others, "--network.peers", &cluster[0].address().await]).await;
    node.has_peers(1).await;
    cairn_tests::wait::until("it has caught up", cairn_tests::wait::SOON, async || {
        (node.info().await.height == 3).then_some(())
    })
    .await;
    let html = page(&node, "/network");
    assert!(html.contains(&cluster[1].url()) && html.contains("Same tip"), "{html}");
    assert!(html.contains("3 blocks behind"), "one that has fetched nothing is on the same chain: {html}");
    assert!(html.contains("http://127.0.0.1:1</td>") && html.contains("No answer"), "one that does not run: {html}");
    assert!(html.contains("outbound") && html.contains("direct, TCP") && html.contains(" ms"), "its peer: {html}");
    let policy = get(node.rpc_port(), "/network");
    let sources = format!("connect-src 'self' {} {} http://127.0.0.1:1;", cluster[1].url(), lone.url());
    assert!(header(&policy, "content-security-policy").contains(&sources), "{}", policy.head);
}
