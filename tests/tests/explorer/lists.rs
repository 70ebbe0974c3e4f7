//! Pages of lists, and what browsers may keep.

use crate::{FEE, header, indexed, links, page, pay};
use cairn_ledger::testing::{key, payment};
use cairn_rpc::methods::ChainClient;
use cairn_tests::http::{get, request};
use cairn_tests::node::Node;
use std::collections::BTreeSet;

/// The ids of payments that a page lists.
fn listed(html: &str) -> Vec<String> {
    let rows = html.split("<td data-label=\"Payment\"").skip(1);
    rows.filter_map(|row| Some(row.split("href=\"/tx/").nth(1)?.get(..64)?.to_owned())).collect()
}

/// Hands in `count` payments of each of the first ten keys, all to one address.
async fn pay_often(node: &Node, count: u64) -> BTreeSet<String> {
    let (spec, to) = (node.network().spec(), key(77).address());
    let mut txids = BTreeSet::new();
    for from in 0..10 {
        for nonce in 0..count {
            txids.insert(node.submit(&payment(spec, &key(from), nonce, to, 5_000_000, FEE)).await.to_string());
        }
    }
    txids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_of_many_payments_and_a_long_history_come_in_pages_and_lose_nothing() {
    let node = indexed(&[]).await;
    let txids = pay_often(&node, 12).await;
    let (mut waiting, mut path) = (Vec::new(), String::from("/pool"));
    loop {
        let html = page(&node, &path);
        waiting.extend(listed(&html));
        let Some(next) = links(&html).into_iter().find(|link| link.starts_with("/pool?after=")) else { break };
        path = next.to_owned();
    }
    assert_eq!(waiting.len(), 120, "the pool in pages of 50");
    assert_eq!(waiting.into_iter().collect::<BTreeSet<_>>(), txids);
    while node.rpc().chain_tip().await.expect("a tip").height < 2 || node.info().await.pooled > 0 {
        node.generate(1, 9).await;
    }
    // The block's pages.
    let mut in_blocks = Vec::new();
    for height in 1..=node.info().await.height {
        let mut path = format!("/block/{height}");
        loop {
            let html = page(&node, &path);
            let rows = listed(&html);
            assert!(rows.len() <= 50, "{} on {path}", rows.len());
            in_blocks.extend(rows);
            let next = links(&html)
                .into_iter()
                .find(|link| html.contains(&format!("rel=\"next\" href=\"{link}\"")) && link.contains("?page="));
            let Some(next) = next.and_then(|next| next.split('#').next()) else { break };
            path = next.to_owned();
        }
    }
    assert_eq!((in_blocks.len(), in_blocks.into_iter().collect::<BTreeSet<_>>()), (120, txids.clone()));
    // The history of who received all of it.
    let (mut told, mut path) =
        (Vec::new(), format!("/address/{}", node.network().spec().params().prefix.encode(&key(77).address())));
    loop {
        let html = page(&node, &path);
        let rows = listed(&html);
        assert!(rows.len() <= 25, "{} on {path}", rows.len());
        told.extend(rows);
        let Some(next) = links(&html).into_iter().find(|link| link.contains("?before=")) else { break };
        path = next.split('#').next().unwrap_or_default().to_owned();
    }
    assert_eq!((told.len(), told.into_iter().collect::<BTreeSet<_>>()), (120, txids));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_index_an_address_has_a_balance_and_a_sentence() {
    let network = std::sync::Arc::new(cairn_tests::network::TestNetwork::new());
    let node = Node::start(&network, "plain", &[]).await;
    node.submit(&pay(&node, 0, 0, 5)).await;
    let html = page(&node, &format!("/address/{}", network.address(0)));
    assert!(html.contains("keeps no index of addresses") && html.contains("index.addresses = true"), "{html}");
    assert!(
        html.contains("data-claim=\"balance\" data-value=\"1000000000000\"") && html.contains("After what waits"),
        "{html}"
    );
    let nobody = page(&node, &format!("/address/{}", network.spec().params().prefix.encode(&key(99).address())));
    assert!(nobody.contains("no account yet") && nobody.contains("data-value=\"0\""), "{nobody}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn browsers_keep_for_ever_what_never_changes_and_nothing_that_does() {
    let node = indexed(&[]).await;
    let txid = node.submit(&pay(&node, 0, 0, 5)).await;
    node.generate(1, 9).await;
    let block = node.rpc().chain_tip().await.expect("a tip").id.0;
    let kept = |path: &str| header(&get(node.rpc_port(), path), "cache-control").to_owned();
    let (block, payment) = (format!("/block/{block}"), format!("/tx/{txid}"));
    let forever = "max-age=31536000, immutable";
    for path in [&block, &payment] {
        assert_eq!(kept(path), "no-cache", "{path}: it may still be replaced");
    }
    node.generate(100, 9).await;
    for path in [&block, &payment] {
        assert_eq!(kept(path), forever, "{path} is buried");
        assert!(page(&node, path).contains("More than 100 confirmations"));
    }
    assert_eq!(kept("/block/1"), "no-cache", "a height may mean another block");
    for path in ["/", "/blocks", "/pool", "/network", &format!("/address/{}", node.network().address(0)), "/nothing"] {
        assert_eq!(kept(path), "no-store", "{path}");
    }
    // Files by their content.
    let html = page(&node, "/");
    let style = html.split('"').find(|text| text.starts_with("/web/style.css?v=")).expect("a style sheet").to_owned();
    assert_eq!(
        (kept(&style), kept("/web/style.css"), kept("/web/style.css?v=0")),
        (forever.into(), "no-cache".into(), "no-cache".into())
    );
    for path in [&style, &block, "/block/1"] {
        let tag = header(&get(node.rpc_port(), path), "etag").to_owned();
        let again = |tag: &str| request(node.rpc_port(), "GET", path, &[&format!("If-None-Match: {tag}")], "");
        assert_eq!((again(&tag).status, again(&tag).body.as_str()), (304, ""), "{path}");
        assert_eq!(again("\"other\"").status, 200, "{path}: the control");
    }
}
